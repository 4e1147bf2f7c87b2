//! The ZIP package around a workbook: looked at before anything in it is unpacked, and again for
//! what the cell reader does not tell.

#![allow(
    clippy::wildcard_enum_match_arm,
    reason = "of the kinds of XML event a few matter here, whatever others there are"
)]

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read};

use memchr::memmem;
use quick_xml::events::{BytesStart, Event};
use quick_xml::{Reader, XmlVersion};
use zip::ZipArchive;

use super::damaged;
use crate::convert::unpack::Seekable;
use crate::diagnostic::{Code, Diagnostic};

/// Parts a package may have.
const PARTS_MAX: usize = 20_000;
/// Packages that unpack to less are let pass whatever their ratio.
const UNPACKED_BYTES_FREE: u64 = 128 << 20;
/// A large package may unpack to so many times its size; real ones stay well below 100.
const RATIO_MAX: u64 = 150;
/// The least that a shared string takes: `<si/>`.
const STRING_BYTES_MIN: u64 = 5;
/// Cells that an OpenDocument sheet may span, values or not: each takes 32 bytes of memory.
const OPEN_DOCUMENT_CELLS_MAX: u64 = 8 << 20;
/// Where the number of shared strings stands, if it is given.
const STRINGS_HEAD_BYTES: u64 = 4096;

/// A package whose directory has been looked at.
pub(super) struct Package {
    archive: ZipArchive<BufReader<Seekable>>,
}

/// What the cell reader does not tell of a sheet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Markup {
    /// Rows that are hidden.
    pub(super) hidden_rows: u64,
    /// Formulas of which no value is stored.
    pub(super) formulas_without_value: u64,
    /// Merged ranges.
    pub(super) merged_ranges: u64,
}

impl Package {
    /// Opens a package and refuses bombs by what its directory declares.
    pub(super) fn open(raw: Seekable) -> Result<Self, Diagnostic> {
        let packed_bytes = raw.size_bytes();
        let archive = ZipArchive::new(BufReader::new(raw)).map_err(|e| damaged(&e))?;
        let mut package = Self { archive };
        package.check_size(packed_bytes)?;
        package.check_strings()?;
        Ok(package)
    }

    fn check_size(&mut self, packed_bytes: u64) -> Result<(), Diagnostic> {
        let over = |what: &str| Diagnostic::error(Code::C105, format!("the workbook {what}"));
        if self.archive.len() > PARTS_MAX {
            return Err(over("has too many parts")
                .fact("parts", self.archive.len())
                .fact("limit", PARTS_MAX));
        }
        let mut unpacked_bytes = 0_u64;
        for at in 0..self.archive.len() {
            let part = self.archive.by_index_raw(at).map_err(|e| damaged(&e))?;
            unpacked_bytes = unpacked_bytes.saturating_add(part.size());
        }
        let allowed = packed_bytes.saturating_mul(RATIO_MAX).max(UNPACKED_BYTES_FREE);
        if unpacked_bytes > allowed {
            return Err(over("unpacks to far more than a workbook does")
                .fact("packed bytes", packed_bytes)
                .fact("unpacked bytes", unpacked_bytes)
                .fact("limit", allowed));
        }
        Ok(())
    }

    /// The reader takes memory for as many shared strings as are declared.
    fn check_strings(&mut self) -> Result<(), Diagnostic> {
        let Ok(part) = self.archive.by_name("xl/sharedStrings.xml") else { return Ok(()) };
        let fits = part.size() / STRING_BYTES_MIN;
        let mut declared = 0;
        let mut reader = Reader::from_reader(BufReader::new(part.take(STRINGS_HEAD_BYTES)));
        let mut buffer = Vec::new();
        // The head may end anywhere: what comes after the first element does not matter here.
        while let Ok(event) = reader.read_event_into(&mut buffer) {
            match event {
                Event::Start(e) | Event::Empty(e) if e.local_name().as_ref() == "sst" => {
                    declared =
                        attribute(&e, "uniqueCount").and_then(|n| n.parse().ok()).unwrap_or(0);
                    break;
                }
                Event::Eof => break,
                _ => buffer.clear(),
            }
        }
        if declared > fits {
            return Err(damaged_because(format!("{declared} shared strings in room for {fits}")));
        }
        Ok(())
    }

