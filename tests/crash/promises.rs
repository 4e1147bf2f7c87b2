//! What senders did and what they were told: the book that a restarted server is held to.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

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
    /// What was told of its erasure, if one was asked for.
    pub erased: Option<Told>,
}

/// The book.
#[derive(Debug, Clone, Default)]
pub struct Promises {
    pub sent: Vec<Sent>,
    /// Sidecars that were sent, and what was told.
    pub sidecars: Vec<(String, Told)>,
    /// Names that were removed from their sender's listing.
    pub removed: Vec<(String, Told)>,
    /// How all that came about, with the time of each answer by `clock`.
    steps: Vec<(usize, Step)>,
    clock: Option<Arc<AtomicUsize>>,
}

#[derive(Debug, Clone)]
enum Step {
    Sent(Sent),
    Renamed { from: String, to: String, told: Told },
    Sidecar(String, Told),
    Removed(String, Told),
}

impl Promises {
    /// A book whose answers are given a time.
    pub fn timed(clock: Option<Arc<AtomicUsize>>) -> Self {
        Self { clock, ..Self::default() }
    }

    /// Notes a file that was sent whole.
    pub fn sent(&mut self, name: &str, bytes: &[u8], told: Told) -> Told {
        let digest = digest::of_bytes(bytes);
        let size_bytes = bytes.len() as u64;
        self.note(Step::Sent(Sent {
            names: vec![name.to_owned()],
            digest,
            size_bytes,
            told,
            erased: None,
        }));
        told
    }

    /// Notes a rename of the newest file that has this name.
    pub fn renamed(&mut self, from: &str, to: &str, told: Told) -> Told {
        self.note(Step::Renamed { from: from.to_owned(), to: to.to_owned(), told });
        told
    }

    /// Notes that the newest file of this name was to be erased.
    pub fn erased(&mut self, name: &str, told: Told) {
        let named = |sent: &&mut Sent| sent.names.iter().any(|known| known == name);
        if let Some(sent) = self.sent.iter_mut().rev().find(named) {
            sent.erased = Some(told);
        }
    }

    /// Notes a sidecar.
    pub fn sidecar(&mut self, name: &str, told: Told) -> Told {
        self.note(Step::Sidecar(name.to_owned(), told));
        told
    }

    /// Notes that a name was removed.
    pub fn removed(&mut self, name: &str, told: Told) -> Told {
        self.note(Step::Removed(name.to_owned(), told));
        told
    }

    /// Adds what another book holds.
    pub fn absorb(&mut self, other: Self) {
        for (at, step) in other.steps {
            self.apply(at, step);
        }
    }

    /// The book as it was at a time: what was answered later is as good as unanswered.
    pub fn as_of(&self, time: usize) -> Self {
        let mut then = Self::default();
        for (at, mut step) in self.steps.clone() {
            if at > time {
                step.forget();
            }
            then.apply(at, step);
        }
        then
    }

    /// How many files were acknowledged.
    pub fn kept(&self) -> usize {
        self.sent.iter().filter(|sent| sent.told == Told::Done).count()
    }

    /// The times of all answers that said that something succeeded, in order.
    pub fn answered_at(&self) -> Vec<usize> {
        let steps = self.steps.iter().filter(|(_, step)| step.told() == Told::Done);
        steps.map(|(at, _)| *at).collect()
    }

    /// When a file was acknowledged.
    pub fn acknowledged_at(&self, digest: Digest) -> Option<usize> {
        self.steps.iter().find_map(|(at, step)| match step {
            Step::Sent(sent) if sent.digest == digest && sent.told == Told::Done => Some(*at),
            Step::Sent(_) | Step::Renamed { .. } | Step::Sidecar(..) | Step::Removed(..) => None,
        })
    }

    fn note(&mut self, step: Step) {
        let now = self.clock.as_ref().map_or(0, |clock| clock.load(Ordering::SeqCst));
        self.apply(now, step);
    }

    fn apply(&mut self, at: usize, step: Step) {
        match &step {
            Step::Sent(sent) => self.sent.push(sent.clone()),
            Step::Sidecar(name, told) => self.sidecars.push((name.clone(), *told)),
            Step::Removed(name, told) => self.removed.push((name.clone(), *told)),
            Step::Renamed { from, to, told } => {
                let sent = self.sent.iter_mut().rev().find(|sent| sent.names.contains(from));
                match (sent, told) {
                    (Some(sent), Told::Done) => sent.names = vec![to.clone()],
                    // A commit whose sync failed is refused, and may come back after a crash.
                    (Some(sent), Told::Nothing | Told::Refused) => sent.names.push(to.clone()),
                    (None, _) => {}
                }
            }
        }
        self.steps.push((at, step));
    }
}

impl Step {
    fn told(&self) -> Told {
        match self {
            Self::Sent(sent) => sent.told,
            Self::Renamed { told, .. } | Self::Sidecar(_, told) | Self::Removed(_, told) => *told,
        }
    }

    fn forget(&mut self) {
        match self {
            Self::Sent(sent) => sent.told = Told::Nothing,
            Self::Renamed { told, .. } | Self::Sidecar(_, told) | Self::Removed(_, told) => {
                *told = Told::Nothing;
            }
        }
    }
}
