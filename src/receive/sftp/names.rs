//! Names in a partner's view: what they are, and what can be done to them but reading, writing and
//! renaming. All of it may ask the ledger and is slow.

use super::account::Account;
use super::refusal::Refused;
use super::view::{self, Node};
use super::wire::Attributes;
use super::{look, readme, receipts};
use crate::ledger::{Arrival, Sidecar};
use crate::names::FileName;
use crate::receive::staging::{Key, Shelf};

/// The landed file of a name, unless its sender removed it.
///
/// # Errors
/// When the ledger cannot be read.
pub fn landed(account: &Account, key: &Key) -> Result<Option<Arrival>, Refused> {
    let current = account.desk.intake.current(&key.shelf.sender(), &key.shelf.feed, &key.name)?;
    Ok(current.filter(|arrival| !arrival.hidden))
}

/// The sidecar of a name, unless its sender removed it.
///
/// # Errors
/// When the ledger cannot be read.
pub fn sidecar(account: &Account, key: &Key) -> Result<Option<Sidecar>, Refused> {
    let (intake, shelf) = (&account.desk.intake, &key.shelf);
    if intake.sidecar_name(&shelf.feed, &key.name).is_none() {
        return Ok(None);
    }
    let current = intake.sidecar(&shelf.sender(), &shelf.feed, &key.name)?;
    Ok(current.filter(|sidecar| !sidecar.hidden))
}

/// Whether a name is a virtual subfolder.
///
/// # Errors
/// When the ledger cannot be read.
pub fn is_folder(account: &Account, key: &Key) -> Result<bool, Refused> {
    seed_folders(account, &key.shelf)?;
    Ok(account.desk.staging.folders().has(&key.shelf, key.name.as_bytes()))
}

/// Makes sure that the folders of landed names are known.
///
/// # Errors
/// When the ledger cannot be read.
pub fn seed_folders(account: &Account, shelf: &Shelf) -> Result<(), Refused> {
    let folders = account.desk.staging.folders();
    if folders.wants_seed(shelf) {
        let listed = account.desk.intake.listing(&shelf.sender(), &shelf.feed)?;
        let sidecars = account.desk.intake.sidecars(&shelf.sender(), &shelf.feed)?;
        let subfolders = listed
            .iter()
            .map(|listed| listed.name.subfolder())
            .chain(sidecars.iter().map(|sidecar| sidecar.name.subfolder()));
        folders.seed(shelf, subfolders.filter(|folder| !folder.is_empty()));
    }
    Ok(())
}

/// Whether everything about a node is in memory, one row of the ledger or one small file away.
pub fn is_at_hand(account: &Account, node: &Node) -> bool {
    let staging = &account.desk.staging;
    match node {
        Node::Root
        | Node::Readme
        | Node::Receipts
        | Node::TestReceipts
        | Node::Test
        | Node::Feed(_)
        | Node::Nowhere => true,
        Node::Receipt(..) => false,
        Node::Entry(key) => {
            !staging.folders().wants_seed(&key.shelf)
                && staging.find(key).is_none_or(|upload| upload.is_small())
        }
    }
}

/// How a name looks.
///
/// # Errors
/// There is nothing of that name, or the ledger cannot be read.
pub fn stat(account: &Account, node: &Node) -> Result<Attributes, Refused> {
    match node {
        Node::Root | Node::Receipts | Node::TestReceipts | Node::Test | Node::Feed(_) => {
            Ok(look::folder())
        }
        Node::Nowhere => Err(Refused::missing()),
        Node::Readme => Ok(look::text(readme::text(account).len(), account.desk.clock.now())),
        Node::Receipt(shelf, path) => {
            let name = FileName::new(path.as_slice());
            let is_folder = match &name {
                Ok(name) => is_folder(account, &Key { shelf: shelf.clone(), name: name.clone() })?,
                Err(_) => path.is_empty(),
            };
            if is_folder {
                return Ok(look::folder());
            }
            let (text, at) = receipts::render(account, shelf, path)?;
            let attributes = look::text(text.len(), at);
            account.stated.keep(node.clone(), (text, at));
            Ok(attributes)
        }
        Node::Entry(key) => {
            let upload = account.desk.staging.find(key).and_then(|upload| upload.snapshot());
            if let Some(known) = upload.filter(|known| !known.is_new) {
                return Ok(look::staged(&known));
            }
            if let Some(sidecar) = sidecar(account, key)? {
                return Ok(look::sidecar(&sidecar));
            }
            if let Some(arrival) = landed(account, key)? {
                return Ok(look::landed(&arrival));
            }
            if is_folder(account, key)? { Ok(look::folder()) } else { Err(Refused::missing()) }
        }
    }
}

