//! What was seen in one column, as a join.
//!
//! For every candidate type it is known whether all values allow it and, if not, the first line
//! that forbade it. Parameters that must be the same for all values (a scale, a timestamp's form, a
//! bool's spelling) forbid the type at the first line that differs.

use std::fmt;

use super::canonical::{self, MomentForm, Spelling, TYPED_BYTES_MAX, Zone};
use super::{Empty, Fit, Printer};
use crate::schema::ColumnType;

mod steady;

pub use steady::{Seen, Steady};

/// Bytes of a value that are kept for an explanation.
const QUOTED_BYTES_MAX: usize = 40;

/// A value that forbade a type, and its line.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Witness {
    line: u64,
    text: String,
}

impl fmt::Display for Witness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` on line {}", self.text.escape_debug(), self.line)
    }
}

impl Witness {
    fn new(line: u64, text: &str) -> Self {
        let cut = text.floor_char_boundary(QUOTED_BYTES_MAX.min(text.len()));
        let (kept, rest) = text.split_at(cut);
        let dots = if rest.is_empty() { "" } else { "…" };
        Self { line, text: format!("{kept}{dots}") }
    }

    fn earlier(a: Option<Self>, b: Option<Self>) -> Option<Self> {
        match (a, b) {
            (Some(a), Some(b)) => Some(if b.line < a.line { b } else { a }),
            (one, other) => one.or(other),
        }
    }
}

/// One candidate type: the first value's parameter, and what forbade it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Candidate<P> {
    first: Option<(Witness, P)>,
    forbidden: Option<Witness>,
}

impl<P> Default for Candidate<P> {
    fn default() -> Self {
        Self { first: None, forbidden: None }
    }
}

impl<P: Copy + PartialEq> Candidate<P> {
    fn is_allowed(&self) -> bool {
        self.forbidden.is_none()
    }

    fn parameter(&self) -> Option<P> {
        self.first.as_ref().map(|(_, parameter)| *parameter)
    }

    /// Takes a value's parameter; `None` when the value is not of this type. Lines come in order.
    fn observe(&mut self, parameter: Option<P>, line: u64, text: &str) {
        match (&self.first, parameter) {
            (Some((_, first)), Some(parameter)) if *first == parameter => {}
            (None, Some(parameter)) => self.first = Some((Witness::new(line, text), parameter)),
            (_, Some(_) | None) => self.forbidden = Some(Witness::new(line, text)),
        }
    }

    fn join(self, other: Self) -> Self {
        let differs = match (&self.first, &other.first) {
            (Some((a, p)), Some((b, q))) if p != q => {
                Some(if a.line < b.line { b.clone() } else { a.clone() })
            }
            _ => None,
        };
        let forbidden = Witness::earlier(self.forbidden, other.forbidden);
        let forbidden = Witness::earlier(forbidden, differs);
        let first = match (self.first, other.first) {
            (Some(a), Some(b)) => Some(if b.0.line < a.0.line { b } else { a }),
            (one, other) => one.or(other),
        };
        let until = forbidden.as_ref().map_or(u64::MAX, |witness| witness.line);
        Self { first: first.filter(|(witness, _)| witness.line < until), forbidden }
    }
}

/// What was seen in one column of a file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Evidence {
    values: u64,
    /// Empties that are nothing, and empties that are two quotes.
    bare_empties: u64,
    quoted_empties: u64,
    int: Candidate<()>,
    fixed: Candidate<u8>,
    whole_digits: u8,
    double: Candidate<()>,
    date: Candidate<()>,
    moment: Candidate<MomentForm>,
    boolean: Candidate<Spelling>,
}

impl Evidence {
    /// Takes the next value of the column; lines come in order. `quoted` tells `""` from nothing.
    pub fn observe(&mut self, text: &str, quoted: bool, line: u64) {
        if text.is_empty() {
            if quoted {
                self.quoted_empties += 1;
            } else {
                self.bare_empties += 1;
            }
            return;
        }
        self.values += 1;
        if !self.is_decided() {
            self.judge(text, line);
        }
    }

    fn judge(&mut self, text: &str, line: u64) {
        let bytes = text.as_bytes();
        let bytes = if bytes.len() > TYPED_BYTES_MAX { &[] } else { bytes };
        let int = self.int.is_allowed() && canonical::int(bytes).is_some();
        if self.int.is_allowed() {
            self.int.observe(int.then_some(()), line, text);
        }
        if self.fixed.is_allowed() {
            let (scale, whole_digits) = if int {
                (Some(0), whole_digits(bytes))
            } else {
                canonical::fixed(bytes).map_or((None, 0), |f| (Some(f.scale), f.whole_digits))
            };
            self.fixed.observe(scale, line, text);
            self.whole_digits = self.whole_digits.max(whole_digits);
        }
        if self.double.is_allowed() {
            self.double.observe(canonical::double(bytes).map(|_| ()), line, text);
        }
        if self.date.is_allowed() {
            self.date.observe(canonical::date(bytes).map(|_| ()), line, text);
        }
        if self.moment.is_allowed() {
            self.moment.observe(canonical::moment(bytes).map(|(_, form)| form), line, text);
        }
        if self.boolean.is_allowed() {
            self.boolean.observe(canonical::boolean(bytes).map(|(_, words)| words), line, text);
        }
    }

    /// Takes note of so many records that lack the column.
    pub fn miss(&mut self, records: u64) {
        self.bare_empties += records;
    }

    /// Whether every type is forbidden already: the column is text whatever follows.
    fn is_decided(&self) -> bool {
        !(self.int.is_allowed()
            || self.fixed.is_allowed()
            || self.double.is_allowed()
            || self.date.is_allowed()
            || self.moment.is_allowed()
            || self.boolean.is_allowed())
    }

    /// The evidence of two parts of a column together; order does not matter.
    pub fn join(self, other: Self) -> Self {
        let fixed = self.fixed.join(other.fixed);
        let whole_digits = self.whole_digits.max(other.whole_digits);
        Self {
            values: self.values + other.values,
            bare_empties: self.bare_empties + other.bare_empties,
            quoted_empties: self.quoted_empties + other.quoted_empties,
            int: self.int.join(other.int),
            whole_digits: if fixed.is_allowed() { whole_digits } else { 0 },
            fixed,
            double: self.double.join(other.double),
            date: self.date.join(other.date),
            moment: self.moment.join(other.moment),
            boolean: self.boolean.join(other.boolean),
        }
    }

    /// Nulls the column will have when published as `target`.
    pub fn nulls(&self, target: ColumnType) -> u64 {
        match target {
            ColumnType::Text | ColumnType::Empty => self.bare_empties,
            ColumnType::Bool
            | ColumnType::Int64
            | ColumnType::Decimal { .. }
            | ColumnType::Double
            | ColumnType::Date
            | ColumnType::Timestamp { .. } => self.bare_empties + self.quoted_empties,
        }
    }

    /// What prints the values of a column published as `target`, and how its nulls are spelled.
    pub fn printing(&self, target: ColumnType) -> (Printer, Option<Empty>) {
        let nulls = self.nulls(target);
        let spelling = if self.bare_empties > 0 { Empty::Nothing } else { Empty::Quotes };
        (self.printer(target), (nulls > 0).then_some(spelling))
    }

    fn printer(&self, target: ColumnType) -> Printer {
        let typed = !matches!(target, ColumnType::Text | ColumnType::Empty);
        if self.values == 0 && (typed || self.quoted_empties == 0) {
            return Printer::Null;
        }
        match target {
            ColumnType::Empty | ColumnType::Text => Printer::Text,
            ColumnType::Int64 => Printer::Integer,
            ColumnType::Decimal { .. } => match self.fixed.parameter() {
                Some(0) | None => Printer::Integer,
                Some(scale) => Printer::Decimal { scale },
            },
            ColumnType::Double => Printer::Double,
            ColumnType::Date => Printer::Date,
            ColumnType::Timestamp { .. } => {
                self.moment.parameter().map_or(Printer::Text, |form| Printer::Timestamp {
                    separator: char::from(form.separator),
                    fraction: form.fraction,
                    zone: form.zone.text().to_owned(),
                })
            }
            ColumnType::Bool => self.boolean.parameter().map_or(Printer::Text, |words| {
                let (yes, no) = words.words();
                Printer::Bool { yes: yes.to_owned(), no: no.to_owned() }
            }),
        }
    }

    fn has_mixed_empties(&self) -> bool {
        self.bare_empties > 0 && self.quoted_empties > 0
    }

    fn decimal(&self) -> Option<ColumnType> {
        let scale = self.fixed.parameter().filter(|_| self.fixed.is_allowed())?;
        let precision = if self.whole_digits + scale <= 18 { 18 } else { 38 };
        Some(ColumnType::Decimal { precision, scale })
    }

    fn timestamp(&self) -> Option<ColumnType> {
        let form = self.moment.parameter().filter(|_| self.moment.is_allowed())?;
        Some(ColumnType::Timestamp { utc: form.zone != Zone::Local })
    }

    /// Why the values have the type they have, naming the value and line that forbade a narrower
    /// one.
    pub fn why(&self) -> String {
        match self.own() {
            ColumnType::Empty => "it has no values".to_owned(),
            ColumnType::Bool => "every value is one of two words".to_owned(),
            ColumnType::Int64 => "every value is a whole number".to_owned(),
            ColumnType::Decimal { scale: 0, .. } => {
                "every value is a whole number, some too long for int64".to_owned()
            }
            ColumnType::Decimal { scale, .. } => {
                format!("every value has {scale} digits after the point")
            }
            ColumnType::Double => match &self.fixed.forbidden {
                Some(witness) => format!("the digits after the point differ: {witness}"),
                None => "every value is a double".to_owned(),
            },
            ColumnType::Date => "every value is a date YYYY-MM-DD".to_owned(),
            ColumnType::Timestamp { utc: true } => {
                "every value is a timestamp with the same zone".to_owned()
            }
            ColumnType::Timestamp { utc: false } => {
                "every value is a timestamp without a zone".to_owned()
            }
            ColumnType::Text => self.why_text(),
        }
    }

    /// The type that was possible longest and the value that ended it.
    fn why_text(&self) -> String {
        let ended = [
            (&self.int.forbidden, "a whole number"),
            (&self.fixed.forbidden, "a number with as many digits after the point as the others"),
            (&self.double.forbidden, "the shortest text of a double"),
            (&self.date.forbidden, "a date YYYY-MM-DD"),
            (&self.moment.forbidden, "a timestamp written as the others"),
            (&self.boolean.forbidden, "`true` or `false` written as the others"),
        ];
        let ended = ended.into_iter().filter_map(|(witness, what)| Some((witness.as_ref()?, what)));
        // The first of equals, so that the simplest expectation is named.
        let last = ended.reduce(|a, b| if b.0.line > a.0.line { b } else { a });
        match last {
            Some((witness, _)) if self.is_text_at_first_sight(witness) => {
                format!("it has text: {witness}")
            }
            Some((witness, what)) if self.is_decided() => format!("{witness} is not {what}"),
            Some(_) | None => "empty values are spelled both as nothing and as \"\"".to_owned(),
        }
    }

    fn is_text_at_first_sight(&self, witness: &Witness) -> bool {
        let first = [&self.int.forbidden, &self.fixed.forbidden, &self.double.forbidden];
        let others = [&self.date.forbidden, &self.moment.forbidden, &self.boolean.forbidden];
        let all = first.into_iter().chain(others);
        all.into_iter().all(|other| other.as_ref().is_some_and(|other| other.line == witness.line))
    }
}

impl Fit for Evidence {
    fn own(&self) -> ColumnType {
        let candidates = [
            (self.values == 0).then_some(ColumnType::Empty),
            self.has_mixed_empties().then_some(ColumnType::Text),
            self.int.is_allowed().then_some(ColumnType::Int64),
            self.decimal(),
            self.double.is_allowed().then_some(ColumnType::Double),
            self.date.is_allowed().then_some(ColumnType::Date),
            self.timestamp(),
            self.boolean.is_allowed().then_some(ColumnType::Bool),
        ];
        candidates.into_iter().flatten().next().unwrap_or(ColumnType::Text)
    }

    fn fits(&self, target: ColumnType) -> bool {
        match target {
            ColumnType::Text | ColumnType::Empty => true,
            _typed if self.has_mixed_empties() => false,
            _typed if self.values == 0 => true,
            ColumnType::Bool => self.boolean.is_allowed(),
            ColumnType::Int64 => self.int.is_allowed(),
            ColumnType::Decimal { precision, scale } => {
                self.decimal().is_some()
                    && self.fixed.parameter().is_some_and(|own| own <= scale)
                    && u16::from(self.whole_digits) + u16::from(scale) <= u16::from(precision)
            }
            ColumnType::Double => self.double.is_allowed(),
            ColumnType::Date => self.date.is_allowed(),
            ColumnType::Timestamp { .. } => self.timestamp() == Some(target),
        }
    }
}

fn whole_digits(int: &[u8]) -> u8 {
    let sign = usize::from(int.first() == Some(&b'-'));
    match int {
        b"0" => 0,
        _ => u8::try_from(int.len() - sign).unwrap_or(u8::MAX),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(values: &[&str]) -> Evidence {
        let mut evidence = Evidence::default();
        for (line, value) in (2..).zip(values) {
            let quoted = *value == "\"\"";
            evidence.observe(if quoted { "" } else { value }, quoted, line);
        }
        evidence
    }

    fn decimal(precision: u8, scale: u8) -> ColumnType {
        ColumnType::Decimal { precision, scale }
    }

    #[test]
    fn a_type_needs_every_value() {
        let cases: &[(&[&str], ColumnType)] = &[
            (&[], ColumnType::Empty),
            (&["", ""], ColumnType::Empty),
            (&["1", "-2", ""], ColumnType::Int64),
            (&["1", "007"], ColumnType::Text),
            (&["1", "1.5"], ColumnType::Text),
            (&["1.10", "2.50"], decimal(18, 2)),
            (&["1.1", "1.10"], ColumnType::Text),
            (&["1.1", "1.25"], ColumnType::Double),
            (&["-0.0", "1.5"], ColumnType::Double),
            (&["1", "12345678901234567890"], decimal(38, 0)),
            (&["123456789012345678.5"], decimal(38, 1)),
            (&["1e16", "1.5"], ColumnType::Double),
            (&["1E5"], ColumnType::Text),
            (&["2024-01-31"], ColumnType::Date),
            (&["2024-01-31", "2024-02-31"], ColumnType::Text),
            (&["2024-01-31T10:00:00Z"], ColumnType::Timestamp { utc: true }),
            (&["2024-01-31 10:00:00"], ColumnType::Timestamp { utc: false }),
            (&["2024-01-31 10:00:00", "2024-01-31T10:00:00"], ColumnType::Text),
            (&["2024-01-31T10:00:00+01:00", "2024-07-31T10:00:00+02:00"], ColumnType::Text),
            (&["true", "false"], ColumnType::Bool),
            (&["true", "False"], ColumnType::Text),
            (&["1", "", "\"\""], ColumnType::Text),
            (&["1", "\"\""], ColumnType::Int64),
            (&["NA", "1"], ColumnType::Text),
            (&["1 "], ColumnType::Text),
        ];
        for (values, expected) in cases {
            assert_eq!(of(values).own(), *expected, "{values:?}");
        }
    }

    #[test]
    fn a_narrow_column_fits_wider_types() {
        let ints = of(&["1", "22"]);
        assert!(ints.fits(decimal(18, 2)) && ints.fits(ColumnType::Text));
        assert!(!ints.fits(ColumnType::Double) && !ints.fits(ColumnType::Date));
        let long = of(&["12345678901234567"]);
        assert!(!long.fits(decimal(18, 2)) && long.fits(decimal(38, 2)));
        let prices = of(&["1.5"]);
        assert!(prices.fits(ColumnType::Double) && prices.fits(decimal(18, 2)));
        assert!(!prices.fits(ColumnType::Int64) && !prices.fits(decimal(18, 0)));
        assert!(of(&["", ""]).fits(ColumnType::Date));
        assert!(!of(&["", "\"\""]).fits(ColumnType::Date));
    }

    #[test]
    fn the_reason_names_the_first_value_that_forced_it() {
        assert_eq!(of(&["1", "007", "x"]).why(), "`007` on line 3 is not a whole number");
        assert_eq!(of(&["Ann", "1"]).why(), "it has text: `Ann` on line 2");
        let mixed = "empty values are spelled both as nothing and as \"\"";
        assert_eq!(of(&["1", "", "\"\""]).why(), mixed);
        let differ = "the digits after the point differ: `1.25` on line 3";
        assert_eq!(of(&["1.1", "1.25"]).why(), differ);
    }

    proptest! {
        #[test]
        fn neither_order_nor_division_matters(
            values in proptest::collection::vec(
                proptest::sample::select(vec![
                    "", "\"\"", "1", "22", "-7", "007", "1.5", "2.5", "1.25", "1.10", "1e16", "x",
                    "2024-01-01", "2024-01-01 00:00:00", "2024-01-01T00:00:00", "true", "False",
                ]),
                0..12,
            ),
            parts in proptest::collection::vec(0_usize..3, 12),
        ) {
            let whole = of(&values);
            let mut split = [Evidence::default(), Evidence::default(), Evidence::default()];
            for ((line, value), part) in (2..).zip(&values).zip(&parts) {
                let quoted = *value == "\"\"";
                split[*part].observe(if quoted { "" } else { value }, quoted, line);
            }
            let [a, b, c] = split;
            let left = a.clone().join(b.clone()).join(c.clone());
            prop_assert_eq!(&left, &c.join(b.join(a)));
            prop_assert_eq!(left.own(), whole.own());
            prop_assert_eq!(left.why(), whole.why());
        }
    }
}
