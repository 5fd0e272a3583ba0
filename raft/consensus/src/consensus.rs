//! The handle that the rest of the program holds.
//!
//! Its futures are boxed: an `async fn` is compiled by whoever awaits it, and every program that
//! starts a node would compile the Raft library anew.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use futures_util::future::BoxFuture;
use machine::{Answer, Effect, Proposal, Reader};
use model::{Moment, NodeId, Stage, Tick};
use tokio::sync::{broadcast, mpsc, watch};

use crate::{
    Attachment, Clock, Error, FactLog, FoundError, Heard, MemberError, Network, Options,
    ProposeError, StateView, Status, Unavailable, directory,
    log::file::FileLog,
    member,
    node::{self, Inner},
    options::RETRY_AFTER,
    pledge::greet::Pledges,
    propose, read,
    riders::Riders,
    serve, sim,
    state::{StateDisk, disk::DiskState},
    views::Few,
};

/// A node of the consensus. Clones are the same node; it runs until [`Consensus::shutdown`].
#[derive(Clone)]
pub struct Consensus {
    inner: Arc<Inner>,
}

impl Consensus {
    /// Opens log and state on disk and starts to take part.
    ///
    /// A fresh node waits: it is founded ([`Consensus::found`]) or admitted by a cluster. A damaged
    /// log is an error that names the file; the node may not vote with it and must come back as a
    /// new one.
    pub fn start(
        options: Options,
        facts: Arc<dyn FactLog>,
        network: Arc<dyn Network>,
        clock: Arc<dyn Clock>,
    ) -> BoxFuture<'static, Result<Self, Error>> {
        Box::pin(async move {
            let begun = directory::claim(&options.directory, options.node)?;
            let (hold, released) = mpsc::channel(1);
            let riders = Riders::new(options.attachments.clone());
            let log = FileLog::open(&options.directory, begun, hold.clone())?;
            let log = log.with_riders(riders.clone());
            let pledges = directory::pledge(&options, &log, begun, clock.clone())?;
            if !begun {
                directory::begin(&options.directory, options.node)?;
            }
            let room = FileLog::room(&options.directory, options.spare_bytes);
            // Without it the node works as long as the disk has room.
            if let Err(error) = room.look() {
                tracing::warn!(%error, "the disk keeps no room for the log");
            }
            let state = Arc::new(DiskState::open(
                &options.directory,
                options.state_files_max,
                (facts.clone(), Some(room.clone())),
            )?);
            let (mark, log) = (Some(log.mark()), (log, hold, released));
            let kept = (mark, Arc::new(pledges), riders);
            let stores = (state as Arc<dyn StateDisk>, facts);
            let inner = Inner::start(options, log, kept, stores, network, clock).await?;
            inner.spawn(node::watch(room));
            Ok(Self { inner })
        })
    }

    /// Starts on stores in memory that lose what was not synced when they crash, for simulation.
    /// Everything else is the same code.
    pub fn start_with(
        options: Options,
        (log, state): (&sim::Log, &sim::State),
        facts: Arc<dyn FactLog>,
        network: Arc<dyn Network>,
        clock: Arc<dyn Clock>,
    ) -> BoxFuture<'static, Result<Self, Error>> {
        let state = Arc::new(state.session(facts.clone()));
        let (hold, released) = mpsc::channel(1);
        let blind = log.is_blind();
        let log = log.session();
        Box::pin(async move {
            let riders = Riders::new(options.attachments.clone());
            let log = log.with_riders(riders.clone());
            let vault = Arc::new(log.clone());
            let born = crate::types::draw();
            let pledges = Pledges::begin(options.node, vault, clock.clone(), born, blind);
            let pledges = pledges.map_err(|error| Error::Stopped { reason: error.to_string() })?;
            let (kept, log) = ((None, Arc::new(pledges), riders), (log, hold, released));
            let stores = (state as Arc<dyn StateDisk>, facts);
            let inner = Inner::start(options, log, kept, stores, network, clock).await?;
            Ok(Self { inner })
        })
    }

    /// Makes this node a cluster of one and applies the first proposal.
    pub fn found(&self, proposal: Proposal) -> BoxFuture<'_, Result<Answer, FoundError>> {
        Box::pin(async move { member::found(&self.inner, proposal).await })
    }

    /// Proposes a command. The answer comes once this node's own state holds it.
    ///
    /// Repeating the same proposal, with the same command id, is harmless and gets the same answer.
    pub fn propose(&self, proposal: Proposal) -> BoxFuture<'_, Result<Answer, ProposeError>> {
        Box::pin(async move { propose::propose(&self.inner, proposal, None).await })
    }

    /// Proposes a command with something that rides with it: once the answer comes, a majority holds it as
    /// durably as its log. [`ProposeError::NoRide`] where some node lacks room for it.
    pub fn propose_with(
        &self,
        proposal: Proposal,
        attachment: Attachment,
    ) -> BoxFuture<'_, Result<Answer, ProposeError>> {
        Box::pin(async move { propose::propose(&self.inner, proposal, Some(attachment)).await })
    }

    /// Before attachments of applied entries are destroyed: the log must say first that these have landed, or a
    /// start would take a destroyed one for one that never came.
    pub fn before_destroying(&self) -> BoxFuture<'_, Result<(), Unavailable>> {
        Box::pin(async move {
            let applied = *self.inner.shared.applied.borrow();
            self.inner.riders.note(applied).await.map_err(|error| {
                tracing::warn!(%error, "the log does not say how far it has landed");
                Unavailable { retry_after: RETRY_AFTER }
            })
        })
    }

    /// Returns once this node's state holds everything that had been acknowledged anywhere before
    /// the call.
    pub fn read_index(&self) -> BoxFuture<'_, Result<(), Unavailable>> {
        Box::pin(async move { read::read_index(&self.inner).await.map(drop) })
    }

    /// Whether this node's state holds everything that had been acknowledged at a moment within the
    /// named bound: a majority followed the leader then, and what was committed is applied. Cheap.
    pub fn fresh(&self) -> Result<(), Unavailable> {
        match self.inner.since_fresh() {
            Some(since) if since < self.inner.timing.fresh_max => Ok(()),
            _ => Err(Unavailable { retry_after: RETRY_AFTER }),
        }
    }

    /// Returns when what has waited here since the call is better answered: this node has been out of
    /// touch with the majority for as long as the slowest election takes.
    pub fn lost(&self) -> BoxFuture<'_, ()> {
        Box::pin(self.inner.lost())
    }

    /// Returns when this node has been out of touch so long without a break beyond that.
    pub fn lost_for(&self, span: Duration) -> BoxFuture<'_, ()> {
        Box::pin(self.inner.lost_for(span))
    }

    /// Looks at a few rows of this node's newest state, all of the same moment. Nothing is applied
    /// meanwhile, so a list is read from a view; and a peek must not peek again.
    pub fn peek<T>(&self, look: impl FnOnce(&dyn Reader) -> T) -> T {
        let (mut look, mut seen) = (Some(look), None);
        self.inner.disk.peek(&mut |rows| seen = look.take().map(|look| look(&Few::of(rows))));
        seen.expect("a state is looked at once")
    }

    /// This node's state with all that it had applied before the call. Lists share it, as making one
    /// freezes what the state holds young in memory. Hold it briefly: it keeps old data alive.
    pub fn shared_view(&self) -> BoxFuture<'_, StateView> {
        Box::pin(self.inner.shared_view(self.inner.next_entry()))
    }

    /// This node's state with all that had been acknowledged anywhere before the call: a
    /// [`Consensus::read_index`] and a [`Consensus::shared_view`] of what it has brought here.
    pub fn read_view(&self) -> BoxFuture<'_, Result<StateView, Unavailable>> {
        Box::pin(async move {
            let index = read::read_index(&self.inner).await?;
            Ok(self.inner.shared_view(index + 1).await)
        })
    }

    /// A view made for the caller alone: for tools and tests. Whoever serves others shares one.
    pub fn view(&self) -> StateView {
        self.inner.view()
    }

    /// Rows of this node's newest state, one by one: cheaper than a view. What this node has told to
    /// be applied is there, but two reads may see different moments, in any order, and a part of an
    /// entry that is being applied.
    pub fn latest(&self) -> &(dyn Reader + Send + Sync) {
        self.inner.disk.latest()
    }

    /// The effects of what this node applies from now on. Who lags behind looks at the state.
    pub fn subscribe(&self) -> broadcast::Receiver<Arc<Vec<Effect>>> {
        self.inner.shared.effects.subscribe()
    }

    /// Counts how often a snapshot has replaced the state: effects of what it holds never come.
    pub fn watch_replaced(&self) -> watch::Receiver<u64> {
        self.inner.shared.replaced.subscribe()
    }

    /// The index behind the last entry that this node's state holds; changes with each batch.
    pub fn watch_applied(&self) -> watch::Receiver<u64> {
        self.inner.shared.applied.subscribe()
    }

    /// What this node knows now.
    pub fn status(&self) -> Status {
        self.inner.read_status()
    }

    /// What the other nodes were last heard to say of themselves, in this life of the node or an
    /// earlier one.
    pub fn heard(&self) -> Vec<(NodeId, Heard)> {
        self.inner.pledges.heard()
    }

    /// How long proposals and entries of all kinds take, by stage, since the start.
    ///
    /// `gather`: a proposal waits for its batch, here or at the leader. `forward`: a batch goes to the leader and
    /// its answers come back. `log`: entries, and what rides with them, are on this node's disk. `commit`: an entry of
    /// this leader, until a majority has it. `apply`: committed entries, until they are in this node's state.
    pub fn stages(&self) -> [Stage; 5] {
        let inner = &self.inner;
        [
            inner.spans.gather.stage("gather"),
            inner.spans.forward.stage("forward"),
            inner.riders.landing.stage("log"),
            inner.spans.commit.stage("commit"),
            inner.shared.applying.stage("apply"),
        ]
    }

    /// The status as it changes.
    pub fn watch_status(&self) -> watch::Receiver<Status> {
        self.inner.status.subscribe()
    }

    /// The date that a majority of the cluster's clocks shows, as far as this node knows, whatever its
    /// own clock does; none before it has heard of one since its start.
    pub fn date(&self) -> Option<Moment> {
        self.inner.pulse.date()
    }

    /// How long the cluster has run, as far as this node knows.
    pub fn tick(&self) -> Tick {
        self.inner.pulse.tick()
    }

    /// Whether this node leads, as far as it knows.
    pub fn leads(&self) -> bool {
        self.inner.leads()
    }

    /// Allows or forbids this node to lead; the change takes effect within a few seconds.
    pub fn set_may_lead(&self, may: bool) {
        self.inner.may_lead.store(may, std::sync::atomic::Ordering::Relaxed);
        let inner = self.inner.clone();
        self.inner.spawn(async move { inner.lead_or_not().await });
    }

    /// Adds a node: as a learner first, as a voter once it has caught up. It must be running and
    /// reachable. Asking again goes on from where it stood.
    pub fn admit(&self, node: NodeId) -> BoxFuture<'_, Result<(), MemberError>> {
        Box::pin(async move { member::admit(&self.inner, node).await })
    }

    /// Removes a node from voters and learners. Its number never comes back.
    pub fn remove(&self, node: NodeId) -> BoxFuture<'_, Result<(), MemberError>> {
        Box::pin(async move { member::remove(&self.inner, node).await })
    }

    /// Has whoever leads hand leadership to the voter that has the most of the log.
    pub fn transfer_leadership(&self) -> BoxFuture<'_, Result<(), MemberError>> {
        Box::pin(async move { member::hand_over(&self.inner).await })
    }

    /// Answers a message of a peer; the peer's identity has been proven by the connection.
    pub fn handle(&self, from: NodeId, message: Bytes) -> BoxFuture<'_, Bytes> {
        Box::pin(async move { serve::handle(&self.inner, from, message).await })
    }

    /// Hands leadership over if this node has it, stops, and brings the state to the disk.
    pub fn shutdown(&self) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            self.inner.shutdown().await;
        })
    }

    /// Stops at once, as a killed process does: nothing is handed over, nothing is synced. For
    /// simulation and tests.
    pub fn kill(&self) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            self.inner.kill().await;
        })
    }

    /// How long a caller should wait before it asks again.
    pub const fn retry_after() -> Duration {
        RETRY_AFTER
    }
}
