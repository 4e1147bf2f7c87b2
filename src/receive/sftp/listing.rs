//! One folder that a session has open: a snapshot, handed out in pages.
//!
//! Receipts are rendered page by page, because a listing states their size.

use std::collections::{BTreeMap, BTreeSet};

use super::account::Account;
use super::refusal::Refused;
use super::view::{Node, README, RECEIPTS};
use super::wire::Attributes;
use super::wire::reply::Entry;
use super::{look, names, readme, receipts};
use crate::ledger::Listed;
use crate::names::{ArrivalId, FeedName};

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
    Receipts(Vec<u8>, ArrivalId),
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
            Node::Receipts => rows.extend(feeds(account)),
            Node::Feed(feed) => rows.extend(files(account, feed, b"")?),
            Node::Receipt(feed, below) => {
                let (folders, landed) = landed_below(account, feed, below)?;
                if folders.is_empty() && landed.is_empty() && !below.is_empty() {
                    return Err(Refused::missing());
                }
                rows.extend(folders.into_iter().map(|name| Row::Known(name, look::folder())));
                rows.extend(
                    landed.into_iter().map(|(name, listed)| Row::Receipts(name, listed.id)),
                );
            }
            Node::Entry(key) if names::is_folder(account, key)? => {
                rows.extend(files(account, &key.feed, key.name.as_bytes())?);
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
                Row::Receipts(name, id) => {
                    let texts = receipts::listed(account, &name, id);
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
    rows.push(Row::Known(README.to_vec(), readme));
    rows
}

fn feeds(account: &Account) -> Vec<Row> {
    let feeds = account.partner.feeds.iter();
    feeds.map(|feed| Row::Known(feed.as_str().as_bytes().to_vec(), look::folder())).collect()
}

/// What lies right below a folder of a feed: subfolders, landed files, uploads in progress.
fn files(account: &Account, feed: &FeedName, folder: &[u8]) -> Result<Vec<Row>, Refused> {
    names::seed_folders(account, feed)?;
    let partner = &account.partner.name;
    let mut known: BTreeMap<Vec<u8>, Attributes> = BTreeMap::new();
    for name in account.desk.staging.folders().below(partner, feed, folder) {
        known.insert(name, look::folder());
    }
    let (_, landed) = landed_below(account, feed, folder)?;
    known.extend(landed.into_iter().map(|(name, listed)| (name, look::listed(&listed))));
    for upload in account.desk.staging.uploads_of(partner, feed) {
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
    feed: &FeedName,
    folder: &[u8],
) -> Result<(BTreeSet<Vec<u8>>, Vec<(Vec<u8>, Listed)>), Refused> {
    let mut prefix = folder.to_vec();
    if !prefix.is_empty() {
        prefix.push(b'/');
    }
    let (mut folders, mut landed) = (BTreeSet::new(), Vec::new());
    for listed in account.desk.intake.listing(&account.sender, feed)? {
        let Some(rest) = listed.name.as_bytes().strip_prefix(prefix.as_slice()) else { continue };
        match rest.iter().position(|b| *b == b'/') {
            Some(end) => drop(folders.insert(rest.get(..end).unwrap_or_default().to_vec())),
            None => landed.push((rest.to_vec(), listed)),
        }
    }
    Ok((folders, landed))
}
