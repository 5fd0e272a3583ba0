//! Transfers of large contents: a branch to this node's disk, and one to each other holder.
//!
//! Each branch has a window of [`WINDOW`] sealed frames, shared by all branches and never copied. A
//! holder that would hold up a majority may fall behind: it gets no more frames from memory, and its
//! branch reads the log here instead, beyond the end of the upload if necessary.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use model::NodeId;
use tokio::{
    sync::mpsc,
    time::{Instant, timeout},
};

use crate::{
    Error, Peers,
    carrier::{Branch, Carrier, Order, WINDOW},
    files::Files,
    layout::Layout,
    membership::{Members, Membership},
    progress::{Progress, Reach, Trouble},
    protocol::AskAppend,
    record::Identity,
    tasks::Tasks,
    words::Claim,
};

/// How long a branch that is not needed for a majority may hold up the others in all, before it falls behind.
const LAG_TIME: Duration = Duration::from_millis(500);
/// And beside that, a share of the time that the transfer takes without it: holders that differ a little
/// stay together.
const LAG_SHARE: u32 = 4;
/// How often the writer looks whether the others wait, too.
const LAG_STEP: Duration = Duration::from_millis(10);
/// A pause of the client does not count as time of the transfer beyond this.
const PAUSE_MAX: Duration = Duration::from_millis(500);
/// How long a majority may take to make frames durable.
const SYNC_TIME: Duration = Duration::from_secs(15);
/// Begins the transfers of this node, and carries their frames.
pub(crate) struct Transfers {
    files: Arc<Files>,
    carrier: Carrier,
    membership: Arc<Membership>,
    tasks: Arc<Tasks>,
}

/// All branches of one writer.
pub(crate) struct Transfer {
    transfers: Arc<Transfers>,
    claim: Claim,
    identity: Identity,
    progress: Arc<Progress>,
    branches: BTreeMap<NodeId, End>,
    /// How long the transfer has been under way, without the client's pauses.
    active: Duration,
    last_at: Option<Instant>,
}

/// The writer's end of a branch.
struct End {
    /// Where its orders go; none once it has fallen behind.
    orders: Option<mpsc::Sender<Order>>,
    /// Told to a branch whose orders end.
    behind: Arc<AtomicBool>,
    /// How long the others have waited for it.
    waited: Duration,
}

impl End {
    /// Opens a branch to a node: the writer's end, and the carrier's.
    fn open(node: NodeId, progress: &Arc<Progress>) -> (Self, Branch) {
        let (orders, received) = mpsc::channel(WINDOW);
        let (behind, progress) = (Arc::<AtomicBool>::default(), progress.clone());
        progress.enter(node);
        let branch = Branch { node, orders: received, behind: behind.clone(), progress };
        (Self { orders: Some(orders), behind, waited: Duration::ZERO }, branch)
    }

    fn is_idle(&self) -> bool {
        self.orders.as_ref().is_some_and(|orders| orders.capacity() == orders.max_capacity())
    }
}

/// How long a branch is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Patience {
    /// As long as a sync may take: without this branch the transfer ends.
    OfASync,
    /// Until a majority of the others has waited for it too long.
    OfTheOthers,
}

/// The result of handing over an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sent {
    Yes,
    /// The branch takes its own time from here on.
    Behind,
    /// The branch is no more.
    No,
}

impl Transfers {
    pub fn new(
        files: Arc<Files>,
        peers: Arc<dyn Peers>,
        membership: Arc<Membership>,
        tasks: Arc<Tasks>,
    ) -> Self {
        Self { carrier: Carrier::new(files.clone(), peers), files, membership, tasks }
    }

    /// A transfer without any branch yet: [`Transfer::open`] opens them.
    pub fn begin(self: &Arc<Self>, claim: Claim, identity: Identity) -> Transfer {
        Transfer {
            transfers: self.clone(),
            claim,
            identity,
            progress: Arc::default(),
            branches: BTreeMap::new(),
            active: Duration::ZERO,
            last_at: None,
        }
    }
}

