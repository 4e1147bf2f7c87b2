//! What others tell a folder's thread.

use super::beneath::Stamp;
use super::copy::Attempt;
use crate::names::FileName;

/// One message.
pub enum Message {
    /// Something may have changed.
    Hint,
    /// A copier is done with a file.
    Attempted(FileName, Stamp, Attempt),
    /// The file's arrival has an outcome.
    Outcome(FileName),
    /// The server stops.
    Stop,
}
