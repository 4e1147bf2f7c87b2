//! Alerts: what each has told, as JSON.

use std::collections::BTreeMap;

use rusqlite::Connection;

use crate::ledger::{AlertState, Alerts, Error, Event};
use crate::names::AlertName;

use super::SqliteLedger;
use super::fault::Fault;
use super::values::{Cells, Json};

impl Alerts for SqliteLedger {
    fn alerts(&self) -> Result<BTreeMap<AlertName, AlertState>, Error> {
        self.readers.read("read alerts", all)
    }

    fn keep_alert(
        &self,
        alert: &AlertName,
        state: AlertState,
        event: Option<Event>,
    ) -> Result<(), Error> {
        let alert = alert.clone();
        self.write("keep an alert", move |tx| {
            tx.sql(
                "INSERT INTO alert (name, state) VALUES (?1, ?2)
                 ON CONFLICT DO UPDATE SET state = ?2",
            )?
            .execute((&alert, Json(state)))?;
            event.map_or(Ok(()), |event| tx.record(None, event))
        })
    }

    fn forget_alert(&self, alert: &AlertName) -> Result<(), Error> {
        let alert = alert.clone();
        self.write("forget an alert", move |tx| {
            tx.sql("DELETE FROM alert WHERE name = ?1")?.execute([&alert])?;
            Ok(())
        })
    }
}

fn all(conn: &Connection) -> Result<BTreeMap<AlertName, AlertState>, Fault> {
    let mut statement = conn.prepare_cached("SELECT name, state FROM alert")?;
    let found = statement.query_map([], |row| {
        let mut cells = Cells::of(row);
        Ok((cells.take()?, cells.json()?))
    })?;
    Ok(found.collect::<Result<_, _>>()?)
}
