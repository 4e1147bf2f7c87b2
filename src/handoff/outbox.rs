//! Delivering batches to sinks.
//!
//! The ledger holds the outbox; this reads whose turn it is and tells the sink. At least once, with
//! the same id in every attempt; in order per sink and feed, one in flight; a sink that does not
//! answer holds only itself. When a delivery's retries have ended the sink is stalled for that
//! feed, and nothing later is sent until a person resumes or skips it.
//!
//! Nothing is kept here that a restart would miss: what was in flight is delivered again.

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::archive::digest;
use crate::clock::{Clock, Pace, Timestamp};
use crate::config::{self, Sink};
use crate::ledger::{self, Delivery, DeliveryOutcome, DeliveryState, Ledger};
use crate::names::{FeedName, SinkName};
use crate::seeded;
use crate::zone::Zone;

use super::sinks::courier::Courier;
use super::sinks::{Answer, Notice, Purpose};

/// Deliveries in flight at once, over all sinks …
const IN_FLIGHT_MAX: usize = 256;
/// … and to one, so that those that hang leave room for the others.
const IN_FLIGHT_OF_SINK_MAX: usize = 16;
/// The longest pause that a receiver's `Retry-After` is granted.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(24 * 3600);
/// How long many commits are gathered before the outbox is read again.
const GATHER: Duration = Duration::from_millis(5);
/// How long the ledger is left alone after it failed.
const LEDGER_PAUSE: Duration = Duration::from_secs(5);
/// How often the outbox is read without being woken.
const READ_EVERY: Duration = Duration::from_secs(5);
/// How often the waker looks whether anybody still listens.
const WAKER_LOOK: Duration = Duration::from_millis(500);
/// How long a stop waits for deliveries in flight.
const STOP_GRACE: Duration = Duration::from_secs(2);

/// A sink and a feed: what deliveries are in order of.
type Lane = (SinkName, FeedName);

/// Delivers what the ledger's outbox holds.
pub struct Outbox {
    parts: Arc<Parts>,
}

struct Parts {
    zone: Zone,
    config: config::Live,
    ledger: Arc<dyn Ledger>,
    clock: Clock,
    courier: Arc<Courier>,
}

impl Outbox {
    /// The outbox of a zone.
    pub fn new(
        zone: Zone,
        config: impl Into<config::Live>,
        ledger: Arc<dyn Ledger>,
        courier: Courier,
        clock: Clock,
    ) -> Self {
        let config = config.into();
        let courier = Arc::new(courier);
        Self { parts: Arc::new(Parts { zone, config, ledger, clock, courier }) }
    }

    /// Delivers until `shutdown` says true or its sender is gone.
    pub async fn run(self, mut shutdown: watch::Receiver<bool>) {
        let mut commits = wake_on_commits(Arc::clone(&self.parts.ledger));
        let mut attempts = JoinSet::new();
        let mut busy: HashSet<Lane> = HashSet::new();
        while !*shutdown.borrow() {
            let rest = self.dispatch(&mut attempts, &mut busy).await;
            tokio::select! {
                ended = attempts.join_next(), if !attempts.is_empty() => {
                    // An attempt that panicked has left its lane busy: it rests until a restart.
                    if let Some(Ok(lane)) = ended { busy.remove(&lane); }
                    // One look serves all that ended meanwhile.
                    while let Some(ended) = attempts.try_join_next() {
                        if let Ok(lane) = ended { busy.remove(&lane); }
                    }
                }
                _ = commits.changed() => tokio::time::sleep(GATHER).await,
                () = tokio::time::sleep(rest) => {}
                gone = shutdown.changed() => if gone.is_err() { break },
            }
        }
        self.parts.courier.stop();
        let all_ended = async { while attempts.join_next().await.is_some() {} };
        if tokio::time::timeout(STOP_GRACE, all_ended).await.is_err() {
            tracing::info!(
                "deliveries in flight were left; they are repeated after the next start"
            );
        }
    }

    /// Starts what is due and free; how long to rest until the next one is due.
    async fn dispatch(&self, attempts: &mut JoinSet<Lane>, busy: &mut HashSet<Lane>) -> Duration {
        let parts = Arc::clone(&self.parts);
        let skip = busy.clone();
        let turns = match blocking(move || parts.turns(&skip)).await {
            Ok(turns) => turns,
            Err(error) => {
                tracing::error!(%error, "the outbox could not be read");
                return LEDGER_PAUSE;
            }
        };
        let now = self.parts.clock.now();
        let mut rest = READ_EVERY;
        for delivery in turns {
            if delivery.due_at > now {
                let wait = delivery.due_at.duration_since(now).try_into().unwrap_or(READ_EVERY);
                rest = rest.min(wait);
            } else if busy.len() < IN_FLIGHT_MAX
                && busy.iter().filter(|(sink, _)| *sink == delivery.sink).count()
                    < IN_FLIGHT_OF_SINK_MAX
            {
                let lane = (delivery.sink.clone(), delivery.feed.clone());
                busy.insert(lane.clone());
                let parts = Arc::clone(&self.parts);
                attempts.spawn(async move {
                    attempt(parts, delivery).await;
                    lane
                });
            }
        }
        rest
    }
}

