//! One column of a window: judged and turned into an array in one go.
//!
//! While its evidence is [`Steady`] a column is checked by the parser of the one type that is left,
//! and the values it accepts are the column's values. Any other cell goes through
//! [`Evidence::observe`], one by one, so that the evidence is what the exact reader's would be.

use std::ops::Range;

use arrow_array::ArrayRef;

use super::fields::{Field, Window};
use super::parse::{self, TENS};
use super::unchecked::{Text, Views};
use crate::convert::infer::{Evidence, Seen, Steady, canonical};
use crate::convert::table::{ColumnBuilder, Values};
use crate::schema::ColumnType;

/// What a column is taken for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Aim {
    /// Only its evidence.
    Evidence,
    /// An array of this type as well.
    Array(ColumnType),
}

/// What a column came to.
#[derive(Debug)]
pub enum Taken {
    /// Its evidence, as asked.
    Seen,
    /// Its values.
    Array(ArrayRef),
    /// A value is not of the type that was aimed at; the evidence is complete.
    Misfit,
}

/// One column of a window.
#[derive(Clone, Copy)]
pub struct Column<'w> {
    /// The window.
    pub window: &'w Window<'w>,
    /// The text that the window is of.
    pub text: &'w Text,
    /// Which column, from 0.
    pub at: usize,
}

impl Column<'_> {
    /// Takes all values of the column.
    pub fn take(self, evidence: &mut Evidence, aim: Aim) -> Taken {
        match aim {
            Aim::Evidence => {
                self.judge(evidence, None);
                Taken::Seen
            }
            Aim::Array(ColumnType::Text | ColumnType::Empty) => self.take_text(evidence),
            Aim::Array(kind) => {
                let builder = ColumnBuilder::with_capacity(kind, self.window.rows);
                match self.judge(evidence, Some(builder)) {
                    Some(mut builder) => Taken::Array(builder.finish()),
                    None => Taken::Misfit,
                }
            }
        }
    }

    fn take_text(self, evidence: &mut Evidence) -> Taken {
        let was_text = evidence.steady() == Steady::Text;
        let mut views = Views::new(self.text, self.window.rows);
        let Some(seen) = self.view(&mut views) else { return Taken::Misfit };
        if was_text {
            evidence.observe_steady(seen);
        } else {
            self.judge(evidence, None);
        }
        Taken::Array(views.finish())
    }

    /// Makes a view of every value; `None` when there is no room for them.
    fn view(self, views: &mut Views<'_>) -> Option<Seen> {
        let mut seen = Seen::default();
        for row in 0..self.window.rows {
            let field = self.window.field(row, self.at);
            if field.is_quoted {
                if field.span.is_empty() {
                    seen.quoted_empties += 1;
                } else {
                    seen.values += 1;
                }
                if self.window.has_quote(&field) {
                    views.push_own(&self.window.value(&field))?;
                } else {
                    views.push(field.span);
                }
            } else if field.span.is_empty() {
                seen.bare_empties += 1;
                views.push_null();
            } else {
                seen.values += 1;
                views.push(field.span);
            }
        }
        Some(seen)
    }

    /// Judges every value and builds the array, as long as the values fit it.
    fn judge(
        self,
        evidence: &mut Evidence,
        mut builder: Option<ColumnBuilder>,
    ) -> Option<ColumnBuilder> {
        let mut row = 0;
        while row < self.window.rows {
            let seen = self.alike(&mut row, evidence.steady(), builder.as_mut());
            evidence.observe_steady(seen);
            if row < self.window.rows {
                let field = self.window.field(row, self.at);
                let value = self.window.value(&field);
                evidence.observe(&value, field.is_quoted, self.window.line(row));
                builder = builder.and_then(|mut builder| {
                    builder.push(&value, field.is_quoted).is_ok().then_some(builder)
                });
                row += 1;
            }
        }
        builder
    }

    /// Takes values from `row` on while they are alike and fit; `row` is then the first that is not.
    fn alike(self, row: &mut usize, steady: Steady, builder: Option<&mut ColumnBuilder>) -> Seen {
        let mut run = Run { column: self, row };
        let built = builder.map(ColumnBuilder::values_mut);
        match steady {
            Steady::No => Seen::default(),
            Steady::Text => match built {
                None => run.take(|_, _| Some(()), |_| ()),
                Some(_) => Seen::default(),
            },
            Steady::Int => run.ints(parse::int, built, 0),
            Steady::Fixed { scale } => {
                let digits = usize::from(scale);
                run.ints(|bytes, span| parse::fixed(bytes, span, digits), built, scale)
            }
            Steady::FixedAndDouble { scale } => {
                let digits = usize::from(scale);
                let both = |bytes: &[u8], span: &Range<usize>| {
                    let value = parse::fixed(bytes, span, digits)?;
                    parse::is_shortest(bytes, span, digits).then_some(value)
                };
                run.ints(both, built, scale)
            }
            Steady::Double => {
                let double =
                    |bytes: &[u8], span: &Range<usize>| canonical::double(bytes.get(span.clone())?);
                run.doubles(double, built)
            }
            Steady::Date => match built {
                None => run.take(parse::date, |_| ()),
                Some((Values::Date(out), _)) => run.take(parse::date, |day| out.append_option(day)),
                Some(_) => Seen::default(),
            },
            Steady::Moment(form) => {
                let moment = |bytes: &[u8], span: &Range<usize>| parse::moment(bytes, span, form);
                match built {
                    None => run.take(moment, |_| ()),
                    Some((Values::Timestamp(out), _)) => {
                        run.take(moment, |micros| out.append_option(micros))
                    }
                    Some(_) => Seen::default(),
                }
            }
            Steady::Bool(spelling) => {
                let word = |bytes: &[u8], span: &Range<usize>| {
                    let (value, found) = canonical::boolean(bytes.get(span.clone())?)?;
                    (found == spelling).then_some(value)
                };
                match built {
                    None => run.take(word, |_| ()),
                    Some((Values::Bool(out), _)) => {
                        run.take(word, |value| out.append_option(value))
                    }
                    Some(_) => Seen::default(),
                }
            }
        }
    }
}

