//! The listeners: who may connect, and how many at once.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, mpsc, watch};

use super::Desk;
use super::algorithms;
use super::auth::PASSWORDS_AT_ONCE;
use super::connection::{Hall, Notes, serve};
use super::crowd::{Crowd, Places};
use super::keys::{self, KeyError};
use super::roster::{Roster, review_until};
use super::socket::{Link, until_true};
use super::sweep::sweep_until;
use super::threads::Threads;
use crate::config::partner::is_among;

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
    legacy: Option<(Listener, Vec<IpNet>)>,
    desk: Arc<Desk>,
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
        let config = desk.config.now();
        let idle_timeout = config.sftp.idle_timeout;
        let key = keys::host_key(&desk.zone)?;
        let hardened =
            Listener::bind(listen, algorithms::hardened(vec![key], idle_timeout)).await?;
        let legacy = match &config.sftp.legacy {
            None => None,
            Some(legacy) => {
                let keys = keys::legacy_host_keys(&desk.zone)?;
                let ssh = algorithms::legacy(keys, idle_timeout);
                Some((Listener::bind(legacy.listen, ssh).await?, legacy.from.clone()))
            }
        };
        Ok(Self { hardened, legacy, desk: Arc::new(desk) })
    }

    /// Where it listens.
    pub fn local_addr(&self) -> SocketAddr {
        self.hardened.address
    }

    /// Where it listens for old clients, if it does.
    pub fn legacy_addr(&self) -> Option<SocketAddr> {
        self.legacy.as_ref().map(|(listener, _)| listener.address)
    }

    /// Serves until `shutdown` is true; then gives connections a few seconds to finish.
    pub async fn run(self, shutdown: watch::Receiver<bool>) {
        let (cut_off, cut_off_receiver) = watch::channel(false);
        let (busy, mut idle) = mpsc::channel::<()>(1);
        let roster = Arc::new(Roster::default());
        let hall = Arc::new(Hall {
            desk: Arc::clone(&self.desk),
            passwords: Arc::new(Semaphore::new(PASSWORDS_AT_ONCE)),
            roster: Arc::clone(&roster),
            stopping: shutdown.clone(),
            cut_off: cut_off_receiver,
            strangers: Notes::default(),
            busy,
        });
        let crowd = Crowd::new(&self.desk.config.now().sftp);
        let threads = Threads::default();
        let sweeping = tokio::spawn(sweep_until(Arc::clone(&self.desk), shutdown.clone()));
        let reviewing =
            tokio::spawn(review_until(roster, Arc::clone(&self.desk), shutdown.clone()));
        let mut stopping = shutdown;
        loop {
            let (accepted, ssh, from) = tokio::select! {
                accepted = self.hardened.tcp.accept() => (accepted, &self.hardened.ssh, None),
                (accepted, ssh, from) = accept_legacy(&self.legacy) => (accepted, ssh, Some(from)),
                () = until_true(&mut stopping) => break,
            };
            match accepted {
                Ok((_, peer)) if from.is_some_and(|from| !is_among(from, peer.ip())) => {
                    tracing::warn!(from = %peer.ip(), "turned away: not in `[sftp.legacy] from`");
                }
                Ok((tcp, peer)) => {
                    let origin = peer.ip().to_canonical();
                    if let Some((link, places)) = admit(&tcp, origin, &crowd) {
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
        if let Err(error) = reviewing.await {
            tracing::error!(%error, "running sessions were not looked after");
        }
        if let Err(error) = sweeping.await {
            tracing::error!(%error, "uploads in progress were not looked after");
        }
    }
}

/// The next connection of an old client; never when there is no listener for them.
async fn accept_legacy(
    legacy: &Option<(Listener, Vec<IpNet>)>,
) -> (io::Result<(TcpStream, SocketAddr)>, &Arc<russh::server::Config>, &Vec<IpNet>) {
    match legacy {
        Some((listener, from)) => (listener.tcp.accept().await, &listener.ssh, from),
        None => std::future::pending().await,
    }
}

/// Finds places for a connection, or turns it away.
fn admit(tcp: &TcpStream, origin: IpAddr, crowd: &Crowd) -> Option<(Arc<Link>, Places)> {
    let link = Arc::new(Link::default());
    let Some(places) = crowd.admit(origin, &link) else {
        // A line before the version is allowed (RFC 4253 section 4.2) and clients show it.
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
