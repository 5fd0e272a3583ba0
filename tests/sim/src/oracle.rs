//! The oracles: what was promised, what came about, and whether the two agree.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::ControlFlow,
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use consensus::Role;
use machine::{About, DeliveryRecord, EventKind, PacketRecord, Reader, View};
use model::{DeliveryState, Digest, PacketId, PacketState, UnitCode};
use parking_lot::Mutex;
use sha2::{Digest as _, Sha256};
use tokio::time::sleep;

use crate::{
    remains::{self, Sample},
    world::{NODE_COUNT, World},
};

/// How long after the last fault everything must have come to rest.
const QUIET_WITHIN: Duration = Duration::from_secs(120);
/// How long a node that differs waits for its peers to say that the logs have forked, and for its leader to stop if that
/// is the one, and some heartbeats.
const STOPPED_WITHIN: Duration = Duration::from_secs(10);
/// Contents whose first octets are searched for on every disk: the search takes longer than the run.
const SEARCHED_MAX: usize = 5;
/// Octets of a content that are searched for: a chance hit has the odds of 2^-256.
const NEEDLE: usize = 32;
/// Violations that are kept; one is enough to fail.
const VIOLATIONS_MAX: usize = 20;
/// Seconds of faults in which one packet at least must be acknowledged, and one receipt taken: with
/// four offices at work it is ten times that, and a cluster that does nothing breaks no promise.
const SECONDS_A_PACKET: u64 = 3;

#[derive(Default)]
struct Books {
    /// By the content's digest: to whom, and its first octets.
    tried: BTreeMap<Digest, (Vec<UnitCode>, Bytes)>,
    acknowledged: BTreeMap<PacketId, Digest>,
    received: BTreeMap<(PacketId, UnitCode), Digest>,
    received_count: u64,
    confirmed: BTreeSet<(PacketId, UnitCode)>,
    rejected: BTreeSet<(PacketId, UnitCode)>,
    /// What a unit was about to refuse.
    unwanted: BTreeSet<(PacketId, UnitCode)>,
    /// Whose source wanted it back, and whose source was told that it has it back.
    wanted_back: BTreeSet<PacketId>,
    cancelled: BTreeSet<PacketId>,
    small: Vec<Sample>,
    large: Vec<Sample>,
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
        let before = books.received.insert((packet, unit.clone()), digest);
        let wrong = match books.tried.get(&digest) {
            _ if before.is_some_and(|before| before != digest) => {
                Some(format!("{packet} reached {unit} twice, each time as another content"))
            }
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

    /// A unit is about to refuse.
    pub fn refuses(&self, packet: PacketId, unit: &UnitCode) {
        self.0.lock().unwanted.insert((packet, unit.clone()));
    }

    /// A unit's refusal was taken.
    pub fn rejected(&self, packet: PacketId, unit: &UnitCode) {
        self.0.lock().rejected.insert((packet, unit.clone()));
    }

    /// A source is about to take a packet back.
    pub fn takes_back(&self, packet: PacketId) {
        self.0.lock().wanted_back.insert(packet);
    }

    /// A source was told that its packet is taken back.
    pub fn cancelled(&self, packet: PacketId) {
        self.0.lock().cancelled.insert(packet);
    }

    /// Whether a source may have taken a packet back.
    pub fn may_be_taken_back(&self, packet: PacketId) -> bool {
        self.0.lock().wanted_back.contains(&packet)
    }

    /// Whether a delivery may have come to an end otherwise than by a receipt.
    pub fn may_have_ended(&self, packet: PacketId, unit: &UnitCode) -> bool {
        self.may_be_taken_back(packet) || self.0.lock().unwanted.contains(&(packet, unit.clone()))
    }

    /// Whether a source knows that it has a packet back.
    pub fn is_cancelled(&self, packet: PacketId) -> bool {
        self.0.lock().cancelled.contains(&packet)
    }

    /// The first octets of an acknowledged content, if it is long enough to be searched for.
    pub fn needle(&self, packet: PacketId) -> Option<Bytes> {
        let books = self.0.lock();
        let (_, needle) = books.tried.get(books.acknowledged.get(&packet)?)?;
        (needle.len() == NEEDLE).then(|| needle.clone())
    }

    /// Whether enough contents of that size are sampled.
    pub fn is_sampled(&self, large: bool) -> bool {
        let books = self.0.lock();
        if large {
            books.large.len() >= 2 * remains::LARGE_MAX
        } else {
            books.small.len() >= 2 * remains::SMALL_MAX
        }
    }

    /// These must be nowhere in the end.
    pub fn sampled(&self, large: bool, samples: [Sample; 2]) {
        let mut books = self.0.lock();
        if large { books.large.extend(samples) } else { books.small.extend(samples) }
    }

    /// What must be nowhere in the end.
    pub fn samples(&self) -> Vec<Sample> {
        let books = self.0.lock();
        books.small.iter().chain(&books.large).cloned().collect()
    }

    /// What is wrong with a run in which next to nothing happened.
    pub fn too_little(&self, seconds: u64) -> Vec<String> {
        let books = self.0.lock();
        let least = seconds / SECONDS_A_PACKET;
        let counts =
            [("acknowledged", books.acknowledged.len()), ("confirmed", books.confirmed.len())];
        let few = counts.into_iter().filter(|(_, count)| (*count as u64) < least);
        few.map(|(what, count)| format!("only {count} were {what}, {least} would be little"))
            .collect()
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
            "tried {}, acknowledged {}, received {}, confirmed {}, rejected {}, cancelled {}",
            books.tried.len(),
            books.acknowledged.len(),
            books.received_count,
            books.confirmed.len(),
            books.rejected.len(),
            books.cancelled.len(),
        )
    }

