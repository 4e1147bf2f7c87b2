//! The intake in the server's own process: archive and ledger behind [`Intake`].
//!
//! Settling a file archives it first and judges it after: a file that matches no feed, or that was
//! never renamed, is archived like any other and held. What went wrong is logged with all its
//! causes under an id; the peer reads fixed text that quotes the id.

use std::fs::File;
use std::io::ErrorKind;
use std::path::Path;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use crate::archive::{self, Archive, Identity, RawObject};
use crate::clock::{Clock, Timestamp};
use crate::config::{self, Config, Duplicates, Partner, PartnerError, SameName, partner};
use crate::diagnostic::{Code, Diagnostic, on_one_line};
use crate::durable;
use crate::evidence::Proof;
use crate::ledger::{
    self, Arrival, Event, Ledger, Listed, NewArrival, NewSidecar, Part, Pulled, Recorded, Sender,
    Sidecar, SidecarName, State, Usage, Waits,
};
use crate::names::{ArrivalId, FeedName, FileName, PartnerName};
use crate::signing::key_file::KeyError;
use crate::signing::{Namespace, SigningKey};
use crate::zone::Zone;

use super::completion::{Completions, from_receipt};
use super::receipt::{Outcome, Papers};
use super::staging::read_full;
use super::{Completion, Existing, Intake, Refusal, SIDECAR_BYTES_MAX, Settled};

/// How long a test is in its sender's listing.
pub const TESTS_LISTED: Duration = Duration::from_secs(7 * 24 * 3600);

/// Archive and ledger behind the [`Intake`].
#[derive(Clone)]
pub struct LocalIntake {
    zone: Zone,
    config: config::Live,
    archive: Archive,
    pub(super) ledger: Arc<dyn Ledger>,
    clock: Clock,
    completions: Arc<Completions>,
    /// Signs receipts; read when the first one is signed.
    signer: Arc<OnceLock<SigningKey>>,
}

impl LocalIntake {
    /// The intake of a zone.
    pub fn new(
        zone: Zone,
        config: impl Into<config::Live>,
        archive: Archive,
        ledger: Arc<dyn Ledger>,
        clock: Clock,
    ) -> Self {
        let config = config.into();
        let completions = Arc::new(Completions::new(
            config.clone(),
            archive.clone(),
            Arc::clone(&ledger),
            clock.clone(),
        ));
        let signer = Arc::default();
        Self { zone, config, archive, ledger, clock, completions, signer }
    }

    /// Takes a complete file: archive, then ledger, with the run of a pull that ends with it.
    pub(super) fn take(&self, settled: Settled, ends: Option<Pulled>) -> Result<Arrival, Refusal> {
        let (now, config) = (self.clock.now(), self.config.now());
        let id = ArrivalId::new(now);
        let held = Self::reason_to_hold(&config, &settled);
        let identity = identify(id, now, &settled, held);
        let staged = settled.staged.path.clone();
        let waits = from_receipt(&config, &settled.sender, &settled.feed, now);
        let (digest, facts) = (settled.digest, Facts { ends, waits, adopted: false });
        let raw = self.archive.store(settled.staged, &identity, digest).map_err(|error| {
            if error.is_disk_full() {
                return Refusal::Full(Box::new(disk_full()));
            }
            log(id, "archive a file", &error);
            Refusal::Failed(id)
        })?;
        let new = describe(&config, identity, raw, facts);
        let received = self.ledger.receive(new.clone()).map_err(|error| {
            self.give_back(&new, &staged, &error);
            self.refused(id, &error)
        })?;
        if received.waits.is_some() {
            self.completions.ring();
        }
        Ok(received)
    }

    /// What judges the files that wait for something.
    pub fn completions(&self) -> Arc<Completions> {
        Arc::clone(&self.completions)
    }

    /// Why a file must wait for a person from the start.
    fn reason_to_hold(config: &Config, settled: &Settled) -> Option<Diagnostic> {
        match settled.completion {
            Completion::NeverRenamed => Some(never_renamed(&settled.name)),
            Completion::Final => unsorted(config, &settled.feed, &settled.name),
        }
    }

    /// The ledger refused a raw object. If it is certain that no row speaks of it, now or after a
    /// restart, its sender gets it back to try again; otherwise it stays for start-up to adopt.
    fn give_back(&self, new: &NewArrival, staged: &Path, error: &ledger::Error) {
        let told = Event::FileRefused {
            sender: new.sender.clone(),
            name: new.name.to_string(),
            diagnostic: Diagnostic::error(Code::R106, "the ledger could not record the file"),
        };
        // A commit whose sync failed may come back after a crash, until a later commit succeeds.
        let certain = error.is_disk_full() || self.ledger.note(told).is_ok();
        if certain && matches!(self.ledger.arrival(new.id), Ok(None)) {
            if let Err(error) = self.archive.give_back(&new.raw, staged) {
                log(new.id, "give a raw object back", &error);
            }
        } else {
            tracing::error!(id = %new.id, raw = %new.raw, "a raw object stays unrecorded");
        }
    }

