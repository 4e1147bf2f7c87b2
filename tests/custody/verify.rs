//! Whatever changes in what is kept is named, told and mended from a copy.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use crate::support::{TestZone, feed_name};
use landfall::custody::{Pace, Step, Verifier};
use landfall::ledger::{Custody as _, Event, Kept, KeptKind, Ledger, Problem};
use landfall::zone::Zone;

const FILES: usize = 12;
/// Bits that are flipped, one after the other.
const FLIPS: usize = 1000;

/// A zone where files arrived and were published, one of them with rejects.
fn published(more: &str) -> TestZone {
    let zone = TestZone::new(&format!("{more}[feed.orders]\nmatch = [\"*.csv\"]\n"));
    let server = zone.serve();
    let inbox = zone.inbox("orders");
    let rows: String = (0..300).map(|n| format!("{n},x{n}\n")).collect();
    fs::write(inbox.join("part.csv"), format!("id,name\n{rows}9,1,2,3\n")).unwrap();
    for n in 1..FILES {
        fs::write(inbox.join(format!("{n}.csv")), format!("id,name\n{n},a\n{n}1,b\n")).unwrap();
    }
    zone.wait_for_ends(FILES);
    server.stop();
    zone
}

/// Every file that is kept.
fn kept(zone: &TestZone) -> Vec<Kept> {
    let ledger = zone.ledger();
    let (_, mut all) = ledger.kept(0, 1000).unwrap().unwrap();
    for batch in zone.batches("orders") {
        all.push(Kept {
            kind: KeptKind::Manifest,
            arrival: None,
            path: Zone::manifest_path(&feed_name("orders"), batch.sequence),
            digest: batch.manifest_digest.unwrap(),
        });
    }
    let kinds: BTreeSet<String> = all.iter().map(|kept| format!("{:?}", kept.kind)).collect();
    assert_eq!(kinds.len(), 4, "raw, Parquet, rejects and manifests: {kinds:?}");
    all
}

fn flip(path: &Path, bit: u64) {
    fs::set_permissions(path, fs::Permissions::from_mode(0o640)).unwrap();
    let mut bytes = fs::read(path).unwrap();
    let at = usize::try_from(bit).unwrap() % (bytes.len() * 8);
    bytes[at / 8] ^= 1 << (at % 8);
    fs::write(path, bytes).unwrap();
}

