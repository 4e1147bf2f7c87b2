//! `landfall replay --dry-run`: what converting again from the archive would change.
//!
//! Left out so far: publishing what comes of it.

use std::fs::{self, DirBuilder, File};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::list::when;
use super::output::{count, counted};
use super::{Exit, Output, ZoneArgs, reading};
use crate::archive::Archive;
use crate::clock::Timestamp;
use crate::config::Config;
use crate::convert::compare::{Cells, Compared, compare};
use crate::convert::worker::{OutputPaths, Pool};
use crate::convert::{Converted, Outcome};
use crate::diagnostic::{Code, Diagnostic};
use crate::durable::Durability;
use crate::ledger::{Arrival, ArrivalQuery, Conversion, FileKind, Ledger, State};
use crate::names::FeedName;
use crate::pipeline;
use crate::receive::receipt::shown;
use crate::report::ColumnReport;
use crate::zone::Zone;

/// Files that are looked up at a time.
const AT_A_TIME: u32 = 200;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Files: ids or digests, of which the first digits are enough when unique, or names
    #[arg(required_unless_present = "feed")]
    files: Vec<String>,
    /// Every published file of this feed
    #[arg(long, conflicts_with = "files")]
    feed: Option<FeedName>,
    /// Received at or after: 2026-11-22, or a time ago such as 3d
    #[arg(long, value_name = "WHEN", value_parser = when, requires = "feed")]
    since: Option<Timestamp>,
    /// Received before, in the same forms
    #[arg(long, value_name = "WHEN", value_parser = when, requires = "feed")]
    until: Option<Timestamp>,
    /// Only tell what would change; nothing else can be done yet
    #[arg(long, required = true)]
    dry_run: bool,
}

/// What a replay would do to one file.
#[derive(Serialize)]
struct Told<'a> {
    arrival: &'a Arrival,
    #[serde(flatten)]
    change: Change,
}

#[derive(Serialize)]
#[serde(tag = "change", rename_all = "snake_case")]
enum Change {
    /// The same bytes come of it.
    None,
    /// Other bytes with the same columns and values come of it: another converter, or columns of a
    /// later revision.
    Bytes,
    /// Another Parquet comes of it.
    Parquet {
        /// Columns that are gone, new or of another type: `name: before → after`.
        columns: Vec<String>,
        /// Records rejected, before and after.
        rejected: (u64, u64),
        #[serde(flatten)]
        compared: Compared,
    },
    /// It would be held.
    Held { diagnostic: Box<Diagnostic> },
    /// It would be handed on as it is.
    Raw { reason: String },
    /// It has no Parquet in the lake now.
    NotPublished,
}

pub(super) fn run(args: Args, zone: &ZoneArgs, out: &Output) -> Result<Exit, Diagnostic> {
    let (zone, config) = zone.load()?;
    let Some(ledger) = reading::open(&zone)? else {
        reading::say_never_ran(out);
        return Ok(Exit::Ok);
    };
    let bench = Bench::new(&zone, &config, ledger.as_ref())?;
    let mut sum = Sum::default();
    for which in &args.files {
        let (_, arrival) = reading::arrival(&zone, which)?;
        bench.try_one(&arrival, &mut sum, out)?;
    }
    if args.feed.is_some() {
        let mut query = ArrivalQuery {
            feed: args.feed,
            states: vec![State::HandedOff, State::Published],
            since: args.since,
            until: args.until,
            limit: AT_A_TIME,
            ..ArrivalQuery::default()
        };
        loop {
            let found = ledger.find(&query).map_err(|error| reading::unreadable(&error))?;
            for arrival in &found.arrivals {
                bench.try_one(arrival, &mut sum, out)?;
            }
            let Some(before) = found.before else { break };
            query.before = Some(before);
        }
    }
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

/// Where files are converted for a look at them; gone when it is dropped.
struct Bench<'b> {
    zone: &'b Zone,
    config: &'b Config,
    ledger: &'b dyn Ledger,
    archive: Archive,
    pool: Pool,
    folder: PathBuf,
}

impl Drop for Bench<'_> {
    fn drop(&mut self) {
        self.pool.close();
        if let Err(error) = fs::remove_dir_all(&self.folder) {
            tracing::warn!(%error, path = %self.folder.display(), "a folder stays behind");
        }
    }
}

impl<'b> Bench<'b> {
    fn new(zone: &'b Zone, config: &'b Config, ledger: &'b dyn Ledger) -> Result<Self, Diagnostic> {
        let failed = |error: &(dyn std::error::Error + 'static)| {
            Diagnostic::error(Code::Z105, "no file can be converted").caused_by(error)
        };
        let folder = std::env::temp_dir().join(format!("landfall-replay-{}", std::process::id()));
        let program = std::env::current_exe().map_err(|e| failed(&e))?;
        let workers = crate::config::Workers { count: 1, ..config.workers.clone() };
        let pool = Pool::new(program, workers).map_err(|e| failed(&e))?;
        DirBuilder::new().mode(0o700).create(&folder).map_err(|e| failed(&e))?;
        let archive = Archive::new(zone.clone(), Durability::Relaxed);
        Ok(Self { zone, config, ledger, archive, pool, folder })
    }

