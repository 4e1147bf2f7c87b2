//! What may not panic, hang, grow or lie, whatever bytes a peer or a file brings.
//!
//! One function per target, used by the cargo-fuzz programs in `fuzz_targets/` and, over the
//! committed corpora and their mutations, by `tests/fuzz_corpus.rs` on stable. A target fails by
//! panicking. Those that convert a file are in [`conversions`].

use landfall::config::{self, Partner, partner};
use landfall::names::FileName;
use landfall::receive::sftp::exec::words;
use landfall::receive::sftp::scp::line::Line;
use landfall::receive::sftp::view::{self, Node};
use landfall::receive::sftp::wire::{Decoder, Error, Item, PACKET_BYTES_MAX, Request};

mod conversions;
pub use conversions::{columnar, contract, delimited, detect, json, packed, workbook};

/// A target's name, which is that of its corpus, and its function.
pub type Target = (&'static str, fn(&[u8]));

/// All of them.
pub const ALL: [Target; 16] = [
    ("codec", codec),
    ("request", request),
    ("scp_line", scp_line),
    ("words", words),
    ("view", view),
    ("file_name", file_name),
    ("config", config),
    ("account", account),
    ("glob", glob),
    ("detect", detect),
    ("delimited", delimited),
    ("json", json),
    ("packed", packed),
    ("contract", contract),
    ("workbook", workbook),
    ("columnar", columnar),
];

/// What a stream holds: requests, heads with their payloads, and why it ended, if it did.
type Told = (Vec<(Item, Vec<u8>)>, Option<Error>);

/// The SFTP decoder: how the stream is cut changes nothing.
pub fn codec(data: &[u8]) {
    let Some((cut, stream)) = data.split_first() else { return };
    let whole = decoded(stream, stream.len().max(1));
    let cut = decoded(stream, usize::from(*cut).max(1));
    assert_eq!(whole, cut);
}

fn decoded(stream: &[u8], cut: usize) -> Told {
    let mut decoder = Decoder::default();
    let mut items: Vec<(Item, Vec<u8>)> = Vec::new();
    for mut chunk in stream.chunks(cut) {
        loop {
            if decoder.payload_left() > 0 {
                let payload = decoder.payload(&mut chunk, usize::MAX);
                if let Some((_, whole)) = items.last_mut() {
                    whole.extend_from_slice(payload);
                }
                if decoder.payload_left() > 0 {
                    break;
                }
            }
            match decoder.next(&mut chunk) {
                Ok(Some(item)) => {
                    if let Item::Write(head) = &item {
                        assert!(head.length <= PACKET_BYTES_MAX);
                    }
                    items.push((item, Vec::new()));
                }
                Ok(None) => break,
                Err(error) => return (items, Some(error)),
            }
        }
        assert!(chunk.is_empty(), "the decoder takes all it is given");
    }
    (items, None)
}

/// One request: whatever its body, it is that request or a refusal, and the stream goes on.
pub fn request(data: &[u8]) {
    let Some((kind, body)) = data.split_first() else { return };
    let body = body.get(..body.len().min(4096)).unwrap_or_default();
    let packet = [&length(body.len() + 5), [*kind].as_slice(), &[0, 0, 0, 7], body].concat();
    let stream = [packet, vec![0, 0, 0, 9, 17, 0, 0, 0, 8, 0, 0, 0, 0]].concat();
    let (items, error) = decoded(&stream, stream.len());
    match (kind, error) {
        (6, Some(error)) => assert_eq!(error, Error::WriteLength),
        (_, error) => {
            assert_eq!(error, None);
            let stat = Item::Request(8, Ok(Request::Stat { path: Vec::new() }));
            assert_eq!((items.len(), &items[1].0), (2, &stat));
        }
    }
}

fn length(bytes: usize) -> [u8; 4] {
    u32::try_from(bytes).expect("small").to_be_bytes()
}

/// A control line of SCP: a name in it is a single one.
pub fn scp_line(data: &[u8]) {
    match Line::read(data) {
        Ok(Line::File { name, mode, .. }) => {
            assert!(is_single(&name) && data.ends_with(&name) && mode <= 0o7777);
        }
        Ok(Line::Folder { name }) => assert!(is_single(&name) && data.ends_with(&name)),
        Ok(Line::End | Line::Times { .. }) | Err(_) => {}
    }
}

fn is_single(name: &[u8]) -> bool {
    !matches!(name, b"" | b"." | b"..") && !name.contains(&b'/')
}

/// A command's words: quoting each and reading them again gives the same words.
pub fn words(data: &[u8]) {
    let read = words::words(data);
    let mut quoted = Vec::new();
    for word in &read {
        quoted.push(b'\'');
        for byte in word {
            match byte {
                b'\'' => quoted.extend_from_slice(b"'\\''"),
                byte => quoted.push(*byte),
            }
        }
        quoted.extend_from_slice(b"' ");
    }
    assert_eq!(words::words(&quoted), read);
    words::sum_line("0", data);
}

/// A path of a peer: it leads into the view or nowhere, and says the same once it is canonical.
pub fn view(data: &[u8]) {
    for partner in [partner_of(&["orders"]), partner_of(&["orders", "stock"])] {
        let canonical = view::canonical(&partner, data);
        assert!(canonical.starts_with(b"/"));
        assert_eq!(view::canonical(&partner, &canonical), canonical);
        let parts = || canonical.split(|b| *b == b'/').skip(1);
        let is_plain = |part: &[u8]| is_single(part);
        assert!(canonical == b"/" || parts().all(is_plain));
        if let Ok(node) = view::resolve(&partner, data) {
            if !data.starts_with(b"~") && canonical.len() <= 1024 {
                assert_eq!(view::resolve(&partner, &canonical).ok().as_ref(), Some(&node));
            }
            if let Node::Entry(key) = node {
                assert_eq!(FileName::new(key.name.as_bytes()).ok(), Some(key.name));
                assert!(partner.feeds.contains(&key.shelf.feed));
            }
        }
    }
}

fn partner_of(feeds: &[&str]) -> Partner {
    let mut partner = Partner::new("acme".parse().expect("a partner"));
    partner.feeds = feeds.iter().map(|feed| feed.parse().expect("a feed")).collect();
    let alias = |path: &str, feed: &str| (path.to_owned(), feed.parse().expect("a feed"));
    partner.aliases = [alias("/outgoing", "orders"), alias("/a/b", feeds[feeds.len() - 1])].into();
    partner
}

/// A file's name: kept to the byte or refused, and harmless where it is shown and stored.
pub fn file_name(data: &[u8]) {
    let Ok(name) = FileName::new(data) else { return };
    assert_eq!(name.as_bytes(), data);
    assert!(data.split(|b| *b == b'/').all(is_single) && !data.contains(&0));
    let safe = name.safe();
    assert!((1..=100).contains(&safe.len()) && !safe.starts_with('.'));
    assert!(safe.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b)));
    let shown = name.to_string();
    assert!(!shown.chars().any(|c| c.is_control()), "{shown:?}");
    let stored = serde_json::to_string(&name).expect("a name is stored");
    assert_eq!(serde_json::from_str::<FileName>(&stored).expect("and read again"), name);
    name.is_temporary();
    name.extension();
}

