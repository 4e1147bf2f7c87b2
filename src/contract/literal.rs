//! One value as a contract writes it: a bound, an allowed value.
//!
//! Written as in TOML or JSON, whatever the files write: `12.50`, `2026-01-31`, `true`.

use jiff::civil;
use serde::{Deserialize, Serialize};

use super::Form;

/// A value of a declared column's type.
#[derive(Debug, Clone, PartialEq, PartialOrd, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Literal {
    /// Of a text column.
    Text(String),
    /// Of an int64 column.
    Int64(i64),
    /// Of a decimal column: units of its scale.
    Decimal(i128),
    /// Of a double column; finite.
    Double(f64),
    /// Days since 1970-01-01.
    Date(i32),
    /// Microseconds since 1970-01-01, of a local or an instant's time.
    Timestamp(i64),
    /// Of a bool column.
    Bool(bool),
}

impl Literal {
    /// Reads a value of a column of this form.
    ///
    /// # Errors
    /// What it must be instead.
    pub fn new(form: &Form, text: &str) -> Result<Self, String> {
        let not = |what: &str| format!("must be {what}, not `{text}`");
        match form {
            Form::Text => Ok(Self::Text(text.to_owned())),
            Form::Int64(_) => text.parse().map(Self::Int64).map_err(|_bad| not("a whole number")),
            Form::Decimal { precision, scale, .. } => {
                let units = units(text, *precision, *scale).map(Self::Decimal);
                units.ok_or_else(|| {
                    not(&format!(
                        "a decimal of at most {scale} digits after the point and {precision} in all"
                    ))
                })
            }
            Form::Double(_) => match text.parse::<f64>() {
                Ok(value) if value.is_finite() => Ok(Self::Double(value)),
                Ok(_) | Err(_) => Err(not("a number")),
            },
            Form::Date(_) => {
                day(text).map(Self::Date).ok_or_else(|| not("a day such as 2026-01-31"))
            }
            Form::Timestamp { utc: false, .. } => {
                let micros = text.parse::<civil::DateTime>().ok().and_then(local_micros);
                micros.map(Self::Timestamp).ok_or_else(|| not("a time such as 2026-01-31T10:00:00"))
            }
            Form::Timestamp { utc: true, .. } => {
                let at = text.parse::<jiff::Timestamp>().map(jiff::Timestamp::as_microsecond);
                at.map(Self::Timestamp).map_err(|_bad| not("a time such as 2026-01-31T10:00:00Z"))
            }
            Form::Bool { .. } => text.parse().map(Self::Bool).map_err(|_bad| not("true or false")),
        }
    }
}

fn day(text: &str) -> Option<i32> {
    // A time behind the day would be read and forgotten.
    let day: civil::Date = text.parse().ok().filter(|_| text.len() == 10)?;
    let since = day.since((jiff::Unit::Day, civil::date(1970, 1, 1))).ok()?;
    Some(since.get_days())
}

fn local_micros(at: civil::DateTime) -> Option<i64> {
    Some(at.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp().as_microsecond())
}

/// A decimal as units of a scale, exactly; `None` when digits would be lost or are too many.
fn units(text: &str, precision: u8, scale: u8) -> Option<i128> {
    let (negative, digits) = match text.strip_prefix(['-', '+']) {
        Some(digits) => (text.starts_with('-'), digits),
        None => (false, text),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
    let is_digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    let kept = fraction.trim_end_matches('0');
    if !is_digits(whole) || !is_digits(fraction) || kept.len() > usize::from(scale) {
        return None;
    }
    let padded = format!("{whole}{kept:0<width$}", width = usize::from(scale));
    let value: i128 = padded.parse().ok()?;
    let fits = value < 10_i128.checked_pow(u32::from(precision))?;
    fits.then_some(if negative { -value } else { value })
}

#[cfg(test)]
mod tests {
    use super::super::{Marks, TimeFormat};
    use super::*;

    #[test]
    fn each_type_has_its_values() {
        let marks = Marks { point: ',', thousands: Some('.') };
        let money = Form::Decimal { precision: 10, scale: 2, marks };
        let of = |form: &Form, text| Literal::new(form, text).ok();
        assert_eq!(of(&money, "12.5"), Some(Literal::Decimal(1250)));
        assert_eq!(of(&money, "-0.05"), Some(Literal::Decimal(-5)));
        assert_eq!(of(&money, "99999999.99"), Some(Literal::Decimal(9_999_999_999)));
        for bad in ["100000000", "1.005", "1,5", "", "-", ".5", "1e3"] {
            assert_eq!(of(&money, bad), None, "{bad}");
        }
        let date = Form::Date(TimeFormat::iso_date());
        assert_eq!(of(&date, "2000-02-29"), Some(Literal::Date(11_016)));
        assert_eq!(of(&date, "1969-12-31"), Some(Literal::Date(-1)));
        assert_eq!(of(&date, "29.02.2000"), None);
        let utc = Form::Timestamp { format: None, utc: true };
        assert_eq!(of(&utc, "1970-01-01T02:00:00+02:00"), Some(Literal::Timestamp(0)));
        let local = Form::Timestamp { format: None, utc: false };
        assert_eq!(of(&local, "1970-01-01T00:00:01"), Some(Literal::Timestamp(1_000_000)));
        assert_eq!(of(&Form::Double(Marks::default()), "inf"), None);
        assert!(Literal::Decimal(-5) < Literal::Decimal(3));
    }
}
