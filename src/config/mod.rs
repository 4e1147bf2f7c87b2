//! What `landfall.toml`, the contracts and the partner files say, as valid values.
//!
//! Two steps: *as written* (the `written` module: TOML with positions, all problems of all files
//! at once, each with `file:line:column` and a suggestion) becomes *valid* (the types here, which
//! cannot hold a wrong value). Every key is optional; an empty `landfall.toml` is a working zone.
//!
//! Partner files are read at every login, so that `partner add` and `partner disable` are live at
//! once. `landfall.toml` and `contracts/<feed>.toml` ([`contract`]) are read at start and at every
//! reload; [`Live`] is the one in force.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use ipnet::IpNet;

use crate::contract::Contract;
use crate::durable::Durability;
use crate::ledger::{SidecarKind, SidecarName};
use crate::names::{
    AlertName, Digest, FeedName, FileName, FolderName, PartnerName, PullName, SinkName,
};

mod alert;
mod batching;
pub mod contract;
mod expect;
mod glob;
mod live;
mod new_feed;
pub mod partner;
mod problem;
mod pull;
mod reader;
mod retain;
mod sink;
mod value;
mod written;

pub use alert::{Alert, Way};
pub use batching::{Batching, Ends, Set, Wants, When, Windows};
pub use contract::Written;
pub use expect::{Beside, Expect};
pub use live::{Live, needing_restart};
pub use new_feed::{Card, NotAdded, spelled, with_feed};
pub use partner::Partner;
pub use problem::{Problem, Problems};
pub use pull::Pull;
pub use retain::{Retain, period};
pub use sink::{Copies, Nats, Postgres, Secret, Sink, SinkKind, Success, Tls, Webhook};
pub(crate) use value::{bytes, end_of, lasting};
pub use written::{load, parse};

/// A zone's configuration, valid as a whole.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// SHA-256 of the text it was read from.
    pub digest: Digest,
    /// The text of `landfall.toml`, which is kept in the archive under its digest.
    pub text: String,
    /// The zone's name in receipts, manifests and events; `[zone] name`, default `landfall`.
    pub name: String,
    /// The SFTP door.
    pub sftp: Sftp,
    /// How files are taken out of drop folders, and which.
    pub folders: BTreeMap<FolderName, Folder>,
    /// The feeds.
    pub feeds: BTreeMap<FeedName, Feed>,
    /// Contracts by feed.
    pub contracts: BTreeMap<FeedName, Written>,
    /// The sinks.
    pub sinks: BTreeMap<SinkName, Sink>,
    /// The pulls.
    pub pulls: BTreeMap<PullName, Pull>,
    /// The alerts.
    pub alerts: BTreeMap<AlertName, Alert>,
    /// Converter workers.
    pub workers: Workers,
    /// The ledger as evidence.
    pub audit: Audit,
    /// Reading what is kept again.
    pub verify: Verify,
    /// `[zone] durability = "full" | "relaxed"`.
    pub durability: Durability,
    /// `[zone] free_reserve`, default 1 GiB or a twentieth of the disk if that is less: bytes that
    /// uploads leave free.
    pub free_reserve: Option<u64>,
}

/// `[sftp]`: the SFTP listener.
#[derive(Debug, Clone, PartialEq)]
pub struct Sftp {
    /// `listen`, default `127.0.0.1:2222`; port 0 lets the system choose. `enabled = false` closes
    /// the door: then `None`.
    pub listen: Option<SocketAddr>,
    /// `rename_wait`, default 24 h: how long a closed upload under a temporary name waits for its
    /// rename before it is archived and held, a file for the marker or checksum that its feed wants
    /// before it is held, and a sidecar for its file before that is told.
    pub rename_wait: Duration,
    /// `upload_expiry`, default 7 days: how long an unclosed upload waits to be resumed.
    pub upload_expiry: Duration,
    /// `login_timeout`, default 30 s: time to authenticate, whatever is sent.
    pub login_timeout: Duration,
    /// `connections_max`, default 1000.
    pub connections_max: u32,
    /// `unauthenticated_max`, default 100.
    pub unauthenticated_max: u32,
    /// `unauthenticated_per_address_max`, default 20.
    pub unauthenticated_per_address_max: u32,
    /// `penalty_exempt = ["10.0.0.0/8"]`, default none: networks that are never turned away for
    /// what came from them, such as the address that many partners share.
    pub penalty_exempt: Vec<IpNet>,
    /// `idle_timeout`, default 15 min.
    pub idle_timeout: Duration,
    /// `[sftp.legacy]`: a second listener for old clients; none by default.
    pub legacy: Option<Legacy>,
}

