//! Bytes that are not valid UTF-8, in a text that is UTF-8 but for them.
//!
//! Each stands in the text as a mark: one of 128 characters for private use, at the end of Unicode,
//! that tells the byte. Whoever takes records apart refuses those that hold a mark; none gets into a
//! table. A text that holds such a character by itself cannot be read this way and is refused.

/// The mark of the byte 0x80; bytes below are always valid.
const FIRST: u32 = 0x10_FE80;
/// Bytes of a mark in UTF-8.
const MARK_BYTES: usize = 4;

/// The mark of a byte.
pub(super) fn mark(byte: u8) -> char {
    let place = u32::from(byte.saturating_sub(0x80));
    char::from_u32(FIRST + place).unwrap_or(char::REPLACEMENT_CHARACTER)
}

/// Whether a text holds a mark.
pub fn is_in(text: &str) -> bool {
    // All marks begin with F4 8F BA or F4 8F BB, as nothing else does.
    text.as_bytes().windows(3).any(|window| matches!(window, b"\xf4\x8f\xba" | b"\xf4\x8f\xbb"))
}

/// How many bytes a text has in its source.
pub(super) fn source_bytes(text: &str) -> usize {
    text.len() - (MARK_BYTES - 1) * text.chars().filter(|c| byte(*c).is_some()).count()
}

/// A text with its marks as `\\xFF`, for people; the archive has the bytes.
pub fn shown(text: &str) -> String {
    let shown = |c: char| byte(c).map_or_else(|| c.to_string(), |byte| format!("\\x{byte:02X}"));
    text.chars().map(shown).collect()
}

fn byte(c: char) -> Option<u8> {
    let place = u32::from(c).checked_sub(FIRST).filter(|place| *place < 0x80)?;
    u8::try_from(place).ok().map(|place| place + 0x80)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_has_a_mark_of_its_own() {
        for byte in 0x80..=0xff {
            let text = format!("a{}b", mark(byte));
            assert!(is_in(&text));
            assert_eq!(shown(&text), format!("a\\x{byte:02X}b"));
            assert_eq!(source_bytes(&text), 3);
        }
        assert!(!is_in("aé😀\u{10fffd}"));
    }
}
