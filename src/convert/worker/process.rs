//! One worker process as its parent sees it: started, limited, asked, watched, ended.

use std::fs;
use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, ChildStderr, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, Resource, Rlimit, prlimit};

use super::message::{Channel, Reply, Request};
use super::stop::Stop;
use super::turns::LONG;
use super::{Confinement, Error};
use crate::config;
use crate::convert::{Progress, shortage};

/// How often a running job's memory and time are looked at. A process can take some ten MiB in
/// that time; `RLIMIT_AS` bounds what it can take at once.
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// The niceness of a worker whose job takes long while others have some: beside a usual process it gets
/// a tenth (sched(7): a step is a quarter more or less).
const LONG_NICENESS: i32 = 10;
/// How long a started process may take to report that it is confined.
const READY_WITHIN: Duration = Duration::from_secs(30);
/// Descriptors a worker may have: standard ones, channel, a job's three and their copies.
const DESCRIPTORS_MAX: u64 = 64;
/// Address space beyond [`config::Workers::memory_bytes`]: threads' stacks and allocator arenas
/// reserve it without using it.
const ADDRESS_SPACE_FACTOR: u64 = 4;
const ADDRESS_SPACE_EXTRA_BYTES: u64 = 2 << 30;
/// What is kept of a worker's log; what it writes beyond is read and dropped.
const LOG_BYTES_MAX: usize = 4096;

/// A worker process; dropping it ends it.
#[derive(Debug)]
pub(super) struct Worker {
    child: Child,
    channel: Channel,
    log: Log,
    confinement: Option<Confinement>,
    /// Whose files it sees; nobody's, empty, while it is fresh.
    pub(super) owner: String,
    /// How many it has seen.
    pub(super) files: u32,
    /// Whether it lets others go first, for good.
    pub(super) has_yielded: bool,
}

/// What holds while a job runs.
pub(super) struct Watched<'a> {
    /// The limits.
    pub(super) limits: &'a config::Workers,
    /// Set while several owners have jobs.
    pub(super) is_shared: &'a AtomicBool,
    /// Set when the pool closes.
    pub(super) closed: &'a AtomicBool,
    /// Takes what the worker says of how far it has come.
    pub(super) progress: &'a Progress,
}

impl Worker {
    /// Starts a process. It reports when it is ready; nobody needs to wait for that here.
    ///
    /// The thread that calls this must live as long as the worker: `PR_SET_PDEATHSIG` speaks of
    /// threads, not processes.
    pub(super) fn start(program: &Path, limits: &config::Workers) -> io::Result<Self> {
        let (ours, theirs) = UnixStream::pair()?;
        ours.set_nonblocking(true)?;
        let mut child = Command::new(program)
            .arg("worker")
            .env_clear()
            .current_dir("/")
            .stdin(OwnedFd::from(theirs))
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            // A terminal's interrupt is for the parent, which decides what becomes of its workers.
            .process_group(0)
            .spawn()?;
        let log = Log { pipe: child.stderr.take(), tail: String::new() };
        let worker = Self {
            child,
            channel: Channel::new(ours),
            log,
            confinement: None,
            owner: String::new(),
            files: 0,
            has_yielded: false,
        };
        worker.limit(limits)?;
        Ok(worker)
    }

    /// Sets what holds for all its files. The process is too young to have done anything, and its
    /// system-call list forbids it to change limits.
    fn limit(&self, limits: &config::Workers) -> io::Result<()> {
        let address_space = limits
            .memory_bytes
            .saturating_mul(ADDRESS_SPACE_FACTOR)
            .saturating_add(ADDRESS_SPACE_EXTRA_BYTES);
        let ceilings = [
            (Resource::As, address_space),
            (Resource::Fsize, limits.output_bytes),
            (Resource::Nofile, DESCRIPTORS_MAX),
            (Resource::Core, 0),
        ];
        for (resource, most) in ceilings {
            let most = Some(most);
            prlimit(Some(self.pid()?), resource, Rlimit { current: most, maximum: most })?;
        }
        Ok(())
    }

    /// Allows so much processor time from now on.
    fn allow_processor(&self, time: Duration) -> io::Result<()> {
        let used = processor_seconds(self.child.id())?;
        let soft = used.saturating_add(time.as_secs().max(1)).saturating_add(1);
        let limit = Rlimit { current: Some(soft), maximum: None };
        prlimit(Some(self.pid()?), Resource::Cpu, limit)?;
        Ok(())
    }

