//! One column's values from canonical text into an Arrow array.

use std::sync::Arc;

use arrow_array::ArrayRef;
use arrow_array::builder::{
    BooleanBuilder, Date32Builder, Decimal64Builder, Decimal128Builder, Float64Builder,
    Int64Builder, StringBuilder, TimestampMicrosecondBuilder,
};

use super::arrow_type;
use crate::convert::infer::canonical;
use crate::schema::ColumnType;

/// A text is not canonical for the column's type, although the evidence said so: a bug.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a value does not fit the type its column was found to have")]
pub struct NotCanonical;

/// Gathers a column's values.
pub struct ColumnBuilder {
    values: Values,
    scale: u8,
}

/// A column's values so far, by its type.
#[allow(missing_docs, reason = "each is named after its column type")]
pub enum Values {
    Text(StringBuilder),
    Bool(BooleanBuilder),
    Int64(Int64Builder),
    Decimal64(Decimal64Builder),
    Decimal128(Decimal128Builder),
    Double(Float64Builder),
    Date(Date32Builder),
    Timestamp(TimestampMicrosecondBuilder),
}

/// A value that is not text, for the column type of the same name.
#[derive(Debug, Clone, Copy, PartialEq)]
#[allow(missing_docs, reason = "each is named after its column type")]
pub enum Typed {
    Bool(bool),
    Int64(i64),
    /// Units of the column's scale.
    Decimal(i128),
    Double(f64),
    /// Days since 1970-01-01.
    Date(i32),
    /// Microseconds since 1970-01-01.
    Timestamp(i64),
}

impl ColumnBuilder {
    /// An empty column.
    pub fn new(kind: ColumnType) -> Self {
        Self::with_capacity(kind, 0)
    }

    /// An empty column with room for so many values.
    pub fn with_capacity(kind: ColumnType, rows: usize) -> Self {
        let (arrow, mut column_scale) = (arrow_type(kind), 0);
        let values = match kind {
            ColumnType::Empty | ColumnType::Text => {
                Values::Text(StringBuilder::with_capacity(rows, 0))
            }
            ColumnType::Bool => Values::Bool(BooleanBuilder::with_capacity(rows)),
            ColumnType::Int64 => Values::Int64(Int64Builder::with_capacity(rows)),
            ColumnType::Decimal { precision, scale } => {
                column_scale = scale;
                if precision <= 18 {
                    let builder = Decimal64Builder::with_capacity(rows);
                    Values::Decimal64(builder.with_data_type(arrow))
                } else {
                    let builder = Decimal128Builder::with_capacity(rows);
                    Values::Decimal128(builder.with_data_type(arrow))
                }
            }
            ColumnType::Double => Values::Double(Float64Builder::with_capacity(rows)),
            ColumnType::Date => Values::Date(Date32Builder::with_capacity(rows)),
            ColumnType::Timestamp { .. } => {
                let builder = TimestampMicrosecondBuilder::with_capacity(rows);
                Values::Timestamp(builder.with_data_type(arrow))
            }
        };
        Self { values, scale: column_scale }
    }

    /// The values, for who has parsed them, and the scale of a decimal.
    pub fn values_mut(&mut self) -> (&mut Values, u8) {
        (&mut self.values, self.scale)
    }

    /// Adds a value's text. An empty one is null; a quoted empty one is an empty text in a text
    /// column.
    ///
    /// # Errors
    /// When the text is not canonical for the column's type.
    pub fn push(&mut self, text: &str, quoted: bool) -> Result<(), NotCanonical> {
        if let Values::Text(builder) = &mut self.values {
            builder.append_option((quoted || !text.is_empty()).then_some(text));
            return Ok(());
        }
        if text.is_empty() {
            self.push_null();
            return Ok(());
        }
        self.push_canonical(text.as_bytes()).ok_or(NotCanonical)
    }

