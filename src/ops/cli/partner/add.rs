//! `landfall partner add`: a new account, or more keys and feeds for one that is there.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use argon2::Argon2;
use argon2::password_hash::PasswordHasher as _;

use super::{letter, load, look, save};
use crate::config::{Partner, partner};
use crate::diagnostic::{Code, Diagnostic};
use crate::names::{FeedName, PartnerName};
use crate::ops::cli::output::counted;
use crate::ops::cli::{Output, ZoneArgs, reading};

/// Characters a password must have; it is for machines, not for memory.
const PASSWORD_CHARS_MIN: usize = 12;
/// Bytes read of a key file or password.
const INPUT_BYTES_MAX: u64 = 1 << 20;

#[derive(Debug, clap::Args)]
pub(in crate::ops::cli) struct Args {
    /// The account's name, which is also its SSH user name
    name: PartnerName,
    /// A file with its OpenSSH public key, or `-` for standard input; may be given several times
    #[arg(long, value_name = "FILE")]
    key: Vec<PathBuf>,
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
    out.print(&letter::text(&zone, &config, &account, args.host.as_deref())?);
    Ok(())
}

fn changed(mut account: Partner, args: &Args) -> Result<Partner, Diagnostic> {
    if args.password_stdin && args.key.iter().any(|path| path == Path::new("-")) {
        let told = "standard input can hold a key or a password, not both";
        return Err(Diagnostic::error(Code::Z107, told));
    }
    account.disabled = false;
    for path in &args.key {
        for line in keys(path)? {
            if !account.keys.contains(&line) {
                account.keys.push(line);
            }
        }
    }
    for feed in &args.feed {
        if !account.feeds.contains(feed) {
            account.feeds.push(feed.clone());
        }
    }
    if args.password_stdin {
        account.password = Some(hash(&read(Path::new("-"))?)?);
    }
    account.contact = args.contact.clone().or(account.contact);
    account.read_back |= args.read_back;
    Ok(account)
}

fn check(account: &Partner) -> Result<(), Diagnostic> {
    let name = &account.name;
    if account.feeds.is_empty() {
        return Err(Diagnostic::error(Code::Z107, format!("{name} could not send anywhere"))
            .hint("Name a feed with --feed; see `landfall feed list`."));
    }
    if account.keys.is_empty() && account.password.is_none() {
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
    if before.contact != after.contact || before.read_back != after.read_back {
        changes.push("settings changed".to_owned());
    }
    if changes.is_empty() { "nothing changed".to_owned() } else { changes.join(", ") }
}

fn read(path: &Path) -> Result<String, Diagnostic> {
    let mut text = String::new();
    let read = match path == Path::new("-") {
        true => std::io::stdin().take(INPUT_BYTES_MAX).read_to_string(&mut text),
        false => std::fs::File::open(path)
            .and_then(|file| file.take(INPUT_BYTES_MAX).read_to_string(&mut text)),
    };
    let what =
        if path == Path::new("-") { "standard input".into() } else { path.display().to_string() };
    read.map_err(|error| {
        Diagnostic::error(Code::Z105, format!("{what} cannot be read")).caused_by(&error)
    })?;
    Ok(text)
}

/// What an input is called in a message.
fn called(path: &Path) -> String {
    let stdin = path == Path::new("-");
    if stdin { "standard input".to_owned() } else { path.display().to_string() }
}

/// The keys of a `.pub` or `authorized_keys` file.
fn keys(path: &Path) -> Result<Vec<String>, Diagnostic> {
    let text = read(path)?;
    let lines = text.lines().map(str::trim).filter(|l| !l.is_empty() && !l.starts_with('#'));
    let mut keys = Vec::new();
    for line in lines {
        partner::check_public_key(line).map_err(|wrong| {
            Diagnostic::error(Code::Z107, format!("{} {wrong}", called(path)))
                .hint("Ask the partner for the .pub file that ssh-keygen made.")
        })?;
        keys.push(line.to_owned());
    }
    match keys.is_empty() {
        true => Err(Diagnostic::error(Code::Z107, format!("{} holds no key", called(path)))),
        false => Ok(keys),
    }
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
