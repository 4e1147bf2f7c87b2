//! What the demo tells at its end: what arrived, where everything lies, what to try next.

use serde::Serialize;

use super::orders::Orders;
use crate::ledger::{Arrival, State};
use crate::names::FeedName;
use crate::ops::cli::output::{Output, size, table};
use crate::ops::cli::words;
use crate::zone::Zone;

/// A file of the demo and what became of it.
#[derive(Debug, Serialize)]
pub(super) struct Arrived {
    pub(super) name: String,
    pub(super) feed: FeedName,
    pub(super) arrival: Option<Arrival>,
    /// What it is a duplicate of, when the demo ran before.
    pub(super) original: Option<Arrival>,
}

impl Arrived {
    /// Whether it, or what it is a duplicate of, reached a good end.
    pub(super) fn is_well(&self) -> bool {
        let state = self.first().map(|arrival| arrival.state);
        matches!(state, Some(State::HandedOff | State::Superseded | State::Retracted))
    }

    /// The arrival whose rows are in the lake.
    fn first(&self) -> Option<&Arrival> {
        self.original.as_ref().or(self.arrival.as_ref())
    }
}

#[derive(Serialize)]
struct Demo<'a> {
    well: bool,
    rows: u64,
    quantity: u64,
    query: String,
    files: &'a [Arrived],
}

pub(super) fn tell(zone: &Zone, suffix: &str, made: &Orders, arrived: &[Arrived], out: &Output) {
    let well = arrived.iter().all(Arrived::is_well);
    let query = query(zone, arrived, made);
    if out.is_json() {
        let (rows, quantity) = (made.rows, made.quantity);
        let demo = Demo { well, rows, quantity, query, files: arrived };
        out.object("landfall.demo/v1", &demo);
        return;
    }
    let heading = ["file", "feed", "from", "size", "rows", "state"];
    let mut rows = vec![heading.map(str::to_owned)];
    rows.extend(arrived.iter().map(row));
    out.print(&format!("\n{}", table(&rows)));
    for one in arrived.iter().filter(|one| !one.is_well()) {
        let told = one.first().and_then(|arrival| arrival.diagnostic.as_ref());
        let why = told.map_or("it did not reach its end in time".to_owned(), ToString::to_string);
        out.print(&format!("{}: {why}", one.name));
    }
    let expected = format!("{} orders with a quantity of {}", made.rows, made.quantity);
    let read = format!("Read it with DuckDB; it must say {expected}:\n\n  duckdb -c \"{query}\"\n");
    out.print(&places(zone, suffix, arrived, &read));
}

fn row(one: &Arrived) -> [String; 6] {
    let Some(arrival) = &one.arrival else {
        let missing = "did not arrive".to_owned();
        let none = String::new;
        return [one.name.clone(), one.feed.to_string(), none(), none(), none(), missing];
    };
    [
        one.name.clone(),
        one.feed.to_string(),
        arrival.sender.to_string(),
        size(arrival.size_bytes),
        one.first().map_or(String::new(), words::rows),
        words::state(arrival.state).to_owned(),
    ]
}

/// Reads back what the big file must have become: its rows lead back to it by `_lf_arrival`.
fn query(zone: &Zone, arrived: &[Arrived], made: &Orders) -> String {
    let Some(orders) = arrived.iter().find(|one| one.name == made.name) else {
        return String::new();
    };
    let first = orders.first();
    let version = first.and_then(|first| first.conversion.as_ref()).map_or(1, |made| made.version);
    let id = first.map_or(String::new(), |first| first.id.to_string());
    let dataset = zone.lake().join(orders.feed.as_str()).join(format!("v{version}"));
    format!(
        "select count(*) as orders, sum(quantity) as quantity, sum(quantity * unit_price) as amount \
         from read_parquet('{}/*/*.parquet', union_by_name = true) where _lf_arrival = '{id}'",
        dataset.display()
    )
}

fn places(zone: &Zone, suffix: &str, arrived: &[Arrived], read: &str) -> String {
    let first = arrived.iter().find_map(|one| one.arrival.as_ref());
    let id = first.map_or(String::new(), |arrival| arrival.id.to_string());
    let at = zone.root().display();
    let program = program();
    let rows = [
        ["raw files, for ever", "archive/"],
        ["datasets", "lake/<feed>/v1/"],
        ["manifests", "lake/<feed>/_manifests/"],
        ["results beside drops", "inbox/<feed>/_done/"],
    ];
    let rows = rows.map(|[what, place]| [what.to_owned(), format!("{at}/{place}")]);
    let mut text = format!("\n{}\n{read}", table(&rows));
    text.push_str(&format!(
        "\nAnd try:\n\n  {program} status{suffix}\n  {program} show {id}{suffix}\n  \
         {program} get {id} -o copy{suffix}\n"
    ));
    text
}

/// This program as it was called, so that a line can be pasted.
fn program() -> String {
    let called = std::env::args().next();
    called.unwrap_or_else(|| "landfall".to_owned())
}