/// `[sftp.legacy]`: a listener with older algorithms, for few addresses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Legacy {
    /// `listen`: its own address.
    pub listen: SocketAddr,
    /// `from = ["10.1.2.0/24"]`: networks that may use it.
    pub from: Vec<IpNet>,
}

impl Default for Sftp {
    fn default() -> Self {
        Self {
            listen: Some(SocketAddr::from(([127, 0, 0, 1], 2222))),
            rename_wait: Duration::from_secs(24 * 3600),
            upload_expiry: Duration::from_secs(7 * 24 * 3600),
            login_timeout: Duration::from_secs(30),
            connections_max: 1000,
            unauthenticated_max: 100,
            unauthenticated_per_address_max: 20,
            penalty_exempt: Vec::new(),
            idle_timeout: Duration::from_secs(15 * 60),
            legacy: None,
        }
    }
}

/// `[folder.<name>]`: a watched drop folder. A feed that no folder names is given `inbox/<feed>`,
/// as folder `inbox-<feed>`.
#[derive(Debug, Clone, PartialEq)]
pub struct Folder {
    /// `path`, absolute or relative to the zone.
    pub path: PathBuf,
    /// `feed`: whose files land here.
    pub feed: FeedName,
    /// `after = "move" | "keep"`, default move.
    pub after: After,
    /// `notify`, default true: whether to listen for change hints; without, only scans find files.
    pub notify: bool,
    /// `scan_every`, default 30 s: how often the whole folder is looked at.
    pub scan_every: Duration,
    /// `quiet`, default 2 s: how long a file must be unchanged where a lease proves that nobody
    /// writes it.
    pub quiet: Duration,
    /// `quiet_unproven`, default 10 s (60 s on a network file system): the same where no lease can
    /// be had.
    pub quiet_unproven: Option<Duration>,
    /// `keep_done`, default 30 days: how long `_done` and `_rejected` keep a file.
    pub keep_done: Duration,
}

impl Folder {
    /// A folder with the default settings.
    pub fn new(path: PathBuf, feed: FeedName) -> Self {
        Self {
            path,
            feed,
            after: After::Move,
            notify: true,
            scan_every: Duration::from_secs(30),
            quiet: Duration::from_secs(2),
            quiet_unproven: None,
            keep_done: Duration::from_secs(30 * 24 * 3600),
        }
    }
}

/// What becomes of a taken file in its drop folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum After {
    /// It moves to `_done` or `_rejected`.
    Move,
    /// It stays; a changed file is taken again.
    Keep,
}

/// `[feed.<name>]`: a named stream of files of one kind.
#[derive(Debug, Clone, PartialEq)]
pub struct Feed {
    /// `owner`: the inside team that answers for it.
    pub owner: Option<String>,
    /// `purpose`: why it exists.
    pub purpose: Option<String>,
    /// `uses = ["the finance dashboard"]`: who reads it, for what.
    pub uses: Vec<String>,
    /// `freshness = "1d"`: how old its newest file may be; [`Self::expect`] is what raises alarms.
    pub freshness: Option<Duration>,
    /// `personal_data = true | false`: whether there are data of persons in it.
    pub personal_data: Option<bool>,
    /// `match = ["orders_*.csv"]`: glob patterns (`*`, `?`, `[…]`, without regard to case) on the
    /// name's last part; none means every name. A name that ends like a sidecar (`.ok`, `.done`,
    /// `.md5`, `.sha1`, `.sha256`) is one, unless a pattern ends in just that, as `*.ok` does.
    pub patterns: Vec<String>,
    /// `same_name = "append" | "replace"`, default append.
    pub same_name: SameName,
    /// `duplicates = "skip" | "process"`, default skip.
    pub duplicates: Duplicates,
    /// `complete = "close" | "rename" | "marker" | "checksum"`, default close: what says that a file
    /// is whole. `rename` is for SFTP and SCP, whose clients may close a file that is cut off: what
    /// was never renamed is held. With `marker` a file goes on when `NAME.ok` or `NAME.done` is
    /// there, with `checksum` when `NAME.md5`, `NAME.sha1` or `NAME.sha256` is there and agrees.
    pub complete: Complete,
    /// `hold`, default 0 s: how long a received file waits before it goes on; the same name sent
    /// again meanwhile takes its place.
    pub hold: Duration,
    /// `listed`, default 90 days: how long a landed file is in its sender's listing.
    pub listed: Duration,
    /// `[feed.<name>.batch]`: when its batches close, and how much they hold.
    pub batch: Batching,
    /// `retract_grace`, default 5 min: how long a retracted file stays in the lake.
    pub retract_grace: Duration,
    /// `sinks = ["name"]`.
    pub sinks: Vec<SinkName>,
    /// `[feed.<name>.format]`: what detection must not guess.
    pub format: Format,
    /// `[feed.<name>.retain]`: how long the zone keeps what it brought; for ever by default.
    pub retain: Retain,
    /// `[feed.<name>.expect]`: when its files are due; none by default.
    pub expect: Option<Expect>,
}

