//! Parquet comes in: checked to its last page, written anew with the feed's columns, no value altered.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Decimal128Type, Float64Type, TimestampMicrosecondType};
use arrow_array::{
    Array, ArrayRef, BinaryArray, BooleanArray, Date32Array, Decimal128Array, Float32Array,
    Int16Array, Int64Array, RecordBatch, StringArray, TimestampMillisecondArray,
    TimestampNanosecondArray, UInt64Array,
};
use landfall::convert::prove::Proof;
use landfall::convert::{Job, Limits, Outcome};
use landfall::diagnostic::Code;
use landfall::schema::Change;
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, GzipLevel, ZstdLevel};
use parquet::file::properties::WriterProperties;

use super::support::{Table, convert, convert_as, feed, file, held, held_as, job, run, some};

fn parquet_as(compression: Compression, columns: Vec<(&str, ArrayRef)>) -> Vec<u8> {
    let columns = columns.into_iter().map(|(name, array)| (name, array, true));
    let batch = RecordBatch::try_from_iter_with_nullable(columns).unwrap();
    let properties = WriterProperties::builder().set_compression(compression).build();
    let mut bytes = Vec::new();
    let mut writer = ArrowWriter::try_new(&mut bytes, batch.schema(), Some(properties)).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
    bytes
}

fn parquet(columns: Vec<(&str, ArrayRef)>) -> Vec<u8> {
    parquet_as(Compression::SNAPPY, columns)
}

fn orders() -> Vec<(&'static str, ArrayRef)> {
    let units = Decimal128Array::from(vec![Some(1050), Some(-5), None]);
    let millis = TimestampMillisecondArray::from(vec![Some(1_500), None, Some(-1)]);
    vec![
        ("id", Arc::new(Int16Array::from(vec![1, -2, 3]))),
        ("t", Arc::new(StringArray::from(vec![Some("a"), Some(""), None]))),
        ("paid", Arc::new(BooleanArray::from(vec![Some(true), Some(false), None]))),
        ("amount", Arc::new(units.with_precision_and_scale(10, 2).unwrap())),
        ("rate", Arc::new(Float32Array::from(vec![Some(0.1), Some(f32::NAN), None]))),
        ("day", Arc::new(Date32Array::from(vec![Some(0), Some(-1), None]))),
        ("at", Arc::new(millis.clone())),
        ("seen", Arc::new(millis.with_timezone("UTC"))),
        ("big", Arc::new(UInt64Array::from(vec![Some(u64::MAX), Some(0), None]))),
    ]
}

fn check_orders(table: &Table) {
    let kinds = [
        "int64",
        "text",
        "bool",
        "decimal(38,2)",
        "double",
        "date",
        "timestamp",
        "timestamp in UTC",
        "decimal(38,0)",
    ];
    assert_eq!(table.kinds(), kinds);
    assert_eq!(table.texts("id"), some(&["1", "-2", "3"]));
    assert_eq!(table.texts("t"), [Some("a".to_owned()), Some(String::new()), None]);
    assert_eq!(table.texts("paid"), [Some("true".into()), Some("false".into()), None]);
    assert_eq!(table.texts("amount"), [Some("10.50".into()), Some("-0.05".into()), None]);
    let rate = table.array("rate");
    let rate = rate.as_primitive::<Float64Type>();
    assert_eq!(rate.value(0).to_bits(), f64::from(0.1_f32).to_bits(), "the very value");
    assert!(rate.value(1).is_nan() && rate.is_null(2));
    assert_eq!(table.texts("day"), [Some("1970-01-01".into()), Some("1969-12-31".into()), None]);
    let at = table.array("at");
    let at = at.as_primitive::<TimestampMicrosecondType>();
    assert_eq!((at.value(0), at.is_null(1), at.value(2)), (1_500_000, true, -1_000));
    assert_eq!(table.texts("seen")[0].as_deref(), Some("1970-01-01T00:00:01.500000Z"));
    assert_eq!(table.texts("big"), [Some(u64::MAX.to_string()), Some("0".into()), None]);
    assert_eq!((table.rows, table.converted.report.kind.as_str()), (3, "parquet"));
}

#[test]
fn values_keep_their_types_whatever_they_are_packed_with() {
    let packings = [
        Compression::UNCOMPRESSED,
        Compression::SNAPPY,
        Compression::GZIP(GzipLevel::default()),
        Compression::ZSTD(ZstdLevel::default()),
    ];
    for packing in packings {
        check_orders(&convert(parquet_as(packing, orders())));
    }
    let proof = convert(parquet(orders())).prove(&job(), &parquet(orders()));
    assert!(matches!(proof, Proof::Impossible(_)), "{proof:?}");
}

#[test]
fn what_landfall_wrote_comes_in_again() {
    let arrival = Some("019a0000-0000-7000-8000-000000000001".parse().unwrap());
    let arrived = Job { arrival, ..job() };
    let first = convert_as(&arrived, parquet(orders()));
    assert_eq!(first.raw_column("_lf_record"), some(&["1", "2", "3"]));
    let again = convert_as(&arrived, &first.bytes);
    assert_eq!(again.texts("amount"), first.texts("amount"));
    assert_eq!(
        again.names()[9..],
        ["__lf_arrival", "__lf_record", "__lf_line"],
        "theirs beside ours"
    );
    assert_eq!(again.raw_column("_lf_line"), some(&["1", "2", "3"]));
}

