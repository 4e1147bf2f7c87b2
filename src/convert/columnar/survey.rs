//! What was seen of one column: whether every value fits a type.

use arrow_array::{Array, ArrayRef};

use super::value::{Physical, Value, scaled};
use crate::convert::Limits;
use crate::convert::infer::Fit;
use crate::diagnostic::{Code, Diagnostic};
use crate::schema::ColumnType;

/// Digits of the narrower decimal, and of the wider.
const NARROW: u8 = 18;
const WIDE: u8 = 38;

/// What was seen of one column.
#[derive(Debug, Clone)]
pub(super) struct Seen {
    physical: Physical,
    /// Nulls.
    pub(super) nulls: u64,
    /// The greatest number of units without its sign.
    units_max: u128,
    /// Whether a time is finer than a microsecond, or too far away for them.
    has_odd_moment: bool,
}

impl Seen {
    pub(super) fn of(physical: Physical) -> Self {
        Self { physical, nulls: 0, units_max: 0, has_odd_moment: false }
    }

    /// Takes the values of a batch.
    ///
    /// # Errors
    /// C105: one is too long.
    pub(super) fn take(&mut self, array: &ArrayRef, limits: &Limits) -> Result<(), Diagnostic> {
        self.nulls += array.null_count() as u64;
        for row in 0..array.len() {
            match self.physical.value(array, row) {
                Value::Text(text) if text.len() as u64 > limits.cell_bytes => {
                    let what = format!("a value exceeds cell_bytes = {}", limits.cell_bytes);
                    return Err(Diagnostic::error(Code::C105, what).fact("limit", "cell_bytes"));
                }
                Value::Int(value) => {
                    self.units_max = self.units_max.max(value.unsigned_abs().into())
                }
                Value::Units { units, .. } => {
                    self.units_max = self.units_max.max(units.unsigned_abs());
                }
                Value::Moment { nanos, .. } => self.has_odd_moment |= nanos != 0,
                Value::FarMoment(_) => self.has_odd_moment = true,
                Value::Null
                | Value::Text(_)
                | Value::Bool(_)
                | Value::Double(_)
                | Value::Date(_) => {}
            }
        }
        Ok(())
    }

    /// Why the column has its type.
    pub(super) fn why(&self) -> String {
        let why = if self.has_odd_moment {
            "it has times that microseconds do not hold"
        } else {
            "the file's own type"
        };
        why.to_owned()
    }

    /// Whether every value, of this scale, has at most so many digits at another scale.
    fn fits_digits(&self, from: u8, (precision, scale): (u8, u8)) -> bool {
        let units = i128::try_from(self.units_max).ok();
        let at = units.and_then(|units| scaled(units, from, scale));
        let end = 10_i128.checked_pow(precision.into());
        at.zip(end).is_some_and(|(units, end)| units < end)
    }

    fn scale(&self) -> Option<u8> {
        match self.physical {
            Physical::Decimal32 { scale }
            | Physical::Decimal64 { scale }
            | Physical::Decimal128 { scale } => Some(scale),
            Physical::UInt64 => Some(0),
            Physical::Text
            | Physical::LargeText
            | Physical::Bool
            | Physical::Int8
            | Physical::Int16
            | Physical::Int32
            | Physical::Int64
            | Physical::UInt8
            | Physical::UInt16
            | Physical::UInt32
            | Physical::Float
            | Physical::Double
            | Physical::Date
            | Physical::Timestamp { .. } => None,
        }
    }
}

impl Fit for Seen {
    fn own(&self) -> ColumnType {
        match self.physical {
            Physical::Text | Physical::LargeText => ColumnType::Text,
            Physical::Bool => ColumnType::Bool,
            Physical::Int8
            | Physical::Int16
            | Physical::Int32
            | Physical::Int64
            | Physical::UInt8
            | Physical::UInt16
            | Physical::UInt32 => ColumnType::Int64,
            Physical::UInt64 => ColumnType::Decimal { precision: WIDE, scale: 0 },
            Physical::Decimal32 { scale } | Physical::Decimal64 { scale } => {
                ColumnType::Decimal { precision: NARROW, scale }
            }
            Physical::Decimal128 { scale } => ColumnType::Decimal { precision: WIDE, scale },
            Physical::Float | Physical::Double => ColumnType::Double,
            Physical::Date => ColumnType::Date,
            Physical::Timestamp { .. } if self.has_odd_moment => ColumnType::Text,
            Physical::Timestamp { utc, .. } => ColumnType::Timestamp { utc },
        }
    }

    fn fits(&self, target: ColumnType) -> bool {
        match (self.own(), target) {
            (_, ColumnType::Text | ColumnType::Empty) => true,
            (ColumnType::Int64, ColumnType::Decimal { precision, scale }) => {
                self.fits_digits(0, (precision, scale))
            }
            (ColumnType::Decimal { .. }, ColumnType::Decimal { precision, scale }) => {
                self.scale().is_some_and(|from| self.fits_digits(from, (precision, scale)))
            }
            (own, target) => own == target,
        }
    }
}
