//! Uploads behave like files, and only a complete one lands.

use std::time::Duration;

use landfall::archive::digest;
use landfall::ledger::{Event, State};

use crate::raw::{
    APPENDING, CREATING, EXCLUSIVE, EXTENDED, READING, Raw, TRUNCATING, WRITING, string,
};
use crate::support::{Site, noise};

const NEW: u32 = WRITING | CREATING | TRUNCATING;
const CONTINUE: u32 = WRITING | CREATING;

/// Waits until an upload is known to be interrupted; gives its size.
fn interrupted(site: &Site) -> u64 {
    site.wait_for(|event| match event {
        Event::UploadInterrupted { size_bytes, .. } => Some(*size_bytes),
        _ => None,
    })
}

/// Leaves an upload of `bytes` in the middle.
fn break_off(site: &Site, path: &str, bytes: &[u8]) {
    let mut raw = Raw::connect(site, "acme");
    let handle = raw.open(path, NEW).handle();
    for (piece, part) in bytes.chunks(100_000).enumerate() {
        assert_eq!(raw.write(&handle, piece as u64 * 100_000, part).status(), 0);
    }
    raw.kill();
    assert_eq!(interrupted(site), bytes.len() as u64);
}

#[test]
fn a_dropped_connection_lands_nothing_and_can_be_resumed() {
    let site = Site::open();
    let bytes = noise(1_500_000);
    site.local("a.csv", &bytes);
    break_off(&site, "/orders/a.csv", &bytes[..900_000]);
    assert_eq!(site.landed(), Vec::<String>::new());
    let ls = site.sftp("acme", "cd orders\nls -l\nreput a.csv\n").ok();
    assert!(ls.out.contains("900000"), "{ls:?}");
    let arrivals = site.arrivals();
    assert_eq!(arrivals.len(), 1);
    assert_eq!(arrivals[0].digest, digest::of_bytes(&bytes));
    assert_eq!(site.raw(&arrivals[0]), bytes);
    assert_eq!(site.staged_files(), 0);
}

#[test]
fn an_upload_survives_a_restart_and_lands_once() {
    let site = Site::open();
    let bytes = noise(1_500_000);
    site.local("a.csv", &bytes);
    let mut raw = Raw::connect(&site, "acme");
    let handle = raw.open("/orders/a.csv", NEW).handle();
    for (piece, part) in bytes[..900_000].chunks(100_000).enumerate() {
        assert_eq!(raw.write(&handle, piece as u64 * 100_000, part).status(), 0);
    }
    let synced = raw.ask(EXTENDED, &[string("fsync@openssh.com"), string(&handle)].concat());
    assert_eq!(synced.status(), 0);
    let site = site.restart();
    assert_eq!((site.recovered.uploads, site.recovered.removed), (1, 0));
    assert_eq!(site.landed(), Vec::<String>::new());
    site.sftp("acme", "cd orders\nreput a.csv\n").ok();
    let arrivals = site.arrivals();
    assert_eq!(arrivals.len(), 1);
    assert_eq!(arrivals[0].digest, digest::of_bytes(&bytes));
    assert_eq!(site.raw(&arrivals[0]), bytes);
}

#[test]
fn a_closed_part_survives_a_restart_and_is_committed_by_its_rename() {
    let site = Site::open();
    site.local("a.csv", "x\n1\n");
    site.sftp("acme", "put a.csv orders/a.csv.part\n").ok();
    let site = site.restart();
    assert_eq!(site.recovered.uploads, 1);
    site.sftp("acme", "rename orders/a.csv.part orders/a.csv\n").ok();
    assert_eq!(site.landed(), ["a.csv"]);
    assert_eq!(site.raw(&site.arrivals()[0]), b"x\n1\n");
}

#[test]
fn litter_is_removed_at_start() {
    let site = Site::open();
    std::fs::write(site.zone.staging().join("litter"), "x").unwrap();
    let site = site.restart();
    assert_eq!((site.recovered.uploads, site.recovered.removed), (0, 1));
    assert_eq!(site.staged_files(), 0);
}

#[test]
fn a_part_that_is_never_renamed_is_archived_and_held() {
    let site = Site::with(|config| config.sftp.rename_wait = Duration::from_millis(200));
    site.local("a.csv", "x\n1\n");
    site.sftp("acme", "put a.csv orders/a.csv.part\n").ok();
    site.wait_for(|event| matches!(event, Event::Received { .. }).then_some(()));
    let arrivals = site.arrivals();
    assert_eq!((arrivals.len(), arrivals[0].state), (1, State::Held));
    assert_eq!(arrivals[0].name.to_string(), "a.csv.part");
    assert_eq!(site.raw(&arrivals[0]), b"x\n1\n");
    site.sftp("acme", "rename orders/a.csv.part orders/a.csv\n").ok();
    assert_eq!(site.landed(), ["a.csv"]);
    assert_eq!(site.arrivals()[0].state, State::Received, "the rename lets it go on");
}

