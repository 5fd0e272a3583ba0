//! The index: which contents this node holds and where, in memory, with a cap.
//!
//! It is rebuilt at start from the segments and the files. Beside it stand the tombstones: spaces
//! purged lately, so that a late copy cannot bring one back.

use std::collections::{BTreeMap, HashSet, VecDeque};

use model::{PacketId, SpaceId};

use crate::Held;

/// Contents that one node may hold: about 60 MiB of index. A backlog beyond it is refused.
pub const CONTENTS_MAX: usize = 500_000;
/// Tombstones kept: an hour of purges at thirty a second. A copy is never that late; one that came
/// after a restart, which forgets them, is destroyed by the reconciliation with the state.
pub const TOMBSTONES_MAX: usize = 100_000;

/// Where a content lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// In a segment. The mark is the CRC of its head: another record has another.
    Small { segment: u32, offset: u32, total: u32, mark: u32 },
    /// In its own file.
    Large { complete: bool },
}

/// A content of the index.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    pub packet: PacketId,
    pub place: Place,
}

/// The index and the tombstones.
#[derive(Default)]
pub struct Index {
    map: BTreeMap<SpaceId, Entry>,
    gone: HashSet<SpaceId>,
    gone_in_order: VecDeque<SpaceId>,
}

impl Entry {
    pub fn is_complete(&self) -> bool {
        !matches!(self.place, Place::Large { complete: false })
    }
}

impl Index {
    pub fn get(&self, space: SpaceId) -> Option<Entry> {
        self.map.get(&space).copied()
    }

    pub fn len(&self) -> usize {
        self.map.len()
    }

    pub fn is_full(&self) -> bool {
        self.map.len() >= CONTENTS_MAX
    }

    pub fn insert(&mut self, space: SpaceId, entry: Entry) -> Option<Entry> {
        self.map.insert(space, entry)
    }

    pub fn remove(&mut self, space: SpaceId) -> Option<Entry> {
        self.map.remove(&space)
    }

    pub fn is_gone(&self, space: SpaceId) -> bool {
        self.gone.contains(&space)
    }

    /// Remembers that a space was purged.
    pub fn bury(&mut self, space: SpaceId) {
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

    pub fn list(&self, after: Option<SpaceId>, limit: usize) -> Vec<Held> {
        use std::ops::Bound::{Excluded, Unbounded};
        let from = after.map_or(Unbounded, Excluded);
        let held = |(space, entry): (&SpaceId, &Entry)| Held {
            space: *space,
            packet: entry.packet,
            complete: entry.is_complete(),
        };
        self.map.range((from, Unbounded)).take(limit).map(held).collect()
    }
}
