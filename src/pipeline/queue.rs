//! Which arrival is converted next: round-robin between senders, each sender's oldest first.
//!
//! A sender has so many in progress at most, and the last hands are kept for senders that have none:
//! files that take long keep no other sender's waiting.
//!
//! The queue reads ahead from the ledger, so that a sender with thousands of files waiting does not
//! keep another's single file waiting behind them. It remembers what is in progress; what ends
//! without a new state in the ledger (a full disk, say) is found again by the next look.

use std::collections::{BTreeMap, HashSet, VecDeque};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::ledger::{Arrival, Sender};
use crate::names::ArrivalId;

/// Arrivals read ahead.
pub const AHEAD_MAX: u32 = 1000;

/// Arrivals waiting for a converter. Shared between threads.
#[derive(Default)]
pub struct Queue {
    inner: Mutex<Inner>,
    /// There is more to take, or nothing any more.
    filled: Condvar,
    /// Something was taken or done.
    emptied: Condvar,
}

#[derive(Default)]
struct Inner {
    waiting: BTreeMap<Sender, VecDeque<Arrival>>,
    /// Everything waiting or being converted.
    known: HashSet<ArrivalId>,
    waiting_count: usize,
    /// How many of each sender are in progress.
    working: BTreeMap<Sender, usize>,
    hands: Option<Hands>,
    last: Option<Sender>,
    closed: bool,
}

/// How many take from a queue.
#[derive(Debug, Clone, Copy)]
pub struct Hands {
    /// All of them.
    pub all: usize,
    /// For one sender at most.
    pub of_one: usize,
    /// Of all, those that are kept for senders that have nothing in progress.
    pub kept: usize,
}

impl Queue {
    /// A queue that so many take from.
    pub fn with(hands: Hands) -> Self {
        let inner = Inner { hands: Some(hands), ..Inner::default() };
        Self { inner: Mutex::new(inner), ..Self::default() }
    }

    /// Adds what the ledger has to convert; what is known already is passed over.
    pub fn offer(&self, arrivals: Vec<Arrival>) {
        let mut inner = self.lock();
        let mut added = 0;
        for arrival in arrivals {
            if inner.known.insert(arrival.id) {
                added += 1;
                inner.waiting_count += 1;
                inner.waiting.entry(arrival.sender.clone()).or_default().push_back(arrival);
            }
        }
        drop(inner);
        match added {
            0 => {}
            1 => self.filled.notify_one(),
            _ => self.filled.notify_all(),
        }
    }

    /// How many more arrivals are worth reading ahead now, and how many are known.
    pub fn room(&self) -> (u32, u32) {
        let inner = self.lock();
        let waiting = u32::try_from(inner.waiting_count).unwrap_or(AHEAD_MAX);
        let known = u32::try_from(inner.known.len()).unwrap_or(AHEAD_MAX);
        (AHEAD_MAX.saturating_sub(waiting), known)
    }

