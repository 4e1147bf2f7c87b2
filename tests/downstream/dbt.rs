//! `dbt/`: tables that dbt makes of what is live.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::shop::{Shop, example, python};
use crate::support::TestZone;

/// The project in a folder of its own, since dbt writes into it.
fn project() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let copied = Command::new("cp")
        .args(["-r", &example("dbt"), &example("view.sql")])
        .arg(folder.path())
        .status();
    assert!(copied.unwrap().success());
    folder
}

fn freshness(project: &Path, zone: &TestZone, manifests_of: &Path) -> (bool, String) {
    let dbt = Path::new(&python()).with_file_name("dbt");
    let output = Command::new(dbt)
        .args(["--no-use-colors", "source", "freshness"])
        .current_dir(zone.path())
        .env("LANDFALL_ZONE", manifests_of)
        .envs(["DBT_PROJECT_DIR", "DBT_PROFILES_DIR"].map(|name| (name, project)))
        .output()
        .unwrap();
    (output.status.success(), String::from_utf8(output.stdout).unwrap())
}

#[test]
fn dbt_makes_tables_of_what_is_live_and_tells_when_nothing_comes() {
    let project = project();
    let build = project.path().join("dbt/build.py");
    let shop = Shop::open(&[&python(), build.to_str().unwrap()]);
    let (_, told) = shop.send("a.csv", "id,customer,amount\n1,ana,10.50\n2,bo,20.00\n3,bo,1.00\n");
    let said = told.acknowledgement.unwrap();
    assert!(said.contains(r#"{"tables": ["main.orders", "main.customers"], "run": ""#), "{said}");
    assert!(shop.show("a.csv").contains("used in main.orders, main.customers"));
    let customers = "FROM customers ORDER BY customer";
    assert_eq!(shop.warehouse(customers), "ana|1|10.50\nbo|2|21.00");

    let project = project.path().join("dbt");
    let (fresh, said) = freshness(&project, &shop.zone, shop.zone.path());
    assert!(fresh && said.contains("PASS freshness of landfall.orders"), "{said}");
    let old = a_century_ago(&shop);
    let (fresh, said) = freshness(&project, &shop.zone, old.path());
    assert!(!fresh && said.contains("ERROR STALE freshness of landfall.orders"), "{said}");

    // What takes its place is not as the project's tests want it: nothing is made of it.
    shop.send_to_refusal("a.csv", "id,customer,amount\n1,ana,10.50\n1,bo,20.00\n");
    let status = shop.zone.run(&["status"]);
    let status = String::from_utf8(status.stdout).unwrap();
    assert!(status.contains("unique_orders_id"), "{status}");
    assert_eq!(shop.warehouse(customers), "ana|1|10.50\nbo|2|21.00");
    assert_eq!(shop.warehouse("SELECT count(*) FROM orders"), "2", "what was tested is there");
}

/// The manifests of a zone as if all had been received long ago.
fn a_century_ago(shop: &Shop) -> tempfile::TempDir {
    let old = tempfile::tempdir().unwrap();
    let (from, to) = ("lake/orders/_manifests", old.path().join("lake/orders/_manifests"));
    fs::create_dir_all(&to).unwrap();
    for manifest in fs::read_dir(shop.path(from)).unwrap().map(Result::unwrap) {
        let text = fs::read_to_string(manifest.path()).unwrap();
        let text = text.replace("\"received_at\": \"20", "\"received_at\": \"19");
        fs::write(to.join(manifest.file_name()), text).unwrap();
    }
    old
}
