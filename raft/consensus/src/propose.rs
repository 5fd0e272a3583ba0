//! Proposals: gathered into entries by the leader, carried to it by everybody else.
//!
//! While entries are on their way the next proposals gather, so batches form under load and a
//! client alone waits for nobody. Repeating a proposal is harmless: the machine knows its id.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use machine::{Answer, Proposal, Refusal, Time};
use minicbor::Encoder;
use model::{
    Histogram, NodeId,
    lengths::{in_form, millis_of},
};
use openraft::errors::{ClientWriteError, RaftError};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot},
    time::{Instant, timeout_at},
};

use crate::{
    Attachment, Lane, NetworkError, ProposeError,
    node::Inner,
    options::{
        ATTACHMENT_BYTES_MAX, BATCH_BYTES, BATCH_PROPOSALS, ENTRIES_IN_FLIGHT, FORWARDS_IN_FLIGHT,
        PROPOSAL_BYTES_MAX, RETRY_AFTER, RIDING_BYTES,
    },
    touch::HELD_MIN,
    types::{Answers, EntryBytes, Rider},
    wire::{self, Fate, Kind, Propose, Riding, WireError},
};

/// Before a proposal is tried again although nothing is known to have changed.
const RETRY_PAUSE: Duration = Duration::from_millis(25);

/// How long proposals take here.
#[derive(Default)]
pub(crate) struct Spans {
    /// A proposal waits for its batch.
    pub(crate) gather: Histogram,
    /// A batch goes to the leader, and its answers come back.
    pub(crate) forward: Histogram,
    /// An entry of this leader waits for a majority.
    pub(crate) commit: Histogram,
}

/// A proposal that waits for its answer.
pub(crate) struct Waiting {
    proposal: Bytes,
    /// What rides with it.
    attachment: Option<Attachment>,
    begun: Instant,
    deadline: Instant,
    /// Came from another node, which tries again itself.
    forwarded: bool,
    /// An earlier try may have put it into the log.
    maybe: bool,
    reply: oneshot::Sender<Result<(u64, Answer), Failed>>,
}

/// Why there is no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Failed {
    /// It is not in the log and will not be.
    NotTaken,
    /// It may be.
    Unknown,
    /// What rides with it finds no room; it is not in the log and will not be.
    NoRide,
}

impl Waiting {
    /// A proposal that another node has sent.
    pub(crate) fn forwarded(
        proposal: Bytes,
        attachment: Option<Attachment>,
        deadline: Instant,
        reply: oneshot::Sender<Result<(u64, Answer), Failed>>,
    ) -> Self {
        let begun = Instant::now();
        Self { proposal, attachment, begun, deadline, forwarded: true, maybe: false, reply }
    }

    /// Octets of what rides with it.
    fn riding(&self) -> usize {
        self.attachment.as_ref().map_or(0, |attachment| attachment.record.len())
    }

    fn fail(self) {
        let failed = if self.maybe { Failed::Unknown } else { Failed::NotTaken };
        // A caller that went away no longer cares.
        self.reply.send(Err(failed)).ok();
    }

    /// It goes without what rides with it, or not at all.
    fn turn_away(self) {
        self.reply.send(Err(Failed::NoRide)).ok();
    }

    /// Nobody here can say what became of it.
    fn lose(mut self) {
        self.maybe = true;
        self.fail();
    }

    fn done(self, index: u64, answer: Answer) {
        self.reply.send(Ok((index, answer))).ok();
    }
}

