//! What waits goes nowhere, and sidecars find their file.

use landfall::ledger::{
    Error, Event, NewArrival, NewSidecar, Sender, Sidecar, SidecarName, State, Told, Verdict,
    Waits, WaitsFor,
};
use landfall::names::ArrivalId;

use crate::making::*;
use crate::place::Place;

fn waiting(name: &str, content: &str) -> NewArrival {
    let waits = Waits { what: WaitsFor::Marker, until: now() };
    NewArrival { waits: Some(waits), ..incoming(name, content) }
}

fn sidecar(place: &mut Place, name: &str, content: &str) -> Sidecar {
    let new = NewSidecar {
        sender: acme(),
        feed: orders(),
        name: file(name),
        means: SidecarName::of(&file(name)).expect("a sidecar"),
        bytes: content.as_bytes().to_vec(),
        digest: digest_of(content),
        received_at: now(),
        modified_s: None,
        mode: None,
        fingerprint: None,
    };
    place.ledger().receive_sidecar(new).expect("received")
}

fn to_convert(place: &mut Place) -> Vec<ArrivalId> {
    let all = place.ledger().to_convert(0, 100).expect("read");
    all.iter().map(|arrival| arrival.id).collect()
}

fn done() -> Event {
    Event::Completed { reason: "a test".to_owned() }
}

pub(crate) fn what_waits_is_not_taken_further(place: &mut Place) {
    let id = place.ledger().receive(waiting("a.csv", "one")).expect("received").id;
    assert_eq!(to_convert(place), Vec::<ArrivalId>::new());
    let early = place.ledger().converted(id, conversion(id, 1, 100));
    assert!(matches!(early, Err(Error::Refused(_))), "{early:?}");
    let raw = Event::TakenRaw { reason: "x".to_owned() };
    let early = place.ledger().advance(id, raw);
    assert!(matches!(early, Err(Error::Refused(_))), "{early:?}");
    assert_eq!(place.ledger().incomplete(now(), 10).expect("read").len(), 1);
    assert_eq!(place.ledger().waiting().expect("read"), [(orders(), WaitsFor::Marker, 1)]);
    place.ledger().advance(id, done()).expect("complete");
    assert_eq!(to_convert(place), [id]);
    place.ledger().converted(id, conversion(id, 1, 100)).expect("converted");
    let late = place.ledger().advance(id, done());
    assert!(matches!(late, Err(Error::Refused(_))), "it has gone on: {late:?}");
}

pub(crate) fn a_newer_version_takes_the_place_of_one_that_waits(place: &mut Place) {
    let first = place.ledger().receive(waiting("a.csv", "one")).expect("received").id;
    let held = NewArrival { held: Some(unsorted()), ..waiting("a.csv", "two") };
    let second = place.ledger().receive(held).expect("received").id;
    assert_eq!(state(place, first), State::Received, "what is held takes nothing's place");
    let third = place.ledger().receive(waiting("a.csv", "three")).expect("received").id;
    assert_eq!((state(place, second), state(place, third)), (State::Superseded, State::Received));
    assert!(place.ledger().advance(second, done()).is_err(), "it cannot come back");
}

pub(crate) fn a_wait_is_not_put_off_by_who_did_not_see_what_came(place: &mut Place) {
    let later = |seconds: i64| before(-seconds);
    let wait = |until| Waits { what: WaitsFor::Marker, until };
    let new = NewArrival { waits: Some(wait(later(50))), ..incoming("a.csv", "one") };
    let id = place.ledger().receive(new).expect("received").id;
    sidecar(place, "a.csv.ok", "");
    place.ledger().wait_for(id, wait(later(50)), wait(later(99))).expect("asked");
    assert_eq!(get(place, id).waits, Some(wait(now())), "the marker is looked at now");
    place.ledger().wait_for(id, wait(now()), wait(later(99))).expect("asked");
    assert_eq!(get(place, id).waits, Some(wait(later(99))));
}

