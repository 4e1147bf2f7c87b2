//! Workbooks become Parquet without altering a value.

use std::fs::File;
use std::io::{Read as _, Seek as _, Write as _};
use std::time::{Duration, Instant};

use arrow_array::{ArrayRef, RecordBatch};
use arrow_schema::DataType;
use landfall::config::{self, Format, Workers};
use landfall::convert::infer::Printer;
use landfall::convert::worker::{OutputPaths, Pool};
use landfall::convert::{self, Converted, Job, Limits, Outcome, Outputs};
use landfall::diagnostic::{Code, Diagnostic};
use landfall::schema::{ColumnType, LearnedSchema};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use crate::workbook::Cell::{
    Bool, Error, Formatted, Formula, None as Nothing, Number, Shared, Text,
};
use crate::workbook::{Workbook, row};

const ARRIVAL: &str = "019a3c5e-7c1a-7b3e-9d55-0c6f1f2b8a10";

fn job() -> Job {
    Job {
        arrival: Some(ARRIVAL.parse().expect("an id")),
        name: "orders.xlsx".parse().expect("a name"),
        size_bytes: 0,
        digest: None,
        format: Format::default(),
        learned: None,
        contract: None,
        allowance: landfall::contract::Allowance::default(),
        limits: Limits::default(),
        progress: landfall::convert::Progress::default(),
    }
}

fn file(bytes: &[u8]) -> File {
    let mut file = tempfile::tempfile().expect("a file");
    file.write_all(bytes).expect("written");
    file
}

fn convert(job: &Job, bytes: &[u8]) -> (Outcome, File) {
    let parquet = file(b"");
    let kept = parquet.try_clone().expect("a copy");
    let outputs = Outputs { parquet, rejects: file(b"") };
    (convert::run(job, file(bytes), outputs), kept)
}

fn held(job: &Job, bytes: &[u8]) -> Diagnostic {
    let outcome = convert(job, bytes).0;
    let Outcome::Held(told) = outcome else { panic!("not held: {outcome:?}") };
    told
}

/// What came of a workbook.
struct Table {
    converted: Converted,
    batches: Vec<RecordBatch>,
    printers: Vec<(String, Printer)>,
}

fn table_of(job: &Job, bytes: &[u8]) -> Table {
    let (outcome, parquet) = convert(job, bytes);
    let Outcome::Converted(converted) = outcome else { panic!("not converted: {outcome:?}") };
    let reader = ParquetRecordBatchReaderBuilder::try_new(parquet).expect("Parquet");
    let metadata = reader.metadata().file_metadata().key_value_metadata().expect("metadata");
    let columns = metadata.iter().find(|entry| entry.key == "landfall.columns").expect("columns");
    let columns: Vec<serde_json::Value> =
        serde_json::from_str(columns.value.as_deref().expect("a value")).expect("json");
    let printer = |column: &serde_json::Value| {
        let name = column["name"].as_str().expect("a name").to_owned();
        (name, serde_json::from_value(column.clone()).expect("a printer"))
    };
    let printers = columns.iter().map(printer).collect();
    let batches: Vec<_> =
        reader.build().expect("a reader").collect::<Result<_, _>>().expect("batches");
    let report = &converted.report;
    assert_eq!(report.seen, report.written + report.rejected + report.skipped);
    assert_eq!(report.written, batches.iter().map(RecordBatch::num_rows).sum::<usize>() as u64);
    assert_eq!(report.skipped, report.skips.iter().map(|(_, count)| count).sum::<u64>());
    Table { converted: *converted, batches, printers }
}

fn table(book: &Workbook) -> Table {
    table_of(&job(), &book.bytes())
}

impl Table {
    fn columns(&self, name: &str) -> impl Iterator<Item = &ArrayRef> {
        let named = move |batch: &'_ RecordBatch| batch.schema().index_of(name).expect("a column");
        self.batches.iter().map(move |batch| batch.column(named(batch)))
    }

    fn kind(&self, name: &str) -> &DataType {
        self.columns(name).next().expect("a batch").data_type()
    }

