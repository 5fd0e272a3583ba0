//! The bodies of the API. Readers are tolerant: fields that we do not know are passed over, and
//! fields that an older node does not send have a default. Moments are RFC 3339 texts in UTC.

use model::{
    AccessKey, AppId, Digest, Grant, Importance, KeyAlgorithm, MediaType, NodeId, PacketId,
    SpaceId, Title, UnitCode, UnitKind,
};
use serde::{Deserialize, Serialize};

use crate::Secret;

/// One page of a list.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Page<T> {
    /// The items, in the list's order.
    pub items: Vec<T>,
    /// The cursor of the next page; none at the end.
    #[serde(default)]
    pub next: Option<String>,
}

/// A unit to register.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct NewUnit {
    /// Its code.
    pub code: UnitCode,
    /// Its name.
    pub name: String,
    /// Its kind.
    pub kind: UnitKind,
    /// The unit above it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<UnitCode>,
    /// Other codes it is known by.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub aliases: Vec<UnitCode>,
}

/// A registered unit.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Unit {
    /// Its code.
    pub code: UnitCode,
    /// Its name.
    pub name: String,
    /// Its kind, as a word.
    #[serde(default)]
    pub kind: String,
    /// The unit above it.
    #[serde(default)]
    pub parent: Option<UnitCode>,
    /// Other codes it is known by.
    #[serde(default)]
    pub aliases: Vec<UnitCode>,
    /// When it was registered.
    #[serde(default)]
    pub added_at: Option<String>,
}

/// How many were added.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Added {
    /// The number.
    pub added: u64,
}

/// An application to register.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct NewApp {
    /// Its name in the cluster.
    pub app: AppId,
    /// The unit it speaks for.
    pub unit: UnitCode,
    /// Its name for people.
    pub name: String,
    /// What it may do.
    pub grants: Vec<Grant>,
    /// The only units it may send to; none listed means all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub targets: Vec<UnitCode>,
}

/// A registered application.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct App {
    /// Its name in the cluster.
    pub app: AppId,
    /// The unit it speaks for; none for the cluster's own administration.
    #[serde(default)]
    pub unit: Option<UnitCode>,
    /// Its name for people.
    #[serde(default)]
    pub name: String,
    /// What it may do, as words.
    #[serde(default)]
    pub grants: Vec<String>,
    /// The only units it may send to; none listed means all.
    #[serde(default)]
    pub targets: Vec<UnitCode>,
    /// When it was registered.
    #[serde(default)]
    pub added_at: Option<String>,
}

/// A key to issue.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct NewKey {
    /// The application that will sign with it.
    pub app: AppId,
    /// Its one algorithm.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub algorithm: Option<KeyAlgorithm>,
    /// The public key in PEM, for the algorithms that have one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub public_key: Option<String>,
    /// Whether the legacy profile is allowed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub legacy: Option<bool>,
    /// Whether HMAC-SHA1 is allowed in the legacy profile.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hmac_sha1: Option<bool>,
}

/// A key as it was issued: the only time that its secret is seen.
#[derive(Debug, Clone, Deserialize)]
pub struct IssuedKey {
    /// The public name of the key.
    pub access_key: AccessKey,
    /// The secret, when the platform made one.
    #[serde(default)]
    pub secret_key: Option<Secret>,
    /// Its algorithm.
    #[serde(default)]
    pub algorithm: String,
}

/// A key as it is listed, without any secret.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Key {
    /// The public name of the key.
    pub access_key: AccessKey,
    /// The application that signs with it.
    pub app: AppId,
    /// Its algorithm.
    #[serde(default)]
    pub algorithm: String,
    /// `active` or `revoked`.
    #[serde(default)]
    pub status: String,
    /// Whether the legacy profile is allowed.
    #[serde(default)]
    pub legacy: bool,
    /// Whether HMAC-SHA1 is allowed.
    #[serde(default)]
    pub hmac_sha1: bool,
    /// When it was issued.
    #[serde(default)]
    pub issued_at: Option<String>,
    /// When it was revoked.
    #[serde(default)]
    pub revoked_at: Option<String>,
    /// When it will be revoked.
    #[serde(default)]
    pub ends_at: Option<String>,
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
    /// `healthy`, `degraded` or `unavailable`.
    #[serde(default)]
    pub health: String,
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
    /// `leader`, `voter`, `learner`, `removed` or `unknown`.
    #[serde(default)]
    pub role: String,
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
    /// When it was removed.
    #[serde(default)]
    pub removed_at: Option<String>,
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

/// Something an operator should look at.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Warning {
    /// What, as a word.
    pub word: String,
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
