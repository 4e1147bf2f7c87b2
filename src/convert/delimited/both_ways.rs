//! The fast way held against the exact way: whatever the text, both come to the same.

#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, reason = "tests")]

use std::io::Write;

use arrow_array::{Array, RecordBatch};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use proptest::prelude::*;

use super::*;
use crate::convert::Limits;
use crate::convert::infer::Printer;
use crate::convert::unpack::{self, Input, TableKind};
use crate::names::ArrivalId;
use crate::schema::LearnedSchema;

const FAST: Way = Way::Fast { block_bytes: fast::BLOCK_BYTES };

fn job(learned: Option<LearnedSchema>) -> Job {
    Job {
        arrival: Some(ArrivalId::from_bytes([1; 16])),
        name: "a.csv".parse().expect("a name"),
        size_bytes: 0,
        digest: None,
        format: crate::config::Format {
            delimiter: Some(",".to_owned()),
            header: Some(true),
            ..crate::config::Format::default()
        },
        learned,
        contract: None,
        allowance: crate::contract::Allowance::default(),
        limits: Limits::default(),
        progress: crate::convert::Progress::default(),
    }
}

fn parts(job: &Job, bytes: &[u8]) -> Option<Parts> {
    match unpack::open(job, file(bytes)) {
        Ok(Input::Tables(TableKind::Text, parts)) => Some(parts),
        Ok(Input::Tables(..) | Input::Other(_)) | Err(_) => None,
    }
}

fn file(bytes: &[u8]) -> File {
    let mut file = tempfile::tempfile().expect("a file");
    file.write_all(bytes).expect("written");
    file
}

/// Everything a conversion says and writes, but for how the Parquet is laid out.
#[derive(Debug, PartialEq)]
struct Whole {
    said: String,
    recorded: String,
    rows: Vec<Vec<Option<String>>>,
    rejects: Option<u64>,
    learned: Option<Vec<crate::schema::Column>>,
}

fn whole(job: &Job, text: &[u8], way: Way) -> Whole {
    let (parquet, rejects) =
        (tempfile::tempfile().expect("a file"), tempfile::tempfile().expect("a file"));
    let outputs = Outputs { parquet: parquet.try_clone().expect("a copy"), rejects };
    let parts = parts(job, text).expect("a text");
    match convert(job, &parts, way, outputs) {
        Ok(made) => {
            let (recorded, rows) = printed(&parquet);
            assert_eq!(made.parquet.rows, rows.len() as u64);
            Whole {
                said: format!("{:?} {} {:?}", made.report, made.version, made.drift),
                recorded,
                rows,
                rejects: made.rejects.map(|rejects| rejects.rows),
                learned: made.learned,
            }
        }
        Err(stop) => Whole {
            said: format!("{:?}", stop.diagnostic()),
            recorded: String::new(),
            rows: Vec::new(),
            rejects: None,
            learned: None,
        },
    }
}

/// The recorded columns, and the rows printed back, provenance included.
fn printed(parquet: &File) -> (String, Vec<Vec<Option<String>>>) {
    let copy = parquet.try_clone().expect("a copy");
    let builder = ParquetRecordBatchReaderBuilder::try_new(copy).expect("Parquet");
    let metadata = builder.metadata().file_metadata().key_value_metadata().expect("metadata");
    let entry = metadata.iter().find(|entry| entry.key == "landfall.columns").expect("columns");
    let recorded = entry.value.clone().expect("a value");
    let printers: Vec<Printer> = serde_json::from_str(&recorded).expect("printers");
    let batches = builder.build().expect("a reader").map(|batch| batch.expect("a batch"));
    (recorded, batches.flat_map(|batch| rows(&batch, &printers)).collect())
}

fn rows(batch: &RecordBatch, printers: &[Printer]) -> Vec<Vec<Option<String>>> {
    let own = [Printer::Text, Printer::Integer, Printer::Integer];
    let row = |row| {
        let columns = batch.columns().iter().zip(printers.iter().chain(&own));
        columns
            .map(|(array, printer)| {
                let text = printer.print(array, row);
                assert_eq!(text.is_none(), array.is_null(row), "{printer:?}");
                text
            })
            .collect()
    };
    (0..batch.num_rows()).map(row).collect()
}

