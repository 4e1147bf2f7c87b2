//! Where an arrival stands, and the one function that moves it.
//!
//! ```text
//! Received ─┬─ Converted ─┬─ Batched ── Published ── HandedOff ── Retracted
//!           ├─ Raw ───────┘
//!           ├─ Held ─┬─ (released) ── Received
//!           │        └─ (by a person) Rejected
//!           ├─ Duplicate
//!           ├─ (a test: Converted or Raw, then) Tested
//!           └─ Superseded (also from Converted, Raw, Held)
//! ```
//!
//! What is not in a batch on its way may be erased: Erasing, then Erased.

use serde::{Deserialize, Serialize};

use super::Event;

/// Where an arrival stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// In the archive, to be converted.
    Received,
    /// Its Parquet waits for a batch.
    Converted,
    /// Not a table: the raw object waits for a batch.
    Raw,
    /// A member of a closed batch.
    Batched,
    /// In a published manifest.
    Published,
    /// Acknowledged by every sink.
    HandedOff,
    /// Waiting for a person; the bytes are in the archive.
    Held,
    /// The same bytes under the same name as before; recorded, not handed off again.
    Duplicate,
    /// A newer version of its name took its place before it was published.
    Superseded,
    /// Taken back by a later batch.
    Retracted,
    /// A test that was looked at to its end; nothing of it is handed on.
    Tested,
    /// A person decided that it goes nowhere.
    Rejected,
    /// No copy of it is to be kept; they are being removed.
    Erasing,
    /// Every copy of it is gone.
    Erased,
}

/// An event that is not allowed in a state.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("an arrival that is {state:?} cannot be `{event}`")]
pub struct Refused {
    /// The state.
    pub state: State,
    /// The event's kind.
    pub event: String,
}

impl State {
    /// Every state, in the order of the drawing.
    pub const ALL: [Self; 14] = [
        Self::Received,
        Self::Converted,
        Self::Raw,
        Self::Batched,
        Self::Published,
        Self::HandedOff,
        Self::Held,
        Self::Duplicate,
        Self::Superseded,
        Self::Retracted,
        Self::Tested,
        Self::Rejected,
        Self::Erasing,
        Self::Erased,
    ];

    /// Whether nothing more happens to an arrival by itself: only a person, its sender or a newer
    /// file can move it on.
    pub fn is_end(self) -> bool {
        match self {
            Self::HandedOff
            | Self::Held
            | Self::Duplicate
            | Self::Superseded
            | Self::Retracted
            | Self::Tested
            | Self::Rejected
            | Self::Erased => true,
            Self::Received
            | Self::Converted
            | Self::Raw
            | Self::Batched
            | Self::Published
            | Self::Erasing => false,
        }
    }

    /// Whether its bytes are gone, or are going.
    pub fn is_erased(self) -> bool {
        matches!(self, Self::Erasing | Self::Erased)
    }

