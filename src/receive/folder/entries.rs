//! What a folder's thread knows of its entries, and when it is to look at them again.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::time::Instant;

use crate::names::{ArrivalId, FileName};

use super::beneath::Stamp;
use super::settle::Watched;

/// Files of one folder that are on their way at once; more wait for a later scan.
const ON_THEIR_WAY_MAX: usize = 100_000;

/// What is known of an entry.
#[derive(Debug)]
struct Entry {
    /// What it was when it was last looked at; `None` when it could not be.
    stamp: Option<Stamp>,
    /// The last scan that saw it.
    scan: u64,
    /// When it is to be looked at next; a look planned for another time is out of date.
    due: Option<Instant>,
    /// Whether it was told that it is left alone or cannot be taken.
    told: bool,
    status: Status,
}

/// Where an entry stands.
#[derive(Debug, Clone, Copy)]
pub enum Status {
    /// Not known to be complete.
    Settling(Watched),
    /// Complete and with the copiers.
    Copying,
    /// Taken; to be put away when its outcome is known.
    Taken(ArrivalId),
    /// Nothing is to be done until it changes.
    Stays,
}

/// All entries of a folder.
#[derive(Debug, Default)]
pub struct Entries {
    known: HashMap<FileName, Entry>,
    looks: BinaryHeap<Reverse<(Instant, FileName)>>,
    scan: u64,
    on_their_way: usize,
}

impl Entries {
    /// Begins a scan.
    pub fn begin_scan(&mut self) {
        self.scan += 1;
        let on_its_way = |entry: &&Entry| !matches!(entry.status, Status::Stays);
        self.on_their_way = self.known.values().filter(on_its_way).count();
    }

    /// Ends a scan that saw everything: what it did not see is gone.
    pub fn forget_unseen(&mut self) {
        let scan = self.scan;
        self.known.retain(|_, entry| entry.scan == scan || matches!(entry.status, Status::Copying));
    }

    /// Takes note of a file that the scan sees. One that is new or has changed is looked at again
    /// at `look_at`.
    pub fn see_file(&mut self, name: FileName, stamp: Stamp, look_at: Instant) {
        match self.known.get_mut(&name) {
            // A copier finds out itself whether the file changed.
            Some(entry) if entry.stamp == Some(stamp) || entry.is_copying() => {
                entry.scan = self.scan;
                return;
            }
            Some(_) => {}
            None if self.on_their_way >= ON_THEIR_WAY_MAX => return,
            None => self.on_their_way += 1,
        }
        self.settle(&name, stamp, look_at);
    }

    /// Takes note of something that is left alone; whether it is to be told.
    pub fn see_odd(&mut self, name: FileName, stamp: Option<Stamp>) -> bool {
        let known = self.known.get(&name).is_some_and(|entry| entry.told && entry.stamp == stamp);
        let entry = Entry { stamp, scan: self.scan, due: None, told: true, status: Status::Stays };
        self.known.insert(name, entry);
        !known
    }

    /// Watches a file from now on as if it had never been seen.
    pub fn settle(&mut self, name: &FileName, stamp: Stamp, look_at: Instant) {
        let same = |entry: &Entry| entry.told && entry.stamp == Some(stamp);
        let entry = Entry {
            stamp: Some(stamp),
            scan: self.scan,
            due: None,
            told: self.known.get(name).is_some_and(same),
            status: Status::Settling(Watched::new(stamp, Instant::now())),
        };
        self.known.insert(name.clone(), entry);
        self.look_again(name, look_at);
    }

    /// Where an entry stands; `None` for one that is not known.
    pub fn status(&self, name: &FileName) -> Option<Status> {
        self.known.get(name).map(|entry| entry.status)
    }

    /// Moves an entry on. One that was forgotten meanwhile stays forgotten.
    pub fn set(&mut self, name: &FileName, status: Status) {
        if let Some(entry) = self.known.get_mut(name) {
            entry.status = status;
            entry.due = None;
            if let Status::Settling(watched) = status {
                entry.stamp = Some(watched.stamp());
            }
        }
    }

