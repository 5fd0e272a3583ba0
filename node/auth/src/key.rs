//! Keys: secrets that print as nothing, public keys that were checked, and where they are found.

use std::{fmt, sync::Arc};

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ED25519, ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256,
    RSA_PSS_2048_8192_SHA512, VerificationAlgorithm,
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use model::{AccessKey, AppId, Grants, KeyAlgorithm, KeyStatus, UnitCode};
use rsa::{
    BigUint, RsaPublicKey,
    pkcs8::{Document, EncodePublicKey, SubjectPublicKeyInfoRef, der::Decode},
};
use zeroize::Zeroizing;

use crate::Rejection;

/// The smallest RSA key: below it, factoring is within reach.
const RSA_BITS_MIN: usize = 2048;
/// The largest RSA key: above it, one verification costs more than a caller may ask of us.
const RSA_BITS_MAX: usize = 8192;
/// The longest text of a public key that is read; an RSA key of 8192 bits takes about 1.5 KiB.
const KEY_TEXT_MAX: usize = 8192;

/// A secret key (khoá bí mật): the ASCII octets of the secret as it was issued.
///
/// It prints as nothing and is wiped when the last copy of the handle goes.
#[derive(Clone)]
pub struct Secret(Arc<Zeroizing<Vec<u8>>>);

impl Secret {
    /// Makes the secret of 32 random octets: 43 characters of base64url.
    pub fn from_random(random: &[u8; 32]) -> Self {
        let mut text = Zeroizing::new(vec![0; 43]);
        URL_SAFE_NO_PAD
            .encode_slice(random, &mut text)
            .expect("32 octets are 43 characters of base64url");
        Self(Arc::new(text))
    }

    /// Takes the octets of a secret that was issued before. They are used as they are.
    pub fn from_octets(octets: impl Into<Vec<u8>>) -> Self {
        Self(Arc::new(Zeroizing::new(octets.into())))
    }

    /// The octets, which are the key of the HMAC: to seal them, or to show them once.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

/// A public key that was checked for its algorithm, parsed once.
#[derive(Clone)]
pub struct PublicKey {
    algorithm: KeyAlgorithm,
    parsed: Arc<ParsedPublicKey>,
}

impl PublicKey {
    /// Reads an uploaded key, PEM or DER, and checks that it fits the algorithm and is not weak.
    /// What comes back is the SubjectPublicKeyInfo in DER, the form to store.
    pub fn parse(algorithm: KeyAlgorithm, text: &[u8]) -> Result<Vec<u8>, Rejection> {
        if text.len() > KEY_TEXT_MAX {
            return Err(unusable("at most 8192 octets are allowed"));
        }
        let der = unarmour(text)?;
        let der = match algorithm {
            KeyAlgorithm::HmacSha256 => return Err(unusable("the algorithm has no public key")),
            KeyAlgorithm::RsaV15Sha256 | KeyAlgorithm::RsaPssSha512 => parse_rsa(&der)?,
            KeyAlgorithm::Ed25519 => parse_ed25519(&der)?,
            KeyAlgorithm::EcdsaP256Sha256 => parse_p256(&der)?,
        };
        // What is stored must be what the verifier will read, so it reads it here once.
        Self::from_spki(algorithm, &der)?;
        Ok(der)
    }

    /// Takes a stored key: the DER that [`PublicKey::parse`] gave.
    pub fn from_spki(algorithm: KeyAlgorithm, der: &[u8]) -> Result<Self, Rejection> {
        let parsed = ParsedPublicKey::new(verification(algorithm)?, der)
            .map_err(|_| unusable("it is not a key of its algorithm"))?;
        Ok(Self { algorithm, parsed: Arc::new(parsed) })
    }

    /// The one algorithm that it verifies.
    pub fn algorithm(&self) -> KeyAlgorithm {
        self.algorithm
    }

    pub(crate) fn parsed(&self) -> &ParsedPublicKey {
        &self.parsed
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({})", self.algorithm)
    }
}

fn unusable(reason: &'static str) -> Rejection {
    Rejection::KeyUnusable { reason }
}

fn verification(algorithm: KeyAlgorithm) -> Result<&'static dyn VerificationAlgorithm, Rejection> {
    Ok(match algorithm {
        KeyAlgorithm::HmacSha256 => return Err(unusable("the algorithm has no public key")),
        KeyAlgorithm::RsaV15Sha256 => &RSA_PKCS1_2048_8192_SHA256,
        KeyAlgorithm::RsaPssSha512 => &RSA_PSS_2048_8192_SHA512,
        KeyAlgorithm::Ed25519 => &ED25519,
        KeyAlgorithm::EcdsaP256Sha256 => &ECDSA_P256_SHA256_FIXED,
    })
}

