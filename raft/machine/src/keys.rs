//! Keys that sort as what they stand for: numbers big-endian, texts closed by a zero octet.
//!
//! No word of the model contains a zero octet, so a closed text is never the beginning of another.

use model::{
    AccessKey, AppId, CommandId, Digest, IdempotencyKey, Importance, LeaseName, Moment, NodeId,
    Nonce, PacketId, SpaceId, Tick, UnitCode,
};

use crate::v1::LetterId;

/// A part of a key: written in order, and read back where a scan needs it.
pub(crate) trait Key: Sized {
    /// Appends the part.
    fn write(&self, key: &mut Vec<u8>);

    /// Takes the part off the front; none means that the key is not of this form.
    fn take(key: &mut &[u8]) -> Option<Self>;
}

/// A packet in a list that begins with the newest: its identifier, inverted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Newest(pub(crate) PacketId);

impl Key for () {
    fn write(&self, _: &mut Vec<u8>) {}

    fn take(_: &mut &[u8]) -> Option<Self> {
        Some(())
    }
}

impl Key for u8 {
    fn write(&self, key: &mut Vec<u8>) {
        key.push(*self);
    }

    fn take(key: &mut &[u8]) -> Option<Self> {
        octets(key).map(|[octet]| octet)
    }
}

impl Key for u64 {
    fn write(&self, key: &mut Vec<u8>) {
        key.extend_from_slice(&self.to_be_bytes());
    }

    fn take(key: &mut &[u8]) -> Option<Self> {
        octets(key).map(Self::from_be_bytes)
    }
}

impl Key for Moment {
    fn write(&self, key: &mut Vec<u8>) {
        self.0.write(key);
    }

    fn take(key: &mut &[u8]) -> Option<Self> {
        u64::take(key).map(Self)
    }
}

impl Key for Tick {
    fn write(&self, key: &mut Vec<u8>) {
        self.0.write(key);
    }

    fn take(key: &mut &[u8]) -> Option<Self> {
        u64::take(key).map(Self)
    }
}

impl Key for NodeId {
    fn write(&self, key: &mut Vec<u8>) {
        self.0.write(key);
    }

    fn take(key: &mut &[u8]) -> Option<Self> {
        u64::take(key).map(Self)
    }
}

impl Key for LetterId {
    fn write(&self, key: &mut Vec<u8>) {
        self.0.write(key);
    }

    fn take(key: &mut &[u8]) -> Option<Self> {
        u64::take(key).map(Self)
    }
}

/// What is due at a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Timer {
    /// A packet's space waits no longer for its content.
    SpaceEnds(PacketId),
    /// A packet's open deliveries have taken too long.
    GiveUp(PacketId),
    /// A node's pulse has lapsed: what hangs on it is free.
    PulseLapses(NodeId),
}

impl Key for Timer {
    fn write(&self, key: &mut Vec<u8>) {
        match self {
            Self::SpaceEnds(packet) => (1_u8, *packet).write(key),
            Self::GiveUp(packet) => (2_u8, *packet).write(key),
            Self::PulseLapses(node) => (3_u8, *node).write(key),
        }
    }

    fn take(key: &mut &[u8]) -> Option<Self> {
        match u8::take(key)? {
            1 => PacketId::take(key).map(Self::SpaceEnds),
            2 => PacketId::take(key).map(Self::GiveUp),
            3 => NodeId::take(key).map(Self::PulseLapses),
            _ => None,
        }
    }
}

/// How soon a target is offered a packet: the most important first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Band(pub(crate) u8);

impl Band {
    /// Every band, in order.
    pub(crate) const ALL: [Self; 4] = [Self(0), Self(1), Self(2), Self(3)];

    /// The band of an importance.
    pub(crate) const fn of(importance: Importance) -> Self {
        Self(match importance {
            Importance::Flash => 0,
            Importance::VeryUrgent => 1,
            Importance::Urgent => 2,
            Importance::Normal => 3,
        })
    }
}

impl Key for Band {
    fn write(&self, key: &mut Vec<u8>) {
        self.0.write(key);
    }

    fn take(key: &mut &[u8]) -> Option<Self> {
        u8::take(key).map(Self)
    }
}

impl Key for Digest {
    fn write(&self, key: &mut Vec<u8>) {
        key.extend_from_slice(&self.0);
    }

