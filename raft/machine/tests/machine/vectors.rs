//! Formats, octet by octet: a change of `tests/vectors` changes what lies on disks and travels
//! between nodes. Until the first release that is free; after it a number is never reused.

use std::{fmt::Write, fs, path::Path};

use machine::*;
use minicbor::{Decode, Encode};
use model::*;

use crate::office::*;

fn hex(octets: &[u8]) -> String {
    octets.iter().fold(String::new(), |mut text, octet| {
        write!(text, "{octet:02x}").expect("a string takes every text");
        text
    })
}

/// Compares lines with a file of vectors; prints what they are now where they differ.
pub fn compare(file: &str, lines: &[String]) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors").join(file);
    let text = fs::read_to_string(&path).unwrap_or_default();
    let fixed: Vec<_> = text.lines().filter(|line| !line.starts_with('#')).collect();
    let now = lines.join("\n");
    assert!(fixed == lines, "{file} differs; now it is\n----\n{now}\n----");
}

/// One line of a value, after it was read back. With a field of a later version in it, it is not read.
pub fn vector<T>(name: &str, value: &T) -> String
where
    T: Encode<()> + for<'b> Decode<'b, ()> + PartialEq + std::fmt::Debug,
{
    let octets = minicbor::to_vec(value).expect("a vector takes every octet");
    assert_eq!(machine::decode::<T>(&octets).expect("just encoded"), *value);
    assert!(machine::decode::<T>(&[&octets[..], &[0]].concat()).is_err(), "an octet too many");
    // An enumeration wraps the map of its member: [number, [map]].
    let map = if octets[0] >> 5 == 5 { 0 } else { 3 };
    if octets.get(map).is_some_and(|first| first >> 5 == 5) {
        let later = with_later_field(&octets, map);
        let read = machine::decode::<T>(&later);
        assert!(
            matches!(read, Err(Unreadable::Foreign(_))),
            "a later field is not skipped: {read:?}"
        );
    }
    format!("{name} {}", hex(&octets))
}

/// The map at a place, with one field more: number 1000, a nested value.
fn with_later_field(octets: &[u8], map: usize) -> Vec<u8> {
    let mut decoder = minicbor::Decoder::new(&octets[map..]);
    let count = decoder.map().expect("a map").expect("of known length");
    let fields = &octets[map + decoder.position()..];
    let mut encoder = minicbor::Encoder::new(octets[..map].to_vec());
    encoder.map(count + 1).expect("a vector takes every octet");
    let mut later = encoder.into_writer();
    later.extend_from_slice(fields);
    let mut encoder = minicbor::Encoder::new(later);
    let field = encoder.u16(1000).and_then(|e| e.array(2)).and_then(|e| e.str("later"));
    field.and_then(|e| e.null()).expect("a vector takes every octet");
    encoder.into_writer()
}

/// The steps of a rotation: one command with many faces.
fn authority_steps() -> Vec<(&'static str, Command)> {
    let octets = |text: &str| text.as_bytes().to_vec().into();
    let replace = TurnAuthority::Replace {
        number: 2,
        certificate: octets("certificate"),
        by_former: octets("by former"),
        key_sealed: octets("sealed"),
        sealed_under: 1,
    };
    vec![
        ("order-authority", Command::OrderAuthority(OrderAuthority::Rotate { overlap_ms: 1000 })),
        ("turn-authority", Command::TurnAuthority(replace)),
        ("end-older", Command::OrderAuthority(OrderAuthority::EndOlder)),
        ("end-authorities", Command::TurnAuthority(TurnAuthority::End)),
    ]
}

fn steps() -> Vec<(&'static str, Command)> {
    let check = digest_of("d1");
    let material = b"sealed".to_vec().into();
    let secrets = vec![Resealed { key: key_of("noi-vu"), material }];
    let authority = Some(b"sealed".to_vec().into());
    let steps = [
        ("turn-cluster-key", TurnClusterKey::Stage { version: 2, check }),
        ("hold-cluster-key", TurnClusterKey::Hold { version: 2 }),
        ("activate-cluster-key", TurnClusterKey::Activate { version: 2 }),
        ("reseal-secrets", TurnClusterKey::Reseal { version: 2, secrets, authority }),
        ("end-cluster-key", TurnClusterKey::End { version: 2 }),
    ];
    steps.map(|(name, step)| (name, Command::TurnClusterKey(step))).into()
}

