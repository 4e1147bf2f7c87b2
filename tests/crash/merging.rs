//! Killed at any system call while a batch with merged files is published, also one that takes an
//! arrival out of a merged file, and one that erases it: the same names and bytes, nothing lost,
//! nothing twice, and nothing of what is erased.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use landfall::archive::digest;
use landfall::clock::Clock;
use landfall::durable::Durability;
use landfall::ledger::{
    Arrival, BatchBounds, Begun, ErasureCause, ErasureWish, Erasures as _, FileKind, Ledger, State,
    sqlite,
};
use landfall::zone::Zone;

use super::check::arrivals;
use super::machine::{self, Tier};
use super::site::{PATIENCE, Site, USER, folder, run, wait_until};
use super::tracer::{Fault, Trace, Traced, wait_for};

/// Points of each case with every commit.
const COMMIT_POINTS: usize = 24;
const FILES: usize = 6;
const ROWS: usize = 30;
/// Stands in the file that is erased.
const SECRET: &str = "Jane-Roe-4711";

/// What is under way when the server is killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Case {
    /// Small outputs are merged.
    Merge,
    /// One of a merged file is replaced.
    Replace,
    /// One of a merged file is erased.
    Erase,
}

/// A zone with files that wait for a batch.
fn prepared(root: PathBuf) -> Site {
    let site = Site::make(root);
    let file = site.path().join("landfall.toml");
    let feed = "[feed.orders]\nsame_name = \"replace\"\n\
                batch = { manual = true, merge = \"1 MiB\" }\n";
    let text = fs::read_to_string(&file).expect("a configuration");
    fs::write(file, text.replace("[feed.orders]\n", feed)).expect("written");
    bring(&site, (0..FILES).map(|n| (n, ROWS)));
    site
}

fn bring(site: &Site, files: impl Iterator<Item = (usize, usize)>) {
    let server = site.serve().expect("a zone that opens");
    let mut count = 0;
    for (n, rows) in files {
        let rows = (0..rows).map(|row| {
            let text = if n == 1 { SECRET } else { "text" };
            format!("{n},{row},{text} {row}\n")
        });
        let text = format!("file,row,text\n{}", rows.collect::<String>());
        let path = site.path().join("drop").join(format!(".{n}.tmp"));
        fs::write(&path, text).expect("written");
        run(Command::new("chown").arg(format!("{USER}:{USER}")).arg(&path));
        fs::rename(path, site.path().join("drop").join(format!("{n}.csv"))).expect("dropped");
        count += 1;
    }
    assert!(wait_until(PATIENCE, || of_state(site, State::Converted).len() == count));
    server.stop();
}

fn of_state(site: &Site, state: State) -> Vec<Arrival> {
    let all = site.ledger().map(|ledger| arrivals(&ledger)).unwrap_or_default();
    all.into_iter().filter(|arrival| arrival.state == state).collect()
}

/// Does this to the ledger of a zone that nobody serves.
fn on_ledger<T>(site: &Site, act: impl FnOnce(&sqlite::SqliteLedger) -> T) -> T {
    let zone = Zone::new(site.path());
    let opened = sqlite::open(&zone.ledger_file(), Clock::system(), Durability::Relaxed);
    let ledger = opened.expect("a ledger");
    let done = act(&ledger);
    drop(ledger);
    run(Command::new("chown").args(["-R", &format!("{USER}:{USER}")]).arg(site.path()));
    done
}

fn close(site: &Site) {
    on_ledger(site, |ledger| {
        let bounds = BatchBounds {
            files_max: 1000,
            bytes_max: 1 << 30,
            rows_max: None,
            merge_bytes: Some(1 << 20),
        };
        let closed = ledger.close_batch(&"orders".parse().expect("a feed"), bounds);
        closed.expect("closed").expect("something is ready");
    });
}