    fn refused(&self, id: ArrivalId, error: &ledger::Error) -> Refusal {
        match error {
            ledger::Error::Missing { .. } => Refusal::Missing,
            error if error.is_disk_full() => Refusal::Full(Box::new(disk_full())),
            ledger::Error::Store { .. }
            | ledger::Error::Refused(_)
            | ledger::Error::SchemaMovedOn { .. }
            | ledger::Error::Closed
            | ledger::Error::ReadOnly => {
                log(id, "use the ledger", error);
                Refusal::Failed(id)
            }
        }
    }

    /// Turns a failed ledger call into a refusal, with a new id to quote.
    pub(super) fn refuse(&self) -> impl Fn(ledger::Error) -> Refusal {
        |error| self.refused(ArrivalId::new(self.clock.now()), &error)
    }

    fn landed(&self, id: ArrivalId) -> Result<Arrival, Refusal> {
        self.ledger.arrival(id).map_err(self.refuse())?.ok_or(Refusal::Missing)
    }

    fn advance(&self, id: ArrivalId, event: Event) -> Result<Arrival, Refusal> {
        self.ledger.advance(id, event).map_err(self.refuse())
    }

    /// From when on what a sender sent is listed.
    fn listed_since(&self, sender: &Sender, feed: &FeedName) -> Timestamp {
        let listed = self.config.now().feed(feed).listed;
        let listed = if sender.is_test() { listed.min(TESTS_LISTED) } else { listed };
        self.clock.now().checked_sub(listed).unwrap_or(Timestamp::MIN)
    }

    fn sign(&self, receipt: &[u8]) -> Result<String, KeyError> {
        let signer = match self.signer.get() {
            Some(signer) => signer,
            // Two that come at once read the same key.
            None => {
                let read = SigningKey::open(&self.zone.receipt_key())?;
                self.signer.get_or_init(|| read)
            }
        };
        signer.sign(Namespace::Receipt, receipt)
    }

    /// A file that waited for a better name goes on once it has one.
    fn judge_again(&self, renamed: &Arrival) -> Result<(), Refusal> {
        let code = renamed.diagnostic.as_ref().map(|diagnostic| diagnostic.code);
        let waits = renamed.state == State::Held && matches!(code, Some(Code::R101 | Code::R102));
        if !waits || renamed.name.is_temporary() {
            return Ok(());
        }
        let event = match unsorted(&self.config.now(), &renamed.feed, &renamed.name) {
            Some(diagnostic) => Event::Held { diagnostic },
            None => {
                let reason = "renamed to a name that its feed takes".to_owned();
                Event::released(renamed.sender.to_string(), reason)
            }
        };
        self.advance(renamed.id, event).map(drop)
    }
}

impl Intake for LocalIntake {
    fn settle(&self, settled: Settled) -> Result<Arrival, Refusal> {
        self.take(settled, None)
    }

    fn current(
        &self,
        sender: &Sender,
        feed: &FeedName,
        name: &FileName,
    ) -> Result<Option<Arrival>, Refusal> {
        self.ledger.current(sender, feed, name).map_err(self.refuse())
    }

    fn arrival(&self, sender: &Sender, id: ArrivalId) -> Result<Arrival, Refusal> {
        let arrival = self.landed(id)?;
        if arrival.sender == *sender { Ok(arrival) } else { Err(Refusal::Missing) }
    }

    fn listing(&self, sender: &Sender, feed: &FeedName) -> Result<Vec<Listed>, Refusal> {
        let since = self.listed_since(sender, feed);
        self.ledger.listing(sender, feed, since).map_err(self.refuse())
    }

    fn sidecar_name(&self, feed: &FeedName, name: &FileName) -> Option<SidecarName> {
        self.config.now().sidecar(feed, name)
    }

    fn settle_sidecar(&self, settled: Settled, means: SidecarName) -> Result<Sidecar, Refusal> {
        let received_at = self.clock.now();
        let bytes = small(&settled.staged.file).map_err(|error| {
            let id = ArrivalId::new(received_at);
            log(id, "read a sidecar", &error);
            Refusal::Failed(id)
        })?;
        let bytes = bytes.ok_or_else(|| Refusal::Unfit(Box::new(too_large(&settled.name))))?;
        let path = settled.staged.path;
        let digest = archive::digest::of_bytes(&bytes);
        let Settled { sender, feed, name, modified_s, mode, fingerprint, .. } = settled;
        let new = NewSidecar {
            sender,
            feed,
            name,
            means,
            bytes,
            digest,
            received_at,
            modified_s,
            mode,
            fingerprint,
        };
        let sidecar = self.ledger.receive_sidecar(new).map_err(self.refuse())?;
        durable::remove_quietly(&path);
        self.completions.ring();
        Ok(sidecar)
    }

