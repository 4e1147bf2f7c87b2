//! One value of a Parquet file, whatever its column's width and unit.

use std::borrow::Cow;

use arrow_array::cast::AsArray;
use arrow_array::types::{
    Date32Type, Decimal32Type, Decimal64Type, Decimal128Type, Float32Type, Float64Type, Int8Type,
    Int16Type, Int32Type, Int64Type, TimestampMicrosecondType, TimestampMillisecondType,
    TimestampNanosecondType, TimestampSecondType, UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};
use arrow_array::{Array, ArrayRef};
use arrow_schema::{DataType, TimeUnit};

use crate::convert::infer::Printer;
use crate::convert::infer::printer::{date_text, moment_text};
use crate::convert::table::{ColumnBuilder, NotCanonical, Typed, Values};
use crate::schema::ColumnType;

const NANOS: i64 = 1_000;

/// How a column's values lie in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Physical {
    Text,
    LargeText,
    Bool,
    Int8,
    Int16,
    Int32,
    Int64,
    UInt8,
    UInt16,
    UInt32,
    UInt64,
    Decimal32 { scale: u8 },
    Decimal64 { scale: u8 },
    Decimal128 { scale: u8 },
    Float,
    Double,
    Date,
    Timestamp { unit: TimeUnit, utc: bool },
}

impl Physical {
    /// `None` for a type that is not converted.
    #[allow(clippy::wildcard_enum_match_arm, reason = "Arrow's types are many, and not ours")]
    pub(super) fn of(kind: &DataType) -> Option<Self> {
        let scale = |scale: i8| u8::try_from(scale).ok();
        Some(match kind {
            DataType::Utf8 => Self::Text,
            DataType::LargeUtf8 => Self::LargeText,
            DataType::Boolean => Self::Bool,
            DataType::Int8 => Self::Int8,
            DataType::Int16 => Self::Int16,
            DataType::Int32 => Self::Int32,
            DataType::Int64 => Self::Int64,
            DataType::UInt8 => Self::UInt8,
            DataType::UInt16 => Self::UInt16,
            DataType::UInt32 => Self::UInt32,
            DataType::UInt64 => Self::UInt64,
            DataType::Decimal32(_, s) => Self::Decimal32 { scale: scale(*s)? },
            DataType::Decimal64(_, s) => Self::Decimal64 { scale: scale(*s)? },
            DataType::Decimal128(_, s) => Self::Decimal128 { scale: scale(*s)? },
            DataType::Float32 => Self::Float,
            DataType::Float64 => Self::Double,
            DataType::Date32 => Self::Date,
            DataType::Timestamp(unit, zone) => Self::Timestamp { unit: *unit, utc: zone.is_some() },
            _other => return None,
        })
    }

    /// The value of a row of an array of this kind.
    pub(super) fn value(self, array: &ArrayRef, row: usize) -> Value<'_> {
        self.present(array, row).filter(|_| array.is_valid(row)).unwrap_or(Value::Null)
    }

    fn present(self, array: &ArrayRef, row: usize) -> Option<Value<'_>> {
        macro_rules! at {
            ($kind:ty) => {
                array.as_primitive_opt::<$kind>()?.value(row)
            };
        }
        Some(match self {
            Self::Text => Value::Text(array.as_string_opt::<i32>()?.value(row)),
            Self::LargeText => Value::Text(array.as_string_opt::<i64>()?.value(row)),
            Self::Bool => Value::Bool(array.as_boolean_opt()?.value(row)),
            Self::Int8 => Value::Int(at!(Int8Type).into()),
            Self::Int16 => Value::Int(at!(Int16Type).into()),
            Self::Int32 => Value::Int(at!(Int32Type).into()),
            Self::Int64 => Value::Int(at!(Int64Type)),
            Self::UInt8 => Value::Int(at!(UInt8Type).into()),
            Self::UInt16 => Value::Int(at!(UInt16Type).into()),
            Self::UInt32 => Value::Int(at!(UInt32Type).into()),
            Self::UInt64 => Value::Units { units: at!(UInt64Type).into(), scale: 0 },
            Self::Decimal32 { scale } => Value::Units { units: at!(Decimal32Type).into(), scale },
            Self::Decimal64 { scale } => Value::Units { units: at!(Decimal64Type).into(), scale },
            Self::Decimal128 { scale } => Value::Units { units: at!(Decimal128Type), scale },
            Self::Float => Value::Double(at!(Float32Type).into()),
            Self::Double => Value::Double(at!(Float64Type)),
            Self::Date => Value::Date(at!(Date32Type)),
            Self::Timestamp { unit: TimeUnit::Second, .. } => {
                Value::in_micros(at!(TimestampSecondType), 1_000_000)
            }
            Self::Timestamp { unit: TimeUnit::Millisecond, .. } => {
                Value::in_micros(at!(TimestampMillisecondType), 1_000)
            }
            Self::Timestamp { unit: TimeUnit::Microsecond, .. } => {
                Value::in_micros(at!(TimestampMicrosecondType), 1)
            }
            Self::Timestamp { unit: TimeUnit::Nanosecond, .. } => {
                let nanos = at!(TimestampNanosecondType);
                let (micros, nanos) = (nanos.div_euclid(NANOS), nanos.rem_euclid(NANOS));
                Value::Moment { micros, nanos: i32::try_from(nanos).unwrap_or(0) }
            }
        })
    }
}

