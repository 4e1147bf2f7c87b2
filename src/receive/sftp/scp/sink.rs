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
        self.account.check_size(&key.name, size_bytes)?;
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
        match place {
            Place::Loop => false,
            Place::Pool => {
                self.upload.wait_for_room();
                true
            }
        }
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
            self.state = match std::mem::replace(&mut self.state, State::Over) {
                State::Greeting => {
                    out.push(0);
                    State::Line
                }
                State::Line => match self.collect(input) {
                    true => State::LineDone,
                    false => {
                        self.state = State::Line;
                        return Ok(Pause::Input);
                    }
                },
                waits @ State::LineDone => {
                    if place == Place::Loop {
                        self.state = waits;
                        return Ok(Pause::Slow);
                    }
                    self.obey(out)
                }
                State::Body(mut body) => {
                    let pause = if body.at == body.size_bytes {
                        None
                    } else if input.is_empty() {
                        Some(Pause::Input)
                    } else if body.has_room(place) {
                        body.take(input);
                        self.state = State::Body(body);
                        continue;
                    } else {
                        Some(Pause::Slow)
                    };
                    if let Some(pause) = pause {
                        self.state = State::Body(body);
                        return Ok(pause);
                    }
                    State::Verdict(body)
                }
                State::Verdict(body) => {
                    let pause = match input.first() {
                        None => Pause::Input,
                        Some(_) if place == Place::Loop => Pause::Slow,
                        Some(verdict) => {
                            let is_whole = *verdict == 0;
                            *input = input.get(1..).unwrap_or_default();
                            self.state = if is_whole {
                                self.commit(body, out);
                                State::Line
                            } else {
                                State::Failure(body)
                            };
                            continue;
                        }
                    };
                    self.state = State::Verdict(body);
                    return Ok(pause);
                }
                State::Failure(body) => {
                    if place == Place::Loop {
                        self.state = State::Failure(body);
                        return Ok(Pause::Slow);
                    }
                    if !self.collect(input) {
                        self.state = State::Failure(body);
                        return Ok(Pause::Input);
                    }
                    self.line.clear();
                    self.give_up(&body);
                    complain(out, &body.path, "not taken, because it was not sent to its end");
                    State::Line
                }
                State::Over => return Ok(Pause::Over),
            };
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
