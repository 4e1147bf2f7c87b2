//! Delivering batches to sinks.
