//! Legal holds: while one stands, nothing of the files it covers is removed.
//!
//! As with S3 Object Lock, a hold has no end of its own: it stands until somebody releases it. It
//! covers what its scope says at the moment a removal is asked for, so also files that come later.

use serde::{Deserialize, Serialize};

use super::{Arrival, Error, Sender};
use crate::clock::Timestamp;
use crate::names::{ArrivalId, FeedName, HoldName};

/// What a hold covers: files for which all holds that is said.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scope {
    /// Of this feed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub feed: Option<FeedName>,
    /// From this sender; of a partner also what it only tried.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sender: Option<Sender>,
    /// One of these.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub arrivals: Vec<ArrivalId>,
    /// Received at or after.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
    /// Received before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
}

/// What a scope looks at.
#[derive(Debug, Clone, Copy)]
pub struct Covered<'a> {
    /// The arrival.
    pub id: ArrivalId,
    /// Its feed.
    pub feed: &'a FeedName,
    /// Its sender.
    pub sender: &'a Sender,
    /// When it was received.
    pub received_at: Timestamp,
}

impl<'a> Covered<'a> {
    /// What a scope looks at in an arrival.
    pub fn of(arrival: &'a Arrival) -> Self {
        let Arrival { id, feed, sender, received_at, .. } = arrival;
        Self { id: *id, feed, sender, received_at: *received_at }
    }
}

impl Scope {
    /// Whether a file is covered.
    pub fn covers(&self, file: Covered<'_>) -> bool {
        let from = |sender: &Sender| match (sender, file.sender) {
            (Sender::Partner(meant), Sender::Test(tried)) => meant == tried,
            (meant, sender) => meant == sender,
        };
        self.feed.as_ref().is_none_or(|feed| feed == file.feed)
            && self.sender.as_ref().is_none_or(from)
            && (self.arrivals.is_empty() || self.arrivals.contains(&file.id))
            && self.since.is_none_or(|since| file.received_at >= since)
            && self.until.is_none_or(|until| file.received_at < until)
    }

    /// Whether nothing is said, so that it would cover everything.
    pub fn is_everything(&self) -> bool {
        *self == Self::default()
    }
}

/// A hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hold {
    /// Its name.
    pub name: HoldName,
    /// What it covers.
    pub scope: Scope,
    /// Who placed it.
    pub by: String,
    /// Why.
    pub reason: String,
    /// When.
    pub placed_at: Timestamp,
    /// Its end, once it is released.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub released: Option<Release>,
}

/// The end of a hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Release {
    /// When.
    pub at: Timestamp,
    /// Who released it.
    pub by: String,
    /// Why.
    pub reason: String,
}

/// The ledger's part about holds.
pub trait Holds {
    /// Places a hold; false when one of this name stands.
    ///
    /// # Errors
    /// [`Error::Store`].
    fn place_hold(
        &self,
        name: &HoldName,
        scope: Scope,
        by: &str,
        reason: &str,
    ) -> Result<bool, Error>;

    /// Releases a hold; false when none of this name stands.
    ///
    /// # Errors
    /// [`Error::Store`].
    fn release_hold(&self, name: &HoldName, by: &str, reason: &str) -> Result<bool, Error>;

    /// Every hold that stands, and the last of each name that was released, by name.
    ///
    /// # Errors
    /// [`Error::Store`].
    fn holds(&self) -> Result<Vec<Hold>, Error>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scope_covers_what_all_of_it_says() {
        let id: ArrivalId = "019a3c5e-7c1a-7b3e-9d55-0c6f1f2b8a10".parse().expect("an id");
        let (feed, other): (FeedName, FeedName) =
            ("orders".parse().expect("a feed"), "misc".parse().expect("a feed"));
        let sender: Sender = "test:acme".parse().expect("a sender");
        let at: Timestamp = "2026-11-22T06:00:00Z".parse().expect("a time");
        let file = Covered { id, feed: &feed, sender: &sender, received_at: at };
        let all = Scope {
            feed: Some(feed.clone()),
            sender: Some("partner:acme".parse().expect("a sender")),
            arrivals: vec![id],
            since: Some(at),
            until: Some(Timestamp::MAX),
        };
        assert!(all.covers(file) && Scope::default().covers(file));
        for wrong in [
            Scope { feed: Some(other), ..all.clone() },
            Scope { sender: Some("partner:other".parse().expect("a sender")), ..all.clone() },
            Scope { arrivals: vec![ArrivalId::new(at)], ..all.clone() },
            Scope { since: Some(Timestamp::MAX), ..all.clone() },
            Scope { until: Some(at), ..all.clone() },
        ] {
            assert!(!wrong.covers(file), "{wrong:?}");
        }
    }
}
