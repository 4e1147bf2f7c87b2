//! `landfall feed …`: what a feed is, what it holds, how it came to be as it is, and how to read it.

use super::{Exit, Output, ZoneArgs, reading};
use crate::diagnostic::Diagnostic;
use crate::names::FeedName;

mod brief;
mod check;
mod dates;
mod diff;
mod excuse;
mod history;
mod look;
mod new;
mod propose;
mod questions;
mod snippet;
mod swamp;

pub(super) use dates::in_words as excuse_in_words;

#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Every feed: owner, patterns, folder, live files and rows
    List {
        /// Only those without owner, purpose, contract or a known use, with what they hold
        #[arg(long)]
        swamp: bool,
    },
    /// Make a feed: asks what a lake needs to know of it, and writes it into landfall.toml
    New(new::Args),
    /// One feed: settings, columns, dataset
    Show {
        /// Which
        feed: FeedName,
    },
    /// The live Parquet files, one path a line
    Files {
        /// Which feed
        feed: FeedName,
        /// As they were after this batch, instead of now
        #[arg(long, value_name = "SEQUENCE")]
        as_of: Option<u64>,
    },
    /// What would become of files if they were sent now; nothing is taken
    Check(check::Args),
    /// A contract from what the archive holds: types, formats, required, unique
    Propose(propose::Args),
    /// When a feed's columns and contract changed, and through whom
    History(history::Args),
    /// What is different between two states of a feed's columns, or of its contract
    Diff(diff::Args),
    /// Code that reads a feed's live rows with a tool
    Snippet(snippet::Args),
    /// Excuse a date: a file that is expected and will not come, such as on a holiday nobody listed
    Excuse(excuse::Args),
}

pub(super) fn run(command: Command, zone: &ZoneArgs, out: &Output) -> Result<Exit, Diagnostic> {
    let suffix = zone.suffix();
    let (zone, config) = zone.load()?;
    let ledger = reading::open(&zone)?;
    let ledger = ledger.as_deref();
    match command {
        Command::List { swamp: true } => return swamp::run(&config, ledger, out),
        Command::New(args) => return new::run(args, &zone, &config, &suffix, out),
        Command::List { swamp: false } => look::list(&config, ledger, out)?,
        Command::Show { feed } => look::show(&zone, &config, ledger, &feed, out)?,
        Command::Files { feed, as_of } => {
            let live = look::live(ledger, &feed, as_of)?;
            if live.is_empty() && !config.feeds.contains_key(&feed) {
                return Err(reading::no_feed(&feed));
            }
            look::files(&zone, &live, out);
        }
        Command::Check(args) => return check::run(&args, &config, ledger, out),
        Command::Propose(args) => return propose::run(&args, &zone, &config, ledger, out),
        Command::History(args) => history::run(&args, &config, ledger, out)?,
        Command::Diff(args) => return diff::run(&args, &zone, ledger, out),
        Command::Excuse(args) => return excuse::run(args, &zone, &config, out),
        Command::Snippet(args) => snippet::run(&args, &zone, &config, out)?,
    }
    Ok(Exit::Ok)
}
