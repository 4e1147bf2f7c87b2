//! JSON becomes Parquet without altering a value; what is no record is a reject with its place.

use std::io::Write as _;

use arrow_array::cast::AsArray;
use arrow_array::{Array, RecordBatch};
use arrow_schema::DataType;
use landfall::convert::{Limits, Outcome};
use landfall::diagnostic::Code;
use landfall::names::FileName;
use landfall::schema::LearnedSchema;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use super::support::{
    Table, bytes_of, convert, convert_as, feed, file, held, held_as, job, run, some,
};

fn batch(table: &Table) -> RecordBatch {
    let reader = ParquetRecordBatchReaderBuilder::try_new(file(&table.bytes)).unwrap();
    let batches: Vec<_> = reader.build().unwrap().map(Result::unwrap).collect();
    arrow_select(&batches)
}

fn arrow_select(batches: &[RecordBatch]) -> RecordBatch {
    assert_eq!(batches.len(), 1, "small files have one batch");
    batches[0].clone()
}

fn lines(values: &[&str]) -> String {
    values.iter().map(|value| format!("{{\"v\":{value}}}\n")).collect()
}

fn kept(values: &[&str], texts: &[&str], kind: &str) {
    let table = convert(lines(values));
    assert_eq!(table.column("v").kind, kind, "{values:?}");
    assert_eq!(table.texts("v"), some(texts), "{values:?}");
}

#[test]
fn records_stand_in_lines_arrays_and_sequences() {
    let records = ["{\"id\":1,\"t\":\"a\"}", "{\"id\":2,\"t\":\"b, c\"}"];
    let forms = [
        (records.join("\n") + "\n", "one a line"),
        (records.join("\r\n"), "one a line"),
        (format!("[{}]", records.join(",\n")), "in an array"),
        (format!(" [\n {} ]\n", records.join(" , ")), "in an array"),
        (records.join("\n").replace(",\"t\"", ",\n\"t\""), "one after the other"),
        (format!("\u{feff}{}", records.join("\n")), "one a line"),
    ];
    for (text, form) in forms {
        let table = convert(&text);
        assert_eq!(table.texts("id"), some(&["1", "2"]), "{text}");
        assert_eq!(table.texts("t"), some(&["a", "b, c"]), "{text}");
        assert_eq!((table.kinds(), table.dialect("records")), (vec!["int64", "text"], form));
    }
    assert_eq!(convert("{\"a\":1}").texts("a"), some(&["1"]), "one record");
}

#[test]
fn numbers_go_by_their_exact_text() {
    kept(&["1", "-7"], &["1", "-7"], "int64");
    kept(&["1.10", "2.50"], &["1.10", "2.50"], "decimal(18,2)");
    kept(&["1.5", "2.25"], &["1.5", "2.25"], "double");
    kept(&["1", "1.5"], &["1", "1.5"], "text");
    kept(&["1e5", "12E3"], &["1e5", "12E3"], "text");
    kept(&["-0"], &["-0"], "text");
    let long = "123456789012345678901234567890";
    kept(&[long], &[long], "decimal(38,0)");
    kept(
        &["0.1000000000000000055511151231257827"],
        &["0.1000000000000000055511151231257827"],
        "decimal(38,34)",
    );
    kept(&["true", "false"], &["true", "false"], "bool");
}

#[test]
fn strings_are_text_but_for_dates() {
    kept(&["\"1\"", "\"2\""], &["1", "2"], "text");
    kept(&["\"007\""], &["007"], "text");
    kept(&["\"true\""], &["true"], "text");
    kept(&["\"2024-01-31\""], &["2024-01-31"], "date");
    kept(&["\"2024-01-31T10:00:00Z\""], &["2024-01-31T10:00:00Z"], "timestamp in UTC");
    kept(&["\"2024-01-31\"", "\"n/a\""], &["2024-01-31", "n/a"], "text");
    kept(&["\"\\u00e9\\n\\\"\"", "\"\u{1f600}\""], &["é\n\"", "😀"], "text");
    kept(&["\"\"", "\"x\""], &["", "x"], "text");
}

#[test]
fn absent_and_null_are_null() {
    let table = convert("{\"a\":1,\"b\":null}\n{\"b\":\"x\"}\n\n{\"c\":[]}\n{\"a\":2}\n");
    assert_eq!(table.texts("a"), [Some("1".into()), None, None, Some("2".into())]);
    assert_eq!(table.texts("b"), [None, Some("x".into()), None, None]);
    assert_eq!(table.converted.report.columns[0].nulls, 2);
    assert_eq!(table.converted.report.skips, [("blank".to_owned(), 1)]);
}

