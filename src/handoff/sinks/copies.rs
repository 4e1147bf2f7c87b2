//! A folder as a sink: copies of a batch's files, and its manifest last.
//!
//! ```text
//! <folder>/<feed>/<sequence>/lake/<feed>/v1/lf_date=…/….parquet   as the manifest names them
//! <folder>/<feed>/<sequence>/manifest.json                        when all of them are there
//! <folder>/<feed>/<sequence>/_SUCCESS                             if it is asked for
//! ```
//!
//! Names in the manifest are relative to the folder that it lies in, as they are to the zone. Every
//! copy is compared with the digest that the manifest states, synced, and given its name once. Told
//! again, it finds what is done; a name that is taken by other bytes is refused, never replaced. The
//! folder itself must be there: one that is not mounted is not made anew.
//!
//! Left out: taking copies of retracted files away. The manifest names them, and they are the
//! receiver's.

use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use crate::archive::digest::{self, Hasher};
use crate::config::{Copies, Success};
use crate::durable::{self, Durability};
use crate::ledger::BatchFile;
use crate::names::Digest;

use super::{Answer, Notice, Purpose};

/// The manifest's name beside the copies.
const MANIFEST: &str = "manifest.json";
/// The name that Hadoop and its followers wait for.
const SUCCESS: &str = "_SUCCESS";
/// Bytes copied at once.
const PIECE_BYTES: usize = 1 << 18;

/// Why a batch is not copied.
#[derive(Debug, thiserror::Error)]
enum Error {
    #[error("the folder {} is not there", .0.display())]
    NoFolder(PathBuf),
    #[error("cannot {doing} {}", path.display())]
    Io {
        doing: &'static str,
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error(transparent)]
    Durable(#[from] durable::Error),
    #[error("{} exists with other bytes and is never replaced", .0.display())]
    Taken(PathBuf),
    #[error("{} does not have the digest that the manifest states", .0.display())]
    Damaged(PathBuf),
    #[error("stopped after its timeout")]
    TimedOut,
    #[error("stopped because the server stops")]
    Stopped,
}

/// When copying has to end.
pub struct Until<'s> {
    /// The time is up.
    pub deadline: Instant,
    /// The server stops.
    pub stop: &'s AtomicBool,
}

impl Until<'_> {
    fn check(&self) -> Result<(), Error> {
        if self.stop.load(Ordering::Relaxed) {
            return Err(Error::Stopped);
        }
        if Instant::now() >= self.deadline { Err(Error::TimedOut) } else { Ok(()) }
    }
}

/// Copies the batch, or finds it copied. Blocks.
pub fn tell(copies: &Copies, notice: &Notice, durability: Durability, until: &Until<'_>) -> Answer {
    let root = notice.zone.join(&copies.path);
    let told = match notice.purpose {
        Purpose::Batch => copy_all(&root, copies.success, notice, durability, until),
        Purpose::Test => try_folder(&root, durability),
    };
    match told {
        Ok(()) => Answer::Acknowledged(None),
        Err(error) => Answer::refused(crate::diagnostic::on_one_line(&error)),
    }
}

/// Writes a file and takes it away again.
fn try_folder(root: &Path, durability: Durability) -> Result<(), Error> {
    check_there(root)?;
    let path = root.join(format!(".landfall-test-{}", uuid::Uuid::now_v7()));
    durability.write_new(&path, b"")?;
    std::fs::remove_file(&path).map_err(|source| Error::Io { doing: "remove", path, source })
}

fn check_there(root: &Path) -> Result<(), Error> {
    if root.is_dir() { Ok(()) } else { Err(Error::NoFolder(root.to_owned())) }
}

fn copy_all(
    root: &Path,
    success: Success,
    notice: &Notice,
    durability: Durability,
    until: &Until<'_>,
) -> Result<(), Error> {
    check_there(root)?;
    let batch = &notice.batch;
    let below = root.join(batch.feed.as_str()).join(format!("{:010}", batch.sequence));
    for file in &batch.files {
        until.check()?;
        let to = below.join(file.to.as_str());
        let folder = to.parent().unwrap_or(&below);
        durability.create_folders(folder)?;
        if !is_there(&to, file.digest)? {
            copy(&notice.source(file), &to, file, durability, until)?;
        }
        durability.sync_folder(folder)?;
    }
    durability.create_folders(&below)?;
    write(&below.join(MANIFEST), &notice.manifest, durability)?;
    match success {
        Success::File => write(&below.join(SUCCESS), b"", durability),
        Success::None => Ok(()),
    }
}

/// Whether the copy has its name already.
fn is_there(to: &Path, expected: Digest) -> Result<bool, Error> {
    let io = |source| Error::Io { doing: "read", path: to.to_owned(), source };
    match File::open(to) {
        Ok(file) => match digest::of_reader(file).map_err(io)? {
            (_, found) if found == expected => {
                // Where a file is linked to its name, a kill may leave the other.
                durable::remove_quietly(&part_of(to));
                Ok(true)
            }
            (_, _) => Err(Error::Taken(to.to_owned())),
        },
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(io(error)),
    }
}

fn write(path: &Path, bytes: &[u8], durability: Durability) -> Result<(), Error> {
    if !is_there(path, digest::of_bytes(bytes))? {
        put(path, durability, |part| {
            let io = |source| Error::Io { doing: "write", path: part.to_owned(), source };
            std::fs::write(part, bytes).map_err(io)
        })?;
    }
    Ok(durability.sync_folder(path.parent().unwrap_or(path))?)
}

fn copy(
    from: &Path,
    to: &Path,
    file: &BatchFile,
    durability: Durability,
    until: &Until<'_>,
) -> Result<(), Error> {
    put(to, durability, |part| match copy_bytes(from, part, until)? == file.digest {
        true => Ok(()),
        false => Err(Error::Damaged(from.to_owned())),
    })
}

/// Gives a file its name once it is whole and synced. Until then it is `.NAME.part`, which the next
/// attempt begins anew, so that a kill leaves nothing that stays.
fn put(
    to: &Path,
    durability: Durability,
    fill: impl FnOnce(&Path) -> Result<(), Error>,
) -> Result<(), Error> {
    let part = part_of(to);
    let io = |source| Error::Io { doing: "open", path: part.clone(), source };
    let published = fill(&part).and_then(|()| {
        let written = File::open(&part).map_err(io)?;
        durability.sync_file(&written, &part)?;
        Ok(durability.publish_new_unsynced(&part, to)?)
    });
    if published.is_err() {
        durable::remove_quietly(&part);
    }
    published
}

fn part_of(to: &Path) -> PathBuf {
    to.with_file_name(format!(".{}.part", to.file_name().unwrap_or_default().display()))
}

fn copy_bytes(from: &Path, to: &Path, until: &Until<'_>) -> Result<Digest, Error> {
    let io = |doing, path: &Path| {
        let path = path.to_owned();
        move |source| Error::Io { doing, path, source }
    };
    let mut source = File::open(from).map_err(io("open", from))?;
    let mut target = File::create(to).map_err(io("create", to))?;
    let mut hasher = Hasher::new();
    let mut piece = vec![0; PIECE_BYTES];
    loop {
        until.check()?;
        let count = source.read(&mut piece).map_err(io("read", from))?;
        let bytes = piece.get(..count).unwrap_or_default();
        if bytes.is_empty() {
            return Ok(hasher.finish());
        }
        hasher.update(bytes);
        target.write_all(bytes).map_err(io("write", to))?;
    }
}
