//! Receiving: duplicates, names, listings.

use landfall::diagnostic::{Code, Diagnostic};
use landfall::ledger::{
    Arrival, ArrivalQuery, DeliveryOutcome, Error, Event, NewArrival, Sender, State, Usage,
};
use landfall::names::{ArrivalId, BatchId, FileName};

use crate::making::*;
use crate::place::Place;

pub(crate) fn a_received_file_is_found_in_every_way(place: &mut Place) {
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
        (ArrivalQuery { digest: Some(of.digest.into()), ..query() }, true),
        (ArrivalQuery { digest: Some(digest_of("other").into()), ..query() }, false),
        (ArrivalQuery { before: Some(of.sequence), ..query() }, false),
        (ArrivalQuery { since: Some(now()), ..query() }, true),
        (ArrivalQuery { until: Some(now()), ..query() }, false),
        (ArrivalQuery { since: Some(before(9)), until: Some(before(1)), ..query() }, false),
    ]
}

pub(crate) fn receiving_the_same_id_again_changes_nothing(place: &mut Place) {
    let new = incoming("a.csv", "one");
    let first = place.ledger().receive(new.clone()).expect("received");
    let head = place.ledger().head();
    let again = NewArrival { name: file("b.csv"), ..new };
    assert_eq!(place.ledger().receive(again).expect("known"), first);
    assert_eq!(place.ledger().head(), head);
}

pub(crate) fn the_same_bytes_under_the_same_name_are_a_duplicate(place: &mut Place) {
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

pub(crate) fn the_same_bytes_under_another_name_or_from_another_sender_are_not(place: &mut Place) {
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

pub(crate) fn a_duplicate_lists_a_hidden_name_again(place: &mut Place) {
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

pub(crate) fn duplicates_are_processed_where_the_feed_says_so(place: &mut Place) {
    let first = place.ledger().receive(incoming("a.csv", "one")).expect("received").id;
    let again = NewArrival { skip_duplicate: false, ..incoming("a.csv", "one") };
    let again = place.ledger().receive(again).expect("received");
    assert_eq!((again.state, again.duplicate_of), (State::Received, Some(first)));
    assert!(again.current && !get(place, first).current);
}

pub(crate) fn other_bytes_take_the_name(place: &mut Place) {
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

pub(crate) fn a_held_arrival_starts_held(place: &mut Place) {
    let new = NewArrival { held: Some(unsorted()), ..incoming("a.bin", "one") };
    let held = place.ledger().receive(new).expect("received");
    assert_eq!((held.state, held.diagnostic), (State::Held, Some(unsorted())));
    assert!(held.current);
    assert_eq!(kinds(place, held.id), ["received", "held"]);
    assert_eq!(place.ledger().to_convert(0, 10).expect("read"), []);
    let counts = place.ledger().counts().expect("read");
    assert_eq!(counts, [(orders(), State::Held, 1)]);
}

pub(crate) fn advancing_follows_the_state_and_refuses_the_rest(place: &mut Place) {
    let id = place.ledger().receive(incoming("a.csv", "one")).expect("received").id;
    let released = || Event::released("ops".to_owned(), "seen".to_owned());
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

pub(crate) fn what_does_not_exist_is_missing(place: &mut Place) {
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

pub(crate) fn renaming_moves_the_name_and_the_newest_wins(place: &mut Place) {
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

pub(crate) fn a_released_file_that_was_renamed_onto_its_own_bytes_is_a_duplicate(
    place: &mut Place,
) {
    let a = place.ledger().receive(incoming("a.csv", "one")).expect("received").id;
    let part = NewArrival { held: Some(unsorted()), ..incoming("a.csv.part", "one") };
    let part = place.ledger().receive(part).expect("received").id;
    place.ledger().advance(part, renamed("a.csv")).expect("renamed");
    let released = Event::released("acme".to_owned(), "renamed".to_owned());
    let released = place.ledger().advance(part, released).expect("released");
    assert_eq!((released.state, released.duplicate_of), (State::Duplicate, Some(a)));
    assert!(get(place, a).current);
    assert_eq!(listed(place), ["a.csv"]);
}

pub(crate) fn touching_and_hiding_change_the_listing_only(place: &mut Place) {
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

pub(crate) fn usage_counts_what_a_sender_sent(place: &mut Place) {
    for (name, age) in [("a", 10), ("b", 100), ("b", 100), ("c", 1000)] {
        let new = NewArrival { received_at: before(age), ..incoming(name, "12345") };
        place.ledger().receive(new).expect("received");
    }
    let usage = |place: &mut Place, age| place.ledger().usage(&acme(), before(age)).expect("read");
    assert_eq!(usage(place, 10), Usage { files: 1, bytes: 5 });
    assert_eq!(usage(place, 500), Usage { files: 3, bytes: 15 }, "a duplicate counts");
    assert_eq!(usage(place, 1), Usage::default());
}

#[test]
fn who_holds_a_file_for_the_same_want_again_changes_nothing() {
    let mut place = Place::steady();
    let id = place.ledger().receive(incoming("a.csv", "one")).unwrap().id;
    let hold = |summary: &str| Event::Held { diagnostic: Diagnostic::error(Code::R108, summary) };
    let first = place.ledger().advance(id, hold("it has another checksum")).unwrap();
    let head = place.ledger().head();
    let again = place.ledger().advance(id, hold("it differs")).unwrap();
    assert_eq!(again.diagnostic, first.diagnostic);
    assert_eq!(place.ledger().head(), head, "nothing happened");
    let other = Event::Held { diagnostic: Diagnostic::error(Code::R107, "never confirmed") };
    let other = place.ledger().advance(id, other).unwrap();
    assert_eq!(other.diagnostic.unwrap().code, Code::R107);
}
