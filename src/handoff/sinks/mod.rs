//! Who is told of a batch: a [`command`], a [`webhook`], a folder of [`copies`],
//! [`postgres`] or [`nats`].
//!
//! A sink is told at least once. The delivery's id is the same in every attempt, so that the
//! receiver can tell a repeat. Sinks come from the configuration only; nothing a sender wrote
//! decides who is told.

use std::path::PathBuf;
use std::time::Duration;

use serde_json::Value;

use super::cloud_event::CloudEvent;
use crate::ledger::{Batch, BatchFile};
use crate::names::Digest;
use crate::zone::{Zone, ZonePath};

pub mod command;
pub mod copies;
pub mod courier;
pub mod message;
pub mod nats;
pub mod postgres;
pub mod rows;
pub mod secret;
pub mod signature;
pub mod tls;
pub mod webhook;

/// The type of the event that tells of a batch.
pub const EVENT_TYPE: &str = "dev.landfall.batch.published.v1";
/// The type of an event that only tries the way.
pub const TEST_TYPE: &str = "dev.landfall.sink.test.v1";
/// A manifest of at least so many bytes is named instead of enclosed (Standard Webhooks advice).
const ENCLOSED_BYTES_MAX: usize = 20_000;
/// Bytes of an acknowledgement that are kept.
pub const ACKNOWLEDGEMENT_BYTES_MAX: usize = 64 << 10;
/// Bytes of a refusal that are kept, from its end, where the reason usually is.
pub const REFUSAL_BYTES_MAX: usize = 3 << 10;

/// What a sink is told.
#[derive(Debug, Clone)]
pub struct Notice {
    /// What for.
    pub purpose: Purpose,
    /// The delivery's id, the same in every attempt.
    pub delivery: String,
    /// The batch.
    pub batch: Batch,
    /// The manifest's text.
    pub manifest: Vec<u8>,
    /// SHA-256 of the manifest.
    pub digest: Digest,
    /// The manifest's name in the zone.
    pub manifest_name: ZonePath,
    /// The manifest's absolute path.
    pub manifest_path: PathBuf,
    /// The zone's folder, which the manifest's names are relative to.
    pub zone: PathBuf,
    /// The zone's name.
    pub zone_name: String,
}

impl Notice {
    /// The CloudEvent that tells of it, as JSON: the same bytes in every attempt.
    pub fn event(&self) -> Vec<u8> {
        let batch = &self.batch;
        let enclosed = (self.manifest.len() < ENCLOSED_BYTES_MAX)
            .then(|| serde_json::from_slice(&self.manifest).ok())
            .flatten();
        let kind = match self.purpose {
            Purpose::Batch => EVENT_TYPE,
            Purpose::Test => TEST_TYPE,
        };
        let at = batch.published_at.unwrap_or(batch.closed_at);
        let subject = format!("{}/{}", batch.feed, batch.sequence);
        let named_in = serde_json::json!({
            "lfmanifest": self.manifest_name,
            "lfdigest": self.digest,
        });
        let event = CloudEvent::new(kind, &self.zone_name, self.delivery.clone(), at)
            .about(Some(subject), Some(batch.feed.clone()))
            .with(named_in, enclosed.unwrap_or_else(|| self.named()));
        // Plain data with text keys: it cannot fail to become JSON.
        serde_json::to_vec(&event).unwrap_or_default()
    }

    /// What stands for a manifest that is too large to enclose.
    fn named(&self) -> Value {
        serde_json::json!({
            "schema": "landfall.manifest-name/v1",
            "feed": self.batch.feed,
            "sequence": self.batch.sequence,
            "batch": self.batch.id,
            "manifest": self.manifest_name,
            "sha256": self.digest,
        })
    }

    /// Where a file of the batch is: in the lake, or beside it when a later batch took it back and
    /// its grace is over.
    pub fn source(&self, file: &BatchFile) -> PathBuf {
        let published = self.zone.join(file.to.as_str());
        let retired = self.zone.join(Zone::retracted_path(&file.to).as_str());
        if !published.exists() && retired.exists() { retired } else { published }
    }
}

/// Why a sink is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// A batch is published.
    Batch,
    /// A person asks whether the sink can be reached. There is nothing to take.
    Test,
}

/// How a sink answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// It took the batch; what it said, if it said anything.
    Acknowledged(Option<String>),
    /// It did not.
    Refused {
        /// What went wrong, in words.
        why: String,
        /// How long it asks to be left alone.
        retry_after: Option<Duration>,
    },
    /// It did not, and it does not want to be told again.
    Gone(String),
}

impl Answer {
    /// A refusal that asks for no particular pause.
    fn refused(why: impl Into<String>) -> Self {
        Self::Refused { why: why.into(), retry_after: None }
    }
}

/// What a receiver said, as text; `None` when it said nothing.
fn said(bytes: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(bytes).trim().to_owned();
    (!text.is_empty()).then_some(text)
}
