//! `landfall feed diff`: what is different between two revisions of a feed's columns, or between two
//! contracts that were in force, or that and the file as it is now.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::str::FromStr;

use serde::Serialize;

use super::history::{self, short};
use crate::config::contract::settings;
use crate::diagnostic::{Code, Diagnostic};
use crate::ledger::{Ledger, Revision};
use crate::names::{Digest, FeedName};
use crate::ops::cli::output::table;
use crate::ops::cli::report::block;
use crate::ops::cli::{Exit, Output, reading, words};
use crate::receive::receipt::shown;
use crate::schema::{Change, Column, ColumnType};
use crate::zone::Zone;

#[derive(Debug, clap::Args)]
pub(in crate::ops::cli) struct Args {
    /// Which feed
    feed: FeedName,
    /// The older state: a revision of the columns (3), the newest of a version (v2), or the first
    /// digits of a contract's digest [default: the one before the newest, of columns and contract]
    #[arg(value_name = "FROM", requires = "to")]
    from: Option<State>,
    /// The newer state, or `now` for the contract's file as it is
    #[arg(value_name = "TO")]
    to: Option<State>,
}

/// A state as the command line names it.
#[derive(Debug, Clone, PartialEq, Eq)]
enum State {
    Revision(u32),
    Version(u32),
    /// The contract's file as it is now.
    Now,
    /// The first digits of a contract's digest.
    Contract(String),
}

/// Digits of a revision; more is the digest of a contract.
const REVISION_DIGITS_MAX: usize = 6;

impl FromStr for State {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        let number =
            |digits: &str| digits.parse().ok().filter(|_| digits.len() <= REVISION_DIGITS_MAX);
        let version = text.strip_prefix('v').and_then(number).map(Self::Version);
        let revision = || number(text).map(Self::Revision);
        Ok(match text {
            "now" => Self::Now,
            _digits => version.or_else(revision).unwrap_or_else(|| Self::Contract(text.to_owned())),
        })
    }
}

/// What is different in a feed's columns.
#[derive(Serialize)]
struct Columns {
    from: u32,
    to: u32,
    changes: Vec<Change>,
}

/// What is different in a feed's contract.
#[derive(Serialize)]
struct Contracts {
    from: Option<Digest>,
    /// `None` is the file as it is now.
    to: Option<Digest>,
    settings: Vec<Setting>,
}

/// A setting that one of the contracts has not, or has with another value.
#[derive(Debug, Serialize, PartialEq, Eq)]
struct Setting {
    key: String,
    before: Option<String>,
    after: Option<String>,
}

#[derive(Serialize)]
struct Differing<'a> {
    feed: &'a FeedName,
    columns: Option<Columns>,
    contract: Option<Contracts>,
}

pub(super) fn run(
    args: &Args,
    zone: &Zone,
    ledger: Option<&dyn Ledger>,
    out: &Output,
) -> Result<Exit, Diagnostic> {
    let feed = &args.feed;
    let ledger = ledger.ok_or_else(|| reading::no_feed(feed))?;
    let known = Known::of(feed, zone, ledger)?;
    let (columns, contract) = match (&args.from, &args.to) {
        (Some(from @ (State::Now | State::Contract(_))), Some(to)) => {
            (None, Some(known.contracts(known.contract(from)?, known.contract(to)?)?))
        }
        (Some(from), Some(to)) => (Some(columns(known.revision(from)?, known.revision(to)?)), None),
        (Some(_), None) | (None, _) => known.newest()?,
    };
    let differing = Differing { feed, columns, contract };
    if out.is_json() {
        out.object("landfall.feed-diff/v1", &differing);
    } else {
        out.print(&text(&differing));
    }
    Ok(Exit::Ok)
}

/// What a feed's columns and contract have been.
struct Known<'a> {
    feed: &'a FeedName,
    zone: &'a Zone,
    revisions: Vec<Revision>,
    /// The contracts that were in force, oldest first.
    contracts: Vec<Digest>,
}

