//! Which zone a command is about.

use std::path::{Path, PathBuf};

use crate::config::{self, Config};
use crate::diagnostic::{Code, Diagnostic};
use crate::ops::diagnostic::of_problems;
use crate::zone::Zone;

/// `--zone`.
#[derive(Debug, Clone, clap::Args)]
pub struct ZoneArgs {
    /// The zone's folder [default: $LANDFALL_ZONE, this folder if it has a landfall.toml, else
    /// ./landing]
    #[arg(long, global = true, value_name = "DIR")]
    zone: Option<PathBuf>,
}

impl ZoneArgs {
    /// The folder that is meant, whether or not it is a zone.
    pub fn folder(&self) -> PathBuf {
        let from_environment = || std::env::var_os("LANDFALL_ZONE").map(PathBuf::from);
        let named = self.zone.clone().or_else(from_environment);
        named.unwrap_or_else(|| {
            let here = Path::new("landfall.toml").is_file();
            PathBuf::from(if here { "." } else { "landing" })
        })
    }

    /// ` --zone DIR` for a command to paste, when it was given to this one.
    pub fn suffix(&self) -> String {
        self.zone.as_ref().map_or(String::new(), |zone| format!(" --zone {}", zone.display()))
    }

    /// The zone that is meant.
    ///
    /// # Errors
    /// [`Code::Z102`] when the folder has no `landfall.toml`.
    pub fn find(&self) -> Result<Zone, Diagnostic> {
        let folder = self.folder();
        let not_a_zone =
            || Diagnostic::error(Code::Z102, format!("{} is not a zone", folder.display()));
        let root = folder.canonicalize().map_err(|error| not_a_zone().caused_by(&error))?;
        let zone = Zone::new(root);
        match zone.config_file().is_file() {
            true => Ok(zone),
            false => Err(not_a_zone()),
        }
    }

    /// The zone and its valid configuration.
    ///
    /// # Errors
    /// [`Code::Z102`], [`Code::Z101`].
    pub fn load(&self) -> Result<(Zone, Config), Diagnostic> {
        let zone = self.find()?;
        let config = load(&zone)?;
        Ok((zone, config))
    }
}

/// A zone's valid configuration.
///
/// # Errors
/// [`Code::Z101`] with every problem.
pub fn load(zone: &Zone) -> Result<Config, Diagnostic> {
    config::load(zone).map_err(|problems| of_problems(&problems))
}
