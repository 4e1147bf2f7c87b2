//! A contract reads JSON as it does delimited text: by its exact digits and words.

use landfall::config;
use landfall::convert::Job;
use landfall::convert::infer::Printer;
use landfall::convert::prove::Proof;
use landfall::diagnostic::Code;
use landfall::schema::{Change, ColumnType};

use super::support::{Table, convert, convert_as, feed, held_as, job, some};

fn under(contract: &str) -> Job {
    let contract = config::contract::parse("contracts/f.toml", contract);
    job().under(Some(&contract.expect("a contract")))
}

const ORDERS: &str = r#"
decimal = ","
thousands = "."
null = ["NA"]
max_rejects = { count = 100, percent = 99 }
unique = [["id"]]
mode.columns = "evolve"

[column.id]
type = "int64"
required = true

[column]
amount = "decimal(10,2)"
paid = "bool"
note = "text"

[column.day]
type = "date"
format = "%d.%m.%Y"
aliases = ["Datum"]
"#;

fn same(table: &Table, job: &Job, text: &str) {
    match table.prove(job, text.as_bytes()) {
        Proof::Same { rows, .. } => assert_eq!(rows, table.rows as u64),
        other @ (Proof::Different(_) | Proof::Impossible(_)) => panic!("{other:?}"),
    }
}

#[test]
fn values_are_read_as_declared() {
    let text = concat!(
        r#"{"id":1,"amount":1.500,"paid":true,"Datum":"31.01.2026","note":"x","extra":{"a":1}}"#,
        "\n",
        r#"{"id":"2","amount":"1.234,50","paid":false,"Datum":"01.02.2026","note":""}"#,
        "\n",
        r#"{"note":[1, 2],"id":3,"amount":"NA","paid":null,"Datum":""}"#,
        "\n",
    );
    let job = under(ORDERS);
    let table = convert_as(&job, text);
    let names = ["id", "amount", "paid", "note", "day", "extra"];
    let kinds = ["int64", "decimal(10,2)", "bool", "text", "date", "struct<a: int64>"];
    let found: Vec<_> = names.iter().map(|name| table.column(name).kind.as_str()).collect();
    assert_eq!(found, kinds);
    assert_eq!(table.texts("id"), some(&["1", "2", "3"]));
    let amount = table.column("amount");
    assert_eq!(amount.printer, Printer::Source, "a point here, a comma there");
    let units = |row| Printer::Decimal { scale: 2 }.print(&amount.first_array(), row);
    assert_eq!([0, 1, 2].map(units), [Some("1.50".into()), Some("1234.50".into()), None]);
    assert_eq!(table.texts("paid"), [Some("true".into()), Some("false".into()), None]);
    assert_eq!(table.texts("day"), [Some("31.01.2026".into()), Some("01.02.2026".into()), None]);
    assert_eq!(table.texts("note"), some(&["x", "", "[1, 2]"]), "nested values by their text");
    let renamed = Change::Renamed { column: "day".to_owned(), header: "Datum".to_owned() };
    assert!(table.converted.drift.contains(&renamed), "{:?}", table.converted.drift);
    assert_eq!(table.metadata("landfall.contract.sha256").len(), 64);
    same(&table, &job, text);
}

