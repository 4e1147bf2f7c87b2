//! A contract says how values are read and what is left out.

use landfall::config;
use landfall::convert::infer::Printer;
use landfall::convert::{self, Job};
use landfall::diagnostic::Code;
use landfall::names::FileName;
use landfall::schema::{Change, ColumnType, LearnedSchema};

use super::support::{Table, convert, convert_as, feed, file, held_as, job, some};

fn under(contract: &str) -> Job {
    let contract = config::contract::parse("contracts/f.toml", contract);
    job().under(Some(&contract.expect("a contract")))
}

const GERMAN: &str = r#"
decimal = ","
thousands = "."
date = "%d.%m.%Y"
null = ["NA"]
max_rejects = { count = 100, percent = 99 }

[column]
id = "int64"
amount = "decimal(10,2)"
day = "date"

[column.paid]
type = "bool"
yes = ["J"]
no = ["N"]

[column.at]
type = "timestamp"
format = "%d.%m.%Y %H:%M"

[column.note]
type = "text"
aliases = ["Bemerkung"]
"#;

fn german(rows: &str) -> Table {
    convert_as(&under(GERMAN), format!("id;amount;day;paid;at;note\n{rows}"))
}

#[test]
fn values_are_read_as_declared_and_print_back() {
    let table = german(
        "1;1.234,50;31.01.2026;J;31.01.2026 10:05;x\n2;-0,05;01.02.2026;N;01.02.2026 23:59;NA\n\
         NA;;NA;;;\"\"\n",
    );
    let kinds = ["int64", "decimal(10,2)", "date", "bool", "timestamp", "text"];
    assert_eq!(table.kinds(), kinds);
    let texts = |name: &str, values: [Option<&str>; 3]| {
        assert_eq!(table.texts(name), values.map(|value| value.map(str::to_owned)), "{name}");
    };
    texts("id", [Some("1"), Some("2"), None]);
    texts("amount", [Some("1.234,50"), Some("-0,05"), None]);
    texts("day", [Some("31.01.2026"), Some("01.02.2026"), None]);
    texts("paid", [Some("J"), Some("N"), None]);
    texts("at", [Some("31.01.2026 10:05"), Some("01.02.2026 23:59"), None]);
    texts("note", [Some("x"), None, Some("")]);
    let day = table.column("day").first_array();
    assert_eq!(Printer::Date.print(&day, 0).as_deref(), Some("2026-01-31"), "a real date");
    let amount = table.column("amount").first_array();
    let units = Printer::Decimal { scale: 2 };
    assert_eq!(units.print(&amount, 0).as_deref(), Some("1234.50"), "exact, with two digits");
    assert_eq!(table.metadata("landfall.contract.sha256").len(), 64);
    assert_eq!(
        table.converted.report.contract.unwrap().to_string(),
        table.metadata("landfall.contract.sha256")
    );
}

#[test]
fn where_no_printer_gives_the_texts_back_the_column_says_so() {
    let table = german(
        "1;1.000,5;31.01.2026;J;31.01.2026 10:05;x\n02;1000;31.01.2026;J;31.01.2026 10:05;x\n",
    );
    assert_eq!(table.column("amount").printer, Printer::Source);
    assert_eq!(table.column("id").printer, Printer::Source);
    let id = table.column("id").first_array();
    assert_eq!(Printer::Integer.print(&id, 1).as_deref(), Some("2"));
    let why = &table.converted.report.columns[0].why;
    assert_eq!(why, "the contract; the exact texts are in the raw file only");
    assert_eq!(table.texts("day"), some(&["31.01.2026", "31.01.2026"]));
}

#[test]
fn what_does_not_fit_is_a_reject_with_its_place_and_reason() {
    let good = "1;1,00;31.01.2026;J;31.01.2026 10:05;x\n".repeat(3);
    let table = german(&format!(
        "{good}x1;1,00;31.01.2026;J;31.01.2026 10:05;\"two\nlines\"\n2;1.5;2026-01-31;J;31.01.2026 10:05;x\n3;1,00\n"
    ));
    assert_eq!((table.rows, table.converted.report.rejected), (3, 3));
    let rejects = table.rejects();
    let found: Vec<_> = rejects.iter().map(|(line, code, _)| (*line, code.as_str())).collect();
    assert_eq!(found, [(5, "C120"), (7, "C120"), (8, "C103")]);
    assert_eq!(rejects[0].2, "x1;1,00;31.01.2026;J;31.01.2026 10:05;\"two\nlines\"");
    let told = &table.converted.report.first_rejects;
    assert_eq!(told[0].reason, "`id`: `x1` is not int64");
    assert_eq!((told[0].record, told[0].line, told[0].column.as_deref()), (4, 5, Some("id")));
    assert_eq!(
        told[1].reason,
        "`amount`: `1.5` is not decimal(10,2) with a decimal comma; `day`: `2026-01-31` is not a date `%d.%m.%Y`"
    );
    let text = format!("id;amount;day;paid;at;note\n{good}");
    assert_eq!(table.offsets()[0], i64::try_from(text.len()).unwrap());
    assert_eq!(table.reject_column("column"), [Some("id".into()), Some("amount".into()), None]);
    let by_code = [("C120".to_owned(), 2), ("C103".to_owned(), 1)];
    assert_eq!(table.converted.report.rejects_by_code, by_code);
}

