//! What callers and strangers may hold of a node beside connections: room for bodies, requests a second.
//!
//! Whoever waits here waits for its own share first, so that a greedy one waits for itself.

use std::{collections::HashMap, hash::Hash, net::IpAddr, sync::Arc, time::Duration};

use axum::http::HeaderValue;
use model::{AppId, UnitCode};
use parking_lot::Mutex;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{Instant, timeout_at},
};

use crate::{
    bucket::{Bucket, Quota},
    limits::{Limit, Reached},
    multipart,
    problem::Problem,
    settings::{BUFFER_WAIT_MAX, BUFFERED_STRANGERS_MAX, JSON_MAX, Settings},
    texts::Fault,
    tus::HELD_MAX,
};

/// Room that bodies grow by: small ones by the KiB, large ones by so much.
const STEP: usize = 64 * 1024;
const KIB: usize = 1024;
/// Of the room for bodies, one application has a quarter and one unit half.
const APP_PART: usize = 4;
const UNIT_PART: usize = 2;
/// Of the strangers' room, one address has an eighth: sixteen bodies of the largest size.
const ADDRESS_PART: usize = 8;
/// Addresses whose room is remembered; those that hold none are forgotten beyond it.
const ADDRESSES_KEPT: usize = 1024;
/// A bucket holds two seconds of its rate: a burst after a pause is a working day's usual shape.
const BURST_SECS: u32 = 2;

/// The shares of one server.
pub(crate) struct Shares {
    reached: Arc<Reached>,
    bodies: Arc<Semaphore>,
    bodies_max: usize,
    strangers: Arc<Semaphore>,
    addresses: Mutex<HashMap<IpAddr, Arc<Semaphore>>>,
    units: Mutex<HashMap<UnitCode, Arc<Semaphore>>>,
    apps: Mutex<HashMap<AppId, Arc<Caller>>>,
    quota: Quota,
    policy: HeaderValue,
}

/// The shares of one application. As many are kept as there are applications in the registry.
pub(crate) struct Caller {
    bodies: Arc<Semaphore>,
    of_unit: Arc<Semaphore>,
    requests: Mutex<Bucket>,
}

/// Whose a body is.
#[derive(Clone)]
pub(crate) enum Sender {
    /// Nobody has shown a key or a token.
    Stranger(Option<IpAddr>),
    /// An application, by its signature or by a token that was given to it.
    Caller(Arc<Caller>),
}

/// The room that a body takes until it is dropped.
#[derive(Default)]
pub(crate) struct Room {
    kib: usize,
    held: Vec<OwnedSemaphorePermit>,
}

/// One of the semaphores that a body must pass, and what its want means.
type Gate = (Arc<Semaphore>, Limit, usize);

impl Shares {
    /// The shares by the server's settings.
    pub(crate) fn new(settings: &Settings, reached: Arc<Reached>) -> Self {
        let a_second = settings.limits.requests_a_second.max(1);
        let quota = Quota { burst: a_second.saturating_mul(BURST_SECS), a_second };
        let policy = format!("\"app\";q={};w={BURST_SECS}", quota.burst);
        Self {
            reached,
            bodies: Arc::new(Semaphore::new(settings.buffered_max / KIB)),
            bodies_max: settings.buffered_max,
            strangers: Arc::new(Semaphore::new(BUFFERED_STRANGERS_MAX / KIB)),
            addresses: Mutex::default(),
            units: Mutex::default(),
            apps: Mutex::default(),
            quota,
            policy: HeaderValue::from_str(&policy).expect("digits are visible ASCII"),
        }
    }

