//! Which doors of a running server have ended by themselves.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use crate::clock::{Clock, Timestamp};

/// A door that is down.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Down {
    /// Which.
    pub door: String,
    /// Since when.
    pub since: Timestamp,
}

/// What is known of the doors. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Doors {
    clock: Clock,
    stopped: watch::Receiver<bool>,
    down: Arc<Mutex<BTreeMap<&'static str, Timestamp>>>,
}

impl Doors {
    /// The doors of a server that ends when `stopped` says true.
    pub fn new(clock: Clock, stopped: watch::Receiver<bool>) -> Self {
        Self { clock, stopped, down: Arc::default() }
    }

    /// What a door's task holds for as long as it runs: when it is dropped before the server stops,
    /// by a panic or otherwise, the door is down.
    pub fn open(&self, door: &'static str) -> Open {
        Open { doors: self.clone(), door }
    }

    /// Those that are down, by name.
    pub fn down(&self) -> Vec<Down> {
        let down = self.lock().clone().into_iter();
        down.map(|(door, since)| Down { door: door.to_owned(), since }).collect()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<&'static str, Timestamp>> {
        self.down.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A door that is open until this is dropped.
#[derive(Debug)]
pub struct Open {
    doors: Doors,
    door: &'static str,
}

impl Drop for Open {
    fn drop(&mut self) {
        if !*self.doors.stopped.borrow() {
            tracing::error!(door = self.door, "a door has ended by itself");
            let now = self.doors.clock.now();
            self.doors.lock().insert(self.door, now);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_door_that_ends_by_itself_is_down_and_one_that_is_closed_is_not() {
        let (stop, stopped) = watch::channel(false);
        let doors = Doors::new(Clock::fixed(Timestamp::UNIX_EPOCH), stopped);
        let folders = doors.open("folders");
        assert_eq!(doors.down(), []);
        let sftp = doors.open("sftp");
        let thread = std::thread::spawn(move || {
            let _sftp = sftp;
            panic!("it ends early");
        });
        assert!(thread.join().is_err());
        let down = Down { door: "sftp".to_owned(), since: Timestamp::UNIX_EPOCH };
        assert_eq!(doors.down(), std::slice::from_ref(&down));
        stop.send_replace(true);
        drop(folders);
        assert_eq!(doors.down(), [down]);
    }
}
