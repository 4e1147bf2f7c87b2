//! Counts the system calls of the server that change anything, over all its threads and children,
//! and kills it at one of them, or lets one fail with an error of choice.
//!
//! The binary is not prepared for it: a seccomp filter, installed before it is executed, stops it at
//! the calls of [`SYSCALLS`] (seccomp(2), `SECCOMP_RET_TRACE`), and this thread, its tracer (ptrace(2)),
//! looks at each one before the kernel does. A call that is to fail is not made at all.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs;
use std::os::unix::fs::{FileExt as _, MetadataExt as _};
use std::os::unix::process::CommandExt as _;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::channel;
use std::thread::JoinHandle;
use std::time::Duration;

use nix::errno::Errno;
use nix::libc;
use nix::sys::ptrace::{self, Options};
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule, TargetArch,
};

use super::site::{Doors, Site};

/// What a call changes, and where it says so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Subject {
    /// The file of this descriptor argument.
    Descriptor(usize),
    /// The path of this argument.
    Path(usize),
    /// The path of this argument, if it is opened to be created or cut (flags in the next).
    Opened(usize),
}

/// The calls that change anything.
const SYSCALLS: &[(i64, &str, Subject)] = &[
    (libc::SYS_write, "write", Subject::Descriptor(0)),
    (libc::SYS_pwrite64, "pwrite", Subject::Descriptor(0)),
    (libc::SYS_writev, "writev", Subject::Descriptor(0)),
    (libc::SYS_pwritev, "pwritev", Subject::Descriptor(0)),
    (libc::SYS_sendto, "sendto", Subject::Descriptor(0)),
    (libc::SYS_sendmsg, "sendmsg", Subject::Descriptor(0)),
    (libc::SYS_sendfile, "sendfile", Subject::Descriptor(0)),
    (libc::SYS_copy_file_range, "copy_file_range", Subject::Descriptor(2)),
    (libc::SYS_fsync, "fsync", Subject::Descriptor(0)),
    (libc::SYS_fdatasync, "fdatasync", Subject::Descriptor(0)),
    (libc::SYS_ftruncate, "ftruncate", Subject::Descriptor(0)),
    (libc::SYS_fallocate, "fallocate", Subject::Descriptor(0)),
    (libc::SYS_fchmod, "fchmod", Subject::Descriptor(0)),
    (libc::SYS_fsetxattr, "fsetxattr", Subject::Descriptor(0)),
    (libc::SYS_open, "open", Subject::Opened(0)),
    (libc::SYS_openat, "openat", Subject::Opened(1)),
    (libc::SYS_truncate, "truncate", Subject::Path(0)),
    (libc::SYS_mkdir, "mkdir", Subject::Path(0)),
    (libc::SYS_mkdirat, "mkdirat", Subject::Path(1)),
    (libc::SYS_rmdir, "rmdir", Subject::Path(0)),
    (libc::SYS_rename, "rename", Subject::Path(1)),
    (libc::SYS_renameat, "renameat", Subject::Path(3)),
    (libc::SYS_renameat2, "renameat2", Subject::Path(3)),
    (libc::SYS_link, "link", Subject::Path(1)),
    (libc::SYS_linkat, "linkat", Subject::Path(3)),
    (libc::SYS_symlink, "symlink", Subject::Path(1)),
    (libc::SYS_symlinkat, "symlinkat", Subject::Path(2)),
    (libc::SYS_unlink, "unlink", Subject::Path(0)),
    (libc::SYS_unlinkat, "unlinkat", Subject::Path(1)),
    (libc::SYS_chmod, "chmod", Subject::Path(0)),
    (libc::SYS_fchmodat, "fchmodat", Subject::Path(1)),
    (libc::SYS_setxattr, "setxattr", Subject::Path(0)),
    (libc::SYS_utimensat, "utimensat", Subject::Path(1)),
];

/// What is done to the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Nothing: its calls are counted.
    None,
    /// It and its children are killed at the call of this number, which is not made.
    Kill { at: usize },
    /// The same at the first sync after a file below `folder` got its final name.
    KillOnceNamed { folder: &'static str },
    /// The call of this number fails. Calls that only speak to a peer are not counted.
    Fail { at: usize, with: Errno },
    /// That one and every later one, until the fault is cleared.
    FailOn { from: usize, with: Errno },
}

