//! Rows written while they are surveyed.
//!
//! A workbook whose cells are in one sheet is read once, if it can be: one thread reads its rows,
//! another surveys them and, once the first rows are known, writes them under the plan that these
//! allow. The draft stands when the whole sheet allows the same plan; else, or when a value does not
//! fit, it is thrown away and a second pass writes the table. Both give the same bytes.
//!
//! Left out: workbooks of several sheets, and contracts, whose judge must see every row first.

use std::fs::File;
use std::panic::resume_unwind;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread;

use super::block::Block;
use super::book::{Book, Cells, Sheet, SheetKind};
use super::choose::Surveyed;
use super::header::Expected;
use super::judged::Judged;
use super::row::Row;
use super::survey::Survey;
use super::united::United;
use super::write::Batches;
use crate::convert::Job;
use crate::convert::table::{Error, Sheets, TableInfo, TableWriter, emptied};
use crate::diagnostic::Diagnostic;

/// Rows of the table after which a draft begins.
const ROWS_FIRST: u64 = 1024;
/// Cells, and bytes of text, of a block.
const BLOCK_CELLS: usize = 4096;
const BLOCK_TEXT_BYTES: usize = 1 << 18;
/// Blocks after which a draft begins, however few rows there are.
const BLOCKS_FIRST_MAX: usize = 128;
/// Blocks that are read and not yet taken.
const BLOCKS_MAX: usize = 4;

/// What was written of a sheet's table while it was surveyed.
pub(super) struct Draft {
    /// What the first rows allowed.
    table: United,
    /// For each place of the sheet, the column of the plan.
    targets: Vec<Option<usize>>,
    /// What is written, and what is not yet.
    pub(super) batches: Batches,
}

impl Draft {
    /// Whether what is written is what this table's rows give.
    pub(super) fn stands_for(&self, table: &United) -> bool {
        let taken = |table: &United| table.sheets.iter().position(|sheet| sheet.taken);
        let [drafted, whole] = [&self.table, table].map(|table| {
            let sheet = taken(table).and_then(|at| table.sheets.get(at));
            sheet.map(|sheet| (&sheet.survey.header, sheet.survey.header_row, table.targets(sheet)))
        });
        drafted == whole && self.table.plan.columns == table.plan.columns
    }

    fn take(&mut self, row: &Row<'_>) -> Result<(), Error> {
        let sheet = self.table.sheets.iter().find(|sheet| sheet.taken);
        match sheet.filter(|sheet| sheet.survey.is_data(row)) {
            Some(sheet) => self.batches.row(row, &sheet.sheet.name, &self.targets),
            None => Ok(()),
        }
    }
}

/// The one sheet that has cells, of a workbook that can be read once.
pub(super) fn only_sheet(book: &Book, job: &Job) -> Option<usize> {
    let has_cells = |sheet: &Sheet| match sheet.kind {
        SheetKind::NoCells => false,
        SheetKind::Visible | SheetKind::Hidden => true,
    };
    let mut with_cells = (0..).zip(&book.sheets).filter(|(_, sheet)| has_cells(sheet));
    match (with_cells.next(), with_cells.next()) {
        (Some((at, _)), None) if job.contract.is_none() => Some(at),
        _ => None,
    }
}

/// Surveys the sheet at this place, and writes its rows into `out` as far as they can be foreseen.
///
/// # Errors
/// Why the workbook is held.
pub(super) fn survey(
    book: &mut Book,
    at: usize,
    (job, expected): (&Job, &Expected),
    out: &File,
) -> Result<(Survey, Option<Draft>), Diagnostic> {
    let sheets = book.sheets.clone();
    let name = sheets.get(at).map_or_else(String::new, |sheet| sheet.name.clone());
    let mut desk = Desk {
        survey: Survey::new(at),
        drafted: Drafted::NotYet(Vec::new()),
        sheets: &sheets,
        at,
        job,
        expected,
        out,
    };
    let (sender, blocks) = sync_channel(BLOCKS_MAX);
    let (cells, package) = book.parts();
    let markup = thread::scope(|scope| {
        let markup = scope.spawn(|| package.and_then(|package| package.markup(&name)));
        let reading = scope.spawn(|| read(cells, &name, job, sender));
        for block in blocks {
            desk.take(block);
        }
        let read = reading.join().unwrap_or_else(|panic| resume_unwind(panic));
        let markup = markup.join().unwrap_or_else(|panic| resume_unwind(panic));
        read.map(|()| markup)
    })?;
    book.keep_markup(name, markup);
    Ok(desk.finish())
}

/// Reads the rows into blocks. Nobody takes more when the other side has panicked.
fn read(
    cells: &mut Cells,
    sheet: &str,
    job: &Job,
    blocks: SyncSender<Block>,
) -> Result<(), Diagnostic> {
    let mut block = Block::default();
    cells.rows(sheet, &job.limits, &mut |row| {
        block.push(row);
        let (cells, text_bytes) = block.size();
        if cells >= BLOCK_CELLS || text_bytes >= BLOCK_TEXT_BYTES {
            drop(blocks.send(std::mem::take(&mut block)));
        }
        Ok(())
    })?;
    drop(blocks.send(block));
    Ok(())
}

/// What is known and written so far.
struct Desk<'d> {
    survey: Survey,
    drafted: Drafted,
    sheets: &'d [Sheet],
    at: usize,
    job: &'d Job,
    expected: &'d Expected,
    out: &'d File,
}

