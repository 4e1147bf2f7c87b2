//! Tells any sink: the one place that knows every kind.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use crate::clock::Timestamp;
use crate::config::{Alert, Nats, Postgres, Secret, Sink, SinkKind, Tls, Way, Webhook};
use crate::durable::Durability;

use super::message::{self, Message};
use super::rows::ReadsRows;
use super::secret::Secrets;
use super::signature::SigningKey;
use super::tls::Encryption;
use super::{Answer, Notice, command, copies, nats, postgres, webhook};

/// What telling a sink takes.
pub struct Courier {
    secrets: Secrets,
    rows: Arc<dyn ReadsRows>,
    durability: Durability,
    http: OnceLock<Result<webhook::Http, String>>,
    stop: AtomicBool,
}

impl Courier {
    /// A courier that finds secrets and rows there and writes copies so durably.
    pub fn new(secrets: Secrets, rows: Arc<dyn ReadsRows>, durability: Durability) -> Self {
        Self { secrets, rows, durability, http: OnceLock::new(), stop: AtomicBool::new(false) }
    }

    /// Ends what is under way, as far as it can be.
    pub fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
    }

    /// Whether it was stopped.
    pub fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// Tells the sink once.
    pub async fn tell(self: &Arc<Self>, sink: &Sink, notice: Notice, now: Timestamp) -> Answer {
        let deadline = Instant::now() + sink.timeout;
        match sink.kind.clone() {
            SinkKind::Webhook(hook) => {
                let event = (notice.delivery.as_str(), notice.event());
                self.post(hook, event, sink.timeout, now).await
            }
            SinkKind::Command(argv) => {
                let timeout = sink.timeout;
                self.blocking(move |this| command::tell(&argv, &notice, timeout, &this.stop)).await
            }
            SinkKind::Postgres(settings) => match self.target(settings) {
                Ok(target) => {
                    let notice = Arc::new(notice);
                    postgres::tell(&target, &notice, &self.rows, sink.timeout).await
                }
                Err(why) => Answer::refused(why),
            },
            SinkKind::Nats(settings) => match self.subject(settings) {
                Ok(target) => nats::tell(&target, &notice, sink.timeout).await,
                Err(why) => Answer::refused(why),
            },
            SinkKind::Folder(folder) => {
                self.blocking(move |this| {
                    let until = copies::Until { deadline, stop: &this.stop };
                    copies::tell(&folder, &notice, this.durability, &until)
                })
                .await
            }
        }
    }

    /// Sends a message to people once.
    pub async fn alert(
        self: &Arc<Self>,
        alert: &Alert,
        message: Message,
        now: Timestamp,
    ) -> Answer {
        let timeout = alert.timeout;
        match alert.way.clone() {
            Way::Webhook(hook) => {
                self.post(hook, (message.id.as_str(), message.event), timeout, now).await
            }
            Way::Command(argv) => {
                self.blocking(move |this| message::tell(&argv, &message, timeout, &this.stop)).await
            }
        }
    }

    /// Posts an event with this id once.
    pub async fn post(
        &self,
        hook: Webhook,
        event: (&str, Vec<u8>),
        timeout: Duration,
        now: Timestamp,
    ) -> Answer {
        let ready = self.signed_post(hook).and_then(|post| self.http().map(|http| (http, post)));
        match ready {
            Ok((http, post)) => webhook::tell(http, &post, event, timeout, now).await,
            Err(why) => Answer::refused(why),
        }
    }

    async fn blocking(
        self: &Arc<Self>,
        work: impl FnOnce(&Self) -> Answer + Send + 'static,
    ) -> Answer {
        let this = Arc::clone(self);
        let told = tokio::task::spawn_blocking(move || work(&this));
        told.await.unwrap_or_else(|error| Answer::refused(error.to_string()))
    }

    fn http(&self) -> Result<&webhook::Http, String> {
        let client = self.http.get_or_init(|| webhook::Http::new().map_err(|e| e.to_string()));
        client.as_ref().map_err(Clone::clone)
    }

    fn secret(&self, secret: &Secret) -> Result<String, String> {
        self.secrets.get(secret).map_err(|error| crate::diagnostic::on_one_line(&error))
    }

    fn encryption(&self, tls: &Tls) -> Result<Option<Encryption>, String> {
        let encryption = Encryption::of(tls, self.secrets.zone());
        encryption.map_err(|error| crate::diagnostic::on_one_line(&error))
    }

    /// The server with the password, as it is now.
    fn target(&self, settings: Postgres) -> Result<postgres::Target, String> {
        let Postgres { server, password, schema, tls } = settings;
        let password = password.map(|secret| self.secret(&secret)).transpose()?;
        let encryption = self.encryption(&tls)?;
        Ok(postgres::Target { server, password, schema, encryption })
    }

    /// The server with the login, as it is now.
    fn subject(&self, settings: Nats) -> Result<nats::Target, String> {
        let Nats { address, subject, user, password, token, tls } = settings;
        let secret = |secret: Option<Secret>| secret.map(|secret| self.secret(&secret)).transpose();
        let login = match (secret(token)?, user) {
            (Some(token), _) => nats::Login::Token(token),
            (None, Some(user)) => nats::Login::User(user, secret(password)?.unwrap_or_default()),
            (None, None) => nats::Login::Nobody,
        };
        let encryption = self.encryption(&tls)?;
        Ok(nats::Target { address, subject, login, encryption })
    }

    /// The address with the keys, as they are now.
    fn signed_post(&self, hook: Webhook) -> Result<webhook::Post, String> {
        let key = |secret| {
            let text = self.secret(secret)?;
            text.parse::<SigningKey>().map_err(|error| error.to_string())
        };
        let keys = hook.secrets.iter().map(key).collect::<Result<_, String>>()?;
        Ok(webhook::Post { url: hook.url, keys })
    }
}
