//! A proof compares every cell, and finds the one that is not the same. Every other test of this
//! folder proves what it converts, the rows of the table of hazards among them.

use landfall::config::{Escape, Format};
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
    let all: String = (1..32).filter(|byte| !matches!(byte, 9 | 10 | 13)).map(char::from).collect();
    // Far from the start, where it would tell binary data.
    let text = format!("id||t\n{}2||{all}\n", "1||a\n".repeat(100_000));
    let proof = convert(&text).prove(&job(), text.as_bytes());
    assert!(matches!(proof, Proof::Impossible(_)), "{proof:?}");
}

#[test]
fn files_of_one_column_are_proven_with_their_empty_lines() {
    for text in
        ["t\none\n\ntwo\n\"\"\n\"a\n\nb\"\n\n", "t\r\none\r\n\r\ntwo\r\n", "t\rone\r\rtwo\r"]
    {
        let table = convert(text);
        let (rows, cells) = same(&table, text);
        assert_eq!((rows, cells), (table.converted.report.written, rows), "{text:?}");
        for other in [text.replace("two", "twO"), text.replacen("one", "", 1)] {
            let proof = table.prove(&job(), other.as_bytes());
            assert!(matches!(proof, Proof::Different(_)), "{other:?}: {proof:?}");
        }
    }
}

#[test]
fn backslashes_are_proven_those_that_escape_and_those_that_do_not() {
    let mut declared = job();
    declared.format = Format { escape: Some(Escape::Backslash), ..Format::default() };
    let text = "id,t,u\n1,\"a \\\" b\",c:\\\n2,\"c\\\\\",\"d\\n \\\\\\\" e\"\n3,\\\\x,\"\"\"y\"\n";
    let table = convert_as(&declared, text);
    let proof = table.prove(&declared, text.as_bytes());
    assert_eq!(proof, Proof::Same { rows: 3, cells: 9 });
    for (from, to) in [("a \\\"", "a \\\\"), ("c:\\", "c:"), ("d\\n", "dn"), ("\\\\x", "\\x")] {
        let other = text.replacen(from, to, 1);
        assert_ne!(other, text);
        let proof = table.prove(&declared, other.as_bytes());
        assert!(!matches!(proof, Proof::Same { .. }), "{from}: {proof:?}");
    }
}

#[test]
fn delimiters_of_several_bytes_are_proven_too() {
    let plain = "id||t\n1||a\n2||b\n";
    assert_eq!(same(&convert(plain), plain), (2, 4));
    let long = "id||t\n1||a|b\n2||\"b||\n|c\"\n3||\n";
    let mut declared = job();
    declared.format = Format { delimiter: Some("¦;".to_owned()), ..Format::default() };
    let text = long.replace("||", "¦;");
    let proof = convert_as(&declared, &text).prove(&declared, text.as_bytes());
    assert_eq!(proof, Proof::Same { rows: 3, cells: 6 });
}

#[test]
fn what_a_contract_reads_is_proven_by_its_rules_and_its_texts() {
    let contract = "decimal = \",\"\ndate = \"%d.%m.%Y\"\nnull = [\"NA\"]\nmax_rejects = { count = 9, percent = 99 }\n\
        [column]\nid = \"int64\"\namount = \"decimal(9,2)\"\nday = \"date\"\n";
    let contract = landfall::config::contract::parse("contracts/f.toml", contract);
    let job = job().under(Some(&contract.unwrap()));
    let text =
        "id;amount;day\n1;2,50;31.01.2026\nx;1,00;\"31.01.\n2026\"\n02;3;NA\n3;2,5;01.02.2026\n";
    let table = convert_as(&job, text);
    assert_eq!(table.prove(&job, text.as_bytes()), Proof::Same { rows: 3, cells: 9 });
    let others = [
        ("2,50", "2,51", "amount"),
        ("31.01.2026\nx", "30.01.2026\nx", "day"),
        ("NA", "05.05.2026", "day"),
        ("\n3;", "\n4;", "id"),
    ];
    for (from, to, column) in others {
        match table.prove(&job, text.replace(from, to).as_bytes()) {
            Proof::Different(found) => assert_eq!(found.column, column, "{from}"),
            same @ (Proof::Same { .. } | Proof::Impossible(_)) => panic!("{from}: {same:?}"),
        }
    }
}
