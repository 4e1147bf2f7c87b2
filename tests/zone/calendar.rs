//! What is expected of feeds, in a zone that is served with a clock that the test moves.

use std::fs;

use crate::moved::{Served, Shown, serve};
use crate::support::TestZone;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan as _};
use landfall::ledger::Ledger;
use serde_json::Value;

const BERLIN: &str = r#"
[feed.sales]
owner = "north"
[feed.sales.expect]
days = "mon-fri"
by = "06:30"
timezone = "Europe/Berlin"
grace = "30m"
except = "holidays.txt"
match = "sales_{region}_{date:%Y%m%d}.csv"
"#;

const PLAIN: &str = "[feed.rates]\n[feed.rates.expect]\nby = '06:00'\n";

/// A zone with a file of exceptions, and a clock.
fn zone(config: &str, now: &str) -> (TestZone, Shown) {
    let zone = TestZone::new(config);
    fs::write(zone.path().join("holidays.txt"), "2026-11-25 a holiday\n").unwrap();
    (zone, Shown::at(now))
}

fn rows(count: usize) -> String {
    (0..count).fold("id,amount\n".to_owned(), |text, id| text + &format!("{id},{}.50\n", id * 7))
}

impl Served<'_> {
    fn send(&self, feed: &str, name: &str, text: &str) {
        let file = self.zone.path().join("to-send");
        fs::write(&file, text).unwrap();
        let sent = self.zone.run(&["send", file.to_str().unwrap(), "--feed", feed, "--name", name]);
        assert!(sent.status.success(), "{}", String::from_utf8_lossy(&sent.stderr));
    }

    /// Events of the calendar, as `kind date` or `kind name`.
    fn told(&self) -> Vec<String> {
        told(&self.zone.ledger())
    }

    /// Waits until the calendar has told just this.
    fn wait_for(&self, expected: &[&str]) {
        self.zone.wait_until(&format!("{expected:?}, and not {:?}", self.told()), |ledger| {
            told(ledger).len() >= expected.len()
        });
        assert_eq!(self.told(), expected);
    }
}

fn told(ledger: &dyn Ledger) -> Vec<String> {
    let events = ledger.events(0, 100_000).expect("events").into_iter();
    let told = events.filter_map(|recorded| {
        let json = serde_json::to_value(&recorded.event).unwrap();
        let kind = json["kind"].as_str().unwrap().to_owned();
        let what = json["name"].as_str().or(json["date"].as_str()).or(json["feed"].as_str());
        kind.starts_with("feed_").then(|| format!("{kind} {}", what.unwrap_or_default()))
    });
    told.collect()
}

#[test]
fn a_date_is_late_then_missing_and_recovers() {
    // Friday noon: the first date that is judged is Monday's.
    let (zone, clock) = zone(BERLIN, "2026-11-20T12:00:00Z");
    let served = serve(&zone, &clock);
    served.wait_for(&["feed_expected sales"]);
    clock.set("2026-11-23T05:59:59Z");
    served.send("sales", "sales_north_20261124.csv", &rows(3));
    let early = ["feed_expected sales", "feed_arrived 2026-11-24"];
    served.wait_for(&early);
    assert_eq!(served.needs(), [""; 0], "half past six and half an hour of grace in Berlin");
    clock.set("2026-11-23T06:00:00Z");
    served.wait_for(&[&early[..], &["feed_late 2026-11-23"]].concat());
    assert_eq!(served.needs(), ["H140: sales is late for 2026-11-23, due 2026-11-23T05:30:00Z"]);
    let need = &served.status()["needs"][0];
    assert_eq!((&need["owner"], &need["since"]), (&"north".into(), &"2026-11-23T05:30:00Z".into()));
    clock.set("2026-11-23T23:00:00Z");
    let missing = ["feed_late 2026-11-23", "feed_missing 2026-11-23"];
    served.wait_for(&[&early[..], &missing].concat());
    assert_eq!(served.needs(), ["H141: sales is missing for 2026-11-23, due 2026-11-23T05:30:00Z"]);
    served.send("sales", "sales_north_20261123.csv", &rows(4));
    served.wait_for(&[&early[..], &missing, &["feed_recovered 2026-11-23"]].concat());
    assert_eq!(served.needs(), [""; 0]);
}

