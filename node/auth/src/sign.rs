//! Signing for clients: the profile `lgsp-v1`, by any of its algorithms.
//!
//! Nothing here draws a nonce or a time: they are handed in. The salt of RSA-PSS and the
//! random number of ECDSA are drawn inside aws-lc-rs, which takes none from outside.

use std::fmt::Write as _;

use aws_lc_rs::{
    encoding::AsDer,
    rand::SystemRandom,
    signature::{
        ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair, RSA_PKCS1_SHA256,
        RSA_PSS_SHA512, RsaKeyPair,
    },
};
use base64::{Engine, engine::general_purpose::STANDARD};
use hmac::{Hmac, KeyInit, Mac};
use model::{AccessKey, KeyAlgorithm, Moment, Nonce};
use rsa::pkcs8::SecretDocument;
use sha2::Sha256;

use crate::{Scheme, Secret, TAG, head::PublicName};

/// The label of our own signatures; servers must not care.
const LABEL: &str = "lgsp";

/// Why a request cannot be signed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SignError {
    /// The private key cannot be read.
    #[error("the private key cannot be used: {reason}")]
    KeyUnusable {
        /// Why.
        reason: &'static str,
    },
    /// A header cannot be covered.
    #[error("the header {name} cannot be covered: its name or value is not one of HTTP")]
    Header {
        /// Its name.
        name: String,
    },
    /// The library refused to sign.
    #[error("signing failed")]
    Failed,
}

/// A key that signs. Prints as its algorithm.
pub struct SigningKey(Inner);

enum Inner {
    /// The keyed state, so that a load tool derives it once.
    Hmac(Box<Hmac<Sha256>>),
    Rsa(Box<RsaKeyPair>, KeyAlgorithm),
    Ed25519(Box<Ed25519KeyPair>),
    EcdsaP256(Box<EcdsaKeyPair>),
}

impl std::fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SigningKey({})", self.algorithm())
    }
}

impl SigningKey {
    /// The secret key of HMAC, as it was issued.
    pub fn from_secret(secret: &Secret) -> Self {
        let keyed = Hmac::new_from_slice(secret.expose()).expect("HMAC takes keys of any length");
        Self(Inner::Hmac(Box::new(keyed)))
    }

    /// Reads a private key: PEM (PKCS #8, PKCS #1 or SEC 1) or PKCS #8 in DER.
    pub fn from_private_key(algorithm: KeyAlgorithm, text: &[u8]) -> Result<Self, SignError> {
        let unusable = |reason| SignError::KeyUnusable { reason };
        let trimmed = text.trim_ascii();
        let document = if trimmed.starts_with(b"-----BEGIN") {
            let pem = std::str::from_utf8(trimmed).map_err(|_| unusable("it is not PEM"))?;
            let (label, document) =
                SecretDocument::from_pem(pem).map_err(|_| unusable("it is not PEM"))?;
            if !label.ends_with("PRIVATE KEY") || label.starts_with("ENCRYPTED") {
                return Err(unusable("a PEM block PRIVATE KEY without a password is expected"));
            }
            Some(document)
        } else {
            None
        };
        let der = document.as_ref().map_or(text, SecretDocument::as_bytes);
        let inner = match algorithm {
            KeyAlgorithm::HmacSha256 => return Err(unusable("the algorithm has no private key")),
            KeyAlgorithm::RsaV15Sha256 | KeyAlgorithm::RsaPssSha512 => {
                let key = RsaKeyPair::from_pkcs8(der).or_else(|_| RsaKeyPair::from_der(der));
                key.map(|key| Inner::Rsa(Box::new(key), algorithm))
                    .map_err(|_| unusable("it is not an RSA private key"))?
            }
            KeyAlgorithm::Ed25519 => Ed25519KeyPair::from_pkcs8_maybe_unchecked(der)
                .map(|key| Inner::Ed25519(Box::new(key)))
                .map_err(|_| unusable("it is not an Ed25519 private key"))?,
            KeyAlgorithm::EcdsaP256Sha256 => {
                EcdsaKeyPair::from_private_key_der(&ECDSA_P256_SHA256_FIXED_SIGNING, der)
                    .map(|key| Inner::EcdsaP256(Box::new(key)))
                    .map_err(|_| unusable("it is not a P-256 private key"))?
            }
        };
        Ok(Self(inner))
    }

    /// The algorithm that it signs with.
    pub fn algorithm(&self) -> KeyAlgorithm {
        match &self.0 {
            Inner::Hmac(_) => KeyAlgorithm::HmacSha256,
            Inner::Rsa(_, algorithm) => *algorithm,
            Inner::Ed25519(_) => KeyAlgorithm::Ed25519,
            Inner::EcdsaP256(_) => KeyAlgorithm::EcdsaP256Sha256,
        }
    }

    /// The public key to register (SubjectPublicKeyInfo in DER); none for HMAC.
    pub fn public_key(&self) -> Option<Vec<u8>> {
        let der = match &self.0 {
            Inner::Hmac(_) => return None,
            Inner::Rsa(key, _) => key.public_key().as_der(),
            Inner::Ed25519(key) => key.public_key().as_der(),
            Inner::EcdsaP256(key) => key.public_key().as_der(),
        };
        der.ok().map(|der| der.as_ref().to_vec())
    }

