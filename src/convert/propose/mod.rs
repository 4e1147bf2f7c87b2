//! A contract from files: what all their values have in common.
//!
//! A [`Survey`] takes the Parquet of one conversion after the other, made without a contract and
//! without a learned schema, so that every cell prints its exact text back. It proposes a type only
//! if every value of every file fits it, and nothing that nobody may guess: day and month, thousands
//! and decimals, digits that are names. What it proposes is to be tried on the files themselves: a
//! workbook's cells have types that their texts do not tell.
//!
//! Left out: bounds, patterns, what names say. Rules for these are decisions, not findings.

use std::collections::BTreeSet;
use std::fs::File;

use arrow_array::Array as _;

use super::Converted;
use super::infer::Printer;
use super::prove::Printed;
use crate::contract::{Contract, Proposal, ProposedColumn};
use crate::diagnostic::Diagnostic;
use crate::schema::{ColumnType, LearnedSchema};
use column::ColumnSurvey;
use keys::Keys;

mod column;
mod keys;
mod numbers;
mod times;

/// Records from which on a column without repeated values is called a key.
const KEY_RECORDS_MIN: u64 = 20;

/// What was found in files so far.
#[derive(Debug)]
pub struct Survey {
    columns: Vec<ColumnSurvey>,
    keys: Keys,
    files: u64,
    records: u64,
    records_of_file: Option<(u64, u64)>,
    rejects_max: u64,
    /// Whether a file had a name that no contract may declare.
    has_reserved: bool,
}

impl Default for Survey {
    fn default() -> Self {
        Self::new()
    }
}

impl Survey {
    /// Of no files yet.
    pub fn new() -> Self {
        Self {
            columns: Vec::new(),
            keys: Keys::new(),
            files: 0,
            records: 0,
            records_of_file: None,
            rejects_max: 0,
            has_reserved: false,
        }
    }

    /// Files so far.
    pub fn files(&self) -> u64 {
        self.files
    }

    /// Records so far.
    pub fn records(&self) -> u64 {
        self.records
    }

    /// Takes a file: what came of its conversion, and its Parquet. Columns are called as `contract`,
    /// the one in force, calls them.
    ///
    /// # Errors
    /// When the Parquet cannot be read.
    pub fn take(
        &mut self,
        made: &Converted,
        parquet: File,
        contract: Option<&Contract>,
    ) -> Result<(), Diagnostic> {
        let mut printed = Printed::open(parquet)?;
        let places = self.places(&printed, contract);
        self.keys.begin_file(self.columns.len(), self.files == 0);
        self.files += 1;
        let mut texts: Vec<Option<String>> = vec![None; self.columns.len()];
        while printed.advance()? {
            texts.fill(None);
            for (at, place) in places.iter().enumerate() {
                let Some(column) = place.and_then(|place| self.columns.get_mut(place)) else {
                    continue;
                };
                let Some(of) = printed.columns.get(at) else { continue };
                if of.nested.is_some() {
                    let is_null = printed.cell(at).is_none_or(|(array, row)| array.is_null(row));
                    column.take_nested(is_null);
                    continue;
                }
                let text = printed.text(at);
                let is_double = matches!(of.printer, Printer::Double | Printer::Number);
                column.take(text.as_deref(), is_double);
                if let Some(kept) = place.and_then(|place| texts.get_mut(place)) {
                    *kept = text;
                }
            }
            self.keys.take(&texts);
        }
        let rejected = made.rejects.as_ref().map_or(0, |rejects| rejects.rows);
        self.rejects_max = self.rejects_max.max(rejected);
        let records = printed.rows + rejected;
        self.records += printed.rows;
        let (fewest, most) = self.records_of_file.unwrap_or((records, records));
        self.records_of_file = Some((fewest.min(records), most.max(records)));
        Ok(())
    }

    /// Where each column of a file stands in the survey; `None` for one that cannot be declared.
    fn places(&mut self, printed: &Printed, contract: Option<&Contract>) -> Vec<Option<usize>> {
        let place = |column: &super::prove::PrintedColumn| {
            let name = contract.map_or(column.name.as_str(), |of| of.renamed(&column.name));
            let folded = name.to_lowercase();
            if folded.starts_with("_lf_") || folded.trim().is_empty() {
                self.has_reserved = true;
                return None;
            }
            let known = self.columns.iter().position(|c| c.name().to_lowercase() == folded);
            let at = known.unwrap_or_else(|| {
                self.columns.push(ColumnSurvey::new(name));
                self.columns.len() - 1
            });
            self.columns.get_mut(at)?.begin_file(&column.name);
            Some(at)
        };
        printed.columns.iter().map(place).collect()
    }

    /// The contract that all files meet by their texts. `published` is what the feed's columns are
    /// now; `kept_text` names columns that are to stay text, because their files did not read
    /// otherwise.
    pub fn propose(
        &self,
        published: Option<&LearnedSchema>,
        kept_text: &BTreeSet<String>,
    ) -> Proposal {
        let published_as = |name: &str| -> Option<ColumnType> {
            let columns = &published?.columns;
            let column = columns.iter().find(|c| c.name.to_lowercase() == name.to_lowercase())?;
            column.nested.is_none().then_some(column.kind)
        };
        let propose = |column: &ColumnSurvey| {
            let name = column.name();
            column.proposed(self.files, published_as(name), kept_text.contains(name))
        };
        let mut columns: Vec<_> = self.columns.iter().map(propose).collect();
        let unique = self.mark_keys(&mut columns, kept_text);
        let is_everywhere = |column: &ColumnSurvey| column.files() == self.files;
        Proposal {
            heading: Vec::new(),
            evolves: self.has_reserved || !self.columns.iter().all(is_everywhere),
            rejects_max: self.rejects_max,
            rows: self.records_of_file.unwrap_or_default(),
            unique,
            columns,
        }
    }