#[test]
fn weekends_and_exceptions_are_not_expected() {
    let (zone, clock) = zone(BERLIN, "2026-11-24T12:00:00Z");
    let served = serve(&zone, &clock);
    served.wait_for(&["feed_expected sales"]);
    // Wednesday is a holiday; the weekend passes.
    clock.set("2026-11-30T05:00:00Z");
    let late = ["feed_expected sales", "feed_missing 2026-11-26", "feed_missing 2026-11-27"];
    served.wait_for(&late);
    assert_eq!(
        served.needs(),
        [
            "H141: sales is missing for 2026-11-26, due 2026-11-26T05:30:00Z",
            "H141: sales is missing for 2026-11-27, due 2026-11-27T05:30:00Z",
        ]
    );
    // What should have been an exception becomes one: nobody waits for it any more. What was one and
    // is over is not asked for afterwards.
    fs::write(zone.path().join("holidays.txt"), "2026-11-26\n2026-11-27\n").unwrap();
    assert!(zone.run(&["reload"]).status.success());
    served.wait_for(&[&late[..], &["feed_excused 2026-11-26", "feed_excused 2026-11-27"]].concat());
    assert_eq!(served.needs(), [""; 0]);
}

#[test]
fn a_restart_neither_repeats_nor_forgets() {
    let (zone, clock) = zone(BERLIN, "2026-11-20T12:00:00Z");
    let served = serve(&zone, &clock);
    served.wait_for(&["feed_expected sales"]);
    clock.set("2026-11-23T08:00:00Z");
    served.wait_for(&["feed_expected sales", "feed_late 2026-11-23"]);
    served.stop();
    // Nobody served for a day: what ended meanwhile is told once.
    clock.set("2026-11-24T08:00:00Z");
    let served = serve(&zone, &clock);
    let told = [
        "feed_expected sales",
        "feed_late 2026-11-23",
        "feed_missing 2026-11-23",
        "feed_late 2026-11-24",
    ];
    served.wait_for(&told);
    served.stop();
    let served = serve(&zone, &clock);
    served.send("sales", "sales_north_20261124.csv", &rows(3));
    let told = [&told[..], &["feed_recovered 2026-11-24"]].concat();
    served.wait_for(&told);
    let needs = served.needs();
    served.stop();
    // The ledger made again from the archive knows as much.
    fs::remove_file(zone.path().join(".landfall/ledger.db")).unwrap();
    let rebuilt = zone.run(&["rebuild"]);
    assert!(rebuilt.status.success(), "{}", String::from_utf8_lossy(&rebuilt.stderr));
    let served = serve(&zone, &clock);
    served.send("sales", "sales_south_20261124.csv", &rows(3));
    served.wait_for(&[&told[..], &["feed_extra sales_south_20261124.csv"]].concat());
    assert_eq!(served.needs()[..1], needs);
}

#[test]
fn without_a_date_in_its_name_a_file_is_for_the_day_it_comes() {
    let (zone, clock) = zone(PLAIN, "2026-11-20T12:00:00Z");
    let served = serve(&zone, &clock);
    served.send("rates", "rates.csv", &rows(2));
    served.wait_for(&["feed_expected rates"]);
    clock.set("2026-11-21T05:00:00Z");
    served.send("rates", "rates.csv", &rows(3));
    // The same again is no second file, and the same bytes on another day are that day's.
    served.send("rates", "rates.csv", &rows(4));
    served.wait_for(&["feed_expected rates", "feed_arrived 2026-11-21"]);
    clock.set("2026-11-22T05:00:00Z");
    served.send("rates", "rates.csv", &rows(4));
    let told = ["feed_expected rates", "feed_arrived 2026-11-21", "feed_arrived 2026-11-22"];
    served.wait_for(&told);
    served.send("rates", "more.csv", &rows(5));
    served.wait_for(&[&told[..], &["feed_extra more.csv"]].concat());
    assert_eq!(
        served.needs(),
        ["H142: more.csv of rates was not expected: the file of its date has come already"]
    );
    // The next that is expected ends it.
    clock.set("2026-11-23T05:00:00Z");
    served.send("rates", "rates.csv", &rows(6));
    served.wait_for(&[&told[..], &["feed_extra more.csv", "feed_arrived 2026-11-23"]].concat());
    assert_eq!(served.needs(), [""; 0]);
}

