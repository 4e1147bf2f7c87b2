//! What every kind of sink promises, with the same assertions over each.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use landfall::handoff::sinks::{Answer, Notice, Purpose};
use landfall::ledger::{Batch, Delivery, DeliveryOutcome, DeliveryState, Ledger, Sinks};
use landfall::names::SinkName;
use landfall::zone::Zone;

use crate::nats::Nats;
use crate::postgres::Postgres;
use crate::receiver::Consumer;
use crate::running::{courier, run};
use crate::shop::{Shop, orders};

/// What stands behind a sink in a test.
pub trait Behind {
    /// The lines of `[sink.it]`.
    fn settings(&self) -> String;
    /// Makes it refuse, and no longer.
    fn refuse(&self, refuses: bool);
    /// The sequences of the batches that it took, in order of effect.
    fn taken(&self) -> Vec<u64>;
    /// What is converted for it, when it reads rows.
    fn source(&self) -> Option<String> {
        None
    }
}

fn it() -> SinkName {
    "it".parse().unwrap()
}

pub fn shop(behind: &dyn Behind, retry: &str) -> Shop {
    shop_with(behind, retry, "")
}

/// As [`shop`], with more settings of its feed.
pub fn shop_with(behind: &dyn Behind, retry: &str, feed: &str) -> Shop {
    let mut shop = Shop::new(&format!(
        "[feed.orders]\nsinks = [\"it\"]\n{feed}\n[sink.it]\n{}\nretry = {retry}\n",
        behind.settings()
    ));
    shop.source = behind.source();
    shop
}

pub fn publish(shop: &Shop, name: &str) -> Batch {
    let text = shop.source.clone().unwrap_or_else(|| format!("parquet of {name}"));
    shop.arrive(name, &text);
    shop.publisher().close_and_publish(&orders()).unwrap().unwrap()
}

fn delivery(ledger: &dyn Ledger, batch: &Batch) -> Delivery {
    ledger.deliveries(batch.id).unwrap().remove(0)
}

pub fn wait_until(shop: &Shop, batch: &Batch, state: DeliveryState) -> Delivery {
    shop.wait(|ledger| Some(delivery(ledger, batch)).filter(|found| found.state == state))
}

/// Tells the sink of a batch once more, as after a lost acknowledgement.
pub fn tell_again(shop: &Shop, batch: &Batch) -> Answer {
    let manifest_name = Zone::manifest_path(&batch.feed, batch.sequence);
    let manifest_path = shop.path(&manifest_name);
    let notice = Notice {
        purpose: Purpose::Batch,
        delivery: format!("{}-it", batch.id),
        batch: batch.clone(),
        manifest: fs::read(&manifest_path).unwrap(),
        digest: batch.manifest_digest.unwrap(),
        manifest_name,
        manifest_path,
        zone: shop.zone.root().to_owned(),
        zone_name: "test".to_owned(),
    };
    tell(shop, notice)
}

fn tell(shop: &Shop, notice: Notice) -> Answer {
    let courier = Arc::new(courier(shop));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let sink = shop.config.sinks[&it()].clone();
    runtime.block_on(courier.tell(&sink, notice, shop.clock.now()))
}

fn once_in_effect(behind: &dyn Behind) {
    let shop = shop(behind, "[\"10ms\"]");
    let batches: Vec<_> = ["a", "b", "c"].map(|name| publish(&shop, name)).into();
    let running = run(&shop);
    wait_until(&shop, &batches[2], DeliveryState::Acknowledged);
    drop(running);
    for batch in &batches {
        let again = tell_again(&shop, batch);
        assert!(matches!(again, Answer::Acknowledged(_)), "{again:?}");
    }
    let _running = run(&shop);
    let last = publish(&shop, "d");
    wait_until(&shop, &last, DeliveryState::Acknowledged);
    assert_eq!(behind.taken(), [1, 2, 3, 4]);
}

