//! NATS JetStream as a sink: the event of a webhook as a message that a stream keeps.
//!
//! A small client of the text protocol
//! (<https://docs.nats.io/reference/reference-protocols/nats-protocol>): one connection a message,
//! published with the delivery's id as `Nats-Msg-Id` and acknowledged by the stream's answer. A
//! stream drops what it has under the same id within its duplicate window (two minutes unless it
//! says otherwise); later repeats are told apart by the id, as everywhere. The connection is encrypted
//! as [`super::tls`] says, if it is to be. Left out: NKeys and clusters; a leaf node on this machine
//! stands in.

use std::time::Duration;

use serde::Deserialize;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

use super::tls::Encryption;
use super::{Answer, Notice, Purpose};

/// Bytes of a line of the protocol; `INFO` of a cluster is the longest.
const LINE_BYTES_MAX: u64 = 256 << 10;
/// Bytes of an answer.
const ANSWER_BYTES_MAX: usize = 1 << 20;
/// Lines that are read for one answer.
const LINES_MAX: usize = 100;

/// Where to publish to.
pub struct Target {
    /// Host and port.
    pub address: String,
    /// The subject; `None` for `landfall.<feed>`.
    pub subject: Option<String>,
    /// Who publishes.
    pub login: Login,
    /// How the connection is encrypted; `None` for not at all.
    pub encryption: Option<Encryption>,
}

/// How a server is told who publishes.
pub enum Login {
    /// Not at all.
    Nobody,
    /// By a token.
    Token(String),
    /// By a name and a password.
    User(String, String),
}

/// Why a message was not kept.
#[derive(Debug, thiserror::Error)]
enum Error {
    #[error("cannot talk to NATS")]
    Io(#[from] std::io::Error),
    #[error("NATS refuses: {0}")]
    Refused(String),
    #[error("the server asks for TLS: say `tls = \"verify-full\"`")]
    TlsAsked,
    #[error("the server does not speak TLS")]
    NoTls,
    #[error("no stream keeps {0}")]
    NoStream(String),
    #[error("the server says what is not of the protocol: {0}")]
    Unexpected(String),
    #[error("stopped after its timeout")]
    TimedOut,
}

/// Publishes the event of a batch; for a test, asks whether a stream would keep it.
pub async fn tell(target: &Target, notice: &Notice, timeout: Duration) -> Answer {
    let told = tokio::time::timeout(timeout, publish(target, notice));
    match told.await.unwrap_or(Err(Error::TimedOut)) {
        Ok(said) => Answer::Acknowledged(said),
        Err(error) => Answer::refused(crate::diagnostic::on_one_line(&error)),
    }
}

async fn publish(target: &Target, notice: &Notice) -> Result<Option<String>, Error> {
    let subject =
        target.subject.clone().unwrap_or_else(|| format!("landfall.{}", notice.batch.feed));
    let mut connection = Connection::open(target).await?;
    match notice.purpose {
        Purpose::Batch => {
            let id = [("Nats-Msg-Id", notice.delivery.as_str())];
            let kept = connection.ask(&subject, &id, &notice.event()).await?;
            let kept: Kept = understood(&kept)?;
            match (kept.error, kept.stream) {
                (Some(error), _) => Err(Error::Refused(error.description)),
                (None, Some(stream)) => {
                    let run = format!("{stream}/{}", kept.seq);
                    Ok(Some(serde_json::json!({ "run": run }).to_string()))
                }
                (None, None) => Err(Error::NoStream(subject)),
            }
        }
        Purpose::Test => {
            let asked = serde_json::json!({ "subject": subject }).to_string();
            let found = connection.ask("$JS.API.STREAM.NAMES", &[], asked.as_bytes()).await?;
            let found: Streams = understood(&found)?;
            match found.streams.unwrap_or_default().is_empty() {
                true => Err(Error::NoStream(subject)),
                false => Ok(None),
            }
        }
    }
}

/// What a stream answers to a message
/// (<https://docs.nats.io/reference/reference-protocols/nats_api_reference>).
#[derive(Deserialize)]
struct Kept {
    stream: Option<String>,
    #[serde(default)]
    seq: u64,
    error: Option<ApiError>,
}

#[derive(Deserialize)]
struct ApiError {
    #[serde(default)]
    description: String,
}

#[derive(Deserialize)]
struct Streams {
    streams: Option<Vec<String>>,
}

fn understood<'a, T: Deserialize<'a>>(answer: &'a [u8]) -> Result<T, Error> {
    let shown = || String::from_utf8_lossy(answer.get(..200).unwrap_or(answer)).into_owned();
    serde_json::from_slice(answer).ok().ok_or_else(|| Error::Unexpected(shown()))
}

/// What the server says of itself.
#[derive(Deserialize)]
struct Info {
    #[serde(default)]
    tls_required: bool,
    #[serde(default)]
    tls_available: bool,
}

trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Stream for S {}

/// A connection that is logged in.
struct Connection {
    stream: BufReader<Box<dyn Stream>>,
}

impl Connection {
    async fn open(target: &Target) -> Result<Self, Error> {
        let plain: Box<dyn Stream> = Box::new(TcpStream::connect(&target.address).await?);
        let mut connection = Self { stream: BufReader::new(plain) };
        let line = connection.line().await?;
        let info = line.strip_prefix("INFO ").ok_or_else(|| Error::Unexpected(line.clone()))?;
        let info: Info = understood(info.as_bytes())?;
        match &target.encryption {
            None if info.tls_required => return Err(Error::TlsAsked),
            None => {}
            Some(_) if !(info.tls_required || info.tls_available) => return Err(Error::NoTls),
            Some(encryption) => connection = connection.encrypted(encryption, target).await?,
        }
        let (token, user, password) = match &target.login {
            Login::Nobody => (None, None, None),
            Login::Token(token) => (Some(token), None, None),
            Login::User(user, password) => (None, Some(user), Some(password)),
        };
        let connect = serde_json::json!({
            "verbose": false, "pedantic": false, "headers": true, "no_responders": true,
            "lang": "rust", "version": env!("CARGO_PKG_VERSION"), "name": "landfall",
            "auth_token": token, "user": user, "pass": password,
        });
        connection.send(format!("CONNECT {connect}\r\nPING\r\n").as_bytes()).await?;
        for _ in 0..LINES_MAX {
            let line = connection.line().await?;
            if line == "PONG" {
                return Ok(connection);
            }
        }
        Err(Error::Unexpected("it does not answer PING".to_owned()))
    }

