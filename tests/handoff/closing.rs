//! When batches close, and over what: bounds, waits, windows, by hand, sets.

use std::fs;
use std::sync::{Arc, Mutex};

use landfall::archive::Archive;
use landfall::clock::{Clock, Timestamp};
use landfall::config;
use landfall::diagnostic::Code;
use landfall::durable::Durability;
use landfall::ledger::{Arrival, Batch, Because, Closing, Closings as _, Event, Ledger, State};
use landfall::pipeline::closer::Closer;

use crate::shop::{Shop, orders};

/// A zone whose time stands still until it is moved.
struct Place {
    shop: Shop,
    now: Arc<Mutex<Timestamp>>,
    archive: Archive,
    since: Timestamp,
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

impl Place {
    fn new(feed: &str) -> Self {
        let since = at("2026-11-22T05:00:00Z");
        let now = Arc::new(Mutex::new(since));
        let shown = Arc::clone(&now);
        let clock = Clock::of(move || *shown.lock().unwrap());
        let shop = Shop::at(&format!("[feed.orders]\n{feed}\n"), clock);
        let archive = Archive::new(shop.zone.clone(), Durability::Relaxed);
        Self { shop, now, archive, since }
    }

    fn go_to(&self, time: &str) {
        *self.now.lock().unwrap() = at(time);
    }

    fn next(&self) -> Option<Closing> {
        let live = config::Live::from(Arc::clone(&self.shop.config));
        let (ledger, clock) = (self.shop.ledger.as_ref(), &self.shop.clock);
        let closer =
            Closer { config: &live, ledger, archive: &self.archive, clock, since: self.since };
        closer.feeds().unwrap();
        closer.next(&orders()).unwrap()
    }

    /// Closes and publishes all that is due.
    fn close_all(&self) -> Vec<Batch> {
        let publisher = self.shop.publisher();
        let mut batches = Vec::new();
        while let Some(closing) = self.next() {
            match publisher.close_over_and_publish(&orders(), closing).unwrap() {
                Some(batch) => batches.push(batch),
                None => break,
            }
        }
        batches
    }

    /// Records a file that is no table, with its bytes in the archive.
    fn take_raw(&self, name: &str, text: &str) -> Arrival {
        let arrival = self.shop.receive(name, text);
        let raw = self.shop.path(&arrival.raw);
        fs::create_dir_all(raw.parent().unwrap()).unwrap();
        fs::write(raw, text).unwrap();
        self.convert_raw(&arrival)
    }

    fn convert_raw(&self, arrival: &Arrival) -> Arrival {
        let reason = "it is the control file of a set".to_owned();
        self.shop.ledger.advance(arrival.id, Event::TakenRaw { reason }).unwrap()
    }

