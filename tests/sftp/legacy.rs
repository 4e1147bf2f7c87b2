//! The listener for old clients.

use landfall::config::Legacy;
use landfall::ledger::Event;

use crate::support::{Said, Site};

const OLD: [&str; 8] = [
    "-oKexAlgorithms=diffie-hellman-group14-sha1",
    "-oHostKeyAlgorithms=ecdsa-sha2-nistp256",
    "-oMACs=hmac-sha1",
    "-oCiphers=aes128-cbc",
    "-oStrictHostKeyChecking=no",
    "-oUserKnownHostsFile=/dev/null",
    "-oIdentitiesOnly=yes",
    "-oBatchMode=yes",
];

fn old_client(site: &Site, port: u16, bind: &str) -> Said {
    let mut sftp = site.openssh("sftp", "acme");
    sftp.args(OLD).arg(format!("-oBindAddress={bind}")).arg("-P").arg(port.to_string());
    let batch = site.local(".batch", "ls\n");
    sftp.arg("-b").arg(batch).arg("acme@127.0.0.1");
    let output = sftp.output().expect("sftp runs");
    Said {
        success: output.status.success(),
        out: String::from_utf8_lossy(&output.stdout).into_owned(),
        err: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

#[test]
fn old_algorithms_are_for_the_legacy_listener_and_its_addresses() {
    let site = Site::with(|config| {
        config.sftp.legacy = Some(Legacy {
            listen: ([127, 0, 0, 1], 0).into(),
            from: vec!["127.0.0.2/32".parse().expect("a network")],
        });
    });
    let legacy = site.legacy.expect("it listens").port();
    old_client(&site, legacy, "127.0.0.2").ok();
    assert!(!old_client(&site, legacy, "127.0.0.1").success, "its address is not on the list");
    assert!(!old_client(&site, site.address.port(), "127.0.0.2").success);
    let reason = site.wait_for(|event| match event {
        Event::ConnectionRefused { reason, .. } => Some(reason.clone()),
        _ => None,
    });
    assert!(reason.contains("diffie-hellman-group14-sha1"), "{reason}");
    assert!(reason.contains("[sftp.legacy]"), "{reason}");
    // The default listener shows nothing of it to a client of today.
    site.sftp("acme", "ls\n").ok();
}