    /// A column's values by its own printer: `-` is null.
    fn values(&self, name: &str) -> Vec<String> {
        let provenance = match name {
            "_lf_record" | "_lf_line" => Printer::Integer,
            _ => Printer::Text,
        };
        let printer = self.printers.iter().find(|(of, _)| of == name);
        let printer = printer.map_or(&provenance, |(_, printer)| printer);
        let text =
            |column: &ArrayRef, row| printer.print(column, row).unwrap_or_else(|| "-".to_owned());
        let of_batch =
            |column: &ArrayRef| (0..column.len()).map(|row| text(column, row)).collect::<Vec<_>>();
        self.columns(name).flat_map(of_batch).collect()
    }

    fn skips(&self) -> Vec<(&str, u64)> {
        self.converted.report.skips.iter().map(|(code, count)| (code.as_str(), *count)).collect()
    }
}

fn learned(table: &Table) -> Option<LearnedSchema> {
    let columns = table.converted.learned.clone().expect("learned");
    Some(LearnedSchema { revision: 1, version: table.converted.version, columns })
}

#[test]
fn every_sheet_with_the_header_is_taken() {
    let january: &[&[_]] = &[
        &[Text("id"), Text("amount")],
        &[Number("1"), Number("2.5")],
        &[Number("2"), Number("3")],
    ];
    let february: &[&[_]] = &[&[Text("amount"), Text("id")], &[Number("4.25"), Number("3")]];
    let notes: &[&[_]] = &[&[Text("who"), Text("what")], &[Text("me"), Text("nothing")]];
    let secret =
        row(1, "", &[Text("id"), Text("amount")]) + &row(2, "", &[Number("9"), Number("9")]);
    let book = Workbook::new()
        .sheet("January", january)
        .sheet("February", february)
        .sheet("Notes", notes)
        .raw_sheet("Secret", "hidden", &secret)
        .sheet("March", january);
    let table = table(&book);
    assert_eq!(table.values("id"), ["1", "2", "3", "1", "2"]);
    assert_eq!(table.values("amount"), ["2.5", "3", "4.25", "2.5", "3"]);
    assert_eq!(table.values("_lf_sheet"), ["January", "January", "February", "March", "March"]);
    assert_eq!(table.values("_lf_line"), ["2", "3", "2", "2", "3"]);
    assert_eq!(table.values("_lf_record"), ["1", "2", "3", "4", "5"]);
    assert_eq!(table.values("_lf_arrival"), [ARRIVAL; 5]);
    assert_eq!(table.skips(), [("other_sheet", 4)]);
    let sheets = &table.converted.report.sheets;
    let told: Vec<_> = sheets.iter().map(|s| (s.name.as_str(), s.rows, s.taken)).collect();
    assert_eq!(
        told,
        [
            ("January", 2, true),
            ("February", 1, true),
            ("Notes", 2, false),
            ("Secret", 2, false),
            ("March", 2, true)
        ]
    );
    assert_eq!(sheets[3].why, "it is hidden");
}

#[test]
fn a_known_feed_finds_its_sheet() {
    let orders: &[&[_]] = &[&[Text("id"), Text("amount")], &[Number("1"), Number("2")]];
    let first = table(&Workbook::new().sheet("Orders", orders));
    let cover: &[&[_]] = &[&[Text("topic"), Text("page")], &[Text("orders"), Number("2")]];
    let more: &[&[_]] = &[
        &[Text("as of today")],
        &[Text("id"), Text("amount"), Text("note")],
        &[Number("7"), Number("8"), Text("x")],
    ];
    let book = Workbook::new().sheet("Cover", cover).sheet("Renamed", more).bytes();
    let known = Job { learned: learned(&first), ..job() };
    let second = table_of(&known, &book);
    assert_eq!(second.values("id"), ["7"]);
    assert_eq!(second.values("note"), ["x"]);
    assert_eq!(second.skips(), [("preamble", 1), ("other_sheet", 2)]);
    assert!(!second.converted.opens_version);
    let other = Workbook::new().sheet("Cover", cover).bytes();
    let told = held(&known, &other);
    assert_eq!(told.code, Code::C107);
    assert!(told.facts.iter().any(|(name, _)| name == "sheet `Cover`"), "{told:?}");
}

