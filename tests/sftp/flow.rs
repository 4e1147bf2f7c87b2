//! Nothing hangs and nothing grows, whatever a client, a disk or a key exchange does.

use std::io::{Read, Write};
use std::time::Duration;

use landfall::durable::Durability;
use landfall::ledger::Event;

use crate::raw::{
    CLOSE, CREATING, READ, READING, Raw, STAT, WRITE, WRITING, packet, read_body, string,
    write_body,
};
use crate::support::{Site, noise, read};

/// Bytes this process, and with it the server, has in memory.
pub fn resident_bytes() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").expect("read");
    let pages: u64 = statm.split(' ').nth(1).expect("a field").parse().expect("a number");
    pages * 4096
}

#[test]
fn six_megabytes_of_requests_are_answered_in_order_though_nobody_reads() {
    let site = Site::open();
    let mut raw = Raw::connect(&site, "acme");
    let mut requests = Vec::new();
    let mut id = 0;
    while requests.len() < 6 << 20 {
        // Some wait for the ledger, most do not.
        let path = if id % 5000 == 0 { "/orders/not-there.csv" } else { "/orders" };
        requests.extend(packet(STAT, id, &string(path)));
        id += 1;
    }
    raw.write_all(&requests);
    for expected in 0..id {
        let answer = raw.answer();
        assert_eq!(answer.id, expected);
        assert_eq!(answer.kind, if expected % 5000 == 0 { 101 } else { 105 });
    }
    raw.end();
}

#[test]
fn a_thousand_unread_answers_stay_bounded() {
    let site = Site::open();
    site.change_partner("acme", |acme| {
        acme.read_back = landfall::config::partner::ReadBack::Always
    });
    let bytes = noise(255 << 10);
    site.local("a.bin", &bytes);
    site.sftp("acme", "put a.bin orders/a.bin\n").ok();
    let mut raw = Raw::connect(&site, "acme");
    let handle = raw.open("/orders/a.bin", READING).handle();
    let before = resident_bytes();
    for id in 0..1000 {
        raw.write_all(&packet(READ, 1000 + id, &read_body(&handle, 0, 255 << 10)));
    }
    // The server has stopped by itself once another client has been served meanwhile.
    site.sftp("acme", "ls orders\n").ok();
    let grown = resident_bytes().saturating_sub(before);
    assert!(grown < 24 << 20, "{} KiB", grown >> 10);
    for id in 0..1000 {
        let answer = raw.answer();
        assert_eq!(answer.id, 1000 + id);
        assert_eq!(answer.data(), bytes);
    }
    raw.end();
}

#[test]
fn a_client_that_never_reads_and_never_stops_is_cut_off() {
    let site = Site::open();
    let mut raw = Raw::connect(&site, "acme");
    let piece: Vec<u8> = (0..40_000).flat_map(|id| packet(STAT, id, &string("/orders"))).collect();
    let mut to = raw.to.take().expect("open");
    let cut_off = (0..200).any(|_| to.write_all(&piece).is_err());
    assert!(cut_off, "200 MB of requests were taken");
}

#[test]
fn a_hundred_megabytes_come_back() {
    let site = Site::open();
    site.change_partner("acme", |acme| {
        acme.read_back = landfall::config::partner::ReadBack::Always
    });
    let bytes = noise(100 << 20);
    site.local("big.bin", &bytes);
    site.sftp("acme", "put big.bin orders/big.bin\nget orders/big.bin back.bin\n").ok();
    assert!(read(site.client().join("back.bin")) == bytes);
}

#[test]
fn key_exchanges_in_between_lose_nothing() {
    let site = Site::open();
    site.change_partner("acme", |acme| {
        acme.read_back = landfall::config::partner::ReadBack::Always
    });
    let bytes = noise(40 << 20);
    site.local("big.bin", &bytes);
    site.sftp_with(
        "acme",
        &["-o", "RekeyLimit=2M"],
        "put big.bin orders/big.bin\nget orders/big.bin back.bin\n",
    )
    .ok();
    assert!(read(site.client().join("back.bin")) == bytes);
}

#[test]
fn two_thousand_small_files_on_one_channel() {
    let site = Site::open();
    let mut raw = Raw::connect(&site, "acme");
    let mut handles = 0_u32;
    for batch in 0..20 {
        for file in 0..100 {
            let name = format!("/orders/{batch}-{file}.csv");
            let handle = raw.open(name, WRITING | CREATING).handle();
            assert_eq!(handle, format!("{handles:08x}").into_bytes());
            raw.write_all(&packet(WRITE, 1, &write_body(&handle, 0, &noise(4096))));
            raw.write_all(&packet(CLOSE, 2, &string(&handle)));
            assert_eq!((raw.answer().status(), raw.answer().status()), (0, 0));
            handles += 1;
        }
    }
    assert_eq!(site.arrivals().len(), 2000);
    assert_eq!(site.staged_files(), 0);
    raw.end();
}

