//! The fences of the house, checked: floors, foreign crates, file sizes, module docs, names.
//!
//! Each rule names its reason, so that whoever meets it can decide whether to obey it or to change
//! it here, in the open.
#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, reason = "tests")]

use std::fs;
use std::path::{Path, PathBuf};

/// Lines a file may have before its tests; a longer one is two rooms.
const LINES_MAX: usize = 500;

/// The floors, lowest first: a module may use only itself and those on lower floors.
const FLOORS: &[&[&str]] = &[
    &["clock", "command", "schema", "seeded"],
    &["names", "diagnostic"],
    &["report", "zone", "durable", "contract"],
    &["signing"],
    &["ledger"],
    &["config"],
    &["archive"],
    &["evidence"],
    &["custody", "receive", "convert", "handoff"],
    &["calendar", "pipeline"],
    &["ops"],
];

/// Pairs that look up a floor, each with its reason.
const FLOOR_EXCEPTIONS: &[(&str, &str, &str)] = &[];

/// Foreign crates and the only places that may name them.
const OWNERS: &[(&str, &[&str])] = &[
    // Signatures and key files need its key types.
    ("russh", &["receive/sftp", "signing"]),
    ("notify", &["receive/folder"]),
    ("rusqlite", &["ledger/sqlite"]),
    ("csv", &["convert"]),
    ("csv_core", &["convert"]),
    ("calamine", &["convert"]),
    ("flate2", &["convert/unpack"]),
    ("zip", &["convert/unpack", "convert/excel"]),
    ("zstd", &["convert/unpack"]),
    ("bzip2", &["convert/unpack"]),
    ("liblzma", &["convert/unpack"]),
    ("arrow_array", &["convert"]),
    ("arrow_buffer", &["convert"]),
    ("arrow_schema", &["convert"]),
    ("parquet", &["convert"]),
    ("simdutf8", &["convert/delimited"]),
    ("quick_xml", &["convert/excel"]),
    ("memchr", &["convert/excel"]),
    // The configuration only asks whether a label is known.
    ("encoding_rs", &["convert", "config/value"]),
    ("md5", &["receive/checksum"]),
    ("sha1", &["receive/checksum"]),
    ("landlock", &["convert/worker"]),
    ("seccompiler", &["convert/worker"]),
    ("reqwest", &["handoff/sinks"]),
    ("rustls", &["handoff/sinks"]),
    ("rustls_platform_verifier", &["handoff/sinks/tls"]),
    ("tokio_rustls", &["handoff/sinks/tls"]),
    ("hmac", &["handoff/sinks"]),
    ("futures_util", &["handoff/sinks"]),
    ("tokio_postgres", &["handoff/sinks/postgres"]),
    ("base64", &["evidence", "handoff/sinks"]),
    ("clap", &["ops/cli"]),
    ("indicatif", &["ops"]),
    ("tracing_subscriber", &["ops"]),
    ("sd_notify", &["ops"]),
    ("toml", &["config"]),
    ("toml_edit", &["config/new_feed"]),
    ("regex", &["contract"]),
];

struct Source {
    /// Path below `src/`, without the extension and without a trailing `/mod`.
    module: String,
    path: PathBuf,
    /// The code before its tests.
    code: String,
}

fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = Vec::new();
    let mut folders = vec![root.clone()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("a readable folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path).expect("readable text");
                let code = text.split("\n#[cfg(test)]\nmod tests {").next().unwrap_or(&text);
                let below = path.strip_prefix(&root).expect("below src").with_extension("");
                let below = below.to_str().expect("a plain name");
                let module = below.strip_suffix("/mod").unwrap_or(below).to_owned();
                found.push(Source { module, code: code.to_owned(), path });
            }
        }
    }
    assert!(found.len() > 20, "the sources were not found");
    found
}

fn report(rule: &str, found: &[String]) {
    assert!(found.is_empty(), "{rule}:\n  {}", found.join("\n  "));
}

/// Lines of code without comments.
fn code_lines(source: &Source) -> impl Iterator<Item = &str> {
    source.code.lines().filter(|line| !line.trim_start().starts_with("//"))
}

#[test]
fn every_file_says_what_it_is() {
    let silent: Vec<String> = sources()
        .iter()
        .filter(|source| !source.code.starts_with("//!"))
        .map(|source| source.path.display().to_string())
        .collect();
    report("a file opens with `//!`: what it is, what it promises, what it leaves out", &silent);
}

#[test]
fn no_file_is_too_long() {
    let long: Vec<String> = sources()
        .iter()
        .map(|source| (source.code.lines().count(), source))
        .filter(|(lines, _)| *lines > LINES_MAX)
        .map(|(lines, source)| format!("{} has {lines} lines", source.path.display()))
        .collect();
    report(&format!("a file has at most {LINES_MAX} lines before its tests"), &long);
}

