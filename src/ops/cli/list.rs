//! `landfall list`

use serde::Serialize;

use super::output::{size, table};
use super::{Exit, Output, ZoneArgs, reading, words};
use crate::clock::Timestamp;
use crate::diagnostic::Diagnostic;
use crate::ledger::{Arrival, ArrivalQuery, DigestRange, NamePattern, Sender, State};
use crate::names::FeedName;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Only this feed
    #[arg(long)]
    feed: Option<FeedName>,
    /// Only from this sender: a partner's name, or partner:NAME, folder:NAME, local:USER
    #[arg(long, value_name = "SENDER", value_parser = sender)]
    from: Option<Sender>,
    /// Only in this state, such as held or handed_off; may be given several times
    #[arg(long, value_parser = state)]
    state: Vec<State>,
    /// Only this name, or names that match: 'orders_*', '*2026-11-2?*'
    #[arg(long, value_name = "PATTERN")]
    name: Option<String>,
    /// Only files with this SHA-256; its first digits are enough
    #[arg(long, value_name = "DIGITS")]
    digest: Option<DigestRange>,
    /// Received at or after: 2026-11-22, 2026-11-22T06:00:00Z, or a time ago such as 2h or 3d
    #[arg(long, value_name = "WHEN", value_parser = when)]
    since: Option<Timestamp>,
    /// Received before, in the same forms
    #[arg(long, value_name = "WHEN", value_parser = when)]
    until: Option<Timestamp>,
    /// Received before the file with this number, to go on where another list ended
    #[arg(long, value_name = "NUMBER")]
    before: Option<u64>,
    /// At most so many
    #[arg(long, short = 'n', default_value_t = 50)]
    limit: u32,
}

pub(super) fn run(args: Args, zone: &ZoneArgs, out: &Output) -> Result<Exit, Diagnostic> {
    let zone = zone.find()?;
    let Some(ledger) = reading::open(&zone)? else {
        reading::say_never_ran(out);
        return Ok(Exit::Ok);
    };
    if let Some(feed) = &args.feed {
        reading::check_feed(&zone, ledger.as_ref(), feed)?;
    }
    let query = ArrivalQuery {
        sender: args.from,
        feed: args.feed,
        states: args.state,
        name: args.name.as_deref().map(NamePattern::new),
        digest: args.digest,
        since: args.since,
        until: args.until,
        before: args.before,
        limit: args.limit,
    };
    let found = ledger.find(&query).map_err(|error| reading::unreadable(&error))?;
    let arrivals = found.arrivals;
    if out.is_json() {
        arrivals.iter().for_each(|arrival| out.object("landfall.arrival/v1", arrival));
    } else if !arrivals.is_empty() {
        out.print(&text(&arrivals));
    }
    match found.before {
        Some(before) => tell_of_more(before, &arrivals, out),
        None if arrivals.is_empty() => out.say("No file matches."),
        None => {}
    }
    Ok(Exit::Ok)
}

/// How to go on.
#[derive(Serialize)]
struct More {
    before: u64,
}

fn tell_of_more(before: u64, arrivals: &[Arrival], out: &Output) {
    let what = match arrivals.last() {
        Some(last) if last.sequence == before => "There are more.",
        Some(_) => "There may be more.",
        None => "None so far, and the search has not come to the end.",
    };
    let text = format!("{what} Go on with `--before {before}`.");
    out.aside(&text, "landfall.more/v1", &More { before });
}

fn text(arrivals: &[Arrival]) -> String {
    let heading = ["received", "id", "feed", "state", "rows", "size", "from", "name"];
    let mut rows = vec![heading.map(str::to_owned)];
    rows.extend(arrivals.iter().map(|arrival| {
        [
            words::time(arrival.received_at),
            arrival.id.to_string(),
            arrival.feed.to_string(),
            words::standing(arrival),
            words::rows(arrival),
            size(arrival.size_bytes),
            arrival.sender.to_string(),
            arrival.name.to_string(),
        ]
    }));
    table(&rows)
}

pub(super) fn sender(text: &str) -> Result<Sender, crate::names::Error> {
    if text.contains(':') { text.parse() } else { Ok(Sender::Partner(text.parse()?)) }
}

fn state(text: &str) -> Result<State, String> {
    let wanted = text.replace(['_', '-'], " ");
    let found = State::ALL.into_iter().find(|state| words::state(*state) == wanted);
    found.ok_or_else(|| {
        let all: Vec<String> =
            State::ALL.into_iter().map(|state| words::state(state).replace(' ', "_")).collect();
        format!("the states are {}", all.join(", "))
    })
}

/// A moment, or a time ago.
pub(super) fn when(text: &str) -> Result<Timestamp, String> {
    let ago = || {
        let ago = text.parse::<jiff::SignedDuration>().ok()?;
        Timestamp::now().checked_sub(ago).ok()
    };
    let days_ago = || {
        let days = text.strip_suffix('d')?.parse::<i64>().ok()?;
        Timestamp::now().checked_sub(jiff::SignedDuration::from_hours(days.checked_mul(24)?)).ok()
    };
    let day = || {
        let midnight = text.parse::<jiff::civil::Date>().ok()?.at(0, 0, 0, 0);
        jiff::tz::TimeZone::UTC.to_timestamp(midnight).ok()
    };
    let moment = text.parse::<Timestamp>().ok();
    moment.or_else(days_ago).or_else(ago).or_else(day).ok_or_else(|| {
        "must be a time in UTC such as 2026-11-22T06:00:00Z or 2026-11-22, or 2h, 3d".to_owned()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_and_times_ago_are_understood() {
        let at: Timestamp = "2026-11-22T06:00:00Z".parse().expect("a time");
        assert_eq!(when("2026-11-22T06:00:00Z"), Ok(at));
        assert_eq!(when("2026-11-22").expect("a day").to_string(), "2026-11-22T00:00:00Z");
        let (hours, days) = (when("48h").expect("hours"), when("2d").expect("days"));
        assert!(days.duration_since(hours).abs() < jiff::SignedDuration::from_secs(60));
        assert!(when("yesterday").is_err());
    }

    #[test]
    fn senders_and_states_have_short_forms() {
        assert_eq!(sender("acme").expect("a partner").to_string(), "partner:acme");
        assert_eq!(sender("local:root").expect("a user").to_string(), "local:root");
        assert_eq!(state("handed_off"), Ok(State::HandedOff));
        assert!(state("gone").expect_err("refused").contains("handed_off"));
    }
}
