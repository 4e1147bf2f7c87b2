//! The worker's side: confine, report, then one request after the other.
//!
//! Standard input is the socket, standard error the log. Whatever goes wrong ends the process; the
//! parent draws the conclusion.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rustix::event::PollFlags;
use rustix::process::{Resource, Rlimit};

use super::message::{Channel, Reply, Request};
use super::{Attempt, Probe};
use crate::convert::{Job, Outcome, Outputs};

/// How often a watched conversion says how far it has come.
const TELL_EVERY: Duration = Duration::from_millis(100);

/// The whole life of `landfall worker`; returns the process's exit code.
pub fn child_main() -> u8 {
    match serve() {
        Ok(()) => 0,
        Err(error) => {
            // Nothing is left to do when the log cannot be written either.
            drop(writeln!(io::stderr(), "worker: {error}"));
            2
        }
    }
}

fn serve() -> io::Result<()> {
    let confinement = super::confine::confine()?;
    let channel = Channel::new(UnixStream::from(io::stdin().as_fd().try_clone_to_owned()?));
    channel.send(&Reply::Ready(confinement), &[], &mut block)?;
    while let Some((request, descriptors)) = channel.receive(&mut block)? {
        let reply = match request {
            Request::Convert { job, watched: false } => {
                Reply::Converted(convert(&job, descriptors)?)
            }
            Request::Convert { job, watched: true } => {
                Reply::Converted(convert_telling(&job, descriptors, &channel)?)
            }
            Request::Probe(probe) => Reply::Tried(attempt(probe)),
        };
        channel.send(&reply, &[], &mut block)?;
    }
    Ok(())
}

/// The socket blocks by itself.
fn block(_: PollFlags) -> io::Result<()> {
    Err(io::Error::other("the socket does not block"))
}

fn convert(job: &Job, descriptors: Vec<OwnedFd>) -> io::Result<Outcome> {
    let [raw, parquet, rejects] = <[OwnedFd; 3]>::try_from(descriptors)
        .map_err(|sent| io::Error::other(format!("{} descriptors, not 3", sent.len())))?
        .map(File::from);
    Ok(crate::convert::run(job, raw, Outputs { parquet, rejects }))
}

/// Converts and says meanwhile how far it has come, at least once.
fn convert_telling(job: &Job, descriptors: Vec<OwnedFd>, channel: &Channel) -> io::Result<Outcome> {
    /// Says that the conversion is over, also when it ends by a panic.
    struct Over<'o>(&'o AtomicBool, &'o std::thread::Thread);
    impl Drop for Over<'_> {
        fn drop(&mut self) {
            self.0.store(true, Ordering::Release);
            self.1.unpark();
        }
    }
    let is_done = AtomicBool::new(false);
    let tell = || channel.send(&Reply::Reached(job.progress.reached()), &[], &mut block);
    std::thread::scope(|scope| {
        let teller = std::thread::Builder::new().spawn_scoped(scope, || {
            while !is_done.load(Ordering::Acquire) {
                std::thread::park_timeout(TELL_EVERY);
                tell()?;
            }
            Ok(())
        })?;
        let over = Over(&is_done, teller.thread());
        let outcome = convert(job, descriptors);
        drop(over);
        let told = teller.join().map_err(|_panicked| io::Error::other("the teller panicked"))?;
        told.and(outcome)
    })
}

fn attempt(probe: Probe) -> Vec<Attempt> {
    match probe {
        Probe::Confinement => attempts(),
        Probe::Memory => take_memory(),
        Probe::Processor => loop {
            std::hint::spin_loop();
        },
        Probe::Time => loop {
            std::thread::sleep(Duration::from_secs(3600));
        },
        Probe::Crash => std::process::abort(),
    }
}

/// Touches every page, or it would not count.
fn take_memory() -> ! {
    let mut taken = Vec::new();
    loop {
        taken.push(vec![1_u8; 1 << 20]);
        std::hint::black_box(&taken);
    }
}

fn attempts() -> Vec<Attempt> {
    let parent = rustix::process::getppid().unwrap_or(rustix::process::Pid::INIT);
    let limit = Rlimit { current: Some(1 << 40), maximum: None };
    vec![
        tried("open a file", File::open("/etc/passwd")),
        tried("open its own status", File::open("/proc/self/status")),
        tried("create a file", File::create_new("/tmp/landfall-worker-probe")),
        tried("list a folder", std::fs::read_dir("/")),
        tried("ask about a file", std::fs::metadata("/etc/passwd")),
        tried("open a network socket", std::net::UdpSocket::bind("127.0.0.1:0")),
        tried("connect", std::net::TcpStream::connect("127.0.0.1:9")),
        tried("make a socket pair", UnixStream::pair()),
        tried("start a program", Command::new("/bin/true").spawn()),
        tried("signal its parent", rustix::process::test_kill_process(parent)),
        tried("raise a limit", rustix::process::setrlimit(Resource::Fsize, limit)),
        tried("hold a foreign descriptor", foreign_descriptor()),
        tried("read its environment", environment()),
        tried("start a thread", std::thread::Builder::new().spawn(|| {}).map(|t| t.join().is_ok())),
    ]
}

/// The lowest free descriptor tells: 0 to 2 are standard, 3 is the channel.
fn foreign_descriptor() -> io::Result<()> {
    match io::stdin().as_fd().try_clone_to_owned()?.as_raw_fd() {
        4 => Err(io::Error::other("none is open")),
        _ => Ok(()),
    }
}

fn environment() -> io::Result<()> {
    match std::env::vars_os().next() {
        None => Err(io::Error::other("it is empty")),
        Some(_) => Ok(()),
    }
}

fn tried<T, E: std::fmt::Display>(what: &str, result: Result<T, E>) -> Attempt {
    Attempt { what: what.to_owned(), refused: result.err().map(|error| error.to_string()) }
}