fn refusals_are_retried_in_order(behind: &dyn Behind) {
    let shop = shop(behind, &format!("[{}]", ["\"20ms\""; 200].join(", ")));
    behind.refuse(true);
    let _running = run(&shop);
    let first = publish(&shop, "a");
    let second = publish(&shop, "b");
    let tried = shop.wait(|ledger| Some(delivery(ledger, &first)).filter(|d| d.attempts > 2));
    assert_eq!(tried.id, format!("{}-it", first.id));
    assert!(tried.last_error.is_some_and(|error| !error.is_empty()));
    assert_eq!(delivery(shop.ledger.as_ref(), &second).attempts, 0, "it waits for its turn");
    behind.refuse(false);
    let done = wait_until(&shop, &first, DeliveryState::Acknowledged);
    assert_eq!(done.id, tried.id);
    wait_until(&shop, &second, DeliveryState::Acknowledged);
    assert_eq!(behind.taken(), [1, 2]);
}

fn a_stalled_sink_drains_in_order(behind: &dyn Behind) {
    let shop = shop(behind, "[]");
    behind.refuse(true);
    let _running = run(&shop);
    let first = publish(&shop, "a");
    let stalled = wait_until(&shop, &first, DeliveryState::Stalled);
    let later: Vec<_> = ["b", "c"].map(|name| publish(&shop, name)).into();
    behind.refuse(false);
    assert!(behind.taken().is_empty());
    shop.ledger.delivered(&stalled.id, DeliveryOutcome::Resumed("mended".to_owned())).unwrap();
    wait_until(&shop, &later[1], DeliveryState::Acknowledged);
    assert_eq!(behind.taken(), [1, 2, 3]);
}

fn a_paused_sink_is_told_nothing(behind: &dyn Behind) {
    let shop = shop(behind, "[]");
    assert!(shop.ledger.pause_sink(&it(), "by the test").unwrap());
    assert!(!shop.ledger.pause_sink(&it(), "again").unwrap(), "it is paused already");
    let running = run(&shop);
    let batches: Vec<_> = ["a", "b"].map(|name| publish(&shop, name)).into();
    assert!(!shop.ledger.in_flight(&orders()).unwrap(), "nothing waits for a paused sink");
    // A restart does not resume it.
    drop(running);
    let _running = run(&shop);
    let waiting = delivery(shop.ledger.as_ref(), &batches[0]);
    assert_eq!((waiting.state, waiting.attempts), (DeliveryState::Pending, 0));
    assert_eq!(shop.ledger.backlog().unwrap(), [(it(), orders(), 2)]);
    assert!(shop.ledger.unpause_sink(&it(), "on").unwrap());
    wait_until(&shop, &batches[1], DeliveryState::Acknowledged);
    assert_eq!(behind.taken(), [1, 2]);
}

fn a_test_leaves_nothing(behind: &dyn Behind) {
    let shop = shop(behind, "[]");
    let batch = publish(&shop, "a");
    let manifest_name = Zone::manifest_path(&batch.feed, batch.sequence);
    let notice = || Notice {
        purpose: Purpose::Test,
        delivery: "test-1".to_owned(),
        batch: Batch { sequence: 0, files: Vec::new(), ..batch.clone() },
        manifest: b"{}".to_vec(),
        digest: batch.manifest_digest.unwrap(),
        manifest_path: shop.path(&manifest_name),
        manifest_name: manifest_name.clone(),
        zone: shop.zone.root().to_owned(),
        zone_name: "test".to_owned(),
    };
    let answer = tell(&shop, notice());
    assert!(matches!(answer, Answer::Acknowledged(_)), "{answer:?}");
    behind.refuse(true);
    let answer = tell(&shop, notice());
    assert!(matches!(answer, Answer::Refused { .. }), "{answer:?}");
    behind.refuse(false);
    let taken = behind.taken();
    assert!(taken.is_empty(), "{taken:?}");
}

