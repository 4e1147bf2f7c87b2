//! What needs a person now: its cause, who answers for it, since when, and what to do.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;

use crate::clock::{Clock, Timestamp};
use crate::config::{Config, PartnerError, Problems, Wants, When, partner};
use crate::diagnostic::{Code, Diagnostic};
use crate::evidence::{Duty, Failing};
use crate::ledger::{
    Arrival, ArrivalQuery, DeliveryState, Erasure, Error, Finding, Ledger, Paused, Problem,
    Sidecar, State, Told,
};
use crate::names::{FeedName, PartnerName, SinkName};
use crate::ops::alerts::desk::own_key;
use crate::ops::doors::Down;
use crate::ops::overdue;
use crate::receive::staging::Space;
use crate::zone::Zone;

/// Held files that are looked at; more are as wrong as these.
const HELD_MAX: u32 = 10_000;

/// How long an erasure may take.
const ERASING: Duration = Duration::from_secs(60);

/// How long a sidecar is listed when the configuration cannot be read.
const LISTED_DEFAULT: Duration = Duration::from_secs(90 * 24 * 3600);

/// Something a person must do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Need {
    /// What stands, in words that stay the same while it does: `H101 warehouse orders`.
    pub key: String,
    /// The diagnostic code, when there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<Code>,
    /// What is wrong, naming the thing.
    pub cause: String,
    /// Who answers for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// Since when.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
    /// The command that shows more or mends it.
    pub command: String,
}

/// The configuration is not valid: a restart would fail, and changes are not in force.
pub fn of_problems(problems: &Problems, suffix: &str) -> Need {
    Need {
        key: Code::Z101.to_string(),
        code: Some(Code::Z101),
        cause: format!("{problems}; a restart would fail"),
        owner: None,
        since: None,
        command: format!("landfall check{suffix}"),
    }
}

/// Partners whose files are wrong, so that they cannot log in.
pub fn of_partners(zone: &Zone, suffix: &str) -> Vec<Need> {
    let names = partner::names(zone).unwrap_or_default().into_iter();
    let broken = names
        .filter(|name| !matches!(partner::load(zone, name), Ok(_) | Err(PartnerError::Unknown(_))));
    let need = |name: PartnerName| Need {
        key: format!("{} {name}", Code::Z101),
        code: Some(Code::Z101),
        cause: format!("partner {name} cannot log in: partners/{name}.toml is wrong"),
        owner: None,
        since: None,
        command: format!("landfall check{suffix}"),
    };
    broken.map(need).collect()
}

/// Checkpoints are not signed, or not published: what happens meanwhile can be proven to nobody.
pub fn of_notary(failing: &Failing, suffix: &str) -> Need {
    let (code, what, command) = match failing.duty {
        Duty::Sign => (Code::L116, "checkpoints are not signed", "landfall audit log"),
        Duty::Publish => {
            (Code::L117, "checkpoints are not copied to [audit] publish_to", "landfall check")
        }
        Duty::Post => {
            (Code::L118, "checkpoints are not posted to [audit] publish_url", "landfall check")
        }
    };
    Need {
        key: code.to_string(),
        code: Some(code),
        cause: format!("{what}: {}", failing.error),
        owner: None,
        since: Some(failing.since),
        command: format!("{command}{suffix}"),
    }
}

/// The configuration was changed and is not in force.
pub fn of_changed_config(suffix: &str) -> Need {
    Need {
        key: "changed".to_owned(),
        code: None,
        cause: "landfall.toml was changed, and the server goes by the old one".to_owned(),
        owner: None,
        since: None,
        command: format!("landfall reload{suffix}"),
    }
}

/// A diagnostic of ours.
pub fn of_diagnostic(told: &Diagnostic, command: String) -> Need {
    let cause = told.to_string();
    let key = told.code.to_string();
    Need { key, code: Some(told.code), cause, owner: None, since: None, command }
}

/// Watched folders that are not there.
pub fn of_folders(zone: &Zone, config: &Config) -> Vec<Need> {
    let gone = config.folders.values().filter_map(|folder| {
        let path = zone.root().join(&folder.path);
        (!path.is_dir()).then(|| Need {
            key: format!("{} {}", Code::F102, folder.path.display()),
            code: Some(Code::F102),
            cause: format!("the drop folder {} is not there", folder.path.display()),
            owner: config.feed(&folder.feed).owner,
            since: None,
            command: format!("ls -ld {}", path.display()),
        })
    });
    gone.collect()
}

