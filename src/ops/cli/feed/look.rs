//! `landfall feed list|show|files`: every feed, one feed, the files that are its rows.

use serde::Serialize;

use super::{brief, dates};

use crate::config::{Config, Feed};
use crate::diagnostic::Diagnostic;
use crate::ledger::{self, BatchFile, FileKind, Ledger, LiveTotals, Share};
use crate::names::{ArrivalId, Digest, FeedName};
use crate::ops::cli::drift::{self, Drifted, Revised};
use crate::ops::cli::output::{count, counted, size, table};
use crate::ops::cli::report::block;
use crate::ops::cli::{Output, reading};
use crate::schema::LearnedSchema;
use crate::zone::Zone;

/// Batches read at a time when the newest is looked for.
const BATCHES_AT_A_TIME: u32 = 10_000;

pub(super) fn live(
    ledger: Option<&dyn Ledger>,
    feed: &FeedName,
    as_of: Option<u64>,
) -> Result<Vec<BatchFile>, Diagnostic> {
    let files = ledger.map(|ledger| ledger.live_files(feed, as_of)).transpose();
    let files = files.map_err(|error| reading::unreadable(&error))?.unwrap_or_default();
    Ok(files.into_iter().filter(|file| file.kind == FileKind::Parquet).collect())
}

/// What they come to.
pub(super) fn totals(
    ledger: Option<&dyn Ledger>,
    feed: &FeedName,
) -> Result<LiveTotals, Diagnostic> {
    let totals = ledger.map(|ledger| ledger.live_totals(feed)).transpose();
    Ok(totals.map_err(|error| reading::unreadable(&error))?.unwrap_or_default())
}

#[derive(Serialize)]
struct Listed<'a> {
    feed: &'a FeedName,
    owner: Option<&'a str>,
    purpose: Option<&'a str>,
    uses: &'a [String],
    personal_data: Option<bool>,
    #[serde(rename = "match")]
    patterns: &'a [String],
    folders: Vec<String>,
    sinks: Vec<String>,
    version: Option<u32>,
    live_files: u64,
    live_rows: u64,
    live_bytes: u64,
}

fn listed<'a>(
    config: &'a Config,
    ledger: Option<&dyn Ledger>,
    name: &'a FeedName,
    feed: &'a Feed,
) -> Result<Listed<'a>, Diagnostic> {
    let live = totals(ledger, name)?;
    let learned = ledger.map(|ledger| ledger.learned(name)).transpose();
    let learned = learned.map_err(|error| reading::unreadable(&error))?.flatten();
    let folders = config.folders.values().filter(|folder| folder.feed == *name);
    Ok(Listed {
        feed: name,
        owner: feed.owner.as_deref(),
        purpose: feed.purpose.as_deref(),
        uses: &feed.uses,
        personal_data: feed.personal_data,
        patterns: &feed.patterns,
        folders: folders.map(|folder| folder.path.display().to_string()).collect(),
        sinks: feed.sinks.iter().map(ToString::to_string).collect(),
        version: learned.map(|learned| learned.version),
        live_files: live.files,
        live_rows: live.rows,
        live_bytes: live.size_bytes,
    })
}

pub(super) fn list(
    config: &Config,
    ledger: Option<&dyn Ledger>,
    out: &Output,
) -> Result<(), Diagnostic> {
    let heading =
        ["feed", "owner", "match", "drop folder", "sinks", "columns", "live files", "rows"];
    let mut rows = vec![heading.map(str::to_owned)];
    for (name, feed) in &config.feeds {
        let listed = listed(config, ledger, name, feed)?;
        if out.is_json() {
            out.object("landfall.feed/v1", &listed);
        }
        rows.push([
            name.to_string(),
            listed.owner.unwrap_or("-").to_owned(),
            patterns(listed.patterns),
            listed.folders.join(", "),
            if listed.sinks.is_empty() { "-".to_owned() } else { listed.sinks.join(", ") },
            columns(config, name, listed.version),
            count(listed.live_files),
            count(listed.live_rows),
        ]);
    }
    match (out.is_json(), config.feeds.is_empty()) {
        (true, _) => {}
        (false, true) => out.say("landfall.toml has no [feed.<name>] yet."),
        (false, false) => out.print(&table(&rows)),
    }
    Ok(())
}

/// Where the columns come from: `learned, v2`, `contract, v1`, `-`.
fn columns(config: &Config, feed: &FeedName, version: Option<u32>) -> String {
    let version = version.map(|version| format!("v{version}"));
    let from = match (config.contract(feed), &version) {
        (Some(_), _) => "contract",
        (None, Some(_)) => "learned",
        (None, None) => "-",
    };
    std::iter::once(from.to_owned()).chain(version).collect::<Vec<_>>().join(", ")
}