#[test]
fn what_does_not_fit_is_a_reject_with_its_place() {
    let good = r#"{"id":1,"amount":1.5,"paid":true,"Datum":"31.01.2026","note":"x"}"#;
    let bad = [
        r#"{"id":2.5}"#,
        r#"{"id":null,"note":"no id"}"#,
        r#"{"id":3,"amount":1.505}"#,
        r#"{"id":4,"amount":1e2}"#,
        r#"{"id":5,"paid":{"yes":1}}"#,
        r#"{"id":1,"note":"again"}"#,
        r#"{"id":6,"Datum":"2026-01-31"}"#,
        r#"{"id":7,"#,
    ];
    let text = format!("{good}\n{}\n{}", bad.join("\n"), r#"{"id":8}"#);
    let job = under(ORDERS);
    let table = convert_as(&job, &text);
    assert_eq!(table.texts("id"), some(&["1", "8"]));
    let rejects = table.rejects();
    let found: Vec<_> = rejects.iter().map(|(line, code, _)| (*line, code.as_str())).collect();
    let codes = ["C120", "C121", "C120", "C120", "C120", "C125", "C120", "C146"];
    assert_eq!(found, (2..).zip(codes).collect::<Vec<_>>());
    assert_eq!(rejects.iter().map(|(_, _, raw)| raw.as_str()).collect::<Vec<_>>(), bad);
    assert_eq!(
        table.converted.report.first_rejects[4].reason,
        "`paid`: `{\"yes\":1}` is not `true` or `True` or `TRUE` or `false` or `False` or `FALSE`"
    );
    assert_eq!(table.offsets()[0], i64::try_from(good.len() + 1).unwrap());
    same(&table, &job, &text);
    let array =
        format!("[{}]", text.lines().filter(|l| l.ends_with('}')).collect::<Vec<_>>().join(","));
    let table = convert_as(&job, &array);
    assert_eq!((table.texts("id"), table.rejects().len()), (some(&["1", "8"]), 7));
    same(&table, &job, &array);
}

#[test]
fn a_proof_finds_a_value_that_the_contract_would_not_read() {
    let job = under(ORDERS);
    let made = "{\"id\":1,\"amount\":\"2,50\"}\n";
    let table = convert_as(&job, made);
    for (other, column) in
        [("{\"id\":1,\"amount\":2.51}", "amount"), ("{\"id\":2,\"amount\":2.5}", "id")]
    {
        match table.prove(&job, other.as_bytes()) {
            Proof::Different(found) => assert_eq!(found.column, column),
            same @ (Proof::Same { .. } | Proof::Impossible(_)) => panic!("{same:?}"),
        }
    }
}

#[test]
fn counts_modes_and_required_columns_hold_as_elsewhere() {
    let held = |contract: &str, text: &str| held_as(&under(contract), text).code;
    let strict = "rows = { min = 2 }\nmode.columns = \"freeze\"\n[column]\nid = \"int64\"\n";
    assert_eq!(held(strict, "{\"id\":1}"), Code::C128);
    assert_eq!(held(strict, "{\"id\":1}\n{\"id\":2,\"more\":3}"), Code::C126);
    assert_eq!(held(strict, "{\"id\":1}\n{\"id\":\"x\"}"), Code::C120, "no reject is allowed");
    let optional = "[column]\nid = \"int64\"\nt = \"text\"\n";
    let table = convert_as(&under(optional), "{\"id\":1}");
    assert_eq!(
        (table.texts("t"), table.kinds()),
        (vec![None], vec!["int64", "text"]),
        "absent is null"
    );
    assert_eq!(held(optional, "{\"id\":1,\"text\":\"x\"}"), Code::C126);
    let required = "mode.columns = \"evolve\"\n[column.id]\ntype = \"int64\"\nrequired = true\n[column.t]\ntype = \"text\"\n";
    assert_eq!(held(required, "{\"t\":\"a\"}\n{\"t\":\"b\"}"), Code::C127);
}

#[test]
fn a_column_that_was_nested_opens_the_next_version_when_it_is_declared() {
    let before = convert("{\"id\":1,\"v\":{\"a\":1}}");
    let learned = before.feed(None);
    let job = feed(&under("[column]\nid = \"int64\"\nv = \"text\"\n"), &learned);
    let table = convert_as(&job, "{\"id\":2,\"v\":{\"a\":1}}");
    assert!(table.converted.opens_version);
    assert_eq!(table.texts("v"), some(&["{\"a\":1}"]));
    let kinds = table.kinds();
    assert_eq!(kinds, ["int64", "text"]);
    let retyped = |change: &Change| matches!(change, Change::Retyped { column, to: ColumnType::Text, .. } if column == "v");
    assert!(table.converted.drift.iter().any(retyped), "{:?}", table.converted.drift);
}
