//! The one text that each typed value may have; anything else is text.
//!
//! Every parser here accepts a text only if printing the value gives the same text back, given the
//! parameters it returns (a scale, a timestamp's form, a spelling). They never trim, fold or round.

#![allow(
    clippy::indexing_slicing,
    reason = "the hot loop; every index is below a length just checked"
)]

/// Longer texts are no number, date or bool: sign, 38 digits, point, leading zero.
pub const TYPED_BYTES_MAX: usize = 41;
/// Digits of the widest decimal that every reader takes.
pub const DECIMAL_DIGITS_MAX: usize = 38;

/// Parses a whole number: `0`, `-7`, `12`; not `007`, `+7`, `-0`, ` 7`.
pub fn int(text: &[u8]) -> Option<i64> {
    let (negative, digits) = unsigned(text);
    if !is_whole(digits) || digits.len() > 19 || (negative && digits == b"0") {
        return None;
    }
    if digits.len() == 19 {
        return std::str::from_utf8(text).ok()?.parse().ok();
    }
    let value = digits.iter().fold(0, |value, digit| value * 10 + i64::from(digit - b'0'));
    Some(if negative { -value } else { value })
}

/// A fixed-point number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fixed {
    /// The digits without the point.
    pub unscaled: i128,
    /// Digits after the point.
    pub scale: u8,
    /// Digits before the point that a decimal must hold; 0 for `0.25`.
    pub whole_digits: u8,
}

/// Parses a fixed-point number of at most 38 digits: `0.10`, `-12.5`, `12`; not `.5`, `5.`, `01.5`,
/// `-0.0`.
pub fn fixed(text: &[u8]) -> Option<Fixed> {
    let (negative, rest) = unsigned(text);
    let point = rest.iter().position(|byte| *byte == b'.').unwrap_or(rest.len());
    let (whole, fraction) = (&rest[..point], rest.get(point + 1..));
    if !is_whole(whole) || fraction.is_some_and(|digits| !is_digits(digits)) {
        return None;
    }
    let fraction = fraction.unwrap_or_default();
    let whole_digits = if whole == b"0" { 0 } else { whole.len() };
    if whole_digits + fraction.len() > DECIMAL_DIGITS_MAX {
        return None;
    }
    let unscaled = magnitude(whole, fraction);
    if negative && unscaled == 0 {
        return None;
    }
    Some(Fixed {
        unscaled: if negative { -unscaled } else { unscaled },
        scale: u8::try_from(fraction.len()).ok()?,
        whole_digits: u8::try_from(whole_digits).ok()?,
    })
}

fn magnitude(whole: &[u8], fraction: &[u8]) -> i128 {
    let digits = whole.iter().chain(fraction);
    if whole.len() + fraction.len() <= 18 {
        return digits.fold(0_i64, |value, digit| value * 10 + i64::from(digit - b'0')).into();
    }
    digits.fold(0_i128, |value, digit| value * 10 + i128::from(digit - b'0'))
}

/// Parses a double that has a point or an exponent and is its own shortest round-trip printing.
pub fn double(text: &[u8]) -> Option<f64> {
    let plausible = |byte: &u8| matches!(byte, b'0'..=b'9' | b'.' | b'-' | b'e');
    let marked = |byte: &u8| matches!(byte, b'.' | b'e');
    if !text.iter().all(plausible) || !text.iter().any(marked) {
        return None;
    }
    let text = std::str::from_utf8(text).ok()?;
    let value = text.parse::<f64>().ok().filter(|value| value.is_finite())?;
    (is_shortest(text) || format!("{value:?}") == text).then_some(value)
}

/// Knows, without printing, some texts that are their own shortest printing: at most 15 significant
/// digits always survive a double (IEEE 754: `DBL_DIG`), so only superfluous zeros and the change to
/// an exponent (below 1e-4, from 1e16) could make the printing differ.
fn is_shortest(text: &str) -> bool {
    let (_, rest) = unsigned(text.as_bytes());
    let Some(point) = rest.iter().position(|byte| *byte == b'.') else { return false };
    let (whole, fraction) = (&rest[..point], &rest[point + 1..]);
    is_whole(whole)
        && is_digits(fraction)
        && whole.len() + fraction.len() <= 15
        && (fraction == b"0" || !fraction.ends_with(b"0"))
        && (whole != b"0" || fraction == b"0" || !fraction.starts_with(b"0000"))
}

/// Parses a date `YYYY-MM-DD`, years 0001 to 9999, to days since 1970-01-01.
pub fn date(text: &[u8]) -> Option<i32> {
    let &[y1, y2, y3, y4, b'-', m1, m2, b'-', d1, d2] = text else { return None };
    let year = two(y1, y2)? * 100 + two(y3, y4)?;
    days(year, two(m1, m2)?, two(d1, d2)?)
}

