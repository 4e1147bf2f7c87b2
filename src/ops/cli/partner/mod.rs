//! `landfall partner add|list|show|mail|key|disable`

use super::{Exit, Output, ZoneArgs};
use crate::config::{Partner, PartnerError, partner};
use crate::diagnostic::{Code, Diagnostic};
use crate::durable::Durability;
use crate::ledger::Event;
use crate::names::PartnerName;
use crate::ops::control::Client;
use crate::ops::diagnostic::of_problems;
use crate::ops::writing::OwnLedger;
use crate::zone::Zone;

mod add;
mod key;
mod key_file;
mod letter;
mod look;

#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Add an account, or keys and feeds to one; live at once
    Add(add::Args),
    /// Every account
    List,
    /// One account
    Show {
        /// Which
        name: PartnerName,
    },
    /// What to tell the partner: where to connect, how to know the server, where files go
    Mail {
        /// Which
        name: PartnerName,
        /// How partners reach this server
        #[arg(long, value_name = "HOST")]
        host: Option<String>,
    },
    /// Take a key away or give it an end
    #[command(subcommand)]
    Key(key::Command),
    /// End an account's sessions and refuse its logins from now on; `partner add NAME` lets it in again
    Disable {
        /// Which
        name: PartnerName,
    },
}

pub(super) fn run(command: Command, zone: &ZoneArgs, out: &Output) -> Result<Exit, Diagnostic> {
    match command {
        Command::Add(args) => add::run(args, zone, out)?,
        Command::List => look::list(&zone.find()?, out)?,
        Command::Show { name } => look::show(&zone.find()?, &name, out)?,
        Command::Mail { name, host } => {
            let (zone, config) = zone.load()?;
            let account = load(&zone, &name)?;
            out.print(&letter::text(&zone, &config, &account, host.as_deref())?);
        }
        Command::Key(command) => key::run(command, zone, out)?,
        Command::Disable { name } => {
            let zone = zone.find()?;
            let mut account = load(&zone, &name)?;
            account.disabled = true;
            save(&zone, &account, "disabled")?;
            out.say(&format!("Partner {name} can no longer log in."));
            if out.is_json() {
                look::show(&zone, &name, out)?;
            }
        }
    }
    Ok(Exit::Ok)
}

/// The account as written now.
fn load(zone: &Zone, name: &PartnerName) -> Result<Partner, Diagnostic> {
    partner::load(zone, name).map_err(|error| match &error {
        PartnerError::Unknown(_) => Diagnostic::error(Code::Z104, error.to_string())
            .hint("See `landfall partner list`; `landfall partner add` makes one."),
        PartnerError::Problems(problems) => of_problems(problems),
        PartnerError::Io { .. } => {
            Diagnostic::error(Code::Z105, format!("partner {name} cannot be read"))
                .caused_by(&error)
        }
    })
}

/// Writes the account, which is live from then on, and records who changed what.
fn save(zone: &Zone, account: &Partner, change: &str) -> Result<(), Diagnostic> {
    // Found first: what could not be recorded is not changed either.
    let recorder = Recorder::find(zone)?;
    let path = zone.partner_file(&account.name);
    let text = partner::render(account);
    let durability = Durability::Full;
    durability
        .create_folders(&zone.partners())
        .and_then(|()| durability.replace_setting(&path, text.as_bytes()))
        .map_err(|error| {
            Diagnostic::error(Code::Z105, format!("partner {} cannot be saved", account.name))
                .caused_by(&error)
        })?;
    recorder.record(&account.name, change)
}

/// Who writes the change into the ledger.
enum Recorder {
    /// The running server.
    Server(Client),
    /// This process, since none runs.
    Own(Box<OwnLedger>),
}

impl Recorder {
    fn find(zone: &Zone) -> Result<Self, Diagnostic> {
        match Client::find(zone)? {
            Some(client) => Ok(Self::Server(client)),
            None => Ok(Self::Own(Box::new(OwnLedger::open(zone)?))),
        }
    }

    fn record(&self, partner: &PartnerName, change: &str) -> Result<(), Diagnostic> {
        let own = match self {
            Self::Server(client) => return client.partner_changed(partner, change),
            Self::Own(own) => own.ledger(),
        };
        let (partner, by, change) = (partner.clone(), crate::ops::who(), change.to_owned());
        own.note(Event::PartnerChanged { partner, by, change }).map_err(|error| {
            Diagnostic::error(Code::L101, "the account is saved, but not recorded in the ledger")
                .caused_by(&error)
        })
    }
}
