//! `feed history` and `feed diff`: columns and contracts with dates, and who changed them.

use std::fs;

use landfall::archive::digest;

use crate::support::TestZone;
use crate::{json, send_all, told, write_contract};

const FIRST: &str = "mode.columns = \"evolve\"\n[column]\nid = \"int64\"\nn = \"int64\"\n";
const SECOND: &str = "# Numbers had letters.\nmode.columns = \"evolve\"\nmax_rejects = 5\n[column]\nid = \"int64\"\nn = \"text\"\n";

#[test]
fn changes_are_told_in_order_with_who_and_when() {
    let zone = TestZone::new("[feed.orders]\n");
    let server = zone.serve();
    send_all(&zone, &[("a.csv", "id,n\n1,1\n"), ("b.csv", "id,n,city\n2,2,Rome\n")]);
    write_contract(&zone, FIRST);
    assert!(zone.run(&["reload"]).status.success());
    write_contract(&zone, SECOND);
    assert!(zone.run(&["reload"]).status.success());
    send_all(&zone, &[("c.csv", "id,n,city\n3,x,Rome\n")]);
    fs::remove_file(zone.path().join("contracts/orders.toml")).expect("removed");
    assert!(zone.run(&["reload"]).status.success());
    server.stop();
    // A start under the same rules is no change.
    zone.serve().stop();
    let lines = json(&zone.run(&["feed", "history", "orders", "--json"]));
    let digests = [FIRST, SECOND].map(|text| digest::of_bytes(text.as_bytes()).to_string());
    let what: Vec<_> = lines
        .iter()
        .map(|line| match line["what"].as_str().expect("what") {
            "columns" => format!("r{} v{} {}", line["revision"], line["version"], line["name"]),
            _contract => format!("contract {}", line["contract"]),
        })
        .collect();
    assert_eq!(
        what,
        [
            "r1 v1 \"a.csv\"".to_owned(),
            "r2 v1 \"b.csv\"".to_owned(),
            format!("contract \"{}\"", digests[0]),
            format!("contract \"{}\"", digests[1]),
            "r3 v2 \"c.csv\"".to_owned(),
            "contract null".to_owned(),
        ]
    );
    assert!(lines.iter().all(|line| line["at"].is_string()), "{lines:#?}");
    assert!(lines[2]["by"].is_string(), "a reload names who asked for it: {}", lines[2]);
    let (_, stdout, _) = told(&zone.run(&["feed", "history", "orders"]));
    for expected in ["by b.csv from local:", "no contract any more, by a reload of "] {
        assert!(stdout.contains(expected), "{expected}\n{stdout}");
    }

    diffs(&zone, &digests);
}

fn diffs(zone: &TestZone, digests: &[String; 2]) {
    let (code, stdout, _) = told(&zone.run(&["feed", "diff", "orders"]));
    assert_eq!(code, 0);
    for expected in [
        "columns, revision 2 → 3\n    column `n` left int64 for text\n",
        "max_rejects    -        →  5\n",
        "column.n.type  \"int64\"  →  \"text\"\n",
    ] {
        assert!(stdout.contains(expected), "{expected}\n{stdout}");
    }
    assert!(!stdout.contains("Numbers had letters"), "comments say nothing:\n{stdout}");
    let (_, stdout, _) = told(&zone.run(&["feed", "diff", "orders", "1", "v2"]));
    assert!(stdout.contains("column `n` left int64 for text"), "{stdout}");
    assert!(stdout.contains("column `city` (text) was added"), "{stdout}");
    // Against the file as it is now.
    write_contract(zone, &SECOND.replace("= 5", "= 6"));
    let (code, stdout, _) = told(&zone.run(&["feed", "diff", "orders", &digests[1][..8], "now"]));
    assert!(code == 0 && stdout.contains("max_rejects  5  →  6\n"), "{stdout}");
    let (code, _, stderr) = told(&zone.run(&["feed", "diff", "orders", "1", "9"]));
    assert!(code == 4 && stderr.contains("H131"), "{stderr}");
    let (code, _, stderr) = told(&zone.run(&["feed", "diff", "orders", "1", "now"]));
    assert!(code == 4 && stderr.contains("H131"), "{stderr}");
}

#[test]
fn a_feed_of_which_nothing_is_known_says_so() {
    let zone = TestZone::new("[feed.orders]\n");
    let (code, stdout, stderr) = told(&zone.run(&["feed", "history", "orders"]));
    assert_eq!((code, stdout.as_str()), (0, ""));
    assert!(stderr.contains("never had a contract"), "{stderr}");
    assert_eq!(zone.run(&["feed", "history", "nobody"]).status.code(), Some(4));
    assert_eq!(zone.run(&["feed", "diff", "nobody"]).status.code(), Some(4));
}
