//! Which columns a file's Parquet has under a contract.
//!
//! The contract's types count, not those that were learned: a column whose declared type is not the
//! one it is published with opens the feed's next version. Columns that the feed has from before
//! stay in its version. What the contract does not declare is taken as without a contract, if it
//! lets columns evolve.

use crate::contract::Allowance;
use crate::contract::{Contract, DifferingColumns};
use crate::convert::sticky::{self, Found, Plan, Planned};
use crate::diagnostic::{Code, Diagnostic};
use crate::schema::{Change, Column, LearnedSchema};

/// The way out when a column seems to be renamed.
const RENAMED: &str =
    "Name the column as before, or add the new header to the column's `aliases` in the contract.";

/// Joins the columns of a file, named as the contract does, with the contract and what is known of
/// the feed.
///
/// # Errors
/// C126 when columns differ and may not, C127 when one is missing that must have values, C109 and
/// C110 as without a contract.
pub fn plan(
    contract: &Contract,
    learned: Option<&LearnedSchema>,
    found: &[Found<'_>],
) -> Result<Plan, Diagnostic> {
    let names: Vec<_> = found.iter().map(|found| found.name).collect();
    check_columns(contract, &names)?;
    let known = known(contract, learned, found);
    let mut plan = sticky::plan(Some(&known), found, Allowance::default()).map_err(|told| {
        let renamed = told.code == Code::C110;
        if renamed { told.hint(RENAMED) } else { told }
    })?;
    tell_aliases(&mut plan, contract, found);
    let Some(learned) = learned else {
        plan.learned = Some(columns(&plan));
        return Ok(plan);
    };
    keep_old_columns(&mut plan, learned);
    for before in &learned.columns {
        let now = plan.columns.iter().find(|planned| planned.column.name == before.name);
        let Some(now) = now.map(|planned| &planned.column) else { continue };
        let was_nested = before.nested.is_some() && now.nested.is_none();
        let now = now.kind;
        if now.published() != before.kind.published() || was_nested {
            plan.opens_version = true;
            plan.drift.retain(|change| !is_retyped(change, &before.name));
            let column = before.name.clone();
            plan.drift.push(Change::Retyped { column, from: before.kind, to: now });
        }
    }
    plan.version = learned.version + u32::from(plan.opens_version);
    let now = columns(&plan);
    plan.learned = (now != learned.columns).then_some(now);
    Ok(plan)
}

/// A contract's columns as if they were learned.
pub(super) fn declared(contract: &Contract) -> Vec<Column> {
    let column = |column: &crate::contract::DeclaredColumn| Column {
        name: column.name.clone(),
        header: column.name.clone(),
        kind: column.form.kind(),
        nested: None,
    };
    contract.columns.iter().map(column).collect()
}

fn columns(plan: &Plan) -> Vec<Column> {
    plan.columns.iter().map(|planned| planned.column.clone()).collect()
}

fn is_same(a: &str, b: &str) -> bool {
    a.to_lowercase() == b.to_lowercase()
}

fn is_retyped(change: &Change, name: &str) -> bool {
    matches!(change, Change::Retyped { column, .. } if column == name)
}

/// Refuses a table with these columns, named as the contract does, if columns differ and may not, or
/// one is missing that must have values.
///
/// # Errors
/// C126, C127.
pub fn check_columns(contract: &Contract, found: &[&str]) -> Result<(), Diagnostic> {
    let is_there = |name: &str| found.iter().any(|found| is_same(found, name));
    let missing: Vec<_> =
        contract.columns.iter().filter(|column| !is_there(&column.name)).collect();
    let is_declared = |name: &str| contract.columns.iter().any(|c| is_same(&c.name, name));
    let new: Vec<_> = found.iter().copied().filter(|name| !is_declared(name)).collect();
    let named = |code: Code, missing: &[&str], new: &[&str]| {
        let list = |names: &[&str]| {
            names.iter().take(10).map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
        };
        let what = match (missing, new) {
            ([], new) => format!("{} is not in the contract", list(new)),
            (missing, []) => format!("{} is missing", list(missing)),
            (missing, new) => {
                format!("{} is missing and {} is not in the contract", list(missing), list(new))
            }
        };
        let header = (missing.len() == contract.columns.len()).then_some(Change::HeaderMissing);
        let told =
            Diagnostic::error(code, what).fact("missing", list(missing)).fact("new", list(new));
        told.changes(header.into_iter().chain(sticky::differences(missing, new)))
    };
    let names = |columns: &[&crate::contract::DeclaredColumn]| -> Vec<String> {
        columns.iter().map(|column| column.name.clone()).collect()
    };
    let differs = !missing.is_empty() || !new.is_empty();
    if contract.differing_columns == DifferingColumns::Freeze && differs {
        let missing = names(&missing);
        let missing: Vec<_> = missing.iter().map(String::as_str).collect();
        return Err(named(Code::C126, &missing, &new));
    }
    let required: Vec<_> = missing.iter().filter(|column| column.required).copied().collect();
    let some_there = missing.len() < contract.columns.len();
    if !required.is_empty() && some_there {
        let required = names(&required);
        let required: Vec<_> = required.iter().map(String::as_str).collect();
        return Err(named(Code::C127, &required, &new));
    }
    Ok(())
}

/// What a file is measured by: the feed's columns in their order, with the contract's types, then
/// those that only the contract has. A column that a frozen contract dropped is not missed.
fn known(
    contract: &Contract,
    learned: Option<&LearnedSchema>,
    found: &[Found<'_>],
) -> LearnedSchema {
    let declared = declared(contract);
    let before = learned.map_or(&[][..], |learned| &learned.columns);
    let evolves = contract.differing_columns == DifferingColumns::Evolve;
    let by_name = |name: &str| declared.iter().find(|column| is_same(&column.name, name));
    let kept = before.iter().filter_map(|column| match by_name(&column.name) {
        Some(declared) => Some(Column { kind: declared.kind, nested: None, ..column.clone() }),
        None => {
            let there = found.iter().any(|found| is_same(found.name, &column.name));
            (evolves || there).then(|| column.clone())
        }
    });
    let mut columns: Vec<_> = kept.collect();
    let new = declared.iter().filter(|d| !before.iter().any(|b| is_same(&b.name, &d.name)));
    columns.extend(new.cloned());
    LearnedSchema { revision: 0, version: learned.map_or(1, |learned| learned.version), columns }
}

/// Tells which columns came under an alias.
fn tell_aliases(plan: &mut Plan, contract: &Contract, found: &[Found<'_>]) {
    for planned in &plan.columns {
        let Some(found) = planned.source.and_then(|at| found.get(at)) else { continue };
        let column = contract.column_of(found.header).map(|column| &column.name);
        let alias = column.is_some_and(|name| is_same(name, found.name));
        if alias && !is_same(found.header, found.name) {
            let (column, header) = (planned.column.name.clone(), found.header.to_owned());
            plan.drift.push(Change::Renamed { column, header });
        }
    }
}

/// Columns of the feed's version that neither contract nor file has any more: null, in their place.
fn keep_old_columns(plan: &mut Plan, learned: &LearnedSchema) {
    for (at, column) in learned.columns.iter().enumerate() {
        if !plan.columns.iter().any(|planned| planned.column.name == column.name) {
            let place = at.min(plan.columns.len());
            plan.columns.insert(place, Planned { column: column.clone(), source: None });
        }
    }
}
