//! One connection from accept to its end, and what is recorded of it.

use std::future::Future;
use std::net::IpAddr;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use russh::Disconnect;
use russh::server::run_stream;
use tokio::net::TcpStream;
use tokio::sync::{Mutex, MutexGuard, Semaphore, mpsc, watch};

use super::Desk;
use super::account::Account;
use super::auth::{Accepted, Attempt, Login};
use super::conversation::Conversation;
use super::crowd::Places;
use super::dialog::{Dialog, Speaker};
use super::penalties::{Offence, Penalised, Penalties};
use super::roster::{Roster, Seat};
use super::session::{Error, Session};
use super::socket::{Link, Socket, until_true};
use crate::ledger::Event;

/// How long a stopping server waits for a connection to finish what it is at.
const GRACE: Duration = Duration::from_secs(5);
/// Characters of a client's version that an event keeps.
const CLIENT_CHARS_MAX: usize = 100;

/// What every connection shares.
pub struct Hall {
    /// What the door works with.
    pub desk: Arc<Desk>,
    /// Who answers SFTP in place of the partners' views, if anybody.
    pub speaker: Option<Speaker>,
    /// Passwords checked at once.
    pub passwords: Arc<Semaphore>,
    /// Who is logged in.
    pub roster: Arc<Roster>,
    /// Whether the server stops; its receivers are told.
    pub stopping: watch::Receiver<bool>,
    /// Whether connections are cut off.
    pub cut_off: watch::Receiver<bool>,
    /// Events about strangers, of which there may be any number.
    pub strangers: Notes,
    /// Sources that are turned away.
    pub penalties: Arc<Penalties>,
    /// Dropped by every task at its end, so that a stopping server can wait for them.
    pub busy: mpsc::Sender<()>,
}

/// Events about strangers kept in one minute; beyond it they are only logged, because events are
/// kept for ever and strangers cost nothing.
const NOTES_A_MINUTE: u32 = 120;

/// Counts events of the present minute.
#[derive(Debug, Default)]
pub struct Notes(std::sync::Mutex<Option<(Instant, u32)>>);

impl Notes {
    fn may_note(&self) -> bool {
        let mut minute = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let (since, count) = minute.unwrap_or((now, 0));
        let (since, count) =
            if now - since >= Duration::from_secs(60) { (now, 1) } else { (since, count + 1) };
        *minute = Some((since, count));
        count <= NOTES_A_MINUTE
    }
}

/// One connection, as far as its session knows it.
pub struct Visit {
    /// The peer's address.
    pub origin: IpAddr,
    hall: Arc<Hall>,
    link: Arc<Link>,
    login: Arc<Mutex<Login>>,
    places: Option<Places>,
    /// Says why the connection is ended.
    end: watch::Sender<Option<String>>,
    seat: Option<Seat>,
}

impl Visit {
    /// The way to a login. russh calls back one at a time, so this never waits long.
    pub async fn login(&self) -> MutexGuard<'_, Login> {
        self.link.try_to_log_in();
        self.login.lock().await
    }

    /// The account, once a login was accepted; also frees its place among those not logged in.
    pub async fn log_in(&mut self) -> Option<Account> {
        let Accepted { partner, proof, method } = self.login().await.take_accepted()?;
        self.link.log_in(self.hall.roster.throttle(&partner));
        if let Some(places) = &mut self.places {
            places.log_in();
        }
        let desk = Arc::clone(&self.hall.desk);
        let roster = Arc::clone(&self.hall.roster);
        self.seat = Some(roster.enter(partner.name.clone(), proof, self.origin, self.end.clone()));
        let (from, client) = (self.origin.to_string(), client(&self.link));
        // What an arrival says of its sender, years later: address, key and client.
        let origin = format!("{from} by {method} with {client}");
        note(&desk, Event::LoggedIn { partner: partner.name.clone(), from, method, client });
        Some(Account::new(partner, origin, desk))
    }

    /// What is said to an account that asks for SFTP.
    pub fn conversation(&self, account: &Account) -> Box<dyn Dialog> {
        match &self.hall.speaker {
            Some(speaker) => speaker(),
            None => Box::new(Conversation::new(account.clone())),
        }
    }

    /// Runs work of this connection that may outlive it; a stopping server waits for it.
    pub fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        let busy = self.hall.busy.clone();
        tokio::spawn(async move {
            work.await;
            drop(busy);
        });
    }
}

