//! Who may log in, what the others are told, and what is recorded.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Command;
use std::time::Duration;

use argon2::PasswordHasher as _;
use landfall::ledger::Event;
use russh::client::{self, AuthResult};
use russh::keys::PublicKeyOrCertificate;

use crate::support::{Said, Site, run};

/// Asks for a shell, with a person who could read a sentence.
fn ssh(site: &Site, user: &str) -> Said {
    site.ssh(
        user,
        &[
            "-o",
            "NumberOfPasswordPrompts=1",
            "-o",
            "PreferredAuthentications=publickey,keyboard-interactive",
        ],
    )
}

fn refusal(site: &Site) -> (String, String, String, String) {
    site.wait_for(|event| match event {
        Event::LoginRefused { user, client, offered, reason, .. } => {
            Some((user.clone(), client.clone(), offered.clone(), reason.clone()))
        }
        _ => None,
    })
}

#[test]
fn a_login_is_recorded_with_what_proved_it() {
    let site = Site::open();
    site.sftp("acme", "ls\n").ok();
    let (partner, from, method, client) = site.wait_for(|event| match event {
        Event::LoggedIn { partner, from, method, client } => {
            Some((partner.clone(), from.clone(), method.clone(), client.clone()))
        }
        _ => None,
    });
    assert_eq!((partner.as_str(), from.as_str()), ("acme", "127.0.0.1"));
    assert!(method.starts_with("publickey ssh-ed25519 SHA256:"), "{method}");
    assert!(client.starts_with("SSH-2.0-OpenSSH"), "{client}");
}

#[test]
fn a_wrong_key_is_told_and_recorded() {
    let site = Site::open();
    site.change_partner("acme", |acme| acme.keys.clear());
    let told = ssh(&site, "acme").refused("does not accept this user name with this key");
    assert!(told.all().contains("the people who run it"), "{told:?}");
    let (user, client, offered, reason) = refusal(&site);
    assert_eq!(user, "acme");
    assert!(client.contains("OpenSSH"), "{client}");
    assert!(offered.contains("publickey ssh-ed25519 SHA256:"), "{offered}");
    assert!(reason.contains("is not a key of acme"), "{reason}");
}

#[test]
fn an_unknown_partner_is_told_the_same_as_a_wrong_key() {
    let site = Site::open();
    site.add_partner("nobody", |_| {});
    std::fs::remove_file(site.zone.partner_file(&"nobody".parse().unwrap())).unwrap();
    site.change_partner("acme", |acme| acme.keys.clear());
    let unknown = ssh(&site, "nobody").refused("does not accept this user name").all();
    let known = ssh(&site, "acme").refused("does not accept this user name").all();
    assert_eq!(unknown.replace("nobody", "acme"), known);
    assert_eq!(refusal(&site).3, "there is no partner nobody");
}

#[test]
fn a_disabled_account_is_told_to_its_owner_only() {
    let site = Site::open();
    site.change_partner("acme", |acme| acme.disabled = true);
    ssh(&site, "acme").refused("The account acme is disabled. Ask the people who run this server");
    assert_eq!(refusal(&site).3, "the account acme is disabled");
    let line = acme_line(&site);
    site.change_partner("bolt", |bolt| bolt.keys = vec![landfall::config::partner::Key::new(line)]);
    site.change_partner("acme", |acme| acme.keys.clear());
    ssh(&site, "acme").refused("does not accept this user name");
}

fn acme_line(site: &Site) -> String {
    let key = landfall::receive::sftp::keys::ensure(&site.key("acme"), "test").unwrap();
    landfall::receive::sftp::keys::public_line(&key)
}

#[test]
fn there_is_no_shell_and_one_command() {
    let site = Site::open();
    site.ssh("acme", &[]).refused("This server takes files over SFTP and SCP and gives no shell");
    site.ssh("acme", &["rm", "-rf", "/"]).refused("gives no shell");
    site.local("a b.csv", "x\n1\n");
    site.scp("acme", &["a b.csv", "{}orders/"]).ok();
    let said = site.ssh("acme", &["sha256sum '/orders/a b.csv'"]).ok();
    let digest = landfall::archive::digest::of_bytes(b"x\n1\n");
    assert_eq!(said.out, format!("{digest}  /orders/a b.csv\n"));
    site.ssh("acme", &["sha256sum /orders/none"]).refused("no such file has landed");
    site.ssh("bolt", &["sha256sum '/orders/a b.csv'"]).refused("no such file has landed");
}

struct Anything;

impl client::Handler for Anything {
    type Error = russh::Error;

    async fn check_server_key(
        &mut self,
        _key: &PublicKeyOrCertificate,
    ) -> Result<bool, russh::Error> {
        Ok(true)
    }
}

async fn connect(site: &Site) -> client::Handle<Anything> {
    client::connect(client::Config::default().into(), site.address, Anything).await.unwrap()
}

async fn password(site: &Site, user: &str, password: &str) -> bool {
    let mut peer = connect(site).await;
    matches!(peer.authenticate_password(user, password).await, Ok(AuthResult::Success))
}

