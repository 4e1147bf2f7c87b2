//! What an account may use up, and what is said when it does.

use landfall::diagnostic::Code;
use landfall::ledger::Event;

use crate::support::{Site, noise, read};

fn told(site: &Site, code: Code) -> String {
    site.wait_for(|event| match event {
        Event::FileRefused { diagnostic, .. } if diagnostic.code == code => {
            Some(diagnostic.summary.clone())
        }
        _ => None,
    })
}

#[test]
fn a_file_that_is_too_large_is_refused_and_others_are_not() {
    let site = Site::open();
    site.change_partner("acme", |acme| acme.quota.file_bytes = Some(100_000));
    site.local("large.bin", noise(100_001));
    site.local("largest.bin", noise(100_000));
    assert!(!site.sftp("acme", "put large.bin orders/\n").success);
    site.sftp("acme", "put largest.bin orders/\n").ok();
    // SCP says the size before it sends, so not a byte is.
    site.scp("acme", &["-O", "large.bin", "{}orders/"]).refused("may send files of up to");
    assert!(told(&site, Code::R103).contains("97.6 KiB"));
    assert_eq!(site.landed(), ["largest.bin"]);
}

#[test]
fn a_limited_partner_still_sends_whole_files() {
    let site = Site::open();
    site.change_partner("acme", |acme| {
        acme.quota.bandwidth_bytes_s = Some(4_000_000);
        acme.read_back = landfall::config::partner::ReadBack::Always;
    });
    let path = site.local("a.bin", noise(3_000_000));
    site.sftp("acme", "put a.bin orders/\nget orders/a.bin back.bin\n").ok();
    assert_eq!(read(site.client().join("back.bin")), read(path));
}

#[test]
fn reading_back_ends_and_receipts_stay() {
    let site = Site::open();
    let allow = |time: std::time::Duration| {
        site.change_partner("acme", |acme| {
            acme.read_back = landfall::config::partner::ReadBack::For(time);
        });
    };
    allow(std::time::Duration::from_secs(3600));
    site.local("a.csv", "a");
    site.sftp("acme", "put a.csv orders/\nget orders/a.csv back.csv\n").ok();
    allow(std::time::Duration::ZERO);
    let said = site.sftp("acme", "ls -l orders/a.csv\nget orders/a.csv again.csv\n");
    assert!(!said.success && said.out.contains("a.csv"), "{}", said.all());
    site.sftp("acme", "get receipts/orders/a.csv.receipt.json receipt\n").ok();
}