#[test]
fn what_no_date_wants_is_extra() {
    let (zone, clock) = zone(BERLIN, "2026-11-23T12:00:00Z");
    let served = serve(&zone, &clock);
    served.wait_for(&["feed_expected sales"]);
    served.send("sales", "sales_north_20261125.csv", &rows(2));
    served.send("sales", "notes.csv", &rows(2));
    served.send("sales", "sales_north_20261120.csv", &rows(2));
    served.send("sales", "sales_north_20270105.csv", &rows(2));
    served.send("sales", "sales_south_20270105.csv", &rows(2));
    served.wait_for(&[
        "feed_expected sales",
        "feed_extra sales_north_20261125.csv",
        "feed_extra notes.csv",
        "feed_arrived 2027-01-05",
        "feed_extra sales_south_20270105.csv",
    ]);
}

#[test]
fn a_set_of_files_is_late_until_the_last_of_them() {
    let config = format!("{PLAIN}files = 2\ntell = []\n");
    let (zone, clock) = zone(&config, "2026-11-20T12:00:00Z");
    let served = serve(&zone, &clock);
    served.wait_for(&["feed_expected rates"]);
    clock.set("2026-11-21T05:00:00Z");
    served.send("rates", "a.csv", &rows(2));
    clock.set("2026-11-21T06:00:00Z");
    served.wait_for(&["feed_expected rates", "feed_late 2026-11-21"]);
    let cause = "rates is late for 2026-11-21; 1 came, not all that were due 2026-11-21T06:00:00Z";
    assert_eq!(served.needs(), [format!("H140: {cause}")]);
    served.send("rates", "b.csv", &rows(2));
    let all = ["feed_expected rates", "feed_late 2026-11-21", "feed_recovered 2026-11-21"];
    served.wait_for(&all);
    // One too many is not told of, when nobody wants to hear of it.
    served.send("rates", "c.csv", &rows(2));
    clock.set("2026-11-22T06:00:00Z");
    served.wait_for(&[&all[..], &["feed_late 2026-11-22"]].concat());
}

#[test]
fn a_file_far_from_its_feeds_median_is_unusual() {
    let config = format!("{PLAIN}files = 100\n");
    let (zone, clock) = zone(&config, "2026-11-20T12:00:00Z");
    let served = serve(&zone, &clock);
    served.wait_for(&["feed_expected rates"]);
    clock.set("2026-11-21T01:00:00Z");
    for day in 0..8 {
        served.send("rates", &format!("{day}.csv"), &rows(100 + day));
        zone.wait_for_ends(day + 1);
    }
    served.send("rates", "short.csv", &rows(10));
    served.wait_for(&["feed_expected rates", "feed_unusual short.csv"]);
    let needs = served.needs();
    let cause = "H143: short.csv of rates is unusual: 10 rows, the 8 before had about 103; ";
    assert!(matches!(needs.as_slice(), [need] if need.starts_with(cause)), "{needs:?}");
    // The next that is as usual ends it.
    served.send("rates", "whole.csv", &rows(103));
    zone.wait_for_ends(10);
    clock.set("2026-11-21T06:00:00Z");
    served.wait_for(&["feed_expected rates", "feed_unusual short.csv", "feed_late 2026-11-21"]);
    assert!(served.needs().iter().all(|need| need.starts_with("H140")), "{:?}", served.needs());
    let arrival =
        crate::support::all(&zone.ledger()).into_iter().find(|a| a.name.as_bytes() == b"short.csv");
    let shown = zone.run(&["show", &arrival.expect("it is there").id.to_string()]);
    assert!(String::from_utf8_lossy(&shown.stdout).contains("is unusual: 10 rows"));
}

