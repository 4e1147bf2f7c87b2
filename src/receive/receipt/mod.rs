//! What the sender gets back.
