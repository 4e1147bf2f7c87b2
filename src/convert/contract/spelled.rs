//! How the values of a column are spelled, as a join: which printer gives every text back.

use crate::contract::Form;
use crate::convert::infer::Printer;
use crate::convert::infer::canonical::MomentForm;

/// How one value is spelled, or all values of a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Spelled {
    /// It is the text itself.
    Text,
    /// It is a cell of its column's own type.
    Cell,
    /// Digits as a printer would write them.
    Number {
        /// Digits after the point.
        scale: u8,
        /// Whether groups of thousands are divided; `None` when there is only one group.
        grouped: Option<bool>,
    },
    /// A double's shortest text.
    Double {
        /// With `.0` where it is whole, or not whole.
        pointed: bool,
        /// Without `.0` where it is whole, or not whole.
        bare: bool,
    },
    /// ISO 8601 in this form.
    Moment(MomentForm),
    /// As the declared format prints it.
    Format,
    /// The words for true and false, by their place in the contract.
    Bool {
        /// For true, if it occurred.
        yes: Option<usize>,
        /// For false, if it occurred.
        no: Option<usize>,
    },
    /// In a way that no printer would choose.
    Otherwise,
}

impl Spelled {
    /// Both together; order does not matter.
    pub fn join(self, other: Self) -> Self {
        match (self, other) {
            (a, b) if a == b => a,
            (
                Self::Number { scale, grouped: a },
                Self::Number { scale: other_scale, grouped: b },
            ) if scale == other_scale => {
                agreed(a, b).map_or(Self::Otherwise, |grouped| Self::Number { scale, grouped })
            }
            (Self::Double { pointed: a, bare: b }, Self::Double { pointed: c, bare: d })
                if (a && c) || (b && d) =>
            {
                Self::Double { pointed: a && c, bare: b && d }
            }
            (Self::Bool { yes: a, no: b }, Self::Bool { yes: c, no: d }) => {
                let words = agreed(a, c).zip(agreed(b, d));
                words.map_or(Self::Otherwise, |(yes, no)| Self::Bool { yes, no })
            }
            (_, _) => Self::Otherwise,
        }
    }

    /// The printer that gives every text back; [`Printer::Source`] when there is none.
    pub fn printer(self, form: &Form) -> Printer {
        match (self, form) {
            (Self::Text, Form::Text) => Printer::Text,
            (Self::Cell, form) => cell_printer(form),
            (Self::Number { scale, grouped }, Form::Int64(marks) | Form::Decimal { marks, .. }) => {
                let thousands = marks.thousands.filter(|_| grouped == Some(true));
                match (thousands, scale, marks.point) {
                    (None, 0, _) => Printer::Integer,
                    (None, scale, '.') => Printer::Decimal { scale },
                    (thousands, scale, point) => Printer::Marked { scale, point, thousands },
                }
            }
            (Self::Double { pointed: true, .. }, Form::Double(_)) => Printer::Double,
            (Self::Double { bare: true, .. }, Form::Double(_)) => Printer::Number,
            (Self::Moment(form), Form::Timestamp { .. }) => Printer::Timestamp {
                separator: char::from(form.separator),
                fraction: form.fraction,
                zone: form.zone.text().to_owned(),
            },
            (Self::Format, Form::Date(format) | Form::Timestamp { format: Some(format), .. }) => {
                match format.as_str() {
                    "%Y-%m-%d" => Printer::Date,
                    _ => Printer::Format { format: format.clone() },
                }
            }
            (Self::Bool { yes, no }, Form::Bool { yes: yes_words, no: no_words }) => {
                let word = |at: Option<usize>, words: &[String]| {
                    words.get(at.unwrap_or(0)).cloned().unwrap_or_default()
                };
                Printer::Bool { yes: word(yes, yes_words), no: word(no, no_words) }
            }
            (_, _) => Printer::Source,
        }
    }
}

fn cell_printer(form: &Form) -> Printer {
    match form {
        Form::Text => Printer::Text,
        Form::Int64(_) => Printer::Integer,
        Form::Decimal { .. } | Form::Double(_) => Printer::Number,
        Form::Date(_) => Printer::Date,
        Form::Timestamp { .. } => {
            Printer::Timestamp { separator: 'T', fraction: 6, zone: String::new() }
        }
        Form::Bool { .. } => Printer::Bool { yes: "TRUE".to_owned(), no: "FALSE".to_owned() },
    }
}

/// What both say, where one may say nothing; `None` when they differ.
fn agreed<T: PartialEq>(a: Option<T>, b: Option<T>) -> Option<Option<T>> {
    match (a, b) {
        (Some(a), Some(b)) if a != b => None,
        (a, b) => Some(a.or(b)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract::Marks;

    #[test]
    fn order_does_not_matter_and_one_other_spelling_is_enough() {
        let number = |scale, grouped| Spelled::Number { scale, grouped };
        let all = [
            number(2, None),
            number(2, Some(true)),
            number(2, Some(false)),
            number(1, None),
            Spelled::Cell,
            Spelled::Double { pointed: true, bare: true },
            Spelled::Double { pointed: false, bare: true },
            Spelled::Double { pointed: true, bare: false },
            Spelled::Bool { yes: Some(0), no: None },
            Spelled::Bool { yes: None, no: Some(1) },
            Spelled::Otherwise,
        ];
        for a in all {
            for b in all {
                assert_eq!(a.join(b), b.join(a), "{a:?} {b:?}");
                for c in all {
                    assert_eq!(a.join(b).join(c), a.join(b.join(c)), "{a:?} {b:?} {c:?}");
                }
            }
        }
        assert_eq!(number(2, None).join(number(2, Some(true))), number(2, Some(true)));
        assert_eq!(number(2, Some(false)).join(number(2, Some(true))), Spelled::Otherwise);
    }

    #[test]
    fn marks_are_printed_only_where_they_were() {
        let marks = Marks { point: ',', thousands: Some('.') };
        let form = Form::Decimal { precision: 18, scale: 2, marks };
        let of = |scale, grouped| Spelled::Number { scale, grouped }.printer(&form);
        assert_eq!(of(0, None), Printer::Integer);
        assert_eq!(of(2, Some(false)), Printer::Marked { scale: 2, point: ',', thousands: None });
        let grouped = Printer::Marked { scale: 2, point: ',', thousands: Some('.') };
        assert_eq!(of(2, Some(true)), grouped);
        assert_eq!(Spelled::Otherwise.printer(&form), Printer::Source);
    }
}
