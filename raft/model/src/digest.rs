//! The SHA-256 of a content, as its source signed it, and the words of 32 octets like it. Computing is for
//! others.

use base64::{Engine, engine::general_purpose::STANDARD};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Declares a SHA-256 as a word: `FromStr` and `Display` in hexadecimal, minicbor as octets.
macro_rules! sha256_word {
    ($(#[$doc:meta])* $name:ident, $word:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub [u8; 32]);

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                let mut text = [0; 64];
                hex::encode_to_slice(self.0, &mut text).map_err(|_| std::fmt::Error)?;
                f.write_str(std::str::from_utf8(&text).map_err(|_| std::fmt::Error)?)
            }
        }

        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                std::fmt::Display::fmt(self, f)
            }
        }

        impl std::str::FromStr for $name {
            type Err = crate::Malformed;
            fn from_str(text: &str) -> Result<Self, crate::Malformed> {
                let mut octets = [0; 32];
                hex::decode_to_slice(text, &mut octets).map_err(|_| {
                    let reason = "64 hexadecimal characters of a SHA-256 are expected";
                    crate::Malformed::new($word, reason)
                })?;
                Ok(Self(octets))
            }
        }

        impl<C> minicbor::Encode<C> for $name {
            fn encode<W: minicbor::encode::Write>(
                &self,
                e: &mut minicbor::Encoder<W>,
                _: &mut C,
            ) -> Result<(), minicbor::encode::Error<W::Error>> {
                e.bytes(&self.0)?.ok()
            }
        }

        impl<'b, C> minicbor::Decode<'b, C> for $name {
            fn decode(
                d: &mut minicbor::Decoder<'b>,
                _: &mut C,
            ) -> Result<Self, minicbor::decode::Error> {
                let octets = d.bytes()?.try_into();
                octets.map(Self).map_err(|_| minicbor::decode::Error::message("32 octets expected"))
            }
        }
    };
}
pub(crate) use sha256_word;

sha256_word!(
    /// A SHA-256 digest (32 octets); prints as 64 lower-case hexadecimal characters.
    Digest, "digest"
);

impl Digest {
    /// As a member of the fields of RFC 9530: `sha-256=:…:`.
    pub fn to_field(&self) -> String {
        format!("sha-256=:{}:", STANDARD.encode(self.0))
    }
}

impl Serialize for Digest {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Digest {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(d)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}
