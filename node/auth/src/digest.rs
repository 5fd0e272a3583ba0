//! Digests of content: the fields `Content-Digest`, `Repr-Digest` (RFC 9530) and the old `Digest`
//! (RFC 3230), and the checker that the body streams through after the head was verified.

use aws_lc_rs::digest::{Context, SHA256, SHA512};
use base64::{Engine, engine::general_purpose::STANDARD};
use sfv::{BareItem, Dictionary, ListEntry, Parser};

use crate::{Rejection, RequestHead, constant_time_eq};

/// The longest digest field that is read: a handful of algorithms fit four times over.
const FIELD_MAX: usize = 1024;

/// What the content must hash to. The empty value means that no content is expected at all.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ContentDigest {
    /// Its SHA-256, when the field has one.
    pub sha256: Option<[u8; 32]>,
    /// Its SHA-512, when the field has one.
    pub sha512: Option<[u8; 64]>,
}

impl ContentDigest {
    /// Reads the field `Content-Digest`; none when the request has no such field.
    pub fn of(head: &RequestHead<'_>) -> Result<Option<Self>, Rejection> {
        head.joined("content-digest")?
            .map(|value| Self::parse("content-digest", &value))
            .transpose()
    }

    /// Reads the value of `Content-Digest` or `Repr-Digest`: a dictionary of byte sequences.
    ///
    /// Algorithms that we do not know are passed over; at least one that we know must be there.
    pub fn parse(field: &'static str, value: &[u8]) -> Result<Self, Rejection> {
        let malformed = |reason| Rejection::Malformed { field, reason };
        if value.len() > FIELD_MAX {
            return Err(Rejection::FieldTooLong { field, max: FIELD_MAX });
        }
        let members: Dictionary = Parser::new(value)
            .parse()
            .map_err(|_| malformed("it is not a dictionary of RFC 9651"))?;
        let mut digest = Self::default();
        for (name, member) in &members {
            let ListEntry::Item(item) = member else {
                return Err(malformed("a digest is a byte sequence between colons"));
            };
            let BareItem::ByteSequence(octets) = &item.bare_item else {
                return Err(malformed("a digest is a byte sequence between colons"));
            };
            let wrong_length = |_| malformed("a digest has the wrong length");
            match name.as_str() {
                "sha-256" => {
                    digest.sha256 = Some(octets.as_slice().try_into().map_err(wrong_length)?)
                }
                "sha-512" => {
                    digest.sha512 = Some(octets.as_slice().try_into().map_err(wrong_length)?)
                }
                _ => {}
            }
        }
        if digest.is_empty() {
            return Err(Rejection::DigestUnsupported { field });
        }
        Ok(digest)
    }

    /// Reads the value of the old field `Digest`: `SHA-256=<base64>`, perhaps among others.
    pub fn parse_old(value: &[u8]) -> Result<Self, Rejection> {
        const FIELD: &str = "digest";
        let malformed = |reason| Rejection::Malformed { field: FIELD, reason };
        if value.len() > FIELD_MAX {
            return Err(Rejection::FieldTooLong { field: FIELD, max: FIELD_MAX });
        }
        let value = std::str::from_utf8(value).map_err(|_| malformed("it is not ASCII"))?;
        let mut digest = Self::default();
        for member in value.split(',') {
            let (name, text) =
                member.trim().split_once('=').ok_or(malformed("algorithm=value is expected"))?;
            let octets = || STANDARD.decode(text).map_err(|_| malformed("a digest is not base64"));
            let wrong_length = |_| malformed("a digest has the wrong length");
            // Two different digests of one algorithm: one of them is a lie, and we cannot know which.
            if name.eq_ignore_ascii_case("sha-256") {
                let octets = octets()?.as_slice().try_into().map_err(wrong_length)?;
                if digest.sha256.replace(octets).is_some() {
                    return Err(malformed("an algorithm is named twice"));
                }
            } else if name.eq_ignore_ascii_case("sha-512") {
                let octets = octets()?.as_slice().try_into().map_err(wrong_length)?;
                if digest.sha512.replace(octets).is_some() {
                    return Err(malformed("an algorithm is named twice"));
                }
            }
        }
        if digest.is_empty() {
            return Err(Rejection::DigestUnsupported { field: FIELD });
        }
        Ok(digest)
    }

    /// Whether no content is expected.
    pub const fn is_empty(&self) -> bool {
        self.sha256.is_none() && self.sha512.is_none()
    }

    /// The checker that the body streams through.
    pub fn checker(&self) -> BodyDigest {
        BodyDigest {
            expected: *self,
            sha256: self.sha256.map(|_| Context::new(&SHA256)),
            sha512: self.sha512.map(|_| Context::new(&SHA512)),
            is_empty: true,
        }
    }
}

/// Hashes the body as it streams and compares at the end. What is not asked for is not computed.
///
/// The body must not become visible before [`BodyDigest::finish`] said yes.
#[derive(Clone)]
pub struct BodyDigest {
    expected: ContentDigest,
    // A body may be large, and this library's SHA-2 is the faster one where the processor has no
    // instructions for it.
    sha256: Option<Context>,
    sha512: Option<Context>,
    is_empty: bool,
}

impl std::fmt::Debug for BodyDigest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("BodyDigest")
    }
}

impl BodyDigest {
    /// Takes the next octets of the body.
    pub fn update(&mut self, octets: &[u8]) {
        self.is_empty &= octets.is_empty();
        if let Some(hash) = &mut self.sha256 {
            hash.update(octets);
        }
        if let Some(hash) = &mut self.sha512 {
            hash.update(octets);
        }
    }