    /// The next arrival, or `None` once the queue is closed. Blocks.
    pub fn take(&self) -> Option<Arrival> {
        let mut inner = self.lock();
        loop {
            if inner.closed {
                return None;
            }
            if let Some(arrival) = inner.next() {
                self.emptied.notify_one();
                return Some(arrival);
            }
            inner = self.filled.wait(inner).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Marks an arrival as no longer in progress.
    pub fn done(&self, arrival: &Arrival) {
        let mut inner = self.lock();
        inner.known.remove(&arrival.id);
        if let Some(working) = inner.working.get_mut(&arrival.sender) {
            *working -= 1;
            if *working == 0 {
                inner.working.remove(&arrival.sender);
            }
        }
        drop(inner);
        self.emptied.notify_one();
        // What could not be taken may be now.
        self.filled.notify_one();
    }

    /// Ends every [`Self::take`].
    pub fn close(&self) {
        self.lock().closed = true;
        self.filled.notify_all();
        self.emptied.notify_all();
    }

    /// Waits until something is taken or done, or the timeout ends.
    pub fn wait_for_change(&self, timeout: Duration) {
        let inner = self.lock();
        drop(self.emptied.wait_timeout(inner, timeout).unwrap_or_else(PoisonError::into_inner));
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn next(&mut self) -> Option<Arrival> {
        let sender = self.next_sender()?;
        let files = self.waiting.get_mut(&sender)?;
        let arrival = files.pop_front();
        if files.is_empty() {
            self.waiting.remove(&sender);
        }
        *self.working.entry(sender.clone()).or_default() += 1;
        self.last = Some(sender);
        self.waiting_count -= usize::from(arrival.is_some());
        arrival
    }

    fn next_sender(&self) -> Option<Sender> {
        use std::ops::Bound::{Excluded, Unbounded};
        let after = self.last.as_ref().map_or(Unbounded, Excluded);
        let behind = self.waiting.range::<Sender, _>((after, Unbounded));
        let all = behind.chain(&self.waiting).map(|(sender, _)| sender);
        all.into_iter().find(|sender| self.has_hands_for(sender)).cloned()
    }

    fn has_hands_for(&self, sender: &Sender) -> bool {
        let Some(Hands { all, of_one, kept }) = self.hands else { return true };
        let own = self.working.get(sender).copied().unwrap_or_default();
        let free = all.saturating_sub(self.working.values().sum());
        own < of_one && (free > kept || own == 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Timestamp;
    use crate::ledger::{Door, State};
    use crate::names::Digest;
    use crate::zone::ZonePath;

    fn arrival(sender: &str, sequence: u64) -> Arrival {
        let at = Timestamp::UNIX_EPOCH;
        Arrival {
            id: ArrivalId::new(at),
            sequence,
            sender: sender.parse().expect("a sender"),
            door: Door::Sftp,
            feed: "orders".parse().expect("a feed"),
            name: "a.csv".parse().expect("a name"),
            size_bytes: 1,
            digest: Digest::from_bytes([0; 32]),
            raw: ZonePath::stored("archive/x"),
            received_at: at,
            modified_s: None,
            mode: None,
            origin: None,
            fingerprint: None,
            state: State::Received,
            current: true,
            hidden: false,
            waits: None,
            same_bytes_as: None,
            duplicate_of: None,
            supersedes: None,
            replaces: false,
            diagnostic: None,
            conversion: None,
            batch: None,
            changed_at: at,
            allowance: crate::contract::Allowance::default(),
        }
    }

    fn taken(queue: &Queue, count: usize) -> Vec<u64> {
        (0..count).filter_map(|_| queue.take()).map(|arrival| arrival.sequence).collect()
    }

    #[test]
    fn senders_take_turns() {
        let queue = Queue::default();
        queue.offer((1..=4).map(|n| arrival("partner:busy", n)).collect());
        queue.offer(vec![arrival("partner:calm", 5)]);
        assert_eq!(taken(&queue, 5), [1, 5, 2, 3, 4]);
    }

    #[test]
    fn what_is_known_is_not_taken_twice_until_it_is_done() {
        let queue = Queue::default();
        let one = arrival("partner:a", 1);
        queue.offer(vec![one.clone(), one.clone()]);
        assert_eq!(taken(&queue, 1), [1]);
        queue.offer(vec![one.clone()]);
        assert_eq!(queue.room(), (AHEAD_MAX, 1));
        queue.done(&one);
        queue.offer(vec![one]);
        assert_eq!(taken(&queue, 1), [1]);
    }

    #[test]
    fn the_last_hands_are_for_those_who_have_none() {
        let queue = Queue::with(Hands { all: 4, of_one: 2, kept: 1 });
        let busy: Vec<_> = (1..=4).map(|n| arrival("partner:busy", n)).collect();
        queue.offer(busy.clone());
        assert_eq!(taken(&queue, 2), [1, 2]);
        queue.offer((5..=8).map(|n| arrival("partner:calm", n)).collect());
        assert_eq!(taken(&queue, 1), [5], "the busy one has as many as one may");
        queue.offer(vec![arrival("partner:third", 9)]);
        assert_eq!(taken(&queue, 1), [9], "calm has one");
        queue.done(&busy[0]);
        queue.done(&busy[1]);
        assert_eq!(taken(&queue, 1), [3], "it has none now");
    }

    #[test]
    fn closing_ends_the_wait() {
        let queue = Queue::default();
        std::thread::scope(|scope| {
            let waiter = scope.spawn(|| queue.take());
            queue.close();
            assert!(waiter.join().expect("joined").is_none());
        });
    }
}
