//! The directory of a zip archive, looked at before anything in it is unpacked.
//!
//! Refused whole, because nobody could say what was lost: encrypted members, two of one name, members
//! that share bytes (as small bombs do), packings that are not known here, more members or bytes than
//! may be.

use std::io::BufReader;

use zip::result::ZipError;
use zip::{CompressionMethod, ZipArchive};

use super::content::Seekable;
use super::stream::{Bounds, Member, Packing};
use crate::diagnostic::{Code, Diagnostic};

/// The archive's members in the order of its directory, folders left out.
pub(super) fn members(
    raw: Seekable,
    bounds: &Bounds,
    members_max: u32,
) -> Result<Vec<Member>, Diagnostic> {
    let packed_bytes = raw.size_bytes();
    let mut archive = ZipArchive::new(BufReader::new(raw)).map_err(|error| damaged(&error))?;
    if archive.len() > members_max as usize {
        let told = Diagnostic::error(Code::C141, "the archive has too many members");
        return Err(told.fact("members", archive.len()).fact("limit", members_max));
    }
    if archive.has_duplicate_names() {
        return Err(Diagnostic::error(Code::C140, "the archive has two members of one name"));
    }
    if archive.has_overlapping_files().map_err(|error| damaged(&error))? {
        let what = "the archive's members share bytes, which is made to hurt";
        return Err(Diagnostic::error(Code::C141, what));
    }
    let mut members = Vec::new();
    for at in 0..archive.len() {
        members.extend(member(&mut archive, at)?);
    }
    let all = members.iter().fold(0_u64, |sum, member| sum.saturating_add(member.size_bytes));
    let checked = bounds.check("the archive", packed_bytes, all);
    checked.map_err(|fault| fault.diagnostic().fact("declared bytes", all))?;
    Ok(members)
}

/// One member; `None` for a folder.
fn member(
    archive: &mut ZipArchive<BufReader<Seekable>>,
    at: usize,
) -> Result<Option<Member>, Diagnostic> {
    let file = archive.by_index_raw(at).map_err(|error| damaged(&error))?;
    let name = String::from_utf8_lossy(file.name_raw()).into_owned();
    let name = file.name().map_or(name, std::borrow::Cow::into_owned);
    if file.is_dir() {
        return Ok(None);
    }
    if file.encrypted() {
        let what = format!("member `{name}` is encrypted with a password");
        return Err(Diagnostic::error(Code::C143, what));
    }
    let method = file.compression();
    let packing = if method == CompressionMethod::Stored {
        Packing::Stored
    } else if method == CompressionMethod::Deflated {
        Packing::Deflated
    } else {
        let what = format!("member `{name}` is packed with {method}, which is not known here");
        return Err(Diagnostic::error(Code::C145, what));
    };
    let Some(data_start) = file.data_start() else {
        let told =
            Diagnostic::error(Code::C140, format!("member `{name}` is not where it should be"));
        return Err(told);
    };
    Ok(Some(Member {
        name,
        packing,
        data_start,
        packed_bytes: file.compressed_size(),
        size_bytes: file.size(),
        crc: file.crc32(),
    }))
}

fn damaged(error: &ZipError) -> Diagnostic {
    Diagnostic::error(Code::C140, "the archive's directory could not be read").caused_by(error)
}
