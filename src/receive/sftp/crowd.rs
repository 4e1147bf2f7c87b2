//! How many are connected, and how many of them have not logged in, in all and from one network.
//!
//! Those who have not logged in cost nothing to be, so there may be thousands who only take up room.
//! When there is no place left, the newcomer takes that of whoever has shown least: of the network
//! with most strangers, one that said nothing before one that began a key exchange, and of those the
//! oldest. Only those who have come as far as trying to log in keep their places; when all have, the
//! newcomer is sent away. A network is an IPv4 address or an IPv6 /64.

use std::collections::{BTreeMap, HashMap};
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::socket::{Link, Progress};
use crate::config::Sftp;

/// Everybody who is connected.
#[derive(Default)]
pub struct Crowd(Arc<Everybody>);

#[derive(Default)]
struct Everybody(Mutex<Inner>);

#[derive(Default)]
struct Inner {
    /// Logged in or not.
    connected: usize,
    next: u64,
    /// By the order they came in.
    known: BTreeMap<u64, Stranger>,
    by_network: HashMap<IpAddr, usize>,
}

struct Stranger {
    network: IpAddr,
    link: Arc<Link>,
}

/// A connection's places in the crowd; dropping them frees them.
pub struct Places {
    everybody: Arc<Everybody>,
    /// Its number among the strangers.
    stranger: Option<u64>,
}

impl Drop for Places {
    fn drop(&mut self) {
        self.log_in();
        self.everybody.lock().connected -= 1;
    }
}

impl Places {
    /// The connection has logged in and is a stranger no more.
    pub fn log_in(&mut self) {
        if let Some(number) = self.stranger.take() {
            self.everybody.lock().remove(number);
        }
    }
}

impl Crowd {
    /// Finds places for a newcomer, as many as there are now; whoever has to make room is told
    /// through its link.
    pub fn admit(&self, origin: IpAddr, link: &Arc<Link>, limits: &Sftp) -> Option<Places> {
        let network = network_of(origin);
        let mut inner = self.0.lock();
        if inner.connected >= limits.connections_max as usize {
            return None;
        }
        let here = inner.by_network.get(&network).copied().unwrap_or_default();
        if here >= limits.unauthenticated_per_address_max as usize {
            inner.make_room(network)?;
        } else if inner.known.len() >= limits.unauthenticated_max as usize {
            let crowded = inner.by_network.iter().max_by_key(|(_, count)| **count);
            let crowded = crowded.map_or(network, |(network, _)| *network);
            inner.make_room(crowded)?;
        }
        inner.connected += 1;
        let number = inner.next;
        inner.next += 1;
        inner.known.insert(number, Stranger { network, link: Arc::clone(link) });
        *inner.by_network.entry(network).or_default() += 1;
        Some(Places { everybody: Arc::clone(&self.0), stranger: Some(number) })
    }
}

impl Everybody {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn make_room(&mut self, network: IpAddr) -> Option<()> {
        let theirs = self.known.iter().filter(|(_, stranger)| stranger.network == network);
        // The first of equals is the oldest.
        let (number, worst) = theirs.min_by_key(|(_, stranger)| stranger.link.progress())?;
        if worst.link.progress() == Progress::TriedToLogIn {
            return None;
        }
        worst.link.make_room();
        let number = *number;
        self.remove(number);
        Some(())
    }

    fn remove(&mut self, number: u64) {
        let Some(stranger) = self.known.remove(&number) else { return };
        if let Some(here) = self.by_network.get_mut(&stranger.network) {
            *here -= 1;
            if *here == 0 {
                self.by_network.remove(&stranger.network);
            }
        }
    }
}

/// What counts as one source: an IPv4 address, an IPv6 /64.
pub fn network_of(origin: IpAddr) -> IpAddr {
    match origin {
        IpAddr::V4(_) => origin,
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn crowd(all: u32, per_network: u32) -> (Crowd, Sftp) {
        let limits = Sftp {
            unauthenticated_max: all,
            unauthenticated_per_address_max: per_network,
            ..Sftp::default()
        };
        (Crowd::default(), limits)
    }

    fn come((crowd, limits): &(Crowd, Sftp), from: &str) -> Option<(Places, Arc<Link>)> {
        let link = Arc::new(Link::default());
        let places = crowd.admit(from.parse().expect("an address"), &link, limits)?;
        Some((places, link))
    }

    #[test]
    fn whoever_has_shown_least_makes_room() {
        let crowd = crowd(100, 2);
        let (_a, silent) = come(&crowd, "10.0.0.1").expect("a place");
        let (_b, talking) = come(&crowd, "10.0.0.1").expect("a place");
        talking.try_to_log_in();
        let (_c, third) = come(&crowd, "10.0.0.1").expect("the silent one's place");
        assert!(silent.has_to_make_room() && !talking.has_to_make_room());
        third.try_to_log_in();
        assert!(come(&crowd, "10.0.0.1").is_none(), "both are logging in");
        assert!(come(&crowd, "10.0.0.2").is_some(), "others are not concerned");
    }

    #[test]
    fn the_network_with_most_strangers_makes_room_for_another() {
        let crowd = crowd(3, 3);
        let here: Vec<_> =
            (0..2).map(|_| come(&crowd, "2001:db8:0:1::1").expect("a place")).collect();
        let (_other, other) = come(&crowd, "10.0.0.1").expect("a place");
        let _newcomer = come(&crowd, "10.0.0.2").expect("a place");
        assert!(here[0].1.has_to_make_room() && !here[1].1.has_to_make_room());
        assert!(!other.has_to_make_room());
    }

    #[test]
    fn places_are_freed_at_the_end_and_at_login() {
        let crowd = crowd(1, 1);
        let (mut first, link) = come(&crowd, "10.0.0.1").expect("a place");
        link.try_to_log_in();
        assert!(come(&crowd, "10.0.0.1").is_none());
        first.log_in();
        let second = come(&crowd, "10.0.0.1").expect("its place as a stranger is free");
        drop(second);
        assert!(come(&crowd, "10.0.0.1").is_some());
    }

    #[test]
    fn fewer_places_hold_for_those_who_come_after_a_reload() {
        let mut crowd = crowd(10, 10);
        let first = come(&crowd, "10.0.0.1").expect("a place");
        crowd.1.connections_max = 1;
        assert!(come(&crowd, "10.0.0.2").is_none());
        drop(first);
        assert!(come(&crowd, "10.0.0.2").is_some());
    }
}
