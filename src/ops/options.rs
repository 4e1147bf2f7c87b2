//! What a start of the server may set beside the configuration.

use std::net::SocketAddr;
use std::path::PathBuf;

use crate::clock::Clock;
use crate::config::Config;

/// What a start may set beside the configuration.
#[derive(Debug, Clone)]
pub struct Options {
    /// Where the SFTP door listens, instead of `[sftp] listen`.
    pub listen: Option<SocketAddr>,
    /// The time.
    pub clock: Clock,
    /// What converter workers are started from.
    pub worker: PathBuf,
}

impl Default for Options {
    fn default() -> Self {
        // The running binary, also after an upgrade has replaced its file.
        Self { listen: None, clock: Clock::system(), worker: PathBuf::from("/proc/self/exe") }
    }
}

impl Options {
    /// The configuration with what this start sets beside it.
    pub fn apply(&self, mut config: Config) -> Config {
        if self.listen.is_some() && config.sftp.listen.is_some() {
            config.sftp.listen = self.listen;
        }
        config
    }
}