    /// The server waits for the handshake once it has said what it is.
    async fn encrypted(self, encryption: &Encryption, target: &Target) -> Result<Self, Error> {
        if !self.stream.buffer().is_empty() {
            return Err(Error::Unexpected("it goes on in plain text".to_owned()));
        }
        let host = target.address.rsplit_once(':').map_or(&*target.address, |(host, _)| host);
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let stream = encryption.begin(host, self.stream.into_inner()).await?;
        Ok(Self { stream: BufReader::new(Box::new(stream)) })
    }

    /// Publishes a message and waits for the one that answers it.
    async fn ask(
        &mut self,
        subject: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Result<Vec<u8>, Error> {
        let inbox = format!("_INBOX.{}", uuid::Uuid::now_v7().simple());
        let mut head = "NATS/1.0\r\n".to_owned();
        for (name, value) in headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        head.push_str("\r\n");
        let (of_head, all) = (head.len(), head.len() + body.len());
        let mut message =
            format!("SUB {inbox} 1\r\nHPUB {subject} {inbox} {of_head} {all}\r\n{head}")
                .into_bytes();
        message.extend_from_slice(body);
        message.extend_from_slice(b"\r\n");
        self.send(&message).await?;
        for _ in 0..LINES_MAX {
            let line = self.line().await?;
            // Some answers have two blanks where a reply would be named.
            let parts: Vec<&str> = line.split_whitespace().collect();
            match parts.as_slice() {
                ["MSG", _, _, size] => return self.message(0, size).await,
                ["HMSG", _, _, of_head, size] => {
                    let of_head = of_head.parse().unwrap_or(0);
                    let answer = self.message(of_head, size).await?;
                    // "No responders" has a head only.
                    return if answer.is_empty() {
                        Err(Error::NoStream(subject.to_owned()))
                    } else {
                        Ok(answer)
                    };
                }
                ["PING"] => self.send(b"PONG\r\n").await?,
                _ => {}
            }
        }
        Err(Error::Unexpected("it does not answer the message".to_owned()))
    }

    /// The bytes of a message after its head.
    async fn message(&mut self, of_head: usize, size: &str) -> Result<Vec<u8>, Error> {
        let size = size.parse().ok().filter(|size| *size <= ANSWER_BYTES_MAX);
        let size = size.ok_or_else(|| Error::Unexpected("an answer of such a size".to_owned()))?;
        let mut bytes = vec![0; size];
        self.stream.read_exact(&mut bytes).await?;
        Ok(bytes.split_off(of_head.min(size)))
    }

    async fn send(&mut self, bytes: &[u8]) -> Result<(), Error> {
        self.stream.get_mut().write_all(bytes).await?;
        Ok(self.stream.get_mut().flush().await?)
    }

    /// The next line without its end; an error that the server tells is one.
    async fn line(&mut self) -> Result<String, Error> {
        let mut line = Vec::new();
        (&mut self.stream).take(LINE_BYTES_MAX).read_until(b'\n', &mut line).await?;
        if line.is_empty() {
            let ended = std::io::Error::from(std::io::ErrorKind::UnexpectedEof);
            return Err(Error::Io(ended));
        }
        let line = String::from_utf8_lossy(&line).trim_end().to_owned();
        match line.strip_prefix("-ERR") {
            Some(why) => Err(Error::Refused(why.trim().trim_matches('\'').to_owned())),
            None => Ok(line),
        }
    }
}
