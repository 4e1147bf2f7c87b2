//! A running server reads everything it keeps again and again, each round spread over the period of
//! `[verify] every`.
//!
//! How far a round has come is in the ledger, so that a restart goes on where it was. At any time as
//! large a part of the arrivals is read as of the period has passed; manifests, and the search for
//! unknown files, come last. Everything keeps to `[verify] rate_limit`.

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use crate::clock::Clock;
use crate::config;
use crate::ledger::{Ledger, Round, Verified};
use crate::zone::Zone;

use super::stop::Stop;
use super::verify::paths;
use super::{Error, Pace, Step, Verifier};

/// Arrivals whose files are read before it is kept how far the round has come.
const ARRIVALS_AT_A_TIME: u32 = 50;
/// How long it rests at most and at least before it looks how much is due.
const REST: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(60));
/// Findings that are compared with what is read.
const FINDINGS_MAX: u32 = 10_000;
/// Who reads, in the ledger.
const BY: &str = "the server's own round";

/// The thread that reads.
pub struct Scrub {
    stop: Arc<Stop>,
    thread: JoinHandle<()>,
}

/// What the thread works with.
struct Rounds {
    zone: Zone,
    config: config::Live,
    ledger: Arc<dyn Ledger>,
    clock: Clock,
    stop: Arc<Stop>,
}

impl Scrub {
    /// Starts the thread.
    ///
    /// # Errors
    /// What the system said.
    pub fn start(
        zone: Zone,
        config: config::Live,
        ledger: Arc<dyn Ledger>,
        clock: Clock,
    ) -> std::io::Result<Self> {
        let stop = Arc::new(Stop::default());
        let rounds = Rounds { zone, config, ledger, clock, stop: Arc::clone(&stop) };
        let thread = std::thread::Builder::new().name("verify".to_owned());
        let thread = thread.spawn(move || rounds.run())?;
        Ok(Self { stop, thread })
    }

    /// Asks the thread to end, and waits for it. A round goes on after the next start.
    pub fn stop(self) {
        self.stop.stop();
        if self.thread.join().is_err() {
            tracing::error!("the thread that reads kept files panicked");
        }
    }
}

impl Rounds {
    fn run(&self) {
        loop {
            let every = self.config.now().verify.every;
            let (least, most) = REST;
            let rest = every.map_or(most, |every| (every / 1000).clamp(least, most));
            if self.stop.rest(rest) {
                return;
            }
            if let Some(every) = every
                && let Err(error) = self.read_what_is_due(every)
            {
                tracing::error!(
                    error = crate::diagnostic::on_one_line(&error),
                    "kept files cannot be read again; it is tried again"
                );
            }
        }
    }

    fn read_what_is_due(&self, every: Duration) -> Result<(), Error> {
        let now = self.clock.now();
        let fresh = Round { began_at: now, sequence: 0, verified: Verified::default() };
        let Some(mut round) = self.ledger.round()? else {
            return Ok(self.ledger.keep_round(fresh)?);
        };
        let pace = Pace::new(self.config.now().verify.rate_limit);
        let mut verifier = Verifier::new(&self.zone, self.ledger.as_ref(), pace);
        verifier.verified = round.verified;
        let newest = verifier.newest()?;
        let passed = now.duration_since(round.began_at).unsigned_abs();
        let is_over = passed >= every;
        let due = if is_over { newest } else { part(newest, passed, every) };
        while round.sequence < due {
            let reached = self.read(&mut verifier, |verifier, tell| {
                verifier.next(round.sequence, ARRIVALS_AT_A_TIME, tell)
            })?;
            let Some(reached) = reached else { break };
            (round.sequence, round.verified) = (reached, verifier.verified);
            self.ledger.keep_round(round)?;
            if self.stop.rest(Duration::ZERO) {
                return Ok(());
            }
        }
        if is_over {
            self.read(&mut verifier, |verifier, tell| {
                verifier.check_manifests(tell)?;
                verifier.look_for_unknown(tell)
            })?;
            self.ledger.verified(verifier.verified, BY)?;
            self.ledger.keep_round(fresh)?;
        }
        Ok(())
    }

    /// Reads some files and keeps what is found.
    fn read<T>(
        &self,
        verifier: &mut Verifier<'_>,
        read: impl FnOnce(&mut Verifier<'_>, &mut dyn FnMut(Step<'_>)) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let known = paths(&self.ledger.findings(FINDINGS_MAX)?);
        let (mut found, mut whole) = (Vec::new(), Vec::new());
        let done = read(verifier, &mut |step| match step {
            Step::Found(finding) => {
                tracing::error!(path = %finding.path, problem = ?finding.problem, "a kept file is not whole");
                found.push(finding);
            }
            Step::Whole(path) if known.contains(path) => whole.push(path.clone()),
            Step::Whole(_) | Step::Reached(..) => {}
        });
        if !found.is_empty() {
            self.ledger.found(found)?;
        }
        if !whole.is_empty() {
            self.ledger.mended(whole, "it is whole again")?;
        }
        done
    }
}

/// As large a part of the arrivals as of the period has passed.
fn part(all: u64, passed: Duration, period: Duration) -> u64 {
    let part = u128::from(all) * passed.as_millis() / period.as_millis().max(1);
    u64::try_from(part).unwrap_or(all).min(all)
}
