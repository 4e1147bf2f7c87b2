//! A real zone for tests: the real binary, the real OpenSSH client, the real ledger.
//!
//! Each test has a zone of its own in a temporary folder, its server on a port the system chose.
//! Nothing here sleeps: waiting is waiting for ledger events.

#![allow(dead_code, reason = "each test binary uses a part of it")]

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use landfall::evidence::Proof;
use landfall::ledger::{Arrival, ArrivalQuery, Batch, Ledger, sqlite};
use landfall::names::{ArrivalId, FeedName};

/// How long a test waits for something that should happen at once, on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(120);

/// The binary under test.
pub fn landfall() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_landfall"));
    command.env_remove("LANDFALL_ZONE");
    command
}

/// A zone, usually in a temporary folder that goes with it.
pub struct TestZone {
    root: PathBuf,
    _folder: Option<tempfile::TempDir>,
}

impl TestZone {
    /// A zone with this `landfall.toml`; the SFTP door listens on a port the system chooses, and
    /// the disk may be as full as it is.
    pub fn new(config: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let root = folder.path().to_path_buf();
        let listen = "[sftp]\nlisten = \"127.0.0.1:0\"\n";
        let text =
            if config.contains("[sftp]") { config.to_owned() } else { format!("{listen}{config}") };
        let text = match text.split_once("[zone]\n") {
            Some(_) if text.contains("free_reserve") => text,
            Some((before, after)) => format!("{before}[zone]\nfree_reserve = 0\n{after}"),
            None => format!("[zone]\nfree_reserve = 0\n{text}"),
        };
        fs::write(root.join("landfall.toml"), text).expect("written");
        fs::create_dir(root.join("partners")).expect("made");
        Self { root, _folder: Some(folder) }
    }

    /// The zone in this folder, its SFTP door moved to a port that the system chooses.
    pub fn at(root: PathBuf) -> Self {
        let file = root.join("landfall.toml");
        let text = fs::read_to_string(&file).expect("a configuration");
        assert!(text.contains("127.0.0.1:2222"), "{text}");
        fs::write(file, text.replace("127.0.0.1:2222", "127.0.0.1:0")).expect("written");
        Self { root, _folder: None }
    }

    pub fn path(&self) -> &Path {
        &self.root
    }

    /// A feed's drop folder, made if the server has not come to it yet.
    pub fn inbox(&self, feed: &str) -> PathBuf {
        let inbox = self.path().join("inbox").join(feed);
        fs::create_dir_all(&inbox).expect("made");
        inbox
    }

    /// A partner with a fresh key, allowed to send to these feeds; `more` is added to its file.
    pub fn partner(&self, name: &str, feeds: &[&str], more: &str) -> PathBuf {
        let key = self.path().join(format!("{name}.key"));
        let made = Command::new("ssh-keygen")
            .args(["-q", "-t", "ed25519", "-N", "", "-C", name, "-f"])
            .arg(&key)
            .status();
        assert!(made.expect("ssh-keygen runs").success());
        let public = fs::read_to_string(key.with_extension("key.pub")).expect("a public key");
        let text = format!("keys = [{:?}]\nfeeds = {feeds:?}\n{more}\n", public.trim());
        fs::write(self.path().join("partners").join(format!("{name}.toml")), text)
            .expect("written");
        key
    }

    /// Starts the server and waits until it is ready.
    pub fn serve(&self) -> Server {
        let log = fs::File::create(self.path().join("serve.log")).expect("a log");
        let mut child = landfall()
            .args(["serve", "--zone"])
            .arg(self.path())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .expect("the server starts");
        let stdout = child.stdout.take().expect("its output");
        let mut lines = BufReader::new(stdout).lines();
        let ready = lines.find_map(|line| {
            let line = line.ok()?;
            line.split_once("sftp on ").map(|(_, rest)| rest.trim().to_owned())
        });
        let Some(ready) = ready else {
            let log = fs::read_to_string(self.path().join("serve.log")).unwrap_or_default();
            panic!("the server did not get ready: {:?}\n{log}", child.wait());
        };
        // Keep the pipe open and drained, so that the server can go on printing.
        std::thread::spawn(move || lines.for_each(drop));
        let port = ready.rsplit_once(':').and_then(|(_, port)| port.parse().ok()).unwrap_or(0);
        Server { child, port }
    }

