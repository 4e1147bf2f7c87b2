//! `landfall replay --dry-run`: what converting again from the archive would change.

use std::fs::File;
use std::path::PathBuf;

use serde::Serialize;

use super::super::output::{count, counted};
use super::super::trial::{Trial, Tried};
use super::super::{Exit, Output, reading};
use super::Args;
use crate::archive::Archive;
use crate::config::Config;
use crate::convert::Converted;
use crate::convert::compare::{Cells, Difference, Retyped, Side, difference};
use crate::convert::merge::Rows;
use crate::diagnostic::{Code, Diagnostic};
use crate::durable::Durability;
use crate::ledger::{Arrival, Conversion, FileKind, Ledger};
use crate::pipeline;
use crate::receive::receipt::shown;
use crate::zone::Zone;

/// What a replay would do to one file.
#[derive(Serialize)]
struct Told<'a> {
    arrival: &'a Arrival,
    #[serde(flatten)]
    change: Change,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Change {
    /// It would be converted.
    Converted(Difference),
    /// It would not, or is not to be compared.
    Other(Other),
}

#[derive(Serialize)]
#[serde(tag = "change", rename_all = "snake_case")]
enum Other {
    /// It would be held.
    Held { diagnostic: Box<Diagnostic> },
    /// It would be handed on as it is.
    Raw { reason: String },
    /// It has no Parquet in the lake now.
    NotPublished,
}

pub(super) fn run(
    args: &Args,
    (zone, config): (&Zone, &Config),
    ledger: &dyn Ledger,
    out: &Output,
) -> Result<Exit, Diagnostic> {
    let bench = Bench::new(zone, config, ledger)?;
    let mut sum = Sum::default();
    args.each(zone, ledger, &mut |arrival| bench.try_one(&arrival, &mut sum, out))?;
    out.say(&format!(
        "{} tried: {} would change, {} would be held. Nothing was changed.",
        counted(sum.tried, "file"),
        count(sum.changed),
        count(sum.held)
    ));
    Ok(if sum.held == 0 { Exit::Ok } else { Exit::Problems })
}

#[derive(Default)]
struct Sum {
    tried: u64,
    changed: u64,
    held: u64,
}

/// What files are converted with, and compared with.
struct Bench<'b> {
    zone: &'b Zone,
    config: &'b Config,
    ledger: &'b dyn Ledger,
    archive: Archive,
    trial: Trial,
}

impl<'b> Bench<'b> {
    fn new(zone: &'b Zone, config: &'b Config, ledger: &'b dyn Ledger) -> Result<Self, Diagnostic> {
        let trial = Trial::new(&config.workers)?;
        let archive = Archive::new(zone.clone(), Durability::Relaxed);
        Ok(Self { zone, config, ledger, archive, trial })
    }

    fn try_one(&self, arrival: &Arrival, sum: &mut Sum, out: &Output) -> Result<(), Diagnostic> {
        let change = self.change(arrival)?;
        sum.tried += 1;
        match change {
            Change::Converted(Difference::None | Difference::Bytes)
            | Change::Other(Other::NotPublished) => {}
            Change::Converted(Difference::Parquet { .. }) | Change::Other(Other::Raw { .. }) => {
                sum.changed += 1;
            }
            Change::Other(Other::Held { .. }) => sum.held += 1,
        }
        if out.is_json() {
            out.object("landfall.replay/v1", &Told { arrival, change });
        } else {
            out.print(&text(arrival, &change));
        }
        Ok(())
    }

