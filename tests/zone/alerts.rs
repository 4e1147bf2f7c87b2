//! Who is told of what needs a person, in a zone that is served with a clock that the test moves.

use std::collections::BTreeSet;
use std::fs;
use std::sync::Arc;
use std::time::Duration;

use crate::moved::{Served, Shown, serve};
use crate::receiver::{Reply, ok};
use crate::small_disk::SmallDisk;
use crate::support::TestZone;
use landfall::clock::Clock;
use landfall::config;
use landfall::durable::Durability;
use landfall::handoff::sinks::courier::Courier;
use landfall::handoff::sinks::secret::Secrets;
use landfall::ledger::{Event, Ledger, sqlite};
use landfall::names::AlertName;
use landfall::ops::alerts::{Alerting, Parts};
use landfall::ops::doors::Doors;
use landfall::ops::rows::ParquetRows;
use landfall::zone::Zone;

/// A command that keeps each message in a file of its own.
const KEEP: &str = r#"command = ["sh", "-c", 'cat > "told-$1-$LANDFALL_URGENCY-$(ls | grep -c "told-$1-")"', "keep", "NAME"]"#;

fn keep(name: &str) -> String {
    format!("[[alert]]\nname = '{name}'\n{}\n", KEEP.replace("NAME", name))
}

/// A feed that is late from six in the morning on.
const NORTH: &str = "[zone]\nname = 'north'\n[feed.rates]\nowner = 'sales'\n\
                     [feed.rates.expect]\nby = '06:00'\n";

/// A drop folder that is not there, because what it lies in is not mounted.
struct Share(tempfile::TempDir);

impl Share {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self) -> std::path::PathBuf {
        self.0.path().join("mount/share")
    }

    fn config(&self) -> String {
        let path = self.path();
        format!(
            "[feed.orders]\nowner = 'orders'\n[folder.share]\npath = {path:?}\nfeed = 'orders'\n"
        )
    }
}

/// Messages that were taken: alert, urgency, keys raised and resolved.
fn taken(ledger: &dyn Ledger) -> Vec<String> {
    let events = ledger.events(0, 100_000).expect("events").into_iter();
    let keys = |keys: Vec<String>| {
        let short = |key: &String| match key.starts_with("F102 ") {
            true => "F102 share".to_owned(),
            false => key.clone(),
        };
        keys.iter().map(short).collect::<Vec<_>>().join(",")
    };
    let taken = events.filter_map(|recorded| match recorded.event {
        Event::Alerted { alert, urgency, raised, resolved, .. } => {
            Some(format!("{alert} {urgency:?} +{} -{}", keys(raised), keys(resolved)))
        }
        Event::AlertFailing { alert, .. } => Some(format!("{alert} failing")),
        _ => None,
    });
    taken.collect()
}

impl Served<'_> {
    /// Waits until just these messages were taken, in any order.
    fn wait_for_messages(&self, expected: &[&str]) {
        let what = format!("{expected:?}");
        self.zone.wait_until(&what, |ledger| taken(ledger).len() >= expected.len());
        let (mut taken, mut expected) = (taken(&self.zone.ledger()), expected.to_vec());
        taken.sort();
        expected.sort_unstable();
        assert_eq!(taken, expected);
    }

    fn file(&self, file: &str) -> String {
        fs::read_to_string(self.zone.path().join(file)).unwrap_or_else(|error| {
            let there = fs::read_dir(self.zone.path()).unwrap();
            let there: Vec<_> = there.map(|entry| entry.unwrap().file_name()).collect();
            panic!("{file}: {error}; there are {there:?}")
        })
    }
}

