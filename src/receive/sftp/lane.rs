//! Between russh and one dialog: who runs it, how much may wait, and in what order answers
//! leave.
//!
//! The dialog runs inside russh's event loop while that is quick. The loop is on a thread of the
//! connection's own, so it does what waits for the disk a moment as well, until a step takes longer
//! than [`MOMENT`]: then the disk is slow, and for [`CAUTION`] nothing waits here. When a request may
//! wait longer, or too many answers wait for the peer, what arrives goes to a backlog and the lane's
//! own task goes on, in a thread of the pool, one step at a time. Answers leave either straight
//! from the loop or through russh's queue, never both at once, so their order is that of the
//! requests.
//!
//! Answers are handed to russh as bytes that tell when russh lets go of them. Whatever made it hold
//! them (a full window, a key exchange, a full queue), the lane goes on when they are gone; it does
//! not depend on any one callback.
//!
//! Bounds: [`OUTPUT_BYTES_MAX`] of answers in russh, [`BACKLOG_BYTES_MAX`] of requests here. Up to
//! [`BACKLOG_CALM_BYTES`] a slow disk holds nobody up; beyond, the peer's connection is read no
//! further until the disk has caught up, since russh re-opens the window by itself.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use russh::server::Handle;
use russh::{ChannelId, Disconnect};
use tokio::sync::Notify;

use super::dialog::{Dialog, Pause, Place, Ran};
use super::wire;

/// Answer bytes that russh may hold for one channel before no more are made.
const OUTPUT_BYTES_MAX: usize = 512 * 1024;
/// Request bytes that may wait while the disk is slow, without holding up the connection.
const BACKLOG_CALM_BYTES: usize = 2 << 20;
/// Request bytes that may wait at all: a peer that sends more without reading answers is cut off.
const BACKLOG_BYTES_MAX: usize = 12 << 20;
/// What a step in the event loop may take.
const MOMENT: Duration = Duration::from_millis(50);
/// How long the disk is thought to be slow after a step took longer.
const CAUTION: Duration = Duration::from_secs(1);
/// Backlog bytes kept in one piece.
const PIECE_BYTES: usize = 64 * 1024;

/// Why a channel cannot go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Stop {
    /// The stream cannot be followed.
    #[error(transparent)]
    Wire(#[from] wire::Error),
    /// The peer sends and sends and does not read.
    #[error("too many requests are waiting for their answers to be read")]
    Overrun,
}

/// One channel.
pub struct Lane {
    state: Mutex<State>,
    answers: Arc<Answers>,
    /// The dialog is back from the pool.
    returned: Notify,
}

struct State {
    /// Not here while a thread has it.
    dialog: Option<Box<dyn Dialog>>,
    /// Why it last paused.
    pause: Pause,
    backlog: Backlog,
    /// The task hands an answer to russh's queue, which only the event loop empties.
    is_sending: bool,
    ending: Option<Ending>,
    /// Until when nothing waits in the event loop.
    cautious_until: Option<Instant>,
}

/// How a channel comes to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ending {
    /// The peer has said all it wants; what waits is still done.
    Eof,
    /// The peer is gone.
    Gone,
}

/// What the lane's task has to do next.
enum Turn {
    Nothing,
    Work(Box<dyn Dialog>, Backlog),
    End(Box<dyn Dialog>, Ending),
}

impl Lane {
    /// A lane for a dialog; [`Self::run`] must be spawned.
    pub fn new(dialog: Box<dyn Dialog>) -> Self {
        let state = State {
            dialog: Some(dialog),
            pause: Pause::Input,
            backlog: Backlog::default(),
            is_sending: false,
            ending: None,
            cautious_until: None,
        };
        Self { state: Mutex::new(state), answers: Arc::default(), returned: Notify::new() }
    }

