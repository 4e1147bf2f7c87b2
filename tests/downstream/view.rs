//! `view.sql`: what is live, through all versions, at every moment.

use std::fs;

use crate::shop::{example, send};
use crate::support::TestZone;

fn view(zone: &TestZone, query: &str) -> String {
    let macros = fs::read_to_string(example("view.sql")).unwrap();
    let root = zone.path().display();
    zone.duckdb(&format!(
        "{macros}\nCREATE VIEW orders AS FROM feed_rows('{root}', 'orders');\n{query}"
    ))
}

#[test]
fn the_view_is_over_all_versions_and_only_over_what_is_live() {
    // What is replaced stays in the lake for longer than this test.
    let zone = TestZone::new("[feed.orders]\nsame_name = 'replace'\nretract_grace = '1h'\n");
    let server = zone.serve();
    send(&zone, "a.csv", "id,amount,filename\n1,10,x\n2,20,y\n");
    zone.wait_for_ends(1);
    send(&zone, "b.csv", "id,amount,filename,lf_file\n3,5 or so,z,w\n");
    zone.wait_for_ends(2);
    let rows = "SELECT id, amount, filename, lf_file FROM orders ORDER BY id";
    assert_eq!(view(&zone, rows), "1|10|x|None\n2|20|y|None\n3|5 or so|z|w");
    let files = format!(
        "SELECT version, sequence, rows FROM feed_files('{}', 'orders') ORDER BY ALL",
        zone.path().display()
    );
    assert_eq!(view(&zone, &files), "1|1|2\n2|2|1");

    send(&zone, "a.csv", "id,amount,filename,lf_file\n1,11,x,\n");
    zone.wait_for_ends(3);
    assert_eq!(view(&zone, rows), "1|11|x|None\n3|5 or so|z|w");
    // The file that was replaced is still there, and one that is being published has no manifest yet.
    let published =
        fs::read_dir(zone.path().join("lake/orders/v1")).unwrap().next().unwrap().unwrap().path();
    let file = fs::read_dir(&published).unwrap().next().unwrap().unwrap().path();
    fs::copy(&file, published.join("unpublished.parquet")).unwrap();
    assert_eq!(view(&zone, "SELECT count(*) FROM orders"), "2");
    server.stop();
}
