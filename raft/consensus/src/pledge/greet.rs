//! How nodes meet: each tells its pledge and what it remembers of the other's, before they exchange
//! anything else and every few seconds after; and how a node whose disk went back is taken in again.

use std::{
    collections::BTreeMap,
    io,
    sync::{Arc, OnceLock},
    time::Duration,
};

use minicbor::{Decode, Encode};
use model::{NodeId, lengths::millis_of};
use openraft::{async_runtime::WatchReceiver as _, vote::RaftLeaderId as _};
use parking_lot::Mutex;
use tokio::{
    sync::watch,
    time::{Instant, timeout, timeout_at},
};

use super::{
    Heard, Memory, Own, Pledge, Standing,
    vault::{self, Vault, Word},
};
use crate::{
    Clock, Lane, Network, NetworkError,
    node::Inner,
    types::{LogId, Raft},
    wire::{self, Kind, WireError},
};

/// Between two greetings of a peer. What a node promised since the last one, that peer does not
/// know, so it is short; and it is a message a pair, so it is not shorter.
const GREET_EVERY: Duration = Duration::from_secs(3);

/// Between two tries of a node that does not take part to be taken in again.
const RETURN_EVERY: Duration = Duration::from_millis(500);

/// A peer that does not answer a greeting so long is not waited for.
const GREET_DEADLINE: Duration = Duration::from_secs(1);

/// A node that was just started votes for nobody before every other member has told what it
/// remembers, or so long: less than an election waits.
const FIRST_VOTE_AFTER: Duration = Duration::from_millis(250);

/// A node that was heard in another life so short a time ago may be running twice.
const OTHER_LIFE_GONE: Duration = Duration::from_secs(15);

/// What nodes say when they meet.
#[derive(Debug, Clone, Encode, Decode)]
#[cbor(map)]
pub(crate) struct Greeting {
    #[n(0)]
    pledge: Pledge,
    #[n(1)]
    standing: Standing,
    /// The number of entries that the sender knows to be committed.
    #[n(2)]
    committed: u64,
    /// The receiver's newest pledge, as the sender remembers it.
    #[n(3)]
    known: Option<Pledge>,
    /// In which lives the sender has heard the receiver, and how many milliseconds ago.
    #[n(4)]
    lives: Vec<(u64, u64)>,
}

/// What a leader answers to a node that wants to be taken in again.
#[derive(Debug, Clone, Copy, Encode, Decode)]
#[cbor(map)]
pub(crate) struct Return {
    /// The leader's term.
    #[n(0)]
    term: u64,
    /// All that was ever committed stands at or before this index.
    #[n(1)]
    until: u64,
}

/// What a node has promised, and what it remembers of the others' promises.
pub(crate) struct Pledges {
    vault: Arc<dyn Vault>,
    clock: Arc<dyn Clock>,
    raft: OnceLock<Raft>,
    begun_at: Instant,
    state: Mutex<State>,
    /// Held by whoever keeps the memory.
    keeping: Mutex<()>,
    /// Moves with every peer that is met and with every change of the standing.
    changes: watch::Sender<u64>,
    /// The negative control of the simulation: nothing is compared.
    blind: bool,
}

struct State {
    own: Own,
    memory: Memory,
    /// The memory has changed since it was kept.
    unkept: bool,
    /// Who has told in this life what it remembers of this node, and whether that is no more than
    /// what this node knows.
    met: BTreeMap<u64, bool>,
    /// In which lives peers were heard, the newest last.
    lives: BTreeMap<u64, Vec<(u64, Instant)>>,
}

/// So many lives of a peer are told apart.
const LIVES_MAX: usize = 4;

impl State {
    /// A peer was heard in one of its lives.
    fn alive(&mut self, peer: u64, born: u64) {
        let lives = self.lives.entry(peer).or_default();
        lives.retain(|(life, _)| *life != born);
        lives.push((born, Instant::now()));
        if lives.len() > LIVES_MAX {
            lives.remove(0);
        }
    }
}

