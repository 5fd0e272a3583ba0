//! A harness: some stores in one process, on simulated disks, with peers in memory.

mod crashes;
mod formats;
mod garbled;
mod large;
mod real;
mod repairs;
mod sealed;
mod small;
mod takeovers;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use bytes::Bytes;
use futures_util::future::BoxFuture;
use model::{NodeId, PacketId, SpaceId};
use parking_lot::Mutex;
use tokio::sync::{mpsc, watch};
use zeroize::Zeroizing;

use crate::{
    Claim, Content, ContentKey, Error, FrameSink, FrameSource, FrameStream, KeyError, KeySealer,
    Options, PeerError, Peers, Random, SimDisk, seal::digest_of,
};

/// A small generator, so that a seed is a whole test.
#[derive(Clone)]
pub(super) struct Dice(u64);

impl Dice {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x2545_f491_4f6c_dd1d) ^ 0x9e37_79b9)
    }
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
    pub fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }
    pub fn octets(&mut self, len: usize) -> Vec<u8> {
        let mut octets = Vec::with_capacity(len + 8);
        while octets.len() < len {
            octets.extend_from_slice(&self.next().to_be_bytes());
        }
        octets.truncate(len);
        octets
    }
}

/// A cluster key for tests.
pub(super) struct TestKeys(LessSafeKey);

impl TestKeys {
    pub fn new() -> Arc<Self> {
        let key = UnboundKey::new(&AES_256_GCM, &[7; 32]).expect("32 octets");
        Arc::new(Self(LessSafeKey::new(key)))
    }
}

impl KeySealer for TestKeys {
    fn seal(&self, aad: &[u8], key: &ContentKey) -> Result<Vec<u8>, KeyError> {
        let mut input = aad.to_vec();
        input.extend_from_slice(&key[..]);
        let nonce: [u8; 12] = digest_of(&input).0[..12].try_into().expect("12 of 32");
        let mut sealed = key.to_vec();
        let nonce_of = Nonce::assume_unique_for_key(nonce);
        self.0
            .seal_in_place_append_tag(nonce_of, Aad::from(aad), &mut sealed)
            .map_err(|_| KeyError)?;
        sealed.extend_from_slice(&nonce);
        Ok(sealed)
    }

    fn open(&self, aad: &[u8], sealed: &[u8]) -> Result<ContentKey, KeyError> {
        let (body, nonce) = sealed.split_last_chunk::<12>().ok_or(KeyError)?;
        let mut body = body.to_vec();
        let nonce = Nonce::assume_unique_for_key(*nonce);
        let plain = self.0.open_in_place(nonce, Aad::from(aad), &mut body).map_err(|_| KeyError)?;
        Ok(Zeroizing::new(plain.try_into().map_err(|_| KeyError)?))
    }
}

/// Changes the answer to a message of a node.
pub(super) type Twist = Arc<dyn Fn(NodeId, &Bytes, Bytes) -> Bytes + Send + Sync>;

#[derive(Default)]
struct Wires {
    stores: BTreeMap<NodeId, Content>,
    cut: BTreeSet<(NodeId, NodeId)>,
    /// What becomes of answers on their way: a peer whose program is not ours.
    twist: Option<Twist>,
    /// Nodes on a narrow line, and how long a frame of a stream takes to them.
    narrow: BTreeMap<NodeId, Duration>,
    streams: Vec<(NodeId, tokio::task::AbortHandle)>,
}

/// What lies between the stores.
#[derive(Clone)]
pub(super) struct Net {
    wires: Arc<Mutex<Wires>>,
    changes: watch::Sender<u64>,
    pub messages: Arc<AtomicU64>,
}

struct NetPeers {
    net: Net,
    me: NodeId,
}

struct End {
    net: Net,
    pair: (NodeId, NodeId),
    frames: mpsc::Sender<Bytes>,
}

struct Start {
    net: Net,
    pair: (NodeId, NodeId),
    frames: mpsc::Receiver<Bytes>,
}

