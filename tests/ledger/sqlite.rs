//! What SQLite promises beside the contract: group commit, readers elsewhere, full disks, damage.

use std::path::Path;
use std::sync::Barrier;
use std::time::{Duration, Instant};

use landfall::clock::Clock;
use landfall::durable::Durability;
use landfall::ledger::{
    ArrivalQuery, DeliveryOutcome, Error, Event, Ledger, Replays as _, log, sqlite,
};
use landfall::names::{ArrivalId, BatchId};
use rusqlite::Connection;

use crate::making::*;
use crate::place::Place;
use crate::small_disk::SmallDisk;

fn store_error(error: &Error) -> String {
    let Error::Store { source, .. } = error else { panic!("{error}") };
    source.to_string()
}

#[test]
fn many_threads_share_commits_and_lose_nothing() {
    let mut place = Place::steady();
    let ledger = place.ledger();
    let (threads, each) = (16, 25);
    let together = Barrier::new(threads);
    std::thread::scope(|scope| {
        for thread in 0..threads {
            let together = &together;
            scope.spawn(move || {
                together.wait();
                for n in 0..each {
                    let new = incoming(&format!("{thread}-{n}.csv"), "x");
                    let id = ledger.receive(new).expect("received").id;
                    // What returned is committed: a reader sees it.
                    assert!(ledger.arrival(id).expect("read").is_some());
                    if n % 5 == 0 {
                        // A refusal in the same group takes nobody with it.
                        let refused = ledger.advance(ArrivalId::new(now()), Event::Hidden);
                        assert!(matches!(refused, Err(Error::Missing { .. })));
                    }
                }
            });
        }
    });
    let total = (threads * each) as u64;
    let all = ledger.arrivals(&ArrivalQuery { limit: u32::MAX, ..ArrivalQuery::default() });
    let mut sequences: Vec<_> = all.expect("read").iter().map(|a| a.sequence).collect();
    sequences.reverse();
    assert_eq!(sequences, (1..=total).collect::<Vec<_>>(), "without gaps");
    assert_eq!(log::verify(ledger).expect("whole").size(), total);
}

#[test]
fn a_waiter_is_woken_by_the_next_commit() {
    let mut place = Place::steady();
    let ledger = place.ledger();
    assert_eq!(ledger.wait_beyond(0, Duration::ZERO), 0);
    std::thread::scope(|scope| {
        let waiter = scope.spawn(|| ledger.wait_beyond(1, Duration::from_secs(60)));
        for version in ["1", "2"] {
            ledger.note(Event::Started { version: version.to_owned() }).expect("noted");
        }
        assert_eq!(waiter.join().expect("woken"), 2);
    });
}

#[test]
fn a_reader_works_beside_the_writer_and_writes_nothing() {
    let mut place = Place::steady();
    let path = place.path();
    let id = ready(&mut place, incoming("a.csv", "one"));
    let batch = close(&mut place);
    let reader = sqlite::open_read_only(&path).expect("a reader");
    assert_eq!(reader.arrival(id).expect("read"), place.ledger().arrival(id).expect("read"));
    let head = place.ledger().head();
    assert_eq!((reader.head(), reader.wait_beyond(0, Duration::ZERO)), (head, head));
    let refusals = [
        reader.receive(incoming("b.csv", "two")).map(drop),
        reader.advance(id, Event::Hidden).map(drop),
        reader.note(Event::Stopped),
        reader.converted(id, conversion(id, 1, 1)).map(drop),
        reader.close_batch(&orders(), bounds()).map(drop),
        reader.published(batch.id, digest_of("m"), &[]).map(drop),
        reader.delivered("x", DeliveryOutcome::Acknowledged(None)).map(drop),
        reader.replay(id, "ops", "why").map(drop),
    ];
    assert!(refusals.into_iter().all(|refused| matches!(refused, Err(Error::ReadOnly))));
    // It sees what is written later, and goes on when the writer is gone and comes back.
    place.ledger().published(batch.id, digest_of("m"), &[]).expect("published");
    assert_eq!(reader.closed_batches().expect("read"), []);
    let seen = reader.wait_beyond(head, Duration::from_secs(60));
    place.reopen();
    place.ledger().note(Event::Stopped).expect("noted");
    assert_eq!(reader.wait_beyond(seen, Duration::from_secs(60)), seen + 1);
    assert!(sqlite::open_read_only(Path::new("/nowhere/ledger.db")).is_err());
}

