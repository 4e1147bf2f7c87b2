//! How an alert's message reads.

use serde::Serialize;
use serde_json::Value;

use crate::clock::Timestamp;
use crate::handoff::cloud_event::CloudEvent;
use crate::handoff::sinks::Purpose;
use crate::handoff::sinks::message::Message;
use crate::ledger::{Cause, Causes, Waiting};
use crate::names::AlertName;
use crate::zone::Zone;

use super::word;

/// The type of the event that a webhook is posted.
const EVENT_TYPE: &str = "dev.landfall.alert.told.v1";
/// The type of one that only tries the way.
const TEST_TYPE: &str = "dev.landfall.alert.test.v1";
/// Causes that a message has in words; more are counted.
const IN_WORDS_MAX: usize = 50;

#[derive(Serialize)]
struct Data<'d> {
    schema: &'static str,
    alert: &'d AlertName,
    number: u64,
    urgency: &'static str,
    raised: Vec<&'d Cause>,
    resolved: Vec<&'d Cause>,
}

/// The message that waits at an alert.
pub(super) fn of(waiting: &Waiting, name: &AlertName, zone: &Zone, zone_name: &str) -> Message {
    let data = Data {
        schema: "landfall.alert/v1",
        alert: name,
        number: waiting.number,
        urgency: word(waiting.urgency),
        raised: waiting.raised.values().collect(),
        resolved: waiting.resolved.values().collect(),
    };
    // Plain data with text keys: it cannot fail to become JSON.
    let data = serde_json::to_value(&data).unwrap_or_default();
    let subject = subject(waiting, zone_name);
    let words = format!("{subject}\n{}{}", raised(&waiting.raised), resolved(&waiting.resolved));
    let urgency = ("LANDFALL_URGENCY", word(waiting.urgency).to_owned());
    let at = waiting.at;
    let draft = Draft { id: format!("{name}-{}", at.as_microsecond()), subject, words, data, at };
    let mut message = draft.message((Purpose::Batch, EVENT_TYPE), name, zone, zone_name);
    message.environment.push(urgency);
    message
}

/// A message that only tries the way.
pub(super) fn test(name: &AlertName, zone: &Zone, zone_name: &str, at: Timestamp) -> Message {
    let subject = format!("landfall {zone_name}: a test of alert {name}");
    let words = format!("{subject}\n\nNothing needs a person because of this message.\n");
    let data = serde_json::json!({ "schema": "landfall.alert-test/v1", "alert": name });
    let id = format!("test-{name}-{}", at.as_microsecond());
    let draft = Draft { id, subject, words, data, at };
    draft.message((Purpose::Test, TEST_TYPE), name, zone, zone_name)
}

struct Draft {
    id: String,
    subject: String,
    words: String,
    data: Value,
    at: Timestamp,
}

impl Draft {
    fn message(
        self,
        (purpose, kind): (Purpose, &str),
        name: &AlertName,
        zone: &Zone,
        zone_name: &str,
    ) -> Message {
        let Self { id, subject, words, data, at } = self;
        let event = CloudEvent::new(kind, zone_name, id.clone(), at)
            .about(Some(name.to_string()), None)
            .with(Value::Null, data);
        let environment = vec![
            ("LANDFALL_ALERT", name.to_string()),
            ("LANDFALL_MESSAGE", id.clone()),
            ("LANDFALL_SUBJECT", subject),
        ];
        Message {
            id,
            purpose,
            zone: zone.root().to_owned(),
            text: words,
            event: serde_json::to_vec(&event).unwrap_or_default(),
            environment,
        }
    }
}

/// `landfall north: sales is late for 2026-11-23`.
fn subject(waiting: &Waiting, zone_name: &str) -> String {
    let first = |causes: &Causes| causes.values().next().map(|cause| cause.cause.clone());
    let what = match (waiting.raised.len(), waiting.resolved.len()) {
        (0, 1) => format!("no longer: {}", first(&waiting.resolved).unwrap_or_default()),
        (0, count) => format!("{count} things are no longer so"),
        (1, _) => first(&waiting.raised).unwrap_or_default(),
        (count, _) => format!("{count} things need a person"),
    };
    // A line is a header to whoever sends mail with it.
    let what: String = what.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    format!("landfall {zone_name}: {what}")
}

fn raised(causes: &Causes) -> String {
    let one = |cause: &Cause| {
        let Cause { cause, owner, since, command, .. } = cause;
        let owner = owner.as_ref().map(|owner| format!("    owner  {owner}\n"));
        let since = since.map(|since| format!("    since  {since:.0}\n"));
        let facts = owner.into_iter().chain(since).collect::<String>();
        format!("\n  {}\n{facts}    do     {command}\n", cause.replace('\n', " "))
    };
    causes.values().take(IN_WORDS_MAX).map(one).collect::<String>() + &more(causes)
}

fn resolved(causes: &Causes) -> String {
    if causes.is_empty() {
        return String::new();
    }
    let one = |cause: &Cause| format!("  {}\n", cause.cause.replace('\n', " "));
    let told: String = causes.values().take(IN_WORDS_MAX).map(one).collect();
    format!("\nNo longer so:\n{told}{}", more(causes))
}

fn more(causes: &Causes) -> String {
    match causes.len().saturating_sub(IN_WORDS_MAX) {
        0 => String::new(),
        more => format!("  and {more} more\n"),
    }
}
