//! Looks after uploads that nobody has open: those that were closed and never renamed are archived
//! and held, those that were never closed expire.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use super::Desk;
use super::settle::settle;
use super::socket::until_true;
use crate::clock::Timestamp;
use crate::ledger::Event;
use crate::receive::Completion;
use crate::receive::staging::{Snapshot, Upload};

/// The shortest and the longest pause between two looks.
const PAUSE: (Duration, Duration) = (Duration::from_millis(20), Duration::from_secs(60));

/// Looks regularly until `shutdown` is true.
pub async fn sweep_until(desk: Arc<Desk>, mut shutdown: watch::Receiver<bool>) {
    loop {
        let sftp = &desk.config.now().sftp;
        let pause = (sftp.rename_wait.min(sftp.upload_expiry) / 10).clamp(PAUSE.0, PAUSE.1);
        let looked = Arc::clone(&desk);
        if let Err(error) = tokio::task::spawn_blocking(move || sweep(&looked)).await {
            tracing::error!(%error, "uploads in progress could not be looked after");
        }
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = until_true(&mut shutdown) => return,
        }
    }
}

fn sweep(desk: &Desk) {
    let now = desk.clock.now();
    for (upload, known) in desk.staging.resting() {
        if due(desk, &known, now).is_some() {
            let _turn = upload.turn();
            // Somebody may have opened or renamed it while this waited for its turn.
            if let Some(known) = upload.snapshot().filter(|known| !known.is_open)
                && let Some(due) = due(desk, &known, now)
            {
                conclude(desk, &upload, &known, due);
            }
        }
    }
}

/// What an upload that nobody has open is due for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Due {
    Hold,
    Expire,
}

fn due(desk: &Desk, known: &Snapshot, now: Timestamp) -> Option<Due> {
    let sftp = &desk.config.now().sftp;
    let has_passed =
        |since: Timestamp, wait: Duration| since.checked_add(wait).is_ok_and(|until| until <= now);
    match known.facts.closed_at {
        _ if known.is_new => None,
        Some(closed_at) => has_passed(closed_at, sftp.rename_wait).then_some(Due::Hold),
        None => has_passed(known.touched_at, sftp.upload_expiry).then_some(Due::Expire),
    }
}

fn conclude(desk: &Desk, upload: &Arc<Upload>, known: &Snapshot, due: Due) {
    match due {
        Due::Hold => {
            if let Err(refused) = settle(desk, upload, known, Completion::NeverRenamed, None) {
                let (partner, name) = (&known.key.shelf.partner, &known.key.name);
                tracing::error!(%partner, %name, why = refused.text, "an upload that was never renamed could not be archived; it is tried again");
            }
        }
        Due::Expire => {
            desk.staging.end(upload);
            desk.intake.note(Event::UploadExpired {
                sender: known.key.shelf.sender(),
                feed: known.key.shelf.feed.clone(),
                name: known.key.name.clone(),
                size_bytes: known.size_bytes,
            });
        }
    }
}
