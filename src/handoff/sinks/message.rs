//! A message to people, which goes the ways of sinks: a command or a webhook.
//!
//! A command reads its words on standard input, so that `mail` is one; a webhook is posted the event,
//! signed as for a sink. The id is the same in every attempt.

use std::path::PathBuf;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use crate::command::Until;

use super::{Answer, Purpose, command};

/// A message to people.
#[derive(Debug, Clone)]
pub struct Message {
    /// Its id, the same in every attempt.
    pub id: String,
    /// Whether it only tries the way.
    pub purpose: Purpose,
    /// The zone's folder.
    pub zone: PathBuf,
    /// Its words, for a command.
    pub text: String,
    /// The CloudEvent as JSON, for a webhook.
    pub event: Vec<u8>,
    /// Variables for a command.
    pub environment: Vec<(&'static str, String)>,
}

/// Runs the command to its end, to its timeout or until `stop` is set. Blocks.
pub(super) fn tell(
    argv: &[String],
    message: &Message,
    timeout: Duration,
    stop: &AtomicBool,
) -> Answer {
    let input = (message.zone.as_path(), message.text.as_bytes());
    let until = Until { timeout, stop };
    command::run(
        argv,
        input,
        |command| {
            command::mark(command, message.purpose);
            command.envs(message.environment.iter().map(|(name, value)| (name, value)));
        },
        until,
    )
}
