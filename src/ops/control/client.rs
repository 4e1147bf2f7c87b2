//! The asking side.

use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Write as _};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use super::{Answer, Request, ServerStatus, descriptor, with_socket_path};
use crate::diagnostic::{Code, Diagnostic};
use crate::ledger::{Delivery, Recorded};
use crate::names::{ArrivalId, FeedName, FileName, PartnerName, PullName};
use crate::ops::closing::CloseWish;
use crate::ops::custody::Part;
use crate::ops::erase;
use crate::ops::excuse;
use crate::ops::hold;
use crate::ops::hostkeys::Step;
use crate::ops::quarantine::Judgement;
use crate::ops::replay::ReplayWish;
use crate::ops::sinks::SinkWish;
use crate::ops::stalled::Decision;
use crate::receive::pull::Outcome;
use crate::zone::Zone;

/// How long an answer may take; a large file is copied and synced meanwhile.
const ANSWER_WAIT: Duration = Duration::from_secs(3600);

/// A zone whose server answers.
#[derive(Debug, Clone)]
pub struct Client {
    zone: Zone,
}

impl Client {
    /// The server of a zone; `None` when none is running.
    ///
    /// # Errors
    /// [`Code::Z106`] when the socket is there and cannot be reached, for example because it belongs
    /// to another user.
    pub fn find(zone: &Zone) -> Result<Option<Self>, Diagnostic> {
        match with_socket_path(zone, |path| UnixStream::connect(path)) {
            Ok(_) => Ok(Some(Self { zone: zone.clone() })),
            Err(error) if is_absence(error.kind()) => Ok(None),
            Err(error) => Err(unreachable(&error)),
        }
    }

    /// How the server is.
    ///
    /// # Errors
    /// [`Code::Z106`].
    pub fn status(&self) -> Result<ServerStatus, Diagnostic> {
        let Answer::Status(status) = self.ask(&Request::Status, None)? else {
            return Err(unexpected());
        };
        Ok(status)
    }

    /// Hands a file over; when it returns the file is durable.
    ///
    /// # Errors
    /// Why it was not taken; [`Code::Z106`].
    pub fn send(
        &self,
        file: &File,
        feed: &FeedName,
        name: &FileName,
        modified_s: Option<u32>,
    ) -> Result<ArrivalId, Diagnostic> {
        let (feed, name, by) = (feed.clone(), name.clone(), crate::ops::who());
        let request = Request::Send { feed, name, modified_s, by };
        let Answer::Taken { id } = self.ask(&request, Some(file))? else {
            return Err(unexpected());
        };
        Ok(id)
    }

    /// Tells that a partner file was written.
    ///
    /// # Errors
    /// [`Code::Z106`], or why it could not be kept.
    pub fn partner_changed(&self, partner: &PartnerName, change: &str) -> Result<(), Diagnostic> {
        let (partner, change) = (partner.clone(), change.to_owned());
        self.expect_done(&Request::PartnerChanged { partner, by: crate::ops::who(), change })
    }

    /// Tells what a person decided about a stalled sink.
    ///
    /// # Errors
    /// Why it does not hold; [`Code::Z106`].
    pub fn decide(&self, decision: Decision) -> Result<Delivery, Diagnostic> {
        let Answer::Decided(delivery) = self.ask(&Request::Decide(decision), None)? else {
            return Err(unexpected());
        };
        Ok(*delivery)
    }

    /// Has a feed's next batch closed; its sequence and how many files it has.
    ///
    /// # Errors
    /// Why it is not; [`Code::Z106`].
    pub fn close_batch(&self, wish: CloseWish) -> Result<(u64, u64), Diagnostic> {
        let Answer::Closed { sequence, files } = self.ask(&Request::CloseBatch(wish), None)? else {
            return Err(unexpected());
        };
        Ok((sequence, files))
    }

    /// Has a pull run, and waits for its end.
    ///
    /// # Errors
    /// Why it was not run; [`Code::Z106`].
    pub fn pull(&self, pull: &PullName) -> Result<Outcome, Diagnostic> {
        let request = Request::Pull { pull: pull.clone(), by: crate::ops::who() };
        let Answer::Pulled(outcome) = self.ask(&request, None)? else {
            return Err(unexpected());
        };
        Ok(outcome)
    }

    /// Has files replayed; how many of them are so already.
    ///
    /// # Errors
    /// Why one of them is not; [`Code::Z106`].
    pub fn replay(&self, wish: ReplayWish) -> Result<u64, Diagnostic> {
        let Answer::Replaying { under_way } = self.ask(&Request::Replay(wish), None)? else {
            return Err(unexpected());
        };
        Ok(under_way)
    }

    /// Tells what a person decided about a held file.
    ///
    /// # Errors
    /// Why it does not hold; [`Code::Z106`].
    pub fn judge(&self, judgement: Judgement) -> Result<(), Diagnostic> {
        self.expect_done(&Request::Judge(judgement))
    }

