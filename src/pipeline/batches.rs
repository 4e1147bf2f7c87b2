//! What is ready is closed, published and handed to the outbox.
//!
//! Adaptive: a feed's next batch closes when nothing of the feed is in flight, over everything that
//! became ready meanwhile. Streaming when calm, batches under load.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};

use crate::clock::Pace;
use crate::handoff::batch::Publisher;
use crate::ledger::{self, Ledger};

use super::conversions::log_failure;
use super::{LOOK_EVERY, Parts};

/// Starts the thread that closes and publishes batches.
///
/// # Errors
/// What the system said when the thread could not be started.
pub fn start(parts: Parts, stop: Arc<AtomicBool>) -> io::Result<JoinHandle<()>> {
    let Parts { zone, config, ledger, clock, .. } = parts;
    let publisher = Publisher::new(zone, config, Arc::clone(&ledger), clock);
    thread::Builder::new().name("batches".to_owned()).spawn(move || {
        let mut pace = Pace::default();
        while !stop.load(Ordering::Acquire) {
            let head = ledger.head();
            look_once(ledger.as_ref(), &publisher);
            pace.wait(|| ledger.wait_beyond(head, LOOK_EVERY));
        }
    })
}

fn look_once(ledger: &dyn Ledger, publisher: &Publisher) {
    // Batches that an interruption left closed come first, under the names they were given.
    match publisher.publish_closed() {
        Ok(failed) => {
            for (batch, why) in failed {
                tracing::error!(diagnostic = %why.diagnostic(&batch), feed = %batch.feed, "held up");
                log_failure("publish a closed batch", &why);
            }
        }
        Err(error) => log_failure("look for closed batches", &error),
    }
    if let Err(error) = close_ready(ledger, publisher) {
        log_failure("look for what is ready", &error);
    }
    if let Err(error) = publisher.retire_retracted() {
        log_failure("retire retracted files", &error);
    }
}

fn close_ready(ledger: &dyn Ledger, publisher: &Publisher) -> Result<(), ledger::Error> {
    for feed in ledger.feeds_ready()? {
        if ledger.in_flight(&feed)? {
            continue;
        }
        // What was closed and could not be published is found again by the next look.
        if let Err(error) = publisher.close_and_publish(&feed) {
            log_failure("publish a batch", &error);
        }
    }
    Ok(())
}
