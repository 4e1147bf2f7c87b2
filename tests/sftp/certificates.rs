//! OpenSSH certificates, made by ssh-keygen and used by OpenSSH's own client.

use std::path::PathBuf;
use std::process::Command;

use landfall::config::partner::{Authority, Key};
use landfall::ledger::Event;
use landfall::receive::sftp::keys;

use crate::support::{Said, Site};

/// A key and an authority beside it.
struct Office {
    site: Site,
}

impl Office {
    /// `acme` has no key of its own and trusts the authority `ca`.
    fn open() -> Self {
        let site = Site::open();
        let ca = keys::ensure(&site.key("ca"), "ca").expect("a key");
        site.change_partner("acme", |acme| {
            acme.keys.clear();
            acme.authorities = vec![Authority {
                line: keys::public_line(&ca),
                principals: Vec::new(),
                until: None,
                from: Vec::new(),
            }];
        });
        Self { site }
    }

    /// Signs acme's key with ssh-keygen and these options; the certificate lies beside the key.
    fn sign(&self, ca: &str, options: &[&str]) {
        keys::ensure(&self.site.key(ca), ca).expect("a key");
        let public: PathBuf = self.site.key("acme").with_extension("pub");
        let certificate = self.site.key("acme").with_file_name("acme_key-cert.pub");
        drop(std::fs::remove_file(&certificate));
        // ssh-keygen names the certificate after the public key's file.
        let signed = Command::new("ssh-keygen")
            .args(["-q", "-s"])
            .arg(self.site.key(ca))
            .args(["-I", "nightly job", "-z", "7"])
            .args(options)
            .arg(&public)
            .output()
            .expect("ssh-keygen runs");
        assert!(signed.status.success(), "{}", String::from_utf8_lossy(&signed.stderr));
        assert!(certificate.exists());
    }

    fn log_in(&self) -> Said {
        self.site.sftp("acme", "ls\n")
    }

    /// Why the last login was refused.
    #[track_caller]
    fn refused(&self, told: &str) {
        let said = self.log_in();
        assert!(!said.success, "{}", said.all());
        self.site.wait_for(|event| match event {
            Event::LoginRefused { reason, .. } if reason.contains(told) => Some(()),
            _ => None,
        });
    }
}

#[test]
fn a_certificate_of_a_trusted_authority_lets_in_and_is_recorded() {
    let office = Office::open();
    office.sign("ca", &["-n", "acme,other"]);
    office.log_in().ok();
    let method = office.site.wait_for(|event| match event {
        Event::LoggedIn { method, .. } => Some(method.clone()),
        _ => None,
    });
    assert!(method.starts_with("certificate ssh-ed25519 SHA256:"), "{method}");
    assert!(method.contains("\"nightly job\" serial 7 by SHA256:"), "{method}");
    office.sign("ca", &["-n", "acme", "-O", "source-address=127.0.0.0/8", "-V", "-1d:+1d"]);
    office.log_in().ok();
    office.sign("ca", &["-n", "acme", "-O", "force-command=internal-sftp"]);
    office.log_in().ok();
}

#[test]
fn any_other_certificate_is_refused_and_says_why() {
    let office = Office::open();
    office.sign("stranger", &["-n", "acme"]);
    office.refused("trusts no authority");
    office.sign("ca", &["-n", "bolt"]);
    office.refused("its principals (bolt) have none of acme");
    office.sign("ca", &[]);
    office.refused("its principals (none)");
    office.sign("ca", &["-n", "acme", "-O", "source-address=10.0.0.0/8"]);
    office.refused("source-address 10.0.0.0/8 does not allow 127.0.0.1");
    office.sign("ca", &["-n", "acme", "-O", "force-command=/bin/sh"]);
    office.refused("critical option `force-command`");
    office.sign("ca", &["-n", "acme", "-O", "critical:unheard-of=x"]);
    office.refused("critical option `unheard-of`");
    office.site.change_partner("acme", |acme| {
        acme.authorities[0].until = Some("2026-01-01T00:00:00Z".parse().expect("a time"));
    });
    office.sign("ca", &["-n", "acme"]);
    office.refused("ended at 2026-01-01");
}

