//! The bodies of the API. Readers are tolerant: fields that we do not know are passed over, and
//! fields that an older node does not send have a default. Moments are RFC 3339 texts in UTC.

use model::{AppId, Digest, Importance, MediaType, NodeId, PacketId, SpaceId, Title, UnitCode};
use serde::{Deserialize, Serialize};

use crate::{By, Health, Role, Secret, WarningKind, Word};

/// One page of a list.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Page<T> {
    /// The items, in the list's order.
    pub items: Vec<T>,
    /// The cursor of the next page; none at the end.
    #[serde(default)]
    pub next: Option<String>,
}

/// How a packet is to be exchanged.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Policy {
    /// The last moment to deliver it, RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deliver_by: Option<String>,
}

/// A packet to open.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct NewPacket {
    /// The units it goes to.
    pub targets: Vec<UnitCode>,
    /// Its title.
    pub title: Title,
    /// How important it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub importance: Option<Importance>,
    /// The media type of its content.
    pub media_type: MediaType,
    /// The size of its content, when it is known and travels by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
    /// How it is to be exchanged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<Policy>,
}

/// A space that waits for content.
#[derive(Debug, Clone, Deserialize)]
pub struct Space {
    /// Its identifier.
    pub id: SpaceId,
    /// Its address at the node that answered.
    #[serde(default)]
    pub url: Option<String>,
    /// Where to send content, at the node that answered; every node takes it.
    #[serde(default)]
    pub upload_url: Option<String>,
    /// What allows sending.
    pub token: Secret,
    /// Until when.
    #[serde(default)]
    pub expires_at: Option<String>,
}

/// The answer to an opened packet.
#[derive(Debug, Clone, Deserialize)]
pub struct Opened {
    /// The packet.
    pub packet: PacketId,
    /// Its state.
    #[serde(default)]
    pub state: String,
    /// Its space.
    pub space: Space,
}

/// The answer to a packet that is whole: submitted in one round trip, or committed.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Submitted {
    /// The packet.
    pub packet: PacketId,
    /// Its state.
    #[serde(default)]
    pub state: String,
    /// When it was accepted.
    #[serde(default)]
    pub accepted_at: Option<String>,
    /// The size of its content.
    #[serde(default)]
    pub size: Option<u64>,
    /// The digest of its content.
    #[serde(default)]
    pub digest: Option<Digest>,
}

/// A packet as its source or a target sees it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Packet {
    /// The packet.
    pub packet: PacketId,
    /// Its space.
    #[serde(default)]
    pub space: Option<SpaceId>,
    /// The unit that sends it.
    #[serde(default)]
    pub source: Option<UnitCode>,
    /// The application that sends it.
    #[serde(default)]
    pub app: Option<AppId>,
    /// Its title.
    #[serde(default)]
    pub title: String,
    /// How important it is.
    #[serde(default)]
    pub importance: String,
    /// The media type of its content.
    #[serde(default)]
    pub media_type: Option<String>,
    /// Its state.
    #[serde(default)]
    pub state: String,
    /// The size of its content.
    #[serde(default)]
    pub size: Option<u64>,
    /// The digest of its content.
    #[serde(default)]
    pub digest: Option<Digest>,
    /// How it is exchanged.
    #[serde(default)]
    pub policy: Option<Policy>,
    /// When it was opened.
    #[serde(default)]
    pub opened_at: Option<String>,
    /// When its content was whole.
    #[serde(default)]
    pub sealed_at: Option<String>,
    /// The application that said so, which may be another one of the same unit.
    #[serde(default)]
    pub sealed_by: Option<AppId>,
    /// When its next deadline is.
    #[serde(default)]
    pub due_at: Option<String>,
    /// When nothing could happen to it any more.
    #[serde(default)]
    pub ended_at: Option<String>,
    /// Its way to each target.
    #[serde(default)]
    pub deliveries: Vec<Delivery>,
    /// The nodes that hold its content.
    #[serde(default)]
    pub holders: Vec<NodeId>,
    /// The nodes that have forgotten it, and when.
    #[serde(default)]
    pub purged: Vec<Purged>,
    /// The nodes that still have to.
    #[serde(default)]
    pub purge_debt: Vec<NodeId>,
    /// The nodes that were removed before they had.
    #[serde(default)]
    pub undestroyed: Vec<NodeId>,
}

