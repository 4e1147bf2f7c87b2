//! `landfall sink retry|skip`

use super::{Exit, Output, ZoneArgs};
use crate::diagnostic::Diagnostic;
use crate::names::{FeedName, SinkName};
use crate::ops::control::Client;
use crate::ops::stalled::{Choice, Decision, decide};
use crate::ops::who;
use crate::ops::writing::OwnLedger;

#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Send the batch that a sink is stalled at again, and go on from there
    Retry {
        #[command(flatten)]
        stalled: Stalled,
        /// Why, for the ledger
        #[arg(long, default_value = "retry")]
        reason: String,
    },
    /// Leave that batch out for this sink for ever, and go on with the next
    Skip {
        #[command(flatten)]
        stalled: Stalled,
        /// Why, for the ledger
        #[arg(long)]
        reason: String,
    },
}

#[derive(Debug, clap::Args)]
pub(super) struct Stalled {
    /// Which sink
    sink: SinkName,
    /// For which feed
    #[arg(long)]
    feed: FeedName,
}

pub(super) fn run(command: Command, zone: &ZoneArgs, out: &Output) -> Result<Exit, Diagnostic> {
    let (Stalled { sink, feed }, choice, reason) = match command {
        Command::Retry { stalled, reason } => (stalled, Choice::Retry, reason),
        Command::Skip { stalled, reason } => (stalled, Choice::Skip, reason),
    };
    let reason = format!("{reason} (by {})", who());
    let decision = Decision { sink, feed, choice, reason };
    let zone = zone.find()?;
    let delivery = match Client::find(&zone)? {
        Some(client) => client.decide(decision)?,
        None => decide(OwnLedger::open(&zone)?.ledger(), decision)?,
    };
    if out.is_json() {
        out.object("landfall.delivery/v1", &delivery);
    } else {
        let what = match choice {
            Choice::Retry => "is sent again",
            Choice::Skip => "is left out",
        };
        out.print(&format!(
            "Batch {} of {} {what} for {}.",
            delivery.sequence, delivery.feed, delivery.sink
        ));
    }
    Ok(Exit::Ok)
}
