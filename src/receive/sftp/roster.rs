//! Who is logged in, and for how long they may stay.
//!
//! Accounts are files that an operator may change at any moment. Whoever could not log in any more
//! (the account disabled or gone, the key removed or ended, the address not allowed) is sent away
//! within [`REVIEW_EVERY`]; what they were uploading stays for resume. Other changes count from the
//! next login.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use tokio::sync::watch;

use super::Desk;
use super::proof::Proof;
use super::socket::until_true;
use super::throttle::Throttle;
use crate::config::{Partner, partner};
use crate::ledger::Event;
use crate::names::PartnerName;

/// How often running sessions are compared with their accounts.
const REVIEW_EVERY: Duration = Duration::from_secs(1);
/// How long it is remembered whether any partner trusts an authority.
const AUTHORITIES_KNOWN_FOR: Duration = Duration::from_secs(5);

/// Everybody who is logged in.
#[derive(Debug, Default)]
pub struct Roster {
    inner: Mutex<Inner>,
    authorities: Mutex<Option<(Instant, bool)>>,
}

#[derive(Debug, Default)]
struct Inner {
    next: u64,
    sessions: HashMap<u64, Session>,
    throttles: HashMap<PartnerName, Weak<Throttle>>,
}

#[derive(Debug, Clone)]
struct Session {
    partner: PartnerName,
    proof: Proof,
    origin: IpAddr,
    end: watch::Sender<Option<String>>,
}

/// A session's place in the roster; dropping it frees it.
#[derive(Debug)]
pub struct Seat {
    number: u64,
    roster: Arc<Roster>,
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.roster.lock().sessions.remove(&self.number);
    }
}

impl Roster {
    /// Takes a session in. `end` is told why when it has to go.
    pub fn enter(
        self: Arc<Self>,
        partner: PartnerName,
        proof: Proof,
        origin: IpAddr,
        end: watch::Sender<Option<String>>,
    ) -> Seat {
        let mut inner = self.lock();
        let number = inner.next;
        inner.next += 1;
        inner.sessions.insert(number, Session { partner, proof, origin, end });
        drop(inner);
        Seat { number, roster: self }
    }

    /// How many sessions a partner has.
    pub fn count(&self, partner: &PartnerName) -> usize {
        self.lock().sessions.values().filter(|session| session.partner == *partner).count()
    }

    /// What limits the speed of a partner's sessions together, if its account says so.
    pub fn throttle(&self, account: &Partner) -> Option<Arc<Throttle>> {
        let bytes_s = account.quota.bandwidth_bytes_s?;
        let mut inner = self.lock();
        inner.throttles.retain(|_, throttle| throttle.strong_count() > 0);
        let known = inner.throttles.get(&account.name).and_then(Weak::upgrade);
        Some(known.filter(|known| known.bytes_s() == bytes_s).unwrap_or_else(|| {
            let throttle = Arc::new(Throttle::new(bytes_s));
            inner.throttles.insert(account.name.clone(), Arc::downgrade(&throttle));
            throttle
        }))
    }

    /// Whether any partner trusts an authority. Slow now and then.
    pub fn is_any_authority_trusted(&self, desk: &Desk) -> bool {
        let mut known = self.authorities.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((at, answer)) = *known
            && at.elapsed() < AUTHORITIES_KNOWN_FOR
        {
            return answer;
        }
        let names = partner::names(&desk.zone).unwrap_or_default();
        let answer = names.iter().any(|name| {
            let account = desk.intake.partner(name.as_str());
            account.is_some_and(|account| !account.authorities.is_empty())
        });
        *known = Some((Instant::now(), answer));
        answer
    }

    /// Ends the sessions that their accounts no longer allow. Slow.
    fn review(&self, desk: &Desk) {
        let sessions: Vec<Session> = self.lock().sessions.values().cloned().collect();
        let mut accounts: HashMap<PartnerName, Option<Partner>> = HashMap::new();
        for session in sessions.iter().filter(|session| session.end.borrow().is_none()) {
            let name = &session.partner;
            let account =
                accounts.entry(name.clone()).or_insert_with(|| desk.intake.partner(name.as_str()));
            let now = desk.clock.now();
            let holds = match account {
                None => Err("there is no such account any more".to_owned()),
                Some(account) => session.proof.holds(account, now, session.origin),
            };
            if let Err(reason) = holds {
                session.end.send_replace(Some(
                    "this account may not be used like this any more; ask the people who run \
                     this server"
                        .to_owned(),
                ));
                desk.intake.note(Event::SessionEnded {
                    partner: name.clone(),
                    from: session.origin.to_string(),
                    reason,
                });
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Reviews the roster regularly until `shutdown` is true.
pub async fn review_until(
    roster: Arc<Roster>,
    desk: Arc<Desk>,
    mut shutdown: watch::Receiver<bool>,
) {
    loop {
        tokio::select! {
            () = tokio::time::sleep(REVIEW_EVERY) => {}
            () = until_true(&mut shutdown) => return,
        }
        let (roster, desk) = (Arc::clone(&roster), Arc::clone(&desk));
        if let Err(error) = tokio::task::spawn_blocking(move || roster.review(&desk)).await {
            tracing::error!(%error, "running sessions could not be looked after");
        }
    }
}
