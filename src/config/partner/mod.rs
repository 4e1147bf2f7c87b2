//! A partner's account: `partners/<name>.toml`.
//!
//! Read at every login, so that what an operator writes is live at once.

use std::collections::BTreeMap;
use std::io;
use std::time::Duration;

use ipnet::IpNet;
use toml::de::DeValue;

use super::PartnerError;
use super::problem::{Problem, Problems, Source, Wrong, read_text, toml_stems};
use super::reader::{self, Reader};
use super::value::{duration, name, network, reference, size, some_size, text, truth, whole};
use crate::clock::Timestamp;
use crate::names::{FeedName, PartnerName};
use crate::zone::Zone;

mod credentials;

pub use credentials::{Authority, Key, check_public_key, is_among, is_key_type};

/// An outside account that may log in over SFTP.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Partner {
    /// Its name, which is the SSH user name and the file's name.
    pub name: PartnerName,
    /// `disabled`, default false.
    pub disabled: bool,
    /// `contact`: whom to ask.
    pub contact: Option<String>,
    /// `keys`: public keys it may log in with.
    pub keys: Vec<Key>,
    /// `[[ca]]`: authorities whose certificates it may log in with.
    pub authorities: Vec<Authority>,
    /// `from = ["203.0.113.0/24"]`: networks it may log in from; none for all.
    pub from: Vec<IpNet>,
    /// `password`: an argon2id hash in PHC form. Never the password.
    pub password: Option<String>,
    /// `feeds`: what it may send to.
    pub feeds: Vec<FeedName>,
    /// `aliases = { "/outgoing" = "orders" }`: paths that mean a feed.
    pub aliases: BTreeMap<String, FeedName>,
    /// `read_back = true | false | "7d"`, default false: whether, or how long after receipt, it may
    /// read its landed files again.
    pub read_back: ReadBack,
    /// `[quota]`.
    pub quota: Quota,
}

impl Partner {
    /// An account that can do nothing yet.
    pub fn new(name: PartnerName) -> Self {
        Self {
            name,
            disabled: false,
            contact: None,
            keys: Vec::new(),
            authorities: Vec::new(),
            from: Vec::new(),
            password: None,
            feeds: Vec::new(),
            aliases: BTreeMap::new(),
            read_back: ReadBack::Never,
            quota: Quota::default(),
        }
    }
}

/// Whether a partner may read its landed files again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReadBack {
    /// It may not.
    Never,
    /// As long as they are kept.
    Always,
    /// For so long after receipt, in whole seconds.
    For(Duration),
}

impl ReadBack {
    /// Whether a file that was received then may be read now.
    pub fn allows(self, received_at: Timestamp, now: Timestamp) -> bool {
        match self {
            Self::Never => false,
            Self::Always => true,
            Self::For(time) => received_at.checked_add(time).is_ok_and(|until| now < until),
        }
    }
}

/// `[quota]`: what a partner may use up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quota {
    /// `staging_bytes`, default 100 GiB: uploads in progress.
    pub staging_bytes: u64,
    /// `bytes_per_day`, default none: bytes landed in the last 24 hours.
    pub bytes_per_day: Option<u64>,
    /// `files_per_day`, default none: files landed in the last 24 hours.
    pub files_per_day: Option<u64>,
    /// `file_bytes`, default none: the largest file.
    pub file_bytes: Option<u64>,
    /// `sessions`, default 64: connections at once.
    pub sessions: u32,
    /// `bandwidth_bytes_s`, default none: bytes a second of all its connections, each way.
    pub bandwidth_bytes_s: Option<u64>,
}

impl Default for Quota {
    fn default() -> Self {
        Self {
            staging_bytes: 100 << 30,
            bytes_per_day: None,
            files_per_day: None,
            file_bytes: None,
            sessions: 64,
            bandwidth_bytes_s: None,
        }
    }
}

/// Reads a partner's account as it is written now.
///
/// # Errors
/// [`PartnerError`]: there is none, it cannot be read, or it has mistakes.
pub fn load(zone: &Zone, partner: &PartnerName) -> Result<Partner, PartnerError> {
    let path = zone.partner_file(partner);
    match std::fs::read_to_string(&path) {
        Ok(text) => Ok(parse(partner, &text)?),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            Err(PartnerError::Unknown(partner.clone()))
        }
        Err(source) => Err(PartnerError::Io { path, source }),
    }
}

/// The names of all partner files, sorted; files that are not named as one are left out.
///
/// # Errors
/// What the system said of the folder; a missing one has no partners.
pub fn names(zone: &Zone) -> io::Result<Vec<PartnerName>> {
    let stems = toml_stems(&zone.partners())?;
    Ok(stems.iter().filter_map(|stem| stem.parse().ok()).collect())
}

