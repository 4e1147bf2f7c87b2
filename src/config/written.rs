//! `landfall.toml` as written becomes a valid [`Config`], or every problem of every file at once.

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

use sha2::Digest as _;

use super::problem::{Problem, Problems, Source, Wrong, read_text};
use super::reader::{self, Reader};
use super::value::{
    address, character, choice, delimiter, duration, encoding, fixed_column, glob, network,
    reference, size, some_size, text, truth, whole,
};
use super::{
    After, Audit, Complete, Config, Duplicates, Escape, Feed, FixedColumn, Folder, Format, Legacy,
    RecordEnd, SameName, Sftp, ShortLines, Verify, Workers, alert, batching, contract, expect,
    partner, pull, retain, sink,
};
use crate::durable::Durability;
use crate::names::{Digest, FeedName, FolderName};
use crate::zone::Zone;

/// How `landfall.toml` is called in messages.
const FILE: &str = "landfall.toml";

/// Folders of the zone that hold something else than files to be taken.
const RESERVED: [&str; 8] =
    [".landfall", "archive", "contracts", "lake", "partners", "rejects", "retracted", "samples"];

/// Reads and checks a zone's `landfall.toml`, every contract and every partner file.
///
/// # Errors
/// All problems of all files.
pub fn load(zone: &Zone) -> Result<Config, Problems> {
    let (mut config, mut problems, feeds) = match read_text(&zone.config_file(), FILE) {
        Ok(text) => read(FILE, &text, Some(zone.root())),
        Err(problem) => (None, vec![problem], None),
    };
    let (contracts, wrong) = contract::load_all(zone, feeds.as_deref());
    problems.extend(wrong);
    if let Some(config) = &mut config {
        config.contracts = contracts;
    }
    problems.extend(partner::check_all(zone, feeds.as_deref()));
    match config {
        Some(config) if problems.is_empty() => Ok(config),
        Some(_) | None => Err(Problems(problems)),
    }
}

/// Checks the text of a `landfall.toml`.
///
/// # Errors
/// All problems of the text.
pub fn parse(file: &str, text: &str) -> Result<Config, Problems> {
    match read(file, text, None) {
        (Some(config), problems, _) if problems.is_empty() => Ok(config),
        (_, problems, _) => Err(Problems(problems)),
    }
}

/// What was read, its problems, and the feeds that are declared (`None` when the text is not TOML).
type Read = (Option<Config>, Vec<Problem>, Option<Vec<String>>);

fn read(file: &str, text: &str, root: Option<&Path>) -> Read {
    let source = Source::new(file, text);
    let Some(table) = reader::document(&source) else {
        return (None, source.into_problems(), None);
    };
    let top = Reader::top(&source, table.get_ref());
    let declared = Declared { feeds: top.names_under("feed"), sinks: top.names_under("sink") };
    let mut config = Config {
        digest: Digest::from_bytes(sha2::Sha256::digest(text).into()),
        text: text.to_owned(),
        name: "landfall".to_owned(),
        sftp: Sftp::default(),
        folders: BTreeMap::new(),
        feeds: BTreeMap::new(),
        contracts: BTreeMap::new(),
        sinks: BTreeMap::new(),
        pulls: BTreeMap::new(),
        alerts: BTreeMap::new(),
        workers: Workers::default(),
        audit: Audit::default(),
        verify: Verify::default(),
        durability: Durability::Full,
        free_reserve: None,
    };
    if let Some(zone) = top.table("zone") {
        zone.set(&mut config.name, "name", self::text);
        zone.set(&mut config.durability, "durability", choice(DURABILITY));
        config.free_reserve = zone.get("free_reserve", size);
        zone.finish();
    }
    if let Some(sftp) = top.table("sftp") {
        config.sftp = read_sftp(sftp);
    }
    if let Some(workers) = top.table("workers") {
        config.workers = read_workers(workers);
    }
    config.sinks = sink::read_all(&top);
    config.pulls = pull::read_all(&top, &declared.feeds);
    config.alerts = alert::read_all(&top);
    if let Some(audit) = top.table("audit") {
        config.audit.publish_to = audit.get("publish_to", self::text).map(PathBuf::from);
        config.audit.publish_url = sink::read_webhook(&audit, "publish_url");
        audit.finish();
    }
    if let Some(verify) = top.table("verify") {
        config.verify = read_verify(verify);
    }
    config.feeds = read_feeds(&top, &declared, root);
    config.folders = read_folders(&top, &declared, root);
    top.finish();
    (Some(config), source.into_problems(), Some(declared.feeds))
}

