//! What is erased stays erased: nothing that was taken before, or is under way, brings it back.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::erase::{SECRET, erase, every_file, find, handed_off, has, rows, said, traces, whole};
use crate::support::{Server, TestZone, all};
use landfall::ledger::{
    Arrival, Batch, Event, Ledger, Log as _, ReplayEnd, ReplayStanding, Replays as _, Retraction,
    State,
};

/// Puts a backup back in place of the zone's ledger.
fn restore(zone: &TestZone, backup: &Path) {
    let words = ["restore", backup.to_str().unwrap(), "--put-present-ledger-aside"];
    let (code, text) = said(zone, &words);
    assert_eq!(code, 0, "{text}");
}

fn back_up(zone: &TestZone) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let (code, text) = said(zone, &["backup", folder.path().join("b").to_str().unwrap()]);
    assert_eq!(code, 0, "{text}");
    folder
}

/// Ledgers of the zone that lie aside.
fn aside(zone: &TestZone) -> Vec<PathBuf> {
    let mut found = every_file(&zone.path().join(".landfall"));
    found.retain(|path| {
        let name = path.file_name().unwrap().to_string_lossy();
        name.starts_with("ledger.before-") && name.ends_with(".db")
    });
    found
}

/// Takes away the manifests and events that came after a backup of the ledger that was put back.
fn forget_what_came_after(zone: &TestZone) {
    fs::remove_dir_all(zone.path().join("archive/_events")).unwrap();
    for after in zone.batches("orders").len() + 1..100 {
        let manifest = format!("lake/orders/_manifests/{after:010}.json");
        fs::remove_file(zone.path().join(manifest)).unwrap_or_default();
    }
}

fn wait_until_readers_are_told(zone: &TestZone, of: &Arrival) {
    zone.wait_until("its readers to be told", |ledger| {
        let batches = ledger.batches(&of.feed, 0, 100).unwrap();
        let is_of = |back: &Retraction| back.arrival == of.id && back.replaced_by.is_none();
        let told = |batch: &Batch| batch.retracts.iter().any(is_of) && batch.published_at.is_some();
        batches.iter().any(told)
    });
}

#[test]
fn an_older_backup_of_the_ledger_brings_nothing_back() {
    let (zone, server) = handed_off();
    let jane = find(&zone, "jane.csv");
    zone.wait_for_receipt(jane.id);
    let backup = back_up(&zone);
    assert_eq!(erase(&zone, jane.id).0, 0);
    wait_until_readers_are_told(&zone, &jane);
    server.stop();
    restore(&zone, &backup.path().join("b"));
    assert!(!traces(&zone, SECRET, &[]).is_empty(), "the backup quotes it");
    // Its events go further: it is made again from those, and what was put back lies aside.
    let (code, text) = said(&zone, &["rebuild"]);
    assert_eq!(code, 0, "{text}");
    assert_eq!(aside(&zone).len(), 2, "{:?}", aside(&zone));
    assert_eq!(traces(&zone, SECRET, &[]), Vec::<PathBuf>::new());
    whole(&zone, jane.id);
    // What lies aside is a ledger still, with all else that it knew.
    for path in aside(&zone) {
        let old = landfall::ledger::sqlite::open_read_only(&path).unwrap();
        assert_eq!(all(&old).len(), 2);
        assert!(landfall::ledger::log::verify(&old).is_ok());
    }
}

#[test]
fn an_older_backup_of_everything_is_erased_in_again() {
    let (zone, server) = handed_off();
    let jane = find(&zone, "jane.csv");
    let files = zone.ledger().batch(jane.batch.unwrap()).unwrap().unwrap().files;
    let own = files.iter().filter(|file| file.arrival == jane.id);
    let paths: Vec<PathBuf> = own
        .map(|file| file.to.as_str())
        .chain([jane.raw.as_str()])
        .map(|path| zone.path().join(path))
        .collect();
    let bytes: Vec<Vec<u8>> = paths.iter().map(|path| fs::read(path).unwrap()).collect();
    assert_eq!(paths.len(), 3, "Parquet, rejects, raw");
    let backup = back_up(&zone);
    assert_eq!(erase(&zone, jane.id).0, 0);
    wait_until_readers_are_told(&zone, &jane);
    server.stop();
    restore(&zone, &backup.path().join("b"));
    // As the whole zone of then, but for the tombstone: also its manifests and events.
    forget_what_came_after(&zone);
    for (path, bytes) in paths.iter().zip(&bytes) {
        fs::write(path, bytes).unwrap();
    }
    let server = zone.serve();
    assert_eq!(find(&zone, "jane.csv").state, State::Erased, "before its doors are open");
    wait_until_readers_are_told(&zone, &jane);
    server.stop();
    assert_eq!(traces(&zone, SECRET, &[]), Vec::<PathBuf>::new());
    assert!(paths.iter().all(|path| !path.exists()), "{paths:?}");
    for words in [&["verify"][..], &["audit", "verify"]] {
        let (code, text) = said(&zone, words);
        assert_eq!(code, 0, "{text}");
    }
}

