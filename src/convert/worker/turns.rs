//! Whose turn it is: so many places, and those who wait for one, fair between owners.
//!
//! The next place goes to the owner that has used the least time of late, so that whoever sends what
//! takes long waits, and not those beside it. No owner has more than all places. So that a long job
//! keeps no other owner waiting, there are as many places again that are used only then: by an owner
//! that has none, and in the place of jobs that have run for longer than [`LONG`]. Within an owner,
//! first come, first served. What an owner used is forgotten when it has nothing to do.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

/// From then on a job counts as long, and its process lets others go first.
pub(super) const LONG: Duration = Duration::from_secs(1);

/// Places and those who wait for one, each with a ticket of the caller's kind.
#[derive(Debug)]
pub(super) struct Turns<T> {
    places: usize,
    owners: BTreeMap<String, Owner<T>>,
    /// Turns that were given.
    given: u64,
}

/// An owner that has a place or waits for one.
#[derive(Debug)]
struct Owner<T> {
    /// What its jobs that ended took.
    used: Duration,
    /// Its last turn, as a number.
    last: u64,
    /// When each of its jobs began that have a place.
    running: Vec<Instant>,
    waiting: VecDeque<T>,
}

/// How busy a pool is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Load {
    /// Jobs that have a place.
    pub running: usize,
    /// Jobs that wait for one.
    pub waiting: usize,
}

impl<T> Owner<T> {
    fn used(&self, now: Instant) -> Duration {
        self.used + self.running.iter().map(|began| now.duration_since(*began)).sum::<Duration>()
    }
}

impl<T> Turns<T> {
    /// With so many places, at least one.
    pub(super) fn new(places: usize) -> Self {
        Self { places: places.max(1), owners: BTreeMap::new(), given: 0 }
    }

    /// Asks for a place: the ticket comes back when there is one from now on.
    pub(super) fn enter(&mut self, owner: &str, ticket: T, now: Instant) -> Option<T> {
        // Who comes anew begins with those who used the least.
        let least = self.owners.values().map(|owner| owner.used(now)).min().unwrap_or_default();
        self.owners.entry(owner.to_owned()).or_insert_with(|| Owner {
            used: least,
            last: 0,
            running: Vec::new(),
            waiting: VecDeque::new(),
        });
        let has_room = self.has_room(owner, now);
        let known = self.owners.get_mut(owner)?;
        if has_room {
            self.given += 1;
            known.last = self.given;
            known.running.push(now);
            return Some(ticket);
        }
        known.waiting.push_back(ticket);
        None
    }

    /// Gives a place back that was had since `began`: the tickets of who has one from now on.
    pub(super) fn leave(&mut self, owner: &str, began: Instant, now: Instant) -> Vec<T> {
        if let Some(known) = self.owners.get_mut(owner) {
            if let Some(at) = known.running.iter().position(|running| *running == began) {
                known.running.swap_remove(at);
            }
            known.used += now.duration_since(began);
            if known.running.is_empty() && known.waiting.is_empty() {
                self.owners.remove(owner);
            }
        }
        std::iter::from_fn(|| self.next(now)).collect()
    }

    fn next(&mut self, now: Instant) -> Option<T> {
        let waits = |(_, owner): &(&String, &Owner<T>)| !owner.waiting.is_empty();
        let waiting = self.owners.iter().filter(waits);
        let may = waiting.filter(|(name, _)| self.has_room(name, now));
        let next = may.min_by_key(|(_, owner)| (owner.used(now), owner.last));
        let name = next.map(|(name, _)| name.clone())?;
        let owner = self.owners.get_mut(&name)?;
        self.given += 1;
        owner.last = self.given;
        owner.running.push(now);
        owner.waiting.pop_front()
    }

    fn has_room(&self, owner: &str, now: Instant) -> bool {
        let own = self.owners.get(owner).map_or(0, |owner| owner.running.len());
        let running: Vec<Instant> =
            self.owners.values().flat_map(|owner| owner.running.iter().copied()).collect();
        let long = running.iter().filter(|began| now.duration_since(**began) > LONG).count();
        let (all, short) = (running.len(), running.len() - long);
        own < self.places && all < self.places * 2 && (short < self.places || own == 0)
    }

