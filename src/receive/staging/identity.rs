//! Whose upload a staged file is, kept in its `user.landfall.upload` attribute, so that a restart
//! finds uploads in progress again.
//!
//! The value is one line of JSON followed by the exact bytes of the file's name, which may be
//! anything.

use std::fs::File;
use std::io;
use std::path::Path;

use rustix::fs::XattrFlags;
use serde::{Deserialize, Serialize};

use super::{Area, Key, Shelf};
use crate::clock::Timestamp;
use crate::names::{FeedName, FileName, PartnerName};

const ATTRIBUTE: &str = "user.landfall.upload";
/// Linux allows no longer attribute value.
const VALUE_BYTES_MAX: usize = 64 * 1024;

/// What a restart must know of an upload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// Who sends what to which feed.
    pub key: Key,
    /// The rest.
    pub facts: Facts,
    /// Bytes from the start that are on the disk whatever happens.
    pub synced_bytes: u64,
    /// The boot of the machine in which the bytes were written: in the same one, all of them are
    /// still there; after another, only those that were synced.
    pub boot: String,
}

/// What the sender said of an upload besides its bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Facts {
    /// When it was closed under a temporary name; `None` while its end has not come.
    pub closed_at: Option<Timestamp>,
    /// The sender's modification time, Unix seconds.
    pub modified_s: Option<u32>,
    /// The sender's permission bits.
    pub mode: Option<u32>,
}

#[derive(Serialize, Deserialize)]
struct Line {
    partner: PartnerName,
    feed: FeedName,
    #[serde(default)]
    area: Area,
    #[serde(flatten)]
    facts: Facts,
    synced_bytes: u64,
    boot: String,
}

impl Identity {
    /// Writes the identity to a staged file.
    ///
    /// # Errors
    /// What the system said; file systems limit the length, or have no attributes at all.
    pub fn write(&self, file: &File) -> io::Result<()> {
        let line = Line {
            partner: self.key.shelf.partner.clone(),
            feed: self.key.shelf.feed.clone(),
            area: self.key.shelf.area,
            facts: self.facts,
            synced_bytes: self.synced_bytes,
            boot: self.boot.clone(),
        };
        let mut value = serde_json::to_vec(&line)?;
        value.push(b'\n');
        value.extend_from_slice(self.key.name.as_bytes());
        Ok(rustix::fs::fsetxattr(file, ATTRIBUTE, &value, XattrFlags::empty())?)
    }

    /// Reads the identity of a staged file; `None` when it has none that makes sense.
    pub fn read(path: &Path) -> Option<Self> {
        let mut value = vec![0; VALUE_BYTES_MAX];
        let length = rustix::fs::getxattr(path, ATTRIBUTE, value.as_mut_slice()).ok()?;
        let end = value.iter().position(|b| *b == b'\n')?;
        let line: Line = serde_json::from_slice(value.get(..end)?).ok()?;
        let name = FileName::new(value.get(end + 1..length)?).ok()?;
        Some(Self {
            key: Key {
                shelf: Shelf { partner: line.partner, feed: line.feed, area: line.area },
                name,
            },
            facts: line.facts,
            synced_bytes: line.synced_bytes,
            boot: line.boot,
        })
    }
}

/// What names this boot of the machine; empty where the system does not say, so that no boot is
/// taken for the same.
pub fn this_boot() -> String {
    std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default().trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_name_survives() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("staged");
        let file = File::create(&path).expect("created");
        assert_eq!(Identity::read(&path), None);
        let identity = Identity {
            key: Key {
                shelf: Shelf {
                    partner: "acme".parse().expect("a partner"),
                    feed: "orders".parse().expect("a feed"),
                    area: Area::Test,
                },
                name: FileName::new(b"a\nb/\xff{}.csv".to_vec()).expect("a name"),
            },
            facts: Facts { modified_s: Some(7), ..Facts::default() },
            synced_bytes: 42,
            boot: this_boot(),
        };
        identity.write(&file).expect("written");
        assert_eq!(Identity::read(&path), Some(identity));
    }
}
