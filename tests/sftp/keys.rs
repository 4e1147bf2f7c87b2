//! The zone's own keys: host keys that change, and the one that signs receipts.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use crate::served::{Server, TestZone};
use landfall::ledger::{Event, Ledger as _};

fn told(output: &Output) -> String {
    String::from_utf8_lossy(&[&output.stdout[..], &output.stderr[..]].concat()).into_owned()
}

fn run(zone: &TestZone, arguments: &[&str]) -> String {
    let output = zone.run(arguments);
    assert!(output.status.success(), "{arguments:?}: {}", told(&output));
    String::from_utf8(output.stdout).expect("text")
}

// ---- host keys ----

/// What `partner mail` says for known_hosts.
fn known_hosts(zone: &TestZone, server: &Server) -> String {
    let mail = run(zone, &["partner", "mail", "acme"]);
    let begins = format!("[127.0.0.1]:{} ", server.port);
    let lines = mail.lines().map(str::trim).filter(|line| line.starts_with(&begins));
    lines.map(|line| format!("{line}\n")).collect()
}

/// Logs in with OpenSSH as somebody who knows these hosts and no other.
fn log_in(server: &Server, key: &Path, known: &Path) -> Output {
    let mut options = server.ssh_options(key);
    for option in &mut options {
        if option.starts_with("StrictHostKeyChecking") {
            *option = "StrictHostKeyChecking=yes".to_owned();
        } else if option.starts_with("UserKnownHostsFile") {
            *option = format!("UserKnownHostsFile={}", known.display());
        }
    }
    let mut sftp = Command::new("sftp");
    sftp.args(["-b", "/dev/null"]).args(options).arg("acme@127.0.0.1");
    sftp.output().expect("sftp runs")
}

#[test]
fn host_keys_change_for_new_connections_and_partners_who_were_told_notice_nothing() {
    let zone = TestZone::new("[feed.orders]\n");
    let key = zone.partner("acme", &["orders"], "");
    let server = zone.serve();
    let file = |name: &str, text: &str| -> PathBuf {
        let path = zone.path().join(name);
        fs::write(&path, text).expect("written");
        path
    };
    let old = file("old", &known_hosts(&zone, &server));
    assert!(log_in(&server, &key, &old).status.success());
    assert_eq!(zone.run(&["hostkey", "activate"]).status.code(), Some(1), "there is no next key");

    run(&zone, &["hostkey", "rotate"]);
    let both = file("both", &known_hosts(&zone, &server));
    assert_eq!(fs::read_to_string(&both).unwrap().lines().count(), 2);
    assert!(log_in(&server, &key, &both).status.success());
    assert!(log_in(&server, &key, &old).status.success(), "the next key is shown to nobody");
    let list = run(&zone, &["hostkey", "list"]);
    assert!(list.contains("in use") && list.contains("next"), "{list}");

    // A connection that is open while the key changes goes on.
    let mut open = Command::new("sftp")
        .arg("-q")
        .args(server.ssh_options(&key))
        .arg("acme@127.0.0.1")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("sftp starts");
    zone.wait_until("its login", |ledger| {
        let events = ledger.events(0, 1000).expect("events");
        let is_login = |event: &Event| matches!(event, Event::LoggedIn { .. });
        events.iter().filter(|recorded| is_login(&recorded.event)).count() == 4
    });
    run(&zone, &["hostkey", "activate"]);
    assert!(log_in(&server, &key, &both).status.success(), "without a restart");
    let refused = log_in(&server, &key, &old);
    assert!(
        told(&refused).contains("REMOTE HOST IDENTIFICATION HAS CHANGED"),
        "{}",
        told(&refused)
    );
    let mut stdin = open.stdin.take().expect("its input");
    std::io::Write::write_all(&mut stdin, b"ls\n").expect("written");
    drop(stdin);
    assert!(open.wait().expect("ends").success());

    let new = file("new", &known_hosts(&zone, &server));
    assert_eq!(fs::read_to_string(&new).unwrap().lines().count(), 1);
    run(&zone, &["hostkey", "retire"]);
    assert!(!run(&zone, &["hostkey", "list"]).contains("old"));
    server.stop();
    let server = zone.serve();
    let new = fs::read_to_string(&new).unwrap();
    let port = new.split_once(' ').unwrap().0;
    let new = file("new", &new.replace(port, &format!("[127.0.0.1]:{}", server.port)));
    assert!(log_in(&server, &key, &new).status.success(), "also after a restart");
    let changes: Vec<String> = zone
        .ledger()
        .events(0, 1000)
        .expect("events")
        .into_iter()
        .filter_map(|recorded| match recorded.event {
            Event::HostKeyChanged { change, .. } => Some(change),
            _ => None,
        })
        .collect();
    assert_eq!(changes.len(), 3, "{changes:?}");
    server.stop();
    // The same without a server.
    run(&zone, &["hostkey", "rotate"]);
    assert_eq!(zone.run(&["hostkey", "rotate"]).status.code(), Some(1), "one at a time");
    run(&zone, &["hostkey", "retire"]);
}

