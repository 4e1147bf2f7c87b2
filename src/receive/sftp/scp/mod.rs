//! SCP as it was before SFTP: `scp -t` takes files, `scp -f` gives them (OpenSSH's `scp -O`).
//!
//! The protocol has no document; scp.c of OpenSSH is its source, and Jan Pechanec's "How the SCP
//! protocol works" (2007) its description. One side sends control lines (`T` times, `C` a file, `D`
//! and `E` a folder's beginning and end), each answered by a byte: 0 done, 1 and a line of text
//! for what failed, 2 and a line when nothing more can be done.
//!
//! Promises: a file is taken through the same staging, names, quotas and intake as over SFTP; the
//! byte that acknowledges its end is sent when archive and ledger have it; fewer bytes than the
//! control line declared are never taken as a file; names in control lines are single names and
//! never lead out of the target.
//!
//! Left out: wildcards but in the last part of a path that is fetched, where they mean what they mean
//! in a feed's patterns.

pub mod line;
mod sink;
mod source;

pub use sink::Sink;
pub use source::Source;

use super::account::Account;
use super::dialog::{Dialog, Ran};

/// Reads the words after `scp` into the dialog they ask for.
///
/// # Errors
/// What to say instead.
pub fn begin(account: &Account, words: Vec<Vec<u8>>) -> Result<Box<dyn Dialog>, Ran> {
    let mut flags = Flags::default();
    let mut paths = Vec::new();
    let mut words = words.into_iter();
    for word in words.by_ref() {
        match word.as_slice() {
            b"--" => break,
            [b'-', letters @ ..] if !letters.is_empty() => flags.read(letters)?,
            _ => paths.push(word),
        }
    }
    paths.extend(words);
    match (flags.takes, flags.gives, paths.as_slice()) {
        (true, false, [target]) => {
            Ok(Box::new(Sink::new(account.clone(), target.clone(), flags.must_be_folder())))
        }
        (false, true, [_, ..]) => {
            Ok(Box::new(Source::new(account.clone(), paths, flags.recursion(), flags.times())))
        }
        _ => Err(Ran::refused(1, USAGE)),
    }
}

const USAGE: &str =
    "scp: this server takes `scp -t TARGET` and `scp -f FILE…`, as `scp -O` sends them\n";

#[derive(Debug, Default)]
struct Flags {
    takes: bool,
    gives: bool,
    recursive: bool,
    preserves: bool,
    target_is_folder: bool,
}

impl Flags {
    fn read(&mut self, letters: &[u8]) -> Result<(), Ran> {
        for letter in letters {
            match letter {
                b't' => self.takes = true,
                b'f' => self.gives = true,
                b'r' => self.recursive = true,
                b'p' => self.preserves = true,
                b'd' => self.target_is_folder = true,
                // Verbose and quiet are for the other side.
                b'v' | b'q' => {}
                _ => return Err(Ran::refused(1, USAGE)),
            }
        }
        Ok(())
    }

    fn must_be_folder(&self) -> Target {
        if self.target_is_folder { Target::Folder } else { Target::Either }
    }

    fn recursion(&self) -> Folders {
        if self.recursive { Folders::Sent } else { Folders::Refused }
    }

    fn times(&self) -> Times {
        if self.preserves { Times::Told } else { Times::Untold }
    }
}

/// What the target of `scp -t` may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// A folder, or the name of a file.
    Either,
    /// A folder that exists (`-d`).
    Folder,
}

/// What `scp -f` does with folders.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Folders {
    /// It sends them with all they hold (`-r`).
    Sent,
    /// It refuses them.
    Refused,
}

/// Whether `scp -f` tells times.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Times {
    /// Before each file (`-p`).
    Told,
    /// Not at all.
    Untold,
}

/// Appends `1`, a sentence about a name, and a line end.
fn complain(out: &mut Vec<u8>, name: &[u8], text: &str) {
    out.push(1);
    let name = String::from_utf8_lossy(name);
    let told = format!("scp: {}: {text}", name.escape_debug());
    out.extend(told.bytes().map(|byte| if byte == b'\n' { b' ' } else { byte }));
    out.push(b'\n');
}
