//! Runs a command of the configuration: an argument vector, never a shell.
//!
//! Its input is given to it, its output is taken as it comes, and the ends of both outputs are kept
//! for the words of a failure. It has a process group of its own, which is killed as a whole when its
//! time is over. Nothing waits for a process that it leaves behind.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags};
use rustix::fs::OFlags;
use rustix::process::{Pid, PidfdFlags, Signal};

/// Bytes of a command's last words that are kept.
pub const LAST_BYTES_MAX: usize = 3 << 10;
/// How often a running command looks whether the server stops.
const STOP_LOOK: Duration = Duration::from_millis(250);
/// Bytes moved at once to or from a command.
const PIECE_BYTES: usize = 64 << 10;

/// How a command ended.
#[derive(Debug)]
pub enum Ended {
    /// By itself.
    Exited(ExitStatus, LastWords),
    /// It was killed when its time was over.
    TimedOut(LastWords),
    /// It was killed because the server stops.
    Stopped,
}

/// The end of what a command wrote, on both outputs, as it came.
#[derive(Debug, Default)]
pub struct LastWords(Vec<u8>);

impl LastWords {
    /// As text without the white space around it; `None` when there is nothing.
    pub fn text(&self) -> Option<String> {
        let text = String::from_utf8_lossy(&self.0).trim().to_owned();
        (!text.is_empty()).then_some(text)
    }

    fn keep(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
        let over = self.0.len().saturating_sub(LAST_BYTES_MAX);
        self.0.drain(..over);
    }
}

/// Takes what a command writes on standard output. An error ends the command.
pub type Take<'t> = &'t mut dyn FnMut(&[u8]) -> io::Result<()>;

/// Which of a command's standard output belongs to its last words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Speech {
    /// All that it writes is said to a person.
    Both,
    /// Standard output is data.
    Errors,
}

/// How long a command may run.
#[derive(Debug, Clone, Copy)]
pub struct Until<'s> {
    /// Its time.
    pub timeout: Duration,
    /// Set when the server stops.
    pub stop: &'s AtomicBool,
}

/// Where a program lies: one with a `/` in its name is relative to the zone, as everything else in
/// the configuration is.
pub fn program(zone: &Path, name: &str) -> PathBuf {
    if name.contains('/') { zone.join(name) } else { PathBuf::from(name) }
}

/// Runs a command to its end, to its timeout or until it is to stop. Blocks.
///
/// # Errors
/// What the system said, or `take`.
pub fn run(
    command: &mut Command,
    input: &[u8],
    (speech, take): (Speech, Take<'_>),
    until: Until<'_>,
) -> io::Result<Ended> {
    let deadline = Instant::now() + until.timeout;
    let mut run = start(command, input)?;
    run.finish(speech, take, (deadline, until.stop))
}

#[derive(Clone, Copy)]
enum Stream {
    Output,
    Errors,
}

/// A command that runs, with what is still open of it.
struct Run<'i> {
    child: Child,
    pid: Pid,
    ended: OwnedFd,
    input: Option<OwnedFd>,
    /// What it has not taken yet.
    left: &'i [u8],
    outputs: Vec<(Stream, OwnedFd)>,
    last: LastWords,
}

fn start<'i>(command: &mut Command, input: &'i [u8]) -> io::Result<Run<'i>> {
    let mut child = command
        .process_group(0)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    let pid = Pid::from_child(&child);
    let ended = rustix::process::pidfd_open(pid, PidfdFlags::empty())?;
    let pipe = child.stdin.take().map(OwnedFd::from);
    let output = child.stdout.take().map(|pipe| (Stream::Output, OwnedFd::from(pipe)));
    let errors = child.stderr.take().map(|pipe| (Stream::Errors, OwnedFd::from(pipe)));
    let outputs: Vec<_> = output.into_iter().chain(errors).collect();
    for pipe in outputs.iter().map(|(_, pipe)| pipe).chain(&pipe) {
        let flags = rustix::fs::fcntl_getfl(pipe)?;
        rustix::fs::fcntl_setfl(pipe, flags | OFlags::NONBLOCK)?;
    }
    Ok(Run { child, pid, ended, input: pipe, left: input, outputs, last: LastWords::default() })
}