    /// Converts a file as its feed says today and compares what comes of it with what is published.
    fn change(&self, arrival: &Arrival) -> Result<Change, Diagnostic> {
        let Some((made, published)) = self.published(arrival)? else {
            return Ok(Change::Other(Other::NotPublished));
        };
        let learned = self.ledger.learned(&arrival.feed).map_err(|e| reading::unreadable(&e))?;
        let job = pipeline::job(self.config, arrival, learned);
        let raw = self.archive.open(&arrival.raw).map_err(|error| {
            let told = format!("{} was not converted", arrival.name);
            Diagnostic::error(Code::Z105, told).fact("id", arrival.id).caused_by(&error)
        })?;
        Ok(match self.trial.convert(&job, &raw)? {
            Tried::Converted(new, parquet) => {
                Change::Converted(compared((made, &published), (&new, parquet))?)
            }
            Tried::Raw { reason } => Change::Other(Other::Raw { reason }),
            Tried::Held(diagnostic) => {
                Change::Other(Other::Held { diagnostic: Box::new(diagnostic) })
            }
        })
    }

    /// The conversion whose Parquet is in the lake, where that is, and which rows of it are its own.
    fn published<'a>(
        &self,
        arrival: &'a Arrival,
    ) -> Result<Option<(&'a Conversion, Place)>, Diagnostic> {
        let Some(made) = &arrival.conversion else { return Ok(None) };
        let file = self.ledger.published_file(arrival.id).map_err(|e| reading::unreadable(&e))?;
        let file = file.filter(|file| file.kind == FileKind::Parquet);
        let part = file.as_ref().and_then(|file| file.part_of(arrival.id)).map(pipeline::rows_of);
        let path = file.and_then(|file| self.zone.resolve(&file.to));
        Ok(path.map(|path| (made, (path, part))))
    }
}

/// A file of the lake, and which rows of it are meant, when those of others are there as well.
type Place = (PathBuf, Option<Rows>);

fn compared(
    (made, (published, part)): (&Conversion, &Place),
    (new, fresh): (&Converted, File),
) -> Result<Difference, Diagnostic> {
    let old = File::open(published).map_err(|error| {
        Diagnostic::error(Code::A123, format!("{} cannot be read", published.display()))
            .caused_by(&error)
    })?;
    let before = Side { report: &made.report, digest: made.parquet.digest, file: old, part: *part };
    let after = Side { report: &new.report, digest: new.parquet.digest, file: fresh, part: None };
    difference(before, after)
}

fn text(arrival: &Arrival, change: &Change) -> String {
    let mut text = format!("{} of {}, {}: ", arrival.name, arrival.feed, arrival.id);
    match change {
        Change::Converted(Difference::None) => text.push_str("the same"),
        Change::Converted(Difference::Bytes) => text.push_str("the same values in other bytes"),
        Change::Other(Other::NotPublished) => {
            text.push_str("not compared: it has no Parquet in the lake now");
        }
        Change::Other(Other::Raw { reason }) => {
            text.push_str(&format!("would be handed on as it is: {reason}"));
        }
        Change::Other(Other::Held { diagnostic }) => {
            text.push_str(&format!("would be held: {diagnostic}"));
        }
        Change::Converted(Difference::Parquet { columns, rejected, compared }) => {
            let (before, after) = (count(compared.rows_before), count(compared.rows_after));
            text.push_str(&format!("would change, {before} → {after} rows"));
            if rejected.0 != rejected.1 {
                text.push_str(&format!(", {} → {} rejected", count(rejected.0), count(rejected.1)));
            }
            for Retyped { name, before, after } in columns {
                let before = before.as_deref().unwrap_or("new");
                let after = after.as_deref().unwrap_or("gone");
                text.push_str(&format!("\n  column {}: {before} → {after}", shown(name)));
            }
            for (what, rows) in [("gone", compared.rows_gone), ("new", compared.rows_new)] {
                if rows > 0 {
                    text.push_str(&format!("\n  {} {what}", counted(rows, "row")));
                }
            }
            for (name, Cells { count: cells, record, before, after }) in &compared.cells {
                let printed = |cell: &Option<String>| {
                    cell.as_ref().map_or("null".to_owned(), |cell| format!("`{}`", shown(cell)))
                };
                text.push_str(&format!(
                    "\n  {} changed in {}, first in record {record}: {} → {}",
                    counted(*cells, "cell"),
                    shown(name),
                    printed(before),
                    printed(after)
                ));
            }
        }
    }
    text
}
