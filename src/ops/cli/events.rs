//! `landfall events`: what happened, from the first event on or from where a reader left off.

use std::collections::HashMap;
use std::io::{self, Write as _};
use std::time::Duration;

use super::{Exit, Output, ZoneArgs, reading, words};
use crate::diagnostic::{Code, Diagnostic};
use crate::handoff::cloud_event::CloudEvent;
use crate::ledger::{Error, Ledger, Recorded};
use crate::names::{ArrivalId, FeedName};

/// Events read at a time.
const AT_A_TIME: u32 = 1000;
/// Feeds of arrivals that are remembered.
const FEEDS_MAX: usize = 10_000;
/// How long one wait for a new event lasts.
const WAIT: Duration = Duration::from_secs(5);

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Only events after this sequence, which is the last that is known already
    #[arg(long, value_name = "SEQUENCE", default_value_t = 0)]
    since: u64,
    /// Go on with events as they happen, until Ctrl-C
    #[arg(long)]
    follow: bool,
    /// Stop after so many
    #[arg(long, short = 'n', value_name = "COUNT")]
    limit: Option<u64>,
}

pub(super) fn run(args: Args, zone: &ZoneArgs, out: &Output) -> Result<Exit, Diagnostic> {
    let zone = zone.find()?;
    let Some(ledger) = reading::open(&zone)? else {
        reading::say_never_ran(out);
        return Ok(Exit::Ok);
    };
    let name = match super::zone::load(&zone) {
        Ok(config) => config.name,
        // It is part of what consumers know an event by: none rather than another.
        Err(problems) if out.is_json() => return Err(problems),
        Err(_) => String::new(),
    };
    let mut teller =
        Teller { ledger: ledger.as_ref(), zone: name, json: out.is_json(), feeds: HashMap::new() };
    let (mut after, mut left) = (args.since, args.limit.unwrap_or(u64::MAX));
    while left > 0 {
        let at_most = AT_A_TIME.min(u32::try_from(left).unwrap_or(AT_A_TIME));
        let events = ledger.events(after, at_most).map_err(|error| reading::unreadable(&error))?;
        match teller.tell(&events) {
            Ok(()) => {}
            // A reader who has seen enough is no failure.
            Err(Told::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe => break,
            Err(Told::Output(error)) => {
                let told = Diagnostic::error(Code::Z105, "standard output cannot be written");
                return Err(told.caused_by(&error));
            }
            Err(Told::Ledger(error)) => return Err(reading::unreadable(&error)),
        }
        left -= events.len() as u64;
        match events.last() {
            Some(last) => after = last.sequence,
            None if args.follow => {
                ledger.wait_beyond(after, WAIT);
            }
            None => break,
        }
    }
    Ok(Exit::Ok)
}

/// Why events could not be told.
#[derive(Debug, thiserror::Error)]
enum Told {
    #[error(transparent)]
    Output(#[from] io::Error),
    #[error(transparent)]
    Ledger(#[from] Error),
}

struct Teller<'l> {
    ledger: &'l dyn Ledger,
    zone: String,
    json: bool,
    feeds: HashMap<ArrivalId, Option<FeedName>>,
}

impl Teller<'_> {
    fn tell(&mut self, events: &[Recorded]) -> Result<(), Told> {
        let mut out = io::stdout().lock();
        for recorded in events {
            if self.json {
                let feed = self.feed_of(recorded)?;
                let event = CloudEvent::of(recorded, &self.zone, feed);
                serde_json::to_writer(&mut out, &event).map_err(io::Error::from)?;
                writeln!(out)?;
            } else {
                let Recorded { sequence, at, arrival, event } = recorded;
                let about = arrival.map_or(String::new(), |id| format!("{id} "));
                writeln!(out, "{sequence} {} {about}{}", words::time(*at), words::event(event))?;
            }
        }
        Ok(out.flush()?)
    }

    /// The feed of the arrival that an event is about.
    fn feed_of(&mut self, recorded: &Recorded) -> Result<Option<FeedName>, Error> {
        let Some(id) = recorded.arrival else { return Ok(None) };
        if let Some(known) = self.feeds.get(&id) {
            return Ok(known.clone());
        }
        let feed = self.ledger.arrival(id)?.map(|arrival| arrival.feed);
        if self.feeds.len() >= FEEDS_MAX {
            self.feeds.clear();
        }
        self.feeds.insert(id, feed.clone());
        Ok(feed)
    }
}
