//! `landfall feed list --swamp`: feeds that nobody could explain: without an owner, a purpose, a
//! contract, or a use that anybody knows of; with what they hold.

use std::time::Duration;

use serde::Serialize;

use super::look;
use crate::clock::{Clock, Timestamp};
use crate::config::Config;
use crate::diagnostic::Diagnostic;
use crate::ledger::{self, ArrivalQuery, DeliveryState, Holding, Ledger, State};
use crate::names::FeedName;
use crate::ops::cli::output::{count, counted, size, table};
use crate::ops::cli::{Exit, Output, reading, words};

/// The newest files whose batches are looked through for one that a sink acknowledged.
const FILES_MAX: u32 = 20;

/// What a feed lacks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Lack {
    /// It has files, and landfall.toml does not have it.
    Declaration,
    Owner,
    Purpose,
    Contract,
    /// Neither `uses` nor a sink that acknowledged one of its newest batches.
    Use,
    /// Nothing came for longer than its `freshness` allows.
    Freshness,
}

impl Lack {
    fn in_words(&self) -> &'static str {
        match self {
            Self::Declaration => "not in landfall.toml",
            Self::Owner => "owner",
            Self::Purpose => "purpose",
            Self::Contract => "contract",
            Self::Use => "known use",
            Self::Freshness => "fresh files",
        }
    }
}

/// A feed that lacks something.
#[derive(Serialize)]
struct Swampy {
    feed: FeedName,
    lacks: Vec<Lack>,
    /// Files and bytes that the archive has, and those of its live Parquet.
    files: u64,
    archive_bytes: u64,
    lake_bytes: u64,
    newest: Option<Timestamp>,
}

pub(super) fn run(
    config: &Config,
    ledger: Option<&dyn Ledger>,
    out: &Output,
) -> Result<Exit, Diagnostic> {
    let held = ledger.map(|ledger| ledger.holdings()).transpose();
    let held = held.map_err(|error| reading::unreadable(&error))?.unwrap_or_default();
    let undeclared = held.iter().filter(|held| held.files > 0).map(|held| &held.feed);
    let undeclared = undeclared.filter(|feed| !config.feeds.contains_key(*feed));
    let all: Vec<_> = config.feeds.keys().chain(undeclared).collect();
    let mut swampy = Vec::new();
    for feed in &all {
        let held = held.iter().find(|held| held.feed == **feed);
        let lacks = lacks(config, ledger, feed, held)?;
        if lacks.is_empty() {
            continue;
        }
        swampy.push(Swampy {
            feed: (*feed).clone(),
            lacks,
            files: held.map_or(0, |held| held.files),
            archive_bytes: held.map_or(0, |held| held.bytes),
            lake_bytes: look::totals(ledger, feed)?.size_bytes,
            newest: held.map(|held| held.newest),
        });
    }
    tell(&swampy, all.len(), out);
    Ok(if swampy.is_empty() { Exit::Ok } else { Exit::Problems })
}

fn lacks(
    config: &Config,
    ledger: Option<&dyn Ledger>,
    name: &FeedName,
    held: Option<&Holding>,
) -> Result<Vec<Lack>, Diagnostic> {
    let Some(feed) = config.feeds.get(name) else { return Ok(vec![Lack::Declaration]) };
    let is_used = match ledger {
        _ if !feed.uses.is_empty() => true,
        Some(ledger) => is_acknowledged(ledger, name).map_err(|e| reading::unreadable(&e))?,
        None => false,
    };
    let is_stale =
        feed.freshness.is_some_and(|age| held.is_none_or(|held| since(held.newest) > age));
    let found = [
        (Lack::Owner, feed.owner.is_none()),
        (Lack::Purpose, feed.purpose.is_none()),
        (Lack::Contract, config.contract(name).is_none()),
        (Lack::Use, !is_used),
        (Lack::Freshness, is_stale),
    ];
    Ok(found.into_iter().filter_map(|(lack, is_there)| is_there.then_some(lack)).collect())
}

fn since(at: Timestamp) -> Duration {
    Clock::system().now().duration_since(at).try_into().unwrap_or_default()
}

/// Whether a sink took one of the newest batches: those of the newest files that were handed off.
fn is_acknowledged(ledger: &dyn Ledger, feed: &FeedName) -> Result<bool, ledger::Error> {
    let query = ArrivalQuery {
        feed: Some(feed.clone()),
        states: vec![State::HandedOff],
        limit: FILES_MAX,
        ..ArrivalQuery::default()
    };
    let mut batches: Vec<_> =
        ledger.arrivals(&query)?.into_iter().filter_map(|arrival| arrival.batch).collect();
    batches.dedup();
    for batch in batches {
        let deliveries = ledger.deliveries(batch)?;
        if deliveries.iter().any(|delivery| delivery.state == DeliveryState::Acknowledged) {
            return Ok(true);
        }
    }
    Ok(false)
}

fn tell(swampy: &[Swampy], feeds: usize, out: &Output) {
    if out.is_json() {
        swampy.iter().for_each(|of| out.object("landfall.swamp/v1", of));
        return;
    }
    if swampy.is_empty() {
        out.say("Every feed has an owner, a purpose, a contract and a known use.");
        return;
    }
    let heading = ["feed", "lacks", "files", "in the archive", "in the lake", "newest file"];
    let mut rows = vec![heading.map(str::to_owned)];
    rows.extend(swampy.iter().map(|of| {
        [
            of.feed.to_string(),
            of.lacks.iter().map(Lack::in_words).collect::<Vec<_>>().join(", "),
            count(of.files),
            size(of.archive_bytes),
            size(of.lake_bytes),
            of.newest.map_or("-".to_owned(), words::time),
        ]
    }));
    out.print(&table(&rows));
    out.say(&format!(
        "{} of {} lack something. `owner`, `purpose` and `uses` stand in landfall.toml; `landfall feed \
         propose FEED --write` makes a contract.",
        swampy.len(),
        counted(feeds as u64, "feed"),
    ));
}
