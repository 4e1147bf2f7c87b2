//! Fields of a packet: integers in network order and counted byte strings (RFC 4251 section 5).

use super::Malformed;

/// Reads fields from the front of a packet's bytes.
#[derive(Debug, Clone)]
pub struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    /// Starts at the first byte.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// An unsigned 32-bit integer.
    ///
    /// # Errors
    /// [`Malformed`] when the bytes end before.
    pub fn u32(&mut self) -> Result<u32, Malformed> {
        self.array().map(u32::from_be_bytes)
    }

    /// An unsigned 64-bit integer.
    ///
    /// # Errors
    /// [`Malformed`] when the bytes end before.
    pub fn u64(&mut self) -> Result<u64, Malformed> {
        self.array().map(u64::from_be_bytes)
    }

    /// A counted byte string.
    ///
    /// # Errors
    /// [`Malformed`] when the bytes end before.
    pub fn string(&mut self) -> Result<&'a [u8], Malformed> {
        let length = usize::try_from(self.u32()?).map_err(|_too_long| Malformed)?;
        let (string, rest) = self.0.split_at_checked(length).ok_or(Malformed)?;
        self.0 = rest;
        Ok(string)
    }

    /// How many bytes are left.
    pub fn left(&self) -> usize {
        self.0.len()
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        let (array, rest) = self.0.split_first_chunk().ok_or(Malformed)?;
        self.0 = rest;
        Ok(*array)
    }
}

/// Appends fields to a packet.
pub trait Put {
    /// Appends an unsigned 32-bit integer.
    fn put_u32(&mut self, value: u32);
    /// Appends an unsigned 64-bit integer.
    fn put_u64(&mut self, value: u64);
    /// Appends a counted byte string.
    fn put_string(&mut self, bytes: &[u8]);
}

impl Put for Vec<u8> {
    fn put_u32(&mut self, value: u32) {
        self.extend_from_slice(&value.to_be_bytes());
    }

    fn put_u64(&mut self, value: u64) {
        self.extend_from_slice(&value.to_be_bytes());
    }

    fn put_string(&mut self, bytes: &[u8]) {
        // Every string is a name, a text or a read of at most 255 KiB.
        self.put_u32(u32::try_from(bytes.len()).unwrap_or(u32::MAX));
        self.extend_from_slice(bytes);
    }
}
