//! Linearizable reads: many waiters share one round of the read index.

use std::{sync::Arc, time::Duration};

use model::NodeId;
use openraft::ReadPolicy;
use tokio::{
    sync::{mpsc, oneshot},
    time::{Instant, timeout_at},
};

use crate::{
    Lane, Unavailable,
    node::Inner,
    options::RETRY_AFTER,
    wire::{self, Kind, ReadIndex},
};

/// A waiter of a round.
pub(crate) struct Reader {
    deadline: Instant,
    reply: oneshot::Sender<Result<u64, Unavailable>>,
}

/// Before a round is tried again although nothing is known to have changed.
const RETRY_PAUSE: Duration = Duration::from_millis(25);

/// See [`crate::Consensus::read_index`]. Answers the index that was waited for.
pub(crate) async fn read_index(inner: &Inner) -> Result<u64, Unavailable> {
    let unavailable = Unavailable { retry_after: RETRY_AFTER };
    let (reply, answer) = oneshot::channel();
    let deadline = Instant::now() + inner.timing.propose_deadline;
    inner.reads.try_send(Reader { deadline, reply }).map_err(|_| unavailable)?;
    // Who comes during a round that fails would else wait for that one and for the next.
    tokio::select! {
        biased;
        answered = timeout_at(deadline, answer) => match answered {
            Ok(Ok(result)) => result,
            Ok(Err(_)) | Err(_) => Err(unavailable),
        },
        () = inner.lost() => Err(unavailable),
    }
}

/// Runs one round after the other until the node stops. Who comes during a round waits for the
/// next one: the running one may have begun before.
pub(crate) async fn rounds(inner: Arc<Inner>, mut queue: mpsc::Receiver<Reader>) {
    while let Some(first) = queue.recv().await {
        let (mut waiting, mut deadline) = (vec![first], Instant::now());
        while let Ok(next) = queue.try_recv() {
            waiting.push(next);
        }
        // For nobody else: those whose time is up have gone already.
        for reader in &waiting {
            deadline = deadline.max(reader.deadline);
        }
        let result = tokio::select! {
            biased;
            result = round(&inner, deadline) => result,
            () = inner.lost() => Err(Unavailable { retry_after: RETRY_AFTER }),
        };
        for reader in waiting {
            // A reader that went away no longer cares.
            reader.reply.send(result).ok();
        }
    }
}

async fn round(inner: &Inner, deadline: Instant) -> Result<u64, Unavailable> {
    loop {
        let leader = inner.leader();
        if let Some(leader) = leader
            && let Ok(Some(index)) = timeout_at(deadline, leader_index(inner, leader)).await
            && inner.wait_applied(index, deadline).await
        {
            return Ok(index);
        }
        if Instant::now() >= deadline {
            return Err(Unavailable { retry_after: RETRY_AFTER });
        }
        inner.leader_changes(leader, deadline.min(Instant::now() + RETRY_PAUSE)).await;
    }
}

async fn leader_index(inner: &Inner, leader: u64) -> Option<u64> {
    if leader == inner.node.0 {
        return inner.own_read_index().await;
    }
    let message = wire::request(Kind::ReadIndex, &[]);
    let asked = inner.network.request(NodeId(leader), Lane::Control, message);
    let forever = Instant::now() + inner.timing.propose_deadline;
    let answer = tokio::select! {
        answer = asked => answer.ok()?,
        () = inner.leader_changes(Some(leader), forever) => return None,
    };
    let body = wire::parse_answer(&answer).ok()?;
    wire::from_cbor::<ReadIndex>(&body).ok()?.index
}

impl Inner {
    /// As leader: the index that a read must wait for, confirmed by a majority.
    pub(crate) async fn own_read_index(&self) -> Option<u64> {
        let (read, _) = self.raft.get_read_log_id(ReadPolicy::ReadIndex).await.ok()?;
        Some(read.index())
    }
}
