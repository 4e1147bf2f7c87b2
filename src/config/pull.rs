//! `[[pull]]`: a command that fetches what nobody sends.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use toml::de::DeValue;

use super::batching::{Ends, Windows, read_windows};
use super::problem::Wrong;
use super::reader::Reader;
use super::sink::RETRY_S;
use super::value::{duration, name, reference, some_size, text};
use crate::clock::{Timestamp, rfc3339_millis};
use crate::names::{FeedName, FileName, PullName};

/// What stands in `file` for the time at which a run began.
const TIME: &str = "{time}";
/// The shortest time a command is given.
const TIMEOUT_MIN: Duration = Duration::from_millis(1);

/// `[[pull]]`: a command whose output comes in as files.
#[derive(Debug, Clone, PartialEq)]
pub struct Pull {
    /// `feed`: whose files it fetches.
    pub feed: FeedName,
    /// `command = ["program", "argument"]`: an argument vector, never a shell. A program with a `/`
    /// in its name is relative to the zone.
    pub command: Vec<String>,
    /// `every = "1h"` or `at = ["06:00"]`, with `timezone`: when it runs, as for batches. A new pull
    /// with `every` also runs at once.
    pub windows: Windows,
    /// `timeout`, default 10 min.
    pub timeout: Duration,
    /// `retry = ["5s", "5m", …]`: waits after runs that failed, default as for sinks. When they end,
    /// or a window ends before, it runs at the end of the window.
    pub retry: Vec<Duration>,
    /// `file`, default `<name>_{time}`: what its standard output is called. `{time}` is when the run
    /// began, in UTC: `20261122T060000Z`.
    pub file: String,
    /// `max_bytes`, default 10 GiB: what one run may bring.
    pub bytes_max: u64,
    /// `env = ["API_TOKEN"]`: variables of the server's environment that it may see; otherwise only
    /// PATH, HOME, LANG and TZ.
    pub env: Vec<String>,
}

impl Pull {
    /// What the standard output of a run that began then is called.
    pub fn file_name(&self, began_at: Timestamp) -> Result<FileName, crate::names::Error> {
        let time: String = rfc3339_millis(began_at)
            .split('.')
            .next()
            .unwrap_or_default()
            .chars()
            .filter(|c| !matches!(c, '-' | ':'))
            .collect();
        FileName::new(self.file.replace(TIME, &format!("{time}Z")))
    }

    /// When it runs, in words: `every 1h`.
    pub fn when(&self) -> String {
        match &self.windows.ends {
            Ends::Every(every) => format!("every {}", in_units(*every)),
            Ends::At(times) => {
                let times: Vec<String> =
                    times.iter().map(|time| time.strftime("%H:%M").to_string()).collect();
                let zone = self.windows.timezone.iana_name().unwrap_or("UTC");
                format!("at {} {zone}", times.join(", "))
            }
        }
    }
}

/// `90s` as `90s`, 3600 s as `1h`.
fn in_units(duration: Duration) -> String {
    let seconds = duration.as_secs();
    let units = [(86_400, "d"), (3600, "h"), (60, "m")];
    let whole =
        units.into_iter().find(|(unit, _)| seconds >= *unit && seconds.is_multiple_of(*unit));
    whole.map_or(format!("{seconds}s"), |(unit, letter)| format!("{}{letter}", seconds / unit))
}

pub(super) fn read_all(top: &Reader<'_, '_>, feeds: &[String]) -> BTreeMap<PullName, Pull> {
    let not_a_table = |_: &DeValue<'_>| Err(Wrong::new("must be [[pull]] sections"));
    let named = RefCell::new(BTreeSet::new());
    let read = top.items("pull", not_a_table, |table| {
        let name = table.get("name", name::<PullName>);
        table.require("name");
        if name.as_ref().is_some_and(|name| !named.borrow_mut().insert(name.clone())) {
            table.problem_at("name", Wrong::new("two pulls have the same name"));
        }
        let pull = read(&table, name.as_ref(), feeds);
        table.finish();
        name.zip(pull)
    });
    read.into_iter().collect()
}

