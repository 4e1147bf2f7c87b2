//! `landfall feed snippet`: code that reads a feed's live rows, to be pasted and run.
//!
//! Each is a file beside this one with `{feed}`, `{table}` and the zone's path to be filled in. It asks
//! `landfall feed files` or reads the manifests, so that what was taken back is left out, and it
//! goes over versions without an error of types.

use serde::Serialize;

use crate::config::Config;
use crate::diagnostic::Diagnostic;
use crate::names::FeedName;
use crate::ops::cli::{Output, reading};
use crate::zone::Zone;

#[derive(Debug, clap::Args)]
pub(in crate::ops::cli) struct Args {
    /// Which feed
    feed: FeedName,
    /// What is to read it
    #[arg(long = "for", value_name = "TOOL")]
    tool: Tool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum, Serialize)]
#[serde(rename_all = "snake_case")]
enum Tool {
    /// SQL for DuckDB
    Duckdb,
    /// Python for Polars
    Polars,
    /// Python for Spark
    Spark,
    /// A model for dbt-duckdb
    Dbt,
    /// A shell script for Snowflake
    Snowflake,
}

impl Tool {
    fn template(self) -> &'static str {
        match self {
            Self::Duckdb => include_str!("snippets/duckdb.sql"),
            Self::Polars => include_str!("snippets/polars.py"),
            Self::Spark => include_str!("snippets/spark.py"),
            Self::Dbt => include_str!("snippets/dbt.sql"),
            Self::Snowflake => include_str!("snippets/snowflake.sh"),
        }
    }
}

pub(super) fn run(
    args: &Args,
    zone: &Zone,
    config: &Config,
    out: &Output,
) -> Result<(), Diagnostic> {
    #[derive(Serialize)]
    struct Snippet<'a> {
        feed: &'a FeedName,
        tool: Tool,
        code: String,
    }
    let Args { feed, tool } = args;
    if !config.feeds.contains_key(feed) {
        return Err(reading::no_feed(feed));
    }
    let code = filled(tool.template(), feed, &zone.root().to_string_lossy());
    if out.is_json() {
        out.object("landfall.snippet/v1", &Snippet { feed, tool: *tool, code });
    } else {
        out.print(&code);
    }
    Ok(())
}

/// A template with its places filled in, each as its language quotes text.
fn filled(template: &str, feed: &FeedName, zone: &str) -> String {
    let in_python = serde_json::Value::from(zone).to_string();
    let in_shell = format!("'{}'", zone.replace('\'', "'\\''"));
    // The zone comes last: its path may hold anything.
    template
        .replace("{feed}", feed.as_str())
        .replace("{table}", &table(feed))
        .replace("{zone_json}", &in_python)
        .replace("{zone_sh}", &in_shell)
        .replace("{zone_sql}", &zone.replace('\'', "''"))
}

/// A name that SQL takes without quotes.
fn table(feed: &FeedName) -> String {
    let name = feed.as_str().replace('-', "_");
    if name.starts_with(|c: char| c.is_ascii_digit()) { format!("feed_{name}") } else { name }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn odd_names_are_quoted_as_each_language_does() {
        let feed = "2-go".parse().expect("a feed");
        let zone = "/it's \"here\"";
        let of = |tool: Tool| filled(tool.template(), &feed, zone);
        assert!(of(Tool::Duckdb).contains("'/it''s \"here\"/lake/2-go/_manifests/*.json'"));
        assert!(of(Tool::Polars).contains(r#"zone="/it's \"here\"""#));
        assert!(of(Tool::Snowflake).contains(r#"--zone '/it'\''s "here"'"#));
        assert!(of(Tool::Snowflake).contains("create or replace table feed_2_go"));
        for tool in [Tool::Duckdb, Tool::Polars, Tool::Spark, Tool::Dbt, Tool::Snowflake] {
            for place in ["{feed}", "{table}", "{zone"] {
                assert!(!of(tool).contains(place), "{tool:?} {place}");
            }
        }
    }
}