/// A channel that changes with the ledger. Its thread ends soon after the receiver is gone.
fn wake_on_commits(ledger: Arc<dyn Ledger>) -> watch::Receiver<u64> {
    let (sender, receiver) = watch::channel(0);
    let waiting = move || {
        let mut seen = ledger.head();
        let mut pace = Pace::default();
        while !sender.is_closed() {
            let head = pace.wait(|| ledger.wait_beyond(seen, WAKER_LOOK));
            if head > seen {
                sender.send_replace(head);
                seen = head;
            }
        }
    };
    if let Err(error) = std::thread::Builder::new().name("outbox-waker".to_owned()).spawn(waiting) {
        tracing::error!(%error, "commits will not wake the outbox; it looks every few seconds");
    }
    receiver
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, ledger::Error> + Send + 'static,
) -> Result<T, ledger::Error> {
    tokio::task::spawn_blocking(work).await.unwrap_or(Err(ledger::Error::Closed))
}

/// Tells the sink once and records how it answered.
async fn attempt(parts: Arc<Parts>, delivery: Delivery) {
    let outcome = match parts.config.now().sinks.get(&delivery.sink) {
        None => DeliveryOutcome::Stalled(format!("no sink `{}` is configured", delivery.sink)),
        Some(sink) => {
            let answer = tell(&parts, sink, &delivery).await;
            if parts.courier.is_stopped() && matches!(answer, Answer::Refused { .. }) {
                // It may have been cut short by us: not an attempt that counts.
                return;
            }
            outcome(sink, &delivery, answer, parts.clock.now())
        }
    };
    let ledger = Arc::clone(&parts.ledger);
    let id = delivery.id.clone();
    if let Err(error) = blocking(move || ledger.delivered(&id, outcome)).await {
        tracing::error!(%error, delivery = delivery.id, "an answer could not be recorded");
        tokio::time::sleep(LEDGER_PAUSE).await;
    }
}

async fn tell(parts: &Arc<Parts>, sink: &Sink, delivery: &Delivery) -> Answer {
    let reading = (Arc::clone(parts), delivery.clone());
    let notice = tokio::task::spawn_blocking(move || reading.0.notice(&reading.1)).await;
    let notice = match notice {
        Ok(Ok(notice)) => notice,
        Ok(Err(why)) => return Answer::Refused { why, retry_after: None },
        Err(error) => return Answer::Refused { why: error.to_string(), retry_after: None },
    };
    parts.courier.tell(sink, notice, parts.clock.now()).await
}

/// What an answer means: the only place that decides on retrying.
fn outcome(sink: &Sink, delivery: &Delivery, answer: Answer, now: Timestamp) -> DeliveryOutcome {
    let (why, retry_after) = match answer {
        Answer::Acknowledged(said) => return DeliveryOutcome::Acknowledged(said),
        Answer::Gone(why) => return DeliveryOutcome::Stalled(why),
        Answer::Refused { why, retry_after } => (why, retry_after),
    };
    let waits = usize::try_from(delivery.attempts).ok();
    match waits.and_then(|attempts| sink.retry.get(attempts)) {
        None => DeliveryOutcome::Stalled(why),
        Some(wait) => {
            let asked = retry_after.unwrap_or_default().min(RETRY_AFTER_MAX);
            let wait = spread(*wait, delivery).max(asked);
            DeliveryOutcome::RetryAt(now.checked_add(wait).unwrap_or(Timestamp::MAX), why)
        }
    }
}

/// Up to a tenth more than `wait`, so that sinks that failed together do not return together. The
/// same for the same attempt.
fn spread(wait: Duration, delivery: &Delivery) -> Duration {
    let mut hasher = DefaultHasher::new();
    (&delivery.id, delivery.attempts).hash(&mut hasher);
    let permille = u32::try_from(hasher.finish() % 100).unwrap_or(0);
    wait + wait * permille / 1000
}

impl Parts {
    /// The deliveries whose turn it is in lanes that are free, longest due first. A paused sink has
    /// no turn.
    fn turns(&self, busy: &HashSet<Lane>) -> Result<Vec<Delivery>, ledger::Error> {
        let paused: HashSet<SinkName> =
            self.ledger.paused_sinks()?.into_iter().map(|paused| paused.sink).collect();
        let lanes = self.ledger.outbox()?.into_iter();
        let lanes = lanes.filter(|lane| !busy.contains(lane) && !paused.contains(&lane.0));
        let mut turns = Vec::new();
        for (sink, feed) in lanes {
            let next = self.ledger.next_delivery(&sink, &feed)?;
            turns.extend(next.filter(|next| next.state == DeliveryState::Pending));
        }
        turns.sort_by_key(|delivery| delivery.due_at);
        Ok(turns)
    }

    /// Reads what the sink is told. Words of a failure are for the operator.
    fn notice(&self, delivery: &Delivery) -> Result<Notice, String> {
        let batch = self.ledger.batch(delivery.batch).map_err(|error| error.to_string())?;
        let batch = batch.ok_or_else(|| format!("there is no batch {}", delivery.batch))?;
        let manifest_name = Zone::manifest_path(&batch.feed, batch.sequence);
        let manifest_path = self.zone.resolve(&manifest_name);
        let manifest_path = manifest_path.ok_or("its manifest would lie outside the zone")?;
        let manifest = std::fs::read(&manifest_path)
            .map_err(|error| format!("cannot read {manifest_name}: {error}"))?;
        let digest = digest::of_bytes(&manifest);
        if batch.manifest_digest.is_some_and(|recorded| recorded != digest) {
            return Err(format!("{manifest_name} is damaged: its digest is not the recorded one"));
        }
        Ok(Notice {
            purpose: Purpose::Batch,
            delivery: seeded::delivery(&delivery.id),
            batch,
            manifest,
            digest,
            manifest_name,
            manifest_path,
            zone: self.zone.root().to_owned(),
            zone_name: self.config.now().name.clone(),
        })
    }
}