/// The way of a packet to one target.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Delivery {
    /// The unit.
    pub target: UnitCode,
    /// The delivery's state.
    #[serde(default)]
    pub state: String,
    /// When the target was told.
    #[serde(default)]
    pub notified_at: Option<String>,
    /// When it said that it is ready.
    #[serde(default)]
    pub accepted_at: Option<String>,
    /// When it had fetched the content.
    #[serde(default)]
    pub picked_up_at: Option<String>,
    /// When it was settled.
    #[serde(default)]
    pub settled_at: Option<String>,
    /// Why it was refused.
    #[serde(default)]
    pub reason: Option<String>,
}

/// A node that has forgotten a content.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Purged {
    /// The node.
    pub node: NodeId,
    /// When.
    #[serde(default)]
    pub at: Option<String>,
}

/// The answer to a target that is ready.
#[derive(Debug, Clone, Deserialize)]
pub struct Accepted {
    /// The packet.
    pub packet: PacketId,
    /// Its space.
    #[serde(default)]
    pub space: Option<SpaceId>,
    /// Where the content is, at the node that answered.
    #[serde(default)]
    pub content_url: Option<String>,
    /// What allows fetching it.
    pub token: Secret,
    /// Its size.
    pub size: u64,
    /// Its digest.
    pub digest: Digest,
    /// Its media type.
    #[serde(default)]
    pub media_type: Option<String>,
}

/// One receipt of several.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Receipt {
    /// The packet.
    pub packet: PacketId,
    /// The digest of what the target holds.
    pub digest: Digest,
}

/// What became of one receipt of several.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ReceiptResult {
    /// The packet.
    pub packet: PacketId,
    /// Whether it was taken.
    pub ok: bool,
    /// The code of the refusal.
    #[serde(default)]
    pub code: Option<String>,
    /// Its word.
    #[serde(default)]
    pub word: Option<String>,
    /// What to do.
    #[serde(default)]
    pub detail: Option<String>,
}

/// A packet and the state it is now in.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct State {
    /// The packet.
    pub packet: PacketId,
    /// Its state.
    #[serde(default)]
    pub state: String,
}

/// The cluster as one node sees it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Status {
    /// The cluster's identifier.
    #[serde(default)]
    pub cluster: String,
    /// Its name.
    #[serde(default)]
    pub name: String,
    /// Its zone.
    #[serde(default)]
    pub zone: String,
    /// How it is.
    #[serde(default)]
    pub health: Word<Health>,
    /// How many more nodes it can lose.
    #[serde(default)]
    pub tolerates: u64,
    /// The cluster's date.
    #[serde(default)]
    pub time: Option<String>,
    /// The same, in milliseconds since 1970.
    #[serde(default)]
    pub time_ms: Option<u64>,
    /// How far the trusted date is ahead of it.
    #[serde(default)]
    pub trusted_ahead_ms: Option<i64>,
    /// Its nodes.
    #[serde(default)]
    pub nodes: Vec<NodeStatus>,
    /// The node that leads.
    #[serde(default)]
    pub leader: Option<NodeId>,
    /// The term it leads in.
    #[serde(default)]
    pub term: u64,
    /// The last entry that the answering node has applied.
    #[serde(default)]
    pub applied: u64,
    /// Live packets whose content no node holds any more.
    #[serde(default)]
    pub lost: u64,
    /// What an operator should look at.
    #[serde(default)]
    pub warnings: Vec<Warning>,
    /// How far the cluster key has turned.
    #[serde(default)]
    pub cluster_key: Option<crate::ClusterKey>,
    /// The authority that certifies the nodes.
    #[serde(default)]
    pub authority: Option<crate::Authority>,
}