/// A call that changes something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Point {
    pub call: &'static str,
    /// The path, or what else the descriptor is.
    pub target: String,
}

impl Point {
    /// The same for calls that do the same to files of the same kind: numbers and ids left out.
    pub fn kind(&self) -> String {
        let mut kind = self.call.to_owned();
        for part in self.target.split('/').rev().take(3) {
            let is_id = part.bytes().filter(u8::is_ascii_digit).count() > 3;
            kind.push('/');
            kind.push_str(if is_id { "#" } else { part });
        }
        kind
    }
}

/// What a traced server did.
#[derive(Debug, Default)]
pub struct Trace {
    pub points: Vec<Point>,
    /// The calls that were hit by the fault.
    pub hit: Vec<Point>,
    /// Device and inode of each file whose sync was made to fail.
    pub failed_syncs: HashSet<(u64, u64)>,
    /// Files whose failed sync was asked for again.
    pub synced_again: Vec<Point>,
    /// Device and inode of the regular file that a point syncs, by the point's number.
    pub synced: BTreeMap<usize, (u64, u64)>,
    /// For each point that succeeded, how many points had begun by then. Only of a run without a
    /// fault.
    pub ends: HashMap<usize, usize>,
}

/// A server under trace.
pub struct Traced {
    pub port: Option<u16>,
    shared: Arc<Shared>,
    thread: JoinHandle<Trace>,
    pid: Pid,
}

#[derive(Default)]
struct Shared {
    ended: AtomicBool,
    cleared: AtomicBool,
    hit: AtomicBool,
    points: Arc<AtomicUsize>,
}

impl Traced {
    /// Starts a zone's server under this fault and waits until its doors are open or it has ended.
    pub fn serve(site: &Site, fault: Fault) -> Self {
        let shared = Arc::<Shared>::default();
        let (started, starts) = channel();
        let (command, for_thread) = (site.command(), Arc::clone(&shared));
        let tracing = move || {
            let (pid, doors) = spawn(command);
            started.send((pid, doors)).expect("somebody waits");
            Tracer::new(pid, fault, for_thread).run()
        };
        let thread = std::thread::spawn(tracing);
        let (pid, doors): (Pid, Doors) = starts.recv().expect("the server starts");
        Self { port: doors.wait(), shared, thread, pid }
    }

    pub fn has_ended(&self) -> bool {
        self.shared.ended.load(Ordering::Acquire)
    }

    /// Whether the fault has come.
    pub fn was_hit(&self) -> bool {
        self.shared.hit.load(Ordering::Acquire)
    }

    /// How many points there were so far: a clock of what the server does.
    pub fn clock(&self) -> Arc<AtomicUsize> {
        Arc::clone(&self.shared.points)
    }

    /// Lets nothing fail any more.
    pub fn clear(&self) {
        self.shared.cleared.store(true, Ordering::Release);
    }

    /// Kills what is left of it and tells what it did.
    pub fn end(self) -> Trace {
        if !self.has_ended() {
            kill(self.pid, Signal::SIGKILL).ok();
        }
        self.thread.join().expect("traced to the end")
    }
}

/// Starts the server stopped, with this thread as its tracer.
#[allow(clippy::zombie_processes, reason = "its tracer waits for it")]
fn spawn(mut command: Command) -> (Pid, Doors) {
    let filter = filter();
    let prepare = move || {
        ptrace::traceme()?;
        seccompiler::apply_filter(&filter).map_err(std::io::Error::other)
    };
    #[allow(unsafe_code, reason = "what runs between fork and exec makes system calls only")]
    // SAFETY: the closure makes three system calls and allocates nothing unless one fails.
    unsafe {
        command.pre_exec(prepare);
    }
    let mut child = command.spawn().expect("the server starts");
    let doors = Doors::watch(child.stdout.take().expect("its output"));
    let pid = Pid::from_raw(i32::try_from(child.id()).expect("a pid"));
    waitpid(pid, None).expect("it stops when it is executed");
    let options = Options::PTRACE_O_TRACESECCOMP
        | Options::PTRACE_O_TRACECLONE
        | Options::PTRACE_O_TRACEFORK
        | Options::PTRACE_O_TRACEVFORK
        | Options::PTRACE_O_TRACEEXEC
        | Options::PTRACE_O_TRACESYSGOOD
        | Options::PTRACE_O_EXITKILL;
    ptrace::setoptions(pid, options).expect("traced");
    ptrace::cont(pid, None).expect("it goes on");
    (pid, doors)
}

