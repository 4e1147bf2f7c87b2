//! Publishing a batch, whole, in halves and again.

use std::fs;
use std::time::Duration;

use landfall::archive::digest;
use landfall::clock::Clock;
use landfall::diagnostic::Code;
use landfall::handoff::batch::{Error, Publisher};
use landfall::handoff::manifest;
use landfall::ledger::{Arrival, Batch, BatchFile, BatchState, Event, FileKind, Ledger, State};
use landfall::zone::Zone;

use crate::shop::{Shop, orders};

fn render(shop: &Shop, batch: &Batch) -> Vec<u8> {
    let members = manifest::members(shop.ledger.as_ref(), batch).unwrap();
    manifest::render(batch, &members)
}

fn manifest_path(shop: &Shop, batch: &Batch) -> std::path::PathBuf {
    shop.path(&Zone::manifest_path(&batch.feed, batch.sequence))
}

/// Moves a file to its published name as a publisher that was killed afterwards would have.
fn place(shop: &Shop, file: &BatchFile) {
    let to = shop.path(&file.to);
    fs::create_dir_all(to.parent().unwrap()).unwrap();
    fs::copy(shop.path(&file.from), &to).unwrap();
    fs::remove_file(shop.path(&file.from)).unwrap();
}

fn write_manifest(shop: &Shop, batch: &Batch, bytes: &[u8]) {
    let path = manifest_path(shop, batch);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, bytes).unwrap();
}

/// The manifest with what differs between runs taken out.
fn without_ids(bytes: &[u8], batch: &Batch, arrivals: &[(&Arrival, &str)]) -> String {
    let mut text = String::from_utf8(bytes.to_vec()).unwrap();
    text = text.replace(&batch.id.to_string(), "<batch>");
    for (arrival, stands_for) in arrivals {
        text = text.replace(&arrival.id.to_string(), stands_for);
        text = text.replace(&landfall::clock::utc_day(arrival.received_at), "<day>");
    }
    text.lines().filter(|line| !line.contains("_at\":")).collect::<Vec<_>>().join("\n")
}

