//! Lanes of a large transfer: one to this node's disk, one to each other holder.
//!
//! Each lane has a window of [`WINDOW`] sealed frames, shared by all lanes and never copied. What
//! is durable where is counted in one place, on which the writer waits. A holder that would hold up a
//! majority is let fall behind: it gets no more frames from memory, and its lane reads the log here
//! instead, at the holder's own pace, beyond the end of the upload if need be.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use bytes::Bytes;
use model::{NodeId, PacketId, SpaceId};
use parking_lot::Mutex;
use tokio::{
    sync::{Notify, mpsc},
    time::{Instant, timeout, timeout_at},
};

use crate::{
    Error, FrameSink, FrameSource,
    behind::catch_up,
    layout::Layout,
    protocol::{self, AskAppend, Operation, Signal},
    record::Identity,
    serve::SYNC_EVERY,
    store::{Members, Store},
};

/// Frames on their way to one holder: a mebibyte, as much as the mesh keeps under way.
pub(crate) const WINDOW: usize = 8;
/// How long a lane that is not needed for a majority may hold up the others in all, before it falls behind.
const LAG_TIME: Duration = Duration::from_millis(500);
/// And beside that, a share of the time that the transfer takes without it: holders that differ a little
/// stay together.
const LAG_SHARE: u32 = 4;
/// How often the writer looks whether the others wait, too.
const LAG_STEP: Duration = Duration::from_millis(10);
/// A pause of the client does not count as time of the transfer beyond this.
const PAUSE_MAX: Duration = Duration::from_millis(500);
/// Lanes of this node that have fallen behind: each reads a piece of a file at a time. Beyond it a holder
/// is dropped, and fetches the whole content later.
pub(crate) const BEHIND_MAX: usize = 16;
/// How long a majority may take to make frames durable.
const SYNC_TIME: Duration = Duration::from_secs(15);
/// How long a lane whose writer is done waits for its holder's last word.
const LAST_WORD_TIME: Duration = Duration::from_secs(10);

/// What a lane carries.
#[derive(Clone)]
pub(crate) enum Order {
    Frame(Bytes),
    Sync,
}

#[derive(Clone, Copy)]
struct Reach {
    durable: u64,
    alive: bool,
}

/// How far each lane is.
#[derive(Default)]
pub(crate) struct Progress {
    reached: Mutex<Reached>,
    changed: Notify,
    /// The writer is done: what is in the log here is all there will be.
    done: AtomicBool,
}

#[derive(Default)]
struct Reached {
    nodes: BTreeMap<NodeId, Reach>,
    /// The highest epoch for which a holder took no more; 0 if none did.
    fenced: u32,
    /// A holder took no more because its disk is full.
    full: bool,
}

impl Progress {
    fn enter(&self, node: NodeId) {
        let mut reached = self.reached.lock();
        reached.nodes.insert(node, Reach { durable: 0, alive: true });
        // A lane that is opened again is a new try.
        reached.full = false;
    }

    fn durable(&self, node: NodeId, next: u64) {
        if let Some(reach) = self.reached.lock().nodes.get_mut(&node) {
            reach.durable = reach.durable.max(next);
        }
        self.changed.notify_waiters();
    }

    /// A lane is no more, and why if it failed.
    fn end(&self, node: NodeId, failed: Option<&Error>) {
        let mut reached = self.reached.lock();
        if let Some(reach) = reached.nodes.get_mut(&node) {
            reach.alive = false;
        }
        match failed {
            Some(Error::Fenced { epoch, .. }) => {
                reached.fenced = reached.fenced.max(*epoch).max(1);
            }
            Some(Error::Full | Error::TooMany) => reached.full = true,
            _ => {}
        }
        drop(reached);
        self.changed.notify_waiters();
    }

    fn is_alive(&self, node: NodeId) -> bool {
        self.reached.lock().nodes.get(&node).is_some_and(|reach| reach.alive)
    }

    fn done(&self) {
        self.done.store(true, Relaxed);
        self.changed.notify_waiters();
    }

    fn lacks(&self, node: NodeId, next: u64) -> bool {
        self.reached.lock().nodes.get(&node).is_some_and(|reach| reach.durable < next)
    }

    /// The nodes that have everything before a sequence durable.
    pub fn holders(&self, next: u64) -> Vec<NodeId> {
        let reached = self.reached.lock();
        let far = reached.nodes.iter().filter(|(_, reach)| reach.durable >= next);
        far.map(|(node, _)| *node).collect()
    }
}

/// All lanes of one writer.
pub(crate) struct Lanes {
    store: Arc<Store>,
    space: SpaceId,
    packet: PacketId,
    epoch: u32,
    identity: Identity,
    progress: Arc<Progress>,
    ways: BTreeMap<NodeId, Way>,
    /// How long the transfer has been under way, without the client's pauses.
    active: Duration,
    last_at: Option<Instant>,
}

