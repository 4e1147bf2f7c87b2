//! Holding a ledger against itself and against what was signed of it.
//!
//! Works on any copy, without a zone and without a network. It finds the first event that was
//! changed, removed, inserted or moved; checkpoints in the ledger that are not over this history or
//! not by a key that may sign; arrivals whose record says something else than the events; and, against
//! a checkpoint that was kept elsewhere, a history that somebody wrote anew as a whole.
//!
//! Problems are values: the audit goes on where it can and names all of them, up to
//! [`PROBLEMS_MAX`].

use std::collections::{BTreeMap, HashMap};

use crate::ledger::log::{self, Broken, Leaf, Signed};
use crate::ledger::{self, Arrival, ArrivalQuery, Event, Ledger, Recorded, State, tree};
use crate::names::{ArrivalId, Digest};
use crate::signing::{self, Namespace};

use super::Checkpoint;

/// Problems that are named before they are only counted.
pub const PROBLEMS_MAX: usize = 100;
/// Checkpoints read at once.
const PAGE: u32 = 1000;

/// A checkpoint that was kept elsewhere.
#[derive(Debug, Clone)]
pub struct Kept {
    /// What it is called in a problem: a file's name.
    pub name: String,
    /// Its text.
    pub text: String,
    /// Its signature, if that was kept as well.
    pub signature: Option<String>,
}

/// What an audit found.
#[derive(Debug, Clone, Default)]
pub struct Audited {
    /// The log.
    pub log: String,
    /// Events that fit.
    pub events: u64,
    /// The root over them.
    pub root: Option<Digest>,
    /// Arrivals that were compared with the events.
    pub arrivals: u64,
    /// Checkpoints of the ledger that were checked.
    pub checkpoints: u64,
    /// Checkpoints that were kept elsewhere and that the ledger continues.
    pub against: u64,
    /// Signatures by the fingerprint of their key.
    pub signers: BTreeMap<String, u64>,
    /// What is wrong, the first [`PROBLEMS_MAX`].
    pub problems: Vec<String>,
    /// How many problems there are.
    pub problems_found: usize,
}

impl Audited {
    fn problem(&mut self, what: String) {
        self.problems_found += 1;
        if self.problems.len() < PROBLEMS_MAX {
            self.problems.push(what);
        }
    }
}

/// A root that the walk has to come by.
struct Due {
    name: String,
    size: u64,
    root: Digest,
    is_outside: bool,
}

/// Audits a ledger. `keys` are the public lines that may sign; with none no signature is checked.
///
/// # Errors
/// [`ledger::Error`] when it cannot be read at all.
pub fn audit(
    ledger: &dyn Ledger,
    keys: &[String],
    against: &[Kept],
) -> Result<Audited, ledger::Error> {
    let mut found = Audited { log: ledger.log_id()?, ..Audited::default() };
    let mut due = Vec::new();
    for kept in against {
        due.extend(outside(&mut found, keys, kept));
    }
    let mut after = 0;
    loop {
        let page = ledger.checkpoints(after, PAGE)?;
        let Some(last) = page.last() else { break };
        after = last.size;
        for signed in &page {
            due.extend(own(&mut found, keys, signed));
        }
    }
    due.sort_by_key(|due| std::cmp::Reverse(due.size));
    walk(ledger, &mut found, due)?;
    Ok(found)
}

fn walk(ledger: &dyn Ledger, found: &mut Audited, mut due: Vec<Due>) -> Result<(), ledger::Error> {
    let mut arrivals = Arrivals::default();
    let mut met = Met::default();
    met.come_by(&mut due, 0, &tree::Frontier::default());
    let walked = log::walk(ledger, |leaf, told, tree| -> Result<(), Broken> {
        met.events = tree.size();
        met.root = Some(tree.root()).filter(|_| due.last().is_some_and(|d| d.size <= tree.size()));
        met.come_by(&mut due, tree.size(), tree);
        met.problems.extend(arrivals.see(ledger, leaf, told)?);
        Ok(())
    });
    found.events = met.events;
    found.against += met.against;
    found.checkpoints += met.checkpoints;
    found.arrivals = arrivals.states.len() as u64;
    met.problems.into_iter().for_each(|what| found.problem(what));
    match walked {
        Ok(tree) => {
            found.root = Some(tree.root());
            for wrong in arrivals.compare(ledger)? {
                found.problem(wrong);
            }
        }
        Err(Broken::At { sequence, why }) => {
            found.problem(Broken::At { sequence, why }.to_string());
        }
        Err(Broken::Ledger(error)) => return Err(error),
    }
    for Due { name, size, .. } in due {
        let events = found.events;
        found.problem(format!("{name} is over {size} events; only {events} are there and fit"));
    }
    Ok(())
}

/// The roots that the walk came by.
#[derive(Default)]
struct Met {
    events: u64,
    root: Option<Digest>,
    against: u64,
    checkpoints: u64,
    problems: Vec<String>,
}

impl Met {
    fn come_by(&mut self, due: &mut Vec<Due>, size: u64, tree: &tree::Frontier) {
        while let Some(next) = due.pop_if(|next| next.size <= size) {
            if tree.root() != next.root {
                self.problems.push(format!(
                    "{} is over other events: the first {size} are not those that were signed",
                    next.name
                ));
            } else if next.is_outside {
                self.against += 1;
            } else {
                self.checkpoints += 1;
            }
        }
    }
}

