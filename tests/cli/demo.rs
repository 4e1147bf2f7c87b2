//! The demo: every file arrives, twice, and git sees nothing of it.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::support::{landfall, python};

fn git(folder: &Path, arguments: &[&str]) -> String {
    let output = Command::new("git").arg("-C").arg(folder).args(arguments).output().expect("git");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("text")
}

/// A repository with the default zone in it, as a clone of this one has.
fn clone() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    fs::copy(here.join(".gitignore"), folder.path().join(".gitignore")).expect("copied");
    let made = landfall().current_dir(folder.path()).args(["init", "landing"]).status();
    assert!(made.expect("it runs").success());
    // Tests run side by side: each server takes a port of its own.
    let config = folder.path().join("landing/landfall.toml");
    let text = fs::read_to_string(&config).expect("a configuration");
    fs::write(config, text.replace("127.0.0.1:2222", "127.0.0.1:0")).expect("written");
    git(folder.path(), &["init", "-q"]);
    git(folder.path(), &["add", "-A"]);
    folder
}

fn demo(folder: &Path) -> serde_json::Value {
    let arguments = ["demo", "--once", "--rows", "50000", "--json"];
    let output = landfall().current_dir(folder).args(arguments).output().expect("it runs");
    let text = String::from_utf8(output.stdout).expect("text");
    let told = text.lines().last().and_then(|line| serde_json::from_str(line).ok());
    let told: serde_json::Value = told.expect("a JSON object");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{told:#}\n{stderr}");
    told
}

#[test]
fn every_file_of_the_demo_arrives_twice_and_git_stays_clean() {
    let folder = clone();
    let first = demo(folder.path());
    assert_eq!((&first["schema"], &first["well"]), (&"landfall.demo/v1".into(), &true.into()));
    let states = |told: &serde_json::Value| -> Vec<String> {
        let files = told["files"].as_array().expect("files").iter();
        files.map(|file| file["arrival"]["state"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(states(&first), vec!["handed_off"; 7]);

    // What DuckDB reads by the printed query is what Python's csv module reads from the source.
    let source = folder.path().join("landing/.landfall/demo/orders_50000.csv");
    let expected = python(
        "import csv, sys, decimal\n\
         rows = list(csv.DictReader(open(sys.argv[1], newline='')))\n\
         amount = sum(int(r['quantity']) * decimal.Decimal(r['unit_price']) for r in rows)\n\
         print(len(rows), sum(int(r['quantity']) for r in rows), amount)",
        &[source.to_str().unwrap()],
    );
    let query = first["query"].as_str().unwrap();
    let read = python("import duckdb, sys; print(*duckdb.sql(sys.argv[1]).fetchone())", &[query]);
    assert_eq!(read, expected);

    let second = demo(folder.path());
    assert_eq!(states(&second), vec!["duplicate"; 7], "recorded, not handed off again");
    assert_eq!(git(folder.path(), &["diff", "--stat"]), "");
    assert_eq!(git(folder.path(), &["ls-files", "--others", "--exclude-standard"]), "");
}

#[test]
fn the_demo_makes_the_default_zone_where_there_is_none_and_tells_each_step() {
    let folder = tempfile::tempdir().unwrap();
    // Port 2222 may be taken, by another test as well; then the demo takes another.
    let output = landfall()
        .current_dir(folder.path())
        .args(["demo", "--once", "--rows", "1000"])
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}{stderr}");
    assert!(stderr.starts_with("Made the default zone in landing."), "{stderr}");
    for step in ["archived: ", "converted: ", "manifest 1 of orders", "acknowledged by example"] {
        assert!(text.contains(step), "{step}: {text}");
    }
    assert!(text.contains("duckdb -c"), "{text}");
}
