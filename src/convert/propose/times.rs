//! In which format the days and times of a column are written, if they are.

use std::sync::LazyLock;

use crate::contract::{Form, TimeFormat};
use crate::convert::contract::time;

/// Which part of a day stands first in a format: what nobody may guess.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum First {
    Year,
    Day,
    Month,
}

/// Formats of days. Of those that differ only in leading zeros the strict one comes first.
const DAYS: [(First, &str); 28] = [
    (First::Year, "%Y-%m-%d"),
    (First::Year, "%Y/%m/%d"),
    (First::Year, "%Y.%m.%d"),
    (First::Day, "%d.%m.%Y"),
    (First::Day, "%-d.%-m.%Y"),
    (First::Day, "%d.%m.%y"),
    (First::Day, "%-d.%-m.%y"),
    (First::Day, "%d/%m/%Y"),
    (First::Day, "%-d/%-m/%Y"),
    (First::Day, "%d/%m/%y"),
    (First::Day, "%-d/%-m/%y"),
    (First::Day, "%d-%m-%Y"),
    (First::Day, "%-d-%-m-%Y"),
    (First::Month, "%m/%d/%Y"),
    (First::Month, "%-m/%-d/%Y"),
    (First::Month, "%m/%d/%y"),
    (First::Month, "%-m/%-d/%y"),
    (First::Month, "%m-%d-%Y"),
    (First::Month, "%-m-%-d-%Y"),
    (First::Day, "%d %b %Y"),
    (First::Day, "%-d %b %Y"),
    (First::Day, "%d-%b-%Y"),
    (First::Day, "%d-%b-%y"),
    (First::Day, "%d %B %Y"),
    (First::Day, "%-d %B %Y"),
    (First::Month, "%b %d, %Y"),
    (First::Month, "%b %-d, %Y"),
    (First::Month, "%B %-d, %Y"),
];

/// What may follow the day.
const CLOCKS: [&str; 8] =
    ["", " %H:%M", " %H:%M:%S", " %-H:%M", " %-H:%M:%S", "T%H:%M", " %I:%M %p", " %I:%M:%S %p"];

static FORMATS: LazyLock<Vec<(First, TimeFormat)>> = LazyLock::new(|| {
    let all = CLOCKS.iter().flat_map(|clock| {
        DAYS.iter().filter_map(move |(order, day)| {
            Some((*order, TimeFormat::new(&format!("{day}{clock}")).ok()?))
        })
    });
    all.collect()
});

/// Every format that all values so far are written in.
#[derive(Debug, Clone)]
pub(super) struct Times(Vec<&'static (First, TimeFormat)>);

/// What a column's times come to.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Timely {
    /// Not all values have one format.
    No,
    /// All are of this form.
    Yes(Form),
    /// `01/02/2026` is in January or in February; both fit all values.
    Ambiguous(Form, Form),
}

impl Times {
    pub(super) fn new() -> Self {
        Self(FORMATS.iter().collect())
    }

    pub(super) fn take(&mut self, text: &str) {
        self.0.retain(|(_, format)| time::read(format, text).is_some());
    }

    pub(super) fn come_to(&self) -> Timely {
        let Some((order, format)) = self.0.first() else { return Timely::No };
        match self.0.iter().find(|(another, _)| another != order) {
            None => Timely::Yes(form(format)),
            Some((_, other)) => Timely::Ambiguous(form(format), form(other)),
        }
    }
}

fn form(format: &TimeFormat) -> Form {
    match format.has_time() {
        true => Form::Timestamp { format: Some(format.clone()), utc: false },
        false => Form::Date(format.clone()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(values: &[&str]) -> Timely {
        let mut times = Times::new();
        values.iter().for_each(|value| times.take(value));
        times.come_to()
    }

    fn format(text: &str) -> TimeFormat {
        TimeFormat::new(text).expect("a format")
    }

    #[test]
    fn every_format_is_one() {
        assert_eq!(FORMATS.len(), DAYS.len() * CLOCKS.len());
    }

    #[test]
    fn formats_are_found_where_values_tell_them() {
        for (values, text) in [
            (&["31.01.2026", "01.02.2026"][..], "%d.%m.%Y"),
            (&["1.2.2026", "31.12.2026"], "%-d.%-m.%Y"),
            (&["01/02/2026", "31/01/2026"], "%d/%m/%Y"),
            (&["01/02/2026", "01/31/2026"], "%m/%d/%Y"),
            (&["2026/01/31"], "%Y/%m/%d"),
            (&["03 Jan 2026"], "%d %b %Y"),
        ] {
            assert_eq!(of(values), Timely::Yes(Form::Date(format(text))), "{values:?}");
        }
        let moment = Form::Timestamp { format: Some(format("%d.%m.%Y %H:%M")), utc: false };
        assert_eq!(of(&["31.01.2026 23:59"]), Timely::Yes(moment));
    }

    #[test]
    fn day_and_month_are_not_guessed() {
        let both = (Form::Date(format("%d/%m/%Y")), Form::Date(format("%m/%d/%Y")));
        assert_eq!(of(&["01/02/2026", "12/12/2026"]), Timely::Ambiguous(both.0, both.1));
        assert_eq!(of(&["31.01.2026", "2026-01-31"]), Timely::No);
        assert_eq!(of(&["31.02.2026"]), Timely::No, "no such day");
    }
}
