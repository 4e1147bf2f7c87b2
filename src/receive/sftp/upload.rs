//! One file that a session has open for writing.

use std::sync::Arc;

use super::account::Account;
use super::names;
use super::refusal::Refused;
use super::settle::settle;
use super::wire::{Attributes, OpenFlags};
use crate::ledger::Event;
use crate::receive::staging::{Base, Claim, Fault, Key, LimitKind, Limits, Start, Upload};
use crate::receive::{Completion, SIDECAR_BYTES_MAX};

/// How often OPEN tries again when the upload it found ends at that moment.
const ATTEMPTS_MAX: u32 = 10;

/// An open upload.
pub struct OpenUpload {
    upload: Arc<Upload>,
    claim: Claim,
    key: Key,
    /// Writes go to the end, whatever offset they state (SSH_FXF_APPEND).
    appends: bool,
    /// Whether READ may show its bytes: not when it continues a landed file that may not be read.
    may_read: bool,
}

impl OpenUpload {
    /// Opens a name for writing. Slow.
    ///
    /// # Errors
    /// A sentence: it exists or does not, it is a folder, or a quota is used up.
    pub fn open(
        account: &Account,
        key: &Key,
        flags: OpenFlags,
        attributes: &Attributes,
    ) -> Result<Self, Refused> {
        if names::is_folder(account, key)? {
            return Err(Refused::failure(format!("{} is a folder", key.name)));
        }
        let mut limits = account.limits(key)?;
        if account.desk.intake.sidecar_name(&key.shelf.feed, &key.name).is_some() {
            let sidecar = (SIDECAR_BYTES_MAX, LimitKind::Sidecar);
            limits.file = [limits.file, Some(sidecar)].into_iter().flatten().min_by_key(|l| l.0);
        }
        for _ in 0..ATTEMPTS_MAX {
            let upload = account.desk.staging.find_or_begin(key);
            match Self::take_up(account, key, flags, limits, &upload)? {
                Ok(open) => {
                    open.touch(attributes);
                    return Ok(open);
                }
                // It was settled, removed or broken just now: the next look finds what is left.
                Err(Fault::Fenced | Fault::Broken { .. }) => account.desk.staging.end(&upload),
                Err(over @ Fault::OverLimit(_)) => {
                    account.desk.staging.end(&upload);
                    return Err(over.into());
                }
            }
        }
        Err(Fault::Fenced.into())
    }

    fn take_up(
        account: &Account,
        key: &Key,
        flags: OpenFlags,
        limits: Limits,
        upload: &Arc<Upload>,
    ) -> Result<Result<Self, Fault>, Refused> {
        let _turn = upload.turn();
        let Some(known) = upload.snapshot() else { return Ok(Err(Fault::Fenced)) };
        // Whatever has the name is replaced, read by nobody through this handle: no need to look.
        let starts_anew = flags.create() && flags.truncate() && !flags.exclusive();
        let landed = if starts_anew { Ok(None) } else { names::landed(account, key) };
        let allowed = landed.and_then(|landed| {
            let exists =
                !known.is_new || landed.is_some() || names::sidecar(account, key)?.is_some();
            if exists && flags.create() && flags.exclusive() {
                return Err(Refused::exists(&key.name));
            }
            if !exists && !flags.create() {
                return Err(Refused::missing());
            }
            let start = match &landed {
                _ if flags.truncate() => Start::Empty,
                _ if !known.is_new => Start::Resume,
                None => Start::Empty,
                Some(landed) => Start::Over(Base {
                    file: account.desk.intake.open_raw(landed.id)?,
                    size_bytes: landed.size_bytes,
                }),
            };
            Ok((start, landed.is_none_or(|landed| account.may_read(&landed))))
        });
        let (start, may_read) = match allowed {
            Ok(allowed) => allowed,
            Err(refused) => {
                if known.is_new {
                    account.desk.staging.end(upload);
                }
                return Err(refused);
            }
        };
        Ok(upload.claim(start, limits).map(|claim| Self {
            upload: Arc::clone(upload),
            claim,
            key: key.clone(),
            appends: flags.append(),
            may_read,
        }))
    }

    /// Where the payload of a WRITE goes.
    ///
    /// # Errors
    /// A sentence when the upload takes no more.
    pub fn place_of(&self, offset: u64) -> Result<u64, Refused> {
        if self.appends { Ok(self.upload.size_bytes(self.claim)?) } else { Ok(offset) }
    }

    /// Whether payload can be taken without waiting for the disk.
    pub fn has_room(&self) -> bool {
        self.upload.has_room()
    }