    /// The ledger, read as another process would.
    pub fn ledger(&self) -> impl Ledger + use<> {
        sqlite::open_read_only(&self.path().join(".landfall/ledger.db")).expect("a ledger")
    }

    /// Waits until `done` holds of the ledger; fails after [`PATIENCE`].
    pub fn wait_until(&self, what: &str, mut done: impl FnMut(&dyn Ledger) -> bool) {
        let ledger = self.ledger();
        let began = Instant::now();
        let mut head = 0;
        while !done(&ledger) {
            if began.elapsed() > PATIENCE {
                let log = fs::read_to_string(self.path().join("serve.log")).unwrap_or_default();
                panic!("still waiting for {what}: {:#?}\n{log}", all(&ledger));
            }
            head = ledger.wait_beyond(head, Duration::from_secs(1));
        }
    }

    /// Waits until there are `count` arrivals and each has reached an end; returns them in order of
    /// receipt.
    pub fn wait_for_ends(&self, count: usize) -> Vec<Arrival> {
        let mut found = Vec::new();
        self.wait_until(&format!("{count} arrivals at their end"), |ledger| {
            found = all(ledger);
            found.len() >= count && found.iter().all(|arrival| arrival.state.is_end())
        });
        found
    }

    /// Waits until so many arrivals are at their end, however long it takes as long as their number
    /// grows.
    pub fn wait_for_many_ends(&self, count: usize) {
        let ledger = self.ledger();
        let (mut best, mut since, mut head) = (0, Instant::now(), 0);
        loop {
            let counts = ledger.counts().expect("counts");
            let ended: u64 =
                counts.iter().filter(|(_, state, _)| state.is_end()).map(|(_, _, n)| n).sum();
            if ended >= count as u64 {
                return;
            }
            if ended > best {
                (best, since) = (ended, Instant::now());
            }
            assert!(since.elapsed() < PATIENCE, "{ended} of {count} and no more");
            head = ledger.wait_beyond(head, Duration::from_secs(1));
        }
    }

    /// Waits until the receipt of an arrival that has its outcome is final.
    pub fn wait_for_receipt(&self, id: ArrivalId) -> Proof {
        let (ledger, began) = (self.ledger(), Instant::now());
        loop {
            let history = ledger.history(id).expect("a history");
            if let Some(proof) = Proof::of(&ledger, &history).expect("read") {
                return proof;
            }
            assert!(began.elapsed() < PATIENCE, "no checkpoint covers {id}");
            // A checkpoint is no event that could be waited for.
            ledger.wait_beyond(ledger.head(), Duration::from_millis(20));
        }
    }

    /// All batches of a feed.
    pub fn batches(&self, feed: &str) -> Vec<Batch> {
        self.ledger().batches(&feed_name(feed), 0, 100_000).expect("batches")
    }

    /// The live Parquet of a feed, as absolute paths.
    pub fn live(&self, feed: &str) -> Vec<PathBuf> {
        let files = self.ledger().live_files(&feed_name(feed), None).expect("files");
        files.iter().map(|file| self.path().join(file.to.as_str())).collect()
    }

    /// Runs `landfall` in this zone and returns its output.
    pub fn run(&self, arguments: &[&str]) -> Output {
        landfall().args(arguments).arg("--zone").arg(self.path()).output().expect("it runs")
    }

