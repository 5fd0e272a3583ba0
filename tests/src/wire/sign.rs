//! Signed requests: what an application adds to each request, by the profile `lgsp-v1`.

use std::{sync::Arc, time::SystemTime};

use anyhow::{Context, Result};
use auth::{Scheme, Secret, SignRequest, Signer, SigningKey};
use model::{Moment, Nonce};
use rand::Rng;

use super::Request;

/// Headers that the profile wants covered when they are sent.
const COVERED: [&str; 7] = [
    "authorization",
    "idempotency-key",
    "packet-digest",
    "upload-length",
    "upload-offset",
    "upload-metadata",
    "upload-concat",
];

const DIGEST: &str = "content-digest";

/// An access key and what signs with it. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Credential(Arc<Signer>);

impl Credential {
    /// The key as it was issued.
    pub fn new(access_key: &str, secret_key: &str) -> Result<Self> {
        let secret = Secret::from_octets(secret_key);
        let access_key = access_key.parse().context("an access key is expected")?;
        Ok(Self(Arc::new(Signer::new(access_key, SigningKey::from_secret(&secret)))))
    }

    /// The public half.
    pub fn access_key(&self) -> &str {
        self.0.access_key().as_str()
    }

    /// Signs a request to a node: digest of the body (unless it is there already), a fresh nonce, the
    /// present time.
    pub fn sign(&self, authority: &str, request: Request) -> Request {
        self.sign_at(authority, request, now())
    }

    /// The same for another moment.
    pub fn sign_at(&self, authority: &str, mut request: Request, created: Moment) -> Request {
        let known = request.headers.iter().find(|(name, _)| *name == DIGEST);
        let digest = match known {
            Some((_, digest)) => Some(digest.clone()),
            None if request.body.is_empty() => None,
            None => Some(digest_field(&request.body)),
        };
        let known = known.is_some();
        let covered: Vec<(&str, &str)> = request
            .headers
            .iter()
            .filter(|(name, _)| COVERED.contains(name))
            .map(|(name, value)| (*name, value.as_str()))
            .collect();
        let nonce = nonce();
        let signed = self.0.sign(&SignRequest {
            method: request.method,
            scheme: Scheme::Https,
            authority,
            path_and_query: &request.target,
            content_digest: digest.as_deref(),
            headers: &covered,
            created,
            nonce: Some(&nonce),
        });
        let signed = signed.expect("HMAC signs every request, and our headers have no line breaks");
        request.headers.extend(digest.filter(|_| !known).map(|digest| (DIGEST, digest)));
        request.headers.push(("signature-input", signed.signature_input));
        request.headers.push(("signature", signed.signature));
        request
    }
}

/// The value of `Content-Digest` for a body.
fn digest_field(body: &[u8]) -> String {
    auth::content_digest_sha256(&certs::sha256(body))
}

impl Request {
    /// The same with its digest in place, so that signing it again and again hashes nothing.
    pub fn digested(self) -> Self {
        let digest = digest_field(&self.body);
        self.header(DIGEST, digest)
    }
}

/// The present moment by the wall clock.
pub(super) fn now() -> Moment {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    Moment(since.map_or(0, |since| since.as_millis() as u64))
}

fn nonce() -> Nonce {
    let mut random = [0; 16];
    rand::rng().fill_bytes(&mut random);
    hex::encode(random).parse().expect("32 hexadecimal digits are a nonce")
}
