//! A feed's contract: `contracts/<feed>.toml`.
//!
//! ```toml
//! match = "sales_{region}_{date:%Y%m%d}.csv"   # columns _lf_name_region and _lf_name_date
//! unique = [["state", "amount"]]               # keys that occur once in a file
//! rows = { min = 1, max = 1_000_000 }          # records of a file
//! max_rejects = { count = 100, percent = 1 }   # default 0: any reject holds the file
//! mode = { columns = "freeze", values = "reject_row" }   # or "evolve"; "null_value"
//!
//! # How values are written, unless a column says otherwise.
//! decimal = ","
//! thousands = "."
//! date = "%d.%m.%Y"
//! timestamp = "%d.%m.%Y %H:%M"
//! null = ["NA"]
//! trim = true
//!
//! [column]
//! note = "text"                                # the type alone
//!
//! [column.amount]
//! type = "decimal(10,2)"   # text int64 decimal(p,s) double date timestamp timestamp_utc bool
//! aliases = ["Betrag"]     # other headers that mean it
//! required = true
//! unique = true
//! min = 0
//! max = 99999.99
//! values = "null_value"    # instead of mode.values
//!
//! [column.state]
//! type = "text"
//! allowed = ["open", "closed"]   # or pattern = "[A-Z]{2}"
//!
//! [column.paid]
//! type = "bool"
//! yes = ["J"]
//! no = ["N"]
//! ```
//!
//! Formats are those of [`crate::contract::TimeFormat`]. [`parse`] is a function of the text: every
//! problem is told at once, and no text makes it fail otherwise.

use std::collections::BTreeMap;

use sha2::Digest as _;
use toml::de::DeValue;

use super::problem::{Problem, Problems, Source, Wrong, read_text, toml_stems};
use super::reader::{self, Reader};
use super::value::{choice, text, whole};
use crate::contract::{
    BadValues, Contract, DeclaredColumn, DifferingColumns, MaxRejects, NamePattern, RowCount,
};
use crate::names::{Digest, FeedName};
use crate::zone::Zone;
use column::Defaults;

mod column;
mod render;
mod settings;

pub use render::render;
pub use settings::settings;

/// Bytes of a contract.
const TEXT_BYTES_MAX: usize = 1 << 20;

/// A contract with the text it was read from.
#[derive(Debug, Clone, PartialEq)]
pub struct Written {
    /// What it says.
    pub contract: Contract,
    /// Its text, which is kept in the archive under the contract's digest.
    pub text: String,
}

/// Reads the text of a contract; `file` is how messages call it.
///
/// # Errors
/// All problems of the text.
pub fn parse(file: &str, text: &str) -> Result<Contract, Problems> {
    let (contract, problems) = read(file, text);
    match contract {
        Some(contract) if problems.is_empty() => Ok(contract),
        Some(_) | None => Err(Problems(problems)),
    }
}

/// Every contract of a zone, and all problems of all of them. `feeds` are the declared ones, when
/// they are known.
pub(super) fn load_all(
    zone: &Zone,
    feeds: Option<&[String]>,
) -> (BTreeMap<FeedName, Written>, Vec<Problem>) {
    let (mut contracts, mut problems) = (BTreeMap::new(), Vec::new());
    let whole_file = |file: &str, wrong: Wrong| {
        let source = Source::new(file, "");
        source.problem(&(0..0), wrong);
        source.into_problems()
    };
    let stems = match toml_stems(&zone.contracts()) {
        Ok(stems) => stems,
        Err(error) => {
            let wrong = Wrong::new(format!("cannot be read: {error}"));
            return (contracts, whole_file("contracts/", wrong));
        }
    };
    for stem in stems {
        let file = format!("contracts/{stem}.toml");
        match feed(&stem, feeds) {
            Err(wrong) => problems.extend(whole_file(&file, wrong)),
            Ok(feed) => match read_text(&zone.contract_file(&feed), &file) {
                Err(problem) => problems.push(problem),
                Ok(text) => match read(&file, &text) {
                    (Some(contract), wrong) if wrong.is_empty() => {
                        contracts.insert(feed, Written { contract, text });
                    }
                    (_, wrong) => problems.extend(wrong),
                },
            },
        }
    }
    (contracts, problems)
}

fn feed(stem: &str, feeds: Option<&[String]>) -> Result<FeedName, Wrong> {
    if let Some(declared) = feeds
        && !declared.iter().any(|feed| feed == stem)
    {
        let message =
            format!("is the contract of the feed `{stem}`, but there is no [feed.{stem}]");
        return Err(Wrong::unlike(message, stem, declared.iter().map(String::as_str)));
    }
    stem.parse().map_err(|error: crate::names::Error| Wrong::new(error.to_string()))
}

