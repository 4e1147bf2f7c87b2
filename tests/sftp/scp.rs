//! SCP as it was before SFTP, with OpenSSH's `scp -O` and with bytes of our own.

use std::fs;
use std::io::Write as _;
use std::os::unix::ffi::OsStrExt as _;
use std::process::{Child, Stdio};

use landfall::ledger::Event;

use crate::support::{Site, noise, read};

#[test]
fn scp_sends_files_with_times_and_fetches_their_receipts() {
    let site = Site::open();
    site.add_partner("acme", |acme| {
        acme.feeds = vec![crate::support::feed("orders"), crate::support::feed("stock")];
        acme.read_back = landfall::config::partner::ReadBack::Always;
    });
    let odd = "a b 'ü\".csv";
    let path = site.local(odd, noise(300_000));
    let times = fs::FileTimes::new()
        .set_modified(std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_700_000_000));
    fs::File::options().write(true).open(&path).expect("open").set_times(times).expect("set");
    site.scp("acme", &["-O", "-p", odd, "{}orders/"]).ok();
    site.local("small.csv", "x");
    site.local("none.csv", "");
    site.scp("acme", &["-O", "small.csv", "{}orders/renamed.csv"]).ok();
    site.scp("acme", &["-O", "small.csv", "none.csv", "{}stock"]).ok();
    assert_eq!(site.landed(), [odd, "renamed.csv", "small.csv", "none.csv"]);
    let first = &site.arrivals()[0];
    assert_eq!(site.raw(first), read(&path));
    assert_eq!(first.modified_s, Some(1_700_000_000));

    site.scp("acme", &["-O", "{}receipts/orders/renamed.csv.receipt.json", "."]).ok();
    let receipt = read(site.client().join("renamed.csv.receipt.json"));
    assert!(String::from_utf8_lossy(&receipt).contains("landfall.receipt/v1"));
    fs::create_dir(site.client().join("back")).expect("made");
    site.scp("acme", &["-O", "-p", "{}orders/*", "back"]).ok();
    assert_eq!(read(site.client().join("back").join(odd)), read(&path));
    let modified = fs::metadata(site.client().join("back").join(odd)).expect("there").modified();
    let since = modified.expect("a time").duration_since(std::time::UNIX_EPOCH).expect("later");
    assert_eq!(since.as_secs(), 1_700_000_000);
    site.scp("acme", &["-O", "-r", "{}orders", "all"]).ok();
    assert_eq!(read(site.client().join("all/renamed.csv")), b"x");
}

#[test]
fn scp_sends_folders_and_goes_on_after_a_refusal() {
    let site = Site::open();
    for name in ["tree/a.csv", "tree/sub/b.csv", "tree/sub/deeper/c.csv"] {
        site.local(name, name);
    }
    site.scp("acme", &["-O", "-r", "tree", "{}orders"]).ok();
    let mut landed = site.landed();
    landed.sort();
    assert_eq!(landed, ["tree/a.csv", "tree/sub/b.csv", "tree/sub/deeper/c.csv"]);

    site.local("x.csv", "x");
    site.scp("acme", &["-O", "x.csv", "{}"]).refused("can only be made in one of");
    site.scp("acme", &["-O", "x.csv", "{}nowhere/x.csv"]).refused("can only be made in one of");
    site.scp("acme", &["-O", "{}orders/none.csv", "."]).refused("no such file");
    site.scp("acme", &["-O", "{}orders/tree", "."]).refused("use -r");
    site.scp("bolt", &["-O", "{}tree/a.csv", "."]).refused("no such file");
    site.scp("acme", &["-O", "{}orders/tree/a.csv", "."]).refused("may not read its files back");
    // The first is refused, the second is taken.
    site.local("README.txt", "mine");
    let said = site.scp("acme", &["-O", "README.txt", "x.csv", "{}/orders/missing/"]);
    assert!(!said.success, "{}", said.all());
    assert_eq!(site.arrivals().len(), 3);
}

#[test]
fn a_temporary_name_waits_for_its_rename_also_over_scp() {
    let site = Site::open();
    site.local("a.csv.part", "abc");
    site.scp("acme", &["-O", "a.csv.part", "{}orders/"]).ok();
    assert!(site.landed().is_empty());
    site.sftp("acme", "rename orders/a.csv.part orders/a.csv\n").ok();
    assert_eq!(site.landed(), ["a.csv"]);
}

/// `scp -t` at the other end of a pipe.
struct Pipe(Child);