impl<'a> Known<'a> {
    fn of(feed: &'a FeedName, zone: &'a Zone, ledger: &dyn Ledger) -> Result<Self, Diagnostic> {
        let revisions = ledger.revisions(feed).map_err(|e| reading::unreadable(&e))?;
        let loads = ledger.loads(feed).map_err(|e| reading::unreadable(&e))?;
        let contracts = history::contracts(&loads).into_iter();
        let contracts = contracts.filter_map(|in_force| in_force.contract).collect();
        Ok(Self { feed, zone, revisions, contracts })
    }

    /// What changed last.
    fn newest(&self) -> Result<(Option<Columns>, Option<Contracts>), Diagnostic> {
        let both = |two: &[Revision]| match two {
            [from, to] => Some(columns(from, to)),
            _fewer => None,
        };
        let of_columns = self.revisions.windows(2).last().and_then(both);
        let of_contract = match self.contracts.as_slice() {
            [.., from, to] => Some(self.contracts(Some(*from), Some(*to))?),
            [] | [_] => None,
        };
        Ok((of_columns, of_contract))
    }

    fn revision(&self, state: &State) -> Result<&Revision, Diagnostic> {
        let mut newest_first = self.revisions.iter().rev();
        let found = match state {
            State::Revision(number) => newest_first.find(|r| r.learned.revision == *number),
            State::Version(number) => newest_first.find(|r| r.learned.version == *number),
            State::Now | State::Contract(_) => {
                return Err(self.no_such("one of the states is a contract, the other is not"));
            }
        };
        found.ok_or_else(|| self.no_such(&format!("{} has no such columns", self.feed)))
    }

    /// The digest of the contract that is meant; `None` is the file as it is now.
    fn contract(&self, state: &State) -> Result<Option<Digest>, Diagnostic> {
        let digits = match state {
            State::Now => return Ok(None),
            State::Contract(digits) => digits.to_lowercase(),
            // Digits alone may be the beginning of a digest as well.
            State::Revision(number) => number.to_string(),
            State::Version(_) => {
                return Err(self.no_such("one of the states is a contract, the other is not"));
            }
        };
        let begins = |digest: &&Digest| digest.to_string().starts_with(&digits);
        let mut meant: Vec<_> = self.contracts.iter().filter(begins).collect();
        meant.dedup();
        match meant.as_slice() {
            [one] => Ok(Some(**one)),
            [] => Err(self.no_such(&format!("{} had no contract `{digits}`", self.feed))),
            [_, ..] => Err(self.no_such(&format!("`{digits}` means several contracts"))),
        }
    }

    fn contracts(&self, from: Option<Digest>, to: Option<Digest>) -> Result<Contracts, Diagnostic> {
        let (before, after) = (self.settings(from)?, self.settings(to)?);
        Ok(Contracts { from, to, settings: differing(&before, &after) })
    }

    fn settings(&self, which: Option<Digest>) -> Result<BTreeMap<String, String>, Diagnostic> {
        let path = match which {
            Some(digest) => self.zone.kept_config(&digest),
            None => self.zone.contract_file(self.feed),
        };
        let text = std::fs::read_to_string(&path).map_err(|error| {
            Diagnostic::error(Code::Z105, format!("{} cannot be read", path.display()))
                .caused_by(&error)
        })?;
        settings(&text)
            .ok_or_else(|| Diagnostic::error(Code::Z101, format!("{} is not TOML", path.display())))
    }

    fn no_such(&self, what: &str) -> Diagnostic {
        Diagnostic::error(Code::H131, what).fact("feed", self.feed)
    }
}

fn differing(before: &BTreeMap<String, String>, after: &BTreeMap<String, String>) -> Vec<Setting> {
    let mut keys: Vec<_> = before.keys().chain(after.keys()).collect();
    keys.sort_unstable();
    keys.dedup();
    let settings = keys.into_iter().map(|key| Setting {
        key: key.clone(),
        before: before.get(key).cloned(),
        after: after.get(key).cloned(),
    });
    settings.filter(|setting| setting.before != setting.after).collect()
}

