//! Sums that senders and their tools know files by: MD5, SHA-1 and SHA-256.
//!
//! MD5 and SHA-1 find accidents, not forgers. What landfall itself knows a file by is its digest,
//! the SHA-256 that the ledger keeps.

use sha2::Digest as _;

/// A way to sum bytes up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Algorithm {
    /// RFC 1321.
    Md5,
    /// RFC 3174.
    Sha1,
    /// FIPS 180-4.
    Sha256,
}

impl Algorithm {
    /// The command of coreutils that computes it.
    pub fn command(self) -> &'static str {
        match self {
            Self::Md5 => "md5sum",
            Self::Sha1 => "sha1sum",
            Self::Sha256 => "sha256sum",
        }
    }

    /// What draft-ietf-secsh-filexfer-extensions calls it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Md5 => "md5",
            Self::Sha1 => "sha1",
            Self::Sha256 => "sha256",
        }
    }

    /// Bytes of a sum.
    pub fn sum_bytes(self) -> usize {
        match self {
            Self::Md5 => 16,
            Self::Sha1 => 20,
            Self::Sha256 => 32,
        }
    }

    /// Begins a sum.
    pub fn begin(self) -> Sum {
        match self {
            Self::Md5 => Sum::Md5(md5::Md5::new()),
            Self::Sha1 => Sum::Sha1(sha1::Sha1::new()),
            Self::Sha256 => Sum::Sha256(sha2::Sha256::new()),
        }
    }
}

/// A sum in progress.
#[derive(Clone)]
pub enum Sum {
    /// MD5.
    Md5(md5::Md5),
    /// SHA-1.
    Sha1(sha1::Sha1),
    /// SHA-256.
    Sha256(sha2::Sha256),
}

impl Sum {
    /// Takes the next bytes.
    pub fn take(&mut self, bytes: &[u8]) {
        match self {
            Self::Md5(sum) => sum.update(bytes),
            Self::Sha1(sum) => sum.update(bytes),
            Self::Sha256(sum) => sum.update(bytes),
        }
    }

    /// The sum of all that was taken.
    pub fn end(self) -> Vec<u8> {
        match self {
            Self::Md5(sum) => sum.finalize().to_vec(),
            Self::Sha1(sum) => sum.finalize().to_vec(),
            Self::Sha256(sum) => sum.finalize().to_vec(),
        }
    }

    /// The same as hexadecimal digits.
    pub fn end_as_text(self) -> String {
        self.end().iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_are_those_of_the_standards() {
        let text = |algorithm: Algorithm, bytes: &[u8]| {
            let mut sum = algorithm.begin();
            sum.take(bytes);
            let text = sum.end_as_text();
            assert_eq!(text.len(), algorithm.sum_bytes() * 2);
            text
        };
        assert_eq!(text(Algorithm::Md5, b""), "d41d8cd98f00b204e9800998ecf8427e");
        assert_eq!(text(Algorithm::Md5, b"abc"), "900150983cd24fb0d6963f7d28e17f72");
        assert_eq!(text(Algorithm::Sha1, b"abc"), "a9993e364706816aba3e25717850c26c9cd0d89d");
        assert!(text(Algorithm::Sha256, b"abc").starts_with("ba7816bf8f01cfea414140de5dae2223"));
    }
}
