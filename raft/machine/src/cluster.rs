//! The cluster: its founding, join tokens, and the nodes that come and go.
//!
//! Two lists: the nodes that belong (admitted and not removed), and the members, those of them that
//! vote (decision 0006). Who votes is for consensus, which says so here by [`seat_voters`].

use minicbor::{Decode, Encode};
use model::{Digest, Grant, Moment, NodeId, PacketId};

use crate::{
    Answer, By, ClusterRecord, Effect, FIRST_KEY_VERSION, Found, JoinTokenRecord, NewNode,
    NodeRecord, Outcome, PacketRecord, Refusal, Store,
    apply::Caller,
    authority, cluster_key, lifecycle, registry,
    tables::{CLUSTER, DEBT_FLOORS, DEBTS, DUE, MEMBERS, NODES, PACKETS, TOKENS, Tables},
};

/// How far ahead a join token may expire: 7 days. It lies in mails and chats.
pub const JOIN_TOKEN_TIME_MAX_MS: u64 = 7 * 24 * 3_600_000;

/// Packets looked at in one go where all have to be: bounds the memory that a removal takes.
const PACKETS_A_LOOK: usize = 1000;

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
    /// Which node.
    #[n(0)]
    pub node: NodeId,
    /// What it is now.
    #[n(1)]
    pub now: NewNode,
}

/// See [`crate::Command::RemoveNode`].
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
#[cbor(map)]
pub struct RemoveNode {
    /// Which node.
    #[n(0)]
    pub node: NodeId,
}

/// Founds the cluster: the first node, the zone's own unit, the first administrator.
pub(crate) fn found(tables: &mut Tables, command: &Found) -> Answer {
    if tables.has(&CLUSTER, &()) {
        return Err(Refusal::AlreadyFounded);
    }
    if command.admin.unit.as_str() != command.zone.as_str() {
        return Err(Refusal::ZoneMalformed);
    }
    if !command.admin.grants.has(Grant::Admin) {
        return Err(Refusal::NotGranted);
    }
    if command.admin_key.app != command.admin.app {
        return Err(Refusal::AppUnknown);
    }
    let cluster = ClusterRecord {
        name: command.name.clone(),
        zone: command.zone.clone(),
        cluster: command.cluster.clone(),
        next_node: NodeId(1),
        founded_at: tables.at,
    };
    cluster_key::begin(tables, command.key_check);
    authority::begin(tables, &command.authority, &command.authority_key_sealed, FIRST_KEY_VERSION);
    let node = add_node(tables, cluster, &command.node, (command.node_key, None));
    // A cluster is founded by the one node that votes.
    tables.put(&MEMBERS, &(), &vec![node]);
    registry::add_zone_unit(tables, &command.admin.unit, &command.name)?;
    registry::add_app(tables, None, &command.admin)?;
    registry::issue_key(tables, None, &command.admin_key)?;
    Ok(Outcome::NodeAdmitted(node))
}

fn add_node(
    tables: &mut Tables,
    mut cluster: ClusterRecord,
    node: &NewNode,
    (key, admitted_by): (Digest, Option<By>),
) -> NodeId {
    let id = cluster.next_node;
    // Given out once and never again.
    cluster.next_node = NodeId(id.0 + 1);
    tables.put(&CLUSTER, &(), &cluster);
    let (now, admitted_at) = (node.clone(), tables.at);
    let node = NodeRecord {
        node: id,
        now,
        admitted_at,
        removed_at: None,
        key,
        admitted_by,
        removed_by: None,
        removed_tick: None,
    };
    tables.put(&NODES, &id, &node);
    tables.effects.push(Effect::NodesChanged);
    id
}

/// Records who votes, as an entry of consensus says: those of them that belong to the cluster are
/// its members, of whom a content needs a majority.
///
/// Every node calls it at the same place of the log, in the batch of that entry. A removed node
/// stays out, whatever an entry under way still says; before the founding nothing is written.
pub fn seat_voters<S: Store>(store: &mut S, voters: &[NodeId]) {
    if !CLUSTER.has(store, &()) {
        return;
    }
    let belongs =
        |node: &NodeId| NODES.get(store, node).is_some_and(|record| record.removed_at.is_none());
    let mut members: Vec<_> = voters.iter().copied().filter(belongs).collect();
    members.sort();
    members.dedup();
    // Without a member nothing could be durable any more; such an entry is no cluster's of ours.
    if !members.is_empty() && MEMBERS.get(store, &()).as_ref() != Some(&members) {
        MEMBERS.put(store, &(), &members);
    }
}

/// Registers a join token by the digest of its secret.
pub(crate) fn issue_join_token(
    tables: &mut Tables,
    caller: &Caller,
    command: &IssueJoinToken,
) -> Answer {
    let span = command.expires_at.since(tables.at).as_millis() as u64;
    if !(1..=JOIN_TOKEN_TIME_MAX_MS).contains(&span) {
        return Err(Refusal::DeadlineMalformed);
    }
    if tables.has(&TOKENS, &command.secret_digest) {
        return Err(Refusal::IdExists);
    }
    forget_tokens(tables);
    let expires_tick = tables.tick.plus_ms(span);
    let token = JoinTokenRecord { expires_tick, node: None, issued_by: Some(caller.by()) };
    tables.put(&TOKENS, &command.secret_digest, &token);
    Ok(Outcome::Done)
}