#[test]
fn a_slow_disk_holds_up_one_channel_and_nobody_else() {
    let site = Site::open();
    site.gate.close();
    let mut slow = Raw::connect(&site, "acme");
    let small = slow.open("/orders/small.csv", WRITING | CREATING).handle();
    let big = slow.open("/orders/big.bin.part", WRITING | CREATING).handle();
    slow.write_all(&packet(CLOSE, 100, &string(&small)));
    // Much more than the server keeps waiting for one channel; written by a thread because the
    // connection is read no further.
    let bytes = noise(16 << 20);
    let mut to = slow.to.take().expect("open");
    let (piece_bytes, pieces) = (200 << 10, bytes.chunks(200 << 10).count());
    let writer = std::thread::spawn(move || {
        for (piece, part) in bytes.chunks(piece_bytes).enumerate() {
            let at = (piece * piece_bytes) as u64;
            let id = 101 + u32::try_from(piece).expect("few");
            to.write_all(&packet(WRITE, id, &write_body(&big, at, part))).expect("written");
        }
        to.write_all(&packet(CLOSE, 9999, &string(&big))).expect("written");
        to
    });
    site.local("other.csv", "x\n1\n");
    let before = resident_bytes();
    site.sftp("acme", "put other.csv stock/other.csv.part\nls stock\n").ok();
    site.sftp("bolt", "ls\n").ok();
    assert!(resident_bytes().saturating_sub(before) < 24 << 20);
    assert_eq!(site.landed(), Vec::<String>::new());
    site.gate.open();
    for id in (100..).take(pieces + 1) {
        let answer = slow.answer();
        assert_eq!((answer.id, answer.status()), (id, 0));
    }
    assert_eq!(slow.answer().status(), 0);
    drop(writer.join().expect("written"));
    assert_eq!(Raw::connect(&site, "acme").stat("/orders/big.bin.part").size(), 16 << 20);
    assert_eq!(site.landed(), ["small.csv"]);
}

#[test]
fn a_close_that_was_begun_is_finished_though_its_peer_is_gone() {
    let site = Site::open();
    site.gate.close();
    let mut raw = Raw::connect(&site, "acme");
    let handle = raw.open("/orders/a.csv", WRITING | CREATING).handle();
    raw.write_all(&packet(WRITE, 7, &write_body(&handle, 0, b"x")));
    assert_eq!(raw.answer().status(), 0);
    raw.write_all(&packet(CLOSE, 8, &string(&handle)));
    site.gate.wait_for_somebody();
    raw.kill();
    site.gate.open();
    site.wait_for(|event| matches!(event, Event::Received { .. }).then_some(()));
    assert_eq!(site.landed(), ["a.csv"]);
    assert_eq!(site.count(|event| matches!(event, Event::UploadInterrupted { .. })), 0);
}

#[test]
fn a_stream_that_makes_no_sense_is_cut_off_with_a_reason() {
    let site = Site::open();
    let mut raw = Raw::connect(&site, "acme");
    raw.write_all(&[0xff; 64]);
    let mut rest = Vec::new();
    raw.from.read_to_end(&mut rest).expect("read");
    assert_eq!(rest, b"");
    assert!(raw.last_words().contains("a packet of 4294967295 bytes is not allowed"));
}

#[test]
fn an_idle_connection_is_closed() {
    let site = Site::with(|config| config.sftp.idle_timeout = Duration::from_millis(300));
    let mut raw = Raw::connect(&site, "acme");
    let mut rest = Vec::new();
    raw.from.read_to_end(&mut rest).expect("read");
}

#[test]
fn a_stopping_server_keeps_what_was_not_closed() {
    let site = Site::open();
    let mut raw = Raw::connect(&site, "acme");
    let handle = raw.open("/orders/a.csv", WRITING | CREATING).handle();
    assert_eq!(raw.write(&handle, 0, b"half").status(), 0);
    site.stop();
    assert!(raw.last_words().contains("this server stops; connect again in a moment"));
    assert_eq!(site.count(|event| matches!(event, Event::UploadInterrupted { .. })), 1);
    let site = site.restart();
    assert_eq!(site.recovered.uploads, 1);
    assert_eq!(Raw::connect(&site, "acme").stat("/orders/a.csv").size(), 4);
}

#[test]
fn the_same_with_every_sync() {
    let site = Site::with(|config| config.durability = Durability::Full);
    let bytes = noise(80 << 20);
    site.local("a.csv", &bytes);
    site.sftp("acme", "cd orders\nput a.csv\nput a.csv b.csv.part\nrename b.csv.part b.csv\n").ok();
    let arrivals = site.arrivals();
    assert_eq!(site.landed(), ["a.csv", "b.csv"]);
    assert_eq!(arrivals[0].digest, arrivals[1].digest);
    assert!(site.raw(&arrivals[1]) == bytes);
}
