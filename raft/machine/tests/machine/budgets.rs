//! No entry does more work than its budget of rows, whatever it asks for.

use std::{cell::Cell, ops::ControlFlow};

use machine::*;
use model::*;
use proptest::{collection::vec, prelude::*};

use crate::{
    asks::{asks, entries},
    office::*,
};

/// Reads for each row that a command writes or names.
const READS_A_ROW: usize = 8;
/// Reads of a command beside those: its proof, its clock, the nodes, the edges of tables.
const READS_A_COMMAND: usize = 64;

/// A state that counts what is read of it: each look for a row, and each row of a scan.
struct Counted {
    state: State,
    reads: Cell<usize>,
}

impl Counted {
    /// Applies an entry; how much it read.
    fn apply(&mut self, entry: &Entry) -> (Applied, usize) {
        self.reads.set(0);
        let applied = apply(self, entry);
        (applied, self.reads.get())
    }

    fn count(&self) {
        self.reads.set(self.reads.get() + 1);
    }
}

impl Reader for Counted {
    fn get(&self, key: &[u8]) -> Option<Vec<u8>> {
        self.count();
        Reader::get(&self.state, key)
    }

    fn scan(&self, from: &[u8], to: &[u8], visit: &mut dyn FnMut(&[u8], &[u8]) -> ControlFlow<()>) {
        self.count();
        self.state.scan(from, to, &mut |key, value| {
            self.count();
            visit(key, value)
        });
    }
}

impl Store for Counted {
    fn put(&mut self, key: Vec<u8>, value: Vec<u8>) {
        Store::put(&mut self.state, key, value);
    }

    fn delete(&mut self, key: Vec<u8>) {
        Store::delete(&mut self.state, key);
    }
}

/// Applies one command in an entry of its own; how many rows its rules wrote.
fn rows_of(office: &mut Office, by: Option<&str>, command: Command) -> usize {
    let proposal = office.proposal(by, command);
    let entry = office.entry(vec![proposal]);
    let state = std::mem::take(&mut office.state);
    let mut counted = Counted { state, reads: Cell::default() };
    let (applied, reads) = counted.apply(&entry);
    office.state = counted.state;
    assert!(applied.answers[0].is_ok(), "{:?}", applied.answers[0]);
    assert!(applied.rows <= ROWS_A_COMMAND_MAX, "{} rows", applied.rows);
    let most = READS_A_ROW * applied.work + READS_A_COMMAND;
    assert!(reads <= most, "{reads} reads, {} rows", applied.work);
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
            rides: false,
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
        let pass = Command::PassTime(PassTime { due_max: 500, ended_kept_ms: ENDED_KEPT_MS });
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

/// A command that is refused, or does nothing, after its rule has looked at so many rows.
fn in_vain(
    kind: u8,
    count: usize,
    codes: &[&str],
    open: PacketId,
) -> (Option<&'static str>, Command) {
    let packets = |count| (0..count as u128).map(|packet| PacketId(1_000_000 + packet));
    match kind {
        // Nobody holds the content, which is looked at last.
        0 => {
            let command = SubmitPacket {
                packet: PacketId(900_000),
                space: SpaceId(900_000),
                request: request(&codes[..count.min(TARGETS_MAX)], None),
                digest: digest_of("d1"),
                size: 10,
                holders: Vec::new(),
                rides: false,
                idempotency: None,
            };
            (Some("noi-vu"), Command::SubmitPacket(command))
        }
        1 => {
            let (digest, size, epoch, holders) = (digest_of("d1"), 10, 1, Vec::new());
            let policy = None;
            let seal = SealPacket { packet: open, digest, size, epoch, holders, policy };
            (Some("noi-vu"), Command::SealPacket(seal))
        }
        // The answers of its receipts are refusals.
        2 => {
            let digest = digest_of("d1");
            let receipts = packets(count).map(|packet| Receipt { packet, digest }).collect();
            (Some("tu-phap"), Command::ConfirmReceipts(ConfirmReceipts { receipts }))
        }
        3 => (None, Command::RecordHolding(RecordHolding { packets: packets(count).collect() })),
        4 => {
            let pickups = packets(count).map(|packet| (packet, word("H41.03"))).collect();
            (None, Command::RecordPickup(RecordPickup { pickups }))
        }
        // Its applications refer to it.
        _ => (Some("quan-tri"), Command::RemoveUnit(RemoveUnit { code: word("H41.02") })),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    /// Whatever a command is answered, it reads little beside what it writes and names.
    #[test]
    fn no_command_reads_more_than_it_counts_for(asks in asks()) {
        let office = Office::founded();
        let mut counted = Counted { state: office.state, reads: Cell::default() };
        for entry in entries(asks, office.at) {
            for proposal in entry.proposals {
                let entry = Entry { proposals: vec![proposal], ..entry };
                let (applied, reads) = counted.apply(&entry);
                let most = READS_A_ROW * applied.work + READS_A_COMMAND;
                prop_assert!(reads <= most, "{reads} reads, {} rows: {entry:?}", applied.work);
            }
        }
    }

    /// Refusals cost an entry what they cost the machine: it takes so many, the rest comes again, and each is
    /// answered in the end.
    #[test]
    fn work_in_vain_fills_an_entry_too(wanted in vec((0..6u8, 1..=PACKETS_A_COMMAND_MAX), 1..80)) {
        let mut office = Office::founded();
        let codes = communes(&mut office);
        let codes: Vec<_> = codes.iter().map(String::as_str).collect();
        let open = PacketId(1);
        let command = OpenPacket {
            packet: open,
            space: SpaceId(1),
            request: request(&codes, None),
            size: None,
            node: NodeId(1),
            idempotency: None,
        };
        office.must(Some("noi-vu"), Command::OpenPacket(command));
        let wanted = wanted.into_iter().map(|(kind, count)| {
            let (by, command) = in_vain(kind, count, &codes, open);
            office.proposal(by, command)
        });
        let mut waiting: Vec<_> = wanted.collect();
        let mut counted = Counted { state: office.state.clone(), reads: Cell::default() };
        while !waiting.is_empty() {
            let entry = office.entry(waiting.clone());
            let (applied, reads) = counted.apply(&entry);
            prop_assert_eq!(applied.rows, 0, "nothing is done");
            let most = ROWS_AN_ENTRY_MAX + ROWS_A_COMMAND_MAX;
            prop_assert!(applied.work <= most, "{} rows", applied.work);
            let put_off = |answer: &Answer| *answer == Err(Refusal::EntryFull);
            let judged = applied.answers.iter().filter(|answer| !put_off(answer)).count();
            prop_assert!(judged > 0, "an entry does something");
            let most = READS_A_ROW * applied.work + READS_A_COMMAND * judged;
            prop_assert!(reads <= most, "{} reads of {} proposals", reads, judged);
            let answers = waiting.into_iter().zip(&applied.answers);
            waiting = answers.filter(|(_, answer)| put_off(answer)).map(|(p, _)| p).collect();
            // Whatever is left was left for want of room.
            prop_assert!(waiting.is_empty() || applied.work >= ROWS_AN_ENTRY_MAX);
        }
    }
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
                rides: false,
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
        prop_assert!(unsummed(&office.state) == unsummed(&singly.state));
    }
}

/// A state without the count of its entries, which were others.
fn unsummed(state: &State) -> State {
    const SUM: u8 = 50;
    let rows = state.iter().filter(|(key, _)| key[0] != SUM);
    rows.map(|(key, value)| (key.clone(), value.clone())).collect()
}