#[test]
fn a_page_is_told_at_once_and_again_when_it_is_over() {
    let folder = Share::new();
    let share = folder.config();
    let zone = TestZone::new(&format!("{NORTH}{share}{}", keep("ops")));
    let clock = Shown::at("2026-11-20T12:00:00Z");
    let served = serve(&zone, &clock);
    served.wait_for_messages(&["ops Page +F102 share -"]);
    let place = folder.path().display().to_string();
    let told = served.file("told-ops-page-0").replace(&place, "/mount/share");
    insta::assert_snapshot!(told, @r"
    landfall north: the drop folder /mount/share is not there

      the drop folder /mount/share is not there
        owner  orders
        do     ls -ld /mount/share
    ");
    // It stands, also after a restart: nobody is told again.
    served.stop();
    clock.set("2026-11-20T12:10:00Z");
    let served = serve(&zone, &clock);
    fs::create_dir_all(folder.path()).unwrap();
    served.wait_for_messages(&["ops Page +F102 share -", "ops Page + -F102 share"]);
    let told = served.file("told-ops-page-1").replace(&place, "/mount/share");
    insta::assert_snapshot!(told, @r"
    landfall north: no longer: the drop folder /mount/share is not there

    No longer so:
      the drop folder /mount/share is not there
    ");
}

#[test]
fn a_ledger_made_again_does_not_tell_again() {
    let folder = Share::new();
    let share = folder.config();
    let zone = TestZone::new(&format!("{NORTH}{share}{}", keep("ops")));
    let clock = Shown::at("2026-11-20T12:00:00Z");
    let served = serve(&zone, &clock);
    let page = "ops Page +F102 share -";
    served.wait_for_messages(&[page]);
    served.stop();
    fs::remove_file(zone.path().join(".landfall/ledger.db")).unwrap();
    let rebuilt = zone.run(&["rebuild"]);
    assert!(rebuilt.status.success(), "{}", String::from_utf8_lossy(&rebuilt.stderr));
    clock.set("2026-11-20T12:10:00Z");
    let served = serve(&zone, &clock);
    // What is over is told in the words in which it was raised, and nothing before that.
    zone.wait_until("a look", |ledger| !ledger.alerts().unwrap().is_empty());
    fs::create_dir_all(folder.path()).unwrap();
    served.wait_for_messages(&[page, "ops Page + -F102 share"]);
    assert!(served.file("told-ops-page-1").contains("share is not there"));
}

/// What was raised, and with whom.
fn raised(ledger: &dyn Ledger) -> BTreeSet<(String, String)> {
    let events = ledger.events(0, 100_000).expect("events").into_iter();
    let raised = events.filter_map(|recorded| match recorded.event {
        Event::Alerted { alert, raised, .. } => Some((alert, raised)),
        _ => None,
    });
    let each = |(alert, keys): (AlertName, Vec<String>)| {
        keys.into_iter().map(move |key| (alert.to_string(), key))
    };
    raised.flat_map(each).collect()
}

#[test]
fn a_full_disk_a_stalled_sink_and_a_held_file_reach_whom_they_concern() {
    let Some(disk) = SmallDisk::mount("size=64m") else { return };
    let root = disk.path().join("zone");
    fs::create_dir_all(root.join("partners")).unwrap();
    let soon = "pause = '1s'\ndigest = '1s'\n";
    let config = format!(
        "[zone]\nfree_reserve = '8 MiB'\n[sftp]\nlisten = \"127.0.0.1:2222\"\n\
         [feed.orders]\nowner = 'sales'\nsinks = ['lost']\n[feed.rates]\nowner = 'north'\n\
         [sink.lost]\ncommand = ['sh', '-c', 'echo nobody listens; exit 1']\nretry = []\n\
         {}{soon}severity = ['page']\n{}{soon}owners = ['sales']\n{}{soon}owners = ['north']\n\
         {}{soon}owners = ['west']\nseverity = ['digest']\n",
        keep("pager"),
        keep("sales"),
        keep("north"),
        keep("west"),
    );
    fs::write(root.join("landfall.toml"), config).unwrap();
    let zone = TestZone::at(root);
    let server = zone.serve();
    let drop_in = |feed: &str, name: &str, text: &str| {
        let made = zone.path().join("made");
        fs::write(&made, text).unwrap();
        fs::rename(&made, zone.inbox(feed).join(name)).unwrap();
    };
    drop_in("orders", "a.csv", "id\n1\n");
    drop_in("rates", "never-closed.csv", "id,text\n1,\"and so on\n");
    let stalled = "H101 lost orders".to_owned();
    let held = "held C104 rates".to_owned();
    let full = "H146".to_owned();
    let with = |alert: &str, key: &String| (alert.to_owned(), key.clone());
    let first =
        BTreeSet::from([with("pager", &stalled), with("sales", &stalled), with("north", &held)]);
    zone.wait_until("the first two", |ledger| raised(ledger).is_superset(&first));
    let filler = disk.fill(4 << 20);
    // A disk that is full concerns everybody, but for those who want no pages.
    let all = ["pager", "sales", "north"].map(|alert| with(alert, &full));
    let all: BTreeSet<_> = first.iter().cloned().chain(all).collect();
    zone.wait_until("all three", |ledger| raised(ledger).is_superset(&all));
    assert_eq!(raised(&zone.ledger()), all, "nobody else is told");
    let told = fs::read_to_string(zone.path().join("told-sales-page-0")).unwrap();
    assert!(told.contains("sink lost is stalled for orders at batch 1"), "{told}");
    assert!(told.contains("nobody listens") && told.contains("landfall sink retry lost"), "{told}");
    let told = fs::read_to_string(zone.path().join("told-north-digest-0")).unwrap();
    assert!(told.contains("never-closed.csv of rates is held"), "{told}");
    fs::remove_file(filler).unwrap();
    zone.wait_until("the end of the full disk", |ledger| {
        taken(ledger).contains(&"pager Page + -H146".to_owned())
    });
    server.stop();
}

#[test]
fn what_can_wait_is_gathered_and_told_in_a_digest() {
    let zone = TestZone::new(&format!("{NORTH}{}", keep("ops")));
    let clock = Shown::at("2026-11-20T12:00:00Z");
    let served = serve(&zone, &clock);
    zone.wait_until("the calendar", |ledger| !ledger.expecting().unwrap().is_empty());
    clock.set("2026-11-21T06:00:00Z");
    zone.wait_until("its gathering", |ledger| {
        ledger.alerts().unwrap().values().any(|state| state.gathering_since.is_some())
    });
    assert_eq!(taken(&zone.ledger()), [""; 0]);
    // A restart in between neither loses it nor begins the quarter of an hour anew.
    served.stop();
    clock.set("2026-11-21T06:15:00Z");
    let served = serve(&zone, &clock);
    let late = "ops Digest +due rates 2026-11-21 -";
    served.wait_for_messages(&[late]);
    let told = served.file("told-ops-digest-0");
    assert!(told.contains("rates is late for 2026-11-21, due 2026-11-21T06:00:00Z"), "{told}");
    assert!(told.contains("    owner  sales\n    since  2026-11-21T06:00:00Z\n"), "{told}");
    // From late to missing is the same cause; the next date is another.
    clock.set("2026-11-22T06:00:00Z");
    zone.wait_until("its gathering", |ledger| {
        ledger.alerts().unwrap().values().any(|state| state.gathering_since.is_some())
    });
    clock.set("2026-11-22T06:15:00Z");
    served.wait_for_messages(&[late, "ops Digest +due rates 2026-11-22 -"]);
}

#[test]
fn alerts_are_routed_by_owner_and_severity() {
    let more = format!(
        "{}owners = ['sales']\n{}severity = ['page']\n{}severity = ['digest']\nowners = ['orders']\n",
        keep("sales"),
        keep("pager"),
        keep("desk"),
    );
    let folder = Share::new();
    let share = folder.config();
    let zone = TestZone::new(&format!("{NORTH}{share}{more}"));
    let clock = Shown::at("2026-11-20T12:00:00Z");
    let served = serve(&zone, &clock);
    served.wait_for_messages(&["pager Page +F102 share -"]);
    clock.set("2026-11-21T06:00:00Z");
    zone.wait_until("the late date", |ledger| {
        ledger.alerts().unwrap().values().any(|state| state.gathering_since.is_some())
    });
    clock.set("2026-11-21T06:15:00Z");
    served.wait_for_messages(&["pager Page +F102 share -", "sales Digest +due rates 2026-11-21 -"]);
}

#[test]
fn an_alert_that_fails_is_told_to_the_others_and_sends_the_same_until_it_is_taken() {
    let replies = vec![Reply::Http("500 Broken", "", "no room".to_owned()), Reply::Reset, ok("")];
    let (url, requests) = crate::receiver::receive(replies);
    let hook = format!(
        "[[alert]]\nname = 'hook'\nwebhook = '{url}'\nsecrets = ['file:key']\nretry = ['10s']\n"
    );
    let folder = Share::new();
    let share = folder.config();
    let zone = TestZone::new(&format!("{NORTH}{share}{hook}{}", keep("ops")));
    fs::write(zone.path().join("key"), "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
    let clock = Shown::at("2026-11-20T12:00:00Z");
    let served = serve(&zone, &clock);
    let first = requests.recv_timeout(crate::support::PATIENCE).unwrap();
    let page = "ops Page +F102 share -";
    served.wait_for_messages(&[page, "hook failing"]);
    let failing = "H145: alert hook cannot be told, attempt 1: 500 Internal Server Error: no room";
    assert!(served.needs().contains(&failing.to_owned()), "{:?}", served.needs());
    // The other alert hears of it once its pause is over; the hook itself is not told of itself.
    clock.set("2026-11-20T12:00:10Z");
    let second = requests.recv_timeout(crate::support::PATIENCE).unwrap();
    zone.wait_until("a second failure", |ledger| {
        let states = ledger.alerts().unwrap();
        let waiting = states.values().find_map(|state| state.waiting.clone());
        waiting.is_some_and(|waiting| waiting.failing.is_some_and(|f| f.attempts == 2))
    });
    clock.set("2026-11-20T12:01:00Z");
    let third = requests.recv_timeout(crate::support::PATIENCE).unwrap();
    for request in [&second, &third] {
        assert_eq!(request.header("webhook-id"), first.header("webhook-id"));
        assert_eq!(request.body, first.body);
    }
    assert!(first.header("webhook-signature").starts_with("v1,"));
    let event = first.json();
    assert_eq!(
        (&event["specversion"], &event["type"]),
        (&"1.0".into(), &"dev.landfall.alert.told.v1".into())
    );
    let data = &event["data"];
    assert_eq!((&data["alert"], &data["urgency"]), (&"hook".into(), &"page".into()));
    assert_eq!(data["raised"][0]["code"], "F102");
    assert_eq!(data["raised"][0]["owner"], "orders");
    zone.wait_until("the hook's message", |ledger| {
        taken(ledger).contains(&"hook Page +F102 share -".to_owned())
    });
    assert!(!served.needs().iter().any(|need| need.starts_with("H145")), "{:?}", served.needs());
}

#[test]
fn an_alert_that_hangs_holds_only_itself() {
    let (url, requests) = crate::receiver::receive(vec![Reply::Hang]);
    let hook = format!("[[alert]]\nname = 'hook'\nwebhook = '{url}'\ntimeout = '60s'\n");
    let folder = Share::new();
    let share = folder.config();
    let zone = TestZone::new(&format!("{NORTH}{share}{hook}{}", keep("ops")));
    let clock = Shown::at("2026-11-20T12:00:00Z");
    let served = serve(&zone, &clock);
    requests.recv_timeout(crate::support::PATIENCE).unwrap();
    served.wait_for_messages(&["ops Page +F102 share -"]);
}

#[test]
fn alerts_are_listed_and_tried() {
    let zone = TestZone::new(&format!(
        "{NORTH}{}[[alert]]\nname = 'bad'\ncommand = ['sh', '-c', 'echo nobody is there >&2; exit 3']\n",
        keep("ops")
    ));
    let run = |arguments: &[&str]| {
        let output = zone.run(arguments);
        let text = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        (output.status.code().unwrap(), text)
    };
    assert_eq!(run(&["alert", "test", "ops"]), (0, "Alert ops took a test\n".to_owned()));
    let told = fs::read_to_string(zone.path().join("told-ops--0")).unwrap();
    assert!(told.starts_with("landfall north: a test of alert ops\n"), "{told}");
    assert_eq!(
        run(&["alert", "test", "bad"]),
        (3, "Alert bad refused a test: exit status: 3: nobody is there\n".to_owned())
    );
    assert_eq!(run(&["alert", "test", "nobody"]).0, 4);
    let (code, listed) = run(&["alert", "list"]);
    assert_eq!(code, 0);
    insta::assert_snapshot!(listed, @r"
    alert  kind     owners  severity      messages  last  standing  state
    bad    command  any     page, digest  0         -     0         ready
    ops    command  any     page, digest  0         -     0         ready
    ");
}

#[test]
fn a_ledger_that_cannot_be_written_is_told_from_memory() {
    let folder = Share::new();
    let share = folder.config();
    let zone = TestZone::new(&format!("{NORTH}{share}{}pause = '1s'\n", keep("ops")));
    fs::create_dir_all(zone.path().join(".landfall")).unwrap();
    let file = zone.path().join(".landfall/ledger.db");
    drop(sqlite::open(&file, Clock::system(), Durability::Relaxed).unwrap());
    // Every write is refused.
    let ledger = Arc::new(sqlite::open_read_only(&file).unwrap());
    let found = Zone::new(zone.path().to_path_buf());
    let config = config::load(&found).expect("valid");
    let (stop, stopped) = tokio::sync::watch::channel(false);
    let secrets = Secrets::of_files(zone.path().to_path_buf());
    let parts = Parts {
        zone: found,
        config: config::Live::from(Arc::new(config)),
        ledger,
        clock: Clock::system(),
        courier: Arc::new(Courier::new(secrets, Arc::new(ParquetRows), Durability::Relaxed)),
        notary: None,
        doors: Doors::new(Clock::system(), stopped.clone()),
    };
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let alerts = tokio::spawn(Alerting::new(parts).run(stopped));
        let told = zone.path().join("told-ops-page-1");
        let waits = async {
            while !fs::read_to_string(&told).is_ok_and(|told| told.contains("do ")) {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(crate::support::PATIENCE, waits).await.expect("it is told");
        stop.send_replace(true);
        alerts.await.unwrap();
    });
    let told = fs::read_to_string(zone.path().join("told-ops-page-1")).unwrap();
    assert!(told.contains("the ledger is not usable: ledger is open for reading only"), "{told}");
}
