//! One contract suite for every implementation of the ledger, and what SQLite promises beside it.
#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "tests"
)]

use std::path::PathBuf;

use landfall::clock::{Clock, Timestamp};
use landfall::diagnostic::{Code, Diagnostic};
use landfall::durable::Durability;
use landfall::ledger::sqlite::{self, SqliteLedger};
use landfall::ledger::{
    Arrival, ArrivalQuery, Batch, BatchBounds, BatchState, Conversion, DeliveryOutcome,
    DeliveryState, Door, Error, Event, FileKind, Ledger, NewArrival, NewConversion, Output, Sender,
    State, Usage, chain,
};
use landfall::names::{ArrivalId, BatchId, Digest, FeedName, FileName, SinkName};
use landfall::report::Report;
use landfall::schema::{Column, ColumnType};
use landfall::zone::Zone;

// ---- the implementations ----

/// A ledger under test.
struct Place {
    folder: tempfile::TempDir,
    ledger: Option<SqliteLedger>,
    /// Close and open it before every use: nothing may live in memory alone.
    reopens: bool,
}

impl Place {
    fn steady() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let mut place = Self { folder, ledger: None, reopens: false };
        place.reopen();
        place
    }

    fn reopening() -> Self {
        Self { reopens: true, ..Self::steady() }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("ledger.db")
    }

    fn reopen(&mut self) {
        drop(self.ledger.take());
        let ledger = sqlite::open(&self.path(), Clock::fixed(now()), Durability::Full);
        self.ledger = Some(ledger.expect("a ledger"));
    }

    fn ledger(&mut self) -> &dyn Ledger {
        if self.reopens {
            self.reopen();
        }
        self.ledger.as_ref().expect("open")
    }
}

