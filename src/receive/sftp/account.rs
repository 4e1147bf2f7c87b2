//! A partner who is logged in: what it may do and how much.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::Desk;
use super::refusal::{NEARLY_FULL, Refused};
use super::view::Node;
use super::wire::reply::Room;
use crate::clock::Timestamp;
use crate::config::Partner;
use crate::diagnostic::{Code, Diagnostic};
use crate::ledger::{Arrival, Event, Sender, Usage};
use crate::names::FileName;
use crate::receive::staging::{Area, Key, LimitKind, Limits};

/// The rolling day of the quotas.
const DAY: Duration = Duration::from_secs(24 * 3600);

/// A partner's login.
#[derive(Clone)]
pub struct Account {
    /// The account as it was written at login.
    pub partner: Arc<Partner>,
    /// As the ledger knows it.
    pub sender: Sender,
    /// The peer's address, how it logged in, and with what.
    pub origin: String,
    /// What the door works with.
    pub desk: Arc<Desk>,
    /// Texts whose size was stated.
    pub stated: Arc<Stated>,
    /// Refusals that became events.
    noted: Arc<AtomicU32>,
}

/// Refusals of one login that become events; a client may try again for ever.
const NOTED_MAX: u32 = 20;

impl Account {
    /// A partner's login; `origin` is its address, method and client.
    pub fn new(partner: Partner, origin: String, desk: Arc<Desk>) -> Self {
        let sender = Sender::Partner(partner.name.clone());
        Self {
            partner: Arc::new(partner),
            sender,
            origin,
            desk,
            stated: Arc::default(),
            noted: Arc::default(),
        }
    }

    /// Whether a landed file may be read now.
    pub fn may_read(&self, landed: &Arrival) -> bool {
        self.partner.read_back.allows(landed.received_at, self.desk.clock.now())
    }

    /// How far an upload may grow.
    ///
    /// # Errors
    /// A sentence that names the quota when there is nothing left.
    pub fn limits(&self, key: &Key) -> Result<Limits, Refused> {
        let name = &key.name;
        let quota = self.partner.quota;
        if self.staged_bytes() >= quota.staging_bytes {
            let most = Bytes(quota.staging_bytes);
            return Err(self.over_quota(
                name,
                format!("{} may have {most} of uploads in progress, and has", self.partner.name),
                "Finish or remove uploads that are in progress, or ask for a higher quota.",
            ));
        }
        if self.desk.staging.space().is_scarce() {
            let diagnostic = Diagnostic::error(Code::R106, "the disk is filled up to its reserve")
                .fact("file", name)
                .hint("Make room, or lower `[zone] free_reserve`.");
            return Err(self.refused(name, diagnostic, NEARLY_FULL));
        }
        let day = self.left_today(key, 0)?.map(|left| (left, LimitKind::Day));
        let file = quota.file_bytes.map(|most| (most, LimitKind::File));
        let tightest = day.into_iter().chain(file).min_by_key(|(most, _)| *most);
        Ok(Limits { staging_bytes: quota.staging_bytes, file: tightest })
    }

    /// Refuses a file whose size is known before its bytes come.
    ///
    /// # Errors
    /// A sentence that names the limit.
    pub fn check_size(&self, key: &Key, size_bytes: u64) -> Result<(), Refused> {
        let name = &key.name;
        if let Some(most) = self.partner.quota.file_bytes.filter(|most| size_bytes > *most) {
            let (most, size) = (Bytes(most), Bytes(size_bytes));
            let partner = &self.partner.name;
            return Err(self.over_quota(
                name,
                format!("{partner} may send files of up to {most}, and this one has {size}"),
                "Split it, or ask for a higher limit.",
            ));
        }
        self.left_today(key, size_bytes).map(drop)
    }

    /// Checks that a complete file of `size_bytes` fits into the rolling day, which others may have
    /// filled since its OPEN. Answers how many bytes are left for it; `None` for no limit.
    ///
    /// # Errors
    /// A sentence that names the quota.
    pub fn left_today(&self, key: &Key, size_bytes: u64) -> Result<Option<u64>, Refused> {
        let name = &key.name;
        let quota = self.partner.quota;
        if quota.bytes_per_day.is_none() && quota.files_per_day.is_none() {
            return Ok(None);
        }
        let used = self.used_today()?;
        let partner = &self.partner.name;
        let files_max = quota.files_per_day.filter(|_| self.counts_as_file(key));
        if let Some(most) = files_max.filter(|most| used.files >= *most) {
            let told = format!("{partner} may send {most} files in 24 hours, and has sent them");
            return Err(self.over_quota(name, told, WAIT));
        }
        let Some(most) = quota.bytes_per_day else { return Ok(None) };
        if used.bytes >= most || used.bytes.saturating_add(size_bytes) > most {
            let (most, sent) = (Bytes(most), Bytes(used.bytes));
            let told = format!("{partner} may send {most} in 24 hours, and has sent {sent}");
            return Err(self.over_quota(name, told, WAIT));
        }
        Ok(Some(most - used.bytes))
    }

