//! Where a taken file goes: `_done` or `_rejected`, by day, with a text that says what became of it.
//!
//! The text is written before the file moves, so that no file ever lies there without one. Names
//! come from the arrival's time of receipt: a move that a kill interrupted is finished under the
//! same name. Nothing is ever replaced. These are conveniences, not the archive: they do not wait
//! for the disk, and a move that a power cut takes back is found by the next scan.

use std::fs;
use std::io;
use std::path::Path;
use std::time::Duration;

use crate::archive::digest;
use crate::clock::{Timestamp, utc_day};
use crate::durable::{self, Durability};
use crate::ledger::{Arrival, Sidecar};
use crate::names::{FeedName, FileName, NAME_PART_BYTES_MAX};
use crate::receive::receipt::{self, Outcome};

use super::beneath::Inside;
use super::scan::{DONE, NOTE, REJECTED, RESULT};

/// How many files of one name may be put away in one second.
const NUMBERED_MAX: u32 = 1000;
/// See the module's promise.
const LASTING: Durability = Durability::Relaxed;

/// What is put away: where to, as of when, and with which text.
pub struct Put {
    /// Nowhere when it is erased: then it is removed.
    area: Option<&'static str>,
    received_at: Timestamp,
    text: Vec<u8>,
}

impl Put {
    /// A file that has an outcome.
    pub fn file(arrival: &Arrival) -> Self {
        let area = match Outcome::of(arrival) {
            Outcome::Held | Outcome::Failed => Some(REJECTED),
            Outcome::Received | Outcome::Accepted | Outcome::Partial | Outcome::Duplicate => {
                Some(DONE)
            }
            Outcome::Erased => None,
        };
        let text = receipt::result_text(arrival);
        Self { area, received_at: arrival.received_at, text }
    }

    /// A sidecar: what came of it is told with its file.
    pub fn sidecar(sidecar: &Sidecar) -> Self {
        let Sidecar { name, file, received_at, .. } = sidecar;
        let text = format!("\u{feff}{name}\r\nKept with {file}: see the result of that file.\r\n");
        Self { area: Some(DONE), received_at: *received_at, text: text.into_bytes() }
    }

    /// Moves the file and writes the text beside it.
    ///
    /// # Errors
    /// What the system said; the file is then still in its place.
    pub fn away(&self, root: &Path, name: &FileName) -> io::Result<()> {
        put(root, name, self)
    }
}

fn put(root: &Path, name: &FileName, what: &Put) -> io::Result<()> {
    let Put { area, received_at, text } = what;
    let Some(area) = area else {
        return fs::remove_file(Inside::open(root, name.subfolder())?.path(name.base()));
    };
    let day = utc_day(*received_at);
    let folder = [area.as_bytes(), day.as_bytes(), name.subfolder()].join(&b'/');
    let (here, there) = (Inside::open(root, name.subfolder())?, Inside::make(root, &folder)?);
    let time = received_at.strftime("%H%M%S").to_string();
    for number in 0..NUMBERED_MAX {
        let base = numbered(&time, name.base(), number);
        let result = there.path(&[&base, RESULT.as_bytes()].concat());
        if there.look(&base).is_ok() || !write_text(&result, text)? {
            continue;
        }
        match LASTING.publish_new(&here.path(name.base()), &there.path(&base)) {
            Ok(()) => return Ok(()),
            Err(error) => {
                durable::remove_quietly(&result);
                if !error.is_name_taken() {
                    return Err(error.source);
                }
            }
        }
    }
    Err(io::Error::other("too many files of one name in one second"))
}

/// Whether the text is in place: written now, or before a kill.
fn write_text(path: &Path, text: &[u8]) -> io::Result<bool> {
    match LASTING.write_new(path, text) {
        Ok(()) => Ok(true),
        Err(error) if error.is_name_taken() => Ok(fs::read(path)? == text),
        Err(error) => Err(error.source),
    }
}

/// `063104_orders.csv`, `063104_orders_2.csv`, …, cut so that a result text's name fits too.
fn numbered(time: &str, base: &[u8], number: u32) -> Vec<u8> {
    let dot = base.iter().rposition(|b| *b == b'.').filter(|dot| *dot > 0).unwrap_or(base.len());
    let (stem, extension) = base.split_at(dot);
    let number = if number == 0 { String::new() } else { format!("_{}", number + 1) };
    let fixed = time.len() + 1 + number.len() + RESULT.len();
    let room = NAME_PART_BYTES_MAX - fixed;
    let extension = extension.get(..room).unwrap_or(extension);
    let stem = stem.get(..room - extension.len()).unwrap_or(stem);
    [time.as_bytes(), b"_", stem, number.as_bytes(), extension].concat()
}

