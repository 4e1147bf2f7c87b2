//! One folder that a session has open: a snapshot, handed out in pages.
//!
//! Receipts are rendered page by page, because a listing states their size.

use std::collections::{BTreeMap, BTreeSet};

use super::account::Account;
use super::refusal::Refused;
use super::view::{self, Node, README, RECEIPTS, TEST};
use super::wire::Attributes;
use super::wire::reply::Entry;
use super::{look, names, readme, receipts};
use crate::ledger::{Listed, Sender};
use crate::names::ArrivalId;
use crate::receive::staging::{Area, Shelf};

/// Entries of one answer to READDIR.
const PAGE_ENTRIES: usize = 100;
/// Bytes of names in one answer to READDIR; with the longest names a page is shorter.
const PAGE_NAME_BYTES: usize = 64 * 1024;

/// An open folder.
pub struct Listing {
    rows: std::vec::IntoIter<Row>,
}

enum Row {
    /// A folder, a file of the sender or a fixed text.
    Known(Vec<u8>, Attributes),
    /// The receipts of one landed file.
    Receipts(Sender, Vec<u8>, ArrivalId),
}

impl Listing {
    /// Opens a folder. Slow.
    ///
    /// # Errors
    /// A sentence.
    pub fn open(account: &Account, node: &Node) -> Result<Self, Refused> {
        let mut rows: Vec<Row> = vec![
            Row::Known(b".".to_vec(), look::folder()),
            Row::Known(b"..".to_vec(), look::folder()),
        ];
        match node {
            Node::Root => rows.extend(root(account)),
            Node::Receipts => {
                rows.extend(feeds(account));
                rows.extend(tests(account));
            }
            Node::TestReceipts => rows.extend(feeds(account)),
            Node::Test => {
                rows.extend(feeds(account));
                if let [only] = account.partner.feeds.as_slice() {
                    let shelf = view::shelf(&account.partner, only.clone(), Area::Test);
                    rows.extend(files(account, &shelf, b"")?);
                }
            }
            Node::Feed(shelf) => rows.extend(files(account, shelf, b"")?),
            Node::Receipt(shelf, below) => {
                let (folders, landed) = landed_below(account, shelf, below)?;
                if folders.is_empty() && landed.is_empty() && !below.is_empty() {
                    return Err(Refused::missing());
                }
                rows.extend(folders.into_iter().map(|name| Row::Known(name, look::folder())));
                rows.extend(
                    landed
                        .into_iter()
                        .map(|(name, listed)| Row::Receipts(shelf.sender(), name, listed.id)),
                );
            }
            Node::Entry(key) if names::is_folder(account, key)? => {
                rows.extend(files(account, &key.shelf, key.name.as_bytes())?);
            }
            Node::Entry(_) | Node::Readme | Node::Nowhere => return Err(Refused::missing()),
        }
        Ok(Self { rows: rows.into_iter() })
    }

    /// Whether the next page can be made without asking the ledger.
    pub fn is_quick(&self) -> bool {
        !self.rows.as_slice().iter().take(PAGE_ENTRIES).any(|row| matches!(row, Row::Receipts(..)))
    }

    /// The next page; empty at the end. Slow unless [`Self::is_quick`].
    pub fn page(&mut self, account: &Account) -> Vec<Entry> {
        let now = account.desk.clock.now();
        let (mut page, mut name_bytes) = (Vec::new(), 0);
        let mut push = |name: Vec<u8>, attributes| {
            name_bytes += 2 * name.len();
            page.push(look::entry(&account.partner, name, attributes, now));
            page.len() < PAGE_ENTRIES && name_bytes < PAGE_NAME_BYTES
        };
        for row in self.rows.by_ref() {
            let has_room = match row {
                Row::Known(name, attributes) => push(name, attributes),
                Row::Receipts(sender, name, id) => {
                    let texts = receipts::listed(account, &sender, &name, id);
                    texts.into_iter().fold(true, |_, (name, size_bytes, at)| {
                        push(name, look::text(size_bytes, at))
                    })
                }
            };
            if !has_room {
                break;
            }
        }
        page
    }
}

fn root(account: &Account) -> Vec<Row> {
    let readme = look::text(readme::text(account).len(), account.desk.clock.now());
    let mut rows = feeds(account);
    rows.push(Row::Known(RECEIPTS.to_vec(), look::folder()));
    rows.extend(tests(account));
    rows.push(Row::Known(README.to_vec(), readme));
    rows
}

/// The folder of tests, where there is one.
fn tests(account: &Account) -> Option<Row> {
    let row = || Row::Known(TEST.to_vec(), look::folder());
    view::has_tests(&account.partner).then(row)
}

fn feeds(account: &Account) -> Vec<Row> {
    let feeds = account.partner.feeds.iter();
    feeds.map(|feed| Row::Known(feed.as_str().as_bytes().to_vec(), look::folder())).collect()
}

/// What lies right below a folder of a feed: subfolders, landed files, uploads in progress.
fn files(account: &Account, shelf: &Shelf, folder: &[u8]) -> Result<Vec<Row>, Refused> {
    names::seed_folders(account, shelf)?;
    let mut known: BTreeMap<Vec<u8>, Attributes> = BTreeMap::new();
    for name in account.desk.staging.folders().below(shelf, folder) {
        known.insert(name, look::folder());
    }
    let (_, landed) = landed_below(account, shelf, folder)?;
    for sidecar in account.desk.intake.sidecars(&shelf.sender(), &shelf.feed)? {
        if sidecar.name.subfolder() == folder {
            known.insert(sidecar.name.base().to_vec(), look::sidecar(&sidecar));
        }
    }
    known.extend(landed.into_iter().map(|(name, listed)| (name, look::listed(&listed))));
    for upload in account.desk.staging.uploads_of(shelf) {
        if upload.key.name.subfolder() == folder && !upload.is_new {
            known.insert(upload.key.name.base().to_vec(), look::staged(&upload));
        }
    }
    Ok(known.into_iter().map(|(name, attributes)| Row::Known(name, attributes)).collect())
}

/// The subfolders and landed files right below a folder of a feed.
#[allow(clippy::type_complexity, reason = "the pair is taken apart at once")]
fn landed_below(
    account: &Account,
    shelf: &Shelf,
    folder: &[u8],
) -> Result<(BTreeSet<Vec<u8>>, Vec<(Vec<u8>, Listed)>), Refused> {
    let mut prefix = folder.to_vec();
    if !prefix.is_empty() {
        prefix.push(b'/');
    }
    let (mut folders, mut landed) = (BTreeSet::new(), Vec::new());
    for listed in account.desk.intake.listing(&shelf.sender(), &shelf.feed)? {
        let Some(rest) = listed.name.as_bytes().strip_prefix(prefix.as_slice()) else { continue };
        match rest.iter().position(|b| *b == b'/') {
            Some(end) => drop(folders.insert(rest.get(..end).unwrap_or_default().to_vec())),
            None => landed.push((rest.to_vec(), listed)),
        }
    }
    Ok((folders, landed))
}
