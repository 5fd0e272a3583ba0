//! The history: where the facts go, and what is answered from it (D17).
//!
//! A node that lacks facts fetches them from the others and checks each run against the root that its own
//! state counts. Tree and index are built behind; what is asked of them waits a bounded while.

use std::{
    io,
    ops::ControlFlow,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use ::history::{History, Key, Keys, RUN_OCTETS_MAX, Run};
use machine::{Fact, PacketRecord, Refusal, View, What, decode};
use model::{NodeId, PacketId, UnitCode, tree::TreeHead};
use tokio::{
    runtime::{Handle, RuntimeFlavor},
    time::{Instant, sleep},
};

use crate::{
    door::{self, Core},
    ports::Nodes,
};

/// How soon a node that lacks facts, or whose tree is behind, may have them; others have them now.
pub(crate) const FACTS_RETRY_AFTER: Duration = Duration::from_secs(5);

/// Why the history does not answer.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The cluster does not, or this node has not all facts yet.
    #[error(transparent)]
    Door(#[from] door::Error),
    /// The history is not so long.
    #[error("the history has {size} facts")]
    Beyond {
        /// How many facts it has.
        size: u64,
    },
    /// The history failed.
    #[error("the history failed")]
    Failed(#[source] ::history::Error),
}

impl Error {
    /// This node has not all facts yet.
    pub(crate) fn behind() -> Self {
        door::Error::Unavailable { retry_after: FACTS_RETRY_AFTER }.into()
    }
}

door::through_core!(Error: Refusal, consensus::Unavailable);

impl From<::history::Error> for Error {
    fn from(error: ::history::Error) -> Self {
        match error {
            ::history::Error::Missing { .. } | ::history::Error::NotHashed { .. } => Self::behind(),
            ::history::Error::Beyond { size, .. } => Self::Beyond { size },
            error => Self::Failed(error),
        }
    }
}

/// Facts that tree and index are brought further by at once: some tens of milliseconds.
const DERIVED_AT_ONCE: u64 = 4_096;

/// Between two looks whether tree and index are behind.
const DERIVE_EVERY: Duration = Duration::from_millis(500);

/// Between two looks whether facts are missing.
const FILL_EVERY: Duration = Duration::from_secs(1);

/// After a peer that had no facts for us: its tree may be a moment behind.
const FILL_PAUSE: Duration = Duration::from_millis(200);

/// Facts that nobody gave for so long are told to the operator: all nodes of a cluster that start one after the
/// other answer within that.
const FILL_WARNED_AFTER: Duration = Duration::from_secs(10);

/// How long a question waits for the index to have all that the state counts.
const INDEX_WAIT_MAX: Duration = Duration::from_secs(2);

/// Facts that one look at the disk compares with the tree, and between two looks: ten million in a month.
const CHECKED_AT_ONCE: u64 = 2_048;
/// See [`CHECKED_AT_ONCE`].
const CHECK_EVERY: Duration = Duration::from_secs(600);

/// The octets of a packet's identifier, by which a source's packets are ordered.
const PACKET_OCTETS: usize = 16;

/// The history as the place where the facts of the state go.
pub struct HistoryLog(pub Arc<History>);

impl consensus::FactLog for HistoryLog {
    fn begin(&self, size: u64) -> io::Result<()> {
        self.0.begin_gap(size).map_err(disk_error)
    }

    fn append(&self, position: u64, facts: &[Vec<u8>]) -> io::Result<()> {
        self.0.append(position, facts).map_err(disk_error)
    }

    fn sync(&self) -> io::Result<()> {
        self.0.sync().map(drop).map_err(disk_error)
    }
}

/// The kind of what the disk said is kept: consensus helps itself where the disk is only full.
fn disk_error(error: ::history::Error) -> io::Error {
    let kind = match &error {
        ::history::Error::Io { source, .. } => source.kind(),
        _ => io::ErrorKind::Other,
    };
    io::Error::new(kind, error)
}

/// By what facts are found: those of a packet, and the packets of a source that have left the state.
pub fn history_keys() -> Keys {
    Keys { version: 2, of: keys_of }
}

const PACKET: u8 = b'p';
const SENT: u8 = b's';

fn keys_of(octets: &[u8]) -> Vec<Key> {
    // What cannot be read was never appended: the machine has made it.
    let Ok(fact) = decode::<Fact>(octets) else { return Vec::new() };
    let Some(packet) = fact.what.packet() else { return Vec::new() };
    let mut keys = vec![packet_key(packet)];
    if let What::Destroyed(destroyed) = &fact.what {
        keys.push(key([&sent_family(&destroyed.source), &packet.to_bytes()[..]].concat()));
    }
    keys
}

fn key(octets: Vec<u8>) -> Key {
    Key::new(octets).expect("codes are short")
}

/// The key of a packet's facts.
pub(crate) fn packet_key(packet: PacketId) -> Key {
    key([&[PACKET], &packet.to_bytes()[..]].concat())
}

/// What the keys of a source's packets begin with; a packet's identifier follows.
fn sent_family(unit: &UnitCode) -> Vec<u8> {
    [&[SENT], unit.as_str().as_bytes(), &[0]].concat()
}

/// How far the history of this node is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HistoryStatus {
    /// Facts that the state counts.
    pub facts: u64,
    /// Facts that this node lacks and fetches from the others, at most.
    pub missing: u64,
    /// Of these, what no node that answers has given for some time; at most, too.
    pub wanted: u64,
    /// Facts that tree or index do not have yet.
    pub behind: u64,
    /// Damaged tiles of the tree that were made again since the start.
    pub mended: u64,
}

/// Does what blocks where it holds up nobody; in a simulation, which has one thread, at once.
pub(crate) async fn aside<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    if Handle::current().runtime_flavor() == RuntimeFlavor::CurrentThread {
        return work();
    }
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
}

