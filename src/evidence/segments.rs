//! The events and checkpoints of a log in the archive, a file each a day.
//!
//! Lines are only ever added. A line that a crash cut off is taken away at the next start: nothing
//! was signed over it. What no checkpoint covers may also be missing; the ledger still has it.

use std::fs::{self, File, OpenOptions};
use std::io::{
    self, BufRead as _, BufReader, BufWriter, Read as _, Seek as _, SeekFrom, Write as _,
};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::clock::{Timestamp, utc_day};
use crate::durable::Durability;
use crate::ledger::log::{Leaf, Signed};
use crate::ledger::sqlite::{Blank, Blanking, Quotes};
use crate::names::ArrivalId;
use crate::zone::Zone;

use super::{Checkpoint, Error};

const EVENTS: &str = ".jsonl";
const ROWS: &str = ".rows.jsonl";
const CHECKPOINTS: &str = ".checkpoints.jsonl";
/// Bytes at the end of a file that are looked at first for its last whole line; more, when that is
/// longer.
const TAIL_BYTES: u64 = 4 << 20;
/// Bytes of the longest line that is looked for: more than a conversion's report may have.
const LINE_BYTES_MAX: u64 = 256 << 20;

/// A checkpoint and its signature as a line of a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    /// What is signed.
    pub text: String,
    /// The signature.
    pub signature: String,
}

impl Line {
    /// The line as the ledger keeps it; `None` when it is none.
    pub fn signed(self) -> Option<Signed> {
        let told = Checkpoint::parse(&self.text).ok()?;
        Some(told.signed(self.signature))
    }
}

/// The files of a day that lines are added to.
#[derive(Debug)]
struct Open {
    events: File,
    rows: File,
}

/// The segments of one log, to be extended.
#[derive(Debug)]
pub struct Segments {
    folder: PathBuf,
    durability: Durability,
    /// The last day that has files.
    day: String,
    open: Option<Open>,
    /// The sequence of the last event.
    end: u64,
    newest: Option<Signed>,
}

impl Segments {
    /// Finds where the segments of a log end; what a crash cut off is taken away.
    ///
    /// # Errors
    /// [`Error::Io`], [`Error::Damaged`].
    pub fn open(zone: &Zone, log: &str, durability: Durability) -> Result<Self, Error> {
        let folder = zone.events(log);
        let mut found = Self {
            open: None,
            end: 0,
            newest: None,
            day: String::new(),
            folder: folder.clone(),
            durability,
        };
        let mut days = days(&folder)?;
        days.reverse();
        found.day = days.first().cloned().unwrap_or_default();
        for day in &days {
            let path = events_file(&folder, day);
            last_line_alone(&rows_file(&folder, day))?;
            if let Some(last) = last_line_alone(&path)? {
                found.end = sequence(&last)
                    .ok_or(Error::Damaged { path, why: "its last line is no event" })?;
                break;
            }
        }
        for day in &days {
            let path = checkpoints_file(&folder, day);
            if let Some(last) = last_line_alone(&path)? {
                let line: Option<Line> = serde_json::from_slice(&last).ok();
                let newest = line
                    .and_then(Line::signed)
                    .ok_or(Error::Damaged { path, why: "its last line is no checkpoint" })?;
                found.newest = Some(newest);
                break;
            }
        }
        if !found.day.is_empty() {
            // What a killed process wrote is synced before the day can end.
            found.open = Some(found.files_of(&found.day)?);
            found.sync()?;
        }
        Ok(found)
    }

