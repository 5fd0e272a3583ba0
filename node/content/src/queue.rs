//! A queue with two bounds: the octets that wait, and the number of items that they are in.
//!
//! An item counts until its [`Room`] is dropped, so what is being written or sent still counts.
//! The queue deliberately has no order of its own: it is first in, first out.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

/// The sending end; clones are the same queue.
pub(crate) struct Queue<T> {
    items: mpsc::Sender<Queued<T>>,
    room: Arc<Semaphore>,
    octets_max: u32,
}

/// An item that was taken out of the queue.
pub(crate) struct Queued<T> {
    pub item: T,
    /// Dropped when the item needs no memory any more.
    pub room: Room,
}

/// A place in the queue that is taken for an item.
pub(crate) struct Place<'a, T> {
    place: mpsc::Permit<'a, Queued<T>>,
    room: Room,
}

/// The octets that an item takes up.
pub(crate) struct Room(#[expect(dead_code, reason = "held for its end")] OwnedSemaphorePermit);

/// The receiving end is gone.
pub(crate) struct Closed;

impl<T> Clone for Queue<T> {
    fn clone(&self) -> Self {
        Self { items: self.items.clone(), room: self.room.clone(), octets_max: self.octets_max }
    }
}

/// Makes a queue.
pub(crate) fn queue<T>(octets_max: u32, items_max: usize) -> (Queue<T>, mpsc::Receiver<Queued<T>>) {
    let (items, received) = mpsc::channel(items_max);
    let room = Arc::new(Semaphore::new(octets_max as usize));
    (Queue { items, room, octets_max }, received)
}

impl<T> Place<'_, T> {
    pub fn send(self, item: T) {
        self.place.send(Queued { item, room: self.room });
    }
}

impl<T> Queue<T> {
    /// An item larger than the whole queue takes all of it.
    fn share(&self, octets: usize) -> u32 {
        u32::try_from(octets).unwrap_or(u32::MAX).min(self.octets_max)
    }

    /// Waits for a place for an item.
    pub async fn reserve(&self, octets: usize) -> Result<Place<'_, T>, Closed> {
        let room = self.room.clone().acquire_many_owned(self.share(octets)).await;
        let room = Room(room.map_err(|_| Closed)?);
        Ok(Place { place: self.items.reserve().await.map_err(|_| Closed)?, room })
    }

    /// A place for an item, if there is room now.
    pub fn try_reserve(&self, octets: usize) -> Option<Place<'_, T>> {
        let room = self.room.clone().try_acquire_many_owned(self.share(octets)).ok()?;
        Some(Place { place: self.items.try_reserve().ok()?, room: Room(room) })
    }

    /// Octets that count now.
    pub fn octets(&self) -> usize {
        self.octets_max as usize - self.room.available_permits()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn add(queue: &Queue<char>, octets: usize, item: char) -> bool {
        queue.try_reserve(octets).map(|place| place.send(item)).is_some()
    }

    #[tokio::test]
    async fn octets_count_until_their_item_is_done_with() {
        let (queue, mut received) = queue(10, 2);
        assert!(add(&queue, 6, 'a'));
        assert!(!add(&queue, 5, 'b'));
        assert!(add(&queue, 4, 'c'));
        assert_eq!(queue.octets(), 10);
        let first = received.recv().await.expect("the first");
        assert_eq!((first.item, queue.octets()), ('a', 10));
        drop(first.room);
        assert_eq!(queue.octets(), 4);
    }

    #[tokio::test]
    async fn items_are_bounded_too_and_a_huge_one_takes_all_the_room() {
        let (queue, mut received) = queue(10, 2);
        assert!(add(&queue, 0, 'a'));
        assert!(add(&queue, 1_000_000, 'b'), "it takes what there is");
        assert_eq!(queue.octets(), 10);
        assert!(!add(&queue, 0, 'c'), "two items");
        received.close();
        assert!(queue.reserve(0).await.is_err());
    }
}
