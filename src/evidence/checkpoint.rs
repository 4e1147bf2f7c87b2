//! What is signed: the size and root of the tree, as text.
//!
//! ```text
//! our-zone/5d1c…                  origin: the zone's name and the log's identity
//! 1042                            how many events
//! CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=   the root, base64
//! time 2026-11-25T02:05:22.104Z
//! ```
//! Each line ends in `\n`. The first three lines are those of C2SP's tlog-checkpoint
//! (<https://c2sp.org/tlog-checkpoint>), the fourth is an extension line as it allows. The signature
//! is a file of its own, not a line of a signed note.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::clock::{Timestamp, rfc3339_millis};
use crate::ledger::log::Signed;
use crate::names::Digest;
use crate::signing::principal;

/// Bytes of a checkpoint's text at most.
pub const BYTES_MAX: usize = 4096;

/// A head of the log, as it is signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// The name of the zone that signs, as in an allowed-signers file.
    pub zone: String,
    /// The log: 32 hexadecimal digits.
    pub log: String,
    /// How many events it covers, from the first.
    pub size: u64,
    /// The root over them.
    pub root: Digest,
    /// When it was made, in milliseconds.
    pub at: Timestamp,
}

/// A text is not a checkpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("it is not a checkpoint: {0}")]
pub struct NotOne(&'static str);

impl Checkpoint {
    /// A checkpoint of a zone by its configured name.
    pub fn new(zone_name: &str, log: &str, (size, root): (u64, Digest), at: Timestamp) -> Self {
        let at = Timestamp::from_millisecond(at.as_millisecond()).unwrap_or(at);
        Self { zone: principal(zone_name), log: log.to_owned(), size, root, at }
    }

    /// Reads the text of one; nothing else may be in it.
    ///
    /// # Errors
    /// [`NotOne`].
    pub fn parse(text: &str) -> Result<Self, NotOne> {
        let body = text.strip_suffix('\n').ok_or(NotOne("its last line has no end"))?;
        let mut lines = body.split('\n');
        let mut next = |what| lines.next().ok_or(NotOne(what));
        let origin = next("it is empty")?;
        let (zone, log) = origin.rsplit_once('/').ok_or(NotOne("its origin names no log"))?;
        let size = next("it has no size")?.parse().ok().ok_or(NotOne("its size is no number"))?;
        let root = STANDARD.decode(next("it has no root")?).ok();
        let root: Option<[u8; 32]> = root.and_then(|root| root.try_into().ok());
        let root = Digest::from_bytes(root.ok_or(NotOne("its root is no SHA-256 in base64"))?);
        let at = next("it has no time")?.strip_prefix("time ").and_then(|at| at.parse().ok());
        let at = at.ok_or(NotOne("its time cannot be read"))?;
        let read = Self { zone: zone.to_owned(), log: log.to_owned(), size, root, at };
        // Whatever would be written otherwise was not written by us.
        if read.to_string() == text { Ok(read) } else { Err(NotOne("it is not in its one form")) }
    }

    /// It and its signature, for the ledger.
    pub fn signed(&self, signature: String) -> Signed {
        let Self { size, root, at, .. } = *self;
        Signed { size, root, at, text: self.to_string(), signature }
    }
}

/// The text that is signed.
impl fmt::Display for Checkpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let root = STANDARD.encode(self.root.as_bytes());
        let at = rfc3339_millis(self.at);
        write!(f, "{}/{}\n{}\n{root}\ntime {at}\n", self.zone, self.log, self.size)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::tree;

    #[test]
    fn a_checkpoint_has_one_form() {
        let at: Timestamp = "2026-11-25T02:05:22.104999Z".parse().expect("a time");
        let made = Checkpoint::new("our zone", &"5d".repeat(16), (1042, tree::leaf(b"x")), at);
        let text = made.to_string();
        insta::assert_snapshot!(text, @"
        our-zone/5d5d5d5d5d5d5d5d5d5d5d5d5d5d5d5d
        1042
        PH6byTDck/AfppmF7yQtn56GHzxTVaokzl70tLinDMs=
        time 2026-11-25T02:05:22.104Z
        ");
        assert_eq!(Checkpoint::parse(&text), Ok(made));
        for (from, to) in [
            ("1042", "01042"),
            ("1042", "+1042"),
            ("1042", "x"),
            ("our-zone/", ""),
            ("DMs=", "DMt="),
            ("time ", ""),
            (".104Z", ".1040Z"),
            ("104Z\n", "104Z"),
            ("104Z\n", "104Z\nmore\n"),
        ] {
            assert!(Checkpoint::parse(&text.replace(from, to)).is_err(), "{from} {to}");
        }
    }
}
