//! The platform's public keys as a JWK set (RFC 7517): the present pair first, former ones behind it.
//!
//! A key's name is its thumbprint (RFC 7638), so nobody can put another key under a known name.

use std::fmt;

use auth::{Material, PublicKey};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use model::{
    KeyAlgorithm,
    checkpoint::{KeyName, NoteKey},
};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// Octets of a set that is read: [`KEYS_MAX`] keys with room for members that are not known here.
pub const JWKS_OCTETS_MAX: usize = 2 << 20;
/// Keys of a set: the present pair, and the thousand former ones that a cluster keeps. A pair a week, as it turns its
/// key with each removal, for nineteen years.
pub const KEYS_MAX: usize = 2_002;

/// `SubjectPublicKeyInfo` of a P-256 key up to its two coordinates (RFC 5480).
const P256_SPKI: [u8; 27] = [
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a,
    0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00, 0x04,
];
/// `SubjectPublicKeyInfo` of an Ed25519 key up to the key (RFC 8410).
const ED25519_SPKI: [u8; 12] =
    [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];

/// Why a set of keys cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KeySetError {
    /// It is longer than any set of a platform.
    #[error("it has more than {JWKS_OCTETS_MAX} octets or {KEYS_MAX} keys")]
    TooLong,
    /// It is no JWK set.
    #[error("it is no JWK set (RFC 7517)")]
    Form(#[from] serde_json::Error),
    /// One of its keys is wrong.
    #[error("key {index} of the set cannot be used: {reason}")]
    Key {
        /// Which, from zero.
        index: usize,
        /// Why.
        reason: &'static str,
    },
    /// It has no key for receipts, or none for checkpoints.
    #[error("it needs a key for receipts (EC, P-256) and one for checkpoints (OKP, Ed25519)")]
    Incomplete,
}

/// Where the use of a former pair of keys ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyEnd {
    /// It signed facts before this position, and checkpoints of no greater size. Whoever signs something newer with it
    /// has stolen it.
    pub facts: u64,
    /// When, in seconds since 1970.
    pub at_secs: u64,
}

/// A key of the set, as a receipt or a checkpoint names it.
pub(crate) struct Known<'k, K> {
    pub(crate) key: &'k K,
    /// Whether newer keys stand before it in the set.
    pub(crate) is_former: bool,
    /// None while it signs, and where the set does not say.
    pub(crate) end: Option<KeyEnd>,
}

/// The key that receipts are signed with.
#[derive(Debug, Clone)]
struct ReceiptJwk {
    point: ([u8; 32], [u8; 32]),
    kid: String,
    material: Material,
    end: Option<KeyEnd>,
}