impl Pledges {
    /// Begins another life of a node: reads what it had promised, and looks whether the directory
    /// is the one that it was promised from.
    pub(crate) fn begin(
        node: NodeId,
        vault: Arc<dyn Vault>,
        clock: Arc<dyn Clock>,
        born: u64,
        blind: bool,
    ) -> io::Result<Self> {
        let (place, end) = (vault.place()?, vault.end());
        let known = vault::load::<Own>(&*vault, Word::Own)?;
        let mut own = known.unwrap_or_else(|| Own { place: place.clone(), ..Own::default() });
        if !blind && own.place != place {
            tracing::error!(
                "the directory of this node's log is a copy; it may be older than what the node has \
                 promised since, so the node does not vote before the other members have told what \
                 they know"
            );
            if matches!(own.standing, Standing::Full | Standing::CatchingUp { .. }) {
                own.standing = Standing::Copied;
            }
        }
        if !blind && own.pledge.end > end {
            tracing::error!(end, had = own.pledge.end, "this node's log has gone back");
            own.standing = Standing::WentBack(node.0);
        }
        own.place = place;
        let start = own.pledge.start.saturating_add(1);
        own.pledge = Pledge { era: own.pledge.era, start, born, end };
        vault::save(&*vault, Word::Own, &own)?;
        let memory = vault::load::<Memory>(&*vault, Word::Peers)?.unwrap_or_default();
        let state =
            State { own, memory, unkept: false, met: BTreeMap::new(), lives: BTreeMap::new() };
        Ok(Self {
            vault,
            clock,
            raft: OnceLock::new(),
            begun_at: Instant::now(),
            state: Mutex::new(state),
            keeping: Mutex::new(()),
            changes: watch::Sender::new(0),
            blind,
        })
    }

    /// The Raft node that keeps these promises, once there is one.
    pub(crate) fn attach(&self, raft: Raft) {
        // A second node would be a second start on the same pledges, which nobody makes.
        self.raft.set(raft).ok();
    }

    /// Whether this node takes part.
    pub(crate) fn standing(&self) -> Standing {
        self.state.lock().own.standing
    }

    /// What is remembered of the peers.
    pub(crate) fn heard(&self) -> Vec<(NodeId, Heard)> {
        let state = self.state.lock();
        state.memory.peers.iter().map(|(node, heard)| (NodeId(*node), *heard)).collect()
    }

    /// Whether a peer has told what it remembers of this node, in this life of the node.
    pub(crate) fn met(&self, peer: u64) -> bool {
        self.blind || self.state.lock().met.contains_key(&peer)
    }

    /// A peer has begun another life and does not know this node yet.
    pub(crate) fn meet_again(&self, peer: u64) {
        self.state.lock().met.remove(&peer);
    }

    /// Changes whether this node takes part; on disk when it returns.
    fn stand(&self, change: impl FnOnce(&mut Own)) -> io::Result<()> {
        let mut state = self.state.lock();
        let mut own = state.own.clone();
        change(&mut own);
        if own != state.own {
            vault::save(&*self.vault, Word::Own, &own)?;
            state.own = own;
        }
        drop(state);
        self.changes.send_modify(|count| *count += 1);
        Ok(())
    }

    /// A leader has sent entries that contradict what is committed here.
    pub(crate) fn part(&self, index: u64) -> io::Result<()> {
        tracing::error!(
            index,
            "the present leader's log contradicts entries that were committed here: this node may hold \
             the only copy of what was acknowledged; it keeps them and takes no part; do not remove it, \
             see «A disk went back» in the operations guide"
        );
        self.stand(|own| own.standing = Standing::Apart(index))
    }

    /// What this node says of itself to a peer.
    fn greeting(&self, to: u64) -> Greeting {
        let committed = self.raft.get().and_then(committed).map_or(0, next);
        let state = self.state.lock();
        Greeting {
            pledge: Pledge { end: self.vault.end(), ..state.own.pledge },
            standing: state.own.standing,
            committed,
            known: state.memory.peers.get(&to).map(|heard| heard.pledge),
            lives: state.lives.get(&to).map_or_else(Vec::new, |lives| {
                lives.iter().map(|(born, at)| (*born, millis_of(at.elapsed()))).collect()
            }),
        }
    }

    /// Takes in what a peer says. Gives whether the memory must be kept before it is answered.
    fn hear(&self, from: u64, said: Greeting) -> io::Result<bool> {
        let at = self.clock.now().0;
        let mut state = self.state.lock();
        let Greeting { pledge, standing, committed, known, lives } = said;
        let news = state.memory.hear(NodeId(from), Heard { pledge, standing, committed, at });
        state.unkept = true;
        state.alive(from, pledge.born);
        if self.blind {
            return Ok(news);
        }
        let own = Pledge { end: self.vault.end(), ..state.own.pledge };
        state.own.era_told = state.own.era_told.max(known.map_or(0, |known| known.era));
        let lags = known.is_some_and(|known| own.lags(&known));
        let elsewhere = lives.iter().any(|(born, ago_ms)| {
            *born != own.born && u128::from(*ago_ms) < OTHER_LIFE_GONE.as_millis()
        });
        state.met.insert(from, !lags && !elsewhere);
        let convicted = lags && matches!(state.own.standing, Standing::Full | Standing::Copied);
        drop(state);
        if convicted {
            tracing::error!(
                peer = from,
                ?own,
                ?known,
                "this node's disk went back: another member had heard more of it than it knows itself; it \
                 neither votes nor leads nor acknowledges until a majority of the others takes it in again"
            );
            self.stand(|own| own.standing = Standing::WentBack(from))?;
        }
        self.changes.send_modify(|count| *count += 1);
        Ok(news)
    }