    fn sidecar(
        &self,
        sender: &Sender,
        feed: &FeedName,
        name: &FileName,
    ) -> Result<Option<Sidecar>, Refusal> {
        self.ledger.sidecar(sender, feed, name).map_err(self.refuse())
    }

    fn sidecars(&self, sender: &Sender, feed: &FeedName) -> Result<Vec<Sidecar>, Refusal> {
        self.ledger.sidecars(sender, feed, self.listed_since(sender, feed)).map_err(self.refuse())
    }

    fn sidecars_of(&self, arrival: ArrivalId) -> Result<Vec<Sidecar>, Refusal> {
        self.ledger.sidecars_of(arrival).map_err(self.refuse())
    }

    fn sidecar_bytes(&self, sidecar: &Sidecar) -> Result<Vec<u8>, Refusal> {
        self.ledger.sidecar_bytes(sidecar.sequence).map_err(self.refuse())
    }

    fn hide_sidecar(&self, sidecar: &Sidecar) -> Result<(), Refusal> {
        self.ledger.hide_sidecar(sidecar.sequence).map_err(self.refuse())
    }

    fn rename(&self, landed: ArrivalId, to: &FileName, existing: Existing) -> Result<(), Refusal> {
        let arrival = self.landed(landed)?;
        let taken = self.current(&arrival.sender, &arrival.feed, to)?;
        let taken = taken.is_some_and(|other| other.id != landed && !other.hidden);
        match existing {
            Existing::Refuse if taken => return Err(Refusal::NameTaken),
            Existing::Refuse | Existing::Supersede => {}
        }
        if arrival.name == *to {
            return Ok(());
        }
        let renamed = Event::Renamed { from: arrival.name, to: to.clone() };
        let renamed = self.advance(landed, renamed)?;
        if renamed.waits.is_some() {
            self.completions.ring();
        }
        self.judge_again(&renamed)
    }

    fn touch(
        &self,
        landed: ArrivalId,
        modified_s: Option<u32>,
        mode: Option<u32>,
    ) -> Result<(), Refusal> {
        self.advance(landed, Event::Touched { modified_s, mode }).map(drop)
    }

    fn hide(&self, landed: ArrivalId) -> Result<(), Refusal> {
        self.advance(landed, Event::Hidden).map(drop)
    }

    fn papers(&self, sender: &Sender, id: ArrivalId) -> Result<Papers, Refusal> {
        let arrival = self.arrival(sender, id)?;
        let history = self.ledger.history(id).map_err(self.refuse())?;
        let hidden_at = history.iter().rev().find_map(|recorded| {
            if let Event::PapersHidden { outcome } = &recorded.event {
                Some(outcome.as_str())
            } else {
                None
            }
        });
        let proof = match Outcome::of(&arrival).is_final() {
            true => Proof::of(self.ledger.as_ref(), &history).map_err(self.refuse())?,
            false => None,
        };
        let retired = self.ledger.retired_of(id).map_err(self.refuse())?;
        let is_past = retired.iter().any(|went| went.part == Part::Receipts);
        let papers = Papers { is_past, ..Papers::render(arrival, hidden_at, proof) };
        papers.sign(|receipt| self.sign(receipt)).map_err(|error| {
            log(id, "sign a receipt", &error);
            Refusal::Failed(id)
        })
    }

    fn hide_papers(&self, sender: &Sender, id: ArrivalId) -> Result<(), Refusal> {
        let outcome = Outcome::of(&self.arrival(sender, id)?).as_str().to_owned();
        self.advance(id, Event::PapersHidden { outcome }).map(drop)
    }

    fn open_raw(&self, landed: ArrivalId) -> Result<File, Refusal> {
        let arrival = self.landed(landed)?;
        self.archive.open(&arrival.raw).map_err(|error| {
            log(landed, "open a raw object", &error);
            match error {
                archive::Error::Io { source, .. } if source.kind() == ErrorKind::NotFound => {
                    Refusal::Missing
                }
                archive::Error::Io { .. }
                | archive::Error::Durable(_)
                | archive::Error::Outside(_) => Refusal::Failed(landed),
            }
        })
    }

    fn usage(&self, sender: &Sender, since: Timestamp) -> Result<Usage, Refusal> {
        self.ledger.usage(sender, since).map_err(self.refuse())
    }

