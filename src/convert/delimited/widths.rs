//! Fixed width: every column takes so many characters of a line. Blanks around a value are padding,
//! as quotes are of delimited text; a column of blanks is null.
//!
//! A line must reach into the last column, whose end may be missing, unless short lines are padded;
//! it may go on with blanks only.
//! Characters are those of the decoded text: of a single-byte encoding they are its bytes.

use super::record::Field;
use crate::config::{FixedColumn, ShortLines};

/// How many characters each column takes, and what becomes of lines that end too early.
#[derive(Debug, Clone)]
pub struct Widths {
    widths: Vec<usize>,
    short_lines: ShortLines,
}

impl Widths {
    /// The widths of these columns.
    pub(super) fn of(columns: &[FixedColumn], short_lines: ShortLines) -> Self {
        Self { widths: columns.iter().map(|column| column.width as usize).collect(), short_lines }
    }
}

/// Divides a line that begins at `start` of a text; no fields when it is too short or too long.
pub(super) fn divide(line: &str, start: usize, widths: &Widths, fields: &mut Vec<Field>) {
    fields.clear();
    let mut rest = line;
    let Widths { widths, short_lines } = widths;
    for (at, width) in widths.iter().enumerate() {
        let is_last = at + 1 == widths.len();
        let end = match rest.char_indices().nth(*width) {
            Some((end, _)) => end,
            None if is_last && (!rest.is_empty() || at == 0) => rest.len(),
            None if *short_lines == ShortLines::Pad => rest.len(),
            None if rest.chars().count() == *width => rest.len(),
            None => return fields.clear(),
        };
        let (cell, after) = rest.split_at(end);
        let value = cell.trim_matches(' ');
        let blanks = cell.len() - cell.trim_start_matches(' ').len();
        let begin = start + (line.len() - rest.len()) + if value.is_empty() { 0 } else { blanks };
        let end = begin + value.len();
        fields.push(Field { start: begin, end, quoted: false, escaped: false });
        rest = after;
    }
    if !rest.trim_matches(' ').is_empty() {
        fields.clear();
    }
}

/// The columns in words, for the report and the Parquet's metadata.
pub(super) fn words(columns: &[FixedColumn]) -> String {
    let words = columns.iter().map(|column| format!("{}:{}", column.name, column.width));
    words.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn divided(line: &str, short_lines: ShortLines) -> Option<Vec<String>> {
        let (mut fields, text) = (Vec::new(), format!("xx{line}"));
        divide(line, 2, &Widths { widths: vec![3, 4, 2], short_lines }, &mut fields);
        let of = |field: &Field| text.get(field.start..field.end).map(str::to_owned);
        let texts = fields.iter().map(of).collect::<Option<Vec<_>>>()?;
        (!texts.is_empty()).then_some(texts)
    }

    #[test]
    fn columns_take_their_characters_and_padding_goes() {
        let of = |line| divided(line, ShortLines::Reject);
        let is = |texts: [&str; 3]| Some(texts.map(str::to_owned).to_vec());
        assert_eq!(of("  1ab  xy"), is(["1", "ab", "xy"]));
        assert_eq!(of("007 a bz"), is(["007", "a b", "z"]), "a short last column");
        assert_eq!(
            of("\u{e4}\u{f6}\u{fc}\u{2603}   zz  "),
            is(["\u{e4}\u{f6}\u{fc}", "\u{2603}", "zz"])
        );
        assert_eq!(of("         "), is(["", "", ""]));
        for bad in ["", "abc", "abc1234", "abc1234yyx"] {
            assert_eq!(of(bad), None, "{bad:?}");
        }
        let padded = |line| divided(line, ShortLines::Pad);
        assert_eq!(padded("ab"), is(["ab", "", ""]));
        assert_eq!(padded("abc12"), is(["abc", "12", ""]));
        assert_eq!(padded("abc1234yyx"), None);
    }
}
