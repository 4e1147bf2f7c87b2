//! Which columns, alone or two together, have no value twice in any file.
//!
//! Values are compared by a 64-bit hash: two different ones that share it would hide a key, which is
//! harmless and will not happen. What is remembered of a file is bounded; a file with too many values
//! ends the search.

use std::collections::HashSet;
use std::hash::{BuildHasher as _, RandomState};

/// Hashes that are remembered of one file, by all keys together: about 120 MiB.
const REMEMBERED_MAX: usize = 4_000_000;
/// Columns from the left that are tried in pairs.
const PAIRED_MAX: usize = 5;

/// The keys that are still possible.
#[derive(Debug)]
pub(super) struct Keys {
    hasher: RandomState,
    possible: Vec<Key>,
    remembered: usize,
}

#[derive(Debug)]
struct Key {
    columns: Vec<usize>,
    seen: HashSet<u64>,
}

impl Keys {
    pub(super) fn new() -> Self {
        Self { hasher: RandomState::new(), possible: Vec::new(), remembered: 0 }
    }

    /// Begins a file. Columns that no earlier file had cannot be keys, unless it is the first file.
    pub(super) fn begin_file(&mut self, columns: usize, is_first: bool) {
        if is_first {
            let single = (0..columns).map(|column| vec![column]);
            let first = columns.min(PAIRED_MAX);
            let pairs = (0..first).flat_map(|a| (a + 1..first).map(move |b| vec![a, b]));
            let key = |columns| Key { columns, seen: HashSet::new() };
            self.possible = single.chain(pairs).map(key).collect();
        }
        self.remembered = 0;
        self.possible.iter_mut().for_each(|key| key.seen = HashSet::new());
    }

    /// Takes a record: its texts by the places of their columns.
    pub(super) fn take(&mut self, texts: &[Option<String>]) {
        let (hasher, remembered) = (&self.hasher, &mut self.remembered);
        self.possible.retain_mut(|key| {
            let part = |at: &usize| texts.get(*at).and_then(Option::as_deref);
            let parts: Option<Vec<&str>> = key.columns.iter().map(part).collect();
            // What is not always there is no key.
            let Some(parts) = parts else { return false };
            let is_new = key.seen.insert(hasher.hash_one(&parts));
            match is_new {
                true => *remembered += 1,
                false => *remembered -= key.seen.len(),
            }
            is_new
        });
        if self.remembered > REMEMBERED_MAX {
            self.possible.clear();
        }
    }

    /// The columns that are keys alone.
    pub(super) fn single(&self) -> impl Iterator<Item = usize> {
        self.possible.iter().filter_map(|key| match key.columns.as_slice() {
            [one] => Some(*one),
            _several => None,
        })
    }

    /// The columns that are a key two together.
    pub(super) fn pairs(&self) -> impl Iterator<Item = (usize, usize)> {
        self.possible.iter().filter_map(|key| match key.columns.as_slice() {
            [a, b] => Some((*a, *b)),
            _another => None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(keys: &mut Keys, is_first: bool, records: &[[&str; 3]]) {
        keys.begin_file(3, is_first);
        for record in records {
            let texts = record.map(|text| Some(text.to_owned()).filter(|text| !text.is_empty()));
            keys.take(&texts);
        }
    }

    #[test]
    fn keys_are_unique_in_each_file() {
        let mut keys = Keys::new();
        file(&mut keys, true, &[["1", "a", "x"], ["2", "a", "y"], ["3", "b", "y"]]);
        assert_eq!(keys.single().collect::<Vec<_>>(), [0]);
        assert_eq!(keys.pairs().collect::<Vec<_>>(), [(0, 1), (0, 2), (1, 2)]);
        file(&mut keys, false, &[["1", "a", "x"], ["1", "b", "x"]]);
        assert_eq!(keys.single().count(), 0);
        assert_eq!(keys.pairs().collect::<Vec<_>>(), [(0, 1), (1, 2)], "again in another file");
        file(&mut keys, false, &[["1", "", "x"]]);
        assert_eq!(keys.pairs().count(), 0, "a null is no key");
    }
}
