//! The stream of a unit's events: server-sent events, resumable by position at any node.
//!
//! Events are read off the state, in order; a wake only says where to look. Many events go out in one
//! write. The stream ends by itself after a while, on drain, when its key dies, and when its node is cut
//! off from the cluster, so that the client goes on at another one.

use std::{io::Write, time::Duration};

use auth::Rejection;
use bytes::Bytes;
use delivery::{Exchange, Listener};
use futures_util::{Stream, stream};
use model::{AccessKey, UnitCode};
use tokio::{
    sync::OwnedSemaphorePermit,
    time::{Instant, sleep_until},
};

use crate::{app::App, cloud_event, metrics::Counted, problem::Problem};

/// Events in one write: some 60 KiB at the most.
const EVENTS_A_WRITE_MAX: usize = 100;
/// Proxies and clients give up on a silent connection.
const COMMENT_EVERY: Duration = Duration::from_secs(15);
/// A dead key's stream, or long poll, ends within this time, the bound within which a revoked key dies anywhere.
pub(crate) const KEY_CHECK_EVERY: Duration = Duration::from_secs(2);
/// A node whose knowledge has been stale for so long is cut off. It becomes stale two seconds after the last word of
/// a majority, which covers an election of 0.3 to 0.9 s; this is as long as several that fail in a row, so
/// that only a real loss of the cluster sends every listener elsewhere. Nobody hears too much meanwhile:
/// a node that is cut off learns of no event either.
const CUT_OFF_AFTER: Duration = Duration::from_secs(3);
/// A stream ends after 30 to 60 minutes, so that connections spread over the nodes again.
const LIFE_MIN: Duration = Duration::from_secs(30 * 60);

/// What a stream, or a long poll, holds on to: a living key, and a node that hears of the cluster.
pub(crate) struct Hold {
    key: AccessKey,
    /// Since when the node has been seen to be stale.
    stale_since: Option<Instant>,
}

impl Hold {
    pub(crate) fn by(key: &AccessKey) -> Self {
        Self { key: key.clone(), stale_since: None }
    }

    /// Whether it may go on, and if not, why.
    pub(crate) fn check(&mut self, exchange: &Exchange) -> Result<(), Problem> {
        if !exchange.key_active(&self.key) {
            return Err(Rejection::KeyDisabled.into());
        }
        let Err(stale) = exchange.fresh() else {
            self.stale_since = None;
            return Ok(());
        };
        let since = *self.stale_since.get_or_insert_with(Instant::now);
        if since.elapsed() < CUT_OFF_AFTER { Ok(()) } else { Err(stale.into()) }
    }
}

/// What one stream needs.
pub(crate) struct Feeding {
    pub(crate) app: App,
    pub(crate) unit: UnitCode,
    pub(crate) hold: Hold,
    /// `/lgsp/<cluster>`.
    pub(crate) source: String,
    /// The position after which the stream goes on; none begins at the present end.
    pub(crate) after: Option<u64>,
    pub(crate) listener: Listener,
    /// Held for the stream's life.
    pub(crate) _permit: OwnedSemaphorePermit,
    /// Held for the stream's life.
    pub(crate) _counted: Counted,
}

struct State {
    feeding: Feeding,
    after: u64,
    greeted: bool,
    ends_at: Instant,
    comment_at: Instant,
    draining: tokio::sync::watch::Receiver<bool>,
}

/// What a stream waits for.
enum Woken {
    Look,
    Comment,
    End,
}

/// The stream's octets.
pub(crate) fn octets(
    feeding: Feeding,
) -> impl Stream<Item = Result<Bytes, std::convert::Infallible>> {
    let life = LIFE_MIN + Duration::from_secs(rand::random_range(0..LIFE_MIN.as_secs()));
    let now = Instant::now();
    let state = State {
        after: feeding.after.unwrap_or_default(),
        greeted: false,
        ends_at: now + life,
        comment_at: now + COMMENT_EVERY,
        draining: feeding.app.draining.subscribe(),
        feeding,
    };
    stream::unfold(state, |mut state| async move {
        let octets = state.next().await?;
        state.feeding.app.metrics.sent(octets.len() as u64);
        Some((Ok(octets), state))
    })
}

