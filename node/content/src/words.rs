//! What the crate says of a content: what is stored, what a node holds of it, how far an upload is.

use model::{Digest, NodeId, PacketId, SpaceId};

/// A content that is durable on a majority.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// SHA-256 of its plaintext.
    pub digest: Digest,
    /// Octets of plaintext.
    pub size: u64,
    /// The voters that hold it durably by now; a majority. The others follow in the background.
    pub holders: Vec<NodeId>,
}

/// A content that this node holds, in whole or in part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Held {
    /// Its space.
    pub space: SpaceId,
    /// Its packet.
    pub packet: PacketId,
    /// Whether it is complete.
    pub complete: bool,
}

/// What a node has of a content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Holding {
    /// No octet that could become the content.
    Nothing = 0,
    /// A whole copy, as far as its node can tell without reading it.
    Whole = 1,
    /// A copy that its node cannot read now.
    Unread = 2,
}

impl Holding {
    /// Reads what a peer wrote; none if it is no holding.
    pub(crate) fn from_u8(octet: u8) -> Option<Self> {
        [Self::Nothing, Self::Whole, Self::Unread].get(usize::from(octet)).copied()
    }
}

/// What a complete content is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stat {
    /// Its packet.
    pub packet: PacketId,
    /// Octets of plaintext.
    pub size: u64,
    /// SHA-256 of its plaintext, as this node's copy says.
    pub digest: Digest,
}

/// Where an upload stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Offset {
    /// The octets that are acknowledged; a later answer is never lower.
    At(u64),
    /// Its writer cannot be asked: claim the space, open a writer and ask that.
    Unclaimed,
}

/// The writing of a space under an epoch, as the state gave it to one node.
#[derive(Debug, Clone, Copy)]
pub struct Claim {
    /// The space.
    pub space: SpaceId,
    /// Its packet.
    pub packet: PacketId,
    /// Whoever has a lower one writes no more.
    pub epoch: u32,
}
