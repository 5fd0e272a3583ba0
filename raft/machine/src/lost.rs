//! Contents that are gone: found by the nodes, told to the offices, closed by an administrator (D22).
//!
//! A cluster that was restored from a backup without contents has live packets whose content no node
//! holds. A loss is a mark and no end: a disk that comes back takes it away again. Only the
//! administrator, who knows which disks can still come, ends such packets.

use model::DeliveryState;

use crate::{
    caller::Caller,
    feed::tell,
    limits::SETTLED_ROWS_MAX,
    packets::{self, open_targets, settle_open},
    refusal::Refusal,
    tables::{LOST, PACKETS, Tables},
    v1::{Answer, CloseLost, EventKind, LOST_A_COMMAND_MAX, Outcome, PacketRow, RecordLost, What},
};

/// What stands as the reason at a delivery that ended so.
pub const LOST_REASON: &str = "content_lost";

/// Records that no node holds the contents of these packets. Packets that are not live, or are known
/// to be lost, are ignored.
pub(crate) fn record_lost(tables: &mut Tables, command: &RecordLost) -> Answer {
    check_list(command.packets.len())?;
    for id in &command.packets {
        // What is left is found again by the next look.
        if tables.written() >= SETTLED_ROWS_MAX {
            break;
        }
        let Some(mut packet) = tables.get(&PACKETS, id).filter(is_held) else { continue };
        mark(tables, &mut packet);
        packets::put(tables, &packet);
    }
    Ok(Outcome::Done)
}

/// Marks a packet whose content no node holds.
pub(crate) fn mark(tables: &mut Tables, packet: &mut PacketRow) {
    let at = tables.at;
    packet.lost_at = Some(at);
    // Nobody holds it, and whoever did owes its destruction nevertheless: a disk may come back.
    for holder in std::mem::take(&mut packet.holders) {
        packet.touch(holder);
    }
    tables.put(&LOST, &packet.packet, &at);
    tables.record(What::ContentLost(packet.packet));
    tell_all(tables, EventKind::ContentLost, packet);
}

/// Takes the mark away, as a node holds the content again.
pub(crate) fn found_again(tables: &mut Tables, packet: &mut PacketRow) {
    if packet.lost_at.take().is_some() {
        tables.delete(&LOST, &packet.packet);
        tables.record(What::ContentFound(packet.packet));
        tell_all(tables, EventKind::ContentFound, packet);
    }
}

/// Ends packets whose content is lost: their open deliveries have failed. Packets that are not lost,
/// or were found again meanwhile, are ignored.
pub(crate) fn close_lost(tables: &mut Tables, caller: &Caller, command: &CloseLost) -> Answer {
    check_list(command.packets.len())?;
    for id in &command.packets {
        // What is left is closed by the next such command.
        if tables.written() >= SETTLED_ROWS_MAX {
            break;
        }
        if !tables.has(&LOST, id) {
            continue;
        }
        let mut packet = tables.get(&PACKETS, id).expect("every loss belongs to a packet");
        tables.signed(caller);
        let failed = DeliveryState::Failed;
        let open = settle_open(tables, &mut packet, failed, Some(LOST_REASON));
        for target in &open {
            tell(tables, target, EventKind::Failed, &packet, Some(target));
        }
        // One event for the source, whatever the number of targets; it names the target if it is one.
        let target = if let [target] = &open[..] { Some(target) } else { None };
        tell(tables, &packet.source, EventKind::Failed, &packet, target);
        packets::advance(tables, &mut packet, Some(failed));
        packets::put(tables, &packet);
    }
    Ok(Outcome::Done)
}

fn is_held(packet: &PacketRow) -> bool {
    packet.sealed_at.is_some() && packet.ended.is_none() && packet.lost_at.is_none()
}

/// Tells the source, and every target that still waits.
fn tell_all(tables: &mut Tables, kind: EventKind, packet: &PacketRow) {
    tell(tables, &packet.source, kind, packet, None);
    for (target, _) in open_targets(tables, packet.packet) {
        tell(tables, &target, kind, packet, Some(&target));
    }
}

fn check_list(count: usize) -> Result<(), Refusal> {
    if (1..=LOST_A_COMMAND_MAX).contains(&count) { Ok(()) } else { Err(Refusal::ListMalformed) }
}