    /// The shares of an application.
    pub(crate) fn of(&self, app: &AppId, unit: &UnitCode) -> Arc<Caller> {
        if let Some(caller) = self.apps.lock().get(app) {
            return caller.clone();
        }
        let of_unit = entry(&self.units, unit, || self.part_of_bodies(UNIT_PART) / KIB);
        let caller = || {
            Arc::new(Caller {
                bodies: Arc::new(Semaphore::new(self.part_of_bodies(APP_PART) / KIB)),
                of_unit,
                requests: Mutex::new(Bucket::full(self.quota, Instant::now())),
            })
        };
        self.apps.lock().entry(app.clone()).or_insert_with(caller).clone()
    }

    /// A part of the room, but no less than the largest body, nor more than there is.
    const fn part_of_bodies(&self, part: usize) -> usize {
        let share = self.bodies_max / part;
        let least = if share < multipart::BODY_MAX { multipart::BODY_MAX } else { share };
        if least < self.bodies_max { least } else { self.bodies_max }
    }

    /// Octets of an upload's piece that are held until its checksum holds: no more than one application has
    /// room for. A larger piece streams and is taken back.
    pub(crate) fn held_max(&self) -> usize {
        HELD_MAX.min(self.part_of_bodies(APP_PART))
    }

    /// Counts a request of an application: what `RateLimit` says, or how long it should wait.
    pub(crate) fn request(&self, caller: &Caller) -> Result<HeaderValue, Problem> {
        let taken = caller.requests.lock().take(self.quota, Instant::now());
        match taken {
            Ok(left) => Ok(self.rate(left)),
            Err(wait) => {
                self.reached.count(Limit::Requests);
                Err(Problem::new(Fault::RateLimited)
                    .member("max", self.quota.a_second)
                    .header(RATE_LIMIT, self.rate(0))
                    .header(RATE_LIMIT_POLICY, self.policy.clone())
                    .retry_after(wait))
            }
        }
    }

    /// The value of `RateLimit`: what is left, and in how many seconds all of it is back.
    fn rate(&self, left: u32) -> HeaderValue {
        let secs = (self.quota.burst - left.min(self.quota.burst)).div_ceil(self.quota.a_second);
        HeaderValue::from_str(&format!("\"app\";r={left};t={secs}"))
            .expect("digits are visible ASCII")
    }

    /// The value of `RateLimit-Policy`.
    pub(crate) const fn policy(&self) -> &HeaderValue {
        &self.policy
    }

    fn gates(&self, sender: &Sender) -> Vec<Gate> {
        let node = (self.bodies.clone(), Limit::Bodies, self.bodies_max);
        match sender {
            Sender::Stranger(address) => {
                let max = (BUFFERED_STRANGERS_MAX / ADDRESS_PART).max(JSON_MAX);
                let own = address
                    .map(|address| (self.address(address, max / KIB), Limit::BodiesOfAddress, max));
                let all =
                    (self.strangers.clone(), Limit::BodiesOfStrangers, BUFFERED_STRANGERS_MAX);
                own.into_iter().chain([all]).collect()
            }
            Sender::Caller(caller) => {
                let part = |part| self.part_of_bodies(part);
                vec![
                    (caller.bodies.clone(), Limit::BodiesOfApplication, part(APP_PART)),
                    (caller.of_unit.clone(), Limit::BodiesOfUnit, part(UNIT_PART)),
                    node,
                ]
            }
        }
    }

    fn address(&self, address: IpAddr, kib: usize) -> Arc<Semaphore> {
        let mut addresses = self.addresses.lock();
        if addresses.len() >= ADDRESSES_KEPT && !addresses.contains_key(&address) {
            addresses.retain(|_, room| Arc::strong_count(room) > 1);
        }
        addresses.entry(address).or_insert_with(|| Arc::new(Semaphore::new(kib))).clone()
    }

