//! The fuzz targets of tests/fuzz over their corpora and mutations of them, on stable.
//!
//! The same mutations each time. `LANDFALL_FUZZ_SECONDS=60` goes on for so long with each target.

#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "tests"
)]

#[path = "fuzz/targets.rs"]
mod targets;

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::time::{Duration, Instant};

/// Mutations of a corpus that every test run tries.
const MUTATIONS: usize = 20_000;
/// The same for files that are converted, which takes more of the test's time.
const CONVERSIONS: usize = 400;
/// Bytes of a mutated input.
const INPUT_BYTES_MAX: usize = 4096;
/// How long one input may take: far more than any needs on a busy machine.
const SLOW: Duration = Duration::from_secs(2);

struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % (end.max(1) as u64)).expect("small")
    }

    fn byte(&mut self) -> u8 {
        // Bytes that mean something to one of the parsers come more often.
        const TELLING: &[u8] = b"\0\x01\x06\xff/.~*?[]\\'\"\n\r =#{},\x7f\x80";
        match self.below(2) {
            0 => TELLING[self.below(TELLING.len())],
            _ => self.next().to_le_bytes()[0],
        }
    }

    /// Changes an input in a few places, sometimes with parts of another.
    fn mutate(&mut self, input: &mut Vec<u8>, other: &[u8]) {
        for _ in 0..=self.below(6) {
            let at = self.below(input.len() + 1);
            match self.below(7) {
                0 => input.insert(at, self.byte()),
                1 if at < input.len() => drop(input.remove(at)),
                2 if at < input.len() => input[at] = self.byte(),
                3 if at < input.len() => input[at] ^= 1 << self.below(8),
                4 => {
                    let (from, to) = (self.below(other.len() + 1), self.below(other.len() + 1));
                    let part = other[from.min(to)..from.max(to)].to_vec();
                    input.splice(at..at, part);
                }
                5 => {
                    let end = (at + self.below(40)).min(input.len());
                    let part = input[at..end].to_vec();
                    for _ in 0..self.below(20) {
                        input.splice(at..at, part.iter().copied());
                    }
                }
                _ => input.truncate(at.max(1)),
            }
        }
        input.truncate(INPUT_BYTES_MAX);
    }
}

fn replay(name: &str, mutations: usize) {
    let (_, target) = targets::ALL.iter().find(|(known, _)| *known == name).expect("a target");
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz/corpus").join(name);
    let mut files: Vec<_> = fs::read_dir(folder).expect("a corpus").flatten().collect();
    files.sort_by_key(fs::DirEntry::file_name);
    let corpus: Vec<Vec<u8>> =
        files.iter().map(|file| fs::read(file.path()).expect("read")).collect();
    assert!(corpus.len() >= 3, "{name} has a corpus");
    let run = |input: &[u8]| {
        let begun = Instant::now();
        let outcome = catch_unwind(AssertUnwindSafe(|| target(input)));
        assert!(outcome.is_ok(), "{name} fails with b\"{}\"", input.escape_ascii());
        assert!(begun.elapsed() < SLOW, "{name} is slow with b\"{}\"", input.escape_ascii());
    };
    corpus.iter().for_each(|input| run(input));
    let more = std::env::var("LANDFALL_FUZZ_SECONDS").ok().and_then(|text| text.parse().ok());
    let more = Duration::from_secs(more.unwrap_or(0));
    let (mut random, begun) = (Random(0x9e37_79b9_7f4a_7c15), Instant::now());
    let mut tried = 0;
    while tried < mutations || begun.elapsed() < more {
        let mut input = corpus[random.below(corpus.len())].clone();
        let other = &corpus[random.below(corpus.len())];
        random.mutate(&mut input, other);
        run(&input);
        tried += 1;
    }
}

#[test]
fn codec() {
    replay("codec", MUTATIONS);
}

#[test]
fn request() {
    replay("request", MUTATIONS);
}

#[test]
fn scp_line() {
    replay("scp_line", MUTATIONS);
}

#[test]
fn words() {
    replay("words", MUTATIONS);
}

#[test]
fn view() {
    replay("view", MUTATIONS);
}

#[test]
fn file_name() {
    replay("file_name", MUTATIONS);
}

#[test]
fn config() {
    replay("config", MUTATIONS);
}

#[test]
fn account() {
    replay("account", MUTATIONS);
}

#[test]
fn glob() {
    replay("glob", MUTATIONS);
}

#[test]
fn detect() {
    replay("detect", CONVERSIONS);
}

#[test]
fn delimited() {
    replay("delimited", CONVERSIONS);
}

#[test]
fn json() {
    replay("json", CONVERSIONS);
}

#[test]
fn packed() {
    replay("packed", CONVERSIONS);
}

#[test]
fn contract() {
    replay("contract", CONVERSIONS);
}

#[test]
fn workbook() {
    replay("workbook", CONVERSIONS);
}

#[test]
fn columnar() {
    replay("columnar", CONVERSIONS);
}