/// Numbers that look drawn by chance, the same each time (Steele and others, SplitMix).
fn drawn(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mixed = (*state ^ (*state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed ^ (mixed >> 27)
}

#[test]
fn every_flipped_bit_is_named() {
    let zone = published("");
    let (all, ledger) = (kept(&zone), zone.ledger());
    let of_zone = Zone::new(zone.path());
    let mut verifier = Verifier::new(&of_zone, &ledger, Pace::new(None));
    let mut state = 7;
    let mut hit = BTreeSet::new();
    for _ in 0..FLIPS {
        let one = &all[usize::try_from(drawn(&mut state)).unwrap() % all.len()];
        let (path, bit) = (of_zone.resolve(&one.path).unwrap(), drawn(&mut state));
        hit.insert(one.path.clone());
        flip(&path, bit);
        let mut named = Vec::new();
        verifier.check(one, &mut |step| {
            if let Step::Found(found) = step {
                named.push((found.path, found.problem));
            }
        });
        assert_eq!(named, [(one.path.clone(), Problem::Damaged)], "bit {bit}");
        flip(&path, bit);
        verifier.check(one, &mut |step| assert!(matches!(step, Step::Whole(_)), "{step:?}"));
    }
    assert_eq!(hit.len(), all.len(), "each file was hit");
}

fn copied(zone: &TestZone) -> tempfile::TempDir {
    let copy = tempfile::tempdir().unwrap();
    let status = std::process::Command::new("cp")
        .arg("-a")
        .arg(zone.path().join("."))
        .arg(copy.path())
        .status();
    assert!(status.unwrap().success());
    copy
}

fn said(zone: &TestZone, arguments: &[&str]) -> (Option<i32>, String) {
    let output = zone.run(arguments);
    let text = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8(text).unwrap())
}

fn resolved(zone: &TestZone, kept: &Kept) -> PathBuf {
    zone.path().join(kept.path.as_str())
}

#[test]
fn what_is_wrong_is_told_and_comes_back_from_a_copy() {
    let zone = published("");
    let copy = copied(&zone);
    let all = kept(&zone);
    let first = |kind| all.iter().find(|kept| kept.kind == kind).unwrap();
    let (raw, parquet) = (first(KeptKind::Raw), first(KeptKind::Parquet));
    let (rejects, manifest) = (first(KeptKind::Rejects), first(KeptKind::Manifest));
    let (code, text) = said(&zone, &["verify"]);
    assert!(code == Some(0) && text.contains("every one is as the ledger says"), "{text}");
    flip(&resolved(&zone, raw), 5);
    flip(&resolved(&zone, manifest), 9);
    flip(&resolved(&zone, rejects), 77);
    fs::remove_file(resolved(&zone, parquet)).unwrap();
    let stranger = zone.path().join("lake/orders/v1/stranger.parquet");
    fs::write(&stranger, "?").unwrap();
    let long_ago = SystemTime::now() - Duration::from_secs(3600);
    fs::File::open(&stranger).unwrap().set_modified(long_ago).unwrap();

    // Beside a server: what is found is in its ledger, and it is an alarm.
    let server = zone.serve();
    let (code, text) = said(&zone, &["verify"]);
    assert_eq!(code, Some(3), "{text}");
    for (what, kept) in
        [("damaged", raw), ("damaged", manifest), ("damaged", rejects), ("missing", parquet)]
    {
        assert!(text.contains(&format!("{what:10}  {}\n", kept.path)), "{text}");
    }
    assert!(text.contains("unknown     lake/orders/v1/stranger.parquet"), "{text}");
    assert!(text.contains("4 not whole, 1 unknown"), "{text}");
    let (code, status) = said(&zone, &["status"]);
    assert_eq!(code, Some(3));
    assert!(
        status.contains("4 files are damaged or missing")
            && status.contains("verify --known --restore-from DIR"),
        "{status}"
    );
    assert!(status.contains("stranger.parquet is unknown"), "{status}");
    let corrupt = |event: &Event| matches!(event, Event::ArchiveCorrupt { .. });
    let count = || {
        zone.ledger().events(0, 10_000).unwrap().iter().filter(|told| corrupt(&told.event)).count()
    };
    assert_eq!(count(), 5);
    said(&zone, &["verify"]);
    assert_eq!(count(), 5, "what is known is no new event");

    // A copy with other bytes is not taken.
    flip(&copy.path().join(raw.path.as_str()), 6);
    let from = copy.path().to_str().unwrap();
    let (code, text) = said(&zone, &["verify", "--known", "--restore-from", from]);
    assert!(code == Some(3) && text.contains("other bytes than were recorded"), "{text}");
    assert!(text.contains("3 brought back"), "{text}");
    server.stop();
    flip(&copy.path().join(raw.path.as_str()), 6);
    fs::remove_file(&stranger).unwrap();
    let (code, text) = said(&zone, &["verify", "--known", "--restore-from", from]);
    assert!(code == Some(0) && text.contains("the damaged one is"), "{text}");
    let object = resolved(&zone, raw);
    assert_eq!(fs::metadata(&object).unwrap().permissions().mode() & 0o777, 0o440);
    let damaged = fs::read_dir(zone.path().join(".landfall/damaged")).unwrap().count();
    assert_eq!(damaged, 3, "what was damaged is kept");
    let (code, text) = said(&zone, &["verify"]);
    assert!(code == Some(0) && text.contains("every one is as the ledger says"), "{text}");
    let (code, status) = said(&zone, &["status"]);
    assert_eq!(code, Some(0), "{status}");
}

#[test]
fn a_part_can_be_read() {
    let zone = published("");
    let (_, text) = said(&zone, &["verify", "--since", "1h"]);
    assert!(text.starts_with(&format!("Read {} files", 2 * FILES + 1)), "no manifests: {text}");
    let (_, text) = said(&zone, &["verify", "--since", "2020-01-01", "--sample", "100%"]);
    assert!(text.starts_with(&format!("Read {} files", 2 * FILES + 1)), "{text}");
    let (code, text) = said(&zone, &["verify", "--sample", "0%"]);
    assert!(code == Some(2) && text.contains("a part such as 5%"), "{text}");
    let read = |text: &str| text.split(' ').nth(1).unwrap().parse::<usize>().unwrap();
    let (_, text) = said(&zone, &["verify", "--sample", "3"]);
    assert!(read(&text) <= 2 * FILES, "{text}");
}

#[test]
fn a_running_server_reads_everything_again_by_itself() {
    let zone = published("[verify]\nevery = \"1s\"\n");
    let all = kept(&zone);
    let raw = all.iter().find(|kept| kept.kind == KeptKind::Raw).unwrap();
    let path = resolved(&zone, raw);
    flip(&path, 11);
    let server = zone.serve();
    let has = |ledger: &dyn Ledger, wanted: fn(&Event) -> bool| {
        ledger.events(0, 100_000).unwrap().iter().any(|told| wanted(&told.event))
    };
    zone.wait_until("the damage is found", |ledger| {
        has(ledger, |event| matches!(event, Event::ArchiveCorrupt { .. }))
    });
    let found = zone.ledger().findings(10).unwrap();
    assert_eq!((&found[0].0.path, found[0].0.problem), (&raw.path, Problem::Damaged));
    zone.wait_until("a round is over", |ledger| {
        has(ledger, |event| matches!(event, Event::Verified { .. }))
    });
    flip(&path, 11);
    zone.wait_until("it is whole again", |ledger| ledger.findings(10).unwrap().is_empty());
    server.stop();
}
