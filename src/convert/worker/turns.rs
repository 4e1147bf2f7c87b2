//! Whose turn it is: so many places, and those who wait for one, fair between owners.
//!
//! Places go round the owners that wait, one each: an owner with a thousand files waits no shorter
//! than one with a single file. Within an owner, first come, first served.

use std::collections::VecDeque;

/// Free places and those who wait, each with a ticket of the caller's kind.
#[derive(Debug)]
pub(super) struct Turns<T> {
    places: usize,
    free: usize,
    waiting: VecDeque<(String, VecDeque<T>)>,
}

/// How busy a pool is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Load {
    /// Jobs that have a place.
    pub running: usize,
    /// Jobs that wait for one.
    pub waiting: usize,
}

impl<T> Turns<T> {
    /// With so many places, at least one.
    pub(super) fn new(places: usize) -> Self {
        let places = places.max(1);
        Self { places, free: places, waiting: VecDeque::new() }
    }

    /// Asks for a place: the ticket comes back when there is one now.
    pub(super) fn enter(&mut self, owner: &str, ticket: T) -> Option<T> {
        if self.free > 0 {
            self.free -= 1;
            return Some(ticket);
        }
        match self.waiting.iter_mut().find(|(waiting, _)| waiting == owner) {
            Some((_, tickets)) => tickets.push_back(ticket),
            None => self.waiting.push_back((owner.to_owned(), VecDeque::from([ticket]))),
        }
        None
    }

    /// Gives a place back: the ticket of who has it now, if anybody waits.
    pub(super) fn leave(&mut self) -> Option<T> {
        while let Some((owner, mut tickets)) = self.waiting.pop_front() {
            let next = tickets.pop_front();
            if !tickets.is_empty() {
                self.waiting.push_back((owner, tickets));
            }
            if next.is_some() {
                return next;
            }
        }
        self.free += 1;
        None
    }

    /// How many places are taken and how many tickets wait.
    pub(super) fn load(&self) -> Load {
        let waiting = self.waiting.iter().map(|(_, tickets)| tickets.len()).sum();
        Load { running: self.places - self.free, waiting }
    }

    /// Sends everybody away who waits.
    pub(super) fn clear(&mut self) {
        self.waiting.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_go_round_the_owners() {
        let mut turns = Turns::new(1);
        assert_eq!(turns.enter("a", "a0"), Some("a0"));
        for ticket in ["a1", "a2", "a3"] {
            assert_eq!(turns.enter("a", ticket), None);
        }
        assert_eq!(turns.enter("b", "b1"), None);
        assert_eq!(turns.enter("c", "c1"), None);
        assert_eq!(turns.enter("b", "b2"), None);
        let order: Vec<_> = std::iter::from_fn(|| turns.leave()).collect();
        assert_eq!(order, ["a1", "b1", "c1", "a2", "b2", "a3"]);
        assert_eq!(turns.enter("a", "a4"), Some("a4"), "the place is free again");
    }

    #[test]
    fn nobody_waits_while_a_place_is_free() {
        let mut turns = Turns::new(2);
        assert!(turns.enter("a", 1).is_some());
        assert!(turns.enter("a", 2).is_some());
        assert!(turns.enter("b", 3).is_none());
        assert_eq!(turns.load(), Load { running: 2, waiting: 1 });
        assert_eq!(turns.leave(), Some(3));
        assert_eq!(turns.leave(), None);
        assert_eq!(turns.leave(), None);
        assert!(turns.enter("c", 4).is_some());
    }
}
