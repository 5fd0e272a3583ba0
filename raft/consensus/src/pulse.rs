//! How fresh this node's knowledge is, and what time it is.
//!
//! Every answer of a follower carries a sign: a moment of its own monotonic time. A leader returns
//! a sign once a majority has acknowledged something that it sent after it had heard the sign. So
//! the follower knows that at that moment of its own time a majority still followed this leader;
//! no clock is compared and no delay is assumed. With the sign comes how much was committed: once the
//! follower's state holds that, it holds everything that had been acknowledged at that moment.
//!
//! The same messages carry wall clocks one way, and the date that the leader makes of them the other
//! way, with the tick (see [`crate::dates`]). So every node knows what a majority of the clocks shows,
//! whatever its own does, and a node whose clock is far off says so.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicI64, Ordering},
    },
    time::Duration,
};

use machine::Time;
use model::{Moment, Tick, lengths::millis_of};
use parking_lot::Mutex;
use tokio::time::Instant;

use crate::{
    Clock,
    dates::{Agreed, Dates, judge},
    options::{CLOCKS_NEAR, CLOCKS_WAIT_MAX},
    state::sums::Sums,
    wire::{AnswerHead, AppendHead, Sign},
};

/// Signs that may wait until the state has caught up with them: more than come back in the time in
/// which they are worth something.
const SIGNS_WAITING_MAX: usize = 256;

/// Signs of one peer that wait for a majority: with two, one comes back with each heartbeat.
const SIGNS_PENDING_MAX: usize = 4;

/// The clock's offset is not known.
const UNKNOWN: i64 = i64::MIN;

pub(crate) struct Pulse {
    clock: Arc<dyn Clock>,
    dates: Arc<Dates>,
    sums: Arc<Sums>,
    born: Instant,
    life: u64,
    peers: Mutex<BTreeMap<u64, Peer>>,
    proven: Mutex<Proven>,
    voted: Mutex<Option<Instant>>,
    /// Own clock less the cluster's, in milliseconds.
    offset: AtomicI64,
    /// A majority of the clocks shows the same date, and the own clock another one.
    astray: AtomicBool,
    /// Since when this leader has had entries to stamp and known too few clocks.
    unknown_since: Mutex<Option<Instant>>,
}

/// As follower: what signs have come back.
#[derive(Default)]
struct Proven {
    /// The newest sign.
    newest: Option<Instant>,
    /// When it came back.
    came: Option<Instant>,
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
    /// Heard, wait for a majority, in order.
    pending: VecDeque<(Sign, Instant)>,
    /// Confirmed by a majority.
    proven: Sign,
    /// The peer's wall clock when it was last heard. It is carried on by our monotonic time, so
    /// that a jump of our own clock does not take the others' along.
    clock: Option<(u64, Instant)>,
}