#[test]
fn objects_are_structs_and_arrays_are_lists() {
    let table = convert(
        "{\"id\":1,\"o\":{\"x\":1.50,\"y\":{\"z\":\"a\"}},\"l\":[1,2,null]}\n\
         {\"id\":2,\"o\":null,\"l\":[]}\n\
         {\"id\":3,\"o\":{\"y\":{}},\"l\":null}\n",
    );
    let kinds = ["int64", "struct<x: decimal(18,2), y: struct<z: text>>", "list<int64>"];
    assert_eq!(table.kinds(), kinds);
    let batch = batch(&table);
    let object = batch.column(1).as_struct();
    assert_eq!((object.null_count(), object.is_null(1)), (1, true));
    let z = object.column_by_name("y").unwrap().as_struct().column_by_name("z").unwrap();
    assert_eq!((z.as_string::<i32>().value(0), z.is_null(2)), ("a", true));
    let list = batch.column(2).as_list::<i32>();
    assert_eq!((list.value(0).len(), list.value(0).null_count()), (3, 1));
    assert_eq!((list.is_valid(1), list.value(1).len(), list.is_null(2)), (true, 0, true));
    let listed = convert("{\"l\":[{\"a\":1},{\"a\":2,\"b\":[true]}]}\n");
    assert_eq!(listed.kinds(), ["list<struct<a: int64, b: list<bool>>>"]);
}

#[test]
fn mixed_values_keep_their_json_text() {
    kept(&["1", "\"1\""], &["1", "\"1\""], "json text");
    kept(&["{\"a\": 1}", "[1, 2]"], &["{\"a\": 1}", "[1, 2]"], "json text");
    kept(&["{}"], &["{}"], "json text");
    let table = convert("{\"l\":[1,\"a\",{\"b\":2}]}\n");
    assert_eq!(table.kinds(), ["list<json text>"]);
    let many: String = (0..600).map(|n| format!("{{\"m\":{{\"k{n}\":1}}}}\n")).collect();
    assert_eq!(convert(many).kinds(), ["json text"], "a map of many keys is no struct");
    let deep = format!("{{\"v\":{}1{}}}\n", "[".repeat(20), "]".repeat(20));
    assert!(convert(deep).kinds()[0].ends_with(&format!("<json text{}", ">".repeat(12))));
}

#[test]
fn what_is_no_record_is_a_reject_with_its_place() {
    let good: String = (0..1000).map(|n| format!("{{\"a\":{n}}}\n")).collect();
    let bad = ["{\"a\":1,}", "{\"a\":1,\"a\":2}", "[1]", "{\"a\":\"\\ud800\"}", "{\"a\":1}}"];
    let text = format!("{good}{}\n{good}", bad.join("\n"));
    let table = convert(&text);
    assert_eq!(table.rows, 2000);
    let codes = ["C146", "C147", "C148", "C146", "C146"];
    let expected: Vec<_> = (1001..)
        .zip(codes)
        .zip(bad)
        .map(|((line, code), raw)| (line, code.to_owned(), raw.to_owned()))
        .collect();
    assert_eq!(table.rejects(), expected);
    assert_eq!(table.offsets()[0], good.len() as i64);
    assert_eq!(table.kinds(), ["int64"]);
    assert_eq!(held(bad.join("\n")).code, Code::C146, "too many");
}

#[test]
fn a_broken_array_is_held() {
    for text in [
        "[{\"a\":1}",
        "[{\"a\":1},",
        "[{\"a\":1},\n",
        "[{\"a\":1},]",
        "[{\"a\":1} {\"a\":2}]",
        "[{\"a\":1}]]",
        "[{\"a\":1}] x",
        "[{\"a\":tru}]",
        "[{\"a\":1",
    ] {
        let done = run(&job(), file(text.as_bytes()));
        let Outcome::Held(told) = done.outcome else { panic!("{text}: {:?}", done.outcome) };
        assert_eq!(told.code, Code::C146, "{text}: {told:?}");
        assert!(bytes_of(&done.parquet).is_empty());
    }
    let within: String = (0..300).map(|n| format!("{{\"a\":{n}}},")).collect();
    let table = convert(format!("[{within}{{\"a\":1,\"a\":2}},{{\"a\":0}}]"));
    assert_eq!((table.rows, table.rejects()[0].1.as_str()), (301, "C147"));
    assert_eq!(held("[]").code, Code::C101);
}

#[test]
fn only_utf8_is_json() {
    let utf16: Vec<u8> = "\u{feff}{\"a\":1}".encode_utf16().flat_map(u16::to_le_bytes).collect();
    let outcome = run(&job(), file(&utf16)).outcome;
    assert!(!matches!(outcome, Outcome::Converted(_)) || !format!("{outcome:?}").contains("json"));
    let told = held([b"{\"a\":1}\n{\"a\":\"".as_slice(), b"\xe9\"}\n"].concat());
    assert_eq!((told.code, told.facts[0].1.as_str()), (Code::C102, "2"));
}

