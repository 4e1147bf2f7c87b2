//! The clients that partners have, each against the SFTP door. A cell passes, or says why it is not
//! there:
//!
//! | client | put | times | folder | resume | rename | list | stat | receipt |
//! |---|---|---|---|---|---|---|---|---|
//! | OpenSSH sftp | yes | yes | yes | yes | yes | yes | `ls -l FILE` | yes |
//! | OpenSSH scp, scp -O | yes | yes | yes | 1 | 1 | 1 | 1 | yes |
//! | lftp | yes | yes | yes | yes | yes | yes | `cls -l FILE` | yes |
//! | curl | yes | quote `mtime` | 2 | yes | quote `rename` | yes | `--remote-time` | yes |
//! | rclone | yes | yes | yes | 3 | yes | yes | `lsl`, sums | yes |
//! | psftp | yes | 4 | yes | yes | yes | yes | `ls FILE` | yes |
//! | pscp, pscp -scp | yes | yes | yes | 1 | 1 | `-ls` | 1 | yes |
//! | sshfs | yes | yes | yes | appends | yes | yes | yes | yes |
//! | paramiko | yes | yes | 5 | yes | yes | yes | yes | yes |
//! | asyncssh | yes | yes | yes | yes | yes | yes | yes | yes |
//! | ssh2-sftp-client | yes | 6 | yes | yes | yes | yes | yes | yes |
//!
//! 1. The program copies and does nothing else (`pscp -ls` lists over SFTP alone).
//! 2. curl sends files one by one; it makes the folders they need.
//! 3. rclone sends whole files only: it has nothing to resume.
//! 4. psftp has no command for times; pscp, beside it, has `-p`.
//! 5. paramiko has no call for folders; the program makes them and sends file by file.
//! 6. By `utimes` of the ssh2 connection inside, since the client has no call of its own.
//!
//! A client that cannot be run here (no /dev/fuse for sshfs) is skipped loudly.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, UNIX_EPOCH};

use crate::support::{Site, noise, read};

/// Modification time of everything that is sent with times.
const MODIFIED_S: u32 = 1_700_000_000;

/// A site where `acme` may read its files back, and what every client sends.
struct Bench {
    site: Site,
}

impl Bench {
    fn open() -> Self {
        Self::over(Site::open())
    }

    fn over(site: Site) -> Self {
        site.add_partner("acme", |acme| {
            acme.feeds = vec![crate::support::feed("orders"), crate::support::feed("stock")];
            acme.read_back = landfall::config::partner::ReadBack::Always;
        });
        for name in ["a.csv", "tree/b.csv", "tree/sub/c.csv", "resumed.csv"] {
            let path = site.local(name, noise(70_000));
            let file = fs::File::options().write(true).open(path).expect("open");
            let modified = UNIX_EPOCH + Duration::from_secs(MODIFIED_S.into());
            file.set_times(fs::FileTimes::new().set_modified(modified)).expect("set");
        }
        Self { site }
    }

    /// The first half of `resumed.csv` is sent and its upload broken off.
    fn break_off(&self) {
        let half = read(self.path("resumed.csv"))[..35_000].to_vec();
        let program = "import os, sys, paramiko\n\
            key = paramiko.Ed25519Key.from_private_key_file(sys.argv[1])\n\
            t = paramiko.Transport(('127.0.0.1', int(sys.argv[2])))\n\
            t.connect(username='acme', pkey=key)\n\
            f = paramiko.SFTPClient.from_transport(t).open('/orders/resumed.csv', 'wb')\n\
            f.write(open(sys.argv[3], 'rb').read()); f.flush(); f.stat()\n\
            os._exit(0)\n";
        let half = self.site.local(".half", half);
        self.python(program, &[half.to_str().expect("a path")]);
        self.site.wait_for(|event| {
            matches!(event, landfall::ledger::Event::UploadInterrupted { .. }).then_some(())
        });
    }

    fn path(&self, name: &str) -> PathBuf {
        self.site.client().join(name)
    }

