//! Any commands, all invariants.
//!
//! Identifiers come from small spaces, so that commands meet: the same packets, nonces that were
//! used, keys that were revoked, nodes that have gone.

use std::collections::BTreeSet;

use machine::*;
use model::*;
use proptest::{collection::vec, prelude::*, strategy::ValueTree};

use crate::office::*;

/// A command before it has its moment: which one, by whom, and small numbers for the rest.
type Ask = (u8, u8, u8, u8, u8, u8);

const APPS: [&str; 6] = ["noi-vu", "tu-phap", "nong", "quan-tri", "moi", "ai-do"];
const UNITS: [&str; 6] = ["H41.02", "H41.03", "H41.05", "000.00.05.H41", "G22", "H41.99"];

fn asks() -> impl Strategy<Value = Vec<(u8, Vec<Ask>)>> {
    let small = 0..6u8;
    // Most commands are of the exchange: they have the longest life.
    let verb = prop_oneof![4 => 0..12u8, 1 => 12..23u8];
    let ask = (verb, small.clone(), small.clone(), small.clone(), small, any::<u8>());
    // Clocks jump now and then.
    let step = prop_oneof![15 => 0..14u8, 1 => 14..18u8];
    vec((step, vec(ask, 1..6)), 1..40)
}

/// Between two entries: for so long the cluster has run, and so far its clocks have jumped.
fn step_ms(step: u8) -> (i64, i64) {
    const DAY: i64 = 86_400_000;
    let jump = match step {
        13 => -30_000,
        14 => 100 * DAY,
        15 => -100 * DAY,
        16 => 600_000,
        17 => -600_000,
        _ => 0,
    };
    let steps = [
        0,
        0,
        0,
        1,
        1,
        1000,
        10_000,
        60_000,
        299_000,
        1_200_000,
        7_200_000,
        90_000_000,
        700_000_000,
    ];
    (steps.get(usize::from(step)).copied().unwrap_or_default(), jump)
}

fn command((verb, _, a, b, c, flags): Ask, at: Moment) -> Command {
    let packet = PacketId((a % 4).into());
    let space = SpaceId((a % 4).into());
    let node = NodeId(u64::from(b) + 1);
    let flag = |bit: u8| flags & (1 << bit) != 0;
    let digest = if flags.is_multiple_of(17) { digest_of("d2") } else { digest_of("d1") };
    let mut targets = vec![UNITS[usize::from(b)]];
    if flag(2) {
        targets.push(UNITS[usize::from(c)]);
    }
    let deliver_by = flag(3).then(|| Moment(at.0 + 3_600_000 * u64::from(c)));
    let key = if flag(5) { "k1" } else { "k2" };
    let idempotency =
        flag(4).then(|| Idempotency { key: word(key), fingerprint: digest_of(targets[0]) });
    let holders: Vec<_> =
        (1..=3 + u64::from(c % 2)).map(NodeId).skip(usize::from(flag(6))).collect();
    match verb {
        0 | 1 => Command::SubmitPacket(SubmitPacket {
            packet,
            space,
            request: request(&targets, deliver_by),
            digest,
            size: 10,
            holders,
            idempotency,
        }),
        2 => Command::OpenPacket(OpenPacket {
            packet,
            space,
            request: request(&targets, deliver_by),
            size: flag(7).then_some(10),
            node,
            idempotency,
        }),
        3 => Command::ClaimSpace(ClaimSpace {
            space,
            node,
            size: flag(7).then_some(u64::from(c) + 8),
        }),
        4 => Command::SealPacket(SealPacket {
            packet,
            digest,
            size: 10,
            epoch: u32::from(c / 2) + 1,
            holders,
            policy: flag(7).then_some(ExchangePolicy { deliver_by }),
        }),
        5 | 6 => Command::GrantPickup(GrantPickup { packet }),
        7 | 8 => {
            let mut receipts = vec![Receipt { packet, digest }];
            if flag(7) {
                receipts.push(Receipt { packet: PacketId(c.into()), digest });
            }
            Command::ConfirmReceipts(ConfirmReceipts { receipts })
        }
        9 => Command::RecordPickup(RecordPickup {
            pickups: vec![(packet, word(UNITS[usize::from(b)]))],
        }),
        10 => Command::RecordPurge(RecordPurge { below: c.into() }),
        11 => Command::PassTime(PassTime { due_max: c.into() }),
        12 => Command::RejectDelivery(RejectDelivery { packet, reason: word("trùng") }),
        13 => Command::CancelPacket(CancelPacket { packet }),
        14 => Command::AbandonSpace(AbandonSpace { space }),
        15 if flag(3) => Command::RecordLost(RecordLost { packets: vec![packet] }),
        15 => Command::RecordHolding(RecordHolding { packets: vec![packet] }),
        _ => administration(verb, (a, b, c), at),
    }
}

