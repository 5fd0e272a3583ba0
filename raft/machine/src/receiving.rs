//! Receiving, Article 14: a target is ready, fetches, and confirms or refuses; the content goes.
//!
//! No clock, no content: the digest compared here was recorded when the packet was sealed.
//! A deadline ends a delivery when time is passed, not before: a receipt that comes first counts.

use model::{DeliveryState, PacketId, UnitCode};

use crate::{
    caller::Caller,
    feed,
    limits::PACKETS_A_COMMAND_MAX,
    packets,
    refusal::Refusal,
    tables::{DELIVERIES, PACKETS, Tables},
    v1::{
        Answer, ConfirmReceipts, DeliveryRow, EventKind, GrantPickup, Outcome, PacketRow, Receipt,
        ReceiptAnswer, RecordPickup, RejectDelivery, Step, What,
    },
};

/// Gives a target that is ready the space to fetch from, Article 14(2). May be asked again until
/// the delivery is final.
pub(crate) fn grant(tables: &mut Tables, caller: &Caller, command: &GrantPickup) -> Answer {
    let (mut packet, mut delivery) = for_target(tables, caller, command.packet)?;
    if delivery.state.is_final() {
        return Err(Refusal::AlreadyEnded);
    }
    if packet.sealed_at.is_none() {
        return Err(Refusal::NotSealed);
    }
    if packet.lost_at.is_some() {
        return Err(Refusal::ContentLost);
    }
    if delivery.state == DeliveryState::Notified {
        let accepted = DeliveryState::Accepted;
        packets::step(tables, &mut packet, &caller.unit, &mut delivery, accepted);
        packets::put(tables, &packet);
        tables.signed(caller);
        tables.record(What::Ready(step(&packet, &caller.unit)));
    }
    Ok(Outcome::PickupGranted { packet: packet.packet, space: packet.space })
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
    let (mut packet, mut delivery) = for_target(tables, caller, receipt.packet)?;
    if packet.sealed_at.is_none() && packet.ended.is_none() {
        return Err(Refusal::NotSealed);
    }
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
    let own = (packet.packet, caller.unit.clone());
    if !same {
        // The content was altered on its way, or the target errs: the source hears of it too, once.
        if delivery.mismatched_at.is_none() {
            delivery.mismatched_at = Some(tables.at);
            let source = &packet.source;
            feed::tell(tables, source, EventKind::Mismatched, &packet, Some(&caller.unit));
            tables.put(&DELIVERIES, &own, &delivery);
            tables.signed(caller);
            let digest = Some(receipt.digest);
            tables.record(What::Mismatched(Step { digest, ..step(&packet, &caller.unit) }));
        }
        return Err(Refusal::DigestMismatch);
    }
    packets::step(tables, &mut packet, &caller.unit, &mut delivery, DeliveryState::Confirmed);
    tables.signed(caller);
    let (digest, size) = (Some(receipt.digest), packet.size);
    let source = Some(packet.source.clone());
    tables.record(What::Confirmed(Step { digest, size, source, ..step(&packet, &caller.unit) }));
    // With a single target the completion says the same, at half the cost.
    if packet.counts.sum() > 1 {
        feed::tell(tables, &packet.source, EventKind::Confirmed, &packet, Some(&caller.unit));
    }
    packets::advance(tables, &mut packet, None);
    packets::put(tables, &packet);
    Ok(())
}

/// Takes a target's refusal; the source is told who and why.
pub(crate) fn reject(tables: &mut Tables, caller: &Caller, command: &RejectDelivery) -> Answer {
    let (mut packet, mut delivery) = for_target(tables, caller, command.packet)?;
    if packet.sealed_at.is_none() && packet.ended.is_none() {
        return Err(Refusal::NotSealed);
    }
    match delivery.state {
        DeliveryState::Rejected => return Ok(Outcome::Done),
        state if state.is_final() => return Err(Refusal::AlreadyEnded),
        _ => {}
    }
    delivery.reason = Some(command.reason.clone());
    packets::step(tables, &mut packet, &caller.unit, &mut delivery, DeliveryState::Rejected);
    tables.signed(caller);
    let reason = Some(command.reason.clone());
    let source = Some(packet.source.clone());
    tables.record(What::Rejected(Step { reason, source, ..step(&packet, &caller.unit) }));
    feed::tell(tables, &packet.source, EventKind::Rejected, &packet, Some(&caller.unit));
    packets::advance(tables, &mut packet, None);
    packets::put(tables, &packet);
    Ok(Outcome::Done)
}

/// Records that targets have fetched contents whole; a record that permits nothing.
pub(crate) fn record_pickup(tables: &mut Tables, command: &RecordPickup) -> Answer {
    check_list(command.pickups.len())?;
    for (id, target) in &command.pickups {
        let delivery = tables.get(&DELIVERIES, &(*id, target.clone()));
        let accepted = delivery.filter(|delivery| delivery.state == DeliveryState::Accepted);
        let (Some(mut delivery), Some(mut packet)) = (accepted, tables.get(&PACKETS, id)) else {
            continue;
        };
        packets::step(tables, &mut packet, target, &mut delivery, DeliveryState::PickedUp);
        packets::put(tables, &packet);
        tables.record(What::PickedUp(step(&packet, target)));
    }
    Ok(Outcome::Done)
}

/// A step of a delivery that says nothing more.
fn step(packet: &PacketRow, target: &UnitCode) -> Step {
    Step {
        packet: packet.packet,
        target: target.clone(),
        digest: None,
        size: None,
        reason: None,
        source: None,
    }
}

/// A packet and the caller's own delivery. A stranger learns nothing; the source learns that it is no
/// target.
fn for_target(
    tables: &Tables,
    caller: &Caller,
    id: PacketId,
) -> Result<(PacketRow, DeliveryRow), Refusal> {
    let packet = tables.get(&PACKETS, &id).ok_or(Refusal::PacketUnknown)?;
    match tables.get(&DELIVERIES, &(id, caller.unit.clone())) {
        Some(delivery) => Ok((packet, delivery)),
        None if packet.source == caller.unit => Err(Refusal::NotATarget),
        None => Err(Refusal::PacketUnknown),
    }
}

fn check_list(count: usize) -> Result<(), Refusal> {
    if (1..=PACKETS_A_COMMAND_MAX).contains(&count) { Ok(()) } else { Err(Refusal::ListMalformed) }
}
