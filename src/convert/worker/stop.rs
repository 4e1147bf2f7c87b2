//! Why a job ended without an answer, and what that says of the file.

use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::time::Duration;

use super::Error;
use crate::config;
use crate::diagnostic::{Code, Diagnostic};
use crate::names::FileName;

/// What ended a job.
#[derive(Debug)]
pub(super) enum Stop {
    /// Resident memory, or one request for it, above the limit.
    Memory,
    /// Processor time.
    Processor,
    /// Time.
    Time,
    /// Bytes of one output.
    Output,
    /// It ended on its own or broke the protocol; in a few words how.
    Crash(String),
    /// It ended, or never began, for a reason that is not the file's.
    Blameless(Error),
}

impl Stop {
    /// Reads it from how the process ended and the last it wrote to its log.
    pub(super) fn of_exit(status: ExitStatus, log: &str) -> Self {
        match status.signal() {
            Some(libc::SIGXCPU) => Self::Processor,
            Some(libc::SIGXFSZ) => Self::Output,
            // A terminal's interrupt or a service manager's stop reaches the whole group.
            Some(signal @ (libc::SIGTERM | libc::SIGINT | libc::SIGHUP | libc::SIGQUIT)) => {
                Self::Blameless(Error::Interrupted(signal))
            }
            // What Rust's allocator says when RLIMIT_AS refuses it.
            Some(libc::SIGABRT) if log.contains("memory allocation of ") => Self::Memory,
            Some(signal) => Self::Crash(format!("signal {signal}")),
            None => Self::Crash(format!("exit code {}", status.code().unwrap_or(-1))),
        }
    }

    /// Whether the same file might fare better in a worker that has seen no other.
    pub(super) fn deserves_fresh_worker(&self) -> bool {
        match self {
            Self::Memory | Self::Crash(_) => true,
            Self::Processor | Self::Time | Self::Output | Self::Blameless(_) => false,
        }
    }

    /// What a person reads of the file that met it.
    ///
    /// # Errors
    /// The reason, when it is not the file's.
    pub(super) fn diagnostic(
        self,
        name: &FileName,
        limits: &config::Workers,
    ) -> Result<Diagnostic, Error> {
        let over = |what: &str, limit: String, key: &str| {
            Diagnostic::error(
                Code::C105,
                format!("{name} takes more {what} to convert than one file may"),
            )
            .fact("limit", limit)
            .fact("setting", format!("[workers] {key}"))
            .hint(format!("Split the file, or raise `{key}` under [workers] in landfall.toml."))
        };
        Ok(match self {
            Self::Memory => over("memory", mebibytes(limits.memory_bytes), "memory_bytes"),
            Self::Processor => over("processor time", seconds(limits.cpu), "cpu"),
            Self::Time => over("time", seconds(limits.time), "time"),
            Self::Output => over("room", mebibytes(limits.output_bytes), "output_bytes"),
            Self::Crash(how) => {
                Diagnostic::error(Code::C111, format!("the converter stopped on {name}"))
                    .fact("ended with", how)
            }
            Self::Blameless(error) => return Err(error),
        })
    }
}

fn mebibytes(bytes: u64) -> String {
    format!("{} MiB", bytes >> 20)
}

fn seconds(time: Duration) -> String {
    format!("{} s", time.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(stop: Stop) -> String {
        let name = "a.csv".parse().expect("a name");
        match stop.diagnostic(&name, &config::Workers::default()) {
            Ok(told) => format!("{told} {:?}", told.facts),
            Err(error) => format!("again: {error}"),
        }
    }

    #[test]
    fn an_end_by_signal_says_what_it_was() {
        let of_signal = |signal, log| told(Stop::of_exit(ExitStatus::from_raw(signal), log));
        assert!(of_signal(libc::SIGXCPU, "").contains("[workers] cpu"));
        assert!(of_signal(libc::SIGXFSZ, "").contains("[workers] output_bytes"));
        assert!(of_signal(libc::SIGTERM, "").starts_with("again: "));
        assert!(
            of_signal(libc::SIGABRT, "memory allocation of 9 bytes failed").contains("350 MiB")
        );
        assert!(of_signal(libc::SIGABRT, "").starts_with("C111: "));
        assert!(of_signal(libc::SIGSEGV, "").contains("signal 11"));
        assert!(told(Stop::of_exit(ExitStatus::from_raw(101 << 8), "")).contains("exit code 101"));
    }
}
