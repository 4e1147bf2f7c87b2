//! `landfall demo`

use super::{Exit, Output, ZoneArgs};
use crate::diagnostic::Diagnostic;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Stop when everything is handed off, instead of serving until Ctrl-C
    #[arg(long)]
    once: bool,
}

pub(super) fn run(_: Args, _: &ZoneArgs, _: &Output) -> Result<Exit, Diagnostic> {
    Ok(Exit::Ok)
}
