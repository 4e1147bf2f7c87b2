//! The zoo: thirty files made to hurt. Each is held with a reason, within its limits; whoever sends
//! beside them never notices (`tests/bench/zoo` measures that).

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufWriter, Write};

use crate::bombs;
use crate::support::TestZone;
use landfall::ledger::State;

/// The peak resident memory of a process, in MiB.
fn peak_mib(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("status");
    let line = status.lines().find(|line| line.starts_with("VmHWM")).expect("a peak");
    line.split_whitespace().nth(1).expect("a number").parse::<u64>().expect("a number") / 1024
}

#[test]
fn thirty_bombs_are_held_with_reasons_while_others_go_on() {
    let zone = TestZone::new("[feed.zoo]\n[feed.calm]\n");
    let server = zone.serve();
    let made = zone.path().join("made");
    let drop_in = |feed: &str, name: &str, bytes: &[u8]| {
        fs::write(&made, bytes).expect("written");
        fs::rename(&made, zone.inbox(feed).join(name)).expect("dropped");
    };
    // What the server takes for files of this size that hurt nobody.
    drop_in("calm", "large.csv", &[b"id\n", "1\n".repeat(20 << 20).as_bytes()].concat());
    zone.wait_for_ends(1);
    let before = peak_mib(server.pid());
    let zoo = bombs::all();
    for (at, (name, _, bytes)) in zoo.iter().enumerate() {
        drop_in("zoo", name, bytes);
        drop_in("calm", &format!("{at}.csv"), format!("id\n{at}\n").as_bytes());
    }
    let (mut held, mut calm) = (BTreeMap::new(), 0);
    for arrival in zone.wait_for_ends(61) {
        let name = arrival.name.to_string();
        match arrival.feed.as_str() {
            "zoo" => {
                let code = arrival.diagnostic.as_ref().map(|told| told.code.to_string());
                assert_eq!(arrival.state, State::Held, "{name}: {arrival:#?}");
                held.insert(name, code.unwrap_or_default());
            }
            _ => {
                assert_eq!(arrival.state, State::HandedOff, "{name}");
                calm += 1;
            }
        }
    }
    let expected: BTreeMap<_, _> =
        zoo.iter().map(|(name, code, _)| ((*name).to_owned(), (*code).to_owned())).collect();
    assert_eq!((held, calm), (expected, 31));
    let grown = peak_mib(server.pid()) - before;
    assert!(grown <= 16, "the server grew by {grown} MiB");
    server.stop();
}

/// A thousand times as long as any limit of a line.
#[test]
fn a_giant_line_is_held_while_a_partner_goes_on() {
    let zone = TestZone::new("[feed.zoo]\n[feed.calm]\n");
    let key = zone.partner("acme", &["calm"], "");
    let server = zone.serve();
    let giant = zone.path().join("giant.csv");
    let mut file = BufWriter::new(fs::File::create(&giant).expect("created"));
    file.write_all(b"id,text\n1,").expect("written");
    let block = [b'x'; 1 << 20];
    for _ in 0..1000 {
        file.write_all(&block).expect("written");
    }
    file.flush().expect("written");
    drop(file);
    fs::rename(giant, zone.inbox("zoo").join("giant.csv")).expect("dropped");
    let local = zone.path().join("calm.csv");
    for n in 0..20 {
        fs::write(&local, format!("id\n{n}\n")).expect("written");
        server.sftp_ok("acme", &key, &format!("put {} calm{n}.csv\n", local.display()));
    }
    for arrival in zone.wait_for_ends(21) {
        let is_giant = arrival.feed.as_str() == "zoo";
        let expected = if is_giant { State::Held } else { State::HandedOff };
        assert_eq!(arrival.state, expected, "{arrival:#?}");
        let code = arrival.diagnostic.map(|told| told.code.to_string());
        assert_eq!(code.as_deref(), is_giant.then_some("C105"));
    }
    assert!(peak_mib(server.pid()) < 256, "the server took {} MiB", peak_mib(server.pid()));
    server.stop();
}
