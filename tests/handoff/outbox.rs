//! The outbox against real commands and a real HTTP server.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use landfall::config;
use landfall::ledger::{
    Batch, BatchState, Delivery, DeliveryOutcome, DeliveryState, Event, Ledger, State,
};
use landfall::names::SinkName;

use crate::receiver::{Reply, ok, receive};
use crate::running::{run, run_with};
use crate::shop::{Shop, orders};

fn publish(shop: &Shop, name: &str) -> Batch {
    shop.arrive(name, &format!("parquet of {name}"));
    shop.publisher().close_and_publish(&orders()).unwrap().unwrap()
}

fn delivery(ledger: &dyn Ledger, batch: &Batch, sink: &str) -> Delivery {
    let sink: SinkName = sink.parse().unwrap();
    let all = ledger.deliveries(batch.id).unwrap();
    all.into_iter().find(|delivery| delivery.sink == sink).unwrap()
}

fn wait_until(shop: &Shop, batch: &Batch, sink: &str, state: DeliveryState) -> Delivery {
    shop.wait(|ledger| Some(delivery(ledger, batch, sink)).filter(|found| found.state == state))
}

fn webhook(url: &str) -> String {
    format!(
        "[feed.orders]\nsinks = [\"hook\"]\n[sink.hook]\nwebhook = \"{url}\"\ntimeout = \"500ms\"\n\
         retry = [\"20ms\", \"20ms\", \"20ms\"]\n"
    )
}

/// A sink that fails while the file `broken` is in the zone and appends what it is told to `told`.
const SHELL: &str = r#"["sh", "-c", "test ! -e broken && echo $LANDFALL_SEQUENCE $LANDFALL_DELIVERY >> told && echo loaded"]"#;

fn command(retry: &str) -> String {
    format!(
        "[feed.orders]\nsinks = [\"shell\"]\n[sink.shell]\ncommand = {SHELL}\nretry = {retry}\n"
    )
}

fn break_sink(shop: &Shop) -> std::path::PathBuf {
    let path = shop.zone.root().join("broken");
    fs::write(&path, "").unwrap();
    path
}

fn told(root: &Path) -> Vec<String> {
    let text = fs::read_to_string(root.join("told")).unwrap_or_default();
    text.lines().map(|line| line.split(' ').next().unwrap().to_owned()).collect()
}

#[test]
fn an_acknowledged_batch_is_handed_off() {
    let shop = Shop::new(&command("[]"));
    let _running = run(&shop);
    let batch = publish(&shop, "a.csv");
    let done = wait_until(&shop, &batch, "shell", DeliveryState::Acknowledged);
    assert_eq!((done.attempts, done.acknowledgement.as_deref()), (1, Some("loaded")));
    let member = shop.ledger.arrival(batch.members[0]).unwrap().unwrap();
    assert_eq!(member.state, State::HandedOff);
    assert_eq!(shop.ledger.batch(batch.id).unwrap().unwrap().state, BatchState::Published);
}

#[test]
fn a_refusing_webhook_is_told_again_with_the_same_id() {
    let refusal = || Reply::Http("500 Broken", "", "try later".to_owned());
    let (url, requests) = receive(vec![refusal(), Reply::Reset, Reply::Hang, ok("taken")]);
    let shop = Shop::new(&webhook(&url));
    let _running = run(&shop);
    let batch = publish(&shop, "a.csv");
    let done = wait_until(&shop, &batch, "hook", DeliveryState::Acknowledged);
    assert_eq!((done.attempts, done.acknowledgement.as_deref()), (4, Some("taken")));
    let attempts: Vec<_> = requests.iter().take(4).collect();
    let ids: Vec<_> = attempts.iter().map(|request| request.header("webhook-id")).collect();
    assert_eq!(ids, [done.id.as_str(); 4]);
    assert!(attempts.iter().all(|request| request.body == attempts[0].body));
    let manifest = &attempts[0].json()["data"];
    assert_eq!(manifest["batch"], batch.id.to_string());
    let failed = |recorded: &landfall::ledger::Recorded| matches!(&recorded.event, Event::DeliveryFailed { error, .. } if error.contains("try later"));
    assert!(shop.ledger.events(0, 1000).unwrap().iter().any(failed));
}

