//! Facts, version 1: what the history keeps, encoded by field number.
//!
//! A fact is encoded once, where the machine answers it, and its octets are a leaf of the history's tree
//! (D17). So a form never changes: what is new is a new kind, and no form of the state stands in one. A fact says
//! each thing once. What its evidence says, which is there for as long as it is, the fact leaves out, but for what a
//! receipt of it needs.

use minicbor::{Decode, Encode};
use model::{
    AccessKey, AppId, DeliveryState, Digest, Importance, KeyAlgorithm, Label, MediaType, Moment,
    NodeId, PacketId, PacketState, SpaceId, Title, UnitCode,
};

/// Octets of a fact's salt: as many as a key has.
pub const SALT_OCTETS: usize = 16;

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
#[cbor(map)]
pub struct Fact {
    /// When: the date of the entry.
    #[n(0)]
    pub at: Moment,
    /// What.
    #[n(1)]
    pub what: What,
    /// Where the signature under it stands in the history; none where nobody signed.
    #[n(2)]
    pub evidence: Option<u64>,
    /// Octets that nobody outside can guess, so that a leaf's hash tells nothing of a fact to who is not shown it.
    /// They follow from the command's identifier and the position.
    #[n(3)]
    #[cbor(with = "minicbor::bytes")]
    pub salt: [u8; SALT_OCTETS],
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub enum What {
    /// An application signed a command; the facts that follow name this one as their evidence.
    #[n(0)]
    Signed(#[n(0)] Signed),
    /// A source asked for a packet's space, Article 13(2).
    #[n(1)]
    Requested(#[n(0)] Opening),
    /// A packet was accepted: its content is durable on a majority, and its targets are notified,
    /// Article 13(4).
    #[n(2)]
    Accepted(#[n(0)] Sending),
    /// A target said that it is ready, Article 14(2).
    #[n(3)]
    Ready(#[n(0)] Step),
    /// A target has fetched the content whole.
    #[n(4)]
    PickedUp(#[n(0)] Step),
    /// A target confirmed that it holds the content, Article 14(3).
    #[n(5)]
    Confirmed(#[n(0)] Step),
    /// A target refused the packet.
    #[n(6)]
    Rejected(#[n(0)] Step),
    /// A target confirmed another digest than the one that the source signed.
    #[n(7)]
    Mismatched(#[n(0)] Step),
    /// It was found that no node holds the content.
    #[n(8)]
    ContentLost(#[n(0)] PacketId),
    /// A node holds the content again.
    #[n(9)]
    ContentFound(#[n(0)] PacketId),
    /// Every delivery is final.
    #[n(10)]
    Ended(#[n(0)] Ended),
    /// Every node that held octets of the content has destroyed them, or was removed owing it,
    /// Article 9(3). Nothing happens to the packet any more.
    #[n(11)]
    Destroyed(#[n(0)] Box<Destroyed>),
    /// What may act for a unit has changed.
    #[n(12)]
    Access(#[n(0)] AccessChange),
    /// A node came or went.
    #[n(13)]
    Node(#[n(0)] NodeChange),
}

/// A signature, with all that is needed to check it again (D18).
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
#[cbor(map)]
pub struct Signed {
    /// Whose key it was.
    #[n(0)]
    pub key: AccessKey,
    /// The application that has the key.
    #[n(1)]
    pub app: AppId,
    /// The unit that the application acts for.
    #[n(2)]
    pub unit: UnitCode,
    /// The key's algorithm.
    #[n(3)]
    pub algorithm: KeyAlgorithm,
    /// The public key (`SubjectPublicKeyInfo`, DER). Empty for a shared secret: such a signature proves its
    /// origin to the platform alone.
    #[n(4)]
    #[cbor(with = "minicbor::bytes")]
    pub public_key: Vec<u8>,
    /// The octets that were signed (RFC 9421 section 2.5, or the legacy profile's).
    #[n(5)]
    #[cbor(with = "minicbor::bytes")]
    pub base: Vec<u8>,
    /// The signature.
    #[n(6)]
    #[cbor(with = "minicbor::bytes")]
    pub signature: Vec<u8>,
    /// The body that the base names by its digest; empty where there was none, and where it carried a content.
    #[n(7)]
    #[cbor(with = "minicbor::bytes")]
    pub statement: Vec<u8>,
}

/// Milliseconds from one moment to another, which are fewer octets than a second moment. Below zero where the
/// cluster's date was set back in between.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(transparent)]
pub struct Lapse(#[n(0)] i64);

impl Lapse {
    /// From one moment to another.
    pub const fn between(from: Moment, to: Moment) -> Self {
        Self(to.0.wrapping_sub(from.0).cast_signed())
    }

    /// The moment that it leads to from another one.
    pub const fn after(self, from: Moment) -> Moment {
        Moment(from.0.wrapping_add_signed(self.0))
    }
}

/// A packet that was asked for. Its request is the evidence, and what came of it is said when it is accepted or
/// destroyed.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
#[cbor(map)]
pub struct Opening {
    /// The packet.
    #[n(0)]
    pub packet: PacketId,
    /// The unit that sends it.
    #[n(1)]
    pub source: UnitCode,
}

/// A packet as it was accepted. The application that sent it is that of the evidence.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
#[cbor(map)]
pub struct Sending {
    /// The packet.
    #[n(0)]
    pub packet: PacketId,
    /// The unit that sends it.
    #[n(1)]
    pub source: UnitCode,
    /// Where to, under the units' main codes.
    #[n(2)]
    pub targets: Vec<UnitCode>,
    /// The title.
    #[n(3)]
    pub title: Title,
    /// How important it is.
    #[n(4)]
    pub importance: Importance,
    /// The kind of data.
    #[n(5)]
    pub media_type: MediaType,
    /// Octets of plaintext.
    #[n(6)]
    pub size: u64,
    /// The digest that the source signed.
    #[n(7)]
    pub digest: Digest,
    /// From then to the deadline of the deliveries.
    #[n(8)]
    pub due: Lapse,
}

/// A step of one delivery.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
#[cbor(map)]
pub struct Step {
    /// The packet.
    #[n(0)]
    pub packet: PacketId,
    /// The target.
    #[n(1)]
    pub target: UnitCode,
    /// The digest that the target named.
    #[n(2)]
    pub digest: Option<Digest>,
    /// Octets of plaintext.
    #[n(3)]
    pub size: Option<u64>,
    /// Why it was refused.
    #[n(4)]
    pub reason: Option<Label>,
    /// The unit that sent it, in the steps that receipts are made of.
    #[n(5)]
    pub source: Option<UnitCode>,
}

/// A packet's end.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
#[cbor(map)]
pub struct Ended {
    /// The packet.
    #[n(0)]
    pub packet: PacketId,
    /// How it ended.
    #[n(1)]
    pub state: PacketState,
    /// What became of the deliveries that were open until then.
    #[n(2)]
    pub open: Option<DeliveryState>,
}

/// A packet when its content was destroyed everywhere: its whole story, in a form of its own. Its state follows from
/// its deliveries. Each [`Lapse`] begins when it was asked for.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
#[cbor(map)]
pub struct Destroyed {
    /// The packet.
    #[n(0)]
    pub packet: PacketId,
    /// Its space.
    #[n(1)]
    pub space: SpaceId,
    /// The unit that sent it.
    #[n(2)]
    pub source: UnitCode,
    /// The application that asked for it.
    #[n(3)]
    pub app: AppId,
    /// The application that sealed it, if it was another one.
    #[n(4)]
    pub sealed_by: Option<AppId>,
    /// The title.
    #[n(5)]
    pub title: Title,
    /// How important it was.
    #[n(6)]
    pub importance: Importance,
    /// The kind of data.
    #[n(7)]
    pub media_type: MediaType,
    /// Octets of plaintext, if they were known.
    #[n(8)]
    pub size: Option<u64>,
    /// The digest that the source signed, if it was accepted.
    #[n(9)]
    pub digest: Option<Digest>,
    /// When it was asked for.
    #[n(10)]
    pub opened_at: Moment,
    /// When it was accepted.
    #[n(11)]
    pub sealed: Option<Lapse>,
    /// Its last deadline.
    #[n(12)]
    pub due: Lapse,
    /// The deadline that the source's policy named.
    #[n(13)]
    pub deliver_by: Option<Lapse>,
    /// When it ended.
    #[n(14)]
    pub ended: Option<Lapse>,
    /// When it was found that no node held the content, if it ended so.
    #[n(15)]
    pub lost: Option<Lapse>,
    /// Its deliveries, in the order of the targets' codes.
    #[n(16)]
    pub deliveries: Vec<Settled>,
    /// Which node destroyed the content, and when.
    #[n(17)]
    pub purged: Vec<(NodeId, Lapse)>,
    /// Nodes that were removed before they had destroyed it.
    #[n(18)]
    pub undestroyed: Vec<NodeId>,
}

/// A delivery of a packet that was destroyed everywhere.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
#[cbor(map)]
pub struct Settled {
    /// The target.
    #[n(0)]
    pub target: UnitCode,
    /// How it ended.
    #[n(1)]
    pub state: DeliveryState,
    /// When the target said that it is ready.
    #[n(2)]
    pub accepted: Option<Lapse>,
    /// When it had fetched the content whole.
    #[n(3)]
    pub picked_up: Option<Lapse>,
    /// When the delivery became final.
    #[n(4)]
    pub settled: Option<Lapse>,
    /// Why it was refused.
    #[n(5)]
    pub reason: Option<Label>,
    /// When the target first confirmed another digest than the one that the source signed.
    #[n(6)]
    pub mismatched: Option<Lapse>,
}

/// A change of an application or a key.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
#[cbor(map)]
pub struct AccessChange {
    /// What changed.
    #[n(0)]
    pub kind: AccessKind,
    /// The unit that the application acts for.
    #[n(1)]
    pub unit: UnitCode,
    /// The application.
    #[n(2)]
    pub app: AppId,
    /// The key, where it is about one.
    #[n(3)]
    pub key: Option<AccessKey>,
    /// Until when a revoked key goes on; none if it ended at once.
    #[n(4)]
    pub ends_at: Option<Moment>,
}

/// What changed of what may act for a unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum AccessKind {
    /// An application was registered.
    #[n(0)]
    AppAdded,
    /// A key was issued.
    #[n(1)]
    KeyIssued,
    /// A key was revoked, or will be.
    #[n(2)]
    KeyRevoked,
}

/// A node that came or went.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
#[cbor(map)]
pub struct NodeChange {
    /// The node.
    #[n(0)]
    pub node: NodeId,
    /// What happened to it.
    #[n(1)]
    pub kind: NodeKind,
}

/// What happened to a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum NodeKind {
    /// It was admitted.
    #[n(0)]
    Admitted,
    /// An administrator asked it to leave.
    #[n(1)]
    Leaving,
    /// It was removed for ever.
    #[n(2)]
    Removed,
}

impl Fact {
    /// As the history has it: a leaf of its tree.
    pub fn to_octets(&self) -> Vec<u8> {
        minicbor::to_vec(self).expect("a vector takes every octet")
    }
}

impl What {
    /// The packet that it is about.
    pub const fn packet(&self) -> Option<PacketId> {
        Some(match self {
            Self::Requested(opening) => opening.packet,
            Self::Accepted(sending) => sending.packet,
            Self::Ready(step)
            | Self::PickedUp(step)
            | Self::Confirmed(step)
            | Self::Rejected(step)
            | Self::Mismatched(step) => step.packet,
            Self::ContentLost(packet) | Self::ContentFound(packet) => *packet,
            Self::Ended(ended) => ended.packet,
            Self::Destroyed(destroyed) => destroyed.packet,
            Self::Signed(_) | Self::Access(_) | Self::Node(_) => return None,
        })
    }
}