fn read(file: &str, text: &str) -> (Option<Contract>, Vec<Problem>) {
    let source = Source::new(file, text);
    if text.len() > TEXT_BYTES_MAX {
        source.problem(&(0..0), Wrong::new(format!("is longer than {TEXT_BYTES_MAX} bytes")));
        return (None, source.into_problems());
    }
    let digest = Digest::from_bytes(sha2::Sha256::digest(text).into());
    let contract = reader::document(&source).map(|table| {
        let top = Reader::top(&source, table.get_ref());
        read_contract(digest, top)
    });
    (contract, source.into_problems())
}

fn read_contract(digest: Digest, top: Reader<'_, '_>) -> Contract {
    let mut defaults = Defaults::read(&top);
    let mut differing_columns = DifferingColumns::Freeze;
    if let Some(mode) = top.table("mode") {
        mode.set(&mut differing_columns, "columns", choice(DIFFERING_COLUMNS));
        mode.set(&mut defaults.bad_values, "values", choice(BAD_VALUES));
        mode.finish();
    }
    let (columns, mut unique) = column::read_all(&top, &defaults);
    let declared: Vec<_> = columns.iter().map(|column| column.name.clone()).collect();
    unique.extend(top.list("unique", key(&declared)).unwrap_or_default());
    if columns.is_empty() {
        top.problem(Wrong::new("a contract declares at least one column: `[column.<name>]`"));
    }
    let contract = Contract {
        digest,
        differing_columns,
        max_rejects: max_rejects(&top),
        rows: rows(&top),
        unique,
        name: top.get("match", name_pattern),
        columns,
    };
    top.finish();
    contract
}

const DIFFERING_COLUMNS: &[(&str, DifferingColumns)] =
    &[("evolve", DifferingColumns::Evolve), ("freeze", DifferingColumns::Freeze)];
const BAD_VALUES: &[(&str, BadValues)] =
    &[("reject_row", BadValues::RejectRow), ("null_value", BadValues::NullValue)];

/// A key: the name of a column, or a list of them.
fn key(declared: &[String]) -> impl Fn(&DeValue<'_>) -> Result<Vec<String>, Wrong> {
    let named = |value: &DeValue<'_>| {
        let given = text(value)?;
        let found = declared.iter().find(|name| name.to_lowercase() == given.to_lowercase());
        found.cloned().ok_or_else(|| {
            let message = format!("names the column `{given}`, which is not declared");
            Wrong::unlike(message, &given, declared.iter().map(String::as_str))
        })
    };
    move |value| match value.as_array() {
        Some(parts) if parts.is_empty() => Err(Wrong::new("has a key of no columns")),
        Some(parts) => parts.iter().map(|part| named(part.get_ref())).collect(),
        None => Ok(vec![named(value)?]),
    }
}

fn name_pattern(value: &DeValue<'_>) -> Result<NamePattern, Wrong> {
    let pattern = text(value)?;
    let wrong = |why| Wrong::new(format!("is `{pattern}`, which is no pattern: {why}"));
    NamePattern::new(&pattern).map_err(wrong)
}

fn rows(top: &Reader<'_, '_>) -> RowCount {
    let Some(rows) = top.table("rows") else { return RowCount::default() };
    let count = RowCount { min: rows.get("min", whole(0)), max: rows.get("max", whole(0)) };
    if count.min.zip(count.max).is_some_and(|(min, max)| min > max) {
        rows.problem_at("min", Wrong::new("`min` is more than `max`"));
    }
    rows.finish();
    count
}

/// A count, or `{ count = 100, percent = 1 }`.
fn max_rejects(top: &Reader<'_, '_>) -> MaxRejects {
    const ALL_PPM: u32 = 1_000_000;
    if !top.is_table("max_rejects") {
        let count = top.get("max_rejects", whole(0)).unwrap_or(0);
        return MaxRejects { count, ppm: ALL_PPM };
    }
    let none = MaxRejects { count: 0, ppm: ALL_PPM };
    let Some(table) = top.table("max_rejects") else { return none };
    let (count, ppm) = (table.get("count", whole(0)), table.get("percent", percent));
    table.finish();
    match (count, ppm) {
        (None, None) => none,
        (count, ppm) => {
            MaxRejects { count: count.unwrap_or(u64::MAX), ppm: ppm.unwrap_or(ALL_PPM) }
        }
    }
}

