//! Every list and store has its end, and what comes after it is refused.

use machine::*;
use model::*;

use crate::office::*;

fn refused(office: &mut Office, by: Option<&str>, command: Command) -> Refusal {
    let proposal = office.proposal(by, command);
    office.apply(proposal).0.expect_err("it is beyond the limit")
}

fn communes(count: usize) -> Vec<NewUnit> {
    let unit =
        |index| new_unit(&format!("H41.X{index}"), "Xã", UnitKind::Commune, Some("H41"), &[]);
    (0..count).map(unit).collect()
}

#[test]
fn a_packet_has_a_limited_number_of_targets() {
    let mut office = Office::founded();
    let units = communes(TARGETS_MAX + 1);
    let codes: Vec<_> = units.iter().map(|unit| unit.code.as_str().to_owned()).collect();
    let codes: Vec<_> = codes.iter().map(String::as_str).collect();
    office.must(Some("quan-tri"), Command::AddUnits(AddUnits { units }));
    office.submit("noi-vu", 1, &codes[1..]);
    assert_eq!(office.view().packet(PacketId(1)).map(|p| p.deliveries.len()), Some(TARGETS_MAX));
    let command = OpenPacket {
        packet: PacketId(2),
        space: SpaceId(2),
        request: request(&codes, None),
        size: None,
        node: NodeId(1),
        idempotency: None,
    };
    let refusal = refused(&mut office, Some("noi-vu"), Command::OpenPacket(command));
    assert_eq!(refusal, Refusal::TargetsMalformed);
    let app = new_app("nhieu", "H41.02", &[Grant::Send], &codes);
    let refusal = refused(&mut office, Some("quan-tri"), Command::AddApp(app));
    assert_eq!(refusal, Refusal::ListMalformed);
    assert_eq!(audit(&office.state), Vec::<String>::new());
}

#[test]
fn a_unit_has_a_limited_number_of_aliases() {
    let mut office = Office::founded();
    let aliases: Vec<_> = (0..17).map(|index| format!("alias-{index}")).collect();
    let aliases: Vec<_> = aliases.iter().map(String::as_str).collect();
    let units = vec![new_unit("H41.09", "Sở", UnitKind::Department, None, &aliases)];
    let command = Command::AddUnits(AddUnits { units });
    assert_eq!(refused(&mut office, Some("quan-tri"), command), Refusal::ListMalformed);
}

#[test]
fn records_and_receipts_name_a_limited_number_of_packets() {
    let mut office = Office::founded();
    let packets: Vec<_> = (0..=PACKETS_A_COMMAND_MAX as u128).map(PacketId).collect();
    let digest = digest_of("d1");
    let receipts = packets.iter().map(|packet| Receipt { packet: *packet, digest }).collect();
    let pickups = packets.iter().map(|packet| (*packet, word("H41.03"))).collect();
    let commands = [
        (None, Command::RecordHolding(RecordHolding { packets })),
        (None, Command::RecordPickup(RecordPickup { pickups })),
        (Some("tu-phap"), Command::ConfirmReceipts(ConfirmReceipts { receipts })),
    ];
    for (by, command) in commands {
        assert_eq!(refused(&mut office, by, command), Refusal::ListMalformed);
    }
}

#[test]
fn rows_are_forgotten_in_portions_and_the_answer_says_that_there_are_more() {
    let mut office = Office::founded();
    let cancel = || Command::CancelPacket(CancelPacket { packet: PacketId(99) });
    // What is refused spends its nonce too.
    let proposals = (0..5000).map(|_| office.proposal(Some("noi-vu"), cancel())).collect();
    let entry = office.entry(proposals);
    apply(&mut office.state, &entry);
    let nonces = |office: &Office| office.state.range(vec![20u8]..vec![21]).count();
    assert!(nonces(&office) >= 5000);
    office.at.0 += 400_000;
    let pass = || Command::PassTime(PassTime { due_max: 10, ended_kept_ms: ENDED_KEPT_MS });
    let first = office.must(None, pass());
    assert_eq!(first, Outcome::TimePassed { settled: 0, more: true });
    let due = office.view().next_due(ENDED_KEPT_MS).expect("the rest is to be forgotten");
    assert!(due > office.tick() && due < office.tick().plus_ms(1000), "soon, and not at once");
    office.at = Moment(due.0);
    assert_eq!(office.must(None, pass()), Outcome::TimePassed { settled: 0, more: true });
    office.at = Moment(office.view().next_due(ENDED_KEPT_MS).expect("the rest of the rest").0);
    assert_eq!(office.must(None, pass()), Outcome::TimePassed { settled: 0, more: false });
    assert_eq!(nonces(&office), 0);
}

#[test]
fn an_application_has_a_limited_number_of_idempotency_keys() {
    let mut office = Office::founded();
    // The row of the count: table 24, then the application's name.
    let count = minicbor::to_vec(IDEMPOTENCY_KEYS_MAX - 1).expect("a number");
    office.state.insert(b"\x18noi-vu\0".to_vec(), count);
    let command = |packet, key: &str| {
        Command::SubmitPacket(SubmitPacket {
            packet: PacketId(packet),
            space: SpaceId(packet),
            request: request(&["H41.03"], None),
            digest: digest_of("d1"),
            size: 10,
            holders: vec![NodeId(1), NodeId(2)],
            rides: false,
            idempotency: Some(Idempotency { key: word(key), fingerprint: digest_of("f") }),
        })
    };
    office.must(Some("noi-vu"), command(1, "the-last"));
    let refusal = refused(&mut office, Some("noi-vu"), command(2, "one-more"));
    assert_eq!(refusal, Refusal::IdempotencyFull);
    // What is known is still answered, and another application has its own count.
    let again = office.must(Some("noi-vu"), command(2, "the-last"));
    assert!(matches!(again, Outcome::Accepted { packet: PacketId(1), repeated: true, .. }));
    office.must(Some("tu-phap"), command(2, "one-more"));
}
