//! Sources that are turned away for a while because of what came from them.
//!
//! As OpenSSH's PerSourcePenalties (sshd_config(5)): each connection that ends badly adds to what its
//! source has to wait, up to [`PENALTY_MAX`]; from [`PENALTY_MIN`] on the source is refused before
//! anything is exchanged, until the wait is over. A source is an IPv4 address or an IPv6 /64.
//!
//! Penalties outlive a restart in a small file of the zone, not in the ledger: they are worth ten
//! minutes at most, strangers cause them, and the ledger keeps everything for ever. That a source
//! begins to be turned away is an event. The file is written when one begins, and once a second at
//! most; a kill forgives what came after.

use std::collections::HashMap;
use std::fs;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use ipnet::IpNet;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use super::crowd::network_of;
use super::socket::until_true;
use crate::clock::{Clock, Timestamp};
use crate::config::partner::is_among;
use crate::durable::Durability;
use crate::zone::Zone;

/// The longest wait.
const PENALTY_MAX: Duration = Duration::from_secs(600);
/// A source is not turned away before so much has come together.
const PENALTY_MIN: Duration = Duration::from_secs(15);
/// Sources that are remembered; beyond it the one whose wait ends first is forgotten.
const SOURCES_MAX: usize = 4096;
/// How often the file is written.
const SAVE_EVERY: Duration = Duration::from_secs(1);

/// How a connection ended badly.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Offence {
    /// It tried to log in and did not succeed.
    Refused,
    /// It ended without trying.
    NoAttempt,
    /// The time to log in ran out.
    Late,
    /// It made its session here panic.
    Crash,
}

impl Offence {
    /// What it adds to the wait.
    fn penalty(self) -> Duration {
        Duration::from_secs(match self {
            Self::Refused => 5,
            Self::NoAttempt => 1,
            Self::Late => 10,
            Self::Crash => 90,
        })
    }

    /// For the operator.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Refused => "refused logins",
            Self::NoAttempt => "connections without a login",
            Self::Late => "connections that did not log in in time",
            Self::Crash => "a connection that broke its session",
        }
    }
}

/// A source that is turned away.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Penalised {
    /// Its address; the first of an IPv6 /64.
    pub source: IpAddr,
    /// Until when.
    pub until: Timestamp,
    /// What came from it last.
    pub offence: Offence,
}

/// The sources that are or may soon be turned away.
#[derive(Debug)]
pub struct Penalties {
    file: PathBuf,
    table: Mutex<Table>,
    /// When the file was written last; also keeps two from writing at once.
    saved: Mutex<Option<Instant>>,
}

#[derive(Debug, Default)]
struct Table {
    by_source: HashMap<IpAddr, Penalty>,
    is_changed: bool,
}

#[derive(Debug, Clone, Copy)]
struct Penalty {
    until: Timestamp,
    offence: Offence,
    /// Whether the source is turned away.
    is_active: bool,
}

impl Penalties {
    /// The penalties of a zone as they were saved. A file that cannot be read forgives.
    pub fn load(zone: &Zone) -> Self {
        let file = zone.penalties_file();
        let saved: Vec<Penalised> = fs::read(&file)
            .ok()
            .and_then(|text| serde_json::from_slice(&text).ok())
            .unwrap_or_default();
        let entry = |Penalised { source, until, offence }| {
            (source, Penalty { until, offence, is_active: true })
        };
        let by_source = saved.into_iter().take(SOURCES_MAX).map(entry).collect();
        let table = Mutex::new(Table { by_source, is_changed: false });
        Self { file, table, saved: Mutex::default() }
    }

    /// Whether connections from this address are turned away now.
    pub fn forbid(&self, origin: IpAddr, exempt: &[IpNet], now: Timestamp) -> bool {
        let table = self.lock();
        let known = table.by_source.get(&network_of(origin));
        known.is_some_and(|known| known.is_active && known.until > now)
            && (exempt.is_empty() || !is_among(exempt, origin))
    }

    /// Adds to what a source has to wait. Answers until when, if that begins to turn it away.
    pub fn add(
        &self,
        origin: IpAddr,
        offence: Offence,
        exempt: &[IpNet],
        now: Timestamp,
    ) -> Option<Penalised> {
        if !exempt.is_empty() && is_among(exempt, origin) {
            return None;
        }
        let source = network_of(origin);
        let mut table = self.lock();
        table.make_room(source, now);
        let known = table.by_source.get(&source).copied().filter(|known| known.until > now);
        let after = |at: Timestamp, wait| at.checked_add(wait).unwrap_or(Timestamp::MAX);
        let until = after(known.map_or(now, |known| known.until), offence.penalty());
        let until = until.min(after(now, PENALTY_MAX));
        let was_active = known.is_some_and(|known| known.is_active);
        let is_active = was_active || until >= after(now, PENALTY_MIN);
        table.by_source.insert(source, Penalty { until, offence, is_active });
        table.is_changed |= is_active;
        (is_active && !was_active).then_some(Penalised { source, until, offence })
    }

    /// The sources that are turned away now, by address.
    pub fn active(&self, now: Timestamp) -> Vec<Penalised> {
        let table = self.lock();
        let active = table.by_source.iter().filter(|(_, p)| p.is_active && p.until > now);
        let mut active: Vec<Penalised> = active
            .map(|(source, Penalty { until, offence, .. })| Penalised {
                source: *source,
                until: *until,
                offence: *offence,
            })
            .collect();
        active.sort_by_key(|penalised| penalised.source);
        active
    }

