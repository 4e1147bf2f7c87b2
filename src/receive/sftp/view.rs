//! What a partner sees: one folder per feed, `receipts/`, `test/`, `README.txt`.
//!
//! A path of a peer is read here into a [`Node`] and goes no further. A partner with one feed is at
//! home in it; with several, at the root. `aliases` lead hard-coded paths to a feed.

use super::refusal::Refused;
use crate::config::Partner;
use crate::names::{FeedName, FileName};
use crate::receive::staging::{Area, Key, Shelf};

/// The folder of receipts.
pub const RECEIPTS: &[u8] = b"receipts";
/// The folder of files that are only tried.
pub const TEST: &[u8] = b"test";
/// The file that explains the rest.
pub const README: &[u8] = b"README.txt";
/// Bytes a whole path may have.
const PATH_BYTES_MAX: usize = 1024;

/// What a path means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Node {
    /// `/`.
    Root,
    /// `/README.txt`.
    Readme,
    /// `/receipts`.
    Receipts,
    /// `/receipts/test`.
    TestReceipts,
    /// `/receipts/<feed>` and `/receipts/test/<feed>`, and what lies in it, by its path below the
    /// feed; empty for the folder.
    Receipt(Shelf, Vec<u8>),
    /// `/test`.
    Test,
    /// `/<feed>` and `/test/<feed>`.
    Feed(Shelf),
    /// A file or virtual subfolder in a feed.
    Entry(Key),
    /// Nothing can be there.
    Nowhere,
}

/// The path as the client should show it: absolute, without `.`, `..` and doubled slashes. A
/// relative one begins at home; `~` is home too (expand-path@openssh.com).
pub fn canonical(partner: &Partner, path: &[u8]) -> Vec<u8> {
    let path = match path {
        b"~" => b".",
        [b'~', b'/', below @ ..] => below,
        path => path,
    };
    let parts = parts(partner, path);
    if parts.is_empty() {
        return b"/".to_vec();
    }
    parts.iter().flat_map(|part| [b"/", *part].concat()).collect()
}

/// What a path means to a partner.
///
/// # Errors
/// A sentence when no file can have that name.
pub fn resolve(partner: &Partner, path: &[u8]) -> Result<Node, Refused> {
    if path.len() > PATH_BYTES_MAX {
        return Err(Refused::failure("this path is longer than 1,024 bytes; use a shorter name"));
    }
    if path.contains(&0) {
        return Err(Refused::failure("a name cannot have a NUL byte; use another name"));
    }
    let parts = parts(partner, path);
    let parts = parts.as_slice();
    let alias = alias(partner, parts);
    let named = alias.clone().filter(|(_, below)| below.len() < parts.len());
    if let Some((feed, below)) = named.or_else(|| feed(partner, parts)) {
        return entry(shelf(partner, feed, Area::Real), below);
    }
    Ok(match parts {
        [] => Node::Root,
        [README] => Node::Readme,
        [RECEIPTS] => Node::Receipts,
        [RECEIPTS, below @ ..] => receipts(partner, below),
        [TEST] => Node::Test,
        [TEST, below @ ..] => match (feed(partner, below), partner.feeds.as_slice()) {
            (Some((feed, below)), _) => entry(shelf(partner, feed, Area::Test), below)?,
            (None, [only]) => entry(shelf(partner, only.clone(), Area::Test), below)?,
            (None, _) => Node::Nowhere,
        },
        // An alias of `/` takes what nothing else is.
        _ => match alias {
            Some((feed, below)) => entry(shelf(partner, feed, Area::Real), below)?,
            None => Node::Nowhere,
        },
    })
}

fn receipts(partner: &Partner, below: &[&[u8]]) -> Node {
    match (feed(partner, below), below) {
        (Some((feed, below)), _) => {
            Node::Receipt(shelf(partner, feed, Area::Real), below.join(&b'/'))
        }
        (None, [TEST]) => Node::TestReceipts,
        (None, [TEST, below @ ..]) => match feed(partner, below) {
            Some((feed, below)) => {
                Node::Receipt(shelf(partner, feed, Area::Test), below.join(&b'/'))
            }
            None => Node::Nowhere,
        },
        (None, _) => Node::Nowhere,
    }
}

