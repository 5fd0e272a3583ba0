//! Notices: who listens to which feed, and how far each feed has grown.
//!
//! Every node applies every entry, so every node can tell the applications that are connected to it.
//! Only units that somebody listens to have an entry here: memory grows with connections, which the
//! API limits, and not with the work.

use std::{collections::HashMap, sync::Arc};

use auth::VerifiedCaller;
use machine::{Event, Feed, Reader, View};
use model::{Grant, Grants, PacketId, UnitCode};
use parking_lot::Mutex;
use tokio::sync::watch;

use crate::{Error, Exchange};

/// Events that are read at once: while they are, nothing is applied. Most wakes are for fewer, and pages
/// of a feed are read slice by slice, so that who is woken need not wait for a view.
const EVENTS_A_PEEK_MAX: usize = 32;

/// Waiting packets are counted up to here for a greeting, which says so where there are more: the keys of
/// so many are read within some milliseconds, and no office works them off in a day.
const WAITING_COUNT_MAX: usize = 10_000;

type Feeds = Arc<Mutex<HashMap<UnitCode, Feeding>>>;

#[derive(Default)]
pub(crate) struct Hub {
    feeds: Feeds,
}

struct Feeding {
    position: watch::Sender<u64>,
    listener_count: usize,
}

impl Hub {
    fn listen(&self, unit: &UnitCode) -> (watch::Receiver<u64>, Feeds) {
        let mut feeds = self.feeds.lock();
        let feeding = feeds
            .entry(unit.clone())
            .or_insert_with(|| Feeding { position: watch::Sender::new(0), listener_count: 0 });
        feeding.listener_count += 1;
        (feeding.position.subscribe(), self.feeds.clone())
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

/// Listens to one unit's feed with the grants of a caller, until it is dropped.
pub struct Listener {
    exchange: Exchange,
    position: watch::Receiver<u64>,
    unit: UnitCode,
    grants: Grants,
    feeds: Feeds,
}

impl Listener {
    /// Whose feed it is.
    pub fn unit(&self) -> &UnitCode {
        &self.unit
    }

    /// The last position of the feed, as this node knows it.
    pub fn last(&self) -> u64 {
        self.exchange.consensus().peek(|rows| View::new(rows).feed_end(&self.unit))
    }

    /// Events after a position, oldest first, of at most so many that are looked at.
    pub fn hear(&self, after: u64, limit: usize) -> Heard {
        let Feed { reset, mut events, .. } = self.page(after, limit);
        let position = events.last().map_or(reset.unwrap_or(after), |event| event.position);
        events.retain(|event| event.is_for(&self.unit, self.grants));
        Heard { reset, events, position }
    }

    /// What awaits the caller now, as this node knows it.
    pub async fn waiting(&self) -> Waiting {
        let rows = self.exchange.consensus().shared_view().await;
        let view = View::new(&*rows);
        let inbox = match self.grants.has(Grant::Receive) {
            true => view.inbox_ids(&self.unit, None, WAITING_COUNT_MAX + 1),
            false => Vec::new(),
        };
        Waiting {
            count: inbox.len().min(WAITING_COUNT_MAX),
            more: inbox.len() > WAITING_COUNT_MAX,
            next: inbox.first().copied(),
            position: view.feed_end(&self.unit),
        }
    }

    /// A page of the feed, slice by slice: events are only added at its end.
    fn page(&self, after: u64, limit: usize) -> Feed {
        let mut page = self.feed(after, limit.min(EVENTS_A_PEEK_MAX));
        while let Some(last) = page.events.last().map(|event| event.position)
            && page.events.len() < limit
            && last < page.last
        {
            let more = self.feed(last, EVENTS_A_PEEK_MAX.min(limit - page.events.len()));
            // Something was forgotten: the next page says so.
            if more.events.is_empty() || more.reset.is_some() {
                break;
            }
            page.events.extend(more.events);
            page.last = more.last;
        }
        page
    }

    fn feed(&self, after: u64, limit: usize) -> Feed {
        let feed = |rows: &dyn Reader| View::new(rows).feed(&self.unit, after, limit);
        self.exchange.consensus().peek(feed)
    }

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

/// What awaits a caller at the moment it connects, Articles 13(1) and 14(1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiting {
    /// Packets that wait for the unit, counted up to 10,000; none are told to who may not receive.
    pub count: usize,
    /// Whether more than those wait.
    pub more: bool,
    /// The one that is offered next.
    pub next: Option<PacketId>,
    /// The last position of the unit's feed.
    pub position: u64,
}

/// A part of a unit's feed, as a caller may hear it.
#[derive(Debug, Clone, PartialEq)]
pub struct Heard {
    /// The feed goes on after this position, as what lies before is not kept any more: the caller is
    /// told so ahead of the events.
    pub reset: Option<u64>,
    /// In order. What the caller was not granted to hear is left out; positions stay.
    pub events: Vec<Event>,
    /// Everything up to this position was looked at.
    pub position: u64,
}

impl Exchange {
    /// Listens to the feed of the caller's unit on this node. Only who has shown a key hears one.
    pub fn listen(&self, caller: &VerifiedCaller) -> Listener {
        let (position, feeds) = self.inner.hub.listen(caller.unit());
        let (unit, grants) = (caller.unit().clone(), caller.grants());
        Listener { exchange: self.clone(), position, unit, grants, feeds }
    }

    /// Catches up with the leader, so that a position which another node gave out is known here.
    pub async fn catch_up(&self) -> Result<(), Error> {
        Ok(self.consensus().read_index().await?)
    }
}
