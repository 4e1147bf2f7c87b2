//! What a harness has tried already: a release's run, which takes hours, goes on where it was stopped.
//!
//! `LANDFALL_CRASH_SEEN` names a folder; each harness keeps a file there with one line for each try:
//! its name, a figure and `kept` or `broken`. A try that kept every promise is not made again; one
//! that broke one is. Without the variable nothing is kept, and everything is tried.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::Write as _;
use std::path::PathBuf;

/// What came of one try.
pub struct Tried {
    /// What the harness counts: faults that came, files that were acknowledged.
    pub figure: usize,
    /// What is wrong; nothing if all promises were kept.
    pub wrong: Vec<String>,
}

/// The tries of one harness.
pub struct Progress {
    file: Option<File>,
    kept: HashMap<String, usize>,
    tries: usize,
    figure: usize,
    broken: Vec<String>,
}

impl Progress {
    /// What this harness has tried by now.
    pub fn of(harness: &str) -> Self {
        let path = std::env::var_os("LANDFALL_CRASH_SEEN")
            .map(|folder| PathBuf::from(folder).join(harness.replace(' ', ".")));
        let seen = path.as_ref().and_then(|path| fs::read_to_string(path).ok()).unwrap_or_default();
        let kept = seen.lines().filter_map(|line| match line.split('\t').collect::<Vec<_>>()[..] {
            [name, figure, "kept"] => Some((name.to_owned(), figure.parse().ok()?)),
            _ => None,
        });
        let kept = kept.collect();
        let file = path.map(|path| File::options().create(true).append(true).open(path));
        let file = file.map(|file| file.expect("what was seen"));
        Self { file, kept, tries: 0, figure: 0, broken: Vec::new() }
    }

    /// Whether this was tried and every promise was kept.
    pub fn has(&self, name: &str) -> bool {
        self.kept.contains_key(name)
    }

    /// Tries this unless it was tried before.
    pub fn once(&mut self, name: &str, attempt: impl FnOnce() -> Tried) {
        let tried = match self.kept.get(name) {
            Some(figure) => Tried { figure: *figure, wrong: Vec::new() },
            None => self.keep(name, attempt()),
        };
        self.tries += 1;
        self.figure += tried.figure;
        if !tried.wrong.is_empty() {
            self.broken.push(format!("{name}: {:#?}", tried.wrong));
        }
    }

    fn keep(&mut self, name: &str, tried: Tried) -> Tried {
        if let Some(file) = &mut self.file {
            let verdict = if tried.wrong.is_empty() { "kept" } else { "broken" };
            writeln!(file, "{name}\t{}\t{verdict}", tried.figure).expect("what was seen");
            tried.wrong.iter().for_each(|wrong| eprintln!("{name}: {wrong}"));
        }
        tried
    }

    /// How many tries there were, the sum of their figures, and how many broke a promise.
    pub fn counts(&self) -> (usize, usize, usize) {
        (self.tries, self.figure, self.broken.len())
    }

    /// Fails if any try broke a promise.
    #[track_caller]
    pub fn assert_kept(&self) {
        assert!(self.broken.is_empty(), "{}", self.broken.join("\n\n"));
    }
}

/// The same in an order that has some of everything early, for a run that may be stopped.
pub fn spread<T>(all: Vec<T>) -> Vec<T> {
    const GOLDEN_RATIO: u64 = 0x9e37_79b9_7f4a_7c15;
    let mut numbered: Vec<_> = (0_u64..).zip(all).collect();
    numbered.sort_by_key(|(number, _)| number.wrapping_mul(GOLDEN_RATIO));
    numbered.into_iter().map(|(_, one)| one).collect()
}
