//! `scp -f`: gives files. Receipts and texts always, landed files where the account may read them.

use super::super::account::Account;
use super::super::dialog::{Dialog, Pause, Place, Ran};
use super::super::download::{Download, QuickRead};
use super::super::listing::Listing;
use super::super::refusal::Refused;
use super::super::wire::{self, Attributes};
use super::super::{look, names, view};
use super::line::LINE_BYTES_MAX;
use super::{Folders, Times, complain};
use crate::config;

/// Bytes of a file sent at once.
const BODY_STEP_BYTES: usize = 64 * 1024;
/// Names that one wildcard may stand for.
const MATCHES_MAX: usize = 100_000;
/// Folders inside folders; a view is not deeper.
const DEPTH_MAX: usize = 20;

/// The side that gives files.
pub struct Source {
    account: Account,
    folders: Folders,
    times: Times,
    /// What is still to be done, the next last.
    steps: Vec<Step>,
    depth: usize,
    state: State,
    line: Vec<u8>,
    has_failed: bool,
}

enum Step {
    /// Sends what is at this path.
    Send(Vec<u8>),
    /// Ends a folder.
    Leave,
}

enum State {
    /// The other side answers with a byte, and then this comes.
    Answer(Next),
    /// The other side says what failed, and then this comes.
    Complaint(Next),
    /// The next step is to be done.
    Step,
    /// A file's bytes are being sent.
    Body(Body),
    Over,
}

/// What comes after an answer.
enum Next {
    Step,
    /// The control line of a file, whose times were told.
    Head(Body),
    /// The bytes of a file.
    Body(Body),
    /// What a folder holds: so many steps, left out if the other side refuses the folder.
    Inside(usize),
}

struct Body {
    file: Download,
    path: Vec<u8>,
    name: Vec<u8>,
    attributes: Attributes,
    at: u64,
    size_bytes: u64,
    is_cut_short: bool,
}

impl Source {
    /// Gives what lies at these paths of the partner's view.
    pub fn new(account: Account, mut paths: Vec<Vec<u8>>, folders: Folders, times: Times) -> Self {
        paths.reverse();
        Self {
            account,
            folders,
            times,
            steps: paths.into_iter().map(Step::Send).collect(),
            depth: 0,
            state: State::Answer(Next::Step),
            line: Vec::new(),
            has_failed: false,
        }
    }

    fn next_step(&mut self, out: &mut Vec<u8>) -> State {
        match self.steps.pop() {
            None => State::Over,
            Some(Step::Leave) => {
                self.depth = self.depth.saturating_sub(1);
                out.extend_from_slice(b"E\n");
                State::Answer(Next::Step)
            }
            Some(Step::Send(path)) => self.send(&path, out).unwrap_or_else(|refused| {
                self.has_failed = true;
                complain(out, &path, &refused.text);
                State::Step
            }),
        }
    }

    fn send(&mut self, path: &[u8], out: &mut Vec<u8>) -> Result<State, Refused> {
        let partner = &self.account.partner;
        let canonical = view::canonical(partner, path);
        let node = view::resolve(partner, &canonical)?;
        let attributes = match names::stat(&self.account, &node) {
            Ok(attributes) => attributes,
            Err(missing) => return self.send_matching(&canonical).ok_or(missing),
        };
        let name = canonical.rsplit(|b| *b == b'/').next().unwrap_or_default().to_vec();
        if name.is_empty() {
            return Err(Refused::failure("name a file or a folder below /"));
        }
        if name.contains(&b'\n') {
            return Err(Refused::failure("SCP cannot send a name with a line end; use SFTP"));
        }
        if look::is_folder(&attributes) {
            return self.enter(&canonical, &name, out);
        }
        let file = Download::open(&self.account, &node)?;
        let attributes = file.look();
        let size_bytes = attributes.size_bytes.unwrap_or_default();
        let path = canonical;
        let body = Body { file, path, name, attributes, at: 0, size_bytes, is_cut_short: false };
        Ok(match self.times {
            Times::Told => {
                tell_times(&body.attributes, out);
                State::Answer(Next::Head(body))
            }
            Times::Untold => head(body, out),
        })
    }

    fn enter(&mut self, path: &[u8], name: &[u8], out: &mut Vec<u8>) -> Result<State, Refused> {
        if self.folders == Folders::Refused {
            return Err(Refused::failure("this is a folder; use -r to fetch it"));
        }
        if self.depth >= DEPTH_MAX {
            return Err(Refused::failure("folders are nested too deeply here"));
        }
        let mut inside = self.names_in(path)?;
        inside.reverse();
        let count = inside.len();
        self.depth += 1;
        self.steps.push(Step::Leave);
        let below = inside.into_iter().map(|name| Step::Send([path, b"/", &name].concat()));
        self.steps.extend(below);
        out.extend_from_slice(format!("D{:04o} 0 ", look::FOLDER_MODE).as_bytes());
        out.extend_from_slice(name);
        out.push(b'\n');
        Ok(State::Answer(Next::Inside(count + 1)))
    }

