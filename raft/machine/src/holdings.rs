//! Which nodes hold contents, and what they have destroyed (D15).
//!
//! A packet that ends gets the next number. Each node destroys in that order and tells one number: «I hold
//! nothing of all below it». So a purge costs no command a packet and no row a packet and node, a debt is a
//! distance, and a node that was away goes on where it was.

use model::NodeId;

use crate::{
    limits::{PACKETS_A_COMMAND_MAX, SETTLED_ROWS_MAX},
    lost, packets,
    refusal::Refusal,
    store::Reader,
    tables::{CURSORS, ENDED_NEXT, PACKETS, PURGES, Tables},
    v1::{Answer, NodeRecord, Outcome, Owing, RecordHolding, RecordPurge},
};

/// The number that the next packet gets that ends.
pub(crate) fn next<R: Reader + ?Sized>(reader: &R) -> u64 {
    ENDED_NEXT.get(reader, &()).unwrap_or_default()
}

/// The number below which a node has destroyed everything.
pub(crate) fn cursor<R: Reader + ?Sized>(reader: &R, node: &NodeRecord) -> u64 {
    CURSORS.get(reader, &node.node).unwrap_or_default().max(node.owes_from)
}

/// What a node has yet to destroy.
pub(crate) fn owing<R: Reader + ?Sized>(reader: &R, node: &NodeRecord) -> Option<Owing> {
    let owing = Owing { from: cursor(reader, node), to: next(reader) };
    (owing.from < owing.to).then_some(owing)
}

/// Records that a node has destroyed the contents of all ended packets below a number, Article 9(3). A
/// cursor never goes back.
pub(crate) fn record_purge(tables: &mut Tables, node: NodeId, command: &RecordPurge) -> Answer {
    let below = command.below.min(next(&tables.store));
    if tables.get(&CURSORS, &node).is_none_or(|cursor| cursor < below) {
        tables.put(&CURSORS, &node, &below);
        let at = tables.at;
        tables.put(&PURGES, &(node, below), &at);
    }
    Ok(Outcome::Done)
}

/// Records that a node has fetched contents and holds them durably. A holder is a member: what
/// another node holds makes nothing durable, and is ignored.
pub(crate) fn record_holding(tables: &mut Tables, node: NodeId, command: &RecordHolding) -> Answer {
    if !(1..=PACKETS_A_COMMAND_MAX).contains(&command.packets.len()) {
        return Err(Refusal::ListMalformed);
    }
    if !tables.members().contains(&node) {
        return Ok(Outcome::Done);
    }
    for id in &command.packets {
        // A content that was lost tells each of its targets that it is found; the rest is recorded by the next
        // reconciliation.
        if tables.written() >= SETTLED_ROWS_MAX {
            break;
        }
        let Some(mut packet) = tables.get(&PACKETS, id) else { continue };
        let live = packet.sealed_at.is_some() && packet.ended.is_none();
        if let (true, Err(place)) = (live, packet.holders.binary_search(&node)) {
            packet.holders.insert(place, node);
            lost::found_again(tables, &mut packet);
            packets::put(tables, &packet);
        }
    }
    Ok(Outcome::Done)
}
