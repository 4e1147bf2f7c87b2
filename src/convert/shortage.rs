//! Errors that say nothing of the file and much of the machine: what is short now and may be there
//! again in a moment.
//!
//! Left out: an I/O error, which may well be the file's, and comes back.

use std::error::Error;
use std::io;

use rustix::io::Errno;

/// What a machine can be short of: room, a quota, descriptors, memory, a disk that may be written.
const SHORTAGES: [Errno; 6] =
    [Errno::NOSPC, Errno::DQUOT, Errno::ROFS, Errno::MFILE, Errno::NFILE, Errno::NOMEM];

/// Whether an error comes down to a shortage.
pub fn within(error: &(dyn Error + 'static)) -> bool {
    let mut next = Some(error);
    while let Some(error) = next {
        let told = error.downcast_ref::<io::Error>().and_then(io::Error::raw_os_error);
        if told.is_some_and(|told| SHORTAGES.iter().any(|short| short.raw_os_error() == told)) {
            return true;
        }
        next = error.source();
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_is_found_below_other_errors() {
        let full = || io::Error::from(Errno::NOSPC);
        assert!(within(&full()));
        let deep = parquet::errors::ParquetError::External(Box::new(full()));
        assert!(within(&crate::convert::table::Error::Parquet(deep)));
        assert!(!within(&io::Error::from(Errno::IO)));
        assert!(!within(&io::Error::from(io::ErrorKind::UnexpectedEof)));
    }
}