    fn acknowledged_packets(&self) -> Vec<PacketId> {
        self.0.lock().acknowledged.keys().copied().collect()
    }

    /// All that must come to an end.
    pub fn answered_packets(&self) -> BTreeSet<PacketId> {
        let books = self.0.lock();
        books.acknowledged.keys().chain(&books.cancelled).copied().collect()
    }

    fn is_end(&self, packet: PacketId, state: PacketState) -> bool {
        match state {
            PacketState::Completed => true,
            PacketState::Rejected => {
                self.0.lock().unwanted.iter().any(|(unwanted, _)| *unwanted == packet)
            }
            PacketState::Cancelled => self.may_be_taken_back(packet),
            _ => false,
        }
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
        for packet in ledger.answered_packets() {
            match view.packet(packet) {
                None => {
                    open.push(format!("node {node} does not know {packet}, which was acknowledged"))
                }
                Some(record) if !ledger.is_end(packet, record.state) => {
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

/// Nodes that cannot keep their promises, and why.
pub async fn stopped(world: &World) -> Vec<String> {
    sleep(STOPPED_WITHIN).await;
    let failure = |node| world.consensus(node)?.status().failure.map(|why| (node, why));
    let stopped = world.nodes().into_iter().filter_map(failure);
    stopped.map(|(node, why)| format!("node {node} has stopped: {why}")).collect()
}

/// The loss itself: what was acknowledged and is nowhere any more.
pub fn losses(world: &World, ledger: &Ledger) -> Vec<String> {
    let alive: Vec<_> = world
        .nodes()
        .into_iter()
        .filter_map(|node| Some((world.consensus(node)?, world.content(node)?)))
        .filter(|(consensus, _)| consensus.status().role != Role::Stopped)
        .collect();
    if (alive.len() as u64) <= NODE_COUNT / 2 {
        // Without a majority nobody can say what is lost; what stopped the nodes is told elsewhere.
        return Vec::new();
    }
    let mut lost = Vec::new();
    for packet in ledger.acknowledged_packets() {
        let records: Vec<_> = alive
            .iter()
            .filter_map(|(consensus, _)| View::new(&*consensus.view()).packet(packet))
            .collect();
        if records.is_empty() {
            lost.push(format!("{packet} is lost: it was acknowledged, and no node knows it"));
        }
        let open = records.iter().all(|record| !record.state.is_terminal());
        let held = |space| alive.iter().any(|(_, content)| content.holds(space));
        if open && records.first().is_some_and(|record| !held(record.space)) {
            lost.push(format!(
                "{packet} is lost: it was acknowledged, and no node holds its content"
            ));
        }
    }
    lost.truncate(VIOLATIONS_MAX);
    lost
}

/// What must hold at the end, when nothing moves any more.
pub async fn final_checks(world: &World, ledger: &Ledger) -> Vec<String> {
    let mut wrong = states_agree(world).await;
    wrong.extend(records_say_what_happened(world, ledger));
    wrong.extend(nobody_is_left_guessing(world, ledger));
    wrong.extend(nothing_in_the_clear(world, ledger));
    wrong.extend(histories_agree(world).await);
    wrong
}

/// Every node has every fact that the states count, and proves it under the one root that they agree on.
async fn histories_agree(world: &World) -> Vec<String> {
    let mut wrong = Vec::new();
    for node in world.nodes() {
        let (Some(consensus), Some(exchange)) = (world.consensus(node), world.exchange(node))
        else {
            continue;
        };
        // What it lacked is fetched meanwhile; whoever is never whole is wrong.
        let deadline = tokio::time::Instant::now() + QUIET_WITHIN;
        while exchange.past().status().missing > 0 && tokio::time::Instant::now() < deadline {
            sleep(Duration::from_millis(200)).await;
        }
        let status = exchange.past().status();
        if status.missing > 0 {
            wrong.push(format!("node {node} never got all facts: {status:?}"));
            continue;
        }
        let head = View::new(&*consensus.view()).history().head();
        let last = head.size.saturating_sub(1);
        let sample = [0, 1, last / 3, last / 2, last.saturating_sub(1), last];
        for position in sample.into_iter().filter(|position| *position < head.size) {
            let proof = exchange.receipts().prove_fact(position, Some(head.size)).await;
            let proved = proof.is_ok_and(|proof| proof.inclusion.root(proof.leaf) == Ok(head.root));
            if !proved {
                wrong.push(format!("node {node} does not prove fact {position} of {}", head.size));
            }
        }
    }
    wrong
}

/// What the state says of each packet, against what the offices were told, sent and got.
fn records_say_what_happened(world: &World, ledger: &Ledger) -> Vec<String> {
    let books = ledger.0.lock();
    let mut wrong = Vec::new();
    for node in world.nodes() {
        let Some(consensus) = world.consensus(node) else { continue };
        let reader = consensus.view();
        let view = View::new(&*reader);
        for (packet, digest) in &books.acknowledged {
            // A packet that is not there was told of by `unsettled`.
            let Some(record) = view.packet(*packet) else { continue };
            let targets: BTreeSet<_> = books.tried[digest].0.iter().collect();
            if record.digest != Some(*digest) {
                wrong.push(format!("{packet} has another digest on node {node} than was sent"));
            }
            if record.deliveries.iter().map(|delivery| &delivery.target).collect::<BTreeSet<_>>()
                != targets
            {
                wrong.push(format!("{packet} has other targets on node {node} than were named"));
            }
            let answered = |delivery: &&DeliveryRecord| {
                matches!(delivery.state, DeliveryState::Confirmed | DeliveryState::Rejected)
            };
            for target in record.deliveries.iter().filter(answered).map(|delivery| &delivery.target)
            {
                match books.received.get(&(*packet, target.clone())) {
                    None => wrong.push(format!("{target} has answered {packet} and never got it")),
                    Some(got) if got != digest => {
                        wrong.push(format!("{packet} reached {target} as another content"));
                    }
                    Some(_) => {}
                }
            }
        }
        let answers = [
            ("receipt", &books.confirmed, DeliveryState::Confirmed),
            ("refusal", &books.rejected, DeliveryState::Rejected),
        ];
        for (what, answers, state) in answers {
            for (packet, unit) in answers {
                let record = view.packet(*packet);
                let delivery = record.as_ref().and_then(|record| record.delivery_to(unit));
                if delivery.is_none_or(|delivery| delivery.state != state) {
                    wrong.push(format!("the {what} of {unit} for {packet} is lost on node {node}"));
                }
            }
        }
        for packet in &books.cancelled {
            // It was open when it was taken back, so somebody will not get it.
            let back = |delivery: &DeliveryRecord| delivery.state == DeliveryState::Cancelled;
            if !view.packet(*packet).is_some_and(|record| record.deliveries.iter().any(back)) {
                wrong.push(format!("{packet} was taken back, and node {node} does not know it"));
            }
        }
    }
    wrong.truncate(VIOLATIONS_MAX);
    wrong
}

/// Whoever sent or was to receive is told of every step once, in a feed without holes.
fn nobody_is_left_guessing(world: &World, ledger: &Ledger) -> Vec<String> {
    let mut wrong = Vec::new();
    for node in world.nodes() {
        let Some(consensus) = world.consensus(node) else { continue };
        let reader = consensus.view();
        let view = View::new(&*reader);
        let records: Vec<_> = ledger
            .answered_packets()
            .into_iter()
            .filter_map(|packet| view.packet(packet))
            .collect();
        let targets = |record: &PacketRecord| {
            record.deliveries.iter().map(|delivery| delivery.target.clone()).collect::<Vec<_>>()
        };
        let mut units: BTreeSet<UnitCode> = records.iter().flat_map(targets).collect();
        units.extend(records.iter().map(|record| record.source.clone()));
        let mut told = BTreeMap::<_, u32>::new();
        for unit in units {
            let feed = view.feed(&unit, 0, usize::MAX);
            if feed.reset.is_some() {
                wrong.push(format!("the feed of {unit} is too long for this check"));
            }
            let holes = feed.events.iter().zip(1..).any(|(event, place)| event.position != place);
            if holes || feed.events.len() as u64 != feed.last {
                wrong.push(format!("the feed of {unit} has holes on node {node}"));
            }
            for event in feed.events {
                let About::Packet(news) = event.about else { continue };
                let about = news.target.filter(|_| event.kind != EventKind::Completed);
                *told
                    .entry((unit.clone(), news.packet, event.kind.as_str(), about))
                    .or_default() += 1;
            }
        }
        for record in records {
            let mut due = Vec::new();
            for delivery in &record.deliveries {
                let target = Some(delivery.target.clone());
                if record.sealed_at.is_some() {
                    due.push((&delivery.target, EventKind::Available, target.clone()));
                }
                match delivery.state {
                    // Of a single target the completion says the same.
                    DeliveryState::Confirmed if record.deliveries.len() > 1 => {
                        due.push((&record.source, EventKind::Confirmed, target));
                    }
                    DeliveryState::Rejected => {
                        due.push((&record.source, EventKind::Rejected, target));
                    }
                    DeliveryState::Cancelled if record.sealed_at.is_some() => {
                        due.push((&delivery.target, EventKind::Cancelled, target));
                    }
                    _ => {}
                }
            }
            if record.state == PacketState::Completed {
                due.push((&record.source, EventKind::Completed, None));
            }
            for (unit, kind, about) in due {
                let kind = kind.as_str();
                let count = told.remove(&(unit.clone(), record.packet, kind, about));
                if count != Some(1) {
                    let count = count.unwrap_or(0);
                    wrong.push(format!("{unit} was told {count} times on node {node}: {kind}"));
                }
            }
        }
        let answered = ledger.answered_packets();
        let too_much = told.into_keys().filter(|(_, packet, ..)| answered.contains(packet));
        wrong.extend(too_much.map(|told| format!("nothing of the kind happened: {told:?}")));
    }
    wrong.truncate(VIOLATIONS_MAX);
    wrong
}

/// All that became of the acknowledged packets, in a few characters: two runs of a seed that differ
/// anywhere differ here.
pub fn history(world: &World, ledger: &Ledger) -> String {
    let mut hash = Sha256::new();
    let consensus = world.nodes().into_iter().find_map(|node| world.consensus(node));
    if let Some(consensus) = consensus {
        let reader = consensus.view();
        let view = View::new(&*reader);
        for packet in ledger.acknowledged_packets() {
            hash.update(format!("{packet} {:?}\n", view.packet(packet)));
        }
    }
    hash.finalize().iter().take(8).map(|octet| format!("{octet:02x}")).collect()
}

async fn states_agree(world: &World) -> Vec<String> {
    let mut seen = BTreeMap::new();
    // Clocks tick on in the state, so the nodes are compared until they stand at the same entry.
    for _ in 0..200 {
        seen.clear();
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
        sleep(Duration::from_millis(100)).await;
    }
    vec![format!("the nodes' states differ: {seen:?}{}", tables_that_differ(world))]
}

/// In which tables the states differ, and the sums of what was written.
fn tables_that_differ(world: &World) -> String {
    let nodes = world.nodes();
    let views: Vec<_> =
        nodes.iter().filter_map(|node| Some(world.consensus(*node)?.view())).collect();
    let sums: Vec<_> = views.iter().map(|view| View::new(&**view).sum()).collect();
    let mut rows: BTreeMap<Vec<u8>, BTreeMap<Vec<u8>, usize>> = BTreeMap::new();
    for view in &views {
        view.scan(&[], &[0xff; 64], &mut |key, value| {
            *rows.entry(key.to_vec()).or_default().entry(value.to_vec()).or_default() += 1;
            ControlFlow::Continue(())
        });
    }
    let same = |values: &BTreeMap<_, usize>| values.values().any(|count| *count == views.len());
    let differ: BTreeSet<u8> = rows
        .iter()
        .filter(|(_, values)| !same(values))
        .filter_map(|(key, _)| key.first().copied())
        .collect();
    format!("; in the tables {differ:?}; sums {sums:?}")
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