    /// The logs that have checkpoints in the archive, by name.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn logs(zone: &Zone) -> Result<Vec<String>, Error> {
        let mut logs = Vec::new();
        for (name, path) in entries(&zone.all_events())? {
            let has_checkpoint = |(name, _): &(String, PathBuf)| name.ends_with(CHECKPOINTS);
            if path.is_dir() && entries(&path)?.iter().any(has_checkpoint) {
                logs.push(name);
            }
        }
        Ok(logs)
    }

    /// The newest checkpoint of a log in the archive, also while a server adds to it.
    ///
    /// # Errors
    /// [`Error::Io`], [`Error::Damaged`].
    pub fn newest_of(zone: &Zone, log: &str) -> Result<Option<Signed>, Error> {
        let folder = zone.events(log);
        for day in days(&folder)?.into_iter().rev() {
            let path = checkpoints_file(&folder, &day);
            if let Some(line) = last_line(&path)?.line {
                return checkpoint_of(&line, &path).map(Some);
            }
        }
        Ok(None)
    }

    /// The sequence of the last event in them.
    pub fn end(&self) -> u64 {
        self.end
    }

    /// The newest checkpoint in them.
    pub fn newest(&self) -> Option<&Signed> {
        self.newest.as_ref()
    }

    /// The last day that has files; the empty text when there is none.
    pub fn day(&self) -> &str {
        &self.day
    }

    /// Forgets events that were never signed: they are added again, or the ledger does not have them.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn cut_after(&mut self, head: u64) -> Result<(), Error> {
        for day in days(&self.folder)?.into_iter().rev() {
            let path = events_file(&self.folder, &day);
            let mut kept = 0;
            let mut end = 0;
            for line in lines(&path)? {
                let line = line?;
                match sequence(&line) {
                    Some(sequence) if sequence <= head => end = sequence,
                    Some(_) | None => break,
                }
                kept += line.len() as u64 + 1;
            }
            cut(&path, kept)?;
            if end > 0 {
                self.end = end;
                return Ok(());
            }
        }
        self.end = 0;
        Ok(())
    }

    /// Adds the next events, and what the ledger knows after them, under the day of `now`. Not yet
    /// synced.
    ///
    /// # Errors
    /// [`Error::Io`], [`Error::Durable`].
    pub fn add(&mut self, leaves: &[Leaf], rows: &[String], now: Timestamp) -> Result<(), Error> {
        let mut text = Vec::new();
        for leaf in leaves {
            text.extend_from_slice(&leaf.record);
            text.push(b'\n');
        }
        let below: String = rows.iter().flat_map(|row| [row.as_str(), "\n"]).collect();
        self.turn(now)?;
        if let Some(open) = &mut self.open {
            // The rows first: events that are there have theirs.
            let path = rows_file(&self.folder, &self.day);
            open.rows.write_all(below.as_bytes()).map_err(doing("write", &path))?;
            let path = events_file(&self.folder, &self.day);
            open.events.write_all(&text).map_err(doing("write", &path))?;
        }
        self.end = leaves.last().map_or(self.end, |leaf| leaf.sequence);
        Ok(())
    }

    /// Makes the events durable, then adds a checkpoint over them and makes it durable.
    ///
    /// # Errors
    /// [`Error::Io`], [`Error::Durable`]: then it must not be told to anybody.
    pub fn sign_off(&mut self, signed: &Signed) -> Result<(), Error> {
        self.turn(signed.at)?;
        self.sync()?;
        let path = checkpoints_file(&self.folder, &self.day);
        let line = Line { text: signed.text.clone(), signature: signed.signature.clone() };
        let json = serde_json::to_string(&line)
            .map_err(|error| doing("describe", &path)(io::Error::other(error)))?;
        let is_new = !path.exists();
        let mut file = append(&path)?;
        file.write_all(format!("{json}\n").as_bytes()).map_err(doing("write", &path))?;
        self.durability.sync_file(&file, &path)?;
        if is_new {
            self.durability.sync_folder(&self.folder)?;
        }
        self.newest = Some(signed.clone());
        Ok(())
    }

    /// Begins the day of `now`, if it is later than the one whose files are open; a day never goes
    /// back.
    ///
    /// # Errors
    /// [`Error::Io`], [`Error::Durable`].
    pub fn turn(&mut self, now: Timestamp) -> Result<(), Error> {
        let today = utc_day(now).max(self.day.clone());
        if self.open.is_some() && today == self.day {
            return Ok(());
        }
        self.sync()?;
        self.durability.create_folders(&self.folder)?;
        self.open = Some(self.files_of(&today)?);
        self.durability.sync_folder(&self.folder)?;
        self.day = today;
        Ok(())
    }

    /// Takes out of what the ledger knew on some days what that quotes of some arrivals' bytes.
    /// Answers the files that speak of them.
    ///
    /// # Errors
    /// [`Error::Io`], [`Error::Durable`]; then it is to be done again.
    pub fn blank(
        &mut self,
        days: &Days,
        (ids, quotes): (&[ArrivalId], Quotes),
    ) -> Result<Vec<PathBuf>, Error> {
        self.sync()?;
        let about = blank(&self.folder, days, (ids, quotes), self.durability)?;
        if self.open.is_some() {
            // One of them may have another inode now.
            self.open = Some(self.files_of(&self.day)?);
        }
        Ok(about)
    }

    fn files_of(&self, day: &str) -> Result<Open, Error> {
        let (events, rows) = (events_file(&self.folder, day), rows_file(&self.folder, day));
        Ok(Open { rows: append(&rows)?, events: append(&events)? })
    }

    fn sync(&self) -> Result<(), Error> {
        let Some(open) = &self.open else { return Ok(()) };
        self.durability.sync_file(&open.rows, &rows_file(&self.folder, &self.day))?;
        Ok(self.durability.sync_file(&open.events, &events_file(&self.folder, &self.day))?)
    }
}

