//! Thirty files made to hurt, and what each is held for. Included by the test and the benchmark of them.

use std::io::{Cursor, Write};
use std::sync::Arc;

use crate::workbook::Workbook;
use arrow_array::{ArrayRef, Int64Array, RecordBatch};
use parquet::arrow::ArrowWriter;
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

/// A file: its name, the code it is held with, its bytes.
pub type Bomb = (&'static str, &'static str, Vec<u8>);

/// All of them.
pub fn all() -> Vec<Bomb> {
    let zoo = [workbooks(), packed(), others()].concat();
    assert_eq!(zoo.len(), 30);
    zoo
}

/// Bytes that unpack to far more than any file of their size.
const PACKED_BYTES: usize = 90 << 20;

/// Writes lines of zeros.
fn zeros(mut to: impl Write) {
    let line = [&[b'0'; 1 << 20][..], b"\n"].concat();
    for _ in 0..PACKED_BYTES >> 20 {
        to.write_all(&line).expect("written");
    }
}

fn zip(members: &[(&str, &[u8])], options: SimpleFileOptions) -> Vec<u8> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, bytes) in members {
        zip.start_file(*name, options).expect("started");
        zip.write_all(bytes).expect("written");
    }
    zip.finish().expect("finished").into_inner()
}

fn plain_zip(members: &[(&str, &[u8])]) -> Vec<u8> {
    zip(members, SimpleFileOptions::default())
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(bytes).expect("written");
    gzip.finish().expect("finished")
}

fn sheet(rows: &str) -> Vec<u8> {
    Workbook::new().raw_sheet("S", "visible", rows).bytes()
}

fn package(parts: &[(&str, &str)]) -> Vec<u8> {
    let stored = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
    let parts: Vec<_> = parts.iter().map(|(name, text)| (*name, text.as_bytes())).collect();
    zip(&parts, stored)
}

const TEXT_CELL: &str = r#"<c r="A1" t="inlineStr"><is><t>a</t></is></c>"#;

