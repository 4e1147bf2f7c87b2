//! Start-up after a kill at any step: the disk may be ahead of the ledger, never behind.

use std::path::PathBuf;

use landfall::diagnostic::Code;
use landfall::ledger::{BatchBounds, Event, Sender, State};
use landfall::names::ArrivalId;
use landfall::receive::reconcile::{Reconciled, reconcile};
use landfall::zone::Zone;

use crate::place::{Place, identity, now, orders};

fn start_up(place: &Place) -> Reconciled {
    reconcile(&place.zone, &place.config, &place.archive, place.ledger.as_ref())
        .expect("reconciled")
}

fn nothing() -> Reconciled {
    Reconciled::default()
}

fn write(place: &Place, below: &str, content: &str) -> PathBuf {
    let path = place.zone.root().join(below);
    std::fs::create_dir_all(path.parent().expect("a parent")).expect("a folder");
    std::fs::write(&path, content).expect("written");
    path
}

#[test]
fn a_zone_in_order_is_left_alone() {
    let place = Place::new();
    assert_eq!(start_up(&place), nothing());
    let waiting = place.settle("orders", "a.csv", "one").id;
    place.convert(waiting, "parquet");
    let batched = place.settle("orders", "b.csv", "two").id;
    place.convert(batched, "more parquet");
    place.settle("orders", "c.csv", "three");
    assert_eq!(start_up(&place), nothing());
    let (adopted, removed, reconverting) = (0, 0, 0);
    assert_eq!(place.last_event(), Event::Reconciled { adopted, removed, reconverting });
    assert_eq!(place.get(waiting).state, State::Converted);
}

#[test]
fn a_raw_object_without_a_row_is_adopted_once_as_it_says_it_is() {
    let place = Place::new();
    place.settle("orders", "before.csv", "zero");
    // Killed between the archive and the ledger.
    let who = identity("eu/a.csv");
    let raw = place.archive.store(place.stage("one"), &who, None).expect("stored");
    assert_eq!(start_up(&place), Reconciled { adopted: 1, ..nothing() });
    let adopted = place.get(who.id);
    assert_eq!((adopted.sender, adopted.door, adopted.name), (who.sender, who.door, who.name));
    assert_eq!((adopted.received_at, adopted.modified_s), (who.received_at, who.modified_s));
    assert_eq!((adopted.mode, adopted.origin), (who.mode, who.origin));
    assert_eq!((adopted.raw, adopted.digest, adopted.size_bytes), (raw.path, raw.digest, 3));
    assert_eq!((adopted.state, adopted.current), (State::Received, true));
    let history = place.ledger.history(who.id).expect("history");
    assert!(matches!(history[0].event, Event::Received { adopted: true, .. }));
    assert_eq!(start_up(&place), nothing());
}

#[test]
fn what_came_from_a_drop_folder_is_known_there_after_it_was_adopted() {
    let place = Place::new();
    let fingerprint = Some("1:2:3:4:5".to_owned());
    let who = landfall::archive::Identity { fingerprint, ..identity("a.csv") };
    place.archive.store(place.stage("one"), &who, None).expect("stored");
    start_up(&place);
    assert_eq!(place.get(who.id).fingerprint, who.fingerprint, "or it would be taken again");
}

#[test]
fn what_was_held_at_the_door_is_adopted_as_held() {
    let place = Place::new();
    let held = landfall::diagnostic::Diagnostic::error(Code::R102, "never renamed");
    let who = landfall::archive::Identity { held: Some(held.clone()), ..identity("a.part") };
    place.archive.store(place.stage("one"), &who, None).expect("stored");
    start_up(&place);
    let adopted = place.get(who.id);
    assert_eq!((adopted.state, adopted.diagnostic), (State::Held, Some(held)));
}

#[test]
fn an_adopted_file_that_was_sent_again_is_a_duplicate() {
    let place = Place::new();
    let who = identity("a.csv");
    place.archive.store(place.stage("one"), &who, None).expect("stored");
    let again = place.settle("orders", "a.csv", "one");
    start_up(&place);
    let adopted = place.get(who.id);
    assert_eq!((adopted.state, adopted.duplicate_of), (State::Duplicate, Some(again.id)));
}