#[test]
fn a_feed_can_name_its_sheets() {
    let a: &[&[_]] = &[&[Text("id"), Text("n")], &[Number("1"), Number("2")]];
    let b: &[&[_]] = &[&[Text("id"), Text("m")], &[Number("3"), Number("4")]];
    let hidden = row(1, "", &[Text("id")]) + &row(2, "", &[Number("5")]);
    let book = Workbook::new().sheet("A", a).sheet("B", b).raw_sheet("C", "veryHidden", &hidden);
    let naming = |names: &[&str]| {
        let sheets = Some(names.iter().map(|name| (*name).to_owned()).collect());
        Job { format: Format { sheets, ..Format::default() }, ..job() }
    };
    let both = table_of(&naming(&["B", "C"]), &book.bytes());
    assert_eq!(both.values("id"), ["3", "5"]);
    assert_eq!(both.values("m"), ["4", "-"]);
    let told = held(&naming(&["B", "Z"]), &book.bytes());
    assert_eq!((told.code, told.summary.as_str()), (Code::C107, "no sheet is called `Z`"));
}

#[test]
fn title_rows_blank_rows_and_repeated_headers_are_counted() {
    let header = [Text("id"), Text("name")];
    let rows = row(1, "", &[Text("Orders of November")])
        + &row(3, "", &header)
        + &row(4, "", &[Number("1"), Text("a")])
        + &row(5, "", &[])
        + &row(8, "hidden=\"1\"", &[Number("2"), Text("b")])
        + &row(9, "", &header)
        + &row(10, "", &[Number("3"), Text("c")]);
    let table = table(&Workbook::new().raw_sheet("S", "visible", &rows));
    assert_eq!(table.values("id"), ["1", "2", "3"]);
    assert_eq!(table.values("_lf_line"), ["4", "8", "10"]);
    assert_eq!(table.skips(), [("preamble", 1), ("blank", 3), ("repeated_header", 1)]);
    assert_eq!(table.converted.report.notes, ["sheet `S`: 1 hidden rows, taken like the others"]);
}

#[test]
fn zero_padded_identifiers_are_kept() {
    let rows: &[&[_]] = &[
        &[Text("zip"), Text("part"), Text("plain")],
        &[Formatted("123", 1), Formatted("1234", 2), Number("7")],
        &[Formatted("99999", 1), Formatted("5", 2), Number("8")],
    ];
    let table = table(&Workbook::new().format("00000").format("00\\-00").sheet("S", rows));
    assert_eq!(table.values("zip"), ["00123", "99999"]);
    assert_eq!(table.values("part"), ["12-34", "00-05"]);
    assert_eq!(table.kind("plain"), &DataType::Int64);
}

#[test]
fn dates_go_by_their_format_and_epoch() {
    let rows: &[&[_]] = &[
        &[Text("day"), Text("at"), Text("clock"), Text("length"), Text("number")],
        &[
            Formatted("45943", 1),
            Formatted("45943.541", 2),
            Formatted("0.5", 3),
            Formatted("1.5", 4),
            Number("45943"),
        ],
    ];
    let formats = |book: Workbook| {
        book.format("dd/mm/yyyy").format("yyyy-mm-dd hh:mm:ss").format("h:mm").format("[h]:mm")
    };
    let of_1900 = table(&formats(Workbook::new()).sheet("S", rows));
    assert_eq!(of_1900.kind("day"), &DataType::Date32);
    assert_eq!(of_1900.values("day"), ["2025-10-13"]);
    assert_eq!(of_1900.values("at"), ["2025-10-13T12:59:02.400"]);
    assert_eq!(of_1900.values("clock"), ["12:00:00"]);
    assert_eq!(of_1900.values("length"), ["36:00:00"]);
    assert_eq!(of_1900.values("number"), ["45943"]);
    let of_1904 = table(&formats(Workbook::new().counting_from_1904()).sheet("S", rows));
    assert_eq!(of_1904.values("day"), ["2029-10-14"]);
}

