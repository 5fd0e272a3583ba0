//! Sending, Article 13: a space is granted, claimed and sealed, or a small packet submitted whole.
//!
//! No content passes here: only its digest, its size, and who holds it.

use model::{
    AppId, DeliveryState, Digest, IdempotencyKey, NodeId, PacketId, PacketState, SpaceId, UnitCode,
    lengths::in_form,
};

use crate::{
    caller::Caller,
    cluster, feed,
    keys::Newest,
    limits::{IDEMPOTENCY_KEYS_MAX, IDEMPOTENCY_TIME_MS, SPACE_TIME_MS},
    packets::{self, delivery_ms, is_majority},
    refusal::Refusal,
    store::Reader,
    tables::{
        APPS, CLOCK, DELIVERIES, GUESTS, IDEMPOTENCY, IDEMPOTENCY_AGES, IDEMPOTENCY_COUNTS,
        PACKETS, REACHES, SENT, SPACES, Tables, UNITS,
    },
    v1::{
        AbandonSpace, Answer, CancelPacket, ClaimSpace, Counts, EventKind, Granted, Idempotency,
        IdempotencyRecord, Lapse, OpenPacket, Opening, Outcome, PacketRow, Request, SealPacket,
        Sending, SubmitPacket, TARGETS_MAX, What,
    },
};

/// Grants a space for a packet's content, Article 13(2).
pub(crate) fn open(tables: &mut Tables, caller: &Caller, command: &OpenPacket) -> Answer {
    if let Some(first) = first_answer(tables, caller, command.idempotency.as_ref(), false)? {
        return Ok(first);
    }
    cluster::present(&tables.store, command.node)?;
    let ids = (command.packet, command.space);
    let (mut packet, targets) = requested(tables, caller, ids, &command.request)?;
    packet.size = command.size;
    packet.writer = command.node;
    packets::give(tables, &mut packet, SPACE_TIME_MS);
    remember(tables, caller, command.idempotency.as_ref(), &packet, false)?;
    packets::enter(tables, &packet);
    packets::plan(tables, &packet, &targets);
    packets::schedule(tables, &packet);
    register(tables, &packet);
    packets::put(tables, &packet);
    tables.signed(caller);
    let source = packet.source.clone();
    tables.record(What::Requested(Opening { packet: packet.packet, source }));
    Ok(Outcome::SpaceGranted(Granted {
        packet: packet.packet,
        space: packet.space,
        expires_at: packet.due_at,
        repeated: false,
    }))
}

/// Hands the writing of a space to a node; whoever wrote it before is stale from now on.
pub(crate) fn claim(tables: &mut Tables, caller: Option<&Caller>, command: &ClaimSpace) -> Answer {
    let mut packet = of_space(tables, caller, command.space)?;
    cluster::present(&tables.store, command.node)?;
    if packet.sealed_at.is_some() {
        return Err(Refusal::AlreadySealed);
    }
    check_open(tables, &packet)?;
    if packet.size.is_some() && command.size.is_some() && packet.size != command.size {
        return Err(Refusal::SizeMismatch);
    }
    packet.size = packet.size.or(command.size);
    // Whoever wrote before keeps what it wrote until the packet ends, and owes its destruction.
    packet.touch(packet.writer);
    packet.writer = command.node;
    packet.epoch = packet.epoch.checked_add(1).ok_or(Refusal::EpochStale)?;
    packets::put(tables, &packet);
    let PacketRow { packet, epoch, size, .. } = packet;
    Ok(Outcome::SpaceClaimed { packet, epoch, size })
}

/// Seals a packet whose content is whole and durable, and notifies its targets, Article 13(4).
pub(crate) fn seal(tables: &mut Tables, caller: &Caller, command: &SealPacket) -> Answer {
    let mut packet = of_source(tables, caller, command.packet)?;
    if let Some(at) = packet.sealed_at {
        // A repeated seal is the same answer: the source may have lost our reply.
        return if packet.digest == Some(command.digest) {
            Ok(Outcome::Accepted { packet: packet.packet, at, repeated: true })
        } else {
            Err(Refusal::AlreadySealed)
        };
    }
    check_open(tables, &packet)?;
    if command.epoch != packet.epoch {
        return Err(Refusal::EpochStale);
    }
    if packet.size.is_some_and(|announced| announced != command.size) {
        return Err(Refusal::SizeMismatch);
    }
    // A unit may have been removed since the packet was opened: there is nobody to tell.
    let targets = packets::targets(tables, packet.packet);
    let targets: Vec<_> = targets.into_iter().map(|(target, _)| target).collect();
    if targets.iter().any(|target| !tables.has(&UNITS, target)) {
        return Err(Refusal::UnitUnknown);
    }
    let policy = command.policy.as_ref().unwrap_or(&packet.policy).clone();
    let span = delivery_ms(tables.at, policy.deliver_by)?;
    packets::unschedule(tables, &packet);
    packet.policy = policy;
    packets::give(tables, &mut packet, span);
    hold(tables, &mut packet, &command.holders)?;
    packet.sealed_by = Some(caller.app.clone());
    accept(tables, caller, packet, targets, (command.digest, command.size))
}

