//! What time it is for the cluster, as this node knows it: the date that a majority of the clocks
//! shows, and the tick, which counts how long the cluster has run.
//!
//! Both are carried on by this node's monotonic time between two words of the leader, so a wall clock
//! that jumps, here or there, moves neither. A tick heard is never older than the leader's own, so what
//! is carried on here is never ahead of it: whoever leads next goes on counting and skips nothing.

use model::{Moment, Tick, lengths::millis_of};
use parking_lot::Mutex;
use tokio::time::Instant;

use crate::options::CLOCKS_NEAR;

pub(crate) struct Dates(Mutex<Known>);

struct Known {
    /// The highest tick heard, and when.
    tick: (Tick, Instant),
    /// The newest date, and when it was that.
    date: Option<(Moment, Instant)>,
    /// Whether the date was heard or agreed in this life, and not only found in the state.
    heard: bool,
}

fn carried(date: Option<(Moment, Instant)>) -> Option<Moment> {
    date.map(|(date, at)| date.plus(at.elapsed()))
}

impl Dates {
    pub(crate) fn new() -> Self {
        Self(Mutex::new(Known { tick: (Tick(0), Instant::now()), date: None, heard: false }))
    }

    /// The tick as it is now.
    pub(crate) fn tick(&self) -> Tick {
        self.0.lock().tick_now()
    }

    /// The leader's count stood there a moment ago.
    pub(crate) fn ticked(&self, tick: Tick) {
        let mut known = self.0.lock();
        if tick > known.tick_now() {
            known.tick = (tick, Instant::now());
        }
    }

    /// The state that this node found stood at this date.
    pub(crate) fn found(&self, date: Moment) {
        let mut known = self.0.lock();
        if !known.heard {
            known.date = Some((date, Instant::now()));
        }
    }

    /// It is this date now.
    pub(crate) fn set(&self, date: Moment) {
        let mut known = self.0.lock();
        known.date = Some((date, Instant::now()));
        known.heard = true;
    }

    /// The date as it is now; none before it was heard or agreed in this life.
    pub(crate) fn date(&self) -> Option<Moment> {
        let known = self.0.lock();
        carried(known.date.filter(|_| known.heard))
    }

    /// The last date that is known, even if the cluster was off since.
    pub(crate) fn carried(&self) -> Option<Moment> {
        carried(self.0.lock().date)
    }
}

impl Known {
    fn tick_now(&self) -> Tick {
        let (tick, at) = self.tick;
        tick.plus_ms(millis_of(at.elapsed()))
    }
}

/// The date by a number of clocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Agreed {
    pub(crate) date: Moment,
    /// Whether a majority of the voters' clocks shows it, about.
    pub(crate) by_majority: bool,
}

/// What date it is, by the clocks that are known of so many voters and by the last date, carried on;
/// none while fewer clocks than a majority are known.
///
/// A majority that goes on from the last date is followed, whatever the others show; a majority that
/// has left it together is followed, too: it has been set right, or the cluster was off. Where no
/// majority shows the same, the last date goes on as long as one clock at least speaks for it.
pub(crate) fn judge(
    mut clocks: Vec<Moment>,
    voters: usize,
    carried: Option<Moment>,
) -> Option<Agreed> {
    let majority = voters / 2 + 1;
    if clocks.len() < majority {
        return None;
    }
    clocks.sort_unstable();
    // Of some clocks the latest date that a majority of the voters has reached.
    let reached = |clocks: &[Moment]| clocks[clocks.len() - majority];
    if let Some(carried) = carried {
        let going: Vec<_> =
            clocks.iter().copied().filter(|clock| are_near(*clock, carried)).collect();
        if going.len() >= majority {
            return Some(Agreed { date: reached(&going), by_majority: true });
        }
    }
    let spread = |group: &&[Moment]| group[majority - 1].since(group[0]);
    let closest = clocks.windows(majority).min_by_key(spread);
    if let Some(group) = closest.filter(|group| spread(group) <= CLOCKS_NEAR) {
        return Some(Agreed { date: group[0], by_majority: true });
    }
    let spoken_for =
        carried.filter(|carried| clocks.iter().any(|clock| are_near(*clock, *carried)));
    let date = spoken_for.unwrap_or_else(|| reached(&clocks));
    Some(Agreed { date, by_majority: false })
}