impl Served<'_> {
    /// What `landfall` says, and its exit code.
    fn says(&self, arguments: &[&str]) -> (i32, String) {
        let output = self.zone.run(arguments);
        let text = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        (output.status.code().unwrap(), text)
    }

    fn excuse(&self, feed: &str, date: &str, reason: &str) -> (i32, String) {
        self.says(&["feed", "excuse", feed, date, "--reason", reason])
    }
}

#[test]
fn a_date_that_a_person_excuses_is_asked_for_no_more() {
    let (zone, clock) = zone(BERLIN, "2026-11-20T12:00:00Z");
    let served = serve(&zone, &clock);
    served.wait_for(&["feed_expected sales"]);
    // Ahead, and once it is late.
    let (code, said) = served.excuse("sales", "2026-11-24", "bank holiday in Aachen");
    assert_eq!(code, 0, "{said}");
    assert!(said.starts_with("sales is excused for 2026-11-24: nobody is told"), "{said}");
    clock.set("2026-11-23T08:00:00Z");
    let late = ["feed_expected sales", "feed_excused 2026-11-24", "feed_late 2026-11-23"];
    served.wait_for(&late);
    assert_eq!(served.needs().len(), 1);
    assert_eq!(served.excuse("sales", "2026-11-23", "their mill burnt down").0, 0);
    assert_eq!(served.needs(), [""; 0]);
    clock.set("2026-11-26T08:00:00Z");
    let told = [&late[..], &["feed_excused 2026-11-23", "feed_late 2026-11-26"]].concat();
    served.wait_for(&told);
    let (_, shown) = served.says(&["feed", "show", "sales"]);
    let who = std::process::Command::new("id").arg("-un").output().unwrap().stdout;
    let who = std::env::var("SUDO_USER").unwrap_or(String::from_utf8(who).unwrap());
    let who = who.trim();
    for line in [
        "2026-11-26  late, 0 files, due 2026-11-26T05:30:00Z".to_owned(),
        format!("2026-11-24  excused by {who}: bank holiday in Aachen"),
        format!("2026-11-23  excused by {who}: their mill burnt down"),
    ] {
        assert!(shown.contains(&line), "{line}: {shown}");
    }
    let (_, events) = served.says(&["events"]);
    let line = format!("sales is excused for 2026-11-23 by {who}: their mill burnt down");
    assert!(events.contains(&line), "{events}");
    // It comes all the same.
    served.send("sales", "sales_north_20261124.csv", &rows(3));
    served.wait_for(&[&told[..], &["feed_arrived 2026-11-24"]].concat());
    let (_, shown) = served.says(&["feed", "show", "sales"]);
    assert!(shown.contains("2026-11-24  complete, 1 file"), "{shown}");
}

#[test]
fn what_cannot_be_excused_is_told_why() {
    let (zone, clock) = zone(&format!("{BERLIN}[feed.plain]\n"), "2026-11-20T12:00:00Z");
    let served = serve(&zone, &clock);
    served.wait_for(&["feed_expected sales"]);
    clock.set("2026-11-23T05:00:00Z");
    served.send("sales", "sales_north_20261123.csv", &rows(3));
    served.wait_for(&["feed_expected sales", "feed_arrived 2026-11-23"]);
    assert_eq!(served.excuse("sales", "2026-11-24", "a strike").0, 0);
    for (feed, date, reason, why) in [
        ("sales", "2026-11-23", "x", "sales is complete for 2026-11-23: its files have come"),
        ("sales", "2026-11-24", "x", "sales is excused for 2026-11-24 already, by "),
        ("sales", "2026-11-24", "x", ": a strike"),
        ("sales", "2026-11-25", "x", "no file of sales is due for 2026-11-25"),
        ("sales", "2026-11-28", "x", "no file of sales is due for 2026-11-28"),
        ("sales", "2026-11-20", "x", "expected from 2026-11-23 on, not for 2026-11-20"),
        ("sales", "2062-11-24", "x", "2062-11-24 is more than a year ahead"),
        ("sales", "2026-11-26", " ", "an excuse needs a reason"),
        ("plain", "2026-11-26", "x", "[feed.plain.expect]"),
        ("plain", "2026-11-26", "x", "plain is not expected to bring files"),
        ("nobody", "2026-11-26", "x", "this zone has no feed `nobody`"),
        ("sales", "26.11.2026", "x", "26.11.2026"),
    ] {
        let (code, said) = served.excuse(feed, date, reason);
        assert!(code != 0 && said.contains(why), "{feed} {date}: {said}");
    }
    served.wait_for(&["feed_expected sales", "feed_arrived 2026-11-23", "feed_excused 2026-11-24"]);
}

