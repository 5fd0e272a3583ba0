//! Forms of packets, version 1: what can be asked of one, from its opening to its end.

use minicbor::{Decode, Encode};
use model::{
    Digest, IdempotencyKey, Importance, Label, MediaType, Moment, NodeId, PacketId, SpaceId, Title,
    UnitCode,
};

/// The request of Article 13(2): where to, what, how urgent.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
#[cbor(map)]
pub struct Request {
    /// Where to; 1 to [`TARGETS_MAX`], each once (aliases are resolved).
    #[n(0)]
    pub targets: Vec<UnitCode>,
    /// The packet's title.
    #[n(1)]
    pub title: Title,
    /// How important it is.
    #[n(2)]
    pub importance: Importance,
    /// The kind of data (loại dữ liệu liên thông).
    #[n(3)]
    pub media_type: MediaType,
    /// The source's policy.
    #[n(4)]
    pub policy: ExchangePolicy,
}

/// Targets of one packet: an order to every commune of a large province fits twice over.
pub const TARGETS_MAX: usize = 512;

/// The exchange policy (chính sách liên thông), Article 13(3).
#[derive(Debug, Clone, Default, PartialEq, Encode, Decode)]
#[cbor(map)]
pub struct ExchangePolicy {
    /// Deliveries not confirmed by then expire; none means [`crate::DELIVERY_TIME_MAX_MS`] after the seal.
    #[n(0)]
    pub deliver_by: Option<Moment>,
}

/// See [`Command::OpenPacket`]. The source is the unit of the proof's application.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
#[cbor(map)]
pub struct OpenPacket {
    /// Minted outside.
    #[n(0)]
    pub packet: PacketId,
    /// Minted outside.
    #[n(1)]
    pub space: SpaceId,
    /// What is asked.
    #[n(2)]
    pub request: Request,
    /// The content's size if it is known (tus `Upload-Length`).
    #[n(3)]
    pub size: Option<u64>,
    /// The node that took the request: writes the space under epoch 1.
    #[n(4)]
    pub node: NodeId,
    /// The client's idempotency key.
    #[n(5)]
    pub idempotency: Option<Idempotency>,
}

/// See [`Command::ClaimSpace`].
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
#[cbor(map)]
pub struct ClaimSpace {
    /// Which space.
    #[n(0)]
    pub space: SpaceId,
    /// The node that will write it.
    #[n(1)]
    pub node: NodeId,
    /// The content's size, where the upload's creation tells it only now.
    #[n(2)]
    pub size: Option<u64>,
}

/// See [`Command::SealPacket`].
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
#[cbor(map)]
pub struct SealPacket {
    /// Which packet.
    #[n(0)]
    pub packet: PacketId,
    /// The digest that the source signed, equal to the one that was computed on the way in.
    #[n(1)]
    pub digest: Digest,
    /// Octets of plaintext.
    #[n(2)]
    pub size: u64,
    /// The epoch under which the content was finished; an older one than the state's is refused.
    #[n(3)]
    pub epoch: u32,
    /// Nodes that hold the whole content durably; a majority of the voters.
    #[n(4)]
    pub holders: Vec<NodeId>,
    /// The policy, if it was sent with the content instead of the request.
    #[n(5)]
    pub policy: Option<ExchangePolicy>,
}

/// See [`Command::SubmitPacket`].
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
#[cbor(map)]
pub struct SubmitPacket {
    /// Minted outside.
    #[n(0)]
    pub packet: PacketId,
    /// Minted outside.
    #[n(1)]
    pub space: SpaceId,
    /// What is asked.
    #[n(2)]
    pub request: Request,
    /// The digest that the source signed.
    #[n(3)]
    pub digest: Digest,
    /// Octets of plaintext.
    #[n(4)]
    pub size: u64,
    /// Nodes that hold the whole content durably; a majority of the voters. None where the content rides.
    #[n(5)]
    pub holders: Vec<NodeId>,
    /// The client's idempotency key.
    #[n(6)]
    pub idempotency: Option<Idempotency>,
    /// The content rides with the entry: who has the entry in its log has the content beside it.
    #[n(7)]
    pub rides: bool,
}

/// See [`Command::CancelPacket`].
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
#[cbor(map)]
pub struct CancelPacket {
    /// Which packet.
    #[n(0)]
    pub packet: PacketId,
}

/// See [`Command::GrantPickup`]. The target is the unit of the proof's application.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
#[cbor(map)]
pub struct GrantPickup {
    /// Which packet.
    #[n(0)]
    pub packet: PacketId,
}

/// See [`Command::ConfirmReceipts`]. The target is the unit of the proof's application.
///
/// Each receipt has its own answer; one that is refused does not hold back the others.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
#[cbor(map)]
pub struct ConfirmReceipts {
    /// 1 to [`crate::PACKETS_A_COMMAND_MAX`] receipts.
    #[n(0)]
    pub receipts: Vec<Receipt>,
}

/// A target says that it holds a content.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
#[cbor(map)]
pub struct Receipt {
    /// Which packet.
    #[n(0)]
    pub packet: PacketId,
    /// The digest of what the target holds.
    #[n(1)]
    pub digest: Digest,
}

/// See [`Command::RejectDelivery`].
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
#[cbor(map)]
pub struct RejectDelivery {
    /// Which packet.
    #[n(0)]
    pub packet: PacketId,
    /// Why, for the source's people.
    #[n(1)]
    pub reason: Label,
}

/// See [`Command::RecordPurge`].
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
#[cbor(map)]
pub struct RecordPurge {
    /// Of the packets that have ended, the node that proposes holds nothing of those below this number.
    #[n(0)]
    pub below: u64,
}

/// See [`Command::RecordHolding`].
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
#[cbor(map)]
pub struct RecordHolding {
    /// 1 to [`crate::PACKETS_A_COMMAND_MAX`] packets that the node that proposes holds whole.
    #[n(0)]
    pub packets: Vec<PacketId>,
}

/// See [`Command::RecordPickup`].
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
#[cbor(map)]
pub struct RecordPickup {
    /// Who fetched what.
    #[n(0)]
    pub pickups: Vec<(PacketId, UnitCode)>,
}

/// See [`Command::AbandonSpace`].
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
#[cbor(map)]
pub struct AbandonSpace {
    /// Which space.
    #[n(0)]
    pub space: SpaceId,
}

/// See [`Command::PassTime`].
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
#[cbor(map)]
pub struct PassTime {
    /// At most so many due things are settled, so that an entry stays small.
    #[n(0)]
    pub due_max: u32,
    /// So long a packet stays in the state after its end; then the history alone knows it.
    #[n(1)]
    pub ended_kept_ms: u64,
}

/// See [`crate::Command::RecordLost`].
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
#[cbor(map)]
pub struct RecordLost {
    /// 1 to [`LOST_A_COMMAND_MAX`] packets.
    #[n(0)]
    pub packets: Vec<PacketId>,
}

/// See [`crate::Command::CloseLost`].
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
#[cbor(map)]
pub struct CloseLost {
    /// 1 to [`LOST_A_COMMAND_MAX`] packets.
    #[n(0)]
    pub packets: Vec<PacketId>,
}

/// Packets that one command marks or closes: each tells its source and up to 512 targets.
pub const LOST_A_COMMAND_MAX: usize = 100;

/// An idempotency key and what was asked with it.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
#[cbor(map)]
pub struct Idempotency {
    /// The client's key; scoped to its application.
    #[n(0)]
    pub key: IdempotencyKey,
    /// SHA-256 of the request's fields and the content's digest, not of raw octets.
    #[n(1)]
    pub fingerprint: Digest,
}
