//! The names landfall goes by: ids, feed, partner and sink names, file names, digests.
//!
//! Each is parsed once at the door and trusted afterwards. A [`FileName`] is what a sender calls a
//! file: bytes, never a path. [`FileName::safe`] is what the archive calls it on disk.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use uuid::Uuid;

use crate::clock::Timestamp;

/// What is wrong with a name, in words that name it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// A feed, partner, folder or sink name breaks the rule for such names.
    #[error(
        "{what} name `{given}` must be 1 to 63 of a-z, 0-9, `-`, `_` and start with a letter or digit"
    )]
    Word {
        /// `feed`, `partner`, `folder`, `sink` or `pull`.
        what: &'static str,
        /// The name as given.
        given: String,
    },
    /// An id is not a UUID.
    #[error("`{0}` is not an id (a UUID such as 019a3c5e-7c1a-7b3e-9d55-0c6f1f2b8a10)")]
    Id(String),
    /// A digest is not 64 hexadecimal digits.
    #[error("`{0}` is not a SHA-256 digest (64 hexadecimal digits)")]
    Digest(String),
    /// A file name is empty, too long, too deep, or has an empty, `.` or `..` part or a NUL byte.
    #[error("file name is refused: {0}")]
    File(&'static str),
}

macro_rules! id {
    ($name:ident, $doc:literal) => {
        #[doc = $doc]
        #[derive(
            Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
        )]
        #[serde(transparent)]
        pub struct $name(Uuid);

        impl $name {
            /// A new id that sorts by `at` (UUID version 7, RFC 9562 section 5.7).
            pub fn new(at: Timestamp) -> Self {
                let millis = at.as_millisecond().max(0);
                let context = uuid::NoContext;
                let seconds = u64::try_from(millis / 1000).unwrap_or(0);
                let nanos =
                    u32::try_from(at.as_nanosecond().rem_euclid(1_000_000_000)).unwrap_or(0);
                Self(Uuid::new_v7(uuid::Timestamp::from_unix(context, seconds, nanos)))
            }

            /// The id's sixteen bytes.
            pub fn as_bytes(&self) -> &[u8; 16] {
                self.0.as_bytes()
            }

            /// The id that has these bytes.
            pub fn from_bytes(bytes: [u8; 16]) -> Self {
                Self(Uuid::from_bytes(bytes))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl FromStr for $name {
            type Err = Error;

            fn from_str(text: &str) -> Result<Self, Error> {
                Uuid::parse_str(text).map(Self).map_err(|_| Error::Id(text.to_owned()))
            }
        }
    };
}

id!(ArrivalId, "The id of one arrival.");
id!(BatchId, "The id of one batch.");

macro_rules! word {
    ($name:ident, $what:literal, $doc:literal) => {
        #[doc = $doc]
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
        #[serde(transparent)]
        pub struct $name(String);

        impl $name {
            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl FromStr for $name {
            type Err = Error;

            fn from_str(text: &str) -> Result<Self, Error> {
                if is_word(text) {
                    Ok(Self(text.to_owned()))
                } else {
                    Err(Error::Word { what: $what, given: text.to_owned() })
                }
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                String::deserialize(from)?.parse().map_err(de::Error::custom)
            }
        }
    };
}

word!(FeedName, "feed", "The name of a feed.");
word!(PartnerName, "partner", "The name of a partner, which is also its SSH user name.");
word!(FolderName, "folder", "The name of a watched folder.");
word!(SinkName, "sink", "The name of a sink.");
word!(PullName, "pull", "The name of a pull.");
word!(HoldName, "hold", "The name of a legal hold.");
word!(AlertName, "alert", "The name of an alert.");

fn is_word(text: &str) -> bool {
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    (1..=63).contains(&text.len())
        && text.bytes().all(|b| plain(b) || b == b'-' || b == b'_')
        && text.bytes().next().is_some_and(plain)
}

/// A SHA-256 digest of raw bytes (FIPS 180-4). Shown and stored in text as 64 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest([u8; 32]);

impl Digest {
    /// The digest that has these bytes.
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The digest's bytes.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Digest({self})")
    }
}

impl FromStr for Digest {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let refused = || Error::Digest(text.to_owned());
        if text.len() != 64 || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err(refused());
        }
        let mut bytes = [0; 32];
        for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
            let pair = std::str::from_utf8(pair).ok();
            let value = pair.and_then(|pair| u8::from_str_radix(pair, 16).ok());
            *byte = value.ok_or_else(refused)?;
        }
        Ok(Self(bytes))
    }
}

