//! Whether the first record names the columns.
//!
//! A name stands out from the values below it: text above numbers or dates, another length than
//! every value. A first record that fits the types below it is data. Where nothing tells them apart
//! the first record is taken as the header, which most files have, and the report says that it is
//! not certain.

use std::collections::HashSet;

use crate::convert::infer::{Evidence, Fit};
use crate::schema::{Column, ColumnType};

/// A longer cell is no name.
const NAME_BYTES_MAX: usize = 1024;
/// Values with the same length that make another length stand out.
const SAME_LENGTH_MIN: usize = 3;
/// Words for a missing value, which stand above or among numbers without being a name.
const NULL_WORDS: [&str; 10] = ["na", "n/a", "nan", "null", "none", "nil", "-", "--", "?", "."];

/// Whether there is a header, and how that is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    /// Whether the first record names the columns.
    pub is_present: bool,
    /// Whether that is certain.
    pub is_certain: bool,
    /// Why, in words.
    pub why: String,
}

impl Header {
    /// A header by certain knowledge.
    pub fn certain(is_present: bool, why: impl Into<String>) -> Self {
        Self { is_present, is_certain: true, why: why.into() }
    }

    fn likely(is_present: bool, why: impl Into<String>) -> Self {
        Self { is_present, is_certain: false, why: why.into() }
    }

    /// Judges the first record of a sample by those that follow.
    pub fn judge(rows: &[Vec<String>]) -> Self {
        let Some((first, rest)) = rows.split_first() else {
            return Self::likely(true, "there is no record");
        };
        if first.iter().any(|name| name.len() > NAME_BYTES_MAX) {
            return Self::certain(false, "the first record is too long for names");
        }
        if first.iter().all(|name| name.trim().is_empty()) {
            return Self::likely(false, "the first record is empty");
        }
        // A header that is repeated further down says nothing about itself.
        let repeats = |row: &Vec<String>| row.len() > 1 && row == first;
        let rest = rest.iter().filter(|row| row.len() == first.len() && !repeats(row));
        let rest: Vec<_> = rest.collect();
        let votes = first.iter().enumerate().map(|(at, name)| {
            let values: Vec<_> =
                rest.iter().filter_map(|row| Some(row.get(at)?.as_str())).collect();
            vote(name, &values)
        });
        decide(first, &votes.collect::<Vec<_>>())
    }
}

/// What one column says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Vote {
    /// Text above values of this type.
    Name(ColumnType),
    /// A value of the same type as those below.
    Value,
    /// It differs in length from all values, which have the same.
    LikelyName,
    /// It looks like the values below.
    LikelyValue,
    /// Nothing.
    Nothing,
}

fn vote(name: &str, values: &[&str]) -> Vote {
    let mut below = Evidence::default();
    (2..).zip(values).for_each(|(line, value)| below.observe(value, false, line));
    let kind = below.own();
    below.observe(name, false, u64::MAX);
    let is_null = NULL_WORDS.contains(&name.to_ascii_lowercase().as_str());
    match kind {
        _ if name.is_empty() => Vote::Nothing,
        ColumnType::Text => vote_among_text(name, values),
        ColumnType::Empty if below.own() == ColumnType::Text => Vote::Nothing,
        ColumnType::Empty => Vote::Value,
        typed if below.fits(typed) => Vote::Value,
        _typed if is_null || own_kind(name) != ColumnType::Text => Vote::LikelyValue,
        ColumnType::Bool
        | ColumnType::Int64
        | ColumnType::Decimal { .. }
        | ColumnType::Double
        | ColumnType::Date
        | ColumnType::Timestamp { .. } => Vote::Name(kind),
    }
}

fn own_kind(name: &str) -> ColumnType {
    let mut alone = Evidence::default();
    alone.observe(name, false, 1);
    alone.own()
}

