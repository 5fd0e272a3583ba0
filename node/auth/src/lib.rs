//! Proof of who calls: bytes and a time in, a [`Signed`] request or a [`Rejection`] out.
//!
//! Requests are signed by RFC 9421 in the profile `lgsp-v1`, or by draft-cavage-12 where a key
//! allows it. The head is checked first; the body streams through a [`BodyDigest`] afterwards.
//! Deliberately no I/O, clock or randomness, and no memory of nonces: those are the machine's.

mod base;
mod cavage;
mod date;
mod digest;
mod head;
mod idempotency;
mod key;
mod profile;
pub mod raw;
mod rejection;
mod sign;
mod tus;
mod verify;

pub use digest::{
    BodyDigest, ContentDigest, content_digest_sha256, content_digest_sha512, digest_sha256,
};
pub use head::{Header, PublicNames, RequestHead, Scheme};
pub use idempotency::idempotency_key;
pub use key::{KeyLookup, KeyMaterial, Material, PublicKey, Secret};
pub use profile::COVERED_WHEN_PRESENT;
pub use rejection::Rejection;
pub use sign::{SignError, SignRequest, SignatureFields, Signer, SigningKey};
pub use tus::{ChecksumChecker, UploadChecksum};
pub use verify::{
    AGE_MAX, AHEAD_MAX, Evidence, Head, Policy, Signed, VerifiedCaller, Whole, verify,
};

/// The tag of our profile; a signature is found by it, never by its label.
pub const TAG: &str = "lgsp-v1";

/// Whether two octet strings are equal, in a time that depends on their lengths only.
pub fn constant_time_eq(a: &[u8], b: &[u8]) -> bool {
    bool::from(subtle::ConstantTimeEq::ct_eq(a, b))
}