fn workbooks() -> Vec<Bomb> {
    let last = r#"<row r="1048576"><c r="XFD1048576"><v>1</v></c></row>"#;
    let sparse = format!(r#"<row r="1">{TEXT_CELL}</row>{last}"#);
    let far =
        format!(r#"<row r="1">{TEXT_CELL}</row><row r="2"><c r="XFDXFDXFD2"><v>1</v></c></row>"#);
    let blanks = "<row>".to_owned() + &"<c/>".repeat(40_000_000) + "</row>";
    let deep = format!("<row r=\"1\">{TEXT_CELL}</row>{}", "<row>".repeat(1_000_000));
    let one =
        format!(r#"<row r="1">{TEXT_CELL}</row><row r="2"><c r="A2" t="s"><v>0</v></c></row>"#);
    let strings =
        |xml: &str| Workbook::new().raw_strings(xml).raw_sheet("S", "visible", &one).bytes();
    let long =
        format!("<sst uniqueCount=\"1\"><si><t>{}</t></si></sst>", "a".repeat(PACKED_BYTES * 4));
    let laughs = format!(
        "<!DOCTYPE x [<!ENTITY a \"{}\"><!ENTITY b \"{}\">]><worksheet><sheetData><row r=\"1\"><c t=\"str\"><v>&b;</v></c></row></sheetData></worksheet>",
        "ha".repeat(1000),
        "&a;".repeat(1000)
    );
    let ods = r#"<office:document-content xmlns:office="urn:oasis:names:tc:opendocument:xmlns:office:1.0" xmlns:table="urn:oasis:names:tc:opendocument:xmlns:table:1.0"><office:body><office:spreadsheet><table:table table:name="S"><table:table-row table:number-rows-repeated="1048576"><table:table-cell table:number-columns-repeated="16384" office:value-type="float" office:value="1"/></table:table-row></table:table></office:spreadsheet></office:body></office:document-content>"#;
    let manifest = r#"<manifest:manifest xmlns:manifest="urn:oasis:names:tc:opendocument:xmlns:manifest:1.0"><manifest:file-entry manifest:full-path="/" manifest:media-type="application/vnd.oasis.opendocument.spreadsheet"/></manifest:manifest>"#;
    let mime = "application/vnd.oasis.opendocument.spreadsheet";
    vec![
        ("sparse.xlsx", "C108", sheet(&sparse)),
        ("blanks.xlsx", "C105", sheet(&blanks)),
        ("far.xlsx", "C106", sheet(&far)),
        ("deep.xlsx", "C101", sheet(&deep)),
        (
            "many-strings.xlsx",
            "C106",
            strings("<sst uniqueCount=\"99999999999\"><si><t>a</t></si></sst>"),
        ),
        ("long-string.xlsx", "C105", strings(&long)),
        ("laughs.xlsx", "C106", Workbook::new().raw_part("S", "visible", laughs).bytes()),
        (
            "repeated.ods",
            "C108",
            package(&[
                ("mimetype", mime),
                ("content.xml", ods),
                ("META-INF/manifest.xml", manifest),
            ]),
        ),
        ("cut.xlsx", "C140", sheet(&one)[..300].to_vec()),
        ("empty.xlsx", "C106", package(&[("xl/workbook.xml", "")])),
    ]
}

fn packed() -> Vec<Bomb> {
    let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    zeros(&mut gz);
    let mut zst = zstd::stream::write::Encoder::new(Vec::new(), 19).expect("zstd");
    zeros(&mut zst);
    let mut bz2 = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::best());
    zeros(&mut bz2);
    let mut xz = liblzma::write::XzEncoder::new(Vec::new(), 6);
    zeros(&mut xz);
    let mut member = Vec::new();
    zeros(&mut member);
    let csv = &b"id\n1\n"[..];
    let many: Vec<String> = (0..20_000).map(|n| format!("{n}.csv")).collect();
    let many: Vec<_> = many.iter().map(|name| (name.as_str(), csv)).collect();
    let inner = plain_zip(&[("a.csv", csv)]);
    // Bit 0 of the flags, in the member's own header and in the directory (APPNOTE 4.4.4).
    let mut secret = inner.clone();
    let directory = secret.windows(4).rposition(|part| part == b"PK\x01\x02").expect("a directory");
    secret[6] |= 1;
    secret[directory + 8] |= 1;
    let mut lying = plain_zip(&[("a.csv", &[b'0'; 4096])]);
    let directory = lying.windows(4).rposition(|part| part == b"PK\x01\x02").expect("a directory");
    lying[directory + 24..directory + 28].copy_from_slice(&0xffff_fff0_u32.to_le_bytes());
    vec![
        ("bomb.csv.gz", "C141", gz.finish().expect("gzip")),
        ("bomb.csv.zst", "C141", zst.finish().expect("zstd")),
        ("bomb.csv.bz2", "C141", bz2.finish().expect("bzip2")),
        ("bomb.csv.xz", "C141", xz.finish().expect("xz")),
        ("bomb.zip", "C141", plain_zip(&[("a.csv", &member)])),
        ("members.zip", "C141", plain_zip(&many)),
        ("nested.zip", "C142", plain_zip(&[("b.zip", &inner)])),
        ("twice.csv.gz", "C142", gzip(&gzip(csv))),
        ("secret.zip", "C143", secret),
        ("lying.zip", "C141", lying),
    ]
}

fn others() -> Vec<Bomb> {
    let mut rows = Vec::new();
    let nulls: ArrayRef = Arc::new(Int64Array::from(vec![None; 1_000_000]));
    let batch = RecordBatch::try_from_iter_with_nullable([("n", nulls, true)]).expect("a batch");
    let few_pages = WriterProperties::builder()
        .set_max_row_group_row_count(Some(200_000_000))
        .set_data_page_row_count_limit(200_000_000)
        .set_statistics_enabled(EnabledStatistics::None)
        .build();
    let mut writer =
        ArrowWriter::try_new(&mut rows, batch.schema(), Some(few_pages)).expect("Parquet");
    for _ in 0..100 {
        writer.write(&batch).expect("written");
    }
    writer.close().expect("closed");
    let big = 40 << 20;
    let keys: Vec<String> = (0..200_000).map(|n| format!("\"k{n}\":1")).collect();
    let deep = format!("{{\"a\":{}{}}}\n", "[".repeat(100_000), "]".repeat(100_000));
    let wide = "c,".repeat(1_000_000) + "c\n" + &"1,".repeat(1_000_000) + "1\n";
    vec![
        ("rows.parquet", "C141", rows.clone()),
        ("cut.parquet", "C114", rows[..rows.len() - 100].to_vec()),
        ("quote.csv", "C104", format!("id,t\n1,\"{}", "x,y\n".repeat(big / 4)).into_bytes()),
        ("line.csv", "C105", [b"id,t\n1,", vec![b'x'; big].as_slice()].concat()),
        ("columns.csv", "C105", wide.into_bytes()),
        ("blank.csv", "C101", "\n".repeat(big).into_bytes()),
        ("deep.json", "C105", deep.into_bytes()),
        ("string.json", "C105", format!("{{\"a\":\"{}\"}}\n", "x".repeat(big)).into_bytes()),
        ("keys.json", "C105", format!("{{{}}}\n", keys.join(",")).into_bytes()),
        ("open.json", "C146", format!("[{}", "{\"a\":1},".repeat(1000)).into_bytes()),
    ]
}
