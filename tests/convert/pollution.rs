//! Polluted files: the good records come out, the bad ones are rejects with their line, the rest is
//! told; nothing crashes and nothing is merged or dropped in silence.

use landfall::config::{Escape, FixedColumn, Format, RecordEnd, ShortLines};
use landfall::diagnostic::Code;

use super::support::{Table, convert, convert_as, held, held_as, job, some};

/// Three hundred good records `n,t<n>,n.5` from `from` on.
fn good(from: usize) -> String {
    (from..from + 300).map(|n| format!("{n},t{n},{n}.5\n")).collect()
}

/// A header, good records with `bad` on line 102, more good records.
fn with(bad: &str) -> Table {
    let text = format!("id,text,price\n{}{bad}{}", lines(&good(0), 100), good(1000));
    let table = convert(&text);
    assert!((400..=401).contains(&table.rows), "{bad:?}: {}", table.rows);
    assert_eq!(table.column("id").kind, "int64", "{bad:?}");
    assert_eq!(table.column("price").kind, "decimal(18,1)", "{bad:?}");
    table
}

fn lines(text: &str, count: usize) -> String {
    text.split_inclusive('\n').take(count).collect()
}

fn rejected(bad: &str, code: &str) {
    let raw = bad.trim_end().to_owned();
    assert_eq!(with(bad).rejects(), [(102, code.to_owned(), raw)], "{bad:?}");
}

fn notes(table: &Table, part: &str) {
    let notes = &table.converted.report.notes;
    assert!(notes.iter().any(|note| note.contains(part)), "{part}: {notes:?}");
}

fn skipped(table: &Table, code: &str) -> u64 {
    let skips = &table.converted.report.skips;
    skips.iter().find(|(known, _)| known == code).map_or(0, |(_, count)| *count)
}

fn formatted(format: Format, text: &str) -> Table {
    let mut job = job();
    job.format = format;
    convert_as(&job, text)
}

#[test]
fn missing_and_extra_separators() {
    rejected("1,x\n", "C103");
    rejected("1,x,2.5,\n", "C103");
    rejected("1;x;2.5\n", "C103");
    rejected("x\n", "C103");
    rejected(",,,,\n", "C103");
}

#[test]
fn wrong_quotes() {
    rejected("1,\"5\" pipe\",2.5\n", "C113");
    let open = with("1,\"open,2.5\n1,\"x\",2.5\n");
    assert_eq!(open.rejects(), [(102, "C113".to_owned(), "1,\"open,2.5".to_owned())]);
    // Nobody can tell what a quote that is never closed holds.
    let endless = held(format!("id,text,price\n{}1,\"open,2.5\n{}", good(0), good(300)));
    assert_eq!((endless.code, endless.facts[0].1.as_str()), (Code::C104, "302"));
    let stray = with("1,5\" pipe,2.5\n1,x\n");
    assert_eq!(stray.rejects(), [(103, "C103".to_owned(), "1,x".to_owned())]);
}

#[test]
fn blank_and_empty_rows() {
    let blank = with("\n\r\n\n");
    assert_eq!((skipped(&blank, "blank"), blank.converted.report.rejected), (3, 0));
    let table = convert("id,text,price\n1,a,2.5\n,,\n2,b,3.5\n");
    assert_eq!(table.texts("text"), [Some("a".to_owned()), None, Some("b".to_owned())]);
    assert_eq!(table.column("id").kind, "int64");
}

#[test]
fn mixed_record_ends() {
    let table = convert("id,t\r\n1,a\n2,b\r\n3,c\n4,\"d\r\ne\"\r\n");
    assert_eq!(table.texts("t"), some(&["a", "b", "c", "d\r\ne"]));
    let any = Format { record_end: Some(RecordEnd::Any), ..Format::default() };
    let table = formatted(any, "id,t\r\n1,a\r2,b\n3,c\r");
    assert_eq!(table.texts("t"), some(&["a", "b", "c"]));
    let lf = Format { record_end: Some(RecordEnd::Lf), ..Format::default() };
    let table = formatted(lf, "id,t\n1,a\rb\r\rc\n");
    assert_eq!(table.texts("t"), some(&["a\rb\r\rc"]));
}

#[test]
fn delimiters_of_several_characters_are_found_and_obeyed() {
    for delimiter in ["||", "|;|", "::", "¦", "§"] {
        let text = "id,name,price\n1,Ann,1.50\n2,Bob,2.50\n".replace(',', delimiter);
        let table = convert(&text);
        assert_eq!(table.names(), ["id", "name", "price"], "{delimiter}");
        assert_eq!(table.kinds(), ["int64", "text", "decimal(18,2)"]);
        assert_eq!(table.dialect("delimiter"), delimiter);
        let declared = Format { delimiter: Some(delimiter.to_owned()), ..Format::default() };
        assert_eq!(formatted(declared, &text).names(), ["id", "name", "price"]);
    }
    let odd = Format { delimiter: Some("<->".to_owned()), ..Format::default() };
    let table = formatted(odd, "id<->t\n1<->a<b-\n2<->\"x<->y\"\n");
    assert_eq!(table.texts("t"), some(&["a<b-", "x<->y"]));
    // Empty fields between single ones are not a delimiter of two.
    let pipes = convert("id|x|name\n1||Ann\n2||Bob\n");
    assert_eq!(pipes.names(), ["id", "x", "name"]);
}

