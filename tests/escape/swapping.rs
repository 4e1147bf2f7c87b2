//! Somebody who may write to a drop folder and swaps what lies there for links that lead out.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use crate::outside::CANARY;

pub struct Swapper {
    is_over: Arc<AtomicBool>,
    thread: JoinHandle<usize>,
}

impl Swapper {
    pub fn start(inbox: &Path, outside: &Path) -> Self {
        let is_over = Arc::new(AtomicBool::new(false));
        let (inbox, outside, over) = (inbox.to_owned(), outside.to_owned(), Arc::clone(&is_over));
        let thread = std::thread::spawn(move || {
            let mut swaps = 0;
            while !over.load(Ordering::SeqCst) {
                swap(&inbox, &outside, swaps);
                swaps += 1;
            }
            clear(&inbox.join("_done"));
            clear(&inbox.join("_rejected"));
            swaps
        });
        Self { is_over, thread }
    }

    /// How many times it swapped.
    pub fn stop(self) -> usize {
        self.is_over.store(true, Ordering::SeqCst);
        self.thread.join().expect("it went on to the end")
    }
}

/// One swap. The server moves things away meanwhile, so any step may fail.
fn swap(inbox: &Path, outside: &Path, count: usize) {
    let aside = inbox.join(".aside");
    let canary = outside.join(format!("{CANARY}.txt"));
    let (file, folder) = (inbox.join(format!("swap{}.csv", count % 7)), inbox.join("sub"));
    clear(&aside);
    match count % 4 {
        0 => {
            drop(fs::write(&aside, format!("id\n{count}\n")));
            drop(fs::rename(&aside, &file));
        }
        1 => {
            drop(symlink(canary, &aside));
            drop(fs::rename(&aside, &file));
        }
        2 => {
            clear(&folder);
            drop(fs::create_dir(&folder));
            drop(fs::write(folder.join(format!("{CANARY}.csv")), "id\n2\n"));
            drop(fs::rename(&folder, &aside));
            drop(symlink(outside.join("sub"), &folder));
        }
        _ => {
            // Where the server puts what it has taken.
            for own in ["_done", "_rejected"].map(|name| inbox.join(name)) {
                drop(fs::rename(&own, &aside));
                drop(symlink(outside, &own));
            }
            std::thread::yield_now();
            for own in ["_done", "_rejected"].map(|name| inbox.join(name)) {
                clear(&own);
            }
        }
    }
}

/// Removes a file, a link, or a folder and what is in it.
fn clear(path: &PathBuf) {
    if fs::remove_file(path).is_err() {
        drop(fs::remove_dir_all(path));
    }
}
