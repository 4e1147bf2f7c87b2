//! Detection says how sure it is; in doubt nothing is lost.

use landfall::config::Format;
use landfall::diagnostic::Code;

use super::support::{convert, convert_as, held, job, run, some};

#[test]
fn a_one_column_file_is_a_table() {
    let table = convert("name\nSmith, John\nDoe, Jane; and Bob\nPlain\n");
    assert_eq!(table.texts("name"), some(&["Smith, John", "Doe, Jane; and Bob", "Plain"]));
    assert_eq!(table.dialect("delimiter"), "none");
    assert_eq!(convert("price\n1,5\n2,5\n").texts("price"), some(&["1,5", "2,5"]));
}

#[test]
fn the_format_is_obeyed() {
    let mut job = job();
    job.format = Format {
        delimiter: Some("x".to_owned()),
        quote: Some('\''),
        header: Some(false),
        ..Format::default()
    };
    let table = convert_as(&job, "1x'a x'\n2xb\n");
    assert_eq!(table.texts("column_2"), some(&["a x", "b"]));
    assert_eq!(table.dialect("delimiter is"), "certain: declared");
}

#[test]
fn a_ragged_table_does_not_become_one_column() {
    assert_eq!(held("a,b,c\n1,2\n1,2,3\n1\n").code, Code::C103);
}

#[test]
fn the_unsure_is_told() {
    let table = convert("name,city\nAnn,Paris\nBob,Rome\n");
    assert_eq!(table.names(), ["name", "city"]);
    assert!(table.dialect("header is").starts_with("not certain"));
    let notes = &table.converted.report.notes;
    assert!(notes.iter().any(|note| note.contains("`header` declares it")), "{notes:?}");
    assert!(convert("id,t\n1,x\n").converted.report.notes.is_empty());
}

#[test]
fn single_quotes_are_quotes_only_where_they_must_be() {
    let table = convert("id,t\n1,'a, b'\n2,'c'\n3,'d, e'\n");
    assert_eq!(table.texts("t"), some(&["a, b", "c", "d, e"]));
    assert_eq!(convert("id,t\n1,'a'\n2,'b'\n").texts("t"), some(&["'a'", "'b'"]));
}

#[test]
fn mixed_lf_and_crlf_are_record_ends() {
    let table = convert("id,t\r\n1,a\n2,b\r\n3,c");
    assert_eq!(table.texts("t"), some(&["a", "b", "c"]));
    assert_eq!(table.dialect("record end"), "mixed");
}

#[test]
fn what_is_no_table_is_handed_off_raw() {
    for bytes in [&b"Rar!\x1a\x07\x01\0"[..], b"%PDF-1.7", b"\0\x01\x02\x03\xff"] {
        let done = run(&job(), super::support::file(bytes));
        assert!(matches!(done.outcome, landfall::convert::Outcome::Raw { .. }), "{bytes:?}");
        assert!(super::support::bytes_of(&done.parquet).is_empty());
    }
}
