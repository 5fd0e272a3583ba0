//! Copies of small contents: built once, sent to every other voter in batches.
//!
//! Each other voter has a lane: a bounded queue and a task that sends what has gathered, with a
//! few batches under way. A put is acknowledged by its ballot when a majority has it durable;
//! a copy that finds no room or no peer is left to reconciliation.

use std::{
    collections::VecDeque,
    sync::{Arc, atomic::Ordering::Relaxed},
    time::Duration,
};

use bytes::{Bytes, BytesMut};
use futures_util::{StreamExt, future::BoxFuture, stream::FuturesUnordered};
use model::{NodeId, PacketId, SpaceId};
use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};

use crate::{
    Error, MESSAGE_MAX, META_MAX, SMALL_MAX, Stored,
    protocol::{self, Operation, PREFIX},
    record::RecordHead,
    seal::{SmallParts, build_record},
    segments::Status,
    store::{Members, Store},
};

/// Octets that may wait for one peer: a second of a fast link; beyond it the copy is fetched later.
const LANE_BYTES_MAX: usize = 16 << 20;
/// Copies that may wait for one peer.
const LANE_COPIES_MAX: usize = 8192;
/// Batches under way to one peer. While one is synced there the next gathers: each batch costs a
/// message, a write and a sync at the peer, however small it is.
const WINDOW: usize = 1;
/// Times that a batch is sent: a connection that was just lost comes back at once or not soon.
const TRIES_MAX: u32 = 3;
/// The wait before the second try; the third waits twice that.
const TRY_WAIT: Duration = Duration::from_millis(100);
/// How long a put waits for its majority; longer than all tries, shorter than a client's patience.
const PUT_TIME: Duration = Duration::from_secs(8);

/// Counts who holds a content.
pub(crate) struct Ballot {
    needed: usize,
    state: Mutex<Count>,
}

struct Count {
    holders: Vec<NodeId>,
    waiting: usize,
    /// The first status that was no yes, for the answer if the majority is missed.
    refused: Option<Status>,
    done: Option<oneshot::Sender<Result<Vec<NodeId>, Status>>>,
}

/// A message on its way to a peer.
struct Copy {
    message: Bytes,
    ballot: Arc<Ballot>,
    _room: OwnedSemaphorePermit,
}

/// The way to one peer.
#[derive(Clone)]
pub(crate) struct Lane {
    copies: mpsc::Sender<Copy>,
    room: Arc<Semaphore>,
}

impl Ballot {
    fn new(
        needed: usize,
        waiting: usize,
    ) -> (Arc<Self>, oneshot::Receiver<Result<Vec<NodeId>, Status>>) {
        let (done, answer) = oneshot::channel();
        let state = Count {
            holders: Vec::with_capacity(waiting),
            waiting,
            refused: None,
            done: Some(done),
        };
        (Arc::new(Self { needed, state: Mutex::new(state) }), answer)
    }

    /// A voter has said what became of its copy.
    fn cast(&self, node: NodeId, status: Status) {
        let mut state = self.state.lock();
        state.waiting = state.waiting.saturating_sub(1);
        if status == Status::Durable {
            state.holders.push(node);
        } else {
            state.refused.get_or_insert(status);
        }
        let result = if state.holders.len() >= self.needed {
            Ok(state.holders.clone())
        } else if state.holders.len() + state.waiting < self.needed {
            Err(state.refused.unwrap_or(Status::Failed))
        } else {
            return;
        };
        if let Some(done) = state.done.take() {
            let _ = done.send(result);
        }
    }
}

impl Lane {
    fn send(&self, message: &Bytes, ballot: &Arc<Ballot>) -> bool {
        let octets = message.len().min(LANE_BYTES_MAX) as u32;
        let Ok(room) = self.room.clone().try_acquire_many_owned(octets) else { return false };
        let copy = Copy { message: message.clone(), ballot: ballot.clone(), _room: room };
        self.copies.try_send(copy).is_ok()
    }
}

impl Store {
    /// Tells who votes; lanes to new peers are opened and those of others end.
    pub fn set_members(self: &Arc<Self>, node: NodeId, voters: &[NodeId]) {
        let mut members = self.members.write();
        let mut next = Members { node, voters: voters.to_vec(), lanes: Default::default() };
        for peer in next.others().collect::<Vec<_>>() {
            let lane = match members.lanes.get(&peer) {
                Some(lane) if members.node == node => lane.clone(),
                _ => self.open_lane(peer),
            };
            next.lanes.insert(peer, lane);
        }
        *members = Arc::new(next);
    }

    fn open_lane(self: &Arc<Self>, peer: NodeId) -> Lane {
        let (copies, queue) = mpsc::channel(LANE_COPIES_MAX);
        let peers = self.peers.clone();
        let send = move |message| peers.request(peer, message);
        self.spawn(run_lane(peer, queue, Arc::new(send)));
        Lane { copies, room: Arc::new(Semaphore::new(LANE_BYTES_MAX)) }
    }

