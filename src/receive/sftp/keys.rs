//! Host keys: the keys by which partners know the server.
//!
//! russh shows one key of each kind and has no `hostkeys-00@openssh.com`, by which OpenSSH clients
//! learn of another key by themselves. So a change of keys goes by telling: [`rotate`] makes the next
//! key and shows it to nobody; partners add its line to their known_hosts, where OpenSSH and its kin
//! accept any line of a host; [`activate`] puts it in the old one's place, for new connections at
//! once; [`retire`] removes the old one for good. A kill between two steps leaves a key in place.

use std::fs;
use std::path::PathBuf;

use russh::keys::{Algorithm, EcdsaCurve, HashAlg, PrivateKey};

use crate::clock::Timestamp;
use crate::durable::{self, Durability};
use crate::signing::key_file::{ensure_of, public_file, write, write_public_line};
use crate::zone::Zone;

pub use crate::signing::key_file::{KeyError, ensure, fingerprint, line_alone, public_line};

/// What the host keys' files are called.
const ED25519: &str = "ssh_host_ed25519_key";
const ED25519_NEXT: &str = "ssh_host_ed25519_key_next";
const ED25519_OLD: &str = "ssh_host_ed25519_key_old";
const ECDSA: &str = "ssh_host_ecdsa_key";
const RSA: &str = "ssh_host_rsa_key";

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
    let fingerprint = fingerprint_of(&key);
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

/// One of the zone's host keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostKey {
    /// Its public line.
    pub line: String,
    /// Which listener shows it.
    pub listener: &'static str,
    /// Where it stands in a change of keys.
    pub standing: Standing,
    /// Since when it has stood there.
    pub since: Option<Timestamp>,
}

/// Where a host key stands in a change of keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// New connections are shown it.
    InUse,
    /// Partners are told of it; no connection is shown it.
    Next,
    /// It was in use before, and waits to be removed.
    Old,
}

/// The zone's host keys that exist.
pub fn host_keys(zone: &Zone) -> Vec<HostKey> {
    let named = [
        (ED25519, "every listener", Standing::InUse),
        (ED25519_NEXT, "none", Standing::Next),
        (ED25519_OLD, "none", Standing::Old),
        (ECDSA, "[sftp.legacy]", Standing::InUse),
        (RSA, "[sftp.legacy]", Standing::InUse),
    ];
    let read = |(name, listener, standing)| {
        let path = public_file(&zone.keys().join(name));
        let line = fs::read_to_string(&path).ok()?.trim().to_owned();
        let since = fs::metadata(&path).and_then(|metadata| metadata.modified()).ok();
        let since = since.and_then(|since| Timestamp::try_from(since).ok());
        Some(HostKey { line, listener, standing, since })
    };
    named.into_iter().filter_map(read).collect()
}

/// Makes the key that will be the next one, and shows it to nobody. Answers its fingerprint.
///
/// # Errors
/// [`KeyError::Order`] when there is a next one already; [`KeyError`].
pub fn rotate(zone: &Zone) -> Result<String, KeyError> {
    let next = zone.keys().join(ED25519_NEXT);
    if next.exists() {
        return Err(KeyError::Order("there is a next key already: see `landfall hostkey list`"));
    }
    host_key(zone)?;
    Ok(fingerprint_of(&ensure(&next, "landfall")?))
}

/// Puts the next key in the place of the one in use, which is kept as the old one. Answers their
/// fingerprints, the new one first. May be called again after a kill.
///
/// # Errors
/// [`KeyError::Order`] when there is no next key, or still an older one; [`KeyError`].
pub fn activate(zone: &Zone) -> Result<(String, String), KeyError> {
    let [next, old, in_use] =
        [ED25519_NEXT, ED25519_OLD, ED25519].map(|name| zone.keys().join(name));
    if !next.exists() {
        return Err(KeyError::Order("there is no next key: `landfall hostkey rotate` makes one"));
    }
    let (new, was) = (ensure(&next, "")?, host_key(zone)?);
    if !old.exists() {
        write(&was, &old)?;
    } else if ensure(&old, "")?.key_data() != was.key_data() {
        return Err(KeyError::Order("an older key is kept still: `landfall hostkey retire` first"));
    }
    Durability::Full.replace_by(&next, &in_use)?;
    durable::remove_quietly(&public_file(&next));
    write_public_line(&new, &in_use)?;
    Ok((fingerprint_of(&new), fingerprint_of(&was)))
}

/// Removes the old key for good; without one, the next key that was never activated. Answers its
/// fingerprint.
///
/// # Errors
/// [`KeyError::Order`] when only the key in use is there; [`KeyError`].
pub fn retire(zone: &Zone) -> Result<String, KeyError> {
    let unused = [ED25519_OLD, ED25519_NEXT].map(|name| zone.keys().join(name));
    let Some(path) = unused.into_iter().find(|path| path.exists()) else {
        return Err(KeyError::Order("there is only the key in use"));
    };
    let gone = fingerprint_of(&ensure(&path, "")?);
    for file in [public_file(&path), path] {
        durable::remove_quietly(&file);
    }
    Durability::Full.sync_folder(&zone.keys())?;
    Ok(gone)
}

fn fingerprint_of(key: &PrivateKey) -> String {
    key.fingerprint(HashAlg::Sha256).to_string()
}

/// The zone's host key; made at the first call and then kept.
///
/// # Errors
/// [`KeyError`].
pub fn host_key(zone: &Zone) -> Result<PrivateKey, KeyError> {
    let path = zone.keys().join(ED25519);
    let key = ensure(&path, "landfall")?;
    // A kill may have come between the key and its line.
    write_public_line(&key, &path)?;
    Ok(key)
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

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use russh::keys::ssh_key::LineEnding;

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
        assert_eq!(host_keys(&zone).len(), 1);
        assert!(matches!(import(&zone, "nonsense"), Err(KeyError::Key { .. })));
    }

    #[test]
    fn keys_change_in_order_and_a_kill_between_two_steps_leaves_one_in_place() {
        let folder = tempfile::tempdir().expect("a folder");
        let zone = Zone::new(folder.path());
        let first = fingerprint_of(&host_key(&zone).expect("made"));
        assert!(matches!(activate(&zone), Err(KeyError::Order(_))), "no next key");
        assert!(matches!(retire(&zone), Err(KeyError::Order(_))), "only the key in use");
        let second = rotate(&zone).expect("made");
        assert!(matches!(rotate(&zone), Err(KeyError::Order(_))), "one at a time");
        let in_use = || fingerprint_of(&host_key(&zone).expect("read"));
        assert_eq!(in_use(), first, "the next key is shown to nobody");
        // As a kill after the first half of the step leaves it.
        write(&host_key(&zone).expect("read"), &zone.keys().join(ED25519_OLD)).expect("written");
        assert_eq!(activate(&zone).expect("done"), (second.clone(), first.clone()));
        assert_eq!(in_use(), second);
        let standings = || host_keys(&zone).iter().map(|key| key.standing).collect::<Vec<_>>();
        assert_eq!(standings(), [Standing::InUse, Standing::Old]);
        let third = rotate(&zone).expect("made");
        assert!(matches!(activate(&zone), Err(KeyError::Order(_))), "the first is kept still");
        assert_eq!(retire(&zone).expect("removed"), first);
        assert_eq!(retire(&zone).expect("given up"), third);
        assert_eq!(standings(), [Standing::InUse]);
        let line = host_keys(&zone)[0].line.clone();
        assert_eq!(fingerprint(&line), Some(second));
    }
}
