//! A workbook of any kind, read row by row.
//!
//! XLSX, XLSM and XLSB stream: memory holds the shared strings and one row. XLS and ODS are read by
//! calamine into memory whole, sheet by sheet; the worker's memory limit holds them.

use std::collections::HashMap;
use std::io::BufReader;

use calamine::{
    Data, DataRef, ExcelDateTime, Ods, Reader, SheetType, SheetVisible, Style, Xls, Xlsb, Xlsx,
};

use super::damaged;
use super::format::Format;
use super::kind::Kind;
use super::package::{Markup, Package};
use super::row::{Assembler, Take};
use super::value::{Epoch, Value};
use crate::convert::Limits;
use crate::convert::unpack::Seekable;
use crate::diagnostic::Diagnostic;

/// An open workbook.
pub(super) struct Book {
    cells: Cells,
    package: Option<Package>,
    /// What is known already of what cells do not tell, by sheet.
    markups: HashMap<String, Option<Markup>>,
    /// Its sheets, in order.
    pub(super) sheets: Vec<Sheet>,
}

/// A sheet, as the workbook lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Sheet {
    /// Its name.
    pub(super) name: String,
    /// What there is to know before it is read.
    pub(super) kind: SheetKind,
}

/// What a sheet is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SheetKind {
    /// Cells for everybody to see.
    Visible,
    /// Cells, hidden.
    Hidden,
    /// A chart, a dialogue or a macro: no cells.
    NoCells,
}

/// The cells of all sheets.
pub(super) enum Cells {
    Xlsx(Box<Xlsx<BufReader<Seekable>>>),
    Xlsb(Box<Xlsb<BufReader<Seekable>>>),
    Xls(Box<Xls<BufReader<Seekable>>>),
    Ods(Box<Ods<BufReader<Seekable>>>),
}

impl Book {
    /// Opens a workbook, checking its package first.
    pub(super) fn open(kind: Kind, raw: Seekable) -> Result<Self, Diagnostic> {
        let mut package = match kind {
            Kind::Xlsx | Kind::Xlsb | Kind::Ods => Some(Package::open(raw.clone())?),
            Kind::Xls => None,
        };
        if let Some(package) = package.as_mut().filter(|_| kind == Kind::Ods) {
            package.check_repetitions()?;
        }
        let raw = BufReader::new(raw);
        let cells = match kind {
            Kind::Xlsx => Cells::Xlsx(Box::new(Xlsx::new(raw).map_err(|e| damaged(&e))?)),
            Kind::Xlsb => Cells::Xlsb(Box::new(Xlsb::new(raw).map_err(|e| damaged(&e))?)),
            Kind::Xls => Cells::Xls(Box::new(Xls::new(raw).map_err(|e| damaged(&e))?)),
            Kind::Ods => Cells::Ods(Box::new(Ods::new(raw).map_err(|e| damaged(&e))?)),
        };
        let sheets = cells.sheets();
        Ok(Self { cells, package, markups: HashMap::new(), sheets })
    }

    /// From which day it counts.
    pub(super) fn epoch(&self) -> Epoch {
        self.cells.epoch()
    }

    /// What the cells do not tell of a sheet; `None` where it cannot be known.
    pub(super) fn markup(&mut self, sheet: &str) -> Option<Markup> {
        match self.markups.get(sheet) {
            Some(known) => *known,
            None => self.parts().1?.markup(sheet),
        }
    }

    /// Its cells, and where it stands what they do not tell: two threads may read them at once.
    pub(super) fn parts(&mut self) -> (&mut Cells, Option<&mut Package>) {
        let package = match &self.cells {
            Cells::Xlsx(_) => self.package.as_mut(),
            Cells::Xlsb(_) | Cells::Xls(_) | Cells::Ods(_) => None,
        };
        (&mut self.cells, package)
    }

    /// Keeps what the cells of a sheet do not tell.
    pub(super) fn keep_markup(&mut self, sheet: String, markup: Option<Markup>) {
        self.markups.insert(sheet, markup);
    }

    /// Reads a sheet's rows in order.
    ///
    /// # Errors
    /// The sheet is damaged or over a limit, or `take` has had enough.
    pub(super) fn rows(
        &mut self,
        sheet: &str,
        limits: &Limits,
        take: Take<'_>,
    ) -> Result<(), Diagnostic> {
        self.cells.rows(sheet, limits, take)
    }
}

impl Cells {
    fn epoch(&self) -> Epoch {
        let is_1904 = match self {
            Self::Xlsx(book) => book.has_1904_epoch(),
            Self::Xlsb(book) => book.has_1904_epoch(),
            Self::Xls(book) => book.has_1904_epoch(),
            Self::Ods(_) => false,
        };
        if is_1904 { Epoch::Y1904 } else { Epoch::Y1900 }
    }

    /// [`Book::rows`].
    ///
    /// # Errors
    /// The same.
    pub(super) fn rows(
        &mut self,
        sheet: &str,
        limits: &Limits,
        take: Take<'_>,
    ) -> Result<(), Diagnostic> {
        let (epoch, rows) = (self.epoch(), Assembler::new(limits, take));
        match self {
            Self::Xlsx(book) => xlsx_rows(book, sheet, epoch, rows),
            Self::Xlsb(book) => xlsb_rows(book, sheet, epoch, rows),
            Self::Xls(book) => range_rows(&mut **book, sheet, epoch, rows),
            Self::Ods(book) => range_rows(&mut **book, sheet, epoch, rows),
        }
    }