/// The writer's end of a lane.
struct Way {
    /// Where its orders go; none once it has fallen behind.
    orders: Option<mpsc::Sender<Order>>,
    /// Told to a lane whose orders end.
    behind: Arc<AtomicBool>,
    /// How long the others have waited for it.
    waited: Duration,
}

impl Way {
    fn open() -> (Self, mpsc::Receiver<Order>) {
        let (orders, received) = mpsc::channel(WINDOW);
        (Self { orders: Some(orders), behind: Arc::default(), waited: Duration::ZERO }, received)
    }

    fn is_idle(&self) -> bool {
        self.orders.as_ref().is_some_and(|orders| orders.capacity() == orders.max_capacity())
    }
}

/// What became of an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sent {
    Yes,
    /// The lane takes its own time from here on.
    Behind,
    /// The lane is no more.
    No,
}

impl Lanes {
    /// Lanes without any way yet: `open` opens them.
    pub fn new(
        store: Arc<Store>,
        (space, packet, epoch): (SpaceId, PacketId, u32),
        identity: Identity,
    ) -> Self {
        let (progress, ways) = (Arc::default(), BTreeMap::new());
        let (active, last_at) = (Duration::ZERO, None);
        Self { store, space, packet, epoch, identity, progress, ways, active, last_at }
    }

    /// Opens the ways that are not open. The log here must hold the frames of `base`.
    pub fn open(&mut self, base: &Layout) {
        let progress = &self.progress;
        self.ways.retain(|node, way| match &way.orders {
            Some(orders) => !orders.is_closed(),
            None => progress.is_alive(*node),
        });
        let members = self.store.members();
        let store = self.store.clone();
        if !self.ways.contains_key(&members.node) {
            let (way, mut orders) = Way::open();
            self.progress.enter(members.node);
            let (progress, space, epoch) = (self.progress.clone(), self.space, self.epoch);
            let node = members.node;
            self.store.spawn(async move {
                let result = run_here(&store, (node, space, epoch), &mut orders, &progress).await;
                end(&progress, node, result);
            });
            self.ways.insert(node, way);
        }
        for peer in members.others() {
            if self.ways.contains_key(&peer) {
                continue;
            }
            let (way, orders) = Way::open();
            let behind = way.behind.clone();
            self.progress.enter(peer);
            let ask = AskAppend {
                space: self.space,
                packet: self.packet,
                epoch: self.epoch,
                identity: self.identity.encode().to_vec(),
                spans: base.spans(),
            };
            let (store, progress, base) = (self.store.clone(), self.progress.clone(), base.clone());
            self.store.spawn(async move {
                let result = run_peer(&store, peer, ask, base, (orders, behind), &progress).await;
                end(&progress, peer, result);
            });
            self.ways.insert(peer, way);
        }
    }

    /// Opens all ways anew, to those who vote now. What the lanes before still carry counts no more:
    /// their ends must not be taken for the ends of these.
    pub fn open_anew(&mut self, base: &Layout) {
        self.close();
        self.progress = Arc::default();
        self.open(base);
    }

    /// Hands an order to every lane; a lane that holds up the others falls behind.
    pub async fn send(&mut self, order: Order) -> Result<(), Error> {
        let members = self.store.members();
        let now = Instant::now();
        self.active += self.last_at.map_or(Duration::ZERO, |at| (now - at).min(PAUSE_MAX));
        let votes = |node: &NodeId| members.voters.contains(node);
        let live: Vec<NodeId> = self
            .ways
            .iter()
            .filter(|(_, way)| way.orders.is_some())
            .map(|(node, _)| *node)
            .collect();
        let mut left = live.iter().filter(|node| votes(node)).count();
        for node in live {
            // Without this one the transfer would end: it gets the time of a sync.
            let needed = node == members.node || votes(&node) && left <= members.majority();
            let sent = self.hand(node, order.clone(), needed, &members).await;
            if sent != Sent::Yes {
                left -= usize::from(votes(&node));
            }
            match sent {
                Sent::Yes => {}
                Sent::Behind => {
                    if let Some(way) = self.ways.get_mut(&node) {
                        way.behind.store(true, Relaxed);
                        way.orders = None;
                    }
                    tracing::info!(space = %self.space, %node, "a holder has fallen behind");
                }
                Sent::No => {
                    self.ways.remove(&node);
                    self.progress.end(node, None);
                    tracing::info!(space = %self.space, %node, "a holder was dropped");
                }
            }
        }
        self.last_at = Some(Instant::now());
        let there = |(node, way): &(&NodeId, &Way)| {
            votes(node) && (way.orders.is_some() || self.progress.is_alive(**node))
        };
        let voters = self.ways.iter().filter(there).count();
        if voters < members.majority() || !self.ways.contains_key(&members.node) {
            return Err(self.trouble());
        }
        Ok(())
    }

