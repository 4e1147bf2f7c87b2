//! Batches, the outbox, hand-off.

use landfall::ledger::{
    BatchBounds, BatchState, DeliveryOutcome, DeliveryState, Event, FileKind, NewArrival, State,
};
use landfall::names::ArrivalId;
use landfall::zone::Zone;

use crate::making::*;
use crate::place::Place;

pub(crate) fn a_batch_fixes_members_names_and_sequence(place: &mut Place) {
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

pub(crate) fn a_batch_keeps_its_bounds_but_takes_at_least_one(place: &mut Place) {
    let ids: Vec<_> =
        (0..5).map(|n| ready(place, incoming(&format!("{n}.csv"), &n.to_string()))).collect();
    let mut take = |files_max, bytes_max| {
        let bounds = BatchBounds { files_max, bytes_max, rows_max: None, merge_bytes: None };
        let batch = place.ledger().close_batch(&orders(), bounds).expect("closed").expect("ready");
        place.ledger().published(batch.id, digest_of("m"), &[]).expect("published").members
    };
    assert_eq!(take(2, 1 << 20), ids[..2]);
    assert_eq!(take(10, 1), ids[2..3], "a file is never split, and never skipped");
    assert_eq!(take(0, 0), ids[3..4]);
    assert_eq!(take(10, 100), ids[4..]);
}

pub(crate) fn a_batch_has_one_schema_version(place: &mut Place) {
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

pub(crate) fn raw_objects_are_handed_off_where_they_lie(place: &mut Place) {
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

pub(crate) fn a_feed_closes_one_batch_at_a_time(place: &mut Place) {
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

pub(crate) fn publishing_fills_the_outbox_once(place: &mut Place) {
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

pub(crate) fn without_sinks_a_published_batch_is_handed_off(place: &mut Place) {
    let id = ready(place, incoming("a.csv", "one"));
    publish(place, &[]);
    assert_eq!(state(place, id), State::HandedOff);
    assert_eq!(kinds(place, id), ["received", "converted", "batched", "published", "handed_off"]);
    assert!(!place.ledger().in_flight(&orders()).expect("read"));
    assert_eq!(place.ledger().outbox().expect("read"), []);
}

pub(crate) fn deliveries_follow_the_order_and_stall(place: &mut Place) {
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

pub(crate) fn the_last_acknowledgement_hands_off(place: &mut Place) {
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

pub(crate) fn a_late_answer_changes_nothing(place: &mut Place) {
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
