//! The checksum that a sidecar states, in the forms that tools write.
//!
//! The bare hexadecimal digits; `DIGITS  NAME` and `DIGITS *NAME` of coreutils, with its backslash
//! before names it escapes; `SHA256 (NAME) = DIGITS` of the BSDs and OpenSSL. Lines about other
//! files are passed over, where a line says a name. PowerShell writes UTF-16; that is read too.

use super::checksum::Algorithm;

/// The sum that `text` states for the file whose last part of the name is `base`, as lower-case
/// hexadecimal digits; `None` when it states none of this algorithm.
pub fn stated(text: &[u8], algorithm: Algorithm, base: &[u8]) -> Option<String> {
    let text = plain(text);
    let mut lines = text.split(|b| *b == b'\n').map(<[u8]>::trim_ascii);
    lines.find_map(|line| one(line, algorithm, base))
}

/// The text as single bytes: without a byte order mark, and UTF-16 without its zero bytes, which is
/// right for what a checksum consists of.
fn plain(text: &[u8]) -> Vec<u8> {
    match text {
        [0xef, 0xbb, 0xbf, rest @ ..] => rest.to_vec(),
        [0xff, 0xfe, rest @ ..] | [0xfe, 0xff, rest @ ..] => {
            rest.iter().copied().filter(|byte| *byte != 0).collect()
        }
        text => text.to_vec(),
    }
}

fn one(line: &[u8], algorithm: Algorithm, base: &[u8]) -> Option<String> {
    let line = line.strip_prefix(b"\\").unwrap_or(line);
    if let Some(stated) = tagged(line, algorithm, base) {
        return Some(stated);
    }
    let (digits, rest) = line.split_at_checked(algorithm.sum_bytes() * 2)?;
    let sum = sum(digits, algorithm)?;
    let name = match rest {
        [] => return Some(sum),
        [b' ' | b'\t', name @ ..] => name.trim_ascii_start(),
        _ => return None,
    };
    is_about(name.strip_prefix(b"*").unwrap_or(name), base).then_some(sum)
}

/// `SHA256 (NAME) = DIGITS`, or `SHA2-256(NAME)= DIGITS`.
fn tagged(line: &[u8], algorithm: Algorithm, base: &[u8]) -> Option<String> {
    let open = line.iter().position(|b| *b == b'(')?;
    let close = line.iter().rposition(|b| *b == b')')?;
    let (tag, name) = (line.get(..open)?.trim_ascii(), line.get(open + 1..close)?);
    let tag: Vec<u8> = tag.iter().filter(|b| **b != b'-').map(u8::to_ascii_lowercase).collect();
    let tags: &[&[u8]] = match algorithm {
        Algorithm::Md5 => &[b"md5"],
        Algorithm::Sha1 => &[b"sha1"],
        Algorithm::Sha256 => &[b"sha256", b"sha2256"],
    };
    let digits = line.get(close + 1..)?.trim_ascii_start().strip_prefix(b"=")?.trim_ascii_start();
    let is_meant = tags.contains(&tag.as_slice()) && is_about(name, base);
    if is_meant { sum(digits, algorithm) } else { None }
}

fn sum(digits: &[u8], algorithm: Algorithm) -> Option<String> {
    let is_sum =
        digits.len() == algorithm.sum_bytes() * 2 && digits.iter().all(u8::is_ascii_hexdigit);
    let text = std::str::from_utf8(digits).ok().filter(|_| is_sum)?;
    Some(text.to_ascii_lowercase())
}

/// Whether a line's name is that of the file; the sender's folders do not count.
fn is_about(name: &[u8], base: &[u8]) -> bool {
    name.rsplit(|b| matches!(b, b'/' | b'\\')).next() == Some(base)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MD5: &str = "d41d8cd98f00b204e9800998ecf8427e";

    fn read(text: &str) -> Option<String> {
        stated(text.as_bytes(), Algorithm::Md5, b"a b.csv")
    }

    #[test]
    fn the_usual_forms_are_read() {
        for text in [
            MD5.to_owned(),
            format!("{}\r\n", MD5.to_uppercase()),
            format!("{MD5}  a b.csv\n"),
            format!("{MD5} *a b.csv\n"),
            format!("\\{MD5}  out/a b.csv\n"),
            format!("{MD5}  C:\\out\\a b.csv\r\n"),
            format!("MD5 (a b.csv) = {MD5}\n"),
            format!("MD5(./a b.csv)= {MD5}\n"),
            format!("\u{feff}{MD5}\n"),
            format!("00000000000000000000000000000000  other.csv\n{MD5}  a b.csv\n"),
        ] {
            assert_eq!(read(&text).as_deref(), Some(MD5), "{text:?}");
        }
        let wide: Vec<u8> =
            [0xff, 0xfe].into_iter().chain(MD5.bytes().flat_map(|byte| [byte, 0])).collect();
        assert_eq!(stated(&wide, Algorithm::Md5, b"x").as_deref(), Some(MD5));
    }

    #[test]
    fn what_states_nothing_of_the_file_is_not_guessed() {
        for text in [
            String::new(),
            "OK\n".to_owned(),
            format!("{MD5}0\n"),
            format!("{MD5}  other.csv\n"),
            format!("SHA1 (a b.csv) = {MD5}\n"),
            format!("MD5 (other.csv) = {MD5}\n"),
            format!("{}\n", MD5.replace('d', "g")),
        ] {
            assert_eq!(read(&text), None, "{text:?}");
        }
    }
}
