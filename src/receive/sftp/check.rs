//! Sums of a file or of its blocks over SFTP (draft-ietf-secsh-filexfer-extensions-00 section 3).
//!
//! The whole file's SHA-256 is on record; anything else is read from the archive.

use super::account::Account;
use super::download::{Download, copy_from};
use super::names;
use super::refusal::Refused;
use super::view::{self, Node};
use super::wire::reply::Answer;
use super::wire::{CheckFile, READ_BYTES_MAX};
use crate::receive::checksum::Algorithm;
use crate::receive::staging::read_full;

/// The sums that can be asked for, in the words of the draft.
const ALGORITHMS: [Algorithm; 3] = [Algorithm::Md5, Algorithm::Sha1, Algorithm::Sha256];
/// Bytes read for one answer.
const CHECKED_BYTES_MAX: u64 = 4 << 30;
/// The shortest block, as the draft says.
const BLOCK_BYTES_MIN: u64 = 256;

/// Answers for a landed file by its name. Slow.
///
/// # Errors
/// A sentence.
pub fn landed(account: &Account, path: &[u8], check: &CheckFile) -> Result<Answer, Refused> {
    let Node::Entry(key) = view::resolve(&account.partner, path)? else {
        return Err(Refused::missing());
    };
    if let Some(sidecar) = names::sidecar(account, &key)? {
        let bytes = account.desk.intake.sidecar_bytes(&sidecar)?;
        let read = |at: u64, into: &mut [u8]| Ok(copy_from(&bytes, at, into));
        return sums(read, sidecar.size_bytes, chosen(check)?, check);
    }
    let arrival = names::landed(account, &key)?.ok_or_else(Refused::missing)?;
    let is_whole = check.offset == 0
        && (check.length == 0 || check.length >= arrival.size_bytes)
        && (check.block_bytes == 0 || u64::from(check.block_bytes) >= arrival.size_bytes);
    let algorithm = chosen(check)?;
    if is_whole && algorithm == Algorithm::Sha256 && arrival.size_bytes > 0 {
        let sums = arrival.digest.as_bytes().to_vec();
        return Ok(Answer::CheckFile { algorithm: algorithm.name(), sums });
    }
    let file = account.desk.intake.open_raw(arrival.id)?;
    let read = |at, into: &mut [u8]| {
        read_full(&file, at, into).map_err(|error| {
            tracing::error!(%error, "a raw object could not be read");
            Refused::failure("the server could not read this file; tell the people who run it")
        })
    };
    sums(read, arrival.size_bytes, algorithm, check)
}

/// Answers for a file that is open for reading. Slow.
///
/// # Errors
/// A sentence.
pub fn open(file: &Download, check: &CheckFile) -> Result<Answer, Refused> {
    let size_bytes = file.look().size_bytes.unwrap_or_default();
    sums(|at, into: &mut [u8]| file.read(at, into), size_bytes, chosen(check)?, check)
}

fn chosen(check: &CheckFile) -> Result<Algorithm, Refused> {
    let mut wanted = check.algorithms.split(|b| *b == b',');
    let known = |name: &[u8]| ALGORITHMS.into_iter().find(|known| known.name().as_bytes() == name);
    wanted.find_map(known).ok_or_else(|| {
        Refused::unsupported("none of these sums is known here; ask for md5, sha1 or sha256")
    })
}

fn sums(
    read: impl Fn(u64, &mut [u8]) -> Result<usize, Refused>,
    size_bytes: u64,
    algorithm: Algorithm,
    check: &CheckFile,
) -> Result<Answer, Refused> {
    let left = size_bytes.saturating_sub(check.offset);
    let length = if check.length == 0 { left } else { check.length.min(left) };
    let block_bytes = if check.block_bytes == 0 { length } else { u64::from(check.block_bytes) };
    if block_bytes < BLOCK_BYTES_MIN && check.block_bytes != 0 {
        return Err(Refused::failure("blocks are at least 256 bytes"));
    }
    let count = length.div_ceil(block_bytes.max(1)).max(1);
    if length > CHECKED_BYTES_MAX || count > (READ_BYTES_MAX / algorithm.sum_bytes()) as u64 {
        return Err(Refused::failure(
            "this is too much for one answer; ask for a shorter part, or for longer blocks",
        ));
    }
    let (mut at, end) = (check.offset, check.offset.saturating_add(length));
    let mut sums = Vec::new();
    let mut buffer = vec![0; READ_BYTES_MAX];
    for _ in 0..count {
        let mut sum = algorithm.begin();
        let block_end = end.min(at.saturating_add(block_bytes));
        while at < block_end {
            let most = usize::try_from(block_end - at).unwrap_or(usize::MAX).min(buffer.len());
            let read = read(at, buffer.get_mut(..most).unwrap_or_default())?;
            if read == 0 {
                return Err(Refused::failure("the file ends before"));
            }
            sum.take(buffer.get(..read).unwrap_or_default());
            at += read as u64;
        }
        sums.extend_from_slice(&sum.end());
    }
    Ok(Answer::CheckFile { algorithm: algorithm.name(), sums })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(algorithms: &str, offset: u64, length: u64, block_bytes: u32) -> CheckFile {
        CheckFile { algorithms: algorithms.into(), offset, length, block_bytes }
    }

    fn answered(bytes: &[u8], check: &CheckFile) -> Result<Vec<u8>, Refused> {
        let read = |at: u64, into: &mut [u8]| {
            let from = &bytes[usize::try_from(at).expect("small")..];
            let count = from.len().min(into.len());
            into[..count].copy_from_slice(&from[..count]);
            Ok(count)
        };
        let answer = sums(read, bytes.len() as u64, chosen(check)?, check)?;
        let Answer::CheckFile { sums, .. } = answer else { panic!("{answer:?}") };
        Ok(sums)
    }

    fn sum(algorithm: Algorithm, bytes: &[u8]) -> Vec<u8> {
        let mut sum = algorithm.begin();
        sum.take(bytes);
        sum.end()
    }

    #[test]
    fn a_part_is_summed_whole_or_in_blocks() {
        let bytes: Vec<u8> = (0..1000_u32).map(|n| u8::try_from(n % 251).expect("small")).collect();
        assert_eq!(answered(&bytes, &ask("md5", 0, 0, 0)), Ok(sum(Algorithm::Md5, &bytes)));
        assert_eq!(
            answered(&bytes, &ask("crc32,sha1", 100, 300, 0)),
            Ok(sum(Algorithm::Sha1, &bytes[100..400]))
        );
        let blocks: Vec<u8> =
            bytes[100..].chunks(256).flat_map(|block| sum(Algorithm::Sha256, block)).collect();
        assert_eq!(answered(&bytes, &ask("sha256", 100, 5000, 256)), Ok(blocks));
        assert_eq!(answered(&[], &ask("md5", 0, 0, 0)), Ok(sum(Algorithm::Md5, &[])));
    }

    #[test]
    fn what_is_too_much_or_unknown_is_refused() {
        let bytes = [7; 1000];
        assert!(answered(&bytes, &ask("crc32", 0, 0, 0)).is_err());
        assert!(answered(&bytes, &ask("md5", 0, 0, 100)).is_err());
        let endless = |_: u64, into: &mut [u8]| Ok(into.len());
        let check = ask("md5", 0, 0, 256);
        assert!(sums(endless, 1 << 30, Algorithm::Md5, &check).is_err(), "too many blocks");
        let check = ask("md5", 0, 0, 0);
        assert!(sums(endless, u64::MAX, Algorithm::Md5, &check).is_err(), "too many bytes");
    }
}