    /// The state after an event: the only way a state changes. Events about the zone and about a
    /// name, times or listing leave it as it is.
    ///
    /// # Errors
    /// [`Refused`] when the event is not allowed in this state.
    #[expect(clippy::too_many_lines, reason = "every event is named")]
    pub fn on(self, event: &Event) -> Result<Self, Refused> {
        let next = match event {
            Event::Received { .. } => None,
            Event::Duplicate { .. } => self.only_from(&[Self::Received], Self::Duplicate),
            // A second conversion replaces the first until a batch has fixed it.
            Event::Converted { .. } => {
                self.only_from(&[Self::Received, Self::Converted], Self::Converted)
            }
            Event::TakenRaw { .. } => self.only_from(&[Self::Received], Self::Raw),
            // One that is held already may come to wait for another reason.
            Event::Held { .. } => self
                .only_from(&[Self::Received, Self::Converted, Self::Raw, Self::Held], Self::Held),
            // Start-up also releases a conversion whose file is gone, to be made again.
            Event::Released { .. } => {
                self.only_from(&[Self::Held, Self::Converted], Self::Received)
            }
            Event::Rejected { .. } => self.only_from(&[Self::Held], Self::Rejected),
            Event::Superseded { .. } => self.only_from(
                &[Self::Received, Self::Converted, Self::Raw, Self::Held],
                Self::Superseded,
            ),
            Event::Batched { .. } => self.only_from(&[Self::Converted, Self::Raw], Self::Batched),
            Event::Published { .. } => self.only_from(&[Self::Batched], Self::Published),
            Event::HandedOff { .. } => self.only_from(&[Self::Published], Self::HandedOff),
            // What is erased is taken back as well, and stays what it is.
            Event::Retracted { .. } if self.is_erased() => Some(self),
            Event::Retracted { .. } => {
                self.only_from(&[Self::Published, Self::HandedOff], Self::Retracted)
            }
            Event::Erasing { .. } => self.only_from(&Self::MAY_BE_ERASED, Self::Erasing),
            Event::Erased { .. } => self.only_from(&[Self::Erasing], Self::Erased),
            // What an arrival waits for is no state: it is received, and what is missing is told.
            Event::Completed { .. } => [Self::Received, Self::Held].contains(&self).then_some(self),
            // What is published stays so until a batch takes it back. What was taken back because it was
            // past its time goes on from the start.
            Event::ReplayAsked { .. } => match self {
                Self::Retracted => Some(Self::Received),
                Self::Published | Self::HandedOff => Some(self),
                Self::Received
                | Self::Converted
                | Self::Raw
                | Self::Batched
                | Self::Held
                | Self::Duplicate
                | Self::Superseded
                | Self::Tested
                | Self::Rejected
                | Self::Erasing
                | Self::Erased => None,
            },
            Event::Retired { .. } if self.is_erased() => None,
            Event::Rewritten { .. } => {
                [Self::Published, Self::HandedOff].contains(&self).then_some(self)
            }
            Event::Tested => self.only_from(&[Self::Converted, Self::Raw], Self::Tested),
            Event::Renamed { .. }
            | Event::Touched { .. }
            | Event::Hidden
            | Event::ReplayConverted { .. }
            | Event::ReplayEnded { .. }
            | Event::SidecarReceived { .. }
            | Event::SidecarJoined { .. }
            | Event::SidecarChecked { .. }
            | Event::SidecarAlone { .. }
            | Event::SidecarHidden { .. }
            | Event::PapersHidden { .. }
            | Event::Retired { .. }
            | Event::Started { .. }
            | Event::Stopped
            | Event::Reconciled { .. }
            | Event::LogRestarted { .. }
            | Event::DaySealed { .. }
            | Event::Rebuilt { .. }
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
            | Event::ConfigLoaded { .. }
            | Event::ContractLoaded { .. }
            | Event::LoggedIn { .. }
            | Event::SessionEnded { .. }
            | Event::HostKeyChanged { .. }
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
            | Event::ArchiveCorrupt { .. }
            | Event::ArchiveMended { .. }
            | Event::Verified { .. }
            | Event::HoldPlaced { .. }
            | Event::HoldReleased { .. }
            | Event::PartnerChanged { .. } => Some(self),
        };
        next.ok_or_else(|| Refused { state: self, event: event.kind() })
    }

    /// What no batch has on its way. One that is erased is erased again when a copy came back.
    const MAY_BE_ERASED: [Self; 11] = [
        Self::Received,
        Self::Converted,
        Self::Raw,
        Self::HandedOff,
        Self::Held,
        Self::Duplicate,
        Self::Superseded,
        Self::Retracted,
        Self::Tested,
        Self::Rejected,
        Self::Erased,
    ];

    fn only_from(self, from: &[Self], to: Self) -> Option<Self> {
        from.contains(&self).then_some(to)
    }
}
