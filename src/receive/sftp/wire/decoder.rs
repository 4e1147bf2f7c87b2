//! From a stream of bytes to requests.

use super::fields::Fields;
use super::request::{Handle, Request, kind};
use super::{Error, Malformed, PACKET_BYTES_MAX};

/// What the stream holds next.
#[derive(Debug, PartialEq, Eq)]
pub enum Item {
    /// The client's first packet, with the highest version it speaks.
    Init {
        /// The version.
        version: u32,
    },
    /// A request with its id.
    Request(u32, Result<Request, Malformed>),
    /// The beginning of a WRITE: take [`Decoder::payload`] until none is left.
    Write(WriteHead),
}

/// A WRITE without its payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WriteHead {
    /// The request's id.
    pub id: u32,
    /// To which open file.
    pub handle: Handle,
    /// Where the payload goes.
    pub offset: u64,
    /// Payload bytes.
    pub length: usize,
}

/// Bytes of a length field.
const LENGTH: usize = 4;
/// The longest handle there can be (draft-ietf-secsh-filexfer-02 section 6.2). Ours have 4 bytes;
/// others are read and found unknown.
const HANDLE_BYTES_MAX: usize = 256;
/// The longest head of a WRITE: length, type, id, handle, offset, payload length.
const WRITE_HEAD_MAX: usize = LENGTH + 1 + 4 + 4 + HANDLE_BYTES_MAX + 8 + 4;

/// Follows one stream.
#[derive(Debug, Default)]
pub struct Decoder {
    /// The beginning of a packet whose end has not come yet.
    partial: Vec<u8>,
    /// Payload bytes of the current WRITE that are still to come.
    payload: usize,
    /// Bytes after them that belong to nothing.
    trailing: usize,
}

/// What the bytes at the front of the stream make.
enum Front {
    /// The packet has not come far enough.
    NeedsMore,
    /// An item, and how many bytes it took.
    Item(Item, usize),
}

impl Decoder {
    /// The next item, taking its bytes from `input`; `None` when more bytes are needed. Not to be
    /// called while [`Self::payload_left`].
    ///
    /// # Errors
    /// [`Error`]: the stream must be closed.
    pub fn next(&mut self, input: &mut &[u8]) -> Result<Option<Item>, Error> {
        self.skip_trailing(input);
        if self.partial.is_empty() {
            if let Front::Item(item, taken) = self.front(input)? {
                *input = input.get(taken..).unwrap_or_default();
                return Ok(Some(item));
            }
        } else {
            while !input.is_empty() {
                self.take_some(input);
                let partial = std::mem::take(&mut self.partial);
                match self.front(&partial)? {
                    // `take_some` never takes more than belongs to this item, so nothing is lost.
                    Front::Item(item, _) => return Ok(Some(item)),
                    Front::NeedsMore => self.partial = partial,
                }
            }
        }
        self.partial.extend_from_slice(input);
        *input = &[];
        Ok(None)
    }

    /// Payload bytes of the current WRITE that are still to come.
    pub fn payload_left(&self) -> usize {
        self.payload
    }

    /// Takes what has come of the current WRITE's payload, at most `most` bytes.
    pub fn payload<'a>(&mut self, input: &mut &'a [u8], most: usize) -> &'a [u8] {
        let (taken, rest) = input.split_at(input.len().min(self.payload).min(most));
        *input = rest;
        self.payload -= taken.len();
        taken
    }

    fn skip_trailing(&mut self, input: &mut &[u8]) {
        let skipped = input.len().min(self.trailing);
        *input = input.get(skipped..).unwrap_or_default();
        self.trailing -= skipped;
    }

    /// Moves the bytes that the packet in `partial` certainly still needs from `input`.
    fn take_some(&mut self, input: &mut &[u8]) {
        let needed = match self.partial.get(..=LENGTH) {
            None => LENGTH + 1,
            // A WRITE's head is read byte by byte once its fixed part is there; its payload must
            // not be taken.
            Some([.., kind::WRITE]) => (LENGTH + 1 + 4 + 4).max(self.partial.len() + 1),
            Some(head) => LENGTH + packet_length(head).unwrap_or_default(),
        };
        let missing = needed.saturating_sub(self.partial.len()).max(1);
        let (taken, rest) = input.split_at(missing.min(input.len()));
        self.partial.extend_from_slice(taken);
        *input = rest;
    }

    fn front(&mut self, bytes: &[u8]) -> Result<Front, Error> {
        let (Some(length), Some(kind)) = (packet_length(bytes), bytes.get(LENGTH).copied()) else {
            return Ok(Front::NeedsMore);
        };
        if !(1..=PACKET_BYTES_MAX).contains(&length) {
            return Err(Error::PacketLength(length));
        }
        if kind == kind::WRITE {
            return self.write_head(bytes, length);
        }
        let Some(body) = bytes.get(LENGTH + 1..LENGTH + length) else {
            return Ok(Front::NeedsMore);
        };
        let mut fields = Fields::new(body);
        let first = fields.u32().map_err(|Malformed| Error::NoId)?;
        let item = match kind {
            kind::INIT => Item::Init { version: first },
            _ => Item::Request(first, Request::read(kind, body.get(4..).unwrap_or_default())),
        };
        Ok(Front::Item(item, LENGTH + length))
    }

    fn write_head(&mut self, bytes: &[u8], length: usize) -> Result<Front, Error> {
        let Ok((head, taken)) = read_write_head(bytes) else {
            let is_all_there = bytes.len() >= (LENGTH + length).min(WRITE_HEAD_MAX);
            return if is_all_there { Err(Error::WriteLength) } else { Ok(Front::NeedsMore) };
        };
        self.trailing =
            (LENGTH + length).checked_sub(taken + head.length).ok_or(Error::WriteLength)?;
        self.payload = head.length;
        Ok(Front::Item(Item::Write(head), taken))
    }
}

