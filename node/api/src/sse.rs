//! The feed of a unit as server-sent events, resumable by position at any node.
//!
//! It writes what [`FeedStream`] tells and decides nothing but the form. Many events go out in one write. Where the
//! stream ends, so does the answer, and the client goes on at another node.

use std::{io::Write, pin::Pin, time::Duration};

use axum::{
    body::Body,
    http::{HeaderValue, header},
    response::Response,
};
use bytes::Bytes;
use conductor::{Begin, FeedStream, Heard, Reader, Told, Waiting};
use futures_util::{Stream, stream};

use crate::{app::App, cloud_event, metrics::Counted, problem::Problem};

/// Events in one write: some 60 KiB at the most.
const EVENTS_A_WRITE_MAX: usize = 100;
/// Proxies and clients give up on a silent connection.
pub const COMMENT_EVERY: Duration = Duration::from_secs(15);
/// When a client comes back whose stream has ended.
const RETRY: Duration = Duration::from_secs(2);
/// A stream ends after 30 to 60 minutes, so that connections spread over the nodes again.
const LIFE_MIN: Duration = Duration::from_secs(30 * 60);

/// What one stream needs.
pub(crate) struct Feeding {
    pub(crate) app: App,
    /// `/lgsp/<cluster>`.
    pub(crate) source: String,
    pub(crate) stream: FeedStream,
    /// Held for the stream's life.
    pub(crate) _counted: Counted,
}

/// The stream's octets.
pub(crate) fn octets(
    feeding: Feeding,
) -> impl Stream<Item = Result<Bytes, std::convert::Infallible>> {
    stream::unfold(feeding, |mut feeding| async move {
        let told = feeding.stream.next().await.ok()?;
        let octets = feeding.written(told);
        feeding.app.metrics.sent(octets.len() as u64);
        Some((Ok(octets), feeding))
    })
}

/// What a client of server-sent events asks of its feed.
pub(crate) fn reader(seen: Option<u64>, stop: Pin<Box<dyn Future<Output = ()> + Send>>) -> Reader {
    Reader {
        begin: Begin::Greeted(seen),
        page_max: EVENTS_A_WRITE_MAX,
        beat_every: Some(COMMENT_EVERY),
        life: LIFE_MIN + Duration::from_secs(rand::random_range(0..LIFE_MIN.as_secs())),
        stop,
    }
}

impl Feeding {
    fn written(&self, told: Told) -> Bytes {
        match told {
            Told::Started(waiting) => self.greeting(waiting),
            Told::Heard(heard) => self.heard(&heard),
            Told::Beat => Bytes::from_static(b":\n\n"),
        }
    }

    /// It has no `id`, so it does not move the position.
    fn greeting(&self, waiting: Waiting) -> Bytes {
        let (unit, now) = (self.stream.unit(), self.app.exchange.now());
        let data = cloud_event::Started {
            waiting: waiting.count,
            next: waiting.next,
            position: waiting.position,
            more_waiting: waiting.more,
        };
        let mut out = format!("retry: {}\n", RETRY.as_millis()).into_bytes();
        out.extend_from_slice(b"data: ");
        cloud_event::write(&mut out, &cloud_event::started(unit, &self.source, now, data));
        out.extend_from_slice(b"\n\n");
        out.into()
    }

    fn heard(&self, heard: &Heard) -> Bytes {
        let (unit, source) = (self.stream.unit(), &self.source);
        let mut out = Vec::new();
        if let Some(behind) = heard.behind {
            out.extend_from_slice(b"data: ");
            let reset = cloud_event::reset(unit, source, self.app.exchange.now(), behind);
            cloud_event::write(&mut out, &reset);
            end_event(&mut out, behind.position);
        }
        for event in &heard.events {
            out.extend_from_slice(b"data: ");
            cloud_event::write(&mut out, &cloud_event::of(unit, source, event));
            end_event(&mut out, event.position);
        }
        let told = heard.events.last().map(|event| event.position);
        if told.or(heard.behind.map(|behind| behind.position)) != Some(heard.position) {
            // What follows is not for this caller: the position moves on without an event.
            writeln!(out, "id: {}\n", heard.position).expect("a vector takes every octet");
        }
        out.into()
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
