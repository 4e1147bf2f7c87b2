//! `landfall send`: a file of the server itself comes in, with or without a running server.

use std::fs::File;
use std::io;

use crate::archive::digest::Hasher;
use crate::config::Config;
use crate::diagnostic::{Code, Diagnostic};
use crate::durable;
use crate::ledger::{Arrival, Door, Sender};
use crate::names::{FeedName, FileName};
use crate::receive::{Completion, Intake, Refusal, Settled, staging};
use crate::zone::Zone;

/// A file somebody on this machine wants taken.
#[derive(Debug)]
pub struct LocalFile {
    /// Its bytes, at their beginning.
    pub file: File,
    /// The feed it belongs to.
    pub feed: FeedName,
    /// What it is called.
    pub name: FileName,
    /// Its modification time, Unix seconds.
    pub modified_s: Option<u32>,
    /// Who sends it.
    pub by: String,
}

/// Copies the file into staging and settles it. When it returns the file is durable.
///
/// # Errors
/// [`Code::Z104`] for a feed that is not there, or why it could not be taken.
pub fn take(
    zone: &Zone,
    config: &Config,
    intake: &dyn Intake,
    local: LocalFile,
) -> Result<Arrival, Diagnostic> {
    if !config.feeds.contains_key(&local.feed) {
        return Err(no_feed(&local.feed));
    }
    let failed = |error: &(dyn std::error::Error + 'static)| {
        Diagnostic::error(Code::R106, format!("{} could not be copied", local.name))
            .caused_by(error)
    };
    let mut staged = staging::create(zone).map_err(|e| failed(&e))?;
    let mut hashed = Hashed { from: &local.file, hasher: Hasher::new() };
    if let Err(error) = io::copy(&mut hashed, &mut staged.file) {
        durable::remove_quietly(&staged.path);
        return Err(failed(&error));
    }
    let path = staged.path.clone();
    let settled = Settled {
        sender: Sender::Local(local.by),
        door: Door::Local,
        feed: local.feed,
        name: local.name.clone(),
        staged,
        digest: Some(hashed.hasher.finish()),
        modified_s: local.modified_s,
        mode: None,
        origin: None,
        fingerprint: None,
        completion: Completion::Final,
    };
    intake.settle(settled).map_err(|refusal| {
        durable::remove_quietly(&path);
        told(&local.name, refusal)
    })
}

/// There is no such feed in the zone.
pub fn no_feed(feed: &FeedName) -> Diagnostic {
    Diagnostic::error(Code::Z104, format!("this zone has no feed `{feed}`"))
        .hint("See `landfall feed list`.")
}

fn told(name: &FileName, refusal: Refusal) -> Diagnostic {
    match refusal {
        Refusal::Full(diagnostic) | Refusal::Unfit(diagnostic) => *diagnostic,
        Refusal::Missing | Refusal::NameTaken | Refusal::Failed(_) => {
            Diagnostic::error(Code::R106, format!("{name} was not taken")).caused_by(&refusal)
        }
    }
}

struct Hashed<'f> {
    from: &'f File,
    hasher: Hasher,
}

impl io::Read for Hashed<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.from.read(buffer)?;
        self.hasher.update(buffer.get(..count).unwrap_or_default());
        Ok(count)
    }
}