    /// Waits until payload can be taken. Slow.
    pub fn wait_for_room(&self) {
        self.upload.wait_for_room();
    }

    /// Takes payload.
    ///
    /// # Errors
    /// A sentence; the upload takes no more until it is opened again.
    pub fn write(&self, at: u64, bytes: &[u8]) -> Result<(), Refused> {
        if self.upload.write(self.claim, at, bytes)? {
            if self.upload.finds_all_hands_busy() {
                self.upload.drain();
            } else {
                let upload = Arc::clone(&self.upload);
                tokio::task::spawn_blocking(move || upload.drain());
            }
        }
        Ok(())
    }

    /// Reads what was written. Slow.
    ///
    /// # Errors
    /// A sentence.
    pub fn read(&self, at: u64, into: &mut [u8]) -> Result<usize, Refused> {
        if !self.may_read {
            return Err(names::no_read_back());
        }
        Ok(self.upload.read(at, into)?)
    }

    /// Makes what was written durable (fsync@openssh.com). Slow.
    ///
    /// # Errors
    /// A sentence.
    pub fn sync(&self) -> Result<(), Refused> {
        self.upload.size_bytes(self.claim)?;
        Ok(self.upload.sync()?)
    }

    /// Whether what is left to be done at its end takes a moment only.
    pub fn is_small(&self) -> bool {
        self.upload.is_small()
    }

    /// Whether attributes can be set without touching the disk.
    pub fn is_quick_to_set(&self, attributes: &Attributes) -> bool {
        attributes.size_bytes.is_none_or(|size| self.upload.has_size(size))
    }

    /// Sets the size, and keeps times and permissions.
    ///
    /// # Errors
    /// A sentence.
    pub fn set(&self, attributes: &Attributes) -> Result<(), Refused> {
        if let Some(size) = attributes.size_bytes {
            self.upload.set_size(self.claim, size)?;
        }
        self.touch(attributes);
        Ok(())
    }

    /// How it looks now.
    ///
    /// # Errors
    /// A sentence when it has ended.
    pub fn look(&self) -> Result<Attributes, Refused> {
        let known = self.upload.snapshot().ok_or(Fault::Fenced)?;
        Ok(super::look::staged(&known))
    }

    /// The commit. A final name is in the archive and the ledger when this returns; a temporary
    /// one, or one whose feed asks for a rename, is durable and waits for its rename. Slow.
    ///
    /// # Errors
    /// A sentence; nothing was taken.
    pub fn close(&self, account: &Account) -> Result<(), Refused> {
        let staging = &account.desk.staging;
        let _turn = self.upload.turn();
        let closed = self.upload.size_bytes(self.claim).map_err(Refused::from).and_then(|size| {
            let known = self.upload.snapshot().ok_or(Fault::Fenced)?;
            if !self.upload.is_changed() {
                // A landed file was opened and left as it was.
                staging.end(&self.upload);
                return Ok(());
            }
            let config = account.desk.config.now();
            if config.wants_rename(&known.key.shelf.feed, &known.key.name) {
                return Ok(self.upload.park(self.claim)?);
            }
            account.left_today(&known.key, size)?;
            let origin = Some(account.origin.clone());
            settle(&account.desk, &self.upload, &known, Completion::Final, origin)
        });
        if closed.is_err() {
            self.leave(account);
        }
        closed
    }

    /// Leaves it without CLOSE: it stays for resume. Slow.
    pub fn abandon(&self, account: &Account) {
        let _turn = self.upload.turn();
        let Ok(size_bytes) = self.upload.size_bytes(self.claim) else {
            self.leave(account);
            return;
        };
        if size_bytes == 0 || !self.upload.is_changed() {
            account.desk.staging.end(&self.upload);
            return;
        }
        self.leave(account);
        account.desk.intake.note(Event::UploadInterrupted {
            sender: self.key.shelf.sender(),
            feed: self.key.shelf.feed.clone(),
            name: self.key.name.clone(),
            size_bytes,
        });
    }

    /// Keeps for resume what can be resumed.
    fn leave(&self, account: &Account) {
        if let Err(Fault::Broken { .. }) = self.upload.leave(self.claim) {
            account.desk.staging.end(&self.upload);
        }
    }

    fn touch(&self, attributes: &Attributes) {
        let modified_s = attributes.times_s.map(|(_, modified)| modified);
        self.upload.touch(modified_s, attributes.mode.map(|mode| mode & 0o7777));
    }
}

impl Drop for OpenUpload {
    fn drop(&mut self) {
        // After CLOSE this says nothing new; after a panic it lets the upload expire or be renamed.
        self.upload.release(self.claim);
    }
}
