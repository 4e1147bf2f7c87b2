//! A webhook as a sink: a POST of a CloudEvent (CloudEvents 1.0, structured JSON).
//!
//! Headers follow Standard Webhooks: `webhook-id` is the delivery's id and stable over attempts,
//! `webhook-timestamp` is the time of the attempt, `webhook-signature` has a [`signature`] for each
//! key. Any 2xx acknowledges; redirects are not followed; 410 asks not to be told again; everything
//! else is a refusal, and `Retry-After` is honoured.

use std::sync::Once;
use std::time::Duration;

use reqwest::header::{CONTENT_TYPE, RETRY_AFTER};
use reqwest::{Client, Response, StatusCode, redirect};

use crate::clock::Timestamp;

use super::signature::{self, SigningKey};
use super::{ACKNOWLEDGEMENT_BYTES_MAX, Answer, REFUSAL_BYTES_MAX, said};

/// Time to connect, within the sink's timeout.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// The client for all webhooks: no redirects, and no kept connection that the receiver may have
/// closed meanwhile. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Http(Client);

impl Http {
    /// Makes the client.
    ///
    /// # Errors
    /// When the system's certificates cannot be read.
    pub fn new() -> Result<Self, reqwest::Error> {
        static PROVIDER: Once = Once::new();
        PROVIDER.call_once(|| {
            if rustls::crypto::aws_lc_rs::default_provider().install_default().is_err() {
                tracing::debug!("a TLS provider is installed already");
            }
        });
        Client::builder()
            .redirect(redirect::Policy::none())
            .pool_max_idle_per_host(0)
            .connect_timeout(CONNECT_TIMEOUT)
            .user_agent(concat!("landfall/", env!("CARGO_PKG_VERSION")))
            .build()
            .map(Self)
    }
}

/// Where to post, and the keys to sign with.
#[derive(Debug, Clone)]
pub struct Post {
    /// The address. It may hold a secret.
    pub url: String,
    /// The keys; none for a post that is not signed.
    pub keys: Vec<SigningKey>,
}

/// Posts an event with this id once.
pub async fn tell(
    Http(client): &Http,
    post: &Post,
    (id, body): (&str, Vec<u8>),
    timeout: Duration,
    now: Timestamp,
) -> Answer {
    let mut request = client
        .post(&post.url)
        .timeout(timeout)
        .header(CONTENT_TYPE, "application/cloudevents+json; charset=utf-8")
        .header("webhook-id", id)
        .header("webhook-timestamp", now.as_second());
    if let Some(signed) = signature::header(&post.keys, id, now.as_second(), &body) {
        request = request.header("webhook-signature", signed);
    }
    match request.body(body).send().await {
        Ok(response) => answer(response, now).await,
        Err(error) => Answer::refused(in_words(error)),
    }
}

async fn answer(mut response: Response, now: Timestamp) -> Answer {
    let status = response.status();
    let retry_after = retry_after(&response, now);
    let mut body = Vec::new();
    // The status has decided; a body that breaks off is kept as far as it came.
    while body.len() < ACKNOWLEDGEMENT_BYTES_MAX
        && let Ok(Some(piece)) = response.chunk().await
    {
        let room = ACKNOWLEDGEMENT_BYTES_MAX - body.len();
        body.extend(piece.iter().take(room));
    }
    if status.is_success() {
        return Answer::Acknowledged(said(&body));
    }
    body.truncate(REFUSAL_BYTES_MAX);
    let why = said(&body).map_or(status.to_string(), |told| format!("{status}: {told}"));
    match status {
        StatusCode::GONE => Answer::Gone(why),
        _ => Answer::Refused { why, retry_after },
    }
}

/// `Retry-After` as a number of seconds or a date (RFC 9110 section 10.2.3).
fn retry_after(response: &Response, now: Timestamp) -> Option<Duration> {
    let asks = matches!(
        response.status(),
        StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE
    ) || response.status().is_redirection();
    let text = response.headers().get(RETRY_AFTER).filter(|_| asks)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let at = jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(text).ok()?;
    at.duration_since(now).try_into().ok()
}

/// The error and its causes, without the address, which may hold a secret.
fn in_words(error: reqwest::Error) -> String {
    crate::diagnostic::on_one_line(&error.without_url())
}