impl Default for Feed {
    fn default() -> Self {
        Self {
            owner: None,
            purpose: None,
            uses: Vec::new(),
            freshness: None,
            personal_data: None,
            patterns: Vec::new(),
            same_name: SameName::Append,
            duplicates: Duplicates::Skip,
            complete: Complete::Close,
            hold: Duration::ZERO,
            listed: Duration::from_secs(90 * 24 * 3600),
            batch: Batching::default(),
            retract_grace: Duration::from_secs(300),
            sinks: Vec::new(),
            format: Format::default(),
            expect: None,
            retain: Retain::default(),
        }
    }
}

/// What says that a file is whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Complete {
    /// Its sender closed it.
    Close,
    /// Its sender renamed it after that.
    Rename,
    /// A marker is there.
    Marker,
    /// A checksum is there and agrees.
    Checksum,
}

/// What happens when the same name comes with other bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SameName {
    /// Both stay in the dataset.
    Append,
    /// The older one is retracted.
    Replace,
}

/// What happens when the same name comes with the same bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Duplicates {
    /// It is recorded and not handed off again.
    Skip,
    /// It is handed off again.
    Process,
}

/// What a feed says of its files' form; what it leaves out is detected.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Format {
    /// `encoding`: a WHATWG encoding label such as `utf-8` or `windows-1252`.
    pub encoding: Option<String>,
    /// `delimiter`: one character or several, at most 16 bytes.
    pub delimiter: Option<String>,
    /// `quote`: one ASCII character.
    pub quote: Option<char>,
    /// `header`: whether the first record names the columns.
    pub header: Option<bool>,
    /// `sheets`: names of the sheets to take from a workbook.
    pub sheets: Option<Vec<String>>,
    /// `escape = "doubled" | "backslash"`: how a quote stands inside a quoted field.
    #[serde(default)]
    pub escape: Option<Escape>,
    /// `record_end = "lf" | "any"`: `lf` is LF and CRLF, `any` is CR as well.
    #[serde(default)]
    pub record_end: Option<RecordEnd>,
    /// `preamble`: lines before the header that are not of the table.
    #[serde(default)]
    pub preamble: Option<u32>,
    /// `footer`: records at the end that are not of the table.
    #[serde(default)]
    pub footer: Option<u32>,
    /// `comment`: the ASCII character that lines begin with that are not of the table.
    #[serde(default)]
    pub comment: Option<char>,
    /// `fixed = ["id:6", "name:20"]`: the columns of a fixed-width text, which has no delimiters.
    #[serde(default)]
    pub fixed: Option<Vec<FixedColumn>>,
    /// `short_lines = "reject" | "pad"`, default `reject`: what becomes of lines of a fixed-width text
    /// that end before their last column.
    #[serde(default)]
    pub short_lines: Option<ShortLines>,
}

/// What becomes of lines of a fixed-width text that end before their last column.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ShortLines {
    /// They are rejects: something may be missing.
    Reject,
    /// They lost their blanks on the way, as the FTP server of z/OS takes them away.
    Pad,
}

/// A column of a fixed-width text.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct FixedColumn {
    /// Its name.
    pub name: String,
    /// How many characters of a line it takes, from 1.
    pub width: u32,
}

/// How a quote stands inside a quoted field of delimited text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Escape {
    /// `""` (RFC 4180).
    Doubled,
    /// `\"`, and `""` as well. Only the backslash before a quote is taken away: what others mean
    /// nobody can know.
    Backslash,
}

/// What ends a record of delimited text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RecordEnd {
    /// LF, and CRLF. A lone CR is data.
    Lf,
    /// LF, CRLF and CR.
    Any,
}

