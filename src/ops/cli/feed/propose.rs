//! `landfall feed propose`: a contract from what the archive holds. The newest files that were taken
//! are each converted again, without any rules, and every value is looked at; what comes of it is
//! tried on the same files before it is given out.

use std::collections::BTreeSet;
use std::path::PathBuf;

use super::history::short;
use crate::archive::Archive;
use crate::clock::utc_day;
use crate::config::{self, Config};
use crate::contract::{Allowance, Contract};
use crate::convert::Job;
use crate::convert::propose::Survey;
use crate::diagnostic::{Code, Diagnostic};
use crate::durable::Durability;
use crate::ledger::{Arrival, ArrivalQuery, Ledger, State};
use crate::names::FeedName;
use crate::ops::cli::output::counted;
use crate::ops::cli::trial::{Trial, Tried};
use crate::ops::cli::{Exit, Output, reading};
use crate::ops::diagnostic::of_problems;
use crate::pipeline;
use crate::schema::LearnedSchema;
use crate::zone::Zone;

/// How often a proposal is made weaker until its files meet it.
const ROUNDS_MAX: usize = 5;
/// Files that are named when a proposal does not take them.
const NAMED_MAX: usize = 10;

#[derive(Debug, clap::Args)]
pub(in crate::ops::cli) struct Args {
    /// Which feed
    feed: FeedName,
    /// How many files are read again, the newest
    #[arg(long, value_name = "NUMBER", default_value_t = 100)]
    files: u32,
    /// Write it to a file that is not there yet, instead of printing it
    #[arg(long, short, value_name = "FILE", conflicts_with = "write")]
    output: Option<PathBuf>,
    /// Write it to contracts/FEED.toml, if the feed has no contract yet
    #[arg(long)]
    write: bool,
}

/// What a proposal is made from and tried on.
struct Bench<'a> {
    config: &'a Config,
    archive: Archive,
    trial: Trial,
    learned: Option<LearnedSchema>,
    arrivals: Vec<Arrival>,
}

pub(super) fn run(
    args: &Args,
    zone: &Zone,
    config: &Config,
    ledger: Option<&dyn Ledger>,
    out: &Output,
) -> Result<Exit, Diagnostic> {
    let feed = &args.feed;
    let nothing = || {
        let what = format!("the feed {feed} has no table that was taken");
        Diagnostic::error(Code::H132, what)
    };
    if !config.feeds.contains_key(feed) {
        return Err(reading::no_feed(feed));
    }
    let ledger = ledger.ok_or_else(nothing)?;
    let bench = Bench {
        config,
        archive: Archive::new(zone.clone(), Durability::Relaxed),
        trial: Trial::new(&config.workers)?,
        learned: ledger.learned(feed).map_err(|error| reading::unreadable(&error))?,
        arrivals: taken(ledger, feed, args.files)?,
    };
    let survey = bench.survey(config.contract(feed), out)?;
    if survey.files() == 0 {
        return Err(nothing());
    }
    let (text, refused) = bench.settle(feed, &survey)?;
    match args.write.then(|| zone.contract_file(feed)).or_else(|| args.output.clone()) {
        None => out.print(&text),
        Some(path) => {
            let folder = path.parent().unwrap_or(zone.root());
            let failed = |error: &crate::durable::Error| {
                let told =
                    Diagnostic::error(Code::Z105, format!("{} was not written", path.display()));
                told.caused_by(error)
            };
            Durability::Full.create_folders(folder).map_err(|e| failed(&e))?;
            Durability::Full.write_new(&path, text.as_bytes()).map_err(|e| failed(&e))?;
            out.say(&format!(
                "Wrote {}. Read it, then `landfall check` and `landfall reload`.",
                path.display()
            ));
        }
    }
    for (arrival, why) in refused.files.iter().take(NAMED_MAX) {
        out.say(&format!("{}, {}, is not taken under it: {why}", arrival.name, arrival.id));
    }
    Ok(if refused.files.is_empty() { Exit::Ok } else { Exit::Problems })
}

/// The newest files of a feed whose tables were taken.
fn taken(ledger: &dyn Ledger, feed: &FeedName, files: u32) -> Result<Vec<Arrival>, Diagnostic> {
    let states = vec![State::Converted, State::Batched, State::Published, State::HandedOff];
    let mut query = ArrivalQuery {
        feed: Some(feed.clone()),
        states,
        limit: files.max(1),
        ..ArrivalQuery::default()
    };
    let mut taken = Vec::new();
    loop {
        let found = ledger.find(&query).map_err(|error| reading::unreadable(&error))?;
        taken.extend(found.arrivals.into_iter().filter(|arrival| arrival.conversion.is_some()));
        let wanted = usize::try_from(files).unwrap_or(usize::MAX);
        taken.truncate(wanted);
        query.before = found.before;
        if found.before.is_none() || taken.len() >= wanted {
            return Ok(taken);
        }
    }
}

/// What a contract does not take of the files.
#[derive(Default)]
struct Refused<'a> {
    /// Which, and why.
    files: Vec<(&'a Arrival, String)>,
    /// The columns at fault, where that is known.
    columns: BTreeSet<String>,
}

