//! `[feed.<name>.expect]`: which days a feed's files are due on, and by when.
//!
//! A *date* is the day that a file is about. It is written in the file's name (`match`, or that of the
//! feed's contract), or else it is the newest expected date whose day has begun when the file comes.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::civil::{self, Date, Weekday};
use jiff::tz::TimeZone;
use jiff::{Span, ToSpan as _};
use toml::de::DeValue;

use super::batching::{clock_time, timezone};
use super::problem::Wrong;
use super::reader::Reader;
use super::value::{choice, duration, text, whole};
use crate::clock::Timestamp;
use crate::contract::NamePattern;

/// Days that are looked at for the next that is expected.
const SEARCHED_DAYS_MAX: usize = 400;
/// The most days that files may come after their date.
const LATER_DAYS_MAX: u8 = 31;
/// Bytes of a file of exceptions.
const EXCEPT_BYTES_MAX: u64 = 1 << 20;

/// What a feed is expected to bring, and when.
#[derive(Debug, Clone, PartialEq)]
pub struct Expect {
    /// `days = "mon-fri"`, default every day: the weekdays that have files. Ranges and single days,
    /// with commas between.
    pub days: Vec<Weekday>,
    /// `by = "06:30"`: when a date's files are due.
    pub by: civil::Time,
    /// `days_later`, default 0: how many days after its date a file is due, such as 1 for what is
    /// about yesterday.
    pub days_later: u8,
    /// `timezone = "Europe/Berlin"`, default UTC: whose days and clock count.
    pub timezone: TimeZone,
    /// `grace`, default none: how long after `by` a date is late.
    pub grace: Duration,
    /// `except = "holidays.txt"`: a file with a date a line (`2026-12-25`, then anything) that
    /// are not expected; `#` begins a remark. Absolute or relative to the zone.
    pub except: Option<PathBuf>,
    /// The dates in it.
    pub excepted: BTreeSet<Date>,
    /// `files`, default 1: how many files, by their names, make a date complete.
    pub files: u32,
    /// `match = "sales_{date:%Y%m%d}.csv"`: where a name carries the date. Default that of the
    /// feed's contract, if it has a date in it.
    pub name: Option<NamePattern>,
    /// `tell = ["extra", "unusual"]`, default both: what is told beside late and missing dates.
    pub tell: Vec<Beside>,
}

/// What may be told of a feed beside late and missing dates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Beside {
    /// More files than expected, or for a date that is not.
    Extra,
    /// A file far larger or smaller than the feed's usually are.
    Unusual,
}

impl Expect {
    /// Whether a date has files.
    pub fn is_expected(&self, date: Date) -> bool {
        self.days.contains(&date.weekday()) && !self.excepted.contains(&date)
    }

    /// When the day begins on which a date's files are due.
    pub fn opens(&self, date: Date) -> Timestamp {
        self.moment(date, civil::Time::midnight())
    }

    /// When a date's files are due.
    pub fn due(&self, date: Date) -> Timestamp {
        self.moment(date, self.by)
    }

    /// From when on a date without its files is late.
    pub fn late_from(&self, date: Date) -> Timestamp {
        self.due(date).checked_add(self.grace).unwrap_or(Timestamp::MAX)
    }

    /// The newest expected date whose day has begun.
    pub fn open_at(&self, time: Timestamp) -> Option<Date> {
        // A day begins at most a day before or after the date's day in UTC.
        let newest = time.to_zoned(self.timezone.clone()).date();
        let mut dates = days_from(newest, -1).filter(|date| self.is_expected(*date));
        dates.find(|date| self.opens(*date) <= time)
    }

    /// The first expected date after another.
    pub fn next(&self, date: Date) -> Option<Date> {
        days_from(date, 1).skip(1).find(|date| self.is_expected(*date))
    }

    /// The expected date before another.
    pub fn previous(&self, date: Date) -> Option<Date> {
        days_from(date, -1).skip(1).find(|date| self.is_expected(*date))
    }

    /// A time may be left out or come twice when clocks are changed: then the later, or the first.
    fn moment(&self, date: Date, time: civil::Time) -> Timestamp {
        let later = Span::new().try_days(i64::from(self.days_later)).ok();
        let day = later.and_then(|later| date.checked_add(later).ok());
        let at = day.and_then(|day| day.to_datetime(time).to_zoned(self.timezone.clone()).ok());
        at.map_or(Timestamp::MAX, |at| at.timestamp())
    }
}

