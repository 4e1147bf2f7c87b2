//! Which algorithms each listener offers.
//!
//! The default one is hardened: ssh-audit finds no failure in it. The legacy one adds what clients
//! of the last decade need; it has an address list of its own.

use std::borrow::Cow;
use std::time::Duration;

use russh::keys::{Algorithm, EcdsaCurve, HashAlg, PrivateKey};
use russh::{Preferred, SshId, cipher, compression, kex, mac};

use super::auth::{self, ATTEMPTS_MAX};

/// Bytes a client may send before it is told to go on.
const WINDOW_BYTES: u32 = 4 << 20;
/// The longest SSH packet of a channel.
const PACKET_BYTES: u32 = 65_535;
/// What a refused key takes at least; the password has its own.
const REFUSAL: Duration = Duration::from_millis(20);

const KEX: [kex::Name; 5] = [
    kex::MLKEM768X25519_SHA256,
    kex::CURVE25519,
    kex::CURVE25519_PRE_RFC_8731,
    kex::DH_G16_SHA512,
    kex::DH_G18_SHA512,
];
const KEX_LEGACY: [kex::Name; 6] = [
    kex::ECDH_SHA2_NISTP256,
    kex::ECDH_SHA2_NISTP384,
    kex::ECDH_SHA2_NISTP521,
    kex::DH_GEX_SHA256,
    kex::DH_G14_SHA256,
    kex::DH_G14_SHA1,
];
const KEX_EXTENSIONS: [kex::Name; 2] =
    [kex::EXTENSION_SUPPORT_AS_SERVER, kex::EXTENSION_OPENSSH_STRICT_KEX_AS_SERVER];
/// The RSA entries are for partners' keys, which are only verified; the host key is ed25519
/// (RUSTSEC-2023-0071).
const KEYS: [Algorithm; 3] = [
    Algorithm::Ed25519,
    Algorithm::Rsa { hash: Some(HashAlg::Sha512) },
    Algorithm::Rsa { hash: Some(HashAlg::Sha256) },
];
const KEYS_LEGACY: [Algorithm; 2] =
    [Algorithm::Ecdsa { curve: EcdsaCurve::NistP256 }, Algorithm::Rsa { hash: None }];
const CIPHERS: [cipher::Name; 6] = [
    cipher::AES_256_GCM,
    cipher::AES_128_GCM,
    cipher::CHACHA20_POLY1305,
    cipher::AES_256_CTR,
    cipher::AES_192_CTR,
    cipher::AES_128_CTR,
];
const CIPHERS_LEGACY: [cipher::Name; 3] =
    [cipher::AES_256_CBC, cipher::AES_192_CBC, cipher::AES_128_CBC];
const MACS: [mac::Name; 2] = [mac::HMAC_SHA512_ETM, mac::HMAC_SHA256_ETM];
const MACS_LEGACY: [mac::Name; 3] = [mac::HMAC_SHA512, mac::HMAC_SHA256, mac::HMAC_SHA1];
const COMPRESSIONS: [compression::Name; 1] = [compression::NONE];

/// The hardened listener.
pub fn hardened(keys: Vec<PrivateKey>, idle_timeout: Duration) -> russh::server::Config {
    offering(
        Preferred {
            kex: Cow::Owned([&KEX[..], &KEX_EXTENSIONS].concat()),
            key: Cow::Owned(KEYS.to_vec()),
            host_key_certificates: Cow::Borrowed(&[]),
            cipher: Cow::Borrowed(&CIPHERS),
            mac: Cow::Borrowed(&MACS),
            compression: Cow::Borrowed(&COMPRESSIONS),
        },
        keys,
        idle_timeout,
    )
}

/// The legacy listener: the same, and older ones behind.
pub fn legacy(keys: Vec<PrivateKey>, idle_timeout: Duration) -> russh::server::Config {
    offering(
        Preferred {
            kex: Cow::Owned([&KEX[..], &KEX_LEGACY, &KEX_EXTENSIONS].concat()),
            key: Cow::Owned([&KEYS[..], &KEYS_LEGACY].concat()),
            host_key_certificates: Cow::Borrowed(&[]),
            cipher: Cow::Owned([&CIPHERS[..], &CIPHERS_LEGACY].concat()),
            mac: Cow::Owned([&MACS[..], &MACS_LEGACY].concat()),
            compression: Cow::Borrowed(&COMPRESSIONS),
        },
        keys,
        idle_timeout,
    )
}

fn offering(
    preferred: Preferred,
    keys: Vec<PrivateKey>,
    idle_timeout: Duration,
) -> russh::server::Config {
    russh::server::Config {
        server_id: SshId::Standard(Cow::Borrowed("SSH-2.0-landfall")),
        methods: auth::methods(),
        auth_rejection_time: REFUSAL,
        auth_rejection_time_initial: Some(Duration::ZERO),
        max_auth_attempts: ATTEMPTS_MAX as usize,
        keys,
        preferred,
        window_size: WINDOW_BYTES,
        maximum_packet_size: PACKET_BYTES,
        inactivity_timeout: Some(idle_timeout),
        nodelay: true,
        ..russh::server::Config::default()
    }
}
