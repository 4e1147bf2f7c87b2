//! Requests of version 3 and the extensions that clients send.

use super::fields::Fields;
use super::{Attributes, Malformed};

/// Packet types a client sends.
pub(super) mod kind {
    pub const INIT: u8 = 1;
    pub const OPEN: u8 = 3;
    pub const CLOSE: u8 = 4;
    pub const READ: u8 = 5;
    pub const WRITE: u8 = 6;
    pub const LSTAT: u8 = 7;
    pub const FSTAT: u8 = 8;
    pub const SETSTAT: u8 = 9;
    pub const FSETSTAT: u8 = 10;
    pub const OPENDIR: u8 = 11;
    pub const READDIR: u8 = 12;
    pub const REMOVE: u8 = 13;
    pub const MKDIR: u8 = 14;
    pub const RMDIR: u8 = 15;
    pub const REALPATH: u8 = 16;
    pub const STAT: u8 = 17;
    pub const RENAME: u8 = 18;
    pub const READLINK: u8 = 19;
    pub const SYMLINK: u8 = 20;
    pub const EXTENDED: u8 = 200;
}

/// Digits of a handle.
const HANDLE_DIGITS: usize = 8;

/// What a client calls an open file or folder: the number this server gave it, as eight hexadecimal
/// digits. Handles are bytes to the protocol, but some clients keep them as text, and would alter
/// what is not ASCII.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Handle(Option<u32>);

impl Handle {
    /// The handle with this number.
    pub fn new(number: u32) -> Self {
        Self(Some(number))
    }

    /// Reads a handle back; one that this server cannot have given stands for no file.
    pub fn read(bytes: &[u8]) -> Self {
        let digits = std::str::from_utf8(bytes).ok().filter(|text| text.len() == HANDLE_DIGITS);
        let is_digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        let digits = digits.filter(|text| text.bytes().all(is_digit));
        Self(digits.and_then(|text| u32::from_str_radix(text, 16).ok()))
    }

    /// The bytes of the handle with this number.
    pub fn bytes(number: u32) -> Vec<u8> {
        format!("{number:0HANDLE_DIGITS$x}").into_bytes()
    }

    /// The number, if this server can have given it.
    pub fn number(self) -> Option<u32> {
        self.0
    }
}

/// How a file is to be opened (`pflags`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OpenFlags(pub u32);

impl OpenFlags {
    /// SSH_FXF_WRITE, SSH_FXF_CREAT and SSH_FXF_TRUNC.
    pub fn create_anew() -> Self {
        Self(0x02 | 0x08 | 0x10)
    }

    /// SSH_FXF_READ.
    pub fn read(self) -> bool {
        self.0 & 0x01 != 0
    }

    /// SSH_FXF_WRITE.
    pub fn write(self) -> bool {
        self.0 & 0x02 != 0
    }

    /// SSH_FXF_APPEND.
    pub fn append(self) -> bool {
        self.0 & 0x04 != 0
    }

    /// SSH_FXF_CREAT.
    pub fn create(self) -> bool {
        self.0 & 0x08 != 0
    }

    /// SSH_FXF_TRUNC.
    pub fn truncate(self) -> bool {
        self.0 & 0x10 != 0
    }

    /// SSH_FXF_EXCL.
    pub fn exclusive(self) -> bool {
        self.0 & 0x20 != 0
    }
}

/// Which sums of which part of a file are asked for (draft-ietf-secsh-filexfer-extensions-00
/// section 3).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckFile {
    /// Names of algorithms, separated by commas; the first that is known is used.
    pub algorithms: Vec<u8>,
    /// Where the part begins, bytes.
    pub offset: u64,
    /// How long it is, bytes; 0 to the end.
    pub length: u64,
    /// A sum for every so many bytes; 0 for one over all.
    pub block_bytes: u32,
}

impl CheckFile {
    fn read(fields: &mut Fields<'_>) -> Result<Self, Malformed> {
        Ok(Self {
            algorithms: fields.string()?.to_vec(),
            offset: fields.u64()?,
            length: fields.u64()?,
            block_bytes: fields.u32()?,
        })
    }
}

