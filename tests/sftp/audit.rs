//! ssh-audit's word on what the door offers.

use std::path::Path;
use std::process::Command;

use crate::support::Site;

#[test]
fn ssh_audit_finds_no_failure() {
    let site = Site::open();
    let python = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/tests-python/bin/python");
    assert!(python.exists(), "run tests/setup first: {} is missing", python.display());
    let audit = Command::new(python)
        .args(["-m", "ssh_audit.ssh_audit", "--json", "--skip-rate-test"])
        .arg(format!("127.0.0.1:{}", site.address.port()))
        .output()
        .expect("ssh-audit runs");
    let told = String::from_utf8_lossy(&audit.stdout);
    let report: serde_json::Value = serde_json::from_str(&told).expect("JSON");
    let mut failures = Vec::new();
    let mut seen = 0;
    for kind in ["kex", "key", "enc", "mac"] {
        for algorithm in report[kind].as_array().expect("a list") {
            seen += 1;
            if let Some(fails) = algorithm["notes"].get("fail") {
                failures.push(format!("{kind} {}: {fails}", algorithm["algorithm"]));
            }
        }
    }
    assert!(seen > 10, "{told}");
    assert_eq!(failures, Vec::<String>::new());
}
