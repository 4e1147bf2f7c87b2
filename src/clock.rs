//! The clock every part reads, so that a test can stand still.
//!
//! All times are UTC. [`jiff::Timestamp`] in the code, integer microseconds since the Unix epoch in
//! the ledger, RFC 3339 in text.

use std::sync::Arc;
use std::time::{Duration, Instant};

pub use jiff::Timestamp;

/// A source of the current time. Cheap to clone.
#[derive(Clone)]
pub struct Clock(Arc<dyn Fn() -> Timestamp + Send + Sync>);

impl Clock {
    /// The machine's clock.
    pub fn system() -> Self {
        Self(Arc::new(Timestamp::now))
    }

    /// A clock that shows what a function says, for who moves time himself.
    pub fn of(now: impl Fn() -> Timestamp + Send + Sync + 'static) -> Self {
        Self(Arc::new(now))
    }

    /// A clock that always shows `at`.
    pub fn fixed(at: Timestamp) -> Self {
        Self(Arc::new(move || at))
    }

    /// The time now, cut to whole microseconds (what the ledger keeps).
    pub fn now(&self) -> Timestamp {
        let now = (self.0)();
        Timestamp::from_microsecond(now.as_microsecond()).unwrap_or(now)
    }
}

impl Default for Clock {
    fn default() -> Self {
        Self::system()
    }
}

impl std::fmt::Debug for Clock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Clock({})", self.now())
    }
}

/// Keeps a follower of a busy ledger from waking for every commit: under load one look serves all
/// that was committed since the last.
#[derive(Debug, Default)]
pub struct Pace(Option<Instant>);

impl Pace {
    /// The shortest time between two looks.
    const GAP: Duration = Duration::from_millis(5);

    /// Waits as `wait` does, but not less than a few milliseconds after it last did.
    pub fn wait<T>(&mut self, wait: impl FnOnce() -> T) -> T {
        if let Some(last) = self.0 {
            std::thread::sleep(Self::GAP.saturating_sub(last.elapsed()));
        }
        let waited = wait();
        self.0 = Some(Instant::now());
        waited
    }
}

/// Renders a time as RFC 3339 in UTC with milliseconds: `2026-11-22T06:31:04.512Z`.
pub fn rfc3339_millis(at: Timestamp) -> String {
    format!("{at:.3}")
}

/// Renders the UTC day of a time: `2026-11-22`.
pub fn utc_day(at: Timestamp) -> String {
    at.to_zoned(jiff::tz::TimeZone::UTC).date().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_utc_with_milliseconds() {
        let at = Timestamp::from_microsecond(1_795_329_064_512_345).expect("in range");
        assert_eq!(rfc3339_millis(at), "2026-11-22T06:31:04.512Z");
        assert_eq!(utc_day(at), "2026-11-22");
    }

    #[test]
    fn a_fixed_clock_stands_still() {
        let at = Timestamp::UNIX_EPOCH;
        let clock = Clock::fixed(at);
        assert_eq!((clock.now(), clock.now()), (at, at));
    }
}
