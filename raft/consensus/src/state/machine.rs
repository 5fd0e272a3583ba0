//! Applies entries to the state: one overlay, one atomic write and one position for a batch, then
//! the answers, then the effects.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use futures_util::{Stream, StreamExt};
use machine::{Command, Effect, Entry, Overlay, RULES_KNOWN, Rules, Sum, Time, View};
use model::{Histogram, NodeId, Tick};
use openraft::{
    EntryPayload, OptionalSend, RaftSnapshotBuilder, Snapshot,
    storage::{ApplyResponder, EntryResponder, RaftStateMachine},
    type_config::alias::SnapshotOf,
    vote::RaftLeaderId as _,
};
use tokio::{
    sync::{broadcast, watch},
    time::Instant,
};

use crate::{
    FactLog,
    dates::Dates,
    node::Hold,
    options::EFFECTS_KEPT,
    state::{
        StateDisk,
        snapshot::{self, SnapshotData},
        sums::{Mark, Sums},
    },
    stored::v1,
    types::{Answers, LogId, SnapshotMeta, StoredMembership, Types},
};

/// Entries applied under one write. Enough to share its cost, few enough that the first answer
/// does not wait for the last entry.
const APPLY_ENTRIES: usize = 16;

/// Tasks between the Raft core and the socket, each of which wakes the next one, about. Without these yields a
/// client alone had a tenth less; see decision 0016.
const HANDOVERS: usize = 3;

/// Where the state stands: the last entry that it holds and the members as of then.
#[derive(Debug, Clone, Default)]
pub(crate) struct Position {
    pub(crate) applied: Option<LogId>,
    pub(crate) membership: StoredMembership,
}

impl Position {
    /// A state that stands nowhere has no position.
    pub(crate) fn decode(octets: Option<&[u8]>) -> io::Result<Self> {
        octets.map_or_else(|| Ok(Self::default()), v1::read_position)
    }

    /// The sum of what was written, behind the last applied entry.
    fn mark(&self, sum: Sum) -> Option<Mark> {
        let applied = self.applied?;
        let (index, term) = (applied.index(), applied.committed_leader_id().term());
        Some(Mark { index, term, sum: sum.sum })
    }

    fn meta(&self) -> SnapshotMeta {
        SnapshotMeta { last_log_id: self.applied, last_membership: self.membership.clone() }
    }
}

/// What the applying side tells the rest of the node.
pub(crate) struct Shared {
    /// The index behind the last applied entry.
    pub(crate) applied: watch::Sender<u64>,
    /// The term of the last applied entry.
    pub(crate) term: AtomicU64,
    /// Effects, batch by batch.
    pub(crate) effects: broadcast::Sender<Arc<Vec<Effect>>>,
    /// How often a snapshot has replaced the state.
    pub(crate) replaced: watch::Sender<u64>,
    /// What time it is for the cluster.
    pub(crate) dates: Arc<Dates>,
    /// Whether the leader's state is this one.
    pub(crate) sums: Arc<Sums>,
    /// How long committed entries take until they are in the state, batch by batch.
    pub(crate) applying: Histogram,
}

impl Shared {
    pub(crate) fn new(dates: Arc<Dates>) -> Self {
        Self {
            applied: watch::Sender::new(0),
            term: AtomicU64::new(0),
            effects: broadcast::Sender::new(EFFECTS_KEPT),
            replaced: watch::Sender::new(0),
            dates,
            sums: Arc::default(),
            applying: Histogram::default(),
        }
    }

    /// The state was found to stand at this time.
    fn found(&self, time: Time) {
        self.dates.ticked(time.tick);
        self.dates.found(time.date);
    }

    fn reached(&self, position: &Position) {
        let next = position.applied.map_or(0, |id| id.index() + 1);
        let term = position.applied.map_or(0, |id| id.committed_leader_id().term());
        // Before the index: who sees that an entry is applied sees its term.
        self.term.store(term, Ordering::Release);
        self.applied.send_if_modified(|known| std::mem::replace(known, next) != next);
    }
}

/// The state machine as the Raft library knows it.
pub(crate) struct Machine {
    disk: Arc<dyn StateDisk>,
    facts: Arc<dyn FactLog>,
    shared: Arc<Shared>,
    position: Position,
    _hold: Hold,
}