impl Net {
    pub fn new() -> Self {
        Self { wires: Arc::default(), changes: watch::channel(0).0, messages: Arc::default() }
    }
    fn is_open(&self, a: NodeId, b: NodeId) -> bool {
        !self.wires.lock().cut.contains(&(a.min(b), a.max(b)))
    }
    fn store(&self, node: NodeId) -> Option<Content> {
        self.wires.lock().stores.get(&node).cloned()
    }
    pub fn cut(&self, a: u64, b: u64) {
        self.wires.lock().cut.insert((NodeId(a.min(b)), NodeId(a.max(b))));
        self.changes.send_modify(|count| *count += 1);
    }
    pub fn twist(&self, twist: Option<Twist>) {
        self.wires.lock().twist = twist;
    }
    pub fn narrow(&self, node: u64, a_frame: Duration) {
        self.wires.lock().narrow.insert(NodeId(node), a_frame);
    }
    pub fn mend(&self) {
        self.wires.lock().cut.clear();
    }
    fn remove(&self, node: NodeId) {
        let mut wires = self.wires.lock();
        wires.stores.remove(&node);
        wires.streams.retain(|(server, task)| {
            if *server == node {
                task.abort();
            }
            *server != node
        });
        drop(wires);
        self.changes.send_modify(|count| *count += 1);
    }
}

impl Peers for NetPeers {
    fn request(&self, to: NodeId, message: Bytes) -> BoxFuture<'static, Result<Bytes, PeerError>> {
        let (net, me) = (self.net.clone(), self.me);
        Box::pin(async move {
            assert!(message.len() <= crate::MESSAGE_MAX, "a message of {} octets", message.len());
            net.messages.fetch_add(1, Relaxed);
            tokio::time::sleep(Duration::from_micros(300)).await;
            let store =
                net.store(to).filter(|_| net.is_open(me, to)).ok_or(PeerError::Unreachable)?;
            let mut answer = store.handle(me, message.clone()).await;
            let twist = net.wires.lock().twist.clone();
            if let Some(twist) = twist {
                answer = twist(to, &message, answer);
            }
            tokio::time::sleep(Duration::from_micros(300)).await;
            let arrives = net.is_open(me, to) && net.store(to).is_some();
            if arrives { Ok(answer) } else { Err(PeerError::Deadline) }
        })
    }

    fn open_stream(
        &self,
        to: NodeId,
        header: Bytes,
    ) -> BoxFuture<'static, Result<FrameStream, PeerError>> {
        let (net, me) = (self.net.clone(), self.me);
        Box::pin(async move {
            let store =
                net.store(to).filter(|_| net.is_open(me, to)).ok_or(PeerError::Unreachable)?;
            let pair = (me, to);
            let (there, at_there) = mpsc::channel(4);
            let (back, at_here) = mpsc::channel(4);
            let ends =
                |frames| Box::new(End { net: net.clone(), pair, frames }) as Box<dyn FrameSink>;
            let starts =
                |frames| Box::new(Start { net: net.clone(), pair, frames }) as Box<dyn FrameSource>;
            let (sink, source) = (ends(back), starts(at_there));
            let task =
                tokio::spawn(async move { store.handle_stream(me, header, sink, source).await });
            net.wires.lock().streams.push((to, task.abort_handle()));
            Ok((ends(there), starts(at_here)))
        })
    }
}

impl FrameSink for End {
    fn send(&mut self, frame: Bytes) -> BoxFuture<'_, Result<(), PeerError>> {
        Box::pin(async move {
            assert!(frame.len() <= 1 << 20);
            if !self.net.is_open(self.pair.0, self.pair.1) {
                return Err(PeerError::Unreachable);
            }
            let narrow = self.net.wires.lock().narrow.get(&self.pair.1).copied();
            if let Some(a_frame) = narrow {
                tokio::time::sleep(a_frame).await;
            }
            self.frames.send(frame).await.map_err(|_| PeerError::Unreachable)
        })
    }
}

