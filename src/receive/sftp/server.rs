//! The listeners: who may connect, and how many at once.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, mpsc, watch};

use super::Desk;
use super::algorithms;
use super::auth::PASSWORDS_AT_ONCE;
use super::connection::{Hall, Notes, serve};
use super::crowd::{Crowd, Places};
use super::dialog::Speaker;
use super::keys::{self, KeyError};
use super::penalties::{Penalties, save_until};
use super::roster::{Roster, review_until};
use super::socket::{Link, until_true};
use super::sweep::sweep_until;
use super::threads::Threads;
use crate::config::partner::is_among;
use crate::diagnostic::on_one_line;

/// How long a stopping server waits for connections, and for what they left to be put in order.
const GRACE: Duration = Duration::from_secs(8);
/// How long to wait when the system has no descriptors left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// When a silent peer is asked by TCP whether it is still there.
const TCP_KEEPALIVE: Duration = Duration::from_secs(60);

/// The door could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The address cannot be listened on.
    #[error("cannot listen on {address}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The host key cannot be read or made.
    #[error("cannot use the host key")]
    HostKey(#[from] KeyError),
}

/// The SFTP door, listening but not yet serving.
pub struct Door {
    hardened: Listener,
    legacy: Option<Listener>,
    desk: Arc<Desk>,
    speaker: Option<Speaker>,
    penalties: Arc<Penalties>,
}

/// One address that is listened on.
struct Listener {
    tcp: TcpListener,
    address: SocketAddr,
    ssh: Arc<russh::server::Config>,
}

impl Listener {
    async fn bind(address: SocketAddr, ssh: russh::server::Config) -> Result<Self, Error> {
        let failed = |source| Error::Listen { address, source };
        let tcp = TcpListener::bind(address).await.map_err(failed)?;
        let address = tcp.local_addr().map_err(failed)?;
        Ok(Self { tcp, address, ssh: Arc::new(ssh) })
    }
}

