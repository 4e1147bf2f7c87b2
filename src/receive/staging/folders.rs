//! Virtual subfolders: what senders see between a feed and its files.
//!
//! They exist in memory only. A folder is there because its sender made it, or because a landed or
//! staged name lies in it; it lasts until it is removed or the server restarts, and then until a
//! name lies in it no more.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::Shelf;

/// Folders one partner may have in one feed; they cost memory only.
const FOLDERS_MAX: usize = 100_000;

/// The virtual subfolders of every shelf.
#[derive(Debug, Default)]
pub struct Folders(Mutex<HashMap<Shelf, Known>>);

#[derive(Debug, Default)]
struct Known {
    /// Whether those of the landed names are among them.
    is_seeded: bool,
    paths: BTreeSet<Vec<u8>>,
}

impl Folders {
    /// Whether the folders that landed names lie in are still to be given to [`Self::seed`].
    pub fn wants_seed(&self, shelf: &Shelf) -> bool {
        let known = self.lock();
        !known.get(shelf).is_some_and(|known| known.is_seeded)
    }

    /// Adds the folders that landed names lie in.
    pub fn seed<'a>(&self, shelf: &Shelf, folders: impl Iterator<Item = &'a [u8]>) {
        let mut known = self.lock();
        let known = known.entry(shelf.clone()).or_default();
        known.is_seeded = true;
        for folder in folders {
            known.add(folder);
        }
    }

    /// Adds a folder and those above it; `false` when there are too many.
    pub fn add(&self, shelf: &Shelf, folder: &[u8]) -> bool {
        self.lock().entry(shelf.clone()).or_default().add(folder)
    }

    /// Forgets a folder.
    pub fn remove(&self, shelf: &Shelf, folder: &[u8]) {
        if let Some(known) = self.lock().get_mut(shelf) {
            known.paths.remove(folder);
        }
    }

    /// Whether there is such a folder.
    pub fn has(&self, shelf: &Shelf, folder: &[u8]) -> bool {
        let known = self.lock();
        known.get(shelf).is_some_and(|known| known.paths.contains(folder))
    }

    /// The names of the folders right below a folder (empty: the feed itself).
    pub fn below(&self, shelf: &Shelf, folder: &[u8]) -> Vec<Vec<u8>> {
        let known = self.lock();
        let Some(known) = known.get(shelf) else { return Vec::new() };
        let mut prefix = folder.to_vec();
        if !prefix.is_empty() {
            prefix.push(b'/');
        }
        let from = known.paths.range(prefix.clone()..);
        let below = from.map_while(|path| path.strip_prefix(prefix.as_slice()));
        below.filter(|rest| !rest.is_empty() && !rest.contains(&b'/')).map(<[u8]>::to_vec).collect()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Shelf, Known>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    fn add(&mut self, folder: &[u8]) -> bool {
        let ends = (1..=folder.len()).filter(|end| folder.get(*end).is_none_or(|b| *b == b'/'));
        for path in ends.filter_map(|end| folder.get(..end)) {
            if self.paths.contains(path) {
                continue;
            }
            if self.paths.len() >= FOLDERS_MAX {
                return false;
            }
            self.paths.insert(path.to_vec());
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::super::Area;
    use super::*;

    #[test]
    fn folders_come_with_those_above_and_belong_to_one_partner() {
        let shelf = |partner: &str, area| Shelf {
            partner: partner.parse().expect("a partner"),
            feed: "orders".parse().expect("a feed"),
            area,
        };
        let (acme, bolt) = (shelf("acme", Area::Real), shelf("bolt", Area::Real));
        let folders = Folders::default();
        assert!(folders.wants_seed(&acme));
        assert!(folders.add(&acme, b"eu/west/2026"));
        assert!(folders.wants_seed(&acme), "what was made does not stand for what landed");
        folders.seed(&acme, [b"eu/north".as_slice(), b"", b"us"].into_iter());
        assert!(!folders.wants_seed(&acme));
        assert_eq!(folders.below(&acme, b""), [b"eu".to_vec(), b"us".to_vec()]);
        assert_eq!(folders.below(&acme, b"eu"), [b"north".to_vec(), b"west".to_vec()]);
        assert!(folders.has(&acme, b"eu/west"));
        assert!(!folders.has(&bolt, b"eu/west"));
        assert!(!folders.has(&shelf("acme", Area::Test), b"eu/west"));
        folders.remove(&acme, b"eu/west/2026");
        assert!(!folders.has(&acme, b"eu/west/2026"));
    }
}
