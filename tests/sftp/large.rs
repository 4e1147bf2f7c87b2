//! Files of gigabytes through the door, put and got with OpenSSH, across many key exchanges.
//!
//! The transport renews its keys by itself after 1 GiB, and a client may ask for it at any time.
//! The gigabyte runs with every test run; `tests/suites/run` also sends three
//! (`cargo nextest run --test sftp --run-ignored all -E "test(/^large::/)"`).

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use crate::support::{Site, noise};

const GIB: u64 = 1 << 30;
const MIB: u64 = 1 << 20;

/// A sparse file with something to recognise every 16 MiB, at odd places.
fn sparse(path: &Path, size_bytes: u64) {
    let file = File::create(path).expect("created");
    file.set_len(size_bytes).expect("sparse");
    for (place, at) in (0..size_bytes).step_by(16 << 20).enumerate() {
        let mark = [noise(1000), place.to_be_bytes().to_vec()].concat();
        let room = size_bytes - mark.len() as u64;
        file.write_all_at(&mark, (at + 7 * place as u64).min(room)).expect("written");
    }
}

fn there_and_back(size_bytes: u64, options: &[&str]) {
    let site = Site::open();
    site.change_partner("acme", |acme| {
        acme.read_back = landfall::config::partner::ReadBack::Always;
        acme.quota.staging_bytes = 8 * GIB;
    });
    let (there, back) = (site.client().join("there.bin"), site.client().join("back.bin"));
    sparse(&there, size_bytes);
    let options: Vec<&str> =
        ["-c", "aes128-gcm@openssh.com"].iter().chain(options).copied().collect();
    let begun = Instant::now();
    site.sftp_with("acme", &options, "put there.bin orders/big.bin\n").ok();
    let put = begun.elapsed();
    let begun = Instant::now();
    site.sftp_with("acme", &options, "get orders/big.bin back.bin\n").ok();
    eprintln!("{size_bytes} bytes: put in {put:?}, got in {:?}", begun.elapsed());
    let arrivals = site.arrivals();
    assert_eq!((arrivals.len(), arrivals[0].size_bytes), (1, size_bytes));
    let raw = site.zone.resolve(&arrivals[0].raw).expect("inside");
    for copy in [raw, back] {
        let same = Command::new("cmp").arg(&there).arg(&copy).status().expect("cmp runs");
        assert!(same.success(), "{}", copy.display());
    }
}

#[test]
fn a_gigabyte_crosses_the_transports_own_key_exchange() {
    there_and_back(GIB + 64 * MIB, &[]);
}

#[test]
fn a_key_exchange_every_few_megabytes_loses_nothing() {
    there_and_back(200 * MIB, &["-o", "RekeyLimit=3M"]);
}

#[test]
#[ignore = "minutes on a busy machine; tests/suites/run runs it"]
fn three_gigabytes_cross_their_key_exchanges() {
    there_and_back(3 * GIB + 7 * MIB, &[]);
}

#[test]
#[ignore = "minutes on a busy machine; tests/suites/run runs it"]
fn three_gigabytes_cross_a_hundred_key_exchanges() {
    there_and_back(3 * GIB + 7 * MIB, &["-o", "RekeyLimit=30M"]);
}