/// The zone in the state in which it is served and killed.
fn ready(case: Case, root: PathBuf) -> Site {
    let site = prepared(root);
    close(&site);
    if case == Case::Merge {
        return site;
    }
    let server = site.serve().expect("a zone that opens");
    assert!(wait_until(PATIENCE, || of_state(&site, State::HandedOff).len() == FILES));
    server.stop();
    if case == Case::Replace {
        bring(&site, [(2, 1)].into_iter());
        close(&site);
        return site;
    }
    let all = of_state(&site, State::HandedOff);
    let secret = all.iter().find(|arrival| arrival.name.to_string() == "1.csv").expect("there");
    on_ledger(&site, |ledger| {
        let (by, reason) = ("test".to_owned(), "test".to_owned());
        let wish = ErasureWish { by, reason, cause: ErasureCause::Asked };
        let begun = ledger.begin_erasure(secret.id, wish).expect("recorded");
        assert!(matches!(begun, Begun::Erasing(_)));
    });
    site
}

fn is_settled(site: &Site) -> bool {
    let Some(ledger) = site.ledger() else { return false };
    let at_rest = arrivals(&ledger).iter().all(|arrival| arrival.state.is_end())
        && ledger.closed_batches().is_ok_and(|closed| closed.is_empty())
        && ledger.outbox().is_ok_and(|waiting| waiting.is_empty());
    at_rest && in_the_lake(site) == live(&ledger)
}

fn live(ledger: &dyn Ledger) -> BTreeSet<String> {
    let files = ledger.live_files(&"orders".parse().expect("a feed"), None).expect("read");
    files.iter().map(|file| file.to.to_string()).collect()
}

fn below(site: &Site, room: &str) -> BTreeMap<String, PathBuf> {
    fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() { walk(&path, found) } else { found.push(path) }
        }
    }
    let mut found = Vec::new();
    walk(&site.path().join(room), &mut found);
    let named = |path: PathBuf| {
        (path.strip_prefix(site.path()).expect("below").display().to_string(), path)
    };
    found.into_iter().map(named).collect()
}

fn in_the_lake(site: &Site) -> BTreeSet<String> {
    below(site, "lake/orders").into_keys().filter(|path| path.ends_with(".parquet")).collect()
}

/// Names and digests of what readers have.
fn published(site: &Site) -> BTreeMap<String, String> {
    let rooms = ["lake", "rejects", "retracted"].iter().flat_map(|room| below(site, room));
    let digest = |path: PathBuf| digest::of_bytes(&fs::read(path).expect("read")).to_string();
    rooms.map(|(name, path)| (name, digest(path))).collect()
}

/// Serves until it rests, or the fault has come.
fn serve(site: &Site, fault: Fault) -> Trace {
    let traced = Traced::serve(site, fault);
    wait_for(&traced, PATIENCE, || is_settled(site));
    traced.end()
}

