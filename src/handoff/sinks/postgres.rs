//! PostgreSQL as a sink: the rows of a batch are in a table once, whatever happens.
//!
//! One transaction notes the batch's id in `<schema>._lf_batches`, copies the rows of its Parquet into
//! `<schema>.<feed>_v<version>`, and deletes the rows of what it takes back. An id that is there
//! already has been loaded: then nothing is done and the batch is acknowledged. So a lost
//! acknowledgement, a kill or a lost connection at any time leaves the rows of a batch once or not
//! at all.
//!
//! Tables and columns that are missing are made. Files that are no tables are passed over. The
//! connection is encrypted as [`super::tls`] says, if it is to be.

use std::collections::BTreeMap;
use std::fs::File;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::SinkExt as _;
use tokio::sync::mpsc;
use tokio_postgres::config::SslMode;
use tokio_postgres::{Client, NoTls, Transaction};

use super::rows::{ReadsRows, RowColumn, Rows};
use super::tls::Encryption;
use super::{Answer, Notice, Purpose};
use crate::ledger::{BatchFile, FileKind};
use crate::schema::ColumnType;

mod encrypted;

/// Pieces of lines that wait for the server.
const PIECES_MAX: usize = 4;
/// Time to connect, within the sink's timeout.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Held while tables are made, so that two feeds do not make one at the same time.
const LOCK: i64 = 0x6c61_6e64_6661_6c6c;

/// Where to load to.
pub struct Target {
    /// The server, as libpq's keywords or a URL (PostgreSQL 18, section 32.1.1), without a password.
    pub server: String,
    /// The password.
    pub password: Option<String>,
    /// The schema of the tables.
    pub schema: String,
    /// How the connection is encrypted; `None` for not at all.
    pub encryption: Option<Encryption>,
}

/// Why a batch is not loaded.
#[derive(Debug, thiserror::Error)]
enum Error {
    #[error("PostgreSQL refuses")]
    Server(#[from] tokio_postgres::Error),
    #[error("cannot read {path}: {why}")]
    Rows { path: String, why: String },
    #[error("stopped after its timeout")]
    TimedOut,
}

/// Loads the batch, or finds it loaded.
pub async fn tell(
    target: &Target,
    notice: &Arc<Notice>,
    rows: &Arc<dyn ReadsRows>,
    timeout: Duration,
) -> Answer {
    let told = tokio::time::timeout(timeout, load(target, notice, rows));
    match told.await.unwrap_or(Err(Error::TimedOut)) {
        Ok(said) => Answer::Acknowledged(said),
        Err(error) => Answer::refused(crate::diagnostic::on_one_line(&error)),
    }
}

async fn load(
    target: &Target,
    notice: &Arc<Notice>,
    rows: &Arc<dyn ReadsRows>,
) -> Result<Option<String>, Error> {
    let mut client = connect(target).await?;
    let schema = quoted(&target.schema);
    make_ledger(&mut client, &schema).await?;
    match notice.purpose {
        Purpose::Batch => {}
        Purpose::Test => return Ok(None),
    }
    let mut loads = Vec::new();
    for file in notice.batch.files.iter().filter(|file| file.kind == FileKind::Parquet) {
        loads.push(Load::open(file, notice, rows).await?);
    }
    let needed = loads.iter().map(|load| (load.table.clone(), load.rows.columns.clone())).collect();
    make_tables(&mut client, &target.schema, needed).await?;
    let transaction = client.transaction().await?;
    if !note_batch(&transaction, &schema, notice).await? {
        return Ok(None);
    }
    // First what goes: what is converted again is of the same arrivals.
    take_back(&transaction, &schema, notice).await?;
    let mut loaded = BTreeMap::new();
    for load in loads {
        let table = load.table.clone();
        *loaded.entry(table).or_insert(0) += load.copy(&transaction, &schema).await?;
    }
    transaction.commit().await?;
    let tables: Vec<String> =
        loaded.keys().map(|table| format!("{}.{table}", target.schema)).collect();
    let all: u64 = loaded.values().sum();
    Ok(Some(serde_json::json!({ "tables": tables, "rows": all }).to_string()))
}

async fn connect(target: &Target) -> Result<Client, Error> {
    let mut config: tokio_postgres::Config = target.server.parse()?;
    config.connect_timeout(CONNECT_TIMEOUT).application_name("landfall");
    if let Some(password) = &target.password {
        config.password(password);
    }
    match &target.encryption {
        None => {
            let (client, connection) = config.ssl_mode(SslMode::Disable).connect(NoTls).await?;
            tokio::spawn(serve(connection));
            Ok(client)
        }
        Some(encryption) => {
            config.ssl_mode(SslMode::Require);
            let (client, connection) = config.connect(encryption.clone()).await?;
            tokio::spawn(serve(connection));
            Ok(client)
        }
    }
}

async fn serve(connection: impl Future<Output = Result<(), tokio_postgres::Error>> + Send) {
    // The client is told of the same error.
    if let Err(error) = connection.await {
        tracing::debug!(%error, "a connection to PostgreSQL ended");
    }
}

/// Makes the table of the batches that are loaded.
async fn make_ledger(client: &mut Client, schema: &str) -> Result<(), Error> {
    let ledger = format!("{schema}._lf_batches");
    if is_there(client, &ledger).await? {
        return Ok(());
    }
    let transaction = client.transaction().await?;
    transaction.execute("SELECT pg_advisory_xact_lock($1)", &[&LOCK]).await?;
    let make = format!(
        "CREATE TABLE IF NOT EXISTS {ledger} (batch uuid PRIMARY KEY, feed text NOT NULL,
           sequence bigint NOT NULL, loaded_at timestamptz NOT NULL DEFAULT now())"
    );
    transaction.batch_execute(&make).await?;
    Ok(transaction.commit().await?)
}

