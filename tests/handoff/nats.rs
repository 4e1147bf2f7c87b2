//! A real NATS server with a stream behind a sink.

use landfall::handoff::sinks::Answer;
use landfall::ledger::DeliveryState;

use crate::contract::{Behind, publish, shop, tell_again, wait_until};
pub use crate::nats_server::Nats;
use crate::running::run;
use crate::shop::Shop;

impl Behind for Nats {
    fn settings(&self) -> String {
        format!("nats = \"127.0.0.1:{}\"", self.port)
    }

    fn refuse(&self, refuses: bool) {
        if refuses { self.end() } else { self.run() }
    }

    fn taken(&self) -> Vec<u64> {
        self.kept().iter().map(|event| event["data"]["sequence"].as_u64().unwrap()).collect()
    }
}

#[test]
fn the_stream_says_where_it_keeps_the_event() {
    let server = Nats::start();
    let shop = shop(&server, "[]");
    let _running = run(&shop);
    let batch = publish(&shop, "a");
    let done = wait_until(&shop, &batch, DeliveryState::Acknowledged);
    assert_eq!(done.used_by().unwrap().run.as_deref(), Some("LF/1"));
    assert!(matches!(tell_again(&shop, &batch), Answer::Acknowledged(_)));
    assert_eq!(server.messages(), 1, "the stream knows the id");
}

#[test]
fn without_a_stream_nothing_is_acknowledged() {
    let server = Nats::without_stream(&[]);
    let shop = shop(&server, "[]");
    let _running = run(&shop);
    let batch = publish(&shop, "a");
    let stalled = wait_until(&shop, &batch, DeliveryState::Stalled);
    assert_eq!(stalled.last_error.as_deref(), Some("no stream keeps landfall.orders"));
}

#[test]
fn a_login_is_needed_where_one_is() {
    let server = Nats::without_stream(&["--user", "lf", "--pass", "hunter2"]);
    let shop = |more: &str| {
        let settings = server.settings();
        Shop::new(&format!(
            "[feed.orders]\nsinks = [\"it\"]\n[sink.it]\n{settings}\nretry = []\n{more}"
        ))
    };
    let stranger = shop("");
    let running = run(&stranger);
    let batch = publish(&stranger, "a");
    let why = wait_until(&stranger, &batch, DeliveryState::Stalled).last_error.unwrap();
    assert!(why.contains("Authorization Violation"), "{why}");
    drop(running);
    let known = shop("user = \"lf\"\npassword = \"file:key\"\nsubject = \"a.b\"\n");
    std::fs::write(known.zone.root().join("key"), "hunter2\n").unwrap();
    let _running = run(&known);
    let batch = publish(&known, "a");
    let why = wait_until(&known, &batch, DeliveryState::Stalled).last_error.unwrap();
    assert_eq!(why, "no stream keeps a.b");
}