    /// Takes bytes of the peer; answers what can be said at once.
    ///
    /// # Errors
    /// [`Stop`].
    pub fn offer(&self, data: &[u8]) -> Result<Option<Bytes>, Stop> {
        let mut state = self.lock();
        if state.ending.is_some() {
            return Ok(None);
        }
        let began = Instant::now();
        let place = match state.cautious_until {
            Some(until) if began < until => Place::Loop,
            Some(_) | None => Place::Thread,
        };
        if state.is_caught_up()
            && self.answers.may_leave_directly()
            && let Some(dialog) = &mut state.dialog
        {
            let (mut input, mut out) = (data, Vec::new());
            let room = self.answers.room();
            let pause = dialog.feed(&mut input, place, &mut out, room)?;
            if began.elapsed() > MOMENT {
                state.cautious_until = Some(Instant::now() + CAUTION);
            }
            state.backlog.push(input);
            self.pause(&mut state, pause);
            return Ok(self.answers.wrap(out, Way::Direct));
        }
        if state.backlog.bytes + data.len() > BACKLOG_BYTES_MAX {
            return Err(Stop::Overrun);
        }
        state.backlog.push(data);
        self.look_out(&state);
        self.answers.wake.notify_one();
        Ok(None)
    }

    /// Goes on with the backlog after the peer has read answers.
    ///
    /// # Errors
    /// [`Stop`].
    pub fn resume(&self) -> Result<Option<Bytes>, Stop> {
        let mut state = self.lock();
        let State { dialog: Some(dialog), pause, backlog, .. } = &mut *state else {
            return Ok(None);
        };
        if *pause != Pause::Output || !self.answers.may_leave_directly() {
            return Ok(None);
        }
        let mut out = Vec::new();
        let room = self.answers.room();
        let pause = backlog.feed_to(dialog.as_mut(), Place::Loop, &mut out, room)?;
        self.pause(&mut state, pause);
        Ok(self.answers.wrap(out, Way::Direct))
    }

    /// Waits while a slow disk keeps the backlog from shrinking. The disk needs nothing from the
    /// waiting loop, so this ends.
    pub async fn calm(&self) {
        while self.is_behind_a_slow_disk() {
            self.returned.notified().await;
        }
    }

    /// The peer will send no more: what waits is done, then the channel is closed.
    pub fn end(&self) {
        self.end_as(Ending::Eof);
    }

    /// The peer is gone: what waits is dropped, what was unclosed stays for resume.
    pub fn abandon(&self) {
        self.end_as(Ending::Gone);
    }

    /// Goes on whenever the event loop could not. Ends after [`Self::end`] or [`Self::abandon`].
    pub async fn run(self: Arc<Self>, handle: Handle, channel: ChannelId) {
        loop {
            self.answers.wake.notified().await;
            loop {
                match self.turn() {
                    Turn::Nothing => break,
                    Turn::Work(dialog, backlog) => {
                        if self.work(dialog, backlog, &handle, channel).await.is_err() {
                            self.abandon();
                        }
                    }
                    Turn::End(dialog, ending) => {
                        let ran = tokio::task::spawn_blocking(|| dialog.finish()).await;
                        let ran = ran.unwrap_or_else(|error| {
                            tracing::error!(%error, "a channel could not be ended in order");
                            Ran::silent(1)
                        });
                        if ending == Ending::Eof && farewell(&handle, channel, ran).await.is_err() {
                            tracing::debug!("a peer left before its channel was closed");
                        }
                        return;
                    }
                }
            }
            if self.is_over() {
                return;
            }
        }
    }

