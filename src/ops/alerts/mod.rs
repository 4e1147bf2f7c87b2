//! Telling people what needs one: `[[alert]]`.
//!
//! What `status` says needs a person is told to whom it concerns, once while it stands, and once more
//! when it is gone. What stops files or puts them at risk is told at once ([`causes::urgency`]), all
//! else in a digest; never more than one message in `pause`. What comes from the same cause within an
//! hour after a page, or comes back, is told in a digest. A message is kept before it is sent and
//! sent until it is taken, with the same id; then the next one tells what came meanwhile ([`desk`]).
//! One that is refused is a line in `status`, and a page to the other alerts.
//!
//! When the ledger cannot be read or written, that is told from memory.
//!
//! Left out: a server that is gone tells nobody; that is for who started it (systemd's `OnFailure=`).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::clock::{Clock, Timestamp};
use crate::config::{self, Alert};
use crate::evidence::Notary;
use crate::handoff::sinks::Answer;
use crate::handoff::sinks::courier::Courier;
use crate::handoff::sinks::message::Message;
use crate::ledger::{AlertState, Causes, Event, Ledger, Urgency};
use crate::names::AlertName;
use crate::zone::Zone;

use super::courier;
use super::doors::Doors;
use super::serve::Core;

pub mod causes;
pub mod desk;
mod folders;
mod message;
mod test;

pub use test::test;

use folders::FolderLook;

/// How often it looks whether something is due.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// How long what the ledger says is good for when nothing happens.
const CAUSES_GOOD_FOR: Duration = Duration::from_secs(5);
/// How long a stop waits for messages in flight.
const STOP_GRACE: Duration = Duration::from_secs(2);

/// What is looked at, and with what it is told.
pub struct Parts {
    /// The zone.
    pub zone: Zone,
    /// Its configuration.
    pub config: config::Live,
    /// Its ledger.
    pub ledger: Arc<dyn Ledger>,
    /// The time.
    pub clock: Clock,
    /// What sends messages.
    pub courier: Arc<Courier>,
    /// What signs the ledger; `None` when nobody does.
    pub notary: Option<Arc<Notary>>,
    /// Its doors.
    pub doors: Doors,
}

impl Parts {
    /// Those of a zone that is served.
    pub fn of(core: &Core, doors: Doors) -> Self {
        let durability = core.config.now().durability;
        Self {
            zone: core.zone.clone(),
            config: core.config.clone(),
            ledger: Arc::clone(&core.ledger),
            clock: core.clock.clone(),
            courier: Arc::new(courier::of(&core.zone, durability)),
            notary: Some(Arc::clone(&core.notary)),
            doors,
        }
    }
}

/// The alerts of a running server.
pub struct Alerting {
    parts: Parts,
    folders: FolderLook,
    memory: Mutex<Memory>,
}

/// What is known beside the ledger. It goes on when the ledger does not.
#[derive(Default)]
struct Memory {
    /// `None` until the ledger was asked.
    states: Option<BTreeMap<AlertName, AlertState>>,
    /// Alerts that the ledger does not know as they are.
    unkept: BTreeSet<AlertName>,
    /// Alerts whose message is being sent.
    busy: BTreeSet<AlertName>,
    /// What needs a person, as it was found then.
    causes: Causes,
    looked: Option<(u64, Instant)>,
    /// Since when the ledger fails, and what it says.
    trouble: Option<(Timestamp, String)>,
}

/// A message that is to be sent now.
type Due = (AlertName, Alert, Message);

impl Alerting {
    /// The alerts of a zone.
    pub fn new(parts: Parts) -> Self {
        Self { parts, folders: FolderLook::default(), memory: Mutex::default() }
    }

    /// Tells until `shutdown` says true or its sender is gone.
    pub async fn run(self, mut shutdown: watch::Receiver<bool>) {
        let this = Arc::new(self);
        let mut sending = JoinSet::new();
        while !*shutdown.borrow() {
            let looking = Arc::clone(&this);
            let due = tokio::task::spawn_blocking(move || looking.look()).await;
            for due in due.unwrap_or_default() {
                let this = Arc::clone(&this);
                sending.spawn(this.send(due));
            }
            tokio::select! {
                () = tokio::time::sleep(LOOK_EVERY) => {}
                Some(_) = sending.join_next(), if !sending.is_empty() => {}
                gone = shutdown.changed() => if gone.is_err() { break },
            }
        }
        this.parts.courier.stop();
        let all_ended = async { while sending.join_next().await.is_some() {} };
        if tokio::time::timeout(STOP_GRACE, all_ended).await.is_err() {
            tracing::info!("messages in flight were left; they are repeated after the next start");
        }
    }

