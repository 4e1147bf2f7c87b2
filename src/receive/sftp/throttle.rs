//! How fast a partner's connections may be together.
//!
//! Each way has a moment up to which it is spoken for; what passes moves it on. A short burst passes
//! at once, so that small files are not slowed.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// What may pass at once after a rest.
const BURST: Duration = Duration::from_millis(250);

/// A limit that several connections share, the same for each way.
#[derive(Debug)]
pub struct Throttle {
    bytes_s: u64,
    into: Mutex<Option<Instant>>,
    out: Mutex<Option<Instant>>,
}

impl Throttle {
    /// So many bytes a second each way.
    pub fn new(bytes_s: u64) -> Self {
        Self { bytes_s: bytes_s.max(1), into: Mutex::default(), out: Mutex::default() }
    }

    /// How long to wait after these bytes came in before more are read.
    pub fn after_reading(&self, bytes: usize) -> Duration {
        self.after(&self.into, bytes)
    }

    /// How long to wait after these bytes went out before more are written.
    pub fn after_writing(&self, bytes: usize) -> Duration {
        self.after(&self.out, bytes)
    }

    /// The limit, bytes a second.
    pub fn bytes_s(&self) -> u64 {
        self.bytes_s
    }

    fn after(&self, way: &Mutex<Option<Instant>>, bytes: usize) -> Duration {
        let mut taken_until = way.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let earliest = now.checked_sub(BURST).unwrap_or(now);
        let from = taken_until.map_or(earliest, |until| until.max(earliest));
        let nanos = u128::from(bytes as u64) * 1_000_000_000 / u128::from(self.bytes_s);
        let until = from + Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX));
        *taken_until = Some(until);
        until.saturating_duration_since(now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_passes_and_the_rest_waits_its_time() {
        let throttle = Throttle::new(1_000_000);
        assert_eq!(throttle.after_reading(200_000), Duration::ZERO);
        let wait = throttle.after_reading(1_000_000);
        assert!(
            wait > Duration::from_millis(900) && wait <= Duration::from_millis(950),
            "{wait:?}"
        );
        assert_eq!(throttle.after_writing(100_000), Duration::ZERO, "the ways are apart");
        assert!(throttle.after_reading(0) > Duration::from_millis(900), "others wait too");
    }
}