    fn take(key: &mut &[u8]) -> Option<Self> {
        octets(key).map(Self)
    }
}

impl Key for Newest {
    fn write(&self, key: &mut Vec<u8>) {
        key.extend_from_slice(&(!self.0.0).to_be_bytes());
    }

    fn take(key: &mut &[u8]) -> Option<Self> {
        octets(key).map(|octets| Self(PacketId(!u128::from_be_bytes(octets))))
    }
}

macro_rules! ids {
    ($($id:ident)*) => { $(
        impl Key for $id {
            fn write(&self, key: &mut Vec<u8>) {
                key.extend_from_slice(&self.to_bytes());
            }

            fn take(key: &mut &[u8]) -> Option<Self> {
                octets(key).map(Self::from_bytes)
            }
        }
    )* };
}
ids!(PacketId SpaceId CommandId);

macro_rules! texts {
    ($($text:ident)*) => { $(
        impl Key for $text {
            fn write(&self, key: &mut Vec<u8>) {
                key.extend_from_slice(self.as_str().as_bytes());
                key.push(0);
            }

            fn take(key: &mut &[u8]) -> Option<Self> {
                text(key).map(Self::stored)
            }
        }
    )* };
}
texts!(UnitCode AppId AccessKey Nonce IdempotencyKey LeaseName);

impl<A: Key, B: Key> Key for (A, B) {
    fn write(&self, key: &mut Vec<u8>) {
        self.0.write(key);
        self.1.write(key);
    }

    fn take(key: &mut &[u8]) -> Option<Self> {
        Some((A::take(key)?, B::take(key)?))
    }
}

impl<A: Key, B: Key, C: Key> Key for (A, B, C) {
    fn write(&self, key: &mut Vec<u8>) {
        self.0.write(key);
        self.1.write(key);
        self.2.write(key);
    }

    fn take(key: &mut &[u8]) -> Option<Self> {
        Some((A::take(key)?, B::take(key)?, C::take(key)?))
    }
}

impl<A: Key, B: Key, C: Key, D: Key, E: Key> Key for (A, B, C, D, E) {
    fn write(&self, key: &mut Vec<u8>) {
        self.0.write(key);
        self.1.write(key);
        self.2.write(key);
        self.3.write(key);
        self.4.write(key);
    }

    fn take(key: &mut &[u8]) -> Option<Self> {
        Some((A::take(key)?, B::take(key)?, C::take(key)?, D::take(key)?, E::take(key)?))
    }
}

fn octets<const N: usize>(key: &mut &[u8]) -> Option<[u8; N]> {
    let (octets, rest) = key.split_first_chunk::<N>()?;
    *key = rest;
    Some(*octets)
}

fn text<'k>(key: &mut &'k [u8]) -> Option<&'k str> {
    let end = key.iter().position(|octet| *octet == 0)?;
    let (text, rest) = key.split_at(end);
    *key = &rest[1..];
    std::str::from_utf8(text).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn written(key: &impl Key) -> Vec<u8> {
        let mut octets = Vec::new();
        key.write(&mut octets);
        octets
    }

    proptest! {
        #[test]
        fn keys_sort_as_what_they_stand_for(
            a in ("[0-9A-Z._-]{1,6}x", any::<u64>(), any::<u128>()),
            b in ("[0-9A-Z._-]{1,6}x", any::<u64>(), any::<u128>()),
        ) {
            let key = |(code, moment, id): (String, u64, u128)| {
                (code.parse::<UnitCode>().expect("a code"), Moment(moment), PacketId(id))
            };
            let (a, b) = (key(a), key(b));
            prop_assert_eq!(written(&a).cmp(&written(&b)), a.cmp(&b));
            prop_assert_eq!(written(&Newest(a.2)).cmp(&written(&Newest(b.2))), b.2.cmp(&a.2));
            let octets = written(&a);
            prop_assert_eq!(<(UnitCode, Moment, PacketId)>::take(&mut &octets[..]), Some(a));
        }

        #[test]
        fn octets_that_are_no_key_are_not_read_as_one(octets in any::<Vec<u8>>()) {
            let _ = <(AccessKey, Nonce, CommandId)>::take(&mut &octets[..]);
            let _ = <(Newest, Digest, NodeId)>::take(&mut &octets[..]);
        }
    }
}
