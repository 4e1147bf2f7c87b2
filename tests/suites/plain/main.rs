//! An SFTP server for a plain file system on the door's codec, over standard input and output or,
//! with `--over-ssh`, behind the door's own transport and lanes.
//!
//! Other people's test suites want an `sftp-server` program with a whole file system behind it.
//! This one reads and writes the protocol with `landfall::receive::sftp::wire` and nothing else, so
//! that what those suites say is said of the codec. It behaves like OpenSSH's sftp-server(8), down
//! to the options that the suites use: `-R` (read-only), `-p` and `-P` (requests that are allowed
//! and denied by name); `-e` and `-l LEVEL` are taken and change nothing.
//!
//! It guards nothing: whoever speaks to it has the rights of the user that runs it. It is no part
//! of landfall's binary.

#![allow(
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stderr,
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::wildcard_enum_match_arm,
    reason = "a test server that works on a plain file system"
)]

mod files;
mod permit;
#[path = "../../support/sftp.rs"]
mod support;

use std::io::{Read, Write};
use std::process::ExitCode;
use std::sync::Arc;

use landfall::receive::sftp::dialog::{Dialog, Pause, Place, Ran};
use landfall::receive::sftp::wire::reply::{self, Answer, Extension};
use landfall::receive::sftp::wire::{
    self, Decoder, Item, READ_BYTES_MAX, Request, Status, WriteHead,
};

use files::{Files, Said};
use permit::Permit;

/// Bytes of answers made before they are written.
const OUT_BYTES_MAX: usize = 256 * 1024;

/// What this server adds to version 3.
const EXTENSIONS: [Extension; 11] = [
    (b"posix-rename@openssh.com", b"1"),
    (b"statvfs@openssh.com", b"2"),
    (b"fstatvfs@openssh.com", b"2"),
    (b"hardlink@openssh.com", b"1"),
    (b"fsync@openssh.com", b"1"),
    (b"lsetstat@openssh.com", b"1"),
    (b"limits@openssh.com", b"1"),
    (b"expand-path@openssh.com", b"1"),
    (b"copy-data", b"1"),
    (b"home-directory", b"1"),
    (b"check-file", b"md5,sha1,sha256"),
];

struct Server {
    decoder: Decoder,
    files: Files,
    permit: Permit,
    /// The WRITE whose payload is coming, where its next byte goes, and how it has gone so far.
    writing: Option<(WriteHead, u64, Said<()>)>,
}

fn main() -> ExitCode {
    if std::env::args().nth(1).as_deref() == Some("--over-ssh") {
        serve_over_ssh();
        return ExitCode::SUCCESS;
    }
    let served = match Permit::read(std::env::args().skip(1)) {
        Ok(permit) => serve(Server::new(permit)).map_err(|error| error.to_string()),
        Err(wrong) => Err(wrong),
    };
    match served {
        Ok(()) => ExitCode::SUCCESS,
        Err(told) => {
            eprintln!("plain-sftp-server: {told}");
            ExitCode::FAILURE
        }
    }
}

/// Serves standard input and output.
fn serve(mut server: Server) -> Result<(), Box<dyn std::error::Error>> {
    let (mut from, mut to) = (std::io::stdin().lock(), std::io::stdout().lock());
    let mut buffer = vec![0; 64 * 1024];
    let mut out = Vec::new();
    loop {
        let count = from.read(&mut buffer)?;
        if count == 0 {
            return Ok(());
        }
        let mut input = buffer.get(..count).unwrap_or_default();
        while server.feed(&mut input, Place::Pool, &mut out, OUT_BYTES_MAX)? == Pause::Output {
            to.write_all(&out)?;
            out.clear();
        }
        to.write_all(&out)?;
        out.clear();
        to.flush()?;
    }
}

/// Serves behind the door's transport until standard input ends. Prints the port and the path of
/// the key with which `acme` may log in.
fn serve_over_ssh() {
    let site = support::Site::speaking(Arc::new(|| Box::new(Server::new(Permit::default()))));
    println!("{} {}", site.address.port(), site.key("acme").display());
    std::io::stdin().lock().read_to_end(&mut Vec::new()).ok();
}

impl Dialog for Server {
    fn feed(
        &mut self,
        input: &mut &[u8],
        place: Place,
        out: &mut Vec<u8>,
        out_bytes_max: usize,
    ) -> Result<Pause, wire::Error> {
        // Everything but silence may wait for the disk.
        if place == Place::Loop && !input.is_empty() {
            return Ok(Pause::Slow);
        }
        while out.len() < out_bytes_max {
            if !self.step(input, out)? {
                return Ok(Pause::Input);
            }
        }
        Ok(Pause::Output)
    }

    fn finish(self: Box<Self>) -> Ran {
        Ran::silent(0)
    }
}

impl Server {
    fn new(permit: Permit) -> Self {
        Self { decoder: Decoder::default(), files: Files::default(), permit, writing: None }
    }

    /// Does one thing; whether there was one to do.
    fn step(&mut self, input: &mut &[u8], out: &mut Vec<u8>) -> Result<bool, wire::Error> {
        if let Some((head, at, said)) = &mut self.writing {
            if self.decoder.payload_left() > 0 {
                let payload = self.decoder.payload(input, usize::MAX);
                if said.is_ok() {
                    *said = self.files.write(head.handle, *at, payload);
                }
                *at = at.saturating_add(payload.len() as u64);
                return Ok(!payload.is_empty());
            }
            let (id, said) = (head.id, said.map(|()| Answer::Done));
            conclude(out, id, said);
            self.writing = None;
            return Ok(true);
        }
        match self.decoder.next(input)? {
            None => return Ok(false),
            Some(Item::Init { .. }) => reply::version(out, &EXTENSIONS),
            Some(Item::Request(id, Ok(request))) => self.answer(id, request, out),
            Some(Item::Request(id, Err(_malformed))) => conclude(out, id, Err(Status::BadMessage)),
            Some(Item::Write(head)) => {
                let permitted = self.permit.allows("write", true);
                let said = if permitted { Ok(()) } else { Err(Status::PermissionDenied) };
                self.writing = Some((head, head.offset, said));
            }
        }
        Ok(true)
    }

    fn answer(&mut self, id: u32, request: Request, out: &mut Vec<u8>) {
        if !self.permit.allows_request(&request) {
            return conclude(out, id, Err(Status::PermissionDenied));
        }
        if let Request::Read { handle, offset, length } = request {
            let most = usize::try_from(length).unwrap_or(READ_BYTES_MAX);
            let files = &self.files;
            match reply::data(out, id, most, |into| files.read(handle, offset, into)) {
                Ok(0) => conclude(out, id, Err(Status::Eof)),
                Ok(_) => {}
                Err(status) => conclude(out, id, Err(status)),
            }
            return;
        }
        conclude(out, id, self.files.perform(request));
    }
}

fn conclude(out: &mut Vec<u8>, id: u32, said: Said<Answer>) {
    match said {
        Ok(answer) => answer.write(out, id),
        Err(status) => reply::status(out, id, status, sentence(status)),
    }
}

/// What OpenSSH's server says, which suites look for.
fn sentence(status: Status) -> &'static str {
    match status {
        Status::Ok => "Success",
        Status::Eof => "End of file",
        Status::NoSuchFile => "No such file",
        Status::PermissionDenied => "Permission denied",
        Status::Failure => "Failure",
        Status::BadMessage => "Bad message",
        Status::Unsupported => "Operation unsupported",
    }
}
