//! Partner accounts from the command line, and decisions about stalled sinks.

use std::fs;

use insta::assert_snapshot;
use landfall::ledger::{DeliveryOutcome, Event, Ledger as _, State};
use landfall::zone::Zone;

use crate::zone::{CONFIG, GOOD, Place};

const KEY: &str =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIKPV8uVBYxNWmQ8e/V6EoVl4SVTuL8rdxAJqZ9W5TjYF acme\n";

/// A zone with the host key replaced in what is said, since each zone makes its own.
fn told(place: &Place, arguments: &[&str], input: &str) -> String {
    let (code, stdout, stderr) = place.run_with(arguments, input);
    let text = format!("{stdout}--- {stderr}--- exit {code}");
    let public = place.zone().keys().join("ssh_host_ed25519_key.pub");
    let Ok(line) = fs::read_to_string(public) else { return text };
    let line = line.trim_end().trim_end_matches(" landfall");
    let fingerprint = landfall::receive::sftp::keys::fingerprint(line).expect("a fingerprint");
    let text = text.replace(line, "<host key>").replace(&fingerprint, "<host fingerprint>");
    let Ok(line) = fs::read_to_string(place.zone().receipt_key().with_extension("pub")) else {
        return text;
    };
    text.replace(line.trim_end().trim_end_matches(" landfall"), "<receipt key>")
}

fn changes(zone: &Zone) -> Vec<String> {
    let ledger = landfall::ledger::sqlite::open_read_only(&zone.ledger_file()).expect("a ledger");
    let events = ledger.events(0, 1000).expect("events").into_iter();
    let mut changes = Vec::new();
    for recorded in events {
        if let Event::PartnerChanged { partner, change, .. } = recorded.event {
            changes.push(format!("{partner}: {change}"));
        }
    }
    changes
}

