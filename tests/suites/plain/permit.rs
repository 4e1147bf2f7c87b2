//! What a client may ask for, as sftp-server(8) has it: `-R`, `-p` and `-P`.

use landfall::receive::sftp::wire::Request;

/// Allows everything unless told otherwise.
#[derive(Default)]
pub struct Permit {
    is_read_only: bool,
    /// If there are any, only these.
    allowed: Vec<String>,
    denied: Vec<String>,
}

impl Permit {
    /// Reads the command line.
    pub fn read(mut words: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut read = Self::default();
        while let Some(word) = words.next() {
            let letters = word.strip_prefix('-').ok_or(format!("{word}: not an option"))?;
            for letter in letters.chars() {
                let mut list = || -> Vec<String> {
                    let value = words.next().unwrap_or_default();
                    value.split(',').map(str::to_owned).collect()
                };
                match letter {
                    'e' => {}
                    'R' => read.is_read_only = true,
                    'l' | 'f' | 'u' => drop(list()),
                    'p' => read.allowed = list(),
                    'P' => read.denied = list(),
                    other => return Err(format!("-{other}: no such option")),
                }
            }
        }
        Ok(read)
    }

    /// Whether a request of this name is allowed.
    pub fn allows(&self, name: &str, changes: bool) -> bool {
        let is_named = |list: &[String]| list.iter().any(|listed| listed == name);
        let is_refused = (changes && self.is_read_only) || is_named(&self.denied);
        !is_refused && (self.allowed.is_empty() || is_named(&self.allowed))
    }

    /// Whether this request is allowed.
    pub fn allows_request(&self, request: &Request) -> bool {
        let (name, changes) = match request {
            Request::Open { flags, .. } => ("open", flags.write() || flags.append()),
            Request::Close { .. } => ("close", false),
            Request::Read { .. } => ("read", false),
            Request::Stat { .. } => ("stat", false),
            Request::Lstat { .. } => ("lstat", false),
            Request::Fstat { .. } => ("fstat", false),
            Request::Setstat { .. } => ("setstat", true),
            Request::Lsetstat { .. } => ("lsetstat", true),
            Request::Fsetstat { .. } => ("fsetstat", true),
            Request::Opendir { .. } => ("opendir", false),
            Request::Readdir { .. } => ("readdir", false),
            Request::Remove { .. } => ("remove", true),
            Request::Mkdir { .. } => ("mkdir", true),
            Request::Rmdir { .. } => ("rmdir", true),
            Request::Realpath { .. } => ("realpath", false),
            Request::Rename { .. } => ("rename", true),
            Request::PosixRename { .. } => ("posix-rename", true),
            Request::Readlink { .. } => ("readlink", false),
            Request::Symlink { .. } => ("symlink", true),
            Request::Hardlink { .. } => ("hardlink", true),
            Request::CopyData { .. } => ("copy-data", true),
            Request::Fsync { .. } => ("fsync", true),
            Request::Statvfs { .. } => ("statvfs", false),
            Request::Fstatvfs { .. } => ("fstatvfs", false),
            Request::Limits => ("limits", false),
            Request::HomeDirectory => ("home-directory", false),
            Request::UsersGroupsById { .. } => ("users-groups-by-id", false),
            Request::CheckFileName { .. } | Request::CheckFileHandle { .. } => {
                ("check-file", false)
            }
            Request::Unknown => return true,
        };
        self.allows(name, changes)
    }
}
