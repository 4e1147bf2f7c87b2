//! How the ledger's terms read on a terminal: states, times, and one line for each event.

use super::hold::covers;
use super::output::{count, counted, size};
use crate::calendar::usual;
use crate::clock::Timestamp;
use crate::ledger::{
    Arrival, BatchState, Because, DeliveryState, Event, Finding, Problem, ReplayEnd, State,
    Urgency, UsedBy, Verdict, Verified,
};
use crate::receive::receipt::shown;
use crate::schema::Change;

/// A state in words: `handed off`.
pub(super) fn state(state: State) -> &'static str {
    match state {
        State::Received => "received",
        State::Converted => "converted",
        State::Raw => "raw",
        State::Batched => "batched",
        State::Published => "published",
        State::HandedOff => "handed off",
        State::Held => "held",
        State::Duplicate => "duplicate",
        State::Superseded => "superseded",
        State::Retracted => "retracted",
        State::Tested => "tested",
        State::Rejected => "rejected",
        State::Erasing => "being erased",
        State::Erased => "erased",
    }
}

/// Where an arrival stands, with what it waits for.
pub(super) fn standing(arrival: &Arrival) -> String {
    let state = self::state(arrival.state);
    match arrival.waits.filter(|_| arrival.state == State::Received) {
        Some(waits) => format!("{state}, waits for {}", waits.what.in_words()),
        None => state.to_owned(),
    }
}

/// Where a batch stands.
pub(super) fn batch_state(state: BatchState) -> &'static str {
    match state {
        BatchState::Closed => "being published",
        BatchState::Published => "published",
    }
}

/// Where a delivery stands.
pub(super) fn delivery_state(state: DeliveryState) -> &'static str {
    match state {
        DeliveryState::Pending => "pending",
        DeliveryState::Acknowledged => "acknowledged",
        DeliveryState::Stalled => "stalled",
        DeliveryState::Skipped => "skipped",
    }
}

/// What came of a sidecar.
pub(super) fn verdict(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Seen => "is there",
        Verdict::Agrees => "agrees",
        Verdict::Differs => "differs",
        Verdict::Unreadable => "cannot be read",
    }
}

/// A time to the second: `2026-11-22T06:31:04Z`.
pub(super) fn time(at: Timestamp) -> String {
    format!("{at:.0}")
}

/// The rows that came of an arrival, for a table.
pub(super) fn rows(arrival: &Arrival) -> String {
    arrival.conversion.as_ref().map_or("-".to_owned(), |made| count(made.written))
}

/// An event in one line.
pub(super) fn event(event: &Event) -> String {
    about_arrival(event)
        .or_else(|| about_sidecar(event))
        .or_else(|| about_door(event))
        .or_else(|| about_folder_or_pull(event))
        .or_else(|| about_handoff(event))
        .or_else(|| about_calendar_or_alert(event))
        .or_else(|| about_custody(event))
        .or_else(|| about_log(event))
        .unwrap_or_else(|| about_zone(event))
}

