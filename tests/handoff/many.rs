//! Many deliveries, a consumer that misbehaves in every way, and sinks that are dead.
//!
//! `LF_DELIVERIES` (2,000) says how many, `LF_COMPRESSION` (100,000) how many times faster than in the
//! world the schedule of retries goes by. What is promised, `tests/handoff/run` does: 100,000, a thousandfold.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::Write as _;
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use landfall::clock::{Clock, Timestamp};
use landfall::ledger::{Batch, DeliveryOutcome, DeliveryState, Event, Ledger};
use landfall::names::{FeedName, SinkName};
use landfall::ops::needs;

use crate::receiver::{Consumer, Request, read};
use crate::running::run;
use crate::shop::{Shop, orders};

const FEEDS: u64 = 100;
/// What the consumer asks for when it is busy.
const RETRY_AFTER: Duration = Duration::from_secs(1);
/// Seconds between the attempts, after Standard Webhooks.
const SCHEDULE_S: [u64; 9] = [5, 300, 1800, 7200, 18_000, 36_000, 50_400, 72_000, 86_400];

/// An answer that comes later may find nobody: the client waits 300 ms in all.
const HEARD_WITHIN: Duration = Duration::from_millis(100);

/// What the reference consumer did.
#[derive(Default)]
struct Inbox {
    /// The attempts at each delivery.
    attempts: HashMap<String, u32>,
    /// Deliveries that are not to come again before this.
    busy_until: HashMap<String, Instant>,
    /// The sequence of each feed's last effect.
    last: HashMap<String, u64>,
    effects: u64,
    lost: u64,
    /// What must not be.
    wrong: Vec<String>,
}

/// A consumer with an inbox, which takes each id once and loses three acknowledgements of ten, when it does not refuse.
struct Reference {
    url: String,
    inbox: Arc<(Mutex<Inbox>, Condvar)>,
}

impl Reference {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/hook", listener.local_addr().unwrap());
        let inbox: Arc<(Mutex<Inbox>, Condvar)> = Arc::default();
        let shared = Arc::clone(&inbox);
        std::thread::spawn(move || {
            for stream in listener.incoming().map(Result::unwrap) {
                let inbox = Arc::clone(&shared);
                std::thread::spawn(move || consume(stream, &inbox));
            }
        });
        Self { url, inbox }
    }

    /// Waits for so many effects, as long as there are some every now and then.
    fn wait_for(&self, effects: u64, patience: Duration) {
        let (inbox, changed) = &*self.inbox;
        let mut inbox = inbox.lock().unwrap();
        while inbox.effects < effects {
            let before = inbox.effects;
            let waited =
                changed.wait_timeout_while(inbox, patience, |inbox| inbox.effects == before);
            let (now, ended) = waited.unwrap();
            assert!(!ended.timed_out(), "{before} effects of {effects}, and no more");
            inbox = now;
        }
    }
}

fn consume(mut stream: TcpStream, inbox: &(Mutex<Inbox>, Condvar)) {
    let began = Instant::now();
    let request: Request = read(&stream);
    let (id, event) = (request.header("webhook-id").to_owned(), request.json());
    let mut hasher = DefaultHasher::new();
    let attempt = {
        let mut inbox = inbox.0.lock().unwrap();
        if inbox.busy_until.remove(&id).is_some_and(|until| Instant::now() < until) {
            inbox.wrong.push(format!("{id} came again too early"));
        }
        let attempts = inbox.attempts.entry(id.clone()).or_default();
        *attempts += 1;
        *attempts
    };
    (&id, attempt).hash(&mut hasher);
    let dice = hasher.finish() % 100;
    let refusal = |status: &str, headers: &str| {
        format!("HTTP/1.1 {status}\r\n{headers}Content-Length: 0\r\n\r\n")
    };
    // Refused before any effect, or lost after it.
    let answer = match dice {
        0..4 => Some(refusal("500 Broken", "")),
        4..8 => {
            // A client that has given up meanwhile does not hear of it.
            if began.elapsed() < HEARD_WITHIN {
                let until = Instant::now() + RETRY_AFTER;
                inbox.0.lock().unwrap().busy_until.insert(id.clone(), until);
            }
            let asked = format!("Retry-After: {}\r\n", RETRY_AFTER.as_secs());
            Some(refusal("429 Busy", &asked))
        }
        _ => None,
    };
    if let Some(answer) = answer {
        stream.write_all(answer.as_bytes()).unwrap();
        return;
    }
    take(&mut inbox.0.lock().unwrap(), attempt, &event);
    inbox.1.notify_all();
    match dice {
        8..26 => inbox.0.lock().unwrap().lost += 1, // Closed without an answer.
        26..37 => {
            inbox.0.lock().unwrap().lost += 1;
            rustix::net::sockopt::set_socket_linger(&stream, Some(Duration::ZERO)).unwrap();
        }
        37 => {
            inbox.0.lock().unwrap().lost += 1;
            // Until the client gives up.
            let _gone = std::io::Read::read(&mut stream, &mut [0]);
        }
        _ => stream.write_all(refusal("200 OK", "").as_bytes()).unwrap(),
    }
}

