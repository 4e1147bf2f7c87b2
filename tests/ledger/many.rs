//! Queries in a ledger with very many arrivals. `LANDFALL_ARRIVALS=1000000` takes more than every
//! day, and prints how long each query took.

use std::time::{Duration, Instant};

use landfall::clock::Timestamp;
use landfall::ledger::{Arrival, ArrivalQuery, Ledger, NamePattern, State, sqlite};

use crate::making::feed;
use crate::many_arrivals::{FIRST_MICROS, arrivals, fill};

/// What one answer may take, on a machine that has nothing else to do.
const ANSWER_MAX: Duration = Duration::from_millis(100);

fn minute(of: u64) -> Timestamp {
    let micros = FIRST_MICROS + i64::try_from(of).expect("small") * 60_000_000;
    Timestamp::from_microsecond(micros).expect("in range")
}

fn partner(name: &str) -> Option<landfall::ledger::Sender> {
    Some(format!("partner:{name}").parse().expect("a sender"))
}

#[test]
fn each_query_is_answered_from_an_index() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("ledger.db");
    let count = arrivals(50_000);
    fill(&path, count, 0);
    let ledger = sqlite::open_read_only(&path).expect("a ledger");
    let oldest = &ArrivalQuery { before: Some(5), limit: 1, ..ArrivalQuery::default() };
    let oldest = &ledger.arrivals(oldest).expect("read")[0];
    let is_measured = count >= 1_000_000;
    for (what, query, expected) in asked(count, oldest) {
        let found = ledger.find(&query).expect("read");
        let first = found.arrivals.iter().map(|arrival| arrival.sequence);
        assert!(first.is_sorted_by(|a, b| a > b), "{what}: newest first");
        assert_eq!(found.arrivals.len(), expected, "{what}");
        assert!(found.arrivals.iter().all(|arrival| fits(arrival, &query)), "{what}");
        if is_measured {
            // The quickest of several: what else the machine does is not measured.
            let once = |_| {
                let began = Instant::now();
                ledger.find(&query).expect("read");
                began.elapsed()
            };
            let took = (0..5).map(once).min().expect("several");
            eprintln!("{what}: {took:?}");
            assert!(took < ANSWER_MAX, "{what} took {took:?}");
        }
    }
}

/// What is asked, and how many of the first 100 there are.
fn asked(count: u64, one: &Arrival) -> Vec<(&'static str, ArrivalQuery, usize)> {
    let query = ArrivalQuery::default;
    let named = |text: &str| Some(NamePattern::new(text));
    let middle = count / 2;
    let digits: String = one.digest.to_string().chars().take(8).collect();
    let day = |from: u64| ArrivalQuery {
        since: Some(minute(from)),
        until: Some(minute(from + 1440)),
        ..query()
    };
    vec![
        ("newest", query(), 100),
        ("a partner", ArrivalQuery { sender: partner("p7"), ..query() }, 100),
        ("a partner that never sent", ArrivalQuery { sender: partner("none"), ..query() }, 0),
        ("a feed", ArrivalQuery { feed: Some(feed("feed-7")), ..query() }, 100),
        (
            "a feed of another partner",
            ArrivalQuery { feed: Some(feed("feed-7")), sender: partner("p8"), ..query() },
            0,
        ),
        ("the oldest digest", ArrivalQuery { digest: Some(one.digest.into()), ..query() }, 1),
        (
            "its first digits",
            ArrivalQuery { digest: Some(digits.parse().expect("digits")), ..query() },
            1,
        ),
        ("the oldest name", ArrivalQuery { name: named(&one.name.to_string()), ..query() }, 1),
        ("no name", ArrivalQuery { name: named("nothing.csv"), ..query() }, 0),
        ("a beginning", ArrivalQuery { name: named("file_5*"), ..query() }, 100),
        ("an end", ArrivalQuery { name: named("*8.csv31"), ..query() }, 100),
        ("held", ArrivalQuery { states: vec![State::Held], limit: 10, ..query() }, 10),
        (
            "handed off in a feed",
            ArrivalQuery { states: vec![State::HandedOff], feed: Some(feed("feed-7")), ..query() },
            0,
        ),
        ("a day", day(middle), 100),
        (
            "a day long ago of a feed",
            ArrivalQuery { feed: Some(feed("feed-8")), limit: 10, ..day(9) },
            10,
        ),
        ("a day before there was one", ArrivalQuery { until: Some(minute(0)), ..query() }, 0),
        (
            "all at once",
            ArrivalQuery {
                feed: Some(feed("feed-8")),
                sender: partner("p8"),
                states: vec![State::HandedOff],
                name: named("file_*"),
                limit: 10,
                ..day(9)
            },
            10,
        ),
    ]
}

fn fits(arrival: &Arrival, query: &ArrivalQuery) -> bool {
    query.feed.as_ref().is_none_or(|feed| *feed == arrival.feed)
        && query.sender.as_ref().is_none_or(|sender| *sender == arrival.sender)
        && (query.states.is_empty() || query.states.contains(&arrival.state))
        && query.since.is_none_or(|since| arrival.received_at >= since)
        && query.until.is_none_or(|until| arrival.received_at < until)
}

#[test]
fn pages_follow_each_other_without_gap_or_repetition() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("ledger.db");
    // More than one search looks at.
    fill(&path, 60_000, 0);
    let ledger = sqlite::open_read_only(&path).expect("a ledger");
    for (what, first, total) in [
        (
            "few among many",
            ArrivalQuery { name: Some(NamePattern::new("*_8.csv1?")), ..ArrivalQuery::default() },
            2,
        ),
        (
            "two states",
            ArrivalQuery {
                states: vec![State::Held, State::Superseded],
                limit: 1000,
                ..ArrivalQuery::default()
            },
            15_060,
        ),
    ] {
        let mut seen = Vec::new();
        let mut query = first;
        loop {
            let found = ledger.find(&query).expect("read");
            seen.extend(found.arrivals.iter().map(|arrival| arrival.sequence));
            if found.before.is_none() {
                break;
            }
            assert!(found.before < query.before || query.before.is_none(), "{what}: it goes on");
            query.before = found.before;
        }
        assert!(seen.is_sorted_by(|a, b| a > b), "{what}: in order, none twice");
        assert_eq!(seen.len(), total, "{what}");
    }
}