#[expect(clippy::wildcard_enum_match_arm, reason = "the rest is told by `about_zone`, in full")]
fn about_arrival(event: &Event) -> Option<String> {
    Some(match event {
        Event::Received {
            sender, size_bytes, adopted, supersedes, waits, same_bytes_as, ..
        } => {
            let found = if *adopted { ", found by start-up" } else { "" };
            let newer = if supersedes.is_some() { ", a newer version" } else { "" };
            let waits = waits.map_or(String::new(), |for_what| {
                format!("; it waits for {}", for_what.in_words())
            });
            let same = same_bytes_as.map_or(String::new(), |other| {
                format!("; the same bytes came before under another name, as {other}")
            });
            let size = size(*size_bytes);
            format!("received from {sender}: {size}, archived{found}{newer}{waits}{same}")
        }
        Event::Duplicate { of } => format!("duplicate of {of}"),
        Event::Converted { seen, written, rejected, skipped, version, contract, .. } => {
            let (written, seen) = (count(*written), count(*seen));
            let under = if contract.is_some() { ", under its contract" } else { "" };
            format!(
                "converted: {written} of {seen} rows into v{version}, {rejected} rejected, \
                 {skipped} skipped{under}"
            )
        }
        Event::TakenRaw { reason } => format!("taken as it is: {reason}"),
        Event::Held { diagnostic } => format!("held: {diagnostic}"),
        Event::Released { by, reason, allowance } => {
            let allowed = (!allowance.is_none()).then(|| format!(", {allowance} allowed"));
            format!("released by {by}{}: {reason}", allowed.unwrap_or_default())
        }
        Event::Rejected { by, reason } => format!("rejected by {by}: {reason}"),
        Event::Superseded { by } => format!("superseded by {by}"),
        Event::Batched { sequence, .. } => format!("in batch {sequence}"),
        Event::Published { .. } => "published in the lake".to_owned(),
        Event::HandedOff { .. } => "handed off".to_owned(),
        Event::Retracted { replaced_by: Some(newer), .. } => {
            format!("retracted, replaced by {newer}")
        }
        Event::Retracted { replaced_by: None, .. } => "retracted: its readers are told".to_owned(),
        Event::Rewritten { sequence, .. } => format!("its rows are in batch {sequence} now"),
        Event::ReplayAsked { by, reason } => format!("replay asked for by {by}: {reason}"),
        Event::ReplayConverted { seen, written, rejected, skipped, version, contract, .. } => {
            let (written, seen) = (count(*written), count(*seen));
            let under = if contract.is_some() { ", under its contract" } else { "" };
            format!(
                "converted again: {written} of {seen} rows into v{version}, {rejected} rejected, \
                 {skipped} skipped{under}"
            )
        }
        Event::ReplayEnded { end } => format!("replay ended: {}", replay_end(end)),
        Event::Erasing { by, reason } => format!("to be erased, by {by}: {reason}"),
        Event::Erased { files, .. } => {
            format!("erased: {} removed, every copy is gone", counted(*files, "file"))
        }
        Event::Retired { part, reason } => format!("its {} goes: {reason}", part.in_words()),
        Event::Renamed { from, to } => format!("renamed from {from} to {to}"),
        Event::Touched { .. } => "times or permissions set by its sender".to_owned(),
        Event::Hidden => "removed from its sender's listing".to_owned(),
        Event::PapersHidden { .. } => "its receipt removed from its sender's listing".to_owned(),
        Event::Completed { reason } => format!("complete: {reason}"),
        Event::Tested => "a test: nothing is handed on".to_owned(),
        _ => return None,
    })
}

#[expect(clippy::wildcard_enum_match_arm, reason = "the rest is told by `about_zone`, in full")]
fn about_sidecar(event: &Event) -> Option<String> {
    Some(match event {
        Event::SidecarReceived { sender, name, text, .. } => {
            let said = text.as_deref().unwrap_or_default().trim();
            let said = if said.is_empty() { String::new() } else { format!(": {}", shown(said)) };
            format!("sidecar {name} received from {sender}{said}")
        }
        Event::SidecarJoined { name, .. } => format!("sidecar {name} had come before"),
        Event::SidecarChecked { name, verdict, diagnostic } => match diagnostic {
            Some(told) => format!("sidecar {name} {}: {told}", self::verdict(*verdict)),
            None => format!("sidecar {name} {}", self::verdict(*verdict)),
        },
        Event::SidecarAlone { sender, name, file, .. } => {
            format!("sidecar {name} of {sender} came, but {file} did not")
        }
        Event::SidecarHidden { sender, name, .. } => {
            format!("sidecar {name} removed from the listing of {sender}")
        }
        _ => return None,
    })
}

#[expect(clippy::wildcard_enum_match_arm, reason = "the rest is told by `about_zone`, in full")]
fn about_handoff(event: &Event) -> Option<String> {
    Some(match event {
        Event::SchemaChanged { feed, revision, version, changes, .. } => {
            let changes = told(changes);
            let what = if changes.is_empty() { String::new() } else { format!(": {changes}") };
            format!("columns of {feed} are v{version}, revision {revision}{what}")
        }
        Event::BatchClosed { feed, sequence, files, rows, because, .. } => {
            let (files, rows) = (counted(*files, "file"), counted(*rows, "row"));
            let why =
                because.as_ref().map_or(String::new(), |why| format!(", {}", self::because(why)));
            format!("batch {sequence} of {feed} closed: {files}, {rows}{why}")
        }
        Event::BatchPublished { feed, sequence, .. } => {
            format!("manifest {sequence} of {feed} published")
        }
        Event::Acknowledged { sink, attempts, used_by, .. } => {
            let used = used_by.as_ref().map(|used| format!(": {}", self::used_by(used)));
            format!("acknowledged by {sink} at attempt {attempts}{}", used.unwrap_or_default())
        }
        Event::SinkPaused { sink, reason } => format!("sink {sink} paused: {reason}"),
        Event::SinkUnpaused { sink, reason } => format!("sink {sink} goes on: {reason}"),
        Event::DeliveryFailed { sink, attempts, error, .. } => {
            format!("attempt {attempts} at {sink} failed: {error}")
        }
        Event::SinkStalled { sink, feed, error, .. } => {
            format!("sink {sink} stalled for {feed}: {error}")
        }
        Event::SinkResumed { sink, feed, reason, .. } => {
            format!("sink {sink} resumed for {feed}: {reason}")
        }
        Event::SinkSkipped { sink, feed, reason, .. } => {
            format!("sink {sink} skipped for {feed}: {reason}")
        }
        _ => return None,
    })
}

