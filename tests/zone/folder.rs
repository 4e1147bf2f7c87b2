//! The folder door, with real files, a real archive and a real ledger.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use landfall::archive::Archive;
use landfall::clock::{Clock, Timestamp};
use landfall::config::{self, Config};
use landfall::diagnostic::{Code, Diagnostic};
use landfall::durable::Durability;
use landfall::ledger::sqlite::{self, SqliteLedger};
use landfall::ledger::{
    self, Arrival, ArrivalQuery, Event, Ledger, Sender, Sidecars as _, State, Verdict, WaitsFor,
};
use landfall::receive::LocalIntake;
use landfall::receive::completion::Judges;
use landfall::receive::folder::Door;
use landfall::zone::Zone;
use tokio::sync::watch;

/// A zone with one drop folder, `drop`, of the feed `orders`.
struct Shop {
    folder: tempfile::TempDir,
    zone: Zone,
    config: Arc<Config>,
    ledger: Arc<SqliteLedger>,
    clock: Clock,
}

/// Quick, and found by scans alone.
const SCANNED: &str = "notify = false\nscan_every = \"50ms\"\nquiet = \"50ms\"\n";
/// Quick, and found by hints alone.
const HINTED: &str = "scan_every = \"1h\"\nquiet = \"50ms\"\n";

impl Shop {
    fn new(folder: &str) -> Self {
        Self::at(folder, Clock::system())
    }

    fn at(folder: &str, clock: Clock) -> Self {
        Self::of_feed("", folder, clock)
    }

    /// With these settings of the feed.
    fn of_feed(feed: &str, folder: &str, clock: Clock) -> Self {
        let root = tempfile::tempdir().unwrap();
        let zone = Zone::new(root.path());
        for needed in [zone.staging(), zone.converted(), root.path().join("drop")] {
            fs::create_dir_all(needed).unwrap();
        }
        let text = format!(
            "[sftp]\nrename_wait = \"1s\"\n[feed.orders]\n{feed}[folder.drop]\npath = \"drop\"\nfeed = \"orders\"\n{folder}"
        );
        let config = Arc::new(config::parse("landfall.toml", &text).unwrap());
        let ledger = sqlite::open(&zone.ledger_file(), clock.clone(), Durability::Relaxed).unwrap();
        Self { folder: root, zone, config, ledger: Arc::new(ledger), clock }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join("drop").join(name)
    }

    /// Puts a file into the drop folder as a careful program does: whole, under its final name.
    fn put(&self, name: &str, text: &str) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn sender() -> Sender {
        Sender::Folder("drop".parse().unwrap())
    }

    /// Everything that was taken, oldest first.
    fn arrivals(&self) -> Vec<Arrival> {
        let query = ArrivalQuery { limit: 100_000, ..ArrivalQuery::default() };
        let mut all = self.ledger.arrivals(&query).unwrap();
        all.reverse();
        all
    }

    fn names(&self) -> Vec<String> {
        let mut names: Vec<_> = self.arrivals().iter().map(|it| it.name.to_string()).collect();
        names.sort();
        names
    }

    /// Waits on the ledger until `found` finds something.
    fn wait<T>(&self, found: impl Fn(&Self) -> Option<T>) -> T {
        let deadline = Instant::now() + Duration::from_secs(120);
        loop {
            let head = self.ledger.head();
            if let Some(found) = found(self) {
                return found;
            }
            assert!(Instant::now() < deadline, "waited too long; taken: {:?}", self.names());
            self.ledger.wait_beyond(head, Duration::from_millis(20));
        }
    }

    fn wait_for_event(&self, wanted: impl Fn(&Event) -> bool) -> Event {
        self.wait(|shop| {
            let all = shop.ledger.events(0, 100_000).unwrap();
            all.into_iter().map(|recorded| recorded.event).find(&wanted)
        })
    }

    fn wait_for_ignored(&self, name: &str) -> Diagnostic {
        let named = |event: &Event| matches!(event, Event::EntryIgnored { name: ignored, .. } if ignored.to_string() == name);
        let Event::EntryIgnored { diagnostic, .. } = self.wait_for_event(named) else {
            panic!("another event")
        };
        diagnostic
    }

