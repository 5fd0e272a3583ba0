//! Forms of the nodes and of those that vote, version 1: commands and records, encoded by field number.

use minicbor::{Decode, Encode};
use model::{Digest, Label, Moment, NodeId, PacketId, Tick};

use super::{By, Rules};

/// A node as it presents itself.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
#[cbor(map)]
pub struct NewNode {
    /// A name for people.
    #[n(0)]
    pub name: Label,
    /// Where other nodes reach it over QUIC: `host:port`.
    #[n(1)]
    pub mesh_address: String,
    /// Where applications reach it over HTTPS: `https://host:port`.
    #[n(2)]
    pub api_url: String,
    /// The version of its program.
    #[n(3)]
    pub version: String,
    /// The newest rules that its program knows.
    #[n(4)]
    pub rules_max: Rules,
}

/// See [`crate::Command::IssueJoinToken`].
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
#[cbor(map)]
pub struct IssueJoinToken {
    /// SHA-256 of the token's secret.
    #[n(0)]
    pub secret_digest: Digest,
    /// After this moment nobody may spend it.
    #[n(1)]
    pub expires_at: Moment,
}

/// See [`crate::Command::AdmitNode`].
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
#[cbor(map)]
pub struct AdmitNode {
    /// SHA-256 of the token's secret.
    #[n(0)]
    pub secret_digest: Digest,
    /// The node.
    #[n(1)]
    pub node: NewNode,
    /// The SHA-256 of its public key (SubjectPublicKeyInfo): what the node is from now on.
    #[n(2)]
    pub key: Digest,
}

/// See [`crate::Command::UpdateNode`].
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
#[cbor(map)]
pub struct UpdateNode {
    /// What the node that proposes is now.
    #[n(0)]
    pub now: NewNode,
}

/// See [`crate::Command::LeaveNode`].
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
#[cbor(map)]
pub struct LeaveNode {
    /// Which node.
    #[n(0)]
    pub node: NodeId,
    /// Whether contents that no other node holds are given up.
    #[n(1)]
    pub gives_up: bool,
}

/// See [`crate::Command::ReleaseHoldings`].
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
#[cbor(map)]
pub struct ReleaseHoldings {
    /// The node that leaves.
    #[n(0)]
    pub node: NodeId,
    /// Live packets that are looked at, at most.
    #[n(1)]
    pub packets_max: u32,
    /// The last packet that is looked at: whoever proposes has not asked who really holds those behind it. Without it,
    /// all are looked at.
    #[n(2)]
    pub through: Option<PacketId>,
}

/// See [`crate::Command::RemoveNode`].
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
#[cbor(map)]
pub struct RemoveNode {
    /// Which node.
    #[n(0)]
    pub node: NodeId,
}

/// A node, present or removed.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
#[cbor(map)]
pub struct NodeRecord {
    /// Its id.
    #[n(0)]
    pub node: NodeId,
    /// What it last told of itself.
    #[n(1)]
    pub now: NewNode,
    /// When it was admitted.
    #[n(2)]
    pub admitted_at: Moment,
    /// When it was removed; its certificate is worth nothing from then on.
    #[n(3)]
    pub removed_at: Option<Moment>,
    /// The SHA-256 of its public key, pinned when it was admitted. It never changes: a certificate
    /// for another key is not this node.
    #[n(4)]
    pub key: Digest,
    /// Who issued the join token that it was admitted with.
    #[n(5)]
    pub admitted_by: Option<By>,
    /// Who removed it.
    #[n(6)]
    pub removed_by: Option<By>,
    /// When it was removed, counted: it knows no secret of a key that was issued after this.
    #[n(7)]
    pub removed_tick: Option<Tick>,
    /// Packets that ended before this number never lay here.
    #[n(8)]
    pub owes_from: u64,
    /// What an administrator asked for, from `LeaveNode` to the removal.
    #[n(9)]
    pub leaving: Option<Leaving>,
    /// The ended packets that it had not destroyed when it was removed, if there were any: its disk is out
    /// of our reach.
    #[n(10)]
    pub owing: Option<Owing>,
}

impl NodeRecord {
    /// Whether it belongs to the cluster: it was admitted and not removed.
    pub const fn is_present(&self) -> bool {
        self.removed_at.is_none()
    }
}

/// How far a node has left.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
#[cbor(map)]
pub struct Leaving {
    /// Who asked for it.
    #[n(0)]
    pub by: By,
    /// When.
    #[n(1)]
    pub at: Moment,
    /// See [`LeaveNode::gives_up`].
    #[n(2)]
    pub gives_up: bool,
    /// Whether it was a member until then, so that contents have lost one of those who hold them.
    #[n(3)]
    pub was_member: bool,
    /// Live packets up to this one do not need the node any more.
    #[n(4)]
    pub released_to: Option<PacketId>,
    /// Whether no live packet needs it any more.
    #[n(5)]
    pub is_released: bool,
}

/// Ended packets by their numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Owing {
    /// The first.
    #[n(0)]
    pub from: u64,
    /// The number after the last.
    #[n(1)]
    pub to: u64,
}

impl Owing {
    /// How many they are.
    pub const fn count(&self) -> u64 {
        self.to.saturating_sub(self.from)
    }
}

/// A join token; the secret itself is nowhere.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
#[cbor(map)]
pub struct JoinTokenRecord {
    /// From this tick on nobody may spend it.
    #[n(0)]
    pub expires_tick: Tick,
    /// The node that spent it.
    #[n(1)]
    pub node: Option<NodeId>,
    /// Who issued it.
    #[n(2)]
    pub issued_by: Option<By>,
}
