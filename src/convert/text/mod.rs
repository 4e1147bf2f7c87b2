//! Text from bytes, strictly.
//!
//! A byte that its encoding does not know ends the reading with its place; it is never replaced
//! (U+FFFD) and never guessed. The text is read block by block, each block filled, so that the same file always gives the same blocks and may be read any number of times.
//!
//! Left out: UTF-32, UTF-7, EBCDIC, encodings that change within a file.

use std::io;

use encoding_rs::{CoderResult, Decoder, DecoderResult, Encoding, UTF_8, UTF_16BE, UTF_16LE};

use super::unpack::{Content, Stream, read_full};

pub mod damage;
mod encoding;

pub use encoding::{Certainty, Charset, Error as CharsetError, assumed, guessed, unmarked_utf16};

/// Raw bytes read at once.
const BLOCK_BYTES: usize = 1 << 20;
/// Bytes read first, to see whether there are more.
const SMALL_BYTES: usize = 64 << 10;

/// Why text could not be read.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file could not be read.
    #[error("the file could not be read")]
    Io(#[from] io::Error),
    /// A byte is not valid in the encoding. The text before it was delivered.
    #[error("byte {byte_offset} is not valid {encoding}")]
    Undecodable {
        /// Where, from the start of the file.
        byte_offset: u64,
        /// The encoding's name.
        encoding: &'static str,
    },
}

/// Something that delivers text piece by piece.
pub trait Source {
    /// Appends about `bytes` bytes of text, at least one character unless the text has ended; tells
    /// whether there may be more.
    ///
    /// # Errors
    /// When the bytes cannot be read or are not text.
    fn fill(&mut self, window: &mut String, bytes: usize) -> Result<bool, Error>;

    /// Where its text begins in the file.
    fn start(&self) -> u64 {
        0
    }

    /// Whether bytes that are not valid stand in its text as marks; see [`damage`].
    fn marks_damage(&self) -> bool {
        false
    }

    /// How many bytes of the file a passage of its text is.
    fn source_bytes(&self, text: &str) -> u64 {
        text.len() as u64
    }
}

/// A text that is in memory.
#[derive(Debug)]
pub struct InMemory<'t>(pub Option<&'t str>);

impl Source for InMemory<'_> {
    fn fill(&mut self, window: &mut String, _bytes: usize) -> Result<bool, Error> {
        window.push_str(self.0.take().unwrap_or_default());
        Ok(false)
    }
}

/// The text of a file.
pub struct TextReader {
    raw: Stream,
    mark_bytes: u64,
    /// Whether the byte order mark is still to be passed over.
    is_at_mark: bool,
    /// Where the next block begins.
    at: u64,
    encoding: &'static Encoding,
    /// None for UTF-8, which is only checked.
    decoder: Option<Decoder>,
    marks_damage: bool,
    block: Vec<u8>,
    /// Bytes of `block` that begin a character cut by the block's end.
    cut: usize,
}

impl TextReader {
    /// Reads a file from its start, or from after its byte order mark.
    pub fn new(content: &Content, charset: &Charset) -> Self {
        let decoder = charset.encoding.new_decoder_without_bom_handling();
        Self {
            raw: content.open(),
            mark_bytes: charset.mark_bytes,
            is_at_mark: true,
            at: charset.mark_bytes,
            encoding: charset.encoding,
            decoder: (charset.encoding != UTF_8).then_some(decoder),
            marks_damage: charset.certainty == Certainty::Damaged,
            block: Vec::new(),
            cut: 0,
        }
    }

    /// Reads one block after the cut bytes of the one before; tells whether the file has ended.
    fn read_block(&mut self) -> Result<bool, Error> {
        if std::mem::replace(&mut self.is_at_mark, false) {
            let mut mark = vec![0; usize::try_from(self.mark_bytes).unwrap_or(0)];
            read_full(&mut self.raw, &mut mark)?;
        }
        let kept = self.cut;
        let from = self.block.len() - kept;
        self.block.copy_within(from.., 0);
        let mut count = 0;
        // A small file does without a whole block's memory.
        for bytes in [SMALL_BYTES, BLOCK_BYTES] {
            self.block.resize(kept + bytes, 0);
            let room = self.block.get_mut(kept + count..).unwrap_or_default();
            count += read_full(&mut self.raw, room)?;
            if count < bytes {
                break;
            }
        }
        self.block.truncate(kept + count);
        self.at += count as u64;
        self.cut = 0;
        Ok(count < BLOCK_BYTES)
    }

    fn undecodable(&self, position: usize) -> Error {
        let before_end = self.block.len().saturating_sub(position);
        let byte_offset = self.at.saturating_sub(before_end as u64);
        Error::Undecodable { byte_offset, encoding: self.encoding.name() }
    }

    /// Appends UTF-8 with a mark for every byte that is not.
    fn append_damaged(&mut self, window: &mut String, ended: bool) -> Result<(), Error> {
        let (mut at, mut cut) = (0, 0);
        for chunk in self.block.utf8_chunks() {
            if damage::is_in(chunk.valid()) {
                return Err(self.undecodable(at));
            }
            window.push_str(chunk.valid());
            at += chunk.valid().len() + chunk.invalid().len();
            let may_go_on = at == self.block.len() && !ended && is_cut(chunk.invalid());
            match may_go_on {
                true => cut = chunk.invalid().len(),
                false => window.extend(chunk.invalid().iter().map(|byte| damage::mark(*byte))),
            }
        }
        self.cut = cut;
        Ok(())
    }

