//! russh's callbacks, translated. Nothing is decided here.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Weak};

use russh::keys::{Certificate, PublicKey};
use russh::server::{
    Auth, ChannelOpenHandle, Handler, Msg, PublicKeyOffer, Response, Session as Ssh,
    VerifiedPublicKey,
};
use russh::{Channel, ChannelId, ChannelOpenFailure, Disconnect, Pty};

use super::account::Account;
use super::auth::TooMany;
use super::connection::Visit;
use super::dialog::{Dialog, Ran};
use super::exec;
use super::lane::{Lane, Stop};

/// Channels one connection may have open at once; OpenSSH allows 10.
const CHANNELS_MAX: usize = 10;

/// Why a connection ended.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// russh ended it.
    #[error(transparent)]
    Ssh(#[from] russh::Error),
    /// Too many login attempts.
    #[error(transparent)]
    TooMany(#[from] TooMany),
}

/// One connection as russh drives it.
pub struct Session {
    visit: Visit,
    account: Option<Account>,
    /// Open channels on which nothing has begun yet.
    idle: HashSet<ChannelId>,
    /// Each lane belongs to its own task: russh does not call back for a channel that this side
    /// closed, so a lane that has come to its end is seen by its task being gone.
    lanes: HashMap<ChannelId, Weak<Lane>>,
}

impl Session {
    /// A connection that has just been made.
    pub fn new(visit: Visit) -> Self {
        Self { visit, account: None, idle: HashSet::new(), lanes: HashMap::new() }
    }

    fn stop(&mut self, stop: Stop, ssh: &mut Ssh) -> Result<(), Error> {
        tracing::warn!(from = %self.visit.origin, error = %stop, "an SFTP channel was cut off");
        Ok(ssh.disconnect(Disconnect::ProtocolError, &stop.to_string(), "en")?)
    }

    /// Begins a dialog on a channel that has none. It may have something to say first.
    fn begin(
        &mut self,
        channel: ChannelId,
        dialog: Box<dyn Dialog>,
        ssh: &mut Ssh,
    ) -> Result<(), Error> {
        if !self.idle.remove(&channel) {
            return Ok(ssh.channel_failure(channel)?);
        }
        let lane = Arc::new(Lane::new(dialog));
        self.visit.spawn(Arc::clone(&lane).run(ssh.handle(), channel));
        self.lanes.insert(channel, Arc::downgrade(&lane));
        ssh.channel_success(channel)?;
        match lane.offer(&[]) {
            Ok(Some(greeting)) => Ok(ssh.data(channel, greeting)?),
            Ok(None) => Ok(()),
            Err(stop) => self.stop(stop, ssh),
        }
    }

    fn lane(&self, channel: ChannelId) -> Option<Arc<Lane>> {
        self.lanes.get(&channel).and_then(Weak::upgrade)
    }

    /// Answers a command in one go and closes the channel.
    fn close_with(&mut self, channel: ChannelId, ran: Ran, ssh: &mut Ssh) -> Result<(), Error> {
        if !self.idle.remove(&channel) {
            return Ok(ssh.channel_failure(channel)?);
        }
        ssh.channel_success(channel)?;
        if !ran.err.is_empty() {
            ssh.extended_data(channel, 1, ran.err.into_bytes())?;
        }
        ssh.exit_status_request(channel, ran.status)?;
        ssh.eof(channel)?;
        Ok(ssh.close(channel)?)
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        for lane in self.lanes.values().filter_map(Weak::upgrade) {
            lane.abandon();
        }
    }
}

impl Handler for Session {
    type Error = Error;

    async fn auth_publickey_offered(
        &mut self,
        user: &str,
        offer: PublicKeyOffer<'_>,
    ) -> Result<Auth, Error> {
        Ok(self.visit.login().await.probe(user, offer.public_key).await?)
    }

    async fn auth_publickey(
        &mut self,
        user: &str,
        key: VerifiedPublicKey<'_>,
    ) -> Result<Auth, Error> {
        let key: &PublicKey = key.public_key;
        Ok(self.visit.login().await.key(user, key).await)
    }

    async fn auth_openssh_certificate(
        &mut self,
        user: &str,
        certificate: &Certificate,
    ) -> Result<Auth, Error> {
        Ok(self.visit.login().await.certificate(user, certificate).await)
    }

    async fn auth_password(&mut self, user: &str, password: &str) -> Result<Auth, Error> {
        Ok(self.visit.login().await.password(user, password).await?)
    }

    async fn auth_keyboard_interactive<'a>(
        &'a mut self,
        user: &str,
        _submethods: &str,
        response: Option<Response<'a>>,
    ) -> Result<Auth, Error> {
        let answer = response.map(|mut answers| {
            answers.next().map(|answer| String::from_utf8_lossy(&answer).into_owned())
        });
        Ok(self.visit.login().await.interactive(user, answer).await?)
    }

    async fn auth_succeeded(&mut self, _ssh: &mut Ssh) -> Result<(), Error> {
        self.account = self.visit.log_in().await;
        Ok(())
    }

    async fn channel_open_session(
        &mut self,
        channel: Channel<Msg>,
        reply: ChannelOpenHandle,
        _ssh: &mut Ssh,
    ) -> Result<(), Error> {
        // The channel object is dropped: reading through it can deadlock the event loop.
        self.lanes.retain(|_, lane| lane.strong_count() > 0);
        if self.idle.len() + self.lanes.len() < CHANNELS_MAX {
            self.idle.insert(channel.id());
            reply.accept().await;
        } else {
            reply.reject(ChannelOpenFailure::ResourceShortage).await;
        }
        Ok(())
    }

    async fn subsystem_request(
        &mut self,
        channel: ChannelId,
        name: &str,
        ssh: &mut Ssh,
    ) -> Result<(), Error> {
        let Some(account) = self.account.as_ref().filter(|_| name == "sftp") else {
            return Ok(ssh.channel_failure(channel)?);
        };
        let dialog = self.visit.conversation(account);
        self.begin(channel, dialog, ssh)
    }

    async fn data(&mut self, channel: ChannelId, data: &[u8], ssh: &mut Ssh) -> Result<(), Error> {
        let Some(lane) = self.lane(channel) else { return Ok(()) };
        match lane.offer(data) {
            Ok(Some(answer)) => ssh.data(channel, answer)?,
            Ok(None) => lane.calm().await,
            Err(stop) => self.stop(stop, ssh)?,
        }
        Ok(())
    }

    async fn window_adjusted(
        &mut self,
        channel: ChannelId,
        _window: u32,
        ssh: &mut Ssh,
    ) -> Result<(), Error> {
        let Some(lane) = self.lane(channel) else { return Ok(()) };
        match lane.resume() {
            Ok(Some(answer)) => ssh.data(channel, answer)?,
            Ok(None) => {}
            Err(stop) => self.stop(stop, ssh)?,
        }
        Ok(())
    }

    async fn channel_eof(&mut self, channel: ChannelId, _ssh: &mut Ssh) -> Result<(), Error> {
        if let Some(lane) = self.lane(channel) {
            lane.end();
        }
        Ok(())
    }

    async fn channel_close(&mut self, channel: ChannelId, _ssh: &mut Ssh) -> Result<(), Error> {
        self.idle.remove(&channel);
        if let Some(lane) = self.lanes.remove(&channel).and_then(|lane| lane.upgrade()) {
            lane.abandon();
        }
        Ok(())
    }

    async fn exec_request(
        &mut self,
        channel: ChannelId,
        command: &[u8],
        ssh: &mut Ssh,
    ) -> Result<(), Error> {
        let Some(account) = self.account.clone() else {
            return Ok(ssh.channel_failure(channel)?);
        };
        self.begin(channel, exec::begin(&account, command), ssh)
    }

    async fn shell_request(&mut self, channel: ChannelId, ssh: &mut Ssh) -> Result<(), Error> {
        let told = Ran::refused(1, exec::NO_SHELL);
        self.close_with(channel, told, ssh)
    }

    #[allow(clippy::too_many_arguments, reason = "the trait has them")]
    async fn pty_request(
        &mut self,
        channel: ChannelId,
        _term: &str,
        _columns: u32,
        _rows: u32,
        _width: u32,
        _height: u32,
        _modes: &[(Pty, u32)],
        ssh: &mut Ssh,
    ) -> Result<(), Error> {
        Ok(ssh.channel_failure(channel)?)
    }
}
