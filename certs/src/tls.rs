//! TLS settings for the mesh and for HTTPS, with an identity that can be renewed while running.

use std::{
    fmt,
    sync::{Arc, PoisonError, RwLock},
};

use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, OtherError, RootCertStore, ServerConfig,
    SignatureScheme,
    client::{
        ResolvesClientCert, WebPkiServerVerifier,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    },
    crypto::{CryptoProvider, aws_lc_rs, verify_tls12_signature, verify_tls13_signature},
    server::{ClientHello, ResolvesServerCert},
    sign::CertifiedKey,
    version::{TLS12, TLS13},
};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};

use crate::{Error, sha256};

const HTTP_PROTOCOLS: [&[u8]; 2] = [b"h2", b"http/1.1"];

/// The one cryptographic provider; passed wherever TLS is set up, never installed globally.
pub fn provider() -> Arc<CryptoProvider> {
    Arc::new(aws_lc_rs::default_provider())
}

/// The certificate that a node presents, on every connection begun from now on.
///
/// Renewal replaces it; connections that exist keep the one they were made with.
pub struct Presented(RwLock<Arc<CertifiedKey>>);

impl Presented {
    /// Presents this chain (the node's own first, then the authority's) with its key.
    pub fn new(
        chain: Vec<CertificateDer<'static>>,
        key: &PrivateKeyDer<'_>,
    ) -> Result<Arc<Self>, Error> {
        Ok(Arc::new(Self(RwLock::new(certified(chain, key)?))))
    }

    /// Presents another chain from now on. On an error the former one stays.
    pub fn replace(
        &self,
        chain: Vec<CertificateDer<'static>>,
        key: &PrivateKeyDer<'_>,
    ) -> Result<(), Error> {
        let next = certified(chain, key)?;
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = next;
        Ok(())
    }

    /// The node's own certificate, as presented now.
    pub fn certificate(&self) -> CertificateDer<'static> {
        self.current().cert[0].clone()
    }

    /// All that is presented, the node's own certificate first.
    pub fn chain(&self) -> Vec<CertificateDer<'static>> {
        self.current().cert.clone()
    }

    fn current(&self) -> Arc<CertifiedKey> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl fmt::Debug for Presented {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Presented")
    }
}

impl ResolvesServerCert for Presented {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.current())
    }
}

impl ResolvesClientCert for Presented {
    fn resolve(&self, _: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        Some(self.current())
    }

    fn has_certs(&self) -> bool {
        true
    }
}

fn certified(
    chain: Vec<CertificateDer<'static>>,
    key: &PrivateKeyDer<'_>,
) -> Result<Arc<CertifiedKey>, Error> {
    if chain.is_empty() {
        return Err(Error::Certificate);
    }
    let signer =
        provider().key_provider.load_private_key(key.clone_key()).map_err(|_| Error::PrivateKey)?;
    let certified = CertifiedKey::new(chain, signer);
    match certified.keys_match() {
        Ok(()) => Ok(Arc::new(certified)),
        Err(rustls::Error::InconsistentKeys(_)) => Err(Error::KeyMismatch),
        Err(_) => Err(Error::Certificate),
    }
}

/// HTTPS for applications: TLS 1.3 and 1.2, HTTP/2 and HTTP/1.1, no client certificates.
pub fn https_server_config(presented: Arc<Presented>) -> Result<ServerConfig, Error> {
    let mut config = ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&TLS13, &TLS12])
        .map_err(Error::Tls)?
        .with_no_client_auth()
        .with_cert_resolver(presented);
    config.alpn_protocols = HTTP_PROTOCOLS.map(<[u8]>::to_vec).to_vec();
    Ok(config)
}

/// Whom an HTTPS client believes.
#[derive(Debug, Clone)]
pub enum Trust {
    /// The cluster's authority.
    Authority(CertificateDer<'static>),
    /// Several authorities, for example of an operator's own certificate.
    Authorities(Vec<CertificateDer<'static>>),
    /// The authority with this SHA-256, which the server must send in its chain.
    PinnedAuthority([u8; 32]),
}

/// An HTTPS client that believes only what it is told to.
pub fn https_client_config(trust: Trust) -> Result<ClientConfig, Error> {
    let builder = ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&TLS13, &TLS12])
        .map_err(Error::Tls)?;
    let builder = match trust {
        Trust::Authority(authority) => builder.with_root_certificates(roots([&authority])?),
        Trust::Authorities(all) => builder.with_root_certificates(roots(&all)?),
        Trust::PinnedAuthority(pin) => builder
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(Pinned { pin, provider: provider() })),
    };
    let mut config = builder.with_no_client_auth();
    config.alpn_protocols = HTTP_PROTOCOLS.map(<[u8]>::to_vec).to_vec();
    Ok(config)
}

/// The authority with this SHA-256 in a chain, if it is there.
pub fn pinned_authority<'a>(
    chain: &'a [CertificateDer<'static>],
    pin: &[u8; 32],
) -> Option<&'a CertificateDer<'static>> {
    chain.iter().find(|certificate| sha256(certificate) == *pin)
}

pub(crate) fn roots<'a>(
    authorities: impl IntoIterator<Item = &'a CertificateDer<'a>>,
) -> Result<Arc<RootCertStore>, Error> {
    let mut roots = RootCertStore::empty();
    for authority in authorities {
        roots.add(authority.clone().into_owned()).map_err(|_| Error::Certificate)?;
    }
    Ok(Arc::new(roots))
}

/// Believes the one authority whose digest is known, once the server has sent it, and then
/// checks the chain, the name and the dates as for any authority.
#[derive(Debug)]
struct Pinned {
    pin: [u8; 32],
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Pinned {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let authority = intermediates
            .iter()
            .find(|certificate| sha256(certificate) == self.pin)
            .ok_or(rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer))?;
        let other = |error: Error| CertificateError::Other(OtherError(Arc::new(error)));
        let verifier = WebPkiServerVerifier::builder_with_provider(
            roots([authority]).map_err(other)?,
            self.provider.clone(),
        )
        .build()
        .map_err(|error| other(Error::Verifier(error)))?;
        verifier.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(
            message,
            certificate,
            signature,
            &self.provider.signature_verification_algorithms,
        )
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(
            message,
            certificate,
            signature,
            &self.provider.signature_verification_algorithms,
        )
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