impl Serialize for Digest {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Digest {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        String::deserialize(from)?.parse().map_err(de::Error::custom)
    }
}

/// Bytes one part of a file name may have; what Linux file systems allow.
pub const NAME_PART_BYTES_MAX: usize = 255;
/// Parts a file name may have: virtual subfolders plus the file itself.
pub const NAME_PARTS_MAX: usize = 17;
/// Bytes of a [`FileName::safe`] name.
const SAFE_BYTES_MAX: usize = 100;

/// What the sender calls a file, relative to the feed: `/`-separated parts, any bytes but NUL.
///
/// Two names are the same only if all their bytes are. Serialized as text when it is UTF-8 and as
/// `{"bytes": [..]}` otherwise, so that no two names meet in one text.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FileName(Vec<u8>);

impl FileName {
    /// Takes the name as sent.
    ///
    /// # Errors
    /// [`Error::File`] when the name is empty, has an empty, `.` or `..` part, a part over 255
    /// bytes, more than 16 subfolders, or a NUL byte.
    pub fn new(bytes: impl Into<Vec<u8>>) -> Result<Self, Error> {
        let bytes = bytes.into();
        let mut parts = 0;
        for part in bytes.split(|b| *b == b'/') {
            parts += 1;
            match part {
                b"" => return Err(Error::File("it is empty or has an empty part")),
                b"." | b".." => return Err(Error::File("`.` and `..` are not names")),
                _ if part.len() > NAME_PART_BYTES_MAX => {
                    return Err(Error::File("a part is longer than 255 bytes"));
                }
                _ if part.contains(&0) => return Err(Error::File("it has a NUL byte")),
                _ => {}
            }
        }
        if parts > NAME_PARTS_MAX {
            return Err(Error::File("it is more than 16 folders deep"));
        }
        Ok(Self(bytes))
    }

    /// The name's exact bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The last part: the name without its subfolders.
    pub fn base(&self) -> &[u8] {
        self.0.rsplit(|b| *b == b'/').next().unwrap_or(&self.0)
    }

    /// The subfolder part without a trailing slash; empty when the file is at the feed's root.
    pub fn subfolder(&self) -> &[u8] {
        self.0.iter().rposition(|b| *b == b'/').and_then(|end| self.0.get(..end)).unwrap_or(&[])
    }

    /// The lower-case extension of the last part, without the dot: `csv` of `Orders.CSV`.
    pub fn extension(&self) -> Option<String> {
        let base = self.base();
        let dot = base.iter().rposition(|b| *b == b'.').filter(|dot| *dot > 0)?;
        let extension = base.get(dot + 1..)?;
        std::str::from_utf8(extension).ok().map(str::to_ascii_lowercase)
    }

    /// Whether the name says that its file is still being written: `.part`, `.filepart`, `.tmp`,
    /// `.uploading`, `.crdownload`, a leading dot or a trailing `~`.
    pub fn is_temporary(&self) -> bool {
        let base = self.base().to_ascii_lowercase();
        let suffixes: [&[u8]; 5] = [b".part", b".filepart", b".tmp", b".uploading", b".crdownload"];
        base.starts_with(b".") || base.ends_with(b"~") || suffixes.iter().any(|s| base.ends_with(s))
    }

    /// The name on disk: `[A-Za-z0-9._-]`, at most 100 bytes, extension kept, no leading dot.
    pub fn safe(&self) -> String {
        let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
        let safe: String =
            self.base().iter().map(|b| if plain(*b) { char::from(*b) } else { '_' }).collect();
        let safe = match safe.strip_prefix('.') {
            Some(rest) => format!("_{rest}"),
            None => safe,
        };
        if safe.len() <= SAFE_BYTES_MAX {
            return safe;
        }
        let (stem, extension) = match safe.rsplit_once('.') {
            Some((stem, extension)) if extension.len() < 20 => (stem, format!(".{extension}")),
            _ => (safe.as_str(), String::new()),
        };
        let keep = SAFE_BYTES_MAX - extension.len();
        format!("{}{extension}", stem.get(..keep).unwrap_or(stem))
    }
}

