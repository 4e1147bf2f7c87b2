//! What is said on one channel, be it SFTP, SCP or a command: bytes in, bytes out.
//!
//! A dialog never waits by itself. Some steps never wait for disk or ledger, some wait a moment (for
//! one sync or one commit), some longer. Fed in [`Place::Loop`] it stops before one that waits and
//! says so, in [`Place::Thread`] before one that waits long; fed in [`Place::Pool`] it does them all.
//! Either way it stops when it has said enough for now.
//!
//! Public for one purpose: other people's test suites want a plain file system behind SFTP, and
//! [`super::Door::speaking`] lets one be put behind this door's transport, with its lanes and limits,
//! in place of a partner's view.

use std::sync::Arc;

use super::wire;

/// Begins what is said when a client asks for SFTP, in place of a partner's view.
pub type Speaker = Arc<dyn Fn() -> Box<dyn Dialog> + Send + Sync>;

/// Where a dialog runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// In the connection's event loop while the disk is slow: it must not wait.
    Loop,
    /// In the connection's event loop, which may wait a moment: the thread is its own.
    Thread,
    /// In a thread that may wait.
    Pool,
}

impl Place {
    /// Whether a step may take as long as it takes here.
    pub fn may_wait(self) -> bool {
        self == Self::Pool
    }
}

/// Why a dialog paused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pause {
    /// It needs more bytes.
    Input,
    /// The next step may wait: feed it in [`Place::Pool`].
    Slow,
    /// It has said as much as it may for now.
    Output,
    /// It has come to its end and wants no more bytes.
    Over,
}

/// One side of what is said on a channel.
pub trait Dialog: Send {
    /// Takes bytes from `input` and appends answers to `out`, until it pauses. It pauses soon after
    /// `out` has `out_bytes_max` bytes.
    ///
    /// # Errors
    /// The stream cannot be followed; the channel must be closed.
    fn feed(
        &mut self,
        input: &mut &[u8],
        place: Place,
        out: &mut Vec<u8>,
        out_bytes_max: usize,
    ) -> Result<Pause, wire::Error>;

    /// Ends it, because it is over, the peer has said all, or the peer is gone. What is open for
    /// writing is left unclosed. Slow.
    fn finish(self: Box<Self>) -> Ran;
}

/// What a command said last and how it ended.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Ran {
    /// To standard output.
    pub out: Vec<u8>,
    /// To standard error.
    pub err: String,
    /// The exit status.
    pub status: u32,
}

impl Ran {
    /// A command that was refused.
    pub fn refused(status: u32, err: impl Into<String>) -> Self {
        Self { out: Vec::new(), err: err.into(), status }
    }

    /// A command that said all before.
    pub fn silent(status: u32) -> Self {
        Self { status, ..Self::default() }
    }
}