    /// Looks what needs a person, and who is to be told of it now. Blocks.
    fn look(&self) -> Vec<Due> {
        let config = self.parts.config.now();
        let mut memory = self.memory();
        if config.alerts.is_empty() && memory.states.as_ref().is_some_and(BTreeMap::is_empty) {
            return Vec::new();
        }
        let now = self.parts.clock.now();
        let seen = self.find(&mut memory, now);
        let mut states = memory.states.take().unwrap_or_default();
        for gone in states.extract_if(.., |name, _| !config.alerts.contains_key(name)) {
            self.forget(&mut memory, &gone.0, now);
        }
        let mut due = Vec::new();
        for (name, alert) in &config.alerts {
            let state = states.entry(name.clone()).or_default();
            let current = desk::routed(&memory.causes, name, alert);
            let changed = desk::gather(state, alert, (&current, seen), now);
            if changed || memory.unkept.contains(name) {
                self.keep(&mut memory, name, (state, None), now);
            }
            let waiting = state.waiting.as_ref().filter(|waiting| waiting.due_at <= now);
            if let Some(waiting) = waiting
                && memory.busy.insert(name.clone())
            {
                let message = message::of(waiting, name, &self.parts.zone, &config.name);
                due.push((name.clone(), alert.clone(), message));
            }
        }
        memory.states = Some(states);
        due
    }

    /// Finds what needs a person now; whether all of it could be found.
    fn find(&self, memory: &mut Memory, now: Timestamp) -> desk::Seen {
        let head = self.parts.ledger.head();
        let known =
            memory.looked.is_some_and(|(at, when)| at == head && when.elapsed() < CAUSES_GOOD_FOR);
        if known {
            return desk::Seen::All;
        }
        if memory.states.is_none() {
            match self.parts.ledger.alerts() {
                Ok(states) => memory.states = Some(states),
                Err(error) => memory.fails(&error, now),
            }
        }
        let folders = self.folders.look(&self.parts);
        match causes::now(&self.parts, folders.as_deref().unwrap_or_default()) {
            Ok(causes) => {
                memory.causes = causes;
                memory.looked = folders.map(|_| (head, Instant::now()));
            }
            Err(error) => {
                memory.fails(&error, now);
                memory.looked = None;
            }
        }
        if memory.unkept.is_empty() && memory.looked.is_some() {
            memory.trouble = None;
        }
        let trouble = memory.trouble.clone();
        let trouble = trouble.map(|(since, error)| causes::of_ledger(&self.parts, since, &error));
        memory.causes.extend(trouble.map(|cause| (cause.key.clone(), cause)));
        if memory.looked.is_some() { desk::Seen::All } else { desk::Seen::Part }
    }

    async fn send(self: Arc<Self>, (name, alert, message): Due) {
        let answer = self.parts.courier.alert(&alert, message, self.parts.clock.now()).await;
        // What our own stop cut short is no answer.
        if self.parts.courier.is_stopped() && !matches!(answer, Answer::Acknowledged(_)) {
            return;
        }
        let told = tokio::task::spawn_blocking(move || self.answered(&name, &alert, answer));
        if let Err(error) = told.await {
            tracing::error!(%error, "an answer to an alert's message could not be followed");
        }
    }

    fn answered(&self, name: &AlertName, alert: &Alert, answer: Answer) {
        let now = self.parts.clock.now();
        let mut memory = self.memory();
        memory.busy.remove(name);
        let Some(mut state) = memory.states.as_mut().and_then(|all| all.remove(name)) else {
            return;
        };
        let event = desk::answered(&mut state, (name, alert), answer, now);
        if let Some(Event::AlertFailing { error, .. }) = &event {
            tracing::error!(alert = %name, error, "an alert's message was refused");
        }
        self.keep(&mut memory, name, (&state, event), now);
        memory.states.get_or_insert_default().insert(name.clone(), state);
    }

    /// Has the ledger keep an alert. What it does not keep is told all the same.
    fn keep(
        &self,
        memory: &mut Memory,
        name: &AlertName,
        (state, event): (&AlertState, Option<Event>),
        now: Timestamp,
    ) {
        match self.parts.ledger.keep_alert(name, state.clone(), event) {
            Ok(()) => {
                memory.unkept.remove(name);
            }
            Err(error) => {
                memory.unkept.insert(name.clone());
                memory.fails(&error, now);
            }
        }
    }

    fn forget(&self, memory: &mut Memory, name: &AlertName, now: Timestamp) {
        memory.unkept.remove(name);
        if let Err(error) = self.parts.ledger.forget_alert(name) {
            memory.fails(&error, now);
        }
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Memory {
    fn fails(&mut self, error: &crate::ledger::Error, now: Timestamp) {
        let error = crate::diagnostic::on_one_line(error);
        tracing::error!(error, "alerts go on without the ledger");
        let since = self.trouble.as_ref().map_or(now, |(since, _)| *since);
        self.trouble = Some((since, error));
        // The next look finds the trouble.
        self.looked = None;
    }
}

/// How urgency reads: `page`.
fn word(urgency: Urgency) -> &'static str {
    match urgency {
        Urgency::Page => "page",
        Urgency::Digest => "digest",
    }
}
