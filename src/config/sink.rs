//! `[sink.<name>]`: who is told of a batch.
//!
//! A sink has exactly one kind: the key that names it. Secrets are never written here, only where
//! they are: `"env:NAME"` or `"file:PATH"`. They are read at each attempt, so that changing one
//! needs no restart.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use toml::de::DeValue;

use super::problem::Wrong;
use super::reader::Reader;
use super::value::{choice, duration, text, web_address};
use crate::names::SinkName;

/// Waits between deliveries as Standard Webhooks recommends them
/// (<https://www.standardwebhooks.com>, "Deliverability and reliability").
pub(super) const RETRY_S: [u64; 9] =
    [5, 300, 1800, 2 * 3600, 5 * 3600, 10 * 3600, 14 * 3600, 20 * 3600, 24 * 3600];

/// The keys that say what kind a sink is.
const KINDS: [&str; 5] = ["command", "webhook", "folder", "postgres", "nats"];

/// The keys that only some kinds have.
const EXTRAS: [&str; 9] =
    ["secrets", "success", "password", "schema", "subject", "user", "token", "tls", "ca"];

/// `[sink.<name>]`: who is told of a batch.
#[derive(Debug, Clone, PartialEq)]
pub struct Sink {
    /// How.
    pub kind: SinkKind,
    /// `timeout`, default 20 s for a webhook or NATS, 10 min for the others.
    pub timeout: Duration,
    /// `retry = ["5s", "5m", …]`: waits between attempts; when they end the sink stalls. Default 5 s,
    /// 5 min, 30 min, 2 h, 5 h, 10 h, 14 h, 20 h, 24 h (Standard Webhooks).
    pub retry: Vec<Duration>,
}

/// How a sink is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SinkKind {
    /// `command = ["program", "argument"]`: an argument vector, never a shell. The manifest's path
    /// is added as the last argument and its text is on standard input.
    Command(Vec<String>),
    /// `webhook = "https://…"`: a POST of a CloudEvent; any 2xx acknowledges.
    Webhook(Webhook),
    /// `folder = "/srv/out"`: copies of a batch's files, and then its manifest.
    Folder(Copies),
    /// `postgres = "host=… dbname=…"`: the rows of a batch in a table, exactly once.
    Postgres(Postgres),
    /// `nats = "localhost:4222"`: the CloudEvent as a message that a JetStream stream keeps.
    Nats(Nats),
}

impl SinkKind {
    /// The key that names the kind.
    pub fn key(&self) -> &'static str {
        match self {
            Self::Command(_) => "command",
            Self::Webhook(_) => "webhook",
            Self::Folder(_) => "folder",
            Self::Postgres(_) => "postgres",
            Self::Nats(_) => "nats",
        }
    }
}

/// A sink of the kind `webhook`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Webhook {
    /// `webhook`: the address.
    pub url: String,
    /// `secrets = ["env:NAME", "file:PATH"]`: keys to sign with, as `whsec_…` (Standard Webhooks),
    /// each giving a signature, so that the receiver can change from one to the next. Default none:
    /// then nothing is signed.
    pub secrets: Vec<Secret>,
}

/// A sink of the kind `folder`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Copies {
    /// `folder`, absolute or relative to the zone. It must be there.
    pub path: PathBuf,
    /// `success = "file" | "none"`, default none: whether an empty `_SUCCESS` is written last, for
    /// those who wait for one.
    pub success: Success,
}

/// A sink of the kind `postgres`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Postgres {
    /// `postgres`: the server, as libpq's keywords or a URL, without a password and `sslmode`.
    pub server: String,
    /// `password = "env:NAME"` or `"file:PATH"`, default none.
    pub password: Option<Secret>,
    /// `schema`, default `public`: where the tables `<feed>_v<version>` are made.
    pub schema: String,
    /// `tls`.
    pub tls: Tls,
}

/// A sink of the kind `nats`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Nats {
    /// `nats`: host and port.
    pub address: String,
    /// `subject`, default `landfall.<feed>`.
    pub subject: Option<String>,
    /// `user`, with `password`.
    pub user: Option<String>,
    /// `password = "env:NAME"` or `"file:PATH"`.
    pub password: Option<Secret>,
    /// `token = "env:NAME"` or `"file:PATH"`.
    pub token: Option<Secret>,
    /// `tls`.
    pub tls: Tls,
}

