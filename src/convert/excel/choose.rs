//! Which sheets are the feed's.
//!
//! Every visible sheet whose header has at least half of the feed's known names. For an unknown feed
//! the first table-like sheet, and every other with the same header in any order. A feed that names
//! its sheets gets those, hidden or not.

use std::collections::BTreeSet;

use super::book::{Sheet, SheetKind};
use super::header::{Expected, Header};
use super::survey::{SheetColumn, Survey};
use crate::diagnostic::{Code, Diagnostic};

/// A sheet after the first pass.
#[derive(Debug)]
pub(super) struct Surveyed {
    /// As the workbook lists it.
    pub(super) sheet: Sheet,
    /// Where its table is.
    pub(super) survey: Survey,
    /// Its table's columns.
    pub(super) columns: Vec<SheetColumn>,
    /// Whether its rows are taken.
    pub(super) taken: bool,
    /// Why, in words.
    pub(super) why: String,
}

/// Marks the sheets whose rows are taken.
///
/// # Errors
/// C107 when there is none, C108 when one is too sparse to be a table.
pub(super) fn choose(
    sheets: &mut [Surveyed],
    expected: &Expected,
    wanted: Option<&[String]>,
) -> Result<(), Diagnostic> {
    for sheet in sheets.iter_mut() {
        sheet.why = sheet.obstacle(wanted).unwrap_or_default().to_owned();
    }
    if let Some(absent) = wanted.and_then(|wanted| absent(sheets, wanted)) {
        return Err(no_table(sheets, &format!("no sheet is called `{absent}`")));
    }
    let model = first_table(sheets).map(Surveyed::names);
    for sheet in sheets.iter_mut().filter(|sheet| sheet.why.is_empty()) {
        let names = sheet.names();
        let (taken, otherwise) = match wanted {
            Some(_) => (true, ""),
            None if expected.names.is_empty() => {
                (Some(&names) == model.as_ref(), "its header is not that of the first table")
            }
            None => (
                expected.is_met_by(names.iter().map(String::as_str)),
                "its header is not the feed's",
            ),
        };
        sheet.taken = taken;
        sheet.why = if taken { sheet.place() } else { otherwise.to_owned() };
    }
    verdict(sheets)
}

fn verdict(sheets: &[Surveyed]) -> Result<(), Diagnostic> {
    let is_sparse = |sheet: &&Surveyed| sheet.survey.is_sparse(&sheet.columns);
    let nothing_taken = !sheets.iter().any(|sheet| sheet.taken);
    let mut doubtful = sheets.iter().filter(|sheet| sheet.taken || nothing_taken);
    if let Some(sparse) = doubtful.find(is_sparse) {
        let name = &sparse.sheet.name;
        let what = format!("sheet `{name}` spans far more cells than it holds");
        return Err(Diagnostic::error(Code::C108, what).fact("sheet", name));
    }
    if nothing_taken {
        return Err(no_table(sheets, "no sheet of the workbook is the feed's table"));
    }
    if sheets.iter().filter(|sheet| sheet.taken).all(|sheet| sheet.survey.rows == 0) {
        return Err(Diagnostic::error(Code::C101, "the workbook's table has no rows"));
    }
    Ok(())
}

fn absent<'w>(sheets: &[Surveyed], wanted: &'w [String]) -> Option<&'w String> {
    wanted.iter().find(|wanted| !sheets.iter().any(|sheet| sheet.sheet.name == **wanted))
}

/// A cover sheet is often a list of two columns, or lines of text: a header of texts over several
/// columns goes before one that is not, and that before a single column.
fn first_table(sheets: &[Surveyed]) -> Option<&Surveyed> {
    let rank = |sheet: &&Surveyed| {
        let several = sheet.columns.len() >= 2;
        let all_named = sheet.columns.iter().all(|c| c.header.chars().any(char::is_alphabetic));
        match (sheet.survey.rows > 0, several, several && all_named) {
            (true, _, true) => 0,
            (true, true, false) => 1,
            (true, false, false) => 2,
            (false, ..) => 3,
        }
    };
    sheets.iter().filter(|sheet| sheet.why.is_empty()).min_by_key(rank)
}

fn no_table(sheets: &[Surveyed], what: &str) -> Diagnostic {
    let told = Diagnostic::error(Code::C107, what);
    sheets
        .iter()
        .fold(told, |told, sheet| told.fact(format!("sheet `{}`", sheet.sheet.name), &sheet.why))
}

impl Surveyed {
    /// Why it cannot be taken whatever its header.
    fn obstacle(&self, wanted: Option<&[String]>) -> Option<&'static str> {
        let is_wanted = wanted.is_some_and(|wanted| wanted.contains(&self.sheet.name));
        match (self.sheet.kind, &self.survey.header) {
            _ if wanted.is_some() && !is_wanted => Some("the feed does not name it"),
            (SheetKind::NoCells, _) => Some("it has no cells"),
            (SheetKind::Hidden, _) if !is_wanted => Some("it is hidden"),
            _ if self.survey.all_rows() == 0 => Some("it is empty"),
            (_, Header::NotFound) => Some("it has no header"),
            (SheetKind::Visible | SheetKind::Hidden, Header::Row(..) | Header::Absent) => None,
        }
    }

    fn names(&self) -> BTreeSet<String> {
        self.columns.iter().map(|column| column.name.to_lowercase()).collect()
    }

    fn place(&self) -> String {
        match self.survey.header_row {
            0 => "taken, without a header".to_owned(),
            row => format!("taken, header in row {row}"),
        }
    }
}
