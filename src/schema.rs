//! Columns and the learned schema of a feed, as the ledger keeps them and the converter obeys them.
//!
//! Without a contract a feed's types only widen: int64 → decimal → text, anything else → text. A
//! column that leaves its type opens the feed's next *version* (`v2`); an added column only makes a
//! new *revision*. Both numbers start at 1 and never go back. A feed with a contract has the
//! types that the contract declares.
//!
//! What a file does to its feed's columns, or would do, is told as [`Change`]s.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The type of a column, from the set that Spark, DuckDB, Iceberg, Delta and pyarrow all read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ColumnType {
    /// No value seen yet; published as text.
    Empty,
    /// `true` and `false` in one spelling.
    Bool,
    /// 64-bit signed integer.
    Int64,
    /// Exact decimal: precision 18 or 38 unless a contract says otherwise, one scale.
    Decimal {
        /// Digits, at most 38.
        precision: u8,
        /// Digits after the point.
        scale: u8,
    },
    /// IEEE 754 double.
    Double,
    /// Calendar date.
    Date,
    /// Microsecond timestamp.
    Timestamp {
        /// Whether it is an instant (the text had `Z` or one offset) or a local time.
        utc: bool,
    },
    /// UTF-8 text.
    Text,
}

impl ColumnType {
    /// What a column of this type is published as: text when it has no values yet.
    pub fn published(self) -> Self {
        if self == Self::Empty { Self::Text } else { self }
    }
}

/// The type in words: `int64`, `decimal(18,2)`, `timestamp`, `timestamp in UTC`, `text`.
impl fmt::Display for ColumnType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("empty"),
            Self::Bool => f.write_str("bool"),
            Self::Int64 => f.write_str("int64"),
            Self::Decimal { precision, scale } => write!(f, "decimal({precision},{scale})"),
            Self::Double => f.write_str("double"),
            Self::Date => f.write_str("date"),
            Self::Timestamp { utc: false } => f.write_str("timestamp"),
            Self::Timestamp { utc: true } => f.write_str("timestamp in UTC"),
            Self::Text => f.write_str("text"),
        }
    }
}

/// One column.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Column {
    /// The published name: as sent, made unique without regard to case, never empty.
    pub name: String,
    /// The header exactly as sent.
    pub header: String,
    /// Its type; text for one that is [nested](Self::nested).
    #[serde(rename = "type")]
    pub kind: ColumnType,
    /// Its type when its values are JSON's lists, objects, or of several kinds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nested: Option<Nested>,
}

impl Column {
    /// The published type in words.
    pub fn type_words(&self) -> String {
        self.nested.as_ref().map_or_else(|| self.kind.published().to_string(), Nested::to_string)
    }
}

/// The type of JSON values that may be lists and objects.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Nested {
    /// One value.
    Value(ColumnType),
    /// Values of several kinds, each as its JSON text.
    Json,
    /// Lists of values of one type.
    List(Box<Nested>),
    /// Objects.
    Struct(Vec<NestedField>),
}

/// A field of JSON objects.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NestedField {
    /// The published name.
    pub name: String,
    /// Its key in the JSON.
    pub key: String,
    /// Its type.
    #[serde(rename = "type")]
    pub kind: Nested,
}

impl Nested {
    /// Whether a column of this type left it for another, so that its files do not go together:
    /// fields that were added do not count.
    pub fn is_left_for(&self, after: &Self) -> bool {
        match (self, after) {
            (Self::Value(a), Self::Value(b)) => a.published() != b.published(),
            (Self::Json, Self::Json) => false,
            (Self::List(a), Self::List(b)) => a.is_left_for(b),
            (Self::Struct(a), Self::Struct(b)) => {
                a.iter().zip(b).any(|(a, b)| a.name != b.name || a.kind.is_left_for(&b.kind))
            }
            (Self::Value(_) | Self::Json | Self::List(_) | Self::Struct(_), _) => true,
        }
    }
}

