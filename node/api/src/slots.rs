//! Places for connections: who has one, who gets the next, and who gives way.
//!
//! A connection begins as a stranger's, counted by its address, and becomes a caller's with the first good
//! signature or token, counted by its application and unit from then on. Strangers have half of the places at
//! the most. Where a place is wanted, the oldest connection that rests gives way: a stranger's before a
//! caller's, of the address or unit that holds most. One whose request is in work never does, nor does a
//! stranger's that is too young to have shown anything; with nobody else there, the newcomer is closed.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, HashMap},
    net::IpAddr,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use model::{AppId, UnitCode};
use parking_lot::Mutex;
use tokio::{sync::Notify, time::Instant};

use crate::{
    activity::Activity,
    bucket::{Bucket, Quota},
    limits::{
        ADDRESSES_MAX, Limit, Limits, Reached, STRANGER_GRACE, STRANGERS_A_SECOND, STRANGERS_BURST,
        network,
    },
};

/// How fast an address may begin connections that show nothing.
const BEGINNINGS: Quota = Quota { burst: STRANGERS_BURST, a_second: STRANGERS_A_SECOND };

/// How long a look for a stranger that may give way holds where it found none: many times a second, so that a
/// newcomer who tries again finds the next place.
const LOOK_AGAIN_AFTER: Duration = Duration::from_millis(20);

/// The places of one server.
pub(crate) struct Slots {
    limits: Limits,
    reached: Arc<Reached>,
    table: Mutex<Table>,
}

#[derive(Default)]
struct Table {
    visitors: BTreeMap<u64, Arc<Visitor>>,
    next: u64,
    strangers: usize,
    /// No stranger's place was to be had a moment ago: until then nobody looks again.
    none_until: Option<Instant>,
    addresses: HashMap<IpAddr, Address>,
    apps: HashMap<AppId, Arc<AtomicUsize>>,
    units: HashMap<UnitCode, Arc<AtomicUsize>>,
}

struct Address {
    /// Its connections that are strangers'.
    held: Arc<AtomicUsize>,
    begun: Bucket,
}

/// Who came over one connection.
pub(crate) struct Visitor {
    number: u64,
    /// What moves on the connection.
    pub(crate) activity: Arc<Activity>,
    address: IpAddr,
    /// Connections of strangers from the same address.
    beside: Arc<AtomicUsize>,
    /// Whose it is, once that was shown.
    known: OnceLock<Known>,
    slots: Arc<Slots>,
    gives_way: Notify,
}

/// The connections of those whose a connection is.
struct Known {
    app: Arc<AtomicUsize>,
    unit: Arc<AtomicUsize>,
}

impl Known {
    fn counts(&self) -> impl Iterator<Item = &Arc<AtomicUsize>> {
        [&self.app, &self.unit].into_iter()
    }
}

/// A place, until it is dropped.
pub(crate) struct Slot(Arc<Visitor>);

impl Slot {
    /// Who has it.
    pub(crate) const fn visitor(&self) -> &Arc<Visitor> {
        &self.0
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.0.slots.table.lock().remove(self.0.number);
    }
}

impl Visitor {
    /// The network that it comes from.
    pub(crate) const fn address(&self) -> IpAddr {
        self.address
    }

    /// Whether it has shown neither a good signature nor a good token.
    pub(crate) fn is_stranger(&self) -> bool {
        self.known.get().is_none()
    }

    /// It has shown whose it is: by a signature, or by a token that was given to an application.
    pub(crate) fn is_of(&self, app: &AppId, unit: &UnitCode) {
        if self.is_stranger() {
            self.slots.promote(self, app, unit);
        }
    }

    /// Ends when another connection needs the place.
    pub(crate) async fn gave_way(&self) {
        self.gives_way.notified().await;
    }

    /// How many its address or unit holds.
    fn held(&self) -> usize {
        self.known.get().map_or(&self.beside, |known| &known.unit).load(Relaxed)
    }

    fn counts_for(&self, count: &Arc<AtomicUsize>) -> bool {
        let known = self.known.get();
        known.is_some_and(|known| known.counts().any(|own| Arc::ptr_eq(own, count)))
    }
}

