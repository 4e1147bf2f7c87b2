//! What lies in `/receipts` of a partner's view, rendered when it is asked for.
//!
//! A landed file has `<name>.receipt.json`, the same as `<name>.<id>.receipt.json`, their signatures
//! in `….sig` once the outcome is final, and `<name>.problem.txt` if something is wrong. Removing any
//! of them takes all out of the listing until the outcome changes; by their names they can still be
//! read, so that one who fetches and removes one after the other misses none. What is past the time that
//! its feed keeps receipts is not listed, and whoever asks for it by its name is told that.

use super::account::Account;
use super::refusal::Refused;
use crate::clock::Timestamp;
use crate::ledger::Arrival;
use crate::ledger::Sender;
use crate::names::{ArrivalId, FileName};
use crate::receive::receipt::Papers;
use crate::receive::staging::Shelf;

const RECEIPT: &str = ".receipt.json";
const SIGNATURE: &str = ".receipt.json.sig";
const PROBLEM: &str = ".problem.txt";

/// Which text about an arrival is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Text {
    Receipt,
    Signature,
    Problem,
}

/// A path below `/receipts/<feed>/` and what follows from its end.
fn split(path: &[u8]) -> Result<(&[u8], Text), Refused> {
    let ends = [(SIGNATURE, Text::Signature), (RECEIPT, Text::Receipt), (PROBLEM, Text::Problem)];
    let stem = |(end, text): (&str, Text)| Some((path.strip_suffix(end.as_bytes())?, text));
    ends.into_iter().find_map(stem).ok_or_else(Refused::missing)
}

/// Renders what lies below `/receipts/<feed>/` and `/receipts/test/<feed>/` under a path, with the time it last changed. Slow.
///
/// # Errors
/// There is no such file, no such problem or no signature yet, or the ledger cannot be read.
pub fn render(
    account: &Account,
    shelf: &Shelf,
    path: &[u8],
) -> Result<(Vec<u8>, Timestamp), Refused> {
    let (stem, text) = split(path)?;
    let arrival = find(account, shelf, stem, text)?;
    let papers = account.desk.intake.papers(&shelf.sender(), arrival.id)?;
    if papers.is_past {
        return Err(Refused::past());
    }
    let bytes = match text {
        Text::Receipt => Some(papers.receipt),
        Text::Signature => papers.signature,
        Text::Problem => papers.problem,
    };
    Ok((bytes.ok_or_else(Refused::missing)?, papers.arrival.changed_at))
}

/// Takes the texts about an arrival out of the listing until its outcome changes. Slow.
///
/// # Errors
/// There is no such file, or the ledger cannot be written.
pub fn hide(account: &Account, shelf: &Shelf, path: &[u8]) -> Result<(), Refused> {
    let (stem, text) = split(path)?;
    let arrival = find(account, shelf, stem, text)?;
    Ok(account.desk.intake.hide_papers(&shelf.sender(), arrival.id)?)
}

/// The texts that a listing shows about a file of this name, none if they are hidden. Slow.
pub fn listed(
    account: &Account,
    sender: &Sender,
    name: &[u8],
    id: ArrivalId,
) -> Vec<(Vec<u8>, usize, Timestamp)> {
    // It may have been erased since the folder was opened.
    let Ok(papers) = account.desk.intake.papers(sender, id) else { return Vec::new() };
    if papers.is_hidden || papers.is_past {
        return Vec::new();
    }
    let Papers { receipt, signature, problem, arrival, .. } = papers;
    let size = |text: Option<Vec<u8>>| text.map(|text| text.len());
    let (receipt, signature, problem) = (receipt.len(), size(signature), size(problem));
    let texts = [
        (RECEIPT.to_owned(), Some(receipt)),
        (SIGNATURE.to_owned(), signature),
        (format!(".{id}{RECEIPT}"), Some(receipt)),
        (format!(".{id}{SIGNATURE}"), signature),
        (PROBLEM.to_owned(), problem),
    ];
    let shown = texts.into_iter().filter_map(|(end, size)| {
        Some(([name, end.as_bytes()].concat(), size?, arrival.changed_at))
    });
    shown.collect()
}

fn find(account: &Account, shelf: &Shelf, stem: &[u8], text: Text) -> Result<Arrival, Refused> {
    match visible(account, shelf, stem)? {
        Some(arrival) => Ok(arrival),
        None if text == Text::Problem => Err(Refused::missing()),
        None => by_id(account, shelf, stem),
    }
}

fn visible(account: &Account, shelf: &Shelf, name: &[u8]) -> Result<Option<Arrival>, Refused> {
    let Ok(name) = FileName::new(name) else { return Ok(None) };
    let current = account.desk.intake.current(&shelf.sender(), &shelf.feed, &name)?;
    Ok(current.filter(|arrival| !arrival.hidden))
}

/// `<name>.<arrival id>`: one version of a name.
fn by_id(account: &Account, shelf: &Shelf, stem: &[u8]) -> Result<Arrival, Refused> {
    let split = stem.iter().rposition(|b| *b == b'.').ok_or_else(Refused::missing)?;
    let (name, id) = (stem.get(..split), stem.get(split + 1..));
    let id = id.and_then(|id| std::str::from_utf8(id).ok());
    let id: ArrivalId = id.and_then(|id| id.parse().ok()).ok_or_else(Refused::missing)?;
    let arrival = account.desk.intake.arrival(&shelf.sender(), id)?;
    let is_meant = arrival.feed == shelf.feed && Some(arrival.name.as_bytes()) == name;
    if is_meant { Ok(arrival) } else { Err(Refused::missing()) }
}
