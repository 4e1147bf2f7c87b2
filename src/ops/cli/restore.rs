//! `landfall restore`

use std::path::PathBuf;

use super::output::count;
use super::{Exit, Output, ZoneArgs};
use crate::clock::rfc3339_millis;
use crate::diagnostic::Diagnostic;
use crate::ops::backup::{self, Present};
use crate::zone::Zone;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The folder that `landfall backup` made
    from: PathBuf,
    /// Put a ledger that has more than the backup, or is another, aside
    #[arg(long)]
    put_present_ledger_aside: bool,
}

pub(super) fn run(args: Args, zone: &ZoneArgs, out: &Output) -> Result<Exit, Diagnostic> {
    let (folder, suffix) = (zone.folder(), zone.suffix());
    let zone = Zone::new(std::path::absolute(&folder).unwrap_or(folder));
    let present = if args.put_present_ledger_aside { Present::PutAside } else { Present::Keep };
    let restored = backup::restore(&args.from, &zone, present)?;
    if out.is_json() {
        out.object("landfall.restored/v1", &restored);
        return Ok(Exit::Ok);
    }
    let events = count(restored.about.head.events);
    let taken = rfc3339_millis(restored.about.taken_at);
    out.print(&match restored.ledger_was_there {
        true => format!("The ledger is that of the backup already, up to event {events}."),
        false => format!("The ledger is back as it was at {taken}, up to event {events}."),
    });
    if let Some(aside) = &restored.put_aside {
        out.print(&format!("The one that was there is now {}.", aside.display()));
    }
    for file in &restored.files {
        out.print(&format!("put back: {}", file.display()));
    }
    for file in &restored.differ {
        out.print(&format!("left as it is, though the backup has another: {}", file.display()));
    }
    if !restored.ledger_was_there {
        out.print(&format!(
            "Start it with `landfall serve{suffix}`. If the archive has later files, it first asks \
             for `landfall rebuild`."
        ));
    }
    Ok(Exit::Ok)
}
