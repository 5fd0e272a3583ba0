//! Places for streams of events and polls that wait: a share a key and a unit, and who gives way.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use model::{AccessKey, UnitCode};
use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::{
    limits::{Limit, Reached, STREAMS_A_KEY_MAX, STREAMS_A_UNIT_MAX},
    problem::Problem,
    settings::STREAMS_OF_EVENTS_MAX,
    texts::Fault,
};

/// The places of one server.
pub(crate) struct Streams {
    reached: Arc<Reached>,
    table: Mutex<Table>,
}

#[derive(Default)]
struct Table {
    next: u64,
    /// In the order of their beginning.
    open: BTreeMap<u64, Listening>,
}

struct Listening {
    key: AccessKey,
    unit: UnitCode,
    gives_way: Arc<Notify>,
}

/// A place, until it is dropped.
pub(crate) struct Place {
    streams: Arc<Streams>,
    number: u64,
    gives_way: Arc<Notify>,
}

impl Place {
    /// Ends when another stream of the same key needs the place.
    pub(crate) async fn gave_way(&self) {
        self.gives_way.notified().await;
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.streams.table.lock().open.remove(&self.number);
    }
}

impl Table {
    /// The oldest of those, and how many there are.
    fn oldest(&self, of: impl Fn(&Listening) -> bool) -> (Option<u64>, usize) {
        let mut those = self.open.iter().filter(|(_, listening)| of(listening));
        let oldest = those.next().map(|(number, _)| *number);
        (oldest, usize::from(oldest.is_some()) + those.count())
    }

    /// Ends a stream, so that its place is free.
    fn end(&mut self, number: u64) {
        if let Some(listening) = self.open.remove(&number) {
            listening.gives_way.notify_one();
        }
    }

    /// The oldest stream of the unit that has most, and how many that unit has.
    fn oldest_of_greediest(&self) -> Option<(u64, usize)> {
        let mut units: HashMap<&UnitCode, (u64, usize)> = HashMap::new();
        for (number, listening) in &self.open {
            units.entry(&listening.unit).or_insert((*number, 0)).1 += 1;
        }
        units.into_values().max_by_key(|(_, count)| *count)
    }
}

impl Streams {
    /// No stream is open.
    pub(crate) fn new(reached: Arc<Reached>) -> Arc<Self> {
        Arc::new(Self { reached, table: Mutex::default() })
    }

    /// A place for one more. The oldest of the same key gives way where its share or its unit's is used up;
    /// where the node is full, the oldest of the unit that has most.
    pub(crate) fn enter(
        self: &Arc<Self>,
        key: &AccessKey,
        unit: &UnitCode,
    ) -> Result<Place, Problem> {
        let mut table = self.table.lock();
        let (own, of_key) = table.oldest(|listening| listening.key == *key);
        let (_, of_unit) = table.oldest(|listening| listening.unit == *unit);
        let full = table.open.len() >= STREAMS_OF_EVENTS_MAX;
        if of_key >= STREAMS_A_KEY_MAX || of_unit >= STREAMS_A_UNIT_MAX {
            let of_key = of_key >= STREAMS_A_KEY_MAX;
            self.reached.count(if of_key { Limit::StreamsOfKey } else { Limit::StreamsOfUnit });
            let Some(own) = own else {
                let fault = Problem::new(Fault::ShareUsed);
                return Err(fault
                    .member("what", Limit::StreamsOfUnit.as_str())
                    .member("max", STREAMS_A_UNIT_MAX));
            };
            table.end(own);
        } else if full {
            self.reached.count(Limit::Streams);
            let greediest = table.oldest_of_greediest();
            // One that has no more than the newcomer will have keeps what it has.
            let Some((oldest, _)) = greediest.filter(|(_, count)| *count > of_unit + 1) else {
                let fault = Problem::new(Fault::TooMany);
                return Err(fault
                    .member("what", Limit::Streams.as_str())
                    .member("max", STREAMS_OF_EVENTS_MAX));
            };
            table.end(oldest);
        }
        let (number, gives_way) = (table.next, Arc::<Notify>::default());
        table.next += 1;
        let (key, unit) = (key.clone(), unit.clone());
        table.open.insert(number, Listening { key, unit, gives_way: gives_way.clone() });
        Ok(Place { streams: self.clone(), number, gives_way })
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    fn key(number: usize) -> AccessKey {
        // A letter of a key carries five bits.
        let mut octets = [0; 20];
        octets[..2].copy_from_slice(&[(number / 32) as u8, (number % 32) as u8]);
        AccessKey::from_random(octets)
    }

    fn unit(number: usize) -> UnitCode {
        format!("H41.{number:02}").parse().expect("a unit")
    }

    fn has_gone(place: &Place) -> bool {
        place.gave_way().now_or_never().is_some()
    }

    fn streams() -> Arc<Streams> {
        Streams::new(Arc::default())
    }

    #[test]
    fn the_oldest_of_the_same_key_gives_way() {
        let streams = streams();
        let places: Vec<_> = (0..STREAMS_A_KEY_MAX)
            .map(|_| streams.enter(&key(1), &unit(1)).expect("a place"))
            .collect();
        let other = streams.enter(&key(2), &unit(1)).expect("another key has its own");
        assert!(!places.iter().any(has_gone));
        let next = streams.enter(&key(1), &unit(1)).expect("a place");
        assert!(has_gone(&places[0]) && !has_gone(&places[1]) && !has_gone(&other));
        assert_eq!(streams.table.lock().open.len(), STREAMS_A_KEY_MAX + 1);
        drop((places, next, other));
        assert!(streams.table.lock().open.is_empty());
    }

    #[test]
    fn a_unit_has_its_share_whatever_its_keys_are() {
        let streams = streams();
        let places: Vec<_> = (0..STREAMS_A_UNIT_MAX)
            .map(|number| streams.enter(&key(number / 10), &unit(1)).expect("a place"))
            .collect();
        let refused = streams.enter(&key(99), &unit(1)).err().expect("no key of its own to end");
        assert_eq!((refused.status().as_u16(), refused.word()), (429, "share_used"));
        let _next = streams.enter(&key(3), &unit(1)).expect("its own oldest gives way");
        assert!(has_gone(&places[30]) && !has_gone(&places[0]));
        streams.enter(&key(99), &unit(2)).expect("another unit has its own");
    }

    #[test]
    fn a_full_node_has_a_place_for_a_unit_that_has_none() {
        let streams = streams();
        let places: Vec<_> = (0..STREAMS_OF_EVENTS_MAX)
            .map(|number| {
                let (unit_of, key_of) = (number / STREAMS_A_UNIT_MAX, number / STREAMS_A_KEY_MAX);
                streams.enter(&key(key_of), &unit(unit_of)).expect("a place")
            })
            .collect();
        let newcomer = streams.enter(&key(200), &unit(90)).expect("another unit gives one up");
        assert_eq!(places.iter().filter(|place| has_gone(place)).count(), 1);
        assert!(!has_gone(&newcomer));
        assert_eq!(streams.table.lock().open.len(), STREAMS_OF_EVENTS_MAX);
    }
}
