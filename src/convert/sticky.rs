//! A feed's learned schema meets a file.
//!
//! - Columns are bound by published name, without regard to case; their order means nothing, and
//!   another one is only mentioned.
//! - Types only widen: int64 → decimal → text, anything else → text. A file whose values fit the
//!   feed's type is written in that type, with its own printer. A column that leaves its type opens
//!   the feed's next version; so does the first typed value in a column that was all null, because
//!   such a column is published as text.
//! - A missing column is null, an added one is taken; both are drift. Both at once looks like a
//!   renamed column, which nobody may guess: held, until a person allows it.
//! - None of the known columns is there: the header is missing: held.

use std::collections::HashMap;

use super::infer::Fit;
use crate::contract::Allowance;
use crate::diagnostic::{Code, Diagnostic};
use crate::schema::{Change, Column, ColumnType, LearnedSchema};

/// Names listed in a diagnostic.
const NAMES_MAX: usize = 10;
/// Changes told in a diagnostic.
const CHANGES_MAX: usize = 100;

/// A column of a file.
pub struct Found<'a> {
    /// Its header as sent; empty when there is none.
    pub header: &'a str,
    /// Its published name ([`super::headers::published`]).
    pub name: &'a str,
    /// What its values allow.
    pub values: &'a dyn Fit,
}

/// What a file's Parquet will look like and what the feed learns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// Every column of the feed's version from now on, in the feed's order.
    pub columns: Vec<Planned>,
    /// The schema version the file is published under.
    pub version: u32,
    /// The feed's columns from now on, when this file changes them.
    pub learned: Option<Vec<Column>>,
    /// Whether a column left its type.
    pub opens_version: bool,
    /// How the file's columns differ from the feed's.
    pub drift: Vec<Change>,
}

/// One column of a [`Plan`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Planned {
    /// Name, header and final type.
    pub column: Column,
    /// Which column of the file, from 0; `None` when the file lacks it: nulls.
    pub source: Option<usize>,
}

