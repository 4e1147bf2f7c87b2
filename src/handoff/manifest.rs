//! The published document that commits a batch.
