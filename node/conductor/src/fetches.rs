//! Which octets of a content a target has had, over however many requests, connections and nodes.
//!
//! A node tells the others of each part that it handed out and that was no whole, so that a target may go on
//! at another one. It is told in memory and remembered as long as a node runs: an entry of the log for each
//! break of a line would be too much for a state that decides nothing (the receipt alone does). Where a node
//! died with what it handed out, or was cut off, the delivery goes from `accepted` to `confirmed`.

use std::{
    collections::{BTreeMap, HashMap},
    ops::Range,
};

use minicbor::{Decode, Encode};
use model::{PacketId, UnitCode};
use parking_lot::Mutex;

/// Fetches in parts that are remembered at once: some 5 MiB where each has all of its ranges. Beyond it the
/// one that was quiet longest is forgotten.
const FETCHES_MAX: usize = 4096;

/// Separate ranges of one fetch: a download manager has a gap before each of its connections, of which the
/// greediest opens 16, and some of those break. A range that touches none and is one too many does not count.
const RANGES_MAX: usize = 64;

/// A part of a content that a target was handed by a node. Version 1.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct HandedPart {
    /// Which packet.
    #[n(0)]
    pub packet: PacketId,
    /// To whom.
    #[n(1)]
    pub target: UnitCode,
    /// The first octet.
    #[n(2)]
    pub start: u64,
    /// Behind the last octet.
    #[n(3)]
    pub end: u64,
    /// Octets of the whole content.
    #[n(4)]
    pub size: u64,
}

/// The fetches that are not whole.
#[derive(Default)]
pub(crate) struct Fetches(Mutex<Table>);

#[derive(Default)]
struct Table {
    under_way: HashMap<(PacketId, UnitCode), Parts>,
    /// Counts what was noted, so that the quietest is known.
    noted: u64,
}

/// What a target has had of a content.
#[derive(Default)]
struct Parts {
    /// Ends by their beginnings; no two of them touch.
    ranges: BTreeMap<u64, u64>,
    noted: u64,
}

impl Parts {
    fn add(&mut self, range: Range<u64>) {
        let Range { mut start, mut end } = range;
        // Backwards from the last that begins within the range, or where it ends.
        while let Some((&from, &to)) = self.ranges.range(..=end).next_back()
            && to >= start
        {
            self.ranges.remove(&from);
            (start, end) = (start.min(from), end.max(to));
        }
        if self.ranges.len() < RANGES_MAX {
            self.ranges.insert(start, end);
        }
    }

    fn is_whole(&self, size: u64) -> bool {
        self.ranges.first_key_value() == Some((&0, &size))
    }
}

impl Fetches {
    /// Notes what a node handed out; answers whether the target has had all of the content now.
    pub(crate) fn note(&self, part: &HandedPart) -> bool {
        let HandedPart { packet, target, size, .. } = part;
        let (fetch, size, part) = ((*packet, target.clone()), *size, part.start..part.end);
        let mut table = self.0.lock();
        if part == (0..size) {
            table.under_way.remove(&fetch);
            return true;
        }
        if table.under_way.len() >= FETCHES_MAX && !table.under_way.contains_key(&fetch) {
            table.forget_quietest();
        }
        table.noted += 1;
        let noted = table.noted;
        let parts = table.under_way.entry(fetch.clone()).or_default();
        parts.noted = noted;
        parts.add(part);
        let whole = parts.is_whole(size);
        if whole {
            table.under_way.remove(&fetch);
        }
        whole
    }
}

impl Table {
    fn forget_quietest(&mut self) {
        let quietest = self.under_way.iter().min_by_key(|(_, parts)| parts.noted);
        if let Some(fetch) = quietest.map(|(fetch, _)| fetch.clone()) {
            self.under_way.remove(&fetch);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SIZE: u64 = 1000;

    fn unit() -> UnitCode {
        "H41.05".parse().expect("a unit")
    }

    fn note(fetches: &Fetches, part: Range<u64>) -> bool {
        noted(fetches, 1, unit(), part)
    }

    fn noted(fetches: &Fetches, packet: u128, target: UnitCode, part: Range<u64>) -> bool {
        let Range { start, end } = part;
        fetches.note(&HandedPart { packet: PacketId(packet), target, start, end, size: SIZE })
    }

    #[test]
    fn parts_in_any_order_are_a_whole_when_nothing_is_wanting() {
        let fetches = Fetches::default();
        for part in [500..700, 0..100, 900..1000, 100..400, 650..900] {
            assert!(!note(&fetches, part));
        }
        assert!(note(&fetches, 400..500));
        assert!(fetches.0.lock().under_way.is_empty(), "what is whole is remembered no longer");
        assert!(!note(&fetches, 0..999) && note(&fetches, 0..1000));
        assert!(fetches.0.lock().under_way.is_empty());
    }

    #[test]
    fn another_packet_and_another_target_are_other_fetches() {
        let fetches = Fetches::default();
        assert!(!note(&fetches, 0..600));
        assert!(!noted(&fetches, 2, unit(), 600..1000));
        let other = "H41.06".parse().expect("a unit");
        assert!(!noted(&fetches, 1, other, 600..1000));
        assert!(note(&fetches, 600..1000));
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let fetches = Fetches::default();
        for at in 0..400 {
            assert!(!note(&fetches, at * 2..at * 2 + 1));
        }
        assert_eq!(fetches.0.lock().under_way[&(PacketId(1), unit())].ranges.len(), RANGES_MAX);
        for packet in 2..FETCHES_MAX as u128 + 2 {
            noted(&fetches, packet, unit(), 0..1);
        }
        let table = fetches.0.lock();
        assert_eq!(table.under_way.len(), FETCHES_MAX);
        assert!(!table.under_way.contains_key(&(PacketId(1), unit())), "the quietest went");
    }

    proptest! {
        #[test]
        fn ranges_are_those_of_the_octets(parts in proptest::collection::vec((0u64..60, 0u64..60), 1..40)) {
            let mut had = [false; 60];
            let mut ranges = Parts::default();
            for (a, b) in parts {
                let part = a.min(b)..a.max(b) + 1;
                had[part.start as usize..(part.end as usize).min(60)].fill(true);
                ranges.add(part.start..part.end.min(60));
                for (at, had) in had.iter().enumerate() {
                    let at = at as u64;
                    let within = ranges.ranges.range(..=at).next_back().is_some_and(|(_, end)| *end > at);
                    prop_assert_eq!(within, *had);
                }
                prop_assert_eq!(ranges.is_whole(60), had.iter().all(|had| *had));
            }
        }
    }
}