impl ReceiptJwk {
    fn new(point: ([u8; 32], [u8; 32])) -> Option<Self> {
        let der = [&P256_SPKI[..], &point.0, &point.1].concat();
        let material = public(KeyAlgorithm::EcdsaP256Sha256, &der)?;
        let (x, y) = (text(&point.0), text(&point.1));
        let kid = thumbprint(&format!(r#"{{"crv":"P-256","kty":"EC","x":"{x}","y":"{y}"}}"#));
        Some(Self { point, kid, material, end: None })
    }
}

/// The key that checkpoints are signed with.
#[derive(Debug, Clone)]
struct CheckpointJwk {
    key: NoteKey,
    material: Material,
    end: Option<KeyEnd>,
}

impl CheckpointJwk {
    fn new(key: NoteKey) -> Option<Self> {
        let der = [&ED25519_SPKI[..], &key.public].concat();
        Some(Self { material: public(KeyAlgorithm::Ed25519, &der)?, key, end: None })
    }

    fn kid(&self) -> String {
        let x = text(&self.key.public);
        thumbprint(&format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{x}"}}"#))
    }
}

/// Checked as strictly as a key that an office uploads: no point beside the curve, none of small order.
fn public(algorithm: KeyAlgorithm, der: &[u8]) -> Option<Material> {
    let der = PublicKey::parse(algorithm, der).ok()?;
    PublicKey::from_spki(algorithm, &der).ok().map(Material::Public)
}

/// The public part of a pair of keys.
#[derive(Debug, Clone)]
pub struct PlatformKey {
    receipts: ReceiptJwk,
    checkpoints: CheckpointJwk,
}

impl PlatformKey {
    /// None if one of them is no key of its algorithm.
    pub(crate) fn new(point: ([u8; 32], [u8; 32]), checkpoints: NoteKey) -> Option<Self> {
        let checkpoints = CheckpointJwk::new(checkpoints)?;
        Some(Self { receipts: ReceiptJwk::new(point)?, checkpoints })
    }

    /// The pair of a key for receipts, as its two coordinates of 32 octets each, and one for checkpoints; none if one
    /// of them is no key of its algorithm.
    pub fn of_octets(receipts: &[u8], checkpoints: NoteKey) -> Option<Self> {
        let (x, y) = receipts.split_at_checked(32)?;
        Self::new((x.try_into().ok()?, y.try_into().ok()?), checkpoints)
    }

    /// The same pair, whose use has ended.
    pub fn ended(mut self, end: Option<KeyEnd>) -> Self {
        (self.receipts.end, self.checkpoints.end) = (end, end);
        self
    }

    /// The two coordinates of the key for receipts.
    pub fn octets(&self) -> Vec<u8> {
        [self.receipts.point.0, self.receipts.point.1].concat()
    }

    /// What receipts name the key by (RFC 7638).
    pub fn kid(&self) -> &str {
        &self.receipts.kid
    }

    /// The key of the checkpoints, as other programs for signed notes know it.
    pub fn checkpoints(&self) -> &NoteKey {
        &self.checkpoints.key
    }
}

/// A platform's keys, each kind with its present one first. Printed as a JWK set.
#[derive(Debug, Clone)]
pub struct KeySet {
    receipts: Vec<ReceiptJwk>,
    checkpoints: Vec<CheckpointJwk>,
}

impl KeySet {
    /// The set of a platform: the pair that signs, and those that signed before it, the latest first.
    pub fn new(present: PlatformKey, former: impl IntoIterator<Item = PlatformKey>) -> Self {
        let pairs = std::iter::once(present).chain(former);
        let (receipts, checkpoints) = pairs.map(|pair| (pair.receipts, pair.checkpoints)).unzip();
        Self { receipts, checkpoints }
    }

    /// Reads a set. Keys for other purposes, and members that are not known here, are ignored.
    ///
    /// # Errors
    ///
    /// It is too long, no JWK set, has a key that is wrong, or lacks one of the two kinds.
    pub fn parse(octets: &[u8]) -> Result<Self, KeySetError> {
        if octets.len() > JWKS_OCTETS_MAX {
            return Err(KeySetError::TooLong);
        }
        let Jwks { keys } = serde_json::from_slice(octets)?;
        if keys.len() > KEYS_MAX {
            return Err(KeySetError::TooLong);
        }
        let mut set = Self { receipts: Vec::new(), checkpoints: Vec::new() };
        for (index, jwk) in keys.iter().enumerate() {
            set.add(jwk).map_err(|reason| KeySetError::Key { index, reason })?;
        }
        if set.receipts.is_empty() || set.checkpoints.is_empty() {
            return Err(KeySetError::Incomplete);
        }
        Ok(set)
    }

    fn add(&mut self, jwk: &Jwk) -> Result<(), &'static str> {
        if jwk.d.is_some() {
            return Err("it is a private key, which must stay with its owner");
        }
        let is_for = |algorithms: &[&str]| {
            jwk.usage.as_deref().is_none_or(|usage| usage == "sig")
                && jwk.alg.as_deref().is_none_or(|alg| algorithms.contains(&alg))
        };
        let coordinate = |text: &Option<String>| {
            let octets = URL_SAFE_NO_PAD.decode(text.as_deref()?).ok()?;
            <[u8; 32]>::try_from(octets).ok()
        };
        let end = match (jwk.facts, jwk.exp) {
            (Some(facts), Some(at_secs)) => Some(KeyEnd { facts, at_secs }),
            (None, None) => None,
            _ => return Err("of its end it says a half: `facts` goes with `exp`"),
        };
        let kid = match (&*jwk.kty, jwk.crv.as_deref()) {
            ("EC", Some("P-256")) if is_for(&["ES256"]) => {
                let point = coordinate(&jwk.x).zip(coordinate(&jwk.y));
                let key = point.and_then(ReceiptJwk::new).ok_or("it is no point of P-256")?;
                let kid = key.kid.clone();
                self.receipts.push(ReceiptJwk { end, ..key });
                kid
            }
            ("OKP", Some("Ed25519")) if is_for(&["Ed25519", "EdDSA"]) && jwk.vkey.is_some() => {
                let public = coordinate(&jwk.x).ok_or("its x is not 32 octets of base64url")?;
                let named = jwk.vkey.as_deref().and_then(|vkey| vkey.parse::<NoteKey>().ok());
                let key = named.filter(|key| key.public == public);
                let key = key.ok_or("its vkey is none, or that of another key")?;
                let key = CheckpointJwk::new(key).ok_or("it is no Ed25519 key")?;
                let kid = key.kid();
                self.checkpoints.push(CheckpointJwk { end, ..key });
                kid
            }
            _ => return Ok(()),
        };
        if jwk.kid.as_ref().is_some_and(|named| *named != kid) {
            return Err("its kid is the thumbprint of another key");
        }
        Ok(())
    }

    /// The key that receipts name so.
    pub(crate) fn for_receipts(&self, kid: &str) -> Option<Known<'_, Material>> {
        let index = self.receipts.iter().position(|key| key.kid == kid)?;
        let ReceiptJwk { material, end, .. } = &self.receipts[index];
        Some(Known { key: material, is_former: index > 0, end: *end })
    }

    /// The key of checkpoints with this name and identifier.
    pub(crate) fn for_checkpoints(&self, name: &KeyName, id: u32) -> Option<Known<'_, NoteKey>> {
        let index =
            self.checkpoints.iter().position(|jwk| jwk.key.name == *name && jwk.key.id() == id)?;
        let CheckpointJwk { key, end, .. } = &self.checkpoints[index];
        Some(Known { key, is_former: index > 0, end: *end })
    }

