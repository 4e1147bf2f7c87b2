//! Signed checkpoints posted to `[audit] publish_url`, for whoever keeps them elsewhere.
//!
//! The newest one, at least every minute or thousand events while there are new ones, and at the stop.
//! A post that fails is a need in `status` and is tried again every minute; it delays no signature.
//! What is posted is a CloudEvent with the text and the signature, under the same id in every attempt.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use crate::clock::Clock;
use crate::config::{self, Webhook};
use crate::evidence::Notary;
use crate::handoff::cloud_event::CloudEvent;
use crate::handoff::sinks::Answer;
use crate::handoff::sinks::courier::Courier;
use crate::ledger::Ledger;
use crate::ledger::log::Signed;

use super::serve::Core;

/// The longest that a checkpoint waits to be posted …
const EVERY: Duration = Duration::from_secs(60);
/// … and how many events it covers that no posted one does.
const EVENTS_MAX: u64 = 1000;
/// How often it is looked for a new one.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How long a receiver may take.
const TIMEOUT: Duration = Duration::from_secs(20);
/// And at the stop.
const STOP_TIMEOUT: Duration = Duration::from_secs(5);

/// Posts the checkpoints of one zone.
#[derive(Clone)]
pub struct Posting {
    /// Its configuration.
    pub config: config::Live,
    /// Its ledger.
    pub ledger: Arc<dyn Ledger>,
    /// What signs them, and is told how posting fares.
    pub notary: Arc<Notary>,
    /// What posts.
    pub courier: Arc<Courier>,
    /// The time.
    pub clock: Clock,
}

impl Posting {
    /// What posts the checkpoints of an open zone.
    pub fn of(core: &Core) -> Self {
        Self {
            config: core.config.clone(),
            ledger: Arc::clone(&core.ledger),
            notary: Arc::clone(&core.notary),
            courier: Arc::new(super::courier::of(&core.zone, core.config.now().durability)),
            clock: core.clock.clone(),
        }
    }

    /// Posts until `shutdown` says true or its sender is gone.
    pub async fn run(self, mut shutdown: watch::Receiver<bool>) {
        let (mut posted, mut tried_size, mut tried) = (0, 0, None::<Instant>);
        while !*shutdown.borrow() {
            if let Some((hook, newest)) = self.newest().await.filter(|(_, n)| n.size > posted) {
                let old = tried.is_none_or(|tried| tried.elapsed() >= EVERY);
                let many = tried_size > 0 && newest.size.saturating_sub(tried_size) >= EVENTS_MAX;
                if old || many {
                    if self.post(hook, &newest, TIMEOUT).await {
                        posted = newest.size;
                    }
                    (tried_size, tried) = (newest.size, Some(Instant::now()));
                }
            }
            tokio::select! {
                () = tokio::time::sleep(LOOK_EVERY) => {}
                gone = shutdown.changed() => if gone.is_err() { break },
            }
        }
    }

    /// Posts the last one, once all is signed.
    pub async fn last(&self) {
        if let Some((hook, newest)) = self.newest().await {
            self.post(hook, &newest, STOP_TIMEOUT).await;
        }
    }

    /// Where to post, and the newest checkpoint.
    async fn newest(&self) -> Option<(Webhook, Signed)> {
        let hook = self.config.now().audit.publish_url.clone();
        let Some(hook) = hook else {
            self.notary.posted(None);
            return None;
        };
        let ledger = Arc::clone(&self.ledger);
        let read = tokio::task::spawn_blocking(move || ledger.newest_checkpoint());
        match read.await {
            Ok(Ok(newest)) => newest.map(|newest| (hook, newest)),
            Ok(Err(error)) => {
                tracing::error!(%error, "the newest checkpoint could not be read");
                None
            }
            Err(_) => None,
        }
    }

    /// Posts one; whether it was taken.
    async fn post(&self, hook: Webhook, newest: &Signed, timeout: Duration) -> bool {
        let id = format!("checkpoint-{}", newest.root);
        let zone = self.config.now().name.clone();
        let data = serde_json::json!({
            "size": newest.size,
            "root": newest.root,
            "checkpoint": newest.text,
            "signature": newest.signature,
        });
        let kind = "dev.landfall.checkpoint.signed.v1";
        let event = CloudEvent::new(kind, &zone, id.clone(), newest.at);
        let event = event.with(serde_json::Value::Null, data);
        // Plain data with text keys: it cannot fail to become JSON.
        let body = serde_json::to_vec(&event).unwrap_or_default();
        let now = self.clock.now();
        match self.courier.post(hook, (&id, body), timeout, now).await {
            Answer::Acknowledged(_) => {
                self.notary.posted(None);
                true
            }
            Answer::Refused { why, .. } | Answer::Gone(why) => {
                tracing::error!(error = why, "a checkpoint could not be posted");
                self.notary.posted(Some(why));
                false
            }
        }
    }
}
