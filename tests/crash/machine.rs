//! What this machine lets a harness do. Where it does not, a test says SKIPPED and claims nothing;
//! continuous integration as root must not skip.

use nix::unistd::Uid;

/// Whether the tests run as root; says so loudly if not.
pub fn is_root(harness: &str) -> bool {
    let root = Uid::effective().is_root();
    if !root {
        skip(harness, "root");
    }
    root
}

/// Tells that a harness cannot run here.
pub fn skip(harness: &str, needs: &str) {
    eprintln!("SKIPPED: {harness} needs {needs}; what it proves is not claimed for this run");
    let required = std::env::var_os("CI").is_some() && Uid::effective().is_root();
    assert!(!required, "{harness} must run in continuous integration and needs {needs}");
}

/// How much a run does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tier {
    /// Minutes, with every commit.
    Commit,
    /// Hours, before a release: everything.
    Release,
}

/// The tier that was asked for: `LANDFALL_CRASH=full`, or the commit's.
pub fn tier() -> Tier {
    match std::env::var("LANDFALL_CRASH") {
        Ok(asked) if asked == "full" => Tier::Release,
        Ok(_) | Err(_) => Tier::Commit,
    }
}
