//! Whether a drop folder is there.
//!
//! A folder that cannot be read, or whose mount is gone, is an alarm and not an empty folder:
//! nothing that was in it is treated as deleted. It is told once, and once more when it is back.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use crate::diagnostic::{Code, Diagnostic};
use crate::ledger::Event;
use crate::names::FolderName;

/// What is known of a folder's presence.
pub struct Presence {
    folder: FolderName,
    gone: bool,
    /// Whether it has been the root of a mounted file system.
    was_mount: bool,
}

impl Presence {
    /// Nothing is known yet.
    pub fn new(folder: FolderName) -> Self {
        Self { folder, gone: false, was_mount: false }
    }

    /// Takes note of a scan; returns what is to be told.
    pub fn scanned(&mut self, root: &Path, scan: Result<(), &std::io::Error>) -> Option<Event> {
        let trouble = match scan {
            Ok(()) => self.unmounted(root),
            Err(error) => Some(self.diagnostic().caused_by(error)),
        };
        match (trouble, self.gone) {
            (Some(diagnostic), false) => {
                self.gone = true;
                Some(Event::FolderGone { folder: self.folder.clone(), diagnostic })
            }
            (None, true) => {
                self.gone = false;
                Some(Event::FolderBack { folder: self.folder.clone() })
            }
            (Some(_), true) | (None, false) => None,
        }
    }

    fn unmounted(&mut self, root: &Path) -> Option<Diagnostic> {
        let device = |path: &Path| fs::metadata(path).map(|seen| seen.dev()).ok();
        let is_mount = device(root) != root.parent().and_then(device);
        self.was_mount |= is_mount;
        (self.was_mount && !is_mount)
            .then(|| self.diagnostic().fact("cause", "its file system is no longer mounted"))
    }

    fn diagnostic(&self) -> Diagnostic {
        Diagnostic::error(Code::F102, format!("folder {} cannot be read", self.folder))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_told_once_that_a_folder_is_gone_and_once_that_it_is_back() {
        let root = tempfile::tempdir().expect("a folder");
        let mut presence = Presence::new("inbox".parse().expect("a name"));
        let error = std::io::Error::from(std::io::ErrorKind::NotFound);
        assert!(presence.scanned(root.path(), Ok(())).is_none());
        let gone = presence.scanned(root.path(), Err(&error)).expect("told");
        assert!(matches!(gone, Event::FolderGone { .. }), "{gone:?}");
        assert!(presence.scanned(root.path(), Err(&error)).is_none());
        let back = presence.scanned(root.path(), Ok(())).expect("told");
        assert!(matches!(back, Event::FolderBack { .. }), "{back:?}");
        assert!(presence.scanned(root.path(), Ok(())).is_none());
    }
}
