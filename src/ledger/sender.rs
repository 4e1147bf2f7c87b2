//! Who sends, and through which door.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::names::{FolderName, PartnerName, PullName};

/// Through which door a file came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Door {
    /// SFTP, or SCP in SFTP mode.
    Sftp,
    /// A watched folder.
    Folder,
    /// `landfall send` on the server itself.
    Local,
    /// A command that fetches what nobody sends.
    Pull,
}

/// Who sent a file. In the ledger and in text: `partner:acme`, `test:acme`,
/// `folder:inbox-orders`, `local:root`, `pull:invoices`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Sender {
    /// An outside account.
    Partner(PartnerName),
    /// The test area of an outside account: nothing of it is handed on.
    Test(PartnerName),
    /// A watched folder.
    Folder(FolderName),
    /// A user of the server itself.
    Local(String),
    /// A pull of the configuration.
    Pull(PullName),
}

impl Sender {
    /// Whether what it sends is only tried.
    pub fn is_test(&self) -> bool {
        match self {
            Self::Test(_) => true,
            Self::Partner(_) | Self::Folder(_) | Self::Local(_) | Self::Pull(_) => false,
        }
    }
}

impl fmt::Display for Sender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Partner(name) => write!(f, "partner:{name}"),
            Self::Test(name) => write!(f, "test:{name}"),
            Self::Folder(name) => write!(f, "folder:{name}"),
            Self::Local(user) => write!(f, "local:{user}"),
            Self::Pull(name) => write!(f, "pull:{name}"),
        }
    }
}

impl std::str::FromStr for Sender {
    type Err = crate::names::Error;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.split_once(':') {
            Some(("partner", name)) => Ok(Self::Partner(name.parse()?)),
            Some(("test", name)) => Ok(Self::Test(name.parse()?)),
            Some(("folder", name)) => Ok(Self::Folder(name.parse()?)),
            Some(("local", user)) => Ok(Self::Local(user.to_owned())),
            Some(("pull", name)) => Ok(Self::Pull(name.parse()?)),
            Some(_) | None => {
                Err(crate::names::Error::Word { what: "sender", given: text.to_owned() })
            }
        }
    }
}

impl Serialize for Sender {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Sender {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        String::deserialize(from)?.parse().map_err(serde::de::Error::custom)
    }
}
