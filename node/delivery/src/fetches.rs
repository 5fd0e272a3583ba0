//! Which octets of a content a target has had from this node, over however many requests and connections.
//!
//! A node remembers what it handed out itself, and only as long as it runs. A content that was fetched in
//! parts at two nodes shows as picked up where one of them has handed out all of it; otherwise its delivery
//! goes from `accepted` to `confirmed`. To share the parts would cost an entry of the log for each break of a
//! line, for a state that decides nothing: the receipt alone does.

use std::{
    collections::{BTreeMap, HashMap},
    ops::Range,
};

use model::{PacketId, UnitCode};
use parking_lot::Mutex;

use crate::{Exchange, sweep::PICKUPS_WAITING_MAX};

/// Fetches in parts that are remembered at once: some 5 MiB where each has all of its ranges. Beyond it the
/// one that was quiet longest is forgotten.
const FETCHES_MAX: usize = 4096;

/// Separate ranges of one fetch: a download manager has a gap before each of its connections, of which the
/// greediest opens 16, and some of those break. A range that touches none and is one too many does not count.
const RANGES_MAX: usize = 64;

/// The fetches of one node that are not whole.
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
    /// Notes what was handed out; answers whether the target has had all of the content now.
    fn note(&self, packet: PacketId, target: &UnitCode, part: Range<u64>, size: u64) -> bool {
        let mut table = self.0.lock();
        let fetch = (packet, target.clone());
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

/// What one request hands out. It is noted with its last octet, as nothing is asked for behind that one where
/// the length is known (HTTP/1.1), or when the request ends before.
pub(crate) struct Handed {
    exchange: Exchange,
    packet: PacketId,
    target: UnitCode,
    size: u64,
    /// Handed out and not noted yet.
    part: Range<u64>,
    end: u64,
}

impl Handed {
    /// A request for a range of a content.
    pub(crate) fn new(
        exchange: &Exchange,
        packet: PacketId,
        target: UnitCode,
        size: u64,
        range: &Range<u64>,
    ) -> Self {
        let part = range.start..range.start;
        let mut handed =
            Self { exchange: exchange.clone(), packet, target, size, part, end: range.end };
        if size == 0 {
            // Nobody asks for the octets of an empty content.
            handed.note();
        }
        handed
    }

    /// So many more octets are the connection's now.
    pub(crate) fn out(&mut self, octets: usize) {
        self.part.end += octets as u64;
        if self.part.end >= self.end {
            self.note();
        }
    }

    fn note(&mut self) {
        let part = self.part.clone();
        self.part.start = self.part.end;
        let inner = &self.exchange.inner;
        if inner.fetches.note(self.packet, &self.target, part, self.size) {
            let mut pickups = inner.pickups.lock();
            // The record is a courtesy to the source: under a flood some are left out, no receipt is.
            if pickups.len() < PICKUPS_WAITING_MAX {
                pickups.push((self.packet, self.target.clone()));
            }
        }
    }
}

impl Drop for Handed {
    fn drop(&mut self) {
        if !self.part.is_empty() {
            self.note();
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
        fetches.note(PacketId(1), &unit(), part, SIZE)
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
        assert!(!fetches.note(PacketId(2), &unit(), 600..1000, SIZE));
        let other = "H41.06".parse().expect("a unit");
        assert!(!fetches.note(PacketId(1), &other, 600..1000, SIZE));
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
            fetches.note(PacketId(packet), &unit(), 0..1, SIZE);
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
