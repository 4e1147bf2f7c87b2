//! `landfall convert`: files to Parquet without any zone, in the same confined worker.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::Instant;

use indicatif::ProgressBar;
use serde::Serialize;

use super::output::{count, counted, size, table};
use super::{Exit, Output, report};
use crate::clock::Clock;
use crate::config::{self, Format, Workers};
use crate::contract::Contract;
use crate::convert::prove::{self, Claim, Difference, Proof};
use crate::convert::table::{Extremes, extremes};
use crate::convert::worker::{OutputPaths, Pool};
use crate::convert::{Converted, Job, Limits, Outcome, Progress};
use crate::diagnostic::{Code, Diagnostic};
use crate::durable::{self, Durability};
use crate::names::{ArrivalId, FileName};
use crate::ops::diagnostic::of_problems;
use crate::receive::receipt::shown;

/// Columns whose extremes are shown, and characters of one.
const COLUMNS_MAX: usize = 100;
const VALUE_CHARS_MAX: usize = 40;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The files
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// Where the Parquet goes
    #[arg(long, short, value_name = "DIR", default_value = ".")]
    output: PathBuf,
    /// A contract that the files must meet
    #[arg(long, value_name = "FILE")]
    contract: Option<PathBuf>,
    /// Replace Parquet files that are there already
    #[arg(long)]
    force: bool,
    /// Read each source again by other means and compare every cell before anything is written
    #[arg(long)]
    prove: bool,
    /// Add the columns that lead a row back to its source, as a zone does: _lf_arrival (an id made
    /// up for this run), _lf_record, _lf_line
    #[arg(long)]
    provenance: bool,
}

/// What became of one file.
#[derive(Serialize)]
struct Told<'a> {
    file: &'a Path,
    #[serde(skip_serializing_if = "Option::is_none")]
    parquet: Option<&'a Path>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rejects: Option<&'a Path>,
    #[serde(skip_serializing_if = "Option::is_none")]
    proof: Option<&'a Proof>,
    #[serde(flatten)]
    outcome: &'a Outcome,
}

pub(super) fn run(args: Args, out: &Output) -> Result<Exit, Diagnostic> {
    let failed = |error: &(dyn std::error::Error + 'static)| {
        Diagnostic::error(Code::Z105, "no file could be converted").caused_by(error)
    };
    let contract = contract(args.contract.as_deref())?;
    Durability::Relaxed.create_folders(&absolute(&args.output)?).map_err(|e| failed(&e))?;
    let program = std::env::current_exe().map_err(|e| failed(&e))?;
    let workers = Workers { count: 1, ..Workers::default() };
    let pool = Pool::new(program, workers).map_err(|e| failed(&e))?;
    let mut exit = Exit::Ok;
    for path in &args.files {
        match convert(&pool, path, (&args, contract.as_ref()), out) {
            Ok(Exit::Ok) => {}
            Ok(_) => exit = Exit::Problems,
            Err(told) if args.files.len() == 1 => return Err(told),
            Err(told) => {
                out.tell(&told);
                exit = Exit::Problems;
            }
        }
    }
    Ok(exit)
}

fn absolute(path: &Path) -> Result<PathBuf, Diagnostic> {
    std::path::absolute(path).map_err(|error| {
        Diagnostic::error(Code::Z105, format!("{} is not usable", path.display())).caused_by(&error)
    })
}

/// The conversion of a file that belongs to no feed.
pub(super) fn job(path: &Path, file: &File) -> Result<Job, Diagnostic> {
    use std::os::unix::ffi::OsStrExt as _;
    let failed = |error: &(dyn std::error::Error + 'static)| {
        Diagnostic::error(Code::Z105, format!("{} cannot be read", path.display())).caused_by(error)
    };
    let metadata = file.metadata().map_err(|e| failed(&e))?;
    if !metadata.is_file() {
        let summary = format!("{} is not a regular file", path.display());
        return Err(Diagnostic::error(Code::F101, summary).hint("Name files, not folders."));
    }
    let name = path.file_name().unwrap_or_default().as_bytes();
    Ok(Job {
        arrival: None,
        name: FileName::new(name).map_err(|e| failed(&e))?,
        size_bytes: metadata.len(),
        digest: None,
        format: Format::default(),
        learned: None,
        contract: None,
        allowance: crate::contract::Allowance::default(),
        limits: Limits::default(),
        progress: Progress::default(),
    })
}

