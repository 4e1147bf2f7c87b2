//! Which of a sheet's first rows names the columns.
//!
//! For a known feed it is the row that has most of the known names, if it has at least half of them.
//! Otherwise it is the first row that is nearly as wide as the widest, if half of it is text: title
//! rows are narrow, and a row of numbers is data.

use std::collections::HashSet;

use super::row::Row;
use crate::contract::Contract;
use crate::convert::headers;

/// Rows that are looked at.
pub(super) const ROWS_LOOKED_AT: usize = 50;

/// What is known before a sheet is read.
#[derive(Debug, Clone, Default)]
pub(super) struct Expected {
    /// The feed's published names in lower case; empty for an unknown feed.
    pub(super) names: HashSet<String>,
    /// Whether there is a header, if the feed says so.
    pub(super) header: Option<bool>,
    /// What the feed's files must look like.
    pub(super) contract: Option<Contract>,
}

/// A sheet's header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Header {
    /// This row, counted from 0 among those that hold values, has these texts by column.
    Row(usize, Vec<(u32, String)>),
    /// The feed says that there is none.
    Absent,
    /// No row looks like one.
    NotFound,
}

impl Expected {
    /// Finds the header among a sheet's first rows.
    pub(super) fn find(&self, rows: &[Row<'_>]) -> Header {
        if self.header == Some(false) {
            return Header::Absent;
        }
        let place = self.known(rows).or_else(|| self.plausible(rows));
        place.and_then(|at| rows.get(at).map(|row| (at, row))).map_or(
            Header::NotFound,
            |(at, row)| {
                let text = |(column, value): &(u32, super::value::Value<'_>)| {
                    (*column, value.text().into_owned())
                };
                Header::Row(at, row.cells.iter().map(text).collect())
            },
        )
    }

    /// Whether a table with these names is the feed's.
    pub(super) fn is_met_by<'n>(&self, names: impl Iterator<Item = &'n str>) -> bool {
        let found: HashSet<_> = names.map(str::to_lowercase).collect();
        found.intersection(&self.names).count() * 2 >= self.names.len()
    }

    /// A header by the name that the contract gives it.
    fn named<'h>(&'h self, header: &'h str) -> &'h str {
        self.contract.as_ref().map_or(header, |contract| contract.renamed(header))
    }

    /// The published names of headers.
    pub(super) fn published(&self, texts: &[&str]) -> Vec<String> {
        headers::published(&texts.iter().map(|text| self.named(text)).collect::<Vec<_>>())
    }

    fn known(&self, rows: &[Row<'_>]) -> Option<usize> {
        let known = |row: &Row<'_>| {
            let texts = row.cells.iter().map(|(_, value)| self.named(&value.text()).to_lowercase());
            texts.collect::<HashSet<_>>().intersection(&self.names).count()
        };
        let best = rows.iter().map(known).enumerate().rev().max_by_key(|(_, count)| *count);
        best.filter(|(_, count)| *count > 0 && count * 2 >= self.names.len()).map(|(at, _)| at)
    }

    fn plausible(&self, rows: &[Row<'_>]) -> Option<usize> {
        let widest = rows.iter().map(|row| row.cells.len()).max()?;
        let at = rows.iter().position(|row| row.cells.len() * 5 >= widest * 3)?;
        let row = rows.get(at)?;
        let is_text = row.texts() * 2 >= row.cells.len();
        (is_text || self.header == Some(true)).then_some(at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::convert::excel::value::Value;

    fn row(number: u32, cells: &[&'static str]) -> Row<'static> {
        let value = |text: &&'static str| match text.parse() {
            Ok(value) => Value::Number { value, decimals: false },
            Err(_) => Value::Text((*text).into()),
        };
        Row { number, cells: (0..).zip(cells.iter().map(value)).collect() }
    }

    fn place(expected: &Expected, rows: &[Row<'_>]) -> Option<usize> {
        match expected.find(rows) {
            Header::Row(at, _) => Some(at),
            Header::Absent | Header::NotFound => None,
        }
    }

    #[test]
    fn titles_are_narrower_than_tables() {
        let unknown = Expected::default();
        let table = [row(5, &["id", "name", "2024"]), row(6, &["1", "a", "3"])];
        let titled = [row(1, &["Sales"]), row(3, &["as of", "today"])];
        assert_eq!(place(&unknown, &table), Some(0));
        assert_eq!(place(&unknown, &[&titled[..1], &table].concat()), Some(1));
        assert_eq!(place(&unknown, &[]), None);
        assert_eq!(place(&unknown, &[row(1, &["1", "2"]), row(2, &["3", "4"])]), None);
    }

    #[test]
    fn a_known_feed_knows_its_header() {
        let names = ["id", "amount"].map(str::to_owned);
        let known = Expected { names: names.into(), ..Expected::default() };
        let rows = [row(1, &["Report", "of", "today"]), row(2, &["x", "ID", "Amount"])];
        assert_eq!(place(&known, &rows), Some(1));
        assert!(known.is_met_by(["ID", "other"].into_iter()));
        assert!(!known.is_met_by(["x", "y"].into_iter()));
    }

    #[test]
    fn the_feed_has_the_last_word() {
        let numbers = [row(1, &["1", "2"]), row(2, &["3", "4"])];
        let with = Expected { header: Some(true), ..Expected::default() };
        assert_eq!(place(&with, &numbers), Some(0));
        let without = Expected { header: Some(false), ..Expected::default() };
        assert_eq!(without.find(&numbers), Header::Absent);
    }
}
