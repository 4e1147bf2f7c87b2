//! Logs: to standard error, as text or JSON lines.
//!
//! `LANDFALL_LOG` filters them (`info`, `landfall=debug`, …). Times are UTC.

use std::io::IsTerminal as _;

use tracing_subscriber::EnvFilter;

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LogForm {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line, for collectors.
    Json,
}

impl std::str::FromStr for LogForm {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "text" => Ok(Self::Text),
            "json" => Ok(Self::Json),
            _ => Err("must be `text` or `json`"),
        }
    }
}

/// How much is logged when `LANDFALL_LOG` does not say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Loudness {
    /// Errors: the command itself tells what people need.
    Quiet,
    /// The life of the server.
    Serving,
}

/// Starts logging. A second call changes nothing.
pub fn start(form: LogForm, loudness: Loudness) {
    let default = match loudness {
        Loudness::Quiet => "error",
        Loudness::Serving => "info,russh=warn",
    };
    let filter = std::env::var("LANDFALL_LOG")
        .ok()
        .and_then(|written| EnvFilter::try_new(written).ok())
        .unwrap_or_else(|| EnvFilter::new(default));
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    // A logger that is there already was put there by a test or by our caller: it stays.
    let started = match form {
        LogForm::Json => log.json().flatten_event(true).try_init(),
        LogForm::Text => log.with_ansi(std::io::stderr().is_terminal()).try_init(),
    };
    if let Err(error) = started {
        tracing::debug!(%error, "logging runs already");
    }
}