/// Checks the text of a partner file.
///
/// # Errors
/// All problems of the text.
pub fn parse(partner: &PartnerName, text: &str) -> Result<Partner, Problems> {
    match read(partner, text, None) {
        (Some(partner), problems) if problems.is_empty() => Ok(partner),
        (_, problems) => Err(Problems(problems)),
    }
}

/// The text of a partner file; [`parse`] reads it back to the same account.
pub fn render(partner: &Partner) -> String {
    let mut out =
        format!("# The account of partner {}. Live as soon as it is saved.\n", partner.name);
    let mut line = |key: &str, value: toml::Value| {
        out.push_str(key);
        out.push_str(" = ");
        out.push_str(&value.to_string());
        out.push('\n');
    };
    if partner.disabled {
        line("disabled", true.into());
    }
    if let Some(contact) = &partner.contact {
        line("contact", contact.as_str().into());
    }
    let feeds: Vec<&str> = partner.feeds.iter().map(FeedName::as_str).collect();
    line("feeds", feeds.into());
    if !partner.keys.is_empty() {
        line("keys", credentials::render_keys(&partner.keys));
    }
    if !partner.authorities.is_empty() {
        line("ca", credentials::render_authorities(&partner.authorities));
    }
    if !partner.from.is_empty() {
        line("from", credentials::render_networks(&partner.from));
    }
    if let Some(password) = &partner.password {
        line("password", password.as_str().into());
    }
    match partner.read_back {
        ReadBack::Never => {}
        ReadBack::Always => line("read_back", true.into()),
        ReadBack::For(time) => line("read_back", format!("{}s", time.as_secs()).into()),
    }
    if !partner.aliases.is_empty() {
        let aliases = partner.aliases.iter();
        let aliases: toml::Table =
            aliases.map(|(path, feed)| (path.clone(), feed.as_str().into())).collect();
        line("aliases", aliases.into());
    }
    render_quota(&mut out, &partner.quota);
    out
}

fn render_quota(out: &mut String, quota: &Quota) {
    let default = Quota::default();
    if *quota == default {
        return;
    }
    out.push_str("\n[quota]\n");
    let staging = (quota.staging_bytes != default.staging_bytes).then_some(quota.staging_bytes);
    let settings = [
        ("staging_bytes", staging),
        ("bytes_per_day", quota.bytes_per_day),
        ("files_per_day", quota.files_per_day),
        ("file_bytes", quota.file_bytes),
        ("sessions", (quota.sessions != default.sessions).then_some(quota.sessions.into())),
        ("bandwidth_bytes_s", quota.bandwidth_bytes_s),
    ];
    for (key, value) in settings {
        if let Some(value) = value {
            out.push_str(&format!("{key} = {value}\n"));
        }
    }
}

/// All problems of all partner files. `feeds` are the declared ones, when they are known.
pub(super) fn check_all(zone: &Zone, feeds: Option<&[String]>) -> Vec<Problem> {
    let whole_file = |file: String, message: String| {
        vec![Problem { file, line: 1, column: 1, message, suggestion: None }]
    };
    let stems = match toml_stems(&zone.partners()) {
        Ok(stems) => stems,
        Err(error) => return whole_file("partners/".into(), format!("cannot be read: {error}")),
    };
    let checked = stems.iter().flat_map(|stem| {
        let file = format!("partners/{stem}.toml");
        let partner: PartnerName = match stem.parse() {
            Ok(partner) => partner,
            Err(error) => return whole_file(file, error.to_string()),
        };
        match read_text(&zone.partner_file(&partner), &file) {
            Ok(text) => read(&partner, &text, feeds).1,
            Err(problem) => vec![problem],
        }
    });
    checked.collect()
}

fn read(
    partner: &PartnerName,
    text: &str,
    feeds: Option<&[String]>,
) -> (Option<Partner>, Vec<Problem>) {
    let source = Source::new(&format!("partners/{partner}.toml"), text);
    let read = reader::document(&source).map(|table| {
        let top = Reader::top(&source, table.get_ref());
        read_partner(partner.clone(), top, feeds)
    });
    (read, source.into_problems())
}

fn read_partner(partner: PartnerName, top: Reader<'_, '_>, feeds: Option<&[String]>) -> Partner {
    let feed = |value: &DeValue<'_>| match feeds {
        Some(declared) => reference("feed", declared)(value),
        None => name(value),
    };
    let mut read = Partner::new(partner);
    read.contact = top.get("contact", text);
    read.keys = credentials::keys(&top);
    read.authorities = credentials::authorities(&top);
    read.from = top.list("from", network).unwrap_or_default();
    read.password = top.get("password", password_hash);
    read.feeds = top.list("feeds", feed).unwrap_or_default();
    top.set(&mut read.disabled, "disabled", truth);
    top.set(&mut read.read_back, "read_back", read_back);
    if let Some(aliases) = top.table("aliases") {
        for (path, value) in aliases.entries() {
            if let Some(feed) = aliases.entry(path, value, feed) {
                read.aliases.insert(path.get_ref().to_string(), feed);
            }
        }
    }
    if let Some(quota) = top.table("quota") {
        quota.set(&mut read.quota.staging_bytes, "staging_bytes", size);
        read.quota.bytes_per_day = quota.get("bytes_per_day", size);
        read.quota.files_per_day = quota.get("files_per_day", whole(0));
        read.quota.file_bytes = quota.get("file_bytes", some_size);
        quota.set(&mut read.quota.sessions, "sessions", whole(1));
        read.quota.bandwidth_bytes_s = quota.get("bandwidth_bytes_s", some_size);
        quota.finish();
    }
    top.finish();
    read
}