    /// Writes the file if there is something new, unless it was written just now. Slow.
    pub fn save(&self, now: Timestamp) {
        let mut saved = self.saved.lock().unwrap_or_else(PoisonError::into_inner);
        if saved.is_some_and(|at| at.elapsed() < SAVE_EVERY) {
            return;
        }
        if !std::mem::take(&mut self.lock().is_changed) {
            return;
        }
        let text = serde_json::to_vec(&self.active(now)).unwrap_or_default();
        if let Err(error) = Durability::Full.replace_setting(&self.file, &text) {
            tracing::warn!(%error, "penalties could not be saved; a restart forgives them");
        }
        *saved = Some(Instant::now());
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Table {
    fn make_room(&mut self, newcomer: IpAddr, now: Timestamp) {
        if self.by_source.len() < SOURCES_MAX || self.by_source.contains_key(&newcomer) {
            return;
        }
        self.by_source.retain(|_, known| known.until > now);
        if self.by_source.len() >= SOURCES_MAX {
            let first = self.by_source.iter().min_by_key(|(_, known)| known.until);
            if let Some(source) = first.map(|(source, _)| *source) {
                self.by_source.remove(&source);
            }
        }
    }
}

/// Saves what changed, regularly and once more when `shutdown` is true.
pub async fn save_until(
    penalties: Arc<Penalties>,
    clock: Clock,
    mut shutdown: watch::Receiver<bool>,
) {
    loop {
        let is_over = tokio::select! {
            () = tokio::time::sleep(SAVE_EVERY) => false,
            () = until_true(&mut shutdown) => true,
        };
        let (penalties, now) = (Arc::clone(&penalties), clock.now());
        let saved = tokio::task::spawn_blocking(move || penalties.save(now)).await;
        if is_over || saved.is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn zone() -> (tempfile::TempDir, Zone) {
        let folder = tempfile::tempdir().expect("a folder");
        let zone = Zone::new(folder.path());
        fs::create_dir_all(zone.run_time()).expect("made");
        (folder, zone)
    }

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + seconds).expect("a time")
    }

    fn address(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    #[test]
    fn a_source_is_turned_away_from_the_minimum_on_and_let_in_when_the_wait_is_over() {
        let (_folder, zone) = zone();
        let penalties = Penalties::load(&zone);
        let bad = address("192.0.2.1");
        let refused = |now| penalties.add(bad, Offence::Refused, &[], at(now));
        assert_eq!((refused(0), refused(0)), (None, None));
        assert!(!penalties.forbid(bad, &[], at(0)), "ten seconds are less than the minimum");
        let told = refused(0).expect("it begins");
        assert_eq!((told.source, told.until), (bad, at(15)));
        assert_eq!(refused(1), None, "it is told once");
        assert!(penalties.forbid(bad, &[], at(19)) && !penalties.forbid(bad, &[], at(20)));
        assert!(!penalties.forbid(address("192.0.2.2"), &[], at(1)), "its neighbour is free");
        assert_eq!(refused(30), None, "what is over does not count any more");
        assert!(!penalties.forbid(bad, &[], at(30)));
        for _ in 0..1000 {
            penalties.add(bad, Offence::Crash, &[], at(40));
        }
        assert!(!penalties.forbid(bad, &[], at(640)), "no wait is longer than ten minutes");
    }

    #[test]
    fn slow_health_checks_and_the_exempt_are_never_turned_away() {
        let (_folder, zone) = zone();
        let penalties = Penalties::load(&zone);
        let (probe, ours) = (address("192.0.2.1"), address("10.1.2.3"));
        let exempt = ["10.0.0.0/8".parse().expect("a network")];
        for second in 0..1000 {
            assert_eq!(penalties.add(probe, Offence::NoAttempt, &exempt, at(second * 2)), None);
            assert_eq!(penalties.add(ours, Offence::Crash, &exempt, at(second * 2)), None);
        }
        // What came together before it was exempt does not count once it is.
        assert!(penalties.add(ours, Offence::Crash, &[], at(0)).is_some());
        assert!(penalties.forbid(ours, &[], at(1)) && !penalties.forbid(ours, &exempt, at(1)));
    }

    #[test]
    fn an_ipv6_network_is_one_source() {
        let (_folder, zone) = zone();
        let penalties = Penalties::load(&zone);
        penalties.add(address("2001:db8:0:1::1"), Offence::Crash, &[], at(0));
        assert!(penalties.forbid(address("2001:db8:0:1:ffff::2"), &[], at(1)));
        assert!(!penalties.forbid(address("2001:db8:0:2::1"), &[], at(1)));
    }

    #[test]
    fn penalties_outlive_a_restart_and_a_broken_file_forgives() {
        let (_folder, zone) = zone();
        let bad = address("192.0.2.1");
        let penalties = Penalties::load(&zone);
        penalties.add(bad, Offence::Crash, &[], at(0));
        penalties.save(at(0));
        let again = Penalties::load(&zone);
        assert!(again.forbid(bad, &[], at(89)) && !again.forbid(bad, &[], at(90)));
        assert_eq!(again.active(at(1)), penalties.active(at(1)));
        fs::write(zone.penalties_file(), "[{").expect("written");
        assert!(!Penalties::load(&zone).forbid(bad, &[], at(1)));
    }

    #[test]
    fn the_table_is_bounded_and_the_worst_stay() {
        let (_folder, zone) = zone();
        let penalties = Penalties::load(&zone);
        let worst = address("198.51.100.1");
        penalties.add(worst, Offence::Crash, &[], at(0));
        for n in 0..u32::try_from(SOURCES_MAX).expect("small") * 2 {
            penalties.add(IpAddr::from(n.to_be_bytes()), Offence::NoAttempt, &[], at(0));
        }
        assert_eq!(penalties.lock().by_source.len(), SOURCES_MAX);
        assert!(penalties.forbid(worst, &[], at(1)));
    }
}
