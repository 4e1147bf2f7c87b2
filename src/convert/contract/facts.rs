//! What a judge saw in the declared columns of a file.

use super::read::{NullSpelled, Reading, Value};
use super::rules::{Rule, Rules};
use super::spelled::Spelled;
use crate::convert::infer::{Empty, Fit, Printer};
use crate::schema::ColumnType;

/// What was seen of every column of a file; `None` for one that the contract does not declare.
#[derive(Debug, Default)]
pub struct Facts {
    pub(super) columns: Vec<Option<ColumnFacts>>,
}

/// What was seen of one declared column, rejects left out.
#[derive(Debug)]
pub struct ColumnFacts {
    name: String,
    kind: ColumnType,
    form: crate::contract::Form,
    words: Vec<String>,
    nulls: u64,
    spelled: Option<Spelled>,
    null_spelled: Option<NullSpelled>,
    nulled: u64,
    /// Why the first of them did not fit, and its line.
    first_nulled: Option<(String, u64)>,
}

/// What one record says of one column.
#[derive(Debug, Clone)]
pub(super) enum Seen {
    Value(Spelled),
    Null(NullSpelled),
    Nulled(String),
}

impl Seen {
    pub(super) fn of(reading: &Reading<'_>) -> Self {
        match reading.value {
            Value::Null => Self::Null(reading.null),
            Value::Text(_) | Value::Typed(_) => Self::Value(reading.spelled),
        }
    }
}

impl Facts {
    pub(super) fn new(rules: &Rules) -> Self {
        Self { columns: rules.columns().map(|rule| Some(ColumnFacts::new(rule?))).collect() }
    }

    /// The same of another part of the file, whose columns have these places here; a part that lacks a
    /// column has nulls. `rows` are those of this part and of the other.
    pub fn join(&mut self, other: Self, places: &[usize], rows: (u64, u64)) {
        let mut missing = vec![true; self.columns.len()];
        for (theirs, place) in other.columns.into_iter().zip(places) {
            let missing = missing.get_mut(*place).map(std::mem::take);
            match (self.columns.get_mut(*place), theirs) {
                (Some(Some(ours)), Some(theirs)) => ours.join(theirs),
                (Some(ours @ None), theirs) => *ours = theirs,
                (Some(Some(_)), None) => {}
                (None, theirs) => {
                    self.columns.resize_with(*place, || None);
                    let missed = |mut facts: ColumnFacts| {
                        facts.miss(rows.0);
                        facts
                    };
                    self.columns.push(theirs.map(missed));
                }
            }
            debug_assert!(missing != Some(false), "a place is one column's");
        }
        let absent = self.columns.iter_mut().zip(missing).filter(|(_, missing)| *missing);
        absent.filter_map(|(facts, _)| facts.as_mut()).for_each(|facts| facts.miss(rows.1));
    }

    /// What was seen of a column of the file, by its place.
    pub fn column(&self, at: usize) -> Option<&ColumnFacts> {
        self.columns.get(at)?.as_ref()
    }

    /// Values that were made null, in words.
    pub fn notes(&self) -> impl Iterator<Item = String> {
        self.columns.iter().flatten().filter_map(|column| {
            let (why, line) = column.first_nulled.as_ref()?;
            let count = column.nulled;
            Some(format!("{count} values of `{}` are null because they do not fit; the first is on line {line}: {why}", column.name))
        })
    }
}

impl ColumnFacts {
    fn new(rule: &Rule) -> Self {
        let column = rule.column();
        Self {
            name: column.name.clone(),
            kind: column.form.kind(),
            form: column.form.clone(),
            words: column.nulls.clone(),
            nulls: 0,
            spelled: None,
            null_spelled: None,
            nulled: 0,
            first_nulled: None,
        }
    }

    pub(super) fn take(&mut self, seen: Seen, line: u64) {
        match seen {
            Seen::Value(spelled) => {
                self.spelled = Some(self.spelled.map_or(spelled, |so_far| so_far.join(spelled)));
            }
            Seen::Null(spelled) => self.null(spelled),
            Seen::Nulled(why) => {
                self.null(NullSpelled::Otherwise);
                self.nulled += 1;
                self.first_nulled.get_or_insert((why, line));
            }
        }
    }

    fn null(&mut self, spelled: NullSpelled) {
        self.nulls += 1;
        let same = self.null_spelled.is_none_or(|so_far| so_far == spelled);
        self.null_spelled = Some(if same { spelled } else { NullSpelled::Otherwise });
    }

    fn join(&mut self, other: Self) {
        self.nulls += other.nulls;
        self.nulled += other.nulled;
        self.first_nulled = self.first_nulled.take().or(other.first_nulled);
        self.spelled = match (self.spelled, other.spelled) {
            (Some(ours), Some(theirs)) => Some(ours.join(theirs)),
            (ours, theirs) => ours.or(theirs),
        };
        self.null_spelled = match (self.null_spelled, other.null_spelled) {
            (Some(ours), Some(theirs)) if ours != theirs => Some(NullSpelled::Otherwise),
            (ours, theirs) => ours.or(theirs),
        };
    }

    /// So many rows have no such column.
    fn miss(&mut self, rows: u64) {
        self.nulls += rows;
    }

    /// Values that are null.
    pub fn nulls(&self) -> u64 {
        self.nulls
    }

    /// What prints the values back, and how nulls are spelled.
    pub fn printing(&self) -> (Printer, Option<Empty>) {
        let printer = self.spelled.map_or(Printer::Null, |spelled| spelled.printer(&self.form));
        let empty = self.null_spelled.map(|spelled| match spelled {
            NullSpelled::Nothing => Empty::Nothing,
            NullSpelled::Quotes => Empty::Quotes,
            NullSpelled::Word(at) => Empty::Word(self.words.get(at).cloned().unwrap_or_default()),
            NullSpelled::Otherwise => Empty::Source,
        });
        (printer, empty)
    }

    /// Why the column has its type.
    pub fn why(&self) -> String {
        match self.printing() {
            (Printer::Source, _) => {
                "the contract; the exact texts are in the raw file only".to_owned()
            }
            (_, _) => "the contract".to_owned(),
        }
    }
}

/// A declared column has its declared type, whatever its values.
impl Fit for ColumnFacts {
    fn own(&self) -> ColumnType {
        self.kind
    }

    fn fits(&self, target: ColumnType) -> bool {
        target == self.kind
    }
}