/// A zone whose sink takes nothing until there is a file of this name.
fn with_a_sink(open: &Path) -> (TestZone, Server) {
    let retry = vec!["500ms"; 200];
    // What a command is given beside its own arguments means nothing to this one.
    let command = ["sh", "-c", &format!("test -e {}", open.display())];
    let sink = format!("[sink.s]\ncommand = {command:?}\nretry = {retry:?}\n");
    let zone = TestZone::new(&format!("[feed.orders]\nsinks = [\"s\"]\n{sink}"));
    fs::write(zone.inbox("orders").join("jane.csv"), rows(SECRET)).unwrap();
    let server = zone.serve();
    (zone, server)
}

#[test]
fn what_an_older_ledger_has_on_its_way_is_erased_when_it_has_arrived() {
    let folder = tempfile::tempdir().unwrap();
    let open = folder.path().join("open");
    let (zone, server) = with_a_sink(&open);
    zone.wait_until("a published file", |ledger| {
        all(ledger).iter().any(|arrival| arrival.state == State::Published)
    });
    let backup = back_up(&zone);
    fs::write(&open, "").unwrap();
    let jane = zone.wait_for_ends(1).remove(0);
    assert_eq!(erase(&zone, jane.id).0, 0);
    wait_until_readers_are_told(&zone, &jane);
    server.stop();
    restore(&zone, &backup.path().join("b"));
    forget_what_came_after(&zone);
    assert_eq!(find(&zone, "jane.csv").state, State::Published);
    let server = zone.serve();
    zone.wait_until("it to be erased again", |ledger| {
        all(ledger).iter().all(|arrival| arrival.state == State::Erased)
    });
    wait_until_readers_are_told(&zone, &jane);
    server.stop();
    assert_eq!(traces(&zone, SECRET, &[]), Vec::<PathBuf>::new());
}

#[test]
fn every_version_of_a_replayed_file_goes() {
    let (zone, server) = handed_off();
    let jane = find(&zone, "jane.csv");
    server.stop();
    fs::create_dir_all(zone.path().join("contracts")).unwrap();
    let contract = "max_rejects = 1\n[column.id]\ntype = \"decimal(9,1)\"\n[column.name]\n\
                    type = \"text\"\n";
    fs::write(zone.path().join("contracts/orders.toml"), contract).unwrap();
    let server = zone.serve();
    let (code, text) = said(&zone, &["replay", "jane.csv", "--reason", "a contract"]);
    assert_eq!(code, 0, "{text}");
    let files = zone.batches("orders").into_iter().flat_map(|batch| batch.files);
    let names: Vec<String> = files
        .filter(|file| file.arrival == jane.id)
        .map(|file| file.to.base().to_owned())
        .collect();
    assert_eq!(names.len(), 4, "Parquet and rejects, twice: {names:?}");
    // The grace is not over: the old file still lies in the lake.
    assert_eq!(erase(&zone, jane.id).0, 0);
    wait_until_readers_are_told(&zone, &jane);
    server.stop();
    assert_eq!(traces(&zone, SECRET, &names), Vec::<PathBuf>::new());
    whole(&zone, jane.id);
}

