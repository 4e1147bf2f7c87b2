//! The intake in the server's own process.

/// Archive and ledger behind the [`super::Intake`].
pub struct LocalIntake;