#[test]
fn any_reject_holds_the_file_unless_the_contract_allows_some() {
    let strict = "[column]\nid = \"int64\"\nt = \"text\"\n";
    let many: String = (0..1000).map(|n| format!("{n},x\n")).collect();
    let bad = format!("id,t\n{many}x,y\n");
    let told = held_as(&under(strict), &bad);
    assert_eq!(
        (told.code, told.summary.as_str()),
        (Code::C120, "1 of 1001 records do not fit the contract")
    );
    assert!(told.facts.contains(&("allowed at most".to_owned(), "none".to_owned())), "{told:?}");
    let line = ("line 1002".to_owned(), "`id`: `x` is not int64: x,y".to_owned());
    assert!(told.facts.contains(&line), "{told:?}");
    assert_eq!(held_as(&under(strict), format!("id,t\n{many}1,2,3\n")).code, Code::C103);
    for (allowed, taken) in [
        ("max_rejects = 1", true),
        ("max_rejects = 0", false),
        ("max_rejects = { percent = 0.1 }", true),
        ("max_rejects = { percent = 0.09 }", false),
        ("max_rejects = { count = 5, percent = 0.01 }", false),
    ] {
        let job = under(&format!("{allowed}\n{strict}"));
        let outcome = super::support::run(&job, file(bad.as_bytes())).outcome;
        assert_eq!(matches!(outcome, convert::Outcome::Converted(_)), taken, "{allowed}");
    }
}

#[test]
fn a_bad_value_may_be_null_and_is_counted() {
    let contract = "mode.values = \"null_value\"\n[column.id]\ntype = \"int64\"\nrequired = true\n\
                    values = \"reject_row\"\n[column.n]\ntype = \"int64\"\nmin = 0\n";
    let table = convert_as(&under(contract), "id,n\n1,5\n2,x\n3,-1\n4,\n");
    assert_eq!(table.rows, 4);
    assert_eq!(table.texts("n"), [Some("5".to_owned()), None, None, None]);
    let report = &table.converted.report;
    assert_eq!((report.rejected, report.columns[1].nulls), (0, 3));
    assert_eq!(
        report.notes,
        [
            "2 values of `n` are null because they do not fit; the first is on line 3: `n`: `x` is not int64"
        ]
    );
    assert_eq!(held_as(&under(contract), "id,n\nx,1\n").code, Code::C120);
    assert_eq!(held_as(&under(contract), "id,n\n,1\n").code, Code::C121);
}

#[test]
fn rules_reject_with_their_own_codes() {
    let contract = r#"
max_rejects = 100
unique = [["id", "region"]]
[column.id]
type = "int64"
required = true
min = 1
max = 99
[column.region]
type = "text"
allowed = ["north", "south"]
[column.price]
type = "decimal(9,2)"
max = 10.50
[column.code]
type = "text"
pattern = "[A-Z]{2}"
trim = true
[column.day]
type = "date"
min = 2026-01-01
"#;
    let rows = [
        ("1,north,10.50,AB,2026-01-01", None),
        (",north,1,AB,2026-01-01", Some("C121")),
        ("0,north,1,AB,2026-01-01", Some("C122")),
        ("2,east,1,AB,2026-01-01", Some("C124")),
        ("3,north,10.51,AB,2026-01-01", Some("C122")),
        ("4,north,1,ABC,2026-01-01", Some("C123")),
        ("5,north,1, AB ,2026-01-01", None),
        ("6,north,1,AB,2025-12-31", Some("C122")),
        ("1,south,1,AB,2026-01-01", None),
        ("01,north,1,AB,2026-01-01", Some("C125")),
        ("7,,1,AB,", None),
        ("7,,1,AB,", None),
        ("2,north,1,AB,", None),
    ];
    let text: String = rows.iter().map(|(row, _)| format!("{row}\n")).collect();
    let table = convert_as(&under(contract), format!("id,region,price,code,day\n{text}"));
    let expected: Vec<_> =
        (2_i64..).zip(rows).filter_map(|(line, (_, code))| Some((line, code?))).collect();
    let rejects = table.rejects();
    let found: Vec<_> = rejects.iter().map(|(line, code, _)| (*line, code.as_str())).collect();
    assert_eq!(found, expected);
    let repeated = table.converted.report.first_rejects.iter().find(|r| r.code == "C125");
    assert_eq!(repeated.unwrap().reason, "the key (`id`, `region`) occurs earlier in the file");
    assert_eq!(table.column("price").printer, Printer::Source, "with and without a fraction");
    let units = Printer::Decimal { scale: 2 };
    let price = units.print(&table.column("price").first_array(), 0);
    assert_eq!(price.as_deref(), Some("10.50"));
}

