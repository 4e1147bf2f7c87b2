//! Contracts in a zone and on the command line: from `contracts/<feed>.toml` to Parquet, rejects,
//! receipts, events and the archive.

use std::fs;
use std::path::Path;

use crate::support::{TestZone, landfall};
use landfall::archive::digest;
use landfall::ledger::{Event, Ledger, Recorded, State};
use landfall::schema::Change;

const CONTRACT: &str = "\
max_rejects = 1
match = \"orders_{region}_{date:%Y%m%d}.csv\"
[column.id]
type = \"int64\"
unique = true
[column.amount]
type = \"decimal(10,2)\"
decimal = \",\"
[column.fee]
type = \"decimal(5,1)\"
";

/// A zone with the feed `orders`, which has this contract.
fn zone(contract: &str) -> TestZone {
    let zone = TestZone::new("[feed.orders]\n[feed.other]\n");
    write_contract(&zone, "orders", contract);
    zone
}

fn write_contract(zone: &TestZone, feed: &str, text: &str) {
    fs::create_dir_all(zone.path().join("contracts")).expect("made");
    fs::write(zone.path().join(format!("contracts/{feed}.toml")), text).expect("written");
}

fn drop_in(zone: &TestZone, name: &str, text: &str) {
    fs::write(zone.inbox("orders").join(name), text).expect("dropped");
}

fn events(zone: &TestZone) -> Vec<Recorded> {
    zone.ledger().events(0, 10_000).expect("events")
}

fn text(output: &std::process::Output) -> String {
    let both = [output.stdout.as_slice(), output.stderr.as_slice()].concat();
    String::from_utf8(both).expect("text")
}

#[test]
fn a_contract_holds_rejects_and_is_named_by_every_conversion() {
    let zone = zone(CONTRACT);
    let server = zone.serve();
    drop_in(
        &zone,
        "orders_north_20260131.csv",
        "id;amount;fee\n1;10,50;1.5\n1;11,50;1.5\n2;0,05;9999.9\n",
    );
    drop_in(&zone, "orders_south_20260131.csv", "id;amount;fee\n1;x;\n2;y;\n3;1,00;\n");
    drop_in(&zone, "else.csv", "id;amount;fee\n1;1,00;\n");
    let arrivals = zone.wait_for_ends(3);
    let of = |name: &str| arrivals.iter().find(|a| a.name.to_string() == name).expect("there");
    let north = of("orders_north_20260131.csv");
    let made = north.conversion.as_ref().expect("converted");
    assert_eq!((made.written, made.rejected), (2, 1));
    let contract = digest::of_bytes(CONTRACT.as_bytes());
    assert_eq!(made.report.contract, Some(contract));
    let history = zone.ledger().history(north.id).expect("history");
    let named = |recorded: &Recorded| matches!(&recorded.event, Event::Converted { contract: Some(c), .. } if *c == contract);
    assert!(history.iter().any(named), "{history:#?}");
    let held = |name: &str| {
        let arrival = of(name);
        assert_eq!(arrival.state, State::Held, "{name}");
        arrival.diagnostic.as_ref().expect("why").code.to_string()
    };
    assert_eq!(held("orders_south_20260131.csv"), "C120");
    assert_eq!(held("else.csv"), "C129");
    let rows = zone.duckdb(
        "select id, amount, typeof(amount), fee, typeof(fee), _lf_name_region, _lf_name_date::varchar, _lf_line \
         from read_parquet('{zone}/lake/orders/v1/*/*.parquet') order by id",
    );
    assert_eq!(
        rows,
        "1|10.50|DECIMAL(10,2)|1.5|DECIMAL(5,1)|north|2026-01-31|2\n\
         2|0.05|DECIMAL(10,2)|9999.9|DECIMAL(5,1)|north|2026-01-31|4"
    );
    let rejects = zone.duckdb(
        "select record, line, byte_offset, \"column\", code, reason, raw \
         from read_parquet('{zone}/rejects/orders/*/*.parquet')",
    );
    assert_eq!(rejects, "2|3|26|None|C125|the key (`id`) occurs earlier in the file|1;11,50;1.5");
    let result = zone.path().join("inbox/orders/_done");
    let result = read_result(&result, "orders_north_20260131.csv.result.txt");
    for expected in ["1 record: a key occurs twice (C125)", "line 3 (record 2)", "1;11,50;1.5"] {
        assert!(result.contains(expected), "{expected}\n{result}");
    }
    server.stop();
}

