//! Records, version 1: what the state keeps, encoded by field number.

use minicbor::{Decode, Encode};
use model::{
    AccessKey, AppId, CommandId, DeliveryState, Digest, Grants, IdempotencyKey, Importance,
    KeyAlgorithm, KeyStatus, Label, MediaType, Moment, NodeId, PacketId, PacketState, SpaceId,
    Tick, Title, UnitCode, UnitKind, Zone,
};

use crate::{Answer, ExchangePolicy, NewNode};

/// Who had something made or changed: the application that signed, and its key. A record without one was
/// made or changed by the founding or by the nodes.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
#[cbor(map)]
pub struct By {
    /// The access key.
    #[n(0)]
    pub key: AccessKey,
    /// Its application.
    #[n(1)]
    pub app: AppId,
}

/// The cluster itself.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
#[cbor(map)]
pub struct ClusterRecord {
    /// Its name for people.
    #[n(0)]
    pub name: Label,
    /// The level-1 code of its own units.
    #[n(1)]
    pub zone: Zone,
    /// Tells it from every other cluster.
    #[n(2)]
    pub cluster: String,
    /// The id that the next node gets.
    #[n(3)]
    pub next_node: NodeId,
    /// When it was founded.
    #[n(4)]
    pub founded_at: Moment,
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
}

/// A unit.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
#[cbor(map)]
pub struct UnitRecord {
    /// Its code.
    #[n(0)]
    pub code: UnitCode,
    /// Its name.
    #[n(1)]
    pub name: Label,
    /// What kind it is.
    #[n(2)]
    pub kind: UnitKind,
    /// The unit above it.
    #[n(3)]
    pub parent: Option<UnitCode>,
    /// Other codes of the same unit.
    #[n(4)]
    pub aliases: Vec<UnitCode>,
    /// When it was added.
    #[n(5)]
    pub added_at: Moment,
    /// Who added it.
    #[n(6)]
    pub added_by: Option<By>,
    /// Who gave it its present name, if that is another than it was added with.
    #[n(7)]
    pub renamed_by: Option<By>,
}

/// An application.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
#[cbor(map)]
pub struct AppRecord {
    /// Its name in the cluster.
    #[n(0)]
    pub app: AppId,
    /// The unit that it acts for.
    #[n(1)]
    pub unit: UnitCode,
    /// Its name for people.
    #[n(2)]
    pub name: Label,
    /// What it may do.
    #[n(3)]
    pub grants: Grants,
    /// The units that it may send to; empty means every unit.
    #[n(4)]
    pub targets: Vec<UnitCode>,
    /// When it was registered.
    #[n(5)]
    pub added_at: Moment,
    /// Who registered it.
    #[n(6)]
    pub added_by: Option<By>,
}

/// Of an application's record, whom it may send to. Sending asks for nothing else.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
#[cbor(map)]
pub(crate) struct Reach {
    /// See [`AppRecord::targets`].
    #[n(4)]
    pub(crate) targets: Vec<UnitCode>,
}

impl Reach {
    /// Whether the application may send to a unit, given by its main code.
    pub(crate) fn includes(&self, target: &UnitCode) -> bool {
        self.targets.is_empty() || self.targets.binary_search(target).is_ok()
    }
}

/// Of a key's record, for whom it signs and whether it may. Each signed command asks for nothing else.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
#[cbor(map)]
pub(crate) struct Signer {
    /// See [`KeyRecord::app`].
    #[n(1)]
    pub(crate) app: AppId,
    /// See [`KeyRecord::unit`].
    #[n(2)]
    pub(crate) unit: UnitCode,
    /// See [`KeyRecord::grants`].
    #[n(3)]
    pub(crate) grants: Grants,
    /// See [`KeyRecord::status`].
    #[n(8)]
    pub(crate) status: KeyStatus,
}

/// A key. Nothing in it is a usable secret.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
#[cbor(map)]
pub struct KeyRecord {
    /// The access key.
    #[n(0)]
    pub key: AccessKey,
    /// Whose it is.
    #[n(1)]
    pub app: AppId,
    /// The unit that the application acts for.
    #[n(2)]
    pub unit: UnitCode,
    /// What the application may do, copied so that one read answers for a request.
    #[n(3)]
    pub grants: Grants,
    /// The one algorithm.
    #[n(4)]
    pub algorithm: KeyAlgorithm,
    /// The sealed secret or the public key.
    #[n(5)]
    #[cbor(with = "minicbor::bytes")]
    pub material: Vec<u8>,
    /// Whether the legacy profile is open to it.
    #[n(6)]
    pub legacy: bool,
    /// Whether hmac-sha1 is open to it.
    #[n(7)]
    pub hmac_sha1: bool,
    /// Whether it may be used.
    #[n(8)]
    pub status: KeyStatus,
    /// When it was issued.
    #[n(9)]
    pub issued_at: Moment,
    /// When it was revoked.
    #[n(10)]
    pub revoked_at: Option<Moment>,
    /// The version of the cluster key that sealed the secret; 0 for a public key.
    #[n(11)]
    pub sealed_under: u32,
    /// When it will be revoked, where another key has taken its place.
    #[n(12)]
    pub ends_at: Option<crate::Time>,
    /// When it was issued, counted.
    #[n(13)]
    pub issued_tick: Tick,
    /// Who issued it.
    #[n(14)]
    pub issued_by: Option<By>,
    /// Who revoked it, or last said when it ends.
    #[n(15)]
    pub revoked_by: Option<By>,
}