/// Columns are told apart by name, without regard to case.
fn columns(from: &Revision, to: &Revision) -> Columns {
    fn find<'c>(columns: &'c [Column], wanted: &Column) -> Option<&'c Column> {
        let name = wanted.name.to_lowercase();
        columns.iter().find(|column| column.name.to_lowercase() == name)
    }
    let (before, after) = (&from.learned.columns, &to.learned.columns);
    let gone = before.iter().filter(|column| find(after, column).is_none());
    let mut changes: Vec<_> =
        gone.map(|column| Change::Removed { column: column.name.clone() }).collect();
    changes.extend(after.iter().filter_map(|column| match find(before, column) {
        None => Some(Change::Added { column: column.name.clone(), kind: kind(column) }),
        Some(old) if old.type_words() != column.type_words() => Some(retyped(old, column)),
        Some(_) => None,
    }));
    Columns { from: from.learned.revision, to: to.learned.revision, changes }
}

/// A column's type, if it is not nested.
fn kind(column: &Column) -> Option<ColumnType> {
    column.nested.is_none().then(|| column.kind.published())
}

fn retyped(old: &Column, new: &Column) -> Change {
    let column = new.name.clone();
    match kind(old).zip(kind(new)) {
        Some((from, to)) => Change::Retyped { column, from, to },
        None => {
            let (from, to) = (old.type_words(), new.type_words());
            Change::Words(format!("column `{column}` left {from} for {to}"))
        }
    }
}

fn text(differing: &Differing<'_>) -> String {
    let mut text = format!("{}\n", differing.feed);
    if let Some(Columns { from, to, changes }) = &differing.columns {
        let lines: Vec<_> =
            changes.iter().map(|change| words::told(std::slice::from_ref(change))).collect();
        let heading = format!("columns, revision {from} → {to}");
        text.push_str(&block(&heading, &or_nothing(lines.join("\n"))));
    }
    if let Some(Contracts { from, to, settings }) = &differing.contract {
        let named = |which: &Option<Digest>| which.as_ref().map_or("now".to_owned(), short);
        let value = |value: &Option<String>| value.as_deref().map_or("-".to_owned(), shown);
        let rows = settings.iter().map(|setting| {
            [shown(&setting.key), value(&setting.before), "→".into(), value(&setting.after)]
        });
        let heading = format!("contract, {} → {}", named(from), named(to));
        text.push_str(&block(&heading, &or_nothing(table(&rows.collect::<Vec<_>>()))));
    }
    if differing.columns.is_none() && differing.contract.is_none() {
        text.push_str("  neither its columns nor its contract ever changed\n");
    }
    text
}

fn or_nothing(lines: String) -> String {
    if lines.is_empty() { "nothing".to_owned() } else { lines }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_are_told_apart() {
        for (text, state) in [
            ("3", State::Revision(3)),
            ("v2", State::Version(2)),
            ("now", State::Now),
            ("1234567", State::Contract("1234567".to_owned())),
            ("vanilla", State::Contract("vanilla".to_owned())),
        ] {
            assert_eq!(text.parse(), Ok(state));
        }
    }

    #[test]
    fn settings_that_differ_are_named() {
        let of = |text| settings(text).expect("TOML");
        let before = of("max_rejects = 1\n[column]\nid = 'int64'\nold = 'text'\n");
        let after = of("max_rejects = 2\n[column]\nid = 'int64'\nnew = 'date'\n");
        let told: Vec<_> = differing(&before, &after)
            .into_iter()
            .map(|s| format!("{} {:?} {:?}", s.key, s.before, s.after))
            .collect();
        assert_eq!(
            told,
            [
                r#"column.new.type None Some("\"date\"")"#,
                r#"column.old.type Some("\"text\"") None"#,
                r#"max_rejects Some("1") Some("2")"#,
            ]
        );
    }
}
