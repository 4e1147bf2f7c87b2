//! `landfall rebuild`: the ledger made again from the archive alone.

use std::path::{Path, PathBuf};

use serde::Serialize;

use super::audit::keys_of;
use super::output::counted;
use super::{Exit, Output, ZoneArgs, words};
use crate::clock::{Clock, Timestamp};
use crate::config::Config;
use crate::diagnostic::{Code, Diagnostic};
use crate::durable::{self, Durability};
use crate::evidence::{self, Rebuilt, Segments};
use crate::ledger::sqlite::aside;
use crate::ledger::{Event, Ledger, Log as _, sqlite};
use crate::ops::lock::ZoneLock;
use crate::ops::serve::{Core, Options};
use crate::ops::writing::check_owner;
use crate::receive::reconcile;
use crate::zone::Zone;

#[derive(Debug, clap::Args)]
pub(super) struct Args {}

/// What `--json` prints.
#[derive(Serialize)]
struct Told {
    /// Events brought back, all under a signed checkpoint.
    events: u64,
    arrivals: u64,
    checkpoints: u64,
    /// The time of the last event.
    until: Option<Timestamp>,
    /// Raw objects recorded from what they say of themselves.
    adopted: u64,
    left_out: u64,
    /// Whether the log begins anew, since its events do not reach their newest checkpoint.
    restarted: bool,
    /// Where the ledger is that was there before.
    set_aside: Option<PathBuf>,
    unknown: Vec<String>,
    /// Manifests that were published after the last checkpoint, of batches that nobody knows any more.
    unknown_manifests: Vec<String>,
}

pub(super) fn run(_: Args, zone: &ZoneArgs, out: &Output) -> Result<Exit, Diagnostic> {
    let (zone, config) = zone.load()?;
    check_owner(&zone)?;
    let lock = ZoneLock::take(&zone)?;
    if is_whole(&zone) {
        out.say(
            "The ledger is the one that was signed and lacks nothing: there is nothing to rebuild.",
        );
        return Ok(Exit::Ok);
    }
    let (rebuilt, set_aside) = remake(&zone).map_err(|error| failed(&error))?;
    if let Some(unreached) = &rebuilt.unreached {
        restart(&zone, &rebuilt, unreached)?;
    }
    drop(lock);
    let adopted = adopt(&zone, &config, &rebuilt)?;
    let strangers = unknown_manifests(&zone, &config)?;
    let told = Told {
        events: rebuilt.events,
        arrivals: rebuilt.arrivals,
        checkpoints: rebuilt.checkpoints,
        until: rebuilt.until,
        adopted,
        left_out: rebuilt.left_out,
        restarted: rebuilt.unreached.is_some(),
        set_aside,
        unknown: unknown(&rebuilt, adopted),
        unknown_manifests: strangers,
    };
    tell(&told, out);
    let is_whole = !told.restarted && told.left_out == 0 && told.unknown_manifests.is_empty();
    Ok(if is_whole { Exit::Ok } else { Exit::Problems })
}

/// Whether the ledger is there, can be read, and has at least what was signed.
fn is_whole(zone: &Zone) -> bool {
    let Ok(ledger) = sqlite::open_read_only(&zone.ledger_file()) else { return false };
    let Ok(log) = ledger.log_id() else { return false };
    match Segments::newest_of(zone, &log) {
        Ok(Some(newest)) => ledger.root(newest.size).is_ok_and(|root| root == newest.root),
        Ok(None) => Segments::logs(zone).is_ok_and(|logs| logs.is_empty()) && ledger.head() > 0,
        Err(_) => false,
    }
}

/// Makes the new ledger, sets the old one aside, and puts the new one in its place.
fn remake(zone: &Zone) -> Result<(Rebuilt, Option<PathBuf>), evidence::Error> {
    let file = zone.ledger_file();
    let new = file.with_extension("rebuilding");
    let durability = Durability::Full;
    durability.create_folders(&zone.run_time())?;
    beside(&new).iter().for_each(|path| durable::remove_quietly(path));
    let keys = keys_of(zone).unwrap_or_default();
    let rebuilt = evidence::rebuild(zone, &keys, &new)?;
    let set_aside = aside::put(&file, Clock::system().now())?;
    if rebuilt.log.is_some() {
        durability.publish_new(&new, &file)?;
    }
    Ok((rebuilt, set_aside))
}

/// A database and what SQLite keeps beside it.
fn beside(file: &Path) -> [PathBuf; 3] {
    ["", "-wal", "-shm"].map(|end| {
        let mut name = file.as_os_str().to_owned();
        name.push(end);
        PathBuf::from(name)
    })
}