fn commands() -> Vec<(&'static str, Command)> {
    let (packet, space, node) = (PacketId(7), SpaceId(8), NodeId(2));
    let (digest, at) = (digest_of("d1"), BEGIN);
    let packets = vec![packet, PacketId(9)];
    let holders = vec![NodeId(1), node];
    let idempotency = Some(Idempotency { key: word("k1"), fingerprint: digest_of("f1") });
    let request = request(&["H41.03", "G22"], Some(at));
    let policy = Some(ExchangePolicy { deliver_by: Some(at) });
    let unit = new_unit("H41.02", "Sở Nội vụ", UnitKind::Department, Some("H41"), &["0.H41"]);
    let app = new_app("noi-vu", "H41.02", &[Grant::Send, Grant::Receive], &["H41.03"]);
    vec![
        ("found", Command::Found(founding())),
        (
            "issue-join-token",
            Command::IssueJoinToken(IssueJoinToken { secret_digest: digest, expires_at: at }),
        ),
        (
            "admit-node",
            Command::AdmitNode(AdmitNode {
                secret_digest: digest,
                node: new_node("nut-2"),
                key: digest_of("nut-2"),
            }),
        ),
        ("update-node", Command::UpdateNode(UpdateNode { now: new_node("nut-2") })),
        ("remove-node", Command::RemoveNode(RemoveNode { node })),
        ("add-units", Command::AddUnits(AddUnits { units: vec![unit] })),
        ("add-app", Command::AddApp(app)),
        ("issue-key", Command::IssueKey(new_key("noi-vu", "noi-vu"))),
        ("revoke-key", Command::RevokeKey(RevokeKey { key: key_of("noi-vu"), at: None })),
        (
            "open-packet",
            Command::OpenPacket(OpenPacket {
                packet,
                space,
                request: request.clone(),
                size: Some(10),
                node,
                idempotency: idempotency.clone(),
            }),
        ),
        ("claim-space", Command::ClaimSpace(ClaimSpace { space, node, size: Some(10) })),
        (
            "seal-packet",
            Command::SealPacket(SealPacket {
                packet,
                digest,
                size: 10,
                epoch: 3,
                holders: holders.clone(),
                policy,
            }),
        ),
        (
            "submit-packet",
            Command::SubmitPacket(SubmitPacket {
                packet,
                space,
                request,
                digest,
                size: 10,
                holders,
                rides: false,
                idempotency,
            }),
        ),
        ("cancel-packet", Command::CancelPacket(CancelPacket { packet })),
        ("grant-pickup", Command::GrantPickup(GrantPickup { packet })),
        (
            "confirm-receipts",
            Command::ConfirmReceipts(ConfirmReceipts {
                receipts: vec![Receipt { packet, digest }],
            }),
        ),
        (
            "reject-delivery",
            Command::RejectDelivery(RejectDelivery { packet, reason: word("trùng") }),
        ),
        ("record-purge", Command::RecordPurge(RecordPurge { below: 300 })),
        ("record-holding", Command::RecordHolding(RecordHolding { packets })),
        ("pass-time", Command::PassTime(PassTime { due_max: 100, ended_kept_ms: ENDED_KEPT_MS })),
        (
            "record-pickup",
            Command::RecordPickup(RecordPickup { pickups: vec![(packet, word("H41.03"))] }),
        ),
        ("abandon-space", Command::AbandonSpace(AbandonSpace { space })),
        ("confirm-time", Command::ConfirmTime(ConfirmTime {})),
        ("record-lost", Command::RecordLost(RecordLost { packets: vec![packet] })),
        ("close-lost", Command::CloseLost(CloseLost { packets: vec![packet] })),
        ("rotate-cluster-key", Command::RotateClusterKey(RotateClusterKey { ends_tokens: true })),
        steps().swap_remove(0),
        authority_steps().swap_remove(0),
        authority_steps().swap_remove(1),
        ("rename-unit", rename_unit("H41.02", "Sở")),
        ("remove-unit", Command::RemoveUnit(RemoveUnit { code: word("H41.02") })),
        ("leave-node", Command::LeaveNode(LeaveNode { node, gives_up: true })),
        (
            "release-holdings",
            Command::ReleaseHoldings(ReleaseHoldings {
                node,
                packets_max: 500,
                through: Some(packet),
            }),
        ),
        ("adopt-rules", Command::AdoptRules(AdoptRules { rules: Rules(2) })),
        ("pulse", Command::Pulse),
        ("take-lease", Command::TakeLease(TakeLease { name: word("carrier.vxp") })),
        ("return-lease", Command::ReturnLease(ReturnLease { name: word("carrier.vxp"), fence: 3 })),
        (
            "post-letter",
            Command::PostLetter(PostLetter {
                carrier: word("carrier.vxp"),
                packet,
                target: word("G22"),
            }),
        ),
        (
            "report-letter",
            Command::ReportLetter(ReportLetter {
                letter: LetterId(7),
                report: Report::Again { said: word("im lặng"), after_ms: 300 },
            }),
        ),
        (
            "record-receipt-key",
            Command::RecordReceiptKey(NewReceiptKey {
                version: 1,
                es256: vec![2; ES256_OCTETS],
                ed25519: vec![3; ED25519_OCTETS],
            }),
        ),
    ]
}

