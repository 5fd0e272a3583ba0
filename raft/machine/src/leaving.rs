//! A node leaves for ever, in steps of bounded work.
//!
//! `LeaveNode` says that it counts for no content's majority any more; `ReleaseHoldings` takes it off the holders
//! of live packets, slice by slice, and stops at a packet that needs it until others hold the content;
//! `RemoveNode` ends it. Whichever node leads takes the steps after the first.

use model::{NodeId, PacketId};

use crate::{
    authority,
    caller::Caller,
    closing, cluster, cluster_key, debts,
    limits::SETTLED_ROWS_MAX,
    lost,
    packets::{self, is_majority},
    refusal::Refusal,
    tables::{CURSORS, LIVE, NODES, PACKETS, Tables},
    v1::{
        Answer, Effect, LeaveNode, Leaving, NodeChange, NodeKind, Outcome, ReleaseHoldings,
        RemoveNode, What,
    },
};

/// Live packets that one command looks at, at most: some milliseconds of work.
const RELEASED_A_COMMAND_MAX: usize = 1_000;

/// A node is to leave.
pub(crate) fn leave(tables: &mut Tables, caller: &Caller, command: &LeaveNode) -> Answer {
    let mut node = cluster::present(&tables.store, command.node)?;
    let mut members = tables.members();
    let was_member = members.contains(&command.node);
    members.retain(|member| *member != command.node);
    if members.is_empty() {
        return Err(Refusal::NodeNeeded);
    }
    let before = node.leaving.take();
    let begun = before.clone().unwrap_or(Leaving {
        by: caller.by(),
        at: tables.at,
        gives_up: false,
        was_member,
        released_to: None,
        is_released: false,
    });
    let gives_up = begun.gives_up || command.gives_up;
    let leaving = Leaving { gives_up, ..begun };
    if before.as_ref() != Some(&leaving) {
        tables.signed(caller);
        tables.record(What::Node(NodeChange { node: command.node, kind: NodeKind::Leaving }));
        node.leaving = Some(leaving);
        tables.put(&NODES, &command.node, &node);
        match was_member {
            true => cluster::seat(&mut tables.store, &members),
            false => cluster::note_guests(&mut tables.store),
        }
        tables.effects.push(Effect::NodesChanged);
    }
    Ok(Outcome::Done)
}

/// Takes a leaving node off the holders of some live packets. A packet that is sealed later names no node that
/// leaves, so that one pass is enough.
pub(crate) fn release(tables: &mut Tables, command: &ReleaseHoldings) -> Answer {
    let mut node = cluster::present(&tables.store, command.node)?;
    let mut leaving = node.leaving.take().ok_or(Refusal::NotLeaving)?;
    let members = tables.members();
    let span = match leaving.released_to {
        Some(packet) => LIVE.all().after(LIVE.key(&packet)),
        None => LIVE.all(),
    };
    let most = (command.packets_max as usize).clamp(1, RELEASED_A_COMMAND_MAX);
    let mut looked = LIVE.keys(&tables.store, &span, most);
    let mut needed_for = None;
    leaving.is_released = looked.len() < most;
    if let Some(through) = command.through {
        let known = looked.partition_point(|packet| *packet <= through);
        leaving.is_released &= known == looked.len();
        looked.truncate(known);
    }
    for packet in looked {
        // Lost packets tell each of their targets.
        if tables.written() >= SETTLED_ROWS_MAX {
            leaving.is_released = false;
            break;
        }
        if !release_one(tables, packet, command.node, &members, &leaving) {
            needed_for = Some(packet);
            leaving.is_released = false;
            break;
        }
        leaving.released_to = Some(packet);
    }
    let is_released = leaving.is_released;
    node.leaving = Some(leaving);
    tables.put(&NODES, &command.node, &node);
    Ok(Outcome::HoldingsReleased { is_released, needed_for })
}

/// Answers whether the packet does without the node.
fn release_one(
    tables: &mut Tables,
    id: PacketId,
    node: NodeId,
    members: &[NodeId],
    leaving: &Leaving,
) -> bool {
    let mut packet = tables.get(&PACKETS, &id).expect("every live packet has a row");
    // Nothing, or nobody, has to be spared: there is no content yet, or none any more.
    if packet.sealed_at.is_none() || packet.lost_at.is_some() {
        return true;
    }
    let held = packet.holders.contains(&node);
    // A node that is no member and holds nothing of it takes nothing away.
    if !held && !leaving.was_member {
        return true;
    }
    let staying: Vec<_> =
        packet.holders.iter().copied().filter(|holder| members.contains(holder)).collect();
    // Of those that leave too it can be copied still, unless they are given up as well.
    let given_up = |holder: &NodeId| {
        let record = tables.get(&NODES, holder);
        *holder == node || record.and_then(|record| record.leaving).is_some_and(|l| l.gives_up)
    };
    let others = !packet.holders.iter().all(given_up);
    if leaving.gives_up && !others {
        lost::mark(tables, &mut packet);
        packets::put(tables, &packet);
        return true;
    }
    // Who gives up the majority says so; one member that holds it is copied from later.
    let spared = leaving.gives_up && !staying.is_empty();
    if !spared && !is_majority(&staying, members) {
        return false;
    }
    if held {
        packet.holders.retain(|holder| *holder != node);
        // Its disk goes with the octets.
        packet.touch(node);
        packets::put(tables, &packet);
    }
    true
}

/// Removes a node for ever, once no live packet needs it.
pub(crate) fn remove(tables: &mut Tables, command: &RemoveNode) -> Answer {
    let mut node = cluster::present(&tables.store, command.node)?;
    let leaving = node.leaving.take().ok_or(Refusal::NotLeaving)?;
    if !leaving.is_released {
        return Err(Refusal::NodeNeeded);
    }
    // Its disk is out of our reach: what it had not destroyed opens to whoever has that disk with the cluster key of
    // its last day (decision 0001). That is recorded and never forgiven.
    node.owing = debts::owing(&tables.store, &node);
    node.removed_at = Some(tables.at);
    node.removed_tick = Some(tables.tick);
    node.removed_by = Some(leaving.by);
    tables.put(&NODES, &command.node, &node);
    tables.delete(&CURSORS, &command.node);
    cluster::note_guests(&mut tables.store);
    if leaving.gives_up {
        cluster::forget_former(&mut tables.store, command.node);
    }
    tables.record(What::Node(NodeChange { node: command.node, kind: NodeKind::Removed }));
    // What it alone still owed is destroyed as far as it ever will be.
    closing::advance(tables);
    tables.effects.push(Effect::NodesChanged);
    // It knows the cluster key of its last day and the authority's, and so does whoever has its disk.
    cluster_key::member_removed(tables);
    authority::member_removed(tables);
    Ok(Outcome::Done)
}
