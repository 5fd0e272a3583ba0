//! Whom the client believes, and what it presents where a server wants to know who calls.

use std::{fmt, sync::Arc};

use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, OtherError, RootCertStore,
    SignatureScheme,
    client::{
        WebPkiServerVerifier,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    },
    crypto::{CryptoProvider, aws_lc_rs, verify_tls12_signature, verify_tls13_signature},
    pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName, UnixTime},
    version::{TLS12, TLS13},
};
use sha2::{Digest, Sha256};

use crate::Error;

const HTTP_PROTOCOLS: [&[u8]; 2] = [b"h2", b"http/1.1"];

/// Whom to believe. Nobody else is: the system's own authorities are not asked.
#[derive(Debug, Clone)]
pub enum Trust {
    /// One authority: its certificate in DER.
    Authority(Vec<u8>),
    /// Several authorities, for example of an operator's own certificate.
    Authorities(Vec<Vec<u8>>),
    /// The authority with this SHA-256, which the server must send in its chain.
    PinnedAuthority([u8; 32]),
}

/// A certificate of the caller's own, for servers that want one (mutual TLS).
#[derive(Clone)]
pub struct Identity {
    /// The certificate and those that vouch for it, in DER; the caller's own first.
    pub chain: Vec<Vec<u8>>,
    /// Its private key: PKCS #8 in DER.
    pub key: Vec<u8>,
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Identity")
    }
}

/// TLS that believes only what it is told to, and presents a certificate only if it has one.
pub fn tls_config(trust: &Trust, identity: Option<&Identity>) -> Result<ClientConfig, Error> {
    // Handed in, never installed globally: the process has servers with settings of their own.
    let provider = Arc::new(aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider.clone())
        .with_protocol_versions(&[&TLS13, &TLS12])
        .map_err(|error| wrong(error.to_string()))?;
    let not_one = |_| wrong("not an X.509 certificate".into());
    let builder = match trust {
        Trust::Authority(authority) => {
            builder.with_root_certificates(roots([authority.as_slice()]).map_err(not_one)?)
        }
        Trust::Authorities(all) => {
            let all = all.iter().map(Vec::as_slice);
            builder.with_root_certificates(roots(all).map_err(not_one)?)
        }
        Trust::PinnedAuthority(pin) => builder
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(Pinned { pin: *pin, provider })),
    };
    let mut config = match identity {
        None => builder.with_no_client_auth(),
        Some(Identity { chain, key }) => {
            let chain = chain.iter().cloned().map(CertificateDer::from).collect();
            let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.clone()));
            builder
                .with_client_auth_cert(chain, key)
                .map_err(|error| wrong(format!("the certificate to present: {error}")))?
        }
    };
    config.alpn_protocols = HTTP_PROTOCOLS.map(<[u8]>::to_vec).to_vec();
    Ok(config)
}

fn wrong(what: String) -> Error {
    Error::Options { what }
}

fn roots<'a>(
    authorities: impl IntoIterator<Item = &'a [u8]>,
) -> Result<Arc<RootCertStore>, rustls::Error> {
    let mut roots = RootCertStore::empty();
    for authority in authorities {
        roots.add(CertificateDer::from(authority.to_vec()))?;
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
            .find(|certificate| Sha256::digest(certificate)[..] == self.pin)
            .ok_or(rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer))?;
        let verifier = WebPkiServerVerifier::builder_with_provider(
            roots([authority.as_ref()])?,
            self.provider.clone(),
        )
        .build()
        .map_err(|error| CertificateError::Other(OtherError(Arc::new(error))))?;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_certificate_or_key_is_refused_at_the_start() {
        for trust in [Trust::Authority(vec![1]), Trust::Authorities(vec![vec![1], vec![]])] {
            let refused = tls_config(&trust, None).expect_err("it is no certificate");
            assert!(refused.to_string().ends_with("not an X.509 certificate"), "{refused}");
        }
        let identity = Identity { chain: vec![vec![1]], key: vec![2] };
        let trust = Trust::PinnedAuthority([0; 32]);
        assert!(tls_config(&trust, Some(&identity)).is_err());
    }

    #[test]
    fn a_private_key_prints_as_nothing() {
        let identity = Identity { chain: vec![vec![1]], key: b"secret".to_vec() };
        assert_eq!(format!("{identity:?}"), "Identity");
    }
}
