//! The dead ranges of a segment, joined, and which of them are worth giving back to the disk.

use std::collections::BTreeMap;

use crate::index::RecordAt;

/// Joined dead ranges of this size are given back to the disk; smaller ones are not worth an extent.
const PUNCH_MIN: u32 = 256 << 10;

/// A range of a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Dead {
    pub offset: u32,
    pub len: u32,
}

/// The dead ranges of one segment: lengths by offset, none beside another.
#[derive(Debug, Default)]
pub(crate) struct DeadRanges(BTreeMap<u32, u32>);

impl DeadRanges {
    /// Adds a range and joins it with its neighbours; gives the joined range.
    pub fn add(&mut self, Dead { mut offset, mut len }: Dead) -> Dead {
        if let Some((before, before_len)) =
            self.0.range(..offset).next_back().map(|(at, len)| (*at, *len))
            && before + before_len >= offset
        {
            len = (offset + len).max(before + before_len) - before;
            offset = before;
        }
        while let Some((after, after_len)) =
            self.0.range(offset + 1..=offset + len).next().map(|(at, len)| (*at, *len))
        {
            self.0.remove(&after);
            len = len.max(after + after_len - offset);
        }
        self.0.insert(offset, len);
        Dead { offset, len }
    }

    /// Adds records that died; gives the joined ranges that have grown by a step worth a hole.
    pub fn add_records<'a>(
        &mut self,
        records: impl IntoIterator<Item = &'a RecordAt>,
    ) -> Vec<Dead> {
        let mut grown: BTreeMap<u32, u32> = BTreeMap::new();
        for RecordAt { offset, total, .. } in records {
            let Dead { offset: start, len } = self.add(Dead { offset: *offset, len: *total });
            // Growth of a part of this range by an earlier record counts for the whole range.
            let before: u32 = grown.range(start..start + len).map(|(_, added)| added).sum();
            grown.retain(|at, _| *at < start || *at >= start + len);
            grown.insert(start, before + total);
        }
        let steps = |len: u32| len / PUNCH_MIN;
        let worth = |(offset, added): (u32, u32)| {
            let len = self.0.get(&offset).copied()?;
            (steps(len) > steps(len.saturating_sub(added))).then_some(Dead { offset, len })
        };
        grown.into_iter().filter_map(worth).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(offset: u32, total: u32) -> RecordAt {
        RecordAt { segment: 1, offset, total, mark: 0 }
    }

    #[test]
    fn neighbours_join_and_a_range_is_given_back_once_a_step() {
        let mut dead = DeadRanges::default();
        assert_eq!(dead.add_records(&[record(0, 100), record(300, 100)]), []);
        assert_eq!(dead.add(Dead { offset: 100, len: 200 }), Dead { offset: 0, len: 400 });
        let whole = Dead { offset: 0, len: 400 + PUNCH_MIN };
        assert_eq!(dead.add_records(&[record(400, PUNCH_MIN)]), [whole]);
        assert_eq!(dead.add_records(&[record(400 + PUNCH_MIN, 64)]), [], "no further step");
    }
}
