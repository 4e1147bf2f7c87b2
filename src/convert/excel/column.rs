//! What the values of one column of a workbook allow.
//!
//! The same join as for text ([`Fit`]): commutative and associative over all values, so that neither
//! sheets nor rows in another order change it. One kind of value makes a typed column, two make
//! text, and an empty text among missing cells does too, for a null could not say which it was.

use super::value::{self, Value};
use crate::convert::infer::canonical::{self, Fixed};
use crate::convert::infer::{Empty, Fit, Printer};
use crate::schema::ColumnType;

/// Where a value stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    /// The sheet, by its number in the workbook.
    pub(super) sheet: usize,
    /// The row, from 1.
    pub(super) row: u32,
}

/// What was seen of a kind of value: how often, and where first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Met {
    count: u64,
    first: Option<Place>,
}

impl Met {
    fn at(&mut self, place: Place) {
        self.count += 1;
        self.first = Some(self.first.map_or(place, |first| first.min(place)));
    }

    fn join(&mut self, other: Self) {
        self.count += other.count;
        self.first = self.first.into_iter().chain(other.first).min();
    }
}

/// What was seen of a column.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Seen {
    /// Rows that have no such cell.
    missing: u64,
    /// Cells with a text of no characters.
    blanks: u64,
    bools: Met,
    numbers: Met,
    dates: Met,
    moments: Met,
    texts: Met,
    /// Numbers that are not whole, too large to be exact, or under a format that shows decimals.
    not_whole: Met,
    /// Numbers that are no decimal of at most 38 digits.
    not_fixed: u64,
    /// The most digits before and after the point that a number's shortest text has.
    whole_digits: u8,
    fraction_digits: u8,
    /// The most digits of a second's fraction: 0, 3 or 6.
    second_digits: u8,
}

impl Seen {
    /// Takes one value.
    pub(super) fn take(&mut self, value: &Value<'_>, place: Place) {
        match value {
            Value::Bool(_) => self.bools.at(place),
            Value::Number { value, decimals } => {
                self.numbers.at(place);
                self.take_number(*value, *decimals, place);
            }
            Value::Date(_) => self.dates.at(place),
            Value::Moment(micros) => {
                self.moments.at(place);
                let digits = match micros {
                    micros if micros % 1_000_000 == 0 => 0,
                    micros if micros % 1_000 == 0 => 3,
                    _ => 6,
                };
                self.second_digits = self.second_digits.max(digits);
            }
            Value::Text(text) if text.is_empty() => self.blanks += 1,
            Value::Text(_) => self.texts.at(place),
        }
    }

    fn take_number(&mut self, number: f64, decimals: bool, place: Place) {
        let whole = value::whole(number);
        if whole.is_none() || decimals {
            self.not_whole.at(place);
        }
        let Some(Fixed { scale, whole_digits, .. }) = fixed(number) else {
            self.not_fixed += 1;
            return;
        };
        self.whole_digits = self.whole_digits.max(whole_digits);
        self.fraction_digits = self.fraction_digits.max(scale);
    }

    /// Adds rows that have no such cell.
    pub(super) fn miss(&mut self, rows: u64) {
        self.missing += rows;
    }

    /// How many cells there were, those with an empty text included.
    pub(super) fn cells(&self) -> u64 {
        self.blanks + self.values()
    }

    /// Joins what was seen elsewhere.
    pub(super) fn join(&mut self, other: &Self) {
        self.missing += other.missing;
        self.blanks += other.blanks;
        self.bools.join(other.bools);
        self.numbers.join(other.numbers);
        self.dates.join(other.dates);
        self.moments.join(other.moments);
        self.texts.join(other.texts);
        self.not_whole.join(other.not_whole);
        self.not_fixed += other.not_fixed;
        self.whole_digits = self.whole_digits.max(other.whole_digits);
        self.fraction_digits = self.fraction_digits.max(other.fraction_digits);
        self.second_digits = self.second_digits.max(other.second_digits);
    }

    /// How many values are null in a column of this type.
    pub(super) fn nulls(&self, kind: ColumnType) -> u64 {
        if kind == ColumnType::Text { self.missing } else { self.missing + self.blanks }
    }

    /// How nulls are spelled in a column of this type.
    pub(super) fn empty(&self, kind: ColumnType) -> Option<Empty> {
        if self.missing > 0 {
            return Some(Empty::Nothing);
        }
        (kind != ColumnType::Text && self.blanks > 0).then_some(Empty::Quotes)
    }

