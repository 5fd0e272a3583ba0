//! The cluster: its founding, join tokens, and the nodes that come and go.
//!
//! Two lists: the nodes that belong (admitted and not removed), and the members, those of them that
//! vote (decision 0006). Who votes is for consensus, which says so here by [`seat_voters`].

use model::{Digest, Grant, NodeId};

use crate::{
    authority,
    caller::Caller,
    cluster_key, holdings,
    limits::{JOIN_TOKEN_TIME_MAX_MS, TOKENS_LOOKED_AT_MAX},
    refusal::Refusal,
    registry,
    rules::adopted,
    store::{Reader, Store},
    tables::{CLUSTER, MEMBERS, NODES, RULES, TOKENS, Tables},
    v1::{
        AdmitNode, Answer, By, ClusterRecord, Effect, Found, IssueJoinToken, JoinTokenRecord,
        NewNode, NodeRecord, Outcome, UpdateNode,
    },
};

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
    let version = cluster_key::FIRST_KEY_VERSION;
    authority::begin(tables, &command.authority, &command.authority_key_sealed, version);
    // A cluster of one node knows what that node knows.
    tables.put(&RULES, &(), &command.node.rules_max);
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
        owes_from: holdings::next(&tables.store),
        leaving: None,
        owing: None,
    };
    tables.put(&NODES, &id, &node);
    tables.effects.push(Effect::NodesChanged);
    id
}

/// Records who votes, as an entry of consensus says: those of them that belong to the cluster are
/// its members, of whom a content needs a majority. A node that leaves is none any more.
///
/// Every node calls it at the same place of the log, in the batch of that entry. A removed node
/// stays out, whatever an entry under way still says; before the founding nothing is written.
pub fn seat_voters<S: Store>(store: &mut S, voters: &[NodeId]) {
    if !CLUSTER.has(store, &()) {
        return;
    }
    let belongs = |node: &NodeId| {
        NODES.get(store, node).is_some_and(|node| node.is_present() && node.leaving.is_none())
    };
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
/// longer serve. Administrators issue few, so that nearly always all of them are looked at.
fn forget_tokens(tables: &mut Tables) {
    for (digest, token) in TOKENS.rows(&tables.store, &TOKENS.all(), TOKENS_LOOKED_AT_MAX) {
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
    // It could not read what the others apply.
    if command.node.rules_max < adopted(&tables.store) {
        return Err(Refusal::RulesTooOld);
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
pub(crate) fn update_node(tables: &mut Tables, node: NodeId, command: &UpdateNode) -> Answer {
    let mut node = present(&tables.store, node)?;
    // A program that went back could not read what it has applied.
    if command.now.rules_max < adopted(&tables.store) {
        return Err(Refusal::RulesTooOld);
    }
    if node.now != command.now {
        node.now = command.now.clone();
        tables.put(&NODES, &node.node, &node);
        tables.effects.push(Effect::NodesChanged);
    }
    Ok(Outcome::Done)
}

/// A node that belongs to the cluster, whether it votes or not.
pub(crate) fn present<R: Reader + ?Sized>(reader: &R, node: NodeId) -> Result<NodeRecord, Refusal> {
    NODES.get(reader, &node).filter(NodeRecord::is_present).ok_or(Refusal::NodeUnknown)
}
