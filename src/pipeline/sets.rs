//! Sets: files that are handed off together or not at all.
//!
//! A set is complete when so many files are there, when there is one for each pattern, or when a
//! control file and all that it names are there with as many rows as it says. A control file that is
//! wrong, or whose files do not come in time, is held and says why; it is looked at again until it
//! is right.

use std::io::{ErrorKind, Read as _};
use std::time::Duration;

use crate::archive::Archive;
use crate::clock::Timestamp;
use crate::config::{self, Config};
use crate::diagnostic::{Code, Diagnostic};
use crate::ledger::{Arrival, Event, Ledger, SetFile, State};
use crate::names::{ArrivalId, FeedName, FileName};

use super::closer::Error;

/// Bytes of a control file.
const CONTROL_BYTES_MAX: u64 = 1 << 20;
/// Names that a diagnostic lists.
const NAMED_MAX: usize = 10;

/// A set that is complete.
pub struct Complete {
    /// Its files, in order of receipt.
    pub members: Vec<ArrivalId>,
    /// The control file that said so, which is one of them.
    pub control: Option<ArrivalId>,
}

/// The oldest `count` files, when so many are ready.
pub fn of_number(
    ledger: &dyn Ledger,
    feed: &FeedName,
    count: u32,
) -> Result<Option<Complete>, Error> {
    let count = usize::try_from(count).unwrap_or(usize::MAX);
    let ready = ledger.set_files(feed, false)?;
    let members: Vec<_> = ready.iter().map(|one| one.id).take(count).collect();
    Ok((members.len() == count).then_some(Complete { members, control: None }))
}

/// The oldest file for each pattern, when there is one for all of them.
pub fn of_names(
    ledger: &dyn Ledger,
    feed: &FeedName,
    patterns: &[String],
) -> Result<Option<Complete>, Error> {
    let ready = ledger.set_files(feed, false)?;
    let mut left: Vec<_> = ready.iter().enumerate().collect();
    let mut chosen = Vec::new();
    for pattern in patterns {
        let pattern = std::slice::from_ref(pattern);
        let fits = |(_, one): &(usize, &SetFile)| config::name_matches(pattern, one.name.base());
        match left.iter().position(fits) {
            Some(at) => chosen.push(left.remove(at)),
            None => return Ok(None),
        }
    }
    chosen.sort_by_key(|(order, _)| *order);
    Ok(Some(Complete { members: chosen.iter().map(|(_, one)| one.id).collect(), control: None }))
}

/// What judges control files.
pub struct Desk<'d> {
    /// The ledger.
    pub ledger: &'d dyn Ledger,
    /// The archive, which has their bytes.
    pub archive: &'d Archive,
    /// The configuration, which says what is one.
    pub config: &'d Config,
    /// The time.
    pub now: Timestamp,
}

/// What is to be said of a control file.
enum Verdict {
    Complete(Vec<ArrivalId>),
    /// These are not there, or not ready.
    Waits(Vec<String>),
    Wrong(Diagnostic),
}

