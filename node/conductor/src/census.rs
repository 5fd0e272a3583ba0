//! The census: how much each source has under way, as this node knows it.
//!
//! It is counted afresh by each reconciliation, which reads all live packets anyhow, and carried on in between by
//! what this node takes in. So a bound costs no row of the state and no entry: it is advice of one node, late by a
//! minute, and several nodes together may let a source go over it by as much as they take in meanwhile.

use std::collections::HashMap;

use machine::{PacketRow, Reader, View};
use model::UnitCode;
use parking_lot::Mutex;

/// A source has all that it may have of something.
#[derive(Debug, thiserror::Error)]
#[error("the share of {what} is used up (at most {max})")]
pub(crate) struct ShareUsed {
    pub(crate) what: &'static str,
    pub(crate) max: u64,
}

/// What one source may have under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OpenMax {
    /// Packets to one target whose delivery is not final.
    pub packets_a_target: u32,
    /// Octets of all its contents.
    pub octets_a_unit: u64,
}

/// Pairs of source and target that are told apart: a thousand units, each with a hundred others.
const PAIRS_MAX: usize = 100_000;

/// What a source asks for.
pub(crate) struct Asked<'a> {
    pub(crate) source: &'a UnitCode,
    pub(crate) targets: &'a [UnitCode],
    pub(crate) size: Option<u64>,
}

/// The counts of one node.
#[derive(Default)]
pub(crate) struct Census(Mutex<Counts>);

#[derive(Default)]
struct Counts {
    now: Tally,
    /// What came in while all is counted afresh.
    meanwhile: Option<Tally>,
}

/// Packets and octets under way.
#[derive(Default)]
pub(crate) struct Tally {
    packets: HashMap<UnitCode, HashMap<UnitCode, u32>>,
    octets: HashMap<UnitCode, u64>,
    pairs: usize,
}

impl Tally {
    /// Counts a packet whose deliveries are not final.
    pub(crate) fn count<R: Reader + ?Sized>(&mut self, view: &View<'_, R>, record: &PacketRow) {
        let deliveries = view.deliveries(record.packet);
        for (target, _) in deliveries.iter().filter(|(_, delivery)| !delivery.state.is_final()) {
            self.add_packet(&record.source, target);
        }
        // What is lost lies on no disk.
        let octets = record.size.filter(|_| record.lost_at.is_none());
        self.add_octets(&record.source, octets.unwrap_or_default());
    }

    fn add_packet(&mut self, source: &UnitCode, target: &UnitCode) {
        if let Some(count) = self.packets.get_mut(source).and_then(|open| open.get_mut(target)) {
            *count = count.saturating_add(1);
        } else if self.pairs < PAIRS_MAX {
            self.pairs += 1;
            self.packets.entry(source.clone()).or_default().insert(target.clone(), 1);
        }
    }

    fn add_octets(&mut self, source: &UnitCode, octets: u64) {
        match self.octets.get_mut(source) {
            Some(sum) => *sum = sum.saturating_add(octets),
            None => drop(self.octets.insert(source.clone(), octets)),
        }
    }

    fn add(&mut self, asked: &Asked<'_>) {
        asked.targets.iter().for_each(|target| self.add_packet(asked.source, target));
        self.add_octets(asked.source, asked.size.unwrap_or_default());
    }
}

impl Census {
    /// All is being counted afresh: what comes in meanwhile counts in both.
    pub(crate) fn begin(&self) -> Tally {
        self.0.lock().meanwhile = Some(Tally::default());
        Tally::default()
    }

    /// All has been counted.
    pub(crate) fn end(&self, counted: Tally) {
        let mut counts = self.0.lock();
        let meanwhile = counts.meanwhile.take().unwrap_or_default();
        counts.now = counted;
        for (source, targets) in &meanwhile.packets {
            for (target, more) in targets {
                (0..*more).for_each(|_| counts.now.add_packet(source, target));
            }
        }
        for (source, octets) in &meanwhile.octets {
            counts.now.add_octets(source, *octets);
        }
    }

    /// Takes a packet in, unless its source has too much under way.
    pub(crate) fn take_in(&self, asked: &Asked<'_>, max: OpenMax) -> Result<(), ShareUsed> {
        let mut counts = self.0.lock();
        let of_source = counts.now.packets.get(asked.source);
        let most = asked.targets.iter().filter_map(|target| of_source?.get(target)).max();
        if most.is_some_and(|count| *count >= max.packets_a_target) {
            let what = "packets_to_target";
            return Err(ShareUsed { what, max: u64::from(max.packets_a_target) });
        }
        let octets = counts.now.octets.get(asked.source).copied().unwrap_or_default();
        let more = asked.size.unwrap_or_default();
        if more > 0 && octets.saturating_add(more) > max.octets_a_unit {
            let what = "octets_of_unit";
            return Err(ShareUsed { what, max: max.octets_a_unit });
        }
        counts.now.add(asked);
        if let Some(meanwhile) = &mut counts.meanwhile {
            meanwhile.add(asked);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAX: OpenMax = OpenMax { packets_a_target: 3, octets_a_unit: 1000 };

    fn unit(code: &str) -> UnitCode {
        code.parse().expect("a unit")
    }

    fn take_in(census: &Census, source: &str, target: &str, size: u64) -> Result<(), ShareUsed> {
        let (source, targets) = (unit(source), [unit(target)]);
        let asked = Asked { source: &source, targets: &targets, size: Some(size) };
        census.take_in(&asked, MAX)
    }

    #[test]
    fn a_source_has_so_much_under_way_and_others_their_own() {
        let census = Census::default();
        for _ in 0..3 {
            take_in(&census, "H41.02", "H41.04", 1).expect("within its share");
        }
        let refused = take_in(&census, "H41.02", "H41.04", 1);
        assert!(matches!(refused, Err(ShareUsed { max: 3, .. })));
        take_in(&census, "H41.02", "H41.05", 1).expect("another target");
        take_in(&census, "H41.03", "H41.04", 1000).expect("another source");
        let refused = take_in(&census, "H41.03", "H41.05", 1);
        assert!(matches!(refused, Err(ShareUsed { max: 1000, .. })));
    }

    #[test]
    fn what_has_ended_is_forgotten_by_the_next_count_and_what_came_meanwhile_is_not() {
        let census = Census::default();
        for _ in 0..3 {
            take_in(&census, "H41.02", "H41.04", 300).expect("within its share");
        }
        let fresh = census.begin();
        assert!(take_in(&census, "H41.02", "H41.04", 1).is_err());
        take_in(&census, "H41.02", "H41.05", 100).expect("within its share");
        census.end(fresh);
        for _ in 0..2 {
            take_in(&census, "H41.02", "H41.04", 400).expect("those before have ended");
        }
        assert!(take_in(&census, "H41.02", "H41.06", 400).is_err(), "900 octets are under way");
    }
}
