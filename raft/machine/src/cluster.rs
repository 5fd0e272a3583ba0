//! The cluster: its founding, join tokens, and the nodes that come and go.
//!
//! Two lists: the nodes that belong (admitted and not removed), and the members, those of them that
//! vote (decision 0006). Who votes is for consensus, which says so here by [`seat_voters`].

use model::{Digest, Grant, NodeId, Tick, lengths::millis_of};

use crate::{
    authority,
    caller::Caller,
    cluster_key, debts,
    limits::{JOIN_TOKEN_TIME_MAX_MS, SPACE_TIME_MS, TOKENS_LOOKED_AT_MAX},
    refusal::Refusal,
    registry,
    rules::adopted,
    store::{Reader, Store},
    sum::Summed,
    tables::{CLOCK, CLUSTER, FORMER, GUESTS, MEMBERS, NODES, RULES, TOKENS, Tables},
    v1::{
        AdmitNode, Answer, By, ClusterRecord, Effect, Found, IssueJoinToken, JoinTokenRecord,
        NewNode, NodeChange, NodeKind, NodeRecord, Outcome, PacketRow, UpdateNode, What,
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
    note_guests(&mut tables.store);
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
        owes_from: debts::next(&tables.store),
        leaving: None,
        owing: None,
    };
    tables.put(&NODES, &id, &node);
    tables.record(What::Node(NodeChange { node: id, kind: NodeKind::Admitted }));
    tables.effects.push(Effect::NodesChanged);
    id
}

/// Records who votes, as an entry of consensus says: those of them that belong to the cluster are
/// its members, of whom a content needs a majority. A node that leaves is none any more.
///
/// Every node calls it at the same place of the log, in the batch of that entry; what it writes counts in the sum that
/// nodes compare. A removed node
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
        let mut summed = Summed::new(store);
        seat(&mut summed, &members);
        summed.finish();
    }
}

/// Seats the members. Those before are remembered for as long as a space may be open whose content they hold.
pub(crate) fn seat<S: Store + ?Sized>(store: &mut S, members: &Vec<NodeId>) {
    let now = CLOCK.get(store, &()).unwrap_or_default().tick;
    let forgotten = Tick(now.0.saturating_sub(SPACE_TIME_MS));
    // The members change a few times a day at the most.
    let old = FORMER.all().below(FORMER.prefix(&forgotten));
    FORMER.keys(store, &old, usize::MAX).iter().for_each(|key| FORMER.delete(store, key));
    if let Some(before) = MEMBERS.get(store, &()) {
        let count = FORMER.keys(store, &FORMER.under(&now), usize::MAX).len() as u64;
        FORMER.put(store, &(now, count), &before);
    }
    MEMBERS.put(store, &(), members);
    note_guests(store);
}

/// Who else the members were at any time since an unsealed packet was opened. What was acknowledged of its content may
/// be with a majority of any of these, and with nobody else: a node that begins to write counts by members at least
/// as new as the packet.
pub fn former_members<R: Reader + ?Sized>(reader: &R, packet: &PacketRow) -> Vec<Vec<NodeId>> {
    let opened = packet.due_tick.0.saturating_sub(SPACE_TIME_MS);
    let since = FORMER.prefix(&Tick(opened));
    let rows = FORMER.rows(reader, &FORMER.all().from(since), usize::MAX);
    let mut former: Vec<_> = rows.into_iter().map(|(_, members)| members).collect();
    former.sort();
    former.dedup();
    former
}

/// A node was given up with all that only it has: nobody waits for what it may hold of an upload.
pub(crate) fn forget_former<S: Store + ?Sized>(store: &mut S, node: NodeId) {
    for (key, mut members) in FORMER.rows(store, &FORMER.all(), usize::MAX) {
        let before = members.len();
        members.retain(|member| *member != node);
        match members.len() {
            0 => FORMER.delete(store, &key),
            left if left < before => FORMER.put(store, &key, &members),
            _ => {}
        }
    }
}

/// Notes who belongs and does not vote, after a change of either.
pub(crate) fn note_guests<S: Store + ?Sized>(store: &mut S) {
    let members = MEMBERS.get(store, &()).unwrap_or_default();
    let nodes = NODES.rows(store, &NODES.all(), usize::MAX);
    let present = nodes.into_iter().filter(|(_, node)| node.is_present()).map(|(id, _)| id);
    let guests: Vec<_> = present.filter(|node| !members.contains(node)).collect();
    if guests == GUESTS.get(store, &()).unwrap_or_default() {
        return;
    }
    match guests.is_empty() {
        true => GUESTS.delete(store, &()),
        false => GUESTS.put(store, &(), &guests),
    }
}

/// Registers a join token by the digest of its secret.
pub(crate) fn issue_join_token(
    tables: &mut Tables,
    caller: &Caller,
    command: &IssueJoinToken,
) -> Answer {
    let span = millis_of(command.expires_at.since(tables.at));
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
    note_guests(&mut tables.store);
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
