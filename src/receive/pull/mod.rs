//! The pull door: commands of the configuration that fetch what nobody sends.
//!
//! A pull runs when its window of time ends ([`due`]). What its command prints, and the files that
//! it leaves in a private folder, become arrivals if it exits with 0 ([`run`]); with anything else,
//! or after its timeout, nothing of it is taken and it is tried again. A run that ended well is made
//! durable as a whole before its first file is settled ([`load`], [`deliver`]), and its watermark is saved in the
//! transaction of its last file: a crash neither loses nor repeats anything, and no command runs
//! again for what it fetched already.
//!
//! The command never runs through a shell, and sees little of the server's environment. Each pull has
//! a thread for as long as it runs: one that hangs holds only itself.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::sync::watch::Receiver;

use crate::clock::{Clock, Timestamp};
use crate::config;
use crate::diagnostic::on_one_line;
use crate::ledger::{Arrival, PullFailure, PullState, Pulled, Sender};
use crate::names::PullName;
use crate::zone::Zone;

use super::{Refusal, Settled};

mod deliver;
mod due;
mod intake;
mod load;
mod run;

use run::{Attempt, Runner};

/// How often the door looks what is due.
const LOOK: Duration = Duration::from_millis(200);
/// Pulls that run at once; more wait.
const AT_ONCE: usize = 8;
/// How long a pull rests whose outcome could not be recorded.
const LEDGER_PAUSE: Duration = Duration::from_secs(5);

/// The way in, with what only a pull needs. All calls block.
pub trait Intake: super::Intake {
    /// Takes the last file of a run, and keeps the run in the same transaction.
    ///
    /// # Errors
    /// As [`super::Intake::settle`].
    fn settle_last(&self, settled: Settled, run: Pulled) -> Result<Arrival, Refusal>;

    /// Keeps a run that ended well and has no file left to take.
    ///
    /// # Errors
    /// [`Refusal::Failed`], [`Refusal::Full`].
    fn pulled(&self, run: Pulled) -> Result<(), Refusal>;

    /// Keeps a run that failed.
    ///
    /// # Errors
    /// [`Refusal::Failed`], [`Refusal::Full`].
    fn pull_failed(&self, failure: PullFailure) -> Result<(), Refusal>;

    /// How a pull fares.
    ///
    /// # Errors
    /// [`Refusal::Failed`].
    fn pull(&self, pull: &PullName) -> Result<Option<PullState>, Refusal>;
}

/// Looks a name up in the environment of the server.
pub type Environment = Arc<dyn Fn(&str) -> Option<String> + Send + Sync>;

/// How a run ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum Outcome {
    /// Its files are archived and recorded; none means that there was nothing new.
    Taken {
        /// How many.
        files: u64,
    },
    /// Nothing of it was taken.
    Failed {
        /// Why.
        error: String,
    },
    /// The server stops: it counts as if it had never begun.
    Stopped,
}

/// Why a pull was not run at all.
#[derive(Debug, thiserror::Error)]
pub enum NotRun {
    /// There is none of that name.
    #[error("no pull `{0}` is configured")]
    Unknown(PullName),
    /// It runs already.
    #[error("pull {0} runs already")]
    Busy(PullName),
    /// The ledger could not be asked, or told.
    #[error(transparent)]
    Ledger(#[from] Refusal),
}

/// Removes what a pull keeps of an arrival in a run that is not taken to its end; how many files.
///
/// # Errors
/// What the system said.
pub fn take_out(zone: &Zone, arrival: &Arrival) -> std::io::Result<u64> {
    match &arrival.sender {
        Sender::Pull(pull) => load::take_out(zone, pull, arrival).map_err(std::io::Error::other),
        Sender::Partner(_) | Sender::Test(_) | Sender::Folder(_) | Sender::Local(_) => Ok(0),
    }
}

/// All pulls of a zone. Cheap to clone.
#[derive(Clone)]
pub struct Door(Arc<Parts>);

struct Parts {
    zone: Zone,
    config: config::Live,
    intake: Arc<dyn Intake>,
    clock: Clock,
    environment: Environment,
    stop: AtomicBool,
    busy: Mutex<BTreeSet<PullName>>,
    /// When each is to run next, as far as that is known.
    due: Mutex<BTreeMap<PullName, Timestamp>>,
}

impl Door {
    /// The door to what the configuration pulls.
    pub fn new(
        zone: Zone,
        config: config::Live,
        intake: Arc<dyn Intake>,
        clock: Clock,
        environment: Environment,
    ) -> Self {
        let (stop, busy, due) = (AtomicBool::new(false), Mutex::default(), Mutex::default());
        Self(Arc::new(Parts { zone, config, intake, clock, environment, stop, busy, due }))
    }

