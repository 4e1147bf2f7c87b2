//! What a file holds, unpacked: gzip, zstd, bzip2, xz or zip around anything that is
//! converted.
//!
//! A packed file is unpacked as it is read ([`Content`]), within limits on what comes out, and whole
//! or not at all: a stream that is cut, damaged or of another checksum is held, with nothing written.
//!
//! # The members of a zip archive
//! They are children of the arrival: one arrival, one Parquet, `_lf_member` on every row.
//! - Members that are tables are all of one kind, else the archive is held (C144): nobody could say
//!   which of two kinds is the feed's. Text and JSON may be many members, a workbook or
//!   Parquet file only one.
//! - Which of them are taken is decided by their headers, as with the sheets of a workbook. The
//!   others are named in the report with their records as skipped (`other_member`).
//! - Members that are no tables (a PDF, a picture) are named in the report.
//! - An archive inside an archive is held (C142), and so are those that `archive` refuses.
//!
//! Left out: tar, 7z, RAR, and members of an archive that are packed otherwise than DEFLATE.

use std::fs::File;
use std::io::{self, Read};
use std::sync::Arc;

use super::detect::{self, Kind};
use super::{Job, Limits, unreadable};
use crate::diagnostic::{Code, Diagnostic};
use crate::report::SheetReport;

mod archive;
mod content;
mod fault;
mod raw;
mod stream;
mod wrapper;

pub use content::{Content, Seekable, Stream};
pub use fault::Fault;
pub use raw::Raw;
use stream::Bounds;
pub use wrapper::Wrapper;

/// Bytes of a workbook or Parquet file that is packed: it is unpacked into memory.
const WORKBOOK_BYTES_MAX: u64 = 64 << 20;

/// What a file holds.
#[derive(Debug)]
pub enum Input {
    /// Tables of one kind.
    Tables(TableKind, Parts),
    /// Nothing that is converted; in words what it is.
    Other(String),
}

/// The kinds of table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TableKind {
    /// Delimited text.
    Text,
    /// JSON.
    Json,
    /// A workbook.
    Workbook,
    /// Parquet.
    Parquet,
}

/// The tables of a file, and what else is in it.
#[derive(Debug)]
pub struct Parts {
    /// The tables, at least one.
    pub tables: Vec<Part>,
    /// Members that are no tables.
    pub others: Vec<SheetReport>,
    /// How they are packed: `gzip`, `zip` …
    pub packed: Option<&'static str>,
}

impl Parts {
    /// Whether they are members of an archive.
    pub fn are_members(&self) -> bool {
        self.tables.iter().any(|part| part.member.is_some())
    }

    /// How they are packed, for the report and the Parquet's metadata.
    pub fn findings(&self) -> Vec<(String, String)> {
        self.packed.iter().map(|packed| ("packed".to_owned(), (*packed).to_owned())).collect()
    }

    /// The members of an archive whose tables are all taken; their rows are told elsewhere.
    pub fn members(&self) -> Vec<SheetReport> {
        let taken = self.tables.iter().filter_map(|part| part.member.clone());
        let taken = taken.map(|name| SheetReport {
            name,
            rows: 0,
            taken: true,
            why: "it is the archive's table".to_owned(),
        });
        taken.chain(self.others.iter().cloned()).collect()
    }
}

/// One table's bytes.
#[derive(Debug, Clone)]
pub struct Part {
    /// Its name in the archive; `None` when the file is not one.
    pub member: Option<String>,
    /// The extension of its name, in lower case: a hint, never trusted over the bytes.
    pub extension: Option<String>,
    /// Its bytes.
    pub content: Content,
}

/// Tells what a file holds.
///
/// # Errors
/// Why it is held.
pub fn open(job: &Job, raw: File) -> Result<Input, Diagnostic> {
    let file = Arc::new(Raw::new(raw, job.progress.clone()));
    let content = Content::plain(Arc::clone(&file));
    let kind = detect::kind(&content).map_err(|error| unreadable(&error))?;
    match kind {
        Kind::Wrapped(wrapper) => unwrap(job, wrapper, file),
        Kind::Zip => zip(job, &content, &file),
        Kind::Text => Ok(whole(job, TableKind::Text, content)),
        Kind::Json => Ok(whole(job, TableKind::Json, content)),
        Kind::Workbook => Ok(whole(job, TableKind::Workbook, content)),
        Kind::Parquet => Ok(whole(job, TableKind::Parquet, content)),
        Kind::Packed(what) | Kind::Other(what) => Ok(Input::Other(what.to_owned())),
    }
}

fn whole(job: &Job, kind: TableKind, content: Content) -> Input {
    let part = Part { member: None, extension: job.name.extension(), content };
    Input::Tables(kind, Parts { tables: vec![part], others: Vec::new(), packed: None })
}

fn bounds(limits: &Limits) -> Bounds {
    Bounds {
        bytes_max: limits.unpacked_bytes,
        ratio_max: limits.unpacked_ratio,
        bytes_free: limits.unpacked_bytes_free,
    }
}