    /// How values print back from a column of this type.
    pub(super) fn printer(&self, kind: ColumnType) -> Printer {
        match kind {
            ColumnType::Text => Printer::Text,
            _typed if self.values() == 0 => Printer::Null,
            ColumnType::Empty => Printer::Null,
            ColumnType::Bool => Printer::Bool { yes: "TRUE".to_owned(), no: "FALSE".to_owned() },
            ColumnType::Int64 => Printer::Integer,
            ColumnType::Decimal { .. } | ColumnType::Double => Printer::Number,
            ColumnType::Date => Printer::Date,
            ColumnType::Timestamp { .. } => Printer::Timestamp {
                separator: 'T',
                fraction: self.second_digits,
                zone: String::new(),
            },
        }
    }

    /// Why it is not a narrower type, or what it was taken for.
    pub(super) fn why(&self, sheets: &[String]) -> String {
        let kinds = self.kinds();
        let at = |met: &Met| met.first.map_or_else(String::new, |first| in_words(first, sheets));
        match (kinds.as_slice(), self.own()) {
            ([], _) => "no values".to_owned(),
            ([(first, a), (second, b), ..], _) => {
                format!("{first} in {} and {second} in {}", at(a), at(b))
            }
            ([("text", _)], _) => "text".to_owned(),
            ([(kind, _)], ColumnType::Text) => {
                format!("{kind}, but some cells are missing and others hold an empty text")
            }
            (_, ColumnType::Int64) => "whole numbers".to_owned(),
            (_, ColumnType::Double) => {
                format!("numbers, not whole or shown with decimals in {}", at(&self.not_whole))
            }
            (_, ColumnType::Timestamp { .. }) if self.dates.count > 0 => {
                format!("dates, with a time of day in {}", at(&self.moments))
            }
            ([(kind, _)], _) => (*kind).to_owned(),
        }
    }

    /// The kinds of value that are there; dates and dates with a time are one.
    fn kinds(&self) -> Vec<(&'static str, Met)> {
        let mut dates = self.dates;
        dates.join(self.moments);
        let dates_are = if self.dates.count > 0 { "dates" } else { "dates with a time" };
        let all = [
            ("true or false", self.bools),
            ("numbers", self.numbers),
            (dates_are, dates),
            ("text", self.texts),
        ];
        all.into_iter().filter(|(_, met)| met.count > 0).collect()
    }

    fn values(&self) -> u64 {
        self.kinds().iter().map(|(_, met)| met.count).sum()
    }

    /// The one kind there is, when nulls are spelled alike.
    fn only(&self, met: &Met) -> bool {
        let spelled_alike = self.missing == 0 || self.blanks == 0;
        spelled_alike && met.count == self.values()
    }
}

impl Fit for Seen {
    fn own(&self) -> ColumnType {
        let (values, spelled_alike) = (self.values(), self.missing == 0 || self.blanks == 0);
        let narrow = [
            ColumnType::Bool,
            ColumnType::Int64,
            ColumnType::Double,
            ColumnType::Date,
            ColumnType::Timestamp { utc: false },
        ];
        match (values, spelled_alike) {
            (0, true) => ColumnType::Empty,
            (0, false) => ColumnType::Text,
            _ => narrow.into_iter().find(|kind| self.fits(*kind)).unwrap_or(ColumnType::Text),
        }
    }

    fn fits(&self, target: ColumnType) -> bool {
        let dates = self.dates.count + self.moments.count;
        match target {
            ColumnType::Text => true,
            ColumnType::Empty => self.own() == ColumnType::Empty,
            ColumnType::Bool => self.only(&self.bools),
            ColumnType::Int64 => self.only(&self.numbers) && self.not_whole.count == 0,
            ColumnType::Double => self.only(&self.numbers),
            ColumnType::Decimal { precision, scale } => {
                self.only(&self.numbers)
                    && self.not_fixed == 0
                    && self.fraction_digits <= scale
                    && self.whole_digits <= precision.saturating_sub(scale)
            }
            ColumnType::Date => self.only(&self.dates),
            ColumnType::Timestamp { utc: true } => self.only(&Met { count: 0, first: None }),
            ColumnType::Timestamp { utc: false } => self.only(&Met { count: dates, first: None }),
        }
    }
}

