//! The moment an upload becomes an arrival.

use std::fs::{self, OpenOptions, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::sync::Arc;

use super::Desk;
use super::refusal::Refused;
use crate::archive::Staged;
use crate::ledger::Door;
use crate::receive::staging::{Snapshot, Upload};
use crate::receive::{Completion, Settled};

/// Hands a complete upload to the intake under the name it has. When this returns, archive and
/// ledger have it and its sender may be told. Hold the upload's turn.
///
/// # Errors
/// Nothing was taken. The upload stays for another attempt, unless its bytes cannot be trusted.
pub fn settle(
    desk: &Desk,
    upload: &Arc<Upload>,
    known: &Snapshot,
    completion: Completion,
    origin: Option<String>,
) -> Result<(), Refused> {
    let (staged, digest) = upload.complete().inspect_err(|_| desk.staging.end(upload))?;
    let path = staged.path.clone();
    let settled = Settled {
        sender: known.key.shelf.sender(),
        door: Door::Sftp,
        feed: known.key.shelf.feed.clone(),
        name: known.key.name.clone(),
        staged,
        digest,
        modified_s: known.facts.modified_s,
        mode: known.facts.mode,
        origin,
        fingerprint: None,
        completion,
    };
    let settle = || match desk.intake.sidecar_name(&settled.feed, &settled.name) {
        Some(means) => desk.intake.settle_sidecar(settled, means).map(drop),
        None => desk.intake.settle(settled).map(drop),
    };
    match settle() {
        Ok(()) => {
            let key = &known.key;
            desk.staging.folders().add(&key.shelf, key.name.subfolder());
            desk.staging.end(upload);
            Ok(())
        }
        Err(refusal) => {
            // After a failed sync the intake has removed the file; otherwise it may be protected.
            let left = fs::set_permissions(&path, Permissions::from_mode(0o600))
                .and_then(|()| OpenOptions::new().read(true).write(true).open(&path));
            let kept = left.ok().map(|file| upload.take_back(Staged { file, path }));
            if !matches!(kept, Some(Ok(()))) {
                desk.staging.end(upload);
            }
            Err(refusal.into())
        }
    }
}
