//! An arrival that is converted again: what is published stays until a batch has what takes its place.

use landfall::clock::Timestamp;
use landfall::ledger::{
    Because, Closing, Empty, Error, Event, NewConversion, Over, ReplayEnd, ReplayStanding,
    ReplaysNow, State,
};
use landfall::names::ArrivalId;

use crate::making::{
    bounds, close, conversion, digest_of, get, incoming, orders, output, publish, ready, replacing,
    state,
};
use crate::place::Place;

fn of_replays() -> Closing {
    Closing { bounds: bounds(), over: Over::Replays, empty: Empty::Skip, because: Because::Replay }
}

fn made_again(id: ArrivalId, version: u32) -> NewConversion {
    let mut new = conversion(id, version, 120);
    new.conversion.parquet = output(id, "replay.parquet", 120);
    new.conversion.written = 4;
    new.conversion.rejected = 0;
    new
}

fn live(place: &mut Place, as_of: Option<u64>) -> Vec<(ArrivalId, String)> {
    let files = place.ledger().live_files(&orders(), as_of).expect("read");
    files.iter().map(|file| (file.arrival, file.to.to_string())).collect()
}

fn standing(place: &mut Place, id: ArrivalId) -> ReplayStanding {
    place.ledger().replay_of(id).expect("read").expect("a replay").standing
}

pub(crate) fn a_replay_takes_the_place_of_what_was_published(place: &mut Place) {
    let a = ready(place, incoming("a.csv", "one"));
    let first = publish(place, &[]);
    assert!(place.ledger().replay(a, "ops", "a new contract").expect("asked"));
    assert!(!place.ledger().replay(a, "ops", "again").expect("asked"), "one at a time");
    let asked = place.ledger().replays_asked(10).expect("read");
    assert_eq!((asked.len(), asked[0].arrival.id, asked[0].by.as_str()), (1, a, "ops"));
    assert_eq!(place.ledger().close_batch_over(&orders(), of_replays()).expect("read"), None);

    place.ledger().replay_converted(a, made_again(a, 1)).expect("recorded");
    let now = ReplaysNow { asked: 0, made: 1, had_the_last_turn: false };
    assert_eq!(place.ledger().replays_now(&orders()).expect("read"), now);
    assert_eq!(place.ledger().feeds_ready().expect("read"), [orders()]);
    assert_eq!(place.ledger().replays_made().expect("read").len(), 1);
    assert_eq!(get(place, a).conversion.expect("made").written, 3, "what is published counts");

    let second = place.ledger().close_batch_over(&orders(), of_replays()).expect("closed");
    let second = second.expect("a batch");
    assert_eq!((second.members.as_slice(), second.files.len()), ([a].as_slice(), 1));
    let taken_back = &second.retracts[0];
    assert_eq!((taken_back.arrival, taken_back.replaced_by), (a, Some(a)));
    assert_eq!((taken_back.batch, &taken_back.path), (first.id, &first.files[0].to));
    assert_eq!(live(place, None), [(a, first.files[0].to.to_string())], "until it is published");
    place.ledger().published(second.id, digest_of("m"), &[]).expect("published");

    assert_eq!(live(place, None), [(a, second.files[0].to.to_string())]);
    assert_eq!(live(place, Some(1)), [(a, first.files[0].to.to_string())]);
    let now = get(place, a);
    assert_eq!((now.state, now.batch), (State::HandedOff, Some(second.id)));
    assert_eq!(now.conversion.expect("made").written, 4);
    let end = ReplayEnd::Published { batch: second.id, sequence: 2 };
    assert_eq!(standing(place, a), ReplayStanding::Ended { end });
    let kinds: Vec<String> =
        place.ledger().history(a).expect("read").iter().map(|told| told.event.kind()).collect();
    assert_eq!(kinds[kinds.len() - 3..], ["replay_asked", "replay_converted", "replay_ended"]);

    // Once more, before the first file has left the lake: each retraction is done by itself.
    assert!(place.ledger().replay(a, "ops", "once more").expect("asked"));
    place.ledger().replay_converted(a, made_again(a, 1)).expect("recorded");
    let third = place.ledger().close_batch_over(&orders(), of_replays()).expect("closed");
    place.ledger().published(third.expect("a batch").id, digest_of("n"), &[]).expect("published");
    let due: Vec<_> = place.ledger().retractions_due().expect("read");
    assert_eq!(due.len(), 2);
    place.ledger().retraction_done(&due[0].0).expect("done");
    let left = place.ledger().retractions_due().expect("read");
    assert_eq!(left, due[1..]);
    assert!(place.ledger().replays_now(&orders()).expect("read").had_the_last_turn);
}

