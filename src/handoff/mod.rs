//! Telling downstream, until it is acknowledged.
//!
//! [`batch`] publishes a closed batch: files, then its [`manifest`] (this is the commit), then the
//! ledger's "published + outbox". [`outbox`] delivers to [`sinks`] at least once, with a stable id,
//! in order per feed; a sink that refuses until its retries end is stalled, never skipped.
//!
//! [`cloud_event`] is how what happened reads to others.
//!
//! Left out so far: merging of small outputs.

pub mod batch;
pub mod cloud_event;
pub mod manifest;
pub mod outbox;
pub mod sinks;
