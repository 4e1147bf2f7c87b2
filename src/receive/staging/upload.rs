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

use std::collections::VecDeque;
use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use super::identity::{Facts, Identity};
use super::staged_file::{Base, StagedFile};
use super::{Error, Key, Place};
use crate::archive::Staged;
use crate::clock::Timestamp;
use crate::names::Digest;

/// Bytes put together before they are written.
const BLOCK_BYTES: usize = 256 * 1024;
/// Bytes one upload may have buffered.
const UPLOAD_BUFFER_BYTES: usize = 4 << 20;
/// Bytes all uploads together may have buffered; beyond it each writes before it takes more.
const ALL_BUFFERS_BYTES: usize = 64 << 20;
/// Written blocks kept to be filled again.
const SPARE_BLOCKS: usize = 4;

/// The right to change an upload until somebody else claims it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Claim(u64);

/// Why an upload did not take a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// A newer OPEN of the same name took it over, or it is settled or removed.
    Fenced,
    /// It would exceed its [`Limits`]. What was taken before stays.
    OverLimit(LimitKind),
    /// Its bytes could not be written; it is to be thrown away.
    Broken {
        /// Whether the disk, the quota or the inodes are used up.
        disk_full: bool,
    },
}

/// Which limit was met.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LimitKind {
    /// The partner's bytes in progress.
    Staging,
    /// The partner's bytes of the rolling day.
    Day,
}

/// How far an upload may grow.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Bytes of all uploads of its partner together.
    pub staging_bytes: u64,
    /// Bytes of this file.
    pub file_bytes: Option<u64>,
}

/// How an upload is taken up.
#[derive(Debug)]
pub enum Start {
    /// With no bytes, whatever it had.
    Empty,
    /// With the bytes it has.
    Resume,
    /// As a continuation of a landed file.
    Over(Base),
}

/// What is known of an upload at once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// Whose and what.
    pub key: Key,
    /// Bytes, as its sender sees them.
    pub size_bytes: u64,
    /// What its sender said of it.
    pub facts: Facts,
    /// When it was last changed.
    pub touched_at: Timestamp,
    /// Whether a handle is open on it.
    pub is_open: bool,
    /// Whether nobody has claimed it yet.
    pub is_new: bool,
}

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
struct Block {
    at: u64,
    bytes: Vec<u8>,
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
    block: Block,
    queue: VecDeque<Block>,
    spare: Vec<Vec<u8>>,
    buffered_bytes: usize,
    is_draining: bool,
    fault: Option<Fault>,
    limits: Limits,
    /// Not here while somebody works on it.
    file: Option<StagedFile>,
}

impl Upload {
    pub(super) fn new(place: Arc<Place>, key: Key, used: Arc<AtomicU64>) -> Self {
        let file = StagedFile::new(Arc::clone(&place), None);
        let touched_at = place.clock.now();
        Self::with(place, used, State::new(key, file, touched_at))
    }

    /// An upload that start-up found.
    pub(super) fn found(
        place: Arc<Place>,
        used: Arc<AtomicU64>,
        (key, facts, touched_at): (Key, Facts, Timestamp),
        file: StagedFile,
    ) -> Self {
        let mut state = State::new(key, file, touched_at);
        state.claim = 1;
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
        let own = self.lock().buffered_bytes;
        let all = self.place.buffered_bytes.load(Ordering::Relaxed);
        own == 0 || (own < UPLOAD_BUFFER_BYTES && all < ALL_BUFFERS_BYTES)
    }

