//! `landfall send`

use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use serde::Serialize;

use super::output::size;
use super::{Exit, Output, ZoneArgs};
use crate::diagnostic::{Code, Diagnostic};
use crate::names::{ArrivalId, FeedName, FileName};
use crate::ops::control::Client;
use crate::ops::local::{self, LocalFile};
use crate::ops::serve::{Core, Options};
use crate::ops::who;
use crate::ops::writing::check_owner;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The files
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// The feed they belong to
    #[arg(long)]
    feed: FeedName,
    /// What the file is called in the feed, instead of its own name; for one file only
    #[arg(long)]
    name: Option<String>,
}

/// The way in: a running server, or this process when none runs.
enum Way {
    Server(Client),
    Here(Box<Core>),
}

#[derive(Serialize)]
struct Sent<'a> {
    id: ArrivalId,
    feed: &'a FeedName,
    name: &'a FileName,
    size_bytes: u64,
}

pub(super) fn run(args: Args, zone: &ZoneArgs, out: &Output) -> Result<Exit, Diagnostic> {
    if args.name.is_some() && args.files.len() > 1 {
        return Err(Diagnostic::error(Code::Z107, "--name is for one file only"));
    }
    let zone = zone.find()?;
    let way = match Client::find(&zone)? {
        Some(client) => Way::Server(client),
        None => {
            check_owner(&zone)?;
            Way::Here(Box::new(Core::open(zone, Options::default())?))
        }
    };
    let mut failures = Vec::new();
    for path in &args.files {
        if let Err(told) = send(&way, path, &args, out) {
            failures.push(told);
        }
    }
    let sent = args.files.len() - failures.len();
    if sent > 0 && matches!(way, Way::Here(_)) {
        out.say("No server runs. What was sent is archived and recorded, and will be converted when\n`landfall serve` starts.");
    }
    match (failures.pop(), args.files.as_slice()) {
        (None, _) => Ok(Exit::Ok),
        (Some(told), [_]) => Err(told),
        (Some(last), _) => {
            failures.iter().chain([&last]).for_each(|told| out.tell(told));
            Ok(if sent > 0 { Exit::Problems } else { Exit::of(last.code) })
        }
    }
}

fn send(way: &Way, path: &Path, args: &Args, out: &Output) -> Result<(), Diagnostic> {
    let (file, size_bytes, modified_s) = open(path)?;
    let name = name(path, args)?;
    let feed = args.feed.clone();
    let id = match way {
        Way::Server(client) => client.send(&file, &feed, &name, modified_s)?,
        Way::Here(core) => {
            let local = LocalFile { file, feed, name: name.clone(), modified_s, by: who() };
            local::take(&core.zone, &core.config.now(), core.intake.as_ref(), local)?.id
        }
    };
    if out.is_json() {
        let sent = Sent { id, feed: &args.feed, name: &name, size_bytes };
        out.object("landfall.sent/v1", &sent);
    } else {
        out.print(&format!("{id}  {name} ({}) is archived in {}", size(size_bytes), args.feed));
    }
    Ok(())
}

/// Opens a regular file; returns it with its size and modification time.
fn open(path: &Path) -> Result<(File, u64, Option<u32>), Diagnostic> {
    let failed = |error: &(dyn std::error::Error + 'static)| {
        Diagnostic::error(Code::Z105, format!("{} cannot be read", path.display())).caused_by(error)
    };
    // Looked at before it is opened: opening a pipe would wait for its writer.
    let metadata = std::fs::metadata(path).map_err(|e| failed(&e))?;
    if !metadata.is_file() {
        let summary = format!("{} is not a regular file", path.display());
        return Err(Diagnostic::error(Code::F101, summary).hint("Name files, not folders."));
    }
    let file = File::open(path).map_err(|e| failed(&e))?;
    let modified = metadata.modified().ok().and_then(|at| at.duration_since(UNIX_EPOCH).ok());
    let modified_s = modified.and_then(|since| u32::try_from(since.as_secs()).ok());
    Ok((file, metadata.len(), modified_s))
}

fn name(path: &Path, args: &Args) -> Result<FileName, Diagnostic> {
    use std::os::unix::ffi::OsStrExt as _;
    let own = || path.file_name().unwrap_or_default().as_bytes().to_vec();
    let bytes = args.name.as_ref().map_or_else(own, |name| name.clone().into_bytes());
    FileName::new(bytes).map_err(|error| {
        Diagnostic::error(Code::Z107, error.to_string()).hint("Give it a name with --name.")
    })
}