/// `tls = "none" | "require" | "verify-full"`, default none: how a connection is encrypted, in libpq's
/// words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Tls {
    /// Not at all: for a socket or a network that is trusted.
    None,
    /// Whoever answers.
    Require,
    /// When the server has a certificate of its name.
    VerifyFull {
        /// `ca = "ca.pem"`: who signs it, absolute or relative to the zone. Default whom this machine
        /// trusts.
        ca: Option<PathBuf>,
    },
}

/// Whether a `_SUCCESS` file is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Success {
    /// After the manifest.
    File,
    /// Not at all: the manifest is the sign.
    None,
}

/// Where a secret is. Never the secret itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Secret {
    /// `"env:NAME"`: in the server's environment.
    Environment(String),
    /// `"file:PATH"`: in a file, absolute or relative to the zone, without the line end.
    File(PathBuf),
}

pub(super) fn read_all(top: &Reader<'_, '_>) -> BTreeMap<SinkName, Sink> {
    let sinks = top.tables("sink").into_iter();
    let read = sinks.map(|(name, table)| (name, read(table)));
    read.filter_map(|(name, sink)| Some((name?, sink?))).collect()
}

fn read(table: Reader<'_, '_>) -> Option<Sink> {
    let kind = read_kind(&table);
    let timeout = table.get("timeout", duration);
    let retry = table.list("retry", duration);
    table.finish();
    let kind = kind?;
    Some(Sink {
        timeout: timeout.unwrap_or_else(|| default_timeout(&kind)),
        kind,
        retry: retry.unwrap_or_else(|| RETRY_S.map(Duration::from_secs).to_vec()),
    })
}

fn default_timeout(kind: &SinkKind) -> Duration {
    Duration::from_secs(match kind {
        SinkKind::Webhook(_) | SinkKind::Nats(_) => 20,
        SinkKind::Command(_) | SinkKind::Folder(_) | SinkKind::Postgres(_) => 600,
    })
}

fn read_kind(table: &Reader<'_, '_>) -> Option<SinkKind> {
    let named: Vec<&str> = KINDS.into_iter().filter(|key| table.has(key)).collect();
    match named.as_slice() {
        [] => {
            let kinds = KINDS.map(|key| format!("`{key}`")).join(", ");
            table.problem(Wrong::new(format!("a sink needs one of {kinds}")));
            None
        }
        ["command"] => read_command(table).map(SinkKind::Command),
        ["webhook"] => read_webhook(table, "webhook").map(SinkKind::Webhook),
        ["folder"] => {
            let success = table.get("success", choice(SUCCESS)).unwrap_or(Success::None);
            let path = table.get("folder", text).map(PathBuf::from)?;
            Some(SinkKind::Folder(Copies { path, success }))
        }
        ["postgres"] => {
            let password = table.get("password", secret);
            let schema = table.get("schema", text).unwrap_or_else(|| "public".to_owned());
            let tls = read_tls(table);
            let server = table.get("postgres", database)?;
            Some(SinkKind::Postgres(Postgres { server, password, schema, tls }))
        }
        ["nats"] => read_nats(table),
        several => {
            let kinds = several.iter().map(|key| format!("`{key}`")).collect::<Vec<_>>();
            table.problem(Wrong::new(format!("a sink has only one of {}", kinds.join(", "))));
            KINDS.into_iter().chain(EXTRAS).for_each(|key| table.passed_over(key));
            None
        }
    }
}

fn read_nats(table: &Reader<'_, '_>) -> Option<SinkKind> {
    let subject = table.get("subject", subject);
    let user = table.get("user", text);
    let password = table.get("password", secret);
    let token = table.get("token", secret);
    if table.has("password") != table.has("user") || (table.has("token") && table.has("user")) {
        table.problem(Wrong::new("a login is either `user` and `password`, or `token`"));
    }
    let tls = read_tls(table);
    let address = table.get("nats", host_and_port)?;
    Some(SinkKind::Nats(Nats { address, subject, user, password, token, tls }))
}