/// A share of a hundred as parts per million.
fn percent(value: &DeValue<'_>) -> Result<u32, Wrong> {
    let number = match (value.as_integer(), value.as_float()) {
        (Some(integer), _) => integer.as_str().parse::<f64>().ok(),
        (None, float) => float.and_then(|float| float.as_str().parse().ok()),
    };
    let wrong = || Wrong::new("must be a number from 0 to 100");
    let share = number.filter(|number| (0.0..=100.0).contains(number)).ok_or_else(wrong)?;
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to 1,000,000")]
    Ok((share * 10_000.0).round() as u32)
}

/// The columns of a contract by what they are called, names and aliases.
fn spoken_for(columns: &[DeclaredColumn]) -> impl Iterator<Item = &String> {
    columns.iter().flat_map(|column| std::iter::once(&column.name).chain(&column.aliases))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract::{Form, Literal};

    fn problems(text: &str) -> Vec<String> {
        let problems = parse("contracts/f.toml", text).expect_err("problems");
        problems.0.iter().map(ToString::to_string).collect()
    }

    /// The example of the module's documentation.
    fn documented() -> String {
        let source = include_str!("mod.rs");
        let lines = source.lines().skip_while(|line| *line != "//! ```toml").skip(1);
        let lines = lines.take_while(|line| *line != "//! ```");
        lines.map(|line| format!("{}\n", line.trim_start_matches("//!"))).collect()
    }

    #[test]
    fn every_documented_key_is_read() {
        let contract = parse("f", &documented()).expect("a contract");
        let names: Vec<_> = contract.columns.iter().map(|column| column.name.as_str()).collect();
        assert_eq!(names, ["note", "amount", "state", "paid"], "in the order they are written");
        let keys: Vec<_> = contract.unique.iter().map(|key| key.join("+")).collect();
        assert_eq!(keys, ["amount", "state+amount"]);
        assert_eq!(contract.max_rejects, MaxRejects { count: 100, ppm: 10_000 });
        assert_eq!(contract.rows, RowCount { min: Some(1), max: Some(1_000_000) });
        let amount = &contract.columns[1];
        let Form::Decimal { precision: 10, scale: 2, marks } = amount.form else {
            panic!("{:?}", amount.form)
        };
        assert_eq!((marks.point, marks.thousands), (',', Some('.')));
        assert_eq!(amount.max, Some(Literal::Decimal(9_999_999)), "exactly as written");
        assert_eq!((amount.nulls.as_slice(), amount.trim), (&["NA".to_owned()][..], true));
        assert_eq!(amount.bad_values, BadValues::NullValue);
        assert_eq!(contract.name.expect("match").fields().len(), 2);
    }

    #[test]
    fn all_problems_are_told_at_once_with_place_and_suggestion() {
        let told = problems(
            "uniqe = ['id']\nunique = ['ib']\nmax_rejects = '5'\nmode = { columns = 'freze' }\n\
             [column.id]\ntype = 'integer'\n[column.a]\ntype = 'text'\nmin = 1\nformat = '%d'\n\
             [column.b]\ntype = 'date'\nformat = '%d.%q.%Y'\nmin = '31.12.2026'\n[column.c]\n\
             pattern = '('\n[column.ID]\ntype = 'decimal(40,2)'\n",
        );
        let all = told.join("\n");
        for expected in [
            "contracts/f.toml:1:1: unknown key `uniqe`; did you mean `unique`?",
            "contracts/f.toml:2:11: `unique` names the column `ib`, which is not declared",
            "contracts/f.toml:3:15: `max_rejects` must be a whole number, not a string",
            "not `freze`; did you mean `freeze`?",
            "not `integer`; did you mean `int64`?",
            "`min` bounds numbers, dates and times",
            "`format` is for dates and timestamps",
            "`%q` is not known",
            "`type` is missing in column.c",
            "which is no pattern",
            "`type` must be decimal(p,s)",
        ] {
            assert!(all.contains(expected), "{expected}\n---\n{all}");
        }
    }

    #[test]
    fn contradictions_are_refused() {
        let column = "[column]\nx = 'text'\n";
        for (text, expected) in [
            ("", "declares at least one column"),
            ("[column]\na = 'text'\nA = 'text'\n", "`A` means two columns"),
            ("[column]\na = 'text'\n[column.b]\ntype = 'text'\naliases = ['a']\n", "means two"),
            ("[column]\n_lf_x = 'text'\n", "landfall's own"),
            ("[column]\nLF_date = 'text'\n", "landfall's own"),
            ("decimal = ','\nthousands = ','\n[column]\nx = 'text'\n", "the same character"),
            ("thousands = '1'\n[column]\nx = 'text'\n", "no letter, digit or sign"),
            ("rows = { min = 2, max = 1 }\n[column]\nx = 'text'\n", "more than `max`"),
            ("[column.x]\ntype = 'int64'\nmin = 2\nmax = 1\n", "more than `max`"),
            ("[column.x]\ntype = 'int64'\nallowed = []\n", "lists no value"),
            ("[column.x]\ntype = 'int64'\nallowed = [1, 'b']\n", "must be a whole number"),
            ("[column.x]\ntype = 'decimal(4,2)'\nmin = 1.005\n", "at most 2 digits"),
            ("[column.x]\ntype = 'timestamp_utc'\nformat = '%Y%m%d'\n", "no `%z`"),
            ("[column.x]\ntype = 'date'\nformat = '%Y%m%d %H'\n", "a timestamp"),
            ("[column.x]\ntype = 'bool'\nyes = ['1']\nno = ['1']\n", "both `yes` and `no`"),
            ("max_rejects = { percent = 101 }\n[column]\nx = 'text'\n", "from 0 to 100"),
            ("null = ['']\n[column]\nx = 'text'\n", "always null"),
            ("match = '{'\n[column]\nx = 'text'\n", "never closed"),
            ("match = 'a/b'\n[column]\nx = 'text'\n", "last part of a name"),
        ] {
            let told = problems(text).join("\n");
            assert!(told.contains(expected), "{text}\n---\n{told}");
        }
        let long = format!("{column}# {}", "x".repeat(TEXT_BYTES_MAX));
        assert!(problems(&long)[0].contains("longer than"));
    }

    #[test]
    fn a_column_with_another_point_does_not_inherit_a_clashing_mark() {
        let text = "decimal = ','\nthousands = '.'\n[column.x]\ntype = 'double'\ndecimal = '.'\n";
        let contract = parse("f", text).expect("a contract");
        assert_eq!(contract.columns[0].form, Form::Double(crate::contract::Marks::default()));
    }

    /// Whatever is written: a contract or problems, never a panic, never neither.
    #[test]
    fn odd_texts_are_problems() {
        let odd = [
            "\0",
            "[",
            "[column",
            "[column.]",
            "[column.x",
            "= 1",
            "column = 1",
            "column = []",
            "[[column]]\nx = 1",
            "[column]\nx = 1",
            "[column.x]\ntype = []",
            "[column.x]\ntype = ''",
            "[column.\"\"]\ntype = 'text'",
            "[column.\" \"]\ntype = 'text'",
            "[column.x]\ntype = 'decimal()'",
            "[column.x]\ntype = 'decimal(,)'",
            "[column.x]\ntype = 'decimal(999,1)'",
            "[column.x]\ntype = 'decimal(3,4)'",
            "[column.x]\ntype = 'decimal(-1,0)'",
            "unique = [[]]\n[column]\nx = 'text'",
            "unique = [1]\n[column]\nx = 'text'",
            "rows = 5\n[column]\nx = 'text'",
            "rows = { min = -1 }\n[column]\nx = 'text'",
            "max_rejects = -1\n[column]\nx = 'text'",
            "max_rejects = { percent = nan }\n[column]\nx = 'text'",
            "[column.x]\ntype = 'double'\nmin = inf",
            "[column.x]\ntype = 'int64'\nmin = 0x10",
            "[column.x]\ntype = 'int64'\nmin = 99999999999999999999",
            "[column.x]\ntype = 'date'\nmin = 2026-02-30",
            "[column.x]\ntype = 'date'\nmin = 10:00:00",
            "[column.x]\ntype = 'text'\npattern = 'a{99999999}'",
            "[column.x]\ntype = 'date'\nformat = '%'",
            "[column.x]\ntype = 'bool'\nyes = []",
            "mode = 'evolve'\n[column]\nx = 'text'",
            "match = '{a}{a}'\n[column]\nx = 'text'",
            "a.b.c.d = 1",
            "\u{feff}\u{202e}",
            "[column.x]\ntype = 'text'\n[column.x]\ntype = 'text'",
            "decimal = 'é'\n[column]\nx = 'text'",
        ];
        for text in odd {
            assert!(!problems(text).is_empty(), "{text:?}");
        }
        let documented = documented();
        for cut in (0..documented.len()).filter(|at| documented.is_char_boundary(*at)) {
            // Any beginning of a contract is a contract or has problems.
            if let Err(told) = parse("f", &documented[..cut]) {
                assert!(!told.0.is_empty());
            }
        }
    }
}
