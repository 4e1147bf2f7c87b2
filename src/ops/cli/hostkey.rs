//! `landfall hostkey list|import|rotate|activate|retire`: the keys by which partners know the server.

use std::path::PathBuf;

use serde::Serialize;

use super::output::table;
use super::{Exit, Output, ZoneArgs, words};
use crate::clock::Timestamp;
use crate::diagnostic::{Code, Diagnostic};
use crate::ledger::Event;
use crate::ops::control::Client;
use crate::ops::hostkeys::{self, Step};
use crate::ops::who;
use crate::ops::writing::OwnLedger;
use crate::receive::sftp::keys::{self, HostKey, KeyError, Standing};

#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// The server's keys and their fingerprints
    List,
    /// Take over a private host key of another server, such as /etc/ssh/ssh_host_ed25519_key, so
    /// that partners' clients know this one; no server may be running
    Import {
        /// The private key
        file: PathBuf,
    },
    /// Make the next key. Partners are told of it by `landfall partner mail`; no connection is shown
    /// it until `activate`
    Rotate,
    /// Show the next key to new connections from now on; the one before it is kept as the old one
    Activate,
    /// Remove the old key for good, or a next one that is not wanted
    Retire,
}

#[derive(Serialize)]
struct Shown {
    kind: String,
    fingerprint: String,
    listener: &'static str,
    standing: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    since: Option<Timestamp>,
}

pub(super) fn run(command: Command, zone: &ZoneArgs, out: &Output) -> Result<Exit, Diagnostic> {
    match command {
        Command::List => list(zone, out),
        Command::Import { file } => import(zone, &file, out),
        Command::Rotate => change(zone, Step::Rotate, out),
        Command::Activate => change(zone, Step::Activate, out),
        Command::Retire => change(zone, Step::Retire, out),
    }
}

fn change(zone: &ZoneArgs, step: Step, out: &Output) -> Result<Exit, Diagnostic> {
    let suffix = zone.suffix();
    let zone = zone.find()?;
    let change = match Client::find(&zone)? {
        Some(client) => client.change_host_key(step)?,
        None => hostkeys::take(&zone, OwnLedger::open(&zone)?.ledger(), step, who())?,
    };
    out.say(&format!("Host key {change}."));
    out.say(&match step {
        Step::Rotate => format!(
            "Send every partner the new line for known_hosts: landfall partner mail NAME{suffix}\n\
             When they have it: landfall hostkey activate{suffix}"
        ),
        Step::Activate => format!(
            "New connections are shown it from now on; those that run go on.\n\
             When no partner asks any more: landfall hostkey retire{suffix}"
        ),
        Step::Retire => "It cannot come back.".to_owned(),
    });
    Ok(Exit::Ok)
}

fn list(zone: &ZoneArgs, out: &Output) -> Result<Exit, Diagnostic> {
    let zone = zone.find()?;
    let mut rows = vec![["key", "fingerprint", "listener", "is", "since"].map(str::to_owned)];
    for HostKey { line, listener, standing, since } in keys::host_keys(&zone) {
        let kind = line.split(' ').next().unwrap_or_default().to_owned();
        let fingerprint = keys::fingerprint(&line).unwrap_or_else(|| "unreadable".to_owned());
        let standing = match standing {
            Standing::InUse => "in use",
            Standing::Next => "next",
            Standing::Old => "old",
        };
        if out.is_json() {
            let shown = Shown { kind, fingerprint, listener, standing, since };
            out.object("landfall.hostkey/v1", &shown);
        } else {
            let since = since.map(words::time).unwrap_or_default();
            rows.push([kind, fingerprint, listener.to_owned(), standing.to_owned(), since]);
        }
    }
    if !out.is_json() && rows.len() > 1 {
        out.print(&table(&rows));
    } else if rows.len() == 1 {
        out.say("No host key yet; the server makes one at its first start.");
    }
    Ok(Exit::Ok)
}

fn import(zone: &ZoneArgs, file: &std::path::Path, out: &Output) -> Result<Exit, Diagnostic> {
    let zone = zone.find()?;
    let text = std::fs::read_to_string(file).map_err(|error| {
        Diagnostic::error(Code::Z105, format!("{} cannot be read", file.display()))
            .caused_by(&error)
            .hint("Host keys are readable by root only; copy it, or run this as root.")
    })?;
    // Found first: a running server would go on with the old key, and what could not be recorded
    // is not changed either.
    let own = OwnLedger::open(&zone)?;
    let imported = keys::import(&zone, &text).map_err(|error| {
        let told =
            Diagnostic::error(Code::Z107, format!("{} is no usable host key", file.display()))
                .caused_by(&error);
        match error {
            KeyError::Encrypted => {
                told.hint("Take its passphrase away from a copy: ssh-keygen -p -N '' -f COPY")
            }
            KeyError::Io { .. }
            | KeyError::Durable(_)
            | KeyError::Key { .. }
            | KeyError::Sign(_)
            | KeyError::Order(_)
            | KeyError::Kind => told,
        }
    })?;
    let change = match &imported.replaced {
        Some(old) => format!("{} imported, {old} put aside", imported.fingerprint),
        None => format!("{} imported", imported.fingerprint),
    };
    let event = Event::HostKeyChanged { by: who(), change: change.clone() };
    own.ledger().note(event).map_err(|error| {
        Diagnostic::error(Code::L101, "the key is in place, but not recorded in the ledger")
            .caused_by(&error)
    })?;
    out.say(&format!("Host key {change}. Used from the next start on."));
    if imported.only_legacy {
        out.say("Only old clients are shown it: see [sftp.legacy].");
    }
    Ok(Exit::Ok)
}
