//! What lies in `/receipts` of a partner's view, rendered when it is asked for.

use super::account::Account;
use super::refusal::Refused;
use crate::clock::Timestamp;
use crate::ledger::Arrival;
use crate::names::{ArrivalId, FileName};
use crate::receive::receipt;
use crate::receive::staging::Shelf;

/// What receipts are called after the file's name.
pub const RECEIPT: &str = ".receipt.json";
/// What problem texts are called after the file's name.
pub const PROBLEM: &str = ".problem.txt";

/// Renders what lies below `/receipts/<feed>/` and `/receipts/test/<feed>/` under a path, with the time it last changed. Slow.
///
/// # Errors
/// There is no such file or no such problem, or the ledger cannot be read.
pub fn render(
    account: &Account,
    shelf: &Shelf,
    path: &[u8],
) -> Result<(Vec<u8>, Timestamp), Refused> {
    let render = |arrival: &Arrival| (receipt::json(arrival), arrival.changed_at);
    if let Some(stem) = path.strip_suffix(RECEIPT.as_bytes()) {
        if let Some(arrival) = visible(account, shelf, stem)? {
            return Ok(render(&arrival));
        }
        return Ok(render(&by_id(account, shelf, stem)?));
    }
    let stem = path.strip_suffix(PROBLEM.as_bytes()).ok_or_else(Refused::missing)?;
    let arrival = visible(account, shelf, stem)?.ok_or_else(Refused::missing)?;
    let problem = receipt::problem(&arrival).ok_or_else(Refused::missing)?;
    Ok((problem, arrival.changed_at))
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