/// Every promise over one kind of sink.
macro_rules! contract {
    ($kind:ident, $behind:expr) => {
        mod $kind {
            use super::*;

            #[test]
            fn is_told_once_in_effect() {
                once_in_effect(&$behind);
            }

            #[test]
            fn is_told_again_in_order_with_the_same_id() {
                refusals_are_retried_in_order(&$behind);
            }

            #[test]
            fn stalls_and_drains_in_order() {
                a_stalled_sink_drains_in_order(&$behind);
            }

            #[test]
            fn is_paused_and_resumed() {
                a_paused_sink_is_told_nothing(&$behind);
            }

            #[test]
            fn can_be_tried() {
                a_test_leaves_nothing(&$behind);
            }
        }
    };
}

contract!(command, Shell::new());
contract!(webhook, Hook(Consumer::start()));
contract!(folder, OutFolder::new());
contract!(postgres, Postgres::start());
contract!(nats, Nats::start());

/// A shell consumer with an inbox: it takes each delivery once.
struct Shell(tempfile::TempDir);

impl Shell {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }
}

impl Behind for Shell {
    fn settings(&self) -> String {
        let at = self.0.path().display();
        let script = format!(
            "test ! -e {at}/broken || exit 1; test -z \"$LANDFALL_TEST\" || exit 0; \
             grep -qx \"$LANDFALL_DELIVERY\" {at}/inbox 2>/dev/null && exit 0; \
             echo $LANDFALL_SEQUENCE >> {at}/taken; echo $LANDFALL_DELIVERY >> {at}/inbox"
        );
        format!("command = [\"sh\", \"-c\", '''{script}''']")
    }

    fn refuse(&self, refuses: bool) {
        let broken = self.0.path().join("broken");
        if refuses { fs::write(broken, "").unwrap() } else { fs::remove_file(broken).unwrap() }
    }

    fn taken(&self) -> Vec<u64> {
        let text = fs::read_to_string(self.0.path().join("taken")).unwrap_or_default();
        text.lines().map(|line| line.parse().unwrap()).collect()
    }
}

struct Hook(Consumer);

impl Behind for Hook {
    fn settings(&self) -> String {
        format!("webhook = \"{}\"", self.0.url)
    }

    fn refuse(&self, refuses: bool) {
        self.0.refuse(refuses);
    }

    fn taken(&self) -> Vec<u64> {
        let batches = self.0.taken().into_iter();
        let batches = batches.filter(|(_, event)| event["type"] != "dev.landfall.sink.test.v1");
        batches.map(|(_, event)| event["data"]["sequence"].as_u64().unwrap()).collect()
    }
}

/// A folder that can be gone.
struct OutFolder(tempfile::TempDir);

impl OutFolder {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("out")).unwrap();
        Self(folder)
    }

    fn out(&self) -> PathBuf {
        self.0.path().join("out")
    }
}

impl Behind for OutFolder {
    fn settings(&self) -> String {
        format!("folder = \"{}\"\nsuccess = \"file\"", self.out().display())
    }

    fn refuse(&self, refuses: bool) {
        let away = self.0.path().join("away");
        let (from, to) = if refuses { (self.out(), away) } else { (away, self.out()) };
        rustix::fs::rename(from, to).unwrap();
    }

    fn taken(&self) -> Vec<u64> {
        let Ok(batches) = fs::read_dir(self.out().join("orders")) else { return Vec::new() };
        let mut whole: Vec<(std::time::SystemTime, u64)> = batches
            .map(|entry| entry.unwrap())
            .filter(|entry| entry.path().join("_SUCCESS").is_file())
            .map(|entry| {
                let sequence = entry.file_name().to_str().unwrap().parse().unwrap();
                (entry.path().join("_SUCCESS").metadata().unwrap().modified().unwrap(), sequence)
            })
            .collect();
        whole.sort();
        whole.into_iter().map(|(_, sequence)| sequence).collect()
    }
}

