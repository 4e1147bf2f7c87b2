//! Tells what the ledger records while the demo's files are on their way.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::summary::Arrived;
use super::{Parcel, Story};
use crate::diagnostic::Diagnostic;
use crate::ledger::{self, Event, Ledger, Recorded, State};
use crate::names::ArrivalId;
use crate::ops::cli::output::size;
use crate::ops::cli::{reading, words};

/// How long nothing may happen before the demo gives up.
const SILENCE_MAX: Duration = Duration::from_secs(180);
/// Events read at a time.
const EVENTS_AT_A_TIME: u32 = 1000;

/// Follows the parcels through the ledger.
pub(super) struct Follower {
    ledger: Arc<dyn Ledger>,
    /// Each parcel and the arrival it became.
    parcels: Vec<(Parcel, Option<ArrivalId>)>,
    names: BTreeMap<ArrivalId, String>,
    after: u64,
}

impl Follower {
    /// Follows from now on.
    pub(super) fn new(ledger: Arc<dyn Ledger>, parcels: &[Parcel]) -> Self {
        let after = ledger.head();
        let parcels = parcels.iter().map(|parcel| (parcel.clone(), None)).collect();
        Self { ledger, parcels, names: BTreeMap::new(), after }
    }

    /// Tells every step until each parcel has reached an end, or the sender failed, or nothing
    /// happens any more.
    pub(super) fn tell_until_handed_off(
        &mut self,
        story: &Story<'_>,
        sender_failed: &AtomicBool,
    ) -> Result<(), Diagnostic> {
        let mut heard = Instant::now();
        loop {
            let events = self.ledger.events(self.after, EVENTS_AT_A_TIME);
            let events = events.map_err(|error| reading::unreadable(&error))?;
            for recorded in &events {
                heard = Instant::now();
                self.after = recorded.sequence;
                self.tell(recorded, story);
            }
            if !events.is_empty() {
                continue;
            }
            let ended = self.all_ended().map_err(|error| reading::unreadable(&error))?;
            if ended || sender_failed.load(Ordering::Relaxed) || heard.elapsed() > SILENCE_MAX {
                return Ok(());
            }
            self.ledger.wait_beyond(self.after, Duration::from_millis(500));
        }
    }

    fn all_ended(&self) -> Result<bool, ledger::Error> {
        for (_, arrival) in &self.parcels {
            let Some(id) = arrival else { return Ok(false) };
            let state = self.ledger.arrival(*id)?.map(|arrival| arrival.state);
            if !state.is_some_and(State::is_end) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn tell(&mut self, recorded: &Recorded, story: &Story<'_>) {
        if let (Some(id), Event::Received { feed, name, digest, .. }) =
            (recorded.arrival, &recorded.event)
        {
            self.names.insert(id, name.to_string());
            let own = self.parcels.iter_mut().find(|(parcel, arrival)| {
                arrival.is_none()
                    && parcel.feed == *feed
                    && parcel.name == *name
                    && parcel.digest == *digest
            });
            if let Some((_, arrival)) = own {
                *arrival = Some(id);
            }
        }
        if story.out.is_json() {
            story.out.object("landfall.event/v1", recorded);
        } else if let Some((who, what)) = self.line(recorded) {
            story.step(&who, &what);
        }
    }

    /// Who an event is about and what it says; `None` for events that only repeat others.
    fn line(&self, recorded: &Recorded) -> Option<(String, String)> {
        let name = recorded.arrival.and_then(|id| self.names.get(&id));
        let about = |who: &str| Some((who.to_owned(), words::event(&recorded.event)));
        if let Event::Received { sender, size_bytes, digest, .. } = &recorded.event {
            let short: String = digest.to_string().chars().take(16).collect();
            let what = format!("archived: {} from {sender}, SHA-256 {short}…", size(*size_bytes));
            return Some((name?.clone(), what));
        }
        if let Event::BatchClosed { feed, .. }
        | Event::BatchPublished { feed, .. }
        | Event::SchemaChanged { feed, .. } = &recorded.event
        {
            return about(&format!("feed {feed}"));
        }
        if let Event::Acknowledged { sink, .. } | Event::DeliveryFailed { sink, .. } =
            &recorded.event
        {
            return about(&format!("sink {sink}"));
        }
        if matches!(recorded.event, Event::LoggedIn { .. }) {
            return about("partner demo");
        }
        let repeats = matches!(recorded.event, Event::Batched { .. } | Event::Published { .. });
        name.filter(|_| !repeats).and_then(|name| about(name))
    }

    /// What became of every parcel.
    pub(super) fn arrived(&self) -> Result<Vec<Arrived>, Diagnostic> {
        let one = |(parcel, id): &(Parcel, Option<ArrivalId>)| {
            let read = |id: Option<ArrivalId>| {
                let found = id.map(|id| self.ledger.arrival(id)).transpose();
                found.map(Option::flatten).map_err(|error| reading::unreadable(&error))
            };
            let arrival = read(*id)?;
            let original = read(arrival.as_ref().and_then(|arrival| arrival.duplicate_of))?;
            let name = parcel.name.to_string();
            Ok(Arrived { name, feed: parcel.feed.clone(), arrival, original })
        };
        self.parcels.iter().map(one).collect()
    }
}
