//! The listener: who may connect, how many at once, and with which algorithms.

use std::borrow::Cow;
use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use russh::keys::{Algorithm, HashAlg, PrivateKey};
use russh::{Preferred, SshId, cipher, compression, kex, mac};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch};

use super::Desk;
use super::auth::{self, ATTEMPTS_MAX, PASSWORDS_AT_ONCE};
use super::connection::{Hall, Notes, serve};
use super::keys::{self, KeyError};
use super::roster::{Roster, review_until};
use super::sweep::sweep_until;

/// Bytes a client may send before it is told to go on.
const WINDOW_BYTES: u32 = 4 << 20;
/// The longest SSH packet of a channel.
const PACKET_BYTES: u32 = 65_535;
/// What a refused key takes at least; the password has its own.
const REFUSAL: Duration = Duration::from_millis(20);
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
    listener: TcpListener,
    address: SocketAddr,
    desk: Arc<Desk>,
    ssh: Arc<russh::server::Config>,
}

impl Door {
    /// Listens, making the host key first if there is none. Port 0 lets the system choose.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn bind(desk: Desk, listen: SocketAddr) -> Result<Self, Error> {
        let key = keys::host_key(&desk.zone)?;
        let failed = |source| Error::Listen { address: listen, source };
        let listener = TcpListener::bind(listen).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let ssh = Arc::new(ssh_config(key, desk.config.sftp.idle_timeout));
        Ok(Self { listener, address, desk: Arc::new(desk), ssh })
    }

    /// Where it listens.
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// Serves until `shutdown` is true; then gives connections a few seconds to finish.
    pub async fn run(self, shutdown: watch::Receiver<bool>) {
        let (cut_off, cut_off_receiver) = watch::channel(false);
        let (busy, mut idle) = mpsc::channel::<()>(1);
        let roster = Arc::new(Roster::default());
        let hall = Arc::new(Hall {
            desk: Arc::clone(&self.desk),
            ssh: Arc::clone(&self.ssh),
            passwords: Arc::new(Semaphore::new(PASSWORDS_AT_ONCE)),
            roster: Arc::clone(&roster),
            stopping: shutdown.clone(),
            cut_off: cut_off_receiver,
            strangers: Notes::default(),
            busy,
        });
        let crowd = Crowd::new(&self.desk);
        let sweeping = tokio::spawn(sweep_until(Arc::clone(&self.desk), shutdown.clone()));
        let reviewing =
            tokio::spawn(review_until(roster, Arc::clone(&self.desk), shutdown.clone()));
        let mut stopping = shutdown;
        loop {
            let accepted = tokio::select! {
                accepted = self.listener.accept() => accepted,
                () = until_true(&mut stopping) => break,
            };
            match accepted {
                Ok((tcp, peer)) => welcome(tcp, peer.ip(), &hall, &crowd),
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
        if let Err(error) = reviewing.await {
            tracing::error!(%error, "running sessions were not looked after");
        }
        if let Err(error) = sweeping.await {
            tracing::error!(%error, "uploads in progress were not looked after");
        }
    }
}

/// Waits until a flag is true or its owner is gone.
pub async fn until_true(flag: &mut watch::Receiver<bool>) {
    drop(flag.wait_for(|is_true| *is_true).await);
}

/// Begins to serve a connection, or turns it away.
fn welcome(tcp: TcpStream, origin: IpAddr, hall: &Arc<Hall>, crowd: &Crowd) {
    let Some(places) = crowd.admit(origin) else {
        // A line before the version is allowed (RFC 4253 section 4.2) and clients show it.
        let told = b"Too many connections; try again in a minute.\r\n";
        tracing::warn!(from = %origin, "turned away: too many connections");
        drop(tcp.try_write(told));
        return;
    };
    if let Err(error) = tcp.set_nodelay(true).and_then(|()| keep_alive(&tcp)) {
        tracing::debug!(from = %origin, %error, "a socket option could not be set");
    }
    let busy = hall.busy.clone();
    let hall = Arc::clone(hall);
    tokio::spawn(async move {
        serve(tcp, origin, hall, places).await;
        drop(busy);
    });
}

fn keep_alive(tcp: &TcpStream) -> io::Result<()> {
    rustix::net::sockopt::set_socket_keepalive(tcp, true)?;
    Ok(rustix::net::sockopt::set_tcp_keepidle(tcp, TCP_KEEPALIVE)?)
}

/// How many are connected, and how many of them have not logged in, in all and from one address.
struct Crowd {
    all: Arc<Semaphore>,
    strangers: Arc<Semaphore>,
    by_address: Arc<Mutex<HashMap<IpAddr, u32>>>,
    strangers_per_address: u32,
}

/// A connection's places in the crowd; dropping them frees them.
pub struct Places {
    _all: OwnedSemaphorePermit,
    stranger: Option<Stranger>,
}

struct Stranger {
    origin: IpAddr,
    by_address: Arc<Mutex<HashMap<IpAddr, u32>>>,
    _permit: OwnedSemaphorePermit,
}

impl Crowd {
    fn new(desk: &Desk) -> Self {
        let places = |count: u32| Arc::new(Semaphore::new(count as usize));
        let sftp = &desk.config.sftp;
        Self {
            all: places(sftp.connections_max),
            strangers: places(sftp.unauthenticated_max),
            by_address: Arc::default(),
            strangers_per_address: sftp.unauthenticated_per_address_max,
        }
    }

    fn admit(&self, origin: IpAddr) -> Option<Places> {
        let all = Arc::clone(&self.all).try_acquire_owned().ok()?;
        let permit = Arc::clone(&self.strangers).try_acquire_owned().ok()?;
        let mut by_address = self.by_address.lock().unwrap_or_else(PoisonError::into_inner);
        let here = by_address.entry(origin).or_default();
        if *here >= self.strangers_per_address {
            return None;
        }
        *here += 1;
        let by_address = Arc::clone(&self.by_address);
        let stranger = Some(Stranger { origin, by_address, _permit: permit });
        Some(Places { _all: all, stranger })
    }
}

impl Places {
    /// The connection has logged in and is a stranger no more.
    pub fn log_in(&mut self) {
        self.stranger = None;
    }
}

impl Drop for Stranger {
    fn drop(&mut self) {
        let mut by_address = self.by_address.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(here) = by_address.get_mut(&self.origin) {
            *here -= 1;
            if *here == 0 {
                by_address.remove(&self.origin);
            }
        }
    }
}

/// The hardened list: ssh-audit finds no failure in it. RSA entries are for partners' keys, which
/// are only verified; the host key is ed25519 (RUSTSEC-2023-0071).
fn ssh_config(key: PrivateKey, idle_timeout: Duration) -> russh::server::Config {
    const KEX: &[kex::Name] = &[
        kex::MLKEM768X25519_SHA256,
        kex::CURVE25519,
        kex::CURVE25519_PRE_RFC_8731,
        kex::DH_G16_SHA512,
        kex::DH_G18_SHA512,
        kex::EXTENSION_SUPPORT_AS_SERVER,
        kex::EXTENSION_OPENSSH_STRICT_KEX_AS_SERVER,
    ];
    const KEYS: &[Algorithm] = &[
        Algorithm::Ed25519,
        Algorithm::Rsa { hash: Some(HashAlg::Sha512) },
        Algorithm::Rsa { hash: Some(HashAlg::Sha256) },
    ];
    const CIPHERS: &[cipher::Name] = &[
        cipher::AES_256_GCM,
        cipher::AES_128_GCM,
        cipher::CHACHA20_POLY1305,
        cipher::AES_256_CTR,
        cipher::AES_192_CTR,
        cipher::AES_128_CTR,
    ];
    const MACS: &[mac::Name] = &[mac::HMAC_SHA512_ETM, mac::HMAC_SHA256_ETM];
    const COMPRESSIONS: &[compression::Name] = &[compression::NONE];
    russh::server::Config {
        server_id: SshId::Standard(Cow::Borrowed("SSH-2.0-landfall")),
        methods: auth::methods(),
        auth_rejection_time: REFUSAL,
        auth_rejection_time_initial: Some(Duration::ZERO),
        max_auth_attempts: ATTEMPTS_MAX as usize,
        keys: vec![key],
        preferred: Preferred {
            kex: Cow::Borrowed(KEX),
            key: Cow::Borrowed(KEYS),
            host_key_certificates: Cow::Borrowed(&[]),
            cipher: Cow::Borrowed(CIPHERS),
            mac: Cow::Borrowed(MACS),
            compression: Cow::Borrowed(COMPRESSIONS),
        },
        window_size: WINDOW_BYTES,
        maximum_packet_size: PACKET_BYTES,
        inactivity_timeout: Some(idle_timeout),
        nodelay: true,
        ..russh::server::Config::default()
    }
}
