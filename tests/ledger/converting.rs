//! Conversions and what they teach.

use landfall::archive::digest;
use landfall::ledger::{Error, Event, NewConversion, Recorded, State};
use landfall::names::ArrivalId;
use landfall::schema::{Change, ColumnType};

use crate::making::*;
use crate::place::Place;

pub(crate) fn a_conversion_teaches_the_feed(place: &mut Place) {
    let teach = |place: &mut Place, given_revision, opens_version, kind| {
        let id = ready_to_convert(place);
        let new = NewConversion {
            given_revision,
            learned: Some(vec![column("id", kind)]),
            opens_version,
            drift: vec![Change::HeaderMissing],
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
    let revisions = place.ledger().revisions(&orders()).expect("read");
    let told: Vec<_> = revisions.iter().map(|r| (r.learned.revision, r.learned.version)).collect();
    assert_eq!(told, [(1, 1), (2, 1), (3, 2)]);
    assert_eq!(revisions[0].by, first.id);
    assert_eq!(revisions[0].learned.columns, [column("id", ColumnType::Int64)]);
    assert_eq!(place.ledger().revisions(&feed("other")).expect("read"), []);
    let learned = place.ledger().learned(&orders()).expect("read").expect("learned");
    assert_eq!((learned.revision, learned.version), (3, 2));
    assert_eq!(learned.columns, [column("id", ColumnType::Text)]);
    assert_eq!(place.ledger().learned(&feed("other")).expect("read"), None);
}

pub(crate) fn a_conversion_names_its_contract(place: &mut Place) {
    let id = ready_to_convert(place);
    let mut new = conversion(id, 1, 10);
    let contract = digest::of_bytes(b"a contract");
    new.conversion.report.contract = Some(contract);
    new.drift = vec![Change::Removed { column: "b".to_owned() }];
    place.ledger().converted(id, new).expect("converted");
    let made = get(place, id).conversion.expect("a conversion");
    assert_eq!(made.report.contract, Some(contract));
    let history = place.ledger().history(id).expect("history");
    let named = |recorded: &Recorded| matches!(recorded.event, Event::Converted { contract: Some(named), .. } if named == contract);
    assert!(history.iter().any(named), "{history:?}");
    let Event::SchemaChanged { changes, .. } = &history[2].event else { panic!("{history:?}") };
    assert_eq!(*changes, [Change::Removed { column: "b".to_owned() }]);
}

fn ready_to_convert(place: &mut Place) -> ArrivalId {
    let new = incoming("a.csv", &uuid::Uuid::now_v7().to_string());
    place.ledger().receive(new).expect("received").id
}

pub(crate) fn a_conversion_for_an_older_schema_is_refused_only_when_it_changes_it(
    place: &mut Place,
) {
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

pub(crate) fn a_second_conversion_replaces_the_first(place: &mut Place) {
    let id = ready(place, incoming("a.csv", "one"));
    let again = place.ledger().converted(id, conversion(id, 2, 55)).expect("converted again");
    let made = again.conversion.clone().expect("a conversion");
    assert_eq!((made.version, made.parquet.size_bytes), (2, 55));
    assert_eq!(made.report.kind, "csv");
    assert_eq!(get(place, id), again);
    let released = Event::released("start-up".to_owned(), "gone".to_owned());
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
