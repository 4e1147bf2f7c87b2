//! `landfall convert`: files to Parquet without any zone, in the same confined worker.

use std::fs::File;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::output::{count, size};
use super::{Exit, Output, report};
use crate::clock::Clock;
use crate::config::{Format, Workers};
use crate::convert::worker::{OutputPaths, Pool};
use crate::convert::{Converted, Job, Limits, Outcome};
use crate::diagnostic::{Code, Diagnostic};
use crate::durable::{self, Durability};
use crate::names::{ArrivalId, FileName};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The files
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// Where the Parquet goes
    #[arg(long, short, value_name = "DIR", default_value = ".")]
    output: PathBuf,
    /// Replace Parquet files that are there already
    #[arg(long)]
    force: bool,
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
    #[serde(flatten)]
    outcome: &'a Outcome,
}

pub(super) fn run(args: Args, out: &Output) -> Result<Exit, Diagnostic> {
    let failed = |error: &(dyn std::error::Error + 'static)| {
        Diagnostic::error(Code::Z105, "no file could be converted").caused_by(error)
    };
    Durability::Relaxed.create_folders(&absolute(&args.output)?).map_err(|e| failed(&e))?;
    let program = std::env::current_exe().map_err(|e| failed(&e))?;
    let workers = Workers { count: 1, ..Workers::default() };
    let pool = Pool::new(program, workers).map_err(|e| failed(&e))?;
    let mut exit = Exit::Ok;
    for path in &args.files {
        match convert(&pool, path, &args, out) {
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
        limits: Limits::default(),
    })
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

fn convert(pool: &Pool, path: &Path, args: &Args, out: &Output) -> Result<Exit, Diagnostic> {
    let raw = open(path)?;
    let mut job = job(path, &raw)?;
    job.arrival = args.provenance.then(|| ArrivalId::new(Clock::system().now()));
    let names = Names::new(path, &args.output);
    let bar = out.working(&format!("converting {}", path.display()));
    let outcome = pool.convert("convert", &job, &raw, &names.temporary);
    bar.finish_and_clear();
    let outcome = outcome.map_err(|error| {
        names.remove_temporary();
        Diagnostic::error(Code::C111, format!("{} was not converted", path.display()))
            .caused_by(&error)
    })?;
    if let Outcome::Converted(made) = &outcome {
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
        let told = Told { file: path, parquet, rejects, outcome: &outcome };
        out.object("landfall.conversion/v1", &told);
    }
    tell(path, &names, &outcome, out)
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
    text + &report::text(&made.report)
}