    /// The reader of OpenDocument takes memory for every cell up to the last one with a value, and
    /// cells and rows may be repeated by number.
    pub(super) fn check_repetitions(&mut self) -> Result<(), Diagnostic> {
        let Ok(part) = self.archive.by_name("content.xml") else { return Ok(()) };
        let mut reader = Reader::from_reader(BufReader::new(part));
        let (mut buffer, mut span) = (Vec::new(), Span::default());
        // What is wrong with the XML is for the reader of its cells to say.
        while let Ok(event) = reader.read_event_into(&mut buffer) {
            match event {
                Event::Start(e) | Event::Empty(e) => span.open(&e),
                Event::End(e) if e.local_name().as_ref() == "table-row" => span.close_row(),
                Event::Eof => break,
                _ => {}
            }
            if span.cells() > OPEN_DOCUMENT_CELLS_MAX {
                let what = "a sheet of the workbook spans far more cells than a table does";
                let told = Diagnostic::error(Code::C108, what);
                return Err(told.fact("limit", OPEN_DOCUMENT_CELLS_MAX));
            }
            buffer.clear();
        }
        Ok(())
    }

    /// Looks through a sheet; `None` when it is not where the workbook says.
    pub(super) fn markup(&mut self, sheet: &str) -> Option<Markup> {
        let path = self.sheet_paths()?.remove(sheet)?;
        if is_plain(self.archive.by_name(&path).ok()?).ok()? {
            return Some(Markup::default());
        }
        let part = self.archive.by_name(&path).ok()?;
        read_markup(BufReader::new(part))
    }

    /// The parts of the sheets by name, by way of the workbook's relationships.
    fn sheet_paths(&mut self) -> Option<HashMap<String, String>> {
        let mut targets = HashMap::new();
        self.elements("xl/_rels/workbook.xml.rels", "Relationship", |element| {
            targets.extend(attribute(element, "Id").zip(attribute(element, "Target")));
        })?;
        let mut paths = HashMap::new();
        self.elements("xl/workbook.xml", "sheet", |element| {
            let target = attribute(element, "id").and_then(|id| targets.get(&id));
            let path = target.map(|target| match target.strip_prefix('/') {
                Some(absolute) => absolute.to_owned(),
                None => format!("xl/{target}"),
            });
            paths.extend(attribute(element, "name").zip(path));
        })?;
        Some(paths)
    }

    fn elements(
        &mut self,
        path: &str,
        name: &str,
        mut take: impl FnMut(&BytesStart<'_>),
    ) -> Option<()> {
        let part = self.archive.by_name(path).ok()?;
        let mut reader = Reader::from_reader(BufReader::new(part));
        let mut buffer = Vec::new();
        loop {
            match reader.read_event_into(&mut buffer).ok()? {
                Event::Start(e) | Event::Empty(e) if e.local_name().as_ref() == name => take(&e),
                Event::Eof => return Some(()),
                _ => {}
            }
            buffer.clear();
        }
    }
}

/// How far the values of an OpenDocument sheet reach (OASIS ODF 1.3 part 3, 9.1).
#[derive(Debug, Default)]
struct Span {
    /// Rows and columns passed, and how far those with values reach.
    row: u64,
    column: u64,
    row_repeated: u64,
    row_has_value: bool,
    height: u64,
    width: u64,
}

impl Span {
    fn open(&mut self, element: &BytesStart<'_>) {
        let repeated = |name: &str| {
            attribute(element, name).and_then(|number| number.parse::<u64>().ok()).unwrap_or(1)
        };
        match element.local_name().as_ref() {
            "table" => *self = Self::default(),
            "table-row" => {
                self.row_repeated = repeated("number-rows-repeated");
                (self.column, self.row_has_value) = (0, false);
            }
            "table-cell" | "covered-table-cell" => {
                self.column = self.column.saturating_add(repeated("number-columns-repeated"));
                if attribute(element, "value-type").is_some() {
                    self.row_has_value = true;
                    self.width = self.width.max(self.column);
                }
            }
            _ => {}
        }
    }

    fn close_row(&mut self) {
        self.row = self.row.saturating_add(self.row_repeated);
        if self.row_has_value {
            self.height = self.row;
        }
    }

