//! A command's words, and names as coreutils print them.

/// Splits a command as a shell would, as far as clients quote file names: single and double quotes
/// and backslashes.
pub fn words(command: &[u8]) -> Vec<Vec<u8>> {
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

/// A line of sha256sum(1), which escapes names that would break it.
pub fn sum_line(sum: &str, name: &[u8]) -> Vec<u8> {
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
    [mark, sum.as_bytes(), b"  ", &escaped, b"\n"].concat()
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
        assert_eq!(sum_line("ab", b"x y"), b"ab  x y\n");
        assert_eq!(sum_line("ab", b"x\ny\\"), b"\\ab  x\\ny\\\\\n");
    }
}