/// How a replay ended: `published in batch 4 …`.
pub(super) fn replay_end(end: &ReplayEnd) -> String {
    match end {
        ReplayEnd::Published { sequence, .. } => {
            format!("in batch {sequence}, which takes back what was published before")
        }
        ReplayEnd::Unchanged => "the same columns and values; nothing to publish".to_owned(),
        ReplayEnd::Held { diagnostic } => {
            format!("it would be held, what is published stays: {diagnostic}")
        }
        ReplayEnd::Raw { reason } => {
            format!("it is no table now, what is published stays: {}", shown(reason))
        }
        ReplayEnd::Overtaken => "what was published of it was taken back meanwhile".to_owned(),
    }
}

/// Why a batch closed: `as it was ready`.
pub(super) fn because(because: &Because) -> String {
    match because {
        Because::Ready => "as it was ready".to_owned(),
        Because::Full => "as it was full".to_owned(),
        Because::Waited => "as its oldest file had waited".to_owned(),
        Because::Window { ends } => format!("for the window until {}", time(*ends)),
        Because::Asked { by, reason } => format!("asked for by {by}: {}", shown(reason)),
        Because::Replay => "of what was replayed".to_owned(),
        Because::Set { control: Some(id) } => format!("as its set was complete by {id}"),
        Because::Set { control: None } => "as its set was complete".to_owned(),
        Because::Erased => "as what it takes back is erased".to_owned(),
        Because::Retired => "as what it takes back is past its time".to_owned(),
    }
}

/// What became of a batch downstream: `used in raw.orders, 3 rows, run 17`.
pub(super) fn used_by(used: &UsedBy) -> String {
    let tables: Vec<_> = used.tables.iter().map(|table| shown(table)).collect();
    let tables = (!tables.is_empty()).then(|| format!("used in {}", tables.join(", ")));
    let rows = used.rows.map(|rows| counted(rows, "row"));
    let run = used.run.as_ref().map(|run| format!("run {}", shown(run)));
    tables.into_iter().chain(rows).chain(run).collect::<Vec<_>>().join(", ")
}

/// Changes of a feed's columns on one line.
pub(super) fn told(changes: &[Change]) -> String {
    changes.iter().map(|change| shown(&change.to_string())).collect::<Vec<_>>().join("; ")
}

#[expect(clippy::wildcard_enum_match_arm, reason = "the rest is told by `about_zone`, in full")]
fn about_door(event: &Event) -> Option<String> {
    Some(match event {
        Event::LoggedIn { partner, from, method, client } => {
            format!("{partner} logged in from {from} by {method} with {client}")
        }
        Event::SessionEnded { partner, from, reason } => {
            format!("session of {partner} from {from} ended: {reason}")
        }
        Event::LoginRefused { user, from, reason, .. } => {
            format!("login of {user} from {from} refused: {reason}")
        }
        Event::SourcePenalised { source, until, reason } => {
            format!("{source} is turned away until {}: {reason}", time(*until))
        }
        Event::ConnectionRefused { from, reason, .. } => {
            format!("connection from {from} refused: {reason}")
        }
        Event::UploadInterrupted { sender, name, size_bytes, .. } => {
            format!("upload of {name} by {sender} interrupted at {}", size(*size_bytes))
        }
        Event::UploadExpired { sender, name, .. } => {
            format!("upload of {name} by {sender} expired")
        }
        Event::FileRefused { sender, name, diagnostic } => {
            format!("{name} of {sender} refused: {diagnostic}")
        }
        _ => return None,
    })
}