    /// Asks and waits for the answer within the limits. After an error the worker is of no use.
    pub(super) fn ask(
        &mut self,
        request: &Request,
        descriptors: &[BorrowedFd<'_>],
        watched: &Watched<'_>,
    ) -> Result<Reply, Stop> {
        self.await_ready(watched)?;
        self.allow_processor(watched.limits.cpu).map_err(|error| self.ended(&error))?;
        self.exchange(Some((request, descriptors)), watched.limits.time, watched)
    }

    /// What it reported when it was ready; `None` before its first request.
    pub(super) fn confinement(&self) -> Option<&Confinement> {
        self.confinement.as_ref()
    }

    /// Its resident memory now.
    pub(super) fn resident_bytes(&self) -> u64 {
        resident_bytes(self.child.id()).unwrap_or(0)
    }

    fn await_ready(&mut self, watched: &Watched<'_>) -> Result<(), Stop> {
        if self.confinement.is_some() {
            return Ok(());
        }
        let unusable = |why: String| Stop::Blameless(Error::Unusable(why));
        let confinement = match self.exchange(None, READY_WITHIN, watched) {
            Ok(Reply::Ready(confinement)) => confinement,
            Ok(Reply::Reached(_) | Reply::Converted(_) | Reply::Tried(_)) => {
                return Err(unusable("it answered before it was asked".to_owned()));
            }
            Err(Stop::Crash(how)) => {
                return Err(unusable(format!("{how}; {}", self.log.tail.trim())));
            }
            Err(Stop::Time) => return Err(unusable("it was not ready in time".to_owned())),
            Err(stop) => return Err(stop),
        };
        if confinement.converter != crate::convert::VERSION {
            let other = &confinement.converter;
            return Err(unusable(format!("it is {other}, not {}", crate::convert::VERSION)));
        }
        tracing::debug!(pid = self.child.id(), ?confinement, "converter worker ready");
        self.confinement = Some(confinement);
        Ok(())
    }

    fn exchange(
        &mut self,
        request: Option<(&Request, &[BorrowedFd<'_>])>,
        time: Duration,
        watched: &Watched<'_>,
    ) -> Result<Reply, Stop> {
        let mut watch = Watch {
            pid: self.child.id(),
            channel: self.channel.as_fd(),
            log: &mut self.log,
            yields_at: (!self.has_yielded).then(|| Instant::now() + LONG),
            deadline: Instant::now() + time,
            next_look: Instant::now(),
            watched,
            stop: None,
        };
        let mut wait = |ready| watch.wait(ready);
        let sent = match request {
            Some((request, descriptors)) => self.channel.send(request, descriptors, &mut wait),
            None => Ok(()),
        };
        let mut answer = sent.and_then(|()| self.channel.receive(&mut wait));
        while let Ok(Some((Reply::Reached(reached), _))) = &answer {
            watched.progress.reach(*reached);
            // However much it tells, its limits are looked at.
            answer = wait(PollFlags::IN).and_then(|()| self.channel.receive(&mut wait));
        }
        self.has_yielded = watch.yields_at.is_none();
        match (watch.stop, answer) {
            (Some(stop), _) => Err(stop),
            (None, Ok(Some((reply, _)))) => Ok(reply),
            // Closing also ends the thread that started it, and it with it.
            (None, _) if watched.closed.load(Ordering::Relaxed) => {
                Err(Stop::Blameless(Error::Closed))
            }
            (None, Ok(None)) => Err(self.ended(&io::Error::other("it closed the channel"))),
            (None, Err(error)) => Err(self.ended(&error)),
        }
    }

    /// Ends it, if it has not ended, and reads how. A kill does not change how a process that is
    /// already exiting is reported to have ended.
    fn ended(&mut self, error: &io::Error) -> Stop {
        let status = match self.child.try_wait() {
            Ok(None) => self.child.kill().and_then(|()| self.child.wait()),
            Ok(Some(status)) => Ok(status),
            Err(error) => Err(error),
        };
        self.log.read();
        let log = &self.log.tail;
        tracing::error!(pid = self.child.id(), ?status, %error, log, "converter worker ended");
        // What this process is short of says nothing of the worker, nor of its file.
        if shortage::within(error) {
            return Stop::Blameless(Error::short(error));
        }
        match status {
            Ok(status) => Stop::of_exit(status, log),
            Err(error) => Stop::Crash(error.to_string()),
        }
    }

    fn pid(&self) -> io::Result<Pid> {
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        pid.ok_or_else(|| io::Error::other("no such process id"))
    }
}

impl Drop for Worker {
    /// An idle worker has nothing to lose; a busy one has lost its job already.
    fn drop(&mut self) {
        let ended = self.child.kill().and_then(|()| self.child.wait());
        if let Err(error) = ended {
            tracing::warn!(pid = self.child.id(), %error, "could not end a converter worker");
        }
    }
}

/// A job's limits at work while the parent waits.
struct Watch<'a> {
    pid: u32,
    channel: BorrowedFd<'a>,
    log: &'a mut Log,
    /// When it begins to let others go first; `None` once it does.
    yields_at: Option<Instant>,
    deadline: Instant,
    next_look: Instant,
    watched: &'a Watched<'a>,
    stop: Option<Stop>,
}

impl Watch<'_> {
    /// Waits until the channel is ready, looking after the limits meanwhile.
    fn wait(&mut self, ready: PollFlags) -> io::Result<()> {
        loop {
            let channel_is_ready = self.poll(ready)?;
            if Instant::now() >= self.next_look {
                self.next_look = Instant::now() + LOOK_EVERY;
                self.yield_when_long();
                if let Some(stop) = self.look() {
                    self.stop = Some(stop);
                    return Err(io::Error::other("stopped"));
                }
            }
            if channel_is_ready {
                return Ok(());
            }
        }
    }

    fn poll(&mut self, ready: PollFlags) -> io::Result<bool> {
        let timeout = Timespec { tv_sec: 0, tv_nsec: LOOK_EVERY.subsec_nanos().into() };
        let mut polled = vec![PollFd::from_borrowed_fd(self.channel, ready)];
        if let Some(pipe) = &self.log.pipe {
            polled.push(PollFd::new(pipe, PollFlags::IN));
        }
        match poll(&mut polled, Some(&timeout)) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        let stirred = |polled: &PollFd<'_>| !polled.revents().is_empty();
        let channel_is_ready = polled.first().is_some_and(stirred);
        if polled.get(1).is_some_and(stirred) {
            self.log.read_once();
        }
        Ok(channel_is_ready)
    }

    /// A file that takes long goes on with what processor time other senders' leave. Only somebody with
    /// more rights could take that back, so that it is done only once there are others.
    fn yield_when_long(&mut self) {
        if !self.watched.is_shared.load(Ordering::Relaxed)
            || self.yields_at.take_if(|at| Instant::now() >= *at).is_none()
        {
            return;
        }
        // Its threads have a priority each; it is in a process group of its own.
        let group = i32::try_from(self.pid).ok().and_then(Pid::from_raw);
        if let Err(error) = rustix::process::setpriority_pgrp(group, LONG_NICENESS) {
            tracing::debug!(pid = self.pid, %error, "a long conversion keeps its priority");
        }
    }

    fn look(&self) -> Option<Stop> {
        if self.watched.closed.load(Ordering::Relaxed) {
            return Some(Stop::Blameless(Error::Closed));
        }
        if Instant::now() >= self.deadline {
            return Some(Stop::Time);
        }
        let resident = resident_bytes(self.pid)?;
        (resident > self.watched.limits.memory_bytes).then_some(Stop::Memory)
    }
}

/// The beginning of what a worker writes to standard error.
#[derive(Debug)]
struct Log {
    pipe: Option<ChildStderr>,
    tail: String,
}

impl Log {
    /// Reads what is there; the pipe was polled, so this does not block.
    fn read_once(&mut self) {
        let Some(pipe) = &mut self.pipe else { return };
        let mut buffer = [0; 1024];
        match pipe.read(&mut buffer) {
            Ok(0) | Err(_) => self.pipe = None,
            Ok(count) => {
                let text = String::from_utf8_lossy(buffer.get(..count).unwrap_or_default());
                let room = LOG_BYTES_MAX.saturating_sub(self.tail.len());
                self.tail.extend(text.chars().filter(|c| !c.is_control() || *c == '\n').take(room));
            }
        }
    }

    /// Reads to the end; the process has ended, so this does not block.
    fn read(&mut self) {
        while self.pipe.is_some() {
            self.read_once();
        }
    }
}

/// Resident memory by `/proc/<pid>/statm` (proc(5)), which counts pages.
fn resident_bytes(pid: u32) -> Option<u64> {
    let text = fs::read_to_string(format!("/proc/{pid}/statm")).ok()?;
    let pages: u64 = text.split(' ').nth(1)?.parse().ok()?;
    Some(pages.saturating_mul(rustix::param::page_size() as u64))
}

/// User and system time by `/proc/<pid>/stat` (proc(5)): fields 14 and 15, counted after the name,
/// which may hold anything up to its last parenthesis.
fn processor_seconds(pid: u32) -> io::Result<u64> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let fields = text.rsplit_once(") ").map(|(_, fields)| fields.split(' ').skip(11).take(2));
    let ticks: u64 = fields.into_iter().flatten().filter_map(|f| f.parse::<u64>().ok()).sum();
    Ok(ticks / rustix::param::clock_ticks_per_second().max(1))
}
