//! Small outputs of a batch are merged, and taken apart again where one of them goes.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use crate::postgres_server::Postgres;
use crate::support::{Server, TestZone, all};
use landfall::ledger::{
    Arrival, Batch, Because, DeliveryState, Event, ReplayEnd, ReplayStanding, Replays as _, State,
};
use landfall::names::ArrivalId;

/// Stands in a value of a file that is taken.
const SECRET: &str = "Jane-Roe-4711";

fn zone(more: &str) -> TestZone {
    TestZone::new(&format!(
        "[zone]\ndurability = \"relaxed\"\n[feed.orders]\nsame_name = \"replace\"\n\
         retract_grace = \"1s\"\nbatch = {{ manual = true, merge = \"1 MiB\" }}\n{more}"
    ))
}

fn said(zone: &TestZone, arguments: &[&str]) -> (Option<i32>, String) {
    let output = zone.run(arguments);
    let text = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8(text).unwrap())
}

fn ok(zone: &TestZone, arguments: &[&str]) -> String {
    let (code, text) = said(zone, arguments);
    assert_eq!(code, Some(0), "{arguments:?}: {text}");
    text
}

fn drop_file(zone: &TestZone, name: &str, text: &str) {
    fs::write(zone.inbox("orders").join(name), text).unwrap();
}

fn text_of(n: usize) -> String {
    let name = if n == 11 { SECRET.to_owned() } else { format!("name {n}") };
    format!("id,name\n{n},{name}\n{},n/a\n{},\"x\ny\"\n", n + 1000, n + 2000)
}

/// Drops files and waits until each is converted; they lie ready for a batch.
fn bring(zone: &TestZone, files: std::ops::Range<usize>) {
    let end = files.end;
    for n in files {
        drop_file(zone, &format!("{n:03}.csv"), &text_of(n));
    }
    wait_for(zone, State::Converted, end);
}

fn wait_for(zone: &TestZone, state: State, count: usize) {
    zone.wait_until(&format!("{count} files {state:?}"), |ledger| {
        all(ledger).iter().filter(|arrival| arrival.state == state).count() == count
    });
}

/// Closes a batch and waits until it is handed off.
fn close(zone: &TestZone) -> Batch {
    ok(zone, &["batch", "close", "orders", "--reason", "test"]);
    let mut last = None;
    zone.wait_until("the batch to be handed off", |ledger| {
        last = ledger.batches(&"orders".parse().unwrap(), 0, 1000).unwrap().pop();
        let last = last.as_ref().unwrap();
        let mut sinks = ledger.deliveries(last.id).unwrap().into_iter();
        last.published_at.is_some() && sinks.all(|sink| sink.state == DeliveryState::Acknowledged)
    });
    last.unwrap()
}

fn find(zone: &TestZone, name: &str) -> Arrival {
    let mut found = all(&zone.ledger());
    found.retain(|arrival| arrival.name.to_string() == name);
    found.pop().unwrap()
}

fn below(zone: &TestZone, room: &str, end: &str) -> BTreeSet<String> {
    fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(folder).into_iter().flatten() {
            let path = entry.unwrap().path();
            if path.is_dir() { walk(&path, found) } else { found.push(path) }
        }
    }
    let mut found = Vec::new();
    walk(&zone.path().join(room), &mut found);
    let below = |path: PathBuf| path.strip_prefix(zone.path()).unwrap().display().to_string();
    found.into_iter().map(below).filter(|path| path.ends_with(end)).collect()
}