impl Pipe {
    fn open(site: &Site, command: &[u8]) -> Self {
        let mut ssh = site.openssh("ssh", "acme");
        ssh.arg("-p").arg(site.address.port().to_string()).arg("acme@127.0.0.1");
        ssh.arg(std::ffi::OsStr::from_bytes(command));
        ssh.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        Self(ssh.spawn().expect("ssh starts"))
    }

    /// Says all this and nothing more; what was answered, and the exit status.
    fn say(mut self, bytes: &[u8]) -> (Vec<u8>, Option<i32>) {
        self.0.stdin.take().expect("its input").write_all(bytes).expect("written");
        let output = self.0.wait_with_output().expect("ended");
        (output.stdout, output.status.code())
    }
}

#[test]
fn bodies_that_are_too_short_or_disowned_are_not_taken() {
    let site = Site::open();
    let say = |bytes: &[u8]| Pipe::open(&site, b"scp -t orders").say(bytes);
    let (answer, status) = say(b"C0644 10 short.csv\nabc");
    assert_eq!((answer.as_slice(), status), (&b"\0\0"[..], Some(1)));
    site.wait_for(|event| matches!(event, Event::UploadInterrupted { .. }).then_some(()));
    let (answer, status) = say(b"C0644 3 broken.csv\nabc\x01read error\nC0644 2 next.csv\nok\0");
    assert_eq!(status, Some(1));
    assert!(answer.starts_with(b"\0\0\x01scp: /orders/broken.csv: not taken"), "{answer:?}");
    assert!(answer.ends_with(b"\0\0"));
    assert_eq!(site.landed(), ["next.csv"]);
    // Bytes beyond the declared size are no file's: the protocol is lost.
    let (answer, status) = say(b"C0644 2 long.csv\nabcdef\n");
    assert_eq!(status, Some(1));
    assert!(answer.starts_with(b"\0\0\x01"), "{answer:?}");
    assert_eq!(site.landed(), ["next.csv"]);
}

#[test]
fn lines_that_make_no_sense_end_the_channel_and_names_never_lead_away() {
    let site = Site::open();
    let say = |bytes: &[u8]| Pipe::open(&site, b"scp -r -t orders").say(bytes);
    for line in ["C0644 1 ../x\n", "C0644 1 /etc/x\n", "D0755 0 ..\n", "C0644 1 .\n"] {
        let (answer, status) = say(line.as_bytes());
        assert!(answer.starts_with(b"\0\x01") && status == Some(1), "{line} {answer:?}");
    }
    for line in [&b"E\n"[..], b"hello\n", &[b'C'; 5000], b"C0644 x y\n"] {
        let (answer, status) = say(line);
        assert!(answer.starts_with(b"\0\x02") && status == Some(1), "{line:?} {answer:?}");
    }
    let (_, status) = Pipe::open(&site, b"scp -x").say(b"");
    assert_eq!(status, Some(1));
    assert!(site.landed().is_empty());
}

#[test]
fn sums_are_those_of_coreutils() {
    let site = Site::open();
    let path = site.local("a b.csv", noise(3_000_000));
    site.sftp("acme", "put 'a b.csv' orders/\n").ok();
    for command in ["md5sum", "sha1sum", "sha256sum"] {
        let ours = site.ssh("acme", &[&format!("{command} '/orders/a b.csv'")]).ok();
        let theirs = std::process::Command::new(command).arg(&path).output().expect("it runs");
        let sum = |text: &[u8]| String::from_utf8_lossy(text).split(' ').next().map(str::to_owned);
        assert_eq!(sum(ours.all().as_bytes()), sum(&theirs.stdout), "{command}");
        let (answer, status) = Pipe::open(&site, command.as_bytes()).say(b"abc");
        assert_eq!(status, Some(0));
        assert!(answer.ends_with(b"  -\n"), "{answer:?}");
        site.ssh("acme", &[&format!("{command} orders/none")]).refused("no such file has landed");
    }
}

#[test]
fn a_large_file_goes_both_ways_over_scp() {
    let site = Site::open();
    site.add_partner("acme", |acme| {
        acme.feeds = vec![crate::support::feed("orders")];
        acme.read_back = landfall::config::partner::ReadBack::Always;
    });
    let path = site.local("big.bin", noise(96 << 20));
    // Keys are exchanged anew several times on the way.
    let limit = "RekeyLimit=16M";
    site.scp("acme", &["-O", "-o", limit, "big.bin", "{}"]).ok();
    site.scp("acme", &["-O", "-o", limit, "{}big.bin", "back.bin"]).ok();
    assert_eq!(read(site.client().join("back.bin")), read(path));
}
