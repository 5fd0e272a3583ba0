//! Notices: what a caller may hear of its unit's feed, and what awaits it.

use auth::VerifiedCaller;
use consensus::Consensus;
use machine::{Event, Feed, Reader, View};
use model::{Grant, Grants, PacketId, UnitCode};

use crate::{
    door::Core,
    hub::{Hub, Seat},
};

/// Events that are read at once: while they are, nothing is applied. Most wakes are for fewer, and pages
/// of a feed are read slice by slice, so that who is woken need not wait for a view.
const EVENTS_A_PEEK_MAX: usize = 32;

/// Waiting packets are counted up to here for a greeting, which says so where there are more: the keys of
/// so many are read within some milliseconds, and no office works them off in a day.
const WAITING_COUNT_MAX: usize = 10_000;

/// The door of whoever wants to hear what happens to its unit. It reads and proposes nothing.
pub struct Notices {
    pub(crate) core: Core,
    hub: Hub,
}

impl Notices {
    pub(crate) fn new(core: Core, hub: Hub) -> Self {
        Self { core, hub }
    }

    /// Listens to the feed of the caller's unit on this node. Only who has shown a key hears one.
    pub(crate) fn listen(&self, caller: &VerifiedCaller) -> Listener {
        let seat = self.hub.listen(caller.unit());
        Listener { consensus: self.core.consensus.clone(), seat, grants: caller.grants() }
    }
}

/// Listens to one unit's feed with the grants of a caller, until it is dropped.
pub(crate) struct Listener {
    consensus: Consensus,
    seat: Seat,
    grants: Grants,
}

impl Listener {
    /// Whose feed it is.
    pub(crate) fn unit(&self) -> &UnitCode {
        self.seat.unit()
    }

    /// The last position of the feed, as this node knows it.
    pub(crate) fn last(&self) -> u64 {
        self.consensus.peek(|rows| View::new(rows).feed_end(self.unit()))
    }

    /// Events after a position, oldest first, of at most so many that are looked at; none where the feed has
    /// nothing after it.
    pub(crate) fn hear(&self, after: u64, limit: usize) -> Option<Heard> {
        let Feed { reset, mut events, .. } = self.page(after, limit);
        let position = events.last().map_or(reset.unwrap_or(after), |event| event.position);
        let behind = reset.map(|position| Behind { asked: after, position });
        if behind.is_none() && position == after {
            return None;
        }
        events.retain(|event| event.is_for(self.unit(), self.grants));
        Some(Heard { behind, events, position })
    }

    /// What awaits the caller now, as this node knows it.
    pub(crate) async fn waiting(&self) -> Waiting {
        let rows = self.consensus.shared_view().await;
        let view = View::new(&*rows);
        let inbox = match self.grants.has(Grant::Receive) {
            true => view.inbox_ids(self.unit(), None, WAITING_COUNT_MAX + 1),
            false => Vec::new(),
        };
        Waiting {
            count: inbox.len().min(WAITING_COUNT_MAX),
            more: inbox.len() > WAITING_COUNT_MAX,
            next: inbox.first().copied(),
            position: view.feed_end(self.unit()),
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
        let feed = |rows: &dyn Reader| View::new(rows).feed(self.unit(), after, limit);
        self.consensus.peek(feed)
    }

    /// Waits until the feed may have grown. A wake without growth is possible; a growth without a wake is not.
    pub(crate) async fn changed(&mut self) {
        self.seat.changed().await;
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
    /// What was asked for is not kept any more: the caller is told so ahead of the events.
    pub behind: Option<Behind>,
    /// In order. What the caller was not granted to hear is left out; positions stay.
    pub events: Vec<Event>,
    /// Everything up to this position was looked at.
    pub position: u64,
}

/// A reader's position was forgotten before the reader came back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Behind {
    /// The position that the reader had.
    pub asked: u64,
    /// The feed goes on after this one.
    pub position: u64,
}
