//! What kind of file it is, by its bytes; never by its name.
//!
//! Text is what has no mark of another format and hardly any control characters. Whether its bytes
//! are valid in some encoding is judged when it is read.

use std::io;

use serde::de::IgnoredAny;

use super::text::unmarked_utf16;
use super::unpack::{Content, Seekable, Wrapper};

/// The kinds of file the converter tells apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Text, taken as delimited.
    Text,
    /// JSON: one value or several.
    Json,
    /// A workbook: XLSX, XLSM, XLSB, ODS or XLS, possibly encrypted.
    Workbook,
    /// Parquet.
    Parquet,
    /// A wrapper around something.
    Wrapped(Wrapper),
    /// A zip archive that is not a workbook.
    Zip,
    /// Packed in a way that is not unpacked here, in words.
    Packed(&'static str),
    /// Something that is handed off as it is, in words.
    Other(&'static str),
}

impl Kind {
    /// The kind in words.
    pub fn words(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Json => "JSON",
            Self::Workbook => "a workbook",
            Self::Parquet => "Parquet",
            Self::Wrapped(wrapper) => wrapper.name(),
            Self::Zip => "a zip archive",
            Self::Packed(what) | Self::Other(what) => what,
        }
    }
}

/// Bytes looked at from the start and from the end of a file.
const HEAD_BYTES: usize = 64 << 10;
/// A zip archive's directory lies at its end.
const TAIL_BYTES: usize = 1 << 20;
/// A zip archive begins with a member, or with the end of its directory when it has none.
const ZIP: [&[u8]; 2] = [b"PK\x03\x04", b"PK\x05\x06"];
const PARQUET: &[u8] = b"PAR1";
const OLE2: &[u8] = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1";
/// The first bytes of packings that are not unpacked here.
const PACKINGS: [(&[u8], &str); 2] =
    [(b"7z\xbc\xaf\x27\x1c", "a 7z archive"), (b"Rar!\x1a\x07", "a RAR archive")];
/// The first bytes of formats that are not text.
const MARKS: [(&[u8], &str); 15] = [
    (b"ARROW1", "Arrow"),
    (b"ORC", "ORC"),
    (b"Obj\x01", "Avro"),
    (b"SQLite format 3\0", "an SQLite database"),
    (b"%PDF-", "PDF"),
    (b"\x89PNG\r\n\x1a\n", "a PNG image"),
    (b"\xff\xd8\xff", "a JPEG image"),
    (b"GIF8", "a GIF image"),
    (b"II*\0", "a TIFF image"),
    (b"MM\0*", "a TIFF image"),
    (b"\x7fELF", "a program"),
    (b"MZ\x90\0", "a program"),
    (b"{\\rtf", "RTF"),
    (b"-----BEGIN PGP MESSAGE", "a PGP message"),
    (b"\x89HDF\r\n\x1a\n", "HDF5"),
];
/// Control characters in a thousand bytes above which bytes are no text; random bytes have about 110.
const CONTROLS_MAX: usize = 20;
/// The same for bytes that are valid UTF-8, such as text padded with NUL.
const CONTROLS_MAX_UTF8: usize = 300;

/// Whether the first bytes are those of a package or of Parquet, whose content needs random access.
pub fn needs_any_place(head: &[u8]) -> bool {
    is_package(head) || head.starts_with(PARQUET)
}

fn is_package(head: &[u8]) -> bool {
    ZIP.iter().any(|mark| head.starts_with(mark)) || head.starts_with(OLE2)
}

/// Tells a file's kind. A package must be a file, or in memory.
///
/// # Errors
/// What the file said when it was read.
pub fn kind(content: &Content) -> io::Result<Kind> {
    let head = content.head(HEAD_BYTES)?;
    if head.starts_with(OLE2) {
        return Ok(ole2_kind(&directory(&mut content.seekable()?, &head)?));
    }
    if is_package(&head) {
        let mut end = content.seekable()?;
        let tail_at = end.size_bytes().saturating_sub(TAIL_BYTES as u64);
        return Ok(zip_kind(&head, &end.part(tail_at, TAIL_BYTES)?));
    }
    if head.starts_with(PARQUET) {
        return Ok(Kind::Parquet);
    }
    if let Some(wrapper) = Wrapper::ALL.into_iter().find(|w| head.starts_with(w.mark())) {
        return Ok(Kind::Wrapped(wrapper));
    }
    if let Some((_, what)) = PACKINGS.into_iter().find(|(mark, _)| head.starts_with(mark)) {
        return Ok(Kind::Packed(what));
    }
    Ok(other(&head))
}

fn zip_kind(head: &[u8], tail: &[u8]) -> Kind {
    let has = |name: &[u8]| holds(head, name) || holds(tail, name);
    if has(b"xl/workbook.") || has(b"application/vnd.oasis.opendocument.spreadsheet") {
        Kind::Workbook
    } else {
        Kind::Zip
    }
}

/// The first sectors of an OLE2 file's directory ([MS-CFB] 2.2: sector size at 30, first directory
/// sector at 48).
fn directory(raw: &mut Seekable, head: &[u8]) -> io::Result<Vec<u8>> {
    let number = |at: usize, bytes: usize| {
        let bytes = head.get(at..at + bytes).unwrap_or_default();
        bytes.iter().rev().fold(0_u64, |value, byte| value << 8 | u64::from(*byte))
    };
    let sector_bytes = 1_u64 << number(30, 2).clamp(7, 16);
    raw.part((number(48, 4) + 1).saturating_mul(sector_bytes), 4 * HEAD_BYTES)
}