impl Transfer {
    /// Opens the branches that are not open. The log here must hold the frames of `base`.
    pub fn open(&mut self, base: &Layout) {
        let progress = &self.progress;
        self.branches.retain(|node, branch| match &branch.orders {
            Some(orders) => !orders.is_closed(),
            None => progress.is_alive(*node),
        });
        let members = self.transfers.membership.get();
        if !self.branches.contains_key(&members.node) {
            self.open_here(members.node);
        }
        for peer in members.others() {
            if !self.branches.contains_key(&peer) {
                self.open_peer(peer, base);
            }
        }
    }

    fn open_here(&mut self, node: NodeId) {
        let (end, mut branch) = End::open(node, &self.progress);
        self.branches.insert(node, end);
        let (transfers, Claim { space, epoch, .. }) = (self.transfers.clone(), self.claim);
        self.transfers.tasks.spawn(async move {
            let result = transfers.carrier.run_here(space, epoch, &mut branch).await;
            note_end(branch, result);
        });
    }

    fn open_peer(&mut self, peer: NodeId, base: &Layout) {
        let (end, mut branch) = End::open(peer, &self.progress);
        self.branches.insert(peer, end);
        let Claim { space, packet, epoch } = self.claim;
        let identity = self.identity.encode().to_vec();
        let ask = AskAppend { space, packet, epoch, identity, tenures: base.tenures() };
        let (transfers, base) = (self.transfers.clone(), base.clone());
        self.transfers.tasks.spawn(async move {
            let result = transfers.carrier.run_peer(ask, base, &mut branch).await;
            note_end(branch, result);
        });
    }

    /// Opens all branches again, to the current voters. The branches before may still carry frames,
    /// but no longer count: their ends must not be taken for the ends of these.
    pub fn open_again(&mut self, base: &Layout) {
        self.close();
        self.progress = Arc::default();
        self.open(base);
    }

    /// Hands an order to every branch; a branch that holds up the others falls behind.
    pub async fn send(&mut self, order: Order) -> Result<(), Error> {
        let members = self.transfers.membership.get();
        let now = Instant::now();
        self.active += self.last_at.map_or(Duration::ZERO, |at| (now - at).min(PAUSE_MAX));
        let votes = |node: &NodeId| members.votes(*node);
        let live: Vec<NodeId> = self
            .branches
            .iter()
            .filter(|(_, branch)| branch.orders.is_some())
            .map(|(node, _)| *node)
            .collect();
        let mut left = live.iter().filter(|node| votes(node)).count();
        for node in live {
            // Without this one the transfer would end: it gets the time of a sync.
            let is_needed = node == members.node || votes(&node) && left <= members.majority();
            let patience = if is_needed { Patience::OfASync } else { Patience::OfTheOthers };
            let sent = self.hand(node, order.clone(), patience, &members).await;
            if sent != Sent::Yes {
                left -= usize::from(votes(&node));
            }
            match sent {
                Sent::Yes => {}
                Sent::Behind => {
                    if let Some(branch) = self.branches.get_mut(&node) {
                        branch.behind.store(true, Relaxed);
                        branch.orders = None;
                    }
                    tracing::info!(space = %self.claim.space, %node, "a holder has fallen behind");
                }
                Sent::No => {
                    self.branches.remove(&node);
                    self.progress.end(node, None);
                    tracing::info!(space = %self.claim.space, %node, "a holder was dropped");
                }
            }
        }
        self.last_at = Some(Instant::now());
        let there = |(node, branch): &(&NodeId, &End)| {
            votes(node) && (branch.orders.is_some() || self.progress.is_alive(**node))
        };
        let voters = self.branches.iter().filter(there).count();
        if voters < members.majority() || !self.branches.contains_key(&members.node) {
            return Err(self.trouble());
        }
        Ok(())
    }