macro_rules! contract {
    ($($test:ident)*) => {
        mod sqlite_steady { $(#[test] fn $test() { super::$test(&mut super::Place::steady()); })* }
        mod sqlite_reopened { $(#[test] fn $test() { super::$test(&mut super::Place::reopening()); })* }
    };
}

contract! {
    a_received_file_is_found_in_every_way
    receiving_the_same_id_again_changes_nothing
    the_same_bytes_under_the_same_name_are_a_duplicate
    the_same_bytes_under_another_name_or_from_another_sender_are_not
    a_duplicate_lists_a_hidden_name_again
    duplicates_are_processed_where_the_feed_says_so
    other_bytes_take_the_name
    a_held_arrival_starts_held
    advancing_follows_the_state_and_refuses_the_rest
    what_does_not_exist_is_missing
    renaming_moves_the_name_and_the_newest_wins
    a_released_file_that_was_renamed_onto_its_own_bytes_is_a_duplicate
    touching_and_hiding_change_the_listing_only
    usage_counts_what_a_sender_sent
    a_conversion_teaches_the_feed
    a_conversion_for_an_older_schema_is_refused_only_when_it_changes_it
    a_second_conversion_replaces_the_first
    a_batch_fixes_members_names_and_sequence
    a_batch_keeps_its_bounds_but_takes_at_least_one
    a_batch_has_one_schema_version
    raw_objects_are_handed_off_where_they_lie
    a_feed_closes_one_batch_at_a_time
    publishing_fills_the_outbox_once
    without_sinks_a_published_batch_is_handed_off
    deliveries_follow_the_order_and_stall
    the_last_acknowledgement_hands_off
    a_late_answer_changes_nothing
    a_replacement_supersedes_what_no_batch_has
    a_replacement_retracts_what_is_published
    a_held_replacement_takes_nothing_back
    a_chain_of_replacements_leaves_one_version
    a_replacement_after_publication_is_carried_by_the_next_batch
    an_adopted_older_file_does_not_take_the_name
    live_files_can_be_asked_for_any_batch
    history_is_chained
}

// ---- making things ----

fn now() -> Timestamp {
    "2026-11-22T06:31:04.512345Z".parse().expect("a time")
}

fn before(seconds: i64) -> Timestamp {
    Timestamp::from_microsecond(now().as_microsecond() - seconds * 1_000_000).expect("in range")
}

fn feed(name: &str) -> FeedName {
    name.parse().expect("a feed")
}

fn orders() -> FeedName {
    feed("orders")
}

fn acme() -> Sender {
    "partner:acme".parse().expect("a sender")
}

fn file(name: &str) -> FileName {
    name.parse().expect("a file name")
}

fn sink(name: &str) -> SinkName {
    name.parse().expect("a sink")
}

fn digest_of(content: &str) -> Digest {
    landfall::archive::digest::of_bytes(content.as_bytes())
}

fn incoming(name: &str, content: &str) -> NewArrival {
    let id = ArrivalId::new(now());
    NewArrival {
        id,
        sender: acme(),
        door: Door::Sftp,
        feed: orders(),
        name: file(name),
        size_bytes: content.len() as u64,
        digest: digest_of(content),
        raw: Zone::raw_path(&orders(), now(), id, &file(name)),
        received_at: now(),
        modified_s: None,
        mode: None,
        origin: Some("192.0.2.7".to_owned()),
        fingerprint: None,
        held: None,
        skip_duplicate: true,
        replace_same_name: false,
        adopted: false,
    }
}

fn replacing(name: &str, content: &str) -> NewArrival {
    NewArrival { replace_same_name: true, ..incoming(name, content) }
}

fn unsorted() -> Diagnostic {
    Diagnostic::error(Code::R101, "`a.bin` matches no pattern of orders").fact("feed", "orders")
}

fn output(id: ArrivalId, suffix: &str, size_bytes: u64) -> Output {
    let path = Zone::converted_path(id, suffix);
    Output { path, rows: 3, size_bytes, digest: digest_of(suffix) }
}

fn conversion(id: ArrivalId, version: u32, size_bytes: u64) -> NewConversion {
    let conversion = Conversion {
        converter: "test-1".to_owned(),
        version,
        revision: version,
        seen: 4,
        written: 3,
        rejected: 1,
        skipped: 0,
        parquet: output(id, "parquet", size_bytes),
        rejects: None,
        report: Report { kind: "csv".to_owned(), seen: 4, ..Report::default() },
    };
    NewConversion {
        conversion,
        given_revision: version,
        learned: None,
        opens_version: false,
        drift: Vec::new(),
    }
}

fn column(name: &str, kind: ColumnType) -> Column {
    Column { name: name.to_owned(), header: name.to_owned(), kind }
}

fn bounds() -> BatchBounds {
    BatchBounds { files_max: 1000, bytes_max: 1 << 20 }
}

/// Receives and converts a file.
fn ready(place: &mut Place, new: NewArrival) -> ArrivalId {
    let id = place.ledger().receive(new).expect("received").id;
    place.ledger().converted(id, conversion(id, 1, 100)).expect("converted");
    id
}

fn close(place: &mut Place) -> Batch {
    place.ledger().close_batch(&orders(), bounds()).expect("closed").expect("something is ready")
}

fn publish(place: &mut Place, sinks: &[&str]) -> Batch {
    let batch = close(place);
    let sinks: Vec<_> = sinks.iter().map(|name| sink(name)).collect();
    place.ledger().published(batch.id, digest_of("manifest"), &sinks).expect("published")
}

fn get(place: &mut Place, id: ArrivalId) -> Arrival {
    place.ledger().arrival(id).expect("read").expect("is there")
}

fn state(place: &mut Place, id: ArrivalId) -> State {
    get(place, id).state
}

fn kinds(place: &mut Place, id: ArrivalId) -> Vec<String> {
    let history = place.ledger().history(id).expect("history");
    history.iter().map(|recorded| recorded.event.kind()).collect()
}

fn listed(place: &mut Place) -> Vec<String> {
    let listing = place.ledger().listing(&acme(), &orders(), before(3600)).expect("listed");
    listing.iter().map(|entry| entry.name.to_string()).collect()
}

fn live(place: &mut Place, as_of: Option<u64>) -> Vec<ArrivalId> {
    let files = place.ledger().live_files(&orders(), as_of).expect("live files");
    files.iter().map(|file| file.arrival).collect()
}

// ---- receiving ----

fn a_received_file_is_found_in_every_way(place: &mut Place) {
    let new = NewArrival {
        name: FileName::new(b"eu/\xff orders.csv".to_vec()).expect("a name"),
        modified_s: Some(1_700_000_000),
        mode: Some(0o644),
        fingerprint: Some("1:2:3".to_owned()),
        ..incoming("a.csv", "one")
    };
    let received = place.ledger().receive(new.clone()).expect("received");
    assert_eq!((received.id, received.sequence, received.state), (new.id, 1, State::Received));
    assert_eq!((&received.name, received.size_bytes, received.digest), (&new.name, 3, new.digest));
    assert_eq!((received.modified_s, received.mode), (new.modified_s, new.mode));
    assert_eq!((&received.origin, &received.fingerprint), (&new.origin, &new.fingerprint));
    assert_eq!((received.received_at, received.changed_at), (now(), now()));
    assert!(received.current && !received.hidden && !received.replaces);
    assert_eq!(get(place, new.id), received);
    let ledger = place.ledger();
    assert_eq!(
        ledger.current(&acme(), &orders(), &new.name).expect("read"),
        Some(received.clone())
    );
    let alone = std::slice::from_ref(&received);
    assert_eq!(ledger.to_convert(0, 10).expect("read"), alone);
    assert_eq!(ledger.to_convert(1, 10).expect("read"), []);
    let text = new.id.to_string();
    for prefix in [text.as_str(), &text[..8], &text.replace('-', "")[..11], ""] {
        assert_eq!(ledger.arrivals_by_prefix(prefix).expect("read"), alone, "{prefix}");
    }
    for prefix in ["ffffffff", "zz", &"0".repeat(33)] {
        assert_eq!(ledger.arrivals_by_prefix(prefix).expect("read"), [], "{prefix}");
    }
    for (query, found) in queries(&received) {
        let arrivals = ledger.arrivals(&query).expect("read");
        assert_eq!(arrivals.len(), usize::from(found), "{query:?}");
    }
    assert_eq!(ledger.counts().expect("read"), [(orders(), State::Received, 1)]);
}

fn queries(of: &Arrival) -> Vec<(ArrivalQuery, bool)> {
    let query = ArrivalQuery::default;
    vec![
        (query(), true),
        (ArrivalQuery { sender: Some(acme()), feed: Some(orders()), ..query() }, true),
        (ArrivalQuery { sender: Some(Sender::Local("root".to_owned())), ..query() }, false),
        (ArrivalQuery { feed: Some(feed("other")), ..query() }, false),
        (ArrivalQuery { states: vec![State::Held, State::Received], ..query() }, true),
        (ArrivalQuery { states: vec![State::Held], ..query() }, false),
        (ArrivalQuery { name_contains: Some(b"\xff o".to_vec()), ..query() }, true),
        (ArrivalQuery { name_contains: Some(b"%".to_vec()), ..query() }, false),
        (ArrivalQuery { digest: Some(of.digest), ..query() }, true),
        (ArrivalQuery { digest: Some(digest_of("other")), ..query() }, false),
        (ArrivalQuery { since: Some(now()), ..query() }, true),
        (ArrivalQuery { until: Some(now()), ..query() }, false),
        (ArrivalQuery { since: Some(before(9)), until: Some(before(1)), ..query() }, false),
    ]
}

fn receiving_the_same_id_again_changes_nothing(place: &mut Place) {
    let new = incoming("a.csv", "one");
    let first = place.ledger().receive(new.clone()).expect("received");
    let head = place.ledger().head();
    let again = NewArrival { name: file("b.csv"), ..new };
    assert_eq!(place.ledger().receive(again).expect("known"), first);
    assert_eq!(place.ledger().head(), head);
}

fn the_same_bytes_under_the_same_name_are_a_duplicate(place: &mut Place) {
    let first = place.ledger().receive(incoming("a.csv", "one")).expect("received").id;
    let second = place.ledger().receive(incoming("a.csv", "one")).expect("received");
    assert_eq!((second.state, second.duplicate_of), (State::Duplicate, Some(first)));
    assert!(!second.current && second.supersedes.is_none());
    assert!(get(place, first).current);
    assert_eq!(kinds(place, second.id), ["received", "duplicate"]);
    assert_eq!(place.ledger().to_convert(0, 10).expect("read").len(), 1);
    // Also when it would have been held: a person needs to look at it once.
    let held = NewArrival { held: Some(unsorted()), ..incoming("a.csv", "one") };
    assert_eq!(place.ledger().receive(held).expect("received").state, State::Duplicate);
}

fn the_same_bytes_under_another_name_or_from_another_sender_are_not(place: &mut Place) {
    let new = || incoming("a.csv", "one");
    place.ledger().receive(new()).expect("received");
    for other in [
        NewArrival { name: file("b.csv"), ..new() },
        NewArrival { name: file("A.csv"), ..new() },
        NewArrival { feed: feed("returns"), ..new() },
        NewArrival { sender: "partner:bolt".parse().expect("a sender"), ..new() },
        NewArrival { sender: "folder:acme".parse().expect("a sender"), ..new() },
    ] {
        let arrival = place.ledger().receive(other).expect("received");
        assert_eq!((arrival.state, arrival.duplicate_of), (State::Received, None), "{arrival:?}");
    }
}

fn a_duplicate_lists_a_hidden_name_again(place: &mut Place) {
    let old = NewArrival { received_at: before(86_400), ..incoming("a.csv", "one") };
    let id = place.ledger().receive(old).expect("received").id;
    place.ledger().advance(id, Event::Hidden).expect("hidden");
    assert_eq!(listed(place), Vec::<String>::new());
    let again = NewArrival { modified_s: Some(77), ..incoming("a.csv", "one") };
    place.ledger().receive(again).expect("received");
    assert_eq!(listed(place), ["a.csv"]);
    let current = get(place, id);
    assert_eq!((current.hidden, current.modified_s), (false, Some(77)));
}

fn duplicates_are_processed_where_the_feed_says_so(place: &mut Place) {
    let first = place.ledger().receive(incoming("a.csv", "one")).expect("received").id;
    let again = NewArrival { skip_duplicate: false, ..incoming("a.csv", "one") };
    let again = place.ledger().receive(again).expect("received");
    assert_eq!((again.state, again.duplicate_of), (State::Received, Some(first)));
    assert!(again.current && !get(place, first).current);
}

fn other_bytes_take_the_name(place: &mut Place) {
    let first = place.ledger().receive(incoming("a.csv", "one")).expect("received").id;
    let second = place.ledger().receive(incoming("a.csv", "two")).expect("received");
    assert_eq!((second.current, second.supersedes, second.replaces), (true, Some(first), false));
    let first = get(place, first);
    assert_eq!((first.current, first.state), (false, State::Received), "both are processed");
    assert_eq!(listed(place), ["a.csv"]);
    // The first bytes again are other bytes than the current ones.
    let third = place.ledger().receive(incoming("a.csv", "one")).expect("received");
    assert_eq!((third.state, third.supersedes), (State::Received, Some(second.id)));
}

fn a_held_arrival_starts_held(place: &mut Place) {
    let new = NewArrival { held: Some(unsorted()), ..incoming("a.bin", "one") };
    let held = place.ledger().receive(new).expect("received");
    assert_eq!((held.state, held.diagnostic), (State::Held, Some(unsorted())));
    assert!(held.current);
    assert_eq!(kinds(place, held.id), ["received", "held"]);
    assert_eq!(place.ledger().to_convert(0, 10).expect("read"), []);
    let counts = place.ledger().counts().expect("read");
    assert_eq!(counts, [(orders(), State::Held, 1)]);
}

fn advancing_follows_the_state_and_refuses_the_rest(place: &mut Place) {
    let id = place.ledger().receive(incoming("a.csv", "one")).expect("received").id;
    let released = || Event::Released { by: "ops".to_owned(), reason: "seen".to_owned() };
    let refused = place.ledger().advance(id, released()).expect_err("it is not held");
    assert!(matches!(refused, Error::Refused(_)), "{refused}");
    assert_eq!(kinds(place, id), ["received"], "a refused event leaves no trace");
    let held = place.ledger().advance(id, Event::Held { diagnostic: unsorted() }).expect("held");
    assert_eq!((held.state, held.diagnostic), (State::Held, Some(unsorted())));
    let other = Diagnostic::error(Code::C111, "the converter stopped");
    let held = place.ledger().advance(id, Event::Held { diagnostic: other.clone() }).expect("held");
    assert_eq!(held.diagnostic, Some(other), "the last reason counts");
    let free = place.ledger().advance(id, released()).expect("released");
    assert_eq!((free.state, free.diagnostic), (State::Received, None));
    let raw = Event::TakenRaw { reason: "not a table".to_owned() };
    assert_eq!(place.ledger().advance(id, raw).expect("raw").state, State::Raw);
    // Events that come with more than a state belong to their own verbs.
    let batch = BatchId::new(now());
    for foreign in [Event::Batched { batch, sequence: 1 }, Event::Duplicate { of: id }] {
        let refused = place.ledger().advance(id, foreign).expect_err("refused");
        assert!(matches!(refused, Error::Refused(_)), "{refused}");
    }
    assert_eq!(kinds(place, id), ["received", "held", "held", "released", "taken_raw"]);
}

fn what_does_not_exist_is_missing(place: &mut Place) {
    let (id, batch) = (ArrivalId::new(now()), BatchId::new(now()));
    let ledger = place.ledger();
    assert_eq!(ledger.arrival(id).expect("read"), None);
    assert_eq!(ledger.batch(batch).expect("read"), None);
    assert_eq!(ledger.history(id).expect("read"), []);
    assert_eq!(ledger.learned(&orders()).expect("read"), None);
    assert_eq!((ledger.head(), ledger.feeds_ready().expect("read")), (0, Vec::new()));
    let delivery = format!("{batch}-warehouse");
    let missing = [
        ledger.advance(id, Event::Hidden).expect_err("missing"),
        ledger.converted(id, conversion(id, 1, 1)).expect_err("missing"),
        ledger.published(batch, digest_of(""), &[]).expect_err("missing"),
        ledger.delivered(&delivery, DeliveryOutcome::Acknowledged(None)).expect_err("missing"),
        ledger.delivered("é", DeliveryOutcome::Acknowledged(None)).expect_err("missing"),
    ];
    for error in missing {
        assert!(matches!(error, Error::Missing { .. }), "{error}");
    }
    assert_eq!(ledger.head(), 0);
}

fn renamed(to: &str) -> Event {
    Event::Renamed { from: file("whatever"), to: file(to) }
}

fn renaming_moves_the_name_and_the_newest_wins(place: &mut Place) {
    let a = place.ledger().receive(incoming("a.csv", "one")).expect("received").id;
    let b = place.ledger().receive(incoming("b.csv", "two")).expect("received").id;
    let moved = place.ledger().advance(b, renamed("a.csv")).expect("renamed");
    assert_eq!((moved.name, moved.current, moved.supersedes), (file("a.csv"), true, Some(a)));
    assert!(!get(place, a).current);
    assert_eq!(listed(place), ["a.csv"]);
    let history = place.ledger().history(b).expect("history");
    let told = Event::Renamed { from: file("b.csv"), to: file("a.csv") };
    assert_eq!(
        history.last().expect("an event").event,
        told,
        "the name it had, not the one claimed"
    );
    place.ledger().advance(b, renamed("a.csv")).expect("onto itself");
    assert_eq!(listed(place), ["a.csv"]);
    assert_eq!(place.ledger().current(&acme(), &orders(), &file("b.csv")).expect("read"), None);
}

fn a_released_file_that_was_renamed_onto_its_own_bytes_is_a_duplicate(place: &mut Place) {
    let a = place.ledger().receive(incoming("a.csv", "one")).expect("received").id;
    let part = NewArrival { held: Some(unsorted()), ..incoming("a.csv.part", "one") };
    let part = place.ledger().receive(part).expect("received").id;
    place.ledger().advance(part, renamed("a.csv")).expect("renamed");
    let released = Event::Released { by: "acme".to_owned(), reason: "renamed".to_owned() };
    let released = place.ledger().advance(part, released).expect("released");
    assert_eq!((released.state, released.duplicate_of), (State::Duplicate, Some(a)));
    assert!(get(place, a).current);
    assert_eq!(listed(place), ["a.csv"]);
}

fn touching_and_hiding_change_the_listing_only(place: &mut Place) {
    let id = place.ledger().receive(incoming("a.csv", "one")).expect("received").id;
    let touched = Event::Touched { modified_s: Some(5), mode: None };
    place.ledger().advance(id, touched).expect("touched");
    let touched = Event::Touched { modified_s: None, mode: Some(0o600) };
    let touched = place.ledger().advance(id, touched).expect("touched");
    assert_eq!((touched.modified_s, touched.mode), (Some(5), Some(0o600)));
    let listing = place.ledger().listing(&acme(), &orders(), before(1)).expect("listed");
    assert_eq!(listing[0].modified_s, 5);
    assert_eq!(listing[0].received_at, now());
    let hidden = place.ledger().advance(id, Event::Hidden).expect("hidden");
    assert_eq!((hidden.hidden, hidden.current, hidden.state), (true, true, State::Received));
    assert_eq!(listed(place), Vec::<String>::new());
    let found = place.ledger().current(&acme(), &orders(), &file("a.csv")).expect("read");
    assert_eq!(found.map(|found| found.id), Some(id));
}

fn usage_counts_what_a_sender_sent(place: &mut Place) {
    for (name, age) in [("a", 10), ("b", 100), ("b", 100), ("c", 1000)] {
        let new = NewArrival { received_at: before(age), ..incoming(name, "12345") };
        place.ledger().receive(new).expect("received");
    }
    let usage = |place: &mut Place, age| place.ledger().usage(&acme(), before(age)).expect("read");
    assert_eq!(usage(place, 10), Usage { files: 1, bytes: 5 });
    assert_eq!(usage(place, 500), Usage { files: 3, bytes: 15 }, "a duplicate counts");
    assert_eq!(usage(place, 1), Usage::default());
}

// ---- converting ----

fn a_conversion_teaches_the_feed(place: &mut Place) {
    let teach = |place: &mut Place, given_revision, opens_version, kind| {
        let id = ready_to_convert(place);
        let new = NewConversion {
            given_revision,
            learned: Some(vec![column("id", kind)]),
            opens_version,
            drift: vec!["id changed".to_owned()],
            ..conversion(id, 9, 10)
        };
        place.ledger().converted(id, new).expect("converted")
    };
    let first = teach(place, 0, false, ColumnType::Int64);
    let made = first.conversion.expect("a conversion");
    assert_eq!((first.state, made.revision, made.version), (State::Converted, 1, 1));
    assert_eq!(kinds(place, first.id), ["received", "converted", "schema_changed"]);
    let second = teach(place, 1, false, ColumnType::Int64).conversion.expect("a conversion");
    assert_eq!((second.revision, second.version), (2, 1));
    let third = teach(place, 2, true, ColumnType::Text).conversion.expect("a conversion");
    assert_eq!((third.revision, third.version), (3, 2));
    let learned = place.ledger().learned(&orders()).expect("read").expect("learned");
    assert_eq!((learned.revision, learned.version), (3, 2));
    assert_eq!(learned.columns, [column("id", ColumnType::Text)]);
    assert_eq!(place.ledger().learned(&feed("other")).expect("read"), None);
}

fn ready_to_convert(place: &mut Place) -> ArrivalId {
    let new = incoming("a.csv", &uuid::Uuid::now_v7().to_string());
    place.ledger().receive(new).expect("received").id
}

fn a_conversion_for_an_older_schema_is_refused_only_when_it_changes_it(place: &mut Place) {
    let first = ready_to_convert(place);
    let learns = |id, given_revision| NewConversion {
        given_revision,
        learned: Some(vec![column("id", ColumnType::Int64)]),
        ..conversion(id, 1, 10)
    };
    place.ledger().converted(first, learns(first, 0)).expect("converted");
    let second = ready_to_convert(place);
    let refused = place.ledger().converted(second, learns(second, 0)).expect_err("moved on");
    assert!(matches!(refused, Error::SchemaMovedOn { now: 1, made_for: 0, .. }), "{refused}");
    assert_eq!(state(place, second), State::Received);
    let conforming = NewConversion { given_revision: 0, ..conversion(second, 1, 10) };
    place.ledger().converted(second, conforming).expect("it changes nothing");
}

fn a_second_conversion_replaces_the_first(place: &mut Place) {
    let id = ready(place, incoming("a.csv", "one"));
    let again = place.ledger().converted(id, conversion(id, 2, 55)).expect("converted again");
    let made = again.conversion.clone().expect("a conversion");
    assert_eq!((made.version, made.parquet.size_bytes), (2, 55));
    assert_eq!(made.report.kind, "csv");
    assert_eq!(get(place, id), again);
    let released = Event::Released { by: "start-up".to_owned(), reason: "gone".to_owned() };
    let released = place.ledger().advance(id, released).expect("released");
    assert_eq!((released.state, released.conversion), (State::Received, None));
    ready_is_batched_and_no_longer_convertible(place, id);
}

fn ready_is_batched_and_no_longer_convertible(place: &mut Place, id: ArrivalId) {
    place.ledger().converted(id, conversion(id, 1, 1)).expect("converted");
    close(place);
    let refused = place.ledger().converted(id, conversion(id, 1, 1)).expect_err("it is fixed");
    assert!(matches!(refused, Error::Refused(_)), "{refused}");
}

// ---- handing off ----

fn a_batch_fixes_members_names_and_sequence(place: &mut Place) {
    assert_eq!(place.ledger().close_batch(&orders(), bounds()).expect("closed"), None);
    let new = NewArrival { received_at: before(86_400), ..incoming("a.csv", "one") };
    let a = ready(place, new);
    let b = place.ledger().receive(incoming("b.csv", "two")).expect("received").id;
    let mut with_rejects = conversion(b, 1, 100);
    with_rejects.conversion.rejects = Some(output(b, "rejects", 7));
    place.ledger().converted(b, with_rejects).expect("converted");
    assert_eq!(place.ledger().feeds_ready().expect("read"), [orders()]);
    let batch = close(place);
    assert_eq!((batch.sequence, batch.previous, batch.version), (1, None, Some(1)));
    assert_eq!((batch.state, batch.closed_at, &batch.feed), (BatchState::Closed, now(), &orders()));
    assert_eq!(batch.members, [a, b]);
    let names: Vec<_> = batch.files.iter().map(|file| file.to.to_string()).collect();
    let id = batch.id;
    assert_eq!(
        names,
        [
            format!("lake/orders/v1/lf_date=2026-11-21/{id}-0000.parquet"),
            format!("lake/orders/v1/lf_date=2026-11-22/{id}-0001.parquet"),
            format!("rejects/orders/lf_date=2026-11-22/{id}-0001.parquet"),
        ]
    );
    let kinds_of: Vec<_> = batch.files.iter().map(|file| file.kind).collect();
    assert_eq!(kinds_of, [FileKind::Parquet, FileKind::Parquet, FileKind::Rejects]);
    assert_eq!(batch.files[0].from, Zone::converted_path(a, "parquet"));
    assert_eq!((batch.files[0].rows, batch.files[0].size_bytes), (3, 100));
    assert_eq!((get(place, a).batch, state(place, a)), (Some(id), State::Batched));
    assert_eq!(place.ledger().batch(id).expect("read"), Some(batch.clone()));
    let closed = place.ledger().closed_batches().expect("read");
    assert_eq!(closed, std::slice::from_ref(&batch));
    assert_eq!(place.ledger().feeds_ready().expect("read"), []);
    let first = place.ledger().published(id, digest_of("m"), &[]).expect("published");
    ready(place, incoming("c.csv", "three"));
    let second = close(place);
    assert_eq!((second.sequence, second.previous), (2, Some(id)));
    let all = place.ledger().batches(&orders(), 0, 10).expect("read");
    assert_eq!(all, [first.clone(), second.clone()]);
    assert_eq!(place.ledger().batches(&orders(), 1, 10).expect("read"), [second]);
    assert_eq!(place.ledger().batches(&orders(), 0, 1).expect("read"), [first]);
}

fn a_batch_keeps_its_bounds_but_takes_at_least_one(place: &mut Place) {
    let ids: Vec<_> =
        (0..5).map(|n| ready(place, incoming(&format!("{n}.csv"), &n.to_string()))).collect();
    let mut take = |files_max, bytes_max| {
        let bounds = BatchBounds { files_max, bytes_max };
        let batch = place.ledger().close_batch(&orders(), bounds).expect("closed").expect("ready");
        place.ledger().published(batch.id, digest_of("m"), &[]).expect("published").members
    };
    assert_eq!(take(2, 1 << 20), ids[..2]);
    assert_eq!(take(10, 1), ids[2..3], "a file is never split, and never skipped");
    assert_eq!(take(0, 0), ids[3..4]);
    assert_eq!(take(10, 100), ids[4..]);
}

fn a_batch_has_one_schema_version(place: &mut Place) {
    let versions = [Some(1), Some(1), Some(2), None, None, Some(2)];
    let mut ids = Vec::new();
    for (n, version) in versions.into_iter().enumerate() {
        let id = place.ledger().receive(incoming(&format!("{n}"), "x")).expect("received").id;
        match version {
            Some(version) => place.ledger().converted(id, conversion(id, version, 1)),
            None => place.ledger().advance(id, Event::TakenRaw { reason: "binary".to_owned() }),
        }
        .expect("ready");
        ids.push(id);
    }
    let mut runs = Vec::new();
    while let Some(batch) = place.ledger().close_batch(&orders(), bounds()).expect("closed") {
        place.ledger().published(batch.id, digest_of("m"), &[]).expect("published");
        runs.push((batch.version, batch.members));
    }
    let run = |version, members: &[ArrivalId]| (version, members.to_vec());
    assert_eq!(
        runs,
        [
            run(Some(1), &ids[..2]),
            run(Some(2), &ids[2..3]),
            run(None, &ids[3..5]),
            run(Some(2), &ids[5..]),
        ]
    );
}

fn raw_objects_are_handed_off_where_they_lie(place: &mut Place) {
    let new = incoming("a.pdf", "%PDF");
    let (id, raw) = (new.id, new.raw.clone());
    place.ledger().receive(new).expect("received");
    let taken = Event::TakenRaw { reason: "not a table".to_owned() };
    place.ledger().advance(id, taken).expect("raw");
    let batch = publish(place, &[]);
    assert_eq!((batch.version, batch.files.len()), (None, 1));
    let file = &batch.files[0];
    assert_eq!((&file.from, &file.to, file.kind), (&raw, &raw, FileKind::Raw));
    assert_eq!((file.rows, file.size_bytes, file.digest), (0, 4, digest_of("%PDF")));
    assert_eq!(live(place, None), [id]);
}

fn a_feed_closes_one_batch_at_a_time(place: &mut Place) {
    ready(place, incoming("a.csv", "one"));
    let batch = close(place);
    ready(place, incoming("b.csv", "two"));
    assert_eq!(place.ledger().close_batch(&orders(), bounds()).expect("closed"), None);
    let other = NewArrival { feed: feed("returns"), ..incoming("a.csv", "one") };
    ready(place, other);
    let of_other = place.ledger().close_batch(&feed("returns"), bounds()).expect("closed");
    assert_eq!(of_other.expect("another feed").sequence, 1, "each feed counts for itself");
    place.ledger().published(batch.id, digest_of("m"), &[]).expect("published");
    assert_eq!(close(place).sequence, 2);
}

fn publishing_fills_the_outbox_once(place: &mut Place) {
    let id = ready(place, incoming("a.csv", "one"));
    let batch = publish(place, &["lake", "mail"]);
    assert_eq!((batch.state, batch.published_at), (BatchState::Published, Some(now())));
    assert_eq!(batch.manifest_digest, Some(digest_of("manifest")));
    assert_eq!(state(place, id), State::Published);
    let head = place.ledger().head();
    let again = place.ledger().published(batch.id, digest_of("x"), &[sink("new")]).expect("again");
    assert_eq!((again, place.ledger().head()), (batch.clone(), head));
    let outbox = place.ledger().outbox().expect("read");
    assert_eq!(outbox, [(sink("lake"), orders()), (sink("mail"), orders())]);
    let deliveries = place.ledger().deliveries(batch.id).expect("read");
    let ids: Vec<_> = deliveries.iter().map(|delivery| delivery.id.clone()).collect();
    assert_eq!(ids, [format!("{}-lake", batch.id), format!("{}-mail", batch.id)]);
    assert!(deliveries.iter().all(|d| d.state == DeliveryState::Pending && d.due_at == now()));
    assert!(place.ledger().in_flight(&orders()).expect("read"));
    assert_eq!(place.ledger().closed_batches().expect("read"), []);
}

fn without_sinks_a_published_batch_is_handed_off(place: &mut Place) {
    let id = ready(place, incoming("a.csv", "one"));
    publish(place, &[]);
    assert_eq!(state(place, id), State::HandedOff);
    assert_eq!(kinds(place, id), ["received", "converted", "batched", "published", "handed_off"]);
    assert!(!place.ledger().in_flight(&orders()).expect("read"));
    assert_eq!(place.ledger().outbox().expect("read"), []);
}

fn next(place: &mut Place) -> Option<landfall::ledger::Delivery> {
    place.ledger().next_delivery(&sink("lake"), &orders()).expect("read")
}

fn answer(place: &mut Place, outcome: DeliveryOutcome) -> landfall::ledger::Delivery {
    let turn = next(place).expect("a delivery");
    place.ledger().delivered(&turn.id, outcome).expect("recorded")
}

fn deliveries_follow_the_order_and_stall(place: &mut Place) {
    for (name, content) in [("a.csv", "one"), ("b.csv", "two")] {
        ready(place, incoming(name, content));
        publish(place, &["lake"]);
    }
    assert_eq!(next(place).expect("a delivery").sequence, 1);
    let failed = answer(place, DeliveryOutcome::RetryAt(before(-5), "status 500".to_owned()));
    assert_eq!((failed.attempts, failed.due_at), (1, before(-5)));
    assert_eq!(failed.last_error.as_deref(), Some("status 500"));
    assert_eq!(next(place), Some(failed), "nothing later is sent first");
    let stalled = answer(place, DeliveryOutcome::Stalled("é".repeat(4096)));
    assert_eq!((stalled.state, stalled.attempts), (DeliveryState::Stalled, 2));
    assert_eq!(stalled.last_error.as_ref().map(String::len), Some(4096));
    assert_eq!(next(place), Some(stalled), "a stalled delivery blocks its sink and feed");
    let resumed = answer(place, DeliveryOutcome::Resumed("mended".to_owned()));
    assert_eq!((resumed.state, resumed.due_at), (DeliveryState::Pending, now()));
    answer(place, DeliveryOutcome::Stalled("again".to_owned()));
    answer(place, DeliveryOutcome::Skipped("loaded by hand".to_owned()));
    assert_eq!(next(place).expect("a delivery").sequence, 2);
    assert!(place.ledger().in_flight(&orders()).expect("read"));
    let told: Vec<_> = place.ledger().events(0, 100).expect("events");
    let told: Vec<_> = told.iter().map(|recorded| recorded.event.kind()).collect();
    let expected = ["delivery_failed", "sink_stalled", "sink_resumed", "sink_stalled"];
    assert!(told.windows(4).any(|window| window == expected), "{told:?}");
}

fn the_last_acknowledgement_hands_off(place: &mut Place) {
    let id = ready(place, incoming("a.csv", "one"));
    let batch = publish(place, &["lake", "mail"]);
    let acknowledged = |text: &str| DeliveryOutcome::Acknowledged(Some(text.to_owned()));
    let lake = format!("{}-lake", batch.id);
    let done = place.ledger().delivered(&lake, acknowledged("{\"rows\":3}")).expect("recorded");
    assert_eq!((done.state, done.attempts), (DeliveryState::Acknowledged, 1));
    assert_eq!(done.acknowledgement.as_deref(), Some("{\"rows\":3}"));
    assert_eq!(state(place, id), State::Published);
    assert_eq!(place.ledger().outbox().expect("read"), [(sink("mail"), orders())]);
    let mail = format!("{}-mail", batch.id);
    let skipped = DeliveryOutcome::Skipped("nobody reads it".to_owned());
    place.ledger().delivered(&mail, skipped).expect("recorded");
    assert_eq!(state(place, id), State::HandedOff);
    assert!(!place.ledger().in_flight(&orders()).expect("read"));
}

fn a_late_answer_changes_nothing(place: &mut Place) {
    ready(place, incoming("a.csv", "one"));
    publish(place, &["lake"]);
    let done = answer(place, DeliveryOutcome::Acknowledged(None));
    let head = place.ledger().head();
    for late in [
        DeliveryOutcome::Acknowledged(Some("twice".to_owned())),
        DeliveryOutcome::RetryAt(now(), "late".to_owned()),
        DeliveryOutcome::Stalled("late".to_owned()),
        DeliveryOutcome::Skipped("late".to_owned()),
    ] {
        assert_eq!(place.ledger().delivered(&done.id, late).expect("known"), done);
    }
    assert_eq!(place.ledger().head(), head);
}

// ---- replacing ----

fn a_replacement_supersedes_what_no_batch_has(place: &mut Place) {
    let a = ready(place, replacing("a.csv", "one"));
    let b = place.ledger().receive(replacing("a.csv", "two")).expect("received");
    assert_eq!((state(place, a), b.replaces), (State::Superseded, true));
    let b = b.id;
    place.ledger().converted(b, conversion(b, 1, 1)).expect("converted");
    let batch = publish(place, &[]);
    assert_eq!((batch.members, batch.retracts.len()), (vec![b], 0));
    let refused = place.ledger().converted(a, conversion(a, 1, 1)).expect_err("too late");
    assert!(matches!(refused, Error::Refused(_)), "{refused}");
}

fn a_replacement_retracts_what_is_published(place: &mut Place) {
    let a = ready(place, replacing("a.csv", "one"));
    let first = publish(place, &[]);
    let b = ready(place, replacing("a.csv", "two"));
    let second = close(place);
    assert_eq!(second.retracts.len(), 1);
    let retraction = second.retracts[0].clone();
    assert_eq!((retraction.arrival, retraction.batch, retraction.replaced_by), (a, first.id, b));
    assert_eq!(retraction.path, first.files[0].to);
    // Until the manifest is published the old version is the one that counts.
    assert_eq!((live(place, None), state(place, a)), (vec![a], State::HandedOff));
    assert_eq!(place.ledger().retractions_due().expect("read"), []);
    place.ledger().published(second.id, digest_of("m"), &[]).expect("published");
    assert_eq!((live(place, None), state(place, a)), (vec![b], State::Retracted));
    let due = place.ledger().retractions_due().expect("read");
    assert_eq!(due, [(retraction, now())]);
    place.ledger().retraction_done(a).expect("done");
    assert_eq!(place.ledger().retractions_due().expect("read"), []);
}

fn a_held_replacement_takes_nothing_back(place: &mut Place) {
    let a = ready(place, replacing("a.csv", "one"));
    publish(place, &[]);
    let b = ready(place, replacing("a.csv", "two"));
    let held = NewArrival { held: Some(unsorted()), ..replacing("a.csv", "three") };
    let held = place.ledger().receive(held).expect("received").id;
    assert_eq!(state(place, b), State::Converted);
    publish(place, &[]);
    assert_eq!((live(place, None), state(place, a)), (vec![b], State::Retracted));
    let released = Event::Released { by: "ops".to_owned(), reason: "fine".to_owned() };
    place.ledger().advance(held, released).expect("released");
    assert_eq!(live(place, None), [b]);
    place.ledger().converted(held, conversion(held, 1, 1)).expect("converted");
    publish(place, &[]);
    assert_eq!((live(place, None), state(place, b)), (vec![held], State::Retracted));
}

fn a_chain_of_replacements_leaves_one_version(place: &mut Place) {
    let a = ready(place, replacing("a.csv", "one"));
    publish(place, &["lake"]);
    // None of the next three reaches a batch: the last carries what they were to replace.
    let b = ready(place, replacing("a.csv", "two"));
    let c = place.ledger().receive(replacing("a.csv", "three")).expect("received").id;
    place.ledger().advance(c, Event::Held { diagnostic: unsorted() }).expect("held");
    let d = ready(place, replacing("a.csv", "four"));
    assert_eq!((state(place, b), state(place, c)), (State::Superseded, State::Superseded));
    let batch = publish(place, &["lake"]);
    let taken: Vec<_> = batch.retracts.iter().map(|taken| taken.arrival).collect();
    assert_eq!(taken, [a]);
    assert_eq!(live(place, None), [d]);
    // The retracted one stays retracted when its own batch is acknowledged.
    answer(place, DeliveryOutcome::Acknowledged(None));
    assert_eq!(state(place, a), State::Retracted);
    answer(place, DeliveryOutcome::Acknowledged(None));
    assert_eq!(state(place, d), State::HandedOff);
}

fn a_replacement_after_publication_is_carried_by_the_next_batch(place: &mut Place) {
    let a = ready(place, replacing("a.csv", "one"));
    publish(place, &[]);
    let b = ready(place, replacing("b.csv", "two"));
    let batch = close(place);
    place.ledger().advance(b, renamed("a.csv")).expect("renamed while its batch is closed");
    assert_eq!(place.ledger().feeds_ready().expect("read"), [orders()]);
    assert_eq!(place.ledger().close_batch(&orders(), bounds()).expect("closed"), None);
    place.ledger().published(batch.id, digest_of("m"), &[]).expect("published");
    assert_eq!(live(place, None), [a, b]);
    let carrier = publish(place, &["lake"]);
    assert_eq!((carrier.members, carrier.files, carrier.version), (vec![], vec![], None));
    assert_eq!((carrier.retracts[0].arrival, carrier.retracts[0].replaced_by), (a, b));
    assert_eq!((live(place, None), state(place, a)), (vec![b], State::Retracted));
    assert_eq!(place.ledger().feeds_ready().expect("read"), []);
    answer(place, DeliveryOutcome::Acknowledged(None));
    assert_eq!(place.ledger().close_batch(&orders(), bounds()).expect("closed"), None);
}

fn an_adopted_older_file_does_not_take_the_name(place: &mut Place) {
    let adopted = |new| NewArrival { adopted: true, received_at: before(60), ..new };
    let current = place.ledger().receive(replacing("a.csv", "two")).expect("received").id;
    let older = place.ledger().receive(adopted(replacing("a.csv", "one"))).expect("adopted");
    assert_eq!((older.state, older.current), (State::Superseded, false));
    let same = place.ledger().receive(adopted(replacing("a.csv", "two"))).expect("adopted");
    assert_eq!((same.state, same.duplicate_of), (State::Duplicate, Some(current)));
    assert!(get(place, current).current);
    let appended = place.ledger().receive(adopted(incoming("a.csv", "one"))).expect("adopted");
    assert_eq!((appended.state, appended.current), (State::Received, false));
    let newer = NewArrival { adopted: true, ..replacing("a.csv", "three") };
    assert!(place.ledger().receive(newer).expect("adopted").current);
}

fn live_files_can_be_asked_for_any_batch(place: &mut Place) {
    let a = ready(place, replacing("a.csv", "one"));
    let b = ready(place, replacing("b.csv", "two"));
    publish(place, &[]);
    let c = ready(place, replacing("a.csv", "three"));
    publish(place, &[]);
    ready(place, replacing("d.csv", "four"));
    close(place);
    assert_eq!(live(place, Some(0)), []);
    assert_eq!(live(place, Some(1)), [a, b]);
    assert_eq!(live(place, Some(2)), [b, c]);
    assert_eq!(live(place, None), [b, c], "a closed batch is not live");
    assert_eq!(live(place, Some(9)), [b, c]);
}

// ---- history ----

fn history_is_chained(place: &mut Place) {
    assert_eq!(chain::verify(place.ledger()).expect("whole").events, 0);
    ready(place, incoming("a.csv", "one"));
    publish(place, &["lake"]);
    place.ledger().note(Event::Started { version: "1".to_owned() }).expect("noted");
    let events = place.ledger().events(0, 100).expect("events");
    let numbers: Vec<_> = events.iter().map(|recorded| recorded.sequence).collect();
    assert_eq!(numbers, (1..=events.len() as u64).collect::<Vec<_>>());
    assert!(events.iter().all(|recorded| recorded.at == now()));
    let verified = chain::verify(place.ledger()).expect("whole");
    assert_eq!(verified.events, place.ledger().head());
    assert_eq!(place.ledger().events(2, 1).expect("events"), events[2..3]);
    let links = place.ledger().chain(0, 1).expect("links");
    assert_eq!(links[0].hash, chain::next(&chain::start(), &links[0].record));
}