fn administration(verb: u8, (a, b, c): (u8, u8, u8), at: Moment) -> Command {
    let secret_digest = digest_of(["t1", "t2", "t3", "t4", "t5", "t6"][usize::from(a)]);
    let node = NodeId(u64::from(b) + 1);
    match verb {
        16 => Command::IssueJoinToken(IssueJoinToken {
            secret_digest,
            expires_at: Moment(at.0 + 1_000_000 * u64::from(c)),
        }),
        17 => {
            let key = digest_of(["k1", "k2", "k3"][usize::from(c % 3)]);
            Command::AdmitNode(AdmitNode { secret_digest, node: new_node("moi"), key })
        }
        18 if a == 0 => Command::AdoptRules(AdoptRules { rules: Rules(c.into()) }),
        18 => Command::UpdateNode(UpdateNode { now: new_node("khac") }),
        19 if a == 0 => Command::LeaveNode(LeaveNode { node, gives_up: c == 0 }),
        19 if a < 3 => Command::ReleaseHoldings(ReleaseHoldings { node, packets_max: c.into() }),
        19 if a == 3 => Command::RemoveNode(RemoveNode { node }),
        19 => leasing((b, c)),
        20 if a == 1 => {
            let name = ["Tên mới", "Tên khác"][usize::from(b % 2)];
            rename_unit(UNITS[usize::from(c % 3)], name)
        }
        20 if a == 2 && b > 1 => {
            Command::RemoveUnit(RemoveUnit { code: word(UNITS[usize::from(c % 3)]) })
        }
        20 if a == 2 => Command::RemoveUnit(RemoveUnit { code: word(&format!("H41.{}", 97 + c)) }),
        20 => {
            let code = format!("H41.{}", 97 + c);
            let kind = if a == 0 { UnitKind::Remote } else { UnitKind::Other };
            let alias = format!("000.0{b}");
            let units = vec![new_unit(&code, "Đơn vị mới", kind, Some("H41"), &[&alias])];
            Command::AddUnits(AddUnits { units })
        }
        21 if a < 3 => Command::AddApp(new_app(
            "moi",
            UNITS[usize::from(b)],
            &[Grant::Send, Grant::Receive],
            &[UNITS[usize::from(c)]],
        )),
        21 => Command::IssueKey(new_key("moi", "moi")),
        _ if c.is_multiple_of(2) => {
            // Most packets are not lost, and are ignored.
            Command::CloseLost(CloseLost { packets: (0..6).map(PacketId).collect() })
        }
        // The administrator keeps the key, or nothing more would happen.
        _ if b == 3 => turning((a, c)),
        _ => {
            let later = (a < 3).then(|| Moment(at.0 + 3_600_000 * u64::from(c)));
            Command::RevokeKey(RevokeKey { key: key_of(APPS[usize::from(b)]), at: later })
        }
    }
}

