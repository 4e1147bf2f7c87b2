//! `[[alert]]`: who is told of what needs a person.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use toml::de::DeValue;

use super::problem::Wrong;
use super::reader::Reader;
use super::sink::{Webhook, read_command, read_webhook};
use super::value::{choice, duration, name, text};
use crate::ledger::Urgency;
use crate::names::AlertName;

/// Waits after attempts that failed; the last goes on for ever.
const RETRY_S: [u64; 4] = [5, 30, 120, 300];

/// `[[alert]]`: somebody who is told of what needs a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alert {
    /// `command` or `webhook`: how.
    pub way: Way,
    /// `owners = ["sales"]`, default any: whose causes. What has no owner is everybody's.
    pub owners: Vec<String>,
    /// `severity = ["page", "digest"]`, default both: which causes. What stops files, or puts them at
    /// risk, is for a page; all else for a digest.
    pub severity: Vec<Urgency>,
    /// `digest`, default 15 min: how long what is no page is gathered before it is told.
    pub digest: Duration,
    /// `pause`, default 1 min: the shortest time between two messages.
    pub pause: Duration,
    /// `timeout`, default 20 s.
    pub timeout: Duration,
    /// `retry = ["5s", …]`: waits after attempts that failed; the last of them is repeated until one
    /// succeeds. Default 5 s, 30 s, 2 min, 5 min.
    pub retry: Vec<Duration>,
}

/// How somebody is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Way {
    /// `command = ["mail", "-s", "landfall", "ops@example.com"]`: an argument vector, never a shell.
    /// The message is on standard input.
    Command(Vec<String>),
    /// `webhook = "https://…"`: a POST of a CloudEvent; any 2xx acknowledges.
    Webhook(Webhook),
}

impl Way {
    /// The key that names it.
    pub fn key(&self) -> &'static str {
        match self {
            Self::Command(_) => "command",
            Self::Webhook(_) => "webhook",
        }
    }
}

pub(super) fn read_all(top: &Reader<'_, '_>) -> BTreeMap<AlertName, Alert> {
    let not_a_table = |_: &DeValue<'_>| Err(Wrong::new("must be [[alert]] sections"));
    let named = RefCell::new(BTreeSet::new());
    let read = top.items("alert", not_a_table, |table| {
        let name = table.get("name", name::<AlertName>);
        table.require("name");
        if name.as_ref().is_some_and(|name| !named.borrow_mut().insert(name.clone())) {
            table.problem_at("name", Wrong::new("two alerts have the same name"));
        }
        let alert = read(&table);
        table.finish();
        name.zip(alert)
    });
    read.into_iter().collect()
}

const SEVERITY: &[(&str, Urgency); 2] = &[("page", Urgency::Page), ("digest", Urgency::Digest)];

fn read(table: &Reader<'_, '_>) -> Option<Alert> {
    let command = read_way(table, "command", |table| read_command(table).map(Way::Command));
    let webhook =
        read_way(table, "webhook", |table| read_webhook(table, "webhook").map(Way::Webhook));
    if table.has("command") == table.has("webhook") {
        table.problem(Wrong::new("an alert has one of `command`, `webhook`"));
    }
    let seconds = Duration::from_secs;
    let severity = table.list("severity", choice(SEVERITY));
    let retry = table.list("retry", duration).filter(|waits| !waits.is_empty());
    let owners = table.list("owners", text).unwrap_or_default();
    let digest = table.get("digest", duration).unwrap_or(seconds(15 * 60));
    let pause = table.get("pause", duration).unwrap_or(seconds(60));
    let timeout = table.get("timeout", duration).unwrap_or(seconds(20));
    Some(Alert {
        way: command.or(webhook)?,
        owners,
        severity: severity.unwrap_or_else(|| SEVERITY.map(|(_, which)| which).into()),
        digest,
        pause,
        timeout,
        retry: retry.unwrap_or_else(|| RETRY_S.map(seconds).to_vec()),
    })
}

fn read_way(
    table: &Reader<'_, '_>,
    key: &str,
    read: fn(&Reader<'_, '_>) -> Option<Way>,
) -> Option<Way> {
    table.has(key).then(|| read(table)).flatten()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::Way;
    use crate::config::parse;
    use crate::ledger::Urgency;

    #[test]
    fn an_alert_is_for_everybody_and_everything_unless_it_says_otherwise() {
        let text = "[[alert]]\nname = 'ops'\ncommand = ['mail', 'ops@example.com']\n\
                    [[alert]]\nname = 'pager'\nwebhook = 'https://pager.example/'\n\
                    secrets = ['env:KEY']\nowners = ['sales']\nseverity = ['page']\n\
                    digest = '1h'\npause = '5m'\ntimeout = '3s'\nretry = ['1s']\n";
        let config = parse("landfall.toml", text).expect("valid");
        let [ops, pager] = Vec::from_iter(config.alerts.into_values()).try_into().expect("two");
        assert_eq!(ops.way, Way::Command(vec!["mail".into(), "ops@example.com".into()]));
        assert_eq!(ops.severity, [Urgency::Page, Urgency::Digest]);
        assert_eq!((ops.digest, ops.pause), (Duration::from_secs(900), Duration::from_secs(60)));
        assert_eq!((ops.timeout, ops.retry.len()), (Duration::from_secs(20), 4));
        assert!(ops.owners.is_empty());
        assert_eq!((pager.way.key(), pager.severity), ("webhook", vec![Urgency::Page]));
        assert_eq!((pager.owners, pager.pause), (vec!["sales".into()], Duration::from_secs(300)));
    }

    #[test]
    fn what_an_alert_lacks_is_named() {
        let text = "[[alert]]\nname = 'a'\n[[alert]]\nname = 'a'\ncommand = ['x']\n\
                    webhook = 'http://x'\n[[alert]]\ncommand = []\nseverity = ['high']\n\
                    digest = 5\nowner = 'x'\n";
        let problems = parse("landfall.toml", text).expect_err("wrong");
        let told: String = problems.0.iter().map(|problem| format!("{problem}\n")).collect();
        for part in [
            "one of `command`, `webhook`",
            "two alerts have the same name",
            "`name` is missing",
            "`command` names no program",
            "\"page\" or \"digest\"",
            "`digest` must be a duration",
            "unknown key `owner` in [alert]; did you mean `owners`?",
        ] {
            assert!(told.contains(part), "{part}: {told}");
        }
    }
}
