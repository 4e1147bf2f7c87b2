//! History as a log that outsiders can check: the events as leaves of one hash tree, and the
//! checkpoints that were signed over it.
//!
//! The leaf of an event is the JSON of its [`Recorded`] exactly as stored ([`tree`] has the
//! arithmetic). Whoever changes, removes, inserts or moves an event changes the root of every tree
//! that has it. [`walk`] reads the whole log and names the first event that does not fit; what it
//! cannot see by itself, a history that somebody wrote anew as a whole, shows against the root in a
//! checkpoint that is kept elsewhere.
//!
//! A log has an identity of its own ([`Log::log_id`]): histories that do not continue each other are
//! never signed under the same.

use std::collections::BTreeSet;

use jiff::civil::Date;

use crate::clock::Timestamp;
use crate::names::{AlertName, ArrivalId, BatchId, Digest, FeedName, HoldName, PullName};

use super::{Error, Event, Recorded, tree};

/// Leaves read at once.
const PAGE: u32 = 1000;

/// An event as it is stored: a leaf of the tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leaf {
    /// Its place in history as the store looks it up.
    pub sequence: u64,
    /// Its time as the store looks it up.
    pub at: Timestamp,
    /// The arrival that the store finds it by.
    pub arrival: Option<ArrivalId>,
    /// The canonical bytes of the [`Recorded`] event.
    pub record: Vec<u8>,
    /// The hash of the leaf ([`tree::leaf`]) as the store keeps it.
    pub hash: Digest,
}

/// A root that was signed. The text says all; the rest is for looking it up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signed {
    /// How many events it covers, from the first.
    pub size: u64,
    /// The root over them.
    pub root: Digest,
    /// When it was signed.
    pub at: Timestamp,
    /// What was signed.
    pub text: String,
    /// The signature (SSHSIG).
    pub signature: String,
}

/// What the ledger may know anew after some events, beside the events.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Touched {
    /// Arrivals and what was made of them.
    pub arrivals: BTreeSet<ArrivalId>,
    /// Batches, their files, retractions and deliveries.
    pub batches: BTreeSet<BatchId>,
    /// Revisions of feeds' learned schemas.
    pub revisions: BTreeSet<(FeedName, u32)>,
    /// Pulls.
    pub pulls: BTreeSet<PullName>,
    /// Legal holds.
    pub holds: BTreeSet<HoldName>,
    /// Feeds that are expected, or no longer.
    pub expecting: BTreeSet<FeedName>,
    /// Dates of feeds.
    pub dates: BTreeSet<(FeedName, Date)>,
    /// Alerts, and what they told.
    pub alerts: BTreeSet<AlertName>,
}

impl Touched {
    /// Adds what an event is about.
    #[allow(clippy::wildcard_enum_match_arm, reason = "every other event names only its arrival")]
    pub fn by(&mut self, told: &Recorded) {
        self.arrivals.extend(told.arrival);
        match &told.event {
            Event::Received { supersedes, .. } => self.arrivals.extend(*supersedes),
            Event::Duplicate { of } => self.arrivals.extend([*of]),
            Event::Superseded { by } => self.arrivals.extend([*by]),
            Event::Retracted { batch, replaced_by } => {
                self.arrivals.extend(*replaced_by);
                self.batches.extend([*batch]);
            }
            Event::BatchClosed { batch, .. }
            | Event::BatchPublished { batch, .. }
            | Event::Acknowledged { batch, .. }
            | Event::DeliveryFailed { batch, .. }
            | Event::SinkStalled { batch, .. }
            | Event::SinkResumed { batch, .. }
            | Event::SinkSkipped { batch, .. } => self.batches.extend([*batch]),
            Event::SchemaChanged { feed, revision, .. } => {
                self.revisions.insert((feed.clone(), *revision));
            }
            Event::Pulled { pull, .. } | Event::PullFailed { pull, .. } => {
                self.pulls.insert(pull.clone());
            }
            Event::FeedExpected { feed } | Event::FeedUnexpected { feed } => {
                self.expecting.insert(feed.clone());
            }
            Event::FeedArrived { feed, date, .. }
            | Event::FeedLate { feed, date, .. }
            | Event::FeedMissing { feed, date, .. }
            | Event::FeedRecovered { feed, date, .. }
            | Event::FeedExcused { feed, date, .. } => {
                self.dates.insert((feed.clone(), *date));
            }
            Event::Alerted { alert, .. } | Event::AlertFailing { alert, .. } => {
                self.alerts.insert(alert.clone());
            }
            Event::HoldPlaced { hold, .. } | Event::HoldReleased { hold, .. } => {
                self.holds.insert(hold.clone());
            }
            _ => {}
        }
    }
}

/// The tree over the events and its checkpoints.
pub trait Log {
    /// Events with a sequence above `after` as they are stored, oldest first.
    ///
    /// # Errors
    /// [`Error::Store`].
    fn leaves(&self, after: u64, limit: u32) -> Result<Vec<Leaf>, Error>;

