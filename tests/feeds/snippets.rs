//! `feed snippet`: what is printed runs as it is, over versions, and without what was taken back.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::support::{self, TestZone};
use crate::{plain, send_all, told};

/// Three versions of columns: `n` is text from the third file on, `city` is in one file, and the
/// second file was replaced.
fn zone() -> TestZone {
    let zone = TestZone::new("[feed.orders]\nsame_name = 'replace'\nretract_grace = '1h'\n");
    let server = zone.serve();
    send_all(
        &zone,
        &[
            ("a.csv", "id,n\n1,1\n"),
            ("b.csv", "id,n\n2,2\n"),
            ("c.csv", "id,n,city\n3,03,Rome\n"),
            ("b.csv", "id,n\n4,4\n"),
        ],
    );
    server.stop();
    zone
}

/// What a person does with a snippet.
fn snippet(zone: &TestZone, tool: &str) -> String {
    let (code, stdout, stderr) = told(&zone.run(&["feed", "snippet", "orders", "--for", tool]));
    assert_eq!(code, 0, "{stderr}");
    stdout
}

const ROWS: &str = "1|1|None\n3|03|Rome\n4|4|None";

#[test]
fn duckdb_reads_the_live_rows() {
    let zone = zone();
    let sql = snippet(&zone, "duckdb");
    let program = "import duckdb, sys\n\
                   con = duckdb.connect()\n\
                   con.execute('set enable_progress_bar = false')\n\
                   con.execute(sys.argv[1])\n\
                   rows = con.execute('select id, n, city from \"orders\" order by id').fetchall()\n\
                   for row in rows: print('|'.join(map(str, row)))\n\
                   found = con.execute(\"select unnest(getvariable('landfall_files')) order by 1\").fetchall()\n\
                   assert [f for (f,) in found] == sorted(sys.argv[2:]), found";
    let live: Vec<String> =
        zone.live("orders").iter().map(|path| path.display().to_string()).collect();
    let mut arguments = vec![sql.as_str()];
    arguments.extend(live.iter().map(String::as_str));
    assert_eq!(support::python(program, &arguments), ROWS);
}

/// Runs a snippet of Python, which asks the `landfall` of the path, and prints what `rows` makes of it.
fn python(environment: &str, snippet: &str, rows: &str) -> String {
    let program = format!(
        "import os, sys, types\n\
         os.environ['PATH'] = sys.argv[2] + os.pathsep + os.environ['PATH']\n\
         snippet = types.ModuleType('snippet')\n\
         exec(sys.argv[1], snippet.__dict__)\n\
         for row in {rows}: print('|'.join(map(str, row)))"
    );
    let binary = Path::new(env!("CARGO_BIN_EXE_landfall")).parent().expect("a folder");
    support::python_with(environment, &program, &[snippet, plain(binary)])
}

#[test]
fn polars_reads_the_live_rows() {
    let rows = "snippet.live_rows().select('id', 'n', 'city').sort('id').collect().rows()";
    assert_eq!(python("python", &snippet(&zone(), "polars"), rows), ROWS);
}

#[test]
fn polars_reads_nested_fields_that_a_version_gained() {
    let zone = TestZone::new("[feed.orders]\n");
    let server = zone.serve();
    let old = r#"{"id": 1, "at": {"city": "Oslo"}}"#;
    let new = r#"{"id": 2, "at": {"city": "Rome", "zip": "00100"}}"#;
    send_all(&zone, &[("a.jsonl", old), ("b.jsonl", new)]);
    server.stop();
    let rows = "snippet.live_rows().select('id', 'at').sort('id').collect().rows()";
    assert_eq!(
        python("python", &snippet(&zone, "polars"), rows),
        "1|{'city': 'Oslo', 'zip': None}\n2|{'city': 'Rome', 'zip': '00100'}"
    );
}

#[test]
#[ignore = "too big for every day: tests/readers/run installs Spark and runs this"]
fn spark_reads_the_live_rows() {
    let rows = "snippet.live_rows(snippet.SparkSession.builder.getOrCreate())\
                .select('id', 'n', 'city').sort('id').collect()";
    assert_eq!(python("readers", &snippet(&zone(), "spark"), rows), ROWS);
}

#[test]
fn dbt_reads_the_live_rows() {
    let zone = zone();
    let project = zone.path().join("project");
    fs::create_dir_all(project.join("models")).expect("made");
    let write = |name: &str, text: &str| fs::write(project.join(name), text).expect("written");
    write("dbt_project.yml", "{name: it, profile: it, flags: {send_anonymous_usage_stats: false}}");
    write("profiles.yml", "it: {target: it, outputs: {it: {type: duckdb, path: it.duckdb}}}");
    write("models/orders.sql", &snippet(&zone, "dbt"));
    let dbt = "import os, sys; from dbt.cli.main import dbtRunner; os.chdir(sys.argv[1])\n\
               done = dbtRunner().invoke(['--quiet', 'build']); sys.exit(not done.success)";
    support::python(dbt, &[plain(&project)]);
    let rows =
        "ATTACH '{zone}/project/it.duckdb' AS it; SELECT id, n, city FROM it.orders ORDER BY id";
    assert_eq!(zone.duckdb(rows), ROWS);
}

#[test]
fn every_tool_has_a_snippet_of_its_own_language() {
    let zone = TestZone::new("[feed.orders]\n");
    for tool in ["polars", "spark"] {
        let compiled = "import sys; compile(sys.argv[1], 'snippet', 'exec')";
        support::python(compiled, &[&snippet(&zone, tool)]);
    }
    let checked = Command::new("bash").args(["-n", "-c", &snippet(&zone, "snowflake")]).output();
    let (code, _, stderr) = told(&checked.expect("bash"));
    assert_eq!((code, stderr.as_str()), (0, ""));
    assert!(snippet(&zone, "dbt").contains("materialized"));
    let (code, ..) = told(&zone.run(&["feed", "snippet", "nobody", "--for", "duckdb"]));
    assert_eq!(code, 4);
    let (code, ..) = told(&zone.run(&["feed", "snippet", "orders", "--for", "excel"]));
    assert_eq!(code, 2);
}
