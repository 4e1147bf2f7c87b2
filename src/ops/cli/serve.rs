//! `landfall serve`

use std::net::SocketAddr;

use super::{Exit, ZoneArgs};
use crate::diagnostic::Diagnostic;
use crate::ops::serve;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Listen here instead of at `[sftp] listen`; port 0 lets the system choose
    #[arg(long, value_name = "ADDRESS:PORT")]
    listen: Option<SocketAddr>,
}

pub(super) fn run(args: Args, zone: &ZoneArgs) -> Result<Exit, Diagnostic> {
    let zone = zone.find()?;
    serve::run(&zone, serve::Options { listen: args.listen, ..serve::Options::default() })?;
    Ok(Exit::Ok)
}
