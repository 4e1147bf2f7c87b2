//! What a partner proves itself with: keys and authorities, each with an end and a place.

use std::net::IpAddr;

use ipnet::IpNet;
use toml::de::DeValue;

use crate::clock::Timestamp;
use crate::config::problem::Wrong;
use crate::config::reader::Reader;
use crate::config::value::{network, text, time};

/// A public key that may log in: a line, or `{ key = "…", until = 2027-01-31, from = ["…"] }`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    /// `key`: an OpenSSH public-key line.
    pub line: String,
    /// `until`: from then on it is refused. A day counts to its end, UTC.
    pub until: Option<Timestamp>,
    /// `from`: networks it may be used from; none for all.
    pub from: Vec<IpNet>,
}

impl Key {
    /// A key without end or place.
    pub fn new(line: impl Into<String>) -> Self {
        Self { line: line.into(), until: None, from: Vec::new() }
    }

    /// Why it cannot be used now and from there, as the end of a sentence.
    ///
    /// # Errors
    /// The reason.
    pub fn check(&self, now: Timestamp, origin: IpAddr) -> Result<(), String> {
        check_until(self.until, now)?;
        check_from(&self.from, origin)
    }
}

/// A certificate authority whose user certificates may log in: `[[ca]]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Authority {
    /// `key`: its OpenSSH public-key line.
    pub line: String,
    /// `principals`: names of which a certificate must have one; default the partner's own.
    pub principals: Vec<String>,
    /// `until`: from then on its certificates are refused.
    pub until: Option<Timestamp>,
    /// `from`: networks its certificates may be used from; none for all.
    pub from: Vec<IpNet>,
}

impl Authority {
    /// Why its certificates cannot be used now and from there, as the end of a sentence.
    ///
    /// # Errors
    /// The reason.
    pub fn check(&self, now: Timestamp, origin: IpAddr) -> Result<(), String> {
        check_until(self.until, now)?;
        check_from(&self.from, origin)
    }
}

fn check_until(until: Option<Timestamp>, now: Timestamp) -> Result<(), String> {
    match until.filter(|until| *until <= now) {
        Some(until) => Err(format!("ended at {until}")),
        None => Ok(()),
    }
}

fn check_from(from: &[IpNet], origin: IpAddr) -> Result<(), String> {
    if is_among(from, origin) {
        return Ok(());
    }
    let allowed: Vec<String> = from.iter().map(ToString::to_string).collect();
    Err(format!("may only be used from {} (`from`), not from {origin}", allowed.join(", ")))
}

/// Whether an address is in one of these networks; no networks mean all. An IPv4 address written as
/// IPv6 counts as IPv4.
pub fn is_among(networks: &[IpNet], address: IpAddr) -> bool {
    let address = address.to_canonical();
    networks.is_empty() || networks.iter().any(|network| network.contains(&address))
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

/// Whether a word is the type of a public key.
pub fn is_key_type(word: &str) -> bool {
    KEY_TYPES.contains(&word)
}

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
    if !is_key_type(kind) {
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

/// Reads `keys`.
pub(super) fn keys(top: &Reader<'_, '_>) -> Vec<Key> {
    top.items(
        "keys",
        |value| public_key(value).map(Key::new),
        |table| {
            let line = table.get("key", public_key);
            let (until, from) = limits(&table);
            table.require("key");
            table.finish();
            Some(Key { line: line?, until, from })
        },
    )
}

/// Reads `[[ca]]`.
pub(super) fn authorities(top: &Reader<'_, '_>) -> Vec<Authority> {
    let only_tables = |_: &DeValue<'_>| Err(Wrong::new("is a list of tables: write [[ca]]"));
    top.items("ca", only_tables, |table| {
        let line = table.get("key", public_key);
        let principals = table.list("principals", text).unwrap_or_default();
        let (until, from) = limits(&table);
        table.require("key");
        table.finish();
        Some(Authority { line: line?, principals, until, from })
    })
}

fn limits(table: &Reader<'_, '_>) -> (Option<Timestamp>, Vec<IpNet>) {
    (table.get("until", time), table.list("from", network).unwrap_or_default())
}

/// Writes `keys` as a TOML value.
pub(super) fn render_keys(keys: &[Key]) -> toml::Value {
    keys.iter()
        .map(|key| match (key.until, key.from.as_slice()) {
            (None, []) => toml::Value::from(key.line.as_str()),
            (until, from) => table_of(&key.line, &[], until, from).into(),
        })
        .collect::<Vec<_>>()
        .into()
}

/// Writes `ca` as a TOML value.
pub(super) fn render_authorities(authorities: &[Authority]) -> toml::Value {
    let tables = authorities
        .iter()
        .map(|ca| toml::Value::from(table_of(&ca.line, &ca.principals, ca.until, &ca.from)));
    tables.collect::<Vec<_>>().into()
}

fn table_of(
    line: &str,
    principals: &[String],
    until: Option<Timestamp>,
    from: &[IpNet],
) -> toml::Table {
    let mut table = toml::Table::new();
    table.insert("key".to_owned(), line.into());
    if !principals.is_empty() {
        table.insert("principals".to_owned(), principals.to_vec().into());
    }
    if let Some(until) = until {
        table.insert("until".to_owned(), until.to_string().into());
    }
    if !from.is_empty() {
        table.insert("from".to_owned(), render_networks(from));
    }
    table
}

/// Writes networks as a TOML value.
pub(super) fn render_networks(networks: &[IpNet]) -> toml::Value {
    networks.iter().map(ToString::to_string).collect::<Vec<_>>().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_among_networks_also_as_ipv6() {
        let networks: Vec<IpNet> =
            ["10.0.0.0/8", "2001:db8::/32"].iter().map(|n| n.parse().expect("a network")).collect();
        let is_in = |address: &str| is_among(&networks, address.parse().expect("an address"));
        assert!(is_in("10.1.2.3") && is_in("::ffff:10.1.2.3") && is_in("2001:db8::1"));
        assert!(!is_in("11.0.0.1") && !is_in("2001:db9::1"));
        assert!(is_among(&[], "1.2.3.4".parse().expect("an address")));
    }

    #[test]
    fn a_key_has_an_end_and_a_place() {
        let until = "2027-01-31T00:00:00Z".parse().expect("a time");
        let from = vec!["10.0.0.0/8".parse().expect("a network")];
        let key = Key { until: Some(until), from, ..Key::new("x") };
        let (near, far) = ("10.0.0.1".parse().expect("one"), "9.0.0.1".parse().expect("one"));
        let before = "2027-01-30T23:59:59Z".parse().expect("a time");
        assert_eq!(key.check(before, near), Ok(()));
        assert!(key.check(until, near).expect_err("ended").contains("ended at"));
        assert!(key.check(before, far).expect_err("elsewhere").contains("10.0.0.0/8"));
    }
}