pub(crate) fn sidecars_find_their_file_before_and_after_it(place: &mut Place) {
    let early = sidecar(place, "a.csv.md5", "sum");
    assert_eq!((early.arrival, early.verdict), (None, None));
    assert_eq!(place.ledger().alone(Told::NotYet, before(-1), 10).expect("read").len(), 1);
    let arrival = place.ledger().receive(incoming("a.csv", "one")).expect("received");
    assert_eq!(arrival.waits.map(|waits| waits.what), Some(WaitsFor::Check), "it is checked first");
    let late = sidecar(place, "a.csv.ok", "");
    assert_eq!((late.arrival, late.verdict), (Some(arrival.id), Some(Verdict::Seen)));
    let of = place.ledger().sidecars_of(arrival.id).expect("read");
    let names: Vec<_> = of.iter().map(|sidecar| sidecar.name.to_string()).collect();
    assert_eq!(names, ["a.csv.md5", "a.csv.ok"]);
    assert!(place.ledger().alone(Told::NotYet, before(-1), 10).expect("read").is_empty());
    let expected = ["received", "sidecar_joined", "sidecar_received"];
    assert_eq!(kinds(place, arrival.id), expected);
    // Nobody else's file of that name has it.
    let bolt: Sender = "partner:bolt".parse().expect("a sender");
    let other = NewArrival { sender: bolt, ..incoming("a.csv", "one") };
    let other = place.ledger().receive(other).expect("received");
    assert_eq!(other.waits, None);
}

pub(crate) fn a_checksum_that_differs_holds_what_no_batch_has_and_passes_on(place: &mut Place) {
    let first = ready(place, incoming("a.csv", "one"));
    let sum = sidecar(place, "a.csv.md5", "sum");
    let hold =
        || Some(landfall::diagnostic::Diagnostic::error(landfall::diagnostic::Code::R108, "x"));
    place.ledger().sidecar_checked(sum.sequence, Verdict::Differs, hold()).expect("checked");
    assert_eq!(state(place, first), State::Held);
    let second = place.ledger().receive(incoming("a.csv", "two")).expect("received");
    assert_eq!(state(place, first), State::Superseded, "it was never confirmed");
    assert_eq!(second.waits.map(|waits| waits.what), Some(WaitsFor::Check));
    place.ledger().sidecar_checked(sum.sequence, Verdict::Agrees, None).expect("checked");
    place.ledger().advance(second.id, done()).expect("complete");
    place.ledger().converted(second.id, conversion(second.id, 1, 100)).expect("converted");
    let batch = close(place);
    assert_eq!(batch.members, [second.id]);
    // Another checksum of a version that had agreed speaks of the one to come.
    let next = sidecar(place, "a.csv.md5", "next");
    place.ledger().sidecar_checked(next.sequence, Verdict::Differs, hold()).expect("checked");
    assert_eq!(state(place, second.id), State::Batched);
    assert!(place.ledger().differs_too_late(10).expect("read").is_empty());
    assert_eq!(place.ledger().alone(Told::NotYet, before(-1), 10).expect("read").len(), 1);
}

pub(crate) fn a_version_that_comes_during_the_check_is_checked_too(place: &mut Place) {
    place.ledger().receive(incoming("a.csv", "one")).expect("received");
    let sum = sidecar(place, "a.csv.md5", "sum");
    let second = place.ledger().receive(incoming("a.csv", "two")).expect("received");
    place.ledger().sidecar_checked(sum.sequence, Verdict::Differs, None).expect("checked");
    let again = place.ledger().to_check(10).expect("read");
    assert_eq!(again.iter().map(|it| it.arrival).collect::<Vec<_>>(), [Some(second.id)]);
    assert!(get(place, second.id).waits.is_some());
}

pub(crate) fn a_test_ends_in_its_own_state_and_teaches_nothing(place: &mut Place) {
    let sender: Sender = "test:acme".parse().expect("a sender");
    let new = NewArrival { sender, ..incoming("a.csv", "one") };
    let id = place.ledger().receive(new).expect("received").id;
    let mut made = conversion(id, 1, 100);
    made.learned = Some(vec![column("id", landfall::schema::ColumnType::Int64)]);
    let tested = place.ledger().converted(id, made).expect("converted");
    assert_eq!((tested.state, tested.conversion.is_some()), (State::Tested, true));
    assert_eq!(place.ledger().learned(&orders()).expect("read"), None);
    assert!(place.ledger().close_batch(&orders(), bounds()).expect("read").is_none());
    assert!(place.ledger().counts().expect("read").is_empty());
}
