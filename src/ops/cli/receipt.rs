//! `landfall receipt key | check`: how receipts are checked, by partners and by us.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::audit::{keys_of, text_of};
use super::{Exit, Output, ZoneArgs, words};
use crate::diagnostic::{Code, Diagnostic};
use crate::evidence::Proof;
use crate::names::{ArrivalId, Digest};
use crate::signing::{self, Namespace, SigningKey, allowed_signer, principal};
use crate::zone::Zone;

#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// The line of an allowed-signers file by which `ssh-keygen -Y verify` checks receipts
    Key,
    /// Check a receipt, the signature beside it and the proof in it
    Check {
        /// The receipt; its signature is FILE.sig
        file: PathBuf,
        /// Who may sign: an allowed-signers file or public keys, instead of the zone's key
        #[arg(long, value_name = "FILE")]
        signers: Option<PathBuf>,
    },
}

pub(super) fn run(command: Command, zone: &ZoneArgs, out: &Output) -> Result<Exit, Diagnostic> {
    match command {
        Command::Check { file, signers } => return check(&file, signers, zone, out),
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
    Ok(allowed_signer(name, &key.public_line()))
}

/// What of a receipt its proof is about.
#[derive(Deserialize)]
struct Told {
    arrival: ArrivalId,
    sha256: Digest,
    name: String,
    outcome: String,
    proof: Option<Proof>,
}

fn check(
    file: &Path,
    signers: Option<PathBuf>,
    zone: &ZoneArgs,
    out: &Output,
) -> Result<Exit, Diagnostic> {
    let keys = match signers {
        Some(signers) => signing::lines_of(&text_of(&signers)?),
        None => keys_of(&zone.find()?)?,
    };
    let wrong = |why: &str| {
        Diagnostic::error(Code::L114, format!("{} does not hold", file.display()))
            .fact("because", why)
    };
    let text = text_of(file)?;
    let mut beside = file.as_os_str().to_owned();
    beside.push(".sig");
    let signature = text_of(Path::new(&beside))?;
    let by = |key: &&String| signing::verify(key, Namespace::Receipt, text.as_bytes(), &signature);
    let key = keys.iter().find(by).ok_or_else(|| wrong("it is not signed by this zone"))?;
    let told: Told = serde_json::from_str(&text).map_err(|error| wrong(&error.to_string()))?;
    let proof = told.proof.ok_or_else(|| wrong("it has no proof"))?;
    let proven = keys.iter().find_map(|key| proof.check(key, (told.arrival, told.sha256)).ok());
    let under = match proven {
        Some(under) => under,
        None => proof.check(key, (told.arrival, told.sha256)).map_err(|e| wrong(&e.to_string()))?,
    };
    if out.is_json() {
        let (event, size) = (proof.received.event, under.size);
        out.object(
            "landfall.receipt_check/v1",
            &serde_json::json!({ "arrival": told.arrival, "event": event, "checkpoint": size }),
        );
    } else {
        out.print(&format!(
            "{} holds: {}, {}; event {} of the {} signed at {}",
            file.display(),
            told.name,
            told.outcome,
            proof.received.event,
            under.size,
            words::time(under.at),
        ));
    }
    Ok(Exit::Ok)
}
