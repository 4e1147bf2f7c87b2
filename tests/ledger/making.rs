//! Making what the tests need.

use landfall::clock::Timestamp;
use landfall::diagnostic::{Code, Diagnostic};
use landfall::ledger::{
    Arrival, Batch, BatchBounds, BatchFile, Conversion, Delivery, DeliveryOutcome, Door, Event,
    FileKind, LiveTotals, NewArrival, NewConversion, Output, Sender, State,
};
use landfall::names::{ArrivalId, Digest, FeedName, FileName, SinkName};
use landfall::report::Report;
use landfall::schema::{Column, ColumnType};
use landfall::zone::Zone;

use crate::place::Place;

pub(crate) fn now() -> Timestamp {
    "2026-11-22T06:31:04.512345Z".parse().expect("a time")
}

pub(crate) fn before(seconds: i64) -> Timestamp {
    Timestamp::from_microsecond(now().as_microsecond() - seconds * 1_000_000).expect("in range")
}

pub(crate) fn feed(name: &str) -> FeedName {
    name.parse().expect("a feed")
}

pub(crate) fn orders() -> FeedName {
    feed("orders")
}

pub(crate) fn acme() -> Sender {
    "partner:acme".parse().expect("a sender")
}

pub(crate) fn file(name: &str) -> FileName {
    name.parse().expect("a file name")
}

pub(crate) fn sink(name: &str) -> SinkName {
    name.parse().expect("a sink")
}

pub(crate) fn digest_of(content: &str) -> Digest {
    landfall::archive::digest::of_bytes(content.as_bytes())
}

pub(crate) fn incoming(name: &str, content: &str) -> NewArrival {
    let id = ArrivalId::new(now());
    NewArrival {
        id,
        sender: acme(),
        door: Door::Sftp,
        feed: orders(),
        name: file(name),
        size_bytes: content.len() as u64,
        digest: digest_of(content),
        raw: Zone::raw_path(&orders(), now(), id, &file(name)),
        received_at: now(),
        modified_s: None,
        mode: None,
        origin: Some("192.0.2.7".to_owned()),
        fingerprint: None,
        held: None,
        waits: None,
        skip_duplicate: true,
        replace_same_name: false,
        adopted: false,
        ends: None,
    }
}

pub(crate) fn replacing(name: &str, content: &str) -> NewArrival {
    NewArrival { replace_same_name: true, ..incoming(name, content) }
}

pub(crate) fn unsorted() -> Diagnostic {
    Diagnostic::error(Code::R101, "`a.bin` matches no pattern of orders").fact("feed", "orders")
}

pub(crate) fn output(id: ArrivalId, suffix: &str, size_bytes: u64) -> Output {
    let path = Zone::converted_path(id, suffix);
    Output { path, rows: 3, size_bytes, digest: digest_of(suffix) }
}

pub(crate) fn conversion(id: ArrivalId, version: u32, size_bytes: u64) -> NewConversion {
    let conversion = Conversion {
        converter: "test-1".to_owned(),
        version,
        revision: version,
        seen: 4,
        written: 3,
        rejected: 1,
        skipped: 0,
        parquet: output(id, "parquet", size_bytes),
        rejects: None,
        report: Report { kind: "csv".to_owned(), seen: 4, ..Report::default() },
    };
    NewConversion {
        conversion,
        given_revision: version,
        learned: None,
        opens_version: false,
        drift: Vec::new(),
    }
}

pub(crate) fn column(name: &str, kind: ColumnType) -> Column {
    Column { name: name.to_owned(), header: name.to_owned(), kind, nested: None }
}

pub(crate) fn bounds() -> BatchBounds {
    BatchBounds { files_max: 1000, bytes_max: 1 << 20, rows_max: None, merge_bytes: None }
}

/// Receives and converts a file.
pub(crate) fn ready(place: &mut Place, new: NewArrival) -> ArrivalId {
    let id = place.ledger().receive(new).expect("received").id;
    place.ledger().converted(id, conversion(id, 1, 100)).expect("converted");
    id
}

pub(crate) fn close(place: &mut Place) -> Batch {
    place.ledger().close_batch(&orders(), bounds()).expect("closed").expect("something is ready")
}

pub(crate) fn publish(place: &mut Place, sinks: &[&str]) -> Batch {
    let batch = close(place);
    let sinks: Vec<_> = sinks.iter().map(|name| sink(name)).collect();
    place.ledger().published(batch.id, digest_of("manifest"), &sinks).expect("published")
}

pub(crate) fn get(place: &mut Place, id: ArrivalId) -> Arrival {
    place.ledger().arrival(id).expect("read").expect("is there")
}

pub(crate) fn state(place: &mut Place, id: ArrivalId) -> State {
    get(place, id).state
}

pub(crate) fn kinds(place: &mut Place, id: ArrivalId) -> Vec<String> {
    let history = place.ledger().history(id).expect("history");
    history.iter().map(|recorded| recorded.event.kind()).collect()
}

pub(crate) fn listed(place: &mut Place) -> Vec<String> {
    let listing = place.ledger().listing(&acme(), &orders(), before(3600)).expect("listed");
    listing.iter().map(|entry| entry.name.to_string()).collect()
}

pub(crate) fn live(place: &mut Place, as_of: Option<u64>) -> Vec<ArrivalId> {
    let files = place.ledger().live_files(&orders(), as_of).expect("live files");
    if as_of.is_none() {
        let totals = place.ledger().live_totals(&orders()).expect("live totals");
        let tables = files.iter().filter(|file| file.kind == FileKind::Parquet);
        let sum = |of: fn(&BatchFile) -> u64| tables.clone().map(of).sum::<u64>();
        let (rows, size_bytes) = (sum(|file| file.rows), sum(|file| file.size_bytes));
        let files = tables.clone().count() as u64;
        assert_eq!(totals, LiveTotals { files, rows, size_bytes });
    }
    files.iter().map(|file| file.arrival).collect()
}

pub(crate) fn renamed(to: &str) -> Event {
    Event::Renamed { from: file("whatever"), to: file(to) }
}

pub(crate) fn next(place: &mut Place) -> Option<Delivery> {
    place.ledger().next_delivery(&sink("lake"), &orders()).expect("read")
}

pub(crate) fn answer(place: &mut Place, outcome: DeliveryOutcome) -> Delivery {
    let turn = next(place).expect("a delivery");
    place.ledger().delivered(&turn.id, outcome).expect("recorded")
}
