//! The cluster key: seals secrets at rest and derives tokens.
//!
//! Every sealing draws 24 random octets: half of them derive a key for this one message, half
//! are its nonce. So any number of messages may be sealed under one version of the key without
//! a nonce meeting another, and nothing has to be counted or remembered over a restart.

use std::fmt;

use aws_lc_rs::{
    aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey},
    hmac,
};
use model::Digest;
use zeroize::Zeroizing;

use crate::Error;

/// The one form of sealed octets so far.
const FORMAT: u8 = 1;
/// Form, version of the key, and 24 random octets.
const HEADER: usize = 1 + 4 + 24;
/// The part of the header that derives the message's key; the rest is the nonce.
const DERIVING: usize = HEADER - 12;
const TAG: usize = 16;
/// How many octets longer sealed octets are than what they seal.
pub const SEAL_OVERHEAD: usize = HEADER + TAG;

/// One version of the cluster's key, 256 bits. It prints as nothing but its version.
pub struct ClusterKey {
    version: u32,
    octets: Zeroizing<[u8; 32]>,
    sealing: hmac::Key,
    deriving: hmac::Key,
}

impl ClusterKey {
    /// Makes a new key of the given version (1 for a new cluster) from random octets.
    pub fn generate(version: u32, random: &mut dyn FnMut(&mut [u8])) -> Self {
        let mut octets = Zeroizing::new([0; 32]);
        random(&mut *octets);
        Self::from_octets(version, octets)
    }

    /// The key of these octets.
    pub fn from_octets(version: u32, octets: Zeroizing<[u8; 32]>) -> Self {
        let root = hmac::Key::new(hmac::HMAC_SHA256, &*octets);
        let below =
            |label: &[u8]| hmac::Key::new(hmac::HMAC_SHA256, hmac::sign(&root, label).as_ref());
        Self {
            version,
            sealing: below(b"lgsp seal v1"),
            deriving: below(b"lgsp derive v1"),
            octets,
        }
    }

    /// Its version.
    pub const fn version(&self) -> u32 {
        self.version
    }

    /// The key itself, for a member that lacks it and for the file. It leaves memory with its owner.
    pub fn octets(&self) -> Zeroizing<[u8; 32]> {
        self.octets.clone()
    }

    /// What the state knows of this version: nodes that hold the same key hold the same check, and
    /// the key does not follow from it.
    pub fn check(&self) -> Digest {
        Digest(self.derive(b"lgsp/cluster-key-check/v1", &self.version.to_be_bytes()))
    }

    /// Seals octets; `aad` says what they are and where they belong, and opening must repeat it.
    pub fn seal(&self, aad: &[u8], plaintext: &[u8]) -> Vec<u8> {
        let mut sealed = Vec::with_capacity(plaintext.len() + SEAL_OVERHEAD);
        sealed.push(FORMAT);
        sealed.extend_from_slice(&self.version.to_be_bytes());
        sealed.extend_from_slice(&[0; 24]);
        crate::system_random(&mut sealed[5..HEADER]);
        let (key, nonce) = self.message_key(&sealed[..HEADER]);
        sealed.extend_from_slice(plaintext);
        let tag = key
            .seal_in_place_separate_tag(nonce, Aad::from(aad), &mut sealed[HEADER..])
            .expect("AES-GCM seals whatever fits in memory");
        sealed.extend_from_slice(tag.as_ref());
        sealed
    }

    /// Opens what `seal` made with the same `aad`.
    pub fn open(&self, aad: &[u8], sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, Error> {
        let version = sealed_under(sealed)?;
        if version != self.version {
            return Err(Error::KeyVersion(version));
        }
        let (header, rest) = sealed.split_at(HEADER);
        let (body, tag) = rest.split_at(rest.len() - TAG);
        let (key, nonce) = self.message_key(header);
        let mut plaintext = Zeroizing::new(vec![0; body.len()]);
        key.open_separate_gather(nonce, Aad::from(aad), body, tag, &mut plaintext)
            .map_err(|_| Error::Forged)?;
        Ok(plaintext)
    }

    /// Derives a token: the same purpose and context always give the same 32 octets.
    pub fn derive(&self, purpose: &[u8], context: &[u8]) -> [u8; 32] {
        let tag = self.derivation(purpose, context).sign();
        tag.as_ref().try_into().expect("an HMAC-SHA256 has 32 octets")
    }

    /// Whether `token` is what `derive` gives, compared in constant time.
    pub fn derived(&self, purpose: &[u8], context: &[u8], token: &[u8]) -> bool {
        let right = self.derivation(purpose, context).sign();
        aws_lc_rs::constant_time::verify_slices_are_equal(right.as_ref(), token).is_ok()
    }

    fn derivation(&self, purpose: &[u8], context: &[u8]) -> hmac::Context {
        let mut derivation = hmac::Context::with_key(&self.deriving);
        // The length keeps (ab, c) apart from (a, bc).
        derivation.update(&(purpose.len() as u64).to_be_bytes());
        derivation.update(purpose);
        derivation.update(context);
        derivation
    }

    fn message_key(&self, header: &[u8]) -> (LessSafeKey, Nonce) {
        let (deriving, nonce) = header.split_at(DERIVING);
        let octets = hmac::sign(&self.sealing, deriving);
        let key =
            UnboundKey::new(&AES_256_GCM, octets.as_ref()).expect("32 octets are an AES-256 key");
        let nonce =
            Nonce::try_assume_unique_for_key(nonce).expect("the header ends with 12 octets");
        (LessSafeKey::new(key), nonce)
    }
}

impl fmt::Debug for ClusterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ClusterKey({})", self.version)
    }
}

