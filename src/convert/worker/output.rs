//! A job's output files: made by the parent, filled through descriptors, kept only if they count.

use std::fs::{File, OpenOptions};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use super::stop::Stop;
use super::{Error, OutputPaths};
use crate::convert::{Outcome, Written};
use crate::diagnostic::Code;
use crate::durable::remove_quietly;

/// The outputs of one job; dropping them removes what does not count.
#[derive(Debug)]
pub(super) struct Outputs<'a> {
    parquet: Output<'a>,
    rejects: Output<'a>,
}

#[derive(Debug)]
struct Output<'a> {
    path: &'a Path,
    file: File,
    counts: bool,
}

impl<'a> Outputs<'a> {
    /// Creates both; neither may exist.
    pub(super) fn create(paths: &'a OutputPaths) -> Result<Self, Error> {
        Ok(Self {
            parquet: Output::create(&paths.parquet)?,
            rejects: Output::create(&paths.rejects)?,
        })
    }

    /// The descriptors of a job, in the order a worker expects.
    pub(super) fn descriptors<'b>(&'b self, raw: &'b File) -> [BorrowedFd<'b>; 3] {
        [raw.as_fd(), self.parquet.file.as_fd(), self.rejects.file.as_fd()]
    }

    /// Keeps what the outcome counts, after a look whether it is there. A file is not to blame for
    /// what the machine was short of.
    pub(super) fn settle(mut self, outcome: Outcome) -> Result<Outcome, Stop> {
        match &outcome {
            Outcome::Converted(converted) => {
                self.parquet.keep(&converted.parquet)?;
                if let Some(rejects) = &converted.rejects {
                    self.rejects.keep(rejects)?;
                }
            }
            Outcome::Held(told) if told.code == Code::Z110 => {
                return Err(Stop::Blameless(Error::Short(Box::new(told.clone()))));
            }
            Outcome::Raw { .. } | Outcome::Held(_) => {}
        }
        Ok(outcome)
    }
}

impl<'a> Output<'a> {
    fn create(path: &'a Path) -> Result<Self, Error> {
        let made =
            OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(path);
        let file = made.map_err(|source| Error::Output { path: path.to_owned(), source })?;
        Ok(Self { path, file, counts: false })
    }

    fn keep(&mut self, written: &Written) -> Result<(), Stop> {
        let size_bytes = self.file.metadata().map_or(0, |metadata| metadata.len());
        if size_bytes != written.size_bytes {
            let said = written.size_bytes;
            return Err(Stop::Crash(format!("an output of {size_bytes} bytes, not {said}")));
        }
        self.counts = true;
        Ok(())
    }
}

impl Drop for Output<'_> {
    fn drop(&mut self) {
        if !self.counts {
            remove_quietly(self.path);
        }
    }
}
