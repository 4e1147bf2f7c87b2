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

#[test]
fn a_connection_runs_any_number_of_commands_one_after_the_other() {
    let site = Site::open();
    site.local("a.csv", "x\n1\n");
    site.sftp("acme", "put a.csv orders/\n").ok();
    let socket = site.client().join("shared");
    let shared = format!("ControlPath={}", socket.display());
    let port = site.address.port().to_string();
    let ssh = |options: &[&str], words: &[&str]| {
        let mut ssh = site.openssh("ssh", "acme");
        ssh.args(["-o", &shared, "-p", &port]).args(options).arg("acme@127.0.0.1").args(words);
        ssh.stderr(std::process::Stdio::null()).output().expect("ssh runs")
    };
    // More than may be open at once.
    for _ in 0..25 {
        let sharing = ["-o", "ControlMaster=auto", "-o", "ControlPersist=60"];
        let said = ssh(&sharing, &["sha256sum", "/orders/a.csv"]);
        assert!(said.status.success() && said.stdout.ends_with(b"  /orders/a.csv\n"), "{said:?}");
    }
    assert!(ssh(&["-O", "exit"], &[]).status.success());
    assert_eq!(site.count(|event| matches!(event, Event::LoggedIn { .. })), 2, "they shared one");
}
