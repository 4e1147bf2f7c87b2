//! One SFTP conversation: requests are done strictly in order, each answered in its turn.
//!
//! A [`Dialog`]. Some requests never wait (a WRITE that fits the buffers, a READ of what is in
//! memory, anything about open handles); the others ask the disk or the ledger.

use super::account::Account;
use super::check;
use super::dialog::{Dialog, Pause, Place, Ran};
use super::download::{Download, QuickRead};
use super::handles::{HANDLES_MAX, Handles, Open};
use super::listing::Listing;
use super::look::{self, GROUP};
use super::names;
use super::refusal::Refused;
use super::rename::rename;
use super::upload::OpenUpload;
use super::view::{self, Node};
use super::wire::reply::{self, Answer};
use super::wire::{
    self, Attributes, Decoder, Handle, Item, OpenFlags, READ_BYTES_MAX, Request, Status, WriteHead,
};
use crate::receive::Existing;

/// Payload taken at once; more would keep others waiting for the buffers' bound.
const PAYLOAD_STEP_BYTES: usize = 64 * 1024;

/// The conversation on one channel.
pub struct Conversation {
    account: Account,
    decoder: Decoder,
    handles: Handles,
    /// A request that has not been done yet.
    waiting: Option<(u32, Request)>,
    /// The WRITE whose payload is coming.
    writing: Option<Writing>,
}

struct Writing {
    head: WriteHead,
    /// Where the next payload byte goes.
    at: u64,
    outcome: Result<(), Refused>,
}

impl Conversation {
    /// A conversation with a partner who is logged in.
    pub fn new(account: Account) -> Self {
        Self {
            account,
            decoder: Decoder::default(),
            handles: Handles::default(),
            waiting: None,
            writing: None,
        }
    }

    /// Does one request; gives it back when it may not be done here.
    fn answer(
        &mut self,
        id: u32,
        request: Request,
        place: Place,
        out: &mut Vec<u8>,
    ) -> Option<Request> {
        let may_do = match place {
            Place::Loop => self.is_quick(&request),
            Place::Thread => self.is_quick(&request) || self.is_brief(&request),
            Place::Pool => true,
        };
        if !may_do {
            return Some(request);
        }
        if let Request::Read { handle, offset, length } = request {
            return match self.read(id, (handle, offset, length), place, out) {
                Err(WouldWait) => Some(Request::Read { handle, offset, length }),
                Ok(()) => None,
            };
        }
        conclude(out, id, self.perform(request));
        None
    }

    /// Whether a request certainly does not wait for disk or ledger.
    fn is_quick(&self, request: &Request) -> bool {
        match request {
            Request::Read { .. }
            | Request::Fstat { .. }
            | Request::Realpath { .. }
            | Request::Limits
            | Request::HomeDirectory
            | Request::UsersGroupsById { .. }
            | Request::Readlink { .. }
            | Request::Symlink { .. }
            | Request::Hardlink { .. }
            | Request::CopyData { .. }
            | Request::Unknown => true,
            Request::Stat { path } | Request::Lstat { path } => !matches!(
                view::resolve(&self.account.partner, path),
                Ok(Node::Entry(_) | Node::Receipt(..))
            ),
            Request::Fsetstat { handle, attributes } => match self.handles.get(*handle) {
                Ok(Open::Upload(upload)) => upload.is_quick_to_set(attributes),
                Ok(Open::Download(_) | Open::Listing(_)) | Err(_) => true,
            },
            Request::Readdir { handle } => match self.handles.get(*handle) {
                Ok(Open::Listing(listing)) => listing.is_quick(),
                Ok(Open::Download(_) | Open::Upload(_)) | Err(_) => true,
            },
            Request::Close { handle } => !matches!(self.handles.get(*handle), Ok(Open::Upload(_))),
            Request::Open { .. }
            | Request::Setstat { .. }
            | Request::Lsetstat { .. }
            | Request::Opendir { .. }
            | Request::Remove { .. }
            | Request::Mkdir { .. }
            | Request::Rmdir { .. }
            | Request::Rename { .. }
            | Request::PosixRename { .. }
            | Request::Fsync { .. }
            | Request::CheckFileName { .. }
            | Request::CheckFileHandle { .. }
            | Request::Statvfs { .. }
            | Request::Fstatvfs { .. } => false,
        }
    }