/// A date and those after (`1`) or before it (`-1`).
fn days_from(date: Date, step: i64) -> impl Iterator<Item = Date> {
    std::iter::successors(Some(date), move |date| date.checked_add(step.days()).ok())
        .take(SEARCHED_DAYS_MAX)
}

pub(super) fn read(table: Reader<'_, '_>, root: Option<&Path>) -> Option<Expect> {
    table.require("by");
    let by = table.get("by", clock_time);
    let every_day = || civil_week().to_vec();
    let name = table.get("match", name_with_date);
    let except = table.get("except", text).map(PathBuf::from);
    let read = except.as_ref().zip(root).map(|(path, root)| excepted(&root.join(path)));
    let excepted = read.transpose().unwrap_or_else(|wrong| {
        table.problem_at("except", wrong);
        None
    });
    let expect = Expect {
        days: table.get("days", weekdays).unwrap_or_else(every_day),
        by: by.unwrap_or_default(),
        days_later: table.get("days_later", days_later).unwrap_or(0),
        timezone: table.get("timezone", timezone).unwrap_or(TimeZone::UTC),
        grace: table.get("grace", duration).unwrap_or_default(),
        except,
        excepted: excepted.unwrap_or_default(),
        files: table.get("files", whole(1)).unwrap_or(1),
        name,
        tell: table.list("tell", choice(TELL)).unwrap_or_else(|| TELL.map(|(_, what)| what).into()),
    };
    table.finish();
    by.map(|_| expect)
}

const TELL: &[(&str, Beside); 2] = &[("extra", Beside::Extra), ("unusual", Beside::Unusual)];
const WEEKDAYS: [(&str, Weekday); 7] = [
    ("mon", Weekday::Monday),
    ("tue", Weekday::Tuesday),
    ("wed", Weekday::Wednesday),
    ("thu", Weekday::Thursday),
    ("fri", Weekday::Friday),
    ("sat", Weekday::Saturday),
    ("sun", Weekday::Sunday),
];

fn civil_week() -> [Weekday; 7] {
    WEEKDAYS.map(|(_, day)| day)
}

fn weekdays(value: &DeValue<'_>) -> Result<Vec<Weekday>, Wrong> {
    const WHAT: &str = "days of the week such as \"mon-fri\" or \"mon,thu\"";
    let given = text(value)?;
    let day = |word: &str| {
        let word = word.trim().to_ascii_lowercase();
        WEEKDAYS.iter().find(|(known, _)| *known == word).map(|(_, day)| *day)
    };
    let part = |part: &str| match part.split_once('-') {
        None => day(part).map(|day| vec![day]),
        Some((first, last)) => {
            let (first, last) = (day(first)?, day(last)?);
            let days = first.cycle_forward().take(7);
            let until = days.clone().position(|day| day == last)?;
            Some(days.take(until + 1).collect())
        }
    };
    let parts: Option<Vec<Vec<Weekday>>> = given.split(',').map(part).collect();
    parts
        .map(|days| days.concat())
        .ok_or_else(|| Wrong::new(format!("must be {WHAT}, not `{given}`")))
}

fn days_later(value: &DeValue<'_>) -> Result<u8, Wrong> {
    let days = whole::<u8>(0)(value).ok().filter(|days| *days <= LATER_DAYS_MAX);
    days.ok_or_else(|| Wrong::new(format!("must be a whole number from 0 to {LATER_DAYS_MAX}")))
}

fn name_with_date(value: &DeValue<'_>) -> Result<NamePattern, Wrong> {
    let given = text(value)?;
    let pattern = NamePattern::new(&given)
        .map_err(|why| Wrong::new(format!("has the pattern `{given}`: {why}")))?;
    match pattern.fields().iter().any(|field| field.format.is_some()) {
        true => Ok(pattern),
        false => Err(Wrong::new("carries no date, such as `{date:%Y%m%d}`")),
    }
}

/// The dates of a file, one a line.
fn excepted(path: &Path) -> Result<BTreeSet<Date>, Wrong> {
    use std::io::Read as _;
    let file = std::fs::File::open(path);
    let text = file.and_then(|file| std::io::read_to_string(file.take(EXCEPT_BYTES_MAX)));
    let text = text.map_err(|error| {
        Wrong::new(format!("names {}, which cannot be read: {error}", path.display()))
    })?;
    let mut dates = BTreeSet::new();
    for (at, line) in text.lines().enumerate() {
        let line = line.split('#').next().unwrap_or_default();
        let Some(word) = line.split([' ', '\t', ',', ';']).find(|word| !word.is_empty()) else {
            continue;
        };
        let date = word.trim().parse().map_err(|_not_a_date: jiff::Error| {
            let place = format!("{}:{}", path.display(), at + 1);
            Wrong::new(format!("has no date such as 2026-12-25 in {place}, but `{word}`"))
        })?;
        dates.insert(date);
    }
    Ok(dates)
}

