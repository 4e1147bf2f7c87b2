//! Sees every record of a file in order and says which do not fit.
//!
//! Every pass over a file has a judge of its own and hears the same from it. A record is left out
//! once, whatever is wrong with it; its reason names the first few columns at fault. The first
//! record with a key stays, later ones are left out; a reject's key does not count.

use super::facts::{Facts, Seen};
use super::read::Value;
use super::rules::{Rules, key};
use super::unique::{self, TooMany};
use super::{Cell, Fault};
use crate::contract::Contract;
use crate::convert::Limits;
use crate::diagnostic::Code;

/// Columns that the reason of one reject names.
const FAULTS_TOLD: usize = 3;

/// Sees one file.
pub struct Judge {
    rules: Rules,
    facts: Facts,
    keys: Vec<Key>,
    unique_max: u64,
    record: Record,
}

/// The keys that were seen in what comes before, such as an archive's members.
#[derive(Default, Clone)]
pub struct Keys(Vec<(String, unique::Seen)>);

impl std::fmt::Debug for Keys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.0.iter().map(|(names, seen)| (names, seen.len()))).finish()
    }
}

/// Columns whose values together occur once.
struct Key {
    names: String,
    columns: Vec<usize>,
    seen: unique::Seen,
}

/// What is known of the record that is being judged.
#[derive(Default)]
struct Record {
    seen: Vec<Option<Seen>>,
    /// Of columns that are part of a key; `None` for null.
    keys: Vec<Option<Vec<u8>>>,
    faults: Vec<Fault>,
}

impl Judge {
    /// A judge of a file with these published names.
    pub fn new(contract: &Contract, names: &[String], limits: &Limits) -> Self {
        let rules = Rules::bind(contract, names);
        let place = |of: &String| names.iter().position(|n| n.to_lowercase() == of.to_lowercase());
        // A key whose column the file lacks is null in every record.
        let key = |columns: &Vec<String>| {
            let names: Vec<_> = columns.iter().map(|name| format!("`{name}`")).collect();
            let places = columns.iter().map(place).collect::<Option<Vec<_>>>()?;
            Some(Key { names: names.join(", "), columns: places, seen: unique::Seen::default() })
        };
        let record = Record {
            seen: vec![None; names.len()],
            keys: vec![None; names.len()],
            faults: Vec::new(),
        };
        Self {
            facts: Facts::new(&rules),
            keys: contract.unique.iter().filter_map(key).collect(),
            rules,
            unique_max: limits.unique_values,
            record,
        }
    }

    /// Knows the keys of what comes before.
    pub fn after(mut self, keys: Keys) -> Self {
        for (names, seen) in keys.0 {
            if let Some(key) = self.keys.iter_mut().find(|key| key.names == names) {
                key.seen = seen;
            }
        }
        self
    }

    /// Sees a cell of the record, by its column's place in the file.
    pub fn cell(&mut self, at: usize, cell: &Cell<'_>) {
        let Some(rule) = self.rules.column(at) else { return };
        let (seen, value_key) = match rule.value(cell) {
            Ok(reading) => {
                let null = reading.value == Value::Null;
                if null && rule.column().required {
                    self.record.faults.push(rule.missing());
                }
                let is_key = self.keys.iter().any(|key| key.columns.contains(&at));
                let value_key = (is_key && !null).then(|| key((&reading.value).into()));
                (Seen::of(&reading), value_key)
            }
            Err(fault) if rule.nulls_bad_values() && !rule.column().required => {
                (Seen::Nulled(fault.reason), None)
            }
            Err(fault) => {
                self.record.faults.push(fault);
                return;
            }
        };
        self.note_key(at, value_key);
        if let Some(place) = self.record.seen.get_mut(at) {
            *place = Some(seen);
        }
    }

    fn note_key(&mut self, at: usize, value: Option<Vec<u8>>) {
        if let Some(place) = self.record.keys.get_mut(at) {
            *place = value;
        }
    }

    /// Ends the record, which begins on this line. `Some` when it is to be left out.
    ///
    /// # Errors
    /// There are more keys than can be compared.
    pub fn end(&mut self, line: u64) -> Result<Option<Fault>, TooMany> {
        self.see_what_is_not_there();
        let verdict = match fault(std::mem::take(&mut self.record.faults)) {
            Some(fault) => Some(fault),
            None => self.repeated()?,
        };
        for (facts, seen) in self.facts.columns.iter_mut().zip(&mut self.record.seen) {
            if let (Some(facts), Some(seen), None) = (facts, seen.take(), &verdict) {
                facts.take(seen, line);
            }
        }
        self.record.keys.fill(None);
        Ok(verdict)
    }

    fn see_what_is_not_there(&mut self) {
        for at in 0..self.record.seen.len() {
            let unseen = self.record.seen.get(at).is_some_and(Option::is_none);
            let Some(rule) = self.rules.column(at).filter(|_| unseen) else { continue };
            let name = Some(rule.column().name.as_str());
            if !self.record.faults.iter().any(|fault| fault.column.as_deref() == name) {
                self.cell(at, &Cell::Missing);
            }
        }
    }

    fn repeated(&mut self) -> Result<Option<Fault>, TooMany> {
        let mut repeated = None;
        let kept: u64 = self.keys.iter().map(|key| key.seen.len()).sum();
        for key in &mut self.keys {
            let values = &self.record.keys;
            let parts = key.columns.iter().map(|at| values.get(*at)?.as_deref());
            let Some(parts) = parts.collect::<Option<Vec<_>>>() else { continue };
            if !key.seen.is_new(unique::digest(parts.into_iter())) {
                let reason = format!("the key ({}) occurs earlier in the file", key.names);
                repeated.get_or_insert(Fault { code: Code::C125, column: None, reason });
            }
            if kept >= self.unique_max {
                return Err(TooMany { key: key.names.clone(), max: self.unique_max });
            }
        }
        Ok(repeated)
    }

    /// What was seen in the whole file.
    pub fn facts(self) -> Facts {
        self.facts
    }

    /// What was seen, and the keys for what comes after.
    pub fn end_of_part(self) -> (Facts, Keys) {
        let keys = self.keys.into_iter().map(|key| (key.names, key.seen));
        (self.facts, Keys(keys.collect()))
    }
}

/// The faults of a record as one.
fn fault(faults: Vec<Fault>) -> Option<Fault> {
    let more = faults.len().saturating_sub(FAULTS_TOLD);
    let mut faults = faults.into_iter();
    let mut first = faults.next()?;
    for other in faults.take(FAULTS_TOLD - 1) {
        first.reason.push_str("; ");
        first.reason.push_str(&other.reason);
    }
    if more > 0 {
        first.reason.push_str(&format!("; and {more} more"));
    }
    Some(first)
}