    /// Whether a request waits for a commit, a sync of few bytes, or a look into the ledger, and no
    /// longer. One that cannot be done at all is.
    fn is_brief(&self, request: &Request) -> bool {
        match request {
            Request::Open { path, .. }
            | Request::Stat { path }
            | Request::Lstat { path }
            | Request::Setstat { path, .. }
            | Request::Lsetstat { path, .. } => {
                self.node(path).map_or(true, |node| names::is_at_hand(&self.account, &node))
            }
            Request::Close { handle } | Request::Fsync { handle } => {
                self.upload(*handle).map_or(true, OpenUpload::is_small)
            }
            Request::Rename { from, to } | Request::PosixRename { from, to } => {
                let are_at_hand = |path| {
                    self.node(path).map_or(true, |node| names::is_at_hand(&self.account, &node))
                };
                are_at_hand(from) && are_at_hand(to)
            }
            Request::Opendir { .. }
            | Request::Read { .. }
            | Request::Fstat { .. }
            | Request::Fsetstat { .. }
            | Request::Readdir { .. }
            | Request::Remove { .. }
            | Request::Mkdir { .. }
            | Request::Rmdir { .. }
            | Request::CheckFileName { .. }
            | Request::CheckFileHandle { .. }
            | Request::Statvfs { .. }
            | Request::Fstatvfs { .. }
            | Request::Realpath { .. }
            | Request::Limits
            | Request::HomeDirectory
            | Request::UsersGroupsById { .. }
            | Request::Readlink { .. }
            | Request::Symlink { .. }
            | Request::Hardlink { .. }
            | Request::CopyData { .. }
            | Request::Unknown => false,
        }
    }

    fn perform(&mut self, request: Request) -> Result<Answer, Refused> {
        let account = &self.account;
        let done = |()| Answer::Done;
        match request {
            Request::Open { path, flags, attributes } => self.open(&path, flags, &attributes),
            Request::Opendir { path } => self.open_folder(&path),
            Request::Close { handle } => match self.handles.take(handle)? {
                Open::Upload(upload) => upload.close(account).map(done),
                Open::Download(_) | Open::Listing(_) => Ok(Answer::Done),
            },
            Request::Read { .. } => Err(Refused::bad_handle()),
            Request::Readdir { handle } => self.readdir(handle),
            // There are no links to follow, or not to follow.
            Request::Stat { path } | Request::Lstat { path } => {
                names::stat(account, &self.node(&path)?).map(Answer::Attributes)
            }
            Request::Fstat { handle } => self.look(handle).map(Answer::Attributes),
            Request::Setstat { path, attributes } | Request::Lsetstat { path, attributes } => {
                names::set(account, &self.node(&path)?, &attributes).map(done)
            }
            Request::Fsetstat { handle, attributes } => {
                self.upload(handle)?.set(&attributes).map(done)
            }
            Request::Fsync { handle } => self.upload(handle)?.sync().map(done),
            Request::Remove { path } => names::remove(account, &self.node(&path)?).map(done),
            Request::Mkdir { path } => names::make_folder(account, &self.node(&path)?).map(done),
            Request::Rmdir { path } => names::remove_folder(account, &self.node(&path)?).map(done),
            Request::Rename { from, to } => self.rename(&from, &to, Existing::Refuse),
            Request::PosixRename { from, to } => self.rename(&from, &to, Existing::Supersede),
            Request::Statvfs { .. } | Request::Fstatvfs { .. } => account.room().map(Answer::Room),
            Request::Realpath { path } => {
                Ok(Answer::Path(view::canonical(&account.partner, &path)))
            }
            Request::HomeDirectory => Ok(Answer::Path(view::canonical(&account.partner, b"."))),
            Request::Limits => Ok(Answer::Limits { handles_max: HANDLES_MAX }),
            Request::UsersGroupsById { users, groups } => Ok(Answer::UsersGroups {
                users: (users, account.partner.name.to_string()),
                groups: (groups, GROUP.to_owned()),
            }),
            Request::CheckFileName { path, check } => check::landed(account, &path, &check),
            Request::CheckFileHandle { handle, check } => match self.handles.get(handle)? {
                Open::Download(file) => check::open(file, &check),
                Open::Upload(_) | Open::Listing(_) => {
                    Err(Refused::failure("sums are of files that are open for reading"))
                }
            },
            Request::Readlink { .. } | Request::Symlink { .. } | Request::Hardlink { .. } => {
                Err(Refused::unsupported("there are no links here; send the file"))
            }
            Request::CopyData { .. } => {
                Err(Refused::unsupported("files cannot be copied here; send the file again"))
            }
            Request::Unknown => Err(Refused::unsupported("this server does not know this request")),
        }
    }

