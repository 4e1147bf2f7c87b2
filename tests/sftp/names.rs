//! Names are bytes, never paths, and landed ones stay answerable.

use landfall::names::FileName;

use crate::raw::{CREATING, EXTENDED, READING, Raw, TRUNCATING, WRITING, string};
use crate::support::{Site, noise};

const NEW: u32 = WRITING | CREATING | TRUNCATING;
const SETSTAT: u8 = 9;
const REMOVE: u8 = 13;
const MKDIR: u8 = 14;
const RMDIR: u8 = 15;

fn put(raw: &mut Raw, path: impl AsRef<[u8]>, bytes: &[u8]) {
    let handle = raw.open(path, NEW).handle();
    assert_eq!(raw.write(&handle, 0, bytes).status(), 0);
    let closed = raw.close(&handle);
    assert_eq!(closed.status(), 0, "{}", closed.text());
}

#[test]
fn every_byte_can_be_a_name_or_is_refused_with_a_reason() {
    let site = Site::open();
    let mut raw = Raw::connect(&site, "acme");
    let (mut landed, mut staged) = (Vec::new(), Vec::new());
    for byte in 0..=255_u8 {
        let path = [b"/orders/".as_slice(), &[byte]].concat();
        match byte {
            0 => assert!(raw.open(&path, NEW).text().contains("NUL byte")),
            b'/' | b'.' => assert_eq!(raw.open(&path, NEW).status(), 3, "it is the folder"),
            byte => {
                put(&mut raw, &path, &[byte]);
                let name = FileName::new([byte]).expect("a name");
                if name.is_temporary() { &mut staged } else { &mut landed }.push(name);
            }
        }
    }
    assert_eq!(staged, [FileName::new(*b"~").unwrap()]);
    let arrivals = site.arrivals();
    let names: Vec<&FileName> = arrivals.iter().map(|arrival| &arrival.name).collect();
    assert_eq!(names, landed.iter().collect::<Vec<_>>());
    for arrival in &arrivals {
        assert_eq!(site.raw(arrival), arrival.name.as_bytes());
    }
    let mut listed = raw.list("/orders");
    listed.retain(|name| name != b"." && name != b"..");
    assert_eq!(listed.len(), 253);
    assert_eq!(raw.stat(b"/orders/\xff").size(), 1);
}

#[test]
fn every_byte_can_be_inside_a_name_or_is_refused_with_a_reason() {
    let site = Site::open();
    let mut raw = Raw::connect(&site, "acme");
    let mut sent = Vec::new();
    for byte in 0..=255_u8 {
        let name = [b"a".as_slice(), &[byte], b"b.csv"].concat();
        let path = [b"/orders/".as_slice(), &name].concat();
        if byte == 0 {
            assert!(raw.open(&path, NEW).text().contains("NUL byte"));
            continue;
        }
        put(&mut raw, &path, &[byte]);
        sent.push(name);
    }
    let arrivals = site.arrivals();
    let recorded: Vec<&[u8]> = arrivals.iter().map(|arrival| arrival.name.as_bytes()).collect();
    assert_eq!(recorded, sent, "bit for bit");
    for (arrival, name) in arrivals.iter().zip(&sent) {
        assert_eq!(site.raw(arrival), name[1..2]);
    }
    let mut listed = raw.list("/orders");
    listed.retain(|name| name != b"." && name != b"..");
    // A slash makes a folder of what is before it.
    let mut expected = sent.clone();
    expected.retain(|name| name[1] != b'/');
    expected.push(b"a".to_vec());
    listed.sort();
    expected.sort();
    assert_eq!(listed, expected);
    assert_eq!(raw.list("/orders/a")[2], b"b.csv");
    // A second sending under each name is a new version of that one and no other.
    put(&mut raw, b"/orders/a\xffb.csv", b"again");
    assert_eq!(raw.stat(b"/orders/a\xffb.csv").size(), 5);
    assert_eq!(raw.stat(b"/orders/a\xfeb.csv").size(), 1);
}

