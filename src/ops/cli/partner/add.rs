//! `landfall partner add`: a new account, or more keys and feeds for one that is there.

use std::path::{Path, PathBuf};

use argon2::Argon2;
use argon2::password_hash::PasswordHasher as _;
use ipnet::IpNet;

use super::key::moment;
use super::{key_file, letter, load, look, save};
use crate::clock::Timestamp;
use crate::config::Partner;
use crate::config::partner::{Authority, Key, ReadBack};
use crate::diagnostic::{Code, Diagnostic};
use crate::names::{FeedName, PartnerName};
use crate::ops::cli::output::counted;
use crate::ops::cli::{Output, ZoneArgs, reading, words};

/// Characters a password must have; it is for machines, not for memory.
const PASSWORD_CHARS_MIN: usize = 12;
#[derive(Debug, clap::Args)]
pub(in crate::ops::cli) struct Args {
    /// The account's name, which is also its SSH user name
    name: PartnerName,
    /// A file with its OpenSSH public key, or a whole authorized_keys, or `-` for standard input;
    /// may be given several times
    #[arg(long, visible_alias = "authorized-keys", value_name = "FILE")]
    key: Vec<PathBuf>,
    /// The last day (UTC) or the moment of the keys that are added, so that they must be renewed
    #[arg(long, value_name = "DATE", value_parser = moment)]
    key_until: Option<Timestamp>,
    /// A file with the public key of an authority whose certificates may log in
    #[arg(long, value_name = "FILE")]
    ca: Vec<PathBuf>,
    /// A network it may log in from, such as 203.0.113.0/24; may be given several times
    #[arg(long, value_name = "NETWORK")]
    from: Vec<IpNet>,
    /// Read a password from standard input; only its argon2id hash is kept
    #[arg(long)]
    password_stdin: bool,
    /// A feed it may send to; may be given several times
    #[arg(long, num_args = 1..)]
    feed: Vec<FeedName>,
    /// Whom to ask about it
    #[arg(long)]
    contact: Option<String>,
    /// Let it read its landed files again
    #[arg(long)]
    read_back: bool,
    /// How partners reach this server, for the text that is printed
    #[arg(long, value_name = "HOST")]
    host: Option<String>,
}

pub(super) fn run(args: Args, zone: &ZoneArgs, out: &Output) -> Result<(), Diagnostic> {
    let (zone, config) = zone.load()?;
    if let Some(feed) = args.feed.iter().find(|feed| !config.feeds.contains_key(feed)) {
        return Err(reading::no_feed(feed));
    }
    let found = zone.partner_file(&args.name).exists();
    let before = match found {
        true => load(&zone, &args.name)?,
        false => Partner::new(args.name.clone()),
    };
    let account = changed(before.clone(), &args)?;
    check(&account)?;
    let change = if found { difference(&before, &account) } else { summary(&account) };
    save(&zone, &account, &change)?;
    if out.is_json() {
        return look::show(&zone, &args.name, out);
    }
    out.say(&format!("Partner {}: {change}. Live now.\n", args.name));
    if found && before.feeds.len() == 1 && account.feeds.len() > 1 {
        out.say(
            "It had one feed, in which its logins began; with several they begin one folder up, and \
             files go into FEED/. Tell it before it sends again.\n",
        );
    }
    out.print(&letter::text(&zone, &config, &account, args.host.as_deref())?);
    Ok(())
}

fn changed(mut account: Partner, args: &Args) -> Result<Partner, Diagnostic> {
    if args.password_stdin && args.key.iter().any(|path| path == Path::new("-")) {
        let told = "standard input can hold a key or a password, not both";
        return Err(Diagnostic::error(Code::Z107, told));
    }
    if let Some(until) = args.key_until
        && until <= Timestamp::now()
    {
        let told = format!("--key-until {} is past: the key could not log in", words::time(until));
        return Err(Diagnostic::error(Code::Z107, told).hint(
            "Give a time to come; `landfall partner key end` ends a key that is there already.",
        ));
    }
    account.disabled = false;
    for path in &args.key {
        add_keys(&mut account, path, args.key_until)?;
    }
    for path in &args.ca {
        for key in key_file::found_in(path)?.keys {
            let Key { line, until, from } = key;
            let principals = Vec::new();
            let ca = Authority { line, principals, until: until.or(args.key_until), from };
            add_new(&mut account.authorities, ca);
        }
    }
    for network in &args.from {
        add_new(&mut account.from, *network);
    }
    for feed in &args.feed {
        if !account.feeds.contains(feed) {
            account.feeds.push(feed.clone());
        }
    }
    if args.password_stdin {
        account.password = Some(hash(&key_file::read(Path::new("-"))?)?);
    }
    account.contact = args.contact.clone().or(account.contact);
    if args.read_back {
        account.read_back = ReadBack::Always;
    }
    Ok(account)
}