/// Doors of the server that ended by themselves.
pub fn of_doors(down: &[Down], suffix: &str) -> Vec<Need> {
    let needs = down.iter().map(|Down { door, since }| Need {
        key: format!("{} {door}", Code::H144),
        code: Some(Code::H144),
        cause: format!("the {door} door is down: nothing comes in that way"),
        owner: None,
        since: Some(*since),
        command: format!("landfall serve{suffix}"),
    });
    needs.collect()
}

/// The disk has less free than is kept in reserve.
pub fn of_disk(zone: &Zone, config: &Config) -> Option<Need> {
    let space = Space::new(zone.root().to_owned());
    space.keep_free(config.free_reserve);
    space.is_scarce().then(|| Need {
        key: Code::H146.to_string(),
        code: Some(Code::H146),
        cause: "the zone's disk is nearly full: uploads are refused".to_owned(),
        owner: None,
        since: None,
        command: format!("df -h {}", zone.root().display()),
    })
}

/// Alerts whose message is refused.
fn of_alerts(ledger: &dyn Ledger, suffix: &str) -> Result<Vec<Need>, Error> {
    let failing = ledger.alerts()?.into_iter().filter_map(|(name, state)| {
        let failing = state.waiting?.failing?;
        let (attempts, error) = (failing.attempts, failing.error);
        Some(Need {
            key: own_key(&name),
            code: Some(Code::H145),
            cause: format!("alert {name} cannot be told, attempt {attempts}: {error}"),
            owner: None,
            since: Some(failing.since),
            command: format!("landfall alert test {name}{suffix}"),
        })
    });
    Ok(failing.collect())
}

/// Held files, by feed and reason, and stalled sinks.
///
/// # Errors
/// What the ledger said.
pub fn of_ledger(
    ledger: &dyn Ledger,
    config: Option<&Config>,
    suffix: &str,
) -> Result<Vec<Need>, Error> {
    let mut needs = of_alerts(ledger, suffix)?;
    needs.extend(stalled(ledger, config, suffix)?);
    let query = ArrivalQuery { states: vec![State::Held], limit: HELD_MAX, ..Default::default() };
    let mut groups: BTreeMap<(FeedName, Option<Code>), Vec<Arrival>> = BTreeMap::new();
    // What is only tried concerns nobody but its sender.
    let held = ledger.arrivals(&query)?.into_iter().filter(|held| !held.sender.is_test());
    for arrival in held {
        let code = arrival.diagnostic.as_ref().map(|told| told.code);
        groups.entry((arrival.feed.clone(), code)).or_default().push(arrival);
    }
    needs.extend(groups.into_iter().map(|((feed, code), held)| Need {
        key: format!("held {} {feed}", code.map_or("", Code::as_str)),
        code,
        cause: cause_of(&feed, code, &held),
        owner: owner(config, &feed),
        since: held.iter().map(|arrival| arrival.changed_at).min(),
        command: match held.as_slice() {
            [only] => format!("landfall quarantine show {}{suffix}", only.id),
            _ => format!("landfall quarantine list --feed {feed}{suffix}"),
        },
    }));
    needs.extend(of_sidecars(ledger, config, suffix)?);
    needs.extend(of_sets(ledger, config, suffix)?);
    needs.extend(of_custody(ledger, suffix)?);
    needs.extend(of_pulls(ledger, config, suffix)?);
    needs.extend(overdue::needs(ledger, config, suffix)?);
    Ok(needs)
}

