//! The SFTP version 3 codec (draft-ietf-secsh-filexfer-02), with OpenSSH's extensions.
//!
//! [`Decoder`] turns a stream of bytes into [`Item`]s however the stream is cut; the payload of a
//! WRITE passes through without being assembled. [`reply`] appends answers to a buffer. Names are
//! bytes. Bytes after the end of a request are skipped, because old clients send them.
//!
//! Promises: memory is bounded by [`PACKET_BYTES_MAX`]; a request that makes no sense inside a
//! packet with a sound length is [`Malformed`] and the stream goes on; a length that makes no sense
//! is an [`Error`], after which the stream cannot be trusted and must be closed.
//!
//! Left out: every version but 3, and the attributes `extended` carries (read and dropped).

mod attributes;
mod decoder;
mod fields;
pub mod reply;
mod request;

pub use attributes::Attributes;
pub use decoder::{Decoder, Item, WriteHead};
pub use request::{CheckFile, Handle, OpenFlags, Request};

/// Bytes a packet may have after its length field. OpenSSH's limit is the same.
pub const PACKET_BYTES_MAX: usize = 256 * 1024;
/// Payload bytes one WRITE may have, as told to a client that asks for limits@openssh.com.
pub const WRITE_BYTES_MAX: usize = PACKET_BYTES_MAX - 1024;
/// Payload bytes one READ is answered with at most.
pub const READ_BYTES_MAX: usize = PACKET_BYTES_MAX - 1024;

/// The stream cannot be followed any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// A packet is empty or longer than [`PACKET_BYTES_MAX`].
    #[error("a packet of {0} bytes is not allowed; the limit is 262144")]
    PacketLength(usize),
    /// A WRITE states more payload than its packet holds.
    #[error("a WRITE states more bytes than its packet has")]
    WriteLength,
    /// A packet is too short to hold its request id.
    #[error("a packet has no request id")]
    NoId,
}

/// A request whose fields do not fit its packet, or that uses a field in a way nobody defined.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a request is malformed")]
pub struct Malformed;

/// Status codes of version 3.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub enum Status {
    /// SSH_FX_OK.
    Ok = 0,
    /// SSH_FX_EOF.
    Eof = 1,
    /// SSH_FX_NO_SUCH_FILE.
    NoSuchFile = 2,
    /// SSH_FX_PERMISSION_DENIED.
    PermissionDenied = 3,
    /// SSH_FX_FAILURE.
    Failure = 4,
    /// SSH_FX_BAD_MESSAGE.
    BadMessage = 5,
    /// SSH_FX_OP_UNSUPPORTED.
    Unsupported = 8,
}
