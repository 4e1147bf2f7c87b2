//! A partner's account: `partners/<name>.toml`.
//!
//! Read at every login, so that what an operator writes is live at once.

use std::collections::BTreeMap;
use std::io;

use toml::de::DeValue;

use super::PartnerError;
use super::problem::{Problem, Problems, Source, Wrong, read_text};
use super::reader::{self, Reader};
use super::value::{name, reference, size, text, truth, whole};
use crate::names::{FeedName, PartnerName};
use crate::zone::Zone;

/// An outside account that may log in over SFTP.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Partner {
    /// Its name, which is the SSH user name and the file's name.
    pub name: PartnerName,
    /// `disabled`, default false.
    pub disabled: bool,
    /// `contact`: whom to ask.
    pub contact: Option<String>,
    /// `keys`: OpenSSH public-key lines.
    pub keys: Vec<String>,
    /// `password`: an argon2id hash in PHC form. Never the password.
    pub password: Option<String>,
    /// `feeds`: what it may send to.
    pub feeds: Vec<FeedName>,
    /// `aliases = { "/outgoing" = "orders" }`: paths that mean a feed.
    pub aliases: BTreeMap<String, FeedName>,
    /// `read_back`, default false: whether it may read its landed files again.
    pub read_back: bool,
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
            password: None,
            feeds: Vec::new(),
            aliases: BTreeMap::new(),
            read_back: false,
            quota: Quota::default(),
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
}

impl Default for Quota {
    fn default() -> Self {
        Self { staging_bytes: 100 << 30, bytes_per_day: None, files_per_day: None }
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
    let stems = file_stems(zone)?;
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
        line("keys", partner.keys.clone().into());
    }
    if let Some(password) = &partner.password {
        line("password", password.as_str().into());
    }
    if partner.read_back {
        line("read_back", true.into());
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
    let stems = match file_stems(zone) {
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

fn file_stems(zone: &Zone) -> io::Result<Vec<String>> {
    let entries = match std::fs::read_dir(zone.partners()) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut stems = Vec::new();
    for entry in entries {
        let name = entry?.file_name().to_string_lossy().into_owned();
        let stem = name.strip_suffix(".toml").filter(|stem| !stem.starts_with('.'));
        stems.extend(stem.map(ToOwned::to_owned));
    }
    stems.sort();
    Ok(stems)
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
    read.keys = top.list("keys", public_key).unwrap_or_default();
    read.password = top.get("password", password_hash);
    read.feeds = top.list("feeds", feed).unwrap_or_default();
    top.set(&mut read.disabled, "disabled", truth);
    top.set(&mut read.read_back, "read_back", truth);
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
        quota.finish();
    }
    top.finish();
    read
}

/// Key types that OpenSSH writes and this server can check, security keys included.
const KEY_TYPES: [&str; 7] = [
    "ssh-ed25519",
    "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521",
    "ssh-rsa",
    "sk-ssh-ed25519@openssh.com",
    "sk-ecdsa-sha2-nistp256@openssh.com",
];

/// Says what is wrong with an OpenSSH public-key line: type, base64, comment (sshd(8), "authorized
/// keys file format", without options).
///
/// # Errors
/// The end of a sentence that begins with the key's place.
pub fn check_public_key(line: &str) -> Result<(), String> {
    if line.contains("PRIVATE KEY") {
        return Err("has a private key; take the line of its .pub file".to_owned());
    }
    let mut words = line.split_whitespace();
    let kind = words.next().unwrap_or_default();
    if !KEY_TYPES.contains(&kind) {
        return Err(format!(
            "needs an OpenSSH public-key line such as \"ssh-ed25519 AAAA… comment\", not `{}`",
            line.chars().take(40).collect::<String>().escape_debug()
        ));
    }
    let body = words.next().unwrap_or_default();
    let base64 = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/' | b'=');
    // A key's blob begins with the length of its type's name: three zero bytes, `AAAA` in base64.
    if body.len() < 40 || !body.len().is_multiple_of(4) || !body.starts_with("AAAA") {
        return Err(format!("has a {kind} key that is cut short or damaged"));
    }
    if !body.bytes().all(base64) || line.contains('\n') {
        return Err(format!("has a {kind} key that is damaged or not on one line"));
    }
    Ok(())
}

fn public_key(value: &DeValue<'_>) -> Result<String, Wrong> {
    let line = text(value)?;
    check_public_key(&line).map_err(Wrong::new)?;
    Ok(line)
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
            keys: vec![KEY.into()],
            password: Some("$argon2id$v=19$m=19456,t=2,p=1$c2FsdA$aGFzaA".into()),
            feeds: vec!["orders".parse().expect("a feed")],
            aliases: [("/outgoing dir".to_owned(), "orders".parse().expect("a feed"))].into(),
            read_back: true,
            quota: Quota { staging_bytes: 5, bytes_per_day: Some(7), files_per_day: Some(0) },
        };
        assert_eq!(parse(&full.name, &render(&full)), Ok(full.clone()));
        let bare = Partner::new(partner("bare"));
        assert_eq!(parse(&bare.name, &render(&bare)), Ok(bare));
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
