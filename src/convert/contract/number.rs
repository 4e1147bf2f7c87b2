//! Numbers as declared: sign, digits in groups, decimal point or comma, exponent.
//!
//! More is read than a printer would write (a plus sign, leading zeros, `.5`): the person who wrote
//! the contract said that it is a number. Whether the text can be printed back is told beside the
//! value. Groups of thousands have exactly three digits, so that `1.5` is never 15.

use crate::contract::Marks;
use crate::convert::infer::canonical;

use super::spelled::Spelled;

/// Longer texts are no number.
const BYTES_MAX: usize = 100;

/// A number's text with a point and nothing else between its digits.
#[derive(Debug)]
struct Plain {
    bytes: [u8; BYTES_MAX],
    len: usize,
    /// Where the point is, or the digits end.
    point: usize,
    grouped: Option<bool>,
    /// Whether a printer would write sign and zeros like this.
    canonical: bool,
}

impl Plain {
    fn of(text: &str, marks: Marks) -> Option<Self> {
        if text.len() > BYTES_MAX {
            return None;
        }
        let (negative, digits) = match text.as_bytes().first() {
            Some(b'-') => (true, text.get(1..)?),
            Some(b'+') => (false, text.get(1..)?),
            _ => (false, text),
        };
        let (whole, fraction) = match digits.split_once(marks.point) {
            Some((whole, fraction)) => (whole, Some(fraction)),
            None => (digits, None),
        };
        let mut plain =
            Self { bytes: [0; BYTES_MAX], len: 0, point: 0, grouped: None, canonical: true };
        if negative {
            plain.push(b'-')?;
        }
        plain.grouped = plain.whole(whole, marks.thousands)?;
        plain.point = plain.len;
        if let Some(fraction) = fraction {
            plain.push(b'.')?;
            for byte in fraction.bytes() {
                plain.push(byte.is_ascii_digit().then_some(byte)?)?;
            }
        }
        let fraction_is_empty = fraction.is_some_and(str::is_empty);
        if whole.is_empty() && fraction.is_none_or(str::is_empty) {
            return None;
        }
        let zero = plain.text()?.bytes().all(|byte| matches!(byte, b'0' | b'-' | b'.'));
        let odd_sign = text.starts_with('+') || (negative && zero);
        let odd_zeros = whole.is_empty() || (whole.len() > 1 && whole.starts_with('0'));
        plain.canonical = !odd_sign && !odd_zeros && !fraction_is_empty;
        Some(plain)
    }

    fn push(&mut self, byte: u8) -> Option<()> {
        *self.bytes.get_mut(self.len)? = byte;
        self.len += 1;
        Some(())
    }

    /// Takes the digits before the point; says whether they are grouped.
    fn whole(&mut self, whole: &str, thousands: Option<char>) -> Option<Option<bool>> {
        let Some(mark) = thousands.filter(|mark| whole.contains(*mark)) else {
            for byte in whole.bytes() {
                self.push(byte.is_ascii_digit().then_some(byte)?)?;
            }
            return Some((whole.len() > 3).then_some(false));
        };
        for (at, group) in whole.split(mark).enumerate() {
            let fits = if at == 0 { (1..=3).contains(&group.len()) } else { group.len() == 3 };
            if !fits {
                return None;
            }
            for byte in group.bytes() {
                self.push(byte.is_ascii_digit().then_some(byte)?)?;
            }
        }
        Some(Some(true))
    }

    fn text(&self) -> Option<&str> {
        std::str::from_utf8(self.bytes.get(..self.len)?).ok()
    }

    /// Digits after the point as written.
    fn scale(&self) -> usize {
        self.len.saturating_sub(self.point + 1)
    }

    /// How it is spelled for a column of this scale, beyond which no printer adds zeros.
    fn spelled_at(&self, scale_max: u8) -> Spelled {
        match u8::try_from(self.scale()) {
            Ok(scale) if self.canonical && scale <= scale_max => {
                Spelled::Number { scale, grouped: self.grouped }
            }
            Ok(_) | Err(_) => Spelled::Otherwise,
        }
    }

    /// As units of a scale, if no digit is lost and there are at most `precision`.
    fn units(&self, precision: u8, scale: u8) -> Option<i128> {
        let text = self.text()?;
        let (negative, digits) = match text.strip_prefix('-') {
            Some(digits) => (true, digits),
            None => (false, text),
        };
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
        let (kept, lost) = fraction.split_at_checked(usize::from(scale)).unwrap_or((fraction, ""));
        if lost.bytes().any(|digit| digit != b'0') {
            return None;
        }
        let mut value = 0_i128;
        for digit in whole.bytes().chain(kept.bytes()) {
            value = value.checked_mul(10)?.checked_add(i128::from(digit - b'0'))?;
        }
        let missing = u32::try_from(usize::from(scale) - kept.len()).ok()?;
        value = value.checked_mul(10_i128.checked_pow(missing)?)?;
        let fits = value < 10_i128.checked_pow(u32::from(precision))?;
        fits.then_some(if negative { -value } else { value })
    }
}

