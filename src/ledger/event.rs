//! One line of history.
//!
//! An [`Event`] says what happened, in the past tense, with everything needed to understand it
//! years later. It is stored as JSON with a `kind`; kinds and fields are never renamed.

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;
use crate::contract::Allowance;
use crate::diagnostic::Diagnostic;
use crate::names::{
    AlertName, ArrivalId, BatchId, Digest, FeedName, FileName, FolderName, HoldName, PartnerName,
    PullName, SinkName,
};
use crate::schema::Change;
use crate::zone::ZonePath;

use super::{
    Because, Door, Finding, Part, ReplayEnd, Scope, Sender, SidecarKind, Unlike, Urgency, UsedBy,
    Verdict, Verified, WaitsFor,
};

/// What happened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[allow(missing_docs, reason = "fields carry their own names; each variant is documented")]
pub enum Event {
    // ---- about one arrival ----
    /// The archive holds it and the sender may be told.
    Received {
        sender: Sender,
        door: Door,
        feed: FeedName,
        name: FileName,
        size_bytes: u64,
        digest: Digest,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        origin: Option<String>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        supersedes: Option<ArrivalId>,
        /// Start-up found the raw object without a ledger row.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        adopted: bool,
        /// What it waits for before it goes on.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        waits: Option<WaitsFor>,
        /// An earlier arrival of the sender with the same bytes under another name.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        same_bytes_as: Option<ArrivalId>,
    },
    /// What it waited for has come: it goes on.
    Completed { reason: String },
    /// A test ended: nothing of it is handed on.
    Tested,
    /// The same bytes under the same name were there already.
    Duplicate { of: ArrivalId },
    /// It has Parquet.
    Converted {
        seen: u64,
        written: u64,
        rejected: u64,
        skipped: u64,
        version: u32,
        revision: u32,
        /// The digest of the contract that it was made under.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        contract: Option<Digest>,
    },
    /// It is not a table; the raw object itself is handed off.
    TakenRaw { reason: String },
    /// It waits for a person.
    Held { diagnostic: Diagnostic },
    /// A person, or a rename that made it match, let it go on.
    Released {
        by: String,
        reason: String,
        /// Which rules of its feed do not hold for it.
        #[serde(default, skip_serializing_if = "Allowance::is_none")]
        allowance: Allowance,
    },
    /// A person decided that it goes nowhere; the archive keeps it.
    Rejected { by: String, reason: String },
    /// A newer version of the same name takes its place before it was published.
    Superseded { by: ArrivalId },
    /// It is a member of a closed batch.
    Batched { batch: BatchId, sequence: u64 },
    /// Its batch's manifest is published.
    Published { batch: BatchId },
    /// Every sink acknowledged its batch, or a person skipped the sink.
    HandedOff { batch: BatchId },
    /// A later batch took it back.
    Retracted {
        batch: BatchId,
        /// What takes its place; nothing does when it is erased.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        replaced_by: Option<ArrivalId>,
    },
    /// Its file had the rows of others, of which some are taken back: a batch has a file with its rows
    /// as they were.
    Rewritten { batch: BatchId, sequence: u64 },
    /// A person wants it to be converted again; what is published of it stays meanwhile.
    ReplayAsked { by: String, reason: String },
    /// It was converted again.
    ReplayConverted {
        converter: String,
        seen: u64,
        written: u64,
        rejected: u64,
        skipped: u64,
        version: u32,
        revision: u32,
        /// The digest of the contract that it was made under.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        contract: Option<Digest>,
    },
    /// Its replay has ended.
    ReplayEnded { end: ReplayEnd },
    /// It was decided that no copy of it is kept; they are being removed.
    Erasing { by: String, reason: String },
    /// Every copy is gone; its tombstone is in the archive.
    Erased {
        /// None when it was past the time that its feed keeps it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        tombstone: Option<Digest>,
        /// Files that were removed.
        files: u64,
    },
    /// A part of what is kept of it is past the time that its feed keeps it: it goes, and the raw
    /// object stays.
    Retired { part: Part, reason: String },
    /// Its sender renamed it.
    Renamed { from: FileName, to: FileName },
    /// Its sender set its times or permissions.
    Touched { modified_s: Option<u32>, mode: Option<u32> },
    /// Its sender removed it from the listing.
    Hidden,
    /// A sidecar came; about an arrival if its file was there.
    SidecarReceived {
        sender: Sender,
        feed: FeedName,
        name: FileName,
        sidecar: SidecarKind,
        size_bytes: u64,
        digest: Digest,
        /// What it says, if that is short text.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        text: Option<String>,
    },
    /// A sidecar that had come before is recorded with it.
    SidecarJoined { name: FileName, sidecar: SidecarKind, digest: Digest },
    /// The checksum in a sidecar was compared with its bytes.
    SidecarChecked {
        name: FileName,
        verdict: Verdict,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        diagnostic: Option<Diagnostic>,
    },
    /// Its sender removed what is told about it from the listing, until its outcome is another.
    PapersHidden { outcome: String },

