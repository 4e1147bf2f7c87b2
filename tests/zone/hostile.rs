//! Files made to hurt: held with a reason, within their limits, while others go on unharmed.

use std::fs;
use std::io::{BufWriter, Write};

use crate::support::TestZone;
use landfall::ledger::State;

/// The peak resident memory of a process, in MiB.
fn peak_mib(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("status");
    let line = status.lines().find(|line| line.starts_with("VmHWM")).expect("a peak");
    line.split_whitespace().nth(1).expect("a number").parse::<u64>().expect("a number") / 1024
}

/// A workbook whose one sheet has the cells A1 and XFD1048576 and nothing else.
fn sparse_bomb(path: &std::path::Path) {
    let mut zip = zip::ZipWriter::new(fs::File::create(path).expect("created"));
    let options = zip::write::SimpleFileOptions::default();
    let mut part = |name: &str, text: &str| {
        zip.start_file(name, options).expect("started");
        zip.write_all(text.as_bytes()).expect("written");
    };
    part(
        "[Content_Types].xml",
        r#"<?xml version="1.0"?><Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types"><Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/><Default Extension="xml" ContentType="application/xml"/><Override PartName="/xl/workbook.xml" ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.sheet.main+xml"/><Override PartName="/xl/worksheets/sheet1.xml" ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.worksheet+xml"/></Types>"#,
    );
    part(
        "_rels/.rels",
        r#"<?xml version="1.0"?><Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships"><Relationship Id="r1" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/officeDocument" Target="xl/workbook.xml"/></Relationships>"#,
    );
    part(
        "xl/workbook.xml",
        r#"<?xml version="1.0"?><workbook xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main" xmlns:r="http://schemas.openxmlformats.org/officeDocument/2006/relationships"><sheets><sheet name="S" sheetId="1" r:id="r1"/></sheets></workbook>"#,
    );
    part(
        "xl/_rels/workbook.xml.rels",
        r#"<?xml version="1.0"?><Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships"><Relationship Id="r1" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/worksheet" Target="worksheets/sheet1.xml"/></Relationships>"#,
    );
    part(
        "xl/worksheets/sheet1.xml",
        r#"<?xml version="1.0"?><worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><dimension ref="A1:XFD1048576"/><sheetData><row r="1"><c r="A1"><v>1</v></c></row><row r="1048576"><c r="XFD1048576"><v>2</v></c></row></sheetData></worksheet>"#,
    );
    zip.finish().expect("finished");
}

#[test]
fn a_workbook_bomb_and_a_giant_line_are_held_while_others_go_on() {
    let zone = TestZone::new("[feed.orders]\n[feed.calm]\n");
    let key = zone.partner("acme", &["calm"], "");
    let server = zone.serve();
    let giant = zone.path().join("giant.csv");
    let mut file = BufWriter::new(fs::File::create(&giant).expect("created"));
    file.write_all(b"id,text\n1,").expect("written");
    let block = [b'x'; 1 << 20];
    for _ in 0..1000 {
        file.write_all(&block).expect("written");
    }
    file.flush().expect("written");
    drop(file);
    sparse_bomb(&zone.inbox("orders").join("bomb.xlsx"));
    fs::rename(giant, zone.inbox("orders").join("giant.csv")).expect("dropped");
    let local = zone.path().join("calm.csv");
    for n in 0..20 {
        fs::write(&local, format!("id\n{n}\n")).expect("written");
        server.sftp_ok("acme", &key, &format!("put {} calm{n}.csv\n", local.display()));
    }
    let arrivals = zone.wait_for_ends(22);
    for arrival in &arrivals {
        let expected =
            if arrival.feed.as_str() == "orders" { State::Held } else { State::HandedOff };
        assert_eq!(arrival.state, expected, "{arrival:#?}");
    }
    let reasons: Vec<String> = arrivals
        .iter()
        .filter_map(|arrival| arrival.diagnostic.as_ref())
        .map(|told| told.code.to_string())
        .collect();
    assert_eq!(reasons.len(), 2);
    assert!(
        reasons.contains(&"C108".to_owned()) && reasons.contains(&"C105".to_owned()),
        "{reasons:?}"
    );
    assert!(peak_mib(server.pid()) < 256, "the server took {} MiB", peak_mib(server.pid()));
    server.stop();
}

/// Ninety mebibytes of zeros in a gzip file of some ninety kibibytes.
fn gzip_bomb(path: &std::path::Path) {
    let file = fs::File::create(path).expect("created");
    let mut gzip = flate2::write::GzEncoder::new(file, flate2::Compression::best());
    let block = [b'0'; 1 << 20];
    for _ in 0..90 {
        gzip.write_all(&block).expect("written");
        gzip.write_all(b"\n").expect("written");
    }
    gzip.finish().expect("finished");
}

#[test]
fn a_gzip_bomb_and_deep_json_are_held_while_others_go_on() {
    let zone = TestZone::new("[feed.orders]\n[feed.calm]\n");
    let server = zone.serve();
    let made = zone.path().join("made");
    gzip_bomb(&made);
    fs::rename(&made, zone.inbox("orders").join("bomb.csv.gz")).expect("dropped");
    let deep = format!("{{\"a\":{}{}}}\n", "[".repeat(100_000), "]".repeat(100_000));
    fs::write(&made, deep).expect("written");
    fs::rename(&made, zone.inbox("orders").join("deep.jsonl")).expect("dropped");
    for n in 0..5 {
        fs::write(&made, format!("{{\"id\":{n}}}\n")).expect("written");
        fs::rename(&made, zone.inbox("calm").join(format!("{n}.jsonl"))).expect("dropped");
    }
    let arrivals = zone.wait_for_ends(7);
    for arrival in &arrivals {
        let expected =
            if arrival.feed.as_str() == "orders" { State::Held } else { State::HandedOff };
        assert_eq!(arrival.state, expected, "{arrival:#?}");
    }
    let mut reasons: Vec<String> = arrivals
        .iter()
        .filter_map(|arrival| arrival.diagnostic.as_ref())
        .map(|told| told.code.to_string())
        .collect();
    reasons.sort();
    assert_eq!(reasons, ["C105", "C141"]);
    assert!(peak_mib(server.pid()) < 256, "the server took {} MiB", peak_mib(server.pid()));
    server.stop();
}