fn read_tls(table: &Reader<'_, '_>) -> Tls {
    let ca = table.get("ca", text).map(PathBuf::from);
    let tls = table.get("tls", choice(TLS)).unwrap_or("none");
    if ca.is_some() && tls != "verify-full" {
        table.problem_at("ca", Wrong::new("`ca` is for `tls = \"verify-full\"`"));
    }
    match tls {
        "verify-full" => Tls::VerifyFull { ca },
        "require" => Tls::Require,
        _ => Tls::None,
    }
}

const TLS: &[(&str, &str)] =
    &[("none", "none"), ("require", "require"), ("verify-full", "verify-full")];

const SUCCESS: &[(&str, Success)] = &[("file", Success::File), ("none", Success::None)];

/// The address under `key` and the `secrets` beside it.
pub(super) fn read_webhook(table: &Reader<'_, '_>, key: &'static str) -> Option<Webhook> {
    let secrets = table.list("secrets", secret).unwrap_or_default();
    Some(Webhook { url: table.get(key, web_address)?, secrets })
}

pub(super) fn read_command(table: &Reader<'_, '_>) -> Option<Vec<String>> {
    let command = table.list("command", text)?;
    if command.first().is_none_or(String::is_empty) {
        table.problem_at("command", Wrong::new("`command` names no program"));
    }
    Some(command)
}

/// A host and a port, with or without `nats://`.
fn host_and_port(value: &DeValue<'_>) -> Result<String, Wrong> {
    const WHAT: &str = "a host and port such as \"localhost:4222\"";
    let given = value.as_str().unwrap_or_default();
    let address = given.strip_prefix("nats://").unwrap_or(given);
    if address.contains('@') {
        // What stands before it may be a secret: it is not repeated.
        return Err(Wrong::new("holds a login; say it with `user`, `password` or `token`"));
    }
    let port = address.rsplit_once(':').filter(|(host, _)| !host.is_empty());
    match port.and_then(|(_, port)| port.parse::<u16>().ok()) {
        Some(_) => Ok(address.to_owned()),
        None => Err(Wrong::new(format!("must be {WHAT}, not `{given}`"))),
    }
}

/// A subject to publish to: no blanks, no wildcards.
fn subject(value: &DeValue<'_>) -> Result<String, Wrong> {
    let given = value.as_str().unwrap_or_default();
    let plain = |part: &str| {
        !part.is_empty()
            && !part.contains(|c: char| c.is_whitespace() || c.is_control() || "*>".contains(c))
    };
    if given.split('.').all(plain) {
        return Ok(given.to_owned());
    }
    Err(Wrong::new("must be a subject such as \"landfall.orders\""))
}

/// A PostgreSQL server without its password.
fn database(value: &DeValue<'_>) -> Result<String, Wrong> {
    const WHAT: &str = "a server such as \"host=/run/postgresql dbname=lake\"";
    let given = value.as_str().unwrap_or_default();
    let user = given.split_once("://").and_then(|(_, rest)| rest.split_once('@'));
    if user.is_some_and(|(user, _)| user.contains(':')) || given.contains("password") {
        // What stands there is a secret: it is not repeated.
        return Err(Wrong::new("holds a password; say where it is with `password = \"env:NAME\"`"));
    }
    if given.contains("sslmode") {
        return Err(Wrong::new("holds `sslmode`; say it with `tls = \"verify-full\"`"));
    }
    if given.contains('=') || given.starts_with("postgresql://") || given.starts_with("postgres://")
    {
        return Ok(given.to_owned());
    }
    Err(Wrong::new(format!("must be {WHAT}, not `{given}`")))
}

/// `"env:NAME"` or `"file:PATH"`.
fn secret(value: &DeValue<'_>) -> Result<Secret, Wrong> {
    const WHAT: &str = "where a secret is, as \"env:NAME\" or \"file:PATH\"";
    let given = value.as_str().unwrap_or_default();
    match given.split_once(':') {
        Some(("env", name)) if !name.is_empty() && !name.contains(['=', '\0']) => {
            Ok(Secret::Environment(name.to_owned()))
        }
        Some(("file", path)) if !path.is_empty() => Ok(Secret::File(PathBuf::from(path))),
        // What stands there may be the secret itself: it is not repeated.
        Some(_) | None => Err(Wrong::new(format!("must be {WHAT}"))),
    }
}