#[test]
fn what_was_answered_is_in_the_files_of_a_server_that_was_killed() {
    let mut place = Place::steady();
    let id = ready(&mut place, incoming("a.csv", "one"));
    let path = place.path();
    // The files as they are while the server runs, without what it holds in memory.
    let killed = tempfile::tempdir().expect("a folder");
    for name in ["ledger.db", "ledger.db-wal"] {
        std::fs::copy(path.with_file_name(name), killed.path().join(name)).expect(name);
    }
    let copy = killed.path().join("ledger.db");
    let expected = place.ledger().arrival(id).expect("read");
    let reader = sqlite::open_read_only(&copy).expect("a reader");
    assert_eq!(reader.arrival(id).expect("read"), expected);
    drop(reader);
    let again = sqlite::open(&copy, Clock::fixed(now()), Durability::Full).expect("a ledger");
    assert_eq!(again.arrival(id).expect("read"), expected);
    assert_eq!(again.head(), place.ledger().head());
    log::verify(&again).expect("whole");
}

#[test]
fn a_reader_that_holds_on_does_not_block_the_writer() {
    let mut place = Place::steady();
    ready(&mut place, incoming("a.csv", "one"));
    let other = Connection::open(place.path()).expect("opened");
    other.execute_batch("BEGIN; SELECT count(*) FROM arrival;").expect("a snapshot");
    let begun = Instant::now();
    for n in 0..50 {
        ready(&mut place, incoming(&format!("{n}.csv"), "two"));
    }
    assert!(begun.elapsed() < Duration::from_secs(8), "less than the busy timeout");
    other.execute_batch("COMMIT").expect("ended");
}

#[test]
fn a_ledger_of_a_newer_landfall_is_refused() {
    let mut place = Place::steady();
    let path = place.path();
    drop(place.ledger.take());
    let raw = Connection::open(&path).expect("opened");
    raw.pragma_update(None, "user_version", 99).expect("set");
    for opened in
        [sqlite::open(&path, Clock::system(), Durability::Full), sqlite::open_read_only(&path)]
    {
        let refused = opened.expect_err("refused");
        assert!(store_error(&refused).contains("a newer landfall wrote this ledger"), "{refused}");
    }
}

#[test]
fn what_is_not_a_ledger_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("ledger.db");
    std::fs::write(&path, "x".repeat(5000)).expect("written");
    assert!(sqlite::open(&path, Clock::system(), Durability::Full).is_err());
    assert!(sqlite::open_read_only(&path).is_err());
}

#[test]
fn history_cannot_be_changed_unseen() {
    let damages = [
        ("UPDATE event SET record = replace(record, 'a.csv', 'b.csv') WHERE sequence = 1", 1),
        ("UPDATE event SET hash = zeroblob(32) WHERE sequence = 2", 2),
        ("UPDATE event SET record = replace(record, '4', '5') WHERE sequence = 3", 3),
        ("DELETE FROM event WHERE sequence = 3", 3),
        ("UPDATE event SET at = at + 1 WHERE sequence = 4", 4),
        ("UPDATE event SET arrival = zeroblob(16) WHERE sequence = 2", 2),
        ("UPDATE event SET arrival = NULL WHERE sequence = 3", 3),
        ("UPDATE event SET sequence = 99 WHERE sequence = 2", 2),
        ("UPDATE event SET record = record || ' ' WHERE sequence = 4", 4),
    ];
    for (damage, first) in damages {
        let mut place = Place::steady();
        ready(&mut place, incoming("a.csv", "one"));
        publish(&mut place, &["lake"]);
        let raw = Connection::open(place.path()).expect("opened");
        assert!(raw.execute(damage, []).expect(damage) > 0, "{damage}");
        match log::verify(place.ledger()).expect_err(damage) {
            log::Broken::At { sequence, .. } => assert_eq!(sequence, first, "{damage}"),
            log::Broken::Ledger(error) => panic!("{damage}: {error}"),
        }
    }
}

