//! No entry does more work than its budget of rows, whatever it asks for.

use machine::*;
use model::*;
use proptest::{collection::vec, prelude::*};

use crate::office::*;

/// Applies one command in an entry of its own; how many rows its rules wrote.
fn rows_of(office: &mut Office, by: Option<&str>, command: Command) -> usize {
    let proposal = office.proposal(by, command);
    let entry = office.entry(vec![proposal]);
    let applied = apply(&mut office.state, &entry);
    assert!(applied.answers[0].is_ok(), "{:?}", applied.answers[0]);
    assert!(applied.rows <= ROWS_A_COMMAND_MAX, "{} rows", applied.rows);
    applied.rows
}

fn communes(office: &mut Office) -> Vec<String> {
    let codes: Vec<_> = (0..TARGETS_MAX).map(|index| format!("H41.X{index}")).collect();
    let unit = |code: &String| new_unit(code, "Xã", UnitKind::Commune, Some("H41"), &[]);
    let units = codes.iter().map(unit).collect();
    office.must(Some("quan-tri"), Command::AddUnits(AddUnits { units }));
    codes
}

#[test]
fn the_largest_commands_stay_within_their_budget() {
    let mut office = Office::founded();
    let codes = communes(&mut office);
    let aliases: Vec<Vec<String>> = (0..UNITS_A_COMMAND_MAX)
        .map(|unit| (0..ALIASES_MAX).map(|alias| format!("a{unit}.{alias}")).collect())
        .collect();
    let units = aliases.iter().enumerate().map(|(index, aliases)| {
        let aliases: Vec<_> = aliases.iter().map(String::as_str).collect();
        new_unit(&format!("H41.Y{index}"), "Xã", UnitKind::Commune, Some("H41"), &aliases)
    });
    let units = AddUnits { units: units.collect() };
    rows_of(&mut office, Some("quan-tri"), Command::AddUnits(units));

    // Circulars to every commune: submitted, taken back, lost, closed, and out of time all at once.
    let targets: Vec<_> = codes.iter().map(String::as_str).collect();
    let submit = |packet: u128| {
        Command::SubmitPacket(SubmitPacket {
            packet: PacketId(packet),
            space: SpaceId(packet),
            request: request(&targets, None),
            digest: digest_of("d1"),
            size: 10,
            holders: vec![NodeId(1), NodeId(2)],
            idempotency: None,
        })
    };
    for packet in 0..40 {
        rows_of(&mut office, Some("noi-vu"), submit(packet));
    }
    let cancel = Command::CancelPacket(CancelPacket { packet: PacketId(0) });
    rows_of(&mut office, Some("noi-vu"), cancel);
    let due = Moment(office.at.0 + DELIVERY_TIME_MAX_MS);
    office.at = due;
    let mut settled = 0;
    let mut passed = 0;
    while settled < 39 {
        let pass = Command::PassTime(PassTime { due_max: 500 });
        let proposal = office.proposal(None, pass);
        let entry = office.entry(vec![proposal]);
        let applied = apply(&mut office.state, &entry);
        assert!(applied.rows <= ROWS_A_COMMAND_MAX, "{} rows", applied.rows);
        let Ok(Outcome::TimePassed { settled: now, .. }) = applied.answers[0] else {
            panic!("{:?}", applied.answers[0])
        };
        assert!(now > 0, "time passes");
        settled += now;
        passed += 1;
    }
    assert!(passed > 10, "what is due at once is settled in {passed} slices");
    assert_eq!(audit(&office.state), Vec::<String>::new());
}

