//! What nodes tell of the contents that they hold and have destroyed.

use model::NodeId;

use crate::{
    closing, debts,
    limits::{PACKETS_A_COMMAND_MAX, SETTLED_ROWS_MAX},
    lost, packets,
    refusal::Refusal,
    tables::{CURSORS, PACKETS, PURGES, Tables},
    v1::{Answer, Outcome, RecordHolding, RecordPurge},
};

/// Records that a node has destroyed the contents of all ended packets below a number, Article 9(3). A
/// cursor never goes back.
pub(crate) fn record_purge(tables: &mut Tables, node: NodeId, command: &RecordPurge) -> Answer {
    let below = command.below.min(debts::next(&tables.store));
    if tables.get(&CURSORS, &node).is_none_or(|cursor| cursor < below) {
        tables.put(&CURSORS, &node, &below);
        let at = tables.at;
        tables.put(&PURGES, &(node, below), &at);
        closing::advance(tables);
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