    /// Signs octets: the bare step, without a profile.
    pub fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SignError> {
        match &self.0 {
            Inner::Hmac(keyed) => {
                let mut mac = Hmac::clone(keyed);
                mac.update(message);
                Ok(mac.finalize().into_bytes().to_vec())
            }
            Inner::Rsa(key, algorithm) => {
                let padding: &'static dyn aws_lc_rs::signature::RsaEncoding = match algorithm {
                    KeyAlgorithm::RsaPssSha512 => &RSA_PSS_SHA512,
                    _ => &RSA_PKCS1_SHA256,
                };
                let mut signature = vec![0; key.public_modulus_len()];
                key.sign(padding, &SystemRandom::new(), message, &mut signature)
                    .map_err(|_| SignError::Failed)?;
                Ok(signature)
            }
            Inner::Ed25519(key) => Ok(key.sign(message).as_ref().to_vec()),
            Inner::EcdsaP256(key) => key
                .sign(&SystemRandom::new(), message)
                .map(|signature| signature.as_ref().to_vec())
                .map_err(|_| SignError::Failed),
        }
    }
}

/// A request to be signed.
#[derive(Debug, Clone, Copy)]
pub struct SignRequest<'a> {
    /// The method.
    pub method: &'a str,
    /// The scheme of the URL.
    pub scheme: Scheme,
    /// The host, and the port when it is not the scheme's own.
    pub authority: &'a str,
    /// The path and query exactly as they will be sent, percent-encoding included.
    pub path_and_query: &'a str,
    /// The value of `Content-Digest`; needed whenever there is content.
    pub content_digest: Option<&'a str>,
    /// Further headers to cover, by lower-case name: `idempotency-key`, `authorization`,
    /// `upload-*` must be among them when they are sent. One entry a header.
    pub headers: &'a [(&'a str, &'a str)],
    /// Now, by the client's clock.
    pub created: Moment,
    /// A fresh random nonce; needed for every method that changes something.
    pub nonce: Option<&'a Nonce>,
}

/// The two header values of a signed request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignatureFields {
    /// The value of `Signature-Input`.
    pub signature_input: String,
    /// The value of `Signature`.
    pub signature: String,
}

/// Signs requests with one access key.
#[derive(Debug)]
pub struct Signer {
    access_key: AccessKey,
    key: SigningKey,
    tag: &'static str,
}

impl Signer {
    /// A signer for the profile `lgsp-v1`.
    pub fn new(access_key: AccessKey, key: SigningKey) -> Self {
        Self { access_key, key, tag: TAG }
    }

    /// The same signer for another tag.
    pub fn with_tag(self, tag: &'static str) -> Self {
        Self { tag, ..self }
    }

    /// The access key that it signs for.
    pub fn access_key(&self) -> &AccessKey {
        &self.access_key
    }

    /// Signs a request: method, target, the digest of its content and the headers given.
    pub fn sign(&self, request: &SignRequest<'_>) -> Result<SignatureFields, SignError> {
        let name = PublicName::new(request.scheme, request.authority);
        let path = request.path_and_query;
        let slash = if path.starts_with('/') { "" } else { "/" };
        let mut base = String::with_capacity(512);
        let mut input = String::with_capacity(320);
        const ROOM: &str = "a String takes all that is written";
        write!(input, "{LABEL}=(\"@method\" \"@target-uri\"").expect(ROOM);
        let (scheme, authority) = (name.scheme.as_str(), &name.authority);
        writeln!(base, "\"@method\": {}", request.method).expect(ROOM);
        writeln!(base, "\"@target-uri\": {scheme}://{authority}{slash}{path}").expect(ROOM);
        let digest = request.content_digest.map(|value| ("content-digest", value));
        for (name, value) in digest.into_iter().chain(request.headers.iter().copied()) {
            check_header(name, value)?;
            write!(input, " \"{name}\"").expect(ROOM);
            writeln!(base, "\"{name}\": {}", value.trim_matches([' ', '\t'])).expect(ROOM);
        }
        write!(input, ");created={}", request.created.secs()).expect(ROOM);
        if let Some(nonce) = request.nonce {
            input.push_str(";nonce=\"");
            for c in nonce.as_str().chars() {
                if matches!(c, '"' | '\\') {
                    input.push('\\');
                }
                input.push(c);
            }
            input.push('"');
        }
        write!(input, ";keyid=\"{}\";tag=\"{}\"", self.access_key, self.tag).expect(ROOM);
        write!(base, "\"@signature-params\": {}", &input[LABEL.len() + 1..]).expect(ROOM);

        let octets = self.key.sign(base.as_bytes())?;
        let mut signature = String::with_capacity(LABEL.len() + 3 + octets.len() * 4 / 3 + 4);
        signature.push_str(LABEL);
        signature.push_str("=:");
        STANDARD.encode_string(&octets, &mut signature);
        signature.push(':');
        Ok(SignatureFields { signature_input: input, signature })
    }
}

fn check_header(name: &str, value: &str) -> Result<(), SignError> {
    let name_ok = !name.is_empty()
        && name
            .bytes()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, b'-' | b'_'));
    if name_ok && !value.bytes().any(|c| matches!(c, b'\r' | b'\n' | 0)) {
        Ok(())
    } else {
        Err(SignError::Header { name: name.to_owned() })
    }
}