/// A whole number.
pub(super) fn int64(text: &str, marks: Marks) -> Option<(i64, Spelled)> {
    let plain = Plain::of(text, marks)?;
    let value = plain.units(38, 0)?;
    Some((i64::try_from(value).ok()?, plain.spelled_at(0)))
}

/// A decimal as units of its scale.
pub(super) fn decimal(
    text: &str,
    marks: Marks,
    (precision, scale): (u8, u8),
) -> Option<(i128, Spelled)> {
    let plain = Plain::of(text, marks)?;
    Some((plain.units(precision, scale)?, plain.spelled_at(scale)))
}

/// A double, finite.
pub(super) fn double(text: &str, marks: Marks) -> Option<(f64, Spelled)> {
    let (mantissa, exponent) = match text.find(['e', 'E']) {
        Some(at) => text.split_at_checked(at)?,
        None => (text, ""),
    };
    let plain = Plain::of(mantissa, marks)?;
    let value = if exponent.is_empty() {
        plain.text()?.parse::<f64>().ok()?
    } else {
        format!("{}{exponent}", plain.text()?).parse().ok()?
    };
    if !value.is_finite() {
        return None;
    }
    let as_written = marks.point == '.' && plain.grouped != Some(true);
    let pointed = as_written && canonical::double(text.as_bytes()).is_some();
    let bare = as_written
        && match value.fract() == 0.0 {
            true => crate::convert::infer::printer::number_text(value) == text,
            false => pointed,
        };
    let spelled = match (pointed, bare) {
        (false, false) => Spelled::Otherwise,
        (pointed, bare) => Spelled::Double { pointed, bare },
    };
    Some((value, spelled))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const GERMAN: Marks = Marks { point: ',', thousands: Some('.') };

    fn units(text: &str, marks: Marks) -> Option<i128> {
        decimal(text, marks, (18, 2)).map(|(units, _)| units)
    }

    #[test]
    fn marks_are_as_declared() {
        for (text, expected) in [
            ("1.234.567,89", 123_456_789),
            ("1234567,89", 123_456_789),
            ("-0,5", -50),
            (",5", 50),
            ("5,", 500),
            ("+07", 700),
            ("1,500", 150),
        ] {
            assert_eq!(units(text, GERMAN), Some(expected), "{text}");
        }
        for bad in [
            "1.5", "1,234.56", "12.34,5", ".123", "1..234", "1.2345", "", "-", ",", "1e3", "1 ",
            "１", "1,505", "--1", "1,2,3",
        ] {
            assert_eq!(units(bad, GERMAN), None, "{bad}");
        }
        let narrow = Marks { point: ',', thousands: Some('\u{202f}') };
        assert_eq!(units("12\u{202f}345,6", narrow), Some(1_234_560));
        assert_eq!(units("1,234", Marks::default()), None);
    }

    #[test]
    fn digits_are_never_lost() {
        let most = "9".repeat(38);
        let value = decimal(&most, Marks::default(), (38, 0)).map(|(value, _)| value);
        assert_eq!(value.map(|v| v.to_string()), Some(most.clone()));
        assert_eq!(decimal(&format!("{most}9"), Marks::default(), (38, 0)), None);
        assert_eq!(decimal("12345", Marks::default(), (5, 2)), None, "five digits with two after");
        assert_eq!(int64("9223372036854775807", Marks::default()).map(|v| v.0), Some(i64::MAX));
        assert_eq!(int64("9223372036854775808", Marks::default()), None);
        assert_eq!(int64("1.0", Marks::default()).map(|v| v.0), Some(1));
        assert_eq!(int64("1.5", Marks::default()), None);
        assert_eq!(double("1e999", Marks::default()), None);
        assert_eq!(double("inf", Marks::default()), None);
        assert_eq!(double("1,5E3", GERMAN).map(|v| v.0), Some(1500.0));
    }

    #[test]
    fn only_what_prints_back_says_so() {
        let spelled = |text| decimal(text, GERMAN, (18, 2)).map(|(_, spelled)| spelled);
        let number = |scale, grouped| Some(Spelled::Number { scale, grouped });
        assert_eq!(spelled("1,50"), number(2, None));
        assert_eq!(spelled("1.234,50"), number(2, Some(true)));
        assert_eq!(spelled("1234"), number(0, Some(false)));
        for other in ["+1", "01", "-0", ",5", "5,", "1,500"] {
            assert_eq!(spelled(other), Some(Spelled::Otherwise), "{other}");
        }
    }

    proptest! {
        #[test]
        fn every_decimal_is_read_exactly(value in -999_999_999_999_999_999_i64..=999_999_999_999_999_999) {
            let (sign, digits) = (if value < 0 { "-" } else { "" }, format!("{:03}", value.unsigned_abs()));
            let (whole, fraction) = digits.split_at(digits.len() - 2);
            let text = format!("{sign}{whole},{fraction}");
            prop_assert_eq!(units(&text, GERMAN), Some(i128::from(value)));
        }
    }
}
