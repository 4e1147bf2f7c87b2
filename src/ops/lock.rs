//! The zone's lock: one process at a time may write.
//!
//! `.landfall/lock` is held with flock(2), so that it falls when its holder dies, however it dies.
//! The process id inside is for people only. Reads need no lock.

use std::fs::{File, OpenOptions};
use std::io::{Read as _, Write as _};

use rustix::fs::FlockOperation;

use crate::diagnostic::{Code, Diagnostic};
use crate::durable::Durability;
use crate::zone::Zone;

/// The right to write into a zone, until it is dropped.
#[derive(Debug)]
pub struct ZoneLock {
    _file: File,
}

impl ZoneLock {
    /// Takes the lock.
    ///
    /// # Errors
    /// [`Code::Z103`] when another process holds it; [`Code::Z105`] when the file cannot be made.
    pub fn take(zone: &Zone) -> Result<Self, Diagnostic> {
        let path = zone.lock_file();
        let failed = |error: &(dyn std::error::Error + 'static)| {
            Diagnostic::error(Code::Z105, "the zone's lock cannot be used")
                .fact("file", path.display())
                .caused_by(error)
                .hint("Check the permissions and free space of the zone's `.landfall` folder.")
        };
        Durability::Relaxed.create_folders(&zone.run_time()).map_err(|e| failed(&e))?;
        let mut options = OpenOptions::new();
        let opened = options.read(true).write(true).create(true).truncate(false).open(&path);
        let mut file = opened.map_err(|e| failed(&e))?;
        match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(rustix::io::Errno::WOULDBLOCK) => return Err(held(&mut file)),
            Err(error) => return Err(failed(&error)),
        }
        let pid = format!("{}\n", std::process::id());
        file.set_len(0).and_then(|()| file.write_all(pid.as_bytes())).map_err(|e| failed(&e))?;
        Ok(Self { _file: file })
    }
}

fn held(file: &mut File) -> Diagnostic {
    let told = Diagnostic::error(Code::Z103, "another landfall process is writing to this zone");
    let mut pid = String::new();
    match file.take(20).read_to_string(&mut pid) {
        Ok(_) if !pid.trim().is_empty() => told.fact("process", pid.trim()),
        Ok(_) | Err(_) => told,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_holder_at_a_time_and_none_after_the_last() {
        let folder = tempfile::tempdir().expect("a folder");
        let zone = Zone::new(folder.path());
        let first = ZoneLock::take(&zone).expect("free");
        let refused = ZoneLock::take(&zone).expect_err("held");
        assert_eq!(refused.code, Code::Z103);
        assert_eq!(refused.facts, [("process".to_owned(), std::process::id().to_string())]);
        drop(first);
        ZoneLock::take(&zone).expect("free again");
    }
}