fn filter() -> BpfProgram {
    let with_flag = |argument: usize, flag: i32| {
        let flag = u64::from(flag.unsigned_abs());
        let index = u8::try_from(argument).expect("an argument");
        let operator = SeccompCmpOp::MaskedEq(flag);
        let condition = SeccompCondition::new(index, SeccompCmpArgLen::Dword, operator, flag);
        SeccompRule::new(vec![condition.expect("a condition")]).expect("a rule")
    };
    let rules: BTreeMap<i64, Vec<SeccompRule>> = SYSCALLS
        .iter()
        .map(|(number, _, subject)| match subject {
            Subject::Opened(path) => {
                let flags = [libc::O_CREAT, libc::O_TRUNC];
                (*number, flags.map(|flag| with_flag(path + 1, flag)).to_vec())
            }
            Subject::Descriptor(_) | Subject::Path(_) => (*number, Vec::new()),
        })
        .collect();
    let filter = SeccompFilter::new(
        rules,
        SeccompAction::Allow,
        SeccompAction::Trace(0),
        TargetArch::x86_64,
    );
    filter.and_then(BpfProgram::try_from).expect("a filter")
}

struct Tracer {
    main: Pid,
    fault: Fault,
    shared: Arc<Shared>,
    threads: HashSet<Pid>,
    /// The points that threads are in, whose ends are waited for.
    inside: HashMap<Pid, usize>,
    trace: Trace,
}

impl Tracer {
    fn new(main: Pid, fault: Fault, shared: Arc<Shared>) -> Self {
        let threads = HashSet::from([main]);
        Self { main, fault, shared, threads, inside: HashMap::new(), trace: Trace::default() }
    }

    fn run(mut self) -> Trace {
        // Only this thread's children: others of this process are none of ours.
        let whose = WaitPidFlag::__WALL | WaitPidFlag::__WNOTHREAD;
        loop {
            match waitpid(None, Some(whose)) {
                Ok(WaitStatus::PtraceEvent(pid, _, libc::PTRACE_EVENT_SECCOMP)) => {
                    self.threads.insert(pid);
                    self.look(pid);
                    if self.inside.contains_key(&pid) {
                        ptrace::syscall(pid, None).ok();
                    } else {
                        go_on(pid, None);
                    }
                }
                Ok(WaitStatus::PtraceSyscall(pid)) => {
                    self.note_end(pid);
                    go_on(pid, None);
                }
                Ok(WaitStatus::PtraceEvent(pid, ..)) => go_on(pid, None),
                Ok(WaitStatus::Stopped(pid, signal)) => {
                    // A new thread begins with a stop that is not meant for it.
                    let is_new = self.threads.insert(pid) && signal == Signal::SIGSTOP;
                    go_on(pid, (!is_new).then_some(signal));
                }
                Ok(WaitStatus::Exited(pid, _) | WaitStatus::Signaled(pid, ..)) => {
                    self.threads.remove(&pid);
                    self.inside.remove(&pid);
                    if pid == self.main {
                        self.shared.ended.store(true, Ordering::Release);
                        self.kill_all();
                    }
                }
                Ok(_) | Err(Errno::EINTR) => {}
                Err(_) => break,
            }
        }
        self.shared.ended.store(true, Ordering::Release);
        self.trace
    }

    fn kill_all(&self) {
        for pid in &self.threads {
            kill(*pid, Signal::SIGKILL).ok();
        }
    }

    fn has_named(&self, folder: &str) -> bool {
        let mut points = self.trace.points.iter();
        points.any(|point| point.call.starts_with("rename") && point.target.contains(folder))
    }

    /// Notes that the call that a thread was in has come to its end.
    fn note_end(&mut self, pid: Pid) {
        let Some(number) = self.inside.remove(&pid) else { return };
        let Ok(registers) = ptrace::getregs(pid) else { return };
        if registers.rax.cast_signed() >= 0 {
            self.trace.ends.insert(number, self.trace.points.len());
        }
    }

