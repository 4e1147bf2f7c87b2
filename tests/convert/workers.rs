//! Converter workers: confined, limited, fair, replaced.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use landfall::config::{Format, Workers};
use landfall::convert::worker::{Error, OutputPaths, Pool, Probe};
use landfall::convert::{Job, Limits, Outcome, Progress, Reached};
use landfall::diagnostic::{Code, Diagnostic};

fn settings() -> Workers {
    Workers { count: 2, ..Workers::default() }
}

fn pool(settings: Workers) -> Pool {
    Pool::new(env!("CARGO_BIN_EXE_landfall").into(), settings).expect("a pool")
}

fn stopped(settings: Workers, probe: Probe) -> Diagnostic {
    *pool(settings).probe(probe).expect("tried").attempts.expect_err("stopped")
}

/// A folder with one raw object, and the outputs of its conversions.
struct Bench {
    folder: tempfile::TempDir,
}

impl Bench {
    fn new(raw: &[u8]) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        fs::write(folder.path().join("raw"), raw).expect("written");
        Self { folder }
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn outputs(&self, n: usize) -> OutputPaths {
        OutputPaths {
            parquet: self.path().join(format!("{n}.parquet")),
            rejects: self.path().join(format!("{n}.rejects")),
        }
    }

    fn convert(&self, pool: &Pool, owner: &str, n: usize) -> Result<Outcome, Error> {
        self.convert_watched(pool, (owner, n), Progress::default())
    }

    fn convert_watched(
        &self,
        pool: &Pool,
        (owner, n): (&str, usize),
        progress: Progress,
    ) -> Result<Outcome, Error> {
        let raw = File::open(self.path().join("raw")).expect("opened");
        let size_bytes = raw.metadata().expect("its size").len();
        let job = Job {
            arrival: None,
            name: "orders.csv".parse().expect("a name"),
            size_bytes,
            digest: None,
            format: Format::default(),
            learned: None,
            contract: None,
            allowance: landfall::contract::Allowance::default(),
            limits: Limits::default(),
            progress,
        };
        pool.convert(owner, &job, &raw, &self.outputs(n))
    }

    fn left(&self) -> BTreeSet<String> {
        let entries = fs::read_dir(self.path()).expect("listed");
        entries.map(|e| e.expect("an entry").file_name().into_string().expect("utf-8")).collect()
    }
}

fn children() -> usize {
    children_of(std::process::id()).len()
}

fn children_of(process: u32) -> Vec<u32> {
    let tasks = fs::read_dir(format!("/proc/{process}/task")).expect("tasks");
    let of_task = |task: fs::DirEntry| {
        // A thread that ended meanwhile has none.
        let listed = fs::read_to_string(task.path().join("children")).unwrap_or_default();
        listed.split_whitespace().map(|id| id.parse().expect("an id")).collect::<Vec<_>>()
    };
    tasks.flat_map(|task| of_task(task.expect("a task"))).collect()
}

/// Waits for something that is bound to happen.
fn until(happened: impl Fn() -> bool) {
    while !happened() {
        std::thread::yield_now();
    }
}

fn open_descriptors() -> usize {
    fs::read_dir("/proc/self/fd").expect("listed").count()
}

#[test]
fn a_worker_is_confined() {
    let tried = pool(settings()).probe(Probe::Confinement).expect("tried");
    let confinement = tried.confinement.expect("reported");
    assert!(confinement.system_calls && confinement.no_capabilities, "{confinement:?}");
    for attempt in tried.attempts.expect("not stopped") {
        let allowed = attempt.what == "start a thread";
        assert_eq!(attempt.refused.is_none(), allowed, "{attempt:?}");
    }
}

#[test]
fn memory_is_limited() {
    let told = stopped(Workers { memory_bytes: 64 << 20, ..settings() }, Probe::Memory);
    assert_eq!(told.code, Code::C105);
    assert!(told.facts.contains(&("limit".into(), "64 MiB".into())), "{told:?}");
    assert!(told.facts.contains(&("setting".into(), "[workers] memory_bytes".into())), "{told:?}");
}