/// See [`crate::Consensus::propose`].
pub(crate) async fn propose(
    inner: &Inner,
    proposal: Proposal,
    attachment: Option<Attachment>,
) -> Result<Answer, ProposeError> {
    let unavailable = || ProposeError::Unavailable { retry_after: RETRY_AFTER };
    let Proposal { id, by, command } = proposal;
    let proposal = Proposal { id, by: by.carried_by(inner.node), command };
    let proposal: Bytes = wire::to_cbor(&proposal).into();
    // Forwarded ones are compared by the leader.
    debug_assert!(
        machine::decode::<Proposal>(&proposal).is_ok(),
        "it reads back as it was written"
    );
    if proposal.len() > PROPOSAL_BYTES_MAX {
        return Err(ProposeError::TooLarge { octets: proposal.len(), max: PROPOSAL_BYTES_MAX });
    }
    if let Some(attachment) = &attachment {
        let (octets, max) = (attachment.record.len(), ATTACHMENT_BYTES_MAX);
        if octets > max {
            return Err(ProposeError::TooLarge { octets, max });
        }
        if !inner.riders.has_room() {
            return Err(ProposeError::NoRide);
        }
    }
    let begun = Instant::now();
    let deadline = begun + inner.timing.propose_deadline;
    let answered = loop {
        let (reply, answer) = oneshot::channel();
        let (proposal, attachment) = (proposal.clone(), attachment.clone());
        let (forwarded, maybe) = (false, false);
        let waiting = Waiting { proposal, attachment, begun, deadline, forwarded, maybe, reply };
        inner.proposals.try_send(waiting).map_err(|_| unavailable())?;
        match answer.await {
            // Others had more to do than an entry may; it spent nothing and goes into the next one.
            Ok(Ok((_, Err(Refusal::EntryFull)))) if Instant::now() < deadline => {}
            answered => break answered,
        }
    };
    match answered {
        Ok(Ok((index, answer))) => {
            // Read your writes: whoever asks this node next finds it.
            let reached = tokio::select! {
                biased;
                reached = inner.wait_applied(index, deadline) => reached,
                () = inner.lost() => false,
            };
            match reached {
                true => Ok(answer),
                false => Err(ProposeError::Unknown),
            }
        }
        Ok(Err(Failed::NotTaken)) => Err(unavailable()),
        Ok(Err(Failed::NoRide)) => Err(ProposeError::NoRide),
        // The node stops while the proposal is on its way.
        Ok(Err(Failed::Unknown)) | Err(_) => Err(ProposeError::Unknown),
    }
}

/// Room for batches on their way to one goal.
struct Way {
    batches: Arc<Semaphore>,
    /// What they have together is no more than what one may have, so that several weigh no more.
    proposals: Arc<Semaphore>,
    octets: Arc<Semaphore>,
    riding: Arc<Semaphore>,
}

impl Way {
    fn new(batches: usize) -> Self {
        let room = |of| Arc::new(Semaphore::new(of));
        Self {
            batches: room(batches),
            proposals: room(BATCH_PROPOSALS),
            octets: room(BATCH_BYTES),
            riding: room(RIDING_BYTES),
        }
    }

    /// Waits for one batch less, if need be. None when the node stops.
    async fn slot(&self) -> Option<OwnedSemaphorePermit> {
        self.batches.clone().acquire_owned().await.ok()
    }

    /// Waits until a batch has room beside the others; alone it always has.
    async fn load(&self, batch: &Batch) -> Option<[OwnedSemaphorePermit; 3]> {
        let take = async |room: &Arc<Semaphore>, of: usize, max: usize| {
            room.clone().acquire_many_owned(in_form(of.min(max))).await.ok()
        };
        Some([
            take(&self.proposals, batch.waiting.len(), BATCH_PROPOSALS).await?,
            take(&self.octets, batch.octets, BATCH_BYTES).await?,
            take(&self.riding, batch.riding, RIDING_BYTES).await?,
        ])
    }
}

/// Proposals that go together.
#[derive(Default)]
struct Batch {
    waiting: Vec<Waiting>,
    octets: usize,
    /// Octets of what rides with them.
    riding: usize,
}

impl Batch {
    fn push(&mut self, waiting: Waiting) {
        self.octets += waiting.proposal.len();
        self.riding += waiting.riding();
        self.waiting.push(waiting);
    }

    fn has_room(&self) -> bool {
        self.waiting.len() < BATCH_PROPOSALS
            && self.octets + self.riding < BATCH_BYTES
            && self.riding < RIDING_BYTES
    }
}

/// Gathers proposals until the node stops.
pub(crate) async fn gather(
    inner: Arc<Inner>,
    mut queue: mpsc::Receiver<Waiting>,
    more: Arc<AtomicBool>,
) {
    let (entries, forwards) = (Way::new(ENTRIES_IN_FLIGHT), Way::new(FORWARDS_IN_FLIGHT));
    while let Some(first) = queue.recv().await {
        let leads = inner.leads();
        let way = if leads { &entries } else { &forwards };
        more.store(leads, Ordering::Relaxed);
        // While we wait here for an entry to come back, the queue fills, and that is the batch.
        let Some(slot) = way.slot().await else { return };
        more.store(false, Ordering::Relaxed);
        // Whoever is ready to propose in this moment does so first: one batch instead of several.
        tokio::task::yield_now().await;
        let mut batch = Batch::default();
        batch.push(first);
        while batch.has_room() {
            let Ok(next) = queue.try_recv() else { break };
            batch.push(next);
        }
        let Some(load) = way.load(&batch).await else { return };
        for waiting in &batch.waiting {
            inner.spans.gather.count(waiting.begun.elapsed());
        }
        let sent = submit(inner.clone(), batch.waiting);
        inner.spawn(async move {
            sent.await;
            drop((slot, load));
        });
    }
}

