//! What is asked of arrivals, and short answers.

use crate::clock::Timestamp;
use crate::names::{ArrivalId, Digest, FeedName, FileName};

use super::{Arrival, Sender, State};

/// Which arrivals to list, newest first. Empty fields do not narrow.
#[derive(Debug, Clone, Default)]
pub struct ArrivalQuery {
    /// From whom.
    pub sender: Option<Sender>,
    /// Of which feed.
    pub feed: Option<FeedName>,
    /// In which states.
    pub states: Vec<State>,
    /// With such a name.
    pub name: Option<NamePattern>,
    /// With a digest in this range.
    pub digest: Option<DigestRange>,
    /// Received at or after.
    pub since: Option<Timestamp>,
    /// Received before.
    pub until: Option<Timestamp>,
    /// Received before the arrival with this sequence: the next page of an earlier answer.
    pub before: Option<u64>,
    /// At most so many; 0 means the default of 100.
    pub limit: u32,
}

/// What a query found, newest first.
#[derive(Debug, Clone, Default)]
pub struct Found {
    /// The arrivals.
    pub arrivals: Vec<Arrival>,
    /// Set when older arrivals were not looked at, because there are enough or the search is long:
    /// ask again with it as [`ArrivalQuery::before`].
    pub before: Option<u64>,
}

/// What a name looks like. Names are compared byte by byte.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamePattern {
    text: String,
    /// Where the first wildcard stands.
    fixed_bytes: Option<usize>,
}

impl NamePattern {
    /// A name, or a pattern if it has a `*`, `?` or `[…]`; `[*]` is a star itself.
    pub fn new(text: &str) -> Self {
        Self { text: text.to_owned(), fixed_bytes: text.find(['*', '?', '[']) }
    }

    /// Just this name; it has no wildcards.
    pub fn exactly(name: &str) -> Self {
        Self { text: name.to_owned(), fixed_bytes: None }
    }

    /// The pattern, when there are wildcards.
    pub(super) fn glob(&self) -> Option<&str> {
        self.fixed_bytes.map(|_| self.text.as_str())
    }

    /// The lowest name that can match, and the lowest above all that can (`None`: there is none).
    pub(super) fn range(&self) -> (Vec<u8>, Option<Vec<u8>>) {
        let lowest = match self.fixed_bytes {
            Some(at) => self.text.as_bytes().get(..at).unwrap_or_default().to_vec(),
            None => self.text.as_bytes().to_vec(),
        };
        let above = match self.fixed_bytes {
            Some(_) => successor(&lowest),
            None => Some([lowest.as_slice(), &[0]].concat()),
        };
        (lowest, above)
    }
}

/// The lowest bytes above all that start with these.
fn successor(start: &[u8]) -> Option<Vec<u8>> {
    let keep = start.iter().rposition(|byte| *byte != u8::MAX)?;
    let mut above = start.get(..=keep)?.to_vec();
    *above.last_mut()? += 1;
    Some(above)
}

/// Every digest that starts with some digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DigestRange {
    pub(super) lowest: Digest,
    pub(super) highest: Digest,
}

impl From<Digest> for DigestRange {
    fn from(digest: Digest) -> Self {
        Self { lowest: digest, highest: digest }
    }
}

impl DigestRange {
    /// Hexadecimal digits that are needed at least, so that a search has few to look through.
    pub const DIGITS_MIN: usize = 4;
    const DIGITS_MAX: usize = 64;
}

impl std::str::FromStr for DigestRange {
    type Err = NotDigits;

    fn from_str(digits: &str) -> Result<Self, NotDigits> {
        let fits = (Self::DIGITS_MIN..=Self::DIGITS_MAX).contains(&digits.len())
            && digits.bytes().all(|b| b.is_ascii_hexdigit());
        let fill = |with: &str| -> Option<Digest> {
            let rest = Self::DIGITS_MAX.saturating_sub(digits.len());
            (digits.to_owned() + &with.repeat(rest)).parse().ok()
        };
        match (fill("0"), fill("f")) {
            (Some(lowest), Some(highest)) if fits => Ok(Self { lowest, highest }),
            (_, _) => Err(NotDigits),
        }
    }
}

/// A text is not the beginning of a digest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be a SHA-256, or its first 4 hexadecimal digits or more")]
pub struct NotDigits;

/// What the archive has of a feed, in all: what it took and was not erased.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holding {
    /// Which feed, declared or not.
    pub feed: FeedName,
    /// Files.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// When the newest came, erased or not.
    pub newest: Timestamp,
}

/// What a partner sent in a period.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Usage {
    /// Files.
    pub files: u64,
    /// Bytes.
    pub bytes: u64,
}

/// A current name in a sender's listing. Lighter than an [`super::Arrival`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// The arrival.
    pub id: ArrivalId,
    /// Its exact name relative to the feed.
    pub name: FileName,
    /// Raw bytes.
    pub size_bytes: u64,
    /// The sender's modification time if set, else the time of receipt; Unix seconds.
    pub modified_s: u32,
    /// When it was received.
    pub received_at: Timestamp,
    /// Where it stands.
    pub state: State,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_says_where_to_look() {
        let range = |text| NamePattern::new(text).range();
        assert_eq!(range("a.csv"), (b"a.csv".to_vec(), Some(b"a.csv\0".to_vec())));
        assert_eq!(range("a*"), (b"a".to_vec(), Some(b"b".to_vec())));
        assert_eq!(range("*.csv"), (Vec::new(), None));
        assert_eq!(successor(b"a\xff\xff"), Some(b"b".to_vec()));
        assert_eq!(NamePattern::exactly("a*").range().0, b"a*");
    }

    #[test]
    fn digests_are_found_by_their_first_digits() {
        let range: DigestRange = "abcd1".parse().expect("digits");
        assert!(range.lowest.to_string().starts_with("abcd10000"));
        assert!(range.highest.to_string().starts_with("abcd1ffff"));
        for bad in ["abc", "wxyz", &"a".repeat(65), ""] {
            assert_eq!(bad.parse::<DigestRange>(), Err(NotDigits), "{bad}");
        }
    }
}
