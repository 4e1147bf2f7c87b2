//! What needs a person now, as a running server sees it.

use crate::clock::Timestamp;
use crate::diagnostic::Code;
use crate::ledger::{Cause, Causes, Error, Urgency};
use crate::ops::needs::{self, Need};

use super::Parts;

/// Causes that are looked at; more say no more.
const CAUSES_MAX: usize = 1000;

/// What is told at once: a door is down, the disk full, the ledger or what proves it does not go on, what
/// is kept is damaged, a sink is stalled, somebody cannot be told. Held and late files, and what
/// people paused themselves, can wait for a digest.
pub fn urgency(code: Option<Code>) -> Urgency {
    const PAGES: [Code; 13] = [
        Code::F102,
        Code::A101,
        Code::A123,
        Code::A124,
        Code::H101,
        Code::H102,
        Code::H144,
        Code::H145,
        Code::H146,
        Code::L101,
        Code::L112,
        Code::L116,
        Code::L117,
    ];
    match code.is_some_and(|code| PAGES.contains(&code)) {
        true => Urgency::Page,
        false => Urgency::Digest,
    }
}

/// Everything that needs a person now, with what is known of watched folders.
///
/// # Errors
/// What the ledger said.
pub(super) fn now(parts: &Parts, folders: &[Need]) -> Result<Causes, Error> {
    let (config, suffix) = (parts.config.now(), suffix(parts));
    let mut needs = needs::of_doors(&parts.doors.down(), &suffix);
    needs.extend(needs::of_disk(&parts.zone, &config));
    needs.extend(needs::of_partners(&parts.zone, &suffix));
    let failing = parts.notary.iter().flat_map(|notary| notary.failing());
    needs.extend(failing.map(|failing| needs::of_notary(&failing, &suffix)));
    needs.extend_from_slice(folders);
    needs.extend(needs::of_ledger(parts.ledger.as_ref(), Some(&config), &suffix)?);
    let mut causes: Vec<Cause> = needs.into_iter().map(of_need).collect();
    // What stops files is never cut off by what waits for a person.
    causes.sort_by_key(|cause| cause.urgency != Urgency::Page);
    causes.truncate(CAUSES_MAX);
    Ok(causes.into_iter().map(|cause| (cause.key.clone(), cause)).collect())
}

/// The ledger cannot be read or written.
pub(super) fn of_ledger(parts: &Parts, since: Timestamp, error: &str) -> Cause {
    of_need(Need {
        key: Code::L101.to_string(),
        code: Some(Code::L101),
        cause: format!("the ledger is not usable: {error}"),
        owner: None,
        since: Some(since),
        command: format!("landfall status{}", suffix(parts)),
    })
}

/// The message may be read anywhere: its commands say which zone is meant.
fn suffix(parts: &Parts) -> String {
    format!(" --zone {}", parts.zone.root().display())
}

fn of_need(need: Need) -> Cause {
    let Need { key, code, cause, owner, since, command } = need;
    Cause { key, code, urgency: urgency(code), cause, owner, since, command }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stops_files_is_a_page_and_what_waits_for_a_person_is_not() {
        for code in [Code::F102, Code::H146, Code::L101, Code::A123, Code::H101] {
            assert_eq!(urgency(Some(code)), Urgency::Page, "{code}");
        }
        for code in [Code::H140, Code::H141, Code::C110, Code::R101, Code::H110] {
            assert_eq!(urgency(Some(code)), Urgency::Digest, "{code}");
        }
        assert_eq!(urgency(None), Urgency::Digest);
    }
}
