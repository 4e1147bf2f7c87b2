//! `landfall retain`: what is past its time.

use std::time::Duration;

use super::output::{count, size, table};
use super::{Exit, Output, ZoneArgs, reading, words};
use crate::clock::Clock;
use crate::config::period;
use crate::custody::{Past, past};
use crate::diagnostic::{Code, Diagnostic};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// What will be past its time so much later, such as 30d or 1y
    #[arg(long, value_name = "TIME", default_value = "0s", value_parser = period)]
    within: Duration,
}

pub(super) fn run(args: Args, zone: &ZoneArgs, out: &Output) -> Result<Exit, Diagnostic> {
    let (zone, config) = zone.load()?;
    let Some(ledger) = reading::open(&zone)? else {
        reading::say_never_ran(out);
        return Ok(Exit::Ok);
    };
    let at = Clock::system()
        .now()
        .checked_add(args.within)
        .map_err(|error| Diagnostic::error(Code::Z107, "--within is too long").caused_by(&error))?;
    let all = past(&config, ledger.as_ref(), at).map_err(|error| {
        Diagnostic::error(Code::L101, "the zone's ledger cannot be read").caused_by(&error)
    })?;
    if out.is_json() {
        all.iter().for_each(|past| out.object("landfall.past/v1", past));
        return Ok(Exit::Ok);
    }
    if all.is_empty() {
        out.say("Every feed keeps its files for ever. [feed.NAME.retain] changes that.");
        return Ok(Exit::Ok);
    }
    let heading = ["feed", "what", "received before", "files to go", "bytes"].map(str::to_owned);
    let rows: Vec<_> = std::iter::once(heading).chain(all.iter().map(row)).collect();
    out.print(&table(&rows));
    out.say("A served zone removes them by itself, but for what a legal hold covers.");
    Ok(Exit::Ok)
}

fn row(past: &Past) -> [String; 5] {
    let Past { feed, what, before, files, bytes, .. } = past;
    [feed.to_string(), (*what).to_owned(), words::time(*before), count(*files), size(*bytes)]
}
