//! The truth about a drop folder: what lies in it now.
//!
//! A walk tells of every file that may be taken, of what is odd and of each folder before it is
//! read, so that a watch on it can be in place first. It leaves out what is ours, what programs put
//! beside files, and what a name says is not complete.

use std::fs::{self, DirEntry, FileType, Metadata};
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::FileTypeExt as _;
use std::path::Path;

use super::beneath::{Inside, Stamp};
use crate::names::{FileName, NAME_PARTS_MAX};

/// Where taken files go.
pub const DONE: &str = "_done";
/// Where held files go.
pub const REJECTED: &str = "_rejected";
/// The note to people in a drop folder.
pub const NOTE: &str = "READ ME.txt";
/// What a result text adds to its file's name.
pub const RESULT: &str = ".result.txt";

/// Something a walk came across.
#[derive(Debug)]
pub enum Seen<'a> {
    /// A folder, before it is read: the drop folder itself or one below.
    Folder(&'a Path, &'a Metadata),
    /// A regular file.
    File(FileName, Stamp),
    /// Something that is left alone, what it is, and why it cannot be read if it cannot.
    Odd(FileName, Option<Stamp>, Oddity),
}

/// Why an entry is left alone.
#[derive(Debug)]
pub enum Oddity {
    /// It is not a regular file but this.
    NotAFile(&'static str),
    /// It is a folder that lies too deep.
    TooDeep,
    /// It cannot be looked at.
    Unreadable(io::Error),
}

/// Walks the whole drop folder. Whether everything could be read; the drop folder itself must be.
///
/// # Errors
/// What the system said of the drop folder itself.
pub fn walk(root: &Path, tell: &mut dyn FnMut(Seen<'_>)) -> io::Result<bool> {
    let mut complete = true;
    let mut folders: Vec<Vec<u8>> = vec![Vec::new()];
    while let Some(folder) = folders.pop() {
        let read = look_and_read(root, &folder, tell);
        let entries = match read {
            Ok(entries) => entries,
            Err(error) if folder.is_empty() => return Err(error),
            Err(error) => {
                complete = false;
                odd(&folder, None, Oddity::Unreadable(error), tell);
                continue;
            }
        };
        for entry in entries {
            match entry {
                Ok(entry) => one(&folder, &entry, &mut folders, tell),
                Err(error) if folder.is_empty() => return Err(error),
                Err(_) => complete = false,
            }
        }
    }
    Ok(complete)
}

/// Reads the very folder that was looked at: what was a folder a moment ago may be a link by now.
fn look_and_read(
    root: &Path,
    folder: &[u8],
    tell: &mut dyn FnMut(Seen<'_>),
) -> io::Result<fs::ReadDir> {
    let inside = Inside::open(root, folder)?;
    let seen = fs::metadata(inside.path(b"."))?;
    tell(Seen::Folder(&root.join(std::ffi::OsStr::from_bytes(folder)), &seen));
    fs::read_dir(inside.path(b"."))
}

fn one(
    folder: &[u8],
    entry: &DirEntry,
    folders: &mut Vec<Vec<u8>>,
    tell: &mut dyn FnMut(Seen<'_>),
) {
    let base = entry.file_name();
    let at_root = folder.is_empty();
    if is_ours(base.as_bytes(), at_root) || is_clutter(base.as_bytes()) {
        return;
    }
    let name = if at_root { base.as_bytes().to_vec() } else { join(folder, base.as_bytes()) };
    let seen = match entry.metadata() {
        Ok(seen) => seen,
        // Gone between listing and look.
        Err(error) if error.kind() == io::ErrorKind::NotFound => return,
        Err(error) => return odd(&name, None, Oddity::Unreadable(error), tell),
    };
    let kind = seen.file_type();
    if kind.is_dir() {
        match name.iter().filter(|b| **b == b'/').count() + 1 {
            parts if parts < NAME_PARTS_MAX => folders.push(name),
            _ => odd(&name, Some(Stamp::of(&seen)), Oddity::TooDeep, tell),
        }
    } else if let Ok(name) = FileName::new(name) {
        let stamp = Stamp::of(&seen);
        match kind.is_file() {
            true if name.is_temporary() => {}
            true => tell(Seen::File(name, stamp)),
            false => tell(Seen::Odd(name, Some(stamp), Oddity::NotAFile(in_words(kind)))),
        }
    }
}

fn odd(name: &[u8], stamp: Option<Stamp>, why: Oddity, tell: &mut dyn FnMut(Seen<'_>)) {
    // Depth is bounded above and the system bounds the rest, so that every name is one.
    if let Ok(name) = FileName::new(name) {
        tell(Seen::Odd(name, stamp, why));
    }
}

fn join(folder: &[u8], base: &[u8]) -> Vec<u8> {
    [folder, b"/", base].concat()
}

fn in_words(kind: FileType) -> &'static str {
    if kind.is_symlink() {
        "a link"
    } else if kind.is_fifo() {
        "a pipe"
    } else if kind.is_socket() {
        "a socket"
    } else {
        "a device"
    }
}

/// What landfall itself puts into a drop folder.
fn is_ours(base: &[u8], at_root: bool) -> bool {
    let placed = [DONE, REJECTED, NOTE].iter().any(|ours| base == ours.as_bytes());
    (at_root && placed) || base.ends_with(RESULT.as_bytes())
}

/// What programs and file systems put beside files, and folders that are hidden.
fn is_clutter(base: &[u8]) -> bool {
    let known: [&[u8]; 6] = [
        b"Thumbs.db",
        b"desktop.ini",
        b"$RECYCLE.BIN",
        b"System Volume Information",
        b"lost+found",
        b"@eaDir",
    ];
    base.starts_with(b".")
        || base.starts_with(b"~$")
        || known.iter().any(|clutter| base.eq_ignore_ascii_case(clutter))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn seen(root: &Path) -> Vec<String> {
        let mut all = Vec::new();
        walk(root, &mut |seen| match seen {
            Seen::Folder(..) => {}
            Seen::File(name, _) => all.push(name.to_string()),
            Seen::Odd(name, _, why) => all.push(format!("{name}: {why:?}")),
        })
        .expect("walked");
        all.sort();
        all
    }

    #[test]
    fn only_files_to_take_are_told() {
        let root = tempfile::tempdir().expect("a folder");
        let path = |name: &str| root.path().join(name);
        for folder in ["_done", "sub/_done", ".hidden", "lost+found"] {
            fs::create_dir_all(path(folder)).expect("made");
            fs::write(path(folder).join("inside.csv"), "").expect("written");
        }
        for file in [
            "a.csv",
            "READ ME.txt",
            "a.csv.part",
            "~$a.xlsx",
            ".b",
            "c~",
            "thumbs.DB",
            "x.result.txt",
            "sub/READ ME.txt",
        ] {
            fs::write(path(file), "").expect("written");
        }
        std::os::unix::fs::symlink("a.csv", path("link.csv")).expect("linked");
        assert_eq!(
            seen(root.path()),
            ["a.csv", "link.csv: NotAFile(\"a link\")", "sub/READ ME.txt", "sub/_done/inside.csv"]
        );
    }

    #[test]
    fn what_lies_too_deep_is_named() {
        let root = tempfile::tempdir().expect("a folder");
        let deepest = root.path().join("d/".repeat(16));
        fs::create_dir_all(deepest.join("over")).expect("made");
        fs::write(deepest.join("a.csv"), "").expect("written");
        fs::write(deepest.join("over/b.csv"), "").expect("written");
        let prefix = "d/".repeat(16);
        assert_eq!(seen(root.path()), [format!("{prefix}a.csv"), format!("{prefix}over: TooDeep")]);
    }

    #[test]
    fn a_folder_that_becomes_a_link_is_not_followed() {
        let root = tempfile::tempdir().expect("a folder");
        let outside = tempfile::tempdir().expect("another");
        fs::write(outside.path().join("secret.csv"), "").expect("written");
        let sub = root.path().join("sub");
        fs::create_dir(&sub).expect("made");
        fs::write(sub.join("own.csv"), "").expect("written");
        let (mut all, mut folders) = (Vec::new(), 0);
        let walked = walk(root.path(), &mut |seen| match seen {
            // Swapped between the look at it and its reading.
            Seen::Folder(path, _) if path == sub => {
                fs::remove_file(sub.join("own.csv")).expect("removed");
                fs::remove_dir(&sub).expect("removed");
                std::os::unix::fs::symlink(outside.path(), &sub).expect("linked");
                folders += 1;
            }
            Seen::Folder(..) => folders += 1,
            Seen::File(name, _) | Seen::Odd(name, ..) => all.push(name.to_string()),
        });
        walked.expect("walked");
        assert_eq!((folders, all), (2, Vec::new()));
        // The same when it is a link before it is looked at.
        assert_eq!(seen(root.path()), ["sub: NotAFile(\"a link\")"]);
    }

    #[test]
    fn a_missing_folder_is_an_error_not_an_empty_one() {
        let root = tempfile::tempdir().expect("a folder");
        assert!(walk(&root.path().join("gone"), &mut |_| {}).is_err());
    }
}
