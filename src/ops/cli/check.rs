//! `landfall check`

use super::output::table;
use super::{Exit, Output, ZoneArgs};
use crate::config::partner;
use crate::diagnostic::Diagnostic;

#[derive(Debug, clap::Args)]
pub(super) struct Args {}

pub(super) fn run(_: Args, zone: &ZoneArgs, out: &Output) -> Result<Exit, Diagnostic> {
    let (zone, config) = zone.load()?;
    let partners = partner::names(&zone).unwrap_or_default();
    if out.is_json() {
        #[derive(serde::Serialize)]
        struct Checked {
            config: crate::names::Digest,
            feeds: usize,
            contracts: usize,
            folders: usize,
            sinks: usize,
            partners: usize,
        }
        let checked = Checked {
            config: config.digest,
            feeds: config.feeds.len(),
            contracts: config.contracts.len(),
            folders: config.folders.len(),
            sinks: config.sinks.len(),
            partners: partners.len(),
        };
        out.object("landfall.check/v1", &checked);
        return Ok(Exit::Ok);
    }
    let door = config.sftp.listen.map_or("closed".to_owned(), |listen| listen.to_string());
    let rows = [
        ["sftp".to_owned(), door],
        ["feeds".to_owned(), joined(config.feeds.keys())],
        ["contracts".to_owned(), joined(config.contracts.keys())],
        ["folders".to_owned(), joined(config.folders.values().map(|f| f.path.display()))],
        ["sinks".to_owned(), joined(config.sinks.keys())],
        ["partners".to_owned(), joined(&partners)],
    ];
    out.print(&format!("The configuration is valid.\n{}", table(&rows)));
    Ok(Exit::Ok)
}

fn joined<T: ToString>(items: impl IntoIterator<Item = T>) -> String {
    let items: Vec<String> = items.into_iter().map(|item| item.to_string()).collect();
    if items.is_empty() { "none".to_owned() } else { items.join(", ") }
}