impl Run<'_> {
    fn finish(
        &mut self,
        speech: Speech,
        take: Take<'_>,
        (deadline, stop): (Instant, &AtomicBool),
    ) -> io::Result<Ended> {
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                self.read(speech, take)?;
                return Ok(Ended::TimedOut(std::mem::take(&mut self.last)));
            }
            if stop.load(Ordering::Relaxed) {
                return Ok(Ended::Stopped);
            }
            let exited = self.wait(left.min(STOP_LOOK))?;
            self.write();
            // All that the command itself wrote is in the pipes by now. A process that it left
            // behind may hold them open for ever: nothing waits for their end.
            self.read(speech, take)?;
            if exited {
                let status = self.child.wait()?;
                return Ok(Ended::Exited(status, std::mem::take(&mut self.last)));
            }
        }
    }

    /// Waits until something can be done; whether the command has ended.
    fn wait(&self, at_most: Duration) -> io::Result<bool> {
        let mut polled = vec![PollFd::new(&self.ended, PollFlags::IN)];
        polled.extend(self.outputs.iter().map(|(_, pipe)| PollFd::new(pipe, PollFlags::IN)));
        polled.extend(self.input.iter().map(|pipe| PollFd::new(pipe, PollFlags::OUT)));
        let at_most = at_most.try_into().map_err(io::Error::other)?;
        match rustix::event::poll(&mut polled, Some(&at_most)) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        Ok(polled.first().is_some_and(|ended| !ended.revents().is_empty()))
    }

    /// Gives the command more of its input. One that does not read it is left alone.
    fn write(&mut self) {
        while let Some(pipe) = &self.input {
            let piece = self.left.get(..PIECE_BYTES).unwrap_or(self.left);
            let written =
                if piece.is_empty() { Ok(0) } else { rustix::io::write(pipe.as_fd(), piece) };
            match written {
                Ok(0) => self.input = None,
                Ok(count) => self.left = self.left.get(count..).unwrap_or_default(),
                Err(rustix::io::Errno::INTR) => {}
                Err(rustix::io::Errno::AGAIN) => return,
                Err(_) => self.input = None,
            }
        }
    }

    /// Takes what the command wrote so far.
    fn read(&mut self, speech: Speech, take: Take<'_>) -> io::Result<()> {
        let (last, mut taken) = (&mut self.last, Ok(()));
        let mut keep = |stream, bytes: &[u8]| match (stream, speech) {
            (Stream::Output, Speech::Both) => {
                last.keep(bytes);
                taken = take(bytes);
                taken.is_ok()
            }
            (Stream::Output, Speech::Errors) => {
                taken = take(bytes);
                taken.is_ok()
            }
            (Stream::Errors, _) => {
                last.keep(bytes);
                true
            }
        };
        self.outputs.retain(|(stream, pipe)| read_all(pipe, |bytes| keep(*stream, bytes)));
        taken
    }
}

/// Reads what is there, as long as `take` says so; whether more may come.
fn read_all(pipe: &OwnedFd, mut take: impl FnMut(&[u8]) -> bool) -> bool {
    let mut piece = vec![0; PIECE_BYTES];
    loop {
        match rustix::io::read(pipe, &mut piece[..]) {
            Ok(0) => return false,
            Ok(count) => {
                if !take(piece.get(..count).unwrap_or_default()) {
                    return false;
                }
            }
            Err(rustix::io::Errno::INTR) => {}
            Err(rustix::io::Errno::AGAIN) => return true,
            Err(_) => return false,
        }
    }
}

/// Whatever way the run is left: nothing of a command that has not ended stays behind.
impl Drop for Run<'_> {
    fn drop(&mut self) {
        if let Ok(None) = self.child.try_wait() {
            // The child is not reaped yet, so its id, which is the group's, is still its own.
            let killed = rustix::process::kill_process_group(self.pid, Signal::KILL);
            if let Err(error) = killed.map_err(io::Error::from).and_then(|()| self.child.wait()) {
                tracing::warn!(%error, "could not end a command");
            }
        }
    }
}
