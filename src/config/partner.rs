//! A partner's account: `partners/<name>.toml`.
//!
//! Read at every login, so that what an operator writes is live at once.

use std::collections::BTreeMap;

use crate::names::{FeedName, PartnerName};

/// An outside account that may log in over SFTP.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Partner {
    /// Its name, which is the SSH user name and the file's name.
    pub name: PartnerName,
    /// `disabled`, default false.
    pub disabled: bool,
    /// `contact`: whom to ask.
    pub contact: Option<String>,
    /// `keys`: OpenSSH public-key lines.
    pub keys: Vec<String>,
    /// `password`: an argon2id hash in PHC form. Never the password.
    pub password: Option<String>,
    /// `feeds`: what it may send to.
    pub feeds: Vec<FeedName>,
    /// `aliases = { "/outgoing" = "orders" }`: paths that mean a feed.
    pub aliases: BTreeMap<String, FeedName>,
    /// `read_back`, default false: whether it may read its landed files again.
    pub read_back: bool,
    /// `[quota]`.
    pub quota: Quota,
}

/// `[quota]`: what a partner may use up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quota {
    /// `staging_bytes`, default 100 GiB: uploads in progress.
    pub staging_bytes: u64,
    /// `bytes_per_day`, default none: bytes landed in the last 24 hours.
    pub bytes_per_day: Option<u64>,
    /// `files_per_day`, default none: files landed in the last 24 hours.
    pub files_per_day: Option<u64>,
}

impl Default for Quota {
    fn default() -> Self {
        Self { staging_bytes: 100 << 30, bytes_per_day: None, files_per_day: None }
    }
}