fn manifest(zone: &TestZone, sequence: u64) -> serde_json::Value {
    let path = zone.path().join(format!("lake/orders/_manifests/{sequence:010}.json"));
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

/// What a reader of the manifests has in the end: files, with how many rows of whom.
fn by_manifests(zone: &TestZone) -> BTreeMap<String, Vec<(String, u64)>> {
    let mut live: BTreeMap<String, Vec<(String, u64)>> = BTreeMap::new();
    for batch in zone.batches("orders") {
        let manifest = manifest(zone, batch.sequence);
        let gone = manifest["retracts"].as_array().unwrap().iter();
        let gone: BTreeSet<&str> = gone.map(|entry| entry["url"].as_str().unwrap()).collect();
        for url in gone {
            live.remove(url).expect("it was published before it is taken back");
        }
        let mut rows = 0;
        for entry in manifest["entries"].as_array().unwrap() {
            rows += entry["rows"].as_u64().unwrap();
            let of = |of: &serde_json::Value| {
                (of["arrival"].as_str().unwrap().to_owned(), of["rows"].as_u64().unwrap())
            };
            let shares: Vec<_> = match entry["arrivals"].as_array() {
                Some(merged) => merged.iter().map(of).collect(),
                None => vec![of(entry)],
            };
            assert_eq!(shares.iter().map(|share| share.1).sum::<u64>(), entry["rows"]);
            live.insert(entry["url"].as_str().unwrap().to_owned(), shares);
        }
        assert_eq!(manifest["rows"], rows);
    }
    live
}

fn in_the_lake(zone: &TestZone) -> BTreeSet<String> {
    below(zone, "lake/orders", ".parquet")
}

/// The rows of the lake by a plain glob: how many of whom, and the sum of the ids.
fn rows(zone: &TestZone) -> String {
    zone.duckdb(
        "select count(*), count(distinct _lf_arrival), sum(id)::bigint
         from read_parquet('{zone}/lake/orders/v1/*/*.parquet')",
    )
}

fn wait_for_the_lake(zone: &TestZone) {
    zone.wait_until("the lake to be as the manifests say", |_| {
        let live: BTreeSet<String> = by_manifests(zone).into_keys().collect();
        in_the_lake(zone) == live
    });
}

fn sum(files: impl Iterator<Item = usize>) -> usize {
    files.map(|n| 3 * n + 3000).sum()
}

#[test]
fn hundreds_of_small_files_become_a_few_with_every_row_and_its_origin() {
    let count = std::env::var("LANDFALL_MERGED_FILES").ok().and_then(|n| n.parse().ok());
    let count = count.unwrap_or(300);
    let zone = zone("");
    let server = zone.serve();
    bring(&zone, 0..count);
    // A large one has a file of its own.
    let large: String =
        (0..200_000_u64).map(|n| format!("0,{:x}\n", n.wrapping_mul(n << 20))).collect();
    drop_file(&zone, "large.csv", &format!("id,name\n{large}"));
    wait_for(&zone, State::Converted, count + 1);
    let batch = close(&zone);
    server.stop();
    assert_eq!(batch.members.len(), count + 1);
    let merged: Vec<_> = batch.files.iter().filter(|file| !file.parts.is_empty()).collect();
    assert_eq!((batch.files.len(), merged.len()), (2, 1));
    assert_eq!(merged.iter().map(|file| file.parts.len()).sum::<usize>(), count);
    assert_eq!(in_the_lake(&zone).len(), 2);
    assert_eq!(below(&zone, ".landfall/converted", ""), BTreeSet::new(), "nothing waits");

    let expected = format!("{}|{}|{}", count * 3 + 200_000, count + 1, sum(0..count));
    assert_eq!(rows(&zone), expected);
    let path = zone.path().join(merged[0].to.as_str());
    let groups = format!(
        "select count(distinct row_group_id), max(row_group_num_rows)
         from parquet_metadata('{}')",
        path.display()
    );
    assert_eq!(zone.duckdb(&groups), format!("1|{}", merged[0].rows));
    // The rows of each lie together, in the order of the manifest, and lead back to their source.
    let order = "select string_agg(_lf_arrival || ':' || n, ',' order by at_row) from (
        select _lf_arrival, count(*) n, min(file_row_number) at_row, max(file_row_number) - min(file_row_number) + 1 wide,
          string_agg(_lf_record::varchar, '' order by file_row_number) records
        from read_parquet('{path}', file_row_number = true) group by 1
        having wide = n and records = '123')";
    let told = manifest(&zone, 1);
    let entries = told["entries"].as_array().unwrap();
    let entry = entries.iter().find(|entry| entry["url"] == merged[0].to.as_str()).unwrap();
    assert_eq!(entry["arrival"], serde_json::Value::Null);
    let shares = entry["arrivals"].as_array().unwrap().iter();
    let shares: Vec<String> = shares
        .map(|share| format!("{}:{}", share["arrival"].as_str().unwrap(), share["rows"]))
        .collect();
    assert_eq!(zone.duckdb(&order.replace("{path}", path.to_str().unwrap())), shares.join(","));
    let one = find(&zone, "017.csv").id;
    let before = merged[0].part_of(one).unwrap().first_row;
    let shown = ok(&zone, &["show", &one.to_string()]);
    let line = format!("3 rows after the first {before}, merged with {} other files", count - 1);
    assert!(shown.contains(&line), "{shown}");
    let listed = ok(&zone, &["feed", "files", "orders"]);
    assert_eq!(listed.lines().count(), in_the_lake(&zone).len(), "{listed}");
}