/// Values of a column from a row on.
struct Run<'r, 'w> {
    column: Column<'w>,
    row: &'r mut usize,
}

type Built<'b> = Option<(&'b mut Values, u8)>;

impl Run<'_, '_> {
    /// Takes values as long as `parse` knows them; empties are nulls.
    #[inline(always)]
    fn take<V>(
        &mut self,
        parse: impl Fn(&[u8], &Range<usize>) -> Option<V>,
        mut keep: impl FnMut(Option<V>),
    ) -> Seen {
        self.take_fitting(parse, |value| {
            keep(value);
            Some(())
        })
    }

    /// The same, as long as `keep` can keep them.
    #[inline(always)]
    fn take_fitting<V>(
        &mut self,
        parse: impl Fn(&[u8], &Range<usize>) -> Option<V>,
        mut keep: impl FnMut(Option<V>) -> Option<()>,
    ) -> Seen {
        let Column { window, at, .. } = self.column;
        let (bytes, mut seen, mut row) = (window.bytes(), Seen::default(), *self.row);
        while row < window.rows {
            let Field { span, is_quoted } = window.field(row, at);
            if span.is_empty() {
                if keep(None).is_none() {
                    break;
                }
                seen.bare_empties += u64::from(!is_quoted);
                seen.quoted_empties += u64::from(is_quoted);
            } else {
                let Some(value) = parse(bytes, &span) else { break };
                if keep(Some(value)).is_none() {
                    break;
                }
                seen.values += 1;
            }
            row += 1;
        }
        *self.row = row;
        seen
    }

    /// Whole or fixed-point numbers with `scale` digits after the point, for a column of the same
    /// or a wider type.
    #[inline(always)]
    fn ints(
        &mut self,
        parse: impl Fn(&[u8], &Range<usize>) -> Option<i64>,
        built: Built<'_>,
        scale: u8,
    ) -> Seen {
        let mut largest = 0;
        let mut measured = |value: &Option<i64>| {
            largest = largest.max(value.map_or(0, i64::unsigned_abs));
        };
        let mut seen = match built {
            None => self.take(parse, |value| measured(&value)),
            Some((Values::Int64(out), _)) if scale == 0 => self.take(parse, |value| {
                measured(&value);
                out.append_option(value);
            }),
            Some((Values::Decimal64(out), wider)) if wider >= scale => {
                let factor = TENS.get(usize::from(wider - scale)).copied();
                self.take_fitting(parse, |value| {
                    measured(&value);
                    match value {
                        Some(value) => out.append_value(value.checked_mul(factor?)?),
                        None => out.append_null(),
                    }
                    Some(())
                })
            }
            Some(_) => return Seen::default(),
        };
        seen.magnitude_max = largest;
        seen
    }

    #[inline(always)]
    fn doubles(
        &mut self,
        parse: impl Fn(&[u8], &Range<usize>) -> Option<f64>,
        built: Built<'_>,
    ) -> Seen {
        match built {
            None => self.take(parse, |_| ()),
            Some((Values::Double(out), _)) => self.take(parse, |value| out.append_option(value)),
            Some(_) => Seen::default(),
        }
    }
}