fn take(inbox: &mut Inbox, attempt: u32, event: &serde_json::Value) {
    let feed = event["lffeed"].as_str().unwrap().to_owned();
    let sequence = event["data"]["sequence"].as_u64().unwrap();
    let last = inbox.last.entry(feed.clone()).or_default();
    if sequence == *last + 1 {
        *last = sequence;
        inbox.effects += 1;
    } else if sequence != *last || attempt == 1 {
        // Only the last one may come again, and only as a repeat.
        inbox.wrong.push(format!("{feed}: {sequence} after {last}"));
    }
}

/// A number that the environment may say otherwise.
fn given(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |number| number.parse().unwrap())
}

#[test]
fn effects_are_exactly_once_with_a_consumer_that_loses_acknowledgements() {
    let count = given("LF_DELIVERIES", 2000) / FEEDS * FEEDS;
    let compression = given("LF_COMPRESSION", 100_000);
    let consumer = Reference::start();
    // It ends late enough that nothing stalls.
    let schedule = SCHEDULE_S.into_iter().chain([86_400; 10]);
    let waits: Vec<_> = schedule.map(|s| (s * 1000).div_ceil(compression)).collect();
    let patience = Duration::from_secs(60) + Duration::from_millis(waits.iter().sum());
    let waits = waits.iter().map(|ms| format!("\"{ms}ms\""));
    let mut config = format!(
        "[zone]\ndurability = \"relaxed\"\n[sink.hook]\nwebhook = \"{}\"\ntimeout = \"300ms\"\nretry = [{}]\n",
        consumer.url,
        waits.collect::<Vec<_>>().join(", ")
    );
    let feeds: Vec<FeedName> = (0..FEEDS).map(|n| format!("feed-{n}").parse().unwrap()).collect();
    for feed in &feeds {
        config.push_str(&format!("[feed.{feed}]\nsinks = [\"hook\"]\n"));
    }
    let shop = Shop::new(&config);
    let started = Instant::now();
    let publisher = shop.publisher();
    for number in 0..count / FEEDS {
        for feed in &feeds {
            shop.arrive_in(feed, &format!("{number}.csv"), "parquet");
            publisher.close_and_publish(feed).unwrap().unwrap();
        }
    }
    let published = started.elapsed();
    // A stop and a start in the middle change nothing.
    let first = run(&shop);
    consumer.wait_for(count / 2, patience);
    drop(first);
    // What was in flight is told again, whatever was answered.
    consumer.inbox.0.lock().unwrap().busy_until.clear();
    let running = run(&shop);
    consumer.wait_for(count, patience);
    shop.wait_for(patience, |ledger| ledger.outbox().unwrap().is_empty().then_some(()));
    let inbox = consumer.inbox.0.lock().unwrap();
    assert_eq!(inbox.wrong, [""; 0]);
    assert_eq!(inbox.effects, count);
    assert_eq!(inbox.attempts.len() as u64, count, "every attempt had the id of its delivery");
    let attempts: u64 = inbox.attempts.values().map(|attempts| u64::from(*attempts)).sum();
    assert!(
        inbox.lost * 10 >= attempts * 25 / 10,
        "{} of {count} acknowledgements were lost",
        inbox.lost
    );
    eprintln!(
        "{count} deliveries, {attempts} attempts, {} acknowledgements lost, published in {published:?}, \
         all in {:?}",
        inbox.lost,
        started.elapsed()
    );
    drop(running);
}