/// The door of the history. Clones are the same.
#[derive(Clone)]
pub struct Past {
    core: Core,
    history: Arc<History>,
    nodes: Arc<dyn Nodes>,
    /// Facts that this node lacks and nobody gives.
    wanted: Arc<AtomicU64>,
}

impl Past {
    pub(crate) fn new(
        core: Core,
        history: Arc<History>,
        nodes: Arc<dyn Nodes>,
        wanted: Arc<AtomicU64>,
    ) -> Self {
        Self { core, history, nodes, wanted }
    }

    pub(crate) fn history(&self) -> &Arc<History> {
        &self.history
    }

    /// How far the history of this node is.
    pub fn status(&self) -> HistoryStatus {
        let progress = self.history().progress();
        let missing = self.history().missing().map_or(0, |gap| progress.size - gap.start);
        HistoryStatus {
            facts: progress.size,
            missing,
            wanted: self.wanted.load(Relaxed),
            behind: progress.size - progress.hashed.min(progress.indexed),
            mended: progress.mended,
        }
    }

    /// Facts for a peer that lacks them, with their proof under the root of this size; nothing where this node
    /// cannot give them now.
    pub async fn facts_for(&self, from: u64, size: u64) -> Vec<u8> {
        let history = self.history().clone();
        let run = aside(move || history.segment(from, RUN_OCTETS_MAX, size)).await;
        match run {
            Ok(run) => run.encode(),
            Err(error) => {
                tracing::debug!(from, size, %error, "a peer gets no facts");
                Vec::new()
            }
        }
    }

    /// What the state of this node knows of the tree.
    pub(crate) fn head(&self) -> TreeHead {
        self.core.consensus.peek(|rows| View::new(rows).history()).head()
    }

