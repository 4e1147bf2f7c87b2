//! `landfall feed excuse`: a file that is expected and will not come.

use jiff::civil::Date;

use crate::clock::Clock;
use crate::config::Config;
use crate::diagnostic::Diagnostic;
use crate::names::FeedName;
use crate::ops::cli::{Exit, Output};
use crate::ops::control::Client;
use crate::ops::excuse::{Wish, apply};
use crate::ops::who;
use crate::ops::writing::OwnLedger;
use crate::zone::Zone;

#[derive(Debug, clap::Args)]
pub(in crate::ops::cli) struct Args {
    /// Which feed
    feed: FeedName,
    /// The day that the file would be about, such as 2026-12-24
    date: Date,
    /// Why, for the ledger
    #[arg(long)]
    reason: String,
}

pub(super) fn run(
    args: Args,
    zone: &Zone,
    config: &Config,
    out: &Output,
) -> Result<Exit, Diagnostic> {
    let Args { feed, date, reason } = args;
    let wish = Wish { feed, date, by: who(), reason };
    match Client::find(zone)? {
        Some(client) => client.excuse(wish.clone())?,
        None => {
            let own = OwnLedger::open(zone)?;
            apply(own.ledger(), config, Clock::system().now(), &wish)?;
        }
    }
    if out.is_json() {
        out.object("landfall.excuse/v1", &wish);
        return Ok(Exit::Ok);
    }
    let Wish { feed, date, .. } = &wish;
    out.print(&format!(
        "{feed} is excused for {date}: nobody is told that it does not come. If it does, it is taken as ever."
    ));
    Ok(Exit::Ok)
}
