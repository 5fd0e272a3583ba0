//! A token bucket: so many at once, and so many again a second.

use std::time::Duration;

use tokio::time::Instant;

/// What a bucket holds, and how fast it fills.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Quota {
    /// Tokens of a full bucket.
    pub(crate) burst: u32,
    /// Tokens that come back a second; at least one.
    pub(crate) a_second: u32,
}

/// The tokens of one holder, in thousandths.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bucket {
    milli: u64,
    at: Instant,
}

impl Bucket {
    /// A full one.
    pub(crate) fn full(quota: Quota, now: Instant) -> Self {
        Self { milli: u64::from(quota.burst) * 1000, at: now }
    }

    fn fill(&mut self, quota: Quota, now: Instant) {
        let passed = now.saturating_duration_since(self.at);
        let ms = u64::try_from(passed.as_millis()).unwrap_or(u64::MAX);
        if ms == 0 {
            return;
        }
        // Whole milliseconds are taken over, so that the rest of one is not lost.
        self.at += Duration::from_millis(ms);
        let more = ms.saturating_mul(u64::from(quota.a_second.max(1)));
        self.milli = self.milli.saturating_add(more).min(u64::from(quota.burst) * 1000);
    }

    /// Takes a token: how many are left, or how long until there is one.
    pub(crate) fn take(&mut self, quota: Quota, now: Instant) -> Result<u32, Duration> {
        self.fill(quota, now);
        match self.milli.checked_sub(1000) {
            Some(left) => {
                self.milli = left;
                Ok(u32::try_from(left / 1000).unwrap_or(u32::MAX))
            }
            None => {
                let missing = 1000 - self.milli;
                Err(Duration::from_millis(missing.div_ceil(u64::from(quota.a_second.max(1)))))
            }
        }
    }

    /// Gives one back.
    pub(crate) fn give_back(&mut self, quota: Quota) {
        self.milli = (self.milli + 1000).min(u64::from(quota.burst) * 1000);
    }

    /// Whether it holds all that it can, so that nothing need be remembered of it.
    pub(crate) fn is_full(&mut self, quota: Quota, now: Instant) -> bool {
        self.fill(quota, now);
        self.milli == u64::from(quota.burst) * 1000
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const QUOTA: Quota = Quota { burst: 3, a_second: 2 };

    #[tokio::test(start_paused = true)]
    async fn a_bucket_gives_its_burst_and_then_its_rate() {
        let mut bucket = Bucket::full(QUOTA, Instant::now());
        for left in [2, 1, 0] {
            assert_eq!(bucket.take(QUOTA, Instant::now()), Ok(left));
        }
        assert_eq!(bucket.take(QUOTA, Instant::now()), Err(Duration::from_millis(500)));
        tokio::time::advance(Duration::from_millis(500)).await;
        assert_eq!(bucket.take(QUOTA, Instant::now()), Ok(0));
        assert!(bucket.take(QUOTA, Instant::now()).is_err());
        tokio::time::advance(Duration::from_secs(3600)).await;
        assert!(bucket.is_full(QUOTA, Instant::now()));
        assert_eq!(bucket.take(QUOTA, Instant::now()), Ok(2), "it never holds more than its burst");
        bucket.give_back(QUOTA);
        assert!(bucket.is_full(QUOTA, Instant::now()));
    }

    #[tokio::test(start_paused = true)]
    async fn many_short_looks_lose_nothing() {
        let mut bucket = Bucket::full(QUOTA, Instant::now());
        while bucket.take(QUOTA, Instant::now()).is_ok() {}
        for _ in 0..1999 {
            tokio::time::advance(Duration::from_micros(250)).await;
            assert!(bucket.take(QUOTA, Instant::now()).is_err());
        }
        tokio::time::advance(Duration::from_micros(250)).await;
        assert_eq!(bucket.take(QUOTA, Instant::now()), Ok(0));
    }
}