#[test]
fn a_folder_holds_what_the_manifest_names() {
    let behind = OutFolder::new();
    let shop = shop(&behind, "[]");
    shop.arrive_partly("a", "parquet of a");
    let batch = shop.publisher().close_and_publish(&orders()).unwrap().unwrap();
    let _running = run(&shop);
    wait_until(&shop, &batch, DeliveryState::Acknowledged);
    let folder = behind.out().join("orders/0000000001");
    let manifest: serde_json::Value =
        serde_json::from_slice(&fs::read(folder.join("manifest.json")).unwrap()).unwrap();
    for entry in ["entries", "rejects"].map(|list| manifest[list][0].clone()) {
        let bytes = fs::read(folder.join(entry["url"].as_str().unwrap())).unwrap();
        assert_eq!(landfall::archive::digest::of_bytes(&bytes).to_string(), entry["sha256"]);
    }
    let parts = walk(&folder).into_iter().filter(|name| name.contains(".part"));
    assert_eq!(parts.count(), 0);
}

fn walk(folder: &std::path::Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries
        .flat_map(|path| match path.is_dir() {
            true => walk(&path),
            false => vec![path.display().to_string()],
        })
        .collect()
}

#[test]
fn a_copy_with_other_bytes_and_a_damaged_source_are_refused() {
    let behind = OutFolder::new();
    let shop = shop(&behind, "[]");
    let batch = publish(&shop, "a");
    let copy = behind.out().join("orders/0000000001").join(batch.files[0].to.as_str());
    fs::create_dir_all(copy.parent().unwrap()).unwrap();
    fs::write(&copy, "somebody else's").unwrap();
    let Answer::Refused { why, .. } = tell_again(&shop, &batch) else { panic!("taken") };
    assert!(why.ends_with("exists with other bytes and is never replaced"), "{why}");
    assert_eq!(fs::read(&copy).unwrap(), b"somebody else's");
    fs::remove_file(&copy).unwrap();
    let source = shop.path(&batch.files[0].to);
    fs::write(&source, "parquet of b").unwrap();
    let Answer::Refused { why, .. } = tell_again(&shop, &batch) else { panic!("taken") };
    assert!(why.ends_with("does not have the digest that the manifest states"), "{why}");
    assert!(!copy.exists() && behind.taken().is_empty());
}

#[test]
fn a_consumer_that_loses_acknowledgements_takes_each_batch_once() {
    let consumer = Consumer::start();
    let hook = Hook(consumer);
    let shop = shop(&hook, &format!("[{}]", ["\"5ms\""; 20].join(", ")));
    let _running = run(&shop);
    hook.0.lose(7);
    let batches: Vec<_> = (0..10).map(|number| publish(&shop, &number.to_string())).collect();
    wait_until(&shop, &batches[9], DeliveryState::Acknowledged);
    assert_eq!(hook.taken(), (1..=10).collect::<Vec<_>>());
    let attempts: u32 =
        batches.iter().map(|batch| delivery(shop.ledger.as_ref(), batch).attempts).sum();
    assert_eq!(attempts, 17);
}

#[test]
fn a_receiver_that_is_gone_stalls_at_once() {
    use crate::receiver::{Reply, receive};
    let (url, _requests) = receive(vec![Reply::Http("410 Gone", "", "moved away".to_owned())]);
    let shop = Shop::new(&format!(
        "[feed.orders]\nsinks = [\"it\"]\n[sink.it]\nwebhook = \"{url}\"\nretry = [\"1h\"]\n"
    ));
    let _running = run(&shop);
    let batch = publish(&shop, "a");
    let stalled = wait_until(&shop, &batch, DeliveryState::Stalled);
    assert_eq!(
        (stalled.attempts, stalled.last_error.as_deref()),
        (1, Some("410 Gone: moved away"))
    );
}