    /// Keeps tree and index near the facts.
    pub(crate) async fn derive(&self) {
        // At the start, while there are threads and descriptors to be had; who asks earlier waits for it.
        let history = self.history().clone();
        if let Err(error) = aside(move || history.open_index()).await {
            tracing::warn!(%error, "the index of the history is opened later");
        }
        loop {
            sleep(DERIVE_EVERY).await;
            let mut before = None;
            // As long as it gets on: what is not durable yet waits for the next sync.
            while self.history().progress().is_behind() && before != Some(self.history().progress())
            {
                before = Some(self.history().progress());
                if let Err(error) = self.derive_some().await {
                    tracing::warn!(%error, "tree or index of the history cannot go on");
                    break;
                }
            }
        }
    }

    async fn derive_some(&self) -> Result<(), ::history::Error> {
        let history = self.history().clone();
        aside(move || history.derive(DERIVED_AT_ONCE)).await.map(drop)
    }

    /// Returns once the index has all facts before a position.
    ///
    /// # Errors
    ///
    /// [`Error::Unavailable`]: it lacks some that only others have, or is far behind.
    pub(crate) async fn indexed(&self, size: u64) -> Result<(), Error> {
        let deadline = Instant::now() + INDEX_WAIT_MAX;
        while self.history().indexed() < size {
            let late = Instant::now() > deadline || self.history().missing().is_some();
            if late {
                return Err(Error::behind());
            }
            // Who asks for the newest facts makes them durable first: the index has no others.
            let history = self.history().clone();
            let derived = aside(move || {
                history.sync()?;
                history.derive(DERIVED_AT_ONCE)
            });
            derived.await?;
        }
        Ok(())
    }

    /// Returns once the index has all packets that have left the state. They were destroyed some time before, so
    /// that it nearly always has.
    async fn past_indexed(&self) -> Result<(), Error> {
        self.indexed(self.core.consensus.peek(|rows| View::new(rows).left_before())).await
    }

    /// A packet that has left the state; none if there never was one.
    pub(crate) async fn packet(&self, packet: PacketId) -> Result<Option<PacketRecord>, Error> {
        self.past_indexed().await?;
        let history = self.history().clone();
        let last = aside(move || {
            let last = history.latest(&packet_key(packet), None, 1)?.pop();
            last.map(|at| history.fact(at)).transpose()
        });
        let last = last.await?;
        // Whatever comes last: nothing happens to a packet after it was destroyed everywhere.
        Ok(last.as_deref().and_then(record_of))
    }

    /// Packets of a source that are in the history whole, the newest first.
    pub(crate) async fn sent(
        &self,
        unit: &UnitCode,
        before: Option<PacketId>,
        limit: usize,
    ) -> Result<Vec<PacketRecord>, Error> {
        self.past_indexed().await?;
        let (history, family) = (self.history().clone(), sent_family(unit));
        let found = aside(move || {
            let before = before.map(|packet| packet.to_bytes());
            let before = before.as_ref().map(|octets| &octets[..]);
            let ranked = history.ranked(&family, PACKET_OCTETS, before, limit)?;
            ranked.into_iter().map(|(_, at)| history.fact(at)).collect()
        });
        let found: Result<Vec<Vec<u8>>, ::history::Error> = found.await;
        Ok(found?.iter().filter_map(|octets| record_of(octets)).collect())
    }

    /// Fetches what is missing, run by run, from whoever has it.
    pub(crate) async fn fill(&self) {
        loop {
            sleep(FILL_EVERY).await;
            let (mut told, mut in_vain) = (None, None);
            while let Some(gap) = self.history().missing() {
                if told.is_none() {
                    tracing::info!(
                        from = gap.start,
                        to = gap.end,
                        "facts are missing: they are fetched"
                    );
                }
                told = Some(gap.end);
                if self.fetch_run(gap.start).await {
                    self.want_facts(0);
                    in_vain = None;
                } else {
                    let since = *in_vain.get_or_insert_with(Instant::now);
                    if since.elapsed() >= FILL_WARNED_AFTER {
                        self.want_facts(self.status().missing);
                    }
                    sleep(FILL_PAUSE).await;
                }
            }
            self.want_facts(0);
            if let Some(to) = told {
                tracing::info!(to, "the history is whole");
            }
        }
    }

