//! A node's wall clock: virtual time, and how far this node is off.

use std::sync::atomic::{AtomicI64, Ordering};

use consensus::Clock;
use model::Moment;
use tokio::time::Instant;

/// 2026-01-01T00:00:00Z, when every simulation begins.
const BEGINNING_MS: i64 = 1_767_225_600_000;

/// A clock that can be set wrong.
pub struct SimClock {
    begun: Instant,
    offset_ms: AtomicI64,
}

impl SimClock {
    /// A clock that is right.
    pub fn new(begun: Instant) -> Self {
        Self { begun, offset_ms: AtomicI64::new(0) }
    }

    /// How far it is ahead of the right time.
    pub fn offset_ms(&self) -> i64 {
        self.offset_ms.load(Ordering::Relaxed)
    }

    /// Sets it so far ahead (or behind) of the right time.
    pub fn set_offset(&self, ms: i64) {
        self.offset_ms.store(ms, Ordering::Relaxed);
    }
}

impl Clock for SimClock {
    fn now(&self) -> Moment {
        let elapsed = self.begun.elapsed().as_millis() as i64;
        Moment((BEGINNING_MS + elapsed + self.offset_ms.load(Ordering::Relaxed)).max(0) as u64)
    }
}
