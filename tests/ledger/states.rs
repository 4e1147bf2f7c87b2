//! The whole transition table: every state by every event.
//!
//! The table is written out, so that a change of any cell is a change of this file.

use landfall::diagnostic::{Code, Diagnostic};
use landfall::ledger::{Event, Part, Scope, SidecarKind, State, Verdict};
use landfall::names::{ArrivalId, BatchId};

use crate::making::{acme, digest_of, feed, file, incoming, now, sink};

/// One of every kind about an arrival.
fn about_an_arrival() -> Vec<Event> {
    let (id, batch) = (ArrivalId::new(now()), BatchId::new(now()));
    let new = incoming("a.csv", "one");
    vec![
        Event::Received {
            sender: new.sender,
            door: new.door,
            feed: new.feed,
            name: new.name,
            size_bytes: new.size_bytes,
            digest: new.digest,
            origin: None,
            supersedes: None,
            adopted: false,
            waits: None,
            same_bytes_as: None,
        },
        Event::Duplicate { of: id },
        Event::Converted {
            seen: 1,
            written: 1,
            rejected: 0,
            skipped: 0,
            version: 1,
            revision: 1,
            contract: None,
        },
        Event::TakenRaw { reason: "binary".to_owned() },
        Event::Held { diagnostic: Diagnostic::error(Code::C101, "empty") },
        Event::released("ops".to_owned(), "fine".to_owned()),
        Event::Rejected { by: "ops".to_owned(), reason: "sent by mistake".to_owned() },
        Event::Superseded { by: id },
        Event::Batched { batch, sequence: 1 },
        Event::Published { batch },
        Event::HandedOff { batch },
        Event::Retracted { batch, replaced_by: Some(id) },
        Event::Retired { part: Part::Parquet, reason: "it is old".to_owned() },
        Event::Rewritten { batch, sequence: 2 },
        Event::Erasing { by: "ops".to_owned(), reason: "request 17".to_owned() },
        Event::Erased { tombstone: Some(digest_of("t")), files: 3 },
        Event::Renamed { from: file("a"), to: file("b") },
        Event::Touched { modified_s: None, mode: None },
        Event::Hidden,
        Event::Completed { reason: "a.csv.ok came".to_owned() },
        Event::Tested,
        Event::SidecarReceived {
            sender: acme(),
            feed: feed("orders"),
            name: file("a.csv.ok"),
            sidecar: SidecarKind::Ok,
            size_bytes: 0,
            digest: digest_of(""),
            text: Some(String::new()),
        },
        Event::SidecarJoined {
            name: file("a.csv.ok"),
            sidecar: SidecarKind::Ok,
            digest: digest_of(""),
        },
        Event::SidecarChecked {
            name: file("a.csv.md5"),
            verdict: Verdict::Differs,
            diagnostic: Some(Diagnostic::error(Code::R108, "differs")),
        },
        Event::PapersHidden { outcome: "held".to_owned() },
    ]
}

/// One of every kind about the zone.
#[allow(clippy::too_many_lines, reason = "one of each")]
fn about_the_zone() -> Vec<Event> {
    let text = || "x".to_owned();
    let (batch, manifest) = (BatchId::new(now()), digest_of("m"));
    let (sender, name, orders) = (acme(), file("a"), feed("orders"));
    let diagnostic = || Diagnostic::error(Code::F101, "a pipe");
    let folder = || "inbox".parse().expect("a folder");
    let partner = || "acme".parse().expect("a partner");
    vec![
        Event::Started { version: text() },
        Event::Stopped,
        Event::Reconciled { adopted: 0, removed: 0, reconverting: 0 },
        Event::DaySealed { day: "2026-11-22".to_owned(), files: 1, digest: digest_of("x") },
        Event::Rebuilt { events: 1, arrivals: 1, adopted: 0, left_out: 0 },
        Event::LogRestarted {
            log: "5d".repeat(16),
            size: 9,
            root: digest_of("root"),
            reason: "x".to_owned(),
        },
        Event::ConfigLoaded { digest: manifest, by: None },
        Event::HostKeyChanged { by: text(), change: text() },
        Event::SessionEnded { partner: partner(), from: text(), reason: text() },
        Event::LoggedIn { partner: partner(), from: text(), method: text(), client: text() },
        Event::LoginRefused {
            user: text(),
            from: text(),
            client: text(),
            offered: text(),
            reason: text(),
        },
        Event::SourcePenalised { source: text(), until: now(), reason: text() },
        Event::ConnectionRefused { from: text(), client: text(), reason: text() },
        Event::UploadInterrupted {
            sender: sender.clone(),
            feed: orders.clone(),
            name: name.clone(),
            size_bytes: 1,
        },
        Event::UploadExpired {
            sender: sender.clone(),
            feed: orders.clone(),
            name: name.clone(),
            size_bytes: 1,
        },
        Event::FileRefused { sender, name: text(), diagnostic: diagnostic() },
        Event::SidecarAlone {
            sender: acme(),
            feed: orders.clone(),
            name: file("a.ok"),
            file: file("a"),
        },
        Event::SidecarHidden { sender: acme(), feed: orders.clone(), name: file("a.ok") },
        Event::EntryIgnored { folder: text(), name, diagnostic: diagnostic() },
        Event::FolderGone { folder: folder(), diagnostic: diagnostic() },
        Event::FolderBack { folder: folder() },
        Event::SchemaChanged {
            feed: orders.clone(),
            revision: 1,
            version: 1,
            by: ArrivalId::new(now()),
            changes: vec![],
        },
        Event::BatchClosed {
            batch,
            feed: orders.clone(),
            sequence: 1,
            files: 1,
            rows: 1,
            because: None,
        },
        Event::BatchPublished { batch, feed: orders.clone(), sequence: 1, manifest },
        Event::Acknowledged { sink: sink("lake"), batch, attempts: 1, used_by: None },
        Event::DeliveryFailed { sink: sink("lake"), batch, attempts: 1, error: text() },
        Event::SinkStalled { sink: sink("lake"), feed: orders.clone(), batch, error: text() },
        Event::SinkResumed { sink: sink("lake"), feed: orders.clone(), batch, reason: text() },
        Event::SinkSkipped { sink: sink("lake"), feed: orders, batch, reason: text() },
        Event::HoldPlaced {
            hold: "case-17".parse().expect("a hold"),
            scope: Scope { feed: Some(feed("orders")), ..Scope::default() },
            by: text(),
            reason: text(),
        },
        Event::HoldReleased {
            hold: "case-17".parse().expect("a hold"),
            by: text(),
            reason: text(),
        },
        Event::PartnerChanged { partner: partner(), by: text(), change: text() },
    ]
}