    /// Says whether the body that has passed is the one that was signed.
    pub fn finish(self) -> Result<(), Rejection> {
        if self.expected.is_empty() {
            // HTTP/2 can bring content that no header announced.
            return if self.is_empty { Ok(()) } else { Err(Rejection::ContentUnsigned) };
        }
        let same_256 = match (self.sha256, &self.expected.sha256) {
            (Some(hash), Some(expected)) => constant_time_eq(hash.finish().as_ref(), expected),
            _ => true,
        };
        let same_512 = match (self.sha512, &self.expected.sha512) {
            (Some(hash), Some(expected)) => constant_time_eq(hash.finish().as_ref(), expected),
            _ => true,
        };
        if same_256 && same_512 { Ok(()) } else { Err(Rejection::DigestMismatch) }
    }
}

/// The value of `Content-Digest` or `Repr-Digest` for a SHA-256.
pub fn content_digest_sha256(digest: &[u8; 32]) -> String {
    format!("sha-256=:{}:", STANDARD.encode(digest))
}

/// The value of `Content-Digest` or `Repr-Digest` for a SHA-512.
pub fn content_digest_sha512(digest: &[u8; 64]) -> String {
    format!("sha-512=:{}:", STANDARD.encode(digest))
}

/// The value of the old field `Digest` for a SHA-256 (aria2 checks it by itself).
pub fn digest_sha256(digest: &[u8; 32]) -> String {
    format!("SHA-256={}", STANDARD.encode(digest))
}

#[cfg(test)]
mod tests {
    use super::*;
    use sha2::{Digest as _, Sha256, Sha512};

    const BODY: &[u8] = b"{\"hello\": \"world\"}";

    fn check(digest: ContentDigest, body: &[u8]) -> Result<(), Rejection> {
        let mut checker = digest.checker();
        for piece in body.chunks(5) {
            checker.update(piece);
        }
        checker.finish()
    }

    #[test]
    fn the_digests_of_rfc_9530_are_read_and_compared() {
        let both = b"sha-256=:X48E9qOokqqrvdts8nOJRJN3OWDUoyWxBf7kbu9DBPE=:, md5=:AAAA:, \
            sha-512=:WZDPaVn/7XgHaAy8pmojAkGWoRx2UFChF41A2svX+TaPm+AbwAgBWnrIiYllu7BNNyealdVLvRwEmTHWXvJwew==:";
        let digest = ContentDigest::parse("content-digest", both).expect("two digests");
        assert!(digest.sha256.is_some() && digest.sha512.is_some());
        assert_eq!(check(digest, BODY), Ok(()));
        assert_eq!(check(digest, b"{\"hello\": \"World\"}"), Err(Rejection::DigestMismatch));
        assert_eq!(check(digest, b""), Err(Rejection::DigestMismatch));
    }

    #[test]
    fn one_false_digest_of_two_is_enough_to_refuse() {
        let mut digest =
            ContentDigest { sha256: Some(Sha256::digest(BODY).into()), sha512: Some([0; 64]) };
        assert_eq!(check(digest, BODY), Err(Rejection::DigestMismatch));
        digest.sha512 = Some(Sha512::digest(BODY).into());
        assert_eq!(check(digest, BODY), Ok(()));
    }

    #[test]
    fn content_that_nobody_announced_is_refused() {
        assert_eq!(check(ContentDigest::default(), b""), Ok(()));
        assert_eq!(check(ContentDigest::default(), b"x"), Err(Rejection::ContentUnsigned));
    }

    #[test]
    fn the_empty_content_has_a_digest_like_any_other() {
        let value = content_digest_sha256(&Sha256::digest(b"").into());
        let digest = ContentDigest::parse("content-digest", value.as_bytes()).expect("a digest");
        assert_eq!(check(digest, b""), Ok(()));
        assert_eq!(check(digest, b"x"), Err(Rejection::DigestMismatch));
    }

    #[test]
    fn fields_that_say_nothing_are_refused() {
        for value in
            ["", "sha-256", "sha-256=1", "sha-256=::", "sha-256=:AAAA:", "md5=:AAAA:", "sha-256=()"]
        {
            assert!(ContentDigest::parse("content-digest", value.as_bytes()).is_err(), "{value}");
        }
        for value in ["", "SHA-256", "SHA-256=AAAA", "MD5=AAAA"] {
            assert!(ContentDigest::parse_old(value.as_bytes()).is_err(), "{value}");
        }
    }

    #[test]
    fn the_old_field_is_read_as_it_is_written() {
        let sha256: [u8; 32] = Sha256::digest(BODY).into();
        let value = format!("md5=abc, {}", digest_sha256(&sha256).replace("SHA", "sha"));
        let digest = ContentDigest::parse_old(value.as_bytes()).expect("a digest");
        assert_eq!(digest, ContentDigest { sha256: Some(sha256), sha512: None });
        let twice = format!("{0},{0}", digest_sha256(&sha256));
        assert!(ContentDigest::parse_old(twice.as_bytes()).is_err());
    }

    #[test]
    fn what_is_formatted_reads_back() {
        let digest = ContentDigest { sha256: Some([7; 32]), sha512: Some([9; 64]) };
        let value =
            format!("{}, {}", content_digest_sha256(&[7; 32]), content_digest_sha512(&[9; 64]));
        assert_eq!(ContentDigest::parse("repr-digest", value.as_bytes()), Ok(digest));
    }
}