#[test]
fn processor_time_is_limited() {
    let told = stopped(Workers { cpu: Duration::from_secs(1), ..settings() }, Probe::Processor);
    assert_eq!(told.code, Code::C105);
    assert!(told.facts.contains(&("setting".into(), "[workers] cpu".into())), "{told:?}");
}

#[test]
fn time_is_limited() {
    let begun = Instant::now();
    let told = stopped(Workers { time: Duration::from_millis(100), ..settings() }, Probe::Time);
    assert_eq!(told.code, Code::C105);
    assert!(told.facts.contains(&("setting".into(), "[workers] time".into())), "{told:?}");
    assert!(begun.elapsed() < Duration::from_secs(20));
}

#[test]
fn a_crash_holds_one_file_and_the_next_goes_on() {
    let pool = pool(Workers { count: 1, ..settings() });
    let told = pool.probe(Probe::Crash).expect("tried").attempts.expect_err("crashed");
    assert_eq!(told.code, Code::C111);
    let bench = Bench::new(b"a,b\n1,2\n");
    assert!(!matches!(bench.convert(&pool, "acme", 0).expect("converted"), Outcome::Held(_)));
}

#[test]
fn a_watched_conversion_says_how_far_it_has_come() {
    // A quoted record end makes it read twice.
    let odd = "a,b\n".to_owned() + &"1,2\n".repeat(200_000) + "\"x\ny\",\"\"\"\"\n\n3,4\n";
    let bench = Bench::new(odd.as_bytes());
    let told = Arc::new(Mutex::new(Vec::new()));
    let progress = Progress::watched({
        let told = Arc::clone(&told);
        move |reached: Reached| told.lock().expect("not poisoned").push(reached)
    });
    let outcome = bench.convert_watched(&pool(settings()), ("acme", 0), progress);
    let Outcome::Converted(made) = outcome.expect("an outcome") else { panic!("not converted") };
    let told = told.lock().expect("not poisoned");
    assert!(told.is_sorted_by_key(|reached| reached.read_bytes), "{told:?}");
    let last = told.last().expect("told at least once");
    assert_eq!(last.rows, made.parquet.rows);
    assert!(last.read_bytes >= odd.len() as u64, "{last:?}");
}

#[test]
fn outputs_that_do_not_count_are_removed() {
    let pool = pool(settings());
    let empty = Bench::new(b"\x00\x01\x02\x03 not a table");
    let outcome = empty.convert(&pool, "acme", 0).expect("an outcome");
    assert!(!matches!(outcome, Outcome::Converted(_)), "{outcome:?}");
    assert_eq!(empty.left(), BTreeSet::from(["raw".to_owned()]));
}

#[test]
fn an_output_that_exists_is_not_touched() {
    let pool = pool(settings());
    let bench = Bench::new(b"a,b\n1,2\n");
    fs::write(bench.path().join("0.rejects"), "precious").expect("written");
    let refused = bench.convert(&pool, "acme", 0).expect_err("taken");
    assert!(matches!(refused, Error::Output { .. }), "{refused}");
    assert_eq!(fs::read(bench.path().join("0.rejects")).expect("read"), b"precious");
    assert_eq!(bench.left(), BTreeSet::from(["raw".to_owned(), "0.rejects".to_owned()]));
}

#[test]
fn a_missing_program_is_nobodys_file() {
    let pool = Pool::new("/nowhere/landfall".into(), settings()).expect("a pool");
    let bench = Bench::new(b"a\n1\n");
    let failed = bench.convert(&pool, "acme", 0).expect_err("no worker");
    assert!(matches!(failed, Error::Start { .. }), "{failed}");
}