    /// Waits until the arrival of this name is there.
    fn wait_for(&self, name: &str) -> Arrival {
        self.wait(|shop| shop.arrivals().into_iter().find(|it| it.name.to_string() == name))
    }

    /// Waits until the drop folder holds nothing to take; then what lies in `_done` or `_rejected`.
    fn wait_for_moves(&self) -> Vec<String> {
        self.wait(|shop| files_but(&shop.path(""), "_").is_empty().then_some(()));
        files(&self.path(""))
    }

    /// Proves that a whole round passed: a file that is put now is taken.
    fn wait_for_a_round(&self, control: &str) {
        self.put(control, "control");
        self.wait_for(control);
    }
}

/// Files below a folder by relative name, sorted.
fn files(root: &Path) -> Vec<String> {
    files_but(root, "/")
}

/// As [`files`], without those below folders whose name starts so.
fn files_but(root: &Path, left_out: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            if entry.file_type().unwrap().is_dir() {
                if !entry.file_name().to_string_lossy().starts_with(left_out) {
                    folders.push(entry.path());
                }
            } else {
                let path = entry.path();
                found.push(path.strip_prefix(root).unwrap().to_str().unwrap().to_owned());
            }
        }
    }
    found.sort();
    found
}

/// The door, and something that gives every arrival an outcome: names with `bad` are held.
struct Running {
    stop: watch::Sender<bool>,
    done: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
    judges: Option<Judges>,
}

fn door_alone(shop: &Shop) -> Running {
    let archive = Archive::new(shop.zone.clone(), Durability::Relaxed);
    let (zone, config, clock) = (shop.zone.clone(), Arc::clone(&shop.config), shop.clock.clone());
    let intake = LocalIntake::new(
        zone.clone(),
        Arc::clone(&config),
        archive,
        shop.ledger.clone(),
        clock.clone(),
    );
    let judges = Some(Judges::start(intake.completions()).unwrap());
    let door = Door::new(zone, config, Arc::new(intake), clock);
    let (stop, stopped) = watch::channel(false);
    let threads = vec![std::thread::spawn(move || door.run(&stopped))];
    Running { stop, done: Arc::default(), threads, judges }
}

fn run(shop: &Shop) -> Running {
    let mut running = door_alone(shop);
    let (ledger, done) = (shop.ledger.clone(), Arc::clone(&running.done));
    running.threads.push(std::thread::spawn(move || {
        while !done.load(Ordering::Relaxed) {
            let head = ledger.head();
            judge_all(ledger.as_ref());
            ledger.wait_beyond(head, Duration::from_millis(20));
        }
    }));
    running
}

fn judge_all(ledger: &dyn Ledger) {
    for arrival in ledger.to_convert(0, 1000).unwrap() {
        let event = if arrival.name.to_string().contains("bad") {
            Event::Held { diagnostic: Diagnostic::error(Code::C107, "there is no table in it") }
        } else {
            Event::TakenRaw { reason: "a test".to_owned() }
        };
        match ledger.advance(arrival.id, event) {
            // A sidecar came since it was read.
            Ok(_) | Err(ledger::Error::Refused(_)) => {}
            Err(error) => panic!("{error}"),
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop.send_replace(true);
        self.done.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            thread.join().unwrap();
        }
        self.judges.take().unwrap().stop();
    }
}

/// A process of its own that holds a file open for appending until it is dropped.
struct Writer(Child);

impl Writer {
    fn open(path: &Path) -> Self {
        let mut child = Command::new("sh")
            .args([
                "-c",
                "exec 3>>\"$1\"; echo open; while read line; do echo \"$line\" >&3; done",
                "sh",
            ])
            .arg(path)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut opened = [0; 5];
        std::io::Read::read_exact(child.stdout.as_mut().unwrap(), &mut opened).unwrap();
        Self(child)
    }

