//! A small SFTP client: enough to send files to a server whose host key is known.
//!
//! `landfall demo` uses it where the OpenSSH client is not installed. It blocks, and must not be
//! called on a runtime's thread.

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use russh::client::{self, Handle, Handler};
use russh::keys::{PrivateKey, PrivateKeyWithHashAlg, PublicKey, PublicKeyOrCertificate};
use russh_sftp::client::SftpSession;
use tokio::io::AsyncWriteExt as _;

/// Why files could not be sent.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The connection failed, or the server has another host key than is known.
    #[error("the SSH connection failed")]
    Ssh(#[from] russh::Error),
    /// The server refused the key.
    #[error("the server refused the login of {0}")]
    Login(String),
    /// The server refused the request.
    #[error("the server refused {path}")]
    Sftp {
        /// What was asked for.
        path: String,
        /// What it said.
        #[source]
        source: Box<russh_sftp::client::error::Error>,
    },
    /// Reading the file or writing to the connection failed.
    #[error("cannot send {}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
}

/// Who sends to which server.
#[derive(Debug, Clone)]
pub struct Login {
    /// The server.
    pub address: SocketAddr,
    /// Its host key.
    pub host_key: PublicKey,
    /// The user name.
    pub user: String,
    /// The user's key.
    pub key: PrivateKey,
}

/// A file on its way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Upload {
    /// Here.
    pub from: PathBuf,
    /// There.
    pub to: String,
}

/// Sends files, one after the other, over one connection.
///
/// # Errors
/// [`ClientError`]; files before the failing one have arrived.
pub fn put(login: Login, uploads: &[Upload]) -> Result<(), ClientError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(russh::Error::from)?;
    runtime.block_on(async {
        let session = connect(login).await?;
        let channel = session.channel_open_session().await?;
        channel.request_subsystem(true, "sftp").await?;
        let sftp = SftpSession::new(channel.into_stream()).await;
        let sftp = sftp.map_err(|source| refused("sftp", source))?;
        for upload in uploads {
            send(&sftp, &upload.from, &upload.to).await?;
        }
        sftp.close().await.map_err(|source| refused("the end", source))?;
        session.disconnect(russh::Disconnect::ByApplication, "", "").await?;
        Ok(())
    })
}

async fn connect(login: Login) -> Result<Handle<KnownServer>, ClientError> {
    let config = client::Config { nodelay: true, ..client::Config::default() };
    let server = KnownServer(login.host_key);
    let mut session = client::connect(Arc::new(config), login.address, server).await?;
    let key = PrivateKeyWithHashAlg::new(Arc::new(login.key), None);
    let answer = session.authenticate_publickey(login.user.clone(), key).await?;
    if answer.success() { Ok(session) } else { Err(ClientError::Login(login.user)) }
}

async fn send(sftp: &SftpSession, from: &Path, to: &str) -> Result<(), ClientError> {
    let failed = |source| ClientError::Io { path: from.to_owned(), source };
    let mut local = tokio::fs::File::open(from).await.map_err(failed)?;
    let mut remote = sftp.create(to).await.map_err(|source| refused(to, source))?;
    tokio::io::copy(&mut local, &mut remote).await.map_err(failed)?;
    // The reply to CLOSE is the receipt: only then is the file durable there.
    remote.shutdown().await.map_err(failed)
}

fn refused(path: &str, source: russh_sftp::client::error::Error) -> ClientError {
    ClientError::Sftp { path: path.to_owned(), source: Box::new(source) }
}

/// Accepts one host key.
struct KnownServer(PublicKey);

impl Handler for KnownServer {
    type Error = russh::Error;

    async fn check_server_key(
        &mut self,
        offered: &PublicKeyOrCertificate,
    ) -> Result<bool, russh::Error> {
        Ok(match offered {
            PublicKeyOrCertificate::PublicKey { key, .. } => key.key_data() == self.0.key_data(),
            PublicKeyOrCertificate::Certificate(_) => false,
        })
    }
}
