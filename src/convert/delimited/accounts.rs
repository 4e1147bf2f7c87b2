//! The report of a text: what was found, what became of each record, what each column is and why.

use super::Examined;
use crate::convert::infer::{Evidence, Fit};
use crate::convert::sticky::{Plan, Planned};
use crate::convert::text::Certainty;
use crate::report::{ColumnReport, Report};
use crate::schema::ColumnType;

impl Examined<'_> {
    /// The report; without a plan the columns are as this file alone would have them.
    pub(super) fn report(&self, plan: Option<&Plan>) -> Report {
        let scan = &self.scan;
        let skips = [("blank", scan.blank), ("preamble", scan.preamble.len() as u64)];
        let skips = skips.into_iter().filter(|(_, count)| *count > 0);
        Report {
            kind: if self.dialect.syntax.delimiter == Some(b'\t') { "tsv" } else { "csv" }
                .to_owned(),
            seen: scan.seen(),
            written: scan.rows,
            rejected: scan.rejects.count,
            skipped: scan.skipped(),
            dialect: self.dialect.findings(self.charset.words()),
            columns: match plan {
                Some(plan) => plan.columns.iter().map(|planned| self.planned(planned)).collect(),
                None => scan.names.iter().zip(&scan.evidence).map(alone).collect(),
            },
            sheets: Vec::new(),
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
            kind: kind.published().to_string(),
            why,
            nulls,
        }
    }

    fn notes(&self) -> Vec<String> {
        let mut notes = self.dialect.notes();
        if self.charset.certainty == Certainty::Guess {
            let name = self.charset.encoding.name();
            notes.push(format!("the encoding is most likely {name}; `encoding` declares it"));
        }
        if let (count @ 1.., line) = self.scan.stray_quotes {
            notes.push(format!(
                "{count} records have quotes inside unquoted fields, kept as they are; the first is \
                 on line {line}"
            ));
        }
        notes.extend(self.scan.facts.notes());
        for line in &self.scan.preamble {
            notes.push(format!("before the header, left out: {}", line.escape_debug()));
        }
        notes
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
