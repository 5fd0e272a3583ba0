//! Certificates and keys as operators hand them over: PEM files.

use std::path::Path;

use base64::{Engine, engine::general_purpose::STANDARD};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};

use crate::{Error, files::read_public};

/// Certificates as PEM text, for files and for clients that want the authority.
pub fn certificates_to_pem<C: AsRef<[u8]>>(chain: &[C]) -> String {
    let mut text = String::new();
    for certificate in chain {
        let body = STANDARD.encode(certificate);
        text.push_str("-----BEGIN CERTIFICATE-----\n");
        for line in body.as_bytes().chunks(64) {
            text.extend(line.iter().map(|&c| char::from(c)));
            text.push('\n');
        }
        text.push_str("-----END CERTIFICATE-----\n");
    }
    text
}

/// The certificates in a PEM file, first to last; at least one.
pub fn certificates_from_pem(path: &Path) -> Result<Vec<CertificateDer<'static>>, Error> {
    let text = read_public(path)?;
    chain_from_pem(&text).map_err(|reason| Error::Pem { path: path.to_owned(), reason })
}

/// The certificates of a PEM text, first to last; at least one, or what is wrong, for people.
pub fn chain_from_pem(text: &[u8]) -> Result<Vec<CertificateDer<'static>>, &'static str> {
    let chain = CertificateDer::pem_slice_iter(text).collect::<Result<Vec<_>, _>>();
    let chain = chain.map_err(|_| "not a PEM file of certificates")?;
    if chain.is_empty() { Err("no certificate in it") } else { Ok(chain) }
}

/// The private key of a PEM text, or what is wrong, for people.
pub fn key_from_pem(text: &[u8]) -> Result<PrivateKeyDer<'static>, &'static str> {
    PrivateKeyDer::from_pem_slice(text).map_err(|_| "no private key in it")
}
