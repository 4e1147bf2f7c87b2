//! `landfall feed history`: when a feed's columns and its contract changed, and through whom.

use serde::Serialize;

use crate::clock::Timestamp;
use crate::config::Config;
use crate::diagnostic::Diagnostic;
use crate::ledger::{self, Event, Ledger, Recorded, Sender};
use crate::names::{Digest, FeedName, FileName};
use crate::ops::cli::drift::{self, Revised};
use crate::ops::cli::{Output, reading, words};
use crate::receive::receipt::shown;

/// Digits of a digest that are shown; enough for every command that takes one.
pub(super) const DIGITS_SHOWN: usize = 12;

#[derive(Debug, clap::Args)]
pub(in crate::ops::cli) struct Args {
    /// Which feed
    feed: FeedName,
    /// At most so many changes of its columns, the newest
    #[arg(long, short = 'n', default_value_t = 100)]
    limit: usize,
}

/// One change.
#[derive(Serialize)]
#[serde(tag = "what", rename_all = "snake_case")]
enum Changed {
    /// Its columns are others since a file came.
    Columns {
        #[serde(flatten)]
        revised: Revised,
        name: Option<FileName>,
        sender: Option<Sender>,
    },
    /// Another contract is in force, or none any more.
    Contract(InForce),
}

/// Which contract is in force from a moment on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct InForce {
    /// Since when.
    pub(super) at: Timestamp,
    /// Which; `None` for none any more.
    pub(super) contract: Option<Digest>,
    /// Who asked for the reload; nobody at a start.
    by: Option<String>,
}

impl Changed {
    fn at(&self) -> Option<Timestamp> {
        match self {
            Self::Columns { revised, .. } => revised.at,
            Self::Contract(in_force) => Some(in_force.at),
        }
    }

    fn in_words(&self) -> String {
        match self {
            Self::Columns { revised, name, sender } => {
                let of = |(name, sender): (&FileName, &Sender)| {
                    format!("\n    by {} from {sender}, {}", shown(&name.to_string()), revised.by)
                };
                let by = name.as_ref().zip(sender.as_ref()).map(of).unwrap_or_default();
                revised.in_words() + &by
            }
            Self::Contract(InForce { contract, by, .. }) => {
                let by = by
                    .as_ref()
                    .map_or("at a start".to_owned(), |by| format!("by a reload of {}", shown(by)));
                match contract {
                    Some(digest) => format!("contract {} in force, {by}", short(digest)),
                    None => format!("no contract any more, {by}"),
                }
            }
        }
    }
}

/// The first digits of a digest.
pub(super) fn short(digest: &Digest) -> String {
    digest.to_string().chars().take(DIGITS_SHOWN).collect()
}

pub(super) fn run(
    args: &Args,
    config: &Config,
    ledger: Option<&dyn Ledger>,
    out: &Output,
) -> Result<(), Diagnostic> {
    let changes = ledger.map(|ledger| changes(ledger, args)).transpose();
    let changes = changes.map_err(|error| reading::unreadable(&error))?.unwrap_or_default();
    if changes.is_empty() && !config.feeds.contains_key(&args.feed) {
        return Err(reading::no_feed(&args.feed));
    }
    for changed in &changes {
        if out.is_json() {
            out.object("landfall.feed-history/v1", changed);
        } else {
            let at = changed.at().map_or_else(|| "-".to_owned(), words::time);
            out.print(&format!("{at}  {}", changed.in_words()));
        }
    }
    if changes.is_empty() {
        out.say("Nothing is known of its columns yet, and it never had a contract.");
    }
    Ok(())
}

/// Every change, oldest first.
fn changes(ledger: &dyn Ledger, args: &Args) -> Result<Vec<Changed>, ledger::Error> {
    let mut changes = Vec::new();
    for revised in drift::revisions(ledger, &args.feed, args.limit)? {
        let (name, sender) = ledger.arrival(revised.by)?.map(|by| (by.name, by.sender)).unzip();
        changes.push(Changed::Columns { revised, name, sender });
    }
    let contracts = contracts(&ledger.loads(&args.feed)?);
    changes.extend(contracts.into_iter().map(Changed::Contract));
    changes.sort_by_key(Changed::at);
    Ok(changes)
}

/// Which contract was in force when, oldest first, from the loads of configurations, each of which
/// is followed by the contracts that it found.
pub(super) fn contracts(loads: &[Recorded]) -> Vec<InForce> {
    let mut found: Vec<InForce> = Vec::new();
    for load in loads {
        if let Event::ConfigLoaded { by, .. } = &load.event {
            found.push(InForce { at: load.at, contract: None, by: by.clone() });
        } else if let Event::ContractLoaded { digest, .. } = &load.event
            && let Some(last) = found.last_mut()
        {
            last.contract = Some(*digest);
        }
    }
    found.dedup_by_key(|load| load.contract);
    // A feed begins without a contract; that is no change.
    let begins_without = found.first().is_some_and(|first| first.contract.is_none());
    found.into_iter().skip(usize::from(begins_without)).collect()
}
