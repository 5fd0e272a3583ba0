//! Threads: those that storage needs are there at the start or the node does not begin. Of those that wait for
//! disks the runtime ends whichever has had nothing to do for ten seconds; as the state is synced every three, one
//! is always there, and what waits for a disk waits for it where no other is to be had.

use std::{
    sync::{Arc, Condvar, Mutex, PoisonError},
    time::Duration,
};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::grants::{Grant, TooFew, left_in_groups};

/// Threads of the files of state and history and of the log, the first thread, and one for signals.
const STORAGE: usize = 10;
/// Threads that wait for disks: with fewer, the sync of a log waits for the reading of contents.
const WAITING_MIN: usize = 8;
/// More wait for one another in the system's queue, and each has a stack.
const WAITING_MAX: usize = 64;
/// How long the first ones may take to be there.
const START_TIME_MAX: Duration = Duration::from_secs(5);

/// How the threads are shared out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Threads {
    /// What the system grants beside those of other processes; as many as there may be where it sets no bound.
    pub granted: usize,
    /// Those that wait for disks, at the most.
    pub waiting: usize,
}

impl Threads {
    /// Raises the soft limit to the hard one and shares out what there is then, beside so many that poll.
    pub fn raise(polling: usize) -> Result<Self, TooFew> {
        let limit = getrlimit(Resource::Nproc);
        // A limit that cannot be raised is one that we live with.
        setrlimit(Resource::Nproc, Rlimit { current: limit.maximum, ..limit }).ok();
        let own = getrlimit(Resource::Nproc).current;
        let granted = own.into_iter().chain(left_in_groups(Grant::Threads)).min();
        let granted =
            granted.map_or(usize::MAX, |count| usize::try_from(count).unwrap_or(usize::MAX));
        Self::share(granted, polling)
    }

    fn share(granted: usize, polling: usize) -> Result<Self, TooFew> {
        Grant::Threads.at_least(polling + STORAGE + WAITING_MIN, granted)?;
        Ok(Self { granted, waiting: WAITING_MAX.min(granted - polling - STORAGE) })
    }

    /// Sees whether the threads are to be had without which storage would stand still. Needs the node's
    /// runtime.
    pub async fn try_all() -> Result<(), TooFew> {
        // The runtime panics where there is not even one; so it is tried apart.
        let first = std::thread::Builder::new().spawn(|| {});
        let count = match first.map(std::thread::JoinHandle::join) {
            Ok(_) => meet(WAITING_MIN).await,
            Err(_) => 0,
        };
        Grant::Threads.at_least(WAITING_MIN, count)
    }
}

/// Occupies so many threads at once, and answers how many there were.
async fn meet(count: usize) -> usize {
    let met = Arc::new((Mutex::new(0), Condvar::new()));
    let tasks: Vec<_> = (0..count)
        .map(|_| {
            let met = met.clone();
            tokio::task::spawn_blocking(move || {
                let (here, changed) = &*met;
                let mut here = here.lock().unwrap_or_else(PoisonError::into_inner);
                *here += 1;
                changed.notify_all();
                let alone = |here: &mut usize| *here < count;
                let waited = changed.wait_timeout_while(here, START_TIME_MAX, alone);
                *waited.unwrap_or_else(PoisonError::into_inner).0
            })
        })
        .collect();
    let mut most = 0;
    for task in tasks {
        most = most.max(task.await.unwrap_or(0));
    }
    most
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn storage_has_its_threads_first() {
        let few = TooFew { of: Grant::Threads, granted: 18, needed: 19 };
        assert_eq!(Threads::share(18, 1), Err(few));
        for (granted, waiting) in [(19, 8), (42, 31), (75, 64), (usize::MAX, 64)] {
            assert_eq!(Threads::share(granted, 1).map(|shared| shared.waiting), Ok(waiting));
        }
    }

    #[test]
    fn the_threads_are_there_at_once_or_it_is_said_how_many_were() {
        let pool = |max| {
            let mut builder = tokio::runtime::Builder::new_current_thread();
            builder.max_blocking_threads(max).build().expect("a runtime")
        };
        assert_eq!(pool(4).block_on(meet(4)), 4);
        assert_eq!(pool(8).block_on(Threads::try_all()), Ok(()));
    }
}
