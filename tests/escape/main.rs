//! Nobody reaches a path, a byte or a command beyond their own.
//!
//! A thousand paths that try to lead out of a partner's view, with every operation of SFTP, SCP and
//! the sums, at the real server; meanwhile somebody who can write to the drop folder swaps files,
//! subfolders and the folder's own `_done` and `_rejected` for links that lead out. The drop folder
//! is the one place inside a zone that outsiders can write to: staging, archive and `.landfall`
//! belong to the server's user alone, and whoever is that user needs no links.
//!
//! Outside lies a folder of canaries. Nothing in it is read, written, listed or made: the kernel
//! tells of every opening there, and nothing that comes back has a canary's name, bytes or size.

#![allow(
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::wildcard_enum_match_arm,
    missing_docs,
    reason = "tests"
)]

mod outside;
mod paths;
#[path = "../sftp/raw.rs"]
mod raw;
mod shell;
#[path = "../support/sftp.rs"]
mod support;
mod swapping;
#[path = "../support/mod.rs"]
mod zone;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use outside::{CANARY, Outside, SIZE};
use raw::{APPENDING, CREATING, EXCLUSIVE, EXTENDED, READING, Raw, TRUNCATING, WRITING, string};
use swapping::Swapper;
use zone::{Server, TestZone};

/// Requests that name one path.
const ON_A_PATH: [u8; 10] = [7, 9, 11, 13, 14, 15, 16, 17, 19, 20];
/// Extensions that name one path.
const EXTENSIONS_ON_A_PATH: [&str; 4] =
    ["statvfs@openssh.com", "expand-path@openssh.com", "lsetstat@openssh.com", "check-file-name"];
const SETSTAT: u8 = 9;
const SYMLINK: u8 = 20;
const OWN: &str = "/orders/own.csv";
/// What is written wherever it can be.
const EVIL: &[u8] = b"id\nevil\n";

fn connect(server: &Server, key: &Path) -> Raw {
    let mut command = Command::new("ssh");
    let options = server.ssh_options(key);
    // `-P` is another option of ssh's.
    let options = options.iter().map(|option| if option == "-P" { "-p" } else { option.as_str() });
    command.args(options).args(["-s", "acme@127.0.0.1", "sftp"]);
    Raw::over(command)
}

/// Everything that names `path`, one request each, as SFTP packets' types and bodies.
fn requests(path: &[u8]) -> Vec<(u8, Vec<u8>)> {
    let named = string(path);
    let times = [vec![0, 0, 0, 12], vec![0, 0, 1, 0x80], vec![0, 0, 0, 1, 0, 0, 0, 2]].concat();
    let mut all = Vec::new();
    for kind in ON_A_PATH {
        let more = match kind {
            SETSTAT => times.clone(),
            SYMLINK => string("/orders/link"),
            _ => vec![0; 4],
        };
        // Handles of raw::OPENDIR are opened one by one.
        if kind != raw::OPENDIR {
            all.push((kind, [named.clone(), more].concat()));
        }
    }
    all.push((SYMLINK, [string("/orders/own.csv"), named.clone()].concat()));
    for extension in EXTENSIONS_ON_A_PATH {
        let more = match extension {
            "check-file-name" => [string("sha256,md5"), vec![0; 20]].concat(),
            _ => times.clone(),
        };
        all.push((EXTENDED, [string(extension), named.clone(), more].concat()));
    }
    for extension in ["posix-rename@openssh.com", "hardlink@openssh.com"] {
        let (own, from) = (string(OWN), string("/orders/taken.csv"));
        all.push((EXTENDED, [string(extension), named.clone(), from].concat()));
        all.push((EXTENDED, [string(extension), own, named.clone()].concat()));
    }
    all.push((18, [named.clone(), string("/orders/taken.csv")].concat()));
    all.push((18, [string(OWN), named].concat()));
    all
}

/// Fails if an answer has anything of the canaries.
fn look_at(answer: &raw::Answer, path: &[u8]) {
    outside::inspect(path, &answer.body);
    if answer.kind == 105 {
        assert_ne!(answer.size(), SIZE, "{}", path.escape_ascii());
    }
}

