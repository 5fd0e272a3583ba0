//! Facts of every kind, octet by octet, with all that each can say: the history is for ever, whatever becomes of the
//! state's rows.

use machine::*;
use model::*;

use crate::{
    office::*,
    vectors::{compare, vector},
};

fn ms(from_begin: i64) -> Lapse {
    Lapse::between(BEGIN, Moment(BEGIN.0.wrapping_add_signed(from_begin)))
}

fn destroyed() -> Destroyed {
    let settled = |target: &str, state| Settled {
        target: word(target),
        state,
        accepted: None,
        picked_up: None,
        settled: Some(ms(90_000)),
        reason: None,
        mismatched: None,
    };
    Destroyed {
        packet: PacketId(7),
        space: SpaceId(8),
        source: word("H41.02"),
        app: word("noi-vu"),
        sealed_by: Some(word("noi-vu-2")),
        title: word("Đề án số 7"),
        importance: Importance::Urgent,
        media_type: word("application/pdf"),
        size: Some(10),
        digest: Some(digest_of("d1")),
        opened_at: BEGIN,
        sealed: Some(ms(60_000)),
        due: ms(86_400_000),
        deliver_by: Some(ms(86_400_000)),
        ended: Some(ms(90_000)),
        lost: Some(ms(80_000)),
        deliveries: vec![
            Settled {
                accepted: Some(ms(70_000)),
                picked_up: Some(ms(75_000)),
                mismatched: Some(ms(77_000)),
                ..settled("H41.03", DeliveryState::Confirmed)
            },
            Settled { reason: Some(word("trùng")), ..settled("G22", DeliveryState::Rejected) },
        ],
        // The date was set back in between.
        purged: vec![(NodeId(1), ms(100_000)), (NodeId(2), ms(-5))],
        undestroyed: vec![NodeId(3)],
    }
}

fn kinds() -> Vec<What> {
    let packet = PacketId(7);
    let step = Step {
        packet,
        target: word("H41.03"),
        digest: None,
        size: None,
        reason: None,
        source: None,
    };
    let (source, digest, size) = (word("H41.02"), digest_of("d1"), 10);
    let named = Step { digest: Some(digest), ..step.clone() };
    let shown = Step { source: Some(word("H41.02")), ..step.clone() };
    vec![
        What::Signed(Signed {
            key: key_of("noi-vu"),
            app: word("noi-vu"),
            unit: word("H41.02"),
            algorithm: KeyAlgorithm::Ed25519,
            public_key: vec![1; 44],
            base: b"base".to_vec(),
            signature: vec![2; 64],
            statement: b"{}".to_vec(),
        }),
        What::Requested(Opening { packet, source }),
        What::Accepted(Sending {
            packet,
            source: word("H41.02"),
            targets: vec![word("H41.03"), word("G22")],
            title: word("Đề án số 7"),
            importance: Importance::Urgent,
            media_type: word("application/pdf"),
            size,
            digest,
            due: ms(86_400_000),
        }),
        What::Ready(step.clone()),
        What::PickedUp(step.clone()),
        What::Confirmed(Step { digest: Some(digest), size: Some(size), ..shown.clone() }),
        What::Rejected(Step { reason: Some(word("trùng")), ..shown }),
        What::Mismatched(named),
        What::ContentLost(packet),
        What::ContentFound(packet),
        What::Ended(Ended {
            packet,
            state: PacketState::Expired,
            open: Some(DeliveryState::Expired),
        }),
        What::Destroyed(Box::new(destroyed())),
        What::Access(AccessChange {
            kind: AccessKind::KeyRevoked,
            unit: word("H41.02"),
            app: word("noi-vu"),
            key: Some(key_of("noi-vu")),
            ends_at: Some(BEGIN),
        }),
        What::Node(NodeChange { node: NodeId(3), kind: NodeKind::Leaving }),
    ]
}

#[test]
fn facts_of_every_kind_have_their_octets() {
    let lines = (0..).zip(kinds()).map(|(number, what)| {
        let fact = Fact { at: BEGIN, what, evidence: Some(6), salt: [9; SALT_OCTETS] };
        let octets = minicbor::to_vec(&fact).expect("a vector takes every octet");
        // After the date: key 1, and the kind as an array of its number and what it holds.
        assert_eq!(octets[12..14], [0x82, number], "each kind once, in the order of their numbers");
        let name = format!("{:?}", fact.what);
        vector(name.split('(').next().unwrap_or_default(), &fact)
    });
    compare("facts-of-kinds.txt", &lines.collect::<Vec<_>>());
}

#[test]
fn a_packet_is_read_from_its_fact_as_it_was() {
    let at = |ms: u64| Some(Moment(BEGIN.0 + ms));
    let read = PacketRecord::of_history(destroyed());
    assert_eq!(
        (read.state, read.debtors.len(), read.holders.len()),
        (PacketState::Completed, 0, 0)
    );
    assert_eq!(
        (Some(read.opened_at), read.sealed_at, read.ended_at),
        (at(0), at(60_000), at(90_000))
    );
    assert_eq!((Some(read.due_at), read.policy.deliver_by), (at(86_400_000), at(86_400_000)));
    assert_eq!((read.lost_at, read.sealed_by), (at(80_000), Some(word("noi-vu-2"))));
    assert_eq!(read.purged[1], (NodeId(2), Moment(BEGIN.0 - 5)));
    let first = &read.deliveries[0];
    assert_eq!((first.notified_at, first.accepted_at), (at(60_000), at(70_000)));
    assert_eq!((first.picked_up_at, first.mismatched_at), (at(75_000), at(77_000)));
    // Who asked for it sealed it, unless another one did; nobody did where it was never accepted.
    let own = PacketRecord::of_history(Destroyed { sealed_by: None, ..destroyed() });
    assert_eq!(own.sealed_by, Some(word("noi-vu")));
    let never =
        PacketRecord::of_history(Destroyed { sealed_by: None, sealed: None, ..destroyed() });
    assert_eq!((never.sealed_by, never.deliveries[0].notified_at), (None, None));
}