    /// Replaces a path whose last part has wildcards by what it stands for.
    fn send_matching(&mut self, path: &[u8]) -> Option<State> {
        let slash = path.iter().rposition(|b| *b == b'/')?;
        let (folder, pattern) = (path.get(..slash)?, path.get(slash + 1..)?);
        if !pattern.iter().any(|b| matches!(b, b'*' | b'?')) {
            return None;
        }
        let pattern = [String::from_utf8_lossy(pattern).into_owned()];
        let mut found = self.names_in(folder).ok()?;
        found.retain(|name| config::name_matches(&pattern, name));
        if found.is_empty() {
            return None;
        }
        found.reverse();
        self.steps.extend(found.iter().map(|name| Step::Send([folder, b"/", name].concat())));
        Some(State::Step)
    }

    fn names_in(&self, folder: &[u8]) -> Result<Vec<Vec<u8>>, Refused> {
        let node = view::resolve(&self.account.partner, folder)?;
        let mut listing = Listing::open(&self.account, &node)?;
        let mut names = Vec::new();
        loop {
            let page = listing.page(&self.account);
            if page.is_empty() || names.len() > MATCHES_MAX {
                return Ok(names);
            }
            let entries = page.into_iter().map(|entry| entry.name);
            names.extend(entries.filter(|name| !matches!(name.as_slice(), b"." | b"..")));
        }
    }

    /// The other side agreed.
    fn go_on(&mut self, next: Next, out: &mut Vec<u8>) -> State {
        match next {
            Next::Step | Next::Inside(_) => State::Step,
            Next::Head(body) => head(body, out),
            Next::Body(body) => State::Body(body),
        }
    }

    /// The other side did not agree.
    fn pass_over(&mut self, next: &Next) -> State {
        self.has_failed = true;
        if let Next::Inside(count) = next {
            self.depth = self.depth.saturating_sub(1);
            self.steps.truncate(self.steps.len().saturating_sub(*count));
        }
        State::Step
    }

    fn collect(&mut self, input: &mut &[u8]) -> bool {
        let end = input.iter().position(|b| *b == b'\n');
        let taken = end.map_or(input.len(), |end| end + 1);
        *input = input.get(taken..).unwrap_or_default();
        // Only its length matters: nobody here reads it.
        self.line.resize((self.line.len() + taken).min(LINE_BYTES_MAX), 0);
        end.is_some() || self.line.len() >= LINE_BYTES_MAX
    }
}

fn tell_times(attributes: &Attributes, out: &mut Vec<u8>) {
    let (accessed, modified) = attributes.times_s.unwrap_or_default();
    out.extend_from_slice(format!("T{modified} 0 {accessed} 0\n").as_bytes());
}

fn head(body: Body, out: &mut Vec<u8>) -> State {
    let mode = body.attributes.mode.unwrap_or_default() & 0o7777;
    out.extend_from_slice(format!("C{mode:04o} {} ", body.size_bytes).as_bytes());
    out.extend_from_slice(&body.name);
    out.push(b'\n');
    State::Answer(Next::Body(body))
}

impl Body {
    /// Appends the next bytes; `false` when that would wait.
    fn send_some(&mut self, place: Place, out: &mut Vec<u8>) -> bool {
        let left = usize::try_from(self.size_bytes - self.at).unwrap_or(usize::MAX);
        let (start, most) = (out.len(), left.min(BODY_STEP_BYTES));
        out.resize(start + most, 0);
        let into = out.get_mut(start..).unwrap_or_default();
        let read = match (self.is_cut_short, place.may_wait()) {
            (true, _) => Ok(0),
            (false, true) => self.file.read(self.at, into),
            (false, false) => match self.file.read_quickly(self.at, into) {
                QuickRead::Read(count) => Ok(count),
                QuickRead::WouldWait => {
                    out.truncate(start);
                    return false;
                }
            },
        };
        // What was promised is sent in any case; the end says that it is not the file.
        let count = match read {
            Ok(count) if count > 0 => count,
            Ok(_) | Err(_) => {
                self.is_cut_short = true;
                most
            }
        };
        out.truncate(start + count);
        self.at += count as u64;
        true
    }
}

impl Dialog for Source {
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
                State::Answer(next) => match input.split_first() {
                    None => {
                        self.state = State::Answer(next);
                        return Ok(Pause::Input);
                    }
                    Some((answer, rest)) => {
                        *input = rest;
                        match answer {
                            0 => self.go_on(next, out),
                            1 => State::Complaint(next),
                            _ => {
                                self.has_failed = true;
                                State::Over
                            }
                        }
                    }
                },
                State::Complaint(next) => {
                    if !self.collect(input) {
                        self.state = State::Complaint(next);
                        return Ok(Pause::Input);
                    }
                    self.line.clear();
                    self.pass_over(&next)
                }
                State::Step => {
                    if !place.may_wait() {
                        self.state = State::Step;
                        return Ok(Pause::Slow);
                    }
                    self.next_step(out)
                }
                State::Body(mut body) => {
                    if body.at < body.size_bytes {
                        let went_on = body.send_some(place, out);
                        self.state = State::Body(body);
                        if !went_on {
                            return Ok(Pause::Slow);
                        }
                        continue;
                    }
                    if body.is_cut_short {
                        self.has_failed = true;
                        complain(out, &body.path, "the server could not read it to its end");
                    } else {
                        out.push(0);
                    }
                    State::Answer(Next::Step)
                }
                State::Over => return Ok(Pause::Over),
            };
        }
    }

    fn finish(self: Box<Self>) -> Ran {
        let is_done = matches!(self.state, State::Over) && self.steps.is_empty();
        Ran::silent(u32::from(self.has_failed || !is_done))
    }
}
