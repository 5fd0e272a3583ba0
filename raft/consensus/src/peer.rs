//! Asks peers on behalf of the Raft library.
//!
//! A peer that cannot be reached, or does not answer in time, is unreachable: the library backs
//! off. A pre-vote that cannot be asked is never counted as granted.

use std::{
    future::Future,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use futures_util::{Stream, StreamExt as _, future::BoxFuture, stream::BoxStream};
use model::NodeId;
use openraft::{
    EmptyNode, Instant as _, OptionalSend, RPCTypes, RaftNetworkFactory, RaftNetworkV2,
    async_runtime::WatchReceiver as _,
    errors::{
        NetworkError as RaftNetworkError, RPCError, ReplicationClosed, StreamingError, Timeout,
        Unreachable,
    },
    network::{Backoff, RPCOption},
    raft::{
        AppendEntriesRequest, AppendEntriesResponse, SnapshotResponse, StreamAppendResult,
        TransferLeaderRequest, TransferLeaderResponse, VoteRequest, VoteResponse,
    },
    type_config::alias::SnapshotOf,
    vote::RaftLeaderId as _,
};
use serde::de::DeserializeOwned;
use sha2::{Digest, Sha256};
use tokio::time::Instant;

use crate::{
    Lane, Network, NetworkError, appends,
    options::{APPEND_TIME, LINE_MIN},
    pledge::greet::Pledges,
    pulse::Pulse,
    riders::Riders,
    state::snapshot::{self, SnapshotData},
    types::{LogId, Raft, Types, Vote},
    wire::{
        self, AnswerHead, AppendHead, Kind, SnapshotBlock, SnapshotHead, SnapshotTail, WireError,
    },
};

/// A block of a snapshot may take so long, disk and wire together.
const BLOCK_DEADLINE: Duration = Duration::from_secs(20);

/// The end of a snapshot may take so long: the receiver turns to it and syncs.
const SWITCH_DEADLINE: Duration = Duration::from_secs(60);

/// How late the answer to a heartbeat may be and still be heard: with the next heartbeat that brings it
/// back, a follower stays fresh.
const LATE_MAX: Duration = Duration::from_secs(1);

/// Makes connections to peers.
#[derive(Clone)]
pub(crate) struct Peers(Arc<Shared>);

struct Shared {
    own: u64,
    network: Arc<dyn Network>,
    pulse: Arc<Pulse>,
    pledges: Arc<Pledges>,
    raft: OnceLock<Raft>,
    retry_every: Duration,
    tokens: AtomicU64,
    /// An entry waits for the one that is on its way.
    more: Arc<AtomicBool>,
    riders: Arc<Riders>,
}

impl Peers {
    pub(crate) fn new(
        own: u64,
        network: Arc<dyn Network>,
        pulse: Arc<Pulse>,
        pledges: Arc<Pledges>,
        retry_every: Duration,
        (more, riders): (Arc<AtomicBool>, Arc<Riders>),
    ) -> Self {
        let raft = OnceLock::new();
        let tokens = AtomicU64::new(1);
        let shared =
            Shared { own, network, pulse, pledges, raft, retry_every, tokens, more, riders };
        Self(Arc::new(shared))
    }

    /// The Raft node that the peers belong to, once there is one.
    pub(crate) fn attach(&self, raft: Raft) {
        // A second node would be a second start on the same peers, which nobody makes.
        self.0.raft.set(raft).ok();
    }
}

impl RaftNetworkFactory<Types> for Peers {
    type Network = Peer;

    async fn new_client(&mut self, target: u64, _: &EmptyNode) -> Peer {
        Peer { target, shared: self.0.clone() }
    }
}

/// A way to one peer.
#[derive(Clone)]
pub(crate) struct Peer {
    target: u64,
    shared: Arc<Shared>,
}

pub(crate) fn unreachable(error: &impl std::fmt::Display) -> RPCError<Types> {
    RPCError::Unreachable(Unreachable::from_string(error))
}

impl Peer {
    fn ask(
        &self,
        lane: Lane,
        kind: Kind,
        body: &[u8],
    ) -> impl Future<Output = Result<Bytes, NetworkError>> + Send + 'static + use<> {
        self.shared.network.request(NodeId(self.target), lane, wire::request(kind, body))
    }

    /// Asks a peer that has told what it remembers of this node: one that has begun another life in
    /// between is met again. A node that takes no part asks nothing.
    async fn met_ask(&self, kind: Kind, body: &[u8]) -> Result<Bytes, RPCError<Types>> {
        let Shared { pledges, network, .. } = &*self.shared;
        for again in [true, false] {
            let met = pledges.meet(&**network, self.target).await;
            met.map_err(|error| unreachable(&error))?;
            let standing = pledges.standing();
            if !standing.is_full() {
                return Err(unreachable(&format!("this node takes no part: {}", standing.word())));
            }
            let answer = self.ask(Lane::Raft, kind, body).await;
            match wire::parse_answer(&answer.map_err(|error| unreachable(&error))?) {
                Err(WireError::Unmet) if again => pledges.meet_again(self.target),
                answer => return answer.map_err(|error| unreachable(&error)),
            }
        }
        Err(unreachable(&WireError::Unmet))
    }

    async fn body(
        &self,
        kind: Kind,
        body: Vec<u8>,
        action: RPCTypes,
        limit: Duration,
    ) -> Result<Bytes, RPCError<Types>> {
        match tokio::time::timeout(limit, self.met_ask(kind, &body)).await {
            Ok(answer) => answer,
            Err(_) => Err(RPCError::Timeout(Timeout {
                action,
                id: self.shared.own,
                target: self.target,
                timeout: limit,
            })),
        }
    }

    async fn call<T: DeserializeOwned>(
        &self,
        kind: Kind,
        request: &impl serde::Serialize,
        action: RPCTypes,
        option: &RPCOption,
    ) -> Result<T, RPCError<Types>> {
        let body = wire::to_body(Vec::new(), request);
        let answer = self.body(kind, body, action, option.hard_ttl()).await?;
        wire::from_body(&answer).map_err(|error| unreachable(&error))
    }

    /// Asks without entries. An answer that is late for the library still says that the peer hears this
    /// leader, and brings its clock: so a node on a slow line stays fresh.
    async fn heartbeat(
        &self,
        (body, term): (Vec<u8>, u64),
        limit: Duration,
    ) -> Result<Bytes, RPCError<Types>> {
        let peer = self.clone();
        // It ends by itself: with the answer, or with its time.
        let heard = tokio::spawn(async move {
            let answer = tokio::time::timeout(LATE_MAX, peer.met_ask(Kind::Append, &body)).await;
            let answer = answer.map_err(|error| unreachable(&error))??;
            let (head, rest) = AnswerHead::read(&answer).map_err(|error| unreachable(&error))?;
            peer.heard(head, term);
            Ok(Bytes::copy_from_slice(rest))
        });
        match tokio::time::timeout(limit, heard).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(error)) => Err(unreachable(&error)),
            Err(_) => Err(RPCError::Timeout(Timeout {
                action: RPCTypes::AppendEntries,
                id: self.shared.own,
                target: self.target,
                timeout: limit,
            })),
        }
    }

    /// A follower has answered an append of a term.
    fn heard(&self, head: AnswerHead, term: u64) {
        self.shared.pulse.hear(self.target, head, term);
        self.shared.riders.hear(self.target, head.is_short);
    }

    /// What the leader says with an append: the head, and how many entries are committed.
    fn head(&self) -> (Vec<u8>, u64) {
        let Some(raft) = self.shared.raft.get() else {
            return (AppendHead::default().written(), 0);
        };
        let metrics = raft.metrics();
        let (quorum, voters, committed) = {
            let now = metrics.borrow_watched();
            let quorum = now.last_quorum_acked.map(|at| Instant::now() - at.elapsed());
            let in_term = |id: &&LogId| id.committed_leader_id().term() == now.current_term;
            let committed = match now.local_committed.as_ref().filter(in_term) {
                Some(id) => {
                    self.shared.riders.committed(id.index().saturating_add(1));
                    Some(id.index())
                }
                // A new leader does not know yet what is committed; all of it is in its log.
                None => now.last_log_index,
            };
            let voters = now.membership_config.voter_ids().collect::<Vec<_>>();
            (quorum, voters, committed.map_or(0, |index| index.saturating_add(1)))
        };
        let head = self.shared.pulse.speak(self.target, quorum, &voters, self.shared.own);
        (head.written(), committed)
    }

    /// An append as it is said: the head, the request, and how many entries are committed.
    fn said(&self, request: &AppendEntriesRequest<Types>) -> Vec<u8> {
        let (head, committed) = self.head();
        wire::with_committed(wire::to_body(head, request), committed)
    }

    async fn send_snapshot(
        &self,
        vote: &Vote,
        snapshot: SnapshotOf<Types, SnapshotData>,
    ) -> Result<SnapshotResponse<Types>, StreamingError<Types>> {
        let SnapshotData::View(view) = snapshot.snapshot else {
            return Err(failed(&"a snapshot that was taken in is not sent on"));
        };
        let token = self.shared.tokens.fetch_add(1, Ordering::Relaxed);
        self.block(Kind::SnapshotBegin, wire::to_cbor(&SnapshotHead { token }), BLOCK_DEADLINE)
            .await?;
        let (mut digest, mut number, mut after) = (Sha256::new(), 0, None);
        while let Some((pairs, last)) = snapshot::next_block(&view, after.as_deref()) {
            let pairs = snapshot::encode(&pairs);
            digest.update(&pairs);
            let block = wire::to_cbor(&SnapshotBlock { token, number, pairs });
            self.block(Kind::SnapshotBlock, block, BLOCK_DEADLINE).await?;
            (number, after) = (number + 1, Some(last));
        }
        let meta = wire::to_body(Vec::new(), &(vote, &snapshot.meta));
        let digest = digest.finalize().to_vec();
        let tail = wire::to_cbor(&SnapshotTail { token, blocks: number, digest, meta });
        let answer = self.block(Kind::SnapshotEnd, tail, SWITCH_DEADLINE).await?;
        wire::from_body(&answer).map_err(|error| failed(&error))
    }

    async fn block(
        &self,
        kind: Kind,
        body: Vec<u8>,
        limit: Duration,
    ) -> Result<Bytes, StreamingError<Types>> {
        let answer = tokio::time::timeout(limit, self.ask(Lane::Bulk, kind, &body)).await;
        let answer = answer.map_err(|_| failed(&"no answer in time"))?;
        let answer = answer.map_err(|error| failed(&error))?;
        wire::parse_answer(&answer).map_err(|error| match error {
            WireError::Refused(_) => StreamingError::Network(RaftNetworkError::from_string(error)),
            error => failed(&error),
        })
    }
}

