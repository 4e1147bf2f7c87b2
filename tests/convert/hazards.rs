//! What others do to data, one by one: here the exact text is always recoverable.

use super::support::{convert, convert_as, job, some};

/// One column of values under a header, after an id column that keeps blank lines apart.
fn column(values: &[&str]) -> super::support::Table {
    let lines: String = (1..).zip(values).map(|(n, value)| format!("{n},{value}\n")).collect();
    convert(format!("id,value\n{lines}"))
}

fn kept(values: &[&str], kind: &str) {
    let table = column(values);
    assert_eq!(table.texts("value"), some(values));
    assert_eq!(table.column("value").kind, kind, "{values:?}");
}

#[test]
fn leading_zeros_stay() {
    kept(&["00123", "00124"], "text");
}

#[test]
fn a_leading_zero_far_down_makes_text_and_every_int_prints_as_it_was() {
    let mut values: Vec<_> = (0..30_000).map(|n| n.to_string()).collect();
    values.push("007".to_owned());
    let values: Vec<_> = values.iter().map(String::as_str).collect();
    kept(&values, "text");
    let why = &column(&values).converted.report.columns[1].why;
    assert_eq!(why, "`007` on line 30002 is not a whole number");
}

#[test]
fn a_fraction_or_text_far_down_is_never_rounded_or_nulled() {
    for late in ["1.5", "n/a", "9999999999999999999999"] {
        let mut values: Vec<_> = (0..30_000).map(|n| n.to_string()).collect();
        values.push(late.to_owned());
        let values: Vec<_> = values.iter().map(String::as_str).collect();
        kept(&values, if late.starts_with('9') { "decimal(38,0)" } else { "text" });
    }
}

#[test]
fn decimals_keep_every_digit() {
    kept(&["1.10", "2.25"], "decimal(18,2)");
    kept(&["1.1", "1.10"], "text");
    kept(&["1", "1.5"], "text");
    kept(&["9999999999999.99", "0.01"], "decimal(18,2)");
    kept(&["0.12345678901234567890", "-1.00000000000000000001"], "decimal(38,20)");
    kept(&["1.5", "2.25", "-0.0"], "double");
}

#[test]
fn long_numbers_keep_every_digit() {
    kept(&["12345678901234567890"], "decimal(38,0)");
    kept(&["123456789012345678901234567890", "-1"], "decimal(38,0)");
    kept(&["9223372036854775807", "-9223372036854775808"], "int64");
    let digits = "1".repeat(39);
    kept(&[&digits], "text");
}

#[test]
fn ambiguous_dates_are_text() {
    kept(&["01/02/2024", "03/04/2026"], "text");
    kept(&["2024-01-02", "2026-03-04"], "date");
    kept(&["2024-02-30"], "text");
}

#[test]
fn words_for_nothing_are_words() {
    kept(&["NA", "null", "NULL", "N/A", "None"], "text");
    kept(&["1", "NA"], "text");
}

#[test]
fn blanks_around_values_stay() {
    kept(&[" 12", "13 ", "  "], "text");
    kept(&[" a", "b  ", "\t"], "text");
}

#[test]
fn a_quoted_empty_is_not_nothing() {
    let table = convert("id,name\n1,\n2,\"\"\n3,x\n");
    assert_eq!(table.texts("name"), [None, Some(String::new()), Some("x".to_owned())]);
    let typed = convert("id,n\n1,\"\"\n2,5\n");
    assert_eq!(typed.texts("n"), [None, Some("5".to_owned())]);
    assert_eq!(typed.column("n").kind, "int64");
    let mixed = convert("id,n\n1,\"\"\n2,\n3,5\n");
    assert_eq!(mixed.texts("n"), [Some(String::new()), None, Some("5".to_owned())]);
    assert_eq!(mixed.column("n").kind, "text");
}

#[test]
fn only_true_and_false_are_bools() {
    kept(&["yes", "no"], "text");
    kept(&["t", "f"], "text");
    kept(&["TRUE", "FALSE"], "bool");
    kept(&["true", "FALSE"], "text");
    kept(&["0", "1"], "int64");
}

#[test]
fn exponents_that_are_ids_stay() {
    kept(&["1e5", "12E3"], "text");
    kept(&["1E5"], "text");
}

#[test]
fn signs_stay() {
    kept(&["+4915112345"], "text");
    kept(&["-0"], "text");
    kept(&["-7", "7"], "int64");
}

#[test]
fn timestamps_keep_their_offset_and_digits() {
    kept(&["2024-01-01T12:00:00+02:00", "2024-01-02T00:30:00+02:00"], "timestamp in UTC");
    kept(&["2024-01-01T12:00:00+02:00", "2024-01-01T12:00:00+01:00"], "text");
    kept(&["2024-01-01 12:00:00.123456"], "timestamp");
    kept(&["2024-01-01 12:00:00.123456789"], "text");
    kept(&["2024-01-01T24:00:00"], "text");
    kept(&["24:00", "07:30"], "text");
}