#[test]
fn a_declared_escape_is_obeyed() {
    let backslash = Format { escape: Some(Escape::Backslash), ..Format::default() };
    let table = formatted(backslash, "id,t\n1,\"a \\\"b\\\"\"\n");
    assert_eq!(table.texts("t"), some(&["a \"b\""]));
    let doubled = Format { escape: Some(Escape::Doubled), ..Format::default() };
    let table = formatted(doubled, "id,t\n1,\"C:\\dir\\\"\n2,\"x\"\n");
    assert_eq!(table.texts("t"), some(&["C:\\dir\\", "x"]));
}

#[test]
fn a_preamble_is_skipped_and_kept_in_the_report() {
    let declared = Format { preamble: Some(3), ..Format::default() };
    let text = "Report;of \"today\n\nby,us\nid,name\n1,Ann\n";
    let table = formatted(declared, text);
    assert_eq!((table.names(), table.rows), (vec!["id", "name"], 1));
    assert_eq!((skipped(&table, "preamble"), skipped(&table, "blank")), (2, 1));
    notes(&table, "before the header, left out: by,us");
    let found = convert("Report of today\nid,name,n\n1,Ann,2\n2,Bob,3\n3,Cid,4\n4,Dan,5\n");
    assert_eq!((found.rows, skipped(&found, "preamble")), (4, 1));
}

#[test]
fn a_plain_footer_is_skipped_and_an_unclear_one_is_a_reject() {
    for footer in ["Total: 300", "-----\nEOF", "(300 rows)", "# end of file"] {
        let table = convert(format!("id,text,price\n{}{footer}\n", good(0)));
        let lines = footer.lines().count() as u64;
        assert_eq!((table.rows, skipped(&table, "footer")), (300, lines), "{footer}");
        assert_eq!(table.converted.report.rejected, 0);
        notes(&table, "after the table, left out");
    }
    let unclear = convert(format!("id,text,price\n{}12\n", good(0)));
    assert_eq!(unclear.rejects(), [(302, "C103".to_owned(), "12".to_owned())]);
    // Within the table it is no footer.
    rejected("Total: 3\n", "C103");
}

#[test]
fn a_declared_footer_is_skipped() {
    let declared = Format { footer: Some(2), ..Format::default() };
    let table = formatted(declared, "id,name\n1,Ann\n2,Bob\n99,all\nover\n");
    assert_eq!((table.texts("id"), skipped(&table, "footer")), (some(&["1", "2"]), 2));
    notes(&table, "after the table, left out: 99,all");
}

#[test]
fn comments_are_data_unless_the_feed_declares_them() {
    let text = "id,name\n# a, \"b\n1,Ann\n#2,Bob\n";
    let declared = Format { comment: Some('#'), ..Format::default() };
    let table = formatted(declared, text);
    assert_eq!((table.texts("name"), skipped(&table, "comment")), (some(&["Ann"]), 2));
    notes(&table, "a comment, left out: #2,Bob");
    let data = convert("id,name\n#1,Ann\n2,Bob\n");
    assert_eq!(data.texts("id"), some(&["#1", "2"]));
}

#[test]
fn a_repeated_header_is_skipped() {
    let table = with("id,text,price\n");
    assert_eq!(skipped(&table, "repeated_header"), 1);
    notes(&table, "the header is repeated 1 times, first on line 102");
}

#[test]
fn several_tables_are_never_merged() {
    let same_width = format!("id,text,price\n{}\ncode,name,rate\n7,x,2.5\n", good(0));
    let told = held(same_width);
    assert_eq!((told.code, told.facts[0].1.as_str()), (Code::C149, "303"));
    let other_width = format!("id,text,price\n{}\ncity,zip\nParis,75001\n", lines(&good(0), 20));
    assert_eq!(held(other_width).code, Code::C149);
    let small = convert(format!("id,text,price\n{}\ncity,zip\nParis,7\n", good(0)));
    assert_eq!(small.converted.report.rejected, 2);
    notes(&small, "line 303 looks like the header of another table");
}

#[test]
fn nul_bytes_are_characters() {
    let table = with("1,a\0b,2.5\n1,x\n");
    assert_eq!(table.rejects(), [(103, "C103".to_owned(), "1,x".to_owned())]);
    assert_eq!(table.texts("text")[100].as_deref(), Some("a\0b"));
}

