//! One run of a pull: what an earlier one left, or the command.
//!
//! The command finds in its environment `LANDFALL_PULL`, `LANDFALL_FEED`, `LANDFALL_ZONE`,
//! `LANDFALL_WATERMARK` (empty at first), `LANDFALL_WATERMARK_FILE` (where to say how far it came)
//! and `LANDFALL_FOLDER` (an empty folder of its own for files). What it prints is a file too, when
//! it prints anything. The zone is its working folder.

use std::fs::File;
use std::io::{self, Write as _};
use std::process::Command;
use std::sync::atomic::AtomicBool;

use crate::clock::Timestamp;
use crate::command::{self, Ended, LastWords, Speech, Until};
use crate::config::{Config, Pull};
use crate::diagnostic::on_one_line;
use crate::ledger::PullState;
use crate::names::{ArrivalId, PullName};
use crate::receive::staging::Space;
use crate::zone::Zone;

use super::load::{self, Load, Place};
use super::{Environment, Intake, deliver};

/// What of the server's environment every command sees.
const SEEN: [&str; 4] = ["PATH", "HOME", "LANG", "TZ"];

/// What a run takes.
pub(super) struct Runner<'r> {
    pub zone: &'r Zone,
    pub config: &'r Config,
    pub environment: &'r Environment,
    pub intake: &'r dyn Intake,
    pub stop: &'r AtomicBool,
    pub name: &'r PullName,
    pub pull: &'r Pull,
}

/// How a run ended.
pub(super) enum Attempt {
    /// So many files are taken.
    Taken(u64),
    /// The server stops.
    Stopped,
    /// Why not.
    Failed(String),
}

impl Runner<'_> {
    /// Takes what an earlier run left, or else runs the command and takes what it brought.
    pub(super) fn attempt(
        &self,
        before: Option<PullState>,
        began_at: Timestamp,
        by: Option<String>,
    ) -> Attempt {
        let place = Place::of(self.zone, self.name);
        let left = match load::find(&place) {
            Ok(left) => left,
            Err(error) => return failed(&error),
        };
        let (run, watermark) = before.map_or((None, None), |state| (state.run, state.watermark));
        let load = match left {
            Some(load) => load,
            None => match self.fetch(&place, (began_at, watermark), by) {
                Ok(Some(load)) => load,
                otherwise => {
                    if let Err(error) = load::remove(&place.work()) {
                        tracing::warn!(error = on_one_line(&error), "what a run left stays");
                    }
                    return otherwise.map_or_else(Attempt::Failed, |_| Attempt::Stopped);
                }
            },
        };
        match deliver::deliver(&load, &place, self, run.as_deref()) {
            Ok(files) => Attempt::Taken(files),
            Err(error) => failed(&error),
        }
    }

    /// Runs the command; `None` when the server stops.
    fn fetch(
        &self,
        place: &Place,
        (began_at, watermark): (Timestamp, Option<String>),
        by: Option<String>,
    ) -> Result<Option<Load>, String> {
        let space = Space::new(self.zone.run_time());
        space.keep_free(self.config.free_reserve);
        if space.is_scarce() {
            return Err("the disk is nearly full, so nothing was fetched".to_owned());
        }
        let durability = self.config.durability;
        let output = place.empty(durability).map_err(|error| on_one_line(&error))?;
        let mut left = self.pull.bytes_max;
        let mut keep = |bytes: &[u8]| {
            left = left.checked_sub(bytes.len() as u64).ok_or_else(too_much)?;
            if space.is_in_reserve() {
                Err(io::ErrorKind::StorageFull.into())
            } else {
                put(&output, bytes)
            }
        };
        let mut command = self.describe(place, &watermark.unwrap_or_default())?;
        let until = Until { timeout: self.pull.timeout, stop: self.stop };
        let ended = command::run(&mut command, b"", (Speech::Errors, &mut keep), until);
        match ended {
            Ok(Ended::Exited(status, _)) if status.success() => {}
            Ok(Ended::Exited(status, last)) => return Err(told(&status.to_string(), &last)),
            Ok(Ended::TimedOut(last)) => {
                let after = self.pull.timeout.as_secs_f32();
                return Err(told(&format!("stopped after its timeout of {after} s"), &last));
            }
            Ok(Ended::Stopped) => return Ok(None),
            Err(error) => {
                let program = self.pull.command.first().map_or("", String::as_str);
                return Err(format!("cannot run `{program}`: {error}"));
            }
        }
        let run = ArrivalId::new(began_at).to_string();
        let load = Load::gather(place, self.pull, (run, began_at), by);
        let load = load.map_err(|error| on_one_line(&error))?;
        load.make_durable(place, durability).map_err(|error| on_one_line(&error))?;
        Ok(Some(load))
    }

    fn describe(&self, place: &Place, watermark: &str) -> Result<Command, String> {
        let (program, arguments) =
            self.pull.command.split_first().ok_or("the command names no program")?;
        let seen = SEEN.into_iter().chain(self.pull.env.iter().map(String::as_str));
        let seen = seen.filter_map(|name| Some((name, (self.environment)(name)?)));
        let mut command = Command::new(command::program(self.zone.root(), program));
        command
            .args(arguments)
            .current_dir(self.zone.root())
            .env_clear()
            .envs(seen)
            .env("LANDFALL_ZONE", self.zone.root())
            .env("LANDFALL_PULL", self.name.as_str())
            .env("LANDFALL_FEED", self.pull.feed.as_str())
            .env("LANDFALL_FOLDER", place.files())
            .env("LANDFALL_WATERMARK_FILE", place.watermark())
            .env("LANDFALL_WATERMARK", watermark);
        Ok(command)
    }
}

fn put(mut to: &File, bytes: &[u8]) -> io::Result<()> {
    to.write_all(bytes)
}

fn too_much() -> io::Error {
    io::Error::new(io::ErrorKind::FileTooLarge, "it printed more than `max_bytes`")
}

fn failed(error: &(dyn std::error::Error + 'static)) -> Attempt {
    Attempt::Failed(on_one_line(error))
}

fn told(ending: &str, last: &LastWords) -> String {
    last.text().map_or(ending.to_owned(), |words| format!("{ending}: {words}"))
}
