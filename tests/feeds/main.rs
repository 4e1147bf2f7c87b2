//! Feeds that people understand: what would become of a file, how columns and contract changed, and
//! code that reads the rows.
#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "tests"
)]

mod check;
mod history;
mod new;
mod propose;
mod snippets;
#[path = "../support/mod.rs"]
mod support;
#[path = "../support/workbook.rs"]
mod workbook;

use std::fs;
use std::path::Path;
use std::process::Output;

use support::TestZone;

/// Sends files to the feed `orders` one after the other, each when the one before is at its end.
fn send_all(zone: &TestZone, files: &[(&str, &str)]) {
    let folder = tempfile::tempdir().expect("a folder");
    let before = support::all(&zone.ledger()).len();
    for (n, (name, text)) in files.iter().enumerate() {
        let file = folder.path().join(name);
        fs::write(&file, text).expect("written");
        let (code, _, stderr) = told(&zone.run(&["send", plain(&file), "--feed", "orders"]));
        assert_eq!(code, 0, "{stderr}");
        zone.wait_for_ends(before + n + 1);
    }
}

fn write_contract(zone: &TestZone, text: &str) {
    fs::create_dir_all(zone.path().join("contracts")).expect("made");
    fs::write(zone.path().join("contracts/orders.toml"), text).expect("written");
}

/// Exit code, standard output and standard error.
fn told(output: &Output) -> (i32, String, String) {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("text");
    (output.status.code().expect("a code"), text(&output.stdout), text(&output.stderr))
}

fn json(output: &Output) -> Vec<serde_json::Value> {
    let text = String::from_utf8(output.stdout.clone()).expect("text");
    text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

fn plain(path: &Path) -> &str {
    path.to_str().expect("a plain path")
}