#[test]
fn commands_have_their_octets() {
    let mut lines: Vec<_> =
        commands().iter().map(|(name, command)| vector(name, command)).collect();
    let more = steps().into_iter().skip(1).chain(authority_steps().into_iter().skip(2));
    lines.extend(more.map(|(name, command)| vector(name, &command)));
    let (_, command) = commands().swap_remove(14);
    let by = Proposer::Signed(proof(key_of("noi-vu"), BEGIN, "nonce-0000000001"));
    let proposal = Proposal { id: CommandId(5), by, command };
    lines.push(vector("proposal", &proposal));
    lines.push(vector("entry", &Entry { at: BEGIN, proposals: vec![proposal], tick: Tick(9) }));
    compare("commands.txt", &lines);
}

#[test]
fn a_command_of_an_unknown_number_is_not_skipped() {
    let known = commands();
    for (number, (name, command)) in known.iter().enumerate() {
        let octets = minicbor::to_vec(command).expect("a vector takes every octet");
        let mut decoder = minicbor::Decoder::new(&octets);
        let body = decoder.array().expect("a number and a body");
        assert_eq!(body, Some(2), "{name}");
        assert_eq!(decoder.u64().expect("a number"), number as u64, "{name} has another number");
    }
    // [n, [{}]] with the first number beyond the known ones, which takes two octets.
    let unknown = u8::try_from(known.len()).expect("commands have small numbers");
    assert!(
        unknown >= 24 && minicbor::decode::<Command>(&[0x82, 0x18, unknown, 0x81, 0xa0]).is_err()
    );
    let (_, command) = known.into_iter().nth(21).expect("a command");
    let proposal = Proposal { id: CommandId(5), by: Proposer::Node(NodeId(1)), command };
    let entry = Entry { at: BEGIN, proposals: vec![proposal], tick: Tick(9) };
    let mut octets = minicbor::to_vec(&entry).expect("a vector takes every octet");
    let place = octets.windows(3).position(|w| w == [0x82, 21, 0x81]).expect("the command");
    octets.splice(place + 1..place + 2, [0x18, unknown]);
    assert!(minicbor::decode::<Entry>(&octets).is_err(), "the node must stop here");
}

#[test]
fn answers_have_their_octets() {
    let packet = PacketId(7);
    let granted = Granted { packet, space: SpaceId(8), expires_at: BEGIN, repeated: true };
    let receipts = [None, Some(Refusal::DigestMismatch)];
    let receipts = receipts.map(|refusal| ReceiptAnswer { packet, refusal }).to_vec();
    let outcomes = [
        ("done", Outcome::Done),
        ("node-admitted", Outcome::NodeAdmitted(NodeId(2))),
        ("space-granted", Outcome::SpaceGranted(granted)),
        ("space-claimed", Outcome::SpaceClaimed { packet, epoch: 3, size: Some(10) }),
        ("accepted", Outcome::Accepted { packet, at: BEGIN, repeated: false }),
        ("pickup-granted", Outcome::PickupGranted { packet, space: SpaceId(8) }),
        ("receipts", Outcome::Receipts(receipts)),
        ("time-passed", Outcome::TimePassed { settled: 5, more: true }),
        (
            "holdings-released",
            Outcome::HoldingsReleased { is_released: false, needed_for: Some(packet) },
        ),
        ("lease-taken", Outcome::LeaseTaken { fence: 7 }),
    ];
    let mut lines: Vec<_> =
        outcomes.into_iter().map(|(name, outcome)| vector::<Answer>(name, &Ok(outcome))).collect();
    for refusal in Refusal::ALL {
        lines.push(vector::<Answer>(refusal.as_str(), &Err(*refusal)));
    }
    compare("answers.txt", &lines);
}

/// A state with a row in every table.
fn full_state() -> State {
    full_office().state
}

