//! What landfall writes is read alike by the readers that people have: each value with its type, through
//! the versions of a feed, and no column of the partner's hidden.

use std::collections::BTreeMap;
use std::io::{Cursor, Write as _};
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use crate::shop::{self, python, python_with_spark};
use crate::support::{self, Server, TestZone};

/// Every type that is found in text, with its least and greatest values, nulls and line ends.
const ALL_TYPES: &str = r#"id,amount,price,rate,day,at,at_utc,flag,name,empty,big
1,10,19.90,1.5,2026-01-31,2026-01-31 10:00:00.000000,2026-01-31T10:00:00Z,true,"ana, the 1st",,123456789012345678901234
-9223372036854775808,,-5.00,0.000025,1066-10-14,1582-10-10 23:59:59.999999,1999-12-31T23:59:59Z,false,"žluť
 2",,
9223372036854775807,0,0.00,-0.25,9999-12-31,1900-01-01 00:00:00.000001,0001-01-02T00:00:00Z,,,,
"#;
const A_COLUMN_MORE: &str = "more,id,amount,price,rate,day,at,at_utc,flag,name,empty,big\n\
    new,4,11,20.00,1.25,2026-02-01,2026-02-01 10:00:00.500000,2026-02-01T10:00:00Z,true,bo,,5\n";
/// Of which `amount`, `day` and `flag` are no longer of their types, and `empty` has its first value.
const NEXT_VERSION: &str = "id,amount,price,rate,day,at,at_utc,flag,name,empty,big,more\n\
    5,5 or so,20.00,1.25,soon,2026-02-01 10:00:00.500000,2026-02-01T10:00:00Z,maybe,bo,x,5,newer\n";

/// Names that readers fold, hide, or read as something else.
const NAMES: [&str; 25] = [
    "ID",
    "id",
    "Id",
    "lf_date",
    "_lf_record",
    "filename",
    "file_row_number",
    "_metadata",
    "a.b",
    "a b",
    "`q`",
    "é",
    "É",
    "é",
    "Name ",
    "name",
    "a;b{}()",
    "e\u{301}",
    "x=y",
    "ı",
    "I",
    "ſ",
    "s",
    "rowid",
    "",
];

const NESTED: &str = r#"{"id":1,"a":{"x":1,"y":[1,2,{"z":3}]},"tags":["p","q"],"s":[{"k":1},{"k":2,"l":"m"}]}
{"id":2,"a":{"x":2},"tags":[],"s":null}
"#;
const A_FIELD_MORE: &str = r#"{"id":3,"a":{"x":2,"new":true},"tags":[null],"s":[{"k":1,"n":2.5}]}"#;

/// With columns from the file's name, and room for a reject.
const DECLARED: &str = "match = 'sales_{region}_{date:%Y%m%d}.csv'\nmax_rejects = 1\n[column]\namount = { type = 'decimal(10,2)', decimal = ',', thousands = '.' }\n\
    due = { type = 'date', format = '%d.%m.%Y' }\nshare = 'double'\nopen = 'bool'\n";

/// Every kind of column that Parquet is taken with, in the widths and units of others.
const PARQUET: &str = "SELECT 255::UTINYINT AS small, 18446744073709551615::UBIGINT AS large, \
    0.1::FLOAT AS single, 1e300::DOUBLE AS double, 'žluť' AS text, true AS flag, \
    DATE '1066-10-14' AS day, TIMESTAMP_MS '2026-01-31 10:00:00.001' AS ms, \
    TIMESTAMP_NS '2026-01-31 10:00:00.000001' AS ns, TIMESTAMP '1582-10-10 23:59:59.999999' AS us, \
    TIMESTAMPTZ '2026-01-31 10:00:00+02' AS moment, 1.5::DECIMAL(38,10) AS exact, NULL::INTEGER AS none";

/// What the text of [`PARQUET`] is as a file.
fn parquet() -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("1.parquet");
    let copy = format!("COPY ({PARQUET}) TO '{}' (FORMAT parquet)", file.display());
    support::python("import duckdb, sys; duckdb.sql(sys.argv[1])", &[&copy]);
    std::fs::read(file).unwrap()
}

/// Two tables in one archive.
fn archive() -> Vec<u8> {
    let mut archive = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (name, content) in [("a.csv", "id,name\n1,ana\n"), ("b.csv", "id,name\n2,bo\n")] {
        archive.start_file(name, zip::write::SimpleFileOptions::default()).unwrap();
        archive.write_all(content.as_bytes()).unwrap();
    }
    archive.finish().unwrap().into_inner()
}