#[test]
fn no_value_is_altered() {
    let rows: &[&[_]] = &[
        &[Text("int"), Text("double"), Text("price"), Text("mixed"), Text("flag"), Text("text")],
        &[Number("1"), Number("0.1"), Formatted("3", 1), Number("12"), Bool(true), Text(" 007 ")],
        &[
            Number("-9007199254740991"),
            Number("1E+300"),
            Formatted("1.005", 1),
            Text("n/a"),
            Bool(false),
            Text(""),
        ],
        &[Number("3"), Number("0.30000000000000004"), Nothing, Error("#N/A"), Nothing, Nothing],
    ];
    let table = table(&Workbook::new().format("0.00").sheet("S", rows));
    assert_eq!(table.kind("int"), &DataType::Int64);
    assert_eq!(table.values("int"), ["1", "-9007199254740991", "3"]);
    assert_eq!(table.values("double"), ["0.1", "1e300", "0.30000000000000004"]);
    assert_eq!(table.kind("price"), &DataType::Float64);
    assert_eq!(table.values("price"), ["3", "1.005", "-"]);
    assert_eq!(table.values("mixed"), ["12", "n/a", "#N/A"]);
    assert_eq!(table.kind("flag"), &DataType::Boolean);
    assert_eq!(table.values("flag"), ["TRUE", "FALSE", "-"]);
    assert_eq!(table.values("text"), [" 007 ", "", "-"]);
    let why = &table.converted.report.columns[3].why;
    assert_eq!(why, "numbers in row 2 of `S` and text in row 3 of `S`");
}

#[test]
fn shared_strings_and_formulas_give_their_values() {
    let rows: &[&[_]] = &[
        &[Shared(0), Shared(1)],
        &[Shared(2), Formula("1+1", Some("2"))],
        &[Shared(2), Formula("2+2", None)],
    ];
    let book = Workbook::new().strings(&["key", "sum", "a &amp; b"]).sheet("S", rows);
    let table = table(&book);
    assert_eq!(table.values("key"), ["a & b", "a & b"]);
    assert_eq!(table.values("sum"), ["2", "-"]);
    assert_eq!(
        table.converted.report.notes,
        ["sheet `S`: 1 formulas without a stored value, taken as missing"]
    );
}

#[test]
fn types_are_sticky_like_those_of_text() {
    let book = |value: crate::workbook::Cell<'_>| {
        let rows: &[&[_]] = &[&[Text("id"), Text("n")], &[Number("1"), value]];
        Workbook::new().sheet("S", rows).bytes()
    };
    let monday = table_of(&job(), &book(Number("5")));
    assert_eq!(monday.kind("n"), &DataType::Int64);
    let known = Job { learned: learned(&monday), ..job() };
    let tuesday = table_of(&known, &book(Text("007")));
    assert!(tuesday.converted.opens_version);
    assert_eq!((tuesday.converted.version, tuesday.values("n")), (2, vec!["007".to_owned()]));
    let known = Job { learned: learned(&tuesday), ..job() };
    let wednesday = table_of(&known, &book(Number("6")));
    assert!(!wednesday.converted.opens_version);
    assert_eq!(wednesday.kind("n"), &DataType::Utf8);
    assert_eq!(wednesday.values("n"), ["6"]);
}

#[test]
fn doubles_go_into_a_feeds_decimals() {
    let rows: &[&[_]] = &[&[Text("id"), Text("n")], &[Number("1"), Number("12.5")]];
    let book = Workbook::new().sheet("S", rows).bytes();
    let mut known = learned(&table_of(&job(), &book)).expect("learned");
    known.columns[1].kind = ColumnType::Decimal { precision: 18, scale: 2 };
    let table = table_of(&Job { learned: Some(known), ..job() }, &book);
    assert_eq!(table.kind("n"), &DataType::Decimal128(18, 2));
    assert_eq!(table.values("n"), ["12.5"]);
}

