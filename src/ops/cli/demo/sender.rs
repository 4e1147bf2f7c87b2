//! The demo as a partner and as an analyst: sends over SFTP, drops into the inbox.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::{Door, Parcel, Story, failed};
use crate::config::{Partner, partner};
use crate::diagnostic::{Code, Diagnostic};
use crate::durable::Durability;
use crate::names::PartnerName;
use crate::ops::control::Client;
use crate::receive::sftp::client::{self, Login, Upload};
use crate::receive::sftp::keys;
use crate::zone::Zone;

/// The demo's account.
const PARTNER: &str = "demo";

/// How files go over SFTP.
pub(super) struct Sender {
    login: Login,
    key_file: PathBuf,
    known_hosts: PathBuf,
    /// Whether the OpenSSH client is installed; ours is used otherwise.
    has_openssh: bool,
}

impl Sender {
    /// Makes the demo's partner with a fresh key of its own.
    pub(super) fn prepare(
        zone: &Zone,
        parcels: &[Parcel],
        address: SocketAddr,
        folder: &Path,
        story: &Story<'_>,
    ) -> Result<Self, Diagnostic> {
        let key_file = folder.join("id_ed25519");
        let key_failed = |error: keys::KeyError| failed("the demo's key cannot be made", &error);
        let key = keys::ensure(&key_file, "landfall-demo").map_err(key_failed)?;
        let host_key = keys::host_key(zone).map_err(key_failed)?;
        let public = keys::public_line(&key);
        enlist(zone, parcels, &format!("{public} landfall-demo"))?;
        let shown = keys::fingerprint(&public).unwrap_or_default();
        story.step("partner demo", &format!("may log in with {shown}"));
        let known_hosts = folder.join("known_hosts");
        let address = reachable(address);
        let (ip, port) = (address.ip(), address.port());
        let line = format!("[{ip}]:{port} {}\n", keys::public_line(&host_key));
        std::fs::write(&known_hosts, line).map_err(|e| failed("known_hosts", &e))?;
        let host_key = host_key.public_key().clone();
        let login = Login { address, host_key, user: PARTNER.to_owned(), key };
        let asked = Command::new("sftp").arg("-?").stdin(Stdio::null()).output();
        let has_openssh = asked.is_ok();
        let with = if has_openssh { "the OpenSSH client" } else { "the built-in client" };
        story.step("partner demo", &format!("sends over SFTP with {with}"));
        Ok(Self { login, key_file, known_hosts, has_openssh })
    }

    /// Sends files to their feeds, one after the other.
    pub(super) fn send(&self, parcels: &[Parcel]) -> Result<(), Diagnostic> {
        let uploads: Vec<Upload> = parcels
            .iter()
            .map(|parcel| Upload {
                from: parcel.path.clone(),
                to: format!("/{}/{}", parcel.feed, parcel.name),
            })
            .collect();
        if self.has_openssh {
            return self.send_with_openssh(&uploads);
        }
        client::put(self.login.clone(), &uploads)
            .map_err(|error| failed("the files could not be sent over SFTP", &error))
    }

    fn send_with_openssh(&self, uploads: &[Upload]) -> Result<(), Diagnostic> {
        let known_hosts = format!("UserKnownHostsFile={}", self.known_hosts.display());
        let Login { address, user, .. } = &self.login;
        let options = ["StrictHostKeyChecking=yes", "IdentitiesOnly=yes", "IdentityAgent=none"];
        let mut command = Command::new("sftp");
        command.args(["-q", "-F", "/dev/null", "-b", "-", "-P", &address.port().to_string()]);
        for option in options.into_iter().chain([known_hosts.as_str()]) {
            command.args(["-o", option]);
        }
        command.arg("-i").arg(&self.key_file);
        command.arg(match address.ip() {
            IpAddr::V4(ip) => format!("{user}@{ip}"),
            IpAddr::V6(ip) => format!("{user}@[{ip}]"),
        });
        let lines = uploads.iter().map(|upload| {
            format!("put {} {}\n", quoted(&upload.from.to_string_lossy()), quoted(&upload.to))
        });
        let output = run_with_input(command, &lines.collect::<String>())
            .map_err(|error| failed("sftp cannot be run", &error))?;
        if output.status.success() {
            return Ok(());
        }
        let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        Err(Diagnostic::error(Code::Z105, "sftp could not send the files").fact("sftp", said))
    }
}

/// Writes the demo's account, if it is not there as it should be.
fn enlist(zone: &Zone, parcels: &[Parcel], key: &str) -> Result<(), Diagnostic> {
    let name: PartnerName =
        PARTNER.parse().map_err(|e: crate::names::Error| failed("partner", &e))?;
    let mut account = Partner::new(name.clone());
    account.keys = vec![partner::Key::new(key)];
    account.read_back = partner::ReadBack::Always;
    for parcel in parcels.iter().filter(|parcel| parcel.door == Door::Sftp) {
        if !account.feeds.contains(&parcel.feed) {
            account.feeds.push(parcel.feed.clone());
        }
    }
    if partner::load(zone, &name).is_ok_and(|written| written == account) {
        return Ok(());
    }
    let text = partner::render(&account);
    let durability = Durability::Full;
    durability
        .create_folders(&zone.partners())
        .and_then(|()| durability.replace_setting(&zone.partner_file(&name), text.as_bytes()))
        .map_err(|error| failed("the demo's partner cannot be saved", &error))?;
    match Client::find(zone)? {
        Some(client) => client.partner_changed(&name, "written by the demo"),
        None => Ok(()),
    }
}

/// An address that a client can connect to: a server that listens everywhere also listens here.
fn reachable(address: SocketAddr) -> SocketAddr {
    let everywhere = address.ip().is_unspecified();
    let here = IpAddr::V4(Ipv4Addr::LOCALHOST);
    if everywhere { SocketAddr::new(here, address.port()) } else { address }
}

/// A path as sftp(1) reads it in a batch file.
fn quoted(path: &str) -> String {
    format!("\"{}\"", path.replace('\\', "\\\\").replace('"', "\\\""))
}

fn run_with_input(mut command: Command, input: &str) -> std::io::Result<std::process::Output> {
    use std::io::Write as _;
    command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut child = command.spawn()?;
    // A batch of some lines fits a pipe, so this does not block; the pipe ends when it is dropped.
    if let Some(mut stdin) = child.stdin.take() {
        stdin.write_all(input.as_bytes())?;
    }
    child.wait_with_output()
}

/// Copies files into drop folders as a person would, under a temporary name first.
pub(super) fn drop_into_inbox(zone: &Zone, parcels: &[Parcel]) -> Result<(), Diagnostic> {
    for parcel in parcels {
        let Door::Inbox(folder) = &parcel.door else { continue };
        let folder = zone.root().join(folder);
        let name = parcel.name.to_string();
        let (temporary, last) = (folder.join(format!(".{name}.part")), folder.join(&name));
        let dropped = || -> std::io::Result<()> {
            std::fs::copy(&parcel.path, &temporary)?;
            Durability::Relaxed.create_folders(&folder).map_err(std::io::Error::other)?;
            match Durability::Relaxed.publish_new(&temporary, &last) {
                // It lies there from a demo that was interrupted, and is taken all the same.
                Err(error) if error.is_name_taken() => std::fs::remove_file(&temporary),
                published => published.map_err(std::io::Error::other),
            }
        };
        dropped().map_err(|error| failed(&format!("{name} cannot be dropped"), &error))?;
    }
    Ok(())
}