#[test]
fn batches_of_a_feed_are_told_in_order() {
    let shop = Shop::new(&command(r#"["30ms", "30ms", "30ms", "30ms", "30ms", "30ms", "30ms"]"#));
    let broken = break_sink(&shop);
    let _running = run(&shop);
    let first = publish(&shop, "a.csv");
    let last = publish(&shop, "b.csv");
    shop.wait(|ledger| (delivery(ledger, &first, "shell").attempts > 1).then_some(()));
    fs::remove_file(broken).unwrap();
    wait_until(&shop, &last, "shell", DeliveryState::Acknowledged);
    assert_eq!(told(shop.zone.root()), ["1", "2"]);
}

#[test]
fn a_stalled_sink_waits_for_a_person_and_holds_only_itself() {
    let config = format!(
        "[feed.orders]\nsinks = [\"shell\", \"other\"]\n[sink.shell]\ncommand = {SHELL}\n\
         retry = [\"10ms\"]\n[sink.other]\ncommand = [\"true\"]\n"
    );
    let shop = Shop::new(&config);
    let broken = break_sink(&shop);
    let _running = run(&shop);
    let first = publish(&shop, "a.csv");
    let stalled = wait_until(&shop, &first, "shell", DeliveryState::Stalled);
    assert_eq!(stalled.attempts, 2, "the first and one retry");
    fs::remove_file(broken).unwrap();
    let second = publish(&shop, "b.csv");
    wait_until(&shop, &second, "other", DeliveryState::Acknowledged);
    let waiting = delivery(shop.ledger.as_ref(), &second, "shell");
    assert_eq!((waiting.state, waiting.attempts), (DeliveryState::Pending, 0));
    assert!(told(shop.zone.root()).is_empty(), "nothing later is sent");

    let reason = "mended".to_owned();
    shop.ledger.delivered(&stalled.id, DeliveryOutcome::Resumed(reason)).unwrap();
    wait_until(&shop, &second, "shell", DeliveryState::Acknowledged);
    assert_eq!(told(shop.zone.root()), ["1", "2"]);
}

#[test]
fn a_skipped_batch_lets_the_next_one_go() {
    let shop = Shop::new(&command("[]"));
    let broken = break_sink(&shop);
    let _running = run(&shop);
    let first = publish(&shop, "a.csv");
    let stalled = wait_until(&shop, &first, "shell", DeliveryState::Stalled);
    let second = publish(&shop, "b.csv");
    fs::remove_file(broken).unwrap();
    let reason = "loaded by hand".to_owned();
    shop.ledger.delivered(&stalled.id, DeliveryOutcome::Skipped(reason)).unwrap();
    wait_until(&shop, &second, "shell", DeliveryState::Acknowledged);
    assert_eq!(told(shop.zone.root()), ["2"]);
}

#[test]
fn a_sink_that_is_no_longer_configured_stalls() {
    let shop = Shop::new(&command("[\"1h\"]"));
    let batch = publish(&shop, "a.csv");
    let without = config::parse("landfall.toml", "[feed.orders]").unwrap();
    let _running = run_with(&shop, Arc::new(without));
    let stalled = wait_until(&shop, &batch, "shell", DeliveryState::Stalled);
    assert_eq!(stalled.last_error.as_deref(), Some("no sink `shell` is configured"));
}

#[test]
fn what_was_in_flight_is_told_again_after_a_restart() {
    let (url, requests) = receive(vec![Reply::Hang, ok("")]);
    let shop = Shop::new(&webhook(&url).replace("500ms", "1h"));
    let batch = publish(&shop, "a.csv");
    let cut_short = run(&shop);
    let first = requests.recv().unwrap();
    drop(cut_short);
    let before = delivery(shop.ledger.as_ref(), &batch, "hook");
    assert_eq!((before.state, before.attempts), (DeliveryState::Pending, 0), "it does not count");
    let _running = run(&shop);
    let done = wait_until(&shop, &batch, "hook", DeliveryState::Acknowledged);
    for request in [first, requests.recv().unwrap()] {
        assert_eq!(request.header("webhook-id"), done.id);
    }
}

#[test]
fn retry_after_is_honoured() {
    let busy = Reply::Http("429 Too Many", "Retry-After: 7200\r\n", String::new());
    let (url, _requests) = receive(vec![busy]);
    let shop = Shop::new(&webhook(&url));
    let _running = run(&shop);
    let batch = publish(&shop, "a.csv");
    let waiting = shop.wait(|ledger| {
        Some(delivery(ledger, &batch, "hook")).filter(|delivery| delivery.attempts == 1)
    });
    let wait = waiting.due_at.duration_since(batch.published_at.unwrap());
    assert!(wait.as_secs() >= 7200, "{wait}");
}

#[test]
fn a_manifest_that_was_tampered_with_is_not_handed_off() {
    let shop = Shop::new(&command("[]"));
    let batch = publish(&shop, "a.csv");
    let name = landfall::zone::Zone::manifest_path(&batch.feed, batch.sequence);
    fs::write(shop.path(&name), "{}").unwrap();
    let _running = run(&shop);
    let stalled = wait_until(&shop, &batch, "shell", DeliveryState::Stalled);
    assert!(stalled.last_error.unwrap().contains("is damaged"));
}

#[test]
fn many_feeds_and_batches_are_each_told_once_and_in_order() {
    let shop = Shop::new(&command("[]"));
    let _running = run(&shop);
    let batches: Vec<_> = (0..20).map(|number| publish(&shop, &format!("{number}.csv"))).collect();
    wait_until(&shop, &batches[19], "shell", DeliveryState::Acknowledged);
    let expected: Vec<_> = (1..=20).map(|number| number.to_string()).collect();
    assert_eq!(told(shop.zone.root()), expected);
}