    // ---- about the zone ----
    /// The server began to serve.
    Started { version: String },
    /// The server stopped in order.
    Stopped,
    /// The log begins anew: what an earlier one had could not be brought back as it was.
    LogRestarted {
        /// The log that ended.
        log: String,
        /// The last size of it that was signed.
        size: u64,
        root: Digest,
        reason: String,
    },
    /// A day has ended and what the archive took in it is sealed.
    DaySealed { day: String, files: u64, digest: Digest },
    /// The ledger was made again from the archive.
    Rebuilt { events: u64, arrivals: u64, adopted: u64, left_out: u64 },
    /// Start-up compared disk and ledger.
    Reconciled { adopted: u64, removed: u64, reconverting: u64 },
    /// A configuration was loaded.
    ConfigLoaded {
        digest: Digest,
        /// Who asked for it; nobody at a start.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        by: Option<String>,
    },
    /// A feed's contract was loaded.
    ContractLoaded { feed: FeedName, digest: Digest },
    /// A partner logged in.
    LoggedIn { partner: PartnerName, from: String, method: String, client: String },
    /// A partner's session was ended because its account no longer allows it.
    SessionEnded { partner: PartnerName, from: String, reason: String },
    /// A login was refused.
    LoginRefused { user: String, from: String, client: String, offered: String, reason: String },
    /// A source begins to be turned away.
    SourcePenalised { source: String, until: Timestamp, reason: String },
    /// A connection ended before a login could be tried.
    ConnectionRefused { from: String, client: String, reason: String },
    /// An upload ended without CLOSE; it stays for resume.
    UploadInterrupted { sender: Sender, feed: FeedName, name: FileName, size_bytes: u64 },
    /// An upload that nobody resumed was removed.
    UploadExpired { sender: Sender, feed: FeedName, name: FileName, size_bytes: u64 },
    /// A file was refused before it was taken.
    FileRefused { sender: Sender, name: String, diagnostic: Diagnostic },
    /// The file that a sidecar speaks of has not come in time.
    SidecarAlone { sender: Sender, feed: FeedName, name: FileName, file: FileName },
    /// A sender removed a sidecar from the listing.
    SidecarHidden { sender: Sender, feed: FeedName, name: FileName },
    /// A drop folder holds something that is left alone.
    EntryIgnored { folder: String, name: FileName, diagnostic: Diagnostic },
    /// A watched folder cannot be read; what was in it is not treated as deleted.
    FolderGone { folder: FolderName, diagnostic: Diagnostic },
    /// A watched folder can be read again.
    FolderBack { folder: FolderName },
    /// A pull ran to its end and brought something, or goes on from elsewhere, or works again.
    Pulled {
        pull: PullName,
        feed: FeedName,
        run: String,
        files: u64,
        /// Where the next run goes on.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        watermark: Option<String>,
    },
    /// A run of a pull failed; nothing of it was taken.
    PullFailed { pull: PullName, feed: FeedName, attempts: u32, error: String },
    /// A feed's columns changed.
    SchemaChanged {
        feed: FeedName,
        revision: u32,
        version: u32,
        by: ArrivalId,
        changes: Vec<Change>,
    },
    /// A batch closed.
    BatchClosed {
        batch: BatchId,
        feed: FeedName,
        sequence: u64,
        files: u64,
        rows: u64,
        /// Why it closed then.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        because: Option<Because>,
    },
    /// A batch's manifest is published.
    BatchPublished { batch: BatchId, feed: FeedName, sequence: u64, manifest: Digest },
    /// A sink acknowledged a batch.
    Acknowledged {
        sink: SinkName,
        batch: BatchId,
        attempts: u32,
        /// What it says became of it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        used_by: Option<UsedBy>,
    },
    /// A sink refused a batch; it is tried again.
    DeliveryFailed { sink: SinkName, batch: BatchId, attempts: u32, error: String },
    /// A sink's retries have ended.
    SinkStalled { sink: SinkName, feed: FeedName, batch: BatchId, error: String },
    /// A person asked for another attempt.
    SinkResumed { sink: SinkName, feed: FeedName, batch: BatchId, reason: String },
    /// A person decided that a batch is not to be sent.
    SinkSkipped { sink: SinkName, feed: FeedName, batch: BatchId, reason: String },
    /// A person paused a sink, for all feeds.
    SinkPaused { sink: SinkName, reason: String },
    /// A person let a paused sink go on.
    SinkUnpaused { sink: SinkName, reason: String },
    /// A feed is expected to bring files from now on.
    FeedExpected { feed: FeedName },
    /// A feed is no longer expected to bring files.
    FeedUnexpected { feed: FeedName },
    /// All files of a date have come, before anybody said that they were late.
    FeedArrived { feed: FeedName, date: Date, due_at: Timestamp, files: u32 },
    /// A date's time is over, and only so many of its files have come.
    FeedLate { feed: FeedName, date: Date, due_at: Timestamp, files: u32, of: u32 },
    /// The next date has begun, and this one's files have not all come.
    FeedMissing { feed: FeedName, date: Date, due_at: Timestamp, files: u32, of: u32 },
    /// All files of a date that was late or missing have come.
    FeedRecovered { feed: FeedName, date: Date, due_at: Timestamp, files: u32 },
    /// A date is no longer expected: a person says so, or the configuration.
    FeedExcused {
        feed: FeedName,
        date: Date,
        due_at: Timestamp,
        reason: String,
        /// Which person.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        by: Option<String>,
    },
    /// A file came that was not expected.
    FeedExtra {
        feed: FeedName,
        name: FileName,
        /// The date it is for, if it is for one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        date: Option<Date>,
        reason: String,
    },
    /// A file is far larger or smaller than its feed's files usually are.
    FeedUnusual {
        feed: FeedName,
        name: FileName,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        rows: Option<Unlike>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        bytes: Option<Unlike>,
    },
    /// Somebody took an alert's message about what needs a person.
    Alerted {
        alert: AlertName,
        number: u64,
        urgency: Urgency,
        /// The keys of what it told of for the first time.
        raised: Vec<String>,
        /// The keys of what is gone.
        resolved: Vec<String>,
    },
    /// An alert's message was refused; it is sent again until it is taken.
    AlertFailing { alert: AlertName, number: u64, error: String },
    /// A kept file is not as the ledger says.
    ArchiveCorrupt { finding: Finding },
    /// A kept file that was not as the ledger says is whole again.
    ArchiveMended { path: ZonePath, how: String },
    /// Kept files were read again and compared.
    Verified { verified: Verified, by: String },
    /// A host key was changed.
    HostKeyChanged { by: String, change: String },
    /// A legal hold was placed.
    HoldPlaced { hold: HoldName, scope: Scope, by: String, reason: String },
    /// A legal hold was released.
    HoldReleased { hold: HoldName, by: String, reason: String },
    /// A partner's account was written.
    PartnerChanged { partner: PartnerName, by: String, change: String },
}

