//! SSH keys as files: made, kept, read, shown by their fingerprint.
//!
//! A key file is OpenSSH's own format, mode 0600, with the public line beside it in `<name>.pub`. A
//! key file is never replaced by writing; see [`write()`].

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use russh::keys::key::safe_rng;
use russh::keys::ssh_key::LineEnding;
use russh::keys::{Algorithm, HashAlg, PrivateKey, PublicKey};

use crate::durable::{self, Durability};

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
    /// A text could not be signed.
    #[error("the key cannot sign")]
    Sign(#[source] russh::keys::ssh_key::Error),
    /// The key has a passphrase.
    #[error("it is protected by a passphrase")]
    Encrypted,
    /// The key is of a kind that no listener shows.
    #[error("only ed25519, ecdsa-sha2-nistp256 and RSA host keys can be used")]
    Kind,
    /// The step is not the next one of a change of keys.
    #[error("{0}")]
    Order(&'static str),
}

/// The Ed25519 key in a file, which is made when it is missing. Two processes that make it at once
/// end with the same key.
///
/// # Errors
/// [`KeyError`].
pub fn ensure(path: &Path, comment: &str) -> Result<PrivateKey, KeyError> {
    ensure_of(Algorithm::Ed25519, path, comment)
}

/// The same for a key of another kind.
///
/// # Errors
/// [`KeyError`].
pub fn ensure_of(kind: Algorithm, path: &Path, comment: &str) -> Result<PrivateKey, KeyError> {
    match fs::read(path) {
        Ok(text) => PrivateKey::from_openssh(text)
            .map_err(|source| KeyError::Key { path: path.to_owned(), source }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => make(kind, path, comment),
        Err(source) => Err(KeyError::Io { doing: "read", path: path.to_owned(), source }),
    }
}

fn make(kind: Algorithm, path: &Path, comment: &str) -> Result<PrivateKey, KeyError> {
    let refused = |source| KeyError::Key { path: path.to_owned(), source };
    let mut key = PrivateKey::random(&mut safe_rng(), kind.clone()).map_err(refused)?;
    key.set_comment(comment);
    match write(&key, path) {
        Ok(()) => Ok(key),
        Err(KeyError::Durable(error)) if error.is_name_taken() => ensure_of(kind, path, comment),
        Err(error) => Err(error),
    }
}

/// Writes a new key file and its public line.
///
/// # Errors
/// [`KeyError`]: also when the file exists.
pub fn write(key: &PrivateKey, path: &Path) -> Result<(), KeyError> {
    let refused = |source| KeyError::Key { path: path.to_owned(), source };
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
    Durability::Full
        .publish_new(&temporary, path)
        .inspect_err(|_| durable::remove_quietly(&temporary))?;
    write_public_line(key, path)
}

/// Writes the public line beside a key file, unless it is there.
///
/// # Errors
/// [`KeyError`].
pub fn write_public_line(key: &PrivateKey, path: &Path) -> Result<(), KeyError> {
    let refused = |source| KeyError::Key { path: path.to_owned(), source };
    let line = format!("{}\n", key.public_key().to_openssh().map_err(refused)?);
    let beside = public_file(path);
    if fs::read(&beside).is_ok_and(|there| there == line.as_bytes()) {
        return Ok(());
    }
    Ok(Durability::Full.replace_setting(&beside, line.as_bytes())?)
}

/// Where the public line of a key file lies: `<name>.pub`.
pub fn public_file(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".pub");
    path.with_file_name(name)
}

/// The fingerprint of an OpenSSH public-key line: `SHA256:…`; `None` when it is not one.
pub fn fingerprint(line: &str) -> Option<String> {
    let key = PublicKey::from_openssh(line.trim()).ok()?;
    Some(key.fingerprint(HashAlg::Sha256).to_string())
}

/// The public line of a key, without its comment: `ssh-ed25519 AAAA…`.
pub fn public_line(key: &PrivateKey) -> String {
    without_comment(key.public_key().clone())
}

/// A public line without its comment; `None` when it is not one.
pub fn line_alone(line: &str) -> Option<String> {
    PublicKey::from_openssh(line.trim()).ok().map(without_comment)
}

fn without_comment(mut key: PublicKey) -> String {
    key.set_comment("");
    key.to_openssh().unwrap_or_default().trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_broken_key_file_is_named() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("key");
        fs::write(&path, "nonsense").expect("written");
        let error = ensure(&path, "x").expect_err("refused");
        assert!(error.to_string().contains("key holds no usable private key"), "{error}");
    }
}
