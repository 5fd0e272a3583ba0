//! Any commands, all invariants.
//!
//! Identifiers come from small spaces, so that commands meet: the same packets, nonces that were
//! used, keys that were revoked, nodes that have gone.

use std::collections::BTreeSet;

use machine::*;
use model::*;
use proptest::{collection::vec, prelude::*, strategy::ValueTree};

use crate::{
    asks::{asks, entries},
    office::*,
    recorded::History,
};

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
/// It counts entries, whatever they do.
const SUM: u8 = 50;

fn is_unwanted(effect: &Effect) -> bool {
    matches!(effect, Effect::Unwanted(_))
}

/// Checks one proposal: refusals, repeats, nonces, and the whole state after it.
fn check(
    state: &mut State,
    entry: &Entry,
    passed: &mut BTreeSet<(Moment, String, String)>,
    history: &mut History,
) -> Applied {
    let before = state.clone();
    let proposal = &entry.proposals[0];
    let applied = apply(state, entry);
    let answer = &applied.answers[0];
    let refused = answer.as_ref().err();
    if let Some(refusal) = refused {
        // What rode with it has to go; nothing else follows from a refusal.
        assert!(applied.effects.iter().all(is_unwanted), "a refusal has effects");
        let mut may_change = vec![CLOCK, TRUST, SUM, ANSWERS, NONCES];
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
    let view = View::new(&before);
    if let (Some(_), Some(node)) = (view.cluster(), proposal.by.node())
        && !view.node(node).is_some_and(|node| node.is_present())
    {
        assert_eq!(applied.rows, 0, "node {node} does not belong and was obeyed");
    }
    // A nonce that was spent now was never spent before.
    let spent = |state: &State| state.range(vec![NONCES]..vec![NONCES + 1]).count();
    if spent(state) > spent(&before) {
        let Proposer::Signed(proof) = &proposal.by else { panic!("only a proof has a nonce") };
        let nonce = (proof.created, proof.key.to_string(), proof.nonce.to_string());
        assert!(passed.insert(nonce), "a nonce passed twice");
    }
    assert_eq!(audit(state), Vec::<String>::new(), "after {proposal:?}: {answer:?}");
    history.follow(&applied, state);
    ends_are_ends(&before, state, history);
    nothing_expires_early(state, entry.tick);
    time_is_due_when_it_says(state);
    assert!(applied.rows <= ROWS_A_COMMAND_MAX, "{} rows", applied.rows);
    if !matches!(proposal.command, Command::PassTime(_) | Command::Pulse) {
        let after = state.clone();
        let again = apply(state, entry);
        assert_eq!(&again.answers[0], answer, "a repeat");
        assert!(again.effects.iter().all(is_unwanted), "a repeat has effects");
        assert_eq!(without(state, &[SUM]), without(&after, &[SUM]), "a repeat changed something");
        *state = after;
    }
    applied
}

/// What has ended does not move any more, except that its purge is recorded.
fn ends_are_ends(before: &State, after: &State, history: &History) {
    for number in 0..6 {
        let Some(old) = View::new(before).packet(PacketId(number)) else { continue };
        let new = View::new(after).packet(PacketId(number));
        let new = new.unwrap_or_else(|| {
            assert_eq!(old.debtors, [], "it left before it was destroyed");
            history.packet(PacketId(number)).expect("a packet is record for ever")
        });
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
        let epoch = |state| View::new(state).packet_row(PacketId(number)).map(|row| row.epoch);
        assert!(epoch(after).is_none_or(|new| epoch(before).is_some_and(|old| old <= new)));
    }
}

/// Whatever the clocks did, a delivery that expired had its time, counted.
fn nothing_expires_early(state: &State, tick: Tick) {
    for packet in (0..6).filter_map(|number| View::new(state).packet(PacketId(number))) {
        let expired = |delivery: &DeliveryRecord| delivery.state == DeliveryState::Expired;
        if packet.deliveries.iter().any(expired) {
            let due = View::new(state).packet_row(packet.packet).expect("its row").due_tick;
            assert!(due <= tick, "{} expired early", packet.packet);
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
    let command = Command::PassTime(PassTime { due_max: 100, ended_kept_ms: ENDED_KEPT_MS });
    let entry = Entry {
        at,
        proposals: vec![Proposal { id, by: Proposer::Node(NodeId(1)), command }],
        tick,
    };
    let due = view.next_due(ENDED_KEPT_MS);
    let applied = apply(&mut passed, &entry);
    assert!(matches!(applied.answers[0], Ok(Outcome::TimePassed { more: false, .. })));
    if due.is_none_or(|due| due > tick) {
        let Ok(Outcome::TimePassed { settled, .. }) = applied.answers[0] else { unreachable!() };
        assert_eq!(settled, 0, "something was due that nobody announced");
    }
    assert!(View::new(&passed).next_due(ENDED_KEPT_MS).is_none_or(|due| due > tick), "still due");
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
        let (mut passed, mut history) = (BTreeSet::new(), History::of(office.facts));
        for entry in entries(asks, office.at) {
            for proposal in entry.proposals {
                let entry = Entry { proposals: vec![proposal], ..entry };
                check(&mut state, &entry, &mut passed, &mut history);
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
                whole.work += applied.work;
                whole.sum = applied.sum;
                whole.position = applied.position - whole.facts.len() as u64;
                whole.facts.extend(applied.facts);
            }
            seat_after(&mut plain, entry);
            singly.push(whole);
        }
        let (batched, together) = in_batches(office.state, &entries, size);
        let unsummed = |all: Vec<Applied>| -> Vec<Applied> {
            all.into_iter().map(|applied| Applied { sum: Sum::default(), ..applied }).collect()
        };
        prop_assert_eq!(unsummed(singly), unsummed(together));
        // An entry of several proposals counts once.
        prop_assert!(without(&batched, &[SUM]) == without(&plain, &[SUM]));
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
    let (mut kinds, mut left) = (BTreeSet::new(), 0);
    for _ in 0..800 {
        let asks = asks().new_tree(&mut runner).expect("a tree").current();
        let mut office = Office::founded();
        for entry in entries(asks, office.at) {
            let before: Vec<_> = (0..6).filter(|id| has(&office, *id)).collect();
            let applied = apply(&mut office.state, &entry);
            left += before.into_iter().filter(|id| !has(&office, *id)).count();
            kinds.extend(applied.facts.iter().map(|fact| kind(fact)));
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
    assert_eq!(kinds.len(), 14, "{kinds:?}");
    assert!(left > 10, "only {left} packets have left");
}

fn has(office: &Office, packet: u128) -> bool {
    office.view().packet_row(PacketId(packet)).is_some()
}

fn kind(fact: &[u8]) -> String {
    let fact: Fact = decode(fact).expect("a fact");
    let told = format!("{:?}", fact.what);
    told.split('(').next().unwrap_or_default().to_owned()
}