#[test]
fn an_upload_that_nobody_resumes_expires() {
    let site = Site::with(|config| config.sftp.upload_expiry = Duration::from_millis(200));
    break_off(&site, "/orders/a.csv", &noise(300_000));
    let size = site.wait_for(|event| match event {
        Event::UploadExpired { size_bytes, .. } => Some(*size_bytes),
        _ => None,
    });
    assert_eq!(size, 300_000);
    assert_eq!(site.staged_files(), 0);
    site.sftp("acme", "ls orders/a.csv\n").refused("not found");
    assert_eq!(site.landed(), Vec::<String>::new());
}

#[test]
fn a_partial_cannot_be_renamed_to_a_final_name() {
    let site = Site::open();
    break_off(&site, "/orders/a.csv.part", &noise(1000));
    let mut raw = Raw::connect(&site, "acme");
    let refused = raw.rename("/orders/a.csv.part", "/orders/a.csv");
    assert_eq!(refused.status(), 4);
    assert!(refused.text().contains("was never closed"), "{}", refused.text());
    assert_eq!(raw.rename("/orders/a.csv.part", "/orders/b.csv.part").status(), 0);
    assert_eq!(raw.stat("/orders/b.csv.part").size(), 1000);
    assert_eq!(raw.stat("/orders/a.csv.part").status(), 2);
    assert_eq!(site.landed(), Vec::<String>::new());
}

#[test]
fn a_new_open_fences_the_old_handle() {
    let site = Site::open();
    let mut first = Raw::connect(&site, "acme");
    let mut second = Raw::connect(&site, "acme");
    let old = first.open("/orders/a.csv", NEW).handle();
    assert_eq!(first.write(&old, 0, b"old").status(), 0);
    let new = second.open("/orders/a.csv", NEW).handle();
    let fenced = first.write(&old, 3, b"more");
    assert!(fenced.text().contains("another session has opened"), "{}", fenced.text());
    assert_eq!(first.close(&old).status(), 4);
    assert_eq!(site.landed(), Vec::<String>::new());
    assert_eq!(second.write(&new, 0, b"new").status(), 0);
    assert_eq!(second.close(&new).status(), 0);
    assert_eq!(site.raw(&site.arrivals()[0]), b"new");
}

#[test]
fn writes_may_come_in_any_order_and_sizes_may_be_set() {
    let site = Site::open();
    let mut raw = Raw::connect(&site, "acme");
    let handle = raw.open("/orders/a.bin", NEW).handle();
    let bytes = noise(1_000_000);
    raw.write(&handle, 600_000, &bytes[600_000..800_000]);
    raw.write(&handle, 0, &bytes[..200_000]);
    raw.write(&handle, 100_000, &bytes[100_000..300_000]);
    raw.write(&handle, 300_000, &bytes[300_000..500_000]);
    raw.write(&handle, 500_000, &bytes[500_000..700_000]);
    raw.write(&handle, 800_000, &bytes[800_000..1_000_000]);
    assert_eq!(raw.fstat(&handle).size(), 1_000_000);
    assert_eq!(raw.set_size(&handle, 700_000).status(), 0);
    assert_eq!(raw.set_size(&handle, 700_010).status(), 0);
    assert_eq!(raw.stat("/orders/a.bin").size(), 700_010);
    assert_eq!(
        raw.read(&handle, 699_999, 100).data(),
        [&bytes[699_999..700_000], &[0; 10]].concat()
    );
    assert_eq!(raw.close(&handle).status(), 0);
    let arrival = &site.arrivals()[0];
    let expected = [&bytes[..700_000], &[0; 10]].concat();
    assert_eq!(site.raw(arrival), expected);
    assert_eq!(arrival.digest, digest::of_bytes(&expected));
}

#[test]
fn opening_a_landed_name_without_truncating_starts_from_its_bytes() {
    let site = Site::open();
    let mut raw = Raw::connect(&site, "acme");
    let first = noise(400_000);
    let handle = raw.open("/orders/a.bin", NEW).handle();
    for at in (0..400_000).step_by(100_000) {
        raw.write(&handle, at as u64, &first[at..at + 100_000]);
    }
    assert_eq!(raw.close(&handle).status(), 0);

    let handle = raw.open("/orders/a.bin", CONTINUE).handle();
    assert_eq!(raw.close(&handle).status(), 0);
    assert_eq!(site.arrivals().len(), 1, "nothing was changed, so nothing lands");

    let handle = raw.open("/orders/a.bin", CONTINUE).handle();
    assert_eq!(raw.fstat(&handle).size(), 400_000);
    assert_eq!(raw.write(&handle, 400_000, b"appended").status(), 0);
    assert_eq!(raw.write(&handle, 10, b"changed").status(), 0);
    assert_eq!(raw.close(&handle).status(), 0);
    let mut expected = [&first, b"appended".as_slice()].concat();
    expected[10..17].copy_from_slice(b"changed");
    assert_eq!(site.raw(&site.arrivals()[1]), expected);

    let handle = raw.open("/orders/a.bin", WRITING | APPENDING).handle();
    assert_eq!(raw.write(&handle, 0, b" twice").status(), 0);
    assert_eq!(raw.close(&handle).status(), 0);
    expected.extend_from_slice(b" twice");
    let third = &site.arrivals()[2];
    assert_eq!(site.raw(third), expected);
    assert_eq!(third.digest, digest::of_bytes(&expected));
    assert_eq!(site.raw(&site.arrivals()[0]), first, "what landed never changes");
}

