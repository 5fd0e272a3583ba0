//! The platform's keys for receipts and checkpoints, made from one seed.
//!
//! Where the seed comes from, and which key was in force when, is for the caller to say.

use std::fmt;

use ed25519_dalek::Signer as _;
use model::checkpoint::{KeyName, NoteKey, Signer};
use p256::ecdsa::{Signature, SigningKey};
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use crate::PlatformKey;

/// Tells the two keys of a seed apart, and both from all else that is made of it.
const ES256_LABEL: &[u8] = b"lgsp receipts, ES256, 1";
/// See [`ES256_LABEL`].
const ED25519_LABEL: &[u8] = b"lgsp checkpoints, Ed25519, 1";

/// Signs receipts (ES256) and checkpoints (Ed25519). Prints as the name of its public part.
///
/// Both signatures are made without a random number (RFC 6979, RFC 8032): the same octets on every node.
pub struct ReceiptKey {
    receipts: SigningKey,
    checkpoints: ed25519_dalek::SigningKey,
    public: PlatformKey,
}

impl ReceiptKey {
    /// The keys of a seed. `name` is that of the log whose checkpoints it signs.
    pub fn new(seed: &[u8; 32], name: KeyName) -> Self {
        // Of 2^32 octet strings one is no scalar of the curve: then the next is taken.
        let receipts = (0..=u8::MAX)
            .find_map(|turn| {
                SigningKey::from_slice(derive(ES256_LABEL, turn, seed).as_slice()).ok()
            })
            .expect("one of 256 strings is a scalar of the curve");
        let checkpoints = ed25519_dalek::SigningKey::from_bytes(&derive(ED25519_LABEL, 0, seed));
        let point = receipts.verifying_key().to_sec1_point(false);
        let coordinate = |from: usize| {
            let octets = point.as_bytes().get(from..from + 32);
            octets.and_then(|octets| octets.try_into().ok()).expect("a point has two coordinates")
        };
        let public = PlatformKey::new(
            (coordinate(1), coordinate(33)),
            NoteKey { name, public: checkpoints.verifying_key().to_bytes() },
        );
        let public = public.expect("a key that was made is a key of its algorithm");
        Self { receipts, checkpoints, public }
    }

    /// The public part of both keys.
    pub fn public(&self) -> &PlatformKey {
        &self.public
    }

    /// What receipts name the key by (RFC 7638).
    pub fn kid(&self) -> &str {
        self.public.kid()
    }

    /// The signature of RFC 7518 section 3.4: two numbers of 32 octets.
    pub(crate) fn es256(&self, octets: &[u8]) -> [u8; 64] {
        let signature: Signature = self.receipts.sign(octets);
        signature.to_bytes().into()
    }
}

fn derive(label: &[u8], turn: u8, seed: &[u8; 32]) -> Zeroizing<[u8; 32]> {
    let mut derived = Zeroizing::new([0; 32]);
    let hash = Sha256::new().chain_update(label).chain_update([turn]).chain_update(seed);
    hash.finalize_into((&mut *derived).into());
    derived
}

impl Signer for ReceiptKey {
    fn key(&self) -> NoteKey {
        self.public.checkpoints().clone()
    }

    fn sign(&self, octets: &[u8]) -> [u8; 64] {
        self.checkpoints.sign(octets).to_bytes()
    }
}

impl fmt::Debug for ReceiptKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ReceiptKey({})", self.kid())
    }
}