/// Keeps times and permissions. The size of a landed file cannot change.
///
/// # Errors
/// A sentence.
pub fn set(account: &Account, node: &Node, attributes: &Attributes) -> Result<(), Refused> {
    let key = match node {
        Node::Entry(key) => key,
        // Clients set times and permissions of folders after a recursive upload.
        Node::Root | Node::Receipts | Node::TestReceipts | Node::Test | Node::Feed(_) => {
            return Ok(());
        }
        Node::Readme | Node::Receipt(..) => return Err(not_yours_to_change()),
        Node::Nowhere => return Err(Refused::missing()),
    };
    let modified_s = attributes.times_s.map(|(_, modified)| modified);
    let mode = attributes.mode.map(|mode| mode & 0o7777);
    if let Some(upload) = account.desk.staging.find(key)
        && let Some(known) = upload.snapshot().filter(|known| !known.is_new)
    {
        if attributes.size_bytes.is_some_and(|size| size != known.size_bytes) {
            return Err(Refused::failure(
                "the size of an upload can only be set through its handle; open it to write",
            ));
        }
        upload.touch(modified_s, mode);
        return Ok(());
    }
    if let Some(sidecar) = sidecar(account, key)? {
        // Its times say nothing; clients that set them are not to fail.
        return match attributes.size_bytes.filter(|size| *size != sidecar.size_bytes) {
            Some(_) => Err(has_landed(&key.name)),
            None => Ok(()),
        };
    }
    let Some(arrival) = landed(account, key)? else {
        return if is_folder(account, key)? { Ok(()) } else { Err(Refused::missing()) };
    };
    if attributes.size_bytes.is_some_and(|size| size != arrival.size_bytes) {
        return Err(has_landed(&key.name));
    }
    if modified_s.is_some() || mode.is_some() {
        account.desk.intake.touch(arrival.id, modified_s, mode)?;
    }
    Ok(())
}

/// Takes a name out of the listing: an upload in progress is given up, a landed file is hidden.
///
/// # Errors
/// A sentence.
pub fn remove(account: &Account, node: &Node) -> Result<(), Refused> {
    let key = match node {
        Node::Entry(key) => key,
        Node::Root | Node::Receipts | Node::TestReceipts | Node::Test | Node::Feed(_) => {
            return Err(Refused::denied("the folders of feeds cannot be removed"));
        }
        Node::Receipt(feed, path) => return receipts::hide(account, feed, path),
        Node::Readme => return Err(not_yours_to_change()),
        Node::Nowhere => return Err(Refused::missing()),
    };
    let staging = &account.desk.staging;
    let upload = staging.find(key).filter(|u| u.snapshot().is_some_and(|known| !known.is_new));
    if let Some(upload) = &upload {
        let _turn = upload.turn();
        staging.end(upload);
    }
    if let Some(sidecar) = sidecar(account, key)? {
        return Ok(account.desk.intake.hide_sidecar(&sidecar)?);
    }
    match landed(account, key)? {
        Some(arrival) => Ok(account.desk.intake.hide(arrival.id)?),
        None if upload.is_some() => Ok(()),
        None if is_folder(account, key)? => {
            Err(Refused::failure(format!("{} is a folder; remove it with rmdir", key.name)))
        }
        None => Err(Refused::missing()),
    }
}

/// Makes a virtual subfolder.
///
/// # Errors
/// A sentence: it exists, or it is not below a feed.
pub fn make_folder(account: &Account, node: &Node) -> Result<(), Refused> {
    let key = match node {
        Node::Entry(key) => key,
        Node::Root | Node::Receipts | Node::TestReceipts | Node::Test | Node::Feed(_) => {
            return Err(Refused::exists("this folder"));
        }
        Node::Readme | Node::Receipt(..) => return Err(not_yours_to_change()),
        Node::Nowhere => return Err(view::only_in_feeds(&account.partner)),
    };
    if FileName::new([key.name.as_bytes(), b"/x"].concat()).is_err() {
        return Err(Refused::failure("folders can be at most 16 deep"));
    }
    match stat(account, node) {
        Ok(_) => return Err(Refused::exists(&key.name)),
        Err(refused) if refused == Refused::missing() => {}
        Err(refused) => return Err(refused),
    }
    if account.desk.staging.folders().add(&key.shelf, key.name.as_bytes()) {
        Ok(())
    } else {
        Err(Refused::failure("there are too many folders; remove some, or use fewer"))
    }
}

/// Removes an empty virtual subfolder.
///
/// # Errors
/// A sentence.
pub fn remove_folder(account: &Account, node: &Node) -> Result<(), Refused> {
    let key = match node {
        Node::Entry(key) => key,
        Node::Root
        | Node::Receipts
        | Node::TestReceipts
        | Node::Test
        | Node::Feed(_)
        | Node::Receipt(..) => {
            return Err(Refused::denied("the folders of feeds cannot be removed"));
        }
        Node::Readme | Node::Nowhere => return Err(Refused::missing()),
    };
    if !is_folder(account, key)? {
        return Err(Refused::missing());
    }
    let prefix = [key.name.as_bytes(), b"/"].concat();
    let listed = account.desk.intake.listing(&key.shelf.sender(), &key.shelf.feed)?;
    let staged = account.desk.staging.uploads_of(&key.shelf);
    let sidecars = account.desk.intake.sidecars(&key.shelf.sender(), &key.shelf.feed)?;
    let folders = account.desk.staging.folders();
    let is_used = sidecars.iter().any(|s| s.name.as_bytes().starts_with(&prefix))
        || listed.iter().any(|l| l.name.as_bytes().starts_with(&prefix))
        || staged.iter().any(|s| s.key.name.as_bytes().starts_with(&prefix))
        || !folders.below(&key.shelf, key.name.as_bytes()).is_empty();
    if is_used {
        return Err(Refused::failure(format!("{} is not empty", key.name)));
    }
    folders.remove(&key.shelf, key.name.as_bytes());
    Ok(())
}

/// The refusal of READ for an account that may not read its files back.
pub fn no_read_back() -> Refused {
    Refused::denied(
        "this account may not read its files back, or not any more; their receipts are in \
         /receipts. Ask the people who run this server to allow it (read_back)",
    )
}

fn has_landed(name: &FileName) -> Refused {
    Refused::denied(format!(
        "{name} has landed and its bytes cannot change; send the new version under the same name"
    ))
}

fn not_yours_to_change() -> Refused {
    Refused::denied("this file is written by the server and cannot be changed")
}