fn a_contract(zone: &TestZone, null: &str) {
    fs::create_dir_all(zone.path().join("contracts")).unwrap();
    let columns = "[column.id]\ntype = \"int64\"\n[column.name]\ntype = \"text\"\n";
    fs::write(zone.path().join("contracts/orders.toml"), format!("{null}\n{columns}")).unwrap();
}

fn ended(zone: &TestZone, id: ArrivalId) -> ReplayEnd {
    let mut end = None;
    zone.wait_until("the replay to end", |_| {
        let standing = zone.ledger().replay_of(id).unwrap().unwrap().standing;
        if let ReplayStanding::Ended { end: ended } = standing {
            end = Some(ended);
        }
        end.is_some()
    });
    end.unwrap()
}

fn table(server: &Postgres) -> String {
    server.query("SELECT count(*), count(DISTINCT _lf_arrival), sum(id) FROM orders_v1")
}

/// Files of the zone in which a value is, whatever it is packed in.
fn with_the_secret(zone: &TestZone) -> Vec<String> {
    let mut found = Vec::new();
    for path in below(zone, "", "") {
        let absolute = zone.path().join(&path);
        if path.ends_with(".parquet") && !path.starts_with("rejects") {
            let query = format!(
                "select count(*) from read_parquet('{}') where name = '{SECRET}'",
                absolute.display()
            );
            if zone.duckdb(&query) != "0" {
                found.push(path.clone());
            }
        }
        let bytes = fs::read(absolute).unwrap_or_default();
        if bytes.windows(SECRET.len()).any(|here| here == SECRET.as_bytes()) {
            found.push(path);
        }
    }
    found
}

#[test]
fn one_of_twenty_is_replaced_replayed_and_erased_and_the_others_stay_as_they_are() {
    let server = Postgres::start();
    let zone =
        zone(&format!("sinks = [\"base\"]\n[sink.base]\npostgres = \"{}\"\n", server.address()));
    let served = zone.serve();
    bring(&zone, 0..20);
    let first = close(&zone);
    assert_eq!(first.files.len(), 1);
    assert_eq!(table(&server), format!("60|20|{}", sum(0..20)));

    // The same name again.
    drop_file(&zone, "003.csv", "id,name\n5,new\n");
    wait_for(&zone, State::Converted, 1);
    let second = close(&zone);
    assert_eq!((second.files.len(), second.retracts.len()), (2, 20));
    let itself = second.retracts.iter().filter(|taken| taken.replaced_by == Some(taken.arrival));
    assert_eq!(itself.count(), 19);
    wait_for_the_lake(&zone);
    let left = sum((0..20).filter(|n| *n != 3)) + 5;
    assert_eq!(rows(&zone), format!("58|20|{left}"));
    assert_eq!(table(&server), rows(&zone));

    // Converted again: first as it was, then under a contract that changes a value of each.
    let seven = find(&zone, "007.csv").id;
    let replay = || ok(&zone, &["replay", &seven.to_string(), "--reason", "test"]);
    replay();
    assert_eq!(ended(&zone, seven), ReplayEnd::Unchanged);
    assert_eq!(zone.batches("orders").len(), 2);
    a_contract(&zone, "null = [\"n/a\"]");
    ok(&zone, &["reload"]);
    let tried = said(&zone, &["replay", "--dry-run", &seven.to_string()]).1;
    assert!(tried.contains("1 cell changed in name, first in record 2: `n/a` → null"), "{tried}");
    replay();
    zone.wait_until("the replay to be made", |ledger| {
        ledger.events(0, 100_000).unwrap().iter().any(|told| {
            matches!(told.event, Event::ReplayConverted { .. }) && told.arrival == Some(seven)
        })
    });
    let third = close(&zone);
    assert_eq!(third.because.as_ref().map(|it| matches!(it, Because::Asked { .. })), Some(true));
    assert_eq!((third.files.len(), third.retracts.len()), (2, 19));
    wait_for_the_lake(&zone);
    assert_eq!(rows(&zone), format!("58|20|{left}"));
    let nulls =
        "select count(*) from read_parquet('{zone}/lake/orders/v1/*/*.parquet') where name is null";
    assert_eq!(zone.duckdb(nulls), "1");
    assert_eq!(table(&server), rows(&zone));
    assert_eq!(server.query("SELECT count(*) FROM orders_v1 WHERE name IS NULL"), "1");

    // Erased: no copy is left, in no file that has rows of others.
    assert!(with_the_secret(&zone).len() > 3, "{:?}", with_the_secret(&zone));
    let eleven = find(&zone, "011.csv").id;
    ok(&zone, &["erase", &eleven.to_string(), "--reason", "request 17", "--yes"]);
    zone.wait_until("the sink to be told", |ledger| {
        let last = ledger.batches(&"orders".parse().unwrap(), 0, 1000).unwrap().pop().unwrap();
        let mut sinks = ledger.deliveries(last.id).unwrap().into_iter();
        last.because == Some(Because::Erased)
            && sinks.all(|sink| sink.state == DeliveryState::Acknowledged)
    });
    wait_for_the_lake(&zone);
    served.stop();
    assert_eq!(with_the_secret(&zone), Vec::<String>::new());
    let left = left - (3 * 11 + 3000);
    assert_eq!(rows(&zone), format!("55|19|{left}"));
    assert_eq!(table(&server), rows(&zone));
    let live: BTreeSet<String> = zone
        .live("orders")
        .iter()
        .map(|path| path.strip_prefix(zone.path()).unwrap().display().to_string())
        .collect();
    assert_eq!(live, in_the_lake(&zone));
    let (code, text) = said(&zone, &["verify"]);
    assert_eq!(code, Some(0), "{text}");
    ok(&zone, &["audit", "verify"]);
}

