//! The SFTP door.
//!
//! ```text
//! server ── threads ── connection: limits ── session (russh's callbacks) ── lane (one channel)
//!                                                                             │
//!                    exec: scp, sums of files ── dialog ─────────────────────┤
//!                    wire (the codec) ── conversation: requests in order ─────┘
//!                                             │
//!                    view (names) · upload · download · listing · names on disk: none
//! ```
//!
//! Promises: replies come in request order; CLOSE of a final name is answered only after archive
//! and ledger have the file; a slow disk, a peer that does not read, or a key exchange never stops
//! a connection for good, and none of them costs more than fixed memory; names of peers never
//! become paths.
//!

use std::sync::Arc;

use crate::clock::Clock;
use crate::config;
use crate::receive::Intake;
use crate::receive::staging::Staging;
use crate::zone::Zone;

// What reads a peer's bytes is public, so that the fuzz targets of tests/fuzz reach it.

mod account;
mod algorithms;
mod auth;
mod check;
mod cleartext;
pub mod client;
mod connection;
mod conversation;
mod crowd;
pub mod dialog;
mod download;
pub mod exec;
mod handles;
pub mod keys;
mod lane;
mod listing;
mod look;
mod names;
mod penalties;
mod proof;
mod readme;
mod receipts;
mod refusal;
mod rename;
mod roster;
pub mod scp;
mod server;
mod session;
mod settle;
mod socket;
mod sweep;
mod threads;
mod throttle;
mod upload;
pub mod view;
pub mod wire;

pub use penalties::{Offence, Penalised, Penalties};
pub use server::{Door, Error};

/// What the door works with.
#[derive(Clone)]
pub struct Desk {
    /// Where keys and staged files lie.
    pub zone: Zone,
    /// The zone's configuration.
    pub config: config::Live,
    /// Where complete files go.
    pub intake: Arc<dyn Intake>,
    /// Uploads in progress.
    pub staging: Staging,
    /// What time it is.
    pub clock: Clock,
}
