//! Group commit without a thread of its own.
//!
//! A caller queues its request. If nobody is at work it takes the pen itself, so that a calm ledger
//! costs no change of threads; otherwise it waits. Requests queue up while a commit waits for the
//! disk; who holds the pen next takes all of them into one transaction, each in a savepoint of its
//! own, so that one that is refused leaves no trace and the others stand. One commit, one sync; then
//! every caller gets its answer, and the pen goes to the first who came meanwhile. Nobody writes for
//! others more than once.
//!
//! If the commit fails, so does every request in it, nothing is kept, and the next group starts
//! afresh; after an I/O error on a new connection, because a failed sync must not be trusted to have
//! done nothing.

use std::collections::VecDeque;
use std::panic::AssertUnwindSafe;
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rusqlite::Connection;

use crate::clock::{Clock, Timestamp};
use crate::durable::Durability;
use crate::ledger::Error;
use crate::seeded::{self, Bug};

use super::fault::{Fault, Shared};
use super::schema;
use super::transaction::{Heads, Transaction};

/// Requests in one commit at most …
const GROUP_MAX: usize = 256;
/// … and how long a group may gather, so that the first in it does not wait for the last.
const GATHER_MAX: Duration = Duration::from_millis(20);

/// How long readers are waited for before the log is emptied.
const EMPTYING: Duration = Duration::from_secs(1);

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

/// Callers and the pen that goes around among them.
#[derive(Debug)]
pub(super) struct Writer {
    queue: Mutex<Queue>,
    pen: Mutex<Pen>,
    head: Head,
}

#[derive(Default)]
struct Queue {
    waiting: VecDeque<(Request, Arc<Turn>)>,
    /// Somebody has the pen, or was told to take it.
    is_led: bool,
}

impl std::fmt::Debug for Queue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Queue").field("waiting", &self.waiting.len()).finish_non_exhaustive()
    }
}

/// What a waiting caller is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Told {
    Nothing,
    /// Its request is the first: take the pen.
    Lead,
    /// Its request was dealt with.
    Done,
}

#[derive(Debug)]
struct Turn {
    told: Mutex<Told>,
    changed: Condvar,
}

impl Turn {
    fn new() -> Self {
        Self { told: Mutex::new(Told::Nothing), changed: Condvar::new() }
    }

    fn tell(&self, what: Told) {
        *lock(&self.told) = what;
        self.changed.notify_one();
    }

    fn wait(&self) -> Told {
        let told = self.changed.wait_while(lock(&self.told), |told| *told == Told::Nothing);
        *told.unwrap_or_else(PoisonError::into_inner)
    }
}

/// Tells a caller that its request is dealt with, whatever became of it.
struct Concluded(Arc<Turn>);

impl Drop for Concluded {
    fn drop(&mut self) {
        self.0.tell(Told::Done);
    }
}

impl Writer {
    /// Opens the ledger for writing.
    pub(super) fn open(path: PathBuf, clock: Clock, durability: Durability) -> Result<Self, Fault> {
        let mut pen = Pen { path, clock, durability, open: None };
        let sequence = pen.open()?;
        let head = Head::default();
        head.set(sequence);
        Ok(Self { queue: Mutex::default(), pen: Mutex::new(pen), head })
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
        let turn = Arc::new(Turn::new());
        let outcome = Arc::new(Mutex::new(None));
        let (concluded, told) = (Concluded(Arc::clone(&turn)), Arc::clone(&outcome));
        let request: Request = Box::new(move |transaction| {
            let worked = transaction.map(|transaction| transaction.run(work));
            let keep = match &worked {
                Some(Ok(_)) => Keep::Changes,
                Some(Err(fault)) => Keep::Nothing(fault.of_store()),
                None => Keep::Nothing(None),
            };
            let tell = move |committed: Result<(), Shared>| {
                *lock(&told) = Some(match (worked, committed) {
                    (Some(Err(fault)), _) => Err(fault.into_error(doing)),
                    (_, Err(error)) => Err(error.into_error(doing)),
                    (Some(Ok(value)), Ok(())) => Ok(value),
                    (None, Ok(())) => Err(Error::Closed),
                });
                drop(concluded);
            };
            (keep, Box::new(tell))
        });
        if self.join(request, &turn) || turn.wait() == Told::Lead {
            self.lead();
        }
        // Nothing is there only if a request panicked.
        lock(&outcome).take().unwrap_or(Err(Error::Closed))
    }