impl Door {
    /// Listens, making the host key first if there is none. Port 0 lets the system choose.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn bind(desk: Desk, listen: SocketAddr) -> Result<Self, Error> {
        let hardened = Listener::bind(listen, hardened(&desk)?).await?;
        let legacy = match &desk.config.now().sftp.legacy {
            None => None,
            Some(legacy) => Some(Listener::bind(legacy.listen, self::legacy(&desk)?).await?),
        };
        let penalties = Arc::new(Penalties::load(&desk.zone));
        Ok(Self { hardened, legacy, desk: Arc::new(desk), speaker: None, penalties })
    }

    /// Has SFTP answered by something else than the partner's view; see [`super::dialog`].
    #[must_use]
    pub fn speaking(self, speaker: Speaker) -> Self {
        Self { speaker: Some(speaker), ..self }
    }

    /// Takes over for new connections what a reload changed, host keys included.
    fn renew(&mut self) {
        let renewed = hardened(&self.desk).and_then(|ssh| {
            if let Some(listener) = &mut self.legacy {
                listener.ssh = Arc::new(legacy(&self.desk)?);
            }
            self.hardened.ssh = Arc::new(ssh);
            Ok(())
        });
        if let Err(error) = renewed {
            let causes = on_one_line(&error);
            tracing::error!(%causes, "host keys cannot be read; the old ones stay");
        }
    }

    /// Where it listens.
    pub fn local_addr(&self) -> SocketAddr {
        self.hardened.address
    }

    /// Who is turned away.
    pub fn penalties(&self) -> Arc<Penalties> {
        Arc::clone(&self.penalties)
    }

    /// Where it listens for old clients, if it does.
    pub fn legacy_addr(&self) -> Option<SocketAddr> {
        self.legacy.as_ref().map(|listener| listener.address)
    }

    /// Serves until `shutdown` is true; then gives connections a few seconds to finish.
    pub async fn run(mut self, shutdown: watch::Receiver<bool>) {
        let (cut_off, cut_off_receiver) = watch::channel(false);
        let (busy, mut idle) = mpsc::channel::<()>(1);
        let roster = Arc::new(Roster::default());
        let hall = Arc::new(Hall {
            desk: Arc::clone(&self.desk),
            speaker: self.speaker.clone(),
            passwords: Arc::new(Semaphore::new(PASSWORDS_AT_ONCE)),
            roster: Arc::clone(&roster),
            stopping: shutdown.clone(),
            cut_off: cut_off_receiver,
            strangers: Notes::default(),
            penalties: Arc::clone(&self.penalties),
            busy,
        });
        let crowd = Crowd::default();
        let threads = Threads::default();
        let sweeping = tokio::spawn(sweep_until(Arc::clone(&self.desk), shutdown.clone()));
        let saving = tokio::spawn(save_until(
            Arc::clone(&self.penalties),
            self.desk.clock.clone(),
            shutdown.clone(),
        ));
        let reviewing =
            tokio::spawn(review_until(roster, Arc::clone(&self.desk), shutdown.clone()));
        let (mut stopping, mut reloads) = (shutdown, self.desk.config.subscribe());
        loop {
            let (accepted, is_legacy) = tokio::select! {
                accepted = self.hardened.tcp.accept() => (accepted, false),
                accepted = accept_legacy(&self.legacy) => (accepted, true),
                _ = reloads.changed() => {
                    self.renew();
                    continue;
                }
                () = until_true(&mut stopping) => break,
            };
            match accepted {
                Ok((tcp, peer)) => {
                    let legacy = self.legacy.as_ref().filter(|_| is_legacy);
                    let ssh = &legacy.unwrap_or(&self.hardened).ssh;
                    let origin = peer.ip().to_canonical();
                    if legacy.is_some() && !may_use_legacy(&self.desk, origin) {
                        continue;
                    }
                    if let Some((link, places)) = admit(&tcp, origin, &hall, &crowd) {
                        let hall = Arc::clone(&hall);
                        begin((tcp, origin, link), ssh, hall, places, &threads);
                    }
                }
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
        drop(hall);
        if tokio::time::timeout(GRACE, idle.recv()).await.is_err() {
            cut_off.send_replace(true);
            drop(tokio::time::timeout(GRACE, idle.recv()).await);
        }
        if tokio::task::spawn_blocking(|| threads.end()).await.is_err() {
            tracing::error!("the threads of the SFTP door were not ended in order");
        }
        for (task, what) in [(reviewing, "sessions"), (sweeping, "uploads"), (saving, "penalties")]
        {
            if let Err(error) = task.await {
                tracing::error!(%error, "{what} were not looked after");
            }
        }
    }
}

fn hardened(desk: &Desk) -> Result<russh::server::Config, KeyError> {
    let keys = vec![keys::host_key(&desk.zone)?];
    Ok(algorithms::hardened(keys, desk.config.now().sftp.idle_timeout))
}

fn legacy(desk: &Desk) -> Result<russh::server::Config, KeyError> {
    let keys = keys::legacy_host_keys(&desk.zone)?;
    Ok(algorithms::legacy(keys, desk.config.now().sftp.idle_timeout))
}

/// The next connection of an old client; never when there is no listener for them.
async fn accept_legacy(legacy: &Option<Listener>) -> io::Result<(TcpStream, SocketAddr)> {
    match legacy {
        Some(listener) => listener.tcp.accept().await,
        None => std::future::pending().await,
    }
}

fn may_use_legacy(desk: &Desk, origin: IpAddr) -> bool {
    let config = desk.config.now();
    let may = config.sftp.legacy.as_ref().is_some_and(|legacy| is_among(&legacy.from, origin));
    if !may {
        tracing::warn!(from = %origin, "turned away: not in `[sftp.legacy] from`");
    }
    may
}

/// Finds places for a connection, or turns it away.
fn admit(
    tcp: &TcpStream,
    origin: IpAddr,
    hall: &Hall,
    crowd: &Crowd,
) -> Option<(Arc<Link>, Places)> {
    let sftp = &hall.desk.config.now().sftp;
    // A line before the version is allowed (RFC 4253 section 4.2) and clients show it.
    if hall.penalties.forbid(origin, &sftp.penalty_exempt, hall.desk.clock.now()) {
        drop(tcp.try_write(b"Not allowed at this time; try again in some minutes.\r\n"));
        return None;
    }
    let link = Arc::new(Link::default());
    let Some(places) = crowd.admit(origin, &link, sftp) else {
        let told = b"Too many connections; try again in a minute.\r\n";
        tracing::warn!(from = %origin, "turned away: too many connections");
        drop(tcp.try_write(told));
        return None;
    };
    if let Err(error) = tcp.set_nodelay(true).and_then(|()| keep_alive(tcp)) {
        tracing::debug!(from = %origin, %error, "a socket option could not be set");
    }
    Some((link, places))
}

/// Serves a connection on a thread of its own choosing; its socket moves to that thread's event loop.
fn begin(
    (tcp, origin, link): (TcpStream, IpAddr, Arc<Link>),
    ssh: &Arc<russh::server::Config>,
    hall: Arc<Hall>,
    places: Places,
    threads: &Threads,
) {
    let ssh = Arc::clone(ssh);
    let begun = tcp.into_std().and_then(|tcp| {
        threads.spawn(async move {
            let busy = hall.busy.clone();
            match TcpStream::from_std(tcp) {
                Ok(tcp) => serve((tcp, origin, link), ssh, hall, places).await,
                Err(error) => tracing::warn!(from = %origin, %error, "a connection was lost"),
            }
            drop(busy);
        })
    });
    if let Err(error) = begun {
        tracing::error!(from = %origin, %error, "a connection could not be served");
    }
}

fn keep_alive(tcp: &TcpStream) -> io::Result<()> {
    rustix::net::sockopt::set_socket_keepalive(tcp, true)?;
    Ok(rustix::net::sockopt::set_tcp_keepidle(tcp, TCP_KEEPALIVE)?)
}
