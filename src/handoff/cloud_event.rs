//! What happened, as CloudEvents 1.0 in structured JSON
//! (<https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/spec.md>).
//!
//! Every event of the ledger is one, with its sequence as `id`: sequences have no gaps, so that a
//! consumer that was away proves that it missed nothing. `data` is the event as the ledger keeps it.
//! Types are `dev.landfall.<subject>.<what>.v1`; those that downstream waits for are in [`TYPES`], all
//! others are `dev.landfall.zone.<kind>.v1`.

use serde::Serialize;
use serde_json::Value;

use crate::clock::{Timestamp, rfc3339_millis};
use crate::ledger::Recorded;
use crate::names::FeedName;

/// The kinds of the ledger's events that have a type of their own.
const TYPES: [(&str, &str); 39] = [
    ("received", "file.received"),
    ("completed", "file.completed"),
    ("duplicate", "file.duplicate"),
    ("converted", "file.converted"),
    ("taken_raw", "file.taken_raw"),
    ("held", "file.quarantined"),
    ("released", "file.released"),
    ("superseded", "file.superseded"),
    ("batched", "file.batched"),
    ("published", "file.published"),
    ("handed_off", "file.handed_off"),
    ("retracted", "file.retracted"),
    ("renamed", "file.renamed"),
    ("tested", "file.tested"),
    ("rejected", "file.rejected"),
    ("file_refused", "file.refused"),
    ("pulled", "pull.ended"),
    ("pull_failed", "pull.failed"),
    ("alerted", "alert.taken"),
    ("alert_failing", "alert.failing"),
    ("schema_changed", "schema.changed"),
    ("feed_expected", "feed.expected"),
    ("feed_unexpected", "feed.unexpected"),
    ("feed_arrived", "feed.arrived"),
    ("feed_late", "feed.late"),
    ("feed_missing", "feed.missing"),
    ("feed_recovered", "feed.recovered"),
    ("feed_excused", "feed.excused"),
    ("feed_extra", "feed.extra"),
    ("feed_unusual", "feed.unusual"),
    ("batch_closed", "batch.closed"),
    ("batch_published", "batch.published"),
    ("acknowledged", "batch.acknowledged"),
    ("delivery_failed", "batch.delivery_failed"),
    ("sink_stalled", "sink.stalled"),
    ("sink_resumed", "sink.resumed"),
    ("sink_skipped", "sink.skipped"),
    ("sink_paused", "sink.paused"),
    ("sink_unpaused", "sink.unpaused"),
];

/// An event in the form that others read.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CloudEvent {
    specversion: &'static str,
    #[serde(rename = "type")]
    kind: String,
    source: String,
    id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    subject: Option<String>,
    time: String,
    datacontenttype: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    lffeed: Option<FeedName>,
    #[serde(flatten)]
    extensions: Value,
    data: Value,
}

impl CloudEvent {
    /// An event of a type, with an id that is its own in the zone.
    pub fn new(kind: impl Into<String>, zone: &str, id: String, at: Timestamp) -> Self {
        Self {
            specversion: "1.0",
            kind: kind.into(),
            source: source(zone),
            id,
            subject: None,
            time: rfc3339_millis(at),
            datacontenttype: "application/json",
            lffeed: None,
            extensions: Value::Null,
            data: Value::Null,
        }
    }

    /// An event of the ledger of a zone. `feed` is that of the arrival it is about, if it is about
    /// one.
    pub fn of(recorded: &Recorded, zone: &str, feed: Option<FeedName>) -> Self {
        // Plain data with text keys: it cannot fail to become JSON.
        let data = serde_json::to_value(&recorded.event).unwrap_or_default();
        let kind = kind(data.get("kind").and_then(Value::as_str).unwrap_or_default());
        let named = data.get("feed").and_then(Value::as_str).and_then(|name| name.parse().ok());
        let feed = feed.or(named);
        let number = data.get("sequence").and_then(Value::as_u64).map(|number| number.to_string());
        let about = recorded.arrival.map(|id| id.to_string()).or(number);
        let subject = feed.as_ref().map(|feed| match &about {
            Some(about) => format!("{feed}/{about}"),
            None => feed.to_string(),
        });
        let arrival = recorded.arrival.map(|id| serde_json::json!({ "lfarrival": id }));
        Self::new(kind, zone, recorded.sequence.to_string(), recorded.at)
            .about(subject, feed)
            .with(arrival.unwrap_or(Value::Null), data)
    }

    /// What it is about.
    #[must_use]
    pub fn about(self, subject: Option<String>, feed: Option<FeedName>) -> Self {
        Self { subject, lffeed: feed, ..self }
    }

    /// Its further attributes, as an object, and its data.
    #[must_use]
    pub fn with(self, extensions: Value, data: Value) -> Self {
        Self { extensions, data, ..self }
    }
}

/// The type of a kind of the ledger.
fn kind(kind: &str) -> String {
    let own = TYPES.iter().find(|(known, _)| *known == kind).map(|(_, own)| (*own).to_owned());
    format!("dev.landfall.{}.v1", own.unwrap_or_else(|| format!("zone.{kind}")))
}

/// `/landfall/<zone>` as a URI reference (RFC 3986 section 2.3).
fn source(zone: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_' | b'~');
    let name: String = zone
        .bytes()
        .map(|b| if plain(b) { char::from(b).to_string() } else { format!("%{b:02X}") })
        .collect();
    format!("/landfall/{name}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::Event;

    #[test]
    fn kinds_without_a_type_of_their_own_are_of_the_zone() {
        let known: [(&str, Event); 2] = [
            (
                "sink.paused",
                Event::SinkPaused { sink: "a".parse().expect("a name"), reason: String::new() },
            ),
            ("zone.stopped", Event::Stopped),
        ];
        for (own, event) in known {
            assert_eq!(kind(&event.kind()), format!("dev.landfall.{own}.v1"));
        }
    }

    #[test]
    fn an_event_tells_its_feed_and_place() {
        let feed: FeedName = "orders".parse().expect("a name");
        let batch = crate::names::BatchId::new(Timestamp::UNIX_EPOCH);
        let event =
            Event::BatchClosed { batch, feed, sequence: 7, files: 1, rows: 2, because: None };
        let recorded = Recorded { sequence: 12, at: Timestamp::UNIX_EPOCH, arrival: None, event };
        let json = serde_json::to_value(CloudEvent::of(&recorded, "my zone", None)).expect("json");
        assert_eq!(json["subject"], "orders/7");
        assert_eq!(json["id"], "12");
        assert_eq!(json["source"], "/landfall/my%20zone");
        assert_eq!(json["type"], "dev.landfall.batch.closed.v1");
        assert_eq!(json["data"]["rows"], 2);
    }
}