#[test]
fn keys_are_compared_up_to_a_limit_that_is_named() {
    let mut job = under("[column.id]\ntype = \"int64\"\nunique = true\n");
    job.limits.unique_values = 100;
    let text = |rows: i32| (0..rows).map(|n| format!("{n}\n")).collect::<String>();
    assert_eq!(convert_as(&job, format!("id\n{}", text(100))).rows, 100);
    let told = held_as(&job, format!("id\n{}", text(101)));
    assert_eq!(told.code, Code::C130);
    assert!(told.summary.contains("`id`") && told.summary.contains("100"), "{told:?}");
}

#[test]
fn a_frozen_contract_holds_files_whose_columns_differ() {
    let contract = under(
        "[column.id]\ntype = \"int64\"\n[column.Name]\ntype = \"text\"\naliases = [\"Kunde\"]\n",
    );
    let added = held_as(&contract, "id,name,city\n1,x,Rome\n");
    assert_eq!((added.code, added.summary.as_str()), (Code::C126, "`city` is not in the contract"));
    let change = Change::Added { column: "city".into(), kind: None };
    assert_eq!(*added.changes, [change]);
    let missing = held_as(&contract, "id\n1\n");
    assert_eq!((missing.code, missing.summary.as_str()), (Code::C126, "`Name` is missing"));
    assert_eq!(*missing.changes, [Change::Removed { column: "Name".into() }]);
    let headless = held_as(&contract, "1,x\n2,y\n");
    assert_eq!(headless.code, Code::C126);
    assert_eq!(headless.changes[0], Change::HeaderMissing);
    let reordered = convert_as(&contract, "KUNDE,ID\nx,1\n");
    assert_eq!((reordered.names(), reordered.texts("Name")), (vec!["id", "Name"], some(&["x"])));
    let told: Vec<_> = reordered.converted.drift.iter().map(ToString::to_string).collect();
    assert!(told.contains(&"column `Name` came as `KUNDE`".to_owned()), "{told:?}");
    assert!(told.contains(&"the columns came in another order".to_owned()), "{told:?}");
}

#[test]
fn an_evolving_contract_takes_new_columns_as_learned() {
    let contract = under(
        "mode.columns = \"evolve\"\n[column.id]\ntype = \"text\"\nrequired = true\n[column.n]\ntype = \"int64\"\n",
    );
    let first = convert_as(&contract, "id,n,price\n1,2,1.50\n");
    assert_eq!(first.kinds(), ["text", "int64", "decimal(18,2)"]);
    let known = first.feed(None);
    let later = convert_as(&feed(&contract, &known), "id,n,price\n1,2,x\n");
    assert_eq!((later.kinds(), later.converted.version), (vec!["text", "int64", "text"], 2));
    let missing = convert_as(&feed(&contract, &known), "id,price\n1,2.00\n");
    assert_eq!(missing.texts("n"), [None]);
    assert_eq!(missing.converted.drift, [Change::Removed { column: "n".into() }]);
    let required = held_as(&feed(&contract, &known), "n,price\n1,2.00\n");
    assert_eq!(required.code, Code::C127);
    let renamed = held_as(&feed(&contract, &known), "id,m,price\n1,2,2.00\n");
    assert_eq!(renamed.code, Code::C110, "one gone and one new");
}

#[test]
fn a_contract_that_changes_a_type_opens_a_version_once() {
    let learned = convert("id,n\n1,5\n").feed(None);
    assert_eq!(learned.columns[1].kind, ColumnType::Int64);
    let contract = under("[column]\nid = \"int64\"\nn = \"decimal(8,3)\"\n");
    let second = convert_as(&feed(&contract, &learned), "id,n\n2,1.5\n");
    assert_eq!((second.converted.version, second.converted.opens_version), (2, true));
    let decimal = ColumnType::Decimal { precision: 8, scale: 3 };
    let retyped = Change::Retyped { column: "n".into(), from: ColumnType::Int64, to: decimal };
    assert_eq!(second.converted.drift, [retyped]);
    let known = second.feed(Some(&learned));
    let third = convert_as(&feed(&contract, &known), "id,n\n3,2.5\n");
    assert_eq!((third.converted.version, third.converted.opens_version), (2, false));
    assert_eq!((third.converted.learned, third.converted.drift.len()), (None, 0));
}

