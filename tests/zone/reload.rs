//! A changed `landfall.toml` comes into force while the zone is served, or is refused as a whole.

use std::fs;
use std::io::{Read as _, Write as _};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use crate::support::{Server, TestZone, all};
use landfall::archive::digest;
use landfall::ledger::{Event, Ledger, State};

const SFTP: &str = "[sftp]\nlisten = \"127.0.0.1:0\"\n";

fn write(zone: &TestZone, text: &str) {
    fs::write(zone.path().join("landfall.toml"), format!("{SFTP}{text}")).expect("written");
}

fn told(output: &Output) -> String {
    String::from_utf8_lossy(&[&output.stdout[..], &output.stderr[..]].concat()).into_owned()
}

fn loads(ledger: &dyn Ledger) -> Vec<Option<String>> {
    let events = ledger.events(0, 10_000).expect("events");
    let loads = events.into_iter().filter_map(|recorded| match recorded.event {
        Event::ConfigLoaded { by, .. } => Some(by),
        _ => None,
    });
    loads.collect()
}

/// An upload over OpenSSH that goes on when the test says so: `scp -t` by hand.
struct Upload(Child);

impl Upload {
    fn begin(server: &Server, key: &Path, name: &str, size_bytes: usize) -> Self {
        let options = server.ssh_options(key);
        let options = options.iter().map(|option| if option == "-P" { "-p" } else { option });
        let ssh = Command::new("ssh")
            .args(options)
            .args(["acme@127.0.0.1", "scp", "-t", name])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn();
        let mut upload = Self(ssh.expect("ssh starts"));
        upload.answered();
        upload.say(format!("C0644 {size_bytes} {name}\n").as_bytes());
        upload.answered();
        upload
    }

    fn say(&mut self, bytes: &[u8]) {
        let stdin = self.0.stdin.as_mut().expect("its input");
        stdin.write_all(bytes).and_then(|()| stdin.flush()).expect("written");
    }

    fn answered(&mut self) {
        let mut byte = [1];
        self.0.stdout.as_mut().expect("its output").read_exact(&mut byte).expect("an answer");
        assert_eq!(byte, [0]);
    }

    fn finish(mut self, bytes: &[u8]) {
        self.say(bytes);
        self.say(b"\0");
        self.answered();
        drop(self.0.stdin.take());
        assert!(self.0.wait().expect("ends").success());
    }
}

#[test]
fn what_begins_follows_the_new_file_and_what_runs_goes_on() {
    let zone = TestZone::new("[feed.orders]\n");
    let first = fs::read_to_string(zone.path().join("landfall.toml")).expect("there");
    let key = zone.partner("acme", &["orders"], "");
    let server = zone.serve();
    let mut upload = Upload::begin(&server, &key, "slow.csv", 8);
    upload.say(b"id\n");

    let told_to = zone.path().join("told");
    let script = format!("cat > {}", told_to.display());
    let text = format!(
        "[feed.orders]\nsinks = [\"load\"]\n[feed.stock]\nmatch = [\"*.csv\"]\n\
         [sink.load]\ncommand = [\"sh\", \"-c\", \"{script}\"]\n"
    );
    write(&zone, &text);
    let status = zone.run(&["status"]);
    assert!(told(&status).contains("landfall reload"), "{}", told(&status));
    let reloaded = zone.run(&["reload"]);
    assert!(reloaded.status.success(), "{}", told(&reloaded));
    let status = zone.run(&["status"]);
    assert!(!told(&status).contains("landfall reload"), "{}", told(&status));

    upload.finish(b"1\n22\n");
    // The partner's file is read at each login, the feed's folder is watched from now on.
    let account = zone.path().join("partners/acme.toml");
    let account_text = fs::read_to_string(&account).expect("there");
    fs::write(&account, account_text.replace("[\"orders\"]", "[\"orders\", \"stock\"]")).unwrap();
    let local = zone.path().join("new.csv");
    fs::write(&local, "id\n2\n").unwrap();
    server.sftp_ok("acme", &key, &format!("put {} /stock/new.csv\n", local.display()));
    fs::rename(&local, zone.inbox("stock").join("dropped.csv")).expect("dropped");
    let landed = zone.wait_for_ends(3);
    assert!(landed.iter().all(|arrival| arrival.state == State::HandedOff), "{landed:#?}");
    let names: Vec<String> = landed.iter().map(|a| format!("{}/{}", a.feed, a.name)).collect();
    for name in ["orders/slow.csv", "stock/new.csv", "stock/dropped.csv"] {
        assert!(names.contains(&name.to_owned()), "{names:?}");
    }
    assert!(fs::read_to_string(&told_to).expect("the sink was told").contains("orders"));

    let by = loads(&zone.ledger());
    assert!(matches!(by.as_slice(), [None, Some(_)]), "{by:?}");
    for text in [first, format!("{SFTP}{text}")] {
        let kept = format!("archive/_config/{}.toml", digest::of_bytes(text.as_bytes()));
        assert_eq!(fs::read_to_string(zone.path().join(kept)).expect("kept"), text);
    }
    server.stop();
}

