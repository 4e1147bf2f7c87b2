//! A feed's types only widen, and its files always carry all its columns.

use landfall::diagnostic::Code;
use landfall::schema::{Change, LearnedSchema};

use super::support::{Table, convert, convert_as, feed, held_as, job, some};

fn told(drift: &[Change]) -> Vec<String> {
    drift.iter().map(ToString::to_string).collect()
}

fn next(known: &LearnedSchema, text: &str) -> Table {
    convert_as(&feed(&job(), known), text)
}

#[test]
fn monday_ints_tuesday_a_leading_zero_wednesday_ints() {
    let monday = convert("id,t\n1,x\n");
    assert_eq!((monday.converted.version, monday.converted.opens_version), (1, false));
    let known = monday.feed(None);
    let tuesday = next(&known, "id,t\n007,x\n");
    assert_eq!((tuesday.converted.version, tuesday.converted.opens_version), (2, true));
    assert_eq!(tuesday.texts("id"), some(&["007"]));
    let known = tuesday.feed(Some(&known));
    let wednesday = next(&known, "id,t\n8,x\n");
    assert_eq!((wednesday.converted.version, wednesday.converted.opens_version), (2, false));
    assert_eq!(wednesday.converted.learned, None);
    assert_eq!((wednesday.kinds()[0], wednesday.texts("id")), ("text", some(&["8"])));
    let why = &wednesday.converted.report.columns[0].why;
    assert_eq!(
        why,
        "the feed's type; this file alone would be int64: every value is a whole number"
    );
}

#[test]
fn a_narrower_file_is_written_in_the_feeds_type_and_prints_as_it_was() {
    let known = convert("id,price\n1,1.50\n").feed(None);
    for (text, values) in
        [("id,price\n1,7\n2,-3\n", ["7", "-3"]), ("id,price\n1,0.5\n2,9.0\n", ["0.5", "9.0"])]
    {
        let table = next(&known, text);
        assert_eq!((table.kinds()[1], table.converted.opens_version), ("decimal(18,2)", false));
        assert_eq!(table.texts("price"), some(&values));
    }
    let wider = next(&known, "id,price\n1,1.555\n");
    assert_eq!((wider.kinds()[1], wider.converted.version), ("decimal(38,3)", 2));
}

#[test]
fn every_file_carries_all_columns_of_its_feed() {
    let known = convert("a,b\n1,x\n").feed(None);
    let added = next(&known, "c,b,a\n2024-01-01,y,2\n");
    assert_eq!(added.names(), ["a", "b", "c"]);
    let expected = ["column `c` (date) was added", "the columns came in another order"];
    assert_eq!(told(&added.converted.drift), expected);
    assert_eq!((added.converted.version, added.converted.opens_version), (1, false));
    let known = added.feed(Some(&known));
    let missing = next(&known, "a\n3\n");
    assert_eq!((missing.names(), missing.texts("b")), (vec!["a", "b", "c"], vec![None]));
    assert_eq!(told(&missing.converted.drift), ["column `b` is missing", "column `c` is missing"]);
    assert_eq!(missing.kinds()[2], "date");
}

#[test]
fn all_null_takes_the_feeds_type() {
    let known = convert("id,n\n1,5\n").feed(None);
    let table = next(&known, "id,n\n1,\n2,\n");
    assert_eq!((table.kinds()[1], table.texts("n")), ("int64", vec![None, None]));
    assert_eq!(table.converted.learned, None);
}

#[test]
fn a_renamed_column_or_a_missing_header_is_held() {
    let known = convert("id,name,price\n1,x,1.5\n").feed(None);
    let held = |text: &str| held_as(&feed(&job(), &known), text).code;
    assert_eq!(held("id,title,price\n1,x,1.5\n"), Code::C110);
    assert_eq!(held("2,y,2.5\n3,z,3.5\n"), Code::C109);
    let one = convert("id\n1\n2\n").feed(None);
    assert_eq!(held_as(&feed(&job(), &one), "3\n4\n").code, Code::C109);
}

#[test]
fn a_feed_without_headers_stays_without() {
    let known = convert("1,a\n2,b\n").feed(None);
    let table = next(&known, "x,c\ny,d\n");
    assert_eq!((table.rows, table.texts("column_2")), (2, some(&["c", "d"])));
}

#[test]
fn the_feeds_columns_settle_the_delimiter() {
    let known = convert("a;b\n1;2\n").feed(None);
    let table = next(&known, "a;b\n1,1,1;2,2,2\n3,3,3;4,4,4\n");
    assert_eq!(table.texts("b"), some(&["2,2,2", "4,4,4"]));
}
