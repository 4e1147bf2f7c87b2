//! How the command line talks to a running server: `.landfall/control.sock`, mode 0600.
//!
//! One request a connection, as a JSON line of at most 64 KiB; the answer is one JSON line, or a
//! line per event for [`Request::Events`]. A file to send travels as a descriptor (SCM_RIGHTS, see
//! unix(7)), so that the server needs no permission on its path. Only the server's own user and
//! root are answered, whatever the socket's mode says.

use std::path::{Path, PathBuf};
use std::{fs, io};

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;
use crate::diagnostic::Diagnostic;
use crate::evidence::Failing;
use crate::ledger::Delivery;
use crate::names::{ArrivalId, Digest, FeedName, FileName, PartnerName, PullName};
use crate::ops::closing::CloseWish;
use crate::ops::custody::Part;
use crate::ops::doors::Down;
use crate::ops::erase;
use crate::ops::excuse;
use crate::ops::hold;
use crate::ops::hostkeys::Step;
use crate::ops::quarantine::Judgement;
use crate::ops::replay::ReplayWish;
use crate::ops::sinks::SinkWish;
use crate::ops::stalled::Decision;
use crate::receive::pull::Outcome;
use crate::receive::sftp::Penalised;
use crate::zone::Zone;

mod client;
mod descriptor;
mod server;

pub use client::{Client, Follow};
pub use server::{Desk, Server};

/// Bytes of a request line.
const REQUEST_BYTES_MAX: u64 = 64 << 10;

/// What the command line asks for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "ask", rename_all = "snake_case")]
pub enum Request {
    /// How is the server?
    Status,
    /// Take the file whose descriptor comes with the request.
    Send {
        /// The feed it belongs to.
        feed: FeedName,
        /// What it is called.
        name: FileName,
        /// Its modification time, Unix seconds.
        modified_s: Option<u32>,
        /// Who asks.
        by: String,
    },
    /// A partner file was written.
    PartnerChanged {
        /// Whose.
        partner: PartnerName,
        /// Who wrote it.
        by: String,
        /// What changed, in words.
        change: String,
    },
    /// A person decided about a stalled sink.
    Decide(Decision),
    /// A person wants a feed's next batch to be closed.
    CloseBatch(CloseWish),
    /// A person wants a sink to pause or to go on.
    Sink(SinkWish),
    /// A person wants a pull to run now.
    Pull {
        /// Which.
        pull: PullName,
        /// Who asks.
        by: String,
    },
    /// A person wants files to be replayed.
    Replay(ReplayWish),
    /// A person decided about a held file.
    Judge(Judgement),
    /// A person wants a legal hold to be placed or released.
    Hold(hold::Wish),
    /// A person wants a file to be erased.
    Erase(erase::Wish),
    /// A person excuses a date of a feed.
    Excuse(excuse::Wish),
    /// Read `landfall.toml` again.
    Reload {
        /// Who asks.
        by: String,
    },
    /// Take a step of a change of host keys.
    HostKey {
        /// Which.
        step: Step,
        /// Who asks.
        by: String,
    },
    /// Keep what a reading of kept files found.
    Verified(Part),
    /// Stop in order.
    Stop,
    /// Every event above this sequence, as it happens, until the connection ends.
    Events {
        /// The newest sequence that is known already.
        after: u64,
    },
}

/// What the server answers; events go as plain [`crate::ledger::Recorded`] lines.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "answer", rename_all = "snake_case")]
pub enum Answer {
    /// How the server is.
    Status(ServerStatus),
    /// The file is durable under this id.
    Taken {
        /// The new arrival.
        id: ArrivalId,
    },
    /// The pull has run.
    Pulled(Outcome),
    /// The files are replayed from now on.
    Replaying {
        /// How many of them were so already.
        under_way: u64,
    },
    /// The decision holds for this delivery.
    Decided(Box<Delivery>),
    /// The batch closed under this sequence.
    Closed {
        /// Its number in the feed.
        sequence: u64,
        /// Its files.
        files: u64,
    },
    /// The file is erased.
    Erased(Box<erase::Erased>),
    /// What became of the host keys, in words.
    HostKey {
        /// As the ledger tells it.
        change: String,
    },
    /// It is done.
    Done,
    /// It is not done, and why.
    Refused(Diagnostic),
}

/// A running server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServerStatus {
    /// Its process.
    pub pid: u32,
    /// Its version.
    pub version: String,
    /// When it began to serve.
    pub started_at: Timestamp,
    /// Where its SFTP door listens; `None` when that is closed.
    pub sftp: Option<String>,
    /// The configuration in force.
    pub config: Digest,
    /// Sources that are turned away now.
    #[serde(default)]
    pub penalised: Vec<Penalised>,
    /// Signing and publishing of checkpoints that fail.
    #[serde(default)]
    pub failing: Vec<Failing>,
    /// Doors that ended by themselves.
    #[serde(default)]
    pub down: Vec<Down>,
}

/// Reaches the socket also where its path is too long for an address (107 bytes, unix(7)): through
/// its opened folder.
fn with_socket_path<T>(zone: &Zone, reach: impl FnOnce(&Path) -> io::Result<T>) -> io::Result<T> {
    use std::os::fd::AsRawFd as _;
    const ADDRESS_BYTES_MAX: usize = 107;
    let path = zone.control_socket();
    if path.as_os_str().len() <= ADDRESS_BYTES_MAX {
        return reach(&path);
    }
    let folder = fs::File::open(zone.run_time())?;
    let name = path.file_name().unwrap_or_default();
    let short = PathBuf::from(format!("/proc/self/fd/{}", folder.as_raw_fd())).join(name);
    reach(&short)
}