    /// Looks at a call before the kernel does.
    fn look(&mut self, pid: Pid) {
        let Ok(mut registers) = ptrace::getregs(pid) else { return };
        let number = i64::try_from(registers.orig_rax).unwrap_or(-1);
        let Some((_, call, subject)) = SYSCALLS.iter().find(|(known, ..)| *known == number) else {
            return;
        };
        let arguments = [registers.rdi, registers.rsi, registers.rdx, registers.r10];
        let target = match subject {
            Subject::Descriptor(index) => descriptor(pid, arguments[*index]),
            Subject::Path(index) | Subject::Opened(index) => path(pid, arguments[*index]),
        };
        let is_file = target.starts_with('/') && !target.ends_with(".log");
        let speaks = target.starts_with("socket:");
        let speech_counts = matches!(self.fault, Fault::Kill { .. } | Fault::None);
        if !(is_file || speaks && speech_counts) {
            return;
        }
        let point = Point { call, target };
        let file = is_sync(call).then(|| identity(pid, arguments[0])).flatten();
        if file.is_some_and(|file| self.trace.failed_syncs.contains(&file))
            && !point.target.contains("ledger.db")
        {
            self.trace.synced_again.push(point.clone());
        }
        let number = self.trace.points.len();
        self.trace.points.push(point.clone());
        self.trace.synced.extend(file.map(|file| (number, file)));
        self.shared.points.store(number + 1, Ordering::Release);
        if self.fault == Fault::None && is_file {
            self.inside.insert(pid, number);
        }
        let error = match self.fault {
            Fault::Kill { at } if at == number => {
                self.trace.hit.push(point);
                return self.kill_all();
            }
            Fault::KillOnceNamed { folder } if is_sync(call) && self.has_named(folder) => {
                self.trace.hit.push(point);
                return self.kill_all();
            }
            Fault::Fail { at, with } if at == number => with,
            Fault::FailOn { from, with }
                if number >= from && !self.shared.cleared.load(Ordering::Acquire) =>
            {
                with
            }
            Fault::None
            | Fault::Kill { .. }
            | Fault::KillOnceNamed { .. }
            | Fault::Fail { .. }
            | Fault::FailOn { .. } => return,
        };
        // An interrupted sync has not failed.
        self.trace.failed_syncs.extend(file.filter(|_| error != Errno::EINTR));
        self.trace.hit.push(point);
        self.shared.hit.store(true, Ordering::Release);
        registers.orig_rax = u64::MAX;
        registers.rax = (-i64::from(error as i32)).cast_unsigned();
        ptrace::setregs(pid, registers).expect("a call that is not made");
    }
}

fn go_on(pid: Pid, signal: Option<Signal>) {
    // It may have been killed meanwhile.
    ptrace::cont(pid, signal).ok();
}

fn is_sync(call: &str) -> bool {
    matches!(call, "fsync" | "fdatasync")
}

fn descriptor(pid: Pid, fd: u64) -> String {
    let link = fs::read_link(format!("/proc/{pid}/fd/{fd}"));
    link.map_or_else(|_| String::new(), |link| link.to_string_lossy().into_owned())
}

/// Device and inode of a regular file.
fn identity(pid: Pid, fd: u64) -> Option<(u64, u64)> {
    let file = fs::metadata(format!("/proc/{pid}/fd/{fd}")).ok()?;
    file.is_file().then(|| (file.dev(), file.ino()))
}

/// A path in the traced process's memory; relative ones are given a `/` so that they count.
fn path(pid: Pid, address: u64) -> String {
    let mut bytes = vec![0; 4096];
    let read = fs::File::open(format!("/proc/{pid}/mem"))
        .and_then(|memory| memory.read_at(&mut bytes, address));
    let path = bytes.get(..read.unwrap_or(0)).unwrap_or_default();
    let path = path.split(|byte| *byte == 0).next().unwrap_or_default();
    let path = String::from_utf8_lossy(path).into_owned();
    if path.starts_with('/') { path } else { format!("/{path}") }
}

/// Waits until the server has ended, or `done`.
pub fn wait_for(traced: &Traced, patience: Duration, mut done: impl FnMut() -> bool) -> bool {
    super::site::wait_until(patience, || traced.has_ended() || done())
}