    /// Takes the write-ahead log over into the database and empties it, so that nothing stays there
    /// which a commit removed. Waits a second for readers; whether it could.
    pub(super) fn empty_log(&self) -> rusqlite::Result<bool> {
        let pen = lock(&self.pen);
        let Some((conn, _)) = &pen.open else { return Ok(false) };
        conn.busy_timeout(EMPTYING)?;
        let emptied = conn
            .query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get::<_, i64>(0))
            .map(|busy| busy == 0);
        conn.busy_timeout(schema::BUSY)?;
        emptied
    }

    /// Queues a request; whether its caller is to lead.
    fn join(&self, request: Request, turn: &Arc<Turn>) -> bool {
        let mut queue = lock(&self.queue);
        queue.waiting.push_back((request, Arc::clone(turn)));
        !std::mem::replace(&mut queue.is_led, true)
    }

    /// Deals with one group, the first of which is the caller's own request, and passes the pen on.
    fn lead(&self) {
        let mut pen = lock(&self.pen);
        let led = std::panic::catch_unwind(AssertUnwindSafe(|| self.deal_with_group(&mut pen)));
        if led.is_err() {
            tracing::error!("a request to the ledger panicked; its group is not kept");
            pen.open = None;
        }
        drop(pen);
        let mut queue = lock(&self.queue);
        match queue.waiting.front() {
            Some((_, next)) => next.tell(Told::Lead),
            None => queue.is_led = false,
        }
    }

    fn deal_with_group(&self, pen: &mut Pen) {
        let mut answers = Vec::new();
        let committed = pen.group(&|| self.next(), &mut answers);
        match &committed {
            Ok(Some(sequence)) => self.head.set(*sequence),
            Ok(None) => {}
            Err(error) => {
                tracing::error!(%error, requests = answers.len(), "the ledger could not commit");
                pen.give_up(error);
            }
        }
        for answer in answers {
            answer(committed.clone().map(drop));
        }
    }

    /// The next request, and whether others wait behind it.
    fn next(&self) -> Option<(Request, bool)> {
        let mut queue = lock(&self.queue);
        let (request, _) = queue.waiting.pop_front()?;
        Some((request, !queue.waiting.is_empty()))
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What the one at work writes with.
#[derive(Debug)]
struct Pen {
    path: PathBuf,
    clock: Clock,
    durability: Durability,
    /// The connection and the ends of history in it; `None` after an I/O error.
    open: Option<(Connection, Heads)>,
}

impl Pen {
    fn open(&mut self) -> rusqlite::Result<u64> {
        let conn = schema::open_writer(&self.path, self.durability)?;
        let heads = Heads::read(&conn)?;
        let newest = heads.events.size();
        self.open = Some((conn, heads));
        Ok(newest)
    }

    /// One transaction over what waits. Answers the newest event's sequence, or `None` if nothing
    /// is to be kept.
    fn group(
        &mut self,
        next: &dyn Fn() -> Option<(Request, bool)>,
        answers: &mut Vec<Answer>,
    ) -> Result<Option<u64>, Shared> {
        let Some((first, more)) = next() else { return Ok(None) };
        let clock = self.clock.clone();
        let (conn, heads) = match self.begin() {
            Ok(open) => open,
            Err(error) => {
                answers.push(first(None).1);
                return Err(error.into());
            }
        };
        let mut ahead = heads.clone();
        if more {
            run(first, conn, clock.now(), &mut ahead, answers)?;
            let ends = Instant::now() + GATHER_MAX;
            while answers.len() < GROUP_MAX && Instant::now() < ends {
                let Some((request, _)) = next() else { break };
                // A time for each, so that no event is older than its request.
                run(request, conn, clock.now(), &mut ahead, answers)?;
            }
        } else {
            // Alone it needs no savepoint: the whole transaction is its own.
            let (keep, answer) = first(Some(&mut Transaction::new(conn, clock.now(), &mut ahead)));
            answers.push(answer);
            if let Keep::Nothing(error) = keep {
                if !conn.is_autocommit() {
                    execute(conn, "ROLLBACK")?;
                }
                return error.filter(Shared::is_connection_lost).map_or(Ok(None), Err);
            }
        }
        if seeded::has(Bug::AnswersBeforeCommit) {
            answers.drain(..).for_each(|answer| answer(Ok(())));
        }
        execute(conn, "COMMIT")?;
        *heads = ahead;
        Ok(Some(heads.events.size()))
    }

    fn begin(&mut self) -> rusqlite::Result<(&Connection, &mut Heads)> {
        if self.open.is_none() {
            self.open()?;
        }
        let Some((conn, heads)) = &mut self.open else {
            return Err(rusqlite::Error::InvalidQuery);
        };
        execute(conn, "BEGIN IMMEDIATE")?;
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
