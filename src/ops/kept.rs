//! What was configured, kept for good: every load is an event, every text is in the archive.

use crate::archive::Archive;
use crate::config::Config;
use crate::diagnostic::Diagnostic;
use crate::ledger::{Event, Ledger};

use super::diagnostic::unusable;

/// Archives the texts of a configuration and its contracts under their digests, and says in the
/// ledger that they hold from now on and who asked for it. To be called after every load; calling it again only adds the
/// events.
///
/// # Errors
/// L101 when a text cannot be kept or the ledger not written.
pub fn keep(
    config: &Config,
    by: Option<&str>,
    archive: &Archive,
    ledger: &dyn Ledger,
) -> Result<(), Diagnostic> {
    let contracts = config.contracts.values().map(|w| (&w.contract.digest, &w.text));
    for (digest, text) in std::iter::once((&config.digest, &config.text)).chain(contracts) {
        archive.keep_config(digest, text.as_bytes()).map_err(|error| unusable(&error))?;
    }
    let contracts = config.contracts.iter().map(|(feed, written)| Event::ContractLoaded {
        feed: feed.clone(),
        digest: written.contract.digest,
    });
    let loaded = Event::ConfigLoaded { digest: config.digest, by: by.map(ToOwned::to_owned) };
    for event in std::iter::once(loaded).chain(contracts) {
        ledger.note(event).map_err(|error| unusable(&error))?;
    }
    Ok(())
}
