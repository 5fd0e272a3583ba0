//! The thread that settles young rows into the place that counts.
//!
//! It alone waits for the library on the disk, which writes a journal, merges its files and lets writers
//! sleep when it is behind. Whoever applies waits for it only where so much is young that memory counts.

use std::{io, sync::Arc, thread::JoinHandle};

use parking_lot::{Condvar, Mutex};

/// What the thread is asked for, and how far it is. Layers are counted from the start.
#[derive(Default)]
struct State {
    /// All below this number are to be settled.
    asked: u64,
    /// All below this number are.
    settled: u64,
    /// Nothing more will be asked for.
    ended: bool,
    /// Why no row is settled any more.
    failure: Option<String>,
}

/// What is shared with the thread.
#[derive(Default)]
pub(crate) struct Settling {
    state: Mutex<State>,
    changed: Condvar,
}

impl Settling {
    /// Asks for all layers below this number. Does not wait.
    pub(crate) fn ask(&self, count: u64) {
        let mut state = self.state.lock();
        if state.asked < count {
            state.asked = count;
            self.changed.notify_all();
        }
    }

    /// Waits until all layers below this number, which were asked for, are settled.
    pub(crate) fn wait(&self, count: u64) -> io::Result<()> {
        let mut state = self.state.lock();
        while state.settled < count && state.failure.is_none() {
            self.changed.wait(&mut state);
        }
        state.check()
    }

    /// Whether every settling so far has worked.
    pub(crate) fn check(&self) -> io::Result<()> {
        self.state.lock().check()
    }

    /// The thread ends when what was asked for is done; with `now`, before it.
    fn end(&self, now: bool) {
        let mut state = self.state.lock();
        state.ended = true;
        if now {
            state.asked = state.settled;
        }
        self.changed.notify_all();
    }

    /// Waits for work; false at the end.
    fn has_work(&self) -> bool {
        let mut state = self.state.lock();
        loop {
            if state.asked > state.settled {
                return true;
            }
            if state.ended {
                return false;
            }
            self.changed.wait(&mut state);
        }
    }

    fn note(&self, settled: io::Result<u64>) -> bool {
        let mut state = self.state.lock();
        match settled {
            Ok(count) => state.settled = count,
            Err(error) => state.failure = Some(error.to_string()),
        }
        self.changed.notify_all();
        state.failure.is_none()
    }
}

impl State {
    fn check(&self) -> io::Result<()> {
        match &self.failure {
            None => Ok(()),
            Some(error) => Err(io::Error::other(format!("the state cannot be written: {error}"))),
        }
    }
}

/// Says that a thread has panicked, so that nobody waits for it for ever: the node stops at its next write.
struct Guard(Arc<Settling>);

impl Drop for Guard {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.note(Err(io::Error::other("the thread that settles it has panicked")));
        }
    }
}

/// The thread, until it is ended.
pub(crate) struct Settler {
    settling: Arc<Settling>,
    thread: Option<JoinHandle<()>>,
}

impl Settler {
    /// Starts it. `settle` writes all layers that are frozen and gives how many were frozen so far.
    pub(crate) fn start(
        settling: Arc<Settling>,
        settle: impl Fn() -> io::Result<u64> + Send + 'static,
    ) -> io::Result<Self> {
        let shared = settling.clone();
        let thread = std::thread::Builder::new().name("settle".into()).spawn(move || {
            let guard = Guard(shared);
            while guard.0.has_work() {
                if !guard.0.note(settle()) {
                    return;
                }
            }
        })?;
        Ok(Self { settling, thread: Some(thread) })
    }

    /// Ends it, and waits for it; with `now`, without what was asked for and not begun.
    pub(crate) fn end(&mut self, now: bool) {
        self.settling.end(now);
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the thread that settles the state has panicked");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_that_panics_is_a_failure_and_no_wait_without_end() {
        let settling = Arc::new(Settling::default());
        let mut settler =
            Settler::start(settling.clone(), || panic!("a broken invariant")).expect("a thread");
        settling.ask(1);
        let failed = settling.wait(1).expect_err("nothing was settled");
        assert!(failed.to_string().contains("panicked"), "{failed}");
        assert!(settling.check().is_err(), "and nothing is written any more");
        settler.end(false);
    }
}