fn read_back(value: &DeValue<'_>) -> Result<ReadBack, Wrong> {
    match value.as_bool() {
        Some(true) => Ok(ReadBack::Always),
        Some(false) => Ok(ReadBack::Never),
        None => duration(value)
            .map(ReadBack::For)
            .map_err(|_other| Wrong::new("must be true, false or a duration such as \"7d\"")),
    }
}

fn password_hash(value: &DeValue<'_>) -> Result<String, Wrong> {
    let hash = text(value)?;
    if hash.starts_with("$argon2id$") && hash.split('$').count() == 6 {
        return Ok(hash);
    }
    let how = "make one with `landfall partner add NAME --password-stdin`";
    Err(Wrong::new(format!("must be an argon2id hash, never a password; {how}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str =
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ8kQq3l0T0Jm9Zp0pZbJ7mFZr1c1a2b3c4d5e6f7g8h acme";

    fn partner(name: &str) -> PartnerName {
        name.parse().expect("a partner name")
    }

    #[test]
    fn what_is_rendered_reads_back_the_same() {
        let full = Partner {
            name: partner("acme"),
            disabled: true,
            contact: Some("it@acme.example \"quoted\"".into()),
            keys: vec![
                Key::new(KEY),
                Key {
                    until: Some("2027-01-31T10:00:00Z".parse().expect("a time")),
                    from: vec!["10.0.0.0/8".parse().expect("a network")],
                    ..Key::new(KEY)
                },
            ],
            authorities: vec![Authority {
                line: KEY.into(),
                principals: vec!["acme-nightly".into()],
                until: None,
                from: Vec::new(),
            }],
            from: vec!["2001:db8::/32".parse().expect("a network")],
            password: Some("$argon2id$v=19$m=19456,t=2,p=1$c2FsdA$aGFzaA".into()),
            feeds: vec!["orders".parse().expect("a feed")],
            aliases: [("/outgoing dir".to_owned(), "orders".parse().expect("a feed"))].into(),
            read_back: ReadBack::For(Duration::from_secs(7 * 86400)),
            quota: Quota {
                staging_bytes: 5,
                bytes_per_day: Some(7),
                files_per_day: Some(0),
                file_bytes: Some(9),
                sessions: 2,
                bandwidth_bytes_s: Some(1000),
            },
        };
        assert_eq!(parse(&full.name, &render(&full)), Ok(full.clone()));
        let bare = Partner::new(partner("bare"));
        assert_eq!(parse(&bare.name, &render(&bare)), Ok(bare));
    }

    #[test]
    fn reading_back_may_end() {
        let read = |text: &str| parse(&partner("a"), text).expect("read").read_back;
        assert_eq!(read("read_back = true"), ReadBack::Always);
        assert_eq!(read(""), ReadBack::Never);
        let week = read("read_back = '7d'");
        let received: Timestamp = "2026-11-01T00:00:00Z".parse().expect("a time");
        assert!(week.allows(received, "2026-11-07T23:59:59Z".parse().expect("a time")));
        assert!(!week.allows(received, "2026-11-08T00:00:00Z".parse().expect("a time")));
        let told = parse(&partner("a"), "read_back = 'soon'").expect_err("refused");
        assert!(told.0[0].message.contains("duration such as"), "{told:?}");
    }

    #[test]
    fn keys_and_passwords_are_what_they_say() {
        assert_eq!(check_public_key(KEY), Ok(()));
        for bad in ["", "ssh-dss AAAA", "command=\"x\" ssh-ed25519 AAAA", "ssh-ed25519 AAAA"] {
            assert!(check_public_key(bad).is_err(), "{bad}");
        }
        assert!(check_public_key("-----BEGIN OPENSSH PRIVATE KEY-----").is_err());
        let told = parse(&partner("a"), "password = 'secret'").expect_err("refused");
        assert!(told.0[0].message.contains("argon2id"), "{told:?}");
        assert!(!told.0[0].message.contains("secret"), "a password is never repeated");
    }

    #[test]
    fn a_missing_account_is_unknown() {
        let folder = tempfile::tempdir().expect("a folder");
        let error = load(&Zone::new(folder.path()), &partner("nobody")).expect_err("unknown");
        assert!(matches!(error, PartnerError::Unknown(_)));
    }
}
