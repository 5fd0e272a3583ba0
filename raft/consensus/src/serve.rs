//! Answers the messages of peers.

use std::{
    cmp::Ordering,
    collections::BTreeMap,
    sync::{Arc, atomic},
};

use bytes::Bytes;
use model::NodeId;
use openraft::{
    Snapshot,
    async_runtime::WatchReceiver as _,
    raft::{AppendEntriesRequest, AppendEntriesResponse, TransferLeaderRequest, VoteRequest},
    vote::RaftLeaderId as _,
};
use sha2::{Digest, Sha256};
use tokio::sync::oneshot;
use tokio::time::{Duration, Instant};

use crate::{
    Attachment,
    node::Inner,
    options::{ATTACHMENT_BYTES_MAX, BATCH_PROPOSALS, PROPOSAL_BYTES_MAX},
    pledge::Standing,
    propose::{Failed, Waiting},
    state::{
        Stage,
        snapshot::{self, Pending, SnapshotData},
    },
    types::{Payload, SnapshotMeta, Types, Vote},
    wire::{
        self, AnswerHead, AppendHead, Fate, Kind, Propose, ReadIndex, SnapshotBlock, SnapshotHead,
        SnapshotTail, WireError,
    },
};

/// A snapshot that is coming in. A later one replaces it.
pub(crate) struct Incoming {
    from: NodeId,
    token: u64,
    blocks: u64,
    digest: Sha256,
    stage: Box<dyn Stage>,
}

/// Answers one message; whatever is wrong with it becomes a refusal.
pub(crate) async fn handle(inner: &Arc<Inner>, from: NodeId, message: Bytes) -> Bytes {
    let answered = async {
        let (kind, body) = wire::parse_request(&message)?;
        match kind {
            Kind::Append => append(inner, from, &body).await,
            Kind::Vote => {
                let request: VoteRequest<Types> = wire::from_body(&body)?;
                may_vote(inner, from).await?;
                let answer = inner.raft.vote(request).await.map_err(|e| refused(&e))?;
                if answer.vote_granted {
                    inner.pulse.vote();
                }
                Ok(wire::to_body(Vec::new(), &answer))
            }
            Kind::PreVote => {
                let request: VoteRequest<Types> = wire::from_body(&body)?;
                may_vote(inner, from).await?;
                let answer = inner.raft.pre_vote(request).await.map_err(|e| refused(&e))?;
                if answer.vote_granted {
                    inner.pulse.vote();
                }
                Ok(wire::to_body(Vec::new(), &answer))
            }
            Kind::Transfer => {
                let request: TransferLeaderRequest<Types> = wire::from_body(&body)?;
                may_lead(inner, from)?;
                let answer = inner.raft.handle_transfer_leader(request).await;
                Ok(wire::to_body(Vec::new(), &answer.map_err(|e| refused(&e))?))
            }
            Kind::SnapshotBegin => begin(inner, from, &body),
            Kind::SnapshotBlock => block(inner, from, &body),
            Kind::SnapshotEnd => end(inner, from, &body).await,
            Kind::Propose => propose(inner, from, &body).await,
            Kind::ReadIndex => {
                Ok(wire::to_cbor(&ReadIndex { index: inner.own_read_index().await }))
            }
            Kind::Member => {
                let changed = inner.change_here(wire::from_cbor(&body)?).await;
                Ok(wire::to_cbor(&changed))
            }
            Kind::Greet => inner.pledges.greeted(from, &body).await,
            Kind::Return => Ok(wire::to_cbor(&inner.take_in(from.0).await)),
        }
    };
    wire::answer(answered.await)
}

fn refused(error: &impl std::fmt::Display) -> WireError {
    WireError::Refused(error.to_string())
}

/// Whether this node may promise anything to a peer that asks for its vote.
async fn may_vote(inner: &Inner, from: NodeId) -> Result<(), WireError> {
    if inner.pledges.met(from.0) {
        inner.pledges.before_vote(&inner.others()).await;
    }
    may_lead(inner, from)
}

/// Whether this node may stand for election when a peer asks it to.
fn may_lead(inner: &Inner, from: NodeId) -> Result<(), WireError> {
    if !inner.pledges.met(from.0) {
        return Err(WireError::Unmet);
    }
    let standing = inner.pledges.standing();
    if standing.is_full() { Ok(()) } else { Err(no_part(standing)) }
}

