//! The report of a text: what was found, what became of each record, what each column is and why.

use super::Examined;
use super::text::Text;
use crate::convert::infer::{Evidence, Fit};
use crate::convert::sticky::{Plan, Planned};
use crate::convert::text::Certainty;
use crate::report::{ColumnReport, Report};
use crate::schema::ColumnType;

/// Remarks on an archive's texts before the rest are left out.
const NOTES_MAX: usize = 50;

impl Examined<'_> {
    /// The report; without a plan the columns are as this file alone would have them.
    pub(super) fn report(&self, plan: Option<&Plan>) -> Report {
        let scan = &self.scan;
        let skips = scan.skips.by_code().into_iter().filter(|(_, count)| *count > 0);
        let delimiter = self.dialect().and_then(|dialect| dialect.syntax.delimiter);
        let is_tabs = delimiter.is_some_and(|delimiter| delimiter.single() == Some(b'\t'));
        Report {
            kind: if is_tabs { "tsv" } else { "csv" }.to_owned(),
            seen: scan.seen(),
            written: scan.rows,
            rejected: scan.rejects.count,
            skipped: scan.skipped(),
            dialect: self.findings(),
            columns: match plan {
                Some(plan) => plan.columns.iter().map(|planned| self.planned(planned)).collect(),
                None => scan.names.iter().zip(&scan.evidence).map(alone).collect(),
            },
            sheets: Vec::new(),
            members: self.members.clone(),
            skips: skips.map(|(code, count)| (code.to_owned(), count)).collect(),
            rejects_by_code: scan.rejects.by_code(),
            first_rejects: scan.rejects.first().to_vec(),
            notes: self.notes(),
            changes: plan.map_or_else(Vec::new, |plan| plan.drift.clone()),
            contract: self.contract,
        }
    }

    fn planned(&self, planned: &Planned) -> ColumnReport {
        let kind = planned.column.kind;
        let evidence = planned.source.and_then(|source| self.scan.evidence.get(source));
        let facts = planned.source.and_then(|source| self.scan.facts.column(source));
        let (why, nulls) = match (facts, evidence) {
            (Some(facts), _) => (facts.why(), facts.nulls()),
            (None, Some(evidence)) => (why(evidence, kind), evidence.nulls(kind)),
            (None, None) => ("the feed has it; this file does not".to_owned(), self.scan.rows),
        };
        ColumnReport {
            name: planned.column.name.clone(),
            kind: planned.column.type_words(),
            why,
            nulls,
        }
    }

    fn notes(&self) -> Vec<String> {
        let scan = &self.scan;
        let mut notes = Vec::new();
        for (text, _) in &self.texts {
            let of_text = text.dialect.notes().into_iter().chain(guess(text));
            notes.extend(of_text.map(|note| match text.member() {
                Some(member) => format!("member `{member}`: {note}"),
                None => note,
            }));
            if notes.len() >= NOTES_MAX {
                break;
            }
        }
        if let (count @ 1.., line) = scan.stray_quotes {
            notes.push(format!(
                "{count} records have quotes inside unquoted fields, kept as they are; the first is \
                 on line {line}"
            ));
        }
        notes.extend(self.scan.facts.notes());
        if let (count @ 1.., line) = scan.skips.repeated_headers {
            notes.push(format!("the header is repeated {count} times, first on line {line}"));
        }
        if let Some(second) = &scan.second_table {
            let (line, raw) = (second.line, second.raw.escape_debug());
            notes.push(format!("line {line} looks like the header of another table: {raw}"));
        }
        let left_out = [
            ("before the header, left out", &scan.preamble),
            ("after the table, left out", &scan.skips.footers.1),
            ("a comment, left out", &scan.skips.comments.1),
        ];
        for (what, lines) in left_out {
            notes.extend(lines.iter().map(|line| format!("{what}: {}", line.escape_debug())));
        }
        notes
    }
}

fn guess(text: &Text<'_>) -> Option<String> {
    let name = text.charset.encoding.name();
    match text.charset.certainty {
        Certainty::Guess => {
            Some(format!("the encoding is most likely {name}; `encoding` declares it"))
        }
        Certainty::Damaged => Some(format!("some bytes are not valid {name}")),
        Certainty::Declared | Certainty::Mark | Certainty::Valid => None,
    }
}

fn alone((name, evidence): (&String, &Evidence)) -> ColumnReport {
    let kind = evidence.own();
    let (why, nulls) = (evidence.why(), evidence.nulls(kind));
    ColumnReport { name: name.clone(), kind: kind.published().to_string(), why, nulls }
}

fn why(evidence: &Evidence, kind: ColumnType) -> String {
    let own = evidence.own();
    if own == kind {
        evidence.why()
    } else {
        format!("the feed's type; this file alone would be {own}: {}", evidence.why())
    }
}
