//! Looking at watched folders without waiting for them: a network file system that hangs holds only
//! the thread that looks. What two looks in a row did not find is not there: at a start the doors still
//! make their folders.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use crate::ops::needs::{self, Need};

use super::Parts;

/// What the newest looks that ended have found.
#[derive(Default)]
pub(super) struct FolderLook(Arc<Shared>);

#[derive(Default)]
struct Shared {
    looking: AtomicBool,
    found: Mutex<Found>,
}

/// What the two newest looks found.
#[derive(Default)]
struct Found {
    last: Option<Vec<Need>>,
    before: Option<Vec<Need>>,
}

impl FolderLook {
    /// What was found by now; `None` before two looks have ended. Begins another look.
    pub(super) fn look(&self, parts: &Parts) -> Option<Vec<Need>> {
        let shared = Arc::clone(&self.0);
        if !shared.looking.swap(true, Ordering::AcqRel) {
            let (zone, config) = (parts.zone.clone(), parts.config.now());
            let looking = move || {
                let found = needs::of_folders(&zone, &config);
                let mut known = shared.found.lock().unwrap_or_else(PoisonError::into_inner);
                known.before = known.last.replace(found);
                drop(known);
                shared.looking.store(false, Ordering::Release);
            };
            let thread = std::thread::Builder::new().name("alert-folders".to_owned());
            if let Err(error) = thread.spawn(looking) {
                tracing::error!(%error, "watched folders cannot be looked at");
                self.0.looking.store(false, Ordering::Release);
            }
        }
        let known = self.0.found.lock().unwrap_or_else(PoisonError::into_inner);
        let (last, before) = known.last.as_ref().zip(known.before.as_ref())?;
        let stands = last.iter().filter(|need| before.iter().any(|other| other.key == need.key));
        Some(stands.cloned().collect())
    }
}
