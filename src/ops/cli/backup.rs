//! `landfall backup`

use std::path::PathBuf;

use super::output::{count, size};
use super::{Exit, Output, ZoneArgs, reading};
use crate::clock::rfc3339_millis;
use crate::diagnostic::{Code, Diagnostic};
use crate::ops::backup;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// A new folder for it
    to: PathBuf,
}

pub(super) fn run(args: Args, zone: &ZoneArgs, out: &Output) -> Result<Exit, Diagnostic> {
    let zone = zone.find()?;
    if reading::open(&zone)?.is_none() {
        reading::say_never_ran(out);
        return Ok(Exit::NotFound);
    }
    let bar = out.rows_bar("ledger", 0);
    // `backup today` names a folder without saying in which.
    let to = std::path::absolute(&args.to).map_err(|error| {
        Diagnostic::error(Code::A120, format!("{} cannot be used", args.to.display()))
            .caused_by(&error)
    })?;
    let made = backup::make(&zone, &to, &mut |done, all| {
        bar.set_length(all);
        bar.set_position(done);
    });
    bar.finish_and_clear();
    let made = made?;
    if out.is_json() {
        out.object("landfall.backup/v1", &made);
        return Ok(Exit::Ok);
    }
    out.print(&format!(
        "{}: the ledger up to event {} ({}), {} of configuration and keys, taken {}\n\
         The archive and the lake are not in it. Their files never change: copy archive/ and lake/\n\
         now, for example with `rsync -aX`.",
        made.backup.display(),
        count(made.about.head.events),
        size(made.ledger_bytes),
        super::output::counted(made.files as u64, "file"),
        rfc3339_millis(made.about.taken_at),
    ));
    Ok(Exit::Ok)
}