    /// One step in a thread that may wait, and its answers sent.
    async fn work(
        &self,
        mut dialog: Box<dyn Dialog>,
        mut backlog: Backlog,
        handle: &Handle,
        channel: ChannelId,
    ) -> Result<(), ()> {
        let room = self.answers.room();
        let work = move || {
            let mut out = Vec::new();
            let pause = backlog.feed_to(dialog.as_mut(), Place::Pool, &mut out, room);
            (dialog, backlog, out, pause)
        };
        let worked = tokio::task::spawn_blocking(work).await;
        let Ok((dialog, backlog, out, pause)) = worked else {
            tracing::error!("a request panicked; its connection is closed");
            return disconnect(handle, "internal error; this connection is closed").await;
        };
        let answer = self.answers.wrap(out, Way::Queued);
        {
            let mut state = self.lock();
            state.dialog = Some(dialog);
            state.backlog.put_back(backlog);
            if let Ok(pause) = pause {
                state.pause_for(pause);
            }
            state.is_sending = answer.is_some();
        }
        self.returned.notify_one();
        if let Some(answer) = answer {
            let sent = handle.data(channel, answer).await;
            self.lock().is_sending = false;
            sent.map_err(drop)?;
        }
        match pause {
            Ok(_) => Ok(()),
            Err(error) => disconnect(handle, &Stop::Wire(error).to_string()).await,
        }
    }

    fn turn(&self) -> Turn {
        let mut state = self.lock();
        self.look_out(&state);
        let can_say = self.answers.room() > 0;
        let is_caught_up = state.is_caught_up();
        let next = match state.ending {
            Some(Ending::Gone) => Some(Ending::Gone),
            Some(Ending::Eof) if is_caught_up => Some(Ending::Eof),
            Some(Ending::Eof) | None => None,
        };
        if next.is_none() && (is_caught_up || !can_say) {
            return Turn::Nothing;
        }
        match (state.dialog.take(), next) {
            (None, _) => Turn::Nothing,
            (Some(dialog), Some(ending)) => Turn::End(dialog, ending),
            (Some(dialog), None) => Turn::Work(dialog, std::mem::take(&mut state.backlog)),
        }
    }

    /// Whether the dialog is lost and nothing will ever come back.
    fn is_over(&self) -> bool {
        let state = self.lock();
        state.dialog.is_none() && state.ending == Some(Ending::Gone)
    }

    /// Much waits, and the lane's task is at it or about to be: it needs nothing of the event loop.
    /// Not so while an answer is on its way into russh's queue, or the peer must read first.
    fn is_behind_a_slow_disk(&self) -> bool {
        let state = self.lock();
        let is_at_work = state.dialog.is_none() || self.answers.room() > 0;
        state.backlog.bytes > BACKLOG_CALM_BYTES
            && is_at_work
            && !state.is_sending
            && state.ending.is_none()
    }

    fn end_as(&self, ending: Ending) {
        self.lock().ending = Some(ending);
        self.answers.wake.notify_one();
        self.returned.notify_one();
    }

    /// Takes note of why the dialog paused in the event loop.
    fn pause(&self, state: &mut State, pause: Pause) {
        state.pause_for(pause);
        self.look_out(state);
        if pause == Pause::Over {
            self.answers.wake.notify_one();
        }
    }

