//! One upload in progress: what its sender sees of it at once, and its bytes on their way to disk.
//!
//! Two kinds of calls. *Quick* ones never touch the disk and may run in an event loop: they put
//! bytes into a block and full blocks into a short queue. *Slow* ones wait for the queue and the
//! disk. Whoever calls [`Upload::drain`] empties the queue; a slow call does so itself if nobody
//! is, so that it only ever waits for a thread that is already at work.
//!
//! Promises: bytes reach the file in the order of the calls; an error is kept and every later call
//! meets it; buffered bytes are bounded for one upload and for all together; the handle of an older
//! [`Claim`] can change nothing any more.

use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use super::buffer::Buffer;
use super::claim::{Claim, Fault, Limits, Snapshot, Start};
use super::identity::{Facts, Identity};
use super::staged_file::StagedFile;
use super::{Error, Key, Place};
use crate::archive::Staged;
use crate::clock::Timestamp;
use crate::names::Digest;

/// Bytes up to which an upload is small.
const SMALL_BYTES_MAX: u64 = 1 << 20;

/// One upload in progress.
#[derive(Debug)]
pub struct Upload {
    turn: Mutex<()>,
    state: Mutex<State>,
    moved: Condvar,
    place: Arc<Place>,
    /// Bytes in progress of its partner.
    used: Arc<AtomicU64>,
}

#[derive(Debug)]
struct State {
    key: Key,
    claim: u64,
    is_open: bool,
    is_gone: bool,
    /// Written, resized or new since it was claimed.
    is_changed: bool,
    /// About to be handed over: a restart need not find it any more.
    is_completing: bool,
    /// Landed bytes may still count after those that were written.
    continues_landed: bool,
    facts: Facts,
    touched_at: Timestamp,
    size_bytes: u64,
    buffer: Buffer,
    is_draining: bool,
    fault: Option<Fault>,
    limits: Limits,
    /// Not here while somebody works on it.
    file: Option<StagedFile>,
}

impl Upload {
    pub(super) fn new(place: Arc<Place>, key: Key, used: Arc<AtomicU64>) -> Self {
        let file = StagedFile::new(Arc::clone(&place), None);
        let state = State::new(&place, key, file);
        Self::with(place, used, state)
    }

    /// An upload that start-up found.
    pub(super) fn found(
        place: Arc<Place>,
        used: Arc<AtomicU64>,
        (key, facts, touched_at): (Key, Facts, Timestamp),
        file: StagedFile,
    ) -> Self {
        let mut state = State::new(&place, key, file);
        state.claim = 1;
        state.touched_at = touched_at;
        state.facts = facts;
        state.size_bytes = state.file.as_ref().map_or(0, StagedFile::end);
        used.fetch_add(state.size_bytes, Ordering::Relaxed);
        Self::with(place, used, state)
    }

    fn with(place: Arc<Place>, used: Arc<AtomicU64>, state: State) -> Self {
        Self { turn: Mutex::new(()), state: Mutex::new(state), moved: Condvar::new(), place, used }
    }

    // ---- quick ----

    /// What is known of it; `None` once it is settled or removed.
    pub fn snapshot(&self) -> Option<Snapshot> {
        let state = self.lock();
        (!state.is_gone).then(|| Snapshot {
            key: state.key.clone(),
            size_bytes: state.size_bytes,
            facts: state.facts,
            touched_at: state.touched_at,
            is_open: state.is_open,
            is_new: state.claim == 0,
        })
    }

    /// Whether more bytes can be taken without waiting.
    pub fn has_room(&self) -> bool {
        self.lock().buffer.has_room()
    }

    /// Takes bytes; `true` means that blocks wait for [`Self::drain`].
    ///
    /// # Errors
    /// [`Fault`], which is kept: nothing after it is taken under this claim.
    pub fn write(&self, claim: Claim, at: u64, bytes: &[u8]) -> Result<bool, Fault> {
        let state = &mut *self.changeable(claim)?;
        let end = at.saturating_add(bytes.len() as u64);
        self.grow(state, end)?;
        state.buffer.push(at, bytes);
        state.is_changed = true;
        Ok(state.buffer.is_queued() && !state.is_draining)
    }

    /// Whether it is so small that writing, hashing and syncing it takes a moment, and nobody is at
    /// work on it.
    pub fn is_small(&self) -> bool {
        let state = self.lock();
        state.size_bytes <= SMALL_BYTES_MAX && !state.is_draining && !state.continues_landed
    }