#[test]
#[allow(clippy::too_many_lines, reason = "the manifest as a whole")]
fn a_batch_is_published_with_its_manifest() {
    let shop = Shop::new("[feed.orders]");
    let first = shop.arrive("a.csv", "parquet of a");
    let second = shop.arrive_partly("b.csv", "parquet of b");
    let batch = shop.publisher().close_and_publish(&orders()).unwrap().unwrap();
    assert_eq!(batch.state, BatchState::Published);
    assert_eq!(shop.lake().len(), 2);
    assert!(shop.files(".landfall/converted").is_empty());
    let bytes = fs::read(manifest_path(&shop, &batch)).unwrap();
    assert_eq!(batch.manifest_digest, Some(digest::of_bytes(&bytes)));
    let text = without_ids(&bytes, &batch, &[(&first, "<a>"), (&second, "<b>")]);
    insta::assert_snapshot!(text, @r#"
    {
      "schema": "landfall.manifest/v1",
      "feed": "orders",
      "sequence": 1,
      "previous": null,
      "batch": "<batch>",
      "version": 1,
      "closed_because": {
        "kind": "ready"
      },
      "rows": 6,
      "columns": [
        {
          "name": "id",
          "type": "int64"
        }
      ],
      "entries": [
        {
          "url": "lake/orders/v1/lf_date=<day>/<batch>-0000.parquet",
          "mandatory": true,
          "meta": {
            "content_length": 12
          },
          "kind": "parquet",
          "rows": 3,
          "sha256": "ceacb8c4d394b4bca9ce76f868e5c066aee7c9294208880ba42e0fbfbeead6e0",
          "arrival": "<a>"
        },
        {
          "url": "lake/orders/v1/lf_date=<day>/<batch>-0001.parquet",
          "mandatory": true,
          "meta": {
            "content_length": 12
          },
          "kind": "parquet",
          "rows": 3,
          "sha256": "aaee69a752cc121eab61fc92ab967a829dc062650ad77ae779a9b9cf9f41ab97",
          "arrival": "<b>"
        }
      ],
      "rejects": [
        {
          "url": "rejects/orders/lf_date=<day>/<batch>-0001.parquet",
          "mandatory": true,
          "meta": {
            "content_length": 7
          },
          "kind": "rejects",
          "rows": 1,
          "sha256": "22f56333ffdc935a39ca6089d8bead6a5b85686ab91087efe0c8ca450d0044a3",
          "arrival": "<b>"
        }
      ],
      "sources": [
        {
          "arrival": "<a>",
          "name": "a.csv",
          "sender": "partner:acme",
          "bytes": 12,
          "sha256": "ceacb8c4d394b4bca9ce76f868e5c066aee7c9294208880ba42e0fbfbeead6e0",
          "rows": 3,
          "written": 3,
          "rejected": 0,
          "skipped": 0,
          "outcome": "accepted",
          "receipt": "receipts/orders/a.csv.<a>.receipt.json",
          "expectations": null,
          "supersedes": null
        },
        {
          "arrival": "<b>",
          "name": "b.csv",
          "sender": "partner:acme",
          "bytes": 12,
          "sha256": "aaee69a752cc121eab61fc92ab967a829dc062650ad77ae779a9b9cf9f41ab97",
          "rows": 4,
          "written": 3,
          "rejected": 1,
          "skipped": 0,
          "outcome": "partial",
          "receipt": "receipts/orders/b.csv.<b>.receipt.json",
          "expectations": null,
          "supersedes": null
        }
      ],
      "retracts": []
    }
    "#);
    let arrival = shop.ledger.arrival(first.id).unwrap().unwrap();
    assert_eq!(arrival.state, State::HandedOff, "there is no sink to wait for");
}

#[test]
fn every_step_can_be_taken_again() {
    for steps_taken in 0..=5 {
        let shop = Shop::new("[feed.orders]");
        shop.arrive("a.csv", "parquet of a");
        shop.arrive_partly("b.csv", "parquet of b");
        let batch = shop.close();
        let manifest = render(&shop, &batch);
        for file in batch.files.iter().take(steps_taken) {
            place(&shop, file);
        }
        if steps_taken >= 4 {
            write_manifest(&shop, &batch, &manifest);
        }
        if steps_taken >= 5 {
            shop.ledger.published(batch.id, digest::of_bytes(&manifest), &[]).unwrap();
        }
        let again = shop.ledger.batch(batch.id).unwrap().unwrap();
        let published = shop.publisher().publish(&again).unwrap();
        assert_eq!(published.id, batch.id);
        assert_eq!(published.files, batch.files, "names are fixed when it closes");
        assert_eq!(fs::read(manifest_path(&shop, &batch)).unwrap(), manifest);
        for file in &batch.files {
            let bytes = fs::read(shop.path(&file.to)).unwrap();
            assert_eq!(digest::of_bytes(&bytes), file.digest, "{steps_taken} {}", file.to);
        }
        assert!(shop.files(".landfall/converted").is_empty());
        assert!(shop.publisher().publish_closed().unwrap().is_empty());
    }
}

#[test]
fn both_names_after_a_kill_between_link_and_unlink_are_one_file() {
    let shop = Shop::new("[feed.orders]");
    shop.arrive("a.csv", "parquet of a");
    let batch = shop.close();
    let file = &batch.files[0];
    let to = shop.path(&file.to);
    fs::create_dir_all(to.parent().unwrap()).unwrap();
    fs::copy(shop.path(&file.from), &to).unwrap();
    shop.publisher().publish(&batch).unwrap();
    assert!(!shop.path(&file.from).exists());
}

#[test]
fn a_published_name_is_never_replaced() {
    let shop = Shop::new("[feed.orders]");
    shop.arrive("a.csv", "parquet of a");
    let batch = shop.close();
    let to = shop.path(&batch.files[0].to);
    fs::create_dir_all(to.parent().unwrap()).unwrap();
    fs::write(&to, "somebody else's").unwrap();
    let error = shop.publisher().publish(&batch).expect_err("taken");
    assert!(matches!(error, Error::Taken(_)), "{error}");
    assert_eq!(error.diagnostic(&batch).code, Code::H102);
    assert_eq!(fs::read(&to).unwrap(), b"somebody else's");
    assert!(!manifest_path(&shop, &batch).exists(), "the manifest comes last");
    assert_eq!(shop.ledger.closed_batches().unwrap(), [batch]);
}

#[test]
fn a_manifest_is_never_replaced() {
    let shop = Shop::new("[feed.orders]");
    shop.arrive("a.csv", "parquet of a");
    let batch = shop.close();
    write_manifest(&shop, &batch, b"{}");
    let error = shop.publisher().publish(&batch).expect_err("taken");
    assert!(matches!(error, Error::Taken(_)), "{error}");
    assert_eq!(fs::read(manifest_path(&shop, &batch)).unwrap(), b"{}");
    assert_eq!(shop.ledger.closed_batches().unwrap(), [batch]);
}

#[test]
fn a_file_that_is_gone_or_altered_is_not_published() {
    let shop = Shop::new("[feed.orders]");
    shop.arrive("a.csv", "parquet of a");
    let batch = shop.close();
    let from = shop.path(&batch.files[0].from);
    fs::write(&from, "cut").unwrap();
    let altered = shop.publisher().publish(&batch).expect_err("altered");
    assert!(matches!(altered, Error::Altered(_)), "{altered}");
    fs::remove_file(&from).unwrap();
    let gone = shop.publisher().publish(&batch).expect_err("gone");
    assert!(matches!(gone, Error::Gone(_)), "{gone}");
    assert!(shop.lake().is_empty());
}

#[test]
fn a_raw_object_is_handed_off_where_it_lies() {
    let shop = Shop::new("[feed.orders]");
    let arrival = shop.receive("a.pdf", "not a table");
    let reason = "not a table".to_owned();
    shop.ledger.advance(arrival.id, Event::TakenRaw { reason }).unwrap();
    let batch = shop.publisher().close_and_publish(&orders()).unwrap().unwrap();
    let manifest: serde_json::Value =
        serde_json::from_slice(&fs::read(manifest_path(&shop, &batch)).unwrap()).unwrap();
    assert_eq!(manifest["entries"][0]["url"], arrival.raw.as_str());
    assert_eq!(manifest["entries"][0]["kind"], "raw");
    assert!(shop.lake().is_empty());
}

#[test]
fn a_later_rename_does_not_change_the_manifest() {
    let shop = Shop::new("[feed.orders]");
    let arrival = shop.arrive("a.csv", "parquet of a");
    let rename = |from: &str, to: &str| {
        let (from, to) = (from.parse().unwrap(), to.parse().unwrap());
        shop.ledger.advance(arrival.id, Event::Renamed { from, to }).unwrap();
    };
    rename("a.csv", "b.csv");
    let batch = shop.close();
    let before = render(&shop, &batch);
    assert!(String::from_utf8_lossy(&before).contains("\"b.csv\""));
    rename("b.csv", "c.csv");
    rename("c.csv", "d.csv");
    assert_eq!(render(&shop, &batch), before);
}

#[test]
fn one_batch_that_cannot_be_published_does_not_stop_the_others() {
    let shop = Shop::new("[feed.orders]\n[feed.other]");
    shop.arrive("a.csv", "parquet of a");
    let batch = shop.close();
    write_manifest(&shop, &batch, b"{}");
    assert_eq!(shop.publisher().publish_closed().unwrap().len(), 1);
    assert!(shop.publisher().close_and_publish(&"other".parse().unwrap()).unwrap().is_none());
}

#[test]
fn a_replaced_file_leaves_the_lake_after_its_grace() {
    let mut shop = Shop::new("[feed.orders]\nsame_name = \"replace\"\nretract_grace = \"5m\"\n");
    let old = shop.arrive("a.csv", "parquet of a");
    let publisher = shop.publisher();
    publisher.close_and_publish(&orders()).unwrap();
    shop.arrive("a.csv", "parquet of another a");
    let second = publisher.close_and_publish(&orders()).unwrap().unwrap();
    assert_eq!(second.retracts[0].arrival, old.id);
    assert_eq!(shop.lake().len(), 2, "within the grace");
    let waiting = publisher.retire_retracted().unwrap();
    assert_eq!(waiting.moved, 0);
    let due = waiting.next_due.unwrap();
    assert!(due >= second.published_at.unwrap() + Duration::from_secs(300));

    shop.clock = Clock::fixed(due);
    let later: Publisher = shop.publisher();
    assert_eq!(later.retire_retracted().unwrap().moved, 1);
    assert_eq!(later.retire_retracted().unwrap().moved, 0);
    assert_eq!(shop.files("retracted").len(), 1);
    let live = shop.ledger.live_files(&orders(), None).unwrap();
    let live: Vec<_> = live
        .iter()
        .filter(|file| file.kind == FileKind::Parquet)
        .map(|file| file.to.to_string())
        .collect();
    assert_eq!(shop.lake(), live, "a plain glob equals what is live");
}

#[test]
fn a_retraction_that_a_kill_interrupted_is_finished() {
    let mut shop = Shop::new("[feed.orders]\nsame_name = \"replace\"\nretract_grace = \"1s\"\n");
    shop.arrive("a.csv", "parquet of a");
    shop.publisher().close_and_publish(&orders()).unwrap();
    shop.arrive("a.csv", "parquet of another a");
    let second = shop.publisher().close_and_publish(&orders()).unwrap().unwrap();
    let path = &second.retracts[0].path;
    let kept = shop.path(&Zone::retracted_path(path));
    fs::create_dir_all(kept.parent().unwrap()).unwrap();
    fs::copy(shop.path(path), &kept).unwrap();
    fs::remove_file(shop.path(path)).unwrap();
    shop.clock = Clock::fixed(shop.clock.now() + Duration::from_secs(10));
    shop.publisher().retire_retracted().unwrap();
    assert!(shop.ledger.retractions_due().unwrap().is_empty());
    assert_eq!(fs::read(kept).unwrap(), b"parquet of a");
}