    /// Lets a body grow to so many octets, once there is room for them.
    pub(crate) async fn grow(
        &self,
        room: &mut Room,
        sender: &Sender,
        octets: usize,
    ) -> Result<(), Problem> {
        let step = if octets <= STEP { KIB } else { STEP };
        let kib = octets.next_multiple_of(step) / KIB;
        let Some(more) = kib.checked_sub(room.kib).filter(|more| *more > 0) else { return Ok(()) };
        let permits = u32::try_from(more).unwrap_or(u32::MAX);
        let until = Instant::now() + BUFFER_WAIT_MAX;
        for (place, (gate, limit, max)) in self.gates(sender).into_iter().enumerate() {
            let taken = timeout_at(until, gate.acquire_many_owned(permits)).await;
            let Ok(taken) = taken else {
                self.reached.count(limit);
                return Err(no_room(limit, max));
            };
            let taken = taken.expect("the semaphores are never closed");
            match room.held.get_mut(place) {
                Some(held) => held.merge(taken),
                None => room.held.push(taken),
            }
        }
        room.kib = kib;
        Ok(())
    }
}

/// `RateLimit` (draft-ietf-httpapi-ratelimit-headers).
pub(crate) const RATE_LIMIT: axum::http::HeaderName =
    axum::http::HeaderName::from_static("ratelimit");
/// `RateLimit-Policy`, of the same draft.
pub(crate) const RATE_LIMIT_POLICY: axum::http::HeaderName =
    axum::http::HeaderName::from_static("ratelimit-policy");

/// What is the caller's own want is told as such: another node has no more for it.
fn no_room(limit: Limit, max: usize) -> Problem {
    let fault = match limit {
        Limit::Bodies | Limit::BodiesOfStrangers => Fault::TooMany,
        _ => Fault::ShareUsed,
    };
    Problem::new(fault).member("what", limit.as_str()).member("max", max)
}

fn entry<K: Clone + Eq + Hash>(
    map: &Mutex<HashMap<K, Arc<Semaphore>>>,
    key: &K,
    permits: impl FnOnce() -> usize,
) -> Arc<Semaphore> {
    map.lock().entry(key.clone()).or_insert_with(|| Arc::new(Semaphore::new(permits()))).clone()
}

/// How long a body may take: what is collected is small and needs no patience, a content on a slow line does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Pace {
    /// Before the first octet counts.
    base: Duration,
    /// Octets that each further second must bring.
    a_second: u64,
}

impl Pace {
    /// A body that is collected whole: a line of half a Mbit/s is fast enough.
    pub(crate) const COLLECTED: Self = Self { base: Duration::from_secs(30), a_second: 64 * 1024 };
    /// The same of a stranger, who sends one small document.
    pub(crate) const STRANGER: Self = Self { base: Duration::from_secs(10), a_second: 64 * 1024 };
    /// A content that streams into a space: a line of 32 kbit/s is fast enough.
    pub(crate) const STREAMED: Self = Self { base: Duration::from_secs(30), a_second: 4 * 1024 };