fn read(table: &Reader<'_, '_>, name: Option<&PullName>, feeds: &[String]) -> Option<Pull> {
    let feed = table.get("feed", reference("feed", feeds));
    let command = table.list("command", text);
    let windows = read_windows(table);
    ["feed", "command"].into_iter().for_each(|key| table.require(key));
    if command.as_ref().is_some_and(|command| command.first().is_none_or(String::is_empty)) {
        table.problem_at("command", Wrong::new("`command` names no program"));
    }
    if !table.has("every") && !table.has("at") {
        table.problem(Wrong::new("a pull has `every` or `at`, which says when it runs"));
    } else if table.has("every") && table.has("at") {
        table.problem(Wrong::new("a pull has only one of `every`, `at`"));
    }
    let timeout = table.get("timeout", timeout).unwrap_or(Duration::from_secs(600));
    let retry = table.list("retry", duration);
    let retry = retry.unwrap_or_else(|| RETRY_S.map(Duration::from_secs).to_vec());
    let own = || format!("{}_{TIME}", name.map_or("pull", PullName::as_str));
    let file = table.get("file", file).unwrap_or_else(own);
    let bytes_max = table.get("max_bytes", some_size).unwrap_or(10 << 30);
    let env = table.list("env", variable).unwrap_or_default();
    let (feed, command, windows) = (feed?, command?, windows?);
    Some(Pull { feed, command, windows, timeout, retry, file, bytes_max, env })
}

fn timeout(value: &DeValue<'_>) -> Result<Duration, Wrong> {
    let timeout = duration(value)?;
    if timeout < TIMEOUT_MIN { Err(Wrong::new("must be more than nothing")) } else { Ok(timeout) }
}

/// A file's name, whatever time it holds.
fn file(value: &DeValue<'_>) -> Result<String, Wrong> {
    let given = text(value)?;
    let name = FileName::new(given.as_str());
    let name = name.map_err(|error| Wrong::new(format!("is not valid: {error}")))?;
    if name.is_temporary() {
        return Err(Wrong::new("is a temporary name, which never lands"));
    }
    Ok(given)
}

/// The name of a variable of the environment.
fn variable(value: &DeValue<'_>) -> Result<String, Wrong> {
    let given = text(value)?;
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if !given.is_empty() && given.chars().all(plain) {
        return Ok(given);
    }
    // What stands there may be a secret: it is not repeated.
    Err(Wrong::new("must be names of environment variables, such as \"API_TOKEN\""))
}

#[cfg(test)]
mod tests {
    use crate::config::parse;

    #[test]
    fn a_pull_says_when_it_runs_and_what_it_is_called() {
        let config = parse(
            "landfall.toml",
            "[feed.rates]\n[[pull]]\nname = 'rates'\nfeed = 'rates'\ncommand = ['bin/rates']\n\
             every = '90m'\nfile = 'rates_{time}.csv'\n[[pull]]\nname = 'night'\nfeed = 'rates'\n\
             command = ['x']\nat = ['06:00']\ntimezone = 'Europe/Berlin'\n",
        )
        .expect("valid");
        let pull = config.pulls.values().next_back().expect("a pull");
        assert_eq!(pull.when(), "every 90m");
        let at = "2026-11-22T06:01:02.5Z".parse().expect("a time");
        let name = pull.file_name(at).expect("a name");
        assert_eq!(name.as_bytes(), b"rates_20261122T060102Z.csv");
        let night = config.pulls.values().next().expect("a pull");
        assert_eq!(night.when(), "at 06:00 Europe/Berlin");
        assert_eq!(night.file, "night_{time}");
    }

    #[test]
    fn what_a_pull_lacks_is_named_with_its_place() {
        let text = "[feed.a]\n[[pull]]\nname = 'x'\nfeed = 'b'\ncommand = []\n\
                    [[pull]]\nname = 'x'\nfeed = 'a'\ncommand = ['c']\nevery = '1h'\nenv = ['A=b']\n\
                    file = '.x.part'\n[[pull]]\nfeed = 'a'\ncommand = ['c']\nevery = '1h'\n\
                    at = ['06:00']\nwhat = 1\n";
        let problems = parse("landfall.toml", text).expect_err("wrong");
        let problems: Vec<_> = problems.0.iter().map(ToString::to_string).collect();
        let problems = problems.join("\n");
        for told in [
            "names the feed `b`",
            "`command` names no program",
            "which says when it runs",
            "`env` must be names",
            "temporary name",
            "`name` is missing",
            "only one of `every`, `at`",
            "unknown key `what`",
        ] {
            assert!(problems.contains(told), "{told}: {problems}");
        }
    }
}
