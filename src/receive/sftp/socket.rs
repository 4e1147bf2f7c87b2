//! A peer's TCP connection as russh reads and writes it.
//!
//! Reads are buffered: little before login, much after. Every read and write fails once the
//! connection has to end: at the login deadline, whatever was sent until then, and when the server
//! stops. russh has neither. Before encryption packets are short.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::Sleep;

use super::cleartext::Cleartext;
use super::throttle::Throttle;

/// Read buffer of a peer that is not logged in.
const BUFFER_BYTES_BEFORE_LOGIN: usize = 2 * 1024;
/// Read buffer of a peer that is logged in.
const BUFFER_BYTES: usize = 256 * 1024;
/// Bytes of the line a peer introduces itself with (RFC 4253 section 4.2).
const CLIENT_BYTES_MAX: usize = 255;

/// Waits until a flag is true or its owner is gone.
pub async fn until_true(flag: &mut watch::Receiver<bool>) {
    drop(flag.wait_for(|is_true| *is_true).await);
}

/// How far a peer has come that has not logged in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Progress {
    /// It said nothing, or nothing that looks like SSH.
    Silent,
    /// It said so much that a key exchange has begun.
    KeyExchange,
    /// It tried to log in.
    TriedToLogIn,
}

/// Bytes from which on a peer that speaks SSH has begun its key exchange: a KEXINIT has more.
const KEY_EXCHANGE_BYTES: usize = 256;

/// What is known of a connection on both sides of russh.
#[derive(Debug, Default)]
pub struct Link {
    /// A [`Progress`].
    progress: AtomicU8,
    heard_bytes: AtomicUsize,
    leaving: watch::Sender<bool>,
    is_logged_in: AtomicBool,
    is_late: AtomicBool,
    client: Mutex<Vec<u8>>,
    throttle: OnceLock<Arc<Throttle>>,
}

impl Link {
    /// The peer has logged in: no deadline any more, but perhaps a limit on its speed.
    pub fn log_in(&self, throttle: Option<Arc<Throttle>>) {
        if let Some(throttle) = throttle {
            self.throttle.get_or_init(|| throttle);
        }
        self.is_logged_in.store(true, Ordering::Release);
    }

    /// How far the peer has come.
    pub fn progress(&self) -> Progress {
        match self.progress.load(Ordering::Acquire) {
            0 => Progress::Silent,
            1 => Progress::KeyExchange,
            _ => Progress::TriedToLogIn,
        }
    }

    /// The peer tries to log in.
    pub fn try_to_log_in(&self) {
        self.progress.fetch_max(Progress::TriedToLogIn as u8, Ordering::AcqRel);
    }

    /// Ends the connection in favour of another.
    pub fn make_room(&self) {
        self.leaving.send_replace(true);
    }

    /// Whether the connection was ended in favour of another.
    pub fn has_to_make_room(&self) -> bool {
        *self.leaving.borrow()
    }

    /// Whether the peer has logged in.
    pub fn is_logged_in(&self) -> bool {
        self.is_logged_in.load(Ordering::Acquire)
    }

    /// Whether the login deadline ended the connection.
    pub fn is_late(&self) -> bool {
        self.is_late.load(Ordering::Acquire)
    }

    /// The line the client introduced itself with, such as `SSH-2.0-OpenSSH_9.2p1`; empty when it
    /// sent none.
    pub fn client(&self) -> String {
        let client = self.client.lock().unwrap_or_else(PoisonError::into_inner);
        let line = client.split(|b| matches!(b, b'\r' | b'\n')).next().unwrap_or_default();
        String::from_utf8_lossy(line).chars().filter(|c| !c.is_control()).collect()
    }

    fn learn_client(&self, bytes: &[u8]) {
        let heard = self.heard_bytes.fetch_add(bytes.len(), Ordering::Relaxed) + bytes.len();
        if heard >= KEY_EXCHANGE_BYTES && self.client().starts_with("SSH-2.0-") {
            self.progress.fetch_max(Progress::KeyExchange as u8, Ordering::AcqRel);
        }
        let mut client = self.client.lock().unwrap_or_else(PoisonError::into_inner);
        if client.len() < CLIENT_BYTES_MAX && !client.contains(&b'\n') {
            let most = bytes.len().min(CLIENT_BYTES_MAX - client.len());
            client.extend_from_slice(bytes.get(..most).unwrap_or_default());
        }
    }
}

