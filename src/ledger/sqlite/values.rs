//! How the ledger's values stand in columns: ids and digests as bytes, times as microseconds,
//! kinds as the words that JSON uses, the rest as JSON text.

use rusqlite::types::{FromSql, FromSqlError, FromSqlResult, ToSql, ToSqlOutput, ValueRef};
use rusqlite::{Result, Row};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::clock::Timestamp;
use crate::ledger::{
    BatchState, Counts, DateState, DeliveryState, Door, ErasureCause, FileKind, Measured, Problem,
    Sender, SidecarKind, State, Verdict, WaitsFor,
};
use crate::names::{
    AlertName, ArrivalId, BatchId, Digest, FeedName, FileName, HoldName, PullName, SinkName,
};
use crate::zone::ZonePath;

/// A time as integer microseconds since the Unix epoch.
pub(super) struct Micros(pub Timestamp);

impl ToSql for Micros {
    fn to_sql(&self) -> Result<ToSqlOutput<'_>> {
        Ok(self.0.as_microsecond().into())
    }
}

impl FromSql for Micros {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        Timestamp::from_microsecond(value.as_i64()?).map(Self).map_err(FromSqlError::other)
    }
}

/// A value as JSON text.
pub(super) struct Json<T>(pub T);

impl<T: Serialize> ToSql for Json<T> {
    fn to_sql(&self) -> Result<ToSqlOutput<'_>> {
        let json = serde_json::to_string(&self.0)
            .map_err(|error| rusqlite::Error::ToSqlConversionFailure(error.into()))?;
        Ok(json.into())
    }
}

impl<T: DeserializeOwned> FromSql for Json<T> {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        serde_json::from_str(value.as_str()?).map(Self).map_err(FromSqlError::other)
    }
}

macro_rules! as_bytes {
    ($($type:ty),*) => {$(
        impl ToSql for $type {
            fn to_sql(&self) -> Result<ToSqlOutput<'_>> {
                Ok(ToSqlOutput::Borrowed(ValueRef::Blob(self.as_bytes())))
            }
        }

        impl FromSql for $type {
            fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
                Ok(Self::from_bytes(FromSql::column_result(value)?))
            }
        }
    )*};
}

as_bytes!(ArrivalId, BatchId, Digest);

impl ToSql for FileName {
    fn to_sql(&self) -> Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(ValueRef::Blob(self.as_bytes())))
    }
}

impl FromSql for FileName {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        Self::new(value.as_blob()?).map_err(FromSqlError::other)
    }
}

macro_rules! as_text {
    ($($type:ty),*) => {$(
        impl ToSql for $type {
            fn to_sql(&self) -> Result<ToSqlOutput<'_>> {
                Ok(self.as_str().into())
            }
        }

        impl FromSql for $type {
            fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
                value.as_str()?.parse().map_err(FromSqlError::other)
            }
        }
    )*};
}

as_text!(AlertName, FeedName, HoldName, PullName, SinkName);

impl ToSql for Sender {
    fn to_sql(&self) -> Result<ToSqlOutput<'_>> {
        Ok(self.to_string().into())
    }
}

impl FromSql for Sender {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        value.as_str()?.parse().map_err(FromSqlError::other)
    }
}

impl ToSql for ZonePath {
    fn to_sql(&self) -> Result<ToSqlOutput<'_>> {
        Ok(self.as_str().into())
    }
}

impl FromSql for ZonePath {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        value.as_str().map(Self::stored)
    }
}

macro_rules! as_word {
    ($($type:ident { $($variant:ident = $word:literal),* $(,)? })*) => {$(
        impl ToSql for $type {
            fn to_sql(&self) -> Result<ToSqlOutput<'_>> {
                Ok(match self { $(Self::$variant => $word,)* }.into())
            }
        }

        impl FromSql for $type {
            fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
                match value.as_str()? {
                    $($word => Ok(Self::$variant),)*
                    other => Err(FromSqlError::other(UnknownWord(other.to_owned()))),
                }
            }
        }
    )*

        #[cfg(test)]
        mod tests {
            use super::*;

            #[test]
            fn words_are_those_of_json() {
                $($(
                    let json = serde_json::to_value($type::$variant).expect("json");
                    assert_eq!(json, $word);
                )*)*
            }
        }
    };
}

/// A word in a column that this version does not know.
#[derive(Debug, thiserror::Error)]
#[error("`{0}` is not a word of this column")]
struct UnknownWord(String);

as_word! {
    State {
        Received = "received",
        Converted = "converted",
        Raw = "raw",
        Batched = "batched",
        Published = "published",
        HandedOff = "handed_off",
        Held = "held",
        Duplicate = "duplicate",
        Superseded = "superseded",
        Retracted = "retracted",
        Tested = "tested",
        Rejected = "rejected",
        Erasing = "erasing",
        Erased = "erased",
    }
    ErasureCause { Asked = "asked", Retention = "retention" }
    SidecarKind { Ok = "ok", Done = "done", Md5 = "md5", Sha1 = "sha1", Sha256 = "sha256" }
    Verdict {
        Seen = "seen",
        Agrees = "agrees",
        Differs = "differs",
        Unreadable = "unreadable",
    }
    WaitsFor { Hold = "hold", Marker = "marker", Checksum = "checksum", Check = "check" }
    Door { Sftp = "sftp", Folder = "folder", Local = "local", Pull = "pull" }
    FileKind { Parquet = "parquet", Rejects = "rejects", Raw = "raw" }
    Problem {
        Damaged = "damaged",
        Missing = "missing",
        Unreadable = "unreadable",
        Unknown = "unknown",
    }
    Counts { File = "file", Again = "again", Extra = "extra", Other = "other" }
    Measured { Usual = "usual", Unusual = "unusual" }
    DateState {
        Late = "late",
        Missing = "missing",
        Complete = "complete",
        Excused = "excused",
    }
    BatchState { Closed = "closed", Published = "published" }
    DeliveryState {
        Pending = "pending",
        Acknowledged = "acknowledged",
        Stalled = "stalled",
        Skipped = "skipped",
    }
}

/// The cells of a row, taken from left to right in the order of the `SELECT`.
pub(super) struct Cells<'r, 's> {
    row: &'r Row<'s>,
    next: usize,
}

impl<'r, 's> Cells<'r, 's> {
    /// The cells of a row from its first.
    pub(super) fn of(row: &'r Row<'s>) -> Self {
        Self { row, next: 0 }
    }

    /// The next cell.
    pub(super) fn take<T: FromSql>(&mut self) -> Result<T> {
        let at = self.next;
        self.next += 1;
        self.row.get(at)
    }

    /// The next cell as a time.
    pub(super) fn time(&mut self) -> Result<Timestamp> {
        self.take::<Micros>().map(|micros| micros.0)
    }

    /// The next cell as a time, where there may be none.
    pub(super) fn time_or_none(&mut self) -> Result<Option<Timestamp>> {
        Ok(self.take::<Option<Micros>>()?.map(|micros| micros.0))
    }

    /// The next cell as JSON.
    pub(super) fn json<T: DeserializeOwned>(&mut self) -> Result<T> {
        self.take::<Json<T>>().map(|json| json.0)
    }

    /// The next cell as JSON, where there may be none.
    pub(super) fn json_or_none<T: DeserializeOwned>(&mut self) -> Result<Option<T>> {
        Ok(self.take::<Option<Json<T>>>()?.map(|json| json.0))
    }
}