    /// Notes how many facts this node lacks that no node which answers has.
    fn want_facts(&self, count: u64) {
        let before = self.wanted.swap(count, Relaxed);
        if before == 0 && count > 0 {
            tracing::warn!(
                count,
                "no node that answers has facts that are missing here: start the nodes that are away"
            );
        }
    }

    /// Fetches facts from a position on; answers whether some came.
    async fn fetch_run(&self, from: u64) -> bool {
        let taken = self.take_from_any_peer(from, |history, run, known| {
            history.fill(run, known)?;
            // The index has durable facts only.
            history.sync().map(drop)
        });
        taken.await.is_some()
    }

    /// Asks the others, one after the other, for facts from a position on, until one gives some that can be taken:
    /// `take` checks them against what the state of this node knows. Answers which node gave them.
    async fn take_from_any_peer(&self, from: u64, take: Taking) -> Option<NodeId> {
        for node in self.others() {
            // Another one for each peer: the state goes on meanwhile.
            let known = self.head();
            if from >= known.size {
                return None;
            }
            let octets = self.nodes.facts(node, from, known.size).await;
            let Some(octets) = octets.filter(|octets| !octets.is_empty()) else { continue };
            let history = self.history().clone();
            match aside(move || take(&history, &Run::decode(&octets)?, &known)).await {
                Ok(()) => return Some(node),
                Err(error) => tracing::warn!(%node, %error, "a peer's facts were not taken"),
            }
        }
        None
    }

    /// The other nodes that vote or learn.
    fn others(&self) -> Vec<NodeId> {
        let status = self.core.consensus.status();
        let nodes = status.voters.into_iter().chain(status.learners);
        nodes.filter(|node| *node != self.core.node).collect()
    }

    /// Compares the facts on the disk with the tree, slowly and again and again, and mends what is damaged from the
    /// others.
    pub(crate) async fn check(&self) {
        let mut at = 0;
        loop {
            sleep(CHECK_EVERY).await;
            if let ControlFlow::Continue(next) = self.check_some(at).await {
                at = next;
            }
        }
    }

    async fn check_some(&self, at: u64) -> ControlFlow<(), u64> {
        let history = self.history().clone();
        let size = history.progress().hashed;
        let at = if at >= size { 0 } else { at };
        match aside(move || history.check(at..size, CHECKED_AT_ONCE)).await {
            Ok((damaged, to)) => {
                for position in damaged {
                    tracing::warn!(position, "a fact is damaged on this disk");
                    self.repair_fact(position).await;
                }
                ControlFlow::Continue(to)
            }
            Err(error) => {
                tracing::warn!(%error, "the history cannot be checked");
                ControlFlow::Break(())
            }
        }
    }

    async fn repair_fact(&self, position: u64) {
        let repair: Taking = |history, run, known| history.repair(run, known).map(drop);
        if let Some(node) = self.take_from_any_peer(position, repair).await {
            tracing::info!(position, %node, "a damaged fact was mended");
        }
    }
}

/// What is done with facts of a peer, given what the state of this node knows of the tree.
type Taking = fn(&History, &Run, &TreeHead) -> Result<(), ::history::Error>;

/// The packet that a fact tells the whole story of; none if it is another fact.
fn record_of(octets: &[u8]) -> Option<PacketRecord> {
    match read(octets).what {
        What::Destroyed(destroyed) => Some(PacketRecord::of_history(*destroyed)),
        _ => None,
    }
}

/// A fact of our own history; one that does not decode is a bug of ours, as a row of the state.
pub(crate) fn read(octets: &[u8]) -> Fact {
    decode(octets).unwrap_or_else(|error| panic!("a fact does not decode: {error}"))
}
