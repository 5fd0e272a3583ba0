//! Whether this node is in touch with a majority, and what follows when it is not.
//!
//! A leader that no majority answers offers its place to the others, one after the other. Whoever hears
//! the offer stands for election at once, although followers still trust their leader: so a leader that
//! is deaf, and still heard, costs no more than one that is gone. The offer changes nothing here: until
//! another is elected this node leads on, and if it is answered again, it stays.
//!
//! What waits at a node that is out of touch is answered after the time of the slowest election: whether
//! it happens is not known then, and the caller is better served elsewhere.

use std::{sync::Arc, time::Duration};

use model::{NodeId, lengths::millis_of};
use openraft::{async_runtime::WatchReceiver as _, raft::TransferLeaderRequest};
use tokio::{
    sync::watch,
    time::{Instant, MissedTickBehavior, interval, sleep_until, timeout},
};

use crate::{
    Lane,
    node::Inner,
    types::{Types, Vote},
    wire::{self, Kind},
};

/// Between two looks. An offer goes out at each, so that all voters of a large cluster have had one in
/// the time of an election.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// What a node has yet from the moment that it learns of a new leader or of an election that may succeed:
/// until the first signs have gone there and back.
const ELECTION_GRACE: Duration = Duration::from_millis(350);
/// What a node has after its start, until it has been in touch for the first time.
const START_GRACE: Duration = Duration::from_secs(5);
/// What waits is held for so long at the least: a node that seems to be out of touch may only not have
/// been told otherwise yet, and then the answer is there in a moment.
pub(crate) const HELD_MIN: Duration = Duration::from_millis(250);

/// Looks until the node stops.
pub(crate) async fn watch_over(inner: Arc<Inner>, lost: watch::Sender<bool>) {
    let mut led = Led::default();
    let mut tick = interval(LOOK_EVERY);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let (started, mut last) = (Instant::now(), Instant::now());
    loop {
        let now = tick.tick().await;
        let passed = now.saturating_duration_since(std::mem::replace(&mut last, now));
        led.look(&inner, now, passed);
        if led.own && inner.is_outvoted() {
            inner.stop_differing();
        }
        let begins = led.touched.is_none() && started.elapsed() <= START_GRACE;
        let is_lost = led.silence > inner.timing.touch_max() && !begins && led.is_member;
        let changed = lost.send_if_modified(|known| std::mem::replace(known, is_lost) != is_lost);
        if changed && is_lost {
            let silence_ms = millis_of(led.silence);
            tracing::warn!(silence_ms, "no majority is heard: what waits here is answered so");
        } else if changed {
            tracing::info!("a majority is heard again");
        }
        // Not sooner than followers would stand by themselves.
        if led.own && led.silence > inner.timing.election_max + inner.timing.election_min {
            inner.offer(&mut led);
        }
    }
}

/// Who leads, as far as this node knows, and when a majority was last in touch with it.
#[derive(Default)]
struct Led {
    by: Option<(u64, u64)>,
    own: bool,
    is_member: bool,
    touched: Option<Instant>,
    voted: Option<Instant>,
    /// How long ago that was. Time that this node has slept through does not count: frozen, or without
    /// a processor, it hears nobody for that reason.
    silence: Duration,
    offers: usize,
}

impl Led {
    fn look(&mut self, inner: &Inner, now: Instant, passed: Duration) {
        let (by, voters) = {
            let metrics = inner.raft.metrics();
            let known = metrics.borrow_watched();
            let by = known.current_leader.map(|leader| (known.current_term, leader));
            (by, known.membership_config.voter_ids().count())
        };
        self.is_member = voters > 0;
        let was_own = self.own;
        self.own = by.is_some_and(|(_, leader)| leader == inner.node.0);
        let is_new = by.is_some() && by != self.by;
        self.by = by.or(self.by);
        self.silence += passed.min(LOOK_EVERY);
        let touched = if self.own { inner.answered() } else { inner.pulse.touched() };
        if let Some(at) = touched.filter(|_| touched > self.touched) {
            self.touched = touched;
            // Less than before, however long ago.
            self.silence = self.silence.min(now.saturating_duration_since(at));
        }
        // A leader that is elected has just heard a majority. Who led before, and was not heard, is not
        // heard by the next one either.
        let voted = inner.pulse.voted();
        // Whoever stands and whoever would vote for it are a majority of three. Of more they are not, and may be cut
        // off together.
        let votes = voted > self.voted && voters <= 3 && self.silence <= inner.timing.touch_max();
        self.voted = voted;
        if is_new && self.own {
            self.silence = Duration::ZERO;
        } else if is_new && !was_own || votes {
            self.silence =
                self.silence.min(inner.timing.touch_max().saturating_sub(ELECTION_GRACE));
        }
        if is_new {
            self.offers = 0;
        }
    }
}

impl Inner {
    /// As leader: whether a majority says that its state is another one.
    fn is_outvoted(&self) -> bool {
        let term = self.raft.metrics().borrow_watched().current_term;
        self.shared.sums.is_outvoted(&self.members().0, term)
    }

    /// As leader: when a majority has last answered. The library passes over answers that are late.
    fn answered(&self) -> Option<Instant> {
        let quorum = self.since_quorum().and_then(|since| Instant::now().checked_sub(since));
        quorum.max(self.pulse.heard(&self.members().0, self.node.0))
    }

    /// Offers leadership to the next voter, and tells the others that they may follow it.
    fn offer(&self, led: &mut Led) {
        let (vote, others): (Vote, Vec<u64>) = {
            let metrics = self.raft.metrics();
            let now = metrics.borrow_watched();
            let voters = now.membership_config.voter_ids();
            (now.vote, voters.filter(|voter| *voter != self.node.0).collect())
        };
        if others.is_empty() {
            return;
        }
        let to = others[led.offers % others.len()];
        if led.offers == 0 {
            tracing::warn!("no majority answers this leader: it offers its place");
        }
        led.offers += 1;
        // How much of the log the other holds, its election asks.
        let offer = TransferLeaderRequest::<Types>::new(vote, to, None);
        let offer = wire::request(Kind::Transfer, &wire::to_body(Vec::new(), &offer));
        for other in others {
            let asked = self.network.request(NodeId(other), Lane::Raft, offer.clone());
            let limit = self.timing.election_min;
            // An answer says nothing: whether somebody has taken it shows in the votes.
            self.spawn(async move {
                timeout(limit, asked).await.ok();
            });
        }
    }

    /// Returns when what has waited since the call is to be answered, because this node is out of touch
    /// with a majority.
    pub(crate) async fn lost(&self) {
        let (mut lost, held) = (self.lost.subscribe(), Instant::now() + HELD_MIN);
        loop {
            if lost.wait_for(|lost| *lost).await.is_err() {
                // The node stops, and tells those who wait itself.
                std::future::pending::<()>().await;
            }
            sleep_until(held).await;
            if *lost.borrow() {
                return;
            }
        }
    }

    /// Returns when this node has been out of touch for so long without a break.
    pub(crate) async fn lost_for(&self, span: Duration) {
        let mut lost = self.lost.subscribe();
        while lost.wait_for(|lost| *lost).await.is_ok() {
            if timeout(span, lost.wait_for(|lost| !lost)).await.is_err() {
                return;
            }
        }
        std::future::pending::<()>().await;
    }
}
