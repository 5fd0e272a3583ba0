//! Contents that are gone: found by the nodes, told to the offices, closed by an administrator (D22).
//!
//! A cluster that was restored from a backup without contents has live packets whose content no node
//! holds. A loss is a mark and no end: a disk that comes back takes it away again. Only the
//! administrator, who knows which disks can still come, ends such packets.

use minicbor::{Decode, Encode};
use model::{DeliveryState, PacketId};

use crate::{
    Answer, EventKind, Outcome, PacketRecord, Refusal,
    feed::tell,
    lifecycle::{self, settle_open},
    tables::{LOST, PACKETS, Tables},
};

/// Packets that one command marks or closes: each tells its source and up to 512 targets.
pub const LOST_A_COMMAND_MAX: usize = 100;

/// What stands as the reason at a delivery that ended so.
pub const LOST_REASON: &str = "content_lost";

/// See [`crate::Command::RecordLost`].
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
#[cbor(map)]
pub struct RecordLost {
    /// 1 to [`LOST_A_COMMAND_MAX`] packets.
    #[n(0)]
    pub packets: Vec<PacketId>,
}

/// See [`crate::Command::CloseLost`].
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
#[cbor(map)]
pub struct CloseLost {
    /// 1 to [`LOST_A_COMMAND_MAX`] packets.
    #[n(0)]
    pub packets: Vec<PacketId>,
}

/// Records that no node holds the contents of these packets. Packets that are not live, or are known
/// to be lost, are ignored.
pub(crate) fn record_lost(tables: &mut Tables, command: &RecordLost) -> Answer {
    check_list(command.packets.len())?;
    for id in &command.packets {
        let Some(mut packet) = tables.get(&PACKETS, id).filter(is_held) else { continue };
        let at = tables.at;
        packet.lost_at = Some(at);
        // Nobody holds it, and whoever did owes its destruction nevertheless: a disk may come back.
        for holder in std::mem::take(&mut packet.holders) {
            packet.touch(holder);
        }
        tables.put(&LOST, id, &at);
        tell_all(tables, EventKind::ContentLost, &packet);
        tables.put(&PACKETS, id, &packet);
    }
    Ok(Outcome::Done)
}

/// Takes the mark away, as a node holds the content again.
pub(crate) fn found_again(tables: &mut Tables, packet: &mut PacketRecord) {
    if packet.lost_at.take().is_some() {
        tables.delete(&LOST, &packet.packet);
        tell_all(tables, EventKind::ContentFound, packet);
    }
}

/// Ends packets whose content is lost: their open deliveries have failed. Packets that are not lost,
/// or were found again meanwhile, are ignored.
pub(crate) fn close_lost(tables: &mut Tables, command: &CloseLost) -> Answer {
    check_list(command.packets.len())?;
    for id in &command.packets {
        if !tables.has(&LOST, id) {
            continue;
        }
        let mut packet = tables.get(&PACKETS, id).expect("every loss belongs to a packet");
        for delivery in packet.deliveries.iter_mut().filter(|delivery| !delivery.state.is_final()) {
            delivery.reason = LOST_REASON.parse().ok();
        }
        let open = settle_open(tables, &mut packet, DeliveryState::Failed);
        for target in &open {
            tell(tables, target, EventKind::Failed, &packet, Some(target));
        }
        // One event for the source, whatever the number of targets; it names the target if it is one.
        let target = if let [target] = &open[..] { Some(target) } else { None };
        tell(tables, &packet.source, EventKind::Failed, &packet, target);
        lifecycle::advance(tables, &mut packet);
        tables.put(&PACKETS, id, &packet);
    }
    Ok(Outcome::Done)
}

fn is_held(packet: &PacketRecord) -> bool {
    packet.sealed_at.is_some() && !packet.state.is_terminal() && packet.lost_at.is_none()
}

/// Tells the source, and every target that still waits.
fn tell_all(tables: &mut Tables, kind: EventKind, packet: &PacketRecord) {
    tell(tables, &packet.source, kind, packet, None);
    for delivery in packet.deliveries.iter().filter(|delivery| !delivery.state.is_final()) {
        tell(tables, &delivery.target, kind, packet, Some(&delivery.target));
    }
}

fn check_list(count: usize) -> Result<(), Refusal> {
    if (1..=LOST_A_COMMAND_MAX).contains(&count) { Ok(()) } else { Err(Refusal::ListMalformed) }
}