    /// Hands an order to one lane, and waits for room in it.
    async fn hand(&mut self, node: NodeId, order: Order, needed: bool, members: &Members) -> Sent {
        let Some(orders) = self.ways.get(&node).and_then(|way| way.orders.clone()) else {
            return Sent::No;
        };
        let order = match orders.try_send(order) {
            Ok(()) => return Sent::Yes,
            Err(mpsc::error::TrySendError::Closed(_)) => return Sent::No,
            Err(mpsc::error::TrySendError::Full(order)) => order,
        };
        if needed {
            return match timeout(SYNC_TIME, orders.send(order)).await {
                Ok(Ok(())) => Sent::Yes,
                _ => Sent::No,
            };
        }
        let mut begun = Instant::now();
        loop {
            match timeout(LAG_STEP, orders.reserve()).await {
                Ok(Ok(room)) => {
                    room.send(order);
                    self.active += begun.elapsed();
                    return Sent::Yes;
                }
                Ok(Err(_)) => return Sent::No,
                Err(_) => {}
            }
            let spent = begun.elapsed();
            begun = Instant::now();
            // A majority that is busy itself is held up by nobody.
            let idle = |(other, way): &(&NodeId, &Way)| {
                **other != node && members.voters.contains(other) && way.is_idle()
            };
            let held_up = self.ways.iter().filter(idle).count() >= members.majority();
            let Some(way) = self.ways.get_mut(&node) else { return Sent::No };
            if held_up {
                way.waited += spent;
            } else {
                self.active += spent;
            }
            if way.waited > LAG_TIME + self.active / LAG_SHARE {
                return Sent::Behind;
            }
        }
    }

    fn trouble(&self) -> Error {
        let space = self.space;
        match &*self.progress.reached.lock() {
            Reached { fenced: epoch @ 1.., .. } => Error::Fenced { space, epoch: *epoch },
            Reached { full: true, .. } => self.store.alive().err().unwrap_or(Error::Full),
            _ => self.store.check_alive_here(space).err().unwrap_or(Error::Unavailable { space }),
        }
    }

    /// Waits until this node and a majority have everything before `next` durable.
    pub async fn wait(&self, next: u64) -> Result<(), Error> {
        let deadline = Instant::now() + SYNC_TIME;
        loop {
            let changed = self.progress.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            match self.settled(next) {
                Some(true) => return Ok(()),
                Some(false) => return Err(self.trouble()),
                None => {}
            }
            if timeout_at(deadline, changed).await.is_err() {
                return Err(self.trouble());
            }
        }
    }

    /// Whether it is so, or cannot become so any more.
    pub fn settled(&self, next: u64) -> Option<bool> {
        let members = self.store.members();
        let reached = self.progress.reached.lock();
        let here = reached.nodes.get(&members.node)?;
        let count = |test: &dyn Fn(&Reach) -> bool| {
            members.voters.iter().filter(|node| reached.nodes.get(node).is_some_and(test)).count()
        };
        let durable = |reach: &Reach| reach.durable >= next;
        if durable(here) && count(&durable) >= members.majority() {
            return Some(true);
        }
        let possible = count(&|reach| reach.alive || durable(reach)) >= members.majority();
        (reached.fenced > 0 || !possible || !(here.alive || durable(here))).then_some(false)
    }

    /// Waits a little longer for all lanes that are alive.
    pub async fn linger(&self, next: u64, patience: Duration) {
        let deadline = Instant::now() + patience;
        loop {
            let changed = self.progress.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            let settled = |reach: &Reach| !reach.alive || reach.durable >= next;
            let done = self.progress.reached.lock().nodes.values().all(settled);
            if done || timeout_at(deadline, changed).await.is_err() {
                return;
            }
        }
    }

    /// The voters that have everything before `next` durable.
    pub fn holders(&self, next: u64) -> Vec<NodeId> {
        let members = self.store.members();
        let mut holders = self.progress.holders(next);
        holders.retain(|node| members.voters.contains(node));
        holders
    }

    /// Ends the lanes: what they carry still arrives, and those that are behind go on to the end of
    /// what is here.
    pub fn close(&mut self) {
        self.ways.clear();
        self.progress.done();
    }
}

impl Drop for Lanes {
    fn drop(&mut self) {
        self.close();
    }
}

/// Tells why a lane has ended, before its way is closed: whoever finds it closed asks why.
fn end(progress: &Progress, node: NodeId, result: Result<(), Error>) {
    if let Err(error) = &result {
        tracing::info!(%node, %error, "a lane of a transfer has ended");
    }
    progress.end(node, result.as_ref().err());
}

