//! JSON compared with its Parquet value by value.

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef};

use super::judged::cell;
use super::node::{Node, Value};
use super::open;
use super::records::{Record, Row};
use crate::convert::Job;
use crate::convert::contract::Cell;
use crate::convert::infer::canonical;
use crate::convert::infer::printer::date_text;
use crate::convert::prove::{Declared, Difference, Printed, Proof, Rejected};
use crate::convert::unpack::Parts;
use crate::diagnostic::Diagnostic;
use crate::schema::Nested;

/// Rows between two reports of progress.
const PROGRESS_ROWS: u64 = 4096;

/// Compares JSON with its Parquet.
///
/// # Errors
/// When one of them cannot be read.
pub(in crate::convert) fn prove(
    job: &Job,
    parts: &Parts,
    mut printed: Printed,
    rejected: &Rejected,
    progress: &mut dyn FnMut(u64),
) -> Result<Proof, Diagnostic> {
    let declared = Declared::new(job, &printed);
    let (mut cells, mut before) = (0, 0);
    for part in &parts.tables {
        let mut records = open(job, part, before)?;
        loop {
            let Record { line, object: record, .. } = match records.next()? {
                Row::Data(record) if rejected.has_record(record.number) => continue,
                Row::Data(record) => record,
                Row::Reject(_) | Row::Blank => continue,
                Row::End => break,
            };
            let different = |column: &str, source: Option<&str>, parquet| {
                let (member, column) = (part.member.clone(), column.to_owned());
                let source = source.map(str::to_owned);
                Ok(Proof::Different(Difference { member, line, column, source, parquet }))
            };
            if !printed.advance()? {
                return different("", record.first().map(|(_, node)| node.raw), None);
            }
            for (at, column) in printed.columns.iter().enumerate() {
                let node = record.iter().find(|(key, _)| *key == column.header);
                let node = node.map(|(_, node)| node);
                let Some((array, row)) = printed.cell(at) else { continue };
                let cell = node.map_or(Cell::Missing, cell);
                let holds = declared.holds((&printed, at), &cell);
                if !holds.unwrap_or_else(|| is_same(array, row, node, column.nested.as_ref())) {
                    return different(&column.name, node.map(|node| node.raw), printed.text(at));
                }
                cells += 1;
            }
            if printed.rows.is_multiple_of(PROGRESS_ROWS) {
                progress(printed.rows);
            }
        }
        before = records.count();
    }
    if printed.advance()? {
        let (line, column, parquet) = (0, String::new(), printed.text(0));
        let too_many = Difference { member: None, line, column, source: None, parquet };
        return Ok(Proof::Different(too_many));
    }
    Ok(Proof::Same { rows: printed.rows, cells })
}

/// Whether a cell holds exactly a JSON value.
fn is_same(array: &ArrayRef, row: usize, node: Option<&Node<'_>>, nested: Option<&Nested>) -> bool {
    let node = node.filter(|node| !matches!(node.value, Value::Null));
    let Some(node) = node else { return array.is_null(row) };
    match (nested, &node.value) {
        (Some(Nested::Json), _) => {
            let text = array.as_string_opt::<i32>();
            array.is_valid(row) && text.is_some_and(|text| text.value(row) == node.raw)
        }
        (Some(Nested::List(item)), Value::List(items)) => {
            let list = array.as_list_opt::<i32>().filter(|list| list.is_valid(row));
            list.map(|list| list.value(row)).is_some_and(|values| {
                let is_item = |(at, node)| is_same(&values, at, Some(node), Some(item));
                values.len() == items.len() && items.iter().enumerate().all(is_item)
            })
        }
        (Some(Nested::Struct(fields)), Value::Object(object)) => {
            let values = array.as_struct_opt().filter(|values| values.is_valid(row));
            values.is_some_and(|values| {
                fields.iter().zip(values.columns()).all(|(field, column)| {
                    let node = object.iter().find(|(key, _)| *key == field.key);
                    is_same(column, row, node.map(|(_, node)| node), Some(&field.kind))
                })
            })
        }
        (Some(Nested::Value(_)) | None, _) => is_same_value(array, row, node),
        (Some(Nested::List(_) | Nested::Struct(_)), _) => false,
    }
}

/// Whether a cell of one value holds it; an empty string is null where the column is typed.
fn is_same_value(array: &ArrayRef, row: usize, node: &Node<'_>) -> bool {
    use crate::convert::infer::Printer;
    use arrow_array::types::{Date32Type, Float64Type, TimestampMicrosecondType};
    let text = match &node.value {
        Value::Text(text) => text.as_ref(),
        Value::Null | Value::Bool | Value::Number => node.raw,
        Value::List(_) | Value::Object(_) => return false,
    };
    if let Some(texts) = array.as_string_opt::<i32>() {
        return texts.is_valid(row) && texts.value(row) == text;
    }
    if array.is_null(row) {
        return text.is_empty();
    }
    if let Some(bools) = array.as_boolean_opt() {
        return text == if bools.value(row) { "true" } else { "false" };
    }
    if let Some(doubles) = array.as_primitive_opt::<Float64Type>() {
        return format!("{:?}", doubles.value(row)) == text;
    }
    if let Some(dates) = array.as_primitive_opt::<Date32Type>() {
        return date_text(dates.value(row)) == text;
    }
    if let Some(moments) = array.as_primitive_opt::<TimestampMicrosecondType>() {
        let micros = canonical::moment(text.as_bytes()).map(|(micros, _)| micros);
        return micros == Some(moments.value(row));
    }
    let scale = canonical::fixed(text.as_bytes()).map_or(0, |fixed| fixed.scale);
    let printer = if scale == 0 { Printer::Integer } else { Printer::Decimal { scale } };
    printer.print(array, row).as_deref() == Some(text)
}