impl Pulse {
    pub(crate) fn new(clock: Arc<dyn Clock>, dates: Arc<Dates>, sums: Arc<Sums>) -> Self {
        // No two lives of a node have one number, whatever its clock shows; zero is kept for "no sign".
        let life = crate::types::draw().max(1);
        Self {
            clock,
            dates,
            sums,
            born: Instant::now(),
            life,
            peers: Mutex::default(),
            proven: Mutex::default(),
            voted: Mutex::default(),
            offset: AtomicI64::new(UNKNOWN),
            astray: AtomicBool::new(false),
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
        let agreed = self.agreed(voters, own);
        let (clock, by_majority) =
            agreed.map_or((0, false), |agreed| (agreed.date.0, agreed.by_majority));
        let tick = self.dates.tick().0;
        let mut peers = self.peers.lock();
        let peer = peers.entry(to).or_default();
        if let Some(quorum) = quorum {
            while let Some((sign, _)) = peer.pending.pop_front_if(|(_, heard)| *heard <= quorum) {
                peer.proven = sign;
            }
        }
        AppendHead { proven: peer.proven, clock, tick, by_majority, mark: self.sums.newest() }
    }

    /// As leader of a term, when a follower has answered.
    pub(crate) fn hear(&self, from: u64, head: AnswerHead, term: u64) {
        let now = Instant::now();
        let mut peers = self.peers.lock();
        let peer = peers.entry(from).or_default();
        peer.clock = Some((head.clock, now));
        self.sums.contradict(from, head.differs_at, term);
        // Under load signs come by the hundred, and a few in an election's time are enough.
        if peer.pending.len() < SIGNS_PENDING_MAX {
            peer.pending.push_back((head.sign, now));
        }
    }

    /// As follower, when an append has come in. What it proves is taken only if the append itself
    /// was accepted, so that an old leader proves nothing.
    pub(crate) fn accept(&self, head: AppendHead, term: u64, committed: u64, applied: u64) {
        self.dates.ticked(Tick(head.tick));
        self.sums.hear(head.mark, term);
        if head.clock > 0 {
            let date = Moment(head.clock);
            self.dates.set(date);
            self.compare(Some(Agreed { date, by_majority: head.by_majority }));
        }
        if head.proven.life != self.life {
            return;
        }
        let Some(at) = self.born.checked_add(Duration::from_millis(head.proven.at)) else {
            // Not a moment that this node has ever told.
            return;
        };
        let mut proven = self.proven.lock();
        let now = Instant::now();
        if proven.newest.is_none_or(|known| known < at) && at <= now {
            (proven.newest, proven.came) = (Some(at), Some(now));
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
        let at = millis_of(self.born.elapsed());
        let sign = Sign { life: self.life, at };
        AnswerHead { sign, clock: self.clock.now().0, ..AnswerHead::default() }
    }

    /// As follower: the last moment at which a majority is known to have followed the leader.
    pub(crate) fn proven(&self) -> Option<Instant> {
        self.proven.lock().newest
    }

    /// A vote, or the promise of one, was given or taken.
    pub(crate) fn vote(&self) {
        *self.voted.lock() = Some(Instant::now());
    }

    /// When that was last so.
    pub(crate) fn voted(&self) -> Option<Instant> {
        *self.voted.lock()
    }

    /// As follower: when a newer sign last came back. The leader hears this node, and this node it.
    pub(crate) fn touched(&self) -> Option<Instant> {
        self.proven.lock().came
    }

    /// As follower: the last such moment of which the state, with so many entries applied, holds
    /// everything that had been committed.
    pub(crate) fn covered(&self, applied: u64) -> Option<Instant> {
        let mut proven = self.proven.lock();
        proven.cover(applied);
        proven.covered
    }

    /// As leader: the last moment since which a majority of the voters, this node among them, has been
    /// heard.
    pub(crate) fn heard(&self, voters: &[u64], own: u64) -> Option<Instant> {
        let (now, peers) = (Instant::now(), self.peers.lock());
        let heard = |voter: &u64| match *voter == own {
            true => Some(now),
            false => peers.get(voter)?.clock.map(|(_, heard)| heard),
        };
        let mut heard: Vec<Instant> = voters.iter().filter_map(heard).collect();
        heard.sort_unstable_by(|a, b| b.cmp(a));
        heard.get(voters.len() / 2).copied()
    }

    /// As leader: what date it is by the voters' clocks; none while too few are known.
    fn agreed(&self, voters: &[u64], own: u64) -> Option<Agreed> {
        let (now, carried) = (self.clock.now(), self.dates.carried());
        let clocks = {
            let peers = self.peers.lock();
            let clock_of = |voter: &u64| {
                if *voter == own {
                    return Some(now);
                }
                let (clock, heard) = peers.get(voter)?.clock?;
                Some(Moment(clock).plus(heard.elapsed()))
            };
            voters.iter().filter_map(clock_of).collect()
        };
        let agreed = judge(clocks, voters.len(), carried)?;
        if let Some(carried) = carried
            && agreed.date.since(carried).max(carried.since(agreed.date)) > CLOCKS_NEAR
        {
            tracing::warn!(from = %carried, to = %agreed.date, "the cluster's date steps");
        }
        self.dates.set(agreed.date);
        Some(agreed)
    }

    /// The time to stamp on an entry: the date that a majority of the clocks shows, whatever this
    /// node's own does, and the tick.
    ///
    /// A new leader knows no clock but its own until the others have answered once. Until then
    /// there is none, for the cluster may have been off and every signature would be ahead of the last
    /// date. If they stay unknown for longer than [`CLOCKS_WAIT_MAX`], the last date goes on.
    pub(crate) fn stamp(&self, voters: &[u64], own: u64) -> Option<Time> {
        let agreed = self.agreed(voters, own).map(|agreed| agreed.date);
        let mut unknown_since = self.unknown_since.lock();
        let date = match agreed {
            Some(date) => {
                *unknown_since = None;
                date
            }
            None => {
                let since = unknown_since.get_or_insert_with(Instant::now);
                if since.elapsed() < CLOCKS_WAIT_MAX {
                    return None;
                }
                self.dates.carried().unwrap_or_else(|| self.clock.now())
            }
        };
        Some(Time { date, tick: self.dates.tick() })
    }

    /// As leader: compares the own clock with the majority's.
    pub(crate) fn measure(&self, voters: &[u64], own: u64) {
        self.compare(self.agreed(voters, own));
    }

    fn compare(&self, agreed: Option<Agreed>) {
        let offset = agreed.map(|agreed| signed_ms(self.clock.now().0, agreed.date.0));
        let far = |offset: i64| offset.unsigned_abs() > millis_of(CLOCKS_NEAR);
        let astray = agreed.is_some_and(|agreed| agreed.by_majority) && offset.is_some_and(far);
        self.offset.store(offset.unwrap_or(UNKNOWN), Ordering::Relaxed);
        if self.astray.swap(astray, Ordering::Relaxed) != astray {
            if astray {
                tracing::warn!(
                    offset_ms = offset,
                    "this node's clock is not what most clocks show"
                );
            } else {
                tracing::info!("this node's clock is what most clocks show again");
            }
        }
    }

    /// The cluster's date, as far as this node knows.
    pub(crate) fn date(&self) -> Option<Moment> {
        self.dates.date()
    }

    /// How long the cluster has run.
    pub(crate) fn tick(&self) -> Tick {
        self.dates.tick()
    }

    /// How far the own clock is ahead of the cluster's (behind, if negative), in milliseconds.
    pub(crate) fn offset_ms(&self) -> Option<i64> {
        Some(self.offset.load(Ordering::Relaxed)).filter(|offset| *offset != UNKNOWN)
    }

    /// Whether the own clock is near what a majority shows, where a majority shows the same.
    pub(crate) fn trusted(&self) -> bool {
        !self.astray.load(Ordering::Relaxed)
    }

    /// Forgets what was heard as leader: in the next leadership only new signs count.
    pub(crate) fn forget_signs(&self) {
        for peer in self.peers.lock().values_mut() {
            peer.pending.clear();
            peer.proven = Sign::default();
        }
        *self.unknown_since.lock() = None;
    }
}

fn signed_ms(a: u64, b: u64) -> i64 {
    // What no number holds is as far as a number goes; `UNKNOWN` is no difference.
    a.checked_signed_diff(b).unwrap_or(if a > b { i64::MAX } else { UNKNOWN }).max(UNKNOWN + 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SystemClock;
    use crate::state::sums::Mark;

    fn pulse() -> Pulse {
        Pulse::new(Arc::new(SystemClock), Arc::new(Dates::new()), Arc::default())
    }

    #[tokio::test(start_paused = true)]
    async fn a_sign_counts_once_the_state_holds_what_was_committed() {
        let pulse = pulse();
        let mut signs = Vec::new();
        for _ in 0..3 {
            tokio::time::advance(Duration::from_millis(100)).await;
            signs.push((Instant::now(), pulse.answer().sign));
        }
        let accept = |at: usize, committed, applied| {
            let (_, proven) = signs[at];
            let head = AppendHead { proven, ..AppendHead::default() };
            pulse.accept(head, 1, committed, applied);
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
        let pulse = pulse();
        let life = pulse.answer().sign.life;
        for at in [u64::MAX, u64::MAX / 2] {
            let proven = Sign { life, at };
            let mark = Mark { index: u64::MAX, term: u64::MAX, sum: u32::MAX };
            let (clock, tick) = (u64::MAX, u64::MAX);
            let head = AppendHead { proven, clock, tick, by_majority: true, mark };
            pulse.accept(head, 1, u64::MAX, u64::MAX);
            let head = AnswerHead { sign: proven, clock: u64::MAX, ..AnswerHead::default() };
            pulse.hear(2, head, 1);
            tokio::time::advance(Duration::from_millis(1)).await;
            pulse.stamp(&[1, 2], 1);
            pulse.measure(&[1, 2], 1);
            pulse.speak(2, Some(Instant::now()), &[1, 2], 1);
        }
        assert_eq!((pulse.proven(), pulse.covered(u64::MAX)), (None, None));
    }

    #[tokio::test(start_paused = true)]
    async fn a_new_leader_stamps_nothing_before_it_knows_a_majority_of_clocks() {
        let pulse = pulse();
        let (last, now) = (Moment(7), SystemClock.now());
        pulse.dates.found(last);
        assert_eq!(pulse.stamp(&[1, 2, 3], 1), None);
        // If they stay unknown, what the state says goes on.
        tokio::time::advance(CLOCKS_WAIT_MAX).await;
        let gone_on = last.plus(CLOCKS_WAIT_MAX);
        assert_eq!(pulse.stamp(&[1, 2, 3], 1).map(|time| time.date), Some(gone_on));
        pulse.forget_signs();
        assert_eq!(pulse.stamp(&[1, 2, 3], 1), None);
        pulse.hear(2, AnswerHead { clock: now.0, ..AnswerHead::default() }, 1);
        let stamped = pulse.stamp(&[1, 2, 3], 1).expect("two of three agree");
        assert!(stamped.date >= now && stamped.tick >= Tick(1_000));
        // The next leadership waits anew, and not for ever.
        assert_eq!(pulse.stamp(&[1, 4, 5], 1), None);
        tokio::time::advance(CLOCKS_WAIT_MAX).await;
        assert!(pulse.stamp(&[1, 4, 5], 1).expect("the date goes on").date >= now);
        assert!(pulse.stamp(&[1], 1).expect("alone it agrees with itself").date >= now);
    }
}
