//! Everything that speaks to terminal, environment and exit code.
//!
//! [`cli`] is the command line; [`serve`] wires the stages together and keeps them running;
//! [`control`] is how the two talk while a server runs, and [`lock`] how they keep apart.
//! The library below never prints: it returns values and [`crate::diagnostic::Diagnostic`]s, which
//! [`diagnostic`] renders.

pub mod alerts;
pub mod backup;
pub mod checkpoints;
pub mod cli;
pub mod closing;
pub mod control;
pub mod courier;
pub mod custody;
pub mod default_zone;
pub mod diagnostic;
pub mod doors;
pub mod erase;
pub mod excuse;
pub mod hold;
pub mod hostkeys;
pub mod kept;
pub mod local;
pub mod lock;
pub mod needs;
pub mod options;
pub mod overdue;
pub mod pulls;
pub mod quarantine;
pub mod reload;
pub mod replay;
pub mod rows;
pub mod serve;
pub mod sinks;
pub mod stalled;
pub mod telemetry;
mod who;
pub mod writing;

pub use who::who;

/// Looks names up in the environment of this process.
fn environment() -> crate::receive::pull::Environment {
    std::sync::Arc::new(|name: &str| std::env::var(name).ok())
}

/// Prints text and the end of its line to standard output. A reader who has seen enough is no
/// failure.
pub(crate) fn say(text: &str) {
    use std::io::Write as _;
    let newline = if text.ends_with('\n') { "" } else { "\n" };
    let mut out = std::io::stdout().lock();
    let printed = write!(out, "{text}{newline}").and_then(|()| out.flush());
    if let Err(error) = printed
        && error.kind() != std::io::ErrorKind::BrokenPipe
    {
        tracing::error!(%error, "standard output cannot be written");
    }
}
