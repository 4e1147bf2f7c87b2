//! `landfall sink list|test|pause|resume|retry|skip`

use std::collections::BTreeMap;

use serde::Serialize;

use super::output::{count, counted, table};
use super::{Exit, Output, ZoneArgs, reading, words};
use crate::clock::Timestamp;
use crate::config::Config;
use crate::diagnostic::{Code, Diagnostic};
use crate::handoff::sinks::Answer;
use crate::ledger::{self, Delivery, DeliveryState, Ledger, Paused};
use crate::names::{FeedName, SinkName};
use crate::ops::control::Client;
use crate::ops::sinks::{self, SinkWish, Wish};
use crate::ops::stalled::{Choice, Decision, decide};
use crate::ops::who;
use crate::ops::writing::OwnLedger;
use crate::receive::receipt::shown;

#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// List sinks, and what waits for them
    List,
    /// Tell a sink of an empty batch, as a test; nothing is recorded
    Test {
        /// Which sink
        sink: SinkName,
        /// In the name of which feed; otherwise the first that it is told of
        #[arg(long)]
        feed: Option<FeedName>,
    },
    /// Tell a sink nothing until it is resumed; what is for it waits, in order
    Pause {
        /// Which sink
        sink: SinkName,
        /// Why, for the ledger
        #[arg(long)]
        reason: String,
    },
    /// Let a paused sink go on, with what has waited
    Resume {
        /// Which sink
        sink: SinkName,
        /// Why, for the ledger
        #[arg(long, default_value = "resume")]
        reason: String,
    },
    /// Send the batch that a sink is stalled at, or that it refused, again now, and go on from there
    Retry {
        #[command(flatten)]
        stalled: Stalled,
        /// Why, for the ledger
        #[arg(long, default_value = "retry")]
        reason: String,
    },
    /// Leave that batch out for this sink for ever, and go on with the next
    Skip {
        #[command(flatten)]
        stalled: Stalled,
        /// Why, for the ledger
        #[arg(long)]
        reason: String,
    },
}

#[derive(Debug, clap::Args)]
pub(super) struct Stalled {
    /// Which sink
    sink: SinkName,
    /// For which feed
    #[arg(long)]
    feed: FeedName,
}

pub(super) fn run(command: Command, zone: &ZoneArgs, out: &Output) -> Result<Exit, Diagnostic> {
    match command {
        Command::List => list(zone, out),
        Command::Test { sink, feed } => test(&sink, feed, zone, out),
        Command::Pause { sink, reason } => wish((sink, Wish::Pause), &reason, zone, out),
        Command::Resume { sink, reason } => wish((sink, Wish::Resume), &reason, zone, out),
        Command::Retry { stalled, reason } => choose(stalled, Choice::Retry, &reason, zone, out),
        Command::Skip { stalled, reason } => choose(stalled, Choice::Skip, &reason, zone, out),
    }
}

/// A sink, and what waits for it.
#[derive(Serialize)]
struct Line {
    sink: SinkName,
    /// `None` when it is not configured any more.
    kind: Option<&'static str>,
    /// The feeds that are handed to it.
    feeds: Vec<FeedName>,
    paused: Option<Paused>,
    waiting: Vec<Waiting>,
}

/// What waits for a sink, of one feed.
#[derive(Serialize)]
struct Waiting {
    feed: FeedName,
    batches: u64,
    /// The batch whose turn it is.
    sequence: u64,
    stalled: bool,
    attempts: u32,
    due_at: Timestamp,
    last_error: Option<String>,
}

fn list(zone: &ZoneArgs, out: &Output) -> Result<Exit, Diagnostic> {
    let (zone, config) = zone.load()?;
    let mut lines = configured(&config);
    if let Some(ledger) = reading::open(&zone)? {
        add_waiting(&mut lines, ledger.as_ref()).map_err(|error| reading::unreadable(&error))?;
    }
    if out.is_json() {
        lines.values().for_each(|line| out.object("landfall.sink/v1", line));
        return Ok(Exit::Ok);
    }
    if lines.is_empty() {
        out.say("No sink is configured. A [sink.<name>] in landfall.toml makes one.");
        return Ok(Exit::Ok);
    }
    let heading = ["sink", "kind", "feeds", "state", "waiting"].map(str::to_owned);
    let rows: Vec<[String; 5]> = std::iter::once(heading).chain(lines.values().map(row)).collect();
    out.print(&table(&rows));
    Ok(Exit::Ok)
}

fn configured(config: &Config) -> BTreeMap<SinkName, Line> {
    let line = |(name, sink): (&SinkName, &crate::config::Sink)| {
        let of = config.feeds.iter().filter(|(_, feed)| feed.sinks.contains(name));
        let line = Line {
            sink: name.clone(),
            kind: Some(sink.kind.key()),
            feeds: of.map(|(feed, _)| feed.clone()).collect(),
            paused: None,
            waiting: Vec::new(),
        };
        (name.clone(), line)
    };
    config.sinks.iter().map(line).collect()
}

