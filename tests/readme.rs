//! Every example of the README, run in its order, as a reader would.
#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "tests"
)]

mod support;

use std::fs;
use std::path::Path;
use std::process::Command;

use landfall::ledger::State;
use support::TestZone;

/// The `sh` examples with the reader they are for, in order.
fn examples(readme: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut lines = readme.lines();
    while let Some(line) = lines.next() {
        if let Some(reader) = line.strip_prefix("```sh ") {
            let code: Vec<&str> = lines.by_ref().take_while(|line| *line != "```").collect();
            found.push((reader.to_owned(), code.join("\n")));
        }
    }
    found
}

/// Runs one example and returns what it printed.
fn run(code: &str, folder: &Path, port: u16) -> String {
    let code = code
        .replace("-P 2222", &format!("-P {port}"))
        .replace("-p 2222", &format!("-p {port}"))
        .replace(
            "StrictHostKeyChecking=accept-new",
            "StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null",
        );
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let binary = Path::new(env!("CARGO_BIN_EXE_landfall")).parent().expect("a folder");
    let path = std::env::join_paths(
        [binary.to_path_buf(), root.join("target/tests-python/bin")]
            .into_iter()
            .chain(std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default())),
    );
    let output = Command::new("bash")
        .args(["-euo", "pipefail", "-c", &code])
        .current_dir(folder)
        .env("PATH", path.expect("a path"))
        .env_remove("LANDFALL_ZONE")
        .output()
        .expect("bash runs");
    let text = format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(output.status.success(), "{code}\n--- printed:\n{text}");
    text
}

#[test]
fn every_example_works() {
    let readme =
        fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).expect("text");
    let examples = examples(&readme);
    let readers: Vec<&str> = examples.iter().map(|(reader, _)| reader.as_str()).collect();
    for reader in ["setup", "partner", "analyst", "ops", "engineer"] {
        assert!(readers.contains(&reader), "no example for {reader}");
    }
    let folder = tempfile::tempdir().expect("a folder");
    // What the setup makes is served on a port that the system chooses.
    let (_, setup) = &examples[0];
    run(setup, folder.path(), 0);
    let zone = TestZone::at(folder.path().join("zone"));
    let server = zone.serve();
    let mut printed = String::new();
    for (reader, code) in &examples[1..] {
        if reader != "partner" {
            zone.wait_for_ends(1);
        }
        if reader == "ops" {
            // A reader is slower than a second, which is what a final receipt takes.
            let ledger = zone.ledger();
            support::all(&ledger)
                .iter()
                .for_each(|arrival| drop(zone.wait_for_receipt(arrival.id)));
        }
        printed += &run(code, zone.path(), server.port);
    }
    assert!(printed.contains("\"outcome\""), "the receipt: {printed}");
    let arrivals = zone.wait_for_ends(5);
    let names: Vec<String> = arrivals.iter().map(|arrival| arrival.name.to_string()).collect();
    assert!(names.contains(&"budget.xlsx".to_owned()), "{names:?}");
    assert!(arrivals.iter().any(|arrival| arrival.state == State::Tested), "{names:?}");
    server.stop();
}
