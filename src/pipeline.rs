//! What happens next to each arrival, and how much at once.