    /// Tests and sidecars cost bytes, but are none of the files that a partner may send.
    fn counts_as_file(&self, key: &Key) -> bool {
        match key.shelf.area {
            Area::Real => self.desk.intake.sidecar_name(&key.shelf.feed, &key.name).is_none(),
            Area::Test => false,
        }
    }

    /// The partner's room as a file system shows it.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub fn room(&self) -> Result<Room, Refused> {
        let quota = self.partner.quota;
        let limited_by_day = quota.bytes_per_day.is_some() || quota.files_per_day.is_some();
        let today = if limited_by_day { self.used_today()? } else { Usage::default() };
        let staging = (quota.staging_bytes, self.staged_bytes());
        let day = quota.bytes_per_day.map(|most| (most, today.bytes));
        let left = |(most, used): (u64, u64)| most.saturating_sub(used);
        let disk = self
            .desk
            .staging
            .space()
            .room()
            .map(|room| (room.total_bytes, room.total_bytes.saturating_sub(room.free_bytes)));
        let rooms = [Some(staging), day, disk].into_iter().flatten();
        let tightest = rooms.min_by_key(|room| left(*room)).unwrap_or(staging);
        let total_files = quota.files_per_day.unwrap_or(u64::from(u32::MAX));
        Ok(Room {
            total_bytes: tightest.0,
            free_bytes: left(tightest),
            total_files,
            free_files: total_files.saturating_sub(today.files),
        })
    }

    fn staged_bytes(&self) -> u64 {
        self.desk.staging.used_bytes(&self.partner.name).load(Ordering::Relaxed)
    }

    fn used_today(&self) -> Result<Usage, Refused> {
        let now = self.desk.clock.now();
        let since = now.checked_sub(DAY).unwrap_or(Timestamp::MIN);
        let mut used = self.desk.intake.usage(&self.sender, since)?;
        // Bytes of tests cost as much as others; their number is not counted.
        let tests = Sender::Test(self.partner.name.clone());
        used.bytes = used.bytes.saturating_add(self.desk.intake.usage(&tests, since)?.bytes);
        Ok(used)
    }

    fn over_quota(&self, name: &FileName, summary: String, hint: &str) -> Refused {
        let diagnostic = Diagnostic::error(Code::R103, format!("quota reached: {summary}"))
            .fact("file", name)
            .hint(hint);
        let text = format!("{}. {}", diagnostic.summary, diagnostic.hint);
        self.refused(name, diagnostic, text)
    }

    /// Keeps why a file was refused, and refuses it in these words.
    fn refused(&self, name: &FileName, diagnostic: Diagnostic, text: impl Into<String>) -> Refused {
        if self.noted.fetch_add(1, Ordering::Relaxed) < NOTED_MAX {
            self.desk.intake.note(Event::FileRefused {
                sender: self.sender.clone(),
                name: name.to_string(),
                diagnostic,
            });
        }
        Refused::failure(text)
    }
}

/// Texts that were rendered to state their size, kept until they are opened.
#[derive(Default)]
pub struct Stated(Mutex<VecDeque<(Node, Text)>>);

/// A rendered text and when it last changed.
pub type Text = (Vec<u8>, Timestamp);

/// Stated texts kept for one login.
const STATED_MAX: usize = 16;

impl Stated {
    /// Keeps a text whose size is stated.
    pub fn keep(&self, node: Node, text: Text) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.retain(|(known, _)| *known != node);
        kept.push_back((node, text));
        if kept.len() > STATED_MAX {
            kept.pop_front();
        }
    }

    /// Takes the text whose size was stated last.
    pub fn take(&self, node: &Node) -> Option<Text> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let at = kept.iter().position(|(known, _)| known == node)?;
        kept.remove(at).map(|(_, text)| text)
    }
}

const WAIT: &str = "Wait until older files leave the rolling day, or ask for a higher quota.";

/// Shows a number of bytes in words: `100 GiB`, `1.5 MiB`, `17 bytes`.
struct Bytes(u64);

impl std::fmt::Display for Bytes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let units = [("TiB", 40), ("GiB", 30), ("MiB", 20), ("KiB", 10)];
        let Some((unit, shift)) = units.into_iter().find(|(_, shift)| self.0 >> shift > 0) else {
            return write!(f, "{} bytes", self.0);
        };
        let tenths = ((self.0 & ((1 << shift) - 1)) * 10) >> shift;
        match tenths {
            0 => write!(f, "{} {unit}", self.0 >> shift),
            tenths => write!(f, "{}.{tenths} {unit}", self.0 >> shift),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_told_in_words() {
        let told: Vec<String> =
            [17, 1024, 1536 << 10, 100 << 30].map(|n| Bytes(n).to_string()).into();
        assert_eq!(told, ["17 bytes", "1 KiB", "1.5 MiB", "100 GiB"]);
    }
}