    fn try_one(&self, arrival: &Arrival, sum: &mut Sum, out: &Output) -> Result<(), Diagnostic> {
        let change = self.change(arrival)?;
        sum.tried += 1;
        match change {
            Change::None | Change::Bytes | Change::NotPublished => {}
            Change::Parquet { .. } | Change::Raw { .. } => sum.changed += 1,
            Change::Held { .. } => sum.held += 1,
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
        let failed = |error: &(dyn std::error::Error + 'static)| {
            Diagnostic::error(Code::Z105, format!("{} was not converted", arrival.name))
                .fact("id", arrival.id)
                .caused_by(error)
        };
        let Some((made, published)) = self.published(arrival)? else {
            return Ok(Change::NotPublished);
        };
        let learned = self.ledger.learned(&arrival.feed).map_err(|e| reading::unreadable(&e))?;
        let job = pipeline::job(self.config, arrival, learned);
        let raw = self.archive.open(&arrival.raw).map_err(|e| failed(&e))?;
        let paths = OutputPaths {
            parquet: self.folder.join("parquet"),
            rejects: self.folder.join("rejects"),
        };
        let outcome = self.pool.convert("replay", &job, &raw, &paths).map_err(|e| failed(&e))?;
        let change = match outcome {
            Outcome::Converted(new) => self.compared(made, &published, &new, &paths.parquet)?,
            Outcome::Raw { reason } => Change::Raw { reason },
            Outcome::Held(diagnostic) => Change::Held { diagnostic: Box::new(diagnostic) },
        };
        crate::durable::remove_quietly(&paths.parquet);
        crate::durable::remove_quietly(&paths.rejects);
        Ok(change)
    }

    /// The conversion whose Parquet is in the lake, and where that is.
    fn published<'a>(
        &self,
        arrival: &'a Arrival,
    ) -> Result<Option<(&'a Conversion, PathBuf)>, Diagnostic> {
        let live = matches!(arrival.state, State::Published | State::HandedOff);
        let Some((made, batch)) = arrival.conversion.as_ref().zip(arrival.batch) else {
            return Ok(None);
        };
        let batch = self.ledger.batch(batch).map_err(|e| reading::unreadable(&e))?;
        let files = batch.map(|batch| batch.files).unwrap_or_default();
        let file =
            files.iter().find(|file| file.arrival == arrival.id && file.kind == FileKind::Parquet);
        let path = file.filter(|_| live).and_then(|file| self.zone.resolve(&file.to));
        Ok(path.map(|path| (made, path)))
    }

    fn compared(
        &self,
        made: &Conversion,
        published: &Path,
        new: &Converted,
        parquet: &Path,
    ) -> Result<Change, Diagnostic> {
        if made.parquet.digest == new.parquet.digest && made.rejected == new.report.rejected {
            return Ok(Change::None);
        }
        let open = |path: &Path| {
            File::open(path).map_err(|error| {
                Diagnostic::error(Code::A123, format!("{} cannot be read", path.display()))
                    .caused_by(&error)
            })
        };
        let columns = columns(&made.report.columns, &new.report.columns);
        let rejected = (made.rejected, new.report.rejected);
        let compared = compare(open(published)?, open(parquet)?)?;
        let same = columns.is_empty() && rejected.0 == rejected.1 && compared.is_same();
        Ok(if same { Change::Bytes } else { Change::Parquet { columns, rejected, compared } })
    }
}

/// Columns that are gone, new, or of another type.
fn columns(before: &[ColumnReport], after: &[ColumnReport]) -> Vec<String> {
    let kind = |columns: &[ColumnReport], name: &str| {
        columns.iter().find(|column| column.name == name).map(|column| column.kind.clone())
    };
    let changed = before.iter().filter_map(|column| {
        let (name, old) = (shown(&column.name), &column.kind);
        match kind(after, &column.name) {
            None => Some(format!("{name}: {old} → gone")),
            Some(new) if new != *old => Some(format!("{name}: {old} → {new}")),
            Some(_) => None,
        }
    });
    let added = after.iter().filter(|column| kind(before, &column.name).is_none());
    changed
        .chain(added.map(|column| format!("{}: new → {}", shown(&column.name), column.kind)))
        .collect()
}

fn text(arrival: &Arrival, change: &Change) -> String {
    let mut text = format!("{} of {}, {}: ", arrival.name, arrival.feed, arrival.id);
    match change {
        Change::None => text.push_str("the same"),
        Change::Bytes => text.push_str("the same values in other bytes"),
        Change::NotPublished => text.push_str("not compared: it has no Parquet in the lake now"),
        Change::Raw { reason } => text.push_str(&format!("would be handed on as it is: {reason}")),
        Change::Held { diagnostic } => text.push_str(&format!("would be held: {diagnostic}")),
        Change::Parquet { columns, rejected, compared } => {
            let (before, after) = (count(compared.rows_before), count(compared.rows_after));
            text.push_str(&format!("would change, {before} → {after} rows"));
            if rejected.0 != rejected.1 {
                text.push_str(&format!(", {} → {} rejected", count(rejected.0), count(rejected.1)));
            }
            columns.iter().for_each(|column| text.push_str(&format!("\n  column {column}")));
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