#[test]
fn passwords_are_argon2id_and_read_at_every_login() {
    let site = Site::open();
    let hash = argon2::Argon2::default().hash_password(b"open sesame").unwrap().to_string();
    site.change_partner("acme", |acme| acme.password = Some(hash));
    site.block_on(async {
        assert!(password(&site, "acme", "open sesame").await);
        assert!(!password(&site, "acme", "open simsim").await);
        assert!(!password(&site, "bolt", "open sesame").await, "bolt has none");
        assert!(!password(&site, "nobody", "open sesame").await);
        site.change_partner("acme", |acme| acme.disabled = true);
        assert!(!password(&site, "acme", "open sesame").await);
    });
    assert_eq!(refusal(&site).3, "the password is wrong");
}

#[test]
fn attempts_are_counted() {
    let site = Site::open();
    site.block_on(async {
        let mut peer = connect(&site).await;
        let mut refused = 0;
        while let Ok(AuthResult::Failure { .. }) = peer.authenticate_password("acme", "x").await {
            refused += 1;
        }
        // russh's client takes the disconnect that follows for one more refusal.
        assert!((6..=7).contains(&refused), "{refused}");
        assert!(peer.is_closed());
    });
}

/// Offers so many keys that the server does not know, then the right one.
fn offering(site: &Site, wrong: usize) -> Said {
    let mut command = Command::new("ssh");
    command.current_dir(site.client()).args(["-F", "/dev/null"]);
    for option in [
        "StrictHostKeyChecking=no",
        "UserKnownHostsFile=/dev/null",
        "IdentitiesOnly=yes",
        "IdentityAgent=none",
        "PreferredAuthentications=publickey",
    ] {
        command.args(["-o", option]);
    }
    for at in 0..wrong {
        let key = site.client().join(format!("wrong-{wrong}-{at}"));
        let made = Command::new("ssh-keygen")
            .args(["-q", "-t", "ed25519", "-N", "", "-f"])
            .arg(&key)
            .status();
        assert!(made.unwrap().success());
        command.arg("-i").arg(key);
    }
    command.arg("-i").arg(site.key("acme"));
    command.args(["-p", &site.address.port().to_string(), "acme@127.0.0.1"]);
    run(&mut command)
}

#[test]
fn a_key_that_is_only_asked_about_counts_as_an_attempt() {
    let site = Site::open();
    offering(&site, 6).refused("Too many authentication attempts");
    let (user, _, offered, _) = refusal(&site);
    // The client asks first which methods there are, which is the sixth attempt.
    assert_eq!((user.as_str(), offered.matches("publickey ssh-ed25519").count()), ("acme", 5));
    let logged_in = |event: &Event| matches!(event, Event::LoggedIn { .. }).then_some(());
    let events = site.ledger.events(0, 1000).unwrap();
    assert!(!events.iter().any(|recorded| logged_in(&recorded.event).is_some()), "six questions");
    offering(&site, 3).refused("");
    site.wait_for(logged_in);
}

#[test]
fn whoever_does_not_log_in_in_time_is_cut_off() {
    let site = Site::with(|config| config.sftp.login_timeout = Duration::from_millis(300));
    let mut silent = TcpStream::connect(site.address).unwrap();
    let mut drip = TcpStream::connect(site.address).unwrap();
    drip.write_all(b"SSH-2.0-drip\r\n\0\0\x03").unwrap();
    for peer in [&mut silent, &mut drip] {
        let mut said = Vec::new();
        // Reset or end of file: either way it is over.
        drop(peer.read_to_end(&mut said));
        assert!(said.starts_with(b"SSH-2.0-landfall\r\n"), "{said:?}");
    }
    let (client, reason) = connection_refusal(&site);
    assert_eq!((client.as_str(), reason.as_str()), ("SSH-2.0-drip", "no login within 0 s"));
}

fn connection_refusal(site: &Site) -> (String, String) {
    site.wait_for(|event| match event {
        Event::ConnectionRefused { client, reason, .. } => Some((client.clone(), reason.clone())),
        _ => None,
    })
}

#[test]
fn a_client_with_old_algorithms_is_named_with_what_it_offers() {
    let site = Site::open();
    site.ssh("acme", &["-o", "KexAlgorithms=diffie-hellman-group14-sha256"]).refused("");
    let (client, reason) = connection_refusal(&site);
    assert!(client.contains("OpenSSH"), "{client}");
    assert!(reason.contains("the client offers diffie-hellman-group14-sha256"), "{reason}");
    assert!(reason.contains("this server allows mlkem768x25519-sha256,"), "{reason}");
}

#[test]
fn one_address_has_so_many_places_before_login() {
    let site = Site::with(|config| config.sftp.unauthenticated_per_address_max = 2);
    let mut peers: Vec<TcpStream> =
        (0..2).map(|_| TcpStream::connect(site.address).unwrap()).collect();
    for peer in &mut peers {
        peer.read_exact(&mut [0; 18]).unwrap();
    }
    // A newcomer takes the place of the one who has been silent longest.
    let mut third = TcpStream::connect(site.address).unwrap();
    third.read_exact(&mut [0; 18]).unwrap();
    let mut rest = Vec::new();
    // It may hear the rest of the server's introduction before.
    drop(peers[0].read_to_end(&mut rest));
    site.sftp("acme", "ls\n").ok();
    // Who is logged in takes no place.
    site.sftp("acme", "ls\n").ok();
}
