//! Change hints: a reason to scan sooner, and nothing more.
//!
//! Notifications are lost, late, and absent on network file systems; none is trusted. Any that
//! could mean a new or finished file wakes the folder, an overflow or an error wakes all. A folder
//! whose hints cannot be had is found out by its periodic scan.

use std::collections::HashMap;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use notify::event::{AccessKind, AccessMode, ModifyKind, RenameMode};
use notify::{Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher as _};

/// Wakes a folder. Must be quick and must not block.
pub type Wake = Arc<dyn Fn() + Send + Sync>;

/// Hints for all folders of a zone: one queue of the kernel, one thread.
pub struct Watch {
    watcher: Mutex<RecommendedWatcher>,
    /// Drop folders and whom to wake.
    folders: Arc<Mutex<Vec<(PathBuf, Wake)>>>,
    /// Watched folders with the device and inode they had: one that was made anew is watched anew.
    covered: Mutex<HashMap<PathBuf, (u64, u64)>>,
}

impl Watch {
    /// Starts listening; `None` when the system gives no queue.
    pub fn start() -> Option<Self> {
        let folders: Arc<Mutex<Vec<(PathBuf, Wake)>>> = Arc::default();
        let told = Arc::clone(&folders);
        let watcher = notify::recommended_watcher(move |hint: notify::Result<Event>| {
            let folders = told.lock().unwrap_or_else(PoisonError::into_inner);
            match hint {
                Ok(event) if event.need_rescan() => folders.iter().for_each(|(_, wake)| wake()),
                Ok(event) if may_matter(event.kind) => wake_owners(&folders, &event.paths),
                Ok(_) => {}
                Err(error) => {
                    tracing::warn!(%error, "change hints failed; folders are scanned");
                    folders.iter().for_each(|(_, wake)| wake());
                }
            }
        });
        match watcher {
            Ok(watcher) => {
                Some(Self { watcher: Mutex::new(watcher), folders, covered: Mutex::default() })
            }
            Err(error) => {
                tracing::warn!(%error, "no change hints; folders are only scanned");
                None
            }
        }
    }

    /// Registers whom to wake for everything below a drop folder.
    pub fn register(&self, root: &Path, wake: Wake) {
        let mut folders = self.folders.lock().unwrap_or_else(PoisonError::into_inner);
        folders.push((root.to_owned(), wake));
    }

    /// Wakes nobody any more for a drop folder, and watches nothing below it.
    pub fn forget(&self, root: &Path) {
        let mut folders = self.folders.lock().unwrap_or_else(PoisonError::into_inner);
        folders.retain(|(registered, _)| registered != root);
        drop(folders);
        let mut covered = self.covered.lock().unwrap_or_else(PoisonError::into_inner);
        let mut watcher = self.watcher.lock().unwrap_or_else(PoisonError::into_inner);
        covered.retain(|folder, _| {
            let stays = !folder.starts_with(root);
            if !stays && let Err(error) = watcher.unwatch(folder) {
                tracing::debug!(%error, folder = %folder.display(), "its watch had ended already");
            }
            stays
        });
    }

    /// Watches one folder, without those below it. Must be called before the folder is read, so
    /// that nothing comes in unseen between.
    pub fn cover(&self, folder: &Path, seen: &std::fs::Metadata) {
        let identity = (seen.dev(), seen.ino());
        let mut covered = self.covered.lock().unwrap_or_else(PoisonError::into_inner);
        if covered.get(folder) == Some(&identity) {
            return;
        }
        let mut watcher = self.watcher.lock().unwrap_or_else(PoisonError::into_inner);
        if covered.remove(folder).is_some()
            && let Err(error) = watcher.unwatch(folder)
        {
            tracing::debug!(%error, folder = %folder.display(), "its watch had ended already");
        }
        if let Err(error) = watcher.watch(folder, RecursiveMode::NonRecursive) {
            tracing::warn!(%error, folder = %folder.display(), "no change hints; it is scanned");
        }
        // Also after a failure, which is told once: the scan does not depend on it.
        covered.insert(folder.to_owned(), identity);
    }
}

/// Whether a change may have made a file new or complete. Writes in progress do not count, nor what
/// our own reading and moving causes.
fn may_matter(kind: EventKind) -> bool {
    match kind {
        EventKind::Create(_)
        | EventKind::Access(AccessKind::Close(AccessMode::Write))
        | EventKind::Modify(ModifyKind::Name(RenameMode::To | RenameMode::Any))
        | EventKind::Any
        | EventKind::Other => true,
        EventKind::Access(_) | EventKind::Modify(_) | EventKind::Remove(_) => false,
    }
}

fn wake_owners(folders: &[(PathBuf, Wake)], changed: &[PathBuf]) {
    for (root, wake) in folders {
        if changed.iter().any(|path| path.starts_with(root)) {
            wake();
        }
    }
}
