//! `landfall reload`

use super::{Exit, Output, ZoneArgs};
use crate::diagnostic::{Code, Diagnostic};
use crate::ops::control::Client;

#[derive(Debug, clap::Args)]
pub(super) struct Args {}

pub(super) fn run(_: Args, zone: &ZoneArgs, out: &Output) -> Result<Exit, Diagnostic> {
    let zone = zone.find()?;
    let Some(client) = Client::find(&zone)? else {
        let told = Diagnostic::error(Code::Z106, "no server runs for this zone");
        return Err(told.hint("Nothing is to be done: the next start reads landfall.toml."));
    };
    client.reload()?;
    out.say("landfall.toml is in force. What was under way goes on as it began.");
    Ok(Exit::Ok)
}