    fn port(&self) -> String {
        self.site.address.port().to_string()
    }

    fn run(&self, command: &mut Command) -> String {
        command.current_dir(self.site.client()).env("HOME", self.site.client());
        let program = command.get_program().to_owned();
        let output = command.output().unwrap_or_else(|error| {
            panic!("{} cannot be run ({error}); tests/setup installs it", program.display())
        });
        let said = format!(
            "{}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
        assert!(
            output.status.success(),
            "{}: {said}\n{:#?}",
            program.display(),
            self.site.ledger.events(0, 1000)
        );
        said
    }

    /// Runs a program in the Python of the tests with the key, the port and these arguments.
    fn python(&self, program: &str, arguments: &[&str]) -> String {
        let python = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/tests-python/bin/python");
        let mut command = Command::new(python);
        command.arg("-c").arg(program).arg(self.site.key("acme")).arg(self.port());
        self.run(command.args(arguments))
    }

    /// A name that landed last must have the bytes of this file.
    #[track_caller]
    fn has(&self, name: &str, source: &str) {
        let arrivals = self.site.arrivals();
        let arrival = arrivals.iter().rev().find(|arrival| arrival.name.to_string() == name);
        let arrival =
            arrival.unwrap_or_else(|| panic!("{name} is not in {:?}", self.site.landed()));
        assert_eq!(self.site.raw(arrival), read(self.path(source)), "{name}");
    }

    #[track_caller]
    fn has_time(&self, name: &str) {
        let arrivals = self.site.arrivals();
        let arrival = arrivals.iter().rev().find(|arrival| arrival.name.to_string() == name);
        assert_eq!(arrival.expect("landed").modified_s, Some(MODIFIED_S), "{name}");
    }

    /// What was fetched has the bytes and the time of what was sent.
    #[track_caller]
    fn is_back(&self, fetched: &str, source: &str) {
        assert_eq!(read(self.path(fetched)), read(self.path(source)));
        let modified = fs::metadata(self.path(fetched)).expect("there").modified().expect("a time");
        let seconds = modified.duration_since(UNIX_EPOCH).expect("later").as_secs();
        assert_eq!(seconds, u64::from(MODIFIED_S), "{fetched}");
    }

    #[track_caller]
    fn receipt(&self, text: &str) {
        assert!(text.contains("landfall.receipt/v1"), "{text}");
    }
}

#[test]
fn openssh_sftp() {
    let bench = Bench::open();
    bench.break_off();
    let site = &bench.site;
    let said = site
        .sftp(
            "acme",
            "put -p a.csv orders/\nput -rp tree orders/\nreput resumed.csv orders/\n\
             rename orders/a.csv orders/renamed.csv\nls -l orders\nls -l orders/renamed.csv\n\
             get receipts/orders/renamed.csv.receipt.json receipt\n",
        )
        .ok();
    assert!(said.all().contains("renamed.csv"), "{}", said.all());
    bench.has("renamed.csv", "a.csv");
    bench.has_time("renamed.csv");
    bench.has("tree/sub/c.csv", "tree/sub/c.csv");
    bench.has_time("tree/b.csv");
    bench.has("resumed.csv", "resumed.csv");
    bench.receipt(&String::from_utf8_lossy(&read(bench.path("receipt"))));
}

#[test]
fn openssh_scp_in_both_modes() {
    for mode in [None, Some("-O")] {
        let bench = Bench::open();
        let scp = |arguments: &[&str]| {
            let arguments: Vec<&str> = mode.iter().chain(arguments).copied().collect();
            bench.site.scp("acme", &arguments).ok();
        };
        scp(&["-p", "a.csv", "{}orders/"]);
        scp(&["-rp", "tree", "{}orders/"]);
        scp(&["{}receipts/orders/a.csv.receipt.json", "receipt"]);
        bench.has("a.csv", "a.csv");
        bench.has_time("a.csv");
        bench.has("tree/sub/c.csv", "tree/sub/c.csv");
        bench.has_time("tree/b.csv");
        bench.receipt(&String::from_utf8_lossy(&read(bench.path("receipt"))));
    }
}

#[test]
fn lftp() {
    let bench = Bench::open();
    bench.break_off();
    let connect = format!(
        "set sftp:auto-confirm yes; set net:max-retries 1; set sftp:connect-program \"ssh -a -x \
         -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o IdentitiesOnly=yes -i {}\"; \
         open -u acme,none -p {} sftp://127.0.0.1; ",
        bench.site.key("acme").display(),
        bench.port()
    );
    let lftp =
        |script: &str| bench.run(Command::new("lftp").arg("-c").arg(connect.clone() + script));
    lftp("put a.csv -o orders/a.csv");
    lftp("mirror -R tree orders/tree");
    lftp("put -c resumed.csv -o orders/resumed.csv");
    lftp("mv orders/a.csv orders/renamed.csv");
    assert!(lftp("cls -l orders").contains("renamed.csv"));
    assert!(lftp("cls -l orders/renamed.csv").contains("70000"));
    bench.receipt(&lftp("cat receipts/orders/renamed.csv.receipt.json"));
    bench.has("renamed.csv", "a.csv");
    bench.has_time("renamed.csv");
    bench.has_time("tree/b.csv");
    bench.has("tree/sub/c.csv", "tree/sub/c.csv");
    bench.has("resumed.csv", "resumed.csv");
}

/// With libssh2 before 1.11 it knows no MAC of the hardened list, and so takes the legacy listener.
#[test]
fn curl() {
    let bench = Bench::over(Site::with(|config| {
        config.sftp.legacy = Some(landfall::config::Legacy {
            listen: ([127, 0, 0, 1], 0).into(),
            from: vec!["127.0.0.0/8".parse().expect("a network")],
        });
    }));
    bench.break_off();
    let port = bench.site.legacy.expect("it listens").port();
    let url = |path: &str| format!("sftp://acme@127.0.0.1:{port}{path}");
    let curl = |arguments: &[&str]| {
        let mut command = Command::new("curl");
        command.args(["-sS", "--insecure", "--key"]).arg(bench.site.key("acme"));
        command.arg("--pubkey").arg(bench.site.key("acme").with_extension("pub"));
        bench.run(command.args(arguments))
    };
    let set_time = "-mtime \"Tue, 14 Nov 2023 22:13:20 GMT\" /orders/a.csv";
    curl(&["-T", "a.csv", &url("/orders/a.csv"), "-Q", set_time]);
    curl(&["--ftp-create-dirs", "-T", "tree/sub/c.csv", &url("/orders/tree/sub/c.csv")]);
    curl(&["-C", "-", "-T", "resumed.csv", &url("/orders/resumed.csv")]);
    let listed = curl(&["-Q", "rename /orders/a.csv /orders/renamed.csv", &url("/orders/")]);
    assert!(listed.contains("renamed.csv"), "{listed}");
    curl(&["--remote-time", "-o", "back.csv", &url("/orders/renamed.csv")]);
    bench.is_back("back.csv", "a.csv");
    bench.receipt(&curl(&[&url("/receipts/orders/renamed.csv.receipt.json")]));
    bench.has("renamed.csv", "a.csv");
    bench.has_time("renamed.csv");
    bench.has("tree/sub/c.csv", "tree/sub/c.csv");
    bench.has("resumed.csv", "resumed.csv");
}

/// The commands for sums are told to it: version 1.60 finds them by itself, but asks for other files' sums while it still looks.
#[test]
fn rclone() {
    let bench = Bench::open();
    let remote = format!(
        ":sftp,host=127.0.0.1,port={},user=acme,key_file={},shell_type=unix,\
         md5sum_command=md5sum,sha1sum_command=sha1sum:",
        bench.port(),
        bench.site.key("acme").display()
    );
    let rclone = |arguments: &[&str]| {
        let mut command = Command::new("rclone");
        command.args(["--config", "/dev/null", "--retries", "1", "--low-level-retries", "1"]);
        let arguments = arguments.iter().map(|word| word.replace("{}", &remote));
        bench.run(command.args(arguments))
    };
    rclone(&["copyto", "a.csv", "{}orders/a.csv"]);
    rclone(&["copy", "tree", "{}orders/tree"]);
    // Sizes, times and, through `md5sum` or `sha1sum` over exec, sums agree.
    rclone(&["check", "tree", "{}orders/tree"]);
    rclone(&["moveto", "{}orders/a.csv", "{}orders/renamed.csv"]);
    assert!(rclone(&["lsl", "{}orders"]).contains("renamed.csv"));
    let sums = rclone(&["md5sum", "{}orders/tree"]);
    assert!(sums.contains("sub/c.csv"), "{sums}");
    bench.receipt(&rclone(&["cat", "{}receipts/orders/renamed.csv.receipt.json"]));
    bench.has("renamed.csv", "a.csv");
    bench.has_time("renamed.csv");
    bench.has("tree/sub/c.csv", "tree/sub/c.csv");
    bench.has_time("tree/b.csv");
    // What rclone finds out about names: every one it tries is taken as it is, or refused.
    let info = rclone(&["test", "info", "--check-normalization", "--check-length", "{}stock"]);
    assert!(info.contains("canWriteUnnormalized = true"), "{info}");
}

/// One of PuTTY's programs, told the key in its own format and the server's fingerprint.
fn putty(bench: &Bench, program: &str) -> Command {
    let ppk = bench.path("acme.ppk");
    bench.run(Command::new("puttygen").arg(bench.site.key("acme")).arg("-o").arg(&ppk));
    let public = bench.site.zone.keys().join("ssh_host_ed25519_key.pub");
    let public = fs::read_to_string(public).expect("read");
    let fingerprint = landfall::receive::sftp::keys::fingerprint(public.trim()).expect("a key");
    let mut command = Command::new(program);
    command.args(["-batch", "-P", &bench.port(), "-hostkey", &fingerprint, "-i"]).arg(&ppk);
    command
}

#[test]
fn pscp_in_both_modes() {
    for mode in ["-sftp", "-scp"] {
        let bench = Bench::open();
        let pscp = |arguments: &[&str]| {
            let mut command = putty(&bench, "pscp");
            bench.run(command.arg(mode).args(arguments))
        };
        pscp(&["-p", "a.csv", "acme@127.0.0.1:orders/a.csv"]);
        pscp(&["-p", "-r", "tree", "acme@127.0.0.1:orders/"]);
        if mode == "-sftp" {
            assert!(pscp(&["-ls", "acme@127.0.0.1:orders"]).contains("a.csv"));
        }
        pscp(&["-p", "acme@127.0.0.1:orders/a.csv", "back.csv"]);
        pscp(&["acme@127.0.0.1:receipts/orders/a.csv.receipt.json", "receipt"]);
        bench.is_back("back.csv", "a.csv");
        bench.has("a.csv", "a.csv");
        bench.has_time("a.csv");
        bench.has("tree/sub/c.csv", "tree/sub/c.csv");
        bench.has_time("tree/b.csv");
        bench.receipt(&String::from_utf8_lossy(&read(bench.path("receipt"))));
    }
}

#[test]
fn psftp() {
    let bench = Bench::open();
    bench.break_off();
    let script = bench.site.local(
        ".script",
        "put a.csv orders/a.csv\nput -r tree orders/tree\nreput resumed.csv orders/resumed.csv\n\
         mv orders/a.csv orders/renamed.csv\nls orders\nls orders/renamed.csv\n\
         get receipts/orders/renamed.csv.receipt.json receipt\n",
    );
    let mut psftp = putty(&bench, "psftp");
    psftp.args(["-be", "-b"]).arg(script).arg("acme@127.0.0.1");
    let said = bench.run(&mut psftp);
    assert!(said.contains("renamed.csv"), "{said}");
    bench.has("renamed.csv", "a.csv");
    bench.has("tree/sub/c.csv", "tree/sub/c.csv");
    bench.has("resumed.csv", "resumed.csv");
    bench.receipt(&String::from_utf8_lossy(&read(bench.path("receipt"))));
}

#[test]
fn sshfs() {
    if !Path::new("/dev/fuse").exists() {
        eprintln!("SKIPPED: sshfs needs /dev/fuse");
        return;
    }
    let bench = Bench::open();
    let mount = bench.path("mount");
    fs::create_dir(&mount).expect("made");
    let mut command = Command::new("sshfs");
    command.args(["-p", &bench.port(), "-o", "StrictHostKeyChecking=no"]);
    command.args(["-o", "UserKnownHostsFile=/dev/null", "-o", "IdentitiesOnly=yes", "-o"]);
    command.arg(format!("IdentityFile={}", bench.site.key("acme").display()));
    command.arg("acme@127.0.0.1:/").arg(&mount);
    bench.run(&mut command);
    let unmount = || Command::new("fusermount3").arg("-u").arg(&mount).status();
    let done = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        bench.run(Command::new("cp").args(["-p", "a.csv", "mount/orders/a.csv"]));
        bench.run(Command::new("cp").args(["-rp", "tree", "mount/orders/tree"]));
        bench.run(Command::new("mv").args(["mount/orders/a.csv", "mount/orders/renamed.csv"]));
        let listed = bench.run(Command::new("ls").args(["-l", "mount/orders"]));
        assert!(listed.contains("renamed.csv"), "{listed}");
        let stat =
            bench.run(Command::new("stat").args(["-c", "%s %Y", "mount/orders/renamed.csv"]));
        assert_eq!(stat.trim(), format!("70000 {MODIFIED_S}"));
        let receipt = "mount/receipts/orders/renamed.csv.receipt.json";
        bench.receipt(&bench.run(Command::new("cat").arg(receipt)));
        // Appending continues the landed file: a new version.
        bench.run(Command::new("sh").args(["-c", "echo more >> mount/orders/tree/b.csv"]));
    }));
    unmount().expect("fusermount3 runs");
    if let Err(panic) = done {
        std::panic::resume_unwind(panic);
    }
    bench.has("renamed.csv", "a.csv");
    bench.has_time("renamed.csv");
    bench.has("tree/sub/c.csv", "tree/sub/c.csv");
    bench.has_time("tree/sub/c.csv");
    let longer = [read(bench.path("tree/b.csv")), b"more\n".to_vec()].concat();
    bench.site.local("longer", longer);
    bench.has("tree/b.csv", "longer");
}