/// A checkpoint that was kept elsewhere, if it can be held against this ledger.
fn outside(found: &mut Audited, keys: &[String], kept: &Kept) -> Option<Due> {
    let name = kept.name.clone();
    let told = match Checkpoint::parse(&kept.text) {
        Ok(told) => told,
        Err(error) => {
            found.problem(format!("{name}: {error}"));
            return None;
        }
    };
    if told.log != found.log {
        found.problem(format!("{name} is of log {}; this is log {}", told.log, found.log));
        return None;
    }
    if let Some(signature) = &kept.signature {
        check_signature(found, keys, &name, (&kept.text, signature));
    }
    Some(Due { name, size: told.size, root: told.root, is_outside: true })
}

/// A checkpoint of the ledger itself.
fn own(found: &mut Audited, keys: &[String], signed: &Signed) -> Option<Due> {
    let name = format!("the ledger's checkpoint over {} events", signed.size);
    let told = Checkpoint::parse(&signed.text).ok();
    let fits = |told: &Checkpoint| {
        (told.size, told.root, told.at) == (signed.size, signed.root, signed.at)
            && told.log == found.log
    };
    if !told.as_ref().is_some_and(fits) {
        found.problem(format!("{name} does not say what it is filed under"));
        return None;
    }
    check_signature(found, keys, &name, (&signed.text, &signed.signature));
    Some(Due { name, size: signed.size, root: signed.root, is_outside: false })
}

fn check_signature(found: &mut Audited, keys: &[String], name: &str, signed: (&str, &str)) {
    let (text, signature) = signed;
    let by =
        |key: &&String| signing::verify(key, Namespace::Checkpoint, text.as_bytes(), signature);
    match keys.iter().find(by) {
        Some(key) => {
            let signer = signing::key_file::fingerprint(key).unwrap_or_default();
            *found.signers.entry(signer).or_default() += 1;
        }
        None if keys.is_empty() => {}
        None => found.problem(format!("{name} is not signed by a key that may sign")),
    }
}

/// What the events say of the arrivals.
#[derive(Default)]
struct Arrivals {
    states: HashMap<ArrivalId, State>,
}

impl Arrivals {
    /// Follows an event; what of its arrival's record does not fit it.
    fn see(
        &mut self,
        ledger: &dyn Ledger,
        leaf: &Leaf,
        told: &Recorded,
    ) -> Result<Option<String>, ledger::Error> {
        let Some(id) = told.arrival else { return Ok(None) };
        if let Event::Received { .. } = &told.event {
            self.states.insert(id, State::Received);
            let fits = ledger.arrival(id)?.is_some_and(|arrival| is_recorded_by(&arrival, told));
            let wrong = || format!("arrival {id} is not what event {} recorded", leaf.sequence);
            return Ok((!fits).then(wrong));
        }
        let Some(state) = self.states.get_mut(&id) else {
            return Ok(Some(format!("event {} is about an arrival never received", leaf.sequence)));
        };
        match state.on(&told.event) {
            Ok(next) => *state = next,
            Err(refused) => return Ok(Some(format!("event {}: {refused}", leaf.sequence))),
        }
        Ok(None)
    }

    /// Compares the states that the events lead to with those that are recorded.
    fn compare(&self, ledger: &dyn Ledger) -> Result<Vec<String>, ledger::Error> {
        let mut wrong = Vec::new();
        let newest = ledger.arrivals(&ArrivalQuery { limit: 1, ..ArrivalQuery::default() })?;
        let recorded = newest.first().map_or(0, |newest| newest.sequence);
        // One that was received since the walk began is not wrong.
        if recorded != self.states.len() as u64 && newest.first().is_some_and(|n| !self.knows(n)) {
            wrong.push(format!("the newest arrival has number {recorded} and no event"));
        }
        for (id, state) in &self.states {
            let Some(arrival) = ledger.arrival(*id)? else { continue };
            // It may have moved on since the walk came by.
            if arrival.state != *state && arrival.state != state_by_history(ledger, *id)? {
                let stands = arrival.state;
                wrong.push(format!(
                    "arrival {id} stands as {stands:?}, its events make it {state:?}"
                ));
            }
        }
        Ok(wrong)
    }

    fn knows(&self, arrival: &Arrival) -> bool {
        self.states.contains_key(&arrival.id)
    }
}

fn is_recorded_by(arrival: &Arrival, told: &Recorded) -> bool {
    let Event::Received { sender, door, feed, size_bytes, digest, .. } = &told.event else {
        return false;
    };
    (&arrival.sender, &arrival.door, &arrival.feed) == (sender, door, feed)
        && (arrival.size_bytes, arrival.digest) == (*size_bytes, *digest)
}

fn state_by_history(ledger: &dyn Ledger, id: ArrivalId) -> Result<State, ledger::Error> {
    let mut state = State::Received;
    for told in ledger.history(id)? {
        state = state.on(&told.event).unwrap_or(state);
    }
    Ok(state)
}