    /// Runs a DuckDB query; `{zone}` stands for the zone's path. Returns one line a row, values
    /// separated by `|`.
    pub fn duckdb(&self, query: &str) -> String {
        let query = query.replace("{zone}", self.path().to_str().expect("a plain path"));
        python(
            "import duckdb, sys\n\
             duckdb.sql('set enable_progress_bar = false')\n\
             for row in duckdb.sql(sys.argv[1]).fetchall(): print('|'.join(map(str, row)))",
            &[&query],
        )
    }
}

/// Runs Python from the environment that `tests/setup` made.
pub fn python(program: &str, arguments: &[&str]) -> String {
    python_with("python", program, arguments)
}

/// The Python that `tests/setup` ("python") or `tests/readers/run` ("readers") made.
pub fn interpreter(environment: &str) -> PathBuf {
    let target = Path::new(env!("CARGO_MANIFEST_DIR")).join("target");
    let python = target.join(format!("tests-{environment}")).join("bin/python");
    assert!(python.exists(), "run tests/setup first: {} is missing", python.display());
    python
}

/// As [`python`], with another [`interpreter`].
pub fn python_with(environment: &str, program: &str, arguments: &[&str]) -> String {
    let output =
        Command::new(interpreter(environment)).arg("-c").arg(program).args(arguments).output();
    let output = output.expect("python runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("text").trim_end().to_owned()
}

pub fn feed_name(feed: &str) -> FeedName {
    feed.parse().expect("a feed")
}

/// Every arrival, in order of receipt.
pub fn all(ledger: &dyn Ledger) -> Vec<Arrival> {
    let query = ArrivalQuery { limit: 1_000_000, ..ArrivalQuery::default() };
    let mut found = ledger.arrivals(&query).expect("arrivals");
    found.reverse();
    found
}

/// A running server; killed when dropped.
pub struct Server {
    child: Child,
    pub port: u16,
}

impl Server {
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// `kill -9`, as hard as it gets.
    pub fn kill(mut self) {
        self.child.kill().expect("killed");
        self.child.wait().expect("ended");
    }

    /// `kill -TERM`, then waits for an orderly end.
    pub fn stop(mut self) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().expect("kill").success());
        let status = self.child.wait().expect("ended");
        assert!(status.success(), "{status}");
    }

    /// The OpenSSH client's options for this server and key.
    pub fn ssh_options(&self, key: &Path) -> Vec<String> {
        let options = [
            "StrictHostKeyChecking=no",
            "UserKnownHostsFile=/dev/null",
            "LogLevel=ERROR",
            "IdentitiesOnly=yes",
            "IdentityAgent=none",
            "BatchMode=yes",
        ];
        let mut arguments: Vec<String> = vec!["-F".into(), "/dev/null".into()];
        for option in options {
            arguments.extend(["-o".to_owned(), option.to_owned()]);
        }
        arguments.extend(["-i".to_owned(), key.to_str().expect("a plain path").to_owned()]);
        arguments.extend(["-P".to_owned(), self.port.to_string()]);
        arguments
    }

    /// Runs OpenSSH `sftp` with these commands; they stop at the first that fails.
    pub fn sftp(&self, user: &str, key: &Path, commands: &str) -> Output {
        let mut child = Command::new("sftp")
            .args(["-q", "-b", "-"])
            .args(self.ssh_options(key))
            .arg(format!("{user}@127.0.0.1"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("sftp starts");
        let mut stdin = child.stdin.take().expect("its input");
        stdin.write_all(commands.as_bytes()).expect("written");
        drop(stdin);
        child.wait_with_output().expect("sftp ends")
    }

    /// [`Self::sftp`] that must succeed; returns what it printed.
    pub fn sftp_ok(&self, user: &str, key: &Path, commands: &str) -> String {
        let output = self.sftp(user, key, commands);
        let text = format!(
            "{}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
        assert!(output.status.success(), "sftp failed: {text}");
        text
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Already ended after `kill` and `stop`; both calls then do nothing.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
