//! Keys that were seen already, in bounded memory.
//!
//! A key is kept as the first half of its SHA-256: two different keys of one file are taken for one
//! with a chance of less than 1 in 10^24. Memory is 17 bytes a place; places double, and between 7 and
//! 14 of 16 are taken.

use std::collections::HashSet;
use std::hash::{BuildHasherDefault, Hasher};

use sha2::Digest as _;

use crate::diagnostic::{Code, Diagnostic};

/// A file has more keys than can be compared.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the key ({key}) has more than {max} values, too many to tell whether one occurs twice")]
pub struct TooMany {
    /// The key's columns.
    pub key: String,
    /// How many can be compared.
    pub max: u64,
}

impl TooMany {
    /// C130: the file is held.
    pub fn diagnostic(&self) -> Diagnostic {
        let told = Diagnostic::error(Code::C130, self.to_string());
        told.fact("key", &self.key).fact("limit", self.max)
    }
}

/// The values of one key.
#[derive(Debug, Default, Clone)]
pub(super) struct Seen(HashSet<u128, BuildHasherDefault<Folded>>);

impl Seen {
    /// Whether the key is new.
    pub(super) fn is_new(&mut self, digest: u128) -> bool {
        self.0.insert(digest)
    }

    pub(super) fn len(&self) -> u64 {
        self.0.len() as u64
    }
}

/// What a key is known by. Each part is told apart by its length.
pub(super) fn digest<'p>(parts: impl Iterator<Item = &'p [u8]>) -> u128 {
    let mut hasher = sha2::Sha256::new();
    for part in parts {
        hasher.update((part.len() as u64).to_le_bytes());
        hasher.update(part);
    }
    let digest: [u8; 32] = hasher.finalize().into();
    let (half, _) = digest.split_at(16);
    half.iter().fold(0, |value, byte| value << 8 | u128::from(*byte))
}

/// A digest is its own hash.
#[derive(Debug, Default, Clone)]
struct Folded(u64);

impl Hasher for Folded {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        self.0 = bytes.iter().take(8).fold(0, |value, byte| value << 8 | u64::from(*byte));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_new_once_and_its_parts_do_not_run_together() {
        let of = |parts: &[&str]| digest(parts.iter().map(|part| part.as_bytes()));
        let mut seen = Seen::default();
        assert!(seen.is_new(of(&["ab", "c"])));
        assert!(seen.is_new(of(&["a", "bc"])));
        assert!(!seen.is_new(of(&["ab", "c"])));
        assert_eq!(seen.len(), 2);
    }
}