fn assert_same(job: &Job, text: &[u8]) -> Option<Vec<crate::schema::Column>> {
    let raw = parts(job, text)?;
    let exact = whole(job, text, Way::Exact);
    for block_bytes in [100, 333, 1000, fast::BLOCK_BYTES] {
        let fast = whole(job, text, Way::Fast { block_bytes });
        assert_eq!(fast, exact, "{block_bytes} {:?}", String::from_utf8_lossy(text));
    }
    let scan = |way| Examined::new(job, &raw, way, None).ok().map(|examined| examined.scan);
    if let (Some(fast), Some(exact)) = (scan(Way::Fast { block_bytes: 333 }), scan(Way::Exact)) {
        // Joined with nothing, what does not count any more is left out.
        let all = |scan: &Scan| {
            let evidence = scan.evidence.iter().cloned();
            evidence.map(|evidence| evidence.join(Evidence::default())).collect::<Vec<_>>()
        };
        assert_eq!(all(&fast), all(&exact));
        assert_eq!(
            (fast.rows, fast.skips.blank, &fast.first_rows),
            (exact.rows, exact.skips.blank, &exact.first_rows)
        );
    }
    exact.learned
}

fn cell() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => "-?[1-9][0-9]{0,17}|0",
        4 => "[1-9][0-9]{0,12}\\.[0-9]{2}",
        2 => "[0-9]{1,3}\\.[0-9]{1,3}",
        3 => "20[0-9]{2}-0[1-9]-[0123][0-9]",
        3 => "2024-01-01[T ]0[0-9]:[0-5][0-9]:00(\\.[0-9]{3})?(Z|\\+02:00)?",
        2 => "true|false|True",
        4 => "[a-zé€😀 \"\\n,]{0,20}",
        1 => "[ -~\\n\\r\\t]{0,8}",
        1 => "0{0,2}[0-9]{1,40}|",
        1 => "[0-9]e[0-9]{1,2}|-0|\\+1|NA|",
        3 => "",
    ]
}

/// A column: values of one kind, as often as not, and a last one of any.
fn column(rows: usize) -> impl Strategy<Value = Vec<String>> {
    let kinds: Vec<&'static str> = vec![
        "-?[1-9][0-9]{0,17}|0|",
        "[1-9][0-9]{0,12}\\.[0-9]{2}|",
        "[0-9]{1,3}\\.[0-9]{1,3}",
        "[1-9]\\.[1-9]",
        "20[0-9]{2}-0[1-9]-[012][1-8]|",
        "2024-01-01 0[0-9]:[0-5][0-9]:00",
        "true|false",
        "[a-zé€😀,\"\\n]{0,20}",
        "[0-9]{18,20}",
        "",
    ];
    let alike = proptest::sample::select(kinds)
        .prop_flat_map(move |kind| proptest::collection::vec(kind, rows));
    (alike, cell(), 0..rows * 3).prop_map(move |(mut values, odd, at)| {
        if let Some(value) = values.get_mut(at) {
            *value = odd;
        }
        values
    })
}