/// Removes days of `_done` and `_rejected` that are older than `keep`. The archive has the files.
pub fn prune(root: &Path, keep: Duration, now: Timestamp) {
    let Ok(oldest) = now.checked_sub(keep).map(utc_day) else { return };
    for area in [DONE, REJECTED] {
        let Ok(inside) = Inside::open(root, area.as_bytes()) else { continue };
        let Ok(days) = fs::read_dir(inside.path(b".")) else { continue };
        for day in days.filter_map(Result::ok) {
            let name = day.file_name();
            let is_day = |name: &str| name.parse::<jiff::civil::Date>().is_ok();
            // Days as text order like days.
            let Some(name) = name.to_str().filter(|name| is_day(name) && *name < oldest.as_str())
            else {
                continue;
            };
            if let Err(error) = fs::remove_dir_all(inside.path(name.as_bytes())) {
                tracing::warn!(%error, area, day = name, "could not remove an old day");
            }
        }
    }
}

/// Removes what was put away of an arrival, with the text beside it; how many files. One that has
/// other bytes by now is not a copy of it.
///
/// # Errors
/// What the system said; what was found until then is removed.
pub fn take_out(root: &Path, arrival: &Arrival) -> io::Result<u64> {
    let mut removed = 0;
    let day = utc_day(arrival.received_at);
    let time = arrival.received_at.strftime("%H%M%S").to_string();
    for area in [DONE, REJECTED] {
        let name = &arrival.name;
        let folder = [area.as_bytes(), day.as_bytes(), name.subfolder()].join(&b'/');
        let folder = folder.strip_suffix(b"/").unwrap_or(&folder);
        let Ok(there) = Inside::open(root, folder) else { continue };
        for number in 0..NUMBERED_MAX {
            let base = numbered(&time, name.base(), number);
            let text = there.path(&[&base, RESULT.as_bytes()].concat());
            let Ok(seen) = there.look(&base) else { continue };
            let is_copy = seen.is_file() && seen.len() == arrival.size_bytes;
            let path = there.path(&base);
            if is_copy && digest::of_reader(fs::File::open(&path)?)?.1 == arrival.digest {
                fs::remove_file(&path)?;
                durable::remove_quietly(&text);
                removed += 1;
            }
        }
    }
    Ok(removed)
}

/// Makes a drop folder that is not there, with a note for people.
///
/// # Errors
/// What the system said.
pub fn make_folder(root: &Path, feed: &FeedName) -> Result<(), durable::Error> {
    LASTING.create_folders(root)?;
    LASTING.write_new(&root.join(NOTE), note(feed).as_bytes())
}

fn note(feed: &FeedName) -> String {
    let text = format!(
        "This is the drop folder for {feed}.

Copy or save files into this folder. That is all.

A few seconds after a file is complete it is taken:
  {DONE}\\      your file, and beside it <your file>{RESULT}, which says what was read
  {REJECTED}\\  your file, if something was wrong, with a text that says what and where

Nothing is lost: every file that is taken is kept unchanged in the archive.
Files that are still open in another program wait until they are closed.
To correct a file, simply put the corrected one here.
"
    );
    format!("\u{feff}{}", text.replace('\n', "\r\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_numbered_before_the_extension_and_fit() {
        let text =
            |number| String::from_utf8(numbered("063104", b"a.b.csv", number)).expect("text");
        assert_eq!((text(0).as_str(), text(1).as_str()), ("063104_a.b.csv", "063104_a.b_2.csv"));
        for base in
            ["x".repeat(255), format!("{}.csv", "x".repeat(251)), format!("x.{}", "y".repeat(253))]
        {
            let name = numbered("063104", base.as_bytes(), 999);
            assert!(name.len() + RESULT.len() <= 255, "{}", name.len());
        }
    }

    #[test]
    fn only_old_days_are_removed() {
        let root = tempfile::tempdir().expect("a folder");
        let day = |name: &str| root.path().join(DONE).join(name);
        for name in ["2026-10-01", "2026-11-20", "notes"] {
            fs::create_dir_all(day(name)).expect("made");
        }
        let now = "2026-11-22T00:00:00Z".parse().expect("a time");
        prune(root.path(), Duration::from_secs(30 * 86400), now);
        let there = ["2026-10-01", "2026-11-20", "notes"].map(|name| day(name).exists());
        assert_eq!(there, [false, true, true]);
    }
}
