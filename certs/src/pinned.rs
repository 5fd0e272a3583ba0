//! TLS between nodes: a member is known by its key, whoever has certified it; whom a node does not know
//! yet, an authority vouches for.
//!
//! So a node that was away while the authority changed, or while its certificate ended, is believed by
//! its peers and believes them. An authority's word lets a new node speak; whether it is a member is
//! asked of the state after the handshake.

use std::{fmt, sync::Arc};

use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, DistinguishedName, ServerConfig,
    SignatureScheme,
    client::{
        Resumption, WebPkiServerVerifier,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    },
    server::{
        NoServerSessionStorage, WebPkiClientVerifier,
        danger::{ClientCertVerified, ClientCertVerifier},
    },
    version::TLS13,
};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};

use crate::{
    Error, MESH_PROTOCOL, Presented,
    tls::{provider, roots},
};

/// The name under which a member is called, if a certificate (DER) names one and is for its very key. Of callers
/// also one that was removed, so that it can be told.
pub type IsMember = Arc<dyn Fn(&[u8]) -> Option<String> + Send + Sync>;

/// The mesh's answering side: TLS 1.3 only, and a certificate is demanded, of a member or of an
/// authority. Sessions are never resumed: every connection proves its certificate anew.
pub fn mesh_server_config(
    authority: &CertificateDer<'static>,
    is_member: IsMember,
    presented: Arc<Presented>,
) -> Result<ServerConfig, Error> {
    let vouched = WebPkiClientVerifier::builder_with_provider(roots([authority])?, provider())
        .build()
        .map_err(Error::Verifier)?;
    let verifier = Arc::new(Caller { vouched, is_member });
    let mut config = ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&TLS13])
        .map_err(Error::Tls)?
        .with_client_cert_verifier(verifier)
        .with_cert_resolver(presented);
    config.alpn_protocols = vec![MESH_PROTOCOL.to_vec()];
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    Ok(config)
}

/// The mesh's calling side: the peer's certificate must carry the name of the node called.
pub fn mesh_client_config(
    authority: &CertificateDer<'static>,
    is_member: IsMember,
    presented: Arc<Presented>,
) -> Result<ClientConfig, Error> {
    let vouched = WebPkiServerVerifier::builder_with_provider(roots([authority])?, provider())
        .build()
        .map_err(Error::Verifier)?;
    let verifier = Arc::new(Called { vouched, is_member });
    let mut config = ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&TLS13])
        .map_err(Error::Tls)?
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_client_cert_resolver(presented);
    config.alpn_protocols = vec![MESH_PROTOCOL.to_vec()];
    config.resumption = Resumption::disabled();
    Ok(config)
}

/// Judges who is called. The other side proves in either case that it has the certificate's key.
struct Called {
    vouched: Arc<WebPkiServerVerifier>,
    is_member: IsMember,
}

impl fmt::Debug for Called {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Called")
    }
}

impl ServerCertVerifier for Called {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        match (self.is_member)(end_entity) {
            Some(name) if *server_name.to_str() == *name => Ok(ServerCertVerified::assertion()),
            // A member, and another one than was called.
            Some(_) => Err(CertificateError::NotValidForName.into()),
            None => self.vouched.verify_server_cert(
                end_entity,
                intermediates,
                server_name,
                ocsp_response,
                now,
            ),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.vouched.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.vouched.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.vouched.supported_verify_schemes()
    }
}

/// Judges who calls.
struct Caller {
    vouched: Arc<dyn ClientCertVerifier>,
    is_member: IsMember,
}

impl fmt::Debug for Caller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Caller")
    }
}

impl ClientCertVerifier for Caller {
    // A caller shows the one certificate that it has, whatever is suggested to it.
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        match (self.is_member)(end_entity) {
            Some(_) => Ok(ClientCertVerified::assertion()),
            None => self.vouched.verify_client_cert(end_entity, intermediates, now),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.vouched.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.vouched.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.vouched.supported_verify_schemes()
    }
}
