//! Receiving, Article 14: a target is ready, fetches, and confirms or refuses; the content goes.
//!
//! No clock, no content: the digest compared here was recorded when the packet was sealed.
//! A deadline ends a delivery when time is passed, not before: a receipt that comes first counts.

use model::{DeliveryState, NodeId, PacketId};

use crate::{
    Answer, ConfirmReceipts, EventKind, GrantPickup, Outcome, PACKETS_A_COMMAND_MAX, PacketRecord,
    Receipt, ReceiptAnswer, RecordHolding, RecordPickup, RecordPurge, Refusal, RejectDelivery,
    apply::Caller,
    cluster, feed, lifecycle, lost,
    tables::{DEBT_FLOORS, DEBTS, EVIDENCE, PACKET_ENDS, PACKETS, PURGES, Tables},
};

/// Gives a target that is ready the space to fetch from, Article 14(2). May be asked again until
/// the delivery is final.
pub(crate) fn grant(tables: &mut Tables, caller: &Caller, command: &GrantPickup) -> Answer {
    let (mut packet, index) = for_target(tables, caller, command.packet)?;
    let at = tables.at;
    let delivery = &mut packet.deliveries[index];
    if delivery.state.is_final() {
        return Err(Refusal::AlreadyEnded);
    }
    if packet.sealed_at.is_none() {
        return Err(Refusal::NotSealed);
    }
    if packet.lost_at.is_some() {
        return Err(Refusal::ContentLost);
    }
    let granted = Outcome::PickupGranted { packet: packet.packet, space: packet.space };
    if delivery.state == DeliveryState::Notified {
        delivery.state = DeliveryState::Accepted;
        delivery.accepted_at = Some(at);
        lifecycle::advance(tables, &mut packet);
        tables.put(&PACKETS, &command.packet, &packet);
    }
    Ok(granted)
}

/// Takes receipts, Article 14(3); one that is refused does not hold back the others.
pub(crate) fn confirm(tables: &mut Tables, caller: &Caller, command: &ConfirmReceipts) -> Answer {
    check_list(command.receipts.len())?;
    let answers = command.receipts.iter().map(|receipt| ReceiptAnswer {
        packet: receipt.packet,
        refusal: confirm_one(tables, caller, receipt).err(),
    });
    Ok(Outcome::Receipts(answers.collect()))
}

/// Settles one delivery. The last one settles the packet and asks for its content to be purged.
fn confirm_one(tables: &mut Tables, caller: &Caller, receipt: &Receipt) -> Result<(), Refusal> {
    let (mut packet, index) = for_target(tables, caller, receipt.packet)?;
    if packet.sealed_at.is_none() && !packet.state.is_terminal() {
        return Err(Refusal::NotSealed);
    }
    let delivery = &mut packet.deliveries[index];
    // Article 9(2): what the target holds is what the source signed.
    let same = packet.digest == Some(receipt.digest);
    match delivery.state {
        // A repeated receipt is the same answer, not an error: the target may have lost our reply.
        DeliveryState::Confirmed if same => return Ok(()),
        DeliveryState::Confirmed => return Err(Refusal::DigestMismatch),
        state if state.is_final() => return Err(Refusal::AlreadyEnded),
        DeliveryState::Accepted | DeliveryState::PickedUp => {}
        _ => return Err(Refusal::NotAccepted),
    }
    if !same {
        // The content was altered on its way, or the target errs: the source hears of it too, once.
        if delivery.mismatched_at.is_none() {
            delivery.mismatched_at = Some(tables.at);
            let source = &packet.source;
            feed::tell(tables, source, EventKind::Mismatched, &packet, Some(&caller.unit));
            tables.put(&PACKETS, &receipt.packet, &packet);
        }
        return Err(Refusal::DigestMismatch);
    }
    tables.put(&EVIDENCE, &(packet.packet, index as u64 + 1), &caller.proof);
    let key = (packet.packet, packet.sealed_tick);
    lifecycle::settle(tables, key, delivery, DeliveryState::Confirmed);
    // With a single target the completion says the same, at half the cost.
    if packet.deliveries.len() > 1 {
        feed::tell(tables, &packet.source, EventKind::Confirmed, &packet, Some(&caller.unit));
    }
    lifecycle::advance(tables, &mut packet);
    tables.put(&PACKETS, &receipt.packet, &packet);
    Ok(())
}

