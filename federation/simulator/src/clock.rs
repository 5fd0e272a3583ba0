//! What time it is on the national side. Everything that happens there is dated by one clock.

use std::str::FromStr;

use model::Moment;
use tokio::time::Instant;
use wire::edxml::{Code, LocalTime};

use crate::time::{LATEST, POPULATED_AT};

/// Tells the time. The simulator adds what `/_sim/clock` and scenes moved it by.
pub trait Clock: Send + Sync {
    /// Now.
    fn now(&self) -> Moment;
}

/// A clock that goes with the runtime's time, so it stands still where a test pauses that.
#[derive(Debug, Clone, Copy)]
pub struct Ticking {
    began_at: Moment,
    origin: Instant,
}

impl Ticking {
    /// It is this time now.
    pub fn from(began_at: Moment) -> Self {
        Self { began_at, origin: Instant::now() }
    }

    /// The time of this machine.
    pub fn of_this_machine() -> Self {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        let ms = since.map(|since| since.as_millis()).unwrap_or_default();
        Self::from(Moment(u64::try_from(ms).unwrap_or_default()))
    }
}

impl Clock for Ticking {
    fn now(&self) -> Moment {
        let ms = u64::try_from(self.origin.elapsed().as_millis()).unwrap_or(u64::MAX);
        Moment(self.began_at.0.saturating_add(ms))
    }
}

/// A clock that stands still until it is moved: two runs with the same calls have the same times.
#[derive(Debug, Clone, Copy)]
pub struct Standing(pub Moment);

impl Clock for Standing {
    fn now(&self) -> Moment {
        self.0
    }
}

/// Why a clock cannot stand there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a time of Việt Nam is written 2026/11/29 08:30:15, from July 2025 to 9989")]
pub struct StandingError;

impl FromStr for Standing {
    type Err = StandingError;

    fn from_str(text: &str) -> Result<Self, StandingError> {
        let time = LocalTime::read(text.trim()).ok_or(StandingError)?;
        let at = u64::try_from(time.unix_seconds()).map(Moment::from_secs);
        let at = at.map_err(|_| StandingError)?;
        if (POPULATED_AT..=LATEST).contains(&at) { Ok(Self(at)) } else { Err(StandingError) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_stands_at_a_time_of_viet_nam() {
        let standing: Standing = "2026/11/29 08:30:15".parse().expect("a time");
        assert_eq!(standing.now(), Moment(1_795_915_815_000));
        for text in ["", "2026-11-29 08:30:15", "2025/06/30 23:59:59", "9999/01/01 00:00:00"] {
            assert_eq!(text.parse::<Standing>().map(|s| s.0), Err(StandingError), "{text}");
        }
    }
}
