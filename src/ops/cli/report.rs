//! The converter's report on a terminal: accounts, how it was read, columns and why, sheets,
//! rejects.

use super::output::{count, table};
use crate::receive::receipt::shown;
use crate::report::{Report, SheetReport};

/// Columns listed before the rest is only counted.
const COLUMNS_LISTED_MAX: usize = 100;

/// The report as indented blocks under headings, without an empty line at the end.
pub(super) fn text(report: &Report) -> String {
    let blocks = [
        ("rows", accounts(report)),
        ("read as", pairs(&report.dialect)),
        ("columns", columns(report)),
        ("sheets", sheets(&report.sheets)),
        ("members", sheets(&report.members)),
        ("rejects", rejects(report)),
        (
            "changes",
            report.changes.iter().map(|change| shown(&change.to_string()) + "\n").collect(),
        ),
        ("remarks", report.notes.iter().map(|note| shown(note) + "\n").collect()),
    ];
    blocks.iter().map(|(heading, lines)| block(heading, lines)).collect()
}

/// A heading with its lines below it; nothing without lines.
pub(super) fn block(heading: &str, lines: &str) -> String {
    let lines: String = lines.lines().map(|line| format!("    {line}\n")).collect();
    if lines.is_empty() { lines } else { format!("  {heading}\n{lines}") }
}

fn accounts(report: &Report) -> String {
    if report.kind.is_empty() {
        return String::new();
    }
    let skips: Vec<String> =
        report.skips.iter().map(|(why, rows)| format!("{} {why}", count(*rows))).collect();
    let skips = if skips.is_empty() { String::new() } else { format!(" ({})", skips.join(", ")) };
    format!(
        "{} seen = {} written + {} rejected + {} skipped{skips}\n",
        count(report.seen),
        count(report.written),
        count(report.rejected),
        count(report.skipped),
    )
}

fn pairs(pairs: &[(String, String)]) -> String {
    let rows: Vec<_> = pairs.iter().map(|(name, value)| [name.clone(), shown(value)]).collect();
    table(&rows)
}

fn columns(report: &Report) -> String {
    let listed = report.columns.iter().take(COLUMNS_LISTED_MAX).map(|column| {
        let nulls = match column.nulls {
            0 => String::new(),
            nulls => format!("{} null", count(nulls)),
        };
        [shown(&column.name), column.kind.clone(), nulls, shown(&column.why)]
    });
    let mut text = table(&listed.collect::<Vec<_>>());
    if let Some(more) = report.columns.len().checked_sub(COLUMNS_LISTED_MAX).filter(|n| *n > 0) {
        text.push_str(&format!("… and {more} more\n"));
    }
    text
}

fn sheets(sheets: &[SheetReport]) -> String {
    let rows = sheets.iter().map(|sheet| {
        let taken = if sheet.taken { "taken" } else { "not taken" };
        [shown(&sheet.name), format!("{} rows", count(sheet.rows)), taken.into(), shown(&sheet.why)]
    });
    table(&rows.collect::<Vec<_>>())
}

fn rejects(report: &Report) -> String {
    let by_code = report.rejects_by_code.iter();
    let mut text: String =
        by_code.map(|(code, rejected)| format!("{} with {code}\n", count(*rejected))).collect();
    for reject in &report.first_rejects {
        let (line, record) = (reject.line, reject.record);
        let (reason, raw) = (shown(&reject.reason), shown(&reject.raw));
        let sheet = reject.sheet.as_ref().map(|sheet| format!("sheet {}, ", shown(sheet)));
        let sheet = sheet.unwrap_or_default();
        text.push_str(&format!("{sheet}line {line} (record {record}): {reason}\n    {raw}\n"));
    }
    let more = report.rejected.saturating_sub(report.first_rejects.len() as u64);
    if more > 0 {
        text.push_str(&format!("… and {} more\n", count(more)));
    }
    text
}