#[test]
fn busy_questions_are_answered_from_an_index() {
    let mut place = Place::steady();
    let path = place.path();
    ready(&mut place, incoming("a.csv", "one"));
    let conn = Connection::open(path).expect("opened");
    for (question, index) in [
        ("state = 'received' AND sequence > 5 ORDER BY sequence", "arrival_state"),
        ("feed = 'f' AND state IN ('converted', 'raw') ORDER BY sequence", "arrival_ready"),
        ("sender = 's' AND feed = 'f' AND name = x'61' AND current = 1", "arrival_current"),
        (
            "sender = 's' AND feed = 'f' AND current = 1 AND hidden = 0 AND offered_at >= 5",
            "arrival_listed",
        ),
        ("sender = 's' AND received_at >= 5", "arrival_usage"),
        ("sender = 's' ORDER BY sequence DESC", "arrival_sender"),
        ("feed = 'f' ORDER BY sequence DESC", "arrival_feed"),
        ("state = 'held' ORDER BY sequence DESC LIMIT 9", "arrival_state"),
        ("digest = x'00' ORDER BY sequence DESC", "arrival_digest"),
        ("id = x'00'", "sqlite_autoindex_arrival_1"),
        ("id BETWEEN x'00' AND x'ff'", "sqlite_autoindex_arrival_1"),
    ] {
        let plan =
            plan(&conn, &format!("SELECT sequence, size_bytes FROM arrival WHERE {question}"));
        assert!(plan.contains(index) && !plan.contains("SCAN"), "{question}: {plan}");
    }
    for (question, index) in [
        (
            "SELECT * FROM delivery WHERE sink = 's' AND feed = 'f'
             AND state IN ('pending', 'stalled') ORDER BY sequence LIMIT 1",
            "delivery_open",
        ),
        (
            "SELECT sink, feed FROM delivery WHERE state IN ('pending', 'stalled')
             AND (sink, feed) > ('s', 'f') ORDER BY sink, feed LIMIT 1",
            "delivery_open",
        ),
        (
            "SELECT 1 FROM delivery WHERE feed = 'f' AND state = 'pending' AND attempts = 0",
            "delivery_first",
        ),
        ("SELECT id FROM batch WHERE feed = 'f' AND state = 'closed'", "batch_closed"),
    ] {
        let plan = plan(&conn, question);
        assert!(plan.contains(index) && !plan.contains("SCAN"), "{question}: {plan}");
    }
}

#[test]
fn what_is_rare_or_summed_up_is_read_from_its_index() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("ledger.db");
    drop(sqlite::open(&path, Clock::fixed(now()), Durability::Full).expect("a ledger"));
    let conn = Connection::open(&path).expect("its database");
    let loads = "SELECT record FROM event WHERE arrival IS NULL
                 AND (instr(record, '\"kind\":\"config_loaded\"') OR instr(record, '\"kind\":\"contract_loaded\"'))
                 ORDER BY sequence";
    assert_eq!(plan(&conn, loads), "SCAN event USING INDEX event_load");
    let held =
        "SELECT feed, count(*), sum(size_bytes), max(received_at) FROM arrival GROUP BY feed";
    assert_eq!(plan(&conn, held), "SCAN arrival USING COVERING INDEX arrival_feed");
}

fn plan(conn: &Connection, question: &str) -> String {
    let mut statement = conn.prepare(&format!("EXPLAIN QUERY PLAN {question}")).expect(question);
    let rows = statement.query_map([], |row| row.get::<_, String>(3)).expect("rows");
    rows.collect::<Result<Vec<_>, _>>().expect("rows").join("; ")
}

#[test]
fn a_full_disk_fails_clearly_and_the_ledger_goes_on_when_there_is_space() {
    let Some(disk) = SmallDisk::mount("size=2m") else { return };
    let path = disk.path().join("ledger.db");
    let ledger = sqlite::open(&path, Clock::fixed(now()), Durability::Full).expect("a ledger");
    let mut kept = Vec::new();
    for round in 0..3 {
        // Leave a little less each time.
        let filler = disk.fill(20_000 * round);
        let refused = (0..10_000).find_map(|n| {
            let new = incoming(&format!("{round}-{n}.csv"), "x");
            match ledger.receive(new) {
                Ok(arrival) => {
                    kept.push(arrival.id);
                    None
                }
                Err(error) => Some(error),
            }
        });
        let refused = refused.expect("the disk is full before that");
        assert!(refused.is_disk_full(), "{refused}: {}", store_error(&refused));
        std::fs::remove_file(&filler).expect("removed");
        let id = ledger.receive(incoming(&format!("{round}.csv"), "x")).expect("space again").id;
        kept.push(id);
    }
    let head = log::verify(&ledger).expect("whole").size();
    assert_eq!(head, kept.len() as u64, "what was refused left no trace");
    drop(ledger);
    let ledger = sqlite::open(&path, Clock::fixed(now()), Durability::Full).expect("a ledger");
    for id in kept {
        assert!(ledger.arrival(id).expect("read").is_some(), "an answered arrival is kept");
    }
}

