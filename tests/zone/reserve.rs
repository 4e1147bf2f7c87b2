//! A disk that is nearly full: uploads are refused early, in words, and go on without a restart.

use crate::small_disk::SmallDisk;
use crate::support::TestZone;

#[test]
fn uploads_are_refused_before_the_disk_is_full_and_go_on_when_there_is_room() {
    let Some(disk) = SmallDisk::mount("size=64m") else { return };
    let root = disk.path().join("zone");
    std::fs::create_dir_all(root.join("partners")).expect("made");
    let config =
        "[zone]\nfree_reserve = \"8 MiB\"\n[sftp]\nlisten = \"127.0.0.1:2222\"\n[feed.orders]\n";
    std::fs::write(root.join("landfall.toml"), config).expect("written");
    let zone = TestZone::at(root);
    let key = zone.partner("acme", &["orders"], "");
    let file = zone.path().join("a.csv");
    std::fs::write(&file, "a,b\n1,2\n").expect("written");
    let server = zone.serve();
    let put = format!("put {} orders/a.csv\n", file.display());
    server.sftp_ok("acme", &key, &put);
    let filler = disk.fill(4 << 20);
    // What the disk said last is good for a second.
    let began = std::time::Instant::now();
    while server.sftp("acme", &key, &put).status.success() {
        assert!(began.elapsed() < crate::support::PATIENCE, "the reserve is never respected");
    }
    zone.wait_until("a refusal", |ledger| {
        let events = ledger.events(0, 1000).expect("events");
        events.iter().any(|recorded| {
            matches!(&recorded.event, landfall::ledger::Event::FileRefused { diagnostic, .. }
                if diagnostic.summary.contains("filled up to its reserve"))
        })
    });
    std::fs::remove_file(filler).expect("removed");
    while !server.sftp("acme", &key, &put).status.success() {
        assert!(began.elapsed() < crate::support::PATIENCE, "uploads are never taken again");
    }
    server.stop();
}
