//! A batch on its way to one sink.

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;
use crate::names::{BatchId, FeedName, SinkName};

/// A batch on its way to one sink.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Delivery {
    /// Stable over retries: what downstream tells a repeat by.
    pub id: String,
    /// To whom.
    pub sink: SinkName,
    /// Of which feed.
    pub feed: FeedName,
    /// What.
    pub batch: BatchId,
    /// The batch's number in the feed; deliveries to one sink follow it.
    pub sequence: u64,
    /// Where it stands.
    pub state: DeliveryState,
    /// Attempts that ended.
    pub attempts: u32,
    /// When it is due.
    pub due_at: Timestamp,
    /// What the last failure said.
    pub last_error: Option<String>,
    /// What the receiver answered.
    pub acknowledgement: Option<String>,
}

impl Delivery {
    /// What the receiver said became of it, if it said so in a form that is known.
    pub fn used_by(&self) -> Option<UsedBy> {
        self.acknowledgement.as_deref().and_then(UsedBy::of)
    }
}

/// What became of a batch downstream, as its receiver acknowledged it: a JSON object with `tables`
/// (a list, or one name as `table`), `rows` and `run`, each of which may be left out.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct UsedBy {
    /// The tables that it was written to.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tables: Vec<String>,
    /// The rows that were written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rows: Option<u64>,
    /// The receiver's own name for the run that did it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<String>,
}

impl UsedBy {
    /// Tables that are kept, and characters of a name.
    const TABLES_MAX: usize = 100;
    const NAME_LENGTH_MAX: usize = 200;

    /// Reads an acknowledgement; `None` when it says nothing of this.
    pub fn of(acknowledgement: &str) -> Option<Self> {
        let said: serde_json::Value = serde_json::from_str(acknowledgement.trim()).ok()?;
        let name = |value: &serde_json::Value| {
            let text = value.as_str().map(ToOwned::to_owned);
            let text = text.or_else(|| value.as_u64().map(|number| number.to_string()))?;
            Some(text.chars().take(Self::NAME_LENGTH_MAX).collect::<String>())
        };
        let tables = said.get("tables").and_then(|tables| tables.as_array()).into_iter().flatten();
        let used = Self {
            tables: tables
                .chain(said.get("table"))
                .filter_map(name)
                .take(Self::TABLES_MAX)
                .collect(),
            rows: said.get("rows").and_then(serde_json::Value::as_u64),
            run: said.get("run").and_then(name),
        };
        (used != Self::default()).then_some(used)
    }
}

/// Where a delivery stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeliveryState {
    /// Waiting for its turn or its next attempt.
    Pending,
    /// The receiver acknowledged it.
    Acknowledged,
    /// Its retries have ended; the sink and feed wait for a person.
    Stalled,
    /// A person decided that it is not to be sent.
    Skipped,
}

/// How an attempt to deliver ended, or what a person decided.
#[derive(Debug, Clone, PartialEq)]
pub enum DeliveryOutcome {
    /// The receiver acknowledged, with what it said (kept up to 64 KiB).
    Acknowledged(Option<String>),
    /// It failed and is due again at this time.
    RetryAt(Timestamp, String),
    /// It failed and its retries have ended.
    Stalled(String),
    /// A person asks for another attempt now.
    Resumed(String),
    /// A person decided that it is not to be sent, for this reason.
    Skipped(String),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_acknowledgement_may_say_what_became_of_the_batch() {
        let used = UsedBy::of(r#" {"tables": ["raw.orders", "a"], "rows": 3, "run": "dbt-17"} "#);
        let tables = vec!["raw.orders".to_owned(), "a".to_owned()];
        assert_eq!(used, Some(UsedBy { tables, rows: Some(3), run: Some("dbt-17".to_owned()) }));
        let used = UsedBy::of(r#"{"table": "a", "run": 17, "rows": -1}"#);
        let (tables, run) = (vec!["a".to_owned()], Some("17".to_owned()));
        assert_eq!(used, Some(UsedBy { tables, rows: None, run }));
        for nothing in ["", "loaded", "[]", "{}", "3", r#"{"ok": true}"#] {
            assert_eq!(UsedBy::of(nothing), None, "{nothing}");
        }
    }
}
