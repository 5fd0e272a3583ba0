//! How fresh this node's knowledge is, and what time it is.
//!
//! Every answer of a follower carries a sign: a moment of its own monotonic time. A leader returns
//! a sign once a majority has acknowledged something that it sent after it had heard the sign. So
//! the follower knows that at that moment of its own time a majority still followed this leader;
//! no clock is compared and no delay is assumed. With the sign comes how much was committed: once the
//! follower's state holds that, it holds everything that had been acknowledged at that moment.
//!
//! The same messages carry wall clocks. The leader never stamps an entry further ahead than what a
//! majority of the clocks has reached and a named bound, and a node whose clock is far off says so.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use model::Moment;
use parking_lot::Mutex;
use tokio::time::Instant;

use crate::{
    Clock,
    options::{CLOCK_AHEAD_MAX, CLOCKS_WAIT_MAX},
    wire::{AnswerHead, AppendHead, Sign},
};

/// Signs that may wait until the state has caught up with them: more than come back in the time in
/// which they are worth something.
const SIGNS_WAITING_MAX: usize = 256;

/// The clock's offset is not known.
const UNKNOWN: i64 = i64::MIN;

pub(crate) struct Pulse {
    clock: Arc<dyn Clock>,
    born: Instant,
    life: u64,
    peers: Mutex<BTreeMap<u64, Peer>>,
    proven: Mutex<Proven>,
    /// Own clock less the cluster's, in milliseconds.
    offset: AtomicI64,
    /// Since when this leader has had entries to stamp and known too few clocks.
    unknown_since: Mutex<Option<Instant>>,
}

/// As follower: what signs have come back.
#[derive(Default)]
struct Proven {
    /// The newest sign.
    newest: Option<Instant>,
    /// Signs whose committed entries the state does not hold yet, in order, with their number.
    waiting: VecDeque<(Instant, u64)>,
    /// The newest sign whose committed entries the state holds.
    covered: Option<Instant>,
}

impl Proven {
    fn cover(&mut self, applied: u64) {
        while let Some((at, _)) = self.waiting.pop_front_if(|(_, committed)| *committed <= applied)
        {
            self.covered = Some(at);
        }
    }
}

#[derive(Default)]
struct Peer {
    /// Heard, waits for a majority.
    pending: Option<(Sign, Instant)>,
    /// Confirmed by a majority.
    proven: Sign,
    /// The peer's wall clock when it was last heard. It is carried on by our monotonic time, so
    /// that a jump of our own clock does not take the others' along.
    clock: Option<(u64, Instant)>,
}

impl Pulse {
    pub(crate) fn new(clock: Arc<dyn Clock>) -> Self {
        // Two lives of a node begin at different moments; zero is kept for "no sign".
        let life = clock.now().0.max(1);
        Self {
            clock,
            born: Instant::now(),
            life,
            peers: Mutex::default(),
            proven: Mutex::default(),
            offset: AtomicI64::new(UNKNOWN),
            unknown_since: Mutex::default(),
        }
    }

    /// As leader, before an append goes to a follower.
    pub(crate) fn speak(
        &self,
        to: u64,
        quorum: Option<Instant>,
        voters: &[u64],
        own: u64,
    ) -> AppendHead {
        let clock = self.agreed(voters, own).map_or(0, |moment| moment.0);
        let mut peers = self.peers.lock();
        let peer = peers.entry(to).or_default();
        if let (Some((sign, heard)), Some(quorum)) = (peer.pending, quorum)
            && heard <= quorum
        {
            peer.proven = sign;
            peer.pending = None;
        }
        AppendHead { proven: peer.proven, clock }
    }

    /// As leader, when a follower has answered.
    pub(crate) fn hear(&self, from: u64, head: AnswerHead) {
        let now = Instant::now();
        let mut peers = self.peers.lock();
        let peer = peers.entry(from).or_default();
        peer.clock = Some((head.clock, now));
        if peer.pending.is_none() {
            peer.pending = Some((head.sign, now));
        }
    }