    /// Whether several owners have a place or wait for one.
    pub(super) fn are_shared(&self) -> bool {
        self.owners.len() > 1
    }

    /// How many places are taken and how many tickets wait.
    pub(super) fn load(&self) -> Load {
        Load {
            running: self.owners.values().map(|owner| owner.running.len()).sum(),
            waiting: self.owners.values().map(|owner| owner.waiting.len()).sum(),
        }
    }

    /// Sends everybody away who waits.
    pub(super) fn clear(&mut self) {
        self.owners.values_mut().for_each(|owner| owner.waiting.clear());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Enters with a ticket of the owner's name; whether there is a place at once.
    fn enters(turns: &mut Turns<&'static str>, ticket: &'static str, now: Instant) -> bool {
        turns.enter(&ticket[..1], ticket, now).is_some()
    }

    #[test]
    fn who_used_the_least_time_is_next() {
        let began = Instant::now();
        let at = |ms| began + Duration::from_millis(ms);
        let mut turns = Turns::new(1);
        assert!(enters(&mut turns, "a0", at(0)));
        assert!(enters(&mut turns, "b0", at(0)), "it has none: it does not wait for another's");
        for ticket in ["a1", "a2", "b1", "b2", "b3", "c1"] {
            assert!(!enters(&mut turns, ticket, at(0)), "{ticket}");
        }
        // b's files take 10 ms and a's 100.
        assert_eq!(turns.leave("b", at(0), at(10)), ["c1"], "c has had none");
        assert_eq!(turns.leave("c", at(10), at(20)), ["b1"]);
        assert_eq!(turns.leave("b", at(20), at(30)), ["b2"]);
        assert_eq!(turns.leave("a", at(0), at(100)), ["a1"]);
        assert_eq!(turns.leave("b", at(30), at(110)), ["b3"]);
        assert_eq!(turns.leave("b", at(110), at(120)), [""; 0], "a has its place");
        assert_eq!(turns.leave("a", at(100), at(130)), ["a2"]);
        assert_eq!(turns.leave("a", at(130), at(140)), [""; 0]);
        assert_eq!(turns.load(), Load { running: 0, waiting: 0 });
    }

    #[test]
    fn a_long_job_keeps_no_other_owner_waiting() {
        let began = Instant::now();
        let at = |ms| began + Duration::from_millis(ms);
        let mut turns = Turns::new(2);
        assert!(enters(&mut turns, "a0", at(0)) && enters(&mut turns, "a1", at(0)));
        assert!(!enters(&mut turns, "a2", at(0)), "an owner has no more than all places");
        assert!(enters(&mut turns, "b0", at(10)));
        assert!(!enters(&mut turns, "b1", at(10)), "there are only so many");
        assert_eq!(turns.leave("b", at(10), at(20)), ["b1"]);
        // Both of a's are long now: they do not count.
        assert!(enters(&mut turns, "b2", at(1001)));
        assert!(!enters(&mut turns, "c0", at(1001)), "as many again, and no more");
        assert_eq!(turns.load(), Load { running: 4, waiting: 2 });
        assert!(turns.are_shared());
        assert_eq!(turns.leave("a", at(0), at(3000)), ["c0"], "a has used much");
        turns.clear();
        assert_eq!(turns.load(), Load { running: 4, waiting: 0 });
    }

    #[test]
    fn nobody_waits_while_a_place_is_free() {
        let now = Instant::now();
        let mut turns = Turns::new(2);
        assert!(enters(&mut turns, "a1", now) && enters(&mut turns, "b1", now));
        assert!(!enters(&mut turns, "a2", now));
        assert_eq!(turns.load(), Load { running: 2, waiting: 1 });
        assert_eq!(turns.leave("b", now, now), ["a2"]);
        assert_eq!(turns.leave("a", now, now), [""; 0]);
        assert!(enters(&mut turns, "c1", now));
    }
}