    /// Plans the next look at an entry.
    pub fn look_again(&mut self, name: &FileName, at: Instant) {
        if let Some(entry) = self.known.get_mut(name) {
            entry.due = Some(at);
            self.looks.push(Reverse((at, name.clone())));
        }
    }

    /// Whether it is to be told now that something is wrong with an entry: once while it stays as
    /// it is.
    pub fn tells(&mut self, name: &FileName) -> bool {
        self.known.get_mut(name).is_none_or(|entry| !std::mem::replace(&mut entry.told, true))
    }

    /// Forgets an entry; the next scan that sees it begins anew.
    pub fn forget(&mut self, name: &FileName) {
        self.known.remove(name);
    }

    /// The next entry whose look is due at `now`.
    pub fn next_due(&mut self, now: Instant) -> Option<FileName> {
        while let Some(Reverse((at, _))) = self.looks.peek()
            && *at <= now
        {
            let Reverse((at, name)) = self.looks.pop()?;
            if let Some(entry) = self.known.get_mut(&name)
                && entry.due == Some(at)
            {
                entry.due = None;
                return Some(name);
            }
        }
        None
    }

    /// When the next look is planned.
    pub fn next_look(&self) -> Option<Instant> {
        self.looks.peek().map(|Reverse((at, _))| *at)
    }
}

impl Entry {
    fn is_copying(&self) -> bool {
        matches!(self.status, Status::Copying)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn stamp(text: &str) -> Stamp {
        let file = tempfile::NamedTempFile::new().expect("a file");
        std::fs::write(file.path(), text).expect("written");
        Stamp::of(&file.path().metadata().expect("seen"))
    }

    fn name(text: &str) -> FileName {
        text.parse().expect("a name")
    }

    #[test]
    fn a_look_is_due_once_and_the_last_plan_counts() {
        let (mut entries, now) = (Entries::default(), Instant::now());
        let later = now + Duration::from_secs(5);
        entries.see_file(name("a"), stamp("a"), now);
        entries.look_again(&name("a"), later);
        assert_eq!(entries.next_due(now), None, "it was put off");
        assert_eq!(entries.next_due(later), Some(name("a")));
        assert_eq!(entries.next_due(later), None);
    }

    #[test]
    fn what_is_with_the_copiers_is_neither_restarted_nor_forgotten() {
        let (mut entries, now) = (Entries::default(), Instant::now());
        entries.see_file(name("a"), stamp("a"), now);
        entries.set(&name("a"), Status::Copying);
        entries.begin_scan();
        entries.see_file(name("a"), stamp("changed"), now);
        assert!(matches!(entries.status(&name("a")), Some(Status::Copying)));
        entries.begin_scan();
        entries.forget_unseen();
        assert!(entries.status(&name("a")).is_some());
    }

    #[test]
    fn a_changed_file_begins_anew_and_a_gone_one_is_forgotten() {
        let (mut entries, now) = (Entries::default(), Instant::now());
        entries.see_file(name("a"), stamp("a"), now);
        entries.set(&name("a"), Status::Stays);
        entries.begin_scan();
        entries.see_file(name("a"), stamp("changed"), now);
        assert!(matches!(entries.status(&name("a")), Some(Status::Settling(_))));
        entries.begin_scan();
        entries.forget_unseen();
        assert!(entries.status(&name("a")).is_none());
    }

    #[test]
    fn what_is_odd_is_told_once_while_it_stays_as_it_is() {
        let mut entries = Entries::default();
        let same = stamp("a");
        assert!(entries.see_odd(name("a"), Some(same)));
        assert!(!entries.see_odd(name("a"), Some(same)));
        assert!(entries.see_odd(name("a"), Some(stamp("b"))));
        assert!(entries.see_odd(name("unreadable"), None));
        assert!(!entries.see_odd(name("unreadable"), None));
    }
}
