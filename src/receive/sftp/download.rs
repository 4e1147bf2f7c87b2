//! One file that a session has open for reading.
//!
//! A landed file, an upload in progress, or a text that was rendered when it was opened: what is
//! read then has the size that was stated.

use std::fs::File;
use std::io::IoSliceMut;
use std::sync::Arc;

use rustix::io::ReadWriteFlags;

use super::account::Account;
use super::refusal::Refused;
use super::view::Node;
use super::wire::Attributes;
use super::{look, names, readme, receipts};
use crate::clock::Timestamp;
use crate::ledger::Arrival;
use crate::receive::staging::{Upload, read_full};

/// An open file.
pub struct Download {
    source: Source,
    attributes: Attributes,
}

enum Source {
    Raw { file: File, size_bytes: u64 },
    Text(Vec<u8>),
    Staged(Arc<Upload>),
}

/// What a quick read came to.
pub enum QuickRead {
    /// So many bytes; 0 at the end.
    Read(usize),
    /// The bytes are not in memory.
    WouldWait,
}

impl Download {
    /// Opens a name for reading. Slow.
    ///
    /// # Errors
    /// A sentence.
    pub fn open(account: &Account, node: &Node) -> Result<Self, Refused> {
        let now = account.desk.clock.now();
        match node {
            Node::Root | Node::Receipts | Node::TestReceipts | Node::Test | Node::Feed(_) => {
                Err(Refused::failure("this is a folder; open it with opendir"))
            }
            Node::Nowhere => Err(Refused::missing()),
            Node::Readme => Ok(Self::text(readme::text(account), now)),
            Node::Receipt(shelf, path) => {
                // A client that asked for the size must read that size.
                let (text, at) = match account.stated.take(node) {
                    Some(stated) => stated,
                    None => receipts::render(account, shelf, path)?,
                };
                Ok(Self::text(text, at))
            }
            Node::Entry(key) => {
                if let Some(upload) = account.desk.staging.find(key)
                    && let Some(known) = upload.snapshot().filter(|known| !known.is_new)
                {
                    // It may continue a landed file.
                    may_read(account, names::landed(account, key)?.as_ref())?;
                    let attributes = look::staged(&known);
                    return Ok(Self { source: Source::Staged(upload), attributes });
                }
                if let Some(sidecar) = names::sidecar(account, key)? {
                    let bytes = account.desk.intake.sidecar_bytes(&sidecar)?;
                    let (source, attributes) = (Source::Text(bytes), look::sidecar(&sidecar));
                    return Ok(Self { source, attributes });
                }
                let Some(arrival) = names::landed(account, key)? else {
                    return Err(if names::is_folder(account, key)? {
                        Refused::failure("this is a folder; open it with opendir")
                    } else {
                        Refused::missing()
                    });
                };
                may_read(account, Some(&arrival))?;
                let file = account.desk.intake.open_raw(arrival.id)?;
                let source = Source::Raw { file, size_bytes: arrival.size_bytes };
                Ok(Self { source, attributes: look::landed(&arrival) })
            }
        }
    }

    /// How it looked when it was opened.
    pub fn look(&self) -> Attributes {
        self.attributes
    }

    /// Reads without waiting for the disk.
    pub fn read_quickly(&self, at: u64, into: &mut [u8]) -> QuickRead {
        match &self.source {
            Source::Text(text) => QuickRead::Read(copy_from(text, at, into)),
            Source::Staged(_) => QuickRead::WouldWait,
            Source::Raw { file, size_bytes } => {
                let left = usize::try_from(size_bytes.saturating_sub(at)).unwrap_or(usize::MAX);
                let most = left.min(into.len());
                let part = IoSliceMut::new(into.get_mut(..most).unwrap_or_default());
                match rustix::io::preadv2(file, &mut [part], at, ReadWriteFlags::NOWAIT) {
                    Ok(count) if count == most => QuickRead::Read(count),
                    // Partly in memory, not at all, or a file system that cannot say.
                    Ok(_) | Err(_) => QuickRead::WouldWait,
                }
            }
        }
    }

    /// Reads; fewer bytes than asked for only at the end. Slow.
    ///
    /// # Errors
    /// A sentence.
    pub fn read(&self, at: u64, into: &mut [u8]) -> Result<usize, Refused> {
        match &self.source {
            Source::Text(text) => Ok(copy_from(text, at, into)),
            Source::Staged(upload) => Ok(upload.read(at, into)?),
            Source::Raw { file, .. } => read_full(file, at, into).map_err(|error| {
                tracing::error!(%error, "a raw object could not be read");
                Refused::failure("the server could not read this file; tell the people who run it")
            }),
        }
    }

    fn text(text: Vec<u8>, at: Timestamp) -> Self {
        let attributes = look::text(text.len(), at);
        Self { source: Source::Text(text), attributes }
    }
}

fn may_read(account: &Account, landed: Option<&Arrival>) -> Result<(), Refused> {
    match landed {
        Some(landed) if !account.may_read(landed) => Err(names::no_read_back()),
        Some(_) | None => Ok(()),
    }
}

/// Copies what `text` has from a place on; how much that was.
pub fn copy_from(text: &[u8], at: u64, into: &mut [u8]) -> usize {
    let from = usize::try_from(at).ok().and_then(|at| text.get(at..)).unwrap_or_default();
    let count = from.len().min(into.len());
    for (to, from) in into.iter_mut().zip(from) {
        *to = *from;
    }
    count
}