    fn write(&mut self, line: &str) {
        writeln!(self.0.stdin.as_mut().unwrap(), "{line}").unwrap();
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        self.0.wait().unwrap();
    }
}

fn noon() -> Timestamp {
    "2026-11-22T12:00:00Z".parse().unwrap()
}

#[test]
fn a_file_is_taken_once_and_moved_with_a_result_text() {
    let shop = Shop::at(SCANNED, Clock::fixed(noon()));
    let _running = run(&shop);
    shop.put("orders.csv", "id\n1\n");
    let moved = shop.wait_for_moves();
    assert_eq!(
        moved,
        ["_done/2026-11-22/120000_orders.csv", "_done/2026-11-22/120000_orders.csv.result.txt"]
    );
    let arrivals = shop.arrivals();
    assert_eq!(arrivals.len(), 1);
    let arrival = &arrivals[0];
    assert_eq!((arrival.sender.clone(), arrival.size_bytes), (Shop::sender(), 5));
    assert_eq!(fs::read(shop.zone.resolve(&arrival.raw).unwrap()).unwrap(), b"id\n1\n");
    assert_eq!(arrival.digest, landfall::archive::digest::of_bytes(b"id\n1\n"));
    let owner = arrival.origin.as_deref().unwrap();
    let uid = rustix::process::getuid().as_raw();
    assert!(owner.starts_with(&format!("uid {uid}")), "{owner}");
    let result = fs::read_to_string(shop.path(&moved[1])).unwrap();
    assert!(result.contains("Taken for orders as it is"), "{result}");
    assert_eq!(fs::read_dir(shop.zone.staging()).unwrap().count(), 0, "no litter");
}

#[test]
fn a_held_file_goes_to_rejected_with_the_reason() {
    let shop = Shop::at(SCANNED, Clock::fixed(noon()));
    let _running = run(&shop);
    shop.put("bad.csv", "?");
    let moved = shop.wait_for_moves();
    assert_eq!(
        moved,
        ["_rejected/2026-11-22/120000_bad.csv", "_rejected/2026-11-22/120000_bad.csv.result.txt"]
    );
    let result = fs::read_to_string(shop.path(&moved[1])).unwrap();
    assert!(result.contains("there is no table in it"), "{result}");
}

#[test]
fn hints_find_files_without_a_scan() {
    let shop = Shop::new(HINTED);
    let _running = run(&shop);
    shop.put("first.csv", "1");
    shop.wait_for("first.csv");
    // The first may have been found by the scan at the start; what follows cannot.
    shop.put("a/b/c/d.csv", "2");
    shop.wait_for("a/b/c/d.csv");
    fs::write(shop.path("e.csv.part"), "3").unwrap();
    fs::rename(shop.path("e.csv.part"), shop.path("e.csv")).unwrap();
    shop.wait_for("e.csv");
    shop.wait_for_moves();
    assert_eq!(shop.names(), ["a/b/c/d.csv", "e.csv", "first.csv"]);
}

#[test]
fn a_file_that_is_open_for_writing_is_not_taken() {
    let shop = Shop::new(SCANNED);
    let _running = run(&shop);
    let mut writer = Writer::open(&shop.path("slow.csv"));
    writer.write("half");
    shop.wait_for_a_round("first.csv");
    shop.wait_for_a_round("second.csv");
    assert_eq!(shop.names(), ["first.csv", "second.csv"], "it is quiet, but somebody writes it");
    writer.write("whole");
    drop(writer);
    let arrival = shop.wait_for("slow.csv");
    assert_eq!(arrival.size_bytes, "half\nwhole\n".len() as u64);
}

#[test]
fn temporary_names_and_office_locks_wait() {
    let shop = Shop::new(SCANNED);
    let _running = run(&shop);
    let waiting = ["a.csv.part", ".b.csv", "c.csv~", "d.csv.crdownload", "~$Budget.xlsx"];
    waiting.iter().for_each(|name| shop.put(name, "x"));
    shop.put("Budget.xlsx", "x");
    shop.wait_for_a_round("first.csv");
    shop.wait_for_a_round("second.csv");
    assert_eq!(shop.names(), ["first.csv", "second.csv"]);
    fs::remove_file(shop.path("~$Budget.xlsx")).unwrap();
    fs::rename(shop.path("a.csv.part"), shop.path("a.csv")).unwrap();
    shop.wait_for("Budget.xlsx");
    shop.wait_for("a.csv");
}

