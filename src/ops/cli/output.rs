//! What a command prints: its result on standard output, everything else on standard error.

use std::io::{self, IsTerminal as _, Write as _};

use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;

use crate::diagnostic::Diagnostic;
use crate::ops::diagnostic;

/// Asks a person something on the terminal; the answer is for the caller to read.
pub(super) fn ask(question: &str) {
    to_stderr(question);
}

/// The two streams, and whether the result is for people or programs.
#[derive(Debug, Clone, Copy)]
pub struct Output {
    json: bool,
}

impl Output {
    /// Prints text, or JSON.
    pub fn new(json: bool) -> Self {
        Self { json }
    }

    /// Whether the result is JSON.
    pub fn is_json(&self) -> bool {
        self.json
    }

    /// Prints a line, or several, of the result.
    pub fn print(&self, text: &str) {
        crate::ops::say(text);
    }

    /// Prints one object of the result as one line of JSON.
    pub fn object<T: Serialize>(&self, schema: &str, value: &T) {
        self.print(&tagged(schema, value));
    }

    /// Says something beside the result that a program may want as well: a line, or an object, on
    /// standard error.
    pub fn aside<T: Serialize>(&self, text: &str, schema: &str, value: &T) {
        to_stderr(&match self.json {
            true => tagged(schema, value) + "\n",
            false => format!("{text}\n"),
        });
    }

    /// Says something beside the result; not in JSON, where only results and diagnostics are told.
    pub fn say(&self, text: &str) {
        if !self.json {
            to_stderr(&format!("{text}\n"));
        }
    }

    /// Tells what went wrong.
    pub fn tell(&self, told: &Diagnostic) {
        let text = match self.json {
            true => diagnostic::json(told) + "\n",
            false => diagnostic::text(told),
        };
        to_stderr(&text);
    }

    /// A bar for long work on so many bytes; invisible when standard error is not a terminal.
    pub fn bytes_bar(&self, label: &str, size_bytes: u64) -> ProgressBar {
        self.bar((label, size_bytes), "{bytes}/{total_bytes} {bytes_per_sec} {eta}")
    }

    /// A bar for long work on so many rows, with rows a second and the time left.
    pub fn rows_bar(&self, label: &str, rows: u64) -> ProgressBar {
        self.bar((label, rows), "{human_pos}/{human_len} rows {per_sec} {eta}")
    }

    /// A bar for long work on files, with the time left.
    pub fn files_bar(&self, label: &str, files: u64) -> ProgressBar {
        self.bar((label, files), "{human_pos}/{human_len} files {per_sec} {eta}")
    }

    /// A bar for a conversion: bytes read, the time left, and a message for the rows.
    pub fn conversion_bar(&self, label: &str, size_bytes: u64) -> ProgressBar {
        self.bar((label, size_bytes), "{bytes}/{total_bytes} {msg} {eta}")
    }

    fn bar(&self, (label, length): (&str, u64), numbers: &str) -> ProgressBar {
        if self.json || !io::stderr().is_terminal() {
            return ProgressBar::hidden();
        }
        let style = ProgressStyle::with_template(&format!("{{prefix:24}} {{wide_bar}} {numbers}"));
        let bar = ProgressBar::new(length).with_prefix(label.to_owned());
        bar.with_style(
            style.unwrap_or_else(|_: indicatif::style::TemplateError| ProgressStyle::default_bar()),
        )
    }
}

fn tagged<T: Serialize>(schema: &str, value: &T) -> String {
    #[derive(Serialize)]
    struct Tagged<'a, T> {
        schema: &'a str,
        #[serde(flatten)]
        value: &'a T,
    }
    let line = serde_json::to_string(&Tagged { schema, value });
    line.unwrap_or_else(|error| error.to_string())
}

fn to_stderr(text: &str) {
    // Nobody is left to tell when standard error is gone.
    io::stderr().lock().write_all(text.as_bytes()).unwrap_or_default();
}

/// Lays rows out in columns with two spaces between; the last column is not padded.
pub fn table<const COLUMNS: usize>(rows: &[[String; COLUMNS]]) -> String {
    let mut widths = [0; COLUMNS];
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = cell.chars().count().max(*width);
        }
    }
    let mut out = String::new();
    for row in rows {
        let mut line = String::new();
        for (width, cell) in widths.iter().zip(row) {
            line.push_str(&format!("{cell:<width$}  "));
        }
        out.push_str(line.trim_end());
        out.push('\n');
    }
    out
}

/// Bytes for people: `512 B`, `1.5 MiB`.
pub fn size(bytes: u64) -> String {
    let units = ["KiB", "MiB", "GiB", "TiB"];
    let mut tenths = u128::from(bytes) * 10;
    let mut unit = "B";
    for next in units {
        if tenths < 10 * 1024 {
            break;
        }
        tenths /= 1024;
        unit = next;
    }
    if unit == "B" {
        format!("{bytes} B")
    } else {
        format!("{}.{} {unit}", tenths / 10, tenths % 10)
    }
}

/// A count for people: `1,000,000`.
pub fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// A number of things for people: `1 file`, `2 files`.
pub fn counted(number: u64, noun: &str) -> String {
    format!("{} {noun}{}", count(number), if number == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_for_people() {
        assert_eq!([0, 999, 1000, 1_234_567].map(count), ["0", "999", "1,000", "1,234,567"]);
        let sizes = [0, 1023, 1024, 1536, 5 << 30].map(size);
        assert_eq!(sizes, ["0 B", "1023 B", "1.0 KiB", "1.5 KiB", "5.0 GiB"]);
    }

    #[test]
    fn columns_line_up() {
        let rows = [["a".into(), "bb".into()], ["ccc".into(), "d".into()]];
        assert_eq!(table(&rows), "a    bb\nccc  d\n");
    }
}