async fn is_there(client: &Client, table: &str) -> Result<bool, Error> {
    let found = client.query_one("SELECT to_regclass($1) IS NOT NULL", &[&table]).await?;
    Ok(found.try_get(0)?)
}

/// Makes the tables and columns that the files need and that are not there.
async fn make_tables(
    client: &mut Client,
    schema: &str,
    needed: Vec<(String, Vec<RowColumn>)>,
) -> Result<(), Error> {
    let known = "SELECT column_name::text FROM information_schema.columns
                 WHERE table_schema = $1 AND table_name = $2";
    for (name, columns) in needed {
        let found = client.query(known, &[&schema, &name]).await?;
        let found: Vec<String> =
            found.iter().map(|row| row.try_get(0)).collect::<Result<_, _>>()?;
        let missing: Vec<_> =
            columns.iter().filter(|column| !found.contains(&column.name)).collect();
        if missing.is_empty() {
            continue;
        }
        let table = format!("{}.{}", quoted(schema), quoted(&name));
        let mut make = format!("CREATE TABLE IF NOT EXISTS {table} ();");
        for column in missing {
            let (name, kind) = (quoted(&column.name), type_of(column));
            make.push_str(&format!("ALTER TABLE {table} ADD COLUMN IF NOT EXISTS {name} {kind};"));
        }
        let transaction = client.transaction().await?;
        transaction.execute("SELECT pg_advisory_xact_lock($1)", &[&LOCK]).await?;
        transaction.batch_execute(&make).await?;
        transaction.commit().await?;
    }
    Ok(())
}

/// Notes that the batch is loaded; whether it was not before.
async fn note_batch(
    transaction: &Transaction<'_>,
    schema: &str,
    notice: &Notice,
) -> Result<bool, Error> {
    let batch = &notice.batch;
    let note = format!(
        "INSERT INTO {schema}._lf_batches (batch, feed, sequence) VALUES ($1::text::uuid, $2, $3)
         ON CONFLICT (batch) DO NOTHING"
    );
    let sequence = i64::try_from(batch.sequence).unwrap_or(i64::MAX);
    let noted = transaction
        .execute(&note, &[&batch.id.to_string(), &batch.feed.as_str(), &sequence])
        .await?;
    Ok(noted > 0)
}

/// Deletes the rows of files that the batch takes back. What was never loaded here is not there.
async fn take_back(
    transaction: &Transaction<'_>,
    schema: &str,
    notice: &Notice,
) -> Result<(), Error> {
    let mut gone: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for retraction in &notice.batch.retracts {
        let Some(table) = table_of(&notice.batch.feed, retraction.path.as_str()) else { continue };
        gone.entry(table).or_default().push(retraction.arrival.to_string());
    }
    for (table, arrivals) in gone {
        let table = format!("{schema}.{}", quoted(&table));
        if is_there(transaction.client(), &table).await? {
            // At once: a merged file may have the rows of a thousand arrivals.
            let delete = format!("DELETE FROM {table} WHERE _lf_arrival = ANY($1)");
            transaction.execute(&delete, &[&arrivals]).await?;
        }
    }
    Ok(())
}