fn try_everything(raw: &mut Raw, path: &[u8]) {
    for flags in [
        READING,
        WRITING | CREATING | TRUNCATING,
        WRITING | CREATING | APPENDING,
        WRITING | CREATING | EXCLUSIVE,
    ] {
        let opened = raw.open(path, flags);
        if opened.kind != raw::HANDLE {
            continue;
        }
        let handle = opened.handle();
        if flags == READING {
            let read = raw.read(&handle, 0, 65536);
            look_at(&read, path);
        } else {
            raw.write(&handle, 0, EVIL);
        }
        raw.close(&handle);
    }
    let opened = raw.ask(raw::OPENDIR, &string(path));
    if opened.kind == raw::HANDLE {
        let page = raw.ask(raw::READDIR, &string(opened.handle()));
        look_at(&page, path);
        raw.close(&opened.handle());
    }
    let requests = requests(path);
    let mut packets = Vec::new();
    for (id, (kind, body)) in (500_000..).zip(&requests) {
        packets.extend(raw::packet(*kind, id, body));
    }
    raw.write_all(&packets);
    for (id, (kind, _)) in (500_000..).zip(&requests) {
        let answer = raw.answer();
        assert_eq!(answer.id, id);
        look_at(&answer, path);
        let is_link = matches!(kind, 19 | 20);
        assert!(!is_link || answer.status() == 8, "there are no links");
    }
}

fn entries(folder: &Path) -> BTreeSet<String> {
    let names = fs::read_dir(folder).expect("listed").flatten();
    names.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
}

#[test]
fn a_thousand_paths_with_every_operation_lead_nowhere_else() {
    let zone = TestZone::new(
        "[zone]\ndurability = \"relaxed\"\n[sftp]\nlisten = \"127.0.0.1:0\"\n\
         [feed.orders]\n[feed.stock]\n",
    );
    let key = zone.partner("acme", &["orders", "stock"], "read_back = true\n");
    let outside = Outside::new();
    // A canary inside the zone, where no partner may look either.
    let inner = zone.path().join(format!("{CANARY}.txt"));
    fs::write(&inner, outside.bytes()).unwrap();
    let server = zone.serve();
    let partners = entries(&zone.path().join("partners"));
    let swapper = Swapper::start(&zone.inbox("orders"), outside.path());

    let paths = paths::all(outside.path(), zone.path());
    assert!(paths.len() >= 1000, "{}", paths.len());
    let mut raw = connect(&server, &key);
    for path in &paths {
        let own = raw.open(OWN, WRITING | CREATING | TRUNCATING).handle();
        raw.write(&own, 0, b"own");
        raw.close(&own);
        try_everything(&mut raw, path);
    }
    raw.end();
    shell::try_everything(&server, &key, &paths);

    let swaps = swapper.stop();
    assert!(swaps > 1000, "{swaps}");
    // The drop folder has been looked at all the time, and still is.
    fs::write(zone.inbox("orders").join("last.csv"), "id\n1\n").unwrap();
    zone.wait_until("the drop folder's last file", |ledger| {
        zone::all(ledger).iter().any(|arrival| arrival.name.as_bytes() == b"last.csv")
    });
    for arrival in zone::all(&zone.ledger()) {
        let raw = fs::read(zone.path().join(arrival.raw.as_str())).expect("archived");
        outside::inspect(arrival.name.as_bytes(), &raw);
    }
    assert_eq!(fs::read(&inner).unwrap(), outside.bytes());
    assert_eq!(entries(&zone.path().join("partners")), partners);
    let known = ["acme.key", "acme.key.pub", "serve.log", "landfall.toml", "partners", "inbox"]
        .into_iter()
        .chain([".landfall", "archive", "lake", "rejects", "retracted"]);
    let known: BTreeSet<String> =
        known.map(str::to_owned).chain([format!("{CANARY}.txt")]).collect();
    let unknown: Vec<_> = entries(zone.path()).difference(&known).cloned().collect();
    assert_eq!(unknown, Vec::<String>::new());
    outside.is_untouched();
    server.stop();
}
