//! Notices: who listens to which feed, and how far each feed has grown.
//!
//! Every node applies every entry, so every node can tell the applications that are connected to it.
//! Only units that somebody listens to have an entry here: memory grows with connections, which the
//! API limits, and not with the work.

use std::{collections::HashMap, sync::Arc};

use machine::{Feed, View};
use model::{PacketId, UnitCode};
use parking_lot::Mutex;
use tokio::sync::watch;

use crate::{Error, Exchange};

/// Waiting packets are counted up to here for a greeting; more prints as this many.
const WAITING_COUNT_MAX: usize = 100;

#[derive(Default)]
pub(crate) struct Hub {
    feeds: Arc<Mutex<HashMap<UnitCode, Feeding>>>,
}

struct Feeding {
    position: watch::Sender<u64>,
    listener_count: usize,
}

impl Hub {
    fn listen(&self, unit: &UnitCode) -> Listener {
        let mut feeds = self.feeds.lock();
        let feeding = feeds
            .entry(unit.clone())
            .or_insert_with(|| Feeding { position: watch::Sender::new(0), listener_count: 0 });
        feeding.listener_count += 1;
        Listener {
            position: feeding.position.subscribe(),
            unit: unit.clone(),
            feeds: self.feeds.clone(),
        }
    }

    /// A feed has grown; who listens to it is woken.
    pub(crate) fn grown(&self, unit: &UnitCode, position: u64) {
        if let Some(feeding) = self.feeds.lock().get(unit) {
            feeding.position.send_if_modified(|last| {
                let grown = position > *last;
                *last = position.max(*last);
                grown
            });
        }
    }

    /// Something may have been missed: everybody looks at the state.
    pub(crate) fn wake_all(&self) {
        for feeding in self.feeds.lock().values() {
            feeding.position.send_modify(|_| ());
        }
    }
}

/// Listens to one unit's feed until it is dropped.
pub struct Listener {
    position: watch::Receiver<u64>,
    unit: UnitCode,
    feeds: Arc<Mutex<HashMap<UnitCode, Feeding>>>,
}

impl Listener {
    /// Waits until the feed may have grown. A wake without growth is possible; a growth without a
    /// wake is not.
    pub async fn changed(&mut self) {
        if self.position.changed().await.is_err() {
            // The sender lives as long as a listener does, so this cannot come before our own drop.
            std::future::pending::<()>().await;
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        let mut feeds = self.feeds.lock();
        if let Some(feeding) = feeds.get_mut(&self.unit) {
            feeding.listener_count -= 1;
            if feeding.listener_count == 0 {
                feeds.remove(&self.unit);
            }
        }
    }
}

/// What awaits a unit at the moment it connects, Articles 13(1) and 14(1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiting {
    /// Packets that wait for the unit, counted up to 100.
    pub count: usize,
    /// The oldest of them.
    pub oldest: Option<PacketId>,
    /// The last position of its feed.
    pub position: u64,
}

impl Exchange {
    /// Listens to a unit's feed on this node.
    pub fn listen(&self, unit: &UnitCode) -> Listener {
        self.inner.hub.listen(unit)
    }

    /// Events of a unit's feed after a position, oldest first.
    pub fn feed(&self, unit: &UnitCode, after: u64, limit: usize) -> Feed {
        View::new(&*self.consensus().now()).feed(unit, after, limit)
    }

    /// What awaits a unit now, as this node knows it.
    pub fn waiting(&self, unit: &UnitCode) -> Waiting {
        let reader = self.consensus().now();
        let view = View::new(&*reader);
        let inbox = view.inbox(unit, None, WAITING_COUNT_MAX);
        Waiting {
            count: inbox.len(),
            oldest: inbox.first().map(|record| record.packet),
            position: view.feed(unit, u64::MAX, 0).last,
        }
    }

    /// Catches up with the leader, so that a position which another node gave out is known here.
    pub async fn catch_up(&self) -> Result<(), Error> {
        Ok(self.consensus().read_index().await?)
    }
}