    /// How long after its beginning a body of which so much is here is given up.
    pub(crate) fn allows(self, octets: u64) -> Duration {
        self.base + Duration::from_millis(octets.saturating_mul(1000) / self.a_second)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shares(buffered_max: usize, requests_a_second: u32) -> Shares {
        let mut settings = Settings::new("https://lgsp.example.vn");
        settings.buffered_max = buffered_max;
        settings.limits.requests_a_second = requests_a_second;
        Shares::new(&settings, Arc::default())
    }

    fn caller(shares: &Shares, app: &str, unit: &str) -> Sender {
        let app = format!("app-{app}").parse().expect("an application");
        let unit = unit.parse().expect("a unit");
        Sender::Caller(shares.of(&app, &unit))
    }

    #[tokio::test(start_paused = true)]
    async fn an_application_waits_for_its_own_room_and_nobody_else_does() {
        let shares = shares(16 << 20, 10);
        let (greedy, modest) = (caller(&shares, "a", "H41.02"), caller(&shares, "b", "H41.03"));
        let mut held = Room::default();
        shares.grow(&mut held, &greedy, 4 << 20).await.expect("a quarter");
        let refused = shares.grow(&mut Room::default(), &greedy, 1).await.expect_err("no more");
        assert_eq!((refused.status().as_u16(), refused.word()), (429, "share_used"));
        assert_eq!(shares.reached.of(Limit::BodiesOfApplication), 1);
        shares.grow(&mut Room::default(), &modest, 1 << 20).await.expect("its own room");
        // A second application of the unit has the rest of the unit's half, a third nothing.
        let (second, third) = (caller(&shares, "a2", "H41.02"), caller(&shares, "a3", "H41.02"));
        let mut rest = Room::default();
        shares.grow(&mut rest, &second, 4 << 20).await.expect("the unit's half");
        assert!(shares.grow(&mut Room::default(), &third, 1).await.is_err());
        assert_eq!(shares.reached.of(Limit::BodiesOfUnit), 1);
        drop(held);
        shares.grow(&mut Room::default(), &third, 1).await.expect("there is room again");
        shares.grow(&mut Room::default(), &greedy, 1).await.expect("there is room again");
    }

    #[tokio::test(start_paused = true)]
    async fn room_is_taken_as_octets_come() {
        let shares = shares(16 << 20, 10);
        let (sender, mut room) = (caller(&shares, "a", "H41.02"), Room::default());
        for (octets, kib) in [(1, 1), (1024, 1), (1025, 2), (65_536, 64), (65_537, 128), (1, 128)] {
            shares.grow(&mut room, &sender, octets).await.expect("there is room");
            assert_eq!(room.kib, kib, "{octets}");
            assert_eq!(shares.bodies.available_permits(), 16 * 1024 - kib);
        }
        drop(room);
        assert_eq!(shares.bodies.available_permits(), 16 * 1024);
    }

    #[tokio::test(start_paused = true)]
    async fn an_address_of_strangers_does_not_take_the_room_of_another() {
        let shares = shares(16 << 20, 10);
        let from = |last: u8| Sender::Stranger(Some([10, 0, 0, last].into()));
        let mut held: Vec<Room> = Vec::new();
        let refused = loop {
            let mut room = Room::default();
            match shares.grow(&mut room, &from(1), JSON_MAX).await {
                Ok(()) => held.push(room),
                Err(problem) => break problem,
            }
        };
        assert_eq!((held.len(), refused.word()), (16, "share_used"));
        shares.grow(&mut Room::default(), &from(2), JSON_MAX).await.expect("its own room");
        for last in 0..=u8::MAX {
            let _ = shares.grow(&mut Room::default(), &from(last), 1).await;
        }
        drop(held);
        shares.grow(&mut Room::default(), &from(1), JSON_MAX).await.expect("there is room again");
    }

    #[tokio::test(start_paused = true)]
    async fn requests_have_a_rate_and_say_what_is_left() {
        let shares = shares(16 << 20, 10);
        let caller =
            shares.of(&"app".parse().expect("an application"), &"H41".parse().expect("a unit"));
        assert_eq!(shares.policy(), "\"app\";q=20;w=2");
        assert_eq!(shares.request(&caller).expect("it is taken"), "\"app\";r=19;t=1");
        for _ in 0..19 {
            shares.request(&caller).expect("it is taken");
        }
        let refused = shares.request(&caller).expect_err("the burst is over");
        assert_eq!((refused.status().as_u16(), refused.word()), (429, "rate_limited"));
        tokio::time::advance(Duration::from_millis(100)).await;
        assert_eq!(shares.request(&caller).expect("it is taken"), "\"app\";r=0;t=2");
    }

    #[test]
    fn a_body_is_given_up_by_what_has_come() {
        let secs = |pace: Pace, octets| pace.allows(octets).as_secs();
        assert_eq!(secs(Pace::COLLECTED, 1), 30);
        assert_eq!(secs(Pace::COLLECTED, 1 << 20), 46);
        assert_eq!(secs(Pace::STREAMED, 1 << 20), 286);
        assert!(secs(Pace::STREAMED, u64::MAX) > 1 << 40);
    }
}
