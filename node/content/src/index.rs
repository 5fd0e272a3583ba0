//! The index: the contents of this node and where each lies, in memory, with a cap.
//!
//! It is rebuilt at start from the segments and the files. Beside it stand the tombstones: spaces
//! purged lately, so that a late copy cannot bring one back.

use std::{
    collections::{BTreeMap, HashSet, VecDeque},
    ops::Bound::{Excluded, Unbounded},
};

use model::{PacketId, SpaceId};
use parking_lot::Mutex;

use crate::{Error, Held};

/// Contents that one node may hold: about 60 MiB of index. A backlog beyond it is refused.
pub(crate) const CONTENTS_MAX: usize = 500_000;
/// Tombstones kept: an hour of purges at thirty a second. A copy is never that late; one that came
/// after a restart, which forgets them, is destroyed by the reconciliation with the state.
const TOMBSTONES_MAX: usize = 100_000;

/// Where a record lies in the segments.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RecordAt {
    pub segment: u32,
    pub offset: u32,
    /// Octets of the record.
    pub total: u32,
    /// The CRC of its head: another record has another.
    pub mark: u32,
}

/// Where a content lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Location {
    /// In a segment.
    Record(RecordAt),
    /// In its own file.
    File { complete: bool },
}

/// A content of the index.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Located {
    pub packet: PacketId,
    pub location: Location,
}

/// The result of entering a content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Entered {
    New,
    /// It took the place of this record.
    Replaced(RecordAt),
    /// The space was purged meanwhile; the index is as it was.
    Purged,
}

/// The index and the tombstones.
#[derive(Default)]
pub(crate) struct Index {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    contents: BTreeMap<SpaceId, Located>,
    gone: HashSet<SpaceId>,
    gone_in_order: VecDeque<SpaceId>,
}

impl Located {
    pub fn is_complete(&self) -> bool {
        !matches!(self.location, Location::File { complete: false })
    }
}

impl Index {
    pub fn get(&self, space: SpaceId) -> Option<Located> {
        self.state.lock().contents.get(&space).copied()
    }

    pub fn location(&self, space: SpaceId) -> Option<Location> {
        self.get(space).map(|found| found.location)
    }

    /// Whether the content is here whole.
    pub fn is_complete(&self, space: SpaceId) -> bool {
        self.get(space).is_some_and(|found| found.is_complete())
    }

    pub fn len(&self) -> usize {
        self.state.lock().contents.len()
    }

    /// Refuses a further content at the cap.
    pub fn check_room(&self) -> Result<(), Error> {
        if self.state.lock().is_full() { Err(Error::TooMany) } else { Ok(()) }
    }

    /// Refuses a space that was purged here.
    pub fn check(&self, space: SpaceId) -> Result<(), Error> {
        match self.state.lock().gone.contains(&space) {
            true => Err(Error::Purged { space }),
            false => Ok(()),
        }
    }

    /// Looks at a space under one lock: its location, whether it was purged, whether the index is full.
    pub fn look(&self, space: SpaceId) -> Result<Option<Location>, Error> {
        let state = self.state.lock();
        if state.gone.contains(&space) {
            return Err(Error::Purged { space });
        }
        match state.contents.get(&space) {
            None if state.is_full() => Err(Error::TooMany),
            found => Ok(found.map(|found| found.location)),
        }
    }

    /// Enters contents that are durable now, unless they were purged meanwhile.
    pub fn enter(
        &self,
        contents: impl Iterator<Item = (SpaceId, Located)>,
        mut told: impl FnMut(Entered),
    ) {
        let mut state = self.state.lock();
        for (space, located) in contents {
            told(state.enter(space, located));
        }
    }

    /// Enters one content, unless it was purged meanwhile.
    pub fn enter_one(&self, space: SpaceId, located: Located) -> Entered {
        self.state.lock().enter(space, located)
    }

    /// Says whether a content that has a file is complete.
    pub fn set_complete(&self, space: SpaceId, complete: bool) {
        if let Some(found) = self.state.lock().contents.get_mut(&space) {
            found.location = Location::File { complete };
        }
    }

    /// Takes spaces out of the index for good, and remembers that they were purged.
    pub fn bury(&self, spaces: impl Iterator<Item = SpaceId>) -> Vec<(SpaceId, Location)> {
        let mut state = self.state.lock();
        let buried = spaces.filter_map(|space| {
            state.bury(space);
            Some((space, state.contents.remove(&space)?.location))
        });
        buried.collect()
    }

    /// The contents after `after`, in the order of their spaces.
    pub fn list(&self, after: Option<SpaceId>, limit: usize) -> Vec<Held> {
        let from = after.map_or(Unbounded, Excluded);
        let held = |(space, found): (&SpaceId, &Located)| Held {
            space: *space,
            packet: found.packet,
            complete: found.is_complete(),
        };
        self.state.lock().contents.range((from, Unbounded)).take(limit).map(held).collect()
    }
}

impl State {
    fn is_full(&self) -> bool {
        self.contents.len() >= CONTENTS_MAX
    }

    fn enter(&mut self, space: SpaceId, located: Located) -> Entered {
        if self.gone.contains(&space) {
            return Entered::Purged;
        }
        match self.contents.insert(space, located).map(|before| before.location) {
            Some(Location::Record(before)) => Entered::Replaced(before),
            _ => Entered::New,
        }
    }

    fn bury(&mut self, space: SpaceId) {
        if !self.gone.insert(space) {
            return;
        }
        self.gone_in_order.push_back(space);
        if self.gone_in_order.len() > TOMBSTONES_MAX
            && let Some(oldest) = self.gone_in_order.pop_front()
        {
            self.gone.remove(&oldest);
        }
    }
}