fn are_near(a: Moment, b: Moment) -> bool {
    a.since(b).max(b.since(a)) <= CLOCKS_NEAR
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const DAY: u64 = 86_400_000;
    const T: u64 = 20_000 * DAY;

    fn judged(clocks: &[u64], voters: usize, carried: Option<u64>) -> Option<(u64, bool)> {
        let clocks = clocks.iter().map(|ms| Moment(*ms)).collect();
        let agreed = judge(clocks, voters, carried.map(Moment))?;
        Some((agreed.date.0, agreed.by_majority))
    }

    #[test]
    fn one_wrong_clock_moves_nothing() {
        for wrong in [0, T - 100 * DAY, T - 60_000, T + 60_000, T + 100 * DAY, u64::MAX] {
            assert_eq!(judged(&[T, T + 5, wrong], 3, Some(T)), Some((T, true)));
            // Of three nodes one is down: the other's clock alone moves nothing either.
            assert_eq!(judged(&[T + 5, wrong], 3, Some(T)), Some((T, false)));
        }
        // Another one is down, and the cluster was off: the lower one, as before.
        assert_eq!(judged(&[T + DAY, T + 9 * DAY], 3, Some(T)), Some((T + DAY, false)));
        assert_eq!(judged(&[T], 3, Some(T)), None);
        assert_eq!(judged(&[], 1, Some(T)), None);
    }

    #[test]
    fn a_majority_that_left_the_date_together_is_followed() {
        for step in [T - 100 * DAY, T - 60_000, T + 60_000, T + 100 * DAY] {
            assert_eq!(judged(&[step, T, step + 3], 3, Some(T)), Some((step, true)));
            assert_eq!(judged(&[step, step + 3], 3, Some(T)), Some((step, true)));
            assert_eq!(judged(&[step], 1, Some(T)), Some((step, true)));
            assert_eq!(judged(&[step, step, step], 3, None), Some((step, true)));
        }
        // Of five: three together; two and two are none.
        let (a, b) = (T + DAY, T + 2 * DAY);
        assert_eq!(judged(&[a, a, a, T, b], 5, Some(T)), Some((a, true)));
        assert_eq!(judged(&[a, a, b, b, T], 5, Some(T)), Some((T, false)));
        assert_eq!(judged(&[a, a, b, b], 5, Some(T)), Some((a, false)));
    }

    #[test]
    fn small_differences_are_no_step() {
        // The latest date that a majority has reached.
        assert_eq!(judged(&[T - 900, T, T + 900], 3, Some(T - 500)), Some((T, true)));
        assert_eq!(judged(&[T - 900, T], 2, Some(T)), Some((T - 900, true)));
    }

    #[tokio::test(start_paused = true)]
    async fn ticks_are_carried_on_and_never_run_ahead() {
        let dates = Dates::new();
        dates.ticked(Tick(5_000));
        tokio::time::advance(Duration::from_secs(2)).await;
        assert_eq!(dates.tick(), Tick(7_000));
        // What is heard late is older than what is known.
        dates.ticked(Tick(6_900));
        assert_eq!(dates.tick(), Tick(7_000));
        dates.ticked(Tick(7_100));
        assert_eq!(dates.tick(), Tick(7_100));
    }

    #[tokio::test(start_paused = true)]
    async fn a_date_of_the_state_is_not_told_as_the_present_one() {
        let dates = Dates::new();
        dates.found(Moment(7));
        tokio::time::advance(Duration::from_millis(3)).await;
        assert_eq!((dates.date(), dates.carried()), (None, Some(Moment(10))));
        dates.set(Moment(100));
        dates.found(Moment(7));
        tokio::time::advance(Duration::from_millis(3)).await;
        assert_eq!((dates.date(), dates.carried()), (Some(Moment(103)), Some(Moment(103))));
    }
}
