//! Commands that need no zone: `convert` and `inspect`.

use std::fs;
use std::path::Path;

use insta::assert_snapshot;

use crate::zone::Place;

fn place(name: &str, content: &str) -> Place {
    let place = Place::bare();
    fs::write(place.path().join(name), content).expect("written");
    place
}

fn files(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(folder)
        .expect("listed")
        .map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

#[test]
fn a_file_is_converted_without_a_zone() {
    let place = place("orders.csv", "id,code\n1,007\n2,8\n");
    let (code, stdout, stderr) = place.run(&["convert", "orders.csv", "-o", "out/deep"]);
    assert_eq!(code, 0, "{stderr}");
    assert!(stdout.starts_with("orders.csv → out/deep/orders.parquet: 2 rows, "), "{stdout}");
    assert!(stdout.contains("2 seen = 2 written + 0 rejected + 0 skipped"), "{stdout}");
    assert_eq!(files(&place.path().join("out/deep")), ["orders.parquet"]);
    let parquet = fs::read(place.path().join("out/deep/orders.parquet")).unwrap();
    assert!(parquet.starts_with(b"PAR1") && parquet.ends_with(b"PAR1"));
}

#[test]
fn nothing_is_replaced_without_force() {
    let place = place("a.csv", "id\n1\n");
    fs::write(place.path().join("a.parquet"), "mine").unwrap();
    let (code, _, stderr) = place.run(&["convert", "a.csv"]);
    assert!(code == 1 && stderr.contains("--force replaces it"), "{stderr}");
    assert_eq!(fs::read_to_string(place.path().join("a.parquet")).unwrap(), "mine");
    assert_eq!(files(place.path()), ["a.csv", "a.parquet"], "no litter");
    assert_eq!(place.run(&["convert", "a.csv", "--force"]).0, 0);
    assert!(fs::read(place.path().join("a.parquet")).unwrap().starts_with(b"PAR1"));
}

#[test]
fn what_is_no_table_stays_and_is_told() {
    let place = place("terms.pdf", "%PDF-1.4\n%\u{fffd}\n1 0 obj\n<< >>\nendobj\n");
    let (code, stdout, _) = place.run(&["convert", "terms.pdf", "--json"]);
    let told: serde_json::Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!((code, told["schema"].as_str()), (3, Some("landfall.conversion/v1")));
    assert!(told["raw"]["reason"].is_string(), "{told}");
    assert_eq!(files(place.path()), ["terms.pdf"]);
    assert_eq!(place.run(&["convert", "missing.csv"]).0, 1);
}

#[test]
fn inspect_shows_types_and_why() {
    let place = place("orders.csv", "id;price;note\n007;1.10;x\n8;2.00;\n");
    assert_snapshot!(place.told(&["inspect", "orders.csv"]), @r#"
    orders.csv: csv
      rows
        2 seen = 2 written + 0 rejected + 0 skipped
      read as
        encoding      UTF-8
        delimiter     ;
        delimiter is  certain: records have 3 fields
        quote         "
        escape        doubled
        record end    LF
        header        first record
        header is     certain: `price` stands above values of type decimal(18,2)
      columns
        id     text                   it has text: `007` on line 2
        price  decimal(18,2)          every value has 2 digits after the point
        note   text           1 null  it has text: `x` on line 2
      first rows
        id   price  note
        007  1.10   x
        8    2.00
    --- --- exit 0
    "#);
    let (_, stdout, _) = place.run(&["inspect", "orders.csv", "--json"]);
    let told: serde_json::Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!(told["schema"], "landfall.inspection/v1");
    assert_eq!(told["rows"][1][2], serde_json::Value::Null);
}

#[test]
fn a_conversion_can_be_proven() {
    let place = place("orders.csv", "id,code\n1,007\n2,8\n");
    let (code, stdout, stderr) = place.run(&["convert", "orders.csv", "--prove"]);
    assert_eq!(code, 0, "{stderr}");
    let extremes: Vec<_> = stdout.lines().rev().take(2).map(|l| l.split_whitespace()).collect();
    let extremes: Vec<Vec<_>> = extremes.into_iter().map(Iterator::collect).collect();
    assert_eq!(extremes, [["code", "007", "8"], ["id", "1", "2"]], "{stdout}");
    assert!(stderr.contains("proven: 2 rows, 4 cells the same as in orders.csv"), "{stderr}");
    let (_, stdout, _) = place.run(&["convert", "orders.csv", "--prove", "--force", "--json"]);
    let told: serde_json::Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!(told["proof"]["same"]["cells"], 4);
    fs::write(place.path().join("lines.txt"), "id\n1\n2\n").unwrap();
    let (code, _, stderr) = place.run(&["convert", "lines.txt", "--prove"]);
    assert!(code == 0 && stderr.contains("proven: 2 rows, 2 cells the same"), "{stderr}");
}

#[test]
fn packed_and_json_files_are_converted_without_a_zone() {
    let place = place("a.jsonl", "{\"id\":1,\"o\":{\"x\":[1,2]}}\n{\"id\":2}\n");
    let (code, stdout, stderr) = place.run(&["convert", "a.jsonl", "--prove"]);
    assert_eq!(code, 0, "{stderr}");
    assert!(stdout.contains("struct<x: list<int64>>"), "{stdout}");
    fs::write(place.path().join("cut.csv.gz"), b"\x1f\x8b\x08\0\0").unwrap();
    let (code, _, stderr) = place.run(&["convert", "cut.csv.gz", "-o", "out"]);
    assert!(code == 3 && stderr.contains("C140"), "{code}: {stderr}");
    assert_eq!(files(&place.path().join("out")), Vec::<String>::new(), "nothing is written");
}
