//! Readers of other people's formats that panic on what they did not think of: the file is held.

use crate::diagnostic::Diagnostic;

/// Does what reads a file; `damaged` tells what to say of one whose reader panics.
pub(super) fn surviving<T, E: From<Diagnostic>>(
    damaged: impl FnOnce() -> Diagnostic,
    work: impl FnOnce() -> Result<T, E>,
) -> Result<T, E> {
    let done = std::panic::catch_unwind(std::panic::AssertUnwindSafe(work));
    done.unwrap_or_else(|panic| {
        let met = panic.downcast_ref::<&str>().copied().unwrap_or("something impossible");
        Err(damaged().fact("its reader met", met).into())
    })
}
