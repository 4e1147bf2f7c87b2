//! When a pull is to run.

use crate::clock::Timestamp;
use crate::config::{Ends, Pull};
use crate::ledger::PullState;

/// When a pull is to run next: at the end of a window, or sooner after a failure. One that never ran
/// and runs every so often runs at once, one that runs at times of the day waits for the first after
/// `since`. Windows that ended while nothing ran are made up for by one run.
pub(super) fn next(pull: &Pull, state: Option<&PullState>, since: Timestamp) -> Timestamp {
    let Some(state) = state else {
        return match pull.windows.ends {
            Ends::Every(_) => since,
            Ends::At(_) => pull.windows.end_after(since),
        };
    };
    let window = pull.windows.end_after(state.began_at);
    let Some(failing) = &state.failing else { return window };
    let failures = usize::try_from(failing.attempts.saturating_sub(1)).ok();
    let wait = failures.and_then(|failures| pull.retry.get(failures));
    let again = wait.and_then(|wait| state.ended_at.checked_add(*wait).ok());
    again.map_or(window, |again| again.min(window))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::parse;
    use crate::ledger::Failing;

    fn pull(when: &str) -> Pull {
        let text = format!(
            "[feed.a]\n[[pull]]\nname = 'p'\nfeed = 'a'\ncommand = ['x']\n{when}\nretry = ['5s', '5m']"
        );
        let config = parse("landfall.toml", &text).expect("valid");
        config.pulls.into_values().next().expect("a pull")
    }

    fn at(text: &str) -> Timestamp {
        format!("2026-11-22T{text}Z").parse().expect("a time")
    }

    fn state(began: &str, ended: &str, attempts: u32) -> PullState {
        let failing = Failing { since: at(ended), attempts, error: String::new() };
        PullState {
            pull: "p".parse().expect("a name"),
            began_at: at(began),
            ended_at: at(ended),
            succeeded_at: None,
            run: None,
            watermark: None,
            failing: (attempts > 0).then_some(failing),
        }
    }

    #[test]
    fn it_runs_at_the_end_of_each_window() {
        let hourly = pull("every = '1h'");
        assert_eq!(next(&hourly, None, at("06:10:00")), at("06:10:00"), "a new one runs at once");
        let ran = state("06:00:00", "06:20:00", 0);
        assert_eq!(next(&hourly, Some(&ran), at("00:00:00")), at("07:00:00"));
        let daily = pull("at = ['06:00']");
        assert_eq!(next(&daily, None, at("05:00:00")), at("06:00:00"), "and waits for its time");
    }

    #[test]
    fn after_a_failure_it_is_tried_sooner_but_never_later_than_its_window() {
        let hourly = pull("every = '1h'");
        let next = |state| next(&hourly, Some(&state), at("00:00:00"));
        assert_eq!(next(state("06:00:00", "06:20:00", 1)), at("06:20:05"));
        assert_eq!(next(state("06:20:05", "06:20:05", 2)), at("06:25:05"));
        assert_eq!(next(state("06:58:00", "06:58:00", 2)), at("07:00:00"), "its window ends first");
        assert_eq!(next(state("06:25:05", "06:25:05", 3)), at("07:00:00"), "the waits have ended");
    }
}