#[expect(clippy::wildcard_enum_match_arm, reason = "the rest is told by `about_zone`, in full")]
fn about_folder_or_pull(event: &Event) -> Option<String> {
    Some(match event {
        Event::EntryIgnored { folder, name, diagnostic } => {
            format!("{name} in {folder} left alone: {diagnostic}")
        }
        Event::FolderGone { folder, diagnostic } => {
            format!("folder {folder} is gone: {diagnostic}")
        }
        Event::FolderBack { folder } => format!("folder {folder} is back"),
        Event::Pulled { pull, feed, files, watermark, .. } => {
            let on = watermark
                .as_deref()
                .map_or(String::new(), |watermark| format!(", goes on from {}", shown(watermark)));
            format!("pull {pull} brought {} for {feed}{on}", counted(*files, "file"))
        }
        Event::PullFailed { pull, attempts, error, .. } => {
            format!("pull {pull} failed, attempt {attempts}: {error}")
        }
        _ => return None,
    })
}

#[expect(clippy::wildcard_enum_match_arm, reason = "the rest is told by `about_zone`, in full")]
fn about_custody(event: &Event) -> Option<String> {
    Some(match event {
        Event::ArchiveCorrupt { finding: Finding { path, problem, .. } } => match problem {
            Problem::Damaged => format!("{path} is damaged"),
            Problem::Missing => format!("{path} is missing"),
            Problem::Unreadable => format!("{path} cannot be read"),
            Problem::Unknown => format!("{path} is there, and nobody knows it"),
        },
        Event::ArchiveMended { path, how } => format!("{path} {how}"),
        Event::HoldPlaced { hold, scope, by, reason } => {
            format!("hold {hold} placed on {} by {by}: {}", covers(scope), shown(reason))
        }
        Event::HoldReleased { hold, by, reason } => {
            format!("hold {hold} released by {by}: {}", shown(reason))
        }
        Event::Verified { verified: Verified { files, problems, unknown, .. }, by } => format!(
            "{} read by {by}: {} not whole, {} unknown",
            counted(*files, "kept file"),
            count(*problems),
            count(*unknown)
        ),
        _ => return None,
    })
}

#[expect(clippy::wildcard_enum_match_arm, reason = "the rest is told by `about_zone`, in full")]
fn about_calendar_or_alert(event: &Event) -> Option<String> {
    Some(match event {
        Event::FeedExpected { feed } => format!("files of {feed} are expected from now on"),
        Event::FeedUnexpected { feed } => format!("files of {feed} are no longer expected"),
        Event::FeedArrived { feed, date, files, .. } => {
            format!("{feed} is complete for {date}: {}", counted(u64::from(*files), "file"))
        }
        Event::FeedLate { feed, date, due_at, files, of } => {
            format!("{feed} is late for {date}: {files} of {of} by {}", time(*due_at))
        }
        Event::FeedMissing { feed, date, due_at, files, of } => {
            format!("{feed} is missing for {date}: {files} of {of}, due {}", time(*due_at))
        }
        Event::FeedRecovered { feed, date, due_at, files } => {
            let files = counted(u64::from(*files), "file");
            format!("{feed} is complete for {date} after all: {files}, due {}", time(*due_at))
        }
        Event::FeedExcused { feed, date, reason, by, .. } => {
            let by = by.as_ref().map_or(String::new(), |by| format!(" by {by}"));
            format!("{feed} is excused for {date}{by}: {}", shown(reason))
        }
        Event::FeedExtra { feed, name, reason, .. } => {
            format!("{name} of {feed} was not expected: {reason}")
        }
        Event::FeedUnusual { feed, name, rows, bytes } => {
            let how = usual::in_words(rows.as_ref(), bytes.as_ref());
            format!("{name} of {feed} is unusual: {how}")
        }
        Event::Alerted { alert, number, urgency, raised, resolved } => {
            let urgency = match urgency {
                Urgency::Page => "a page",
                Urgency::Digest => "a digest",
            };
            let (raised, resolved) = (raised.len(), resolved.len());
            format!(
                "{alert} took message {number}, {urgency}: {raised} raised, {resolved} resolved"
            )
        }
        Event::AlertFailing { alert, number, error } => {
            format!("{alert} did not take message {number}: {}", shown(error))
        }
        _ => return None,
    })
}

