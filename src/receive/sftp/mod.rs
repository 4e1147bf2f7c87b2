//! The SFTP door.

pub mod keys;