/// A value.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Value<'a> {
    Null,
    Text(&'a str),
    Bool(bool),
    Int(i64),
    /// So many units of a scale.
    Units {
        units: i128,
        scale: u8,
    },
    Double(f64),
    Date(i32),
    /// Microseconds since 1970-01-01, and nanoseconds below them.
    Moment {
        micros: i64,
        nanos: i32,
    },
    /// A time beyond what microseconds reach, in its own unit.
    FarMoment(i64),
}

impl Value<'_> {
    fn in_micros(value: i64, micros: i64) -> Self {
        match value.checked_mul(micros) {
            Some(micros) => Self::Moment { micros, nanos: 0 },
            None => Self::FarMoment(value),
        }
    }

    /// Its text; `None` for null.
    pub(super) fn text(&self) -> Option<String> {
        Some(match self {
            Self::Null => return None,
            Self::Text(text) => (*text).to_owned(),
            Self::Bool(value) => value.to_string(),
            Self::Int(value) | Self::FarMoment(value) => value.to_string(),
            Self::Units { units, scale } => decimal_text(*units, *scale),
            Self::Double(value) => format!("{value:?}"),
            Self::Date(days) => date_text(*days),
            Self::Moment { micros, nanos: 0 } => moment_text(*micros),
            Self::Moment { micros, nanos } => {
                let (second, fraction) =
                    (micros.div_euclid(1_000_000), micros.rem_euclid(1_000_000));
                format!("{}.{fraction:06}{nanos:03}", moment_text(second * 1_000_000))
            }
        })
    }

    /// Adds it to a column whose type it fits.
    pub(super) fn push(&self, to: &mut ColumnBuilder) -> Result<(), NotCanonical> {
        let (values, scale) = to.values_mut();
        if matches!(values, Values::Text(_)) {
            let text = if let Self::Text(text) = self {
                Some(Cow::Borrowed(*text))
            } else {
                self.text().map(Cow::Owned)
            };
            return match text {
                Some(text) => to.push(&text, true),
                None => {
                    to.push_null();
                    Ok(())
                }
            };
        }
        let is_decimal = matches!(values, Values::Decimal64(_) | Values::Decimal128(_));
        let typed = match *self {
            Self::Null => {
                to.push_null();
                return Ok(());
            }
            Self::Bool(value) => Typed::Bool(value),
            Self::Int(value) if is_decimal => {
                Typed::Decimal(scaled(value.into(), 0, scale).ok_or(NotCanonical)?)
            }
            Self::Int(value) => Typed::Int64(value),
            Self::Units { units, scale: from } => {
                Typed::Decimal(scaled(units, from, scale).ok_or(NotCanonical)?)
            }
            Self::Double(value) => Typed::Double(value),
            Self::Date(days) => Typed::Date(days),
            Self::Moment { micros, nanos: 0 } => Typed::Timestamp(micros),
            Self::Text(_) | Self::Moment { .. } | Self::FarMoment(_) => return Err(NotCanonical),
        };
        to.push_typed(typed)
    }
}

/// Units of a scale in units of another that is at least as fine.
pub(super) fn scaled(units: i128, from: u8, to: u8) -> Option<i128> {
    units.checked_mul(10_i128.checked_pow(u32::from(to.checked_sub(from)?))?)
}

fn decimal_text(units: i128, scale: u8) -> String {
    let digits = format!("{:0width$}", units.unsigned_abs(), width = usize::from(scale) + 1);
    let (whole, fraction) = digits.split_at(digits.len() - usize::from(scale));
    let point = if fraction.is_empty() { "" } else { "." };
    format!("{}{whole}{point}{fraction}", if units < 0 { "-" } else { "" })
}

/// What prints the values of a column of a published type.
pub(super) fn printer(kind: ColumnType) -> Printer {
    match kind {
        ColumnType::Empty | ColumnType::Text => Printer::Text,
        ColumnType::Bool => Printer::Bool { yes: "true".to_owned(), no: "false".to_owned() },
        ColumnType::Int64 => Printer::Integer,
        ColumnType::Decimal { scale, .. } => Printer::Decimal { scale },
        ColumnType::Double => Printer::Double,
        ColumnType::Date => Printer::Date,
        ColumnType::Timestamp { utc } => {
            let zone = if utc { "Z" } else { "" }.to_owned();
            Printer::Timestamp { separator: 'T', fraction: 6, zone }
        }
    }
}