/// Adds what a file holds. A key that is there already takes its new end and place.
fn add_keys(
    account: &mut Partner,
    path: &Path,
    until: Option<Timestamp>,
) -> Result<(), Diagnostic> {
    let found = key_file::found_in(path)?;
    for key in found.keys {
        let key = Key { until: key.until.or(until), ..key };
        match account.keys.iter_mut().find(|known| known.line == key.line) {
            Some(known) => *known = key,
            None => account.keys.push(key),
        }
    }
    for ca in found.authorities {
        add_new(&mut account.authorities, Authority { until: ca.until.or(until), ..ca });
    }
    Ok(())
}

fn add_new<T: PartialEq>(list: &mut Vec<T>, item: T) {
    if !list.contains(&item) {
        list.push(item);
    }
}

fn check(account: &Partner) -> Result<(), Diagnostic> {
    let name = &account.name;
    if account.feeds.is_empty() {
        return Err(Diagnostic::error(Code::Z107, format!("{name} could not send anywhere"))
            .hint("Name a feed with --feed; see `landfall feed list`."));
    }
    let has_key = !account.keys.is_empty() || !account.authorities.is_empty();
    if !has_key && account.password.is_none() {
        return Err(Diagnostic::error(Code::Z107, format!("{name} could not log in"))
            .hint("Give it a key with --key FILE, or a password with --password-stdin."));
    }
    Ok(())
}

fn summary(account: &Partner) -> String {
    let feeds: Vec<&str> = account.feeds.iter().map(FeedName::as_str).collect();
    let password = if account.password.is_some() { " and a password" } else { "" };
    let keys = counted(account.keys.len() as u64, "key");
    format!("added with {keys}{password} for {}", feeds.join(", "))
}

fn difference(before: &Partner, after: &Partner) -> String {
    let mut changes = Vec::new();
    if before.disabled {
        changes.push("enabled".to_owned());
    }
    let keys = after.keys.len().saturating_sub(before.keys.len());
    if keys > 0 {
        changes.push(format!("{} added", counted(keys as u64, "key")));
    }
    let new_feeds = after.feeds.iter().filter(|feed| !before.feeds.contains(feed));
    changes.extend(new_feeds.map(|feed| format!("feed {feed} added")));
    if before.password != after.password {
        changes.push("password set".to_owned());
    }
    let authorities = after.authorities.len().saturating_sub(before.authorities.len());
    if authorities > 0 {
        changes.push(format!("{authorities} certificate authority added"));
    }
    let is_limited_anew = before.from != after.from
        || after
            .keys
            .iter()
            .any(|key| before.keys.iter().any(|known| known.line == key.line && known != key));
    if before.contact != after.contact || before.read_back != after.read_back || is_limited_anew {
        changes.push("settings changed".to_owned());
    }
    if changes.is_empty() { "nothing changed".to_owned() } else { changes.join(", ") }
}

/// The argon2id hash of a password's first line, with the crate's parameters (those that OWASP
/// recommends: 19 MiB, 2 passes, 1 lane).
fn hash(input: &str) -> Result<String, Diagnostic> {
    let password = input.lines().next().unwrap_or_default();
    if password.chars().count() < PASSWORD_CHARS_MIN {
        let told = format!("the password has less than {PASSWORD_CHARS_MIN} characters");
        return Err(Diagnostic::error(Code::Z107, told).hint("Make one with a password manager."));
    }
    let hashed = Argon2::default().hash_password(password.as_bytes());
    let hashed = hashed.map_err(|error| {
        Diagnostic::error(Code::Z105, "the password could not be hashed").caused_by(&error)
    })?;
    Ok(hashed.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_kept_as_an_argon2id_hash() {
        let hashed = hash("correct horse battery\n").expect("hashed");
        assert!(hashed.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{hashed}");
        assert!(hash("short").is_err());
    }
}