fn packet_length(bytes: &[u8]) -> Option<usize> {
    let length = Fields::new(bytes).u32().ok()?;
    usize::try_from(length).ok()
}

/// Reads a WRITE up to its payload; also says how many bytes that took.
fn read_write_head(bytes: &[u8]) -> Result<(WriteHead, usize), Malformed> {
    let mut fields = Fields::new(bytes.get(LENGTH + 1..).ok_or(Malformed)?);
    let (id, handle) = (fields.u32()?, fields.string()?);
    // Refused even when all of it is here, so that it does not matter how the stream is cut.
    if handle.len() > HANDLE_BYTES_MAX {
        return Err(Malformed);
    }
    let head = WriteHead {
        id,
        handle: Handle::read(handle),
        offset: fields.u64()?,
        length: usize::try_from(fields.u32()?).map_err(|_too_long| Malformed)?,
    };
    Ok((head, bytes.len() - fields.left()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::fields::Put;
    use super::super::{Attributes, OpenFlags};
    use super::*;

    fn packet(kind: u8, id: u32, body: &[u8]) -> Vec<u8> {
        let mut packet = Vec::new();
        packet.put_u32(u32::try_from(body.len() + 5).expect("small"));
        packet.push(kind);
        packet.put_u32(id);
        packet.extend_from_slice(body);
        packet
    }

    fn string(bytes: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        out.put_string(bytes);
        out
    }

    fn write(id: u32, handle: u32, offset: u64, payload: &[u8], trailing: &[u8]) -> Vec<u8> {
        let mut body = string(&Handle::bytes(handle));
        body.put_u64(offset);
        body.put_string(payload);
        body.extend_from_slice(trailing);
        packet(kind::WRITE, id, &body)
    }

    /// Everything a stream holds; payloads follow their head.
    fn decode<'a>(chunks: impl Iterator<Item = &'a [u8]>) -> Result<Vec<(Item, Vec<u8>)>, Error> {
        let mut decoder = Decoder::default();
        let mut items: Vec<(Item, Vec<u8>)> = Vec::new();
        for mut chunk in chunks {
            loop {
                if decoder.payload_left() > 0 {
                    let payload = decoder.payload(&mut chunk, usize::MAX);
                    items.last_mut().expect("a head").1.extend_from_slice(payload);
                    if decoder.payload_left() > 0 {
                        break;
                    }
                }
                match decoder.next(&mut chunk)? {
                    Some(item) => items.push((item, Vec::new())),
                    None => break,
                }
            }
        }
        Ok(items)
    }

    #[test]
    fn requests_are_read_whole() {
        let mut open = string(b"a/b \xff.csv");
        open.put_u32(0x1a);
        Attributes { mode: Some(0o100_644), ..Attributes::default() }.write(&mut open);
        let stream = [packet(kind::INIT, 6, b""), packet(kind::OPEN, 7, &open)].concat();
        let items = decode([stream.as_slice()].into_iter()).expect("decoded");
        assert_eq!(items[0].0, Item::Init { version: 6 });
        let Item::Request(7, Ok(Request::Open { path, flags, attributes })) = &items[1].0 else {
            panic!("{items:?}")
        };
        assert_eq!((path.as_slice(), *flags), (b"a/b \xff.csv".as_slice(), OpenFlags(0x1a)));
        assert_eq!(attributes.mode, Some(0o100_644));
    }

    #[test]
    fn bytes_after_a_requests_end_are_skipped() {
        let stream = [
            write(1, 9, 5, b"data", b"left over"),
            packet(kind::STAT, 2, &[string(b"x"), b"more".to_vec()].concat()),
            write(3, 9, 9, b"", b"!"),
            packet(kind::STAT, 4, &string(b"y")),
        ]
        .concat();
        let items = decode(stream.chunks(1)).expect("decoded");
        assert_eq!(items.len(), 4);
        assert_eq!(items[0].1, b"data");
        let stat = |path: &[u8]| Ok(Request::Stat { path: path.to_vec() });
        assert_eq!(items[1].0, Item::Request(2, stat(b"x")));
        assert_eq!(items[3].0, Item::Request(4, stat(b"y")));
    }

    #[test]
    fn a_malformed_request_does_not_end_the_stream() {
        let stream = [packet(kind::OPEN, 1, b"\0\0\0\x09x"), packet(99, 2, b"")].concat();
        let items = decode([stream.as_slice()].into_iter()).expect("decoded");
        assert_eq!(items[0].0, Item::Request(1, Err(Malformed)));
        assert_eq!(items[1].0, Item::Request(2, Ok(Request::Unknown)));
    }

    #[test]
    fn senseless_lengths_end_the_stream() {
        let decode_one = |stream: &[u8]| decode([stream].into_iter());
        assert_eq!(decode_one(&[0, 0, 0, 0, 1]), Err(Error::PacketLength(0)));
        let long = u32::try_from(PACKET_BYTES_MAX + 1).expect("small").to_be_bytes();
        let stream = [long.as_slice(), &[3]].concat();
        assert_eq!(decode_one(&stream), Err(Error::PacketLength(PACKET_BYTES_MAX + 1)));
        assert_eq!(decode_one(&[0, 0, 0, 2, 3, 0]), Err(Error::NoId));
        let mut lying = write(1, 1, 0, b"four", b"");
        lying[3] -= 2;
        assert_eq!(decode_one(&lying), Err(Error::WriteLength));
        let mut endless_handle = packet(kind::WRITE, 1, &string(&[7; 400]));
        assert_eq!(decode_one(&endless_handle), Err(Error::WriteLength));
        endless_handle.truncate(100);
        assert_eq!(decode_one(&endless_handle), Ok(Vec::new()));
        let mut long_handle = string(&[7; 262]);
        long_handle.put_u64(0);
        long_handle.put_string(b"x");
        let long_handle = packet(kind::WRITE, 1, &long_handle);
        assert_eq!(decode_one(&long_handle), Err(Error::WriteLength));
        assert_eq!(decode(long_handle.chunks(255)), Err(Error::WriteLength));
    }

    fn any_packet() -> impl Strategy<Value = Vec<u8>> {
        let bytes = || proptest::collection::vec(any::<u8>(), 0..300);
        prop_oneof![
            (any::<u32>(), any::<u64>(), bytes(), bytes())
                .prop_map(|(id, offset, data, more)| write(id, 3, offset, &data, &more)),
            (any::<u8>(), any::<u32>(), bytes())
                .prop_filter("WRITE has its own rule", |(kind, ..)| *kind != kind::WRITE)
                .prop_map(|(kind, id, body)| packet(kind, id, &body)),
        ]
    }

    proptest! {
        #[test]
        fn items_do_not_depend_on_how_the_stream_is_cut(
            packets in proptest::collection::vec(any_packet(), 1..8),
            cuts in proptest::collection::vec(1_usize..400, 1..40),
        ) {
            let stream = packets.concat();
            let whole = decode([stream.as_slice()].into_iter()).expect("decoded");
            prop_assert_eq!(whole.len(), packets.len());
            let mut chunks = Vec::new();
            let mut rest = stream.as_slice();
            for cut in cuts.iter().cycle() {
                if rest.is_empty() { break }
                let (chunk, after) = rest.split_at((*cut).min(rest.len()));
                chunks.push(chunk);
                rest = after;
            }
            prop_assert_eq!(decode(chunks.into_iter()).expect("decoded"), whole);
        }

        #[test]
        fn no_bytes_make_it_panic_or_grow(
            stream in proptest::collection::vec(any::<u8>(), 0..2000),
            cut in 1_usize..64,
        ) {
            let mut decoder = Decoder::default();
            for mut chunk in stream.chunks(cut) {
                loop {
                    decoder.payload(&mut chunk, usize::MAX);
                    if decoder.payload_left() > 0 { break }
                    match decoder.next(&mut chunk) {
                        Ok(Some(_)) => {}
                        Ok(None) => break,
                        Err(_) => return Ok(()),
                    }
                }
                prop_assert!(decoder.partial.len() <= PACKET_BYTES_MAX + LENGTH);
            }
        }
    }
}
