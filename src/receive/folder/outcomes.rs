//! Who waits for the outcome of which arrival.
//!
//! One follower reads the ledger's events for all folders and wakes the folder whose file it is.
//! A wake that is lost is made up for by the folder's own looks.

use std::collections::HashMap;
use std::sync::mpsc::SyncSender;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::clock::Pace;
use crate::ledger::Event;
use crate::names::{ArrivalId, FileName};
use crate::receive::{Intake, Refusal};

use super::mail::Message;

/// Events read at once.
const EVENTS_AT_ONCE: u32 = 1000;

/// The folders that wait.
#[derive(Default)]
pub struct Outcomes {
    awaiting: Mutex<HashMap<ArrivalId, (SyncSender<Message>, FileName)>>,
}

impl Outcomes {
    /// Tells `folder` when the arrival of this file has an outcome. The caller looks at the arrival
    /// afterwards: the outcome may have come before.
    pub fn expect(&self, id: ArrivalId, folder: &SyncSender<Message>, name: &FileName) {
        let mut awaiting = self.awaiting.lock().unwrap_or_else(PoisonError::into_inner);
        awaiting.insert(id, (folder.clone(), name.clone()));
    }

    /// Stops waiting.
    pub fn forget(&self, id: ArrivalId) {
        self.awaiting.lock().unwrap_or_else(PoisonError::into_inner).remove(&id);
    }

    fn nobody_waits(&self) -> bool {
        self.awaiting.lock().unwrap_or_else(PoisonError::into_inner).is_empty()
    }

    fn tell(&self, id: ArrivalId) {
        let mut awaiting = self.awaiting.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((folder, name)) = awaiting.remove(&id)
            && folder.try_send(Message::Outcome(name)).is_err()
        {
            tracing::debug!(%id, "its folder is busy and will look by itself");
        }
    }
}

/// Follows the events after `after` for as long as `at_most` and tells who waits; how far it came.
///
/// # Errors
/// What the intake said; nothing after `after` was told then.
pub fn follow(
    intake: &dyn Intake,
    outcomes: &Outcomes,
    after: u64,
    (pace, at_most): (&mut Pace, Duration),
) -> Result<u64, Refusal> {
    let head = pace.wait(|| intake.wait_beyond(after, at_most));
    // Who begins to wait from now on looks at the arrival first.
    if head <= after || outcomes.nobody_waits() {
        return Ok(head.max(after));
    }
    let mut reached = after;
    for recorded in intake.events(after, EVENTS_AT_ONCE)? {
        reached = recorded.sequence;
        if let Some(id) = recorded.arrival.filter(|_| is_outcome(&recorded.event)) {
            outcomes.tell(id);
        }
    }
    Ok(reached)
}

fn is_outcome(event: &Event) -> bool {
    matches!(
        event,
        Event::Converted { .. }
            | Event::TakenRaw { .. }
            | Event::Held { .. }
            | Event::Duplicate { .. }
            | Event::Superseded { .. }
    )
}