impl State {
    /// The next write; none at the end.
    async fn next(&mut self) -> Option<Bytes> {
        if !self.greeted {
            self.greeted = true;
            return Some(self.greeting());
        }
        loop {
            if let Some(events) = self.events() {
                return Some(events);
            }
            match self.wait().await {
                Woken::Look => {}
                Woken::Comment => return Some(Bytes::from_static(b":\n\n")),
                Woken::End => return None,
            }
        }
    }

    /// What awaits the unit (Articles 13(1) and 14(1)). It has no `id`, so it does not move the position.
    fn greeting(&mut self) -> Bytes {
        let Feeding { app, unit, source, after, .. } = &self.feeding;
        let waiting = app.exchange.waiting(unit);
        if after.is_none() {
            self.after = waiting.position;
        }
        let data = cloud_event::Started {
            waiting: waiting.count,
            oldest: waiting.oldest,
            position: waiting.position,
        };
        let mut out = b"retry: 2000\n".to_vec();
        out.extend_from_slice(b"data: ");
        cloud_event::write(&mut out, &cloud_event::started(unit, source, app.exchange.now(), data));
        out.extend_from_slice(b"\n\n");
        out.into()
    }

    /// Events after the present position, if there are any.
    fn events(&mut self) -> Option<Bytes> {
        let Feeding { app, unit, source, .. } = &self.feeding;
        let feed = app.exchange.feed(unit, self.after, EVENTS_A_WRITE_MAX);
        let mut out = Vec::new();
        if let Some(position) = lost(self.after, feed.first, feed.last) {
            out.extend_from_slice(b"data: ");
            let reset = cloud_event::reset(unit, source, app.exchange.now(), self.after, position);
            cloud_event::write(&mut out, &reset);
            writeln!(out, "\nid: {position}\n").expect("a vector takes every octet");
            self.after = position;
            return Some(out.into());
        }
        for event in &feed.events {
            out.extend_from_slice(b"data: ");
            cloud_event::write(&mut out, &cloud_event::of(unit, source, event));
            writeln!(out, "\nid: {}\n", event.position).expect("a vector takes every octet");
            self.after = event.position;
        }
        (!out.is_empty()).then(|| out.into())
    }

    async fn wait(&mut self) -> Woken {
        let key_check_at = Instant::now() + KEY_CHECK_EVERY;
        let next = self.comment_at.min(key_check_at).min(self.ends_at);
        tokio::select! {
            () = async { self.feeding.listener.changed().await; } => {}
            _ = self.draining.wait_for(|draining| *draining) => return Woken::End,
            () = sleep_until(next) => {}
        }
        let now = Instant::now();
        let Feeding { app, hold, .. } = &mut self.feeding;
        if now >= self.ends_at || hold.check(&app.exchange).is_err() {
            return Woken::End;
        }
        if now >= self.comment_at {
            self.comment_at = now + COMMENT_EVERY;
            return Woken::Comment;
        }
        Woken::Look
    }
}

/// Where the feed goes on when the position asked for is not in it any more, or was never in it.
pub(crate) fn lost(after: u64, first: u64, last: u64) -> Option<u64> {
    if after > last {
        return Some(last);
    }
    (first > after.saturating_add(1)).then(|| first - 1)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_forgotten_position_goes_on_at_the_oldest_event_kept() {
        assert_eq!(lost(0, 1, 9), None);
        assert_eq!(lost(3, 4, 9), None);
        assert_eq!(lost(2, 4, 9), Some(3));
        assert_eq!(lost(10, 4, 9), Some(9));
        assert_eq!(lost(0, 0, 0), None);
        assert_eq!(lost(5, 0, 0), Some(0));
    }

    proptest! {
        #[test]
        fn a_reset_is_never_followed_by_another(after: u64, first in 1u64..1000, more in 0u64..1000) {
            let last = first + more;
            if let Some(position) = lost(after, first, last) {
                prop_assert_eq!(lost(position, first, last), None);
            }
        }
    }
}