/// Joins the columns of a file with what is known of the feed.
///
/// # Errors
/// C110 when known columns are gone and new ones appeared, C109 when none of the known columns is
/// there.
pub fn plan(
    learned: Option<&LearnedSchema>,
    found: &[Found<'_>],
    allowance: Allowance,
) -> Result<Plan, Diagnostic> {
    match learned {
        Some(learned) => Joined::new(learned, found, allowance)?.plan(learned, found),
        None => Ok(first(found)),
    }
}

fn first(found: &[Found<'_>]) -> Plan {
    let columns: Vec<_> = found.iter().map(|found| own_column(found)).collect();
    let planned = columns.iter().cloned().enumerate();
    Plan {
        columns: planned.map(|(at, column)| Planned { column, source: Some(at) }).collect(),
        version: 1,
        learned: Some(columns),
        opens_version: false,
        drift: Vec::new(),
    }
}

fn own_column(found: &Found<'_>) -> Column {
    Column {
        name: found.name.to_owned(),
        header: found.header.to_owned(),
        kind: found.values.own(),
        nested: found.values.nested(None),
    }
}

/// Which column of the file each known column is, and which columns are new.
struct Joined {
    known: Vec<Option<usize>>,
    added: Vec<usize>,
}

impl Joined {
    fn new(
        learned: &LearnedSchema,
        found: &[Found<'_>],
        allowance: Allowance,
    ) -> Result<Self, Diagnostic> {
        let places = found.iter().enumerate().map(|(at, found)| (found.name.to_lowercase(), at));
        let mut places: HashMap<_, _> = places.collect();
        let known: Vec<_> = learned
            .columns
            .iter()
            .map(|column| places.remove(&column.name.to_lowercase()))
            .collect();
        let mut added: Vec<_> = places.into_values().collect();
        added.sort_unstable();
        let joined = Self { known, added };
        let missing = joined.missing(learned);
        if joined.added.is_empty() || missing.is_empty() {
            return Ok(joined);
        }
        let one_each = missing.len() == 1 && joined.added.len() == 1;
        let code = if missing.len() == learned.columns.len() && !one_each {
            Code::C109
        } else {
            Code::C110
        };
        if allowance.drift {
            return Ok(joined);
        }
        let added = joined.added.iter().filter_map(|at| found.get(*at)).map(|found| found.name);
        Err(refusal(code, &missing, &added.collect::<Vec<_>>()))
    }

    fn missing<'a>(&self, learned: &'a LearnedSchema) -> Vec<&'a str> {
        let pairs = learned.columns.iter().zip(&self.known);
        pairs.filter(|(_, at)| at.is_none()).map(|(column, _)| column.name.as_str()).collect()
    }

    /// The order of the known columns in the file, when it is another.
    fn reordered(&self, learned: &LearnedSchema) -> Option<Change> {
        let known = self.known.iter().zip(&learned.columns);
        let mut there: Vec<_> =
            known.filter_map(|(at, column)| Some((*at.as_ref()?, column))).collect();
        if there.is_sorted_by_key(|(at, _)| *at) {
            return None;
        }
        there.sort_by_key(|(at, _)| *at);
        let names =
            there.into_iter().take(Change::ORDER_MAX).map(|(_, column)| column.name.clone());
        Some(Change::Reordered { order: names.collect() })
    }

    fn plan(&self, learned: &LearnedSchema, found: &[Found<'_>]) -> Result<Plan, Diagnostic> {
        let mut plan = Plan {
            columns: Vec::new(),
            version: learned.version,
            learned: None,
            opens_version: false,
            drift: Vec::new(),
        };
        for (column, source) in learned.columns.iter().zip(&self.known) {
            let at = source.and_then(|source| found.get(source));
            plan.take_known(column, *source, at);
        }
        for (source, found) in self.added.iter().filter_map(|at| Some((*at, found.get(*at)?))) {
            let column = own_column(found);
            let (name, kind) = (column.name.clone(), Some(column.kind));
            plan.drift.push(Change::Added { column: name, kind });
            plan.columns.push(Planned { column, source: Some(source) });
        }
        plan.drift.extend(self.reordered(learned));
        if plan.opens_version {
            plan.version += 1;
        }
        let now: Vec<_> = plan.columns.iter().map(|planned| planned.column.clone()).collect();
        plan.learned = (now != learned.columns).then_some(now);
        Ok(plan)
    }
}

impl Plan {
    fn take_known(&mut self, column: &Column, source: Option<usize>, found: Option<&Found<'_>>) {
        let (name, before) = (&column.name, column.kind);
        let kind = found.map_or(before, |found| widened(before, found.values));
        match found {
            None => self.drift.push(Change::Removed { column: name.clone() }),
            Some(found) if found.name != name => {
                let (column, header) = (name.clone(), found.name.to_owned());
                self.drift.push(Change::Renamed { column, header });
            }
            Some(_) => {}
        }
        let nested = match found {
            Some(found) => found.values.nested(Some(column)),
            None => column.nested.clone(),
        };
        let kind = if nested.is_some() { ColumnType::Text } else { kind };
        let after = Column { kind, nested, ..column.clone() };
        if has_left(column, &after) {
            self.opens_version = true;
            self.drift.push(retyped(column, &after));
        } else if after.nested != column.nested {
            let fields = after.type_words();
            self.drift.push(Change::Words(format!("column `{name}` has more fields: {fields}")));
        }
        self.columns.push(Planned { column: after, source });
    }
}

fn retyped(before: &Column, after: &Column) -> Change {
    if before.nested.is_none() && after.nested.is_none() {
        return Change::Retyped { column: before.name.clone(), from: before.kind, to: after.kind };
    }
    let (name, from, to) = (&before.name, before.type_words(), after.type_words());
    Change::Words(format!("column `{name}` left {from} for {to}"))
}

/// Whether files of the column before and after do not go together.
fn has_left(before: &Column, after: &Column) -> bool {
    match (&before.nested, &after.nested) {
        (Some(before), Some(after)) => before.is_left_for(after),
        (None, None) => before.kind.published() != after.kind.published(),
        (Some(_), None) | (None, Some(_)) => true,
    }
}

/// The feed's type after a file: the same when every value fits.
pub(super) fn widened(before: ColumnType, values: &dyn Fit) -> ColumnType {
    if before == ColumnType::Empty {
        return values.own();
    }
    if values.own() == ColumnType::Empty || values.fits(before) {
        return before;
    }
    match union(before, values.own()) {
        // A scale or form may fit the union of the types and still not this type.
        Some(union) if values.fits(union) => union,
        Some(_) | None => ColumnType::Text,
    }
}

/// The narrowest number type that holds all values of both.
fn union(a: ColumnType, b: ColumnType) -> Option<ColumnType> {
    let ((whole_a, scale_a), (whole_b, scale_b)) = (digits(a)?, digits(b)?);
    let (whole, scale) = (whole_a.max(whole_b), scale_a.max(scale_b));
    match whole + scale {
        ..=18 => Some(ColumnType::Decimal { precision: 18, scale }),
        19..=38 => Some(ColumnType::Decimal { precision: 38, scale }),
        _ => None,
    }
}

/// Digits before and after the point that a number type may need; an int64 has up to 19.
fn digits(kind: ColumnType) -> Option<(u8, u8)> {
    match kind {
        ColumnType::Int64 => Some((19, 0)),
        ColumnType::Decimal { precision, scale } => Some((precision.saturating_sub(scale), scale)),
        ColumnType::Empty
        | ColumnType::Bool
        | ColumnType::Double
        | ColumnType::Date
        | ColumnType::Timestamp { .. }
        | ColumnType::Text => None,
    }
}

fn refusal(code: Code, missing: &[&str], added: &[&str]) -> Diagnostic {
    let list = |names: &[&str]| {
        let shown: Vec<_> = names.iter().take(NAMES_MAX).map(|name| format!("`{name}`")).collect();
        let more = names.len().saturating_sub(NAMES_MAX);
        let more = if more == 0 { String::new() } else { format!(" and {more} more") };
        shown.join(", ") + &more
    };
    let header = (code == Code::C109).then_some(Change::HeaderMissing);
    let changes = differences(missing, added);
    let (missing, added) = (list(missing), list(added));
    let summary = if code == Code::C109 {
        format!("none of the columns that this feed has had is in the first row: {added}")
    } else {
        format!("{missing} is gone and {added} is new")
    };
    let told = Diagnostic::error(code, summary).fact("missing", missing).fact("new", added);
    told.changes(header.into_iter().chain(changes))
}

/// What a file lacks and what is new in it, as changes.
pub fn differences(missing: &[&str], added: &[&str]) -> Vec<Change> {
    let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    let removed = names(missing).into_iter().map(|column| Change::Removed { column });
    let added = names(added).into_iter().map(|column| Change::Added { column, kind: None });
    removed.chain(added).take(CHANGES_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::convert::infer::Evidence;

    fn column(name: &str, kind: ColumnType) -> Column {
        Column { name: name.to_owned(), header: name.to_owned(), kind, nested: None }
    }

    fn feed(columns: &[(&str, ColumnType)]) -> LearnedSchema {
        let columns = columns.iter().map(|(name, kind)| column(name, *kind)).collect();
        LearnedSchema { revision: 1, version: 1, columns }
    }

    fn file(columns: &[(&str, &[&str])], learned: &LearnedSchema) -> Result<Plan, Diagnostic> {
        let evidence: Vec<_> = columns.iter().map(|(_, values)| evidence(values)).collect();
        let found: Vec<_> = columns.iter().zip(&evidence).collect();
        let found =
            found.iter().map(|((name, _), values)| Found { header: name, name, values: *values });
        plan(Some(learned), &found.collect::<Vec<_>>(), Allowance::default())
    }

    fn evidence(values: &[&str]) -> Evidence {
        let mut evidence = Evidence::default();
        (2..).zip(values).for_each(|(line, value)| evidence.observe(value, false, line));
        evidence
    }

    fn told(drift: &[Change]) -> Vec<String> {
        drift.iter().map(ToString::to_string).collect()
    }

    fn kind_after(before: ColumnType, values: &[&str]) -> ColumnType {
        widened(before, &evidence(values))
    }

    const CENTS: ColumnType = ColumnType::Decimal { precision: 18, scale: 2 };

    #[test]
    fn types_only_widen() {
        use ColumnType::{Bool, Date, Double, Empty, Int64, Text};
        let wide = |scale| ColumnType::Decimal { precision: 38, scale };
        let cases: &[(ColumnType, &[&str], ColumnType)] = &[
            (Int64, &["1"], Int64),
            (Int64, &["", ""], Int64),
            (Int64, &["007"], Text),
            (Int64, &["1.25"], wide(2)),
            (Int64, &["12345678901234567890"], wide(0)),
            (Int64, &["2024-01-01"], Text),
            (CENTS, &["1"], CENTS),
            (CENTS, &["1.5"], CENTS),
            (CENTS, &["1.555"], wide(3)),
            (CENTS, &["1.5", "1.25"], Text),
            (wide(2), &["1.5"], wide(2)),
            (wide(30), &["123456789.5"], Text),
            (Double, &["1.5"], Double),
            (Double, &["1.50"], Text),
            (Double, &["1"], Text),
            (Date, &["2024-01-01"], Date),
            (Date, &["1"], Text),
            (Bool, &["True"], Bool),
            (Text, &["1"], Text),
            (Empty, &["1"], Int64),
            (Empty, &[""], Empty),
        ];
        for (before, values, after) in cases {
            assert_eq!(kind_after(*before, values), *after, "{before} and {values:?}");
        }
    }

    #[test]
    fn a_column_that_leaves_its_type_opens_a_version_once() {
        let monday = feed(&[("id", ColumnType::Int64)]);
        let tuesday = file(&[("id", &["007"])], &monday).expect("a plan");
        assert_eq!((tuesday.version, tuesday.opens_version), (2, true));
        assert_eq!(told(&tuesday.drift), ["column `id` left int64 for text"]);
        let columns = tuesday.learned.expect("learned");
        let after = LearnedSchema { revision: 2, version: 2, columns };
        let wednesday = file(&[("id", &["8"])], &after).expect("a plan");
        assert_eq!(
            (wednesday.version, wednesday.opens_version, wednesday.learned),
            (2, false, None)
        );
        assert_eq!(wednesday.columns[0].column.kind, ColumnType::Text);
    }

    #[test]
    fn added_and_missing_columns_are_drift_and_order_is_nothing() {
        let known = feed(&[("a", ColumnType::Int64), ("b", ColumnType::Text)]);
        let reordered = file(&[("b", &["x"]), ("a", &["1"])], &known).expect("a plan");
        assert_eq!(reordered.learned, None, "the order means nothing");
        assert_eq!(told(&reordered.drift), ["the columns came in another order"]);
        assert_eq!(reordered.columns[0].source, Some(1));
        let added = file(&[("a", &["1"]), ("b", &["x"]), ("c", &["1"])], &known).expect("a plan");
        assert_eq!((added.version, added.opens_version), (1, false));
        assert_eq!(told(&added.drift), ["column `c` (int64) was added"]);
        assert_eq!(added.learned.map(|columns| columns.len()), Some(3));
        let missing = file(&[("A", &["1"])], &known).expect("a plan");
        assert_eq!(told(&missing.drift), ["column `a` came as `A`", "column `b` is missing"]);
        assert_eq!((missing.learned, missing.columns[1].source), (None, None));
    }

    #[test]
    fn renamed_columns_and_missing_headers_are_held() {
        let known = feed(&[("a", ColumnType::Int64), ("b", ColumnType::Text)]);
        let renamed = file(&[("a", &["1"]), ("bee", &["x"])], &known).expect_err("held");
        assert_eq!(renamed.code, Code::C110);
        assert_eq!(renamed.summary, "`b` is gone and `bee` is new");
        let differences =
            ["column `b` is missing", "column `bee` was added"].map(str::to_owned).to_vec();
        assert_eq!(told(&renamed.changes), differences);
        let headless = file(&[("1", &["2"]), ("x", &["y"])], &known).expect_err("held");
        assert_eq!(headless.code, Code::C109);
        assert_eq!(headless.changes[0], Change::HeaderMissing);
        let one = feed(&[("a", ColumnType::Int64)]);
        assert_eq!(file(&[("b", &["1"])], &one).expect_err("held").code, Code::C110);
    }

    #[test]
    fn the_first_values_of_an_empty_column_open_a_version_unless_they_are_text() {
        let known = feed(&[("a", ColumnType::Empty)]);
        let typed = file(&[("a", &["1"])], &known).expect("a plan");
        assert!(typed.opens_version, "v1 holds text");
        let text = file(&[("a", &["x"])], &known).expect("a plan");
        assert_eq!((text.opens_version, text.version), (false, 1));
        assert!(text.learned.is_some());
    }
}