    /// Whether setting this size would change nothing.
    pub fn has_size(&self, size_bytes: u64) -> bool {
        let state = self.lock();
        state.size_bytes == size_bytes && !state.continues_landed
    }

    /// Bytes, as the holder of a claim sees them.
    ///
    /// # Errors
    /// [`Fault`].
    pub fn size_bytes(&self, claim: Claim) -> Result<u64, Fault> {
        Ok(self.changeable(claim)?.size_bytes)
    }

    /// Keeps what the sender says of the file besides its bytes.
    pub fn touch(&self, modified_s: Option<u32>, mode: Option<u32>) {
        let mut state = self.lock();
        state.facts.modified_s = modified_s.or(state.facts.modified_s);
        state.facts.mode = mode.or(state.facts.mode);
    }

    // ---- slow ----

    /// Lets one caller at a time decide about this upload. Hold it over a sequence of slow calls.
    pub fn turn(&self) -> MutexGuard<'_, ()> {
        self.turn.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the upload over from whoever had it. Hold the turn.
    ///
    /// # Errors
    /// [`Fault::Fenced`] when it is settled or removed meanwhile; [`Fault::Broken`].
    pub fn claim(&self, start: Start, limits: Limits) -> Result<Claim, Fault> {
        let mut state = self.lock();
        if state.is_gone {
            return Err(Fault::Fenced);
        }
        if let Some(broken @ Fault::Broken { .. }) = state.fault {
            return Err(broken);
        }
        state.fault = None;
        state.claim += 1;
        state.is_open = true;
        state.limits = limits;
        let claim = Claim(state.claim);
        state.is_changed = matches!(start, Start::Empty | Start::Resume);
        let was_closed = state.facts.closed_at.take().is_some();
        drop(state);
        if was_closed {
            // Before the first byte changes, a restart must not take it for complete any more.
            self.sync()?;
        }
        match start {
            Start::Resume => {}
            Start::Empty => self.set_size(claim, 0)?,
            Start::Over(base) => {
                let mut state = self.settle_queue();
                self.grow(&mut state, base.size_bytes)?;
                state.continues_landed = true;
                state.file = Some(StagedFile::new(Arc::clone(&self.place), Some(base)));
            }
        }
        Ok(claim)
    }

    /// Lets go of a claim without a word; for a session that ended in the middle of a call.
    pub fn release(&self, claim: Claim) {
        let mut state = self.lock();
        if state.claim == claim.0 {
            state.is_open = false;
        }
    }

    /// Whether anything was written, resized or made new since the claim.
    pub fn is_changed(&self) -> bool {
        self.lock().is_changed
    }

    /// Writes queued blocks until there are none, unless somebody else is at it.
    pub fn drain(&self) {
        let state = self.lock();
        if !state.is_draining {
            let _hand = self.place.hands.lend();
            drop(self.drain_locked(state));
        }
    }

    /// Whether so many threads write and hash that whoever has filled a block had better drain it
    /// itself, while it is in the processor's cache.
    pub fn finds_all_hands_busy(&self) -> bool {
        self.place.hands.are_all_busy()
    }

    /// Waits until [`Self::has_room`].
    pub fn wait_for_room(&self) {
        drop(self.settle_queue());
    }

    /// Sets the size.
    ///
    /// # Errors
    /// [`Fault`].
    pub fn set_size(&self, claim: Claim, size_bytes: u64) -> Result<(), Fault> {
        drop(self.changeable(claim)?);
        if self.has_size(size_bytes) {
            return Ok(());
        }
        let mut state = self.settle_queue();
        if size_bytes > state.size_bytes {
            self.grow(&mut state, size_bytes)?;
        }
        let mut state = self.with_file(state, |file| file.set_size(size_bytes))?;
        self.used.fetch_sub(state.size_bytes.saturating_sub(size_bytes), Ordering::Relaxed);
        state.size_bytes = size_bytes;
        state.continues_landed = false;
        state.is_changed = true;
        Ok(())
    }

    /// Reads bytes; fewer than asked for only at the end.
    ///
    /// # Errors
    /// [`Fault`].
    pub fn read(&self, at: u64, into: &mut [u8]) -> Result<usize, Fault> {
        let mut count = 0;
        let state = self.settle_queue();
        drop(self.with_file(state, |file| {
            count = file.read(at, into)?;
            Ok(())
        })?);
        Ok(count)
    }

