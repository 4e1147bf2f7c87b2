//! `inbox.sh`: every batch has its effect once.

use std::process::Command;

use crate::shop::{Shop, example};

fn sqlite(shop: &Shop, sql: &str) -> String {
    let output = Command::new("sqlite3").arg(shop.path("inbox.db")).arg(sql).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
}

#[test]
fn the_inbox_takes_each_batch_once_though_acknowledgements_are_lost() {
    let shop = Shop::open(&[&example("inbox.sh"), "inbox.db"]);
    let tested = shop.zone.run(&["sink", "test", "it"]);
    assert!(tested.status.success(), "{tested:?}");
    assert!(!shop.path("inbox.db").exists(), "a test has no effect");

    shop.send("it's.csv", "id,name\n1,ana\n2,bo\n");
    let (second, told) = shop.send("b.csv", "id,name\n3,cy\n");
    assert_eq!(told.acknowledgement.unwrap().trim(), r#"{"tables":["files"],"rows":1}"#);
    assert!(shop.show("b.csv").contains("used in files, 1 row"), "{}", shop.show("b.csv"));
    assert_eq!(sqlite(&shop, "SELECT feed, sequence, rows FROM inbox"), "orders|1|2\norders|2|1");

    // The second file is replaced: what is live is what landfall says is live.
    shop.send("b.csv", "id,name\n3,cyd\n4,di\n");
    let urls = sqlite(&shop, "SELECT url FROM files ORDER BY url");
    let listed = shop.zone.run(&["feed", "files", "orders"]);
    let listed = String::from_utf8(listed.stdout).unwrap();
    let prefix = format!("{}/", shop.zone.path().display());
    let mut live: Vec<_> = listed.lines().map(|line| line.strip_prefix(&prefix).unwrap()).collect();
    live.sort_unstable();
    assert_eq!(urls.lines().collect::<Vec<_>>(), live);
    assert!(!urls.contains(second.files[0].to.as_str()), "it was taken back");
    assert_eq!(sqlite(&shop, "SELECT sum(rows) FROM files"), "4");
}

#[test]
fn a_batch_that_cannot_be_read_leaves_no_trace_in_the_inbox() {
    let folder = tempfile::tempdir().unwrap();
    let told = |manifest: &str| {
        let told = Command::new(example("inbox.sh"))
            .args(["inbox.db", manifest])
            .env("LANDFALL_DELIVERY", "one")
            .current_dir(folder.path())
            .output();
        told.unwrap()
    };
    std::fs::write(folder.path().join("cut.json"), "{\"feed\": \"orders\", \"entr").unwrap();
    for manifest in ["missing.json", "cut.json"] {
        let told = told(manifest);
        assert!(!told.status.success(), "{told:?}");
        assert!(!told.stderr.is_empty());
    }
    // Had either left its id, this would be taken for a repeat.
    let manifest = r#"{"feed": "orders", "sequence": 1, "rows": 0, "entries": [], "retracts": []}"#;
    std::fs::write(folder.path().join("whole.json"), manifest).unwrap();
    let told = told("whole.json");
    assert!(String::from_utf8_lossy(&told.stdout).contains("\"rows\":0"), "{told:?}");
}
