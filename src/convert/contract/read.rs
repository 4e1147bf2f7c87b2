//! A cell becomes a value of its declared type.

use std::borrow::Cow;

use super::spelled::Spelled;
use super::{Cell, Quoted, number, time};
use crate::contract::{DeclaredColumn, Form, Marks, TimeFormat};
use crate::convert::infer::canonical::{self, Zone};
use crate::convert::table::Typed;

const DAY_MICROS: i64 = 86_400_000_000;
/// Doubles below this are the only ones that stand for one whole number: 2^53.
const WHOLE_END: f64 = 9_007_199_254_740_992.0;

/// What was read.
#[derive(Debug, Clone, PartialEq)]
pub enum Value<'t> {
    /// No value.
    Null,
    /// Text, as it is published.
    Text(Cow<'t, str>),
    /// A value of another type.
    Typed(Typed),
}

/// How a null is spelled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NullSpelled {
    /// Nothing, or no cell.
    Nothing,
    /// Two quotes, or a text of no characters.
    Quotes,
    /// A null word, by its place in the contract.
    Word(usize),
    /// Otherwise: blanks that were trimmed, or values that do not fit.
    Otherwise,
}

/// A value with how it is spelled.
#[derive(Debug, Clone, PartialEq)]
pub struct Reading<'t> {
    /// The value.
    pub value: Value<'t>,
    /// How it is spelled; of a null, see `null`.
    pub spelled: Spelled,
    /// How a null is spelled.
    pub null: NullSpelled,
}

impl<'t> Reading<'t> {
    fn null(spelled: NullSpelled) -> Self {
        Self { value: Value::Null, spelled: Spelled::Otherwise, null: spelled }
    }

    fn of(value: Value<'t>, spelled: Spelled) -> Self {
        Self { value, spelled, null: NullSpelled::Otherwise }
    }

    fn typed((value, spelled): (Typed, Spelled)) -> Self {
        Self::of(Value::Typed(value), spelled)
    }
}

/// Reads a cell as declared; `None` when it is no value of its column's type.
pub fn read<'t>(column: &DeclaredColumn, cell: &'t Cell<'_>) -> Option<Reading<'t>> {
    let (text, quoted) = match cell {
        Cell::Missing => return Some(Reading::null(NullSpelled::Nothing)),
        Cell::Text(text, quoted) => (text.as_ref(), *quoted),
        Cell::Nested(text) => {
            let is_text = column.form == Form::Text;
            return is_text.then(|| Reading::of(Value::Text(text.as_ref().into()), Spelled::Text));
        }
        Cell::Digits(text) => return of_digits(&column.form, text),
        Cell::Number(_) | Cell::Bool(_) | Cell::Date(_) | Cell::Moment(_) => {
            return match typed_cell(&column.form, cell) {
                Some(value) => Some(Reading::typed((value, Spelled::Cell))),
                None => of_other_cell(column, cell.text()),
            };
        }
    };
    let kept = if column.trim { text.trim() } else { text };
    if let Some(null) = null(column, kept, quoted) {
        let trimmed = kept.len() < text.len();
        return Some(Reading::null(if trimmed { NullSpelled::Otherwise } else { null }));
    }
    let mut reading = of_text(&column.form, Cow::Borrowed(kept))?;
    if kept.len() < text.len() {
        reading.spelled = Spelled::Otherwise;
    }
    Some(reading)
}

/// An empty text is null, but a quoted one is an empty text where text may stand.
fn null(column: &DeclaredColumn, text: &str, quoted: Quoted) -> Option<NullSpelled> {
    match (text.is_empty(), quoted, &column.form) {
        (true, Quoted::Yes, Form::Text) => None,
        (true, Quoted::Yes, _) => Some(NullSpelled::Quotes),
        (true, Quoted::No, _) => Some(NullSpelled::Nothing),
        (false, _, _) => column.nulls.iter().position(|word| word == text).map(NullSpelled::Word),
    }
}

