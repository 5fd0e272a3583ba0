//! Forms of the rotations of the cluster key and of the authority, version 1: commands and records.

use minicbor::{Decode, Encode, bytes::ByteVec};
use model::{AccessKey, Digest, Moment, NodeId, Tick};

use super::Time;

/// See [`crate::Command::RotateClusterKey`].
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
#[cbor(map)]
pub struct RotateClusterKey {
    /// Whether tokens of older versions die with the rotation, instead of a day later.
    #[n(0)]
    pub ends_tokens: bool,
}

/// See [`crate::Command::TurnClusterKey`]. A step that is late, or was done before, changes nothing.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub enum TurnClusterKey {
    /// The node that proposes has made a version and holds it durably.
    #[n(0)]
    Stage {
        /// One more than any number before.
        #[n(0)]
        version: u32,
        /// The check of its key.
        #[n(1)]
        check: Digest,
    },
    /// The node that proposes holds the staged version durably.
    #[n(1)]
    Hold {
        /// Which version.
        #[n(0)]
        version: u32,
    },
    /// The staged version seals from now on. A majority of the members must hold it.
    #[n(2)]
    Activate {
        /// Which version.
        #[n(0)]
        version: u32,
    },
    /// Secrets sealed under the active version instead of an older one.
    #[n(3)]
    Reseal {
        /// The active version.
        #[n(0)]
        version: u32,
        /// At most [`RESEALED_A_COMMAND_MAX`].
        #[n(1)]
        secrets: Vec<Resealed>,
        /// The authority's key.
        #[n(2)]
        authority: Option<ByteVec>,
    },
    /// What was due is over: tokens of older versions, or the versions themselves.
    #[n(4)]
    End {
        /// The active version.
        #[n(0)]
        version: u32,
    },
}

/// See [`crate::Command::RecordReceiptKey`].
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
#[cbor(map)]
pub struct NewReceiptKey {
    /// The version of the cluster key.
    #[n(0)]
    pub version: u32,
    /// The P-256 key of receipts: its two coordinates (RFC 7518 section 6.2.1).
    #[n(1)]
    #[cbor(with = "minicbor::bytes")]
    pub es256: Vec<u8>,
    /// The Ed25519 key of checkpoints (RFC 8032).
    #[n(2)]
    #[cbor(with = "minicbor::bytes")]
    pub ed25519: Vec<u8>,
}

/// The public keys that receipts and checkpoints are checked with. The private ones follow from a version of the
/// cluster key, and go with it; these stay, so that a receipt can be checked years later (D18).
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
#[cbor(map)]
pub struct ReceiptKeyRecord {
    /// The keys, as they were announced.
    #[n(0)]
    pub keys: NewReceiptKey,
    /// Where their use ended; none while their version is active.
    #[n(1)]
    pub ended: Option<KeyEnd>,
}

/// The end of the keys of receipts of one version: they sign nothing about what is newer, whoever has them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct KeyEnd {
    /// They signed facts before this position of the history, and checkpoints of no greater size.
    #[n(0)]
    pub facts: u64,
    /// When, for people.
    #[n(1)]
    pub at: Moment,
}

/// The secret of a key under another version of the cluster key.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
#[cbor(map)]
pub struct Resealed {
    /// Whose secret.
    #[n(0)]
    pub key: AccessKey,
    /// The sealed secret.
    #[n(1)]
    pub material: ByteVec,
}

/// How far the cluster key has turned.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
#[cbor(map)]
pub struct ClusterKeyRecord {
    /// The version that seals.
    #[n(0)]
    pub active: u32,
    /// Its check.
    #[n(1)]
    pub check: Digest,
    /// Since when it seals.
    #[n(2)]
    pub active_at: Moment,
    /// The highest number that was given to a version, in vain or not.
    #[n(3)]
    pub last: u32,
    /// Whether a further version is wanted.
    #[n(4)]
    pub wanted: bool,
    /// Whether tokens die with that rotation: a member was removed, or it was asked for.
    #[n(5)]
    pub ends_tokens: bool,
    /// A version that is being handed out.
    #[n(6)]
    pub staged: Option<StagedKey>,
    /// Tokens of versions before this one are worth nothing.
    #[n(7)]
    pub tokens_from: u32,
    /// When tokens of versions before the active one die, once all secrets are sealed anew; none when
    /// there are none.
    #[n(8)]
    pub tokens_until: Option<Time>,
    /// Versions before this one open nothing any more, and nodes forget them.
    #[n(9)]
    pub opens_from: u32,
    /// Versions before the active one that contents may still lie under, the oldest first.
    #[n(10)]
    pub older: Vec<OlderKey>,
}

