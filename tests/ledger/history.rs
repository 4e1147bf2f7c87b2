//! The chain of events.

use landfall::ledger::{Event, chain};

use crate::making::*;
use crate::place::Place;

pub(crate) fn history_is_chained(place: &mut Place) {
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