#[test]
fn names_that_look_alike_are_different_files() {
    let site = Site::open();
    let mut raw = Raw::connect(&site, "acme");
    let names: [&[u8]; 8] = [
        b"A.csv",
        b"a.csv",
        "\u{e9}.csv".as_bytes(),
        "e\u{301}.csv".as_bytes(),
        b"\xff.csv",
        b"\xfe.csv",
        "\u{202e}vsc.a".as_bytes(),
        b"a\r\n\x1b[2J.csv",
    ];
    for (place, name) in names.iter().enumerate() {
        put(&mut raw, [b"/orders/", *name].concat(), &noise(place + 1));
    }
    for (place, name) in names.iter().enumerate() {
        assert_eq!(raw.stat([b"/orders/", *name].concat()).size(), place as u64 + 1);
    }
    let mut listed = raw.list("/orders").split_off(2);
    let mut expected: Vec<Vec<u8>> = names.iter().map(|name| name.to_vec()).collect();
    listed.sort();
    expected.sort();
    assert_eq!(listed, expected, "bit for bit");
    let long = [b"/orders/".to_vec(), vec![b'x'; 255]].concat();
    put(&mut raw, &long, b"x");
    assert!(raw.open([long, vec![b'x']].concat(), NEW).text().contains("255 bytes"));
    assert_eq!(site.arrivals().len(), 9);
}

#[test]
fn no_path_leads_out() {
    let site = Site::open();
    std::fs::write(site.zone.root().join("outside.csv"), "secret").unwrap();
    let mut raw = Raw::connect(&site, "acme");
    let paths = [
        "/../outside.csv",
        "/orders/../../outside.csv",
        "../outside.csv",
        "/etc/passwd",
        "/.landfall/ledger.db",
        "/archive",
        "/partners/acme.toml",
        "/receipts/../landfall.toml",
        "/receipts/orders/../../../etc/passwd",
        "orders/..",
    ];
    for path in paths {
        let answer = raw.stat(path);
        let is_own_root = matches!(path, "orders/..");
        assert_eq!(answer.kind == 105, is_own_root, "{path}");
        assert_eq!(raw.open(path, READING).kind, 101, "{path}");
        assert_eq!(raw.open(path, NEW).kind, 101, "{path}");
    }
    assert_eq!(site.arrivals().len(), 0);
}

#[test]
fn folders_are_virtual_and_shared_by_sessions() {
    let site = Site::open();
    let mut raw = Raw::connect(&site, "acme");
    let mut other = Raw::connect(&site, "acme");
    let refused = raw.ask(MKDIR, &string("/new"));
    assert_eq!(refused.status(), 3);
    assert!(refused.text().contains("/orders, /stock"), "{}", refused.text());
    assert_eq!(raw.ask(MKDIR, &string("/orders/eu")).status(), 0);
    assert!(raw.ask(MKDIR, &string("/orders/eu")).text().contains("exists"));
    assert_eq!(other.stat("/orders/eu").kind, 105);
    assert_eq!(other.list("/orders/eu"), [b".".to_vec(), b"..".to_vec()]);
    put(&mut other, "/orders/eu/west/a.csv", b"x");
    assert_eq!(raw.list("/orders/eu"), [b".".to_vec(), b"..".to_vec(), b"west".to_vec()]);
    assert_eq!(raw.list("/receipts/orders/eu")[2], b"west");
    assert_eq!(raw.list("/receipts/orders/eu/west")[2], b"a.csv.receipt.json");
    assert!(raw.ask(RMDIR, &string("/orders/eu")).text().contains("not empty"));
    assert!(raw.open("/orders/eu", NEW).text().contains("is a folder"));
    assert_eq!(raw.ask(REMOVE, &string("/orders/eu/west/a.csv")).status(), 0);
    assert_eq!(raw.ask(RMDIR, &string("/orders/eu/west")).status(), 0);
    assert_eq!(raw.ask(RMDIR, &string("/orders/eu")).status(), 0);
    assert_eq!(other.stat("/orders/eu").status(), 2);
    let deep = format!("/orders{}", "/d".repeat(17));
    assert!(raw.ask(MKDIR, &string(deep)).text().contains("16"));
    assert_eq!(site.landed(), ["eu/west/a.csv"]);
}

#[test]
fn folders_of_landed_names_are_there_after_a_restart() {
    let site = Site::open();
    put(&mut Raw::connect(&site, "acme"), "/orders/eu/west/a.csv", b"x");
    let site = site.restart();
    let mut raw = Raw::connect(&site, "acme");
    assert_eq!(raw.stat("/orders/eu/west").kind, 105);
    assert_eq!(raw.list("/orders")[2], b"eu");
}