/// One node of the cluster.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct NodeStatus {
    /// Its number.
    pub node: NodeId,
    /// Its name.
    #[serde(default)]
    pub name: String,
    /// What it is to the cluster.
    #[serde(default)]
    pub role: Word<Role>,
    /// Whether the answering node reaches it.
    #[serde(default)]
    pub reachable: bool,
    /// Where its mesh listens.
    #[serde(default)]
    pub mesh_address: Option<String>,
    /// Where its API listens.
    #[serde(default)]
    pub api_url: Option<String>,
    /// The version of its program.
    #[serde(default)]
    pub version: Option<String>,
    /// How far its clock is ahead of the cluster's date.
    #[serde(default)]
    pub clock_offset_ms: Option<i64>,
    /// Free octets on its disk.
    #[serde(default)]
    pub disk_free: Option<u64>,
    /// All octets of its disk.
    #[serde(default)]
    pub disk_total: Option<u64>,
    /// Free octets below which it takes no contents.
    #[serde(default)]
    pub disk_reserve: Option<u64>,
    /// The last entry it has applied.
    #[serde(default)]
    pub applied: Option<u64>,
    /// The contents it holds.
    #[serde(default)]
    pub contents: Option<u64>,
    /// The contents it should hold, and that no node that answers it has.
    #[serde(default)]
    pub contents_missing: Option<u64>,
    /// The facts of the history it lacks, at most, and that no node that answers it has.
    #[serde(default)]
    pub facts_wanted: Option<u64>,
    /// Who issued the join token that it was admitted with.
    #[serde(default)]
    pub admitted_by: Option<By>,
    /// When it was removed.
    #[serde(default)]
    pub removed_at: Option<String>,
    /// The same, counted by how long the cluster had run.
    #[serde(default)]
    pub removed_tick: Option<u64>,
    /// Who removed it.
    #[serde(default)]
    pub removed_by: Option<By>,
    /// The contents it has yet to forget.
    #[serde(default)]
    pub purge_debt: Option<u64>,
    /// Whether it takes part: `full`, `copied`, `went_back`, `catching_up` or `apart`.
    #[serde(default)]
    pub standing: Option<String>,
    /// Whether it has told of entries that no other node that answers holds.
    #[serde(default)]
    pub holds_more: bool,
    /// When its certificate ends.
    #[serde(default)]
    pub certificate_expires_at: Option<String>,
}

impl NodeStatus {
    /// Whether it counts for a majority.
    pub fn votes(&self) -> bool {
        self.role.known().is_some_and(Role::votes)
    }
}

/// Something an operator should look at.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Warning {
    /// What.
    pub word: Word<WarningKind>,
    /// What, for people.
    #[serde(default)]
    pub detail: String,
}

/// A token that lets one node join.
#[derive(Debug, Clone, Deserialize)]
pub struct JoinToken {
    /// The token: shown once.
    pub token: Secret,
    /// Until when it is good.
    #[serde(default)]
    pub expires_at: Option<String>,
}

/// What a node says of itself when it joins.
#[derive(Debug, Clone, Serialize)]
pub struct JoinRequest {
    /// The token, spent by this request.
    pub token: Secret,
    /// The node's name.
    pub name: String,
    /// Where its mesh can be reached.
    pub mesh_address: String,
    /// Where its API can be reached.
    pub api_url: String,
    /// Its certificate request: DER in base64.
    pub certificate_request: String,
    /// Host names for its certificate.
    pub dns_names: Vec<String>,
    /// Addresses for its certificate.
    pub ip_addresses: Vec<std::net::IpAddr>,
    /// The version of its program.
    pub version: String,
    /// The newest rules that its program knows.
    pub rules_max: u16,
}

/// What a node is given when it joins.
#[derive(Debug, Clone, Deserialize)]
pub struct Joined {
    /// Its number.
    pub node: NodeId,
    /// The cluster's identifier.
    pub cluster: String,
    /// The cluster's name.
    #[serde(default)]
    pub name: String,
    /// The cluster's zone.
    #[serde(default)]
    pub zone: String,
    /// Its certificate: DER in base64.
    pub certificate: String,
    /// The authority's certificate: DER in base64.
    pub authority: String,
    /// The cluster key in base64.
    pub cluster_key: Secret,
    /// The members it joins.
    #[serde(default)]
    pub members: Vec<Member>,
}

/// A member of the cluster and where its mesh can be reached.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Member {
    /// The node.
    pub node: NodeId,
    /// Its address.
    pub mesh_address: String,
    /// The SHA-256 of its public key.
    pub key: Digest,
}
