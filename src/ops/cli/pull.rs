//! `landfall pull list|run`

use serde::Serialize;

use super::output::{counted, table};
use super::{Exit, Output, ZoneArgs, reading, words};
use crate::diagnostic::{Code, Diagnostic};
use crate::ledger::PullState;
use crate::names::{FeedName, PullName};
use crate::ops::control::Client;
use crate::ops::pulls;
use crate::ops::serve::{Core, Options};
use crate::ops::who;
use crate::ops::writing::check_owner;
use crate::receive::pull::Outcome;
use crate::receive::receipt::shown;

#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// List pulls: when they run, how far they have come, what fails
    List,
    /// Run a pull now, and wait for its end
    Run {
        /// Which
        pull: PullName,
    },
}

/// A pull and how it fares.
#[derive(Serialize)]
struct Line {
    pull: PullName,
    /// `None` when it is not configured any more.
    feed: Option<FeedName>,
    when: Option<String>,
    state: Option<PullState>,
}

/// A run that a person asked for.
#[derive(Serialize)]
struct Ran<'a> {
    pull: &'a PullName,
    #[serde(flatten)]
    outcome: &'a Outcome,
}

pub(super) fn run(command: Command, zone: &ZoneArgs, out: &Output) -> Result<Exit, Diagnostic> {
    match command {
        Command::List => list(zone, out),
        Command::Run { pull } => run_now(&pull, zone, out),
    }
}

fn list(zone: &ZoneArgs, out: &Output) -> Result<Exit, Diagnostic> {
    let (zone, config) = zone.load()?;
    let states = match reading::open(&zone)? {
        Some(ledger) => ledger.pulls().map_err(|error| reading::unreadable(&error))?,
        None => Vec::new(),
    };
    let find = |name: &PullName| states.iter().find(|state| state.pull == *name).cloned();
    let configured = config.pulls.iter().map(|(name, pull)| Line {
        pull: name.clone(),
        feed: Some(pull.feed.clone()),
        when: Some(pull.when()),
        state: find(name),
    });
    let gone = states.iter().filter(|state| !config.pulls.contains_key(&state.pull));
    let gone = gone.map(|state| {
        let (pull, state) = (state.pull.clone(), Some(state.clone()));
        Line { pull, feed: None, when: None, state }
    });
    let lines: Vec<Line> = configured.chain(gone).collect();
    if out.is_json() {
        lines.iter().for_each(|line| out.object("landfall.pull/v1", line));
        return Ok(Exit::Ok);
    }
    if lines.is_empty() {
        out.say("No pull is configured. A [[pull]] in landfall.toml makes one.");
        return Ok(Exit::Ok);
    }
    let heading = ["pull", "feed", "runs", "last", "goes on from", "state"].map(str::to_owned);
    let rows: Vec<_> = std::iter::once(heading).chain(lines.iter().map(row)).collect();
    out.print(&table(&rows));
    Ok(Exit::Ok)
}

fn row(line: &Line) -> [String; 6] {
    let none = || "-".to_owned();
    let state = line.state.as_ref();
    let failing = state.and_then(|state| state.failing.as_ref());
    let standing = match (&line.feed, state, failing) {
        (None, _, _) => "not configured".to_owned(),
        (Some(_), _, Some(failing)) => {
            let error = shown(failing.error.lines().next().unwrap_or_default());
            format!("fails since {}: {error}", words::time(failing.since))
        }
        (Some(_), None, None) => "never ran".to_owned(),
        (Some(_), Some(_), None) => "well".to_owned(),
    };
    [
        line.pull.to_string(),
        line.feed.as_ref().map_or_else(none, ToString::to_string),
        line.when.clone().unwrap_or_else(none),
        state.map_or_else(none, |state| words::time(state.ended_at)),
        state.and_then(|state| state.watermark.as_deref()).map_or_else(none, shown),
        standing,
    ]
}

fn run_now(pull: &PullName, zone: &ZoneArgs, out: &Output) -> Result<Exit, Diagnostic> {
    let zone = zone.find()?;
    let outcome = match Client::find(&zone)? {
        Some(client) => client.pull(pull)?,
        None => {
            check_owner(&zone)?;
            let core = Core::open(zone, Options::default())?;
            pulls::run(&core.pulls, pull, who())?
        }
    };
    if out.is_json() {
        out.object("landfall.pull-run/v1", &Ran { pull, outcome: &outcome });
    }
    match outcome {
        Outcome::Taken { files } => {
            if !out.is_json() {
                out.print(&match files {
                    0 => format!("Pull {pull} found nothing new."),
                    files => format!("Pull {pull} brought {}.", counted(files, "file")),
                });
            }
            Ok(Exit::Ok)
        }
        Outcome::Failed { error } => {
            Err(Diagnostic::error(Code::F110, format!("pull {pull} failed: {error}")))
        }
        Outcome::Stopped => {
            let summary = format!("pull {pull} was ended because the server stops");
            Err(Diagnostic::error(Code::Z105, summary))
        }
    }
}