enum Drafted {
    /// The first rows wait for a plan.
    NotYet(Vec<Block>),
    So(Box<Draft>),
    /// The rows cannot be foreseen.
    Not,
}

impl Desk<'_> {
    fn take(&mut self, block: Block) {
        let Self { survey, drafted, expected, .. } = self;
        block.for_each(|row| {
            survey.row(row, expected);
            if let Drafted::So(draft) = drafted
                && draft.take(row).is_err()
            {
                *drafted = Drafted::Not;
            }
        });
        if let Drafted::NotYet(first) = drafted {
            first.push(block);
            if survey.rows >= ROWS_FIRST || first.len() >= BLOCKS_FIRST_MAX {
                self.begin();
            }
        }
    }

    /// Begins a draft with the rows that wait.
    fn begin(&mut self) {
        let first = match &mut self.drafted {
            Drafted::NotYet(first) => std::mem::take(first),
            Drafted::So(_) | Drafted::Not => return,
        };
        self.drafted = Drafted::Not;
        let Some(mut draft) = self.draft() else { return };
        let mut fits = true;
        for block in first {
            block.for_each(|row| fits = fits && draft.take(row).is_ok());
        }
        if fits {
            self.drafted = Drafted::So(Box::new(draft));
        }
    }

    /// An empty draft under the plan that the survey so far allows.
    fn draft(&self) -> Option<Draft> {
        let none = |_: &[Surveyed], _: &_| Ok(Judged::default());
        let so_far = surveyed(self.sheets, (self.at, self.survey.clone()), self.expected);
        let table = United::of(so_far, (self.job, self.expected), none).ok()?;
        let columns = table.table_columns();
        let info =
            TableInfo { job: self.job, columns: &columns, sheets: Sheets::Yes, dialect: &[] };
        let writer = TableWriter::create(emptied(self.out).ok()?, &info).ok()?;
        let batches = Batches::new(writer, &table.plan, self.job);
        let targets = table.targets(table.sheets.iter().find(|sheet| sheet.taken)?);
        Some(Draft { table, targets, batches })
    }

    fn finish(mut self) -> (Survey, Option<Draft>) {
        self.begin();
        match self.drafted {
            Drafted::So(draft) => (self.survey, Some(*draft)),
            Drafted::NotYet(_) | Drafted::Not => (self.survey, None),
        }
    }
}

/// The sheets of a workbook of which only one has cells, and what was found in that.
pub(super) fn surveyed(
    sheets: &[Sheet],
    (at, survey): (usize, Survey),
    expected: &Expected,
) -> Vec<Surveyed> {
    let mut found = Some(survey);
    let surveyed = |(place, sheet): (usize, &Sheet)| {
        let survey = if place == at { found.take() } else { None };
        let mut survey = survey.unwrap_or_else(|| Survey::new(place));
        let columns = survey.finish(expected);
        Surveyed { sheet: sheet.clone(), survey, columns, taken: false, why: String::new() }
    };
    sheets.iter().enumerate().map(surveyed).collect()
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::super::kind::Kind;
    use super::super::reading::Reading;
    use crate::convert::unpack::{self, Input};
    use crate::convert::{Job, Limits, Progress};

    use super::super::workbook::Cell::{self, Number, Text};
    use super::super::workbook::{Workbook, row};

    /// Whether a workbook of so many plain rows and these is written while it is read.
    fn is_drafted(rows: u32, last: &[Cell<'_>]) -> bool {
        let mut xml = row(1, "", &[Text("id"), Text("note")]);
        for number in 2..rows + 2 {
            let id = number.to_string();
            xml.push_str(&row(number, "", &[Number(&id), Text("some text")]));
        }
        xml.push_str(&row(rows + 2, "", last));
        let mut raw = tempfile::tempfile().expect("a file");
        let bytes = Workbook::new().raw_sheet("Orders", "visible", &xml).bytes();
        raw.write_all(&bytes).expect("written");
        let job = Job {
            arrival: None,
            name: "orders.xlsx".parse().expect("a name"),
            size_bytes: 0,
            digest: None,
            format: crate::config::Format::default(),
            learned: None,
            contract: None,
            allowance: crate::contract::Allowance::default(),
            limits: Limits::default(),
            progress: Progress::default(),
        };
        let Ok(Input::Tables(_, parts)) = unpack::open(&job, raw) else { panic!("no workbook") };
        let raw = parts.tables.first().expect("a workbook").content.seekable().expect("seekable");
        let out = tempfile::tempfile().expect("a file");
        let read = Reading::and_draft(&job, (&parts, Kind::Xlsx), raw, &out).expect("read");
        read.1.is_some()
    }

    #[test]
    fn rows_that_can_be_foreseen_are_written_while_they_are_read() {
        let plain = [Number("7"), Text("some text")];
        assert!(is_drafted(10, &plain) && is_drafted(5_000, &plain));
        assert!(is_drafted(5_000, &[Cell::None, Text("no id")]), "nulls print otherwise only");
        assert!(!is_drafted(5_000, &[Number("0.5")]), "not whole");
        assert!(!is_drafted(5_000, &[Text("n/a")]), "no number");
        assert!(!is_drafted(5_000, &[Number("7"), Text("a"), Text("more")]), "another column");
        assert!(is_drafted(100, &[Text("n/a")]), "all is known before anything is written");
    }
}
