//! Putting a backup back.
//!
//! Nothing is lost by it: the ledger that was there is kept beside the new one, and no file of the
//! configuration or keys that is there is replaced.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::make::copy_file;
use super::{ABOUT, About, Head, LEDGER, SUMS, ZONE, failed};
use crate::archive::digest;
use crate::clock::Clock;
use crate::diagnostic::{Code, Diagnostic};
use crate::durable::Durability;
use crate::ledger::sqlite::aside;
use crate::ledger::{Log as _, sqlite};
use crate::ops::lock::ZoneLock;
use crate::ops::writing::check_owner;
use crate::zone::Zone;

const FULL: Durability = Durability::Full;

/// What is to become of a ledger in the zone that has more than the backup, or something else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Present {
    /// It stays, and nothing is put back.
    Keep,
    /// It is put aside.
    PutAside,
}

/// What was put back.
#[derive(Debug, Clone, Serialize)]
pub struct Restored {
    /// What the backup says of itself.
    #[serde(flatten)]
    pub about: About,
    /// Whether the zone had this very ledger already.
    pub ledger_was_there: bool,
    /// Where the ledger that was there is now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub put_aside: Option<PathBuf>,
    /// Files that were put back.
    pub files: Vec<PathBuf>,
    /// Files that are there, differ from the backup and were left as they are.
    pub differ: Vec<PathBuf>,
}

/// Puts a backup into a zone, or makes the zone from it.
///
/// # Errors
/// [`Code::A121`] when the backup is not whole, [`Code::Z103`] when the zone is served,
/// [`Code::A122`] when its ledger has more than the backup or is another, unless that is put aside;
/// [`Code::A120`].
pub fn restore(from: &Path, zone: &Zone, present: Present) -> Result<Restored, Diagnostic> {
    let (about, files) = read(from)?;
    let told = |error: &(dyn std::error::Error + 'static)| {
        failed("the backup cannot be put back", zone.root(), error)
    };
    FULL.create_folders(&zone.run_time()).map_err(|e| told(&e))?;
    check_owner(zone)?;
    let _lock = ZoneLock::take(zone)?;
    let ledger = zone.ledger_file();
    let stands = Stands::of(&ledger, &about.head);
    match (&stands, present) {
        (Stands::Ahead { .. } | Stands::Another, Present::Keep) => {
            return Err(refused(&stands, &about));
        }
        (Stands::Ahead { .. } | Stands::Another, Present::PutAside)
        | (Stands::None | Stands::Same | Stands::Behind | Stands::Unreadable, _) => {}
    }
    let mut done = Restored {
        about,
        ledger_was_there: matches!(stands, Stands::Same),
        put_aside: None,
        files: Vec::new(),
        differ: Vec::new(),
    };
    if !done.ledger_was_there {
        let fresh = zone.run_time().join(".ledger.restored");
        match fs::remove_file(&fresh) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(told(&error)),
            Ok(()) | Err(_) => {}
        }
        sqlite::copy(&from.join(LEDGER), &fresh, &mut |_, _| {}).map_err(|e| told(&e))?;
        let opened = File::open(&fresh).map_err(|e| told(&e))?;
        FULL.sync_file(&opened, &fresh).map_err(|e| told(&e))?;
        done.put_aside = aside::put(&ledger, Clock::system().now()).map_err(|e| told(&e))?;
        FULL.publish_new(&fresh, &ledger).map_err(|e| told(&e))?;
    }
    for below in files {
        let (copy, place) = (from.join(ZONE).join(&below), zone.root().join(&below));
        if !place.exists() {
            copy_file(&copy, &place).map_err(|e| told(&e))?;
            done.files.push(below);
        } else if fs::read(&copy).map_err(|e| told(&e))?
            != fs::read(&place).map_err(|e| told(&e))?
        {
            done.differ.push(below);
        }
    }
    Ok(done)
}

/// Reads what a backup says of itself; every file in it is checked. Returns the zone's files in it.
fn read(from: &Path) -> Result<(About, Vec<PathBuf>), Diagnostic> {
    let unfit = |what: &str, path: &Path| {
        Diagnostic::error(Code::A121, format!("{} {what}", path.display()))
    };
    let sums = from.join(SUMS);
    let text = fs::read_to_string(&sums)
        .map_err(|error| unfit("is not a backup", from).caused_by(&error))?;
    let mut files = Vec::new();
    for line in text.lines() {
        let Some((digest, name)) = line.split_once("  ") else {
            return Err(unfit("is damaged", &sums));
        };
        let below = Path::new(name);
        let plain = |part| matches!(part, std::path::Component::Normal(_));
        if !below.components().all(plain) {
            return Err(unfit("names a file outside of the backup", &sums));
        }
        let path = from.join(below);
        let read = File::open(&path).and_then(digest::of_reader);
        let (_, found) = read.map_err(|error| unfit("cannot be read", &path).caused_by(&error))?;
        if found.to_string() != digest {
            return Err(unfit("is damaged", &path).fact("recorded", digest).fact("found", found));
        }
        files.extend(below.strip_prefix(ZONE).map(Path::to_owned));
    }
    for needed in [ABOUT, LEDGER] {
        if !text.lines().any(|line| line.ends_with(&format!("  {needed}"))) {
            return Err(unfit("is not in SHA256SUMS", &from.join(needed)));
        }
    }
    let about = fs::read(from.join(ABOUT));
    let about = about.and_then(|text| Ok(serde_json::from_slice(&text)?));
    let about: About =
        about.map_err(|error| unfit("is damaged", &from.join(ABOUT)).caused_by(&error))?;
    Ok((about, files))
}

/// What the zone's ledger is to a backup's.
enum Stands {
    None,
    Same,
    /// The backup has all it has, and more.
    Behind,
    /// It has this many events more than the backup.
    Ahead {
        events: u64,
    },
    Another,
    Unreadable,
}

impl Stands {
    fn of(path: &Path, backup: &Head) -> Self {
        if !path.exists() {
            return Self::None;
        }
        let (Ok(head), Ok(ledger)) = (Head::of(path), sqlite::open_read_only(path)) else {
            return Self::Unreadable;
        };
        if head.log != backup.log {
            // A server that found no ledger made one: nothing of it is worth keeping in place.
            return if head.events == 0 { Self::Behind } else { Self::Another };
        }
        match head.events.checked_sub(backup.events) {
            None => Self::Behind,
            Some(ahead) => match ledger.root(backup.events) {
                Ok(root) if root != backup.root => Self::Another,
                Ok(_) if ahead == 0 => Self::Same,
                Ok(_) => Self::Ahead { events: ahead },
                Err(_) => Self::Unreadable,
            },
        }
    }
}

fn refused(stands: &Stands, about: &About) -> Diagnostic {
    let summary = match stands {
        Stands::Ahead { events } => {
            format!("the zone's ledger has {events} events that the backup does not have")
        }
        Stands::None | Stands::Same | Stands::Behind | Stands::Another | Stands::Unreadable => {
            "the zone's ledger is not the one that the backup was taken of".to_owned()
        }
    };
    Diagnostic::error(Code::A122, summary)
        .fact("backup taken", about.taken_at)
        .fact("its events", about.head.events)
}
