//! `landfall receipt key`: how partners check the signatures of their receipts.

use serde::Serialize;

use super::{Exit, Output, ZoneArgs};
use crate::diagnostic::{Code, Diagnostic};
use crate::signing::{Namespace, SigningKey, allowed_signer, principal};
use crate::zone::Zone;

#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// The line of an allowed-signers file by which `ssh-keygen -Y verify` checks receipts
    Key,
}

pub(super) fn run(command: Command, zone: &ZoneArgs, out: &Output) -> Result<Exit, Diagnostic> {
    match command {
        Command::Key => {
            let (zone, config) = zone.load()?;
            let line = allowed_signer_line(&zone, &config.name)?;
            if out.is_json() {
                #[derive(Serialize)]
                struct Shown<'a> {
                    allowed_signer: &'a str,
                    identity: String,
                    namespace: &'static str,
                }
                let namespace = Namespace::Receipt.as_str();
                let identity = principal(&config.name);
                let shown = Shown { allowed_signer: &line, identity, namespace };
                out.object("landfall.receipt_key/v1", &shown);
            } else {
                out.print(&line);
            }
        }
    }
    Ok(Exit::Ok)
}

/// The zone's line; its key is made if there is none yet.
pub(super) fn allowed_signer_line(zone: &Zone, name: &str) -> Result<String, Diagnostic> {
    let key = SigningKey::open(&zone.receipt_key()).map_err(|error| {
        Diagnostic::error(Code::Z105, "the key that signs receipts cannot be used")
            .caused_by(&error)
    })?;
    Ok(allowed_signer(name, Namespace::Receipt, &key.public_line()))
}