    /// Has the task woken when there is something for it to do, now or once answers are gone.
    fn look_out(&self, state: &State) {
        let is_waiting = !state.is_caught_up();
        self.answers.is_waited_for.store(is_waiting, Ordering::SeqCst);
        if is_waiting && self.answers.room() > 0 {
            self.answers.wake.notify_one();
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Remembers why the dialog paused. One that is over ends its channel and wants nothing more.
    fn pause_for(&mut self, pause: Pause) {
        self.pause = pause;
        if pause == Pause::Over {
            self.pause = Pause::Input;
            self.backlog = Backlog::default();
            self.ending.get_or_insert(Ending::Eof);
        }
    }

    fn is_caught_up(&self) -> bool {
        self.pause == Pause::Input && self.backlog.bytes == 0
    }
}

async fn disconnect(handle: &Handle, text: &str) -> Result<(), ()> {
    let reason = Disconnect::ProtocolError;
    drop(handle.disconnect(reason, text.to_owned(), "en".to_owned()).await);
    Err(())
}

/// Sends what a command said last, its exit status and the end of the channel, as sshd does.
///
/// # Errors
/// The peer is gone.
pub async fn farewell(handle: &Handle, channel: ChannelId, ran: Ran) -> Result<(), ()> {
    if !ran.out.is_empty() {
        handle.data(channel, ran.out).await.map_err(drop)?;
    }
    if !ran.err.is_empty() {
        handle.extended_data(channel, 1, ran.err.into_bytes()).await.map_err(drop)?;
    }
    handle.exit_status_request(channel, ran.status).await?;
    handle.eof(channel).await?;
    handle.close(channel).await
}

/// Bytes of requests that wait, in the pieces they came in.
#[derive(Default)]
struct Backlog {
    pieces: VecDeque<Vec<u8>>,
    /// Bytes of the first piece that are done.
    done: usize,
    bytes: usize,
}

impl Backlog {
    fn push(&mut self, data: &[u8]) {
        if data.is_empty() {
            return;
        }
        self.bytes += data.len();
        match self.pieces.back_mut() {
            Some(last) if last.len() + data.len() <= PIECE_BYTES => last.extend_from_slice(data),
            Some(_) | None => self.pieces.push_back(data.to_vec()),
        }
    }

    /// Puts what is left of a taken backlog before what has come since.
    fn put_back(&mut self, mut earlier: Self) {
        earlier.bytes += self.bytes;
        earlier.pieces.append(&mut self.pieces);
        *self = earlier;
    }

    fn feed_to(
        &mut self,
        dialog: &mut dyn Dialog,
        place: Place,
        out: &mut Vec<u8>,
        out_bytes_max: usize,
    ) -> Result<Pause, wire::Error> {
        loop {
            let piece = self.pieces.front().and_then(|piece| piece.get(self.done..));
            let mut input = piece.unwrap_or_default();
            let before = input.len();
            let pause = dialog.feed(&mut input, place, out, out_bytes_max)?;
            let taken = before - input.len();
            self.bytes -= taken;
            self.done += taken;
            if input.is_empty() {
                self.pieces.pop_front();
                self.done = 0;
            }
            if pause != Pause::Input || self.pieces.is_empty() {
                return Ok(pause);
            }
        }
    }
}

/// Answers on their way through russh.
#[derive(Default)]
struct Answers {
    /// Bytes that russh holds.
    held_bytes: AtomicUsize,
    /// Answers in russh's queue that the event loop has not taken up yet.
    queued: AtomicUsize,
    /// Whether the lane's task waits for russh to let go.
    is_waited_for: AtomicBool,
    wake: Notify,
}

/// How an answer leaves.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    /// Straight from the event loop.
    Direct,
    /// Through russh's queue.
    Queued,
}

impl Answers {
    fn room(&self) -> usize {
        OUTPUT_BYTES_MAX.saturating_sub(self.held_bytes.load(Ordering::SeqCst))
    }

    /// Whether an answer from the event loop would not overtake one in the queue.
    fn may_leave_directly(&self) -> bool {
        self.queued.load(Ordering::SeqCst) == 0 && self.room() > 0
    }

    fn wrap(self: &Arc<Self>, bytes: Vec<u8>, way: Way) -> Option<Bytes> {
        if bytes.is_empty() {
            return None;
        }
        self.held_bytes.fetch_add(bytes.len(), Ordering::SeqCst);
        if way == Way::Queued {
            self.queued.fetch_add(1, Ordering::SeqCst);
        }
        Some(Bytes::from_owner(Answer { bytes, way, answers: Arc::clone(self) }))
    }
}

/// One answer; dropped when russh has put it on the wire or given up on it.
struct Answer {
    bytes: Vec<u8>,
    way: Way,
    answers: Arc<Answers>,
}

impl AsRef<[u8]> for Answer {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Answer {
    fn drop(&mut self) {
        self.answers.held_bytes.fetch_sub(self.bytes.len(), Ordering::SeqCst);
        if self.way == Way::Queued {
            self.answers.queued.fetch_sub(1, Ordering::SeqCst);
        }
        if self.answers.is_waited_for.load(Ordering::SeqCst) {
            self.answers.wake.notify_one();
        }
    }
}
