//! The answering side.

use std::fs::File;
use std::io::{self, Write as _};
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::net::UnixListener;
use tokio::sync::Semaphore;

use super::{Answer, REQUEST_BYTES_MAX, Request, ServerStatus, descriptor, with_socket_path};
use crate::clock::Clock;
use crate::config;
use crate::custody::Eraser;
use crate::diagnostic::{Code, Diagnostic};
use crate::durable;
use crate::evidence::Notary;
use crate::ledger::{Event, Ledger};
use crate::ops::doors::Doors;
use crate::ops::local::{self, LocalFile};
use crate::ops::{
    closing, custody, erase, excuse, hold, hostkeys, pulls, quarantine, replay, sinks, stalled,
};
use crate::receive::Intake;
use crate::receive::pull;
use crate::receive::sftp::Penalised;
use crate::zone::Zone;

/// Connections at a time; more wait.
const CONNECTIONS_MAX: usize = 64;
/// How long a connection may take to make its request, or to read an answer.
const PATIENCE: Duration = Duration::from_secs(10);
/// Events read from the ledger at a time.
const EVENTS_AT_A_TIME: u32 = 1000;

/// Reads `landfall.toml` again for somebody, or says why not.
pub type Reload = Box<dyn Fn(&str) -> Result<(), Diagnostic> + Send + Sync>;

/// What the server needs to answer.
pub struct Desk {
    /// The zone that is served.
    pub zone: Zone,
    /// Its configuration.
    pub config: config::Live,
    /// The time.
    pub clock: Clock,
    /// The way in.
    pub intake: Arc<dyn Intake>,
    /// Its ledger.
    pub ledger: Arc<dyn Ledger>,
    /// What erases its files.
    pub eraser: Arc<Eraser>,
    /// What it pulls.
    pub pulls: pull::Door,
    /// Which of its doors are down.
    pub doors: Doors,
    /// What [`Request::Status`] is answered with.
    pub status: ServerStatus,
    /// Called by [`Request::Stop`].
    pub stop: Box<dyn Fn() + Send + Sync>,
    /// Who is turned away.
    pub penalised: Box<dyn Fn() -> Vec<Penalised> + Send + Sync>,
    /// What signs its ledger.
    pub notary: Arc<Notary>,
    /// Called by [`Request::Reload`] with who asks.
    pub reload: Reload,
}

/// The bound socket. Its path is removed when it is dropped.
pub struct Server {
    listener: UnixListener,
    zone: Zone,
}

impl Drop for Server {
    fn drop(&mut self) {
        durable::remove_quietly(&self.zone.control_socket());
    }
}

impl Server {
    /// Binds a zone's socket; the caller holds the zone's lock, so a socket that is there is a dead
    /// server's. Must be called within a Tokio runtime.
    ///
    /// # Errors
    /// What the system said.
    pub fn bind(zone: &Zone) -> io::Result<Self> {
        durable::remove_quietly(&zone.control_socket());
        let listener = with_socket_path(zone, |path| UnixListener::bind(path))?;
        let owner_only = std::fs::Permissions::from_mode(0o600);
        std::fs::set_permissions(zone.control_socket(), owner_only)?;
        Ok(Self { listener, zone: zone.clone() })
    }

    /// Answers until `shutdown` is ready.
    pub async fn run(self, desk: Desk, shutdown: impl Future<Output = ()> + Send) {
        let desk = Arc::new(desk);
        let ending = Arc::new(AtomicBool::new(false));
        let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
        let accept = async {
            loop {
                let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
                let Some(stream) = self.accept().await else { continue };
                let (desk, ending) = (Arc::clone(&desk), Arc::clone(&ending));
                tokio::task::spawn_blocking(move || {
                    if let Err(error) = serve(&stream, &desk, &ending) {
                        tracing::debug!(%error, "a control connection ended early");
                    }
                    drop(place);
                });
            }
        };
        tokio::select! {
            () = accept => {}
            () = shutdown => {}
        }
        ending.store(true, Ordering::Relaxed);
    }

    /// The next connection of the server's own user or root.
    async fn accept(&self) -> Option<UnixStream> {
        let accepted = self.listener.accept().await.and_then(|(stream, _)| {
            let uid = stream.peer_cred()?.uid();
            let stream = stream.into_std()?;
            stream.set_nonblocking(false)?;
            stream.set_read_timeout(Some(PATIENCE))?;
            stream.set_write_timeout(Some(PATIENCE))?;
            Ok((stream, uid))
        });
        match accepted {
            Ok((stream, uid)) if uid == 0 || uid == rustix::process::geteuid().as_raw() => {
                Some(stream)
            }
            Ok((_, uid)) => {
                tracing::warn!(uid, "another user tried to use the control socket");
                None
            }
            Err(error) => {
                tracing::warn!(%error, "a control connection failed");
                tokio::time::sleep(Duration::from_millis(50)).await;
                None
            }
        }
    }
}

fn serve(stream: &UnixStream, desk: &Desk, ending: &AtomicBool) -> io::Result<()> {
    let Some((line, file)) = read_request(stream)? else { return Ok(()) };
    let answer = match serde_json::from_slice(&line) {
        Ok(Request::Events { after }) => return stream_events(stream, desk, ending, after),
        Ok(request) => answer(request, file.map(File::from), desk).unwrap_or_else(Answer::Refused),
        Err(error) => {
            Answer::Refused(Diagnostic::error(Code::Z105, "request unknown").caused_by(&error))
        }
    };
    write_line(stream, &answer)
}

