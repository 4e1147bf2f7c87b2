//! `landfall batch list|close`

use serde::Serialize;

use super::output::{count, counted, table};
use super::{Exit, Output, ZoneArgs, reading, words};
use crate::clock::Timestamp;
use crate::config::{Config, When};
use crate::diagnostic::Diagnostic;
use crate::ledger::{self, Batch, BatchState, Because, Delivery, Ledger};
use crate::names::{BatchId, FeedName};
use crate::ops::closing::{self, CloseWish};
use crate::ops::control::Client;
use crate::ops::who;
use crate::ops::writing::OwnLedger;

#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// List a feed's newest batches, and what is ready for the next
    List {
        /// Which feed
        feed: FeedName,
        /// At most so many
        #[arg(long, short = 'n', default_value_t = 20)]
        limit: u32,
    },
    /// Close a feed's next batch over what is ready, whatever its rule
    Close {
        /// Which feed
        feed: FeedName,
        /// Why, for the ledger and the manifest
        #[arg(long)]
        reason: String,
    },
}

pub(super) fn run(command: Command, zone: &ZoneArgs, out: &Output) -> Result<Exit, Diagnostic> {
    match command {
        Command::List { feed, limit } => list(&feed, limit, zone, out),
        Command::Close { feed, reason } => close(feed, reason, zone, out),
    }
}

/// A batch in few words.
#[derive(Serialize)]
struct Line {
    sequence: u64,
    batch: BatchId,
    feed: FeedName,
    state: BatchState,
    closed_at: Timestamp,
    because: Option<Because>,
    published_at: Option<Timestamp>,
    files: u64,
    rows: u64,
    retracts: u64,
    deliveries: Vec<Delivery>,
}

fn list(feed: &FeedName, limit: u32, zone: &ZoneArgs, out: &Output) -> Result<Exit, Diagnostic> {
    let (zone, config) = zone.load()?;
    let Some(ledger) = reading::open(&zone)? else {
        reading::say_never_ran(out);
        return Ok(Exit::Ok);
    };
    let unreadable = |error: ledger::Error| reading::unreadable(&error);
    let ledger = ledger.as_ref();
    let lines = lines(ledger, feed, limit).map_err(unreadable)?;
    let ready = ledger.ready_now(feed).map_err(unreadable)?;
    if lines.is_empty() && ready.files == 0 && !config.feeds.contains_key(feed) {
        return Err(reading::no_feed(feed));
    }
    if out.is_json() {
        lines.iter().for_each(|line| out.object("landfall.batch/v1", line));
        return Ok(Exit::Ok);
    }
    if !lines.is_empty() {
        let heading = ["batch", "closed", "why", "files", "rows", "state"].map(str::to_owned);
        let rows: Vec<[String; 6]> =
            std::iter::once(heading).chain(lines.iter().map(row)).collect();
        out.print(&table(&rows));
    }
    let files = counted(ready.files, "file");
    out.print(&format!("Ready for the next: {files}, which {}.", rule(&config, feed)));
    Ok(Exit::Ok)
}

fn lines(ledger: &dyn Ledger, feed: &FeedName, limit: u32) -> Result<Vec<Line>, ledger::Error> {
    let after = ledger.newest_batch(feed)?.saturating_sub(u64::from(limit));
    let line = |batch: Batch| {
        let handed_off = batch.files.iter().filter(|file| file.kind != ledger::FileKind::Rejects);
        Ok(Line {
            files: batch.members.len() as u64,
            rows: handed_off.map(|file| file.rows).sum(),
            retracts: batch.retracts.len() as u64,
            deliveries: ledger.deliveries(batch.id)?,
            sequence: batch.sequence,
            batch: batch.id,
            feed: batch.feed,
            state: batch.state,
            closed_at: batch.closed_at,
            because: batch.because,
            published_at: batch.published_at,
        })
    };
    ledger.batches(feed, after, limit)?.into_iter().map(line).collect()
}

fn row(line: &Line) -> [String; 6] {
    let told = line.deliveries.iter();
    let told = told.map(|one| format!("{}: {}", one.sink, words::delivery_state(one.state)));
    let told: Vec<_> =
        std::iter::once(words::batch_state(line.state).to_owned()).chain(told).collect();
    [
        line.sequence.to_string(),
        words::time(line.closed_at),
        line.because.as_ref().map_or("-".to_owned(), words::because),
        count(line.files),
        count(line.rows),
        told.join(", "),
    ]
}

/// When a feed's next batch closes, as the end of a sentence.
fn rule(config: &Config, feed: &FeedName) -> String {
    match config.feed(feed).batch.when {
        When::Ready => "closes as soon as nothing is in flight".to_owned(),
        When::Waited(wait) => format!("closes when full, or after {} s", wait.as_secs()),
        When::Windows(windows) => {
            let ends = windows.end_after(crate::clock::Clock::system().now());
            format!("closes at {}", words::time(ends))
        }
        When::Asked => format!("waits for `landfall batch close {feed} --reason …`"),
        When::Set(_) => "closes when a set is complete".to_owned(),
    }
}

/// A batch that was closed.
#[derive(Serialize)]
struct Closed {
    feed: FeedName,
    sequence: u64,
    files: u64,
}

fn close(
    feed: FeedName,
    reason: String,
    zone: &ZoneArgs,
    out: &Output,
) -> Result<Exit, Diagnostic> {
    let (zone, config) = zone.load()?;
    let wish = CloseWish { feed: feed.clone(), by: who(), reason };
    let (sequence, files) = match Client::find(&zone)? {
        Some(client) => client.close_batch(wish)?,
        None => {
            let batch = closing::close(OwnLedger::open(&zone)?.ledger(), &config, wish)?;
            (batch.sequence, batch.members.len() as u64)
        }
    };
    if out.is_json() {
        out.object("landfall.batch-closed/v1", &Closed { feed, sequence, files });
    } else {
        let files = counted(files, "file");
        out.print(&format!("Batch {sequence} of {feed} is closed, with {files}."));
    }
    Ok(Exit::Ok)
}