    fn append_utf8(&mut self, window: &mut String, ended: bool) -> Result<(), Error> {
        match std::str::from_utf8(&self.block) {
            Ok(text) => window.push_str(text),
            Err(error) => {
                let (valid, rest) = self.block.split_at(error.valid_up_to());
                window.push_str(std::str::from_utf8(valid).unwrap_or_default());
                if error.error_len().is_some() || ended {
                    return Err(self.undecodable(error.valid_up_to()));
                }
                self.cut = rest.len();
            }
        }
        Ok(())
    }

    fn append_decoded(&mut self, window: &mut String, ended: bool) -> Result<(), Error> {
        let start = window.len();
        let position = match &mut self.decoder {
            Some(decoder) => decode(decoder, &self.block, window, ended),
            None => None,
        };
        if let Some(position) = position {
            return Err(self.undecodable(position));
        }
        match encoding::unassigned(self.encoding, window.get(start..).unwrap_or_default()) {
            Some(characters) => Err(self.undecodable(characters)),
            None => Ok(()),
        }
    }
}

impl Source for TextReader {
    fn fill(&mut self, window: &mut String, bytes: usize) -> Result<bool, Error> {
        let target = window.len() + bytes.max(1);
        loop {
            let ended = self.read_block()?;
            if self.decoder.is_some() {
                self.append_decoded(window, ended)?;
            } else if self.marks_damage {
                self.append_damaged(window, ended)?;
            } else {
                self.append_utf8(window, ended)?;
            }
            if ended || window.len() >= target {
                return Ok(!ended);
            }
        }
    }

    fn start(&self) -> u64 {
        self.mark_bytes
    }

    fn marks_damage(&self) -> bool {
        self.marks_damage
    }

    fn source_bytes(&self, text: &str) -> u64 {
        match self.marks_damage {
            true => damage::source_bytes(text) as u64,
            false => source_bytes(self.encoding, text),
        }
    }
}

/// Whether bytes begin a character that may go on in the next block.
fn is_cut(bytes: &[u8]) -> bool {
    std::str::from_utf8(bytes).is_err_and(|error| error.error_len().is_none())
}

/// Decodes a block; returns where the first invalid sequence ends.
fn decode(decoder: &mut Decoder, block: &[u8], text: &mut String, last: bool) -> Option<usize> {
    let mut read = 0;
    loop {
        let rest = block.get(read..).unwrap_or_default();
        text.reserve(decoder.max_utf8_buffer_length_without_replacement(rest.len()).unwrap_or(4));
        let (result, count) = decoder.decode_to_string_without_replacement(rest, text, last);
        read += count;
        match result {
            DecoderResult::InputEmpty => return None,
            DecoderResult::OutputFull => {}
            DecoderResult::Malformed(length, after) => {
                return Some(read.saturating_sub(usize::from(length + after)));
            }
        }
    }
}

/// How many bytes a decoded text has in its source.
fn source_bytes(encoding: &'static Encoding, text: &str) -> u64 {
    let bytes = if encoding == UTF_8 {
        text.len()
    } else if encoding == UTF_16LE || encoding == UTF_16BE {
        text.encode_utf16().count() * 2
    } else if encoding.is_single_byte() {
        text.chars().count()
    } else {
        encoded_bytes(encoding, text)
    };
    bytes as u64
}

fn encoded_bytes(encoding: &'static Encoding, mut text: &str) -> usize {
    let mut encoder = encoding.new_encoder();
    let (mut buffer, mut bytes) = ([0; 4096], 0);
    loop {
        let (result, read, written, _) = encoder.encode_from_utf8(text, &mut buffer, true);
        bytes += written;
        text = text.get(read..).unwrap_or_default();
        if result == CoderResult::InputEmpty {
            return bytes;
        }
    }
}

#[cfg(test)]
mod tests {
    use encoding_rs::{GB18030, SHIFT_JIS, WINDOWS_1252};

    use super::*;

    fn read(bytes: &[u8], encoding: &'static Encoding) -> Result<String, Error> {
        let mut text = String::new();
        let charset = Charset { encoding, mark_bytes: 0, certainty: Certainty::Declared };
        let mut reader = TextReader::new(&Content::memory(bytes), &charset);
        while reader.fill(&mut text, 1)? {}
        Ok(text)
    }

    #[test]
    fn characters_across_blocks_stay_whole() {
        let text = "aé€😀".repeat(BLOCK_BYTES / 5);
        assert_eq!(read(text.as_bytes(), UTF_8).expect("text"), text);
        let utf16: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
        assert_eq!(read(&utf16, UTF_16LE).expect("text"), text);
    }

    #[test]
    fn a_bad_byte_is_named_and_never_replaced() {
        let place = |bytes: &[u8], encoding| match read(bytes, encoding) {
            Err(Error::Undecodable { byte_offset, .. }) => byte_offset,
            other => panic!("{other:?}"),
        };
        let long = [vec![b'a'; BLOCK_BYTES - 1], vec![0xe2, 0x82, b'x']].concat();
        assert_eq!(place(&long, UTF_8), BLOCK_BYTES as u64 - 1);
        assert_eq!(place(b"ab\xff", UTF_8), 2);
        assert_eq!(place(b"ab\xe2\x82", UTF_8), 2, "cut by the end of the file");
        assert_eq!(place(b"a\xe9\x81b", WINDOWS_1252), 2, "not assigned in the standard");
        assert_eq!(place(b"ab\xff", SHIFT_JIS), 2);
        assert_eq!(place(b"a\0b", UTF_16LE), 2);
    }

    #[test]
    fn decoded_text_knows_its_size_in_the_source() {
        let cases = [(WINDOWS_1252, "é€a", 3), (UTF_16LE, "a😀", 6), (GB18030, "a中", 3)];
        for (encoding, text, bytes) in cases {
            assert_eq!(source_bytes(encoding, text), bytes, "{encoding:?}");
        }
    }
}
