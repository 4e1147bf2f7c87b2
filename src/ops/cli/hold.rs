//! `landfall hold add|list|release`: legal holds.

use super::list::{sender, when};
use super::output::{counted, table};
use super::{Exit, Output, ZoneArgs, reading, words};
use crate::clock::Timestamp;
use crate::diagnostic::{Code, Diagnostic};
use crate::ledger::{ArrivalQuery, Hold, Scope, Sender};
use crate::names::{FeedName, HoldName, PartnerName};
use crate::ops::control::Client;
use crate::ops::hold::{Change, Wish, apply};
use crate::ops::who;
use crate::ops::writing::OwnLedger;
use crate::receive::receipt::shown;
use crate::zone::Zone;

#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Place a hold: nothing of the files it covers is removed, those to come included, until it is
    /// released
    Add {
        /// What it is called, such as case-2026-17
        name: HoldName,
        #[command(flatten)]
        covers: Covers,
        /// Why, for the ledger
        #[arg(long)]
        reason: String,
    },
    /// List the holds that stand: what they cover, since when, and why
    List {
        /// Also those that were released
        #[arg(long)]
        all: bool,
    },
    /// Release a hold
    Release {
        /// Which
        name: HoldName,
        /// Why, for the ledger
        #[arg(long)]
        reason: String,
    },
}

/// What a hold covers: files for which all holds that is said.
#[derive(Debug, clap::Args)]
pub(super) struct Covers {
    /// Files of this feed
    #[arg(long)]
    feed: Option<FeedName>,
    /// Files from this sender: a partner's name, or partner:NAME, folder:NAME, local:USER
    #[arg(long, value_name = "SENDER", value_parser = sender)]
    from: Option<Sender>,
    /// This file: its id or SHA-256, of which the first digits are enough when unique, or its name
    /// when no other file has it; may be given several times
    #[arg(long, value_name = "FILE")]
    file: Vec<String>,
    /// Received at or after: 2026-11-22, 2026-11-22T06:00:00Z, or a time ago such as 2h or 3d
    #[arg(long, value_name = "WHEN", value_parser = when)]
    since: Option<Timestamp>,
    /// Received before, in the same forms
    #[arg(long, value_name = "WHEN", value_parser = when)]
    until: Option<Timestamp>,
}

pub(super) fn run(command: Command, zone: &ZoneArgs, out: &Output) -> Result<Exit, Diagnostic> {
    match command {
        Command::Add { name, covers, reason } => {
            let scope = scope(covers, zone)?;
            change(Wish { name, change: Change::Place(scope), by: who(), reason }, zone, out)
        }
        Command::List { all } => list(all, zone, out),
        Command::Release { name, reason } => {
            change(Wish { name, change: Change::Release, by: who(), reason }, zone, out)
        }
    }
}

fn scope(covers: Covers, zone: &ZoneArgs) -> Result<Scope, Diagnostic> {
    let Covers { feed, from, file, since, until } = covers;
    let zone = zone.find()?;
    if let (Some(since), Some(until)) = (since, until)
        && since >= until
    {
        let told =
            Diagnostic::error(Code::Z104, "the hold covers no time: it ends before it begins");
        return Err(told.fact("since", words::time(since)).fact("until", words::time(until)));
    }
    if let (Some(feed), Some(ledger)) = (&feed, reading::open(&zone)?) {
        reading::check_feed(&zone, ledger.as_ref(), feed)?;
    }
    if let Some(Sender::Partner(name)) = &from {
        check_partner(&zone, name)?;
    }
    let id = |which: &String| reading::only_arrival(&zone, which).map(|(_, arrival)| arrival.id);
    let arrivals = file.iter().map(id).collect::<Result<_, _>>()?;
    Ok(Scope { feed, sender: from, arrivals, since, until })
}

/// Refuses a partner that there is not and never was.
fn check_partner(zone: &Zone, name: &PartnerName) -> Result<(), Diagnostic> {
    if zone.partner_file(name).exists() {
        return Ok(());
    }
    let sender = Some(Sender::Partner(name.clone()));
    let query = ArrivalQuery { sender, limit: 1, ..ArrivalQuery::default() };
    let found = match reading::open(zone)? {
        Some(ledger) => ledger.arrivals(&query).map_err(|error| reading::unreadable(&error))?,
        None => Vec::new(),
    };
    if !found.is_empty() {
        return Ok(());
    }
    let told = Diagnostic::error(Code::Z104, format!("this zone has no partner `{name}`"));
    Err(told.hint("See `landfall partner list`."))
}

fn change(wish: Wish, zone: &ZoneArgs, out: &Output) -> Result<Exit, Diagnostic> {
    let zone = zone.find()?;
    match Client::find(&zone)? {
        Some(client) => client.hold(wish.clone())?,
        None => apply(OwnLedger::open(&zone)?.ledger(), &wish)?,
    }
    if out.is_json() {
        out.object("landfall.hold-change/v1", &wish);
        return Ok(Exit::Ok);
    }
    let name = &wish.name;
    out.print(&match wish.change {
        Change::Place(_) => format!(
            "Hold {name} stands. Nothing it covers is removed until `landfall hold release {name}`."
        ),
        Change::Release => format!("Hold {name} is released."),
    });
    Ok(Exit::Ok)
}

fn list(all: bool, zone: &ZoneArgs, out: &Output) -> Result<Exit, Diagnostic> {
    let zone = zone.find()?;
    let Some(ledger) = reading::open(&zone)? else {
        reading::say_never_ran(out);
        return Ok(Exit::Ok);
    };
    let mut holds = ledger.holds().map_err(|error| reading::unreadable(&error))?;
    holds.retain(|hold| all || hold.released.is_none());
    if out.is_json() {
        holds.iter().for_each(|hold| out.object("landfall.hold/v1", hold));
        return Ok(Exit::Ok);
    }
    if holds.is_empty() {
        out.say("No hold stands.");
        return Ok(Exit::Ok);
    }
    let heading = ["hold", "covers", "since", "by", "why", "state"].map(str::to_owned);
    let rows: Vec<_> = std::iter::once(heading).chain(holds.iter().map(row)).collect();
    out.print(&table(&rows));
    Ok(Exit::Ok)
}

fn row(hold: &Hold) -> [String; 6] {
    let state = hold.released.as_ref().map_or_else(
        || "stands".to_owned(),
        |released| {
            let (at, by) = (words::time(released.at), &released.by);
            format!("released {at} by {by}: {}", shown(&released.reason))
        },
    );
    let Hold { name, scope, by, reason, placed_at, .. } = hold;
    [name.to_string(), covers(scope), words::time(*placed_at), by.clone(), shown(reason), state]
}

/// A scope in words: `feed orders, from partner:acme, since 2026-01-01T00:00:00Z`.
pub(super) fn covers(scope: &Scope) -> String {
    let Scope { feed, sender, arrivals, since, until } = scope;
    let files = match arrivals.as_slice() {
        [] => None,
        [one] => Some(format!("file {one}")),
        several => Some(counted(several.len() as u64, "file")),
    };
    let parts = [
        feed.as_ref().map(|feed| format!("feed {feed}")),
        sender.as_ref().map(|sender| format!("from {sender}")),
        files,
        since.map(|at| format!("since {}", words::time(at))),
        until.map(|at| format!("until {}", words::time(at))),
    ];
    parts.into_iter().flatten().collect::<Vec<_>>().join(", ")
}