/// Days from one on up to another (`2026-11-22`).
pub type Days = std::ops::RangeInclusive<String>;

/// Takes out of the lines of a log on some days what they quote of some arrivals' bytes; a file that
/// has such lines is written anew beside itself and takes its own place. Answers the files that speak
/// of the arrivals.
pub(super) fn blank(
    folder: &Path,
    on: &Days,
    (ids, quotes): (&[ArrivalId], Quotes),
    durability: Durability,
) -> Result<Vec<PathBuf>, Error> {
    let (mut about, mut blanking) = (Vec::new(), Blanking::of(ids, quotes));
    for day in days(folder)?.into_iter().filter(|day| on.contains(day)) {
        let path = rows_file(folder, &day);
        let (mut is_about, mut quotes) = (false, false);
        for line in lines(&path)? {
            let blank = blanking.line(&line?);
            is_about |= blank != Blank::OfOthers;
            quotes |= matches!(blank, Blank::Now(_));
        }
        if quotes {
            write_blank(&path, &mut blanking, durability)?;
        }
        about.extend(is_about.then_some(path));
    }
    Ok(about)
}

fn write_blank(path: &Path, blanking: &mut Blanking, durability: Durability) -> Result<(), Error> {
    let mut fresh = path.to_owned().into_os_string();
    fresh.push(".blank");
    let fresh = PathBuf::from(fresh);
    let mut text = BufWriter::new(File::create(&fresh).map_err(doing("create", &fresh))?);
    for line in lines(path)? {
        let line = line?;
        let blank = blanking.line(&line);
        let kept = match &blank {
            Blank::Now(blank) => blank.as_bytes(),
            Blank::OfOthers | Blank::Already => &line,
        };
        let written = text.write_all(kept).and_then(|()| text.write_all(b"\n"));
        written.map_err(doing("write", &fresh))?;
    }
    let file = text.into_inner().map_err(|error| doing("write", &fresh)(error.into_error()))?;
    durability.sync_file(&file, &fresh)?;
    Ok(durability.replace_by(&fresh, path)?)
}

/// Where a day's events are.
pub(super) fn events_file(folder: &Path, day: &str) -> PathBuf {
    folder.join(format!("{day}{EVENTS}"))
}

/// Where what the ledger knew on a day is.
pub(super) fn rows_file(folder: &Path, day: &str) -> PathBuf {
    folder.join(format!("{day}{ROWS}"))
}