impl Event {
    /// A release under every rule of its feed.
    pub fn released(by: String, reason: String) -> Self {
        Self::Released { by, reason, allowance: Allowance::default() }
    }

    /// The event's kind as stored: `received`, `held`, ….
    pub fn kind(&self) -> String {
        let json = serde_json::to_value(self).unwrap_or_default();
        json.get("kind").and_then(|kind| kind.as_str()).unwrap_or("unknown").to_owned()
    }
}

/// An event with its place in history.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Recorded {
    /// Its number, from 1, without gaps.
    pub sequence: u64,
    /// When it was recorded.
    pub at: Timestamp,
    /// The arrival it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub arrival: Option<ArrivalId>,
    /// What happened.
    pub event: Event,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_of_the_first_versions_still_read() {
        let id = "019a3c5e-7c1a-7b3e-9d55-0c6f1f2b8a10";
        let changed = format!(
            r#"{{"kind":"schema_changed","feed":"orders","revision":2,"version":1,"by":"{id}","changes":["column `b` is missing"]}}"#
        );
        let Event::SchemaChanged { changes, .. } = serde_json::from_str(&changed).expect("read")
        else {
            panic!("another event");
        };
        assert_eq!(changes, [Change::Words("column `b` is missing".to_owned())]);
        let converted = r#"{"kind":"converted","seen":1,"written":1,"rejected":0,"skipped":0,"version":1,"revision":1}"#;
        let read: Event = serde_json::from_str(converted).expect("read");
        assert_eq!(serde_json::to_string(&read).expect("json"), converted, "nothing is added");
        let held = r#"{"kind":"held","diagnostic":{"code":"C110","severity":"error","summary":"s","hint":"h"}}"#;
        let read: Event = serde_json::from_str(held).expect("read");
        assert_eq!(serde_json::to_string(&read).expect("json"), held, "nothing is added");
    }
}