/// A packet with its deliveries.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
#[cbor(map)]
pub struct PacketRecord {
    /// Its id.
    #[n(0)]
    pub packet: PacketId,
    /// Its space.
    #[n(1)]
    pub space: SpaceId,
    /// The unit that sends it.
    #[n(2)]
    pub source: UnitCode,
    /// The application that sends it.
    #[n(3)]
    pub app: AppId,
    /// Its title.
    #[n(4)]
    pub title: Title,
    /// How important it is.
    #[n(5)]
    pub importance: Importance,
    /// The kind of data.
    #[n(6)]
    pub media_type: MediaType,
    /// The source's policy.
    #[n(7)]
    pub policy: ExchangePolicy,
    /// Its state, derived from the deliveries and kept for reading.
    #[n(8)]
    pub state: PacketState,
    /// Octets of plaintext, once known.
    #[n(9)]
    pub size: Option<u64>,
    /// The digest that the source signed, once sealed.
    #[n(10)]
    pub digest: Option<Digest>,
    /// Who writes the space, and under which epoch.
    #[n(11)]
    pub writer: NodeId,
    /// See [`PacketRecord::writer`]; starts at 1.
    #[n(12)]
    pub epoch: u32,
    /// Nodes that hold the content durably.
    #[n(13)]
    pub holders: Vec<NodeId>,
    /// One for each target, in the order of the request.
    #[n(14)]
    pub deliveries: Vec<DeliveryRecord>,
    /// When it was asked for.
    #[n(15)]
    pub opened_at: Moment,
    /// When it was sealed.
    #[n(16)]
    pub sealed_at: Option<Moment>,
    /// The date of the present deadline: of the space until the seal, of the deliveries after it. The
    /// row keeps what was meant when it was given; a [`crate::View`] says what is to be expected now.
    #[n(17)]
    pub due_at: Moment,
    /// When it came to an end.
    #[n(18)]
    pub ended_at: Option<Moment>,
    /// Nodes that owe its destruction (the purge debt). The row keeps those of its end, and a
    /// [`crate::View`] leaves out who has paid and who was removed.
    #[n(19)]
    pub debtors: Vec<NodeId>,
    /// When it was sealed, counted: its place in its targets' inboxes.
    #[n(20)]
    pub sealed_tick: Option<Tick>,
    /// The present deadline, counted: what ends the packet.
    #[n(21)]
    pub due_tick: Tick,
    /// When it came to an end, counted: its place among the debts.
    #[n(22)]
    pub ended_tick: Option<Tick>,
    /// The application that sealed it, which may be another one of the unit.
    #[n(23)]
    pub sealed_by: Option<AppId>,
    /// Which node destroyed the content, and when. Each purge is a row of its own, not part of this
    /// one; a [`crate::View`] fills them in.
    #[cbor(skip)]
    pub purged: Vec<(NodeId, Moment)>,
    /// Other nodes that may hold octets of the content and make nothing durable: those that wrote
    /// the space before its present writer. They owe its destruction too; empty after the end.
    #[n(24)]
    pub touched: Vec<NodeId>,
    /// When it was found that no node holds the content; none again once one does. It stays at a
    /// packet that ended so.
    #[n(25)]
    pub lost_at: Option<Moment>,
}

impl PacketRecord {
    /// Remembers that a node may hold octets of the content.
    pub(crate) fn touch(&mut self, node: NodeId) {
        if !self.touched.contains(&node) {
            self.touched.push(node);
        }
    }

    /// The delivery to a unit.
    pub fn delivery_to(&self, target: &UnitCode) -> Option<&DeliveryRecord> {
        self.deliveries.iter().find(|delivery| delivery.target == *target)
    }
}

/// Of a packet's record, when it ended. A purge asks for nothing else.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
#[cbor(map)]
pub(crate) struct PacketEnd {
    /// See [`PacketRecord::ended_tick`].
    #[n(22)]
    pub(crate) ended_tick: Option<Tick>,
}

/// One delivery.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
#[cbor(map)]
pub struct DeliveryRecord {
    /// The unit that gets it.
    #[n(0)]
    pub target: UnitCode,
    /// How far it is.
    #[n(1)]
    pub state: DeliveryState,
    /// When the target was notified.
    #[n(2)]
    pub notified_at: Option<Moment>,
    /// When it said that it is ready.
    #[n(3)]
    pub accepted_at: Option<Moment>,
    /// When it had fetched the content whole.
    #[n(4)]
    pub picked_up_at: Option<Moment>,
    /// When the delivery became final.
    #[n(5)]
    pub settled_at: Option<Moment>,
    /// Why it was rejected.
    #[n(6)]
    pub reason: Option<Label>,
    /// When the target first confirmed another digest than the one that the source signed.
    #[n(7)]
    pub mismatched_at: Option<Moment>,
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

/// What was first asked and answered under an idempotency key.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
#[cbor(map)]
pub struct IdempotencyRecord {
    /// Of the request.
    #[n(0)]
    pub fingerprint: Digest,
    /// The first packet.
    #[n(1)]
    pub packet: PacketId,
    /// Its space.
    #[n(2)]
    pub space: SpaceId,
    /// When it was asked.
    #[n(3)]
    pub at: Moment,
    /// Whether it was a submission; otherwise a space was asked for.
    #[n(4)]
    pub submitted: bool,
    /// When it was asked, counted: its age.
    #[n(5)]
    pub tick: Tick,
}

/// A nonce that passed.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
#[cbor(map)]
pub(crate) struct Spent {
    /// With which command.
    #[n(0)]
    pub(crate) command: CommandId,
    /// What that command was answered.
    #[n(1)]
    pub(crate) answer: Answer,
}