fn add_waiting(
    lines: &mut BTreeMap<SinkName, Line>,
    ledger: &dyn Ledger,
) -> Result<(), ledger::Error> {
    let gone = |sink: &SinkName| Line {
        sink: sink.clone(),
        kind: None,
        feeds: Vec::new(),
        paused: None,
        waiting: Vec::new(),
    };
    for paused in ledger.paused_sinks()? {
        let sink = paused.sink.clone();
        lines.entry(sink.clone()).or_insert_with(|| gone(&sink)).paused = Some(paused);
    }
    for (sink, feed, batches) in ledger.backlog()? {
        let Some(next) = ledger.next_delivery(&sink, &feed)? else { continue };
        let Delivery { sequence, state, attempts, due_at, last_error, .. } = next;
        let stalled = state == DeliveryState::Stalled;
        let waiting = Waiting { feed, batches, sequence, stalled, attempts, due_at, last_error };
        lines.entry(sink.clone()).or_insert_with(|| gone(&sink)).waiting.push(waiting);
    }
    Ok(())
}

fn row(line: &Line) -> [String; 5] {
    let names =
        |feeds: &[FeedName]| feeds.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    let stalled: Vec<FeedName> =
        line.waiting.iter().filter(|lane| lane.stalled).map(|lane| lane.feed.clone()).collect();
    let state = match (&line.paused, stalled.as_slice()) {
        (Some(paused), _) => {
            format!("paused since {}: {}", words::time(paused.since), shown(&paused.reason))
        }
        (None, []) => line.waiting.iter().find_map(failing).unwrap_or("ready".to_owned()),
        (None, stalled) => format!("stalled for {}", names(stalled)),
    };
    let waiting = line.waiting.iter().map(|lane| lane.batches).sum();
    let kind = line.kind.unwrap_or("not configured").to_owned();
    [line.sink.to_string(), kind, names(&line.feeds), state, count(waiting)]
}

/// How often a sink has refused a batch that it is told again.
fn failing(lane: &Waiting) -> Option<String> {
    let why = lane.last_error.as_ref().filter(|_| lane.attempts > 0)?;
    let Waiting { feed, attempts, due_at, .. } = lane;
    let (tries, again) = (counted(u64::from(*attempts), "attempt"), words::time(*due_at));
    Some(format!("failing for {feed} after {tries}, again at {again}: {}", shown(why)))
}

/// How a test went.
#[derive(Serialize)]
struct Tested<'a> {
    sink: &'a SinkName,
    feed: &'a FeedName,
    acknowledged: bool,
    said: Option<String>,
}

fn test(
    sink: &SinkName,
    feed: Option<FeedName>,
    zone: &ZoneArgs,
    out: &Output,
) -> Result<Exit, Diagnostic> {
    let (zone, config) = zone.load()?;
    sinks::check_known(&config, sink)?;
    let told_of = || config.feeds.iter().find(|(_, feed)| feed.sinks.contains(sink));
    let feed = feed.or_else(|| told_of().map(|(name, _)| name.clone())).ok_or_else(|| {
        Diagnostic::error(Code::Z107, format!("no feed is handed to {sink}"))
            .hint("Name one with --feed, or add the sink to a feed's `sinks`.")
    })?;
    let answer = sinks::test(&zone, &config, sink, feed.clone())?;
    let (acknowledged, said) = match answer {
        Answer::Acknowledged(said) => (true, said),
        Answer::Refused { why, .. } | Answer::Gone(why) => (false, Some(why)),
    };
    if out.is_json() {
        let tested = Tested { sink, feed: &feed, acknowledged, said };
        out.object("landfall.sink-test/v1", &tested);
    } else {
        let said = said.map_or(String::new(), |said| format!(": {}", shown(said.trim())));
        let what = if acknowledged { "acknowledged" } else { "refused" };
        out.print(&format!("Sink {sink} {what} a test in the name of {feed}{said}"));
    }
    Ok(if acknowledged { Exit::Ok } else { Exit::Problems })
}

fn wish(
    (sink, wish): (SinkName, Wish),
    reason: &str,
    zone: &ZoneArgs,
    out: &Output,
) -> Result<Exit, Diagnostic> {
    let asked = SinkWish { sink: sink.clone(), wish, reason: by(reason) };
    let (zone, config) = zone.load()?;
    match Client::find(&zone)? {
        Some(client) => client.wish(asked.clone())?,
        None => sinks::apply(OwnLedger::open(&zone)?.ledger(), &config, &asked)?,
    }
    if out.is_json() {
        out.object("landfall.sink-wish/v1", &asked);
    } else {
        out.print(&match wish {
            Wish::Pause => format!("Sink {sink} is paused; what is for it waits."),
            Wish::Resume => format!("Sink {sink} goes on."),
        });
    }
    Ok(Exit::Ok)
}

fn choose(
    Stalled { sink, feed }: Stalled,
    choice: Choice,
    reason: &str,
    zone: &ZoneArgs,
    out: &Output,
) -> Result<Exit, Diagnostic> {
    let decision = Decision { sink, feed, choice, reason: by(reason) };
    let zone = zone.find()?;
    let delivery = match Client::find(&zone)? {
        Some(client) => client.decide(decision)?,
        None => decide(OwnLedger::open(&zone)?.ledger(), decision)?,
    };
    if out.is_json() {
        out.object("landfall.delivery/v1", &delivery);
    } else {
        let what = match choice {
            Choice::Retry => "is sent again",
            Choice::Skip => "is left out",
        };
        out.print(&format!(
            "Batch {} of {} {what} for {}.",
            delivery.sequence, delivery.feed, delivery.sink
        ));
    }
    Ok(Exit::Ok)
}

/// The reason with who gave it.
fn by(reason: &str) -> String {
    format!("{reason} (by {})", who())
}