/// Opens and seals together, for a small content that is durable on a majority already, or as soon as the entry is.
pub(crate) fn submit(tables: &mut Tables, caller: &Caller, command: &SubmitPacket) -> Answer {
    if let Some(first) = first_answer(tables, caller, command.idempotency.as_ref(), true)? {
        return Ok(first);
    }
    if caller.signed_another_content(command.digest) {
        return Err(Refusal::DigestMismatch);
    }
    let ids = (command.packet, command.space);
    let (mut packet, targets) = requested(tables, caller, ids, &command.request)?;
    if command.rides {
        hold_riding(tables, &mut packet);
    } else {
        hold(tables, &mut packet, &command.holders)?;
    }
    packet.sealed_by = Some(caller.app.clone());
    packet.writer = packet.holders[0];
    let span = delivery_ms(tables.at, packet.policy.deliver_by)?;
    packets::give(tables, &mut packet, span);
    remember(tables, caller, command.idempotency.as_ref(), &packet, true)?;
    packets::enter(tables, &packet);
    register(tables, &packet);
    accept(tables, caller, packet, targets, (command.digest, command.size))
}

/// The targets of a request under their main codes, where nothing in one state speaks against it: neither
/// targets nor deadline nor an idempotency key that was used before. None is a doubt.
///
/// Advice for a node that would copy a content first: its state may lag, so that a doubt is no
/// refusal and no doubt is no yes.
pub fn foreseen_targets(
    reader: &dyn Reader,
    app: &AppId,
    request: &Request,
    key: Option<&IdempotencyKey>,
) -> Option<Vec<UnitCode>> {
    if !APPS.has(reader, app) {
        return None;
    }
    let tables = Tables::new(reader, CLOCK.get(reader, &()).unwrap_or_default());
    let targets = targets(&tables, app, &request.targets).ok()?;
    delivery_ms(tables.at, request.policy.deliver_by).ok()?;
    let used = |key: &IdempotencyKey| tables.has(&IDEMPOTENCY, &(app.clone(), key.clone()));
    (!key.is_some_and(used)).then_some(targets)
}

/// Takes a packet back: targets that had not settled are told, the content goes.
pub(crate) fn cancel(tables: &mut Tables, caller: &Caller, command: &CancelPacket) -> Answer {
    let packet = of_source(tables, caller, command.packet)?;
    if packet.state() == PacketState::Cancelled {
        return Ok(Outcome::Done);
    }
    if packet.state().is_terminal() {
        return Err(Refusal::AlreadyEnded);
    }
    tables.signed(caller);
    take_back(tables, packet)
}

/// Gives a space up before its packet is sealed; the packet is cancelled.
pub(crate) fn abandon(
    tables: &mut Tables,
    caller: Option<&Caller>,
    command: &AbandonSpace,
) -> Answer {
    let packet = of_space(tables, caller, command.space)?;
    if packet.sealed_at.is_some() {
        return Err(Refusal::AlreadySealed);
    }
    match packet.state() {
        PacketState::Cancelled => Ok(Outcome::Done),
        PacketState::Expired => Err(Refusal::SpaceExpired),
        _ => {
            if let Some(caller) = caller {
                tables.signed(caller);
            }
            take_back(tables, packet)
        }
    }
}

fn take_back(tables: &mut Tables, mut packet: PacketRow) -> Answer {
    let open = packets::settle_open(tables, &mut packet, DeliveryState::Cancelled, None);
    // Who was never told of a packet is not told that it is gone.
    if packet.sealed_at.is_some() {
        for target in &open {
            feed::tell(tables, target, EventKind::Cancelled, &packet, Some(target));
        }
    }
    packets::advance(tables, &mut packet, Some(DeliveryState::Cancelled));
    packets::put(tables, &packet);
    Ok(Outcome::Done)
}

