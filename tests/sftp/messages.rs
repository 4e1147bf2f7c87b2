//! Every message number and packets that make no sense, after login: each is answered or ends its
//! own connection, and nobody else notices.

use std::io::Read;
use std::time::{Duration, Instant};

use crate::flow::resident_bytes;
use crate::raw::{Raw, STATUS, WRITE, packet};
use crate::support::{Site, noise};

const INIT: u8 = 1;
const VERSION: u8 = 2;
/// Within so long a connection that cannot be followed is closed.
const SOON: Duration = Duration::from_secs(1);

#[test]
fn every_message_number_is_answered_whatever_its_body() {
    let site = Site::open();
    let mut raw = Raw::connect(&site, "acme");
    let mut other = Raw::connect(&site, "acme");
    let long = noise(250 << 10);
    let bodies: [&[u8]; 6] = [b"", b"x", b"\0\0\0\x09x", b"\0\0\0\0", &[0xff; 300], &long];
    let before = resident_bytes();
    let mut asked = 0;
    for kind in (0..=255).filter(|kind| *kind != WRITE) {
        for body in bodies {
            raw.write_all(&packet(kind, 70_000 + asked, body));
            let answer = raw.answer();
            if kind == INIT {
                assert_eq!((answer.kind, answer.id), (VERSION, 3));
            } else {
                assert_eq!(answer.id, 70_000 + asked, "{kind}");
                // Nothing is there that an empty name could mean but the root.
                assert!([STATUS, 102, 104, 105, 201].contains(&answer.kind), "{kind}: {answer:?}");
            }
            asked += 1;
        }
    }
    assert!(resident_bytes().saturating_sub(before) < 24 << 20);
    assert_eq!(raw.stat("/orders").kind, 105);
    assert_eq!(other.stat("/orders").kind, 105);
    assert_eq!(site.landed(), Vec::<String>::new());
}

/// Sends something and waits for the end of the connection and of what was said.
fn cut_off(site: &Site, bytes: &[u8]) -> String {
    let mut raw = Raw::connect(site, "acme");
    raw.write_all(bytes);
    let begun = Instant::now();
    let mut rest = Vec::new();
    raw.from.read_to_end(&mut rest).expect("read");
    assert!(begun.elapsed() < SOON, "{:?}: {}", begun.elapsed(), bytes[..9].escape_ascii());
    assert_eq!(rest, b"");
    raw.last_words()
}

#[test]
fn packets_that_make_no_sense_end_their_connection_and_no_other() {
    let site = Site::open();
    let mut other = Raw::connect(&site, "acme");
    let handle = other.open("/orders/a.csv", 0x1a).handle();
    let before = resident_bytes();
    let framed = |length: u32, body: &[u8]| [&length.to_be_bytes(), body].concat();
    let lying_write = {
        let mut packet = packet(WRITE, 1, &crate::raw::write_body(b"\0\0\0\0", 0, &[7; 100]));
        packet[3] -= 50;
        packet
    };
    for (bytes, reason) in [
        (framed(0, &[3; 5]), "a packet of 0 bytes is not allowed"),
        (framed((256 << 10) + 1, &[3; 5]), "a packet of 262145 bytes is not allowed"),
        (framed(u32::MAX, &[3; 5]), "a packet of 4294967295 bytes is not allowed"),
        (framed(1, &[17; 5]), "a packet has no request id"),
        (framed(4, &[1, 0, 0, 0, 0]), "a packet has no request id"),
        (framed(4, &[200; 5]), "a packet has no request id"),
        (packet(WRITE, 1, b"x"), "a WRITE states more bytes than its packet has"),
        (packet(WRITE, 1, &[0xff; 400]), "a WRITE states more bytes than its packet has"),
        (lying_write, "a WRITE states more bytes than its packet has"),
    ] {
        let told = cut_off(&site, &bytes);
        assert!(told.contains(reason), "{reason}: {told}");
        assert_eq!(other.stat("/orders").kind, 105);
    }
    assert!(resident_bytes().saturating_sub(before) < 24 << 20);
    assert_eq!(other.write(&handle, 0, b"x").status(), 0);
    assert_eq!(other.close(&handle).status(), 0);
    assert_eq!(site.landed(), ["a.csv"]);
}

#[test]
fn handles_are_text_however_many_were_opened() {
    let site = Site::open();
    let mut raw = Raw::connect(&site, "acme");
    let mut seen = std::collections::BTreeSet::new();
    for _ in 0..300 {
        let handle = raw.ask(crate::raw::OPENDIR, &crate::raw::string("/orders")).handle();
        assert!(handle.is_ascii(), "some clients keep handles as text: {handle:?}");
        assert_eq!(raw.close(&handle).status(), 0);
        assert!(seen.insert(handle), "a late request never meets another folder");
    }
}
