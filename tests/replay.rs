//! What converting again would change is told, and nothing is changed by telling it.
#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "tests"
)]

mod support;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use landfall::ledger::Ledger as _;
use support::TestZone;

const CONTRACT: &str = "\
max_rejects = 1
[column.id]
type = \"int64\"
[column.amount]
type = \"decimal(10,2)\"
decimal = \",\"
";

fn published() -> TestZone {
    let zone = TestZone::new("[feed.orders]\n");
    let server = zone.serve();
    let inbox = zone.inbox("orders");
    for (name, amounts) in [("a.csv", "10,50\n2;0,05"), ("b.csv", "x\n2;1,00"), ("c.csv", "x\n2;y")]
    {
        fs::write(inbox.join(name), format!("id;amount\n1;{amounts}\n")).unwrap();
    }
    zone.wait_for_ends(3);
    server.stop();
    zone
}

fn said(zone: &TestZone, arguments: &[&str]) -> (Option<i32>, String) {
    let output = zone.run(arguments);
    let text = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8(text).unwrap())
}

/// Every file of the zone that is kept, with its bytes.
fn kept(folder: &Path, found: &mut BTreeMap<PathBuf, Vec<u8>>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            kept(&path, found);
        } else {
            found.insert(path.clone(), fs::read(path).unwrap());
        }
    }
}

#[test]
fn a_dry_run_tells_what_would_change_and_changes_nothing() {
    let zone = published();
    let all = || {
        let mut found = BTreeMap::new();
        for room in ["archive", "lake"] {
            kept(&zone.path().join(room), &mut found);
        }
        (found, zone.ledger().head())
    };
    let before = all();
    let (code, text) = said(&zone, &["replay", "--dry-run", "--feed", "orders"]);
    assert_eq!(code, Some(0), "{text}");
    assert_eq!(text.matches(": the same").count(), 3, "the same values come of it: {text}");
    assert!(text.contains("3 files tried: 0 would change"), "{text}");

    fs::create_dir_all(zone.path().join("contracts")).unwrap();
    fs::write(zone.path().join("contracts/orders.toml"), CONTRACT).unwrap();
    let (code, text) = said(&zone, &["replay", "--dry-run", "--feed", "orders"]);
    assert_eq!(code, Some(3), "{text}");
    assert!(text.contains("3 files tried: 2 would change, 1 would be held"), "{text}");
    assert!(text.contains("c.csv of orders") && text.contains("would be held"), "{text}");
    let (code, text) = said(&zone, &["replay", "--dry-run", "a.csv"]);
    assert_eq!(code, Some(0), "{text}");
    assert!(
        text.contains("would change, 2 → 2 rows\n  column amount: text → decimal(10,2)"),
        "{text}"
    );
    // Printed back, the values are the same.
    assert!(!text.contains("changed in"), "{text}");
    let (_, text) = said(&zone, &["replay", "--dry-run", "b.csv"]);
    for line in ["2 → 1 rows, 0 → 1 rejected", "1 row gone"] {
        assert!(text.contains(line), "{text}");
    }
    fs::write(zone.path().join("contracts/orders.toml"), format!("null = [\"x\"]\n{CONTRACT}"))
        .unwrap();
    let (_, text) = said(&zone, &["replay", "--dry-run", "b.csv"]);
    assert!(text.contains("1 cell changed in amount, first in record 1: `x` → null"), "{text}");
    fs::write(zone.path().join("contracts/orders.toml"), CONTRACT).unwrap();
    let output = zone.run(&["replay", "--dry-run", "b.csv", "--json"]);
    let told: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&told["change"], &told["rows_gone"]), (&"parquet".into(), &1.into()));
    assert_eq!(all(), before, "nothing is changed");
    let (code, text) = said(&zone, &["replay", "a.csv"]);
    assert!(code == Some(2) && text.contains("--dry-run"), "{text}");
}