    /// What tells this log from every other: 32 hexadecimal digits, drawn when it began.
    ///
    /// # Errors
    /// [`Error::Store`].
    fn log_id(&self) -> Result<String, Error>;

    /// What the ledger knows of these now, as lines of text from which it can be made again.
    ///
    /// # Errors
    /// [`Error::Store`].
    fn rows(&self, touched: &Touched) -> Result<Vec<String>, Error>;

    /// The root over the first `size` events.
    ///
    /// # Errors
    /// [`Error::Missing`] when there are not so many, [`Error::Store`].
    fn root(&self, size: u64) -> Result<Digest, Error>;

    /// The proof that an event is among the first `size` ([`tree::inclusion`]).
    ///
    /// # Errors
    /// As [`Self::root`].
    fn inclusion(&self, sequence: u64, size: u64) -> Result<Vec<Digest>, Error>;

    /// The proof that the first `new` events begin with the first `old` ([`tree::consistency`]).
    ///
    /// # Errors
    /// As [`Self::root`].
    fn consistency(&self, old: u64, new: u64) -> Result<Vec<Digest>, Error>;

    /// The complete subtrees over the events after `from` up to `to` ([`tree::cover`]).
    ///
    /// # Errors
    /// As [`Self::root`].
    fn cover(&self, from: u64, to: u64) -> Result<Vec<tree::Node>, Error>;

    /// A subtree that the store keeps; `None` when it does not.
    ///
    /// # Errors
    /// [`Error::Store`].
    fn kept_node(&self, level: u8, position: u64) -> Result<Option<Digest>, Error>;

    /// Keeps a signed checkpoint; one over as many events that is there stays.
    ///
    /// # Errors
    /// [`Error::Store`].
    fn keep_checkpoint(&self, checkpoint: Signed) -> Result<(), Error>;

    /// Checkpoints over more than `after` events, oldest first. The first after `sequence - 1` is the
    /// first that covers an event.
    ///
    /// # Errors
    /// [`Error::Store`].
    fn checkpoints(&self, after: u64, limit: u32) -> Result<Vec<Signed>, Error>;

    /// The newest checkpoint.
    ///
    /// # Errors
    /// [`Error::Store`].
    fn newest_checkpoint(&self) -> Result<Option<Signed>, Error>;
}

/// The walk ended early.
#[derive(Debug, thiserror::Error)]
pub enum Broken {
    /// An event does not fit.
    #[error("event {sequence} does not fit: {why}")]
    At {
        /// The first event that does not fit.
        sequence: u64,
        /// In which way.
        why: &'static str,
    },
    /// The ledger could not be read.
    #[error(transparent)]
    Ledger(#[from] Error),
}

/// Walks the whole log and shows `see` each event and the tree up to and with it. Answers the whole
/// tree.
///
/// # Errors
/// [`Broken::At`] names the first event that does not fit; [`Broken::Ledger`]; what `see` says.
pub fn walk<E: From<Broken>>(
    log: &(impl Log + ?Sized),
    mut see: impl FnMut(&Leaf, &Recorded, &tree::Frontier) -> Result<(), E>,
) -> Result<tree::Frontier, E> {
    let mut so_far = tree::Frontier::default();
    loop {
        let leaves = log.leaves(so_far.size(), PAGE).map_err(Broken::from)?;
        if leaves.is_empty() {
            return Ok(so_far);
        }
        for leaf in &leaves {
            let told = follow(log, &mut so_far, leaf)?;
            see(leaf, &told, &so_far)?;
        }
    }
}

/// [`walk`] without looking at the events.
///
/// # Errors
/// As [`walk`].
pub fn verify(log: &(impl Log + ?Sized)) -> Result<tree::Frontier, Broken> {
    walk(log, |_, _, _| Ok(()))
}

fn follow(
    log: &(impl Log + ?Sized),
    so_far: &mut tree::Frontier,
    leaf: &Leaf,
) -> Result<Recorded, Broken> {
    let sequence = so_far.size() + 1;
    let broken = |why| Err(Broken::At { sequence, why });
    if leaf.sequence != sequence {
        return broken("it is missing");
    }
    if tree::leaf(&leaf.record) != leaf.hash {
        return broken("its hash is not that of its bytes");
    }
    for node in so_far.push(leaf.hash) {
        if log.kept_node(node.level, node.position)? != Some(node.hash) {
            return broken("a hash over it and others is not the one that is kept");
        }
    }
    match serde_json::from_slice::<Recorded>(&leaf.record) {
        Ok(told) if told.sequence != sequence => broken("it tells another number"),
        Ok(told) if told.at != leaf.at => broken("it is filed under another time"),
        Ok(told) if told.arrival != leaf.arrival => broken("it is filed under another arrival"),
        Ok(told) => Ok(told),
        Err(_) => broken("it cannot be read"),
    }
}