    /// Hands an order to one branch, and waits for room in it.
    async fn hand(
        &mut self,
        node: NodeId,
        order: Order,
        patience: Patience,
        members: &Members,
    ) -> Sent {
        let Some(orders) = self.branches.get(&node).and_then(|branch| branch.orders.clone()) else {
            return Sent::No;
        };
        let order = match orders.try_send(order) {
            Ok(()) => return Sent::Yes,
            Err(mpsc::error::TrySendError::Closed(_)) => return Sent::No,
            Err(mpsc::error::TrySendError::Full(order)) => order,
        };
        if patience == Patience::OfASync {
            return match timeout(SYNC_TIME, orders.send(order)).await {
                Ok(Ok(())) => Sent::Yes,
                _ => Sent::No,
            };
        }
        let mut begun = Instant::now();
        loop {
            match timeout(LAG_STEP, orders.reserve()).await {
                Ok(Ok(room)) => {
                    room.send(order);
                    self.active += begun.elapsed();
                    return Sent::Yes;
                }
                Ok(Err(_)) => return Sent::No,
                Err(_) => {}
            }
            let spent = begun.elapsed();
            begun = Instant::now();
            // A majority that is busy itself is not held up.
            let idle = |(other, branch): &(&NodeId, &End)| {
                **other != node && members.votes(**other) && branch.is_idle()
            };
            let held_up = self.branches.iter().filter(idle).count() >= members.majority();
            let Some(branch) = self.branches.get_mut(&node) else { return Sent::No };
            if held_up {
                branch.waited += spent;
            } else {
                self.active += spent;
            }
            if branch.waited > LAG_TIME + self.active / LAG_SHARE {
                return Sent::Behind;
            }
        }
    }

    /// Why a majority cannot be reached.
    fn trouble(&self) -> Error {
        let space = self.claim.space;
        let Trouble { fenced, full } = self.progress.trouble();
        if fenced > 0 {
            return Error::Fenced { space, epoch: fenced };
        }
        let otherwise = if full { Error::Full } else { Error::Unavailable { space } };
        self.transfers.files.check(space).err().unwrap_or(otherwise)
    }

    /// Waits until this node and a majority have everything before `next` durable.
    pub async fn wait(&self, next: u64) -> Result<(), Error> {
        let deadline = Instant::now() + SYNC_TIME;
        match self.progress.until(deadline, || self.settled(next)).await {
            Some(true) => Ok(()),
            Some(false) | None => Err(self.trouble()),
        }
    }

    /// Whether it is so, or cannot become so any more; none while it is open.
    pub fn settled(&self, next: u64) -> Option<bool> {
        let members = self.transfers.membership.get();
        self.progress.look(|nodes, trouble| {
            let here = nodes.get(&members.node)?;
            let count = |test: &dyn Fn(&Reach) -> bool| {
                members.voters.iter().filter(|node| nodes.get(node).is_some_and(test)).count()
            };
            let durable = |reach: &Reach| reach.durable >= next;
            if durable(here) && count(&durable) >= members.majority() {
                return Some(true);
            }
            let possible = count(&|reach| reach.alive || durable(reach)) >= members.majority();
            (trouble.fenced > 0 || !possible || !(here.alive || durable(here))).then_some(false)
        })
    }

    /// Waits a little longer for all branches that are alive.
    pub async fn linger(&self, next: u64, patience: Duration) {
        let is_done = |reach: &Reach| !reach.alive || reach.durable >= next;
        let all_done = || self.progress.look(|nodes, _| nodes.values().all(is_done)).then_some(());
        // In time or not: the holders are counted as they are then.
        let _in_time = self.progress.until(Instant::now() + patience, all_done).await;
    }

    /// The voters that have everything before `next` durable.
    pub fn holders(&self, next: u64) -> Vec<NodeId> {
        let members = self.transfers.membership.get();
        let mut holders = self.progress.holders(next);
        holders.retain(|node| members.votes(*node));
        holders
    }

    /// Ends the branches: what they carry still arrives, and those that are behind go on to the end
    /// of what is here.
    pub fn close(&mut self) {
        self.branches.clear();
        self.progress.finish();
    }
}

impl Drop for Transfer {
    fn drop(&mut self) {
        self.close();
    }
}

/// Notes why a branch has ended, before its orders are closed: a writer that finds them closed asks why.
fn note_end(branch: Branch, result: Result<(), Error>) {
    let node = branch.node;
    if let Err(error) = &result {
        tracing::info!(%node, %error, "a branch of a transfer has ended");
    }
    branch.progress.end(node, result.as_ref().err());
    drop(branch);
}