/// Tries a batch until each proposal has an answer or is out of time.
async fn submit(inner: Arc<Inner>, mut batch: Vec<Waiting>) {
    loop {
        let now = Instant::now();
        for late in batch.extract_if(.., |waiting| waiting.deadline <= now) {
            late.fail();
        }
        if *inner.lost.borrow() {
            // The majority is elsewhere, and whoever waits here should be, too.
            for held in batch.extract_if(.., |waiting| waiting.begun + HELD_MIN <= now) {
                held.fail();
            }
        }
        let leader = inner.leader();
        let own = inner.node.0;
        if leader != Some(own) {
            for foreign in batch.extract_if(.., |waiting| waiting.forwarded) {
                foreign.fail();
            }
        }
        let Some(deadline) = batch.iter().map(|waiting| waiting.deadline).max() else { return };
        batch = match leader {
            Some(leader) if leader == own => write(&inner, batch, deadline).await,
            Some(leader) => forward(&inner, leader, batch, deadline).await,
            None => batch,
        };
        if !batch.is_empty() {
            inner.leader_changes(leader, deadline.min(Instant::now() + RETRY_PAUSE)).await;
        }
    }
}

/// As leader: one entry for the whole batch. Gives back what has no answer.
async fn write(inner: &Inner, mut batch: Vec<Waiting>, deadline: Instant) -> Vec<Waiting> {
    let rides = batch.iter().any(|waiting| waiting.attachment.is_some());
    if rides && !inner.riders.may_ride(&inner.members().0) {
        // What may be in the log already goes on as it began.
        let turned = |waiting: &mut Waiting| waiting.attachment.is_some() && !waiting.maybe;
        batch.extract_if(.., turned).for_each(Waiting::turn_away);
        if batch.is_empty() {
            return batch;
        }
    }
    // Certainly not taken: it is tried again in a moment, when the followers' clocks are known.
    let Some(time) = inner.stamp() else { return batch };
    let entry = encode_entry(time, batch.iter().map(|waiting| &waiting.proposal));
    let riders = batch.iter().filter_map(|waiting| waiting.attachment.clone()).map(Rider::from);
    let entry = EntryBytes(entry, riders.collect());
    let begun = Instant::now();
    let written = tokio::select! {
        biased;
        written = timeout_at(deadline, inner.raft.client_write(entry)) => written.ok(),
        () = inner.lost() => None,
    };
    match written {
        Some(Ok(written)) => {
            let index = written.log_id.index();
            let Answers(answers, committed_at) = written.data;
            if let Some(committed_at) = committed_at {
                inner.spans.commit.count(committed_at.saturating_duration_since(begun));
            }
            debug_assert_eq!(answers.len(), batch.len(), "one answer for each proposal");
            for (waiting, answer) in batch.drain(..).zip(answers) {
                waiting.done(index, answer);
            }
        }
        // The leader has refused before it wrote anything.
        Some(Err(RaftError::APIError(ClientWriteError::ForwardToLeader(_)))) => {}
        // It may stand in the log, and come to others yet.
        Some(Err(_)) | None => {
            batch.iter_mut().for_each(|waiting| waiting.maybe = true);
        }
    }
    batch
}

/// As anybody else: one message for the whole batch. Gives back what has no answer.
async fn forward(
    inner: &Inner,
    leader: u64,
    mut batch: Vec<Waiting>,
    deadline: Instant,
) -> Vec<Waiting> {
    let patience = deadline.saturating_duration_since(Instant::now());
    let proposals = batch.iter().map(|waiting| waiting.proposal.to_vec().into()).collect();
    let riding = (0..).zip(&batch).filter_map(|(proposal, waiting)| {
        let Attachment { key, record } = waiting.attachment.as_ref()?;
        Some(Riding { proposal, key: *key, record: record.to_vec() })
    });
    let riding = riding.collect();
    let message = Propose { proposals, patience_ms: millis_of(patience), riding };
    let message = wire::request(Kind::Propose, &wire::to_cbor(&message));
    let begun = Instant::now();
    let asked = inner.network.request(NodeId(leader), Lane::Control, message);
    let answer = tokio::select! {
        answer = asked => answer,
        // A leader that was deposed, or died, may never answer.
        () = inner.leader_changes(Some(leader), deadline) => {
            Err(NetworkError::NoAnswer("another leader came".into()))
        }
        () = inner.lost() => Err(NetworkError::NoAnswer("no majority is heard".into())),
    };
    let answer = match answer {
        Ok(answer) => answer,
        // Certainly not arrived.
        Err(NetworkError::Unreachable(_)) => return batch,
        Err(NetworkError::NoAnswer(_)) => {
            batch.iter_mut().for_each(|waiting| waiting.maybe = true);
            return batch;
        }
    };
    // Nobody is at home over there yet, so nobody has read them.
    if answer.is_empty() {
        return batch;
    }
    inner.spans.forward.count(begun.elapsed());
    settle(leader, batch, wire::parse_answer(&answer).and_then(|body| wire::fates(&body)))
}