    /// Calls the first column that may be a key one, and names the others; the first pair when
    /// there is none. In few records anything is unique.
    fn mark_keys(
        &self,
        columns: &mut [ProposedColumn],
        kept_text: &BTreeSet<String>,
    ) -> Option<Vec<String>> {
        if self.records < KEY_RECORDS_MIN {
            return None;
        }
        let may_be = |(survey, of): (&ColumnSurvey, &ProposedColumn)| {
            let column = &of.column;
            column.required && survey.may_name(&column.form) && !kept_text.contains(&column.name)
        };
        let may_be: Vec<bool> = self.columns.iter().zip(&*columns).map(may_be).collect();
        let may_be = |at: usize| may_be.get(at).copied().unwrap_or(false);
        let mut singles = self.keys.single();
        let key = singles.find(|at| may_be(*at));
        for other in self.keys.single().filter(|at| key.is_some_and(|key| *at != key)) {
            if let Some(other) = columns.get_mut(other).filter(|_| may_be(other)) {
                other.remarks.push("no value occurs twice in a file here either".to_owned());
            }
        }
        if let Some(key) = key.and_then(|at| columns.get_mut(at)) {
            key.unique = true;
            key.remarks.push("no value occurs twice in a file".to_owned());
            return None;
        }
        self.keys.pairs().find_map(|(a, b)| {
            let name = |at: usize| Some(columns.get(at)?.column.name.clone());
            (may_be(a) && may_be(b)).then(|| Some(vec![name(a)?, name(b)?])).flatten()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract::Form;

    fn surveyed(columns: &[(&str, &[Option<&str>])]) -> Vec<ProposedColumn> {
        let proposed = columns.iter().map(|(name, values)| {
            let mut column = ColumnSurvey::new(name);
            column.begin_file(name);
            values.iter().for_each(|value| column.take(*value, false));
            column.proposed(1, None, false)
        });
        proposed.collect()
    }

    #[allow(clippy::wildcard_enum_match_arm, reason = "the others are told by their type")]
    fn form(values: &[Option<&str>]) -> (String, bool) {
        let column = surveyed(&[("c", values)]).remove(0).column;
        let form = match &column.form {
            Form::Date(format) => format!("date {}", format.as_str()),
            Form::Bool { yes, no } => format!("bool {yes:?} {no:?}"),
            Form::Timestamp { format: None, utc } => format!("moment {utc}"),
            _ => column.form.kind().to_string(),
        };
        (form, column.required)
    }

    #[test]
    fn a_type_is_proposed_only_if_every_value_fits_it() {
        let some = |values: &[&'static str]| values.iter().map(|v| Some(*v)).collect::<Vec<_>>();
        for (values, expected) in [
            (some(&["1", "2"]), "int64"),
            (some(&["1", "007"]), "text"),
            (some(&["1.10", "2"]), "decimal(18,2)"),
            (some(&["1.5e300"]), "double"),
            (some(&["2026-01-31"]), "date %Y-%m-%d"),
            (some(&["31.01.2026"]), "date %d.%m.%Y"),
            (some(&["01/02/2026"]), "text"),
            (some(&["2026-01-31T10:00:00Z"]), "moment true"),
            (some(&["2026-01-31 10:00:00", "2026-01-31 10:00:00.5"]), "moment false"),
            (some(&["J", "N"]), "bool [\"J\"] [\"N\"]"),
            (some(&["J", "J"]), "text"),
            (some(&["a", ""]), "text"),
        ] {
            assert_eq!(form(&values), (expected.to_owned(), true), "{values:?}");
        }
        assert_eq!(form(&[None, Some("")]), ("text".to_owned(), false), "no value at all");
        assert_eq!(form(&[Some("1"), None]), ("int64".to_owned(), false));
        assert_eq!(form(&[Some("1"), Some("")]), ("int64".to_owned(), false), "quoted nothing");
    }

    #[test]
    fn null_words_and_blanks_are_told_where_they_stand_among_numbers() {
        let columns =
            surveyed(&[("n", &[Some(" 1"), Some("NA")]), ("t", &[Some(" x"), Some("NA")])]);
        let (n, t) = (&columns[0].column, &columns[1].column);
        assert_eq!((n.nulls.as_slice(), n.trim, n.required), (&["NA".to_owned()][..], true, false));
        assert_eq!((t.nulls.as_slice(), t.trim, t.required), (&[][..], false, true));
    }

    #[test]
    fn the_type_in_which_values_are_published_is_kept() {
        let proposed = |published| {
            let mut column = ColumnSurvey::new("c");
            column.begin_file("c");
            ["1.5", "2.25"].iter().for_each(|value| column.take(Some(value), false));
            column.proposed(1, Some(published), false)
        };
        assert_eq!(proposed(ColumnType::Double).column.form.kind(), ColumnType::Double);
        let wide = ColumnType::Decimal { precision: 18, scale: 4 };
        assert_eq!(proposed(wide).column.form.kind(), wide);
        let text = proposed(ColumnType::Text);
        assert_eq!(text.column.form.kind(), ColumnType::Decimal { precision: 18, scale: 2 });
        assert!(text.remarks.iter().any(|line| line.contains("next version")), "{text:?}");
    }
}
