//! What kind of file it is, by its bytes; never by its name.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

/// The kinds of file the converter tells apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Text, taken as delimited.
    Text,
    /// A workbook: XLSX, XLSM, XLSB, ODS or XLS, possibly encrypted.
    Workbook,
    /// Something that is handed off as it is, in words.
    Other(&'static str),
}

/// Bytes looked at from the start of a file.
const HEAD_BYTES: usize = 64 << 10;

/// Tells a file's kind.
///
/// # Errors
/// What the file said when it was read.
pub fn kind(raw: &File) -> io::Result<Kind> {
    let mut head = vec![0; HEAD_BYTES];
    let count = raw.read_at(&mut head, 0)?;
    head.truncate(count);
    Ok(if head.starts_with(b"PK\x03\x04") || head.starts_with(b"\xd0\xcf\x11\xe0") {
        Kind::Workbook
    } else {
        Kind::Text
    })
}
