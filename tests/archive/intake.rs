//! The intake: archive first, judge after; answers that a peer may read.

use std::io::Read;
use std::time::Duration;

use landfall::diagnostic::Code;
use landfall::ledger::{Arrival, Event, State};
use landfall::names::{ArrivalId, FileName};
use landfall::receive::{Completion, Existing, Intake, Refusal, Settled};

use crate::place::{Place, acme, now, orders};
use crate::small_disk::SmallDisk;

fn name(text: &str) -> FileName {
    text.parse().expect("a name")
}

fn code(arrival: &Arrival) -> Option<Code> {
    arrival.diagnostic.as_ref().map(|diagnostic| diagnostic.code)
}

fn never_renamed(place: &Place, file: &str) -> Arrival {
    let settled =
        Settled { completion: Completion::NeverRenamed, ..place.incoming("orders", file, "one") };
    place.intake.settle(settled).expect("settled")
}

#[test]
fn a_settled_file_is_archived_and_recorded() {
    let place = Place::new();
    let arrival = place.settle("orders", "eu/a.csv", "one");
    assert_eq!((arrival.state, arrival.size_bytes), (State::Received, 3));
    assert_eq!((arrival.sender.clone(), arrival.received_at), (acme(), now()));
    assert_eq!((arrival.modified_s, arrival.mode), (Some(1_700_000_000), Some(0o640)));
    assert_eq!(arrival.origin.as_deref(), Some("192.0.2.7"));
    assert_eq!(place.raw_bytes(&arrival), b"one");
    assert_eq!(place.staged_files(), 0);
    assert_eq!(place.get(arrival.id), arrival);
    let current = place.intake.current(&acme(), &orders(), &name("eu/a.csv")).expect("read");
    assert_eq!(current, Some(arrival.clone()));
    let mut content = String::new();
    let mut raw = place.intake.open_raw(arrival.id).expect("opened");
    raw.read_to_string(&mut content).expect("read");
    assert_eq!(content, "one");
    assert_eq!(place.intake.usage(&acme(), now()).expect("read").bytes, 3);
}

#[test]
fn a_file_of_no_pattern_is_archived_and_held_and_names_the_way_out() {
    let place = Place::new();
    let held = place.settle("orders", "notes.txt", "one");
    assert_eq!((held.state, code(&held)), (State::Held, Some(Code::R101)));
    let told = held.diagnostic.clone().expect("a diagnostic");
    assert_eq!(told.summary, "`notes.txt` matches no pattern of feed orders");
    assert_eq!(told.facts, [("patterns".to_owned(), "*.csv, orders_*".to_owned())]);
    assert_eq!(place.raw_bytes(&held), b"one");
    // A rename to another name that does not match changes nothing but the name.
    place.intake.rename(held.id, &name("notes.doc"), Existing::Refuse).expect("renamed");
    let still = place.get(held.id);
    assert_eq!((still.state, code(&still)), (State::Held, Some(Code::R101)));
    place.intake.rename(held.id, &name("notes.csv"), Existing::Refuse).expect("renamed");
    let free = place.get(held.id);
    assert_eq!((free.state, free.diagnostic), (State::Received, None));
    let kinds = ["received", "held", "renamed", "held", "renamed", "released"];
    assert_eq!(place.kinds(held.id), kinds);
}

#[test]
fn an_upload_that_was_never_renamed_is_held_until_it_is() {
    let place = Place::new();
    let held = never_renamed(&place, "a.csv.part");
    assert_eq!((held.state, code(&held)), (State::Held, Some(Code::R102)));
    place.intake.rename(held.id, &name("b.csv.tmp"), Existing::Refuse).expect("renamed");
    assert_eq!(code(&place.get(held.id)), Some(Code::R102), "still a temporary name");
    place.intake.rename(held.id, &name("b.txt"), Existing::Refuse).expect("renamed");
    assert_eq!(code(&place.get(held.id)), Some(Code::R101), "final, but of no pattern");
    place.intake.rename(held.id, &name("b.csv"), Existing::Refuse).expect("renamed");
    assert_eq!(place.get(held.id).state, State::Received);
}

#[test]
fn a_file_held_for_its_content_is_not_released_by_a_rename() {
    let place = Place::new();
    let arrival = place.settle("orders", "a.csv", "one");
    let diagnostic = landfall::diagnostic::Diagnostic::error(Code::C102, "not UTF-8");
    place.ledger.advance(arrival.id, Event::Held { diagnostic }).expect("held");
    place.intake.rename(arrival.id, &name("b.csv"), Existing::Refuse).expect("renamed");
    let held = place.get(arrival.id);
    assert_eq!((held.state, code(&held)), (State::Held, Some(Code::C102)));
}

#[test]
fn a_rename_takes_another_name_only_when_asked() {
    let place = Place::new();
    let a = place.settle("orders", "a.csv", "one");
    let b = place.settle("orders", "b.csv", "two");
    let taken = place.intake.rename(b.id, &name("a.csv"), Existing::Refuse).expect_err("taken");
    assert!(matches!(taken, Refusal::NameTaken));
    assert_eq!(place.get(b.id).name, name("b.csv"));
    place.intake.rename(b.id, &name("a.csv"), Existing::Supersede).expect("renamed");
    let listing = place.intake.listing(&acme(), &orders()).expect("listed");
    assert_eq!(listing.iter().map(|entry| entry.id).collect::<Vec<_>>(), [b.id]);
    assert!(!place.get(a.id).current);
    // A hidden name is free.
    place.intake.hide(b.id).expect("hidden");
    let c = place.settle("orders", "c.csv", "three");
    place.intake.rename(c.id, &name("a.csv"), Existing::Refuse).expect("renamed");
    let head = place.ledger.head();
    place.intake.rename(c.id, &name("a.csv"), Existing::Refuse).expect("onto itself");
    assert_eq!(place.ledger.head(), head, "which is nothing");
}

