//! Commands a client may run: the digest of a landed file, and nothing else.

use super::account::Account;
use super::names;
use super::view::{self, Node};

/// What a command said and how it ended.
#[derive(Debug, PartialEq, Eq)]
pub struct Ran {
    /// To standard output.
    pub out: Vec<u8>,
    /// To standard error.
    pub err: String,
    /// The exit status.
    pub status: u32,
}

impl Ran {
    fn refused(status: u32, err: impl Into<String>) -> Self {
        Self { out: Vec::new(), err: err.into(), status }
    }
}

/// What a client reads that asks for a shell.
pub const NO_SHELL: &str =
    "This server takes files over SFTP and gives no shell. Use `sftp`, or `scp` without -O.\n";

/// Runs a command. Slow.
pub fn run(account: &Account, command: &[u8]) -> Ran {
    let mut words = words(command).into_iter();
    match words.next().as_deref() {
        Some(b"sha256sum") => digests(account, words.filter(|word| word != b"--").collect()),
        Some(b"scp") => {
            Ran::refused(1, "Use `scp` without -O: this server speaks its SFTP mode.\n")
        }
        Some(_) | None => Ran::refused(127, NO_SHELL),
    }
}

/// As sha256sum(1) prints it, from the record.
fn digests(account: &Account, names: Vec<Vec<u8>>) -> Ran {
    let mut ran = Ran { out: Vec::new(), err: String::new(), status: 0 };
    for name in names {
        match digest(account, &name) {
            Ok(digest) => ran.out.extend_from_slice(&line(&digest, &name)),
            Err(told) => {
                let name = String::from_utf8_lossy(&name).escape_debug().to_string();
                ran.err.push_str(&format!("sha256sum: {name}: {told}\n"));
                ran.status = 1;
            }
        }
    }
    ran
}

fn digest(account: &Account, path: &[u8]) -> Result<String, String> {
    match view::resolve(&account.partner, path) {
        Ok(Node::Entry(key)) => match names::landed(account, &key) {
            Ok(Some(arrival)) => Ok(arrival.digest.to_string()),
            Ok(None) => Err("no such file has landed".to_owned()),
            Err(refused) => Err(refused.text),
        },
        Ok(
            Node::Root
            | Node::Readme
            | Node::Receipts
            | Node::Receipt(..)
            | Node::Feed(_)
            | Node::Nowhere,
        ) => Err("no such file has landed".to_owned()),
        Err(refused) => Err(refused.text),
    }
}

/// A line of sha256sum(1), which escapes names that would break it.
fn line(digest: &str, name: &[u8]) -> Vec<u8> {
    let mut escaped = Vec::with_capacity(name.len());
    for byte in name {
        match byte {
            b'\\' => escaped.extend_from_slice(b"\\\\"),
            b'\n' => escaped.extend_from_slice(b"\\n"),
            b'\r' => escaped.extend_from_slice(b"\\r"),
            byte => escaped.push(*byte),
        }
    }
    let mark: &[u8] = if escaped == name { b"" } else { b"\\" };
    [mark, digest.as_bytes(), b"  ", &escaped, b"\n"].concat()
}

/// Splits a command as a shell would, as far as clients quote file names: single and double quotes
/// and backslashes.
fn words(command: &[u8]) -> Vec<Vec<u8>> {
    let (mut words, mut word, mut quote) = (Vec::new(), None::<Vec<u8>>, None);
    let mut bytes = command.iter().copied();
    while let Some(byte) = bytes.next() {
        match (byte, quote) {
            (b'\'' | b'"', None) => {
                quote = Some(byte);
                word.get_or_insert_default();
            }
            (byte, Some(open)) if byte == open => quote = None,
            (b'\\', None | Some(b'"')) => word.get_or_insert_default().extend(bytes.next()),
            (b' ' | b'\t', None) => words.extend(word.take()),
            (byte, _) => word.get_or_insert_default().push(byte),
        }
    }
    words.extend(word);
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quoted_names_are_read_as_a_shell_reads_them() {
        let cases: [(&str, &[&str]); 4] = [
            ("sha256sum a.csv", &["sha256sum", "a.csv"]),
            ("sha256sum '/a b/c'\\''d' -- x", &["sha256sum", "/a b/c'd", "--", "x"]),
            (r#"x "a \" b" '' "#, &["x", "a \" b", ""]),
            ("  ", &[]),
        ];
        for (command, expected) in cases {
            let split: Vec<String> = words(command.as_bytes())
                .into_iter()
                .map(|word| String::from_utf8(word).expect("text"))
                .collect();
            assert_eq!(split, expected, "{command}");
        }
    }

    #[test]
    fn names_that_would_break_the_line_are_escaped() {
        assert_eq!(line("ab", b"x y"), b"ab  x y\n");
        assert_eq!(line("ab", b"x\ny\\"), b"\\ab  x\\ny\\\\\n");
    }
}
