//! `scp -t`: takes files.

use super::super::account::Account;
use super::super::dialog::{Dialog, Pause, Place, Ran};
use super::super::names;
use super::super::refusal::Refused;
use super::super::upload::OpenUpload;
use super::super::view::{self, Node};
use super::super::wire::{self, Attributes, OpenFlags};
use super::line::{LINE_BYTES_MAX, Line, Wrong};
use super::{Target, complain};

/// Bytes of a file taken at once; more would keep others waiting for the buffers' bound.
const BODY_STEP_BYTES: usize = 64 * 1024;

/// The side that takes files.
pub struct Sink {
    account: Account,
    target: Vec<u8>,
    kind: Target,
    /// The folders that `D` lines led into, as paths.
    folders: Vec<Vec<u8>>,
    /// What a `T` line said of the next file.
    times_s: Option<(u32, u32)>,
    line: Vec<u8>,
    state: State,
    has_failed: bool,
}

enum State {
    /// Nothing was said: the sink begins.
    Greeting,
    /// A control line is coming.
    Line,
    /// A whole control line waits to be done.
    LineDone,
    /// The bytes of a file are coming.
    Body(Body),
    /// The sender's own word on the file is coming.
    Verdict(Body),
    /// The sender says what went wrong with a file.
    Failure(Body),
    Over,
}

/// A file on its way.
struct Body {
    upload: OpenUpload,
    path: Vec<u8>,
    mode: u32,
    times_s: Option<(u32, u32)>,
    at: u64,
    size_bytes: u64,
    outcome: Result<(), Refused>,
}

impl Sink {
    /// Takes files to `target`, a path in the partner's view.
    pub fn new(account: Account, target: Vec<u8>, kind: Target) -> Self {
        Self {
            account,
            target,
            kind,
            folders: Vec::new(),
            times_s: None,
            line: Vec::new(),
            state: State::Greeting,
            has_failed: false,
        }
    }

    /// Collects a line; whether it is whole.
    fn collect(&mut self, input: &mut &[u8]) -> bool {
        let end = input.iter().position(|b| *b == b'\n');
        let (part, rest) = input.split_at(end.map_or(input.len(), |end| end + 1));
        *input = rest;
        let room = LINE_BYTES_MAX.saturating_sub(self.line.len());
        self.line.extend_from_slice(part.get(..part.len().min(room)).unwrap_or_default());
        end.is_some() || self.line.len() >= LINE_BYTES_MAX
    }

    /// Does what a control line says and appends the answer. Slow.
    fn obey(&mut self, out: &mut Vec<u8>) -> State {
        let line = std::mem::take(&mut self.line);
        let line = line.strip_suffix(b"\n").unwrap_or(&line);
        match line.first() {
            // The sender could not read something; it waits for no answer.
            Some(1) => {
                self.has_failed = true;
                return State::Line;
            }
            Some(2) => {
                self.has_failed = true;
                return State::Over;
            }
            _ => {}
        }
        match Line::read(line) {
            Ok(Line::Times { times_s }) => {
                self.times_s = Some(times_s);
                out.push(0);
                State::Line
            }
            Ok(Line::End) if self.folders.pop().is_some() => {
                out.push(0);
                State::Line
            }
            Ok(Line::File { mode, size_bytes, name }) => {
                let times_s = self.times_s.take();
                match self.begin(&name, size_bytes, mode, times_s) {
                    Ok(body) => {
                        out.push(0);
                        State::Body(body)
                    }
                    Err(refused) => self.refuse(out, &name, &refused.text),
                }
            }
            Ok(Line::Folder { name }) => {
                self.times_s = None;
                match self.enter(&name) {
                    Ok(path) => {
                        self.folders.push(path);
                        out.push(0);
                        State::Line
                    }
                    Err(refused) => self.refuse(out, &name, &refused.text),
                }
            }
            Err(wrong @ Wrong::Name) => self.refuse(out, line, &wrong.to_string()),
            Ok(Line::End) | Err(Wrong::Line) => {
                self.has_failed = true;
                out.push(2);
                out.extend_from_slice(format!("scp: {}\n", Wrong::Line).as_bytes());
                State::Over
            }
        }
    }

    fn refuse(&mut self, out: &mut Vec<u8>, name: &[u8], text: &str) -> State {
        self.has_failed = true;
        complain(out, name, text);
        State::Line
    }

    /// Where something of this name goes.
    fn destination(&self, name: &[u8]) -> Result<Vec<u8>, Refused> {
        if let Some(folder) = self.folders.last() {
            return Ok(below(folder, name));
        }
        let target = view::canonical(&self.account.partner, &self.target);
        if is_folder(&self.account, &target)? {
            return Ok(below(&target, name));
        }
        match self.kind {
            Target::Either => Ok(target),
            Target::Folder => Err(Refused::failure("the target is not a folder")),
        }
    }

    fn begin(
        &self,
        name: &[u8],
        size_bytes: u64,
        mode: u32,
        times_s: Option<(u32, u32)>,
    ) -> Result<Body, Refused> {
        let path = self.destination(name)?;
        let partner = &self.account.partner;
        let Node::Entry(key) = view::resolve(partner, &path)? else {
            return Err(view::only_in_feeds(partner));
        };
        self.account.check_size(&key, size_bytes)?;
        let flags = OpenFlags::create_anew();
        let upload = OpenUpload::open(&self.account, &key, flags, &Attributes::default())?;
        Ok(Body { upload, path, mode, times_s, at: 0, size_bytes, outcome: Ok(()) })
    }