impl Table {
    /// Takes a connection out, if it has not given way before.
    fn remove(&mut self, number: u64) {
        let Some(visitor) = self.visitors.remove(&number) else { return };
        match visitor.known.get() {
            Some(known) => known.counts().for_each(|count| {
                count.fetch_sub(1, Relaxed);
            }),
            None => {
                self.strangers -= 1;
                visitor.beside.fetch_sub(1, Relaxed);
            }
        }
    }

    /// Makes a place free; answers whether there was one that may go.
    fn give_way(&mut self, among: impl Fn(&Visitor) -> bool) -> bool {
        let may_go = |visitor: &&Arc<Visitor>| {
            let had_its_time = !visitor.is_stranger() || visitor.activity.age() >= STRANGER_GRACE;
            had_its_time && among(visitor) && visitor.activity.is_at_rest()
        };
        let first = |visitor: &&Arc<Visitor>| {
            (!visitor.is_stranger(), Reverse(visitor.held()), visitor.number)
        };
        let Some(visitor) = self.visitors.values().filter(may_go).min_by_key(first).cloned() else {
            return false;
        };
        self.remove(visitor.number);
        visitor.gives_way.notify_one();
        true
    }

    /// The entry of an address; of a flood from more networks than are remembered, one for all the rest.
    fn address(&mut self, address: IpAddr, now: Instant) -> &mut Address {
        let known = self.addresses.contains_key(&address);
        if !known && self.addresses.len() >= ADDRESSES_MAX {
            self.addresses.retain(|_, entry| {
                entry.held.load(Relaxed) > 0 || !entry.begun.is_full(BEGINNINGS, now)
            });
        }
        let crowded = !known && self.addresses.len() >= ADDRESSES_MAX;
        let place = if crowded { IpAddr::from([0; 16]) } else { address };
        self.addresses.entry(place).or_insert_with(|| Address {
            held: Arc::default(),
            begun: Bucket::full(BEGINNINGS, now),
        })
    }
}

impl Slots {
    /// Places within these limits.
    pub(crate) fn new(limits: Limits, reached: Arc<Reached>) -> Arc<Self> {
        Arc::new(Self { limits, reached, table: Mutex::default() })
    }

    /// A place for a connection from there; none where it must be closed at once.
    pub(crate) fn enter(self: &Arc<Self>, address: IpAddr) -> Option<Slot> {
        let address = network(address);
        let now = Instant::now();
        let mut table = self.table.lock();
        let entry = table.address(address, now);
        let beside = entry.held.clone();
        if entry.begun.take(BEGINNINGS, now).is_err() {
            self.reached.count(Limit::ConnectionsBegun);
            return None;
        }
        if beside.load(Relaxed) >= self.limits.strangers_of(address) {
            self.reached.count(Limit::ConnectionsOfAddress);
            if !table.give_way(|other| other.is_stranger() && Arc::ptr_eq(&other.beside, &beside)) {
                return None;
            }
        }
        if table.strangers >= self.limits.strangers_max() {
            self.reached.count(Limit::ConnectionsOfStrangers);
            // A flood costs one look in a while, not one a newcomer.
            if table.none_until.is_some_and(|until| now < until) {
                return None;
            }
            if !table.give_way(Visitor::is_stranger) {
                table.none_until = Some(now + LOOK_AGAIN_AFTER);
                return None;
            }
        }
        if table.visitors.len() >= self.limits.connections_max {
            self.reached.count(Limit::Connections);
            if !table.give_way(|_| true) {
                return None;
            }
        }
        let visitor = Arc::new(Visitor {
            number: table.next,
            activity: Arc::new(Activity::new()),
            address,
            beside: beside.clone(),
            known: OnceLock::new(),
            slots: self.clone(),
            gives_way: Notify::new(),
        });
        table.next += 1;
        table.strangers += 1;
        beside.fetch_add(1, Relaxed);
        table.visitors.insert(visitor.number, visitor.clone());
        Some(Slot(visitor))
    }

    /// Makes a stranger's place free: the system has no descriptor for the next connection. A caller keeps its
    /// own, whoever it was that took the descriptors.
    pub(crate) fn shed(&self) -> bool {
        self.table.lock().give_way(Visitor::is_stranger)
    }

