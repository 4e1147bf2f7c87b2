//! The first pass: what every field's values allow, which records are rejects, and the accounts.

use std::collections::HashSet;

use super::judged::Judging;
use super::node::{Object, Value};
use super::records::{Records, Row};
use super::shape::{Fields, Shape};
use crate::convert::Limits;
use crate::convert::table::Tally;
use crate::diagnostic::{Code, Diagnostic};

/// Rows kept to be shown, and bytes of one of their values.
const ROWS_SHOWN: usize = 10;
const VALUE_BYTES_SHOWN: usize = 200;

/// What the first pass found.
#[derive(Debug, Default)]
pub(super) struct Survey {
    fields: Fields,
    pub(super) rows: u64,
    pub(super) blank: u64,
    pub(super) rejects: Tally,
    pub(super) first_rows: Vec<Vec<Option<String>>>,
    /// Members of an archive and their records.
    pub(super) members: Vec<(String, u64)>,
    /// The keys of the first part that has any.
    model: HashSet<String>,
}

impl Survey {
    /// A survey of records whose keys are known, for a second look.
    pub(super) fn of_keys(keys: &[String]) -> Self {
        Self { fields: Fields::of_keys(keys), ..Self::default() }
    }

    /// Takes all records of a part, but those that a contract's judge leaves out; tells how many fit.
    ///
    /// # Errors
    /// It cannot be read to its end, or shares too few keys with the first part: two tables are not
    /// merged.
    pub(super) fn all(
        &mut self,
        records: &mut Records,
        limits: &Limits,
        mut judging: Option<&mut Judging>,
    ) -> Result<u64, Diagnostic> {
        let before = self.rows;
        let columns_max = limits.columns as usize + 1;
        let mut keys: HashSet<String> = HashSet::new();
        loop {
            match records.next()? {
                Row::Data(record) => {
                    let judged = judging.as_deref_mut().map(|judging| judging.record(&record));
                    if let Some(reject) = judged.transpose()?.flatten() {
                        self.rejects.take(&reject);
                        continue;
                    }
                    self.rows += 1;
                    self.fields.take(&record.object, record.line, 0, columns_max);
                    for (key, _) in record.object.iter().take(columns_max) {
                        if !keys.contains(key) && keys.len() < columns_max {
                            keys.insert(key.clone());
                        }
                    }
                    self.show(&record.object);
                }
                Row::Reject(reject) => self.rejects.take(&reject),
                Row::Blank => self.blank += 1,
                Row::End => break,
            }
        }
        self.check_keys(keys)?;
        Ok(self.rows - before)
    }

    fn check_keys(&mut self, keys: HashSet<String>) -> Result<(), Diagnostic> {
        if self.model.is_empty() || keys.is_empty() {
            self.model.extend(keys);
            return Ok(());
        }
        let shared = keys.intersection(&self.model).count();
        if shared * 2 < keys.len().min(self.model.len()) {
            let what = "the archive's members hold records of different kinds";
            return Err(Diagnostic::error(Code::C144, what));
        }
        Ok(())
    }

    fn show(&mut self, record: &Object<'_>) {
        if self.first_rows.len() >= ROWS_SHOWN {
            return;
        }
        let shown = self.fields.shapes.iter().map(|(key, _)| {
            let (_, node) = record.iter().find(|(of, _)| of == key)?;
            let text = match &node.value {
                Value::Null => return None,
                Value::Text(text) => text.as_ref(),
                Value::Bool | Value::Number | Value::List(_) | Value::Object(_) => node.raw,
            };
            let end = text.floor_char_boundary(VALUE_BYTES_SHOWN);
            text.get(..end).map(str::to_owned)
        });
        self.first_rows.push(shown.collect());
    }

    /// Ends the looking.
    pub(super) fn settle(&mut self) {
        self.fields.settle(self.rows);
    }

    /// Records so far.
    pub(super) fn records(&self) -> u64 {
        self.rows + self.rejects.count
    }

    /// The keys, in order of appearance.
    pub(super) fn keys(&self) -> Vec<String> {
        self.fields.shapes.iter().map(|(key, _)| key.clone()).collect()
    }

    /// What was seen of each key.
    pub(super) fn shapes(&self) -> impl Iterator<Item = &Shape> {
        self.fields.shapes.iter().map(|(_, shape)| shape)
    }

    /// Refuses what may not be published.
    pub(super) fn check(&self, limits: &Limits) -> Result<(), Diagnostic> {
        let records = self.records();
        if records == 0 {
            return Err(Diagnostic::error(Code::C101, "the file has no records"));
        }
        if let Some(told) = self.rejects.too_many(records, limits) {
            return Err(told);
        }
        if self.fields.shapes.is_empty() {
            return Err(Diagnostic::error(Code::C107, "the records have no keys"));
        }
        Ok(())
    }
}
