//! The one thread that writes, and group commit.
//!
//! Requests queue up while a commit waits for the disk; the next transaction takes all of them, each
//! in a savepoint of its own, so that one that is refused leaves no trace and the others stand. One
//! commit, one sync; then every caller gets its answer. If the commit fails, so does every request
//! in it, nothing is kept, and the next group starts afresh; after an I/O error on a new connection,
//! because a failed sync must not be trusted to have done nothing.

use std::path::PathBuf;
use std::sync::mpsc::{self, Receiver, SyncSender};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rusqlite::Connection;

use crate::clock::{Clock, Timestamp};
use crate::durable::Durability;
use crate::ledger::Error;

use super::fault::{Fault, Shared};
use super::schema;
use super::transaction::{Heads, Transaction};

/// Requests that wait at most; more callers block until there is room.
const WAITING_MAX: usize = 1024;
/// Requests in one commit at most …
const GROUP_MAX: usize = 256;
/// … and how long a group may gather, so that the first in it does not wait for the last.
const GATHER_MAX: Duration = Duration::from_millis(20);

/// Tells a caller, after the commit, what became of its request.
type Answer = Box<dyn FnOnce(Result<(), Shared>) + Send>;
/// A request: runs in a transaction, or is told that there is none; says what is to be kept, and
/// how to answer.
type Request = Box<dyn FnOnce(Option<&mut Transaction<'_>>) -> (Keep, Answer) + Send>;

/// What a request leaves behind.
enum Keep {
    /// Its changes.
    Changes,
    /// Nothing: it was refused, by SQLite if there is an error.
    Nothing(Option<Shared>),
}

/// The newest event's sequence, and who waits for the next.
#[derive(Debug, Default)]
pub(super) struct Head {
    sequence: Mutex<u64>,
    grew: Condvar,
}

impl Head {
    /// The newest committed event.
    pub(super) fn get(&self) -> u64 {
        *self.lock()
    }

    /// Waits until it is above `after` or the time is up.
    pub(super) fn wait_beyond(&self, after: u64, timeout: Duration) -> u64 {
        let waited = self.grew.wait_timeout_while(self.lock(), timeout, |head| *head <= after);
        *waited.unwrap_or_else(PoisonError::into_inner).0
    }

    fn set(&self, sequence: u64) {
        let mut head = self.lock();
        if *head != sequence {
            *head = sequence;
            self.grew.notify_all();
        }
    }

    fn lock(&self) -> MutexGuard<'_, u64> {
        self.sequence.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The way to the writing thread. Dropping it lets the thread finish what waits, and joins it.
#[derive(Debug)]
pub(super) struct Writer {
    requests: Option<SyncSender<Request>>,
    head: Arc<Head>,
    thread: Option<JoinHandle<()>>,
}

impl Writer {
    /// Opens the ledger for writing and starts the thread.
    pub(super) fn start(
        path: PathBuf,
        clock: Clock,
        durability: Durability,
    ) -> Result<Self, Fault> {
        let mut pen = Pen { path, clock, durability, open: None, head: Arc::default() };
        pen.open()?;
        let head = Arc::clone(&pen.head);
        let (requests, waiting) = mpsc::sync_channel(WAITING_MAX);
        let thread = std::thread::Builder::new()
            .name("ledger".to_owned())
            .spawn(move || pen.serve(&waiting))
            .map_err(|error| Error::Store { doing: "start its thread", source: error.into() })?;
        Ok(Self { requests: Some(requests), head, thread: Some(thread) })
    }

    /// The newest committed event.
    pub(super) fn head(&self) -> &Head {
        &self.head
    }

    /// Runs `work` in a transaction; returns when it is committed.
    pub(super) fn write<T: Send + 'static>(
        &self,
        doing: &'static str,
        work: impl FnOnce(&mut Transaction<'_>) -> Result<T, Fault> + Send + 'static,
    ) -> Result<T, Error> {
        let (answer, answered) = mpsc::sync_channel(1);
        let request: Request = Box::new(move |transaction| {
            let worked = transaction.map(|transaction| transaction.run(work));
            let keep = match &worked {
                Some(Ok(_)) => Keep::Changes,
                Some(Err(fault)) => Keep::Nothing(fault.of_store()),
                None => Keep::Nothing(None),
            };
            let tell = move |committed: Result<(), Shared>| {
                let told = match (worked, committed) {
                    (Some(Err(fault)), _) => Err(fault.into_error(doing)),
                    (_, Err(error)) => Err(error.into_error(doing)),
                    (Some(Ok(value)), Ok(())) => Ok(value),
                    (None, Ok(())) => Err(Error::Closed),
                };
                // A caller that went away needs no answer.
                answer.send(told).ok();
            };
            (keep, Box::new(tell))
        });
        let requests = self.requests.as_ref().ok_or(Error::Closed)?;
        requests.send(request).ok().ok_or(Error::Closed)?;
        answered.recv().ok().ok_or(Error::Closed)?
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        drop(self.requests.take());
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the ledger's thread ended in a panic");
        }
    }
}

/// What the thread owns.
struct Pen {
    path: PathBuf,
    clock: Clock,
    durability: Durability,
    /// The connection and the ends of history in it; `None` after an I/O error.
    open: Option<(Connection, Heads)>,
    head: Arc<Head>,
}

impl Pen {
    fn open(&mut self) -> rusqlite::Result<()> {
        let conn = schema::open_writer(&self.path, self.durability)?;
        let heads = Heads::read(&conn)?;
        self.head.set(heads.event);
        self.open = Some((conn, heads));
        Ok(())
    }

    fn serve(mut self, waiting: &Receiver<Request>) {
        while let Ok(first) = waiting.recv() {
            let mut answers = Vec::new();
            let committed = self.group(first, waiting, &mut answers);
            if let Err(error) = &committed {
                tracing::error!(%error, requests = answers.len(), "the ledger could not commit");
                self.give_up(error);
            }
            for answer in answers {
                answer(committed.clone());
            }
        }
    }

    /// One transaction over `first` and what waits behind it.
    fn group(
        &mut self,
        first: Request,
        waiting: &Receiver<Request>,
        answers: &mut Vec<Answer>,
    ) -> Result<(), Shared> {
        let clock = self.clock.clone();
        let head = Arc::clone(&self.head);
        let (conn, heads) = match self.begin() {
            Ok(open) => open,
            Err(error) => {
                answers.push(first(None).1);
                return Err(error.into());
            }
        };
        let mut ahead = heads.clone();
        let ends = Instant::now() + GATHER_MAX;
        let mut next = Some(first);
        while let Some(request) = next {
            // A time for each, so that no event is older than its request.
            run(request, conn, clock.now(), &mut ahead, answers)?;
            let more = answers.len() < GROUP_MAX && Instant::now() < ends;
            next = if more { waiting.try_recv().ok() } else { None };
        }
        conn.execute_batch("COMMIT")?;
        *heads = ahead;
        head.set(heads.event);
        Ok(())
    }

    fn begin(&mut self) -> rusqlite::Result<(&Connection, &mut Heads)> {
        if self.open.is_none() {
            self.open()?;
        }
        let Some((conn, heads)) = &mut self.open else {
            return Err(rusqlite::Error::InvalidQuery);
        };
        conn.execute_batch("BEGIN IMMEDIATE")?;
        Ok((conn, heads))
    }

    /// Leaves no transaction behind, and no connection that cannot be trusted.
    fn give_up(&mut self, error: &Shared) {
        let Some((conn, _)) = &self.open else { return };
        let rolled_back = conn.is_autocommit() || conn.execute_batch("ROLLBACK").is_ok();
        if !rolled_back || error.is_connection_lost() {
            self.open = None;
        }
    }
}

/// Runs one request in a savepoint. An error means that the whole transaction is lost.
fn run(
    request: Request,
    conn: &Connection,
    now: Timestamp,
    ahead: &mut Heads,
    answers: &mut Vec<Answer>,
) -> Result<(), Shared> {
    if let Err(error) = execute(conn, "SAVEPOINT request") {
        answers.push(request(None).1);
        return Err(error.into());
    }
    let mut trial = ahead.clone();
    let (keep, answer) = request(Some(&mut Transaction::new(conn, now, &mut trial)));
    answers.push(answer);
    match keep {
        Keep::Changes => *ahead = trial,
        // SQLite gives the whole transaction up on its own after some errors.
        Keep::Nothing(Some(error)) if conn.is_autocommit() || error.is_connection_lost() => {
            return Err(error);
        }
        Keep::Nothing(_) => execute(conn, "ROLLBACK TO request")?,
    }
    Ok(execute(conn, "RELEASE request")?)
}

fn execute(conn: &Connection, sql: &str) -> rusqlite::Result<()> {
    conn.prepare_cached(sql)?.execute([])?;
    Ok(())
}
