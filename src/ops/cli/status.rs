//! `landfall status`: what needs a person now, then how the zone is.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde::Serialize;

use super::feed::excuse_in_words;
use super::output::{count, counted, table};
use super::{Exit, Output, ZoneArgs, reading, words};
use crate::clock::Clock;
use crate::config::{self, Config};
use crate::diagnostic::{Code, Diagnostic};
use crate::ledger::{self, Excuse, Ledger, State, Urgency, WaitsFor};
use crate::names::FeedName;
use crate::ops::alerts::causes;
use crate::ops::control::{Client, ServerStatus};
use crate::ops::needs::{self, Need};
use crate::receive::sftp::Penalised;
use crate::zone::Zone;

/// How long an excuse is shown after its date.
const EXCUSED_SHOWN: Duration = Duration::from_secs(7 * 24 * 3600);

/// Sources that are turned away which the text shows; `--json` has all.
const PENALISED_SHOWN_MAX: usize = 20;

#[derive(Debug, clap::Args)]
pub(super) struct Args {}

#[derive(Serialize)]
struct Status {
    zone: PathBuf,
    /// What needs a person now, most urgent first.
    needs: Vec<Need>,
    /// The running server.
    server: Option<ServerStatus>,
    /// Whether the zone has ever run.
    has_run: bool,
    feeds: BTreeMap<FeedName, Counts>,
    /// Files that are received and wait for something.
    waiting: Vec<Waiting>,
    /// Dates that a person excused lately, or ahead.
    excused: Vec<Excused>,
}

/// A date of a feed whose files will not come.
#[derive(Debug, Serialize)]
struct Excused {
    feed: FeedName,
    date: Date,
    #[serde(flatten)]
    excuse: Excuse,
}

/// Files of a feed that wait for the same.
#[derive(Debug, Serialize)]
struct Waiting {
    feed: FeedName,
    waits_for: WaitsFor,
    files: u64,
}

/// How many files of a feed are where.
#[derive(Debug, Default, Serialize)]
struct Counts {
    /// Received and on their way.
    under_way: u64,
    handed_off: u64,
    held: u64,
    duplicate: u64,
    /// Superseded by or retracted for a newer version.
    replaced: u64,
    /// A person decided that they go nowhere.
    rejected: u64,
}

pub(super) fn run(_: Args, zone: &ZoneArgs, out: &Output) -> Result<Exit, Diagnostic> {
    let suffix = zone.suffix();
    let zone = zone.find()?;
    let status = read(&zone, &suffix)?;
    if out.is_json() {
        out.object("landfall.status/v1", &status);
    } else {
        out.print(&text(&status, &suffix));
    }
    Ok(if status.needs.is_empty() { Exit::Ok } else { Exit::Problems })
}

fn read(zone: &Zone, suffix: &str) -> Result<Status, Diagnostic> {
    let mut needs = Vec::new();
    let config = match config::load(zone) {
        Ok(config) => Some(config),
        Err(problems) => {
            needs.push(needs::of_problems(&problems, suffix));
            None
        }
    };
    let server = match Client::find(zone).and_then(|found| found.map(|c| c.status()).transpose()) {
        Ok(server) => {
            let in_force = server.as_ref().map(|server| server.config);
            let written = config.as_ref().map(|config| config.digest);
            if let Some(in_force) = in_force
                && written.is_some_and(|written| written != in_force)
            {
                needs.push(needs::of_changed_config(suffix));
            }
            let failing = server.iter().flat_map(|server| &server.failing);
            needs.extend(failing.map(|failing| needs::of_notary(failing, suffix)));
            let down = server.iter().flat_map(|server| &server.down).cloned();
            needs.extend(needs::of_doors(&down.collect::<Vec<_>>(), suffix));
            server
        }
        Err(told) => {
            needs.push(needs::of_diagnostic(&told, format!("landfall status{suffix}")));
            None
        }
    };
    let mut status = Status {
        zone: zone.root().to_owned(),
        needs,
        server,
        has_run: false,
        feeds: BTreeMap::new(),
        waiting: Vec::new(),
        excused: Vec::new(),
    };
    match reading::open(zone) {
        Ok(None) => {}
        Ok(Some(ledger)) => {
            status.has_run = true;
            read_ledger(&mut status, ledger.as_ref(), config.as_ref(), suffix)
                .map_err(|error| reading::unreadable(&error))?;
        }
        // Rebuilding is the way out; all else here can be told.
        Err(gone) if gone.code == Code::L111 => {
            status.has_run = true;
            status.needs.push(needs::of_diagnostic(&gone, format!("landfall rebuild{suffix}")));
        }
        Err(told) => return Err(told),
    }
    if let Some(config) = config {
        if status.server.is_some() {
            status.needs.extend(needs::of_folders(zone, &config));
            status.needs.extend(needs::of_disk(zone, &config));
            status.needs.extend(needs::of_partners(zone, suffix));
        }
        for feed in config.feeds.keys() {
            status.feeds.entry(feed.clone()).or_default();
        }
    }
    // What stops files comes first.
    status.needs.sort_by_key(|need| causes::urgency(need.code) != Urgency::Page);
    Ok(status)
}