/// A partner's folder for a feed.
pub fn shelf(partner: &Partner, feed: FeedName, area: Area) -> Shelf {
    Shelf { partner: partner.name.clone(), feed, area }
}

/// What a shelf is called in words: `orders`, `test/orders`.
pub fn folder(shelf: &Shelf) -> String {
    match shelf.area {
        Area::Real => shelf.feed.to_string(),
        Area::Test => format!("test/{}", shelf.feed),
    }
}

/// Whether there is a test area: a feed or an alias of that name comes first.
pub fn has_tests(partner: &Partner) -> bool {
    !partner.feeds.is_empty() && matches!(resolve(partner, b"/test"), Ok(Node::Test))
}

/// The sentence for something that belongs into a feed's folder and was put elsewhere.
pub fn only_in_feeds(partner: &Partner) -> Refused {
    let folders: Vec<String> = partner.feeds.iter().map(|feed| format!("/{feed}")).collect();
    Refused::denied(match folders.as_slice() {
        [] => format!(
            "{} may not send to any feed yet; ask the people who run this server",
            partner.name
        ),
        [only] => format!("files and folders can only be made in {only}"),
        several => format!("files and folders can only be made in one of {}", several.join(", ")),
    })
}

/// The parts of a path, from the root.
fn parts<'a>(partner: &'a Partner, path: &'a [u8]) -> Vec<&'a [u8]> {
    let mut parts: Vec<&'a [u8]> = match partner.feeds.as_slice() {
        [only] if !path.starts_with(b"/") => vec![only.as_str().as_bytes()],
        _ => Vec::new(),
    };
    for part in path.split(|b| *b == b'/') {
        match part {
            b"" | b"." => {}
            b".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    parts
}

fn feed<'a, 'b>(partner: &Partner, parts: &'b [&'a [u8]]) -> Option<(FeedName, &'b [&'a [u8]])> {
    let (first, below) = parts.split_first()?;
    let feed = partner.feeds.iter().find(|feed| feed.as_str().as_bytes() == *first)?;
    Some((feed.clone(), below))
}

/// The alias that says most of a path.
fn alias<'a, 'b>(
    partner: &'a Partner,
    parts: &'b [&'a [u8]],
) -> Option<(FeedName, &'b [&'a [u8]])> {
    let matching = partner.aliases.iter().filter_map(|(alias, feed)| {
        let alias: Vec<&[u8]> =
            alias.as_bytes().split(|b| *b == b'/').filter(|part| !part.is_empty()).collect();
        let below = parts.strip_prefix(alias.as_slice())?;
        Some((feed.clone(), below))
    });
    matching.min_by_key(|(_, below)| below.len())
}