#[test]
fn a_sparse_workbook_is_held_at_once() {
    let rows = r#"<row r="1"><c r="A1" t="inlineStr"><is><t>a</t></is></c></row>
        <row r="1048576"><c r="XFD1048576"><v>1</v></c></row>"#;
    let bomb = Workbook::new().raw_sheet("S", "visible", rows).bytes();
    let begun = Instant::now();
    assert_eq!(held(&job(), &bomb).code, Code::C108);
    assert!(begun.elapsed() < Duration::from_secs(5));
    // Also where no small mistake costs the server anything.
    let folder = tempfile::tempdir().expect("a folder");
    let workers = Workers { count: 1, memory_bytes: 64 << 20, ..Workers::default() };
    let pool = Pool::new(env!("CARGO_BIN_EXE_landfall").into(), workers).expect("a pool");
    let outputs = OutputPaths {
        parquet: folder.path().join("parquet"),
        rejects: folder.path().join("rejects"),
    };
    let outcome = pool.convert("acme", &job(), &file(&bomb), &outputs).expect("an outcome");
    assert!(matches!(outcome, Outcome::Held(told) if told.code == Code::C108));
    let fine: &[&[_]] = &[&[Text("id"), Text("n")], &[Number("1"), Number("2")]];
    let fine = Workbook::new().sheet("S", fine).bytes();
    let outcome = pool.convert("acme", &job(), &file(&fine), &outputs).expect("an outcome");
    assert!(matches!(outcome, Outcome::Converted(_)), "{outcome:?}");
}

#[test]
fn bombs_are_held_by_what_they_declare() {
    let blanks = "<row>".to_owned() + &"<c/>".repeat(40_000_000) + "</row>";
    let bomb = Workbook::new().raw_sheet("S", "visible", &blanks).bytes();
    assert!(bomb.len() < 2 << 20, "{} bytes", bomb.len());
    assert_eq!(held(&job(), &bomb).code, Code::C105);
    let strings = r#"<sst uniqueCount="99999999999"><si><t>a</t></si></sst>"#;
    let rows: &[&[_]] = &[&[Shared(0)], &[Number("1")]];
    let bomb = Workbook::new().raw_strings(strings).sheet("S", rows).bytes();
    assert_eq!(held(&job(), &bomb).code, Code::C106);
}

/// The least OLE document that has a stream of this name (MS-CFB 2).
fn ole_document(stream: &str) -> Vec<u8> {
    const FREE: u32 = 0xffff_ffff;
    const END: u32 = 0xffff_fffe;
    let words = |words: &[u32]| words.iter().flat_map(|w| w.to_le_bytes()).collect::<Vec<_>>();
    let sector = |mut bytes: Vec<u8>| {
        bytes.resize(512, 0xff);
        bytes
    };
    let entry = |name: &str, kind: u8| {
        let mut entry: Vec<u8> = name.encode_utf16().flat_map(u16::to_le_bytes).collect();
        entry.resize(64, 0);
        entry.extend(u16::try_from(name.len() * 2 + 2).expect("short").to_le_bytes());
        entry.extend([kind, 1]);
        entry.extend(words(&[FREE, FREE, if kind == 5 { 1 } else { FREE }]));
        entry.resize(116, 0);
        entry.extend(words(&[END, 0, 0]));
        entry
    };
    let mut head = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1".to_vec();
    head.resize(24, 0);
    head.extend([0x3e, 0, 3, 0, 0xfe, 0xff, 9, 0, 6, 0, 0, 0, 0, 0, 0, 0]);
    // One sector of the table of sectors, the directory in sector 1, no other tables.
    head.extend(words(&[0, 1, 1, 0, 4096, END, 0, END, 0, 0]));
    let table = words(&[0xffff_fffd, END]);
    let directory = [entry("Root Entry", 5), entry(stream, 2)].concat();
    [sector(head), sector(table), sector(directory)].concat()
}

#[test]
fn what_cannot_be_read_is_held_or_handed_off_raw() {
    let rows: &[&[_]] = &[&[Text("id"), Text("n")], &[Number("1"), Number("2")]];
    let whole = Workbook::new().sheet("S", rows).bytes();
    assert_eq!(held(&job(), &whole[..whole.len() / 2]).code, Code::C106);
    let encrypted = ole_document("EncryptedPackage");
    let told = held(&job(), &encrypted);
    assert_eq!(told.code, Code::C106);
    assert!(told.summary.contains("encrypted"), "{told}");
    let empty: &[&[_]] = &[&[Text("id"), Text("n")]];
    assert_eq!(held(&job(), &Workbook::new().sheet("S", empty).bytes()).code, Code::C101);
    assert_eq!(held(&job(), &Workbook::new().sheet("S", &[]).bytes()).code, Code::C107);
    let twice = row(2, "", &[Text("a")]) + &row(1, "", &[Text("b")]);
    let twice = Workbook::new().raw_sheet("S", "visible", &twice).bytes();
    assert_eq!(held(&job(), &twice).code, Code::C106);
}