#[test]
fn odd_entries_are_left_alone_and_block_nothing() {
    let shop = Shop::new(SCANNED);
    shop.put("outside", "secret");
    fs::rename(shop.path("outside"), shop.zone.root().join("outside")).unwrap();
    std::os::unix::fs::symlink(shop.zone.root().join("outside"), shop.path("link.csv")).unwrap();
    std::os::unix::fs::symlink(shop.zone.root(), shop.path("folder-link")).unwrap();
    let fifo = rustix::fs::FileType::Fifo;
    let mode = rustix::fs::Mode::from_raw_mode(0o600);
    rustix::fs::mknodat(rustix::fs::CWD, shop.path("pipe.csv"), fifo, mode, 0).unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(shop.path("socket.csv")).unwrap();
    let _running = run(&shop);
    for (name, what) in [
        ("link.csv", "a link"),
        ("folder-link", "a link"),
        ("pipe.csv", "a pipe"),
        ("socket.csv", "a socket"),
    ] {
        let told = shop.wait_for_ignored(name);
        assert_eq!((told.code, told.summary), (Code::F101, format!("{name} is {what}")));
    }
    shop.wait_for_a_round("first.csv");
    shop.wait_for_a_round("second.csv");
    assert_eq!(shop.names(), ["first.csv", "second.csv"]);
    let events = shop.ledger.events(0, 1000).unwrap();
    let ignored = |event: &Event| matches!(event, Event::EntryIgnored { .. });
    assert_eq!(events.iter().filter(|it| ignored(&it.event)).count(), 4, "each is told once");
}

#[test]
fn subfolders_are_part_of_the_name() {
    let shop = Shop::at(SCANNED, Clock::fixed(noon()));
    let _running = run(&shop);
    shop.put("eu/de/orders.csv", "1");
    shop.put(&format!("{}too-deep.csv", "d/".repeat(17)), "2");
    let told = shop.wait_for_ignored(&format!("{}d", "d/".repeat(16)));
    assert_eq!(told.code, Code::F104);
    shop.wait_for("eu/de/orders.csv");
    shop.wait(|shop| shop.path("_done/2026-11-22/eu/de/120000_orders.csv").exists().then_some(()));
    assert_eq!(shop.names(), ["eu/de/orders.csv"]);
}

#[test]
fn the_same_name_in_the_same_second_is_numbered() {
    let shop = Shop::at(SCANNED, Clock::fixed(noon()));
    let _running = run(&shop);
    for text in ["1", "2", "2"] {
        shop.put("a.csv", text);
        shop.wait_for_moves();
    }
    let texts: Vec<_> = ["120000_a.csv", "120000_a_2.csv", "120000_a_3.csv"]
        .iter()
        .map(|name| fs::read_to_string(shop.path("_done/2026-11-22").join(name)).unwrap())
        .collect();
    assert_eq!(texts, ["1", "2", "2"]);
    let states: Vec<_> = shop.arrivals().iter().map(|it| it.state).collect();
    assert_eq!(states, [State::Raw, State::Raw, State::Duplicate]);
    let third = shop.path("_done/2026-11-22/120000_a_3.csv.result.txt");
    assert!(fs::read_to_string(third).unwrap().contains("came before"));
}

#[test]
fn a_restart_between_taking_and_moving_takes_nothing_twice() {
    let shop = Shop::new(SCANNED);
    let without_outcome = door_alone(&shop);
    shop.put("a.csv", "1");
    shop.wait_for("a.csv");
    drop(without_outcome);
    assert!(shop.path("a.csv").exists());

    // The outcome comes while the server is down, for one file; for another after the start.
    let waiting_too = door_alone(&shop);
    shop.wait_for_a_round("b.csv");
    drop(waiting_too);
    judge_all(shop.ledger.as_ref());
    let _running = run(&shop);
    assert_eq!(shop.wait_for_moves().len(), 4);
    assert_eq!(shop.names(), ["a.csv", "b.csv"]);
}

