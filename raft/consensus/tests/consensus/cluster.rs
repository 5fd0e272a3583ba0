//! Nodes in one process, joined by a network in memory that can be cut.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use consensus::{Clock, Consensus, Lane, Network, NetworkError, Options, Status, sim};
use futures_util::future::BoxFuture;
use model::{Moment, NodeId};
use parking_lot::Mutex;
use tokio::time::{Instant, timeout};

use crate::riders::Shelf;

/// Nothing in a test takes longer.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// The wires between the nodes.
#[derive(Clone, Default)]
pub struct Wires(Arc<Mutex<Plan>>);

#[derive(Default)]
struct Plan {
    nodes: BTreeMap<NodeId, Consensus>,
    cut: BTreeSet<NodeId>,
    mute: BTreeSet<NodeId>,
    /// Pairs (from, to): nothing gets from the first to the second.
    ways: BTreeSet<(NodeId, NodeId)>,
    bulk: u64,
    garble: Option<Garble>,
    messages: BTreeMap<u8, u64>,
    /// Of nodes whose other stores are files.
    facts: BTreeMap<NodeId, sim::Facts>,
}

/// Changes the answer to a message.
pub type Garble = fn(message: &[u8], answer: Bytes) -> Bytes;

impl Wires {
    pub fn attach(&self, id: NodeId, node: Consensus) {
        self.0.lock().nodes.insert(id, node);
    }

    /// The facts of a node, which outlive it.
    pub fn facts(&self, id: NodeId) -> sim::Facts {
        self.0.lock().facts.entry(id).or_default().clone()
    }

    pub fn detach(&self, id: NodeId) -> Option<Consensus> {
        self.0.lock().nodes.remove(&id)
    }

    /// Cuts a node off from all others.
    pub fn cut(&self, id: NodeId) {
        self.0.lock().cut.insert(id);
    }

    /// Whatever a node asks of others is lost; others reach it, and get its answers.
    pub fn mute(&self, id: NodeId) {
        self.0.lock().mute.insert(id);
    }

    /// Cuts ways: nothing gets from the first of a pair to the second, and nobody is told so.
    pub fn cut_ways(&self, ways: &[(NodeId, NodeId)]) {
        self.0.lock().ways = ways.iter().copied().collect();
    }

    /// Whether what is said now gets there.
    fn carries(&self, from: NodeId, to: NodeId) -> bool {
        !self.0.lock().ways.contains(&(from, to))
    }

    pub fn join(&self, id: NodeId) {
        let mut plan = self.0.lock();
        plan.cut.remove(&id);
        plan.mute.remove(&id);
    }

    /// Blocks of snapshots sent so far.
    pub fn bulk(&self) -> u64 {
        self.0.lock().bulk
    }

    /// Answers come changed from now on, or as they are.
    pub fn garble(&self, garble: Option<Garble>) {
        self.0.lock().garble = garble;
    }

    /// Messages of a kind sent so far.
    pub fn messages(&self, kind: u8) -> u64 {
        self.0.lock().messages.get(&kind).copied().unwrap_or_default()
    }

    fn way(&self, from: NodeId, to: NodeId) -> Option<Consensus> {
        let plan = self.0.lock();
        let open =
            !plan.cut.contains(&from) && !plan.cut.contains(&to) && !plan.mute.contains(&from);
        plan.nodes.get(&to).filter(|_| open).cloned()
    }
}

/// A node's end of the wires.
pub struct Socket {
    pub own: NodeId,
    pub wires: Wires,
}

impl Network for Socket {
    fn request(
        &self,
        to: NodeId,
        lane: Lane,
        message: Bytes,
    ) -> BoxFuture<'static, Result<Bytes, NetworkError>> {
        let (from, wires) = (self.own, self.wires.clone());
        Box::pin(async move {
            if lane == Lane::Bulk {
                wires.0.lock().bulk += 1;
            }
            let peer = wires.way(from, to);
            let peer = peer.ok_or_else(|| NetworkError::Unreachable("cut".into()))?;
            if !wires.carries(from, to) {
                return silence().await;
            }
            *wires.0.lock().messages.entry(message[1]).or_default() += 1;
            let asked = message.clone();
            let answer = tokio::spawn(async move { peer.handle(from, message).await }).await;
            let answer = answer.map_err(|_| NetworkError::NoAnswer("it died".into()))?;
            let garble = wires.0.lock().garble;
            let answer = garble.map_or(answer.clone(), |garble| garble(&asked, answer));
            // The answer needs the wire too.
            wires.way(from, to).ok_or_else(|| NetworkError::NoAnswer("cut".into()))?;
            if !wires.carries(to, from) {
                return silence().await;
            }
            Ok(answer)
        })
    }
}

/// What is lost on the way is waited for until the mesh gives up.
async fn silence() -> Result<Bytes, NetworkError> {
    tokio::time::sleep(Duration::from_secs(5)).await;
    Err(NetworkError::NoAnswer("lost on the way".into()))
}

/// A wall clock that runs with tokio's time and can be set wrong.
#[derive(Clone)]
pub struct WallClock {
    start: Instant,
    wrong_by: Arc<AtomicI64>,
}

impl WallClock {
    pub fn new() -> Self {
        Self { start: Instant::now(), wrong_by: Arc::default() }
    }

