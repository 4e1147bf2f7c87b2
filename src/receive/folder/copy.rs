//! Taking one complete file: a copy into staging, hashed as it is made, handed to the intake.
//!
//! The file in the drop folder is never moved or linked into the archive: whoever put it there may
//! still have it open, and its bytes must not change afterwards. What the file was before and after
//! the copy must agree, and nobody may have begun to write it meanwhile; otherwise the copy is
//! thrown away and the file is looked at again later.

use std::collections::HashMap;
use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use crate::archive::Staged;
use crate::clock::Clock;
use crate::config::After;
use crate::diagnostic::{Code, Diagnostic};
use crate::durable;
use crate::ledger::{Arrival, Door, Sender, Sidecar};
use crate::names::{Digest, FeedName, FileName};
use crate::receive::{Completion, Intake, Refusal, SIDECAR_BYTES_MAX, Settled, staging};
use crate::zone::Zone;

use super::beneath::{Opened, Stamp, open_file};
use super::lease::{Writers, writers};

/// With `after = "keep"`, a name is taken at most once in this time; the last state wins.
pub const KEPT_AGAIN_AFTER: Duration = Duration::from_secs(600);

/// What every copy of a folder needs.
pub struct Taker {
    /// Where staging is.
    pub zone: Zone,
    /// Where files go.
    pub intake: Arc<dyn Intake>,
    /// The time.
    pub clock: Clock,
    /// The drop folder.
    pub root: PathBuf,
    /// Who is recorded as the sender.
    pub sender: Sender,
    /// The feed.
    pub feed: FeedName,
    /// What becomes of a taken file.
    pub after: After,
    /// Set when the server stops.
    pub stop: Arc<AtomicBool>,
    /// Names of users seen so far.
    pub owners: Mutex<HashMap<u32, String>>,
}

/// How an attempt to take a file ended.
#[derive(Debug)]
pub enum Attempt {
    /// It is taken, now or before a restart.
    Taken(Box<Arrival>),
    /// It speaks of another file and is recorded with it.
    Sidecar(Box<Sidecar>),
    /// It is not what it was: begin anew.
    Changed,
    /// A name that stays was taken a short time ago: not before this has passed.
    TooSoon(Duration),
    /// It could not be taken.
    Refused(Diagnostic),
}

impl Taker {
    /// Takes the file if it still is what it was judged to be. Blocks.
    pub fn take(&self, name: &FileName, judged: Stamp) -> Attempt {
        let means = self.intake.sidecar_name(&self.feed, name);
        if means.is_some() && judged.size_bytes() > SIDECAR_BYTES_MAX {
            let summary = format!("{name} is named like a sidecar and has more than 64 KiB");
            return Attempt::Refused(Diagnostic::error(Code::F105, summary));
        }
        let known = match means {
            Some(_) => self.known_sidecar(name, judged),
            None => self.known(name, judged),
        };
        match known {
            Ok(Some(attempt)) => return attempt,
            Ok(None) => {}
            Err(refusal) => return refused(name, &refusal),
        }
        let taken = self.copy(name, judged);
        let (staged, digest, seen) = match taken {
            Ok(Some(copied)) => copied,
            Ok(None) => return Attempt::Changed,
            Err(error) => return refused(name, &error),
        };
        let path = staged.path.clone();
        let settled = self.settled(name, staged, digest, &seen);
        let taken = match means {
            Some(means) => {
                let sidecar = self.intake.settle_sidecar(settled, means);
                sidecar.map(|sidecar| Attempt::Sidecar(Box::new(sidecar)))
            }
            None => self.intake.settle(settled).map(|arrival| Attempt::Taken(Box::new(arrival))),
        };
        match taken {
            Ok(attempt) => attempt,
            Err(refusal) => {
                durable::remove_quietly(&path);
                match refusal {
                    Refusal::Full(told) | Refusal::Unfit(told) => Attempt::Refused(*told),
                    Refusal::Missing | Refusal::NameTaken | Refusal::Failed(_) => {
                        refused(name, &refusal)
                    }
                }
            }
        }
    }