#[test]
fn a_partner_is_added_and_told_how_to_connect() {
    let place = Place::fresh(CONFIG);
    fs::write(place.path().join("acme.pub"), KEY).unwrap();
    let add = ["partner", "add", "acme", "--key", "acme.pub", "--feed", "orders"];
    assert_snapshot!(told(&place, &add, ""), @r#"
    To tell the partner:

      Server 127.0.0.1, port 2222, user acme, log in with the key SHA256:yZspqCVGFV+zjlZq3LUALxeNgSAD9DczlZfnwneFlWo.
      The server's key is <host fingerprint>; its line for known_hosts:
        [127.0.0.1]:2222 <host key>
      Put files into the folder orders (you are in it after login); names: *.csv.
      A file is taken when your client has closed it; nothing half-finished is ever used.
      To be sure that a broken upload is never taken, upload as NAME.part and rename it.
      Seconds later /receipts/FEED/NAME.receipt.json says what became of it: its size, its
      SHA-256, its outcome; NAME.problem.txt beside it says what is wrong, if anything is.
      README.txt on the server says the same, and how to check the signatures of receipts with
      this line in a file allowed_signers:
        landfall namespaces="landfall-receipt,landfall-checkpoint,landfall-sums,landfall-tombstone" <receipt key>
      Try it: sftp -P 2222 acme@127.0.0.1
    --- Partner acme: added with 1 key for orders. Live now.

    --- exit 0
    "#);
    assert_snapshot!(fs::read_to_string(place.path().join("partners/acme.toml")).unwrap(), @r#"
    # The account of partner acme. Live as soon as it is saved.
    feeds = ["orders"]
    keys = ["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIKPV8uVBYxNWmQ8e/V6EoVl4SVTuL8rdxAJqZ9W5TjYF acme"]
    "#);
    assert_snapshot!(told(&place, &["partner", "show", "acme"], ""), @"
    acme
      state        active
      feeds        orders
      contact      -
      key          ssh-ed25519 SHA256:yZspqCVGFV+zjlZq3LUALxeNgSAD9DczlZfnwneFlWo acme
      password     none
      last file    never
      in 24 hours  0 files, 0 bytes
    --- --- exit 0
    ");
    assert_eq!(changes(&place.zone()), ["acme: added with 1 key for orders"]);
}

#[test]
fn more_keys_and_feeds_are_added_to_the_same_account() {
    let place = Place::fresh(CONFIG);
    let add = ["partner", "add", "acme", "--key", "-", "--feed", "orders", "misc"];
    assert_eq!(place.run_with(&add, KEY).0, 0);
    let password = ["partner", "add", "acme", "--password-stdin", "--contact", "it@acme.example"];
    assert_eq!(place.run_with(&password, "correct horse battery\n").0, 0);
    assert_snapshot!(told(&place, &["partner", "list"], ""), @"
    partner  state   login            feeds         last file  files in 24 h  contact
    acme     active  1 key, password  orders, misc  never      0              it@acme.example
    --- --- exit 0
    ");
    let (_, stdout, _) = place.run(&["partner", "show", "acme", "--json"]);
    let shown: serde_json::Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!(shown["has_password"], true);
    assert!(!stdout.contains("argon2"), "secrets are not shown: {stdout}");
    let changed = &changes(&place.zone())[1];
    assert_eq!(changed, "acme: password set, settings changed");
}

#[test]
fn a_disabled_partner_is_kept_and_can_come_back() {
    let place = Place::fresh(CONFIG);
    let add = ["partner", "add", "acme", "--key", "-", "--feed", "orders"];
    place.run_with(&add, KEY);
    let fingerprint = "SHA256:yZspqCVGFV+zjlZq3LUALxeNgSAD9DczlZfnwneFlWo";
    assert_snapshot!(told(&place, &["partner", "key", "end", "acme", fingerprint, "2027-01-31"], ""), @"
    --- Partner acme: key SHA256:yZspqCVGFV+zjlZq3LUALxeNgSAD9DczlZfnwneFlWo ends at 2027-02-01T00:00:00Z. Live now.
    --- exit 0
    ");
    let (_, stdout, _) = place.run(&["partner", "show", "acme"]);
    assert!(stdout.contains(", until 2027-02-01"), "{stdout}");
    let (code, _, stderr) = place.run(&["partner", "key", "remove", "acme", "SHA256:other"]);
    assert_eq!(code, 2, "{stderr}");
    assert!(stderr.contains("acme has no key SHA256:other"), "{stderr}");
    let (_, stdout, _) = place.run(&["partner", "mail", "acme", "--host", "sftp.example.com"]);
    assert!(stdout.contains("Server sftp.example.com, port 2222, user acme"), "{stdout}");
    assert_snapshot!(told(&place, &["partner", "disable", "acme"], ""), @"
    --- Partner acme can no longer log in.
    --- exit 0
    ");
    let (_, stdout, _) = place.run(&["partner", "show", "acme", "--json"]);
    assert!(stdout.contains("\"disabled\":true"), "{stdout}");
    place.run_with(&add, KEY);
    let ended = format!("acme: key {fingerprint} ends at 2027-02-01T00:00:00Z");
    // Added once more, the key has no end.
    let enabled = "acme: enabled, settings changed".to_owned();
    assert_eq!(changes(&place.zone())[1..], [ended, "acme: disabled".to_owned(), enabled]);
}

#[test]
fn what_cannot_log_in_or_send_is_refused() {
    let place = Place::fresh(CONFIG);
    let refused = |arguments: &[&str], input: &str| told(&place, arguments, input);
    assert_snapshot!(refused(&["partner", "add", "acme", "--feed", "orders"], ""), @"
    --- error Z107: acme could not log in
    way out: Give it a key with --key FILE, or a password with --password-stdin.
    --- exit 2
    ");
    assert_snapshot!(refused(&["partner", "add", "acme", "--key", "-", "--feed", "ordrs"], KEY), @"
    --- error Z104: this zone has no feed `ordrs`
    way out: See `landfall feed list`.
    --- exit 4
    ");
    let private = "-----BEGIN OPENSSH PRIVATE KEY-----\nx\n";
    assert_snapshot!(refused(&["partner", "add", "acme", "--key", "-", "--feed", "orders"], private), @"
    --- error Z107: standard input:1 has a private key; take the line of its .pub file
    way out: Ask the partner for the .pub file that ssh-keygen made, or mend the line.
    --- exit 2
    ");
    let short = ["partner", "add", "acme", "--password-stdin", "--feed", "orders"];
    assert_snapshot!(refused(&short, "secret\n"), @"
    --- error Z107: the password has less than 12 characters
    way out: Make one with a password manager.
    --- exit 2
    ");
    assert!(!place.path().join("partners/acme.toml").exists());
}

#[test]
fn what_could_not_be_recorded_is_not_changed() {
    let place = Place::fresh(CONFIG);
    let _held = landfall::ops::lock::ZoneLock::take(&place.zone()).unwrap();
    let add = ["partner", "add", "acme", "--key", "-", "--feed", "orders"];
    assert_eq!(place.run_with(&add, KEY).0, 11);
    assert!(!place.path().join("partners").exists());
}

#[test]
fn root_does_not_write_into_a_zone_of_another_user() {
    let place = Place::fresh(CONFIG);
    if std::os::unix::fs::chown(place.path(), Some(12_345), None).is_err() {
        return; // Only root can give a folder away.
    }
    let add = ["partner", "add", "acme", "--key", "-", "--feed", "orders"];
    assert_snapshot!(told(&place, &add, KEY), @"
    --- error Z105: this zone belongs to another user (uid 12345) and no server runs
    way out: Run the command as that user: setpriv --reuid=12345 --clear-groups landfall …
    --- exit 1
    ");
    assert!(!place.zone().run_time().exists());
}

#[test]
fn a_partner_whose_file_is_wrong_is_named_and_hides_no_other() {
    let place = Place::calm();
    let partners = place.path().join("partners");
    fs::create_dir_all(&partners).unwrap();
    fs::write(partners.join("good.toml"), "feeds = [\"orders\"]\n").unwrap();
    fs::write(partners.join("wrong.toml"), "feedz = [\"orders\"]\n").unwrap();
    let (code, stdout, stderr) = place.run(&["partner", "list"]);
    assert!(code != 0 && stderr.contains("feedz"), "{code}: {stderr}");
    assert!(stdout.contains("good ") && stdout.contains("cannot log in"), "{stdout}");
    fs::remove_file(partners.join("wrong.toml")).unwrap();
    let (code, _, stderr) = place.run(&[
        "partner",
        "add",
        "late",
        "--feed",
        "orders",
        "--key-until",
        "2020-01-01T00:00:00Z",
    ]);
    assert!(code != 0 && stderr.contains("is past"), "{code}: {stderr}");
}

#[test]
fn a_stalled_sink_is_retried_or_skipped() {
    let stalled = || Place::with_history(DeliveryOutcome::Stalled("no".to_owned()));
    let place = stalled();
    assert_snapshot!(place.told(&["sink", "retry", "warehouse", "--feed", "orders"]), @"
    Batch 1 of orders is sent again for warehouse.
    --- --- exit 0
    ");
    assert_eq!(place.run(&["sink", "retry", "warehouse", "--feed", "orders"]).0, 4);

    let later = "2999-01-01T00:00:00Z".parse().unwrap();
    let place = Place::with_history(DeliveryOutcome::RetryAt(later, "503".to_owned()));
    let listed = place.run(&["sink", "list"]).1;
    let failing = "failing for orders after 1 attempt, again at 2999-01-01T00:00:00Z: 503";
    assert!(listed.contains(failing), "{listed}");
    assert_eq!(place.run(&["sink", "skip", "warehouse", "--feed", "orders", "--reason", "x"]).0, 4);
    assert_eq!(place.run(&["sink", "retry", "warehouse", "--feed", "orders"]).0, 0);

    let place = stalled();
    let skip = ["sink", "skip", "warehouse", "--feed", "orders", "--reason", "loaded by hand"];
    assert_snapshot!(place.told(&skip), @"
    Batch 1 of orders is left out for warehouse.
    --- --- exit 0
    ");
    let id = GOOD.parse().unwrap();
    assert_eq!(place.ledger().arrival(id).unwrap().unwrap().state, State::HandedOff);
}
