//! A command as a sink: an argument vector, never a shell.
//!
//! The manifest's path is the last argument and its text is on standard input; the zone is the
//! working folder, so that the manifest's names hold. Exit code 0 acknowledges and standard output
//! is the acknowledgement. A test sets `LANDFALL_TEST=1`. The command has a process group of its own, which is killed as a whole
//! when its time is over.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags};
use rustix::fs::OFlags;
use rustix::process::{Pid, PidfdFlags, Signal};

use super::{ACKNOWLEDGEMENT_BYTES_MAX, Answer, Notice, Purpose, REFUSAL_BYTES_MAX, program, said};

/// How often a running command looks whether the server stops.
const STOP_LOOK: Duration = Duration::from_millis(250);
/// Bytes moved at once to or from a command.
const PIECE_BYTES: usize = 64 << 10;

/// Runs the command to its end, to its timeout or until `stop` is set. Blocks.
pub fn tell(argv: &[String], notice: &Notice, timeout: Duration, stop: &AtomicBool) -> Answer {
    let deadline = Instant::now() + timeout;
    let ended = start(argv, notice).and_then(|mut run| run.finish(notice, deadline, stop));
    match ended {
        Ok(Ended::Exited(status, output)) if status.success() => {
            Answer::Acknowledged(said(&output.first))
        }
        Ok(Ended::Exited(status, output)) => refusal(&status.to_string(), &output),
        Ok(Ended::TimedOut(output)) => {
            refusal(&format!("stopped after its timeout of {} s", timeout.as_secs_f32()), &output)
        }
        Ok(Ended::Stopped) => Answer::refused("stopped because the server stops"),
        Err(error) => {
            let name = argv.first().map_or("", String::as_str);
            Answer::refused(format!("cannot run `{name}`: {error}"))
        }
    }
}

fn refusal(ending: &str, output: &Output) -> Answer {
    let told = said(&output.last);
    Answer::refused(told.map_or(ending.to_owned(), |told| format!("{ending}: {told}")))
}

enum Ended {
    Exited(ExitStatus, Output),
    TimedOut(Output),
    Stopped,
}

/// What a command wrote, within limits.
#[derive(Default)]
struct Output {
    /// The beginning of standard output.
    first: Vec<u8>,
    /// The end of both outputs, as they came.
    last: Vec<u8>,
}

impl Output {
    fn keep(&mut self, from: Stream, bytes: &[u8]) {
        match from {
            Stream::Output => {
                let room = ACKNOWLEDGEMENT_BYTES_MAX.saturating_sub(self.first.len());
                self.first.extend(bytes.iter().take(room));
            }
            Stream::Errors => {}
        }
        self.last.extend_from_slice(bytes);
        let over = self.last.len().saturating_sub(REFUSAL_BYTES_MAX);
        self.last.drain(..over);
    }
}

#[derive(Clone, Copy)]
enum Stream {
    Output,
    Errors,
}

/// A command that runs, with what is still open of it.
struct Run {
    child: Child,
    pid: Pid,
    ended: OwnedFd,
    input: Option<OwnedFd>,
    /// Bytes of the manifest that it has taken.
    taken: usize,
    outputs: Vec<(Stream, OwnedFd)>,
    output: Output,
}

fn start(argv: &[String], notice: &Notice) -> io::Result<Run> {
    let (name, arguments) = argv.split_first().ok_or(io::ErrorKind::InvalidInput)?;
    let mut command = Command::new(program(&notice.zone, name));
    match notice.purpose {
        Purpose::Batch => {}
        Purpose::Test => {
            command.env("LANDFALL_TEST", "1");
        }
    }
    let mut child = command
        .args(arguments)
        .arg(&notice.manifest_path)
        .current_dir(&notice.zone)
        .env("LANDFALL_DELIVERY", &notice.delivery)
        .env("LANDFALL_FEED", notice.batch.feed.as_str())
        .env("LANDFALL_BATCH", notice.batch.id.to_string())
        .env("LANDFALL_SEQUENCE", notice.batch.sequence.to_string())
        .env("LANDFALL_ZONE", &notice.zone)
        .process_group(0)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    let pid = Pid::from_child(&child);
    let ended = rustix::process::pidfd_open(pid, PidfdFlags::empty())?;
    let input = child.stdin.take().map(OwnedFd::from);
    let output = child.stdout.take().map(|pipe| (Stream::Output, OwnedFd::from(pipe)));
    let errors = child.stderr.take().map(|pipe| (Stream::Errors, OwnedFd::from(pipe)));
    let outputs: Vec<_> = output.into_iter().chain(errors).collect();
    for pipe in outputs.iter().map(|(_, pipe)| pipe).chain(&input) {
        let flags = rustix::fs::fcntl_getfl(pipe)?;
        rustix::fs::fcntl_setfl(pipe, flags | OFlags::NONBLOCK)?;
    }
    Ok(Run { child, pid, ended, input, taken: 0, outputs, output: Output::default() })
}

impl Run {
    fn finish(
        &mut self,
        notice: &Notice,
        deadline: Instant,
        stop: &AtomicBool,
    ) -> io::Result<Ended> {
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                self.read();
                return Ok(Ended::TimedOut(std::mem::take(&mut self.output)));
            }
            if stop.load(Ordering::Relaxed) {
                return Ok(Ended::Stopped);
            }
            let exited = self.wait(left.min(STOP_LOOK))?;
            self.write(&notice.manifest);
            // All that the command itself wrote is in the pipes by now. A process that it left
            // behind may hold them open for ever: nothing waits for their end.
            self.read();
            if exited {
                let status = self.child.wait()?;
                return Ok(Ended::Exited(status, std::mem::take(&mut self.output)));
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

    /// Gives the command more of the manifest. One that does not read it is left alone.
    fn write(&mut self, manifest: &[u8]) {
        while let Some(pipe) = &self.input {
            let left = manifest.get(self.taken..).unwrap_or_default();
            let piece = left.get(..PIECE_BYTES).unwrap_or(left);
            let written =
                if piece.is_empty() { Ok(0) } else { rustix::io::write(pipe.as_fd(), piece) };
            match written {
                Ok(0) => self.input = None,
                Ok(count) => self.taken += count,
                Err(rustix::io::Errno::INTR) => {}
                Err(rustix::io::Errno::AGAIN) => return,
                Err(_) => self.input = None,
            }
        }
    }

    /// Takes what the command wrote so far.
    fn read(&mut self) {
        let output = &mut self.output;
        self.outputs.retain(|(stream, pipe)| read_all(pipe, |bytes| output.keep(*stream, bytes)));
    }
}

/// Reads what is there; whether more may come.
fn read_all(pipe: &OwnedFd, mut take: impl FnMut(&[u8])) -> bool {
    let mut piece = vec![0; PIECE_BYTES];
    loop {
        match rustix::io::read(pipe, &mut piece[..]) {
            Ok(0) => return false,
            Ok(count) => take(piece.get(..count).unwrap_or_default()),
            Err(rustix::io::Errno::INTR) => {}
            Err(rustix::io::Errno::AGAIN) => return true,
            Err(_) => return false,
        }
    }
}

/// Whatever way the run is left: nothing of a command that has not ended stays behind.
impl Drop for Run {
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