#[test]
fn damaged_utf8_costs_its_record() {
    let umlauts: String = (0..300).map(|n| format!("{n},Müller,{n}.5\n")).collect();
    let begin = format!("id,text,price\n{umlauts}");
    let text = [begin.as_bytes(), b"1,\xff\xfe,2.5\n2,K\xc3,3.5\n", umlauts.as_bytes()].concat();
    let table = convert(&text);
    assert_eq!((table.rows, table.column("price").kind.as_str()), (600, "decimal(18,1)"));
    let raw = |line, raw: &str| (line, "C102".to_owned(), raw.to_owned());
    assert_eq!(table.rejects(), [raw(302, "1,\\xFF\\xFE,2.5"), raw(303, "2,K\\xC3,3.5")]);
    let first = begin.len() as i64;
    assert_eq!(table.offsets(), [first, first + 9]);
    let many =
        held([b"id,name\n1,M\xc3\xbcller\n2,K\xc3\xb6ln\n3,".as_slice(), b"\xff\n"].concat());
    assert_eq!(many.code, Code::C102);
    let header = [b"id,n\xff\n".as_slice(), umlauts.as_bytes()].concat();
    assert_eq!(held(header).code, Code::C102);
}

#[test]
fn many_columns_have_their_rejects_too() {
    let names: Vec<_> = (0..16_000).map(|n| format!("c{n}")).collect();
    let row = vec!["1"; 16_000].join(",");
    let rows = format!("{row}\n").repeat(100);
    let text = format!("{}\n{rows}1,2\n{row}\n", names.join(","));
    let table = convert(text);
    assert_eq!((table.columns.len(), table.rows), (16_000, 101));
    assert_eq!(table.rejects(), [(102, "C103".to_owned(), "1,2".to_owned())]);
}

#[test]
fn what_the_feed_declares_is_refused_where_it_does_not_fit() {
    let mut job = job();
    job.format = Format { preamble: Some(9), ..Format::default() };
    assert_eq!(held_as(&job, "id\n1\n").code, Code::C101);
}

fn fixed(columns: &[(&str, u32)]) -> Format {
    let column =
        |(name, width): &(&str, u32)| FixedColumn { name: (*name).to_owned(), width: *width };
    Format { fixed: Some(columns.iter().map(column).collect()), ..Format::default() }
}

#[test]
fn a_fixed_width_text_is_read_by_its_widths() {
    let format = fixed(&[("id", 6), ("name", 8), ("amount", 7), ("day", 8)]);
    let lines = "000001Müller    10.5020260131\r\n    42Ann  B   -0.05        \r\n     7              . \n\n";
    let text = format!("ID    NAME    AMOUNT DAY\n{}9\n{lines}TRAILER 3\n", lines.repeat(200));
    let table = formatted(Format { preamble: Some(1), footer: Some(1), ..format }, &text);
    assert_eq!(table.names()[..4], ["id", "name", "amount", "day"]);
    assert_eq!(table.kinds(), ["text", "text", "text", "int64"], "007 and 42 are not alike");
    assert_eq!(table.texts("id")[..3], some(&["000001", "42", "7"]));
    assert_eq!(table.texts("name")[..3], [Some("Müller".into()), Some("Ann  B".into()), None]);
    assert_eq!(table.texts("amount")[..3], some(&["10.50", "-0.05", "."]));
    assert_eq!(table.texts("day")[..2], [Some("20260131".to_owned()), None]);
    assert_eq!(table.dialect("widths"), "id:6 name:8 amount:7 day:8");
    assert_eq!((table.rows, table.converted.report.rejected), (603, 1));
    assert_eq!((skipped(&table, "blank"), skipped(&table, "footer")), (201, 1));
    let reject = &table.converted.report.first_rejects[0];
    assert_eq!((reject.line, reject.raw.as_str()), (802, "9"));
    assert_eq!(reject.reason, "it has 1 characters, its columns take 29");
}

#[test]
fn a_contract_reads_fixed_width_text_of_any_encoding() {
    let contract = "[column]\nid = \"int64\"\nname = \"text\"\namount = \"decimal(9,2)\"\n\
        [column.day]\ntype = \"date\"\nformat = \"%Y%m%d\"\n";
    let contract = landfall::config::contract::parse("contracts/f.toml", contract);
    let mut job = job().under(Some(&contract.unwrap()));
    job.format = fixed(&[("id", 6), ("name", 8), ("amount", 7), ("day", 8)]);
    job.format.encoding = Some("windows-1252".to_owned());
    let text = "000001Müller    10.5020260131\n    42Ann  B   -0.05\n";
    let bytes = encoding_rs::WINDOWS_1252.encode(text).0.into_owned();
    assert_eq!(
        held_as(&job, &bytes).code,
        Code::C103,
        "the second line ends before its last column"
    );
    job.format.short_lines = Some(ShortLines::Pad);
    let table = convert_as(&job, &bytes);
    assert_eq!(table.kinds(), ["int64", "text", "decimal(9,2)", "date"]);
    assert_eq!(table.texts("name"), some(&["Müller", "Ann  B"]));
    assert_eq!(table.texts("day"), [Some("20260131".to_owned()), None]);
}