impl Machine {
    /// Takes up where the state on disk stands.
    pub(crate) fn open(
        (disk, facts): (Arc<dyn StateDisk>, Arc<dyn FactLog>),
        shared: Arc<Shared>,
        hold: Hold,
    ) -> io::Result<Self> {
        let (view, position) = disk.view()?;
        let position = Position::decode(position.as_deref())?;
        shared.reached(&position);
        // Time goes on from where the state stands, not from the beginning of all time.
        let state = View::new(&*view);
        check_rules(state.rules())?;
        shared.found(state.clock());
        // What was written before the start counts too: a difference is found where nothing new is applied.
        shared.sums.applied(position.mark(state.sum()));
        facts.begin(state.history().size())?;
        Ok(Self { disk, facts, shared, position, _hold: hold })
    }

    /// Applies a batch, committed since then, whole or not at all.
    fn apply_batch(
        &mut self,
        batch: Vec<EntryResponder<Types>>,
        committed_at: Instant,
    ) -> io::Result<()> {
        let mut position = self.position.clone();
        let mut overlay = Overlay::new(self.disk.reader());
        let (mut replies, mut effects) = (Vec::with_capacity(batch.len()), Vec::new());
        let (mut facts, mut first, mut sums) = (Vec::new(), None, Vec::new());
        let mut tick = Tick::default();
        for (entry, responder) in batch {
            position.applied = Some(entry.log_id);
            let mut answers = Answers(Vec::new(), Some(committed_at));
            match entry.payload {
                EntryPayload::Blank => sums.extend(position.mark(View::new(&overlay).sum())),
                EntryPayload::Membership(members) => {
                    // In the same batch as the position: every state agrees on who votes.
                    let voters: Vec<_> = members.voter_ids().map(NodeId).collect();
                    machine::seat_voters(&mut overlay, &voters);
                    position.membership = StoredMembership::new(Some(entry.log_id), members);
                    sums.extend(position.mark(View::new(&overlay).sum()));
                    effects.push(Effect::NodesChanged);
                }
                EntryPayload::Normal(bytes) => {
                    let entry = decode(&bytes.0)?;
                    let applied = machine::apply(&mut overlay, &entry);
                    let adopts =
                        |p: &machine::Proposal| matches!(p.command, Command::AdoptRules(_));
                    if entry.proposals.iter().any(adopts) {
                        check_rules(View::new(&overlay).rules())?;
                    }
                    tick = tick.max(entry.tick);
                    answers.0 = applied.answers;
                    first = first.or(Some(applied.position));
                    sums.extend(position.mark(applied.sum));
                    facts.extend(applied.facts);
                    effects.extend(applied.effects);
                }
            }
            replies.push((responder, answers));
        }
        // What was computed from a read that failed must not be written.
        self.disk.check()?;
        if let Some(first) = first.filter(|_| !facts.is_empty()) {
            // Before the state that counts them.
            self.facts.append(first, &facts)?;
        }
        self.disk.write(&mut overlay.into_writes(), v1::position(&position))?;
        self.position = position;
        self.shared.sums.applied(sums);
        self.shared.applying.count(committed_at.elapsed());
        self.tell(replies, effects, tick);
        Ok(())
    }

    fn tell(
        &self,
        replies: Vec<(Option<ApplyResponder<Types>>, Answers)>,
        effects: Vec<Effect>,
        tick: Tick,
    ) {
        self.shared.dates.ticked(tick);
        self.shared.reached(&self.position);
        for (responder, answers) in replies {
            if let Some(responder) = responder {
                responder.send(answers);
            }
        }
        if !effects.is_empty() {
            // Nobody listening is no fault: whoever comes later looks at the state.
            self.shared.effects.send(Arc::new(effects)).ok();
        }
    }

    fn snapshot(&self) -> io::Result<SnapshotOf<Types, SnapshotData>> {
        let (view, position) = self.disk.view()?;
        let meta = Position::decode(position.as_deref())?.meta();
        Ok(Snapshot { meta, snapshot: SnapshotData::View(view) })
    }
}

