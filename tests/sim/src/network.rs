//! The network between simulated nodes: late, lossy, cut; and nobody answers for who has crashed.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use conductor::Exchange;
use consensus::{Consensus, Lane, Network, NetworkError};
use content::{Content, FrameSink, FrameSource, PeerError, Peers};
use futures_util::future::BoxFuture;
use model::{NodeId, SpaceId};
use parking_lot::Mutex;
use tokio::{sync::mpsc, time::sleep};

use crate::{clock::SimClock, dice::Dice};

/// How long a caller waits for an answer that was lost.
const DEADLINE: Duration = Duration::from_secs(5);
/// How long a caller waits for a connection to nobody.
const DIAL: Duration = Duration::from_millis(300);
/// Frames under way on a stream.
const FRAMES: usize = 4;

/// The two services of a node that peers speak to.
#[derive(Clone)]
pub struct Host {
    /// Its consensus.
    pub consensus: Consensus,
    /// Its contents; none while it starts.
    pub content: Option<Content>,
    /// Its doors; none while it starts.
    pub exchange: Option<Exchange>,
}

#[derive(Default)]
struct Wires {
    hosts: BTreeMap<NodeId, (u64, Host)>,
    lives: u64,
    /// Pairs (from, to) over which nothing passes.
    cut: BTreeSet<(NodeId, NodeId)>,
    lost_per_mille: u64,
    delay_max_ms: u64,
    message_count: u64,
    /// Planted: leaders that count their ticks by their wall clocks.
    ticking_by: BTreeMap<NodeId, Arc<SimClock>>,
}

/// Where the tick stands in an append: behind version, kind, and three numbers of the head.
const TICK_AT: std::ops::Range<usize> = 26..34;
/// The kind of an append.
const APPEND: u8 = 1;

/// The network. Clones are the same.
#[derive(Clone)]
pub struct Net {
    wires: Arc<Mutex<Wires>>,
    dice: Dice,
}

impl Net {
    /// A perfect network.
    pub fn new(dice: Dice) -> Self {
        let wires = Wires { delay_max_ms: 1, ..Wires::default() };
        Self { wires: Arc::new(Mutex::new(wires)), dice }
    }

    /// A node answers from now on, or answers with more than before.
    pub fn attach(&self, node: NodeId, host: Host) {
        let mut wires = self.wires.lock();
        wires.lives += 1;
        let life = wires.hosts.get(&node).map_or(wires.lives, |(life, _)| *life);
        wires.hosts.insert(node, (life, host));
    }

    /// A node is gone; what was on its way to or from it is lost.
    pub fn detach(&self, node: NodeId) {
        self.wires.lock().hosts.remove(&node);
    }

    /// Cuts one direction between two nodes.
    pub fn cut(&self, from: NodeId, to: NodeId) {
        self.wires.lock().cut.insert((from, to));
    }

    /// Sets loss and delay.
    pub fn weather(&self, lost_per_mille: u64, delay_max_ms: u64) {
        let mut wires = self.wires.lock();
        wires.lost_per_mille = lost_per_mille;
        wires.delay_max_ms = delay_max_ms.max(1);
    }

    /// Plants a bug: what a node tells as leader of its count jumps with its clock.
    pub fn tick_by(&self, node: NodeId, clock: &Arc<SimClock>) {
        self.wires.lock().ticking_by.insert(node, clock.clone());
    }

    /// The message as the sender's bug makes it.
    fn spoiled(&self, from: NodeId, message: Bytes) -> Bytes {
        let Some(clock) = self.wires.lock().ticking_by.get(&from).cloned() else { return message };
        match message.get(TICK_AT).and_then(|octets| octets.try_into().ok()) {
            Some(octets) if message[1] == APPEND => {
                let tick = u64::from_be_bytes(octets).saturating_add_signed(clock.offset_ms());
                let mut spoiled = message.to_vec();
                spoiled[TICK_AT].copy_from_slice(&tick.to_be_bytes());
                spoiled.into()
            }
            _ => message,
        }
    }

    /// Mends every cut, and the weather.
    pub fn heal(&self) {
        self.wires.lock().cut.clear();
        self.weather(0, 1);
    }

    /// Tells the others of a refused content; who does not hear it finds out later.
    pub async fn discard(&self, from: NodeId, space: SpaceId) {
        let others: Vec<_> =
            self.wires.lock().hosts.keys().copied().filter(|n| *n != from).collect();
        for other in others {
            if self.is_up(from, other)
                && let Some((_, host)) = self.host(other)
                && let Some(exchange) = host.exchange
            {
                exchange.discards().destroy_unnamed(space);
            }
        }
    }

    /// Facts of another node's history.
    pub async fn facts(&self, from: NodeId, to: NodeId, (at, size): (u64, u64)) -> Option<Bytes> {
        let (_, host) = self.host(to).filter(|_| self.is_up(from, to))?;
        let run = host.exchange?.past().facts_for(at, size).await;
        self.is_up(to, from).then(|| run.into())
    }

    /// Whether one node could hear another now.
    pub fn is_up(&self, from: NodeId, to: NodeId) -> bool {
        let wires = self.wires.lock();
        wires.hosts.contains_key(&to) && !wires.cut.contains(&(from, to))
    }

    /// Messages that were carried or lost so far.
    pub fn message_count(&self) -> u64 {
        self.wires.lock().message_count
    }