#[test]
fn paramiko() {
    let bench = Bench::open();
    bench.break_off();
    let said = bench.python(
        "import sys, os, paramiko, hashlib\n\
         key = paramiko.Ed25519Key.from_private_key_file(sys.argv[1])\n\
         t = paramiko.Transport(('127.0.0.1', int(sys.argv[2])))\n\
         t.connect(username='acme', pkey=key)\n\
         s = paramiko.SFTPClient.from_transport(t)\n\
         s.put('a.csv', 'orders/a.csv')\n\
         s.utime('orders/a.csv', (1700000000, 1700000000))\n\
         s.mkdir('orders/tree'); s.mkdir('orders/tree/sub')\n\
         s.put('tree/sub/c.csv', 'orders/tree/sub/c.csv')\n\
         f = s.open('orders/resumed.csv', 'r+b'); at = f.stat().st_size\n\
         assert at == 35000, at\n\
         f.seek(at); f.write(open('resumed.csv', 'rb').read()[at:]); f.close()\n\
         s.rename('orders/a.csv', 'orders/renamed.csv')\n\
         assert 'renamed.csv' in s.listdir('orders')\n\
         assert s.stat('orders/renamed.csv').st_size == 70000\n\
         with s.open('orders/renamed.csv', 'rb') as f:\n\
         \x20   assert f.check('sha256') == hashlib.sha256(open('a.csv', 'rb').read()).digest()\n\
         print(s.open('receipts/orders/renamed.csv.receipt.json').read().decode())\n\
         t.close()\n",
        &[],
    );
    bench.receipt(&said);
    bench.has("renamed.csv", "a.csv");
    bench.has_time("renamed.csv");
    bench.has("tree/sub/c.csv", "tree/sub/c.csv");
    bench.has("resumed.csv", "resumed.csv");
}