/// A second founding, or a step of a rotation of the cluster key, in any order.
fn turning((a, c): (u8, u8)) -> Command {
    let version = u32::from(c % 3) + 2;
    let check = digest_of("key");
    let material = b"anew".to_vec().into();
    let step = match a {
        0 if c == 0 => return Command::Found(founding()),
        0 if c < 4 => return turning_authority(c),
        0 => return Command::RotateClusterKey(RotateClusterKey { ends_tokens: c % 2 == 0 }),
        1 => TurnClusterKey::Stage { version, check },
        2 => TurnClusterKey::Hold { version },
        3 => TurnClusterKey::Activate { version },
        4 => TurnClusterKey::Reseal {
            version,
            secrets: vec![Resealed { key: key_of(APPS[usize::from(c % 3)]), material }],
            authority: (c % 2 == 0).then(|| b"anew".to_vec().into()),
        },
        _ => TurnClusterKey::End { version },
    };
    Command::TurnClusterKey(step)
}

/// Leases and letters, in any order.
fn leasing((b, c): (u8, u8)) -> Command {
    let name: LeaseName = word(["carrier.a", "carrier.b"][usize::from(b % 2)]);
    match c {
        0 => Command::Pulse,
        1 | 2 => Command::TakeLease(TakeLease { name }),
        3 => Command::ReturnLease(ReturnLease { name, fence: u64::from(b) + 1 }),
        4 => {
            let (packet, target) = (PacketId((b % 4).into()), word(UNITS[usize::from(b)]));
            Command::PostLetter(PostLetter { carrier: name, packet, target })
        }
        _ => {
            let report = match b {
                0 | 1 => Report::Taken(word("nhận")),
                2 => Report::Refused(word("từ chối")),
                _ => Report::Again { said: word("im lặng"), after_ms: 1000 },
            };
            Command::ReportLetter(ReportLetter { letter: LetterId(u64::from(b % 3) + 1), report })
        }
    }
}

/// A step of a rotation of the authority.
fn turning_authority(c: u8) -> Command {
    let octets = || b"made".to_vec().into();
    match c {
        1 => Command::OrderAuthority(OrderAuthority::Rotate { overlap_ms: 3_600_000 }),
        2 => Command::TurnAuthority(TurnAuthority::End),
        _ => Command::TurnAuthority(TurnAuthority::Replace {
            number: 2,
            certificate: octets(),
            by_former: octets(),
            key_sealed: octets(),
            sealed_under: 1,
        }),
    }
}

/// Who signs: most often one who may.
fn signer((verb, who, _, _, _, flags): Ask) -> Option<&'static str> {
    match (who, verb) {
        (0, _) if flags.is_multiple_of(8) => None,
        (_, 16..) if !flags.is_multiple_of(8) => Some("quan-tri"),
        // The source and the targets meet if most of them are the same few.
        (..4, 0..=4 | 13) => Some(APPS[usize::from(who % 2)]),
        (..5, 5..=8 | 12) => Some(APPS[usize::from(who % 3)]),
        _ => Some(APPS[usize::from(who)]),
    }
}

/// What an application signs; the rest is proposed by nodes.
fn is_signed(command: &Command) -> bool {
    matches!(
        command,
        Command::IssueJoinToken(_)
            | Command::LeaveNode(_)
            | Command::AddUnits(_)
            | Command::RenameUnit(_)
            | Command::RemoveUnit(_)
            | Command::AddApp(_)
            | Command::IssueKey(_)
            | Command::RevokeKey(_)
            | Command::RotateClusterKey(_)
            | Command::OrderAuthority(_)
            | Command::OpenPacket(_)
            | Command::SealPacket(_)
            | Command::SubmitPacket(_)
            | Command::CancelPacket(_)
            | Command::GrantPickup(_)
            | Command::ConfirmReceipts(_)
            | Command::RejectDelivery(_)
            | Command::CloseLost(_)
    )
}

