//! The oracles: what was promised, what came about, and whether the two agree.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::ControlFlow,
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use machine::{Reader, View};
use model::{Digest, PacketId, PacketState, UnitCode};
use parking_lot::Mutex;
use sha2::{Digest as _, Sha256};
use tokio::time::sleep;

use crate::world::World;

/// How long after the last fault everything must have come to rest.
const QUIET_WITHIN: Duration = Duration::from_secs(120);
/// Contents whose first octets are searched for on every disk: the search takes longer than the run.
const SEARCHED_MAX: usize = 5;
/// Octets of a content that are searched for: a chance hit has the odds of 2^-256.
const NEEDLE: usize = 32;
/// Violations that are kept; one is enough to fail.
const VIOLATIONS_MAX: usize = 20;

#[derive(Default)]
struct Books {
    /// By the content's digest: to whom, and its first octets.
    tried: BTreeMap<Digest, (Vec<UnitCode>, Bytes)>,
    acknowledged: BTreeMap<PacketId, Digest>,
    received_count: u64,
    confirmed: BTreeSet<(PacketId, UnitCode)>,
    violations: Vec<String>,
}

/// What the offices were promised and what they got.
#[derive(Clone, Default)]
pub struct Ledger(Arc<Mutex<Books>>);

impl Ledger {
    /// An office is about to send this.
    pub fn tried(&self, content: &Bytes, targets: Vec<UnitCode>) {
        let digest = Digest(Sha256::digest(content).into());
        let needle = content.slice(..content.len().min(NEEDLE));
        self.0.lock().tried.insert(digest, (targets, needle));
    }

    /// The platform said that it has it.
    pub fn acknowledged(&self, packet: PacketId, content: &Bytes) {
        let digest = Digest(Sha256::digest(content).into());
        self.0.lock().acknowledged.insert(packet, digest);
    }

    /// A unit was given this.
    pub fn received(&self, packet: PacketId, digest: Digest, unit: &UnitCode) {
        let mut books = self.0.lock();
        books.received_count += 1;
        let wrong = match books.tried.get(&digest) {
            None => Some(format!("{packet} brought what nobody sent")),
            Some((targets, _)) if !targets.contains(unit) => {
                Some(format!("{packet} reached {unit}, which is no target of it"))
            }
            Some(_) => None,
        };
        drop(books);
        wrong.into_iter().for_each(|wrong| self.violation(wrong));
    }

    /// A unit's receipt was taken.
    pub fn confirmed(&self, packet: PacketId, unit: &UnitCode) {
        self.0.lock().confirmed.insert((packet, unit.clone()));
    }

    /// A promise was broken.
    pub fn violation(&self, what: String) {
        let mut books = self.0.lock();
        if books.violations.len() < VIOLATIONS_MAX {
            books.violations.push(what);
        }
    }

    /// The promises that were broken.
    pub fn violations(&self) -> Vec<String> {
        self.0.lock().violations.clone()
    }

    /// Counts, for the summary.
    pub fn summary(&self) -> String {
        let books = self.0.lock();
        format!(
            "tried {}, acknowledged {}, received {}, confirmed {}",
            books.tried.len(),
            books.acknowledged.len(),
            books.received_count,
            books.confirmed.len()
        )
    }

    fn acknowledged_packets(&self) -> Vec<PacketId> {
        self.0.lock().acknowledged.keys().copied().collect()
    }
}

/// Waits until every acknowledged packet has arrived and is gone from every node.
pub async fn until_quiet(world: &World, ledger: &Ledger) -> Vec<String> {
    let mut open = Vec::new();
    for _ in 0..QUIET_WITHIN.as_millis() / 500 {
        open = unsettled(world, ledger);
        if open.is_empty() {
            return Vec::new();
        }
        sleep(Duration::from_millis(500)).await;
    }
    open.truncate(VIOLATIONS_MAX);
    open
}

fn unsettled(world: &World, ledger: &Ledger) -> Vec<String> {
    let mut open = Vec::new();
    for node in world.nodes() {
        let (Some(consensus), Some(content)) = (world.consensus(node), world.content(node)) else {
            open.push(format!("node {node} is down"));
            continue;
        };
        let reader = consensus.view();
        let view = View::new(&*reader);
        for packet in ledger.acknowledged_packets() {
            match view.packet(packet) {
                None => {
                    open.push(format!("node {node} does not know {packet}, which was acknowledged"))
                }
                Some(record) if record.state != PacketState::Completed => {
                    open.push(format!("{packet} is {} on node {node}", record.state));
                }
                Some(record) if !record.debtors.is_empty() || content.holds(record.space) => {
                    open.push(format!("the content of {packet} is not gone from node {node}"));
                }
                Some(_) => {}
            }
        }
    }
    open
}

/// What must hold at the end, when nothing moves any more.
pub async fn final_checks(world: &World, ledger: &Ledger) -> Vec<String> {
    let mut wrong = states_agree(world).await;
    wrong.extend(nothing_in_the_clear(world, ledger));
    wrong
}

async fn states_agree(world: &World) -> Vec<String> {
    let mut last = Vec::new();
    // Clocks tick on in the state, so the nodes are compared until they stand at the same entry.
    for _ in 0..200 {
        let mut seen = BTreeMap::new();
        for node in world.nodes() {
            let Some(consensus) = world.consensus(node) else { continue };
            let applied = consensus.status().applied;
            let digest = fingerprint(&*consensus.view());
            seen.insert(node, (applied, digest));
        }
        let digests: BTreeSet<_> = seen.values().map(|(_, digest)| *digest).collect();
        if seen.len() == world.nodes().len() && digests.len() == 1 {
            return Vec::new();
        }
        last = vec![format!("the nodes' states differ: {seen:?}")];
        sleep(Duration::from_millis(100)).await;
    }
    last
}

fn fingerprint<R: Reader + ?Sized>(reader: &R) -> Digest {
    let mut hash = Sha256::new();
    reader.scan(&[], &[0xff; 64], &mut |key, value| {
        for octets in [key, value] {
            hash.update((octets.len() as u64).to_be_bytes());
            hash.update(octets);
        }
        ControlFlow::Continue(())
    });
    Digest(hash.finalize().into())
}

fn nothing_in_the_clear(world: &World, ledger: &Ledger) -> Vec<String> {
    let books = ledger.0.lock();
    let whole = books.tried.values().filter(|(_, needle)| needle.len() == NEEDLE);
    let needles: Vec<&Bytes> = whole.map(|(_, needle)| needle).take(SEARCHED_MAX).collect();
    let mut found = Vec::new();
    for node in world.nodes() {
        let disk = world.disk(node);
        let hits = needles.iter().filter(|needle| disk.contains(needle)).count();
        if hits > 0 {
            found.push(format!("{hits} contents lie in the clear on node {node}"));
        }
    }
    found
}
