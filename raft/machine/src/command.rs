//! Commands, version 1: what can be asked of the replicated state, encoded by field number.
//!
//! A changed meaning is a new command with a new number. A number that a node does not know stops
//! the node: it may not skip what the others apply.

use minicbor::{Decode, Encode};
use model::{
    AccessKey, AppId, CommandId, Digest, Grants, Importance, KeyAlgorithm, Label, MediaType,
    Moment, NodeId, Nonce, PacketId, SpaceId, Tick, Title, UnitCode, UnitKind, Zone,
};

use crate::{
    ConfirmTime,
    lost::{CloseLost, RecordLost},
};

/// One entry of the log: proposals that the leader gathered, under one time.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
#[cbor(map)]
pub struct Entry {
    /// The date: what a majority of the nodes' clocks says. It may step back.
    #[n(0)]
    pub at: Moment,
    /// In order; each gets its own answer.
    #[n(1)]
    pub proposals: Vec<Proposal>,
    /// How long the cluster has run; the state never lets it run backwards.
    #[n(2)]
    pub tick: Tick,
}

/// A command and, where somebody signed for it, the proof.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
#[cbor(map)]
pub struct Proposal {
    /// A repeat of the command carries the same one and gets the same answer.
    #[n(0)]
    pub id: CommandId,
    /// Who signed; none for commands of the nodes themselves.
    #[n(1)]
    pub proof: Option<Proof>,
    /// What is asked.
    #[n(2)]
    pub command: Command,
}

/// What remains of a checked signature: enough to check window, key status and nonce again
/// against the entry's time, and kept as evidence with commit and confirmation.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
#[cbor(map)]
pub struct Proof {
    /// Whose signature it was.
    #[n(0)]
    pub key: AccessKey,
    /// The moment that the signer wrote.
    #[n(1)]
    pub created: Moment,
    /// Passes once in the whole cluster.
    #[n(2)]
    pub nonce: Nonce,
    /// The signature's input as the request carried it (`@signature-params`, or the legacy header).
    #[n(3)]
    pub input: String,
    /// The signature's octets.
    #[n(4)]
    #[cbor(with = "minicbor::bytes")]
    pub signature: Vec<u8>,
    /// SHA-256 of the signature base, so that the evidence can be checked later.
    #[n(5)]
    pub base_digest: Digest,
}

