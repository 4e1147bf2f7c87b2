//! `feed check`: the verdict is what the zone would do, and nothing is taken.

use std::fs;

use landfall::ledger::{Ledger, State};

use crate::support::{TestZone, landfall};
use crate::{json, plain, send_all, told, write_contract};

const CONTRACT: &str = "\
max_rejects = 1
[column.id]
type = \"int64\"
unique = true
[column.amount]
type = \"decimal(10,2)\"
decimal = \",\"
";

const FILES: [(&str, &str, &str); 4] = [
    ("good.csv", "id;amount\n1;10,50\n2;0,05\n", "accepted"),
    ("twice.csv", "id;amount\n1;10,50\n1;0,05\n", "partial"),
    ("bad.csv", "id;amount\nx;10,50\ny;1,00\n", "held"),
    ("other.csv", "id;price\n1;10,50\n", "held"),
];

#[test]
fn the_verdict_is_what_the_zone_then_does() {
    let zone = TestZone::new("[feed.orders]\nmatch = ['*.csv']\n[feed.else]\nmatch = ['*.txt']\n");
    write_contract(&zone, CONTRACT);
    let folder = tempfile::tempdir().expect("a folder");
    let server = zone.serve();
    for (name, text, verdict) in FILES {
        let file = folder.path().join(name);
        fs::write(&file, text).expect("written");
        let head = zone.ledger().head();
        let output = zone.run(&["feed", "check", plain(&file), "--json"]);
        let code = if verdict == "accepted" { 0 } else { 3 };
        let checked = &json(&output)[0];
        assert_eq!(output.status.code(), Some(code), "{checked}");
        assert_eq!((&checked["verdict"], &checked["feed"]), (&verdict.into(), &"orders".into()));
        assert_eq!(zone.ledger().head(), head, "nothing is recorded");
        send_all(&zone, &[(name, text)]);
        let arrival = crate::support::all(&zone.ledger()).pop().expect("an arrival");
        let made = arrival.conversion.as_ref();
        let became = match (arrival.state, made.map(|made| made.rejected)) {
            (State::Held, _) => "held",
            (_, Some(0)) => "accepted",
            (_, _) => "partial",
        };
        assert_eq!(became, verdict, "{name}");
        if let Some(made) = made {
            assert_eq!(checked["report"], serde_json::to_value(&made.report).unwrap(), "{name}");
        }
    }
    server.stop();
}

#[test]
fn a_file_that_would_be_held_is_told_with_line_and_reason() {
    let zone = TestZone::new("[feed.orders]\nmatch = ['*.csv']\n[feed.more]\nmatch = ['o*']\n");
    write_contract(&zone, CONTRACT);
    let at = |name: &str| plain(&zone.path().join(name)).to_owned();
    fs::write(at("a.csv"), "id;amount\n1;1.5\n2;2.5\n").expect("written");
    let (code, stdout, stderr) = told(&zone.run(&["feed", "check", &at("a.csv")]));
    assert!(code == 3 && stdout.contains("a.csv would be held by orders\n"), "{stdout}");
    assert!(stderr.contains("line") && stderr.contains("1.5"), "{stderr}");
    // Another contract is tried without being put in force.
    let dot = CONTRACT.replace("decimal = \",\"\n", "");
    fs::write(at("dot.toml"), dot).expect("written");
    let dot = at("dot.toml");
    let (code, stdout, _) = told(&zone.run(&["feed", "check", &at("a.csv"), "--contract", &dot]));
    assert!(code == 0 && stdout.contains("would be accepted by orders as v1: 2 rows"), "{stdout}");
    // A name that no feed takes, or several.
    for name in ["a.txt", "o.csv"] {
        fs::write(at(name), "id;amount\n1;1,5\n").expect("written");
        let (code, _, stderr) = told(&zone.run(&["feed", "check", &at(name)]));
        assert!(code == 1 && stderr.contains("error H130"), "{name}: {stderr}");
    }
    let (code, _, stderr) = told(&zone.run(&["feed", "check", &at("a.txt"), "--feed", "orders"]));
    assert!(code == 3 && stderr.contains("R101"), "{stderr}");
    let output = zone.run(&["feed", "check", &at("a.csv"), "--feed", "nobody"]);
    assert_eq!(output.status.code(), Some(4));
    assert_eq!(zone.run(&["feed", "check", "nowhere.csv"]).status.code(), Some(1));
    assert!(!zone.path().join(".landfall").exists(), "a check leaves nothing behind");
}

#[test]
fn without_a_contract_it_is_what_the_feed_has_learned() {
    let zone = TestZone::new("[feed.orders]\n");
    let server = zone.serve();
    send_all(&zone, &[("a.csv", "id,n\n1,1\n")]);
    server.stop();
    let file = zone.path().join("b.csv");
    let check = |text: &str| {
        fs::write(&file, text).expect("written");
        let mut command = landfall();
        command.args(["feed", "check", plain(&file), "--feed", "orders"]);
        told(&command.arg("--zone").arg(zone.path()).output().expect("it runs"))
    };
    let (code, stdout, _) = check("id,n,city\nx,2,Rome\n");
    assert_eq!(code, 0);
    for expected in ["accepted by orders as v2: 1 row", "column `id` left int64 for text", "`city`"]
    {
        assert!(stdout.contains(expected), "{expected}\n{stdout}");
    }
    let (code, _, stderr) = check("id,m\n1,2\n");
    assert!(code == 3 && stderr.contains("C110"), "{stderr}");
}
