//! Bringing a damaged or missing file back from a copy of the zone.
//!
//! The copy's bytes are taken only if they have the recorded digest. The damaged file is moved to
//! `.landfall/damaged/` first, so that nothing that may be evidence is lost; then the good one is
//! published under its name, as any other file.

use std::fs::{self, File, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use crate::archive::Archive;
use crate::archive::digest::Hasher;
use crate::clock::Timestamp;
use crate::durable::{self, Durability};
use crate::ledger::{Finding, Ledger, Problem};
use crate::zone::{Zone, ZonePath};

use super::Error;

/// Bytes copied at a time.
const CHUNK_BYTES: usize = 1 << 18;

/// A copy of the zone: its folder, or any in which the files lie as they do there.
#[derive(Debug, Clone)]
pub struct Copies {
    /// Where.
    pub folder: PathBuf,
}

/// What became of a finding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Mended {
    /// The file is back; the damaged one, if there was one, is kept here.
    Back(Option<PathBuf>),
    /// The copy does not have the file.
    NoCopy,
    /// The copy has other bytes than were recorded.
    Unfit,
    /// Nobody knows what the file should be.
    Nothing,
}

/// Brings a file back from a copy. A file that the ledger does not know is left alone.
///
/// # Errors
/// [`Error`] when the good file could not be put in place.
pub fn mend(
    zone: &Zone,
    ledger: &dyn Ledger,
    finding: &Finding,
    copies: &Copies,
    now: Timestamp,
) -> Result<Mended, Error> {
    let recorded = match (finding.problem, finding.recorded) {
        (Problem::Unknown, _) | (_, None) => return Ok(Mended::Nothing),
        (Problem::Damaged | Problem::Missing | Problem::Unreadable, Some(recorded)) => recorded,
    };
    let Some(from) = find_copy(copies, &finding.path) else { return Ok(Mended::NoCopy) };
    let place = place_of(zone, &finding.path);
    let folder = place.parent().unwrap_or(zone.root()).to_owned();
    Durability::Full.create_folders(&folder)?;
    let name = place.file_name().unwrap_or_default().to_string_lossy();
    let fresh = folder.join(format!(".{name}.{}.mending", std::process::id()));
    let copied = copy(&from, &fresh);
    let (file, digest) = copied.inspect_err(|_| durable::remove_quietly(&fresh))?;
    if digest != recorded {
        durable::remove_quietly(&fresh);
        return Ok(Mended::Unfit);
    }
    let put = put_in_place(zone, ledger, finding, (&file, &fresh), (&place, now));
    if put.is_err() {
        durable::remove_quietly(&fresh);
    }
    put.map(Mended::Back)
}

/// The file in the copy; what was retracted may lie in either place.
fn find_copy(copies: &Copies, path: &ZonePath) -> Option<PathBuf> {
    let copy = Zone::new(&copies.folder);
    let places = [path.clone(), Zone::retracted_path(path)];
    places.iter().filter_map(|path| copy.resolve(path)).find(|path| path.is_file())
}

/// Where the file lies, or should lie, in the zone.
fn place_of(zone: &Zone, path: &ZonePath) -> PathBuf {
    let resolve = |path: &ZonePath| zone.resolve(path).unwrap_or_else(|| zone.root().join("_"));
    let (place, retracted) = (resolve(path), resolve(&Zone::retracted_path(path)));
    if !place.exists() && retracted.exists() { retracted } else { place }
}

fn copy(from: &Path, to: &Path) -> Result<(File, crate::names::Digest), Error> {
    use std::io::Read as _;
    let failed = |doing, path: &Path| {
        let path = path.to_owned();
        move |source| Error::Io { doing, path, source }
    };
    let mut source = File::open(from).map_err(failed("open", from))?;
    let mut target = File::create(to).map_err(failed("create", to))?;
    let (mut hasher, mut buffer) = (Hasher::new(), vec![0; CHUNK_BYTES]);
    loop {
        let count = match source.read(&mut buffer) {
            Ok(0) => return Ok((target, hasher.finish())),
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(failed("read", from)(error)),
        };
        let bytes = buffer.get(..count).unwrap_or_default();
        hasher.update(bytes);
        target.write_all(bytes).map_err(failed("write", to))?;
    }
}

fn put_in_place(
    zone: &Zone,
    ledger: &dyn Ledger,
    finding: &Finding,
    (file, fresh): (&File, &Path),
    (place, now): (&Path, Timestamp),
) -> Result<Option<PathBuf>, Error> {
    let failed = |doing| {
        let path = fresh.to_owned();
        move |source| Error::Io { doing, path, source }
    };
    // Whoever mends may be root: the file belongs to whom its folder belongs to.
    let folder = place.parent().unwrap_or(zone.root());
    let owner = fs::metadata(folder).map_err(failed("look at the folder of"))?;
    if rustix::process::geteuid().is_root() {
        std::os::unix::fs::fchown(file, Some(owner.uid()), Some(owner.gid()))
            .map_err(failed("give away"))?;
    }
    let is_raw = finding.path.as_str().starts_with("archive/");
    if is_raw
        && let Some(id) = finding.arrival
        && let Some(arrival) = ledger.arrival(id)?
    {
        Archive::mark_again(file, fresh, &arrival)
            .map_err(|error| failed("mark")(io::Error::other(error)))?;
    }
    let mode = if is_raw { 0o440 } else { 0o644 };
    file.set_permissions(Permissions::from_mode(mode)).map_err(failed("protect"))?;
    Durability::Full.sync_file_and_attributes(file, fresh)?;
    let mut aside = None;
    if place.exists() {
        let damaged = zone.damaged();
        Durability::Full.create_folders(&damaged)?;
        let name = finding.path.as_str().replace('/', "_");
        let at = now.strftime("%Y%m%dT%H%M%S%6f");
        let kept = damaged
            .join(format!("{at}_{}", name.get(name.len().saturating_sub(200)..).unwrap_or("file")));
        Durability::Full.publish_new(place, &kept)?;
        aside = Some(kept);
    }
    Durability::Full.publish_new(fresh, place)?;
    Ok(aside)
}