    /// Whether this is a signature of a checkpoint by one of the keys.
    pub(crate) fn has_signed(
        &self,
        public: &[u8; 32],
        octets: &[u8],
        signature: &[u8; 64],
    ) -> bool {
        let mut of = self.checkpoints.iter().filter(|jwk| jwk.key.public == *public);
        of.any(|jwk| auth::raw::verify(&jwk.material, octets, signature))
    }

    /// What the receipts' keys are named by, the present one first.
    pub fn kids(&self) -> impl Iterator<Item = &str> {
        self.receipts.iter().map(|key| &*key.kid)
    }
}

/// The set as JSON, in one line: keys of receipts, then those of checkpoints.
impl fmt::Display for KeySet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let receipts = self.receipts.iter().map(|key| Jwk {
            y: Some(text(&key.point.1)),
            ..Jwk::new("EC", "P-256", &key.point.0, "ES256", key.kid.clone()).ended(key.end)
        });
        let checkpoints = self.checkpoints.iter().map(|jwk| Jwk {
            vkey: Some(jwk.key.to_string()),
            ..Jwk::new("OKP", "Ed25519", &jwk.key.public, "Ed25519", jwk.kid()).ended(jwk.end)
        });
        let keys = receipts.chain(checkpoints).collect();
        let json = serde_json::to_string(&Jwks { keys }).map_err(|_| fmt::Error)?;
        f.write_str(&json)
    }
}

/// A JWK set.
#[derive(Serialize, Deserialize)]
struct Jwks {
    keys: Vec<Jwk>,
}

/// One key: the members that are known here.
#[derive(Default, Serialize, Deserialize)]
struct Jwk {
    kty: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    crv: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    x: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    y: Option<String>,
    #[serde(skip_serializing)]
    d: Option<serde::de::IgnoredAny>,
    #[serde(rename = "use", skip_serializing_if = "Option::is_none")]
    usage: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    alg: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    kid: Option<String>,
    /// The key as verifiers of C2SP signed notes take it, with the log's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    vkey: Option<String>,
    /// Of a former key: it signed facts before this position, and checkpoints of no greater size.
    #[serde(skip_serializing_if = "Option::is_none")]
    facts: Option<u64>,
    /// When that ended, in seconds since 1970; spelt as JWT and OpenID Federation spell it.
    #[serde(skip_serializing_if = "Option::is_none")]
    exp: Option<u64>,
}

impl Jwk {
    fn new(kty: &str, crv: &str, x: &[u8; 32], alg: &str, kid: String) -> Self {
        Self {
            kty: kty.to_owned(),
            crv: Some(crv.to_owned()),
            x: Some(text(x)),
            usage: Some("sig".to_owned()),
            alg: Some(alg.to_owned()),
            kid: Some(kid),
            ..Self::default()
        }
    }
}

impl Jwk {
    fn ended(self, end: Option<KeyEnd>) -> Self {
        Self { facts: end.map(|end| end.facts), exp: end.map(|end| end.at_secs), ..self }
    }
}

fn text(octets: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(octets)
}

/// RFC 7638: the hash of the members that a key cannot do without, in the order of the alphabet.
fn thumbprint(members: &str) -> String {
    text(&Sha256::digest(members))
}
