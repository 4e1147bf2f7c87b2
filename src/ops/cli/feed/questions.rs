//! The questions that keep a lake from becoming a swamp, each with a flag for scripts. What no flag
//! answers is asked on standard error and read from standard input.

use std::io::{self, BufRead as _, Read as _, Write as _};
use std::time::Duration;

use crate::config::{self, Card, SameName};
use crate::diagnostic::{Code, Diagnostic};

/// Bytes of an answer.
const ANSWER_BYTES_MAX: u64 = 4096;
/// How often a question is asked.
const ASKED_MAX: usize = 3;

/// The answers that flags give.
#[derive(Debug, clap::Args)]
pub(in crate::ops::cli) struct Answers {
    /// The inside team that answers for it
    #[arg(long, value_name = "TEAM")]
    owner: Option<String>,
    /// Why it exists, in one sentence
    #[arg(long, value_name = "TEXT")]
    purpose: Option<String>,
    /// Who reads it, for what; may be given several times
    #[arg(long = "use", value_name = "TEXT")]
    uses: Vec<String>,
    /// How old its newest file may be, such as 1d or 2h; `any` for any age
    #[arg(long, value_name = "AGE", value_parser = freshness)]
    freshness: Option<Freshness>,
    /// What a name that comes again with other content does: `replace` the older, or `append` to it
    #[arg(long, value_name = "WHAT", value_parser = same_name)]
    same_name: Option<SameName>,
    /// Whether there are data of persons in it: yes or no
    #[arg(long, value_name = "ANSWER", value_parser = yes_or_no)]
    personal_data: Option<YesNo>,
    /// Names that it takes, such as 'orders_*.csv'; may be given several times [default: every name]
    #[arg(long = "match", value_name = "PATTERN")]
    patterns: Vec<String>,
}

/// How old the newest file may be; `None` for any age.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Freshness(Option<Duration>);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum YesNo {
    Yes,
    No,
}

fn freshness(text: &str) -> Result<Freshness, String> {
    match text {
        "" | "any" => Ok(Freshness(None)),
        text => {
            let age = config::lasting(text).filter(|age| !age.is_zero());
            age.map(|age| Freshness(Some(age)))
                .ok_or_else(|| format!("`{text}` is no age such as 2h, 1d or 7d, nor `any`"))
        }
    }
}

fn same_name(text: &str) -> Result<SameName, String> {
    match text {
        "append" => Ok(SameName::Append),
        "replace" => Ok(SameName::Replace),
        other => Err(format!("`{other}` is neither `append` nor `replace`")),
    }
}

fn yes_or_no(text: &str) -> Result<YesNo, String> {
    match text.to_lowercase().as_str() {
        "yes" | "y" => Ok(YesNo::Yes),
        "no" | "n" => Ok(YesNo::No),
        _other => Err(format!("`{text}` is neither `yes` nor `no`")),
    }
}

/// An answer that must say something.
fn said(text: &str) -> Result<String, String> {
    match text.trim() {
        "" => Err("an answer is needed".to_owned()),
        said => Ok(said.to_owned()),
    }
}

/// Several answers with commas between; none for nothing.
#[expect(clippy::unnecessary_wraps, reason = "as every reader of an answer")]
fn several(text: &str) -> Result<Vec<String>, String> {
    let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
    Ok(parts.map(ToOwned::to_owned).collect())
}

impl Answers {
    /// What the flags say, and the rest as it is answered.
    ///
    /// # Errors
    /// [`Code::H133`] when a question that needs an answer has none.
    pub(super) fn complete(self) -> Result<Card, Diagnostic> {
        let given = |texts: Vec<String>| Some(texts).filter(|texts| !texts.is_empty());
        let owner = self.owner.map(|owner| said(&owner)).transpose();
        let purpose = self.purpose.map(|purpose| said(&purpose)).transpose();
        let owner = owner.map_err(|_blank| unanswered("--owner"))?;
        let purpose = purpose.map_err(|_blank| unanswered("--purpose"))?;
        let freshness_question = "How old may its newest file be (2h, 1d, 7d; blank: any age)";
        let same_question =
            "A name comes again with other content: `replace` the older file, or `append` to it";
        Ok(Card {
            owner: answer(owner, ("--owner", "Which team answers for it"), said)?,
            purpose: answer(purpose, ("--purpose", "Why does it exist, in one sentence"), said)?,
            uses: answer(
                given(self.uses),
                ("--use", "Who reads it, for what (commas between; blank: nobody yet)"),
                several,
            )?,
            freshness: answer(self.freshness, ("--freshness", freshness_question), freshness)?.0,
            same_name: answer(self.same_name, ("--same-name", same_question), same_name)?,
            personal_data: answer(
                self.personal_data,
                ("--personal-data", "Are there data of persons in it (yes, no)"),
                yes_or_no,
            )? == YesNo::Yes,
            patterns: answer(
                given(self.patterns),
                (
                    "--match",
                    "Which names does it take, such as orders_*.csv (commas between; blank: every name)",
                ),
                several,
            )?,
        })
    }
}

/// What a flag says, or else what is answered.
fn answer<T>(
    given: Option<T>,
    (flag, question): (&str, &str),
    read: impl Fn(&str) -> Result<T, String>,
) -> Result<T, Diagnostic> {
    if let Some(given) = given {
        return Ok(given);
    }
    for _ in 0..ASKED_MAX {
        let line = ask(question).map_err(|error| unanswered(flag).caused_by(&error))?;
        // Where nobody answers any more, nothing is the answer, if it may be.
        let is_over = line.is_none();
        match read(line.as_deref().unwrap_or_default().trim()) {
            Ok(answer) => return Ok(answer),
            Err(_) if is_over => break,
            Err(why) => to_stderr(&format!("  {why}\n")),
        }
    }
    Err(unanswered(flag))
}

/// Asks once; `None` when the input is at its end.
fn ask(question: &str) -> io::Result<Option<String>> {
    to_stderr(&format!("{question}? "));
    let mut line = String::new();
    let count = io::stdin().lock().take(ANSWER_BYTES_MAX).read_line(&mut line)?;
    Ok((count > 0).then_some(line))
}

fn to_stderr(text: &str) {
    // Nobody is left to ask when standard error is gone; the answers may still come.
    io::stderr().lock().write_all(text.as_bytes()).unwrap_or_default();
}

fn unanswered(flag: &str) -> Diagnostic {
    Diagnostic::error(Code::H133, "a new feed needs more answers").fact("missing", flag)
}
