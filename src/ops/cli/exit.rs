//! Exit codes: a script can tell what to do without reading the text.
//!
//! 130 is not among them: it is what shells report of a command that SIGINT ended. Everything here
//! may be interrupted at any point.

use std::process::ExitCode;

use crate::diagnostic::Code;

/// Shown at the end of `--help`.
pub(super) const HELP: &str = "\
Exit codes: 0 ok · 1 failed · 2 usage · 3 finished, problems found · 4 not found ·
5 temporary, retry · 10 not a zone · 11 locked by another process · 78 configuration invalid ·
130 interrupted";

/// Codes that a script should tell from a plain failure.
const SPECIAL: &[(Code, Exit)] = &[
    (Code::Z101, Exit::Config),
    (Code::Z102, Exit::NotAZone),
    (Code::Z103, Exit::Locked),
    (Code::Z104, Exit::NotFound),
    (Code::H131, Exit::NotFound),
    (Code::H132, Exit::NotFound),
    (Code::Z106, Exit::Temporary),
    (Code::Z107, Exit::Usage),
    (Code::R103, Exit::Temporary),
    (Code::A126, Exit::Temporary),
    (Code::A128, Exit::NotFound),
];

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// 0: it did what was asked.
    Ok,
    /// 1: it failed.
    Failed,
    /// 2: the command line is wrong.
    Usage,
    /// 3: it finished, and found problems.
    Problems,
    /// 4: there is no such thing.
    NotFound,
    /// 5: it may work when tried again later.
    Temporary,
    /// 10: the folder is not a zone.
    NotAZone,
    /// 11: another process holds the zone.
    Locked,
    /// 78: the configuration is not valid (`EX_CONFIG` of sysexits.h).
    Config,
}

impl Exit {
    /// The exit of a command that ended with a diagnostic.
    pub fn of(code: Code) -> Self {
        let special = SPECIAL.iter().find(|(other, _)| *other == code);
        special.map_or(Self::Failed, |(_, exit)| *exit)
    }

    fn number(self) -> u8 {
        match self {
            Self::Ok => 0,
            Self::Failed => 1,
            Self::Usage => 2,
            Self::Problems => 3,
            Self::NotFound => 4,
            Self::Temporary => 5,
            Self::NotAZone => 10,
            Self::Locked => 11,
            Self::Config => 78,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        exit.number().into()
    }
}
