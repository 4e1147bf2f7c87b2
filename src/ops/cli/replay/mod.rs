//! `landfall replay`: files are converted again from the archive and handed off again.
//!
//! The server does it; this asks, waits and tells. [`dry_run`] only tells what would come of it.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;

use super::list::when;
use super::output::{count, counted};
use super::{Exit, Output, ZoneArgs, reading, words};
use crate::clock::Timestamp;
use crate::config::{Config, When};
use crate::diagnostic::Diagnostic;
use crate::ledger::{Arrival, ArrivalQuery, Event, Ledger, ReplayEnd, State};
use crate::names::{ArrivalId, BatchId, FeedName, FileName};
use crate::ops::control::Client;
use crate::ops::replay::{FILES_MAX, Of, ReplayWish, ask};
use crate::ops::who;
use crate::ops::writing::OwnLedger;
use crate::zone::Zone;

mod dry_run;

/// Files that are looked up at a time.
const AT_A_TIME: u32 = 200;
/// Events that are read at a time.
const EVENTS_AT_A_TIME: u32 = 1000;
/// How often it is made sure that the server still runs.
const LOOK_EVERY: Duration = Duration::from_secs(1);

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Files: ids or digests, of which the first digits are enough when unique, or names
    #[arg(required_unless_present = "feed")]
    files: Vec<String>,
    /// Every published file of this feed
    #[arg(long, conflicts_with = "files")]
    feed: Option<FeedName>,
    /// Publish files again whose Parquet is past the time that their feed keeps it; it is then kept for
    /// as long again
    #[arg(long, conflicts_with_all = ["feed", "dry_run"])]
    retired: bool,
    /// Received at or after: 2026-11-22, or a time ago such as 3d
    #[arg(long, value_name = "WHEN", value_parser = when, requires = "feed")]
    since: Option<Timestamp>,
    /// Received before, in the same forms
    #[arg(long, value_name = "WHEN", value_parser = when, requires = "feed")]
    until: Option<Timestamp>,
    /// Only tell what would change
    #[arg(long)]
    dry_run: bool,
    /// Why, for the ledger
    #[arg(long, required_unless_present = "dry_run", conflicts_with = "dry_run")]
    reason: Option<String>,
    /// Do not wait for its end
    #[arg(long, conflicts_with = "dry_run")]
    no_wait: bool,
}

impl Args {
    /// Every file that is meant, in turn.
    fn each(
        &self,
        zone: &Zone,
        ledger: &dyn Ledger,
        told: &mut dyn FnMut(Arrival) -> Result<(), Diagnostic>,
    ) -> Result<(), Diagnostic> {
        for which in &self.files {
            told(reading::arrival(zone, which)?.1)?;
        }
        let Some(feed) = &self.feed else { return Ok(()) };
        reading::check_feed(zone, ledger, feed)?;
        let mut query = ArrivalQuery {
            feed: Some(feed.clone()),
            states: vec![State::HandedOff, State::Published],
            since: self.since,
            until: self.until,
            limit: AT_A_TIME,
            ..ArrivalQuery::default()
        };
        loop {
            let found = ledger.find(&query).map_err(|error| reading::unreadable(&error))?;
            found.arrivals.into_iter().try_for_each(&mut *told)?;
            let Some(before) = found.before else { return Ok(()) };
            query.before = Some(before);
        }
    }
}

pub(super) fn run(args: &Args, zone: &ZoneArgs, out: &Output) -> Result<Exit, Diagnostic> {
    let (zone, config) = zone.load()?;
    let Some(ledger) = reading::open(&zone)? else {
        reading::say_never_ran(out);
        return Ok(Exit::Ok);
    };
    match &args.reason {
        None => dry_run::run(args, (&zone, &config), ledger.as_ref(), out),
        Some(reason) => replay(args, reason, (&zone, &config), ledger.as_ref(), out),
    }
}

