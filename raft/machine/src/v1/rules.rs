//! The rules that a cluster has adopted (D12).
//!
//! A program knows rules up to a number. A node announces its number, and the leader proposes to adopt rules once
//! every node knows them. Until then no command of newer rules is proposed, and the machine refuses it, so that
//! nodes of two versions never disagree: a rolling upgrade has a phase in which nothing new happens, and one
//! entry ends it.

use minicbor::{Decode, Encode};

/// A version of the rules, counted from 1.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
#[cbor(transparent)]
pub struct Rules(#[n(0)] pub u16);

impl Rules {
    /// What every program knows: members, registry, packets.
    pub const FIRST: Self = Self(1);
    /// Leases and the outbox.
    pub const LEASES: Self = Self(2);
}

/// The newest rules that this program knows.
pub const RULES_KNOWN: Rules = Rules::LEASES;

/// See [`crate::Command::AdoptRules`].
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
#[cbor(map)]
pub struct AdoptRules {
    /// The rules from now on; every node that belongs to the cluster must know them.
    #[n(0)]
    pub rules: Rules,
}