/// Reads a contract that is named on the command line.
pub(super) fn contract(path: Option<&Path>) -> Result<Option<Contract>, Diagnostic> {
    let Some(path) = path else { return Ok(None) };
    let text = std::fs::read_to_string(path).map_err(|error| {
        Diagnostic::error(Code::Z105, format!("{} cannot be read", path.display()))
            .caused_by(&error)
    })?;
    let contract = config::contract::parse(&path.display().to_string(), &text);
    contract.map(Some).map_err(|problems| of_problems(&problems))
}

/// Opens a file to be converted or inspected.
pub(super) fn open(path: &Path) -> Result<File, Diagnostic> {
    File::open(path).map_err(|error| {
        Diagnostic::error(Code::Z105, format!("{} cannot be read", path.display()))
            .caused_by(&error)
    })
}

/// The four names of one conversion: where it is written, and what it is called when it is whole.
struct Names {
    temporary: OutputPaths,
    parquet: PathBuf,
    rejects: PathBuf,
}

impl Names {
    fn new(path: &Path, folder: &Path) -> Self {
        let stem = path.file_stem().unwrap_or_default().to_string_lossy();
        let hidden = |what: &str| folder.join(format!(".{stem}.{what}.{}.tmp", std::process::id()));
        Self {
            temporary: OutputPaths { parquet: hidden("parquet"), rejects: hidden("rejects") },
            parquet: folder.join(format!("{stem}.parquet")),
            rejects: folder.join(format!("{stem}.rejects.parquet")),
        }
    }

    fn remove_temporary(&self) {
        durable::remove_quietly(&self.temporary.parquet);
        durable::remove_quietly(&self.temporary.rejects);
    }
}

fn convert(
    pool: &Pool,
    path: &Path,
    (args, contract): (&Args, Option<&Contract>),
    out: &Output,
) -> Result<Exit, Diagnostic> {
    let raw = open(path)?;
    let mut job = job(path, &raw)?.under(contract);
    job.arrival = args.provenance.then(|| ArrivalId::new(Clock::system().now()));
    let names = Names::new(path, &args.output);
    let bar = out.conversion_bar("converting", job.size_bytes);
    job.progress = watched(bar.clone(), job.size_bytes);
    let outcome = pool.convert("convert", &job, &raw, &names.temporary);
    bar.finish_and_clear();
    let outcome = outcome.map_err(|error| {
        names.remove_temporary();
        Diagnostic::error(Code::C111, format!("{} was not converted", path.display()))
            .caused_by(&error)
    })?;
    let mut proof = None;
    if let Outcome::Converted(made) = &outcome {
        if args.prove {
            let proven = prove(path, &job, &names, made, out);
            proof = Some(proven.inspect_err(|_told| names.remove_temporary())?);
        }
        let published = publish(&names, made, args);
        names.remove_temporary();
        published?;
    }
    if out.is_json() {
        let made = match &outcome {
            Outcome::Converted(made) => Some(made),
            Outcome::Raw { .. } | Outcome::Held(_) => None,
        };
        let parquet = made.map(|_| names.parquet.as_path());
        let rejects = made.and_then(|made| made.rejects.as_ref()).map(|_| names.rejects.as_path());
        let told = Told { file: path, parquet, rejects, proof: proof.as_ref(), outcome: &outcome };
        out.object("landfall.conversion/v1", &told);
    }
    let exit = tell(path, &names, &outcome, out)?;
    match proof {
        Some(Proof::Same { rows, cells }) => {
            let (rows, cells) = (counted(rows, "row"), counted(cells, "cell"));
            out.say(&format!("proven: {rows}, {cells} the same as in {}", path.display()));
        }
        Some(Proof::Impossible(why)) => out.say(&format!("not proven: {why}")),
        Some(Proof::Different(_)) | None => {}
    }
    Ok(exit)
}

/// Moves a bar along while a file is read. A second reading begins the bar anew.
fn watched(bar: ProgressBar, size_bytes: u64) -> Progress {
    if bar.is_hidden() {
        return Progress::default();
    }
    let began = Instant::now();
    Progress::watched(move |reached| {
        let readings = reached.read_bytes.checked_div(size_bytes).unwrap_or(0);
        if readings > 0 {
            bar.set_prefix("reading it again");
        }
        bar.set_position(reached.read_bytes - readings * size_bytes);
        let passed_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX).max(1);
        let rate = reached.rows.saturating_mul(1000) / passed_ms;
        bar.set_message(format!("{}, {} rows/s", counted(reached.rows, "row"), count(rate)));
    })
}