fn entries(asks: Vec<(u8, Vec<Ask>)>, begin: Moment) -> Vec<Entry> {
    let (mut at, mut tick, mut number) = (begin, Tick(begin.0), 0u128);
    let mut entries: Vec<Entry> = Vec::new();
    for (step, asks) in asks {
        let (ran, jump) = step_ms(step);
        at = Moment(at.0.saturating_add_signed(ran + jump));
        tick = tick.plus_ms(ran as u64);
        let mut proposals = Vec::new();
        for ask in asks {
            number += 1;
            let flags = ask.5;
            // Some nonces come from a small space, some moments are out of the window.
            let nonce = if flags.is_multiple_of(5) { u128::from(ask.2) } else { number + 100 };
            let created = match flags % 32 {
                1 => Moment(at.0 - 301_000),
                2 => Moment(at.0 + 61_000),
                3 => Moment(at.0 - 299_000),
                _ => Moment(at.0 / 1_000_000 * 1_000_000).max(Moment(at.0 - 200_000)),
            };
            let nonce = format!("property-nonce-{nonce:04}");
            let command = command(ask, at);
            let node = NodeId(u64::from(ask.3) + 1);
            let by = match (&command, signer(ask)) {
                (Command::ReportLetter(_), _) => Proposer::Carrier {
                    node,
                    lease: word(["carrier.a", "carrier.b"][usize::from(ask.2 % 2)]),
                    fence: u64::from(ask.3 % 3) + 1,
                },
                (command, Some(by)) if is_signed(command) || flags.is_multiple_of(11) => {
                    Proposer::Signed(proof(key_of(by), created, &nonce))
                }
                _ => Proposer::Node(node),
            };
            // Some commands come again, with whatever they ask now.
            let id = if flags % 23 == 7 { number / 2 } else { number };
            proposals.push(Proposal { id: CommandId(id + 5000), by, command });
        }
        entries.push(Entry { at, proposals, tick });
    }
    entries
}

/// Who votes after an entry, where its last command's number says that this changes. The first
/// three are always asked for, or hardly a content could be held.
fn seat_after(store: &mut impl Store, entry: &Entry) {
    let number = entry.proposals.last().map_or(1, |proposal| proposal.id.0);
    if number.is_multiple_of(4) {
        let votes = |node: &u64| *node <= 3 || (number >> *node) & 1 == 1;
        let voters: Vec<_> = (1..=9).filter(votes).map(NodeId).collect();
        seat_voters(store, &voters);
    }
}

/// The rows of all tables but these.
fn without(state: &State, tables: &[u8]) -> State {
    let rows = state.iter().filter(|(key, _)| !tables.contains(&key[0]));
    rows.map(|(key, value)| (key.clone(), value.clone())).collect()
}

const CLOCK: u8 = 2;
const NONCES: u8 = 20;
const ANSWERS: u8 = 21;
const TRUST: u8 = 29;

