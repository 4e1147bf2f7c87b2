//! Everything a sender gets back about one arrival, as one consistent whole.

use super::{Outcome, json, problem};
use crate::evidence::Proof;
use crate::ledger::Arrival;

/// The texts about one arrival, rendered from one look at it.
#[derive(Debug, Clone)]
pub struct Papers {
    /// The arrival they are about.
    pub arrival: Arrival,
    /// What became of the file: [`json()`].
    pub receipt: Vec<u8>,
    /// The receipt's signature (SSHSIG), once its outcome is final and proven.
    pub signature: Option<Vec<u8>>,
    /// Whether the receipt has its proof: then it does not change any more.
    pub is_proven: bool,
    /// What is wrong with it: [`problem()`].
    pub problem: Option<Vec<u8>>,
    /// Whether the sender has removed them from the listing since they last changed. They can still
    /// be read by their names.
    pub is_hidden: bool,
    /// Whether they are past the time that their feed keeps receipts: nobody gets them any more.
    pub is_past: bool,
}

impl Papers {
    /// Renders the texts. `hidden_at` is the outcome at which the sender removed them last; `proof`
    /// is there as soon as a checkpoint covers the outcome.
    pub fn render(arrival: Arrival, hidden_at: Option<&str>, proof: Option<Proof>) -> Self {
        let outcome = Outcome::of(&arrival);
        let proof = proof.filter(|_| outcome.is_final());
        Self {
            receipt: json(&arrival, proof.as_ref()),
            is_proven: proof.is_some(),
            signature: None,
            problem: problem(&arrival),
            is_hidden: hidden_at == Some(outcome.as_str()),
            is_past: false,
            arrival,
        }
    }

    /// The same with a signature, if the receipt is final.
    ///
    /// # Errors
    /// What signing said.
    pub fn sign<E>(mut self, sign: impl FnOnce(&[u8]) -> Result<String, E>) -> Result<Self, E> {
        if self.is_proven {
            self.signature = Some(sign(&self.receipt)?.into_bytes());
        }
        Ok(self)
    }
}