/// The version of the cluster key that sealed some octets.
pub fn sealed_under(sealed: &[u8]) -> Result<u32, Error> {
    match sealed {
        [FORMAT, a, b, c, d, ..] if sealed.len() >= SEAL_OVERHEAD => {
            Ok(u32::from_be_bytes([*a, *b, *c, *d]))
        }
        _ => Err(Error::Forged),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn key(version: u32) -> ClusterKey {
        ClusterKey::generate(version, &mut crate::system_random)
    }

    #[test]
    fn what_is_sealed_opens_only_with_the_same_key_and_purpose() {
        let one = key(1);
        let sealed = one.seal(b"slot 7", b"content key");
        assert_eq!(sealed.len(), b"content key".len() + SEAL_OVERHEAD);
        assert_eq!(&**one.open(b"slot 7", &sealed).unwrap(), b"content key");
        assert!(matches!(one.open(b"slot 8", &sealed), Err(Error::Forged)));
        assert!(matches!(key(1).open(b"slot 7", &sealed), Err(Error::Forged)));
        assert!(matches!(key(2).open(b"slot 7", &sealed), Err(Error::KeyVersion(1))));
        assert_ne!(one.seal(b"slot 7", b"content key"), sealed);
        for index in 0..sealed.len() {
            let mut altered = sealed.clone();
            altered[index] ^= 1;
            assert!(one.open(b"slot 7", &altered).is_err(), "octet {index}");
            assert!(one.open(b"slot 7", &sealed[..index]).is_err(), "cut at {index}");
        }
    }

    #[test]
    fn tokens_are_the_same_each_time_and_tell_purposes_apart() {
        let key = ClusterKey::from_octets(1, Zeroizing::new([7; 32]));
        let token = key.derive(b"space", b"sp_1");
        assert_eq!(token, key.derive(b"space", b"sp_1"));
        assert_ne!(token, key.derive(b"spac", b"esp_1"));
        assert!(key.derived(b"space", b"sp_1", &token));
        assert!(!key.derived(b"space", b"sp_1", &token[..31]));
    }

    #[test]
    fn the_formats_never_change() {
        // Fixed vectors: an older node's sealed octets and tokens must be understood for ever.
        let key = ClusterKey::from_octets(3, Zeroizing::new([7; 32]));
        assert_eq!(key.derive(b"space", b"sp_1")[..8], VECTOR_TOKEN);
        assert_eq!(&**key.open(b"aad", VECTOR_SEALED).unwrap(), b"xin");
    }

    const VECTOR_TOKEN: [u8; 8] = [0x66, 0x8c, 0xbc, 0x41, 0x0a, 0x12, 0x8b, 0x74];
    const VECTOR_SEALED: &[u8] = &[
        0x01, 0x00, 0x00, 0x00, 0x03, 0x1a, 0xfc, 0x25, 0x08, 0x9b, 0x4c, 0x78, 0xf9, 0xe0, 0xb6,
        0x0d, 0xc7, 0x27, 0x2d, 0xaf, 0xa5, 0xf3, 0x29, 0x86, 0x55, 0x5f, 0xe8, 0x80, 0x8b, 0x1e,
        0xe4, 0xba, 0x54, 0x84, 0x39, 0xe5, 0x5a, 0x0c, 0x73, 0x6e, 0x20, 0x52, 0xe0, 0x0f, 0xcb,
        0xf3, 0xad, 0xbf,
    ];

    proptest! {
        #[test]
        fn any_octets_are_opened_or_refused(octets in proptest::collection::vec(any::<u8>(), 0..120)) {
            let key = ClusterKey::from_octets(0x0101_0101, Zeroizing::new([1; 32]));
            prop_assert!(key.open(b"", &octets).is_err());
            let mut octets = octets;
            octets.splice(0..0, [FORMAT, 1, 1, 1, 1]);
            prop_assert!(key.open(b"", &octets).is_err());
        }
    }
}