/// Says in the new ledger that its log begins anew, and why.
fn restart(
    zone: &Zone,
    rebuilt: &Rebuilt,
    unreached: &crate::ledger::log::Signed,
) -> Result<(), Diagnostic> {
    let ledger = sqlite::open(&zone.ledger_file(), Clock::system(), Durability::Full);
    let reason =
        format!("the archive has {} of its {} signed events", rebuilt.events, unreached.size);
    let event = Event::LogRestarted {
        log: rebuilt.log.clone().unwrap_or_default(),
        size: unreached.size,
        root: unreached.root,
        reason,
    };
    ledger.and_then(|ledger| ledger.note(event)).map_err(|error| failed(&error))
}

/// Records the raw objects that no row speaks of, and signs all of it.
fn adopt(zone: &Zone, config: &Config, rebuilt: &Rebuilt) -> Result<u64, Diagnostic> {
    let core = Core::open(zone.clone(), Options::default())?;
    let of_start = core
        .ledger
        .events(rebuilt.events, u32::MAX)
        .map_err(|error| failed(&error))?
        .iter()
        .filter(|told| matches!(told.event, Event::Received { adopted: true, .. }))
        .count() as u64;
    let older = reconcile::adopt_since("", config, &core.archive, core.ledger.as_ref())
        .map_err(|error| failed(&error))?;
    let adopted = of_start + older;
    let event = Event::Rebuilt {
        events: rebuilt.events,
        arrivals: rebuilt.arrivals,
        adopted,
        left_out: rebuilt.left_out,
    };
    core.ledger.note(event).map_err(|error| failed(&error))?;
    core.notary.sign().map_err(|error| failed(&error))?;
    Ok(adopted)
}

fn failed(error: &(dyn std::error::Error + 'static)) -> Diagnostic {
    Diagnostic::error(Code::L115, "the ledger could not be rebuilt").caused_by(error)
}

/// Manifests in the lake beyond the last batch that the ledger has: their names are taken, so the feed
/// cannot hand off until a person has decided.
fn unknown_manifests(zone: &Zone, config: &Config) -> Result<Vec<String>, Diagnostic> {
    let ledger = sqlite::open_read_only(&zone.ledger_file()).map_err(|error| failed(&error))?;
    let mut unknown = Vec::new();
    for feed in config.feeds.keys() {
        let batches = ledger.batches(feed, 0, u32::MAX).map_err(|error| failed(&error))?;
        let last = batches.last().map_or(0, |batch| batch.sequence);
        let folder = zone.manifests(feed);
        let listed = match std::fs::read_dir(&folder) {
            Ok(listed) => listed,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
            Err(error) => return Err(failed(&error)),
        };
        for entry in listed {
            let name = entry.map_err(|error| failed(&error))?.file_name();
            let stem = name.to_str().and_then(|name| name.strip_suffix(".json"));
            if stem.and_then(|stem| stem.parse::<u64>().ok()).is_some_and(|found| found > last) {
                unknown.push(folder.join(&name).display().to_string());
            }
        }
    }
    unknown.sort();
    Ok(unknown)
}

/// What the archive cannot tell, in sentences.
fn unknown(rebuilt: &Rebuilt, adopted: u64) -> Vec<String> {
    let mut unknown = Vec::new();
    if rebuilt.log.is_none() {
        unknown
            .push("the archive has no events: nothing of what happened before is known".to_owned());
    }
    if adopted > 0 {
        unknown.push(format!(
            "of {}: from which address it came, what it waited for, and what became of it; it is \
             converted and handed off again",
            counted(adopted, "file")
        ));
    }
    if rebuilt.left_out > 0 {
        unknown.push(format!(
            "{} about arrivals and batches could not be read",
            counted(rebuilt.left_out, "line")
        ));
    }
    if rebuilt.unsigned > 0 {
        unknown.push(format!(
            "who signed {}: it was not a key of this zone",
            counted(rebuilt.unsigned, "checkpoint")
        ));
    }
    unknown.push("logins and refusals after the last checkpoint".to_owned());
    unknown.push("sidecars that came without their file, and pauses of sinks".to_owned());
    unknown
}

fn tell(told: &Told, out: &Output) {
    if out.is_json() {
        out.object("landfall.rebuilt/v1", told);
        return;
    }
    let until = told.until.map_or_else(String::new, |at| format!(", up to {}", words::time(at)));
    out.print(&format!(
        "Brought back {}, {} and {}{until}.",
        counted(told.events, "event"),
        counted(told.arrivals, "arrival"),
        counted(told.checkpoints, "checkpoint"),
    ));
    out.print(&format!(
        "Recorded {} from what the archive's files say of themselves.",
        counted(told.adopted, "file")
    ));
    if told.restarted {
        out.print("The log begins anew: its events do not reach, or do not fit, what was signed.");
    }
    if let Some(path) = &told.set_aside {
        out.print(&format!("The ledger that was there is {}.", path.display()));
    }
    for manifest in &told.unknown_manifests {
        out.print(&format!(
            "{manifest} was published after the last checkpoint. Before you serve the zone, move it \
             and the files it names to retracted/, and tell its readers: what it held is handed off \
             again under the same number."
        ));
    }
    out.print("What could not be known:");
    told.unknown.iter().for_each(|what| out.print(&format!("  {what}")));
}
