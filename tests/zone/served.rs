//! The whole way: a partner's `put` and an analyst's drop to Parquet in the lake and a hand-off
//! acknowledged, with the real binary, OpenSSH's client and DuckDB.

use std::fs;

use crate::support::{TestZone, python};
use landfall::ledger::{Ledger, State};

/// A zone with one feed whose batches are copied, manifest by manifest, into `told/`.
fn orders_zone(feed: &str) -> TestZone {
    let zone = TestZone::new(&format!(
        "[feed.orders]\nsinks = [\"told\"]\n{feed}\n\
         [sink.told]\ncommand = [\"sh\", \"-c\", 'mkdir -p told && cp \"$1\" told/', \"sh\"]\n"
    ));
    fs::create_dir_all(zone.path().join("told")).expect("made");
    zone
}

fn put(zone: &TestZone, server: &crate::support::Server, name: &str, content: &str) {
    let local = zone.path().join("outgoing.tmp");
    fs::write(&local, content).expect("written");
    let key = zone.path().join("acme.key");
    server.sftp_ok("acme", &key, &format!("put {} {name}\n", local.display()));
}

#[test]
fn a_put_and_a_drop_become_parquet_that_is_handed_off() {
    let zone = orders_zone("");
    let key = zone.partner("acme", &["orders"], "");
    let csv = zone.path().join("orders.csv");
    python(
        "import csv, sys\n\
         with open(sys.argv[1], 'w', newline='') as f:\n\
         \x20 w = csv.writer(f)\n\
         \x20 w.writerow(['id', 'customer', 'amount', 'note'])\n\
         \x20 for i in range(50_000):\n\
         \x20  w.writerow([i, f'{i % 1000:05d}', f'{i * 7 % 9999}.{i % 100:02d}', 'a, \"b\"' if i % 7 == 0 else ''])",
        &[csv.to_str().unwrap()],
    );
    let server = zone.serve();
    server.sftp_ok("acme", &key, &format!("put {}\n", csv.display()));
    fs::copy(&csv, zone.inbox("orders").join("dropped.csv")).expect("dropped");
    let arrivals = zone.wait_for_ends(2);
    assert!(arrivals.iter().all(|arrival| arrival.state == State::HandedOff), "{arrivals:#?}");

    let source = python(
        "import csv, sys, decimal\n\
         rows = list(csv.DictReader(open(sys.argv[1], newline='')))\n\
         print(len(rows), sum(int(r['id']) for r in rows), sum(decimal.Decimal(r['amount']) for r in rows), sum(len(r['customer']) for r in rows), sep='|')",
        &[csv.to_str().unwrap()],
    );
    let glob = "read_parquet('{zone}/lake/orders/v1/*/*.parquet')";
    let lake = zone.duckdb(&format!(
        "select count(*), sum(id)::bigint, sum(amount), sum(length(customer))::bigint from {glob} group by _lf_arrival"
    ));
    assert_eq!(lake, format!("{source}\n{source}"));

    // Every batch reached the sink, in order, and a plain glob equals what is live.
    let batches = zone.batches("orders");
    for (index, batch) in batches.iter().enumerate() {
        assert_eq!(batch.sequence, index as u64 + 1);
        let manifest = format!("{:010}.json", batch.sequence);
        let told = fs::read(zone.path().join("told").join(&manifest)).expect("told");
        let published = zone.path().join("lake/orders/_manifests").join(&manifest);
        assert_eq!(told, fs::read(published).expect("published"));
    }
    let mut globbed: Vec<_> = fs::read_dir(zone.path().join("lake/orders/v1"))
        .expect("a lake")
        .flat_map(|day| fs::read_dir(day.unwrap().path()).expect("a day"))
        .map(|file| file.unwrap().path())
        .collect();
    let mut live = zone.live("orders");
    globbed.sort();
    live.sort();
    assert_eq!(globbed, live);
}

#[test]
fn get_gives_back_every_byte_also_of_what_cannot_be_converted() {
    let zone = orders_zone("");
    zone.partner("acme", &["orders"], "");
    let server = zone.serve();
    let binary: Vec<u8> =
        (0..100_000_u32).flat_map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes()).collect();
    let contents: [(&str, Vec<u8>); 3] = [
        ("table.csv", b"a,b\n1,2\n".to_vec()),
        ("picture.bin", binary),
        ("broken.xlsx", b"PK\x03\x04 not a workbook".to_vec()),
    ];
    for (name, content) in &contents {
        fs::write(zone.inbox("orders").join(name), content).expect("dropped");
    }
    for arrival in zone.wait_for_ends(3) {
        let name = arrival.name.to_string();
        let output = zone.run(&["get", &arrival.id.to_string(), "-o", "-"]);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let sent = contents.iter().find(|(sent, _)| *sent == name).expect("one of ours");
        assert!(output.stdout == sent.1, "{name} differs");
    }
    server.stop();
}

