//! SSH keys as text: made, kept below `.landfall/`, shown by their fingerprint.
//!
//! A key file is OpenSSH's own format, mode 0600, with the public line beside it in `<name>.pub`.

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use russh::keys::key::safe_rng;
use russh::keys::ssh_key::LineEnding;
use russh::keys::{Algorithm, EcdsaCurve, HashAlg, PrivateKey, PublicKey};

use crate::durable::{self, Durability};
use crate::zone::Zone;

/// What the host keys' files are called.
const ED25519: &str = "ssh_host_ed25519_key";
const ECDSA: &str = "ssh_host_ecdsa_key";
const RSA: &str = "ssh_host_rsa_key";

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
    /// The key has a passphrase.
    #[error("it is protected by a passphrase")]
    Encrypted,
    /// The key is of a kind that no listener shows.
    #[error("only ed25519, ecdsa-sha2-nistp256 and RSA host keys can be used")]
    Kind,
}

/// A host key that was taken over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Imported {
    /// `SHA256:…`.
    pub fingerprint: String,
    /// The fingerprint of the key that was in its place and was put aside.
    pub replaced: Option<String>,
    /// Whether only the legacy listener shows it.
    pub only_legacy: bool,
}

/// Takes a private key over as a host key of its kind: OpenSSH's form, or PKCS#1 and PKCS#8 in PEM.
/// A key that was there is put aside beside it.
///
/// # Errors
/// [`KeyError`].
pub fn import(zone: &Zone, text: &str) -> Result<Imported, KeyError> {
    let key = match PrivateKey::from_openssh(text) {
        Ok(key) => key,
        Err(_) if text.contains("ENCRYPTED") => return Err(KeyError::Encrypted),
        Err(source) => russh::keys::decode_secret_key(text, None)
            .map_err(|_other_form| KeyError::Key { path: PathBuf::from("the file"), source })?,
    };
    if key.is_encrypted() {
        return Err(KeyError::Encrypted);
    }
    let kind = key.algorithm();
    let name = if kind == Algorithm::Ed25519 {
        ED25519
    } else if kind == (Algorithm::Ecdsa { curve: EcdsaCurve::NistP256 }) {
        ECDSA
    } else if matches!(kind, Algorithm::Rsa { .. }) {
        RSA
    } else {
        return Err(KeyError::Kind);
    };
    let only_legacy = name != ED25519;
    let path = zone.keys().join(name);
    let old = match path.exists() {
        true => Some(ensure(&path, "")?),
        false => None,
    };
    let fingerprint = key.fingerprint(HashAlg::Sha256).to_string();
    let replaced = old.map(|old| old.fingerprint(HashAlg::Sha256).to_string());
    let replaced = replaced.filter(|old| *old != fingerprint);
    if replaced.is_some() {
        let aside = format!("{name}.old-{}", uuid::Uuid::now_v7().simple());
        Durability::Full.publish_new(&path, &zone.keys().join(aside))?;
    }
    if replaced.is_some() || !path.exists() {
        write(&key, &path)?;
    }
    Ok(Imported { fingerprint, replaced, only_legacy })
}

/// The public lines of the zone's host keys that exist, and which listener shows each.
pub fn host_key_lines(zone: &Zone) -> Vec<(String, &'static str)> {
    let named = [(ED25519, "every listener"), (ECDSA, "[sftp.legacy]"), (RSA, "[sftp.legacy]")];
    let line = |name: &str| {
        let text = fs::read_to_string(zone.keys().join(name).with_extension("pub")).ok()?;
        Some(text.trim().to_owned())
    };
    named.into_iter().filter_map(|(name, listener)| Some((line(name)?, listener))).collect()
}

/// The zone's host key; made at the first call and then kept.
///
/// # Errors
/// [`KeyError`].
pub fn host_key(zone: &Zone) -> Result<PrivateKey, KeyError> {
    ensure(&zone.keys().join(ED25519), "landfall")
}

/// The zone's host keys for old clients: an ECDSA key, made at the first call, an RSA key if one was
/// imported, and the Ed25519 key.
///
/// # Errors
/// [`KeyError`].
pub fn legacy_host_keys(zone: &Zone) -> Result<Vec<PrivateKey>, KeyError> {
    let ecdsa = Algorithm::Ecdsa { curve: EcdsaCurve::NistP256 };
    let mut keys = vec![host_key(zone)?, ensure_of(ecdsa, &zone.keys().join(ECDSA), "landfall")?];
    let rsa = zone.keys().join(RSA);
    if rsa.exists() {
        keys.push(ensure_of(Algorithm::Rsa { hash: None }, &rsa, "landfall")?);
    }
    Ok(keys)
}

/// The Ed25519 key in a file, which is made when it is missing. Two processes that make it at once
/// end with the same key.
///
/// # Errors
/// [`KeyError`].
pub fn ensure(path: &Path, comment: &str) -> Result<PrivateKey, KeyError> {
    ensure_of(Algorithm::Ed25519, path, comment)
}

fn ensure_of(kind: Algorithm, path: &Path, comment: &str) -> Result<PrivateKey, KeyError> {
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
fn write(key: &PrivateKey, path: &Path) -> Result<(), KeyError> {
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
    let line = key.public_key().to_openssh().map_err(refused)?;
    let beside = path.with_extension("pub");
    Ok(Durability::Full.replace_setting(&beside, format!("{line}\n").as_bytes())?)
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
    fn a_host_key_of_another_server_is_taken_over_and_the_old_one_put_aside() {
        let folder = tempfile::tempdir().expect("a folder");
        let zone = Zone::new(folder.path());
        let old = host_key(&zone).expect("made").fingerprint(HashAlg::Sha256).to_string();
        let other = ensure(&folder.path().join("other"), "sshd").expect("made");
        let text = other.to_openssh(LineEnding::LF).expect("text");
        let imported = import(&zone, &text).expect("imported");
        assert_eq!(imported.replaced, Some(old));
        assert_eq!(host_key(&zone).expect("read").key_data(), other.key_data());
        assert_eq!(import(&zone, &text).expect("again").replaced, None);
        let aside = fs::read_dir(zone.keys()).expect("listed").filter_map(Result::ok);
        let aside = aside.filter(|e| e.file_name().to_string_lossy().contains(".old-"));
        assert_eq!(aside.count(), 1);
        assert_eq!(host_key_lines(&zone).len(), 1);
        assert!(matches!(import(&zone, "nonsense"), Err(KeyError::Key { .. })));
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
