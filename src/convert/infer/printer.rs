//! Published values back to the exact text of the source.

use arrow_array::cast::AsArray;
use arrow_array::types::{
    Date32Type, Decimal64Type, Decimal128Type, Float64Type, Int64Type, TimestampMicrosecondType,
};
use arrow_array::{Array, ArrayRef, Decimal64Array, Decimal128Array, Int64Array};
use serde::{Deserialize, Serialize};

use super::canonical::{Zone, civil_from_days};
use crate::contract::TimeFormat;
use crate::convert::contract::time;

const DAY_MICROS: i64 = 86_400_000_000;

/// How a value's exact text is printed back from the published value. Kept in the Parquet's
/// metadata, one per column.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "print", rename_all = "snake_case")]
pub enum Printer {
    /// Every value is null.
    Null,
    /// The text itself.
    Text,
    /// The digits of a whole number; of a decimal, without its fraction.
    Integer,
    /// A decimal with so many digits after the point.
    Decimal {
        /// Digits after the point.
        scale: u8,
    },
    /// The shortest text that gives the same double, as Rust's `{:?}`: `0.1`, `1.0`, `1e16`.
    Double,
    /// The same, whole numbers without `.0`: a number of a workbook. Of a decimal, its digits
    /// without trailing zeros.
    Number,
    /// `YYYY-MM-DD`.
    Date,
    /// `YYYY-MM-DD`, separator, `HH:MM:SS`, fraction, zone.
    Timestamp {
        /// `T` or a blank.
        separator: char,
        /// Digits after the second's point; 0 is none and no point.
        fraction: u8,
        /// As written after the time: `Z`, `+02:00`, or empty for a local time.
        zone: String,
    },
    /// Two words.
    Bool {
        /// For true.
        yes: String,
        /// For false.
        no: String,
    },
    /// A decimal with so many digits after the point and other marks, as a contract declares them.
    Marked {
        /// Digits after the point; 0 is none and no point.
        scale: u8,
        /// What stands for the point.
        point: char,
        /// What divides groups of three digits before the point.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        thousands: Option<char>,
    },
    /// A date or timestamp in a format that a contract declares.
    Format {
        /// The format.
        format: TimeFormat,
    },
    /// None: the texts vary within what a contract allows. They are in the raw object only.
    Source,
}

/// How a null is spelled in the source.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Empty {
    /// Nothing between the delimiters, or an empty cell.
    Nothing,
    /// Two quotes.
    Quotes,
    /// A word that a contract declares.
    Word(String),
    /// In several ways, or as values that did not fit: see the raw object.
    Source,
}

impl Printer {
    /// The text of one value of a column that this printer belongs to; `None` for a null, and for
    /// a value that this printer cannot have come from.
    pub fn print(&self, array: &ArrayRef, row: usize) -> Option<String> {
        if array.is_null(row) {
            return None;
        }
        match self {
            Self::Null | Self::Source => None,
            Self::Text => Some(array.as_string_opt::<i32>()?.value(row).to_owned()),
            Self::Integer => fixed_text(array, row, 0),
            Self::Decimal { scale } => fixed_text(array, row, *scale),
            Self::Double => {
                Some(format!("{:?}", array.as_primitive_opt::<Float64Type>()?.value(row)))
            }
            Self::Number => match array.as_primitive_opt::<Float64Type>() {
                Some(doubles) => Some(number_text(doubles.value(row))),
                // A decimal by as few digits as it takes.
                None => (0..=38).find_map(|scale| fixed_text(array, row, scale)),
            },
            Self::Date => Some(date_text(array.as_primitive_opt::<Date32Type>()?.value(row))),
            Self::Timestamp { separator, fraction, zone } => {
                let micros = array.as_primitive_opt::<TimestampMicrosecondType>()?.value(row);
                timestamp_text(micros, *separator, *fraction, zone)
            }
            Self::Bool { yes, no } => {
                let value = array.as_boolean_opt()?.value(row);
                Some(if value { yes } else { no }.clone())
            }
            Self::Marked { scale, point, thousands } => {
                fixed_text(array, row, *scale).map(|text| marked(&text, *point, *thousands))
            }
            Self::Format { format } => {
                let days = array.as_primitive_opt::<Date32Type>();
                let micros = match days {
                    Some(days) => i64::from(days.value(row)) * DAY_MICROS,
                    None => array.as_primitive_opt::<TimestampMicrosecondType>()?.value(row),
                };
                time::print(format, micros)
            }
        }
    }
}

/// Prints a whole number or decimal with `scale` digits after the point.
fn fixed_text(array: &ArrayRef, row: usize, scale: u8) -> Option<String> {
    let int = |value: &Int64Array| (i128::from(value.value(row)), 0);
    let narrow = |v: &Decimal64Array| (i128::from(v.value(row)), v.scale());
    let wide = |v: &Decimal128Array| (v.value(row), v.scale());
    let int = array.as_primitive_opt::<Int64Type>().map(int);
    let narrow = || array.as_primitive_opt::<Decimal64Type>().map(narrow);
    let wide = || array.as_primitive_opt::<Decimal128Type>().map(wide);
    let (unscaled, stored) = int.or_else(narrow).or_else(wide)?;
    let surplus = u32::try_from(i16::from(stored) - i16::from(scale)).ok()?;
    let divisor = 10_i128.checked_pow(surplus)?;
    let value = (unscaled % divisor == 0).then(|| unscaled / divisor)?;
    let sign = if value < 0 { "-" } else { "" };
    let scale = usize::from(scale);
    let digits = format!("{:0width$}", value.unsigned_abs(), width = scale + 1);
    let (whole, fraction) = digits.split_at(digits.len() - scale);
    let point = if scale == 0 { "" } else { "." };
    Some(format!("{sign}{whole}{point}{fraction}"))
}