#[test]
fn an_excuse_needs_no_server_and_outlives_a_rebuild() {
    let zone = TestZone::new(PLAIN);
    zone.serve().stop();
    let day = Timestamp::now().to_zoned(TimeZone::UTC).date().checked_add(2.days()).unwrap();
    let day = day.to_string();
    let excused = zone.run(&["feed", "excuse", "rates", &day, "--reason", "a holiday", "--json"]);
    assert!(excused.status.success(), "{}", String::from_utf8_lossy(&excused.stderr));
    let wish: Value = serde_json::from_slice(&excused.stdout).unwrap();
    assert_eq!((&wish["feed"], &wish["date"]), (&"rates".into(), &day.as_str().into()));
    let status = || {
        let status = zone.run(&["status", "--json"]);
        let status: Value = serde_json::from_slice(&status.stdout).unwrap();
        status["excused"].clone()
    };
    let there = serde_json::json!([{ "feed": "rates", "date": day, "by": wish["by"], "reason": "a holiday" }]);
    assert_eq!(status(), there);
    let text = zone.run(&["status"]).stdout;
    let text = String::from_utf8(text).unwrap();
    assert!(text.contains(&format!("rates: {day} is excused by ")), "{text}");
    zone.serve().stop();
    fs::remove_file(zone.path().join(".landfall/ledger.db")).unwrap();
    let rebuilt = zone.run(&["rebuild"]);
    assert!(rebuilt.status.success(), "{}", String::from_utf8_lossy(&rebuilt.stderr));
    assert_eq!(status(), there);
}

#[test]
fn what_is_no_longer_expected_is_forgotten() {
    let (zone, clock) = zone(PLAIN, "2026-11-20T12:00:00Z");
    let served = serve(&zone, &clock);
    served.wait_for(&["feed_expected rates"]);
    clock.set("2026-11-21T07:00:00Z");
    served.wait_for(&["feed_expected rates", "feed_late 2026-11-21"]);
    fs::write(zone.path().join("landfall.toml"), "[sftp]\nlisten = '127.0.0.1:0'\n[feed.rates]\n")
        .unwrap();
    assert!(zone.run(&["reload"]).status.success());
    served.wait_for(&[
        "feed_expected rates",
        "feed_late 2026-11-21",
        "feed_excused 2026-11-21",
        "feed_unexpected rates",
    ]);
    assert_eq!(served.needs(), [""; 0]);
}

#[test]
fn events_are_cloud_events_with_a_type_of_their_own() {
    let (zone, clock) = zone(PLAIN, "2026-11-20T12:00:00Z");
    let served = serve(&zone, &clock);
    served.wait_for(&["feed_expected rates"]);
    clock.set("2026-11-21T07:00:00Z");
    served.wait_for(&["feed_expected rates", "feed_late 2026-11-21"]);
    let events = zone.run(&["events", "--json"]);
    let events = String::from_utf8(events.stdout).expect("text");
    let late = events.lines().find(|line| line.contains("feed_late")).expect("an event");
    let late: Value = serde_json::from_str(late).expect("json");
    assert_eq!(late["type"], "dev.landfall.feed.late.v1");
    assert_eq!((&late["subject"], &late["lffeed"]), (&"rates".into(), &"rates".into()));
    assert_eq!(late["data"]["due_at"], "2026-11-21T06:00:00Z");
}