#[test]
fn an_object_that_does_not_say_who_it_is_waits_for_a_person() {
    let place = Place::new();
    let id = ArrivalId::new(now());
    write(&place, &format!("archive/orders/2026/11/22/{id}_a.csv"), "one");
    write(&place, "archive/orders/2026/11/22/README", "no raw object");
    write(&place, &format!("archive/_events/2026/11/22/{id}_segment"), "no feed");
    assert_eq!(start_up(&place), Reconciled { adopted: 1, ..nothing() });
    let adopted = place.get(id);
    assert_eq!(adopted.state, State::Held);
    assert_eq!(adopted.sender, Sender::Local("unknown".to_owned()));
    assert_eq!((adopted.feed, adopted.name.to_string().as_str()), (orders(), "a.csv"));
    let told = adopted.diagnostic.expect("a diagnostic").summary;
    assert_eq!(told, "`a.csv` was found in the archive without a record of its sender");
}

#[test]
fn only_days_that_can_matter_are_looked_at() {
    let place = Place::new();
    place.settle("orders", "a.csv", "one");
    let days = ["2025/12/31", "2026/10/30", "2026/11/20", "2026/11/21", "2026/11/22", "2027/01/01"];
    let ids = days.map(|day| {
        let id = ArrivalId::new(now());
        write(&place, &format!("archive/orders/{day}/{id}_a.csv"), day);
        id
    });
    assert_eq!(start_up(&place).adopted, 3);
    let known = ids.map(|id| place.ledger.arrival(id).expect("read").is_some());
    assert_eq!(known, [false, false, false, true, true, true]);
}

#[test]
fn an_empty_ledger_takes_the_whole_archive() {
    let place = Place::new();
    for day in ["2020/01/31", "2026/11/22"] {
        let id = ArrivalId::new(now());
        write(&place, &format!("archive/orders/{day}/{id}_a.csv"), day);
    }
    assert_eq!(start_up(&place).adopted, 2);
}

#[test]
fn a_converted_file_that_is_gone_or_altered_is_made_again() {
    let place = Place::new();
    let id = |name: &str| place.settle("orders", name, name).id;
    let (gone, shorter, altered, whole) = (id("a.csv"), id("b.csv"), id("c.csv"), id("d.csv"));
    let path = |id| {
        let output = place.convert(id, "parquet");
        place.zone.resolve(&output.path).expect("inside")
    };
    std::fs::remove_file(path(gone)).expect("removed");
    std::fs::write(path(shorter), "parq").expect("written");
    std::fs::write(path(altered), "PARQUET").expect("written");
    path(whole);
    // The altered ones are litter now; the next conversion makes new files.
    let done = start_up(&place);
    assert_eq!(done, Reconciled { adopted: 0, removed: 2, reconverting: 3 });
    for id in [gone, shorter, altered] {
        let arrival = place.get(id);
        assert_eq!((arrival.state, arrival.conversion), (State::Received, None));
        assert_eq!(place.kinds(id), ["received", "converted", "released"]);
    }
    assert_eq!(place.get(whole).state, State::Converted);
    assert_eq!(start_up(&place), nothing());
}

#[test]
fn converted_files_that_nothing_speaks_of_are_removed() {
    let place = Place::new();
    let batched = place.settle("orders", "a.csv", "one").id;
    place.convert(batched, "parquet");
    let bounds = BatchBounds { files_max: 1, bytes_max: 1, rows_max: None, merge_bytes: None };
    place.ledger.close_batch(&orders(), bounds).expect("closed").expect("ready");
    let received = place.settle("orders", "b.csv", "two").id;
    let litter = [
        write(&place, Zone::converted_path(received, "parquet").as_str(), "half a file"),
        write(&place, ".landfall/converted/anything", "x"),
        write(&place, "lake/orders/_manifests/.0000000001.json.0.tmp", "{"),
    ];
    let kept = [
        write(&place, "lake/orders/_manifests/0000000001.json", "{}"),
        place.zone.converted().join(format!("{batched}.parquet")),
        place.zone.root().join(write(&place, ".landfall/staging/an-upload", "x")),
    ];
    assert_eq!(start_up(&place), Reconciled { removed: 3, ..nothing() });
    assert!(litter.iter().all(|path| !path.exists()));
    assert!(kept.iter().all(|path| path.exists()), "a closed batch is published from there");
}
