//! A crash at any step of a run neither loses nor doubles what was fetched.

use std::fs;
use std::sync::Arc;

use landfall::archive::Archive;
use landfall::clock::Clock;
use landfall::config;
use landfall::durable::Durability;
use landfall::ledger::{Ledger, sqlite};
use landfall::receive::LocalIntake;
use landfall::receive::pull::{Door, Outcome};
use landfall::receive::reconcile::reconcile;
use landfall::zone::Zone;

use crate::door::zone;
use crate::support::{TestZone, all};

/// Fetches two files and counts its runs. A step of the run is `$LANDFALL_WATERMARK`'s successor.
const SCRIPT: &str = "n=$((${LANDFALL_WATERMARK:-0} + 1)); echo run >> runs\n\
                      echo $n > \"$LANDFALL_FOLDER/a$n.csv\"; echo $n > \"$LANDFALL_FOLDER/b$n.csv\"\n\
                      echo $n > \"$LANDFALL_WATERMARK_FILE\"";

/// A server that was started anew: what it does before it opens its doors, and its pull door.
fn restarted(place: &TestZone) -> (Arc<dyn Ledger>, Door) {
    let root = Zone::new(place.path());
    for folder in [root.staging(), root.converted()] {
        fs::create_dir_all(folder).unwrap();
    }
    let config = Arc::new(config::load(&root).unwrap());
    let clock = Clock::system();
    let ledger = sqlite::open(&root.ledger_file(), clock.clone(), Durability::Relaxed).unwrap();
    let ledger: Arc<dyn Ledger> = Arc::new(ledger);
    let archive = Archive::new(root.clone(), Durability::Relaxed);
    reconcile(&root, &config, &archive, ledger.as_ref()).unwrap();
    let live = config::Live::from(config);
    let intake =
        LocalIntake::new(root.clone(), live.clone(), archive, ledger.clone(), clock.clone());
    let door = Door::new(root, live, Arc::new(intake), clock, Arc::new(|_| None));
    (ledger, door)
}

fn run(door: &Door) -> Outcome {
    door.run_now(&"ecb".parse().unwrap(), None).unwrap()
}

/// What is there after one more run: names, and where the next goes on.
fn after_another_run(place: &TestZone) -> (Vec<String>, Option<String>) {
    let (ledger, door) = restarted(place);
    assert_eq!(run(&door), Outcome::Taken { files: 2 });
    let state = ledger.pull(&"ecb".parse().unwrap()).unwrap().unwrap();
    assert_eq!(fs::read_to_string(place.path().join("runs")).unwrap().lines().count(), 1);
    (all(ledger.as_ref()).iter().map(|arrival| arrival.name.to_string()).collect(), state.watermark)
}

fn run_and_keep_its_folder(place: &TestZone) {
    // The folder as it is once the command has ended well and before anything of it is taken.
    let pulls = place.path().join(".landfall/pulls/ecb");
    let aside = place.path().join("aside");
    let (_, door) = restarted(place);
    // A staging folder that is a file lets nothing be taken.
    let staging = place.path().join(".landfall/staging");
    fs::remove_dir_all(&staging).unwrap();
    fs::write(&staging, "").unwrap();
    assert!(matches!(run(&door), Outcome::Failed { .. }));
    fs::remove_file(&staging).unwrap();
    let copied = std::process::Command::new("cp").arg("-r").arg(&pulls).arg(&aside).status();
    assert!(copied.unwrap().success());
}

fn put_back(place: &TestZone) {
    let pulls = place.path().join(".landfall/pulls/ecb");
    fs::remove_dir_all(&pulls).unwrap();
    let aside = place.path().join("aside");
    assert!(std::process::Command::new("mv").arg(aside).arg(pulls).status().unwrap().success());
}

const EXPECTED: [&str; 2] = ["a1.csv", "b1.csv"];

#[test]
fn what_was_fetched_and_not_taken_is_taken_without_another_run() {
    let place = zone(SCRIPT, "at = ['00:00']");
    run_and_keep_its_folder(&place);
    assert_eq!(after_another_run(&place), (EXPECTED.map(str::to_owned).to_vec(), Some("1".into())));
}

#[test]
fn what_was_taken_and_not_put_away_is_not_taken_again() {
    let place = zone(SCRIPT, "at = ['00:00']");
    run_and_keep_its_folder(&place);
    after_another_run(&place);
    put_back(&place);
    assert_eq!(after_another_run(&place), (EXPECTED.map(str::to_owned).to_vec(), Some("1".into())));
}

#[test]
fn a_run_of_which_one_file_is_taken_goes_on_with_the_next_and_the_watermark_comes_last() {
    let place = zone(SCRIPT, "at = ['00:00']");
    run_and_keep_its_folder(&place);
    let second = place.path().join(".landfall/pulls/ecb/ready/files/b1.csv");
    let bytes = fs::read(&second).unwrap();
    fs::remove_file(&second).unwrap();
    fs::create_dir(&second).unwrap();
    let (ledger, door) = restarted(&place);
    assert!(matches!(run(&door), Outcome::Failed { .. }));
    let names = |ledger: &dyn Ledger| all(ledger).iter().map(|a| a.name.to_string()).collect();
    let taken: Vec<String> = names(ledger.as_ref());
    assert_eq!(taken, ["a1.csv"]);
    let state = ledger.pull(&"ecb".parse().unwrap()).unwrap().unwrap();
    assert_eq!(state.watermark, None, "it is not all there");
    drop((ledger, door));
    fs::remove_dir(&second).unwrap();
    fs::write(&second, bytes).unwrap();
    assert_eq!(after_another_run(&place), (EXPECTED.map(str::to_owned).to_vec(), Some("1".into())));
}

#[test]
fn what_was_archived_and_not_recorded_is_recorded_once_and_the_watermark_follows() {
    let place = zone(SCRIPT, "at = ['00:00']");
    run_and_keep_its_folder(&place);
    after_another_run(&place);
    put_back(&place);
    // As if the ledger's commits of this run had never happened.
    let ledger = place.path().join(".landfall/ledger.db");
    for name in ["ledger.db", "ledger.db-wal", "ledger.db-shm"] {
        fs::remove_file(ledger.with_file_name(name)).unwrap_or_default();
    }
    assert_eq!(after_another_run(&place), (EXPECTED.map(str::to_owned).to_vec(), Some("1".into())));
}

#[test]
fn a_run_that_was_cut_short_leaves_nothing_and_begins_anew() {
    let place = zone(SCRIPT, "at = ['00:00']");
    let work = place.path().join(".landfall/pulls/ecb/work/files");
    fs::create_dir_all(&work).unwrap();
    fs::write(work.join("half.csv"), "1,").unwrap();
    fs::write(work.with_file_name("watermark"), "9").unwrap();
    assert_eq!(after_another_run(&place), (EXPECTED.map(str::to_owned).to_vec(), Some("1".into())));
}
