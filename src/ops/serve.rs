//! Wires the stages together and keeps them running.

use std::net::SocketAddr;
use std::sync::Arc;

use crate::config::Config;
use crate::diagnostic::{Code, Diagnostic};
use crate::ledger::Ledger;
use crate::receive::Intake;
use crate::zone::Zone;

/// What a start may set beside the configuration.
#[derive(Debug, Clone, Copy, Default)]
pub struct Options {
    /// Where the SFTP door listens, instead of `[sftp] listen`.
    pub listen: Option<SocketAddr>,
}

/// A zone whose ledger is open and agrees with the disk: everything but the doors.
pub struct Core {
    /// The zone.
    pub zone: Zone,
    /// Its configuration.
    pub config: Arc<Config>,
    /// Its ledger.
    pub ledger: Arc<dyn Ledger>,
    /// The narrow way in.
    pub intake: Arc<dyn Intake>,
}

impl Core {
    /// Locks the zone, loads its configuration, opens its ledger.
    ///
    /// # Errors
    /// Why not.
    pub fn open(zone: Zone, options: Options) -> Result<Self, Diagnostic> {
        let _unused = (super::lock::ZoneLock::take(&zone)?, options);
        Err(Diagnostic::error(Code::Z105, "serving is not built yet"))
    }
}

/// A zone that is being served by this process.
pub struct Running {
    core: Core,
    sftp: Option<SocketAddr>,
}

impl Running {
    /// Where the SFTP door listens.
    pub fn sftp_address(&self) -> Option<SocketAddr> {
        self.sftp
    }

    /// The zone's ledger.
    pub fn ledger(&self) -> Arc<dyn Ledger> {
        Arc::clone(&self.core.ledger)
    }

    /// The zone's configuration.
    pub fn config(&self) -> Arc<Config> {
        Arc::clone(&self.core.config)
    }

    /// Blocks until somebody asks for the end.
    pub fn wait(&self) {}

    /// Stops in order.
    pub fn shutdown(self) {}
}

/// Starts to serve a zone.
///
/// # Errors
/// Why it could not start.
pub fn start(zone: &Zone, options: Options) -> Result<Running, Diagnostic> {
    Ok(Running { core: Core::open(zone.clone(), options)?, sftp: None })
}

/// Serves a zone until it is asked to stop.
///
/// # Errors
/// Why it could not start or end well.
pub fn run(zone: &Zone, options: Options) -> Result<(), Diagnostic> {
    start(zone, options)?.shutdown();
    Ok(())
}