    /// Has a legal hold placed or released.
    ///
    /// # Errors
    /// Why it is not; [`Code::Z106`].
    pub fn hold(&self, wish: hold::Wish) -> Result<(), Diagnostic> {
        self.expect_done(&Request::Hold(wish))
    }

    /// Has a file erased, and waits until no copy of it is left.
    ///
    /// # Errors
    /// Why it is not; [`Code::Z106`].
    pub fn erase(&self, wish: erase::Wish) -> Result<erase::Erased, Diagnostic> {
        let Answer::Erased(done) = self.ask(&Request::Erase(wish), None)? else {
            return Err(unexpected());
        };
        Ok(*done)
    }

    /// Has a date of a feed excused.
    ///
    /// # Errors
    /// Why it is not; [`Code::Z106`].
    pub fn excuse(&self, wish: excuse::Wish) -> Result<(), Diagnostic> {
        self.expect_done(&Request::Excuse(wish))
    }

    /// Has a sink pause or go on.
    ///
    /// # Errors
    /// Why it does not; [`Code::Z106`].
    pub fn wish(&self, wish: SinkWish) -> Result<(), Diagnostic> {
        self.expect_done(&Request::Sink(wish))
    }

    /// Has the server keep what a reading of kept files found.
    ///
    /// # Errors
    /// [`Code::L101`], [`Code::Z106`].
    pub fn verified(&self, part: Part) -> Result<(), Diagnostic> {
        self.expect_done(&Request::Verified(part))
    }

    /// Asks the server to read `landfall.toml` again.
    ///
    /// # Errors
    /// Why the old configuration stays; [`Code::Z106`].
    pub fn reload(&self) -> Result<(), Diagnostic> {
        self.expect_done(&Request::Reload { by: crate::ops::who() })
    }

    /// Has the server take a step of a change of host keys; what was done, in words.
    ///
    /// # Errors
    /// Why it was not done; [`Code::Z106`].
    pub fn change_host_key(&self, step: Step) -> Result<String, Diagnostic> {
        let request = Request::HostKey { step, by: crate::ops::who() };
        let Answer::HostKey { change } = self.ask(&request, None)? else {
            return Err(unexpected());
        };
        Ok(change)
    }

    /// Asks the server to stop in order; returns before it has.
    ///
    /// # Errors
    /// [`Code::Z106`].
    pub fn stop(&self) -> Result<(), Diagnostic> {
        self.expect_done(&Request::Stop)
    }

    /// Follows the events above a sequence, as they happen.
    ///
    /// # Errors
    /// [`Code::Z106`].
    pub fn follow(&self, after: u64) -> Result<Follow, Diagnostic> {
        let stream = self.request(&Request::Events { after }, None)?;
        Ok(Follow { lines: BufReader::new(stream) })
    }

    fn expect_done(&self, request: &Request) -> Result<(), Diagnostic> {
        let Answer::Done = self.ask(request, None)? else { return Err(unexpected()) };
        Ok(())
    }

    /// Asks and waits for the answer; a refusal becomes the error.
    fn ask(&self, request: &Request, file: Option<&File>) -> Result<Answer, Diagnostic> {
        let stream = self.request(request, file)?;
        stream.set_read_timeout(Some(ANSWER_WAIT)).map_err(|e| unreachable(&e))?;
        let mut line = String::new();
        BufReader::new(stream).read_line(&mut line).map_err(|e| unreachable(&e))?;
        match serde_json::from_str(&line) {
            Ok(Answer::Refused(told)) => Err(told),
            Ok(answer) => Ok(answer),
            Err(error) => Err(unreachable(&error)),
        }
    }

    fn request(&self, request: &Request, file: Option<&File>) -> Result<UnixStream, Diagnostic> {
        let sent = || -> io::Result<UnixStream> {
            let mut stream = with_socket_path(&self.zone, |path| UnixStream::connect(path))?;
            let mut line = serde_json::to_vec(request)?;
            line.push(b'\n');
            let sent = match file {
                Some(file) => descriptor::send(&stream, &line, file)?,
                None => 0,
            };
            stream.write_all(line.get(sent..).unwrap_or_default())?;
            Ok(stream)
        };
        sent().map_err(|e| unreachable(&e))
    }
}

/// Events as they happen. Ends when the server does.
#[derive(Debug)]
pub struct Follow {
    lines: BufReader<UnixStream>,
}

impl Iterator for Follow {
    type Item = Recorded;

    fn next(&mut self) -> Option<Recorded> {
        let mut line = String::new();
        self.lines.read_line(&mut line).ok().filter(|bytes| *bytes > 0)?;
        serde_json::from_str(&line).ok()
    }
}

fn unreachable(error: &(dyn std::error::Error + 'static)) -> Diagnostic {
    Diagnostic::error(Code::Z106, "the zone's server does not answer").caused_by(error)
}

fn unexpected() -> Diagnostic {
    Diagnostic::error(Code::Z106, "the zone's server gave another answer than was asked for")
        .hint("Is it of another version? Compare `landfall status` with `landfall --version`.")
}

/// No socket, or one that a dead server left.
fn is_absence(kind: io::ErrorKind) -> bool {
    matches!(kind, io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused)
}