/// Gives each proposal the fate that the leader tells. Gives back what may be tried again.
///
/// What cannot be read here has been read there: it is unknown what became of it, and whoever
/// proposed it again would get the same answer again.
fn settle(
    leader: u64,
    batch: Vec<Waiting>,
    fates: Result<Vec<Option<Fate>>, WireError>,
) -> Vec<Waiting> {
    let fates = match fates {
        Ok(fates) if fates.len() == batch.len() => fates,
        Err(error @ WireError::Refused(_)) => {
            tracing::warn!(leader, %error, "the leader did not take proposals");
            batch.into_iter().for_each(Waiting::fail);
            return Vec::new();
        }
        Ok(_) | Err(_) => {
            tracing::warn!(leader, "the leader's answer to proposals cannot be read");
            batch.into_iter().for_each(Waiting::lose);
            return Vec::new();
        }
    };
    let mut left = Vec::new();
    for (mut waiting, fate) in batch.into_iter().zip(fates) {
        match fate {
            Some(Fate::Applied(index, answer)) => waiting.done(index, answer),
            Some(Fate::NotTaken) => left.push(waiting),
            Some(Fate::Unknown) => {
                waiting.maybe = true;
                left.push(waiting);
            }
            Some(Fate::Unreadable) => waiting.fail(),
            Some(Fate::NoRide) if !waiting.maybe => waiting.turn_away(),
            Some(Fate::NoRide) => left.push(waiting),
            None => {
                tracing::warn!(leader, "the leader's answer to a proposal cannot be read");
                waiting.lose();
            }
        }
    }
    left
}

/// An encoded [`machine::Entry`] around encoded proposals.
fn encode_entry<'a>(
    time: Time,
    proposals: impl ExactSizeIterator<Item = &'a Bytes> + Clone,
) -> Bytes {
    const IN_MEMORY: &str = "a vector takes every octet";
    let size: usize = proposals.clone().map(Bytes::len).sum();
    let mut encoder = Encoder::new(Vec::with_capacity(size + 32));
    encoder.map(3).expect(IN_MEMORY);
    encoder.u8(0).expect(IN_MEMORY).encode(time.date).expect(IN_MEMORY);
    encoder.u8(1).expect(IN_MEMORY).array(proposals.len() as u64).expect(IN_MEMORY);
    let mut entry = encoder.into_writer();
    for proposal in proposals {
        entry.extend_from_slice(proposal);
    }
    let mut encoder = Encoder::new(entry);
    encoder.u8(2).expect(IN_MEMORY).encode(time.tick).expect(IN_MEMORY);
    encoder.into_writer().into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use machine::{Command, Entry, IssueJoinToken};
    use model::{CommandId, Digest, Moment, Tick};

    #[test]
    fn spliced_entries_read_as_whole_ones() {
        let proposal = |n| Proposal {
            id: CommandId(n),
            by: machine::Proposer::Node(NodeId(1)),
            command: Command::IssueJoinToken(IssueJoinToken {
                secret_digest: Digest([n as u8; 32]),
                expires_at: Moment(9),
            }),
        };
        for count in [0, 1, 3, 300] {
            let proposals: Vec<_> = (0..count).map(proposal).collect();
            let encoded: Vec<Bytes> =
                proposals.iter().map(|proposal| wire::to_cbor(proposal).into()).collect();
            let time = Time { date: Moment(77), tick: Tick(300) };
            let entry = Entry { at: time.date, proposals, tick: time.tick };
            assert_eq!(encode_entry(time, encoded.iter()), wire::to_cbor(&entry));
        }
    }
}
