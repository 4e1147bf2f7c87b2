//! Who may log in: keys, certificates, passwords, and what those are told who may not.
//!
//! Accounts are read at every attempt, so that what an operator writes is live at once. What a
//! stranger sees does not tell whether an account exists: the same methods, the same words, and a
//! password always costs one argon2id. Attempts are counted, probes of public keys included.
//!
//! Where any partner trusts an authority, every probe of a public key is encouraged: whether a
//! certificate belongs to it is only known with the signature, and a stranger must not learn whose
//! account takes certificates.
//!
//! Left to russh, which does not do it: a client that asks for the `ssh-userauth` service again before
//! another attempt gets no answer and waits until the deadline. paramiko does, after a refused key:
//! it must be given the right key alone, or `transport_factory=ServiceRequestingTransport`.
//!
//! After a refusal the client is offered keyboard-interactive, in which SSH can show a sentence to
//! the person (RFC 4256 section 3.2); without a refusal before, it asks for the password.

use std::borrow::Cow;
use std::net::IpAddr;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use argon2::password_hash::PasswordHasher as _;
use argon2::{Argon2, PasswordVerifier as _};
use russh::MethodSet;
use russh::keys::{Certificate, HashAlg, PublicKey};
use russh::server::Auth;
use tokio::sync::Semaphore;
use tokio::time::Instant;

use super::Desk;
use super::proof::{self, Proof};
use super::roster::Roster;
use crate::config::Partner;

/// Attempts one connection has, as OpenSSH's MaxAuthTries.
pub const ATTEMPTS_MAX: u32 = 6;
/// Passwords checked at once: each costs 19 MiB and a processor.
pub const PASSWORDS_AT_ONCE: usize = 2;
/// What a refused password takes at least.
const PASSWORD_REFUSAL: Duration = Duration::from_millis(400);
/// Attempts that an event names.
const OFFERED_MAX: usize = ATTEMPTS_MAX as usize;
/// Characters of a user name that an event keeps.
const USER_CHARS_MAX: usize = 64;

/// The methods offered to everybody.
pub fn methods() -> MethodSet {
    use russh::MethodKind::{KeyboardInteractive, Password, PublicKey};
    MethodSet::from([PublicKey, Password, KeyboardInteractive].as_slice())
}

/// What a login attempt has come to, for the event at its end.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Attempt {
    /// The user that was tried last.
    pub user: String,
    /// What was offered.
    pub offered: Vec<String>,
    /// Why the last one was refused, for the operator.
    pub reason: String,
}

/// A login that was accepted.
#[derive(Debug, Clone)]
pub struct Accepted {
    /// The account as it is written now.
    pub partner: Partner,
    /// What proved it.
    pub proof: Proof,
    /// The same in words.
    pub method: String,
}

/// One connection's way to a login.
pub struct Login {
    desk: Arc<Desk>,
    origin: IpAddr,
    roster: Arc<Roster>,
    passwords: Arc<Semaphore>,
    attempts: u32,
    attempt: Attempt,
    /// What the person at the other end is told; `None` before the first refusal.
    told: Option<Cow<'static, str>>,
    accepted: Option<Accepted>,
}

/// More attempts than [`ATTEMPTS_MAX`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("too many login attempts")]
pub struct TooMany;

const TOLD_STRANGERS: &str = "This server does not accept this user name with this key or password. \
                              Check both with the people who run it.";

/// russh refuses such certificates without a word to us; the client then tries the bare key.
const UNSEEN: &str = "If a certificate was offered before it, that has ended, has not begun, or is \
                      not signed by its authority: `ssh-keygen -L -f` shows its dates";

impl Login {
    /// A connection before its first attempt.
    pub fn new(
        desk: Arc<Desk>,
        origin: IpAddr,
        roster: Arc<Roster>,
        passwords: Arc<Semaphore>,
    ) -> Self {
        Self {
            desk,
            origin,
            roster,
            passwords,
            attempts: 0,
            attempt: Attempt::default(),
            told: None,
            accepted: None,
        }
    }

    /// What was tried so far.
    pub fn attempt(&self) -> &Attempt {
        &self.attempt
    }

    /// The login that was accepted, once.
    pub fn take_accepted(&mut self) -> Option<Accepted> {
        self.accepted.take()
    }

