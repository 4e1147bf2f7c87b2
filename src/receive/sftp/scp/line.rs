//! Control lines, read and written.

/// Bytes a control line may have: a name has at most 255.
pub const LINE_BYTES_MAX: usize = 2048;

/// A control line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Line {
    /// `C0644 123 name`: a file of so many bytes follows.
    File {
        /// Permission bits.
        mode: u32,
        /// How many bytes.
        size_bytes: u64,
        /// Its name.
        name: Vec<u8>,
    },
    /// `D0755 0 name`: what follows lies in this folder.
    Folder {
        /// Its name.
        name: Vec<u8>,
    },
    /// `E`: the folder ends.
    End,
    /// `T1700000000 0 1700000000 0`: modification and access time of what follows, Unix seconds.
    Times {
        /// Access and modification.
        times_s: (u32, u32),
    },
}

/// Why a control line is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Wrong {
    /// It is none of those above.
    #[error("this is not the SCP protocol")]
    Line,
    /// It names a way instead of one file or folder.
    #[error("a name in SCP must be a single name, without slashes")]
    Name,
}

impl Line {
    /// Reads a line, without its line end.
    ///
    /// # Errors
    /// [`Wrong`].
    pub fn read(line: &[u8]) -> Result<Self, Wrong> {
        let (kind, rest) = line.split_first().ok_or(Wrong::Line)?;
        match kind {
            b'C' => {
                let (mode, size_bytes, name) = described(rest)?;
                Ok(Self::File { mode, size_bytes, name })
            }
            b'D' => described(rest).map(|(_, _, name)| Self::Folder { name }),
            b'E' if rest.is_empty() => Ok(Self::End),
            b'T' => {
                let mut numbers = rest.split(|b| *b == b' ').map(number);
                let mut next = || numbers.next().flatten().ok_or(Wrong::Line);
                let (modified, _, accessed, _) = (next()?, next()?, next()?, next()?);
                let seconds = |s: u64| u32::try_from(s).unwrap_or(u32::MAX);
                Ok(Self::Times { times_s: (seconds(accessed), seconds(modified)) })
            }
            _ => Err(Wrong::Line),
        }
    }
}

/// `0644 123 name`.
fn described(rest: &[u8]) -> Result<(u32, u64, Vec<u8>), Wrong> {
    let mut parts = rest.splitn(3, |b| *b == b' ');
    let mut part = || parts.next().ok_or(Wrong::Line);
    let (mode, size, name) = (part()?, part()?, part()?);
    let mode = std::str::from_utf8(mode).ok().and_then(|text| u32::from_str_radix(text, 8).ok());
    let mode = mode.filter(|mode| *mode <= 0o7777).ok_or(Wrong::Line)?;
    let size_bytes = number(size).ok_or(Wrong::Line)?;
    let is_single = !matches!(name, b"" | b"." | b"..") && !name.contains(&b'/');
    if is_single { Ok((mode, size_bytes, name.to_vec())) } else { Err(Wrong::Name) }
}

fn number(digits: &[u8]) -> Option<u64> {
    let plain = !digits.is_empty() && digits.iter().all(u8::is_ascii_digit);
    std::str::from_utf8(digits).ok().filter(|_| plain)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_read_as_scp_writes_them() {
        let file =
            |mode, size_bytes, name: &str| Line::File { mode, size_bytes, name: name.into() };
        assert_eq!(Line::read(b"C0644 12 a b.csv"), Ok(file(0o644, 12, "a b.csv")));
        assert_eq!(Line::read(b"C0644 0  x"), Ok(file(0o644, 0, " x")));
        assert_eq!(Line::read(b"D0755 0 sub"), Ok(Line::Folder { name: b"sub".to_vec() }));
        assert_eq!(Line::read(b"E"), Ok(Line::End));
        assert_eq!(Line::read(b"T7 0 5 0"), Ok(Line::Times { times_s: (5, 7) }));
    }

    #[test]
    fn what_is_no_line_or_no_single_name_is_refused() {
        for wrong in [
            "",
            "X",
            "C",
            "C0644",
            "C0644 1",
            "C0999 1 a",
            "C0644 -1 a",
            "C0644 1x a",
            "T1",
            "T1 2 3",
            "Ex",
            "C77777 1 a",
            "C0644 99999999999999999999 a",
        ] {
            assert_eq!(Line::read(wrong.as_bytes()), Err(Wrong::Line), "{wrong}");
        }
        for name in ["", ".", "..", "a/b", "/etc/passwd", "../x"] {
            let line = format!("C0644 1 {name}");
            assert_eq!(Line::read(line.as_bytes()), Err(Wrong::Name), "{line}");
        }
    }
}