fn zone() -> (TestZone, Server) {
    let feeds = ["archive", "book", "declared", "names", "nested", "orders", "parquet"];
    let zone = TestZone::new(&feeds.map(|feed| format!("[feed.{feed}]\n")).concat());
    std::fs::create_dir(zone.path().join("contracts")).unwrap();
    std::fs::write(zone.path().join("contracts/declared.toml"), DECLARED).unwrap();
    let server = zone.serve();
    let mut sent = 0;
    let mut send = |feed: &str, name: &str, content: &[u8]| {
        shop::send_to(&zone, feed, name, content);
        sent += 1;
        zone.wait_for_ends(sent);
    };
    send("orders", "1.csv", ALL_TYPES.as_bytes());
    send("orders", "2.csv", A_COLUMN_MORE.as_bytes());
    send("orders", "3.csv", NEXT_VERSION.as_bytes());
    let header = NAMES.join(",");
    let numbers: Vec<_> = (1..=NAMES.len()).map(|number| number.to_string()).collect();
    send("names", "1.csv", format!("{header}\n{}\n", numbers.join(",")).as_bytes());
    send("nested", "1.jsonl", NESTED.as_bytes());
    send("nested", "2.jsonl", A_FIELD_MORE.as_bytes());
    let sales = "amount;due;share;open\n1.234,50;31.01.2026;1e300;true\n;;;\nmuch;;;\n";
    send("declared", "sales_north_20260131.csv", sales.as_bytes());
    send("parquet", "1.parquet", &parquet());
    send("archive", "1.zip", &archive());
    let book = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/convert/workbooks/orders.xlsb");
    send("book", "1.xlsb", &std::fs::read(book).unwrap());
    (zone, server)
}

/// The rows of each dataset as a reader has them, with their types.
fn read(python: &str, reader: &str, zone: &TestZone) -> BTreeMap<String, Vec<Value>> {
    let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/readers/read.py");
    let output = Command::new(python).arg(program).arg(reader).arg(zone.path()).output().unwrap();
    assert!(output.status.success(), "{reader}: {}", String::from_utf8_lossy(&output.stderr));
    let mut found: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for line in String::from_utf8(output.stdout).unwrap().lines() {
        let (dataset, row) = line.split_once(' ').unwrap();
        let row = serde_json::from_str(row).unwrap();
        found.entry(dataset.to_owned()).or_default().push(row);
    }
    found
}

/// Without what says where a row came from.
fn sent(row: &Value) -> Value {
    let cells = row.as_object().unwrap().iter();
    let cells = cells.filter(|(name, _)| !name.starts_with("_lf_") && *name != "lf_date");
    Value::Object(cells.map(|(name, value)| (name.clone(), value.clone())).collect())
}

fn all_sent(rows: &[Value]) -> Vec<Value> {
    rows.iter().map(sent).collect()
}

fn is_all_there(read: &BTreeMap<String, Vec<Value>>) {
    let datasets: Vec<_> = read.iter().map(|(name, rows)| (name.as_str(), rows.len())).collect();
    let expected = [
        ("lake/archive/v1", 2),
        ("lake/book/v1", 3),
        ("lake/declared/v1", 2),
        ("lake/names/v1", 1),
        ("lake/nested/v1", 3),
        ("lake/orders/v1", 4),
        ("lake/orders/v2", 1),
        ("lake/parquet/v1", 1),
        ("rejects/declared", 1),
    ];
    assert_eq!(datasets, expected);
    assert_eq!(
        all_sent(&read["lake/orders/v1"]),
        [
            json!({"id": 1, "amount": 10, "price": "decimal 19.90", "rate": "1.5", "day": "date 2026-01-31",
            "at": "timestamp 2026-01-31T10:00:00", "at_utc": "timestamp 2026-01-31T10:00:00+00:00",
            "flag": true, "name": "ana, the 1st", "empty": null,
            "big": "decimal 123456789012345678901234", "more": null}),
            json!({"id": i64::MIN, "amount": null, "price": "decimal -5.00", "rate": "0.000025",
            "day": "date 1066-10-14", "at": "timestamp 1582-10-10T23:59:59.999999",
            "at_utc": "timestamp 1999-12-31T23:59:59+00:00", "flag": false, "name": "žluť\n 2",
            "empty": null, "big": null, "more": null}),
            json!({"id": i64::MAX, "amount": 0, "price": "decimal 0.00", "rate": "-0.25",
            "day": "date 9999-12-31", "at": "timestamp 1900-01-01T00:00:00.000001",
            "at_utc": "timestamp 0001-01-02T00:00:00+00:00", "flag": null, "name": null,
            "empty": null, "big": null, "more": null}),
            json!({"id": 4, "amount": 11, "price": "decimal 20.00", "rate": "1.25", "day": "date 2026-02-01",
            "at": "timestamp 2026-02-01T10:00:00.500000",
            "at_utc": "timestamp 2026-02-01T10:00:00+00:00", "flag": true, "name": "bo",
            "empty": null, "big": "decimal 5", "more": "new"}),
        ]
    );
    assert_eq!(
        all_sent(&read["lake/orders/v2"]),
        [
            json!({"id": 5, "amount": "5 or so", "price": "decimal 20.00", "rate": "1.25", "day": "soon",
            "at": "timestamp 2026-02-01T10:00:00.500000",
            "at_utc": "timestamp 2026-02-01T10:00:00+00:00", "flag": "maybe", "name": "bo",
            "empty": "x", "big": "decimal 5", "more": "newer"}),
        ]
    );
    names_are_all_there(&read["lake/names/v1"]);
    all_kinds_are_there(read);
}

