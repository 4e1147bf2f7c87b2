//! What a reading of kept files found comes into the ledger, with or without a running server.

use serde::{Deserialize, Serialize};

use crate::diagnostic::{Code, Diagnostic};
use crate::ledger::{self, Finding, Ledger, Verified};
use crate::zone::{Zone, ZonePath};

use super::control::Client;
use super::writing::OwnLedger;

/// Findings in one message to the server; it may have 64 KiB.
const AT_A_TIME: usize = 40;

/// What a reading came to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// Files that are not as the ledger says.
    pub found: Vec<Finding>,
    /// Files that were not, and are now.
    pub whole: Vec<ZonePath>,
    /// Files that were brought back from a copy.
    pub back: Vec<ZonePath>,
    /// The sum.
    pub verified: Verified,
    /// Who read.
    pub by: String,
}

/// A part of a report; the last says so.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "part", rename_all = "snake_case")]
pub enum Part {
    /// What was found.
    Found {
        /// Which files.
        findings: Vec<Finding>,
    },
    /// What is whole again.
    Mended {
        /// Which files.
        paths: Vec<ZonePath>,
        /// How.
        how: String,
    },
    /// The end.
    Verified {
        /// The sum.
        verified: Verified,
        /// Who read.
        by: String,
    },
}

impl Report {
    fn parts(&self) -> Vec<Part> {
        let found = self.found.chunks(AT_A_TIME);
        let mut parts: Vec<Part> =
            found.map(|some| Part::Found { findings: some.to_vec() }).collect();
        let back = format!("brought back from a copy by {}", self.by);
        for (paths, how) in [(&self.whole, "it is whole again"), (&self.back, back.as_str())] {
            let some = paths.chunks(AT_A_TIME);
            parts.extend(
                some.map(|some| Part::Mended { paths: some.to_vec(), how: how.to_owned() }),
            );
        }
        parts.push(Part::Verified { verified: self.verified, by: self.by.clone() });
        parts
    }
}

/// Keeps a report in the ledger.
///
/// # Errors
/// [`Code::Z103`] and the like when it cannot be written, [`Code::L101`].
pub fn keep(zone: &Zone, report: &Report) -> Result<(), Diagnostic> {
    if let Some(client) = Client::find(zone)? {
        return report.parts().into_iter().try_for_each(|part| client.verified(part));
    }
    let own = OwnLedger::open(zone)?;
    report.parts().into_iter().try_for_each(|part| take(own.ledger(), part))
}

/// Keeps a part of a report.
///
/// # Errors
/// [`Code::L101`].
pub fn take(ledger: &dyn Ledger, part: Part) -> Result<(), Diagnostic> {
    let kept: Result<(), ledger::Error> = match part {
        Part::Found { findings } => ledger.found(findings),
        Part::Mended { paths, how } => ledger.mended(paths, &how),
        Part::Verified { verified, by } => ledger.verified(verified, &by),
    };
    kept.map_err(|error| {
        Diagnostic::error(Code::L101, "what was found is not in the ledger").caused_by(&error)
    })
}
