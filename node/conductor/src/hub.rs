//! Who listens to which feed on this node, and how far each feed has grown.
//!
//! Every node applies every entry, so every node can tell the applications that are connected to it.
//! Only units that somebody listens to have an entry here: memory grows with connections, which the
//! API limits, and not with the work.

use std::{collections::HashMap, sync::Arc};

use model::UnitCode;
use parking_lot::Mutex;
use tokio::sync::watch;

type Feeds = Arc<Mutex<HashMap<UnitCode, Feeding>>>;

/// The feeds that somebody listens to on this node. Clones are the same.
#[derive(Clone, Default)]
pub(crate) struct Hub {
    feeds: Feeds,
}

struct Feeding {
    position: watch::Sender<u64>,
    listener_count: usize,
}

impl Hub {
    /// Takes a seat at a unit's feed.
    pub(crate) fn listen(&self, unit: &UnitCode) -> Seat {
        let mut feeds = self.feeds.lock();
        let feeding = feeds
            .entry(unit.clone())
            .or_insert_with(|| Feeding { position: watch::Sender::new(0), listener_count: 0 });
        feeding.listener_count += 1;
        let position = feeding.position.subscribe();
        Seat { position, unit: unit.clone(), feeds: self.feeds.clone() }
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

/// A listener's seat at a unit's feed, until it is dropped.
pub(crate) struct Seat {
    position: watch::Receiver<u64>,
    unit: UnitCode,
    feeds: Feeds,
}

impl Seat {
    /// Whose feed it is.
    pub(crate) fn unit(&self) -> &UnitCode {
        &self.unit
    }

    /// Waits until the feed may have grown. A wake without growth is possible; a growth without a
    /// wake is not.
    pub(crate) async fn changed(&mut self) {
        if self.position.changed().await.is_err() {
            // The sender lives as long as a listener does, so this cannot come before our own drop.
            std::future::pending::<()>().await;
        }
    }
}

impl Drop for Seat {
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