#[test]
fn a_webhook_is_signed_with_every_key_and_verified_by_the_reference_library() {
    const SECRETS: [&str; 2] = [
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        "whsec_bmV3IHNlY3JldCBvZiB0aGlydHktdHdvIGJ5dGVzIQ==",
    ];
    let hook = Hook(Consumer::start());
    let shop = Shop::new(&format!(
        "[feed.orders]\nsinks = [\"it\"]\n[sink.it]\nwebhook = \"{}\"\nretry = []\n\
         secrets = [\"file:old\", \"file:new\"]\n",
        hook.0.url
    ));
    for (name, secret) in ["old", "new"].iter().zip(SECRETS) {
        fs::write(shop.zone.root().join(name), format!("{secret}\n")).unwrap();
    }
    let _running = run(&shop);
    let batch = publish(&shop, "a");
    wait_until(&shop, &batch, DeliveryState::Acknowledged);
    let request = hook.0.last_request();
    let headers = ["webhook-id", "webhook-timestamp", "webhook-signature"]
        .map(|name| (name, request.header(name)));
    let given = serde_json::json!({
        "headers": std::collections::BTreeMap::from(headers),
        "body": String::from_utf8(request.body.clone()).unwrap(),
        "secrets": SECRETS,
    });
    let script = "
import json, sys
from standardwebhooks import Webhook, WebhookVerificationError
given = json.load(sys.stdin)
for secret in given['secrets']:
    Webhook(secret).verify(given['body'], given['headers'])
for secret, body in (('whsec_' + 'A' * 32, given['body']), (given['secrets'][0], given['body'] + ' ')):
    try:
        Webhook(secret).verify(body, given['headers'])
        sys.exit('verified what it must not')
    except WebhookVerificationError:
        pass
print('ok')
";
    assert_eq!(crate::python::run(script, &given.to_string()), "ok\n");
}

#[test]
fn a_secret_is_neither_told_nor_needed_before_it_is_there() {
    let hook = Hook(Consumer::start());
    let shop = Shop::new(&format!(
        "[feed.orders]\nsinks = [\"it\"]\n[sink.it]\nwebhook = \"{}\"\nretry = [\"50ms\", \"1h\"]\n\
         secrets = [\"file:key\"]\n",
        hook.0.url
    ));
    let key = shop.zone.root().join("key");
    fs::write(&key, "not-a-key-but-a-secret").unwrap();
    let _running = run(&shop);
    let batch = publish(&shop, "a");
    let refused = shop.wait(|ledger| Some(delivery(ledger, &batch)).filter(|d| d.attempts == 2));
    let why = refused.last_error.unwrap();
    assert!(why.contains("whsec_") && !why.contains("not-a-key"), "{why}");
    assert!(hook.0.taken().is_empty(), "nothing is sent unsigned");
    let everything = format!("{:?}", shop.ledger.events(0, 1000).unwrap());
    assert!(!everything.contains("not-a-key"), "{everything}");
    fs::write(&key, "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
    let due = shop.clock.now().checked_add(Duration::ZERO).unwrap();
    let again = DeliveryOutcome::RetryAt(due, "again".to_owned());
    shop.ledger.delivered(&refused.id, again).unwrap();
    wait_until(&shop, &batch, DeliveryState::Acknowledged);
}

#[test]
fn what_an_acknowledgement_says_is_kept() {
    let script = r#"echo '{"tables": ["raw.orders"], "rows": 3, "run": "17"}'"#;
    let shop = Shop::new(&format!(
        "[feed.orders]\nsinks = [\"it\"]\n[sink.it]\ncommand = [\"sh\", \"-c\", '''{script}''']\n"
    ));
    let _running = run(&shop);
    let batch = publish(&shop, "a");
    let used = wait_until(&shop, &batch, DeliveryState::Acknowledged).used_by().unwrap();
    assert_eq!(
        (used.tables, used.rows, used.run),
        (vec!["raw.orders".into()], Some(3), Some("17".into()))
    );
}