/// Takes a target's refusal; the source is told who and why.
pub(crate) fn reject(tables: &mut Tables, caller: &Caller, command: &RejectDelivery) -> Answer {
    let (mut packet, index) = for_target(tables, caller, command.packet)?;
    if packet.sealed_at.is_none() && !packet.state.is_terminal() {
        return Err(Refusal::NotSealed);
    }
    let delivery = &mut packet.deliveries[index];
    match delivery.state {
        DeliveryState::Rejected => return Ok(Outcome::Done),
        state if state.is_final() => return Err(Refusal::AlreadyEnded),
        _ => {}
    }
    delivery.reason = Some(command.reason.clone());
    tables.put(&EVIDENCE, &(packet.packet, index as u64 + 1), &caller.proof);
    let key = (packet.packet, packet.sealed_tick);
    lifecycle::settle(tables, key, delivery, DeliveryState::Rejected);
    feed::tell(tables, &packet.source, EventKind::Rejected, &packet, Some(&caller.unit));
    lifecycle::advance(tables, &mut packet);
    tables.put(&PACKETS, &command.packet, &packet);
    Ok(Outcome::Done)
}

/// Records that a node has destroyed contents, Article 9(3). What it does not owe is passed over.
pub(crate) fn record_purge(tables: &mut Tables, command: &RecordPurge) -> Answer {
    check_list(command.packets.len())?;
    let (node, at) = (present(tables, command.node)?, tables.at);
    for id in &command.packets {
        let end = tables.get(&PACKET_ENDS, id).and_then(|packet| packet.ended_tick);
        let Some(debt) = end.map(|ended_tick| (node, ended_tick, *id)) else { continue };
        if tables.has(&DEBTS, &debt) {
            tables.delete(&DEBTS, &debt);
            tables.put(&PURGES, &(*id, node), &at);
        }
    }
    raise_debt_floor(tables, node);
    Ok(Outcome::Done)
}

/// Oldest debts are paid first, so the floor follows the payments and nobody walks over paid ones.
fn raise_debt_floor(tables: &mut Tables, node: NodeId) {
    let old = tables.get(&DEBT_FLOORS, &node);
    let from = DEBTS.prefix(&(node, old.unwrap_or_default()));
    let first = DEBTS.first(&tables.store, &DEBTS.under(&node).from(from));
    let floor = first.map_or(tables.tick, |(_, ended_tick, _)| ended_tick);
    if old != Some(floor) {
        tables.put(&DEBT_FLOORS, &node, &floor);
    }
}

/// Records that a node has fetched contents and holds them durably. A holder is a member: what
/// another node holds makes nothing durable, and is passed over.
pub(crate) fn record_holding(tables: &mut Tables, command: &RecordHolding) -> Answer {
    check_list(command.packets.len())?;
    let node = present(tables, command.node)?;
    if !tables.members().contains(&node) {
        return Ok(Outcome::Done);
    }
    for id in &command.packets {
        let Some(mut packet) = tables.get(&PACKETS, id) else { continue };
        let live = packet.sealed_at.is_some() && !packet.state.is_terminal();
        if let (true, Err(place)) = (live, packet.holders.binary_search(&node)) {
            packet.holders.insert(place, node);
            lost::found_again(tables, &mut packet);
            tables.put(&PACKETS, id, &packet);
        }
    }
    Ok(Outcome::Done)
}

/// Records that targets have fetched contents whole; a record that permits nothing.
pub(crate) fn record_pickup(tables: &mut Tables, command: &RecordPickup) -> Answer {
    check_list(command.pickups.len())?;
    for (id, target) in &command.pickups {
        let Some(mut packet) = tables.get(&PACKETS, id) else { continue };
        let at = tables.at;
        let accepted = packet.deliveries.iter_mut().find(|delivery| {
            delivery.target == *target && delivery.state == DeliveryState::Accepted
        });
        if let Some(delivery) = accepted {
            delivery.state = DeliveryState::PickedUp;
            delivery.picked_up_at = Some(at);
            lifecycle::advance(tables, &mut packet);
            tables.put(&PACKETS, id, &packet);
        }
    }
    Ok(Outcome::Done)
}

/// A packet and the place of the caller's delivery in it. A stranger learns nothing; the source
/// learns that it is no target.
fn for_target(
    tables: &Tables,
    caller: &Caller,
    id: PacketId,
) -> Result<(PacketRecord, usize), Refusal> {
    let packet = tables.get(&PACKETS, &id).ok_or(Refusal::PacketUnknown)?;
    match packet.deliveries.iter().position(|delivery| delivery.target == caller.unit) {
        Some(index) => Ok((packet, index)),
        None if packet.source == caller.unit => Err(Refusal::NotATarget),
        None => Err(Refusal::PacketUnknown),
    }
}

fn present(tables: &Tables, node: NodeId) -> Result<NodeId, Refusal> {
    cluster::present(tables, node).map(|record| record.node)
}

fn check_list(count: usize) -> Result<(), Refusal> {
    if (1..=PACKETS_A_COMMAND_MAX).contains(&count) { Ok(()) } else { Err(Refusal::ListMalformed) }
}
