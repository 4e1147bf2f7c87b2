//! A changed `landfall.toml` comes into force while the zone is served.
//!
//! All or nothing: a file with a mistake is refused with all its problems, one that changes what
//! only a restart can change is refused by naming it, and the old configuration stays. What runs
//! keeps the configuration it began with; new connections, files, batches and deliveries follow the
//! new one. Folders begin and end to be watched. Host keys are read again for new connections.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::signal::unix::Signal;
use tokio::sync::watch;

use super::diagnostic::of_problems;
use super::serve::Core;
use crate::config::{self, needing_restart};
use crate::diagnostic::{Code, Diagnostic};
use crate::receive::staging::Staging;

/// Reloads the configuration of a zone that is served.
pub struct Reload {
    core: Arc<Core>,
    staging: Staging,
    /// One at a time.
    turn: Mutex<()>,
}

impl Reload {
    /// For a running zone and its uploads, whose reserve of the disk is configured.
    pub fn new(core: Arc<Core>, staging: Staging) -> Self {
        Self { core, staging, turn: Mutex::default() }
    }

    /// Reads `landfall.toml` again and puts it in force for what begins from now on.
    ///
    /// # Errors
    /// [`Code::Z101`] with every problem, [`Code::R120`] for settings that need a restart, or
    /// [`Code::L101`] when it could not be kept. The old configuration is in force then.
    pub fn reload(&self, by: &str) -> Result<(), Diagnostic> {
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let refused = |told: Diagnostic| {
            tracing::error!(by, %told, "the configuration was not reloaded; the old one stays");
            told
        };
        let core = &self.core;
        let new = config::load(&core.zone).map_err(|problems| refused(of_problems(&problems)))?;
        let new = core.options.apply(new);
        let bound = needing_restart(&core.config.now(), &new);
        if !bound.is_empty() {
            let summary = format!("a restart is needed to change {}", bound.join(", "));
            return Err(refused(Diagnostic::error(Code::R120, summary)));
        }
        core.keep_config(&new, Some(by)).map_err(refused)?;
        self.staging.space().keep_free(new.free_reserve);
        tracing::info!(by, digest = %new.digest, "a configuration was loaded");
        core.config.replace(Arc::new(new));
        Ok(())
    }

    /// Reloads at every signal until `shutdown` is true.
    pub async fn at_each(self: Arc<Self>, mut hangup: Signal, mut shutdown: watch::Receiver<bool>) {
        loop {
            tokio::select! {
                heard = hangup.recv() => if heard.is_none() { return },
                _ = shutdown.wait_for(|stopped| *stopped) => return,
            }
            let reload = Arc::clone(&self);
            // A refusal is in the log already.
            drop(tokio::task::spawn_blocking(move || reload.reload("SIGHUP")).await);
        }
    }
}
