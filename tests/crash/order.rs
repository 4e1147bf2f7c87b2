//! Each step has reached the disk before the next one speaks of it, by the order of the system calls.
//!
//! A disk cannot always show that a sync is missing: ext4 and XFS have one journal for everything, so
//! that the entries of a folder that nobody synced come to the disk together with the ledger. Here
//! the calls of a server that nothing happens to are held to the write protocol of `src/durable.rs`:
//! a file's bytes are synced before it gets its final name and not written any more; then its folder
//! is synced, and since the server started every folder above it; then the ledger; and only then is
//! the sender answered, the dropped file put away, the batch told downstream. A sync counts when it
//! has come back, for what began before it was asked for.
//!
//! Left out: whether what was synced is what should have been written, which the other harnesses see.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use landfall::ledger::{Arrival, Batch, Door, FileKind, Ledger as _};
use landfall::zone::Zone;

use super::check;
use super::kills::run;
use super::machine;
use super::promises::Promises;
use super::site::{Site, folder};
use super::tracer::{Fault, Trace};
use super::workload::Workload;

/// What a run of a workload did too early, and how many answers, files and batches were looked at.
pub fn out_of_order(workload: Workload, site: &Site) -> (Vec<String>, usize) {
    let (trace, book) = run(workload, site, Fault::None);
    let calls = Calls { trace: &trace, site };
    let ledger = site.ledger().expect("a ledger");
    let batches = ledger.batches(&"orders".parse().expect("a feed"), 0, 1_000);
    let batches = batches.expect("batches");
    let mut found = Vec::new();
    for arrival in check::arrivals(&ledger) {
        let batch = batches.iter().find(|batch| batch.members.contains(&arrival.id));
        found.push(calls.arrival(&arrival, batch, &book));
    }
    found.extend(batches.iter().map(|batch| calls.batch(batch)));
    if workload != Workload::Drop {
        found.push(calls.answers(&book));
    }
    let count = found.len();
    (found.into_iter().filter_map(Result::err).collect(), count)
}

/// The calls of a run on a zone. A time is the number of calls that had begun.
struct Calls<'run> {
    trace: &'run Trace,
    site: &'run Site,
}

impl Calls<'_> {
    /// Before each answer that something succeeded, and after the one before it, the ledger was
    /// synced.
    fn answers(&self, book: &Promises) -> Result<(), String> {
        let mut before = 0;
        for noted in book.answered_at() {
            let answer = self.answer(noted).ok_or("an answer without a message")?;
            self.ledger_synced(before, answer).map_err(|e| format!("answer at {answer}: {e}"))?;
            before = noted;
        }
        Ok(())
    }

    fn arrival(
        &self,
        arrival: &Arrival,
        batch: Option<&Batch>,
        book: &Promises,
    ) -> Result<(), String> {
        let path = self.site.path().join(arrival.raw.as_str());
        let told = match arrival.door {
            Door::Folder => self.put_away(arrival),
            Door::Sftp | Door::Local | Door::Pull => {
                book.acknowledged_at(arrival.digest).and_then(|noted| self.answer(noted))
            }
        };
        // Of one whose sender was not answered the receiver is the first who is told.
        let told = told.or_else(|| self.told(batch?.sequence));
        let told = told.ok_or_else(|| format!("nobody was told of {}", arrival.name))?;
        self.lasts(&path, told)
    }

    fn batch(&self, batch: &Batch) -> Result<(), String> {
        let number = batch.sequence;
        let told = self.told(number).ok_or_else(|| format!("batch {number} was not told"))?;
        let files = batch.files.iter().filter(|file| file.kind != FileKind::Raw);
        let manifest = Zone::manifest_path(&batch.feed, number);
        let mut published = files.map(|file| &file.to).chain([&manifest]);
        published.try_for_each(|path| self.lasts(&self.site.path().join(path.as_str()), told))
    }

    /// A published file and then a commit came to the disk before that time.
    fn lasts(&self, path: &Path, told: usize) -> Result<(), String> {
        let shown = path.strip_prefix(self.site.path()).unwrap_or(path).display();
        let kept = self.kept(path, told).map_err(|error| format!("{shown}: {error}"))?;
        self.ledger_synced(kept, told).map_err(|error| format!("{shown}: {error}"))
    }

    /// When a file, its name and all folders above it were on the disk.
    fn kept(&self, path: &Path, told: usize) -> Result<usize, String> {
        let named = self.last(0, told, |call, target| names(call) && Path::new(target) == path);
        if let Some(named) = named {
            self.bytes_synced(path, named, told)?;
        } else if self.named_later(path, told) {
            return Err("told before it has its name".to_owned());
        }
        // One that has its name from a server that was killed has it from the beginning.
        let mut kept = self.folder_synced(path.parent(), named.unwrap_or(0), told)?;
        for above in path.ancestors().skip(1).take_while(|above| *above != self.site.path()) {
            let made = self.last(0, told, |call, target| {
                call.starts_with("mkdir") && Path::new(target) == above
            });
            // One that was there already may be what a server made that was killed too early.
            kept = kept.max(self.folder_synced(above.parent(), made.unwrap_or(0), told)?);
        }
        Ok(kept)
    }

    /// The bytes came to the disk before the name, and none came later.
    fn bytes_synced(&self, path: &Path, named: usize, told: usize) -> Result<(), String> {
        let file = fs::metadata(path).map_err(|error| error.to_string())?;
        let file = (file.dev(), file.ino());
        let mut syncs = self.trace.synced.range(..named).rev();
        let synced = syncs.find(|(at, synced)| **synced == file && self.is_over(**at, named));
        let (synced, _) = synced.ok_or("named before its bytes were synced")?;
        let staged = &self.trace.points[*synced].target;
        let written = self.last(*synced, told, |call, target| {
            writes(call) && (target == staged || Path::new(target) == path)
        });
        written.map_or(Ok(()), |_| Err("written after its bytes were synced".to_owned()))
    }

    fn named_later(&self, path: &Path, told: usize) -> bool {
        let points = self.trace.points.iter().skip(told);
        points.into_iter().any(|point| names(point.call) && Path::new(&point.target) == path)
    }

    fn folder_synced(
        &self,
        folder: Option<&Path>,
        since: usize,
        by: usize,
    ) -> Result<usize, String> {
        let folder = folder.ok_or("it has no folder")?;
        let end = self.sync_ends(since, by, |target| Path::new(target) == folder);
        let shown = folder.strip_prefix(self.site.path()).unwrap_or(folder).display();
        end.ok_or_else(|| format!("told before the folder `{shown}` was synced"))
    }

    fn ledger_synced(&self, since: usize, by: usize) -> Result<(), String> {
        let end = self.sync_ends(since, by, |target| target.ends_with("/ledger.db-wal"));
        end.map(drop).ok_or_else(|| "told before the ledger was synced".to_owned())
    }

    /// When the first sync of this was over that was asked for after `since` and over before `by`.
    fn sync_ends(&self, since: usize, by: usize, of: impl Fn(&str) -> bool) -> Option<usize> {
        let is_sync = |at: &usize| {
            let point = &self.trace.points[*at];
            matches!(point.call, "fsync" | "fdatasync")
                && of(&point.target)
                && self.is_over(*at, by)
        };
        let found = (since..by).find(is_sync)?;
        self.trace.ends.get(&found).copied()
    }

    /// The last message to a peer before that time.
    fn answer(&self, noted: usize) -> Option<usize> {
        (0..noted).rfind(|at| self.trace.points[*at].target.starts_with("socket:"))
    }

    /// When a dropped file left its place, which tells whoever dropped it that it was taken.
    fn put_away(&self, arrival: &Arrival) -> Option<usize> {
        let name = arrival.name.to_string();
        let base = name.rsplit('/').next().unwrap_or(&name);
        let raw = self.site.path().join(arrival.raw.as_str());
        self.last(0, self.trace.points.len(), |call, target| {
            let leaves = call.starts_with("rename") || call.starts_with("unlink");
            leaves && target.ends_with(base) && Path::new(target) != raw
        })
    }

    /// When the receiver first wrote this batch's line.
    fn told(&self, number: u64) -> Option<usize> {
        let told = fs::read_to_string(self.site.path().join("told")).ok()?;
        let is_it = |line: &str| line.split(' ').next() == Some(&number.to_string());
        let line = told.lines().position(is_it)?;
        let points = self.trace.points.iter().enumerate();
        let lines = points.filter(|(_, p)| p.call == "write" && p.target.ends_with("/told"));
        lines.map(|(at, _)| at).nth(line)
    }

    fn last(&self, from: usize, to: usize, is_it: impl Fn(&str, &str) -> bool) -> Option<usize> {
        (from..to).rfind(|at| {
            let point = &self.trace.points[*at];
            self.trace.ends.contains_key(at) && is_it(point.call, &point.target)
        })
    }

    fn is_over(&self, at: usize, by: usize) -> bool {
        self.trace.ends.get(&at).is_some_and(|end| *end <= by)
    }
}