#[test]
fn a_replay_that_is_under_way_brings_nothing_back() {
    let zone = TestZone::new("[feed.orders]\n");
    let long: String = (0..60_000).map(|n| format!("{n},{SECRET},{n}\n")).collect();
    fs::write(zone.inbox("orders").join("jane.csv"), format!("id,name,n\n{long}")).unwrap();
    let server = zone.serve();
    let jane = zone.wait_for_ends(1).remove(0);
    // While it is converted again, or about to be.
    let (code, text) = said(&zone, &["replay", "jane.csv", "--reason", "a test", "--no-wait"]);
    assert_eq!(code, 0, "{text}");
    let (code, text) = erase(&zone, jane.id);
    assert_eq!(code, 0, "{text}");
    wait_until_readers_are_told(&zone, &jane);
    server.stop();
    let replay = zone.ledger().replay_of(jane.id).unwrap().unwrap();
    assert!(matches!(replay.standing, ReplayStanding::Ended { .. }), "{replay:?}");
    assert_eq!(
        traces(&zone, SECRET, &[jane.id.to_string() + "."]).len(),
        2,
        "the tombstone, signed"
    );
    // Nor does one that nobody served, or a kill.
    let server = zone.serve();
    fs::write(zone.inbox("orders").join("roe.csv"), format!("id,name,n\n{long}7,x,y\n")).unwrap();
    let roe = zone.wait_for_ends(2).remove(1);
    server.kill();
    let (code, text) = said(&zone, &["replay", "roe.csv", "--reason", "a test"]);
    assert_eq!(code, 0, "{text}");
    assert_eq!(erase(&zone, roe.id).0, 0);
    let server = zone.serve();
    wait_until_readers_are_told(&zone, &roe);
    server.stop();
    let history = zone.ledger().history(roe.id).unwrap();
    let overtaken = |event: &Event| *event == Event::ReplayEnded { end: ReplayEnd::Overtaken };
    assert!(history.iter().any(|told| overtaken(&told.event)));
    assert!(!has(&fs::read(zone.path().join(".landfall/ledger.db")).unwrap(), SECRET));
    whole(&zone, roe.id);
}

#[test]
fn an_auditor_s_checkpoint_from_before_an_erasure_still_holds() {
    let (zone, server) = handed_off();
    let jane = find(&zone, "jane.csv");
    zone.wait_for_receipt(jane.id);
    let kept = zone.ledger().newest_checkpoint().unwrap().unwrap();
    assert_eq!(erase(&zone, jane.id).0, 0);
    wait_until_readers_are_told(&zone, &jane);
    server.stop();
    let folder = tempfile::tempdir().unwrap();
    let checkpoint = folder.path().join("checkpoint");
    fs::write(&checkpoint, &kept.text).unwrap();
    fs::write(folder.path().join("checkpoint.sig"), &kept.signature).unwrap();
    let signers = folder.path().join("signers");
    fs::write(&signers, zone.run(&["receipt", "key"]).stdout).unwrap();
    let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/audit/verify.py");
    let mut verifier = Command::new("python3");
    verifier.arg(program).arg("--signers").arg(&signers).arg("--against").arg(&checkpoint);
    let told = verifier.arg(zone.path().join(".landfall/ledger.db")).output().unwrap();
    let text = String::from_utf8([told.stdout, told.stderr].concat()).unwrap();
    assert!(told.status.success() && text.contains(": right: "), "{text}");
}

#[test]
fn a_run_of_a_pull_that_is_not_taken_to_its_end_keeps_nothing_of_it() {
    let command = format!("['printf', 'id,name\\n1,{SECRET}\\n']");
    let pull = "[feed.orders]\n[[pull]]\nname = 'web'\nfeed = 'orders'\nevery = '24h'\n";
    let text = format!("{pull}command = {command}\n");
    let zone = TestZone::new(&text);
    let server = zone.serve();
    let jane = zone.wait_for_ends(1).remove(0);
    server.stop();
    // As a kill leaves it that came before the run was forgotten.
    let ready = zone.path().join(".landfall/pulls/web/ready");
    fs::create_dir_all(ready.join("files")).unwrap();
    fs::write(ready.join("output"), format!("id,name\n1,{SECRET}\n")).unwrap();
    let mark = jane.fingerprint.clone().unwrap();
    let run = mark.strip_suffix("/0").unwrap();
    let told = serde_json::json!({
        "run": run, "began_at": "2026-11-30T12:00:00Z", "feed": "orders", "watermark": null,
        "by": null, "files": [{"name": jane.name, "from": "printed"}]
    });
    fs::write(ready.join("run.json"), told.to_string()).unwrap();
    // The command is in the configuration, which is none of the file.
    let config = fs::read_to_string(zone.path().join("landfall.toml")).unwrap();
    fs::write(zone.path().join("landfall.toml"), config.replace(SECRET, "x")).unwrap();
    fs::remove_dir_all(zone.path().join("archive/_config")).unwrap();
    assert_eq!(erase(&zone, jane.id).0, 0);
    assert_eq!(traces(&zone, SECRET, &[]), Vec::<PathBuf>::new());
    // What is left of the run is taken to its end; what a command left that was killed goes.
    let left_over = zone.path().join(".landfall/pulls/gone/work");
    fs::create_dir_all(&left_over).unwrap();
    let server = zone.serve();
    zone.wait_until("the run to be forgotten", |_| !ready.exists() && !left_over.exists());
    server.stop();
    let found = all(&zone.ledger());
    assert!(
        found.iter().filter(|arrival| arrival.state == State::Erased).count() == 1,
        "{found:?}"
    );
}
