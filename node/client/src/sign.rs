//! What a client signs with, and the headers that make one attempt a signed one.
//!
//! The clock and the nonce are drawn here: `auth` has neither.

use std::{
    fmt,
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use auth::{COVERED_WHEN_PRESENT, Scheme, SignRequest, Signer, SigningKey};
use model::{AccessKey, KeyAlgorithm, Moment, Nonce};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::Error;

/// A secret text: a secret key, a token. It prints as nothing and is shown only by [`Secret::expose`].
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Secret(String);

impl Secret {
    /// Takes a text as a secret.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text, to be sent, or shown once.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

/// An access key and what it signs with. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Credentials {
    signer: Arc<Signer>,
}

impl Credentials {
    /// The usual pair: an access key and the secret key that was issued with it.
    pub fn hmac(access_key: AccessKey, secret: &Secret) -> Self {
        let key = SigningKey::from_secret(&auth::Secret::from_octets(secret.expose().as_bytes()));
        Self { signer: Arc::new(Signer::new(access_key, key)) }
    }

    /// An access key and a private key (PEM, or PKCS #8 in DER) of its algorithm.
    pub fn private_key(
        access_key: AccessKey,
        algorithm: KeyAlgorithm,
        key: &[u8],
    ) -> Result<Self, Error> {
        let key = SigningKey::from_private_key(algorithm, key)
            .map_err(|error| Error::Options { what: error.to_string() })?;
        Ok(Self { signer: Arc::new(Signer::new(access_key, key)) })
    }

    /// The access key.
    pub fn access_key(&self) -> &AccessKey {
        self.signer.access_key()
    }
}

/// What one attempt sends.
pub(crate) struct ToSign<'a> {
    pub method: &'a str,
    /// `https://host:port/path?query`.
    pub target: &'a str,
    pub headers: &'a [(String, String)],
    pub body: Option<&'a [u8]>,
}

/// The headers to add: digest of the content, signature and its input.
pub(crate) fn sign(
    credentials: &Credentials,
    request: &ToSign<'_>,
) -> Result<Vec<(String, String)>, Error> {
    let rest = request.target.strip_prefix("https://").unwrap_or(request.target);
    let slash = rest.find('/').unwrap_or(rest.len());
    let digest =
        request.body.map(|octets| auth::content_digest_sha256(&Sha256::digest(octets).into()));
    let covered: Vec<(&str, &str)> = request
        .headers
        .iter()
        .filter(|(name, _)| COVERED_WHEN_PRESENT.contains(&name.as_str()))
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let nonce: Nonce = hex::encode(rand::random::<[u8; 16]>())
        .parse()
        .expect("32 hexadecimal characters are a nonce");
    let signed = credentials
        .signer
        .sign(&SignRequest {
            method: request.method,
            scheme: Scheme::Https,
            authority: &rest[..slash],
            path_and_query: &rest[slash..],
            content_digest: digest.as_deref(),
            headers: &covered,
            created: Moment::from_secs(now.as_secs()),
            nonce: Some(&nonce),
        })
        .map_err(|error| Error::Options { what: error.to_string() })?;
    let mut headers = vec![
        ("signature-input".to_owned(), signed.signature_input),
        ("signature".to_owned(), signed.signature),
    ];
    headers.extend(digest.map(|digest| ("content-digest".to_owned(), digest)));
    Ok(headers)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn credentials() -> Credentials {
        Credentials::hmac(AccessKey::from_random([1; 20]), &Secret::new("secret"))
    }

    #[test]
    fn every_attempt_has_its_own_nonce() {
        let request = ToSign {
            method: "POST",
            target: "https://127.0.0.1:8443/v1/packets?x=1",
            headers: &[("idempotency-key".into(), "ik-1".into()), ("accept".into(), "a/b".into())],
            body: Some(b"{}"),
        };
        let first = sign(&credentials(), &request).expect("signed");
        let second = sign(&credentials(), &request).expect("signed");
        let input = &first[0].1;
        for part in [
            "\"@method\"",
            "\"@target-uri\"",
            "\"content-digest\"",
            "\"idempotency-key\"",
            "created=",
            "nonce=",
            "tag=\"lgsp-v1\"",
        ] {
            assert!(input.contains(part), "{part} is not in {input}");
        }
        assert!(!input.contains("accept"));
        assert_ne!(first[0].1, second[0].1);
        assert!(
            first
                .iter()
                .any(|(name, value)| name == "content-digest" && value.starts_with("sha-256=:"))
        );
    }

    #[test]
    fn secrets_print_as_nothing() {
        assert_eq!(format!("{:?}", Secret::new("abc")), "Secret");
        assert!(!format!("{:?}", credentials()).contains("secret"));
    }
}
