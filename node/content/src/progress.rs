//! How far each holder of a transfer is, counted in one place on which the writer waits.

use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicBool, Ordering::Relaxed},
};

use model::NodeId;
use parking_lot::Mutex;
use tokio::{
    sync::{Notify, futures::Notified},
    time::{Instant, timeout_at},
};

use crate::Error;

/// How far one branch is.
#[derive(Clone, Copy)]
pub(crate) struct Reach {
    pub durable: u64,
    pub alive: bool,
}

/// How far all branches of a transfer are.
#[derive(Default)]
pub(crate) struct Progress {
    reached: Mutex<Reached>,
    changed: Notify,
    /// The writer is done: what is in the log here is all there will be.
    done: AtomicBool,
}

#[derive(Default)]
struct Reached {
    nodes: BTreeMap<NodeId, Reach>,
    trouble: Trouble,
}

/// Why holders took no more.
#[derive(Clone, Copy, Default)]
pub(crate) struct Trouble {
    /// The highest epoch for which a holder took no more; 0 if none did.
    pub fenced: u32,
    /// A holder took no more because its disk is full.
    pub full: bool,
}

impl Progress {
    /// Adds a branch to a node.
    pub fn enter(&self, node: NodeId) {
        let mut reached = self.reached.lock();
        reached.nodes.insert(node, Reach { durable: 0, alive: true });
        // A branch that is opened again is a new try.
        reached.trouble.full = false;
    }

    /// A node has everything before a sequence durable.
    pub fn durable(&self, node: NodeId, next: u64) {
        if let Some(reach) = self.reached.lock().nodes.get_mut(&node) {
            reach.durable = reach.durable.max(next);
        }
        self.changed.notify_waiters();
    }

    /// A branch is no more, and why if it failed.
    pub fn end(&self, node: NodeId, failed: Option<&Error>) {
        let mut reached = self.reached.lock();
        if let Some(reach) = reached.nodes.get_mut(&node) {
            reach.alive = false;
        }
        match failed {
            Some(Error::Fenced { epoch, .. }) => {
                reached.trouble.fenced = reached.trouble.fenced.max(*epoch).max(1);
            }
            Some(Error::Full | Error::TooMany) => reached.trouble.full = true,
            _ => {}
        }
        drop(reached);
        self.changed.notify_waiters();
    }

    pub fn is_alive(&self, node: NodeId) -> bool {
        self.reached.lock().nodes.get(&node).is_some_and(|reach| reach.alive)
    }

    /// The writer is done.
    pub fn finish(&self) {
        self.done.store(true, Relaxed);
        self.changed.notify_waiters();
    }

    /// Whether a node does not have everything before a sequence durable.
    pub fn lacks(&self, node: NodeId, next: u64) -> bool {
        self.reached.lock().nodes.get(&node).is_some_and(|reach| reach.durable < next)
    }

    /// The nodes that have everything before a sequence durable.
    pub fn holders(&self, next: u64) -> Vec<NodeId> {
        let reached = self.reached.lock();
        let far = reached.nodes.iter().filter(|(_, reach)| reach.durable >= next);
        far.map(|(node, _)| *node).collect()
    }

    /// Whether the writer is done.
    pub fn is_finished(&self) -> bool {
        self.done.load(Relaxed)
    }

    /// Wakes at the next change.
    pub fn changed(&self) -> Notified<'_> {
        self.changed.notified()
    }

    pub fn trouble(&self) -> Trouble {
        self.reached.lock().trouble
    }

    /// Looks at all branches under one lock.
    pub fn look<T>(&self, look: impl FnOnce(&BTreeMap<NodeId, Reach>, Trouble) -> T) -> T {
        let reached = self.reached.lock();
        look(&reached.nodes, reached.trouble)
    }

    /// Waits for changes until `is_met`, but not beyond the deadline; gives what was met.
    pub async fn until<T>(
        &self,
        deadline: Instant,
        mut is_met: impl FnMut() -> Option<T>,
    ) -> Option<T> {
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            // Before the look: a change between the look and the wait counts.
            changed.as_mut().enable();
            if let Some(met) = is_met() {
                return Some(met);
            }
            timeout_at(deadline, changed).await.ok()?;
        }
    }
}
