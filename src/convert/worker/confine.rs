//! What a worker gives up before it sees a partner's byte.
//!
//! Three layers, each enough against a converter that is merely wrong, together meant against one
//! that was taken over: Landlock denies every path and the network; the system-call list denies
//! whatever the converter does not need, with `EPERM`, so that a library that asks in vain carries
//! on; capabilities and descriptors are dropped. Limits are set from outside (see `process`).
//!
//! The list follows what Rust's standard library and glibc need on Linux for reading, writing,
//! memory and threads. A new process is refused, a new thread is not; memory is never executable.

use std::collections::BTreeMap;
use std::io;

use landlock::{
    ABI, Access, AccessFs, AccessNet, CompatLevel, Compatible, LandlockStatus, Ruleset,
    RulesetAttr, RulesetStatus, Scope,
};
use rustix::process::Signal;
use rustix::thread::CapabilitySet;
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule,
};

use super::Confinement;

/// Confines this process for good; it must have one thread.
///
/// # Errors
/// What could not be given up although the kernel offers it; the process must then not go on.
pub(super) fn confine() -> io::Result<Confinement> {
    close_foreign_descriptors()?;
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?;
    rustix::thread::set_no_new_privs(true)?;
    let no_capabilities = drop_capabilities();
    let landlock = forbid_paths_and_network()?;
    list_system_calls()?;
    Ok(Confinement {
        converter: crate::convert::VERSION.to_owned(),
        landlock,
        system_calls: true,
        no_capabilities,
    })
}