    /// As follower, when an append has come in. What it proves is taken only if the append itself
    /// was accepted, so that an old leader proves nothing.
    pub(crate) fn accept(&self, head: AppendHead, committed: u64, applied: u64) {
        if head.clock > 0 {
            self.offset.store(signed_ms(self.clock.now().0, head.clock), Ordering::Relaxed);
        }
        if head.proven.life != self.life {
            return;
        }
        let Some(at) = self.born.checked_add(Duration::from_millis(head.proven.at)) else {
            // Not a moment that this node has ever told.
            return;
        };
        let mut proven = self.proven.lock();
        if proven.newest.is_none_or(|known| known < at) && at <= Instant::now() {
            proven.newest = Some(at);
            if proven.waiting.len() >= SIGNS_WAITING_MAX {
                // The oldest are covered first; the last gives way to the newer one.
                proven.waiting.pop_back();
            }
            proven.waiting.push_back((at, committed));
        }
        proven.cover(applied);
    }

    /// As follower, with the answer to an append.
    pub(crate) fn answer(&self) -> AnswerHead {
        let at = self.born.elapsed().as_millis() as u64;
        AnswerHead { sign: Sign { life: self.life, at }, clock: self.clock.now().0 }
    }

    /// As follower: the last moment at which a majority is known to have followed the leader.
    pub(crate) fn proven(&self) -> Option<Instant> {
        self.proven.lock().newest
    }

    /// As follower: the last such moment of which the state, with so many entries applied, holds
    /// everything that had been committed.
    pub(crate) fn covered(&self, applied: u64) -> Option<Instant> {
        let mut proven = self.proven.lock();
        proven.cover(applied);
        proven.covered
    }

    /// What a majority of the voters' clocks has reached; none while too few are known.
    fn agreed(&self, voters: &[u64], own: u64) -> Option<Moment> {
        let now = self.clock.now().0;
        let peers = self.peers.lock();
        let clock_of = |voter: &u64| {
            if *voter == own {
                return Some(now);
            }
            let (clock, heard) = peers.get(voter)?.clock?;
            Some(clock.saturating_add(heard.elapsed().as_millis() as u64))
        };
        let mut clocks: Vec<u64> = voters.iter().filter_map(clock_of).collect();
        clocks.sort_unstable_by(|a, b| b.cmp(a));
        clocks.get(voters.len() / 2).map(|ms| Moment(*ms))
    }

    /// The moment to stamp on an entry: this node's clock, but not far ahead of a majority's, and
    /// never behind the last entry.
    ///
    /// A new leader knows no clock but its own until the others have answered once. Until then
    /// there is none, for the last entry of an idle cluster may be hours old and every signature
    /// would be ahead of it. If they stay unknown for longer than [`CLOCKS_WAIT_MAX`], time stands
    /// still.
    pub(crate) fn stamp(&self, voters: &[u64], own: u64, last: Moment) -> Option<Moment> {
        let agreed = self.agreed(voters, own);
        let mut unknown_since = self.unknown_since.lock();
        if let Some(agreed) = agreed {
            *unknown_since = None;
            return Some(self.clock.now().min(agreed.plus(CLOCK_AHEAD_MAX)).max(last));
        }
        let since = unknown_since.get_or_insert_with(Instant::now);
        (since.elapsed() >= CLOCKS_WAIT_MAX).then_some(last)
    }

    /// As leader: compares the own clock with the majority's.
    pub(crate) fn measure(&self, voters: &[u64], own: u64) {
        let offset = self
            .agreed(voters, own)
            .map_or(UNKNOWN, |agreed| signed_ms(self.clock.now().0, agreed.0));
        self.offset.store(offset, Ordering::Relaxed);
    }

    /// How far the own clock is ahead of the cluster's (behind, if negative), in milliseconds.
    pub(crate) fn offset_ms(&self) -> Option<i64> {
        Some(self.offset.load(Ordering::Relaxed)).filter(|offset| *offset != UNKNOWN)
    }

