//! Which marks the numbers of a column are written with, if they are numbers.
//!
//! Digits that a number could not print back are no number: `007` and `+49` are names.

use crate::contract::{Form, Marks};

/// Digits of the widest decimal that every reader takes.
const DIGITS_MAX: usize = 38;
/// Digits of the narrower decimal that is learned, and of any integer that surely fits an int64.
const NARROW_DIGITS_MAX: usize = 18;
/// Digits after the mark that make `1.234` look like a thousand.
const GROUP: usize = 3;

/// Point and mark of thousands; those without one before those with it.
const MARKS: [(char, Option<char>); 8] = [
    ('.', None),
    (',', None),
    ('.', Some(',')),
    (',', Some('.')),
    ('.', Some(' ')),
    (',', Some(' ')),
    (',', Some('\u{a0}')),
    ('.', Some('\'')),
];

/// Every way to write numbers that all values so far are written in.
#[derive(Debug, Clone)]
pub(super) struct Numbers(Vec<Shape>);

#[derive(Debug, Clone)]
struct Shape {
    marks: Marks,
    whole_digits: usize,
    scale: usize,
    has_point: bool,
    has_thousands: bool,
    fits_int64: bool,
}

/// What a column's numbers come to.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Numeric {
    /// Not all values are numbers.
    No,
    /// All are of this form.
    Yes(Form),
    /// All are plain decimals of three digits, which may as well be thousands.
    Doubtful(Form),
    /// `1,234` is a thousand or a little more than one; nobody may guess.
    Ambiguous,
}

impl Numbers {
    pub(super) fn new() -> Self {
        let shape = |(point, thousands)| Shape {
            marks: Marks { point, thousands },
            whole_digits: 1,
            scale: 0,
            has_point: false,
            has_thousands: false,
            fits_int64: true,
        };
        Self(MARKS.into_iter().map(shape).collect())
    }

    pub(super) fn take(&mut self, text: &str) {
        self.0.retain_mut(|shape| shape.take(text).is_some());
    }

    pub(super) fn come_to(&self) -> Numeric {
        // Marks that no value has say nothing.
        let told = |shape: &&Shape| {
            let Marks { point, thousands } = shape.marks;
            thousands.is_none_or(|_| shape.has_thousands)
                && (point == '.' || shape.has_point || shape.has_thousands)
        };
        let told: Vec<_> = self.0.iter().filter(told).collect();
        let plain = told.iter().find(|shape| shape.marks == Marks::default());
        let form = |shape: &Shape| shape.form();
        match (plain, told.as_slice()) {
            (_, []) => Numeric::No,
            (Some(plain), [_]) => form(plain).map_or(Numeric::No, Numeric::Yes),
            (Some(plain), _) if !plain.has_point => form(plain).map_or(Numeric::No, Numeric::Yes),
            (Some(plain), _) => form(plain).map_or(Numeric::No, Numeric::Doubtful),
            (None, [one]) => form(one).map_or(Numeric::No, Numeric::Yes),
            (None, _) => Numeric::Ambiguous,
        }
    }
}

impl Shape {
    /// `None` when it is no number with these marks.
    fn take(&mut self, text: &str) -> Option<()> {
        let digits = text.strip_prefix('-').unwrap_or(text);
        let (whole, fraction) = match digits.split_once(self.marks.point) {
            Some((whole, fraction)) => (whole, Some(fraction)),
            None => (digits, None),
        };
        let are_digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
        if !fraction.is_none_or(are_digits) {
            return None;
        }
        let thousands = self.marks.thousands.filter(|mark| whole.contains(*mark));
        let groups: Vec<&str> =
            thousands.map_or_else(|| vec![whole], |mark| whole.split(mark).collect());
        let (first, rest) = groups.split_first()?;
        let fits = thousands.is_none() || first.len() <= GROUP;
        let is_grouped = rest.iter().all(|group| group.len() == GROUP && are_digits(group));
        let has_zeros = first.len() > 1 && first.starts_with('0');
        let is_minus_zero = text.starts_with('-')
            && text.bytes().all(|byte| !byte.is_ascii_digit() || byte == b'0');
        if !are_digits(first) || !fits || !is_grouped || has_zeros || is_minus_zero {
            return None;
        }
        let whole_digits = groups.iter().map(|group| group.len()).sum();
        self.whole_digits = self.whole_digits.max(whole_digits);
        self.scale = self.scale.max(fraction.map_or(0, str::len));
        self.has_point |= fraction.is_some();
        self.has_thousands |= thousands.is_some();
        let is_small = whole_digits <= NARROW_DIGITS_MAX;
        self.fits_int64 &= is_small || text.parse::<i64>().is_ok();
        (self.whole_digits + self.scale <= DIGITS_MAX).then_some(())
    }

    fn form(&self) -> Option<Form> {
        let marks = self.marks;
        if !self.has_point && self.fits_int64 {
            return Some(Form::Int64(marks));
        }
        let is_narrow = self.whole_digits + self.scale <= NARROW_DIGITS_MAX;
        let precision = if is_narrow { NARROW_DIGITS_MAX } else { DIGITS_MAX };
        let (precision, scale) = (u8::try_from(precision).ok()?, u8::try_from(self.scale).ok()?);
        Some(Form::Decimal { precision, scale, marks })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(values: &[&str]) -> Numeric {
        let mut numbers = Numbers::new();
        values.iter().for_each(|value| numbers.take(value));
        numbers.come_to()
    }

    fn decimal(precision: u8, scale: u8, point: char, thousands: Option<char>) -> Form {
        Form::Decimal { precision, scale, marks: Marks { point, thousands } }
    }

    #[test]
    fn marks_are_found_where_values_tell_them() {
        for (values, form) in [
            (&["1", "-20", "0"][..], Form::Int64(Marks::default())),
            (&["9223372036854775807"], Form::Int64(Marks::default())),
            (&["9223372036854775808"], decimal(38, 0, '.', None)),
            (&["1", "1.5"], decimal(18, 1, '.', None)),
            (&["1,50", "-2"], decimal(18, 2, ',', None)),
            (&["1.234,50", "2"], decimal(18, 2, ',', Some('.'))),
            (&["1,234.50"], decimal(18, 2, '.', Some(','))),
            (&["1,234,567"], Form::Int64(Marks { point: '.', thousands: Some(',') })),
            (&["1 234,5"], decimal(18, 1, ',', Some(' '))),
            (&["12345678901234567890.12"], decimal(38, 2, '.', None)),
        ] {
            assert_eq!(of(values), Numeric::Yes(form), "{values:?}");
        }
    }

    #[test]
    fn what_may_be_either_is_not_guessed() {
        assert_eq!(of(&["1,234", "5,678"]), Numeric::Ambiguous);
        assert_eq!(of(&["1.234"]), Numeric::Doubtful(decimal(18, 3, '.', None)));
        assert_eq!(of(&["1.234", "1.5"]), Numeric::Yes(decimal(18, 3, '.', None)));
    }

    #[test]
    fn names_made_of_digits_are_no_numbers() {
        for values in [
            &["007"][..],
            &["1", "+49"],
            &["-0"],
            &["-0.00"],
            &["1."],
            &[".5"],
            &["1e5"],
            &["1,23.4"],
            &["12345,678.1"],
            &["x"],
            &[""],
            &["1".repeat(39).as_str()],
        ] {
            assert_eq!(of(values), Numeric::No, "{values:?}");
        }
    }
}
