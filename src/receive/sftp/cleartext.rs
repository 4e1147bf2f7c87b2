//! What a peer sends before its bytes are encrypted, watched as it passes.
//!
//! The length of a packet comes first (RFC 4253 section 6), and russh makes room for all of it: a
//! stranger could have a quarter of a MiB for five bytes. Until a peer's NEWKEYS its lengths can be
//! read here, and nothing it has to say by then is outside [`PACKET_BYTES`].

use std::io;

/// Bytes of a packet without its length: the smallest (RFC 4253 section 6), and what every
/// implementation must take (section 6.1).
const PACKET_BYTES: std::ops::RangeInclusive<u32> = 12..=35_000;
/// From this message on a peer's packets are encrypted (RFC 4253 section 7.3).
const NEWKEYS: u8 = 21;

/// Where in the cleartext a peer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cleartext {
    /// In its first line, the version.
    Version,
    /// In the first bytes of a packet: its length so far, and how many bytes of them there are.
    Head { length: u32, have: u8 },
    /// In a packet, with so many bytes to come.
    Body(u32),
    /// All that comes is encrypted.
    Over,
}

/// Bytes of a packet up to the message's number: its length, the padding's length, the number.
const HEAD_BYTES: u8 = 6;

impl Cleartext {
    /// Follows what the peer sends.
    ///
    /// # Errors
    /// A packet is longer than any that may come before encryption, or too short to be one.
    pub fn follow(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while let Some((first, rest)) = bytes.split_first() {
            *self = match *self {
                Self::Over => return Ok(()),
                Self::Version => {
                    bytes = rest;
                    if *first == b'\n' { Self::packet() } else { Self::Version }
                }
                Self::Head { length, have } => {
                    bytes = rest;
                    Self::head(length, have, *first)?
                }
                Self::Body(left) => {
                    let here = u32::try_from(bytes.len()).unwrap_or(u32::MAX).min(left);
                    bytes = bytes.get(here as usize..).unwrap_or_default();
                    if here == left { Self::packet() } else { Self::Body(left - here) }
                }
            };
        }
        Ok(())
    }

    fn packet() -> Self {
        Self::Head { length: 0, have: 0 }
    }

    fn head(length: u32, have: u8, byte: u8) -> io::Result<Self> {
        let have = have + 1;
        match have {
            1..=3 => Ok(Self::Head { length: length << 8 | u32::from(byte), have }),
            4 => {
                let length = length << 8 | u32::from(byte);
                if PACKET_BYTES.contains(&length) {
                    Ok(Self::Head { length, have })
                } else {
                    let told = format!("a packet of {length} bytes before encryption");
                    Err(io::Error::new(io::ErrorKind::InvalidData, told))
                }
            }
            5 => Ok(Self::Head { length, have }),
            HEAD_BYTES.. if byte == NEWKEYS => Ok(Self::Over),
            // The length counts neither itself nor, here, the two bytes after it.
            HEAD_BYTES.. | 0 => Ok(Self::Body(length - 2)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packet(number: u8, body: &[u8]) -> Vec<u8> {
        let length = u32::try_from(body.len() + 12).expect("short").to_be_bytes();
        [&length[..], &[10, number], body, &[0; 10]].concat()
    }

    #[test]
    fn lengths_are_followed_until_newkeys_however_the_bytes_are_cut() {
        let said = [
            b"SSH-2.0-x\r\n".to_vec(),
            packet(20, &[7; 1500]),
            packet(30, &[8; 40]),
            packet(NEWKEYS, b""),
        ]
        .concat();
        for cut in 1..40 {
            let mut cleartext = Cleartext::Version;
            for piece in said.chunks(cut) {
                cleartext.follow(piece).expect("fine");
            }
            assert_eq!(cleartext, Cleartext::Over);
            cleartext.follow(&[0xff; 100]).expect("encrypted bytes are not looked at");
        }
    }

    #[test]
    fn a_length_that_no_first_packet_has_is_refused() {
        for length in [0, 1, 11, 35_001, 256 * 1024, u32::MAX] {
            let mut cleartext = Cleartext::Version;
            cleartext.follow(b"SSH-2.0-x\r\n").expect("fine");
            assert!(cleartext.follow(&length.to_be_bytes()).is_err(), "{length}");
        }
    }
}
