//! The archive on a local file system.

use std::fs::File;

use crate::durable::Durability;
use crate::names::Digest;
use crate::zone::{Zone, ZonePath};

use super::{Error, Identity, RawObject, Staged};

/// A zone's archive. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Archive {
    zone: Zone,
    durability: Durability,
}

impl Archive {
    /// The archive of a zone.
    pub fn new(zone: Zone, durability: Durability) -> Self {
        Self { zone, durability }
    }

    /// Makes a staged file a raw object. With no `digest` the bytes are hashed here. When it
    /// returns the object is durable and the staged path is gone.
    ///
    /// # Errors
    /// [`Error`]; the object is then not published.
    pub fn store(
        &self,
        staged: Staged,
        identity: &Identity,
        digest: Option<Digest>,
    ) -> Result<RawObject, Error> {
        let _ = (staged, identity, digest, self.durability);
        todo!()
    }

    /// Opens a raw object for reading.
    ///
    /// # Errors
    /// [`Error::Outside`], [`Error::Io`].
    pub fn open(&self, raw: &ZonePath) -> Result<File, Error> {
        let _ = (raw, &self.zone);
        todo!()
    }
}