/// Whether this node takes what a leader of this term sends.
fn may_follow(inner: &Inner, from: NodeId, term: u64) -> Result<(), WireError> {
    if !inner.pledges.met(from.0) {
        return Err(WireError::Unmet);
    }
    let standing = inner.pledges.standing();
    if standing.follows(term) { Ok(()) } else { Err(no_part(standing)) }
}

fn no_part(standing: Standing) -> WireError {
    WireError::Refused(format!("this node takes no part: {}", standing.word()))
}

async fn append(inner: &Arc<Inner>, from: NodeId, body: &[u8]) -> Result<Vec<u8>, WireError> {
    let (head, rest) = AppendHead::read(body)?;
    let (request, committed): (AppendEntriesRequest<Types>, u64) =
        wire::from_body_with_committed(rest)?;
    may_follow(inner, from, request.vote.leader_id.term())?;
    check_riders(inner, &request)?;
    if let Some(index) = inner.contradicted(&request) {
        inner.pledges.part(index).map_err(|e| refused(&e))?;
        inner.refresh();
        return Err(no_part(Standing::Apart(index)));
    }
    // Taken before the answer waits for the disk: the sign must not be younger than the follower's
    // agreement.
    let mut sign = AnswerHead { is_short: !inner.riders.has_room(), ..inner.pulse.answer() };
    let term = request.vote.leader_id.term();
    let answer = inner.raft.append_entries(request).await.map_err(|e| refused(&e))?;
    if !matches!(answer, AppendEntriesResponse::HigherVote(_)) {
        let applied = *inner.shared.applied.borrow();
        inner.pulse.accept(head, term, committed, applied);
        sign.differs_at = inner.shared.sums.differs_at(term);
        if inner.shared.sums.difference().is_some() {
            inner.stop_differing();
        }
    }
    Ok(wire::to_body(sign.written(), &answer))
}

/// What rides with entries goes to the disk as it came, so it must be what its name says.
fn check_riders(inner: &Inner, request: &AppendEntriesRequest<Types>) -> Result<(), WireError> {
    for entry in &request.entries {
        let Payload::Normal(bytes) = &entry.payload else { continue };
        let records = bytes.1.iter().filter_map(|it| Some((it.key, it.record.clone()?.0)));
        for (key, record) in records {
            if !is_sound(inner, &Attachment { key, record }) {
                return Err(WireError::Malformed("what rides with an entry is not what it says"));
            }
        }
    }
    if let Some(committed) = &request.leader_commit {
        inner.riders.committed(committed.index().saturating_add(1));
    }
    Ok(())
}

fn is_sound(inner: &Inner, attachment: &Attachment) -> bool {
    attachment.record.len() <= ATTACHMENT_BYTES_MAX && inner.riders.is_sound(attachment)
}

async fn propose(inner: &Inner, from: NodeId, body: &[u8]) -> Result<Vec<u8>, WireError> {
    let message: Propose = wire::from_cbor(body)?;
    if message.proposals.len() > BATCH_PROPOSALS {
        return Err(WireError::Malformed("too many proposals"));
    }
    let patience = Duration::from_millis(message.patience_ms).min(inner.timing.propose_deadline);
    let deadline = Instant::now() + patience;
    let mut replies = Vec::with_capacity(message.proposals.len());
    let mut riding: BTreeMap<u32, Attachment> = message
        .riding
        .into_iter()
        .map(|it| (it.proposal, Attachment { key: it.key, record: it.record.into() }))
        .collect();
    for (number, proposal) in (0..).zip(message.proposals) {
        let attachment = riding.remove(&number);
        let sound = attachment.as_ref().is_none_or(|attachment| is_sound(inner, attachment));
        if !sound || !is_proposal_of(from, &proposal) {
            // It alone is not taken: others of the batch may stand in the log already.
            tracing::warn!(%from, "a proposal that cannot be read, or names another node, was not taken");
            replies.push(Err(Fate::Unreadable));
            continue;
        }
        let (reply, answer) = oneshot::channel();
        let proposal = Vec::from(proposal).into();
        let waiting = Waiting::forwarded(proposal, attachment, deadline, reply);
        let taken = inner.proposals.try_send(waiting);
        replies.push(taken.map(|()| answer).map_err(|_| Fate::NotTaken));
    }
    let mut fates = Vec::with_capacity(replies.len());
    for reply in replies {
        fates.push(match reply {
            Err(fate) => fate,
            Ok(reply) => match reply.await {
                Ok(Ok((index, answer))) => Fate::Applied(index, answer),
                Ok(Err(Failed::NotTaken)) => Fate::NotTaken,
                Ok(Err(Failed::NoRide)) => Fate::NoRide,
                // This node stops, and the proposal may stand in its log.
                Ok(Err(Failed::Unknown)) | Err(_) => Fate::Unknown,
            },
        });
    }
    Ok(wire::to_cbor(&fates))
}

