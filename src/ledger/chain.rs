//! Hashes that tie each event to all before it.