/// How long after its publication each batch has reached all the sinks that live.
fn latencies(dead: Option<&str>) -> Vec<Duration> {
    const LIVE: usize = 9;
    const BATCHES: usize = 30;
    let consumers: Vec<_> = (0..LIVE).map(|_| Consumer::start()).collect();
    let mut config = String::new();
    let mut names: Vec<String> = Vec::new();
    for (number, consumer) in consumers.iter().enumerate() {
        names.push(format!("\"live-{number}\""));
        config.push_str(&format!("[sink.live-{number}]\nwebhook = \"{}\"\n", consumer.url));
    }
    if let Some(url) = dead {
        names.push("\"dead\"".to_owned());
        config.push_str(&format!("[sink.dead]\nwebhook = \"{url}\"\ntimeout = \"1h\"\n"));
    }
    config.push_str(&format!("[feed.orders]\nsinks = [{}]\n", names.join(", ")));
    let shop = Shop::new(&config);
    let _running = run(&shop);
    let mut all = Vec::new();
    for number in 0..BATCHES {
        shop.arrive(&number.to_string(), "parquet");
        let batch = shop.publisher().close_and_publish(&orders()).unwrap().unwrap();
        let started = Instant::now();
        shop.wait(|ledger| {
            let told = ledger.deliveries(batch.id).unwrap();
            let done = told.iter().filter(|one| one.state == DeliveryState::Acknowledged).count();
            (done == LIVE).then_some(())
        });
        all.push(started.elapsed());
        assert!(!shop.ledger.in_flight(&orders()).unwrap(), "the next batch need not wait");
    }
    all.sort();
    all
}

#[test]
fn one_dead_sink_of_ten_holds_only_itself() {
    // A receiver that takes connections and never answers.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", silent.local_addr().unwrap());
    let median = |all: &[Duration]| all[all.len() / 2];
    // In turns, so that what else the machine does falls on both.
    let (mut without, mut with) = (Vec::new(), Vec::new());
    for _ in 0..2 {
        without.extend(latencies(None));
        with.extend(latencies(Some(&url)));
    }
    without.sort();
    with.sort();
    let (without, with) = (median(&without), median(&with));
    eprintln!("median latency {without:?} without the dead sink, {with:?} with it");
    // The promise is 1.1 times; a few milliseconds more are the machine's.
    assert!(with <= without.mul_f64(1.1) + Duration::from_millis(5), "{with:?} {without:?}");
}

#[test]
fn a_sink_that_is_dead_for_seven_days_stalls_with_an_alarm_and_drains_in_order() {
    let begin: Timestamp = "2026-11-01T00:00:00Z".parse().unwrap();
    let now = Arc::new(Mutex::new(begin));
    let shown = Arc::clone(&now);
    let consumer = Consumer::start();
    let shop = Shop::at(
        &format!("[feed.orders]\nsinks = [\"it\"]\n[sink.it]\nwebhook = \"{}\"\n", consumer.url),
        Clock::of(move || *shown.lock().unwrap()),
    );
    consumer.refuse(true);
    let _running = run(&shop);
    let publish = |name: &str| -> Batch {
        shop.arrive(name, name);
        shop.publisher().close_and_publish(&orders()).unwrap().unwrap()
    };
    let first = publish("day-1");
    let mut attempts = 0;
    let stalled = loop {
        let ended = shop.wait(|ledger| {
            let delivery = ledger.deliveries(first.id).unwrap().remove(0);
            (delivery.attempts > attempts).then_some(delivery)
        });
        attempts = ended.attempts;
        if ended.state == DeliveryState::Stalled {
            break ended;
        }
        // Time passes until it is due; a commit wakes the outbox.
        *now.lock().unwrap() = ended.due_at;
        shop.ledger.note(Event::Stopped).unwrap();
    };
    let tried = now.lock().unwrap().duration_since(begin);
    assert_eq!(attempts, 10, "one and the nine of the schedule");
    assert!((75..=168).contains(&tried.as_hours()), "{tried}");
    *now.lock().unwrap() = begin + Duration::from_secs(7 * 24 * 3600);
    let later: Vec<_> = ["day-6", "day-7"].map(publish).into();
    let alarm = needs::of_ledger(shop.ledger.as_ref(), Some(&shop.config), "").unwrap();
    assert_eq!(alarm.len(), 1);
    assert!(
        alarm[0].cause.starts_with("sink it is stalled for orders at batch 1, attempt 10: 500")
    );
    assert_eq!(alarm[0].command, "landfall sink retry it --feed orders");
    assert!(consumer.taken().is_empty());

    consumer.refuse(false);
    shop.ledger.delivered(&stalled.id, DeliveryOutcome::Resumed("mended".to_owned())).unwrap();
    let it: SinkName = "it".parse().unwrap();
    shop.wait(|ledger| ledger.next_delivery(&it, &orders()).unwrap().is_none().then_some(()));
    let order: Vec<_> =
        consumer.taken().iter().map(|(_, event)| event["data"]["sequence"].clone()).collect();
    assert_eq!(order, [1, 2, 3]);
    assert_eq!(later.len(), 2);
}