fn names_are_all_there(rows: &[Value]) {
    // Every number that was sent is in a column of its own.
    let names = sent(&rows[0]);
    let values = names.as_object().unwrap().values();
    let mut numbers: Vec<_> = values.filter_map(Value::as_u64).collect();
    numbers.sort_unstable();
    assert_eq!(numbers, (1..=NAMES.len() as u64).collect::<Vec<_>>(), "{names}");
    assert_eq!(names["lf_date_2"], 4);
}

fn all_kinds_are_there(read: &BTreeMap<String, Vec<Value>>) {
    assert_eq!(
        all_sent(&read["lake/nested/v1"]),
        [
            json!({"id": 1, "a": {"x": 1, "y": ["1", "2", "{\"z\":3}"], "new": null}, "tags": ["p", "q"],
            "s": [{"k": 1, "l": null, "n": null}, {"k": 2, "l": "m", "n": null}]}),
            json!({"id": 2, "a": {"x": 2, "y": null, "new": null}, "tags": [], "s": null}),
            json!({"id": 3, "a": {"x": 2, "y": null, "new": true}, "tags": [null],
            "s": [{"k": 1, "l": null, "n": "decimal 2.5"}]}),
        ]
    );
    assert_eq!(
        all_sent(&read["lake/parquet/v1"]),
        [
            json!({"small": 255, "large": "decimal 18446744073709551615", "single": f64::from(0.1_f32),
            "double": 1e300, "text": "žluť", "flag": true, "day": "date 1066-10-14",
            "ms": "timestamp 2026-01-31T10:00:00.001000", "ns": "timestamp 2026-01-31T10:00:00.000001",
            "us": "timestamp 1582-10-10T23:59:59.999999", "moment": "timestamp 2026-01-31T08:00:00+00:00",
            "exact": "decimal 1.5000000000", "none": null})
        ]
    );
    assert_eq!(
        read["lake/archive/v1"].iter().map(|row| &row["_lf_member"]).collect::<Vec<_>>(),
        ["a.csv", "b.csv"]
    );
    assert_eq!(read["lake/declared/v1"][0]["_lf_name_region"], "north");
    assert_eq!(read["lake/declared/v1"][0]["_lf_name_date"], "date 2026-01-31");
    assert_eq!(read["rejects/declared"][0]["raw"], "much;;;");
    assert_eq!(
        all_sent(&read["lake/declared/v1"]),
        [
            json!({"amount": "decimal 1234.50", "due": "date 2026-01-31", "share": 1e300, "open": true}),
            json!({"amount": null, "due": null, "share": null, "open": null}),
        ]
    );
    assert_eq!(all_sent(&read["lake/book/v1"])[2], json!({"id": 3, "code": "x", "price": -0.1}));
}

#[test]
fn duckdb_polars_and_pyarrow_read_all_that_is_written_alike() {
    let (zone, _server) = zone();
    let read = |reader| read(&python(), reader, &zone);
    let with_duckdb = read("duckdb");
    is_all_there(&with_duckdb);
    assert_eq!(read("polars"), with_duckdb);
    assert_eq!(read("pyarrow"), with_duckdb);
}

#[test]
#[ignore = "too big for every day: tests/readers/run installs Spark and runs this"]
fn spark_reads_all_that_is_written_as_duckdb_does() {
    let (zone, _server) = zone();
    let with_spark = read(&python_with_spark(), "spark", &zone);
    is_all_there(&with_spark);
    assert_eq!(with_spark, read(&python(), "duckdb", &zone));
}
