//! The tree of events.

use landfall::clock::Clock;
use landfall::durable::Durability;
use landfall::ledger::{Error, Event, Ledger as _, log, sqlite, tree};
use landfall::names::Digest;

use crate::making::*;
use crate::place::Place;

pub(crate) fn history_is_a_tree(place: &mut Place) {
    assert_eq!(log::verify(place.ledger()).expect("whole").size(), 0);
    ready(place, incoming("a.csv", "one"));
    publish(place, &["lake"]);
    place.ledger().note(Event::Started { version: "1".to_owned() }).expect("noted");
    let events = place.ledger().events(0, 100).expect("events");
    let numbers: Vec<_> = events.iter().map(|recorded| recorded.sequence).collect();
    assert_eq!(numbers, (1..=events.len() as u64).collect::<Vec<_>>());
    assert!(events.iter().all(|recorded| recorded.at == now()));
    let verified = log::verify(place.ledger()).expect("whole");
    assert_eq!(verified.size(), place.ledger().head());
    assert_eq!(place.ledger().events(2, 1).expect("events"), events[2..3]);
    let leaves = place.ledger().leaves(0, 1).expect("leaves");
    assert_eq!(leaves[0].hash, tree::leaf(&leaves[0].record));
}

pub(crate) fn loads_are_found_among_everything_else(place: &mut Place) {
    ready(place, incoming("\"kind\":\"config_loaded\".csv", "one"));
    let digest = Digest::from_bytes([7; 32]);
    let loaded = |feed: &str| Event::ContractLoaded { feed: feed.parse().expect("a feed"), digest };
    let config = Event::ConfigLoaded { digest, by: Some("ana".to_owned()) };
    let started = Event::Started { version: "\"kind\":\"contract_loaded\"".to_owned() };
    for event in [&config, &loaded("orders"), &started, &loaded("other")] {
        place.ledger().note(event.clone()).expect("noted");
    }
    let loads = place.ledger().loads(&"orders".parse().expect("a feed")).expect("read");
    let events: Vec<_> = loads.into_iter().map(|recorded| recorded.event).collect();
    assert_eq!(events, [config, loaded("orders")]);
}

pub(crate) fn any_event_can_be_proven_against_any_later_root(place: &mut Place) {
    let note = |place: &mut Place, n: u64| {
        place.ledger().note(Event::Started { version: n.to_string() }).expect("noted");
    };
    (0..20).for_each(|n| note(place, n));
    let early = place.ledger().root(20).expect("a root");
    // Enough for subtrees that are kept, and for some that are not.
    let steady = place.path();
    drop(place.ledger.take());
    let ledger = sqlite::open(&steady, Clock::fixed(now()), Durability::Relaxed).expect("opened");
    (20..700).for_each(|n| ledger.note(Event::Started { version: n.to_string() }).expect("noted"));
    drop(ledger);
    place.reopen();
    note(place, 700);
    let ledger = place.ledger();
    assert_eq!(ledger.head(), 701);
    let root = ledger.root(701).expect("a root");
    assert_eq!(log::verify(ledger).expect("whole").root(), root);
    assert_eq!(ledger.root(20).expect("a root"), early, "the past stays");
    let leaves = ledger.leaves(0, 1000).expect("leaves");
    for sequence in [1, 2, 20, 256, 257, 512, 513, 700, 701] {
        let proof = ledger.inclusion(sequence, 701).expect("a proof");
        let leaf = leaves[usize::try_from(sequence - 1).expect("small")].hash;
        assert!(tree::is_included(&leaf, sequence - 1, 701, &proof, &root), "{sequence}");
        let old = ledger.root(sequence).expect("a root");
        let proof = ledger.consistency(sequence, 701).expect("a proof");
        assert!(tree::is_consistent((sequence, &old), (701, &root), &proof), "{sequence}");
    }
    for refused in
        [ledger.inclusion(702, 701), ledger.inclusion(0, 701), ledger.consistency(1, 702)]
    {
        assert!(matches!(refused, Err(Error::Missing { .. })), "{refused:?}");
    }
    assert!(ledger.root(702).is_err());
}

pub(crate) fn checkpoints_are_kept_and_never_replaced(place: &mut Place) {
    let signed = |size, text: &str| log::Signed {
        size,
        root: digest_of(text),
        at: now(),
        text: text.to_owned(),
        signature: "s".to_owned(),
    };
    assert_eq!(place.ledger().newest_checkpoint().expect("read"), None);
    let id = place.ledger().log_id().expect("an identity");
    for one in [signed(3, "a"), signed(9, "b"), signed(9, "another")] {
        place.ledger().keep_checkpoint(one).expect("kept");
    }
    assert_eq!(place.ledger().newest_checkpoint().expect("read"), Some(signed(9, "b")));
    assert_eq!(place.ledger().checkpoints(2, 1).expect("read"), [signed(3, "a")]);
    assert_eq!(place.ledger().checkpoints(3, 9).expect("read"), [signed(9, "b")]);
    assert_eq!((place.ledger().log_id().expect("read"), id.len()), (id, 32));
    assert_eq!(place.ledger().head(), 0, "a checkpoint is no event");
}
