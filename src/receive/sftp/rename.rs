//! RENAME: for an upload that was closed and waits for it, it is the commit, for a landed file a change of
//! name, for anything else a refusal.

use std::sync::Arc;

use super::account::Account;
use super::names;
use super::refusal::Refused;
use super::settle::settle;
use super::view::{self, Node};
use crate::receive::staging::{Key, Snapshot, Upload};
use crate::receive::{Completion, Existing};

/// Renames. Slow.
///
/// # Errors
/// A sentence.
pub fn rename(
    account: &Account,
    from: &Node,
    to: &Node,
    existing: Existing,
) -> Result<(), Refused> {
    let Node::Entry(from) = from else {
        return Err(match from {
            Node::Nowhere => Refused::missing(),
            Node::Root
            | Node::Readme
            | Node::Receipts
            | Node::TestReceipts
            | Node::Receipt(..)
            | Node::Test
            | Node::Feed(_)
            | Node::Entry(_) => {
                Refused::denied("only files in the folders of feeds can be renamed")
            }
        });
    };
    let Node::Entry(to) = to else { return Err(view::only_in_feeds(&account.partner)) };
    if from == to {
        return Ok(());
    }
    if names::is_folder(account, to)? {
        return Err(Refused::exists(&to.name));
    }
    if let Some(upload) = account.desk.staging.find(from) {
        let _turn = upload.turn();
        if let Some(known) = upload.snapshot().filter(|known| !known.is_new) {
            return rename_upload(account, (&upload, &known), to, existing);
        }
    }
    rename_landed(account, from, to, existing)
}

fn rename_upload(
    account: &Account,
    (upload, known): (&Arc<Upload>, &Snapshot),
    to: &Key,
    existing: Existing,
) -> Result<(), Refused> {
    let is_commit = !to.name.is_temporary();
    if is_commit && (known.facts.closed_at.is_none() || known.is_open) {
        return Err(Refused::failure(format!(
            "the upload of {} was never closed, so it may be incomplete; resume it or send it \
             again before renaming it",
            known.key.name
        )));
    }
    let is_taken = || -> Result<bool, Refused> {
        Ok(names::landed(account, to)?.is_some() || names::sidecar(account, to)?.is_some())
    };
    if existing == Existing::Refuse && is_taken()? {
        return Err(Refused::exists(&to.name));
    }
    if is_commit {
        account.left_today(to, known.size_bytes)?;
    }
    make_way(account, to)?;
    if !is_commit {
        return Ok(account.desk.staging.rename(upload, to.clone())?);
    }
    // Until it is settled it goes on waiting under its temporary name.
    let renamed = Snapshot { key: to.clone(), ..known.clone() };
    settle(&account.desk, upload, &renamed, Completion::Final, Some(account.origin.clone()))
}

fn rename_landed(
    account: &Account,
    from: &Key,
    to: &Key,
    existing: Existing,
) -> Result<(), Refused> {
    let intake = &account.desk.intake;
    if names::sidecar(account, from)?.is_some() {
        return Err(Refused::denied(format!(
            "{} is recorded with its file and cannot be renamed; send it under the other name",
            from.name
        )));
    }
    let Some(arrival) = names::landed(account, from)? else {
        return Err(if names::is_folder(account, from)? {
            Refused::denied("folders cannot be renamed; make a new one and rename the files in it")
        } else {
            Refused::missing()
        });
    };
    if from.shelf != to.shelf {
        return Err(Refused::denied(format!(
            "{} has landed in {} and cannot move to {}; send it there",
            from.name,
            view::folder(&from.shelf),
            view::folder(&to.shelf)
        )));
    }
    if intake.sidecar_name(&to.shelf.feed, &to.name).is_some() {
        return Err(Refused::denied(format!(
            "{} has landed as a file and cannot become a sidecar; send it as {}",
            from.name, to.name
        )));
    }
    make_way(account, to)?;
    intake.rename(arrival.id, &to.name, existing)?;
    account.desk.staging.folders().add(&to.shelf, to.name.subfolder());
    Ok(())
}

/// An upload in progress under the new name is not overwritten.
fn make_way(account: &Account, to: &Key) -> Result<(), Refused> {
    let upload = account.desk.staging.find(to).and_then(|upload| upload.snapshot());
    match upload.filter(|known| !known.is_new) {
        Some(_) => Err(Refused::failure(format!(
            "an upload of {} is in progress; finish or remove it first",
            to.name
        ))),
        None => Ok(()),
    }
}