#[test]
fn a_wrong_file_is_refused_with_every_problem_and_the_old_one_stays() {
    let zone = TestZone::new("[feed.orders]\n");
    let key = zone.partner("acme", &["orders"], "");
    let server = zone.serve();
    write(&zone, "[feed.orders]\nlistd = \"3d\"\n[feed.stock]\nsinks = [\"nobody\"]\n");
    let refused = zone.run(&["reload"]);
    assert_eq!(refused.status.code(), Some(78));
    for problem in ["landfall.toml:4:1", "listd", "listed", "landfall.toml:6", "nobody"] {
        assert!(told(&refused).contains(problem), "no {problem} in {}", told(&refused));
    }
    // What needs a restart is refused by name, and nothing else of that file is taken either.
    let text = "[sftp]\nlisten = \"127.0.0.1:1\"\n[feed.orders]\n[feed.stock]\n";
    fs::write(zone.path().join("landfall.toml"), text).unwrap();
    let refused = zone.run(&["reload"]);
    let why = told(&refused);
    assert!(why.contains("R120") && why.contains("[sftp] listen"), "{why}");
    assert!(!zone.path().join("inbox/stock").exists());
    assert_eq!(loads(&zone.ledger()), [None]);
    let local = zone.path().join("a.csv");
    fs::write(&local, "id\n2\n").unwrap();
    server.sftp_ok("acme", &key, &format!("put {}\n", local.display()));
    assert_eq!(zone.wait_for_ends(1)[0].state, State::HandedOff);
    server.stop();
}

#[test]
fn a_hangup_reloads_and_a_feed_that_is_gone_is_watched_no_more() {
    let zone = TestZone::new("[feed.orders]\n[feed.stock]\n");
    let server = zone.serve();
    let (orders, stock) = (zone.inbox("orders"), zone.inbox("stock"));
    fs::write(orders.join("a.csv"), "id\n1\n").unwrap();
    fs::write(stock.join("a.csv"), "id\n1\n").unwrap();
    zone.wait_for_ends(2);
    write(&zone, "[feed.orders]\n");
    let pid = server.pid().to_string();
    assert!(Command::new("kill").args(["-HUP", &pid]).status().expect("kill").success());
    zone.wait_until("the reload", |ledger| loads(ledger).len() == 2);
    assert_eq!(loads(&zone.ledger())[1].as_deref(), Some("SIGHUP"));
    // Back again: what was dropped meanwhile is taken once.
    fs::write(stock.join("b.csv"), "id\n2\n").unwrap();
    fs::write(orders.join("b.csv"), "id\n2\n").unwrap();
    zone.wait_until("the other feed's file", |ledger| all(ledger).len() >= 3);
    assert!(stock.join("b.csv").exists(), "its feed is gone, so it was left alone");
    write(&zone, "[feed.orders]\n[feed.stock]\n");
    assert!(zone.run(&["reload"]).status.success());
    assert_eq!(zone.wait_for_ends(4).len(), 4);
    assert!(zone.run(&["reload"]).status.success(), "the same file again is no change");
    server.stop();
    assert_eq!(zone.run(&["reload"]).status.code(), Some(5), "nobody is there to reload");
}