    /// Takes bytes; `true` means that blocks wait for [`Self::drain`].
    ///
    /// # Errors
    /// [`Fault`], which is kept: nothing after it is taken under this claim.
    pub fn write(&self, claim: Claim, at: u64, bytes: &[u8]) -> Result<bool, Fault> {
        let state = &mut *self.changeable(claim)?;
        let end = at.saturating_add(bytes.len() as u64);
        self.grow(state, end)?;
        if at != state.block.at + state.block.bytes.len() as u64 {
            state.queue_block();
        }
        if state.block.bytes.is_empty() {
            state.block.at = at;
            if state.block.bytes.capacity() == 0 {
                state.block.bytes = state.spare.pop().unwrap_or_default();
            }
        }
        state.block.bytes.extend_from_slice(bytes);
        state.buffered_bytes += bytes.len();
        self.place.buffered_bytes.fetch_add(bytes.len(), Ordering::Relaxed);
        state.is_changed = true;
        state.facts.closed_at = None;
        if state.block.bytes.len() >= BLOCK_BYTES {
            state.queue_block();
        }
        Ok(!state.queue.is_empty() && !state.is_draining)
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
        drop(state);
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

    /// Whether anything was written, resized or made new since the claim.
    pub fn is_changed(&self) -> bool {
        self.lock().is_changed
    }

    /// Writes queued blocks until there are none, unless somebody else is at it.
    pub fn drain(&self) {
        let state = self.lock();
        if !state.is_draining {
            drop(self.drain_locked(state));
        }
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
        state.facts.closed_at = None;
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
        drop(self.with_file(state, |file| {
            file.identify(identity)?;
            file.sync()
        })?);
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
            file.identify(identity)?;
            if is_closed { file.sync() } else { Ok(()) }
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
        let used = self.used.load(Ordering::Relaxed);
        let over = if used.saturating_add(more) > state.limits.staging_bytes {
            Some(LimitKind::Staging)
        } else if state.limits.file_bytes.is_some_and(|most| end > most) {
            Some(LimitKind::Day)
        } else {
            None
        };
        if let Some(kind) = over {
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
        state.queue_block();
        loop {
            if state.is_draining {
                state = self.moved.wait(state).unwrap_or_else(PoisonError::into_inner);
            } else if state.queue.is_empty() {
                return state;
            } else {
                state = self.drain_locked(state);
            }
        }
    }

    fn drain_locked<'a>(&'a self, mut state: MutexGuard<'a, State>) -> MutexGuard<'a, State> {
        while let Some(block) = state.queue.pop_front() {
            let identity = self.identity(&state);
            let is_completing = state.is_completing;
            let worked = self.with_file(state, |file| {
                file.write(block.at, &block.bytes)?;
                if is_completing || file.is_identified() { Ok(()) } else { file.identify(identity) }
            });
            state = worked.unwrap_or_else(|_| self.lock());
            state.release(block, &self.place.buffered_bytes);
            if state.fault.is_some_and(|fault| matches!(fault, Fault::Broken { .. })) {
                while let Some(block) = state.queue.pop_front() {
                    state.release(block, &self.place.buffered_bytes);
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
    fn new(key: Key, file: StagedFile, touched_at: Timestamp) -> Self {
        Self {
            key,
            claim: 0,
            is_open: false,
            is_gone: false,
            is_changed: false,
            is_completing: false,
            continues_landed: false,
            facts: Facts::default(),
            touched_at,
            size_bytes: 0,
            block: Block { at: 0, bytes: Vec::new() },
            queue: VecDeque::new(),
            spare: Vec::new(),
            buffered_bytes: 0,
            is_draining: false,
            fault: None,
            limits: Limits { staging_bytes: u64::MAX, file_bytes: None },
            file: Some(file),
        }
    }

    fn queue_block(&mut self) {
        if !self.block.bytes.is_empty() {
            let next = Block { at: 0, bytes: Vec::new() };
            self.queue.push_back(std::mem::replace(&mut self.block, next));
        }
    }

    fn release(&mut self, mut block: Block, all: &AtomicUsize) {
        self.buffered_bytes -= block.bytes.len();
        all.fetch_sub(block.bytes.len(), Ordering::Relaxed);
        if self.spare.len() < SPARE_BLOCKS {
            block.bytes.clear();
            self.spare.push(block.bytes);
        }
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        let left = self.lock().buffered_bytes;
        self.place.buffered_bytes.fetch_sub(left, Ordering::Relaxed);
    }
}