    pub fn set_wrong_by(&self, ms: i64) {
        self.wrong_by.store(ms, Ordering::Relaxed);
    }
}

impl WallClock {
    /// What a right clock shows.
    pub fn right(&self) -> Moment {
        Moment(1_795_000_000_000 + self.start.elapsed().as_millis() as u64)
    }
}

impl Clock for WallClock {
    fn now(&self) -> Moment {
        Moment(self.right().0.saturating_add_signed(self.wrong_by.load(Ordering::Relaxed)))
    }
}

/// One node on simulated disks.
pub struct Node {
    pub log: sim::Log,
    pub state: sim::State,
    pub facts: sim::Facts,
    pub clock: WallClock,
    pub shelf: Shelf,
    pub consensus: Option<Consensus>,
}

/// A cluster on simulated disks, with virtual time.
pub struct Cluster {
    pub wires: Wires,
    pub nodes: BTreeMap<NodeId, Node>,
    pub snapshot_entries: u64,
}

pub fn id(number: u64) -> NodeId {
    NodeId(number)
}

impl Cluster {
    pub fn new() -> Self {
        Self { wires: Wires::default(), nodes: BTreeMap::new(), snapshot_entries: 20_000 }
    }

    /// A founded cluster with nodes 1 to `size`, all voters.
    pub async fn of(size: u64) -> Self {
        let mut cluster = Self::new();
        cluster.grow(size).await;
        cluster
    }

    pub async fn grow(&mut self, size: u64) {
        self.start(id(1)).await;
        self.node(1).found(super::office::found()).await.expect("founded").expect("accepted");
        for number in 2..=size {
            super::office::admit(&self.node(1), id(number)).await;
            self.start(id(number)).await;
            self.node(1).admit(id(number)).await.expect("admitted");
        }
    }

    /// Starts a node on its disks, fresh ones if it has none.
    pub async fn start(&mut self, id: NodeId) {
        let mut options = Options::new(id, "unused");
        options.snapshot_entries = self.snapshot_entries;
        let node = self.nodes.entry(id).or_insert_with(|| Node {
            log: sim::Log::new(),
            state: sim::State::new(),
            facts: sim::Facts::new(),
            clock: WallClock::new(),
            shelf: Shelf::default(),
            consensus: None,
        });
        options.attachments = Arc::new(node.shelf.clone());
        let network = Arc::new(Socket { own: id, wires: self.wires.clone() });
        let clock = Arc::new(node.clock.clone());
        let facts = Arc::new(node.facts.clone());
        let stores = (&node.log, &node.state);
        let started = Consensus::start_with(options, stores, facts, network, clock).await;
        let consensus = started.expect("the node starts");
        self.wires.attach(id, consensus.clone());
        node.consensus = Some(consensus);
    }

    /// Stops a node as its program does: what it wrote is on its disk.
    pub async fn stop(&mut self, id: NodeId) {
        let node = self.nodes.get_mut(&id).expect("a node of the cluster");
        if let Some(consensus) = node.consensus.take() {
            consensus.shutdown().await;
        }
        self.wires.detach(id);
    }

    /// The power of a node fails.
    pub async fn crash(&mut self, id: NodeId) {
        let node = self.nodes.get_mut(&id).expect("a node of the cluster");
        node.log.crash();
        node.state.crash();
        node.facts.crash();
        node.shelf.crash();
        self.wires.detach(id);
        if let Some(consensus) = node.consensus.take() {
            consensus.kill().await;
        }
    }

    pub fn node(&self, number: u64) -> Consensus {
        let node = self.nodes.get(&id(number)).expect("a node of the cluster");
        node.consensus.clone().expect("the node runs")
    }

    pub fn running(&self) -> Vec<Consensus> {
        self.nodes.values().filter_map(|node| node.consensus.clone()).collect()
    }

    /// Waits until a node is in touch again: it answers a read that only a majority can confirm.
    pub async fn back(&self, number: u64) {
        let node = self.node(number);
        let read = async {
            while node.read_index().await.is_err() {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        timeout(PATIENCE, read).await.expect("it is back in time");
    }

    /// The node that leads, once one does and is followed by itself at least.
    pub async fn leader(&self) -> NodeId {
        let running = self.running();
        let found = async {
            loop {
                for node in &running {
                    if node.leads() && node.fresh().is_ok() {
                        return node.status().node;
                    }
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        timeout(PATIENCE, found).await.expect("somebody leads in time")
    }
}

/// Waits until a node's status is as wanted.
pub async fn until(node: &Consensus, what: &str, wanted: impl Fn(&Status) -> bool) {
    let mut status = node.watch_status();
    let reached = timeout(PATIENCE, status.wait_for(|status| wanted(status))).await;
    match reached {
        Ok(Ok(_)) => {}
        other => panic!("{what} did not happen: {other:?}, now {:?}", node.status()),
    }
}

/// Waits until a node has applied as much as another has now.
pub async fn caught_up(node: &Consensus, with: &Consensus) {
    let goal = with.status().applied.expect("something was applied");
    let mut applied = node.watch_applied();
    let reached = timeout(PATIENCE, applied.wait_for(|next| *next > goal)).await;
    assert!(matches!(reached, Ok(Ok(_))), "it did not catch up: {:?}", node.status());
}