/// Serves one connection until it ends. A panic in it ends nothing else.
pub async fn serve(
    (tcp, origin, link): (TcpStream, IpAddr, Arc<Link>),
    ssh: Arc<russh::server::Config>,
    hall: Arc<Hall>,
    places: Places,
) {
    let login = Login::new(
        Arc::clone(&hall.desk),
        origin,
        Arc::clone(&hall.roster),
        Arc::clone(&hall.passwords),
    );
    let (end, mut ended_because) = watch::channel(None);
    let login = Arc::new(Mutex::new(login));
    let visit = Visit {
        origin,
        hall: Arc::clone(&hall),
        link: Arc::clone(&link),
        login: Arc::clone(&login),
        places: Some(places),
        end,
        seat: None,
    };
    let login_timeout = hall.desk.config.now().sftp.login_timeout;
    let socket = Socket::new(tcp, Arc::clone(&link), login_timeout, hall.cut_off.clone());
    let started = run_stream(ssh, socket, Session::new(visit)).await;
    let ended = match started {
        Err(error) => Err(error),
        Ok(mut session) => {
            let handle = session.handle();
            let mut stopping = hall.stopping.clone();
            let why = tokio::select! {
                ended = &mut session => return record_end(&hall, origin, &link, &login, ended).await,
                () = until_true(&mut stopping) => {
                    "this server stops; connect again in a moment".to_owned()
                }
                why = until_told(&mut ended_because) => why,
            };
            drop(handle.disconnect(Disconnect::ByApplication, why, "en".to_owned()).await);
            match tokio::time::timeout(GRACE, session).await {
                Ok(ended) => ended,
                Err(_) => Ok(()),
            }
        }
    };
    record_end(&hall, origin, &link, &login, ended).await;
}

/// Waits until somebody says why the connection is ended; for ever if nobody does.
async fn until_told(why: &mut watch::Receiver<Option<String>>) -> String {
    let told = why.wait_for(Option::is_some).await.ok().and_then(|told| told.clone());
    match told {
        Some(told) => told,
        None => std::future::pending().await,
    }
}

/// Records a connection that ended without a login.
async fn record_end(
    hall: &Hall,
    origin: IpAddr,
    link: &Link,
    login: &Mutex<Login>,
    ended: Result<(), Error>,
) {
    let client = client(link);
    if let Err(error) = &ended {
        tracing::debug!(from = %origin, client, %error, "a connection ended");
    }
    if link.is_logged_in() {
        return;
    }
    let attempt = login.lock().await.attempt().clone();
    if let Some(offence) = offence(hall, link, &attempt, &ended) {
        penalise(hall, origin, offence);
    }
    let from = origin.to_string();
    let event = if !attempt.user.is_empty() {
        let (user, offered) = (attempt.user, attempt.offered.join(", "));
        Event::LoginRefused { user, from, client, offered, reason: attempt.reason }
    } else if !client.is_empty() {
        let reason = why_not(&hall.desk, link, ended);
        Event::ConnectionRefused { from, client, reason }
    } else {
        // A connection that said nothing is a port scan or a health check: not worth an event.
        return;
    };
    if hall.strangers.may_note() {
        note(&hall.desk, event);
    } else {
        tracing::warn!(?event, "too many of these to keep");
    }
}

/// What a connection that never logged in is to be blamed for; nothing when we ended it.
fn offence(
    hall: &Hall,
    link: &Link,
    attempt: &Attempt,
    ended: &Result<(), Error>,
) -> Option<Offence> {
    if *hall.stopping.borrow() || link.has_to_make_room() {
        return None;
    }
    Some(match ended {
        Err(Error::Ssh(russh::Error::Join(_))) => Offence::Crash,
        Err(_) | Ok(()) if link.is_late() => Offence::Late,
        Err(_) | Ok(()) if attempt.user.is_empty() => Offence::NoAttempt,
        Err(_) | Ok(()) => Offence::Refused,
    })
}

/// Adds to a source's penalty. When it begins to be turned away, that is saved and an event.
fn penalise(hall: &Hall, origin: IpAddr, offence: Offence) {
    let (now, exempt) = (hall.desk.clock.now(), &hall.desk.config.now().sftp.penalty_exempt);
    let added = hall.penalties.add(origin, offence, exempt, now);
    let Some(Penalised { source, until, .. }) = added else { return };
    let reason = offence.as_str().to_owned();
    let event = Event::SourcePenalised { source: source.to_string(), until, reason };
    if !hall.strangers.may_note() {
        return tracing::warn!(?event, "too many of these to keep");
    }
    hall.penalties.save(now);
    note(&hall.desk, event);
}

/// Why a connection never came to a login, for the operator.
fn why_not(desk: &Desk, link: &Link, ended: Result<(), Error>) -> String {
    match ended {
        _ if link.has_to_make_room() => {
            "it made room for newcomers before it tried to log in".to_owned()
        }
        _ if link.is_late() => {
            format!("no login within {} s", desk.config.now().sftp.login_timeout.as_secs())
        }
        Err(Error::Ssh(russh::Error::NoCommonAlgo { kind, ours, theirs })) => format!(
            "no algorithm in common ({kind:?}): the client offers {}; this server allows {}. A \
             newer client mends it, or a listener for old ones: `[sftp.legacy]`",
            theirs.join(","),
            ours.join(",")
        ),
        Err(error) => error.to_string(),
        Ok(()) => {
            "the client left before it tried to log in, or its certificate has ended, has not \
                   begun or is not signed by its authority"
                .to_owned()
        }
    }
}

fn client(link: &Link) -> String {
    link.client().chars().take(CLIENT_CHARS_MAX).collect()
}

/// Keeps an event: one commit, on the connection's own thread.
fn note(desk: &Desk, event: Event) {
    desk.intake.note(event);
}
