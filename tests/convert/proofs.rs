//! A proof compares every cell, and finds the one that is not the same. Every other test of this
//! folder proves what it converts, the rows of the table of hazards among them.

use landfall::config::Format;
use landfall::convert::prove::Proof;

use super::support::{Table, convert, convert_as, job};

/// What a proof of a conversion says of another source.
fn found(made_of: &str, source: &str) -> (u64, String, Option<String>, Option<String>) {
    match convert(made_of).prove(&job(), source.as_bytes()) {
        Proof::Different(found) => (found.line, found.column, found.source, found.parquet),
        other @ (Proof::Same { .. } | Proof::Impossible(_)) => panic!("{other:?}"),
    }
}

fn same(table: &Table, source: &str) -> (u64, u64) {
    match table.prove(&job(), source.as_bytes()) {
        Proof::Same { rows, cells } => (rows, cells),
        other @ (Proof::Different(_) | Proof::Impossible(_)) => panic!("{other:?}"),
    }
}

#[test]
fn the_same_is_the_same() {
    let text = "id,t,d\n1,\"a\r\n\"\"b\"\"\",1.50\n2,,2.25\n\n3,x y,\n";
    assert_eq!(same(&convert(text), text), (3, 9));
    let json = "{\"a\":1,\"b\":{\"c\":[1.5,null]}}\n{\"a\":2}\n";
    assert_eq!(same(&convert(json), json), (2, 4));
}

#[test]
fn a_difference_names_line_column_and_both_texts() {
    let text = |text: &str| Some(text.to_owned());
    let made = "id,t\n1,\"a\nb\"\n2,x\n";
    let other = made.replace('x', "y");
    assert_eq!(found(made, &other), (4, "t".to_owned(), text("y"), text("x")));
    assert_eq!(found("id,t\n1,1.50\n2,2.50\n", "id,t\n1,1.50\n2,2.5\n").1, "t");
    let json = found("{\"a\":1}\n{\"a\":2}\n", "{\"a\":1}\n{\"a\":3}\n");
    assert_eq!(json, (2, "a".to_owned(), text("3"), text("2")));
    let nested = found("{\"a\":{\"b\":[1,2]}}\n", "{\"a\":{\"b\":[1,3]}}\n");
    assert_eq!(nested.1, "a");
}

#[test]
fn a_missing_or_surplus_row_is_a_difference() {
    let (one, two) = ("id,t\n1,x\n", "id,t\n1,x\n2,y\n");
    assert_eq!(found(one, two), (3, String::new(), Some("2".to_owned()), None));
    assert_eq!(found(two, one).2, None);
    assert_eq!(found("{\"a\":1}\n", "{\"a\":1}\n{\"a\":2}\n").3, None);
}

#[test]
fn rejects_and_skipped_lines_are_not_compared() {
    let good: String = (0..300).map(|n| format!("{n},x\n")).collect();
    let text = format!("Report\nid,t\n{good}1,\"open\n2,\"b\"\n3\n{good}\nid,t\nTotal: 9\n");
    let table = convert(&text);
    assert_eq!(table.converted.report.rejected, 2);
    assert_eq!(same(&table, &text), (601, 1202));
    let cr = text.replace("Report\n", "").replace('\n', "\r");
    assert_eq!(same(&convert(&cr), &cr).0, 601);
}

#[test]
fn what_cannot_be_proven_is_said() {
    let long = "id||t\n1||a\n2||b\n";
    assert!(matches!(convert(long).prove(&job(), long.as_bytes()), Proof::Impossible(_)));
    let mut declared = job();
    declared.format = Format { delimiter: Some("||".to_owned()), ..Format::default() };
    let table = convert_as(&declared, long);
    assert!(matches!(table.prove(&declared, long.as_bytes()), Proof::Impossible(_)));
}