#[test]
fn a_program_that_is_no_worker_is_nobodys_file() {
    let pool = Pool::new("/bin/false".into(), settings()).expect("a pool");
    let bench = Bench::new(b"a\n1\n");
    let failed = bench.convert(&pool, "acme", 0).expect_err("no worker");
    assert!(matches!(failed, Error::Unusable(_)), "{failed}");
    assert_eq!(bench.left(), BTreeSet::from(["raw".to_owned()]));
}

#[test]
fn many_files_leak_neither_descriptors_nor_processes() {
    let before = open_descriptors();
    let pool = pool(Workers { count: 1, files_max: 3, ..settings() });
    let bench = Bench::new(b"a,b\n1,2\n");
    for n in 0..40 {
        bench.convert(&pool, ["acme", "umbrella", "initech"][n % 3], n).expect("an outcome");
        // For the only place: one in stock, one in the starter's hand, four idle; one starting or
        // ending. Each takes two descriptors here, a few more while it starts.
        assert!(children() <= 7, "{} processes", children());
        assert!(open_descriptors() <= before + 24, "{} descriptors", open_descriptors());
    }
    drop(pool);
    assert_eq!((children(), open_descriptors()), (0, before));
}

#[test]
fn an_owner_with_one_file_does_not_wait_for_one_with_many() {
    let pool = pool(Workers { count: 1, time: Duration::from_secs(3), ..settings() });
    let bench = Bench::new(b"a,b\n1,2\n");
    let ended_of_many = AtomicUsize::new(0);
    let waiting = |count| until(|| pool.load().waiting == count);
    std::thread::scope(|scope| {
        // The only place is taken by the one with many.
        let blocker = scope.spawn(|| pool.probe(Probe::Time));
        until(|| pool.load().running == 1);
        for n in 0..30 {
            let (pool, bench, ended) = (&pool, &bench, &ended_of_many);
            scope.spawn(move || {
                bench.convert(pool, "probe", n).expect("an outcome");
                ended.fetch_add(1, Ordering::SeqCst);
            });
        }
        waiting(30);
        let one = scope.spawn(|| {
            bench.convert(&pool, "one", 30).expect("an outcome");
            ended_of_many.load(Ordering::SeqCst)
        });
        assert_eq!(one.join().expect("joined"), 0, "it has a place of its own");
        assert!(!blocker.is_finished(), "the machine is too slow for this test");
    });
}

#[test]
fn closing_ends_what_runs_and_refuses_what_waits() {
    let pool = pool(Workers { count: 1, ..settings() });
    std::thread::scope(|scope| {
        let running = scope.spawn(|| pool.probe(Probe::Time));
        until(|| pool.load().running == 1);
        let waiting = scope.spawn(|| pool.probe(Probe::Confinement));
        until(|| pool.load().waiting == 1);
        pool.close();
        assert!(matches!(running.join().expect("joined"), Err(Error::Closed)));
        assert!(matches!(waiting.join().expect("joined"), Err(Error::Closed)));
    });
    assert!(matches!(pool.probe(Probe::Confinement), Err(Error::Closed)));
    drop(pool);
    assert_eq!(children(), 0);
}

/// Not a test: what the next one kills.
#[test]
#[ignore = "waits for ever"]
fn holds_a_busy_worker() {
    drop(pool(Workers { count: 1, ..settings() }).probe(Probe::Time));
}

#[test]
fn workers_end_with_a_parent_that_is_killed() {
    let me = std::env::current_exe().expect("this test");
    let mut parent = std::process::Command::new(me)
        .args(["--ignored", "--exact", "workers::holds_a_busy_worker"])
        .spawn()
        .expect("started");
    until(|| children_of(parent.id()).len() >= 2);
    let workers = children_of(parent.id());
    parent.kill().expect("killed");
    parent.wait().expect("gone");
    let lives = |worker: &u32| {
        let status = fs::read_to_string(format!("/proc/{worker}/stat"));
        status.is_ok_and(|status| !status.contains(") Z "))
    };
    until(|| !workers.iter().any(lives));
}
