//! Signatures of webhooks (Standard Webhooks,
//! <https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md>).
//!
//! HMAC-SHA256 over `id.timestamp.body`, as `v1,` and Base64; several keys give several signatures
//! with a space between them, of which the receiver needs one. A key is written `whsec_` and Base64
//! of 24 to 64 bytes.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};

/// What a key's text begins with.
const PREFIX: &str = "whsec_";

/// A key to sign with. Its `Debug` does not show it.
#[derive(Clone, PartialEq, Eq)]
pub struct SigningKey(Vec<u8>);

/// A text is not a key.
#[derive(Debug, thiserror::Error)]
#[error("a signing secret is `whsec_` and the Base64 of 24 to 64 bytes; this one is not")]
pub struct NotAKey;

impl std::str::FromStr for SigningKey {
    type Err = NotAKey;

    fn from_str(text: &str) -> Result<Self, NotAKey> {
        let bytes = text.strip_prefix(PREFIX).and_then(|coded| STANDARD.decode(coded).ok());
        bytes.filter(|bytes| (24..=64).contains(&bytes.len())).map(Self).ok_or(NotAKey)
    }
}

impl std::fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SigningKey(…)")
    }
}

/// The value of the header `webhook-signature`; `None` without keys.
pub fn header(keys: &[SigningKey], id: &str, timestamp_s: i64, body: &[u8]) -> Option<String> {
    let signatures = keys.iter().filter_map(|key| {
        // HMAC takes a key of any length.
        let mut mac = Hmac::<sha2::Sha256>::new_from_slice(&key.0).ok()?;
        mac.update(format!("{id}.{timestamp_s}.").as_bytes());
        mac.update(body);
        Some(format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes())))
    });
    let all: Vec<String> = signatures.collect();
    (!all.is_empty()).then(|| all.join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_specifications_example() {
        let key: SigningKey = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw".parse().expect("a key");
        let signed = header(
            &[key],
            "msg_p5jXN8AQM9LWM0D4loKWxJek",
            1_614_265_330,
            br#"{"test": 2432232314}"#,
        );
        assert_eq!(signed.as_deref(), Some("v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="));
    }

    #[test]
    fn a_text_that_is_no_key_is_not_shown() {
        for text in ["secret", "whsec_", "whsec_c2hvcnQ=", "whsec_!!"] {
            let told = text.parse::<SigningKey>().expect_err(text).to_string();
            assert!(!told.contains("c2hvcnQ") && !told.contains("secret`"), "{told}");
        }
        assert_eq!(header(&[], "id", 0, b""), None);
    }
}
