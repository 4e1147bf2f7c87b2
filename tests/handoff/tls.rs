//! PostgreSQL and NATS over TLS, with real servers: whom a sink takes for the one that is meant.

use landfall::ledger::DeliveryState;

use crate::authority::{Authority, free_port, no_certificate};
use crate::contract::publish;
use crate::nats_server::Nats;
use crate::postgres_server::Postgres;
use crate::running::run;
use crate::shop::Shop;

/// What becomes of a batch for a sink with these settings: nothing, or why it is refused.
fn told(settings: &str) -> Option<String> {
    let mut shop =
        Shop::new(&format!("[feed.orders]\nsinks = [\"it\"]\n[sink.it]\n{settings}\nretry = []\n"));
    shop.source = Some("id,name\n1,ana\n".to_owned());
    let _running = run(&shop);
    let batch = publish(&shop, "a");
    let ended = shop.wait(|ledger| {
        let delivery = ledger.deliveries(batch.id).unwrap().remove(0);
        Some(delivery).filter(|found| found.state != DeliveryState::Pending)
    });
    (ended.state != DeliveryState::Acknowledged).then(|| ended.last_error.unwrap())
}

fn refused(settings: &str, why: &str) {
    let told = told(settings).expect("it is refused");
    assert!(told.contains(why), "{told}");
}

fn verified(authority: &Authority) -> String {
    format!("tls = \"verify-full\"\nca = {:?}", authority.certificate())
}

#[test]
fn postgres_is_told_when_its_certificate_is_the_right_one() {
    let (ours, other) = (Authority::new(), Authority::new());
    let (certificate, key) = ours.sign("IP:127.0.0.1", Some("postgres"));
    let port = free_port();
    let server = Postgres::start_with_tls(port, &certificate, &key);
    let at =
        |host: &str| format!("postgres = \"host={host} port={port} user=loader dbname=postgres\"");
    let here = at("127.0.0.1");
    assert_eq!(told(&format!("{here}\n{}", verified(&ours))), None);
    let loaded = "SELECT count(*) FROM _lf_batches";
    assert_eq!(server.query(loaded), "1");
    assert_eq!(told(&format!("{here}\ntls = \"require\"")), None);
    refused(&format!("{here}\n{}", verified(&other)), "UnknownIssuer");
    // The name is of this machine too, but not the certificate's.
    refused(&format!("{}\n{}", at("localhost"), verified(&ours)), "not valid for name");
    refused(&format!("{here}\ntls = \"verify-full\""), "UnknownIssuer");
    let none = no_certificate(certificate.parent().unwrap());
    refused(&format!("{here}\ntls = \"verify-full\"\nca = {none:?}"), "has no certificate");
    assert_eq!(server.query(loaded), "2", "who is refused has loaded nothing");
    // A server that only takes what is encrypted.
    let rules = "hostssl all all 127.0.0.1/32 trust\nhost all all 127.0.0.1/32 reject\nlocal all all trust\n";
    std::fs::write(server.folder().join("data/pg_hba.conf"), rules).unwrap();
    server.query("SELECT pg_reload_conf()");
    let why = told(&here).expect("it is refused");
    assert!(why.contains("no encryption") || why.contains("rejects"), "{why}");
    assert_eq!(told(&format!("{here}\n{}", verified(&ours))), None);
}

#[test]
fn a_postgres_without_tls_is_not_told_in_plain_text() {
    let port = free_port();
    let _server = Postgres::start_on(port);
    let here = format!("postgres = \"host=127.0.0.1 port={port} user=loader dbname=postgres\"");
    refused(&format!("{here}\ntls = \"require\""), "server does not support TLS");
    assert_eq!(told(&here), None);
}

#[test]
fn nats_is_told_when_its_certificate_is_the_right_one() {
    let (ours, other) = (Authority::new(), Authority::new());
    let (certificate, key) = ours.sign("IP:127.0.0.1", None);
    let (certificate, key) = (certificate.to_str().unwrap(), key.to_str().unwrap());
    let server = Nats::without_stream(&["--tls", "--tlscert", certificate, "--tlskey", key]);
    let at = |host: &str| format!("nats = \"{host}:{}\"", server.port);
    let here = at("127.0.0.1");
    // It is reached and understood: what it lacks is a stream.
    refused(&format!("{here}\n{}", verified(&ours)), "no stream keeps landfall.orders");
    refused(&format!("{here}\ntls = \"require\""), "no stream keeps landfall.orders");
    refused(&format!("{here}\n{}", verified(&other)), "UnknownIssuer");
    refused(&format!("{}\n{}", at("localhost"), verified(&ours)), "not valid for name");
    refused(&here, "the server asks for TLS: say `tls = \"verify-full\"`");
}

#[test]
fn a_nats_without_tls_is_not_told_in_plain_text() {
    let server = Nats::start();
    let here = format!("nats = \"127.0.0.1:{}\"", server.port);
    refused(&format!("{here}\ntls = \"require\""), "the server does not speak TLS");
    assert_eq!(server.messages(), 0);
}
