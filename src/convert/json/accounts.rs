//! The report of a JSON text: what became of each record, what each field is and why.

use super::Examined;
use crate::convert::infer::Fit;
use crate::convert::sticky::{Plan, Planned};
use crate::report::{ColumnReport, Report, SheetReport};

impl Examined<'_> {
    /// How it was read, for the report and the Parquet's metadata.
    pub(super) fn findings(&self) -> Vec<(String, String)> {
        let found = [("encoding", "UTF-8"), ("records", self.form)];
        let found = found.map(|(name, value)| (name.to_owned(), value.to_owned()));
        self.parts.findings().into_iter().chain(found).collect()
    }

    /// The report; without a plan the columns are as this file alone would have them.
    pub(super) fn report(&self, plan: Option<&Plan>) -> Report {
        let survey = &self.survey;
        let skips = [("blank", survey.blank)].into_iter().filter(|(_, count)| *count > 0);
        let taken = survey.members.iter().map(|(name, rows)| SheetReport {
            name: name.clone(),
            rows: *rows,
            taken: true,
            why: "it holds records".to_owned(),
        });
        Report {
            kind: "json".to_owned(),
            seen: survey.records() + survey.blank,
            written: survey.rows,
            rejected: survey.rejects.count,
            skipped: survey.blank,
            dialect: self.findings(),
            columns: match plan {
                Some(plan) => plan.columns.iter().map(|planned| self.planned(planned)).collect(),
                None => self.alone(),
            },
            sheets: Vec::new(),
            members: taken.chain(self.parts.others.iter().cloned()).collect(),
            skips: skips.map(|(code, count)| (code.to_owned(), count)).collect(),
            rejects_by_code: survey.rejects.by_code(),
            first_rejects: survey.rejects.first().to_vec(),
            notes: self.facts.notes().collect(),
            changes: plan.map_or_else(Vec::new, |plan| plan.drift.clone()),
            contract: self.job.contract.as_ref().map(|contract| contract.digest),
        }
    }

    fn planned(&self, planned: &Planned) -> ColumnReport {
        let column = &planned.column;
        let shape = planned.source.and_then(|source| self.survey.shapes().nth(source));
        let facts = planned.source.and_then(|source| self.facts.column(source));
        let (why, nulls) = match (facts, shape) {
            (Some(facts), _) => (facts.why(), facts.nulls()),
            (None, Some(shape)) => (shape.why(), shape.nulls(column.kind)),
            (None, None) => ("the feed has it; this file does not".to_owned(), self.survey.rows),
        };
        ColumnReport { name: column.name.clone(), kind: column.type_words(), why, nulls }
    }

    fn alone(&self) -> Vec<ColumnReport> {
        let column = |(name, shape): (&String, &super::shape::Shape)| {
            let kind = shape.own();
            let words =
                shape.nested(None).map_or_else(|| kind.published().to_string(), |n| n.to_string());
            ColumnReport {
                name: name.clone(),
                kind: words,
                why: shape.why(),
                nulls: shape.nulls(kind),
            }
        };
        self.names.iter().zip(self.survey.shapes()).map(column).collect()
    }
}