/// Whether a character must be escaped before it is shown: it could drive a terminal, forge a line
/// or turn the direction of the text around it.
pub fn is_unsafe_to_show(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200e}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Shows the name with control characters, quotes and bytes that are not UTF-8 escaped, so that a
/// name can neither forge a log line nor drive a terminal.
impl fmt::Display for FileName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for chunk in self.0.utf8_chunks() {
            for c in chunk.valid().chars() {
                if is_unsafe_to_show(c) {
                    write!(f, "{}", c.escape_default())?
                } else {
                    write!(f, "{c}")?
                }
            }
            chunk.invalid().iter().try_for_each(|byte| write!(f, "\\x{byte:02x}"))?;
        }
        Ok(())
    }
}

impl fmt::Debug for FileName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FileName({self})")
    }
}

impl FromStr for FileName {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        Self::new(text)
    }
}

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum FileNameText {
    Text(String),
    Bytes { bytes: Vec<u8> },
}

impl Serialize for FileName {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match std::str::from_utf8(&self.0) {
            Ok(text) => FileNameText::Text(text.to_owned()),
            Err(_) => FileNameText::Bytes { bytes: self.0.clone() },
        }
        .serialize(to)
    }
}

impl<'de> Deserialize<'de> for FileName {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let bytes = match FileNameText::deserialize(from)? {
            FileNameText::Text(text) => text.into_bytes(),
            FileNameText::Bytes { bytes } => bytes,
        };
        Self::new(bytes).map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(name: &str) -> FileName {
        name.parse().expect("a file name")
    }

    #[test]
    fn words_are_plain() {
        assert!("orders-2_a".parse::<FeedName>().is_ok());
        for bad in ["", "Orders", "-a", "a b", "a/b", "é", &"a".repeat(64)] {
            assert!(bad.parse::<FeedName>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_file_name_is_never_a_way_out() {
        for bad in ["", "/a", "a//b", "a/../b", "..", ".", "a/", "a\0b"] {
            assert!(FileName::new(bad).is_err(), "{bad:?}");
        }
        assert!(FileName::new("x".repeat(256)).is_err());
        assert!(FileName::new("a/".repeat(16) + "f").is_ok());
        assert!(FileName::new("a/".repeat(17) + "f").is_err());
    }

    #[test]
    fn parts_of_a_name() {
        let name = file("eu/west/Orders.CSV");
        assert_eq!(name.base(), b"Orders.CSV");
        assert_eq!(name.subfolder(), b"eu/west");
        assert_eq!(name.extension().as_deref(), Some("csv"));
        assert_eq!(file("plain").subfolder(), b"");
        assert_eq!(file(".csv").extension(), None);
    }

    #[test]
    fn temporary_names() {
        for name in ["a.part", "a.csv.filepart", "a.TMP", ".hidden", "a~", "d/a.uploading"] {
            assert!(file(name).is_temporary(), "{name}");
        }
        for name in ["a.csv", "part", "d.part/a.csv"] {
            assert!(!file(name).is_temporary(), "{name}");
        }
    }

    #[test]
    fn safe_names_keep_the_extension_and_drop_the_rest() {
        assert_eq!(file("eu/Umsätze 1.csv").safe(), "Ums__tze_1.csv");
        assert_eq!(file("../x".trim_start_matches("../")).safe(), "x");
        assert_eq!(file(".part").safe(), "_part");
        let long = file(&("x".repeat(200) + ".csv")).safe();
        assert_eq!((long.len(), long.ends_with(".csv")), (100, true));
    }

    #[test]
    fn names_keep_their_bytes_through_json() {
        for bytes in [b"a b.csv".to_vec(), vec![0xff, b'a'], "ü".as_bytes().to_vec()] {
            let name = FileName::new(bytes).expect("a file name");
            let json = serde_json::to_string(&name).expect("json");
            assert_eq!(serde_json::from_str::<FileName>(&json).expect("back"), name);
        }
    }

    #[test]
    fn a_shown_name_cannot_drive_a_terminal() {
        let name = FileName::new(b"a\x1b[2J\n\xff.csv".to_vec()).expect("a file name");
        assert_eq!(name.to_string(), "a\\u{1b}[2J\\n\\xff.csv");
    }

    #[test]
    fn digests_are_hex() {
        let digest = Digest::from_bytes([0xab; 32]);
        assert_eq!(digest.to_string().parse::<Digest>(), Ok(digest));
        assert!("ab".parse::<Digest>().is_err());
        assert!("é".repeat(32).parse::<Digest>().is_err());
    }

    #[test]
    fn ids_sort_by_time() {
        let at = |micros| Timestamp::from_microsecond(micros).expect("in range");
        assert!(ArrivalId::new(at(1_000_000)) < ArrivalId::new(at(2_000_000)));
    }
}