// ---- receipts ----

/// `ssh-keygen -Y verify`, as README.txt in a view tells.
fn verify(receipt: &[u8], signature: &[u8], signers: &str, namespace: &str) -> bool {
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str, bytes: &[u8]| {
        let path = folder.path().join(name);
        fs::write(&path, bytes).expect("written");
        path
    };
    let identity = signers.split(' ').next().expect("a name");
    let verified = Command::new("ssh-keygen")
        .args(["-Y", "verify", "-I", identity, "-n", namespace, "-f"])
        .arg(path("allowed_signers", signers.as_bytes()))
        .arg("-s")
        .arg(path("x.sig", signature))
        .stdin(fs::File::open(path("x", receipt)).expect("opened"))
        .output();
    verified.expect("ssh-keygen runs").status.success()
}

struct Sent<'a> {
    zone: &'a TestZone,
    server: &'a Server,
    key: &'a Path,
}

impl Sent<'_> {
    fn put(&self, name: &str, text: &str) {
        let local = self.zone.path().join("local");
        fs::write(&local, text).expect("written");
        let put = format!("put {} /orders/{name}\n", local.display());
        self.server.sftp_ok("acme", self.key, &put);
    }

    fn get(&self, name: &str) -> Vec<u8> {
        let got = self.zone.path().join("got");
        let get = format!("get /receipts/orders/{name} {}\n", got.display());
        self.server.sftp_ok("acme", self.key, &get);
        fs::read(got).expect("read")
    }
}

#[test]
fn every_final_receipt_is_signed_so_that_ssh_keygen_can_check_it() {
    let zone = TestZone::new("[zone]\nname = \"north zone\"\n[feed.orders]\n");
    let key = zone.partner("acme", &["orders"], "");
    let server = zone.serve();
    let sent = Sent { zone: &zone, server: &server, key: &key };
    let rows = |more: &str| {
        let rows: String = (0..500).map(|n| format!("{n},x\n")).collect();
        format!("id,text\n{rows}{more}")
    };
    let cases = [
        ("good.csv", rows(""), "accepted"),
        ("good.csv", rows(""), "duplicate"),
        ("partial.csv", rows("1,2,3,4\n"), "partial"),
        ("broken.csv", "id,text\n1,\"never ends\n".to_owned(), "held"),
    ];
    let signers = run(&zone, &["receipt", "key"]);
    let mail = run(&zone, &["partner", "mail", "acme"]);
    assert!(mail.contains(signers.trim()), "{mail}");
    let readme = String::from_utf8(sent.get("../../README.txt")).expect("text");
    assert!(readme.contains("ssh-keygen -Y verify -f allowed_signers -I north-zone"), "{readme}");

    let mut kept = Vec::new();
    for (count, (name, text, outcome)) in cases.iter().enumerate() {
        sent.put(name, text);
        let arrival = zone.wait_for_ends(count + 1).pop().expect("the last");
        zone.wait_for_receipt(arrival.id);
        // The current version of a name is the first of equal ones.
        let name = format!("{name}.{}.receipt.json", arrival.id);
        let (receipt, signature) = (sent.get(&name), sent.get(&format!("{name}.sig")));
        let json: serde_json::Value = serde_json::from_slice(&receipt).expect("json");
        assert_eq!(json["outcome"], *outcome, "{json}");
        kept.push((name, receipt, signature));
    }
    assert_eq!(sent.get("good.csv.receipt.json"), kept[0].1, "the same under both names");
    assert_eq!(sent.get("good.csv.receipt.json.sig"), kept[0].2);
    server.kill();
    let server = zone.serve();
    let sent = Sent { zone: &zone, server: &server, key: &key };
    for (name, receipt, signature) in &kept {
        assert_eq!(&sent.get(name), receipt, "the same bytes for ever");
        assert_eq!(&sent.get(&format!("{name}.sig")), signature);
        assert!(verify(receipt, signature, &signers, "landfall-receipt"), "{name}");
        assert!(!verify(receipt, signature, &signers, "file"), "of another kind");
        for at in [0, receipt.len() / 2, receipt.len() - 1] {
            let mut altered = receipt.clone();
            altered[at] ^= 1;
            assert!(!verify(&altered, signature, &signers, "landfall-receipt"), "{name} at {at}");
        }
    }
    let other = &kept[3].2;
    assert!(!verify(&kept[0].1, other, &signers, "landfall-receipt"), "of another receipt");
    let mode = fs::metadata(zone.path().join(".landfall/keys/receipt")).expect("there");
    assert_eq!(std::os::unix::fs::PermissionsExt::mode(&mode.permissions()) & 0o777, 0o600);
    server.stop();
}
