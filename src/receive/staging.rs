//! Files in progress: written here, invisible to everything that follows.
//!
//! Staging lies on the archive's file system, so that taking a file is a rename. A file here that
//! no upload claims is litter; start-up removes it.

use std::fs::OpenOptions;
use std::io;

use crate::archive::Staged;
use crate::zone::Zone;

/// Creates an empty staged file that nobody else knows, open for reading and writing, mode 0600.
///
/// # Errors
/// What the system said.
pub fn create(zone: &Zone) -> io::Result<Staged> {
    use std::os::unix::fs::OpenOptionsExt;
    let path = zone.staging().join(uuid::Uuid::now_v7().to_string());
    let file =
        OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(&path)?;
    Ok(Staged { file, path })
}