#[test]
fn open_flags_mean_what_they_say() {
    let site = Site::open();
    let mut raw = Raw::connect(&site, "acme");
    assert_eq!(raw.open("/orders/a.csv", WRITING).status(), 2, "nothing to open");
    let handle = raw.open("/orders/a.csv", NEW | EXCLUSIVE).handle();
    assert!(raw.open("/orders/a.csv", NEW | EXCLUSIVE).text().contains("exists"));
    assert_eq!(raw.close(&handle).status(), 0);
    assert_eq!(site.arrivals()[0].size_bytes, 0, "an empty file is a file");
    assert!(raw.open("/orders/a.csv", NEW | EXCLUSIVE).text().contains("exists"));
    let refused = raw.open("/orders/a.csv", READING);
    assert_eq!(refused.status(), 3);
    assert!(refused.text().contains("may not read its files back"), "{}", refused.text());
    let readme = raw.open("/README.txt", READING).handle();
    let size = raw.fstat(&readme).size();
    assert_eq!(raw.read(&readme, 0, 100_000).data().len() as u64, size);
    assert_eq!(raw.read(&readme, size, 10).status(), 1, "the end");
    assert_eq!(raw.write(&readme, 0, b"x").status(), 4);
    assert_eq!(raw.close(b"\xff\xff\xff\xff").status(), 4);
    assert_eq!(raw.close(b"nonsense").status(), 4);
}

#[test]
fn quotas_are_refused_with_the_number_and_the_way_out() {
    let site = Site::open();
    site.change_partner("acme", |acme| acme.quota.staging_bytes = 1000);
    site.change_partner("bolt", |bolt| {
        bolt.quota.bytes_per_day = Some(2000);
        bolt.quota.files_per_day = Some(2);
    });
    let mut raw = Raw::connect(&site, "acme");
    let handle = raw.open("/orders/a.csv", NEW).handle();
    assert_eq!(raw.write(&handle, 0, &[7; 1000]).status(), 0);
    let over = raw.write(&handle, 1000, &[7; 1]).text();
    assert!(over.contains("room for uploads in progress is used up"), "{over}");
    assert_eq!(raw.close(&handle).status(), 4, "a file with a refused write never lands");
    let full = raw.open("/orders/b.csv", NEW).text();
    assert!(full.contains("acme may have 1000 bytes of uploads in progress"), "{full}");
    assert!(full.contains("ask for a higher quota"), "{full}");
    assert_eq!(raw.ask(13, &string("/orders/a.csv")).status(), 0);
    assert_eq!(site.staged_files(), 0);
    assert_eq!(site.landed(), Vec::<String>::new());

    let mut raw = Raw::connect(&site, "bolt");
    let handle = raw.open("/orders/a.csv", NEW).handle();
    assert_eq!(raw.write(&handle, 0, &[7; 1500]).status(), 0);
    let other = raw.open("/orders/b.csv", NEW).handle();
    assert_eq!(raw.write(&other, 0, &[7; 1500]).status(), 0);
    assert_eq!(raw.close(&handle).status(), 0);
    let over = raw.close(&other).text();
    assert!(over.contains("bolt may send 1.9 KiB in 24 hours"), "{over}");
    let handle = raw.open("/orders/c.csv", NEW).handle();
    assert_eq!(raw.write(&handle, 0, &[7; 500]).status(), 0);
    let over = raw.write(&handle, 500, &[7; 1]).text();
    assert!(over.contains("may send no more bytes today"), "{over}");
    let handle = raw.open("/orders/c.csv", NEW).handle();
    assert_eq!(raw.close(&handle).status(), 0);
    let full = raw.open("/orders/d.csv", NEW).text();
    assert!(full.contains("bolt may send 2 files in 24 hours"), "{full}");
    assert_eq!(site.landed(), ["a.csv", "c.csv"]);
    assert!(site.count(|event| matches!(event, Event::FileRefused { .. })) >= 3);
}
