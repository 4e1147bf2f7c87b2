//! What was seen at one place of the records: a join over all values, commutative and associative
//! as that of delimited text.

use std::collections::HashMap;

use super::node::{Node, Object, Value};
use crate::convert::infer::{Empty, Evidence, Fit, Printer};
use crate::convert::{headers, sticky};
use crate::schema::{Column, ColumnType, Nested, NestedField};

/// Keys of an object that becomes a struct; with more it is JSON text, being a map of some kind.
pub const FIELDS_MAX: usize = 500;
/// Levels of structs and lists; what lies deeper is JSON text.
pub const DEPTH_MAX: usize = 12;

/// What was seen at one place.
#[derive(Debug, Default)]
pub struct Shape {
    /// Bools, numbers and strings.
    values: Evidence,
    bools: u64,
    numbers: u64,
    texts: u64,
    lists: u64,
    objects: u64,
    items: Option<Box<Shape>>,
    /// Items of all lists.
    items_count: u64,
    fields: Fields,
    /// Whether anything lies too deep.
    is_too_deep: bool,
}

/// The fields of objects by key, in the order they appeared.
#[derive(Debug, Default)]
pub(super) struct Fields {
    places: HashMap<String, usize>,
    pub(super) shapes: Vec<(String, Shape)>,
    is_too_wide: bool,
}

impl Fields {
    /// Fields of which nothing was seen yet.
    pub(super) fn of_keys(keys: &[String]) -> Self {
        let places = keys.iter().enumerate().map(|(at, key)| (key.clone(), at)).collect();
        let shapes = keys.iter().map(|key| (key.clone(), Shape::default())).collect();
        Self { places, shapes, is_too_wide: false }
    }

    /// Takes an object's fields.
    pub(super) fn take(&mut self, object: &Object<'_>, line: u64, depth: usize, max: usize) {
        for (key, node) in object {
            let at = match self.places.get(key) {
                Some(at) => *at,
                None if self.shapes.len() >= max => {
                    self.is_too_wide = true;
                    continue;
                }
                None => {
                    self.places.insert(key.clone(), self.shapes.len());
                    self.shapes.push((key.clone(), Shape::default()));
                    self.shapes.len() - 1
                }
            };
            if let Some((_, shape)) = self.shapes.get_mut(at) {
                shape.take(node, line, depth);
            }
        }
    }

    pub(super) fn settle(&mut self, objects: u64) {
        self.shapes.iter_mut().for_each(|(_, shape)| shape.settle(objects));
    }
}

/// The kind of all values at a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Nothing,
    Value,
    List,
    Object,
    Mixed,
}

impl Shape {
    fn take(&mut self, node: &Node<'_>, line: u64, depth: usize) {
        match &node.value {
            Value::Null => {}
            Value::Bool => {
                self.bools += 1;
                self.values.observe(node.raw, false, line);
            }
            Value::Number => {
                self.numbers += 1;
                self.values.observe(node.raw, false, line);
            }
            Value::Text(text) => {
                self.texts += 1;
                self.values.observe(text, true, line);
            }
            Value::List(_) | Value::Object(_) if depth >= DEPTH_MAX => self.is_too_deep = true,
            Value::List(items) => {
                self.lists += 1;
                self.items_count += items.len() as u64;
                let shape = self.items.get_or_insert_default();
                items.iter().for_each(|item| shape.take(item, line, depth + 1));
            }
            Value::Object(object) => {
                self.objects += 1;
                self.fields.take(object, line, depth + 1, FIELDS_MAX);
            }
        }
    }

    /// Ends the looking: of so many places, those without a value are null.
    fn settle(&mut self, places: u64) {
        self.values.miss(places.saturating_sub(self.present()));
        if let Some(items) = &mut self.items {
            items.settle(self.items_count);
        }
        self.fields.settle(self.objects);
    }

    fn present(&self) -> u64 {
        self.bools + self.numbers + self.texts + self.lists + self.objects
    }

    fn kind(&self) -> Kind {
        let kinds = [
            (self.bools, Kind::Value),
            (self.numbers, Kind::Value),
            (self.texts, Kind::Value),
            (self.lists, Kind::List),
            (self.objects, Kind::Object),
        ];
        let mut seen = kinds.into_iter().filter(|(count, _)| *count > 0);
        let is_odd = self.is_too_deep
            || self.fields.is_too_wide
            || (self.objects > 0 && self.fields.shapes.is_empty());
        match (seen.next(), seen.next()) {
            _ if is_odd => Kind::Mixed,
            (None, _) => Kind::Nothing,
            (Some((_, kind)), None) => kind,
            (Some(_), Some(_)) => Kind::Mixed,
        }
    }

    /// The type of these values alone.
    fn alone(&self) -> Nested {
        match self.kind() {
            Kind::Nothing => Nested::Value(ColumnType::Empty),
            Kind::Value => Nested::Value(self.own()),
            Kind::Mixed => Nested::Json,
            Kind::List => {
                let item = self.items.as_ref().map(|items| items.alone());
                Nested::List(Box::new(item.unwrap_or(Nested::Value(ColumnType::Empty))))
            }
            Kind::Object => Nested::Struct(self.fields(&[])),
        }
    }

