//! Bugs put in on purpose, to see that the crash harnesses catch them.
//!
//! They exist only with the feature `seeded-bugs`, which no release build can have; then the
//! environment variable `LANDFALL_SEEDED_BUG` picks one. Without the feature [`has`] is a constant
//! `false`, and nothing of them is compiled in. `tests/crash/mutants.rs` asks for each.

use std::io;

#[cfg(all(feature = "seeded-bugs", not(debug_assertions)))]
compile_error!("`seeded-bugs` is for the crash harnesses alone: a release has no bugs on purpose");

/// A bug that a promise must not survive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bug {
    /// A file's bytes are not synced.
    FilesUnsynced,
    /// A folder's entries are not synced.
    FoldersUnsynced,
    /// A commit does not wait for the disk.
    CommitsUnsynced,
    /// A caller is told before the commit.
    AnswersBeforeCommit,
    /// Drop folders are looked at only when a notification came.
    HintsAlone,
    /// Nobody asks whether a dropped file is still written.
    WritersUnasked,
    /// A sync that failed is asked for once more.
    SyncsAgain,
    /// What is to be delivered is written after the publication is committed.
    OutboxApart,
    /// Each attempt of a delivery has an id of its own.
    DeliveriesUnlike,
}

/// Whether this bug was put in.
#[cfg(not(feature = "seeded-bugs"))]
pub const fn has(_: Bug) -> bool {
    false
}

/// Whether this bug was put in.
#[cfg(feature = "seeded-bugs")]
pub fn has(bug: Bug) -> bool {
    static CHOSEN: std::sync::OnceLock<Option<String>> = std::sync::OnceLock::new();
    let chosen = CHOSEN.get_or_init(|| std::env::var("LANDFALL_SEEDED_BUG").ok());
    chosen.as_ref().is_some_and(|chosen| *chosen == format!("{bug:?}"))
}

/// A sync: not made with `missing`, made once more after a failure with [`Bug::SyncsAgain`].
///
/// # Errors
/// What the system said.
pub fn sync(missing: Bug, sync: impl Fn() -> io::Result<()>) -> io::Result<()> {
    match sync_unless(missing, &sync) {
        Err(_) if has(Bug::SyncsAgain) => sync(),
        synced => synced,
    }
}

fn sync_unless(missing: Bug, sync: impl Fn() -> io::Result<()>) -> io::Result<()> {
    if has(missing) { Ok(()) } else { sync() }
}

/// A delivery's id: another for each attempt with [`Bug::DeliveriesUnlike`].
pub fn delivery(id: &str) -> String {
    if has(Bug::DeliveriesUnlike) {
        format!("{id}-{}", uuid::Uuid::now_v7())
    } else {
        id.to_owned()
    }
}