    /// Whether a signature by this key would be accepted.
    ///
    /// # Errors
    /// [`TooMany`].
    pub async fn probe(&mut self, user: &str, key: &PublicKey) -> Result<Auth, TooMany> {
        self.begin(user, format!("publickey {}", describe(key)))?;
        let owner = self.owner(user, key).await;
        Ok(match owner {
            Ok(_) => Auth::Accept,
            Err(reason) if self.is_any_authority_trusted().await => {
                self.attempt.reason = reason;
                Auth::Accept
            }
            Err(reason) => self.refuse(reason, TOLD_STRANGERS),
        })
    }

    /// Decides over a key whose owner has proved that it is theirs.
    pub async fn key(&mut self, user: &str, key: &PublicKey) -> Auth {
        match self.owner(user, key).await {
            Ok(partner) => {
                let proof = Proof::Key(key.key_data().clone());
                self.admit(Accepted {
                    partner,
                    proof,
                    method: format!("publickey {}", describe(key)),
                })
            }
            Err(reason) => self.refuse(reason, TOLD_STRANGERS),
        }
    }

    /// Decides over a certificate whose owner has proved that its key is theirs.
    pub async fn certificate(&mut self, user: &str, certificate: &Certificate) -> Auth {
        let described = describe_certificate(certificate);
        if self.attempt.offered.len() < OFFERED_MAX {
            self.attempt.offered.push(described.clone());
        }
        let Some(partner) = self.partner(user).await else {
            return self.refuse(no_partner(user), TOLD_STRANGERS);
        };
        let now = self.desk.clock.now();
        match proof::check_certificate(&partner, certificate, now, self.origin) {
            Ok(authority) => {
                let proof = Proof::Certificate(authority);
                self.admit(Accepted { partner, proof, method: described })
            }
            Err(reason) => self.refuse(format!("{described}: {reason}"), TOLD_STRANGERS),
        }
    }

    /// Decides over a password.
    ///
    /// # Errors
    /// [`TooMany`].
    pub async fn password(&mut self, user: &str, password: &str) -> Result<Auth, TooMany> {
        self.begin(user, "password".to_owned())?;
        let begun = Instant::now();
        let partner = self.partner(user).await;
        let hash = partner.as_ref().and_then(|partner| partner.password.clone());
        let is_right = self.verify(hash.clone(), password.to_owned()).await;
        let auth = match partner {
            Some(partner) if is_right => {
                let proof = Proof::Password(hash.unwrap_or_default());
                self.admit(Accepted { partner, proof, method: "password".to_owned() })
            }
            Some(partner) if partner.password.is_none() => {
                self.refuse(format!("{user} has no password, only keys"), TOLD_STRANGERS)
            }
            Some(_) => self.refuse("the password is wrong".to_owned(), TOLD_STRANGERS),
            None => self.refuse(no_partner(user), TOLD_STRANGERS),
        };
        if auth != Auth::Accept {
            tokio::time::sleep_until(begun + PASSWORD_REFUSAL).await;
        }
        Ok(auth)
    }

    /// Keyboard-interactive: tells why the last attempt was refused, or asks for the password.
    ///
    /// # Errors
    /// [`TooMany`].
    pub async fn interactive(
        &mut self,
        user: &str,
        answer: Option<Option<String>>,
    ) -> Result<Auth, TooMany> {
        match (answer, self.told.take()) {
            (None, Some(told)) => Ok(Auth::Partial {
                name: Cow::Borrowed(""),
                instructions: told,
                prompts: Cow::Borrowed(&[]),
            }),
            (None, None) => Ok(Auth::Partial {
                name: Cow::Borrowed(""),
                instructions: Cow::Borrowed(""),
                prompts: Cow::Owned(vec![(Cow::Borrowed("Password: "), false)]),
            }),
            (Some(Some(password)), _) => self.password(user, &password).await,
            // The sentence was read; there was nothing to answer.
            (Some(None), _) => {
                use russh::MethodKind::{Password, PublicKey};
                let left = MethodSet::from([PublicKey, Password].as_slice());
                Ok(Auth::Reject { proceed_with_methods: Some(left), partial_success: false })
            }
        }
    }

