//! What proves a partner: keys, certificates, passwords, and whether they still do.
//!
//! russh has checked that a signature is right, and of a certificate its dates and its authority's
//! signature; whose it is, what it may be used for and from where is decided here
//! (OpenSSH's PROTOCOL.certkeys).

use std::net::IpAddr;

use ipnet::IpNet;
use russh::keys::ssh_key::certificate::CertType;
use russh::keys::ssh_key::public::KeyData;
use russh::keys::{Algorithm, Certificate, HashAlg, PublicKey};

use crate::clock::Timestamp;
use crate::config::Partner;
use crate::config::partner::{self, Authority};

/// RSA keys with fewer bits are refused.
const RSA_BITS_MIN: u32 = 3072;

/// How a login was proved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Proof {
    /// With the password of this hash.
    Password(String),
    /// With this key.
    Key(KeyData),
    /// With a certificate by this authority.
    Certificate(KeyData),
}

impl Proof {
    /// Whether a partner's account, as it is written now, still lets in whom it let in with this.
    ///
    /// # Errors
    /// Why not, as a sentence for the operator.
    pub fn holds(&self, partner: &Partner, now: Timestamp, origin: IpAddr) -> Result<(), String> {
        check_account(partner, origin)?;
        match self {
            Self::Password(hash) if partner.password.as_ref() == Some(hash) => Ok(()),
            Self::Password(_) => Err("the password was changed or removed".to_owned()),
            Self::Key(key) => check_key(partner, key, now, origin),
            Self::Certificate(authority) => {
                find_authority(partner, authority, now, origin).map(drop)
            }
        }
    }
}

/// Whether the account lets anybody in from there.
///
/// # Errors
/// Why not, as a sentence for the operator.
pub fn check_account(partner: &Partner, origin: IpAddr) -> Result<(), String> {
    if partner.disabled {
        return Err(format!("the account {} is disabled", partner.name));
    }
    if !partner::is_among(&partner.from, origin) {
        return Err(format!("`from` of {} does not allow {origin}", partner.name));
    }
    Ok(())
}

/// Whether a key is the partner's and may be used now and from there.
///
/// # Errors
/// Why not, as a sentence for the operator.
pub fn check_key(
    partner: &Partner,
    key: &KeyData,
    now: Timestamp,
    origin: IpAddr,
) -> Result<(), String> {
    let name = &partner.name;
    let shown = key.fingerprint(HashAlg::Sha256);
    let mut why = format!("{} {shown} is not a key of {name}", key.algorithm());
    for known in partner.keys.iter().filter(|known| is_line_of(&known.line, key)) {
        match known.check(now, origin) {
            Ok(()) => return check_strength(key, name.as_str()),
            Err(told) => why = format!("the key {shown} of {name} {told}"),
        }
    }
    Err(why)
}

/// Whether a certificate lets in as the partner, now and from there; its authority's key.
///
/// # Errors
/// Why not, as a sentence for the operator.
pub fn check_certificate(
    partner: &Partner,
    certificate: &Certificate,
    now: Timestamp,
    origin: IpAddr,
) -> Result<KeyData, String> {
    if certificate.cert_type() != CertType::User {
        return Err("it is a host's certificate, not a user's".to_owned());
    }
    let signer = certificate.signature_key();
    let authority = find_authority(partner, signer, now, origin)?;
    if matches!(certificate.signature().algorithm(), Algorithm::Rsa { hash: None }) {
        return Err("it is signed with SHA-1".to_owned());
    }
    check_strength(signer, "its authority")?;
    check_strength(certificate.public_key(), partner.name.as_str())?;
    check_principals(partner, authority, certificate.valid_principals())?;
    for (option, value) in certificate.critical_options().iter() {
        check_option(option, value, origin)?;
    }
    Ok(signer.clone())
}

fn find_authority<'p>(
    partner: &'p Partner,
    signer: &KeyData,
    now: Timestamp,
    origin: IpAddr,
) -> Result<&'p Authority, String> {
    let shown = signer.fingerprint(HashAlg::Sha256);
    let mut why = format!("{} trusts no authority {shown} (`[[ca]]`)", partner.name);
    for known in partner.authorities.iter().filter(|known| is_line_of(&known.line, signer)) {
        match known.check(now, origin) {
            Ok(()) => return Ok(known),
            Err(told) => why = format!("the authority {shown} of {} {told}", partner.name),
        }
    }
    Err(why)
}

/// A certificate without principals is for anybody, and so for nobody in particular.
fn check_principals(
    partner: &Partner,
    authority: &Authority,
    principals: &[String],
) -> Result<(), String> {
    let own = [partner.name.to_string()];
    let wanted = match authority.principals.as_slice() {
        [] => own.as_slice(),
        listed => listed,
    };
    if principals.iter().any(|principal| wanted.contains(principal)) {
        return Ok(());
    }
    let (has, wants) = (principals.join(", "), wanted.join(", "));
    let has = if has.is_empty() { "none".to_owned() } else { has };
    Err(format!("its principals ({has}) have none of {wants}"))
}

fn check_option(option: &str, value: &str, origin: IpAddr) -> Result<(), String> {
    match option {
        "source-address" => {
            let network = |text: &str| -> Option<IpNet> {
                let text = text.trim();
                text.parse().ok().or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from))
            };
            let networks: Option<Vec<IpNet>> = value.split(',').map(network).collect();
            match networks {
                Some(networks) if !networks.is_empty() && partner::is_among(&networks, origin) => {
                    Ok(())
                }
                Some(_) | None => {
                    Err(format!("its source-address {value} does not allow {origin}"))
                }
            }
        }
        "force-command" if value == "internal-sftp" => Ok(()),
        _ => Err(format!("its critical option `{option}` is not supported here")),
    }
}

fn check_strength(key: &KeyData, whose: &str) -> Result<(), String> {
    if let KeyData::Rsa(rsa) = key
        && rsa.key_size() < RSA_BITS_MIN
    {
        return Err(format!(
            "the RSA key of {whose} has {} bits; at least {RSA_BITS_MIN} are needed",
            rsa.key_size()
        ));
    }
    Ok(())
}

fn is_line_of(line: &str, key: &KeyData) -> bool {
    PublicKey::from_openssh(line).is_ok_and(|known| known.key_data() == key)
}
