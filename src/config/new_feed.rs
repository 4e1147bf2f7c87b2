//! A feed is added to `landfall.toml` without touching a byte of what stands there already.

use std::time::Duration;

use toml_edit::{Array, DocumentMut, Item, Table, Value, value};

use super::SameName;
use crate::names::FeedName;

/// What is said of a new feed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Card {
    /// The inside team that answers for it.
    pub owner: String,
    /// Why it exists.
    pub purpose: String,
    /// Who reads it, for what.
    pub uses: Vec<String>,
    /// How old its newest file may be.
    pub freshness: Option<Duration>,
    /// What becomes of a name that comes again with other bytes.
    pub same_name: SameName,
    /// Whether there are data of persons in it.
    pub personal_data: bool,
    /// Which names it takes; none means every name.
    pub patterns: Vec<String>,
}

/// Why a feed was not added.
#[derive(Debug, thiserror::Error)]
pub enum NotAdded {
    /// The text is not TOML.
    #[error("landfall.toml is not TOML")]
    Unreadable(#[from] toml_edit::TomlError),
    /// The feeds stand where no table can be added.
    #[error("`feed` is not a table in landfall.toml")]
    NoTable,
    /// There is a feed of that name.
    #[error("landfall.toml has a [feed.{0}] already")]
    Taken(FeedName),
}

/// The text of a `landfall.toml` with one more feed, behind its other feeds.
///
/// # Errors
/// [`NotAdded`]. Whether the new text is valid is for the caller to check.
pub fn with_feed(text: &str, name: &FeedName, card: &Card) -> Result<String, NotAdded> {
    let ended = if text.is_empty() || text.ends_with('\n') { "" } else { "\n" };
    let text = &format!("{text}{ended}");
    let mut document: DocumentMut = text.parse()?;
    let mut table = table(card);
    if document.is_empty() {
        // What stands there is remarks; they stay above.
        let remarks = document.trailing().as_str().unwrap_or_default().to_owned();
        let gap = if remarks.is_empty() || remarks.ends_with("\n\n") { "" } else { "\n" };
        table.decor_mut().set_prefix(remarks + gap);
        document.set_trailing("");
    }
    let feeds = document.entry("feed").or_insert_with(|| {
        let mut feeds = Table::new();
        feeds.set_implicit(true);
        Item::Table(feeds)
    });
    let item = match feeds {
        Item::Table(_) => Item::Table(table),
        Item::Value(Value::InlineTable(_)) => Item::Value(table.into_inline_table().into()),
        Item::None | Item::Value(_) | Item::ArrayOfTables(_) => return Err(NotAdded::NoTable),
    };
    let feeds = feeds.as_table_like_mut().ok_or(NotAdded::NoTable)?;
    if feeds.contains_key(name.as_str()) {
        return Err(NotAdded::Taken(name.clone()));
    }
    feeds.insert(name.as_str(), item);
    Ok(spliced(text, &document.to_string()))
}

/// Puts what a new text has more into the old one, whose lines end as they did: [`DocumentMut`]
/// writes them all with LF.
fn spliced(old: &str, new: &str) -> String {
    let plain = old.replace("\r\n", "\n");
    let lines = |text| str::split_inclusive(text, '\n');
    let same = lines(&plain).zip(lines(new)).take_while(|(old, new)| old == new).count();
    let more = lines(new).count().saturating_sub(lines(&plain).count());
    let rest_is_same = lines(&plain).skip(same).eq(lines(new).skip(same + more));
    if !rest_is_same {
        return new.to_owned();
    }
    let ending = if old.contains("\r\n") { "\r\n" } else { "\n" };
    let added = lines(new).skip(same).take(more).map(|line| line.replace('\n', ending));
    let before = lines(old).take(same).map(ToOwned::to_owned);
    before.chain(added).chain(lines(old).skip(same).map(ToOwned::to_owned)).collect()
}

fn table(card: &Card) -> Table {
    let list = |texts: &[String]| value(texts.iter().collect::<Array>());
    let mut table = Table::new();
    table.decor_mut().set_prefix("\n");
    table.insert("owner", value(&card.owner));
    table.insert("purpose", value(&card.purpose));
    if !card.uses.is_empty() {
        table.insert("uses", list(&card.uses));
    }
    if let Some(freshness) = card.freshness {
        table.insert("freshness", value(spelled(freshness)));
    }
    table.insert("personal_data", value(card.personal_data));
    if !card.patterns.is_empty() {
        table.insert("match", list(&card.patterns));
    }
    match card.same_name {
        SameName::Append => {}
        SameName::Replace => {
            table.insert("same_name", value("replace"));
        }
    }
    table
}

/// A duration in the largest unit that it is a whole number of: `7d`, `36h`, `90m`.
pub fn spelled(duration: Duration) -> String {
    let millis = duration.as_millis();
    let units = [(24 * 3600 * 1000, "d"), (3600 * 1000, "h"), (60 * 1000, "m"), (1000, "s")];
    let unit = units.into_iter().find(|(unit, _)| millis > 0 && millis.is_multiple_of(*unit));
    let (unit, letter) = unit.unwrap_or((1, "ms"));
    format!("{}{letter}", millis / unit)
}

#[cfg(test)]
mod tests {
    use super::super::parse;
    use super::*;

