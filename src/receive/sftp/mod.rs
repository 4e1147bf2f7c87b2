//! The SFTP door.
