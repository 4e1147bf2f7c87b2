//! landfall: a landing zone for files.
//!
//! The data's way is the layout: [`receive`] → [`archive`] → [`convert`] → [`handoff`], with the
//! [`ledger`] as the spine and [`ops`] around it; [`evidence`] signs what the ledger says, [`custody`]
//! keeps what arrived readable, [`calendar`] says what did not arrive. Reading the modules in the order below reads the
//! product; each uses only those named before it, and there is no circle.
//!
//! # Invariants
//!
//! 1. **Bytes before ledger.** A ledger row never claims what is not yet durable. After a crash the
//!    disk may be ahead of the ledger, never behind; start-up reconciles.
//! 2. **A published name is never replaced.** [`durable`] offers `publish_new` and nothing that
//!    overwrites a published name.
//! 3. **Hints are not facts.** With every notification lost, files are late, not missed.
//! 4. **One transition function.** [`ledger::State::on`] is total and the only way a state changes;
//!    the state change, its event and its outbox rows are one transaction.
//! 5. **[`convert`] is a function** of bytes, contract, learned schema and its own version: no clock, ledger,
//!    network or async runtime.
//! 6. **Archive first, judge after.** No path leads from received to held without the archive.
//! 7. **Doors do not know the pipeline.** They hand a settled file to [`receive::Intake`] in
//!    messages that could cross a process boundary. Stages meet in the ledger, not in each other.
//! 8. **One owner per foreign crate**: russh in `receive/sftp` (its key types in `signing`), notify in `receive/folder/watch`,
//!    SQL in `ledger/sqlite`, csv, calamine, arrow and parquet in `convert`, clap in `ops/cli`.
//! 9. **Only [`ops`] speaks** to terminal, environment and exit code.
//! 10. **A bad file stops itself, never the zone.** Conversions run in confined worker processes.
//! 11. **Every queue, loop, upload, row, cell, retry and message has a limit.**
//! 12. **Peers read fixed, safe text**; paths and error chains go to the log.

pub mod clock;
pub mod command;
pub mod contract;
pub mod diagnostic;
pub mod durable;
pub mod names;
pub mod report;
pub mod schema;
pub mod seeded;
pub mod zone;

pub mod signing;

pub mod config;
pub mod ledger;

pub mod archive;
pub mod evidence;

pub mod receive;

pub mod convert;
pub mod custody;
pub mod handoff;

pub mod calendar;
pub mod pipeline;

pub mod ops;