/// Names that other sections may use, whether or not their own sections are valid.
struct Declared {
    feeds: Vec<String>,
    sinks: Vec<String>,
}

const DURABILITY: &[(&str, Durability)] =
    &[("full", Durability::Full), ("relaxed", Durability::Relaxed)];

fn read_legacy(table: Reader<'_, '_>) -> Option<Legacy> {
    let listen = table.get("listen", address);
    let from = table.list("from", network).unwrap_or_default();
    table.require("listen");
    if from.is_empty() {
        table.problem_at(
            "from",
            Wrong::new("`from` must name the networks that may use old algorithms"),
        );
    }
    table.finish();
    Some(Legacy { listen: listen?, from })
}

fn read_sftp(table: Reader<'_, '_>) -> Sftp {
    let mut sftp = Sftp::default();
    table.set(&mut sftp.listen, "listen", |value| address(value).map(Some));
    table.set(&mut sftp.rename_wait, "rename_wait", duration);
    table.set(&mut sftp.upload_expiry, "upload_expiry", duration);
    table.set(&mut sftp.login_timeout, "login_timeout", duration);
    table.set(&mut sftp.idle_timeout, "idle_timeout", duration);
    table.set(&mut sftp.connections_max, "connections_max", whole(1));
    table.set(&mut sftp.unauthenticated_max, "unauthenticated_max", whole(1));
    let per_address = &mut sftp.unauthenticated_per_address_max;
    table.set(per_address, "unauthenticated_per_address_max", whole(1));
    sftp.penalty_exempt = table.list("penalty_exempt", network).unwrap_or_default();
    sftp.legacy = table.table("legacy").and_then(read_legacy);
    if table.get("enabled", truth) == Some(false) {
        sftp.listen = None;
    }
    table.finish();
    sftp
}

fn read_workers(table: Reader<'_, '_>) -> Workers {
    let mut workers = Workers::default();
    table.set(&mut workers.count, "count", whole(1));
    table.set(&mut workers.memory_bytes, "memory_bytes", some_size);
    table.set(&mut workers.cpu, "cpu", duration);
    table.set(&mut workers.time, "time", duration);
    table.set(&mut workers.output_bytes, "output_bytes", some_size);
    table.set(&mut workers.files_max, "files_max", whole(1));
    table.finish();
    workers
}

fn read_verify(table: Reader<'_, '_>) -> Verify {
    let defaults = Verify::default();
    let enabled = table.get("enabled", truth).unwrap_or(true);
    let every = table.get("every", duration).or(defaults.every).filter(|_| enabled);
    let rate_limit = table.get("rate_limit", some_size).or(defaults.rate_limit);
    table.finish();
    Verify { every, rate_limit }
}

fn read_feeds(
    top: &Reader<'_, '_>,
    declared: &Declared,
    root: Option<&Path>,
) -> BTreeMap<FeedName, Feed> {
    let feeds = top.tables("feed").into_iter();
    let read = feeds.map(|(name, table)| (name, read_feed(table, declared, root)));
    read.filter_map(|(name, feed)| Some((name?, feed))).collect()
}

fn read_feed(table: Reader<'_, '_>, declared: &Declared, root: Option<&Path>) -> Feed {
    let mut feed = Feed {
        owner: table.get("owner", text),
        purpose: table.get("purpose", text),
        uses: table.list("uses", text).unwrap_or_default(),
        freshness: table.get("freshness", duration),
        personal_data: table.get("personal_data", truth),
        patterns: table.list("match", glob).unwrap_or_default(),
        sinks: table.list("sinks", reference("sink", &declared.sinks)).unwrap_or_default(),
        ..Feed::default()
    };
    table.set(&mut feed.same_name, "same_name", choice(SAME_NAME));
    table.set(&mut feed.duplicates, "duplicates", choice(DUPLICATES));
    table.set(&mut feed.complete, "complete", choice(COMPLETE));
    table.set(&mut feed.hold, "hold", duration);
    table.set(&mut feed.listed, "listed", duration);
    table.set(&mut feed.retract_grace, "retract_grace", duration);
    if let Some(batch) = table.table("batch") {
        feed.batch = batching::read(batch, feed.same_name);
    }
    if let Some(format) = table.table("format") {
        feed.format = read_format(format);
    }
    feed.retain = table.table("retain").map(retain::read).unwrap_or_default();
    if feed.batch.bounds.merge_bytes.is_some() && feed.retain.parquet.is_some() {
        table.problem_at("retain", Wrong::new(MERGED_STAYS));
    }
    feed.expect = table.table("expect").and_then(|table| expect::read(table, root));
    table.finish();
    feed
}