/// One line and the descriptor that came with it; `None` when the peer closes without asking.
fn read_request(stream: &UnixStream) -> io::Result<Option<(Vec<u8>, Option<OwnedFd>)>> {
    let mut line = Vec::new();
    let mut descriptor = None;
    let mut buffer = [0; 4096];
    loop {
        let (count, received) = descriptor::receive(stream, &mut buffer)?;
        descriptor = descriptor.or(received);
        line.extend_from_slice(buffer.get(..count).unwrap_or_default());
        if line.last() == Some(&b'\n') {
            return Ok(Some((line, descriptor)));
        }
        if count == 0 {
            return Ok(None);
        }
        if line.len() as u64 > REQUEST_BYTES_MAX {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "request is too long"));
        }
    }
}

fn answer(request: Request, file: Option<File>, desk: &Desk) -> Result<Answer, Diagnostic> {
    match request {
        Request::Status => {
            let (config, penalised) = (desk.config.now().digest, (desk.penalised)());
            let failing = desk.notary.failing();
            let down = desk.doors.down();
            let status = desk.status.clone();
            Ok(Answer::Status(ServerStatus { config, penalised, failing, down, ..status }))
        }
        Request::Send { feed, name, modified_s, by } => {
            let file = file.ok_or_else(|| {
                Diagnostic::error(Code::Z105, "the request came without the file's descriptor")
            })?;
            let file = LocalFile { file, feed, name, modified_s, by };
            let arrival = local::take(&desk.zone, &desk.config.now(), desk.intake.as_ref(), file)?;
            Ok(Answer::Taken { id: arrival.id })
        }
        Request::PartnerChanged { partner, by, change } => {
            let event = Event::PartnerChanged { partner, by, change };
            desk.ledger.note(event).map_err(|error| {
                Diagnostic::error(Code::L101, "the change is not in the ledger").caused_by(&error)
            })?;
            Ok(Answer::Done)
        }
        Request::Decide(decision) => {
            let delivery = stalled::decide(desk.ledger.as_ref(), decision)?;
            Ok(Answer::Decided(Box::new(delivery)))
        }
        Request::CloseBatch(wish) => {
            let batch = closing::close(desk.ledger.as_ref(), &desk.config.now(), wish)?;
            let files = batch.members.len() as u64;
            Ok(Answer::Closed { sequence: batch.sequence, files })
        }
        Request::Sink(wish) => {
            sinks::apply(desk.ledger.as_ref(), &desk.config.now(), &wish).map(|()| Answer::Done)
        }
        Request::Pull { pull, by } => pulls::run(&desk.pulls, &pull, by).map(Answer::Pulled),
        Request::Replay(wish) => {
            let under_way = replay::ask(desk.ledger.as_ref(), &wish)?.len() as u64;
            Ok(Answer::Replaying { under_way })
        }
        Request::Judge(judgement) => {
            quarantine::judge(desk.ledger.as_ref(), judgement).map(|_| Answer::Done)
        }
        Request::Hold(wish) => hold::apply(desk.ledger.as_ref(), &wish).map(|()| Answer::Done),
        Request::Erase(wish) => {
            let done = erase::erase(&desk.zone, desk.ledger.as_ref(), &desk.eraser, wish)?;
            Ok(Answer::Erased(Box::new(done)))
        }
        Request::Excuse(wish) => {
            let (config, now) = (desk.config.now(), desk.clock.now());
            excuse::apply(desk.ledger.as_ref(), &config, now, &wish).map(|()| Answer::Done)
        }
        Request::Reload { by } => (desk.reload)(&by).map(|()| Answer::Done),
        Request::HostKey { step, by } => {
            let change = hostkeys::take(&desk.zone, desk.ledger.as_ref(), step, by)?;
            desk.config.look_again();
            Ok(Answer::HostKey { change })
        }
        Request::Verified(part) => custody::take(desk.ledger.as_ref(), part).map(|()| Answer::Done),
        Request::Stop => {
            (desk.stop)();
            Ok(Answer::Done)
        }
        // Answered with a stream before it comes here.
        Request::Events { .. } => Ok(Answer::Done),
    }
}

fn stream_events(
    stream: &UnixStream,
    desk: &Desk,
    ending: &AtomicBool,
    mut after: u64,
) -> io::Result<()> {
    loop {
        let ends = ending.load(Ordering::Relaxed);
        let events = desk.ledger.events(after, EVENTS_AT_A_TIME).map_err(io::Error::other)?;
        for recorded in &events {
            write_line(stream, recorded)?;
            after = recorded.sequence;
        }
        if !events.is_empty() {
            continue;
        }
        if ends || has_hung_up(stream) {
            return Ok(());
        }
        desk.ledger.wait_beyond(after, Duration::from_secs(1));
    }
}

/// Whether the peer has closed, which a follower does when it has seen enough.
fn has_hung_up(stream: &UnixStream) -> bool {
    use rustix::net::RecvFlags;
    let mut byte = [0; 1];
    let flags = RecvFlags::PEEK | RecvFlags::DONTWAIT;
    matches!(rustix::net::recv(stream, &mut byte, flags), Ok((_, 0)))
}

fn write_line(mut stream: &UnixStream, value: &impl serde::Serialize) -> io::Result<()> {
    let mut line = serde_json::to_vec(value)?;
    line.push(b'\n');
    stream.write_all(&line)
}
