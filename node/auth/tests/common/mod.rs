//! What the tests share: requests that can be changed after signing, keys, and the whole check
//! (head, then body) as a node does it.
#![allow(dead_code, missing_docs)]

use auth::{
    Header, KeyMaterial, Material, Policy, PublicKey, PublicNames, Rejection, RequestHead, Scheme,
    Secret, SignRequest, Signed, Signer, SigningKey, Whole, content_digest_sha256, verify,
};
use model::{AccessKey, Grant, KeyAlgorithm, KeyStatus, Moment};
use sha2::{Digest as _, Sha256};

pub const NOW: Moment = Moment::from_secs(1_795_334_851);
pub const KEY: &str = "AKAAAAAAAAAAAAAAAAAAAA";
pub const OTHER_KEY: &str = "AKBBBBBBBBBBBBBBBBBBBB";
pub const SECRET: &str = "uFzR4bQ1m8w3yV7tK0nXjL2cHsD9aGpE5iOeJxTqZrY";
pub const OTHER_SECRET: &str = "YrZqTxJeOi5EpGa9DsHc2LjXn0Kt7Vy3w8m1Qb4RzFu";
pub const NONCE: &str = "0123456789abcdef0123456789abcdef";
pub const HOST: &str = "lgsp.example.vn";
pub const OTHER_HOST: &str = "api.example.vn";

pub const RSA: &str = include_str!("../vectors/rfc9421-rsa.pem");
pub const RSA_PUBLIC: &str = include_str!("../vectors/rfc9421-rsa.pub.pem");
pub const RSA_PSS_PUBLIC: &str = include_str!("../vectors/rfc9421-rsa-pss.pub.pem");
pub const P256: &str = include_str!("../vectors/rfc9421-p256.pem");
pub const P256_PUBLIC: &str = include_str!("../vectors/rfc9421-p256.pub.pem");
pub const ED25519: &str = include_str!("../vectors/rfc9421-ed25519.pem");
pub const ED25519_PUBLIC: &str = include_str!("../vectors/rfc9421-ed25519.pub.pem");

/// A request whose every part can be changed.
#[derive(Debug, Clone, PartialEq)]
pub struct Request {
    pub method: String,
    pub authority: String,
    pub path: String,
    pub query: Option<String>,
    pub headers: Vec<(String, Vec<u8>)>,
    pub body: Vec<u8>,
}

impl Request {
    pub fn new(method: &str, target: &str) -> Self {
        let (path, query) = match target.split_once('?') {
            Some((path, query)) => (path, Some(query.to_owned())),
            None => (target, None),
        };
        Self {
            method: method.to_owned(),
            authority: HOST.to_owned(),
            path: path.to_owned(),
            query,
            headers: vec![
                ("host".to_owned(), HOST.into()),
                ("user-agent".to_owned(), b"test".to_vec()),
            ],
            body: Vec::new(),
        }
    }

    pub fn header(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        self.headers.push((name.to_owned(), value.as_ref().to_vec()));
        self
    }

    pub fn body(mut self, body: &[u8]) -> Self {
        self.body = body.to_vec();
        let digest = content_digest_sha256(&Sha256::digest(body).into());
        self.header("content-length", body.len().to_string()).header("content-digest", digest)
    }

    pub fn get(&self, name: &str) -> Option<&str> {
        let (_, value) = self.headers.iter().find(|(n, _)| n == name)?;
        std::str::from_utf8(value).ok()
    }

    pub fn set(&mut self, name: &str, value: impl AsRef<[u8]>) {
        self.remove(name);
        self.headers.push((name.to_owned(), value.as_ref().to_vec()));
    }

    pub fn remove(&mut self, name: &str) {
        self.headers.retain(|(n, _)| n != name);
    }

    pub fn target(&self) -> String {
        match &self.query {
            Some(query) => format!("{}?{query}", self.path),
            None => self.path.clone(),
        }
    }