    /// See [`crate::Content::put_small`].
    pub async fn put_small(
        &self,
        space: SpaceId,
        packet: PacketId,
        meta: Bytes,
        plaintext: Bytes,
    ) -> Result<Stored, Error> {
        if plaintext.len() > SMALL_MAX {
            return Err(Error::TooLarge { what: "a small content", max: SMALL_MAX as u64 });
        }
        if meta.len() > META_MAX {
            return Err(Error::TooLarge { what: "a meta", max: META_MAX as u64 });
        }
        self.check_room().await?;
        let members = self.members();
        if members.voters.is_empty() {
            return Err(Error::Unavailable { space });
        }
        let parts = SmallParts { space, packet, meta: &meta, plaintext: &plaintext };
        let prefix = protocol::prefix(Operation::Put);
        let (message, head) = build_record(&parts, &prefix, &*self.keys, &self.random)?;
        drop(plaintext);
        let (ballot, answer) = Ballot::new(members.majority(), members.voters.len());
        for (peer, lane) in &members.lanes {
            if !lane.send(&message, &ballot) {
                self.metrics.copies_dropped.fetch_add(1, Relaxed);
                ballot.cast(*peer, Status::Failed);
            }
        }
        // A node that does not vote would keep a copy that nobody counts, and that nobody would miss
        // if the node never came back.
        if members.voters.contains(&members.node) {
            self.put_here(members.node, message.slice(PREFIX..), head, ballot).await?;
        }
        let holders = match tokio::time::timeout(PUT_TIME, answer).await {
            Ok(Ok(Ok(holders))) => holders,
            Ok(Ok(Err(Status::Full))) => return Err(Error::FullElsewhere { space }),
            Ok(Ok(Err(status @ (Status::Exists | Status::Purged)))) => {
                status.into_result(space)?;
                return Err(Error::Unavailable { space });
            }
            _ => {
                self.alive()?;
                return Err(Error::Unavailable { space });
            }
        };
        self.metrics.bytes_in.fetch_add(head.size, Relaxed);
        Ok(Stored { digest: head.digest, size: head.size, holders })
    }

    async fn put_here(
        &self,
        node: NodeId,
        record: Bytes,
        head: RecordHead,
        ballot: Arc<Ballot>,
    ) -> Result<(), Error> {
        let cast = Box::new(move |statuses: Vec<Status>| {
            ballot.cast(node, statuses.first().copied().unwrap_or(Status::Failed));
        });
        self.segments.put(vec![(record, head)], cast).await
    }

    /// A peer's batch of records.
    pub async fn take_records(&self, body: Bytes) -> Result<Vec<u8>, Error> {
        let records = protocol::records(&body)?;
        let count = records.len();
        if self.check_room().await.is_err() {
            let status = if self.alive().is_ok() { Status::Full } else { Status::Failed };
            return Ok(vec![status as u8; count]);
        }
        let (answer, statuses) = oneshot::channel();
        self.segments.put(records, Box::new(move |statuses| drop(answer.send(statuses)))).await?;
        let statuses = statuses.await.map_err(|_| Error::Failed)?;
        Ok(statuses.into_iter().map(|status| status as u8).collect())
    }
}

type Send =
    dyn Fn(Bytes) -> BoxFuture<'static, Result<Bytes, crate::PeerError>> + std::marker::Send + Sync;

/// Sends what gathers for one peer, until its store lets go of the lane.
async fn run_lane(peer: NodeId, mut queue: mpsc::Receiver<Copy>, send: Arc<Send>) {
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
        // Whoever is ready to put something in this moment does so first.
        tokio::task::yield_now().await;
        // A copy that did not fit goes with the next batch, when there is a place for that.
        while under_way.len() < WINDOW
            && let Some(batch) = gather(&mut spare, &mut queue)
        {
            under_way.push(send_batch(peer, batch, send.clone()));
        }
    }
}

/// As many copies as fit into one message; one that did not fit waits in `spare`.
fn gather(spare: &mut VecDeque<Copy>, queue: &mut mpsc::Receiver<Copy>) -> Option<Vec<Copy>> {
    let mut batch = vec![spare.pop_front()?];
    let mut octets = batch[0].message.len();
    while let Ok(copy) = queue.try_recv() {
        octets += copy.message.len() - PREFIX;
        if octets > MESSAGE_MAX {
            spare.push_back(copy);
            break;
        }
        batch.push(copy);
    }
    Some(batch)
}

async fn send_batch(peer: NodeId, batch: Vec<Copy>, send: Arc<Send>) {
    let message = match &batch[..] {
        // One record travels in the octets that it was built in.
        [copy] => copy.message.clone(),
        _ => {
            let octets: usize = batch.iter().map(|copy| copy.message.len() - PREFIX).sum();
            let mut message = BytesMut::with_capacity(PREFIX + octets);
            message.extend_from_slice(&protocol::prefix(Operation::Put));
            batch.iter().for_each(|copy| message.extend_from_slice(&copy.message[PREFIX..]));
            message.freeze()
        }
    };
    let mut answer = None;
    for attempt in 0..TRIES_MAX {
        if attempt > 0 {
            tokio::time::sleep(TRY_WAIT * attempt).await;
        }
        match send(message.clone()).await {
            Ok(octets) => {
                answer = Some(octets);
                break;
            }
            Err(error) => tracing::debug!(%peer, %error, "a batch of copies did not arrive"),
        }
    }
    let statuses = answer.and_then(|answer| protocol::accepted(&answer, SpaceId(0)).ok());
    for (index, copy) in batch.iter().enumerate() {
        let status = statuses.as_ref().and_then(|statuses| statuses.get(index).copied());
        copy.ballot.cast(peer, status.map_or(Status::Failed, Status::from_u8));
    }
}