#[test]
fn an_outcome_after_a_restart_moves_the_file() {
    let shop = Shop::new(SCANNED);
    let first = door_alone(&shop);
    shop.put("a.csv", "1");
    shop.wait_for("a.csv");
    drop(first);
    let second = door_alone(&shop);
    shop.wait_for_a_round("b.csv");
    judge_all(shop.ledger.as_ref());
    assert_eq!(shop.wait_for_moves().len(), 4);
    assert_eq!(shop.names(), ["a.csv", "b.csv"]);
    drop(second);
}

#[test]
fn a_file_that_changed_after_it_was_taken_stays_and_is_taken_again() {
    let shop = Shop::new(SCANNED);
    let running = door_alone(&shop);
    shop.put("a.csv", "first");
    shop.wait_for("a.csv");
    shop.put("a.csv", "second version");
    judge_all(shop.ledger.as_ref());
    shop.wait(|shop| (shop.arrivals().len() == 2).then_some(()));
    assert_eq!(fs::read_to_string(shop.path("a.csv")).unwrap(), "second version");
    judge_all(shop.ledger.as_ref());
    shop.wait_for_moves();
    let sizes: Vec<_> = shop.arrivals().iter().map(|it| it.size_bytes).collect();
    assert_eq!(sizes, [5, 14]);
    drop(running);
}

#[test]
fn a_kept_file_stays_and_is_taken_again_after_ten_minutes() {
    let keep = format!("{SCANNED}after = \"keep\"\n");
    let mut shop = Shop::at(&keep, Clock::fixed(noon()));
    let running = run(&shop);
    shop.put("a.csv", "1");
    shop.wait_for("a.csv");
    shop.put("a.csv", "22");
    shop.wait_for_a_round("b.csv");
    shop.put("a.csv", "333");
    shop.wait_for_a_round("c.csv");
    shop.wait_for_a_round("d.csv");
    assert_eq!(shop.names(), ["a.csv", "b.csv", "c.csv", "d.csv"]);
    drop(running);

    shop.clock = Clock::fixed(noon() + Duration::from_secs(601));
    let running = run(&shop);
    shop.wait(|shop| (shop.arrivals().len() == 5).then_some(()));
    shop.wait_for_a_round("e.csv");
    drop(running);
    let again =
        shop.ledger.current(&Shop::sender(), &"orders".parse().unwrap(), &"a.csv".parse().unwrap());
    assert_eq!(again.unwrap().unwrap().size_bytes, 3, "the last state wins");
    assert_eq!(shop.arrivals().len(), 6, "what did not change is not taken again");
    assert_eq!(files(&shop.path("")), ["a.csv", "b.csv", "c.csv", "d.csv", "e.csv"]);
}

#[test]
fn a_burst_without_notifications_is_taken_whole_and_once() {
    const FILES: usize = 5000;
    let shop = Shop::new(SCANNED);
    let _running = run(&shop);
    for number in 0..FILES {
        shop.put(&format!("{number}.csv"), &format!("id\n{number}\n"));
    }
    shop.wait(|shop| (shop.ledger.head() >= 2 * FILES as u64).then_some(()));
    let moved = shop.wait_for_moves();
    assert_eq!(moved.len(), 2 * FILES, "each with its text");
    let mut names = shop.names();
    assert_eq!(names.len(), FILES);
    names.dedup();
    assert_eq!(names.len(), FILES, "none twice");
    assert_eq!(fs::read_dir(shop.zone.staging()).unwrap().count(), 0, "no litter");
}

