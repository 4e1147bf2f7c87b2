//! Manifests against their JSON Schema, with the reference validator of PyPI.

use std::fs;

use landfall::handoff::manifest;
use landfall::ledger::{Batch, Event, Ledger};
use landfall::names::Digest;
use landfall::zone::Zone;

use crate::python;
use crate::shop::{Shop, orders};

const SCHEMA: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/deploy/schemas/manifest.v1.json");

const VALIDATE: &str = "
import json, sys
from jsonschema import Draft202012Validator, FormatChecker
given = json.load(sys.stdin)
schema = json.load(open(given['schema']))
Draft202012Validator.check_schema(schema)
validator = Draft202012Validator(schema, format_checker=FormatChecker())
for manifest in given['manifests']:
    for error in validator.iter_errors(manifest):
        print('/'.join(map(str, error.path)), error.message)
";

/// What is wrong with manifests by their schema, one line a mistake.
fn mistakes(manifests: &[serde_json::Value]) -> String {
    let given = serde_json::json!({ "schema": SCHEMA, "manifests": manifests });
    python::run(VALIDATE, &given.to_string())
}

fn published(shop: &Shop, batch: &Batch) -> serde_json::Value {
    let path = shop.path(&Zone::manifest_path(&batch.feed, batch.sequence));
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

#[test]
fn every_kind_of_manifest_is_as_its_schema_says() {
    let shop = Shop::new("[feed.orders]\nsame_name = \"replace\"\n");
    let close = || shop.publisher().close_and_publish(&orders()).unwrap().unwrap();
    shop.arrive("a.csv", "parquet of a");
    shop.arrive_partly("b.csv", "parquet of b");
    let first = close();
    // A correction, and a file that is no table.
    shop.arrive("a.csv", "parquet of another a");
    let second = close();
    let raw = shop.receive("c.pdf", "not a table");
    shop.ledger.advance(raw.id, Event::TakenRaw { reason: "no table".to_owned() }).unwrap();
    let third = close();
    let manifests = [&first, &second, &third].map(|batch| published(&shop, batch));
    assert_eq!(mistakes(&manifests), "");
    assert_eq!(manifests[1]["retracts"][0]["batch"], first.id.to_string());
    assert_eq!(manifests[1]["sources"][0]["supersedes"], manifests[0]["sources"][0]["arrival"]);
    assert_eq!(manifests[0]["sources"][1]["outcome"], "partial");
    assert_eq!(manifests[1]["previous"], first.id.to_string());
    let id = &manifests[0]["sources"][0]["arrival"];
    let receipt = format!("receipts/orders/a.csv.{}.receipt.json", id.as_str().unwrap());
    assert_eq!(manifests[0]["sources"][0]["receipt"], receipt);
}

#[test]
fn expectations_are_told_as_met_or_not() {
    let mut shop = Shop::new("[feed.orders]");
    shop.contract = Some(Digest::from_bytes([7; 32]));
    shop.arrive("a.csv", "parquet of a");
    shop.arrive_partly("b.csv", "parquet of b");
    let batch = shop.publisher().close_and_publish(&orders()).unwrap().unwrap();
    let manifest = published(&shop, &batch);
    assert_eq!(mistakes(std::slice::from_ref(&manifest)), "");
    let expectations = |source: usize| manifest["sources"][source]["expectations"].clone();
    assert_eq!(expectations(0)["met"], true);
    assert_eq!(expectations(1)["met"], false);
    assert_eq!(expectations(1)["failed"][0], serde_json::json!({"code": "C120", "records": 1}));
}

#[test]
fn the_schema_refuses_what_is_not_a_manifest() {
    let shop = Shop::new("[feed.orders]");
    shop.arrive("a.csv", "parquet of a");
    let good = published(&shop, &shop.publisher().close_and_publish(&orders()).unwrap().unwrap());
    let breaks: [(&str, serde_json::Value); 7] = [
        ("/sequence", (-1).into()),
        ("/batch", "7".into()),
        ("/entries/0/url", "/etc/passwd".into()),
        ("/entries/0/url", "lake/../../secret".into()),
        ("/entries/0/sha256", "abc".into()),
        ("/sources/0/outcome", "lost".into()),
        ("/closed_at", "yesterday".into()),
    ];
    for (place, value) in breaks {
        let mut broken = good.clone();
        *broken.pointer_mut(place).unwrap() = value;
        assert!(!mistakes(&[broken]).is_empty(), "{place}");
    }
    let mut short = good;
    short.as_object_mut().unwrap().remove("previous");
    assert!(mistakes(&[short]).contains("'previous' is a required property"));
}

#[test]
fn the_manifest_of_a_test_is_one_too() {
    let shop = Shop::new("[feed.orders]");
    shop.arrive("a.csv", "parquet of a");
    let batch = shop.publisher().close_and_publish(&orders()).unwrap().unwrap();
    let empty = Batch { sequence: 0, version: None, files: Vec::new(), ..batch };
    let manifest = serde_json::from_slice(&manifest::render(&empty, &[])).unwrap();
    assert_eq!(mistakes(&[manifest]), "");
}