    /// From now on a connection counts for its application and unit. Where they have all their places in
    /// work, it stays a stranger's: served, but the first to go.
    fn promote(&self, visitor: &Visitor, app: &AppId, unit: &UnitCode) {
        let mut table = self.table.lock();
        if !table.visitors.contains_key(&visitor.number) {
            return;
        }
        let known =
            Known { app: count_of(&mut table.apps, app), unit: count_of(&mut table.units, unit) };
        let shares = [
            (&known.app, self.limits.connections_an_app_max(), Limit::ConnectionsOfApplication),
            (&known.unit, self.limits.connections_a_unit_max(), Limit::ConnectionsOfUnit),
        ];
        for (count, max, limit) in shares {
            if count.load(Relaxed) < max {
                continue;
            }
            self.reached.count(limit);
            if !table.give_way(|other| other.counts_for(count)) {
                return;
            }
        }
        known.counts().for_each(|count| {
            count.fetch_add(1, Relaxed);
        });
        // Requests side by side on one connection may both get here: the lock lets one after the other.
        if let Err(known) = visitor.known.set(known) {
            known.counts().for_each(|count| {
                count.fetch_sub(1, Relaxed);
            });
            return;
        }
        visitor.beside.fetch_sub(1, Relaxed);
        table.strangers -= 1;
        table.address(visitor.address, Instant::now()).begun.give_back(BEGINNINGS);
    }
}