/// The text beside a taken file, below the folder of the day.
fn read_result(below: &Path, name: &str) -> String {
    let days = fs::read_dir(below).expect("a day").map(|day| day.unwrap().path());
    let files = days.flat_map(|day| fs::read_dir(day).unwrap().map(|file| file.unwrap().path()));
    let found = files.into_iter().find(|path| path.to_string_lossy().ends_with(name));
    fs::read_to_string(found.expect("a result")).expect("text")
}

#[test]
fn every_load_is_an_event_and_its_text_is_archived() {
    let zone = zone(CONTRACT);
    zone.serve().kill();
    let loaded = |events: &[Recorded]| {
        let loaded = events.iter().filter_map(|recorded| match &recorded.event {
            Event::ContractLoaded { feed, digest } => Some((feed.to_string(), *digest)),
            _other => None,
        });
        loaded.collect::<Vec<_>>()
    };
    let first = digest::of_bytes(CONTRACT.as_bytes());
    assert_eq!(loaded(&events(&zone)), [("orders".to_owned(), first)]);
    let kept = |digest| zone.path().join(format!("archive/_config/{digest}.toml"));
    assert_eq!(fs::read_to_string(kept(first)).expect("kept"), CONTRACT);
    let config = fs::read(zone.path().join("landfall.toml")).expect("read");
    assert_eq!(fs::read(kept(digest::of_bytes(&config))).expect("kept"), config);
    let changed = CONTRACT.replace("max_rejects = 1", "max_rejects = 2");
    write_contract(&zone, "orders", &changed);
    zone.serve().kill();
    let second = digest::of_bytes(changed.as_bytes());
    assert_eq!(loaded(&events(&zone))[1], ("orders".to_owned(), second));
    assert_eq!(fs::read_to_string(kept(first)).expect("still kept"), CONTRACT);
    assert_eq!(fs::read_to_string(kept(second)).expect("kept"), changed);
}

#[test]
fn check_tells_every_problem_of_every_contract() {
    let zone = zone("[column.id]\ntype = \"integer\"\n");
    write_contract(&zone, "ordrs", "[column]\nid = \"int64\"\n");
    let output = zone.run(&["check"]);
    let told = text(&output);
    assert_eq!(output.status.code(), Some(78), "{told}");
    for expected in [
        "contracts/orders.toml:2:8: `type` must be one of",
        "did you mean `int64`?",
        "contracts/ordrs.toml:1:1: is the contract of the feed `ordrs`, but there is no \
         [feed.ordrs]; did you mean `orders`?",
    ] {
        assert!(told.contains(expected), "{expected}\n{told}");
    }
    fs::remove_file(zone.path().join("contracts/ordrs.toml")).expect("removed");
    write_contract(&zone, "orders", CONTRACT);
    let told = text(&zone.run(&["check"]));
    assert!(told.contains("contracts  orders"), "{told}");
}

