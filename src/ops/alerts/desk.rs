//! When an alert writes its next message, and what stands in it.
//!
//! These are functions of what stands now, what was told, and the time.

use std::time::Duration;

use crate::clock::Timestamp;
use crate::config::Alert;
use crate::diagnostic::Code;
use crate::handoff::sinks::Answer;
use crate::ledger::{AlertState, Causes, Event, Failing, Urgency, Waiting};
use crate::names::AlertName;

/// The longest pause that a receiver's `Retry-After` is granted.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(3600);
/// How soon after a page what comes from the same cause is told with the next digest instead.
const PAGED_AGAIN_AFTER: Duration = Duration::from_secs(3600);
/// The wait after a failure when none is configured.
const RETRY_DEFAULT: Duration = Duration::from_secs(300);

/// How much of what needs a person could be found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seen {
    /// All: what is not there is gone.
    All,
    /// Not all: nothing is gone for sure.
    Part,
}

/// The key by which an alert that fails is known.
pub fn own_key(name: &AlertName) -> String {
    format!("{} {name}", Code::H145)
}

/// What of all that stands concerns an alert: by its owner and severity, but not that it fails itself.
pub fn routed(causes: &Causes, name: &AlertName, alert: &Alert) -> Causes {
    let own = own_key(name);
    let concerns = causes.iter().filter(|(key, cause)| {
        let owner = cause.owner.as_ref();
        let of_owner = alert.owners.is_empty() || owner.is_none_or(|o| alert.owners.contains(o));
        of_owner && alert.severity.contains(&cause.urgency) && **key != own
    });
    concerns.map(|(key, cause)| (key.clone(), cause.clone())).collect()
}

/// Writes the next message if it is time; whether anything changed.
pub fn gather(
    state: &mut AlertState,
    alert: &Alert,
    (current, seen): (&Causes, Seen),
    now: Timestamp,
) -> bool {
    if state.waiting.is_some() {
        return false;
    }
    let mut raised = less(current, &state.told);
    state.paged.retain(|_, at| later(*at, PAGED_AGAIN_AFTER) > now);
    for cause in raised.values_mut().filter(|cause| state.paged.contains_key(&cause.root())) {
        cause.urgency = Urgency::Digest;
    }
    let mut resolved = match seen {
        Seen::All => less(&state.told, current),
        Seen::Part => Causes::new(),
    };
    let before = state.gathering_since;
    let is_page = |causes: &Causes| causes.values().any(|cause| cause.urgency == Urgency::Page);
    let is_digest = |causes: &Causes| causes.values().any(|cause| cause.urgency == Urgency::Digest);
    let to_gather = is_digest(&raised) || is_digest(&resolved);
    state.gathering_since = to_gather.then(|| before.unwrap_or(now));
    let paused_until = state.sent_at.map_or(Timestamp::MIN, |at| later(at, alert.pause));
    let gathered = state.gathering_since.is_some_and(|since| later(since, alert.digest) <= now);
    let urgency =
        if is_page(&raised) || is_page(&resolved) { Urgency::Page } else { Urgency::Digest };
    if paused_until > now || (urgency == Urgency::Digest && !gathered) {
        return state.gathering_since != before;
    }
    for causes in [&mut raised, &mut resolved] {
        causes.retain(|_, cause| cause.urgency == urgency);
    }
    if urgency == Urgency::Digest {
        state.gathering_since = None;
    }
    let paged = raised.values().filter(|cause| cause.urgency == Urgency::Page);
    state.paged.extend(paged.map(|cause| (cause.root(), now)));
    let number = state.number.saturating_add(1);
    let (at, due_at, failing) = (now, now, None);
    state.waiting = Some(Waiting { number, urgency, at, raised, resolved, due_at, failing });
    true
}

/// Follows the answer to the message that was sent; what history keeps of it.
pub fn answered(
    state: &mut AlertState,
    (name, alert): (&AlertName, &Alert),
    answer: Answer,
    now: Timestamp,
) -> Option<Event> {
    let waiting = state.waiting.take()?;
    let (error, retry_after) = match answer {
        Answer::Acknowledged(_) => return Some(taken(state, name, waiting, now)),
        Answer::Refused { why, retry_after } => (why, retry_after),
        // Somebody is to be told: it goes on until the configuration says otherwise.
        Answer::Gone(why) => (why, None),
    };
    let before = waiting.failing.clone();
    let (alert_name, number) = (name.clone(), waiting.number);
    let event = Event::AlertFailing { alert: alert_name, number, error: error.clone() };
    let (since, attempts) = before.as_ref().map_or((now, 0), |b| (b.since, b.attempts));
    let failing = Failing { since, attempts: attempts.saturating_add(1), error };
    let nth = usize::try_from(attempts).unwrap_or(usize::MAX);
    let wait = alert.retry.get(nth).or(alert.retry.last()).copied().unwrap_or(RETRY_DEFAULT);
    let wait = wait.max(retry_after.unwrap_or_default().min(RETRY_AFTER_MAX));
    state.waiting = Some(Waiting { due_at: later(now, wait), failing: Some(failing), ..waiting });
    before.is_none().then_some(event)
}