/// What can be asked.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub enum Command {
    /// Founds the cluster; the first command of its life.
    #[n(0)]
    Found(#[n(0)] Found),
    /// Registers a join token by its hash.
    #[n(1)]
    IssueJoinToken(#[n(0)] crate::IssueJoinToken),
    /// Spends a join token and registers a node; the answer carries the node's new id.
    #[n(2)]
    AdmitNode(#[n(0)] crate::AdmitNode),
    /// A node tells its present addresses and version.
    #[n(3)]
    UpdateNode(#[n(0)] crate::UpdateNode),
    /// Removes a node for ever.
    #[n(4)]
    RemoveNode(#[n(0)] crate::RemoveNode),
    /// Adds units (one, or an import).
    #[n(5)]
    AddUnits(#[n(0)] AddUnits),
    /// Registers an application of a unit.
    #[n(6)]
    AddApp(#[n(0)] AddApp),
    /// Issues a key to an application.
    #[n(7)]
    IssueKey(#[n(0)] IssueKey),
    /// Revokes a key.
    #[n(8)]
    RevokeKey(#[n(0)] crate::RevokeKey),
    /// Asks for a packet's space, Article 13(2).
    #[n(9)]
    OpenPacket(#[n(0)] OpenPacket),
    /// A node takes over the writing of a space; the answer carries the new epoch.
    #[n(10)]
    ClaimSpace(#[n(0)] ClaimSpace),
    /// Seals a space whose content is durable on a majority, and plans the deliveries, Article 13(4).
    #[n(11)]
    SealPacket(#[n(0)] SealPacket),
    /// Open and seal together, for a small content that is already durable on a majority.
    #[n(12)]
    SubmitPacket(#[n(0)] SubmitPacket),
    /// The source takes a packet back.
    #[n(13)]
    CancelPacket(#[n(0)] CancelPacket),
    /// A target says that it is ready, Article 14(2).
    #[n(14)]
    GrantPickup(#[n(0)] GrantPickup),
    /// A target holds the contents whole, Article 14(3).
    #[n(15)]
    ConfirmReceipts(#[n(0)] ConfirmReceipts),
    /// A target refuses a packet.
    #[n(16)]
    RejectDelivery(#[n(0)] RejectDelivery),
    /// A node has destroyed the contents and keys of these packets.
    #[n(17)]
    RecordPurge(#[n(0)] RecordPurge),
    /// A node has fetched the contents of these packets and holds them durably.
    #[n(18)]
    RecordHolding(#[n(0)] RecordHolding),
    /// Time has passed and something is due.
    #[n(19)]
    PassTime(#[n(0)] PassTime),
    /// Targets have fetched contents whole (a record; does not change what may be done).
    #[n(20)]
    RecordPickup(#[n(0)] RecordPickup),
    /// Gives up a space before its packet is sealed (tus termination); the packet is cancelled.
    /// Authorised by the space token at the node, or by the source's proof.
    #[n(21)]
    AbandonSpace(#[n(0)] AbandonSpace),
    /// An administrator at a node has seen that the clocks are right.
    #[n(22)]
    ConfirmTime(#[n(0)] ConfirmTime),
    /// No node holds the contents of these packets any more.
    #[n(23)]
    RecordLost(#[n(0)] RecordLost),
    /// An administrator ends packets whose content is lost.
    #[n(24)]
    CloseLost(#[n(0)] CloseLost),
    /// Asks for a new version of the cluster key.
    #[n(25)]
    RotateClusterKey(#[n(0)] crate::RotateClusterKey),
    /// A step of a rotation of the cluster key.
    #[n(26)]
    TurnClusterKey(#[n(0)] crate::TurnClusterKey),
    /// Asks for a new authority, or for the end of those before it.
    #[n(27)]
    OrderAuthority(#[n(0)] crate::OrderAuthority),
    /// A step of a rotation of the authority.
    #[n(28)]
    TurnAuthority(#[n(0)] crate::TurnAuthority),
    /// Gives a unit another name.
    #[n(29)]
    RenameUnit(#[n(0)] crate::RenameUnit),
    /// Removes a unit that nothing refers to any more.
    #[n(30)]
    RemoveUnit(#[n(0)] crate::RemoveUnit),
}

/// See [`Command::Found`].
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
#[cbor(map)]
pub struct Found {
    /// The cluster's name for people.
    #[n(0)]
    pub name: Label,
    /// Level-1 code that the zone's own units begin with.
    #[n(1)]
    pub zone: Zone,
    /// A random name that tells this cluster from every other (hexadecimal).
    #[n(2)]
    pub cluster: String,
    /// The authority's certificate, DER.
    #[n(3)]
    #[cbor(with = "minicbor::bytes")]
    pub authority: Vec<u8>,
    /// The authority's private key, sealed under the cluster key.
    #[n(4)]
    #[cbor(with = "minicbor::bytes")]
    pub authority_key_sealed: Vec<u8>,
    /// The first node.
    #[n(5)]
    pub node: NewNode,
    /// The first administrator: its unit, application and key.
    #[n(6)]
    pub admin: AddApp,
    /// The first administrator's key.
    #[n(7)]
    pub admin_key: IssueKey,
    /// The SHA-256 of the first node's public key.
    #[n(8)]
    pub node_key: Digest,
    /// The check of the cluster key's first version, under which all of this is sealed.
    #[n(9)]
    pub key_check: Digest,
}

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
}

/// See [`Command::AddUnits`].
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
#[cbor(map)]
pub struct AddUnits {
    /// 1 to [`UNITS_A_COMMAND_MAX`] units; all are added or none.
    #[n(0)]
    pub units: Vec<NewUnit>,
}

/// Units that one command may add: keeps an entry well under a megabyte.
pub const UNITS_A_COMMAND_MAX: usize = 1000;

/// A unit to be added.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
#[cbor(map)]
pub struct NewUnit {
    /// Its code.
    #[n(0)]
    pub code: UnitCode,
    /// Its name.
    #[n(1)]
    pub name: Label,
    /// What kind it is.
    #[n(2)]
    pub kind: UnitKind,
    /// The unit above it, which must be registered or stand earlier in the same command.
    #[n(3)]
    pub parent: Option<UnitCode>,
    /// Other codes of the same unit (the older form of QCVN 102, say).
    #[n(4)]
    pub aliases: Vec<UnitCode>,
}

/// See [`Command::AddApp`].
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
#[cbor(map)]
pub struct AddApp {
    /// Its name in the cluster.
    #[n(0)]
    pub app: AppId,
    /// The unit that it acts for.
    #[n(1)]
    pub unit: UnitCode,
    /// A name for people.
    #[n(2)]
    pub name: Label,
    /// What it may do.
    #[n(3)]
    pub grants: Grants,
    /// The units that it may send to; empty means every unit.
    #[n(4)]
    pub targets: Vec<UnitCode>,
}

/// See [`Command::IssueKey`].
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
#[cbor(map)]
pub struct IssueKey {
    /// Minted outside.
    #[n(0)]
    pub key: AccessKey,
    /// Whose it is.
    #[n(1)]
    pub app: AppId,
    /// The one algorithm that it signs with.
    #[n(2)]
    pub algorithm: KeyAlgorithm,
    /// The secret sealed under the cluster key (HMAC), or the public key (DER, SubjectPublicKeyInfo).
    #[n(3)]
    #[cbor(with = "minicbor::bytes")]
    pub material: Vec<u8>,
    /// Whether it may sign by the legacy profile (draft-cavage-12).
    #[n(4)]
    pub legacy: bool,
    /// Whether it may sign by hmac-sha1 in the legacy profile, Article 8(4).
    #[n(5)]
    pub hmac_sha1: bool,
    /// The version of the cluster key that sealed the secret; 0 for a public key.
    #[n(6)]
    pub sealed_under: u32,
}

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
    /// Deliveries not confirmed by then expire; none means [`DELIVERY_TIME_MAX_MS`] after the seal.
    #[n(0)]
    pub deliver_by: Option<Moment>,
}

/// How long a space waits for its content: 24 hours.
pub const SPACE_TIME_MS: u64 = 24 * 3_600_000;
/// How long a delivery may wait at the most: 30 days. Content is not kept longer for an absent target.
pub const DELIVERY_TIME_MAX_MS: u64 = 30 * 24 * 3_600_000;
/// A signature's `created` may be this much older than the entry: 300 s.
pub const PROOF_AGE_MAX_MS: u64 = 300_000;
/// A signature's `created` may be this much ahead of the entry: 60 s.
pub const PROOF_AHEAD_MAX_MS: u64 = 60_000;
/// How long a nonce is kept, with the answer to what it was spent for, after the moment that the signer
/// wrote: a minute longer than a signature is good, so that a node which repeats a command that came
/// at the last moment still hears its answer.
pub const NONCE_TIME_MS: u64 = PROOF_AGE_MAX_MS + 60_000;
/// How long the answer to what nobody signed is remembered by its command id: 10 minutes, longer than
/// any retry of a node.
pub const ANSWER_TIME_MS: u64 = 600_000;
/// How long an idempotency key is remembered: 7 days.
pub const IDEMPOTENCY_TIME_MS: u64 = 7 * 24 * 3_600_000;
/// Idempotency keys remembered for one application: beyond it, new keys are refused.
pub const IDEMPOTENCY_KEYS_MAX: u64 = 1_000_000;
/// Events kept in one unit's feed; who asks for what is not kept gets a reset.
pub const FEED_EVENTS_MAX: u64 = 10_000;
/// Events of one source that a full feed keeps whatever others tell: a quarter. Whoever holds more gives
/// way first, so that one source cannot push out what the others told, and three together cannot either.
pub const FEED_SHARE: u64 = FEED_EVENTS_MAX / 4;
/// Packets that one confirmation or record may name.
pub const PACKETS_A_COMMAND_MAX: usize = 1000;

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
    pub idempotency: Option<crate::Idempotency>,
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
    /// Nodes that hold the whole content durably; a majority of the voters.
    #[n(5)]
    pub holders: Vec<NodeId>,
    /// The client's idempotency key.
    #[n(6)]
    pub idempotency: Option<crate::Idempotency>,
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
    /// 1 to [`PACKETS_A_COMMAND_MAX`] receipts.
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
    /// The node that has destroyed them.
    #[n(0)]
    pub node: NodeId,
    /// 1 to [`PACKETS_A_COMMAND_MAX`] packets.
    #[n(1)]
    pub packets: Vec<PacketId>,
}

/// See [`Command::RecordHolding`].
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
#[cbor(map)]
pub struct RecordHolding {
    /// The node that now holds them.
    #[n(0)]
    pub node: NodeId,
    /// 1 to [`PACKETS_A_COMMAND_MAX`] packets.
    #[n(1)]
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
}
