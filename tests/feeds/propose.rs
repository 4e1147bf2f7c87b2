//! `feed propose`: what it writes passes `check`, and takes the files that it was made from.

use std::fs;

use insta::assert_snapshot;

use crate::support::{self, TestZone};
use crate::workbook::{Cell, Workbook};
use crate::{json, plain, send_all, told, write_contract};

/// Rows of a German shop: ids, money with a comma, days with dots, words, nothing.
fn shop(first: u32, rows: u32) -> String {
    let mut text = "nr;kunde;betrag;faellig;bezahlt;rabatt\n".to_owned();
    for n in first..first + rows {
        let paid = if n.is_multiple_of(3) { "N" } else { "J" };
        let discount = if n.is_multiple_of(4) { "NA" } else { "0,5" };
        let row = format!(
            "{n};00{};1.{:03},50;{:02}.11.2026;{paid};{discount}\n",
            n % 7,
            n % 1000,
            n % 28 + 1
        );
        text.push_str(&row);
    }
    text
}

#[test]
fn a_proposal_passes_check_and_takes_its_files() {
    let zone = TestZone::new("[feed.orders]\nmatch = ['*.csv']\n");
    let server = zone.serve();
    let (first, second) = (shop(1, 40), shop(41, 30));
    send_all(&zone, &[("a.csv", &first), ("b.csv", &second)]);
    let (code, text, stderr) = told(&zone.run(&["feed", "propose", "orders"]));
    assert_eq!((code, stderr.as_str()), (0, ""));
    let days = text.split_once(" received ").and_then(|(_, rest)| rest.split_once(','));
    let (today, _) = days.expect("days");
    assert_snapshot!(text.replace(today, "<when>"), @r#"
    # A contract for orders, proposed by landfall 0.1.0.
    # Made from 2 files received <when>, the newest that were taken: 70 records, every
    # value of them, read again from the archive. What never came is not in it.
    # Each of the 2 files would be taken under it.
    # A file had 30 to 40 records: rows = { min = 30, max = 40 } would hold others.

    # 70 values, none null
    # no value occurs twice in a file
    [column.nr]
    type = "int64"
    required = true
    unique = true

    # 70 values, none null
    [column.kunde]
    type = "text"
    required = true

    # 70 values, none null
    # published as text so far: this type opens the dataset's next version
    [column.betrag]
    type = "decimal(18,2)"
    decimal = ","
    thousands = "."
    required = true

    # 70 values, none null
    # published as text so far: this type opens the dataset's next version
    [column.faellig]
    type = "date"
    format = "%d.%m.%Y"
    required = true

    # 70 values, none null
    # published as text so far: this type opens the dataset's next version
    [column.bezahlt]
    type = "bool"
    yes = ["J"]
    no = ["N"]
    required = true

    # 70 values, none null
    # published as text so far: this type opens the dataset's next version
    [column.rabatt]
    type = "decimal(18,1)"
    decimal = ","
    null = ["NA"]
    "#);

    let (code, ..) = told(&zone.run(&["feed", "propose", "orders", "--write"]));
    assert_eq!(code, 0);
    assert_eq!(fs::read_to_string(zone.path().join("contracts/orders.toml")).unwrap(), text);
    assert!(zone.run(&["check"]).status.success());
    assert!(zone.run(&["reload"]).status.success());
    for (name, content) in [("c.csv", &first), ("d.csv", &second)] {
        let file = zone.path().join(name);
        fs::write(&file, content).expect("written");
        let checked = &json(&zone.run(&["feed", "check", plain(&file), "--json"]))[0];
        assert_eq!(checked["verdict"], "accepted", "{checked}");
    }
    send_all(&zone, &[("e.csv", &shop(100, 20))]);
    let types = zone.duckdb(
        "select distinct typeof(nr), typeof(kunde), typeof(betrag), typeof(faellig), \
         typeof(bezahlt), typeof(rabatt) from read_parquet('{zone}/lake/orders/v2/*/*.parquet')",
    );
    assert_eq!(types, "BIGINT|VARCHAR|DECIMAL(18,2)|DATE|BOOLEAN|DECIMAL(18,1)");
    // A file that breaks what was found is held.
    let file = zone.path().join("f.csv");
    fs::write(&file, first.replace("\n7;", "\n8;")).expect("written");
    let (code, _, stderr) = told(&zone.run(&["feed", "check", plain(&file)]));
    assert!(code == 3 && stderr.contains("C125"), "{stderr}");
    // And there is a contract now, which is not replaced.
    let (code, _, stderr) = told(&zone.run(&["feed", "propose", "orders", "--write"]));
    assert!(code == 1 && stderr.contains("was not written"), "{stderr}");
    server.stop();
    // What is proposed where there is a contract are the same columns.
    let (_, again, _) = told(&zone.run(&["feed", "propose", "orders"]));
    let rules = |text: &str| -> Vec<String> {
        text.lines().filter(|line| !line.starts_with('#')).map(str::to_owned).collect()
    };
    assert_eq!(rules(&again), rules(&text));
    assert!(again.contains("# The contract in force is "), "{again}");
}

#[test]
fn what_nobody_may_guess_is_left_to_a_person() {
    let zone = TestZone::new("[feed.orders]\n");
    let server = zone.serve();
    send_all(
        &zone,
        &[
            ("a.csv", "day;sum;tel\n01/02/2026;1,234;+4930123\n05/06/2026;5,678;+4930124\n"),
            ("b.csv", "day;sum;tel;city\n03/04/2026;9,012;+4930125;Rome\n"),
        ],
    );
    server.stop();
    let (code, text, stderr) = told(&zone.run(&["feed", "propose", "orders"]));
    assert_eq!((code, stderr.as_str()), (0, ""), "{text}");
    for expected in [
        "mode.columns = \"evolve\"\n",
        "# all values fit %d/%m/%Y as well as %m/%d/%Y: declare which\n[column.day]\ntype = \"text\"\n",
        "`1,234`, which may be thousands or not",
        "[column.sum]\ntype = \"text\"\n",
        "[column.tel]\ntype = \"text\"\n",
        "# in 1 of 2 files; 1 value, none null\n[column.city]\ntype = \"text\"\n\n",
    ] {
        assert!(format!("{text}\n").contains(expected), "{expected}\n---\n{text}");
    }
    assert!(!text.contains("unique = true"), "three records have no keys:\n{text}");
}

#[test]
fn a_key_is_made_of_names_not_of_sentences_or_money() {
    let zone = TestZone::new("[feed.orders]\n");
    let server = zone.serve();
    let lines: String =
        (0..40).map(|n| format!("a remark {n},{n}.25,{},{}\n", n / 4, n % 4)).collect();
    send_all(&zone, &[("a.csv", &format!("remark,sum,order,line\n{lines}"))]);
    server.stop();
    let (code, text, _) = told(&zone.run(&["feed", "propose", "orders"]));
    assert!(code == 0 && text.contains("\nunique = [[\"order\", \"line\"]]\n"), "{text}");
    assert!(!text.contains("unique = true"), "{text}");
}

#[test]
fn files_with_rejects_and_cells_of_two_kinds_are_still_taken() {
    let zone = TestZone::new("[feed.orders]\n[feed.books]\n");
    let server = zone.serve();
    let mut rows: String = (0..300).map(|n| format!("{n},x{n},{}\n", n % 9)).collect();
    rows.push_str("300,cut off\n");
    send_all(&zone, &[("a.csv", &format!("id,name,n\n{rows}"))]);
    let (code, text, _) = told(&zone.run(&["feed", "propose", "orders"]));
    assert!(code == 0 && text.contains("max_rejects = 1\n"), "{text}");
    assert!(text.contains("no value occurs twice in a file here either"), "{text}");
    let day = Cell::Formatted("46053", 1);
    let rows: [&[Cell<'_>]; 3] = [
        &[Cell::Text("day"), Cell::Text("n"), Cell::Text("sum")],
        &[day, Cell::Number("7"), Cell::Number("1.5")],
        &[Cell::Text("31.01.2026"), Cell::Text("8"), Cell::Text("2,5")],
    ];
    let book = zone.path().join("book.xlsx");
    fs::write(&book, Workbook::new().format("yyyy-mm-dd").sheet("s", &rows).bytes()).unwrap();
    assert!(zone.run(&["send", plain(&book), "--feed", "books"]).status.success());
    zone.wait_for_ends(2);
    let (code, text, stderr) = told(&zone.run(&["feed", "propose", "books"]));
    assert_eq!((code, stderr.as_str()), (0, ""), "{text}");
    assert!(text.contains("[column.n]\ntype = \"int64\"\n"), "{text}");
    server.stop();
}

#[test]
fn files_that_a_proposal_does_not_take_are_named() {
    let zone = TestZone::new("[feed.orders]\n");
    let server = zone.serve();
    let made = zone.path().join("t.parquet");
    let copy = format!("copy (select 1::bigint as id) to '{}'", plain(&made));
    support::python("import duckdb, sys; duckdb.sql(sys.argv[1])", &[&copy]);
    assert!(zone.run(&["send", plain(&made), "--feed", "orders"]).status.success());
    zone.wait_for_ends(1);
    server.stop();
    let (code, text, stderr) = told(&zone.run(&["feed", "propose", "orders"]));
    assert!(code == 3 && text.contains("# The file would not be taken under it.\n"), "{text}");
    assert!(stderr.starts_with("t.parquet, ") && stderr.contains("this is Parquet"), "{stderr}");
}

#[test]
fn there_must_be_something_to_propose_from() {
    let zone = TestZone::new("[feed.orders]\n");
    let (code, _, stderr) = told(&zone.run(&["feed", "propose", "orders"]));
    assert!(code == 4 && stderr.contains("H132"), "{stderr}");
    let server = zone.serve();
    send_all(&zone, &[("a.pdf", "%PDF-1.4\n")]);
    server.stop();
    let (code, _, stderr) = told(&zone.run(&["feed", "propose", "orders"]));
    assert!(code == 4 && stderr.contains("H132"), "{stderr}");
    assert_eq!(zone.run(&["feed", "propose", "nobody"]).status.code(), Some(4));
    write_contract(&zone, "[column]\n");
    assert_eq!(zone.run(&["feed", "propose", "orders"]).status.code(), Some(78));
}
