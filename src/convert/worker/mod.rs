//! Confined converter processes: a bad file stops itself, never the zone.
//!
//! [`Pool`] is the parent's side. It starts `landfall worker` processes, hands each one file at a
//! time as descriptors, watches it, and turns whatever happens into an [`super::Outcome`]: a file that
//! takes too much memory, time, processor or output, or that crashes its worker, is held, and the
//! next file gets another worker. [`child_main`] is the worker's side.
//!
//! Promised, each with a test in `tests/convert/workers.rs`:
//! - **Confined before the first byte** (`confine`): Landlock without any right, a system-call list
//!   without open, socket, exec, fork, ptrace or change of limits, no new privileges, no
//!   capabilities, no environment, no descriptor beyond its socket and log.
//! - **Limited from outside** (`process`): resident memory and time by the parent's watch, with
//!   `RLIMIT_AS` behind it; processor time per job, output size, descriptors and core files by the
//!   kernel. The worker cannot raise them.
//! - **One owner a worker**: what one owner's file did to a worker never meets another owner's.
//!   After `files_max` files it is replaced.
//! - **Fair**: places go round the owners that wait (`turns`).
//! - **Ends with the parent**, also when the parent is killed.
//!
//! What the kernel does not offer is not enforced and is reported in [`Confinement`].
//!
//! In a worker, a descriptor's size is learnt by seeking: stat(2) and its kin take paths and are
//! refused.
//!
//! Left out: syncing the outputs. They are whole but not durable when [`Pool::convert`] returns.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::diagnostic::{Code, Diagnostic};

mod child;
mod confine;
mod message;
mod output;
mod pool;
mod process;
mod stop;
mod turns;

pub use child::child_main;
pub use pool::{Pool, Tried};
pub use turns::Load;

/// Where the outputs of one job go. They are created and must not exist.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutputPaths {
    /// The Parquet; there when the outcome is [`Outcome::Converted`](super::Outcome::Converted), else removed.
    pub parquet: PathBuf,
    /// The rejects; there when the outcome says so, else removed.
    pub rejects: PathBuf,
}

/// Why a file has no outcome. Nothing is known against the file: it is to be tried again.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No worker could be started.
    #[error("cannot start a converter worker from {}", program.display())]
    Start {
        /// The program.
        program: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// A worker started but did not report that it is confined.
    #[error("a converter worker is not usable: {0}")]
    Unusable(String),
    /// The raw object could not be rewound.
    #[error("cannot rewind the raw object")]
    Raw(#[source] std::io::Error),
    /// An output could not be created.
    #[error("cannot create {}", path.display())]
    Output {
        /// The output.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// The machine is short of something while it works: room on the disk, descriptors, memory.
    #[error("the machine is short of something: {}", .0.causes.join(": "))]
    Short(Box<Diagnostic>),
    /// Somebody ended the worker from outside, as a system that shuts down does.
    #[error("the converter worker was ended by signal {0}")]
    Interrupted(i32),
    /// The pool is closed.
    #[error("the converter pool is closed")]
    Closed,
}

impl Error {
    fn short(error: &std::io::Error) -> Self {
        let summary = "the converter's worker could not be asked";
        Self::Short(Box::new(Diagnostic::error(Code::Z110, summary).caused_by(error)))
    }
}

/// What holds of a worker, as it reports before its first job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Confinement {
    /// The converter's version, [`super::VERSION`].
    pub converter: String,
    /// Landlock: `full`, `partial` or `none`, and the kernel's version of it.
    pub landlock: String,
    /// Whether the system-call list is in force.
    pub system_calls: bool,
    /// Whether it is without capabilities.
    pub no_capabilities: bool,
}

/// What a worker can be asked to try on itself, so that tests and `doctor` see limits at work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Probe {
    /// Try what a confined process may not do, and starting a thread, which it may.
    Confinement,
    /// Take memory until stopped.
    Memory,
    /// Use processor time until stopped.
    Processor,
    /// Wait until stopped.
    Time,
    /// Abort.
    Crash,
}

/// One thing a worker tried.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempt {
    /// What: `open a file`, `start a program`, ….
    pub what: String,
    /// What the system answered; `None` when it let it happen.
    pub refused: Option<String>,
}