/// The packet that a request asks for, checked, Article 13(2).
fn requested(
    tables: &Tables,
    caller: &Caller,
    (packet, space): (PacketId, SpaceId),
    request: &Request,
) -> Result<(PacketRow, Vec<UnitCode>), Refusal> {
    let targets = targets(tables, &caller.app, &request.targets)?;
    delivery_ms(tables.at, request.policy.deliver_by)?;
    if tables.has(&PACKETS, &packet) || tables.has(&SPACES, &space) {
        return Err(Refusal::IdExists);
    }
    let row = PacketRow {
        packet,
        space,
        source: caller.unit.clone(),
        app: caller.app.clone(),
        title: request.title.clone(),
        importance: request.importance,
        media_type: request.media_type.clone(),
        policy: request.policy.clone(),
        counts: Counts::of(DeliveryState::Planned, in_form(targets.len())),
        size: None,
        digest: None,
        writer: NodeId(0),
        epoch: 1,
        holders: Vec::new(),
        touched: Vec::new(),
        lost_at: None,
        opened_at: tables.at,
        sealed_at: None,
        sealed_by: None,
        due_at: tables.at,
        ended_at: None,
        sealed_tick: None,
        due_tick: tables.tick,
        ended: None,
    };
    Ok((row, targets))
}

/// The targets under their main codes, each once. An office may send to itself: it may have
/// several applications.
fn targets(tables: &Tables, app: &AppId, asked: &[UnitCode]) -> Result<Vec<UnitCode>, Refusal> {
    if !(1..=TARGETS_MAX).contains(&asked.len()) {
        return Err(Refusal::TargetsMalformed);
    }
    let reach = tables.get(&REACHES, app).expect("a key's application is registered");
    let mut targets = Vec::with_capacity(asked.len());
    for code in asked {
        let target = tables.resolve(code).ok_or(Refusal::UnitUnknown)?;
        if !reach.includes(&target) {
            return Err(Refusal::TargetNotGranted);
        }
        targets.push(target);
    }
    let mut sorted: Vec<_> = targets.iter().collect();
    sorted.sort();
    if sorted.windows(2).any(|pair| pair[0] == pair[1]) {
        return Err(Refusal::TargetsMalformed);
    }
    Ok(targets)
}

/// Makes the packet findable by its space and in its source's list.
fn register(tables: &mut Tables, packet: &PacketRow) {
    tables.put(&SPACES, &packet.space, &packet.packet);
    tables.put(&SENT, &(packet.source.clone(), Newest(packet.packet)), &());
}

/// What follows from a seal.
fn accept(
    tables: &mut Tables,
    caller: &Caller,
    mut packet: PacketRow,
    targets: Vec<UnitCode>,
    (digest, size): (Digest, u64),
) -> Answer {
    packets::notify(tables, &mut packet, digest, size, &targets);
    packets::schedule(tables, &packet);
    packets::put(tables, &packet);
    tables.signed(caller);
    let due = Lapse::between(tables.at, packet.due_at);
    let PacketRow { packet, source, title, importance, media_type, .. } = packet;
    let sending =
        Sending { packet, source, targets, title, importance, media_type, size, digest, due };
    tables.record(What::Accepted(sending));
    Ok(Outcome::Accepted { packet, at: tables.at, repeated: false })
}

/// A packet of the caller's own unit that the caller's application may act on; of others' packets a
/// caller learns nothing.
fn of_source(tables: &Tables, caller: &Caller, id: PacketId) -> Result<PacketRow, Refusal> {
    let packet = tables.get(&PACKETS, &id).ok_or(Refusal::PacketUnknown)?;
    if packet.source != caller.unit {
        return Err(Refusal::PacketUnknown);
    }
    check_targets(tables, caller, &packet)?;
    Ok(packet)
}

/// An application that may send to some units only does nothing to what another of its unit has begun
/// for others: neither its content nor its policy would have been its to give.
fn check_targets(tables: &Tables, caller: &Caller, packet: &PacketRow) -> Result<(), Refusal> {
    if may_act(&tables.store, &caller.app, packet) {
        Ok(())
    } else {
        Err(Refusal::TargetNotGranted)
    }
}

/// Whether an application of the source's unit may act on a packet: it has begun it, or may send to
/// all of its targets.
pub(crate) fn may_act<R: Reader + ?Sized>(reader: &R, app: &AppId, packet: &PacketRow) -> bool {
    if packet.app == *app {
        return true;
    }
    let Some(reach) = REACHES.get(reader, app) else { return false };
    let targets = || DELIVERIES.keys(reader, &DELIVERIES.under(&packet.packet), TARGETS_MAX);
    reach.is_everywhere() || targets().iter().all(|(_, target)| reach.includes(target))
}

/// The packet of a space. A node asks for the bearer of the space's token, whom it has checked; a
/// signer must be of the source's unit, and may act on the packet.
fn of_space(
    tables: &Tables,
    caller: Option<&Caller>,
    space: SpaceId,
) -> Result<PacketRow, Refusal> {
    let id = tables.get(&SPACES, &space).ok_or(Refusal::SpaceUnknown)?;
    let packet = tables.get(&PACKETS, &id).expect("every space belongs to a packet");
    if let Some(caller) = caller {
        if packet.source != caller.unit {
            return Err(Refusal::SpaceUnknown);
        }
        check_targets(tables, caller, &packet)?;
    }
    Ok(packet)
}