    fn card() -> Card {
        Card {
            owner: "sales".to_owned(),
            purpose: "Orders \"of the day\"".to_owned(),
            uses: vec!["the dashboard".to_owned()],
            freshness: Some(Duration::from_secs(36 * 3600)),
            same_name: SameName::Replace,
            personal_data: true,
            patterns: vec!["*.csv".to_owned()],
        }
    }

    fn name() -> FeedName {
        "orders".parse().expect("a feed")
    }

    #[test]
    fn what_is_said_reads_back() {
        let text = with_feed("", &name(), &card()).expect("added");
        let config = parse("f", &text).expect("valid");
        let feed = &config.feeds[&name()];
        assert_eq!(feed.purpose.as_deref(), Some("Orders \"of the day\""));
        assert_eq!((feed.uses.as_slice(), feed.freshness), (&card().uses[..], card().freshness));
        assert_eq!((feed.personal_data, feed.same_name), (Some(true), SameName::Replace));
        assert_eq!(feed.patterns, ["*.csv"]);
    }

    /// The text is there as before, with one piece put in.
    #[test]
    fn what_stands_there_stays_to_the_byte() {
        let new: FeedName = "new".parse().expect("a feed");
        let default = include_str!("../../landing/landfall.toml");
        for (before, after) in [
            (default, ""),
            ("# Nothing yet.\n", ""),
            ("[feed.a]\r\nowner = 'x' # y\r\n", ""),
            (
                "[feed.a] # odd\n  owner='x'   \n\n# on sinks\n[sink.s]\ncommand = ['true']\n# end\n",
                "[sink.s]",
            ),
            ("[feed.a.batch]\nmax_files = 2\n[sink.s]\ncommand = ['true']\n", "[sink.s]"),
            ("feed.a.owner = 'x'\n[zone]\nname = 'z'\n", ""),
        ] {
            let text = with_feed(before, &new, &card()).expect(before);
            let same = before.bytes().zip(text.bytes()).take_while(|(a, b)| a == b).count();
            let added = text.len() - before.len();
            assert_eq!(format!("{}{}", &text[..same], &text[same + added..]), before, "{text}");
            let place = text.find("[feed.new]").expect("added");
            assert!(after.is_empty() || place < text.find(after).expect(after), "{text}");
            parse("f", &text).unwrap_or_else(|problems| panic!("{problems:?}\n{text}"));
        }
        let text = with_feed("# Nothing yet.\n", &new, &card()).expect("added");
        assert!(text.starts_with("# Nothing yet.\n\n[feed.new]\n"), "{text}");
        let inline = with_feed("feed = { a = {} }\n", &new, &card()).expect("added");
        assert_eq!(parse("f", &inline).expect("valid").feeds.len(), 2, "{inline}");
    }

    #[test]
    fn a_feed_is_never_replaced() {
        let taken = with_feed("[feed.orders]\n", &name(), &card());
        assert!(matches!(taken, Err(NotAdded::Taken(_))), "{taken:?}");
        let odd = with_feed("feed = 1\n", &name(), &card());
        assert!(matches!(odd, Err(NotAdded::NoTable)), "{odd:?}");
    }

    #[test]
    fn durations_are_spelled_as_they_are_read() {
        for text in ["7d", "36h", "90m", "5s", "250ms"] {
            assert_eq!(spelled(super::super::lasting(text).expect(text)), text);
        }
    }
}