/// Days since 1970-01-01 of a day that exists, years 1 to 9999.
#[inline]
pub fn days(year: i32, month: i32, day: i32) -> Option<i32> {
    let valid = (1..=9999).contains(&year)
        && (1..=12).contains(&month)
        && day > 0
        && day <= month_days(year, month);
    valid.then(|| days_from_civil(year, month, day))
}

fn month_days(year: i32, month: i32) -> i32 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days since 1970-01-01 (Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms").
fn days_from_civil(year: i32, month: i32, day: i32) -> i32 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

/// Year, month and day of days since 1970-01-01: the inverse.
pub fn civil_from_days(days: i32) -> (i32, i32, i32) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    (year_of_era + era * 400 + i32::from(month <= 2), month, day)
}

/// How a timestamp is written; one form for a whole column.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct MomentForm {
    /// `T` or a blank.
    pub separator: u8,
    /// Digits of the second's fraction, 0 to 6.
    pub fraction: u8,
    /// What follows.
    pub zone: Zone,
}

/// A timestamp's zone as written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Zone {
    /// None: a local time.
    Local,
    /// `Z`.
    Z,
    /// `+02:00`.
    Offset([u8; 6]),
}

impl Zone {
    /// Minutes east of UTC.
    pub fn minutes(self) -> i32 {
        match self {
            Self::Local | Self::Z => 0,
            Self::Offset([sign, h1, h2, _, m1, m2]) => {
                let minutes = two(h1, h2).unwrap_or(0) * 60 + two(m1, m2).unwrap_or(0);
                if sign == b'-' { -minutes } else { minutes }
            }
        }
    }

    /// The zone's text.
    pub fn text(&self) -> &str {
        match self {
            Self::Local => "",
            Self::Z => "Z",
            Self::Offset(bytes) => std::str::from_utf8(bytes).unwrap_or(""),
        }
    }

    /// Reads [`Self::text`] back.
    pub fn parse(text: &[u8]) -> Option<Self> {
        match *text {
            [] => Some(Self::Local),
            [b'Z'] => Some(Self::Z),
            [sign @ (b'+' | b'-'), h1, h2, b':', m1, m2] => {
                let valid = two(h1, h2)? <= 23 && two(m1, m2)? <= 59;
                valid.then_some(Self::Offset([sign, h1, h2, b':', m1, m2]))
            }
            _ => None,
        }
    }
}

/// Parses an ISO 8601 timestamp with seconds, at most microseconds, to microseconds since 1970 (in
/// UTC when it has a zone). `24:00:00` and a second 60 are text.
pub fn moment(text: &[u8]) -> Option<(i64, MomentForm)> {
    if text.len() < 19 {
        return None;
    }
    let days = date(&text[..10])?;
    let &[separator @ (b'T' | b' '), h1, h2, b':', m1, m2, b':', s1, s2] = &text[10..19] else {
        return None;
    };
    let (hour, minute, second) = (two(h1, h2)?, two(m1, m2)?, two(s1, s2)?);
    if hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let (fraction, rest) = second_fraction(&text[19..])?;
    let zone = Zone::parse(rest)?;
    let seconds =
        i64::from(days) * 86_400 + i64::from((hour * 60 + minute - zone.minutes()) * 60 + second);
    let micros = fraction.iter().fold(0, |value, digit| value * 10 + i64::from(digit - b'0'))
        * 10_i64.pow(6 - u32::try_from(fraction.len()).ok()?);
    let fraction = u8::try_from(fraction.len()).ok()?;
    Some((seconds * 1_000_000 + micros, MomentForm { separator, fraction, zone }))
}

fn second_fraction(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let [b'.', rest @ ..] = text else { return Some((&[], text)) };
    let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    (1..=6).contains(&digits).then(|| rest.split_at(digits))
}

/// How a column spells its bools.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Spelling {
    /// `true`, `false`.
    Lower,
    /// `True`, `False`.
    Title,
    /// `TRUE`, `FALSE`.
    Upper,
}

impl Spelling {
    /// The words for true and false.
    pub fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::Lower => ("true", "false"),
            Self::Title => ("True", "False"),
            Self::Upper => ("TRUE", "FALSE"),
        }
    }
}