/// Where a day's checkpoints are.
pub(super) fn checkpoints_file(folder: &Path, day: &str) -> PathBuf {
    folder.join(format!("{day}{CHECKPOINTS}"))
}

/// The days of a log that have a file, oldest first.
pub(super) fn days(folder: &Path) -> Result<Vec<String>, Error> {
    let mut days: Vec<String> = entries(folder)?
        .into_iter()
        .filter_map(|(name, _)| name.strip_suffix(EVENTS).map(str::to_owned))
        .filter(|day| !day.contains('.'))
        .collect();
    days.sort();
    Ok(days)
}

/// The lines of a file, without their ends; what has no end is no line. None when it is not there.
pub(super) fn lines(
    path: &Path,
) -> Result<impl Iterator<Item = Result<Vec<u8>, Error>> + use<>, Error> {
    let file = match File::open(path) {
        Ok(file) => Some(file),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(source) => return Err(doing("open", path)(source)),
    };
    let mut reader = file.map(BufReader::new);
    let path = path.to_owned();
    Ok(std::iter::from_fn(move || {
        let mut line = Vec::new();
        match reader.as_mut()?.read_until(b'\n', &mut line) {
            Ok(_) => (line.pop() == Some(b'\n')).then_some(Ok(line)),
            Err(source) => Some(Err(doing("read", &path)(source))),
        }
    }))
}

fn sequence(line: &[u8]) -> Option<u64> {
    #[derive(Deserialize)]
    struct Told {
        sequence: u64,
    }
    serde_json::from_slice::<Told>(line).ok().map(|told| told.sequence)
}

/// The end of a file of lines.
struct Last {
    /// The last whole line of JSON.
    line: Option<Vec<u8>>,
    /// Bytes up to and with it; a crash left what follows.
    whole_bytes: u64,
    size_bytes: u64,
}

/// The last whole line of JSON in a file, none when it is not there.
fn last_line(path: &Path) -> Result<Last, Error> {
    let none = Last { line: None, whole_bytes: 0, size_bytes: 0 };
    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(none),
        Err(source) => return Err(doing("open", path)(source)),
    };
    let size_bytes = file.metadata().map_err(doing("read", path))?.len();
    let mut tail_bytes = TAIL_BYTES;
    loop {
        let start = size_bytes.saturating_sub(tail_bytes);
        let mut tail = Vec::new();
        file.seek(SeekFrom::Start(start)).map_err(doing("read", path))?;
        (&file).take(size_bytes - start).read_to_end(&mut tail).map_err(doing("read", path))?;
        if let Some((line, whole)) = last_of(&tail) {
            let whole_bytes = start + whole as u64;
            return Ok(Last { line: Some(line.to_vec()), whole_bytes, size_bytes });
        }
        match start {
            0 => return Ok(Last { size_bytes, ..none }),
            _ if tail_bytes >= LINE_BYTES_MAX => {
                let why = "its end is no text of ours";
                return Err(Error::Damaged { path: path.to_owned(), why });
            }
            _ => tail_bytes *= 2,
        }
    }
}

/// The last whole line of JSON of a text that may begin within a line, and the bytes up to its end.
fn last_of(tail: &[u8]) -> Option<(&[u8], usize)> {
    let mut end = tail.len();
    while let Some(at) = tail.get(..end).and_then(|seen| seen.iter().rposition(|b| *b == b'\n')) {
        let before = tail.get(..at).unwrap_or_default();
        let begin = before.iter().rposition(|b| *b == b'\n').map_or(0, |at| at + 1);
        let line = before.get(begin..).unwrap_or_default();
        if serde_json::from_slice::<serde::de::IgnoredAny>(line).is_ok() {
            return Some((line, at + 1));
        }
        end = at;
    }
    None
}