#[cfg(test)]
mod tests {
    use crate::config::{Beside, Expect, parse};

    fn expect(keys: &str) -> Expect {
        let text = format!("[feed.a]\nexpect = {{ by = '06:30', {keys} }}\n");
        let config = parse("landfall.toml", &text).expect("valid");
        config.feeds.into_values().next().and_then(|feed| feed.expect).expect("an expectation")
    }

    fn problem(keys: &str) -> String {
        let text = format!("[feed.a]\nexpect = {{ {keys} }}\n");
        parse("landfall.toml", &text).expect_err("wrong").0.first().expect("one").message.clone()
    }

    fn date(text: &str) -> jiff::civil::Date {
        text.parse().expect("a date")
    }

    fn at(text: &str) -> crate::clock::Timestamp {
        text.parse().expect("a time")
    }

    #[test]
    fn dates_are_due_by_the_clock_of_a_place_also_when_it_is_changed() {
        let berlin = expect("timezone = 'Europe/Berlin', grace = '30m'");
        assert_eq!(berlin.due(date("2026-11-23")), at("2026-11-23T05:30:00Z"));
        assert_eq!(berlin.late_from(date("2026-11-23")), at("2026-11-23T06:00:00Z"));
        assert_eq!(berlin.due(date("2026-07-01")), at("2026-07-01T04:30:00Z"));
        // The day on which 02:00 to 03:00 is left out begins an hour "earlier" than it ends.
        assert_eq!(berlin.opens(date("2026-03-29")), at("2026-03-28T23:00:00Z"));
        assert_eq!(berlin.opens(date("2026-03-30")), at("2026-03-29T22:00:00Z"));
        let later = expect("days_later = 1");
        assert_eq!(later.due(date("2026-11-23")), at("2026-11-24T06:30:00Z"));
    }

    #[test]
    fn weekends_are_passed_over() {
        let week = expect("days = 'mon-fri'");
        let friday = date("2026-11-20");
        assert!(week.is_expected(friday) && !week.is_expected(date("2026-11-21")));
        assert_eq!(week.next(friday), Some(date("2026-11-23")));
        assert_eq!(week.previous(date("2026-11-23")), Some(friday));
        assert_eq!(week.open_at(at("2026-11-22T12:00:00Z")), Some(friday));
        assert_eq!(week.open_at(at("2026-11-23T00:00:00Z")), Some(date("2026-11-23")));
        let some = expect("days = 'sat-sun, wed'");
        assert_eq!(some.next(date("2026-11-22")), Some(date("2026-11-25")));
    }

    #[test]
    fn what_cannot_be_expected_is_refused() {
        for (keys, told) in [
            ("days = 'mon-fri'", "`by` is missing"),
            ("by = '6'", "a time of day"),
            ("by = '06:30', days = 'weekdays'", "days of the week"),
            ("by = '06:30', timezone = 'Mars/Base'", "time zone"),
            ("by = '06:30', match = 'x_{region}.csv'", "carries no date"),
            ("by = '06:30', days_later = 40", "from 0 to 31"),
            ("by = '06:30', files = 0", "from 1"),
            ("by = '06:30', tell = ['all']", "\"extra\" or \"unusual\""),
            ("by = '06:30', when = 'x'", "unknown key `when`"),
        ] {
            assert!(problem(keys).contains(told), "{keys}: {}", problem(keys));
        }
        assert_eq!(expect("tell = ['unusual']").tell, [Beside::Unusual]);
        assert_eq!(expect("").tell, [Beside::Extra, Beside::Unusual]);
    }

    #[test]
    fn a_file_of_exceptions_has_a_date_a_line() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("holidays.txt");
        std::fs::write(&file, "# 2026\n2026-12-25 Christmas\n\n2026-12-26\n").expect("written");
        let dates = super::excepted(&file).expect("dates");
        assert_eq!(Vec::from_iter(dates), [date("2026-12-25"), date("2026-12-26")]);
        std::fs::write(&file, "2026-12-25\n26.12.2026\n").expect("written");
        let told = super::excepted(&file).expect_err("no date").message;
        assert!(told.contains("holidays.txt:2") && told.contains("26.12.2026"), "{told}");
        assert!(super::excepted(&folder.path().join("none")).is_err());
    }
}