    fn open(
        &mut self,
        path: &[u8],
        flags: OpenFlags,
        attributes: &Attributes,
    ) -> Result<Answer, Refused> {
        self.handles.check_room()?;
        let node = self.node(path)?;
        let open = if flags.write() || flags.append() {
            let Node::Entry(key) = &node else {
                return Err(view::only_in_feeds(&self.account.partner));
            };
            Open::Upload(OpenUpload::open(&self.account, key, flags, attributes)?)
        } else {
            Open::Download(Download::open(&self.account, &node)?)
        };
        Ok(Answer::Handle(self.handles.insert(open)))
    }

    fn open_folder(&mut self, path: &[u8]) -> Result<Answer, Refused> {
        self.handles.check_room()?;
        let listing = Listing::open(&self.account, &self.node(path)?)?;
        Ok(Answer::Handle(self.handles.insert(Open::Listing(listing))))
    }

    fn rename(&self, from: &[u8], to: &[u8], existing: Existing) -> Result<Answer, Refused> {
        rename(&self.account, &self.node(from)?, &self.node(to)?, existing)?;
        Ok(Answer::Done)
    }

    fn readdir(&mut self, handle: Handle) -> Result<Answer, Refused> {
        let Open::Listing(listing) = self.handles.get_mut(handle)? else {
            return Err(Refused::bad_handle());
        };
        let page = listing.page(&self.account);
        if page.is_empty() { Err(Refused::end()) } else { Ok(Answer::Names(page)) }
    }

    fn read(
        &self,
        id: u32,
        (handle, offset, length): (Handle, u64, u32),
        place: Place,
        out: &mut Vec<u8>,
    ) -> Result<(), WouldWait> {
        let most = usize::try_from(length).map_or(READ_BYTES_MAX, |most| most.min(READ_BYTES_MAX));
        let read = reply::data(out, id, most, |into| {
            let open = self.handles.get(handle).map_err(ReadStop::Refused)?;
            match (open, place.may_wait()) {
                (Open::Download(file), false) => match file.read_quickly(offset, into) {
                    QuickRead::Read(count) => Ok(count),
                    QuickRead::WouldWait => Err(ReadStop::WouldWait),
                },
                (Open::Download(file), true) => file.read(offset, into).map_err(ReadStop::Refused),
                (Open::Upload(_), false) => Err(ReadStop::WouldWait),
                (Open::Upload(upload), true) => {
                    upload.read(offset, into).map_err(ReadStop::Refused)
                }
                (Open::Listing(_), _) => Err(ReadStop::Refused(Refused::bad_handle())),
            }
        });
        match read {
            Ok(0) => conclude(out, id, Err(Refused::end())),
            Ok(_) => {}
            Err(ReadStop::Refused(refused)) => conclude(out, id, Err(refused)),
            Err(ReadStop::WouldWait) => return Err(WouldWait),
        }
        Ok(())
    }

    fn look(&self, handle: Handle) -> Result<Attributes, Refused> {
        match self.handles.get(handle)? {
            Open::Upload(upload) => upload.look(),
            Open::Download(file) => Ok(file.look()),
            Open::Listing(_) => Ok(look::folder()),
        }
    }