#[test]
fn no_file_is_a_drawer() {
    let drawers = ["util", "utils", "helper", "helpers", "common", "manager", "misc"];
    let found: Vec<String> = sources()
        .iter()
        .filter(|source| drawers.contains(&source.module.rsplit('/').next().unwrap_or_default()))
        .map(|source| source.path.display().to_string())
        .collect();
    report("a file is one noun of the product, not a drawer", &found);
}

#[test]
fn each_foreign_crate_has_one_owner() {
    let mut found = Vec::new();
    for source in sources() {
        for (name, owners) in OWNERS {
            if owners.iter().any(|owner| source.module.starts_with(owner)) {
                continue;
            }
            let used = |line: &&str| uses_crate(line, name);
            if let Some(line) = code_lines(&source).find(used) {
                found.push(format!("{} uses {name}: {}", source.path.display(), line.trim()));
            }
        }
    }
    report("a foreign crate is named only by its owner (see OWNERS)", &found);
}

fn uses_crate(line: &str, name: &str) -> bool {
    let mut rest = line;
    while let Some(at) = rest.find(name) {
        let before = rest[..at].chars().next_back();
        let after = &rest[at + name.len()..];
        let whole =
            !before.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == ':' || c == '"');
        if whole && after.starts_with("::") {
            return true;
        }
        rest = after;
    }
    false
}

fn floor(module: &str) -> Option<usize> {
    FLOORS.iter().position(|floor| floor.contains(&module))
}

#[test]
fn no_module_looks_up_a_floor() {
    let mut found = Vec::new();
    for source in sources() {
        let room = source.module.split('/').next().unwrap_or_default();
        let Some(own) = floor(room) else { continue };
        for line in code_lines(&source) {
            for used in crate_paths(line) {
                let excepted =
                    FLOOR_EXCEPTIONS.iter().any(|(from, to, _)| *from == room && *to == used);
                let lower = floor(&used).is_none_or(|theirs| theirs < own) || used == room;
                if !lower && !excepted {
                    found.push(format!("{} uses {used}: {}", source.path.display(), line.trim()));
                }
            }
        }
    }
    report("a module uses only lower floors (see FLOORS)", &found);
}

/// The top-level modules that a line names through `crate::`.
fn crate_paths(line: &str) -> Vec<String> {
    let mut named = Vec::new();
    for part in line.split("crate::").skip(1) {
        if let Some(group) = part.strip_prefix('{') {
            let group = group.split('}').next().unwrap_or(group);
            named.extend(group.split(',').map(|path| first_word(path.trim())));
        } else {
            named.push(first_word(part));
        }
    }
    named
}

fn first_word(path: &str) -> String {
    path.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
}

#[test]
fn every_top_level_module_has_a_floor() {
    let homeless: Vec<String> = sources()
        .iter()
        .map(|source| source.module.split('/').next().unwrap_or_default().to_owned())
        .filter(|room| !["lib", "main"].contains(&room.as_str()) && floor(room).is_none())
        .collect();
    report("a new top-level module is given a floor in FLOORS", &homeless);
}

#[test]
fn only_ops_speaks() {
    let words = ["println!", "eprintln!", "process::exit", "env::var", "env::args", "env::current"];
    // A worker is a process of its own, which looks whether its environment is empty.
    // Bugs put in on purpose are picked by the environment, and no release has them.
    let speakers = ["main", "ops", "convert/worker/child", "seeded"];
    let mut found = Vec::new();
    for source in sources() {
        if speakers.iter().any(|speaker| source.module.starts_with(speaker)) {
            continue;
        }
        for line in code_lines(&source).filter(|line| words.iter().any(|word| line.contains(word)))
        {
            found.push(format!("{}: {}", source.path.display(), line.trim()));
        }
    }
    report("only ops speaks to terminal, environment and exit code", &found);
}

#[test]
fn nothing_is_left_open() {
    let words = ["todo!", "unimplemented!", "FIXME", "TODO", "XXX"];
    let mut found = Vec::new();
    for source in sources() {
        for line in source.code.lines().filter(|line| words.iter().any(|word| line.contains(word)))
        {
            found.push(format!("{}: {}", source.path.display(), line.trim()));
        }
    }
    report("nothing is left open in the code", &found);
}

#[test]
fn the_rules_see_what_they_look_for() {
    assert!(uses_crate("use csv::Reader;", "csv"));
    assert!(!uses_crate("use simd_csv::Reader;", "csv"));
    assert!(!uses_crate("crate::csv::Reader", "csv"));
    assert_eq!(crate_paths("use crate::{ledger, archive::x};"), ["ledger", "archive"]);
    assert_eq!(crate_paths("crate::ops::run(crate::names::X)"), ["ops", "names"]);
    assert!(floor("ops") > floor("ledger"));
}
