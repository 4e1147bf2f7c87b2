//! The servers that are compared: each started afresh over an empty folder, so that no round meets
//! what an earlier one left.

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// Which server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Peer {
    /// OpenSSH's sshd with its internal-sftp.
    Sshd,
    /// landfall without syncs: like sshd it leaves them to the system.
    Relaxed,
    /// landfall as it is shipped: CLOSE is answered when archive and ledger are durable.
    Durable,
    /// `rclone serve sftp`.
    Rclone,
}

impl Peer {
    pub fn name(self) -> &'static str {
        match self {
            Self::Sshd => "sshd",
            Self::Relaxed => "landfall relaxed",
            Self::Durable => "landfall durable",
            Self::Rclone => "rclone",
        }
    }
}

/// A running server with one account, `user`, whose key lies in `key`.
pub struct Running {
    child: Child,
    _folder: tempfile::TempDir,
    pub port: u16,
    pub user: String,
    pub key: PathBuf,
    /// The folder that uploads go to, as the client calls it.
    pub to: String,
}

impl Running {
    /// Starts a server whose files lie below `place`.
    pub fn start(peer: Peer, place: &Path) -> Self {
        let folder = tempfile::tempdir_in(place).expect("a folder");
        let key = make_key(folder.path(), "client");
        match peer {
            Peer::Sshd => sshd(folder, key),
            Peer::Relaxed => landfall(folder, key, "relaxed"),
            Peer::Durable => landfall(folder, key, "full"),
            Peer::Rclone => rclone(folder, key),
        }
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// OpenSSH's `sftp`, reading commands from its input.
    pub fn sftp(&self, cipher: &str) -> Command {
        let mut command = Command::new("sftp");
        command.args(["-q", "-b", "-", "-F", "/dev/null", "-P", &self.port.to_string(), "-i"]);
        command.arg(&self.key).arg("-c").arg(cipher);
        for option in [
            "StrictHostKeyChecking=no",
            "UserKnownHostsFile=/dev/null",
            "LogLevel=ERROR",
            "IdentitiesOnly=yes",
            "IdentityAgent=none",
            "BatchMode=yes",
        ] {
            command.args(["-o", option]);
        }
        command.arg(format!("{}@127.0.0.1", self.user));
        command.stdin(Stdio::piped()).stdout(Stdio::null());
        command
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn make_key(folder: &Path, name: &str) -> PathBuf {
    let key = folder.join(name);
    let made = Command::new("ssh-keygen")
        .args(["-q", "-t", "ed25519", "-N", "", "-C", name, "-f"])
        .arg(&key)
        .status();
    assert!(made.expect("ssh-keygen runs").success());
    key
}

fn public(key: &Path) -> String {
    fs::read_to_string(key.with_extension("pub")).expect("a public key").trim().to_owned()
}

fn landfall(folder: tempfile::TempDir, key: PathBuf, durability: &str) -> Running {
    let zone = folder.path();
    // What arrives matches no pattern: it is archived and recorded, and nothing converts it
    // meanwhile. The others do not do that either.
    let config = format!(
        "[zone]\ndurability = \"{durability}\"\n[sftp]\nlisten = \"127.0.0.1:0\"\npenalty_exempt = [\"127.0.0.1\"]\n\
         [feed.bench]\nmatch = [\"*.csv\"]\n"
    );
    fs::write(zone.join("landfall.toml"), config).expect("written");
    fs::create_dir(zone.join("partners")).expect("made");
    let account = format!("keys = [{:?}]\nfeeds = [\"bench\"]\nread_back = true\n", public(&key));
    fs::write(zone.join("partners/user.toml"), account).expect("written");
    let mut child = Command::new(env!("CARGO_BIN_EXE_landfall"))
        .args(["serve", "--zone"])
        .arg(zone)
        .env("RUST_LOG", "error")
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("landfall starts");
    let mut lines = BufReader::new(child.stdout.take().expect("its output")).lines();
    let address = lines
        .find_map(|line| line.ok()?.split_once("sftp on ").map(|(_, at)| at.trim().to_owned()))
        .expect("landfall gets ready");
    std::thread::spawn(move || lines.for_each(drop));
    let port = address.rsplit_once(':').and_then(|(_, port)| port.parse().ok()).expect("a port");
    Running { child, _folder: folder, port, user: "user".to_owned(), key, to: "/bench".to_owned() }
}

fn sshd(folder: tempfile::TempDir, key: PathBuf) -> Running {
    let path = folder.path();
    let host_key = make_key(path, "host");
    fs::write(path.join("authorized"), public(&key)).expect("written");
    let to = path.join("uploads");
    fs::create_dir(&to).expect("made");
    fs::create_dir_all("/run/sshd").expect("sshd's folder");
    let port = free_port();
    let config = format!(
        "Port {port}\nListenAddress 127.0.0.1\nHostKey {host}\nAuthorizedKeysFile {keys}\n\
         PasswordAuthentication no\nKbdInteractiveAuthentication no\nUsePAM no\nStrictModes no\n\
         PermitRootLogin yes\nPidFile none\nMaxStartups 1000\nPrintMotd no\n\
         Subsystem sftp internal-sftp\nForceCommand internal-sftp\n",
        host = host_key.display(),
        keys = path.join("authorized").display(),
    );
    fs::write(path.join("sshd_config"), config).expect("written");
    let child = Command::new("/usr/sbin/sshd")
        .args(["-D", "-e", "-f"])
        .arg(path.join("sshd_config"))
        .stderr(Stdio::null())
        .spawn()
        .expect("sshd starts");
    wait_for(port);
    let id = Command::new("id").arg("-un").output().expect("id runs").stdout;
    let user = String::from_utf8(id).expect("a name").trim().to_owned();
    Running { child, port, user, key, to: to.display().to_string(), _folder: folder }
}

fn rclone(folder: tempfile::TempDir, key: PathBuf) -> Running {
    let path = folder.path();
    let host_key = make_key(path, "host");
    fs::write(path.join("authorized"), public(&key)).expect("written");
    let root = path.join("root");
    fs::create_dir_all(root.join("bench")).expect("made");
    let port = free_port();
    let child = Command::new("rclone")
        .args(["serve", "sftp", "--addr", &format!("127.0.0.1:{port}"), "--config", "/dev/null"])
        .args(["--vfs-cache-mode", "off", "--key"])
        .arg(&host_key)
        .arg("--authorized-keys")
        .arg(path.join("authorized"))
        .arg(&root)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("rclone starts");
    wait_for(port);
    Running { child, _folder: folder, port, user: "user".to_owned(), key, to: "/bench".to_owned() }
}

fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
    listener.local_addr().expect("an address").port()
}

fn wait_for(port: u16) {
    let began = std::time::Instant::now();
    while TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err() {
        assert!(began.elapsed().as_secs() < 20, "nothing listens on {port}");
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
}
