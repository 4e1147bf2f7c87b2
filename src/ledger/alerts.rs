//! Alerts as the ledger knows them: what each has told, and the message that is on its way.
//!
//! What an alert told is kept when somebody took the message, with the message before it is sent: a
//! restart repeats at most the one that was under way, under its id, and forgets nothing.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Error, Event, Failing};
use crate::clock::Timestamp;
use crate::diagnostic::Code;
use crate::names::AlertName;

/// How soon somebody is to know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Urgency {
    /// At once: files are stopped, or at risk.
    Page,
    /// With the next digest.
    Digest,
}

/// Something that needs a person, as it is told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cause {
    /// What stays the same while it stands.
    pub key: String,
    /// Its diagnostic code, if it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<Code>,
    /// How soon somebody is to know.
    pub urgency: Urgency,
    /// What is wrong, in words.
    pub cause: String,
    /// Who answers for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// Since when.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
    /// The command that shows more or mends it.
    pub command: String,
}

impl Cause {
    /// What it has in common with others that come from the same: `H101 warehouse` of the key
    /// `H101 warehouse orders`.
    pub fn root(&self) -> String {
        self.key.split(' ').take(2).collect::<Vec<_>>().join(" ")
    }
}

/// Causes by their keys.
pub type Causes = BTreeMap<String, Cause>;

/// A message that was not taken yet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Waiting {
    /// Its number, from 1; the same in every attempt.
    pub number: u64,
    /// How soon somebody is to know.
    pub urgency: Urgency,
    /// When it was written.
    pub at: Timestamp,
    /// What it tells of for the first time.
    pub raised: Causes,
    /// What was told of before and is gone.
    pub resolved: Causes,
    /// When it is sent, or sent again.
    pub due_at: Timestamp,
    /// Set while it is refused.
    pub failing: Option<Failing>,
}

/// What an alert told, and what it is about to tell.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AlertState {
    /// Messages that were taken.
    pub number: u64,
    /// When the newest of them was.
    pub sent_at: Option<Timestamp>,
    /// Since when something is gathered for a digest.
    pub gathering_since: Option<Timestamp>,
    /// What was told of and stands, as far as is known.
    pub told: Causes,
    /// What was told of at once lately, by [`Cause::root`], and when.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub paged: BTreeMap<String, Timestamp>,
    /// The message that is on its way.
    pub waiting: Option<Waiting>,
}

/// The ledger's part about alerts.
pub trait Alerts {
    /// Every alert that ever gathered or told something, by name.
    ///
    /// # Errors
    /// [`Error::Store`].
    fn alerts(&self) -> Result<BTreeMap<AlertName, AlertState>, Error>;

    /// Keeps what an alert told or is about to tell, and an event of it.
    ///
    /// # Errors
    /// [`Error::Store`].
    fn keep_alert(
        &self,
        alert: &AlertName,
        state: AlertState,
        event: Option<Event>,
    ) -> Result<(), Error>;

    /// Forgets an alert that is not configured any more.
    ///
    /// # Errors
    /// [`Error::Store`].
    fn forget_alert(&self, alert: &AlertName) -> Result<(), Error>;
}