/// Twenty files in one, of which one is taken back.
fn cut(zone: &TestZone) -> Server {
    let served = zone.serve();
    bring(zone, 0..20);
    close(zone);
    drop_file(zone, "003.csv", "id,name\n5,new\n");
    wait_for(zone, State::Converted, 1);
    close(zone);
    served
}

#[test]
fn a_flipped_bit_is_named_with_every_arrival_it_may_be_of() {
    let zone = zone("");
    cut(&zone).stop();
    let last = zone.batches("orders").pop().unwrap();
    let merged = last.files.iter().find(|file| !file.parts.is_empty()).unwrap();
    assert_eq!(merged.parts.len(), 19);
    let path = zone.path().join(merged.to.as_str());
    let mut bytes = fs::read(&path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&path, bytes).unwrap();
    let (code, text) = said(&zone, &["verify"]);
    assert_eq!(code, Some(3), "{text}");
    assert!(text.contains(&format!("damaged     {}", merged.to)), "{text}");
    for part in &merged.parts {
        assert!(text.contains(&format!("has the rows of {}", part.arrival)), "{text}");
    }
}

#[test]
fn a_zone_with_merged_files_comes_back_from_its_archive_and_goes_on() {
    let zone = zone("");
    cut(&zone).stop();
    let (batches, live) = (zone.batches("orders"), zone.live("orders"));
    for name in ["ledger.db", "ledger.db-wal", "ledger.db-shm"] {
        let path = zone.path().join(".landfall").join(name);
        if path.exists() {
            fs::remove_file(path).unwrap();
        }
    }
    ok(&zone, &["rebuild"]);
    assert_eq!((zone.batches("orders"), zone.live("orders")), (batches, live));
    ok(&zone, &["audit", "verify"]);
    // Also offline the rows of others are copied before a merged file goes.
    let eleven = find(&zone, "011.csv").id;
    ok(&zone, &["erase", &eleven.to_string(), "--reason", "request 17", "--yes"]);
    assert_eq!(with_the_secret(&zone), Vec::<String>::new());
    let left = sum((0..20).filter(|n| ![3, 11].contains(n))) + 5;
    assert_eq!(rows(&zone), format!("55|19|{left}"));
    let (code, text) = said(&zone, &["verify"]);
    assert_eq!(code, Some(0), "{text}");
}
