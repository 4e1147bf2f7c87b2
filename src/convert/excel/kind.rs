//! Which kind of workbook it is, by its bytes; that it is one has been told before (`detect`).

use std::io::{BufReader, Read};

use calamine::{Reader, Xlsx, XlsxError};
use zip::ZipArchive;

use super::damaged;
use crate::convert::unpack::Seekable;
use crate::diagnostic::{Code, Diagnostic};

/// A kind of workbook.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Office Open XML with XML parts: `.xlsx`, `.xlsm`.
    Xlsx,
    /// Office Open XML with binary parts.
    Xlsb,
    /// Excel 97 to 2003, and 5.
    Xls,
    /// OpenDocument.
    Ods,
}

impl Kind {
    /// Tells a workbook's kind.
    ///
    /// # Errors
    /// It is encrypted or damaged.
    pub(super) fn of(mut raw: Seekable) -> Result<Self, Diagnostic> {
        let mut magic = [0; 4];
        let is_ole = raw.read_exact(&mut magic).is_ok() && magic == *b"\xd0\xcf\x11\xe0";
        if is_ole { Self::of_ole(raw) } else { Self::of_zip(raw) }
    }

    /// As reports name it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Xlsx => "xlsx",
            Self::Xlsb => "xlsb",
            Self::Xls => "xls",
            Self::Ods => "ods",
        }
    }

    fn of_zip(raw: Seekable) -> Result<Self, Diagnostic> {
        let archive = ZipArchive::new(BufReader::new(raw)).map_err(|e| damaged(&e))?;
        let has = |part: &str| archive.index_for_name(part).is_some();
        // OpenDocument packages have both (OASIS ODF 1.3 part 2, section 3).
        Ok(if has("xl/workbook.bin") {
            Self::Xlsb
        } else if has("mimetype") && has("content.xml") {
            Self::Ods
        } else {
            Self::Xlsx
        })
    }

    /// An encrypted workbook is an OLE document around a package (MS-OFFCRYPTO 2.3.4).
    fn of_ole(raw: Seekable) -> Result<Self, Diagnostic> {
        match Xlsx::new(BufReader::new(raw)) {
            Err(XlsxError::Password) => {
                let what = "the workbook is encrypted with a password";
                Err(Diagnostic::error(Code::C106, what))
            }
            Ok(_) | Err(_) => Ok(Self::Xls),
        }
    }
}