    fn state(&self, arrival: &Arrival) -> (State, Option<Code>) {
        let now = self.shop.ledger.arrival(arrival.id).unwrap().unwrap();
        (now.state, now.diagnostic.map(|told| told.code))
    }
}

fn sizes(batches: &[Batch]) -> Vec<usize> {
    batches.iter().map(|batch| batch.members.len()).collect()
}

#[test]
fn rows_and_files_bound_a_batch_and_what_is_left_forms_the_next() {
    let place = Place::new("batch = { max_rows = 7 }");
    for name in ["a", "b", "c", "d", "e"] {
        place.shop.arrive(name, name);
    }
    assert_eq!(sizes(&place.close_all()), [2, 2, 1], "each has three rows");
    let place = Place::new("batch = { max_rows = 2 }");
    place.shop.arrive("a", "a");
    assert_eq!(sizes(&place.close_all()), [1], "a file is never split");
}

#[test]
fn a_batch_is_gathered_until_it_is_full_or_its_oldest_has_waited() {
    let place = Place::new("batch = { max_wait = \"10m\", max_files = 3 }");
    place.shop.arrive("a", "a");
    place.go_to("2026-11-22T05:05:00Z");
    place.shop.arrive("b", "b");
    assert_eq!(place.next(), None);
    place.go_to("2026-11-22T05:10:00Z");
    let waited = place.close_all();
    assert_eq!((sizes(&waited), &waited[0].because), (vec![2], &Some(Because::Waited)));
    ["c", "d", "e", "f"].into_iter().for_each(|name| drop(place.shop.arrive(name, name)));
    let full = place.close_all();
    assert_eq!((sizes(&full), &full[0].because), (vec![3], &Some(Because::Full)));
}

#[test]
fn a_window_holds_what_was_received_before_its_end() {
    let place = Place::new("batch = { every = \"1h\" }");
    place.go_to("2026-11-22T05:10:00Z");
    place.shop.arrive("a", "a");
    place.go_to("2026-11-22T05:59:59Z");
    place.shop.arrive("b", "b");
    assert_eq!(place.next(), None, "the window is open");
    place.go_to("2026-11-22T06:00:00Z");
    place.shop.arrive("c", "c");
    // Nobody looked for hours: the boundaries are the same.
    place.go_to("2026-11-22T09:30:00Z");
    let batches = place.close_all();
    assert_eq!(sizes(&batches), [2, 1], "windows in which nothing came are passed over");
    let ends: Vec<_> = batches.iter().map(|batch| batch.because.clone().unwrap()).collect();
    let window = |time| Because::Window { ends: at(time) };
    assert_eq!(ends, [window("2026-11-22T06:00:00Z"), window("2026-11-22T07:00:00Z")]);
    assert_eq!(
        place.shop.ledger.batch(batches[0].id).unwrap().unwrap().because,
        batches[0].because
    );
}

#[test]
fn more_than_a_batch_may_hold_is_of_the_same_window_and_late_files_are_of_the_next() {
    let place = Place::new("batch = { at = [\"06:00\", \"18:00\"], max_files = 2 }");
    ["a", "b", "c"].into_iter().for_each(|name| drop(place.shop.arrive(name, name)));
    let late = place.shop.receive("d", "d");
    place.go_to("2026-11-22T06:00:01Z");
    assert_eq!(place.next(), None, "one is still being converted");
    // It never ends: the window does not wait for ever.
    place.go_to("2026-11-22T06:11:00Z");
    let batches = place.close_all();
    assert_eq!(sizes(&batches), [2, 1]);
    let window = |time| Some(Because::Window { ends: at(time) });
    assert!(batches.iter().all(|batch| batch.because == window("2026-11-22T06:00:00Z")));
    place.go_to("2026-11-22T06:12:00Z");
    place.shop.convert_now(&late);
    assert_eq!(place.next(), None);
    place.go_to("2026-11-22T18:00:00Z");
    let batches = place.close_all();
    assert_eq!(
        (sizes(&batches), batches[0].because.clone()),
        (vec![1], window("2026-11-22T18:00:00Z"))
    );
}

#[test]
fn a_window_in_which_nothing_came_is_published_if_so_wanted() {
    let place = Place::new("batch = { every = \"1h\", empty = \"publish\" }");
    place.go_to("2026-11-22T06:30:00Z");
    place.shop.arrive("a", "a");
    place.go_to("2026-11-22T08:00:00Z");
    let batches = place.close_all();
    assert_eq!(sizes(&batches), [0, 1, 0]);
    assert_eq!(batches.iter().map(|batch| batch.sequence).collect::<Vec<_>>(), [1, 2, 3]);
    for batch in &batches {
        let manifest = landfall::zone::Zone::manifest_path(&batch.feed, batch.sequence);
        assert!(place.shop.path(&manifest).is_file());
    }
    assert_eq!(place.next(), None);
}

#[test]
fn by_hand_means_by_hand() {
    let place = Place::new("batch = { manual = true }");
    place.shop.arrive("a", "a");
    place.go_to("2027-11-22T05:00:00Z");
    assert_eq!(place.next(), None);
    let because = Because::Asked { by: "ana".to_owned(), reason: "checked".to_owned() };
    let bounds = place.shop.config.feed(&orders()).batch.bounds;
    let closing = Closing { because: because.clone(), ..Closing::of_ready(bounds) };
    let batch = place.shop.ledger.close_batch_over(&orders(), closing).unwrap().unwrap();
    assert_eq!(batch.because, Some(because));
}

#[test]
fn a_set_of_a_number_is_handed_off_when_it_is_whole() {
    let place = Place::new("batch = { set = { files = 3 }, max_files = 2 }");
    ["a", "b"].into_iter().for_each(|name| drop(place.shop.arrive(name, name)));
    assert_eq!(place.next(), None);
    ["c", "d"].into_iter().for_each(|name| drop(place.shop.arrive(name, name)));
    let batches = place.close_all();
    assert_eq!(sizes(&batches), [3], "a set is never split");
    assert_eq!(batches[0].because, Some(Because::Set { control: None }));
}

#[test]
fn a_set_of_names_takes_the_oldest_for_each() {
    let place = Place::new("batch = { set = { names = [\"orders_*\", \"lines_*\"] } }");
    let first = place.shop.arrive("orders_1", "1");
    let other = place.shop.arrive("orders_2", "2");
    assert_eq!(place.next(), None);
    let lines = place.shop.arrive("lines_1", "3");
    let batches = place.close_all();
    assert_eq!(batches[0].members, [first.id, lines.id]);
    assert_eq!((batches.len(), place.state(&other).0), (1, State::Converted));
}

const CONTROL: &str = "same_name = \"replace\"\n\
    batch = { set = { control = \"*.ctl\", deadline = \"2h\" } }";

#[test]
fn a_control_file_with_a_wrong_count_holds_the_set_and_the_corrected_one_releases_it() {
    let place = Place::new(CONTROL);
    let files = ["a.csv", "b.csv"].map(|name| place.shop.arrive(name, name));
    assert_eq!(place.next(), None, "there is no control file");
    let wrong = place.take_raw("day.ctl", "a.csv,3\nb.csv,4\n");
    assert_eq!(place.next(), None);
    assert_eq!(place.state(&wrong), (State::Held, Some(Code::H112)));
    let told = place.shop.ledger.arrival(wrong.id).unwrap().unwrap().diagnostic.unwrap();
    assert_eq!(told.summary, "b.csv has 3 rows, day.ctl says 4");
    assert!(files.iter().all(|file| place.state(file).0 == State::Converted));

    let right = place.take_raw("day.ctl", "a.csv,3\nb.csv,3\n");
    let batches = place.close_all();
    assert_eq!(sizes(&batches), [3]);
    assert_eq!(batches[0].members, [files[0].id, files[1].id, right.id]);
    assert_eq!(batches[0].because, Some(Because::Set { control: Some(right.id) }));
    assert_eq!(place.state(&wrong).0, State::Superseded);
}

#[test]
fn a_corrected_file_releases_its_set() {
    let place = Place::new(CONTROL);
    let old = place.shop.arrive("a.csv", "a");
    let control = place.take_raw("day.ctl", "a.csv 4\n");
    assert_eq!(place.next(), None);
    assert_eq!(place.state(&control).0, State::Held);
    let new = place.shop.arrive_partly("a.csv", "another a");
    assert_eq!(place.state(&old).0, State::Superseded);
    assert_eq!(place.next(), None, "its control file is looked at again first");
    assert_eq!(place.state(&control).0, State::Received);
    place.convert_raw(&control);
    assert_eq!(place.close_all()[0].members, [control.id, new.id], "in order of receipt");
}

#[test]
fn a_set_that_is_late_is_held_until_it_is_whole() {
    let place = Place::new(CONTROL);
    let first = place.shop.arrive("a.csv", "a");
    let control = place.take_raw(
        "day.ctl",
        "{\"files\": [{\"name\": \"a.csv\", \"rows\": 3}, {\"name\": \"b.csv\"}]}",
    );
    place.go_to("2026-11-22T06:59:59Z");
    assert_eq!((place.next(), place.state(&control).0), (None, State::Raw));
    place.go_to("2026-11-22T07:00:00Z");
    assert_eq!((place.next(), place.state(&control)), (None, (State::Held, Some(Code::H111))));
    let told = place.shop.ledger.arrival(control.id).unwrap().unwrap().diagnostic.unwrap();
    assert_eq!(told.summary, "the set of day.ctl is late: b.csv did not come");
    let second = place.shop.arrive("b.csv", "b");
    assert_eq!(place.next(), None);
    place.convert_raw(&control);
    assert_eq!(place.close_all()[0].members, [first.id, control.id, second.id]);
}

#[test]
fn a_control_file_that_says_nothing_is_held() {
    let place = Place::new(CONTROL);
    let control = place.take_raw("day.ctl", "a.csv,3\nb.csv,many\n");
    assert_eq!((place.next(), place.state(&control)), (None, (State::Held, Some(Code::H113))));
}

#[test]
fn a_control_file_that_cannot_be_read_is_held_until_it_can() {
    let place = Place::new(CONTROL);
    let control = place.take_raw("day.ctl", "a.csv\n");
    let raw = place.shop.path(&control.raw);
    fs::remove_file(&raw).unwrap();
    assert_eq!((place.next(), place.state(&control)), (None, (State::Held, Some(Code::H113))));
    let told = place.shop.ledger.arrival(control.id).unwrap().unwrap().diagnostic.unwrap();
    assert!(told.summary.contains("cannot be read from the archive"), "{told:?}");
    fs::write(&raw, "a.csv\n").unwrap();
    place.shop.arrive("a.csv", "a");
    assert_eq!(place.next(), None, "it is let go first");
    assert_eq!(place.state(&control).0, State::Received);
    let long = place.take_raw("long.ctl", &"a.csv\n".repeat(180_000));
    assert_eq!((place.next(), place.state(&long)), (None, (State::Held, Some(Code::H113))));
    let told = place.shop.ledger.arrival(long.id).unwrap().unwrap().diagnostic.unwrap();
    assert!(told.summary.contains("a control file has at most"), "{told:?}");
}

#[test]
fn a_set_that_is_not_whole_any_more_is_not_closed() {
    let place = Place::new("same_name = \"replace\"\nbatch = { set = { files = 2 } }");
    ["a", "b"].into_iter().for_each(|name| drop(place.shop.arrive(name, name)));
    let closing = place.next().unwrap();
    place.shop.arrive("a", "another a");
    let closed = place.shop.ledger.close_batch_over(&orders(), closing).unwrap();
    assert_eq!(closed, None);
    assert_eq!(sizes(&place.close_all()), [2]);
}
