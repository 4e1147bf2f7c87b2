//! The narrow way in with what only a pull needs, on this machine.

use super::Intake;
use crate::ledger::{Arrival, PullFailure, PullState, Pulled};
use crate::names::PullName;
use crate::receive::{LocalIntake, Refusal, Settled};

impl Intake for LocalIntake {
    fn settle_last(&self, settled: Settled, run: Pulled) -> Result<Arrival, Refusal> {
        self.take(settled, Some(run))
    }

    fn pulled(&self, run: Pulled) -> Result<(), Refusal> {
        self.ledger.pulled(run).map_err(self.refuse())
    }

    fn pull_failed(&self, failure: PullFailure) -> Result<(), Refusal> {
        self.ledger.pull_failed(failure).map_err(self.refuse())
    }

    fn pull(&self, pull: &PullName) -> Result<Option<PullState>, Refusal> {
        self.ledger.pull(pull).map_err(self.refuse())
    }
}