#[test]
fn a_file_that_cannot_be_moved_stays_and_is_told_once() {
    let shop = Shop::new(SCANNED);
    // A file where the folder must be.
    fs::write(shop.path("_done"), "").unwrap();
    let _running = run(&shop);
    shop.put("a.csv", "1");
    assert_eq!(shop.wait_for_ignored("a.csv").code, Code::F103);
    shop.wait_for_a_round("b.csv");
    shop.wait_for_a_round("c.csv");
    assert!(shop.path("a.csv").exists());
    assert_eq!(shop.names(), ["a.csv", "b.csv", "c.csv"], "none is taken twice");
    let events = shop.ledger.events(0, 1000).unwrap();
    let told = |event: &Event| matches!(event, Event::EntryIgnored { .. });
    assert_eq!(events.iter().filter(|it| told(&it.event)).count(), 1);
}

#[test]
fn done_cannot_be_made_a_way_out() {
    let shop = Shop::new(SCANNED);
    let outside = shop.zone.root().join("outside");
    fs::create_dir(&outside).unwrap();
    std::os::unix::fs::symlink(&outside, shop.path("_done")).unwrap();
    let _running = run(&shop);
    shop.put("a.csv", "1");
    assert_eq!(shop.wait_for_ignored("a.csv").code, Code::F103);
    assert!(files(&outside).is_empty());
}

#[test]
fn a_vanished_folder_is_an_alarm_and_comes_back() {
    let shop = Shop::new(&format!("{SCANNED}after = \"keep\"\n"));
    let _running = run(&shop);
    shop.wait_for_a_round("a.csv");
    let (here, away) = (shop.path(""), shop.zone.root().join("away"));
    fs::rename(&here, &away).unwrap();
    let gone = shop.wait_for_event(|event| matches!(event, Event::FolderGone { .. }));
    let Event::FolderGone { folder, diagnostic } = gone else { panic!("{gone:?}") };
    assert_eq!((folder.as_str(), diagnostic.code), ("drop", Code::F102));
    assert!(!here.exists(), "it is not made anew: that would hide a missing mount");
    fs::rename(&away, &here).unwrap();
    shop.wait_for_event(|event| matches!(event, Event::FolderBack { .. }));
    shop.wait_for_a_round("b.csv");
    assert_eq!(shop.names(), ["a.csv", "b.csv"], "what was there before is known");
}

#[test]
fn a_missing_folder_of_the_zone_is_made_with_a_note() {
    let shop = Shop::new(SCANNED);
    fs::remove_dir(shop.path("")).unwrap();
    let _running = run(&shop);
    let note = shop.path("READ ME.txt");
    shop.wait(|_| note.exists().then_some(()));
    let text = fs::read_to_string(note).unwrap();
    assert!(text.starts_with("\u{feff}This is the drop folder for orders.\r\n"), "{text}");
    shop.wait_for_a_round("a.csv");
    assert_eq!(shop.names(), ["a.csv"], "the note is not taken");
}

#[test]
fn old_days_are_removed_and_the_archive_keeps_the_files() {
    let shop = Shop::at(&format!("{SCANNED}keep_done = \"30d\"\n"), Clock::fixed(noon()));
    let old = shop.path("_done/2026-10-01/120000_a.csv");
    fs::create_dir_all(old.parent().unwrap()).unwrap();
    fs::write(&old, "old").unwrap();
    let _running = run(&shop);
    shop.wait(|_| (!old.exists()).then_some(()));
}

#[test]
fn the_door_stops_when_it_is_told_to() {
    let shop = Shop::new(HINTED);
    let running = run(&shop);
    shop.wait_for_a_round("a.csv");
    let started = Instant::now();
    drop(running);
    assert!(started.elapsed() < Duration::from_secs(10));
}

fn sum_of(text: &str) -> String {
    landfall::archive::digest::of_bytes(text.as_bytes()).to_string()
}

