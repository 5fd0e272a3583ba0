//! The stream of a unit's events: server-sent events, resumable by position at any node.
//!
//! Events are read off the state, in order; a wake only says where to look. Many events go out in one
//! write. The stream ends by itself after a while, on drain, when its key dies, and when its node is cut
//! off from the cluster, so that the client goes on at another one.

use std::{io::Write, time::Duration};

use axum::{
    body::Body,
    http::{HeaderValue, header},
    response::Response,
};
use bytes::Bytes;
use conductor::{Hold, Listener};
use futures_util::{FutureExt, Stream, stream};
use tokio::time::{Instant, sleep_until};

use crate::{app::App, cloud_event, metrics::Counted, problem::Problem, streams::Place};

/// Events in one write: some 60 KiB at the most.
const EVENTS_A_WRITE_MAX: usize = 100;
/// Proxies and clients give up on a silent connection.
const COMMENT_EVERY: Duration = Duration::from_secs(15);
/// A stream, or long poll, that has nothing to tell looks at its key so often: half of the time within which
/// a revoked key dies anywhere.
pub(crate) const KEY_CHECK_EVERY: Duration = Duration::from_secs(1);
/// When a client comes back whose stream has ended.
const RETRY: Duration = Duration::from_secs(2);
/// A stream ends after 30 to 60 minutes, so that connections spread over the nodes again.
const LIFE_MIN: Duration = Duration::from_secs(30 * 60);

/// What one stream needs.
pub(crate) struct Feeding {
    pub(crate) app: App,
    pub(crate) hold: Hold,
    /// `/lgsp/<cluster>`.
    pub(crate) source: String,
    /// The position after which the stream goes on; none begins at the present end.
    pub(crate) after: Option<u64>,
    pub(crate) listener: Listener,
    /// Held for the stream's life, which ends when it gives way.
    pub(crate) place: Place,
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
    /// Another stream of the same key needs the place.
    gave_way: bool,
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
        gave_way: false,
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
        loop {
            // At the head of each step, and not only where there is nothing to tell: a reader that is slower
            // than the feed would never come there.
            self.gave_way |= self.feeding.place.gave_way().now_or_never().is_some();
            if self.gave_way || Instant::now() >= self.ends_at || *self.draining.borrow() {
                return None;
            }
            // A node that is stale hands out nothing; after a while it ends its streams.
            if self.feeding.hold.look().ok()? {
                if !self.greeted {
                    self.greeted = true;
                    return Some(self.greeting().await);
                }
                if let Some(events) = self.events() {
                    return Some(events);
                }
            }
            self.wait().await;
            if Instant::now() >= self.comment_at {
                self.comment_at = Instant::now() + COMMENT_EVERY;
                return Some(Bytes::from_static(b":\n\n"));
            }
        }
    }

    /// What awaits the unit (Articles 13(1) and 14(1)). It has no `id`, so it does not move the position.
    async fn greeting(&mut self) -> Bytes {
        let Feeding { app, listener, source, after, .. } = &self.feeding;
        let (unit, waiting) = (listener.unit(), listener.waiting().await);
        if after.is_none() {
            self.after = waiting.position;
        }
        let data = cloud_event::Started {
            waiting: waiting.count,
            next: waiting.next,
            position: waiting.position,
            more_waiting: waiting.more,
        };
        let mut out = format!("retry: {}\n", RETRY.as_millis()).into_bytes();
        out.extend_from_slice(b"data: ");
        cloud_event::write(&mut out, &cloud_event::started(unit, source, app.exchange.now(), data));
        out.extend_from_slice(b"\n\n");
        out.into()
    }

    /// What the feed has after the present position, if it has anything.
    fn events(&mut self) -> Option<Bytes> {
        let Feeding { app, listener, source, .. } = &self.feeding;
        let (unit, heard) = (listener.unit(), listener.hear(self.after, EVENTS_A_WRITE_MAX));
        let mut out = Vec::new();
        if let Some(position) = heard.reset {
            out.extend_from_slice(b"data: ");
            let reset = cloud_event::reset(unit, source, app.exchange.now(), self.after, position);
            cloud_event::write(&mut out, &reset);
            end_event(&mut out, position);
        } else if heard.position == self.after {
            return None;
        }
        self.after = heard.position;
        for event in &heard.events {
            out.extend_from_slice(b"data: ");
            cloud_event::write(&mut out, &cloud_event::of(unit, source, event));
            end_event(&mut out, event.position);
        }
        let told = heard.events.last().map(|event| event.position).or(heard.reset);
        if told != Some(heard.position) {
            // What follows is not for this caller: the position moves on without an event.
            writeln!(out, "id: {}\n", heard.position).expect("a vector takes every octet");
        }
        Some(out.into())
    }

    /// Waits until the feed may have grown, or something else is due.
    async fn wait(&mut self) {
        let key_check_at = Instant::now() + KEY_CHECK_EVERY;
        let next = self.comment_at.min(key_check_at).min(self.ends_at);
        tokio::select! {
            () = self.feeding.listener.changed() => {}
            _ = self.draining.wait_for(|draining| *draining) => {}
            () = self.feeding.place.gave_way() => self.gave_way = true,
            () = sleep_until(next) => {}
        }
    }
}

/// What a client of server-sent events is answered where there is no stream for the moment: one that ends at
/// once and says when to come back. Any other status than 200 makes a browser give up for good.
pub(crate) fn later(problem: &Problem) -> Bytes {
    let ms = problem.comes_back_after().map_or(RETRY, |after| after.max(RETRY)).as_millis();
    format!("retry: {ms}\n: {}\n\n", problem.word()).into()
}

/// The headers of a stream around its octets.
pub(crate) fn response(body: Body) -> Response {
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    // Proxies of the nginx family would hold events back.
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    response
}

fn end_event(out: &mut Vec<u8>, position: u64) {
    writeln!(out, "\nid: {position}\n").expect("a vector takes every octet");
}
