//! `md5sum`, `sha1sum` and `sha256sum`: of landed files, or of what the client sends.
//!
//! SHA-256 is on record; the others are computed from the archive, a piece at a time, so that a
//! client that leaves stops the work.

use std::fs::File;

use super::super::account::Account;
use super::super::dialog::{Dialog, Pause, Place, Ran};
use super::super::refusal::Refused;
use super::super::view::{self, Node};
use super::super::{names, wire};
use super::words::sum_line;
use crate::ledger::Arrival;
use crate::receive::checksum::{Algorithm, Sum};
use crate::receive::staging::read_full;

/// Bytes read at once.
const READ_BYTES: usize = 1 << 20;
/// Reads in one step; then others have their turn, and the client may have left.
const STEP_READS: usize = 16;

/// Sums of named files, one after the other.
pub struct Sums {
    account: Account,
    algorithm: Algorithm,
    /// The next last.
    names: Vec<Vec<u8>>,
    reading: Option<Reading>,
    ran: Ran,
}

struct Reading {
    file: File,
    at: u64,
    sum: Sum,
}

impl Sums {
    /// Sums of files of the partner's view.
    pub fn new(account: Account, algorithm: Algorithm, mut names: Vec<Vec<u8>>) -> Self {
        names.reverse();
        Self { account, algorithm, names, reading: None, ran: Ran::default() }
    }

    /// Goes on with the file at hand, or begins the next one; whether anything is left.
    fn step(&mut self, out: &mut Vec<u8>) -> bool {
        let Some(name) = self.names.last().cloned() else { return false };
        let sum = match self.reading.take() {
            Some(reading) => self.read(reading),
            None => self.begin(&name),
        };
        match sum {
            Ok(None) => return true,
            Ok(Some(sum)) => out.extend_from_slice(&sum_line(&sum, &name)),
            Err(told) => {
                let (command, name) = (self.algorithm.command(), String::from_utf8_lossy(&name));
                self.ran.err.push_str(&format!("{command}: {}: {told}\n", name.escape_debug()));
                self.ran.status = 1;
            }
        }
        self.names.pop();
        true
    }

    fn begin(&mut self, name: &[u8]) -> Result<Option<String>, String> {
        let arrival = match found(&self.account, name)? {
            Found::Sidecar(bytes) => {
                let mut sum = self.algorithm.begin();
                sum.take(&bytes);
                return Ok(Some(sum.end_as_text()));
            }
            Found::Arrival(arrival) => arrival,
        };
        if self.algorithm == Algorithm::Sha256 {
            return Ok(Some(arrival.digest.to_string()));
        }
        let file = self.account.desk.intake.open_raw(arrival.id).map_err(|e| e.to_string())?;
        self.reading = Some(Reading { file, at: 0, sum: self.algorithm.begin() });
        Ok(None)
    }

    fn read(&mut self, mut reading: Reading) -> Result<Option<String>, String> {
        let mut bytes = vec![0; READ_BYTES];
        for _ in 0..STEP_READS {
            let count = read_full(&reading.file, reading.at, &mut bytes).map_err(|error| {
                tracing::error!(%error, "a raw object could not be read");
                "the server could not read this file; tell the people who run it".to_owned()
            })?;
            reading.sum.take(bytes.get(..count).unwrap_or_default());
            reading.at += count as u64;
            if count < bytes.len() {
                return Ok(Some(reading.sum.end_as_text()));
            }
        }
        self.reading = Some(reading);
        Ok(None)
    }
}

/// What a name stands for.
enum Found {
    Arrival(Box<Arrival>),
    Sidecar(Vec<u8>),
}

fn found(account: &Account, path: &[u8]) -> Result<Found, String> {
    let none = || "no such file has landed".to_owned();
    match view::resolve(&account.partner, path).map_err(|refused| refused.text)? {
        Node::Entry(key) => {
            let told = |refused: Refused| refused.text;
            if let Some(sidecar) = names::sidecar(account, &key).map_err(told)? {
                let bytes = account.desk.intake.sidecar_bytes(&sidecar);
                return bytes.map(Found::Sidecar).map_err(|error| error.to_string());
            }
            let arrival = names::landed(account, &key).map_err(told)?.ok_or_else(none)?;
            Ok(Found::Arrival(Box::new(arrival)))
        }
        Node::Root
        | Node::Readme
        | Node::Receipts
        | Node::TestReceipts
        | Node::Receipt(..)
        | Node::Test
        | Node::Feed(_)
        | Node::Nowhere => Err(none()),
    }
}

impl Dialog for Sums {
    fn feed(
        &mut self,
        input: &mut &[u8],
        place: Place,
        out: &mut Vec<u8>,
        out_bytes_max: usize,
    ) -> Result<Pause, wire::Error> {
        // It was not asked to read anything.
        *input = &[];
        if out.len() >= out_bytes_max {
            return Ok(Pause::Output);
        }
        if place.may_wait() && !self.step(out) { Ok(Pause::Over) } else { Ok(Pause::Slow) }
    }

    fn finish(self: Box<Self>) -> Ran {
        self.ran
    }
}

/// The sum of what the client sends until it says that there is no more.
pub struct InputSum(Sum);

impl InputSum {
    /// A sum of nothing yet.
    pub fn new(algorithm: Algorithm) -> Self {
        Self(algorithm.begin())
    }
}

impl Dialog for InputSum {
    fn feed(
        &mut self,
        input: &mut &[u8],
        _place: Place,
        _out: &mut Vec<u8>,
        _out_bytes_max: usize,
    ) -> Result<Pause, wire::Error> {
        self.0.take(input);
        *input = &[];
        Ok(Pause::Input)
    }

    fn finish(self: Box<Self>) -> Ran {
        Ran { out: sum_line(&self.0.end_as_text(), b"-"), ..Ran::default() }
    }
}