/// Parses a bool.
pub fn boolean(text: &[u8]) -> Option<(bool, Spelling)> {
    match text {
        b"true" => Some((true, Spelling::Lower)),
        b"false" => Some((false, Spelling::Lower)),
        b"True" => Some((true, Spelling::Title)),
        b"False" => Some((false, Spelling::Title)),
        b"TRUE" => Some((true, Spelling::Upper)),
        b"FALSE" => Some((false, Spelling::Upper)),
        _ => None,
    }
}

fn two(tens: u8, ones: u8) -> Option<i32> {
    let (tens, ones) = (tens.wrapping_sub(b'0'), ones.wrapping_sub(b'0'));
    (tens <= 9 && ones <= 9).then(|| i32::from(tens * 10 + ones))
}

fn unsigned(text: &[u8]) -> (bool, &[u8]) {
    match text {
        [b'-', rest @ ..] => (true, rest),
        _ => (false, text),
    }
}

fn is_digits(text: &[u8]) -> bool {
    !text.is_empty() && text.iter().all(u8::is_ascii_digit)
}

fn is_whole(text: &[u8]) -> bool {
    is_digits(text) && (text.len() == 1 || text[0] != b'0')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_numbers_have_one_text() {
        for text in ["0", "7", "-7", "9223372036854775807", "-9223372036854775808"] {
            assert_eq!(int(text.as_bytes()).map(|v| v.to_string()).as_deref(), Some(text));
        }
        let bad =
            ["", "-", "007", "00", "+7", "-0", " 7", "7 ", "1e5", "0x1F", "9223372036854775808"];
        for text in bad {
            assert_eq!(int(text.as_bytes()), None, "{text:?}");
        }
    }

    #[test]
    fn fixed_point_numbers_keep_their_scale() {
        let value =
            |text: &str| fixed(text.as_bytes()).map(|f| (f.unscaled, f.scale, f.whole_digits));
        assert_eq!(value("1.10"), Some((110, 2, 1)));
        assert_eq!(value("-0.05"), Some((-5, 2, 0)));
        assert_eq!(value("12"), Some((12, 0, 2)));
        let digits = "9".repeat(38);
        assert_eq!(value(&digits).map(|v| v.2), Some(38));
        let tiny = format!("0.{}", "1".repeat(38));
        assert_eq!(value(&tiny).map(|v| v.1), Some(38));
        let too_long = "1".repeat(39);
        for text in [".5", "5.", "01.5", "-0.0", "-0", "+1.5", "1,5", "1.5 ", too_long.as_str()] {
            assert_eq!(value(text), None, "{text:?}");
        }
    }

    #[test]
    fn doubles_are_their_own_shortest_printing() {
        for text in ["0.1", "1.0", "-0.0", "1e16", "1.5e-7", "123456789012345.6", "0.0001"] {
            assert_eq!(double(text.as_bytes()).map(|v| format!("{v:?}")).as_deref(), Some(text));
        }
        let bad = [
            "1", "1.10", "1e5", "12E3", "1e+16", "0.00001", "NaN", "inf", "1.", ".5", "-", "e",
            "1e400",
        ];
        for text in bad {
            assert_eq!(double(text.as_bytes()), None, "{text:?}");
        }
    }

    #[test]
    fn dates_are_days_that_exist() {
        assert_eq!(date(b"1970-01-01"), Some(0));
        assert_eq!(date(b"2000-02-29"), Some(11_016));
        assert_eq!(date(b"0001-01-01"), Some(-719_162));
        for text in
            ["0000-01-01", "2023-02-29", "2024-13-01", "2024-00-10", "2024-1-01", "01/02/2024"]
        {
            assert_eq!(date(text.as_bytes()), None, "{text:?}");
        }
        for days in [-719_162, -1, 0, 59, 60, 11_016, 2_932_896] {
            let (year, month, day) = civil_from_days(days);
            assert_eq!(date(format!("{year:04}-{month:02}-{day:02}").as_bytes()), Some(days));
        }
    }

    #[test]
    fn timestamps_keep_their_form() {
        let (micros, form) = moment(b"1970-01-01T02:00:00.5+02:00").expect("a timestamp");
        assert_eq!((micros, form.fraction, form.zone.text()), (500_000, 1, "+02:00"));
        assert!(moment(b"2024-01-01 00:00:00").is_some());
        let bad = [
            "2024-01-01T24:00:00",
            "2024-01-01T00:00:60",
            "2024-01-01T00:00",
            "2024-01-01t00:00:00",
            "2024-01-01T00:00:00.",
            "2024-01-01T00:00:00.1234567",
            "2024-01-01T00:00:00 Z",
            "2024-01-01T00:00:00+0200",
            "2024-01-01T00:00:00z",
        ];
        for text in bad {
            assert_eq!(moment(text.as_bytes()), None, "{text:?}");
        }
    }
}