#[test]
fn a_column_that_only_the_feed_still_has_stays_in_its_version() {
    let learned = convert("id,old,n\n1,x,5\n").feed(None);
    let contract = under("[column]\nid = \"int64\"\nn = \"int64\"\n");
    let table = convert_as(&feed(&contract, &learned), "id,n\n2,6\n");
    assert_eq!((table.names(), table.texts("old")), (vec!["id", "old", "n"], vec![None]));
    assert_eq!((table.converted.opens_version, table.converted.drift.len()), (false, 0));
}

#[test]
fn a_file_has_as_many_records_as_declared() {
    let contract = under("rows = { min = 2, max = 3 }\n[column]\nid = \"int64\"\n");
    assert_eq!(convert_as(&contract, "id\n1\n2\n").rows, 2);
    let few = held_as(&contract, "id\n1\n");
    assert_eq!(few.code, Code::C128);
    assert_eq!(few.summary, "the file has 1 records, the contract asks for at least 2");
    assert_eq!(held_as(&contract, "id\n1\n2\n3\n4\n").code, Code::C128);
}

#[test]
fn the_files_name_gives_columns() {
    let contract = "match = \"sales_{region}_{date:%Y%m%d}.csv\"\n[column]\nid = \"int64\"\n";
    let named = |name: &str| Job { name: FileName::new(name).unwrap(), ..under(contract) };
    let table = convert_as(&named("eu/Sales_north_20260131.csv"), "id\n1\n2\n");
    assert_eq!(table.raw_column("_lf_name_region"), some(&["north", "north"]));
    let date = table.array("_lf_name_date");
    assert_eq!(Printer::Date.print(&date, 1).as_deref(), Some("2026-01-31"));
    let other = held_as(&named("sales.csv"), "id\n1\n");
    assert_eq!(other.code, Code::C129);
    assert_eq!(held_as(&named("sales_x_20260231.csv"), "id\n1\n").code, Code::C129);
}

#[test]
fn a_file_that_is_no_table_is_held() {
    let contract = under("[column]\nid = \"int64\"\n");
    let told = held_as(&contract, b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n");
    assert_eq!(told.code, Code::C107);
    assert!(told.summary.contains("declares columns"), "{told:?}");
    let free = super::support::run(&job(), file(b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n")).outcome;
    assert!(matches!(free, convert::Outcome::Raw { .. }), "{free:?}");
}

#[test]
fn the_contracts_columns_settle_delimiter_and_header() {
    let contract = under("[column]\nname = \"text\"\ncity = \"text\"\n");
    let table = convert_as(&contract, "name;city\na,b;c,d\n");
    assert_eq!(table.texts("city"), some(&["c,d"]));
}

#[test]
fn decimals_of_every_width_are_exact() {
    for (precision, scale, value) in [
        (1, 0, "7"),
        (5, 2, "-999.99"),
        (9, 9, "0.123456789"),
        (18, 4, "12345678901234.5678"),
        (19, 0, "9999999999999999999"),
        (38, 10, "1234567890123456789012345678.0123456789"),
    ] {
        let job = under(&format!("[column]\nn = \"decimal({precision},{scale})\"\nt = \"text\"\n"));
        let table = convert_as(&job, format!("n,t\n{value},x\n"));
        assert_eq!(table.texts("n"), some(&[value]));
        assert_eq!(table.kinds()[0], format!("decimal({precision},{scale})"));
    }
    let narrow = under("max_rejects = 1\n[column]\nn = \"decimal(5,2)\"\nt = \"text\"\n");
    let table = convert_as(&narrow, "n,t\n1,x\n1000,x\n");
    assert_eq!(table.rejects()[0].1, "C120");
}

#[test]
fn the_same_contract_gives_the_same_bytes() {
    let text = "id;amount;day;paid;at;note\n1;1.234,50;31.01.2026;J;31.01.2026 10:05;x\n";
    let [a, b] = [0, 1].map(|_| convert_as(&under(GERMAN), text).bytes);
    assert!(a == b);
}

#[test]
fn a_job_with_a_contract_crosses_to_a_worker() {
    let job = under(GERMAN);
    let crossed: Job = serde_json::from_str(&serde_json::to_string(&job).unwrap()).unwrap();
    assert_eq!(crossed.contract, job.contract);
    assert_eq!(crossed.limits.rejects_max, 100);
}

#[test]
fn a_learned_schema_does_not_overrule_the_contract() {
    let learned = LearnedSchema {
        revision: 4,
        version: 3,
        columns: convert("id,t\n007,x\n").feed(None).columns,
    };
    let contract = under("[column]\nid = \"int64\"\nt = \"text\"\n");
    let table = convert_as(&feed(&contract, &learned), "id,t\n8,x\n");
    assert_eq!((table.kinds()[0], table.converted.version), ("int64", 4));
}