fn patterns(patterns: &[String]) -> String {
    if patterns.is_empty() { "every name".to_owned() } else { patterns.join(", ") }
}

pub(super) fn show(
    zone: &Zone,
    config: &Config,
    ledger: Option<&dyn Ledger>,
    name: &FeedName,
    out: &Output,
) -> Result<(), Diagnostic> {
    #[derive(Serialize)]
    struct Shown<'a> {
        #[serde(flatten)]
        listed: Listed<'a>,
        batches: u64,
        contract: Option<Digest>,
        learned: Option<LearnedSchema>,
        revisions: Vec<Revised>,
        drift: Vec<Drifted>,
        dates: Vec<dates::Dated>,
    }
    let feed = config.feeds.get(name).ok_or_else(|| reading::no_feed(name))?;
    let listed = listed(config, ledger, name, feed)?;
    let contract = config.contract(name).map(|contract| contract.digest);
    let mut shown = Shown {
        listed,
        batches: 0,
        contract,
        learned: None,
        revisions: Vec::new(),
        drift: Vec::new(),
        dates: Vec::new(),
    };
    if let Some(ledger) = ledger {
        let failed = |error: ledger::Error| reading::unreadable(&error);
        shown.batches = newest_batch(ledger, name).map_err(failed)?;
        shown.learned = ledger.learned(name).map_err(failed)?;
        shown.revisions = drift::revisions(ledger, name, drift::SHOWN_MAX).map_err(failed)?;
        shown.drift = drift::recent(ledger, name).map_err(failed)?;
        shown.dates = dates::of(ledger, name).map_err(failed)?;
    }
    if out.is_json() {
        out.object("landfall.feed/v1", &shown);
        return Ok(());
    }
    let Shown { listed, batches, contract, learned, revisions, drift, dates } = shown;
    let dataset = format!(
        "{}, {}, {}; newest batch {batches}",
        counted(listed.live_files, "live file"),
        counted(listed.live_rows, "row"),
        size(listed.live_bytes)
    );
    let more = [
        ["match", &patterns(listed.patterns)],
        ["drop folder", &listed.folders.join(", ")],
        ["sinks", &listed.sinks.join(", ")],
        ["contract", &contract.map_or("-".to_owned(), |digest| digest.to_string())],
        ["dataset", &dataset],
    ];
    let more = more.map(|fact| fact.map(str::to_owned));
    let facts: Vec<_> = brief::about(feed).into_iter().chain(more).collect();
    let facts: String = table(&facts).lines().map(|line| format!("  {line}\n")).collect();
    let schema = schema(zone, name, learned.as_ref());
    let history = drift::history(&revisions) + &drift::text(&drift) + &dates::text(&dates);
    out.print(&format!("{name}\n{facts}{schema}{history}"));
    Ok(())
}

/// The sequence of a feed's newest batch; 0 for none.
fn newest_batch(ledger: &dyn Ledger, feed: &FeedName) -> Result<u64, ledger::Error> {
    let mut newest = 0;
    loop {
        match ledger.batches(feed, newest, BATCHES_AT_A_TIME)?.last() {
            Some(last) => newest = last.sequence,
            None => return Ok(newest),
        }
    }
}

fn schema(zone: &Zone, feed: &FeedName, learned: Option<&LearnedSchema>) -> String {
    let Some(learned) = learned else { return String::new() };
    let columns = learned.columns.iter().map(|column| [column.name.clone(), column.type_words()]);
    let heading = format!("columns of v{}, revision {}", learned.version, learned.revision);
    let glob = zone.lake().join(feed.as_str()).join(format!("v{}/*/*.parquet", learned.version));
    let query = format!("select * from '{}'", glob.display());
    block(&heading, &table(&columns.collect::<Vec<_>>())) + &block("query", &query)
}

#[derive(Serialize)]
struct LiveFile<'a> {
    path: String,
    rows: u64,
    size_bytes: u64,
    digest: Digest,
    version: Option<&'a str>,
    /// Nothing when it has the rows of several.
    arrival: Option<ArrivalId>,
    #[serde(skip_serializing_if = "<[Share]>::is_empty")]
    parts: &'a [Share],
}

pub(super) fn files(zone: &Zone, live: &[BatchFile], out: &Output) {
    for file in live {
        let path = zone.root().join(file.to.as_str()).display().to_string();
        if !out.is_json() {
            out.print(&path);
            continue;
        }
        let (rows, size_bytes, digest) = (file.rows, file.size_bytes, file.digest);
        let version = file.to.as_str().split('/').nth(2);
        let parts = file.parts.as_slice();
        let arrival = parts.is_empty().then_some(file.arrival);
        let live = LiveFile { path, rows, size_bytes, digest, version, arrival, parts };
        out.object("landfall.file/v1", &live);
    }
}
