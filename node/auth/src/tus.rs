//! `Upload-Checksum` of tus 1.0.0: sha1 and sha256, base64, checked as the chunk streams.

use aws_lc_rs::digest::{Context, SHA256};
use base64::{Engine, engine::general_purpose::STANDARD};
use sha1::{Digest as _, Sha1};

use crate::{Rejection, constant_time_eq};

/// The checksum that a client promised for one chunk. It guards against accidents on the way;
/// what is evidence is the SHA-256 of the whole content, signed at commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UploadChecksum {
    /// sha1: what tuspy sends.
    Sha1([u8; 20]),
    /// sha256.
    Sha256([u8; 32]),
}

impl UploadChecksum {
    /// The algorithms, as `Tus-Checksum-Algorithm` lists them.
    pub const ALGORITHMS: &'static str = "sha256,sha1";

    /// Reads the header's value: the algorithm, a space, base64.
    pub fn parse(value: &[u8]) -> Result<Self, Rejection> {
        const FIELD: &str = "upload-checksum";
        let malformed = |reason| Rejection::Malformed { field: FIELD, reason };
        let text = std::str::from_utf8(value).map_err(|_| malformed("it is not ASCII"))?;
        let (name, base64) = text
            .trim()
            .split_once(' ')
            .ok_or(malformed("an algorithm, a space and base64 are expected"))?;
        let base64 = base64.trim_start();
        // The longest that is accepted is the 44 characters of a SHA-256.
        if base64.len() > 44 {
            return Err(malformed("the checksum has the wrong length"));
        }
        let octets =
            STANDARD.decode(base64).map_err(|_| malformed("the checksum is not base64"))?;
        let wrong_length = |_| malformed("the checksum has the wrong length");
        match &*name.to_ascii_lowercase() {
            "sha1" => octets.as_slice().try_into().map(Self::Sha1).map_err(wrong_length),
            "sha256" => octets.as_slice().try_into().map(Self::Sha256).map_err(wrong_length),
            _ => Err(Rejection::DigestUnsupported { field: FIELD }),
        }
    }

    /// The checker that the chunk streams through.
    pub fn checker(self) -> ChecksumChecker {
        ChecksumChecker(match self {
            Self::Sha1(expected) => Running::Sha1(Sha1::new(), expected),
            Self::Sha256(expected) => Running::Sha256(Context::new(&SHA256), expected),
        })
    }
}

/// Hashes a chunk as it streams; [`ChecksumChecker::finish`] compares.
#[derive(Clone)]
pub struct ChecksumChecker(Running);

#[derive(Clone)]
enum Running {
    Sha1(Sha1, [u8; 20]),
    Sha256(Context, [u8; 32]),
}

impl std::fmt::Debug for ChecksumChecker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ChecksumChecker")
    }
}

impl ChecksumChecker {
    /// Takes the next octets of the chunk.
    pub fn update(&mut self, octets: &[u8]) {
        match &mut self.0 {
            Running::Sha1(hash, _) => hash.update(octets),
            Running::Sha256(hash, _) => hash.update(octets),
        }
    }

    /// Says whether the chunk is the promised one; if not, tus answers 460.
    pub fn finish(self) -> Result<(), Rejection> {
        let same = match self.0 {
            Running::Sha1(hash, expected) => constant_time_eq(&hash.finalize(), &expected),
            Running::Sha256(hash, expected) => constant_time_eq(hash.finish().as_ref(), &expected),
        };
        if same { Ok(()) } else { Err(Rejection::DigestMismatch) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_of_tus_is_checked() {
        // tus 1.0.0, extension checksum: "hello world".
        let sum = UploadChecksum::parse(b"sha1 Kq5sNclPz7QV2+lfQIuc6R7oRu0=").expect("a checksum");
        let mut checker = sum.checker();
        checker.update(b"hello ");
        checker.update(b"world");
        assert_eq!(checker.finish(), Ok(()));
        assert_eq!(sum.checker().finish(), Err(Rejection::DigestMismatch));
    }

    #[test]
    fn sha256_is_checked() {
        for algorithm in ["sha256", "SHA256", " sha256 "] {
            let value = format!("{algorithm} {}", STANDARD.encode(sha2::Sha256::digest(b"x")));
            let sum = UploadChecksum::parse(value.as_bytes()).expect("a checksum");
            let mut checker = sum.checker();
            checker.update(b"x");
            assert_eq!(checker.finish(), Ok(()));
        }
    }

    #[test]
    fn what_is_no_checksum_is_refused() {
        for value in [
            "",
            "sha1",
            "sha1 ",
            "sha1 AAAA",
            "sha256 Kq5sNclPz7QV2+lfQIuc6R7oRu0=",
            "md5 AAAA",
            "sha1 *",
        ] {
            assert!(UploadChecksum::parse(value.as_bytes()).is_err(), "{value}");
        }
    }
}
