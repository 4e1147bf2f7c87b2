//! Conversions that are only looked at: in the same confined workers as a zone's, into a private
//! folder that goes with the [`Trial`]. What a file becomes goes when nobody has it open.

use std::fs::{self, DirBuilder, File};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::PathBuf;

use crate::config::Workers;
use crate::convert::worker::{OutputPaths, Pool};
use crate::convert::{Converted, Job, Outcome};
use crate::diagnostic::{Code, Diagnostic};
use crate::durable;

/// What came of a file.
pub(super) enum Tried {
    /// Parquet, which has no name any more.
    Converted(Box<Converted>, File),
    /// It is no table.
    Raw {
        /// Why, in a few words.
        reason: String,
    },
    /// It must wait for a person.
    Held(Diagnostic),
}

/// A worker and the folder that it writes to.
pub(super) struct Trial {
    pool: Pool,
    folder: PathBuf,
    outputs: OutputPaths,
}

impl Drop for Trial {
    fn drop(&mut self) {
        self.pool.close();
        if let Err(error) = fs::remove_dir_all(&self.folder) {
            tracing::warn!(%error, path = %self.folder.display(), "a folder stays behind");
        }
    }
}

impl Trial {
    /// One worker with the limits of `workers`.
    ///
    /// # Errors
    /// [`Code::Z105`] when a worker cannot be started or the folder not be made.
    pub(super) fn new(workers: &Workers) -> Result<Self, Diagnostic> {
        let failed = |error: &(dyn std::error::Error + 'static)| {
            Diagnostic::error(Code::Z105, "no file can be converted").caused_by(error)
        };
        let program = std::env::current_exe().map_err(|e| failed(&e))?;
        let workers = Workers { count: 1, ..workers.clone() };
        let pool = Pool::new(program, workers).map_err(|e| failed(&e))?;
        let folder = std::env::temp_dir().join(format!("landfall-trial-{}", std::process::id()));
        DirBuilder::new().mode(0o700).create(&folder).map_err(|e| failed(&e))?;
        let outputs =
            OutputPaths { parquet: folder.join("parquet"), rejects: folder.join("rejects") };
        Ok(Self { pool, folder, outputs })
    }

    /// Converts a file.
    ///
    /// # Errors
    /// [`Code::Z105`] for what is no fault of the file.
    pub(super) fn convert(&self, job: &Job, raw: &File) -> Result<Tried, Diagnostic> {
        let failed = |error: &(dyn std::error::Error + 'static)| {
            let told = Diagnostic::error(Code::Z105, format!("{} was not converted", job.name));
            let told = job.arrival.iter().fold(told, |told, id| told.fact("id", id));
            told.caused_by(error)
        };
        let outcome =
            self.pool.convert("trial", job, raw, &self.outputs).map_err(|e| failed(&e))?;
        let tried = match outcome {
            Outcome::Converted(made) => File::open(&self.outputs.parquet)
                .map(|parquet| Tried::Converted(made, parquet))
                .map_err(|e| failed(&e)),
            Outcome::Raw { reason } => Ok(Tried::Raw { reason }),
            Outcome::Held(diagnostic) => Ok(Tried::Held(diagnostic)),
        };
        // An open file stays readable without a name.
        durable::remove_quietly(&self.outputs.parquet);
        durable::remove_quietly(&self.outputs.rejects);
        tried
    }
}
