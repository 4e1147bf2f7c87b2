//! Reads one TOML table by its keys and collects what is wrong, with positions.
//!
//! A [`Reader`] remembers which keys were asked for; [`Reader::finish`] reports all others as
//! unknown. What cannot be read is reported and then treated as left out, so that one look at a
//! file finds all its problems.

use std::cell::RefCell;
use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::problem::{Source, Wrong};

/// One table of a file.
pub(super) struct Reader<'s, 't> {
    source: &'s Source<'t>,
    table: &'s DeTable<'t>,
    /// How the table is called in messages: `[feed.orders]`, or the file itself.
    title: String,
    /// Where its header stands.
    span: Range<usize>,
    known: RefCell<Vec<&'static str>>,
}

/// Parses a file; `None` when it is not TOML, all of which is reported.
pub(super) fn document<'t>(source: &Source<'t>) -> Option<Spanned<DeTable<'t>>> {
    let (table, errors) = DeTable::parse_recoverable(source.text);
    for error in &errors {
        let span = error.span().unwrap_or(0..0);
        source.problem(&span, Wrong::new(error.message().replace('\n', ", ")));
    }
    errors.is_empty().then_some(table)
}

impl<'s, 't> Reader<'s, 't> {
    /// Reads the top level of a file.
    pub(super) fn top(source: &'s Source<'t>, table: &'s DeTable<'t>) -> Self {
        Self { source, table, title: String::new(), span: 0..0, known: RefCell::default() }
    }

    fn value(&self, key: &'static str) -> Option<&'s Spanned<DeValue<'t>>> {
        self.known.borrow_mut().push(key);
        self.table.get(key)
    }

    /// Whether the key is written at all.
    pub(super) fn has(&self, key: &str) -> bool {
        self.table.contains_key(key)
    }

    /// Where the key's value stands, or else the table.
    pub(super) fn span_of(&self, key: &str) -> Range<usize> {
        self.table.get(key).map_or_else(|| self.span.clone(), Spanned::span)
    }

    /// Reports a problem at the table's header.
    pub(super) fn problem(&self, wrong: Wrong) {
        self.source.problem(&self.span, wrong);
    }

    /// Reports a problem at a key's value.
    pub(super) fn problem_at(&self, key: &str, wrong: Wrong) {
        self.source.problem(&self.span_of(key), wrong);
    }

