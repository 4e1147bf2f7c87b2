//! The folder door under more than its notifications can tell: nothing is missed, nothing is taken
//! twice or too early.
//!
//! The large ones are for a release, since they change a limit of the whole machine or take minutes:
//! `cargo nextest run --test zone --run-ignored all -E 'test(/^storm::/)'`. `LANDFALL_STORM_FILES` and
//! `LANDFALL_STORM_TREES` say how much.

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::support::TestZone;
use landfall::ledger::{ArrivalQuery, Ledger as _};

const CONFIG: &str = "[zone]\nname = \"storm\"\ndurability = \"relaxed\"\n[feed.orders]\n";

fn number(variable: &str, default: usize) -> usize {
    std::env::var(variable).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// The names of all arrivals; fails when one is there twice.
fn names(zone: &TestZone) -> BTreeSet<String> {
    let ledger = zone.ledger();
    let mut names = BTreeSet::new();
    let mut query = ArrivalQuery { limit: 1000, ..ArrivalQuery::default() };
    loop {
        let found = ledger.find(&query).expect("arrivals");
        for arrival in &found.arrivals {
            assert!(names.insert(arrival.name.to_string()), "{} twice", arrival.name);
        }
        let Some(before) = found.before else { return names };
        query.before = Some(before);
    }
}

/// Files that still lie in a drop folder, but for what was put away and the note for people.
fn left(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).expect("a folder").flatten() {
        let (path, name) = (entry.path(), entry.file_name());
        if path.is_dir() && !name.to_string_lossy().starts_with('_') {
            found.extend(left(&path));
        } else if path.is_file() && name != "READ ME.txt" {
            found.push(path);
        }
    }
    found
}

/// Does `work` for each number, on four threads.
fn at_full_speed(count: usize, work: impl Fn(usize) + Sync) {
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let work = &work;
            scope.spawn(move || (thread..count).step_by(4).for_each(work));
        }
    });
}

fn table(number: usize) -> String {
    format!("id,text\n{number},some text\n")
}

/// The machine's limit of notifications that wait, lowered for a while.
struct FewNotifications(String);

impl FewNotifications {
    const LIMIT: &str = "/proc/sys/fs/inotify/max_queued_events";

    fn set() -> Option<Self> {
        let before = fs::read_to_string(Self::LIMIT).expect("a limit");
        fs::write(Self::LIMIT, "64").ok().map(|()| Self(before))
    }
}

impl Drop for FewNotifications {
    fn drop(&mut self) {
        fs::write(Self::LIMIT, &self.0).expect("put back");
    }
}

#[test]
#[ignore = "lowers a limit of the whole machine, takes minutes"]
fn a_queue_that_overflows_loses_no_file() {
    let Some(_few) = FewNotifications::set() else {
        eprintln!("SKIPPED: only root may lower max_queued_events");
        return;
    };
    let count = number("LANDFALL_STORM_FILES", 100_000);
    let zone = TestZone::new(CONFIG);
    let server = zone.serve();
    let inbox = zone.inbox("orders");
    at_full_speed(count, |n| {
        let path = inbox.join(format!("{n}.csv"));
        if n % 2 == 0 {
            return fs::write(path, table(n)).expect("written");
        }
        let hidden = inbox.join(format!(".{n}.tmp"));
        fs::write(&hidden, table(n)).expect("written");
        fs::rename(hidden, path).expect("renamed");
    });
    zone.wait_for_many_ends(count);
    assert_eq!(names(&zone).len(), count);
    server.stop();
    assert_eq!(left(&inbox), Vec::<PathBuf>::new());
}

#[test]
fn trees_made_at_full_speed_lose_no_file() {
    let count = number("LANDFALL_STORM_TREES", 100);
    let zone = TestZone::new(CONFIG);
    let server = zone.serve();
    let inbox = zone.inbox("orders");
    at_full_speed(count, |n| {
        let folder = inbox.join(format!("t{n}/a/b/c"));
        fs::create_dir_all(&folder).expect("made");
        for (depth, at) in ["a", "a/b", "a/b/c"].into_iter().enumerate() {
            let path = inbox.join(format!("t{n}")).join(at).join("x.csv");
            fs::write(path, table(n * 10 + depth)).expect("written");
        }
    });
    zone.wait_for_many_ends(count * 3);
    let names = names(&zone);
    assert_eq!(names.len(), count * 3);
    assert!(names.contains("t7/a/b/c/x.csv"), "{names:?}");
    server.stop();
    assert_eq!(left(&inbox), Vec::<PathBuf>::new());
}

/// An overlay, whose upper folder others fill behind its back: nobody is notified.
struct Overlay(PathBuf);

impl Overlay {
    fn mount(at: &Path, below: &Path) -> Option<Self> {
        for part in ["lower", "upper", "work"] {
            fs::create_dir_all(below.join(part)).expect("made");
        }
        let options = format!(
            "lowerdir={0}/lower,upperdir={0}/upper,workdir={0}/work",
            below.to_str().expect("text")
        );
        let mut mount = Command::new("mount");
        mount.args(["-t", "overlay", "overlay", "-o", &options]).arg(at).stderr(Stdio::null());
        mount.status().is_ok_and(|status| status.success()).then(|| Self(at.to_owned()))
    }
}