/// Kept files that are not as the ledger says.
fn of_custody(ledger: &dyn Ledger, suffix: &str) -> Result<Vec<Need>, Error> {
    let findings = ledger.findings(HELD_MAX)?;
    let (unknown, broken): (Vec<_>, Vec<_>) =
        findings.into_iter().partition(|(finding, _)| finding.problem == Problem::Unknown);
    let need = |code: Code,
                found: Vec<(Finding, Timestamp)>,
                (one, several): (&str, &str),
                command: String| {
        let (first, _) = found.first()?;
        let cause = match found.as_slice() {
            [_] => format!("{} {}", first.path, one),
            all => format!("{} files {}, such as {}", all.len(), several, first.path),
        };
        let since = found.iter().map(|(_, since)| *since).min();
        let key = code.to_string();
        Some(Need { key, code: Some(code), cause, owner: None, since, command })
    };
    let restore = format!("landfall verify --known --restore-from DIR{suffix}");
    let look = format!("landfall verify --known{suffix}");
    let broken =
        need(Code::A123, broken, ("is damaged or missing", "are damaged or missing"), restore);
    let unknown = need(Code::A124, unknown, ("is unknown", "are unknown"), look);
    let mut needs: Vec<Need> = broken.into_iter().chain(unknown).collect();
    let patience = Clock::system().now().checked_sub(ERASING).unwrap_or(Timestamp::MIN);
    let late = ledger.erasures_open(HELD_MAX)?.into_iter().filter(|open| open.began_at < patience);
    needs.extend(late.map(|Erasure { arrival, began_at, reason, .. }| Need {
        key: format!("{} {arrival}", Code::A127, arrival = arrival.id),
        code: Some(Code::A127),
        cause: format!(
            "{} of {} is to be erased, and copies of it are left",
            arrival.name, arrival.feed
        ),
        owner: None,
        since: Some(began_at),
        command: format!(
            "landfall erase {} --reason '{}'{suffix}",
            arrival.id,
            reason.replace('\'', "'\\''")
        ),
    }));
    Ok(needs)
}

/// Checksums that came after their file was handed on and differ from it, and sidecars whose file
/// has not come for as long as they are listed.
fn of_sidecars(
    ledger: &dyn Ledger,
    config: Option<&Config>,
    suffix: &str,
) -> Result<Vec<Need>, Error> {
    let mut needs = Vec::new();
    for Sidecar { name, feed, file, received_at, arrival, .. } in
        ledger.differs_too_late(HELD_MAX)?
    {
        needs.push(Need {
            key: format!("{} {feed} {file}", Code::R108),
            code: Some(Code::R108),
            cause: format!(
                "{file} of {feed} was handed on before {name} came, which states another checksum"
            ),
            owner: owner(config, &feed),
            since: Some(received_at),
            command: format!(
                "landfall show {}{suffix}",
                arrival.map(|id| id.to_string()).unwrap_or_default()
            ),
        });
    }
    let now = Clock::system().now();
    let mut alone: BTreeMap<FeedName, Vec<Sidecar>> = BTreeMap::new();
    for sidecar in ledger.alone(Told::Yes, now, HELD_MAX)? {
        let listed = config.map_or(LISTED_DEFAULT, |config| config.feed(&sidecar.feed).listed);
        let is_listed = sidecar.received_at >= now.checked_sub(listed).unwrap_or(Timestamp::MIN);
        if is_listed && !sidecar.sender.is_test() {
            alone.entry(sidecar.feed.clone()).or_default().push(sidecar);
        }
    }
    needs.extend(alone.into_iter().map(|(feed, sidecars)| Need {
        key: format!("{} {feed}", Code::R111),
        code: Some(Code::R111),
        cause: match sidecars.as_slice() {
            [Sidecar { name, sender, file, .. }] => {
                format!("{name} of {feed} came from {sender}, but {file} did not")
            }
            all => format!("{} sidecars of {feed} came without their files", all.len()),
        },
        owner: owner(config, &feed),
        since: sidecars.iter().map(|sidecar| sidecar.received_at).min(),
        command: "landfall explain R111".to_owned(),
    }));
    Ok(needs)
}

fn cause_of(feed: &FeedName, code: Option<Code>, held: &[Arrival]) -> String {
    let title =
        code.map_or("no reason is known".to_owned(), |code| format!("{} ({code})", code.title()));
    match held {
        [only] => match &only.diagnostic {
            Some(told) => format!("{} of {feed} is held: {told}", only.name),
            None => format!("{} of {feed} is held: {title}", only.name),
        },
        held => format!("{} files of {feed} are held: {title}", held.len()),
    }
}