    fn sheets(&self) -> Vec<Sheet> {
        let listed = match self {
            Self::Xlsx(book) => book.sheets_metadata(),
            Self::Xlsb(book) => book.sheets_metadata(),
            Self::Xls(book) => book.sheets_metadata(),
            Self::Ods(book) => book.sheets_metadata(),
        };
        let sheet = |sheet: &calamine::Sheet| Sheet {
            name: sheet.name.clone(),
            kind: match (sheet.typ, sheet.visible) {
                (SheetType::WorkSheet, SheetVisible::Visible) => SheetKind::Visible,
                (SheetType::WorkSheet, SheetVisible::Hidden | SheetVisible::VeryHidden) => {
                    SheetKind::Hidden
                }
                _ => SheetKind::NoCells,
            },
        };
        listed.iter().map(sheet).collect()
    }
}

fn xlsx_rows<'a>(
    book: &'a mut Xlsx<BufReader<Seekable>>,
    sheet: &str,
    epoch: Epoch,
    mut rows: Assembler<'a, '_>,
) -> Result<(), Diagnostic> {
    let mut cells = book.worksheet_cells_reader(sheet).map_err(|e| damaged(&e))?;
    let formats: Vec<_> = cells.styles().iter().map(format).collect();
    while let Some((cell, style)) = cells.next_cell_with_style_id().map_err(|e| damaged(&e))? {
        let place = cell.get_position();
        let format = formats.get(style).unwrap_or(&Format::Number);
        if let Some(value) = value(cell.get_value().clone(), format, epoch) {
            rows.cell(place, value)?;
        }
    }
    rows.finish()
}

/// Without formats: dates are known to calamine, padded numbers are not.
fn xlsb_rows<'a>(
    book: &'a mut Xlsb<BufReader<Seekable>>,
    sheet: &str,
    epoch: Epoch,
    mut rows: Assembler<'a, '_>,
) -> Result<(), Diagnostic> {
    let mut cells = book.worksheet_cells_reader(sheet).map_err(|e| damaged(&e))?;
    while let Some(cell) = cells.next_cell().map_err(|e| damaged(&e))? {
        let place = cell.get_position();
        if let Some(value) = value(cell.get_value().clone(), &Format::Number, epoch) {
            rows.cell(place, value)?;
        }
    }
    rows.finish()
}

/// Without formats, as for XLSB.
fn range_rows<R>(
    book: &mut R,
    sheet: &str,
    epoch: Epoch,
    mut rows: Assembler<'_, '_>,
) -> Result<(), Diagnostic>
where
    R: Reader<BufReader<Seekable>>,
    R::Error: std::error::Error + 'static,
{
    let range = book.worksheet_range(sheet).map_err(|e| damaged(&e))?;
    let Some((top, left)) = range.start() else { return Ok(()) };
    for (row, column, data) in range.used_cells() {
        let at = |offset: usize, start: u32| {
            u32::try_from(offset).unwrap_or(u32::MAX).saturating_add(start)
        };
        let place = (at(row, top), at(column, left));
        if let Some(value) = value(owned(data), &Format::Number, epoch) {
            rows.cell(place, value)?;
        }
    }
    rows.finish()
}

fn owned(data: &Data) -> DataRef<'static> {
    match data {
        Data::Int(value) => DataRef::Int(*value),
        Data::Float(value) => DataRef::Float(*value),
        Data::String(text) => DataRef::String(text.clone()),
        Data::Bool(value) => DataRef::Bool(*value),
        Data::DateTime(serial) => DataRef::DateTime(*serial),
        Data::DateTimeIso(text) => DataRef::DateTimeIso(text.clone()),
        Data::DurationIso(text) => DataRef::DurationIso(text.clone()),
        Data::Error(error) => DataRef::Error(error.clone()),
        Data::Empty => DataRef::Empty,
    }
}

fn format(style: &Style) -> Format {
    style.number_format.as_ref().map_or(Format::Number, |f| Format::of_code(&f.format_code))
}

/// The cell's value; `None` for a cell that only has a look.
fn value<'a>(data: DataRef<'a>, format: &Format, epoch: Epoch) -> Option<Value<'a>> {
    Some(match data {
        DataRef::Empty => return None,
        DataRef::Bool(value) => Value::Bool(value),
        #[allow(clippy::cast_precision_loss, reason = "XLSB stores 30 bits")]
        DataRef::Int(value) => Value::of_number(value as f64, format, epoch),
        DataRef::Float(value) => Value::of_number(value, format, epoch),
        DataRef::String(text) => Value::Text(text.into()),
        DataRef::SharedString(text) => Value::Text(text.into()),
        DataRef::DateTime(serial) => of_serial(serial, format, epoch),
        DataRef::DateTimeIso(text) => Value::of_iso(text),
        DataRef::DurationIso(text) => Value::Text(text.into()),
        DataRef::Error(error) => Value::Text(error.to_string().into()),
    })
}

/// Formats that have no code of their own (the East Asian built-in ones) and kinds of workbook whose
/// formats are not known here: what calamine says.
fn of_serial(serial: ExcelDateTime, format: &Format, epoch: Epoch) -> Value<'static> {
    let is_date = |format: &Format| match format {
        Format::Date | Format::Moment | Format::Time | Format::Duration => true,
        Format::Number | Format::Decimals | Format::Padded(_) => false,
    };
    let general = match serial.as_f64() {
        _length if serial.is_duration() => Format::Duration,
        0.0..1.0 => Format::Time,
        _day => Format::Date,
    };
    let format = if is_date(format) { format } else { &general };
    Value::of_number(serial.as_f64(), format, epoch)
}
