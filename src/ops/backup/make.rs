//! Taking a backup.

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::{ABOUT, About, FILE_BYTES_MAX, Head, LEDGER, SUMS, ZONE, failed};
use crate::archive::digest;
use crate::clock::Clock;
use crate::diagnostic::{Code, Diagnostic};
use crate::durable::{self, Durability};
use crate::ledger::sqlite;
use crate::zone::Zone;

const FULL: Durability = Durability::Full;

/// A backup that was taken.
#[derive(Debug, Clone, Serialize)]
pub struct Made {
    /// Where it is.
    pub backup: PathBuf,
    /// What it says of itself.
    #[serde(flatten)]
    pub about: About,
    /// Bytes of the ledger in it.
    pub ledger_bytes: u64,
    /// Files of the configuration and keys in it.
    pub files: usize,
}

/// Takes a backup into the new folder `to`. `progress` is told of pages copied and of all there are.
///
/// # Errors
/// [`Code::A120`]; there is then no folder of that name.
pub fn make(
    zone: &Zone,
    to: &Path,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<Made, Diagnostic> {
    if fs::symlink_metadata(to).is_ok() {
        let summary = format!("{} is there already", to.display());
        return Err(Diagnostic::error(Code::A120, summary)
            .hint("Name a new folder for each backup, such as one with the day in its name."));
    }
    let partial = partial(to).ok_or_else(|| {
        Diagnostic::error(Code::A120, format!("{} cannot be a backup's name", to.display()))
    })?;
    let made = fill(zone, &partial, progress).and_then(|(about, files)| {
        FULL.publish_new(&partial, to).map_err(|e| failed("the backup cannot be made", to, &e))?;
        Ok((about, files))
    });
    if made.is_err()
        && let Err(error) = fs::remove_dir_all(&partial)
        && error.kind() != io::ErrorKind::NotFound
    {
        tracing::warn!(%error, path = %partial.display(), "an unfinished backup stays behind");
    }
    let (about, files) = made?;
    let ledger_bytes = fs::metadata(to.join(LEDGER)).map_or(0, |metadata| metadata.len());
    Ok(Made { backup: to.to_owned(), about, ledger_bytes, files })
}

fn partial(to: &Path) -> Option<PathBuf> {
    let name = to.file_name()?.to_string_lossy();
    Some(to.with_file_name(format!(".{name}.{}.partial", std::process::id())))
}

fn fill(
    zone: &Zone,
    to: &Path,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<(About, usize), Diagnostic> {
    let told =
        |error: &(dyn std::error::Error + 'static)| failed("the backup cannot be made", to, error);
    if let Some(parent) = to.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        FULL.create_folders(parent).map_err(|e| told(&e))?;
    }
    make_folder(to).map_err(|e| told(&e))?;
    let taken_at = Clock::system().now();
    let ledger = to.join(LEDGER);
    sqlite::copy(&zone.ledger_file(), &ledger, progress).map_err(|e| told(&e))?;
    let head = Head::of(&ledger).map_err(|e| told(&e))?;
    let about = About {
        schema: "landfall.backup/v1".to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        taken_at,
        head,
    };
    let mut kept = vec![PathBuf::from(LEDGER)];
    for below in settings(zone).map_err(|e| told(&e))? {
        let copy = Path::new(ZONE).join(&below);
        copy_file(&zone.root().join(&below), &to.join(&copy)).map_err(|e| told(&e))?;
        kept.push(copy);
    }
    let files = kept.len() - 1;
    let text = serde_json::to_vec_pretty(&about).map_err(|e| told(&e))?;
    FULL.write_new_as(&to.join(ABOUT), &text, 0o600).map_err(|e| told(&e))?;
    kept.push(PathBuf::from(ABOUT));
    let sums = sums(to, &kept).map_err(|e| told(&e))?;
    FULL.write_new_as(&to.join(SUMS), sums.as_bytes(), 0o600).map_err(|e| told(&e))?;
    Ok((about, files))
}

fn make_folder(path: &Path) -> io::Result<()> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// The files of the configuration and the keys, below the zone.
fn settings(zone: &Zone) -> io::Result<Vec<PathBuf>> {
    let mut found = vec![zone.config_file()];
    for (folder, extension) in
        [(zone.partners(), Some("toml")), (zone.contracts(), Some("toml")), (zone.keys(), None)]
    {
        let entries = match fs::read_dir(&folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(error),
        };
        for entry in entries {
            let path = entry?.path();
            let named = |wanted: &str| path.extension().is_some_and(|found| found == wanted);
            let hidden =
                path.file_name().is_none_or(|name| name.as_encoded_bytes().starts_with(b"."));
            if path.is_file() && !hidden && extension.is_none_or(named) {
                found.push(path);
            }
        }
    }
    found.sort();
    let below = found.iter().filter_map(|path| path.strip_prefix(zone.root()).ok());
    Ok(below.map(Path::to_owned).collect())
}

/// Copies a small file with its permissions, at most those of its owner.
pub(super) fn copy_file(from: &Path, to: &Path) -> Result<(), CopyError> {
    let failed = |source| CopyError::Io { path: from.to_owned(), source };
    let file = File::open(from).map_err(failed)?;
    let mode = file.metadata().map_err(failed)?.mode() & 0o700;
    let mut bytes = Vec::new();
    file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > FILE_BYTES_MAX {
        return Err(CopyError::TooLarge(from.to_owned()));
    }
    let folder = to.parent().unwrap_or(Path::new("."));
    make_folder(folder).map_err(failed)?;
    FULL.write_new_as(to, &bytes, mode)?;
    Ok(())
}

/// A file of the configuration that cannot be copied.
#[derive(Debug, thiserror::Error)]
pub(super) enum CopyError {
    /// It cannot be read.
    #[error("cannot copy {}", path.display())]
    Io {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    /// The copy cannot be written.
    #[error(transparent)]
    Durable(#[from] durable::Error),
    /// It is not what a configuration or key looks like.
    #[error("{} is larger than 4 MiB", .0.display())]
    TooLarge(PathBuf),
}

/// The text of `SHA256SUMS` over these files, and everything synced.
fn sums(to: &Path, files: &[PathBuf]) -> Result<String, CopyError> {
    let mut text = String::new();
    for below in files {
        let path = to.join(below);
        let failed = |source| CopyError::Io { path: path.clone(), source };
        let file = File::open(&path).map_err(failed)?;
        let owner_only =
            fs::Permissions::from_mode(file.metadata().map_err(failed)?.mode() & 0o700);
        file.set_permissions(owner_only).map_err(failed)?;
        FULL.sync_file_and_attributes(&file, &path)?;
        let (_, digest) = digest::of_reader(&file).map_err(failed)?;
        text.push_str(&format!("{digest}  {}\n", below.display()));
        FULL.sync_folder(path.parent().unwrap_or(to))?;
    }
    Ok(text)
}