#[expect(clippy::wildcard_enum_match_arm, reason = "the rest is told by `about_zone`, in full")]
fn about_log(event: &Event) -> Option<String> {
    Some(match event {
        Event::DaySealed { day, files, .. } => format!("{day} sealed with {files} files"),
        Event::Rebuilt { events, arrivals, adopted, .. } => format!(
            "ledger rebuilt: {events} events and {arrivals} arrivals brought back, {adopted} adopted"
        ),
        Event::LogRestarted { log, size, reason, .. } => {
            format!("the log begins anew after {size} signed events of log {log}: {reason}")
        }
        _ => return None,
    })
}

#[expect(clippy::too_many_lines, reason = "every event is named")]
fn about_zone(event: &Event) -> String {
    match event {
        Event::Started { version } => format!("server {version} started"),
        Event::Stopped => "server stopped".to_owned(),
        Event::Reconciled { adopted, removed, reconverting, .. } => format!(
            "start-up: {adopted} adopted, {removed} leftovers removed, {reconverting} to convert again"
        ),
        Event::ConfigLoaded { digest, by: None } => format!("configuration {digest} loaded"),
        Event::ConfigLoaded { digest, by: Some(by) } => {
            format!("configuration {digest} loaded by {by}")
        }
        Event::ContractLoaded { feed, digest } => format!("contract {digest} of {feed} loaded"),
        Event::HostKeyChanged { by, change } => format!("host key {change} by {by}"),
        Event::PartnerChanged { partner, by, change } => {
            format!("partner {partner}: {change} by {by}")
        }
        Event::LoggedIn { .. }
        | Event::SessionEnded { .. }
        | Event::LoginRefused { .. }
        | Event::SourcePenalised { .. }
        | Event::ConnectionRefused { .. }
        | Event::UploadInterrupted { .. }
        | Event::UploadExpired { .. }
        | Event::FileRefused { .. }
        | Event::EntryIgnored { .. }
        | Event::FolderGone { .. }
        | Event::FolderBack { .. }
        | Event::Pulled { .. }
        | Event::PullFailed { .. }
        | Event::Received { .. }
        | Event::Duplicate { .. }
        | Event::Converted { .. }
        | Event::TakenRaw { .. }
        | Event::Held { .. }
        | Event::Released { .. }
        | Event::Rejected { .. }
        | Event::Superseded { .. }
        | Event::Batched { .. }
        | Event::Published { .. }
        | Event::HandedOff { .. }
        | Event::Retracted { .. }
        | Event::Rewritten { .. }
        | Event::ReplayAsked { .. }
        | Event::ReplayConverted { .. }
        | Event::ReplayEnded { .. }
        | Event::Erasing { .. }
        | Event::Erased { .. }
        | Event::HoldPlaced { .. }
        | Event::HoldReleased { .. }
        | Event::Renamed { .. }
        | Event::Touched { .. }
        | Event::Hidden
        | Event::Completed { .. }
        | Event::Tested
        | Event::SidecarReceived { .. }
        | Event::SidecarJoined { .. }
        | Event::SidecarChecked { .. }
        | Event::SidecarAlone { .. }
        | Event::SidecarHidden { .. }
        | Event::PapersHidden { .. }
        | Event::Retired { .. }
        | Event::SchemaChanged { .. }
        | Event::BatchClosed { .. }
        | Event::BatchPublished { .. }
        | Event::Acknowledged { .. }
        | Event::DeliveryFailed { .. }
        | Event::SinkStalled { .. }
        | Event::SinkResumed { .. }
        | Event::SinkSkipped { .. }
        | Event::SinkPaused { .. }
        | Event::SinkUnpaused { .. }
        | Event::FeedExpected { .. }
        | Event::FeedUnexpected { .. }
        | Event::FeedArrived { .. }
        | Event::FeedLate { .. }
        | Event::FeedMissing { .. }
        | Event::FeedRecovered { .. }
        | Event::FeedExcused { .. }
        | Event::FeedExtra { .. }
        | Event::FeedUnusual { .. }
        | Event::Alerted { .. }
        | Event::AlertFailing { .. }
        | Event::ArchiveCorrupt { .. }
        | Event::ArchiveMended { .. }
        | Event::Verified { .. }
        | Event::DaySealed { .. }
        | Event::Rebuilt { .. }
        | Event::LogRestarted { .. } => event.kind(),
    }
}
