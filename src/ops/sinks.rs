//! What a person asks of a sink: to pause, to go on, to be tried.

use std::path::PathBuf;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::archive::digest;
use crate::clock::Clock;
use crate::config::Config;
use crate::diagnostic::{Code, Diagnostic};
use crate::durable;
use crate::handoff::manifest;
use crate::handoff::sinks::{Answer, Notice, Purpose};
use crate::ledger::{Batch, BatchState, Ledger};
use crate::names::{BatchId, FeedName, SinkName};
use crate::zone::{Zone, ZonePath};

/// What is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Wish {
    /// Tell it nothing until it may go on.
    Pause,
    /// Tell it what has waited, in order.
    Resume,
}

/// A person's wish about a sink.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SinkWish {
    /// Which.
    pub sink: SinkName,
    /// What.
    pub wish: Wish,
    /// Who asks and why, for the ledger.
    pub reason: String,
}

/// Does it.
///
/// # Errors
/// [`Code::Z104`] when it is so already, or for a pause, when there is no such sink; [`Code::L101`].
pub fn apply(ledger: &dyn Ledger, config: &Config, asked: &SinkWish) -> Result<(), Diagnostic> {
    let SinkWish { sink, wish, reason } = asked;
    let (changed, already) = match wish {
        Wish::Pause => {
            // One that is gone from the configuration may still be let go on.
            check_known(config, sink)?;
            (ledger.pause_sink(sink, reason), "is paused already")
        }
        Wish::Resume => (ledger.unpause_sink(sink, reason), "is not paused"),
    };
    let changed = changed.map_err(|error| {
        Diagnostic::error(Code::L101, "the change could not be recorded").caused_by(&error)
    })?;
    if changed {
        return Ok(());
    }
    let told = Diagnostic::error(Code::Z104, format!("sink {sink} {already}"));
    Err(told.hint("`landfall sink list` shows every sink; one that is stalled needs `sink retry`."))
}

/// Makes sure that a sink is configured.
///
/// # Errors
/// [`Code::Z104`].
pub fn check_known(config: &Config, sink: &SinkName) -> Result<(), Diagnostic> {
    if config.sinks.contains_key(sink) {
        return Ok(());
    }
    let told = Diagnostic::error(Code::Z104, format!("no sink `{sink}` is configured"));
    Err(told.hint("`landfall sink list` shows every sink."))
}

/// The manifest of a try, on disk for as long as the try lasts.
struct Paper(PathBuf);

impl Drop for Paper {
    fn drop(&mut self) {
        durable::remove_quietly(&self.0);
    }
}

/// Tells a sink once of an empty batch with sequence 0, as a test; how it answered. Nothing of it is
/// recorded, and it is not tried again.
///
/// # Errors
/// [`Code::Z104`] when there is no such sink; [`Code::Z105`] when it cannot be tried.
pub fn test(
    zone: &Zone,
    config: &Config,
    sink: &SinkName,
    feed: FeedName,
) -> Result<Answer, Diagnostic> {
    check_known(config, sink)?;
    let told = config.sinks.get(sink).ok_or_else(|| cannot_try(&std::io::Error::other("gone")))?;
    let now = Clock::system().now();
    let batch = Batch {
        id: BatchId::new(now),
        feed,
        sequence: 0,
        previous: None,
        version: None,
        closed_at: now,
        because: None,
        state: BatchState::Published,
        members: Vec::new(),
        files: Vec::new(),
        merges: Vec::new(),
        retracts: Vec::new(),
        published_at: Some(now),
        manifest_digest: None,
    };
    let manifest = manifest::render(&batch, &[]);
    let name = ZonePath::stored(format!(".landfall/test-{}.json", batch.id));
    let paper = Paper(zone.root().join(name.as_str()));
    std::fs::create_dir_all(zone.run_time()).map_err(|error| cannot_try(&error))?;
    std::fs::write(&paper.0, &manifest).map_err(|error| cannot_try(&error))?;
    let notice = Notice {
        purpose: Purpose::Test,
        delivery: format!("test-{}-{sink}", batch.id),
        batch,
        digest: digest::of_bytes(&manifest),
        manifest,
        manifest_name: name,
        manifest_path: paper.0.clone(),
        zone: zone.root().to_owned(),
        zone_name: config.name.clone(),
    };
    let courier = Arc::new(super::courier::of(zone, config.durability));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| cannot_try(&error))?;
    Ok(runtime.block_on(courier.tell(told, notice, now)))
}

fn cannot_try(error: &(dyn std::error::Error + 'static)) -> Diagnostic {
    Diagnostic::error(Code::Z105, "the sink could not be tried").caused_by(error)
}
