//! `landfall quarantine list|show|release|reject`: the desk for held files.

use serde::Serialize;

use super::inspect::first_rows;
use super::output::{counted, size, table};
use super::{Exit, Output, ZoneArgs, reading, report, words};
use crate::archive::Archive;
use crate::contract::{Allowance, Allowed};
use crate::convert::{self, Inspection, Outcome};
use crate::diagnostic::{Code, Diagnostic};
use crate::durable::Durability;
use crate::ledger::{Arrival, ArrivalQuery, State};
use crate::names::FeedName;
use crate::ops::control::Client;
use crate::ops::diagnostic;
use crate::ops::quarantine::{Judgement, Verdict, judge};
use crate::ops::who;
use crate::ops::writing::OwnLedger;
use crate::pipeline;
use crate::receive::receipt::shown;

/// Characters of a reason in the list.
const REASON_CHARS_MAX: usize = 60;

#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// List what is held, newest first: since when, and why
    List {
        /// Only this feed
        #[arg(long)]
        feed: Option<FeedName>,
        /// At most so many
        #[arg(long, short = 'n', default_value_t = 50)]
        limit: u32,
    },
    /// Why a file is held, and what the settings now in force would make of it: columns, types and
    /// first rows. Changes nothing
    Show {
        #[command(flatten)]
        which: Which,
    },
    /// Let a held file go on: it is converted again, under the settings now in force
    Release {
        #[command(flatten)]
        which: Which,
        /// Why, for the ledger
        #[arg(long)]
        reason: String,
    },
    /// Decide that a held file goes nowhere. Its bytes stay in the archive
    Reject {
        /// The file's id, of which the first digits are enough when unique, or its name
        file: String,
        /// Why, for the ledger
        #[arg(long)]
        reason: String,
    },
}

#[derive(Debug, clap::Args)]
pub(super) struct Which {
    /// The file's id, of which the first digits are enough when unique, or its name
    file: String,
    /// A rule of its feed that is not to hold for this one file: `drift` lets known columns be
    /// missing while others are new, `rejects` lets any number of records be left out
    #[arg(long, value_name = "RULE")]
    allow: Vec<Allowed>,
}

pub(super) fn run(command: Command, zone: &ZoneArgs, out: &Output) -> Result<Exit, Diagnostic> {
    match command {
        Command::List { feed, limit } => list(feed, limit, zone, out),
        Command::Show { which } => show(&which, zone, out),
        Command::Release { which, reason } => {
            let verdict = Verdict::Release { allowance: Allowance::of(&which.allow) };
            decide(&which.file, verdict, reason, zone, out)
        }
        Command::Reject { file, reason } => decide(&file, Verdict::Reject, reason, zone, out),
    }
}

fn list(
    feed: Option<FeedName>,
    limit: u32,
    zone: &ZoneArgs,
    out: &Output,
) -> Result<Exit, Diagnostic> {
    let zone = zone.find()?;
    let Some(ledger) = reading::open(&zone)? else {
        reading::say_never_ran(out);
        return Ok(Exit::Ok);
    };
    if let Some(feed) = &feed {
        reading::check_feed(&zone, ledger.as_ref(), feed)?;
    }
    let query = ArrivalQuery { feed, states: vec![State::Held], limit, ..ArrivalQuery::default() };
    let held = ledger.find(&query).map_err(|error| reading::unreadable(&error))?.arrivals;
    if out.is_json() {
        held.iter().for_each(|arrival| out.object("landfall.arrival/v1", arrival));
        return Ok(Exit::Ok);
    }
    if held.is_empty() {
        out.say("Nothing is held.");
        return Ok(Exit::Ok);
    }
    let heading = ["id", "feed", "name", "from", "size", "held since", "why"].map(str::to_owned);
    let rows: Vec<_> = std::iter::once(heading).chain(held.iter().map(row)).collect();
    out.print(&table(&rows));
    out.say("`landfall quarantine show ID` tells more of one.");
    Ok(Exit::Ok)
}

fn row(held: &Arrival) -> [String; 7] {
    let why = held.diagnostic.as_ref().map_or_else(String::new, |told| {
        let summary: String = told.summary.chars().take(REASON_CHARS_MAX).collect();
        format!("{} {}", told.code, shown(&summary))
    });
    [
        held.id.to_string(),
        held.feed.to_string(),
        held.name.to_string(),
        held.sender.to_string(),
        size(held.size_bytes),
        words::time(held.changed_at),
        why,
    ]
}

/// A held file and what would become of it now.
#[derive(Serialize)]
struct Preview<'a> {
    arrival: &'a Arrival,
    now: &'a Inspection,
}

fn show(which: &Which, zone: &ZoneArgs, out: &Output) -> Result<Exit, Diagnostic> {
    let (zone, config) = zone.load()?;
    let (ledger, mut arrival) = reading::arrival(&zone, &which.file)?;
    let learned = ledger.learned(&arrival.feed).map_err(|error| reading::unreadable(&error))?;
    let raw = Archive::new(zone, Durability::Relaxed).open(&arrival.raw).map_err(|error| {
        Diagnostic::error(Code::A101, "the raw object cannot be opened")
            .fact("path", &arrival.raw)
            .caused_by(&error)
    })?;
    let stored = std::mem::replace(&mut arrival.allowance, Allowance::of(&which.allow));
    let now = convert::inspect(&pipeline::job(&config, &arrival, learned), raw);
    arrival.allowance = stored;
    if out.is_json() {
        out.object("landfall.quarantine/v1", &Preview { arrival: &arrival, now: &now });
    } else {
        out.print(&text(&arrival, &now));
    }
    Ok(Exit::Ok)
}

fn text(arrival: &Arrival, now: &Inspection) -> String {
    let mut text = format!("{} is {}\n", arrival.name, words::standing(arrival));
    if let Some(told) = &arrival.diagnostic {
        text.push_str(&report::block("why", &diagnostic::text(told)));
    }
    text.push_str("\nunder the settings now in force:\n");
    text.push_str(&report::text(&now.report));
    text.push_str(&first_rows(now));
    text.push_str(&match &now.obstacle {
        Some(Outcome::Held(told)) => {
            report::block("it would be held again", &diagnostic::text(told))
        }
        Some(Outcome::Raw { reason }) => format!("\nit would be handed off as it is: {reason}\n"),
        Some(Outcome::Converted(_)) | None => {
            let report = &now.report;
            let (seen, rejected) = (report.seen - report.skipped, report.rejected);
            let rows = counted(seen.saturating_sub(rejected), "row");
            format!("\nit would go on with {rows}, {}\n", counted(rejected, "reject"))
        }
    });
    text
}

fn decide(
    file: &str,
    verdict: Verdict,
    reason: String,
    zone: &ZoneArgs,
    out: &Output,
) -> Result<Exit, Diagnostic> {
    let zone = zone.find()?;
    let Arrival { id, name, .. } = reading::arrival(&zone, file)?.1;
    let judgement = Judgement { id, verdict, by: who(), reason };
    match Client::find(&zone)? {
        Some(client) => client.judge(judgement.clone())?,
        None => drop(judge(OwnLedger::open(&zone)?.ledger(), judgement.clone())?),
    }
    if out.is_json() {
        out.object("landfall.judgement/v1", &judgement);
        return Ok(Exit::Ok);
    }
    out.print(&match verdict {
        Verdict::Release { .. } => format!("{name} goes on; `landfall show {id}` tells how."),
        Verdict::Reject => format!("{name} goes nowhere. The archive keeps it."),
    });
    Ok(Exit::Ok)
}