/// A file that is to be copied, and where to.
struct Load {
    path: String,
    table: String,
    rows: Rows,
}

impl Load {
    async fn open(
        file: &BatchFile,
        notice: &Arc<Notice>,
        rows: &Arc<dyn ReadsRows>,
    ) -> Result<Self, Error> {
        let path = file.to.to_string();
        let failed = |why| Error::Rows { path: path.clone(), why };
        let table = table_of(&notice.batch.feed, file.to.as_str());
        let table = table.ok_or_else(|| failed("it is not in the lake".to_owned()))?;
        let (rows, source) = (Arc::clone(rows), notice.source(file));
        let opened = tokio::task::spawn_blocking(move || {
            let parquet = File::open(source).map_err(|error| error.to_string())?;
            rows.open(parquet)
        });
        let rows = opened.await.unwrap_or_else(|error| Err(error.to_string())).map_err(failed)?;
        Ok(Self { path, table, rows })
    }

    /// Copies every row; how many.
    async fn copy(self, transaction: &Transaction<'_>, schema: &str) -> Result<u64, Error> {
        let columns: Vec<_> = self.rows.columns.iter().map(|column| quoted(&column.name)).collect();
        let into = format!("{schema}.{} ({})", quoted(&self.table), columns.join(", "));
        let sink = transaction.copy_in::<_, Bytes>(&format!("COPY {into} FROM STDIN")).await?;
        let mut sink = std::pin::pin!(sink);
        let (sender, mut pieces) = mpsc::channel(PIECES_MAX);
        let lines = self.rows.lines;
        let reading = tokio::task::spawn_blocking(move || {
            for piece in lines {
                // Nobody takes more when the server has refused.
                if sender.blocking_send(piece).is_err() {
                    break;
                }
            }
        });
        while let Some(piece) = pieces.recv().await {
            let piece = piece.map_err(|why| Error::Rows { path: self.path.clone(), why })?;
            sink.send(Bytes::from(piece)).await?;
        }
        if let Err(error) = reading.await {
            return Err(Error::Rows { path: self.path, why: error.to_string() });
        }
        Ok(sink.as_mut().finish().await?)
    }
}

/// The table for a published path: `lake/<feed>/v1/…` is of `<feed>_v1`.
fn table_of(feed: &crate::names::FeedName, path: &str) -> Option<String> {
    let version = path.strip_prefix("lake/")?.strip_prefix(feed.as_str())?.strip_prefix('/')?;
    let version = version.split('/').next()?;
    Some(format!("{feed}_{version}"))
}

/// An identifier in quotes (PostgreSQL 18, section 4.1.1).
fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

fn type_of(column: &RowColumn) -> String {
    match column.kind.map(ColumnType::published) {
        None => "jsonb".to_owned(),
        Some(ColumnType::Bool) => "boolean".to_owned(),
        Some(ColumnType::Int64) => "bigint".to_owned(),
        Some(ColumnType::Decimal { precision, scale }) => format!("numeric({precision},{scale})"),
        Some(ColumnType::Double) => "double precision".to_owned(),
        Some(ColumnType::Date) => "date".to_owned(),
        Some(ColumnType::Timestamp { utc: true }) => "timestamptz".to_owned(),
        Some(ColumnType::Timestamp { utc: false }) => "timestamp".to_owned(),
        Some(ColumnType::Text | ColumnType::Empty) => "text".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_quoted_and_tables_are_of_versions() {
        assert_eq!(quoted("a\"; DROP TABLE b; --"), "\"a\"\"; DROP TABLE b; --\"");
        let feed = "order-lines".parse().expect("a name");
        let path = "lake/order-lines/v12/lf_date=2026-11-22/x.parquet";
        assert_eq!(table_of(&feed, path).as_deref(), Some("order-lines_v12"));
        assert_eq!(table_of(&feed, "archive/order-lines/x.pdf"), None);
    }
}
