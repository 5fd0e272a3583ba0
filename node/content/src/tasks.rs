//! The tasks of one store, and their end.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

use parking_lot::Mutex;
use tokio::{sync::oneshot, task::AbortHandle};

/// Owns every task that the store starts.
#[derive(Default)]
pub(crate) struct Tasks {
    running: Mutex<HashMap<u64, AbortHandle>>,
    next: AtomicU64,
}

impl Tasks {
    /// Starts a task that runs to its end or until [`Tasks::end_all`].
    pub fn spawn(self: &Arc<Self>, task: impl Future<Output = ()> + Send + 'static) {
        let id = self.next.fetch_add(1, Relaxed);
        let tasks = Arc::downgrade(self);
        let mut running = self.running.lock();
        let handle = tokio::spawn(async move {
            task.await;
            if let Some(tasks) = tasks.upgrade() {
                tasks.running.lock().remove(&id);
            }
        });
        running.insert(id, handle.abort_handle());
    }

    /// Ends all tasks where they are.
    pub fn end_all(&self) {
        let running = std::mem::take(&mut *self.running.lock());
        running.into_values().for_each(|task| task.abort());
    }
}

/// Answers a waiting task. One that has gone away meanwhile needs no answer.
pub(crate) fn tell<T>(waiting: oneshot::Sender<T>, answer: T) {
    waiting.send(answer).ok();
}
