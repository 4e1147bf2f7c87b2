//! Parts that are past a time of their own: the ledger says that they go before they do, and what is live
//! is taken back first.

use std::time::Duration;

use landfall::clock::Timestamp;
use landfall::diagnostic::{Code, Diagnostic};
use landfall::ledger::{
    Age, Because, Closing, Empty, Error, Event, NewArrival, Over, Part, PastPart, Retired, Scope,
    State,
};
use landfall::names::ArrivalId;
use landfall::report::RejectReport;

use crate::making::{
    before, bounds, close, conversion, digest_of, file, get, incoming, live, now, orders, output,
    publish, ready, replacing, state,
};
use crate::place::Place;

const DAY: Duration = Duration::from_secs(24 * 3600);
const DAY_S: i64 = 24 * 3600;

/// A day is kept, and it is so many seconds before [`now`].
fn a_day(seconds_ago: i64) -> Age {
    Age { keep: DAY, before: before(seconds_ago + DAY_S) }
}

fn received(at: Timestamp) -> NewArrival {
    NewArrival { received_at: at, ..incoming("a.csv", "one") }
}

fn past(place: &mut Place, part: Part, age: Age) -> Vec<ArrivalId> {
    let (found, next) = place.ledger().past(&orders(), (part, age), 0).expect("read");
    let upto = next.expect("where to go on");
    assert_eq!(place.ledger().past(&orders(), (part, age), upto).expect("read"), (vec![], None));
    found.iter().map(|PastPart { arrival, .. }| *arrival).collect()
}

fn begin(place: &mut Place, ids: &[ArrivalId], part: Part, age: Age) -> [u64; 3] {
    let sum = place.ledger().begin_retiring(ids, (part, age), "it is old").expect("recorded");
    [sum.begun, sum.on_hold, sum.under_way]
}

fn take_back(place: &mut Place) {
    let [(feed, because)] = &place.ledger().feeds_to_retract().expect("read")[..] else {
        panic!("one feed")
    };
    assert_eq!((feed, because), (&orders(), &Because::Retired));
    let closing = Closing {
        bounds: bounds(),
        over: Over::These(Vec::new()),
        empty: Empty::Skip,
        because: Because::Retired,
    };
    let batch = place.ledger().close_batch_over(&orders(), closing).expect("closed");
    let batch = batch.expect("a batch");
    assert_eq!((batch.members.len(), batch.retracts[0].replaced_by), (0, None));
    assert_eq!(place.ledger().retiring(10).expect("read"), vec![], "it is not published yet");
    place.ledger().published(batch.id, digest_of("back"), &[]).expect("published");
    assert_eq!(place.ledger().feeds_to_retract().expect("read"), vec![]);
    assert_eq!(place.ledger().retractions_due().expect("read"), vec![], "nothing moves");
}

pub(crate) fn parquet_is_taken_back_before_it_goes(place: &mut Place) {
    let a = ready(place, received(before(2 * DAY_S)));
    assert_eq!(begin(place, &[a], Part::Parquet, a_day(0)), [0, 0, 1], "it is under way");
    let batch = publish(place, &[]);
    assert_eq!(past(place, Part::Parquet, a_day(2 * DAY_S)), []);
    assert_eq!(past(place, Part::Rejects, a_day(0)), [], "it has none");
    // It was published when its time was over already: that counts.
    assert_eq!(past(place, Part::Parquet, a_day(0)), []);
    assert_eq!(begin(place, &[a], Part::Parquet, a_day(0)), [0, 0, 0]);
    let later = a_day(-DAY_S - 1);
    assert_eq!(past(place, Part::Parquet, later), [a]);
    assert_eq!(begin(place, &[a], Part::Parquet, later), [1, 0, 0]);
    assert_eq!(begin(place, &[a], Part::Parquet, later), [0, 0, 0], "once");
    assert_eq!(live(place, None), [a], "until its readers are told");
    assert_eq!(
        place.ledger().kept(0, 10).expect("read").expect("one").1.len(),
        1,
        "the raw object"
    );
    let refused = place.ledger().replay(a, "ops", "why");
    assert!(matches!(refused, Err(Error::Refused(_))), "{refused:?}");

    take_back(place);
    assert_eq!((live(place, None), live(place, Some(1))), (vec![], vec![]));
    assert_eq!(state(place, a), State::Retracted);
    let going = place.ledger().retiring(10).expect("read");
    let path = batch.files[0].to.clone();
    assert_eq!(going[0].file, Some((path.clone(), batch.files[0].digest)));
    assert_eq!(going[0].told_at, Some(now()));
    assert_eq!(place.ledger().not_kept_of(batch.id).expect("read"), vec![]);
    place.ledger().retired(going, now()).expect("recorded");
    assert_eq!(place.ledger().retiring(10).expect("read"), vec![]);
    assert_eq!(place.ledger().not_kept_of(batch.id).expect("read"), std::slice::from_ref(&path));
    let went =
        Retired { part: Part::Parquet, path: Some(path), retired_at: now(), gone_at: Some(now()) };
    assert_eq!(place.ledger().retired_of(a).expect("read"), [went]);
    assert_eq!(place.ledger().not_kept().expect("read").retired, 1);
}

