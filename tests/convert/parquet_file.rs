//! The Parquet itself: the same bytes for the same input, and what stands in its footer.

use parquet::file::reader::{FileReader, SerializedFileReader};

use super::support::{convert, convert_as, file, job};

fn text(rows: usize) -> String {
    let row = |n: usize| {
        format!("{n},{}.{:02},name {},2024-01-{:02}\n", n % 97, n % 100, n % 13, n % 28 + 1)
    };
    let rows: String = (0..rows).map(row).collect();
    format!("id,price,name,day\n{rows}")
}

#[test]
fn the_same_input_gives_the_same_bytes() {
    let text = text(50_000);
    assert!(convert(&text).bytes == convert(&text).bytes);
}

#[test]
fn the_footer_tells_where_the_file_comes_from() {
    let mut job = job();
    job.digest = Some(landfall::archive::digest::of_bytes(b"raw"));
    let table = convert_as(&job, "id;t\n1;x\n");
    let reader = SerializedFileReader::new(file(&table.bytes)).unwrap();
    let footer = reader.metadata().file_metadata();
    assert!(footer.created_by().unwrap().starts_with("landfall version "));
    let entry = |key: &str| {
        let entries = footer.key_value_metadata().unwrap();
        entries.iter().find(|entry| entry.key == key).and_then(|entry| entry.value.clone())
    };
    assert_eq!(entry("landfall.version").as_deref(), Some(landfall::convert::VERSION));
    assert_eq!(entry("landfall.source.sha256"), job.digest.map(|digest| digest.to_string()));
    assert!(entry("landfall.dialect").unwrap().contains(r#""delimiter":";""#));
    let columns = r#"[{"name":"id","header":"id","type":"int64","print":"integer"},{"name":"t","header":"t","type":"text","print":"text"}]"#;
    assert_eq!(entry("landfall.columns").as_deref(), Some(columns));
    assert_eq!(entry("ARROW:schema"), None);
    let group = reader.metadata().row_group(0);
    assert!(group.column(0).statistics().is_some());
    assert!(group.column(0).column_index_offset().is_some());
    let zstd = format!("{:?}", group.column(0).compression());
    assert!(zstd.starts_with("ZSTD"), "{zstd}");
}
