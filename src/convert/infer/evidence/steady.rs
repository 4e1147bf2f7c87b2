//! What one kind of value cannot change any more.
//!
//! After a few values most columns allow one type only. As long as further values are of that type,
//! nothing changes but counts, so they can be checked many at a time by a parser of that one type;
//! the first that is not goes through [`Evidence::observe`], and the column may be steady again.

use super::Evidence;
use crate::convert::infer::canonical::{MomentForm, Spelling};

/// What a column's further values must be for its evidence to change in counts only.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Steady {
    /// Unknown: there is no value yet, or values of several types would do. Observe each.
    No,
    /// Whole numbers of 64 bits.
    Int,
    /// Fixed-point numbers with so many digits after the point.
    Fixed {
        /// Digits after the point.
        scale: u8,
    },
    /// The same, each also the shortest text of a double.
    FixedAndDouble {
        /// Digits after the point.
        scale: u8,
    },
    /// Doubles.
    Double,
    /// Dates.
    Date,
    /// Timestamps of one form.
    Moment(MomentForm),
    /// Bools of one spelling.
    Bool(Spelling),
    /// Anything: the column is text.
    Text,
}

/// What was seen of a column while it was steady.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Seen {
    /// Values of the steady type.
    pub values: u64,
    /// Empties that are nothing.
    pub bare_empties: u64,
    /// Empties that are two quotes.
    pub quoted_empties: u64,
    /// Of numbers, the largest by its digits without the point and sign.
    pub magnitude_max: u64,
}

impl Evidence {
    /// What further values must be to change counts only.
    pub fn steady(&self) -> Steady {
        if self.values == 0 {
            return Steady::No;
        }
        let numeric = self.fixed.is_allowed() || self.double.is_allowed();
        let other = self.date.is_allowed() || self.moment.is_allowed() || self.boolean.is_allowed();
        match (numeric, other) {
            (true, true) => Steady::No,
            (true, false) => self.steady_number(),
            (false, _) if self.int.is_allowed() => Steady::No,
            (false, true) => self.steady_other(),
            (false, false) => Steady::Text,
        }
    }

    fn steady_number(&self) -> Steady {
        let scale = self.fixed.parameter().filter(|_| self.fixed.is_allowed());
        match (self.int.is_allowed(), scale, self.double.is_allowed()) {
            (true, Some(0), false) => Steady::Int,
            (false, Some(scale), false) => Steady::Fixed { scale },
            (false, Some(scale), true) => Steady::FixedAndDouble { scale },
            (false, None, true) => Steady::Double,
            (true, _, _) | (false, None, false) => Steady::No,
        }
    }

    fn steady_other(&self) -> Steady {
        match (self.date.is_allowed(), self.moment.is_allowed(), self.boolean.is_allowed()) {
            (true, false, false) => Steady::Date,
            (false, true, false) => self.moment.parameter().map_or(Steady::No, Steady::Moment),
            (false, false, true) => self.boolean.parameter().map_or(Steady::No, Steady::Bool),
            (false, false, false) => Steady::Text,
            (true, true, _) | (true, _, true) | (_, true, true) => Steady::No,
        }
    }

    /// Takes what was seen while the column was steady.
    pub fn observe_steady(&mut self, seen: Seen) {
        self.values += seen.values;
        self.bare_empties += seen.bare_empties;
        self.quoted_empties += seen.quoted_empties;
        if let Some(scale) = self.fixed.parameter().filter(|_| self.fixed.is_allowed()) {
            let digits = seen.magnitude_max.checked_ilog10().map_or(0, |log| log + 1);
            let whole = digits.saturating_sub(u32::from(scale));
            self.whole_digits = self.whole_digits.max(u8::try_from(whole).unwrap_or(u8::MAX));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(values: &[&str]) -> Evidence {
        let mut evidence = Evidence::default();
        (2..).zip(values).for_each(|(line, value)| evidence.observe(value, false, line));
        evidence
    }

    #[test]
    fn a_column_is_steady_in_the_one_type_that_is_left() {
        let cases: &[(&[&str], Steady)] = &[
            (&[], Steady::No),
            (&["", ""], Steady::No),
            (&["0"], Steady::Int),
            (&["1", "12345678901234567890"], Steady::Fixed { scale: 0 }),
            (&["1.10"], Steady::Fixed { scale: 2 }),
            (&["1.5"], Steady::FixedAndDouble { scale: 1 }),
            (&["1.5", "1.25"], Steady::Double),
            (&["2024-01-01"], Steady::Date),
            (&["true"], Steady::Bool(Spelling::Lower)),
            (&["1", "x"], Steady::Text),
            (&["007"], Steady::Text),
        ];
        for (values, steady) in cases {
            assert_eq!(of(values).steady(), *steady, "{values:?}");
        }
        assert!(matches!(of(&["2024-01-01 00:00:00"]).steady(), Steady::Moment(_)));
    }

    #[test]
    fn counting_is_as_good_as_observing() {
        let mut counted = of(&["1.10"]);
        let seen = Seen { values: 2, bare_empties: 1, quoted_empties: 0, magnitude_max: 12_345 };
        counted.observe_steady(seen);
        assert_eq!(counted, of(&["1.10", "123.45", "-0.05", ""]));
        let mut counted = of(&["1"]);
        counted.observe_steady(Seen { values: 1, magnitude_max: 0, ..Seen::default() });
        assert_eq!(counted, of(&["1", "0"]));
    }
}
