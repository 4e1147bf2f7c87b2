//! A contract's judge over the records, in their order.

use std::collections::HashMap;

use super::node::{Node, Value};
use super::records::Record;
use crate::contract::Contract;
use crate::convert::Limits;
use crate::convert::contract::{Cell, Facts, Judge, Quoted};
use crate::convert::table::Reject;
use crate::diagnostic::Diagnostic;

/// Judges the records of a file.
pub(super) struct Judging {
    judge: Judge,
    /// For each key, its place in the file.
    places: HashMap<String, usize>,
}

impl Judging {
    /// Begins; `names` are the published names of the keys.
    pub(super) fn new(
        contract: &Contract,
        keys: &[String],
        names: &[String],
        limits: &Limits,
    ) -> Self {
        let places = keys.iter().enumerate().map(|(at, key)| (key.clone(), at));
        Self { judge: Judge::new(contract, names, limits), places: places.collect() }
    }

    /// Judges the next record. `Some` when it is to be left out.
    ///
    /// # Errors
    /// C130.
    pub(super) fn record(&mut self, record: &Record<'_>) -> Result<Option<Reject>, Diagnostic> {
        for (key, node) in &record.object {
            if let Some(at) = self.places.get(key) {
                self.judge.cell(*at, &cell(node));
            }
        }
        let fault = self.judge.end(record.line).map_err(|error| error.diagnostic())?;
        Ok(fault.map(|fault| record.rejected(fault)))
    }

    /// What was seen.
    pub(super) fn facts(self) -> Facts {
        self.judge.facts()
    }
}

/// A value of JSON for a contract's rules.
pub(super) fn cell<'n>(node: &'n Node<'_>) -> Cell<'n> {
    match &node.value {
        Value::Null => Cell::Missing,
        Value::Bool => Cell::field(node.raw, false),
        Value::Number => Cell::Digits(node.raw.into()),
        Value::Text(text) => Cell::Text(text.as_ref().into(), Quoted::Yes),
        Value::List(_) | Value::Object(_) => Cell::Nested(node.raw.into()),
    }
}
