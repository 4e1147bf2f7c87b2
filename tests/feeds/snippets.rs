//! `feed snippet`: what is printed runs as it is, over versions, and without what was taken back.

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

/// The Python of the snippet asks the `landfall` of the path.
#[test]
fn polars_reads_the_live_rows() {
    let zone = zone();
    let program = "import os, sys, types\n\
                   os.environ['PATH'] = sys.argv[2] + os.pathsep + os.environ['PATH']\n\
                   snippet = types.ModuleType('snippet')\n\
                   exec(sys.argv[1], snippet.__dict__)\n\
                   rows = snippet.live_rows().select('id', 'n', 'city').sort('id').collect()\n\
                   for row in rows.rows(): print('|'.join(map(str, row)))";
    let binary = Path::new(env!("CARGO_BIN_EXE_landfall")).parent().expect("a folder");
    let arguments = [&snippet(&zone, "polars"), plain(binary)];
    assert_eq!(support::python(program, &arguments), ROWS);
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
