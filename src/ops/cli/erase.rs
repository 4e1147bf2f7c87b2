//! `landfall erase`: no copy of a file is kept any more.

use std::io::{self, IsTerminal as _};

use super::output::{counted, size};
use super::{Exit, Output, ZoneArgs, reading, words};
use crate::diagnostic::{Code, Diagnostic};
use crate::ledger::Arrival;
use crate::ops::control::Client;
use crate::ops::erase::{Erased, Wish, erase};
use crate::ops::serve::{Core, Options};
use crate::ops::who;
use crate::ops::writing::check_owner;
use crate::zone::Zone;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The file's id or SHA-256, of which the first digits are enough when unique, or its name when
    /// no other file has it
    file: String,
    /// Why; it stays in the ledger and in the tombstone, so name no one
    #[arg(long)]
    reason: String,
    /// Do not ask whether it is meant
    #[arg(long, short)]
    yes: bool,
}

pub(super) fn run(args: Args, zone: &ZoneArgs, out: &Output) -> Result<Exit, Diagnostic> {
    let zone = zone.find()?;
    let (ledger, arrival) = reading::only_arrival(&zone, &args.file)?;
    drop(ledger);
    if !args.yes {
        confirm(&arrival)?;
    }
    let wish = Wish { id: arrival.id, by: who(), reason: args.reason };
    let done = match Client::find(&zone)? {
        Some(client) => client.erase(wish)?,
        None => alone(&zone, wish)?,
    };
    if out.is_json() {
        out.object("landfall.erased/v1", &done);
    } else {
        out.print(&text(&done));
    }
    Ok(Exit::Ok)
}

/// Erases in a zone that nobody serves, and signs that it is done.
fn alone(zone: &Zone, wish: Wish) -> Result<Erased, Diagnostic> {
    check_owner(zone)?;
    let core = Core::open(zone.clone(), Options::default())?;
    let done = erase(zone, core.ledger.as_ref(), &core.eraser, wish)?;
    core.notary.sign().map_err(|error| {
        Diagnostic::error(Code::L116, "it is erased, but that is not signed yet").caused_by(&error)
    })?;
    Ok(done)
}

fn confirm(arrival: &Arrival) -> Result<(), Diagnostic> {
    if !io::stdin().is_terminal() || !io::stderr().is_terminal() {
        let told = Diagnostic::error(Code::Z107, "nobody is there to say that this is meant");
        return Err(told.hint("Say it with --yes."));
    }
    let Arrival { name, feed, sender, size_bytes, received_at, .. } = arrival;
    let (size, at) = (size(*size_bytes), words::time(*received_at));
    super::output::ask(&format!(
        "{name} of {feed}, {size}, from {sender}, received {at}: no copy of it will be left.\n\
         Type `erase` to go on: "
    ));
    let mut answer = String::new();
    let read = io::stdin().read_line(&mut answer);
    match read {
        Ok(_) if answer.trim() == "erase" => Ok(()),
        Ok(_) | Err(_) => Err(Diagnostic::error(Code::Z107, "nothing is erased")),
    }
}

fn text(done: &Erased) -> String {
    let Erased { id, name, removed, left, same_bytes, tombstone } = done;
    let mut text = format!(
        "{name} is erased: {} removed. What is left of it is {}.\n",
        counted(*removed, "file"),
        tombstone.display()
    );
    for path in left {
        text.push_str(&format!("A copy that is not ours to remove: {}\n", path.display()));
    }
    for other in same_bytes {
        text.push_str(&format!("The same bytes also came as {other}, which is not erased.\n"));
    }
    text.push_str(&format!(
        "Backups that were taken before still have it. `landfall show {id}` tells the rest.\n"
    ));
    text
}
