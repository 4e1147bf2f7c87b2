//! The archive's promises: synced, named once, read-only, says who it is.

use std::io::Read;
use std::os::unix::fs::PermissionsExt;

use landfall::archive::digest::of_bytes;
use landfall::archive::{Error, IDENTITY_ATTRIBUTE};
use landfall::zone::{Zone, ZonePath};

use crate::place::{Place, identity, now, orders};
use crate::small_disk::SmallDisk;

#[test]
fn a_staged_file_becomes_a_raw_object() {
    let place = Place::new();
    let staged = place.stage("one");
    let gone = staged.path.clone();
    let who = identity("eu/a b.csv");
    let raw = place.archive.store(staged, &who, None).expect("stored");
    assert_eq!(raw.path, Zone::raw_path(&orders(), now(), who.id, &who.name));
    assert_eq!((raw.size_bytes, raw.digest), (3, of_bytes(b"one")));
    assert!(!gone.exists());
    let path = place.zone.resolve(&raw.path).expect("inside");
    let mode = std::fs::metadata(&path).expect("metadata").permissions().mode();
    assert_eq!(mode & 0o7777, 0o440);
    let mut content = String::new();
    place.archive.open(&raw.path).expect("opened").read_to_string(&mut content).expect("read");
    assert_eq!(content, "one");
}

#[test]
fn a_raw_object_is_never_replaced() {
    let place = Place::new();
    let who = identity("a.csv");
    let raw = place.archive.store(place.stage("one"), &who, None).expect("stored");
    let second = place.stage("two");
    let still_there = second.path.clone();
    let Err(Error::Durable(refused)) = place.archive.store(second, &who, None) else {
        panic!("the name is taken");
    };
    assert!(refused.is_name_taken());
    assert_eq!(std::fs::read(still_there).expect("still staged"), b"two");
    let path = place.zone.resolve(&raw.path).expect("inside");
    assert_eq!(std::fs::read(path).expect("read"), b"one");
}

#[test]
fn a_raw_object_says_who_it_is() {
    let place = Place::new();
    let who = identity("Umsätze.csv");
    let raw = place.archive.store(place.stage("one"), &who, None).expect("stored");
    let path = place.zone.resolve(&raw.path).expect("inside");
    let mut json = vec![0; 4096];
    let Ok(length) = rustix::fs::getxattr(&path, IDENTITY_ATTRIBUTE, &mut json[..]) else {
        eprintln!("SKIPPED: the file system of the temporary folder keeps no attributes");
        return;
    };
    assert_eq!(serde_json::from_slice::<serde_json::Value>(&json[..length]).expect("json"), {
        serde_json::to_value(&who).expect("json")
    });
    assert_eq!(place.archive.identity(&raw.path).expect("read"), Some(who));
}

#[test]
fn an_identity_that_is_too_long_does_not_stop_a_file() {
    let place = Place::new();
    let mut who = identity("a.csv");
    let long = "x".repeat(100_000);
    who.held =
        Some(landfall::diagnostic::Diagnostic::error(landfall::diagnostic::Code::R101, long));
    let raw = place.archive.store(place.stage("one"), &who, None).expect("stored");
    assert_eq!(place.archive.identity(&raw.path).expect("read"), None);
}

#[test]
fn a_digest_that_the_door_knows_is_taken() {
    let place = Place::new();
    let digest = of_bytes(b"as the door hashed it");
    let raw = place.archive.store(place.stage("one"), &identity("a.csv"), Some(digest));
    assert_eq!(raw.expect("stored").digest, digest);
}

#[test]
fn a_day_folder_that_vanished_is_made_again() {
    let place = Place::new();
    let first = place.archive.store(place.stage("one"), &identity("a.csv"), None).expect("stored");
    std::fs::remove_dir_all(place.zone.archive()).expect("removed");
    let second = place.archive.store(place.stage("two"), &identity("b.csv"), None).expect("stored");
    assert!(place.archive.open(&second.path).is_ok());
    assert!(place.archive.open(&first.path).is_err());
}

#[test]
fn nothing_outside_the_zone_is_opened() {
    let place = Place::new();
    for path in ["../x", "/etc/passwd", "archive/../../x"] {
        let refused = place.archive.open(&ZonePath::stored(path)).expect_err("refused");
        assert!(matches!(refused, Error::Outside(_)), "{refused}");
    }
}

#[test]
fn what_is_given_back_can_be_stored_again() {
    let place = Place::new();
    let staged = place.stage("one");
    let at = staged.path.clone();
    let raw = place.archive.store(staged, &identity("a.csv"), None).expect("stored");
    place.archive.give_back(&raw.path, &at).expect("given back");
    assert!(place.archive.open(&raw.path).is_err());
    let file = std::fs::OpenOptions::new().read(true).write(true).open(&at).expect("opened");
    let staged = landfall::archive::Staged { file, path: at };
    place.archive.store(staged, &identity("a.csv"), None).expect("stored again");
}

#[test]
fn used_up_inodes_are_told_as_a_full_disk() {
    // The day folder cannot be made.
    let Some(disk) = SmallDisk::mount("size=4m,nr_inodes=12") else { return };
    let place = Place::at(disk.path());
    let staged = place.stage("one");
    let at = staged.path.clone();
    let mut n = 0;
    while std::fs::write(disk.path().join(format!("filler-{n}")), "").is_ok() {
        n += 1;
    }
    let refused = place.archive.store(staged, &identity("a.csv"), None).expect_err("full");
    assert!(refused.is_disk_full(), "{refused}");
    assert!(at.exists(), "the staged file is kept");
    assert!(place.archive.objects_since("").expect("listed").is_empty());
}
