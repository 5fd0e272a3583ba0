//! Commands for properties: drawn from small spaces, so that they meet.

use machine::*;
use model::*;
use proptest::{collection::vec, prelude::*};

use crate::office::*;

/// A command before it has its moment: which one, by whom, and small numbers for the rest.
pub type Ask = (u8, u8, u8, u8, u8, u8);

const APPS: [&str; 6] = ["noi-vu", "tu-phap", "nong", "quan-tri", "moi", "ai-do"];
const UNITS: [&str; 6] = ["H41.02", "H41.03", "H41.05", "000.00.05.H41", "G22", "H41.99"];

pub fn asks() -> impl Strategy<Value = Vec<(u8, Vec<Ask>)>> {
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
            rides: flags.is_multiple_of(7),
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
        11 => Command::PassTime(PassTime { due_max: c.into(), ended_kept_ms: ENDED_KEPT_MS }),
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
        19 if a < 3 => Command::ReleaseHoldings(ReleaseHoldings {
            node,
            packets_max: c.into(),
            through: (a == 2).then_some(PacketId(b.into())),
        }),
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

pub fn entries(asks: Vec<(u8, Vec<Ask>)>, begin: Moment) -> Vec<Entry> {
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