#[test]
fn asyncssh() {
    let bench = Bench::open();
    bench.break_off();
    let said = bench.python(
        "import sys, asyncio, asyncssh\n\
         async def main():\n\
         \x20   async with asyncssh.connect('127.0.0.1', int(sys.argv[2]), username='acme',\n\
         \x20           client_keys=[sys.argv[1]], known_hosts=None) as c:\n\
         \x20       async with c.start_sftp_client() as s:\n\
         \x20           await s.put('a.csv', 'orders/a.csv', preserve=True)\n\
         \x20           await s.put('tree', 'orders/tree', recurse=True, preserve=True)\n\
         \x20           async with s.open('orders/resumed.csv', 'r+b') as f:\n\
         \x20               at = (await f.stat()).size\n\
         \x20               assert at == 35000, at\n\
         \x20               await f.write(open('resumed.csv', 'rb').read()[at:], at)\n\
         \x20           await s.rename('orders/a.csv', 'orders/renamed.csv')\n\
         \x20           assert 'renamed.csv' in await s.listdir('orders')\n\
         \x20           assert (await s.stat('orders/renamed.csv')).size == 70000\n\
         \x20           async with s.open('receipts/orders/renamed.csv.receipt.json') as f:\n\
         \x20               print(await f.read())\n\
         asyncio.run(main())\n",
        &[],
    );
    bench.receipt(&said);
    bench.has("renamed.csv", "a.csv");
    bench.has_time("renamed.csv");
    bench.has_time("tree/b.csv");
    bench.has("tree/sub/c.csv", "tree/sub/c.csv");
    bench.has("resumed.csv", "resumed.csv");
}

