//! The Python that `tests/setup` made.

use std::io::Write as _;
use std::process::{Command, Stdio};

/// Runs a script with a text on standard input; what it printed.
pub fn run(script: &str, input: &str) -> String {
    let python = concat!(env!("CARGO_MANIFEST_DIR"), "/target/tests-python/bin/python");
    let mut child = Command::new(python)
        .args(["-c", script])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("tests/setup makes it");
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", output.status);
    String::from_utf8(output.stdout).unwrap()
}
