//! TLS for the sinks that speak a protocol of their own, [`super::postgres`] and [`super::nats`].
//!
//! `require` encrypts and asks nobody who answers: it keeps out who listens, not who stands between.
//! `verify-full` also wants a certificate of the server's name, signed by an authority of the `ca` file
//! or else of this machine. The words are libpq's (PostgreSQL 18, section 32.19.1). The file is read at
//! each attempt, so that changing it needs no restart.
//!
//! Left out: certificates of ours, and PostgreSQL's channel binding.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use rustls_platform_verifier::BuilderVerifierExt as _;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsConnector;
pub use tokio_rustls::client::TlsStream;

use crate::config::Tls;

/// Why there can be no connection with TLS.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The authorities' certificates cannot be read.
    #[error("cannot read the certificates in {}", path.display())]
    Authorities {
        /// Where they are.
        path: PathBuf,
        /// Why.
        #[source]
        source: rustls::pki_types::pem::Error,
    },
    /// The file has no certificate.
    #[error("{} has no certificate; it must be PEM, with -----BEGIN CERTIFICATE-----", .0.display())]
    NoAuthority(PathBuf),
    /// The certificates are not to be used.
    #[error("the certificates cannot be used")]
    Unusable(#[source] rustls::Error),
    /// The server's name cannot be in a certificate.
    #[error("`{0}` is no name that a certificate could have")]
    NoName(String),
}

/// Begins TLS over a connection.
#[derive(Clone)]
pub struct Encryption(TlsConnector);

impl Encryption {
    /// As the settings say; `None` when nothing is encrypted. Relative paths are of the zone.
    ///
    /// # Errors
    /// [`Error`].
    pub fn of(settings: &Tls, zone: &Path) -> Result<Option<Self>, Error> {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let begun = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(Error::Unusable)?;
        let verified = match settings {
            Tls::None => return Ok(None),
            Tls::Require => {
                begun.dangerous().with_custom_certificate_verifier(Arc::new(Anybody(provider)))
            }
            Tls::VerifyFull { ca: None } => {
                begun.with_platform_verifier().map_err(Error::Unusable)?
            }
            Tls::VerifyFull { ca: Some(path) } => {
                begun.with_root_certificates(authorities(&zone.join(path))?)
            }
        };
        let config = Arc::new(verified.with_no_client_auth());
        Ok(Some(Self(TlsConnector::from(config))))
    }

    /// Shakes hands with the server of this name.
    ///
    /// # Errors
    /// What the other side did, or who it is not.
    pub async fn begin<S>(&self, name: &str, stream: S) -> io::Result<TlsStream<S>>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let named = server_name(name).map_err(io::Error::other)?;
        self.0.connect(named, stream).await
    }
}

/// A name that a certificate may have.
///
/// # Errors
/// [`Error::NoName`].
pub fn server_name(name: &str) -> Result<ServerName<'static>, Error> {
    ServerName::try_from(name.to_owned()).map_err(|_invalid| Error::NoName(name.to_owned()))
}

fn authorities(path: &Path) -> Result<RootCertStore, Error> {
    let failed = |source| Error::Authorities { path: path.to_owned(), source };
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(path).map_err(failed)? {
        roots.add(certificate.map_err(failed)?).map_err(Error::Unusable)?;
    }
    match roots.is_empty() {
        true => Err(Error::NoAuthority(path.to_owned())),
        false => Ok(roots),
    }
}

/// Takes any certificate, as `require` says. That the server has its key is verified.
#[derive(Debug)]
struct Anybody(Arc<CryptoProvider>);

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let known = &self.0.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signed, known)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let known = &self.0.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signed, known)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