#[test]
fn monday_ints_tuesday_text_wednesday_ints_widen_once() {
    let zone = orders_zone("");
    zone.partner("acme", &["orders"], "");
    let server = zone.serve();
    for (count, (name, csv)) in [
        ("monday.csv", "id,code\n1,7\n2,8\n"),
        ("tuesday.csv", "id,code\n3,007\n"),
        ("wednesday.csv", "id,code\n4,9\n"),
    ]
    .iter()
    .enumerate()
    {
        put(&zone, &server, name, csv);
        zone.wait_for_ends(count + 1);
    }
    let versions: Vec<_> = zone.batches("orders").iter().map(|batch| batch.version).collect();
    assert_eq!(versions, [Some(1), Some(2), Some(2)]);
    let learned =
        zone.ledger().learned(&crate::support::feed_name("orders")).unwrap().expect("learned");
    assert_eq!((learned.version, learned.revision), (2, 2), "one widening");
    let read = |version: u32| {
        zone.duckdb(&format!(
            "select id, code, typeof(code) from read_parquet('{{zone}}/lake/orders/v{version}/*/*.parquet') order by id"
        ))
    };
    assert_eq!(read(1), "1|7|BIGINT\n2|8|BIGINT");
    assert_eq!(read(2), "3|007|VARCHAR\n4|9|VARCHAR");
}

#[test]
fn the_same_name_on_two_days_appends_and_the_same_bytes_are_recorded_only() {
    let zone = orders_zone("");
    zone.partner("acme", &["orders"], "");
    let server = zone.serve();
    for (count, csv) in ["id\n1\n", "id\n2\n", "id\n2\n"].iter().enumerate() {
        put(&zone, &server, "orders.csv", csv);
        zone.wait_for_ends(count + 1);
    }
    let states: Vec<_> = zone.wait_for_ends(3).iter().map(|arrival| arrival.state).collect();
    assert_eq!(states, [State::HandedOff, State::HandedOff, State::Duplicate]);
    let ids = "select id from read_parquet('{zone}/lake/orders/v1/*/*.parquet') order by id";
    assert_eq!(zone.duckdb(ids), "1\n2");
}

#[test]
fn the_same_name_replaces_where_the_feed_says_so() {
    let zone = orders_zone("same_name = \"replace\"\nretract_grace = \"0s\"\n");
    zone.partner("acme", &["orders"], "");
    let server = zone.serve();
    for (count, csv) in ["id\n1\n", "id\n2\n"].iter().enumerate() {
        put(&zone, &server, "orders.csv", csv);
        zone.wait_for_ends(count + 1);
    }
    zone.wait_until("the retraction", |ledger| {
        ledger.retractions_due().unwrap().is_empty()
            && crate::support::all(ledger)[0].state == State::Retracted
    });
    let ids = "select id from read_parquet('{zone}/lake/orders/v1/*/*.parquet')";
    assert_eq!(zone.duckdb(ids), "2");
    assert_eq!(zone.live("orders").len(), 1);
    let manifest = zone.path().join("lake/orders/_manifests/0000000002.json");
    let manifest: serde_json::Value =
        serde_json::from_slice(&fs::read(manifest).unwrap()).expect("JSON");
    assert_eq!(manifest["retracts"].as_array().expect("retracts").len(), 1);
    // Taken back, not lost.
    assert_eq!(
        zone.duckdb("select id from read_parquet('{zone}/retracted/orders/v1/*/*.parquet')"),
        "1"
    );
}

#[test]
fn values_that_others_alter_stay_as_they_were() {
    let zone = orders_zone("");
    zone.partner("acme", &["orders"], "");
    let server = zone.serve();
    let csv = "zeros,money,mixed,exp,long,na,date,blank,empty\n\
               007,1.1,1,1E5,123456789012345678901234567890,NA,03/04/2026,  x ,\"\"\n\
               8,1.10,1.5,2,1,x,31/12/2026,y  ,\n";
    put(&zone, &server, "odd.csv", csv);
    zone.wait_for_ends(1);
    let row = |n: u32| {
        zone.duckdb(&format!(
            "select zeros, money, mixed, exp, long, na, date, '[' || blank || ']', coalesce(empty, 'null') \
             from read_parquet('{{zone}}/lake/orders/v1/*/*.parquet') where _lf_record = {n}"
        ))
    };
    assert_eq!(row(1), "007|1.1|1|1E5|123456789012345678901234567890|NA|03/04/2026|[  x ]|");
    assert_eq!(row(2), "8|1.10|1.5|2|1|x|31/12/2026|[y  ]|null");
}