    /// The type that a place has from now on.
    fn joined(&self, before: &Nested) -> Nested {
        match (before, self.kind()) {
            (before, Kind::Nothing) => before.clone(),
            (Nested::Json, _) => Nested::Json,
            (Nested::Value(ColumnType::Empty), _) => self.alone(),
            (Nested::Value(kind), Kind::Value) => Nested::Value(sticky::widened(*kind, self)),
            (Nested::List(item), Kind::List) => {
                let joined = self.items.as_ref().map(|items| items.joined(item));
                Nested::List(Box::new(joined.unwrap_or_else(|| (**item).clone())))
            }
            (Nested::Struct(fields), Kind::Object) => Nested::Struct(self.fields(fields)),
            (Nested::Value(_) | Nested::List(_) | Nested::Struct(_), _) => Nested::Json,
        }
    }

    /// The fields of a struct, given those it has so far.
    fn fields(&self, before: &[NestedField]) -> Vec<NestedField> {
        let shape = |key: &str| {
            let place = self.fields.places.get(key).copied();
            place.and_then(|at| self.fields.shapes.get(at)).map(|(_, shape)| shape)
        };
        let joined = before.iter().map(|field| NestedField {
            kind: shape(&field.key).map_or_else(|| field.kind.clone(), |s| s.joined(&field.kind)),
            ..field.clone()
        });
        let mut fields: Vec<_> = joined.collect();
        let is_known = |key: &String| before.iter().any(|field| field.key == *key);
        let added = self.fields.shapes.iter().filter(|(key, _)| !is_known(key));
        let added: Vec<_> = added.collect();
        let taken = fields.iter().map(|field| field.name.as_str());
        let all: Vec<_> = taken.chain(added.iter().map(|(key, _)| key.as_str())).collect();
        let names = headers::published(&all).split_off(before.len());
        fields.extend(names.into_iter().zip(added).map(|(name, (key, shape))| NestedField {
            name,
            key: key.clone(),
            kind: shape.alone(),
        }));
        fields
    }

    /// Why the values have the type they have.
    pub(super) fn why(&self) -> String {
        match self.kind() {
            Kind::Nothing => "it has no values".to_owned(),
            Kind::Value if self.texts > 0 && self.own() == ColumnType::Text => {
                "every value is a string".to_owned()
            }
            Kind::Value => self.values.why(),
            Kind::List => "every value is a list".to_owned(),
            Kind::Object => "every value is an object".to_owned(),
            Kind::Mixed if self.is_too_deep => "its values are nested too deep".to_owned(),
            Kind::Mixed if self.fields.is_too_wide => {
                "its objects have too many different keys".to_owned()
            }
            Kind::Mixed => "it has values of several kinds".to_owned(),
        }
    }

    /// Nulls the column will have.
    pub(super) fn nulls(&self, target: ColumnType) -> u64 {
        self.values.nulls(target)
    }

    /// What prints the values of a column back.
    pub(super) fn printing(&self, target: ColumnType) -> (Printer, Option<Empty>) {
        match self.kind() {
            Kind::Value => self.values.printing(target),
            Kind::Nothing => (Printer::Null, None),
            Kind::List | Kind::Object | Kind::Mixed => (Printer::Text, None),
        }
    }
}

impl Fit for Shape {
    fn own(&self) -> ColumnType {
        match (self.kind(), self.texts > 0) {
            (Kind::Nothing, _) => ColumnType::Empty,
            (Kind::Value, false) => self.values.own(),
            (Kind::Value, true) => match self.values.own() {
                kind @ (ColumnType::Date | ColumnType::Timestamp { .. }) => kind,
                ColumnType::Empty
                | ColumnType::Bool
                | ColumnType::Int64
                | ColumnType::Decimal { .. }
                | ColumnType::Double
                | ColumnType::Text => ColumnType::Text,
            },
            (Kind::List | Kind::Object | Kind::Mixed, _) => ColumnType::Text,
        }
    }

    fn fits(&self, target: ColumnType) -> bool {
        match (target, self.kind()) {
            (ColumnType::Text | ColumnType::Empty, _) | (_, Kind::Nothing) => true,
            (ColumnType::Date | ColumnType::Timestamp { .. }, Kind::Value) => {
                self.values.fits(target)
            }
            (_, Kind::Value) => self.texts == 0 && self.values.fits(target),
            (_, Kind::List | Kind::Object | Kind::Mixed) => false,
        }
    }

    fn nested(&self, before: Option<&Column>) -> Option<Nested> {
        let nested = match before {
            None => self.alone(),
            Some(column) => match &column.nested {
                Some(nested) => self.joined(nested),
                None => self.joined(&Nested::Value(column.kind)),
            },
        };
        match nested {
            Nested::Value(_) => None,
            Nested::Json | Nested::List(_) | Nested::Struct(_) => Some(nested),
        }
    }
}