/// Checks one proposal: refusals, repeats, nonces, and the whole state after it.
fn check(
    state: &mut State,
    entry: &Entry,
    passed: &mut BTreeSet<(Moment, String, String)>,
) -> Applied {
    let before = state.clone();
    let proposal = &entry.proposals[0];
    let applied = apply(state, entry);
    let answer = &applied.answers[0];
    let refused = answer.as_ref().err();
    if let Some(refusal) = refused {
        assert_eq!(applied.effects, [], "a refusal has effects");
        let mut may_change = vec![CLOCK, TRUST, ANSWERS, NONCES];
        let bad_proof = [
            Refusal::ProofMissing,
            Refusal::KeyRevoked,
            Refusal::ClockOutOfWindow,
            Refusal::NonceReused,
        ];
        if bad_proof.contains(refusal) {
            may_change.pop();
        }
        assert_eq!(without(&before, &may_change), without(state, &may_change), "{refusal}");
    }
    // A nonce that was spent now was never spent before.
    let spent = |state: &State| state.range(vec![NONCES]..vec![NONCES + 1]).count();
    if spent(state) > spent(&before) {
        let Proposer::Signed(proof) = &proposal.by else { panic!("only a proof has a nonce") };
        let nonce = (proof.created, proof.key.to_string(), proof.nonce.to_string());
        assert!(passed.insert(nonce), "a nonce passed twice");
    }
    assert_eq!(audit(state), Vec::<String>::new(), "after {proposal:?}: {answer:?}");
    ends_are_ends(&before, state);
    nothing_expires_early(state, entry.tick);
    time_is_due_when_it_says(state);
    assert!(applied.rows <= ROWS_A_COMMAND_MAX, "{} rows", applied.rows);
    if !matches!(proposal.command, Command::PassTime(_) | Command::Pulse) {
        let after = state.clone();
        let again = apply(state, entry);
        assert_eq!((&again.answers[0], &again.effects[..]), (answer, &[][..]), "a repeat");
        assert_eq!(*state, after, "a repeat changed something");
    }
    applied
}

/// What has ended does not move any more, except that its purge is recorded.
fn ends_are_ends(before: &State, after: &State) {
    for number in 0..6 {
        let Some(old) = View::new(before).packet(PacketId(number)) else { continue };
        let new = View::new(after).packet(PacketId(number)).expect("a packet is record for ever");
        if old.state.is_terminal() {
            let frozen = |packet: &PacketRecord| {
                let mut packet = packet.clone();
                (packet.purged, packet.debtors, packet.undestroyed) = (vec![], vec![], vec![]);
                packet
            };
            assert_eq!(frozen(&old), frozen(&new));
            assert!(old.purged.iter().all(|purged| new.purged.contains(purged)));
            assert!(new.purged.is_sorted_by_key(|(node, at)| (*at, *node)));
        }
        for (old, new) in old.deliveries.iter().zip(&new.deliveries) {
            assert!(!old.state.is_final() || old == new, "a settled delivery moved");
        }
        assert!(old.sealed_at.is_none() || old.digest == new.digest, "a sealed content changed");
        assert!(old.epoch <= new.epoch);
    }
}

/// Whatever the clocks did, a delivery that expired had its time, counted.
fn nothing_expires_early(state: &State, tick: Tick) {
    for packet in (0..6).filter_map(|number| View::new(state).packet(PacketId(number))) {
        let expired = |delivery: &DeliveryRecord| delivery.state == DeliveryState::Expired;
        if packet.deliveries.iter().any(expired) {
            assert!(packet.due_tick <= tick, "{} expired early", packet.packet);
        }
    }
}

/// Before the moment that is named nothing is due, and after passing time nothing is.
fn time_is_due_when_it_says(state: &State) {
    let view = View::new(state);
    if view.cluster().is_none() {
        return;
    }
    let (now, mut passed) = (view.clock(), state.clone());
    let (at, tick) = (now.date, now.tick);
    let id = CommandId(u128::MAX);
    let command = Command::PassTime(PassTime { due_max: 100 });
    let entry = Entry {
        at,
        proposals: vec![Proposal { id, by: Proposer::Node(NodeId(1)), command }],
        tick,
    };
    let due = view.next_due();
    let applied = apply(&mut passed, &entry);
    assert!(matches!(applied.answers[0], Ok(Outcome::TimePassed { more: false, .. })));
    if due.is_none_or(|due| due > tick) {
        let Ok(Outcome::TimePassed { settled, .. }) = applied.answers[0] else { unreachable!() };
        assert_eq!(settled, 0, "something was due that nobody announced");
    }
    assert!(View::new(&passed).next_due().is_none_or(|due| due > tick), "still due");
    let view = View::new(&passed);
    let due = |packet| view.packet_row(packet).is_some_and(|row| row.due_tick <= tick);
    let late = view.live(None, 100).into_iter().any(due);
    assert!(!late, "a deadline passed unnoticed");
}