/// Compares what was made with its source.
///
/// # Errors
/// They differ, or could not be read.
fn prove(
    path: &Path,
    job: &Job,
    names: &Names,
    made: &Converted,
    out: &Output,
) -> Result<Proof, Diagnostic> {
    let bar = out.rows_bar("proving", made.parquet.rows);
    let rejects = made.rejects.as_ref().map(|_| open(&names.temporary.rejects)).transpose()?;
    let claim = Claim { raw: open(path)?, parquet: open(&names.temporary.parquet)?, rejects };
    let proof = prove::prove(job, claim, &mut |rows| bar.set_position(rows));
    bar.finish_and_clear();
    match proof? {
        Proof::Different(found) => Err(different(path, &found)),
        proof @ (Proof::Same { .. } | Proof::Impossible(_)) => Ok(proof),
    }
}

fn different(path: &Path, found: &Difference) -> Diagnostic {
    let what = format!("{}, line {}: the Parquet differs", path.display(), found.line);
    let none = || "no such row".to_owned();
    let told = Diagnostic::error(Code::C150, what)
        .fact("file", path.display())
        .fact("line", found.line)
        .fact("column", &found.column)
        .fact("in the source", found.source.clone().unwrap_or_else(none))
        .fact("in the Parquet", found.parquet.clone().unwrap_or_else(|| "null".to_owned()));
    match &found.member {
        Some(member) => told.fact("member", member),
        None => told,
    }
}

/// Gives the outputs their names; nothing is replaced without `--force`.
fn publish(names: &Names, made: &Converted, args: &Args) -> Result<(), Diagnostic> {
    let mut outputs = vec![(&names.temporary.parquet, &names.parquet)];
    if made.rejects.is_some() {
        outputs.push((&names.temporary.rejects, &names.rejects));
    }
    for (from, to) in outputs {
        if args.force {
            durable::remove_quietly(to);
        }
        Durability::Relaxed.publish_new(from, to).map_err(|error| {
            let told = Diagnostic::error(Code::Z105, format!("{} was not written", to.display()));
            match error.is_name_taken() {
                true => told.caused_by(&error).hint("It is there already; --force replaces it."),
                false => told.caused_by(&error),
            }
        })?;
    }
    Ok(())
}

fn tell(path: &Path, names: &Names, outcome: &Outcome, out: &Output) -> Result<Exit, Diagnostic> {
    match outcome {
        Outcome::Converted(made) => {
            if !out.is_json() {
                out.print(&converted(path, names, made));
            }
            Ok(if made.rejects.is_some() { Exit::Problems } else { Exit::Ok })
        }
        Outcome::Raw { reason } => {
            if !out.is_json() {
                out.print(&format!("{} stays as it is: {reason}", path.display()));
            }
            Ok(Exit::Problems)
        }
        Outcome::Held(told) => {
            if !out.is_json() {
                out.tell(told);
            }
            Ok(Exit::Problems)
        }
    }
}

fn converted(path: &Path, names: &Names, made: &Converted) -> String {
    let (rows, bytes) = (count(made.parquet.rows), size(made.parquet.size_bytes));
    let mut text =
        format!("{} → {}: {rows} rows, {bytes}\n", path.display(), names.parquet.display());
    if let Some(rejects) = &made.rejects {
        let (rows, path) = (count(rejects.rows), names.rejects.display());
        text.push_str(&format!("  {rows} rejected rows → {path}\n"));
    }
    text + &report::text(&made.report) + &values(&names.parquet)
}

/// From where to where the values of each column reach.
fn values(parquet: &Path) -> String {
    // What was made a moment ago can be read; if not, the report goes without.
    let found = File::open(parquet).ok().and_then(|file| extremes(file).ok()).unwrap_or_default();
    let cut = |text: &str| text.chars().take(VALUE_CHARS_MAX).collect::<String>();
    let row = |e: &Extremes| [shown(&e.name), cut(&shown(&e.least)), cut(&shown(&e.greatest))];
    let rows: Vec<_> = found.iter().take(COLUMNS_MAX).map(row).collect();
    report::block("least and greatest", &table(&rows))
}
