//! Reads of this node's state: a few rows under the lock, or a view that lists share.
//!
//! Whether a state is new enough is for the read index to say; see `read`.

use std::{cell::Cell, ops::ControlFlow, time::Duration};

use machine::{Reader, Visit};
use tokio::{
    sync::Mutex,
    time::{Instant, sleep_until},
};

use crate::{StateView, node::Inner};

/// Rows that one peek reads at most: the nodes of a cluster, removed ones too, or a slice of a list. From
/// a file each takes some tens of microseconds, so a peek holds up the applying for a few milliseconds at
/// the very most.
const PEEK_ROWS_MAX: usize = 128;

/// Between two views that are made for lists. Each freezes what the state holds young in memory, and a few
/// of them are settled together, so lists cost at most ten settlings a second, however many there are; a
/// list waits that long only where others write and list at the same time.
const VIEW_PAUSE: Duration = Duration::from_millis(25);

/// The state as a peek sees it.
pub(crate) struct Few<'a> {
    rows: &'a dyn Reader,
    read: Cell<usize>,
}

impl<'a> Few<'a> {
    pub(crate) fn of(rows: &'a dyn Reader) -> Self {
        Self { rows, read: Cell::new(0) }
    }

    fn count(&self) {
        self.read.set(self.read.get() + 1);
        debug_assert!(self.read.get() <= PEEK_ROWS_MAX, "a list reads a view and not under a lock");
    }
}

impl Reader for Few<'_> {
    fn get(&self, key: &[u8]) -> Option<Vec<u8>> {
        self.count();
        self.rows.get(key)
    }

    fn scan(&self, from: &[u8], to: &[u8], visit: Visit<'_>) {
        self.rows.scan(from, to, &mut |key, value| -> ControlFlow<()> {
            self.count();
            visit(key, value)
        });
    }
}

/// The view that was made last for lists.
#[derive(Default)]
pub(crate) struct Views(Mutex<Option<Made>>);

struct Made {
    view: StateView,
    /// It holds every entry below this index.
    next: u64,
    at: Instant,
}

impl Views {
    /// Lets a view go that nobody has asked for in the meantime: it keeps old data alive.
    pub(crate) fn forget(&self) {
        // Whoever has the lock is about to make a newer one.
        if let Ok(mut last) = self.0.try_lock() {
            last.take_if(|made| made.at.elapsed() >= VIEW_PAUSE);
        }
    }
}

impl Inner {
    /// The index behind the last entry that this node's state holds.
    pub(crate) fn next_entry(&self) -> u64 {
        *self.shared.applied.borrow()
    }

    /// A view made for the caller alone.
    pub(crate) fn view(&self) -> StateView {
        match self.disk.view() {
            Ok((view, _)) => view,
            // Whoever asked would take an empty view for the truth.
            Err(error) => panic!("the state cannot be read: {error}"),
        }
    }

    /// A view that holds at least the entries below an index, which this node has applied. All who wait
    /// for the same read index get the same one, and so does everybody until something more is applied.
    pub(crate) async fn shared_view(&self, next: u64) -> StateView {
        let mut last = self.views.0.lock().await;
        match &*last {
            Some(made) if made.next >= next => return made.view.clone(),
            // Those who come meanwhile wait behind this one, for the same view.
            Some(made) => sleep_until(made.at + VIEW_PAUSE).await,
            None => {}
        }
        // Before the view: it may hold more.
        let next = self.next_entry();
        let view = self.view();
        *last = Some(Made { view: view.clone(), next, at: Instant::now() });
        view
    }
}
