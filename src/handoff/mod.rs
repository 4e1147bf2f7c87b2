//! Telling downstream, until it is acknowledged.
//!
//! [`batch`] publishes a closed batch: files, then its [`manifest`] (this is the commit), then the
//! ledger's "published + outbox". [`outbox`] delivers to [`sinks`] at least once, with a stable id,
//! in order per feed; a sink that refuses until its retries end is stalled, never skipped.
//!
//! [`cloud_event`] is how what happened reads to others.
//!
//! Small outputs are merged before that, where a feed asks for it: [`merging`].

pub mod batch;
pub mod cloud_event;
pub mod manifest;
pub mod merging;
pub mod outbox;
pub mod sinks;
