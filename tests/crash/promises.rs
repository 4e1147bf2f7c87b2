//! What senders did and what they were told: the book that a restarted server is held to.

use landfall::archive::digest;
use landfall::names::Digest;

/// What a sender was told of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Told {
    /// It succeeded: what it asked for must hold, whatever happens next.
    Done,
    /// It failed, and the server said so.
    Refused,
    /// Nothing came back. It may hold or not, but never by half.
    Nothing,
}

/// One whole file that a sender sent, or dropped.
#[derive(Debug, Clone)]
pub struct Sent {
    /// The names it may have now; more than one when a rename's answer never came.
    pub names: Vec<String>,
    /// Unlike any other file's of the run.
    pub digest: Digest,
    pub size_bytes: u64,
    pub told: Told,
}

/// The book.
#[derive(Debug, Clone, Default)]
pub struct Promises {
    pub sent: Vec<Sent>,
    /// Sidecars that were sent, and what was told.
    pub sidecars: Vec<(String, Told)>,
    /// Names that were removed from their sender's listing.
    pub removed: Vec<(String, Told)>,
}

impl Promises {
    /// Notes a file that was sent whole.
    pub fn sent(&mut self, name: &str, bytes: &[u8], told: Told) -> Told {
        self.sent.push(Sent {
            names: vec![name.to_owned()],
            digest: digest::of_bytes(bytes),
            size_bytes: bytes.len() as u64,
            told,
        });
        told
    }

    /// Notes a rename of the newest file that has this name.
    pub fn renamed(&mut self, from: &str, to: &str, told: Told) -> Told {
        let sent = self.sent.iter_mut().rev().find(|sent| sent.names.iter().any(|n| n == from));
        if let Some(sent) = sent {
            match told {
                Told::Done => sent.names = vec![to.to_owned()],
                // A commit whose sync failed is refused, and may come back after a crash.
                Told::Nothing | Told::Refused => sent.names.push(to.to_owned()),
            }
        }
        told
    }

    /// How many files were acknowledged.
    pub fn kept(&self) -> usize {
        self.sent.iter().filter(|sent| sent.told == Told::Done).count()
    }
}