    fn partner(&self, user: &str) -> Option<Partner> {
        let name: PartnerName = user.parse().ok()?;
        match partner::load(&self.zone, &name) {
            Ok(partner) => Some(partner),
            Err(PartnerError::Unknown(_)) => None,
            Err(error) => {
                tracing::warn!(partner = %name, causes = %on_one_line(&error), "partner file is broken");
                None
            }
        }
    }

    fn events(&self, after: u64, limit: u32) -> Result<Vec<Recorded>, Refusal> {
        self.ledger.events(after, limit).map_err(self.refuse())
    }

    fn wait_beyond(&self, after: u64, timeout: Duration) -> u64 {
        self.ledger.wait_beyond(after, timeout)
    }

    fn note(&self, event: Event) {
        let kind = event.kind();
        if let Err(error) = self.ledger.note(event) {
            tracing::error!(kind, causes = %on_one_line(&error), "an event could not be kept");
        }
    }
}

/// What is known of a file beside its identity.
#[derive(Debug, Default)]
pub(super) struct Facts {
    /// The run of a pull that ends with it.
    pub ends: Option<Pulled>,
    /// What it waits for before it goes on.
    pub waits: Option<Waits>,
    /// Start-up found it without a ledger row.
    pub adopted: bool,
}

fn identify(
    id: ArrivalId,
    received_at: Timestamp,
    settled: &Settled,
    held: Option<Diagnostic>,
) -> Identity {
    Identity {
        id,
        sender: settled.sender.clone(),
        door: settled.door,
        feed: settled.feed.clone(),
        name: settled.name.clone(),
        received_at,
        modified_s: settled.modified_s,
        mode: settled.mode,
        origin: settled.origin.clone(),
        fingerprint: settled.fingerprint.clone(),
        held,
    }
}

/// A raw object as the ledger records it, with what its feed says of names and duplicates.
pub(super) fn describe(
    config: &Config,
    identity: Identity,
    raw: RawObject,
    facts: Facts,
) -> NewArrival {
    let feed = config.feed(&identity.feed);
    // A test is looked at as often as it is sent.
    let is_test = identity.sender.is_test();
    NewArrival {
        id: identity.id,
        sender: identity.sender,
        door: identity.door,
        feed: identity.feed,
        name: identity.name,
        size_bytes: raw.size_bytes,
        digest: raw.digest,
        raw: raw.path,
        received_at: identity.received_at,
        modified_s: identity.modified_s,
        mode: identity.mode,
        origin: identity.origin,
        fingerprint: identity.fingerprint,
        held: identity.held,
        waits: facts.waits,
        skip_duplicate: feed.duplicates == Duplicates::Skip && !is_test,
        replace_same_name: feed.same_name == SameName::Replace && !is_test,
        adopted: facts.adopted,
        ends: facts.ends,
    }
}

/// Why a name that its feed does not take is held.
pub fn unsorted(config: &Config, feed: &FeedName, name: &FileName) -> Option<Diagnostic> {
    if config.feed_takes(feed, name) {
        return None;
    }
    let patterns = config.feed(feed).patterns.join(", ");
    let summary = format!("`{name}` matches no pattern of feed {feed}");
    Some(Diagnostic::error(Code::R101, summary).fact("patterns", patterns))
}

fn never_renamed(name: &FileName) -> Diagnostic {
    if name.is_temporary() {
        let summary = format!("`{name}` was uploaded under a temporary name and never renamed");
        return Diagnostic::error(Code::R102, summary);
    }
    let summary = format!("`{name}` was uploaded and never renamed, which its feed asks for");
    Diagnostic::error(Code::R102, summary)
        .hint(format!("Upload it as `{name}.part` and rename it to `{name}` once it is whole."))
}

fn too_large(name: &FileName) -> Diagnostic {
    let summary = format!("`{name}` is named like a sidecar and has more than 64 KiB");
    Diagnostic::error(Code::R110, summary)
}

/// A sidecar's bytes; `None` when there are too many.
fn small(file: &File) -> std::io::Result<Option<Vec<u8>>> {
    let size_bytes = file.metadata()?.len();
    let Some(size) = usize::try_from(size_bytes).ok().filter(|_| size_bytes <= SIDECAR_BYTES_MAX)
    else {
        return Ok(None);
    };
    let mut bytes = vec![0; size];
    let read = read_full(file, 0, &mut bytes)?;
    bytes.truncate(read);
    Ok(Some(bytes))
}

fn disk_full() -> Diagnostic {
    let summary = "the server's disk is full, so nothing was taken";
    Diagnostic::error(Code::R106, summary)
        .hint("Send the file again later, or tell the people who run this server")
}

fn log(id: ArrivalId, doing: &'static str, error: &(dyn std::error::Error + 'static)) {
    tracing::error!(%id, doing, causes = %on_one_line(error), "the intake failed");
}
