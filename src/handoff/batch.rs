//! Publishing a closed batch.