#[test]
fn drift_is_an_event_with_a_typed_diff_and_is_shown() {
    let zone = zone("mode.columns = \"evolve\"\n[column]\nid = \"int64\"\n");
    let server = zone.serve();
    for (count, (name, csv)) in [
        ("a.csv", "id,n\n1,1\n"),
        ("b.csv", "n,id,city\n2,2,Rome\n"),
        ("c.csv", "id,m,city\n3,3,Rome\n"),
    ]
    .iter()
    .enumerate()
    {
        drop_in(&zone, name, csv);
        zone.wait_for_ends(count + 1);
    }
    let changes: Vec<_> = events(&zone)
        .into_iter()
        .filter_map(|recorded| match recorded.event {
            Event::SchemaChanged { changes, .. } => Some(changes),
            Event::Held { diagnostic } => Some(diagnostic.changes.to_vec()),
            _other => None,
        })
        .collect();
    let told = |changes: &[Change]| changes.iter().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(told(&changes[0]), ["column `n` (int64) was added"]);
    assert_eq!(
        told(&changes[1]),
        ["column `city` (text) was added", "the columns came in another order"]
    );
    assert_eq!(told(&changes[2]), ["column `n` is missing", "column `m` was added"]);
    let shown = text(&zone.run(&["feed", "show", "orders"]));
    for expected in [
        "v1, revision 2: column `city` (text) was added; the columns came in another order",
        "c.csv, held: column `n` is missing; column `m` was added",
    ] {
        assert!(shown.contains(expected), "{expected}\n{shown}");
    }
    let listed = text(&zone.run(&["feed", "list"]));
    assert!(listed.contains("contract, v1"), "{listed}");
    let json = zone.run(&["feed", "show", "orders", "--json"]);
    let json: serde_json::Value = serde_json::from_slice(&json.stdout).expect("JSON");
    assert_eq!(json["revisions"][1]["changes"][0]["change"], "added");
    server.stop();
}

#[test]
fn a_version_opens_once_however_many_files_leave_the_type_together() {
    let zone = TestZone::new("[feed.orders]\n");
    let server = zone.serve();
    drop_in(&zone, "first.csv", "id,t\n1,x\n");
    zone.wait_for_ends(1);
    for n in 0..20 {
        drop_in(&zone, &format!("f{n}.csv"), &format!("id,t\n00{n},x\n"));
    }
    zone.wait_for_ends(21);
    let learned =
        zone.ledger().learned(&crate::support::feed_name("orders")).unwrap().expect("learned");
    assert_eq!((learned.version, learned.revision), (2, 2));
    let versions: Vec<_> =
        zone.batches("orders").iter().filter_map(|batch| batch.version).collect();
    assert!(versions.is_sorted() && versions.last() == Some(&2), "{versions:?}");
    let count = "select count(*) from read_parquet('{zone}/lake/orders/v2/*/*.parquet')";
    assert_eq!(zone.duckdb(count), "20");
    server.stop();
}

#[test]
fn convert_takes_a_contract_without_a_zone() {
    let folder = tempfile::tempdir().expect("a folder");
    let at = |name: &str| folder.path().join(name);
    fs::write(at("c.toml"), "[column]\nid = \"int64\"\nday = \"date\"\n").expect("written");
    fs::write(at("a.csv"), "id,day\n007,2026-01-31\n").expect("written");
    fs::write(at("b.csv"), "id,day\n1,31.01.2026\n").expect("written");
    let run = |file: &str| {
        let mut command = landfall();
        command.args(["convert", file, "--contract", "c.toml"]).current_dir(folder.path());
        command.output().expect("it runs")
    };
    let good = run("a.csv");
    assert!(good.status.success() && at("a.parquet").exists(), "{}", text(&good));
    let bad = run("b.csv");
    assert_eq!(bad.status.code(), Some(3), "{}", text(&bad));
    let told = text(&bad);
    assert!(told.contains("`day`: `31.01.2026` is not a date `%Y-%m-%d`"), "{told}");
    assert!(!at("b.parquet").exists());
    let mut inspect = landfall();
    inspect.args(["inspect", "b.csv", "--contract", "c.toml"]).current_dir(folder.path());
    assert_eq!(inspect.output().expect("it runs").status.code(), Some(3));
    fs::write(at("c.toml"), "[column]\nid = \"int46\"\n").expect("written");
    let wrong = run("a.csv");
    assert_eq!(wrong.status.code(), Some(78));
    assert!(text(&wrong).contains("c.toml:2:6"), "{}", text(&wrong));
}
