//! Where a conversion's outputs wait below `.landfall/converted/`, and how they become durable.

use std::fs::File;
use std::io;
use std::path::PathBuf;

use crate::convert::worker::OutputPaths;
use crate::convert::{self, Converted};
use crate::durable;
use crate::ledger::{Conversion, Output};
use crate::names::ArrivalId;
use crate::zone::{Zone, ZonePath};

use super::Parts;

/// Why outputs cannot be kept.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A durable step failed.
    #[error("cannot keep the converted file")]
    Durable(#[from] durable::Error),
    /// What the converter said it wrote cannot be opened.
    #[error("cannot open {}", path.display())]
    Open {
        /// Which.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// A path would leave the zone.
    #[error("`{0}` is not a path in this zone")]
    Outside(ZonePath),
}

/// The names of one conversion's outputs.
pub struct Outputs {
    parquet: ZonePath,
    rejects: ZonePath,
}

impl Outputs {
    /// Those of an arrival's conversion.
    pub fn of(id: ArrivalId) -> Self {
        Self {
            parquet: Zone::converted_path(id, "parquet"),
            rejects: Zone::converted_path(id, "rejects.parquet"),
        }
    }

    /// Those of its replay.
    pub fn of_replay(id: ArrivalId) -> Self {
        Self {
            parquet: Zone::converted_path(id, "replay.parquet"),
            rejects: Zone::converted_path(id, "replay.rejects.parquet"),
        }
    }

    /// Where they go. What an earlier attempt left there was never recorded: it is removed.
    ///
    /// # Errors
    /// [`Error::Outside`].
    pub fn fresh(&self, zone: &Zone) -> Result<OutputPaths, Error> {
        let paths = OutputPaths {
            parquet: resolve(zone, &self.parquet)?,
            rejects: resolve(zone, &self.rejects)?,
        };
        self.remove(zone);
        Ok(paths)
    }

    /// Removes them. What a kill leaves start-up removes.
    pub fn remove(&self, zone: &Zone) {
        let paths = [&self.parquet, &self.rejects].into_iter();
        paths.filter_map(|path| zone.resolve(path)).for_each(|path| durable::remove_quietly(&path));
    }

    /// Makes them durable, so that the ledger may claim them.
    ///
    /// # Errors
    /// [`Error`].
    pub fn sync(
        &self,
        parts: &Parts,
        converted: &Converted,
        given_revision: u32,
    ) -> Result<Conversion, Error> {
        let durability = parts.config.now().durability;
        let keep = |path: &ZonePath, written: &convert::Written| -> Result<Output, Error> {
            let at = resolve(&parts.zone, path)?;
            let file =
                File::open(&at).map_err(|source| Error::Open { path: at.clone(), source })?;
            durability.sync_file(&file, &at)?;
            let convert::Written { rows, size_bytes, digest } = *written;
            Ok(Output { path: path.clone(), rows, size_bytes, digest })
        };
        let parquet = keep(&self.parquet, &converted.parquet)?;
        let rejects = converted.rejects.as_ref();
        let rejects = rejects.map(|written| keep(&self.rejects, written)).transpose()?;
        durability.sync_folder(&parts.zone.converted())?;
        let report = converted.report.clone();
        Ok(Conversion {
            converter: convert::VERSION.to_owned(),
            version: converted.version,
            revision: given_revision,
            seen: report.seen,
            written: report.written,
            rejected: report.rejected,
            skipped: report.skipped,
            parquet,
            rejects,
            report,
        })
    }
}

fn resolve(zone: &Zone, path: &ZonePath) -> Result<PathBuf, Error> {
    zone.resolve(path).ok_or_else(|| Error::Outside(path.clone()))
}
