//! What the parent and a worker say to each other: JSON behind a length, over a Unix socket pair.
//!
//! A message is at most [`MESSAGE_BYTES_MAX`] long. Descriptors travel with the length's bytes
//! (`SCM_RIGHTS`, unix(7)). Either side may be gone or hostile: a message that is too long, cut
//! short or not understood is an error, never a guess, and memory is taken only for bytes that came.
//!
//! Waiting is the caller's: before an operation would block, `wait` is asked, and its error ends
//! the exchange. The parent watches limits there; the worker has nothing else to do and blocks.

use std::io::{self, IoSlice, IoSliceMut, Read, Write};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;

use rustix::event::PollFlags;
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags,
};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::{Attempt, Confinement, Probe};
use crate::convert::{Job, Outcome, Reached};

/// The longest message. A report on 20,000 columns with long names takes a few MiB.
pub(super) const MESSAGE_BYTES_MAX: u32 = 32 << 20;
/// Descriptors of one message: raw object, Parquet, rejects.
const DESCRIPTORS_MAX: usize = 3;

/// What the parent asks.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Request {
    /// Convert; the descriptors are raw object, Parquet, rejects.
    Convert {
        /// What, and how.
        job: Box<Job>,
        /// Whether to say meanwhile how far it has come.
        watched: bool,
    },
    /// Try something on yourself.
    Probe(Probe),
}

/// What a worker answers.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Reply {
    /// Sent once, unasked: confined and ready.
    Ready(Confinement),
    /// How far it has come; more is to follow.
    Reached(Reached),
    /// What became of the file.
    Converted(Outcome),
    /// What a probe met.
    Tried(Vec<Attempt>),
}

/// Asked before an operation that would block.
pub(super) type Wait<'a> = &'a mut dyn FnMut(PollFlags) -> io::Result<()>;

/// One end of the socket pair.
#[derive(Debug)]
pub(super) struct Channel(UnixStream);

impl Channel {
    /// Takes a connected stream socket, blocking or not.
    pub(super) fn new(socket: UnixStream) -> Self {
        Self(socket)
    }

    /// Sends a message and descriptors.
    pub(super) fn send(
        &self,
        message: &impl Serialize,
        descriptors: &[BorrowedFd<'_>],
        wait: Wait<'_>,
    ) -> io::Result<()> {
        let text = serde_json::to_vec(message)?;
        let length = u32::try_from(text.len()).ok().filter(|length| *length <= MESSAGE_BYTES_MAX);
        let length = length.ok_or_else(|| unfit("message is too long"))?.to_le_bytes();
        patiently(PollFlags::OUT, wait, || self.send_length(&length, descriptors))?;
        let mut rest = text.as_slice();
        while !rest.is_empty() {
            let sent = patiently(PollFlags::OUT, wait, || (&self.0).write(rest))?;
            rest = rest.get(sent..).unwrap_or_default();
        }
        Ok(())
    }

    /// Receives a message and its descriptors; `None` when the other side has gone.
    pub(super) fn receive<T: DeserializeOwned>(
        &self,
        wait: Wait<'_>,
    ) -> io::Result<Option<(T, Vec<OwnedFd>)>> {
        let mut length = [0; 4];
        let mut descriptors = Vec::new();
        let count =
            patiently(PollFlags::IN, wait, || self.receive_length(&mut length, &mut descriptors))?;
        if count == 0 {
            return Ok(None);
        }
        if count != length.len() {
            return Err(unfit("message is cut short"));
        }
        let length = u32::from_le_bytes(length);
        if length > MESSAGE_BYTES_MAX {
            return Err(unfit("message is too long"));
        }
        let text = self.receive_text(length as usize, wait)?;
        Ok(Some((serde_json::from_slice(&text)?, descriptors)))
    }

    fn receive_text(&self, length: usize, wait: Wait<'_>) -> io::Result<Vec<u8>> {
        let mut text = Vec::new();
        let mut buffer = [0; 1 << 14];
        while text.len() < length {
            let wanted = buffer.len().min(length - text.len());
            let buffer = buffer.get_mut(..wanted).unwrap_or_default();
            match patiently(PollFlags::IN, wait, || (&self.0).read(buffer))? {
                0 => return Err(unfit("message is cut short")),
                count => text.extend_from_slice(buffer.get(..count).unwrap_or_default()),
            }
        }
        Ok(text)
    }

    /// The four bytes go in one piece: a stream socket takes so few whole or not at all.
    fn send_length(&self, length: &[u8; 4], descriptors: &[BorrowedFd<'_>]) -> io::Result<()> {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(DESCRIPTORS_MAX))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        if !descriptors.is_empty() && !control.push(SendAncillaryMessage::ScmRights(descriptors)) {
            return Err(unfit("too many descriptors"));
        }
        let bytes = [IoSlice::new(length)];
        match rustix::net::sendmsg(&self.0, &bytes, &mut control, SendFlags::NOSIGNAL)? {
            4 => Ok(()),
            _ => Err(unfit("message is cut short")),
        }
    }

    fn receive_length(
        &self,
        length: &mut [u8; 4],
        descriptors: &mut Vec<OwnedFd>,
    ) -> io::Result<usize> {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(DESCRIPTORS_MAX))];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let mut bytes = [IoSliceMut::new(length)];
        let flags = RecvFlags::CMSG_CLOEXEC | RecvFlags::WAITALL;
        let came = rustix::net::recvmsg(&self.0, &mut bytes, &mut control, flags)?;
        for message in control.drain() {
            if let RecvAncillaryMessage::ScmRights(sent) = message {
                descriptors.extend(sent);
            }
        }
        Ok(came.bytes)
    }
}

