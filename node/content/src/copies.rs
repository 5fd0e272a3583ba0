//! Copies of small contents: built once, sent to every other voter in batches.
//!
//! Each other voter has a bounded queue and a task that sends what has gathered in it, one batch at
//! a time. A put is acknowledged by its ballot when a majority has it durable; a copy that finds no
//! room or no peer is left to reconciliation.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, atomic::Ordering::Relaxed},
    time::Duration,
};

use bytes::{Bytes, BytesMut};
use futures_util::{StreamExt, stream::FuturesUnordered};
use model::{NodeId, SpaceId};
use parking_lot::{Mutex, RwLock};
use tokio::sync::{mpsc, oneshot};

use crate::{
    Error, MESSAGE_MAX, Metrics, Peers, SealedRecord, Stored,
    index::Index,
    membership::Members,
    protocol::{self, Operation, PREFIX},
    queue::{Queue, Queued, queue},
    seal::{Built, Sealer, SmallContent},
    segments::{Segments, Verdict},
    tasks::{Tasks, tell},
    volume::Volume,
};

/// Octets that may wait for one peer: a second of a fast link; beyond it the copy is fetched later.
const QUEUE_BYTES_MAX: u32 = 16 << 20;
/// Copies that may wait for one peer.
const QUEUE_COPIES_MAX: usize = 8192;
/// Batches under way to one peer. While one is synced there the next gathers: each batch costs a
/// message, a write and a sync at the peer, however small it is.
const WINDOW: usize = 1;
/// Times that a batch is sent: a connection that was just lost comes back at once or not soon.
const TRIES_MAX: u32 = 3;
/// The wait before the second try; the third waits twice that.
const TRY_WAIT: Duration = Duration::from_millis(100);
/// How long a put waits for its majority; longer than all tries, shorter than a client's patience.
const PUT_TIME: Duration = Duration::from_secs(8);

/// Counts the voters that hold a content.
struct Ballot {
    needed: usize,
    state: Mutex<Count>,
}

/// The holders, once they are a majority; else why they never will be.
type Counted = Result<Vec<NodeId>, Verdict>;

struct Count {
    holders: Vec<NodeId>,
    waiting: usize,
    /// The first verdict that was not `Durable`: the answer if the majority is missed.
    refused: Option<Verdict>,
    done: Option<oneshot::Sender<Counted>>,
}

impl Ballot {
    fn new(needed: usize, waiting: usize) -> (Arc<Self>, oneshot::Receiver<Counted>) {
        let (done, answer) = oneshot::channel();
        let state = Count {
            holders: Vec::with_capacity(waiting),
            waiting,
            refused: None,
            done: Some(done),
        };
        (Arc::new(Self { needed, state: Mutex::new(state) }), answer)
    }

    /// Counts a voter's verdict.
    fn cast(&self, node: NodeId, verdict: Verdict) {
        let mut state = self.state.lock();
        state.waiting = state.waiting.saturating_sub(1);
        if verdict == Verdict::Durable {
            state.holders.push(node);
        } else {
            state.refused.get_or_insert(verdict);
        }
        let result = if state.holders.len() >= self.needed {
            Ok(state.holders.clone())
        } else if state.holders.len() + state.waiting < self.needed {
            Err(state.refused.unwrap_or(Verdict::Failed))
        } else {
            return;
        };
        if let Some(done) = state.done.take() {
            tell(done, result);
        }
    }
}

/// A record on its way to a peer.
struct Outgoing {
    /// The record as a message of its own.
    message: Bytes,
    ballot: Arc<Ballot>,
}

/// The members, and the queue to each other voter.
#[derive(Default)]
struct Addressees {
    members: Arc<Members>,
    queues: BTreeMap<NodeId, Queue<Outgoing>>,
}

/// The copies of small contents that this node makes and takes.
pub(crate) struct Copies {
    segments: Arc<Segments>,
    index: Arc<Index>,
    volume: Arc<Volume>,
    peers: Arc<dyn Peers>,
    sealer: Arc<Sealer>,
    tasks: Arc<Tasks>,
    metrics: Arc<Metrics>,
    addressees: RwLock<Arc<Addressees>>,
}

