//! What a session has open.

use std::collections::HashMap;

use super::download::Download;
use super::listing::Listing;
use super::refusal::Refused;
use super::upload::OpenUpload;
use super::wire::Handle;

/// Files and folders one session may have open.
pub const HANDLES_MAX: usize = 256;

/// An open file or folder.
pub enum Open {
    /// A file being written.
    Upload(OpenUpload),
    /// A file being read.
    Download(Download),
    /// A folder being listed.
    Listing(Listing),
}

/// The open files and folders of one session, by number. A number is not soon used again, so that a
/// late request never meets another file.
#[derive(Default)]
pub struct Handles {
    open: HashMap<u32, Open>,
    next: u32,
}

impl Handles {
    /// Whether one more can be opened.
    ///
    /// # Errors
    /// A sentence that names the limit.
    pub fn check_room(&self) -> Result<(), Refused> {
        if self.open.len() < HANDLES_MAX {
            return Ok(());
        }
        Err(Refused::failure("256 files and folders are open in this session; close some first"))
    }

    /// Keeps an open file or folder; answers its number.
    pub fn insert(&mut self, open: Open) -> u32 {
        while self.open.contains_key(&self.next) {
            self.next = self.next.wrapping_add(1);
        }
        let number = self.next;
        self.next = self.next.wrapping_add(1);
        self.open.insert(number, open);
        number
    }

    /// What a handle stands for.
    ///
    /// # Errors
    /// It is not open.
    pub fn get(&self, handle: Handle) -> Result<&Open, Refused> {
        let found = handle.number().and_then(|number| self.open.get(&number));
        found.ok_or_else(Refused::bad_handle)
    }

    /// What a handle stands for, to change it.
    ///
    /// # Errors
    /// It is not open.
    pub fn get_mut(&mut self, handle: Handle) -> Result<&mut Open, Refused> {
        let found = handle.number().and_then(|number| self.open.get_mut(&number));
        found.ok_or_else(Refused::bad_handle)
    }

    /// Takes a handle out.
    ///
    /// # Errors
    /// It is not open.
    pub fn take(&mut self, handle: Handle) -> Result<Open, Refused> {
        let found = handle.number().and_then(|number| self.open.remove(&number));
        found.ok_or_else(Refused::bad_handle)
    }

    /// Takes everything out.
    pub fn drain(&mut self) -> impl Iterator<Item = Open> {
        std::mem::take(&mut self.open).into_values()
    }
}