fn stalled(ledger: &dyn Ledger, config: Option<&Config>, suffix: &str) -> Result<Vec<Need>, Error> {
    let mut needs = paused(ledger, suffix)?;
    for (sink, feed) in ledger.outbox()? {
        let Some(delivery) = ledger.next_delivery(&sink, &feed)? else { continue };
        if delivery.state != DeliveryState::Stalled {
            continue;
        }
        let said = delivery.last_error.unwrap_or_default();
        needs.push(Need {
            key: format!("{} {sink} {feed}", Code::H101),
            code: Some(Code::H101),
            cause: format!(
                "sink {sink} is stalled for {feed} at batch {}, attempt {}: {said}",
                delivery.sequence, delivery.attempts
            ),
            owner: owner(config, &feed),
            since: Some(delivery.due_at),
            command: format!("landfall sink retry {sink} --feed {feed}{suffix}"),
        });
    }
    Ok(needs)
}

/// Sets without a control file, which could be held, that are late.
fn of_sets(ledger: &dyn Ledger, config: Option<&Config>, suffix: &str) -> Result<Vec<Need>, Error> {
    let mut needs = Vec::new();
    for (feed, settings) in config.iter().flat_map(|config| &config.feeds) {
        let When::Set(set) = &settings.batch.when else { continue };
        let (Some(deadline), Wants::Files(_) | Wants::Names(_)) = (set.deadline, &set.wants) else {
            continue;
        };
        let ready = ledger.ready_now(feed)?;
        let late = |oldest: &Timestamp| {
            oldest.checked_add(deadline).is_ok_and(|until| until <= Clock::system().now())
        };
        let Some(oldest) = ready.oldest.filter(late) else { continue };
        needs.push(Need {
            key: format!("{} {feed}", Code::H111),
            code: Some(Code::H111),
            cause: match ready.files {
                1 => format!("a set of {feed} is late: 1 file waits for the others"),
                files => format!("a set of {feed} is late: {files} files wait for the others"),
            },
            owner: settings.owner.clone(),
            since: Some(oldest),
            command: format!("landfall batch list {feed}{suffix}"),
        });
    }
    Ok(needs)
}

/// Sinks that somebody paused and that something waits for.
fn paused(ledger: &dyn Ledger, suffix: &str) -> Result<Vec<Need>, Error> {
    let backlog = ledger.backlog()?;
    let waiting = |sink: &SinkName| -> u64 {
        backlog.iter().filter(|(of, _, _)| of == sink).map(|(_, _, batches)| batches).sum()
    };
    let paused = ledger.paused_sinks()?.into_iter();
    let needs = paused.map(|Paused { sink, since, reason }| (waiting(&sink), sink, since, reason));
    let needs =
        needs.filter(|(batches, ..)| *batches > 0).map(|(batches, sink, since, reason)| Need {
            key: format!("{} {sink}", Code::H110),
            code: Some(Code::H110),
            cause: match batches {
                1 => format!("sink {sink} is paused and 1 batch waits for it: {reason}"),
                _ => format!("sink {sink} is paused and {batches} batches wait for it: {reason}"),
            },
            owner: None,
            since: Some(since),
            command: format!("landfall sink resume {sink}{suffix}"),
        });
    Ok(needs.collect())
}

/// Pulls that fail.
fn of_pulls(
    ledger: &dyn Ledger,
    config: Option<&Config>,
    suffix: &str,
) -> Result<Vec<Need>, Error> {
    let pulls = config.map(|config| &config.pulls);
    let needs = ledger.pulls()?.into_iter().filter_map(|state| {
        let pull = pulls?.get(&state.pull)?;
        let failing = state.failing?;
        let (name, feed, attempts) = (&state.pull, &pull.feed, failing.attempts);
        Some(Need {
            key: format!("{} {name}", Code::F110),
            code: Some(Code::F110),
            cause: format!("pull {name} for {feed} fails, attempt {attempts}: {}", failing.error),
            owner: owner(config, feed),
            since: Some(failing.since),
            command: format!("landfall pull run {name}{suffix}"),
        })
    });
    Ok(needs.collect())
}

pub(super) fn owner(config: Option<&Config>, feed: &FeedName) -> Option<String> {
    config.and_then(|config| config.feed(feed).owner)
}
