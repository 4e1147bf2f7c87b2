//! A real PostgreSQL behind a sink.

use landfall::handoff::sinks::Answer;
use landfall::ledger::DeliveryState;

use crate::contract::{Behind, publish, shop, shop_with, tell_again, wait_until};
pub use crate::postgres_server::Postgres;
use crate::running::run;

impl Behind for Postgres {
    fn settings(&self) -> String {
        format!("postgres = \"{}\"", self.address())
    }

    fn refuse(&self, refuses: bool) {
        if refuses { self.end() } else { self.run() }
    }

    fn taken(&self) -> Vec<u64> {
        let there = self.query("SELECT to_regclass('_lf_batches') IS NOT NULL");
        if there == "f" {
            return Vec::new();
        }
        let loaded = self.query("SELECT sequence FROM _lf_batches ORDER BY loaded_at, sequence");
        loaded.lines().map(|line| line.parse().unwrap()).collect()
    }

    fn source(&self) -> Option<String> {
        Some("id,name\n1,ana\n2,bo\n".to_owned())
    }
}

#[test]
fn rows_are_in_the_table_once_and_taken_back_with_their_file() {
    let server = Postgres::start();
    let mut shop = shop_with(&server, "[]", "same_name = \"replace\"");
    shop.source = Some(
        "id,name,price,day,at,paid,size\n1,ana,1.10,2026-01-31,2026-01-31T10:00:00Z,true,0.5\n\
                     2,\"tab\tand \\ and\nline\",20.00,2026-02-01,2026-02-01T00:00:00Z,false,1e16\n\
                     3,,-3.30,,,,\n"
            .to_owned(),
    );
    let first = publish(&shop, "a.csv");
    let running = run(&shop);
    let done = wait_until(&shop, &first, DeliveryState::Acknowledged);
    let used = done.used_by().unwrap();
    assert_eq!((used.tables, used.rows), (vec!["public.orders_v1".to_owned()], Some(3)));
    assert_eq!(
        server.query(
            "SELECT id, price, day, at AT TIME ZONE 'UTC', paid, size FROM orders_v1 ORDER BY id"
        ),
        "1|1.10|2026-01-31|2026-01-31 10:00:00|t|0.5\n2|20.00|2026-02-01|2026-02-01 00:00:00|f|1e+16\n3|-3.30||||"
    );
    assert_eq!(
        server.query("SELECT count(*) FROM orders_v1 WHERE name = E'tab\\tand \\\\ and\\nline'"),
        "1"
    );
    let types = server.query(
        "SELECT string_agg(data_type, ',' ORDER BY ordinal_position) FROM information_schema.columns
         WHERE table_name = 'orders_v1' AND column_name NOT LIKE '\\_lf%'",
    );
    assert_eq!(types, "bigint,text,numeric,date,timestamp with time zone,boolean,double precision");

    shop.source = Some(
        "id,name,price,day,at,paid,size\n9,new,9.00,2026-03-01,2026-03-01T00:00:00Z,true,1.0\n"
            .to_owned(),
    );
    let second = publish(&shop, "a.csv");
    assert_eq!(second.retracts.len(), 1);
    wait_until(&shop, &second, DeliveryState::Acknowledged);
    drop(running);
    for batch in [&first, &second] {
        assert!(matches!(tell_again(&shop, batch), Answer::Acknowledged(_)));
    }
    assert_eq!(server.query("SELECT id FROM orders_v1"), "9");
    assert_eq!(server.taken(), [1, 2]);
}

#[test]
fn a_load_that_is_cut_off_leaves_nothing_and_is_done_again() {
    let server = Postgres::start();
    let mut shop = shop(&server, "[\"20ms\", \"20ms\", \"1h\"]");
    shop.source = Some("id\n1\n2\n".to_owned());
    // The last statement of the transaction fails until the trigger is gone.
    server.query(
        "CREATE TABLE orders_v1 (id bigint);
         CREATE FUNCTION no() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RAISE ''not today''; END';
         CREATE CONSTRAINT TRIGGER no AFTER INSERT ON orders_v1 DEFERRABLE INITIALLY DEFERRED
           FOR EACH ROW EXECUTE FUNCTION no()",
    );
    let _running = run(&shop);
    let batch = publish(&shop, "a.csv");
    let refused = shop.wait(|ledger| {
        let found = ledger.deliveries(batch.id).unwrap().remove(0);
        (found.attempts == 3).then_some(found)
    });
    assert!(refused.last_error.unwrap().contains("not today"));
    assert_eq!(server.query("SELECT count(*) FROM orders_v1"), "0");
    assert!(server.taken().is_empty());
    server.query("DROP TRIGGER no ON orders_v1");
    assert!(matches!(tell_again(&shop, &batch), Answer::Acknowledged(_)));
    assert_eq!(server.query("SELECT count(*) FROM orders_v1"), "2");
}

#[test]
fn a_new_column_is_added_and_json_stays_json() {
    let server = Postgres::start();
    let mut shop = shop(&server, "[]");
    let _running = run(&shop);
    for (name, text) in [
        ("a.jsonl", "{\"id\": 1, \"tags\": [\"x\", \"y\"]}\n"),
        ("b.jsonl", "{\"id\": 2, \"tags\": [], \"city\": \"Oslo\"}\n"),
    ] {
        shop.source = Some(text.to_owned());
        let batch = publish(&shop, name);
        wait_until(&shop, &batch, DeliveryState::Acknowledged);
    }
    assert_eq!(
        server.query("SELECT id, tags, city FROM orders_v1 ORDER BY id"),
        "1|[\"x\", \"y\"]|\n2|[]|Oslo"
    );
}