#[test]
fn ssh2_sftp_client() {
    let bench = Bench::open();
    bench.break_off();
    let modules = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/tests-node/node_modules");
    assert!(modules.exists(), "run tests/setup first: {} is missing", modules.display());
    let program = "const fs = require('fs'); const Client = require('ssh2-sftp-client');\n\
        (async () => {\n\
          const s = new Client();\n\
          await s.connect({host: '127.0.0.1', port: +process.argv[2], username: 'acme',\n\
            privateKey: fs.readFileSync(process.argv[1])});\n\
          await s.put('a.csv', 'orders/a.csv', {writeStreamOptions: {mode: 0o644}});\n\
          await new Promise((done, failed) => s.sftp.utimes('orders/a.csv', 1700000000,\n\
            1700000000, e => e ? failed(e) : done()));\n\
          await s.uploadDir('tree', 'orders/tree');\n\
          const at = (await s.stat('orders/resumed.csv')).size;\n\
          if (at !== 35000) throw new Error('resume at ' + at);\n\
          await s.append(fs.createReadStream('resumed.csv', {start: at}), 'orders/resumed.csv');\n\
          await s.rename('orders/a.csv', 'orders/renamed.csv');\n\
          const names = (await s.list('orders')).map(e => e.name);\n\
          if (!names.includes('renamed.csv')) throw new Error(names.join());\n\
          const seen = await s.stat('orders/renamed.csv');\n\
          if (seen.modifyTime !== 1700000000000) throw new Error(seen.modifyTime);\n\
          console.log((await s.get('receipts/orders/renamed.csv.receipt.json')).toString());\n\
          await s.end();\n\
        })().catch(e => { console.error(e); process.exit(1); });\n";
    let mut node = Command::new("node");
    node.env("NODE_PATH", modules).arg("-e").arg(program).arg(bench.site.key("acme"));
    bench.receipt(&bench.run(node.arg(bench.port())));
    bench.has("renamed.csv", "a.csv");
    bench.has_time("renamed.csv");
    bench.has("tree/sub/c.csv", "tree/sub/c.csv");
    bench.has("resumed.csv", "resumed.csv");
}
