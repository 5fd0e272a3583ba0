//! A node of the consensus: opens its stores, starts the Raft core and its helpers, stops them.

use std::{
    convert::Infallible,
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use machine::Time;
use model::{NodeId, lengths::millis_of};
use openraft::{
    Config, Instant as _, ServerState, SnapshotPolicy, async_runtime::WatchReceiver as _,
    storage::RaftLogStorage,
};
use parking_lot::Mutex;
use tokio::{
    sync::{mpsc, watch},
    task::JoinSet,
    time::{Instant, MissedTickBehavior, timeout, timeout_at},
};

use crate::{
    Clock, Error, FactLog, Network, Options, Role, Status, Timing,
    dates::Dates,
    log::{mark::Mark, read::Entries},
    options::{KEEP_ENTRIES, PAYLOAD_ENTRIES, PURGE_BATCH, WAITING_PROPOSALS, WAITING_READS},
    peer::Peers,
    pledge::greet::{self, Pledges},
    propose::{self, Spans, Waiting},
    pulse::Pulse,
    read::{self, Reader},
    riders::{self, Riders},
    room::{self, Room},
    serve::Incoming,
    state::{Machine, Shared, StateDisk},
    touch,
    types::{LogId, Raft, Types},
    views::Views,
};

/// What all parts of a node share.
pub(crate) struct Inner {
    pub(crate) node: NodeId,
    pub(crate) timing: Timing,
    pub(crate) raft: Raft,
    pub(crate) disk: Arc<dyn StateDisk>,
    pub(crate) shared: Arc<Shared>,
    pub(crate) network: Arc<dyn Network>,
    pub(crate) pulse: Arc<Pulse>,
    pub(crate) proposals: mpsc::Sender<Waiting>,
    pub(crate) spans: Spans,
    pub(crate) reads: mpsc::Sender<Reader>,
    /// What lists share.
    pub(crate) views: Views,
    pub(crate) incoming: Mutex<Option<Incoming>>,
    /// A snapshot came in whole and waits to be switched to.
    pub(crate) installing: Arc<AtomicBool>,
    pub(crate) status: watch::Sender<Status>,
    /// Whether this node is out of touch with a majority.
    pub(crate) lost: watch::Sender<bool>,
    pub(crate) may_lead: AtomicBool,
    pub(crate) pledges: Arc<Pledges>,
    /// What rides with entries.
    pub(crate) riders: Arc<Riders>,
    /// The id of the entry at an index of the log, if it is there. It holds the log, so it goes with
    /// the core.
    pub(crate) id_at: Mutex<Option<IdAt>>,
    /// A difference was found, and it is waited for whether the logs have forked.
    differs: AtomicBool,
    /// Why the core is being stopped for it.
    stopped: Mutex<Option<String>>,
    mark: Option<Mark>,
    tasks: Mutex<Option<JoinSet<()>>>,
    released: Mutex<Released>,
}

/// Looks up an entry's id in the log.
pub(crate) type IdAt = Box<dyn Fn(u64) -> io::Result<Option<LogId>> + Send + Sync>;

/// Resolves once every part of the Raft core has let go of the stores.
pub(crate) type Released = mpsc::Receiver<Infallible>;

/// Held by whoever uses the stores.
pub(crate) type Hold = mpsc::Sender<Infallible>;

/// How long it is waited for peers to say that the logs have forked: they greet one another within less.
const DIFFERENCE_WAIT: Duration = Duration::from_secs(3);

/// How much longer a follower waits for its leader to stop, if that is the one that differs: it waits
/// [`DIFFERENCE_WAIT`] itself, then another is elected within a second and tells its sum with a heartbeat.
const GIVE_WAY: Duration = Duration::from_secs(5);

/// The core's tasks end by themselves after its stop; they are given so long.
const RELEASE_DEADLINE: Duration = Duration::from_secs(5);

/// Why the core stopped, as text.
fn stopped(error: &impl std::fmt::Display) -> Error {
    Error::Stopped { reason: error.to_string() }
}

/// The Raft library's settings.
fn config(options: &Options, may_elect: bool) -> Result<Arc<Config>, Error> {
    let timing = &options.timing;
    timing.check()?;
    let config = Config {
        cluster_name: "lgsp".into(),
        heartbeat_interval: millis_of(timing.heartbeat),
        election_timeout_min: millis_of(timing.election_min),
        election_timeout_max: millis_of(timing.election_max),
        // The peer has its own deadlines for each block.
        install_snapshot_timeout: 600_000,
        max_payload_entries: PAYLOAD_ENTRIES,
        max_append_entries: Some(1_024),
        snapshot_policy: SnapshotPolicy::LogsSinceLast(options.snapshot_entries),
        max_in_snapshot_log_to_keep: KEEP_ENTRIES.min(options.snapshot_entries),
        // Beyond the snapshots' distance, or a snapshot would not end the lag.
        replication_lag_threshold: options.snapshot_entries.saturating_mul(2),
        purge_batch_size: PURGE_BATCH.min(options.snapshot_entries),
        api_channel_size: Some(4_096),
        api_batch_capacity: 256,
        notification_channel_size: Some(4_096),
        broadcast_submitted_on_append: Some(true),
        enable_elect: may_elect,
        enable_pre_vote: Some(true),
        enable_leader_restore: Some(false),
        ..Config::default()
    };
    let config = config.validate().map_err(|error| Error::Timing { reason: error.to_string() })?;
    Ok(Arc::new(config))
}

impl Inner {
    /// Starts a node on its stores.
    pub(crate) async fn start<L: RaftLogStorage<Types> + Entries>(
        options: Options,
        (mut log, hold, released): (L, Hold, Released),
        (mark, pledges, riders): (Option<Mark>, Arc<Pledges>, Arc<Riders>),
        (disk, facts): (Arc<dyn StateDisk>, Arc<dyn FactLog>),
        network: Arc<dyn Network>,
        clock: Arc<dyn Clock>,
    ) -> Result<Arc<Self>, Error> {
        let config = config(&options, pledges.standing().is_full())?;
        let dates = Arc::new(Dates::new());
        let shared = Arc::new(Shared::new(dates.clone()));
        let machine = Machine::open((disk.clone(), facts), shared.clone(), hold);
        let machine = machine.map_err(|e| stopped(&e))?;
        let pulse = Arc::new(Pulse::new(clock, dates, shared.sums.clone()));
        let own = options.node.0;
        let applied = *shared.applied.borrow();
        riders::forget_unlanded(&mut log, applied, &riders).await.map_err(|e| stopped(&e))?;
        let retry_every = options.timing.heartbeat;
        let more = Arc::new(AtomicBool::new(false));
        let peers = Peers::new(
            own,
            network.clone(),
            pulse.clone(),
            pledges.clone(),
            retry_every,
            (more.clone(), riders.clone()),
        );
        let id_at: IdAt = {
            let log = log.clone();
            Box::new(move |index| {
                let found = log.entries(index, index.saturating_add(1), 0)?;
                Ok(found.first().map(|entry| entry.log_id).filter(|id| id.index() == index))
            })
        };
        let notes = log.clone();
        riders.attach(Box::new(move |applied| notes.note_landed(applied)));
        let raft = Raft::new(own, config, peers.clone(), log, machine).await.map_err(|error| {
            riders.detach();
            stopped(&error)
        })?;
        peers.attach(raft.clone());
        pledges.attach(raft.clone());
        let (proposals, proposal_queue) = mpsc::channel(WAITING_PROPOSALS);
        let (reads, read_queue) = mpsc::channel(WAITING_READS);
        let inner = Arc::new(Self {
            node: options.node,
            timing: options.timing,
            raft,
            disk,
            shared,
            network,
            pulse,
            proposals,
            spans: Spans::default(),
            reads,
            views: Views::default(),
            incoming: Mutex::new(None),
            installing: Arc::default(),
            status: watch::Sender::new(Status::default()),
            lost: watch::Sender::new(false),
            may_lead: AtomicBool::new(true),
            pledges,
            riders,
            id_at: Mutex::new(Some(id_at)),
            differs: AtomicBool::new(false),
            stopped: Mutex::default(),
            mark,
            tasks: Mutex::new(Some(JoinSet::new())),
            released: Mutex::new(released),
        });
        inner.status.send_replace(inner.read_status());
        inner.spawn(propose::gather(inner.clone(), proposal_queue, more));
        inner.spawn(read::rounds(inner.clone(), read_queue));
        inner.spawn(follow(inner.clone()));
        inner.spawn(keep(inner.clone()));
        inner.spawn(greet::rounds(inner.clone()));
        inner.spawn(touch::watch_over(inner.clone(), inner.lost.clone()));
        Ok(inner)
    }

    /// Runs something until the node stops.
    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        if let Some(tasks) = &mut *self.tasks.lock() {
            // Those that have ended are let go here, so the set does not grow.
            while tasks.try_join_next().is_some() {}
            tasks.spawn(task);
        }
    }

    /// Who leads, as far as this node knows.
    pub(crate) fn leader(&self) -> Option<u64> {
        self.raft.server_metrics().borrow_watched().current_leader
    }

    /// Whether this node leads.
    pub(crate) fn leads(&self) -> bool {
        self.leader() == Some(self.node.0)
    }

    /// Voters and learners.
    pub(crate) fn members(&self) -> (Vec<u64>, Vec<u64>) {
        let membership = self.raft.server_metrics().borrow_watched().membership_config.clone();
        let voters = membership.voter_ids().collect();
        (voters, membership.membership().learner_ids().collect())
    }

    /// The time for the next entry; none while a new leader waits for the others' clocks.
    pub(crate) fn stamp(&self) -> Option<Time> {
        self.pulse.stamp(&self.members().0, self.node.0)
    }

    /// Waits until somebody other than `known` leads, or the deadline.
    pub(crate) async fn leader_changes(&self, known: Option<u64>, deadline: Instant) {
        // Not the whole metrics: these change with every entry, and would wake every waiter.
        let mut metrics = self.raft.server_metrics();
        let changed = async {
            loop {
                if metrics.borrow_watched().current_leader != known {
                    return;
                }
                if metrics.changed().await.is_err() {
                    // The core has stopped; nothing changes any more.
                    std::future::pending::<()>().await;
                }
            }
        };
        // Both ends mean the same to the caller: look again.
        timeout_at(deadline, changed).await.ok();
    }

    /// Waits until this node's state holds an entry; false when it is too late.
    pub(crate) async fn wait_applied(&self, index: u64, deadline: Instant) -> bool {
        if *self.shared.applied.borrow() > index {
            return true;
        }
        let mut applied = self.shared.applied.subscribe();
        let reached = applied.wait_for(|next| *next > index);
        matches!(timeout_at(deadline, reached).await, Ok(Ok(_)))
    }

    /// When a majority last followed the leader, as far as this node knows.
    pub(crate) fn since_quorum(&self) -> Option<Duration> {
        let metrics = self.raft.metrics();
        let now = metrics.borrow_watched();
        if now.running_state.is_err() {
            return None;
        }
        if now.current_leader != Some(self.node.0) {
            return self.pulse.proven().map(|at| at.elapsed());
        }
        if now.membership_config.voter_ids().eq([self.node.0]) {
            // Alone, this node is the majority.
            return Some(Duration::ZERO);
        }
        now.last_quorum_acked.map(|at| at.elapsed())
    }

    /// How old the moment is whose acknowledged entries this node's state certainly holds.
    pub(crate) fn since_fresh(&self) -> Option<Duration> {
        let since = self.since_quorum()?;
        if !self.leads() {
            let applied = *self.shared.applied.borrow();
            return self.pulse.covered(applied).map(|at| at.elapsed());
        }
        // What this leader acknowledges it has applied; what others did before lies below its first
        // entry.
        let term = self.raft.metrics().borrow_watched().current_term;
        (self.shared.term.load(Ordering::Acquire) == term).then_some(since)
    }

    pub(crate) fn read_status(&self) -> Status {
        let since_quorum = self.since_quorum();
        let metrics = self.raft.metrics();
        let now = metrics.borrow_watched();
        let membership = &now.membership_config;
        let role = match now.state {
            _ if now.running_state.is_err() => Role::Stopped,
            ServerState::Learner => Role::Learner,
            ServerState::Follower => Role::Follower,
            ServerState::Candidate => Role::Candidate,
            ServerState::Leader => Role::Leader,
            ServerState::Shutdown => Role::Stopped,
        };
        Status {
            node: self.node,
            leader: now.current_leader.map(NodeId),
            role,
            term: now.current_term,
            last_log: now.last_log_index,
            committed: now.local_committed.as_ref().map(|id| id.index()),
            applied: self.shared.applied.borrow().checked_sub(1),
            voters: membership.voter_ids().map(NodeId).collect(),
            learners: membership.membership().learner_ids().map(NodeId).collect(),
            since_quorum,
            clock_offset_ms: self.pulse.offset_ms(),
            may_lead: self.may_lead.load(Ordering::Relaxed) && self.pulse.trusted(),
            standing: self.pledges.standing(),
            failure: self
                .stopped
                .lock()
                .clone()
                .or_else(|| now.running_state.as_ref().err().map(ToString::to_string)),
        }
    }

    /// Tells the status anew.
    pub(crate) fn refresh(&self) {
        self.status.send_replace(self.read_status());
    }

    /// The state of this node is not the leader's, or a majority's where it leads: it takes part no longer, unless it is
    /// found meanwhile that the logs have forked, which has its own end, or that it was the leader that differed.
    pub(crate) fn stop_differing(self: &Arc<Self>) {
        if self.differs.swap(true, Ordering::AcqRel) {
            return;
        }
        let inner = self.clone();
        self.spawn(async move {
            let Some(difference) = inner.lasting_difference().await else {
                // The next answer, or the next look, asks again.
                inner.differs.store(false, Ordering::Release);
                return;
            };
            tracing::error!("{difference}");
            *inner.stopped.lock() = Some(difference);
            inner.refresh();
            if let Err(error) = inner.raft.shutdown().await {
                tracing::warn!(%error, "the Raft core did not stop cleanly");
            }
        });
    }

    /// What is left of a difference after the wait. It begins anew where another leader differs as well: that one is given
    /// the time to stop, too.
    async fn lasting_difference(&self) -> Option<String> {
        let mut known = self.shared.sums.difference()?;
        loop {
            tokio::time::sleep(DIFFERENCE_WAIT).await;
            if !self.leads() {
                tokio::time::sleep(GIVE_WAY).await;
            }
            if !self.pledges.standing().is_full() {
                return None;
            }
            let Some(difference) = self.shared.sums.difference() else {
                tracing::warn!(
                    "the leader before had another state than this node and the next one"
                );
                return None;
            };
            // Whoever leads by now is contradicted by the others, or by nobody.
            if self.leads() && difference.term < self.raft.metrics().borrow_watched().current_term {
                return None;
            }
            if difference.term == known.term {
                return Some(difference.text);
            }
            known = difference;
        }
    }

    /// Stops everything and brings what is written to the disk.
    pub(crate) async fn shutdown(&self) {
        if self.leads() && self.members().0.len() > 1 {
            self.hand_over_here().await;
        }
        self.kill().await;
        if let Err(error) = self.persist().await {
            tracing::error!(%error, "the state was not synced at the stop");
        }
    }

    /// Stops everything at once.
    pub(crate) async fn kill(&self) {
        if let Err(error) = self.raft.shutdown().await {
            tracing::warn!(%error, "the Raft core did not stop cleanly");
        }
        let tasks = self.tasks.lock().take();
        if let Some(mut tasks) = tasks {
            tasks.shutdown().await;
        }
        *self.incoming.lock() = None;
        *self.id_at.lock() = None;
        self.riders.detach();
        let gone = std::future::poll_fn(|context| self.released.lock().poll_recv(context));
        if timeout(RELEASE_DEADLINE, gone).await.is_err() {
            tracing::warn!("a part of the Raft core still holds the stores");
        }
        self.status.send_replace(self.read_status());
    }

    async fn persist(&self) -> io::Result<()> {
        self.disk.persist().await?;
        if let Err(error) = self.riders.note(self.riders.landed(0).upto).await {
            // A start then looks at more of the log; whoever destroys says it first.
            tracing::debug!(%error, "the log does not say how far it has landed");
        }
        if let Err(error) = self.pledges.aside(Pledges::keep).await {
            // A memory that is a little older notices less, and accuses nobody.
            tracing::warn!(%error, "what peers have promised was not kept");
        }
        if let Some(mark) = self.mark.clone() {
            let synced = tokio::task::spawn_blocking(move || mark.sync()).await;
            synced.map_err(io::Error::other)??;
        }
        Ok(())
    }
}

