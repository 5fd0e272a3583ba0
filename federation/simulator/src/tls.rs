//! Certificates for practice: one of an authority that the client is told of, and one of somebody else.

use std::sync::Arc;

use certs::{Authority, NodeKey, NodeRequest, Presented};
use model::{Moment, NodeId};
use rustls::ServerConfig;
use tokio_rustls::TlsAcceptor;

/// The only protocol that is spoken.
const HTTP_1: &[u8] = b"http/1.1";

/// What presents a certificate, and the authority that issued it, in PEM.
pub(crate) struct Identity {
    pub(crate) acceptor: TlsAcceptor,
    pub(crate) authority: String,
}

impl Identity {
    /// A new authority with a new certificate for these names, which must be made by a right clock.
    pub(crate) fn new(of: &str, names: &[&str], now: Moment) -> Result<Self, certs::Error> {
        let authority = Authority::create(of, 1, now)?;
        let key = NodeKey::generate()?;
        let request = NodeRequest {
            node: NodeId(1),
            cluster: of.to_owned(),
            request: key.request()?,
            names: names.iter().map(|name| (*name).to_owned()).collect(),
            addresses: vec![std::net::Ipv4Addr::LOCALHOST.into()],
        };
        let chain = vec![authority.issue(&request, now)?, authority.certificate().clone()];
        let presented = Presented::new(chain, &key.private_key())?;
        let mut config: ServerConfig = certs::https_server_config(presented)?;
        config.alpn_protocols = vec![HTTP_1.to_vec()];
        let pem = certs::certificates_to_pem(&[authority.certificate()]);
        Ok(Self { acceptor: TlsAcceptor::from(Arc::new(config)), authority: pem })
    }
}