    /// Makes what was written so far durable, for a restart to find.
    ///
    /// # Errors
    /// [`Fault`].
    pub fn sync(&self) -> Result<(), Fault> {
        let state = self.settle_queue();
        let identity = self.identity(&state);
        drop(self.with_file(state, |file| file.sync(identity))?);
        Ok(())
    }

    /// Closes an upload under a temporary name: durable, waiting for its rename.
    ///
    /// # Errors
    /// [`Fault`].
    pub fn park(&self, claim: Claim) -> Result<(), Fault> {
        let now = self.place.clock.now();
        self.changeable(claim)?.facts.closed_at = Some(now);
        let parked = self.sync();
        let mut state = self.lock();
        state.is_open = false;
        if parked.is_err() {
            state.facts.closed_at = None;
        }
        parked
    }

    /// Leaves an upload unclosed: what was written stays for resume, also after a restart.
    ///
    /// # Errors
    /// [`Fault::Broken`]: there is nothing to resume. Another's claim is left alone.
    pub fn leave(&self, claim: Claim) -> Result<(), Fault> {
        {
            let mut state = self.lock();
            if state.is_gone || state.claim != claim.0 {
                return Ok(());
            }
            state.is_open = false;
        }
        self.identify()
    }

    /// Hands over the complete file with its digest if its bytes came in order. Then either
    /// [`Self::close_for_good`] or [`Self::take_back`]. Hold the turn.
    ///
    /// # Errors
    /// [`Fault`].
    pub fn complete(&self) -> Result<(Staged, Option<Digest>), Fault> {
        let mut completed = None;
        self.lock().is_completing = true;
        let state = self.settle_queue();
        drop(self.with_file(state, |file| {
            completed = Some(file.complete()?);
            Ok(())
        })?);
        completed.ok_or(Fault::Fenced)
    }

    /// Keeps a completed file that was refused, for another attempt.
    ///
    /// # Errors
    /// [`Fault::Broken`].
    pub fn take_back(&self, staged: Staged) -> Result<(), Fault> {
        let mut state = self.settle_queue();
        state.is_open = false;
        state.is_completing = false;
        if let Some(file) = &mut state.file {
            file.take_back(staged);
        }
        drop(state);
        self.identify()
    }

    /// Ends the upload; whatever is still on disk is removed.
    pub fn close_for_good(&self) {
        let mut state = self.settle_queue();
        if state.is_gone {
            return;
        }
        state.is_gone = true;
        state.is_open = false;
        self.used.fetch_sub(state.size_bytes, Ordering::Relaxed);
        if let Some(mut file) = state.file.take() {
            file.remove();
        }
    }

    /// Gives the upload another name.
    pub(super) fn rename(&self, key: Key) -> Result<(), Fault> {
        let mut state = self.settle_queue();
        state.key = key;
        let identity = self.identity(&state);
        let is_closed = state.facts.closed_at.is_some();
        drop(self.with_file(state, |file| {
            if is_closed { file.sync(identity) } else { file.identify(identity) }
        })?);
        Ok(())
    }