#[test]
fn hexadecimal_is_text() {
    kept(&["0x1F"], "text");
}

#[test]
fn one_short_or_long_row_costs_itself_and_not_the_file() {
    let mut text = "a,b,c\n".to_owned();
    for n in 0..500 {
        text.push_str(if n == 250 { "1,2\n" } else { "1,2,3\n" });
        text.push_str(if n == 400 { "1,2,3,4\n" } else { "4,5,6\n" });
    }
    let table = convert(text);
    assert_eq!((table.columns.len(), table.rows), (3, 998));
    let code = || "C103".to_owned();
    let expected = [(502, code(), "1,2".to_owned()), (803, code(), "1,2,3,4".to_owned())];
    assert_eq!(table.rejects(), expected);
}

#[test]
fn a_line_that_starts_with_a_hash_is_a_record() {
    let table = convert("id,name\n#1,x\n2,#y\n");
    assert_eq!(table.texts("id"), some(&["#1", "2"]));
}

#[test]
fn a_stray_quote_is_data() {
    let table = convert("size,thing\n5\" pipe,1\n6,x \"y\"\n");
    assert_eq!(table.texts("size"), some(&["5\" pipe", "6"]));
    assert_eq!(table.texts("thing"), some(&["1", "x \"y\""]));
    let note =
        "2 records have quotes inside unquoted fields, kept as they are; the first is on line 2";
    assert!(table.converted.report.notes.contains(&note.to_owned()));
}

#[test]
fn other_encodings_are_decoded_exactly() {
    let table = convert(b"id,name\n1,Jos\xe9 Mu\xf1oz\n2,M\xfcller \x80 5\n");
    assert_eq!(table.texts("name"), some(&["José Muñoz", "Müller € 5"]));
    let utf16: Vec<u8> =
        "\u{feff}id,name\n1,Müller €\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
    assert_eq!(convert(utf16).texts("name"), some(&["Müller €"]));
}

#[test]
fn delimiters_are_found() {
    for delimiter in [";", "|", "\t", ",", "^", "\u{1}"] {
        let text = "id,name,price\n1,Ann,1.50\n2,Bob,2.50\n".replace(',', delimiter);
        let table = convert(text);
        assert_eq!(table.names(), ["id", "name", "price"], "{delimiter:?}");
        assert_eq!(table.kinds(), ["int64", "text", "decimal(18,2)"]);
    }
    let comma = convert("a;b\n1,5;2,5\n3,5;4,5\n");
    assert_eq!(comma.texts("a"), some(&["1,5", "3,5"]));
}

#[test]
fn a_preamble_line_is_left_out_and_told() {
    let table = convert("Report of 2024\nid,name\n1,Ann\n2,Bob\n3,Cid\n4,Dan\n");
    assert_eq!(table.names(), ["id", "name"]);
    assert_eq!(table.texts("id"), some(&["1", "2", "3", "4"]));
    assert_eq!(table.converted.report.skips, [("preamble".to_owned(), 1)]);
    let note = "before the header, left out: Report of 2024".to_owned();
    assert!(table.converted.report.notes.contains(&note));
}

#[test]
fn without_a_header_the_first_row_is_kept() {
    let table = convert("1,Ann,1.5\n2,Bob,2.5\n");
    assert_eq!(table.names(), ["column_1", "column_2", "column_3"]);
    assert_eq!(table.texts("column_1"), some(&["1", "2"]));
}

#[test]
fn records_may_end_in_cr() {
    let table = convert("id,name\r1,Ann\r2,Bob\r");
    assert_eq!(table.texts("name"), some(&["Ann", "Bob"]));
    assert_eq!(table.dialect("record end"), "CR");
}

#[test]
fn backslash_escapes_are_found() {
    let table = convert(
        r#"id,says
1,"he said \"hi\", twice"
2,"C:\dir\"
3,"plain"
"#
        .replace(r#"dir\""#, r#"dir""#),
    );
    let expected = [r#"he said "hi", twice"#, r"C:\dir", "plain"];
    assert_eq!(table.texts("says"), some(&expected));
    assert_eq!(table.dialect("escape"), "backslash");
}

#[test]
fn equal_header_names_become_different() {
    let table = convert("id,ID,,_lf_line\n1,2,3,4\n");
    assert_eq!(table.names(), ["id", "ID_2", "column_3", "__lf_line"]);
}

#[test]
fn a_large_field_is_a_field() {
    let large = "x".repeat(3 << 20);
    let table = convert(format!("id,blob\n1,\"{large}\"\n2,y\n"));
    assert_eq!(table.texts("blob"), some(&[&large, "y"]));
}

#[test]
fn line_breaks_and_quotes_inside_quotes_stay() {
    let table = convert_as(&job(), "id,t\r\n1,\"a\r\nb\n\"\"c\"\"\"\r\n2,d\r\n");
    assert_eq!(table.texts("t"), some(&["a\r\nb\n\"c\"", "d"]));
}