const MERGED_STAYS: &str = "`parquet` has no meaning beside `batch.merge`: a merged file stays as long \
    as the raw files whose rows it has. Leave one of both out";

const SAME_NAME: &[(&str, SameName)] =
    &[("append", SameName::Append), ("replace", SameName::Replace)];
const COMPLETE: &[(&str, Complete)] = &[
    ("close", Complete::Close),
    ("rename", Complete::Rename),
    ("marker", Complete::Marker),
    ("checksum", Complete::Checksum),
];
const DUPLICATES: &[(&str, Duplicates)] =
    &[("skip", Duplicates::Skip), ("process", Duplicates::Process)];

const ESCAPES: &[(&str, Escape)] =
    &[("doubled", Escape::Doubled), ("backslash", Escape::Backslash)];
const RECORD_ENDS: &[(&str, RecordEnd)] = &[("lf", RecordEnd::Lf), ("any", RecordEnd::Any)];
const SHORT_LINES: &[(&str, ShortLines)] =
    &[("reject", ShortLines::Reject), ("pad", ShortLines::Pad)];

fn read_format(table: Reader<'_, '_>) -> Format {
    let format = Format {
        encoding: table.get("encoding", encoding),
        delimiter: table.get("delimiter", delimiter),
        quote: table.get("quote", character),
        header: table.get("header", truth),
        sheets: table.list("sheets", text),
        escape: table.get("escape", choice(ESCAPES)),
        record_end: table.get("record_end", choice(RECORD_ENDS)),
        preamble: table.get("preamble", whole(0)),
        footer: table.get("footer", whole(0)),
        comment: table.get("comment", character),
        fixed: table.list("fixed", fixed_column),
        short_lines: table.get("short_lines", choice(SHORT_LINES)),
    };
    if format.short_lines.is_some() && format.fixed.is_none() {
        let why = "`short_lines` is of fixed-width text, and there is no `fixed`";
        table.problem_at("short_lines", Wrong::new(why));
    }
    if let Some(columns) = &format.fixed {
        check_fixed(columns, &format, &table);
    }
    let quote = format.quote.map(String::from);
    if format.delimiter.is_some() && format.delimiter == quote {
        table.problem_at("quote", Wrong::new("`quote` and `delimiter` are the same character"));
    }
    table.finish();
    format
}

/// A fixed-width text has columns, each with a name of its own, and no delimiters, quotes or header.
fn check_fixed(columns: &[FixedColumn], format: &Format, table: &Reader<'_, '_>) {
    if columns.is_empty() {
        table.problem_at("fixed", Wrong::new("`fixed` names no column"));
    }
    let mut names: Vec<_> = columns.iter().map(|column| column.name.to_lowercase()).collect();
    names.sort_unstable();
    let twice = names.windows(2).find_map(|pair| match pair {
        [a, b] if a == b => Some(a),
        _ => None,
    });
    if let Some(name) = twice {
        table.problem_at("fixed", Wrong::new(format!("`fixed` names the column `{name}` twice")));
    }
    let others = [
        ("delimiter", format.delimiter.is_some()),
        ("quote", format.quote.is_some()),
        ("escape", format.escape.is_some()),
        ("header", format.header.is_some()),
    ];
    for (key, _) in others.iter().filter(|(_, is_there)| *is_there) {
        let why =
            format!("`{key}` says nothing of fixed-width text; `preamble` skips a header line");
        table.problem_at(key, Wrong::new(why));
    }
}