#[test]
fn a_sidecar_goes_with_its_file_and_is_no_arrival() {
    let shop = Shop::at(SCANNED, Clock::fixed(noon()));
    let _running = run(&shop);
    shop.put("a.csv.sha256", &format!("{}  a.csv\n", sum_of("id\n1\n")));
    let sidecar = |shop: &Shop| {
        let (feed, name) = ("orders".parse().unwrap(), "a.csv.sha256".parse().unwrap());
        shop.ledger.sidecar(&Shop::sender(), &feed, &name).unwrap()
    };
    assert_eq!(shop.wait(sidecar).arrival, None, "its file has not come");
    shop.put("a.csv", "id\n1\n");
    shop.wait(|shop| sidecar(shop).and_then(|it| it.verdict).filter(|it| *it == Verdict::Agrees));
    let moved = shop.wait_for_moves();
    let day = "_done/2026-11-22";
    let expected = [
        format!("{day}/120000_a.csv"),
        format!("{day}/120000_a.csv.result.txt"),
        format!("{day}/120000_a.csv.sha256"),
        format!("{day}/120000_a.csv.sha256.result.txt"),
    ];
    assert_eq!(moved, expected);
    assert_eq!(shop.names(), ["a.csv"]);
    let text = fs::read_to_string(shop.path(&expected[3])).unwrap();
    assert!(text.contains("Kept with a.csv"), "{text}");
}

#[test]
fn a_dropped_file_that_differs_from_its_checksum_is_rejected() {
    let shop = Shop::at(SCANNED, Clock::fixed(noon()));
    let _running = run(&shop);
    shop.put("a.csv.sha256", &sum_of("another"));
    shop.wait_for_event(|event| matches!(event, Event::SidecarReceived { .. }));
    shop.put("a.csv", "id\n1\n");
    shop.wait_for_event(|event| matches!(event, Event::Held { .. }));
    let moved = shop.wait_for_moves();
    let text = moved.iter().find(|name| name.ends_with("a.csv.result.txt")).unwrap();
    assert!(text.starts_with("_rejected/"), "{moved:?}");
    let text = fs::read_to_string(shop.path(text)).unwrap();
    assert!(text.contains("R108") && text.contains(&sum_of("another")), "{text}");
}

#[test]
fn a_dropped_file_waits_in_its_place_for_the_marker() {
    let shop = Shop::of_feed("complete = \"marker\"\nhold = \"50ms\"\n", SCANNED, Clock::system());
    let _running = run(&shop);
    shop.put("a.csv", "id\n1\n");
    let arrival = shop.wait_for("a.csv");
    assert_eq!(arrival.waits.map(|waits| waits.what), Some(WaitsFor::Marker));
    assert!(shop.path("a.csv").exists(), "it stays until it is known what becomes of it");
    shop.put("a.csv.ok", "");
    let moved = shop.wait_for_moves();
    assert_eq!(moved.len(), 4, "{moved:?}");
    assert!(moved.iter().all(|name| name.starts_with("_done/")), "{moved:?}");
    // One that is never confirmed is put aside with the reason.
    shop.put("b.csv", "id\n2\n");
    shop.wait_for_event(
        |event| matches!(event, Event::Held { diagnostic } if diagnostic.code == Code::R107),
    );
    let moved = shop.wait_for_moves();
    assert!(moved.iter().any(|name| name.starts_with("_rejected/") && name.ends_with("b.csv")));
}

#[test]
fn a_sidecar_that_stays_is_recorded_once_and_one_too_large_is_left_alone() {
    let shop = Shop::new(&format!("{SCANNED}after = \"keep\"\n"));
    shop.put("a.csv.ok", "");
    shop.put("b.csv.md5", &"x".repeat(70_000));
    {
        let _running = run(&shop);
        let told = shop.wait_for_ignored("b.csv.md5");
        assert_eq!(told.code, Code::F105);
        shop.wait_for_event(|event| matches!(event, Event::SidecarReceived { .. }));
    }
    let _running = run(&shop);
    shop.wait_for_a_round("control.csv");
    let events = shop.ledger.events(0, 1000).unwrap();
    let recorded = events.iter().filter(|it| it.event.kind() == "sidecar_received").count();
    assert_eq!(recorded, 1);
    assert!(shop.path("a.csv.ok").exists() && shop.path("b.csv.md5").exists());
    assert_eq!(shop.names(), ["control.csv"]);
}
