//! One page about a feed, for those who will send to it and read it.

use std::path::PathBuf;

use serde::Serialize;

use crate::config::{self, Feed, SameName};
use crate::names::FeedName;
use crate::ops::cli::output::table;
use crate::ops::cli::report::block;

/// A feed as its page tells it.
pub(super) struct Brief<'a> {
    pub(super) feed: &'a FeedName,
    pub(super) of: &'a Feed,
    pub(super) folder: Option<PathBuf>,
    /// ` --zone DIR`, if it was given.
    pub(super) suffix: &'a str,
}

/// What the page says, for programs.
#[derive(Serialize)]
pub(super) struct Facts<'a> {
    feed: &'a FeedName,
    owner: Option<&'a str>,
    purpose: Option<&'a str>,
    uses: &'a [String],
    freshness: Option<String>,
    same_name: &'static str,
    personal_data: Option<bool>,
    #[serde(rename = "match")]
    patterns: &'a [String],
    folder: Option<PathBuf>,
}

impl Brief<'_> {
    pub(super) fn facts(&self) -> Facts<'_> {
        let same_name = match self.of.same_name {
            SameName::Append => "append",
            SameName::Replace => "replace",
        };
        Facts {
            feed: self.feed,
            owner: self.of.owner.as_deref(),
            purpose: self.of.purpose.as_deref(),
            uses: &self.of.uses,
            freshness: self.of.freshness.map(config::spelled),
            same_name,
            personal_data: self.of.personal_data,
            patterns: &self.of.patterns,
            folder: self.folder.clone(),
        }
    }

    pub(super) fn text(&self) -> String {
        let blocks = [
            ("what it is", table(&about(self.of))),
            ("to send", table(&self.sending())),
            ("to read", table(&self.reading())),
            ("next", table(&self.next())),
        ];
        let blocks: String = blocks.iter().map(|(heading, lines)| block(heading, lines)).collect();
        format!("{}\n{blocks}", self.feed)
    }

    fn sending(&self) -> [[String; 2]; 4] {
        let (feed, suffix) = (self.feed, self.suffix);
        let names = match self.of.patterns.as_slice() {
            [] => "every name".to_owned(),
            patterns => patterns.join(", "),
        };
        let folder = self.folder.as_ref().map_or("-".to_owned(), |path| path.display().to_string());
        [
            row("names", names),
            row("drop folder", folder),
            row("partners", format!("landfall partner add NAME --key FILE --feed {feed}{suffix}")),
            row("this machine", format!("landfall send FILE --feed {feed}{suffix}")),
        ]
    }

    fn reading(&self) -> [[String; 2]; 2] {
        let (feed, suffix) = (self.feed, self.suffix);
        [
            row("code", format!("landfall feed snippet {feed} --for duckdb{suffix}")),
            row("files", format!("landfall feed files {feed}{suffix}")),
        ]
    }

    fn next(&self) -> [[String; 2]; 2] {
        let (feed, suffix) = (self.feed, self.suffix);
        [
            row(
                "rules",
                format!("landfall feed propose {feed} --write{suffix} (when files have come)"),
            ),
            row(
                "calendar",
                format!("[feed.{feed}.expect] in landfall.toml says when files are due"),
            ),
        ]
    }
}

/// What was answered, and what was not.
pub(super) fn about(feed: &Feed) -> [[String; 2]; 6] {
    let uses = if feed.uses.is_empty() { "-".to_owned() } else { feed.uses.join("; ") };
    let freshness = feed.freshness.map(|age| format!("at most {} old", config::spelled(age)));
    let same_name = match feed.same_name {
        SameName::Append => "adds to what came before",
        SameName::Replace => "takes the place of the older file",
    };
    let personal_data = match feed.personal_data {
        Some(true) => "yes",
        Some(false) => "no",
        None => "-",
    };
    let or_none = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".to_owned());
    [
        row("owner", or_none(&feed.owner)),
        row("purpose", or_none(&feed.purpose)),
        row("used by", uses),
        row("newest file", freshness.unwrap_or_else(|| "of any age".to_owned())),
        row("same name", same_name.to_owned()),
        row("personal data", personal_data.to_owned()),
    ]
}

fn row(name: &str, value: String) -> [String; 2] {
    [name.to_owned(), value]
}