fn violations(case: Case, site: &Site) -> Vec<String> {
    let mut wrong = Vec::new();
    match site.serve() {
        Ok(server) => {
            if !wait_until(PATIENCE, || is_settled(site)) {
                wrong.push("it does not come to rest".to_owned());
            }
            server.kill();
        }
        Err(log) => return vec![format!("the zone does not open any more: {log}")],
    }
    let ledger = site.ledger().expect("a ledger");
    if !below(site, ".landfall/converted").is_empty() {
        wrong.push("something waits that nobody wants".to_owned());
    }
    let feed = "orders".parse().expect("a feed");
    let files = ledger.live_files(&feed, None).expect("read");
    let mut rows: BTreeMap<String, u64> = BTreeMap::new();
    for file in &files {
        let bytes = fs::read(site.path().join(file.to.as_str())).unwrap_or_default();
        if digest::of_bytes(&bytes) != file.digest {
            wrong.push(format!("{} is not what was published", file.to));
        }
        let shares = file.parts.iter().map(|part| (part.arrival, part.rows));
        let own = file.parts.is_empty().then_some((file.arrival, file.rows));
        for (id, count) in shares.chain(own) {
            let name = ledger.arrival(id).expect("read").expect("there").name.to_string();
            *rows.entry(name).or_default() += count;
        }
        assert_eq!(file.kind, FileKind::Parquet);
    }
    let mut expected: BTreeMap<String, u64> =
        (0..FILES).map(|n| (format!("{n}.csv"), ROWS as u64)).collect();
    match case {
        Case::Merge => {}
        Case::Replace => drop(expected.insert("2.csv".to_owned(), 1)),
        Case::Erase => drop(expected.remove("1.csv")),
    }
    if rows != expected {
        wrong.push(format!("rows {rows:?}, not {expected:?}"));
    }
    if case == Case::Erase {
        let merged = ledger.batches(&feed, 0, 1).expect("read")[0].files[0].to.clone();
        for path in [merged.clone(), Zone::retracted_path(&merged)] {
            if site.path().join(path.as_str()).exists() {
                wrong.push(format!("{path} has rows of what is erased"));
            }
        }
        if below(site, "archive/orders").len() != FILES - 1 {
            wrong.push("the raw object is there".to_owned());
        }
    }
    let told = fs::read_to_string(site.path().join("told")).unwrap_or_default();
    let told: BTreeSet<&str> = told.lines().filter_map(|line| line.split(' ').next()).collect();
    let batches = ledger.batches(&feed, 0, 1000).expect("read");
    if told.len() != batches.len() {
        wrong.push(format!("{told:?} were told of {} batches", batches.len()));
    }
    wrong
}

fn sweep(case: Case) {
    if !machine::is_root("killing at any system call") {
        return;
    }
    let folder = folder();
    let fresh = ready(case, folder.path().join("fresh"));
    let counted = fresh.copy_to(folder.path().join("counted"));
    let trace = serve(&counted, Fault::None);
    let wrong = violations(case, &counted);
    assert!(wrong.is_empty(), "{case:?} unharmed: {wrong:#?}\n{}", counted.log());
    let reference = published(&counted);
    let points: Vec<usize> = match machine::tier() {
        Tier::Release => (0..trace.points.len()).collect(),
        Tier::Commit => {
            let about = |at: &usize| {
                let target = &trace.points[*at].target;
                ["converted", "/lake/", "retracted", "archive/orders"]
                    .iter()
                    .any(|room| target.contains(room))
            };
            let about: Vec<usize> = (0..trace.points.len()).filter(about).collect();
            let step = about.len().div_ceil(COMMIT_POINTS).max(1);
            about.into_iter().step_by(step).collect()
        }
    };
    let (mut killed, mut broken) = (0, Vec::new());
    for at in &points {
        let site = fresh.copy_to(folder.path().join(format!("{at}")));
        let trace = serve(&site, Fault::Kill { at: *at });
        killed += usize::from(!trace.hit.is_empty());
        let mut wrong = violations(case, &site);
        // What closes while it is served gets an id that no other run knows.
        if case != Case::Erase && published(&site) != reference {
            wrong.push("other names or bytes".to_owned());
        }
        if !wrong.is_empty() {
            broken.push(format!("killed at {at} {:?}: {wrong:#?}\n{}", trace.hit, site.log()));
        }
        drop(fs::remove_dir_all(site.path()));
    }
    eprintln!(
        "{case:?}: killed at {killed} of {} points, {} of them tried, {} violations",
        trace.points.len(),
        points.len(),
        broken.len()
    );
    assert!(killed * 10 >= points.len() * 8, "only {killed} of {} were reached", points.len());
    assert!(broken.is_empty(), "{}", broken.join("\n\n"));
}

#[test]
fn small_outputs_are_merged() {
    sweep(Case::Merge);
}

#[test]
fn one_of_a_merged_file_is_replaced() {
    sweep(Case::Replace);
}

#[test]
fn one_of_a_merged_file_is_erased() {
    sweep(Case::Erase);
}
