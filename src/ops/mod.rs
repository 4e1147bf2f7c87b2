//! Everything that speaks to terminal, environment and exit code.
pub mod cli;