    pub fn with_head<T>(&self, f: impl FnOnce(&RequestHead<'_>) -> T) -> T {
        let headers: Vec<Header<'_>> =
            self.headers.iter().map(|(name, value)| (name.as_str(), value.as_slice())).collect();
        f(&RequestHead {
            method: &self.method,
            authority: &self.authority,
            path: &self.path,
            query: self.query.as_deref(),
            headers: &headers,
        })
    }

    /// Signs with our own signer, covering the fields that must be covered.
    pub fn signed(mut self, key: SigningKey) -> Self {
        let signer = Signer::new(KEY.parse().expect("a key"), key);
        let covered = ["authorization", "idempotency-key", "upload-offset", "content-type"];
        let headers: Vec<(&str, &str)> =
            covered.into_iter().filter_map(|name| Some((name, self.get(name)?))).collect();
        let nonce = NONCE.parse().expect("a nonce");
        let signed = signer
            .sign(&SignRequest {
                method: &self.method,
                scheme: Scheme::Https,
                authority: &self.authority,
                path_and_query: &self.target(),
                content_digest: self.get("content-digest"),
                headers: &headers,
                created: NOW,
                nonce: Some(&nonce),
            })
            .expect("signed");
        self.set("signature-input", signed.signature_input);
        self.set("signature", signed.signature);
        self
    }

    /// Signs, by the bare steps, an input that our own signer would not write.
    pub fn signed_as(mut self, label: &str, input: &str, material: &SigningKey) -> Self {
        let base = self
            .with_head(|head| auth::raw::signature_base(head, &names(), input))
            .expect("a base");
        let signature = material.sign(&base).expect("signed");
        self.set("signature-input", format!("{label}={input}"));
        self.set("signature", format!("{label}=:{}:", base64(&signature)));
        self
    }
}

pub fn base64(octets: &[u8]) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(octets)
}

pub fn unbase64(text: &str) -> Vec<u8> {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.decode(text).expect("base64")
}

pub fn names() -> PublicNames {
    PublicNames::new([format!("https://{HOST}"), format!("https://{OTHER_HOST}")]).expect("names")
}

pub fn policy() -> Policy {
    Policy::new(names())
}

pub fn hmac() -> SigningKey {
    SigningKey::from_secret(&Secret::from_octets(SECRET))
}

/// A private key of the algorithm, and the public key as it is stored.
pub fn key_pair(algorithm: KeyAlgorithm) -> (SigningKey, Material) {
    let (private, public) = match algorithm {
        KeyAlgorithm::HmacSha256 => {
            return (hmac(), Material::new(algorithm, SECRET.as_bytes()).expect("a secret"));
        }
        KeyAlgorithm::RsaV15Sha256 | KeyAlgorithm::RsaPssSha512 => (RSA, RSA_PUBLIC),
        KeyAlgorithm::Ed25519 => (ED25519, ED25519_PUBLIC),
        KeyAlgorithm::EcdsaP256Sha256 => (P256, P256_PUBLIC),
    };
    let spki = PublicKey::parse(algorithm, public.as_bytes()).expect("a public key");
    let key = SigningKey::from_private_key(algorithm, private.as_bytes()).expect("a private key");
    (key, Material::new(algorithm, &spki).expect("a public key"))
}

pub fn record(material: Material) -> KeyMaterial {
    KeyMaterial {
        app: "hscv".parse().expect("an app"),
        unit: "H41.02".parse().expect("a unit"),
        grants: [Grant::Send].into_iter().collect(),
        material,
        legacy: false,
        hmac_sha1: false,
        status: KeyStatus::Active,
    }
}

/// The key under test, and another application's HMAC key.
pub fn lookup(record: KeyMaterial) -> impl Fn(&AccessKey) -> Option<KeyMaterial> {
    move |key| match key.as_str() {
        KEY => Some(record.clone()),
        OTHER_KEY => Some(self::record(
            Material::new(KeyAlgorithm::HmacSha256, OTHER_SECRET.as_bytes()).expect("a secret"),
        )),
        _ => None,
    }
}

/// The whole check, as a node does it: the head, then the body, which may come in pieces or at once.
pub fn check(
    request: &Request,
    now: Moment,
    record: &KeyMaterial,
) -> Result<Signed<Whole>, Rejection> {
    let head = request.with_head(|head| verify(head, now, &lookup(record.clone()), &policy()))?;
    let mut body = head.content().checker();
    for piece in request.body.chunks(7) {
        body.update(piece);
    }
    let streamed = body.finish();
    let whole = head.with_statement(&request.body);
    assert_eq!(whole.as_ref().map(drop), streamed.as_ref().map(drop), "in pieces and at once");
    whole
}

pub fn check_hmac(request: &Request) -> Result<Signed<Whole>, Rejection> {
    check(request, NOW, &record(key_pair(KeyAlgorithm::HmacSha256).1))
}
