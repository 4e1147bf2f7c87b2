//! What the zone signs, so that outsiders can check it without landfall.
//!
//! A signature is OpenSSH's own kind (SSHSIG, PROTOCOL.sshsig): Ed25519 over the SHA-512 of the text
//! and a [`Namespace`] that says what is signed, so that a signature over one kind of text never
//! passes for one over another. `ssh-keygen -Y verify` checks it with one line of an allowed-signers
//! file ([`allowed_signer`]). The same key and text always give the same signature (RFC 8032).
//!
//! [`key_file`] makes, keeps and reads the keys themselves; host keys are such files too.

use std::path::Path;

use russh::keys::ssh_key::{LineEnding, SshSig};
use russh::keys::{HashAlg, PrivateKey, PublicKey};

pub mod key_file;

use key_file::KeyError;

/// What kind of text is signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Namespace {
    /// A sender's receipt.
    Receipt,
    /// A head of the ledger.
    Checkpoint,
    /// A list of digests: of an audit's bundle, or of a day's files.
    Sums,
    /// What is left of a file that was erased.
    Tombstone,
}

impl Namespace {
    /// As it stands in a signature and after `ssh-keygen -Y verify -n`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Receipt => "landfall-receipt",
            Self::Checkpoint => "landfall-checkpoint",
            Self::Sums => "landfall-sums",
            Self::Tombstone => "landfall-tombstone",
        }
    }
}

/// A key that signs for a zone.
#[derive(Debug)]
pub struct SigningKey(PrivateKey);

impl SigningKey {
    /// Reads the key in a file, which is made when it is missing.
    ///
    /// # Errors
    /// [`KeyError`].
    pub fn open(path: &Path) -> Result<Self, KeyError> {
        key_file::ensure(path, "landfall").map(Self)
    }

    /// Signs a text: `-----BEGIN SSH SIGNATURE-----` and so on, with `\n` at the end of each line.
    ///
    /// # Errors
    /// [`KeyError::Sign`].
    pub fn sign(&self, namespace: Namespace, text: &[u8]) -> Result<String, KeyError> {
        let signed = self.0.sign(namespace.as_str(), HashAlg::Sha512, text);
        let armored = signed.and_then(|signature| signature.to_pem(LineEnding::LF));
        armored.map_err(KeyError::Sign)
    }

    /// The public line: `ssh-ed25519 AAAA…`.
    pub fn public_line(&self) -> String {
        key_file::public_line(&self.0)
    }
}

/// Whether a signature is by this public line, over this text, of this kind.
pub fn verify(line: &str, namespace: Namespace, text: &[u8], signature: &str) -> bool {
    let Ok(key) = PublicKey::from_openssh(line.trim()) else { return false };
    let Ok(signature) = SshSig::from_pem(signature) else { return false };
    key.verify(namespace.as_str(), text, &signature).is_ok()
}

/// The name that signs for a zone: the zone's own, with what an allowed-signers file could take for
/// a pattern or a separator replaced.
pub fn principal(zone_name: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() || "._-@".contains(c) { c } else { '-' };
    zone_name.chars().map(plain).collect()
}

/// The line of an allowed-signers file (ssh-keygen(1), ALLOWED SIGNERS) by which all that a zone
/// signs is checked.
pub fn allowed_signer(zone_name: &str, line: &str) -> String {
    let all = [Namespace::Receipt, Namespace::Checkpoint, Namespace::Sums, Namespace::Tombstone];
    let all = all.map(Namespace::as_str);
    format!("{} namespaces=\"{}\" {line}", principal(zone_name), all.join(","))
}

/// The fingerprint of the key that made a signature; `None` when it is none.
pub fn signer(signature: &str) -> Option<String> {
    let signature = SshSig::from_pem(signature).ok()?;
    Some(signature.public_key().fingerprint(HashAlg::Sha256).to_string())
}

/// The public lines in an allowed-signers file, or in one of public keys.
pub fn lines_of(signers: &str) -> Vec<String> {
    let key = |line: &str| {
        let start = line.find("ssh-ed25519 ")?;
        key_file::line_alone(line.get(start..)?)
    };
    signers.lines().filter(|line| !line.starts_with('#')).filter_map(key).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_is_of_one_text_one_key_and_the_same_each_time() {
        let folder = tempfile::tempdir().expect("a folder");
        let key = SigningKey::open(&folder.path().join("a")).expect("made");
        let other = SigningKey::open(&folder.path().join("b")).expect("made");
        let signature = key.sign(Namespace::Receipt, b"text").expect("signed");
        assert_eq!(key.sign(Namespace::Receipt, b"text").expect("signed"), signature);
        let holds = |line: &str, text: &[u8]| verify(line, Namespace::Receipt, text, &signature);
        assert!(holds(&key.public_line(), b"text"));
        assert!(!holds(&key.public_line(), b"texT"));
        assert!(!holds(&other.public_line(), b"text"));
        assert!(!verify(&key.public_line(), Namespace::Receipt, b"text", "nonsense"));
    }

    #[test]
    fn a_zones_name_cannot_add_a_pattern_or_a_word() {
        let line = allowed_signer("our zone,*!", "ssh-ed25519 AAAA");
        assert_eq!(
            line,
            "our-zone--- namespaces=\"landfall-receipt,landfall-checkpoint,landfall-sums,\
             landfall-tombstone\" ssh-ed25519 AAAA"
        );
    }
}
