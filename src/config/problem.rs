//! Mistakes in configuration files: where each is, and what to write instead.
//!
//! A [`Source`] is one file being read; it collects every problem instead of stopping at the first.

use std::cell::RefCell;
use std::fmt;
use std::io;
use std::ops::Range;
use std::path::Path;

/// One mistake in one file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Problem {
    /// The file, relative to the zone where it lies in it.
    pub file: String,
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// What is wrong, naming the thing.
    pub message: String,
    /// What to write instead, when that can be guessed.
    pub suggestion: Option<String>,
}

/// `landfall.toml:3:1: unknown key `lisen` in [sftp]; did you mean `listen`?`
impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}: {}", self.file, self.line, self.column, self.message)?;
        match &self.suggestion {
            Some(suggestion) => write!(f, "; did you mean `{suggestion}`?"),
            None => Ok(()),
        }
    }
}

/// All mistakes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{} in the configuration", count(.0.len()))]
pub struct Problems(pub Vec<Problem>);

fn count(problems: usize) -> String {
    if problems == 1 { "1 problem".to_owned() } else { format!("{problems} problems") }
}

/// A value is not what its key asks for: the end of a sentence that begins with the key.
#[derive(Debug)]
pub(super) struct Wrong {
    pub message: String,
    pub suggestion: Option<String>,
}

impl Wrong {
    pub(super) fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), suggestion: None }
    }

    /// `given` is not one of `known`; suggests the one that looks most like it.
    pub(super) fn unlike<'k>(
        message: impl Into<String>,
        given: &str,
        known: impl IntoIterator<Item = &'k str>,
    ) -> Self {
        Self { message: message.into(), suggestion: nearest(given, known) }
    }
}

/// One file's text and the problems found in it so far.
pub(super) struct Source<'t> {
    file: String,
    pub(super) text: &'t str,
    problems: RefCell<Vec<Problem>>,
}

impl<'t> Source<'t> {
    pub(super) fn new(file: &str, text: &'t str) -> Self {
        Self { file: file.to_owned(), text, problems: RefCell::default() }
    }

    /// Keeps a problem with what stands at these bytes of the text.
    pub(super) fn problem(&self, span: &Range<usize>, wrong: Wrong) {
        let before = self.text.get(..span.start).unwrap_or(self.text);
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        let column = before.get(line_start..).unwrap_or_default().chars().count() + 1;
        let line = before.bytes().filter(|b| *b == b'\n').count() + 1;
        let Wrong { message, suggestion } = wrong;
        let file = self.file.clone();
        self.problems.borrow_mut().push(Problem { file, line, column, message, suggestion });
    }

    /// The problems in the order of the text.
    pub(super) fn into_problems(self) -> Vec<Problem> {
        let mut problems = self.problems.into_inner();
        problems.sort();
        problems.dedup();
        problems
    }
}

/// The known word that a typing mistake most likely meant.
fn nearest<'k>(given: &str, known: impl IntoIterator<Item = &'k str>) -> Option<String> {
    let given = given.to_ascii_lowercase();
    known
        .into_iter()
        .map(|word| (strsim::damerau_levenshtein(&given, word), word))
        .filter(|(distance, word)| *distance <= 1 + word.len() / 4)
        .min()
        .map(|(_, word)| word.to_owned())
}

/// The names of a folder's `.toml` files without their extension, sorted; none when there is no
/// folder.
pub(super) fn toml_stems(folder: &Path) -> io::Result<Vec<String>> {
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut stems = Vec::new();
    for entry in entries {
        let name = entry?.file_name().to_string_lossy().into_owned();
        let stem = name.strip_suffix(".toml").filter(|stem| !stem.starts_with('.'));
        stems.extend(stem.map(ToOwned::to_owned));
    }
    stems.sort();
    Ok(stems)
}

/// The text of a configuration file; what cannot be read is a problem of its first line.
pub(super) fn read_text(path: &Path, file: &str) -> Result<String, Problem> {
    std::fs::read_to_string(path).map_err(|error| Problem {
        file: file.to_owned(),
        line: 1,
        column: 1,
        message: format!("cannot be read: {error}"),
        suggestion: None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_and_columns_count_characters_from_one() {
        let source = Source::new("f.toml", "é = 1\nü = 2");
        source.problem(&(7..8), Wrong::new("bad"));
        source.problem(&(3..4), Wrong::new("worse"));
        let told: Vec<String> = source.into_problems().iter().map(ToString::to_string).collect();
        assert_eq!(told, ["f.toml:1:3: worse", "f.toml:2:1: bad"]);
    }

    #[test]
    fn a_suggestion_is_near_or_absent() {
        let known = ["listen", "idle_timeout", "enabled"];
        assert_eq!(nearest("lisen", known).as_deref(), Some("listen"));
        assert_eq!(nearest("Listne", known).as_deref(), Some("listen"));
        assert_eq!(nearest("port", known), None);
    }
}