#[test]
fn the_same_workbook_gives_the_same_parquet() {
    let rows: &[&[_]] = &[&[Text("id"), Text("n")], &[Number("1"), Text("x")]];
    let book = Workbook::new().sheet("S", rows).bytes();
    let (one, two) = (table_of(&job(), &book), table_of(&job(), &book));
    assert_eq!(one.converted.parquet.digest, two.converted.parquet.digest);
}

#[test]
fn an_inspection_shows_rows_and_findings() {
    let rows: &[&[_]] = &[&[Text("id"), Text("n")], &[Number("1"), Nothing], &[Nothing, Text("x")]];
    let book = Workbook::new().sheet("S", rows).bytes();
    let seen = convert::inspect(&job(), file(&book));
    assert!(seen.obstacle.is_none());
    assert_eq!(seen.rows, [[Some("1".to_owned()), None], [None, Some("x".to_owned())]]);
    assert_eq!(seen.report.columns[0].why, "whole numbers");
}

fn under(contract: &str) -> Job {
    let contract = config::contract::parse("contracts/f.toml", contract).expect("a contract");
    job().under(Some(&contract))
}

#[test]
fn a_contract_reads_cells_of_its_types_and_the_text_of_others() {
    let contract = "decimal = \",\"\ndate = \"%d.%m.%Y\"\n[column]\nid = \"int64\"\nprice = \"decimal(8,2)\"\n\
                    day = \"date\"\nat = \"timestamp\"\ncode = \"text\"\n[column.paid]\ntype = \"bool\"\n\
                    yes = [\"1\", \"J\"]\nno = [\"0\", \"N\"]\n";
    let header = ["id", "price", "day", "at", "code", "paid"].map(Text);
    let rows: &[&[_]] = &[
        &header,
        &[
            Number("1"),
            Number("1234.5"),
            Formatted("45943", 1),
            Formatted("45943.5", 2),
            Number("7"),
            Bool(true),
        ],
        &[Text("2"), Text("0,05"), Text("13.10.2025"), Formatted("45943", 1), Text("x"), Text("N")],
        &[Number("3"), Nothing, Nothing, Nothing, Nothing, Number("1")],
    ];
    let book = Workbook::new().format("dd/mm/yyyy").format("yyyy-mm-dd hh:mm").sheet("S", rows);
    let table = table_of(&under(contract), &book.bytes());
    assert_eq!(table.kind("price"), &DataType::Decimal128(8, 2));
    let raw = |name: &str, printer: Printer| {
        let column = table.columns(name).next().expect("a batch").clone();
        (0..3).map(|row| printer.print(&column, row).unwrap_or_default()).collect::<Vec<_>>()
    };
    assert_eq!(raw("id", Printer::Integer), ["1", "2", "3"]);
    assert_eq!(raw("price", Printer::Decimal { scale: 2 }), ["1234.50", "0.05", ""]);
    assert_eq!(raw("day", Printer::Date), ["2025-10-13", "2025-10-13", ""]);
    let moment = Printer::Timestamp { separator: ' ', fraction: 0, zone: String::new() };
    assert_eq!(raw("at", moment), ["2025-10-13 12:00:00", "2025-10-13 00:00:00", ""]);
    assert_eq!(raw("code", Printer::Text), ["7", "x", ""]);
    let words = Printer::Bool { yes: "yes".into(), no: "no".into() };
    assert_eq!(raw("paid", words), ["yes", "no", "yes"]);
}