/// Reads the folders that are written and adds `inbox/<feed>` for each feed that none of them names.
fn read_folders(
    top: &Reader<'_, '_>,
    declared: &Declared,
    root: Option<&Path>,
) -> BTreeMap<FolderName, Folder> {
    let mut folders = BTreeMap::new();
    let mut places: Vec<(PathBuf, String)> = Vec::new();
    for (name, table) in top.tables::<FolderName>("folder") {
        let title = name.as_ref().map_or_else(String::new, ToString::to_string);
        let path = table.get("path", text).map(PathBuf::from);
        match path.as_deref().map(|path| place(path, root)) {
            Some(Ok(place)) => {
                check_apart(&table, &place, &places);
                places.push((place, title));
            }
            Some(Err(wrong)) => table.problem_at("path", wrong),
            None => {}
        }
        let folder = read_folder(&table, path, declared);
        table.finish();
        folders.extend(name.zip(folder));
    }
    for (name, table) in top.tables::<FeedName>("feed") {
        let Some(feed) = name else { continue };
        if folders.values().any(|folder| folder.feed == feed) {
            continue;
        }
        let path = Path::new("inbox").join(feed.as_str());
        check_apart(&table, &path, &places);
        match format!("inbox-{feed}").parse::<FolderName>() {
            Ok(name) => {
                folders.entry(name).or_insert(Folder::new(path, feed));
            }
            Err(_) => table.problem(Wrong::new(
                "a feed with a folder of its own in inbox/ has a name of at most 57 characters",
            )),
        }
    }
    folders
}

fn read_folder(
    table: &Reader<'_, '_>,
    path: Option<PathBuf>,
    declared: &Declared,
) -> Option<Folder> {
    let feed = table.get("feed", reference("feed", &declared.feeds));
    let after = table.get("after", choice(AFTER));
    let notify = table.get("notify", truth);
    let scan_every = table.get("scan_every", duration);
    let quiet = table.get("quiet", duration);
    let quiet_unproven = table.get("quiet_unproven", duration);
    let keep_done = table.get("keep_done", duration);
    for key in ["path", "feed"] {
        if !table.has(key) {
            table.problem(Wrong::new(format!("a folder needs `{key}`")));
        }
    }
    let default = Folder::new(path?, feed?);
    Some(Folder {
        after: after.unwrap_or(default.after),
        notify: notify.unwrap_or(default.notify),
        scan_every: scan_every.unwrap_or(default.scan_every),
        quiet: quiet.unwrap_or(default.quiet),
        quiet_unproven,
        keep_done: keep_done.unwrap_or(default.keep_done),
        ..default
    })
}

const AFTER: &[(&str, After)] = &[("move", After::Move), ("keep", After::Keep)];

/// The folder's place without `.` and `..`, relative to the zone where it lies in it. Two spellings
/// of one place must meet here, or two watchers would take each other's files.
fn place(path: &Path, root: Option<&Path>) -> Result<PathBuf, Wrong> {
    let mut place = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => {
                if !place.pop() {
                    let why = "`path` leads out of the zone; write it from `/` on";
                    return Err(Wrong::new(why));
                }
            }
            Component::Normal(_) | Component::RootDir | Component::Prefix(_) => place.push(part),
        }
    }
    if let Some(inside) = root.and_then(|root| place.strip_prefix(root).ok()) {
        place = inside.to_owned();
    }
    let first = place.components().next();
    let reserved = RESERVED.iter().find(|name| first.is_some_and(|f| *f.as_os_str() == ***name));
    match (first, reserved) {
        (None, _) => Err(Wrong::new("`path` is the zone itself; use a folder such as `inbox/…`")),
        (Some(_), Some(name)) => {
            Err(Wrong::new(format!("`path` lies in `{name}/`, which the zone keeps for itself")))
        }
        (Some(_), None) => Ok(place),
    }
}

fn check_apart(table: &Reader<'_, '_>, place: &Path, others: &[(PathBuf, String)]) {
    for (other, name) in others {
        let how = if place == other {
            "is also the path of"
        } else if place.starts_with(other) {
            "lies inside the path of"
        } else if other.starts_with(place) {
            "contains the path of"
        } else {
            continue;
        };
        let message = format!("`{}` {how} [folder.{name}]", place.display());
        table.problem_at("path", Wrong::new(message));
    }
}
