//! Senders that go on until their server is gone: small files and long ones, renames, sidecars,
//! removals. For harnesses that let something happen at any moment.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use super::client::Client;
use super::promises::{Promises, Told};
use super::site::{Site, wait_until};
use super::workload::table;

/// Sessions at once.
const SESSIONS: usize = 2;

/// Senders at work.
pub struct Senders {
    line: Arc<Line>,
    sessions: Vec<JoinHandle<Promises>>,
}

/// What all senders share.
#[derive(Debug, Default)]
struct Line {
    acknowledged: AtomicUsize,
    is_dead: AtomicBool,
}

impl Line {
    /// What an answer is worth: nothing that a machine without power would not have said.
    fn hears(&self, told: Told) -> Told {
        if self.is_dead.load(Ordering::SeqCst) {
            return Told::Nothing;
        }
        if told == Told::Done {
            self.acknowledged.fetch_add(1, Ordering::Relaxed);
        }
        told
    }
}

impl Senders {
    /// Lets them begin.
    pub fn start(site: &Site, port: u16) -> Self {
        Self::start_by(site, port, None)
    }

    /// Lets them begin; each answer is given a time by this clock.
    pub fn start_timed(site: &Site, port: u16, clock: Arc<AtomicUsize>) -> Self {
        Self::start_by(site, port, Some(clock))
    }

    fn start_by(site: &Site, port: u16, clock: Option<Arc<AtomicUsize>>) -> Self {
        let line = Arc::<Line>::default();
        let session = |number: usize| {
            let (key, line) = (site.key(), Arc::clone(&line));
            let clock = clock.clone();
            std::thread::spawn(move || {
                let mut book = Promises::timed(clock);
                if let Some(mut client) = Client::login(port, &key) {
                    while send_four(&mut client, number, &mut book, &line) {}
                }
                book
            })
        };
        Self { sessions: (0..SESSIONS).map(session).collect(), line }
    }

    /// Waits until so many requests were acknowledged.
    pub fn wait_for(&self, acknowledged: usize) {
        let reached = || self.line.acknowledged.load(Ordering::Relaxed) >= acknowledged;
        wait_until(Duration::from_secs(20), reached);
    }

    /// From here on nothing that the server says counts: to be called before its power is cut, which
    /// takes the kernel a moment in which it may say that a sync succeeded.
    pub fn hang_up(&self) {
        self.line.is_dead.store(true, Ordering::SeqCst);
    }

    /// What they were promised. Their server is gone.
    pub fn end(self) -> Promises {
        let mut all = Promises::default();
        for session in self.sessions {
            all.absorb(session.join().expect("a sender"));
        }
        all
    }
}

/// A small file, a long one with a sidecar, one that is renamed and one that is removed. Whether
/// there is still somebody who answers; a refusal is as good as none on a disk without power.
fn send_four(client: &mut Client, number: usize, book: &mut Promises, line: &Line) -> bool {
    let round = book.sent.len();
    let name = |what: &str| format!("{what}-{number}-{round}.csv");
    let put = |client: &mut Client, name: &str, rows: usize, book: &mut Promises| {
        let bytes = table(name, rows);
        let told = line.hears(client.put(name, &bytes));
        book.sent(name, &bytes, told) == Told::Done
    };
    if !put(client, &name("small"), 5, book) || !put(client, &name("long"), 3_000, book) {
        return false;
    }
    let sidecar = format!("{}.sha256", name("long"));
    let digest = landfall::archive::digest::of_bytes(&table(&name("long"), 3_000));
    let sum = format!("{digest}  {}\n", name("long"));
    let told = line.hears(client.put(&sidecar, sum.as_bytes()));
    book.sidecar(&sidecar, told);
    if told != Told::Done || !put(client, &name("early"), 20, book) {
        return false;
    }
    let told = line.hears(client.rename(&name("early"), &name("late")));
    book.renamed(&name("early"), &name("late"), told);
    if told != Told::Done || !put(client, &name("away"), 7, book) {
        return false;
    }
    let told = line.hears(client.remove(&name("away")));
    book.removed(&name("away"), told);
    told == Told::Done
}