#[test]
fn rows_that_do_not_fit_are_rejects_with_their_sheet() {
    let contract = "max_rejects = { percent = 50 }\n[column.id]\ntype = \"int64\"\nunique = true\n\
                    aliases = [\"Nummer\"]\n[column.n]\ntype = \"decimal(6,1)\"\nrequired = true\n";
    let january: &[&[_]] = &[
        &[Text("Nummer"), Text("n")],
        &[Number("1"), Number("2.5")],
        &[Number("2"), Number("0.30000000000000004")],
        &[Number("3"), Nothing],
    ];
    let february: &[&[_]] = &[
        &[Text("n"), Text("ID")],
        &[Number("1"), Number("1")],
        &[Number("2"), Number("4")],
        &[Number("3"), Number("5")],
    ];
    let book = Workbook::new().sheet("January", january).sheet("February", february).bytes();
    let table = table_of(&under(contract), &book);
    assert_eq!(table.values("id"), ["1", "4", "5"]);
    assert_eq!(table.values("_lf_record"), ["1", "5", "6"]);
    let told: Vec<_> = table
        .converted
        .report
        .first_rejects
        .iter()
        .map(|r| (r.sheet.as_deref().unwrap(), r.record, r.line, r.code.as_str(), r.raw.as_str()))
        .collect();
    assert_eq!(
        told,
        [
            ("January", 2, 3, "C120", "2,0.30000000000000004"),
            ("January", 3, 4, "C121", "3"),
            ("February", 4, 2, "C125", "1,1"),
        ]
    );
    assert_eq!(table.converted.rejects.as_ref().map(|written| written.rows), Some(3));
    let strict = held(&under(&contract.replace("50", "10")), &book);
    assert_eq!(strict.summary, "3 of 6 records do not fit the contract");
    assert!(strict.facts.iter().any(|(name, _)| name == "sheet `January`, line 3"), "{strict:?}");
}

#[test]
fn a_workbook_without_the_contracts_columns_is_held() {
    let contract = under("[column]\nid = \"int64\"\nname = \"text\"\n");
    let rows: &[&[_]] = &[&[Text("id"), Text("city")], &[Number("1"), Text("Rome")]];
    let told = held(&contract, &Workbook::new().sheet("S", rows).bytes());
    assert_eq!(told.code, Code::C126);
    let other: &[&[_]] = &[&[Text("x"), Text("y")], &[Number("1"), Text("Rome")]];
    assert_eq!(held(&contract, &Workbook::new().sheet("S", other).bytes()).code, Code::C107);
}

/// The same small table as XLS (written by xlwt), ODS (by odfpy) and XLSB (by its specification,
/// MS-XLSB, and read back by pyxlsb).
#[test]
fn other_kinds_of_workbook_give_the_same_table() {
    for (kind, bytes) in [
        ("xls", &include_bytes!("workbooks/orders.xls")[..]),
        ("ods", include_bytes!("workbooks/orders.ods")),
        ("xlsb", include_bytes!("workbooks/orders.xlsb")),
    ] {
        let table = table_of(&job(), bytes);
        assert_eq!(table.converted.report.kind, kind);
        assert_eq!(table.values("id"), ["1", "2", "3"], "{kind}");
        assert_eq!(table.values("code"), ["007", "8", "x"], "{kind}");
        assert_eq!(table.values("price"), ["1.5", "2.25", "-0.1"], "{kind}");
        assert_eq!(table.values("_lf_line"), ["2", "3", "4"], "{kind}");
        if kind != "xlsb" {
            assert_eq!(table.values("day"), ["2024-02-01", "2024-02-02", "2024-02-03"], "{kind}");
        }
    }
    let hidden = table_of(&job(), include_bytes!("workbooks/orders.xls"));
    assert_eq!(hidden.skips(), [("other_sheet", 1)]);
}

#[test]
fn a_cut_workbook_of_any_kind_is_held() {
    for bytes in [
        &include_bytes!("workbooks/orders.xls")[..],
        include_bytes!("workbooks/orders.ods"),
        include_bytes!("workbooks/orders.xlsb"),
    ] {
        let outcome = convert(&job(), &bytes[..bytes.len() * 2 / 3]).0;
        assert!(!matches!(outcome, Outcome::Converted(_)), "{outcome:?}");
    }
}

