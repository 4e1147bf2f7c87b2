//! Canonical values from eight bytes at a time.
//!
//! Each parser takes a span of a padded text and accepts only texts that [`canonical`] accepts, with
//! the same value; a text it leaves alone may still be canonical (a number of more than 18 digits),
//! so `None` sends it to [`canonical`] to be judged. The arithmetic on eight digits at once is
//! Wojciech Muła's and Daniel Lemire's ("Quickly parsing eight digits").

#![allow(
    clippy::indexing_slicing,
    reason = "the hot loop; every index is below a length just checked"
)]

use std::ops::Range;

use crate::convert::infer::canonical::{self, MomentForm};

/// Eight bytes from a place on; nothing beyond the text counts.
#[inline(always)]
fn word(bytes: &[u8], at: usize) -> u64 {
    bytes.get(at..).and_then(<[u8]>::first_chunk).map_or(0, |word| u64::from_le_bytes(*word))
}

#[inline(always)]
fn are_digits(word: u64) -> bool {
    let high = word & 0xF0F0_F0F0_F0F0_F0F0;
    let carried = (word.wrapping_add(0x0606_0606_0606_0606) & 0xF0F0_F0F0_F0F0_F0F0) >> 4;
    high | carried == 0x3333_3333_3333_3333
}

/// The value of eight digits.
#[inline(always)]
fn eight(word: u64) -> u64 {
    let twos = (word & 0x0F0F_0F0F_0F0F_0F0F).wrapping_mul(2561) >> 8;
    let fours = (twos & 0x00FF_00FF_00FF_00FF).wrapping_mul(6_553_601) >> 16;
    (fours & 0x0000_FFFF_0000_FFFF).wrapping_mul(42_949_672_960_001) >> 32
}

/// The value of 1 to 8 digits.
#[inline(always)]
fn up_to_eight(bytes: &[u8], at: usize, count: usize) -> Option<u64> {
    let missing = 64 - 8 * u32::try_from(count).ok()?;
    let zeros = 0x3030_3030_3030_3030_u64.checked_shr(64 - missing).unwrap_or(0);
    let digits = word(bytes, at).checked_shl(missing)? | zeros;
    are_digits(digits).then(|| eight(digits))
}

/// The value of 1 to 18 digits.
#[inline(always)]
fn digits(bytes: &[u8], at: usize, count: usize) -> Option<i64> {
    let value = match count {
        1..=8 => up_to_eight(bytes, at, count)?,
        9..=16 => {
            let low = word(bytes, at + count - 8);
            if !are_digits(low) {
                return None;
            }
            up_to_eight(bytes, at, count - 8)? * 100_000_000 + eight(low)
        }
        17..=18 => {
            let (middle, low) = (word(bytes, at + count - 16), word(bytes, at + count - 8));
            if !are_digits(middle) || !are_digits(low) {
                return None;
            }
            let high = up_to_eight(bytes, at, count - 16)?;
            (high * 100_000_000 + eight(middle)) * 100_000_000 + eight(low)
        }
        _ => return None,
    };
    Some(value.cast_signed())
}

#[inline(always)]
fn unsigned(bytes: &[u8], span: &Range<usize>) -> (bool, usize) {
    let is_negative = bytes[span.start] == b'-';
    (is_negative, span.start + usize::from(is_negative))
}

/// As [`canonical::int`], up to 18 digits.
#[inline(always)]
pub fn int(bytes: &[u8], span: &Range<usize>) -> Option<i64> {
    let (is_negative, at) = unsigned(bytes, span);
    let count = span.end - at;
    let value = digits(bytes, at, count)?;
    if bytes[at] == b'0' && (count > 1 || is_negative) {
        return None;
    }
    Some(if is_negative { -value } else { value })
}