    /// What the ledger knows already: a restart may have come after the file was taken and before
    /// it was moved, and a file that stays is taken at most so often.
    fn known(&self, name: &FileName, judged: Stamp) -> Result<Option<Attempt>, Refusal> {
        let Some(before) = self.intake.current(&self.sender, &self.feed, name)? else {
            return Ok(None);
        };
        if before.fingerprint.as_deref() == Some(judged.to_string().as_str()) {
            return Ok(Some(Attempt::Taken(Box::new(before))));
        }
        match self.after {
            After::Move => Ok(None),
            After::Keep => {
                let passed = self.clock.now().duration_since(before.received_at);
                let passed = Duration::try_from(passed).unwrap_or_default();
                let left = KEPT_AGAIN_AFTER.saturating_sub(passed);
                Ok((!left.is_zero()).then_some(Attempt::TooSoon(left)))
            }
        }
    }

    /// The same for a sidecar.
    fn known_sidecar(&self, name: &FileName, judged: Stamp) -> Result<Option<Attempt>, Refusal> {
        let before = self.intake.sidecar(&self.sender, &self.feed, name)?;
        let same = before
            .filter(|before| before.fingerprint.as_deref() == Some(judged.to_string().as_str()));
        Ok(same.map(|same| Attempt::Sidecar(Box::new(same))))
    }

    /// Copies the file; `None` when it changed or somebody writes it.
    fn copy(
        &self,
        name: &FileName,
        judged: Stamp,
    ) -> io::Result<Option<(Staged, Digest, Metadata)>> {
        let Opened { file, seen } = match open_file(&self.root, name) {
            Ok(opened) => opened,
            Err(error) if is_change(&error) => return Ok(None),
            Err(error) => return Err(error),
        };
        let untouched =
            |seen: &Metadata| Stamp::of(seen) == judged && writers(&file) != Writers::Some;
        if !untouched(&seen) {
            return Ok(None);
        }
        let mut staged = staging::create(&self.zone)?;
        let copied = staging::copy(&file, &mut staged.file, &self.stop).and_then(|digest| {
            let seen = file.metadata()?;
            Ok(untouched(&seen).then_some((digest, seen)))
        });
        match copied {
            Ok(Some((digest, seen))) => Ok(Some((staged, digest, seen))),
            Ok(None) => {
                durable::remove_quietly(&staged.path);
                Ok(None)
            }
            Err(error) => {
                durable::remove_quietly(&staged.path);
                Err(error)
            }
        }
    }

    fn settled(&self, name: &FileName, staged: Staged, digest: Digest, seen: &Metadata) -> Settled {
        Settled {
            sender: self.sender.clone(),
            door: Door::Folder,
            feed: self.feed.clone(),
            name: name.clone(),
            staged,
            digest: Some(digest),
            modified_s: u32::try_from(seen.mtime()).ok(),
            mode: Some(seen.mode() & 0o7777),
            origin: Some(self.owner(seen.uid())),
            fingerprint: Some(Stamp::of(seen).to_string()),
            completion: Completion::Final,
        }
    }

    /// `uid 1000 (anna)`, or the number alone for a user this machine has no name for.
    fn owner(&self, uid: u32) -> String {
        let Ok(mut owners) = self.owners.lock() else { return format!("uid {uid}") };
        owners.entry(uid).or_insert_with(|| described(uid)).clone()
    }
}

fn described(uid: u32) -> String {
    let users = fs::read_to_string("/etc/passwd").unwrap_or_default();
    let number = uid.to_string();
    let named = users.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)? == number).then(|| name.to_owned())
    });
    named.map_or(format!("uid {uid}"), |name| format!("uid {uid} ({name})"))
}

/// Whether opening failed because the file is gone, was replaced by something else, or is leased
/// to a writer: all of it is found out by looking again.
fn is_change(error: &io::Error) -> bool {
    let kinds = [io::ErrorKind::NotFound, io::ErrorKind::InvalidInput, io::ErrorKind::WouldBlock];
    kinds.contains(&error.kind()) || error.raw_os_error() == Some(libc::ELOOP)
}

fn refused(name: &FileName, error: &(dyn std::error::Error + 'static)) -> Attempt {
    let told = Diagnostic::error(Code::F104, format!("{name} cannot be taken"));
    Attempt::Refused(told.caused_by(error))
}