/// The decimal that a number's shortest text is.
pub(super) fn fixed(number: f64) -> Option<Fixed> {
    canonical::fixed(crate::convert::infer::printer::number_text(number).as_bytes())
}

fn in_words(place: Place, sheets: &[String]) -> String {
    let sheet = sheets.get(place.sheet).map_or("?", String::as_str);
    format!("row {} of `{sheet}`", place.row)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(value: f64) -> Value<'static> {
        Value::Number { value, decimals: false }
    }

    fn text(text: &'static str) -> Value<'static> {
        Value::Text(text.into())
    }

    fn seen(values: &[Value<'_>]) -> Seen {
        let mut seen = Seen::default();
        for (value, row) in values.iter().zip(1..) {
            seen.take(value, Place { sheet: 0, row });
        }
        seen
    }

    #[test]
    fn one_kind_makes_a_type() {
        let shown = Value::Number { value: 2.0, decimals: true };
        let own = |values: &[Value<'_>]| seen(values).own();
        assert_eq!(own(&[]), ColumnType::Empty);
        assert_eq!(own(&[number(1.0), number(-3.0)]), ColumnType::Int64);
        assert_eq!(own(&[number(1.0), number(0.5)]), ColumnType::Double);
        assert_eq!(own(&[number(1.0), shown]), ColumnType::Double);
        assert_eq!(own(&[number(9_007_199_254_740_992.0)]), ColumnType::Double);
        assert_eq!(own(&[Value::Bool(true)]), ColumnType::Bool);
        assert_eq!(own(&[Value::Date(1)]), ColumnType::Date);
        let moment = ColumnType::Timestamp { utc: false };
        assert_eq!(own(&[Value::Date(1), Value::Moment(1)]), moment);
        assert_eq!(own(&[text("1")]), ColumnType::Text);
        assert_eq!(own(&[number(1.0), text("n/a")]), ColumnType::Text);
        assert_eq!(own(&[number(1.0), Value::Bool(true)]), ColumnType::Text);
        assert_eq!(own(&[number(1.0), Value::Date(1)]), ColumnType::Text);
    }

    #[test]
    fn order_and_division_do_not_matter() {
        let values =
            [number(1.0), text(""), Value::Date(3), number(0.25), text("x"), Value::Moment(5)];
        let whole = seen(&values);
        for at in 0..values.len() {
            let mut rows: Vec<_> = values.iter().zip(1..).collect();
            rows.rotate_left(at);
            let (mut a, mut b) = (Seen::default(), Seen::default());
            for (n, (value, row)) in rows.into_iter().enumerate() {
                let half = if n < 3 { &mut a } else { &mut b };
                half.take(value, Place { sheet: 0, row });
            }
            a.join(&b);
            assert_eq!(a, whole);
        }
    }

    #[test]
    fn nulls_must_be_spelled_alike() {
        let mut blank = seen(&[number(1.0), text("")]);
        assert_eq!(blank.own(), ColumnType::Int64);
        assert_eq!(blank.empty(ColumnType::Int64), Some(Empty::Quotes));
        assert_eq!((blank.nulls(ColumnType::Int64), blank.nulls(ColumnType::Text)), (1, 0));
        blank.miss(1);
        assert_eq!(blank.own(), ColumnType::Text);
        let mut missing = seen(&[number(1.0)]);
        missing.miss(2);
        assert_eq!(missing.own(), ColumnType::Int64);
        assert_eq!(missing.empty(ColumnType::Int64), Some(Empty::Nothing));
    }

    #[test]
    fn numbers_fit_what_holds_them_exactly() {
        let decimal = |precision, scale| ColumnType::Decimal { precision, scale };
        let prices = seen(&[number(12.5), number(1.25), number(3.0)]);
        assert!(prices.fits(decimal(18, 2)) && prices.fits(decimal(38, 10)));
        assert!(!prices.fits(decimal(18, 1)) && !prices.fits(ColumnType::Int64));
        assert!(!seen(&[number(1e17)]).fits(decimal(18, 2)));
        assert!(!seen(&[number(1e300)]).fits(decimal(38, 2)));
        assert!(seen(&[number(3.0)]).fits(ColumnType::Double));
        assert!(seen(&[Value::Date(1)]).fits(ColumnType::Timestamp { utc: false }));
        assert!(!seen(&[Value::Date(1)]).fits(ColumnType::Timestamp { utc: true }));
        assert!(seen(&[]).fits(ColumnType::Timestamp { utc: true }));
    }
}
