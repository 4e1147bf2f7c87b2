//! The configuration in force, which a reload replaces while the zone is served.
//!
//! Each operation takes one snapshot ([`Live::now`]) at its beginning and keeps to it; what begins
//! after a reload follows the new one. Those who must act on a change (listeners, folders) wait for
//! it ([`Live::subscribe`]).
//!
//! A few settings are bound into what was made at start; a reload that changes one of them is
//! refused as a whole ([`needing_restart`]), so that what is in force is always one file.

use std::sync::Arc;

use tokio::sync::watch;

use super::Config;

/// The configuration in force. Cheap to clone; all clones follow the same reloads.
#[derive(Debug, Clone)]
pub struct Live(Arc<watch::Sender<Arc<Config>>>);

impl Live {
    /// The configuration as it is now. Keep it for one operation, not for longer.
    pub fn now(&self) -> Arc<Config> {
        self.0.borrow().clone()
    }

    /// Puts another configuration in force and tells everybody who subscribed.
    pub fn replace(&self, config: Arc<Config>) {
        self.0.send_replace(config);
    }

    /// Tells everybody who subscribed to look again, because what lies beside the configuration (a
    /// host key) has changed.
    pub fn look_again(&self) {
        self.0.send_modify(|_| {});
    }

    /// Follows replacements from now on.
    pub fn subscribe(&self) -> watch::Receiver<Arc<Config>> {
        self.0.subscribe()
    }
}

impl From<Arc<Config>> for Live {
    fn from(config: Arc<Config>) -> Self {
        Self(Arc::new(watch::Sender::new(config)))
    }
}

/// The settings that differ and that only a restart changes.
pub fn needing_restart(old: &Config, new: &Config) -> Vec<&'static str> {
    let legacy = |config: &Config| config.sftp.legacy.as_ref().map(|legacy| legacy.listen);
    let differs = [
        ("[sftp] listen", old.sftp.listen != new.sftp.listen),
        ("[sftp.legacy] listen", legacy(old) != legacy(new)),
        ("[zone] durability", old.durability != new.durability),
        ("[workers]", old.workers != new.workers),
    ];
    differs.into_iter().filter_map(|(key, differs)| differs.then_some(key)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(text: &str) -> Arc<Config> {
        Arc::new(super::super::parse("landfall.toml", text).expect("valid"))
    }

    #[test]
    fn clones_follow_a_replacement_and_a_snapshot_does_not() {
        let live = Live::from(config(""));
        let (clone, snapshot) = (live.clone(), live.now());
        let changed = live.subscribe();
        live.replace(config("[zone]\nname = 'new'\n"));
        assert_eq!(clone.now().name, "new");
        assert_eq!(snapshot.name, "landfall");
        assert!(changed.has_changed().expect("its sender is there"));
    }

    #[test]
    fn what_only_a_restart_changes_is_named() {
        let old = config("[feed.a]\n");
        assert!(
            needing_restart(&old, &config("[feed.b]\n[sftp]\nlogin_timeout = '5s'\n")).is_empty()
        );
        let new = config("[sftp]\nlisten = '127.0.0.1:22'\n[zone]\ndurability = 'relaxed'\n");
        assert_eq!(needing_restart(&old, &new), ["[sftp] listen", "[zone] durability"]);
    }
}