/// The same, and what a crash left behind it is cut off.
fn last_line_alone(path: &Path) -> Result<Option<Vec<u8>>, Error> {
    let last = last_line(path)?;
    if last.whole_bytes < last.size_bytes {
        cut(path, last.whole_bytes)?;
    }
    Ok(last.line)
}

fn checkpoint_of(line: &[u8], path: &Path) -> Result<Signed, Error> {
    let line: Option<Line> = serde_json::from_slice(line).ok();
    let why = "its last line is no checkpoint";
    line.and_then(Line::signed).ok_or(Error::Damaged { path: path.to_owned(), why })
}

fn cut(path: &Path, size: u64) -> Result<(), Error> {
    match OpenOptions::new().write(true).open(path) {
        Ok(file) => file.set_len(size).map_err(doing("shorten", path)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(source) => Err(doing("open", path)(source)),
    }
}

fn append(path: &Path) -> Result<File, Error> {
    OpenOptions::new().create(true).append(true).open(path).map_err(doing("open", path))
}

fn entries(folder: &Path) -> Result<Vec<(String, PathBuf)>, Error> {
    let listed = match fs::read_dir(folder) {
        Ok(listed) => listed,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(source) => return Err(doing("list", folder)(source)),
    };
    let mut found = Vec::new();
    for entry in listed {
        let entry = entry.map_err(doing("list", folder))?;
        found.extend(entry.file_name().into_string().ok().map(|name| (name, entry.path())));
    }
    Ok(found)
}

pub(super) fn doing(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Error {
    let path = path.to_owned();
    move |source| Error::Io { doing, path, source }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::tree;

    fn leaf(sequence: u64) -> Leaf {
        let record = format!("{{\"sequence\":{sequence}}}").into_bytes();
        let hash = tree::leaf(&record);
        Leaf { sequence, at: Timestamp::UNIX_EPOCH, arrival: None, record, hash }
    }

    fn at(day: &str) -> Timestamp {
        format!("{day}T12:00:00Z").parse().expect("a time")
    }

    fn signed(size: u64, day: &str) -> Signed {
        Checkpoint::new("z", "log", (size, tree::leaf(b"")), at(day)).signed("s".to_owned())
    }

    #[test]
    fn segments_go_on_where_they_ended_whatever_a_crash_left() {
        let folder = tempfile::tempdir().expect("a folder");
        let zone = Zone::new(folder.path());
        let open = || Segments::open(&zone, "log", Durability::Full).expect("opened");
        assert_eq!((open().end(), Segments::logs(&zone).expect("read").len()), (0, 0));
        let mut segments = open();
        segments.add(&[leaf(1), leaf(2)], &["{}".to_owned()], at("2026-11-24")).expect("added");
        segments.sign_off(&signed(2, "2026-11-24")).expect("signed");
        segments.add(&[leaf(3)], &[], at("2026-11-25")).expect("added");
        // A clock that goes back does not reopen a day that has ended.
        segments.add(&[leaf(4)], &[], at("2026-11-24")).expect("added");
        drop(segments);
        let events = zone.events("log").join("2026-11-25.jsonl");
        assert_eq!(fs::read_to_string(&events).expect("read").lines().count(), 2);
        for torn in ["{\"sequence\":5", "\0\0\0", "{\"sequence\":5,\0\0\n\0"] {
            append(&events)
                .and_then(|mut file| {
                    file.write_all(torn.as_bytes()).map_err(doing("write", &events))
                })
                .expect("torn");
            let again = open();
            assert_eq!((again.end(), again.newest()), (4, Some(&signed(2, "2026-11-24"))));
            assert_eq!(fs::read_to_string(&events).expect("read").lines().count(), 2);
        }
        let mut again = open();
        again.cut_after(1).expect("cut");
        assert_eq!((again.end(), open().end()), (1, 1));
        again.add(&[leaf(2)], &[], at("2026-11-25")).expect("added");
        assert_eq!(open().end(), 2);
        assert_eq!(Segments::logs(&zone).expect("read"), ["log"]);
    }
}
