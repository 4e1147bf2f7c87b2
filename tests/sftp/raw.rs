//! A client that speaks the protocol byte by byte over OpenSSH's transport, so that windows and
//! key exchanges are those of a real client and nothing is read before the test wants it.

#![allow(dead_code, reason = "each test binary uses a part of it")]

use std::io::{Read, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use crate::support::Site;

pub const OPEN: u8 = 3;
pub const CLOSE: u8 = 4;
pub const READ: u8 = 5;
pub const WRITE: u8 = 6;
pub const FSTAT: u8 = 8;
pub const FSETSTAT: u8 = 10;
pub const OPENDIR: u8 = 11;
pub const READDIR: u8 = 12;
pub const RENAME: u8 = 18;
pub const STAT: u8 = 17;
pub const EXTENDED: u8 = 200;
pub const STATUS: u8 = 101;
pub const HANDLE: u8 = 102;
pub const DATA: u8 = 103;

pub const READING: u32 = 0x01;
pub const WRITING: u32 = 0x02;
pub const APPENDING: u32 = 0x04;
pub const CREATING: u32 = 0x08;
pub const TRUNCATING: u32 = 0x10;
pub const EXCLUSIVE: u32 = 0x20;

/// A conversation through `ssh -s sftp`.
pub struct Raw {
    child: Child,
    pub to: Option<ChildStdin>,
    pub from: ChildStdout,
    next: u32,
}

/// One answer: its type and what follows the request's id.
#[derive(Debug)]
pub struct Answer {
    pub kind: u8,
    pub id: u32,
    pub body: Vec<u8>,
}

impl Answer {
    /// The code of a status.
    pub fn status(&self) -> u32 {
        assert_eq!(self.kind, STATUS, "{self:?}");
        u32::from_be_bytes(self.body[..4].try_into().expect("4 bytes"))
    }

    /// The sentence of a status.
    pub fn text(&self) -> String {
        assert_eq!(self.kind, STATUS, "{self:?}");
        String::from_utf8(take_string(&self.body[4..]).to_vec()).expect("text")
    }

    /// The handle that was opened.
    #[track_caller]
    pub fn handle(&self) -> Vec<u8> {
        assert_eq!(self.kind, HANDLE, "{}", String::from_utf8_lossy(&self.body));
        take_string(&self.body).to_vec()
    }

    /// The bytes that were read.
    #[track_caller]
    pub fn data(&self) -> &[u8] {
        assert_eq!(self.kind, DATA, "{}", String::from_utf8_lossy(&self.body));
        take_string(&self.body)
    }

    /// The size in attributes.
    pub fn size(&self) -> u64 {
        assert_eq!((self.kind, self.body[3] & 1), (105, 1), "{self:?}");
        u64::from_be_bytes(self.body[4..12].try_into().expect("8 bytes"))
    }
}

impl Raw {
    /// Logs in and says hello.
    pub fn connect(site: &Site, user: &str) -> Self {
        let mut command = site.openssh("ssh", user);
        command.arg("-p").arg(site.address.port().to_string());
        command.arg("-s").arg(format!("{user}@127.0.0.1")).arg("sftp");
        Self::over(command)
    }

    /// Says hello through a program that leads to an SFTP server.
    pub fn over(mut command: Command) -> Self {
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("ssh runs");
        let to = child.stdin.take();
        let from = child.stdout.take().expect("piped");
        let mut raw = Self { child, to, from, next: 0 };
        raw.write_all(&[0, 0, 0, 5, 1, 0, 0, 0, 6]);
        let hello = raw.answer();
        assert_eq!((hello.kind, hello.id), (2, 3), "version 3");
        raw
    }

    pub fn write_all(&mut self, bytes: &[u8]) {
        self.to.as_mut().expect("open").write_all(bytes).expect("written");
    }

    /// Sends a request and waits for its answer.
    pub fn ask(&mut self, kind: u8, body: &[u8]) -> Answer {
        self.next += 1;
        let id = self.next;
        self.write_all(&packet(kind, id, body));
        let answer = self.answer();
        assert_eq!(answer.id, id, "answers come in order");
        answer
    }

    /// Reads one answer.
    pub fn answer(&mut self) -> Answer {
        let mut length = [0; 4];
        self.from.read_exact(&mut length).expect("an answer");
        let length = u32::from_be_bytes(length) as usize;
        assert!((5..=(256 << 10)).contains(&length), "an answer of {length} bytes");
        let mut packet = vec![0; length];
        self.from.read_exact(&mut packet).expect("a whole answer");
        let id = u32::from_be_bytes(packet[1..5].try_into().expect("4 bytes"));
        Answer { kind: packet[0], id, body: packet[5..].to_vec() }
    }

    pub fn open(&mut self, path: impl AsRef<[u8]>, flags: u32) -> Answer {
        let mut body = string(path);
        body.extend_from_slice(&flags.to_be_bytes());
        body.extend_from_slice(&[0; 4]);
        self.ask(OPEN, &body)
    }

    pub fn write(&mut self, handle: &[u8], at: u64, bytes: &[u8]) -> Answer {
        self.ask(WRITE, &write_body(handle, at, bytes))
    }

    pub fn read(&mut self, handle: &[u8], at: u64, length: u32) -> Answer {
        self.ask(READ, &read_body(handle, at, length))
    }

    pub fn close(&mut self, handle: &[u8]) -> Answer {
        self.ask(CLOSE, &string(handle))
    }

    pub fn stat(&mut self, path: impl AsRef<[u8]>) -> Answer {
        self.ask(STAT, &string(path))
    }

    pub fn fstat(&mut self, handle: &[u8]) -> Answer {
        self.ask(FSTAT, &string(handle))
    }

    pub fn set_size(&mut self, handle: &[u8], size: u64) -> Answer {
        let mut body = string(handle);
        body.extend_from_slice(&1_u32.to_be_bytes());
        body.extend_from_slice(&size.to_be_bytes());
        self.ask(FSETSTAT, &body)
    }

    pub fn rename(&mut self, from: impl AsRef<[u8]>, to: impl AsRef<[u8]>) -> Answer {
        self.ask(RENAME, &[string(from), string(to)].concat())
    }

    pub fn posix_rename(&mut self, from: impl AsRef<[u8]>, to: impl AsRef<[u8]>) -> Answer {
        let name = string("posix-rename@openssh.com");
        self.ask(EXTENDED, &[name, string(from), string(to)].concat())
    }

    /// The names in a folder.
    pub fn list(&mut self, path: impl AsRef<[u8]>) -> Vec<Vec<u8>> {
        let handle = self.ask(OPENDIR, &string(path)).handle();
        let mut names = Vec::new();
        loop {
            let page = self.ask(READDIR, &string(&handle));
            if page.kind == STATUS {
                assert_eq!(page.status(), 1, "{}", page.text());
                self.close(&handle);
                return names;
            }
            let mut rest = &page.body[4..];
            while !rest.is_empty() {
                let name = take_string(rest);
                names.push(name.to_vec());
                rest = &rest[4 + name.len()..];
                rest = &rest[4 + take_string(rest).len()..];
                let flags = rest[3];
                rest = &rest[4..];
                for (flag, bytes) in [(1, 8), (2, 8), (4, 4), (8, 8)] {
                    rest = if flags & flag != 0 { &rest[bytes..] } else { rest };
                }
            }
        }
    }

    /// Waits for the connection's end and gives what `ssh` said of it.
    pub fn last_words(&mut self) -> String {
        drop(self.to.take());
        let mut words = String::new();
        let mut from = self.child.stderr.take().expect("piped");
        from.read_to_string(&mut words).expect("read");
        words
    }

    /// Vanishes without a word.
    pub fn kill(mut self) {
        self.child.kill().expect("killed");
        self.child.wait().expect("gone");
    }

    /// Ends in order.
    pub fn end(mut self) {
        drop(self.to.take());
        let status = self.child.wait().expect("gone");
        assert!(status.success(), "{status}");
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

pub fn string(bytes: impl AsRef<[u8]>) -> Vec<u8> {
    let bytes = bytes.as_ref();
    [&u32::try_from(bytes.len()).expect("short").to_be_bytes(), bytes].concat()
}

pub fn packet(kind: u8, id: u32, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len() + 5).expect("short");
    [&length.to_be_bytes(), [kind].as_slice(), &id.to_be_bytes(), body].concat()
}

pub fn write_body(handle: &[u8], at: u64, bytes: &[u8]) -> Vec<u8> {
    [string(handle), at.to_be_bytes().to_vec(), string(bytes)].concat()
}

pub fn read_body(handle: &[u8], at: u64, length: u32) -> Vec<u8> {
    [string(handle), at.to_be_bytes().to_vec(), length.to_be_bytes().to_vec()].concat()
}

fn take_string(bytes: &[u8]) -> &[u8] {
    let length = u32::from_be_bytes(bytes[..4].try_into().expect("4 bytes")) as usize;
    &bytes[4..4 + length]
}
