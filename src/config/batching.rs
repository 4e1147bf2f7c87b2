//! `[feed.<name>.batch]`: when a feed's batches close, and how much they hold.
//!
//! A feed has one rule: it hands off what is ready at once (the default), gathers for a while
//! (`max_wait`), by the clock (`every`, `at`), by hand (`manual`), or in sets (`set`).

use std::time::Duration;

use jiff::civil;
use jiff::tz::TimeZone;
use toml::de::DeValue;

use super::SameName;
use super::problem::Wrong;
use super::reader::Reader;
use super::value::{choice, duration, glob, some_size, truth, whole};
use crate::clock::Timestamp;
use crate::ledger::{BatchBounds, Empty};

/// The shortest window.
const EVERY_MIN: Duration = Duration::from_secs(1);

/// When a feed's batches close, and how much they hold.
#[derive(Debug, Clone, PartialEq)]
pub struct Batching {
    /// `max_files`, default 1000; `max_bytes`, default 256 MiB; `max_rows`, default any. What is left
    /// over forms the next batch. `merge = "64 MiB"`, default not at all: Parquet of one batch that is
    /// smaller is merged into files of about this size.
    pub bounds: BatchBounds,
    /// When.
    pub when: When,
}

impl Default for Batching {
    fn default() -> Self {
        let bounds = BatchBounds {
            files_max: 1000,
            bytes_max: 256 << 20,
            rows_max: None,
            merge_bytes: None,
        };
        Self { bounds, when: When::Ready }
    }
}

/// When a feed's next batch closes.
#[derive(Debug, Clone, PartialEq)]
pub enum When {
    /// As soon as something is ready and nothing in flight: the default.
    Ready,
    /// `max_wait = "10m"`: when a bound is reached, or the oldest was received so long ago.
    Waited(Duration),
    /// `every = "1h"` or `at = ["06:00"]`: when a window of time ends.
    Windows(Windows),
    /// `manual = true`: when a person runs `landfall batch close`.
    Asked,
    /// `set = { … }`: when a set is complete.
    Set(Set),
}

/// Windows of time. What was received before the end of one is in it.
#[derive(Debug, Clone, PartialEq)]
pub struct Windows {
    /// When they end.
    pub ends: Ends,
    /// `timezone = "Europe/Berlin"`, default UTC: whose clock counts for `at`.
    pub timezone: TimeZone,
    /// `empty = "skip" | "publish"`, default skip: whether a window in which nothing came is handed
    /// off as a batch without files.
    pub empty: Empty,
}

/// When windows end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ends {
    /// `every`: at the multiples of this duration since 1970 in UTC, so `"1h"` ends at every full
    /// hour.
    Every(Duration),
    /// `at`: at these times of each day. A time that a change to summer time leaves out ends an hour
    /// later.
    At(Vec<civil::Time>),
}

impl Windows {
    /// The first end after a time.
    pub fn end_after(&self, time: Timestamp) -> Timestamp {
        match &self.ends {
            Ends::Every(every) => {
                let every = i128::try_from(every.as_micros()).unwrap_or(i128::MAX).max(1);
                let at = i128::from(time.as_microsecond());
                let next = at.div_euclid(every).saturating_add(1).saturating_mul(every);
                let next = i64::try_from(next).ok();
                next.and_then(|at| Timestamp::from_microsecond(at).ok()).unwrap_or(Timestamp::MAX)
            }
            Ends::At(times) => {
                let today = time.to_zoned(self.timezone.clone()).date();
                let days = [Some(today), today.tomorrow().ok()];
                let ends = days.into_iter().flatten().flat_map(|day| {
                    times.iter().filter_map(move |at| {
                        day.to_datetime(*at).to_zoned(self.timezone.clone()).ok()
                    })
                });
                let ends = ends.map(|end| end.timestamp()).filter(|end| *end > time);
                ends.min().unwrap_or(Timestamp::MAX)
            }
        }
    }
}

/// `set = { … }`: files that are handed off together or not at all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Set {
    /// What makes it complete.
    pub wants: Wants,
    /// `deadline = "2h"`: how long after its first file it is late, which `status` says. Default never.
    pub deadline: Option<Duration>,
}

/// What makes a set complete.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wants {
    /// `files = 3`: so many files.
    Files(u32),
    /// `names = ["orders_*.csv", "lines_*.csv"]`: a file for each pattern.
    Names(Vec<String>),
    /// `control = "*.ctl"`: a control file, and the files that it names with as many rows as it
    /// says. It is not converted. Its lines are `NAME ROWS`, with a comma, semicolon, tab or spaces
    /// between; or it is JSON, `{"files": [{"name": …, "rows": …}]}`. Needs `same_name = "replace"`,
    /// so that a corrected file takes the place of the wrong one.
    Control(String),
}