impl Copies {
    pub fn new(
        segments: Arc<Segments>,
        index: Arc<Index>,
        volume: Arc<Volume>,
        peers: Arc<dyn Peers>,
        sealer: Arc<Sealer>,
        tasks: Arc<Tasks>,
        metrics: Arc<Metrics>,
    ) -> Self {
        let addressees = RwLock::default();
        Self { segments, index, volume, peers, sealer, tasks, metrics, addressees }
    }

    /// Opens queues to new voters; those to nodes that vote no more end.
    pub fn set_members(&self, members: Arc<Members>) {
        let mut addressees = self.addressees.write();
        let same_node = addressees.members.node == members.node;
        let queue_to = |peer| match addressees.queues.get(&peer) {
            Some(queue) if same_node => (peer, queue.clone()),
            _ => (peer, self.open_queue(peer)),
        };
        let queues = members.others().map(queue_to).collect();
        *addressees = Arc::new(Addressees { members, queues });
    }

    /// Ends all queues.
    pub fn close(&self) {
        *self.addressees.write() = Arc::default();
    }

    fn open_queue(&self, peer: NodeId) -> Queue<Outgoing> {
        let (sending, received) = queue(QUEUE_BYTES_MAX, QUEUE_COPIES_MAX);
        self.tasks.spawn(send_queued(self.peers.clone(), peer, received));
        sending
    }

    /// Whether a content may be added: the index's cap and the disk's reserve.
    async fn check_room(&self) -> Result<(), Error> {
        self.volume.alive()?;
        self.index.check_room()?;
        self.volume.check_room().await
    }

    /// See [`crate::Content::put_small`].
    pub async fn put(&self, content: SmallContent) -> Result<Stored, Error> {
        let space = content.space;
        self.check_room().await?;
        let addressees = self.addressees.read().clone();
        let members = &addressees.members;
        if members.voters.is_empty() {
            return Err(Error::Unavailable { space });
        }
        let Built { message, record } =
            self.sealer.record(&content, &protocol::prefix(Operation::Put))?;
        let (size, digest) = (record.size(), record.digest());
        // While the copies travel, the plaintext takes up no memory.
        drop(content);
        let (ballot, counted) = Ballot::new(members.majority(), members.voters.len());
        for (peer, queue) in &addressees.queues {
            let Some(place) = queue.try_reserve(message.len()) else {
                self.metrics.copies_dropped.fetch_add(1, Relaxed);
                ballot.cast(*peer, Verdict::Failed);
                continue;
            };
            place.send(Outgoing { message: message.clone(), ballot: ballot.clone() });
        }
        drop(message);
        // A copy on a node that does not vote counts for no majority, and would not be missed if the
        // node never came back.
        if members.votes(members.node) {
            let node = members.node;
            let done = move |verdict| ballot.cast(node, verdict);
            self.segments.put_one(record, done).await?;
        }
        let holders = self.counted(space, counted).await?;
        self.metrics.bytes_in.fetch_add(size, Relaxed);
        Ok(Stored { digest, size, holders })
    }

    /// Waits until a majority holds a content, no longer than [`PUT_TIME`].
    async fn counted(
        &self,
        space: SpaceId,
        counted: oneshot::Receiver<Counted>,
    ) -> Result<Vec<NodeId>, Error> {
        match tokio::time::timeout(PUT_TIME, counted).await {
            Ok(Ok(Ok(holders))) => Ok(holders),
            Ok(Ok(Err(Verdict::Full))) => Err(Error::FullElsewhere { space }),
            Ok(Ok(Err(verdict @ (Verdict::Exists | Verdict::Purged)))) => {
                verdict.into_result(space)?;
                Err(Error::Unavailable { space })
            }
            _ => {
                self.volume.alive()?;
                Err(Error::Unavailable { space })
            }
        }
    }