fn taken(state: &mut AlertState, name: &AlertName, message: Waiting, now: Timestamp) -> Event {
    let Waiting { number, urgency, raised, resolved, .. } = message;
    let keys = |causes: &Causes| causes.keys().cloned().collect();
    let event = Event::Alerted {
        alert: name.clone(),
        number,
        urgency,
        raised: keys(&raised),
        resolved: keys(&resolved),
    };
    state.told.retain(|key, _| !resolved.contains_key(key));
    state.told.extend(raised);
    (state.number, state.sent_at) = (number, Some(now));
    event
}

/// Those of the first that the second does not have.
fn less(causes: &Causes, known: &Causes) -> Causes {
    let new = causes.iter().filter(|(key, _)| !known.contains_key(*key));
    new.map(|(key, cause)| (key.clone(), cause.clone())).collect()
}

fn later(at: Timestamp, by: Duration) -> Timestamp {
    at.checked_add(by).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::parse;
    use crate::ledger::Cause;

    fn alert(keys: &str) -> Alert {
        let text = format!("[[alert]]\nname = 'a'\ncommand = ['x']\n{keys}");
        let config = parse("landfall.toml", &text).expect("valid");
        config.alerts.into_values().next().expect("an alert")
    }

    fn name() -> AlertName {
        "a".parse().expect("a name")
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).expect("in range")
    }

    fn causes(keys: &[&str]) -> Causes {
        let cause = |key: &&str| Cause {
            key: (*key).to_owned(),
            code: None,
            urgency: if key.starts_with("page") { Urgency::Page } else { Urgency::Digest },
            cause: String::new(),
            owner: key.split_once('/').map(|(_, owner)| owner.to_owned()),
            since: None,
            command: String::new(),
        };
        keys.iter().map(|key| ((*key).to_owned(), cause(key))).collect()
    }

    /// What is written at this time while these stand, and is taken at once: raised and resolved.
    fn written(state: &mut AlertState, standing: &[&str], second: i64) -> Option<(String, String)> {
        let alert = alert("digest = '15m'\npause = '1m'");
        gather(state, &alert, (&causes(standing), Seen::All), at(second));
        let waiting = state.waiting.clone()?;
        answered(state, (&name(), &alert), Answer::Acknowledged(None), at(second));
        let keys = |causes: Causes| causes.into_keys().collect::<Vec<_>>().join(" ");
        Some((keys(waiting.raised), keys(waiting.resolved)))
    }

    fn told(raised: &str, resolved: &str) -> Option<(String, String)> {
        Some((raised.to_owned(), resolved.to_owned()))
    }

    #[test]
    fn a_page_is_told_at_once_and_once_and_when_it_is_gone() {
        let mut state = AlertState::default();
        assert_eq!(written(&mut state, &["page 1"], 0), told("page 1", ""));
        assert_eq!(written(&mut state, &["page 1"], 3600), None, "it stands");
        assert_eq!(written(&mut state, &[], 7200), told("", "page 1"));
        assert_eq!(written(&mut state, &["page 1"], 9000), told("page 1", ""), "and again");
    }

    #[test]
    fn what_comes_from_the_same_cause_is_one_page_and_then_a_digest() {
        let mut state = AlertState::default();
        let feeds = ["page sink a", "page sink b", "page sink c"];
        assert_eq!(written(&mut state, &feeds[..1], 0), told("page sink a", ""));
        // It goes on for others, is over, and comes back: one message tells all of it.
        assert_eq!(written(&mut state, &feeds[..2], 60), None);
        assert_eq!(written(&mut state, &feeds, 120), None);
        assert_eq!(written(&mut state, &feeds[1..], 180), told("", "page sink a"), "it is over");
        assert_eq!(written(&mut state, &feeds, 240), None);
        assert_eq!(
            written(&mut state, &feeds, 960),
            told("page sink a page sink b page sink c", "")
        );
        let all = [&feeds[..], &["page other a"]].concat();
        assert_eq!(written(&mut state, &all, 1020), told("page other a", ""), "another is a page");
        assert_eq!(written(&mut state, &["page other a"], 1080), None);
        assert_eq!(
            written(&mut state, &["page other a"], 1980),
            told("", "page sink a page sink b page sink c")
        );
        assert_eq!(
            written(&mut state, &["page other a", "page sink b"], 3600),
            told("page sink b", "")
        );
    }

    #[test]
    fn a_digest_gathers_and_passes_over_what_is_gone_again() {
        let mut state = AlertState::default();
        assert_eq!(written(&mut state, &["held 1"], 0), None);
        assert_eq!(written(&mut state, &["held 1", "held 2", "held 3"], 600), None);
        assert_eq!(written(&mut state, &["held 1", "held 3"], 899), None);
        assert_eq!(written(&mut state, &["held 1", "held 3"], 900), told("held 1 held 3", ""));
        assert_eq!(written(&mut state, &["held 3"], 901), None);
        assert_eq!(written(&mut state, &["held 1", "held 3"], 1500), None, "it is back");
        assert_eq!(written(&mut state, &[], 3000), None, "the digest begins anew");
        assert_eq!(written(&mut state, &[], 3900), told("", "held 1 held 3"));
    }

    #[test]
    fn messages_are_no_closer_than_the_pause_and_lose_nothing() {
        let mut state = AlertState::default();
        assert_eq!(written(&mut state, &["page 1"], 0), told("page 1", ""));
        assert_eq!(written(&mut state, &["page 1", "page 2"], 1), None);
        let many = ["page 1", "page 2", "page 3", "held 1"];
        assert_eq!(written(&mut state, &many, 59), None);
        assert_eq!(written(&mut state, &many, 60), told("page 2 page 3", ""), "no held file");
    }

    #[test]
    fn what_could_not_be_seen_is_not_gone() {
        let mut state = AlertState::default();
        written(&mut state, &["page 1"], 0);
        let alert = alert("");
        let seen = causes(&["page ledger"]);
        assert!(gather(&mut state, &alert, (&seen, Seen::Part), at(3600)));
        let waiting = state.waiting.expect("a message");
        assert_eq!((waiting.raised, waiting.resolved), (seen, Causes::new()));
    }

    #[test]
    fn a_message_is_the_same_until_it_is_taken() {
        let alert = alert("retry = ['1s', '5s']");
        let mut state = AlertState::default();
        gather(&mut state, &alert, (&causes(&["page 1"]), Seen::All), at(0));
        let first = state.waiting.clone().expect("a message");
        for (second, due) in [(0, 1), (1, 6), (6, 11), (11, 16)] {
            let refused = Answer::Refused { why: "no".to_owned(), retry_after: None };
            let event = answered(&mut state, (&name(), &alert), refused, at(second));
            assert_eq!(event.is_some(), second == 0, "the first failure is told");
            assert!(!gather(&mut state, &alert, (&causes(&["page 2"]), Seen::All), at(second)));
            let again = state.waiting.clone().expect("still there");
            assert_eq!((again.due_at, again.number, &again.raised), (at(due), 1, &first.raised));
        }
        let failing = state.waiting.as_ref().and_then(|waiting| waiting.failing.clone());
        assert_eq!(failing.map(|f| (f.attempts, f.since)), Some((4, at(0))));
        let event = answered(&mut state, (&name(), &alert), Answer::Acknowledged(None), at(16));
        assert!(matches!(event, Some(Event::Alerted { number: 1, .. })), "{event:?}");
        gather(&mut state, &alert, (&causes(&["page 2"]), Seen::All), at(90));
        let next = state.waiting.expect("the next");
        let keys = |causes: &Causes| Vec::from_iter(causes.keys().cloned());
        assert_eq!(
            (keys(&next.raised), keys(&next.resolved)),
            (vec!["page 2".into()], vec!["page 1".into()])
        );
    }

    #[test]
    fn causes_go_to_their_owner_and_what_nobody_owns_to_everybody() {
        let all = causes(&["page 1/sales", "held 2/north", "held 3", "H145 a", "page 4"]);
        let keys = |alert: Alert| Vec::from_iter(routed(&all, &name(), &alert).into_keys());
        assert_eq!(keys(alert("owners = ['sales']")), ["held 3", "page 1/sales", "page 4"]);
        assert_eq!(keys(alert("severity = ['page']")), ["page 1/sales", "page 4"]);
        assert_eq!(keys(alert("")), ["held 2/north", "held 3", "page 1/sales", "page 4"]);
    }
}
