//! Confined converter processes.
