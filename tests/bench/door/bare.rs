//! Durable small files against the floor: a bare loop that does for each file what durability costs
//! at least. It writes the file, syncs it, renames it, syncs the folder, and makes one SQLite commit
//! with `synchronous = FULL`.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::Path;
use std::time::Instant;

use super::peers::{Peer, Running};
use super::transfers::{Source, median, run};
use super::{AES_128, Case, Load};

const FILES: usize = 2000;
const CONNECTIONS: usize = 16;

/// Runs the rounds and prints the comparison.
pub fn compare(place: &Path, rounds: usize) {
    let one = Load::Small { files: FILES, connections: 1 };
    let many = Load::Small { files: FILES * 2, connections: CONNECTIONS };
    let case = |load| Case { name: "", cipher: AES_128, load };
    let (one_source, many_source) = (Source::make(&one, place), Source::make(&many, place));
    let (one, many) = (case(one), case(many));
    let (mut bare, mut single, mut shared) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..rounds {
        bare.push(FILES as f64 / bare_loop(place));
        let server = Running::start(Peer::Durable, place);
        single.push(FILES as f64 / run(&server, &one, &one_source).wall_s);
        drop(server);
        let server = Running::start(Peer::Durable, place);
        shared.push((FILES * 2) as f64 / run(&server, &many, &many_source).wall_s);
    }
    let ratio = |of: &[f64]| median(of.iter().zip(&bare).map(|(own, bare)| own / bare));
    println!("\nDurable 4 KiB files");
    println!("{:<30} {:>9} {:>14}", "", "files/s", "of bare loop");
    println!("{:<30} {:>9.0}", "bare loop", median(bare.iter().copied()));
    for (name, rates) in [("1 connection", &single), ("16 connections", &shared)] {
        println!("{name:<30} {:>9.0} {:>13.2}x", median(rates.iter().copied()), ratio(rates));
    }
}

/// Seconds for [`FILES`] files.
#[allow(clippy::disallowed_methods, reason = "the floor is written with nothing but the system")]
fn bare_loop(place: &Path) -> f64 {
    let folder = tempfile::tempdir_in(place).expect("a folder");
    let database = rusqlite::Connection::open(folder.path().join("db")).expect("opened");
    database
        .execute_batch(
            "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; CREATE TABLE files (name TEXT)",
        )
        .expect("prepared");
    let bytes = [7_u8; 4096];
    let began = Instant::now();
    let synced = File::open(folder.path()).expect("the folder");
    for n in 0..FILES {
        let (temporary, name) = (folder.path().join("next"), folder.path().join(format!("{n}")));
        let mut file = File::create(&temporary).expect("created");
        file.write_all(&bytes).expect("written");
        file.sync_all().expect("synced");
        fs::rename(&temporary, &name).expect("renamed");
        synced.sync_all().expect("synced");
        database.execute("INSERT INTO files VALUES (?1)", [n.to_string()]).expect("committed");
    }
    began.elapsed().as_secs_f64()
}