fn entry(shelf: Shelf, below: &[&[u8]]) -> Result<Node, Refused> {
    if below.is_empty() {
        return Ok(Node::Feed(shelf));
    }
    let name = FileName::new(below.join(&b'/')).map_err(|e| Refused::failure(e.to_string()))?;
    Ok(Node::Entry(Key { shelf, name }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn partner(feeds: &[&str], aliases: &[(&str, &str)]) -> Partner {
        let mut partner = Partner::new("acme".parse().expect("a partner"));
        partner.feeds = feeds.iter().map(|feed| feed.parse().expect("a feed")).collect();
        let aliases =
            aliases.iter().map(|(path, feed)| ((*path).to_owned(), feed.parse().expect("a feed")));
        partner.aliases = aliases.collect();
        partner
    }

    fn shelf(feed: &str, area: Area) -> Shelf {
        super::shelf(&partner(&[], &[]), feed.parse().expect("a feed"), area)
    }

    fn entry(feed: &str, name: &str) -> Node {
        Node::Entry(Key { shelf: shelf(feed, Area::Real), name: name.parse().expect("a name") })
    }

    fn test_entry(feed: &str, name: &str) -> Node {
        Node::Entry(Key { shelf: shelf(feed, Area::Test), name: name.parse().expect("a name") })
    }

    fn node(partner: &Partner, path: &str) -> Node {
        resolve(partner, path.as_bytes()).expect("a node")
    }

    #[test]
    fn paths_lead_to_feeds_and_nowhere_else() {
        let two = partner(&["orders", "stock"], &[("/outgoing", "orders"), ("/out/a/", "stock")]);
        assert_eq!(node(&two, "/"), Node::Root);
        assert_eq!(node(&two, "."), Node::Root);
        assert_eq!(node(&two, "/../../orders/./x"), entry("orders", "x"));
        assert_eq!(node(&two, "orders//a/../b/c"), entry("orders", "b/c"));
        assert_eq!(node(&two, "/outgoing/x"), entry("orders", "x"));
        assert_eq!(node(&two, "/out/a"), Node::Feed(shelf("stock", Area::Real)));
        assert_eq!(node(&two, "/README.txt"), Node::Readme);
        let receipt = Node::Receipt(shelf("orders", Area::Real), b"a/b.receipt.json".into());
        assert_eq!(node(&two, "/receipts/orders/a/b.receipt.json"), receipt);
        for nowhere in ["/etc/passwd", "/out", "/receipts/other/x", "/Orders/x", "/x"] {
            assert_eq!(node(&two, nowhere), Node::Nowhere, "{nowhere}");
        }
        assert_eq!(canonical(&two, b"."), b"/");
    }

    #[test]
    fn one_feed_is_home() {
        let one = partner(&["orders"], &[("/", "orders")]);
        assert_eq!(canonical(&one, b"."), b"/orders");
        assert_eq!(canonical(&one, b"~/x"), b"/orders/x");
        assert_eq!(canonical(&one, b".."), b"/");
        assert_eq!(node(&one, "x.csv"), entry("orders", "x.csv"));
        assert_eq!(node(&one, "/x.csv"), entry("orders", "x.csv"), "`/` is an alias");
        assert_eq!(node(&one, "/orders/x.csv"), entry("orders", "x.csv"));
        assert_eq!(node(&one, "/"), Node::Root);
    }

    #[test]
    fn the_test_area_has_a_folder_for_each_feed() {
        let (one, two) = (partner(&["orders"], &[]), partner(&["orders", "stock"], &[]));
        assert_eq!(node(&two, "/test"), Node::Test);
        assert_eq!(node(&two, "/test/stock"), Node::Feed(shelf("stock", Area::Test)));
        assert_eq!(node(&two, "test/stock/a/x"), test_entry("stock", "a/x"));
        assert_eq!(node(&two, "/test/x"), Node::Nowhere, "which feed?");
        assert_eq!(node(&one, "/test/x"), test_entry("orders", "x"));
        assert_eq!(node(&one, "/test/orders/x"), test_entry("orders", "x"));
        assert_eq!(node(&one, "test/x"), entry("orders", "test/x"), "home is the feed");
        let receipt = Node::Receipt(shelf("stock", Area::Test), b"x.receipt.json".into());
        assert_eq!(node(&two, "/receipts/test/stock/x.receipt.json"), receipt);
        assert_eq!(node(&two, "/receipts/test"), Node::TestReceipts);
        assert_eq!(node(&two, "/receipts/test/other"), Node::Nowhere);
        let own = partner(&["orders", "test"], &[]);
        assert_eq!(node(&own, "/test/x"), entry("test", "x"), "a feed of that name comes first");
        assert!(has_tests(&two) && !has_tests(&own) && !has_tests(&partner(&[], &[])));
    }

    #[test]
    fn names_that_cannot_be_are_refused_with_a_reason() {
        let one = partner(&["orders"], &[]);
        let told = |path: Vec<u8>| resolve(&one, &path).expect_err("refused").text;
        assert!(told(b"/orders/a\0b".to_vec()).contains("NUL"));
        assert!(told([b"/orders/".to_vec(), vec![b'x'; 256]].concat()).contains("255"));
        assert!(
            told([b"/orders/".to_vec(), b"a/".repeat(17), b"f".to_vec()].concat())
                .contains("16 folders")
        );
        assert!(told(vec![b'x'; 2000]).contains("1,024"));
    }
}
