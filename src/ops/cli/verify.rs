//! `landfall verify`

use std::collections::HashSet;
use std::path::PathBuf;

use serde::Serialize;

use super::list::when;
use super::output::{count, counted, size};
use super::{Exit, Output, ZoneArgs, reading};
use crate::clock::{Clock, Timestamp};
use crate::custody::{Copies, Mended, Pace, Sample, Step, Verifier, Wish, mend};
use crate::diagnostic::{Code, Diagnostic};
use crate::ledger::{Finding, Kept, KeptKind, Ledger, NotKept, Problem};
use crate::names::ArrivalId;
use crate::ops::custody::{Report, keep};
use crate::ops::who;
use crate::zone::{Zone, ZonePath};

/// Findings that are known from earlier and compared.
const KNOWN_MAX: u32 = 100_000;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Read only a part, drawn anew each time: 5%, or about as many files as a number says
    #[arg(long, value_name = "PART", value_parser = sample)]
    sample: Option<Sample>,
    /// Only what was received at or after: 2026-11-22, or a time ago such as 30d
    #[arg(long, value_name = "WHEN", value_parser = when)]
    since: Option<Timestamp>,
    /// Read no faster than so many bytes a second: 20MiB
    #[arg(long, value_name = "BYTES", value_parser = crate::config::bytes)]
    rate_limit: Option<u64>,
    /// Read only the files that were found damaged or missing before
    #[arg(long, conflicts_with_all = ["sample", "since"])]
    known: bool,
    /// Bring what is damaged or missing back from a copy of the zone in this folder
    #[arg(long, value_name = "DIR")]
    restore_from: Option<PathBuf>,
}

pub(super) fn run(args: Args, zone: &ZoneArgs, out: &Output) -> Result<Exit, Diagnostic> {
    let suffix = zone.suffix();
    let zone = zone.find()?;
    let Some(ledger) = reading::open(&zone)? else {
        reading::say_never_ran(out);
        return Ok(Exit::Ok);
    };
    let (mut report, findings) = read(&args, &zone, ledger.as_ref(), out)?;
    let mut left = 0;
    for finding in &findings {
        let mended = match &args.restore_from {
            Some(folder) => bring_back(&zone, ledger.as_ref(), finding, folder)?,
            None => None,
        };
        let merged =
            ledger.merged_in(&finding.path).map_err(|error| reading::unreadable(&error))?;
        show(finding, &merged, mended.as_ref(), out);
        if let Some(Mended::Back(_)) = mended {
            report.back.push(finding.path.clone());
        } else {
            left += 1;
        }
    }
    keep(&zone, &report)?;
    summary(&report, left, args.restore_from.is_some(), &suffix, out);
    if !out.is_json() {
        not_kept(ledger.as_ref(), out)?;
    }
    Ok(if left == 0 { Exit::Ok } else { Exit::Problems })
}

/// Reads the files that are asked for.
fn read(
    args: &Args,
    zone: &Zone,
    ledger: &dyn Ledger,
    out: &Output,
) -> Result<(Report, Vec<Finding>), Diagnostic> {
    let unreadable = |error: &crate::ledger::Error| reading::unreadable(error);
    let known = ledger.findings(KNOWN_MAX).map_err(|error| unreadable(&error))?;
    let known_paths: HashSet<ZonePath> =
        known.iter().map(|(known, _)| known.path.clone()).collect();
    let bar = out.files_bar("verify", 0);
    let mut verifier = Verifier::new(zone, ledger, Pace::new(args.rate_limit));
    let (mut findings, mut whole) = (Vec::new(), Vec::new());
    let mut tell = |step: Step<'_>| match step {
        Step::Reached(done, all) => {
            bar.set_length(all);
            bar.set_position(done);
        }
        Step::Whole(path) if known_paths.contains(path) => whole.push(path.clone()),
        Step::Whole(_) => {}
        Step::Found(finding) => findings.push(finding),
    };
    if args.known {
        for (known, _) in known {
            look_again(zone, &mut verifier, known, &mut tell);
        }
    } else {
        let wish = Wish { sample: args.sample.unwrap_or(Sample::Everything), since: args.since };
        verifier.run(&wish, &mut tell).map_err(|error| {
            Diagnostic::error(Code::Z105, "the kept files cannot be compared").caused_by(&error)
        })?;
    }
    bar.finish_and_clear();
    let verified = verifier.verified;
    let by = who();
    Ok((Report { found: findings.clone(), whole, back: Vec::new(), verified, by }, findings))
}

