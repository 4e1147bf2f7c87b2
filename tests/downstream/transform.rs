//! `transform.py`: tables in DuckDB that agree with what is live, whatever is told twice or fails.

use std::fs;

use landfall::ledger::DeliveryState;

use crate::shop::{Shop, example, python};

fn shop(sql: &str) -> Shop {
    Shop::open(&[&python(), &example("transform.py"), "warehouse.duckdb", sql])
}

const CUSTOMERS: &str = "FROM mart.customers ORDER BY customer";

#[test]
fn the_transform_loads_each_batch_once_and_says_which_tables_it_wrote() {
    let shop = shop(&example("transform.sql"));
    let tested = shop.zone.run(&["sink", "test", "it"]);
    assert!(tested.status.success(), "{tested:?}");
    shop.send("a.csv", "id,customer,amount\n1,ana,10\n2,bo,20\n");
    // A column more, which the first file's rows do not have, and one that is named as no other may be.
    let (_, told) = shop.send("b.csv", "id,customer,amount,filename\n3,ana,5,\"x\"\n");
    assert_eq!(
        told.acknowledgement.unwrap().trim(),
        format!(
            r#"{{"tables": ["raw.orders_v1", "mart.customers"], "rows": 1, "run": "{}"}}"#,
            told.id
        )
    );
    assert!(shop.show("b.csv").contains("used in raw.orders_v1, mart.customers, 1 row"));
    assert_eq!(shop.warehouse(CUSTOMERS), "ana|2|15\nbo|1|20");
    assert_eq!(
        shop.warehouse("SELECT id, filename, _lf_record FROM raw.orders ORDER BY id"),
        "1|None|1\n2|None|2\n3|x|1"
    );
    // What is replaced goes with what replaces it.
    shop.send("a.csv", "id,customer,amount,filename\n1,ana,11,\n");
    assert_eq!(shop.warehouse(CUSTOMERS), "ana|2|16");
    assert_eq!(shop.warehouse("SELECT count(*) FROM raw.batches"), "3");
}

#[test]
fn a_version_that_gains_nested_fields_loses_none_of_them() {
    let folder = tempfile::tempdir().unwrap();
    let sql = folder.path().join("none.sql");
    fs::write(&sql, "CREATE OR REPLACE TABLE mart.ids AS SELECT id FROM raw.orders").unwrap();
    let shop = shop(sql.to_str().unwrap());
    shop.send("a.jsonl", r#"{"id": 1, "place": {"city": "Oslo"}, "lines": [{"n": 1}]}"#);
    shop.send(
        "b.jsonl",
        r#"{"id": 2, "place": {"city": "Rome", "zip": "00100"}, "lines": [{"n": 2, "of": "x"}]}"#,
    );
    assert_eq!(
        shop.warehouse(
            "SELECT id, place.city, place.zip, lines[1].n, lines[1].of FROM raw.orders_v1 ORDER BY id"
        ),
        "1|Oslo|None|1|None\n2|Rome|00100|2|x"
    );
}

#[test]
fn a_transform_that_fails_changes_nothing_until_it_is_mended() {
    let folder = tempfile::tempdir().unwrap();
    let sql = folder.path().join("transform.sql");
    fs::copy(example("transform.sql"), &sql).unwrap();
    let shop = shop(sql.to_str().unwrap());
    shop.send("a.csv", "id,customer,amount\n1,ana,10\n");
    // The amount becomes text, in the feed's next version, and cannot be summed up.
    let batch = shop.send_to_refusal("b.csv", "id,customer,amount\n2,ana,5 or so\n3,bo,7\n");
    let status = shop.zone.run(&["status"]);
    let status = String::from_utf8(status.stdout).unwrap();
    assert!(status.contains("sink it is stalled for orders at batch 2"), "{status}");
    assert!(status.contains("sum(VARCHAR)"), "{status}");
    assert_eq!(shop.warehouse(CUSTOMERS), "ana|1|10");
    assert_eq!(shop.warehouse("SELECT count(*) FROM raw.orders"), "1");

    let mended = fs::read_to_string(&sql).unwrap();
    fs::write(&sql, mended.replace("sum(amount)", "sum(TRY_CAST(amount AS BIGINT))")).unwrap();
    let retried = shop.zone.run(&["sink", "retry", "it", "--feed", "orders"]);
    assert!(retried.status.success(), "{retried:?}");
    shop.zone.wait_until("the batch to be taken", |ledger| {
        let deliveries = ledger.deliveries(batch.id).unwrap();
        deliveries.iter().all(|delivery| delivery.state == DeliveryState::Acknowledged)
    });
    assert_eq!(shop.warehouse(CUSTOMERS), "ana|2|10\nbo|1|7");
    assert_eq!(
        shop.warehouse("SELECT id, amount FROM raw.orders ORDER BY id"),
        "1|10\n2|5 or so\n3|7",
        "every value as it was sent"
    );
}