fn full_office() -> Office {
    let mut office = Office::founded();
    let open = OpenPacket {
        packet: PacketId(1),
        space: SpaceId(8),
        request: request(&["H41.03", "000.00.05.H41"], None),
        size: Some(10),
        node: NodeId(1),
        idempotency: Some(Idempotency { key: word("k1"), fingerprint: digest_of("f1") }),
    };
    office.must(Some("noi-vu"), Command::OpenPacket(open));
    office.submit("noi-vu", 2, &["H41.03"]);
    office.at.0 += 1000;
    office.submit("noi-vu", 3, &["H41.03", "G22"]);
    office.receive("tu-phap", 2);
    let rejection = RejectDelivery { packet: PacketId(3), reason: word("trùng") };
    office.must(Some("vpcp"), Command::RejectDelivery(rejection));
    office.must_of(2, Command::RecordPurge(RecordPurge { below: 1 }));
    let revocation = RevokeKey { key: key_of("nong"), at: None };
    office.must(Some("quan-tri"), Command::RevokeKey(revocation));
    let later = Some(Moment(office.at.0 + 7 * 24 * 3_600_000));
    let revocation = RevokeKey { key: key_of("vpcp"), at: later };
    office.must(Some("quan-tri"), Command::RevokeKey(revocation));
    office.remove(3);
    office.at.0 += 400_000;
    office.must(None, Command::PassTime(PassTime { due_max: 10, ended_kept_ms: ENDED_KEPT_MS }));
    office.submit("noi-vu", 4, &["G22"]);
    office.submit("noi-vu", 5, &["G22"]);
    office.must(None, Command::RecordLost(RecordLost { packets: vec![PacketId(5)] }));
    let name: LeaseName = word("carrier.vxp");
    office.must_of(2, Command::TakeLease(TakeLease { name: name.clone() }));
    let letter = PostLetter { carrier: name, packet: PacketId(4), target: word("G22") };
    office.must(None, Command::PostLetter(letter));
    let key = NewReceiptKey {
        version: 1,
        es256: vec![2; ES256_OCTETS],
        ed25519: vec![3; ED25519_OCTETS],
    };
    office.must(None, Command::RecordReceiptKey(key));
    for node in [1, 2] {
        office.must_of(node, Command::RecordPurge(RecordPurge { below: 1 }));
    }
    office
}

#[test]
fn facts_have_their_octets() {
    let office = full_office();
    let lines = (0..).zip(&office.facts).map(|(position, octets)| {
        let fact = office.fact(position);
        let name = format!("{:?}", fact.what);
        let line = vector(name.split('(').next().unwrap_or_default(), &fact);
        assert!(line.ends_with(&hex(octets)), "encoded once");
        line
    });
    compare("facts.txt", &lines.collect::<Vec<_>>());
}

#[test]
fn rows_of_the_state_have_their_octets() {
    let state = full_state();
    assert_eq!(audit(&state), Vec::<String>::new());
    let tables: std::collections::BTreeSet<u8> = state.keys().map(|key| key[0]).collect();
    // Floors of queues (38) come with the 256th event of a feed; a test of views has them.
    // Signatures had a table once (27); they are facts. Here every node votes (51).
    let expected = (1..=52).filter(|table| ![27, 38, 51].contains(table));
    assert!(tables.into_iter().eq(expected), "a table has no row here");
    let lines: Vec<_> =
        state.iter().map(|(key, value)| format!("{} {}", hex(key), hex(value))).collect();
    compare("state.txt", &lines);
}

#[test]
fn records_read_back() {
    let state = full_state();
    let view = View::new(&state);
    vector("cluster", &view.cluster().expect("founded"));
    vector("node", &view.nodes()[2]);
    vector("unit", &view.unit(&word("G22")).expect("a unit"));
    vector("app", &view.app(&word("noi-vu")).expect("an application"));
    vector("key", &view.key(&key_of("nong")).expect("a key"));
    vector("packet", &view.packet_row(PacketId(3)).expect("a packet"));
    vector("delivery", &view.deliveries(PacketId(2)).remove(0).1);
    vector("event", &view.feed(&word("G22"), 0, 1).events[0]);
    let by = Some(By { key: key_of("quan-tri"), app: word("quan-tri") });
    let token =
        JoinTokenRecord { expires_tick: Tick(9), node: Some(NodeId(2)), issued_by: by.clone() };
    vector("token", &token);
    vector("by", &by);
    let keys = NewReceiptKey {
        version: 1,
        es256: vec![2; ES256_OCTETS],
        ed25519: vec![3; ED25519_OCTETS],
    };
    let key = ReceiptKeyRecord { keys, ended: Some(KeyEnd { facts: 7, at: BEGIN }) };
    vector("receipt-key", &key);
    let heavy = vec![word("H41.02")];
    vector("head", &UnitHead { last: 7, first: 2, kept: 5, heavy });
    let (fingerprint, packet, space) = (digest_of("f1"), PacketId(1), SpaceId(1));
    let record =
        IdempotencyRecord { fingerprint, packet, space, at: BEGIN, submitted: true, tick: Tick(9) };
    vector("idempotency", &record);
}
