//! What a request leaves to the conductor, and may leave out: bounded, in memory, taken all at once.

use parking_lot::Mutex;
use tokio::sync::Notify;

/// Pickups that wait to be recorded; more are left out of the record.
pub(crate) const PICKUPS_WAITING_MAX: usize = 10_000;

/// Parts that wait to be told to the other nodes. Those that break lines faster than nodes hear of it are
/// left out, with the same end as those of a node that dies.
pub(crate) const HANDED_MAX: usize = 4096;

/// Spaces that may wait to be discarded; under a flood of refusals the rest is left to reconciliation.
pub(crate) const DISCARDS_MAX: usize = 10_000;

/// Things that wait; whoever takes them is woken.
pub(crate) struct Backlog<T> {
    max: usize,
    waiting: Mutex<Vec<T>>,
    added: Notify,
}

impl<T> Backlog<T> {
    /// Room for so many; what is one too many is left out.
    pub(crate) fn new(max: usize) -> Self {
        Self { max, waiting: Mutex::default(), added: Notify::new() }
    }

    /// Leaves something here.
    pub(crate) fn add(&self, one: T) {
        let mut waiting = self.waiting.lock();
        if waiting.len() < self.max {
            waiting.push(one);
            self.added.notify_one();
        }
    }

    /// Waits until something has been left here.
    pub(crate) async fn added(&self) {
        self.added.notified().await;
    }

    /// Takes all of it.
    pub(crate) fn take(&self) -> Vec<T> {
        std::mem::take(&mut *self.waiting.lock())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_is_left_is_told_and_taken_once_and_bounded() {
        let backlog = Backlog::new(10);
        for number in 0..11 {
            backlog.add(number);
        }
        backlog.added().await;
        assert_eq!(backlog.take(), Vec::from_iter(0..10));
        assert!(backlog.take().is_empty());
    }
}
