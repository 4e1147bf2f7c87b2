//! Secrets, read where the configuration says that they are.
//!
//! A secret is read at each attempt and never kept, shown or logged: errors name only where
//! it was looked for.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::config::Secret;

/// Bytes of a file that a secret is read from.
const SECRET_BYTES_MAX: u64 = 64 << 10;

/// Looks a name up in the environment.
pub type Environment = Arc<dyn Fn(&str) -> Option<String> + Send + Sync>;

/// Why a secret could not be had.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The environment does not have it.
    #[error("the environment of the server has no {0}")]
    NotInEnvironment(String),
    /// The file cannot be read.
    #[error("the secret's file {} cannot be read", path.display())]
    Io {
        /// Which.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
}

/// Where secrets are looked for.
#[derive(Clone)]
pub struct Secrets {
    zone: PathBuf,
    environment: Environment,
}

impl Secrets {
    /// Secrets of a zone, whose folder paths are relative to, and of an environment.
    pub fn new(zone: PathBuf, environment: Environment) -> Self {
        Self { zone, environment }
    }

    /// Secrets of a zone that are in files only.
    pub fn of_files(zone: PathBuf) -> Self {
        Self::new(zone, Arc::new(|_| None))
    }

    /// The zone's folder, which paths are relative to.
    pub fn zone(&self) -> &Path {
        &self.zone
    }

    /// The secret's text, without the white space around it.
    ///
    /// # Errors
    /// [`Error`], which says where it was looked for.
    pub fn get(&self, secret: &Secret) -> Result<String, Error> {
        match secret {
            Secret::Environment(name) => {
                let found = (self.environment)(name);
                let text = found.ok_or_else(|| Error::NotInEnvironment(name.clone()))?;
                Ok(text.trim().to_owned())
            }
            Secret::File(path) => {
                let path = self.zone.join(path);
                let read = std::fs::File::open(&path).and_then(|file| {
                    std::io::read_to_string(std::io::Read::take(file, SECRET_BYTES_MAX))
                });
                let text = read.map_err(|source| Error::Io { path, source })?;
                Ok(text.trim().to_owned())
            }
        }
    }
}

impl std::fmt::Debug for Secrets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Secrets").field("zone", &self.zone).finish_non_exhaustive()
    }
}