#[test]
fn what_is_not_there_or_somebody_elses_is_missing() {
    let place = Place::new();
    let arrival = place.settle("orders", "a.csv", "one");
    let nobody = ArrivalId::new(now());
    let other = "partner:bolt".parse().expect("a sender");
    assert!(place.intake.arrival(&acme(), arrival.id).is_ok());
    let missing = [
        place.intake.arrival(&other, arrival.id).map(drop),
        place.intake.arrival(&acme(), nobody).map(drop),
        place.intake.rename(nobody, &name("x.csv"), Existing::Supersede),
        place.intake.touch(nobody, None, None),
        place.intake.hide(nobody),
        place.intake.open_raw(nobody).map(drop),
    ];
    assert!(missing.into_iter().all(|refused| matches!(refused, Err(Refusal::Missing))));
    assert_eq!(place.intake.listing(&other, &orders()).expect("listed"), []);
    std::fs::remove_file(place.zone.resolve(&arrival.raw).expect("inside")).expect("removed");
    assert!(matches!(place.intake.open_raw(arrival.id), Err(Refusal::Missing)));
}

#[test]
fn a_feed_decides_on_names_duplicates_and_the_listing() {
    let place = Place::new();
    let old = place.settle("prices", "p.bin", "one");
    let again = place.settle("prices", "p.bin", "one");
    assert_eq!((again.state, again.duplicate_of), (State::Received, Some(old.id)));
    assert!(again.replaces);
    assert_eq!(place.get(old.id).state, State::Superseded);
    let skipped = place.settle("orders", "a.csv", "one");
    assert_eq!(skipped.state, State::Received, "another feed");
    assert_eq!(place.settle("orders", "a.csv", "one").state, State::Duplicate);
    let prices = "prices".parse().expect("a feed");
    assert_eq!(place.intake.listing(&acme(), &prices).expect("listed").len(), 1);
}

#[test]
fn partners_are_read_when_asked() {
    let place = Place::new();
    assert!(place.intake.partner("acme").is_none());
    assert!(place.intake.partner("../acme").is_none());
    let file = place.zone.partner_file(&"acme".parse().expect("a partner"));
    std::fs::write(&file, "feeds = [\"orders\"]\n").expect("written");
    assert_eq!(place.intake.partner("acme").expect("live at once").feeds, [orders()]);
    std::fs::write(&file, "feeds = 7").expect("written");
    assert!(place.intake.partner("acme").is_none(), "a broken file lets nobody in");
}

#[test]
fn doors_hear_of_what_becomes_of_their_files() {
    let place = Place::new();
    let arrival = place.settle("orders", "a.csv", "one");
    place.intake.note(Event::Stopped);
    place.intake.touch(arrival.id, Some(5), None).expect("touched");
    let events = place.intake.events(1, 10).expect("events");
    assert_eq!(
        events.iter().map(|told| told.arrival).collect::<Vec<_>>(),
        [None, Some(arrival.id)]
    );
    assert_eq!(place.intake.wait_beyond(2, Duration::from_secs(60)), 3);
}

#[test]
fn a_full_disk_takes_nothing_and_leaves_the_staged_file() {
    let Some(disk) = SmallDisk::mount("size=3m") else { return };
    let place = Place::at(disk.path());
    place.settle("orders", "first.csv", "one");
    let mut answered = vec![];
    for round in 0..4 {
        let waiting: Vec<_> =
            (0..40).map(|n| place.incoming("orders", &format!("{round}-{n}.csv"), "x")).collect();
        let filler = disk.fill(round * 10_000);
        let mut refused = 0;
        for settled in waiting {
            let at = settled.staged.path.clone();
            match place.intake.settle(settled) {
                Ok(arrival) => answered.push(arrival),
                Err(Refusal::Full(told)) => {
                    assert_eq!(told.code, Code::R106);
                    assert!(at.exists(), "the sender may try again");
                    std::fs::remove_file(at).expect("removed");
                    refused += 1;
                }
                Err(other) => panic!("{other}"),
            }
        }
        assert!(refused > 0, "the disk was full");
        std::fs::remove_file(filler).expect("removed");
        answered.push(place.settle("orders", &format!("{round}.csv"), "x"));
    }
    for arrival in &answered {
        assert_eq!(place.raw_bytes(arrival), b"x");
        assert_eq!(place.get(arrival.id), *arrival);
    }
    // One for one: no raw object without a row either.
    let objects = place.archive.objects_since("").expect("listed");
    assert_eq!(objects.len(), answered.len() + 1);
}

#[test]
fn many_doors_settle_at_once() {
    let place = Place::new();
    std::thread::scope(|scope| {
        for thread in 0..8 {
            let place = &place;
            scope.spawn(move || {
                for n in 0..10 {
                    place.settle("orders", &format!("{thread}-{n}.csv"), &format!("{thread}{n}"));
                }
            });
        }
    });
    assert_eq!(place.intake.listing(&acme(), &orders()).expect("listed").len(), 80);
    assert_eq!(place.staged_files(), 0);
}
