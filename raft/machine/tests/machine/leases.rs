//! At most one node holds a lease, whatever is asked in whatever order, and a fence that went by is refused.

use std::collections::{BTreeMap, BTreeSet};

use machine::*;
use model::*;
use proptest::{collection::vec, prelude::*};

use crate::office::*;

const NODES: u64 = 3;
const LEASES: [&str; 2] = ["carrier.vxp", "webhook.a"];

/// What a node does next: which node, with which lease, what.
type Step = (u64, usize, u8, u8);

/// The office, and who was ever given which fence of a lease.
struct Scene {
    office: Office,
    given: BTreeMap<usize, BTreeSet<(u64, u64)>>,
    settled: BTreeSet<LetterId>,
}

impl Scene {
    fn new() -> Self {
        let mut office = Office::founded();
        office.submit("noi-vu", 7, &["G22"]);
        Self { office, given: BTreeMap::new(), settled: BTreeSet::new() }
    }

    fn ask(office: &mut Office, node: u64, command: Command) -> Answer {
        let mut proposal = office.proposal(None, command);
        proposal.by = Proposer::Node(NodeId(node));
        office.apply(proposal).0
    }

    /// A report of a carrier on a letter that may not be there.
    fn report(office: &mut Office, lease: usize, holder: (u64, u64), letter: LetterId) -> Answer {
        let report = ReportLetter { letter, report: Report::Taken(word("nhận")) };
        let mut proposal = office.proposal(None, Command::ReportLetter(report));
        let (node, fence) = holder;
        proposal.by = Proposer::Carrier { node: NodeId(node), lease: word(LEASES[lease]), fence };
        office.apply(proposal).0
    }

    /// Whose word counts under a lease now, of all who were ever given it: the one who holds it.
    fn heard(&self, lease: usize) -> Vec<(u64, u64)> {
        let given = self.given.get(&lease).into_iter().flatten().copied();
        let nobodys = LetterId(u64::MAX);
        let counts = |holder: &(u64, u64)| {
            let answer = Self::report(&mut self.office.clone(), lease, *holder, nobodys);
            // Whoever is not heard learns nothing of letters.
            match answer {
                Err(Refusal::LetterUnknown) => true,
                Err(Refusal::LeaseHeld | Refusal::NodeUnknown) => false,
                other => panic!("{other:?}"),
            }
        };
        given.filter(counts).collect()
    }

    fn step(&mut self, (node, lease, what, more): Step) {
        let before = self.heard(lease);
        let name: LeaseName = word(LEASES[lease]);
        match what {
            0..=2 => {
                let answer =
                    Self::ask(&mut self.office, node, Command::TakeLease(TakeLease { name }));
                self.taken(lease, node, &before, answer);
            }
            3 | 4 => drop(Self::ask(&mut self.office, node, Command::Pulse)),
            5 => {
                // Any fence, most often one that it was given once.
                let fence = u64::from(more % 6);
                let give_back = Command::ReturnLease(ReturnLease { name, fence });
                let answer = Self::ask(&mut self.office, node, give_back);
                if answer.is_ok() {
                    assert_eq!(self.heard(lease), [], "who gave it back is not heard any more");
                }
            }
            6 => {
                let pass = PassTime { due_max: 10, ended_kept_ms: ENDED_KEPT_MS };
                drop(Self::ask(&mut self.office, 1, Command::PassTime(pass)));
            }
            7 => {
                let (packet, target) = (PacketId(7), word("G22"));
                let post = PostLetter { carrier: name, packet, target };
                drop(Self::ask(&mut self.office, 1, Command::PostLetter(post)));
            }
            8 | 9 => {
                // A holder, or one that was, reports on a letter that is there.
                let given = self.given.get(&lease).into_iter().flatten().copied();
                let given: Vec<_> = given.collect();
                let Some(holder) = given.get(usize::from(more) % given.len().max(1)) else {
                    return;
                };
                let letter = LetterId(u64::from(more % 4) + 1);
                if Self::report(&mut self.office, lease, *holder, letter).is_ok() {
                    assert_eq!(before, [*holder], "another one was heard");
                    assert!(self.settled.insert(letter), "{letter:?} was settled twice");
                }
            }
            10 if more == 0 && node != 1 => drop(self.office.try_to_remove("quan-tri", node)),
            _ => {
                self.office.at.0 += [1, 1_000, 7_000, 14_999, 15_000, 60_000][usize::from(more % 6)]
            }
        }
    }