fn ole2_kind(directory: &[u8]) -> Kind {
    let has = |name: &str| {
        let name: Vec<u8> = name.encode_utf16().flat_map(u16::to_le_bytes).collect();
        holds(directory, &name)
    };
    if has("Workbook\0") || has("Book\0") || has("EncryptedPackage\0") {
        Kind::Workbook
    } else {
        Kind::Other("an OLE2 document that is not a workbook")
    }
}

fn holds(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

fn other(head: &[u8]) -> Kind {
    let marked = MARKS.into_iter().find(|(mark, _)| head.starts_with(mark));
    if let Some((_, what)) = marked {
        return Kind::Other(what);
    }
    let text = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head);
    let text = text.trim_ascii_start();
    let is_markup = [&b"<?xml"[..], b"<!DOCTYPE", b"<!doctype", b"<html", b"<HTML", b"<svg"];
    if is_markup.iter().any(|mark| text.starts_with(mark)) {
        return Kind::Other("XML or HTML");
    }
    if is_json(text) {
        return Kind::Json;
    }
    if is_binary(head) { Kind::Other("binary data") } else { Kind::Text }
}

/// Whether the text begins with a JSON object or array, complete, cut or broken, that is not the
/// first cell of delimited text.
fn is_json(text: &[u8]) -> bool {
    let mut marks = text.iter().filter(|byte| !byte.is_ascii_whitespace());
    let looks_like = match (marks.next(), marks.next()) {
        (Some(b'{'), next) => matches!(next, Some(b'"' | b'}')),
        (Some(b'['), next) => matches!(next, Some(b'{')),
        (_, _) => false,
    };
    if !looks_like && !matches!(text.first(), Some(b'{' | b'[')) {
        return false;
    }
    let mut values = serde_json::Deserializer::from_slice(text).into_iter::<IgnoredAny>();
    let first = values.next();
    let rest = text.get(values.byte_offset()..).unwrap_or_default().trim_ascii_start();
    match first {
        Some(Ok(_)) => match rest.first() {
            None | Some(b'{' | b'[') => true,
            Some(b',' | b';' | b'|' | b'\t') => false,
            Some(_) => looks_like,
        },
        Some(Err(error)) => error.is_eof() || looks_like,
        None => looks_like,
    }
}

fn is_binary(head: &[u8]) -> bool {
    let marks: [&[u8]; 2] = [b"\xff\xfe", b"\xfe\xff"];
    if marks.iter().any(|mark| head.starts_with(mark)) || unmarked_utf16(head).is_some() {
        return false;
    }
    let is_control = |byte: &&u8| matches!(byte, 0..=8 | 14..=25 | 28..=31 | 127);
    let controls = head.iter().filter(is_control).count();
    let is_utf8 = match std::str::from_utf8(head) {
        Ok(_) => true,
        Err(error) => error.error_len().is_none(),
    };
    let max = if is_utf8 { CONTROLS_MAX_UTF8 } else { CONTROLS_MAX };
    controls * 1000 > head.len() * max
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind_of(bytes: &[u8]) -> Kind {
        kind(&Content::memory(bytes)).expect("read")
    }

    #[test]
    fn text_is_text() {
        let texts: [&[u8]; 10] = [
            b"",
            b"a,b\n1,2\n",
            b"\xef\xbb\xbfa,b\n",
            b"\xff\xfea\0,\0",
            b"a\0,\0b\0\n\0",
            b"name\nJos\xe9\n",
            b"[id],[name]\n1,2\n",
            b"{id},{name}\n1,2\n",
            b"{\"a\":1},x\n{\"a\":2},y\n",
            b"a,b\n1\0\0,2\0\0\n3,4\n5,6\n7,8\n9,10\n",
        ];
        for text in texts {
            assert_eq!(kind_of(text), Kind::Text, "{:?}", text.escape_ascii().to_string());
        }
    }

    #[test]
    fn the_rest_is_named() {
        let cases: [(&[u8], &str); 3] = [
            (b"<?xml version='1.0'?>", "XML or HTML"),
            (b"\0\x01\x02\x03\x80\xff", "binary data"),
            (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an OLE2 document that is not a workbook"),
        ];
        for (bytes, what) in cases {
            assert_eq!(kind_of(bytes), Kind::Other(what));
        }
        let json: [&[u8]; 5] =
            [b"{\"a\":1}\n{\"a\":2}\n", b" [{\"a\":1}, ", b"[]", b"[ {\"a\":1},]", b"{\"a\":1,}\n"];
        for text in json {
            assert_eq!(kind_of(text), Kind::Json);
        }
        assert_eq!(kind_of(b"\x1f\x8b\x08"), Kind::Wrapped(Wrapper::Gzip));
        assert_eq!(kind_of(b"PK\x03\x04 some/file.txt"), Kind::Zip);
        assert_eq!(kind_of(b"BZh91AY"), Kind::Wrapped(Wrapper::Bzip2));
        assert_eq!(kind_of(b"Rar!\x1a\x07\x01"), Kind::Packed("a RAR archive"));
    }

    #[test]
    fn workbooks_are_known_by_what_they_hold() {
        assert_eq!(kind_of(b"PK\x03\x04...xl/workbook.xml..."), Kind::Workbook);
        assert_eq!(kind_of(b"PK\x03\x04...xl/workbook.bin..."), Kind::Workbook);
        let mut ole2 = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1".to_vec();
        ole2.resize(1024, 0);
        ole2[30] = 9;
        ole2.extend("Workbook\0".encode_utf16().flat_map(u16::to_le_bytes));
        assert_eq!(kind_of(&ole2), Kind::Workbook);
    }
}
