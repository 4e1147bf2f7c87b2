//! Which records of a source are rejects: some by their lines, since no other reader could read
//! them the same way, and those that a contract leaves out.

use std::collections::{HashMap, HashSet};
use std::fs::File;

use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use super::texts_of;
use crate::convert::unreadable;
use crate::diagnostic::{Code, Diagnostic};

/// Lines with ambiguous quotes or bytes that are not valid, by member.
#[derive(Debug, Default)]
pub(in crate::convert) struct Rejected {
    lines: HashMap<Option<String>, HashSet<u64>>,
    /// The first lines of records that a contract leaves out.
    judged_lines: HashMap<Option<String>, HashSet<u64>>,
    /// The numbers of all records that are left out.
    records: HashSet<u64>,
}

impl Rejected {
    /// Reads the rejects of a conversion.
    pub(super) fn read(rejects: Option<File>) -> Result<Self, Diagnostic> {
        let mut rejected = Self::default();
        let Some(file) = rejects else { return Ok(rejected) };
        let builder = ParquetRecordBatchReaderBuilder::try_new(file);
        let reader = builder.and_then(ParquetRecordBatchReaderBuilder::build);
        for batch in reader.map_err(|error| unreadable(&error))? {
            let batch = batch.map_err(|error| unreadable(&error))?;
            let of = |column| texts_of(&batch, column);
            let number = |text: Option<String>| text?.parse::<u64>().ok();
            rejected.records.extend(of("record").into_iter().filter_map(number));
            let places = of("line").into_iter().zip(of("code"));
            let rows = places.zip(of("raw")).zip(of("_lf_member"));
            for (((line, code), raw), member) in rows {
                let unreadable = [Code::C113, Code::C102].map(Code::as_str);
                let first = number(line).unwrap_or(0);
                let code = code.unwrap_or_default();
                if !unreadable.contains(&code.as_str()) {
                    if code != Code::C103.as_str() {
                        rejected.judged_lines.entry(member).or_default().insert(first);
                    }
                    continue;
                }
                let more = raw.unwrap_or_default().matches('\n').count() as u64;
                rejected.lines.entry(member).or_default().extend(first..=first + more);
            }
        }
        Ok(rejected)
    }

    /// The lines of a member that are left out of the comparison.
    pub(in crate::convert) fn lines(&self, member: Option<&str>) -> HashSet<u64> {
        self.lines.get(&member.map(str::to_owned)).cloned().unwrap_or_default()
    }

    /// The first lines of a member's records that a contract leaves out.
    pub(in crate::convert) fn judged_lines(&self, member: Option<&str>) -> HashSet<u64> {
        self.judged_lines.get(&member.map(str::to_owned)).cloned().unwrap_or_default()
    }

    /// Whether a record is left out, by its number.
    pub(in crate::convert) fn has_record(&self, number: u64) -> bool {
        self.records.contains(&number)
    }
}
