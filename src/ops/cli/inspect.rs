//! `landfall inspect`

use std::path::{Path, PathBuf};

use serde::Serialize;

use super::output::table;
use super::report::block;
use super::{Exit, Output, convert, report};
use crate::convert::{self as converter, Inspection, Outcome};
use crate::diagnostic::Diagnostic;
use crate::receive::receipt::shown;

/// Characters of a value in the table of first rows.
const VALUE_CHARS_MAX: usize = 24;
/// Columns in the table of first rows.
const COLUMNS_MAX: usize = 8;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The file
    file: PathBuf,
    /// A contract that the file must meet
    #[arg(long, value_name = "FILE")]
    contract: Option<PathBuf>,
}

pub(super) fn run(args: Args, out: &Output) -> Result<Exit, Diagnostic> {
    let raw = convert::open(&args.file)?;
    let contract = convert::contract(args.contract.as_deref())?;
    let job = convert::job(&args.file, &raw)?.under(contract.as_ref());
    let inspection = converter::inspect(&job, raw);
    if out.is_json() {
        #[derive(Serialize)]
        struct Inspected<'a> {
            file: &'a Path,
            #[serde(flatten)]
            inspection: &'a Inspection,
        }
        let inspected = Inspected { file: &args.file, inspection: &inspection };
        out.object("landfall.inspection/v1", &inspected);
    } else {
        let shown = args.file.display();
        let kind = &inspection.report.kind;
        let heading =
            if kind.is_empty() { format!("{shown}\n") } else { format!("{shown}: {kind}\n") };
        out.print(&(heading + &report::text(&inspection.report) + &first_rows(&inspection)));
    }
    match &inspection.obstacle {
        None | Some(Outcome::Converted(_)) => Ok(Exit::Ok),
        Some(Outcome::Raw { reason }) => {
            out.say(&format!("It would be handed off as it is: {reason}"));
            Ok(Exit::Ok)
        }
        Some(Outcome::Held(told)) => {
            out.tell(told);
            Ok(Exit::Problems)
        }
    }
}

/// The first rows under their headings. A null is empty, an empty text is `""`.
pub(super) fn first_rows(inspection: &Inspection) -> String {
    if inspection.rows.is_empty() {
        return String::new();
    }
    let columns = inspection.report.columns.len();
    let mut rows = vec![cells(inspection.report.columns.iter().map(|c| c.name.clone()))];
    rows.extend(inspection.rows.iter().map(|row| {
        cells(row.iter().map(|value| match value.as_deref() {
            None => String::new(),
            Some("") => "\"\"".to_owned(),
            Some(value) => value.to_owned(),
        }))
    }));
    let mut text = table(&rows);
    if columns > COLUMNS_MAX {
        text.push_str(&format!("… and {} more columns\n", columns - COLUMNS_MAX));
    }
    block("first rows", &text)
}

fn cells(values: impl Iterator<Item = String>) -> [String; COLUMNS_MAX] {
    let mut cells = [const { String::new() }; COLUMNS_MAX];
    for (cell, value) in cells.iter_mut().zip(values) {
        let value = shown(&value);
        *cell = value.chars().take(VALUE_CHARS_MAX).collect();
        if value.chars().count() > VALUE_CHARS_MAX {
            cell.push('…');
        }
    }
    cells
}