impl Desk<'_> {
    /// The first complete set. Holds control files that are wrong or late, and lets go on those that
    /// were held and are right by now.
    ///
    /// # Errors
    /// What the ledger or the archive said.
    pub fn look(
        &self,
        feed: &FeedName,
        deadline: Option<Duration>,
    ) -> Result<Option<Complete>, Error> {
        self.release(feed)?;
        for control in self.controls(feed, false)? {
            match self.judge(&control)? {
                Verdict::Complete(mut members) => {
                    members.push(control.id);
                    return Ok(Some(Complete { members, control: Some(control.id) }));
                }
                Verdict::Wrong(diagnostic) => self.hold(&control, diagnostic)?,
                Verdict::Waits(missing) => {
                    let until = deadline.map(|wait| control.received_at.checked_add(wait));
                    let late =
                        until.is_some_and(|until| until.is_ok_and(|until| until <= self.now));
                    if late {
                        self.hold(&control, incomplete(&control, &missing))?;
                    }
                }
            }
        }
        Ok(None)
    }

    /// The control files that are ready, or held.
    fn controls(&self, feed: &FeedName, held: bool) -> Result<Vec<Arrival>, Error> {
        let files = self.ledger.set_files(feed, held)?.into_iter();
        let controls = files.filter(|file| self.config.is_control(feed, &file.name));
        let found = controls.map(|file| self.ledger.arrival(file.id));
        Ok(found.filter_map(Result::transpose).collect::<Result<_, _>>()?)
    }

    fn hold(&self, control: &Arrival, diagnostic: Diagnostic) -> Result<(), Error> {
        tracing::warn!(arrival = %control.id, feed = %control.feed, %diagnostic, "a set is held");
        self.ledger.advance(control.id, Event::Held { diagnostic })?;
        Ok(())
    }

    /// Lets held control files go on whose sets are complete.
    fn release(&self, feed: &FeedName) -> Result<(), Error> {
        for control in self.controls(feed, true)? {
            let code = control.diagnostic.as_ref().map(|told| told.code);
            let ours = matches!(code, Some(Code::H111 | Code::H112 | Code::H113));
            if !ours {
                continue;
            }
            if let Verdict::Complete(_) = self.judge(&control)? {
                let (by, reason) = ("landfall".to_owned(), "its set is complete".to_owned());
                self.ledger.advance(control.id, Event::released(by, reason))?;
            }
        }
        Ok(())
    }

    fn judge(&self, control: &Arrival) -> Result<Verdict, Error> {
        if control.size_bytes > CONTROL_BYTES_MAX {
            return Ok(Verdict::Wrong(too_large(control)));
        }
        let mut text = String::new();
        let read = match self.archive.open(&control.raw) {
            Ok(mut opened) => opened.read_to_string(&mut text),
            Err(error) => return Ok(Verdict::Wrong(out_of_reach(control, &error))),
        };
        match read {
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::InvalidData => {
                return Ok(Verdict::Wrong(unreadable(control)));
            }
            Err(error) => return Ok(Verdict::Wrong(out_of_reach(control, &error))),
        }
        let Some(named) = named(&text) else { return Ok(Verdict::Wrong(unreadable(control))) };
        let (mut members, mut missing, mut differ) = (Vec::new(), Vec::new(), Vec::new());
        for Named { name, rows } in named {
            let found = self.ledger.current(&control.sender, &control.feed, &name)?;
            let is_ready = |one: &Arrival| matches!(one.state, State::Converted | State::Raw);
            let Some(one) = found.filter(is_ready) else {
                missing.push(name.to_string());
                continue;
            };
            let has = one.conversion.as_ref().map_or(0, |made| made.written + made.rejected);
            match rows {
                Some(rows) if rows != has => differ.push((name, rows, has)),
                Some(_) | None => members.push((one.sequence, one.id)),
            }
        }
        members.sort_unstable();
        Ok(match (differ.as_slice(), missing.as_slice()) {
            ([], []) => Verdict::Complete(members.into_iter().map(|(_, id)| id).collect()),
            ([], _) => Verdict::Waits(missing),
            _ => Verdict::Wrong(rows_differ(control, &differ)),
        })
    }
}

fn incomplete(control: &Arrival, missing: &[String]) -> Diagnostic {
    let shown = missing.get(..NAMED_MAX).unwrap_or(missing).join(", ");
    let more = missing.len().saturating_sub(NAMED_MAX);
    let more = if more == 0 { String::new() } else { format!(" and {more} more") };
    let summary = format!("the set of {} is late: {shown}{more} did not come", control.name);
    Diagnostic::error(Code::H111, summary)
}

fn rows_differ(control: &Arrival, differ: &[(FileName, u64, u64)]) -> Diagnostic {
    let (name, says, has) = match differ.first() {
        Some((name, says, has)) => (name.to_string(), *says, *has),
        None => (String::new(), 0, 0),
    };
    let name_of_control = &control.name;
    let summary = format!("{name} has {has} rows, {name_of_control} says {says}");
    let told = Diagnostic::error(Code::H112, summary);
    differ.iter().skip(1).take(NAMED_MAX).fold(told, |told, (name, says, has)| {
        told.fact(name.to_string(), format!("{has} rows, not {says}"))
    })
}

