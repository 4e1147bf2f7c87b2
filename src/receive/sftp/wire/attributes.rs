//! File attributes of version 3 (draft-ietf-secsh-filexfer-02 section 5).

use super::Malformed;
use super::fields::{Fields, Put};

const SIZE: u32 = 0x1;
const UIDGID: u32 = 0x2;
const PERMISSIONS: u32 = 0x4;
const ACMODTIME: u32 = 0x8;
const EXTENDED: u32 = 0x8000_0000;
/// Extended attribute pairs read from one request; none is used.
const EXTENDED_PAIRS_MAX: u32 = 64;

/// What is known, or to be set, of a file. Absent fields are not said.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Attributes {
    /// Bytes.
    pub size_bytes: Option<u64>,
    /// Owner and group.
    pub owner: Option<(u32, u32)>,
    /// File type and permission bits, as in `st_mode`.
    pub mode: Option<u32>,
    /// Access and modification times, Unix seconds.
    pub times_s: Option<(u32, u32)>,
}

impl Attributes {
    /// Reads attributes.
    ///
    /// # Errors
    /// [`Malformed`].
    pub fn read(fields: &mut Fields<'_>) -> Result<Self, Malformed> {
        let flags = fields.u32()?;
        let mut read = Self::default();
        if flags & SIZE != 0 {
            read.size_bytes = Some(fields.u64()?);
        }
        if flags & UIDGID != 0 {
            read.owner = Some((fields.u32()?, fields.u32()?));
        }
        if flags & PERMISSIONS != 0 {
            read.mode = Some(fields.u32()?);
        }
        if flags & ACMODTIME != 0 {
            read.times_s = Some((fields.u32()?, fields.u32()?));
        }
        if flags & EXTENDED != 0 {
            let pairs = fields.u32()?;
            if pairs > EXTENDED_PAIRS_MAX {
                return Err(Malformed);
            }
            for _ in 0..pairs {
                fields.string()?;
                fields.string()?;
            }
        }
        Ok(read)
    }

    /// Appends the attributes.
    pub fn write(&self, out: &mut Vec<u8>) {
        let flag = |present: bool, flag: u32| if present { flag } else { 0 };
        out.put_u32(
            flag(self.size_bytes.is_some(), SIZE)
                | flag(self.owner.is_some(), UIDGID)
                | flag(self.mode.is_some(), PERMISSIONS)
                | flag(self.times_s.is_some(), ACMODTIME),
        );
        if let Some(size) = self.size_bytes {
            out.put_u64(size);
        }
        if let Some((user, group)) = self.owner {
            out.put_u32(user);
            out.put_u32(group);
        }
        if let Some(mode) = self.mode {
            out.put_u32(mode);
        }
        if let Some((accessed, modified)) = self.times_s {
            out.put_u32(accessed);
            out.put_u32(modified);
        }
    }
}
