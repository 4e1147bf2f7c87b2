//! `landfall alert list|test`

use std::collections::BTreeMap;

use serde::Serialize;

use super::output::{count, table};
use super::{Exit, Output, ZoneArgs, reading, words};
use crate::clock::Timestamp;
use crate::config::{Alert, Config};
use crate::diagnostic::Diagnostic;
use crate::handoff::sinks::Answer;
use crate::ledger::{AlertState, Failing, Urgency};
use crate::names::AlertName;
use crate::ops::alerts;
use crate::receive::receipt::shown;

#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// List alerts, and what each has told
    List,
    /// Send an alert a message that says that it is a test; nothing is recorded
    Test {
        /// Which alert
        alert: AlertName,
    },
}

pub(super) fn run(command: Command, zone: &ZoneArgs, out: &Output) -> Result<Exit, Diagnostic> {
    match command {
        Command::List => list(zone, out),
        Command::Test { alert } => test(&alert, zone, out),
    }
}

#[derive(Serialize)]
struct Line<'l> {
    alert: &'l AlertName,
    kind: &'static str,
    owners: &'l [String],
    severity: &'l [Urgency],
    /// Messages that were taken.
    messages: u64,
    last_at: Option<Timestamp>,
    /// What was told and stands.
    standing: Vec<&'l str>,
    failing: Option<&'l Failing>,
}

fn list(zone: &ZoneArgs, out: &Output) -> Result<Exit, Diagnostic> {
    let (zone, config) = zone.load()?;
    let states = match reading::open(&zone)? {
        Some(ledger) => ledger.alerts().map_err(|error| reading::unreadable(&error))?,
        None => BTreeMap::new(),
    };
    let lines: Vec<Line<'_>> = lines(&config, &states);
    if out.is_json() {
        lines.iter().for_each(|line| out.object("landfall.alert-state/v1", line));
        return Ok(Exit::Ok);
    }
    if lines.is_empty() {
        out.say("No alert is configured. An [[alert]] in landfall.toml makes one.");
        return Ok(Exit::Ok);
    }
    let heading = ["alert", "kind", "owners", "severity", "messages", "last", "standing", "state"];
    let heading = heading.map(str::to_owned);
    let rows: Vec<[String; 8]> = std::iter::once(heading).chain(lines.iter().map(row)).collect();
    out.print(&table(&rows));
    Ok(Exit::Ok)
}

fn lines<'l>(config: &'l Config, states: &'l BTreeMap<AlertName, AlertState>) -> Vec<Line<'l>> {
    let line = |(name, alert): (&'l AlertName, &'l Alert)| {
        let state = states.get(name);
        let waiting = state.and_then(|state| state.waiting.as_ref());
        Line {
            alert: name,
            kind: alert.way.key(),
            owners: &alert.owners,
            severity: &alert.severity,
            messages: state.map_or(0, |state| state.number),
            last_at: state.and_then(|state| state.sent_at),
            standing: state.into_iter().flat_map(|s| s.told.keys().map(String::as_str)).collect(),
            failing: waiting.and_then(|waiting| waiting.failing.as_ref()),
        }
    };
    config.alerts.iter().map(line).collect()
}

fn row(line: &Line<'_>) -> [String; 8] {
    let severity = line.severity.iter().map(|severity| match severity {
        Urgency::Page => "page",
        Urgency::Digest => "digest",
    });
    let state = match line.failing {
        None => "ready".to_owned(),
        Some(failing) => {
            format!("failing, attempt {}: {}", failing.attempts, shown(&failing.error))
        }
    };
    let owners = if line.owners.is_empty() { "any".to_owned() } else { line.owners.join(", ") };
    [
        line.alert.to_string(),
        line.kind.to_owned(),
        owners,
        severity.collect::<Vec<_>>().join(", "),
        count(line.messages),
        line.last_at.map_or("-".to_owned(), words::time),
        count(line.standing.len() as u64),
        state,
    ]
}

/// How a test went.
#[derive(Serialize)]
struct Tested<'a> {
    alert: &'a AlertName,
    taken: bool,
    said: Option<String>,
}

fn test(alert: &AlertName, zone: &ZoneArgs, out: &Output) -> Result<Exit, Diagnostic> {
    let (zone, config) = zone.load()?;
    let (taken, said) = match alerts::test(&zone, &config, alert)? {
        Answer::Acknowledged(said) => (true, said),
        Answer::Refused { why, .. } | Answer::Gone(why) => (false, Some(why)),
    };
    if out.is_json() {
        out.object("landfall.alert-tested/v1", &Tested { alert, taken, said });
    } else {
        let said = said.map_or(String::new(), |said| format!(": {}", shown(said.trim())));
        let what = if taken { "took" } else { "refused" };
        out.print(&format!("Alert {alert} {what} a test{said}"));
    }
    Ok(if taken { Exit::Ok } else { Exit::Problems })
}