    // ---- inside ----

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn changeable(&self, claim: Claim) -> Result<MutexGuard<'_, State>, Fault> {
        let mut state = self.lock();
        if state.is_gone || state.claim != claim.0 {
            return Err(Fault::Fenced);
        }
        if let Some(fault) = state.fault {
            return Err(fault);
        }
        state.touched_at = self.place.clock.now();
        Ok(state)
    }

    /// Lets the file grow to `end` bytes, within its limits.
    fn grow(&self, state: &mut State, end: u64) -> Result<(), Fault> {
        let Some(more) = end.checked_sub(state.size_bytes).filter(|more| *more > 0) else {
            return Ok(());
        };
        let staged = self.used.load(Ordering::Relaxed).saturating_add(more);
        if let Some(kind) = state.limits.met_by(staged, end, &self.place.space) {
            state.fault = Some(Fault::OverLimit(kind));
            return Err(Fault::OverLimit(kind));
        }
        self.used.fetch_add(more, Ordering::Relaxed);
        state.size_bytes = end;
        Ok(())
    }

    /// Makes sure that a restart finds it.
    fn identify(&self) -> Result<(), Fault> {
        let state = self.settle_queue();
        let identity = self.identity(&state);
        self.with_file(state, |file| file.identify(identity)).map(drop)
    }

    fn identity(&self, state: &State) -> Identity {
        Identity {
            key: state.key.clone(),
            facts: state.facts,
            synced_bytes: 0,
            boot: self.place.boot.clone(),
        }
    }

    /// Waits until all bytes taken so far are in the file, writing them itself if nobody is.
    fn settle_queue(&self) -> MutexGuard<'_, State> {
        let mut state = self.lock();
        state.buffer.cut();
        loop {
            if state.is_draining {
                state = self.moved.wait(state).unwrap_or_else(PoisonError::into_inner);
            } else if state.buffer.is_queued() {
                state = self.drain_locked(state);
            } else {
                return state;
            }
        }
    }

    fn drain_locked<'a>(&'a self, mut state: MutexGuard<'a, State>) -> MutexGuard<'a, State> {
        while let Some(block) = state.buffer.next() {
            let identity = self.identity(&state);
            let is_completing = state.is_completing;
            let worked = self.with_file(state, |file| {
                file.write(block.at, &block.bytes)?;
                if is_completing || file.is_identified() { Ok(()) } else { file.identify(identity) }
            });
            state = worked.unwrap_or_else(|_| self.lock());
            state.buffer.written(block);
            if state.fault.is_some_and(|fault| matches!(fault, Fault::Broken { .. })) {
                while let Some(block) = state.buffer.next() {
                    state.buffer.written(block);
                }
            }
        }
        state
    }

    /// Works on the file without holding the lock. Nobody else is at it: `is_draining` says so.
    fn with_file<'a>(
        &'a self,
        mut state: MutexGuard<'a, State>,
        work: impl FnOnce(&mut StagedFile) -> Result<(), Error>,
    ) -> Result<MutexGuard<'a, State>, Fault> {
        if let Some(broken @ Fault::Broken { .. }) = state.fault {
            return Err(broken);
        }
        let mut file = state.file.take().ok_or(Fault::Fenced)?;
        state.is_draining = true;
        drop(state);
        // A panic must not leave the others waiting for a thread that is gone.
        let result = std::panic::catch_unwind(AssertUnwindSafe(|| work(&mut file)));
        let mut state = self.lock();
        state.file = Some(file);
        state.is_draining = false;
        self.moved.notify_all();
        match result.unwrap_or(Err(Error::Gone)) {
            Ok(()) => Ok(state),
            Err(error) => {
                let fault = Fault::Broken { disk_full: error.is_disk_full() };
                tracing::error!(
                    error = &error as &dyn std::error::Error,
                    "an upload's bytes could not be kept"
                );
                state.fault = Some(fault);
                Err(fault)
            }
        }
    }
}