#[test]
fn every_state_meets_every_event() {
    let states = State::ALL.map(|state| format!("{state:?}"));
    let mut table = line("event", &states);
    for event in about_an_arrival() {
        let cells = State::ALL.map(|state| match state.on(&event) {
            Ok(next) if next == state => "=".to_owned(),
            Ok(next) => format!("{next:?}"),
            Err(refused) => {
                assert_eq!((refused.state, refused.event), (state, event.kind()));
                "-".to_owned()
            }
        });
        table += &line(&event.kind(), &cells);
    }
    insta::assert_snapshot!(table, @"
    event            Received   Converted  Raw        Batched    Published  HandedOff  Held       Duplicate  Superseded Retracted  Tested     Rejected   Erasing    Erased
    received         -          -          -          -          -          -          -          -          -          -          -          -          -          -
    duplicate        Duplicate  -          -          -          -          -          -          -          -          -          -          -          -          -
    converted        Converted  =          -          -          -          -          -          -          -          -          -          -          -          -
    taken_raw        Raw        -          -          -          -          -          -          -          -          -          -          -          -          -
    held             Held       Held       Held       -          -          -          =          -          -          -          -          -          -          -
    released         -          Received   -          -          -          -          Received   -          -          -          -          -          -          -
    rejected         -          -          -          -          -          -          Rejected   -          -          -          -          -          -          -
    superseded       Superseded Superseded Superseded -          -          -          Superseded -          -          -          -          -          -          -
    batched          -          Batched    Batched    -          -          -          -          -          -          -          -          -          -          -
    published        -          -          -          Published  -          -          -          -          -          -          -          -          -          -
    handed_off       -          -          -          -          HandedOff  -          -          -          -          -          -          -          -          -
    retracted        -          -          -          -          Retracted  Retracted  -          -          -          -          -          -          =          =
    retired          =          =          =          =          =          =          =          =          =          =          =          =          -          -
    rewritten        -          -          -          -          =          =          -          -          -          -          -          -          -          -
    erasing          Erasing    Erasing    Erasing    -          -          Erasing    Erasing    Erasing    Erasing    Erasing    Erasing    Erasing    -          Erasing
    erased           -          -          -          -          -          -          -          -          -          -          -          -          Erased     -
    renamed          =          =          =          =          =          =          =          =          =          =          =          =          =          =
    touched          =          =          =          =          =          =          =          =          =          =          =          =          =          =
    hidden           =          =          =          =          =          =          =          =          =          =          =          =          =          =
    completed        =          -          -          -          -          -          =          -          -          -          -          -          -          -
    tested           -          Tested     Tested     -          -          -          -          -          -          -          -          -          -          -
    sidecar_received =          =          =          =          =          =          =          =          =          =          =          =          =          =
    sidecar_joined   =          =          =          =          =          =          =          =          =          =          =          =          =          =
    sidecar_checked  =          =          =          =          =          =          =          =          =          =          =          =          =          =
    papers_hidden    =          =          =          =          =          =          =          =          =          =          =          =          =          =
    ");
}

fn line(first: &str, cells: &[String]) -> String {
    let cells: String = cells.iter().map(|cell| format!(" {cell:<10}")).collect();
    format!("{}\n", format!("{first:<16}{cells}").trim_end())
}

#[test]
fn what_happens_to_the_zone_changes_no_arrival() {
    for event in about_the_zone() {
        for state in State::ALL {
            assert_eq!(state.on(&event), Ok(state), "{event:?}");
        }
    }
}

#[test]
fn every_event_keeps_its_kind_and_fields_through_json() {
    for event in about_an_arrival().into_iter().chain(about_the_zone()) {
        let json = serde_json::to_value(&event).expect("json");
        assert_eq!(json["kind"], event.kind());
        assert_eq!(serde_json::from_value::<Event>(json).expect("back"), event);
    }
}
