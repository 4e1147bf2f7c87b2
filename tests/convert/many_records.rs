//! A million records, both ways through the converter and back, cell by cell against the csv crate,
//! and read by DuckDB. `LANDFALL_RECORDS=10000000` makes it ten million.

use std::path::Path;
use std::process::Command;

use csv::{QuoteStyle, ReaderBuilder, Terminator, WriterBuilder};

use super::support::{Table, convert};

/// Records of one file, more than a block holds.
const FILE_RECORDS: usize = 500_000;
const COLUMNS: usize = 7;

/// Numbers that look random and are the same in every run (splitmix64, Steele et al. 2014).
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ mixed >> 31
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }

    fn one_of<T: Copy>(&mut self, choices: &[T]) -> T {
        let at = self.below(choices.len() as u64);
        choices[usize::try_from(at).unwrap()]
    }

    fn text(&mut self) -> String {
        const PIECES: [&str; 12] =
            ["ab", "é", "€", "😀", ",", "\"", "\n", "\r\n", " ", "x y z", "0", "\r"];
        let count = self.below(5);
        (0..count).map(|_| self.one_of(&PIECES)).collect()
    }

    fn record(&mut self, number: usize) -> [String; COLUMNS] {
        let or_nothing = |value: String, share: u64| if share == 0 { String::new() } else { value };
        let (cents, day, share) =
            (self.next().cast_signed() >> 20, self.below(28) + 1, self.below(7));
        [
            number.to_string(),
            format!("{}.{:02}", cents / 100, cents.unsigned_abs() % 100),
            or_nothing((self.next().cast_signed() >> self.below(60)).to_string(), share),
            format!("20{:02}-{:02}-{day:02}", self.below(100), self.below(12) + 1),
            format!("{:05}", self.below(100_000)),
            self.text(),
            self.one_of(&["amber", "blue", "café"]).to_owned(),
        ]
    }
}

/// Records in changing styles of quotes and line ends; a stray quote at the end sends them the exact
/// way.
fn text(numbers: &mut Numbers, records: usize, end: &str) -> Vec<u8> {
    let styles = [QuoteStyle::Necessary, QuoteStyle::Always, QuoteStyle::NonNumeric];
    let ends = [Terminator::Any(b'\n'), Terminator::CRLF];
    let mut text = b"number,amount,count,day,code,text,word\n".to_vec();
    for first in (0..records).step_by(1000) {
        let mut writer = WriterBuilder::new()
            .quote_style(numbers.one_of(&styles))
            .terminator(numbers.one_of(&ends))
            .from_writer(text);
        for number in first..(first + 1000).min(records) {
            writer.write_record(numbers.record(number)).unwrap();
        }
        text = writer.into_inner().unwrap();
    }
    text.extend_from_slice(end.as_bytes());
    text
}

fn differing_cells(text: &[u8], table: &Table) -> usize {
    let columns: Vec<_> = table.columns.iter().map(|column| column.texts()).collect();
    let mut reader = ReaderBuilder::new().from_reader(text);
    let (mut record, mut row, mut differing) = (csv::StringRecord::new(), 0, 0);
    while reader.read_record(&mut record).unwrap() {
        for (column, expected) in columns.iter().zip(&record) {
            // A null is an empty one; the csv crate does not tell quoted from unquoted.
            differing += usize::from(column[row].as_deref().unwrap_or("") != expected);
        }
        row += 1;
    }
    assert_eq!((row, record.len().max(COLUMNS)), (table.rows, COLUMNS));
    differing
}

#[test]
fn no_cell_differs_from_what_the_csv_crate_reads() {
    let records = std::env::var("LANDFALL_RECORDS").map_or(1_000_000, |n| n.parse().unwrap());
    let mut numbers = Numbers(7);
    for (file, first) in (0..records).step_by(FILE_RECORDS).enumerate() {
        let end = ["", "9,1.00,1,2026-01-01,5\" pipe,x,y\n"][file % 2];
        let text = text(&mut numbers, FILE_RECORDS.min(records - first), end);
        let table = convert(&text);
        assert_eq!(differing_cells(&text, &table), 0);
        let report = &table.converted.report;
        assert_eq!((report.rejected, report.notes.is_empty()), (0, end.is_empty()));
    }
}

/// Compares the Parquet with the source read as text, both by DuckDB.
const COMPARE: &str = "
import sys, duckdb
source, parquet = sys.argv[1:]
columns = 'number, amount, count, day, code, text, word'
as_text = ', '.join(f'{c}::varchar' for c in columns.split(', '))
csv = f\"(select {columns} from read_csv('{source}', all_varchar = true, header = true, quote = '\\\"', escape = '\\\"', delim = ',', new_line = '\\\\n', allow_quoted_nulls = false))\"
written = f\"(select {as_text} from '{parquet}')\"
for a, b in [(csv, written), (written, csv)]:
    print(duckdb.sql(f'select count(*) from (from {a} except all from {b})').fetchall()[0][0])
print([kind for _, kind, *_ in duckdb.sql(f\"describe from '{parquet}'\").fetchall()])
";

#[test]
fn duckdb_reads_every_cell_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let (source, parquet) = (folder.path().join("a.csv"), folder.path().join("a.parquet"));
    let mut numbers = Numbers(11);
    let mut text = b"number,amount,count,day,code,text,word\n".to_vec();
    for number in 0..20_000 {
        let [a, b, c, d, e, f, g] = numbers.record(number);
        let f = f.replace(['\r', '"'], "").replace('\n', "\"\"\n");
        text.extend_from_slice(format!("{a},{b},{c},{d},{e},\"{f}\",{g}\n").as_bytes());
    }
    std::fs::write(&source, &text).unwrap();
    std::fs::write(&parquet, convert(&text).bytes).unwrap();
    let python = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/tests-python/bin/python");
    let output =
        Command::new(python).args(["-c", COMPARE]).args([&source, &parquet]).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    let types = "['BIGINT', 'DECIMAL(18,2)', 'BIGINT', 'DATE', 'VARCHAR', 'VARCHAR', 'VARCHAR']";
    let error = String::from_utf8_lossy(&output.stderr);
    assert_eq!(said.trim(), format!("0\n0\n{types}"), "{error}");
}
