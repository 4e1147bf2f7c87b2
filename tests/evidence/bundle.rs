//! A period as a folder for an auditor, checked by what every auditor has.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::support::TestZone;

/// `deploy/audit/verify.py` with these arguments.
pub(crate) fn verify_py(arguments: &[&Path]) -> Output {
    let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/audit/verify.py");
    let ran = Command::new("python3").arg(program).args(arguments).output();
    ran.expect("python3 runs")
}

fn ssh_keygen(bundle: &Path, namespace: &str, name: &str) -> bool {
    let signers = fs::read_to_string(bundle.join("allowed_signers")).expect("signers");
    let identity = signers.split(' ').next().expect("a name");
    let verified = Command::new("ssh-keygen")
        .args(["-Y", "verify", "-n", namespace, "-I", identity, "-f"])
        .arg(bundle.join("allowed_signers"))
        .arg("-s")
        .arg(bundle.join(format!("{name}.sig")))
        .stdin(fs::File::open(bundle.join(name)).expect("opened"))
        .output();
    verified.expect("ssh-keygen runs").status.success()
}

fn sha256sum(bundle: &Path) -> bool {
    let mut command = Command::new("sha256sum");
    let ran = command.args(["-c", "--quiet", "SHA256SUMS"]).current_dir(bundle).output();
    ran.expect("sha256sum runs").status.success()
}

/// A zone with three files, stopped, and who signs for it.
fn zone() -> (TestZone, PathBuf) {
    let zone = TestZone::new("[zone]\nname = \"our zone\"\n[feed.orders]\n");
    for (name, text) in [("a.csv", "id\n1\n"), ("b.csv", "id\n2\n"), ("bad.csv", "id,x\n1,\"y\n")] {
        fs::write(zone.inbox("orders").join(name), text).expect("dropped");
    }
    let server = zone.serve();
    zone.wait_for_ends(3);
    server.stop();
    let line = zone.run(&["receipt", "key"]).stdout;
    let signers = zone.path().join("trusted_signers");
    fs::write(&signers, line).expect("written");
    (zone, signers)
}

fn export(zone: &TestZone, name: &str, more: &[&str]) -> PathBuf {
    let folder = zone.path().join(name);
    let to = folder.to_str().expect("text");
    let words = ["audit", "export", "--from", "2020-01-01", "--to", "2120-01-01", "-o", to];
    let made = zone.run(&[&words[..], more].concat());
    assert!(made.status.success(), "{made:?}");
    folder
}

#[test]
fn a_bundle_is_checked_without_landfall() {
    let (zone, signers) = zone();
    let bundle = export(&zone, "bundle", &[]);
    assert!(sha256sum(&bundle));
    assert!(ssh_keygen(&bundle, "landfall-sums", "SHA256SUMS"));
    assert!(ssh_keygen(&bundle, "landfall-checkpoint", "checkpoint"));
    let receipts: Vec<_> = fs::read_dir(bundle.join("receipts"))
        .expect("listed")
        .map(|entry| entry.expect("one").file_name().into_string().expect("text"))
        .filter(|name| name.ends_with(".json"))
        .collect();
    assert_eq!(receipts.len(), 3);
    for name in &receipts {
        assert!(ssh_keygen(&bundle, "landfall-receipt", &format!("receipts/{name}")));
        let file = bundle.join("receipts").join(name);
        let held = zone.run(&["receipt", "check", file.to_str().expect("text")]);
        assert!(held.status.success(), "{held:?}");
    }
    assert_eq!(fs::read_dir(bundle.join("raw")).expect("listed").count(), 3);
    let told = verify_py(&[Path::new("--signers"), &signers, &bundle]);
    let text = String::from_utf8_lossy(&told.stdout);
    assert!(told.status.success() && text.contains("3 receipts"), "{text}");
    assert_eq!(
        fs::read(bundle.join("verify.py")).expect("there"),
        fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/audit/verify.py"))
            .expect("there")
    );
    // Without the files it has their digests, for whoever has the files.
    let digests = export(&zone, "digests", &["--digests-only"]);
    assert!(!digests.join("raw").exists() && digests.join("raw.sha256").exists());
    assert!(verify_py(&[Path::new("--signers"), &signers, &digests]).status.success());
    let sums = fs::read(digests.join("raw.sha256")).expect("read");
    fs::write(bundle.join("raw/sums"), sums).expect("written");
    let ran =
        Command::new("sha256sum").args(["-c", "sums"]).current_dir(bundle.join("raw")).output();
    assert!(ran.expect("sha256sum runs").status.success());
}

#[test]
fn what_is_altered_in_a_bundle_is_named() {
    let (zone, signers) = zone();
    let bundle = export(&zone, "bundle", &[]);
    let raw = fs::read_dir(bundle.join("raw")).expect("listed").next().expect("one").expect("one");
    for name in ["events.jsonl", "checkpoint", "proof.json", "README.txt"]
        .map(|name| bundle.join(name))
        .into_iter()
        .chain([raw.path()])
    {
        let whole = fs::read(&name).expect("read");
        let mut altered = whole.clone();
        let middle = altered.len() / 2;
        altered[middle] ^= 1;
        fs::write(&name, &altered).expect("altered");
        assert!(!sha256sum(&bundle), "{name:?}");
        let told = verify_py(&[Path::new("--signers"), &signers, &bundle]);
        assert!(!told.status.success(), "{name:?}: {told:?}");
        fs::write(&name, &whole).expect("mended");
    }
    fs::remove_file(raw.path()).expect("removed");
    assert!(!verify_py(&[Path::new("--signers"), &signers, &bundle]).status.success());
    // Another's signature is not ours.
    let other = fs::read_to_string(&signers).expect("read").replace("AAAAI", "AAAAJ");
    fs::write(&signers, other).expect("written");
    assert!(!verify_py(&[Path::new("--signers"), &signers, &bundle]).status.success());
}

#[test]
fn a_receipt_that_is_altered_does_not_hold() {
    let (zone, _) = zone();
    let bundle = export(&zone, "bundle", &[]);
    let first = fs::read_dir(bundle.join("receipts")).expect("listed");
    let mut files: Vec<_> = first.map(|entry| entry.expect("one").path()).collect();
    files.sort();
    let file = &files[0];
    let text = fs::read_to_string(file).expect("read");
    fs::write(file, text.replace("\"outcome\": ", "\"outcome\":  ")).expect("altered");
    let told = zone.run(&["receipt", "check", file.to_str().expect("text")]);
    let text = String::from_utf8_lossy(&told.stderr);
    assert!(told.status.code() == Some(1) && text.contains("L114"), "{text}");
}

#[test]
fn the_log_says_who_signed_how_much_and_verify_that_all_is_right() {
    let (zone, _) = zone();
    let log = String::from_utf8(zone.run(&["audit", "log"]).stdout).expect("text");
    assert!(log.contains("SHA256:") && log.contains("over events"), "{log}");
    let verified = zone.run(&["audit", "verify", "--json"]);
    assert!(verified.status.success(), "{verified:?}");
    let told: serde_json::Value = serde_json::from_slice(&verified.stdout).expect("json");
    assert_eq!((&told["arrivals"], &told["against"]), (&3.into(), &1.into()), "{told}");
    assert_eq!(told["problems_found"], 0);
}
