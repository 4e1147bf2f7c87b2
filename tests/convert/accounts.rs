//! Every record is written, rejected or skipped, and told with its right line.

use landfall::convert;
use landfall::diagnostic::Code;

use super::support::{convert, convert_as, file, held, job, some};

fn many(rows: usize) -> String {
    (0..rows).map(|n| format!("{n},x\n")).collect()
}

#[test]
fn seen_is_written_plus_rejected_plus_skipped() {
    let text = format!("id,t\n\n{}\n\n1,2,3\n\"a\"b,c\n", many(300));
    let report = convert(text).converted.report;
    assert_eq!((report.seen, report.written, report.rejected, report.skipped), (305, 300, 2, 3));
    assert_eq!(report.skips, [("blank".to_owned(), 3)]);
}

#[test]
fn rejects_carry_line_code_and_raw_text() {
    let text = format!("id,t\n{}7,\"two\nlines\"\n1,2,3\n8,\"a\"b\n9,z\n", many(300));
    let table = convert(&text);
    let expected = [(304, "C103", "1,2,3"), (305, "C113", "8,\"a\"b")];
    let expected = expected.map(|(line, code, raw)| (line, code.to_owned(), raw.to_owned()));
    assert_eq!(table.rejects(), expected);
    let offsets = table.offsets().into_iter().map(|at| usize::try_from(at).unwrap());
    let starts: Vec<_> = offsets.map(|at| &text[at..at + 4]).collect();
    assert_eq!(starts, ["1,2,", "8,\"a"]);
    let told = &table.converted.report.first_rejects;
    assert_eq!((told[0].record, told[0].line), (302, 304));
    assert_eq!(told[0].reason, "it has 3 fields, the header has 2");
    assert_eq!(told[1].reason, "field 2 has text after its closing quote");
}

#[test]
fn offsets_are_of_the_raw_bytes_in_any_encoding() {
    let text = format!("\u{feff}id,t\n1,é€😀\n{}1,2,3\n", many(300));
    let utf16: Vec<u8> = text.encode_utf16().flat_map(u16::to_be_bytes).collect();
    let at = usize::try_from(convert(&utf16).offsets()[0]).unwrap();
    assert_eq!(&utf16[at..at + 6], b"\x001\x00,\x002");
}

#[test]
fn too_many_rejects_hold_the_file_with_examples() {
    let told = held(format!("id,t\n{}1\n2\n3\n4\n", many(300)));
    assert_eq!(told.code, Code::C103);
    assert_eq!(told.summary, "4 of 304 records cannot be read");
    let line = ("line 302".to_owned(), "it has 1 fields, the header has 2: 1".to_owned());
    assert!(told.facts.contains(&line), "{told:?}");
    assert_eq!(held("id,t\n1,x\n\"a\"b,c\n").code, Code::C113);
}

#[test]
fn files_without_records_are_held() {
    for empty in ["", "\n\n", "\u{feff}", "id,name\n"] {
        assert_eq!(held(empty).code, Code::C101, "{empty:?}");
    }
}

#[test]
fn an_endless_quote_is_held_with_its_line() {
    let told = held(format!("id,t\n{}5,\"open\n{}", many(10), many(10)));
    assert_eq!(told.code, Code::C104);
    assert!(told.facts.contains(&("line".to_owned(), "12".to_owned())));
}

#[test]
fn a_broken_line_does_not_take_its_neighbours_along() {
    let table = convert(format!("id,t\n{}7,\"open\n8,\"b\"\n9,c\n", many(300)));
    assert_eq!(table.rejects(), [(302, "C113".to_owned(), "7,\"open".to_owned())]);
    assert_eq!(table.texts("t")[300..], some(&["b", "c"]));
}

#[test]
fn provenance_leads_every_row_back() {
    let arrival = "019a3c5e-7c1a-7b3e-9d55-0c6f1f2b8a10";
    let mut job = job();
    job.arrival = Some(arrival.parse().unwrap());
    let text = format!("id,t\n7,\"two\nlines\"\n1,2,3\n\n{}", many(200));
    let table = convert_as(&job, text);
    assert_eq!(table.raw_column("_lf_arrival")[0].as_deref(), Some(arrival));
    assert_eq!(table.raw_column("_lf_record")[..3], some(&["1", "3", "4"]));
    assert_eq!(table.raw_column("_lf_line")[..3], some(&["2", "6", "7"]));
    assert_eq!(table.names(), ["id", "t"], "the printers are of the data columns");
}

#[test]
fn blank_lines_are_records_of_a_one_column_file() {
    let table = convert("name\nAnn\n\nBob\n");
    assert_eq!(table.texts("name"), [Some("Ann".to_owned()), None, Some("Bob".to_owned())]);
}

#[test]
fn inspecting_tells_the_same_and_writes_nothing() {
    let text = "id;price;note\n1;1.50;a\n2;2.25;\n";
    let seen = convert::inspect(&job(), file(text.as_bytes()));
    assert!(seen.obstacle.is_none(), "{:?}", seen.obstacle);
    assert_eq!(seen.report, convert(text).converted.report);
    let row = |cells: [Option<&str>; 3]| cells.map(|cell| cell.map(str::to_owned)).to_vec();
    assert_eq!(
        seen.rows,
        [row([Some("1"), Some("1.50"), Some("a")]), row([Some("2"), Some("2.25"), None])]
    );
    let empty = convert::inspect(&job(), file(b""));
    assert!(
        matches!(empty.obstacle, Some(convert::Outcome::Held(told)) if told.code == Code::C101)
    );
}