/// The connection.
pub struct Socket {
    tcp: TcpStream,
    link: Arc<Link>,
    cleartext: Cleartext,
    buffer: Vec<u8>,
    filled: usize,
    taken: usize,
    deadline: Pin<Box<Sleep>>,
    stop: Pin<Box<dyn Future<Output = ()> + Send>>,
    /// Until when nothing is read, because of a [`Throttle`].
    read_pause: Option<Pin<Box<Sleep>>>,
    /// Until when nothing is written.
    write_pause: Option<Pin<Box<Sleep>>>,
}

impl Socket {
    /// Wraps a connection that must log in within `login_timeout` and ends when `stop` is true.
    pub fn new(
        tcp: TcpStream,
        link: Arc<Link>,
        login_timeout: Duration,
        mut stop: watch::Receiver<bool>,
    ) -> Self {
        let mut leaving = link.leaving.subscribe();
        let stop = async move {
            tokio::select! {
                () = until_true(&mut stop) => {}
                () = until_true(&mut leaving) => {}
            }
        };
        Self {
            tcp,
            link,
            cleartext: Cleartext::Version,
            buffer: vec![0; BUFFER_BYTES_BEFORE_LOGIN],
            filled: 0,
            taken: 0,
            deadline: Box::pin(tokio::time::sleep(login_timeout)),
            stop: Box::pin(stop),
            read_pause: None,
            write_pause: None,
        }
    }

    fn check(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        if self.stop.as_mut().poll(cx).is_ready() {
            return Err(io::Error::new(io::ErrorKind::ConnectionAborted, "the server stops"));
        }
        let is_logged_in = self.link.is_logged_in.load(Ordering::Acquire);
        if !is_logged_in && self.deadline.as_mut().poll(cx).is_ready() {
            self.link.is_late.store(true, Ordering::Release);
            return Err(io::Error::new(io::ErrorKind::TimedOut, "no login in time"));
        }
        if is_logged_in && self.buffer.len() < BUFFER_BYTES && self.taken == self.filled {
            self.buffer = vec![0; BUFFER_BYTES];
        }
        Ok(())
    }

    fn fill(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(wait_for(&mut self.read_pause, cx));
        (self.taken, self.filled) = (0, 0);
        let mut free = ReadBuf::new(&mut self.buffer);
        ready!(Pin::new(&mut self.tcp).poll_read(cx, &mut free))?;
        self.filled = free.filled().len();
        if let Some(throttle) = self.link.throttle.get() {
            self.read_pause = pause(throttle.after_reading(self.filled));
        }
        if !self.link.is_logged_in.load(Ordering::Relaxed) {
            let heard = self.buffer.get(..self.filled).unwrap_or_default();
            self.link.learn_client(heard);
            self.cleartext.follow(heard)?;
        }
        Poll::Ready(Ok(()))
    }
}

fn pause(wait: Duration) -> Option<Pin<Box<Sleep>>> {
    (!wait.is_zero()).then(|| Box::pin(tokio::time::sleep(wait)))
}

fn wait_for(pause: &mut Option<Pin<Box<Sleep>>>, cx: &mut Context<'_>) -> Poll<()> {
    if let Some(sleep) = pause {
        ready!(sleep.as_mut().poll(cx));
        *pause = None;
    }
    Poll::Ready(())
}

impl AsyncRead for Socket {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        this.check(cx)?;
        if this.taken == this.filled {
            ready!(this.fill(cx))?;
        }
        let ready = this.buffer.get(this.taken..this.filled).unwrap_or_default();
        let count = ready.len().min(into.remaining());
        into.put_slice(ready.get(..count).unwrap_or_default());
        this.taken += count;
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        this.check(cx)?;
        ready!(wait_for(&mut this.write_pause, cx));
        let written = ready!(Pin::new(&mut this.tcp).poll_write(cx, bytes))?;
        if let Some(throttle) = this.link.throttle.get() {
            this.write_pause = pause(throttle.after_writing(written));
        }
        Poll::Ready(Ok(written))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().tcp).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().tcp).poll_shutdown(cx)
    }
}