/// `list<int64>`, `struct<a: text, b: list<date>>`, `json text`.
impl fmt::Display for Nested {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Value(kind) => kind.published().fmt(f),
            Self::Json => f.write_str("json text"),
            Self::List(item) => write!(f, "list<{item}>"),
            Self::Struct(fields) => {
                f.write_str("struct<")?;
                for (at, field) in fields.iter().enumerate() {
                    let comma = if at == 0 { "" } else { ", " };
                    write!(f, "{comma}{}: {}", field.name, field.kind)?;
                }
                f.write_str(">")
            }
        }
    }
}

/// What landfall knows of a feed that has no contract.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LearnedSchema {
    /// Counts every change, from 1.
    pub revision: u32,
    /// The schema version that files of this revision are published under, from 1.
    pub version: u32,
    /// All columns of the version so far, in order of first appearance.
    pub columns: Vec<Column>,
}

/// One way in which a file's columns differ from its feed's.
///
/// Stored in events, diagnostics and reports; a change is never renamed. Events of the first
/// versions told changes in words: they read back as [`Change::Words`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "change", rename_all = "snake_case")]
pub enum Change {
    /// The file has a column that the feed did not have.
    Added {
        /// Its published name.
        column: String,
        /// Its type; `None` where its values were not looked at.
        #[serde(rename = "type", default, skip_serializing_if = "Option::is_none")]
        kind: Option<ColumnType>,
    },
    /// The file lacks a column of the feed.
    Removed {
        /// Its published name.
        column: String,
    },
    /// A column came under another header: in another case, or under an alias of its contract.
    Renamed {
        /// Its published name.
        column: String,
        /// The header as sent.
        header: String,
    },
    /// The columns that the feed knows came in another order.
    Reordered {
        /// The feed's columns in the order of the file; at most [`Change::ORDER_MAX`].
        order: Vec<String>,
    },
    /// A column has another type from now on.
    Retyped {
        /// Its published name.
        column: String,
        /// The type it left.
        from: ColumnType,
        /// The type it has.
        to: ColumnType,
    },
    /// The first record is no header, where the feed's files have one.
    HeaderMissing,
    /// Told in words, by a version that knew no others.
    #[serde(untagged)]
    Words(String),
}

impl Change {
    /// Columns that [`Change::Reordered`] lists.
    pub const ORDER_MAX: usize = 100;
}

/// `column `id` left int64 for text`.
impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Added { column, kind: Some(kind) } => {
                write!(f, "column `{column}` ({}) was added", kind.published())
            }
            Self::Added { column, kind: None } => write!(f, "column `{column}` was added"),
            Self::Removed { column } => write!(f, "column `{column}` is missing"),
            Self::Renamed { column, header } => write!(f, "column `{column}` came as `{header}`"),
            Self::Reordered { .. } => f.write_str("the columns came in another order"),
            Self::Retyped { column, from, to } => {
                write!(f, "column `{column}` left {from} for {to}")
            }
            Self::HeaderMissing => f.write_str("the header is missing"),
            Self::Words(words) => f.write_str(words),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_are_stored_stably_and_old_ones_still_read() {
        let decimal = ColumnType::Decimal { precision: 18, scale: 2 };
        let name = || "id".to_owned();
        let stored = [
            (
                Change::Added { column: name(), kind: Some(ColumnType::Date) },
                r#"{"change":"added","column":"id","type":"date"}"#,
            ),
            (Change::Removed { column: name() }, r#"{"change":"removed","column":"id"}"#),
            (
                Change::Renamed { column: name(), header: "ID".into() },
                r#"{"change":"renamed","column":"id","header":"ID"}"#,
            ),
            (Change::Reordered { order: vec![name()] }, r#"{"change":"reordered","order":["id"]}"#),
            (
                Change::Retyped { column: name(), from: ColumnType::Int64, to: decimal },
                r#"{"change":"retyped","column":"id","from":"int64","to":{"decimal":{"precision":18,"scale":2}}}"#,
            ),
            (Change::HeaderMissing, r#"{"change":"header_missing"}"#),
            (Change::Words("column `b` is missing".into()), r#""column `b` is missing""#),
        ];
        for (change, json) in stored {
            assert_eq!(serde_json::to_string(&change).expect("json"), json);
            assert_eq!(serde_json::from_str::<Change>(json).expect(json), change);
        }
    }
}