impl Bench<'_> {
    /// Looks at every value of every file.
    fn survey(&self, contract: Option<&Contract>, out: &Output) -> Result<Survey, Diagnostic> {
        let mut survey = Survey::new();
        let bar = out.files_bar("reading", self.arrivals.len() as u64);
        for arrival in &self.arrivals {
            let job = Job { contract: None, learned: None, ..self.job(arrival, None) };
            let raw = self.open(arrival)?;
            match self.trial.convert(&job, &raw)? {
                Tried::Converted(made, parquet) => survey.take(&made, parquet, contract)?,
                // Without its rules it does not read, so that there is nothing to learn from it.
                Tried::Raw { .. } | Tried::Held(_) => {}
            }
            bar.inc(1);
        }
        bar.finish_and_clear();
        Ok(survey)
    }

    /// Makes the proposal weaker until every file meets it; its text, and what it does not take.
    fn settle(
        &self,
        feed: &FeedName,
        survey: &Survey,
    ) -> Result<(String, Refused<'_>), Diagnostic> {
        let mut kept_text = BTreeSet::new();
        let mut rounds = 0;
        loop {
            let mut proposal = survey.propose(self.learned.as_ref(), &kept_text);
            let contract = parsed(feed, &config::contract::render(&proposal))?;
            let refused = self.refused(&contract)?;
            rounds += 1;
            let known = kept_text.len();
            kept_text.extend(refused.columns.iter().cloned());
            if refused.files.is_empty() || kept_text.len() == known || rounds == ROUNDS_MAX {
                proposal.heading = self.heading(feed, survey, refused.files.len());
                let text = config::contract::render(&proposal);
                parsed(feed, &text)?;
                return Ok((text, refused));
            }
        }
    }

    /// Tries a contract on every file.
    fn refused(&self, contract: &Contract) -> Result<Refused<'_>, Diagnostic> {
        let mut refused = Refused::default();
        for arrival in &self.arrivals {
            let raw = self.open(arrival)?;
            let job = self.job(arrival, Some(contract));
            match self.trial.convert(&job, &raw)? {
                Tried::Converted(made, _parquet)
                    if made.report.rejected <= contract.max_rejects.count => {}
                Tried::Converted(made, _parquet) => {
                    let first = made.report.first_rejects.iter();
                    refused.columns.extend(first.filter_map(|reject| reject.column.clone()));
                    refused.files.push((arrival, counted(made.report.rejected, "rejected record")));
                }
                Tried::Raw { reason } => refused.files.push((arrival, reason)),
                Tried::Held(told) => refused.files.push((arrival, told.to_string())),
            }
        }
        Ok(refused)
    }

    /// A conversion that may have any number of rejects.
    fn job(&self, arrival: &Arrival, contract: Option<&Contract>) -> Job {
        let job = pipeline::job(self.config, arrival, self.learned.clone());
        let job = Job { contract: None, ..job }.under(contract);
        let allowance = Allowance { rejects: true, ..arrival.allowance };
        job.allowing(allowance)
    }

    fn open(&self, arrival: &Arrival) -> Result<std::fs::File, Diagnostic> {
        self.archive.open(&arrival.raw).map_err(|error| {
            Diagnostic::error(Code::Z105, format!("{} cannot be read again", arrival.name))
                .fact("id", arrival.id)
                .caused_by(&error)
        })
    }

    fn heading(&self, feed: &FeedName, survey: &Survey, refused: usize) -> Vec<String> {
        let days = self.arrivals.iter().map(|arrival| utc_day(arrival.received_at));
        let (first, last) =
            (days.clone().min().unwrap_or_default(), days.max().unwrap_or_default());
        let (files, records) =
            (counted(survey.files(), "file"), counted(survey.records(), "record"));
        let verdict = match (refused, self.arrivals.len()) {
            (0, 1) => "The file would be taken under it.".to_owned(),
            (1, 1) => "The file would not be taken under it.".to_owned(),
            (0, all) => format!("Each of the {all} files would be taken under it."),
            (refused, all) => format!("{refused} of the {all} files would not be taken under it."),
        };
        let when = match first == last {
            true => format!("on {first}"),
            false => format!("from {first} to {last}"),
        };
        let mut heading = vec![
            format!("A contract for {feed}, proposed by landfall {}.", env!("CARGO_PKG_VERSION")),
            format!(
                "Made from {files} received {when}, the newest that were taken: {records}, every"
            ),
            "value of them, read again from the archive. What never came is not in it.".to_owned(),
            verdict,
        ];
        if let Some(contract) = self.config.contract(feed) {
            heading.push(format!(
                "The contract in force is {}: its `match`, bounds, patterns and modes are not in here.",
                short(&contract.digest)
            ));
        }
        heading
    }
}

fn parsed(feed: &FeedName, text: &str) -> Result<Contract, Diagnostic> {
    let contract = config::contract::parse(&format!("contracts/{feed}.toml"), text);
    contract.map_err(|problems| of_problems(&problems))
}