#[test]
fn times_that_microseconds_do_not_hold_are_text() {
    let nanos = TimestampNanosecondArray::from(vec![Some(1_000), Some(-1_000)]);
    let odd = TimestampNanosecondArray::from(vec![Some(1_001), Some(-1)]);
    let far = TimestampMillisecondArray::from(vec![Some(0), Some(i64::MAX)]);
    let columns: Vec<(&str, ArrayRef)> =
        vec![("even", Arc::new(nanos)), ("odd", Arc::new(odd)), ("far", Arc::new(far))];
    let table = convert(parquet(columns));
    assert_eq!(table.kinds(), ["timestamp", "text", "text"]);
    assert_eq!(table.texts("even")[1].as_deref(), Some("1969-12-31T23:59:59.999999"));
    let odd = ["1970-01-01T00:00:00.000001001", "1969-12-31T23:59:59.999999999"];
    assert_eq!(table.texts("odd"), some(&odd));
    assert_eq!(table.texts("far")[1], Some(i64::MAX.to_string()));
}

#[test]
fn a_feeds_files_go_together_whatever_they_came_as() {
    let csv = convert("id,amount,t\n1,2.50,x\n2,1.25,y\n");
    let known = csv.feed(None);
    let table = convert_as(&feed(&job(), &known), parquet(orders()));
    assert_eq!(table.kinds()[..3], ["int64", "decimal(18,2)", "text"], "the feed's types");
    assert_eq!(table.texts("amount"), [Some("10.50".into()), Some("-0.05".into()), None]);
    assert!(!table.converted.opens_version && table.converted.version == 1);
    let added = |change: &&Change| matches!(change, Change::Added { .. });
    assert_eq!(table.converted.drift.iter().filter(added).count(), 6);

    let wide =
        Decimal128Array::from(vec![10_i128.pow(30)]).with_precision_and_scale(38, 2).unwrap();
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("id", Arc::new(Int64Array::from(vec![7]))),
        ("amount", Arc::new(wide)),
        ("t", Arc::new(Int64Array::from(vec![9]))),
    ];
    let table = convert_as(&feed(&job(), &known), parquet(columns));
    assert!(table.converted.opens_version);
    assert_eq!(table.kinds(), ["int64", "decimal(38,2)", "text"]);
    assert_eq!(table.array("amount").as_primitive::<Decimal128Type>().value(0), 10_i128.pow(30));
    assert_eq!(table.texts("t"), some(&["9"]));
}

#[test]
fn what_is_not_converted_is_handed_off_as_it_is() {
    let bytes: ArrayRef = Arc::new(BinaryArray::from(vec![&b"\xff\x00"[..]]));
    match run(&job(), file(&parquet(vec![("b", bytes)]))).outcome {
        Outcome::Raw { reason } => assert!(reason.contains("`b` (Binary)"), "{reason}"),
        other @ (Outcome::Converted(_) | Outcome::Held(_)) => panic!("{other:?}"),
    }
    let contract =
        landfall::config::contract::parse("contracts/f.toml", "[column]\nid = \"int64\"\n");
    let declared = job().under(Some(&contract.unwrap()));
    assert_eq!(held_as(&declared, parquet(orders())).code, Code::C107);
}

#[test]
fn damaged_files_are_held_with_nothing_written() {
    let good = parquet(orders());
    for cut in [4, 12, good.len() / 2, good.len() - 1] {
        assert_eq!(held(&good[..cut]).code, Code::C114, "{cut}");
    }
    for at in (4..good.len()).step_by(7) {
        let mut bad = good.clone();
        bad[at] ^= 0x10;
        match run(&job(), file(&bad)).outcome {
            Outcome::Held(told) => assert_ne!(told.code, Code::C111, "{at}: {told:?}"),
            Outcome::Converted(_) | Outcome::Raw { .. } => {}
        }
    }
}

#[test]
fn bombs_are_held_by_what_they_declare() {
    let same: ArrayRef = Arc::new(Int64Array::from(vec![7; 2_000_000]));
    let bomb = parquet(vec![("n", Arc::clone(&same))]);
    assert!(bomb.len() < 20_000, "{}", bomb.len());
    let limits = Limits { unpacked_bytes_free: 1 << 20, unpacked_ratio: 100, ..Limits::default() };
    let told = held_as(&Job { limits, ..job() }, &bomb);
    assert_eq!(told.code, Code::C141);
    assert_eq!(convert(&bomb).rows, 2_000_000, "within the limits it is a table");
    let long: ArrayRef = Arc::new(StringArray::from(vec!["x".repeat(2 << 20)]));
    let limits = Limits { cell_bytes: 1 << 20, ..Limits::default() };
    assert_eq!(held_as(&Job { limits, ..job() }, parquet(vec![("t", long)])).code, Code::C105);
    let limits = Limits { columns: 8, ..Limits::default() };
    assert_eq!(held_as(&Job { limits, ..job() }, parquet(orders())).code, Code::C105);
}
