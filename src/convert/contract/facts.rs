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