    fn cells(&self) -> u64 {
        self.height.saturating_mul(self.width)
    }
}

/// What a sheet has somewhere in its text when there is anything to say of it.
const TOLD_BY: [&[u8]; 3] = [b"<f", b"hidden", b"<mergeCell"];
const LONGEST_TOLD_BY: usize = 10;
/// What stands at the beginning of a sheet whose elements have no prefix, in an encoding in which
/// the above can be found.
const UNPREFIXED: &[u8] = b"<worksheet";
const LOOK_BYTES: usize = 64 << 10;

/// Whether a sheet surely has nothing that [`Markup`] tells of: it is looked through as bytes, in a
/// small part of the time that reading its XML takes.
fn is_plain(mut sheet: impl Read) -> std::io::Result<bool> {
    let told_by = TOLD_BY.map(memmem::Finder::new);
    let mut buffer = vec![0; LOOK_BYTES];
    let (mut kept, mut is_first) = (0, true);
    loop {
        let mut end = kept;
        while let Some(free @ [_, ..]) = buffer.get_mut(end..) {
            match sheet.read(free)? {
                0 => break,
                count => end += count,
            }
        }
        let text = buffer.get(..end).unwrap_or_default();
        if std::mem::take(&mut is_first) && memmem::find(text, UNPREFIXED).is_none() {
            return Ok(false);
        }
        if told_by.iter().any(|told| told.find(text).is_some()) {
            return Ok(false);
        }
        if end < LOOK_BYTES {
            return Ok(true);
        }
        // What is cut by the end of the buffer is found in the next.
        kept = LONGEST_TOLD_BY - 1;
        buffer.copy_within(end - kept..end, 0);
    }
}

fn read_markup(sheet: impl BufRead) -> Option<Markup> {
    let mut reader = Reader::from_reader(sheet);
    reader.config_mut().check_end_names = false;
    let mut markup = Markup::default();
    let (mut has_formula, mut has_value) = (false, false);
    let mut buffer = Vec::new();
    loop {
        match reader.read_event_into(&mut buffer).ok()? {
            Event::Start(e) | Event::Empty(e) => match e.local_name().as_ref() {
                "row" => markup.hidden_rows += u64::from(is_hidden(&e)),
                "c" => (has_formula, has_value) = (false, false),
                "f" => has_formula = true,
                "v" | "is" => has_value = true,
                "mergeCell" => markup.merged_ranges += 1,
                _ => {}
            },
            Event::End(e) if e.local_name().as_ref() == "c" => {
                markup.formulas_without_value += u64::from(has_formula && !has_value);
            }
            Event::Eof => return Some(markup),
            _ => {}
        }
        buffer.clear();
    }
}

fn is_hidden(row: &BytesStart<'_>) -> bool {
    attribute(row, "hidden").is_some_and(|hidden| hidden == "1" || hidden == "true")
}

/// An attribute's value by its name without prefix.
fn attribute(element: &BytesStart<'_>, name: &str) -> Option<String> {
    let mut attributes = element.attributes();
    let mut attributes = attributes.with_checks(false).flatten();
    let found = attributes.find(|a| a.key.local_name().as_ref() == name)?;
    found.normalized_value(XmlVersion::Implicit1_0).ok().map(std::borrow::Cow::into_owned)
}

fn damaged_because(found: String) -> Diagnostic {
    Diagnostic::error(Code::C106, "the workbook is damaged").fact("found", found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_sheet_tells_is_found_wherever_it_stands() {
        let head = "<?xml version=\"1.0\"?><worksheet><sheetData>";
        let plain = |text: &str| is_plain(text.as_bytes()).expect("read");
        assert!(plain(head) && plain(&format!("{head}{}", "<c><v>1</v></c>".repeat(10_000))));
        assert!(!plain("<x:worksheet>"), "its elements have a prefix");
        for told in ["<f>1+1</f>", "<row hidden=\"1\">", "<mergeCell ref=\"A1:B1\"/>"] {
            for before in (LOOK_BYTES - 20..LOOK_BYTES + 2).chain([0, 3 * LOOK_BYTES - 24]) {
                let padding = " ".repeat(before);
                assert!(!plain(&format!("{head}{padding}{told}")), "{told} after {before}");
            }
        }
    }
}
