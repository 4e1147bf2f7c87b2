//! Commands a client may run: `scp`, and `md5sum`, `sha1sum`, `sha256sum` of landed files. No shell.
//!
//! Each is a [`Dialog`] on a channel of its own. Anything else is refused in words.

use super::account::Account;
use super::dialog::{Dialog, Pause, Place, Ran};
use super::{scp, wire};
use crate::receive::checksum::Algorithm;

mod sums;
pub mod words;

use sums::{InputSum, Sums};

/// What a client reads that asks for a shell.
pub const NO_SHELL: &str =
    "This server takes files over SFTP and SCP and gives no shell. Use `sftp` or `scp`.\n";

/// Reads a command into the dialog it asks for.
pub fn begin(account: &Account, command: &[u8]) -> Box<dyn Dialog> {
    let mut words = words::words(command).into_iter();
    let algorithm = match words.next().as_deref() {
        Some(b"scp") => {
            let dialog = scp::begin(account, words.collect());
            return dialog.unwrap_or_else(|ran| Box::new(Said(ran)));
        }
        Some(b"md5sum") => Algorithm::Md5,
        Some(b"sha1sum") => Algorithm::Sha1,
        Some(b"sha256sum") => Algorithm::Sha256,
        Some(_) | None => return Box::new(Said(Ran::refused(127, NO_SHELL))),
    };
    // `-b` and `--binary` change nothing on this side of the world.
    let names: Vec<_> =
        words.filter(|word| !matches!(word.as_slice(), b"--" | b"-b" | b"--binary")).collect();
    match names.as_slice() {
        [] => Box::new(InputSum::new(algorithm)),
        [only] if only == b"-" => Box::new(InputSum::new(algorithm)),
        _ => Box::new(Sums::new(account.clone(), algorithm, names)),
    }
}

/// A command that has nothing to do but to say so.
struct Said(Ran);

impl Dialog for Said {
    fn feed(
        &mut self,
        input: &mut &[u8],
        _place: Place,
        _out: &mut Vec<u8>,
        _out_bytes_max: usize,
    ) -> Result<Pause, wire::Error> {
        *input = &[];
        Ok(Pause::Over)
    }

    fn finish(self: Box<Self>) -> Ran {
        self.0
    }
}