/// Whether an unsealed packet may still get its content. Its time may be over before anybody has
/// proposed to pass it.
fn check_open(tables: &Tables, packet: &PacketRow) -> Result<(), Refusal> {
    match packet.state() {
        PacketState::Expired => Err(Refusal::SpaceExpired),
        state if state.is_terminal() => Err(Refusal::AlreadyEnded),
        _ if tables.tick >= packet.due_tick => Err(Refusal::SpaceExpired),
        _ => Ok(()),
    }
}

/// Takes the named holders that are members, if those make the content durable.
///
/// The members may have changed since the content was copied: whoever is none any more, or not yet,
/// does not count and does not spoil the count of the others.
fn hold(tables: &Tables, packet: &mut PacketRow, named: &[NodeId]) -> Result<(), Refusal> {
    let members = tables.members();
    let (mut holders, others): (Vec<_>, Vec<_>) =
        named.iter().copied().partition(|node| members.contains(node));
    holders.sort();
    holders.dedup();
    if !is_majority(&holders, &members) {
        return Err(Refusal::HoldersTooFew);
    }
    packet.holders = holders;
    for node in others.into_iter().filter(|node| cluster::present(&tables.store, *node).is_ok()) {
        packet.touch(node);
    }
    Ok(())
}

/// Takes all members for holders: each has the content as soon as it has the entry, and a majority has both by now.
/// One that comes by a snapshot sees that it should hold the content, and fetches it at once. Those that learn or
/// leave have it too, and owe its destruction.
fn hold_riding(tables: &Tables, packet: &mut PacketRow) {
    packet.holders = tables.members();
    packet.holders.sort();
    for guest in tables.get(&GUESTS, &()).unwrap_or_default() {
        packet.touch(guest);
    }
}

/// The answer that was given when this idempotency key was first used, if it was.
fn first_answer(
    tables: &Tables,
    caller: &Caller,
    idempotency: Option<&Idempotency>,
    submitted: bool,
) -> Result<Option<Outcome>, Refusal> {
    let Some(asked) = idempotency else { return Ok(None) };
    let Some(first) = tables.get(&IDEMPOTENCY, &(caller.app.clone(), asked.key.clone())) else {
        return Ok(None);
    };
    if is_forgotten(tables, &first) {
        return Ok(None);
    }
    if first.fingerprint != asked.fingerprint || first.submitted != submitted {
        return Err(Refusal::IdempotencyConflict);
    }
    let (packet, space) = (first.packet, first.space);
    Ok(Some(if submitted {
        Outcome::Accepted { packet, at: first.at, repeated: true }
    } else {
        let expires_at = model::Moment(first.at.0.saturating_add(SPACE_TIME_MS));
        Outcome::SpaceGranted(Granted { packet, space, expires_at, repeated: true })
    }))
}

// By the tick and not by the pruning, which lags behind it.
fn is_forgotten(tables: &Tables, first: &IdempotencyRecord) -> bool {
    tables.tick >= first.tick.plus_ms(IDEMPOTENCY_TIME_MS)
}

/// Remembers the use of an idempotency key.
fn remember(
    tables: &mut Tables,
    caller: &Caller,
    idempotency: Option<&Idempotency>,
    packet: &PacketRow,
    submitted: bool,
) -> Result<(), Refusal> {
    let Some(asked) = idempotency else { return Ok(()) };
    let (app, key) = (caller.app.clone(), asked.key.clone());
    let name = (app.clone(), key.clone());
    // A row that is forgotten but not yet pruned gives its place to the new one.
    if let Some(old) = tables.get(&IDEMPOTENCY, &name) {
        tables.delete(&IDEMPOTENCY_AGES, &(old.tick, app.clone(), key.clone()));
    } else {
        let count = tables.get(&IDEMPOTENCY_COUNTS, &app).unwrap_or_default();
        if count >= IDEMPOTENCY_KEYS_MAX {
            return Err(Refusal::IdempotencyFull);
        }
        tables.put(&IDEMPOTENCY_COUNTS, &app, &(count + 1));
    }
    let record = IdempotencyRecord {
        fingerprint: asked.fingerprint,
        packet: packet.packet,
        space: packet.space,
        at: tables.at,
        submitted,
        tick: tables.tick,
    };
    tables.put(&IDEMPOTENCY, &name, &record);
    tables.put(&IDEMPOTENCY_AGES, &(tables.tick, app, key), &());
    Ok(())
}
