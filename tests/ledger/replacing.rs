//! What replaces what, and what is live.

use landfall::ledger::{DeliveryOutcome, Error, Event, NewArrival, State};

use crate::making::*;
use crate::place::Place;

pub(crate) fn a_replacement_supersedes_what_no_batch_has(place: &mut Place) {
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

pub(crate) fn a_replacement_retracts_what_is_published(place: &mut Place) {
    let a = ready(place, replacing("a.csv", "one"));
    let first = publish(place, &[]);
    let b = ready(place, replacing("a.csv", "two"));
    let second = close(place);
    assert_eq!(second.retracts.len(), 1);
    let retraction = second.retracts[0].clone();
    assert_eq!(
        (retraction.arrival, retraction.batch, retraction.replaced_by),
        (a, first.id, Some(b))
    );
    assert_eq!(retraction.path, first.files[0].to);
    // Until the manifest is published the old version is the one that counts.
    assert_eq!((live(place, None), state(place, a)), (vec![a], State::HandedOff));
    assert_eq!(place.ledger().retractions_due().expect("read"), []);
    place.ledger().published(second.id, digest_of("m"), &[]).expect("published");
    assert_eq!((live(place, None), state(place, a)), (vec![b], State::Retracted));
    let due = place.ledger().retractions_due().expect("read");
    assert_eq!(due, [(retraction.clone(), now())]);
    place.ledger().retraction_done(&retraction).expect("done");
    assert_eq!(place.ledger().retractions_due().expect("read"), []);
}

pub(crate) fn a_held_replacement_takes_nothing_back(place: &mut Place) {
    let a = ready(place, replacing("a.csv", "one"));
    publish(place, &[]);
    let b = ready(place, replacing("a.csv", "two"));
    let held = NewArrival { held: Some(unsorted()), ..replacing("a.csv", "three") };
    let held = place.ledger().receive(held).expect("received").id;
    assert_eq!(state(place, b), State::Converted);
    publish(place, &[]);
    assert_eq!((live(place, None), state(place, a)), (vec![b], State::Retracted));
    let released = Event::released("ops".to_owned(), "fine".to_owned());
    place.ledger().advance(held, released).expect("released");
    assert_eq!(live(place, None), [b]);
    place.ledger().converted(held, conversion(held, 1, 1)).expect("converted");
    publish(place, &[]);
    assert_eq!((live(place, None), state(place, b)), (vec![held], State::Retracted));
}

pub(crate) fn a_chain_of_replacements_leaves_one_version(place: &mut Place) {
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

pub(crate) fn a_replacement_after_publication_is_carried_by_the_next_batch(place: &mut Place) {
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
    assert_eq!((carrier.retracts[0].arrival, carrier.retracts[0].replaced_by), (a, Some(b)));
    assert_eq!((live(place, None), state(place, a)), (vec![b], State::Retracted));
    assert_eq!(place.ledger().feeds_ready().expect("read"), []);
    answer(place, DeliveryOutcome::Acknowledged(None));
    assert_eq!(place.ledger().close_batch(&orders(), bounds()).expect("closed"), None);
}

pub(crate) fn an_adopted_older_file_does_not_take_the_name(place: &mut Place) {
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

pub(crate) fn live_files_can_be_asked_for_any_batch(place: &mut Place) {
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