/// A number's text with other marks.
fn marked(text: &str, point: char, thousands: Option<char>) -> String {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let (sign, digits) = whole.split_at(usize::from(whole.starts_with('-')));
    let mut marked = sign.to_owned();
    for (at, digit) in digits.char_indices() {
        let ends_group = at > 0 && (digits.len() - at) % 3 == 0;
        marked.extend(thousands.filter(|_| ends_group));
        marked.push(digit);
    }
    if !fraction.is_empty() {
        marked.push(point);
        marked.push_str(fraction);
    }
    marked
}

/// A double by its shortest text, whole numbers without `.0`.
pub fn number_text(number: f64) -> String {
    let mut text = format!("{number:?}");
    if text.ends_with(".0") {
        text.truncate(text.len() - 2);
    }
    text
}

/// A day as `YYYY-MM-DD`.
pub fn date_text(days: i32) -> String {
    let (year, month, day) = civil_from_days(days);
    format!("{year:04}-{month:02}-{day:02}")
}

/// A moment as `YYYY-MM-DDTHH:MM:SS`, with as much of a fraction as it has.
pub fn moment_text(micros: i64) -> String {
    let days = i32::try_from(micros.div_euclid(DAY_MICROS)).unwrap_or_default();
    format!("{}T{}", date_text(days), clock_text(micros.rem_euclid(DAY_MICROS)))
}

/// Hours, minutes, seconds and as much of a fraction as there is; hours may be any number.
pub fn clock_text(micros: i64) -> String {
    let (seconds, fraction) = (micros / 1_000_000, micros % 1_000_000);
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    let fraction = match fraction {
        0 => String::new(),
        fraction => format!(".{fraction:06}").trim_end_matches('0').to_owned(),
    };
    format!("{hours:02}:{minutes:02}:{seconds:02}{fraction}")
}

fn timestamp_text(micros: i64, separator: char, fraction: u8, zone: &str) -> Option<String> {
    let minutes = Zone::parse(zone.as_bytes())?.minutes();
    let local = micros.checked_add(i64::from(minutes) * 60_000_000)?;
    let date = date_text(i32::try_from(local.div_euclid(86_400_000_000)).ok()?);
    let of_day = local.rem_euclid(86_400_000_000);
    let (seconds, micros) = (of_day / 1_000_000, of_day % 1_000_000);
    let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    let digits = format!("{micros:06}");
    let (kept, rest) = digits.split_at_checked(usize::from(fraction))?;
    if rest.bytes().any(|digit| digit != b'0') {
        return None;
    }
    let point = if fraction == 0 { "" } else { "." };
    Some(format!("{date}{separator}{hour:02}:{minute:02}:{second:02}{point}{kept}{zone}"))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_array::TimestampMicrosecondArray;

    use super::*;

    #[test]
    fn a_narrow_value_in_a_wide_column_prints_as_it_was() {
        let wide = Decimal64Array::from(vec![1200, -5]).with_precision_and_scale(18, 2);
        let wide: ArrayRef = Arc::new(wide.expect("a decimal"));
        assert_eq!(Printer::Integer.print(&wide, 0).as_deref(), Some("12"));
        assert_eq!(Printer::Decimal { scale: 1 }.print(&wide, 0).as_deref(), Some("12.0"));
        assert_eq!(Printer::Decimal { scale: 2 }.print(&wide, 1).as_deref(), Some("-0.05"));
        assert_eq!(Printer::Integer.print(&wide, 1), None, "it would lose digits");
    }

    #[test]
    fn numbers_of_a_workbook_have_no_trailing_zeros() {
        let wide = Decimal64Array::from(vec![1250, 1200, 0, -5]).with_precision_and_scale(18, 2);
        let wide: ArrayRef = Arc::new(wide.expect("a decimal"));
        let print = |row| Printer::Number.print(&wide, row).expect("printed");
        assert_eq!([0, 1, 2, 3].map(print), ["12.5", "12", "0", "-0.05"]);
        assert_eq!(number_text(1e16), "1e16");
    }

    #[test]
    fn marks_are_as_declared() {
        let wide =
            Decimal64Array::from(vec![123_456_789, -12_345, 100]).with_precision_and_scale(18, 2);
        let wide: ArrayRef = Arc::new(wide.expect("a decimal"));
        let german = Printer::Marked { scale: 2, point: ',', thousands: Some('.') };
        let print = |row| german.print(&wide, row).expect("printed");
        assert_eq!([0, 1, 2].map(print), ["1.234.567,89", "-123,45", "1,00"]);
        let json = serde_json::to_string(&german).expect("json");
        assert_eq!(serde_json::from_str::<Printer>(&json).expect("back"), german);
    }

    #[test]
    fn nulls_print_nothing() {
        let array: ArrayRef = Arc::new(Int64Array::from(vec![None, Some(7)]));
        assert_eq!(Printer::Integer.print(&array, 0), None);
        assert_eq!(Printer::Integer.print(&array, 1).as_deref(), Some("7"));
    }

    #[test]
    fn timestamps_print_in_their_own_zone() {
        let array: ArrayRef = Arc::new(TimestampMicrosecondArray::from(vec![-500_000]));
        let print = |fraction, zone: &str| {
            Printer::Timestamp { separator: 'T', fraction, zone: zone.to_owned() }.print(&array, 0)
        };
        assert_eq!(print(1, "+02:00").as_deref(), Some("1970-01-01T01:59:59.5+02:00"));
        assert_eq!(print(3, "").as_deref(), Some("1969-12-31T23:59:59.500"));
        assert_eq!(print(0, "Z"), None, "it would lose the fraction");
    }
}