async fn run_here(
    store: &Store,
    (node, space, epoch): (NodeId, SpaceId, u32),
    orders: &mut mpsc::Receiver<Order>,
    progress: &Progress,
) -> Result<(), Error> {
    let (mut batch, mut unsynced) = (Vec::with_capacity(WINDOW), 0);
    while let Some(order) = orders.recv().await {
        let mut sync = false;
        let mut next = Some(order);
        while let Some(order) = next.take() {
            match order {
                Order::Frame(frame) => {
                    unsynced += frame.len();
                    batch.push(frame);
                }
                Order::Sync => sync = true,
            }
            if !sync && batch.len() < WINDOW {
                next = orders.try_recv().ok();
            }
        }
        let mut log = store.lock_space(space, None).await?;
        store.append(&mut log, epoch, &batch).await?;
        batch.clear();
        if sync || unsynced >= SYNC_EVERY {
            unsynced = 0;
            store.sync_space(&mut log).await?;
            progress.durable(node, log.layout.next);
        }
    }
    Ok(())
}

async fn run_peer(
    store: &Store,
    peer: NodeId,
    ask: AskAppend,
    base: Layout,
    (mut orders, behind): (mpsc::Receiver<Order>, Arc<AtomicBool>),
    progress: &Progress,
) -> Result<(), Error> {
    let space = ask.space;
    let gone = || Error::Unavailable { space };
    let header = protocol::message(Operation::Append, &ask);
    let (mut sink, mut source) = store.peers.open_stream(peer, header).await.map_err(|_| gone())?;
    let first = timeout(LAST_WORD_TIME, source.next()).await.ok().flatten().ok_or_else(gone)?;
    let from = match Signal::parse(&first) {
        Some(Signal::From(from)) if from <= base.next => from,
        word => return Err(refusal(word, space)),
    };
    let (mut sent, _) = catch_up(store, space, &base, (from, None), &mut *sink).await?;
    loop {
        tokio::select! {
            order = orders.recv() => {
                let frame = match order {
                    None => break,
                    Some(Order::Sync) => Signal::Sync.encode(),
                    Some(Order::Frame(frame)) => {
                        sent += 1;
                        frame
                    }
                };
                sink.send(frame).await.map_err(|_| gone())?;
            }
            word = source.next() => note(peer, space, word, progress)?,
        }
    }
    if behind.load(Relaxed) {
        let _room = store.behind.try_acquire().map_err(|_| gone())?;
        sent = trail(store, peer, space, sent, (&mut *sink, &mut *source), progress).await?;
    }
    // The writer is done; its last frames still count for this holder.
    let deadline = Instant::now() + LAST_WORD_TIME;
    sink.send(Signal::Sync.encode()).await.map_err(|_| gone())?;
    while progress.lacks(peer, sent) {
        note(peer, space, timeout_at(deadline, source.next()).await.ok().flatten(), progress)?;
    }
    Ok(())
}

/// Sends what is in the log here and what comes into it, from a sequence on, until the writer is done;
/// gives the next sequence.
async fn trail(
    store: &Store,
    peer: NodeId,
    space: SpaceId,
    mut sent: u64,
    (sink, source): (&mut dyn FrameSink, &mut dyn FrameSource),
    progress: &Progress,
) -> Result<u64, Error> {
    let mut at = None;
    loop {
        let changed = progress.changed.notified();
        tokio::pin!(changed);
        changed.as_mut().enable();
        let done = progress.done.load(Relaxed);
        let layout = store.lock_space(space, None).await?.layout.clone();
        if sent < layout.next {
            let (next, end) = catch_up(store, space, &layout, (sent, at), sink).await?;
            (sent, at) = (next, Some(end));
            let synced = sink.send(Signal::Sync.encode()).await;
            synced.map_err(|_| Error::Unavailable { space })?;
        } else if done {
            return Ok(sent);
        } else {
            tokio::select! {
                () = changed => {}
                word = source.next() => note(peer, space, word, progress)?,
            }
        }
    }
}

fn note(
    peer: NodeId,
    space: SpaceId,
    word: Option<Bytes>,
    progress: &Progress,
) -> Result<(), Error> {
    match word.as_deref().and_then(Signal::parse) {
        Some(Signal::Durable(next)) => {
            progress.durable(peer, next);
            Ok(())
        }
        word => Err(refusal(word, space)),
    }
}

/// Why a holder takes nothing, or nothing more.
fn refusal(word: Option<Signal>, space: SpaceId) -> Error {
    match word {
        Some(Signal::Refused(epoch @ 1..)) => Error::Fenced { space, epoch },
        Some(Signal::Full) => Error::Full,
        _ => Error::Unavailable { space },
    }
}