pub(crate) fn a_replay_that_comes_to_nothing_leaves_what_is_published(place: &mut Place) {
    let a = ready(place, incoming("a.csv", "one"));
    let first = publish(place, &[]);
    place.ledger().replay(a, "ops", "why").expect("asked");
    place.ledger().replay_ended(a, ReplayEnd::Unchanged).expect("ended");
    place.ledger().replay_ended(a, ReplayEnd::Overtaken).expect("it has ended");
    assert_eq!(standing(place, a), ReplayStanding::Ended { end: ReplayEnd::Unchanged });
    let late = place.ledger().replay_converted(a, made_again(a, 1));
    assert!(matches!(late, Err(Error::Refused(_))), "{late:?}");
    assert_eq!(live(place, None), [(a, first.files[0].to.to_string())]);
    // An output that is gone is made again.
    place.ledger().replay(a, "ops", "why").expect("asked");
    place.ledger().replay_converted(a, made_again(a, 1)).expect("recorded");
    place.ledger().replay_again(a).expect("recorded");
    assert_eq!(standing(place, a), ReplayStanding::Asked);
}

pub(crate) fn only_what_is_published_is_replayed(place: &mut Place) {
    let a = place.ledger().receive(incoming("a.csv", "one")).expect("received").id;
    let refused = |place: &mut Place| {
        let asked = place.ledger().replay(a, "ops", "why");
        assert!(matches!(asked, Err(Error::Refused(_))), "{asked:?}");
    };
    refused(place);
    place.ledger().converted(a, conversion(a, 1, 100)).expect("converted");
    refused(place);
    let batch = close(place);
    refused(place);
    place.ledger().published(batch.id, digest_of("m"), &[]).expect("published");
    assert!(place.ledger().replay(a, "ops", "why").expect("asked"));
    let id = ArrivalId::new(Timestamp::UNIX_EPOCH);
    assert!(matches!(place.ledger().replay(id, "ops", "why"), Err(Error::Missing { .. })));
    let foreign = Event::ReplayEnded { end: ReplayEnd::Unchanged };
    assert!(matches!(place.ledger().advance(a, foreign), Err(Error::Refused(_))));
}

pub(crate) fn a_newer_version_overtakes_a_replay(place: &mut Place) {
    let a = ready(place, replacing("a.csv", "one"));
    publish(place, &[]);
    place.ledger().replay(a, "ops", "why").expect("asked");
    place.ledger().replay_converted(a, made_again(a, 1)).expect("recorded");
    let b = ready(place, replacing("a.csv", "two"));
    // Closed first, the newer version takes the old file back: the replay has nothing to replace.
    let batch = close(place);
    assert_eq!(place.ledger().close_batch_over(&orders(), of_replays()).expect("read"), None);
    place.ledger().published(batch.id, digest_of("m"), &[]).expect("published");
    assert_eq!(standing(place, a), ReplayStanding::Ended { end: ReplayEnd::Overtaken });
    assert_eq!(place.ledger().close_batch_over(&orders(), of_replays()).expect("read"), None);
    assert_eq!((state(place, a), state(place, b)), (State::Retracted, State::HandedOff));
    assert_eq!(live(place, None).iter().map(|(id, _)| *id).collect::<Vec<_>>(), [b]);
    assert!(matches!(place.ledger().replay(a, "ops", "why"), Err(Error::Refused(_))));
}