/// Forgets tokens that expired as long ago as a token may live; until then it is told why they no
/// longer serve. Administrators issue few, so that all of them are looked at.
fn forget_tokens(tables: &mut Tables) {
    for (digest, token) in TOKENS.rows(&tables.store, &TOKENS.all(), usize::MAX) {
        if token.expires_tick.plus_ms(JOIN_TOKEN_TIME_MAX_MS) <= tables.tick {
            tables.delete(&TOKENS, &digest);
        }
    }
}

/// Spends a join token: the token is the authority, nobody signs.
pub(crate) fn admit_node(tables: &mut Tables, command: &AdmitNode) -> Answer {
    let mut token = tables.get(&TOKENS, &command.secret_digest).ok_or(Refusal::TokenUnknown)?;
    if token.node.is_some() {
        return Err(Refusal::TokenUsed);
    }
    if tables.tick >= token.expires_tick {
        return Err(Refusal::TokenExpired);
    }
    let cluster = tables.get(&CLUSTER, &()).ok_or(Refusal::NotFounded)?;
    // A node is its key, so a key that has been a node is no other one. Nodes are few.
    let nodes = NODES.rows(&tables.store, &NODES.all(), usize::MAX);
    if nodes.iter().any(|(_, other)| other.key == command.key) {
        return Err(Refusal::IdExists);
    }
    let admitted = (command.key, token.issued_by.clone());
    let node = add_node(tables, cluster, &command.node, admitted);
    token.node = Some(node);
    tables.put(&TOKENS, &command.secret_digest, &token);
    Ok(Outcome::NodeAdmitted(node))
}

/// Records what a node tells of itself.
pub(crate) fn update_node(tables: &mut Tables, command: &UpdateNode) -> Answer {
    let mut node = present(tables, command.node)?;
    if node.now != command.now {
        node.now = command.now.clone();
        tables.put(&NODES, &command.node, &node);
        tables.effects.push(Effect::NodesChanged);
    }
    Ok(Outcome::Done)
}

/// Removes a node for ever, unless a live content needs it.
pub(crate) fn remove_node(tables: &mut Tables, caller: &Caller, command: &RemoveNode) -> Answer {
    let mut node = present(tables, command.node)?;
    let mut members = tables.members();
    let counts = members.contains(&command.node);
    members.retain(|member| *member != command.node);
    if members.is_empty() {
        return Err(Refusal::NodeNeeded);
    }
    release_holdings(tables, (command.node, counts), &members)?;
    forgive_debts(tables, command.node);
    node.removed_at = Some(tables.at);
    node.removed_tick = Some(tables.tick);
    node.removed_by = Some(caller.by());
    tables.put(&NODES, &command.node, &node);
    tables.put(&MEMBERS, &(), &members);
    tables.effects.push(Effect::NodesChanged);
    // It knows the cluster key of its last day and the authority's, and so does whoever has its disk.
    cluster_key::member_removed(tables);
    authority::member_removed(tables);
    Ok(Outcome::Done)
}

/// Takes the node off the holders of every live content; a majority of the members who stay must
/// hold it. A node that is no member and holds nothing of it takes nothing away.
fn release_holdings(
    tables: &mut Tables,
    (node, counts): (NodeId, bool),
    staying: &[NodeId],
) -> Result<(), Refusal> {
    let mut span = DUE.all();
    loop {
        let looked = DUE.keys(&tables.store, &span, PACKETS_A_LOOK);
        let Some(last) = looked.last() else { return Ok(()) };
        span = span.after(DUE.key(last));
        for (_, id) in looked {
            let mut packet = live(tables, id);
            // Nothing, or nobody, has to be spared: there is no content yet, or none any more.
            if packet.sealed_at.is_none() || packet.lost_at.is_some() {
                continue;
            }
            let held = packet.holders.contains(&node);
            packet.holders.retain(|holder| *holder != node);
            let staying_holders: Vec<_> =
                packet.holders.iter().copied().filter(|holder| staying.contains(holder)).collect();
            if (counts || held) && !lifecycle::is_majority(&staying_holders, staying) {
                return Err(Refusal::NodeNeeded);
            }
            if held {
                tables.put(&PACKETS, &id, &packet);
            }
        }
    }
}

fn live(tables: &Tables, id: PacketId) -> PacketRecord {
    tables.get(&PACKETS, &id).expect("every deadline belongs to a packet")
}

/// A removed node owes nothing: its disk is out of our reach. What it still holds opens to whoever
/// has that disk with the cluster key of its last day (decision 0001).
fn forgive_debts(tables: &mut Tables, node: NodeId) {
    for key in DEBTS.keys(&tables.store, &DEBTS.under(&node), usize::MAX) {
        tables.delete(&DEBTS, &key);
    }
    tables.delete(&DEBT_FLOORS, &node);
}

/// A node that belongs to the cluster, whether it votes or not.
pub(crate) fn present(tables: &Tables, node: NodeId) -> Result<NodeRecord, Refusal> {
    let node = tables.get(&NODES, &node).ok_or(Refusal::NodeUnknown)?;
    if node.removed_at.is_some() { Err(Refusal::NodeUnknown) } else { Ok(node) }
}
