//! A zone that an unprivileged user owns, served by the real binary under that user: root would hide
//! missing permissions.

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader};
use std::os::fd::AsRawFd as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::OnceLock;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use landfall::ledger::State;
use landfall::ledger::sqlite::{self, SqliteLedger};

use super::check::arrivals;
use super::promises::Told;

/// Whom the server runs as: `nobody`.
pub const USER: u32 = 65534;

/// How long anything may take on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// Lines that are shown of each end of a log.
const LOG_LINES: usize = 30;

/// `{sink}` is how the receiver downstream is told.
const CONFIG: &str = r#"
[sftp]
listen = "127.0.0.1:0"
penalty_exempt = ["127.0.0.1/32"]
[feed.orders]
sinks = ["told"]
retract_grace = "0s"
[folder.drop]
path = "drop"
feed = "orders"
quiet = "50ms"
scan_every = "200ms"
[sink.told]
{sink}
retry = ["200ms", "200ms", "200ms", "1s", "1s", "1s", "1s"]
"#;

/// The sink of a zone that says nothing else.
pub const COMMAND: &str = "command = [\"./tell\"]";

/// The receiver downstream that is a command: keeps what it was told, in the order it was told, and acknowledges it
/// once that is on the disk.
const TELL: &str = "#!/bin/sh\n\
    printf '%s %s\\n' \"$LANDFALL_SEQUENCE\" \"$LANDFALL_DELIVERY\" >> told && sync told\n";

/// A zone's folder.
#[derive(Debug, Clone)]
pub struct Site {
    root: PathBuf,
    /// A bug that is put into its server.
    bug: Option<&'static str>,
}

impl Site {
    /// A fresh zone in this folder, which must not exist, with the partner `acme`.
    pub fn make(root: PathBuf) -> Self {
        Self::make_telling(root, COMMAND)
    }

    /// As [`Self::make`], with this sink.
    pub fn make_telling(root: PathBuf, sink: &str) -> Self {
        fs::create_dir_all(root.join("partners")).expect("made");
        for folder in ["drop", "out", "contracts"] {
            fs::create_dir(root.join(folder)).expect("made");
        }
        let config = CONFIG.replace("{sink}", sink);
        fs::write(root.join("landfall.toml"), config).expect("written");
        fs::write(root.join("tell"), TELL).expect("written");
        fs::write(root.join("told"), "").expect("written");
        run(Command::new("chmod").arg("755").arg(root.join("tell")));
        let key = root.join("acme.key");
        run(Command::new("ssh-keygen")
            .args(["-q", "-t", "ed25519", "-N", "", "-C", "acme", "-f"])
            .arg(&key));
        let public = fs::read_to_string(key.with_extension("key.pub")).expect("a public key");
        let text = format!("keys = [{:?}]\nfeeds = [\"orders\"]\n", public.trim());
        fs::write(root.join("partners/acme.toml"), text).expect("written");
        run(Command::new("chown").args(["-R", &format!("{USER}:{USER}")]).arg(&root));
        Self { root, bug: None }
    }

    /// A fresh zone that has been served once: its keys and its empty ledger are there.
    pub fn make_used(root: PathBuf) -> Self {
        let site = Self::make(root);
        site.serve().expect("a zone that opens").stop();
        site
    }

    /// A copy of the zone, with owners and attributes.
    pub fn copy_to(&self, root: PathBuf) -> Self {
        run(Command::new("cp").arg("-a").arg(&self.root).arg(&root));
        Self { root, bug: self.bug }
    }

    /// The same zone in another place, served alike.
    pub fn at(&self, root: PathBuf) -> Self {
        Self { root, bug: self.bug }
    }

    /// The same zone, served by a server with this bug, and so are its copies.
    pub fn with_bug(self, bug: &'static str) -> Self {
        Self { root: self.root.clone(), bug: Some(bug) }
    }

    pub fn path(&self) -> &Path {
        &self.root
    }

    pub fn key(&self) -> PathBuf {
        self.root.join("acme.key")
    }

    /// The ledger, read as another process would; `None` before there is one.
    pub fn ledger(&self) -> Option<SqliteLedger> {
        sqlite::open_read_only(&self.root.join(".landfall/ledger.db")).ok()
    }

    /// What the server said so far, shortened: a message for a person.
    pub fn log(&self) -> String {
        let log = fs::read_to_string(self.log_file()).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        let first = lines.len().min(LOG_LINES);
        let last = lines.len().saturating_sub(LOG_LINES).max(first);
        format!("{}\n…\n{}", lines[..first].join("\n"), lines[last..].join("\n"))
    }

    /// Whether the server panicked.
    pub fn has_panicked(&self) -> bool {
        fs::read_to_string(self.log_file()).is_ok_and(|log| log.contains("panicked at"))
    }

    /// Beside the zone, which may be on a disk that is about to vanish.
    fn log_file(&self) -> PathBuf {
        let name = self.root.to_string_lossy().replace('/', "_");
        std::env::temp_dir().join(format!("landfall-crash{name}.log"))
    }

    /// `landfall serve` as the unprivileged user, not started yet.
    pub fn command(&self) -> Command {
        self.landfall(&["serve"])
    }

