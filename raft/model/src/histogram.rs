//! How long a stage of a packet's path takes, counted cheaply: atomics, no lock, nothing allocated.
//!
//! No clock here: who counts measures the span.

use std::{
    array,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::Duration,
};

/// The first bucket takes spans up to two to the power of this, in microseconds: 4 µs, less than any stage is
/// worth looking at.
const FIRST_POWER: u32 = 2;
/// Buckets, each twice as wide as the one before it: the last ends at 8.4 s, beyond most deadlines.
const BUCKETS: usize = 22;
/// A longer span counts as one of an hour, so that sums stay sums.
const SPAN_MAX: Duration = Duration::from_secs(3600);

/// Counts spans in buckets whose bounds are powers of two.
#[derive(Debug, Default)]
pub struct Histogram {
    buckets: [AtomicU64; BUCKETS],
    beyond: AtomicU64,
    sum_us: AtomicU64,
}

/// What a [`Histogram`] has counted so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Spans {
    buckets: [u64; BUCKETS],
    beyond: u64,
    /// The sum of all spans, in microseconds.
    pub sum_us: u64,
}

/// What was counted of one stage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stage {
    /// Its name, as the label of the metric has it.
    pub name: &'static str,
    /// How long it took.
    pub spans: Spans,
}

impl Histogram {
    /// Counts one span.
    pub fn count(&self, span: Duration) {
        let us = u64::try_from(span.min(SPAN_MAX).as_micros()).expect("an hour is a small number");
        let power = u64::BITS - us.saturating_sub(1).leading_zeros();
        let index = power.saturating_sub(FIRST_POWER) as usize;
        self.buckets.get(index).unwrap_or(&self.beyond).fetch_add(1, Relaxed);
        self.sum_us.fetch_add(us, Relaxed);
    }

    /// What was counted so far. Spans that are counted meanwhile may be there in part.
    pub fn read(&self) -> Spans {
        Spans {
            buckets: array::from_fn(|index| self.buckets[index].load(Relaxed)),
            beyond: self.beyond.load(Relaxed),
            sum_us: self.sum_us.load(Relaxed),
        }
    }

    /// The same, under a name.
    pub fn stage(&self, name: &'static str) -> Stage {
        Stage { name, spans: self.read() }
    }
}

impl Spans {
    /// How many were counted.
    pub fn total(&self) -> u64 {
        self.buckets.iter().sum::<u64>() + self.beyond
    }

    /// The bounds in microseconds, and how many spans were not longer than each.
    pub fn up_to(&self) -> impl Iterator<Item = (u64, u64)> {
        let bounds = (FIRST_POWER..).map(|power| 1 << power);
        bounds.zip(self.buckets).scan(0, |below, (bound, count)| {
            *below += count;
            Some((bound, *below))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn us(us: u64) -> Duration {
        Duration::from_micros(us)
    }

    /// How many of these spans are not longer than a bound.
    fn counted(spans: &[Duration], bound: u64) -> u64 {
        let histogram = Histogram::default();
        spans.iter().for_each(|span| histogram.count(*span));
        let found = histogram.read().up_to().find(|(up_to, _)| *up_to == bound);
        found.expect("such a bucket").1
    }

    #[test]
    fn a_bound_belongs_to_its_bucket() {
        assert_eq!(counted(&[Duration::ZERO, us(1), us(4)], 4), 3);
        assert_eq!(counted(&[us(5), us(8)], 4), 0);
        assert_eq!(counted(&[us(5), us(8), us(9)], 8), 2);
        let last = 1 << (FIRST_POWER + 21);
        assert_eq!(counted(&[us(last), us(last + 1)], last), 1);
    }

    #[test]
    fn every_power_of_two_is_in_its_own_bucket() {
        let histogram = Histogram::default();
        let bounds: Vec<u64> = histogram.read().up_to().map(|(bound, _)| bound).collect();
        bounds.iter().for_each(|bound| histogram.count(us(*bound)));
        let counts: Vec<u64> = histogram.read().up_to().map(|(_, count)| count).collect();
        assert_eq!(counts, (1..=BUCKETS as u64).collect::<Vec<_>>());
        assert_eq!(histogram.read().sum_us, bounds.iter().sum::<u64>());
    }

    #[test]
    fn the_longest_spans_do_not_overflow() {
        let histogram = Histogram::default();
        histogram.count(Duration::MAX);
        histogram.count(Duration::MAX);
        let read = histogram.read();
        assert_eq!((read.total(), read.beyond, read.sum_us), (2, 2, 7_200_000_000));
        assert!(read.up_to().all(|(_, count)| count == 0));
    }
}