/// A state that was made by rules that this program does not know is not read: a node whose program went back to an
/// older version stops here (D12).
fn check_rules(adopted: Rules) -> io::Result<()> {
    if adopted <= RULES_KNOWN {
        return Ok(());
    }
    let (adopted, known) = (adopted.0, RULES_KNOWN.0);
    Err(io::Error::new(
        io::ErrorKind::InvalidData,
        format!(
            "the cluster has adopted rules {adopted} and this program knows rules {known}: start the newer program"
        ),
    ))
}

/// An entry that a node cannot read stops it: it may not skip what the others apply.
fn decode(bytes: &[u8]) -> io::Result<Entry> {
    machine::decode(bytes).map_err(|error| {
        io::Error::new(
            io::ErrorKind::InvalidData,
            format!("an entry cannot be read, is this program older than the others? {error}"),
        )
    })
}

impl RaftStateMachine<Types> for Machine {
    type SnapshotData = SnapshotData;
    type SnapshotBuilder = Builder;

    async fn applied_state(&mut self) -> io::Result<(Option<LogId>, StoredMembership)> {
        Ok((self.position.applied, self.position.membership.clone()))
    }

    async fn apply<S>(&mut self, entries: S) -> io::Result<()>
    where
        S: Stream<Item = io::Result<EntryResponder<Types>>> + Unpin + OptionalSend,
    {
        let committed_at = Instant::now();
        // As a rule the followers learn first that they may apply, and do so at the same time as we do,
        // not after us. Only a hint: nothing rests on it.
        for _ in 0..HANDOVERS {
            tokio::task::yield_now().await;
        }
        let mut batches = entries.ready_chunks(APPLY_ENTRIES);
        while let Some(batch) = batches.next().await {
            self.apply_batch(batch.into_iter().collect::<io::Result<_>>()?, committed_at)?;
        }
        Ok(())
    }

    async fn get_snapshot_builder(&mut self) -> Builder {
        Builder { disk: self.disk.clone(), snapshot: Some(self.snapshot()) }
    }

    async fn install_snapshot(
        &mut self,
        meta: &SnapshotMeta,
        data: SnapshotData,
    ) -> io::Result<()> {
        let position =
            Position { applied: meta.last_log_id, membership: meta.last_membership.clone() };
        // Until the switch nobody else may begin to take a state in.
        let (stage, _pending) = match data {
            SnapshotData::Taken(stage, pending) => (stage, Some(pending)),
            SnapshotData::View(view) => {
                let (mut stage, mut after) = (self.disk.stage()?, None);
                while let Some((pairs, last)) = snapshot::next_block(&view, after.as_deref()) {
                    stage.put(pairs)?;
                    after = Some(last);
                }
                (stage, None)
            }
        };
        stage.switch(v1::position(&position))?;
        self.position = position;
        let (view, _) = self.disk.view()?;
        let state = View::new(&*view);
        check_rules(state.rules())?;
        self.facts.begin(state.history().size())?;
        self.shared.found(state.clock());
        self.shared.sums.forget();
        self.shared.sums.applied(self.position.mark(state.sum()));
        self.shared.reached(&self.position);
        self.shared.replaced.send_modify(|count| *count += 1);
        self.shared.effects.send(Arc::new(vec![Effect::NodesChanged])).ok();
        Ok(())
    }

    async fn get_current_snapshot(
        &mut self,
    ) -> io::Result<Option<SnapshotOf<Types, SnapshotData>>> {
        // The state is its own snapshot, at whatever entry it stands now.
        if self.position.applied.is_none() {
            return Ok(None);
        }
        self.snapshot().map(Some)
    }
}

/// A snapshot that is being made: the view stands already, and the state must be on disk before
/// the log may be purged behind it.
pub(crate) struct Builder {
    disk: Arc<dyn StateDisk>,
    snapshot: Option<io::Result<SnapshotOf<Types, SnapshotData>>>,
}

impl RaftSnapshotBuilder<Types> for Builder {
    type SnapshotData = SnapshotData;

    async fn build_snapshot(&mut self) -> io::Result<SnapshotOf<Types, SnapshotData>> {
        // The log behind it waits with it: it has room of its own.
        while self.disk.is_short() {
            tokio::time::sleep(crate::room::LOOK_EVERY).await;
        }
        self.disk.persist().await?;
        self.snapshot.take().unwrap_or_else(|| Err(io::Error::other("a snapshot is built once")))
    }
}