#[test]
fn nested_types_are_sticky() {
    let monday = convert("{\"o\":{\"a\":1},\"l\":[1]}\n");
    let feed_of = |table: &Table, before: Option<&LearnedSchema>| table.feed(before);
    let learned = feed_of(&monday, None);
    let same = convert_as(&feed(&job(), &learned), "{\"l\":[2,3]}\n");
    assert_eq!(same.kinds(), ["struct<a: int64>", "list<int64>"]);
    assert!(!same.converted.opens_version);
    let added = convert_as(&feed(&job(), &learned), "{\"o\":{\"b\":\"x\"},\"l\":[]}\n");
    assert_eq!(added.kinds(), ["struct<a: int64, b: text>", "list<int64>"]);
    assert!(!added.converted.opens_version && added.converted.learned.is_some());
    let wider = convert_as(&feed(&job(), &learned), "{\"o\":{\"a\":\"x\"},\"l\":[1]}\n");
    assert_eq!(wider.kinds()[0], "struct<a: text>");
    assert_eq!((wider.converted.opens_version, wider.converted.version), (true, 2));
    let other = convert_as(&feed(&job(), &learned), "{\"o\":[1],\"l\":[1]}\n");
    assert_eq!((other.kinds()[0], other.converted.opens_version), ("json text", true));
    let after = feed_of(&other, Some(&learned));
    let later = convert_as(&feed(&job(), &after), "{\"o\":{\"a\":1},\"l\":[1]}\n");
    assert_eq!((later.kinds()[0], later.texts("o")), ("json text", some(&["{\"a\":1}"])));
    let csv = convert_as(&feed(&job(), &learned), "l\n1\n2\n");
    assert_eq!(
        (csv.kinds(), csv.converted.opens_version),
        (vec!["struct<a: int64>", "text"], true)
    );
}

#[test]
fn limits_hold() {
    let small = |limits| {
        let mut job = job();
        job.limits = limits;
        job
    };
    let cell = small(Limits { cell_bytes: 10, ..Limits::default() });
    assert_eq!(held_as(&cell, "{\"a\":\"12345678901\"}\n").code, Code::C105);
    let columns = small(Limits { columns: 2, ..Limits::default() });
    assert_eq!(held_as(&columns, "{\"a\":1}\n{\"b\":1}\n{\"c\":1}\n").code, Code::C105);
    let record = small(Limits { record_bytes: 1000, cell_bytes: 1000, ..Limits::default() });
    let endless = format!("{{\"a\":\"{}", "x".repeat(4 << 20));
    let told = held_as(&record, endless);
    assert_eq!((told.code, told.facts[1].1.as_str()), (Code::C105, "record_bytes"));
}

#[test]
fn depth_is_a_reject_and_never_a_crash() {
    let good: String = (0..300).map(|n| format!("{{\"a\":{n}}}\n")).collect();
    let deep = format!("{{\"a\":{}{}}}\n", "[".repeat(100_000), "]".repeat(100_000));
    let table = convert(format!("{good}{deep}"));
    assert_eq!((table.rows, table.rejects()[0].1.as_str()), (300, "C105"));
    let open = "[".repeat(100_000);
    assert_eq!(held(&open).code, Code::C146);
}

#[test]
fn an_endless_string_is_held_within_bounds() {
    let mut raw = tempfile::tempfile().unwrap();
    raw.write_all(b"[{\"a\":\"").unwrap();
    for _ in 0..64 {
        raw.write_all(&vec![b'y'; 1 << 20]).unwrap();
    }
    let Outcome::Held(told) = run(&job(), raw).outcome else { panic!("not held") };
    assert_eq!(told.code, Code::C105);
}

#[test]
fn packed_json_is_json() {
    use flate2::write::GzEncoder;
    let mut encoder = GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(b"{\"a\":1}\n{\"a\":2}\n").unwrap();
    let mut job = job();
    job.name = FileName::new("a.jsonl.gz").unwrap();
    let table = convert_as(&job, encoder.finish().unwrap());
    assert_eq!(table.texts("a"), some(&["1", "2"]));
}

#[test]
fn the_same_json_gives_the_same_parquet() {
    let text = "{\"b\":{\"x\":1},\"a\":[1,2]}\n{\"a\":null}\n";
    assert_eq!(convert(text).bytes, convert(text).bytes);
    let schema = batch(&convert(text)).schema();
    assert!(matches!(schema.field(0).data_type(), DataType::Struct(_)));
}
