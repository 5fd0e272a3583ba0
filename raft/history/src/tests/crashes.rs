//! A crash at any operation: what was synced is there, what is there is true, and applying the log again
//! leads to the same history.

use std::collections::BTreeSet;

use proptest::{collection::vec, prelude::*};

use super::*;

/// Facts that the cluster has: a node gets them from its log, or from the peer.
const ALL: u64 = 160;

static PEER: LazyLock<History> = LazyLock::new(|| filled(ALL).1);

#[derive(Debug, Clone)]
enum Step {
    /// The log brings so many facts.
    Append(u64),
    /// What was applied is made durable, and the state that counts it after it.
    Sync,
    /// A snapshot leads over so many facts.
    Skip(u64),
    /// So many octets of what is missing are fetched.
    Fill(usize),
    Derive(u64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0..12_u64).prop_map(Step::Append),
        3 => Just(Step::Sync),
        1 => (0..25_u64).prop_map(Step::Skip),
        3 => (0..4000_usize).prop_map(Step::Fill),
        1 => (0..40_u64).prop_map(Step::Derive),
    ]
}

/// A node around its history: what of it outlives a crash.
#[derive(Default)]
struct Node {
    /// The state on disk has counted so many facts.
    settled: u64,
    /// Facts that a sync has promised.
    promised: BTreeSet<u64>,
}

impl Node {
    fn append(history: &History, at: u64, count: u64) -> Result<u64, Error> {
        let to = (at + count).min(ALL);
        match history.append(at, &facts(at..to)) {
            Err(Error::Behind { want, .. }) => {
                history.begin_gap(want)?;
                history.append(at, &facts(at..to))?;
            }
            other => other?,
        }
        Ok(to)
    }

    /// Runs until the disk fails, or all steps are done.
    fn live(&mut self, disk: &SimDisk, peer: &History, steps: &[Step]) -> Result<(), Error> {
        let history = open(disk)?;
        // A snapshot may be durable before the history has heard of it.
        history.begin_gap(self.settled)?;
        for position in 0..ALL {
            match history.fact(position) {
                Ok(found) => assert_eq!(found, fact(position)),
                Err(Error::Missing { .. } | Error::Beyond { .. }) => {
                    assert!(!self.promised.contains(&position), "{position} is lost");
                }
                Err(error) => return Err(error),
            }
        }
        let mut applied = self.settled;
        let mut present: BTreeSet<u64> = self.promised.clone();
        for step in steps {
            match step {
                Step::Append(count) => {
                    let to = Self::append(&history, applied, *count)?;
                    present.extend(applied..to);
                    applied = to;
                }
                Step::Sync => {
                    let durable = history.sync()?;
                    assert!(durable >= applied);
                    self.promised = present.clone();
                    self.settled = applied;
                }
                Step::Skip(count) => {
                    // The snapshot is durable before anybody hears of it.
                    applied = (applied + count).min(ALL);
                    self.settled = applied;
                    history.begin_gap(applied)?;
                }
                Step::Fill(octets) => {
                    if let Some(missing) = history.missing() {
                        let run = peer.segment(missing.start, *octets, ALL).unwrap();
                        let run = crate::Run::decode(&run.encode()).unwrap();
                        history.fill(&run, &known(ALL))?;
                        present.extend(run.from()..run.to());
                    }
                }
                Step::Derive(most) => {
                    history.derive(*most)?;
                }
            }
        }
        Ok(())
    }
}

fn heal(disk: &SimDisk, node: &Node, peer: &History) {
    let history = open(disk).unwrap();
    history.begin_gap(node.settled).unwrap();
    Node::append(&history, node.settled, ALL).unwrap();
    while let Some(missing) = history.missing() {
        let run = peer.segment(missing.start, 3000, ALL).unwrap();
        history.fill(&run, &known(ALL)).unwrap();
    }
    assert_whole(&history, ALL);
    drop(history);
    assert_whole(&open(disk).unwrap(), ALL);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn nothing_that_was_synced_is_lost_at_any_crash(
        seed in any::<u64>(),
        lives in vec((0..70_u64, vec(step(), 1..40)), 1..5),
    ) {
        let peer = &*PEER;
        let disk = SimDisk::new(seed);
        let mut node = Node::default();
        for (crash, steps) in lives {
            disk.crash_after(crash);
            let lived = node.live(&disk, peer, &steps);
            prop_assert!(
                matches!(lived, Ok(()) | Err(Error::Io { .. } | Error::Failed)),
                "{lived:?}"
            );
            disk.restart();
        }
        heal(&disk, &node, peer);
    }
}

#[test]
fn every_single_operation_may_be_the_last() {
    let peer = &*PEER;
    let steps = [
        Step::Append(11),
        Step::Sync,
        Step::Append(9),
        Step::Skip(30),
        Step::Append(8),
        Step::Sync,
        Step::Fill(2000),
        Step::Sync,
        Step::Append(10),
        Step::Fill(9000),
        Step::Sync,
        Step::Fill(9000),
        Step::Append(4),
        Step::Sync,
    ];
    let whole = SimDisk::new(0);
    Node::default().live(&whole, peer, &steps).unwrap();
    assert!(whole.operations() > 40);
    for crash in 0..whole.operations() {
        for seed in 0..4 {
            let disk = SimDisk::new(seed);
            let mut node = Node::default();
            disk.crash_after(crash);
            assert!(node.live(&disk, peer, &steps).is_err(), "operation {crash} was not the last");
            disk.restart();
            heal(&disk, &node, peer);
        }
    }
}

#[test]
fn a_torn_end_is_cut_and_only_behind_what_was_synced() {
    let disk = SimDisk::new(5);
    let history = open(&disk).unwrap();
    history.append(0, &facts(0..2)).unwrap();
    history.sync().unwrap();
    history.append(2, &facts(2..4)).unwrap();
    history.fact(3).unwrap();
    drop(history);
    let (path, octets) = disk.files().into_iter().find(|(name, _)| name.contains("facts")).unwrap();
    for cut in 1..octets.len() {
        disk.tamper(&path, |file| {
            file.clone_from(&octets);
            file.truncate(octets.len() - cut);
        });
        let history = open(&disk).unwrap();
        let size = history.size();
        assert!(size <= 3);
        history.append(size, &facts(size..4)).unwrap();
        assert_whole(&history, 4);
        drop(history);
        for extra in disk.files().into_keys().filter(|name| *name != path) {
            disk.tamper(&extra, Vec::clear);
        }
    }
}