#[test]
fn a_burst_of_5000_files_without_notifications_is_taken_once() {
    let zone = TestZone::new(
        "[feed.orders]\n[folder.burst]\npath = \"inbox/orders\"\nfeed = \"orders\"\nnotify = false\nscan_every = \"1s\"\n",
    );
    let server = zone.serve();
    for n in 0..5000 {
        fs::write(zone.inbox("orders").join(format!("f{n:04}.csv")), format!("id,n\n{n},{n}\n"))
            .expect("dropped");
    }
    let arrivals = zone.wait_for_ends(5000);
    assert_eq!(arrivals.len(), 5000);
    assert!(arrivals.iter().all(|arrival| arrival.state == State::HandedOff));
    let sums =
        "select count(*), sum(id)::bigint from read_parquet('{zone}/lake/orders/v1/*/*.parquet')";
    assert_eq!(zone.duckdb(sums), format!("5000|{}", 4999 * 5000 / 2));
    server.stop();
}

#[test]
fn a_file_of_no_feed_is_archived_held_and_goes_on_when_renamed() {
    let zone = orders_zone("match = [\"orders_*.csv\"]\n");
    let key = zone.partner("acme", &["orders"], "");
    let server = zone.serve();
    put(&zone, &server, "mistake.csv", "id\n1\n");
    let held = zone.wait_for_ends(1).remove(0);
    assert_eq!(held.state, State::Held);
    let told = held.diagnostic.expect("a reason");
    let told = serde_json::to_string(&told).expect("JSON");
    assert!(told.contains("mistake.csv") && told.contains("orders_*.csv"), "{told}");
    let problem = zone.path().join("problem.txt");
    server.sftp_ok(
        "acme",
        &key,
        &format!("get /receipts/orders/mistake.csv.problem.txt {}\n", problem.display()),
    );
    let problem = fs::read_to_string(problem).expect("text");
    assert!(problem.contains("orders_*.csv"), "{problem}");
    server.sftp_ok("acme", &key, "rename mistake.csv orders_1.csv\n");
    zone.wait_until("the hand-off", |ledger| {
        crate::support::all(ledger).iter().all(|arrival| arrival.state == State::HandedOff)
    });
}

#[test]
fn a_sink_that_fails_keeps_neither_the_lake_nor_the_other_sinks_waiting() {
    let zone = TestZone::new(
        "[feed.orders]\nsinks = [\"dead\", \"told\"]\n\
         [sink.dead]\ncommand = [\"false\"]\nretry = [\"1h\"]\n\
         [sink.told]\ncommand = [\"sh\", \"-c\", 'cp \"$1\" told/', \"sh\"]\n",
    );
    fs::create_dir_all(zone.path().join("told")).expect("made");
    zone.partner("acme", &["orders"], "");
    let server = zone.serve();
    for n in 1..=4 {
        put(&zone, &server, &format!("f{n}.csv"), &format!("id\n{n}\n"));
        zone.wait_until("the next batch at the sink that works", |ledger| {
            let batches = ledger.batches(&crate::support::feed_name("orders"), 0, 100).unwrap();
            batches.len() == n
                && batches.iter().all(|batch| {
                    ledger.deliveries(batch.id).unwrap().iter().any(|delivery| {
                        delivery.sink.as_str() == "told"
                            && delivery.state == landfall::ledger::DeliveryState::Acknowledged
                    })
                })
        });
    }
    let ids = "select id from read_parquet('{zone}/lake/orders/v1/*/*.parquet') order by id";
    assert_eq!(zone.duckdb(ids), "1\n2\n3\n4");
    server.stop();
}

#[test]
fn a_version_that_gains_columns_is_read_by_name() {
    let zone = orders_zone("");
    zone.partner("acme", &["orders"], "");
    let server = zone.serve();
    for (count, csv) in ["id\n1\n", "id,city\n2,Rome\n"].iter().enumerate() {
        put(&zone, &server, &format!("f{count}.csv"), csv);
        zone.wait_for_ends(count + 1);
    }
    let rows = "select id, city from read_parquet('{zone}/lake/orders/v1/*/*.parquet', union_by_name = true) order by id";
    assert_eq!(zone.duckdb(rows), "1|None\n2|Rome");
}