/// `[audit]`: where the ledger's signed checkpoints are copied.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Audit {
    /// `publish_to`, default none: a folder, best on another machine, absolute or relative to the
    /// zone. The newest checkpoint is copied there at least every 60 s and at the stop.
    pub publish_to: Option<PathBuf>,
    /// `publish_url = "https://…"`, default none: the newest checkpoint is posted there as often, as a
    /// CloudEvent; with `secrets` signed as for a webhook.
    pub publish_url: Option<Webhook>,
}

/// `[verify]`: how a running server reads everything it keeps again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verify {
    /// `every`, default 30 days: how long a round takes, over which its reading is spread.
    /// `enabled = false`: `None`.
    pub every: Option<Duration>,
    /// `rate_limit`, default 20 MiB: bytes read a second at most.
    pub rate_limit: Option<u64>,
}

impl Default for Verify {
    fn default() -> Self {
        let every = Some(Duration::from_secs(30 * 24 * 3600));
        Self { every, rate_limit: Some(20 << 20) }
    }
}

/// `[workers]`: converter processes and their limits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Workers {
    /// `count`, default the number of processors. One sender has so many at most; up to as many
    /// again run for other senders, so that none waits for another's long file.
    pub count: usize,
    /// `memory_bytes`, default 350 MiB: above it a worker is ended and its file held.
    pub memory_bytes: u64,
    /// `cpu`, default 10 min of processor time for one file.
    pub cpu: Duration,
    /// `time`, default 30 min for one file.
    pub time: Duration,
    /// `output_bytes`, default 8 GiB for one file.
    pub output_bytes: u64,
    /// `files_max`, default 500: a worker is replaced after so many files.
    pub files_max: u32,
}

impl Default for Workers {
    fn default() -> Self {
        Self {
            count: std::thread::available_parallelism().map_or(2, std::num::NonZero::get),
            memory_bytes: 350 << 20,
            cpu: Duration::from_secs(600),
            time: Duration::from_secs(1800),
            output_bytes: 8 << 30,
            files_max: 500,
        }
    }
}

impl Config {
    /// The feed's settings; the defaults for a feed that is only known from the archive.
    pub fn feed(&self, name: &FeedName) -> Feed {
        self.feeds.get(name).cloned().unwrap_or_default()
    }

    /// The feed's contract, if it has one.
    pub fn contract(&self, feed: &FeedName) -> Option<&Contract> {
        self.contracts.get(feed).map(|written| &written.contract)
    }

    /// Whether a name's last part matches the feed's patterns.
    pub fn feed_takes(&self, feed: &FeedName, name: &FileName) -> bool {
        glob::matches_any(&self.feed(feed).patterns, name.base())
    }

    /// Whether what is uploaded under this name is complete only once it was renamed.
    pub fn wants_rename(&self, feed: &FeedName, name: &FileName) -> bool {
        let of_feed = self.feeds.get(feed).is_some_and(|feed| feed.complete == Complete::Rename);
        name.is_temporary() || (of_feed && self.sidecar(feed, name).is_none())
    }

    /// Whether a name is that of a control file, which says what its feed's set is made of.
    pub fn is_control(&self, feed: &FeedName, name: &FileName) -> bool {
        match self.feeds.get(feed).map(|feed| &feed.batch.when) {
            Some(When::Set(Set { wants: Wants::Control(pattern), .. })) => {
                glob::matches_any(std::slice::from_ref(pattern), name.base())
            }
            Some(_) | None => false,
        }
    }

    /// What a name says of another file, if it is a sidecar's. It is not in a feed that has a
    /// pattern with the same ending.
    pub fn sidecar(&self, feed: &FeedName, name: &FileName) -> Option<SidecarName> {
        let means = SidecarName::of(name)?;
        let patterns = self.feeds.get(feed).map_or(&[][..], |feed| &feed.patterns);
        let spelled =
            |pattern: &String| SidecarKind::ending(pattern.as_bytes()) == Some(means.kind);
        (!patterns.iter().any(spelled)).then_some(means)
    }
}

/// Whether a name matches any of these patterns, as a feed's patterns do: `*`, `?`, `[a-z]`, without
/// regard to case. No patterns match everything.
pub fn name_matches(patterns: &[String], name: &[u8]) -> bool {
    glob::matches_any(patterns, name)
}

/// A partner's name and the file it was read from could not be made into an account.
#[derive(Debug, thiserror::Error)]
pub enum PartnerError {
    /// There is no such account.
    #[error("no partner {0}")]
    Unknown(PartnerName),
    /// The file cannot be read.
    #[error("cannot read {}", path.display())]
    Io {
        /// The partner file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// The file has mistakes.
    #[error(transparent)]
    Problems(#[from] Problems),
}
