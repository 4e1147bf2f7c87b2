//! One record as the reader delivers it: borrowed from the text, its fields unescaped on demand.

use std::borrow::Cow;

use super::syntax::{Escape, Syntax};

/// What the reader found next.
#[derive(Debug)]
pub enum Found<'r> {
    /// A record.
    Record(Record<'r>),
    /// A blank line.
    Blank,
    /// A line whose quotes are ambiguous.
    Broken(Broken<'r>),
    /// A comment, without its end.
    Comment(&'r str),
    /// Nothing more.
    End,
}

/// One record; borrowed from the reader.
#[derive(Debug, Clone, Copy)]
pub struct Record<'r> {
    /// The text it lies in.
    pub(super) text: &'r str,
    pub(super) fields: &'r [Field],
    /// Where it begins and ends in `text`, record end excluded.
    pub(super) span: (usize, usize),
    pub(super) syntax: Syntax,
    /// The physical line it begins on.
    pub line: u64,
    /// Where it begins in the file.
    pub byte_offset: u64,
    /// Whether a field has a quote that is data.
    pub has_stray_quote: bool,
}

/// A line whose quotes are ambiguous.
#[derive(Debug, Clone, Copy)]
pub struct Broken<'r> {
    /// Its text.
    pub raw: &'r str,
    /// Its number.
    pub line: u64,
    /// Where it begins in the file.
    pub byte_offset: u64,
    /// Which field has text after its closing quote, from 0; `None` when it is a stray quote after
    /// another broken line.
    pub field: Option<usize>,
}

/// Where a field lies in the window, quotes excluded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Field {
    pub(super) start: usize,
    pub(super) end: usize,
    pub(super) quoted: bool,
    /// Whether quotes inside must be unescaped.
    pub(super) escaped: bool,
}

impl<'r> Record<'r> {
    /// How many fields it has.
    pub fn len(&self) -> usize {
        self.fields.len()
    }

    /// The fields' texts, and whether they were quoted.
    pub fn fields(&self) -> impl Iterator<Item = (Cow<'r, str>, bool)> + use<'r> {
        let (text, syntax) = (self.text, self.syntax);
        self.fields.iter().map(move |field| {
            let inner = text.get(field.start..field.end).unwrap_or_default();
            let inner = match field.escaped {
                true => Cow::Owned(unescaped(inner, syntax)),
                false => Cow::Borrowed(inner),
            };
            (inner, field.quoted)
        })
    }

    /// The record as it stands in the text, without its end.
    pub fn raw(&self) -> &'r str {
        self.text.get(self.span.0..self.span.1).unwrap_or_default()
    }
}

fn unescaped(inner: &str, syntax: Syntax) -> String {
    let mut text = String::with_capacity(inner.len());
    let mut characters = inner.chars().peekable();
    let quote = char::from(syntax.quote);
    while let Some(c) = characters.next() {
        let escapes = c == quote || (c == '\\' && syntax.escape == Escape::Backslash);
        match characters.peek() {
            Some(next) if escapes && *next == quote => text.push(quote),
            // Both of `\\` stay, and the second does not escape what follows.
            Some('\\') if c == '\\' && escapes => text.push_str("\\\\"),
            _ => {
                text.push(c);
                continue;
            }
        }
        characters.next();
    }
    text
}