    /// Adds a value that is not text.
    ///
    /// # Errors
    /// When it is not of the column's type.
    pub fn push_typed(&mut self, value: Typed) -> Result<(), NotCanonical> {
        match (&mut self.values, value) {
            (Values::Bool(builder), Typed::Bool(value)) => builder.append_value(value),
            (Values::Int64(builder), Typed::Int64(value)) => builder.append_value(value),
            (Values::Decimal64(builder), Typed::Decimal(units)) => {
                builder.append_value(i64::try_from(units).map_err(|_wide| NotCanonical)?);
            }
            (Values::Decimal128(builder), Typed::Decimal(units)) => builder.append_value(units),
            (Values::Double(builder), Typed::Double(value)) => builder.append_value(value),
            (Values::Date(builder), Typed::Date(days)) => builder.append_value(days),
            (Values::Timestamp(builder), Typed::Timestamp(micros)) => builder.append_value(micros),
            (_other, _value) => return Err(NotCanonical),
        }
        Ok(())
    }

    fn push_canonical(&mut self, text: &[u8]) -> Option<()> {
        match &mut self.values {
            Values::Text(_) => return None,
            Values::Bool(builder) => builder.append_value(canonical::boolean(text)?.0),
            Values::Int64(builder) => builder.append_value(canonical::int(text)?),
            Values::Decimal64(builder) => {
                builder.append_value(i64::try_from(scaled(text, self.scale)?).ok()?);
            }
            Values::Decimal128(builder) => builder.append_value(scaled(text, self.scale)?),
            Values::Double(builder) => builder.append_value(canonical::double(text)?),
            Values::Date(builder) => builder.append_value(canonical::date(text)?),
            Values::Timestamp(builder) => builder.append_value(canonical::moment(text)?.0),
        }
        Some(())
    }

    /// Adds a null.
    pub fn push_null(&mut self) {
        match &mut self.values {
            Values::Text(builder) => builder.append_null(),
            Values::Bool(builder) => builder.append_null(),
            Values::Int64(builder) => builder.append_null(),
            Values::Decimal64(builder) => builder.append_null(),
            Values::Decimal128(builder) => builder.append_null(),
            Values::Double(builder) => builder.append_null(),
            Values::Date(builder) => builder.append_null(),
            Values::Timestamp(builder) => builder.append_null(),
        }
    }

    /// The array of the values so far; the column is empty again.
    pub fn finish(&mut self) -> ArrayRef {
        match &mut self.values {
            Values::Text(builder) => Arc::new(builder.finish()),
            Values::Bool(builder) => Arc::new(builder.finish()),
            Values::Int64(builder) => Arc::new(builder.finish()),
            Values::Decimal64(builder) => Arc::new(builder.finish()),
            Values::Decimal128(builder) => Arc::new(builder.finish()),
            Values::Double(builder) => Arc::new(builder.finish()),
            Values::Date(builder) => Arc::new(builder.finish()),
            Values::Timestamp(builder) => Arc::new(builder.finish()),
        }
    }
}

/// A number as units of the column's scale, which is at least its own.
fn scaled(text: &[u8], scale: u8) -> Option<i128> {
    let fixed = canonical::fixed(text)?;
    let surplus = u32::from(scale.checked_sub(fixed.scale)?);
    if surplus == 0 {
        return Some(fixed.unscaled);
    }
    fixed.unscaled.checked_mul(10_i128.checked_pow(surplus)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::convert::infer::Printer;

    #[test]
    fn narrow_numbers_are_scaled_to_their_column() {
        let mut column = ColumnBuilder::new(ColumnType::Decimal { precision: 18, scale: 2 });
        for text in ["7", "1.5", "", "-0.05"] {
            column.push(text, false).expect("fits");
        }
        assert_eq!(column.push("1.555", false), Err(NotCanonical));
        let array = column.finish();
        let print = |row| Printer::Decimal { scale: 2 }.print(&array, row);
        assert_eq!(
            [0, 1, 2, 3].map(print),
            [Some("7.00".to_owned()), Some("1.50".to_owned()), None, Some("-0.05".to_owned())]
        );
    }

    #[test]
    fn only_text_tells_empty_from_nothing() {
        let mut text = ColumnBuilder::new(ColumnType::Text);
        text.push("", false).expect("null");
        text.push("", true).expect("empty");
        let array = text.finish();
        let print = |row| Printer::Text.print(&array, row);
        assert_eq!([print(0), print(1)], [None, Some(String::new())]);
        let mut number = ColumnBuilder::new(ColumnType::Int64);
        number.push("", true).expect("null");
        assert_eq!(number.finish().null_count(), 1);
    }
}