    /// Whether the own clock is near enough to the cluster's to lead.
    pub(crate) fn trusted(&self) -> bool {
        self.offset_ms()
            .is_none_or(|offset| offset.unsigned_abs() <= CLOCK_AHEAD_MAX.as_millis() as u64)
    }

    /// Forgets what was heard as leader: in the next leadership only new signs count.
    pub(crate) fn forget_signs(&self) {
        for peer in self.peers.lock().values_mut() {
            peer.pending = None;
            peer.proven = Sign::default();
        }
        *self.unknown_since.lock() = None;
    }
}

fn signed_ms(a: u64, b: u64) -> i64 {
    let difference = i128::from(a) - i128::from(b);
    difference.clamp(i128::from(UNKNOWN + 1), i128::from(i64::MAX)) as i64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SystemClock;

    #[tokio::test(start_paused = true)]
    async fn a_sign_counts_once_the_state_holds_what_was_committed() {
        let pulse = Pulse::new(Arc::new(SystemClock));
        let mut signs = Vec::new();
        for _ in 0..3 {
            tokio::time::advance(Duration::from_millis(100)).await;
            signs.push((Instant::now(), pulse.answer().sign));
        }
        let accept = |at: usize, committed, applied| {
            let (_, proven) = signs[at];
            pulse.accept(AppendHead { proven, clock: 0 }, committed, applied);
        };
        accept(0, 50, 10);
        assert_eq!((pulse.proven(), pulse.covered(49)), (Some(signs[0].0), None));
        accept(1, 70, 49);
        // The same sign again does not ask for more than it did at first.
        accept(1, 90, 49);
        assert_eq!(pulse.covered(50), Some(signs[0].0));
        assert_eq!(pulse.covered(70), Some(signs[1].0));
        // A sign that asks for no entry is covered at once.
        accept(2, 0, 70);
        assert_eq!(pulse.covered(70), Some(signs[2].0));
    }

    #[tokio::test(start_paused = true)]
    async fn a_peer_cannot_tell_a_moment_that_breaks_the_arithmetic() {
        let pulse = Pulse::new(Arc::new(SystemClock));
        let life = pulse.answer().sign.life;
        for at in [u64::MAX, u64::MAX / 2] {
            let proven = Sign { life, at };
            pulse.accept(AppendHead { proven, clock: u64::MAX }, u64::MAX, u64::MAX);
            pulse.hear(2, AnswerHead { sign: proven, clock: u64::MAX });
            tokio::time::advance(Duration::from_millis(1)).await;
            pulse.stamp(&[1, 2], 1, Moment(u64::MAX));
            pulse.measure(&[1, 2], 1);
            pulse.speak(2, Some(Instant::now()), &[1, 2], 1);
        }
        assert_eq!((pulse.proven(), pulse.covered(u64::MAX)), (None, None));
    }

    #[tokio::test(start_paused = true)]
    async fn a_new_leader_stamps_nothing_before_it_knows_a_majority_of_clocks() {
        let pulse = Pulse::new(Arc::new(SystemClock));
        let (last, now) = (Moment(7), SystemClock.now());
        assert!(pulse.stamp(&[1], 1, last).expect("alone it agrees with itself") >= now);
        assert_eq!(pulse.stamp(&[1, 2, 3], 1, last), None);
        let clock = now.0;
        pulse.hear(2, AnswerHead { sign: Sign::default(), clock });
        assert!(pulse.stamp(&[1, 2, 3], 1, last).expect("two of three agree") >= now);
        // The next leadership waits anew, and not for ever.
        assert_eq!(pulse.stamp(&[1, 4, 5], 1, last), None);
        tokio::time::advance(CLOCKS_WAIT_MAX).await;
        assert_eq!(pulse.stamp(&[1, 4, 5], 1, last), Some(last));
        pulse.forget_signs();
        assert_eq!(pulse.stamp(&[1, 4, 5], 1, last), None);
    }
}
