//! How things look to a client: attributes and the lines of `ls -l`.

use super::wire::Attributes;
use super::wire::reply::Entry;
use crate::clock::Timestamp;
use crate::config::Partner;
use crate::ledger::{Arrival, Listed, Sidecar};
use crate::receive::staging::Snapshot;

const FOLDER: u32 = 0o040_000;
const FILE: u32 = 0o100_000;
/// Permissions of folders that can be written to.
pub const FOLDER_MODE: u32 = 0o755;
/// Permissions of files that the sender gave none.
const FILE_MODE: u32 = 0o640;
/// Permissions of files that are rendered, not sent.
const TEXT_MODE: u32 = 0o444;
/// The user and group that own everything in a view; their names are answered separately.
const OWNER: (u32, u32) = (1000, 1000);
/// The group that owns everything in a view.
pub const GROUP: &str = "landfall";
/// Older entries show their year instead of the time, as ls(1) does.
const RECENT_S: i64 = 182 * 24 * 3600;

/// A virtual folder.
pub fn folder() -> Attributes {
    Attributes {
        size_bytes: Some(0),
        owner: Some(OWNER),
        mode: Some(FOLDER | FOLDER_MODE),
        times_s: None,
    }
}

/// Whether this is how a folder looks.
pub fn is_folder(attributes: &Attributes) -> bool {
    attributes.mode.is_some_and(|mode| mode & 0o170_000 == FOLDER)
}

/// A landed file.
pub fn landed(arrival: &Arrival) -> Attributes {
    let modified_s = arrival.modified_s.unwrap_or_else(|| unix_s(arrival.received_at));
    file(arrival.size_bytes, arrival.mode, modified_s)
}

/// A landed file as a listing knows it.
pub fn listed(listed: &Listed) -> Attributes {
    file(listed.size_bytes, None, listed.modified_s)
}

/// A sidecar.
pub fn sidecar(sidecar: &Sidecar) -> Attributes {
    let modified_s = sidecar.modified_s.unwrap_or_else(|| unix_s(sidecar.received_at));
    file(sidecar.size_bytes, sidecar.mode, modified_s)
}

/// An upload in progress.
pub fn staged(upload: &Snapshot) -> Attributes {
    let modified_s = upload.facts.modified_s.unwrap_or_else(|| unix_s(upload.touched_at));
    file(upload.size_bytes, upload.facts.mode, modified_s)
}

/// A rendered text.
pub fn text(size_bytes: usize, at: Timestamp) -> Attributes {
    file(size_bytes as u64, Some(TEXT_MODE), unix_s(at))
}

/// An entry of a listing.
pub fn entry(partner: &Partner, name: Vec<u8>, attributes: Attributes, now: Timestamp) -> Entry {
    let mut long_name = format!(
        "{} {:>4} {:<8} {:<8} {:>12} {} ",
        permissions(attributes.mode.unwrap_or_default()),
        1,
        partner.name.as_str(),
        GROUP,
        attributes.size_bytes.unwrap_or_default(),
        date(attributes.times_s.map_or(unix_s(now), |(_, modified)| modified), now),
    )
    .into_bytes();
    long_name.extend_from_slice(&name);
    Entry { name, long_name, attributes }
}

fn file(size_bytes: u64, mode: Option<u32>, modified_s: u32) -> Attributes {
    Attributes {
        size_bytes: Some(size_bytes),
        owner: Some(OWNER),
        mode: Some(FILE | (mode.unwrap_or(FILE_MODE) & 0o7777)),
        times_s: Some((modified_s, modified_s)),
    }
}

fn unix_s(at: Timestamp) -> u32 {
    u32::try_from(at.as_second().max(0)).unwrap_or(u32::MAX)
}

fn permissions(mode: u32) -> String {
    let kind = if mode & 0o170_000 == FOLDER { 'd' } else { '-' };
    let bits = "rwxrwxrwx".chars().enumerate();
    let shown = bits.map(|(place, letter)| if mode >> (8 - place) & 1 == 1 { letter } else { '-' });
    std::iter::once(kind).chain(shown).collect()
}

fn date(modified_s: u32, now: Timestamp) -> String {
    let Ok(at) = Timestamp::from_second(i64::from(modified_s)) else { return String::new() };
    let is_recent = (0..RECENT_S).contains(&(now.as_second() - at.as_second()));
    at.strftime(if is_recent { "%b %e %H:%M" } else { "%b %e  %Y" }).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listing_reads_like_ls() {
        let partner = Partner::new("acme".parse().expect("a partner"));
        let now: Timestamp = "2026-11-22T10:00:00Z".parse().expect("a time");
        let line = |name: &str, attributes| {
            let entry = entry(&partner, name.into(), attributes, now);
            String::from_utf8(entry.long_name).expect("text")
        };
        let morning: Timestamp = "2026-11-22T09:05:00Z".parse().expect("a time");
        let last_year: Timestamp = "2025-01-02T09:05:00Z".parse().expect("a time");
        insta::assert_snapshot!(
            [
                line("orders", folder()),
                line("README.txt", text(12, morning)),
                line("old.csv", text(12_345, last_year)),
            ].join("\n"),
            @r"
        drwxr-xr-x    1 acme     landfall            0 Nov 22 10:00 orders
        -r--r--r--    1 acme     landfall           12 Nov 22 09:05 README.txt
        -r--r--r--    1 acme     landfall        12345 Jan  2  2025 old.csv
        "
        );
    }
}
