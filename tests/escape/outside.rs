//! A folder of canaries that nobody may touch, watched by the kernel.

use std::fs;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use rustix::fs::inotify::{self, CreateFlags, WatchFlags};

/// What the paths go for: a file's name without its ending.
pub const CANARY: &str = "canary-7f3a91";
/// What is in no path and no file but the canaries': the name of a third one, and all their bytes.
pub const SECRETS: [&str; 2] = ["unnamed-9c2e44", "secret-51d0e8"];
/// Bytes of a canary: no other file of the test has so many.
pub const SIZE: u64 = 7919;

pub struct Outside {
    folder: tempfile::TempDir,
    watch: OwnedFd,
}

/// Fails if bytes that came back have anything of the canaries.
pub fn inspect(asked: &[u8], told: &[u8]) {
    for secret in SECRETS {
        let is_told = told.windows(secret.len()).any(|part| part == secret.as_bytes());
        assert!(!is_told, "{}: {}", asked.escape_ascii(), told.escape_ascii());
    }
}

impl Outside {
    pub fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let watch = inotify::init(CreateFlags::NONBLOCK).expect("watching");
        let outside = Self { folder, watch };
        fs::create_dir(outside.path().join("sub")).expect("made");
        for file in outside.files() {
            fs::write(file, outside.bytes()).expect("written");
        }
        for folder in [outside.path().to_owned(), outside.path().join("sub")] {
            inotify::add_watch(&outside.watch, folder, WatchFlags::ALL_EVENTS).expect("watched");
        }
        outside
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    fn files(&self) -> [PathBuf; 4] {
        let [unnamed, _] = SECRETS;
        [
            format!("{CANARY}.txt"),
            format!("sub/{CANARY}.csv"),
            unnamed.into(),
            format!("sub/{unnamed}"),
        ]
        .map(|file| self.path().join(file))
    }

    pub fn bytes(&self) -> Vec<u8> {
        let bytes = SECRETS[1].as_bytes().iter().copied().cycle();
        bytes.take(usize::try_from(SIZE).expect("small")).collect()
    }

    /// Fails if anything was opened, read, changed, made or removed; and if that could not be seen.
    pub fn is_untouched(&self) {
        assert_eq!(self.touches(), Vec::<String>::new());
        for file in self.files() {
            assert_eq!(fs::read(file).expect("there"), self.bytes());
        }
        assert_eq!(fs::read_dir(self.path()).expect("listed").count(), 3);
        assert!(self.touches().len() > 4, "the watch sees what happens");
    }

    fn touches(&self) -> Vec<String> {
        let mut buffer = [MaybeUninit::uninit(); 4096];
        let mut reader = inotify::Reader::new(&self.watch, &mut buffer);
        let mut touches = Vec::new();
        while let Ok(event) = reader.next() {
            touches.push(format!("{:?} {:?}", event.events(), event.file_name()));
        }
        touches
    }
}