/// Circulars that are lost, found, lost again and closed, all named at once.
#[test]
fn lost_circulars_stay_within_their_budget() {
    let mut office = Office::founded();
    let codes = communes(&mut office);
    let targets: Vec<_> = codes.iter().map(String::as_str).collect();
    let packets: Vec<_> = (0..40).map(PacketId).collect();
    for packet in &packets {
        office.submit("noi-vu", packet.0, &targets);
    }
    // Slice by slice, as each command leaves the rest.
    let until = |office: &mut Office, by, command: Command, lost: usize| {
        let mut slices = 0;
        while office.view().lost(None, 100).len() != lost {
            rows_of(office, by, command.clone());
            slices += 1;
            assert!(slices <= packets.len(), "each slice does something");
        }
        assert!(slices > 5, "{slices} slices");
    };
    let lose = Command::RecordLost(RecordLost { packets: packets.clone() });
    let find = Command::RecordHolding(RecordHolding { packets: packets.clone() });
    let close = Command::CloseLost(CloseLost { packets: packets.clone() });
    until(&mut office, None, lose.clone(), 40);
    until(&mut office, None, find, 0);
    until(&mut office, None, lose, 40);
    until(&mut office, Some("quan-tri"), close, 0);
    assert_eq!(audit(&office.state), Vec::<String>::new());
}

/// Receipts that each complete a packet, under feeds that are full, so that each event drops others.
#[test]
fn a_thousand_receipts_stay_within_their_budget() {
    let mut office = Office::founded();
    let count = PACKETS_A_COMMAND_MAX as u128;
    // The source's feed fills up with what it is told of other packets.
    for packet in 0..FEED_EVENTS_MAX as u128 {
        office.submit("nong", 1_000_000 + packet, &["H41.02"]);
    }
    for packet in 0..count {
        office.submit("noi-vu", packet, &["H41.03", "H41.05"]);
        let accept = Command::GrantPickup(GrantPickup { packet: PacketId(packet) });
        office.must(Some("tu-phap"), accept);
        let reject = RejectDelivery { packet: PacketId(packet), reason: word("trùng") };
        office.must(Some("nong"), Command::RejectDelivery(reject));
    }
    let digest = digest_of("d1");
    let receipts = (0..count).map(|packet| Receipt { packet: PacketId(packet), digest }).collect();
    let confirm = Command::ConfirmReceipts(ConfirmReceipts { receipts });
    let rows = rows_of(&mut office, Some("tu-phap"), confirm);
    assert!(rows > 10_000, "the worst case is {rows} rows");
    assert_eq!(audit(&office.state), Vec::<String>::new());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    /// What does not fit comes again: any proposals, in whatever entries, are all answered in the end, and
    /// the state is that of one proposal an entry.
    #[test]
    fn an_entry_that_is_full_puts_the_rest_off(targets in vec(1..TARGETS_MAX, 1..24)) {
        let mut office = Office::founded();
        let codes = communes(&mut office);
        let codes: Vec<_> = codes.iter().map(String::as_str).collect();
        let submits = targets.iter().enumerate().map(|(index, count)| {
            let packet = PacketId(index as u128);
            let command = SubmitPacket {
                packet,
                space: SpaceId(packet.0),
                request: request(&codes[..*count], None),
                digest: digest_of("d1"),
                size: 10,
                holders: vec![NodeId(1), NodeId(2)],
                idempotency: None,
            };
            office.proposal(Some("noi-vu"), Command::SubmitPacket(command))
        });
        let mut waiting: Vec<_> = submits.collect();
        let mut singly = office.clone();
        for proposal in &waiting {
            let entry = singly.entry(vec![proposal.clone()]);
            apply(&mut singly.state, &entry);
        }
        let mut entries = 0;
        while !waiting.is_empty() {
            let entry = office.entry(waiting.clone());
            let applied = apply(&mut office.state, &entry);
            prop_assert!(applied.rows <= ROWS_AN_ENTRY_MAX + ROWS_A_COMMAND_MAX);
            let put_off = |answer: &Answer| *answer == Err(Refusal::EntryFull);
            let answers = waiting.into_iter().zip(&applied.answers);
            waiting = answers.filter(|(_, answer)| put_off(answer)).map(|(p, _)| p).collect();
            let done = applied.answers.iter().filter(|answer| !put_off(answer));
            prop_assert!(done.clone().all(Result::is_ok));
            prop_assert!(done.count() > 0, "an entry does something");
            entries += 1;
        }
        // The last one of an entry may pass its budget.
        let sum: usize = targets[..targets.len() - 1].iter().sum();
        prop_assert!(entries > 1 || sum * 5 < ROWS_AN_ENTRY_MAX, "{sum} targets in {entries} entries");
        prop_assert!(office.state == singly.state);
    }
}
