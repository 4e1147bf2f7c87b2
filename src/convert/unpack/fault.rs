//! What is wrong with a packed file.
//!
//! A fault is met while bytes are read, deep below whoever reads them. It travels inside the
//! [`io::Error`] and is found again by [`Fault::within`], so that a damaged archive is told as such
//! and never as a failure of the converter.

use std::error::Error as StdError;
use std::io;

use crate::diagnostic::{Code, Diagnostic};

/// Why packed bytes do not come out, or may not.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// The packed bytes end too early.
    #[error("{what} ends too early")]
    Truncated {
        /// `the gzip stream`, `` member `a.csv` ``.
        what: String,
    },
    /// The packed bytes are not what their format says.
    #[error("{what} is damaged: {how}")]
    Corrupt {
        /// The same.
        what: String,
        /// What was found.
        how: String,
    },
    /// What came out has not the size or checksum that was recorded with it.
    #[error("{what} has another {measure} than was recorded when it was packed")]
    Altered {
        /// The same.
        what: String,
        /// `size` or `checksum`.
        measure: &'static str,
    },
    /// More comes out than any one file may hold.
    #[error("{what} unpacks to more than {max} bytes")]
    TooLarge {
        /// The same.
        what: String,
        /// The limit, in bytes.
        max: u64,
    },
    /// So much comes out of so little that it was made to hurt.
    #[error("{what} unpacks to more than {ratio} times its size")]
    Bomb {
        /// The same.
        what: String,
        /// The limit.
        ratio: u64,
    },
}

impl Fault {
    /// The fault that an error or one of its sources carries.
    pub fn within<'e>(error: &'e (dyn StdError + 'static)) -> Option<&'e Self> {
        let of = |error: &'e (dyn StdError + 'static)| {
            let carried = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
            carried.and_then(|inner| inner.downcast_ref::<Self>())
        };
        let mut next = Some(error);
        while let Some(error) = next {
            if let Some(fault) = of(error) {
                return Some(fault);
            }
            next = error.source();
        }
        None
    }

    /// What a person reads of it.
    pub fn diagnostic(&self) -> Diagnostic {
        let code = match self {
            Self::Truncated { .. } | Self::Corrupt { .. } | Self::Altered { .. } => Code::C140,
            Self::TooLarge { .. } | Self::Bomb { .. } => Code::C141,
        };
        Diagnostic::error(code, self.to_string())
    }
}

impl From<Fault> for io::Error {
    fn from(fault: Fault) -> Self {
        Self::new(io::ErrorKind::InvalidData, fault)
    }
}
