//! `landfall feed check`: what would become of files if they were sent now, by the rules of their
//! feed: name, columns, contract, limits. Nothing is taken, kept or learned.
//!
//! Left out: what depends on what else arrived, as duplicates and sets do.

use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::config::Config;
use crate::contract::Contract;
use crate::convert::{Converted, Limits};
use crate::diagnostic::{Code, Diagnostic};
use crate::ledger::Ledger;
use crate::names::{FeedName, FileName};
use crate::ops::cli::output::counted;
use crate::ops::cli::trial::{Trial, Tried};
use crate::ops::cli::{Exit, Output, convert, reading, report};
use crate::receive::unsorted;
use crate::report::Report;
use crate::schema::LearnedSchema;

#[derive(Debug, clap::Args)]
pub(in crate::ops::cli) struct Args {
    /// The files
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// Which feed [default: the only one whose `match` takes the file's name]
    #[arg(long)]
    feed: Option<FeedName>,
    /// Another contract than the feed's, to see what it would do
    #[arg(long, value_name = "FILE")]
    contract: Option<PathBuf>,
}

/// What would become of one file.
#[derive(Serialize)]
struct Checked<'a> {
    file: &'a Path,
    feed: &'a FeedName,
    verdict: Verdict,
    /// The schema version that it would be published under.
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    report: Option<Report>,
    /// Why it would be held.
    #[serde(skip_serializing_if = "Option::is_none")]
    diagnostic: Option<Diagnostic>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Verdict {
    /// Every record would be published.
    Accepted,
    /// Some records would be put aside.
    Partial,
    /// It is no table; it would be handed off as it is.
    Raw,
    /// It would wait for a person.
    Held,
}

impl Verdict {
    fn in_words(self) -> &'static str {
        match self {
            Self::Accepted => "would be accepted",
            Self::Partial => "would be accepted in part",
            Self::Raw => "would be handed off as it is",
            Self::Held => "would be held",
        }
    }
}

/// The rules of a feed.
struct Rules<'a> {
    config: &'a Config,
    feed: &'a FeedName,
    contract: Option<&'a Contract>,
    learned: Option<LearnedSchema>,
}

pub(super) fn run(
    args: &Args,
    config: &Config,
    ledger: Option<&dyn Ledger>,
    out: &Output,
) -> Result<Exit, Diagnostic> {
    let another = convert::contract(args.contract.as_deref())?;
    let trial = Trial::new(&config.workers)?;
    let mut exit = Exit::Ok;
    for file in &args.files {
        let feed = feed_of(file, args.feed.as_ref(), config)?;
        let learned = ledger.map(|ledger| ledger.learned(feed)).transpose();
        let learned = learned.map_err(|error| reading::unreadable(&error))?.flatten();
        let contract = another.as_ref().or_else(|| config.contract(feed));
        let rules = Rules { config, feed, contract, learned };
        let checked = check(file, &rules, &trial)?;
        if !matches!(checked.verdict, Verdict::Accepted | Verdict::Raw) {
            exit = Exit::Problems;
        }
        tell(&checked, out);
    }
    Ok(exit)
}

/// The feed that is meant, or the only one that asks for such names.
fn feed_of<'a>(
    file: &Path,
    named: Option<&FeedName>,
    config: &'a Config,
) -> Result<&'a FeedName, Diagnostic> {
    if let Some(named) = named {
        let known = config.feeds.get_key_value(named).map(|(name, _)| name);
        return known.ok_or_else(|| reading::no_feed(named));
    }
    let name = name_of(file)?;
    let asks = |feed: &&FeedName| {
        config.feeds.get(*feed).is_some_and(|of| !of.patterns.is_empty())
            && config.feed_takes(feed, &name)
    };
    let asking: Vec<_> = config.feeds.keys().filter(asks).collect();
    match asking.as_slice() {
        [one] => Ok(one),
        [] => Err(Diagnostic::error(Code::H130, format!("no feed's `match` takes {name}"))),
        several => {
            let names: Vec<_> = several.iter().map(ToString::to_string).collect();
            let told = Diagnostic::error(Code::H130, format!("several feeds take {name}"));
            Err(told.fact("feeds", names.join(", ")))
        }
    }
}

fn name_of(file: &Path) -> Result<FileName, Diagnostic> {
    use std::os::unix::ffi::OsStrExt as _;
    FileName::new(file.file_name().unwrap_or_default().as_bytes()).map_err(|error| {
        Diagnostic::error(Code::F101, format!("{} cannot be sent", file.display()))
            .caused_by(&error)
    })
}

fn check<'a>(file: &'a Path, rules: &Rules<'a>, trial: &Trial) -> Result<Checked<'a>, Diagnostic> {
    let Rules { config, feed, contract, learned } = rules;
    let raw = convert::open(file)?;
    let mut job = convert::job(file, &raw)?;
    let held = |diagnostic: Diagnostic| Checked {
        file,
        feed,
        verdict: Verdict::Held,
        version: None,
        report: None,
        diagnostic: Some(diagnostic),
    };
    if let Some(told) = unsorted(config, feed, &job.name) {
        return Ok(held(told));
    }
    job.format = config.feed(feed).format;
    job.learned.clone_from(learned);
    job.limits = Limits { output_bytes: config.workers.output_bytes, ..Limits::default() };
    let job = job.under(*contract);
    Ok(match trial.convert(&job, &raw)? {
        Tried::Converted(made, _parquet) => {
            let Converted { report, version, .. } = *made;
            let verdict = if report.rejected > 0 { Verdict::Partial } else { Verdict::Accepted };
            let version = Some(version);
            Checked { file, feed, verdict, version, report: Some(report), diagnostic: None }
        }
        Tried::Raw { reason } => {
            let report = Report { notes: vec![reason], ..Report::default() };
            let verdict = Verdict::Raw;
            Checked { file, feed, verdict, version: None, report: Some(report), diagnostic: None }
        }
        Tried::Held(diagnostic) => held(diagnostic),
    })
}

fn tell(checked: &Checked<'_>, out: &Output) {
    if out.is_json() {
        out.object("landfall.feed-check/v1", checked);
        return;
    }
    let rows = checked.report.as_ref().filter(|_| checked.verdict != Verdict::Raw);
    let rows = rows.map_or(String::new(), |report| format!(": {}", counted(report.written, "row")));
    let version = checked.version.map_or(String::new(), |version| format!(" as v{version}"));
    let (file, feed, verdict) = (checked.file.display(), checked.feed, checked.verdict.in_words());
    let findings = checked.report.as_ref().map(report::text).unwrap_or_default();
    out.print(&format!("{file} {verdict} by {feed}{version}{rows}\n{findings}"));
    if let Some(diagnostic) = &checked.diagnostic {
        out.tell(diagnostic);
    }
}