    /// Takes a peer's batch of records; gives the verdict on each, in their order.
    pub async fn take(&self, body: Bytes) -> Result<Vec<u8>, Error> {
        let records: Vec<SealedRecord> = protocol::records(body)?;
        let count = records.len();
        if self.check_room().await.is_err() {
            let is_alive = self.volume.alive().is_ok();
            let verdict = if is_alive { Verdict::Full } else { Verdict::Failed };
            return Ok(vec![verdict as u8; count]);
        }
        let (answer, verdicts) = oneshot::channel();
        self.segments.put(records, Box::new(move |verdicts| tell(answer, verdicts))).await?;
        let verdicts = verdicts.await.map_err(|_| Error::Failed)?;
        Ok(verdicts.into_iter().map(|verdict| verdict as u8).collect())
    }
}

/// Sends what gathers for one peer, until its queue is let go.
async fn send_queued(
    peers: Arc<dyn Peers>,
    peer: NodeId,
    mut queue: mpsc::Receiver<Queued<Outgoing>>,
) {
    let (mut under_way, mut spare) = (FuturesUnordered::new(), VecDeque::new());
    let mut open = true;
    while open || !under_way.is_empty() {
        tokio::select! {
            copy = queue.recv(), if open && under_way.len() < WINDOW => match copy {
                None => open = false,
                Some(copy) => spare.push_back(copy),
            },
            Some(()) = under_way.next(), if !under_way.is_empty() => {}
        }
        // A task that is ready to put something in this moment does so first.
        tokio::task::yield_now().await;
        // A copy that did not fit goes with the next batch, when there is a place for that.
        while under_way.len() < WINDOW
            && let Some(batch) = gather(&mut spare, &mut queue)
        {
            under_way.push(send_batch(&*peers, peer, batch));
        }
    }
}

/// As many copies as fit into one message; one that did not fit waits in `spare`.
fn gather(
    spare: &mut VecDeque<Queued<Outgoing>>,
    queue: &mut mpsc::Receiver<Queued<Outgoing>>,
) -> Option<Vec<Queued<Outgoing>>> {
    let mut batch = vec![spare.pop_front()?];
    let mut octets = batch[0].item.message.len();
    while let Ok(copy) = queue.try_recv() {
        octets += copy.item.message.len() - PREFIX;
        if octets > MESSAGE_MAX {
            spare.push_back(copy);
            break;
        }
        batch.push(copy);
    }
    Some(batch)
}

async fn send_batch(peers: &dyn Peers, peer: NodeId, batch: Vec<Queued<Outgoing>>) {
    let message = match &batch[..] {
        // One record travels in the octets that it was built in.
        [copy] => copy.item.message.clone(),
        _ => {
            let octets: usize = batch.iter().map(|copy| copy.item.message.len() - PREFIX).sum();
            let mut message = BytesMut::with_capacity(PREFIX + octets);
            message.extend_from_slice(&protocol::prefix(Operation::Put));
            batch.iter().for_each(|copy| message.extend_from_slice(&copy.item.message[PREFIX..]));
            message.freeze()
        }
    };
    let mut answer = None;
    for attempt in 0..TRIES_MAX {
        if attempt > 0 {
            tokio::time::sleep(TRY_WAIT * attempt).await;
        }
        match peers.request(peer, message.clone()).await {
            Ok(octets) => {
                answer = Some(octets);
                break;
            }
            Err(error) => tracing::debug!(%peer, %error, "a batch of copies did not arrive"),
        }
    }
    let verdicts = answer.and_then(|answer| protocol::accepted(&answer, SpaceId(0)).ok());
    for (index, Queued { item, room }) in batch.into_iter().enumerate() {
        let verdict = verdicts.as_ref().and_then(|verdicts| verdicts.get(index).copied());
        item.ballot.cast(peer, verdict.map_or(Verdict::Failed, Verdict::from_u8));
        drop(room);
    }
}