/// A cell that is of its column's type by itself.
fn typed_cell(form: &Form, cell: &Cell<'_>) -> Option<Typed> {
    match (form, cell) {
        (Form::Int64(_), Cell::Number(value)) => whole(*value).map(Typed::Int64),
        (Form::Decimal { precision, scale, .. }, Cell::Number(value)) => {
            // The shortest digits that give the same double, without an exponent.
            let (units, _) =
                number::decimal(&value.to_string(), Marks::default(), (*precision, *scale))?;
            Some(Typed::Decimal(units))
        }
        (Form::Double(_), Cell::Number(value)) => Some(Typed::Double(*value)),
        (Form::Bool { .. }, Cell::Bool(value)) => Some(Typed::Bool(*value)),
        (Form::Date(_), Cell::Date(days)) => Some(Typed::Date(*days)),
        (Form::Date(_), Cell::Moment(micros)) => time::day(*micros).map(Typed::Date),
        (Form::Timestamp { utc: false, .. }, Cell::Date(days)) => {
            Some(Typed::Timestamp(i64::from(*days) * DAY_MICROS))
        }
        (Form::Timestamp { utc: false, .. }, Cell::Moment(micros)) => {
            Some(Typed::Timestamp(*micros))
        }
        (_, _) => None,
    }
}

/// A number without marks. The form's own printer would put them in, so it cannot give the text back.
fn of_digits<'t>(form: &Form, text: &'t str) -> Option<Reading<'t>> {
    let bare = Marks::default();
    let (form, is_marked) = match form {
        Form::Int64(marks) => (Form::Int64(bare), *marks != bare),
        Form::Decimal { precision, scale, marks } => {
            let (precision, scale) = (*precision, *scale);
            (Form::Decimal { precision, scale, marks: bare }, *marks != bare)
        }
        Form::Double(marks) => (Form::Double(bare), *marks != bare),
        Form::Text | Form::Date(_) | Form::Timestamp { .. } | Form::Bool { .. } => {
            return of_text(form, Cow::Borrowed(text));
        }
    };
    let mut reading = of_text(&form, Cow::Borrowed(text))?;
    let is_whole = matches!(reading.spelled, Spelled::Number { scale: 0, .. });
    if is_marked && !is_whole {
        reading.spelled = Spelled::Otherwise;
    }
    Some(reading)
}

fn whole(value: f64) -> Option<i64> {
    #[allow(clippy::cast_possible_truncation, reason = "whole and within range, as just seen")]
    (value.fract() == 0.0 && value.abs() < WHOLE_END).then_some(value as i64)
}

/// A cell of another type counts as its text: a number where text, a day (`20260131`) or a word
/// (`1`) is declared. Marks of a number's text do not apply to it.
fn of_other_cell<'t>(column: &DeclaredColumn, text: Cow<'t, str>) -> Option<Reading<'t>> {
    match column.form {
        Form::Int64(_) | Form::Decimal { .. } | Form::Double(_) => None,
        Form::Text | Form::Date(_) | Form::Timestamp { .. } | Form::Bool { .. } => {
            of_text(&column.form, text)
        }
    }
}

fn of_text<'t>(form: &Form, text: Cow<'t, str>) -> Option<Reading<'t>> {
    let typed = match form {
        Form::Text => return Some(Reading::of(Value::Text(text), Spelled::Text)),
        Form::Int64(marks) => number::int64(&text, *marks).map(|(v, s)| (Typed::Int64(v), s)),
        Form::Decimal { precision, scale, marks } => {
            let read = number::decimal(&text, *marks, (*precision, *scale));
            read.map(|(v, s)| (Typed::Decimal(v), s))
        }
        Form::Double(marks) => number::double(&text, *marks).map(|(v, s)| (Typed::Double(v), s)),
        Form::Date(format) => {
            let (micros, spelled) = by_format(format, &text)?;
            time::day(micros).map(|days| (Typed::Date(days), spelled))
        }
        Form::Timestamp { format: Some(format), .. } => {
            by_format(format, &text).map(|(micros, spelled)| (Typed::Timestamp(micros), spelled))
        }
        Form::Timestamp { format: None, utc } => {
            let (micros, form) = canonical::moment(text.as_bytes())?;
            let has_zone = form.zone != Zone::Local;
            (has_zone == *utc).then_some((Typed::Timestamp(micros), Spelled::Moment(form)))
        }
        Form::Bool { yes, no } => {
            let word = |words: &[String]| words.iter().position(|word| *word == text);
            match (word(yes), word(no)) {
                (Some(at), _) => {
                    Some((Typed::Bool(true), Spelled::Bool { yes: Some(at), no: None }))
                }
                (None, Some(at)) => {
                    Some((Typed::Bool(false), Spelled::Bool { yes: None, no: Some(at) }))
                }
                (None, None) => None,
            }
        }
    };
    typed.map(Reading::typed)
}

fn by_format(format: &TimeFormat, text: &str) -> Option<(i64, Spelled)> {
    let (micros, exact) = time::read(format, text)?;
    Some((micros, if exact { Spelled::Format } else { Spelled::Otherwise }))
}