/// One request, except INIT and WRITE. Paths are the client's bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs, reason = "each variant is the request of that name in the draft")]
pub enum Request {
    Open {
        path: Vec<u8>,
        flags: OpenFlags,
        attributes: Attributes,
    },
    Close {
        handle: Handle,
    },
    Read {
        handle: Handle,
        offset: u64,
        length: u32,
    },
    Stat {
        path: Vec<u8>,
    },
    Lstat {
        path: Vec<u8>,
    },
    Fstat {
        handle: Handle,
    },
    Setstat {
        path: Vec<u8>,
        attributes: Attributes,
    },
    /// lsetstat@openssh.com.
    Lsetstat {
        path: Vec<u8>,
        attributes: Attributes,
    },
    Fsetstat {
        handle: Handle,
        attributes: Attributes,
    },
    Opendir {
        path: Vec<u8>,
    },
    Readdir {
        handle: Handle,
    },
    Remove {
        path: Vec<u8>,
    },
    Mkdir {
        path: Vec<u8>,
    },
    Rmdir {
        path: Vec<u8>,
    },
    /// REALPATH and expand-path@openssh.com.
    Realpath {
        path: Vec<u8>,
    },
    Rename {
        from: Vec<u8>,
        to: Vec<u8>,
    },
    PosixRename {
        from: Vec<u8>,
        to: Vec<u8>,
    },
    Fsync {
        handle: Handle,
    },
    Statvfs {
        path: Vec<u8>,
    },
    Fstatvfs {
        handle: Handle,
    },
    Limits,
    HomeDirectory,
    UsersGroupsById {
        users: usize,
        groups: usize,
    },
    /// check-file-name.
    CheckFileName {
        path: Vec<u8>,
        check: CheckFile,
    },
    /// check-file-handle; paramiko calls it check-file.
    CheckFileHandle {
        handle: Handle,
        check: CheckFile,
    },
    Readlink {
        path: Vec<u8>,
    },
    /// SYMLINK, in the order in which OpenSSH sends it: the draft's is the other one.
    Symlink {
        target: Vec<u8>,
        link: Vec<u8>,
    },
    /// hardlink@openssh.com.
    Hardlink {
        from: Vec<u8>,
        to: Vec<u8>,
    },
    /// copy-data (draft-ietf-secsh-filexfer-extensions-00 section 7); a `length` of 0 is to the end.
    CopyData {
        from: Handle,
        from_offset: u64,
        length: u64,
        to: Handle,
        to_offset: u64,
    },
    /// A packet type or extension nobody here knows.
    Unknown,
}

impl Request {
    /// Reads the request of a packet: `kind` is its type, `body` what follows the request id.
    ///
    /// # Errors
    /// [`Malformed`].
    pub(super) fn read(kind: u8, body: &[u8]) -> Result<Self, Malformed> {
        let fields = &mut Fields::new(body);
        Ok(match kind {
            kind::OPEN => Self::Open {
                path: path(fields)?,
                flags: OpenFlags(fields.u32()?),
                attributes: Attributes::read(fields)?,
            },
            kind::CLOSE => Self::Close { handle: handle(fields)? },
            kind::READ => {
                Self::Read { handle: handle(fields)?, offset: fields.u64()?, length: fields.u32()? }
            }
            kind::STAT => Self::Stat { path: path(fields)? },
            kind::LSTAT => Self::Lstat { path: path(fields)? },
            kind::FSTAT => Self::Fstat { handle: handle(fields)? },
            kind::SETSTAT => {
                Self::Setstat { path: path(fields)?, attributes: Attributes::read(fields)? }
            }
            kind::FSETSTAT => {
                Self::Fsetstat { handle: handle(fields)?, attributes: Attributes::read(fields)? }
            }
            kind::OPENDIR => Self::Opendir { path: path(fields)? },
            kind::READDIR => Self::Readdir { handle: handle(fields)? },
            kind::REMOVE => Self::Remove { path: path(fields)? },
            kind::MKDIR => Self::Mkdir { path: path(fields)? },
            kind::RMDIR => Self::Rmdir { path: path(fields)? },
            kind::REALPATH => Self::Realpath { path: path(fields)? },
            kind::RENAME => Self::Rename { from: path(fields)?, to: path(fields)? },
            kind::READLINK => Self::Readlink { path: path(fields)? },
            kind::SYMLINK => Self::Symlink { target: path(fields)?, link: path(fields)? },
            kind::EXTENDED => extended(fields)?,
            _ => Self::Unknown,
        })
    }
}

fn path(fields: &mut Fields<'_>) -> Result<Vec<u8>, Malformed> {
    fields.string().map(<[u8]>::to_vec)
}

fn handle(fields: &mut Fields<'_>) -> Result<Handle, Malformed> {
    fields.string().map(Handle::read)
}

/// OpenSSH's PROTOCOL file, section 4, and draft-ietf-secsh-filexfer-extensions-00.
fn extended(fields: &mut Fields<'_>) -> Result<Request, Malformed> {
    Ok(match fields.string()? {
        b"posix-rename@openssh.com" => {
            Request::PosixRename { from: path(fields)?, to: path(fields)? }
        }
        b"lsetstat@openssh.com" => {
            Request::Lsetstat { path: path(fields)?, attributes: Attributes::read(fields)? }
        }
        b"fsync@openssh.com" => Request::Fsync { handle: handle(fields)? },
        b"statvfs@openssh.com" => Request::Statvfs { path: path(fields)? },
        b"fstatvfs@openssh.com" => Request::Fstatvfs { handle: handle(fields)? },
        b"limits@openssh.com" => Request::Limits,
        b"expand-path@openssh.com" => Request::Realpath { path: path(fields)? },
        b"home-directory" => Request::HomeDirectory,
        b"users-groups-by-id@openssh.com" => Request::UsersGroupsById {
            users: fields.string()?.len() / 4,
            groups: fields.string()?.len() / 4,
        },
        b"check-file-name" => {
            Request::CheckFileName { path: path(fields)?, check: CheckFile::read(fields)? }
        }
        b"check-file-handle" | b"check-file" => {
            Request::CheckFileHandle { handle: handle(fields)?, check: CheckFile::read(fields)? }
        }
        b"hardlink@openssh.com" => Request::Hardlink { from: path(fields)?, to: path(fields)? },
        b"copy-data" => Request::CopyData {
            from: handle(fields)?,
            from_offset: fields.u64()?,
            length: fields.u64()?,
            to: handle(fields)?,
            to_offset: fields.u64()?,
        },
        _ => Request::Unknown,
    })
}