/// How far the numbers in the status may lag behind; who leads and who votes is told at once.
const STATUS_LAG: Duration = Duration::from_millis(50);

/// Keeps the status up to date.
async fn follow(inner: Arc<Inner>) {
    let (mut metrics, mut server) = (inner.raft.metrics(), inner.raft.server_metrics());
    let mut ended = false;
    loop {
        let status = inner.read_status();
        let was_leader = inner.status.borrow().role == Role::Leader;
        if was_leader != (status.role == Role::Leader) {
            inner.pulse.forget_signs();
            if !was_leader {
                inner.shared.sums.lead();
            }
        }
        inner.status.send_if_modified(|known| {
            // The age alone is no news: whoever needs it asks.
            let mut same = known.clone();
            same.since_quorum = status.since_quorum;
            let news = same != status;
            *known = status;
            news
        });
        // The core's last word is told, too.
        if ended {
            return;
        }
        let lagging = async {
            let changed = metrics.changed().await;
            // Every entry changes the numbers several times; nobody needs to see each.
            tokio::time::sleep(STATUS_LAG).await;
            changed
        };
        let changed = tokio::select! {
            changed = server.changed() => changed,
            changed = lagging => changed,
        };
        ended = changed.is_err();
    }
}

/// Keeps an eye on the disk.
pub(crate) async fn watch(room: Arc<Room>) {
    let mut tick = tokio::time::interval(room::LOOK_EVERY);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tick.tick().await;
        let room = room.clone();
        let looked = tokio::task::spawn_blocking(move || room.look()).await;
        if let Ok(Err(error)) = looked {
            tracing::debug!(%error, "the disk cannot be looked at");
        }
    }
}