impl State {
    fn new(place: &Place, key: Key, file: StagedFile) -> Self {
        Self {
            key,
            claim: 0,
            is_open: false,
            is_gone: false,
            is_changed: false,
            is_completing: false,
            continues_landed: false,
            facts: Facts::default(),
            touched_at: place.clock.now(),
            size_bytes: 0,
            buffer: Buffer::new(Arc::clone(&place.buffered_bytes)),
            is_draining: false,
            fault: None,
            limits: Limits { staging_bytes: u64::MAX, file: None },
            file: Some(file),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Area, Base, Shelf, Staging, create};
    use super::*;
    use crate::archive::digest;
    use crate::clock::Clock;
    use crate::durable::Durability;
    use crate::zone::Zone;

    const NO_LIMITS: Limits = Limits { staging_bytes: u64::MAX, file: None };

    fn begin(zone: &Zone) -> (Staging, Arc<Upload>) {
        let recovered = Staging::recover(zone, Durability::Relaxed, Clock::system());
        let (staging, _) = recovered.expect("recovered");
        let key = Key {
            shelf: Shelf {
                partner: "acme".parse().expect("a partner"),
                feed: "orders".parse().expect("a feed"),
                area: Area::Real,
            },
            name: "a.csv.part".parse().expect("a name"),
        };
        let upload = staging.find_or_begin(&key);
        (staging, upload)
    }

    fn complete(upload: &Upload) -> (Vec<u8>, Option<Digest>) {
        let (staged, digest) = upload.complete().expect("complete");
        (std::fs::read(staged.path).expect("read"), digest)
    }

    #[test]
    fn bytes_in_order_are_hashed_as_they_pass_and_others_are_not() {
        let folder = tempfile::tempdir().expect("a folder");
        let (_, upload) = begin(&Zone::new(folder.path()));
        let claim = upload.claim(Start::Empty, NO_LIMITS).expect("claimed");
        for at in 0..40_u64 {
            if upload.write(claim, at * 30_000, &[u8::try_from(at).expect("small"); 30_000])
                == Ok(true)
            {
                upload.drain();
            }
        }
        let (bytes, hashed) = complete(&upload);
        assert_eq!((bytes.len(), hashed), (1_200_000, Some(digest::of_bytes(&bytes))));

        let (_, upload) = begin(&Zone::new(folder.path()));
        let claim = upload.claim(Start::Empty, NO_LIMITS).expect("claimed");
        upload.write(claim, 0, b"abcdef").expect("written");
        upload.write(claim, 2, b"XY").expect("written");
        assert_eq!(complete(&upload), (b"abXYef".to_vec(), None));
    }

    #[test]
    fn a_landed_tail_is_copied_only_where_it_still_counts() {
        let folder = tempfile::tempdir().expect("a folder");
        let zone = Zone::new(folder.path());
        let (_, upload) = begin(&zone);
        let landed = folder.path().join("landed");
        std::fs::write(&landed, b"0123456789").expect("written");
        let over = || {
            let file = std::fs::File::open(&landed).expect("open");
            Start::Over(Base { file, size_bytes: 10 })
        };
        let claim = upload.claim(over(), NO_LIMITS).expect("claimed");
        assert_eq!(upload.size_bytes(claim), Ok(10));
        upload.write(claim, 0, b"abc").expect("written");
        let whole = b"abc3456789".to_vec();
        assert_eq!(complete(&upload), (whole.clone(), Some(digest::of_bytes(&whole))));

        let (_, upload) = begin(&zone);
        let claim = upload.claim(over(), NO_LIMITS).expect("claimed");
        upload.write(claim, 0, b"abc").expect("written");
        upload.set_size(claim, 3).expect("cut");
        assert_eq!(complete(&upload), (b"abc".to_vec(), Some(digest::of_bytes(b"abc"))));
    }

    #[test]
    fn an_error_is_kept_and_met_by_every_later_call() {
        let folder = tempfile::tempdir().expect("a folder");
        let zone = Zone::new(folder.path());
        let (staging, upload) = begin(&zone);
        let claim = upload.claim(Start::Empty, NO_LIMITS).expect("claimed");
        std::fs::remove_dir(zone.staging()).expect("removed");
        upload.write(claim, 0, b"x").expect("taken");
        let broken = Err(Fault::Broken { disk_full: false });
        assert_eq!(upload.sync(), broken);
        std::fs::create_dir(zone.staging()).expect("made");
        assert_eq!(upload.sync(), broken);
        assert_eq!(upload.write(claim, 1, b"y").map(drop), broken);
        assert_eq!(upload.claim(Start::Empty, NO_LIMITS).map(drop), broken);
        staging.end(&upload);
        let used = staging.used_bytes(&"acme".parse().expect("a partner"));
        assert_eq!(used.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn a_reopened_part_is_not_complete_for_a_restart_either() {
        let folder = tempfile::tempdir().expect("a folder");
        let zone = Zone::new(folder.path());
        let (_, upload) = begin(&zone);
        let claim = upload.claim(Start::Empty, NO_LIMITS).expect("claimed");
        upload.write(claim, 0, b"whole").expect("written");
        upload.park(claim).expect("parked");
        let closed_at = |zone| {
            let (_, again) = begin(zone);
            again.snapshot().expect("there").facts.closed_at
        };
        assert!(closed_at(&zone).is_some());
        upload.claim(Start::Resume, NO_LIMITS).expect("claimed");
        assert_eq!(closed_at(&zone), None);
    }

    #[test]
    fn after_another_boot_only_synced_bytes_count() {
        let folder = tempfile::tempdir().expect("a folder");
        let zone = Zone::new(folder.path());
        let (_, upload) = begin(&zone);
        let key = upload.snapshot().expect("there").key;
        drop(upload);
        let staged = create(&zone).expect("created");
        std::fs::write(&staged.path, b"synced and lost").expect("written");
        let facts = Facts::default();
        let boot = "another".to_owned();
        Identity { key, facts, synced_bytes: 6, boot }.write(&staged.file).expect("marked");
        let (_, upload) = begin(&zone);
        assert_eq!(upload.snapshot().expect("there").size_bytes, 6);
        assert_eq!(complete(&upload), (b"synced".to_vec(), Some(digest::of_bytes(b"synced"))));
    }
}