fn names(call: &str) -> bool {
    call.starts_with("rename") || call.starts_with("link")
}

fn writes(call: &str) -> bool {
    ["write", "pwrite", "sendfile", "copy_file_range", "ftruncate", "truncate", "fallocate"]
        .iter()
        .any(|writes| call.starts_with(writes))
}

fn is_in_order(workload: Workload) {
    if !machine::is_root("the order of system calls") {
        return;
    }
    let folder = folder();
    let site = Site::make_used(folder.path().join("fresh"));
    let (wrong, count) = out_of_order(workload, &site);
    eprintln!("{workload:?}: {count} files and batches, {} told too early", wrong.len());
    assert!(count > 2, "hardly anything was looked at: {count}");
    assert!(wrong.is_empty(), "{}\n{}", wrong.join("\n"), site.log());
}

/// A server that was killed between a name and its folder's sync left what the next one adopts.
#[test]
fn what_a_killed_server_left() {
    if !machine::is_root("the order of system calls") {
        return;
    }
    let folder = folder();
    let fresh = Site::make_used(folder.path().join("fresh"));
    let site = fresh.copy_to(folder.path().join("killed"));
    let (trace, _) =
        run(Workload::Upload, &site, Fault::KillOnceNamed { folder: "/archive/orders/" });
    assert_eq!(trace.hit.len(), 1, "killed before the folder was synced");
    let (wrong, _) = out_of_order(Workload::Resume, &site);
    assert!(wrong.is_empty(), "{}\n{}", wrong.join("\n"), site.log());
    let adopted = check::arrivals(&site.ledger().expect("a ledger"));
    assert!(adopted.iter().any(|arrival| arrival.name.to_string() == "small.csv"), "{adopted:?}");
}

#[test]
fn an_upload() {
    is_in_order(Workload::Upload);
}

#[test]
fn a_resumed_upload() {
    is_in_order(Workload::Resume);
}

#[test]
fn a_name_sent_again() {
    is_in_order(Workload::Overwrite);
}

#[test]
fn renames_a_removal_and_a_sidecar() {
    is_in_order(Workload::Rename);
}

#[test]
fn a_folder_drop() {
    is_in_order(Workload::Drop);
}