/// One cell that is repeated over a whole sheet, in a file of a kilobyte.
#[test]
fn a_sheet_of_repetitions_is_held_at_once() {
    use zip::CompressionMethod;
    use zip::write::SimpleFileOptions;
    let mut package = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    let mut part = |name: &str, text: &str| {
        let stored = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
        package.start_file(name, stored).expect("started");
        package.write_all(text.as_bytes()).expect("written");
    };
    part("mimetype", "application/vnd.oasis.opendocument.spreadsheet");
    part(
        "content.xml",
        r#"<office:document-content xmlns:office="urn:oasis:names:tc:opendocument:xmlns:office:1.0" xmlns:table="urn:oasis:names:tc:opendocument:xmlns:table:1.0"><office:body><office:spreadsheet><table:table table:name="S"><table:table-row table:number-rows-repeated="1048576"><table:table-cell table:number-columns-repeated="16384" office:value-type="float" office:value="1"/></table:table-row></table:table></office:spreadsheet></office:body></office:document-content>"#,
    );
    part(
        "META-INF/manifest.xml",
        r#"<manifest:manifest xmlns:manifest="urn:oasis:names:tc:opendocument:xmlns:manifest:1.0"><manifest:file-entry manifest:full-path="/" manifest:media-type="application/vnd.oasis.opendocument.spreadsheet"/></manifest:manifest>"#,
    );
    let bytes = package.finish().expect("finished").into_inner();
    let began = Instant::now();
    assert_eq!(held(&job(), &bytes).code, Code::C108);
    assert!(began.elapsed() < Duration::from_secs(5));
}

#[test]
fn a_cell_beyond_every_column_is_not_taken_for_another() {
    let rows = r#"<row r="1"><c r="A1" t="inlineStr"><is><t>id</t></is></c></row><row r="2"><c r="XFDXFDXFD2"><v>1</v></c></row>"#;
    let told = held(&job(), &Workbook::new().raw_sheet("S", "visible", rows).bytes());
    assert_eq!(told.code, Code::C106);
    assert!(told.hint.contains("Save it anew"), "{told:?}");
}

/// A table of `rows` rows of three columns, with other rows in the place of some.
fn long(rows: u32, instead: &[(u32, &str)]) -> Workbook {
    let mut xml = row(1, "", &[Text("id"), Text("amount"), Text("note")]);
    for number in 2..rows + 2 {
        let other = instead.iter().find(|(at, _)| *at == number);
        let plain = || {
            let note = if number % 3 == 0 { Nothing } else { Text("some text") };
            let (id, amount) = (number.to_string(), (f64::from(number) / 4.0).to_string());
            row(number, "", &[Number(&id), Number(&amount), note])
        };
        xml.push_str(&other.map_or_else(plain, |(_, xml)| (*xml).to_owned()));
    }
    Workbook::new().raw_sheet("Orders", "visible", &xml)
}

/// What is written while the rows are surveyed is what a second pass writes: with another sheet,
/// hidden, there is one. Also when the last rows turn out to be otherwise than the first.
#[test]
fn rows_written_ahead_are_those_of_a_second_pass() {
    let header = row(5_000, "", &[Text("id"), Text("amount"), Text("note")]);
    let text = row(4_000, "", &[Text("n/a"), Number("0.5"), Nothing]);
    let half = row(5_001, "", &[Number("0.5"), Number("1.0"), Nothing]);
    let blank = row(3_000, "", &[Number("1.0"), Text(""), Nothing]);
    let wider = row(5_001, "", &[Number("1.0"), Number("1.0"), Nothing, Text("more")]);
    let empty = String::new();
    let cases: [(u32, &[(u32, &str)]); 9] = [
        (5_000, &[]),
        (20, &[]),
        (1_024, &[]),
        (5_000, &[(5_000, &header)]),
        (5_000, &[(4_000, &text)]),
        (5_000, &[(5_001, &half)]),
        (5_000, &[(3_000, &blank)]),
        (5_000, &[(5_001, &wider)]),
        (5_000, &[(2_000, &empty), (2_001, &empty)]),
    ];
    let bytes_of = |workbook: &Workbook| {
        let (outcome, mut parquet) = convert(&job(), &workbook.bytes());
        let Outcome::Converted(converted) = outcome else { panic!("not converted: {outcome:?}") };
        let mut bytes = Vec::new();
        parquet.rewind().expect("rewound");
        parquet.read_to_end(&mut bytes).expect("read");
        (converted.parquet, converted.report.columns, bytes)
    };
    for (rows, instead) in cases {
        let once = bytes_of(&long(rows, instead));
        let hidden = row(1, "", &[Text("x")]);
        let twice = bytes_of(&long(rows, instead).raw_sheet("Other", "hidden", &hidden));
        assert_eq!(once, twice, "{rows} rows, {instead:?}");
    }
}
