//! Identifiers: a prefix that says what it is and a ULID that sorts by time.
//!
//! They are minted outside (a clock and random bits are needed) and handed in.

use std::{fmt, str::FromStr};

use minicbor::{Decode, Encode};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use ulid::Ulid;

use crate::{Malformed, Moment};

/// The number of a node in its cluster; given out once and never again, so a node that was
/// removed or wiped comes back under a new one.
#[derive(
    Debug,
    Clone,
    Copy,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Encode,
    Decode,
    Serialize,
    Deserialize,
)]
#[cbor(transparent)]
#[serde(transparent)]
pub struct NodeId(#[n(0)] pub u64);

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for NodeId {
    type Err = Malformed;
    fn from_str(text: &str) -> Result<Self, Malformed> {
        let number = text.strip_prefix("nut-").or(text.strip_prefix("node-")).unwrap_or(text);
        number.parse().map(Self).map_err(|_| Malformed::new("node id", "a number is expected"))
    }
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $prefix:literal, $word:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub u128);

        impl $name {
            /// Mints an identifier from a moment and 80 random bits (the upper bits are ignored).
            pub const fn mint(at: Moment, random: u128) -> Self {
                let ms = at.0 & ((1 << 48) - 1);
                Self(((ms as u128) << 80) | (random & ((1 << 80) - 1)))
            }

            /// The moment it was minted at.
            pub const fn minted_at(self) -> Moment {
                Moment((self.0 >> 80) as u64)
            }

            /// Big-endian octets: they sort as the identifiers do.
            pub const fn to_bytes(self) -> [u8; 16] {
                self.0.to_be_bytes()
            }

            /// The identifier in such octets.
            pub const fn from_bytes(bytes: [u8; 16]) -> Self {
                Self(u128::from_be_bytes(bytes))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let mut buffer = [0; ulid::ULID_LEN];
                f.write_str($prefix)?;
                f.write_str(Ulid::from_bytes(self.to_bytes()).array_to_str(&mut buffer))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl FromStr for $name {
            type Err = Malformed;
            fn from_str(text: &str) -> Result<Self, Malformed> {
                let rest = text
                    .strip_prefix($prefix)
                    .ok_or(Malformed::new($word, concat!("it begins with ", $prefix)))?;
                let id = Ulid::from_string(rest)
                    .map_err(|_| Malformed::new($word, "26 characters of Crockford's base32 follow the prefix"))?;
                // One spelling each: lower case and overflowing forms are refused.
                let id = Self::from_bytes(id.to_bytes());
                if id.to_string() == text { Ok(id) } else { Err(Malformed::new($word, "not in its canonical form")) }
            }
        }

        impl<C> Encode<C> for $name {
            fn encode<W: minicbor::encode::Write>(
                &self, e: &mut minicbor::Encoder<W>, _: &mut C,
            ) -> Result<(), minicbor::encode::Error<W::Error>> {
                e.bytes(&self.to_bytes())?.ok()
            }
        }

        impl<'b, C> Decode<'b, C> for $name {
            fn decode(d: &mut minicbor::Decoder<'b>, _: &mut C) -> Result<Self, minicbor::decode::Error> {
                let bytes = d.bytes()?.try_into().map_err(|_| minicbor::decode::Error::message("16 octets expected"))?;
                Ok(Self::from_bytes(bytes))
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
                s.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
                let text = <std::borrow::Cow<'de, str>>::deserialize(d)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

id!(
    /// A packet (gói tin): `pk_` and a ULID.
    PacketId, "pk_", "packet id"
);
id!(
    /// A space (không gian) that one packet's content is sent into: `sp_` and a ULID.
    SpaceId, "sp_", "space id"
);
id!(
    /// A command; a repeat of the command carries the same one, happens once, and gets the same answer
    /// as long as that is kept.
    CommandId, "cm_", "command id"
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_identifier_reads_back_as_it_was_written() {
        let id = PacketId::mint(Moment(1_795_334_851_204), 0x1234_5678_9abc);
        let text = id.to_string();
        assert!(text.starts_with("pk_") && text.len() == 29, "{text}");
        assert_eq!(text.parse::<PacketId>(), Ok(id));
        assert_eq!(id.minted_at(), Moment(1_795_334_851_204));
        assert!(text.to_lowercase().parse::<PacketId>().is_err());
        assert!(text.replace("pk_", "sp_").parse::<PacketId>().is_err());
        let bytes = minicbor::to_vec(id).expect("a vector takes every octet");
        assert_eq!(minicbor::decode::<PacketId>(&bytes).expect("just encoded"), id);
    }
}
