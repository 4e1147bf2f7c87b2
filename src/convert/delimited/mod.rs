//! Delimited text.

mod dialect;
mod header;
mod records;
mod rows;
mod scan;
mod syntax;
mod trial;

use std::fs::File;

use super::{Inspection, Job, Outcome, Outputs};
use crate::report::Report;

/// Converts delimited text.
pub fn run(_job: &Job, _raw: File, _outputs: Outputs) -> Outcome {
    Outcome::Raw { reason: "text is not converted yet".to_owned() }
}

/// Looks at delimited text and writes nothing.
pub fn inspect(_job: &Job, _raw: File) -> Inspection {
    let obstacle = Outcome::Raw { reason: "text is not converted yet".to_owned() };
    Inspection { report: Report::default(), rows: Vec::new(), obstacle: Some(obstacle) }
}