impl FrameSource for Start {
    fn next(&mut self) -> BoxFuture<'_, Option<Bytes>> {
        Box::pin(async move {
            let mut changes = self.net.changes.subscribe();
            loop {
                if !self.net.is_open(self.pair.0, self.pair.1) {
                    return None;
                }
                tokio::select! {
                    frame = self.frames.recv() => return frame,
                    _ = changes.changed() => {}
                }
            }
        })
    }
}

/// Some stores and their disks.
pub(super) struct Cluster {
    pub net: Net,
    pub disks: BTreeMap<u64, SimDisk>,
    pub keys_drawn: Arc<Mutex<Vec<Vec<u8>>>>,
    dice: Arc<Mutex<Dice>>,
    pub reserve: u64,
}

impl Cluster {
    /// `count` stores with numbers from 1, all of them voters.
    pub async fn new(seed: u64, count: u64) -> Self {
        let disks =
            (1..=count).map(|node| (node, SimDisk::new(seed.wrapping_mul(100) + node))).collect();
        let dice = Arc::new(Mutex::new(Dice::new(seed)));
        let cluster = Self { net: Net::new(), disks, keys_drawn: Arc::default(), dice, reserve: 0 };
        for node in 1..=count {
            cluster.disks[&node].set_latency(Duration::from_millis(1));
            cluster.start(node).await.expect("an empty disk opens");
        }
        cluster
    }

    fn random(&self) -> Random {
        let (dice, drawn) = (self.dice.clone(), self.keys_drawn.clone());
        Arc::new(move |octets: &mut [u8]| {
            let random = dice.lock().octets(octets.len());
            octets.copy_from_slice(&random);
            drawn.lock().push(random);
        })
    }

    pub async fn start(&self, node: u64) -> Result<Content, Error> {
        let me = NodeId(node);
        let peers = Arc::new(NetPeers { net: self.net.clone(), me });
        let options = Options {
            disk: Arc::new(self.disks[&node].clone()),
            peers,
            keys: TestKeys::new(),
            random: self.random(),
            reserve: self.reserve,
            segment_bytes: 2 << 20,
        };
        let store = Content::open(options).await?;
        let voters: Vec<NodeId> = self.disks.keys().copied().map(NodeId).collect();
        store.set_members(me, &voters);
        self.net.wires.lock().stores.insert(me, store.clone());
        Ok(store)
    }

    /// One more store, on an empty disk, that does not vote.
    pub async fn join(&mut self, node: u64) -> Content {
        let voters: Vec<NodeId> = self.disks.keys().copied().map(NodeId).collect();
        self.disks.insert(node, SimDisk::new(node));
        let store = self.start(node).await.expect("an empty disk opens");
        store.set_members(NodeId(node), &voters);
        store
    }

    /// The power of one node goes off.
    pub async fn crash(&self, node: u64) {
        let store = self.net.store(NodeId(node));
        self.net.remove(NodeId(node));
        if let Some(store) = store {
            store.shutdown().await;
        }
        self.disks[&node].crash();
    }

    pub fn store(&self, node: u64) -> Content {
        self.net.store(NodeId(node)).expect("the node is on")
    }
}

pub(super) fn space(number: u128) -> SpaceId {
    SpaceId(number)
}

pub(super) fn claim(number: u128, epoch: u32) -> Claim {
    Claim { space: space(number), packet: packet(number), epoch }
}

pub(super) fn packet(number: u128) -> PacketId {
    PacketId(number)
}

/// Reads a range to its end.
pub(super) async fn read_all(
    store: &Content,
    id: SpaceId,
    range: Option<std::ops::Range<u64>>,
) -> Result<Vec<u8>, Error> {
    let mut reader = store.read(id, range, None).await?;
    let mut octets = Vec::new();
    while let Some(piece) = reader.next().await {
        octets.extend_from_slice(&piece?);
    }
    Ok(octets)
}