/// Syncs the state now and then, and sees to it that a node with a wrong clock does not lead.
async fn keep(inner: Arc<Inner>) {
    let mut tick = tokio::time::interval(inner.timing.persist_every);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut persisted = *inner.shared.applied.borrow();
    loop {
        tick.tick().await;
        let applied = *inner.shared.applied.borrow();
        // What the state keeps in memory then is in the log.
        if applied != persisted && !inner.disk.is_short() {
            match inner.persist().await {
                Ok(()) => persisted = applied,
                Err(error) => {
                    // A disk that fails to sync is not asked again: the node stops.
                    tracing::error!(%error, "the state cannot be synced: the node stops");
                    inner.raft.shutdown().await.ok();
                    return;
                }
            }
        }
        inner.views.forget();
        inner.riders.forget();
        inner.lead_or_not().await;
    }
}

impl Inner {
    /// Stands for election only if it is allowed to, and gives leadership up if it is not.
    pub(crate) async fn lead_or_not(&self) {
        if self.leads() {
            self.pulse.measure(&self.members().0, self.node.0);
        }
        let full = self.pledges.standing().is_full();
        // Better a leader with a wrong clock than none: entries carry what a majority shows.
        let nobody = self.since_quorum().is_none_or(|since| since > self.timing.fresh_max);
        let may = full && self.may_lead.load(Ordering::Relaxed) && (self.pulse.trusted() || nobody);
        self.raft.runtime_config().elect(may);
        if !may && self.leads() {
            tracing::warn!(offset_ms = self.pulse.offset_ms(), "this node gives up leadership");
            self.hand_over_here().await;
        }
    }
}