fn failed(error: &impl std::fmt::Display) -> StreamingError<Types> {
    StreamingError::Unreachable(Unreachable::from_string(error))
}

impl appends::Way for Peer {
    fn append(
        &self,
        request: AppendEntriesRequest<Types>,
        octets_before: usize,
    ) -> BoxFuture<'static, Result<AppendEntriesResponse<Types>, RPCError<Types>>> {
        let (peer, body) = (self.clone(), self.said(&request));
        let term = request.vote.leader_id.term();
        let octets = octets_before.saturating_add(body.len()) as u64;
        let limit = APPEND_TIME + Duration::from_millis(octets.saturating_mul(1000) / LINE_MIN);
        Box::pin(async move {
            let answer = peer.body(Kind::Append, body, RPCTypes::AppendEntries, limit).await?;
            let (head, rest) = AnswerHead::read(&answer).map_err(|error| unreachable(&error))?;
            peer.heard(head, term);
            wire::from_body(rest).map_err(|error| unreachable(&error))
        })
    }

    fn is_more_coming(&self) -> bool {
        self.shared.more.load(Ordering::Relaxed)
    }
}

/// What becomes of a stream of appends.
type Outcomes<'s> = BoxStream<'s, Result<StreamAppendResult<Types>, RPCError<Types>>>;