#[derive(Debug, Clone)]
struct Sent {
    columns: Vec<Vec<String>>,
    /// How each cell is quoted and each row ended.
    styles: Vec<u8>,
    /// A line that is not like the others, and where.
    odd: Option<(&'static str, usize)>,
    end: &'static str,
}

fn sent(width: usize) -> impl Strategy<Value = Sent> {
    let odd = proptest::sample::select(vec![
        "a\"b,c",
        "\"a\"b,c",
        "short",
        "",
        "a,b,c,d,e,f,g,h",
        "\"\"\"\",\"\r\n\"",
        "\"open,a",
    ]);
    let odd = proptest::option::weighted(0.2, (odd, 0_usize..30));
    let end = proptest::sample::select(vec!["\n", "", "\r\n", "\n\n", "\n\r\n\n", "\r", "\n,\n"]);
    (1_usize..30).prop_flat_map(move |rows| {
        let columns = proptest::collection::vec(column(rows), width);
        let styles = proptest::collection::vec(any::<u8>(), rows * width);
        (columns, styles, odd.clone(), end.clone()).prop_map(|(columns, styles, odd, end)| Sent {
            columns,
            styles,
            odd,
            end,
        })
    })
}

impl Sent {
    fn text(&self) -> String {
        let names = (0..self.columns.len()).map(|n| format!("name {n}"));
        let mut text = names.collect::<Vec<_>>().join(",");
        for row in 0..self.columns[0].len() {
            text.push_str(if self.styles[row].is_multiple_of(5) { "\r\n" } else { "\n" });
            if let Some((odd, at)) = self.odd
                && at == row
            {
                text.push_str(odd);
                text.push('\n');
            }
            let cell = |(at, column): (usize, &Vec<String>)| {
                let value = &column[row];
                let style = self.styles[row * self.columns.len() + at];
                let must = value.contains(['"', ',', '\n', '\r']);
                if must
                    || style.is_multiple_of(4) && (!value.is_empty() || style.is_multiple_of(32))
                {
                    format!("\"{}\"", value.replace('"', "\"\""))
                } else {
                    value.clone()
                }
            };
            let cells: Vec<_> = self.columns.iter().enumerate().map(cell).collect();
            text.push_str(&cells.join(","));
        }
        text + self.end
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, ..ProptestConfig::default() })]

    #[test]
    fn both_ways_come_to_the_same((first, second) in (2_usize..6).prop_flat_map(|w| (sent(w), sent(w)))) {
        let known = assert_same(&job(None), first.text().as_bytes());
        let known = known.map(|columns| LearnedSchema { revision: 1, version: 1, columns });
        assert_same(&job(known), second.text().as_bytes());
    }
}

#[test]
fn a_plain_text_goes_the_fast_way_and_others_do_not() {
    let is_fast = |text: &[u8]| {
        let job = job(None);
        let raw = parts(&job, text).expect("a text");
        Examined::new(&job, &raw, FAST, None).expect("examined").plain.is_some()
    };
    assert!(is_fast(b"a,b\n1,2\n"));
    assert!(is_fast(b"\xef\xbb\xbfa,b\r\n\"1,\n\"\"\",2\r\n3,4\r\n\r\n"));
    for text in ["a,b\n1,5\" pipe\n", "a,b\n1,2\n\n3,4\n", "a,b\n1\n2,3\n", "a,b\n\"1\"x,2\n3,4\n"]
    {
        assert!(!is_fast(text.as_bytes()), "{text:?}");
    }
    assert!(!is_fast(b"a,b\n1,\xe9\n"), "not UTF-8");
}

#[test]
fn a_guess_that_fails_late_costs_a_second_reading_and_nothing_else() {
    let rows: String = (0..200_000).map(|n| format!("{n},{}.{:02},x\n", n % 90, n % 100)).collect();
    // Between the places that the sample looks at.
    let at = rows.len() * 9 / 10 / 16;
    let at = rows[..at].rfind('\n').expect("a line") + 1;
    let text = format!("id,price,t\n{}00x,1.5,y\n{}", &rows[..at], &rows[at..]);
    let exact = whole(&job(None), text.as_bytes(), Way::Exact);
    assert_eq!(whole(&job(None), text.as_bytes(), FAST), exact);
    assert!(exact.recorded.contains(r#""name":"id","header":"id","type":"text""#));
}

#[test]
fn the_number_of_threads_does_not_show_in_the_bytes() {
    let rows: String =
        (0..60_000).map(|n| format!("{n},{},\"a\n{}\"\n", n % 7, n % 1000)).collect();
    let text = format!("id,few,text\n{rows}");
    let bytes = |threads| {
        let mut job = job(None);
        job.limits.threads = threads;
        let parquet = tempfile::tempfile().expect("a file");
        let rejects = tempfile::tempfile().expect("a file");
        let outputs = Outputs { parquet: parquet.try_clone().expect("a copy"), rejects };
        let way = Way::Fast { block_bytes: 50_000 };
        let parts = parts(&job, text.as_bytes()).expect("a text");
        convert(&job, &parts, way, outputs).expect("converted").parquet.digest
    };
    let one = bytes(1);
    for threads in [2, 3, 4, 2, 3, 4] {
        assert_eq!(bytes(threads), one, "{threads}");
    }
}
