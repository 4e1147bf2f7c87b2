//! Records into Arrow arrays of the planned types.

use std::collections::HashMap;
use std::sync::Arc;

use arrow_array::{ArrayRef, ListArray, StructArray};
use arrow_buffer::{NullBuffer, OffsetBuffer, ScalarBuffer};
use arrow_schema::ArrowError;

use super::judged::cell;
use super::node::{Node, Value};
use super::records::Record;
use crate::convert::contract::{Rule, Rules};
use crate::convert::sticky::Planned;
use crate::convert::table::{ColumnBuilder, NotCanonical, Origin, item_field, struct_fields};
use crate::schema::{ColumnType, Nested, NestedField};

/// Records and bytes of JSON after which a batch is written. They depend on the text alone.
const BATCH_ROWS: usize = 8192;
const BATCH_BYTES: usize = 8 << 20;

/// Records that are written together.
pub(super) struct Batch {
    columns: Vec<Builder>,
    /// For each key, its column.
    places: HashMap<String, usize>,
    /// For each column, how its values are read when a contract declares it.
    rules: Vec<Option<Arc<Rule>>>,
    /// For each column, the last row that has it.
    filled: Vec<usize>,
    pub(super) origin: Origin,
    bytes: usize,
}

impl Batch {
    /// An empty batch; `rules` are those of the keys, in their order.
    pub(super) fn new(plan: &[Planned], keys: &[String], rules: Option<&Rules>) -> Self {
        let rule = |planned: &Planned| rules?.column(planned.source?).cloned();
        let builder = |planned: &Planned| match &planned.column.nested {
            Some(nested) => Builder::new(nested),
            None => Builder::value(planned.column.kind),
        };
        let place = |(at, planned): (usize, &Planned)| {
            planned.source.and_then(|source| keys.get(source)).map(|key| (key.clone(), at))
        };
        Self {
            columns: plan.iter().map(builder).collect(),
            places: plan.iter().enumerate().filter_map(place).collect(),
            rules: plan.iter().map(rule).collect(),
            filled: vec![0; plan.len()],
            origin: Origin::default(),
            bytes: 0,
        }
    }

    pub(super) fn is_full(&self) -> bool {
        self.origin.records.len() >= BATCH_ROWS || self.bytes >= BATCH_BYTES
    }

    /// Adds a record.
    pub(super) fn push(&mut self, record: &Record<'_>) -> Result<(), NotCanonical> {
        self.origin.records.push(i64::try_from(record.number).unwrap_or(i64::MAX));
        self.origin.lines.push(i64::try_from(record.line).unwrap_or(i64::MAX));
        let row = self.origin.records.len();
        for (key, node) in &record.object {
            let at = *self.places.get(key).ok_or(NotCanonical)?;
            let column = self.columns.get_mut(at).ok_or(NotCanonical)?;
            match (self.rules.get(at).and_then(Option::as_ref), column) {
                (Some(rule), Builder::Value(column)) => rule.push(&cell(node), column)?,
                (_, column) => column.push(Some(node))?,
            }
            *self.filled.get_mut(at).ok_or(NotCanonical)? = row;
            self.bytes += node.raw.len();
        }
        for (column, filled) in self.columns.iter_mut().zip(&mut self.filled) {
            if *filled < row {
                column.push(None)?;
                *filled = row;
            }
        }
        Ok(())
    }

    /// The arrays of what there is.
    pub(super) fn finish(&mut self) -> Result<Vec<ArrayRef>, ArrowError> {
        self.filled.fill(0);
        self.bytes = 0;
        self.columns.iter_mut().map(Builder::finish).collect()
    }
}

/// Gathers the values of one place.
enum Builder {
    /// Each by its text.
    Value(ColumnBuilder),
    /// Each as its JSON text.
    Json(ColumnBuilder),
    List {
        item: Nested,
        builder: Box<Builder>,
        ends: Vec<i32>,
        valid: Vec<bool>,
    },
    Struct {
        fields: Vec<NestedField>,
        builders: Vec<Builder>,
        valid: Vec<bool>,
    },
}

impl Builder {
    fn value(kind: ColumnType) -> Self {
        Self::Value(ColumnBuilder::new(kind))
    }

    fn new(nested: &Nested) -> Self {
        match nested {
            Nested::Value(kind) => Self::value(*kind),
            Nested::Json => Self::Json(ColumnBuilder::new(ColumnType::Text)),
            Nested::List(item) => Self::List {
                item: (**item).clone(),
                builder: Box::new(Self::new(item)),
                ends: vec![0],
                valid: Vec::new(),
            },
            Nested::Struct(fields) => Self::Struct {
                builders: fields.iter().map(|field| Self::new(&field.kind)).collect(),
                fields: fields.clone(),
                valid: Vec::new(),
            },
        }
    }

    fn push(&mut self, node: Option<&Node<'_>>) -> Result<(), NotCanonical> {
        let node = node.filter(|node| !matches!(node.value, Value::Null));
        match (self, node) {
            (Self::Value(column) | Self::Json(column), None) => column.push_null(),
            (Self::Json(column), Some(node)) => column.push(node.raw, true)?,
            (Self::Value(column), Some(Node { value: Value::Text(text), .. })) => {
                column.push(text, true)?;
            }
            (Self::Value(column), Some(Node { raw, value: Value::Bool | Value::Number })) => {
                column.push(raw, false)?;
            }
            (Self::List { builder, ends, valid, .. }, node) => {
                let items = match node.map(|node| &node.value) {
                    None => &[][..],
                    Some(Value::List(items)) => items,
                    Some(_other) => return Err(NotCanonical),
                };
                valid.push(node.is_some());
                items.iter().try_for_each(|item| builder.push(Some(item)))?;
                let end = ends.last().copied().unwrap_or(0);
                let count = i32::try_from(items.len()).map_err(|_too_many| NotCanonical)?;
                ends.push(end.checked_add(count).ok_or(NotCanonical)?);
            }
            (Self::Struct { fields, builders, valid }, node) => {
                let object = match node.map(|node| &node.value) {
                    None => None,
                    Some(Value::Object(object)) => Some(object),
                    Some(_other) => return Err(NotCanonical),
                };
                valid.push(object.is_some());
                let of_key = |key: &str| {
                    let entry = object?.iter().find(|(of, _)| of == key)?;
                    Some(&entry.1)
                };
                let mut pairs = fields.iter().zip(builders);
                pairs.try_for_each(|(field, builder)| builder.push(of_key(&field.key)))?;
            }
            (Self::Value(_), Some(_other)) => return Err(NotCanonical),
        }
        Ok(())
    }

    fn finish(&mut self) -> Result<ArrayRef, ArrowError> {
        Ok(match self {
            Self::Value(column) | Self::Json(column) => column.finish(),
            Self::List { item, builder, ends, valid } => {
                let ends = std::mem::replace(ends, vec![0]);
                let offsets = OffsetBuffer::new(ScalarBuffer::from(ends));
                let nulls = Some(NullBuffer::from(std::mem::take(valid)));
                let array =
                    ListArray::try_new(item_field(item), offsets, builder.finish()?, nulls)?;
                Arc::new(array)
            }
            Self::Struct { fields, builders, valid } => {
                let nulls = Some(NullBuffer::from(std::mem::take(valid)));
                let arrays = builders.iter_mut().map(Self::finish).collect::<Result<_, _>>()?;
                Arc::new(StructArray::try_new(struct_fields(fields), arrays, nulls)?)
            }
        })
    }
}
