//! What tells sinks, with what it needs of this process: the environment, where secrets may be, and
//! the converter's reading of Parquet.

use std::sync::Arc;

use super::rows::ParquetRows;
use crate::durable::Durability;
use crate::handoff::sinks::courier::Courier;
use crate::handoff::sinks::secret::Secrets;
use crate::zone::Zone;

/// The courier of a zone.
pub fn of(zone: &Zone, durability: Durability) -> Courier {
    let secrets = Secrets::new(zone.root().to_owned(), super::environment());
    Courier::new(secrets, Arc::new(ParquetRows), durability)
}