fn count_of<K: Clone + Eq + std::hash::Hash>(
    counts: &mut HashMap<K, Arc<AtomicUsize>>,
    of: &K,
) -> Arc<AtomicUsize> {
    match counts.get(of) {
        Some(count) => count.clone(),
        None => counts.entry(of.clone()).or_default().clone(),
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    fn slots(connections_max: usize, an_address: usize) -> (Arc<Slots>, Arc<Reached>) {
        let limits =
            Limits { connections_max, connections_an_address_max: an_address, ..Limits::default() };
        let reached = Arc::new(Reached::default());
        (Slots::new(limits, reached.clone()), reached)
    }

    fn from(last: u8) -> IpAddr {
        [10, 0, 0, last].into()
    }

    fn is_of(slot: &Slot, app: &str) {
        let unit = format!("H41.{}", app.len());
        let app = format!("app-{app}").parse().expect("an application");
        let unit = unit.parse().expect("a unit");
        slot.visitor().is_of(&app, &unit);
    }

    fn has_gone(slot: &Slot) -> bool {
        slot.visitor().gave_way().now_or_never().is_some()
    }

    #[tokio::test(start_paused = true)]
    async fn an_address_has_its_share_and_takes_nothing_from_another() {
        let (slots, reached) = slots(64, 4);
        let first: Vec<_> = (0..4).map(|_| slots.enter(from(1)).expect("a place")).collect();
        assert!(slots.enter(from(1)).is_none(), "none of them has had its time");
        tokio::time::advance(STRANGER_GRACE).await;
        let fifth = slots.enter(from(1)).expect("the oldest of the same address gives way");
        assert!(has_gone(&first[0]) && !has_gone(&first[1]));
        assert_eq!(reached.of(Limit::ConnectionsOfAddress), 2);
        // Those whose requests are in work do not, so there is no place.
        let visitors = first.iter().skip(1).chain([&fifth]);
        let busy: Vec<_> = visitors.map(|slot| slot.visitor().activity.clone().begin()).collect();
        assert!(slots.enter(from(1)).is_none());
        assert!(slots.enter(from(2)).is_some());
        drop(busy);
        assert!(slots.enter(from(1)).is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_has_shown_a_key_counts_for_its_application_alone() {
        let (slots, _) = slots(64, 4);
        let known: Vec<_> = (0..16)
            .map(|_| {
                let slot = slots.enter(from(1)).expect("a place");
                is_of(&slot, "a");
                slot
            })
            .collect();
        assert!(known.iter().all(|slot| !slot.visitor().is_stranger() && !has_gone(slot)));
        // The share of the application is a quarter: its own oldest gives way.
        let more = slots.enter(from(1)).expect("a place");
        is_of(&more, "a");
        assert!(has_gone(&known[0]) && !has_gone(&known[1]) && !more.visitor().is_stranger());
        // With all in work, a further one is served as a stranger's.
        let others = known.iter().skip(1).chain([&more]);
        let busy: Vec<_> = others.map(|slot| slot.visitor().activity.clone().begin()).collect();
        let last = slots.enter(from(1)).expect("a place");
        is_of(&last, "a");
        assert!(last.visitor().is_stranger());
        drop(busy);
        is_of(&last, "a");
        assert!(!last.visitor().is_stranger());
    }

    #[tokio::test(start_paused = true)]
    async fn strangers_leave_half_of_the_places_and_the_greediest_address_gives_way() {
        let (slots, _) = slots(16, 100);
        let modest = slots.enter(from(9)).expect("a place");
        let greedy: Vec<_> = (0..7).map(|_| slots.enter(from(1)).expect("a place")).collect();
        assert!(!has_gone(&greedy[0]));
        tokio::time::advance(STRANGER_GRACE).await;
        let next = slots.enter(from(2)).expect("a place");
        assert!(has_gone(&greedy[0]), "the oldest of the address that holds most");
        assert!(!has_gone(&modest) && !has_gone(&next));
        assert_eq!(slots.table.lock().strangers, 8);
        // Callers come in as strangers, one after the other, up to all places.
        let callers: Vec<_> = (0..12)
            .map(|number| {
                let slot = slots.enter(from(3)).expect("a place");
                is_of(&slot, &"abcd"[..=number % 4]);
                slot
            })
            .collect();
        assert!(callers.iter().all(|slot| !has_gone(slot)));
        assert!(slots.table.lock().visitors.len() <= 16);
        // Callers at rest make way when nobody else can, so that newcomers are always heard.
        drop((modest, next, greedy));
        let (fourth, fifth) = (slots.enter(from(4)), slots.enter(from(4)));
        assert!(fourth.is_some() && fifth.is_some());
        let kept: Vec<_> = (0..4).map(|_| slots.enter(from(4)).expect("a place")).collect();
        assert!(slots.table.lock().visitors.len() <= 16 && kept.len() == 4);
    }

    #[tokio::test(start_paused = true)]
    async fn a_want_of_descriptors_takes_no_place_of_a_caller() {
        let (slots, _) = slots(8, 8);
        let (caller, stranger) = (slots.enter(from(1)), slots.enter(from(1)));
        let (caller, stranger) = (caller.expect("a place"), stranger.expect("a place"));
        is_of(&caller, "a");
        tokio::time::advance(STRANGER_GRACE).await;
        assert!(slots.shed() && has_gone(&stranger));
        assert!(!slots.shed() && !has_gone(&caller));
    }

    #[tokio::test(start_paused = true)]
    async fn beginnings_have_a_rate_and_a_good_signature_gives_its_own_back() {
        let (slots, reached) = slots(64, 4);
        for _ in 0..STRANGERS_BURST * 2 {
            let slot = slots.enter(from(1)).expect("a caller's beginnings do not count");
            is_of(&slot, "a");
        }
        for _ in 0..STRANGERS_BURST {
            slots.enter(from(1)).expect("a stranger's burst");
        }
        assert!(slots.enter(from(1)).is_none());
        assert_eq!(reached.of(Limit::ConnectionsBegun), 1);
        assert!(slots.enter(from(2)).is_some(), "another address has its own");
        tokio::time::advance(Duration::from_millis(20)).await;
        assert!(slots.enter(from(1)).is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn a_place_comes_back_once() {
        let (slots, _) = slots(4, 1);
        let first = slots.enter(from(1)).expect("a place");
        tokio::time::advance(STRANGER_GRACE).await;
        let second = slots.enter(from(1)).expect("the first gives way");
        drop(first);
        assert_eq!(slots.table.lock().strangers, 1);
        is_of(&second, "a");
        drop(second);
        let table = slots.table.lock();
        assert!(table.strangers == 0 && table.visitors.is_empty());
        assert_eq!(table.addresses[&from(1)].held.load(Relaxed), 0);
        assert_eq!(table.units[&"H41.1".parse().expect("a unit")].load(Relaxed), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn addresses_are_not_remembered_for_ever() {
        let (slots, _) = slots(4, 1);
        for number in 0..(ADDRESSES_MAX as u128 + 10) {
            let address = IpAddr::from(((0x2001_0db8_u128 << 96) | (number << 64)).to_be_bytes());
            drop(slots.enter(address));
        }
        assert!(slots.table.lock().addresses.len() <= ADDRESSES_MAX + 1);
        tokio::time::advance(Duration::from_secs(60)).await;
        drop(slots.enter(from(1)));
        assert!(slots.table.lock().addresses.len() <= 1);
    }
}
