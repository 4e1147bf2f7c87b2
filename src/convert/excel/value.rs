//! The value of a cell and its exact text.

use std::borrow::Cow;

use super::format::Format;
use crate::convert::infer::canonical;
use crate::convert::infer::printer;

/// The value of a cell that has one.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value<'a> {
    /// A logical value.
    Bool(bool),
    /// A number.
    Number {
        /// The stored double.
        value: f64,
        /// Whether its format shows decimals.
        decimals: bool,
    },
    /// A date, in days since 1970-01-01.
    Date(i32),
    /// A date and time without zone, in microseconds since 1970-01-01.
    Moment(i64),
    /// Text; also errors, times of day, durations and padded numbers.
    Text(Cow<'a, str>),
}

/// From which day a workbook counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Epoch {
    /// 1 is 1900-01-01, and 60 the 1900-02-29 that never was.
    Y1900,
    /// 0 is 1904-01-01.
    Y1904,
}

pub(super) const DAY_MICROS: i64 = 86_400_000_000;
/// The first serial number after 9999-12-31 in the 1900 system.
const SERIAL_END: f64 = 2_958_466.0;
/// Days from 1900-01-00 or 1904-01-01 to 1970-01-01, for dates that exist.
const DAYS_1900: i32 = 25_569;
const DAYS_1904: i32 = 24_107;

impl Value<'_> {
    /// What a stored number is under a format.
    pub(super) fn of_number(value: f64, format: &Format, epoch: Epoch) -> Value<'static> {
        let number = Value::Number { value, decimals: *format == Format::Decimals };
        if !value.is_finite() {
            return text(format!("{value:?}"));
        }
        match format {
            Format::Number | Format::Decimals => number,
            Format::Padded(pieces) => Format::padded(pieces, value).map_or(number, text),
            Format::Duration => duration(value).map_or(number, text),
            Format::Date => moment(value, epoch)
                .map_or(number, |moment| day(moment).map_or(Value::Moment(moment), Value::Date)),
            Format::Moment => moment(value, epoch).map_or(number, Value::Moment),
            Format::Time if (0.0..1.0).contains(&value) => duration(value).map_or(number, text),
            Format::Time => moment(value, epoch).map_or(number, Value::Moment),
        }
    }

    /// What an ISO 8601 text in a date cell is.
    pub(super) fn of_iso(iso: String) -> Value<'static> {
        let local = |(micros, form): (i64, canonical::MomentForm)| {
            (form.zone == canonical::Zone::Local).then_some(Value::Moment(micros))
        };
        canonical::date(iso.as_bytes())
            .map(Value::Date)
            .or_else(|| canonical::moment(iso.as_bytes()).and_then(local))
            .unwrap_or_else(|| text(iso))
    }

    /// The value with its own copy of the text.
    pub(super) fn into_owned(self) -> Value<'static> {
        match self {
            Value::Bool(value) => Value::Bool(value),
            Value::Number { value, decimals } => Value::Number { value, decimals },
            Value::Date(days) => Value::Date(days),
            Value::Moment(micros) => Value::Moment(micros),
            Value::Text(text) => Value::Text(Cow::Owned(text.into_owned())),
        }
    }

    /// The value's exact text: what a text column holds.
    pub(super) fn text(&self) -> Cow<'_, str> {
        match self {
            Value::Bool(true) => "TRUE".into(),
            Value::Bool(false) => "FALSE".into(),
            Value::Number { value, .. } => printer::number_text(*value).into(),
            Value::Date(days) => printer::date_text(*days).into(),
            Value::Moment(micros) => printer::moment_text(*micros).into(),
            Value::Text(text) => text.as_ref().into(),
        }
    }
}

fn text(text: String) -> Value<'static> {
    Value::Text(Cow::Owned(text))
}

/// The whole number a double is, if it is one that only this double stands for: below 2^53.
pub(super) fn whole(value: f64) -> Option<i64> {
    const END: f64 = 9_007_199_254_740_992.0;
    let is_whole = value.fract() == 0.0 && value.abs() < END;
    // A negative zero is not the whole number 0: it would lose its sign.
    let is_whole = is_whole && (value != 0.0 || value.is_sign_positive());
    #[allow(clippy::cast_possible_truncation, reason = "whole and within range, as just seen")]
    is_whole.then_some(value as i64)
}

/// The day, if the moment is a midnight.
fn day(moment: i64) -> Option<i32> {
    (moment % DAY_MICROS == 0).then(|| i32::try_from(moment / DAY_MICROS).ok()).flatten()
}