    fn begin(&mut self, user: &str, offer: String) -> Result<(), TooMany> {
        self.attempts += 1;
        self.attempt.user = user.chars().take(USER_CHARS_MAX).collect();
        if self.attempt.offered.len() < OFFERED_MAX && !self.attempt.offered.contains(&offer) {
            self.attempt.offered.push(offer);
        }
        if self.attempts > ATTEMPTS_MAX {
            return Err(TooMany);
        }
        Ok(())
    }

    /// The partner if the key is theirs; otherwise why not.
    async fn owner(&self, user: &str, key: &PublicKey) -> Result<Partner, String> {
        let partner = self.partner(user).await.ok_or_else(|| no_partner(user))?;
        let checked =
            proof::check_key(&partner, key.key_data(), self.desk.clock.now(), self.origin);
        match checked {
            Ok(()) => Ok(partner),
            Err(reason) if partner.authorities.is_empty() => Err(reason),
            Err(reason) => Err(format!("{reason}. {UNSEEN}")),
        }
    }

    async fn is_any_authority_trusted(&self) -> bool {
        let (roster, desk) = (Arc::clone(&self.roster), Arc::clone(&self.desk));
        tokio::task::spawn_blocking(move || roster.is_any_authority_trusted(&desk))
            .await
            .unwrap_or(false)
    }

    async fn partner(&self, user: &str) -> Option<Partner> {
        // One small file; the thread is the connection's own.
        self.desk.intake.partner(user)
    }

    async fn verify(&self, hash: Option<String>, password: String) -> bool {
        let Ok(_turn) = self.passwords.acquire().await else { return false };
        let verify = move || {
            let is_known = hash.is_some();
            let hash = hash.as_deref().unwrap_or_else(|| nobodys_hash());
            Argon2::default().verify_password(password.as_bytes(), hash).is_ok() && is_known
        };
        tokio::task::spawn_blocking(verify).await.unwrap_or(false)
    }

    /// Lets a partner in who proved who they are.
    fn admit(&mut self, accepted: Accepted) -> Auth {
        let partner = &accepted.partner;
        if partner.disabled {
            let told = format!(
                "The account {} is disabled. Ask the people who run this server to enable it.",
                partner.name
            );
            return self.refuse(format!("the account {} is disabled", partner.name), told);
        }
        if let Err(reason) = proof::check_account(partner, self.origin) {
            return self.refuse(reason, TOLD_STRANGERS);
        }
        let most = partner.quota.sessions;
        if self.roster.count(&partner.name) >= most as usize {
            let told = format!(
                "{} has {most} connections open already, which is all it may have. Close some, or \
                 ask for more.",
                partner.name
            );
            let reason = format!("{} has {most} sessions (`quota.sessions`)", partner.name);
            return self.refuse(reason, told);
        }
        self.accepted = Some(accepted);
        Auth::Accept
    }

    fn refuse(&mut self, reason: String, told: impl Into<Cow<'static, str>>) -> Auth {
        self.attempt.reason = reason;
        self.told = Some(told.into());
        Auth::Reject { proceed_with_methods: Some(methods()), partial_success: false }
    }
}

fn no_partner(user: &str) -> String {
    format!("there is no partner {}", user.chars().take(USER_CHARS_MAX).collect::<String>())
}

fn describe(key: &PublicKey) -> String {
    format!("{} {}", key.algorithm(), key.fingerprint(HashAlg::Sha256))
}

/// `certificate ssh-ed25519 SHA256:… "id" serial 7 by SHA256:…`
fn describe_certificate(certificate: &Certificate) -> String {
    let key = certificate.public_key();
    let id: String = certificate.key_id().chars().take(USER_CHARS_MAX).collect();
    format!(
        "certificate {} {} {id:?} serial {} by {}",
        key.algorithm(),
        key.fingerprint(HashAlg::Sha256),
        certificate.serial(),
        certificate.signature_key().fingerprint(HashAlg::Sha256)
    )
}

/// What the password of an unknown user is checked against, so that it costs the same.
fn nobodys_hash() -> &'static str {
    static HASH: OnceLock<String> = OnceLock::new();
    HASH.get_or_init(|| {
        let hashed = Argon2::default().hash_password(b"nobody's password");
        hashed.map(|hash| hash.to_string()).unwrap_or_default()
    })
}