    /// Keeps the memory, if it has changed.
    pub(crate) fn keep(&self) -> io::Result<()> {
        // One at a time: an older memory never takes the place of a newer one.
        let _keeping = self.keeping.lock();
        let memory = {
            let mut state = self.state.lock();
            if !std::mem::take(&mut state.unkept) {
                return Ok(());
            }
            state.memory.clone()
        };
        let kept = vault::save(&*self.vault, Word::Peers, &memory);
        if kept.is_err() {
            self.state.lock().unkept = true;
        }
        kept
    }

    /// Does what may wait for a disk where it holds nobody up.
    pub(crate) async fn aside<T: Send + 'static>(
        self: &Arc<Self>,
        act: impl FnOnce(&Self) -> io::Result<T> + Send + 'static,
    ) -> io::Result<T> {
        if !self.vault.blocks() {
            return act(self);
        }
        let pledges = self.clone();
        tokio::task::spawn_blocking(move || act(&pledges)).await.map_err(io::Error::other)?
    }

    /// A peer greets.
    pub(crate) async fn greeted(
        self: &Arc<Self>,
        from: NodeId,
        body: &[u8],
    ) -> Result<Vec<u8>, WireError> {
        let failed = |error: io::Error| WireError::Refused(error.to_string());
        let said: Greeting = wire::from_cbor(body)?;
        // What was known before: the peer's own word just now proves nothing.
        let answer = self.greeting(from.0);
        self.hear_and_keep(from.0, said).await.map_err(failed)?;
        Ok(wire::to_cbor(&answer))
    }

    async fn hear_and_keep(self: &Arc<Self>, from: u64, said: Greeting) -> io::Result<()> {
        // Seldom: a start of a node, or a change of its standing.
        if self.hear(from, said)? { self.aside(Self::keep).await } else { Ok(()) }
    }

    /// Meets a peer, unless it has been met in this life.
    pub(crate) async fn meet(
        self: &Arc<Self>,
        network: &dyn Network,
        peer: u64,
    ) -> Result<(), NetworkError> {
        if self.met(peer) { Ok(()) } else { self.greet(network, peer).await }
    }

    async fn greet(self: &Arc<Self>, network: &dyn Network, peer: u64) -> Result<(), NetworkError> {
        let broken = |error: &dyn std::fmt::Display| NetworkError::NoAnswer(error.to_string());
        let message = wire::request(Kind::Greet, &wire::to_cbor(&self.greeting(peer)));
        let asked = network.request(NodeId(peer), Lane::Control, message);
        let answer = timeout(GREET_DEADLINE, asked).await;
        let answer = answer.map_err(|_| NetworkError::NoAnswer("no answer in time".into()))??;
        let body = wire::parse_answer(&answer).map_err(|error| broken(&error))?;
        let said: Greeting = wire::from_cbor(&body).map_err(|error| broken(&error))?;
        self.hear_and_keep(peer, said).await.map_err(|error| broken(&error))
    }

    /// Waits until every other member has told what it remembers, or until the first vote is due.
    pub(crate) async fn before_vote(&self, others: &[u64]) {
        let due = self.begun_at + FIRST_VOTE_AFTER;
        if self.blind || Instant::now() >= due {
            return;
        }
        let mut changes = self.changes.subscribe();
        let all = changes.wait_for(|_| others.iter().all(|other| self.met(*other)));
        // Whoever does not answer by then is not waited for.
        timeout_at(due, all).await.ok();
    }

    /// Whether every one of these has said that it knows of nothing newer.
    fn cleared(&self, others: &[u64]) -> bool {
        let state = self.state.lock();
        others.iter().all(|other| state.met.get(other) == Some(&true))
    }

    /// As leader: whether a node that went back may be taken in. Not one that still runs elsewhere.
    fn may_return(&self, node: u64) -> bool {
        let state = self.state.lock();
        let waits = state.memory.peers.get(&node).is_some_and(|heard| {
            matches!(heard.standing, Standing::Copied | Standing::WentBack(_))
        });
        let earlier = state.lives.get(&node).and_then(|lives| lives.split_last());
        let gone = |(_, at): &(u64, Instant)| at.elapsed() >= OTHER_LIFE_GONE;
        waits && earlier.is_none_or(|(_, others)| others.iter().all(gone))
    }
}

/// The last entry that a node knows to be committed.
pub(crate) fn committed(raft: &Raft) -> Option<LogId> {
    let metrics = raft.metrics();
    let now = metrics.borrow_watched();
    now.local_committed.max(now.last_applied)
}

fn next(id: LogId) -> u64 {
    id.index().saturating_add(1)
}