#[test]
fn a_call_on_what_is_not_there_names_it() {
    let mut place = Place::steady();
    let id = BatchId::new(now());
    let missing = place.ledger().published(id, digest_of("m"), &[]).expect_err("missing");
    assert_eq!(missing.to_string(), format!("no batch {id}"));
}

#[test]
fn a_ledger_of_the_first_version_is_brought_up_to_date() {
    let mut place = Place::steady();
    let id = place.ledger().receive(incoming("a.csv", "one")).expect("received").id;
    drop(place.ledger.take());
    // The same rows as the first version had them.
    let conn = Connection::open(place.path()).expect("opened");
    let later = "DROP INDEX event_load; DROP TABLE alert; DROP TABLE hold; DROP TABLE erasure; DROP TABLE expecting; DROP TABLE expected; DROP TABLE counted; DROP TABLE calendar;
        DROP TABLE replay; DROP TABLE pull; DROP TABLE finding; DROP TABLE verify_round; ALTER TABLE arrival DROP COLUMN allowance; DROP INDEX arrival_older; CREATE INDEX arrival_received ON arrival (received_at);
        DROP TABLE merged_file; DROP INDEX batch_file_merged; ALTER TABLE batch_file DROP COLUMN first_row;
        ALTER TABLE batch_file DROP COLUMN origin_row; DROP INDEX batch_window; ALTER TABLE batch DROP COLUMN because;
        ALTER TABLE batch DROP COLUMN window_end; DROP TABLE sink_pause; DROP TABLE tree_node; DROP TABLE log; DROP TABLE checkpoint;
        UPDATE event SET hash = zeroblob(32); DROP TABLE sidecar; DROP INDEX arrival_waits;
        ALTER TABLE arrival DROP COLUMN waits; ALTER TABLE arrival DROP COLUMN look_at;
        ALTER TABLE arrival DROP COLUMN same_bytes_as; DROP INDEX batch_file_retiring;
        DROP INDEX arrival_retiring; ALTER TABLE arrival DROP COLUMN receipt_retired_at;
        ALTER TABLE arrival DROP COLUMN receipt_gone_at; ALTER TABLE batch_file DROP COLUMN retired_at;
        ALTER TABLE batch_file DROP COLUMN gone_at;
        PRAGMA writable_schema = ON;
        UPDATE sqlite_schema SET sql = replace(replace(sql, ', ''tested'', ''rejected'', ''erasing'', ''erased''', ''), ', ''pull'')', ')') WHERE name = 'arrival';
        UPDATE sqlite_schema SET sql = replace(sql, 'replaced_by BLOB CHECK', 'replaced_by BLOB NOT NULL CHECK') WHERE name = 'retraction';
        PRAGMA writable_schema = RESET; PRAGMA user_version = 1;";
    conn.execute_batch(later).expect("turned back");
    let narrow = conn.execute("UPDATE arrival SET state = 'tested'", []);
    assert!(narrow.is_err(), "the first version had no tests");
    drop(conn);
    place.reopen();
    assert_eq!(get(&mut place, id).waits, None);
    let sender = "test:acme".parse().expect("a sender");
    let test =
        place.ledger().receive(landfall::ledger::NewArrival { sender, ..incoming("b", "x") });
    let test = test.expect("received").id;
    let raw = Event::TakenRaw { reason: "x".to_owned() };
    let state = place.ledger().advance(test, raw).expect("tested").state;
    assert_eq!(state, landfall::ledger::State::Tested);
    assert_eq!(log::verify(place.ledger()).expect("whole").size(), 4);
}