    fn enter(&self, name: &[u8]) -> Result<Vec<u8>, Refused> {
        let path = self.destination(name)?;
        if !is_folder(&self.account, &path)? {
            names::make_folder(&self.account, &view::resolve(&self.account.partner, &path)?)?;
        }
        Ok(path)
    }

    /// The sender has sent all of a file and means it. Slow.
    fn commit(&mut self, body: Body, out: &mut Vec<u8>) {
        let Body { upload, path, mode, times_s, outcome, .. } = body;
        let taken = outcome.and_then(|()| {
            let attributes = Attributes { mode: Some(mode), times_s, ..Attributes::default() };
            upload.set(&attributes)?;
            upload.close(&self.account)
        });
        match taken {
            Ok(()) => out.push(0),
            Err(refused) => {
                upload.abandon(&self.account);
                self.has_failed = true;
                complain(out, &path, &refused.text);
            }
        }
    }

    /// The sender's own word on a file: a zero byte, or a complaint.
    fn verdict(
        &mut self,
        body: Body,
        input: &mut &[u8],
        place: Place,
        out: &mut Vec<u8>,
    ) -> (State, Option<Pause>) {
        match (input.split_first(), place.may_wait()) {
            (None, _) => (State::Verdict(body), Some(Pause::Input)),
            (Some(_), false) => (State::Verdict(body), Some(Pause::Slow)),
            (Some((verdict, rest)), true) => {
                *input = rest;
                if *verdict == 0 {
                    self.commit(body, out);
                    (State::Line, None)
                } else {
                    (State::Failure(body), None)
                }
            }
        }
    }

    /// The sender says why a file is not whole.
    fn failure(
        &mut self,
        body: Body,
        input: &mut &[u8],
        place: Place,
        out: &mut Vec<u8>,
    ) -> (State, Option<Pause>) {
        if !place.may_wait() {
            return (State::Failure(body), Some(Pause::Slow));
        }
        if !self.collect(input) {
            return (State::Failure(body), Some(Pause::Input));
        }
        self.line.clear();
        self.give_up(&body);
        complain(out, &body.path, "not taken, because it was not sent to its end");
        (State::Line, None)
    }

    fn give_up(&mut self, body: &Body) {
        self.has_failed = true;
        body.upload.abandon(&self.account);
    }
}

fn is_folder(account: &Account, path: &[u8]) -> Result<bool, Refused> {
    match names::stat(account, &view::resolve(&account.partner, path)?) {
        Ok(attributes) => Ok(super::super::look::is_folder(&attributes)),
        Err(refused) if refused == Refused::missing() => Ok(false),
        Err(refused) => Err(refused),
    }
}

fn below(folder: &[u8], name: &[u8]) -> Vec<u8> {
    [folder, b"/", name].concat()
}

impl Body {
    /// Takes what may be taken here.
    fn go_on(mut self, input: &mut &[u8], place: Place) -> (State, Option<Pause>) {
        if self.at == self.size_bytes {
            return (State::Verdict(self), None);
        }
        if input.is_empty() {
            return (State::Body(self), Some(Pause::Input));
        }
        if !self.has_room(place) {
            return (State::Body(self), Some(Pause::Slow));
        }
        self.take(input);
        (State::Body(self), None)
    }

    /// Takes bytes of the file; a file that failed is taken to its end and dropped.
    fn take(&mut self, input: &mut &[u8]) {
        let left = usize::try_from(self.size_bytes - self.at).unwrap_or(usize::MAX);
        let (bytes, rest) = input.split_at(input.len().min(left).min(BODY_STEP_BYTES));
        *input = rest;
        if self.outcome.is_ok() {
            self.outcome = self.upload.write(self.at, bytes);
        }
        self.at += bytes.len() as u64;
    }

    fn has_room(&self, place: Place) -> bool {
        if self.outcome.is_err() || self.upload.has_room() {
            return true;
        }
        if place.may_wait() {
            self.upload.wait_for_room();
        }
        place.may_wait()
    }
}

impl Dialog for Sink {
    fn feed(
        &mut self,
        input: &mut &[u8],
        place: Place,
        out: &mut Vec<u8>,
        out_bytes_max: usize,
    ) -> Result<Pause, wire::Error> {
        loop {
            if out.len() >= out_bytes_max {
                return Ok(Pause::Output);
            }
            let state = std::mem::replace(&mut self.state, State::Over);
            let (state, pause) = match state {
                State::Greeting => {
                    out.push(0);
                    (State::Line, None)
                }
                State::Line if self.collect(input) => (State::LineDone, None),
                State::Line => (State::Line, Some(Pause::Input)),
                State::LineDone if !place.may_wait() => (State::LineDone, Some(Pause::Slow)),
                State::LineDone => (self.obey(out), None),
                State::Body(body) => body.go_on(input, place),
                State::Verdict(body) => self.verdict(body, input, place, out),
                State::Failure(body) => self.failure(body, input, place, out),
                State::Over => (State::Over, Some(Pause::Over)),
            };
            self.state = state;
            if let Some(pause) = pause {
                return Ok(pause);
            }
        }
    }

    fn finish(mut self: Box<Self>) -> Ran {
        match std::mem::replace(&mut self.state, State::Over) {
            State::Body(body) | State::Verdict(body) | State::Failure(body) => self.give_up(&body),
            State::Greeting | State::Line | State::LineDone | State::Over => {}
        }
        Ran::silent(u32::from(self.has_failed))
    }
}