    fn host(&self, node: NodeId) -> Option<(u64, Host)> {
        self.wires.lock().hosts.get(&node).cloned()
    }

    fn alive(&self, node: NodeId, life: u64) -> bool {
        self.wires.lock().hosts.get(&node).is_some_and(|(now, _)| *now == life)
    }

    /// Carries something one way; says whether it arrived.
    async fn carry(&self, from: NodeId, to: NodeId) -> bool {
        let (lost, delay) = {
            let mut wires = self.wires.lock();
            wires.message_count += 1;
            let cut = wires.cut.contains(&(from, to));
            (
                cut || self.dice.chance(wires.lost_per_mille),
                self.dice.below(wires.delay_max_ms * 1000),
            )
        };
        sleep(Duration::from_micros(delay)).await;
        !lost
    }

    /// The way there: the host that the message reaches, or why not.
    async fn reach(&self, from: NodeId, to: NodeId) -> Result<(u64, Host), bool> {
        let Some((life, host)) = self.host(to) else {
            sleep(DIAL).await;
            return Err(false);
        };
        if !self.carry(from, to).await || !self.alive(to, life) {
            sleep(DEADLINE).await;
            return Err(true);
        }
        Ok((life, host))
    }

    /// The way back of an answer.
    async fn answered(&self, from: NodeId, to: NodeId, life: u64) -> bool {
        let arrived = self.alive(to, life) && self.carry(to, from).await;
        if !arrived {
            sleep(DEADLINE).await;
        }
        arrived
    }
}

/// One node's end of the network.
#[derive(Clone)]
pub struct Port {
    /// The network.
    pub net: Net,
    /// The node.
    pub node: NodeId,
}

impl Network for Port {
    fn request(
        &self,
        to: NodeId,
        _: Lane,
        message: Bytes,
    ) -> BoxFuture<'static, Result<Bytes, NetworkError>> {
        let (net, from) = (self.net.clone(), self.node);
        Box::pin(async move {
            let unreachable = || NetworkError::Unreachable("nobody is there".into());
            let lost = || NetworkError::NoAnswer("lost on the way".into());
            let (life, host) = match net.reach(from, to).await {
                Ok(reached) => reached,
                Err(false) => return Err(unreachable()),
                Err(true) => return Err(lost()),
            };
            let message = net.spoiled(from, message);
            let answer = host.consensus.handle(from, message).await;
            if net.answered(from, to, life).await { Ok(answer) } else { Err(lost()) }
        })
    }
}

impl Peers for Port {
    fn request(&self, to: NodeId, message: Bytes) -> BoxFuture<'static, Result<Bytes, PeerError>> {
        let (net, from) = (self.net.clone(), self.node);
        Box::pin(async move {
            let (life, host) = match net.reach(from, to).await {
                Ok(reached) => reached,
                Err(false) => return Err(PeerError::Unreachable),
                Err(true) => return Err(PeerError::Deadline),
            };
            let content = host.content.ok_or(PeerError::Unreachable)?;
            let answer = content.handle(from, message).await;
            if net.answered(from, to, life).await { Ok(answer) } else { Err(PeerError::Deadline) }
        })
    }

    fn open_stream(
        &self,
        to: NodeId,
        header: Bytes,
    ) -> BoxFuture<'static, Result<(Box<dyn FrameSink>, Box<dyn FrameSource>), PeerError>> {
        let (net, from) = (self.net.clone(), self.node);
        Box::pin(async move {
            let (life, host) = net.reach(from, to).await.map_err(|_| PeerError::Unreachable)?;
            let content = host.content.ok_or(PeerError::Unreachable)?;
            let pipe = |from, to, served| {
                let (sender, receiver) = mpsc::channel(FRAMES);
                let way = Way { net: net.clone(), from, to, served, life };
                (Sink { way, sender }, Source { receiver })
            };
            let (there_sink, there_source) = pipe(from, to, to);
            let (back_sink, back_source) = pipe(to, from, to);
            tokio::spawn(async move {
                let (sink, source) = (Box::new(back_sink), Box::new(there_source));
                content.handle_stream(from, header, sink, source).await;
            });
            Ok((Box::new(there_sink) as _, Box::new(back_source) as _))
        })
    }
}

/// One direction of a stream. It ends for both when the node that serves it has crashed.
struct Way {
    net: Net,
    from: NodeId,
    to: NodeId,
    served: NodeId,
    life: u64,
}

struct Sink {
    way: Way,
    sender: mpsc::Sender<Bytes>,
}

impl FrameSink for Sink {
    fn send(&mut self, frame: Bytes) -> BoxFuture<'_, Result<(), PeerError>> {
        Box::pin(async move {
            // A stream repeats what the network loses; only a cut or a crash ends it.
            let Way { net, from, to, served, life } = &self.way;
            while !net.carry(*from, *to).await {
                if net.wires.lock().cut.contains(&(*from, *to)) {
                    sleep(DEADLINE).await;
                    return Err(PeerError::Deadline);
                }
            }
            if !net.alive(*served, *life) {
                return Err(PeerError::Unreachable);
            }
            self.sender.send(frame).await.map_err(|_| PeerError::Unreachable)
        })
    }
}

struct Source {
    receiver: mpsc::Receiver<Bytes>,
}

impl FrameSource for Source {
    fn next(&mut self) -> BoxFuture<'_, Option<Bytes>> {
        Box::pin(self.receiver.recv())
    }
}