fn unreadable(control: &Arrival) -> Diagnostic {
    let summary = format!("{} names no files in a form that is known", control.name);
    Diagnostic::error(Code::H113, summary)
}

fn too_large(control: &Arrival) -> Diagnostic {
    let (name, size) = (&control.name, control.size_bytes);
    let summary =
        format!("{name} has {size} bytes; a control file has at most {CONTROL_BYTES_MAX}");
    Diagnostic::error(Code::H113, summary)
}

fn out_of_reach(control: &Arrival, error: &(dyn std::error::Error + 'static)) -> Diagnostic {
    let summary = format!("{} cannot be read from the archive", control.name);
    Diagnostic::error(Code::H113, summary)
        .fact("raw object", &control.raw)
        .caused_by(error)
        .hint("`landfall verify` says what else is damaged; its set goes on once it can be read.")
}

/// What a control file says of a file.
#[derive(Debug, PartialEq)]
struct Named {
    name: FileName,
    rows: Option<u64>,
}

/// What a control file says; `None` when it is not understood.
fn named(text: &str) -> Option<Vec<Named>> {
    let all = match serde_json::from_str::<serde_json::Value>(text) {
        Ok(json) => of_json(&json)?,
        Err(_) => of_lines(text)?,
    };
    (!all.is_empty()).then_some(all)
}

fn of_json(json: &serde_json::Value) -> Option<Vec<Named>> {
    let files = json.get("files").unwrap_or(json).as_array()?;
    let one = |file: &serde_json::Value| {
        let name = file.get("name")?.as_str()?.parse().ok()?;
        let rows = match file.get("rows") {
            Some(rows) => Some(rows.as_u64()?),
            None => None,
        };
        Some(Named { name, rows })
    };
    files.iter().map(one).collect()
}

fn of_lines(text: &str) -> Option<Vec<Named>> {
    let text = text.trim_start_matches('\u{feff}');
    let lines =
        text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    let mut all = Vec::new();
    for (number, line) in lines.enumerate() {
        let parts = line.rsplit_once([',', ';', '\t']).or_else(|| line.rsplit_once(' '));
        let (name, rows) = match parts {
            Some((name, rows)) => (name, Some(rows.trim().trim_matches('"'))),
            None => (line, None),
        };
        match (rows.map(str::parse::<u64>), number) {
            (Some(Err(_)), 0) => {} // A header.
            (Some(Err(_)), _) => return None,
            (counted, _) => {
                let name = name.trim().trim_matches('"').parse().ok()?;
                all.push(Named { name, rows: counted.and_then(Result::ok) });
            }
        }
    }
    Some(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Option<Vec<(String, Option<u64>)>> {
        Some(named(text)?.into_iter().map(|one| (one.name.to_string(), one.rows)).collect())
    }

    #[test]
    fn control_files_of_several_forms_are_read() {
        let both = Some(vec![("a.csv".to_owned(), Some(3)), ("b c.csv".to_owned(), Some(0))]);
        for text in [
            "a.csv,3\nb c.csv,0\n",
            "\u{feff}file;rows\r\n\"a.csv\";3\r\n\"b c.csv\";0\r\n",
            "# set 7\na.csv\t3\n\nb c.csv\t0",
            "a.csv 3\nb c.csv 0\n",
            r#"{"files": [{"name": "a.csv", "rows": 3}, {"name": "b c.csv", "rows": 0}]}"#,
        ] {
            assert_eq!(read(text), both, "{text}");
        }
        assert_eq!(read("a.csv\n"), Some(vec![("a.csv".to_owned(), None)]));
        for text in ["", "file,rows\n", "a.csv,3\nb.csv,many\n", "{}", "[]", "../x,3\n/etc/x,1\n"] {
            assert_eq!(read(text), None, "{text}");
        }
    }
}
