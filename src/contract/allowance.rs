//! What a person lets one held file do against the rules of its feed, after having looked at it.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The rules that do not hold for one arrival. Its conversion depends on it as on a contract.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Allowance {
    /// Known columns may be missing and new ones there: what is missing is null, what is new is
    /// taken (C110).
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub drift: bool,
    /// Any number of records may be rejects (C103, or the code of most of them).
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub rejects: bool,
}

/// One of the rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Allowed {
    /// [`Allowance::drift`].
    Drift,
    /// [`Allowance::rejects`].
    Rejects,
}

impl Allowance {
    /// Whether every rule holds.
    pub fn is_none(&self) -> bool {
        *self == Self::default()
    }

    /// These rules do not hold.
    pub fn of(allowed: &[Allowed]) -> Self {
        Self {
            drift: allowed.contains(&Allowed::Drift),
            rejects: allowed.contains(&Allowed::Rejects),
        }
    }
}

impl fmt::Display for Allowance {
    /// `drift, rejects`; nothing when every rule holds.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let named = [(self.drift, "drift"), (self.rejects, "rejects")];
        let named = named.into_iter().filter_map(|(is_allowed, name)| is_allowed.then_some(name));
        f.write_str(&named.collect::<Vec<_>>().join(", "))
    }
}

impl FromStr for Allowed {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "drift" => Ok(Self::Drift),
            "rejects" => Ok(Self::Rejects),
            other => Err(format!("`{other}` is none of drift, rejects")),
        }
    }
}