fn vote_among_text(name: &str, values: &[&str]) -> Vote {
    let length = values.first().map(|value| value.chars().count());
    let same = values.len() >= SAME_LENGTH_MIN
        && values.iter().all(|value| Some(value.chars().count()) == length);
    match Some(name.chars().count()) == length {
        _ if values.contains(&name) || own_kind(name) != ColumnType::Text => Vote::LikelyValue,
        true if same => Vote::LikelyValue,
        false if same => Vote::LikelyName,
        true | false => Vote::Nothing,
    }
}

fn decide(first: &[String], votes: &[Vote]) -> Header {
    let count = |wanted: fn(&Vote) -> bool| votes.iter().filter(|vote| wanted(vote)).count();
    let values = count(|vote| *vote == Vote::Value);
    let likely_names = count(|vote| *vote == Vote::LikelyName);
    let likely_values = count(|vote| *vote == Vote::LikelyValue);
    let named = first.iter().zip(votes).find_map(|(name, vote)| match vote {
        Vote::Name(kind) => Some((name, *kind)),
        Vote::Value | Vote::LikelyName | Vote::LikelyValue | Vote::Nothing => None,
    });
    match named {
        Some((name, kind)) => {
            let why = format!("`{name}` stands above values of type {kind}");
            Header { is_present: true, is_certain: values == 0 && is_unique(first), why }
        }
        None if values > 0 => Header::certain(false, "the first record has values like the others"),
        None if likely_values > likely_names || !is_unique(first) => {
            Header::likely(false, "the first record looks like the others")
        }
        None if likely_names > 0 => {
            Header::likely(true, "the first record differs in length from the others")
        }
        None => Header::likely(true, "nothing tells the first record from the others"),
    }
}

fn is_unique(names: &[String]) -> bool {
    let mut seen = HashSet::new();
    names.iter().filter(|name| !name.is_empty()).all(|name| seen.insert(name.to_lowercase()))
}

/// How many of the published names are known to the feed.
pub fn known_names(names: &[String], known: &[Column]) -> usize {
    let known: HashSet<_> = known.iter().map(|column| column.name.to_lowercase()).collect();
    names.iter().filter(|name| known.contains(&name.to_lowercase())).count()
}

/// Whether the feed's files have had a header so far; a column without one has an empty header.
pub fn had_header(known: &[Column]) -> bool {
    known.iter().any(|column| !column.header.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judge(rows: &[&[&str]]) -> (bool, bool) {
        let rows: Vec<Vec<String>> =
            rows.iter().map(|row| row.iter().map(|cell| (*cell).to_owned()).collect()).collect();
        let header = Header::judge(&rows);
        (header.is_present, header.is_certain)
    }

    #[test]
    fn a_name_stands_above_typed_values() {
        assert_eq!(judge(&[&["id", "name"], &["1", "Ann"], &["2", "Bob"]]), (true, true));
        assert_eq!(judge(&[&["when"], &["2024-01-01"]]), (true, true));
        assert_eq!(judge(&[&["", "a"], &["0", "x"]]), (true, false));
        assert_eq!(judge(&[&["country", "2019"], &["DE", "5"], &["FR", "6"]]), (false, true));
        assert_eq!(judge(&[&["id", "2019"], &["1", "5"], &["2", "6"]]), (true, false));
    }

    #[test]
    fn data_is_not_a_header() {
        assert_eq!(judge(&[&["1", "Ann"], &["2", "Bob"]]), (false, true));
        assert_eq!(judge(&[&["1", "NA"], &["2", "5"]]), (false, true));
        assert_eq!(judge(&[&["1", "2", "3"]]), (false, true));
        assert_eq!(judge(&[&["Paris", "FR"], &["Lyon", "FR"], &["Rome", "IT"]]), (false, false));
        assert_eq!(
            judge(&[&["AB", "x"], &["CD", "yy"], &["EF", "z"], &["GH", "w"]]),
            (false, false)
        );
    }

    #[test]
    fn where_nothing_tells_it_is_taken_but_not_certain() {
        assert_eq!(judge(&[&["name", "city"], &["Ann", "Paris"], &["Bob", "Rome"]]), (true, false));
        assert_eq!(judge(&[&["name"]]), (true, false));
    }
}
