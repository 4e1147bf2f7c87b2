//! What a peer reads when it does not get what it asked for.
//!
//! Fixed, safe sentences that name the thing and the way out. Causes go to the log.

use std::fmt::Display;

use super::wire::Status;
use crate::receive::{Refusal, staging};

/// What is said when the disk is filled up to its reserve.
pub const NEARLY_FULL: &str = "the server's disk is nearly full, so it takes no more for now. Send the file again later, or \
     tell the people who run this server";

/// A request that was not done, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// The code for the client.
    pub status: Status,
    /// The sentence for the person behind it.
    pub text: String,
}

impl Refused {
    /// Something that does not work as asked.
    pub fn failure(text: impl Into<String>) -> Self {
        Self { status: Status::Failure, text: text.into() }
    }

    /// Something this account may not do.
    pub fn denied(text: impl Into<String>) -> Self {
        Self { status: Status::PermissionDenied, text: text.into() }
    }

    /// Something this server does not do.
    pub fn unsupported(text: impl Into<String>) -> Self {
        Self { status: Status::Unsupported, text: text.into() }
    }

    /// There is nothing of that name.
    pub fn missing() -> Self {
        Self { status: Status::NoSuchFile, text: "no such file or folder".to_owned() }
    }

    /// A receipt that is not kept any more.
    pub fn past() -> Self {
        let text = "the receipt of this file is past the time that receipts are kept here, and was \
                    removed; the file itself was taken";
        Self { status: Status::NoSuchFile, text: text.to_owned() }
    }

    /// The handle stands for nothing, or for something else.
    pub fn bad_handle() -> Self {
        Self::failure("this handle is not open, or not for this")
    }

    /// A name that exists is in the way.
    pub fn exists(name: impl Display) -> Self {
        Self::failure(format!("{name} exists already"))
    }

    /// The end of a file or folder.
    pub fn end() -> Self {
        Self { status: Status::Eof, text: "end".to_owned() }
    }
}

impl From<Refusal> for Refused {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Missing => Self::missing(),
            Refusal::NameTaken | Refusal::Full(_) | Refusal::Unfit(_) | Refusal::Failed(_) => {
                Self::failure(refusal.to_string())
            }
        }
    }
}

impl From<staging::Fault> for Refused {
    fn from(fault: staging::Fault) -> Self {
        Self::failure(match fault {
            staging::Fault::Fenced => {
                "another session has opened, taken or removed this file since; open it again"
            }
            staging::Fault::OverLimit(staging::LimitKind::Staging) => {
                "this account's room for uploads in progress is used up. Finish or remove uploads \
                 that are in progress, or ask for a higher quota"
            }
            staging::Fault::OverLimit(staging::LimitKind::Day) => {
                "this account may send no more bytes today. Wait until older files leave the \
                 rolling day, or ask for a higher quota"
            }
            staging::Fault::OverLimit(staging::LimitKind::File) => {
                "this file is larger than this account may send. Split it, or ask for a higher \
                 limit"
            }
            staging::Fault::OverLimit(staging::LimitKind::Sidecar) => {
                "a file that is named like a sidecar (.ok, .done, .md5, .sha1, .sha256) may have 64 \
                 KiB. Send only the marker or checksum, or give the file another name"
            }
            staging::Fault::OverLimit(staging::LimitKind::Reserve) => NEARLY_FULL,
            staging::Fault::Broken { disk_full: true } => {
                "the server's disk is full; nothing was taken. Tell the people who run this \
                 server, and send the file again later"
            }
            staging::Fault::Broken { disk_full: false } => {
                "the server could not write the file; nothing was taken. Send it again, and if it \
                 fails again tell the people who run this server"
            }
        })
    }
}