impl RaftNetworkV2<Types> for Peer {
    type SnapshotData = SnapshotData;

    async fn append_entries(
        &mut self,
        mut request: AppendEntriesRequest<Types>,
        option: RPCOption,
    ) -> Result<AppendEntriesResponse<Types>, RPCError<Types>> {
        self.shared.riders.give(&mut request.entries).await;
        if request.entries.is_empty() {
            let said = (self.said(&request), request.vote.leader_id.term());
            let answer = self.heartbeat(said, option.hard_ttl()).await?;
            return wire::from_body(&answer).map_err(|error| unreachable(&error));
        }
        appends::Way::append(self, request, 0).await
    }

    fn stream_append<'s, S>(
        &'s mut self,
        requests: S,
        _: RPCOption,
    ) -> BoxFuture<'s, Result<Outcomes<'s>, RPCError<Types>>>
    where
        S: Stream<Item = AppendEntriesRequest<Types>> + OptionalSend + Unpin + 'static,
    {
        let riders = self.shared.riders.clone();
        // One after the other, so that they keep their order.
        let requests = requests.then(move |mut request| {
            let riders = riders.clone();
            async move {
                riders.give(&mut request.entries).await;
                request
            }
        });
        Box::pin(std::future::ready(Ok(appends::answers(Box::pin(requests), self.clone()))))
    }

    async fn vote(
        &mut self,
        request: VoteRequest<Types>,
        option: RPCOption,
    ) -> Result<VoteResponse<Types>, RPCError<Types>> {
        let answer: VoteResponse<Types> =
            self.call(Kind::Vote, &request, RPCTypes::Vote, &option).await?;
        if answer.vote_granted {
            self.shared.pulse.vote();
        }
        Ok(answer)
    }

    async fn pre_vote(
        &mut self,
        request: VoteRequest<Types>,
        option: RPCOption,
    ) -> Result<VoteResponse<Types>, RPCError<Types>> {
        let answer: VoteResponse<Types> =
            self.call(Kind::PreVote, &request, RPCTypes::Vote, &option).await?;
        if answer.vote_granted {
            self.shared.pulse.vote();
        }
        Ok(answer)
    }

    async fn full_snapshot(
        &mut self,
        vote: Vote,
        snapshot: SnapshotOf<Types, SnapshotData>,
        cancel: impl Future<Output = ReplicationClosed> + Send + 'static,
        _: RPCOption,
    ) -> Result<SnapshotResponse<Types>, StreamingError<Types>> {
        tokio::select! {
            sent = self.send_snapshot(&vote, snapshot) => sent,
            closed = cancel => Err(StreamingError::Closed(closed)),
        }
    }

    async fn transfer_leader(
        &mut self,
        request: TransferLeaderRequest<Types>,
        option: RPCOption,
    ) -> Result<TransferLeaderResponse<Types>, RPCError<Types>> {
        self.call(Kind::Transfer, &request, RPCTypes::TransferLeader, &option).await
    }

    fn backoff(&self) -> Option<Backoff> {
        Some(Backoff::new(std::iter::repeat(self.shared.retry_every)))
    }
}