/// What cannot be read here could not be applied either, and would stop every node. And a node proposes for
/// itself alone: the connection has proven which one it is.
fn is_proposal_of(from: NodeId, octets: &[u8]) -> bool {
    octets.len() <= PROPOSAL_BYTES_MAX
        && machine::decode::<machine::Proposal>(octets)
            .is_ok_and(|proposal| proposal.by.node().is_none_or(|node| node == from))
}

impl Inner {
    /// The first entry that is committed here and that a leader's message contradicts. A majority
    /// has agreed on both, so one of its nodes has forgotten something.
    fn contradicted(&self, request: &AppendEntriesRequest<Types>) -> Option<u64> {
        let metrics = self.raft.metrics();
        let (vote, committed) = {
            let now = metrics.borrow_watched();
            (now.vote, now.local_committed.max(now.last_applied)?)
        };
        // Only what would be taken: an old leader may contradict what it has not heard of.
        if request.vote.partial_cmp(&vote).is_none_or(Ordering::is_lt) {
            return None;
        }
        let sent = request.prev_log_id.iter().copied();
        let sent = sent.chain(request.entries.iter().map(|entry| entry.log_id));
        for id in sent.take_while(|id| id.index() <= committed.index()) {
            if id == committed {
                return None;
            }
            let own = self.id_at.lock().as_ref().and_then(|at| at(id.index()).ok().flatten());
            if own.is_some_and(|own| own != id) {
                return Some(id.index());
            }
        }
        None
    }
}

fn begin(inner: &Inner, from: NodeId, body: &[u8]) -> Result<Vec<u8>, WireError> {
    let SnapshotHead { token } = wire::from_cbor(body)?;
    let mut incoming = inner.incoming.lock();
    if inner.installing.load(atomic::Ordering::Acquire) {
        return Err(refused(&"a snapshot is being installed"));
    }
    let stage = inner.disk.stage().map_err(|e| refused(&e))?;
    let digest = Sha256::new();
    *incoming = Some(Incoming { from, token, blocks: 0, digest, stage });
    Ok(Vec::new())
}

fn block(inner: &Inner, from: NodeId, body: &[u8]) -> Result<Vec<u8>, WireError> {
    let SnapshotBlock { token, number, pairs } = wire::from_cbor(body)?;
    let decoded = snapshot::decode(&pairs).ok_or(WireError::Malformed("a block cannot be read"))?;
    let mut incoming = inner.incoming.lock();
    let known = incoming
        .as_mut()
        .filter(|known| known.from == from && known.token == token && known.blocks == number)
        .ok_or_else(|| refused(&"another snapshot is coming in"))?;
    known.stage.put(decoded).map_err(|e| refused(&e))?;
    known.digest.update(&pairs);
    known.blocks += 1;
    Ok(Vec::new())
}

async fn end(inner: &Inner, from: NodeId, body: &[u8]) -> Result<Vec<u8>, WireError> {
    let tail: SnapshotTail = wire::from_cbor(body)?;
    let (vote, meta): (Vote, SnapshotMeta) = wire::from_body(&tail.meta)?;
    may_follow(inner, from, vote.leader_id.term())?;
    let (incoming, pending) = {
        let mut incoming = inner.incoming.lock();
        let taken = incoming.take_if(|known| {
            known.from == from && known.token == tail.token && known.blocks == tail.blocks
        });
        let taken = taken.ok_or_else(|| refused(&"another snapshot is coming in"))?;
        (taken, Pending::new(&inner.installing))
    };
    if incoming.digest.finalize()[..] != tail.digest[..] {
        return Err(refused(&"the snapshot's digest does not match"));
    }
    let snapshot = Snapshot { meta, snapshot: SnapshotData::Taken(incoming.stage, pending) };
    let answer = inner.raft.install_full_snapshot(vote, snapshot).await;
    Ok(wire::to_body(Vec::new(), &answer.map_err(|e| refused(&e))?))
}