impl ClusterKeyRecord {
    /// When no content can be left that was sealed under a version before the active one; none when
    /// there is none.
    pub fn contents_until(&self) -> Option<Time> {
        self.older.last().map(|older| older.until)
    }
}

/// A version that seals nothing any more, and opens what it sealed.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
#[cbor(map)]
pub struct OlderKey {
    /// Its number.
    #[n(0)]
    pub version: u32,
    /// When no content can be left that it sealed.
    #[n(1)]
    pub until: Time,
    /// Its check.
    #[n(2)]
    pub check: Digest,
}

/// A version that seals nothing yet.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
#[cbor(map)]
pub struct StagedKey {
    /// Its number.
    #[n(0)]
    pub version: u32,
    /// Its check.
    #[n(1)]
    pub check: Digest,
    /// The nodes that hold it durably, in order.
    #[n(2)]
    pub holders: Vec<NodeId>,
    /// The tick at which it was made.
    #[n(3)]
    pub at: Tick,
}

/// Secrets that one command seals anew: keeps an entry under some tens of KiB.
pub const RESEALED_A_COMMAND_MAX: usize = 200;

/// See [`crate::Command::OrderAuthority`].
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub enum OrderAuthority {
    /// A new authority, with the older ones honoured for a while.
    #[n(0)]
    Rotate {
        /// For how long, in milliseconds; [`AUTHORITY_OVERLAP_MAX_MS`] at most.
        #[n(0)]
        overlap_ms: u64,
    },
    /// The older ones are honoured no longer.
    #[n(1)]
    EndOlder,
}

/// See [`crate::Command::TurnAuthority`]. A step that is late, or was done before, changes nothing.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub enum TurnAuthority {
    /// A node has made the next authority: it certifies from now on.
    #[n(0)]
    Replace {
        /// One more than the present one.
        #[n(0)]
        number: u32,
        /// Its certificate, by itself, DER.
        #[n(1)]
        certificate: ByteVec,
        /// Its certificate, by the present authority, DER.
        #[n(2)]
        by_former: ByteVec,
        /// Its key, sealed under the cluster key.
        #[n(3)]
        key_sealed: ByteVec,
        /// The version of the cluster key that sealed it: the active one.
        #[n(4)]
        sealed_under: u32,
    },
    /// The time of older ones is over.
    #[n(1)]
    End,
}

/// The authority that certifies, and those that are still honoured.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
#[cbor(map)]
pub struct AuthorityRecord {
    /// Its number; the first is [`FIRST_AUTHORITY`].
    #[n(0)]
    pub number: u32,
    /// Its certificate, DER.
    #[n(1)]
    #[cbor(with = "minicbor::bytes")]
    pub certificate: Vec<u8>,
    /// Its key, sealed under the cluster key.
    #[n(2)]
    #[cbor(with = "minicbor::bytes")]
    pub key_sealed: Vec<u8>,
    /// The version of the cluster key that sealed it.
    #[n(3)]
    pub sealed_under: u32,
    /// Since when it certifies.
    #[n(4)]
    pub since: Moment,
    /// Whether a new one is wanted, and for how long (milliseconds) this one is honoured after it.
    #[n(5)]
    pub wanted: Option<u64>,
    /// Those before it that are honoured, the oldest first.
    #[n(6)]
    pub older: Vec<OlderAuthority>,
}

/// An authority that certifies nobody any more, and is honoured for a while.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
#[cbor(map)]
pub struct OlderAuthority {
    /// Its number.
    #[n(0)]
    pub number: u32,
    /// Its certificate, DER.
    #[n(1)]
    #[cbor(with = "minicbor::bytes")]
    pub certificate: Vec<u8>,
    /// The certificate of its successor, made by it, DER.
    #[n(2)]
    #[cbor(with = "minicbor::bytes")]
    pub successor: Vec<u8>,
    /// Until when; the tick decides, the date is for people.
    #[n(3)]
    pub until: Time,
}

/// The longest that may be asked for: a file that nobody replaces in a year is replaced by nobody.
pub const AUTHORITY_OVERLAP_MAX_MS: u64 = 366 * 24 * 3_600_000;

/// The number of the authority that a cluster is founded with.
pub const FIRST_AUTHORITY: u32 = 1;
