//! SSH keys as text: made, kept below `.landfall/`, shown by their fingerprint.
//!
//! A key file is OpenSSH's own format, mode 0600, with the public line beside it in `<name>.pub`.

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use russh::keys::key::safe_rng;
use russh::keys::ssh_key::LineEnding;
use russh::keys::{Algorithm, HashAlg, PrivateKey, PublicKey};

use crate::durable::{self, Durability};
use crate::zone::Zone;

/// A key that could not be made, kept or read.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The file or folder could not be used.
    #[error("cannot {doing} {}", path.display())]
    Io {
        /// What was being done.
        doing: &'static str,
        /// To what.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// A durable step failed.
    #[error(transparent)]
    Durable(#[from] durable::Error),
    /// The file holds no usable key.
    #[error("{} holds no usable private key", path.display())]
    Key {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        source: russh::keys::ssh_key::Error,
    },
}

/// The zone's host key; made at the first call and then kept.
///
/// # Errors
/// [`KeyError`].
pub fn host_key(zone: &Zone) -> Result<PrivateKey, KeyError> {
    ensure(&zone.keys().join("ssh_host_ed25519_key"), "landfall")
}

/// The Ed25519 key in a file, which is made when it is missing. Two processes that make it at once
/// end with the same key.
///
/// # Errors
/// [`KeyError`].
pub fn ensure(path: &Path, comment: &str) -> Result<PrivateKey, KeyError> {
    match fs::read(path) {
        Ok(text) => PrivateKey::from_openssh(text)
            .map_err(|source| KeyError::Key { path: path.to_owned(), source }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => make(path, comment),
        Err(source) => Err(KeyError::Io { doing: "read", path: path.to_owned(), source }),
    }
}

fn make(path: &Path, comment: &str) -> Result<PrivateKey, KeyError> {
    let refused = |source| KeyError::Key { path: path.to_owned(), source };
    let mut key = PrivateKey::random(&mut safe_rng(), Algorithm::Ed25519).map_err(refused)?;
    key.set_comment(comment);
    let text = key.to_openssh(LineEnding::LF).map_err(refused)?;
    let folder = path.parent().unwrap_or(Path::new("/"));
    Durability::Full.create_folders(folder)?;
    let temporary = path.with_extension(format!("{}.tmp", uuid::Uuid::now_v7().simple()));
    let io = |source| KeyError::Io { doing: "write", path: temporary.clone(), source };
    let mut options = OpenOptions::new();
    let opened = options.write(true).create_new(true).mode(0o600).open(&temporary);
    let mut file = opened.map_err(io)?;
    file.write_all(text.as_bytes()).map_err(io)?;
    Durability::Full.sync_file(&file, &temporary)?;
    match Durability::Full.publish_new(&temporary, path) {
        Ok(()) => {}
        Err(error) if error.is_name_taken() => {
            durable::remove_quietly(&temporary);
            return ensure(path, comment);
        }
        Err(error) => return Err(error.into()),
    }
    let line = key.public_key().to_openssh().map_err(refused)?;
    Durability::Full
        .replace_setting(&path.with_extension("pub"), format!("{line}\n").as_bytes())?;
    Ok(key)
}

/// The fingerprint of an OpenSSH public-key line: `SHA256:…`; `None` when it is not one.
pub fn fingerprint(line: &str) -> Option<String> {
    let key = PublicKey::from_openssh(line.trim()).ok()?;
    Some(key.fingerprint(HashAlg::Sha256).to_string())
}

/// The public line of a key, without its comment: `ssh-ed25519 AAAA…`.
pub fn public_line(key: &PrivateKey) -> String {
    let mut public = key.public_key().clone();
    public.set_comment("");
    public.to_openssh().unwrap_or_default().trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_host_key_is_made_once_and_only_for_its_owner() {
        let folder = tempfile::tempdir().expect("a folder");
        let zone = Zone::new(folder.path());
        let first = public_line(&host_key(&zone).expect("made"));
        assert_eq!(public_line(&host_key(&zone).expect("read")), first);
        let path = zone.keys().join("ssh_host_ed25519_key");
        let mode = fs::metadata(&path).expect("there").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let public = fs::read_to_string(path.with_extension("pub")).expect("there");
        assert_eq!(public, format!("{first} landfall\n"));
        assert!(fingerprint(&public).expect("a key").starts_with("SHA256:"));
        assert_eq!(fingerprint("ssh-ed25519 AAAA"), None);
    }

    #[test]
    fn a_broken_key_file_is_named() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("key");
        fs::write(&path, "nonsense").expect("written");
        let error = ensure(&path, "x").expect_err("refused");
        assert!(error.to_string().contains("key holds no usable private key"), "{error}");
    }
}