    /// Checks what a node was told that asked for a lease while others were heard under it.
    fn taken(&mut self, lease: usize, node: u64, before: &[(u64, u64)], answer: Answer) {
        let given = self.given.entry(lease).or_default();
        let highest = given.iter().map(|(_, fence)| *fence).max().unwrap_or(0);
        match (answer, before) {
            (Ok(Outcome::LeaseTaken { fence }), [(holder, held)]) if *holder == node => {
                assert_eq!(fence, *held, "it holds it already");
            }
            (Ok(Outcome::LeaseTaken { fence }), []) => {
                assert!(fence > highest, "fence {fence} after {highest}");
                given.insert((node, fence));
            }
            (Err(Refusal::LeaseHeld), [(holder, _)]) => assert_ne!(*holder, node),
            // A removed node takes nothing; what hung on it is free once its pulse lapses.
            (Err(Refusal::NodeUnknown), _) => {}
            (Err(Refusal::LeaseHeld), []) => {
                let record = self.office.view().lease(&word(LEASES[lease])).expect("a lease");
                let holder = record.holder.expect("somebody has it");
                let node = self.office.view().node(holder).expect("a node");
                assert!(!node.is_present(), "{holder} is not heard and keeps others away");
            }
            (answer, _) => panic!("{answer:?} while {before:?} is heard"),
        }
    }

    fn check(&self) {
        for lease in 0..LEASES.len() {
            let heard = self.heard(lease);
            assert!(heard.len() <= 1, "{heard:?} are heard at once");
            let given = self.given.get(&lease).into_iter().flatten();
            let newest = given.max_by_key(|(_, fence)| *fence);
            assert!(
                heard.is_empty() || heard.first() == newest,
                "{heard:?}, and {newest:?} is newer"
            );
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]

    #[test]
    fn one_node_holds_a_lease_and_older_fences_are_refused(
        steps in vec((1..=NODES, 0..LEASES.len(), 0..13u8, any::<u8>()), 1..60),
    ) {
        let mut scene = Scene::new();
        for step in steps {
            scene.step(step);
            scene.check();
        }
        prop_assert_eq!(audit(&scene.office.state), Vec::<String>::new());
    }
}

/// The property is worth something only if leases change hands, and letters are settled by one holder after another.
#[test]
fn the_property_sees_leases_that_change_hands() {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let steps = vec((1..=NODES, 0..LEASES.len(), 0..13u8, any::<u8>()), 60);
    let (mut hands, mut settled, mut late) = (0, 0, 0);
    for _ in 0..40 {
        use proptest::strategy::ValueTree;
        let mut scene = Scene::new();
        for step in steps.new_tree(&mut runner).expect("a tree").current() {
            scene.step(step);
        }
        let nodes = |given: &BTreeSet<(u64, u64)>| {
            given.iter().map(|(node, _)| node).collect::<BTreeSet<_>>().len()
        };
        hands += scene.given.values().filter(|given| nodes(given) > 1).count();
        settled += scene.settled.len();
        let lapsed =
            |lease| scene.heard(lease).len() < scene.given.get(&lease).map_or(0, BTreeSet::len);
        late += (0..LEASES.len()).filter(|lease| lapsed(*lease)).count();
    }
    assert!(hands > 20 && settled > 10 && late > 20, "{hands} {settled} {late}");
}
