//! Files of public keys: a `.pub`, or OpenSSH's `authorized_keys` with its options.
//!
//! Options that limit a key are kept (`from`, `expiry-time`, `cert-authority`, `principals`), those
//! that limit what this server does not do anyway are passed over, any other is refused by name, so
//! that no key may do more here than where it comes from (sshd(8), "AUTHORIZED_KEYS FILE FORMAT").

use std::io::Read as _;
use std::net::IpAddr;
use std::path::Path;

use ipnet::IpNet;

use crate::clock::Timestamp;
use crate::config::partner::{Authority, Key, check_public_key, is_key_type};
use crate::diagnostic::{Code, Diagnostic};

/// Bytes read of a key file or password.
const INPUT_BYTES_MAX: u64 = 1 << 20;

/// What a file of keys holds.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Found {
    pub keys: Vec<Key>,
    pub authorities: Vec<Authority>,
}

/// Reads a file, or standard input for `-`.
pub(super) fn found_in(path: &Path) -> Result<Found, Diagnostic> {
    let text = read(path)?;
    let mut found = Found::default();
    for (number, line) in (1..).zip(text.lines().map(str::trim)) {
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        take(&mut found, line).map_err(|wrong| {
            Diagnostic::error(Code::Z107, format!("{}:{number} {wrong}", called(path)))
                .hint("Ask the partner for the .pub file that ssh-keygen made, or mend the line.")
        })?;
    }
    if found == Found::default() {
        return Err(Diagnostic::error(Code::Z107, format!("{} holds no key", called(path))));
    }
    Ok(found)
}

