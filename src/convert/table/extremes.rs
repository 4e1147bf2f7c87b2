//! The least and greatest value of each column, from a Parquet file's statistics: nothing is read
//! but its footer.
//!
//! Left out: bools, lists, structs. Long texts are cut, as the statistics cut them.

use std::cmp::Ordering;
use std::fs::File;

use arrow_array::cast::AsArray;
use arrow_array::types::{
    Date32Type, Decimal64Type, Decimal128Type, Float64Type, Int64Type, TimestampMicrosecondType,
};
use arrow_array::{ArrayRef, ArrowPrimitiveType};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::arrow::arrow_reader::statistics::StatisticsConverter;
use parquet::errors::ParquetError;
use serde::Deserialize;

use crate::convert::infer::Printer;

/// A column's least and greatest value as text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Extremes {
    /// The published name.
    pub name: String,
    /// The least value.
    pub least: String,
    /// The greatest value.
    pub greatest: String,
}

#[derive(Deserialize)]
struct Recorded {
    name: String,
    #[serde(flatten)]
    printer: Printer,
}

/// The extremes of the columns that have any.
///
/// # Errors
/// When it is not a Parquet file.
pub fn extremes(parquet: File) -> Result<Vec<Extremes>, ParquetError> {
    let builder = ParquetRecordBatchReaderBuilder::try_new(parquet)?;
    let metadata = builder.metadata();
    let entries = metadata.file_metadata().key_value_metadata();
    let recorded = entries.into_iter().flatten().find(|entry| entry.key == "landfall.columns");
    let recorded = recorded.and_then(|entry| entry.value.as_deref()).unwrap_or_default();
    let recorded: Vec<Recorded> = serde_json::from_str(recorded).unwrap_or_default();
    let of = |column: &Recorded| {
        let schemas = (builder.schema(), builder.parquet_schema());
        let statistics = StatisticsConverter::try_new(&column.name, schemas.0, schemas.1).ok()?;
        let groups = || metadata.row_groups();
        let least = statistics.row_group_mins(groups()).ok()?;
        let greatest = statistics.row_group_maxes(groups()).ok()?;
        Some(Extremes {
            name: column.name.clone(),
            least: column.printer.print(&least, furthest(&least, Ordering::Less)?)?,
            greatest: column.printer.print(&greatest, furthest(&greatest, Ordering::Greater)?)?,
        })
    };
    Ok(recorded.iter().filter_map(of).collect())
}

/// Where the least or greatest value of an array is.
fn furthest(array: &ArrayRef, wanted: Ordering) -> Option<usize> {
    let texts = array.as_string_opt::<i32>();
    of_type::<Int64Type>(array, wanted)
        .or_else(|| of_type::<Float64Type>(array, wanted))
        .or_else(|| of_type::<Date32Type>(array, wanted))
        .or_else(|| of_type::<TimestampMicrosecondType>(array, wanted))
        .or_else(|| of_type::<Decimal64Type>(array, wanted))
        .or_else(|| of_type::<Decimal128Type>(array, wanted))
        .or_else(|| texts.and_then(|texts| place(texts.iter(), wanted)))
}

fn of_type<T: ArrowPrimitiveType>(array: &ArrayRef, wanted: Ordering) -> Option<usize>
where
    T::Native: PartialOrd,
{
    array.as_primitive_opt::<T>().and_then(|values| place(values.iter(), wanted))
}

fn place<V: PartialOrd>(
    values: impl Iterator<Item = Option<V>>,
    wanted: Ordering,
) -> Option<usize> {
    let present = values.enumerate().filter_map(|(at, value)| Some((at, value?)));
    let further = |a: (usize, V), b: (usize, V)| {
        if b.1.partial_cmp(&a.1) == Some(wanted) { b } else { a }
    };
    present.reduce(further).map(|(at, _)| at)
}
