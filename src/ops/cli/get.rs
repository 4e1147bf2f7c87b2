//! `landfall get`

use std::fs::{File, OpenOptions};
use std::io::{self, IsTerminal as _, Read as _, Write};
use std::path::{Path, PathBuf};

use super::{Exit, Output, ZoneArgs, reading};
use crate::archive::Archive;
use crate::archive::digest::Hasher;
use crate::diagnostic::{Code, Diagnostic};
use crate::durable::{self, Durability};
use crate::ledger::Arrival;

/// Bytes copied at a time.
const CHUNK_BYTES: usize = 1 << 20;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The file's id or SHA-256, of which the first digits are enough when unique, or its name,
    /// which means the newest
    file: String,
    /// Where to put it; `-` is standard output, the default unless that is a terminal
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
}

pub(super) fn run(args: Args, zone: &ZoneArgs, out: &Output) -> Result<Exit, Diagnostic> {
    let zone = zone.find()?;
    let (_, arrival) = reading::arrival(&zone, &args.file)?;
    if arrival.state.is_erased() {
        let told = Diagnostic::error(Code::A128, format!("{} was erased", arrival.name));
        return Err(told.hint(format!("`landfall show {}` tells by whom and why.", arrival.id)));
    }
    let raw = Archive::new(zone, Durability::Relaxed).open(&arrival.raw).map_err(|error| {
        Diagnostic::error(Code::A101, "the raw object cannot be opened")
            .fact("path", &arrival.raw)
            .caused_by(&error)
    })?;
    match args.output.as_deref() {
        Some(path) if path != Path::new("-") => to_file(&arrival, raw, path, out)?,
        None if io::stdout().is_terminal() => {
            return Err(Diagnostic::error(Code::Z107, "this would fill the terminal")
                .hint("Name a file with -o FILE, or say -o - if you mean it."));
        }
        Some(_) | None => copy(&arrival, raw, &mut io::stdout().lock(), out)?,
    }
    Ok(Exit::Ok)
}

/// Copies under a temporary name, which gets the final one only if every byte is right.
fn to_file(arrival: &Arrival, raw: File, path: &Path, out: &Output) -> Result<(), Diagnostic> {
    let failed = |error: &(dyn std::error::Error + 'static)| {
        Diagnostic::error(Code::Z105, format!("{} cannot be written", path.display()))
            .caused_by(error)
    };
    if path.exists() {
        return Err(failed(&io::Error::from(io::ErrorKind::AlreadyExists))
            .hint("Choose another name with -o, or remove the file first."));
    }
    let mut name = std::ffi::OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    name.push(format!(".{}.tmp", std::process::id()));
    let temporary = path.with_file_name(name);
    let mut options = OpenOptions::new();
    let mut file = options.write(true).create_new(true).open(&temporary).map_err(|e| failed(&e))?;
    let published = copy(arrival, raw, &mut file, out).and_then(|()| {
        let durability = Durability::Full;
        let synced = durability.sync_file(&file, &temporary);
        let named = synced.and_then(|()| durability.publish_new_unsynced(&temporary, path));
        named.map_err(|e| failed(&e))
    });
    if published.is_err() {
        durable::remove_quietly(&temporary);
        return published;
    }
    out.say(&format!("{} ({} bytes, SHA-256 verified)", path.display(), arrival.size_bytes));
    Ok(())
}

/// Copies the raw bytes and compares them with what the ledger recorded.
fn copy(
    arrival: &Arrival,
    mut raw: File,
    to: &mut dyn Write,
    out: &Output,
) -> Result<(), Diagnostic> {
    let failed = |error: &(dyn std::error::Error + 'static)| {
        Diagnostic::error(Code::Z105, "the raw object cannot be copied").caused_by(error)
    };
    let bar = out.bytes_bar(&arrival.name.to_string(), arrival.size_bytes);
    let mut hasher = Hasher::new();
    let mut buffer = vec![0; CHUNK_BYTES];
    loop {
        let count = raw.read(&mut buffer).map_err(|e| failed(&e))?;
        let chunk = buffer.get(..count).unwrap_or_default();
        if chunk.is_empty() {
            break;
        }
        hasher.update(chunk);
        to.write_all(chunk).map_err(|e| failed(&e))?;
        bar.inc(count as u64);
    }
    to.flush().map_err(|e| failed(&e))?;
    bar.finish_and_clear();
    let found = hasher.finish();
    if found == arrival.digest {
        return Ok(());
    }
    Err(Diagnostic::error(Code::A101, format!("the archive's copy of {} is damaged", arrival.name))
        .fact("path", &arrival.raw)
        .fact("recorded", arrival.digest)
        .fact("found", found))
}