impl AsFd for Channel {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// Repeats an operation until it does not ask to wait.
fn patiently<T>(
    ready: PollFlags,
    wait: Wait<'_>,
    mut operation: impl FnMut() -> io::Result<T>,
) -> io::Result<T> {
    loop {
        match operation() {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => wait(ready)?,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            done => return done,
        }
    }
}

fn unfit(what: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

#[cfg(test)]
mod tests {
    use std::fs::File;

    use super::*;

    fn never(_: PollFlags) -> io::Result<()> {
        panic!("nothing to wait for")
    }

    fn pair() -> (Channel, Channel) {
        let (a, b) = UnixStream::pair().expect("a pair");
        (Channel::new(a), Channel::new(b))
    }

    #[test]
    fn a_message_takes_its_descriptors_along() {
        let (a, b) = pair();
        let (mut reader, writer) = std::io::pipe().expect("a pipe");
        a.send(&"hello", &[writer.as_fd()], &mut never).expect("sent");
        let (text, mut descriptors) =
            b.receive::<String>(&mut never).expect("received").expect("a message");
        assert_eq!((text.as_str(), descriptors.len()), ("hello", 1));
        drop(writer);
        let mut file = File::from(descriptors.remove(0));
        file.write_all(b"x").expect("written");
        drop(file);
        let mut said = String::new();
        reader.read_to_string(&mut said).expect("read");
        assert_eq!(said, "x", "the pipe ends, so no copy of its end is left");
    }

    #[test]
    fn long_messages_pass_and_too_long_ones_do_not() {
        let (a, b) = pair();
        let long = "x".repeat(3 << 20);
        let sent = std::thread::spawn({
            let long = long.clone();
            move || a.send(&long, &[], &mut never).map(|()| a)
        });
        let (came, _) = b.receive::<String>(&mut never).expect("received").expect("a message");
        assert_eq!(came.len(), long.len());
        let a = sent.join().expect("joined").expect("sent");
        (&a.0).write_all(&(MESSAGE_BYTES_MAX + 1).to_le_bytes()).expect("written");
        assert!(b.receive::<String>(&mut never).is_err());
        let too_long = "x".repeat(MESSAGE_BYTES_MAX as usize);
        assert!(a.send(&too_long, &[], &mut never).is_err());
    }

    #[test]
    fn an_end_is_not_half_a_message() {
        let (a, b) = pair();
        (&a.0).write_all(&9_u32.to_le_bytes()).expect("written");
        (&a.0).write_all(b"\"cut").expect("written");
        drop(a);
        assert!(b.receive::<String>(&mut never).is_err());
        assert!(b.receive::<String>(&mut never).expect("an end").is_none());
    }

    #[test]
    fn waiting_can_be_refused() {
        let (a, _b) = pair();
        a.0.set_nonblocking(true).expect("set");
        let refused = a.receive::<String>(&mut |_| Err(io::Error::other("enough")));
        assert_eq!(refused.expect_err("refused").to_string(), "enough");
    }
}