/// Applies entries in batches of some size, each over an overlay that is drained when it is full.
fn in_batches(mut state: State, entries: &[Entry], size: usize) -> (State, Vec<Applied>) {
    let mut all = Vec::new();
    for batch in entries.chunks(size) {
        let mut overlay = Overlay::new(&state);
        for entry in batch {
            all.push(apply(&mut overlay, entry));
            seat_after(&mut overlay, entry);
        }
        let writes: Vec<_> = overlay.into_writes().collect();
        for (key, value) in writes {
            match value {
                Some(value) => Store::put(&mut state, key, value),
                None => Store::delete(&mut state, key),
            }
        }
    }
    (state, all)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn every_invariant_holds_after_any_commands(asks in asks(), founded in prop::bool::weighted(0.9)) {
        let office = if founded { Office::founded() } else { Office::empty() };
        let mut state = office.state;
        let mut passed = BTreeSet::new();
        for entry in entries(asks, office.at) {
            for proposal in entry.proposals {
                let entry = Entry { proposals: vec![proposal], ..entry };
                check(&mut state, &entry, &mut passed);
                seat_after(&mut state, &entry);
                assert_eq!(audit(&state), Vec::<String>::new(), "after others vote");
            }
        }
    }

    #[test]
    fn every_grouping_gives_the_same_octets(asks in asks(), size in 1..9usize) {
        let office = Office::founded();
        let entries = entries(asks, office.at);
        // Over a plain map, one proposal an entry.
        let mut plain = office.state.clone();
        let mut singly = Vec::new();
        for entry in &entries {
            let Entry { at, proposals, tick } = entry;
            let mut whole = Applied::default();
            for proposal in proposals {
                let entry = Entry { at: *at, proposals: vec![proposal.clone()], tick: *tick };
                let applied = apply(&mut plain, &entry);
                whole.answers.extend(applied.answers);
                whole.effects.extend(applied.effects);
                whole.rows += applied.rows;
            }
            seat_after(&mut plain, entry);
            singly.push(whole);
        }
        let (batched, together) = in_batches(office.state, &entries, size);
        prop_assert_eq!(singly, together);
        prop_assert!(batched == plain);
    }

    #[test]
    fn entries_read_back_as_they_were_written(asks in asks()) {
        for entry in entries(asks, BEGIN) {
            let octets = minicbor::to_vec(&entry).expect("a vector takes every octet");
            prop_assert_eq!(minicbor::decode::<Entry>(&octets).expect("just encoded"), entry);
        }
    }

    #[test]
    fn octets_that_are_no_entry_are_refused_quietly(octets in vec(any::<u8>(), 0..200)) {
        let _ = minicbor::decode::<Entry>(&octets);
    }
}

/// The generator is worth something only if what it makes comes far.
#[test]
fn the_generator_reaches_the_ends() {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let (mut states, mut refusals) = (BTreeSet::new(), BTreeSet::new());
    for _ in 0..800 {
        let asks = asks().new_tree(&mut runner).expect("a tree").current();
        let mut office = Office::founded();
        for entry in entries(asks, office.at) {
            let applied = apply(&mut office.state, &entry);
            refusals.extend(applied.answers.into_iter().filter_map(Result::err));
            let packets = (0..6).filter_map(|id| office.view().packet(PacketId(id)));
            states.extend(packets.map(|packet| packet.state));
        }
    }
    let reached = [
        PacketState::AwaitingContent,
        PacketState::Notified,
        PacketState::Accepted,
        PacketState::PickedUp,
        PacketState::Confirmed,
        PacketState::Completed,
        PacketState::Rejected,
        PacketState::Expired,
        PacketState::Cancelled,
        PacketState::Failed,
    ];
    assert_eq!(states, BTreeSet::from(reached));
    assert!(refusals.len() >= 25, "only {refusals:?}");
}
