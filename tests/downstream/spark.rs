//! `spark.py`: what is live, through all versions.

use std::process::Command;

use crate::shop::{example, python_with_spark, send};
use crate::support::TestZone;

#[test]
#[ignore = "too big for every day: tests/readers/run installs Spark and runs this"]
fn spark_reads_what_is_live_through_all_versions() {
    let zone = TestZone::new("[feed.orders]\nsame_name = 'replace'\nretract_grace = '1h'\n");
    let _server = zone.serve();
    send(&zone, "a.csv", "id,amount\n1,10\n2,20\n");
    zone.wait_for_ends(1);
    send(&zone, "b.csv", "id,amount,more\n3,5 or so,x\n");
    zone.wait_for_ends(2);
    send(&zone, "a.csv", "id,amount,more\n1,11,\n");
    zone.wait_for_ends(3);
    send(&zone, "c.csv", "id,amount,more\n4,12,y\n");
    zone.wait_for_ends(4);
    let to = zone.path().join("rows");
    // The second time takes the place of the first.
    for _ in 0..2 {
        let ended = Command::new(python_with_spark())
            .args([&example("spark.py"), zone.path().to_str().unwrap(), "orders"])
            .arg(&to)
            .output()
            .unwrap();
        assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stderr));
    }
    assert_eq!(
        zone.duckdb("SELECT id, amount, more FROM '{zone}/rows/*.parquet' ORDER BY id"),
        "1|11|None\n3|5 or so|x\n4|12|y"
    );
}