/// `landfall.toml`: read or refused with problems that can be shown.
pub fn config(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Err(problems) = config::parse("landfall.toml", text) {
        assert!(!problems.to_string().is_empty());
    }
}

/// An account's file: what is read is written back to the same account.
pub fn account(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let name = "acme".parse().expect("a partner");
    match partner::parse(&name, text) {
        Ok(account) => {
            let again = partner::parse(&name, &partner::render(&account));
            assert_eq!(again.expect("what was written can be read"), account);
        }
        Err(problems) => assert!(!problems.to_string().is_empty()),
    }
    for line in text.lines() {
        drop(partner::check_public_key(line));
    }
}

/// A feed's pattern, a line end, and a name: always an answer, and soon.
pub fn glob(data: &[u8]) {
    let data = data.get(..data.len().min(600)).unwrap_or_default();
    let mut lines = data.splitn(2, |b| *b == b'\n');
    let (pattern, name) = (lines.next().unwrap_or_default(), lines.next().unwrap_or_default());
    let Ok(pattern) = std::str::from_utf8(pattern) else { return };
    let takes = |pattern: &str| config::name_matches(&[pattern.to_owned()], name);
    let taken = takes(pattern);
    assert!(takes("*"));
    assert!(!taken || takes(&format!("*{pattern}")) && takes(&format!("{pattern}*")));
    let is_literal = !pattern.contains(['*', '?', '[', '\\', ']']);
    assert!(!is_literal || !taken || pattern.chars().count() <= name.len());
}
