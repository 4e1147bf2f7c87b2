//! The converter's merging of Parquet, for what publishes batches.
//!
//! In this process: it reads only what the converter's confined workers wrote and the ledger knows by
//! its digest, and a reader that panics is caught.

use std::fs::File;
use std::sync::Arc;

use crate::clock::Clock;
use crate::config;
use crate::convert::merge;
use crate::handoff::batch::Publisher;
use crate::handoff::merging::{Merges, Run, Unmerged};
use crate::ledger::Ledger;
use crate::names::Digest;
use crate::zone::Zone;

/// Merges files that the converter wrote.
pub struct Merger;

impl Merges for Merger {
    fn merge(&self, runs: &[Run], out: File) -> Result<(u64, Digest), Unmerged> {
        let runs: Vec<merge::Run> = runs.iter().map(converted).collect();
        match merge::merge(&runs, out) {
            Ok(written) => Ok((written.size_bytes, written.digest)),
            Err(why @ merge::Error::Columns(_)) => Err(Unmerged::Apart(why.to_string())),
            Err(
                why @ (merge::Error::Open { .. }
                | merge::Error::Parquet { .. }
                | merge::Error::Arrow { .. }
                | merge::Error::Rows(_)
                | merge::Error::Write(_)
                | merge::Error::Impossible(_)),
            ) => Err(Unmerged::Failed(Box::new(why))),
        }
    }
}

/// What publishes the batches of a zone.
pub fn publisher(
    zone: &Zone,
    config: &config::Live,
    ledger: &Arc<dyn Ledger>,
    clock: &Clock,
) -> Publisher {
    let (zone, config, ledger) = (zone.clone(), config.clone(), Arc::clone(ledger));
    Publisher::new(zone, config, ledger, clock.clone(), Arc::new(Merger))
}

fn converted(run: &Run) -> merge::Run {
    let piece = &run.piece;
    let rows = merge::Rows { arrival: piece.arrival, first: piece.first_row, count: piece.rows };
    merge::Run { path: run.path.clone(), rows }
}