pub(crate) fn what_is_past_its_time_is_published_again_when_it_is_asked_for(place: &mut Place) {
    let a = ready(place, received(before(3 * DAY_S)));
    let again = |place: &mut Place| place.ledger().publish_again(a, "ops", "why");
    assert!(matches!(again(place), Err(Error::Refused(_))), "it is on its way");
    publish(place, &[]);
    assert!(matches!(again(place), Err(Error::Refused(_))), "it is live");
    let later = a_day(-DAY_S - 1);
    begin(place, &[a], Part::Parquet, later);
    assert!(matches!(again(place), Err(Error::Refused(_))), "no batch has taken it back");
    take_back(place);
    let gone = place.ledger().retiring(10).expect("read");
    place.ledger().retired(gone, now()).expect("recorded");
    assert!(again(place).expect("asked"));
    assert!(!again(place).expect("asked"), "once");
    assert_eq!((state(place, a), get(place, a).conversion), (State::Received, None));
    place.ledger().converted(a, conversion(a, 1, 100)).expect("converted");
    publish(place, &[]);
    assert_eq!((state(place, a), live(place, None)), (State::HandedOff, vec![a]));
    assert_eq!(past(place, Part::Parquet, a_day(0)), [], "it counts from its publication");
    assert_eq!(past(place, Part::Parquet, later), [a]);
    // A newer version has the name: the older one is not wanted beside it.
    let b = ready(place, NewArrival { received_at: before(DAY_S), ..replacing("b.csv", "one") });
    publish(place, &[]);
    begin(place, &[b], Part::Parquet, later);
    take_back(place);
    ready(place, replacing("b.csv", "two"));
    let refused = place.ledger().publish_again(b, "ops", "why");
    assert!(matches!(refused, Err(Error::Refused(_))), "{refused:?}");
}

pub(crate) fn a_hold_stands_in_the_way_of_every_part(place: &mut Place) {
    let a = place.ledger().receive(received(before(DAY_S))).expect("received").id;
    let mut new = conversion(a, 1, 100);
    new.conversion.rejects = Some(output(a, "rejects.parquet", 10));
    place.ledger().converted(a, new).expect("converted");
    publish(place, &[]);
    let scope = Scope { feed: Some(orders()), ..Scope::default() };
    let name = "case-17".parse().expect("a name");
    place.ledger().place_hold(&name, scope, "ops", "Roe v. Doe").expect("placed");
    let later = a_day(-2 * DAY_S);
    for part in Part::ALL {
        assert_eq!(past(place, part, later), [a], "{part:?}");
        assert_eq!(begin(place, &[a], part, later), [0, 1, 0], "{part:?}");
    }
    assert_eq!(place.ledger().retired_of(a).expect("read"), vec![]);
    place.ledger().release_hold(&name, "ops", "settled").expect("released");
    for part in Part::ALL {
        assert_eq!(begin(place, &[a], part, later), [1, 0, 0], "{part:?}");
    }
    let going: Vec<Part> =
        place.ledger().retiring(10).expect("read").iter().map(|part| part.part).collect();
    assert_eq!(going, [Part::Rejects, Part::Receipts], "no batch has taken the Parquet back");
}

pub(crate) fn with_a_receipt_goes_what_it_quotes(place: &mut Place) {
    let a = place.ledger().receive(received(before(2 * DAY_S))).expect("received").id;
    let quoting = |place: &mut Place| {
        let mut new = conversion(a, 1, 100);
        let (code, raw) = ("C204".to_owned(), "secret".to_owned());
        let (record, line, byte_offset, reason) = (1, 2, 10, "too short".to_owned());
        new.conversion.report.rejects_by_code.push((code.clone(), 1));
        let (sheet, column) = (None, None);
        new.conversion.report.first_rejects.push(RejectReport {
            record,
            line,
            sheet,
            byte_offset,
            column,
            code,
            reason,
            raw,
        });
        place.ledger().converted(a, new).expect("converted");
    };
    quoting(place);
    publish(place, &[]);
    let later = a_day(0);
    assert_eq!(begin(place, &[a], Part::Receipts, later), [1, 0, 0]);
    let report = get(place, a).conversion.expect("made").report;
    assert_eq!((report.first_rejects, report.rejects_by_code.len()), (vec![], 1));
    let going = place.ledger().retiring(10).expect("read");
    assert_eq!(going[0].spoken_of, (before(2 * DAY_S), now()));
    place.ledger().retired(going, now()).expect("recorded");
    // What is published again quotes nothing either, and what was told of it meanwhile goes.
    begin(place, &[a], Part::Parquet, a_day(-2 * DAY_S));
    take_back(place);
    assert!(place.ledger().publish_again(a, "ops", "why").expect("asked"));
    quoting(place);
    assert_eq!(get(place, a).conversion.expect("made").report.first_rejects, vec![]);
    let receipts = place.ledger().retiring(10).expect("read");
    assert!(receipts.iter().any(|part| part.part == Part::Receipts), "{receipts:?}");
    close(place);
    // One that waits for a person keeps what it is decided by.
    let diagnostic = Diagnostic::error(Code::C101, "it is empty");
    let new = NewArrival { held: Some(diagnostic), ..received(before(3 * DAY_S)) };
    let held = NewArrival { name: file("held.csv"), ..new };
    let held = place.ledger().receive(held).expect("received").id;
    assert_eq!(begin(place, &[held], Part::Receipts, later), [0, 0, 1]);
    let foreign = Event::Retired { part: Part::Receipts, reason: "why".to_owned() };
    assert!(matches!(place.ledger().advance(held, foreign), Err(Error::Refused(_))));
}