fn unwrap(job: &Job, wrapper: Wrapper, file: Arc<Raw>) -> Result<Input, Diagnostic> {
    let (kind, content) = settled(Content::wrapped(wrapper, file, bounds(&job.limits)))?;
    let Some(kind) = table_kind(kind, wrapper.words())? else {
        let what = format!("{} around something that is not a table", wrapper.name());
        return Ok(Input::Other(what));
    };
    // `orders.csv.gz` is `orders.csv`.
    let name = String::from_utf8_lossy(job.name.base()).to_lowercase();
    let extension = extension(name.strip_suffix(wrapper.suffix()).unwrap_or(&name));
    let part = Part { member: None, extension, content };
    let parts = Parts { tables: vec![part], others: Vec::new(), packed: Some(wrapper.name()) };
    Ok(Input::Tables(kind, parts))
}

fn zip(job: &Job, content: &Content, file: &Arc<Raw>) -> Result<Input, Diagnostic> {
    let (bounds, raw) = (bounds(&job.limits), content.seekable());
    let raw = raw.map_err(|error| unreadable(&error))?;
    let members = archive::members(raw, &bounds, job.limits.members)?;
    let is_empty = members.is_empty();
    let (mut tables, mut others) = (Vec::new(), Vec::new());
    for member in members {
        let (name, words) = (member.name.clone(), member.words());
        let (kind, content) = settled(Content::member(Arc::clone(file), member, bounds))?;
        match table_kind(kind, &words)? {
            Some(kind) => {
                let extension = extension(&name.to_lowercase());
                tables.push((kind, Part { member: Some(name), extension, content }));
            }
            None => {
                let why = format!("it is {}", kind.words());
                others.push(SheetReport { name, rows: 0, taken: false, why });
            }
        }
    }
    let Some(kind) = one_kind(&tables)? else {
        return match is_empty {
            true => Err(Diagnostic::error(Code::C101, "the archive has no members")),
            false => Ok(Input::Other("a zip archive without tables".to_owned())),
        };
    };
    let tables = tables.into_iter().map(|(_, part)| part).collect();
    Ok(Input::Tables(kind, Parts { tables, others, packed: Some("zip") }))
}

/// The kind of packed bytes. What can only be told and read by random access comes into memory.
fn settled(content: Content) -> Result<(Kind, Content), Diagnostic> {
    let settle = || {
        let is_random = detect::needs_any_place(&content.head(8)?);
        let content = if is_random { content.in_memory(WORKBOOK_BYTES_MAX)? } else { content };
        Ok((detect::kind(&content)?, content))
    };
    let settled: io::Result<_> = settle();
    settled.map_err(|error| unreadable(&error))
}

/// Which kind of table it is, if it is one; archives are refused.
fn table_kind(kind: Kind, words: &str) -> Result<Option<TableKind>, Diagnostic> {
    match kind {
        Kind::Text => Ok(Some(TableKind::Text)),
        Kind::Json => Ok(Some(TableKind::Json)),
        Kind::Workbook => Ok(Some(TableKind::Workbook)),
        Kind::Parquet => Ok(Some(TableKind::Parquet)),
        Kind::Other(_) => Ok(None),
        Kind::Wrapped(_) | Kind::Zip | Kind::Packed(_) => {
            let what = format!("{words} holds something packed again: {}", kind.words());
            Err(Diagnostic::error(Code::C142, what))
        }
    }
}

fn one_kind(tables: &[(TableKind, Part)]) -> Result<Option<TableKind>, Diagnostic> {
    let Some((first, _)) = tables.first() else { return Ok(None) };
    let refused = |what: &str| {
        let told = Diagnostic::error(Code::C144, what);
        let named = tables.iter().take(5);
        Err(named.fold(told, |told, (kind, part)| {
            told.fact(
                format!("member `{}`", part.member.as_deref().unwrap_or_default()),
                kind.words(),
            )
        }))
    };
    if tables.iter().any(|(kind, _)| kind != first) {
        return refused("the archive has tables of different kinds");
    }
    match first {
        TableKind::Workbook if tables.len() > 1 => refused("the archive has several workbooks"),
        TableKind::Parquet if tables.len() > 1 => refused("the archive has several Parquet files"),
        TableKind::Text | TableKind::Json | TableKind::Workbook | TableKind::Parquet => {
            Ok(Some(*first))
        }
    }
}

impl TableKind {
    fn words(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Json => "JSON",
            Self::Workbook => "a workbook",
            Self::Parquet => "Parquet",
        }
    }
}

fn extension(name: &str) -> Option<String> {
    let base = name.rsplit(['/', '\\']).next().unwrap_or(name);
    let (stem, extension) = base.rsplit_once('.')?;
    (!stem.is_empty()).then(|| extension.to_owned())
}

/// Reads as many bytes as there are, up to the buffer's length: never fewer because of a signal or
/// a short read.
///
/// # Errors
/// What the reader said.
pub fn read_full(reader: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while let Some(rest) = buffer.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match reader.read(rest) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}
