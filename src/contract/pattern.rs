//! A regular expression that the whole of a value must match.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// Bytes that a compiled pattern may take.
const SIZE_BYTES_MAX: usize = 1 << 20;

/// A compiled pattern. Matching takes time in proportion to the value (no backtracking).
#[derive(Clone)]
pub struct Pattern {
    text: String,
    whole: regex::Regex,
}

impl Pattern {
    /// Compiles a pattern; it matches whole values, as if it stood between `^(?:` and `)$`.
    ///
    /// # Errors
    /// Why it is not one, in words for the person who wrote it.
    pub fn new(text: &str) -> Result<Self, String> {
        // Alone first, so that an unbalanced bracket cannot close the group around it.
        compiled(text)
            .and_then(|_| compiled(&format!(r"\A(?:{text})\z")))
            .map(|whole| Self { text: text.to_owned(), whole })
    }

    /// Whether the whole value matches.
    pub fn matches(&self, value: &str) -> bool {
        self.whole.is_match(value)
    }

    /// The pattern as written.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

/// Compiles an expression within the limit.
pub(super) fn compiled(text: &str) -> Result<regex::Regex, String> {
    let mut builder = regex::RegexBuilder::new(text);
    builder.size_limit(SIZE_BYTES_MAX).build().map_err(|error| {
        // The last line says what; those above it draw where.
        let told = error.to_string();
        let last = told.lines().last().unwrap_or_default();
        last.trim_start_matches("error: ").to_owned()
    })
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl fmt::Debug for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pattern({:?})", self.text)
    }
}

impl Serialize for Pattern {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&self.text)
    }
}

impl<'de> Deserialize<'de> for Pattern {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        Self::new(&String::deserialize(from)?).map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_whole_value_must_match() {
        let pattern = Pattern::new("a|bc").expect("a pattern");
        assert!(pattern.matches("a") && pattern.matches("bc"));
        assert!(!pattern.matches("abc") && !pattern.matches("a\n"));
    }

    #[test]
    fn what_is_no_pattern_is_told() {
        for bad in ["(", "a)(b", "[z-a]", "(?=x)", "a{1000}{1000}{1000}"] {
            assert!(!Pattern::new(bad).expect_err(bad).is_empty(), "{bad}");
        }
    }
}