fn replay(
    args: &Args,
    reason: &str,
    (zone, config): (&Zone, &Config),
    ledger: &dyn Ledger,
    out: &Output,
) -> Result<Exit, Diagnostic> {
    let mut wanted = BTreeMap::new();
    args.each(zone, ledger, &mut |arrival| {
        wanted.insert(arrival.id, (arrival.name, arrival.feed));
        Ok(())
    })?;
    let from = ledger.head();
    let ids: Vec<ArrivalId> = wanted.keys().copied().collect();
    let client = Client::find(zone)?;
    let mut under_way = 0;
    for ids in ids.chunks(FILES_MAX) {
        let of = if args.retired { Of::Retired } else { Of::Live };
        let wish = ReplayWish { ids: ids.to_vec(), by: who(), reason: reason.to_owned(), of };
        under_way += match &client {
            Some(client) => client.replay(wish)?,
            None => ask(OwnLedger::open(zone)?.ledger(), &wish)?.len() as u64,
        };
    }
    out.say(&format!(
        "{} to be replayed{}.",
        counted(wanted.len() as u64, "file"),
        if under_way > 0 {
            format!(", {} under way already", count(under_way))
        } else {
            String::new()
        }
    ));
    if client.is_none() {
        out.say("No server runs: it is done when one does.");
        return Ok(Exit::Ok);
    }
    // What is published again goes the way of a file that is received, which `show` tells.
    if args.no_wait || args.retired {
        return Ok(Exit::Ok);
    }
    Waiting { config, ledger, wanted, closed: Vec::new(), out, problems: 0 }.for_all(zone, from)
}

/// A replay that has ended.
#[derive(Serialize)]
struct Told<'a> {
    arrival: ArrivalId,
    name: &'a FileName,
    feed: &'a FeedName,
    #[serde(flatten)]
    end: &'a ReplayEnd,
}

/// What is still waited for.
struct Waiting<'w> {
    config: &'w Config,
    ledger: &'w dyn Ledger,
    wanted: BTreeMap<ArrivalId, (FileName, FeedName)>,
    /// What a batch has that is closed and not yet published.
    closed: Vec<(BatchId, ArrivalId, ReplayEnd)>,
    out: &'w Output,
    problems: u64,
}

impl Waiting<'_> {
    fn for_all(mut self, zone: &Zone, from: u64) -> Result<Exit, Diagnostic> {
        let bar = self.out.files_bar("replay", self.wanted.len() as u64);
        let all = self.wanted.len();
        let mut after = from;
        loop {
            let events = self.ledger.events(after, EVENTS_AT_A_TIME);
            for told in events.map_err(|error| reading::unreadable(&error))? {
                after = told.sequence;
                bar.suspend(|| self.hear(told.arrival, told.event));
                bar.set_position((all - self.wanted.len()) as u64);
            }
            if self.wanted.is_empty() {
                bar.finish_and_clear();
                return Ok(if self.problems == 0 { Exit::Ok } else { Exit::Problems });
            }
            if self.ledger.wait_beyond(after, LOOK_EVERY) <= after && Client::find(zone)?.is_none()
            {
                bar.finish_and_clear();
                let left = counted(self.wanted.len() as u64, "replay");
                self.out.say(&format!("The server stopped: {left} go on when it runs again."));
                return Ok(Exit::Problems);
            }
        }
    }

    /// In a feed whose batches a person closes, its conversion is the last that comes by itself.
    fn hear(&mut self, about: Option<ArrivalId>, event: Event) {
        match (event, about) {
            (Event::ReplayEnded { end }, Some(id)) => match end {
                ReplayEnd::Published { batch, .. } => self.closed.push((batch, id, end)),
                ReplayEnd::Unchanged
                | ReplayEnd::Held { .. }
                | ReplayEnd::Raw { .. }
                | ReplayEnd::Overtaken => self.tell(id, &end),
            },
            (Event::BatchPublished { batch, .. }, _) => {
                let (published, closed): (Vec<_>, Vec<_>) =
                    self.closed.drain(..).partition(|(of, _, _)| *of == batch);
                self.closed = closed;
                published.iter().for_each(|(_, id, end)| self.tell(*id, end));
            }
            (Event::ReplayConverted { .. }, Some(id)) => {
                let feed = self.wanted.get(&id).map(|(_, feed)| feed.clone());
                let asks =
                    |feed: &FeedName| matches!(self.config.feed(feed).batch.when, When::Asked);
                if let Some(feed) = feed.filter(asks) {
                    self.wanted.remove(&id);
                    self.out.say(&format!("{id} waits for `landfall batch close {feed}`."));
                }
            }
            _ => {}
        }
    }

    fn tell(&mut self, id: ArrivalId, end: &ReplayEnd) {
        let Some((name, feed)) = self.wanted.remove(&id) else { return };
        match end {
            ReplayEnd::Held { .. } | ReplayEnd::Raw { .. } => self.problems += 1,
            ReplayEnd::Published { .. } | ReplayEnd::Unchanged | ReplayEnd::Overtaken => {}
        }
        if self.out.is_json() {
            let told = Told { arrival: id, name: &name, feed: &feed, end };
            self.out.object("landfall.replayed/v1", &told);
        } else {
            self.out.print(&format!("{name} of {feed}, {id}: {}", words::replay_end(end)));
        }
    }
}
