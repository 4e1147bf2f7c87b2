//! An SFTP client that knows exactly what it was told, request by request.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use russh::client::{Config, Handle, Handler};
use russh::keys::{PrivateKeyWithHashAlg, PublicKeyOrCertificate};
use russh_sftp::client::RawSftpSession;
use russh_sftp::client::error::Error;
use russh_sftp::protocol::{FileAttributes, OpenFlags};
use tokio::runtime::Runtime;

use super::promises::Told;

/// Bytes in one WRITE.
const PIECE_BYTES: usize = 32 << 10;
/// How long an answer may take.
const ANSWER_WITHIN: Duration = Duration::from_secs(30);

/// A session of the partner `acme`.
pub struct Client {
    runtime: Runtime,
    session: Handle<AnyServer>,
    sftp: RawSftpSession,
}

impl Client {
    /// Logs in; `None` when the server does not get that far.
    pub fn login(port: u16, key: &Path) -> Option<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.expect("a runtime");
        let key = russh::keys::load_secret_key(key, None).expect("a key");
        let login = async {
            let config = Arc::new(Config { nodelay: true, ..Config::default() });
            let address = ("127.0.0.1", port);
            let mut session = russh::client::connect(config, address, AnyServer).await.ok()?;
            let key = PrivateKeyWithHashAlg::new(Arc::new(key), None);
            session.authenticate_publickey("acme", key).await.ok()?.success().then_some(())?;
            let channel = session.channel_open_session().await.ok()?;
            channel.request_subsystem(true, "sftp").await.ok()?;
            let sftp = RawSftpSession::new(channel.into_stream());
            sftp.set_timeout(ANSWER_WITHIN.as_secs());
            tokio::select! {
                ready = sftp.init() => { ready.ok()?; }
                _ = &mut session => return None,
            }
            Some((session, sftp))
        };
        let within = async { tokio::time::timeout(ANSWER_WITHIN, login).await.ok().flatten() };
        let (session, sftp) = runtime.block_on(within)?;
        Some(Self { runtime, session, sftp })
    }

    /// Sends a whole file. Told of only when CLOSE was answered.
    pub fn put(&mut self, name: &str, bytes: &[u8]) -> Told {
        let new = OpenFlags::WRITE | OpenFlags::CREATE | OpenFlags::TRUNCATE;
        self.request(async |sftp| {
            let handle = sftp.open(name, new, FileAttributes::empty()).await?.handle;
            end(write(sftp, &handle, 0, bytes).await, sftp.close(handle).await.map(drop))
        })
    }

    /// Begins a file and never closes it.
    pub fn put_unclosed(&mut self, name: &str, bytes: &[u8]) -> Told {
        let new = OpenFlags::WRITE | OpenFlags::CREATE | OpenFlags::TRUNCATE;
        self.request(async |sftp| {
            let handle = sftp.open(name, new, FileAttributes::empty()).await?.handle;
            write(sftp, &handle, 0, bytes).await
        })
    }

    /// Goes on with a file where it ends, as `reput` does: the rest of `bytes` is sent.
    pub fn resume(&mut self, name: &str, bytes: &[u8]) -> Told {
        self.request(async |sftp| {
            let there = sftp.stat(name).await?.attrs.size.unwrap_or(0);
            let there = usize::try_from(there).unwrap_or(0).min(bytes.len());
            let handle = sftp.open(name, OpenFlags::WRITE, FileAttributes::empty()).await?.handle;
            end(write(sftp, &handle, there, bytes).await, sftp.close(handle).await.map(drop))
        })
    }

    pub fn rename(&mut self, from: &str, to: &str) -> Told {
        self.request(async |sftp| sftp.rename(from, to).await.map(drop))
    }

    pub fn remove(&mut self, name: &str) -> Told {
        self.request(async |sftp| sftp.remove(name).await.map(drop))
    }

    fn request(&mut self, asked: impl AsyncFnOnce(&RawSftpSession) -> Result<(), Error>) -> Told {
        let (session, sftp) = (&mut self.session, &self.sftp);
        self.runtime.block_on(async {
            tokio::select! {
                biased;
                answer = asked(sftp) => match answer {
                    Ok(()) => Told::Done,
                    Err(Error::Status(_)) => Told::Refused,
                    Err(_) => Told::Nothing,
                },
                _ = session => Told::Nothing,
            }
        })
    }
}

async fn write(
    sftp: &RawSftpSession,
    handle: &str,
    mut at: usize,
    bytes: &[u8],
) -> Result<(), Error> {
    for piece in bytes[at..].chunks(PIECE_BYTES) {
        sftp.write(handle, at as u64, piece.to_vec()).await?;
        at += piece.len();
    }
    Ok(())
}

/// What an upload came to: a CLOSE that succeeds is an acknowledgement, also after a refused WRITE.
fn end(written: Result<(), Error>, closed: Result<(), Error>) -> Result<(), Error> {
    match (written, closed) {
        (_, Ok(())) => Ok(()),
        (Err(refused), Err(_)) => Err(refused),
        (Ok(()), Err(refused)) => Err(refused),
    }
}

struct AnyServer;

impl Handler for AnyServer {
    type Error = russh::Error;

    async fn check_server_key(&mut self, _: &PublicKeyOrCertificate) -> Result<bool, russh::Error> {
        Ok(true)
    }
}
