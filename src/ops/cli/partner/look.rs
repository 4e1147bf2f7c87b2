//! `landfall partner list|show`

use ipnet::IpNet;
use serde::Serialize;

use super::load;
use crate::clock::Timestamp;
use crate::config::partner::ReadBack;
use crate::config::{Partner, partner};
use crate::diagnostic::{Code, Diagnostic};
use crate::ledger::{ArrivalQuery, Ledger, Sender};
use crate::names::{FeedName, PartnerName};
use crate::ops::cli::output::{count, counted, table};
use crate::ops::cli::{Output, reading, words};
use crate::receive::sftp::keys;
use crate::zone::Zone;

/// An account without its secrets.
#[derive(Serialize)]
struct Shown<'a> {
    partner: &'a PartnerName,
    disabled: bool,
    contact: Option<&'a str>,
    feeds: &'a [FeedName],
    keys: Vec<String>,
    has_password: bool,
    read_back: bool,
    files_24h: u64,
    bytes_24h: u64,
    last_file_at: Option<Timestamp>,
}

pub(super) fn list(zone: &Zone, out: &Output) -> Result<(), Diagnostic> {
    let names = partner::names(zone).map_err(|error| {
        Diagnostic::error(Code::Z105, "the partners cannot be listed").caused_by(&error)
    })?;
    if names.is_empty() {
        out.say("No partners yet; `landfall partner add` makes one.");
        return Ok(());
    }
    let ledger = reading::open(zone)?;
    let heading = ["partner", "state", "login", "feeds", "last file", "files in 24 h", "contact"];
    let (mut rows, mut broken) = (vec![heading.map(str::to_owned)], Vec::new());
    for name in names {
        let account = match load(zone, &name) {
            Ok(account) => account,
            // It hides no other.
            Err(told) => {
                let state = "cannot log in".to_owned();
                let [login, feeds, last, files] = ["-", "-", "-", "-"].map(str::to_owned);
                rows.push([name.to_string(), state, login, feeds, last, files, String::new()]);
                broken.push((name, told));
                continue;
            }
        };
        let shown = shown(&account, ledger.as_deref())?;
        if out.is_json() {
            out.object("landfall.partner/v1", &shown);
            continue;
        }
        rows.push([
            name.to_string(),
            state(&account).to_owned(),
            login(&shown),
            joined(&account.feeds),
            shown.last_file_at.map_or("never".to_owned(), words::time),
            count(shown.files_24h),
            account.contact.clone().unwrap_or_default(),
        ]);
    }
    if !out.is_json() {
        out.print(&table(&rows));
    }
    match broken.len() {
        0 | 1 => broken.pop().map_or(Ok(()), |(_, told)| Err(told)),
        _ => {
            let names: Vec<_> = broken.iter().map(|(name, _)| name.to_string()).collect();
            let summary = format!("the files of {} are wrong", names.join(", "));
            let told = Diagnostic::error(Code::Z101, summary);
            Err(told.hint("`landfall check` names every mistake."))
        }
    }
}

pub(super) fn show(zone: &Zone, name: &PartnerName, out: &Output) -> Result<(), Diagnostic> {
    let account = load(zone, name)?;
    let ledger = reading::open(zone)?;
    let shown = shown(&account, ledger.as_deref())?;
    if out.is_json() {
        out.object("landfall.partner/v1", &shown);
        return Ok(());
    }
    let mut rows = vec![
        ["state".to_owned(), state(&account).to_owned()],
        ["feeds".to_owned(), joined(&account.feeds)],
        ["contact".to_owned(), account.contact.clone().unwrap_or("-".to_owned())],
    ];
    rows.extend(shown.keys.iter().map(|key| ["key".to_owned(), key.clone()]));
    if !account.from.is_empty() {
        rows.push(["logs in from".to_owned(), networks(&account.from)]);
    }
    rows.push(["password".to_owned(), if shown.has_password { "set" } else { "none" }.to_owned()]);
    let aliases = account.aliases.iter();
    rows.extend(aliases.map(|(path, feed)| ["alias".to_owned(), format!("{path} is {feed}")]));
    let last = shown.last_file_at.map_or("never".to_owned(), words::time);
    rows.push(["last file".to_owned(), last]);
    let sent = format!("{}, {} bytes", counted(shown.files_24h, "file"), count(shown.bytes_24h));
    rows.push(["in 24 hours".to_owned(), sent]);
    let facts: String = table(&rows).lines().map(|line| format!("  {line}\n")).collect();
    out.print(&format!("{name}\n{facts}"));
    Ok(())
}

fn shown<'a>(account: &'a Partner, ledger: Option<&dyn Ledger>) -> Result<Shown<'a>, Diagnostic> {
    let sender = Sender::Partner(account.name.clone());
    let (usage, last_file_at) = match ledger {
        Some(ledger) => {
            let day_ago = Timestamp::now() - jiff::SignedDuration::from_hours(24);
            let query =
                ArrivalQuery { sender: Some(sender.clone()), limit: 1, ..Default::default() };
            let read = ledger
                .usage(&sender, day_ago)
                .and_then(|usage| Ok((usage, ledger.arrivals(&query)?)));
            let (usage, newest) = read.map_err(|error| reading::unreadable(&error))?;
            (usage, newest.first().map(|arrival| arrival.received_at))
        }
        None => (Default::default(), None),
    };
    Ok(Shown {
        partner: &account.name,
        disabled: account.disabled,
        contact: account.contact.as_deref(),
        feeds: &account.feeds,
        keys: keys_shown(account),
        has_password: account.password.is_some(),
        read_back: account.read_back != ReadBack::Never,
        files_24h: usage.files,
        bytes_24h: usage.bytes,
        last_file_at,
    })
}

/// `ssh-ed25519 SHA256:… comment (until …, from …)`, authorities last.
fn keys_shown(account: &Partner) -> Vec<String> {
    let keys = account.keys.iter().map(|key| key_shown("", &key.line, key.until, &key.from));
    let authorities = account.authorities.iter();
    let authorities =
        authorities.map(|ca| key_shown("certificates by ", &ca.line, ca.until, &ca.from));
    keys.chain(authorities).collect()
}

fn key_shown(what: &str, line: &str, until: Option<Timestamp>, from: &[IpNet]) -> String {
    let mut parts = line.splitn(3, ' ');
    let kind = parts.next().unwrap_or_default();
    let comment = parts.nth(1).unwrap_or_default();
    let fingerprint = keys::fingerprint(line).unwrap_or_else(|| "unreadable".to_owned());
    let mut shown = format!("{what}{kind} {fingerprint} {comment}").trim_end().to_owned();
    if let Some(until) = until {
        shown.push_str(&format!(", until {}", words::time(until)));
    }
    if !from.is_empty() {
        shown.push_str(&format!(", from {}", networks(from)));
    }
    shown
}

fn networks(networks: &[IpNet]) -> String {
    networks.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

fn state(account: &Partner) -> &'static str {
    if account.disabled { "disabled" } else { "active" }
}

fn login(shown: &Shown<'_>) -> String {
    match (shown.keys.len(), shown.has_password) {
        (0, false) => "none".to_owned(),
        (0, true) => "password".to_owned(),
        (keys, false) => counted(keys as u64, "key"),
        (keys, true) => format!("{}, password", counted(keys as u64, "key")),
    }
}

fn joined(feeds: &[FeedName]) -> String {
    feeds.iter().map(FeedName::as_str).collect::<Vec<_>>().join(", ")
}