pub(super) fn read(table: Reader<'_, '_>, same_name: SameName) -> Batching {
    let mut batching = Batching::default();
    let bounds = &mut batching.bounds;
    table.set(&mut bounds.files_max, "max_files", whole(1));
    table.set(&mut bounds.bytes_max, "max_bytes", some_size);
    bounds.rows_max = table.get("max_rows", whole(1));
    bounds.merge_bytes = table.get("merge", some_size);
    let waited = table.get("max_wait", duration).map(When::Waited);
    let [every, at] = read_ends(&table);
    let timezone = table.get("timezone", timezone);
    let empty = table.get("empty", choice(EMPTY));
    let asked = table.get("manual", truth).filter(|manual| *manual).map(|_| When::Asked);
    let set = table.table("set").and_then(|set| read_set(set, same_name)).map(When::Set);
    let by_clock = table.has("every") || table.has("at");
    for key in ["timezone", "empty"] {
        if table.has(key) && !by_clock {
            table.problem_at(
                key,
                Wrong::new(format!("`{key}` is for batches with `every` or `at`")),
            );
        }
    }
    let windows = |ends| {
        let timezone = timezone.clone().unwrap_or(TimeZone::UTC);
        When::Windows(Windows { ends, timezone, empty: empty.unwrap_or(Empty::Skip) })
    };
    let rules = [waited, every.map(windows), at.map(windows), asked, set];
    let mut rules = rules.into_iter().flatten();
    batching.when = rules.next().unwrap_or(When::Ready);
    if rules.next().is_some() {
        let one_of = "batches have only one of `max_wait`, `every`, `at`, `manual`, `set`";
        table.problem(Wrong::new(one_of));
    }
    table.finish();
    batching
}

/// Windows of something that is no batch: nothing is published when they are empty.
pub(super) fn read_windows(table: &Reader<'_, '_>) -> Option<Windows> {
    let [every, at] = read_ends(table);
    let timezone = table.get("timezone", timezone).unwrap_or(TimeZone::UTC);
    Some(Windows { ends: every.or(at)?, timezone, empty: Empty::Skip })
}

fn read_ends(table: &Reader<'_, '_>) -> [Option<Ends>; 2] {
    let every = table.get("every", every).map(Ends::Every);
    let at = table.list("at", clock_time).filter(|times| !times.is_empty()).map(Ends::At);
    [every, at]
}

const EMPTY: &[(&str, Empty)] = &[("skip", Empty::Skip), ("publish", Empty::Publish)];

fn read_set(table: Reader<'_, '_>, same_name: SameName) -> Option<Set> {
    let files = table.get("files", whole(1)).map(Wants::Files);
    let names = table.list("names", glob).filter(|names| !names.is_empty()).map(Wants::Names);
    let control = table.get("control", glob).map(Wants::Control);
    let deadline = table.get("deadline", duration);
    if control.is_some() && same_name != SameName::Replace {
        let why = "a set with `control` needs `same_name = \"replace\"` in its feed, so that a \
                   corrected file takes the place of the wrong one";
        table.problem_at("control", Wrong::new(why));
    }
    if ["files", "names", "control"].into_iter().filter(|key| table.has(key)).count() != 1 {
        table.problem(Wrong::new("a set has one of `files`, `names`, `control`"));
    }
    table.finish();
    Some(Set { wants: files.or(names).or(control)?, deadline })
}

fn every(value: &DeValue<'_>) -> Result<Duration, Wrong> {
    let every = duration(value)?;
    if every < EVERY_MIN { Err(Wrong::new("must be at least \"1s\"")) } else { Ok(every) }
}

pub(super) fn clock_time(value: &DeValue<'_>) -> Result<civil::Time, Wrong> {
    const WHAT: &str = "a time of day such as \"06:00\"";
    let text = value.as_str().unwrap_or_default();
    let time = text.parse::<civil::Time>().ok().filter(|_| text.contains(':'));
    time.ok_or_else(|| Wrong::new(format!("must be {WHAT}, not `{text}`")))
}

pub(super) fn timezone(value: &DeValue<'_>) -> Result<TimeZone, Wrong> {
    const WHAT: &str = "the name of a time zone such as \"Europe/Berlin\"";
    let text = value.as_str().unwrap_or_default();
    let unknown = |_| Wrong::new(format!("must be {WHAT}, not `{text}`"));
    TimeZone::get(text).map_err(unknown)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().expect("a time")
    }

    fn windows(ends: Ends, timezone: &str) -> Windows {
        let timezone = TimeZone::get(timezone).expect("a zone");
        Windows { ends, timezone, empty: Empty::Skip }
    }

    #[test]
    fn windows_end_at_multiples_of_their_length() {
        let hours = windows(Ends::Every(Duration::from_secs(3600)), "UTC");
        let ends = |time| hours.end_after(at(time));
        assert_eq!(ends("2026-11-22T05:59:59.999999Z"), at("2026-11-22T06:00:00Z"));
        assert_eq!(ends("2026-11-22T06:00:00Z"), at("2026-11-22T07:00:00Z"), "an end is not in it");
    }

    #[test]
    fn windows_end_by_the_clock_of_a_place_also_when_it_is_changed() {
        let times = vec![civil::time(6, 0, 0, 0), civil::time(2, 30, 0, 0)];
        let berlin = windows(Ends::At(times), "Europe/Berlin");
        let ends = |time| berlin.end_after(at(time));
        assert_eq!(ends("2026-11-22T04:00:00Z"), at("2026-11-22T05:00:00Z"));
        assert_eq!(ends("2026-11-22T05:00:00Z"), at("2026-11-23T01:30:00Z"));
        // 02:30 does not exist on the day that summer time begins.
        assert_eq!(ends("2026-03-29T00:00:00Z"), at("2026-03-29T01:30:00Z"));
    }
}