/// DER of the key: PEM is unwrapped, a private key is refused by name so that nobody uploads one twice.
fn unarmour(text: &[u8]) -> Result<Vec<u8>, Rejection> {
    // DER begins with 0x30 and a length that is not zero: no editor's mark is one of a key.
    let text = model::without_mark(text)
        .map_err(|model::Utf16| unusable("it is UTF-16: save it as UTF-8"))?;
    let trimmed = text.trim_ascii();
    if !trimmed.starts_with(b"-----BEGIN") {
        return Ok(text.to_vec());
    }
    let text = std::str::from_utf8(trimmed).map_err(|_| unusable("it is not PEM"))?;
    let (label, document) = Document::from_pem(text).map_err(|_| unusable("it is not PEM"))?;
    match label {
        "PUBLIC KEY" | "RSA PUBLIC KEY" => Ok(document.as_bytes().to_vec()),
        "CERTIFICATE" => Err(unusable("it is a certificate; the public key alone is expected")),
        _ if label.ends_with("PRIVATE KEY") => {
            Err(unusable("it is a private key, which must stay with its owner"))
        }
        _ => Err(unusable("a PEM block PUBLIC KEY is expected")),
    }
}

fn parse_rsa(der: &[u8]) -> Result<Vec<u8>, Rejection> {
    let wrong = |_| unusable("it is not an RSA public key");
    // Both forms are around: SubjectPublicKeyInfo, and the bare key of PKCS #1.
    let bare = match SubjectPublicKeyInfoRef::from_der(der) {
        Ok(info) if info.algorithm.oid == rsa::pkcs1::ALGORITHM_OID => {
            info.subject_public_key.as_bytes().ok_or(unusable("it is not an RSA public key"))?
        }
        Ok(_) => return Err(unusable("it is a key of another algorithm")),
        Err(_) => der,
    };
    let parts = rsa::pkcs1::RsaPublicKey::from_der(bare).map_err(wrong)?;
    let modulus = BigUint::from_bytes_be(parts.modulus.as_bytes());
    let exponent = BigUint::from_bytes_be(parts.public_exponent.as_bytes());
    if !(RSA_BITS_MIN..=RSA_BITS_MAX).contains(&modulus.bits()) {
        return Err(unusable("an RSA key has 2048 to 8192 bits"));
    }
    let key = RsaPublicKey::new_with_max_size(modulus, exponent, RSA_BITS_MAX)
        .map_err(|_| unusable("its exponent or modulus is out of range"))?;
    let der = key.to_public_key_der().map_err(|_| unusable("it is not an RSA public key"))?;
    Ok(der.into_vec())
}

fn parse_ed25519(der: &[u8]) -> Result<Vec<u8>, Rejection> {
    use ed25519_dalek::{
        VerifyingKey,
        pkcs8::{DecodePublicKey, EncodePublicKey},
    };
    let key = VerifyingKey::from_public_key_der(der)
        .map_err(|_| unusable("it is not an Ed25519 public key"))?;
    // A point of small order verifies signatures that nobody made.
    if key.is_weak() {
        return Err(unusable("it is a weak Ed25519 key"));
    }
    let der = key.to_public_key_der().map_err(|_| unusable("it is not an Ed25519 public key"))?;
    Ok(der.into_vec())
}

fn parse_p256(der: &[u8]) -> Result<Vec<u8>, Rejection> {
    use p256::{
        PublicKey,
        pkcs8::{DecodePublicKey, EncodePublicKey},
    };
    let key = PublicKey::from_public_key_der(der)
        .map_err(|_| unusable("it is not a P-256 public key"))?;
    let der = key.to_public_key_der().map_err(|_| unusable("it is not a P-256 public key"))?;
    Ok(der.into_vec())
}

/// What verifies a key's signatures.
#[derive(Debug, Clone)]
pub enum Material {
    /// The shared secret of HMAC.
    Secret(Secret),
    /// The public key of the other algorithms.
    Public(PublicKey),
}

impl Material {
    /// Takes what a key record holds, unsealed: the secret's octets, or the public key in DER.
    pub fn new(algorithm: KeyAlgorithm, octets: &[u8]) -> Result<Self, Rejection> {
        if algorithm.is_symmetric() {
            // An empty secret would let anybody sign.
            if octets.is_empty() {
                return Err(unusable("the secret is empty"));
            }
            Ok(Self::Secret(Secret::from_octets(octets)))
        } else {
            PublicKey::from_spki(algorithm, octets).map(Self::Public)
        }
    }

    /// The one algorithm: it is the key's, never the message's.
    pub fn algorithm(&self) -> KeyAlgorithm {
        match self {
            Self::Secret(_) => KeyAlgorithm::HmacSha256,
            Self::Public(key) => key.algorithm(),
        }
    }
}

/// What a key's record says.
#[derive(Debug, Clone)]
pub struct KeyMaterial {
    /// The application that the key was issued to.
    pub app: AppId,
    /// The application's unit.
    pub unit: UnitCode,
    /// What the application may do.
    pub grants: Grants,
    /// What verifies its signatures, and so its one algorithm.
    pub material: Material,
    /// Whether the key may sign by the legacy profile.
    pub legacy: bool,
    /// Whether, in the legacy profile, it may sign by hmac-sha1, Article 8(4).
    pub hmac_sha1: bool,
    /// Whether the key may be used.
    pub status: KeyStatus,
}

/// Where keys are found: the node's own state, seen through the lead's freshness rule.
pub trait KeyLookup {
    /// What the key's record says; none when there is no such key.
    fn find(&self, key: &AccessKey) -> Option<KeyMaterial>;
}

impl<F: Fn(&AccessKey) -> Option<KeyMaterial>> KeyLookup for F {
    fn find(&self, key: &AccessKey) -> Option<KeyMaterial> {
        self(key)
    }
}
