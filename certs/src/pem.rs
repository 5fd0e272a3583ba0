//! Certificates and keys as operators hand them over: PEM files.

use std::path::Path;

use base64::{Engine, engine::general_purpose::STANDARD};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};

use crate::{Error, files::read_public};

/// What «Unicode» of Windows' editors is.
const UTF_16: &str = "it is UTF-16: save it as UTF-8";

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
    let fail = |reason| Error::Pem { path: path.to_owned(), reason };
    let file = read_public(path)?;
    let text = model::without_mark(&file).map_err(|_| fail(UTF_16))?;
    let chain = CertificateDer::pem_slice_iter(text)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|_| fail("not a PEM file of certificates"))?;
    if chain.is_empty() { Err(fail("no certificate in it")) } else { Ok(chain) }
}

/// An operator's own certificate chain and its private key from their PEM files.
pub fn load_certified_pem(
    chain: &Path,
    key: &Path,
) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>), Error> {
    let certificates = certificates_from_pem(chain)?;
    let fail = |reason| Error::Pem { path: key.to_owned(), reason };
    let file = read_public(key)?;
    let text = model::without_mark(&file).map_err(|_| fail(UTF_16))?;
    let key = PrivateKeyDer::from_pem_slice(text).map_err(|_| fail("no private key in it"))?;
    Ok((certificates, key))
}