fn read_ledger(
    status: &mut Status,
    ledger: &dyn Ledger,
    config: Option<&Config>,
    suffix: &str,
) -> Result<(), ledger::Error> {
    status.needs.extend(needs::of_ledger(ledger, config, suffix)?);
    for (feed, state, files) in ledger.counts()? {
        let counts = status.feeds.entry(feed).or_default();
        let place = match state {
            State::Received | State::Converted | State::Raw | State::Batched | State::Published => {
                &mut counts.under_way
            }
            State::HandedOff => &mut counts.handed_off,
            State::Held => &mut counts.held,
            State::Duplicate => &mut counts.duplicate,
            State::Superseded | State::Retracted => &mut counts.replaced,
            // Tests are not counted, nor is what is not there any more.
            State::Tested | State::Erasing | State::Erased => continue,
            State::Rejected => &mut counts.rejected,
        };
        *place += files;
    }
    let waiting = ledger.waiting()?.into_iter();
    status.waiting =
        waiting.map(|(feed, waits_for, files)| Waiting { feed, waits_for, files }).collect();
    let today = Clock::system().now().to_zoned(TimeZone::UTC).date();
    let from = today.checked_sub(EXCUSED_SHOWN).unwrap_or(Date::MIN);
    let excused = ledger.excused_dates(from)?.into_iter();
    let excused = excused.filter_map(|known| {
        Some(Excused { feed: known.feed, date: known.date, excuse: known.excuse? })
    });
    status.excused = excused.collect();
    Ok(())
}

fn text(status: &Status, suffix: &str) -> String {
    let mut out = match status.needs.as_slice() {
        [] => "Nothing needs a person.\n".to_owned(),
        [_] => "1 thing needs a person:\n".to_owned(),
        needs => format!("{} things need a person:\n", needs.len()),
    };
    for need in &status.needs {
        out.push_str(&told(need));
    }
    if !status.needs.is_empty() {
        out.push_str("\nNothing else is wrong.\n");
    }
    out.push_str(&match &status.server {
        Some(server) => serving(server),
        None if status.has_run => {
            format!("\nNot serving. Start it with `landfall serve{suffix}`.\n")
        }
        None => format!("\nThis zone has never run. Start it with `landfall serve{suffix}`.\n"),
    });
    let heading = ["feed", "under way", "handed off", "held", "duplicates", "replaced", "rejected"];
    let mut rows = vec![heading.map(str::to_owned)];
    rows.extend(status.feeds.iter().map(|(feed, counts)| {
        let Counts { under_way, handed_off, held, duplicate, replaced, rejected } = counts;
        let [under_way, handed_off, held, duplicate, replaced, rejected] =
            [under_way, handed_off, held, duplicate, replaced, rejected]
                .map(|number| count(*number));
        [feed.to_string(), under_way, handed_off, held, duplicate, replaced, rejected]
    }));
    if rows.len() > 1 {
        out.push_str(&format!("\n{}", table(&rows)));
    }
    for Waiting { feed, waits_for, files } in &status.waiting {
        let (files, what) = (counted(*files, "file"), waits_for.in_words());
        out.push_str(&format!("\n{feed}: {files} under way, waiting for {what}\n"));
    }
    for Excused { feed, date, excuse } in &status.excused {
        out.push_str(&format!("\n{feed}: {date} is {}\n", excuse_in_words(excuse)));
    }
    out
}

fn told(need: &Need) -> String {
    let mut rows = Vec::new();
    rows.extend(need.owner.as_ref().map(|owner| ["owner".to_owned(), owner.clone()]));
    rows.extend(need.since.map(|since| ["since".to_owned(), words::time(since)]));
    rows.push(["do".to_owned(), need.command.clone()]);
    let facts: String = table(&rows).lines().map(|line| format!("    {line}\n")).collect();
    format!("\n  {}\n{facts}", need.cause)
}

fn serving(server: &ServerStatus) -> String {
    let door = server.sftp.as_ref().map_or("closed".to_owned(), ToString::to_string);
    let since = words::time(server.started_at);
    let ServerStatus { version, pid, .. } = server;
    let mut out =
        format!("\nServing since {since}: sftp on {door}, landfall {version}, process {pid}.\n");
    if !server.penalised.is_empty() {
        out.push_str(
            "Turned away for a while ([sftp] penalty_exempt lets a network in at once):\n",
        );
        let rows = server.penalised.iter().map(|penalised| {
            let Penalised { source, until, offence } = penalised;
            [
                format!("  {source}"),
                format!("until {}", words::time(*until)),
                offence.as_str().to_owned(),
            ]
        });
        out.push_str(&table(&rows.take(PENALISED_SHOWN_MAX).collect::<Vec<_>>()));
    }
    out
}
