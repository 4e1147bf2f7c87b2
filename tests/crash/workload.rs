//! What senders do while the server suffers.
//!
//! Every file's bytes are unlike any other's, so that a digest says which attempt an arrival came
//! from. A workload never stops at a failure: it notes what it was told and goes on, as long as
//! there is a server.

use std::fs;
use std::path::Path;

use super::client::Client;
use super::promises::{Promises, Told};
use super::site::{Site, USER};

/// Stands in the file that is erased, in a record that is left out of its Parquet, so that it is quoted.
pub const SECRET: &str = "Jane-Roe-4711";

/// What is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Workload {
    /// Three files: small, long, not a table.
    Upload,
    /// A file of which the first half comes in one session and the rest in the next.
    Resume,
    /// The same name twice with other bytes, then continued once more.
    Overwrite,
    /// Sent as `.part`, then renamed; a landed file renamed, another removed, one with a sidecar.
    Rename,
    /// Files dropped into the folder, whole.
    Drop,
    /// Two files, of which one is erased once it is handed off.
    Erase,
}

impl Workload {
    /// Does it against the server on this port; what was promised is added to the book.
    pub fn run(self, site: &Site, port: u16, book: &mut Promises) {
        if self == Self::Drop {
            return drop_files(site, book);
        }
        let login = || Client::login(port, &site.key());
        let Some(mut client) = login() else { return };
        match self {
            Self::Upload => upload(&mut client, book),
            Self::Resume => {
                let bytes = table("resumed", 6_000);
                client.put_unclosed("resumed.csv", &bytes[..bytes.len() / 2]);
                drop(client);
                if let Some(mut client) = login() {
                    let told = client.resume("resumed.csv", &bytes);
                    book.sent("resumed.csv", &bytes, told);
                }
            }
            Self::Overwrite => overwrite(&mut client, book),
            Self::Rename => rename(&mut client, book),
            Self::Erase => {
                put(&mut client, "kept.csv", &table("kept", 5), book);
                let bytes = [table("erased", 300), format!("x,{SECRET},1,2\n").into()].concat();
                put(&mut client, "erased.csv", &bytes, book);
                drop(client);
                if site.is_handed_off("erased.csv", || login().is_some()) {
                    book.erased("erased.csv", site.erase("erased.csv"));
                }
            }
            Self::Drop => {}
        }
    }
}

/// One more file, which must be taken whatever was before.
pub fn one_more(site: &Site, port: u16, name: &str, book: &mut Promises) -> Told {
    let bytes = table(name, 3);
    let told = Client::login(port, &site.key()).map(|mut client| client.put(name, &bytes));
    book.sent(name, &bytes, told.unwrap_or(Told::Nothing))
}

/// A table whose every row names the file.
pub fn table(name: &str, rows: usize) -> Vec<u8> {
    let rows: String = (0..rows).map(|row| format!("{name},{row},text of {row}\n")).collect();
    format!("file,row,text\n{rows}").into_bytes()
}

fn put(client: &mut Client, name: &str, bytes: &[u8], book: &mut Promises) {
    let told = client.put(name, bytes);
    book.sent(name, bytes, told);
}

fn upload(client: &mut Client, book: &mut Promises) {
    put(client, "small.csv", &table("small", 10), book);
    put(client, "long.csv", &table("long", 8_000), book);
    put(client, "noise.bin", b"\x00\xff\xfenot a table\x80\x00", book);
}

fn overwrite(client: &mut Client, book: &mut Promises) {
    put(client, "same.csv", &table("first", 10), book);
    put(client, "same.csv", &table("second", 20), book);
    if book.sent.last().is_none_or(|second| second.told != Told::Done) {
        // What there is to continue is not known.
        return;
    }
    let mut longer = table("second", 20);
    longer.extend_from_slice(b"second,20,one more\n");
    let told = client.resume("same.csv", &longer);
    book.sent("same.csv", &longer, told);
}

fn rename(client: &mut Client, book: &mut Promises) {
    let bytes = table("parted", 30);
    let parked = client.put("parted.csv.part", &bytes);
    let told = client.rename("parted.csv.part", "parted.csv");
    if parked == Told::Done || told == Told::Done {
        // Its rename is the commit; without it nothing is promised yet.
        book.sent("parted.csv", &bytes, told);
    }
    put(client, "before.csv", &table("renamed", 5), book);
    let told = client.rename("before.csv", "after.csv");
    book.renamed("before.csv", "after.csv", told);
    put(client, "away.csv", &table("away", 5), book);
    let told = client.remove("away.csv");
    book.removed("away.csv", told);
    let bytes = table("checked", 5);
    put(client, "checked.csv", &bytes, book);
    let sum = format!("{}  checked.csv\n", landfall::archive::digest::of_bytes(&bytes));
    let told = client.put("checked.csv.sha256", sum.as_bytes());
    book.sidecar("checked.csv.sha256", told);
}

/// As a careful program does: written under a temporary name, then renamed. What lies there whole
/// must be taken, which is what [`Told::Done`] stands for here.
fn drop_files(site: &Site, book: &mut Promises) {
    for (name, rows) in [("dropped.csv", 10), ("deep/below.csv", 4_000)] {
        let bytes = table(name, rows);
        drop_file(&site.path().join("drop"), name, &bytes);
        book.sent(name, &bytes, Told::Done);
    }
}

fn drop_file(folder: &Path, name: &str, bytes: &[u8]) {
    let last = folder.join(name);
    let parent = last.parent().expect("a folder");
    fs::create_dir_all(parent).expect("made");
    let temporary = parent.join(".dropping.tmp");
    fs::write(&temporary, bytes).expect("written");
    for path in [parent, &temporary] {
        std::os::unix::fs::chown(path, Some(USER), Some(USER)).expect("given away");
    }
    fs::rename(&temporary, &last).expect("renamed");
}
