//! `landfall feed new`: asks what a lake needs to know of a feed, writes it into `landfall.toml`, and
//! prints a page for those who will send and read it.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use super::brief::Brief;
use super::questions::Answers;
use crate::config::{self, Config};
use crate::diagnostic::{Code, Diagnostic};
use crate::durable::{self, Durability};
use crate::names::FeedName;
use crate::ops::cli::{Exit, Output};
use crate::ops::diagnostic::of_problems;
use crate::zone::Zone;

#[derive(Debug, clap::Args)]
pub(in crate::ops::cli) struct Args {
    /// Its name: a-z, 0-9, `-`, `_`
    feed: FeedName,
    #[command(flatten)]
    answers: Answers,
}

pub(super) fn run(
    args: Args,
    zone: &Zone,
    config: &Config,
    suffix: &str,
    out: &Output,
) -> Result<Exit, Diagnostic> {
    let Args { feed, answers } = args;
    let refused = |error: &config::NotAdded| {
        Diagnostic::error(Code::H134, format!("the feed {feed} was not added")).caused_by(error)
    };
    if config.feeds.contains_key(&feed) {
        return Err(refused(&config::NotAdded::Taken(feed.clone())));
    }
    let card = answers.complete()?;
    let text = config::with_feed(&config.text, &feed, &card).map_err(|error| refused(&error))?;
    let new = config::parse("landfall.toml", &text).map_err(|problems| of_problems(&problems))?;
    write(&zone.config_file(), &config.text, &text)?;
    let folder = new.folders.values().find(|folder| folder.feed == feed);
    let folder = folder.map(|folder| zone.root().join(&folder.path));
    let brief = Brief { feed: &feed, of: &new.feed(&feed), folder, suffix };
    if out.is_json() {
        out.object("landfall.brief/v1", &brief.facts());
    } else {
        out.print(&brief.text());
    }
    out.say(&format!(
        "Written to landfall.toml. A running server takes it over with `landfall reload{suffix}`."
    ));
    Ok(Exit::Ok)
}

/// Puts a new text in the place of the one that was read, if nobody changed that meanwhile.
fn write(path: &Path, old: &str, new: &str) -> Result<(), Diagnostic> {
    let failed = |error: &(dyn std::error::Error + 'static)| {
        Diagnostic::error(Code::Z105, "landfall.toml was not changed").caused_by(error)
    };
    // A link stays a link, and the file keeps its permissions.
    let path = path.canonicalize().map_err(|e| failed(&e))?;
    if fs::read_to_string(&path).map_err(|e| failed(&e))? != old {
        let told = Diagnostic::error(Code::Z105, "landfall.toml was changed meanwhile");
        return Err(told.hint("Run the command again."));
    }
    let mode = fs::metadata(&path).map_err(|e| failed(&e))?.permissions().mode() & 0o7777;
    let beside = path.with_file_name(format!(".landfall.toml.{}", std::process::id()));
    let written = Durability::Full.write_new_as(&beside, new.as_bytes(), mode);
    let replaced = written.and_then(|()| Durability::Full.replace_by(&beside, &path));
    replaced.map_err(|error| {
        durable::remove_quietly(&beside);
        failed(&error)
    })
}