impl Drop for Overlay {
    fn drop(&mut self) {
        assert!(Command::new("umount").arg(&self.0).status().is_ok_and(|status| status.success()));
    }
}

#[test]
fn files_that_nobody_tells_of_are_found() {
    let zone = TestZone::new(CONFIG);
    zone.serve().stop();
    let (inbox, below) = (zone.inbox("orders"), zone.path().join("below"));
    let Some(overlay) = Overlay::mount(&inbox, &below) else {
        eprintln!("SKIPPED: no overlay can be mounted here");
        return;
    };
    let server = zone.serve();
    for n in 0..5 {
        let hidden = below.join("upper/.hidden");
        fs::write(&hidden, table(n)).expect("written");
        fs::rename(hidden, below.join(format!("upper/{n}.csv"))).expect("renamed");
    }
    zone.wait_for_many_ends(5);
    assert_eq!(names(&zone).len(), 5);
    server.stop();
    assert_eq!(left(&inbox), Vec::<PathBuf>::new());
    drop(overlay);
}

/// A program that writes a file in its own way. It writes half, says so, and goes on when told.
fn writer(program: &str, path: &Path) -> std::process::Child {
    let mut python = Command::new("python3");
    python.arg("-c").arg(program).arg(path).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = python.spawn().expect("python runs");
    let mut line = String::new();
    let told = child.stdout.as_mut().expect("its output");
    BufReader::new(told).read_line(&mut line).expect("a line");
    assert_eq!(line, "half\n");
    child
}

/// While a file is half written others come and are taken, one after the other: longer than any quiet
/// time. Then it is written to its end and taken, once, whole.
fn is_not_taken_too_early(program: &str) {
    let zone = TestZone::new(CONFIG);
    let server = zone.serve();
    let inbox = zone.inbox("orders");
    let mut child = writer(program, &inbox.join("slow.csv"));
    for nth in 0..4 {
        fs::write(inbox.join(format!("quick-{nth}.csv")), table(nth)).expect("written");
        zone.wait_for_many_ends(nth + 1);
    }
    assert!(!names(&zone).contains("slow.csv"), "taken while it is written");
    writeln!(child.stdin.as_mut().expect("its input"), "on").expect("told");
    assert!(child.wait().expect("its end").success());
    zone.wait_for_many_ends(5);
    let found = zone.duckdb("SELECT count(*) FROM '{zone}/lake/orders/v1/*/*.parquet'");
    assert_eq!(found.trim(), (4 + 2_000).to_string(), "every row of it");
    server.stop();
    assert_eq!(left(&inbox), Vec::<PathBuf>::new());
}

/// Every row of the slow file.
const ROWS: &str = "rows = b''.join(b'%d,some text\\n' % n for n in range(2000))
whole = b'id,text\\n' + rows
half = len(whole) // 2
import os, sys
def wait():
    print('half', flush=True)
    sys.stdin.readline()
";

#[test]
fn a_file_that_is_written_through_a_mapping_is_left_alone() {
    is_not_taken_too_early(&format!(
        "{ROWS}
import ctypes, mmap
libc = ctypes.CDLL(None, use_errno=True)
libc.mmap.restype = ctypes.c_void_p
libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t] + [ctypes.c_int] * 3 + [ctypes.c_long]
fd = os.open(sys.argv[1], os.O_RDWR | os.O_CREAT)
os.ftruncate(fd, len(whole))
at = libc.mmap(None, len(whole), mmap.PROT_READ | mmap.PROT_WRITE, mmap.MAP_SHARED, fd, 0)
assert at not in (None, 2**64 - 1), ctypes.get_errno()
os.close(fd)
ctypes.memmove(at, whole, half)
wait()
ctypes.memmove(at, whole, len(whole))
"
    ));
}

#[test]
fn a_file_that_is_appended_to_through_an_open_descriptor_is_left_alone() {
    is_not_taken_too_early(&format!(
        "{ROWS}
fd = os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
os.write(fd, whole[:half])
wait()
for at in range(half, len(whole), 1000):
    os.write(fd, whole[at:at + 1000])
os.close(fd)
"
    ));
}

/// rsync writes `.slow.csv.XXXXXX` and renames it in the end; here by hand, so that it can be held.
#[test]
fn a_file_that_comes_as_rsync_writes_it_is_left_alone() {
    is_not_taken_too_early(&format!(
        "{ROWS}
folder, name = os.path.split(sys.argv[1])
hidden = os.path.join(folder, '.' + name + '.a1B2c3')
file = open(hidden, 'wb')
file.write(whole[:half])
file.flush()
wait()
file.write(whole[half:])
file.close()
os.utime(hidden, (1e9, 1e9))
os.rename(hidden, sys.argv[1])
"
    ));
}