fn look_again(
    zone: &Zone,
    verifier: &mut Verifier<'_>,
    known: Finding,
    tell: &mut dyn FnMut(Step<'_>),
) {
    match known.recorded {
        Some(digest) => {
            let kind = match known.path.as_str().split('/').next() {
                Some("lake") => KeptKind::Parquet,
                Some(_) | None => KeptKind::Raw,
            };
            let Finding { path, arrival, .. } = known;
            verifier.check(&Kept { kind, arrival, path, digest }, tell);
        }
        // One that nobody knew is over when it is gone.
        None if zone.resolve(&known.path).is_some_and(|path| path.exists()) => {
            tell(Step::Found(known));
        }
        None => tell(Step::Whole(&known.path)),
    }
}

fn bring_back(
    zone: &Zone,
    ledger: &dyn Ledger,
    finding: &Finding,
    folder: &std::path::Path,
) -> Result<Option<Mended>, Diagnostic> {
    let copies = Copies { folder: folder.to_owned() };
    let now = Clock::system().now();
    let mended = mend(zone, ledger, finding, &copies, now).map_err(|error| {
        Diagnostic::error(Code::A125, format!("{} could not be brought back", finding.path))
            .caused_by(&error)
    })?;
    Ok(Some(mended))
}

/// Tells of a file, and of every arrival whose rows are in it when it is merged.
fn show(finding: &Finding, merged: &[ArrivalId], mended: Option<&Mended>, out: &Output) {
    #[derive(Serialize)]
    struct Shown<'a> {
        #[serde(flatten)]
        finding: &'a Finding,
        #[serde(skip_serializing_if = "<[ArrivalId]>::is_empty")]
        arrivals: &'a [ArrivalId],
    }
    if out.is_json() {
        out.object("landfall.finding/v1", &Shown { finding, arrivals: merged });
        return;
    }
    let what = match finding.problem {
        Problem::Damaged => "damaged",
        Problem::Missing => "missing",
        Problem::Unreadable => "unreadable",
        Problem::Unknown => "unknown",
    };
    let then = match mended {
        None | Some(Mended::Nothing) => String::new(),
        Some(Mended::Back(None)) => ": brought back".to_owned(),
        Some(Mended::Back(Some(aside))) => {
            format!(": brought back; the damaged one is {}", aside.display())
        }
        Some(Mended::NoCopy) => ": the copy does not have it".to_owned(),
        Some(Mended::Unfit) => ": the copy has other bytes than were recorded".to_owned(),
    };
    out.print(&format!("{what:10}  {}{then}", finding.path));
    merged.iter().for_each(|id| out.print(&format!("{:10}  has the rows of {id}", "")));
}

fn summary(report: &Report, left: usize, has_copy: bool, suffix: &str, out: &Output) {
    let verified = &report.verified;
    if out.is_json() {
        return out.object("landfall.verified/v1", verified);
    }
    let files = counted(verified.files, "file");
    let mut text = format!("Read {files}, {}: ", size(verified.bytes));
    text.push_str(&match (verified.problems, verified.unknown) {
        (0, 0) => "every one is as the ledger says.".to_owned(),
        (problems, 0) => format!("{} not whole.", count(problems)),
        (0, unknown) => format!("{} unknown to the ledger.", count(unknown)),
        (problems, unknown) => {
            format!("{} not whole, {} unknown to the ledger.", count(problems), count(unknown))
        }
    });
    if !report.back.is_empty() {
        text.push_str(&format!(" {} brought back.", count(report.back.len() as u64)));
    }
    out.print(&text);
    if left > 0 && verified.problems > 0 && !has_copy {
        out.say(&format!(
            "Bring them back from a copy of the zone: landfall verify --known --restore-from DIR{suffix}"
        ));
    }
}

/// Tells what is not there because it need not be, so that nobody looks for it.
fn not_kept(ledger: &dyn Ledger, out: &Output) -> Result<(), Diagnostic> {
    let NotKept { erased, retired } =
        ledger.not_kept().map_err(|error| reading::unreadable(&error))?;
    let what = [
        (erased > 0).then(|| format!("{} erased", counted(erased, "file"))),
        (retired > 0)
            .then(|| format!("{} of Parquet or rejects past its time", counted(retired, "file"))),
    ];
    let what: Vec<String> = what.into_iter().flatten().collect();
    if !what.is_empty() {
        out.say(&format!("Not there, and not missing: {}.", what.join(", ")));
    }
    Ok(())
}

fn sample(text: &str) -> Result<Sample, String> {
    let percent = text.strip_suffix('%').map(str::parse::<f64>);
    match (percent, text.parse::<u64>()) {
        (Some(Ok(percent)), _) if percent > 0.0 && percent <= 100.0 => Ok(Sample::Percent(percent)),
        (None, Ok(files)) if files > 0 => Ok(Sample::Arrivals(files)),
        (_, _) => Err("must be a part such as 5%, or a number of files".to_owned()),
    }
}
