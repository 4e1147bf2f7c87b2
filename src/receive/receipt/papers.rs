//! Everything a sender gets back about one arrival, as one consistent whole.

use super::{Outcome, json, problem};
use crate::ledger::Arrival;

/// The texts about one arrival, rendered from one look at it.
#[derive(Debug, Clone)]
pub struct Papers {
    /// The arrival they are about.
    pub arrival: Arrival,
    /// What became of the file: [`json()`].
    pub receipt: Vec<u8>,
    /// The receipt's signature (SSHSIG), once its outcome is final.
    pub signature: Option<Vec<u8>>,
    /// What is wrong with it: [`problem()`].
    pub problem: Option<Vec<u8>>,
    /// Whether the sender has removed them from the listing since they last changed. They can still
    /// be read by their names.
    pub is_hidden: bool,
}

impl Papers {
    /// Renders the texts. `hidden_at` is the outcome at which the sender removed them last.
    pub fn render(arrival: Arrival, hidden_at: Option<&str>) -> Self {
        let outcome = Outcome::of(&arrival);
        Self {
            receipt: json(&arrival),
            signature: None,
            problem: problem(&arrival),
            is_hidden: hidden_at == Some(outcome.as_str()),
            arrival,
        }
    }

    /// The same with a signature, if the outcome is final.
    ///
    /// # Errors
    /// What signing said.
    pub fn sign<E>(mut self, sign: impl FnOnce(&[u8]) -> Result<String, E>) -> Result<Self, E> {
        if Outcome::of(&self.arrival).is_final() {
            self.signature = Some(sign(&self.receipt)?.into_bytes());
        }
        Ok(self)
    }
}