/// A serial number to the nearest microsecond. A double of this size tells moments two thirds of a
/// microsecond apart, and every whole millisecond, all that Excel writes, comes out as itself.
fn moment(serial: f64, epoch: Epoch) -> Option<i64> {
    if !(0.0..SERIAL_END).contains(&serial) {
        return None;
    }
    let (days, micros) = split(serial)?;
    let since_1970 = match (epoch, days) {
        (Epoch::Y1904, days) => days - DAYS_1904,
        // 1900-01-00 and 1900-02-29 are shown by Excel, but are no days.
        (Epoch::Y1900, 0 | 60) => return None,
        (Epoch::Y1900, days @ 1..60) => days - DAYS_1900 + 1,
        (Epoch::Y1900, days) => days - DAYS_1900,
    };
    Some(i64::from(since_1970) * DAY_MICROS + micros)
}

/// Days and microseconds of the day, rounded together.
#[allow(clippy::cast_possible_truncation, reason = "callers bound the number; both parts fit")]
fn split(serial: f64) -> Option<(i32, i64)> {
    let days = serial.floor() as i32;
    let micros = ((serial - serial.floor()) * DAY_MICROS as f64).round() as i64;
    if micros < DAY_MICROS { Some((days, micros)) } else { Some((days.checked_add(1)?, 0)) }
}

/// Hours, minutes and seconds: `06:30:00`, `36:00:00`, `-01:00:00.25`.
fn duration(days: f64) -> Option<String> {
    if days.abs() >= SERIAL_END {
        return None;
    }
    let (whole, micros) = split(days.abs())?;
    let sign = if days < 0.0 { "-" } else { "" };
    Some(format!("{sign}{}", printer::clock_text(i64::from(whole) * DAY_MICROS + micros)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(value: f64, code: &str, epoch: Epoch) -> String {
        Value::of_number(value, &Format::of_code(code), epoch).text().into_owned()
    }

    #[test]
    fn serial_numbers_are_days_of_their_epoch() {
        let date = |serial, epoch| shown(serial, "yyyy-mm-dd", epoch);
        assert_eq!(date(1.0, Epoch::Y1900), "1900-01-01");
        assert_eq!(date(59.0, Epoch::Y1900), "1900-02-28");
        assert_eq!(date(60.0, Epoch::Y1900), "60", "no such day");
        assert_eq!(date(61.0, Epoch::Y1900), "1900-03-01");
        assert_eq!(date(45_943.0, Epoch::Y1900), "2025-10-13");
        assert_eq!(date(2_958_465.0, Epoch::Y1900), "9999-12-31");
        assert_eq!(date(0.0, Epoch::Y1904), "1904-01-01");
        assert_eq!(date(44_481.0, Epoch::Y1904), "2025-10-13");
        assert_eq!(date(-1.0, Epoch::Y1900), "-1");
    }

    #[test]
    fn times_are_exact_to_the_millisecond() {
        let moment = |serial| shown(serial, "yyyy-mm-dd hh:mm:ss", Epoch::Y1900);
        assert_eq!(moment(45_943.541), "2025-10-13T12:59:02.4");
        assert_eq!(moment(45_943.0), "2025-10-13T00:00:00");
        for milli in (0..86_400_000_u32).step_by(977) {
            let serial = 45_943.0 + f64::from(milli) / 86_400_000.0;
            let Value::Moment(micros) = Value::of_number(serial, &Format::Moment, Epoch::Y1900)
            else {
                panic!("a moment");
            };
            assert_eq!(micros % DAY_MICROS, i64::from(milli) * 1000);
        }
        assert_eq!(shown(45_943.5, "yyyy-mm-dd", Epoch::Y1900), "2025-10-13T12:00:00");
    }

    #[test]
    fn a_time_of_day_has_no_day() {
        assert_eq!(shown(0.5, "h:mm", Epoch::Y1900), "12:00:00");
        assert_eq!(shown(1.5, "[h]:mm", Epoch::Y1900), "36:00:00");
        assert_eq!(shown(-0.5, "[h]:mm", Epoch::Y1900), "-12:00:00");
        assert_eq!(shown(45_943.5, "h:mm", Epoch::Y1900), "2025-10-13T12:00:00");
    }

    #[test]
    fn numbers_keep_their_double() {
        for (value, text) in [(1.0, "1"), (0.1, "0.1"), (1e16, "1e16"), (-2.5, "-2.5")] {
            assert_eq!(shown(value, "0.00", Epoch::Y1900), text);
        }
        assert_eq!(whole(9_007_199_254_740_991.0), Some(9_007_199_254_740_991));
        assert_eq!(whole(9_007_199_254_740_992.0), None);
        assert_eq!(whole(-0.0), None);
        assert_eq!(whole(0.5), None);
    }

    #[test]
    fn iso_dates_are_dates() {
        assert_eq!(Value::of_iso("2026-01-02".into()), Value::Date(20_455));
        assert_eq!(Value::of_iso("2026-01-02T00:00:01".into()).text(), "2026-01-02T00:00:01");
        assert_eq!(Value::of_iso("2026-01-02T00:00:00Z".into()).text(), "2026-01-02T00:00:00Z");
        assert_eq!(Value::of_iso("tomorrow".into()).text(), "tomorrow");
    }
}