/// The text of a file, or of standard input for `-`.
pub(super) fn read(path: &Path) -> Result<String, Diagnostic> {
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
pub(super) fn called(path: &Path) -> String {
    let stdin = path == Path::new("-");
    if stdin { "standard input".to_owned() } else { path.display().to_string() }
}

fn take(found: &mut Found, line: &str) -> Result<(), String> {
    let first = line.split_whitespace().next().unwrap_or_default();
    let (options, line) = match is_key_type(first) || line.contains("PRIVATE KEY") {
        true => (Vec::new(), line),
        false => split_options(line)?,
    };
    check_public_key(line)?;
    let (mut is_authority, mut principals) = (false, Vec::new());
    let (mut until, mut from) = (None, Vec::new());
    for (name, value) in options {
        match (name.to_ascii_lowercase().as_str(), value.as_str()) {
            ("cert-authority", _) => is_authority = true,
            ("principals", names) => {
                principals = names.split(',').map(|name| name.trim().to_owned()).collect();
            }
            ("expiry-time", at) => until = Some(expiry(at)?),
            ("from", list) => from = networks(list)?,
            ("command", "internal-sftp") => {}
            (
                "restrict"
                | "pty"
                | "no-pty"
                | "no-agent-forwarding"
                | "agent-forwarding"
                | "no-port-forwarding"
                | "port-forwarding"
                | "no-user-rc"
                | "user-rc"
                | "no-x11-forwarding"
                | "x11-forwarding",
                _,
            ) => {}
            (other, _) => {
                return Err(format!(
                    "has the option `{other}`, which has no counterpart here; remove it if the \
                     key may be used without it"
                ));
            }
        }
    }
    let line = line.to_owned();
    if is_authority {
        found.authorities.push(Authority { line, principals, until, from });
    } else if principals.is_empty() {
        found.keys.push(Key { line, until, from });
    } else {
        return Err("has `principals` without `cert-authority`".to_owned());
    }
    Ok(())
}

/// Options of a line, by name; without a value it is empty.
type Options = Vec<(String, String)>;

/// Splits `name="value",name rest` into its options and the rest.
fn split_options(line: &str) -> Result<(Options, &str), String> {
    let (mut options, mut name, mut value) = (Vec::new(), String::new(), String::new());
    let (mut is_quoted, mut is_value) = (false, false);
    let mut letters = line.char_indices().peekable();
    while let Some((at, letter)) = letters.next() {
        match letter {
            '\\' if is_quoted && letters.peek().is_some_and(|(_, next)| *next == '"') => {
                letters.next();
                value.push('"');
            }
            '"' => is_quoted = !is_quoted,
            '=' if !is_quoted && !is_value => is_value = true,
            ',' if !is_quoted => {
                options.push((std::mem::take(&mut name), std::mem::take(&mut value)));
                is_value = false;
            }
            ' ' | '\t' if !is_quoted => {
                options.push((name, value));
                return Ok((options, line.get(at..).unwrap_or_default().trim_start()));
            }
            letter if is_value => value.push(letter),
            letter => name.push(letter),
        }
    }
    Err(check_public_key(line).err().unwrap_or_else(|| "has options and no key".to_owned()))
}

/// `20270131`, `202701311000` or with seconds, each in UTC with a `Z` or without.
fn expiry(text: &str) -> Result<Timestamp, String> {
    let wrong = || format!("has an expiry-time that is not YYYYMMDD[HHMM[SS]]: `{text}`");
    let digits = text.strip_suffix(['Z', 'z']).unwrap_or(text);
    let format = match digits.len() {
        8 => "%Y%m%d",
        12 => "%Y%m%d%H%M",
        14 => "%Y%m%d%H%M%S",
        _ => return Err(wrong()),
    };
    let day = |text: &str| jiff::civil::Date::strptime(format, text).map(|day| day.at(0, 0, 0, 0));
    let at = match digits.len() {
        8 => day(digits),
        _ => jiff::civil::DateTime::strptime(format, digits),
    };
    let at = at.and_then(|at| at.to_zoned(jiff::tz::TimeZone::UTC));
    at.map(|at| at.timestamp()).map_err(|_not_a_date| wrong())
}

fn networks(list: &str) -> Result<Vec<IpNet>, String> {
    let network = |text: &str| -> Result<IpNet, String> {
        let one = || text.parse::<IpAddr>().ok().map(IpNet::from);
        text.parse().ok().or_else(one).ok_or_else(|| {
            format!("has a `from` that is no network or address: `{text}`; names and wildcards are not supported")
        })
    };
    list.split(',').map(str::trim).map(network).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: &str =
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIKPV8uVBYxNWmQ8e/V6EoVl4SVTuL8rdxAJqZ9W5TjYF acme";

    fn taken(options: &str) -> Result<Found, String> {
        let mut found = Found::default();
        take(&mut found, &format!("{options} {LINE}")).map(|()| found)
    }

    #[test]
    fn options_that_limit_a_key_are_kept() {
        let found = taken(r#"restrict,from="10.0.0.0/8, 1.2.3.4",expiry-time="20270131""#);
        let key = &found.expect("taken").keys[0];
        assert_eq!(key.line, LINE);
        assert_eq!(key.until, Some("2027-01-31T00:00:00Z".parse().expect("a time")));
        assert_eq!(key.from.len(), 2);
        let found = taken(r#"cert-authority,principals="a,b",command="internal-sftp""#);
        let ca = &found.expect("taken").authorities[0];
        assert_eq!(ca.principals, ["a", "b"]);
        let until = taken("expiry-time=202701311015Z").expect("taken").keys[0].until;
        assert_eq!(until, Some("2027-01-31T10:15:00Z".parse().expect("a time")));
    }

    #[test]
    fn options_without_a_counterpart_are_refused_by_name() {
        for (options, told) in [
            (r#"command="/bin/backup""#, "command"),
            ("tunnel=1", "tunnel"),
            (r#"from="*.example.com""#, "*.example.com"),
            (r#"principals="a""#, "cert-authority"),
            ("expiry-time=tomorrow", "tomorrow"),
        ] {
            let wrong = taken(options).expect_err(options);
            assert!(wrong.contains(told), "{wrong}");
        }
        let mut found = Found::default();
        assert!(take(&mut found, "from=\"10.0.0.0/8\"").is_err());
        assert!(take(&mut found, "hello").is_err());
    }
}
