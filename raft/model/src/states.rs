//! States, grants and other closed lists, each with the word that API, CLI and history share.

use std::{fmt, str::FromStr};

use minicbor::{Decode, Encode};
use serde::{Deserialize, Serialize};

use crate::Malformed;

/// Why a word is none of a list's: all of them are named.
macro_rules! one_of {
    ($first:literal $(, $rest:literal)*) => {
        concat!("one of these is expected: ", $first $(, ", ", $rest)*)
    };
}

/// Declares a closed list: numbers in what is stored, words in API and CLI.
macro_rules! list {
    ($(#[$doc:meta])* $name:ident, $what:literal, { $($(#[$vdoc:meta])* $n:literal $variant:ident = $word:literal,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode, Serialize, Deserialize)]
        #[cbor(index_only)]
        pub enum $name {
            $($(#[$vdoc])* #[n($n)] #[serde(rename = $word)] $variant,)*
        }

        impl $name {
            /// Every member, in order.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// The word in API, CLI and history; never translated.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word),* }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl FromStr for $name {
            type Err = Malformed;
            fn from_str(text: &str) -> Result<Self, Malformed> {
                Self::ALL.iter().copied().find(|member| member.as_str() == text)
                    .ok_or(Malformed::new($what, one_of!($($word),*)))
            }
        }
    };
}

list!(
    /// The state of a packet, derived from its deliveries (`standards`, the table of state words).
    PacketState, "packet state", {
        /// The request was accepted.
        0 Requested = "requested",
        /// A space was granted and waits for its content.
        1 AwaitingContent = "awaiting_content",
        /// The content is whole and durable.
        2 Received = "received",
        /// Its deliveries are planned.
        3 Planned = "planned",
        /// At least one target was notified, none has gone further.
        4 Notified = "notified",
        /// A target said that it is ready.
        5 Accepted = "accepted",
        /// A target has fetched the content.
        6 PickedUp = "picked_up",
        /// A target has confirmed, others are open.
        7 Confirmed = "confirmed",
        /// Every delivery is final and at least one is confirmed; the content goes.
        8 Completed = "completed",
        /// The source must decide what to do.
        9 NeedsDecision = "needs_decision",
        /// Every target rejected it.
        10 Rejected = "rejected",
        /// A deadline passed before anyone confirmed.
        11 Expired = "expired",
        /// The source took it back.
        12 Cancelled = "cancelled",
        /// It could not be carried.
        13 Failed = "failed",
    }
);

impl PacketState {
    /// Whether nothing can happen to the packet any more, so that its content must go.
    pub const fn is_terminal(self) -> bool {
        matches!(
            self,
            Self::Completed | Self::Rejected | Self::Expired | Self::Cancelled | Self::Failed
        )
    }
}

list!(
    /// The state of one delivery (chuyển giao) of a packet to one target.
    DeliveryState, "delivery state", {
        /// Planned, its target not yet notified.
        0 Planned = "planned",
        /// The target was notified.
        1 Notified = "notified",
        /// The target said that it is ready and was given the content's space.
        2 Accepted = "accepted",
        /// The target confirmed the digest of what it holds.
        3 Confirmed = "confirmed",
        /// The target refused the packet.
        4 Rejected = "rejected",
        /// The deadline passed.
        5 Expired = "expired",
        /// The source took the packet back.
        6 Cancelled = "cancelled",
        /// The target has fetched the content whole.
        7 PickedUp = "picked_up",
        /// It could not be carried: its content was lost.
        8 Failed = "failed",
    }
);

impl DeliveryState {
    /// Whether the delivery is settled.
    pub const fn is_final(self) -> bool {
        matches!(
            self,
            Self::Confirmed | Self::Rejected | Self::Expired | Self::Cancelled | Self::Failed
        )
    }
}

list!(
    /// How important a packet is (độ quan trọng), Article 13(2).
    Importance, "importance", {
        /// Thường.
        0 Normal = "normal",
        /// Khẩn.
        1 Urgent = "urgent",
        /// Thượng khẩn.
        2 VeryUrgent = "very_urgent",
        /// Hoả tốc.
        3 Flash = "flash",
    }
);

list!(
    /// What kind of unit it is.
    UnitKind, "unit kind", {
        /// The province itself.
        0 Province = "province",
        /// A department (sở, ban, ngành).
        1 Department = "department",
        /// A commune.
        2 Commune = "commune",
        /// A ward.
        3 Ward = "ward",
        /// Another unit of the zone.
        4 Other = "other",
        /// A unit of another zone or of the nation.
        5 Remote = "remote",
    }
);

list!(
    /// What an application may do.
    Grant, "grant", {
        /// Send packets for its unit.
        0 Send = "send",
        /// Receive packets for its unit.
        1 Receive = "receive",
        /// Administer the cluster's registry and members.
        2 Admin = "admin",
    }
);

/// A set of grants.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Encode, Decode)]
#[cbor(transparent)]
pub struct Grants(#[n(0)] u8);

impl Grants {
    /// Whether the grant is in the set.
    pub const fn has(self, grant: Grant) -> bool {
        self.0 & (1 << grant as u8) != 0
    }

    /// The grants in the set, in order.
    pub fn iter(self) -> impl Iterator<Item = Grant> {
        Grant::ALL.iter().copied().filter(move |grant| self.has(*grant))
    }

    /// Whether the set is empty.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }
}

impl FromIterator<Grant> for Grants {
    fn from_iter<I: IntoIterator<Item = Grant>>(grants: I) -> Self {
        Self(grants.into_iter().fold(0, |bits, grant| bits | 1 << grant as u8))
    }
}

list!(
    /// The one algorithm that a key signs with.
    KeyAlgorithm, "key algorithm", {
        /// RFC 9421 section 3.3.3.
        0 HmacSha256 = "hmac-sha256",
        /// RFC 9421 section 3.3.2.
        1 RsaV15Sha256 = "rsa-v1_5-sha256",
        /// RFC 9421 section 3.3.1.
        2 RsaPssSha512 = "rsa-pss-sha512",
        /// RFC 9421 section 3.3.6.
        3 Ed25519 = "ed25519",
        /// RFC 9421 section 3.3.4.
        4 EcdsaP256Sha256 = "ecdsa-p256-sha256",
    }
);

impl KeyAlgorithm {
    /// Whether both sides hold the same secret; otherwise we hold a public key only.
    pub const fn is_symmetric(self) -> bool {
        matches!(self, Self::HmacSha256)
    }
}

list!(
    /// Whether a key may be used.
    KeyStatus, "key status", {
        /// It may.
        0 Active = "active",
        /// It was revoked; for ever.
        1 Revoked = "revoked",
    }
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_read_back() {
        for state in PacketState::ALL {
            assert_eq!(state.as_str().parse::<PacketState>(), Ok(*state));
        }
        assert!("gone".parse::<PacketState>().is_err());
        let refused = "very".parse::<Importance>().expect_err("no word of the list");
        assert_eq!(refused.reason, "one of these is expected: normal, urgent, very_urgent, flash");
    }

    #[test]
    fn grants_are_a_set() {
        let grants: Grants = [Grant::Send, Grant::Admin].into_iter().collect();
        assert!(grants.has(Grant::Send) && !grants.has(Grant::Receive) && grants.has(Grant::Admin));
        assert_eq!(grants.iter().collect::<Vec<_>>(), [Grant::Send, Grant::Admin]);
    }
}
