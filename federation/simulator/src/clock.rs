//! What time it is on the national side. Everything that happens there is dated by one clock.

use model::Moment;
use tokio::time::Instant;

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