    /// Runs what is due until `shutdown` says true or its sender is gone; then ends what runs. Blocks.
    pub fn run(&self, shutdown: &Receiver<bool>) {
        let since = self.0.clock.now();
        let mut reloads = self.0.config.subscribe();
        let mut threads: Vec<JoinHandle<()>> = Vec::new();
        if let Err(error) = self.remove_left_over() {
            tracing::warn!(error = on_one_line(&error), "what an earlier run left stays");
        }
        while !*shutdown.borrow() && shutdown.has_changed().is_ok() {
            if reloads.has_changed().unwrap_or(false) {
                reloads.mark_unchanged();
                lock(&self.0.due).clear();
            }
            threads.retain(|thread| !thread.is_finished());
            for name in self.0.config.now().pulls.keys() {
                if threads.len() < AT_ONCE && self.0.is_due(name, since) {
                    threads.extend(self.spawn(name));
                }
            }
            std::thread::sleep(LOOK);
        }
        self.0.stop.store(true, Ordering::Relaxed);
        for thread in threads {
            if thread.join().is_err() {
                tracing::error!("a pull's thread had ended early");
            }
        }
    }

    /// Removes what commands left that a killed server ran.
    fn remove_left_over(&self) -> Result<(), load::Error> {
        for name in load::with_a_folder(&self.0.zone)? {
            let Some(_turn) = self.0.take_turn(&name) else { continue };
            load::remove(&load::Place::of(&self.0.zone, &name).work())?;
        }
        Ok(())
    }

    /// Runs a pull now, in the name of who asks, and waits for its end.
    ///
    /// # Errors
    /// [`NotRun`]; a command that fails is an [`Outcome`].
    pub fn run_now(&self, name: &PullName, by: Option<String>) -> Result<Outcome, NotRun> {
        let config = self.0.config.now();
        let pull = config.pulls.get(name).ok_or_else(|| NotRun::Unknown(name.clone()))?;
        let _turn = self.0.take_turn(name).ok_or_else(|| NotRun::Busy(name.clone()))?;
        self.0.turn(name, pull, by)
    }

    fn spawn(&self, name: &PullName) -> Option<JoinHandle<()>> {
        let (door, pull) = (self.clone(), name.clone());
        let work = move || match door.run_now(&pull, None) {
            Ok(_) | Err(NotRun::Busy(_) | NotRun::Unknown(_)) => {}
            Err(NotRun::Ledger(error)) => {
                tracing::error!(%error, pull = %pull, "a pull's outcome could not be kept");
                let later = door.0.clock.now().checked_add(LEDGER_PAUSE).unwrap_or(Timestamp::MAX);
                lock(&door.0.due).insert(pull, later);
            }
        };
        let thread = std::thread::Builder::new().name(format!("pull-{name}")).spawn(work);
        thread.inspect_err(|error| tracing::error!(%error, pull = %name, "it is not run")).ok()
    }
}

impl Parts {
    fn is_due(&self, name: &PullName, since: Timestamp) -> bool {
        if lock(&self.busy).contains(name) {
            return false;
        }
        let now = self.clock.now();
        if let Some(due) = lock(&self.due).get(name) {
            return *due <= now;
        }
        let config = self.config.now();
        let Some(pull) = config.pulls.get(name) else { return false };
        let due = match self.intake.pull(name) {
            // What a run left is taken at once, unless that failed: then it is tried again as a run is.
            Ok(state) if load::is_there(&self.zone, name) && !is_failing(state.as_ref()) => now,
            Ok(state) => due::next(pull, state.as_ref(), since),
            Err(error) => {
                tracing::error!(%error, pull = %name, "cannot tell when it is due");
                now.checked_add(LEDGER_PAUSE).unwrap_or(Timestamp::MAX)
            }
        };
        lock(&self.due).insert(name.clone(), due);
        due <= now
    }

    /// The right to run a pull, until it is dropped.
    fn take_turn(&self, name: &PullName) -> Option<Turn<'_>> {
        lock(&self.busy).insert(name.clone()).then(|| Turn(self, name.clone()))
    }

    /// Takes what an earlier run left, or else runs the command and takes what it brought.
    fn turn(
        &self,
        name: &PullName,
        pull: &config::Pull,
        by: Option<String>,
    ) -> Result<Outcome, NotRun> {
        let before = self.intake.pull(name)?;
        let began_at = self.clock.now();
        let runner = Runner {
            zone: &self.zone,
            config: &self.config.now(),
            environment: &self.environment,
            intake: self.intake.as_ref(),
            stop: &self.stop,
            name,
            pull,
        };
        match runner.attempt(before, began_at, by) {
            Attempt::Taken(files) => Ok(Outcome::Taken { files }),
            Attempt::Stopped => Ok(Outcome::Stopped),
            Attempt::Failed(_) if self.stop.load(Ordering::Relaxed) => Ok(Outcome::Stopped),
            Attempt::Failed(error) => {
                tracing::warn!(pull = %name, error, "a pull failed");
                let (pull, feed) = (name.clone(), pull.feed.clone());
                let failure = PullFailure { pull, feed, began_at, error: error.clone() };
                self.intake.pull_failed(failure)?;
                Ok(Outcome::Failed { error })
            }
        }
    }
}

fn is_failing(state: Option<&PullState>) -> bool {
    state.is_some_and(|state| state.failing.is_some())
}

/// The right to run a pull.
struct Turn<'p>(&'p Parts, PullName);

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        lock(&self.0.due).remove(&self.1);
        lock(&self.0.busy).remove(&self.1);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