/// Closes whatever the parent had open without close-on-exec, above the three standard ones.
#[allow(unsafe_code, reason = "close_range(2) has no safe wrapper; nothing owns these descriptors")]
fn close_foreign_descriptors() -> io::Result<()> {
    // SAFETY: called first thing in a process that has opened nothing; no owner of a descriptor
    // above 2 exists in it.
    match unsafe { libc::syscall(libc::SYS_close_range, 3_u32, u32::MAX, 0_u32) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

fn drop_capabilities() -> bool {
    let none = rustix::thread::CapabilitySets {
        effective: CapabilitySet::empty(),
        permitted: CapabilitySet::empty(),
        inheritable: CapabilitySet::empty(),
    };
    rustix::thread::set_capabilities(None, none).is_ok()
}

/// Landlock with every right handled and none granted, as far as the kernel knows them.
fn forbid_paths_and_network() -> io::Result<String> {
    let abi = ABI::V6;
    let status = Ruleset::default()
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(AccessFs::from_all(abi))
        .and_then(|rules| rules.handle_access(AccessNet::from_all(abi)))
        .and_then(|rules| rules.scope(Scope::from_all(abi)))
        .and_then(Ruleset::create)
        .and_then(landlock::RulesetCreated::restrict_self)
        .map_err(io::Error::other)?;
    let extent = match status.ruleset {
        RulesetStatus::FullyEnforced => "full",
        RulesetStatus::PartiallyEnforced => "partial",
        RulesetStatus::NotEnforced => "none",
    };
    Ok(match status.landlock {
        LandlockStatus::NotEnabled => format!("{extent}, not enabled in this kernel"),
        LandlockStatus::NotImplemented => format!("{extent}, not in this kernel"),
        LandlockStatus::Available { effective_abi, .. } => format!("{extent}, {effective_abi}"),
    })
}

/// System calls that are allowed whatever their arguments.
const ALLOWED: &[i64] = &[
    // Descriptors it was given.
    libc::SYS_read,
    libc::SYS_write,
    libc::SYS_pread64,
    libc::SYS_pwrite64,
    libc::SYS_readv,
    libc::SYS_writev,
    libc::SYS_lseek,
    libc::SYS_ftruncate,
    libc::SYS_fcntl,
    libc::SYS_close,
    libc::SYS_recvmsg,
    libc::SYS_recvfrom,
    libc::SYS_sendmsg,
    libc::SYS_sendto,
    libc::SYS_ppoll,
    // Memory.
    libc::SYS_brk,
    libc::SYS_munmap,
    libc::SYS_mremap,
    libc::SYS_madvise,
    // Threads and their end. `clone3` is answered by a filter of its own.
    libc::SYS_clone3,
    libc::SYS_futex,
    libc::SYS_set_robust_list,
    libc::SYS_rseq,
    libc::SYS_sched_yield,
    libc::SYS_sched_getaffinity,
    libc::SYS_gettid,
    libc::SYS_getpid,
    libc::SYS_getppid,
    libc::SYS_sigaltstack,
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_restart_syscall,
    libc::SYS_exit,
    libc::SYS_exit_group,
    // Time, chance, what the machine is.
    libc::SYS_clock_gettime,
    libc::SYS_clock_nanosleep,
    libc::SYS_nanosleep,
    libc::SYS_getrandom,
    libc::SYS_getrusage,
    libc::SYS_sysinfo,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_poll,
];

fn list_system_calls() -> io::Result<()> {
    let refused = SeccompAction::Errno(libc::EPERM.unsigned_abs());
    let listed = program(list()?, refused, SeccompAction::Allow)?;
    // glibc starts a thread with `clone3`, whose flags lie in memory where a filter cannot look.
    // Told that there is no such call, it falls back to `clone`, whose flags can be checked.
    let absent = SeccompAction::Errno(libc::ENOSYS.unsigned_abs());
    let clone3 = BTreeMap::from([(libc::SYS_clone3, Vec::new())]);
    let without_clone3 = program(clone3, SeccompAction::Allow, absent)?;
    // The list must come last: it does not allow to install another.
    seccompiler::apply_filter(&without_clone3).map_err(io::Error::other)?;
    seccompiler::apply_filter(&listed).map_err(io::Error::other)
}

fn list() -> io::Result<BTreeMap<i64, Vec<SeccompRule>>> {
    let mut list: BTreeMap<_, _> = ALLOWED.iter().map(|call| (*call, Vec::new())).collect();
    let own_process = u64::from(std::process::id());
    let not_executable = || masked(2, flag(libc::PROT_EXEC), 0);
    list.insert(libc::SYS_mmap, vec![not_executable()?]);
    list.insert(libc::SYS_mprotect, vec![not_executable()?]);
    list.insert(
        libc::SYS_clone,
        vec![masked(0, flag(libc::CLONE_THREAD), flag(libc::CLONE_THREAD))?],
    );
    // abort(3) sends itself a signal.
    list.insert(libc::SYS_tgkill, vec![equal(0, own_process)?]);
    // Naming a thread.
    list.insert(libc::SYS_prctl, vec![equal(0, flag(libc::PR_SET_NAME))?]);
    // Reading a limit, not setting one: glibc sizes a thread's stack by it.
    let reads = condition(2, SeccompCmpArgLen::Qword, SeccompCmpOp::Eq, 0)?;
    list.insert(libc::SYS_prlimit64, vec![SeccompRule::new(vec![reads]).map_err(other)?]);
    Ok(list)
}

fn program(
    calls: BTreeMap<i64, Vec<SeccompRule>>,
    others: SeccompAction,
    these: SeccompAction,
) -> io::Result<BpfProgram> {
    let architecture = std::env::consts::ARCH.try_into().map_err(other)?;
    SeccompFilter::new(calls, others, these, architecture)
        .and_then(TryInto::try_into)
        .map_err(other)
}

fn masked(argument: u8, mask: u64, value: u64) -> io::Result<SeccompRule> {
    let masked = SeccompCmpOp::MaskedEq(mask);
    let condition = condition(argument, SeccompCmpArgLen::Dword, masked, value)?;
    SeccompRule::new(vec![condition]).map_err(other)
}

fn equal(argument: u8, value: u64) -> io::Result<SeccompRule> {
    let condition = condition(argument, SeccompCmpArgLen::Dword, SeccompCmpOp::Eq, value)?;
    SeccompRule::new(vec![condition]).map_err(other)
}

fn condition(
    argument: u8,
    length: SeccompCmpArgLen,
    compare: SeccompCmpOp,
    value: u64,
) -> io::Result<SeccompCondition> {
    SeccompCondition::new(argument, length, compare, value).map_err(other)
}

fn flag(flag: i32) -> u64 {
    u64::from(flag.unsigned_abs())
}

fn other(error: seccompiler::BackendError) -> io::Error {
    io::Error::other(error)
}