/// As [`canonical::fixed`] for values with `scale` digits after the point, at least one, up to 18
/// digits in all: the digits without the point.
#[inline(always)]
pub fn fixed(bytes: &[u8], span: &Range<usize>, scale: usize) -> Option<i64> {
    let (is_negative, at) = unsigned(bytes, span);
    let whole = (span.end - at).checked_sub(scale + 1)?;
    if whole == 0 || whole + scale > 18 || bytes[at + whole] != b'.' {
        return None;
    }
    if bytes[at] == b'0' && whole > 1 {
        return None;
    }
    let fraction = digits(bytes, at + whole + 1, scale)?;
    let value = digits(bytes, at, whole)? * TENS[scale] + fraction;
    match (is_negative, value) {
        (true, 0) => None,
        (true, value) => Some(-value),
        (false, value) => Some(value),
    }
}

/// Powers of ten.
pub const TENS: [i64; 19] = {
    let mut tens = [1; 19];
    let mut at = 1;
    while at < tens.len() {
        tens[at] = tens[at - 1] * 10;
        at += 1;
    }
    tens
};

/// Knows some fixed-point texts that are also the shortest text of their double, as
/// [`canonical::double`] demands: at most 15 digits, no zero too many, no exponent.
#[inline(always)]
pub fn is_shortest(bytes: &[u8], span: &Range<usize>, scale: usize) -> bool {
    let last = bytes[span.end - 1];
    let (_, at) = unsigned(bytes, span);
    let is_plain = last != b'0' || scale == 1;
    is_plain && span.end - at <= 16 && (bytes[at] != b'0' || scale < 5)
}

/// As [`canonical::date`].
#[inline(always)]
pub fn date(bytes: &[u8], span: &Range<usize>) -> Option<i32> {
    if span.len() != 10 || bytes[span.start + 4] != b'-' || bytes[span.start + 7] != b'-' {
        return None;
    }
    let word = word(bytes, span.start);
    let day = u64::from(bytes[span.start + 8]) | u64::from(bytes[span.start + 9]) << 8;
    let packed = word & 0xFFFF_FFFF | (word >> 40 & 0xFFFF) << 32 | day << 48;
    if !are_digits(packed) {
        return None;
    }
    let number = i32::try_from(eight(packed)).ok()?;
    canonical::days(number / 10_000, number / 100 % 100, number % 100)
}

/// As [`canonical::moment`], for values of one form.
#[inline(always)]
pub fn moment(bytes: &[u8], span: &Range<usize>, form: MomentForm) -> Option<i64> {
    let (micros, found) = canonical::moment(&bytes[span.clone()])?;
    (found == form).then_some(micros)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A text between others, so that reading beyond it would show.
    fn within(text: &str) -> (Vec<u8>, Range<usize>) {
        (format!("9{text}7.3-11,4412345678901234").into_bytes(), 1..1 + text.len())
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 3000, ..ProptestConfig::default() })]

        #[test]
        fn numbers_are_as_the_canonical_parser_reads_them(
            text in prop_oneof!["-?[0-9]{1,20}", "-?0?[0-9]{0,19}\\.[0-9]{0,19}", "[0-9.:/ -]{1,12}"]
        ) {
            let (bytes, span) = within(&text);
            let exact = canonical::int(text.as_bytes());
            let fast = int(&bytes, &span);
            prop_assert!(fast == exact || (fast.is_none() && text.len() > 18), "{text} {fast:?}");
            for scale in 1..=18 {
                let exact = canonical::fixed(text.as_bytes()).filter(|f| usize::from(f.scale) == scale);
                let fast = fixed(&bytes, &span, scale).map(i128::from);
                let agree = fast == exact.map(|fixed| fixed.unscaled);
                prop_assert!(agree || (fast.is_none() && text.len() > 19), "{text} {scale} {fast:?}");
                if fast.is_some() && is_shortest(&bytes, &span, scale) {
                    prop_assert!(canonical::double(text.as_bytes()).is_some(), "{text}");
                }
            }
        }

        #[test]
        fn dates_are_as_the_canonical_parser_reads_them(
            text in prop_oneof!["[0-9]{4}-[01][0-9]-[0-3][0-9]", "[0-9/-]{10}", "[0-9-]{1,12}"]
        ) {
            let (bytes, span) = within(&text);
            prop_assert_eq!(date(&bytes, &span), canonical::date(text.as_bytes()), "{}", text);
        }
    }
}