/// Meets the other members again and again, keeps what they tell, and comes back if this node may
/// not take part.
pub(crate) async fn rounds(inner: Arc<Inner>) {
    let pledges = &inner.pledges;
    let mut changes = pledges.changes.subscribe();
    loop {
        let others = inner.others();
        let asked = others.iter().map(|other| pledges.greet(&*inner.network, *other));
        for answer in futures_util::future::join_all(asked).await {
            if let Err(error) = answer {
                tracing::debug!(%error, "a member was not met");
            }
        }
        if let Err(error) = pledges.aside(Pledges::keep).await {
            tracing::error!(%error, "what peers have promised cannot be kept");
        }
        let before = pledges.standing();
        if let Err(error) = come_back(&inner, &others).await {
            tracing::error!(%error, "this node's standing cannot be kept");
        }
        let standing = pledges.standing();
        if standing != before {
            inner.lead_or_not().await;
            inner.refresh();
        }
        let pause = if standing.is_full() { GREET_EVERY } else { RETURN_EVERY };
        let until = Instant::now() + pause;
        changes.mark_unchanged();
        // A conviction does not wait for the next round.
        let convicted = changes.wait_for(|_| pledges.standing() != standing);
        timeout_at(until, convicted).await.ok();
    }
}

/// One step back into the cluster, if this node does not take part in it.
async fn come_back(inner: &Inner, others: &[u64]) -> io::Result<()> {
    let pledges = &inner.pledges;
    match pledges.standing() {
        Standing::Full | Standing::Apart(_) => Ok(()),
        // What the others remember may lag by some seconds, so it counts only where they cannot form
        // a majority among themselves and take this node in.
        Standing::Copied if pledges.cleared(others) && !inner.others_suffice() => {
            tracing::warn!("no other member knows of anything newer: this node takes part again");
            pledges.stand(|own| own.standing = Standing::Full)
        }
        Standing::Copied | Standing::WentBack(_) => {
            for other in others {
                if let Some(Return { term, until }) = ask_back(inner, *other).await {
                    tracing::warn!(
                        leader = other,
                        until,
                        "this node is taken in again and catches up"
                    );
                    return pledges.stand(|own| {
                        own.pledge.era = own.pledge.era.max(own.era_told).saturating_add(1);
                        own.standing = Standing::CatchingUp { term, until };
                    });
                }
            }
            Ok(())
        }
        Standing::CatchingUp { term, until } => {
            let applied = *inner.shared.applied.borrow();
            if applied > until && inner.term() >= term {
                tracing::warn!("this node has caught up and votes again");
                pledges.stand(|own| own.standing = Standing::Full)?;
            }
            Ok(())
        }
    }
}

/// Asks a member to be taken in again; only one that leads does it.
async fn ask_back(inner: &Inner, other: u64) -> Option<Return> {
    let message = wire::request(Kind::Return, &[]);
    let asked = inner.network.request(NodeId(other), Lane::Control, message);
    let answer = timeout(GREET_DEADLINE, asked).await.ok()?.ok()?;
    wire::from_cbor::<Option<Return>>(&wire::parse_answer(&answer).ok()?).ok()?
}

impl Inner {
    /// Everybody else who votes or learns.
    pub(crate) fn others(&self) -> Vec<u64> {
        let (voters, learners) = self.members();
        voters.into_iter().chain(learners).filter(|node| *node != self.node.0).collect()
    }

    /// Whether the others that take part are a majority by themselves.
    fn others_suffice(&self) -> bool {
        let voters = self.members().0;
        let heard = self.pledges.heard();
        let full = heard.iter().filter(|(node, heard)| {
            node.0 != self.node.0 && heard.standing.is_full() && voters.contains(&node.0)
        });
        full.count() > voters.len() / 2
    }

    /// The term of the last vote.
    fn term(&self) -> u64 {
        let metrics = self.raft.metrics();
        let now = metrics.borrow_watched();
        now.vote.leader_id.term()
    }

    /// As leader: takes in a node whose disk went back.
    ///
    /// It refuses entries now, so the majority that confirms this leader is one without it, and
    /// shares a node with every majority that it was ever part of: whatever was committed with its
    /// help stands in this leader's log. Once it holds that, it has forgotten nothing that matters.
    pub(crate) async fn take_in(&self, node: u64) -> Option<Return> {
        if !self.leads() || !self.others().contains(&node) || !self.pledges.may_return(node) {
            return None;
        }
        let until = self.own_read_index().await?;
        // What it had acknowledged before does not count any more.
        match self.raft.trigger().allow_next_revert(&node, true).await {
            Ok(Ok(())) => Some(Return { term: self.term(), until }),
            Ok(Err(_)) | Err(_) => None,
        }
    }
}