#[test]
fn certificates_out_of_their_time_or_of_hosts_do_not_let_in() {
    let office = Office::open();
    office.sign("ca", &["-n", "acme", "-V", "20200101:20200102"]);
    // russh refuses it unseen, and the client then offers the bare key.
    office.refused("If a certificate was offered before it, that has ended");
    office.sign("ca", &["-n", "acme", "-V", "20990101:20990102"]);
    assert!(!office.log_in().success);
    // The client itself does not use a host's certificate.
    office.sign("ca", &["-n", "acme", "-h"]);
    assert!(!office.log_in().success);
    assert_eq!(office.site.count(|event| matches!(event, Event::LoggedIn { .. })), 0);
}

#[test]
fn principals_can_be_named_and_a_bare_key_is_not_enough() {
    let office = Office::open();
    office.refused("is not a key of acme");
    office.site.change_partner("acme", |acme| {
        acme.authorities[0].principals = vec!["nightly".into()];
    });
    office.sign("ca", &["-n", "acme"]);
    office.refused("have none of nightly");
    office.sign("ca", &["-n", "nightly"]);
    office.log_in().ok();
}

#[test]
fn keys_have_an_end_and_a_place() {
    let site = Site::open();
    let log_in = || site.sftp("acme", "ls\n");
    let line = keys::public_line(&keys::ensure(&site.key("acme"), "x").expect("a key"));
    let refused = |told: &str| {
        assert!(!log_in().success);
        site.wait_for(|event| match event {
            Event::LoginRefused { reason, .. } if reason.contains(told) => Some(()),
            _ => None,
        });
    };
    let with = |change: &dyn Fn(&mut Key)| {
        let mut key = Key::new(line.clone());
        change(&mut key);
        site.change_partner("acme", |acme| acme.keys = vec![key]);
    };
    with(&|key| key.until = Some("2026-01-01T00:00:00Z".parse().expect("a time")));
    refused("ended at 2026-01-01");
    with(&|key| key.from = vec!["10.0.0.0/8".parse().expect("a network")]);
    refused("may only be used from 10.0.0.0/8");
    with(&|key| key.from = vec!["127.0.0.0/8".parse().expect("a network")]);
    log_in().ok();
    site.change_partner("acme", |acme| acme.from = vec!["10.0.0.0/8".parse().expect("one")]);
    refused("`from` of acme does not allow 127.0.0.1");
}

#[test]
fn sessions_end_when_their_account_does() {
    for change in [
        (|acme: &mut landfall::config::Partner| acme.disabled = true) as fn(&mut _),
        |acme| acme.keys.clear(),
        |acme| acme.from = vec!["10.0.0.0/8".parse().expect("a network")],
    ] {
        let site = Site::open();
        let mut running = site.openssh("sftp", "acme");
        running.arg("-P").arg(site.address.port().to_string()).arg("acme@127.0.0.1");
        let mut running = running
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::null())
            .stderr(std::process::Stdio::piped())
            .spawn()
            .expect("sftp starts");
        site.wait_for(|event| matches!(event, Event::LoggedIn { .. }).then_some(()));
        let mut input = running.stdin.take().expect("its input");
        site.change_partner("acme", change);
        site.wait_for(|event| matches!(event, Event::SessionEnded { .. }).then_some(()));
        // The client notices when it has something to say; it may have noticed already.
        drop(std::io::Write::write_all(&mut input, b"ls\n"));
        drop(input);
        let output = running.wait_with_output().expect("ended");
        assert!(!output.status.success());
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(told.contains("may not be used like this any more"), "{told}");
        assert!(!site.sftp("acme", "ls\n").success);
    }
}

#[test]
fn a_partner_has_so_many_sessions() {
    let site = Site::open();
    site.change_partner("acme", |acme| acme.quota.sessions = 1);
    let mut running = site.openssh("sftp", "acme");
    running.arg("-P").arg(site.address.port().to_string()).arg("acme@127.0.0.1");
    let mut running = running.stdin(std::process::Stdio::piped()).spawn().expect("sftp starts");
    site.wait_for(|event| matches!(event, Event::LoggedIn { .. }).then_some(()));
    assert!(!site.sftp("acme", "ls\n").success);
    site.wait_for(|event| match event {
        Event::LoginRefused { reason, .. } if reason.contains("has 1 sessions") => Some(()),
        _ => None,
    });
    running.kill().expect("killed");
    running.wait().expect("ended");
    // Its place is free as soon as the server has seen its end.
    let begun = std::time::Instant::now();
    while !site.sftp("acme", "ls\n").success {
        assert!(begun.elapsed() < crate::support::PATIENCE, "its place is never freed");
    }
}
