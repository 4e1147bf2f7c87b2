//! A real PostgreSQL: a server of the test's own, on a socket in its folder.

#![allow(dead_code, reason = "each test binary uses a part of it")]

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// The number in the name of its socket, where it listens on nothing else.
const PORT: u16 = 5432;

/// A server that ends with the test.
pub struct Postgres {
    folder: tempfile::TempDir,
    port: u16,
    /// What else it is told.
    settings: Vec<String>,
    server: Mutex<Option<Child>>,
}

/// The folder of PostgreSQL's programs, which `tests/setup` installs.
fn programs() -> PathBuf {
    let found = fs::read_dir("/usr/lib/postgresql").into_iter().flatten();
    let found = found.map(|entry| entry.unwrap().path().join("bin"));
    found.filter(|bin| bin.join("initdb").is_file()).max().expect("tests/setup installs PostgreSQL")
}

/// PostgreSQL does not run as root: then it runs as the user that its package makes.
fn program(name: &str) -> Command {
    let path = programs().join(name);
    if !rustix::process::geteuid().is_root() {
        return Command::new(path);
    }
    let mut command = Command::new("setpriv");
    command.args(["--reuid=postgres", "--regid=postgres", "--clear-groups", "--"]).arg(path);
    command
}

impl Postgres {
    pub fn start() -> Self {
        Self::start_with(PORT, &[])
    }

    /// One that also listens on this port.
    pub fn start_on(port: u16) -> Self {
        Self::start_with(port, &["listen_addresses=127.0.0.1".to_owned()])
    }

    /// One that also listens on this port, with this certificate and key.
    pub fn start_with_tls(port: u16, certificate: &Path, key: &Path) -> Self {
        let certified = |what: &str, path: &Path| format!("ssl_{what}_file={}", path.display());
        let listens = "listen_addresses=127.0.0.1".to_owned();
        let (certificate, key) = (certified("cert", certificate), certified("key", key));
        Self::start_with(port, &[listens, "ssl=on".to_owned(), certificate, key])
    }

    fn start_with(port: u16, settings: &[String]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        if rustix::process::geteuid().is_root() {
            let given = Command::new("chown").arg("postgres:").arg(folder.path()).status();
            assert!(given.unwrap().success());
        }
        let data = folder.path().join("data");
        let made = program("initdb")
            .args(["--no-sync", "--no-instructions", "--auth=trust", "--username=loader", "-D"])
            .arg(&data)
            .stdout(Stdio::null())
            .status();
        assert!(made.unwrap().success());
        let settings = settings.to_vec();
        let server = Self { folder, port, settings, server: Mutex::new(None) };
        server.run();
        server
    }

    pub fn run(&self) {
        let (folder, data) = (self.folder.path().to_owned(), self.folder.path().join("data"));
        let port = self.port.to_string();
        let server = program("postgres")
            .args(["-p", &port])
            .args(["-c", "listen_addresses=", "-c", "fsync=off", "-c", "max_connections=20", "-k"])
            .arg(&folder)
            .arg("-D")
            .arg(data)
            .args(self.settings.iter().flat_map(|setting| ["-c", setting]))
            .stderr(Stdio::null())
            .spawn();
        *self.server.lock().unwrap() = Some(server.unwrap());
        let deadline = Instant::now() + Duration::from_secs(60);
        while !program("pg_isready")
            .args(["-q", "-p", &port, "-h"])
            .arg(&folder)
            .status()
            .unwrap()
            .success()
        {
            assert!(Instant::now() < deadline, "PostgreSQL does not start");
        }
    }

    pub fn end(&self) {
        if let Some(mut server) = self.server.lock().unwrap().take() {
            let pid = rustix::process::Pid::from_child(&server);
            // A fast shutdown.
            rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
            server.wait().unwrap();
        }
    }

    pub fn address(&self) -> String {
        self.address_of("postgres")
    }

    pub fn address_of(&self, database: &str) -> String {
        format!("host={} user=loader dbname={database}", self.folder.path().display())
    }

    /// Lets other users of the machine reach its socket.
    pub fn open_to_others(&self) {
        let open = fs::Permissions::from_mode(0o755);
        fs::set_permissions(self.folder.path(), open).unwrap();
    }

    /// Where its socket is.
    pub fn folder(&self) -> &std::path::Path {
        self.folder.path()
    }

    /// What a query says, without any decoration.
    pub fn query(&self, sql: &str) -> String {
        self.query_in("postgres", sql)
    }

    pub fn query_in(&self, database: &str, sql: &str) -> String {
        let output = program("psql")
            .args(["-U", "loader", "-d", database, "-AtX", "-v", "ON_ERROR_STOP=1"])
            .args(["-p", &self.port.to_string(), "-h"])
            .arg(self.folder.path())
            .args(["-c", sql])
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        self.end();
    }
}
