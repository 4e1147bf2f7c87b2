//! Rejects counted: by code, with the first of them, against what may be left out.

use std::collections::BTreeMap;

use super::Reject;
use crate::convert::Limits;
use crate::diagnostic::{Code, Diagnostic};
use crate::report::RejectReport;

/// Rejects that are told in reports.
const TOLD: usize = 20;
/// Rejects told in a diagnostic.
const EXAMPLES: usize = 5;

/// Rejects of a file.
#[derive(Debug, Clone, Default)]
pub struct Tally {
    /// How many there are.
    pub count: u64,
    by_code: BTreeMap<Code, u64>,
    first: Vec<RejectReport>,
}

impl Tally {
    /// Counts one.
    pub fn take(&mut self, reject: &Reject) {
        self.count += 1;
        *self.by_code.entry(reject.code).or_default() += 1;
        if self.first.len() < TOLD {
            self.first.push(reject.report());
        }
    }

    /// Counts those of another text after these.
    pub fn join(&mut self, other: Self) {
        self.count += other.count;
        for (code, count) in other.by_code {
            *self.by_code.entry(code).or_default() += count;
        }
        self.first.extend(other.first);
        self.first.truncate(TOLD);
    }

    /// The first of them, in order.
    pub fn first(&self) -> &[RejectReport] {
        &self.first
    }

    /// How many have which code, the most frequent first.
    pub fn by_code(&self) -> Vec<(String, u64)> {
        let mut codes: Vec<_> = self.by_code.iter().collect();
        codes.sort_by_key(|(code, count)| (std::cmp::Reverse(**count), **code));
        codes.into_iter().map(|(code, count)| (code.to_string(), *count)).collect()
    }

    /// Why a file with so many records may not be published; `None` when it may.
    pub fn too_many(&self, records: u64, limits: &Limits) -> Option<Diagnostic> {
        let share = u128::from(self.count) * 1_000_000;
        let too_many = self.count > limits.rejects_max
            || share > u128::from(records) * u128::from(limits.rejects_ppm);
        too_many.then(|| self.diagnostic(records, limits))
    }

    fn diagnostic(&self, records: u64, limits: &Limits) -> Diagnostic {
        let most =
            self.by_code.iter().max_by_key(|(code, count)| (**count, std::cmp::Reverse(**code)));
        let code = most.map_or(Code::C103, |(code, _)| *code);
        let how = if matches!(
            code,
            Code::C102 | Code::C103 | Code::C113 | Code::C146 | Code::C147 | Code::C148
        ) {
            "cannot be read"
        } else {
            "do not fit the contract"
        };
        let summary = format!("{} of {records} records {how}", self.count);
        let told = Diagnostic::error(code, summary).fact("allowed at most", allowed(limits));
        let told = match self.by_code() {
            codes if codes.len() > 1 => codes
                .into_iter()
                .fold(told, |told, (code, count)| told.fact(format!("with {code}"), count)),
            _one => told,
        };
        self.first.iter().take(EXAMPLES).fold(told, |told, reject| {
            let sheet = reject.sheet.as_ref().map(|sheet| format!("sheet `{sheet}`, "));
            let place = format!("{}line {}", sheet.unwrap_or_default(), reject.line);
            told.fact(place, format!("{}: {}", reject.reason, reject.raw))
        })
    }
}

fn allowed(limits: &Limits) -> String {
    let percent = f64::from(limits.rejects_ppm) / 10_000.0;
    match (limits.rejects_max, limits.rejects_ppm) {
        (0, _) | (_, 0) => "none".to_owned(),
        (u64::MAX, _) => format!("{percent} %"),
        (max, 1_000_000..) => max.to_string(),
        (max, _) => format!("{percent} % and {max}"),
    }
}