    /// Runs `landfall` with these arguments as the unprivileged user; it must succeed.
    pub fn ask(&self, arguments: &[&str]) {
        run(&mut self.landfall(arguments));
    }

    fn landfall(&self, arguments: &[&str]) -> Command {
        let log = File::options().create(true).append(true).open(self.log_file()).expect("a log");
        // By its descriptor: the user may not be able to reach the path it was built at.
        let mut command = Command::new(format!("/proc/self/fd/{}", binary().as_raw_fd()));
        command
            .args(arguments)
            .arg("--zone")
            .arg(&self.root)
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .current_dir("/")
            .uid(USER)
            .gid(USER)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log);
        if let Some(bug) = self.bug {
            command.env("LANDFALL_SEEDED_BUG", bug);
        }
        command
    }

    /// Waits until a file is handed off; false when nobody answers any more.
    pub fn is_handed_off(&self, name: &str, mut answers: impl FnMut() -> bool) -> bool {
        let is_there = || {
            let found = self.ledger().map(|ledger| arrivals(&ledger)).unwrap_or_default();
            let of_name = found.iter().find(|arrival| arrival.name.to_string() == name);
            of_name.is_some_and(|arrival| arrival.state == State::HandedOff)
        };
        while !wait_until(Duration::from_secs(1), is_there) {
            if !answers() {
                return false;
            }
        }
        true
    }

    /// `landfall erase` as the unprivileged user.
    pub fn erase(&self, name: &str) -> Told {
        let mut command = Command::new(format!("/proc/self/fd/{}", binary().as_raw_fd()));
        command.args(["erase", name, "--reason", "request 17", "--yes", "--zone"]).arg(&self.root);
        command.env_clear().env("PATH", "/usr/bin:/bin").current_dir("/").uid(USER).gid(USER);
        let output = command.output().expect("it runs");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(!said.contains("A126") && !said.contains("A129"), "nothing is in its way: {said}");
        if output.status.success() { Told::Done } else { Told::Nothing }
    }

    /// Starts the server and waits for its doors; `Err` with its log when it does not open them.
    pub fn serve(&self) -> Result<Running, String> {
        let mut child = self.command().spawn().expect("the server starts");
        let doors = Doors::watch(child.stdout.take().expect("its output"));
        let port = doors.wait();
        let running = Running { child, port: port.unwrap_or(0) };
        if port.is_some() { Ok(running) } else { Err(self.log()) }
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            drop(fs::remove_file(self.log_file()));
        }
    }
}

/// Waits for the line that says that a server's doors are open.
pub struct Doors(Receiver<u16>);

impl Doors {
    /// Reads what a server prints, to its end.
    pub fn watch(stdout: ChildStdout) -> Self {
        let (open, opened) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                if let Some((_, address)) = line.split_once("sftp on ")
                    && let Some(port) = address.trim().rsplit(':').next()
                {
                    open.send(port.parse().unwrap_or(0)).ok();
                }
            }
        });
        Self(opened)
    }

    /// The port, or `None` when the server ended before it was open.
    pub fn wait(&self) -> Option<u16> {
        self.0.recv_timeout(PATIENCE).ok()
    }
}

/// A running server; killed when dropped.
pub struct Running {
    child: Child,
    pub port: u16,
}

impl Running {
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// `kill -9`.
    pub fn kill(mut self) {
        drop(self.child.kill());
        self.child.wait().expect("ended");
    }

    /// `kill -TERM`, then waits for an orderly end.
    pub fn stop(mut self) {
        let pid = nix::unistd::Pid::from_raw(i32::try_from(self.child.id()).expect("a pid"));
        nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM).expect("asked to end");
        let status = self.child.wait().expect("ended");
        assert!(status.success(), "{status}");
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// The binary under test, open.
fn binary() -> &'static File {
    static BINARY: OnceLock<File> = OnceLock::new();
    BINARY.get_or_init(|| File::open(env!("CARGO_BIN_EXE_landfall")).expect("the binary"))
}

/// A folder for zones that the unprivileged user can reach; in memory where that keeps attributes,
/// because a kill does not need a disk.
pub fn folder() -> tempfile::TempDir {
    let memory = Path::new("/dev/shm");
    let folder = tempfile::tempdir_in(memory).ok().filter(|folder| keeps_attributes(folder.path()));
    let folder = folder.unwrap_or_else(|| tempfile::tempdir().expect("a folder"));
    run(Command::new("chmod").arg("755").arg(folder.path()));
    folder
}

fn keeps_attributes(folder: &Path) -> bool {
    let flags = rustix::fs::XattrFlags::empty();
    rustix::fs::setxattr(folder, "user.landfall.test", b"1", flags).is_ok()
}

/// Runs a program that must succeed.
#[track_caller]
pub fn run(command: &mut Command) {
    let output = command.output().expect("it runs");
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// Waits until `done`, looking again and again; whether it came to be in time.
pub fn wait_until(patience: Duration, mut done: impl FnMut() -> bool) -> bool {
    let began = Instant::now();
    while !done() {
        if began.elapsed() > patience {
            return false;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    true
}
