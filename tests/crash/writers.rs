//! A file in a drop folder is not taken while somebody has it open for writing, however quiet.

use std::fs::{self, File};
use std::io::Write as _;

use super::check::{self, arrivals};
use super::machine;
use super::promises::{Promises, Told};
use super::site::{PATIENCE, Site, USER, folder, wait_until};
use super::workload::table;

/// Writes half of a file, lets others pass, writes the rest; what is wrong.
pub fn pause(site: &Site) -> Vec<String> {
    let mut wrong = Vec::new();
    let (mut book, server) = (Promises::default(), site.serve().expect("a zone that opens"));
    let slow = table("slow", 100);
    let path = site.path().join("drop/slow.csv");
    let mut file = File::create(&path).expect("created");
    file.write_all(&slow[..slow.len() / 2]).expect("written");
    std::os::unix::fs::chown(&path, Some(USER), Some(USER)).expect("given away");
    // Others come and are taken meanwhile, one after the other: longer than any quiet time.
    for nth in 0..5 {
        let (name, bytes) = (format!("quick-{nth}.csv"), table(&format!("quick-{nth}"), 5));
        let beside = site.path().join("drop/.quick.tmp");
        fs::write(&beside, &bytes).expect("written");
        std::os::unix::fs::chown(&beside, Some(USER), Some(USER)).expect("given away");
        fs::rename(beside, site.path().join("drop").join(&name)).expect("renamed");
        book.sent(&name, &bytes, Told::Done);
        if !wait_until(PATIENCE, || check::is_settled(site, &book)) {
            wrong.push(format!("{name} is not taken"));
        }
    }
    let ledger = site.ledger().expect("a ledger");
    if arrivals(&ledger).iter().any(|arrival| arrival.name.to_string() == "slow.csv") {
        wrong.push("a file that is still written was taken".to_owned());
    }
    file.write_all(&slow[slow.len() / 2..]).expect("written");
    drop(file);
    book.sent("slow.csv", &slow, Told::Done);
    if wrong.is_empty() && !wait_until(PATIENCE, || check::is_settled(site, &book)) {
        wrong.push("the file is not taken once it is whole".to_owned());
    }
    server.kill();
    wrong.extend(check::violations(site, &book));
    wrong
}

#[test]
fn a_file_that_is_still_open_is_left_alone() {
    if !machine::is_root("dropping files as another user") {
        return;
    }
    let folder = folder();
    let site = Site::make_used(folder.path().join("zone"));
    let wrong = pause(&site);
    assert!(wrong.is_empty(), "{wrong:#?}\n{}", site.log());
}