    /// The key's value, or `None` when it is left out or reported.
    pub(super) fn get<T>(
        &self,
        key: &'static str,
        read: impl Fn(&DeValue<'_>) -> Result<T, Wrong>,
    ) -> Option<T> {
        let value = self.value(key)?;
        self.read(key, value, &read)
    }

    /// Puts the key's value, if there is one, in the place of a default.
    pub(super) fn set<T>(
        &self,
        target: &mut T,
        key: &'static str,
        read: impl Fn(&DeValue<'_>) -> Result<T, Wrong>,
    ) {
        if let Some(value) = self.get(key, read) {
            *target = value;
        }
    }

    /// The values of a list; elements that cannot be read are reported and left out.
    pub(super) fn list<T>(
        &self,
        key: &'static str,
        read: impl Fn(&DeValue<'_>) -> Result<T, Wrong>,
    ) -> Option<Vec<T>> {
        let value = self.value(key)?;
        match value.get_ref().as_array() {
            Some(items) => {
                Some(items.iter().filter_map(|item| self.read(key, item, &read)).collect())
            }
            None => {
                let found = value.get_ref().type_str();
                let message = format!("`{key}` must be a list in [ ], not {}", article(found));
                self.source.problem(&value.span(), Wrong::new(message));
                None
            }
        }
    }

    /// The elements of a list that are values or tables; those that cannot be read are reported and
    /// left out.
    pub(super) fn items<T>(
        &self,
        key: &'static str,
        read: impl Fn(&DeValue<'_>) -> Result<T, Wrong>,
        read_table: impl Fn(Reader<'s, 't>) -> Option<T>,
    ) -> Vec<T> {
        let Some(value) = self.value(key) else { return Vec::new() };
        let Some(items) = value.get_ref().as_array() else {
            let found = article(value.get_ref().type_str());
            let message = format!("`{key}` must be a list in [ ], not {found}");
            self.source.problem(&value.span(), Wrong::new(message));
            return Vec::new();
        };
        let each = items.iter().filter_map(|item| match item.get_ref().is_table() {
            true => read_table(self.below(key, item)?),
            false => self.read(key, item, &read),
        });
        each.collect()
    }

    /// Reports a key that is left out and must not be.
    pub(super) fn require(&self, key: &str) {
        if !self.has(key) {
            self.problem(Wrong::new(format!("`{key}` is missing in {}", self.title)));
        }
    }

    fn read<T>(
        &self,
        key: &str,
        value: &Spanned<DeValue<'_>>,
        read: &impl Fn(&DeValue<'_>) -> Result<T, Wrong>,
    ) -> Option<T> {
        let wrong = match read(value.get_ref()) {
            Ok(read) => return Some(read),
            Err(wrong) => wrong,
        };
        let message = format!("`{key}` {}", wrong.message);
        self.source.problem(&value.span(), Wrong { message, ..wrong });
        None
    }

    /// The table under a key.
    pub(super) fn table(&self, key: &'static str) -> Option<Reader<'s, 't>> {
        let value = self.value(key)?;
        self.below(key, value)
    }

    /// The named tables under a key, as in `[feed.<name>]`. A name that does not parse is reported
    /// and its table still read, under no name.
    pub(super) fn tables<N>(&self, key: &'static str) -> Vec<(Option<N>, Reader<'s, 't>)>
    where
        N: std::str::FromStr<Err = crate::names::Error>,
    {
        let Some(outer) = self.table(key) else { return Vec::new() };
        let named = outer.table.iter().filter_map(|(name, value)| {
            let mut reader = outer.below(name.get_ref(), value)?;
            reader.span = name.span();
            let parsed = name.get_ref().parse::<N>();
            if let Err(error) = &parsed {
                reader.problem(Wrong::new(error.to_string()));
            }
            Some((parsed.ok(), reader))
        });
        named.collect()
    }

    /// Keys and values of a table whose keys are free.
    pub(super) fn entries(
        &self,
    ) -> impl Iterator<Item = (&'s Spanned<toml::de::DeString<'t>>, &'s Spanned<DeValue<'t>>)> {
        self.table.iter()
    }

    /// The value of one of the [`Self::entries`].
    pub(super) fn entry<T>(
        &self,
        key: &Spanned<toml::de::DeString<'_>>,
        value: &Spanned<DeValue<'_>>,
        read: impl Fn(&DeValue<'_>) -> Result<T, Wrong>,
    ) -> Option<T> {
        self.read(key.get_ref(), value, &read)
    }

    /// The names of the tables under a key, whatever else is wrong with them.
    pub(super) fn names_under(&self, key: &str) -> Vec<String> {
        let table = self.table.get(key).and_then(|value| value.get_ref().as_table());
        let names = table.into_iter().flat_map(DeTable::keys);
        names.map(|name| name.get_ref().to_string()).collect()
    }

    /// Whether the key's value is a table.
    pub(super) fn is_table(&self, key: &str) -> bool {
        self.table.get(key).is_some_and(|value| value.get_ref().is_table())
    }

    /// Passes over a key that cannot be read because of another problem.
    pub(super) fn passed_over(&self, key: &'static str) {
        self.known.borrow_mut().push(key);
    }

    /// Reports a problem of one of the [`Self::entries`].
    pub(super) fn problem_of(&self, key: &Spanned<toml::de::DeString<'_>>, wrong: Wrong) {
        self.source.problem(&key.span(), wrong);
    }

    /// The table of one of the [`Self::entries`].
    pub(super) fn below(
        &self,
        name: &str,
        value: &'s Spanned<DeValue<'t>>,
    ) -> Option<Reader<'s, 't>> {
        let title = match self.title.as_str() {
            "" => name.to_owned(),
            outer => format!("{outer}.{name}"),
        };
        let Some(table) = value.get_ref().as_table() else {
            let found = article(value.get_ref().type_str());
            let message = format!("`{title}` must be a table, not {found}");
            self.source.problem(&value.span(), Wrong::new(message));
            return None;
        };
        let known = RefCell::default();
        Some(Reader { source: self.source, table, title, span: value.span(), known })
    }

    /// Reports every key that was never asked for.
    pub(super) fn finish(self) {
        let known = self.known.borrow();
        for key in self.table.keys() {
            let name: &str = key.get_ref();
            if known.contains(&name) {
                continue;
            }
            let place = match self.title.as_str() {
                "" => String::new(),
                title => format!(" in [{title}]"),
            };
            let message = format!("unknown key `{name}`{place}");
            let wrong = Wrong::unlike(message, name, known.iter().copied());
            self.source.problem(&key.span(), wrong);
        }
    }
}

/// `an integer`, `a string`.
pub(super) fn article(noun: &str) -> String {
    let vowel = noun.starts_with(['a', 'e', 'i', 'o', 'u']);
    format!("{} {noun}", if vowel { "an" } else { "a" })
}
