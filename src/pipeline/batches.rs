//! What is ready is closed, published and handed to the outbox, when its feed's rule says so.
//!
//! By default a feed's next batch closes when nothing of the feed is in flight, over everything that
//! became ready meanwhile. Streaming when calm, batches under load.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crate::clock::{Pace, Timestamp};
use crate::handoff::batch::Publisher;

use super::closer::{self, Closer};
use super::conversions::log_failure;
use super::{LOOK_EVERY, Parts};

/// Batches of one feed that are closed in one look: windows that went by, or more than one may hold.
const AT_ONCE_MAX: usize = 100;

/// The longest that it is taken on trust that no retracted file is due: a person may have closed a
/// batch, a grace may have been set anew.
const RETIRE_EVERY: Duration = Duration::from_secs(5);

/// Starts the thread that closes and publishes batches.
///
/// # Errors
/// What the system said when the thread could not be started.
pub fn start(parts: Parts, stop: Arc<AtomicBool>) -> io::Result<JoinHandle<()>> {
    let since = parts.clock.now();
    thread::Builder::new().name("batches".to_owned()).spawn(move || {
        let Parts { config, ledger, archive, clock, publisher, .. } = parts;
        let ledger = ledger.as_ref();
        let closer = Closer { config: &config, ledger, archive: &archive, clock: &clock, since };
        let mut pace = Pace::default();
        let mut retire_at = Timestamp::MIN;
        while !stop.load(Ordering::Acquire) {
            let head = ledger.head();
            look_once(&closer, &publisher, &mut retire_at);
            pace.wait(|| ledger.wait_beyond(head, LOOK_EVERY));
        }
    })
}

/// Closes and publishes what is to be; retires what was retracted when `retire_at` has come.
fn look_once(closer: &Closer<'_>, publisher: &Publisher, retire_at: &mut Timestamp) {
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
    if let Err(error) = take_back_erased(closer, publisher) {
        log_failure("take back what is erased", &error);
    }
    match close_ready(closer, publisher) {
        // It may have taken something back.
        Ok(true) => *retire_at = Timestamp::MIN,
        Ok(false) => {}
        Err(error) => log_failure("look for what is ready", &error),
    }
    let now = closer.clock.now();
    if *retire_at > now {
        return;
    }
    let next = now.checked_add(RETIRE_EVERY).unwrap_or(Timestamp::MAX);
    *retire_at = match publisher.retire_retracted() {
        Ok(retired) => retired.next_due.map_or(next, |due| due.min(next)),
        Err(error) => {
            log_failure("retire retracted files", &error);
            now
        }
    };
}

/// What is erased or past its time is taken back at once, by a batch of its own, whatever the rule of
/// its feed.
fn take_back_erased(closer: &Closer<'_>, publisher: &Publisher) -> Result<(), closer::Error> {
    for (feed, because) in closer.ledger.feeds_to_retract()? {
        if let Err(error) = publisher.take_back(&feed, because) {
            log_failure("publish a batch", &error);
        }
    }
    Ok(())
}

/// Whether something was published.
fn close_ready(closer: &Closer<'_>, publisher: &Publisher) -> Result<bool, closer::Error> {
    let mut has_published = false;
    for feed in closer.feeds()? {
        for _ in 0..AT_ONCE_MAX {
            let closing = match closer.next(&feed) {
                Ok(Some(closing)) => closing,
                Ok(None) => break,
                // One feed that cannot be judged keeps no other waiting.
                Err(error) => {
                    tracing::error!(feed = %feed, "whether a batch is to close is not known");
                    log_failure("decide over a batch", &error);
                    break;
                }
            };
            match publisher.close_over_and_publish(&feed, closing) {
                Ok(Some(_)) => has_published = true,
                Ok(None) => break,
                // What was closed and could not be published is found again by the next look.
                Err(error) => {
                    log_failure("publish a batch", &error);
                    break;
                }
            }
        }
    }
    Ok(has_published)
}