#[test]
fn landed_files_stay_answerable_from_every_session() {
    let site = Site::open();
    let mut raw = Raw::connect(&site, "acme");
    put(&mut raw, "/orders/a.csv", b"123");
    let mut raw = Raw::connect(&site, "acme");
    assert_eq!(raw.stat("/orders/a.csv").size(), 3);
    let times = |path: &str| [string(path), vec![0, 0, 0, 8, 0, 0, 0, 1, 0, 0, 0, 2]].concat();
    assert_eq!(raw.ask(SETSTAT, &times("/orders/a.csv")).status(), 0);
    assert_eq!(site.arrivals()[0].modified_s, Some(2));
    let size = |bytes: u64| {
        [string("/orders/a.csv"), 1_u32.to_be_bytes().to_vec(), bytes.to_be_bytes().to_vec()]
            .concat()
    };
    assert_eq!(raw.ask(SETSTAT, &size(3)).status(), 0);
    let refused = raw.ask(SETSTAT, &size(2));
    assert!(
        refused.text().contains("has landed and its bytes cannot change"),
        "{}",
        refused.text()
    );
    assert_eq!(raw.ask(SETSTAT, &times("/orders")).status(), 0, "folders' times are taken");
    let lsetstat = [string("lsetstat@openssh.com"), times("/orders/a.csv")].concat();
    assert_eq!(raw.ask(EXTENDED, &lsetstat).status(), 0);
}

#[test]
fn renames_refuse_or_supersede_as_asked() {
    let site = Site::open();
    let mut raw = Raw::connect(&site, "acme");
    put(&mut raw, "/orders/a.csv", b"first");
    put(&mut raw, "/orders/b.csv", b"second");
    assert_eq!(raw.rename("/orders/a.csv", "/orders/b.csv").status(), 4);
    assert_eq!(raw.rename("/orders/none", "/orders/x").status(), 2);
    assert!(raw.rename("/orders/a.csv", "/stock/a.csv").text().contains("cannot move to stock"));
    assert_eq!(raw.rename("/orders/a.csv", "/a.csv").status(), 3);
    assert_eq!(raw.posix_rename("/orders/a.csv", "/orders/b.csv").status(), 0);
    assert_eq!(raw.stat("/orders/b.csv").size(), 5);
    assert_eq!(raw.stat("/orders/a.csv").status(), 2);
    put(&mut raw, "/orders/c.csv.part", b"third, longer");
    assert_eq!(raw.rename("/orders/c.csv.part", "/orders/b.csv").status(), 4);
    assert_eq!(raw.posix_rename("/orders/c.csv.part", "/orders/b.csv").status(), 0);
    assert_eq!(raw.stat("/orders/b.csv").size(), 13);
    put(&mut raw, "/orders/d.part", b"x");
    assert!(raw.rename("/orders/b.csv", "/orders/d.part").text().contains("in progress"));
}

#[test]
fn what_there_is_not_is_refused_with_a_sentence() {
    let site = Site::open();
    let mut raw = Raw::connect(&site, "acme");
    let symlink = raw.ask(20, &[string("/a"), string("/orders/b")].concat());
    assert_eq!((symlink.status(), symlink.text().contains("no links")), (8, true));
    assert_eq!(raw.ask(19, &string("/orders")).status(), 8);
    assert_eq!(raw.ask(99, b"").status(), 8);
    let copy = [string("copy-data"), string("1"), vec![0; 16], string("2"), vec![0; 8]].concat();
    assert_eq!(raw.ask(EXTENDED, &copy).status(), 8);
    assert_eq!(raw.ask(SETSTAT, b"\0\0\0\x09x").status(), 5, "a malformed request");
    assert!(raw.open("/x.csv", NEW).text().contains("/orders, /stock"));
    assert_eq!(raw.open("/receipts/orders/x", NEW).status(), 3);
    assert!(raw.open("/orders", READING).text().contains("is a folder"));
    for name in 0..256 {
        raw.open(format!("/orders/{name}"), NEW).handle();
    }
    let refused = raw.open("/orders/one-more", NEW).text();
    assert!(refused.contains("256 files and folders are open"), "{refused}");
}

#[test]
fn aliases_lead_to_feeds() {
    let site = Site::open();
    site.change_partner("acme", |acme| {
        acme.aliases = [("/outgoing".to_owned(), "stock".parse().unwrap())].into();
    });
    site.local("a.csv", "x\n1\n");
    site.sftp("acme", "cd /outgoing\nput a.csv\nls a.csv\n").ok();
    assert_eq!(site.arrivals()[0].feed.as_str(), "stock");
}

#[test]
fn a_long_listing_comes_in_pages() {
    let site = Site::open();
    let mut raw = Raw::connect(&site, "acme");
    for name in 0..300 {
        put(&mut raw, format!("/orders/{name:03}{}", "x".repeat(200)), b"");
    }
    let names = raw.list("/orders");
    assert_eq!(names.len(), 302);
    assert_eq!(raw.list("/receipts/orders").len(), 602);
}