    fn upload(&self, handle: Handle) -> Result<&OpenUpload, Refused> {
        match self.handles.get(handle)? {
            Open::Upload(upload) => Ok(upload),
            Open::Download(_) | Open::Listing(_) => Err(Refused::bad_handle()),
        }
    }

    fn node(&self, path: &[u8]) -> Result<Node, Refused> {
        view::resolve(&self.account.partner, path)
    }
}

impl Dialog for Conversation {
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
            if let Some((id, request)) = self.waiting.take() {
                if let Some(request) = self.answer(id, request, place, out) {
                    self.waiting = Some((id, request));
                    return Ok(Pause::Slow);
                }
                continue;
            }
            if let Some(writing) = &mut self.writing {
                if self.decoder.payload_left() > 0 {
                    if input.is_empty() {
                        return Ok(Pause::Input);
                    }
                    if !writing.has_room(&self.handles, place) {
                        return Ok(Pause::Slow);
                    }
                    writing.take_payload(&mut self.decoder, &self.handles, input);
                    continue;
                }
                if let Some(Writing { head, outcome, .. }) = self.writing.take() {
                    conclude(out, head.id, outcome.map(|()| Answer::Done));
                }
                continue;
            }
            match self.decoder.next(input)? {
                None => return Ok(Pause::Input),
                Some(Item::Init { .. }) => reply::version(out, &reply::EXTENSIONS),
                Some(Item::Request(id, Ok(request))) => self.waiting = Some((id, request)),
                Some(Item::Request(id, Err(wire::Malformed))) => {
                    reply::status(out, id, Status::BadMessage, "this request makes no sense");
                }
                Some(Item::Write(head)) => self.writing = Some(Writing::begin(head, &self.handles)),
            }
        }
    }

    fn finish(mut self: Box<Self>) -> Ran {
        for open in self.handles.drain() {
            if let Open::Upload(upload) = open {
                upload.abandon(&self.account);
            }
        }
        Ran::silent(0)
    }
}

/// A READ that may not wait here would have to.
struct WouldWait;

enum ReadStop {
    Refused(Refused),
    WouldWait,
}

impl Writing {
    fn begin(head: WriteHead, handles: &Handles) -> Self {
        let place = match handles.get(head.handle) {
            Ok(Open::Upload(upload)) => upload.place_of(head.offset),
            Ok(Open::Download(_) | Open::Listing(_)) => Err(Refused::bad_handle()),
            Err(refused) => Err(refused),
        };
        let at = place.as_ref().copied().unwrap_or_default();
        Self { head, at, outcome: place.map(drop) }
    }

    fn upload<'a>(&self, handles: &'a Handles) -> Option<&'a OpenUpload> {
        match handles.get(self.head.handle) {
            Ok(Open::Upload(upload)) if self.outcome.is_ok() => Some(upload),
            Ok(Open::Upload(_) | Open::Download(_) | Open::Listing(_)) | Err(_) => None,
        }
    }

    /// Whether payload may be taken here and now; in the pool it waits until it may.
    fn has_room(&self, handles: &Handles, place: Place) -> bool {
        let Some(upload) = self.upload(handles) else { return true };
        if upload.has_room() {
            return true;
        }
        if place.may_wait() {
            upload.wait_for_room();
        }
        place.may_wait()
    }

    /// Takes payload; that of a WRITE which failed is dropped.
    fn take_payload(&mut self, decoder: &mut Decoder, handles: &Handles, input: &mut &[u8]) {
        let payload = decoder.payload(input, PAYLOAD_STEP_BYTES);
        if let Some(upload) = self.upload(handles) {
            self.outcome = upload.write(self.at, payload);
            self.at = self.at.saturating_add(payload.len() as u64);
        }
    }
}

fn conclude(out: &mut Vec<u8>, id: u32, outcome: Result<Answer, Refused>) {
    match outcome {
        Ok(answer) => answer.write(out, id),
        Err(refused) => reply::status(out, id, refused.status, &refused.text),
    }
}
